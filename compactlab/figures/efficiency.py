"""How much scanning a moved page costs."""

from __future__ import annotations

import numpy as np
from bokeh.models import ColumnDataSource, CustomJSTickFormatter, HoverTool, Range1d

from ..metrics import compaction_work
from ..texts import N_, _, translated
from .view import Missing, Subject, View, steps
from .work import rates

PARTS = 160
"""Coarser than the rates: what is scanned in one interval is moved in the next."""

_WORDS = (
    N_("Scan efficiency"), N_("moved"), N_("scanned"), N_("moved per scanned"), N_("by migrate scanner alone"), N_("from counters"),
    N_("from"), N_("to"), N_("all that is shown"),
    N_("moved (pages)"), N_("scanned (pages)"),
)  # fmt: skip


def efficiency(subject: Subject) -> View | Missing:
    """Steps of pages moved per page scanned by both scanners; the rates in words."""
    told = compaction_work(subject.run, np.array([0, 1])).attrs
    if told["from"] is None or "scanned" in told["lacks"]:
        lacking = _("enable all compaction events in /sys/kernel/tracing, as root, and copy the trace beside")
        read = lacking if told["lacks"] else _("read /proc/vmstat too, or {}").format(lacking)
        return Missing(_("pages scanned by compaction"), read, "pressure")
    origin = told["from"]
    source = ColumnDataSource(rates(subject, origin, parts=PARTS))
    y_range = Range1d(0, 1)
    drawn, cursor = subject.figure(y_range)
    drawn_steps = steps("x", "zero", "share", "when", "share_text", "rates")
    area = drawn.varea_step("x", "zero", "share", source=drawn_steps, step_mode="after")
    subject.paint(area.glyph, fill_color="migrate")
    reader = drawn.line("x", "share", source=drawn_steps, line_alpha=0)
    tips = [(_("at"), "@when"), (_("moved per scanned"), "@share_text"), (_("scanned, moved"), "@rates")]
    drawn.add_tools(HoverTool(renderers=[reader], mode="vline", tooltips=tips, line_policy="nearest"))
    drawn.yaxis.ticker.desired_num_ticks = 2
    drawn.yaxis[0].formatter = CustomJSTickFormatter(
        code="return Number((tick * 100).toPrecision(3)) + '\u00a0%'"
    )
    models = {
        "source": source, "steps": drawn_steps, "y": y_range, "origin": origin, "lacks": told["lacks"], "words": translated(_WORDS),
    }  # fmt: skip
    return View(
        "efficiency", drawn, cursor, "minmax(86px,.8fr)", models, sheet="pressure",
        refine=lambda between: [(source, rates(subject, origin, between, PARTS))],
    )  # fmt: skip
