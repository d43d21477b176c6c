"""Who compacts: a lane each for direct requests, kcompactd, proactive and manual compaction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from bokeh.models import ColumnDataSource, FixedTicker, HoverTool, Range1d

from ..metrics import compaction_runs
from ..schema import NO_INTEGER
from ..texts import N_, _
from .view import Subject, View

LANES = {
    "direct": N_("direct"),
    "kcompactd": N_("kcompactd"),
    "proactive": N_("proactive"),
    "manual": N_("manual"),
    "unknown": N_("somebody"),
}
MARKS = {
    "mm_compaction_kcompactd_wake": ("diamond", "kcompactd"),
    "mm_compaction_defer_compaction": ("x", "direct"),
    "mm_vmscan_kswapd_wake": ("triangle", "kcompactd"),
}
"""Events worth a mark: its shape, and the lane it stands in."""
GIVEN_UP = ("circle_x", "contended")
"""Mark of a run that ended before its scanners met, and the status that tells."""
MOST = 2000
"""Bars and marks that are drawn apart."""


@dataclass
class _Bar:
    """One run of compaction, or several that are drawn as one."""

    who: str
    start: float
    end: float
    status: str
    zone: str
    joined: int = 1

    def join(self, later: _Bar) -> None:
        self.end, self.status, self.joined = max(self.end, later.end), "", self.joined + 1


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
    drawn.yaxis.major_label_overrides = {tick: _(LANES[name]) for name, tick in lane.items()}
    drawn.yaxis.major_tick_line_color = None
    source = _bars(subject, runs, lane)
    bars = drawn.segment("x0", "y", "x1", "y", source=source, line_width=11)
    subject.paint(bars.glyph, line_color="migrate")
    starts = drawn.scatter(
        "x0", "y", source=source, marker="square", size=3, line_color=None
    )  # a run of no width shows
    subject.paint(starts.glyph, fill_color="migrate")
    tips = [
        (_("who"), "@name"),
        (_("from"), "@from"),
        (_("for"), "@span"),
        (_("result"), "@status"),
        (_("zone"), "@zone"),
    ]
    drawn.add_tools(HoverTool(renderers=[bars], tooltips=tips, line_policy="interp", limit=3))
    marks = _marks(subject, runs, lane)
    dots = drawn.scatter("x", "y", source=marks, marker="marker", size=11, line_width=2, fill_alpha=0.9)
    subject.paint(dots.glyph, fill_color="migrate", line_color="ink")
    drawn.add_tools(HoverTool(renderers=[dots], tooltips=[(_("event"), "@name"), (_("at"), "@when")]))
    models = {
        "source": source,
        "marks": marks,
        "lanes": {name: _(title) for name, title in LANES.items()},
        "origin": runs.attrs["from"],
    }
    share = "minmax(54px,.9fr)" if len(active) > 2 else "minmax(54px,.8fr)"
    return View("who", drawn, cursor, share, models)


def _bars(subject: Subject, runs: xr.Dataset, lane: dict[str, float]) -> ColumnDataSource:
    """Runs as bars; where there are very many, those of one lane that would touch are joined to one."""
    axis = next(iter(subject.timeline.positions))
    gap = 0.0 if runs.sizes["run"] <= MOST else 1.0
    bars: list[_Bar] = []
    last: dict[str, _Bar] = {}
    columns = (runs[name].to_numpy() for name in ("who", "start", "end", "status", "zone"))
    for name, start, end, status, zone in zip(*columns, strict=True):
        bar = _Bar(str(name), start / 1e9, end / 1e9, str(status), str(zone))
        before = last.get(bar.who)
        if before is not None:
            ends = subject.timeline.draw(np.array([before.end, bar.start]), axis)
            if ends[1] - ends[0] < gap:
                before.join(bar)
                continue
        last[bar.who] = bar
        bars.append(bar)
    blank = [""] * len(bars)
    return ColumnDataSource(
        {
            "who": [bar.who for bar in bars],
            "name": [_(LANES[bar.who]) for bar in bars],
            "start": np.array([bar.start for bar in bars], float),
            "end": np.array([bar.end for bar in bars], float),
            "status": [bar.status for bar in bars],
            "zone": [bar.zone for bar in bars],
            "joined": [bar.joined for bar in bars],
            "y": [lane[bar.who] for bar in bars],
            **{name: np.zeros(len(bars)) for name in ("x0", "x1")},
            **dict.fromkeys(("from", "span"), blank),
        }
    )


def _marks(subject: Subject, runs: xr.Dataset, lane: dict[str, float]) -> ColumnDataSource:
    """Single events worth a mark in their lane, and runs that were given up."""
    given_up = runs.isel(run=np.flatnonzero(runs["status"].to_numpy() == GIVEN_UP[1])[:MOST])
    marks: list[tuple[float, float, str, str]] = [
        (
            end / 1e9,
            lane[str(name)],
            GIVEN_UP[0],
            _("{who}: {status} in {zone}").format(who=_(LANES[str(name)]), status=GIVEN_UP[1], zone=zone),
        )
        for name, end, zone in zip(*(given_up[key].to_numpy() for key in ("who", "end", "zone")), strict=True)
    ]
    events = subject.group("events")
    if events is not None:
        wanted = [name in MARKS and MARKS[name][1] in lane for name in events["name"].values]
        chosen = events.isel(event=np.flatnonzero(wanted)[:MOST])
        orders = chosen["order"].values if "order" in chosen else np.full(chosen.sizes["event"], NO_INTEGER)
        for name, elapsed, order in zip(chosen["name"].values, chosen["elapsed"].values, orders, strict=True):
            marker, of = MARKS[name]
            told = "{event}" if order == NO_INTEGER else _("{event} (order {order})")
            marks.append((elapsed / 1e9, lane[of], marker, told.format(event=name, order=order)))
    columns = dict(zip(("t", "y", "marker", "name"), zip(*marks, strict=True), strict=True)) if marks else {}
    empty = dict.fromkeys(("t", "y", "marker", "name"), ())
    return ColumnDataSource(
        {name: list(values) for name, values in (empty | columns).items()}
        | {"x": [0.0] * len(marks), "when": [""] * len(marks)}
    )
