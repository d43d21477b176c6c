"""Views of memory pressure: watermarks, migratetypes, the proactive score, CPU time, efficiency of scanning."""

from __future__ import annotations

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from ... import texts
from ...figures.cpu import cpu as cpu_view
from ...figures.efficiency import efficiency as efficiency_view
from ...figures.migratetypes import migratetypes as migratetypes_view
from ...figures.score import score as score_view
from ...figures.view import Missing
from ...figures.watermarks import watermarks as watermarks_view
from ...texts import _
from .panel import STYLES, Panel, held, memory_axis, stretched
from .sheet import Sheet, formatted
from .stage import Stage


def migratetypes(sheet: Sheet, stage: Stage) -> Panel | Missing:
    """Free memory by migratetype."""
    view = migratetypes_view(stage.subject)
    if isinstance(view, Missing):
        return view
    m = view.models
    zone = m["zone_of"][stage.zone]
    if zone < 0:
        return Missing(_("free memory by migratetype of this zone"), _("read /proc/pagetypeinfo, as root"))
    rows = {name: values[0] for name, values in m["rows"].data.items()}
    shape = (rows["t"].size, m["zones"], len(m["types"]))
    pages = (rows["blocks"].reshape(*shape, m["orders"])[:, zone] * 2.0 ** np.arange(m["orders"])).sum(-1)
    censored = rows["censored"].reshape(shape)[:, zone].any(1)
    counted = pages.sum(1)
    uncounted = np.where(censored, np.clip(rows["total"].reshape(shape[:2])[:, zone] - counted, 0, None), 0)
    each, unit = stage.unit((counted + uncounted).max())
    shown = [k for k in range(len(m["types"])) if pages[:, k].any()]

    def draw(axes: Axes) -> None:
        x = stage.draw(rows["t"])
        level = np.zeros(x.size)
        for k in shown:
            at, low, high = held(x, level / each, (level + pages[:, k]) / each)
            axes.fill_between(at, low, high, step="post", color=sheet.colour(m["tokens"][k]), linewidth=0)
            level = level + pages[:, k]
        if uncounted.any():
            at, low, high = held(x, level / each, (level + uncounted) / each)
            axes.fill_between(
                at,
                low,
                high,
                step="post",
                facecolor="none",
                edgecolor=sheet.colour("ink2"),
                hatch="///",
                linewidth=0,
            )
        memory_axis(axes, unit, max((counted + uncounted).max() / each, 1e-9), 3)

    handles: list[Artist] = [sheet.patch(m["types"][k], m["tokens"][k]) for k in shown]
    if uncounted.any():
        handles.append(
            sheet.patch(_("beyond the count"), "bg", hatch="///", edgecolor=sheet.colour("ink2"), linewidth=0)
        )
    return Panel(_("Free memory by migratetype"), 1.4, draw, handles)


def watermarks(sheet: Sheet, stage: Stage) -> Panel | Missing:
    """Free pages against the watermarks, each step up a doubling."""
    view = watermarks_view(stage.subject)
    if isinstance(view, Missing):
        return view
    m = view.models
    told = {name: values[0] for name, values in m["told"].data.items()}
    of_zone = {
        name: values.reshape(-1, m["zones"])[:, stage.zone] for name, values in told.items() if name != "t"
    }
    free = (stage.rows["free"] * 2.0 ** np.arange(len(stage.subject.orders))).sum(1)

    def draw(axes: Axes) -> None:
        axes.set_yscale("log", base=2)
        x, low, high = stretched(
            stage.rows["x"], *(np.maximum(stage.rows[name][:, 0], 1) for name in ("low", "high"))
        )
        axes.fill_between(x, low, high, color=sheet.colour("ink2"), alpha=0.35, linewidth=0)
        x = stage.draw(told["t"])
        for name, (token, dash) in m["marks"].items():
            value = np.where(of_zone[name] > 0, of_zone[name] + of_zone["boost"], np.nan)
            axes.step(
                *held(x, value), where="post", color=sheet.colour(token), linewidth=2, linestyle=STYLES[dash]
            )
        axes.plot(*stretched(stage.rows["x"], np.maximum(free, 1)), color=sheet.colour("ink"), linewidth=2.5)
        least, most = axes.dataLim.intervaly
        axes.set_ylim(least / 1.3, most * 1.3)
        formatted(axes, stage.memory)

    handles: list[Artist] = [sheet.line(_("free"), "ink")]
    names = {"high": _("high"), "low": _("low"), "min": _("min")}
    handles += [
        sheet.line(names[name], token, linestyle=STYLES[dash], linewidth=2)
        for name, (token, dash) in m["marks"].items()
    ]
    return Panel(_("Free pages and watermarks"), 1.6, draw, handles)


