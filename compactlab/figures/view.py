"""What every view is made of: a figure in the row of a dashboard, words beside it, and its script."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from typing import Any

import xarray as xr
from bokeh import plotting
from bokeh.models import ColumnDataSource, Div, LayoutDOM, Range1d, Span

from .. import schema
from ..metrics.moves import moves
from ..metrics.source import group, huge_page_order
from .look import Paint, words
from .timeline import WIDTH, Timeline, timeline_of

Between = tuple[float, float, str]
"""Part of a drawn axis: first position, last position, name of the axis."""

Updates = list[tuple[ColumnDataSource, dict[str, Any]]]
"""Sources, and the columns they are to have."""


@dataclass(frozen=True)
class Subject:
    """What all views of one dashboard share: the run, its time, its zones and sizes."""

    run: xr.DataTree
    timeline: Timeline
    zones: list[str]
    orders: list[int]
    page_size: int | None
    pageblock_order: int
    paint: Paint
    x_range: Range1d
    bins: int

    @cached_property
    def moved(self) -> xr.Dataset | None:
        """Which page went where, or None: to infer it takes a while, and several views ask."""
        return moves(self.run)

    @property
    def border(self) -> int:
        """Room for the values of the left axes, in pixels; "kcompactd" fits, or "400 k pages"."""
        return 80 if self.page_size else 92

    def group(self, name: str) -> xr.Dataset | None:
        """Group of the run, or None."""
        return group(self.run, name)

    def figure(self, y_range: Any, **options: Any) -> tuple[plotting.figure, Span]:
        """Figure on the shared time axis, and its cursor."""
        drawn = self.paint.figure(
            x_range=self.x_range, y_range=y_range, min_border_left=self.border, min_border_right=30, min_border_top=2,
            min_border_bottom=2, **options,
        )  # fmt: skip
        drawn.xaxis.visible = False
        # On the overlay level a moving cursor repaints nothing but itself.
        cursor = Span(location=0, dimension="height", line_width=2, level="overlay")
        drawn.add_layout(self.paint(cursor, line_color="ink"))
        return drawn, cursor


@dataclass(frozen=True)
class View:
    """One row of a sheet of a dashboard.

    ``models`` are what the view's script gets; ``script`` is the stem of a JavaScript file that holds one
    function ``(ctx, models) => ({select, move})``: ``select`` redraws after zone, order, axis, range or
    data changed, ``move`` follows the cursor; ``table``, if there, gives what is drawn in words and numbers:
    ``{title, columns, rows}``. ``refine`` gives finer data of a part of the time axis, ``answer`` what a message
    of the script to Python asks for.
    """

    key: str
    figure: plotting.figure | None
    cursor: Span | None
    share: str  # of the height, a CSS grid track
    models: dict[str, Any]
    words: Div = field(default_factory=lambda: words(sizing_mode="stretch_both"))
    more: tuple[plotting.figure, ...] = ()  # further figures in the same row, shown in turn
    sheet: str = "overview"  # where it stands, a key of sheets.SHEETS
    layout: LayoutDOM | None = None  # of a view that fills its sheet alone
    answer: Callable[[dict[str, Any]], Updates] = lambda message: []  # noqa: ARG005
    refine: Callable[[Between], Updates] = lambda between: []  # noqa: ARG005


@dataclass(frozen=True)
class Missing:
    """Stands where a view would, if the run told it: what is missing, and how to record it."""

    what: str
    how: str
    sheet: str = "overview"


def subject_of(run: xr.DataTree, theme: str, bins: int) -> Subject:
    """Lay a run out for drawing."""
    schema.validate(run)
    zones = _with_free_lists(run)
    return Subject(
        run=run,
        timeline=timeline_of(run),
        zones=[str(zone) for zone in zones["zone"].values] if zones is not None else [],
        orders=[int(order) for order in zones["order"].values] if zones is not None else list(range(11)),
        page_size=schema.page_size(run),
        pageblock_order=huge_page_order(run),
        paint=Paint(theme),
        x_range=Range1d(0, WIDTH, bounds=(0, WIDTH), min_interval=0.02),
        bins=bins,
    )


def _with_free_lists(run: xr.DataTree) -> xr.Dataset | None:
    """Group that tells free blocks: of zones, else of their migratetypes."""
    found = (run[name].to_dataset() for name in ("zones", "migratetypes") if name in run.children)
    return next((group for group in found if all(group.sizes.values())), None)


def zone_index(subject: Subject, zone: str | None) -> int:
    """Zone to open on: the one asked for, or the one that had most memory free."""
    zones = _with_free_lists(subject.run)
    if zones is None:
        return 0
    if zone is None:
        pages = zones["nr_free"] * 2 ** zones["order"]
        return int(pages.sum(set(pages.dims) - {"time", "zone"}).max("time").to_numpy().argmax())
    names = [str(name) for name in zones["zone_name"].values]
    for known in (subject.zones, names):
        if zone in known:
            return known.index(zone)
    raise ValueError(f"zone: got {zone!r}, expected one of {', '.join(subject.zones)}")


def order_index(subject: Subject, order: int | None) -> int:
    """Order to open on: the one asked for, or the pageblock order."""
    if order is None:
        return min(subject.pageblock_order, max(subject.orders))
    if order not in subject.orders:
        raise ValueError(f"order: got {order!r}, expected {min(subject.orders)} to {max(subject.orders)}")
    return order


def steps(*names: str) -> ColumnDataSource:
    """Source of step areas, with a first value: BokehJS (3.9) never ends painting a step area of no points."""
    return ColumnDataSource({name: [0.0, 0.0] for name in names})


def script(name: str) -> str:
    """Text of a JavaScript file beside this module."""
    return (files(__package__) / name).read_text(encoding="utf-8")
