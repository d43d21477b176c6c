"""Runs side by side on common axes: indices, memory, work, their differences, latencies, and the numbers."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from bokeh.document import Document
from bokeh.events import DocumentReady
from bokeh.layouts import column, row
from bokeh.models import (
    Button,
    ColumnDataSource,
    CustomJS,
    CustomJSTickFormatter,
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

from .. import schema, texts
from ..metrics import compare
from ..metrics.comparison import Runs, Side, sides_of
from ..metrics.source import find_zone, group, huge_page_order
from ..texts import N_, NUMBER_WORDS, _, translated
from .aligned import LARGEST, Axis, axes_of, columns_of, latencies, requested, zones_of
from .explorer import Scene
from .latency import MILLISECONDS
from .look import THEMES, WIDGETS, Paint, words
from .numbers import numbers_table
from .timeline import WIDTH
from .view import script

MOST_SIDES = 6
"""More lines than these nobody tells apart."""
GUTTER = 284  # of the column of names, keys and values, in pixels
BORDER = 84  # left of the plots, for their values
DASHES: list[list[int]] = [[], [10, 4], [2, 4], [2, 4, 10, 4], [16, 4], [10, 4, 2, 4, 2, 4]]
MARKERS = ("circle", "square", "triangle", "diamond", "inverted_triangle", "x")
SIGNS = "●■▲◆▼✕"
_ROOM = 4  # sides whose names fit beside their values
_FEWEST_TICKS = 4  # of the axis of latencies, if it has room for as many round times
_ICONS = {"ok": "✓", "warn": "!", "bad": "✕"}

_SCROLL = """
:host { overflow: auto; background: var(--cl-panel); border: 1px solid var(--cl-rule); border-radius: 4px;
  box-sizing: border-box; padding: 0 14px; }
