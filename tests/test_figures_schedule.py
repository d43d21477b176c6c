"""The figure of when to compact, and its dashboard, without a browser."""

import threading

import numpy as np
import pytest

import compactlab as cl
from compactlab.figures import schedule
from compactlab.figures.schedule import _places
from compactlab.player import pack


@pytest.fixture(scope="module")
def told():
    return cl.schedule("64 MiB", policies=["every 6 h", "proactive 20"], windows=[0, 4, 12], seeds=4)


def model(scene, name):
    return scene.root.select_one({"name": name})


def settings(scene):
    return scene.root.tags[0].args["settings"]


def test_schedule__hands_every_policy_to_the_browser_hour_by_hour(told):
    scene = schedule(told)
    found = settings(scene)["policies"]
    assert [each["name"] for each in found] == told.policy.values.tolist()
    for each in found:
        mean = told.sel(policy=each["name"]).mean("seed")
        assert each["stalls"] == mean.stalls.values.tolist()
        assert each["work"]["manual"] == mean.compaction_ns.sel(who="manual").values.tolist()
    assert settings(scene)["text"] == told.attrs["text"]
    assert settings(scene)["level"] == told.attrs["level"]


def test_schedule__opens_on_the_best_window(told):
    chosen = int(model(schedule(told), "policy").value)
    assert told.policy.values[chosen] == f"at {told.attrs['best_window']}" == "at 4:00"


def test_schedule__trade_has_a_mark_a_name_and_whiskers_of_each_policy(told):
    trade = model(schedule(told), "trade")
    sources = [each.data_source.data for each in trade.renderers]
    names = next(data["name"] for data in sources if "name" in data)
    assert sorted(names) == ["at 4:00", "every 6 h", "never", "proactive 20"]  # other windows stand below
    marks = next(data for data in sources if "x0" in data)
    stalls = told.total_stalls.sel(policy=names)
    assert np.array_equal(marks["y"], stalls.sel(bound="median"))
    assert np.array_equal(marks["y1"], stalls.sel(bound="high"))
    assert len(set(marks["marker"])) == len(names)  # told apart without colour
    assert trade.xaxis[0].axis_label == "time spent compacting, ms a day"


def test_schedule__windows_are_drawn_by_the_hour_with_the_best_marked(told):
    windows = model(schedule(told), "windows")
    sources = [each.data_source.data for each in windows.renderers]
    line = next(data for data in sources if "low" in data)
    assert line["x"].tolist() == [0, 4, 12]
    expected = told.total_stalls.sel(policy=["at 0:00", "at 4:00", "at 12:00"])
    assert line["y"].tolist() == expected.sel(bound="median").values.tolist()
    ring = windows.renderers[-2]
    assert ring.data_source.data["x"] == [4.0]


def test_schedule__without_windows_has_no_such_plot(told):
    assert model(schedule(told.assign_attrs(windows=[], best_window="")), "windows") is None


def test_schedule__table_has_every_number(told):
    text = model(schedule(told), "table sheet").text
    for name in told.policy.values:
        assert f">{name}</th>" in text
    assert text.count("<tr>") == 1 + told.sizes["policy"] + 1 + 24


def test_schedule__all_text_is_readable(told):
    scene = schedule(told)
    for name in ("load", "who", "index", "stalls", "trade", "windows"):
        for axis in (*model(scene, name).xaxis, *model(scene, name).yaxis):
            assert axis.major_label_text_font_size == "14px"
            assert axis.axis_label is None or axis.axis_label_text_font_size == "14px"


def test_schedule__packs_the_same_bytes_twice(told):
    one, other = (pack(schedule(told).root, "t") for _ in range(2))
    assert one == other


def test_schedule__refuses(told):
    with pytest.raises(ValueError, match="theme: got 'blue'"):
        schedule(told, theme="blue")
    cancel = threading.Event()
    cancel.set()
    nothing = cl.schedule("64 MiB", windows=[], seeds=1, cancel=cancel)
    assert nothing.attrs["text"] == "Nothing was simulated to its end."
    with pytest.raises(ValueError, match="found no day that was simulated to its end"):
        schedule(nothing)


def test_places__names_stay_apart_and_inside():
    at = np.repeat(np.array([[0.3], [0.32], [0.9]]), 3, axis=1)
    up = np.full((3, 3), 0.1)
    found = _places(at, up, ["one policy", "other policy", "rightmost"])
    assert len({tuple(each) for each in found.tolist()[:2]}) == 2
    assert found[2, 0] < 0  # to the left of its mark: there is no room at the right


def test_render__writes_the_page(told, tmp_path, capsys):
    path = cl.render(told, tmp_path / "schedule.html")
    assert "When to compact" in path.read_text(encoding="utf-8")
    assert "24 of 24 points" in capsys.readouterr().out


# ---- dashboard


def test_dashboard__runs_what_its_controls_say():
    board = cl.Schedule("64 MiB", seeds=1)
    board.policies.text.value = "at 4; proactive 50"
    board.windows.value = 0
    board.curve.value = "shop"
    board.job.run.click()
    board.job.wait()
    assert board.job.state == "done"
    assert board.job.words == "3 of 3 points"
    assert board.told.policy.values.tolist() == ["never", "at 4:00", "proactive 50"]
    assert board.told.attrs["curve"] == "shop"
    assert board.stage.children == (board.bridge,)


def test_dashboard__takes_the_load_of_a_recording_or_a_run():
    board = cl.Schedule("64 MiB", cl.datasets.load("healthy"), policies=[], seeds=1)
    assert board.curve.options[0] == ("healthy", "given")
    board.windows.value = 0
    board.curve.value = "recording whole-story"
    board.job.run.click()
    board.job.wait()
    assert board.told.attrs["curve"].startswith("pages allocated of whole-story")


def test_dashboard__refuses_in_words_and_runs_nothing():
    board = cl.Schedule("64 MiB", seeds=1)
    board.policies.text.value = "nightly"
    assert "policy 'nightly'; expected 'never', 'at 4:00'" in board.policies.trouble
    board.job.run.click()
    assert board.job.state == "failed"
    assert "policy 'nightly'" in board.job.error
    assert board.told is None


def test_dashboard__cancel_keeps_the_days_that_are_done():
    board = cl.Schedule("64 MiB", seeds=50)
    board.job.run.click()
    while board.job.state == "running" and not board.job.words.startswith(("1", "2", "3")):
        board.job.wait(0.05)
    board.job.stop()
    board.job.wait()
    assert board.job.state == "cancelled"
    if board.told is not None:
        assert board.told.attrs["missing"] > 0
        assert "days are missing" in board.told.attrs["text"]


@pytest.mark.parametrize(
    ("wrong", "error", "told"),
    [
        ({"curves": "shop"}, TypeError, "no option 'curves'; did you mean 'curve'"),
        ({"curve": "nights"}, ValueError, "curve 'nights'; expected one of office"),
        ({"theme": "blue"}, ValueError, "theme: got 'blue'"),
        ({"policies": ["often"]}, ValueError, "policy 'often'; expected 'never'"),
    ],
)
def test_dashboard__refuses_options_that_are_none(wrong, error, told):
    with pytest.raises(error, match=told):
        cl.Schedule("64 MiB", **wrong)
