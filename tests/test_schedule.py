"""When to compact: policies as people say them, days in numbers, and a sentence that claims no more than is told."""

import numpy as np
import pytest
import xarray as xr

import compactlab as cl
from compactlab.experiments import curve_of
from compactlab.experiments.policies import policies_of, policy_of
from compactlab.experiments.schedule import apart, judged, measure_day
from compactlab.metrics import WHO
from compactlab.simulation.workloads.daily import relative_load


@pytest.fixture(scope="module")
def office():
    return cl.schedule("64 MiB", "office", windows=[0, 4, 5, 12], seeds=5)


@pytest.mark.parametrize(
    ("text", "name", "parameters"),
    [
        ("never", "never", {"compaction_proactiveness": 0}),
        ("At 04:00", "at 4:00", {"compaction_proactiveness": 0, "compact": (4.0,)}),
        ("at 16:30 and 4", "at 4:00 and 16:30", {"compaction_proactiveness": 0, "compact": (4.0, 16.5)}),
        ("every 6 h", "every 6 h", {"compaction_proactiveness": 0, "compact": (0.0, 6.0, 12.0, 18.0)}),
        ("every 24 hours", "every 24 h", {"compaction_proactiveness": 0, "compact": (0.0,)}),
        ("above 90%", "above 90 %", {"compaction_proactiveness": 0, "compact_above": 0.9}),
        ("proactive 20", "proactive 20", {"compaction_proactiveness": 20}),
    ],
)
def test_policy_of__reads_what_people_say(text, name, parameters):
    found = policy_of(text)
    assert (found.name, found.parameters) == (name, parameters)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nightly", "expected 'never', 'at 4:00'"),
        ("at 24:00", "expected 0:00 to 23:59"),
        ("at 4:75", "expected 0:00 to 23:59"),
        ("every 0 h", "expected 1 to 24 hours"),
        ("proactive 101", "expected 0 to 100"),
        ("at 4:00 tomorrow", "expected 'never'"),
    ],
)
def test_policy_of__refuses(text, expected):
    with pytest.raises(ValueError, match=rf"policy '{text}'; {expected}"):
        policy_of(text)


def test_policies_of__has_never_in_front_and_each_once():
    assert list(policies_of(["every 6 h", "never", "every 6 hours"])) == ["never", "every 6 h"]


def test_measure_day__counts_what_the_run_has():
    zone = cl.Zone("64 MiB", sysctls=cl.Sysctls(compaction_proactiveness=0))
    run = cl.simulate(zone, cl.workloads.day(compact=2.5), frames=0, keyframes=False)
    told, asked = measure_day(run), run["allocations"].to_dataset()
    events, runs = run["events"].to_dataset(), cl.metrics.compaction_runs(run)
    begin = events.elapsed.values[(events.phase == "10:00").values][0]
    mine = asked.isel(allocation=(asked.elapsed >= begin).values)
    stalled = ((mine.compact_stall > 0) | (mine.reclaim_ns > 0)).values
    assert int(told.stalls.sum()) == stalled.sum() > 0
    assert int(told.requests.sum()) == mine.sizes["allocation"]
    assert int(told.failures.sum()) == int((~mine.success).sum())
    assert int(told.compaction_ns.sum()) == int((runs.end - runs.start).sum())
    manual = told.compaction_ns.values[WHO.index("manual")]
    assert np.flatnonzero(manual).tolist() == [16]  # at half past two, a day that begins at ten
    assert told.unusable_index.values[17] < told.unusable_index.values[16]


def test_measure_day__needs_a_whole_day():
    run = cl.simulate(cl.Zone("64 MiB"), cl.workloads.idle(1), frames=0, keyframes=False)
    with pytest.raises(ValueError, match="found 0 hours; expected a whole day"):
        measure_day(run)


def test_schedule__every_policy_runs_when_it_should(office):
    work = office.compaction_ns.median("seed")
    manual = work.sel(who="manual")
    hours = {
        policy: office.hour.values[manual.sel(policy=policy).values > 0].tolist()
        for policy in ("never", "at 4:00", "at 12:00", "every 6 h", "proactive 20")
    }
    assert hours["never"] == hours["proactive 20"] == []
    assert hours["at 4:00"] == [4]
    assert hours["at 12:00"] == [12]
    assert sorted(hours["every 6 h"]) == [0, 6, 12, 18]
    assert float(manual.sel(policy="above 90 %").sum()) > 0
    proactive = work.sel(who="proactive").sum("hour")
    assert [str(name) for name in office.policy.values if proactive.sel(policy=name) > 0] == ["proactive 20"]