h3 { padding-top: 8px; }
th, td { font-size: 14px; }
tr[aria-current] { background: var(--cl-grid); }
"""

_PRESSED = ".bk-btn.bk-active { background-color: var(--cl-accent) !important; color: var(--cl-on_accent) !important; }"

_WORDS = (
    N_("none free"), N_("Free memory"), N_("Pages moved"),
    N_("Pages moved per second"), N_("per second"), N_("in all"), N_("unusable index"), N_("usable memory"),
    N_("pages moved"), N_("p50, p99"), N_("not told"), N_("has ended"), N_("no such requests"), N_("none"), N_("since the start"), N_("of each run"),
    N_("Play"), N_("Pause"), N_("Zone"), N_("Order"), N_("Line up by"), N_("Speed"), N_("Step back"), N_("Step on"), N_("Time"), N_("Numbers"), N_("Table"),
    N_("free"), N_("usable"), N_("Moment"), N_("pages"), N_("seeds: line is their median, band from least to most"),
    N_("same"), N_("next quantity"),
    N_("Difference to {first}"), N_("Time to get {size}"), N_("Unusable index, {size}"), N_("Values over time, every {step} of {count} moments"),
    N_("thick: usable for {size}, thin: all free"), N_("{count} run"), N_("{count} runs"), N_("{part} of {all}"),
    *NUMBER_WORDS,
)  # fmt: skip


@dataclass(frozen=True)
class _Panel:
    """One row: a figure with a line, a band and markers of every side."""

    key: str
    figure: figure
    cursor: Span
    y: Range1d
    lines: list[ColumnDataSource]
    marks: list[ColumnDataSource]
    more: list[ColumnDataSource]  # of the free memory: all of it; of the index: where no block is free
    words: Div
    share: str


def comparison(
    *sides: Runs | Mapping[str, Runs],
    names: Iterable[str] | None = None,
    theme: str = "auto",
    zone: str | None = None,
    order: int | None = None,
    confidence: float = 0.95,
    bins: int = 400,
    live: bool = False,
) -> Scene:
    """Build the document that shows runs beside each other.

    Parameters
    ----------
    sides
        Two to six sides: runs, lists of runs that repeat one experiment, or mappings from a name to these.
    names
        One for each side; else the runs' own.
    theme
        "light", "dark", or "auto": as the page around it.
    zone
        Zone to open on; the first run's largest if None.
    order
        Order to open on; that of a huge page if None.
    confidence
        Of the intervals among the numbers.
    bins
        Moments drawn of each run.
    live
        Whether a Python will answer when another zone or order is chosen, with the numbers for it.

    Raises
    ------
    ValueError
        If there are fewer than two sides or more than six, nothing that can be drawn, or no such zone, order
        or theme.
    TypeError
        If a side is neither a run nor a list or mapping of runs.
    """
    if theme not in ("auto", *THEMES):
        raise ValueError(f"theme: got {theme!r}, expected 'auto', 'light' or 'dark'")
    told = sides_of(*sides, names=names)
    if len(told) > MOST_SIDES:
        raise ValueError(f"compare: found {len(told)} sides; at most {MOST_SIDES} can be told apart")
    for side in told:
        for run in side.runs:
            schema.validate(run)
    first = told[0].runs[0]
    orders = _orders(told)
    chosen = min(huge_page_order(first), max(orders)) if order is None else order
    if chosen not in orders:
        raise ValueError(f"order: got {chosen!r}, expected {min(orders)} to {max(orders)}")
    zones = zones_of(told)
    opened = opened_zone(zones, first, zone)
    axes = axes_of(told, bins)
    main = ColumnDataSource(_columns(told, axes, zones, len(orders)), name="main")
    paint = Paint("dark" if theme == "dark" else "light")
    panels = _panels(paint, len(told), main)
    asked = requested(told, chosen)
    ecdf = _ecdf(paint, told, asked)
    if not panels and ecdf is None:
        raise ValueError(
            "compare: found nothing to draw in these runs; expected free lists, compaction work or latencies"
        )
    by_name = {side.name: side.runs for side in told}

    def numbers_for(zone: str | None, order: int) -> tuple[str, dict[str, list[str]]]:
        compared = compare(by_name, zone=zone, order=order, confidence=confidence)
        level = str(compared.attrs["level"])
        icon = "=" if all(compared.attrs["identical"]) else _ICONS[level]
        bar = {"text": [compared.attrs["text"]], "level": [level], "icon": [icon], "caution": [compared.attrs["caution"]]}  # fmt: skip
        return numbers_table(compared), bar

    numbers_html, bar = numbers_for(None if not zones or zones[opened] == LARGEST else zones[opened], chosen)
    told_now = ColumnDataSource(bar, name="told")
    numbers, table = _sheet("numbers sheet", numbers_html), _sheet("table sheet")
    controls = _controls(zones, opened, orders, chosen, axes, schema.page_size(first))
    verdict = words(sizing_mode="stretch_both", name="verdict")
    legend = words(sizing_mode="stretch_both", name="legend")
    ecdf_words = words(sizing_mode="stretch_both", name="ecdf words")
    grid, ticker = _grid(legend, panels, ecdf, ecdf_words)
    title = " · ".join(side.name for side in told)
    root = _page(title, controls, verdict, [grid, numbers, table])
    page_size = schema.page_size(first) if len({schema.page_size(run) for side in told for run in side.runs}) == 1 else None  # fmt: skip
    settings = {
        "theme": theme, "themes": THEMES, "words": translated(_WORDS), "names": [side.name for side in told],
        "runs": [len(side.runs) for side in told], "zones": zones, "orders": orders, "page_size": page_size,
        "bins": bins, "width": WIDTH, "dashes": DASHES, "signs": SIGNS, "live": live,
        "axes": {axis.key: {"seconds": axis.seconds, "edges": axis.edges} for axis in axes},
        "requested": asked, "latencies": [] if ecdf is None else ecdf[1],
    }  # fmt: skip
    arguments = {
        **controls, "main": main, "told": told_now, "verdict": verdict, "legend": legend, "grid": grid, "numbers": numbers,
        "table": table, "root": root, "time_axis": ticker, "ecdf_words": ecdf_words, "ecdf": None if ecdf is None else ecdf[0],
        "panels": [
            {name: getattr(panel, name) for name in ("key", "figure", "cursor", "y", "lines", "marks", "more", "words")}
            for panel in panels
        ],
        "bindings": [list(binding) for binding in paint.bindings], "settings": settings,
    }  # fmt: skip
    code = "\n".join(script(name) for name in ("format.js", "theme.js", "play.js", "compare.js"))
    start = CustomJS(args=arguments, code=code)
    root.tags = [start]
    document = Document(title=f"{title} · compactlab")
    document.add_root(root)
    document.js_on_event(DocumentReady, start)

    def answer(message: dict[str, Any]) -> list[dict[str, Any]]:
        """Numbers for another zone and order."""
        if message.get("type") != "numbers":
            return []
        zone, order = message["zone"], int(message["order"])
        text, bar = numbers_for(None if zone in (None, LARGEST) else str(zone), order)
        return [{"id": numbers.id, "set": {"text": text}}, {"id": told_now.id, "data": bar}]

    return Scene(root, title, _note(told), answer)


def _note(sides: Sequence[Side]) -> str:
    return ", ".join(
        (_("{name}: {count} runs") if len(side.runs) > 1 else _("{name}: {count} run")).format(
            name=side.name, count=len(side.runs)
        )
        for side in sides
    )


def _orders(sides: Sequence[Side]) -> list[int]:
    """Orders that any side has."""
    counts = [run["zones"].sizes["order"] for side in sides for run in side.runs if group(run, "zones") is not None]  # fmt: skip
    return list(range(max(counts, default=11)))


def opened_zone(zones: list[str], first: xr.DataTree, zone: str | None) -> int:
    """Position of the zone to open on: the one asked for, or the first run's largest."""
    if not zones or zones == [LARGEST]:
        return 0
    if zone is None:
        largest = find_zone(first, None) if group(first, "zones") is not None else zones[0]
        return zones.index(largest) if largest in zones else 0
    for at, known in enumerate(zones):
        if zone in (known, known.partition("/")[2]):
            return at
    raise ValueError(f"zone: got {zone!r}, expected one of {', '.join(zones)}")


