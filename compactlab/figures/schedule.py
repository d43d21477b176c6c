"""When to compact: a day's load and stalls, what each policy costs and leaves, and the best hour."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import xarray as xr
from bokeh.core.properties import value
from bokeh.document import Document
from bokeh.events import DocumentReady
from bokeh.layouts import column, row
from bokeh.models import (
    Button,
    ColumnDataSource,
    CustomJS,
    Div,
    FixedTicker,
    GridBox,
    HoverTool,
    LayoutDOM,
    Range1d,
    Select,
    Slider,
    Span,
    Toggle,
)
from bokeh.plotting import figure

from .. import texts
from ..experiments.policies import clock, in_words
from ..experiments.schedule import apart
from ..metrics import WHO
from ..texts import N_, NUMBER_WORDS, _, translated
from .explorer import Scene
from .look import THEMES, WIDGETS, Paint, text_style, words
from .view import script

HOURS = 24
GUTTER = 232  # of the column of names, keys and values, in pixels
BORDER = 60
MARKERS = {
    "never": "x",
    "at": "inverted_triangle",
    "every": "square",
    "above": "triangle",
    "proactive": "diamond",
}
SIGNS = {"never": "✕", "at": "▼", "every": "■", "above": "▲", "proactive": "◆"}
_LANES = ("manual", "proactive", "kcompactd", "direct")  # who compacts, from the top
_LANE_MARKERS = ("inverted_triangle", "diamond", "square", "circle")
_LANE_SIGNS = ("▼", "◆", "■", "●")
_ICONS = {"ok": "✓", "warn": "!", "bad": "✕"}
_PRESSED = ".bk-btn.bk-active { background-color: var(--cl-accent) !important; color: var(--cl-on_accent) !important; }"
_SCROLL = """
:host { overflow: auto; background: var(--cl-panel); border: 1px solid var(--cl-rule); border-radius: 4px;
  box-sizing: border-box; padding: 0 14px 8px; }
