"""Allocation latency: every request, percentiles over time, and the distribution as a whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from bokeh import plotting
from bokeh.models import ColumnDataSource, CustomJSTickFormatter, FixedTicker, HoverTool, LogTicker, Range1d

from ..metrics import latency_percentiles
from ..texts import _
from .timeline import seconds_of
from .view import Between, Subject, View

POINTS = 4000
PARTS = 80
MILLISECONDS = (
    "return tick >= 1000 ? tick / 1000 + '\u00a0s' : tick >= 1 ? tick + '\u00a0ms' "
    ": +(tick * 1000).toPrecision(6) + '\u00a0µs'"
)
DASHES = ("solid", "dashed", "dotted", "dotdash")


def latency(subject: Subject) -> View | None:
    """Requests as dots with percentiles over time, and in their place on demand the ECDF; None without latencies."""
    allocations = subject.group("allocations")
    if allocations is None or not allocations.sizes["allocation"]:
        return None
    ms = allocations["latency_ns"].to_numpy() / 1e6
    y_range = Range1d(max(float(ms.min()), 1e-4) * 0.6, float(ms.max()) * 1.8)
    drawn, cursor = subject.figure(y_range, y_axis_type="log")
    points = ColumnDataSource(points_of(allocations, subject))
    percentiles = ColumnDataSource(bins_of(subject))
    band = ColumnDataSource({name: [] for name in ("x0", "x1", "p50", "p99")})
    layer = drawn.quad("x0", "x1", "p99", "p50", source=band, line_color=None, level="underlay")
    subject.paint(layer.glyph, fill_color="panel")
    for name, dash in (("p50", "solid"), ("p99", "dashed")):
        line = drawn.segment("x0", name, "x1", name, source=band, line_width=2, line_dash=dash)
        subject.paint(line.glyph, line_color="ink")
    dots = []
    for kind, token, look in (
        ("got", "huge", {"size": 5, "alpha": 0.45}),
        ("fell", "fallback", {"size": 8, "marker": "x"}),
    ):
        source = ColumnDataSource({name: [] for name in ("x", "ms", "when", "text")})
        dot = drawn.scatter("x", "ms", source=source, line_width=1.5 if kind == "fell" else 0, **look)
        subject.paint(dot.glyph, fill_color=token, line_color=token)
        dots.append(dot)
    drawn.add_tools(HoverTool(renderers=dots, tooltips=[(_("at"), "@when"), (_("took"), "@text")], limit=3))
    drawn.yaxis.ticker = LogTicker(desired_num_ticks=4)
    drawn.yaxis[0].formatter = CustomJSTickFormatter(code=MILLISECONDS)
    ecdf, lines = ecdf_of(subject, allocations, y_range)
    models = {
        "points": points, "percentiles": percentiles, "band": band, "got": dots[0].data_source,
        "fell": dots[1].data_source, "over_time": drawn, "ecdf": ecdf, "lines": lines,
        "request": request_of(allocations),
    }  # fmt: skip
    return View(
        "latency", drawn, cursor, "minmax(100px,1.75fr)", models, more=(ecdf,),
        refine=lambda between: [
            (points, points_of(allocations, subject, between)), (percentiles, bins_of(subject, between)),
        ],
    )  # fmt: skip


def request_of(allocations: xr.Dataset) -> int:
    """The one order that was asked for, or -1."""
    orders = np.unique(allocations["order"].to_numpy()) if "order" in allocations else np.array([-1])
    return int(orders[0]) if orders.size == 1 else -1


def points_of(
    allocations: xr.Dataset, subject: Subject, between: Between | None = None
) -> dict[str, np.ndarray]:
    """Requests to draw: all, or an even choice that keeps the slowest and the failed."""
    seconds = seconds_of(allocations)
    shown = np.arange(seconds.size)
    if between is not None:
        first, last = subject.timeline.seconds(np.array(between[:2]), between[2])
        shown = shown[(seconds >= first) & (seconds <= last)]
    slow = allocations["latency_ns"].to_numpy()
    got = allocations["success"].to_numpy()
    if shown.size > POINTS:
        slowest = shown[np.argsort(slow[shown])[-POINTS // 8 :]]
        failed = shown[~got[shown]]
        even = shown[:: -(-shown.size // (POINTS // 2))]
        shown = np.unique(np.concatenate([slowest, failed[:: max(failed.size // (POINTS // 4), 1)], even]))
    return {"t": seconds[shown], "ms": slow[shown] / 1e6, "got": got[shown].astype(np.uint8)}


def intervals(subject: Subject, parts: int, between: Between | None = None) -> np.ndarray:
    """Edges (ns) that cut the axis evenly and end behind the last moment; none reaches over the border of two phases."""
    edges = np.rint(subject.timeline.grid(parts, between) * 1e9).astype(np.int64)
    if subject.timeline.phases and between is None:
        edges = np.union1d(edges, [round(start * 1e9) for start, _, _ in subject.timeline.phases])
    return np.unique(np.append(edges, edges[-1] + 1))


def bins_of(
    subject: Subject, between: Between | None = None, q: Sequence[float] = (50, 99)
) -> dict[str, np.ndarray]:
    """Percentiles per interval that has requests: begin, end, p50, p99 and so on in ms, requests, failures."""
    found = latency_percentiles(subject.run, intervals(subject, PARTS, between), q=q)
    found = found.isel(bin=found["nr_requests"].to_numpy() > 0)
    in_ms = found["latency_ns"].to_numpy() / 1e6
    return {
        "start": found["start"].to_numpy() / 1e9, "end": found["end"].to_numpy() / 1e9,
        **{f"p{percentile:g}": in_ms[:, k] for k, percentile in enumerate(q)},
        "requests": found["nr_requests"].to_numpy().astype(np.int32),
        "failed": found["nr_failed"].to_numpy().astype(np.int32),
    }  # fmt: skip


def ecdf_of(
    subject: Subject, allocations: xr.Dataset, across: Range1d
) -> tuple[plotting.figure, list[dict[str, object]]]:
    """Share of all requests that got their block within a time, one line per source of requests.

    A line ends at the share that got one at all: a refusal, however quick, serves nobody.
    """
    drawn = subject.paint.figure(
        x_range=Range1d(across.start, across.end), y_range=Range1d(0, 1.04), x_axis_type="log",
        min_border_left=subject.border,
        min_border_right=30, visible=False,
    )  # fmt: skip
    drawn.xaxis[0].formatter = CustomJSTickFormatter(code=MILLISECONDS)
    drawn.yaxis.ticker = FixedTicker(ticks=[0, 0.5, 1])
    drawn.yaxis.major_label_overrides = {0: "0 %", 0.5: "50 %", 1: "100 %"}
    ms = allocations["latency_ns"].to_numpy() / 1e6
    got = allocations["success"].to_numpy()
    source_of = allocations["source"].to_numpy() if "source" in allocations else np.full(ms.size, "", object)
    lines: list[dict[str, object]] = []
    renderers = []
    for name, dash in zip(list(dict.fromkeys(source_of))[: len(DASHES)], DASHES, strict=False):
        asked = source_of == name
        count = int(asked.sum())
        ordered = np.sort(ms[asked & got])
        at = np.unique(np.linspace(0, ordered.size - 1, min(ordered.size, 400)).astype(int))
        columns = {
            "ms": ordered[at],
            "share": (at + 1) / count,
            "text": [f"{v:.3g} ms" for v in ordered[at]],
        }
        source = ColumnDataSource({**columns, "percent": [f"{100 * v:.1f} %" for v in columns["share"]]})
        line = drawn.step("ms", "share", source=source, mode="after", line_width=2.5, line_dash=dash)
        subject.paint(line.glyph, line_color="huge")
        # BokehJS finds no step under the mouse: an unseen line tells the values.
        renderers.append(drawn.line("ms", "share", source=source, line_alpha=0, name=str(name)))
        lines.append(
            {"name": str(name), "dash": dash, "count": count, "got": int(ordered.size), "source": source}
        )
    drawn.add_tools(
        HoverTool(
            renderers=renderers, tooltips=[(_("served"), _("@percent within @text, $name"))], mode="vline"
        )
    )
    return drawn, lines
