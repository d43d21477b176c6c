import numpy as np
import pytest
import xarray as xr
from runs import SECOND, counters, events, zones

import compactlab as cl
from compactlab import metrics, schema
from compactlab.metrics.parts import part
from compactlab.metrics.summary import QUANTITIES, summary

MS = 1_000_000


def numbers(told: xr.Dataset) -> dict:
    return {name: value.item() for name, value in told.data_vars.items()}


def requests(latency, success, orders) -> xr.Dataset:
    moments = np.arange(len(latency)) * MS
    return xr.Dataset(
        {
            "latency_ns": ("allocation", np.array(latency, np.int64)),
            "success": ("allocation", np.array(success, bool)),
            "order": ("allocation", np.array(orders, np.int64)),
        },
        {"time": ("allocation", moments), "elapsed": ("allocation", moments)},
    )


def test_summary__requests_of_the_order_alone():
    group = requests([10, 30, 20, 999], [True, False, True, True], [9, 9, 9, 0])
    told = numbers(summary(schema.new_run({"allocations": group}, pageblock_order=9)))
    assert told == {
        "requests": 3,
        "failures": 1,
        "success_share": pytest.approx(2 / 3),
        "latency_p50": 20,
        "latency_p90": 30,
        "latency_p99": 30,
        "latency_mean": 20.0,
        "latency_total": 60,
        "duration": 3 * MS,
    }
    assert numbers(summary(schema.new_run({"allocations": group}), order=3)) == {
        "requests": 0,
        "failures": 0,
        "duration": 3 * MS,
    }


def test_summary__counters_rise_over_gaps_and_resets():
    values = {"compact_stall": [5, None, 9], "allocstall_normal": [0, 4, 1], "allocstall_dma": [1, 1, 2], "lone": [None, 7, None]}  # fmt: skip
    told = numbers(summary(schema.new_run({"counters": counters(values)})))
    assert told == {"compact_stall": 4, "allocstall": 5, "duration": 2 * SECOND}


def test_summary__index_over_time_and_last_free_memory():
    free = zones([[[4, 0]], [[0, 2]], [[2, 1]]], elapsed=[0, SECOND, 4 * SECOND])
    told = numbers(summary(schema.new_run({"zones": free}), order=1))
    assert (told["unusable_first"], told["unusable_last"]) == (1.0, 0.5)
    assert told["unusable_mean"] == pytest.approx((1.0 * 1 + 0.0 * 3) / 4)
    assert (told["free_last"], told["usable_last"]) == (4, 2)
    assert told["fragmentation_score_last"] == 50


def test_summary__events_tell_work_and_who():
    rows = [
        {"name": "mm_compaction_begin", "role": "app", "zone": "0/Normal", "elapsed": 0},
        {"name": "mm_compaction_isolate_migratepages", "role": "app", "elapsed": 1, "nr_scanned": 10},
        {"name": "mm_compaction_migratepages", "role": "app", "elapsed": 2, "nr_migrated": 4},
        {"name": "mm_compaction_end", "role": "app", "zone": "0/Normal", "elapsed": 30},
        {"name": "mm_vmscan_kswapd_wake", "role": "kswapd", "elapsed": 31, "node": 0},
        {"name": "mm_vmscan_kswapd_sleep", "role": "kswapd", "elapsed": 36, "node": 0},
        {"name": "mm_vmscan_kswapd_wake", "role": "kswapd", "elapsed": 40, "node": 0},
        {"name": "mm_page_alloc_extfrag", "role": "app", "elapsed": 41, "fallback_order": 9},
        {"name": "mm_page_alloc_extfrag", "role": "app", "elapsed": 42, "fallback_order": 3},
    ]
    told = numbers(summary(schema.new_run({"events": events(rows)}, pageblock_order=9)))
    assert told == {
        "migrated": 4,
        "migrate_scanned": 10,
        "scan_efficiency": 0.4,
        "compaction_runs": 1,
        "compaction_time": 30,
        "cpu_direct": 30,
        "cpu_kcompactd": 0,
        "cpu_kswapd": 5 + 2,
        "extfrag_events": 1,
        "duration": 42,
    }


