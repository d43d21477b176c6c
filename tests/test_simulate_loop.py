"""Runs of workloads: what holds of every run, budgets, cancelling, and what machines of all kinds do."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import zones as small

import compactlab as cl
from compactlab import schema
from compactlab.core import memory as m
from compactlab.simulation import loop, workloads
from compactlab.simulation import requests as rq
from compactlab.simulation.presets import KERNELS, THP_DEFRAG
from compactlab.simulation.zone import Zone

TRACE = Path(__file__).parent / "data" / "page_alloc_trace.txt.gz"
EVERY = [
    workloads.beside(workloads.kernel_build(jobs=2, compiles=2), workloads.network_bursts(bursts=3)),
    workloads.compact_memory(),
    workloads.contig_ranges(order=9),
    workloads.driver_requests(requests=50),
    workloads.fragment(),
    workloads.huge_faults(faults=40),
    workloads.idle(2),
    workloads.kernel_build(jobs=4, compiles=3),
    workloads.llfree_realloc(rounds=3),
    workloads.network_bursts(bursts=5),
    workloads.page_cache_stream(dirty=0.3),
    workloads.page_cache_stream(order=2),
    workloads.punch(settle_s=2),
    workloads.replay(TRACE),
    workloads.sequence(workloads.fragment(), workloads.punch(fill=0.2, settle_s=1)),
    workloads.server_churn(),
    workloads.slab_growth(),
    workloads.thpscale(),
]
FIELDS = ("latency_ns", *(f"{name}_ns" for name in ("alloc", "clear", "reclaim", "scan", "migrate", "wait")))


@dataclass(frozen=True)
class Rows(rq.Workload):
    """Requests given as they are."""

    given: tuple = field(default=(), repr=False)
    nr_slots: int = 0
    most: int = 9

    @property
    def config(self):
        return {"workload": "Rows"}

    def orders(self, view):  # noqa: ARG002
        return 0, self.most

    def slots(self, view):  # noqa: ARG002
        return self.nr_slots

    def chunks(self, view):  # noqa: ARG002
        yield from self.given


def allocs(count, gfp=rq.GFP_KERNEL, order=0, kind=m.KERNEL, slot=0, **fields):
    return rq.rows(rq.ALLOC, slot + np.arange(count), gfp=gfp | rq.RECORD, order=order, kind=kind, **fields)


def given(*chunks, most=9):
    slots = max(int(chunk["slot"].max() + chunk["count"].max()) for chunk in chunks)
    return Rows(chunks, slots, most)


def tiny(**fields):
    """A zone of 64 pageblocks of 16 pages."""
    fields = {"pages": 1024, "start_pfn": 1 << 20} | fields
    return Zone(pageblock_order=4, nr_orders=6, **fields)


TINY = replace(tiny(), sysctls=cl.Sysctls(min_free_kbytes=128))
TINY_WORKLOAD = workloads.punch(settle_s=0.7, interval_ns=1000)


@pytest.fixture
def machines(monkeypatch):
    """Memory of each simulation that a test runs."""
    made, build = [], loop.build

    def remember(*arguments, **named):
        made.append(build(*arguments, **named))
        return made[-1]

    monkeypatch.setattr(loop, "build", remember)
    return made


def total(run):
    """What counters rose by."""
    value = run["counters"].to_dataset().value
    rise = (value.isel(time=-1) - value.isel(time=0)).values
    return dict(zip(value.counter.values.tolist(), rise.tolist(), strict=True))


def events(run, name):
    if "events" not in run.children:
        return []
    found = run["events"].to_dataset()
    return found.isel(event=np.flatnonzero(found.name.values == name))


def summed(run, name, column):
    found = events(run, name)
    return int(found[column].sum()) if len(found) and found.sizes["event"] else 0


def count(run, name):
    found = events(run, name)
    return found.sizes["event"] if len(found) else 0


def check_run(run, memory):
    """What must hold after any run."""
    schema.validate(run)
    small.check(memory)
    kinds = memory.page["kind"][: int(memory.rules["nr_pages"][0])]
    where = memory.where[memory.where >= 0]
    owned = int((1 << memory.page["order"][where].astype(np.int64)).sum())
    free = np.isin(kinds, (m.FREE, m.PCP, m.ISOLATED)).sum()
    assert owned + free + (kinds == m.HOLE).sum() == kinds.size
    counts = total(run)
    assert counts["pgalloc"] - counts["pgfree"] == owned
    assert counts["compact_stall"] == counts["compact_success"] + counts["compact_fail"]
    for who in ("kswapd", "direct"):
        assert counts[f"pgsteal_{who}"] <= counts[f"pgscan_{who}"]
    assert min(counts.values()) >= 0
    assert run.attrs["budgets"]["events"]["left_out"] == 0
    assert counts["pgmigrate_success"] == summed(run, "mm_compaction_migratepages", "nr_migrated")
    assert counts["allocstall"] == count(run, "mm_vmscan_direct_reclaim_begin")
    assert counts["oom_kill"] == count(run, "mark_victim")
    taken = ("isolate_migratepages", "isolate_freepages", "fast_isolate_freepages")
    isolated = sum(summed(run, f"mm_compaction_{each}", "nr_taken") for each in taken)
    if counts["alloc_contig_success"] == 0:
        assert counts["compact_isolated"] == isolated
    check_samples(run)
    if "allocations" in run.children:
        check_allocations(run["allocations"].to_dataset())


def check_samples(run):
    series, info = run["zones"].to_dataset(), run["zoneinfo"].to_dataset()
    assert (np.diff(series.elapsed.values) >= 0).all()
    isolated = run["migratetypes"].to_dataset().nr_free.sel(migratetype="Isolate")
    isolated = (isolated * 2**isolated.order).sum("order")
    assert np.array_equal(series.free_pages - isolated, info.nr_free_pages)
    blocks = run["pageblocks"].to_dataset()
    assert (blocks.nr_pages.sum("kind") == blocks.nr_pages.isel(frame=0).sum("kind")).all()
    assert int(blocks.elapsed[-1]) == int(series.elapsed[-1])
    counters = run["counters"].to_dataset().value
    assert (np.diff(counters.values, axis=0) >= 0).all()
    assert (np.diff(run["threads"].to_dataset().cpu_ns.values, axis=0) >= 0).all()


def check_allocations(found):
    latency, *spent = (found[name].values for name in FIELDS)
    assert np.array_equal(sum(spent), latency)
    assert min(column.min() for column in spent) >= 0
    assert (np.diff(found.elapsed.values) >= 0).all()
    assert ((found.pfn.values >= 0) | ~found.success.values).all()


# --- every workload ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("workload", EVERY, ids=lambda workload: workload.name)
def test_simulate__every_workload(workload, machines):
    run = cl.simulate(Zone("64 MiB"), workload)
    check_run(run, machines[0])
    assert run.attrs["name"] == workload.name
    assert run.attrs["config"].items() >= workload.config.items()
    assert run.attrs["problems"] == []
    phases = [str(phase) for phase in events(run, "phase").phase.values]
    assert sorted(turns(phases)) == sorted(workload.phases)


@pytest.mark.parametrize("kernel", KERNELS)
def test_simulate__every_kernel(kernel, machines):
    zone = Zone("64 MiB", kernel=kernel)
    run = cl.simulate(
        zone, workloads.sequence(workloads.punch(settle_s=2), workloads.network_bursts(bursts=3))
    )
    check_run(run, machines[0])
    assert run.attrs["kernel"] == kernel
    assert total(run)["pgmigrate_success"] > 0


@pytest.mark.parametrize(("orders", "pageblock_order"), [(11, 9), (14, 13), (9, 8), (6, 3)])
def test_simulate__any_number_of_orders(orders, pageblock_order, machines):
    zone = Zone(pages=64 << pageblock_order, pageblock_order=pageblock_order, nr_orders=orders)
    run = cl.simulate(zone, workloads.punch(settle_s=1))
    check_run(run, machines[0])
    assert run["zones"].sizes["order"] == orders
    assert total(run)["pgmigrate_success"] > 0


def test_simulate__a_block_given_to_a_reserve_is_not_free(machines):
    # Above order 3 a block comes straight from the free lists; small pageblocks, so that a hundredth holds one.
    zone = Zone(pages=1 << 15, pageblock_order=6)
    filled = workloads.fragment(free=0.03, target=0.3, order=4)
    run = cl.simulate(
        zone, workloads.sequence(filled, workloads.network_bursts(order=4, share=0.1, bursts=3))
    )
    check_run(run, machines[0])
    highatomic = run["migratetypes"].nr_pageblocks.sel(migratetype="HighAtomic")
    assert highatomic.max() > 0


def test_simulate__pages_before_and_after(machines):
    run = cl.simulate(Zone("64 MiB"), workloads.fragment())
    pages = run["pages"].to_dataset()
    first, *between, last = pages["name"].values.tolist()
    assert (first, last) == ("before", "after")
    assert set(between) <= set(run["phases"]["name"].values)
    assert (np.diff(pages.elapsed) >= 0).all()
    assert (pages.kind.values[0] == m.FREE).all()
    assert np.array_equal(pages.kind.values[-1], machines[0].page["kind"][: pages.sizes["pfn"]])
    assert "pages" not in cl.simulate(Zone("64 MiB"), workloads.fragment(), keyframes=False).children


# --- the same run ------------------------------------------------------------------------------------------


def digest(run):
    """Of all numbers of a run, names and times with them."""
    found = hashlib.sha256()
    for group in run.subtree:
        for name, variable in sorted(group.to_dataset().variables.items()):
            found.update(f"{group.path} {name} {variable.dims} {variable.values.tolist()}".encode())
    return found.hexdigest()


def tiny_digest():
    return digest(cl.simulate(TINY, TINY_WORKLOAD, samples=20, frames=4))


def elsewhere(**environment):
    """Digest of the tiny run in a process of its own."""
    code = "import test_simulate_loop as this; print(this.tiny_digest())"
    folder = Path(__file__).parent
    path = os.pathsep.join([str(folder), str(folder.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": path} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_simulate__same_seed_same_run_in_another_process():
    assert elsewhere() == tiny_digest()


def test_simulate__same_run_with_and_without_machine_code():
    other = "0" if os.environ.get("NUMBA_DISABLE_JIT", "0") == "1" else "1"
    assert elsewhere(NUMBA_DISABLE_JIT=other) == tiny_digest()


def test_simulate__another_seed_another_run():
    zone, workload = Zone("64 MiB"), workloads.thpscale()
    run = cl.simulate(zone, workload)
    assert cl.simulate(zone, workload).identical(run)
    other = cl.simulate(zone, workload, seed=1)  # how long batches take
    assert total(run)["pgmigrate_success"] > 0
    assert not np.array_equal(other["allocations"].latency_ns, run["allocations"].latency_ns)
    other = cl.simulate(zone, workloads.thpscale(seed=1))
    assert not np.array_equal(other["pages"].kind, run["pages"].kind)


@pytest.mark.parametrize("name", ["run.nc", "run.zarr"])
def test_simulate__run_on_disk_is_identical(name, tmp_path):
    run = cl.simulate(Zone("64 MiB"), workloads.punch(settle_s=1))
    assert set(run.children) == {
        "zones", "zoneinfo", "migratetypes", "counters", "threads", "events", "moves", "pageblocks", "pages",
        "allocations", "phases",
    }  # fmt: skip
    cl.save(run, tmp_path / name)
    assert cl.open(tmp_path / name).identical(run)


# --- budgets -----------------------------------------------------------------------------------------------


def test_simulate__budgets_are_kept_and_told():
    zone, workload = Zone("64 MiB"), workloads.punch(settle_s=2)
    run = cl.simulate(zone, workload)
    kept = {"events": 40, "moves": 30, "allocations": 5}
    short = cl.simulate(zone, workload, **kept, samples=9, frames=4)
    assert short["zones"].sizes["time"] <= 9
    assert short["pageblocks"].sizes["frame"] <= 4
    for name, dim in (("events", "event"), ("moves", "move"), ("allocations", "allocation")):
        size, whole = short[name].sizes[dim], run[name].sizes[dim]
        assert size <= kept[name]
        budget = short.attrs["budgets"][name]
        assert budget == {"kept": size, "left_out": whole - size}
        assert any(
            f"{name}: {size} were kept, {whole - size} left out" in text for text in short.attrs["problems"]
        )
    for name in ("counters", "zones"):  # what is left out changes nothing else
        assert short[name].isel(time=-1).to_dataset().identical(run[name].isel(time=-1).to_dataset())
    assert short["pages"].sizes["keyframe"] <= 4 + 2
    for keyframe in (0, -1):
        assert np.array_equal(short["pages"].kind[keyframe], run["pages"].kind[keyframe])


@pytest.mark.parametrize("samples", [2, 3, 8, 50])
@pytest.mark.parametrize("frames", [2, 3, 8])
def test_simulate__few_samples_span_the_run(samples, frames):
    run = cl.simulate(Zone("64 MiB"), workloads.punch(settle_s=3), samples=samples, frames=frames)
    elapsed, framed = run["zones"].elapsed.values, run["pageblocks"].elapsed.values
    assert samples / 2 <= elapsed.size <= samples
    assert 2 <= framed.size <= frames
    assert elapsed[0] == framed[0] == 0
    assert elapsed[-1] == framed[-1] > 3e9


def test_simulate__no_budget_at_all():
    run = cl.simulate(Zone("64 MiB"), workloads.punch(settle_s=1), frames=0, events=0, moves=0, allocations=0)
    assert not {"events", "moves", "allocations", "pageblocks"} & set(run.children)
    assert run.attrs["budgets"]["moves"]["left_out"] > 0
    assert run.attrs["budgets"]["allocations"]["left_out"] > 0
    assert run.attrs["budgets"]["events"]["left_out"] > 0


@pytest.mark.parametrize("name", ["samples", "frames", "events", "moves", "allocations"])
def test_simulate__refuses_negative_budgets(name):
    with pytest.raises(ValueError, match=f"{name}=-1; expected at least 0"):
        cl.simulate(TINY, workloads.idle(1), **{name: -1})


# --- cancel ------------------------------------------------------------------------------------------------


def check_cancelled(run, memory, whole):
    check_run(run, memory)
    assert 0 < int(run["zones"].elapsed[-1]) < int(whole["zones"].elapsed[-1])
    (problem,) = run.attrs["problems"]
    assert problem.startswith("cancelled after ")
    assert "pages" in run.children


def test_simulate__cancelled_by_an_event(machines):
    zone, workload = Zone("64 MiB"), workloads.idle(10)
    cancel = threading.Event()

    def progress(told):
        if told.elapsed_ns > 2e9:
            cancel.set()

    run = cl.simulate(zone, workload, progress=progress, cancel=cancel)
    check_cancelled(run, machines[0], cl.simulate(zone, workload))
    assert int(run["zones"].elapsed[-1]) >= 2e9


def test_simulate__cancelled_by_an_interrupt(machines):
    zone, workload = Zone("64 MiB"), workloads.kernel_build(jobs=4, compiles=3)

    def progress(told):
        if told.requests > 20:
            raise KeyboardInterrupt

    run = cl.simulate(zone, workload, progress=progress)
    check_cancelled(run, machines[0], cl.simulate(zone, workload))


def test_simulate__cancelled_before_it_began(machines):
    cancel = threading.Event()
    cancel.set()
    run = cl.simulate(Zone("64 MiB"), workloads.server_churn(), cancel=cancel)
    check_run(run, machines[0])
    assert "cancelled" in run.attrs["problems"][0]


def test_simulate__cancelled_amid_manual_compaction(machines):
    cancel = threading.Event()

    def progress(_):
        if machines[0].control[0].active:
            cancel.set()

    workload = workloads.sequence(workloads.fragment(), workloads.compact_memory())
    run = cl.simulate(Zone("64 MiB"), workload, progress=progress, cancel=cancel)
    small.check(machines[0])
    assert "cancelled" in run.attrs["problems"][0]


# --- out of memory -----------------------------------------------------------------------------------------


def test_simulate__out_of_memory_is_a_result(machines):
    run = cl.simulate(Zone("64 MiB"), given(allocs(20_000)))
    check_run(run, machines[0])
    assert total(run)["oom_kill"] > 0
    victim = events(run, "mark_victim")
    assert victim.role.values.tolist() == ["foreground"] * victim.sizes["event"]
    assert victim.order.values.tolist() == [0] * victim.sizes["event"]
    success = run["allocations"].to_dataset().success.values
    assert success[0]
    assert not success[-1]
    assert (~success).sum() == total(run)["oom_kill"]


def test_simulate__costly_request_fails_without_a_victim(machines):
    run = cl.simulate(Zone("64 MiB"), given(allocs(200, order=9)))
    check_run(run, machines[0])
    assert not run["allocations"].to_dataset().success.values.all()
    assert total(run)["oom_kill"] == 0


@pytest.mark.parametrize("who", ["kswapd", "direct"])
def test_simulate__page_cache_is_reclaimed_before_anybody_is_killed(who, machines):
    gfp = rq.GFP_KERNEL if who == "kswapd" else rq.GFP_KERNEL & ~rq.KSWAPD_RECLAIM
    cache = rq.rows(rq.ALLOC, 0, count=14_000, gfp=gfp | m.MOVABLE, kind=m.FILE)
    zone = Zone("64 MiB", sysctls=cl.Sysctls(watermark_boost_factor=0))  # a boost wakes kswapd too
    run = cl.simulate(zone, given(cache, allocs(8_000, gfp, slot=14_000)))
    check_run(run, machines[0])
    counts = total(run)
    assert [name for name in ("kswapd", "direct") if counts[f"pgsteal_{name}"]] == [who]
    assert counts["oom_kill"] == 0
    assert run["allocations"].to_dataset().success.values.all()
    assert (machines[0].where[:14_000] < 0).any()  # the owners learn of it


# --- several zones and nodes -------------------------------------------------------------------------------


def zone_of(run, row):
    """Label of the zone that each allocation came from."""
    info = run["zoneinfo"].to_dataset().isel(time=0)
    first, pages = info.start_pfn.values, info.spanned_pages.values
    pfn = row.pfn.values[:, None]
    inside = (pfn >= first) & (pfn < first + pages)
    return [str(info.zone.values[place.argmax()]) if place.any() else None for place in inside]


def turns(labels):
    """Labels without repetitions."""
    return [label for at, label in enumerate(labels) if at == 0 or label != labels[at - 1]]


def test_simulate__lower_zone_is_taken_last_and_keeps_its_reserve(machines):
    zones = [Zone("64 MiB", name="DMA32"), Zone("64 MiB")]
    run = cl.simulate(zones, given(allocs(40_000)))
    check_run(run, machines[0])
    found = run["allocations"].to_dataset()
    labels = zone_of(run, found.isel(allocation=found.success.values))
    assert turns(labels)[:2] == ["0/Normal", "0/DMA32"]
    info = run["zoneinfo"].to_dataset().isel(time=-1).sel(zone="0/DMA32")
    reserve = int(info.lowmem_reserve.sel(classzone=2))
    assert reserve == 16384 // 256
    free = int(info.nr_free_pages) + int(info.pcp_count.clip(0).sum())
    mark = int(info.watermark.sel(mark="min"))
    assert reserve + mark <= free
    low = cl.simulate(zones, given(allocs(40_000), allocs(40_000, gfp=rq.GFP_KERNEL | rq.DMA32)))
    lowest = int(low["zoneinfo"].to_dataset().nr_free_pages.sel(zone="0/DMA32").min())
    assert lowest <= mark + 64 < mark + reserve + 64  # a request of the zone itself may have the reserve


def test_simulate__dma32_requests_stay_below(machines):
    zones = [Zone("64 MiB", name="DMA32"), Zone("64 MiB")]
    run = cl.simulate(zones, given(allocs(2_000, gfp=rq.GFP_KERNEL | rq.DMA32)))
    check_run(run, machines[0])
    assert set(zone_of(run, run["allocations"].to_dataset())) == {"0/DMA32"}


def test_simulate__movable_zone_is_for_movable_pages(machines):
    zones = [Zone("64 MiB"), Zone("64 MiB", name="Movable")]
    user = allocs(500, gfp=rq.GFP_HIGHUSER_MOVABLE, kind=m.ANON)
    run = cl.simulate(zones, given(user, allocs(500, slot=500)))
    check_run(run, machines[0])
    labels = zone_of(run, run["allocations"].to_dataset())
    assert set(labels[:500]) == {"0/Movable"}
    assert set(labels[500:]) == {"0/Normal"}


def two_nodes(**fields):
    return [
        Zone("64 MiB", **fields),
        Zone("64 MiB", node=1, start_pfn=(4 << 18) + 16384, **fields),
    ]


@pytest.mark.parametrize("node", [0, 1])
def test_simulate__remote_node_is_taken_last(node, machines):
    run = cl.simulate(two_nodes(), given(allocs(25_000, node=node)))
    check_run(run, machines[0])
    found = run["allocations"].to_dataset()
    labels = zone_of(run, found.isel(allocation=found.success.values))
    assert turns(labels)[:2] == [f"{node}/Normal", f"{1 - node}/Normal"]
    assert found.success.values.all()


def test_simulate__thisnode_does_not_go_elsewhere(machines):
    run = cl.simulate(two_nodes(), given(allocs(25_000, gfp=rq.GFP_KERNEL | rq.THISNODE, node=1)))
    check_run(run, machines[0])
    found = run["allocations"].to_dataset()
    assert set(zone_of(run, found.isel(allocation=found.success.values))) == {"1/Normal"}
    assert not found.success.values.all()


def test_simulate__node_with_low_zones_only_falls_back_to_a_remote_normal_zone(machines):
    zones = [Zone("64 MiB", name="DMA32"), Zone("64 MiB", node=1)]
    run = cl.simulate(zones, given(allocs(20_000, node=0)))
    check_run(run, machines[0])
    found = run["allocations"].to_dataset()
    assert found.success.values.all()
    assert turns(zone_of(run, found))[:2] == ["0/DMA32", "1/Normal"]


def test_simulate__reclaims_on_all_nodes(machines):
    cache = rq.rows(rq.ALLOC, 0, count=15_000, gfp=rq.GFP_HIGHUSER_MOVABLE | rq.THISNODE, kind=m.FILE, node=1)
    run = cl.simulate(two_nodes(), given(cache, allocs(28_000, slot=15_000, node=0)))
    check_run(run, machines[0])
    assert run["allocations"].to_dataset().success.values.all()
    assert total(run)["oom_kill"] == 0
    assert total(run)["pgsteal_direct"] + total(run)["pgsteal_kswapd"] > 10_000


def test_simulate__every_node_has_its_daemons():
    run = cl.simulate(two_nodes(), given(allocs(32_000)))
    assert set(events(run, "mm_vmscan_kswapd_wake").node.values.tolist()) == {0, 1}


# --- reserves ----------------------------------------------------------------------------------------------


def test_simulate__atomic_requests_reserve_a_pageblock(machines):
    fill = rq.rows(rq.ALLOC, 0, count=15_400, gfp=rq.GFP_NOWAIT, kind=m.KERNEL)
    # 100 pageblocks: the reserve is a pageblock, 1 % of the zone
    zone = Zone("200 MiB")
    fill["count"] = 50_000
    run = cl.simulate(zone, given(fill, allocs(40, gfp=rq.GFP_ATOMIC, order=2, slot=50_000)))
    check_run(run, machines[0])
    types = run["migratetypes"].to_dataset().nr_pageblocks.sel(migratetype="HighAtomic").isel(zone=0).values
    assert types[0] == 0
    assert types[-1] == 1
    assert int(run["zoneinfo"].nr_free_highatomic[-1, 0]) > 0
    assert (machines[0].block["migratetype"] == m.HIGHATOMIC).sum() == 1


# --- huge page faults --------------------------------------------------------------------------------------


def punched(defrag, advised, cache=1):
    """Huge page faults where few huge pages are free but compaction can make some."""
    gfp = rq.GFP_TRANSHUGE if advised else rq.GFP_TRANSHUGE_LIGHT
    filling = workloads.punch(settle_s=0, demand=0)
    zone = Zone("64 MiB", sysctls=cl.Sysctls(transparent_hugepage_defrag=defrag, compaction_proactiveness=0))
    view = rq.View(zone.nr_pages, 9, 9, np.zeros(11, np.int64), 2)
    chunks = tuple(
        chunk for chunk in filling.chunks(view) if chunk["op"][:1].tolist() != [rq.PHASE] and chunk.size
    )
    first = filling.slots(view) + cache
    chunks += (rq.rows(rq.ALLOC, first - cache, count=cache, gfp=rq.GFP_HIGHUSER_MOVABLE, kind=m.FILE),)
    faults = allocs(20, gfp=gfp | rq.FAULT, order=9, kind=m.ANON, slot=first, think_ns=1_000_000)
    return cl.simulate(zone, given(*chunks, faults))


POLICIES = {  # compacts and reclaims itself, wakes kswapd: with MADV_HUGEPAGE and without
    "always": ((True, False), (True, False)),
    "defer": ((False, True), (False, True)),
    "defer+madvise": ((True, False), (False, True)),
    "madvise": ((True, False), (False, False)),
    "never": ((False, False), (False, False)),
}


@pytest.mark.parametrize("advised", [True, False])
@pytest.mark.parametrize("defrag", THP_DEFRAG)
def test_simulate__huge_page_policies(defrag, advised, machines):
    run = punched(defrag, advised)
    check_run(run, machines[0])
    direct, wakes = POLICIES[defrag][not advised]
    counts = total(run)
    assert counts["thp_fault_alloc"] + counts["thp_fault_fallback"] == 20
    assert (counts["compact_stall"] > 0) == direct
    assert (counts["kswapd_wake"] > 0) == wakes
    assert (counts["thp_fault_alloc"] > 10) == direct
    found = run["allocations"].to_dataset()
    assert found.success.values.sum() == counts["thp_fault_alloc"]
    assert (found.pfn.values >= 0).all()  # a lone page where there was no huge one


def test_simulate__retries_for_who_is_advised_only():
    """Policy always: a second attempt, with reclaim, is only for MADV_HUGEPAGE (the other has NORETRY)."""
    tries = {}
    for advised in (True, False):
        gfp = rq.GFP_TRANSHUGE if advised else rq.GFP_TRANSHUGE_LIGHT
        zone = Zone("64 MiB", sysctls=cl.Sysctls(transparent_hugepage_defrag="always"))
        run = cl.simulate(zone, given(allocs(60, gfp=gfp | rq.FAULT, order=9, kind=m.ANON)))
        tries[advised] = total(run)["allocstall"]
    assert tries[True] > tries[False] == 0


# --- background --------------------------------------------------------------------------------------------


def test_simulate__kswapd_wakes_kcompactd():
    run = punched("defer", True, cache=4000)
    assert total(run)["pgsteal_kswapd"] >= 2 << 9
    names = run["events"].to_dataset().name.values.tolist()
    assert (
        names.index("mm_vmscan_kswapd_sleep")
        <= names.index("mm_compaction_kcompactd_wake")
        < names.index("mm_compaction_begin")
    )
    begun = events(run, "mm_compaction_begin")
    assert set(begun.role.values.tolist()) == {"kcompactd"}
    assert run["threads"].to_dataset().cpu_ns.sel(thread="kcompactd").values[-1] > 0


def proactive(proactiveness, healthy):
    sysctls = cl.Sysctls(compaction_proactiveness=proactiveness)
    zones = [Zone("64 MiB", sysctls=sysctls)]
    punch = workloads.punch(settle_s=20, demand=0, fill=0.97)
    if healthy:  # a DMA32 zone that nobody touches
        zones.insert(0, Zone("64 MiB", name="DMA32", sysctls=sysctls))
        punch = workloads.punch(settle_s=20, demand=0, fill=0.485)
    return cl.simulate(zones, punch)


@pytest.mark.parametrize(
    ("proactiveness", "healthy", "starts"),
    [(20, False, True), (80, False, True), (20, True, False), (80, True, True)],
)
def test_simulate__proactive_compaction(proactiveness, healthy, starts, machines):
    """At 20 the high mark is 90: a healthy DMA32 zone halves the node's score and keeps it below."""
    run = proactive(proactiveness, healthy)
    check_run(run, machines[0])
    begun = events(run, "mm_compaction_begin")
    assert (begun.sizes["event"] > 0 if len(begun) else False) == starts
    if starts:
        assert set(begun.zone.values.tolist()) >= {"0/Normal"}
        score = cl.metrics.fragmentation_score(run).zone_score.sel(zone="0/Normal").values
        assert score.max() > 90
        assert abs(score[-1] - (100 - proactiveness)) <= 10


