"""How much memory a run takes: the estimate against what is measured, and what is refused."""

from __future__ import annotations

import gc
import tracemalloc
from pathlib import Path

import pytest

import compactlab as cl
from compactlab import workloads as w
from compactlab.simulation.memory_need import available_memory, memory_need, refuse_too_large

GIB = 1 << 30
FEW = {"events": 2000, "moves": 2000, "allocations": 2000}


def measured(zone, workload, **budgets) -> int:
    """Bytes at the largest moment of a run."""
    gc.collect()
    tracemalloc.start()
    try:
        cl.simulate(zone, workload, **budgets)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "workload",
    [
        w.fragment(),
        w.punch(settle_s=0.1),
        w.llfree_realloc(rounds=2),
        w.kernel_build(compiles=2),
        w.thpfioscale(),
        w.huge_faults(),
    ],
    ids=lambda workload: workload.name,
)
def test_memory_need__covers_what_a_run_takes(workload):
    zone = cl.Zone("512 MiB")
    cl.simulate(cl.Zone("64 MiB"), w.idle(seconds=0.1))  # what is loaded once is not the run's
    for budgets in ({"frames": 0, "keyframes": False}, {"frames": 64, "keyframes": True}):
        taken = measured(zone, workload, **FEW, **budgets)
        need = memory_need(zone, workload, **FEW, **budgets)
        assert taken < need.total
        assert need.zone + need.workload + need.frames < 2.5 * taken


def test_memory_need__of_each_part():
    zone = cl.Zone("1 GiB")
    need = memory_need(zone, frames=10)
    assert need.zone == 262144 * 16
    assert need.workload == 0
    assert need.keyframes == 2 * 2 * 262144 * 4
    assert need.frames == memory_need(zone, frames=99, samples=10).frames == 10 * 2 * 512 * 30
    assert memory_need(zone, keyframes=False).keyframes == 0
    assert memory_need(zone, w.punch()).workload > memory_need(zone, w.huge_faults()).workload > 0
    both = [cl.Zone("1 GiB", name="DMA32", start_pfn=4096), zone]
    assert memory_need(both).zone == (1048576 + 262144 - 4096) * 16  # holes between them count


def test_refuse_too_large__says_how_much_and_what_to_do():
    need = memory_need(cl.Zone("1 TiB"), w.punch())
    refuse_too_large(need, available=need.total)
    with pytest.raises(ValueError, match="are available") as refused:
        refuse_too_large(need, available=4 * GIB)
    text = str(refused.value).replace("\u00a0", " ")
    assert "a run of 268 435 456 pages needs up to 18 GiB of memory" in text
    assert "4 GiB for the zone's pages" in text
    assert "but 4 GiB are available. Choose a smaller zone or no page maps (keyframes=False)" in text


def test_simulate_and_compact_zone__refuse_before_they_start():
    with pytest.raises(ValueError, match="Choose smaller budgets of these"):
        cl.simulate(cl.Zone("64 MiB"), w.idle(seconds=1), moves=1 << 45)
    with pytest.raises(ValueError, match="or fewer frames"):
        cl.simulate(cl.Zone("64 MiB"), w.idle(seconds=1), samples=1 << 32, frames=1 << 50)
    with pytest.raises(ValueError, match="Choose smaller budgets"):
        cl.compact_zone(cl.Zone("64 MiB"), events=1 << 45)


def test_available_memory__is_less_than_the_machine_has():
    available = available_memory()
    if available is None:
        pytest.skip("this system does not tell")
    total = Path("/proc/meminfo").read_text().split("MemTotal:")[1].split()[0]
    assert 0 < available < int(total) * 1024
