"""The article's program: what it does here is what was recorded, and no physical contiguity is at stake."""

import shutil
import sys

import numpy as np
import pytest

from compactlab import casestudy, programs
from compactlab.casestudy import HIDDEN, NO_FRAME, neighbours
from compactlab.figures.story import story_of

HERE = sys.platform == "linux" and shutil.which("gcc") is not None
PAGE = 4096


@pytest.fixture(scope="module")
def recorded():
    return casestudy.recorded()


def test_recorded__blocks_lie_side_by_side_in_the_first_pages(recorded):
    assert set(np.diff(recorded.offset.values)) == {48}  # 32 bytes, 8 of malloc, rounded to 16
    assert recorded.given_back.sum() == 500
    assert recorded.offset.values[-1] // PAGE == 11
    assert (recorded.frame.sel(stage="taken").values[:12] > 0).all()
    assert (recorded.frame.sel(stage="taken").values[12:] == NO_FRAME).all()


def test_recorded__the_heap_never_grew(recorded):
    assert recorded.heap_end.values.tolist() == [0] + [132 * 1024] * 4


def test_recorded__the_5000_bytes_came_from_the_top(recorded):
    last = int(recorded.offset[-1])
    assert int(recorded.large) == last  # the last block was given back, and borders on the top
    assert recorded.given_back[-1]
    taken = int(recorded.top.sel(stage="given back") - recorded.top.sel(stage="asked"))
    assert taken == 5008 - 48  # 5000 bytes, 8 of malloc, rounded to 16; the last block was joined to the top
    assert 0 < int(recorded.large_ns) < 1_000_000


def test_recorded__giving_back_and_asking_changed_no_frame(recorded):
    stages = [
        recorded.frame.sel(stage=stage).values[:12] for stage in ("taken", "given back", "asked", "written")
    ]
    assert all((stage == stages[0]).all() for stage in stages)


def test_recorded__what_is_held_free_is_in_holes_of_one_block(recorded):
    holes = int((recorded.free - recorded.top).sel(stage="given back"))
    assert holes == (500 - 7) * 48  # seven wait in malloc's cache for this size
    assert holes > 4 * casestudy.LARGE  # enough in sum, and of no use


def test_recorded__every_request_to_the_kernel_was_for_one_page(recorded):
    assert recorded.requests.sel(order=0).sum() == 18
    assert recorded.requests.sel(order=slice(1, None)).sum() == 0
    new = np.diff((recorded.frame != NO_FRAME).sum("page").values)
    assert (recorded.requests.sum("order").values[1:] >= new).all()
    assert int(recorded.requests.sum("order").sel(stage="given back")) == 0


def test_recorded__frames_lie_anywhere_and_the_program_never_notices(recorded):
    runs = recorded.other_runs.values
    assert ((runs > 0).sum(1) == 14).all()
    counts = [neighbours(frames) for frames in runs]
    assert max(counts) < 8
    assert len({tuple(frames) for frames in runs}) == len(runs)
    assert (
        (np.abs(np.diff(runs[:, :14])) > 1 << 18).any(1).all()
    )  # somewhere more than 1 GiB apart, each time


def test_run__here_or_says_why_not():
    told = casestudy.run()
    if not HERE:
        assert told.attrs["source"] == "recorded"
        assert told.attrs["why"]
        return
    assert told.attrs["source"] == "run here"
    offsets = np.sort(told.offset.values)
    assert (np.diff(offsets) >= 32).all()  # whatever malloc this is: blocks do not overlap
    assert int(told.large) >= 0
    frames = told.frame.sel(stage="written").values
    assert ((frames == HIDDEN).any() and bool(told.attrs["why"])) or (frames > 0).any()
    story_of(casestudy.story(told))


@pytest.mark.parametrize(
    ("platform", "compiler", "why"),
    [("darwin", "/usr/bin/gcc", "this is not Linux"), ("linux", None, "there is no gcc here")],
)
def test_run__elsewhere_is_the_recorded_and_says_so(monkeypatch, recorded, platform, compiler, why):
    monkeypatch.setattr(programs.sys, "platform", platform)
    monkeypatch.setattr(programs.shutil, "which", lambda _: compiler)
    told = casestudy.run()
    assert (told.attrs["source"], told.attrs["why"]) == ("recorded", why)
    assert told.attrs["text"] == f"The recorded run: {why}."
    assert told.drop_attrs().identical(recorded.drop_attrs())


@pytest.mark.skipif(not HERE, reason="needs Linux and gcc")
def test_run__too_slow_is_said():
    told = casestudy.run(seconds=0.001)
    assert "took longer than 0.001 s" in told.attrs["why"]


