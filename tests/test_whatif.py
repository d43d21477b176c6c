"""Other settings on a recorded page map: what is predicted, and the error that is known for it."""

from __future__ import annotations

import threading
from itertools import pairwise

import numpy as np
import pytest

import compactlab as cl
from compactlab.dashboards import Compare, WhatIf
from compactlab.experiments.whatif import (
    DEMANDS,
    POLICIES,
    Known,
    errors_of,
    kind_of,
    known_error,
    predict,
    zones_of,
)
from compactlab.simulation.starts import started


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


@pytest.fixture(scope="module")
def made():
    """A small run with page maps, which stands for a recording without an `after` to be judged by."""
    return cl.compact_zone(started(cl.Zone("128 MiB"), "every second page"), frames=4)


@pytest.fixture(scope="module")
def recorded():
    return cl.datasets.load("page-map-direct")


def test_what_if__the_known_error_is_measured_where_the_recording_tells(recorded):
    told = cl.what_if(recorded, policy="compact first", seeds=1)
    assert told.demand == "faults"
    assert "measured on this recording" in told.known.source
    table = told.table
    share = told.known.errors["compact_stall"]
    assert 0 <= share < 0.05  # as the fidelity benchmark prints it
    row = table.sel(quantity="compact_stall")
    assert (int(row.changed), bool(row.beyond)) == (0, True)
    assert float(row.baseline) > 300
    assert "direct compactions: " in plain(told.text)
    assert "100 % on both sides" in plain(told.text)
    assert list(told.sides) == ["as recorded", "compact first"]
    assert cl.compare(told.sides).sizes["side"] == 2


def test_errors_of__are_those_of_score():
    recording = cl.datasets.load("page-map-compaction")
    prediction = predict(recording, zones_of(recording), "manual")
    errors = errors_of("manual", [prediction], recording)
    scored = cl.score(prediction, recording)
    assert errors["migrated"] == abs(float(scored.migrated_error)) < 0.01
    assert errors["unusable_last"] == float(scored.unusable_error.sel(order=9)) < 0.01
    assert errors["compaction_time"] == abs(float(scored.duration_error))


def test_what_if__says_when_nothing_differs(made):
    told = cl.what_if(made, sysctls={"compaction_proactiveness": 21}, demand="manual", seeds=2)
    assert "other recordings of this kind" in told.known.source
    assert all(sentence.endswith("on both sides.") for sentence in told.sentences)
    table = told.table
    assert not table.beyond.any()


def test_table__within_beyond_and_not_known(made):
    told = cl.what_if(made, sysctls={"transparent_hugepage_defrag": "never"}, demand="faults", seeds=1)
    object.__setattr__(told, "known", Known({"success_share": 2.0, "migrated": 0.5}, "made up for this test"))
    table = told.table
    rows = {name: table.sel(quantity=name) for name in table["quantity"].values}
    assert float(rows["success_share"].change) == float(rows["success_share"].difference)  # a share: absolute
    assert not bool(rows["success_share"].beyond)
    assert bool(rows["migrated"].beyond)
    assert float(rows["migrated"].change) == -1
    words = "\n".join(told.sentences)
    assert "so this tells nothing" in words
    assert "how far the model is off here is not known" in words
    assert "(−1.000)" in words
    assert words.count("A request that is refused is quick") == 3


@pytest.mark.parametrize("demand", DEMANDS)
@pytest.mark.parametrize("policy", POLICIES)
def test_what_if__every_demand_under_every_policy(made, demand, policy):
    told = cl.what_if(made, demand=demand, policy=policy, sysctls={"watermark_scale_factor": 100}, seeds=1)
    assert told.names[1] == ", ".join(["watermark_scale_factor 100", *([] if policy == "none" else [policy])])
    assert len(told.baseline) == len(told.changed) == 1
    assert set(told.table["quantity"].values) <= set(cl.metrics.QUANTITIES)
    if policy == "compact first":
        assert "manual" in cl.metrics.compaction_runs(told.changed[0]).who.values


def test_what_if__seeds_differ_and_settings_reach_the_zones(made):
    told = cl.what_if(made, demand="faults", sysctls=cl.Sysctls(min_free_kbytes=1000), seeds=2)
    first, second = (run["allocations"].latency_ns.values for run in told.changed)
    assert not np.array_equal(first, second)
    assert int(told.changed[0]["zoneinfo"].watermark[0, 0, 0]) == 250
    assert int(told.baseline[0]["zoneinfo"].watermark[0, 0, 0]) > 250