def test_simulate__proactiveness_0_never_starts():
    run = proactive(0, False)
    assert count(run, "mm_compaction_begin") == 0
    assert total(run)["pgmigrate_success"] == 0


def test_simulate__defrag_mode_mixes_less(machines):
    mixed = {}
    workload = workloads.sequence(workloads.kernel_build(jobs=4, compiles=20), workloads.slab_growth())
    for mode in (0, 1):
        zone = Zone("64 MiB", sysctls=cl.Sysctls(defrag_mode=mode))
        run = cl.simulate(zone, workload)
        check_run(run, machines[-1])
        fallback = events(run, "mm_page_alloc_extfrag")
        mixed[mode] = int((fallback.fallback_order.values < 9).sum()) if len(fallback) else 0
    assert mixed[0] > 0
    assert mixed[1] <= mixed[0]


# --- bad input ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: cl.simulate(Zone("64 MiB"), workloads.network_bursts(order=11)),
            r"network_bursts: asks for blocks of order 11 .* holds orders 0 to 10",
        ),
        (
            lambda: cl.simulate([Zone("64 MiB"), Zone("64 MiB", node=1)], workloads.idle(1)),
            r"zones 0/Normal and 1/Normal overlap: page frames up to 1064960 and from 1048576; give start_pfn",
        ),
        (
            lambda: cl.simulate([Zone("64 MiB"), Zone("64 MiB", start_pfn=1 << 22)], workloads.idle(1)),
            r"zone 0/Normal: 2 of that label; expected one",
        ),
        (
            lambda: cl.simulate(
                [Zone("64 MiB"), Zone("64 MiB", name="DMA32", nr_orders=10)], workloads.idle(1)
            ),
            r"nr_orders 11 and 10; expected the same",
        ),
        (lambda: cl.simulate([], workloads.idle(1)), r"0 zones; expected 1 to 8"),
        (lambda: Zone("64 MiB", kernel="6.19"), r"kernel '6.19'; expected one of .* nearest is '6.1"),
        (
            lambda: Zone("4097 B"),
            r"size='4097 B' is 1.00024 pages; expected a whole number of 4096-byte pages",
        ),
        (lambda: Zone("lots"), r"size='lots'; expected bytes, or text such as '512 MiB'"),
    ],
    ids=["order", "overlap", "label", "orders", "none", "kernel", "pages", "size"],
)
def test_simulate__refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(("slot", "count"), [(-1, 1), (9, 2), (10, 1)])
def test_simulate__refuses_slots_beyond(slot, count):
    workload = Rows((rq.rows(rq.FREE, slot, count=count),), nr_slots=10, most=0)
    with pytest.raises(ValueError, match=f"row 0, free of {count} slots from {slot}; expected slots 0 to 9"):
        cl.simulate(TINY, workload)


def test_config__is_json():
    run = cl.simulate(TINY, workloads.idle(1))
    config = json.loads(json.dumps(run.attrs["config"]))
    assert config["workload"] == "idle"
    assert config["zones"][0]["pages"] == 1024
