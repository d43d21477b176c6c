"""Compaction work: pages scanned and moved per second."""

from __future__ import annotations

import numpy as np
from bokeh.models import ColumnDataSource, CustomJSTickFormatter, HoverTool, Range1d

from ..metrics import compaction_work
from ..texts import _
from .timeline import seconds_of
from .view import Between, Subject, View, steps

PARTS = 700
BATCH = 10_000_000
"""An event tells of a whole batch at its end: shorter intervals (ns) would show peaks that never were."""


def work(subject: Subject) -> View | None:
    """Steps of pages scanned and moved per second; None where neither events nor counters tell."""
    told = compaction_work(subject.run, np.array([0, 1])).attrs
    origin, lacks = told["from"], told["lacks"]
    if origin is None:
        return None
    source = ColumnDataSource(rates(subject, origin))
    y_range = Range1d(0, 1)
    drawn, cursor = subject.figure(y_range)
    drawn_steps = steps("x", "zero", "scanned", "migrated", "when", "scanned_text", "migrated_text")
    for name, token in (("scanned", "used"), ("migrated", "migrate")):
        layer = drawn.varea_step("x", "zero", name, source=drawn_steps, step_mode="after")
        subject.paint(layer.glyph, fill_color=token)
    reader = drawn.line("x", "scanned", source=drawn_steps, line_alpha=0)
    tips = [(_("at"), "@when"), (_("scanned"), "@scanned_text"), (_("moved"), "@migrated_text")]
    drawn.add_tools(HoverTool(renderers=[reader], mode="vline", tooltips=tips, line_policy="nearest"))
    drawn.yaxis.ticker.desired_num_ticks = 2
    drawn.yaxis[0].formatter = CustomJSTickFormatter(
        code="return tick >= 1e6 ? tick / 1e6 + '\u00a0M/s' : tick >= 1e3 ? tick / 1e3 + '\u00a0k/s' : tick ? tick + '/s' : '0'"
    )
    models = {"source": source, "steps": drawn_steps, "y": y_range, "origin": origin, "lacks": lacks}
    return View(
        "work", drawn, cursor, "minmax(52px,1fr)", models,
        refine=lambda between: [(source, rates(subject, origin, between))],
    )  # fmt: skip


def no_shorter_than(least: int, edges: np.ndarray) -> np.ndarray:
    """Leave edges out so that few intervals are shorter than this, or a twentieth of all; the first and the last stay.

    >>> no_shorter_than(10, np.array([0, 5, 12, 21, 224])).tolist()
    [0, 12, 21, 224]
    """
    least = max(min(least, int(edges[-1] - edges[0]) // 20), 1)
    kept = edges[np.diff(edges // least, prepend=-1) > 0]
    if kept.size > 1:
        kept[-1] = edges[-1]
    return kept


def rates(
    subject: Subject, origin: str, between: Between | None = None, parts: int = PARTS
) -> dict[str, np.ndarray]:
    """Pages per second in intervals that cut the drawn axis evenly, or between samples of the counters.

    Returns
    -------
        ``t`` begin of each interval and one final end, in elapsed seconds; ``scanned`` (both scanners) and
        ``migrated``, per second, with a closing zero.
    """
    edges = np.rint(subject.timeline.grid(parts, between) * 1e9).astype(np.int64)
    counters = subject.group("counters")
    if origin == "counters" and counters is not None:
        seconds = seconds_of(counters)
        kept = subject.timeline.rows(seconds, parts, between)
        edges = counters["elapsed"].to_numpy()[kept] + 1  # a rise is booked at the sample that shows it
    edges = np.unique(edges)
    if between is None:
        edges = no_shorter_than(BATCH, edges)
    edges[-1:] += 1  # what happens in the last moment counts
    if edges.size < 2:
        return {"t": np.zeros(1), "scanned": np.zeros(1), "migrated": np.zeros(1)}
    done = compaction_work(subject.run, edges)
    width = np.diff(edges) / 1e9
    scanned = (done["scanned"].to_numpy() + done["free_scanned"].to_numpy()) / width
    migrated = done["migrated"].to_numpy() / width
    return {"t": edges / 1e9, "scanned": np.append(scanned, 0.0), "migrated": np.append(migrated, 0.0)}
