"""Start states of zones, and settings put on memory that is already there."""

from __future__ import annotations

import numpy as np
import pytest

import compactlab as cl
from compactlab.core import memory as m
from compactlab.simulation.marks import Watermark
from compactlab.simulation.starts import STARTS, every_second, started
from compactlab.simulation.tuning import with_sysctls


def first_free(zone):
    return cl.simulate(zone, cl.workloads.idle(seconds=0), frames=0, keyframes=False)


@pytest.mark.parametrize("start", [name for name in STARTS if name != "empty"])
def test_started__is_what_the_workload_left(start):
    zone = started(cl.Zone("64 MiB", kernel="6.12", cpus=3), start)
    run = first_free(zone)
    share = int(run["zones"].free_pages[0, 0]) / zone.nr_pages
    index = float(cl.metrics.unusable_index(run).sel(order=9)[0, 0])
    free, unusable = {
        "punched": ((0.6, 0.75), (1, 1)),
        "every second page": ((0.4, 0.5), (1, 1)),
        "scattered": ((0.2, 0.35), (1, 1)),
        "mostly full": ((0, 0.1), (0.5, 1)),
        "aged by churn": ((0.05, 0.3), (0.1, 1)),
    }[start]
    assert free[0] <= share <= free[1]
    assert unusable[0] <= index <= unusable[1]
    assert (zone.kernel, zone.cpus, zone.label) == ("6.12", 3, "0/Normal")


def test_started__empty_is_the_zone_itself_and_unknown_names_are_refused():
    zone = cl.Zone("64 MiB")
    assert started(zone, "empty") is zone
    with pytest.raises(ValueError, match=r"start 'punchd'; expected one of .*The nearest is 'punched'"):
        started(zone, "punchd")
    with pytest.raises(ValueError, match="pages in it already"):
        started(started(zone, "punched"), "punched")


def test_started__same_pages_under_any_settings():
    tuned = cl.Sysctls(compaction_proactiveness=90, min_free_kbytes=1000)
    plain, other = (started(cl.Zone("64 MiB", sysctls=s), "scattered", seed=3) for s in (cl.Sysctls(), tuned))
    assert np.array_equal(plain.seed.kind, other.seed.kind)
    assert not np.array_equal(plain.seed.kind, started(cl.Zone("64 MiB"), "scattered", seed=4).seed.kind)
    assert other.sysctls == tuned
    assert int(first_free(other)["zoneinfo"].watermark[0, 0, 0]) == 250


def test_every_second__refuses_a_share_that_is_none():
    with pytest.raises(ValueError, match="fill=2; expected a share"):
        every_second(fill=2)


@pytest.fixture(scope="module")
def recorded() -> cl.Zone:
    return started(cl.Zone("256 MiB"), "punched")


def marks(zone) -> list[int]:
    return first_free(zone)["zoneinfo"].watermark.values[0, 0].tolist()


def test_with_sysctls__moves_watermarks_that_were_recorded(recorded):
    before = recorded.seed.watermark
    assert marks(with_sysctls(recorded, cl.Sysctls(extfrag_threshold=1))) == list(before)
    scaled = with_sysctls(recorded, cl.Sysctls(watermark_scale_factor=1000))
    step = recorded.seed.managed // 10  # of 10000 thousandths of a tenth
    assert scaled.seed.watermark == Watermark(*(before.min + times * step for times in range(4)))
    assert marks(scaled) == list(scaled.seed.watermark)
    least = with_sysctls(recorded, cl.Sysctls(min_free_kbytes=4000))
    assert marks(least)[0] == 1000
    assert marks(with_sysctls(least, cl.Sysctls())) == list(before)


def test_with_sysctls__resizes_per_cpu_lists_that_were_recorded(recorded):
    tuned = with_sysctls(recorded, cl.Sysctls(percpu_pagelist_high_fraction=8))
    expected = recorded.seed.managed // 8 // recorded.cpus
    assert first_free(tuned)["zoneinfo"].pcp_high.values[0, 0].tolist() == [expected] * 2
    both = with_sysctls(recorded, cl.Sysctls(percpu_pagelist_high_fraction=1 << 20, min_free_kbytes=8000))
    assert first_free(both)["zoneinfo"].pcp_high.values[0, 0, 0] < expected
    assert [cpu.count for cpu in tuned.seed.pcp] == [cpu.count for cpu in recorded.seed.pcp]


def test_with_sysctls__counts_managed_pages_where_no_file_tells():
    run = cl.compact_zone(started(cl.Zone("64 MiB"), "punched"), frames=0)
    del run["zoneinfo"]
    zone = with_sysctls(cl.Zone.from_pages(run, "0/Normal", "before"), cl.Sysctls(min_free_kbytes=4000))
    assert zone.seed.managed is None
    assert marks(zone)[0] == 1000
    assert (zone.seed.kind == m.HOLE).sum() == 0


def test_with_sysctls__of_an_empty_zone():
    assert marks(with_sysctls(cl.Zone("64 MiB"), cl.Sysctls(min_free_kbytes=400)))[0] == 100
