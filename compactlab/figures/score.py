"""The fragmentation score between its marks: when proactive compaction would start."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from bokeh.models import BoxAnnotation, ColumnDataSource, FixedTicker, HoverTool, Range1d, Span

from ..metrics import fragmentation_score
from ..simulation.presets import kernel, nearest_kernel
from ..texts import N_, _, translated
from .timeline import seconds_of
from .view import Between, Missing, Subject, View, steps

ASSUMED = 20
"""The kernel's default of vm.compaction_proactiveness."""

_WORDS = (
    N_("Proactive score"), N_("node"), N_("this zone"), N_("assumed"), N_("assumed: the kernel's default"),
    N_("never starts"), N_("would start now"), N_("sizes of the zones not recorded"), N_("this kernel has none"),
    N_("never above it in this run"), N_("at"), N_("node score"), N_("zone score"), N_("it adds to the node"),
    N_("yes"), N_("no"), N_("not known"),
    N_("first above it at {time}"), N_("proactiveness {value}"), N_("starts above {high}, stops at {low}"), N_("this zone, adds {points}"),
)  # fmt: skip


@dataclass(frozen=True)
class Marks:
    """Between which scores proactive compaction works, and from what that is known."""

    proactiveness: int
    assumed: bool
    low: int
    high: int
    exists: bool


def marks_of(run: xr.DataTree) -> Marks:
    """Marks of a run: of its own sysctl and kernel where it is a simulation, else of the default.

    Before Linux 6.15 the low mark was 5 at least and the high one 10 above it; before 5.9 there was no
    proactive compaction.

    References
    ----------
    mm/compaction.c, fragmentation_score_wmark, Linux 6.18 and 6.12.

    Examples
    --------
    >>> from compactlab import schema
    >>> marks_of(schema.new_run({}, kernel="6.18.44"))
    Marks(proactiveness=20, assumed=True, low=80, high=90, exists=True)
    """
    declared = (run.attrs.get("config") or {}).get("zones") or [{}]
    settings = declared[0].get("sysctls", {})
    value = int(settings.get("compaction_proactiveness", ASSUMED))
    rules = kernel(nearest_kernel(str(declared[0].get("kernel", run.attrs.get("kernel", "unknown")))))
    low = max(100 - value, 5) if rules.proactive_floor else 100 - value
    high = min(low + (10 if rules.proactive_floor else min(10, low // 2)), 100)
    return Marks(value, "compaction_proactiveness" not in settings, low, high, bool(rules.proactive))


def score(subject: Subject) -> View | Missing:
    """Steps of the node's score and the zone's own, with the marks; filled where compaction would start."""
    if subject.group("zones") is None:
        return Missing(_("the fragmentation score"), _("read /proc/buddyinfo too"), "pressure")
    marks = marks_of(subject.run)
    told = ColumnDataSource(_columns(subject))
    drawn, cursor = subject.figure(Range1d(-8, 108))
    source = steps("x", "node", "zone", "over", "mark", "when", "node_text", "zone_text")
    band = BoxAnnotation(bottom=marks.low, top=marks.high, fill_alpha=1, level="underlay", line_color=None)
    drawn.add_layout(subject.paint(band, fill_color="panel"))
    for at, dash in ((marks.high, "solid"), (marks.low, "dotted")):
        span = Span(location=at, dimension="width", line_width=1.5, line_dash=dash, level="underlay")
        drawn.add_layout(subject.paint(span, line_color="migrate"))
    over = drawn.varea_step("x", "mark", "over", source=source, step_mode="after")
    subject.paint(over.glyph, fill_color="migrate")
    zone = drawn.step("x", "zone", source=source, mode="after", line_width=2, line_dash="dashed")
    subject.paint(zone.glyph, line_color="scan_free")
    node = drawn.step("x", "node", source=source, mode="after", line_width=2.5)
    subject.paint(node.glyph, line_color="ink")
    readers = [drawn.line("x", name, source=source, line_alpha=0) for name in ("node", "zone")]
    tips = [(_("at"), "@when"), (_("node"), "@node_text"), (_("zone"), "@zone_text")]
    drawn.add_tools(HoverTool(renderers=readers[1:], mode="vline", tooltips=tips, line_policy="nearest"))
    drawn.yaxis.ticker = FixedTicker(ticks=sorted({0, marks.low, 100}))
    nodes = [int(name.partition("/")[0]) for name in subject.zones]
    models = {
        "told": told, "steps": source, "zones": len(subject.zones), "words": translated(_WORDS), "marks": vars(marks),
        "node_of": [sorted(set(nodes)).index(node) for node in nodes], "nodes": len(set(nodes)),
    }  # fmt: skip
    return View(
        "score", drawn, cursor, "minmax(104px,1.1fr)", models, sheet="pressure",
        refine=lambda between: [(told, _columns(subject, between))],
    )  # fmt: skip


def _columns(subject: Subject, between: Between | None = None) -> dict[str, list[np.ndarray]]:
    """Times; scores of nodes (time, node) and zones, and what each zone adds (time, zone), flattened; -1 unknown."""
    zones = subject.run["zones"].to_dataset()
    seconds = seconds_of(zones)
    rows = subject.timeline.rows(seconds, max(subject.bins // 2, 50), between)
    part = subject.run.copy()
    part["zones"] = xr.DataTree(zones.isel(time=rows))
    found = fragmentation_score(part)
    unknown = np.full((rows.size, len(subject.zones)), -1)
    node = found["score"].to_numpy() if "score" in found else unknown[:, :1].repeat(
        len(np.unique(zones["node"].to_numpy())), axis=1
    )  # fmt: skip
    term = found["zone_term"].to_numpy() if "zone_term" in found else unknown
    values = {"node": node, "zone": found["zone_score"].to_numpy(), "term": term}
    return {"t": [seconds[rows]], **{name: [v.astype(np.int16).ravel()] for name, v in values.items()}}
