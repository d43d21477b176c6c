"""What requests spend their time on: free lists, zeroing, reclaim, scanning, moving, waiting."""

from __future__ import annotations

import numpy as np
import xarray as xr
from bokeh.models import ColumnDataSource, CustomJSTickFormatter, HoverTool, Range1d

from ..metrics.busy import busy_spans, busy_until
from ..texts import N_, _, translated
from .latency import MILLISECONDS, intervals
from .percentiles import requests_of
from .view import Between, Missing, Subject, View, steps

PARTS = ("alloc_ns", "clear_ns", "reclaim_ns", "scan_ns", "migrate_ns", "wait_ns")
"""Columns of the allocations that add up to the latency."""

_CUTS = 160
_LOOKS = {
    "alloc_ns": (N_("free lists"), "used", None),
    "clear_ns": (N_("zeroing pages"), "other", None),
    "reclaim_ns": (N_("direct reclaim"), "fallback", "right_diagonal_line"),
    "scan_ns": (N_("scanning"), "scan_free", "dot"),
    "migrate_ns": (N_("moving pages"), "migrate", None),
    "wait_ns": (N_("waiting"), "highatomic", "horizontal_line"),
    "compaction": (N_("direct compaction"), "migrate", None),
    "rest": (N_("all else"), "used", None),
}
"""Name, token and hatch of each part, from the bottom of the stack."""

_WORDS = (
    N_("Mean time of a request"), N_("traced"), N_("no request now"), N_("requests"), N_("from"), N_("to"), N_("What requests spend their time on"),
    N_("{count} requests, mean {time}"),
)  # fmt: skip


def spent(subject: Subject) -> View | Missing | None:
    """Stack of the mean time of a request per interval, by what it was spent on.

    A simulation tells every part. A recording with traced compaction or reclaim tells how much of each request
    lay between their begins and ends, if its requests came one after the other.
    """
    allocations = requests_of(subject)
    if isinstance(allocations, Missing):
        return None  # the percentiles say what is missing
    parts = _parts(subject, allocations)
    if not parts:
        return Missing(
            _("what requests spent their time on"),
            _(
                "simulate the load, which tells every part; or enable the compaction and vmscan events in "
                "/sys/kernel/tracing, as root, with requests one after the other: then compaction and reclaim are told apart"
            ),
            "latency",
        )
    traced = "rest" in parts
    told = ColumnDataSource(_means(subject, allocations, parts))
    y_range = Range1d(0, 1)
    drawn, cursor = subject.figure(y_range)
    edges = [f"y{k}" for k in range(len(parts) + 1)]
    source = steps("x", *edges, "when", *(f"text{k}" for k in range(len(parts))))
    for k, name in enumerate(parts):
        _title, token, hatch = _LOOKS[name]
        more = (
            {"hatch_pattern": hatch, "hatch_alpha": 0.8, "hatch_scale": 6, "hatch_weight": 1} if hatch else {}
        )
        layer = drawn.varea_step("x", edges[k], edges[k + 1], source=source, step_mode="after", **more)
        subject.paint(layer.glyph, fill_color=token, **({"hatch_color": "bg"} if hatch else {}))
    reader = drawn.line("x", edges[-1], source=source, line_alpha=0)
    tips = [(_("at"), "@when"), *((_(_LOOKS[name][0]), f"@text{k}") for k, name in enumerate(parts))]
    drawn.add_tools(HoverTool(renderers=[reader], mode="vline", tooltips=tips, line_policy="nearest"))
    drawn.yaxis.ticker.desired_num_ticks = 3
    drawn.yaxis[0].formatter = CustomJSTickFormatter(code=f"if (!tick) return '0'; {MILLISECONDS}")
    models = {
        "told": told, "steps": source, "y": y_range, "words": translated(_WORDS), "traced": traced,
        "parts": [[name, _(title), *look] for name in parts for title, *look in [_LOOKS[name]]],
    }  # fmt: skip
    return View(
        "spent", drawn, cursor, f"minmax({42 + 17 * len(parts)}px,1.4fr)", models, sheet="latency",
        refine=lambda between: [(told, _means(subject, allocations, parts, between))],
    )  # fmt: skip


def _parts(subject: Subject, allocations: xr.Dataset) -> dict[str, np.ndarray]:
    """Time of each request by what it was spent on, (allocation) ns each; they add up to the latency."""
    latency = allocations["latency_ns"].to_numpy()
    if set(PARTS) <= set(allocations) and all((allocations[name] >= 0).all() for name in PARTS):
        return {name: allocations[name].to_numpy() for name in PARTS}
    spans = busy_spans(subject.run)
    begin = allocations["elapsed"].to_numpy()
    ordered = np.argsort(begin, kind="stable")
    overlaps = (begin[ordered][1:] < (begin + latency)[ordered][:-1]).any()
    if overlaps or not {"compaction", "reclaim"} & set(spans):
        return {}
    found = {
        name: busy_until(spans[name], begin + latency) - busy_until(spans[name], begin)
        for name in ("reclaim", "compaction")
        if name in spans
    }
    rest = latency - sum(found.values())
    if (rest < 0).any():  # several at once: which of them was a request's own is not told
        return {}
    named = {"rest": rest, "reclaim_ns": found.get("reclaim"), "compaction": found.get("compaction")}
    return {name: values for name, values in named.items() if values is not None}


def _means(
    subject: Subject, allocations: xr.Dataset, parts: dict[str, np.ndarray], between: Between | None = None
) -> dict[str, np.ndarray]:
    """Begin and end (s) of each interval that has requests, their number, and the mean of each part in ms."""
    edges = intervals(subject, _CUTS, between)
    column = np.searchsorted(edges, allocations["elapsed"].to_numpy(), side="right") - 1
    inside = (column >= 0) & (column < edges.size - 1)
    count = np.bincount(column[inside], minlength=edges.size - 1)
    has = count > 0
    return {
        "start": edges[:-1][has] / 1e9, "end": edges[1:][has] / 1e9, "requests": count[has].astype(np.int32),
        **{
            name: np.bincount(column[inside], values[inside], edges.size - 1)[has] / count[has] / 1e6
            for name, values in parts.items()
        },
    }  # fmt: skip
