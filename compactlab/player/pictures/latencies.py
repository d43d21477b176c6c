"""Views of allocation latency: requests, percentiles, distribution, density, and what the time was spent on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from ... import texts
from ...figures.ecdf import ecdf as ecdf_view
from ...figures.heat import heat as heat_view
from ...figures.latency import latency as latency_view
from ...figures.look import ramp
from ...figures.percentiles import LINES, requests_of
from ...figures.percentiles import percentiles as percentiles_view
from ...figures.spent import spent as spent_view
from ...figures.view import Missing, View
from ...texts import N_, _
from .panel import STYLES, Panel, milliseconds
from .sheet import Sheet, formatted
from .stage import Stage

_GOT = {"token": "huge", "marker": "o", "markersize": 3.5, "alpha": 0.45, "markeredgewidth": 0}
_FELL = {"token": "fallback", "marker": "x", "markersize": 5.5, "alpha": 1.0, "markeredgewidth": 1.2}
_NAMES = {"p50": N_("median"), "p90": "p90", "p99": "p99", "p100": N_("slowest")}
_HATCHES = {"right_diagonal_line": "////", "dot": "..", "horizontal_line": "--"}


def latency(sheet: Sheet, stage: Stage) -> Panel | Missing:
    """Time of every request, with percentiles."""
    view = latency_view(stage.subject)
    if view is None:
        return _lacking(stage)
    bins = view.models["percentiles"].data

    def under(axes: Axes) -> None:
        x0, x1 = stage.draw(bins["start"]), stage.draw(bins["end"])
        axes.bar(
            x0, bins["p99"] - bins["p50"], x1 - x0, bins["p50"], align="edge", color=sheet.colour("panel")
        )

    lines = {"p50": (_("p50"), "solid", 1.8), "p99": (_("p99"), "dashed", 1.8)}
    return _requests(sheet, stage, view, bins, lines, under)


def percentiles(sheet: Sheet, stage: Stage) -> Panel | Missing:
    """Percentiles of the latency over time."""
    view = percentiles_view(stage.subject)
    if isinstance(view, Missing):
        return view
    lines = {name: (_(_NAMES[name]), dash, width) for name, (dash, width) in LINES.items()}
    return _requests(sheet, stage, view, view.models["found"].data, lines)


def _requests(
    sheet: Sheet,
    stage: Stage,
    view: View,
    bins: dict[str, np.ndarray],
    lines: dict[str, tuple[str, str, float]],
    under: Callable[[Axes], None] | None = None,
) -> Panel:
    """Requests as dots, and lines of percentiles per interval."""
    points = view.models["points"].data
    got = np.asarray(points["got"]) > 0

    def draw(axes: Axes) -> None:
        assert view.figure is not None  # noqa: S101
        axes.set_yscale("log")
        if under is not None:
            under(axes)
        x, ms = stage.draw(points["t"]), np.asarray(points["ms"])
        for chosen, look in ((got, _GOT), (~got, _FELL)):
            axes.plot(x[chosen], ms[chosen], linestyle="none", **_dressed(sheet, look))
        x0, x1 = stage.draw(bins["start"]), stage.draw(bins["end"])
        for name, (_label, dash, width) in lines.items():
            axes.hlines(
                bins[name], x0, x1, color=sheet.colour("ink"), linewidth=width, linestyle=STYLES[dash]
            )
        axes.set_ylim(view.figure.y_range.start, view.figure.y_range.end)
        _time_scale(axes)

    handles: list[Artist] = [
        Line2D([], [], linestyle="none", label=name, **_dressed(sheet, look))
        for name, look, there in ((_("got it"), _GOT, got.any()), (_("fell back"), _FELL, not got.all()))
        if there
    ]
    handles += [
        sheet.line(label, "ink", linestyle=STYLES[dash], linewidth=width)
        for label, dash, width in lines.values()
    ]
    return Panel(_time_to_get(stage, view.models["request"]), 1.75, draw, handles)


def ecdf(sheet: Sheet, stage: Stage) -> Panel | Missing:
    """Share of requests served within a time."""
    view = ecdf_view(stage.subject)
    if view is None:
        return _lacking(stage)
    lines, (drawn,) = view.models["lines"], view.more

    def draw(axes: Axes) -> None:
        axes.set_xscale("log")
        for line in lines:
            columns = line["source"].data
            axes.step(
                columns["ms"], columns["share"], where="post", color=sheet.colour("huge"), linewidth=2.5,
                linestyle=STYLES[line["dash"]],
            )  # fmt: skip
        axes.set(xlim=(drawn.x_range.start, drawn.x_range.end), ylim=(0, 1.04))
        axes.set_yticks([0, 0.5, 1], [texts.share(value) for value in (0, 0.5, 1)])
        axes.tick_params(axis="x", labelbottom=True, bottom=True)
        _time_scale(axes, across=True)

    handles: list[Artist] = [
        sheet.line(
            _("{name}: {got} of {count}").format(
                name=line["name"] or _("requests"), got=texts.count(line["got"]), count=texts.count(line["count"])
            ),
            "huge", linestyle=STYLES[line["dash"]],
        )
        for line in lines
    ]  # fmt: skip
    return Panel(_("Share of requests served within a time"), 1.1, draw, handles, on_time=False)


def heat(sheet: Sheet, stage: Stage) -> Panel | Missing:
    """How many requests took how long, when."""
    view = heat_view(stage.subject)
    if view is None:
        return _lacking(stage)
    cells, per_decade = view.models["cells"].data, view.models["per_decade"]
    most = max(1, int(cells["count"].max(initial=1)))
    level = np.log(cells["count"]) / np.log(most) if most > 1 else np.ones(cells["count"].size)
    colours = ListedColormap(ramp(stage.theme))(
        (level + 0.25) / 1.25
    )  # the dashboard's ramp begins a quarter below one

    def draw(axes: Axes) -> None:
        assert view.figure is not None  # noqa: S101
        axes.set_yscale("log")
        x0, x1 = stage.draw(cells["start"]), stage.draw(cells["end"])
        bottom, top = (10 ** ((cells["row"] + above) / per_decade) for above in (0, 1))
        axes.bar(x0, top - bottom, x1 - x0, bottom, align="edge", color=colours)
        axes.set_ylim(view.figure.y_range.start, view.figure.y_range.end)
        _time_scale(axes)

    few, many = ramp(stage.theme)[12], ramp(stage.theme)[-1]
    handles: list[Artist] = [
        sheet.patch(_("one request in a cell"), few),
        sheet.patch(_("{count} requests").format(count=texts.count(most)), many),
    ]
    return Panel(_("How many took how long"), 1.2, draw, handles if most > 1 else handles[:1])


def spent(sheet: Sheet, stage: Stage) -> Panel | Missing:
    """The mean time of a request, by what it was spent on."""
    view = spent_view(stage.subject)
    if view is None:
        return _lacking(stage)
    if isinstance(view, Missing):
        return view
    told, parts = view.models["told"].data, view.models["parts"]

    def draw(axes: Axes) -> None:
        x0, x1 = stage.draw(told["start"]), stage.draw(told["end"])
        level = np.zeros(x0.size)
        for name, _label, token, hatch in parts:
            axes.bar(x0, told[name], x1 - x0, level, align="edge", **_filled(sheet, token, hatch))
            level = level + told[name]
        axes.set_ylim(0, max(level.max(initial=0), 1e-4) * 1.06)
        formatted(axes, milliseconds)

    handles: list[Artist] = [
        sheet.patch(label, token, **_filled(sheet, token, hatch)) for _name, label, token, hatch in parts
    ]
    title = (
        _("Mean time of a request, from the trace") if view.models["traced"] else _("Mean time of a request")
    )
    return Panel(title, 1.4, draw, handles)


def _filled(sheet: Sheet, token: str, hatch: str | None) -> dict[str, Any]:
    look = {"facecolor": sheet.colour(token), "linewidth": 0}
    return look | ({"hatch": _HATCHES[hatch], "edgecolor": sheet.colour("bg")} if hatch else {})


def _lacking(stage: Stage) -> Missing:
    lack = requests_of(stage.subject)
    assert isinstance(lack, Missing)  # noqa: S101
    return lack


def _time_scale(axes: Axes, across: bool = False) -> None:
    (axes.xaxis if across else axes.yaxis).set_minor_locator(NullLocator())
    formatted(axes, milliseconds, across)


def _dressed(sheet: Sheet, look: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in look.items() if name != "token"} | {
        "color": sheet.colour(look["token"])
    }


def _time_to_get(stage: Stage, order: int) -> str:
    if order < 0:
        return _("Time per allocation")
    return _("Time to get {size}").format(size=texts.order_size(order, stage.subject.page_size))
