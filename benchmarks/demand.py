"""Huge pages demanded of fragmented memory, and proactive compaction: predictions beside recorded kernels."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
import xarray as xr

import compactlab as cl

_REQUESTERS = {"recording": "holder", "simulation": "foreground"}
_EVENTS = 1_000_000
_SEEDS = 5  # of how long batches take: the tail is a few batches

DIRECT = (
    "recording",
    "faults that got a huge page",
    "attempts that succeeded",
    "median",
    "p90",
    "p99 of faults that got a huge page by compaction, us",
    "pages per success",
    "attempts",
    "deferred",
    "cause",
)


class Outcome(NamedTuple):
    """How a demand for huge pages went, from the first fault that compacted on."""

    faults: int
    huge: float
    """Share of faults that got a huge page."""
    attempts: int
    succeeded: float
    """Share of attempts (compact_stall) after which there was a page."""
    latency_us: tuple[float, float, float]
    """Median, 90th and 99th percentile of faults that got their page by compaction."""
    pages_per_success: float
    """Pages that direct compaction migrated, per run of it that ended in success."""
    deferred: int


def outcome(run: xr.DataTree, faults: int | None = None) -> Outcome:
    """Outcome of a demand, recorded or simulated.

    Faults before the first that compacted got pages that were free; how many of those there are, others
    decide who run between the page map and the demand. `faults` is how many to count from there on.
    """
    served = run["allocations"].to_dataset()
    first = int(np.argmax(served.compact_stall.values > 0))
    served = served.isel(allocation=slice(first, None if faults is None else first + faults))
    compacted = served.success.values & (served.compact_success.values > 0)
    latency = served.latency_ns.values[compacted] / 1000
    events = run["events"].to_dataset()
    mine = events.role.values == _REQUESTERS[run.attrs["source"]]
    mine &= events.elapsed.values <= int(served.elapsed[-1]) + int(served.latency_ns[-1])
    name, status = events.name.values[mine], events.status.values[mine]
    moved = events.nr_migrated.values[mine][name == "mm_compaction_migratepages"].sum()
    successes = int(((name == "mm_compaction_end") & (status == "success")).sum())
    attempts = int(served.compact_stall.sum())
    return Outcome(
        served.sizes["allocation"],
        float(served.success.mean()),
        attempts,
        float(served.compact_success.sum()) / max(1, attempts),
        tuple(np.quantile(latency, (0.5, 0.9, 0.99)).tolist()) if latency.size else (np.nan,) * 3,
        float(moved) / max(1, successes),
        int((name == "mm_compaction_deferred").sum()),
    )


def demand(
    run: xr.DataTree, costs: cl.CostModel | None = None, history: bool = True, seed: int = 0
) -> xr.DataTree:
    """Simulate a recorded demand on the machine's zones, from its page map.

    Memory counts as backed by the host, as the recording's does but for a fault now and then. Without
    `history` scanners begin at the ends of a zone without skip bits, as the page map alone would have it.
    """
    zones = [cl.Zone.from_pages(run, zone=label) for label in _zones(run)]
    if not history:
        zones = [_forgotten(zone) for zone in zones]
    served = run["allocations"].to_dataset()
    gaps = np.diff(served.elapsed.values) - served.latency_ns.values[:-1]
    workload = cl.workloads.huge_faults(
        faults=served.sizes["allocation"], think_ns=max(0, int(np.median(gaps)))
    )
    return cl.simulate(zones, workload, costs=costs, seed=seed, keyframes=False, frames=0, events=_EVENTS)


def _forgotten(zone: cl.Zone) -> cl.Zone:
    return (
        zone
        if zone.seed is None
        else dataclasses.replace(zone, seed=dataclasses.replace(zone.seed, history=None))
    )


def _zones(run: xr.DataTree) -> list[str]:
    info = run["zoneinfo"].to_dataset()
    return info.zone.values[(info.managed_pages.max("time") > 0).values].tolist()


def is_demand(run: xr.DataTree) -> bool:
    """Whether a recording is one of a demand for huge pages."""
    return "allocations" in run.children


def direct(name: str, run: xr.DataTree, costs: cl.CostModel) -> list[tuple[str, ...]]:
    """Rows of one recording: recorded, predicted from the page map and where compaction stood, and without that."""
    real = outcome(run)
    rows = [_row(name, real, _cause(run))]
    for told, history in (("predicted", True), ("predicted, page map alone", False)):
        runs = (demand(run, costs, history, seed) for seed in range(_SEEDS))
        rows.append(_row(told, _pooled([outcome(each, real.faults) for each in runs]), ""))
    return rows


def _pooled(outcomes: list[Outcome]) -> Outcome:
    """Outcomes that differ in how long batches of migration take, as one: the median of each quantile."""
    latency = np.median([each.latency_us for each in outcomes], axis=0)
    return outcomes[0]._replace(latency_us=tuple(latency.tolist()))


def _row(name: str, of: Outcome, cause: str) -> tuple[str, ...]:
    return (
        name,
        f"{of.huge:.1%} of {of.faults}",
        f"{of.succeeded:.1%}",
        *(f"{latency:,.0f}" for latency in of.latency_us),
        f"{of.pages_per_success:,.0f}",
        str(of.attempts),
        str(of.deferred),
        cause,
    )


def _cause(run: xr.DataTree) -> str:
    """What the page map did not hold, as the recording tells."""
    events = run["events"].to_dataset()
    contended = int((events.status.values == "contended").sum())
    served = run["allocations"].to_dataset()
    causes = [
        f"{int(np.argmax(served.compact_stall.values > 0))} faults before these got pages that were free"
    ]
    if contended:
        causes.append(f"{contended} runs met folios that became dirty after the map was read: contended")
    return "; ".join(causes)


# --- proactive compaction ----------------------------------------------------------------------------------

PROACTIVE = ("recording", "runs", "ended", "zone score before", "after", "migrated", "duration, ms", "cause")
_PROACTIVENESS = 50
_SECONDS = 40


class Background(NamedTuple):
    """What kcompactd did in the largest zone: its first run."""

    runs: int
    ended: str
    before: int
    """Score of the zone, 0 to 100."""
    after: int
    migrated: int
    duration_ns: int


def background(run: xr.DataTree) -> Background:
    """First run of kcompactd in the largest zone, recorded or simulated."""
    zones = run["zones"].to_dataset()
    label = str(zones.zone.values[zones.free_pages.values[0].argmax()])
    score = cl.metrics.fragmentation_score(run).zone_score.sel(zone=label).values
    events = run["events"].to_dataset() if "events" in run.children else None
    name = np.array([]) if events is None else events.name.values
    if events is None or not (name == "mm_compaction_begin").any():
        return Background(0, "", int(score[0]), int(score[-1]), 0, 0)
    mine = (events.role.values == "kcompactd") & (events.zone.values == label)
    begins = events.elapsed.values[mine & (name == "mm_compaction_begin")]
    ends = np.flatnonzero(mine & (name == "mm_compaction_end"))
    begin, end = int(begins[0]), int(events.elapsed.values[ends[0]])
    moved = (name == "mm_compaction_migratepages") & (events.elapsed.values >= begin)
    moved &= events.elapsed.values <= end
    at = zones.elapsed.values
    return Background(
        begins.size,
        str(events.status.values[ends[0]]),
        int(score[max(0, int(np.searchsorted(at, begin, side="right")) - 1)]),
        int(score[min(int(np.searchsorted(at, end)), score.size - 1)]),
        int(events.nr_migrated.values[moved].sum()),
        end - begin,
    )


def is_proactive(run: xr.DataTree) -> bool:
    """Whether a recording is one of proactive compaction: somebody wrote a proactiveness."""
    if "events" not in run.children:
        return False
    events = run["events"].to_dataset()
    woken = (events.name.values == "mm_compaction_wakeup_kcompactd") & (events.order.values == -1)
    return bool(woken.any())


def proactive(name: str, run: xr.DataTree, costs: cl.CostModel) -> list[tuple[str, ...]]:
    """Rows of one recording: recorded, and from its page map at the default proactiveness and at 50."""
    real = background(run)
    contended = "a folio became dirty after the map was read" if real.ended == "contended" else ""
    rows = [_background_row(name, real, contended)]
    for proactiveness in (cl.Sysctls().compaction_proactiveness, _PROACTIVENESS):
        predicted = background(wait(run, proactiveness, costs))
        rows.append(_background_row(f"predicted at {proactiveness}", predicted, ""))
    return rows


def wait(run: xr.DataTree, proactiveness: int, costs: cl.CostModel | None = None) -> xr.DataTree:
    """Simulate idle zones of a page map for longer than any pause between two looks at the score."""
    sysctls = cl.Sysctls(compaction_proactiveness=proactiveness)
    zones = [cl.Zone.from_pages(run, zone=label) for label in _zones(run)]
    zones = [dataclasses.replace(zone, sysctls=sysctls) for zone in zones]
    idle = cl.workloads.idle(seconds=_SECONDS)
    return cl.simulate(zones, idle, costs=costs, keyframes=False, frames=0, events=_EVENTS)


def _background_row(name: str, of: Background, cause: str) -> tuple[str, ...]:
    return (
        name,
        str(of.runs),
        of.ended,
        str(of.before),
        str(of.after),
        f"{of.migrated:,}",
        f"{of.duration_ns / 1e6:,.0f}",
        cause,
    )