h3 { padding-top: 10px; }
th, td { font-size: 14px; }
"""
_WORDS = (
    N_("Load"), N_("Who compacts"), N_("Stalls an hour"), N_("this hour"), N_("so far"), N_("of the largest"),
    N_("never"), N_("Play"), N_("Pause"), N_("Policy"), N_("Speed"), N_("Step back"), N_("Step on"), N_("Hour"), N_("Table"),
    N_("Unusable free memory"), N_("for huge pages, 0 to 1"),
    N_("mean of {count} day"), N_("mean of {count} days"), N_("{policy}, {hour}: {stalls} stalls an hour, {failures} huge pages not got"),
    *NUMBER_WORDS,
)  # fmt: skip


def schedule(told: xr.Dataset, *, theme: str = "auto") -> Scene:
    """Draw when to compact: the day of each policy, stalls left against CPU spent, and the hours tried.

    Parameters
    ----------
    told
        What `experiments.schedule` returns.
    theme
        "light", "dark", or "auto": as the page around it.

    Raises
    ------
    ValueError
        If there is no such theme, or no day was simulated to its end.
    """
    if theme not in ("auto", *THEMES):
        raise ValueError(f"theme: got {theme!r}, expected 'auto', 'light' or 'dark'")
    if "stalls" not in told or not bool(told.done.any()):
        raise ValueError(
            "schedule: found no day that was simulated to its end; expected one or more of some policy"
        )
    told = told.isel(policy=np.flatnonzero(told.done.any("seed").values))
    paint = Paint("dark" if theme == "dark" else "light")
    names = [str(name) for name in told.policy.values]
    opened = _opened(told, names)
    x_range = Range1d(0, HOURS)
    panels = [
        _load(paint, told, x_range),
        _who(paint, x_range),
        _index(paint, x_range),
        _stalls(paint, told, x_range),
    ]
    trade, windows = _trade(paint, told), _windows(paint, told)
    controls = _controls(told, names, opened)
    verdict = words(sizing_mode="stretch_both", name="verdict")
    table = words(_tables(told), visible=False, sizing_mode="stretch_both", name="table sheet")
    table.stylesheets = [*table.stylesheets, _SCROLL]
    grid = _grid(panels, trade, windows)
    title = _("When to compact")
    root = _page(title, _facts(told), controls, verdict, grid, table)
    settings = {
        "theme": theme, "themes": THEMES, "words": translated(_WORDS), "policies": _policies(told), "signs": SIGNS, "lane_signs": _LANE_SIGNS,
        "lanes": {name: _who_words()[name] for name in _LANES}, "load": told.relative_load.values.tolist(), "begin": int(told.attrs["begin"]),
        "days": int(told.sizes["seed"]), "level": told.attrs["level"], "icon": _ICONS[told.attrs["level"]], "text": told.attrs["text"],
    }  # fmt: skip
    arguments = {
        **controls, "verdict": verdict, "table": table, "grid": grid, "root": root, "settings": settings,
        "panels": panels, "bindings": [list(binding) for binding in paint.bindings],
    }  # fmt: skip
    code = "\n".join(script(name) for name in ("format.js", "theme.js", "play.js", "schedule.js"))
    start = CustomJS(args=arguments, code=code)
    root.tags = [start]
    document = Document(title=f"{title} · compactlab")
    document.add_root(root)
    document.js_on_event(DocumentReady, start)
    return Scene(root, title, str(told.attrs["points"]), lambda message: [])  # noqa: ARG005


def _opened(told: xr.Dataset, names: list[str]) -> int:
    """Policy to open on: the best window, else the best policy, else the last."""
    for name in (f"at {told.attrs['best_window']}", told.attrs["best_policy"]):
        if name in names and name != "never":
            return names.index(name)
    return len(names) - 1


def _who_words() -> dict[str, str]:
    return {
        "manual": _("by plan"),
        "proactive": _("proactively"),
        "kcompactd": _("kcompactd, woken"),
        "direct": _("for a request"),
    }


def _policies(told: xr.Dataset) -> list[dict[str, Any]]:
    """What the browser shows of each policy, hour by hour: means of its days, so that hours add up."""
    mean = told.mean("seed")
    work = mean.compaction_ns.transpose("policy", "who", "hour").values
    return [
        {
            "name": in_words(str(name)),
            "kind": str(told.kind.values[at]),
            "stalls": np.nan_to_num(mean.stalls.values[at]).tolist(),
            "failures": np.nan_to_num(mean.failures.values[at]).tolist(),
            "index": np.nan_to_num(mean.unusable_index.values[at]).tolist(),
            "work": {who: np.nan_to_num(work[at, WHO.index(who)]).tolist() for who in _LANES},
        }
        for at, name in enumerate(told.policy.values)
    ]


# ---- the day


def _panel(paint: Paint, key: str, x_range: Range1d, y_range: Range1d, share: str) -> dict[str, Any]:
    drawn = paint.figure(
        x_range=x_range, y_range=y_range, min_border_left=BORDER, min_border_right=16, min_border_top=4,
        min_border_bottom=4, name=key,
    )  # fmt: skip
    drawn.xaxis.visible = False
    cursor = Span(location=0, dimension="height", line_width=2, level="overlay")
    drawn.add_layout(paint(cursor, line_color="ink"))
    text = words(sizing_mode="stretch_both", name=f"{key} words")
    return {"key": key, "figure": drawn, "cursor": cursor, "words": text, "share": share, "sources": {}}


def _load(paint: Paint, told: xr.Dataset, x_range: Range1d) -> dict[str, Any]:
    panel = _panel(paint, "load", x_range, Range1d(-0.02, 1.08), "minmax(66px,.85fr)")
    load = told.relative_load.values
    source = ColumnDataSource({"x": np.arange(HOURS + 1.0), "load": np.append(load, load[0])})
    paint(panel["figure"].varea("x", 0, "load", source=source, fill_alpha=0.55).glyph, fill_color="used")
    paint(panel["figure"].line("x", "load", source=source, line_width=2).glyph, line_color="ink2")
    panel["figure"].yaxis.ticker = FixedTicker(ticks=[0, 0.5, 1])
    panel["figure"].yaxis.major_label_overrides = {0: "0 %", 0.5: "50 %", 1: "100 %"}
    return panel


def _who(paint: Paint, x_range: Range1d) -> dict[str, Any]:
    panel = _panel(paint, "who", x_range, Range1d(len(_LANES) - 0.5, -0.5), "94px")
    drawn = panel["figure"]
    drawn.yaxis.visible = False
    drawn.min_border_top = 20  # so that each lane stands beside its words
    drawn.ygrid.ticker = FixedTicker(ticks=list(range(len(_LANES))))
    for who, marker in zip(_LANES, _LANE_MARKERS, strict=True):
        source = ColumnDataSource({"x": [], "y": [], "size": [], "text": []}, name=who)
        token = "scan_free" if who == "direct" else "migrate"
        marks = drawn.scatter(
            "x", "y", size="size", marker=marker, source=source, fill_alpha=0.85, line_width=1
        )
        paint(marks.glyph, fill_color=token, line_color="bg")
        drawn.add_tools(HoverTool(renderers=[marks], tooltips=[("", "@text")]))
        panel["sources"][who] = source
    return panel


def _index(paint: Paint, x_range: Range1d) -> dict[str, Any]:
    panel = _panel(paint, "index", x_range, Range1d(-0.07, 1.08), "minmax(76px,1fr)")
    for name, token, dash in (("never", "fallback", [8, 5]), ("policy", "accent", [])):
        source = ColumnDataSource({"x": [], "y": [], "text": []}, name=f"{name} index")
        line = panel["figure"].line("x", "y", source=source, line_width=2.5, line_dash=dash)
        paint(line.glyph, line_color=token)
        panel["figure"].add_tools(HoverTool(renderers=[line], mode="vline", tooltips=[("", "@text")]))
        panel["sources"][name] = source
    panel["figure"].yaxis.ticker = FixedTicker(ticks=[0, 0.5, 1])
    panel["figure"].yaxis.major_label_overrides = {0: "0", 0.5: "0.5", 1: "1"}
    return panel


def _stalls(paint: Paint, told: xr.Dataset, x_range: Range1d) -> dict[str, Any]:
    most = float(np.nanmax(told.stalls.mean("seed").values, initial=0)) or 1.0
    panel = _panel(paint, "stalls", x_range, Range1d(0, most * 1.12), "minmax(130px,1.7fr)")
    drawn = panel["figure"]
    for name, width, offset, token in (("never", 0.42, 0.27, "fallback"), ("policy", 0.42, 0.73, "accent")):
        source = ColumnDataSource({"x": [], "top": [], "alpha": [], "text": []}, name=f"{name} stalls")
        bars = drawn.vbar("x", width, "top", source=source, fill_alpha="alpha", line_width=1.5)
        if name == "never":
            bars.glyph.update(
                hatch_pattern="right_diagonal_line", hatch_scale=7, hatch_weight=1, hatch_alpha="alpha"
            )
            paint(bars.glyph, hatch_color="bg")
        paint(bars.glyph, fill_color=token, line_color=token)
        drawn.add_tools(HoverTool(renderers=[bars], tooltips=[("", "@text")]))
        panel["sources"][name] = source
        panel["sources"][f"{name} offset"] = offset
    drawn.yaxis.ticker.desired_num_ticks = 4
    axis = drawn.xaxis[0]
    axis.visible = True
    axis.ticker = FixedTicker(ticks=list(range(0, HOURS + 1, 3)))
    begin = int(told.attrs["begin"])
    axis.major_label_overrides = {k: clock((begin + k) % HOURS) for k in range(0, HOURS + 1, 3)}
    drawn.min_border_bottom = 26
    return panel


# ---- what policies cost and leave


def _bounds(values: xr.DataArray, scale: float = 1) -> np.ndarray:
    """Low, median and high of each policy, (policy, 3); where one day alone tells, all are its own."""
    told = values.transpose("policy", "bound").values / scale
    return np.where(np.isnan(told), told[:, 1:2], told)


def _trade(paint: Paint, told: xr.Dataset) -> figure:
    """Stalls left against time spent compacting: a mark, its name and whiskers of each policy, and of one window."""
    windows = {f"at {hour}" for hour in told.attrs["windows"]} - {f"at {told.attrs['best_window']}"}
    shown = np.flatnonzero([str(name) not in windows for name in told.policy.values])
    stalls, cpu = _bounds(told.total_stalls)[shown], _bounds(told.cpu_ns, 1e6)[shown]
    x_most, y_most = (float(np.nanmax(each)) or 1.0 for each in (cpu, stalls))
    x_range, y_range = Range1d(-0.03 * x_most, x_most * 1.3), Range1d(-0.14 * y_most, y_most * 1.16)
    drawn = paint.figure(
        x_range=x_range, y_range=y_range, min_border_left=BORDER, min_border_right=10, name="trade"
    )
    drawn.xaxis.ticker.desired_num_ticks = drawn.yaxis.ticker.desired_num_ticks = 4
    drawn.xaxis[0].axis_label = _("time spent compacting, ms a day")
    drawn.yaxis[0].axis_label = _("stalls a day")
    for axis in (drawn.xaxis[0], drawn.yaxis[0]):
        axis.axis_label_text_font_size, axis.axis_label_text_font_style = "14px", "normal"
        axis.axis_label_standoff = 2
        paint(axis, axis_label_text_color="ink2")
    names = [in_words(str(told.policy.values[at])) for at in shown]
    kinds = [str(told.kind.values[at]) for at in shown]
    source = ColumnDataSource({
        "x": cpu[:, 1], "y": stalls[:, 1], "x0": cpu[:, 0], "x1": cpu[:, 2], "y0": stalls[:, 0], "y1": stalls[:, 2],
        "marker": [MARKERS[kind] for kind in kinds],
        "text": [_summed(name, s, c) for name, s, c in zip(names, stalls, cpu, strict=True)],
    })  # fmt: skip
    for ends in (("x0", "y", "x1", "y"), ("x", "y0", "x", "y1")):
        paint(drawn.segment(*ends, source=source, line_width=2).glyph, line_color="ink2")
    marks = drawn.scatter("x", "y", source=source, marker="marker", size=13, line_width=2)
    paint(marks.glyph, fill_color="accent", line_color="accent")
    before = drawn.scatter([cpu[0, 1]], [stalls[0, 1]], marker="x", size=13, line_width=3)
    paint(before.glyph, line_color="fallback")
    drawn.add_tools(HoverTool(renderers=[marks], tooltips=[("", "@text")]))
    across = [(each - x_range.start) / (x_range.end - x_range.start) for each in cpu]
    upward = [(each - y_range.start) / (y_range.end - y_range.start) for each in stalls]
    places = _places(np.array(across), np.array(upward), names)
    labels = ColumnDataSource(
        {"x": cpu[:, 1], "y": stalls[:, 1], "name": names, "dx": places[:, 0], "dy": places[:, 1]}
    )
    text = drawn.text(
        "x", "y", "name", x_offset="dx", y_offset="dy", source=labels, text_baseline="middle", **text_style()
    )
    paint(text.glyph, text_color="ink")
    return drawn


_WIDE, _HIGH = 420.0, 180.0  # of the frame on a small screen, in pixels
_Box = tuple[float, float, float, float]


def _places(across: np.ndarray, upward: np.ndarray, names: list[str]) -> np.ndarray:
    """Where the names stand beside their marks, (n, 2) in pixels, such that few lie over marks and whiskers.

    Parameters
    ----------
    across, upward
        Low, median and high of each, (n, 3), of the width and the height of the frame.
    names
        What is to be placed.

    Examples
    --------
    >>> one = np.array([[0.1, 0.1, 0.1]])
    >>> _places(one, one, ["a name"]).tolist()
    [[12.0, -2.0]]
    """
    x, y = across * _WIDE, -upward * _HIGH
    boxes: list[_Box] = [
        box
        for (left, middle, right), (low, centre, high) in zip(x, y, strict=True)
        for box in ((middle - 8, centre - 8, middle + 8, centre + 8), (left, centre - 2, right, centre + 2), (middle - 2, high, middle + 2, low))
    ]  # fmt: skip
    places = np.zeros((len(names), 2))
    for at in np.argsort(x[:, 1], kind="stable"):
        wide = 7.6 * texts.columns(names[at])
        steps = [
            (dx, dy) for dy in (-2.0, -20.0, 18.0, -38.0, -56.0) for dx in (12.0, -12.0 - wide, -wide / 2)
        ]
        steps = [step for step in steps if step[0] != -wide / 2 or abs(step[1]) > 10]
        boxed = [_boxed(x[at, 1] + dx, y[at, 1] + dy, wide) for dx, dy in steps]
        near = [float(np.hypot(0 if dx == -wide / 2 else 12, dy)) for dx, dy in steps]
        costs = [_covers(boxes, box) + 500 * _leaves(box) + far for box, far in zip(boxed, near, strict=True)]
        best = int(np.argmin(costs))
        places[at] = steps[best]
        boxes.append(boxed[best])
    return places


def _boxed(x: float, y: float, wide: float) -> _Box:
    return x, y - 8, x + wide, y + 8


def _leaves(box: _Box) -> float:
    """By how many pixels a name leaves the frame."""
    return max(0.0, -box[0]) + max(0.0, box[2] - _WIDE) + max(0.0, -_HIGH - box[1]) + max(0.0, box[3])


def _covers(boxes: list[_Box], box: _Box) -> float:
    """Area that a name would share with what stands there."""
    return sum(
        max(0.0, min(box[2], x1) - max(box[0], x0)) * max(0.0, min(box[3], y1) - max(box[1], y0))
        for x0, y0, x1, y1 in boxes
    )


def _windows(paint: Paint, told: xr.Dataset) -> figure | None:
    """Stalls of one compaction a day, by its hour, with the interval as a band; None if no hour was tried."""
    names = [str(name) for name in told.policy.values]
    found = [
        (float(told.value.values[names.index(f"at {hour}")]), names.index(f"at {hour}"))
        for hour in told.attrs["windows"]
        if f"at {hour}" in names
    ]
    if not found:
        return None
    hours = np.array([hour for hour, _at in sorted(found)])
    rows = [at for _hour, at in sorted(found)]
    stalls, never = _bounds(told.total_stalls)[rows], _bounds(told.total_stalls)[names.index("never")]
    best = f"at {told.attrs['best_window']}"
    like = _like(told, rows, names.index(best)) if best in names else np.zeros(len(rows), bool)
    most = float(np.nanmax([stalls.max(), never.max()])) or 1.0
    drawn = paint.figure(
        x_range=Range1d(-0.6, HOURS + 0.6), y_range=Range1d(-0.08 * most, most * 1.2), min_border_left=BORDER,
        min_border_right=10, name="windows",
    )  # fmt: skip
    drawn.yaxis.ticker.desired_num_ticks = 4
    drawn.xaxis.ticker = FixedTicker(ticks=list(range(0, HOURS + 1, 4)))
    drawn.xaxis.major_label_overrides = {hour: clock(hour) for hour in range(0, HOURS + 1, 4)}
    ends = np.array([-0.6, HOURS + 0.6])
    band = drawn.varea(
        ends, np.repeat(never[0], 2), np.repeat(never[2], 2), fill_alpha=0.16, level="underlay"
    )
    paint(band.glyph, fill_color="fallback")
    line = drawn.line(ends, np.repeat(never[1], 2), line_width=2, line_dash=[8, 5])
    paint(line.glyph, line_color="fallback")
    source = ColumnDataSource({
        "x": hours, "low": stalls[:, 0], "y": stalls[:, 1], "high": stalls[:, 2],
        "text": [_summed(in_words(names[at]), each, spent) for at, each, spent in zip(rows, stalls, _bounds(told.cpu_ns, 1e6)[rows], strict=True)],
    })  # fmt: skip
    paint(
        drawn.varea("x", "low", "high", source=source, fill_alpha=0.25, level="underlay").glyph,
        fill_color="accent",
    )
    paint(drawn.line("x", "y", source=source, line_width=2).glyph, line_color="accent")
    hollow = drawn.scatter("x", "y", source=source, size=9, line_width=2)
    paint(hollow.glyph, fill_color="bg", line_color="accent")
    full = drawn.scatter(hours[like], stalls[like, 1], size=9, line_width=2)
    paint(full.glyph, fill_color="accent", line_color="accent")
    drawn.add_tools(HoverTool(renderers=[hollow], mode="vline", tooltips=[("", "@text")]))
    if best in names:
        hour, height = (
            float(told.value.values[names.index(best)]),
            float(stalls[rows.index(names.index(best)), 1]),
        )
        ring = drawn.scatter([hour], [height], size=20, fill_color=None, line_width=3)
        paint(ring.glyph, line_color="ok")
        right = hour < HOURS / 2
        name = drawn.text([hour], [height], text=value(_("best {hour}").format(hour=clock(hour))), x_offset=16 if right else -16, y_offset=-16, text_align="left" if right else "right", text_baseline="middle", **text_style())  # fmt: skip
        paint(name.glyph, text_color="ink")
    return drawn


def _like(told: xr.Dataset, rows: list[int], best: int) -> np.ndarray:
    """Which windows are not told apart from the best one."""
    stalls = told.stalls.sum("hour", skipna=False).transpose("policy", "seed").values
    return np.array([not apart(stalls[at], stalls[best]) for at in rows])


def _summed(policy: str, stalls: np.ndarray, spent: np.ndarray) -> str:
    """What a policy costs and leaves, for the tip at its mark."""
    return _("{policy}: {stalls} stalls, {time} ms").format(
        policy=policy, stalls=_interval(stalls), time=_interval(spent)
    )


def _interval(bounds: np.ndarray) -> str:
    low, median, high = (texts.count(each) if each >= 10 else texts.significant(each) for each in bounds)
    return (
        median if low == high else _("{median} ({low} to {high})").format(median=median, low=low, high=high)
    )


# ---- the page


def _controls(told: xr.Dataset, names: list[str], opened: int) -> dict[str, Any]:
    look: dict[str, Any] = {"stylesheets": [WIDGETS], "margin": (0, 4, 0, 0)}
    options = [
        (str(k), f"{SIGNS[str(told.kind.values[k])]} {in_words(name)}") for k, name in enumerate(names)
    ]
    speeds = [("60", _("in 60 s")), ("24", _("in 24 s")), ("12", _("in 12 s")), ("6", _("in 6 s"))]
    wide = 60 + 8 * max(texts.columns(label) for _value, label in options)
    return {
        "policy": Select(value=str(opened), options=options, width=wide, name="policy", **look),
        "show_table": Toggle(label=_("Table"), width=72, name="show table", **{**look, "stylesheets": [WIDGETS, _PRESSED]}),
        "play": Toggle(label="▶ " + _("Play"), button_type="primary", width=96, name="play", **look),
        "back": Button(label="◀|", width=42, name="back", **look),
        "forward": Button(label="|▶", width=42, name="forward", **look),
        "speed": Select(value="12", options=speeds, width=92, name="speed", **look),
        "slider": Slider(
            start=0, end=HOURS, value=HOURS, step=0.05, show_value=False, tooltips=False, title=_("hour"), name="frame", height=30,
            sizing_mode="stretch_width", stylesheets=[WIDGETS], margin=(0, 0, 0, 0),
        ),
    }  # fmt: skip


def _facts(told: xr.Dataset) -> str:
    days = told.sizes["seed"]
    return " · ".join(
        html.escape(str(fact))
        for fact in (
            _("load: {curve}").format(curve=told.attrs["curve"]),
            f"{texts.memory(told.attrs['pages'], told.attrs['page_size'])} {told.attrs['zone']}",
            _("{count} simulated days of each policy").format(count=days)
            if days > 1
            else _("one simulated day of each policy"),
        )
    )


def _grid(panels: list[dict[str, Any]], trade: figure, windows: figure | None) -> LayoutDOM:
    cells: list[Any] = []
    for k, panel in enumerate(panels):
        cells += [(panel["words"], k, 0), (panel["figure"], k, 1)]
    day = GridBox(
        children=cells, rows=[panel["share"] for panel in panels], cols=[f"{GUTTER}px", "minmax(0,1fr)"],
        sizing_mode="stretch_both", spacing=(3, 0),
    )  # fmt: skip
    right = [
        _caption(_("What each policy costs and leaves"), _("mark: median; lines: 95 % interval")),
        trade,
    ]
    if windows is not None:
        key = _(
            "● as good as the best &ensp; ○ worse &ensp; <span style='color:var(--cl-fallback)'>╌╌</span> never; bands: intervals"
        )
        right += [_caption(_("Stalls a day if compacted once, by the hour"), key), windows]
    return row(
        column(day, sizing_mode="stretch_both", margin=(0, 14, 0, 0), styles={"flex": "1.35 1 0"}),
        column(*right, sizing_mode="stretch_both", styles={"flex": "1 1 0"}),
        sizing_mode="stretch_both", name="pictures",
    )  # fmt: skip


def _caption(title: str, key: str) -> Div:
    return words(f"<h3>{title}</h3><span class=m>{key}</span>", height=38, sizing_mode="stretch_width")


def _page(
    title: str, facts: str, controls: dict[str, Any], verdict: Div, grid: LayoutDOM, table: Div
) -> LayoutDOM:
    heading = (
        '<div style="line-height:34px;padding-right:12px;white-space:nowrap;overflow:hidden;text-overflow:ellipsis">'
        f'<span role="heading" aria-level="2" style="font-size:22px;font-weight:650">{html.escape(title)}</span>'
        f'<span class="m" style="font-size:15px">&ensp;{facts}</span></div>'
    )
    header = words(heading, sizing_mode="stretch_width", height=36)
    buttons = row(
        *(controls[name] for name in ("play", "back", "forward", "speed")), width=GUTTER + BORDER, margin=0
    )
    slide = column(controls["slider"], sizing_mode="stretch_width", margin=(9, 30, 0, 8))
    return column(
        row(header, controls["policy"], controls["show_table"], sizing_mode="stretch_width", height=36, margin=(0, 0, 4, 0)),
        column(verdict, sizing_mode="stretch_width", height=52, margin=(0, 0, 4, 0)),
        grid,
        table,
        row(buttons, slide, sizing_mode="stretch_width", height=36, margin=(4, 0, 0, 0)),
        sizing_mode="stretch_both", min_height=700, name="compactlab",
        styles={"padding": "6px 18px", "box-sizing": "border-box", "background": "var(--cl-bg)"},
    )  # fmt: skip


def _tables(told: xr.Dataset) -> str:
    """All numbers: totals of each policy with their intervals, and stalls of each hour."""
    cell = "padding:2px 18px 2px 0;border-bottom:1px solid var(--cl-grid);text-align:right;font-weight:400"
    left = f"{cell};text-align:left"

    def line(first: str, *cells: str, tag: str = "td") -> str:
        told = "".join(f'<{tag} style="{cell}">{each}</{tag}>' for each in cells)
        return f'<tr><th scope="row" style="{left}">{html.escape(first)}</th>{told}</tr>'

    heads = [_("stalls a day"), _("avoided"), _("huge pages not got"), _("time in stalls, ms"), _("time compacting, ms"), _("told apart from the fewest stalls")]  # fmt: skip
    columns = [
        _bounds(told.total_stalls), _bounds(told.avoided), _bounds(told.total_failures), _bounds(told.total_stall_ns, 1e6), _bounds(told.cpu_ns, 1e6),
    ]  # fmt: skip
    names = [in_words(str(name)) for name in told.policy.values]
    rows = [
        line(
            name,
            *(_interval_signed(each[at]) for each in columns),
            _("no") if told.as_good.values[at] else _("yes"),
        )
        for at, name in enumerate(names)
    ]
    mean = told.stalls.mean("seed").transpose("hour", "policy").values
    hourly = [
        line(clock(float(hour)), texts.share(float(load)), *("–" if np.isnan(each) else texts.significant(float(each)) for each in mean[at]))
        for at, (hour, load) in enumerate(zip(told.hour.values, told.relative_load.values, strict=True))
    ]  # fmt: skip
    of_policies = _("Policies: median of the days, and its 95 % interval")
    of_hours = _("Stalls of each hour: mean of the days")
    policy, hour, load = _("policy"), _("hour"), _("load")
    style = 'class="n" style="border-spacing:0;line-height:19px;white-space:nowrap"'
    return (
        f"<h3>{of_policies}</h3><table {style}>{line(policy, *heads, tag='th')}{''.join(rows)}</table>"
        f"<h3>{of_hours}</h3><table {style}>{line(hour, load, *map(html.escape, names), tag='th')}{''.join(hourly)}</table>"
    )


def _interval_signed(bounds: np.ndarray) -> str:
    """Median and interval of what may be negative.

    >>> _interval_signed(np.array([-4.0, 2, 11])).replace(texts.NO_BREAK, " ")
    '2 (−4 to 11)'
    """
    low, median, high = (("−" if each < 0 else "") + (texts.count(abs(each)) if abs(each) >= 10 else texts.significant(abs(each))) for each in bounds)  # fmt: skip
    return (
        median if low == high else _("{median} ({low} to {high})").format(median=median, low=low, high=high)
    )