def _columns(sides: Sequence[Side], axes: list[Axis], zones: list[str], orders: int) -> dict[str, Any]:
    """Columns of the main source: ``axis quantity side band``, each one array."""
    return {
        f"{axis.key} {name}": [values]
        for axis in axes
        for name, values in columns_of(sides, axis, zones, orders).items()
    }


# ---- figures


def _panels(paint: Paint, sides: int, main: ColumnDataSource) -> list[_Panel]:
    """Rows of what the runs tell, on one range of positions."""
    x_range = Range1d(0, WIDTH)
    quantities = {name.split()[1] for name in main.data}
    wanted = [
        ("index", "index", "minmax(96px,1.5fr)"),
        ("free", "usable", "minmax(88px,1.4fr)"),
        ("moved", "moved", "minmax(70px,1.1fr)"),
    ]
    keys = [(key, share) for key, needs, share in wanted if needs in quantities]
    if keys:
        keys.append(("difference", "minmax(74px,1.15fr)"))
    return [_panel(paint, key, share, sides, x_range) for key, share in keys]


def _panel(paint: Paint, key: str, share: str, sides: int, x_range: Range1d) -> _Panel:
    y_range = Range1d(0, 1)
    drawn = paint.figure(
        x_range=x_range, y_range=y_range, min_border_left=BORDER, min_border_right=30, min_border_top=3,
        min_border_bottom=3, name=key,
    )  # fmt: skip
    drawn.xaxis.visible = False
    lines, marks, more, readers = [], [], [], []
    for side in range(sides):
        source = ColumnDataSource({name: [] for name in ("x", "y", "low", "high", "when", "text")})
        token = f"side{side}"
        band = drawn.varea("x", "low", "high", source=source, fill_alpha=0.22, level="underlay")
        paint(band.glyph, fill_color=token)
        extra = _extra(paint, drawn, key, side, token)
        if extra is not None:
            more.append(extra)
        line = drawn.line("x", "y", source=source, line_width=2.5, line_dash=DASHES[side])
        paint(line.glyph, line_color=token)
        points = ColumnDataSource({"x": [], "y": []})
        dots = drawn.scatter("x", "y", source=points, size=9, marker=MARKERS[side], line_width=2)
        paint(dots.glyph, fill_color=token, line_color=token)
        lines.append(source)
        marks.append(points)
        readers.append(line)
    drawn.add_tools(HoverTool(renderers=readers, mode="vline", tooltips=[(_("at"), "@when"), ("", "@text")]))
    if key == "difference":
        drawn.add_layout(
            paint(Span(location=0, dimension="width", line_width=1, level="underlay"), line_color="ink2")
        )
    cursor = Span(location=0, dimension="height", line_width=2, level="overlay")
    drawn.add_layout(paint(cursor, line_color="ink"))
    drawn.yaxis.ticker.desired_num_ticks = 3
    drawn.yaxis[0].formatter = CustomJSTickFormatter(
        args={"unit": y_range},
        code="return tick === 0 ? '0' : Number(tick.toPrecision(6)) + (unit.tags[0] ?? '')",
    )
    if key == "index":
        # Above 1 each side has a lane of its own, drawn where it has no free block of the order.
        y_range.end = 1.14 + 0.12 * sides
        lanes = 1.08 + 0.06 * sides
        drawn.yaxis.ticker = FixedTicker(ticks=[0, 0.5, 1, lanes])
        drawn.yaxis.major_label_overrides = {0: "0", 0.5: "0.5", 1: "1", lanes: _("none free")}
        drawn.ygrid.ticker = FixedTicker(ticks=[0, 0.5, 1])
    return _Panel(key, drawn, cursor, y_range, lines, marks, more, words(sizing_mode="stretch_both", name=f"{key} words"), share)  # fmt: skip


