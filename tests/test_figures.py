"""Figures without a browser: what is drawn of a run, in which place, number and colour."""

from __future__ import annotations

import numpy as np
import pytest
import runs
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import compactlab as cl
from compactlab import metrics, schema
from compactlab.figures import explorer
from compactlab.figures.frames import ABSENT, frames
from compactlab.figures.timeline import WIDTH, label, timeline_of
from compactlab.figures.view import subject_of


def walk(n: int, seed: int = 1) -> np.ndarray:
    """Free blocks (n, 2 zones, 11 orders) that come and go, none of the largest for a while."""
    random = np.random.default_rng(seed)
    blocks = np.abs(np.cumsum(random.integers(-9, 10, (n, 2, 11)), axis=0))
    blocks[n // 3 : n // 2, :, 8:] = 0
    return blocks


def run_of(n: int, **groups):
    zones = runs.zones(walk(n), ("DMA32", "Normal"))
    return schema.new_run({"zones": zones, **groups}, page_size=4096, name="walk")


def with_phases(run, *spans):
    starts, ends, names = zip(*spans, strict=True)
    phases = {"start": np.array(starts), "end": np.array(ends), "name": np.array(names, object)}
    groups = {name: run[name].to_dataset() for name in run.children}
    groups["phases"] = xr.Dataset({name: ("phase", values) for name, values in phases.items()})
    return schema.new_run(groups, **run.attrs)


def main_of(scene) -> dict[str, np.ndarray]:
    """Columns of the main source of a scene."""
    return {name: values[0] for name, values in scene.root.select_one({"name": "main"}).data.items()}


# ------------------------------------------------------------------ time


@st.composite
def timelines(draw):
    """Timeline of a run with up to five phases that follow one another, with or without pauses."""
    marks = sorted(draw(st.sets(st.integers(0, 10**12), min_size=2, max_size=10)))
    spans = [(a, b, f"phase_{k}") for k, (a, b) in enumerate(zip(marks[::2], marks[1::2], strict=False))]
    elapsed = np.array([marks[0], marks[-1] + draw(st.integers(0, 10**11))])
    run = schema.new_run({"zones": runs.zones(walk(2), ("DMA32", "Normal"), elapsed=elapsed)})
    return timeline_of(with_phases(run, *spans))


@given(timelines(), st.lists(st.floats(0, 1), min_size=2, max_size=50))
def test_timeline__drawn_time_is_read_back(timeline, shares):
    seconds = timeline.start + np.sort(shares) * (timeline.end - timeline.start)
    for axis in timeline.positions:
        drawn = timeline.draw(seconds, axis)
        assert drawn.min() >= 0
        assert drawn.max() <= WIDTH + 1e-6
        assert (np.diff(drawn) >= -1e-9).all()
        assert np.allclose(timeline.seconds(drawn, axis), seconds, rtol=0, atol=1e-6 * timeline.end)


@given(timelines())
def test_timeline__every_phase_is_wider_than_nothing(timeline):
    for positions in timeline.positions.values():
        assert positions[0] == 0
        assert positions[-1] == pytest.approx(WIDTH)
        assert (np.diff(positions) > 0).all()


@given(
    timelines(),
    st.integers(1, 3000),
    st.integers(3, 500),
    st.tuples(st.floats(0, WIDTH), st.floats(0, WIDTH)).map(sorted),
)
def test_rows__never_more_than_the_limit_and_they_hold_the_part(timeline, n, limit, part):
    seconds = np.linspace(timeline.start, timeline.end, n)
    for between in (None, *((*part, axis) for axis in timeline.positions)):
        rows = timeline.rows(seconds, limit, between)
        assert 1 <= len(rows) <= limit
        assert (np.diff(rows) > 0).all()
        if between is None:
            assert (rows[0], rows[-1]) == (0, n - 1)
            continue
        first, last = timeline.seconds(np.array(part), between[2])
        assert seconds[rows[0]] <= max(first, seconds[0])
        inside = np.flatnonzero((seconds >= first) & (seconds <= last))
        if inside.size:
            assert rows[-1] >= inside[-1]
            assert rows[0] <= inside[0]


def test_rows__all_of_a_part_that_fits():
    timeline = timeline_of(run_of(10_000))
    seconds = np.arange(10_000.0)
    rows = timeline.rows(seconds, 2000, (500, 600, "linear"))
    assert np.array_equal(rows, np.arange(rows[0], rows[-1] + 1))
    assert rows[0] <= 5000 <= 6000 - 1 <= rows[-1]


def test_timeline__one_moment_is_drawn_as_a_stretch():
    timeline = timeline_of(run_of(1))
    assert timeline.instant
    assert (timeline.start, timeline.end) == (0, 1)
    assert not timeline_of(run_of(2)).instant


def test_phases__are_told_apart_by_name_and_their_pauses_stay_unnamed():
    run = with_phases(
        run_of(60),
        (0, 5 * runs.SECOND, "baseline"),
        (5 * runs.SECOND, 6 * runs.SECOND, "demand_order9"),
        (6 * runs.SECOND, 59 * runs.SECOND, "after_demand"),
    )
    scene = explorer(run)
    source = scene.root.select_one({"name": "phases"}).renderers[0].data_source
    assert list(source.data["name"]) == ["baseline", "demand order9", ""]
    assert list(source.data["full"]) == ["baseline", "demand order9", "after demand"]
    assert scene.root.select_one({"name": "axis"}).value == "phase"
    assert label("after_demand") == ""
    at = timeline_of(run).draw(np.array([5.0, 6.0]), "phase")
    assert np.diff(at)[0] > 7 * len("demand order9")  # a second in a minute, and wide enough to be named


# ------------------------------------------------------------------ rows


@settings(deadline=None)
@given(st.integers(3, 400), st.integers(3, 60), st.integers(0, 5))
def test_frames__thinning_hides_no_extreme(n, bins, seed):
    zones = runs.zones(walk(n, seed), ("DMA32", "Normal"))
    subject = subject_of(schema.new_run({"zones": zones}), "light", bins)
    columns = frames(subject)
    n_rows = len(columns["t"])
    low, high = (columns[name].reshape(n_rows, 2) for name in ("low", "high"))
    free = zones["free_pages"].to_numpy()
    assert n_rows <= bins
    assert (columns["t"][0], columns["t"][-1]) == (0, n - 1)
    assert np.array_equal(low.min(0), free.min(0))
    assert np.array_equal(high.max(0), free.max(0))
    rows = columns["t"].astype(int)
    assert ((low <= free[rows]) & (free[rows] <= high)).all()


def test_frames__hold_what_the_metrics_tell():
    run = run_of(50)
    columns = frames(subject_of(run, "light", 2000))
    zones = run["zones"].to_dataset()
    shape = zones["nr_free"].shape
    assert np.array_equal(columns["free"].reshape(shape), zones["nr_free"])
    for name, metric in (
        ("unusable", metrics.unusable_index),
        ("fragmentation", metrics.fragmentation_index),
    ):
        thousandths = np.rint(metric(run).to_numpy() * 1000)
        assert np.array_equal(columns[name].reshape(shape), thousandths)
    assert len(np.unique(columns["fragmentation"])) > 10
    for order in range(shape[2]):
        verdict = metrics.verdict(run, order, text=False)
        for name in ("reason", "nr_suitable", "free_pages"):
            values = columns[f"verdict_{name}"].reshape(-1, *shape[:2])
            assert np.array_equal(values[order if len(values) > 1 else 0], verdict[name])


def test_frames__an_order_that_was_not_listed_is_absent():
    blocks = walk(9)
    present = np.ones(blocks.shape, bool)
    present[4:, 1] = False
    zones = runs.zones(np.where(present, blocks, 0), ("DMA32", "Normal"), present=present)
    columns = frames(subject_of(schema.new_run({"zones": zones}), "light", 2000))
    assert np.array_equal(columns["unusable"].reshape(blocks.shape) == ABSENT, ~present)


def test_frames__counts_beyond_32_bits_stay_exact():
    blocks = np.full((2, 1, 1), 2**40 + 1)
    columns = frames(subject_of(schema.new_run({"zones": runs.zones(blocks)}), "light", 2000))
    assert columns["free"].tolist() == [2**40 + 1] * 2


def test_refine__draws_all_samples_of_a_part():
    scene = explorer(run_of(5000), bins=200, live=True)
    coarse = main_of(scene)["t"]
    main = scene.root.select_one({"name": "main"})
    (update,) = [
        update
        for update in scene.answer({"type": "zoom", "first": 400, "last": 420, "axis": "linear"})
        if update["id"] == main.id
    ]
    fine = update["data"]["t"][0]
    assert len(coarse) <= 200
    assert np.array_equal(fine, np.arange(fine[0], fine[-1] + 1))
    assert fine[0] <= 0.4 * 4999 < 0.42 * 4999 <= fine[-1]


# ------------------------------------------------------------------ views


def views_of(scene) -> list[str]:
    names = ("contiguity", "indices", "migratetypes", "who", "work", "latency")
    return [name for name in names if scene.root.select_one({"name": name}) is not None]


def test_explorer__all_views_of_a_whole_recording():
    scene = explorer(cl.datasets.load("whole-story"))
    assert views_of(scene) == ["contiguity", "indices", "migratetypes", "who", "work", "latency"]
    assert scene.note.startswith("1\u00a0907 snapshots")


def test_explorer__names_what_the_recording_lacks():
    scene = explorer(run_of(5))
    assert views_of(scene) == ["contiguity", "indices"]
    for lacking in ("/proc/zoneinfo", "/proc/pagetypeinfo", "/proc/vmstat", "latency"):
        assert lacking in scene.note
    assert "buddyinfo" not in scene.note
    assert "5 snapshots" in scene.note


def test_explorer__free_lists_lacking():
    types = {"Unmovable": walk(4)[:, :1], "Movable": walk(4)[:, 1:]}
    scene = explorer(schema.new_run({"migratetypes": runs.migratetypes(types)}))
    assert views_of(scene) == ["migratetypes"]
    assert "buddyinfo" in scene.note
    assert scene.root.select_one({"name": "zone"}).visible
    assert not scene.root.select_one({"name": "order"}).visible


def test_explorer__says_what_was_thinned():
    assert explorer(run_of(500), bins=100).note.startswith("thinned to ")
    assert "zoom in for more" in explorer(run_of(500), bins=100, live=True).note


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"zone": "Norml"}, r"zone: got 'Norml', expected one of 0/DMA32, 0/Normal"),
        ({"order": 11}, r"order: got 11, expected 0 to 10"),
        ({"order": -1}, r"order: got -1, expected 0 to 10"),
        ({"theme": "black"}, r"theme: got 'black', expected 'auto', 'light' or 'dark'"),
    ],
)
def test_explorer__refuses_what_does_not_exist(options, said):
    with pytest.raises(ValueError, match=said):
        explorer(run_of(3), **options)


def test_explorer__refuses_a_run_with_nothing_to_draw():
    with pytest.raises(ValueError, match="found nothing to draw; expected one of the groups zones"):
        explorer(schema.new_run({}))


@pytest.mark.parametrize("zone", ["Normal", "0/Normal"])
def test_explorer__opens_on_what_was_asked(zone):
    scene = explorer(run_of(3), zone=zone, order=4)
    assert scene.root.select_one({"name": "zone"}).value == "1"
    assert scene.root.select_one({"name": "order"}).value == "4"
