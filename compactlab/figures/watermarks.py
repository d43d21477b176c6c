"""Free pages of a zone against its watermarks: how near it is to being reclaimed."""

from __future__ import annotations

import numpy as np
import xarray as xr
from bokeh.models import ColumnDataSource, CustomJSTickFormatter, FixedTicker, HoverTool, Range1d

from ..texts import N_, _, translated
from .timeline import seconds_of
from .view import Between, Missing, Subject, View, steps

MARKS = {"high": ("ok", "solid"), "low": ("warn", "dashed"), "min": ("bad", "dotted")}
"""Watermarks from the highest down: token and dash of each."""

_WORDS = (
    N_("Free pages and watermarks"), N_("free"), N_("high"), N_("low"), N_("min"), N_("boosted by"), N_("per-CPU, not in buddyinfo"),
    N_("marks not recorded for this zone"), N_("above high: kswapd rests"), N_("below high: kswapd works if awake"),
    N_("below low: requests wake kswapd"), N_("below min: requests must reclaim"), N_("at"),
    N_("boosted by {size}"), N_("marks first read at {time}"), N_("per-CPU lists (not in buddyinfo)"), N_("watermark {name}"),
)  # fmt: skip


def watermarks(subject: Subject) -> View | Missing:
    """Line of free pages with the three watermarks, on an axis where each step up is a doubling.

    A boost is added to every mark, as the kernel adds it. Pages on per-CPU lists are free but in no free list:
    they are told apart. What zoneinfo says holds until it is read again.
    """
    info = subject.group("zoneinfo")
    if info is None:
        return Missing(
            _("watermarks and per-CPU lists"),
            _("record with compactlab record, or copy /proc/zoneinfo beside /proc/buddyinfo"),
            "pressure",
        )
    if subject.group("zones") is None:
        return Missing(_("free pages of the zones"), _("read /proc/buddyinfo too"), "pressure")
    told = ColumnDataSource(_columns(subject, info))
    y_range = Range1d(0, 1)
    drawn, cursor = subject.figure(y_range)
    free = ColumnDataSource({name: [] for name in ("x", "free", "least", "most", "when", "text", "marks")})
    subject.paint(drawn.varea("x", "least", "most", source=free, fill_alpha=0.35).glyph, fill_color="ink2")
    lines = steps("x", *MARKS)
    for name, (token, dash) in MARKS.items():
        line = drawn.step("x", name, source=lines, mode="after", line_width=2, line_dash=dash)
        subject.paint(line.glyph, line_color=token)
    line = drawn.line("x", "free", source=free, line_width=2.5)
    subject.paint(line.glyph, line_color="ink")
    tips = [(_("at"), "@when"), (_("free"), "@text"), (_("high, low, min"), "@marks")]
    drawn.add_tools(HoverTool(renderers=[line], mode="vline", tooltips=tips, line_policy="nearest"))
    drawn.yaxis.ticker = FixedTicker(ticks=[])
    drawn.yaxis[0].formatter = CustomJSTickFormatter(
        args={"names": y_range}, code="return names.tags[0]?.[tick] ?? ''"
    )
    models = {
        "told": told, "free": free, "lines": lines, "y": y_range, "axis": drawn.yaxis[0], "zones": len(subject.zones),
        "words": translated(_WORDS), "marks": {name: list(look) for name, look in MARKS.items()},
    }  # fmt: skip
    boosted = any((np.asarray(boost) > 0).any() for boost in told.data["boost"])
    return View(
        "watermarks", drawn, cursor, f"minmax({138 if boosted else 122}px,1.6fr)", models, sheet="pressure",
        refine=lambda between: [(told, _columns(subject, info, between))],
    )  # fmt: skip


def _columns(
    subject: Subject, info: xr.Dataset, between: Between | None = None
) -> dict[str, list[np.ndarray]]:
    """Times of the samples to draw; marks without boost, boost and per-CPU pages, (time, zone) flattened.

    Zones are those of the free lists; pages, -1 where zoneinfo does not tell.
    """
    seconds = seconds_of(info)
    rows = subject.timeline.rows(seconds, max(subject.bins // 2, 50), between)
    part = info.isel(time=rows).reindex(zone=subject.zones, fill_value=-1)
    marks = {
        name: part["watermark"].sel(mark=name).to_numpy()
        if name in part["mark"].values
        else np.full((rows.size, len(subject.zones)), -1)
        for name in MARKS
    }
    boost = part["boost"].to_numpy() if "boost" in part else np.zeros_like(marks["high"])
    pcp = np.full_like(marks["high"], -1)
    if "pcp_count" in part:
        counts = part["pcp_count"].to_numpy()
        pcp = np.where((counts >= 0).any(axis=-1), np.maximum(counts, 0).sum(axis=-1), -1)
    columns = {**marks, "boost": np.maximum(boost, 0), "pcp": pcp}
    return {"t": [seconds[rows]], **{name: [np.asarray(v, float).ravel()] for name, v in columns.items()}}