def test_what_if__reports_progress_and_can_be_cancelled(made):
    seen, cancel = [], threading.Event()
    cl.what_if(made, demand="faults", kernel="6.6", seeds=2, progress=seen.append)
    assert seen[-1].done > 0.7
    assert all(a.done <= b.done for a, b in pairwise(seen))
    cancel.set()
    assert cl.what_if(made, demand="faults", kernel="6.6", seeds=2, cancel=cancel) is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "nothing is changed"),
        ({"sysctls": {"compaction_proactivenes": 3}}, "The nearest is 'compaction_proactiveness'"),
        ({"sysctls": {"compaction_proactiveness": 300}}, "expected 0 to 100"),
        ({"kernel": "6.7"}, "expected one of 6.18"),
        ({"policy": "pray"}, "expected one of none"),
        ({"kernel": "6.6", "demand": "much"}, "expected one of manual"),
        ({"kernel": "6.6", "seeds": 0}, "expected at least 1"),
    ],
)
def test_what_if__refuses(made, options, words):
    with pytest.raises(ValueError, match=words):
        cl.what_if(made, **options)


def test_what_if__needs_a_page_map():
    with pytest.raises(ValueError, match="expected pages"):
        cl.what_if(cl.datasets.load("healthy"), kernel="6.6", demand="manual")


def test_kind_of__recordings(recorded):
    assert kind_of(recorded) == "faults"
    assert kind_of(cl.datasets.load("page-map-pinned")) == "manual"
    assert kind_of(cl.simulate(cl.Zone("64 MiB"), cl.workloads.idle(seconds=1))) == "idle"


def test_known_error__comes_from_a_command_with_a_date():
    for demand in ("manual", "faults"):
        known = known_error(demand)
        assert known.errors
        assert "three of four were nearer" in known.source
    assert known_error("dancing").errors == {}


# --- the dashboard -------------------------------------------------------------------------------------------


def test_dashboard__answers_in_words_and_shows_both_sides(made):
    board = WhatIf(made)
    assert board.recording.value == "given"
    board.demand.value = "faults"
    assert DEMANDS["faults"][:20] in board._about.value
    board.seeds.text.value = "2"
    board.settings.thp_defrag.value = "never"
    board.job.run.click()
    board.job.wait()
    assert board.job.error == ""
    assert board.job.words == "transparent_hugepage_defrag never against as recorded"
    assert isinstance(board.stage.children[0], Compare)
    assert "share served" in board.answer.value
    assert len(board.prediction.changed) == 2
    assert board.form.layout.display == "none"
    board.policy.value = "compact first"
    assert "The answer below is of the run before" in board._about.value


def test_dashboard__refuses_in_words(made):
    board = WhatIf(made)
    board.job.run.click()
    assert "nothing is changed" in board.job.error
    board.settings.entries["extfrag_threshold"].text.value = "1001"
    board.seeds.text.value = "0"
    board.job.run.click()
    assert "extfrag_threshold: 1001 is refused; expected 0 to 1000" in board.job.error
    assert "Seeds: 0 is refused; expected 1 to 20" in board.job.error
    assert board.prediction is None


def test_dashboard__cancel(made):
    board = WhatIf(made)
    board.demand.value = "idle"
    board.kernel.value = "6.6"
    board.seeds.text.value = "20"
    started_work = threading.Event()
    board.job._shown.observe(lambda change: started_work.set() if "%" in change["new"] else None, "value")
    board.job.run.click()
    assert started_work.wait(60)
    board.job.cancel.click()
    board.job.wait()
    assert board.job.state == "cancelled"
    assert "no prediction without all seeds" in board.job.words


@pytest.mark.parametrize(
    ("recording", "options", "error", "words"),
    [
        ("healthy", {}, ValueError, "expected a run, or one of page-map-compaction"),
        (None, {"hight": 3}, TypeError, "did you mean 'height'"),
        (None, {"theme": "blue"}, ValueError, "expected one of auto"),
    ],
)
def test_dashboard__refuses_options(recording, options, error, words):
    with pytest.raises(error, match=words):
        WhatIf(recording, **options)


def test_dashboard__refuses_a_run_without_a_page_map():
    with pytest.raises(ValueError, match="has no page map"):
        WhatIf(cl.datasets.load("healthy"))
