"""Who compacts: a lane each for direct requests, kcompactd, proactive and manual compaction."""

from __future__ import annotations

import numpy as np
from bokeh.models import ColumnDataSource, FixedTicker, HoverTool, Range1d

from ..metrics import compaction_runs
from ..schema import NO_INTEGER
from ..texts import _
from .view import Subject, View

LANES = {
    "direct": _("direct"),
    "kcompactd": _("kcompactd"),
    "proactive": _("proactive"),
    "manual": _("manual"),
    "unknown": _("somebody"),
}
MARKS = {
    "mm_compaction_kcompactd_wake": ("diamond", "kcompactd"),
    "mm_compaction_defer_compaction": ("x", "direct"),
    "mm_vmscan_kswapd_wake": ("triangle", "kcompactd"),
}
MOST = 2000


def who(subject: Subject) -> View | None:
    """Lanes of compaction runs with the events that explain them; None where nothing could tell."""
    runs = compaction_runs(subject.run)
    if runs.attrs["from"] is None:
        return None
    active = [name for name in LANES if (runs.who == name).any()] or ["direct", "kcompactd", "manual"]
    drawn, cursor = subject.figure(Range1d(-0.6, len(active) - 0.4))
    lane = {name: float(len(active) - 1 - k) for k, name in enumerate(active)}
    ticks = list(lane.values())
    drawn.yaxis.ticker = FixedTicker(ticks=ticks)
    drawn.yaxis.major_label_overrides = {tick: LANES[name] for name, tick in lane.items()}
    drawn.yaxis.major_tick_line_color = None
    source = _bars(subject, runs, lane)
    bars = drawn.segment("x0", "y", "x1", "y", source=source, line_width=11)
    subject.paint(bars.glyph, line_color="migrate")
    starts = drawn.scatter(
        "x0", "y", source=source, marker="square", size=3, line_color=None
    )  # a run of no width shows
    subject.paint(starts.glyph, fill_color="migrate")
    tips = [("who", "@who"), ("from", "@from"), ("for", "@span"), ("result", "@status"), ("zone", "@zone")]
    drawn.add_tools(HoverTool(renderers=[bars], tooltips=tips, line_policy="interp"))
    marks = _marks(subject, lane)
    dots = drawn.scatter("x", "y", source=marks, marker="marker", size=11, line_width=2, fill_alpha=0.9)
    subject.paint(dots.glyph, fill_color="migrate", line_color="ink")
    drawn.add_tools(HoverTool(renderers=[dots], tooltips=[("event", "@name"), ("at", "@when")]))
    models = {"source": source, "marks": marks, "lanes": LANES, "origin": runs.attrs["from"]}
    share = "minmax(46px,.9fr)" if len(active) > 2 else "minmax(42px,.8fr)"
    return View("who", drawn, [cursor], share, models)


def _bars(subject: Subject, runs: object, lane: dict[str, float]) -> ColumnDataSource:
    """Runs, those of one lane that are drawn less than half a position apart joined to one bar."""
    bars: list[list[object]] = []
    last: dict[str, list[object]] = {}
    axis = next(iter(subject.timeline.positions))
    columns = (runs[name].values for name in ("who", "start", "end", "status", "zone"))  # type: ignore[index]
    gap = 0.0 if len(runs["who"]) <= MOST else 1.0  # type: ignore[index]
    for name, start, end, status, zone in zip(*columns, strict=True):
        begin, finish = start / 1e9, end / 1e9
        bar = last.get(name)
        near = bar is not None and np.diff(subject.timeline.draw(np.array([bar[2], begin]), axis))[0] < gap
        if bar is not None and near:
            bar[2], bar[3] = max(float(bar[2]), finish), ""  # type: ignore[arg-type]
            bar[5] = int(bar[5]) + 1  # type: ignore[call-overload]
        else:
            last[name] = [name, begin, finish, str(status), str(zone), 1]
            bars.append(last[name])
    names, begins, ends, statuses, zones, joined = zip(*bars, strict=True) if bars else ([],) * 6
    size = len(bars)
    return ColumnDataSource(
        {
            "who": list(names), "start": np.array(begins, float), "end": np.array(ends, float), "status": list(statuses),
            "zone": list(zones), "joined": np.array(joined, np.int32), "y": [lane[str(name)] for name in names],
            "x0": np.zeros(size), "x1": np.zeros(size), "from": [""] * size, "span": [""] * size,
        }
    )  # fmt: skip


def _marks(subject: Subject, lane: dict[str, float]) -> ColumnDataSource:
    """Single events worth a mark in their lane."""
    events = subject.group("events")
    columns: dict[str, list[object]] = {"t": [], "y": [], "marker": [], "name": [], "order": []}
    if events is not None:
        wanted = [str(name) in MARKS and MARKS[str(name)][1] in lane for name in events["name"].values]
        chosen = events.isel(event=np.flatnonzero(wanted)[:MOST])
        orders = chosen["order"].values if "order" in chosen else np.full(chosen.sizes["event"], NO_INTEGER)
        for name, elapsed, order in zip(chosen["name"].values, chosen["elapsed"].values, orders, strict=True):
            marker, who_ = MARKS[str(name)]
            detail = "" if order == NO_INTEGER else f" (order {order})"
            for column, value in zip(
                columns.values(),
                (elapsed / 1e9, lane[who_], marker, f"{name}{detail}", int(order)),
                strict=True,
            ):
                column.append(value)
    del columns["order"]
    size = len(columns["t"])
    return ColumnDataSource({**columns, "x": [0.0] * size, "when": [""] * size})
