"""One row of a picture: its name, its key, and how to draw it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ... import texts
from ...figures.timeline import WIDTH
from ...figures.view import Missing
from .sheet import Sheet, formatted
from .stage import Stage

STYLES = {"solid": "-", "dashed": (0, (5, 2)), "dotted": (0, (1, 1.2)), "dotdash": "-."}
"""Dashes of Bokeh as matplotlib has them."""


@dataclass(frozen=True)
class Panel:
    """One row of a picture: its name and key, and how to draw it."""

    title: str
    share: float
    draw: Callable[[Axes], None]
    handles: Sequence[Artist] = field(default_factory=list)
    on_time: bool = True


Drawing = Callable[[Sheet, Stage], Panel | Missing]


def held(x: np.ndarray, *columns: np.ndarray) -> tuple[np.ndarray, ...]:
    """Columns of a state that holds until the end of the axis; a lone moment fills it."""
    if x.size == 1:
        return np.array([0.0, WIDTH]), *(np.repeat(column, 2) for column in columns)
    return np.append(x, WIDTH), *(np.append(column, column[-1:]) for column in columns)


def stretched(x: np.ndarray, *columns: np.ndarray) -> tuple[np.ndarray, ...]:
    """Columns; a lone moment fills the axis."""
    return held(x, *columns) if x.size == 1 else (x, *columns)


def memory_axis(axes: Axes, unit: str, most: float, ticks: int = 4) -> None:
    """Write an axis of memory in its unit."""
    axes.set_ylim(0, most * 1.04)
    axes.yaxis.set_major_locator(MaxNLocator(ticks))
    formatted(axes, lambda value: f"{value:g}{texts.NO_BREAK}{unit}")


def per_second(value: float) -> str:
    """Pages per second, short.

    >>> [per_second(rate).replace(texts.NO_BREAK, " ") for rate in (0, 20, 2500, 3e6)]
    ['0', '20/s', '2.5 k/s', '3 M/s']
    """
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{texts.NO_BREAK}{unit}/s"
    return f"{value:g}/s" if value else "0"


def milliseconds(value: float) -> str:
    """Time from milliseconds, in the unit that keeps it short."""
    return texts.duration(value * 1e6)
