"""Fragmentation per order over time: the unusable index as colour, and where no block is free at all."""

from __future__ import annotations

import numpy as np
from bokeh.models import (
    ColumnDataSource,
    CustomJSTickFormatter,
    FixedTicker,
    HoverTool,
    LinearColorMapper,
    Range1d,
    Span,
)

from ..texts import _
from .look import ramp
from .view import Subject, View, steps

COLUMNS = 1000
ABSENT = 255


def indices(subject: Subject) -> View:
    """Heat map of the unusable index (0 to 1) over time and order.

    The kernel's fragmentation index is defined only where no block is free: a staircase marks the largest
    free block, what lies above it is hatched, and the words beside tell the index there; its -1 reads
    "a block is free".
    """
    count = len(subject.orders)
    drawn, cursor = subject.figure(Range1d(-0.5, count - 0.5))
    image = ColumnDataSource(
        {"image": [np.full((count, COLUMNS), ABSENT, np.uint8)], "x": [0.0], "dw": [1000.0]}
    )
    mapper = LinearColorMapper(palette=ramp(subject.paint.theme), low=0, high=100, high_color="rgba(0,0,0,0)")
    drawn.image(
        "image", x="x", y=-0.5, dw="dw", dh=count, source=image, color_mapper=mapper, level="underlay"
    )
    stair = steps("x", "top", "when", "index", "fragmentation", "largest")
    hatch = drawn.varea_step(
        "x", "top", count - 0.5, source=stair, step_mode="after", fill_alpha=0, hatch_pattern="right_diagonal_line",
        hatch_alpha=0.75, hatch_scale=7, hatch_weight=1.2,
    )  # fmt: skip
    subject.paint(hatch.glyph, hatch_color="hatch")
    subject.paint(drawn.step("x", "top", source=stair, mode="after", line_width=5).glyph, line_color="bg")
    top = drawn.step("x", "top", source=stair, mode="after", line_width=2)
    subject.paint(top.glyph, line_color="ink")
    tips = [
        (_("at"), "@when"),
        (_("largest free block"), "@largest"),
        (_("unusable"), "@index"),
        (_("fragmentation"), "@fragmentation"),
    ]
    reader = drawn.line("x", "top", source=stair, line_alpha=0)
    drawn.add_tools(HoverTool(renderers=[reader], mode="vline", tooltips=tips, line_policy="nearest"))
    chosen = [Span(dimension="width", line_width=2, location=0) for _ in range(2)]
    for span in chosen:
        drawn.add_layout(subject.paint(span, line_color="accent"))
    drawn.yaxis.ticker = FixedTicker(ticks=list(range(0, count, 3)))
    drawn.yaxis[0].formatter = CustomJSTickFormatter(
        args={"names": subject.x_range}, code="return names.tags.length ? names.tags[0][tick] : tick"
    )
    drawn.ygrid.visible = False
    models = {
        "image": image,
        "stair": stair,
        "mapper": mapper,
        "chosen": chosen,
        "columns": COLUMNS,
        "absent": ABSENT,
    }
    return View("indices", drawn, cursor, "minmax(74px,1.35fr)", models)
