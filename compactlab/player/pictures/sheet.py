"""A figure measured in pixels, in the colours of a theme, and what moves in it from frame to frame."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter

from ...figures.look import THEMES
from ...texts import columns, language
from ..letters import drawable, font_file

DPI = 100
KEY_LINE = 20
"""Height of one line of names or keys, in pixels."""
_STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: pictures look the same everywhere
    "text.parse_math": False,  # a "$" in a name is a dollar
    "svg.fonttype": "none",  # letters stay letters: small files, and they can be searched
    "svg.hashsalt": "compactlab",
    "hatch.linewidth": 0.8,
    "path.simplify_threshold": 0.3,
}


@contextlib.contextmanager
def own_style() -> Iterator[None]:
    """Draw as we do, whatever style the user has set."""
    with drawable(), mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)  # type: ignore[arg-type]  # stubs know each name's own type only
        file = font_file(language())
        if file is not None:
            mpl.rcParams["font.family"] = [_STYLE["font.family"], _family(file[0])]
        yield


@functools.cache
def _family(path: str) -> str:
    """Make the font of a file known to matplotlib; its name."""
    fontManager.addfont(path)
    plain = fontManager.ttflist[-1]
    fontManager.ttflist.append(
        dataclasses.replace(plain, weight="bold")
    )  # else it complains that there is none
    return plain.name


def points(pixels: float) -> float:
    """Size of type in points."""
    return pixels * 72 / DPI


class Sheet:
    """A figure to draw on; positions are in pixels from the upper left corner.

    ``moving`` are artists that change from frame to frame, ``movers`` change them: each gets the moment in
    elapsed seconds.
    """

    def __init__(self, size: tuple[int, int], theme: str) -> None:
        self.width, self.height = size
        self.theme = theme
        self.figure = Figure(figsize=(size[0] / DPI, size[1] / DPI), dpi=DPI, facecolor=self.colour("bg"))
        self.canvas = FigureCanvasAgg(self.figure)
        self.moving: list[Artist] = []
        self.movers: list[Callable[[float], None]] = []

    def needs(self, width: float, height: float) -> None:
        """Refuse a sheet that is too small for what is to be drawn."""
        if width > self.width or height > self.height:
            least = f"{max(self.width, round(width))} x {max(self.height, round(height))}"
            raise ValueError(
                f"size: got {self.width} x {self.height} pixels, expected at least {least} for this view"
            )

    def colour(self, token: str) -> str:
        """Colour of a token in this theme; a colour is itself."""
        return THEMES[self.theme].get(token, token)

    def axes(self, left: float, top: float, right: float, bottom: float) -> Axes:
        """Calm axes: hairline grid, text in the second ink."""
        box = (
            left / self.width,
            1 - bottom / self.height,
            (right - left) / self.width,
            (bottom - top) / self.height,
        )
        axes = self.figure.add_axes(box, facecolor="none")
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(self.colour("rule"))
        axes.tick_params(
            color=self.colour("rule"), labelcolor=self.colour("ink2"), labelsize=points(14), length=4
        )
        axes.grid(axis="y", color=self.colour("grid"), linewidth=1)
        axes.set_axisbelow(True)
        axes.margins(0)
        return axes  # fmt: skip

    def text(self, x: float, y: float, text: str, ink: str = "ink", size: float = 14, **options: Any) -> Text:
        """Text at a position."""
        return self.figure.text(
            x / self.width, 1 - y / self.height, text, color=self.colour(ink), fontsize=points(size), **options
        )  # fmt: skip

    def box(self, left: float, top: float, right: float, bottom: float, token: str) -> Rectangle:
        """Filled rectangle."""
        box = Rectangle(
            (left / self.width, 1 - bottom / self.height), (right - left) / self.width, (bottom - top) / self.height,
            facecolor=self.colour(token), edgecolor="none", transform=self.figure.transFigure,
        )  # fmt: skip
        self.figure.add_artist(box)
        return box

    def moves(self, *artists: Artist) -> None:
        """Say that these artists change from frame to frame."""
        for artist in artists:
            artist.set_animated(True)
            self.moving.append(artist)

    def move(self, seconds: float) -> None:
        """Show a moment."""
        for mover in self.movers:
            mover(seconds)

    # ---- keys

    def patch(self, label: str, token: str, **options: Any) -> Patch:
        """Entry of a key: an area."""
        options = {
            "facecolor": self.colour(token),
            "edgecolor": self.colour("rule"),
            "linewidth": 0.8,
            **options,
        }
        return Patch(label=label, **options)  # fmt: skip

    def line(self, label: str, token: str, **options: Any) -> Line2D:
        """Entry of a key: a line, or a mark."""
        return Line2D([], [], label=label, color=self.colour(token), **{"linewidth": 2.5, **options})

    def key(self, axes: Axes, handles: Sequence[Artist], columns: int, right: bool = True) -> None:
        """Key above axes, at their right end."""
        legend = axes.legend(
            handles=handles, loc="lower right" if right else "lower left", bbox_to_anchor=(1 if right else 0, 1), ncols=columns,
            frameon=False, fontsize=points(14), handlelength=1.2, handleheight=0.9, columnspacing=1.2, handletextpad=0.5,
            borderpad=0, borderaxespad=0.25, labelspacing=0.3, labelcolor=self.colour("ink2"),
        )  # fmt: skip
        legend.set_zorder(9)


def text_width(text: str, size: float = 14) -> float:
    """Width of a text in pixels, roughly; never too little."""
    return 0.62 * size * columns(text)


def formatted(axes: Axes, write: Callable[[float], str], across: bool = False) -> None:
    """Write the numbers of an axis in our way."""
    (axes.xaxis if across else axes.yaxis).set_major_formatter(FuncFormatter(lambda value, _at: write(value)))
