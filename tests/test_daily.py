"""A day's load: it follows its curve, its backup crumbles memory, and compaction comes when it is planned."""

import numpy as np
import pytest
from test_simulate_workloads import Bitmap

import compactlab as cl
from compactlab.simulation import requests as rq
from compactlab.simulation import workloads
from compactlab.simulation.workloads.daily import CURVES, HOURS, STEPS, relative_load

PAGES = 1 << 12
ZONE = cl.Zone("64 MiB", sysctls=cl.Sysctls(compaction_proactiveness=0))  # nobody compacts unasked


def hours_of(made):
    """Requests of each hour, from the day's begin on."""
    begins = np.flatnonzero(made["op"] == rq.PHASE)
    return np.split(made, begins)[2:]


def seconds(made):
    return made["think_ns"].sum(dtype=np.int64) / 1e9


def lived(pages=PAGES, **options):
    bitmap = Bitmap(pages)
    return bitmap, bitmap.run(workloads.day(**options))


@pytest.mark.parametrize("curve", list(CURVES))
def test_day__asks_as_its_curve_says(curve):
    day = workloads.day(curve=curve, backup=0, rest=1, huge=0, churn=20, memory=0.5)
    made = Bitmap(PAGES).run(day)
    asked = [int((hour["op"] == rq.ALLOC).sum()) for hour in hours_of(made)]
    load = np.roll(relative_load(curve), -day.begin)
    between = (load + np.roll(load, -1)) / 2  # load goes evenly from hour to hour
    assert np.divide(asked, sum(asked)) == pytest.approx(between / between.sum(), rel=0.1, abs=0.003)
    assert sum(asked) == pytest.approx(20 * PAGES * 0.5, rel=0.15)


def test_day__lasts_a_day_from_its_largest_hour():
    day = workloads.day(curve="shop")
    made = Bitmap(PAGES).run(day)
    assert day.begin == 20
    assert day.phases[:6] == ("start", "20:00", "21:00", "22:00", "23:00", "0:00")
    lengths = [seconds(hour) for hour in hours_of(made)]
    assert len(lengths) == HOURS
    assert lengths == pytest.approx([3600] * HOURS, rel=0.06)
    assert sum(lengths) == pytest.approx(86400, rel=0.01)


def test_day__holds_its_shares_at_the_largest_load_and_the_rest_at_none():
    bitmap = Bitmap(PAGES)
    day = workloads.day(curve=[1] * 12 + [0] * 12, memory=0.4, rest=0.5, huge=0.3, backup=0)
    bitmap.view.where = np.full(day.slots(bitmap.view), -1, np.int32)
    bitmap.refresh()
    held = []
    for chunk in day.chunks(bitmap.view):
        for row in chunk:
            bitmap.execute(row)
        bitmap.refresh()
        held.append((bitmap.owner >= 0).mean())
    assert max(held) == pytest.approx(0.4 + 0.3, abs=0.03)
    assert min(held[2:]) == pytest.approx(0.4 * 0.5, abs=0.02)


@pytest.mark.parametrize("hours", [(), (3,), (0, 6, 12, 18.5)])
def test_day__is_compacted_at_its_hours(hours):
    day = workloads.day(compact=hours, churn=0, huge=0, backup=0)
    _, made = lived(compact=hours, churn=0, huge=0, backup=0)
    clock = np.cumsum(made["think_ns"], dtype=np.int64)[made["op"] == rq.COMPACT] / 3600e9 + day.begin
    assert sorted(np.round(clock % 24 * STEPS) / STEPS) == pytest.approx(list(hours), abs=0.02)


def test_day__is_compacted_above_a_score_when_somebody_looks():
    _, never = lived(compact_above=1.0)
    assert not (never["op"] == rq.COMPACT).any()
    often, seldom = (
        int((lived(compact_above=0.5, check_minutes=minutes)[1]["op"] == rq.COMPACT).sum())
        for minutes in (10, 60)
    )
    assert seldom > 0
    assert often > 3 * seldom  # this memory's lists are never compacted, so whoever looks finds it above


def test_day__backup_fills_memory_and_gives_it_back():
    bitmap = Bitmap(PAGES)
    day = workloads.day(curve="office")
    bitmap.view.where = np.full(day.slots(bitmap.view), -1, np.int32)
    bitmap.refresh()
    free = {}
    for chunk in day.chunks(bitmap.view):
        for row in chunk:
            if row["op"] == rq.PHASE and row["slot"] > 0:
                hour = (day.begin + int(row["slot"]) - 1) % HOURS
                free[hour] = bitmap.view.free_pages / PAGES
            bitmap.execute(row)
        bitmap.refresh()
    assert free[1] > 0.5
    assert free[2] < 0.1  # read for an hour
    assert free[3] == pytest.approx(free[1], abs=0.03)  # and given back in the next


def test_day__backup_leaves_memory_in_pieces():
    index = {}
    for backup in (0.0, 1.0):
        run = cl.simulate(ZONE, workloads.day(backup=backup), keyframes=False, frames=0)
        events = run["events"].to_dataset()
        at = run["zones"].elapsed.searchsorted(events.elapsed.values[events.phase.values == "4:00"][0])
        index[backup] = float(cl.metrics.unusable_index(run).sel(order=9)[at, 0])
    assert index[0.0] < 0.6
    assert index[1.0] > 0.9


def test_day__in_a_simulated_zone_compaction_after_the_backup_saves_the_morning():
    stalls = {}
    for hours in ((), (23,), (4,)):
        run = cl.simulate(ZONE, workloads.day(compact=hours), keyframes=False, frames=0)
        stalls[hours] = int(cl.metrics.summary(run).compact_stall)
    assert stalls[4,] < stalls[()] / 4
    assert stalls[23,] > stalls[()] / 2  # before it the backup undoes it


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"curve": "ofice"}, "curve 'ofice'; expected one of office, .* The nearest is 'office'"),
        ({"curve": [0, 0]}, r"curve: found \[0. 0.\]; expected a name .* not all of them 0"),
        ({"curve": [1, -1]}, "numbers of at least 0"),
        ({"curve": []}, "loads of equal parts of a day"),
        ({"compact": (24,)}, "compact=24; expected hours of a day, 0 to below 24"),
        ({"backup_hour": -1}, "backup_hour=-1; expected hours of a day"),
        ({"check_minutes": 15}, "check_minutes=15; expected a multiple of 10"),
        ({"churn": -1}, "churn=-1; expected at least 0"),
        ({"huge": 2}, "huge=2; expected a share"),
    ],
)
def test_day__refuses(wrong, told):
    with pytest.raises(ValueError, match=told):
        workloads.day(**wrong)