def _extra(paint: Paint, drawn: figure, key: str, side: int, token: str) -> ColumnDataSource | None:
    """Further marks of one side: where no block is free, or all free memory as a thin line."""
    if key == "index":
        source = ColumnDataSource({"x0": [], "x1": [], "y": []})
        bars = drawn.segment("x0", "y", "x1", "y", source=source, line_width=6)
        paint(bars.glyph, line_color=token)
        return source
    if key == "free":
        source = ColumnDataSource({"x": [], "y": []})
        thin = drawn.line("x", "y", source=source, line_width=1, line_dash=DASHES[side], line_alpha=0.9)
        paint(thin.glyph, line_color=token)
        return source
    return None


def _ecdf(paint: Paint, sides: Sequence[Side], order: int) -> tuple[figure, list[dict[str, Any]]] | None:
    """Share of requests served within a time, of all sides on one axis; None if no side was timed."""
    at, told = latencies(sides, order, 300)
    if not at.size:
        return None
    low, high = float(at[0]), float(at[-1])
    drawn = paint.figure(
        x_range=Range1d(low, high), y_range=Range1d(0, 1.06), x_axis_type="log",
        min_border_left=BORDER, min_border_right=30, min_border_top=3, name="ecdf",
    )  # fmt: skip
    drawn.xaxis[0].formatter = CustomJSTickFormatter(code=MILLISECONDS)
    drawn.xaxis.ticker = FixedTicker(ticks=_times(low, high))
    drawn.yaxis.ticker = FixedTicker(ticks=[0, 0.5, 1])
    drawn.yaxis.major_label_overrides = {0: "0 %", 0.5: "50 %", 1: "100 %"}
    readers = []
    for side, (one, found) in enumerate(zip(sides, told, strict=True)):
        if not found:
            continue
        least, mid, most = (np.asarray(found.get(band, found["mid"])) for band in ("low", "mid", "high"))
        source = ColumnDataSource({
            "ms": at, "share": mid, "low": least, "high": most,
            "text": [_("{name}: {share} within {time}").format(name=one.name, share=texts.share(float(value)), time=texts.duration(ms * 1e6)) for ms, value in zip(at, mid, strict=True)],
        })  # fmt: skip
        token = f"side{side}"
        if "low" in found:
            band = drawn.varea("ms", "low", "high", source=source, fill_alpha=0.22, level="underlay")
            paint(band.glyph, fill_color=token)
        line = drawn.line("ms", "share", source=source, line_width=2.5, line_dash=DASHES[side])
        paint(line.glyph, line_color=token)
        spaced = np.unique(np.searchsorted(mid, np.arange(0.1 + 0.04 * side, 1, 0.25)).clip(max=at.size - 1))
        points = ColumnDataSource({"ms": at[spaced], "share": mid[spaced]})
        dots = drawn.scatter("ms", "share", source=points, size=9, marker=MARKERS[side], line_width=2)
        paint(dots.glyph, fill_color=token, line_color=token)
        readers.append(line)
    drawn.add_tools(HoverTool(renderers=readers, mode="vline", tooltips=[("", "@text")]))
    wanted = ("requests", "p50", "p99")
    values: list[dict[str, Any]] = [{name: one[name] for name in wanted if name in one} for one in told]
    return drawn, values