@pytest.mark.skipif(not HERE, reason="needs Linux and gcc")
def test_run__without_root_addresses_are_seen_and_frames_are_not(monkeypatch, recorded):
    text = "\n".join(
        ["what,stage,number,value", "large,3,0,48624", "ns,3,0,1"]
        + [f"block,1,{i},{672 + 48 * i}" for i in range(1000)]
        + [f"{what},{stage},0,{135168 if what == 'break' else 0}" for stage in range(5) for what in ("break", "free", "top")]
        + [f"page,{stage},{page},{-1 if page < 12 and stage else 0}" for stage in range(5) for page in range(33)]
    )  # fmt: skip
    monkeypatch.setattr(casestudy, "output", lambda *_, **__: text)
    told = casestudy.run()
    assert told.attrs["text"] == "Run on this machine, but only root sees in which frames pages lie."
    assert (told.offset == recorded.offset).all()
    shown = casestudy.story(told)
    story_of(shown)
    assert (shown.kind.sel(row="frames, by address") == 255).all()
    assert shown.frames.values[-1] == 12
    assert str(shown.text.values[-1]).endswith("12 frames; where, only root sees.")


def test_story__tells_the_recorded_run(recorded):
    told = casestudy.story(recorded)
    drawn = story_of(told)
    assert drawn.rows == ["first page, by blocks", "heap, by pages", "frames, by address"]
    assert told.used.values[12] == 32_000
    assert told.used.values[-1] == 16_000 + 5000
    assert told.holes.values[-1] == 500 * 48
    assert told.frames.values.tolist()[-3:] == [12, 13, 14]
    assert (told.frames.diff("step") >= 0).all()
    kinds = told.attrs["kinds"]
    first = [kinds[number] for number in told.kind.values[-1, 0, 14:20]]
    assert first == ["in use", "given back"] * 3
    last = told.isel(step=-1)
    slots = {
        int(name): slot for slot, name in enumerate(last.label.sel(row="frames, by address").values) if name
    }
    frames = recorded.frame.sel(stage="written").values
    assert sorted(slots, key=slots.get) == np.argsort(frames, kind="stable")[-14:].tolist()
    beside = sum(slots[page + 1] - slots[page] == 1 for page in range(13))
    assert beside == neighbours(frames)


def test_neighbours__only_upwards_and_only_frames():
    assert neighbours(np.array([3, 4, 5])) == 2
    assert neighbours(np.array([5, 4, 3])) == 0
    assert neighbours(np.array([0, 1, -1, 0])) == 0


@pytest.fixture(scope="module")
def effect():
    return casestudy.effect()


def test_effect__each_load_began_with_memory_in_crumbs_or_compacted(effect):
    before, after = (effect.unusable.sel(phase=phase) for phase in ("before", "after"))
    assert (before > 0.98).all()
    assert (after[effect.written] < 0.85).all()
    assert (after[~effect.written] > 0.98).all()
    assert effect.written.sum() == (~effect.written).sum() >= 5


def test_effect__requests_compact_before_and_not_after_a_write(effect):
    before, after = (effect.sel(phase=phase) for phase in ("before", "after"))
    assert (before.attempts >= effect.sizes["request"] / 2).all()
    assert (after.attempts[effect.written] < effect.sizes["request"] / 20).all()
    assert (after.attempts[~effect.written] >= effect.sizes["request"] / 2).all()
    assert (after.refused[effect.written] == 0).all()
    assert (effect.refused >= 0).all()


def test_effect__percentiles_are_of_all_requests_of_a_phase(effect):
    assert effect.latency.shape == (effect.sizes["turn"], 2, 400)
    text = (casestudy.program("effect") / "faults.csv").read_text()
    waits = sorted(int(line.split(",")[2]) for line in text.splitlines() if line.startswith("3,after,"))
    assert effect.latency_p50.sel(turn=3, phase="after") == (waits[199] + waits[200]) / 2
    assert waits[394] <= effect.latency_p99.sel(turn=3, phase="after") <= waits[396]


def test_effect__shares_are_shares(effect):
    assert ((effect.cpu > 0.05) & (effect.cpu < 1)).all()
    assert ((effect.threads >= 0) & (effect.threads < 1)).all()
    assert ((effect.machine >= 0) & (effect.machine <= 1)).all()
    assert (effect.write_cpu.notnull() == effect.written).all()


def test_effect__less_work_comes_of_the_write_and_not_of_the_second_time(effect):
    median = effect.cpu.groupby("written").median()
    assert median.sel(written=True, phase="after") < 0.6 * median.sel(written=True, phase="before")
    assert median.sel(written=False, phase="after") > 0.7 * median.sel(written=False, phase="before")
