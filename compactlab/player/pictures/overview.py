"""Views of the overview: free memory, indices, who compacts and how much; each from its dashboard view's columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ... import texts
from ...figures.indices import indices as indices_view
from ...figures.look import order_groups, ramp
from ...figures.timeline import WIDTH
from ...figures.view import Missing
from ...figures.who import who as who_view
from ...figures.work import work as work_view
from ...texts import N_, _
from .panel import Panel, held, memory_axis, per_second, stretched
from .sheet import Sheet, formatted
from .stage import Stage

MARKERS = {"diamond": ("D", N_("woken")), "x": ("x", N_("deferred")), "circle_x": ("X", N_("given up")), "triangle": ("^", N_("kswapd woken"))}  # fmt: skip


def contiguity(sheet: Sheet, stage: Stage) -> Panel | Missing:
    """Free memory by block size."""
    if not stage.rows["t"].size:
        return Missing(_("free lists"), _("read /proc/buddyinfo"))
    groups = order_groups(stage.subject.orders, stage.subject.pageblock_order)
    pages = stage.rows["free"] * 2.0 ** np.arange(len(stage.subject.orders))
    of_group = [pages[:, first : last + 1].sum(1) for first, last, _colour in groups]
    each, unit = stage.unit(stage.rows["high"].max())
    most = max(stage.rows["high"].max(), 1) / each

    def draw(axes: Axes) -> None:
        level = np.zeros(len(pages))
        for part, (_first, _last, colour) in zip(of_group[::-1], groups[::-1], strict=True):
            x, low, high = stretched(stage.rows["x"], level / each, (level + part) / each)
            axes.fill_between(x, low, high, color=colour, linewidth=0)
            level = level + part
        usable = pages[:, stage.order :].sum(1) / each
        x, usable, low, high = stretched(
            stage.rows["x"], usable, stage.rows["low"][:, 0] / each, stage.rows["high"][:, 0] / each
        )
        axes.fill_between(x, low, high, color=sheet.colour("ink2"), alpha=0.35, linewidth=0)
        axes.plot(x, usable, color=sheet.colour("bg"), linewidth=4)
        axes.plot(x, usable, color=sheet.colour("ink"), linewidth=2)
        memory_axis(axes, unit, most)

    handles: list[Artist] = [
        sheet.patch(stage.sizes(first, last), colour) for first, last, colour in groups if pages.any()
    ]
    size = texts.order_size(stage.order, stage.subject.page_size)
    handles.append(sheet.line(_("usable for {size}").format(size=size), "ink"))
    return Panel(_("Free memory by block size"), 2.3, draw, handles)


def indices(sheet: Sheet, stage: Stage) -> Panel | Missing:
    """Unusable index of each order, and where no block is free."""
    if not stage.rows["t"].size:
        return Missing(_("free lists"), _("read /proc/buddyinfo"))
    models = indices_view(stage.subject).models
    count = len(stage.subject.orders)
    x, unusable, free = stage.rows["x"], stage.rows["unusable"], stage.rows["free"]
    top = np.where(free.any(1), count - np.argmax(free[:, ::-1] > 0, axis=1), 0) - 0.5

    def draw(axes: Axes) -> None:
        at = (np.arange(models["columns"]) + 0.5) / models["columns"] * WIDTH
        rows = np.clip(np.searchsorted(x, at, side="right") - 1, 0, None)
        image = np.ma.masked_greater(unusable[rows].T / 1000.0, 1)  # beyond: the order was not listed
        if x.size > 1:
            image[:, (at < x[0]) | (at > x[-1])] = np.ma.masked
        axes.imshow(
            image, cmap=ListedColormap(ramp(stage.theme)), vmin=0, vmax=1, origin="lower", aspect="auto",
            extent=(0, WIDTH, -0.5, count - 0.5), interpolation="nearest",
        )  # fmt: skip
        stair_x, stair = held(x, top)
        axes.fill_between(
            stair_x, stair, count - 0.5, step="post", facecolor="none", edgecolor=sheet.colour("hatch"), hatch="////", linewidth=0,
        )  # fmt: skip
        axes.step(stair_x, stair, where="post", color=sheet.colour("bg"), linewidth=4)
        axes.step(stair_x, stair, where="post", color=sheet.colour("ink"), linewidth=1.6)
        for edge in (stage.order - 0.5, stage.order + 0.5):
            axes.axhline(edge, color=sheet.colour("accent"), linewidth=1.6)
        axes.set_ylim(-0.5, count - 0.5)
        tall = axes.get_window_extent().height
        ticks = range(0, count, max(3, int(np.ceil(18 * count / tall))))
        axes.set_yticks(ticks, [texts.order_size(order, stage.subject.page_size) for order in ticks])
        axes.grid(visible=False)

    stops = ramp(stage.theme)
    handles: list[Artist] = [
        sheet.patch(text, stops[at]) for text, at in (("0", 0), ("0.5", len(stops) // 2), ("1", -1))
    ]
    handles.append(sheet.patch(_("none free"), stops[-1], hatch="////", edgecolor=sheet.colour("hatch")))
    return Panel(_("Unusable free memory (index 0 to 1)"), 1.35, draw, handles)


def who(sheet: Sheet, stage: Stage) -> Panel | Missing:
    """Who compacts, lane by lane."""
    view = who_view(stage.subject)
    if view is None:
        return Missing(_("who compacts"), _("trace compaction, or read /proc/vmstat"))
    assert view.figure is not None  # noqa: S101
    bars, marks = view.models["source"].data, view.models["marks"].data
    lanes = view.figure.yaxis[0].major_label_overrides

    def draw(axes: Axes) -> None:
        x0, x1 = stage.draw(bars["start"]), stage.draw(bars["end"])
        axes.hlines(bars["y"], x0, x1, color=sheet.colour("migrate"), linewidth=8)
        axes.plot(x0, bars["y"], "s", color=sheet.colour("migrate"), markersize=2.2, linestyle="none")
        x = stage.draw(marks["t"])
        for kind in dict.fromkeys(marks["marker"]):
            chosen = np.array([marker == kind for marker in marks["marker"]])
            axes.plot(
                x[chosen],
                np.asarray(marks["y"])[chosen],
                linestyle="none",
                **_mark(sheet, kind),
                clip_on=False,
            )
        axes.set_ylim(-0.6, len(lanes) - 0.4)
        axes.set_yticks(list(lanes), list(lanes.values()))
        axes.tick_params(axis="y", length=0)

    handles: list[Artist] = [sheet.patch(_("a run"), "migrate")]
    handles += [
        Line2D([], [], label=_(MARKERS[kind][1]), linestyle="none", **_mark(sheet, kind))
        for kind in dict.fromkeys(marks["marker"])
    ]
    return Panel(_("Who compacts"), 0.4 + 0.3 * len(lanes), draw, handles)


def _mark(sheet: Sheet, kind: str) -> dict[str, Any]:
    return {
        "marker": MARKERS[kind][0], "markersize": 6.5, "markeredgewidth": 1.3, "color": sheet.colour("migrate"),
        "markeredgecolor": sheet.colour("ink"),
    }  # fmt: skip


def work(sheet: Sheet, stage: Stage) -> Panel | Missing:
    """Pages scanned and moved per second."""
    view = work_view(stage.subject)
    if view is None:
        return Missing(_("compaction work"), _("trace compaction, or read /proc/vmstat"))
    rates, lacks = view.models["source"].data, view.models["lacks"]
    name = _("by migrate scanner") if len(lacks) == 1 else _("pages scanned")
    drawn = [part for part in (("scanned", "used", name), ("migrated", "migrate", _("pages moved"))) if part[0] not in lacks]  # fmt: skip

    def draw(axes: Axes) -> None:
        x = stage.draw(rates["t"])
        for key, token, _label in drawn:
            axes.fill_between(x, 0, rates[key], step="post", color=sheet.colour(token), linewidth=0)
        axes.set(xlim=(0, WIDTH), ylim=(0, 1.08 * max(1000, *(rates[key].max() for key, *_rest in drawn))))
        axes.yaxis.set_major_locator(MaxNLocator(3))
        formatted(axes, per_second)

    handles: list[Artist] = [sheet.patch(text, token) for _key, token, text in drawn]
    return Panel(_("Compaction work, per second"), 1.0, draw, handles)
