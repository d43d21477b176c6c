"""One migration close up: a page, its new frame, the copy, the mappings, the old frame; and what each step costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from bokeh.layouts import column, row
from bokeh.models import ColumnDataSource

from ..core.memory import REFUSALS
from ..metrics import compaction_runs
from ..metrics.batches import migration_batches, refusals
from ..simulation.costs import STEP_NAMES, CostModel
from ..texts import _
from .look import words
from .view import Missing, Subject, View

PER_BIN = 10
"""Batches at most, for each row of the main source: as many as the page map has steps."""

COSTS = (
    "isolate", "free_isolate", "migrate_page", "migrate_mapping", "migrate_batch", "migrate_fail", "free_scan", "fast_isolate", "fast_scan",
)  # fmt: skip
"""Steps of the cost model that a migration consists of."""

REASONS = {
    "pinned": _("pinned: somebody holds it, a device for one"),
    "writeback": _("being written to disk"),
    "unevictable": _("locked in memory (mlock)"),
    "compound": _("part of a large block that stays whole"),
    "no_target": _("no free page to move it to"),
    "unmovable": _("not movable: the kernel's own"),
    "private": _("a large folio that cannot be split"),
    "": _("could not be moved; a trace tells no reason"),
}
"""Why a page stays, in plain words."""

_STEPS = (
    (_("The page"), _("isolated from its list; every mapping points at the old frame")),
    (_("New frame"), _("a free page is taken from what the free scanner holds")),
    (_("Copy"), _("unmapped, so that nobody writes meanwhile, and copied")),
    (_("Mappings"), _("every mapping is pointed at the new frame, one by one")),
    (_("Old frame freed"), _("it goes back to the free lists and merges with its buddies")),
)

_WORDS = {
    text: _(text)
    for text in (
        "at", "Batch", "batches are shown", "by the costs, on average", "Cost of one page by its mappings",
        "Costs fitted to recordings of a virtual machine (the default)", "could not be moved", "direct",
        "every", "folio of", "free", "from", "held from before", "in", "in the copy", "isolated",
        "its mappings are not recorded: taken as one", "its mappings as of the page map before",
        "kcompactd", "manual", "mapping", "mappings", "Migration batches", "moved", "new frame",
        "no batch yet; the first ends at", "no mapping: a cached page", "none so far", "not traced", "of",
        "of its batch", "old frame", "or more", "page with most mappings", "pages",
        "pages looked at for them", "Pause the steps", "per page", "PFN", "Play the steps",
        "Refused so far", "targets found", "the page with most mappings", "This batch",
        "This run's own costs", "This run's own costs, fitted", "took",
        "What a further mapping costs was not measured.",
        "which page it was is inferred from trace and page map", "which page it was is not recorded", "who",
        "who touches it waits", "with", "zone",
    )
}  # fmt: skip


def migration(subject: Subject) -> View | Missing:
    """A batch of compaction close up: one of its pages step by step, its numbers, what mappings cost, and refusals.

    Costs are those that a simulation was run with, or the default ones that were fitted to recordings; the words
    say which. Of the pages of a batch the one with most mappings is shown.
    """
    moved = subject.moved
    batches = migration_batches(subject.run, moved)
    if batches is None:
        return _missing(subject)
    every = -(-batches.sizes["batch"] // (PER_BIN * subject.bins))
    found = batches.isel(batch=slice(None, None, every))
    told = ColumnDataSource(_columns(found), name="batches")
    refused = ColumnDataSource(_refused(refusals(subject.run)))
    blocks = {name: words(sizing_mode="stretch_both") for name in ("picture", "side")}
    blocks["tools"] = words(sizing_mode="stretch_width", height=104)
    costs, origin = costs_of(subject.run)
    models = {
        "told": told, "refused": refused, "blocks": blocks, "words": _WORDS, "steps": [list(step) for step in _STEPS],
        "reasons": REASONS, "codes": [*REFUSALS, ""], "costs": {name: getattr(costs, name) for name in COSTS}, "origin": origin,
        "assumed": costs.migrate_mapping == CostModel.migrate_mapping,
        "every": every, "inferred": moved is not None and moved.attrs["from"] == "trace",
        "names": sorted({str(zone) for zone in found["zone"].values}), "roles": sorted({_who(role) for role in found["role"].values}),
    }  # fmt: skip
    left = column(
        blocks["picture"], blocks["tools"], sizing_mode="stretch_both", styles={"flex": "1.42 1 0px"}
    )
    right = column(
        blocks["side"], sizing_mode="stretch_both", styles={"flex": "1 1 0px"}, margin=(0, 0, 0, 18)
    )
    return View(
        "migration", None, None, "1fr", models, sheet="migration", layout=row(left, right, sizing_mode="stretch_both"),
    )  # fmt: skip


def _missing(subject: Subject) -> Missing:
    """No batch: none ran, none was traced, or counters alone tell that one did."""
    if subject.run.attrs["source"] == "simulation":
        what = _("a migration: compaction moved no page in this run")
        how = _(
            "simulate a load that asks for larger blocks than are free, such as workloads.sequence(workloads.punch(), "
            "workloads.huge_faults()), or call compact_zone on a fragmented zone"
        )
        return Missing(what, how, "migration")
    counted = compaction_runs(subject.run).attrs["from"] == "counters"
    ran = counted and compaction_runs(subject.run).sizes["run"] > 0
    what = (
        _("a migration close up: counters tell that compaction ran, no event what it moved")
        if ran
        else _("a migration: no event of compaction in this run")
    )
    how = _(
        "enable the compaction events in /sys/kernel/tracing, as root, while memory is compacted, and copy the trace beside; "
        "with /proc/kpageflags and /proc/kpagecount copied before, the pages and their mappings are told too"
    )
    return Missing(what, how, "migration")


def costs_of(run: xr.DataTree) -> tuple[CostModel, str]:
    """Costs that a run was simulated with, and what they are from: "run", "fitted" or "default".

    Examples
    --------
    >>> from compactlab import schema
    >>> costs_of(schema.new_run({}, config={"costs": {"migrate_page": 2000.0}}))[1]
    'run'
    """
    own = dict((run.attrs.get("config") or {}).get("costs") or {})
    fitted = tuple(own.pop("fitted_on", ()))
    known: dict[str, Any] = {name: float(own[name]) for name in own if name in STEP_NAMES}
    if not known:
        return CostModel(), "default"
    return CostModel(**known, fitted_on=fitted), "fitted" if fitted else "run"


def _who(role: object) -> str:
    """A role in the words of the lanes: who asks for itself compacts directly."""
    return str(role) if role in ("kcompactd", "manual") else "direct"


def _columns(batches: xr.Dataset) -> dict[str, np.ndarray]:
    """Batches as numbers: times in seconds, roles and zones by their place in `roles` and `names`."""
    names = sorted({str(zone) for zone in batches["zone"].values})
    roles = sorted({_who(role) for role in batches["role"].values})
    columns: dict[str, Any] = {
        "t": batches["elapsed"].to_numpy() / 1e9,
        "took": np.where(batches["begun"] >= 0, batches["elapsed"] - batches["begun"], -1).astype(float),
        "zone": np.array([names.index(str(zone)) for zone in batches["zone"].values], np.uint8),
        "role": np.array([roles.index(_who(role)) for role in batches["role"].values], np.uint8),
    }
    for name in ("start_pfn", "end_pfn", "source_pfn", "target_pfn"):
        columns[name] = batches[name].to_numpy().astype(np.float64)
    counts = (
        "scanned",
        "taken",
        "free_scanned",
        "targets",
        "searches",
        "moved",
        "failed",
        "order",
        "mapcount",
    )
    for name in (*counts, "further_mappings"):
        columns[name] = batches[name].to_numpy().astype(np.int32)
    return columns


def _refused(found: xr.Dataset | None) -> dict[str, np.ndarray]:
    """Refusals by time: seconds, reason by its place in ``REFUSALS`` (behind them: not told), pages."""
    if found is None:
        return {"t": np.zeros(0), "reason": np.zeros(0, np.uint8), "pages": np.zeros(0)}
    codes = [*REFUSALS, ""]
    return {
        "t": found["elapsed"].to_numpy() / 1e9,
        "reason": np.array([codes.index(str(reason)) for reason in found["reason"].values], np.uint8),
        "pages": found["pages"].to_numpy().astype(np.float64),
    }
