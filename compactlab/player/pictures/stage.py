"""What every picture of a run begins with: its time, its free lists, and the verdict at a moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from ... import metrics, texts
from ...figures.frames import frames
from ...figures.timeline import WIDTH, label, seconds_of
from ...figures.view import Subject, order_index, subject_of, zone_index
from ...texts import _
from ..letters import lines as wrapped
from .sheet import Sheet, points, text_width

BINS = 2000
ICONS = {"ok": "✓", "warn": "!", "bad": "✕"}


@dataclass(frozen=True)
class Stage:
    """A run laid out as the dashboards do it, on one zone and order."""

    subject: Subject
    zone: int
    order: int
    theme: str

    @classmethod
    def of(cls, run: xr.DataTree, zone: str | None, order: int | None, theme: str) -> Stage:
        """Lay a run out."""
        subject = subject_of(run, theme, BINS)
        return cls(subject, zone_index(subject, zone), order_index(subject, order), theme)

    @property
    def axis(self) -> str:
        """The time axis the dashboards open on."""
        return next(iter(self.subject.timeline.positions))

    @cached_property
    def rows(self) -> dict[str, np.ndarray]:
        """Free lists and indices of the chosen zone: ``t``, ``x`` (row), the others (row, order) or (row)."""
        columns = frames(self.subject)
        count, zones = len(columns["t"]), len(self.subject.zones)
        found = {"t": columns["t"], "x": self.draw(columns["t"])}
        if count:
            for name in ("free", "unusable", "fragmentation", "low", "high"):
                found[name] = columns[name].reshape(count, zones, -1)[:, self.zone]
        return found

    def draw(self, seconds: Any) -> np.ndarray:
        """Positions of moments on the time axis."""
        return self.subject.timeline.draw(np.asarray(seconds, float), self.axis)

    @property
    def title(self) -> str:
        """Name of the run."""
        return str(self.subject.run.attrs.get("name", _("recording")))

    @property
    def about(self) -> str:
        """Zone and order, where there are free lists."""
        if not self.subject.zones:
            return ""
        size = texts.order_size(self.order, self.subject.page_size)
        named = _("{zone}, order {order} ({size})").format(
            zone=self.subject.zones[self.zone], order=self.order, size=size
        )
        return named if "zones" in self.subject.run.children else self.subject.zones[self.zone]

    def unit(self, pages: float) -> tuple[float, str]:
        """Pages of the unit an axis is best read in, and its name."""
        return unit_of(pages, self.subject.page_size)

    def memory(self, pages: float) -> str:
        """Amount of memory in words."""
        return texts.memory(pages, self.subject.page_size)

    def sizes(self, first: int, last: int) -> str:
        """Sizes of a group of orders, such as 8–64 KiB."""
        small, large = (texts.order_size(order, self.subject.page_size) for order in (first, last))
        if first == last:
            return large
        number, unit = small.split(texts.NO_BREAK)
        return f"{number}–{large}" if large.endswith(f"{texts.NO_BREAK}{unit}") else f"{small}–{large}"

    def clock(self, seconds: float, seen: float | None = None) -> str:
        """A moment; on an axis, which shows ``seen`` seconds, as short as tells the ticks apart."""
        timeline, attrs = self.subject.timeline, self.subject.run.attrs
        if attrs["clock"] == "wall":
            at = datetime.fromtimestamp(
                attrs["start_ns"] / 1e9 + (timeline.start if timeline.instant else seconds), UTC
            )
            text = at.strftime("%m-%d %H:%M" if seen and seen > 86400 else "%H:%M:%S")
            return text if seen else f"{at:%Y-%m-%d} {text} UTC"  # fmt: skip
        if timeline.instant:
            return _("one moment")
        span = (timeline.end - timeline.start) if seen is None else seen
        if span >= 7200:
            minutes = round(seconds / 60)
            return f"{minutes // 60}:{minutes % 60:02}{texts.NO_BREAK}h"
        return (
            f"{seconds:.{3 if span < 10 else 2 if span < 60 else 1 if span < 600 else 0}f}{texts.NO_BREAK}s"
        )

    def verdicts(self, moments: np.ndarray) -> list[dict[str, str]]:
        """Sentences of the verdict at moments: ``level`` and ``text``; none without free lists."""
        if "zones" not in self.subject.run.children:
            return []
        zones = self.subject.run["zones"].to_dataset().isel(zone=[self.zone])
        rows = np.searchsorted(seconds_of(zones), moments + 1e-9, side="right") - 1
        part = self.subject.run.copy()
        part["zones"] = xr.DataTree(zones.isel(time=np.clip(rows, 0, None)))
        told = metrics.verdict(part, self.order, text=False).isel(zone=0)
        named = metrics.zone_names(self.subject.run["zones"].to_dataset())[self.zone]
        constant = {"order": self.order, "page_size": self.subject.page_size, "zone": named}
        return [
            metrics.sentence({**{str(name): cell[name].item() for name in (*cell.data_vars, *cell.coords)}, **constant})
            for cell in (told.isel(time=at) for at in range(len(moments)))
        ]  # fmt: skip


def unit_of(pages: float, page_size: int | None) -> tuple[float, str]:
    """Pages of the unit an axis of memory is best read in, and its name.

    >>> unit_of(300_000, 4096), unit_of(300, None)
    ((262144.0, 'GiB'), (1.0, 'pages'))
    """
    if page_size is None:
        return (1.0, _("pages")) if pages < 1e4 else (1000.0, "k " + _("pages"))
    shift = 30 if float(pages) * page_size >= 1 << 30 else 20
    return (1 << shift) / page_size, "GiB" if shift == 30 else "MiB"


class VerdictBar:
    """Sentences as a bar across the sheet, one for each moment; nothing if there are none.

    ``told`` has ``level`` and ``text`` of each.
    """

    height = 46

    def __init__(self, sheet: Sheet, told: list[dict[str, str]], moments: np.ndarray, top: float) -> None:
        self._sheet, self._moments, self._told = sheet, moments, told
        if not told:
            return
        left, right = 18, sheet.width - 18
        self._ground = sheet.box(left, top, right, top + self.height - 6, "ok_bg")
        self._edge = sheet.box(left, top, left + 6, top + self.height - 6, "ok")
        middle = top + (self.height - 6) / 2
        self._icon = sheet.text(left + 24, middle, "", "ok", 18, ha="center", va="center", weight="bold")
        self._text = sheet.text(left + 42, middle, "", "ink", 15, va="center", linespacing=1.15)
        self._letters = int((right - left - 50) / text_width("x", 14.2))
        sheet.moves(self._ground, self._edge, self._icon, self._text)
        sheet.movers.append(self._show)

    def __bool__(self) -> bool:
        return bool(self._told)

    def _show(self, seconds: float) -> None:
        told = self._told[int(np.abs(self._moments - seconds).argmin())]
        colour = self._sheet.colour
        self._ground.set_facecolor(colour(f"{told['level']}_bg"))
        self._edge.set_facecolor(colour(told["level"]))
        self._icon.set(text=ICONS[told["level"]], color=colour(told["level"]))
        lines = wrapped(told["text"], self._letters)
        more = " …" if len(lines) > 2 else ""
        self._text.set_text("\n".join(lines[:2]) + more)


def time_axis(sheet: Sheet, stage: Stage, axes: Axes) -> None:
    """Moments below the lowest panel: where phases begin, or in even steps."""
    timeline = stage.subject.timeline
    if timeline.instant:
        axes.set_xticks([])
        return
    ticks: Any = [begin for begin, _end, name in timeline.phases if label(name)] + [timeline.end]
    if stage.axis != "phase" or len(ticks) < 3:
        ticks = _nice(timeline.start, timeline.end, stage.subject.run.attrs)
    room = axes.get_position().width * sheet.width / WIDTH
    shown: list[tuple[float, str]] = []
    free = -np.inf
    for at, seconds in zip(stage.draw(ticks), ticks, strict=True):
        text = stage.clock(seconds, timeline.end - timeline.start)
        half = text_width(text) / 2 + 4
        if at * room - half > free and at * room + half < WIDTH * room + 30:
            shown.append((at, text))
            free = at * room + half
    axes.set_xticks([at for at, _text in shown], [text for _at, text in shown])
    axes.tick_params(axis="x", labelbottom=True, bottom=True)


def _nice(start: float, end: float, attrs: dict[Any, Any]) -> np.ndarray:
    """Round moments, about seven, in the clock's own seconds where there is a clock."""
    rough = (end - start) / 7
    power = 10 ** np.floor(np.log10(rough))
    steps = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400]
    if rough < 1:
        steps = [power, 2 * power, 5 * power, 10 * power]
    step = next((step for step in steps if step >= rough), 86400 * np.ceil(rough / 86400))
    zero = -(attrs["start_ns"] / 1e9) % step if attrs["clock"] == "wall" else 0.0
    return np.arange(np.ceil((start - zero) / step), np.floor((end - zero) / step + 1e-9) + 1) * step + zero


def phase_strip(sheet: Sheet, stage: Stage, axes: Axes) -> None:
    """Names of the phases in boxes."""
    axes.set_axis_off()
    axes.set(xlim=(0, WIDTH), ylim=(0, 1))
    room = axes.get_position().width * sheet.width / WIDTH
    for begin, end, name in stage.subject.timeline.phases:
        left, right = stage.draw([begin, end])
        shown = label(name)
        if not shown:
            continue
        axes.axvspan(left, right, color=sheet.colour("panel"), ec=sheet.colour("bg"), linewidth=2)
        if text_width(shown, 12.5) <= (right - left) * room:
            axes.text(
                (left + right) / 2, 0.5, shown, ha="center", va="center", fontsize=points(14), color=sheet.colour("ink")
            )  # fmt: skip
