"""The cost model, and its constants fitted to recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import compactlab as cl
from compactlab.core import memory
from compactlab.schema import new_run
from compactlab.simulation.calibrate import calibrate, leave_one_out, work
from compactlab.simulation.costs import STEP_NAMES, CostModel

GROUNDTRUTH = Path(__file__).parents[1].parent / "shared" / "groundtruth"
TRUE = CostModel(
    isolate=200.0,
    migrate_scan=10.0,
    free_scan_block=400.0,
    free_scan=20.0,
    free_isolate=60.0,
    migrate_batch=40_000.0,
    migrate_page=2000.0,
    compact_entry=5000.0,
    drain=30_000.0,
    spread=(1.0,),
)


def trace(costs: CostModel, seed: int, order: int = 9, role: str = "holder") -> str:
    """Events of compactions as a machine of these costs would log them."""
    rng = np.random.default_rng(seed)
    lines, now = [], 1_000_000

    def log(spent: float, event: str) -> None:
        nonlocal now
        now += round(spent)
        lines.append(f"{now} 0 {role} mm_compaction_{event}")

    for call in range(40):
        block = 0x100000 + call * 0x400
        ends = f"zone_start=0x100000 migrate_pfn={block:#x} free_pfn=0x500000 zone_end=0x640000, mode=sync"
        log(700, f"begin {ends}")
        log(0, f"finished node=0 zone=Normal   order={order} ret=continue")
        empty = 512 * costs.migrate_scan + costs.free_scan_block
        log(empty, f"isolate_migratepages range=({block:#x} ~ {block + 512:#x}) nr_scanned=512 nr_taken=0")
        source = block + 512
        for stop in (source + 64, source + 512):
            taken = int(rng.integers(20, 60 if stop == source + 64 else 400))
            start = source if stop == source + 64 else source + 64
            scanned = stop - start
            log(0, f"finished node=0 zone=Normal   order={order} ret=continue")
            log(
                (scanned - taken) * costs.migrate_scan
                + taken * costs.isolate
                + (costs.fast_find if start == source and order > 3 else 0),
                f"isolate_migratepages range=({start:#x} ~ {stop:#x}) nr_scanned={scanned} nr_taken={taken}",
            )
            looked = int(rng.integers(taken, 512))
            log(costs.free_scan_block + 16 * costs.free_scan, free_scanner(16, 0))
            log(looked * costs.free_scan + taken * costs.free_isolate, free_scanner(looked, taken))
            log(
                costs.migrate_batch + taken * costs.migrate_page,
                f"migratepages nr_migrated={taken} nr_failed=0",
            )
        if order > 0:
            log(costs.drain, f"finished node=0 zone=Normal   order={order} ret=continue")
        log(costs.compact_entry, f"end {ends} status=success")
    return "\n".join(lines) + "\n"


def free_scanner(scanned: int, taken: int) -> str:
    return f"isolate_freepages range=(0x500000 ~ 0x500200) nr_scanned={scanned} nr_taken={taken}"


def faults(latency_us: list[float]) -> xr.DataTree:
    n = len(latency_us)
    whole = {"order": 9, "compact_stall": 0, "compact_success": 0, "compact_fail": 0}
    return new_run(
        {
            "allocations": xr.Dataset(
                {
                    "latency_ns": ("allocation", (np.array(latency_us) * 1000).astype(np.int64)),
                    "success": ("allocation", np.ones(n, bool)),
                    "source": ("allocation", np.full(n, "faults", object)),
                    **{name: ("allocation", np.full(n, value)) for name, value in whole.items()},
                },
                {name: ("allocation", np.arange(n)) for name in ("time", "elapsed")},
            )
        },
        name="faults",
    )


def test_cost_model__has_a_cost_for_every_step_in_order():
    names = [name for name in CostModel.__dataclass_fields__ if name in memory.STEPS]
    assert names == list(memory.STEPS) == list(STEP_NAMES)
    assert CostModel().to_picoseconds().shape == (len(memory.STEPS),)


def test_cost_model__default_spread_has_mean_one():
    assert np.mean(CostModel().spread) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_cost_model__refuses_what_is_no_time(value):
    with pytest.raises(ValueError, match=r"drain=.*expected nanoseconds"):
        CostModel(drain=value)


@pytest.mark.parametrize(
    ("spread", "message"), [((), "one or more"), ((1.0, -1.0), "at least 0"), ((1.0, 2.0), "mean 1.500")]
)
def test_cost_model__refuses_a_spread_that_changes_the_mean(spread, message):
    with pytest.raises(ValueError, match=message):
        CostModel(spread=spread)


def test_draw_spread__is_the_same_for_a_seed_and_keeps_the_mean():
    model = CostModel()
    one, two = (model.draw_spread(np.random.default_rng(5), 100_000) for _ in range(2))
    assert one.dtype == np.int64
    np.testing.assert_array_equal(one, two)
    assert one.mean() == pytest.approx(1000, rel=0.02)
    assert set(one.tolist()) <= {round(ratio * 1000) for ratio in model.spread}


def test_duration__sums_steps_of_each_row():
    tally = np.zeros((2, len(STEP_NAMES)), np.int64)
    tally[0, memory.STEP_MIGRATE_PAGE] = 2
    tally[1, memory.STEP_DRAIN] = 1
    model = CostModel(migrate_page=1500.0, drain=7.0)
    np.testing.assert_allclose(model.duration(tally), [3000, 7])


def test_work__counts_what_the_events_say():
    run = cl.read(trace(TRUE, seed=1))
    done, events = work(run), run["events"].to_dataset()
    units = done.units.sum(0)
    assert len(set(done.call)) == 40
    assert units[memory.STEP_MIGRATE_BATCH] == 80
    assert units[memory.STEP_MIGRATE_PAGE] == events.nr_migrated.where(events.nr_migrated > 0, 0).sum()
    assert units[memory.STEP_ISOLATE] == units[memory.STEP_MIGRATE_PAGE] == units[memory.STEP_FREE_ISOLATE]
    assert units[memory.STEP_DRAIN] == units[memory.STEP_COMPACT_ENTRY] == 40
    assert units[memory.STEP_FREE_SCAN_BLOCK] == 40 + 80
    begin, end = (
        events.elapsed.values[events.name.values == f"mm_compaction_{name}"].sum()
        for name in ("begin", "end")
    )
    assert done.duration.sum() == end - begin


def test_work__of_the_whole_zone_has_no_drain_and_no_fast_search():
    units = work(cl.read(trace(TRUE, seed=1, order=-1, role="manual"))).units.sum(0)
    assert units[memory.STEP_DRAIN] == 0
    assert units[memory.STEP_FAST_FIND] == 0


def test_work__counts_a_block_skipped_whole_as_one_pfn():
    lines = [
        "1000 0 manual mm_compaction_begin zone_start=0x1 migrate_pfn=0x1 free_pfn=0xe00 zone_end=0x1000, mode=sync",
        "1300 0 manual mm_compaction_isolate_migratepages range=(0x200 ~ 0x400) nr_scanned=512 nr_taken=0",
        "5000 0 manual mm_compaction_isolate_migratepages range=(0x400 ~ 0x600) nr_scanned=512 nr_taken=0",
        "5100 0 manual mm_compaction_end zone_start=0x1 migrate_pfn=0x1 free_pfn=0xe00 zone_end=0x1000, mode=sync status=complete",
    ]
    units = work(cl.read("\n".join(lines) + "\n")).units.sum(0)
    assert units[memory.STEP_MIGRATE_SCAN] == 1 + 512


def test_work__leaves_out_what_has_no_begin():
    text = trace(TRUE, seed=1)
    whole, cut = work(cl.read(text)), work(cl.read(text.split("\n", 1)[1]))
    assert len(set(cut.call)) == len(set(whole.call)) - 1


def test_calibrate__finds_the_costs_a_trace_was_made_with():
    model = calibrate(*(cl.read(trace(TRUE, seed)) for seed in range(3)))
    for name in (
        "migrate_batch",
        "migrate_page",
        "isolate",
        "free_isolate",
        "free_scan",
        "drain",
        "compact_entry",
    ):
        assert getattr(model, name) == pytest.approx(getattr(TRUE, name), rel=0.05), name
    assert abs(model.errors.error.values).max() < 0.01


def test_calibrate__one_disturbed_recording_of_three_does_not_count():
    disturbed = CostModel(migrate_batch=40_000.0, migrate_page=20_000.0, spread=(1.0,))
    model = calibrate(*(cl.read(trace(costs, 1)) for costs in (TRUE, TRUE, disturbed)))
    assert model.migrate_page == pytest.approx(TRUE.migrate_page, rel=0.1)
    assert model.errors.error.values[2] < -0.5


def test_calibrate__keeps_what_nothing_recorded_tells():
    start = CostModel(reclaim_write=123.0, migrate_mapping=321.0)
    model = calibrate(cl.read(trace(TRUE, 1)), start=start)
    assert (model.reclaim_write, model.migrate_mapping) == (123.0, 321.0)


def test_calibrate__separates_faults_that_the_host_had_to_back():
    model = calibrate(faults([90.0] * 50 + [100.0] * 50 + [5000.0] * 300))
    assert model.clear_page == pytest.approx((95_000 - model.fault - model.alloc) / 512)
    assert model.host_fault == pytest.approx(5_000_000 - 95_000)


def test_calibrate__says_its_error():
    model = calibrate(cl.datasets.load("manual-compaction"))
    assert "migrate_page" in repr(model)
    assert f"{model.errors.error.values[0]:+.1%}" in repr(model)
    assert f"<td>{model.errors.error.values[0]:+.1%}</td>" in model._repr_html_()
    assert model.errors.measured_ns.values[0] > 1e6


def test_calibrate__names_recordings_apart():
    run = cl.read(trace(TRUE, 1))
    assert len(set(calibrate(run, run, run).fitted_on)) == 3


def test_calibrate__refuses_nothing():
    with pytest.raises(ValueError, match="found no recording"):
        calibrate()


def test_calibrate__refuses_a_path():
    with pytest.raises(TypeError, match="found str, expected runs"):
        calibrate("trace.txt")


def test_calibrate__refuses_a_run_without_events():
    with pytest.raises(ValueError, match=r"found groups zones, expected events of compaction"):
        calibrate(cl.read("Node 0, zone   Normal      4      0      1 \n"))


def test_leave_one_out__fits_on_the_others():
    slow = CostModel(migrate_batch=40_000.0, migrate_page=4000.0, spread=(1.0,))
    table = leave_one_out([cl.read(trace(TRUE, 1)), cl.read(trace(slow, 1))])
    assert table.error.values[0] > 0.3
    assert table.error.values[1] < -0.2


def test_leave_one_out__refuses_one():
    with pytest.raises(ValueError, match="expected at least two"):
        leave_one_out([cl.read(trace(TRUE, 1))])


@pytest.mark.skipif(not GROUNDTRUTH.exists(), reason="the full recordings are not beside the checkout")
def test_leave_one_out__predicts_most_recordings_within_a_fifth():
    folders = sorted(path.parent for path in GROUNDTRUTH.glob("*/trace.txt.gz"))
    runs = [
        cl.read([folder / "trace.txt.gz", *folder.glob("faults*.csv")])
        for folder in folders
        if folder.name != "every2_npnt_compact"  # recorded without events
    ]
    error = abs(leave_one_out(runs).error.values)
    assert np.mean(error < 0.2) >= 0.75
    assert np.median(error) < 0.1