def test_schedule__finds_the_window_after_the_backup_and_before_the_morning(office):
    assert office.attrs["best_window"] in ("4:00", "5:00")
    assert office.attrs["level"] == "ok"
    stalls = office.total_stalls.sel(bound="median")
    assert stalls.sel(policy="at 4:00") < stalls.sel(policy="never") / 4
    assert bool(office.as_good.sel(policy="at 4:00"))
    assert not office.as_good.sel(policy=["never", "at 0:00", "at 12:00"]).any()
    assert office.attrs["text"].startswith(f"Compact at {office.attrs['best_window']}: that avoids ")


def test_schedule__totals_are_the_medians_of_the_hours(office):
    total = office.stalls.sum("hour").median("seed")
    assert total.values.tolist() == office.total_stalls.sel(bound="median").values.tolist()
    avoided = (office.stalls.sel(policy="never") - office.stalls).sum("hour").median("seed")
    assert avoided.values.tolist() == office.avoided.sel(bound="median").values.tolist()
    assert (office.total_stalls.sel(bound="low") <= office.total_stalls.sel(bound="high")).all()


def test_schedule__of_too_few_days_tells_nothing():
    told = cl.schedule("64 MiB", policies=["at 4:00"], windows=[], seeds=2)
    assert told.attrs["text"] == (
        "2 days of each policy are too few to tell anything apart; ask for seeds=5 or more."
    )
    assert told.attrs["level"] == "warn"
    assert told.attrs["best_window"] == ""


def test_schedule__of_a_day_without_stalls_has_nothing_to_avoid():
    told = cl.schedule("64 MiB", "flat", policies=[], windows=[4], seeds=4, huge=0.05)
    assert told.attrs["text"].startswith("No request stalls on this day if nobody compacts")
    assert told.attrs["best_policy"] == "never"


def test_schedule__takes_the_curve_of_a_run_and_resumes(tmp_path):
    run = cl.datasets.load("whole-story")
    call = {"curve": run, "policies": ["at 4:00"], "windows": [], "seeds": 1, "path": tmp_path / "days.jsonl"}
    first = cl.schedule("64 MiB", **call)
    assert first.attrs["curve"] == "pages allocated of whole-story, the run taken to be one day"
    rolled = np.roll(curve_of(run).values, -first.attrs["begin"])
    assert first.relative_load.values == pytest.approx(rolled)
    xr.testing.assert_identical(first, cl.schedule("64 MiB", **call))
    assert len((tmp_path / "days.jsonl").read_text().splitlines()) == 4
    with pytest.raises(ValueError, match=r"of another sweep: of\.workload\.curve is"):
        cl.schedule("64 MiB", **call | {"curve": "office"})


def days(stalls, cpu=None):
    """What a sweep of such stalls, {policy: one of each seed}, looks like."""
    names = list(stalls)
    values = np.array([stalls[name] for name in names], float)
    cost = (
        np.ones_like(values) if cpu is None else np.array([[cpu[name]] * values.shape[1] for name in names])
    )
    hourly = np.zeros((*values.shape, 24))
    hourly[..., 3] = values
    work = np.zeros((*values.shape, len(WHO), 24))
    work[..., 0, 3] = cost * 1e6
    return xr.Dataset(
        {
            **dict.fromkeys(("stalls", "failures", "stall_ns"), (("policy", "seed", "hour"), hourly)),
            "compaction_ns": (("policy", "seed", "who", "hour"), work),
        },
        {"policy": np.array(names, object), "seed": range(values.shape[1]), "who": list(WHO)},
        {"missing": int(np.isnan(values).sum()), "windows": [name[3:] for name in names if name.startswith("at")]},
    )  # fmt: skip


def test_judged__says_when_no_hour_can_be_told_from_another():
    told = judged(
        days({"never": [90, 95, 99, 92, 97], "at 2:00": [3, 1, 2, 4, 1], "at 4:00": [2, 3, 1, 1, 4]})
    )
    assert "no hour can be told from another" in told.attrs["text"]
    assert told.attrs["best_window"] == ""


def test_judged__says_when_nothing_can_be_told_from_never():
    told = judged(days({"never": [90, 55, 99, 62, 97], "at 2:00": [83, 61, 92, 74, 91]}))
    assert told.attrs["text"].startswith(
        "No policy can be told from never compacting: 90 (55 to 99) requests"
    )
    assert told.attrs["best_policy"] == "never"


