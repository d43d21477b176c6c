"""Work in a thread behind Run and Cancel: words, cancel, and errors that are seen."""

from __future__ import annotations

import threading

import pytest

from compactlab.dashboards.jobs import Job, Task
from compactlab.simulation.progress import Progress


def finished(job: Job) -> str:
    job.wait(60)
    return job.state


def test_run__works_in_a_thread_and_tells_its_sentence():
    seen = []

    def work(_task: Task) -> str:
        seen.append(threading.current_thread())
        return "moved <3 pages>"

    job = Job(lambda: work, "Simulate")
    assert (job.state, job.run.description, job.cancel.disabled) == ("idle", "Simulate", True)
    job.run.click()
    assert finished(job) == "done"
    assert seen[0] is not threading.main_thread()
    assert job.words == "moved <3 pages>"
    assert "moved &lt;3 pages&gt;" in job._shown.value
    assert job.error == ""


def test_run__the_caller_is_free_meanwhile_and_a_second_press_is_answered():
    go = threading.Event()
    starts = []

    def work(task: Task) -> str:
        starts.append(task)
        go.wait(60)
        return "done"

    job = Job(lambda: work)
    job.run.click()
    assert job.state == "running"  # and yet we are here
    assert not job.cancel.disabled
    job.run.click()
    assert "still at work" in job.words
    go.set()
    assert finished(job) == "done"
    assert len(starts) == 1
    assert job.cancel.disabled


def test_progress__is_shown_as_bar_and_words():
    told, go = threading.Event(), threading.Event()

    def work(task: Task) -> str:
        task.report(Progress(0.25, 300, 1_500_000_000, "punch"))
        task.report(Progress(0.9, 999, 1_600_000_000, "too soon to be drawn"))
        told.set()
        go.wait(60)
        return "done"

    job = Job(lambda: work)
    job.run.click()
    assert told.wait(60)
    assert job._bar.value == 0.25
    assert job._bar.layout.display == ""
    assert job.words.replace("\u00a0", " ") == "25 %, punch, 300 requests, 1.500 s simulated"
    go.set()
    assert finished(job) == "done"
    assert job._bar.layout.display == "none"


def test_cancel__is_heard_and_said():
    def work(task: Task) -> str:
        assert task.cancel.wait(60)
        task.report(Progress(0.1, 1, 1, "no longer of interest"))
        return "cancelled: kept what there was"

    job = Job(lambda: work)
    job.run.click()
    job.cancel.click()
    assert finished(job) == "cancelled"
    assert job.words == "cancelled: kept what there was"


@pytest.mark.parametrize("where", ["begin", "work"])
def test_error__is_shown_with_what_to_do_and_the_next_run_starts_afresh(where):
    broken = True

    def begin():
        if broken and where == "begin":
            raise ValueError("zone of 1 page")
        return work

    def work(_task: Task) -> str:
        if broken:
            raise ValueError("zone of 1 page")
        return "done"

    job = Job(begin)
    job.run.click()
    assert finished(job) == "failed"
    assert job.error.startswith("ValueError: zone of 1 page\nChange what it names, then press Run again.")
    assert 'role="alert"' in job._alert.value
    assert job._alert.layout.display == ""
    broken = False
    job.run.click()
    assert finished(job) == "done"
    assert job.error == job._alert.value == ""
