"""The strip on top: what the experiment was doing when."""

from __future__ import annotations

from bokeh.models import ColumnDataSource, HoverTool, Range1d

from .look import text_style
from .timeline import label
from .view import Subject, View


def phases(subject: Subject) -> View:
    """Boxes with the names of the phases; without phases the strip shows the time alone."""
    drawn, cursor = subject.figure(Range1d(0, 1))
    cursor.visible = False  # it would strike the names out
    drawn.yaxis.visible = False
    drawn.ygrid.visible = False
    spans = subject.timeline.phases
    source = ColumnDataSource(
        {
            "start": [start for start, _, _ in spans],
            "end": [end for _, end, _ in spans],
            "name": [label(name) for _, _, name in spans],
            "full": [name.replace("_", " ") for _, _, name in spans],
            "fill": ["panel" if label(name) else "bg" for _, _, name in spans],
            **{column: [0.0] * len(spans) for column in ("left", "right", "middle")},
            "shown": [""] * len(spans),
            "colour": ["#00000000"] * len(spans),
        }
    )
    boxes = drawn.quad(
        "left", "right", 1, 0, source=source, fill_color="colour", line_width=3, level="underlay"
    )
    subject.paint(boxes.glyph, line_color="bg")
    names = drawn.text(
        "middle", 0.5, "shown", source=source, text_align="center", text_baseline="middle", **text_style()
    )
    subject.paint(names.glyph, text_color="ink")
    drawn.add_tools(HoverTool(renderers=[boxes], tooltips="@full"))
    return View("phases", drawn, cursor, "26px", {"source": source})
