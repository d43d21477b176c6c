"""Direct and proactive compaction of a recorded page map, beside what the kernel did."""

import dataclasses
import functools

import numpy as np
import pytest
import xarray as xr

import compactlab as cl
from compactlab import schema
from compactlab.simulation import history

SIZE = 512
ZONE = "0/Normal"
LABELS = ("0/DMA", "0/DMA32", ZONE)


@functools.cache
def _recorded():
    return cl.datasets.load("page-map-direct")


@functools.cache
def _machine():
    return [cl.Zone.from_pages(_recorded(), zone=label) for label in LABELS]


def _with_proactiveness(proactiveness):
    sysctls = cl.Sysctls(compaction_proactiveness=proactiveness)
    return [dataclasses.replace(zone, sysctls=sysctls) for zone in _machine()]


@functools.cache
def _predicted(seed):
    faults = cl.workloads.huge_faults(faults=_recorded()["allocations"].sizes["allocation"], think_ns=68_000)
    return cl.simulate(_machine(), faults, seed=seed, keyframes=False, frames=0, events=400_000)


def _compacted(run, most=None):
    """Faults from the first that compacted on: those before got pages that were free."""
    served = run["allocations"].to_dataset()
    first = int(np.argmax(served.compact_stall.values > 0))
    return served.isel(allocation=slice(first, None if most is None else first + most))


def _pages_per_success(run, role):
    events = run["events"].to_dataset()
    mine = events.isel(event=np.flatnonzero(events.role.values == role))
    moved = mine.nr_migrated.values[mine.name.values == "mm_compaction_migratepages"].sum()
    return moved / (mine.status.values[mine.name.values == "mm_compaction_end"] == "success").sum()


def _shares(served):
    return (
        served.success.values.mean(),
        served.compact_success.values.sum() / served.compact_stall.values.sum(),
    )


def test_direct_compaction__shares_within_5_points():
    real = _compacted(_recorded())
    predicted = _compacted(_predicted(0), real.sizes["allocation"])
    assert _shares(real) == (1.0, 1.0)
    assert np.abs(np.subtract(_shares(predicted), _shares(real))).max() <= 0.05


def test_direct_compaction__pages_migrated_per_success_within_15_percent():
    recorded, predicted = (
        _pages_per_success(_recorded(), "holder"),
        _pages_per_success(_predicted(0), "foreground"),
    )
    assert recorded == pytest.approx(338, abs=1)
    assert predicted == pytest.approx(recorded, rel=0.15)


def test_direct_compaction__latency():
    real = _compacted(_recorded())
    found = [
        np.quantile(_compacted(_predicted(seed), real.sizes["allocation"]).latency_ns.values, (0.5, 0.99))
        for seed in range(3)
    ]
    median, high = np.median(found, axis=0) / np.quantile(real.latency_ns.values, (0.5, 0.99))
    assert 0.75 <= median <= 1.25
    assert 0.5 <= high <= 2


def test_direct_compaction__goes_where_the_kernel_went():
    def sources(run, role):
        events = run["events"].to_dataset()
        looked = (events.name.values == "mm_compaction_isolate_migratepages") & (events.role.values == role)
        return set((events.start_pfn.values[looked & (events.nr_taken.values > 0)] // SIZE).tolist())

    real, predicted = sources(_recorded(), "holder"), sources(_predicted(0), "foreground")
    assert len(real) == 645
    assert len(real & predicted) >= 0.6 * len(real)


@pytest.mark.parametrize(("proactiveness", "runs"), [(20, 0), (50, 1)])
def test_proactive_compaction__starts_only_above_the_mark(proactiveness, runs):
    idle = cl.workloads.idle(seconds=3)
    run = cl.simulate(_with_proactiveness(proactiveness), idle, keyframes=False, frames=0)
    events = run["events"].to_dataset()
    ended = (events.name.values == "mm_compaction_end") & (events.zone.values == ZONE)
    score = cl.metrics.fragmentation_score(run).zone_score.sel(zone=ZONE).values
    assert ended.sum() == runs
    assert score[0] == 99
    assert score[-1] == (50 if runs else 99)


# --- what a recording tells of compaction before it ---------------------------------------------------------


def test_history__scanners_stand_where_the_first_run_began():
    told = _machine()[2].seed.history
    assert (told.cached_migrate, told.cached_free) == (0x11E800, 0x623000)
    assert _machine()[0].seed.history is None


def test_history__none_without_requests_of_its_own():
    assert cl.Zone.from_pages(cl.datasets.load("page-map-compaction")).seed.history is None


def _events(rows):
    """A recording whose events are (name, {field: value}) of requests that compact 8 pageblocks of Normal."""
    fields = {field for _, values in rows for field in values}
    texts = {"status", "mode"}
    columns = {
        "name": [f"mm_compaction_{name}" for name, _ in rows],
        "role": ["holder"] * len(rows),
        "zone": [ZONE] * len(rows),
        **{
            field: [values.get(field, "" if field in texts else schema.NO_INTEGER) for _, values in rows]
            for field in fields
        },
    }
    moments = np.arange(len(rows))
    variables = {
        name: ("event", np.array(values, object if isinstance(values[0], str) else np.int64))
        for name, values in columns.items()
    }
    events = xr.Dataset(variables, {"time": ("event", moments), "elapsed": ("event", moments)})
    return schema.new_run({"events": events}, source="recording", clock="monotonic", pageblock_order=9)


def _begin(migrate, free):
    return "begin", {"start_pfn": 0, "migrate_pfn": migrate * SIZE, "free_pfn": free * SIZE}


def _end(migrate, status):
    return "end", {"migrate_pfn": migrate * SIZE, "status": status}


def _looked(block):
    return "isolate_migratepages", {"start_pfn": block * SIZE + 3}


def test_history__blocks_passed_and_not_looked_into_have_their_skip_bit():
    run = _events([_begin(1, 7), _looked(1), _looked(4), _end(6, "success")])
    told = history.read(run, ZONE, 0, 8 * SIZE, 9)
    assert told.skip.tolist() == [False, False, True, True, False, True, False, False]
    assert (told.init_migrate, told.defer_shift) == (None, 0)


def test_history__deferral_counts_the_first_event_out():
    deferral = {"considered": 7, "limit": 64, "order_failed": 9}
    run = _events(
        [("deferred", deferral), _begin(0, 7), _end(7, "complete"), _begin(7, 7), _end(7, "contended")]
    )
    told = history.read(run, ZONE, 0, 8 * SIZE, 9)
    assert (told.considered, told.defer_shift, told.order_failed) == (6, 6, 9)
    assert told.init_migrate == 0  # the run from there covered the zone


def test_history__a_long_search_was_the_first_from_an_end():
    def search(free, scanned):
        return "fast_isolate_freepages", {"end_pfn": free * SIZE, "nr_scanned": scanned, "nr_taken": 0}

    run = _events([_begin(0, 7), search(7, 400), search(5, 144), search(6, 400), _end(7, "success")])
    assert history.read(run, ZONE, 0, 8 * SIZE, 9).init_free == 6 * SIZE


def test_history__none_if_no_run_came_to_an_end():
    assert history.read(_events([_begin(0, 7), _looked(0)]), ZONE, 0, 8 * SIZE, 9) is None
