"""Latency percentiles over time, with every request as a dot."""

from __future__ import annotations

from typing import Any

import xarray as xr
from bokeh.models import ColumnDataSource, CustomJSTickFormatter, HoverTool, LogTicker, Range1d

from ..texts import N_, _, translated
from .latency import MILLISECONDS, bins_of, points_of, request_of
from .view import Missing, Subject, View

Q = (50, 90, 99, 100)
LINES = {"p50": ("solid", 2.5), "p90": ("dashed", 2.0), "p99": ("dotted", 2.0), "p100": ("dotdash", 1.2)}
"""Dash and width of each."""

_WORDS = (
    N_("Time per allocation"), N_("got it"), N_("fell back"), N_("requests"), N_("no request now"), N_("median"), N_("p90"), N_("p99"), N_("slowest"),
    N_("from"), N_("to"), N_("Latency percentiles"),
    N_("Time to get {size}"), N_("{count} requests, {failed} fell back"), N_("{time}, fell back"),
)  # fmt: skip


def requests_of(subject: Subject) -> xr.Dataset | Missing:
    """Requests of the run with their latencies, or what stands where views of them would."""
    allocations = subject.group("allocations")
    if allocations is not None:
        return allocations
    return Missing(
        _("allocation latency"),
        _(
            "copy a timed log of requests beside the recording, with one line of time and latency each, or simulate the load"
        ),
        "latency",
    )


def percentiles(subject: Subject) -> View | Missing:
    """Median, 90th and 99th percentile and slowest request of each interval, on a logarithmic axis."""
    allocations = requests_of(subject)
    if isinstance(allocations, Missing):
        return allocations
    ms = allocations["latency_ns"].to_numpy() / 1e6
    y_range = Range1d(max(float(ms.min()), 1e-4) * 0.6, float(ms.max()) * 1.8)
    drawn, cursor = subject.figure(y_range, y_axis_type="log")
    points = ColumnDataSource(points_of(allocations, subject))
    found = ColumnDataSource(bins_of(subject, q=Q))
    dots = []
    for token, look in (("huge", {"size": 4, "alpha": 0.35}), ("fallback", {"size": 8, "marker": "x"})):
        source = ColumnDataSource({name: [] for name in ("x", "ms", "when", "text")})
        dot = drawn.scatter("x", "ms", source=source, line_width=1.5 if "marker" in look else 0, **look)
        subject.paint(dot.glyph, fill_color=token, line_color=token)
        dots.append(dot)
    lines = ColumnDataSource({name: [] for name in ("x0", "x1", *LINES)})
    for name, (dash, width) in LINES.items():
        halo = drawn.segment("x0", name, "x1", name, source=lines, line_width=width + 2, line_alpha=0.6)
        subject.paint(halo.glyph, line_color="bg")
        line = drawn.segment("x0", name, "x1", name, source=lines, line_width=width, line_dash=dash)
        subject.paint(line.glyph, line_color="ink")
    drawn.add_tools(HoverTool(renderers=dots, tooltips=[(_("at"), "@when"), (_("took"), "@text")], limit=3))
    drawn.yaxis.ticker = LogTicker(desired_num_ticks=4)
    drawn.yaxis[0].formatter = CustomJSTickFormatter(code=MILLISECONDS)
    models: dict[str, Any] = {
        "points": points, "found": found, "lines": lines, "got": dots[0].data_source, "fell": dots[1].data_source,
        "request": request_of(allocations), "words": translated(_WORDS), "dashes": {name: dash for name, (dash, _width) in LINES.items()},
    }  # fmt: skip
    return View(
        "percentiles", drawn, cursor, "minmax(130px,1.7fr)", models, sheet="latency",
        refine=lambda between: [
            (points, points_of(allocations, subject, between)), (found, bins_of(subject, between, Q)),
        ],
    )  # fmt: skip
