"""The form and the lab without a browser: values are set, buttons pressed, words and runs looked at."""

from __future__ import annotations

import html
import threading

import pytest

import compactlab as cl
from compactlab import workloads as w
from compactlab.dashboards.controls import Demand, Entry, Form, Settings, number
from compactlab.experiments.trial import TRIGGERS, Trial
from compactlab.simulation.presets import RANGES, THP_DEFRAG, Range

SMALL = cl.Zone("64 MiB")


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


# --- fields ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("101", "compaction_proactiveness: 101 is refused; expected 0 to 100"),
        ("-1", "compaction_proactiveness: -1 is refused; expected 0 to 100"),
        ("ten", "compaction_proactiveness: 'ten' is refused; expected a whole number, 0 to 100"),
        ("", "compaction_proactiveness: nothing is refused; expected a whole number, 0 to 100"),
    ],
)
def test_settings__refuse_in_words_and_keep_what_was_typed(text, words):
    settings = Settings()
    entry = settings.entries["compaction_proactiveness"]
    entry.text.value = text
    assert settings.troubles() == [words]
    assert 'role="alert"' in entry._said.value
    assert entry.text.value == text
    assert entry.value == 20
    entry.text.value = "30"
    assert settings.troubles() == []
    assert settings.sysctls().compaction_proactiveness == 30
    assert "0 to 100" in entry._said.value


@pytest.mark.parametrize("name", list(Settings().entries))
def test_settings__ranges_are_the_presets_own(name):
    entry, accepted = Settings().entries[name], RANGES[name]
    beyond = [accepted.least - 1] if not accepted.or_zero else [accepted.least - 1, -1]
    for value in [*beyond, *([] if accepted.most is None else [accepted.most + 1])]:
        entry.text.value = str(value)
        assert str(accepted) in entry.trouble
        with pytest.raises(ValueError, match=name):
            cl.Sysctls(**{name: value})
    for value in [accepted.least, *([] if accepted.most is None else [accepted.most])]:
        entry.text.value = str(value)
        assert entry.trouble == ""
        assert entry.value == value


def test_settings__min_free_kbytes_may_be_the_kernels_own():
    settings = Settings(cl.Sysctls(min_free_kbytes=4000, swappiness=10))
    assert settings.sysctls() == cl.Sysctls(min_free_kbytes=4000, swappiness=10)
    settings.entries["min_free_kbytes"].text.value = ""
    settings.thp_defrag.value = THP_DEFRAG[0]
    assert settings.sysctls() == cl.Sysctls(swappiness=10, transparent_hugepage_defrag="always")


def test_entry__counts_changes_for_those_who_watch():
    settings = Settings()
    before = settings.state
    settings.entries["defrag_mode"].text.value = "7"
    settings.thp_defrag.value = "never"
    assert settings.state > before + 1


def test_number__reads_thousands_and_shares():
    assert number(Range(0))("1 000".replace(" ", "\u00a0")) == 1000
    assert number(Range(0, 1), whole=False)(" 0.25 ") == 0.25
    entry = Entry("share", "0.5", number(Range(0, 1), whole=False), "0 to 1")
    entry.text.value = "half"
    assert entry.trouble == "share: 'half' is refused; expected a number, 0 to 1"


# --- demand and form -----------------------------------------------------------------------------------------


def test_demand__parameters_of_what_is_chosen():
    demand = Demand()
    demand.offer([w.punch(), w.huge_faults()], True, None)
    assert demand.workload(0) is None
    demand.choice.value = demand.choice.options[0][1]
    demand.entries["keep"].text.value = "0.5"
    demand.entries["movable"].value = False
    assert demand.workload(7) == w.punch(seed=7, keep=0.5, movable=False)
    demand.entries["keep"].text.value = "2"
    assert demand.troubles() == ["keep: 2 is refused; expected 0 to 1"]
    demand.choice.value = demand.choice.options[1][1]
    assert demand.troubles() == []
    demand.entries["faults"].text.value = "9"
    assert demand.workload(7) == w.huge_faults(faults=9)


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_form__every_trigger_and_demand_makes_a_trial_and_says_what_it_is(trigger):
    form = Form(Trial(SMALL))
    form.trigger.value = trigger
    assert html.escape(TRIGGERS[trigger].words) in form._about.value
    offered = [value for _name, value in form.demand.choice.options]
    assert len(offered) == len(TRIGGERS[trigger].demands) + 1
    for value in offered:
        form.demand.choice.value = value
        trial = form.trial()
        assert trial.trigger == trigger
        assert trial.workload == (None if isinstance(value, str) else value)
        assert "Needs up to" in form._estimate.value


def test_form__begins_with_what_it_is_given():
    sysctls = cl.Sysctls(extfrag_threshold=300)
    given = Trial(
        cl.Zone("128 MiB", cpus=4), start="scattered", sysctls=sysctls, kernel="6.12", trigger="direct",
        workload=w.huge_faults(faults=7), frames=9, seed=3,
    )  # fmt: skip
    assert Form(given).trial() == given
    recorded = Trial(recording="page-map-direct", kernel="6.18")
    form = Form(recorded)
    assert form.trial().recording == "page-map-direct"
    assert form.size.layout.display == form.start.layout.display == "none"
    assert "is known when the recording is read" in form._estimate.value


def test_form__a_zone_with_pages_in_it_is_taken_as_it_is():
    zone = Trial(SMALL).prepared()
    form = Form(Trial(zone))
    assert form.source.options[0][0] == "the zone given"
    assert form.trial().zone is zone
    form.source.value = "made"
    assert form.trial().zone.seed is None


