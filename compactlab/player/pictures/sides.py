"""Pictures of what several runs tell together: a comparison, a schedule, a score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from ... import schema, texts
from ...experiments.policies import clock, in_words
from ...figures.aligned import LARGEST, axes_of, columns_of, latencies, requested, zones_of
from ...figures.compare import MOST_SIDES, opened_zone
from ...figures.fidelity import blocks
from ...metrics import compare
from ...metrics.comparison import Runs, Side, sides_of
from ...metrics.source import huge_page_order
from ...texts import _
from .panel import Panel, milliseconds
from .sheet import KEY_LINE, Sheet, formatted, points, text_width
from .stage import VerdictBar, unit_of

BINS = 400
DASHES: tuple[Any, ...] = (
    "-",
    (0, (6, 2.4)),
    (0, (1.2, 2.4)),
    "-.",
    (0, (10, 2.4)),
    (0, (6, 1.5, 1, 1.5, 1, 1.5)),
)
MARKERS = "os^DvX"
POLICIES = {"never": "X", "at": "v", "every": "s", "above": "^", "proactive": "D"}
HOURS = 24
_LEFT = 96


def heading(sheet: Sheet, title: str, about: str = "") -> float:
    """Write a heading; where the rest begins."""
    drawn = sheet.text(18, 22, title, "ink", 22, va="center", weight="bold")
    after = 34 + drawn.get_window_extent(sheet.canvas.get_renderer()).width
    if after + text_width(about) < sheet.width - 110:
        sheet.text(after, 24, about, "ink2", 14, va="center")
    return 44


# ---- runs side by side


def comparison_of(
    sheet: Sheet, runs: Sequence[Runs] | Mapping[str, Runs], zone: str | None, order: int | None, count: int
) -> np.ndarray:
    """Draw runs beside each other on the time since each began; the moments (s) of the frames.

    Parameters
    ----------
    sheet
        Where.
    runs
        Two to six sides, as `figures.comparison` takes them.
    zone
        Zone to draw; the first run's largest if None.
    order
        Order of the request; that of a huge page if None.
    count
        Number of frames.
    """
    sides = sides_of(runs) if isinstance(runs, Mapping) else sides_of(*runs)
    if len(sides) > MOST_SIDES:
        raise ValueError(f"compare: found {len(sides)} sides; at most {MOST_SIDES} can be told apart")
    first = sides[0].runs[0]
    order = huge_page_order(first) if order is None else order
    zones = zones_of(sides)
    at = opened_zone(zones, first, zone)
    (axis, *_others) = axes_of(sides, BINS)
    assert axis.seconds is not None  # noqa: S101  (the first axis is elapsed time)
    asked = requested(sides, order)
    told = compare(
        {side.name: side.runs for side in sides},
        zone=None if not zones or zones[at] == LARGEST else zones[at], order=order,
    )  # fmt: skip
    moments = np.linspace(axis.seconds[0], axis.seconds[-1], count) if count > 1 else axis.seconds[-1:]
    size = texts.order_size(order, schema.page_size(first))
    about = _("{zone}, order {order} ({size})").format(
        zone=zones[at] if zones else "", order=order, size=size
    )
    top = heading(sheet, " · ".join(side.name for side in sides), about)
    VerdictBar(
        sheet, [{"level": str(told.attrs["level"]), "text": str(told.attrs["text"])}] * count, moments, top
    )
    columns = columns_of(sides, axis, zones, order + 1)
    panels = _side_panels(sheet, sides, columns, at, order, axis.seconds)
    ends = latencies(sides, asked, 300)
    if ends[0].size:
        panels.append(_served(sheet, ends, texts.order_size(asked, schema.page_size(first))))
    if not panels:
        raise ValueError(
            "compare: found nothing to draw in these runs; expected free lists, compaction work or latencies"
        )
    key: list[Artist] = [_side_line(sheet, side, at) for at, side in enumerate(sides)]
    _stack(sheet, panels, key, top + VerdictBar.height, len(moments) > 1)
    return moments


def _side_line(sheet: Sheet, side: Side, at: int) -> Line2D:
    label = (
        side.name
        if len(side.runs) == 1
        else _("{name} ({count} runs)").format(name=side.name, count=len(side.runs))
    )
    return sheet.line(label, f"side{at}", linestyle=DASHES[at], marker=MARKERS[at], markersize=6.5)


def _side_panels(
    sheet: Sheet,
    sides: Sequence[Side],
    columns: dict[str, np.ndarray],
    zone: int,
    order: int,
    seconds: np.ndarray,
) -> list[Panel]:
    """Unusable index, usable memory and pages moved, as far as the sides tell them."""
    sizes = {schema.page_size(run) for side in sides for run in side.runs}
    size = sizes.pop() if len(sizes) == 1 else None
    shape = {
        "index": (-1, order + 1, seconds.size),
        "usable": (-1, order + 1, seconds.size),
        "moved": (seconds.size,),
    }
    usable = [np.nanmax(values, initial=0) for name, values in columns.items() if name.startswith("usable")]
    each, unit = unit_of(max(usable, default=0), size)
    named = {
        "index": (_("Unusable index"), 1.5, lambda value: f"{value:g}"),
        "usable": (_("Free memory usable for it"), 1.4, lambda value: f"{value:g}{texts.NO_BREAK}{unit}"),
        "moved": (_("Pages moved"), 1.1, lambda value: texts.count(value)),
    }
    panels = []
    for key, (title, share, write) in named.items():
        found = {
            (at, band): values.reshape(shape[key])[(zone, order) if key != "moved" else ...] / (each if key == "usable" else 1)
            for at in range(len(sides)) for band in ("low", "mid", "high")
            if (values := columns.get(f"{key} {at} {band}")) is not None
        }  # fmt: skip
        if not any(np.isfinite(values).any() for values in found.values()):
            continue

        def draw(axes: Axes, found: Any = found, write: Any = write, key: str = key) -> None:
            for at in range(len(sides)):
                if (at, "mid") not in found:
                    continue
                colour = sheet.colour(f"side{at}")
                if (at, "low") in found:
                    axes.fill_between(
                        seconds, found[at, "low"], found[at, "high"], color=colour, alpha=0.22, linewidth=0
                    )
                axes.plot(
                    seconds, found[at, "mid"], color=colour, linewidth=2.2, linestyle=DASHES[at], marker=MARKERS[at],
                    markersize=6.5, markevery=(10 + 17 * at, 57),
                )  # fmt: skip
            axes.set(xlim=(seconds[0], seconds[-1]), ylim=(0, 1.04) if key == "index" else (0, None))
            axes.yaxis.set_major_locator(FixedLocator([0, 0.5, 1]) if key == "index" else MaxNLocator(3))
            formatted(axes, write)

        panels.append(Panel(title, share, draw))
    return panels


def _served(sheet: Sheet, ends: tuple[np.ndarray, list[dict[str, Any]]], size: str) -> Panel:
    """Share of requests served within a time."""
    at, told = ends

    def draw(axes: Axes) -> None:
        axes.set_xscale("log")
        for side, found in enumerate(told):
            if not found:
                continue
            colour = sheet.colour(f"side{side}")
            if "low" in found:
                axes.fill_between(at, found["low"], found["high"], color=colour, alpha=0.22, linewidth=0)
            axes.plot(
                at, found["mid"], color=colour, linewidth=2.2, linestyle=DASHES[side], marker=MARKERS[side], markersize=6.5,
                markevery=(10 + 17 * side, 57),
            )  # fmt: skip
        axes.set(xlim=(at[0], at[-1]), ylim=(0, 1.06))
        axes.set_yticks([0, 0.5, 1], [texts.share(value) for value in (0, 0.5, 1)])
        axes.xaxis.set_minor_locator(NullLocator())
        formatted(axes, milliseconds, across=True)

    return Panel(_("Share of requests for {size} served within").format(size=size), 1.4, draw, on_time=False)


def _stack(sheet: Sheet, panels: list[Panel], key: list[Artist], top: float, moving: bool) -> None:
    """Draw panels below each other, with one key on top."""
    timed = [panel for panel in panels if panel.on_time]
    axis_lines = bool(timed) + len(panels) - len(timed)
    free = sheet.height - top - KEY_LINE - sum(KEY_LINE + 10 for _panel in panels) - 26 * axis_lines - 4
    sheet.needs(560, sheet.height - free + 28 * len(panels))
    first = True
    top += KEY_LINE
    for panel in panels:
        bottom = top + KEY_LINE + free * panel.share / sum(each.share for each in panels)
        axes = sheet.axes(_LEFT, top + KEY_LINE, sheet.width - 24, bottom)
        sheet.text(_LEFT, top + KEY_LINE / 2, panel.title, "ink", 15, va="center", weight="bold")
        panel.draw(axes)
        if first:
            sheet.key(axes, key, len(key))
            first = False
        last = panel is timed[-1] if timed else False
        if panel.on_time:
            axes.tick_params(axis="x", labelbottom=last, bottom=last)
            formatted(axes, lambda value: texts.duration(value * 1e9), across=True)
            if moving:
                _cursor(sheet, axes)
        top = bottom + 10 + (26 if last or not panel.on_time else 0)


def _cursor(sheet: Sheet, axes: Axes) -> None:
    cursor = axes.axvline(0, color=sheet.colour("ink"), linewidth=1.6)
    sheet.moves(cursor)
    sheet.movers.append(lambda seconds: cursor.set_xdata([seconds, seconds]))


# ---- a schedule


def is_schedule(told: xr.Dataset) -> bool:
    """Whether this is what `experiments.schedule` returns."""
    return "policy" in told.dims


def schedule_of(sheet: Sheet, told: xr.Dataset, count: int) -> np.ndarray:
    """Draw when to compact: the best policy's day beside a day without, and what each policy costs and leaves.

    Returns
    -------
        The hours of the frames.
    """
    if "stalls" not in told or not bool(told.done.any()):
        raise ValueError(
            "schedule: found no day that was simulated to its end; expected one or more of some policy"
        )
    told = told.isel(policy=np.flatnonzero(told.done.any("seed").values))
    hours = np.linspace(0, HOURS, count) if count > 1 else np.array([float(HOURS)])
    top = heading(sheet, _("When to compact"), str(told.attrs["zone"]))
    sheet.needs(800, 420)
    VerdictBar(sheet, [{"level": told.attrs["level"], "text": told.attrs["text"]}] * len(hours), hours, top)
    top += VerdictBar.height
    middle = top + (sheet.height - top) * 0.5
    _day(sheet, told, top, middle, count > 1)
    half = sheet.width / 2
    _trade(sheet, told, (_LEFT, middle + 40, half - 30, sheet.height - 48))
    _by_hour(sheet, told, (half + 70, middle + 40, sheet.width - 24, sheet.height - 48))
    return hours


def _best(told: xr.Dataset) -> int:
    names = [str(name) for name in told.policy.values]
    for name in (f"at {told.attrs['best_window']}", told.attrs["best_policy"]):
        if name in names and name != "never":
            return names.index(name)
    return len(names) - 1


def _day(sheet: Sheet, told: xr.Dataset, top: float, bottom: float, moving: bool) -> None:
    stalls = np.nan_to_num(told.stalls.mean("seed").transpose("policy", "hour").values)
    best = _best(told)
    axes = sheet.axes(_LEFT, top + KEY_LINE + 6, sheet.width - 40, bottom - 30)
    sheet.text(
        _LEFT,
        top + KEY_LINE / 2,
        _("Stalls an hour, mean of the days"),
        "ink",
        15,
        va="center",
        weight="bold",
    )
    hour = np.arange(HOURS)
    handles: list[Artist] = [sheet.patch(_("load, of the largest"), "used", alpha=0.55)]
    load = np.append(told.relative_load.values, told.relative_load.values[0]) * stalls.max(initial=1)
    axes.fill_between(np.arange(HOURS + 1), load, color=sheet.colour("used"), alpha=0.55, linewidth=0)
    for at, offset, token, hatch in ((0, 0.27, "fallback", "////"), (best, 0.73, "accent", None)):
        look: dict[str, Any] = {
            "facecolor": sheet.colour(token),
            "edgecolor": sheet.colour("bg"),
            "hatch": hatch,
            "linewidth": 0,
        }
        axes.bar(hour + offset, stalls[at], 0.42, **look)
        handles.append(sheet.patch(in_words(str(told.policy.values[at])), token, **look))
    axes.set(xlim=(0, HOURS), ylim=(0, stalls.max(initial=1) * 1.08))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    begin = int(told.attrs["begin"])
    axes.set_xticks(range(0, HOURS + 1, 3), [clock((begin + k) % HOURS) for k in range(0, HOURS + 1, 3)])
    sheet.key(axes, handles, len(handles))
    if moving:
        _cursor(sheet, axes)


def _bounds(values: xr.DataArray) -> np.ndarray:
    """Low, median and high of each policy; where one day alone tells, all are its own."""
    told = values.transpose("policy", "bound").values
    return np.where(np.isnan(told), told[:, 1:2], told)


def _trade(sheet: Sheet, told: xr.Dataset, box: tuple[float, float, float, float]) -> None:
    """Stalls left against time spent compacting."""
    windows = {f"at {hour}" for hour in told.attrs["windows"]} - {f"at {told.attrs['best_window']}"}
    stalls, cpu = _bounds(told.total_stalls), _bounds(told.cpu_ns) / 1e6
    axes = sheet.axes(*box)
    sheet.text(
        box[0],
        box[1] - 14,
        _("Stalls a day, by milliseconds spent compacting"),
        "ink",
        15,
        va="center",
        weight="bold",
    )
    shown = [at for at, name in enumerate(told.policy.values) if str(name) not in windows]
    for at in shown:
        token = "accent" if at else "fallback"
        axes.hlines(stalls[at, 1], cpu[at, 0], cpu[at, 2], color=sheet.colour("ink2"), linewidth=1.6)
        axes.vlines(cpu[at, 1], stalls[at, 0], stalls[at, 2], color=sheet.colour("ink2"), linewidth=1.6)
        axes.plot(
            cpu[at, 1],
            stalls[at, 1],
            POLICIES[str(told.kind.values[at])],
            color=sheet.colour(token),
            markersize=9,
        )
    axes.set(
        xlim=(-0.03 * cpu[shown].max(), max(cpu[shown].max(), 1e-9) * 1.35),
        ylim=(-0.08 * stalls[shown].max(), max(stalls[shown].max(), 1) * 1.16),
    )
    free = -np.inf
    room = (box[3] - box[1]) / np.diff(axes.get_ylim())[0]
    for at in sorted(shown, key=lambda at: float(stalls[at, 1])):
        level = max(float(stalls[at, 1]) * room, free + 17)  # names do not lie on each other
        free = level
        axes.annotate(
            in_words(str(told.policy.values[at])), (cpu[at, 1], stalls[at, 1]), (points(12), points(level - stalls[at, 1] * room + 12)),
            textcoords="offset points", va="center", fontsize=points(14), color=sheet.colour("ink"), zorder=6,
            path_effects=[withStroke(linewidth=4, foreground=sheet.colour("bg"))],
        )  # fmt: skip
    axes.locator_params(nbins=4)


def _by_hour(sheet: Sheet, told: xr.Dataset, box: tuple[float, float, float, float]) -> None:
    """Stalls of one compaction a day, by its hour."""
    names = [str(name) for name in told.policy.values]
    found = sorted((float(told.value.values[names.index(f"at {hour}")]), names.index(f"at {hour}"))
                   for hour in told.attrs["windows"] if f"at {hour}" in names)  # fmt: skip
    if not found:
        return
    hour, rows = np.array([at for at, _row in found]), [row for _at, row in found]
    stalls, never = _bounds(told.total_stalls)[rows], _bounds(told.total_stalls)[0]
    axes = sheet.axes(*box)
    sheet.text(
        box[0], box[1] - 14, _("Stalls a day, compacting once at"), "ink", 15, va="center", weight="bold"
    )
    axes.axhspan(never[0], never[2], color=sheet.colour("fallback"), alpha=0.16, linewidth=0)
    axes.axhline(never[1], color=sheet.colour("fallback"), linestyle="--", linewidth=2)
    axes.text(0, never[1], _("never"), color=sheet.colour("ink"), fontsize=points(14), va="bottom")
    axes.fill_between(hour, stalls[:, 0], stalls[:, 2], color=sheet.colour("accent"), alpha=0.25, linewidth=0)
    axes.plot(
        hour,
        stalls[:, 1],
        "o-",
        color=sheet.colour("accent"),
        linewidth=2,
        markersize=5.5,
        markerfacecolor=sheet.colour("bg"),
    )
    best = f"at {told.attrs['best_window']}"
    if best in names:
        at = rows.index(names.index(best))
        axes.plot(
            hour[at],
            stalls[at, 1],
            "o",
            markersize=13,
            markerfacecolor="none",
            markeredgewidth=2.2,
            color=sheet.colour("ok"),
        )
    axes.set(xlim=(-0.6, HOURS + 0.6), ylim=(0, max(stalls.max(), never.max(), 1) * 1.2))
    axes.set_xticks(range(0, HOURS + 1, 6), [clock(at % HOURS) for at in range(0, HOURS + 1, 6)])
    axes.yaxis.set_major_locator(MaxNLocator(4))


# ---- a score


def score_of(sheet: Sheet, score: xr.Dataset, count: int) -> np.ndarray:
    """Draw a prediction beside the recording, order by order; one moment, for nothing moves."""
    if count > 1:
        raise ValueError("path: a score does not move; expected a name that ends in .png or .svg")
    told = blocks(score).data
    size = None if score.attrs["page_size"] == "unknown" else int(score.attrs["page_size"])
    ring: dict[str, Any] = {
        "marker": "o",
        "markersize": 11,
        "markerfacecolor": "none",
        "markeredgewidth": 1.5,
        "linestyle": "none",
    }
    dot: dict[str, Any] = {"marker": "o", "markersize": 5.5, "linestyle": "none"}
    top = heading(sheet, _("{zone}: prediction beside recording").format(zone=score.attrs["zone"]))
    half = (sheet.width - _LEFT) / 2 + _LEFT
    parts = (
        ("free", _("Free memory, by block size"), (_LEFT, half - 20)),
        ("index", _("Unusable free memory (index 0 to 1)"), (half + 20, sheet.width - 24)),
    )
    for key, title, (left, right) in parts:
        axes = sheet.axes(left, top + 2 * KEY_LINE + 6, right, sheet.height - 40)
        sheet.text(left, top + KEY_LINE / 2, title, "ink", 15, va="center", weight="bold")
        predicted, recorded = told[f"{key}_predicted"], told[f"{key}_recorded"]
        axes.hlines(told["order"], predicted, recorded, color=sheet.colour("bad"), linewidth=3)
        axes.plot(recorded, told["order"], color=sheet.colour("ink"), **ring)
        axes.plot(predicted, told["order"], color=sheet.colour("accent"), **dot)
        axes.set_yticks(told["order"], told["size"] if key == "free" else [""] * len(told["size"]))
        if key == "free":
            axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
            formatted(axes, lambda value: _power(value, size), across=True)
            axes.margins(x=0.06)
            key_line: list[Artist] = [
                Line2D([], [], color=sheet.colour("ink"), label=_("recorded"), **ring),
                Line2D([], [], color=sheet.colour("accent"), label=_("predicted"), **dot),
            ]
            sheet.key(axes, key_line, 2, right=False)
        else:
            axes.set_xlim(-0.05, 1.05)
        axes.autoscale_view(scalex=False)
        axes.set_ylim(min(told["order"]) - 0.6, max(told["order"]) + 0.6)
    return np.zeros(1)


def _power(value: float, page_size: int | None) -> str:
    """Memory at a position on an axis of powers of two; 0 is none, 1 a page.

    >>> _power(0, 4096), _power(10, 4096).replace(texts.NO_BREAK, " ")
    ('none', '2 MiB')
    """
    return texts.memory(2.0 ** (value - 1), page_size) if value >= 1 else _("none") if value == 0 else ""
