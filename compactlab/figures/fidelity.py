"""A predicted compaction beside the recorded one: what was done, and which blocks were free afterwards."""

from __future__ import annotations

import html
import math
from typing import Any

import numpy as np
import xarray as xr
from bokeh.document import Document
from bokeh.events import DocumentReady
from bokeh.layouts import column, row
from bokeh.models import ColumnDataSource, CustomJS, FixedTicker, HoverTool, LayoutDOM, Range1d
from bokeh.plotting import figure

from .. import texts
from ..metrics import unusable_index
from ..texts import N_, _
from .explorer import Scene
from .look import THEMES, Paint, words
from .view import script

_TABLE = 380  # width of the table, in pixels
_STEPS = 3  # of the axis of memory at most: more labels would touch
_SIDES = ("predicted", "recorded")
_WORK = {
    "migrated": N_("pages moved"),
    "migrate_scanned": N_("migrate scanner"),
    "free_scanned": N_("free scanner"),
    "duration": N_("milliseconds"),
}


def fidelity(score: xr.Dataset, *, theme: str = "auto") -> Scene:
    """Draw a prediction beside the recording, order by order: a dot in its ring is a prediction come true.

    Parameters
    ----------
    score
        What `metrics.score` returns.
    theme
        "light", "dark", or "auto": as the page around it.

    Raises
    ------
    ValueError
        If there is no such theme.
    """
    if theme not in ("auto", *THEMES):
        raise ValueError(f"theme: got {theme!r}, expected 'auto', 'light' or 'dark'")
    paint = Paint("dark" if theme == "dark" else "light")
    source = blocks(score)
    orders = Range1d(source.data["order"].min() - 0.6, source.data["order"].max() + 0.6)
    free = _dots(paint, source, orders, "free", _memory_range(source))
    free.xaxis.ticker, free.xaxis.major_label_overrides = _memory_ticks(free.x_range, _page_size(score))
    index = _dots(paint, source, orders, "index", Range1d(-0.05, 1.05))
    index.xaxis.ticker = FixedTicker(ticks=[0, 0.25, 0.5, 0.75, 1])
    names = dict(zip(source.data["order"].tolist(), source.data["size"], strict=True))
    free.yaxis.major_label_overrides = names
    free.min_border_left = 64
    index.yaxis.visible = False
    title = _("{zone}: prediction beside recording").format(zone=score.attrs["zone"])
    root = _page(title, _table(score), free, index)
    settings = {"theme": theme, "themes": THEMES}
    bindings = [list(binding) for binding in paint.bindings]
    code = "\n".join(script(name) for name in ("theme.js", "fidelity.js"))
    start = CustomJS(args={"root": root, "bindings": bindings, "settings": settings}, code=code)
    root.tags = [start]
    document = Document(title=f"{title} · compactlab")
    document.add_root(root)
    document.js_on_event(DocumentReady, start)
    return Scene(root, title, "", lambda message: [])  # noqa: ARG005


def blocks(score: xr.Dataset) -> ColumnDataSource:
    """Free memory and unusable index of every order after the compaction, as both sides have them.

    Free memory lies on an axis of powers of two: 0 is none, 1 a page, 2 two pages, 3 four pages.
    """
    pages = (score.nr_free << score.order).transpose("side", "order")
    index = unusable_index(score.nr_free).transpose("side", "order")
    size = _page_size(score)
    drawn = np.where(pages > 0, np.log2(pages.clip(1)) + 1, 0.0)
    columns: dict[str, Any] = {
        "order": score.order.values,
        "size": [texts.order_size(int(order), size) for order in score.order.values],
    }
    for k, side in enumerate(_SIDES):
        columns[f"free_{side}"] = drawn[k]
        columns[f"free_{side}_text"] = [texts.memory(int(free), size) for free in pages.values[k]]
        columns[f"index_{side}"] = index.values[k]
        columns[f"index_{side}_text"] = [f"{value:.3f}" for value in index.values[k]]
    return ColumnDataSource(columns, name="blocks")


def _page_size(score: xr.Dataset) -> int | None:
    size = score.attrs["page_size"]
    return None if size == "unknown" else int(size)


def _dots(paint: Paint, source: ColumnDataSource, orders: Range1d, name: str, x_range: Range1d) -> figure:
    """Figure with a row per order: a ring where the recording is, a dot where the prediction is."""
    borders = {"min_border_right": 24, "min_border_bottom": 32}
    drawn = paint.figure(y_range=orders, x_range=x_range, min_height=300, name=name, **borders)
    drawn.yaxis.ticker = drawn.ygrid.ticker = FixedTicker(ticks=source.data["order"].tolist())
    paint(drawn.xgrid[0], grid_line_color="grid")
    predicted, recorded = (f"{name}_{side}" for side in _SIDES)
    apart = drawn.segment(
        predicted, "order", recorded, "order", source=source, line_width=4, line_cap="round"
    )
    paint(apart.glyph, line_color="bad")
    rings = drawn.scatter(recorded, "order", source=source, size=16, line_width=2, fill_color=None)
    paint(rings.glyph, line_color="ink")
    dots = drawn.scatter(predicted, "order", source=source, size=8, line_color=None)
    paint(dots.glyph, fill_color="accent")
    tips = [(_("blocks of"), "@size"), *((_(side), f"@{name}_{side}_text") for side in _SIDES)]
    drawn.add_tools(HoverTool(renderers=[rings], mode="hline", tooltips=tips))
    return drawn