def test_summary__agrees_with_a_recording_counted_by_hand():
    run = cl.datasets.load("whole-story")
    told = summary(run)
    latency = run["allocations"].latency_ns.values
    assert told.latency_total == latency.sum()
    assert told.failures == (~run["allocations"].success.values).sum()
    table = run["counters"].to_dataset()
    stall = table.value.sel(counter="compact_stall").values
    assert told.compact_stall == stall[-1] - stall[0]
    assert told.cpu_kswapd > 0
    assert told.attrs["zone"] == "0/Normal"


def test_summary__simulation_tells_zeros_where_nothing_happened():
    told = summary(cl.simulate(cl.Zone("64 MiB"), cl.workloads.idle(seconds=2)))
    assert [int(told[name]) for name in ("compaction_runs", "cpu_direct", "cpu_kcompactd", "oom_kills", "extfrag_events")] == [0] * 5  # fmt: skip


def test_summary__events_beyond_the_budget_are_not_counted_as_all():
    zone = cl.Zone.from_pages(cl.datasets.load("page-map-pinned"))
    whole = cl.compact_zone(zone, frames=2)
    cut = cl.compact_zone(zone, frames=2, events=50)
    assert summary(cut).migrated == summary(whole).migrated
    assert "compaction_time" in summary(whole)
    assert "compaction_time" not in summary(cut)


def test_summary__every_number_says_what_it_is():
    told = summary(cl.datasets.load("whole-story"))
    for name, value in told.data_vars.items():
        assert value.attrs == dict(zip(("label", "unit", "better", "meaning"), QUANTITIES[name], strict=True))
        assert value.attrs["better"] in ("lower", "higher", "")


def test_summary__refuses_another_zone_or_order():
    run = cl.datasets.load("healthy")
    assert summary(run, "DMA32").attrs["zone"] == "0/DMA32"
    with pytest.raises(ValueError, match="zone: found 'Foo'; the run 'healthy' has 0/DMA"):
        summary(run, "Foo")
    with pytest.raises(ValueError, match="order: found 11; expected 0 to 10"):
        summary(run, order=11)


def test_part__cuts_every_group():
    run = cl.datasets.load("page-map-compaction")
    cut = part(run, "compaction")
    runs = metrics.compaction_runs(run)
    start, end = int(runs.start.min()), int(runs.end.max())
    assert cut["events"].sizes["event"] == run["events"].sizes["event"]
    zones_ = cut["zones"].elapsed.values
    assert zones_[0] <= start < zones_[1]
    assert zones_[-2] < end <= zones_[-1]
    assert cut["phases"]["name"].values.tolist() == ["frozen"]
    assert cut.attrs == run.attrs | {"part": [start, end]}
    assert summary(cut).duration == end - start
    schema.validate(cut)
    with pytest.raises(ValueError, match="phase 'nap': the run has compaction, baseline, fragment"):
        part(run, "nap")
    with pytest.raises(ValueError, match="expected a start before the end"):
        part(run, start=5, end=5)
    with pytest.raises(ValueError, match="has no compaction"):
        part(cl.datasets.load("healthy"), "compaction")


def test_part__moves_go_with_their_events():
    run = cl.compact_zone(cl.Zone.from_pages(cl.datasets.load("page-map-pinned")), frames=2)
    elapsed = run["events"].elapsed.values
    middle = int(elapsed[elapsed.size // 2])
    early, late = part(run, end=middle), part(run, start=middle + 1)
    assert early["moves"].sizes["move"] + late["moves"].sizes["move"] == run["moves"].sizes["move"]
    for cut in (early, late):
        at = cut["moves"].event.values
        assert set(cut["events"]["name"].values[at]) == {"mm_compaction_migratepages"}
    pages = sum(int(summary(cut).migrated) for cut in (early, late))
    assert pages == int(summary(run).migrated)