def _times(low: float, high: float) -> list[float]:
    """Round times on a logarithmic axis, few enough for their labels.

    >>> _times(0.05, 300), _times(0.9, 7)
    ([0.1, 1.0, 10.0, 100.0], [1.0, 2.0, 5.0])
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks: list[float] = []
    for steps in ((1,), (1, 3), (1, 2, 5)):
        ticks = [float(f"{step}e{power}") for power in decades for step in steps]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) >= _FEWEST_TICKS:
            break
    return ticks


# ---- the page


def _controls(
    zones: list[str], opened: int, orders: list[int], chosen: int, axes: list[Axis], page_size: int | None
) -> dict[str, Any]:
    look: dict[str, Any] = {"stylesheets": [WIDGETS], "margin": (0, 4, 0, 0)}
    pressed = {**look, "stylesheets": [WIDGETS, _PRESSED]}
    zone_options = [(str(k), _zone_title(zones, zone)) for k, zone in enumerate(zones)]
    order_options = [
        (str(k), _("order {order} · {size}").format(order=k, size=texts.order_size(k, page_size)))
        for k in orders
    ]
    named = {"elapsed": _("elapsed time"), "share": _("share of the run"), "phase": _("phase by phase")}
    axis_options = [(axis.key, named[axis.key]) for axis in axes]
    speeds = [("60", _("in 60 s")), ("30", _("in 30 s")), ("15", _("in 15 s")), ("5", _("in 5 s"))]
    return {
        "zone": Select(value=str(opened), options=zone_options, width=136, visible=len(zones) > 1, name="zone", **look),
        "order": Select(value=str(chosen), options=order_options, width=158, visible=bool(zones), name="order", **look),
        "axis": Select(value="elapsed", options=axis_options, width=162, name="axis", **look),
        "show_numbers": Toggle(label=_("Numbers"), width=92, name="show numbers", **pressed),
        "show_table": Toggle(label=_("Table"), width=72, name="show table", **pressed),
        "play": Toggle(label="▶ " + _("Play"), button_type="primary", width=96, name="play", **look),
        "back": Button(label="◀|", width=42, name="back", **look),
        "forward": Button(label="|▶", width=42, name="forward", **look),
        "speed": Select(value="15", options=speeds, width=92, name="speed", **look),
        "slider": Slider(
            start=0, end=WIDTH, value=0, step=1, show_value=False, tooltips=False, title=_("time"), name="frame", height=30,
            sizing_mode="stretch_width", stylesheets=[WIDGETS], margin=(0, 0, 0, 0),
        ),
    }  # fmt: skip


def _zone_title(zones: list[str], zone: str) -> str:
    if zone == LARGEST:
        return _("largest zone")
    node, _slash, name = zone.partition("/")
    several = len({each.partition("/")[0] for each in zones}) > 1
    return (_("{name} (node {node})") if several else _("{name} zone")).format(name=name, node=node)


def _grid(
    legend: Div, panels: list[_Panel], ecdf: tuple[figure, list[dict[str, Any]]] | None, ecdf_words: Div
) -> tuple[GridBox, FixedTicker | None]:
    cells: list[Any] = [(legend, 0, 0, 1, 2)]
    tracks = ["24px" if len(panels[0].lines if panels else ()) <= _ROOM else "42px"]
    for panel in panels:
        cells += [(panel.words, len(tracks), 0), (panel.figure, len(tracks), 1)]
        tracks.append(panel.share)
    ticker = None
    if panels:
        axis = panels[-1].figure.xaxis[0]
        axis.visible = True
        ticker = axis.ticker = FixedTicker(ticks=[])
        x_range = panels[-1].figure.x_range
        x_range.tags = [{}]
        axis.formatter = CustomJSTickFormatter(
            args={"names": x_range}, code="return names.tags[0]?.[tick] ?? ''"
        )
    if ecdf is not None:
        cells += [(ecdf_words, len(tracks), 0), (ecdf[0], len(tracks), 1)]
        tracks.append("minmax(96px,1.4fr)")
    grid = GridBox(
        children=cells, rows=tracks, cols=[f"{GUTTER}px", "minmax(0,1fr)"], sizing_mode="stretch_both", spacing=(3, 0),
        name="pictures",
    )  # fmt: skip
    return grid, ticker


def _page(title: str, controls: dict[str, Any], verdict: Div, sheets: list[LayoutDOM]) -> LayoutDOM:
    heading = (
        '<div style="line-height:34px;padding-right:12px;white-space:nowrap;overflow:hidden;text-overflow:ellipsis">'
        f'<span role="heading" aria-level="2" style="font-size:22px;font-weight:650">{html.escape(title)}</span></div>'
    )
    pickers = [controls[name] for name in ("zone", "order", "axis", "show_numbers", "show_table")]
    header = words(heading, sizing_mode="stretch_width", height=36)
    buttons = row(
        *(controls[name] for name in ("play", "back", "forward", "speed")),
        width=GUTTER + BORDER - 8,
        margin=0,
    )
    slide = column(controls["slider"], sizing_mode="stretch_width", margin=(9, 30, 0, 8))
    return column(
        row(header, *pickers, sizing_mode="stretch_width", height=36, margin=(0, 0, 4, 0)),
        column(verdict, sizing_mode="stretch_width", height=48, margin=(0, 0, 4, 0)),
        *sheets,
        row(buttons, slide, sizing_mode="stretch_width", height=36, margin=(4, 0, 0, 0)),
        sizing_mode="stretch_both", min_height=720, name="compactlab",
        styles={"padding": "6px 18px", "box-sizing": "border-box", "background": "var(--cl-bg)"},
    )  # fmt: skip


def _sheet(name: str, text: str = "") -> Div:
    """What stands in place of the pictures on demand, and scrolls in itself."""
    sheet = words(text, visible=False, sizing_mode="stretch_both", name=name)
    sheet.stylesheets = [*sheet.stylesheets, _SCROLL]
    return sheet
