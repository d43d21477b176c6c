"""The page map: every pageblock as a cell, both scanners, the pages that move, and one pageblock close up."""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh.layouts import column, row
from bokeh.models import (
    ColumnDataSource,
    CustomJSTickFormatter,
    FixedTicker,
    LinearColorMapper,
    Range1d,
    Span,
)
from bokeh.plotting import figure

from .. import texts
from ..metrics.blockpages import STATES
from ..metrics.cells import CANNOT_BITS, FILLS, ORDER_BITS, SKIP_BIT, TYPE_BITS
from ..metrics.film import ALLOCATED, FRAME, Film, film
from ..schema import NAMES
from ..texts import N_, _, translated
from .closeup import CloseUp
from .look import LARGE, SMALL, THEMES, order_groups, ramp, text_style, words
from .migratetypes import TOKENS
from .view import Missing, Subject, View

ACROSS = 32
"""Pages in one line of a pageblock close up."""
ARROWS = 16

_FILLS = {
    "absent": (N_("no memory"), "bg"),
    "free_1": (N_("up to ¼ free"), SMALL[3]),
    "free_2": (N_("up to ½ free"), SMALL[2]),
    "free_3": (N_("up to ¾ free"), SMALL[1]),
    "free_4": (N_("over ¾ free"), SMALL[0]),
    "free": (N_("wholly free"), LARGE[0]),
    "movable": (N_("in use, movable"), "used"),
    "huge": (N_("one huge page"), "other"),
    "cannot_move": (N_("with pages that cannot move"), "ink"),
    "unknown": (N_("not told"), "untold"),
    "emptied": (N_("emptied now"), "migrate"),
    "filled": (N_("filled now"), "scan_free"),
    "isolated": (N_("isolated now"), "isolated"),
}
_PAGES = {
    "hole": (N_("no memory"), "bg"),
    "free": (N_("free"), SMALL[1]),
    "movable": (N_("in use"), "used"),
    "large": (N_("large folio"), "other"),
    "cannot_move": (N_("cannot move"), "ink"),
    "unknown": (N_("not told"), "untold"),
    "pinned": (N_("pinned"), "bad"),
    "moved_out": (N_("moved out"), "migrate"),
    "moved_in": (N_("moved in"), "scan_free"),
}

_WORDS = (
    N_("Colour"), N_("what is in it"), N_("migratetype"), N_("largest free block"), N_("pages that cannot move"), N_("skip bit"), N_("Pageblock"),
    N_("migrate scanner"), N_("free scanner"), N_("emptied"), N_("filled"), N_("not visited yet"), N_("pages"),
    N_("Free memory by block size"), N_("before"), N_("Pages leave"), N_("Pages arrive"), N_("pages moved"),
    N_("compaction begins"), N_("compaction ends"), N_("all pageblocks counted"), N_("a request got a block"), N_("no page map of this zone"),
    N_("inferred"),
    N_("before the first page map"), N_("first page"), N_("asking …"), N_("no page has moved yet"), N_("which pages moved was not kept"),
    N_("Pageblock {number}"), N_("Pageblocks"), N_("Unusable index at {size}"), N_("as of the page map at {time} with what was moved since"),
    N_("now {value}"), N_("one cell is 1 pageblock of {size}"), N_("one cell is {count} pageblocks: {size}"), N_("pages not kept here; kept: {numbers}"),
    N_("step {at} of {steps}"), N_("{size} blocks"), N_("moved pages: {count}"), N_("moved pages: {count}, failed {failed}"),
    N_("migrate scanner: isolated {count}"), N_("free scanner: isolated {count}"), N_("fast search: isolated {count}"),
)  # fmt: skip