def test_form__refuses_with_all_there_is_to_say():
    form = Form(Trial(SMALL))
    form.size.text.value = "1 MiB"
    form.settings.entries["defrag_mode"].text.value = "2"
    form.frames.text.value = "1"
    with pytest.raises(ValueError, match="Size: 256 pages; expected at least a pageblock") as refused:
        form.trial()
    assert "Frames: 1 is refused; expected 2 to" in str(refused.value)
    assert "defrag_mode: 2 is refused; expected 0 to 1" in str(refused.value)
    form.source.value = "page-map-direct"  # then the size does not count
    assert not any(trouble.startswith("Size") for trouble in form.troubles())


def test_form__says_what_does_not_go_together():
    form = Form(Trial(SMALL))
    form.kernel.value = "6.6"
    form.settings.entries["defrag_mode"].text.value = "1"
    assert "kernel 6.6 has no such setting" in form._estimate.value
    form.settings.entries["defrag_mode"].text.value = "0"
    form.kernel.value = "5.4"
    form.trigger.value = "proactive"
    assert "it came with 5.9" in form._estimate.value


# --- the lab -------------------------------------------------------------------------------------------------


def test_lab__runs_and_shows_the_explorer():
    lab = cl.CompactionLab(SMALL, trigger="manual", start="scattered")
    assert lab.run is None
    lab.job.run.click()
    lab.job.wait()
    assert lab.job.error == ""
    assert lab.job.state == "done"
    assert plain(lab.job.words).startswith("1 compaction (manual), ")
    assert plain(lab.run.attrs["name"]) == "manual, 64 MiB scattered"
    (shown,) = lab.stage.children
    assert isinstance(shown, cl.Explorer)
    assert shown.title == lab.run.attrs["name"]
    assert lab.form.layout.display == "none"  # folded, so that the picture fits the screen
    lab.toggle.value = True
    assert lab.form.layout.display == ""


def test_lab__says_that_the_picture_is_of_the_run_before():
    lab = cl.CompactionLab(SMALL)
    assert lab._stale.value == ""
    lab.job.run.click()
    lab.job.wait()
    assert lab._stale.value == ""
    lab.form.settings.entries["extfrag_threshold"].text.value = "300"
    assert "the picture is of the run before. Press Run." in lab._stale.value
    lab.form.settings.entries["extfrag_threshold"].text.value = "500"
    assert lab._stale.value == ""
    lab.form.settings.entries["extfrag_threshold"].text.value = "many"
    assert "the run before" in lab._stale.value


def test_lab__refuses_what_is_out_of_range_or_too_large_before_it_starts():
    lab = cl.CompactionLab(SMALL)
    lab.form.settings.entries["watermark_scale_factor"].text.value = "0"
    lab.job.run.click()
    assert lab.job.state == "failed"
    assert "watermark_scale_factor: 0 is refused; expected 1 to 3000" in lab.job.error
    assert "Change what it names, then press Run again." in lab.job.error
    lab.form.settings.entries["watermark_scale_factor"].text.value = "10"
    lab.form.size.text.value = "4 TiB"
    if "✕" not in lab.form._estimate.value:
        pytest.skip("a machine that holds 4 TiB of pages, or does not tell")
    lab.job.run.click()
    assert lab.job.state == "failed"
    assert "GiB of memory" in plain(lab.job.error)
    assert "Choose " in lab.job.error
    assert lab.runs == []


def test_lab__cancel_keeps_what_the_run_had():
    lab = cl.CompactionLab(SMALL, w.idle(seconds=100_000), trigger="proactive")
    reached = threading.Event()
    lab.job._shown.observe(lambda change: reached.set() if "simulated" in change["new"] else None, "value")
    lab.job.run.click()
    assert reached.wait(60)
    lab.job.cancel.click()
    lab.job.wait()
    assert lab.job.state == "cancelled"
    assert "The run was cancelled after" in lab.job.words
    assert lab.run["zones"].sizes["time"] > 1
    assert isinstance(lab.stage.children[0], cl.Explorer)


def test_lab__keeps_some_runs_and_compares_the_newest_two():
    lab = cl.CompactionLab(SMALL)
    for seed in range(10):
        lab.form.seed.text.value = str(seed)
        lab.job.run.click()
        lab.job.wait()
    assert [run.attrs["seed"] for run in lab.runs] == list(range(2, 10))
    assert lab.compare.layout.display == ""
    lab.compare.click()
    lab.job.wait()
    assert lab.job.error == ""
    assert isinstance(lab.stage.children[0], cl.Compare)
    assert lab.stage.children[0].title == "seed 8 · seed 9"
    lab.form.settings.entries["extfrag_threshold"].text.value = "300"
    lab.job.run.click()
    lab.job.wait()
    assert isinstance(lab.stage.children[0], cl.Explorer)
    lab.compare.click()
    lab.job.wait()
    assert plain(lab.stage.children[0].title) == (
        "manual, 64 MiB punched · manual, 64 MiB punched, extfrag_threshold 300"
    )


def test_lab__an_error_in_the_thread_is_shown_in_words():
    class broken(w.idle):  # noqa: N801
        def chunks(self, _view):
            raise ArithmeticError("no pages to share out")

    lab = cl.CompactionLab(SMALL, broken(), trigger="direct")
    lab.job.run.click()
    lab.job.wait()
    assert lab.job.state == "failed"
    assert lab.job.error.startswith("ArithmeticError: no pages to share out\nChange what it names")
    assert 'role="alert"' in lab.job._alert.value


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"triger": "manual"}, TypeError, "did you mean 'trigger'"),
        ({"trigger": "manuel"}, ValueError, "The nearest is 'manual'"),
        ({"theme": "blue"}, ValueError, "expected one of auto, light, dark"),
    ],
)
def test_lab__refuses_options_it_has_not(options, error, words):
    with pytest.raises(error, match=words):
        cl.CompactionLab(SMALL, **options)
