"""The Explorer: every view of a run on one cursor, with the verdict on top, in one Bokeh document."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import xarray as xr
from bokeh.document import Document
from bokeh.events import DocumentReady
from bokeh.layouts import column, row
from bokeh.models import (
    BoxZoomTool,
    Button,
    ColumnDataSource,
    CustomJS,
    Div,
    FixedTicker,
    LayoutDOM,
    Select,
    Slider,
    Toggle,
    WheelZoomTool,
)

from .. import texts
from ..metrics import templates
from ..texts import N_, NUMBER_WORDS, _, translated
from .contiguity import contiguity
from .cpu import cpu
from .ecdf import ecdf
from .efficiency import efficiency
from .frames import ABSENT, frames
from .heat import heat
from .indices import indices
from .latency import latency
from .look import THEMES, WIDGETS, ramp, words
from .migratetypes import migratetypes
from .migration import migration
from .pagemap import pagemap
from .percentiles import percentiles
from .phases import phases
from .score import score
from .sheets import GUTTER, SHEETS, rows_sheet, time_axis
from .spent import spent
from .timeline import WIDTH
from .view import Missing, Subject, Updates, View, order_index, script, subject_of, zone_index
from .watermarks import watermarks
from .who import who
from .work import work

_DRAWN = (
    "zones",
    "counters",
    "events",
    "allocations",
    "migratetypes",
    "pageblocks",
)  # groups that views are made of
_WORDS = (
    N_("Free memory by block size"), N_("none"), N_("Unusable free memory"), N_("fragmentation"),
    N_("a block is free"), N_("none free"), N_("Free memory by migratetype"), N_("not recorded for this zone"),
    N_("Who compacts"), N_("now"), N_("nobody now"), N_("runs"), N_("from counters, to the sample"),
    N_("Compaction work"), N_("counters"), N_("pages scanned"), N_("by migrate scanner"), N_("not traced"), N_("pages moved"), N_("Time per allocation"),
    N_("distribution"), N_("over time"), N_("deferred"), N_("woken"), N_("given up"), N_("got it"), N_("fell back"), N_("no request now"), N_("Play"), N_("Pause"),
    N_("no free lists in this recording, so no verdict"), N_("one moment"), N_("beyond the count"), N_("pages"), N_("Zone"), N_("Order"), N_("Time axis"),
    N_("at"), N_("free"), N_("Indices"), N_("largest free block"), N_("unusable free index"), N_("fragmentation index"), N_("who"), N_("from"), N_("to"), N_("for"),
    N_("result"), N_("zone"), N_("Requests"), N_("took"), N_("Phases"), N_("phase"),
    N_("Speed"), N_("Step back"), N_("Step on"), N_("Time"), N_("Next compaction"), N_("Sheets"), N_("Table of"),
    N_("Indices, index at {size}"), N_("Time to get {size}"), N_("in blocks of {size}"), N_("index at {size}"),
    N_("usable for {size}"), N_("{count} requests, {failed} fell back"), N_("{count} runs"), N_("{part} of {all}"),
    N_("{part} of {all} rows"), N_("{time}, fell back"),
    *NUMBER_WORDS,
)  # fmt: skip

LACKS = {
    "zones": N_("free lists (/proc/buddyinfo)"),
    "zoneinfo": N_("watermarks and per-CPU lists (/proc/zoneinfo)"),
    "migratetypes": N_("free memory by migratetype (/proc/pagetypeinfo, as root)"),
    "work": N_("compaction work (/proc/vmstat, or compaction tracepoints)"),
    "latency": N_("allocation latency (a timed request log)"),
}


@dataclass(frozen=True)
class Scene:
    """A dashboard ready to be shown: live through a bridge, or packed into a page.

    Attributes
    ----------
    root
        The one root of the Bokeh document; it fills what holds it.
    title
        Name of the recording.
    note
        What was thinned, and what the recording lacks.
    answer
        ``answer(message)``: what a message of its script asks of Python, as updates for the bridge.
    """

    root: LayoutDOM
    title: str
    note: str
    answer: Callable[[dict[str, Any]], list[dict[str, Any]]]


def explorer(
    run: xr.DataTree,
    *,
    zone: str | None = None,
    order: int | None = None,
    theme: str = "auto",
    bins: int = 2000,
    live: bool = False,
) -> Scene:
    """Build the Explorer's document.

    Parameters
    ----------
    run
        Recording or simulation.
    zone
        Zone to open on, such as "Normal" or "0/Normal"; the one with most free memory if None.
    order
        Order to open on; the pageblock order (9 if unknown) if None.
    theme
        "light", "dark", or "auto": as the page around it.
    bins
        Rows of the main source at most; longer recordings are thinned to the last snapshot of each bin, with
        the extremes of free memory kept.
    live
        Whether a Python will answer when a part is zoomed into.

    Raises
    ------
    ValueError
        If the run has nothing that moves in time, or there is no such zone, order or theme.
    """
    if theme not in ("auto", *THEMES):
        raise ValueError(f"theme: got {theme!r}, expected 'auto', 'light' or 'dark'")
    subject = subject_of(run, "dark" if theme == "dark" else "light", bins)
    if not any(subject.group(name) is not None for name in _DRAWN):
        raise ValueError(f"run: found nothing to draw; expected one of the groups {', '.join(_DRAWN)}")
    opened, chosen = zone_index(subject, zone), order_index(subject, order)
    main = ColumnDataSource({name: [values] for name, values in frames(subject).items()}, name="main")
    subject.x_range.tags = [[], {}]  # labels of orders and of moments, for axes
    standing = _views(subject)
    views = [view for view in standing if isinstance(view, View)]
    note = _note(run, main, live)
    lacks = _lacks(run, {view.key for view in views})
    controls = _controls(subject, opened, chosen)
    verdict = words(sizing_mode="stretch_both", name="verdict")
    for view in views:
        view.words.name = f"{view.key} words"
        if view.figure is not None:
            view.figure.name = view.key
    _navigation(views)
    sheets, tickers = _sheets(standing, subject)
    tabs, table = (
        words(sizing_mode="stretch_width", height=30, name="tabs"),
        words(sizing_mode="stretch_both", name="table words"),
    )
    sheets["table"] = column(table, sizing_mode="stretch_both", name="sheet table", visible=False)
    header = words(_heading(run, note), sizing_mode="stretch_width", height=36)
    told = f'<div class="m" style="padding-top:2px">{html.escape(lacks)}</div>' if lacks else ""
    below = words(told, sizing_mode="stretch_width")
    root = _page(header, verdict, tabs, list(sheets.values()), controls, below, subject.border)
    arguments = {
        **controls, "main": main, "verdict": verdict, "x_range": subject.x_range, "time_axes": tickers, "root": root,
        "tabs": tabs, "sheets": sheets, "table": table, "below": below,
        "views": [
            {"key": view.key, "sheet": view.sheet, "words": view.words, "figure": view.figure, "cursor": view.cursor, "models": view.models}
            for view in views
        ],
        "bindings": [list(binding) for binding in subject.paint.bindings],
        "settings": _settings(subject, theme, live),
    }  # fmt: skip
    start = CustomJS(args=arguments, code=_code(views))
    root.tags = [start]  # what only the script knows belongs to the document too
    document = Document(title=str(run.attrs.get("name", _("recording"))) + " · compactlab")
    document.add_root(root)
    document.js_on_event(DocumentReady, start)

    def answer(message: dict[str, Any]) -> list[dict[str, Any]]:
        updates: Updates = []
        if message["type"] == "zoom":
            between = (float(message["first"]), float(message["last"]), str(message["axis"]))
            updates.append((main, {name: [values] for name, values in frames(subject, between).items()}))
            for view in views:
                updates += view.refine(between)
        else:
            for view in views:
                updates += view.answer(message)
        return [{"id": source.id, "data": data} for source, data in updates]

    return Scene(
        root, str(run.attrs.get("name", _("recording"))), "; ".join(filter(None, (note, lacks))), answer
    )


def _views(subject: Subject) -> list[View | Missing]:
    """All views of a run, sheet by sheet, and what stands where one is missing."""
    of_zones = [contiguity(subject), indices(subject)] if subject.group("zones") is not None else []
    overview = [phases(subject), *of_zones, who(subject), work(subject), latency(subject)]
    pressure = [watermarks(subject), migratetypes(subject), score(subject), cpu(subject), efficiency(subject)]
    of_latency = [ecdf(subject), percentiles(subject), heat(subject), spent(subject)]
    built: list[View | Missing | None] = [
        *overview,
        pagemap(subject),
        *pressure,
        *of_latency,
        migration(subject),
    ]
    return [view for view in built if view is not None]


def _sheets(
    standing: list[View | Missing], subject: Subject
) -> tuple[dict[str, LayoutDOM], list[FixedTicker]]:
    """Layouts of the sheets that have something on them, by key, and the tickers of their time axes."""
    sheets: dict[str, LayoutDOM] = {}
    tickers = []
    for key in SHEETS:
        views = [view for view in standing if view.sheet == key]
        alone = [view for view in views if isinstance(view, View) and view.layout is not None]
        if alone:
            (view,) = alone
            sheets[key] = view.layout
            sheets[key].update(name=f"sheet {key}", visible=False)
            if view.figure is not None:
                tickers.append(time_axis(view, subject))
        elif views:
            sheets[key], found = rows_sheet(key, views, subject)
            tickers += found
    next(iter(sheets.values())).visible = True
    return sheets, tickers


def _lacks(run: xr.DataTree, shown: set[str]) -> str:
    """What the recording lacks, and so what is not drawn, in one sentence."""
    missing = [_(what) for key, what in LACKS.items() if key not in run.children and key not in shown]
    return _("Not in this recording: {missing}.").format(missing="; ".join(missing)) if missing else ""


def _note(run: xr.DataTree, main: ColumnDataSource, live: bool) -> str:
    """How many snapshots there are, and how many of them are drawn."""
    if "zones" not in run.children:
        return ""
    drawn, recorded = len(main.data["t"][0]), run["zones"].sizes["time"]
    if drawn == recorded:
        return (
            _("{count} snapshots").format(count=texts.count(recorded)) if recorded > 1 else _("one snapshot")
        )
    text = (
        _("{drawn} of {count} snapshots drawn, zoom in for more")
        if live
        else _("thinned to {drawn} of {count} snapshots")
    )
    return text.format(drawn=texts.count(drawn), count=texts.count(recorded))


def _heading(run: xr.DataTree, note: str) -> str:
    told = _("simulated with the rules of Linux {}") if run.attrs["source"] == "simulation" else "Linux {}"
    kernel = told.format(run.attrs["kernel"]) if "kernel" in run.attrs else ""
    facts = [html.escape(str(fact)) for fact in (note, kernel, run.attrs.get("machine", "")) if fact]
    name = html.escape(str(run.attrs.get("name", _("recording"))))
    return (
        f'<div style="line-height:34px;padding-right:12px;white-space:nowrap;overflow:hidden;text-overflow:ellipsis">'
        f'<span role="heading" aria-level="2" style="font-size:22px;font-weight:650">{name}</span>'
        f'<span class="m" style="font-size:15px">&ensp;{" · ".join(facts)}</span></div>'
    )


def _controls(subject: Subject, zone: int, order: int) -> dict[str, Any]:
    """The widgets that work without Python, by the names their script knows."""
    look: dict[str, Any] = {"stylesheets": [WIDGETS], "margin": (0, 4, 0, 0)}
    zones = [(str(k), _zone_title(subject, name)) for k, name in enumerate(subject.zones)]
    asks = "zones" in subject.run.children  # only free lists answer for an order
    orders = [
        (str(k), _("order {order} · {size}").format(order=k, size=texts.order_size(k, subject.page_size)))
        for k in subject.orders
    ]
    axes = [("phase", _("time by phase")), ("linear", _("time linear"))]
    axes = [axis for axis in axes if axis[0] in subject.timeline.positions]
    speeds = [("60", _("in 60 s")), ("30", _("in 30 s")), ("15", _("in 15 s")), ("5", _("in 5 s"))]
    return {
        "zone": Select(value=str(zone), options=zones, width=_width(zones), visible=len(zones) > 0, name="zone", **look),
        "order": Select(value=str(order), options=orders, width=_width(orders), visible=asks, name="order", **look),
        "axis": Select(value=axes[0][0], options=axes, width=146, visible=len(axes) > 1, name="axis", **look),
        "play": Toggle(label="▶ " + _("Play"), button_type="primary", width=92, name="play", **look),
        "back": Button(label="◀|", width=36, name="back", **look),
        "forward": Button(label="|▶", width=36, name="forward", **look),
        "jump": Button(label="▶▶|", width=44, name="jump", **look),
        "speed": Select(value="30", options=speeds, width=92, name="speed", **look),
        "slider": Slider(
            start=0, end=WIDTH, value=0, step=1, show_value=False, tooltips=False, title=_("time"), name="frame", height=30,
            sizing_mode="stretch_width", stylesheets=[WIDGETS], margin=(0, 0, 0, 0),
        ),
    }  # fmt: skip


def _width(options: list[tuple[str, str]]) -> int:
    """Width of a picker whose longest label fits, in pixels."""
    return 50 + 8 * max((texts.columns(label) for _value, label in options), default=0)


def _zone_title(subject: Subject, zone: str) -> str:
    node, _slash, name = zone.partition("/")
    told = _("{name} (node {node})") if _several_nodes(subject) else _("{name} zone")
    return told.format(name=name, node=node)


def _several_nodes(subject: Subject) -> bool:
    return len({zone.partition("/")[0] for zone in subject.zones}) > 1


def _navigation(views: list[View]) -> None:
    """Drag to zoom in time, Ctrl and wheel too; a click moves the cursor, a double click shows all again."""
    for view in views:
        if view.figure is not None:
            zoom = BoxZoomTool(dimensions="width")
            view.figure.add_tools(zoom, WheelZoomTool(dimensions="width", modifiers={"ctrl": True}))
            view.figure.toolbar.active_drag = zoom


def _page(
    header: Div,
    verdict: Div,
    tabs: Div,
    sheets: list[LayoutDOM],
    controls: dict[str, Any],
    lacks: Div,
    border: int,
) -> LayoutDOM:
    pickers = [controls[name] for name in ("zone", "order", "axis")]
    buttons = row(
        *(controls[name] for name in ("play", "back", "forward", "jump", "speed")),
        width=GUTTER + border - 8,
        margin=0,
    )
    parts = [
        row(header, *pickers, sizing_mode="stretch_width", height=36, margin=(0, 0, 4, 0)),
        column(verdict, sizing_mode="stretch_width", height=48),
        column(tabs, sizing_mode="stretch_width", height=30, margin=(0, 0, 4, 0)),
        *sheets,
    ]
    if lacks.text:
        parts.append(lacks)
    slide = column(controls["slider"], sizing_mode="stretch_width", margin=(9, 30, 0, 8))
    parts.append(row(buttons, slide, sizing_mode="stretch_width", height=36, margin=(4, 0, 0, 0)))
    return column(
        *parts, sizing_mode="stretch_both", min_height=720, name="compactlab",
        styles={"padding": "6px 18px", "box-sizing": "border-box", "background": "var(--cl-bg)"},
    )  # fmt: skip


def _settings(subject: Subject, theme: str, live: bool) -> dict[str, Any]:
    """Plain values the script needs."""
    timeline = subject.timeline
    clock = subject.run.attrs["clock"]
    return {
        "theme": theme, "themes": THEMES, "ramps": {name: ramp(name) for name in THEMES}, "words": translated(_WORDS),
        "templates": templates(), "zones": [_verdict_zone(subject, zone) for zone in subject.zones],
        "orders": subject.orders, "page_size": subject.page_size,
        "absent": ABSENT, "edges": timeline.edges, "positions": timeline.positions, "start": timeline.start,
        "end": timeline.end, "instant": timeline.instant, "live": live, "width": WIDTH,
        "wall": subject.run.attrs["start_ns"] / 1e6 if clock == "wall" else None,
        "sheets": {key: _(title) for key, title in SHEETS.items()}, "phase_starts": [start for start, _end, _name in timeline.phases],
    }  # fmt: skip


def _verdict_zone(subject: Subject, zone: str) -> str:
    node, _slash, name = zone.partition("/")
    return templates()["node"].format(zone=name, node=node) if _several_nodes(subject) else name


def _code(views: list[View]) -> str:
    """One script: shared functions, each view's own, and the runtime that ties them to the controls."""
    parts = [
        script("format.js"),
        script("theme.js"),
        script("play.js"),
        script("verdict.js"),
        "const SCRIPTS = {};",
    ]
    parts += [f"SCRIPTS.{view.key} = {_expression(script(f'{view.key}.js'))};" for view in views]
    return "\n".join([*parts, script("explorer.js")])


def _expression(text: str) -> str:
    return text.strip().removesuffix(";")
