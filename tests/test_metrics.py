from itertools import pairwise

import numpy as np
import pytest
import xarray as xr
from runs import SECOND, counters, events, zones

from compactlab import metrics, schema

MS = 1_000_000


def test_free_by_order__unit_follows_page_size():
    free = zones([[[256, 0, 64]]])
    known = metrics.free_by_order(schema.new_run({"zones": free}, page_size=4096))
    unknown = metrics.free_by_order(schema.new_run({"zones": free}))
    assert (known.attrs["units"], known.values.tolist()) == ("MiB", [[[1.0, 0.0, 1.0]]])
    assert (unknown.attrs["units"], unknown.values.tolist()) == ("pages", [[[256, 0, 256]]])
    assert unknown.sum() == free.free_pages.sum()


def test_largest_free_order__and_none():
    run = schema.new_run({"zones": zones([[[3, 1, 0]], [[0, 0, 0]], [[0, 0, 7]]])})
    largest = metrics.largest_free_order(run)
    assert largest.values.ravel().tolist() == [1, -1, 2]
    assert largest.dims == ("time", "zone")


def test_rates__gaps_resets_and_levels():
    values = {
        "compact_stall": [0, 10, 4, 6],
        "pgfault": [None, 5, None, 9],
        "nr_free_pages": [1, 2, 3, 4],
    }
    recorded = counters(values, elapsed=[0, 2 * SECOND, 3 * SECOND, 5 * SECOND])
    rates = metrics.rates(schema.new_run({"counters": recorded}))
    assert rates.counter.values.tolist() == ["compact_stall", "pgfault"]
    np.testing.assert_array_equal(rates.sel(counter="compact_stall"), [np.nan, 5, np.nan, 1])
    assert np.isnan(rates.sel(counter="pgfault")).all()
    assert (rates.attrs["backward"], rates.attrs["absent"]) == (1, 3)


def test_rises__of_counters_in_both_samples():
    values = {"compact_stall": [3, 10, 4], "pgfault": [None, 5, 9], "nr_free_pages": [1, 2, 3]}
    rises = metrics.rises(schema.new_run({"counters": counters(values)}))
    assert rises.to_series().to_dict() == {"compact_stall": 1}
    with pytest.raises(ValueError, match="expected counters"):
        metrics.rises(schema.new_run({}))


def test_rates__named_counters():
    run = schema.new_run({"counters": counters({"a": [0, 1], "nr_written": [3, 9]})})
    assert metrics.rates(run, ["nr_written"]).values.tolist()[1] == [6.0]
    with pytest.raises(ValueError, match="nonsense not recorded; the run has a, nr_written"):
        metrics.rates(run, ["nonsense"])
    with pytest.raises(ValueError, match="expected counters"):
        metrics.rates(schema.new_run({}))


def _event(at, name, role, **fields):
    return {"elapsed": at, "name": f"mm_compaction_{name}", "role": role, **fields}


TRACE = [
    _event(10, "try_to_compact_pages", "web", order=9),
    _event(11, "begin", "web", zone="0/Normal", mode="async"),
    _event(12, "begin", "manual", zone="0/DMA", mode="sync"),
    _event(13, "isolate_migratepages", "web", nr_scanned=63, nr_taken=32),
    _event(14, "migratepages", "web", nr_migrated=30, nr_failed=2),
    _event(15, "end", "web", zone="0/Normal", status="success"),
    _event(16, "finished", "kcompactd", order=-1, zone="0/Normal", status="continue"),
    _event(17, "begin", "kcompactd", zone="0/Normal"),
    _event(18, "fast_isolate_freepages", "kcompactd", nr_scanned=100, nr_taken=64),
    _event(19, "end", "kcompactd", zone="0/Normal", status="success"),
    _event(20, "kcompactd_wake", "kcompactd", order=3),
    _event(21, "begin", "kcompactd", zone="0/Normal"),
    _event(22, "end", "kcompactd", zone="0/Normal", status="complete"),
    _event(23, "end", "manual", zone="0/DMA", status="contended"),
    _event(24, "end", "web", zone="0/Normal", status="success"),  # begun before the trace
    _event(25, "begin", "web", zone="0/Normal"),  # not over when the trace ends
    _event(30, "suitable", "web", order=9, zone="0/Normal"),
]


def test_compaction_runs__from_events():
    runs = metrics.compaction_runs(schema.new_run({"events": events(TRACE)}))
    assert runs.attrs["from"] == "events"
    assert runs.who.values.tolist() == ["direct", "manual", "proactive", "kcompactd", "direct"]
    assert runs.start.values.tolist() == [11, 12, 17, 21, 25]
    assert runs.end.values.tolist() == [15, 23, 19, 22, 30]
    assert runs.order.values.tolist() == [9, -1, -1, 3, 9]
    assert runs.status.values.tolist() == ["success", "contended", "success", "complete", ""]
    assert runs.zone.values.tolist() == ["0/Normal", "0/DMA", "0/Normal", "0/Normal", "0/Normal"]


