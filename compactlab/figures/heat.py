"""Latency as a heat map: how many requests took how long, when."""

from __future__ import annotations

import numpy as np
import xarray as xr
from bokeh.models import (
    ColumnDataSource,
    CustomJSTickFormatter,
    HoverTool,
    LinearColorMapper,
    LogTicker,
    Range1d,
)

from ..texts import N_, _, translated
from .latency import MILLISECONDS, intervals
from .look import ramp
from .percentiles import requests_of
from .view import Between, Missing, Subject, View

PARTS = 160
PER_DECADE = 10
"""Rows of the map between two powers of ten."""

_WORDS = (
    N_("How many took how long"), N_("most at the cursor"), N_("no request now"), N_("from"), N_("to"), N_("took at least"),
    N_("less than"), N_("requests"),
    N_("{count} in one cell"), N_("{part} of {all} requests"),
)  # fmt: skip


def heat(subject: Subject) -> View | None:
    """Cells of time and latency, coloured by the logarithm of their requests."""
    allocations = requests_of(subject)
    if isinstance(allocations, Missing):
        return None  # the percentiles say what is missing
    first, last = _decades(allocations)
    y_range = Range1d(10 ** (first / PER_DECADE), 10 ** (last / PER_DECADE))
    drawn, cursor = subject.figure(y_range, y_axis_type="log")
    cells = ColumnDataSource(_cells(subject, allocations))
    source = ColumnDataSource(
        {name: [] for name in ("x0", "x1", "y0", "y1", "level", "when", "took", "count")}
    )
    mapper = LinearColorMapper(palette=ramp(subject.paint.theme), low=-0.25, high=1)
    quads = drawn.quad(
        "x0", "x1", "y1", "y0", source=source, line_color=None,
        fill_color={"field": "level", "transform": mapper},
    )  # fmt: skip
    tips = [(_("at"), "@when"), (_("took"), "@took"), (_("requests"), "@count")]
    drawn.add_tools(HoverTool(renderers=[quads], tooltips=tips))
    drawn.yaxis.ticker = LogTicker(desired_num_ticks=4)
    drawn.yaxis[0].formatter = CustomJSTickFormatter(code=MILLISECONDS)
    models = {
        "cells": cells,
        "drawn": source,
        "mapper": mapper,
        "words": translated(_WORDS),
        "per_decade": PER_DECADE,
    }
    return View(
        "heat", drawn, cursor, "minmax(96px,1.2fr)", models, sheet="latency",
        refine=lambda between: [(cells, _cells(subject, allocations, between))],
    )  # fmt: skip


def _row(latency_ns: np.ndarray) -> np.ndarray:
    """Row of each latency: row k holds 10**(k / PER_DECADE) ms and above."""
    edges = 10 ** (np.arange(0, 14 * PER_DECADE + 1) / PER_DECADE)
    return np.searchsorted(edges * (1 + 1e-12), np.maximum(latency_ns, 1), side="right") - 1 - 6 * PER_DECADE


def _decades(allocations: xr.Dataset) -> tuple[int, int]:
    """First row, and one behind the last."""
    rows = _row(allocations["latency_ns"].to_numpy())
    return int(rows.min()) - 1, int(rows.max()) + 2


def _cells(
    subject: Subject, allocations: xr.Dataset, between: Between | None = None
) -> dict[str, np.ndarray]:
    """Cells that have requests, by time and then latency: begin, end (s), row, requests."""
    edges = intervals(subject, PARTS, between)
    elapsed = allocations["elapsed"].to_numpy()
    column = np.searchsorted(edges, elapsed, side="right") - 1
    inside = (column >= 0) & (column < edges.size - 1)
    row = _row(allocations["latency_ns"].to_numpy()[inside])
    found, count = np.unique(np.stack([column[inside], row]), axis=1, return_counts=True)
    return {
        "start": edges[found[0]] / 1e9, "end": edges[found[0] + 1] / 1e9, "row": found[1].astype(np.int32),
        "count": count.astype(np.int32),
    }  # fmt: skip