def pagemap(subject: Subject) -> View | Missing:
    """Every pageblock of a zone in the order of addresses, low ones on top, and what compaction does to them.

    Very large zones show groups of pageblocks in one cell. Which page went where comes from a simulation's log, or
    is inferred from trace and page map; the words say which. The pages of single pageblocks are kept for those
    under the scanners and some others; with Python behind, any can be asked for.
    """
    moved = subject.moved
    found = film(subject.run, 10 * subject.bins, moved)
    if found is None:
        return Missing(
            _("a map of pages"),
            _(
                "copy /proc/kpageflags and /proc/kpagecount, as root, before and after, trace compaction meanwhile, "
                "and read the folder they lie in"
            ),
            "pagemap",
        )
    paint = subject.paint
    palette = {
        theme: [colour for _key, colours in _palette(subject, theme) for colour in colours]
        for theme in THEMES
    }
    mapper = LinearColorMapper(palette=palette[paint.theme], low=-0.5, high=len(palette["light"]) - 0.5)
    picture = ColumnDataSource(
        {"image": [np.zeros((1, 1), np.uint8)], "dw": [1.0], "dh": [1.0]}, name="pagemap picture"
    )
    across, down = Range1d(0, 1), Range1d(1, 0)
    drawn = paint.figure(
        x_range=across,
        y_range=down,
        min_border_left=76,
        min_border_right=4,
        min_border_top=4,
        min_border_bottom=4,
        name="pagemap cells",
    )
    drawn.xaxis.visible = drawn.ygrid.visible = False
    drawn.image("image", x=0, y=0, dw="dw", dh="dh", source=picture, color_mapper=mapper)
    drawn.yaxis.ticker = FixedTicker(ticks=[])
    drawn.yaxis[0].formatter = CustomJSTickFormatter(
        args={"names": down}, code="return names.tags[0]?.[tick] ?? ''"
    )
    down.tags = [{}]
    arrows = ColumnDataSource({name: [] for name in ("x0", "y0", "x1", "y1")}, name="pagemap arrows")
    halo = drawn.segment("x0", "y0", "x1", "y1", source=arrows, line_width=3, line_alpha=0.7)
    lines = drawn.segment("x0", "y0", "x1", "y1", source=arrows, line_width=1.2)
    ends = drawn.scatter("x1", "y1", source=arrows, size=6, line_color=None)
    paint(halo.glyph, line_color="bg")
    paint(lines.glyph, line_color="scan_free")
    paint(ends.glyph, fill_color="scan_free")
    scanners = [
        _scanner(subject, drawn, token, dash)
        for token, dash in (("migrate", "solid"), ("scan_free", "dashed"))
    ]
    chosen = ColumnDataSource({"x": [], "y": []})
    mark = drawn.rect("x", "y", 1.6, 1.6, source=chosen, fill_color=None, line_width=3)
    paint(mark.glyph, line_color="accent")
    gutter, marks, regions = _gutter(subject, down)
    bars, bar_source, bar_names, bar_range = _bars(subject)
    index, cursor, line = _index(subject)
    insets = [_inset(subject, palette, side) for side in ("left", "right")]
    blocks = {
        name: words(sizing_mode="stretch_width", height=height)
        for name, height in (
            ("tools", 34),
            ("said", 34),
            ("key", 80),
            ("facts", 56),
            ("bars", 22),
            ("index", 22),
            ("left", 44),
            ("right", 44),
        )
    }
    kept = CloseUp(subject.run, found, moved)
    film_source = ColumnDataSource({name: [values] for name, values in _columns(found).items()}, name="film")
    pages = ColumnDataSource({name: [values] for name, values in kept.columns().items()}, name="kept pages")
    asked = ColumnDataSource({"start_pfn": [], "since": [], "states": []}, name="asked pages")
    models = {
        "film": film_source, "pages": pages, "asked": asked, "picture": picture, "mapper": mapper, "palette": palette,
        "parts": _parts(subject), "across": across, "down": down, "axis": drawn.yaxis[0], "map": drawn, "arrows": arrows,
        "scanners": scanners, "chosen": chosen, "marks": marks, "regions": regions, "gutter": gutter, "bars": bar_source,
        "bar_names": bar_names, "bar_range": bar_range, "bar_axis": bars.yaxis[0], "bars_figure": bars, "line": line, "insets": insets, "blocks": blocks,
        "words": translated(_WORDS), "about": _about(subject, found, kept),
    }  # fmt: skip
    left = column(
        row(column(blocks["tools"], width=460, height=34), blocks["said"], sizing_mode="stretch_width", height=34),
        row(drawn, gutter, sizing_mode="stretch_both"), blocks["key"],
        sizing_mode="stretch_both", styles={"flex": "1.34 1 0px"},
    )  # fmt: skip
    close = [
        column(blocks[side], inset["figure"], sizing_mode="stretch_both", margin=(0, 8, 0, 0))
        for side, inset in zip(("left", "right"), insets, strict=True)
    ]
    right = column(
        blocks["facts"], blocks["bars"], column(bars, sizing_mode="stretch_both", styles={"flex": "2.1 1 0px", "min-height": "0"}),
        blocks["index"], column(index, sizing_mode="stretch_both", styles={"flex": "1.2 1 0px", "min-height": "0"}),
        row(*close, sizing_mode="stretch_both", styles={"flex": "1.7 1 0px", "min-height": "0"}, margin=(4, 0, 0, 0)),
        sizing_mode="stretch_both", styles={"flex": "1 1 0px"}, margin=(0, 0, 0, 16),
    )  # fmt: skip
    return View(
        "pagemap", index, cursor, "1fr", models, sheet="pagemap", layout=row(left, right, sizing_mode="stretch_both"),
        answer=lambda message: [(asked, kept.answer(message))] if message["type"] == "pages" else [],
    )  # fmt: skip


