"""A prediction beside its recording: every error worked out by hand, and on real recordings."""

import numpy as np
import pytest
import runs
import xarray as xr

import compactlab
from compactlab import metrics, schema

BEFORE, AFTER = [[40, 4, 0]], [[8, 0, 10]]


def events(rows) -> xr.Dataset:
    """Group `events` from rows (elapsed, role, zone, name, field, value)."""
    dataset = {
        "name": [f"mm_compaction_{row[3]}" for row in rows],
        "role": [row[1] for row in rows],
        "zone": [row[2] for row in rows],
        "status": [row[5] if row[4] == "status" else "" for row in rows],
    }
    numbers = {
        field: [row[5] if row[4] == field else schema.NO_INTEGER for row in rows]
        for field in ("nr_migrated", "nr_scanned")
    }
    elapsed = np.array([row[0] for row in rows])
    return xr.Dataset(
        {name: ("event", np.array(values, object)) for name, values in dataset.items()}
        | {name: ("event", np.array(values)) for name, values in numbers.items()},
        {"time": ("event", elapsed), "elapsed": ("event", elapsed)},
    )


def manual(
    start=100, scanned=(60, 40), migrated=30, end=200, status="complete", zone="0/Normal", role="manual"
):
    return [
        (start, role, zone, "begin", "", None),
        (start + 10, role, zone, "isolate_migratepages", "nr_scanned", scanned[0]),
        (start + 20, role, zone, "isolate_freepages", "nr_scanned", scanned[1]),
        (start + 30, role, zone, "migratepages", "nr_migrated", migrated),
        (end, role, zone, "end", "status", status),
    ]


def run(*rows, nr_free=(BEFORE, AFTER), elapsed=(0, 250), names=("Normal",), **groups) -> xr.DataTree:
    zones = runs.zones(nr_free, names=names, elapsed=elapsed)
    return schema.new_run({"zones": zones, "events": events(list(rows)), **groups}, name="made")


def counters(elapsed, *values) -> xr.Dataset:
    names = ["pgmigrate_success", "compact_migrate_scanned", "compact_free_scanned"]
    return xr.Dataset(
        {
            "value": (("time", "counter"), np.array(values)),
            "present": (("time", "counter"), np.ones((len(values), 3), bool)),
        },
        {"time": list(elapsed), "elapsed": ("time", list(elapsed)), "counter": np.array(names, object)},
    )


def test_score__errors_worked_out_by_hand():
    recorded = run(*manual())
    predicted = run(
        *manual(scanned=(66, 40), migrated=27, end=220, status="contended"), nr_free=(BEFORE, [[12, 2, 8]])
    )
    found = metrics.score(predicted, recorded)
    assert float(found.migrated_error) == pytest.approx(-0.1)
    assert float(found.migrate_scanned_error) == pytest.approx(0.1)
    assert float(found.free_scanned_error) == 0
    assert float(found.duration_error) == pytest.approx(0.2)
    assert found.duration_ns.values.tolist() == [120, 100]
    assert (str(found.status_predicted.values), str(found.status_recorded.values)) == (
        "contended",
        "complete",
    )
    assert found.nr_free.values.tolist() == [[12, 2, 8], [8, 0, 10]]
    # 48 pages free: 12 + 4 + 32 against 8 + 0 + 40; order 2 can use 32 of 48, and 40 of 48
    assert float(found.free_pages_distance) == pytest.approx((4 + 4 + 8) / 2 / 48)
    assert found.unusable_error.values == pytest.approx([0, 0.25 - 0.166, 0.333 - 0.166])
    assert found.attrs["zone"] == "0/Normal"


def test_outcome__takes_the_first_manual_run_only():
    direct = manual(start=10, end=60, role="holder", migrated=500)
    again = manual(start=300, end=400, migrated=900, status="contended")
    found = metrics.outcome(run(*direct, *manual(), *again), "0/Normal")
    assert found.migrated == 30
    assert found.duration_ns == 100
    assert str(found.status.values) == "complete"


def test_outcome__without_manual_all_that_compacted():
    direct = [manual(start=s, end=s + 50, role="holder", status="success") for s in (10, 100)]
    found = metrics.outcome(run(*direct[0], *direct[1]), "0/Normal")
    assert (int(found.migrated), int(found.duration_ns), str(found.status.values)) == (60, 140, "success")


def test_outcome__counts_one_zone_or_all():
    other = manual(start=20, end=80, zone="0/DMA32", migrated=7)
    both = run(
        *other, *manual(), nr_free=[[[1, 0, 0], [40, 4, 0]]] * 2, names=("DMA32", "Normal"), elapsed=(0, 250)
    )
    assert metrics.outcome(both, "0/Normal").migrated == 30
    assert metrics.outcome(both, "0/DMA32").migrated == 7
    assert metrics.outcome(both, "0/Normal", all_zones=True).migrated == 37


