"""CPU time of those who free and compact memory, per interval."""

from __future__ import annotations

import numpy as np
from bokeh.models import ColumnDataSource, CustomJSTickFormatter, HoverTool, Range1d

from ..metrics.busy import busy_spans, busy_until, no_faster_than_time
from ..texts import N_, _, translated
from .spent import PARTS as SPENT
from .timeline import seconds_of
from .view import Between, Missing, Subject, View, steps
from .work import no_shorter_than

PARTS = 240
LEAST = 10_000_000
"""Shorter intervals (ns) than the whole axis is cut into would show one batch of work as a peak."""

LANES = {
    "requests": (N_("requests, commands"), "used", "solid"),
    "direct": (N_("of it direct work"), "ink", "solid"),
    "compaction": (N_("direct compaction"), "ink", "solid"),
    "reclaim": (N_("direct reclaim"), "fallback", "dotdash"),
    "kswapd": (N_("kswapd"), "scan_free", "dashed"),
    "kcompactd": (N_("kcompactd"), "migrate", "solid"),
    "manual": (N_("manual compaction"), "accent", "dotted"),
}
"""Name, token and dash of each."""

_WORDS = (
    N_("CPU time"), N_("Busy time"), N_("of one CPU"), N_("of one CPU, traced"), N_("CPU time, of one CPU"), N_("Busy time, of one CPU"), N_("from"), N_("to"),
)  # fmt: skip


def cpu(subject: Subject) -> View | Missing:
    """Share of one CPU that each thread took, by the simulation's own count or by begin and end in the trace."""
    spent = _spent(subject)
    if not spent:
        return Missing(
            _("CPU time of kswapd, kcompactd and direct work"),
            _(
                "enable the compaction and vmscan events in /sys/kernel/tracing, as root, and copy the trace beside"
            ),
            "pressure",
        )
    simulated = subject.group("threads") is not None
    names = list(spent)
    told = ColumnDataSource(_columns(subject, spent))
    y_range = Range1d(0, 1)
    drawn, cursor = subject.figure(y_range)
    source = steps("x", "zero", *names, "when", *(f"{name}_text" for name in names))
    for name in names:
        _title, token, dash = LANES[name]
        if name == "requests":
            area = drawn.varea_step("x", "zero", name, source=source, step_mode="after")
            subject.paint(area.glyph, fill_color=token)
            continue
        line = drawn.step("x", name, source=source, mode="after", line_width=2.5, line_dash=dash)
        subject.paint(line.glyph, line_color=token)
    reader = drawn.line("x", names[0], source=source, line_alpha=0)
    tips = [(_("at"), "@when"), *((_(LANES[name][0]), f"@{name}_text") for name in names)]
    drawn.add_tools(HoverTool(renderers=[reader], mode="vline", tooltips=tips, line_policy="nearest"))
    drawn.yaxis.ticker.desired_num_ticks = 3
    drawn.yaxis[0].formatter = CustomJSTickFormatter(
        code="return Number((tick * 100).toPrecision(3)) + '\u00a0%'"
    )
    models = {
        "told": told, "steps": source, "y": y_range, "words": translated(_WORDS), "simulated": simulated,
        "lanes": {name: [_(title), token, dash] for name in names for title, token, dash in [LANES[name]]},
    }  # fmt: skip
    return View(
        "cpu", drawn, cursor, f"minmax({22 + 17 * len(names)}px,1fr)", models, sheet="pressure",
        refine=lambda between: [(told, _columns(subject, spent, between))],
    )  # fmt: skip


def _spent(subject: Subject) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Moments and CPU time up to them (both ns) of each lane; straight lines between."""
    threads = subject.group("threads")
    if threads is None:
        spans = busy_spans(subject.run)
        return {
            lane: (at, busy_until(spans[lane], at))
            for lane in LANES
            if lane in spans
            for at in [np.unique(np.concatenate(spans[lane]))]
        }
    if threads.sizes["time"] < 2:
        return {}
    named = {"foreground": "requests", "kswapd": "kswapd", "kcompactd": "kcompactd"}
    moments = threads["elapsed"].to_numpy()
    nodes = len({zone.split("/")[0] for zone in subject.zones})
    found = {
        named[str(name)]: (moments, no_faster_than_time(moments, values, nodes))
        for name, values in zip(threads["thread"].values, threads["cpu_ns"].to_numpy().T, strict=True)
        if str(name) in named
    }
    allocations = subject.group("allocations")
    if allocations is not None and set(SPENT) <= set(allocations):
        begin = allocations["elapsed"].to_numpy()
        end = begin + allocations["latency_ns"].to_numpy()
        direct = sum(allocations[name].to_numpy() for name in ("reclaim_ns", "scan_ns", "migrate_ns"))
        total = np.cumsum(direct)
        at = np.stack([begin, end], axis=1).ravel()
        found["direct"] = (np.maximum.accumulate(at), np.stack([total - direct, total], axis=1).ravel())
    return {lane: found[lane] for lane in LANES if lane in found}


def _columns(
    subject: Subject, spent: dict[str, tuple[np.ndarray, np.ndarray]], between: Between | None = None
) -> dict[str, np.ndarray]:
    """Shares of one CPU in intervals that cut the axis evenly; `t` their begins, and one end with the last share."""
    edges = np.rint(subject.timeline.grid(PARTS, between) * 1e9).astype(np.int64)
    threads = subject.group("threads")
    if threads is not None:  # between two samples nothing tells when the time was spent
        seconds = seconds_of(threads)
        edges = threads["elapsed"].to_numpy()[subject.timeline.rows(seconds, PARTS, between)]
    edges = np.unique(edges)
    if between is None:
        edges = no_shorter_than(LEAST, edges)
    if edges.size < 2:
        return {"t": np.zeros(1), **{lane: np.zeros(1) for lane in spent}}
    columns = {"t": edges / 1e9}
    for lane, (at, total) in spent.items():
        share = np.diff(np.interp(edges, at, total)) / np.diff(edges)
        columns[lane] = np.append(share, share[-1])
    return columns
