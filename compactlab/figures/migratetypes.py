"""Free memory by migratetype over time: which kind of request the free blocks are kept for."""

from __future__ import annotations

import numpy as np
import xarray as xr
from bokeh.models import ColumnDataSource, CustomJSTickFormatter, HoverTool, Range1d

from ..texts import _
from .timeline import seconds_of
from .view import Between, Missing, Subject, View, steps

TOKENS = {
    "Unmovable": "unmovable",
    "Movable": "movable",
    "Reclaimable": "reclaimable",
    "HighAtomic": "highatomic",
    "Reserve": "highatomic",
    "CMA": "cma",
    "Isolate": "isolate",
}


def migratetypes(subject: Subject) -> View | Missing:
    """Stack of free memory by migratetype, from pagetypeinfo.

    The kernel stops counting a list at 100,000 blocks: what buddyinfo says is free beyond that is hatched.
    """
    group = subject.group("migratetypes")
    if group is None:
        return Missing(_("free memory by migratetype"), _("read /proc/pagetypeinfo, as root"), "pressure")
    types = [str(name) for name in group.migratetype.values]
    rows = ColumnDataSource(_rows(subject, group))
    y_range = Range1d(0, 1)
    drawn, cursor = subject.figure(y_range)
    names = [f"y{k}" for k in range(len(types) + 1)]
    source = steps("x", *names, "total", "when", *(f"text{k}" for k in range(len(types))))
    for k, name in enumerate(types):
        layer = drawn.varea_step("x", names[k], names[k + 1], source=source, step_mode="after")
        subject.paint(layer.glyph, fill_color=TOKENS.get(name, "other"))
    uncounted = drawn.varea_step(
        "x", names[-1], "total", source=source, step_mode="after", fill_alpha=0, hatch_pattern="right_diagonal_line",
        hatch_alpha=0.8, hatch_scale=8, hatch_weight=1,
    )  # fmt: skip
    subject.paint(uncounted.glyph, hatch_color="ink2")
    reader = drawn.line("x", names[-1], source=source, line_alpha=0)
    tips = [(_("at"), "@when"), *((name, f"@text{k}") for k, name in enumerate(types))]
    drawn.add_tools(HoverTool(renderers=[reader], mode="vline", tooltips=tips, line_policy="nearest"))
    drawn.yaxis.ticker.desired_num_ticks = 2
    drawn.yaxis[0].formatter = CustomJSTickFormatter(
        args={"unit": y_range},
        code="return Number(tick.toPrecision(6)) + (unit.tags.length ? unit.tags[0] : '')",
    )
    zones = [str(zone) for zone in group.zone.values]
    models = {
        "source": source, "y": y_range, "axis": drawn.yaxis[0], "types": types, "rows": rows,
        "tokens": [TOKENS.get(name, "other") for name in types],
        "zone_of": [zones.index(zone) if zone in zones else -1 for zone in subject.zones],
        "orders": group.sizes["order"], "zones": len(zones),
    }  # fmt: skip
    sheet = "pressure" if subject.group("zones") is not None else "overview"  # all there is to see
    lines = int((group["nr_free"] > 0).any(("time", "zone", "order")).sum() + group["censored"].any())
    return View(
        "migratetypes", drawn, cursor, f"minmax({max(20 + 17 * lines, 62)}px,1.2fr)", models, sheet=sheet,
        refine=lambda between: [(rows, _rows(subject, group, between))],
    )  # fmt: skip


def _rows(subject: Subject, group: xr.Dataset, between: Between | None = None) -> dict[str, list[np.ndarray]]:
    """Times of the samples to draw; their free blocks and censoring, (time, zone, type[, order]) flattened."""
    seconds = seconds_of(group)
    chosen = subject.timeline.rows(seconds, max(subject.bins // 4, 50), between)
    part = group.isel(time=chosen)
    return {
        "t": [seconds[chosen]],
        "total": [_free_pages_at(subject, part)],
        "blocks": [part["nr_free"].to_numpy().astype(np.float64).ravel()],
        "censored": [part["censored"].to_numpy().any(axis=-1).astype(np.uint8).ravel()],
    }


def _free_pages_at(subject: Subject, part: xr.Dataset) -> np.ndarray:
    """Free pages (time, zone) flattened, by the free lists' sample nearest before; 0 where none tells."""
    zones = subject.group("zones")
    total = np.zeros((part.sizes["time"], part.sizes["zone"]))
    if zones is not None:
        at = np.searchsorted(zones["elapsed"].to_numpy(), part["elapsed"].to_numpy(), "right") - 1
        for column, zone in enumerate(part["zone"].values):
            if zone in subject.zones:
                total[:, column] = zones["free_pages"].to_numpy()[
                    np.maximum(at, 0), subject.zones.index(zone)
                ]
    return total.ravel()
