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
from ..texts import N_, _, translated
from .look import words
from .view import Missing, Subject, View

PER_BIN = 10
"""Batches at most, for each row of the main source: as many as the page map has steps."""

COSTS = (
    "isolate", "free_isolate", "migrate_page", "migrate_mapping", "migrate_batch", "migrate_fail", "free_scan", "fast_isolate", "fast_scan",
)  # fmt: skip
"""Steps of the cost model that a migration consists of."""

REASONS = {
    "pinned": N_("pinned: somebody holds it, a device for one"),
    "writeback": N_("being written to disk"),
    "unevictable": N_("locked in memory (mlock)"),
    "compound": N_("part of a large block that stays whole"),
    "no_target": N_("no free page to move it to"),
    "unmovable": N_("not movable: the kernel's own"),
    "private": N_("a large folio that cannot be split"),
    "": N_("could not be moved; a trace tells no reason"),
}
"""Why a page stays, in plain words."""

_STEPS = (
    (N_("The page"), N_("isolated from its list; every mapping points at the old frame")),
    (N_("New frame"), N_("a free page is taken from what the free scanner holds")),
    (N_("Copy"), N_("unmapped, so that nobody writes meanwhile, and copied")),
    (N_("Mappings"), N_("every mapping is pointed at the new frame, one by one")),
    (N_("Old frame freed"), N_("it goes back to the free lists and merges with its buddies")),
)

_WORDS = (
    N_("at"), N_("by the costs, on average"), N_("Cost of one page by its mappings"),
    N_("Costs fitted to recordings of a virtual machine (the default)"), N_("could not be moved"), N_("direct"),
    N_("free"), N_("from"), N_("held from before"), N_("in the copy"), N_("isolated"),
    N_("its mappings are not recorded: taken as one"), N_("its mappings as of the page map before"),
    N_("kcompactd"), N_("manual"), N_("mappings"), N_("Migration batches"), N_("moved"), N_("new frame"),
    N_("no mapping: a cached page"), N_("none so far"), N_("not traced"),
    N_("old frame"), N_("page with most mappings"),
    N_("pages looked at for them"), N_("Pause the steps"), N_("PFN"), N_("Play the steps"),
    N_("Refused so far"), N_("targets found"), N_("the page with most mappings"), N_("This batch"),
    N_("This run's own costs"), N_("This run's own costs, fitted"), N_("took"),
    N_("which page it was is inferred from trace and page map"), N_("which page it was is not recorded"), N_("who"),
    N_("who touches it waits"), N_("zone"),
    N_("Batch {at} of {all}"), N_("every {count}. batch is shown"), N_("folio of {count} pages"), N_("from PFN"),
    N_("no batch yet; the first ends at {time}"), N_("{costs}; with {time} of its batch."), N_("{count} mapping"), N_("{count} mappings"),
    N_("{count} or more mappings"), N_("{count} pages"), N_("{time}, {each} per page"), N_("{who} in {zone}"),
)  # fmt: skip


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
        "told": told, "refused": refused, "blocks": blocks, "words": translated(_WORDS), "steps": [[_(name), _(what)] for name, what in _STEPS],
        "reasons": {name: _(reason) for name, reason in REASONS.items()}, "codes": [*REFUSALS, ""], "costs": {name: getattr(costs, name) for name in COSTS}, "origin": origin,
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