def test_judged__names_a_span_of_hours_across_midnight_and_others():
    low, high = [1, 2, 1, 0, 2], [80, 85, 79, 90, 88]
    told = judged(
        days({"never": high, "at 0:00": low, "at 4:00": high, "at 8:00": [0] * 5, "at 12:00": high, "at 20:00": [0, 1, 2, 0, 0]})
    )  # fmt: skip
    assert told.attrs["best_window"] == "8:00"
    assert "any hour from 20:00 to 0:00" not in told.attrs["text"]
    assert "0:00 and 20:00 does as well" in told.attrs["text"]
    told = judged(days({"never": high, "at 0:00": low, "at 4:00": high, "at 20:00": [0] * 5}))
    assert "any hour from 20:00 to 0:00 does as well" in told.attrs["text"]


def test_judged__prefers_the_cheaper_of_what_is_as_good():
    cost = {"never": 9, "at 4:00": 20, "every 6 h": 50, "proactive 20": 10}
    stalls = {name: [0, 1, 0, 0, 2] for name in cost} | {"never": [70, 75, 80, 85, 90]}
    told = judged(days(stalls, cost))
    assert told.attrs["best_policy"] == "proactive 20"
    assert "“proactive 20” costs least: 0 (0 to 2) stalls, 10" in told.attrs["text"]


def test_judged__missing_days_are_said():
    told = judged(days({"never": [70, 75, 80, 85, np.nan], "at 4:00": [0, 1, 0, 0, np.nan], "at 6:00": [np.nan] * 5}))  # fmt: skip
    assert told.attrs["text"].endswith("7 days are missing.")
    assert told.attrs["level"] == "warn"
    assert not told.as_good.sel(policy="at 6:00")


def test_apart__needs_seeds_pairs_and_an_interval_without_zero():
    one, other = np.array([5.0, 6, 7, 8, 9]), np.array([1.0, 2, 3, 4, 4.5])
    assert apart(one, other)
    assert not apart(one[:3], other[:3])
    assert not apart(one, one)
    assert not apart(one, other + 3)  # always by as much, but five overlapping pairs are too few
    more = np.arange(6.0)
    assert apart(more, more + 3)


def test_curve_of__a_run_of_a_day_gives_its_load_back():
    zone = cl.Zone("64 MiB", sysctls=cl.Sysctls(compaction_proactiveness=0))
    day = cl.workloads.day(curve="shop", churn=30, rest=1, huge=0, backup=0)
    run = cl.simulate(zone, day, frames=0, keyframes=False)
    events = run["events"].to_dataset()
    begin = int(events.elapsed[(events.phase == "20:00").values][0])
    counters = run["counters"].to_dataset()
    rows = np.flatnonzero(counters.elapsed.values >= begin)
    cut = xr.DataTree.from_dict({"/counters": counters.isel(time=rows)})
    cut.attrs = run.attrs
    found = curve_of(cut)
    expected = np.roll(relative_load("shop"), -20)
    assert np.corrcoef(found, (expected + np.roll(expected, -1)) / 2)[0, 1] > 0.97
    assert float(found.max()) == 1


def test_curve_of__days_by_the_wall_clock_are_averaged_by_the_hour_of_the_day():
    hours = np.arange(0, 73) * 3600 * 10**9
    load = np.tile([1, 3] * 12, 3)
    counters = xr.Dataset(
        {
            "value": (("time", "counter"), np.concatenate([[0], np.cumsum(load)])[:, None]),
            "present": (("time", "counter"), np.ones((73, 1), bool)),
        },
        {"elapsed": ("time", hours), "counter": np.array(["pgalloc_normal"], object)},
    )
    run = xr.DataTree.from_dict({"/counters": counters})
    run.attrs = {"clock": "wall", "start_ns": 5 * 3600 * 10**9, "name": "three-days"}
    found = curve_of(run)
    assert found.values == pytest.approx(np.roll(np.array([1, 3] * 12) / 3, 5))
    assert found.attrs["text"] == "pages allocated of three-days, mean of each hour of the day (UTC)"


def test_curve_of__run_that_counts_nothing():
    run = xr.DataTree.from_dict({})
    run.attrs = {"name": "empty", "clock": "none"}
    with pytest.raises(ValueError, match="'empty': found no counters that rise"):
        curve_of(run)