def _scanner(subject: Subject, drawn: figure, token: str, dash: str) -> list[Span]:
    """Line across the map on a halo, so that it is seen on every colour."""
    spans = [
        Span(location=0, dimension="width", line_width=5, visible=False),
        Span(location=0, dimension="width", line_width=2.5, line_dash=dash, visible=False),
    ]
    for span, colour in zip(spans, ("bg", token), strict=True):
        drawn.add_layout(subject.paint(span, line_color=colour))
    return spans


def _gutter(subject: Subject, down: Range1d) -> tuple[figure, ColumnDataSource, ColumnDataSource]:
    """Names of the scanners at their height beside the map, and of the regions between them."""
    drawn = subject.paint.figure(
        x_range=Range1d(0, 10), y_range=down, width=178, min_border_left=0, min_border_right=0, min_border_top=4,
        min_border_bottom=4,
    )  # fmt: skip
    drawn.sizing_mode = "stretch_height"
    drawn.axis.visible = drawn.grid.visible = False
    marks = ColumnDataSource(
        {"x": [0.6, 0.6], "y": [0.0, 0.0], "name": ["", ""], "colour": ["#000000", "#000000"]},
        name="pagemap scanners",
    )
    drawn.scatter("x", "y", source=marks, marker="triangle", angle=np.pi / 2, size=14, color="colour")
    style = text_style()
    names = drawn.text(
        1.5, "y", "name", source=marks, text_baseline="middle", text_font_style="bold", **style
    )
    names.glyph.text_color = "colour"
    regions = ColumnDataSource({"y": [], "name": []})
    told = drawn.text(1.5, "y", "name", source=regions, text_baseline="middle", **style)
    subject.paint(told.glyph, text_color="ink2")
    return drawn, marks, regions


def _bars(subject: Subject) -> tuple[figure, ColumnDataSource, ColumnDataSource, Range1d]:
    """Free memory of each order now, and dashed as it was in the beginning."""
    count = len(subject.orders)
    across = Range1d(0, 1)
    drawn = subject.paint.figure(
        x_range=across, y_range=Range1d(-0.6, count - 0.4), min_border_left=76, min_border_right=12, min_border_top=2,
        min_border_bottom=2, name="pagemap bars",
    )  # fmt: skip
    colours = {
        order: colour
        for first, last, colour in order_groups(subject.orders, subject.pageblock_order)
        for order in range(first, last + 1)
    }
    source = ColumnDataSource(
        {
            "y": list(range(count)),
            "now": [0.0] * count,
            "before": [0.0] * count,
            "colour": [colours[order] for order in subject.orders],
        }
    )
    bars = drawn.hbar("y", right="now", height=0.72, source=source, fill_color="colour", line_width=1)
    subject.paint(bars.glyph, line_color="rule")
    outline = drawn.hbar(
        "y", right="before", height=0.84, source=source, fill_color=None, line_width=1.2, line_dash=[4, 3]
    )
    subject.paint(outline.glyph, line_color="ink")
    names = ColumnDataSource({"y": list(range(count)), "x": [0.0] * count, "text": [""] * count})
    told = drawn.text("x", "y", "text", source=names, x_offset=6, text_baseline="middle", **text_style())
    subject.paint(told.glyph, text_color="ink")
    drawn.yaxis.ticker = FixedTicker(ticks=list(range(count)))
    drawn.yaxis.major_label_overrides = {
        k: texts.order_size(order, subject.page_size) for k, order in enumerate(subject.orders)
    }
    drawn.yaxis.major_tick_line_color = drawn.yaxis.axis_line_color = None
    drawn.ygrid.visible = False
    drawn.xaxis.ticker.desired_num_ticks = 4
    drawn.xaxis[0].formatter = CustomJSTickFormatter(
        args={"unit": across},
        code="return Number(tick.toPrecision(6)) + (unit.tags.length ? unit.tags[0] : '')",
    )
    return drawn, source, names, across


def _index(subject: Subject) -> tuple[figure, Span, ColumnDataSource]:
    """Unusable index of the chosen order on the dashboard's time axis; dashed while no block is free."""
    drawn, cursor = subject.figure(Range1d(0, 1.12))
    drawn.min_border_left, drawn.min_border_right = 76, 30
    source = ColumnDataSource({"x": [], "y": [], "none": []})
    area = drawn.varea_step("x", 0, "y", source=source, step_mode="after", fill_alpha=0.3)
    area.glyph.fill_color = "#8a3f88"
    step = drawn.step("x", "y", source=source, mode="after", line_width=2.5)
    subject.paint(step.glyph, line_color="ink")
    none = drawn.step("x", "none", source=source, mode="after", line_width=5)
    subject.paint(none.glyph, line_color="bad")
    drawn.yaxis.ticker = FixedTicker(ticks=[0, 0.5, 1])
    source.data = {"x": [0.0, 0.0], "y": [0.0, 0.0], "none": [0.0, 0.0]}
    return drawn, cursor, source


