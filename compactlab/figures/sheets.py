"""Sheets of a dashboard: rows of views, one sheet shown at a time, chosen by tabs that need no Python."""

from __future__ import annotations

import html
from collections.abc import Sequence

from bokeh.models import CustomJSTickFormatter, FixedTicker, GridBox, LayoutDOM

from ..texts import N_, _
from .look import words
from .view import Missing, Subject, View

SHEETS = {
    "overview": N_("Overview"),
    "pagemap": N_("Page map"),
    "pressure": N_("Pressure"),
    "latency": N_("Latency"),
    "migration": N_("Migration"),
    "table": N_("Table"),
}
"""Keys and names of the sheets, in the order of their tabs."""

GUTTER = 252  # of the column of names, keys and values, in pixels


def rows_sheet(
    key: str, views: Sequence[View | Missing], subject: Subject
) -> tuple[LayoutDOM, list[FixedTicker]]:
    """Rows on one time axis: words at the left, a figure at the right; the last figure shows the time.

    Returns
    -------
        The sheet, and the ticker of its time axis, which its script sets, if a view has one.
    """
    cells: list[tuple[LayoutDOM, int, int] | tuple[LayoutDOM, int, int, int, int]] = []
    tracks = []
    for k, view in enumerate(views):
        if isinstance(view, Missing):
            cells.append((missing(view), k, 0, 1, 2))
            tracks.append("minmax(44px,auto)")
            continue
        figures = (view.figure, *view.more)
        cells += [(view.words, k, 0), *((drawn, k, 1) for drawn in figures if drawn is not None)]
        tracks.append(view.share)
    drawn = [view for view in views if isinstance(view, View) and view.figure is not None]
    if not drawn:
        tracks.append("minmax(0,1fr)")
        cells.append((words(), len(views), 0))
    grid = GridBox(
        children=cells, rows=tracks, cols=[f"{GUTTER}px", "minmax(0,1fr)"], sizing_mode="stretch_both",
        spacing=(3, 0), name=f"sheet {key}", visible=False,
        styles={"min-height": "0", "overflow": "hidden auto"},  # rather than cover the controls where it is low
    )  # fmt: skip
    return grid, [time_axis(drawn[-1], subject)] if drawn else []


def missing(lack: Missing) -> LayoutDOM:
    """Say what a recording lacks, and how to record it, where the view would stand."""
    lacking, advice = html.escape(_("Not in this recording")), html.escape(_("To record it"))
    told = (
        f'<div style="padding:6px 12px;border-left:4px solid var(--cl-rule);line-height:19px">'
        f"<b>{lacking}: {html.escape(lack.what)}.</b> "
        f'<span class="m">{advice}: {html.escape(lack.how)}.</span></div>'
    )
    return words(told, sizing_mode="stretch_width")


def time_axis(last: View, subject: Subject) -> FixedTicker:
    """Show the time under the last row; its script sets ticks and labels."""
    assert last.figure is not None  # noqa: S101
    axis = last.figure.xaxis[0]
    axis.visible = True
    axis.ticker = FixedTicker(ticks=[])
    axis.formatter = CustomJSTickFormatter(
        args={"names": subject.x_range}, code="return names.tags[1]?.[tick] ?? ''"
    )
    return axis.ticker
