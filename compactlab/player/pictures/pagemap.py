"""The page map: every pageblock of a zone, the scanners, and free memory of each order, at a moment."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap

from ... import texts
from ...figures.look import order_groups
from ...figures.pagemap import pagemap as pagemap_view
from ...figures.view import Missing
from ...metrics.film import FRAME, SOURCE, TARGET
from ...metrics.moves import STEPS
from ...texts import _
from .sheet import KEY_LINE, Sheet, formatted, points
from .stage import Stage

RECENT = 6
"""Steps of which moves are shown in a still."""
LONGEST = 400
"""Steps between two frames of which moves are shown."""
_SOURCES, _TARGETS = (STEPS.index(f"mm_compaction_isolate_{pages}pages") for pages in ("migrate", "free"))


class Map:
    """The film of one zone, wound to a moment; what its dashboard view does in the browser."""

    def __init__(self, models: dict[str, Any], zone: int) -> None:
        self.film = {name: values[0] for name, values in models["film"].data.items()}
        self.about = models["about"]
        self.zone = self.about["zone_of"][zone] if self.about["zone_of"] else 0
        first, last = self.about["bounds"][self.zone], self.about["bounds"][self.zone + 1]
        self.cells = slice(int(first), int(last)) if self.zone >= 0 else slice(0, 0)
        self.count = self.cells.stop - self.cells.start
        self.across = max(1, 2 ** round(np.log2(np.sqrt(max(self.count, 1)))))
        self.down = -(-self.count // self.across)
        self._state = self.film["initial"].copy()
        self._fills = models["parts"]["fill"]
        self.at = -1
        self._before, self._first = -1, True

    def go(self, seconds: float) -> None:
        """Wind to the last step at or before a moment."""
        to = int(np.searchsorted(self.film["t"], seconds + 2e-9, side="right")) - 1
        first = self.film["first"]
        begin, end = sorted((first[self.at + 1], first[to + 1]))
        np.bitwise_xor.at(self._state, self.film["cell"][begin:end], self.film["flip"][begin:end])
        self._before, self.at = (to if self._first else self.at), to
        self._first = False

    def moving(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Step, cell of this zone and role of the moves just done."""
        nothing = np.zeros(0, np.int64)
        if self.at < 0 or self.film["what"][self.at] == FRAME:
            return nothing, nothing, nothing
        played = self._before if self._before < self.at and self.at - self._before < LONGEST else self.at
        begin, end = (
            self.film["first"][max(min(played, self.at - RECENT), 0)],
            self.film["first"][self.at + 1],
        )
        change = np.arange(begin, end)
        cell, role = self.film["cell"][begin:end].astype(np.int64), self.film["role"][begin:end]
        here = np.isin(role, (SOURCE, TARGET)) & (cell >= self.cells.start) & (cell < self.cells.stop)
        step = np.searchsorted(self.film["first"], change[here], side="right") - 1
        return step, cell[here] - self.cells.start, role[here]

    def fills(self) -> np.ndarray:
        """What is in each cell (down, across), as positions in the names of the fills."""
        fill = np.zeros(self.across * self.down, np.uint8)
        fill[: self.count] = self._state[self.cells] & 15
        _step, cell, role = self.moving()
        emptied = len(self.about["fills"])  # then: filled, isolated
        fill[cell] = emptied + (role == TARGET)
        isolated = self._isolated()
        if isolated is not None:
            fill[isolated] = emptied + 2
        return fill.reshape(self.down, self.across)

    def _isolated(self) -> int | None:
        """Cell in which pages are isolated in this step."""
        film, at = self.film, self.at
        if at < 0 or film["zone"][at] != self.zone or not film["number"][at]:
            return None
        places = {_SOURCES: film["migrate_pfn"][at] - 1, _TARGETS: film["free_pfn"][at]}
        pfn = places.get(int(film["what"][at]))
        if pfn is None:
            return None
        start, pages = self.about["start_pfn"][self.cells.start], self.about["cell_pages"][self.zone]
        cell = int((pfn - start) // pages)
        return cell if 0 <= cell < self.count else None

    def arrows(self) -> list[list[tuple[float, float]]]:
        """Lines from where pages leave to where they arrive, one bundle for each of the last steps."""
        lines: list[list[tuple[float, float]]] = []
        step, cell, role = self.moving()
        for one in np.unique(step)[::-1]:
            sources, targets = (cell[(step == one) & (role == which)] for which in (SOURCE, TARGET))
            if sources.size and len(lines) < self.about["arrows"]:
                lines += [[self._middle(sources[0]), self._middle(target)] for target in targets]
        return lines

    def _middle(self, cell: int) -> tuple[float, float]:
        return cell % self.across + 0.5, cell // self.across + 0.5

    def scanners(self) -> list[float | None]:
        """Rows of the migrate and the free scanner; None where there is none in this zone."""
        if self.at < 0 or self.film["zone"][self.at] != self.zone:
            return [None, None]
        start, pages = self.about["start_pfn"][self.cells.start], self.about["cell_pages"][self.zone]
        pfns = (float(self.film[name][self.at]) for name in ("migrate_pfn", "free_pfn"))
        return [
            float(np.clip((pfn - start) / pages / self.across, 0, self.down)) if pfn >= 0 else None
            for pfn in pfns
        ]

    def ticks(self) -> tuple[np.ndarray, list[str]]:
        """Rows and names of round addresses."""
        start, pages = self.about["start_pfn"][self.cells.start], self.about["cell_pages"][self.zone]
        size, last = self.about["page_size"], start + self.count * pages
        unit, name = (1, _("pages")) if size is None else ((1 << 30) / size, "GiB")
        if size is not None and (last - start) / unit < 2:
            unit, name = unit / 1024, "MiB"
        rough = (last - start) / unit / 6
        nice = 2 ** np.ceil(np.log2(max(rough, 1)))
        at = np.arange(np.ceil(start / unit / nice), np.ceil(last / unit / nice)) * nice
        rows = (at * unit - start) / pages / self.across
        return rows, [f"{value:g}{texts.NO_BREAK}{name}" for value in at]


def pagemap(sheet: Sheet, stage: Stage, top: float) -> np.ndarray | Missing:
    """Draw the page map below ``top``.

    Returns
    -------
        Moments (s) at which something changes in it.
    """
    view = pagemap_view(stage.subject)
    if isinstance(view, Missing):
        return view
    found = Map(view.models, stage.zone)
    if not found.count:
        return Missing(_("a page map of this zone"), _("choose another zone"))
    names, begin = view.models["parts"]["fill"]["names"], view.models["parts"]["fill"]["begin"]
    palette = view.models["palette"][stage.theme][begin : begin + len(names)]
    right = sheet.width - 18
    middle = right - max(300, int(sheet.width * 0.3))
    axes = sheet.axes(92, top + 8, middle - 172, sheet.height - 18)
    axes.grid(visible=False)
    _draw_map(sheet, found, axes, palette)
    _draw_scanners(sheet, found, axes)
    lines = ((0, "ink", 20, "bold"), (30, "ink2", 14, "normal"), (50, "ink2", 14, "normal"))
    facts = [
        sheet.text(middle, top + 2 + line, "", ink, size, va="top", weight=weight)
        for line, ink, size, weight in lines
    ]
    counts = _draw_key(sheet, names, palette, middle, top + 80)
    key_end = top + 80 + KEY_LINE * len(names)
    bars = _draw_bars(sheet, stage, (middle + 76, key_end + 34, right, sheet.height - 44), middle)

    def show(seconds: float) -> None:
        fills = found.fills()
        for k, text in enumerate(counts):
            number = int((fills.ravel()[: found.count] == k).sum())
            text.set_text(texts.count(number) if number else "–")
        moved = int(found.film["moved"][found.at]) if found.at >= 0 else 0
        steps = found.film["t"].size
        inferred = found.about["origin"] == "trace"
        facts[0].set_text(_("{count} pages moved").format(count=texts.count(moved)) + "*" * inferred)
        step = _("step {at} of {steps}").format(at=texts.count(found.at + 1), steps=texts.count(steps))
        facts[1].set_text(f"{stage.memory(moved)} · {step}")
        facts[2].set_text("* " + _("which pages: inferred") if inferred else "")
        bars(seconds)

    sheet.moves(*facts, *counts)
    sheet.movers.append(show)
    return np.asarray(found.film["t"])


def _draw_map(sheet: Sheet, found: Map, axes: Axes, palette: list[str]) -> None:
    image = axes.imshow(
        found.fills(), cmap=ListedColormap(palette), vmin=-0.5, vmax=len(palette) - 0.5, interpolation="nearest",
        aspect="auto", extent=(0, found.across, found.down, 0),
    )  # fmt: skip
    halo = LineCollection([], colors=sheet.colour("bg"), linewidths=2.4, alpha=0.7)
    arrows = LineCollection([], colors=sheet.colour("scan_free"), linewidths=1)
    for lines in (halo, arrows):
        axes.add_collection(lines, autolim=False)
    axes.set(xlim=(0, found.across), ylim=(found.down, 0))
    axes.set_xticks([])
    axes.set_yticks(*found.ticks())
    axes.spines[:].set_visible(False)

    def show(seconds: float) -> None:
        found.go(seconds)
        image.set_data(found.fills())
        for lines in (halo, arrows):
            lines.set_segments(found.arrows())

    sheet.moves(image, halo, arrows)
    sheet.movers.append(show)


def _draw_scanners(sheet: Sheet, found: Map, axes: Axes) -> None:
    """Lines across the map, and their names beside it."""
    names = (("migrate", "-", "▼ " + _("migrate scanner")), ("scan_free", "--", "▲ " + _("free scanner")))
    drawn = [
        (
            axes.axhline(0, color=sheet.colour("bg"), linewidth=5, clip_on=False),
            axes.axhline(0, color=sheet.colour(token), linewidth=2.5, linestyle=dash, clip_on=False),
            axes.annotate(
                name, (1, 0), (6, 0), xycoords=("axes fraction", "data"), textcoords="offset points", va="center",
                color=sheet.colour(token), fontsize=points(14), weight="bold", annotation_clip=False,
            ),
        )
        for token, dash, name in names
    ]  # fmt: skip

    def show(_seconds: float) -> None:
        rows = found.scanners()
        beside = [row or 0.0 for row in rows]
        close = found.down * 22 / max(axes.get_window_extent().height, 1)
        if None not in rows and abs(beside[1] - beside[0]) < close:
            middle, way = sum(beside) / 2, 1 if beside[1] >= beside[0] else -1
            beside = [middle - way * close / 2, middle + way * close / 2]
        for (halo, line, name), row, at in zip(drawn, rows, beside, strict=True):
            for artist in (halo, line, name):
                artist.set_visible(row is not None)
            for artist in (halo, line):
                artist.set_ydata([row or 0.0] * 2)
            name.xy = (1, at)

    for artists in drawn:
        sheet.moves(*artists)
    sheet.movers.append(show)


def _draw_key(sheet: Sheet, names: list[str], palette: list[str], left: float, top: float) -> list[Any]:
    """Colours of the map with their names; the texts that are to hold the numbers of cells."""
    counts = []
    for k, (name, colour) in enumerate(zip(names, palette, strict=True)):
        y = top + KEY_LINE * k
        swatch = sheet.box(left, y + 3, left + 13, y + 16, colour)
        swatch.set(edgecolor=sheet.colour("rule"), linewidth=0.8)
        sheet.text(left + 21, y + 10, name, "ink2", 14, va="center")
        counts.append(sheet.text(sheet.width - 20, y + 10, "", "ink", 14, va="center", ha="right"))
    return counts


def _draw_bars(sheet: Sheet, stage: Stage, box: tuple[float, float, float, float], left: float) -> Any:
    """Free memory of each order, dashed as it was in the beginning; what moves it."""
    rows = stage.rows
    if not rows["t"].size or box[3] - box[1] < 60:
        return lambda _seconds: None
    orders = np.arange(len(stage.subject.orders))
    pages = rows["free"] * 2.0**orders
    each, unit = stage.unit(pages.max())
    axes = sheet.axes(*box)
    sheet.text(left, box[1] - 12, _("Free memory by block size; dashed: at first"), "ink", 14, va="center")
    colours = [
        colour for first, last, colour in order_groups(stage.subject.orders, stage.subject.pageblock_order)
        for _order in range(first, last + 1)
    ]  # fmt: skip
    now = axes.barh(
        orders, pages[0] / each, 0.72, color=colours, edgecolor=sheet.colour("rule"), linewidth=0.8
    )
    before = axes.barh(
        orders,
        pages[0] / each,
        0.84,
        facecolor="none",
        edgecolor=sheet.colour("ink"),
        linestyle="--",
        linewidth=1,
    )
    axes.set(xlim=(0, max(pages.max() / each, 1e-9) * 1.05), ylim=(-0.6, orders.size - 0.4))
    each_line = max(1, round(KEY_LINE * 0.8 * orders.size / (box[3] - box[1])))
    ticks = orders[::each_line]
    axes.set_yticks(ticks, [texts.order_size(int(order), stage.subject.page_size) for order in ticks])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False)
    axes.locator_params(axis="x", nbins=4)
    formatted(axes, lambda value: f"{value:g}{texts.NO_BREAK}{unit}", across=True)

    def show(seconds: float) -> None:
        row = max(int(np.searchsorted(rows["t"], seconds + 1e-9, side="right")) - 1, 0)
        for bar, width in zip(now, pages[row] / each, strict=True):
            bar.set_width(width)

    sheet.moves(*now, *before)
    return show
