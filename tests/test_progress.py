"""Telling how far long work is, and stopping it."""

import re

import compactlab as cl
from compactlab.simulation import workloads
from compactlab.simulation.compact import compact_zone
from compactlab.simulation.progress import Progress, reporting
from compactlab.simulation.zone import Zone

ZONE = Zone("64 MiB")


def punched():
    """A zone with something to compact."""
    return Zone.from_pages(cl.simulate(ZONE, workloads.punch(settle_s=0, demand=0)), keyframe="after")


def test_simulate__reports_how_far_it_is():
    told = []
    run = cl.simulate(ZONE, workloads.punch(settle_s=2), progress=told.append)
    for name in ("requests", "elapsed_ns"):
        values = [getattr(each, name) for each in told]
        assert values == sorted(values)
    phases = list(dict.fromkeys(each.phase for each in told))
    assert phases == ["fill", "punch", "settle", "demand"]
    assert told[-1].elapsed_ns == int(run["zones"].elapsed[-1])
    assert {each.done for each in told} == {None}


def test_simulate__reports_change_nothing():
    workload = workloads.server_churn()
    assert cl.simulate(ZONE, workload, progress=lambda _: None).identical(cl.simulate(ZONE, workload))


def test_compact_zone__reports_its_share():
    told = []
    compact_zone(punched(), progress=told.append)
    assert [each.done for each in told] == sorted(each.done for each in told)
    assert told[-1].done == 1
    assert {each.phase for each in told} == {"0/Normal"}


def test_compact_zone__keeps_what_it_had_when_interrupted():
    def progress(told):
        if told.done > 0.3:
            raise KeyboardInterrupt

    run = compact_zone(punched(), progress=progress)
    assert re.search(r"cancelled in zone 0/Normal, \d\d% of it done", run.attrs["problems"][0])
    assert run["events"].status.values[-1] == "contended"
    kinds = run["pages"].to_dataset().kind.values
    assert (kinds[1] == cl.schema.KINDS.index("isolated")).sum() == 0


def test_compact_zone__says_why_it_did_nothing():
    run = compact_zone(ZONE, 9, "direct")
    assert run.attrs["problems"] == ["zone 0/Normal was not compacted: a block of the order is free"]


def test_simulate__bar(capsys):
    cl.simulate(ZONE, workloads.idle(2), progress=True)
    text = capsys.readouterr().err
    assert "idle" in text
    assert re.search(r"\d+\.\d{3} s simulated", text)


def test_compact_zone__bar(capsys):
    compact_zone(punched(), progress=True)
    text = capsys.readouterr().err
    assert "manual compaction: 100%" in text
    assert "100/100" in text


def test_reporting__nothing_without_progress(capsys):
    with reporting(False, "name") as report:
        report(Progress(0.5, 1, 2, "phase"))
    assert capsys.readouterr().err == ""


def test_reporting__caller_s_own_function():
    with reporting(print, "name") as report:
        assert report is print