COUNTED = {
    "compact_stall": [5, 5, 7, 8, 8, 8, 8, 0],
    "compact_daemon_wake": [0, 0, 0, 0, 1, 1, 1, 0],
    "compact_daemon_migrate_scanned": [0, 0, 0, 0, 0, 9, 9, 0],
    "compact_migrate_scanned": [100, 100, 200, 300, 300, 309, 900, 50],
    "compact_free_scanned": [0, 0, 1, 2, 3, 4, 5, 5],
    "pgmigrate_success": [0, 0, 50, 60, 60, 60, 400, 400],
}


def test_compaction_runs__from_counters():
    runs = metrics.compaction_runs(schema.new_run({"counters": counters(COUNTED)}))
    assert runs.attrs["from"] == "counters"
    found = list(zip(runs.who.values, runs.start.values // SECOND, runs.end.values // SECOND, strict=True))
    assert found == [("direct", 1, 3), ("kcompactd", 3, 5), ("unknown", 5, 6)]


def test_compaction_runs__nothing_tells():
    runs = metrics.compaction_runs(schema.new_run({"zones": zones([[[1]]])}))
    assert runs.sizes["run"] == 0
    assert runs.attrs["from"] is None


def test_compaction_runs__other_events_leave_it_to_the_counters():
    traced = events([{"elapsed": 1, "name": "mm_page_alloc_extfrag", "pfn": 5}])
    runs = metrics.compaction_runs(schema.new_run({"events": traced, "counters": counters(COUNTED)}))
    assert runs.attrs["from"] == "counters"


def test_compaction_work__from_events():
    work = metrics.compaction_work(schema.new_run({"events": events(TRACE)}), np.array([0, 13, 14, 18, 30]))
    assert work.attrs["from"] == "events"
    assert work.scanned.values.tolist() == [0, 63, 0, 0]
    assert work.migrated.values.tolist() == [0, 0, 30, 0]
    assert work.free_scanned.values.tolist() == [0, 0, 0, 100]
    assert work.attrs["lacks"] == []


def test_compaction_work__tells_whose_events_were_not_traced():
    thinned = events([event for event in TRACE if "isolate_freepages" not in event["name"]])
    work = metrics.compaction_work(schema.new_run({"events": thinned}), np.array([0, 30]))
    assert work.attrs["lacks"] == ["free_scanned"]
    assert work.scanned.values.tolist() == [63]
    assert work.scanned.dtype == np.int64


def test_compaction_work__from_counters_keeps_every_page():
    run = schema.new_run({"counters": counters(COUNTED)})
    work = metrics.compaction_work(run, np.array([0, 2, 4, 6, 9]) * SECOND)
    assert work.attrs["from"] == "counters"
    assert work.scanned.values.tolist() == [0, 200, 9, 591]  # the reset at the end is no work
    assert work.migrated.values.tolist() == [0, 60, 0, 340]


def test_compaction_work__nothing_tells():
    work = metrics.compaction_work(schema.new_run({}), np.array([0, 1, 2]))
    assert work.attrs["from"] is None
    assert work.migrated.values.tolist() == [0, 0]


def _allocations(elapsed, latency, success):
    columns = {"latency_ns": np.array(latency), "success": np.array(success, bool)}
    clock = {"elapsed": np.array(elapsed), "time": np.array(elapsed)}
    return xr.Dataset({name: ("allocation", column) for name, column in (columns | clock).items()})


def test_latency_percentiles__bins():
    rng = np.random.default_rng(3)
    latency = rng.integers(1, 10**6, 1000)
    elapsed = rng.integers(0, 100 * MS, 1000)
    run = schema.new_run({"allocations": _allocations(elapsed, latency, latency % 7 > 0)})
    edges = np.array([0, 20, 60, 100, 120]) * MS
    found = metrics.latency_percentiles(run, edges, q=(0, 50, 100))
    for row, (start, end) in enumerate(pairwise(edges)):
        within = np.sort(latency[(elapsed >= start) & (elapsed < end)])
        assert found.nr_requests[row] == len(within)
        assert found.nr_failed[row] == (within % 7 == 0).sum()
        if len(within):
            expected = [within[0], within[(len(within) + 1) // 2 - 1], within[-1]]
            assert found.latency_ns[row].values.tolist() == expected
    assert np.isnan(found.latency_ns[3]).all()


def test_latency_percentiles__none_recorded():
    with pytest.raises(ValueError, match="expected allocations"):
        metrics.latency_percentiles(schema.new_run({}), np.array([0, 1]))