def _inset(subject: Subject, palette: dict[str, list[str]], side: str) -> dict[str, Any]:
    """One pageblock, page by page."""
    size = 1 << subject.pageblock_order
    across = min(ACROSS, size)
    down = size // across
    drawn = subject.paint.figure(
        x_range=Range1d(0, across), y_range=Range1d(down, 0), min_border=0, name="pagemap pages"
    )
    drawn.axis.visible = drawn.grid.visible = False
    mapper = LinearColorMapper(palette=palette["light"], low=-0.5, high=len(palette["light"]) - 0.5)
    source = ColumnDataSource({"image": [np.zeros((down, across), np.uint8)]}, name=f"pagemap {side}")
    drawn.image("image", x=0, y=0, dw=across, dh=down, source=source, color_mapper=mapper)
    drawn.grid.visible = True
    for grid, count in ((drawn.xgrid[0], across), (drawn.ygrid[0], down)):
        grid.ticker = FixedTicker(ticks=list(range(1, count)))
        grid.level = "annotation"
        subject.paint(grid, grid_line_color="bg")
    return {"figure": drawn, "source": source, "mapper": mapper}


def _palette(subject: Subject, theme: str) -> list[tuple[str, list[str]]]:
    """Colours of each way to colour the map, one after the other; tokens and plain colours alike."""
    tokens = THEMES[theme]
    colours = order_groups(subject.orders, subject.pageblock_order)
    of_order = [
        next(colour for first, last, colour in colours if first <= order <= last) for order in subject.orders
    ]
    return [
        ("fill", [tokens.get(colour, colour) for _name, colour in _FILLS.values()]),
        (
            "type",
            [tokens[TOKENS.get(name, "other")] for name in NAMES["pageblocks"]["migratetypes"]]
            + [tokens["untold"], tokens["bg"]],
        ),
        ("order", [tokens["used"], *of_order]),
        ("cannot", [tokens["panel"], *ramp(theme, 11)[1:]]),
        ("skip", [tokens["used"], tokens["warn"]]),
        ("page", [tokens.get(colour, colour) for _name, colour in _PAGES.values()]),
    ]


def _parts(subject: Subject) -> dict[str, dict[str, Any]]:
    """Of each way to colour: where its colours begin in the palette, and what they mean."""
    sizes = [texts.order_size(order, subject.page_size) for order in subject.orders]
    meanings = {
        "fill": [_(name) for name, _colour in _FILLS.values()],
        "type": [*NAMES["pageblocks"]["migratetypes"], _("not told"), _("no memory")],
        "order": [_("none"), *sizes],
        "cannot": [_("none"), *(f"{2**k}{'' if k in (0, 9) else f'–{2 ** (k + 1) - 1}'}" for k in range(10))],
        "skip": [_("not skipped"), _("skipped")],
        "page": [_(name) for name, _colour in _PAGES.values()],
    }
    begin = 0
    found = {}
    for key, colours in _palette(subject, "light"):
        found[key] = {"begin": begin, "names": meanings[key]}
        begin += len(colours)
    return found


def _columns(found: Film) -> dict[str, np.ndarray]:
    """What the browser needs of the film, in small types; moments in seconds."""
    cells = np.uint16 if found.start_pfn.size < 1 << 16 else np.uint32
    return {
        "initial": found.initial,
        "t": found.elapsed / 1e9,
        "what": found.what,
        "zone": found.zone.astype(np.int8),
        "migrate_pfn": found.migrate_pfn.astype(np.float64),
        "free_pfn": found.free_pfn.astype(np.float64),
        "number": found.number.astype(np.uint32),
        "failed": found.failed.astype(np.uint32),
        "moved": found.moved.astype(np.float64),
        "first": found.first.astype(np.uint32),
        "cell": found.cell.astype(cells),
        "flip": found.flip,
        "role": found.role,
    }


def _about(subject: Subject, found: Film, kept: CloseUp) -> dict[str, Any]:
    """Plain values the script needs."""
    return {
        "zones": found.zones, "zone_of": [found.zones.index(zone) if zone in found.zones else -1 for zone in subject.zones],
        "bounds": found.bounds, "cell_pages": found.cell_pages, "start_pfn": found.start_pfn.astype(np.float64),
        "block_pages": 1 << subject.pageblock_order, "page_size": subject.page_size, "fills": list(FILLS), "type_bits": TYPE_BITS,
        "skip_bit": SKIP_BIT, "cannot_bits": CANNOT_BITS, "order_bits": ORDER_BITS, "frame": FRAME, "allocated": ALLOCATED,
        "origin": found.origin, "total": found.total_steps, "arrows": ARROWS, "samples": kept.samples.astype(np.float64),
        "moments": kept.steps.astype(np.float64), "states": list(STATES),
    }  # fmt: skip
