"""Whole pictures of a run: rows of views on one time axis, or the page map, under a heading and the verdict."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.lines import Line2D

from ...figures.timeline import WIDTH
from ...figures.view import Missing
from .latencies import ecdf, heat, latency, percentiles, spent
from .overview import contiguity, indices, who, work
from .pagemap import pagemap
from .panel import Panel
from .pressure import cpu, efficiency, migratetypes, score, watermarks
from .sheet import KEY_LINE, Sheet, text_width
from .stage import Stage, VerdictBar, phase_strip, time_axis

PANELS: dict[str, Callable[[Sheet, Stage], Panel | Missing]] = {
    "contiguity": contiguity,
    "indices": indices,
    "who": who,
    "work": work,
    "latency": latency,
    "watermarks": watermarks,
    "migratetypes": migratetypes,
    "score": score,
    "cpu": cpu,
    "efficiency": efficiency,
    "percentiles": percentiles,
    "ecdf": ecdf,
    "heat": heat,
    "spent": spent,
}
"""Views that can stand in a row, as the dashboards call them."""

SHEETS = {
    "overview": ("contiguity", "indices", "who", "work", "latency"),
    "pressure": ("watermarks", "migratetypes", "score", "cpu", "efficiency"),
    "latencies": ("percentiles", "heat", "spent", "ecdf"),
}
"""Several views in one picture; those that a run does not tell are left out."""

VIEWS = ("overview", *PANELS, "pagemap", *(name for name in SHEETS if name != "overview"))
"""Names of all pictures of a run."""

LEAST = 28
"""Height of axes at least, in pixels."""
_LEFT, _RIGHT = 104, 24
_STRIP = 26


class LackingError(ValueError):
    """A run does not tell what a view shows."""


def scene_of(
    sheet: Sheet, stage: Stage, view: str, moments: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Draw a view of a run on an empty sheet.

    Parameters
    ----------
    sheet
        Where.
    stage
        What.
    view
        One of `VIEWS`.
    moments
        Which moments to show, given those at which something changes (s).

    Returns
    -------
        The moments, in elapsed seconds.

    Raises
    ------
    LackingError
        If the run does not tell what the view shows.
    """
    top = _heading(sheet, stage)
    sheet.needs(*((880, 420) if view == "pagemap" else (560, 0)))
    if view == "pagemap":
        stirs = pagemap(
            sheet, stage, top + (VerdictBar.height if "zones" in stage.subject.run.children else 0)
        )
        if isinstance(stirs, Missing):
            raise LackingError(lack_of(view, stirs))
        chosen = moments(stirs)
        VerdictBar(sheet, stage.verdicts(chosen), chosen, top)
        _clock(sheet, stage)
        return chosen
    names = SHEETS.get(view, (view,))
    found = {name: PANELS[name](sheet, stage) for name in names}
    panels = [panel for panel in found.values() if isinstance(panel, Panel)]
    if not panels:
        raise LackingError(lack_of(view, *(lack for lack in found.values() if isinstance(lack, Missing))))
    chosen = moments(stage.subject.timeline.seconds(np.linspace(0, WIDTH, 1001), stage.axis))
    if VerdictBar(sheet, stage.verdicts(chosen), chosen, top):
        top += VerdictBar.height
    _rows(sheet, stage, panels, top)
    _clock(sheet, stage)
    return chosen


def lack_of(view: str, *lacks: Missing) -> str:
    """What a view of this run would need."""
    told = "; ".join(dict.fromkeys(f"{lack.what} (to have it: {lack.how})" for lack in lacks))
    return f"view {view!r}: this run does not tell {told}"


def _heading(sheet: Sheet, stage: Stage) -> float:
    title = sheet.text(18, 22, stage.title, "ink", 22, va="center", weight="bold")
    after = 34 + title.get_window_extent(sheet.canvas.get_renderer()).width
    room = int((sheet.width - after - 150) / text_width("x"))
    about = stage.about if len(stage.about) <= room else stage.about[: max(room - 1, 0)] + "…" * (room > 0)
    sheet.text(after, 24, about, "ink2", 14, va="center")
    return 44


def _clock(sheet: Sheet, stage: Stage) -> None:
    """Show the moment at the right end of the heading."""
    told = sheet.text(sheet.width - 18, 24, "", "ink", 15, va="center", ha="right", weight="bold")
    sheet.moves(told)
    sheet.movers.append(lambda seconds: told.set_text(stage.clock(seconds)))


def _rows(sheet: Sheet, stage: Stage, panels: list[Panel], top: float) -> None:
    """Draw panels below each other; the last one on the time axis shows the time."""
    right = sheet.width - _RIGHT
    if stage.subject.timeline.phases and panels[0].on_time:
        phase_strip(sheet, stage, sheet.axes(_LEFT, top, right, top + _STRIP))
        top += _STRIP + 4
    heads = [_head_lines(panel, right - _LEFT) for panel in panels]
    axis_lines = (
        1 + any(not panel.on_time for panel in panels[:-1]) + (not panels[-1].on_time and len(panels) > 1)
    )
    free = sheet.height - top - sum(KEY_LINE * lines + 10 for lines, _columns in heads) - 26 * axis_lines - 4
    sheet.needs(0, sheet.height - free + LEAST * len(panels))
    timed = [panel for panel in panels if panel.on_time]
    for panel, (lines, columns) in zip(panels, heads, strict=True):
        bottom = top + KEY_LINE * lines + free * panel.share / sum(each.share for each in panels)
        axes = sheet.axes(_LEFT, top + KEY_LINE * lines, right, bottom)
        sheet.text(_LEFT, top + KEY_LINE / 2, panel.title, "ink", 15, va="center", weight="bold")
        if panel.on_time:
            axes.tick_params(axis="x", labelbottom=False, bottom=False)
        panel.draw(axes)
        if panel.handles:
            sheet.key(axes, panel.handles, columns)
        if panel.on_time:
            axes.set_xlim(0, WIDTH)
            cursor = axes.axvline(0, color=sheet.colour("ink"), linewidth=1.6)
            sheet.moves(cursor)
            sheet.movers.append(_follow(cursor, stage))
        last = panel is timed[-1] if timed else False
        if last:
            time_axis(sheet, stage, axes)
        top = bottom + 10 + (26 if last or not panel.on_time else 0)


def _follow(cursor: Line2D, stage: Stage) -> Callable[[float], None]:
    return lambda seconds: cursor.set_xdata([float(stage.draw(seconds))] * 2)


def _head_lines(panel: Panel, room: float) -> tuple[int, int]:
    """Lines that name and key take, and columns of the key: beside the name if there is room, else below."""
    if not panel.handles:
        return 1, 1
    widths = [text_width(str(handle.get_label())) + 34 for handle in panel.handles]
    beside = room - text_width(panel.title, 15.5) - 10
    if sum(widths) <= beside:
        return 1, len(widths)
    widest = max(widths)
    lines = -(-len(widths) // max(int(beside / widest), 1))
    if widest <= beside and lines <= 2:
        return lines, -(-len(widths) // lines)
    columns = max(1, min(len(panel.handles), int(room / widest)))
    return 1 + -(-len(panel.handles) // columns), columns