def _memory_range(source: ColumnDataSource) -> Range1d:
    drawn = np.concatenate([source.data[f"free_{side}"] for side in _SIDES])
    return Range1d(math.floor(drawn.min()) - 0.6, math.ceil(drawn.max()) + 0.6)


def _memory_ticks(x_range: Range1d, page_size: int | None) -> tuple[FixedTicker, dict[int, str]]:
    """Ticks at powers of two, few enough for their labels, and at nothing if that is on the axis."""
    first, last = math.ceil(x_range.start), math.floor(x_range.end)
    ticks = list(range(last, max(first, 0), -max(1, math.ceil((last - first) / _STEPS))))
    names = {tick: texts.memory(1 << (tick - 1), page_size) for tick in ticks}
    if first <= 0:
        names[0] = _("none")
    return FixedTicker(ticks=sorted(names)), names


def _page(title: str, table: str, free: figure, index: figure) -> LayoutDOM:
    heading = (
        '<div style="line-height:34px;white-space:nowrap;overflow:hidden;text-overflow:ellipsis">'
        f'<span role="heading" aria-level="2" style="font-size:22px;font-weight:650">{html.escape(title)}</span></div>'
    )
    panels = [
        column(words(f"<h3>{text}</h3>", height=22, sizing_mode="stretch_width"), drawn, sizing_mode="stretch_both")
        for text, drawn in ((_("Free memory, by block size"), free), (_("Unusable free memory (index 0 to 1)"), index))
    ]  # fmt: skip
    left = words(table, width=_TABLE, sizing_mode="stretch_height")
    return column(
        words(heading, sizing_mode="stretch_width", height=36),
        row(left, *panels, sizing_mode="stretch_both"),
        sizing_mode="stretch_both", min_height=400, name="compactlab",
        styles={"padding": "6px 18px", "box-sizing": "border-box", "background": "var(--cl-bg)"},
    )  # fmt: skip


def _table(score: xr.Dataset) -> str:
    """Key of the figures, and what both sides did, in numbers."""
    ring = '<span class="s" style="border:2px solid var(--cl-ink);border-radius:50%"></span>'
    dot = '<span class="s" style="width:9px;height:9px;border:0;border-radius:50%;background:var(--cl-accent)"></span>'
    head = _cells("", dot + _("predicted"), ring + _("recorded"), _("error"), tag="th")
    rows = [head, *(_work_row(score, name, _(label)) for name, label in _WORK.items())]
    ended = (html.escape(str(score[f"status_{side}"].values)) or "?" for side in _SIDES)
    rows.append(_cells(_("ended"), *ended, ""))
    worst = int(score.unusable_error.argmax("order"))
    told = _(
        "After it, {share} of free memory is in blocks of another size than predicted, and the unusable "
        "index is off by at most {index}, for {size}."
    ).format(
        share=_percent(float(score.free_pages_distance)),
        index=f"{float(score.unusable_error[worst]):.3f}",
        size=texts.order_size(int(score.order[worst]), _page_size(score)),
    )
    return (
        f'<table class="n" style="border-spacing:0;font-size:14px;line-height:26px;white-space:nowrap">{"".join(rows)}</table>'
        f'<div style="margin-top:12px;padding-right:20px;line-height:20px">{told}</div>'
    )


def _work_row(score: xr.Dataset, name: str, label: str) -> str:
    values, scale = (score.duration_ns, 1e6) if name == "duration" else (score[name], 1)
    numbers = [float(values.sel(side=side)) for side in _SIDES]
    error = float(score[f"{name}_error"])
    return _cells(
        label,
        *("?" if number < 0 else texts.count(number / scale) for number in numbers),
        "?" if math.isnan(error) else f"{'−' if error < 0 else '+'}{_percent(abs(error))}",
    )


def _percent(fraction: float) -> str:
    """Error in two digits at least.

    >>> [_percent(error).replace(texts.NO_BREAK, " ") for error in (0.00067, 0.0429, 1.5)]
    ['0.07 %', '4.3 %', '150 %']
    """
    digits = 2 if fraction < 0.00995 else 1 if fraction < 0.0995 else 0
    return f"{fraction * 100:.{digits}f}{texts.NO_BREAK}%"


def _cells(label: str, *values: str, tag: str = "td") -> str:
    style = "text-align:right;padding:0 0 0 12px;border-bottom:1px solid var(--cl-rule);font-weight:inherit"
    told = "".join(f'<{tag} style="{style}">{value}</{tag}>' for value in values)
    return f'<tr><th scope="row" style="{style};text-align:left;padding:0">{label}</th>{told}</tr>'
