"""Free memory by block size over time: how much is free, and how much of it is in large blocks."""

from __future__ import annotations

from bokeh.models import ColumnDataSource, CustomJSTickFormatter, HoverTool, Range1d

from ..texts import _
from .look import order_groups
from .view import Subject, View


def contiguity(subject: Subject) -> View:
    """Stack of free memory, largest blocks at the bottom, with a line at what the chosen order can use."""
    groups = order_groups(subject.orders, subject.pageblock_order)
    y_range = Range1d(0, 1)
    drawn, cursor = subject.figure(y_range)
    edges = [f"y{k}" for k in range(len(groups) + 1)]
    source = ColumnDataSource(
        {name: [] for name in ("x", *edges, "usable", "low", "high", "when", "free_text", "usable_text")}
    )
    for k, (_first, _last, colour) in enumerate(groups):
        drawn.varea("x", edges[k + 1], edges[k], source=source, fill_color=colour)
        if k:
            subject.paint(drawn.line("x", edges[k], source=source, line_width=1).glyph, line_color="bg")
    subject.paint(drawn.varea("x", "low", "high", source=source, fill_alpha=0.35).glyph, fill_color="ink2")
    subject.paint(drawn.line("x", "usable", source=source, line_width=5).glyph, line_color="bg")
    usable = drawn.line("x", "usable", source=source, line_width=2.5)
    subject.paint(usable.glyph, line_color="ink")
    tips = [(_("at"), "@when"), (_("free"), "@free_text"), (_("usable"), "@usable_text")]
    drawn.add_tools(HoverTool(renderers=[usable], mode="vline", tooltips=tips, line_policy="nearest"))
    drawn.yaxis.ticker.desired_num_ticks = 4
    formatter = CustomJSTickFormatter(
        args={"unit": y_range},
        code="return Number(tick.toPrecision(6)) + (unit.tags.length ? unit.tags[0] : '')",
    )
    drawn.yaxis[0].formatter = formatter
    return View(
        "contiguity", drawn, cursor, "minmax(138px,2.3fr)",
        {"source": source, "y": y_range, "groups": [list(group) for group in groups], "axis": drawn.yaxis[0]},
    )  # fmt: skip