def score(sheet: Sheet, stage: Stage) -> Panel | Missing:
    """The fragmentation score between its marks."""
    view = score_view(stage.subject)
    if isinstance(view, Missing):
        return view
    m = view.models
    told = {name: values[0] for name, values in m["told"].data.items()}
    marks, never = m["marks"], not m["marks"]["exists"] or m["marks"]["proactiveness"] == 0
    node = told["node"].reshape(-1, m["nodes"])[:, m["node_of"][stage.zone]]
    zone = told["zone"].reshape(-1, m["zones"])[:, stage.zone]

    def draw(axes: Axes) -> None:
        x = stage.draw(told["t"])
        axes.axhspan(marks["low"], marks["high"], color=sheet.colour("panel"), linewidth=0)
        for at, dash in ((marks["high"], "solid"), (marks["low"], "dotted")):
            axes.axhline(at, color=sheet.colour("migrate"), linewidth=1.5, linestyle=STYLES[dash])
        if not never:
            at, value = held(x, node)
            over = np.maximum(value, marks["high"])
            axes.fill_between(
                at, marks["high"], over, step="post", color=sheet.colour("migrate"), linewidth=0
            )
        for values, token, dash, width in ((zone, "scan_free", "dashed", 2), (node, "ink", "solid", 2.5)):
            known = np.where(values < 0, np.nan, values)
            axes.step(
                *held(x, known),
                where="post",
                color=sheet.colour(token),
                linewidth=width,
                linestyle=STYLES[dash],
            )
        axes.set_ylim(-2, 104)
        axes.set_yticks(sorted({0, marks["low"], 100}))

    handles: list[Artist] = [
        sheet.line(_("node"), "ink"),
        sheet.line(_("this zone"), "scan_free", linestyle=STYLES["dashed"], linewidth=2),
        sheet.patch(_("proactive compaction starts"), "migrate"),
    ]
    assumed = " (" + _("assumed: the default") + ")" if marks["assumed"] else ""
    title = _("Proactive score, 0 to 100; proactiveness {value}").format(value=marks["proactiveness"])
    return Panel(title + assumed, 1.1, draw, handles)


def cpu(sheet: Sheet, stage: Stage) -> Panel | Missing:
    """Shares of one CPU, thread by thread."""
    view = cpu_view(stage.subject)
    if isinstance(view, Missing):
        return view
    told, lanes = view.models["told"].data, view.models["lanes"]

    def draw(axes: Axes) -> None:
        x = stage.draw(told["t"])
        for name, (_label, token, dash) in lanes.items():
            if name == "requests":
                axes.fill_between(x, 0, told[name], step="post", color=sheet.colour(token), linewidth=0)
            else:
                axes.step(
                    x,
                    told[name],
                    where="post",
                    color=sheet.colour(token),
                    linewidth=2.2,
                    linestyle=STYLES[dash],
                )
        axes.set_ylim(0, 1.08 * max(0.01, *(told[name].max() for name in lanes)))
        formatted(axes, percent)

    handles: list[Artist] = [
        sheet.patch(label, token) if name == "requests" else sheet.line(label, token, linestyle=STYLES[dash], linewidth=2.2)
        for name, (label, token, dash) in lanes.items()
    ]  # fmt: skip
    title = (
        _("CPU time, of one CPU") if view.models["simulated"] else _("Busy time, of one CPU, from the trace")
    )
    return Panel(title, 1.0, draw, handles)


def efficiency(sheet: Sheet, stage: Stage) -> Panel | Missing:
    """Pages moved per page scanned."""
    view = efficiency_view(stage.subject)
    if isinstance(view, Missing):
        return view
    rates = view.models["source"].data
    share = np.divide(
        rates["migrated"], rates["scanned"], out=np.zeros(rates["t"].size), where=rates["scanned"] > 0
    )

    def draw(axes: Axes) -> None:
        x = stage.draw(rates["t"])
        axes.fill_between(x, 0, share, step="post", color=sheet.colour("migrate"), linewidth=0)
        axes.set_ylim(0, max(share.max(), 0.02) * 1.08)
        formatted(axes, percent)

    return Panel(_("Scan efficiency"), 0.8, draw, [sheet.patch(_("pages moved per page scanned"), "migrate")])


def percent(value: float) -> str:
    """Share as a label of an axis.

    >>> percent(0.125).replace(texts.NO_BREAK, " ")
    '12.5 %'
    """
    return f"{100 * value:.3g}{texts.NO_BREAK}%"
