"""Declared experiments: what they run, what they refuse, and what they say of the outcome."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import compactlab as cl
from compactlab import workloads as w
from compactlab.experiments.trial import TRIGGERS, Trial, recorded_zone, recordings
from compactlab.simulation.memory_need import available_memory, memory_need

ZONE = cl.Zone("256 MiB")


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("trigger", "workload", "start"),
    [
        ("direct", w.huge_faults(faults=64), "punched"),
        ("kcompactd", w.slab_growth(), "every second page"),
        ("proactive", w.idle(seconds=10), "scattered"),
        ("proactive", None, "scattered"),
        ("manual", None, "punched"),
        ("manual", w.compact_memory(), "punched"),
    ],
)
def test_run__it_is_the_trigger_that_compacts(trigger, workload, start):
    trial = Trial(cl.Zone("1 GiB"), trigger=trigger, workload=workload, start=start)
    run = trial.run()
    assert trigger in cl.metrics.compaction_runs(run).who.values
    told = plain(trial.told(run))
    assert "did not come" not in told
    assert f"{int(cl.metrics.summary(run).migrated):,}".replace(",", " ") + " pages moved" in told
    assert run.attrs["name"] == trial.title
    assert run.attrs["config"]["trial"] == {"start": start, "recording": "", "trigger": trigger}


def test_run__a_range():
    trial = Trial(ZONE, trigger="contig_range", start="every second page", first=0.3, range_pages=1000)
    run = trial.run()
    config = run.attrs["config"]["alloc_contig_range"]
    assert config["start_pfn"] % 512 == 0
    assert config["end_pfn"] - config["start_pfn"] == 1000
    assert plain(trial.told(run)).startswith("alloc_contig_range: success, ")
    asked = Trial(ZONE, trigger="contig_range", workload=w.contig_ranges(order=9, requests=3))
    assert "alloc_contig_range, " in asked.told(asked.run())


def test_told__says_what_did_not_come_about():
    asked = Trial(ZONE, trigger="kcompactd", workload=w.huge_faults(faults=1), start="empty")
    assert plain(asked.told(asked.run())).startswith(
        "no compaction, 0 pages moved; unusable index for 2 MiB 0.00"
    )
    assert "It did not come to kcompactd compaction." in asked.told(asked.run())
    at_once = Trial(ZONE, trigger="direct", start="empty")
    assert at_once.told(at_once.run()).endswith(
        "Zone 0/Normal was not compacted: a block of the order is free."
    )


def test_title__tells_what_is_set_otherwise_than_usual():
    sysctls = cl.Sysctls(defrag_mode=0, min_free_kbytes=4000)
    trial = Trial(ZONE, trigger="direct", workload=w.huge_faults(), kernel="6.6", sysctls=sysctls)
    assert plain(trial.title) == "direct, huge_faults, 256 MiB punched, min_free_kbytes 4000, kernel 6.6"


def test_run__same_trial_same_run():
    trial = Trial(ZONE, trigger="direct", workload=w.huge_faults(faults=32), start="scattered", seed=5)
    first, second = trial.run(), trial.run()
    assert np.array_equal(first["allocations"].latency_ns, second["allocations"].latency_ns)


def test_run__settings_and_kernel_reach_the_zone():
    sysctls = cl.Sysctls(min_free_kbytes=4000, transparent_hugepage_defrag="never")
    trial = Trial(ZONE, trigger="direct", workload=w.huge_faults(faults=64), sysctls=sysctls, kernel="6.6")
    run = trial.run()
    zone = run.attrs["config"]["zones"][0]
    assert (zone["kernel"], zone["sysctls"]["min_free_kbytes"]) == ("6.6", 4000)
    assert not cl.metrics.compaction_runs(run).sizes["run"]  # never: a fault falls back at once


def test_run__of_a_recording():
    assert recordings() == ["page-map-compaction", "page-map-direct", "page-map-pinned"]
    trial = Trial(recording="page-map-direct", trigger="manual", frames=4)
    run = trial.run()
    assert run["zones"].zone.values.tolist() == ["0/Normal"]
    assert trial.title == "manual, page-map-direct"
    assert trial.need().zone == recorded_zone("page-map-direct").nr_pages * 16


def test_run__cancelled_before_the_zone_is_ready_and_later():
    cancel = threading.Event()
    cancel.set()
    assert Trial(ZONE).run(cancel=cancel) is None
    late = threading.Event()
    trial = Trial(ZONE, trigger="proactive", workload=w.idle(seconds=1000))
    run = trial.run(lambda told: late.set() if told.phase == "idle" else None, late)
    assert "The run was cancelled after" in trial.told(run)
    assert run["zones"].sizes["time"] > 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"trigger": "manuel"}, "The nearest is 'manual'"),
        ({"start": "punchd"}, "The nearest is 'punched'"),
        ({"recording": "healthy"}, "expected one of page-map-compaction"),
        ({"first": 1}, "expected a share of the zone"),
        ({"range_pages": 0}, "expected at least 1"),
        ({"sysctls": cl.Sysctls(defrag_mode=1), "kernel": "6.12"}, "kernel 6.12 has no such setting"),
        ({"trigger": "proactive", "kernel": "5.4"}, "it came with 5.9"),
    ],
)
def test_trial__refuses_what_cannot_be(fields, words):
    with pytest.raises(ValueError, match=words):
        Trial(ZONE, **fields)


def test_check__refuses_what_does_not_fit():
    trial = Trial(cl.Zone("4 TiB"))
    assert trial.need() == memory_need(cl.Zone("4 TiB"))
    available = available_memory()
    if available is None or available > trial.need().total:
        pytest.skip("a machine that holds 4 TiB of pages, or does not tell")
    with pytest.raises(
        ValueError, match=r"a run of 1.073.741.824 pages needs up to .* Choose .*a smaller zone"
    ):
        trial.run()


def test_triggers__demands_are_workloads_that_can_be_declared():
    for trigger, about in TRIGGERS.items():
        assert about.words.endswith(".")
        for workload in about.demands:
            assert Trial(ZONE, trigger=trigger, workload=workload).need().total > 0