def test_outcome__free_blocks_of_the_first_sample_after():
    samples = ([[40, 4, 0]], [[30, 4, 2]], [[8, 0, 10]], [[0, 0, 12]])
    found = metrics.outcome(run(*manual(), nr_free=samples, elapsed=(0, 199, 200, 300)), "0/Normal")
    assert found.nr_free.values.tolist() == [8, 0, 10]
    early = metrics.outcome(run(*manual(), nr_free=samples[:2], elapsed=(0, 199)), "0/Normal")
    assert early.nr_free.values.tolist() == [30, 4, 2]


def test_score__scanner_events_that_were_not_traced_are_nan():
    rows = [row for row in manual() if row[3] != "isolate_freepages"]
    found = metrics.score(run(*manual()), run(*rows))
    assert found.free_scanned.values.tolist() == [40, -1]
    assert np.isnan(found.free_scanned_error)
    assert float(found.migrated_error) == 0


def test_score__nothing_recorded_is_no_division_by_zero():
    idle = run(*manual(migrated=0))
    assert np.isnan(metrics.score(run(*manual()), idle).migrated_error)
    assert metrics.score(idle, idle).migrated_error == 0


def test_score__fast_searches_count_as_free_scanned():
    fast = (125, "manual", "0/Normal", "fast_isolate_freepages", "nr_scanned", 5)
    assert metrics.outcome(run(*manual(), fast), "0/Normal").free_scanned == 45


def test_score__recording_without_events_by_counters_of_all_zones():
    elapsed = (0, 90, 250)
    zones = runs.zones((BEFORE, AFTER), elapsed=(0, 250))
    values = ([100, 10, 0], [100, 10, 0], [137, 130, 80])
    recorded = schema.new_run({"zones": zones, "counters": counters(elapsed, *values)})
    other = manual(start=20, end=80, zone="0/DMA32", migrated=7)
    predicted = run(
        *other, *manual(), nr_free=[[[1, 0, 0], [8, 0, 10]]] * 2, names=("DMA32", "Normal"), elapsed=(0, 250)
    )
    found = metrics.score(predicted, recorded)
    assert found.migrated.values.tolist() == [37, 37]
    assert found.migrate_scanned.values.tolist() == [120, 120]
    assert np.isnan(found.duration_error)
    assert float(found.free_pages_distance) == 0
    assert not found.attrs["traced"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: run(*manual(zone="0/DMA32")), "zone '0/Normal': the run 'made' has no compaction of it"),
        (lambda: schema.new_run({"zones": runs.zones([BEFORE])}), "has no compaction of it; expected events"),
        (lambda: schema.new_run({}), "expected zones"),
    ],
)
def test_score__runs_that_cannot_be_judged(make, message):
    with pytest.raises(ValueError, match=message):
        metrics.score(make(), run(*manual()))


def test_score__zone_that_is_not_there():
    with pytest.raises(ValueError, match="zone '1/Normal': the run 'made' has 0/Normal"):
        metrics.score(run(*manual()), run(*manual()), zone="1/Normal")


MEASURED = {  # by hand from the recordings: migrated in zone Normal, ms of the whole write, unusable index after
    "every2_np_compact": (860_363, 1863, 0.081),
    "rand30_np_compact": (717_275, 1542, 0.111),
    "vary_np_compact": (843_033, 2114, 0.112),
    "unmov_np_compact": (835_353, 1754, 0.389),
    "every2_compact": (749_426, 2722, 0.134),
    "cluster50_compact": (859_741, 1954, 0.214),
    "full95_compact": (5_868, 36, 0.141),
    "vary_compact": (169_769, 343, 0.871),
}


@pytest.mark.parametrize("name", MEASURED)
def test_outcome__groundtruth_as_found_by_hand(groundtruth, name):
    migrated, milliseconds, index = MEASURED[name]
    recorded = compactlab.read(groundtruth / name)
    found = metrics.outcome(recorded, "0/Normal")
    assert found.migrated == migrated
    assert 0.95 * milliseconds - 4 < found.duration_ns / 1e6 < milliseconds + 0.5
    assert metrics.unusable_index(found.nr_free)[9] == pytest.approx(index, abs=0.0011)
    assert str(found.status.values) == ("contended" if name == "vary_compact" else "complete")
    everywhere = metrics.outcome(recorded, "0/Normal", all_zones=True)
    if name != "vary_np_compact":  # there a direct compaction follows before the second map
        counted = (
            recorded["counters"].to_dataset().sel(counter=["compact_migrate_scanned", "compact_free_scanned"])
        )
        at = np.searchsorted(counted.elapsed.values, recorded["pages/elapsed"].values, side="right") - 1
        risen = np.diff(counted.value.values[at], axis=0)[0].tolist()
        assert [int(everywhere.migrate_scanned), int(everywhere.free_scanned)] == risen


def test_score__groundtruth_untraced_has_its_work_from_counters(groundtruth):
    untraced = compactlab.read(groundtruth / "every2_npnt_compact")
    found = metrics.score(untraced, untraced)
    assert found.migrated.values.tolist() == [710_933, 710_933]
    assert np.isnan(found.duration_error)
    assert found.status_recorded == ""
    assert metrics.unusable_index(found.nr_free)[1, 9] == pytest.approx(0.09, abs=0.01)
