"""Workloads: streams that stay within their slots, and do to memory what they say."""

import gzip
import hashlib
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest

from compactlab import ParseError
from compactlab.core import memory
from compactlab.readers.pagetrace import read_page_trace
from compactlab.simulation import requests as rq
from compactlab.simulation import workloads

TRACE = Path(__file__).parent / "data" / "page_alloc_trace.txt.gz"
EVERY = [
    workloads.day(churn=1, huge=0.1),
    workloads.driver_requests(requests=50),
    workloads.fragment(),
    workloads.idle(2),
    workloads.kernel_build(jobs=4, compiles=3),
    workloads.llfree_realloc(rounds=3),
    workloads.network_bursts(bursts=5),
    workloads.page_cache_stream(dirty=0.3),
    workloads.page_cache_stream(order=2),
    workloads.punch(),
    workloads.replay(TRACE),
    workloads.server_churn(),
    workloads.slab_growth(),
    workloads.thpscale(),
    workloads.sequence(workloads.fragment(), workloads.punch(fill=0.2, settle_s=1)),
    workloads.beside(workloads.kernel_build(jobs=2, compiles=2), workloads.network_bursts(bursts=3)),
]
every_workload = pytest.mark.parametrize("workload", EVERY, ids=[workload.name for workload in EVERY])


class Bitmap:
    """Memory as one obvious array; a block goes to the lowest place that it fits."""

    def __init__(self, pages, max_order=8, huge_order=6, cpus=2, low=0):
        self.owner = np.full(pages, -1)
        self.order = {}
        self.low = low  # free pages that requests leave alone
        self.max_order = max_order
        self.view = rq.View(pages, huge_order, huge_order, np.zeros(max_order + 1, np.int64), cpus)
        self.failed = self.recorded = 0

    def refresh(self):
        blocks = self.owner < 0
        for order in range(self.max_order + 1):
            if order == self.max_order:
                self.view.nr_free[order] = blocks.sum()
                break
            pairs = blocks.reshape(-1, 2)
            whole = pairs.all(1)
            self.view.nr_free[order] = (pairs.sum(1) * ~whole).sum()
            blocks = whole

    def run(self, workload):
        """Execute all requests; returns them."""
        rq.check(workload, self.view)
        self.view.where = np.full(workload.slots(self.view), -1, np.int32)
        self.refresh()
        done = []
        for chunk in workload.chunks(self.view):
            done.append(chunk.copy())
            for row in chunk:
                self.execute(row)
            self.refresh()
        return np.concatenate(done)

    def execute(self, row):
        slots = range(row["slot"], int(row["slot"]) + int(row["count"]))
        if row["op"] == rq.ALLOC:
            self.recorded += bool(row["gfp"] & rq.RECORD) * len(slots)
            for slot in slots:
                self.free(slot)
                if not self.alloc(slot, int(row["order"])):
                    self.failed += 1
                    break
        elif row["op"] == rq.FREE:
            for slot in slots:
                self.free(slot)
        elif row["op"] == rq.SPLIT:
            page, order = self.view.where[row["slot"]], self.order.pop(row["slot"])
            for offset in range(1 << order):
                self.view.where[row["slot"] + offset] = page + offset
                self.owner[page + offset] = row["slot"] + offset
                self.order[row["slot"] + offset] = 0

    def alloc(self, slot, order):
        free = (self.owner < 0).reshape(-1, 1 << order).all(1)
        if not free.any() or (self.owner < 0).sum() - (1 << order) < self.low:
            return False
        page = int(free.argmax()) << order
        self.owner[page : page + (1 << order)] = slot
        self.view.where[slot], self.order[slot] = page, order
        return True

    def free(self, slot):
        page = self.view.where[slot]
        if page >= 0:
            self.owner[page : page + (1 << self.order.pop(slot))] = -1
            self.view.where[slot] = -1


def stream(workload, pages=1 << 12):
    return Bitmap(pages).run(workload)


def held(bitmap):
    return int((bitmap.owner >= 0).sum())


@every_workload
def test_chunks__stay_within_slots_orders_and_phases(workload):
    view = Bitmap(1 << 12).view
    made = stream(workload)
    about = made[~np.isin(made["op"], (rq.PHASE, rq.WAIT, rq.COMPACT))]
    assert (made["op"] <= rq.CONTIG).all()
    assert (about["slot"] >= 0).all()
    assert (about["slot"].astype(int) + about["count"] <= workload.slots(view)).all()
    asked = about[about["op"] == rq.ALLOC]
    assert set(asked["order"].tolist()) <= set(workload.orders(view))
    assert (asked["kind"][asked["count"] > 0] >= memory.ANON).all()
    assert (made["cpu"] < 2).all()
    assert made["slot"][made["op"] == rq.PHASE].tolist() == list(range(len(workload.phases)))


@every_workload
def test_chunks__are_the_same_for_the_same_seed(workload):
    assert stream(workload).tobytes() == stream(workload).tobytes()


@pytest.mark.parametrize(
    "name",
    sorted(
        set(workloads.__all__)
        - {
            "CURVES",
            "idle",
            "replay",
            "beside",
            "sequence",
            "punch",
            "huge_faults",
            "contig_ranges",
            "compact_memory",
        }
    ),
)
def test_chunks__differ_for_another_seed(name):
    make = getattr(workloads, name)
    assert stream(make(seed=0)).tobytes() != stream(make(seed=1)).tobytes()


@pytest.mark.parametrize(
    ("workload", "digest"),
    [
        (workloads.server_churn(seed=7), "cc40475c94fed50e"),
        (workloads.llfree_realloc(seed=7, rounds=2), "5e84dd1452922f81"),
        (workloads.thpscale(seed=7), "476f656ec33907ee"),
    ],
)
def test_chunks__are_the_same_on_every_machine(workload, digest):
    assert hashlib.sha256(stream(workload).tobytes()).hexdigest()[:16] == digest


@every_workload
def test_config__is_json(workload):
    config = json.loads(json.dumps(workload.config))
    assert config["workload"] == workload.name


@pytest.mark.parametrize(
    "make", [workloads.server_churn, workloads.kernel_build, workloads.thpscale, workloads.punch]
)
def test_slots__scale_with_memory(make):
    small, large = (make().slots(Bitmap(pages).view) for pages in (1 << 14, 1 << 18))
    assert large / small == pytest.approx(16, rel=0.03)


@pytest.mark.parametrize("make", [workloads.server_churn, workloads.kernel_build, workloads.thpscale])
def test_slots__fit_in_memory(make):
    bitmap = Bitmap(1 << 12)
    bitmap.run(make())
    assert bitmap.failed < bitmap.view.pages // 100


def test_server_churn__holds_every_kind_in_a_steady_state():
    bitmap = Bitmap(1 << 12)
    made = bitmap.run(workloads.server_churn(memory=0.8, turnover=4))
    assert 0.75 * 0.8 <= held(bitmap) / bitmap.view.pages <= 0.8
    steady = made[np.flatnonzero(made["op"] == rq.PHASE)[1] :]
    kinds = set(steady["kind"].tolist())
    assert {memory.ANON, memory.FILE, memory.SLAB, memory.PGTABLE, memory.KERNEL} <= kinds
    assert np.isin(steady["order"], (0, 1, 2, 3)).all()


def test_kernel_build__leaves_cache_and_slab_only():
    bitmap = Bitmap(1 << 12)
    build = workloads.kernel_build(jobs=4, compiles=6, memory=0.4, cache=0.3)
    made = bitmap.run(build)
    kind_of_slot = np.zeros(build.slots(bitmap.view), int)
    for row in made[made["op"] == rq.ALLOC]:
        kind_of_slot[row["slot"] : int(row["slot"]) + row["count"]] = row["kind"]
    left = set(kind_of_slot[bitmap.view.where >= 0].tolist())
    assert left == {memory.FILE, memory.SLAB}
    assert (made["op"] == rq.DIRTY).any()


def test_page_cache_stream__reads_its_volume_and_dirties_its_share():
    made = stream(workloads.page_cache_stream(volume=2, dirty=0.25), 1 << 14)
    read, dirty = (made["count"][made["op"] == op].sum() for op in (rq.ALLOC, rq.DIRTY))
    assert read == 2 << 14
    assert dirty / read == pytest.approx(0.25, abs=0.04)
    assert (made["kind"][made["op"] == rq.ALLOC] == memory.FILE).all()


@pytest.mark.parametrize("target", [0.1, 0.5, 0.8, 0.97])
@pytest.mark.parametrize("order", [None, 3])
def test_fragment__reaches_its_target(target, order):
    bitmap = Bitmap(1 << 13, low=80)
    bitmap.run(workloads.fragment(target=target, order=order, free=0.3))
    order = 6 if order is None else order
    half_a_block = (1 << order) / 2 / bitmap.view.free_pages
    assert bitmap.view.unusable_index(order) == pytest.approx(target, abs=half_a_block + 0.002)
    assert bitmap.view.free_pages / bitmap.view.pages == pytest.approx(0.3, abs=0.01)


def test_fragment__keeps_what_can_be_moved_only():
    made = stream(workloads.fragment())
    asked = made[made["op"] == rq.ALLOC]
    assert (asked["gfp"] == memory.MOVABLE).all()  # ends at the low watermark, wakes nobody
    assert (asked["kind"] == memory.ANON).all()


def test_punch__leaves_no_huge_page_among_the_punched():
    bitmap = Bitmap(1 << 12)
    made = bitmap.run(workloads.punch(fill=1, settle_s=1.5, demand=0.5))
    assert bitmap.view.free_pages == bitmap.view.pages * 3 // 4
    assert bitmap.view.unusable_index(6) == 1
    assert bitmap.failed == bitmap.recorded == (1 << 12) * 3 // 4 // 64 // 2
    assert made["think_ns"].sum() == 1_500_000_000


def test_punch__of_what_cannot_be_moved():
    made = stream(workloads.punch(movable=False))
    filled = made[(made["op"] == rq.ALLOC) & (made["order"] == 0)]
    assert (filled["gfp"] == rq.GFP_KERNEL).all()


def test_punch__that_keeps_all_frees_nothing():
    assert not (stream(workloads.punch(keep=1.0))["op"] == rq.FREE).any()


def test_llfree_realloc__holds_half_of_the_fill_after_every_round():
    pages = 1 << 12
    bitmap = Bitmap(pages)
    made = bitmap.run(workloads.llfree_realloc(fill=0.9, share=0.1, rounds=4))
    filled = int(pages * 0.9)
    assert held(bitmap) == filled // 2
    again = made[np.flatnonzero(made["op"] == rq.PHASE)[2] + 1 :]
    assert again.size == 4 * 2 * int(filled // 2 * 0.1)
    rounds = again.reshape(4, 2, -1)
    assert (rounds["op"] == [[rq.FREE], [rq.ALLOC]]).all()
    assert all(np.unique(each["slot"]).size == each.size for each in rounds[:, 0])


def test_thpscale__asks_for_as_many_huge_pages_as_it_punched():
    made = stream(workloads.thpscale(threads=3), 1 << 14)
    fault, hole = made[made["order"] == 6], made[made["op"] == rq.FREE]
    assert (fault["gfp"] == rq.GFP_TRANSHUGE | rq.FAULT | rq.RECORD).all()
    assert fault.size == pytest.approx(hole["count"].sum() / 64, rel=0.05)


def test_network_bursts__are_atomic_and_given_back():
    bitmap = Bitmap(1 << 12)
    made = bitmap.run(workloads.network_bursts(order=3, bursts=4, share=0.1))
    asked = made[made["op"] == rq.ALLOC]
    assert (asked["gfp"] == rq.GFP_ATOMIC | rq.RECORD).all()
    assert asked.size == bitmap.recorded == 4 * ((1 << 12) // 10 >> 3)
    assert held(bitmap) == 0


def test_driver_requests__hold_their_share():
    bitmap = Bitmap(1 << 12)
    bitmap.run(workloads.driver_requests(order=4, requests=500, share=0.25))
    assert held(bitmap) == (1 << 12) // 4
    assert bitmap.recorded == 500


def test_slab_growth__shrinks_at_random():
    bitmap = Bitmap(1 << 12)
    made = bitmap.run(workloads.slab_growth(unmovable=0.2, reclaimable=0.2, shrink=0.5))
    asked = made[made["op"] == rq.ALLOC]
    types, counts = np.unique(asked["gfp"] & rq.GFP_TYPE, return_counts=True)
    assert types.tolist() == [memory.UNMOVABLE, memory.RECLAIMABLE]
    assert counts[0] == counts[1]
    assert held(bitmap) == pytest.approx(0.2 * (1 << 12), rel=0.01)


def test_idle__only_waits():
    made = stream(workloads.idle(2.5))
    assert made["think_ns"].sum() == 2_500_000_000
    assert set(made["op"].tolist()) == {rq.PHASE, rq.WAIT}


@pytest.mark.parametrize(
    ("make", "wrong"),
    [
        (workloads.fragment, {"target": 1.1}),
        (workloads.punch, {"keep": -0.5}),
        (workloads.server_churn, {"memory": 2}),
        (workloads.slab_growth, {"shrink": 1.5}),
    ],
)
def test_workload__refuses_shares_that_are_none(make, wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"{make.__name__}: {name}={value}; expected a share, 0 to 1"):
        make(**wrong)


def test_check__names_workload_and_range():
    with pytest.raises(
        ValueError, match=r"network_bursts: asks for blocks of order 12 .* holds orders 0 to 8"
    ):
        rq.check(workloads.network_bursts(order=12), Bitmap(1 << 12).view)


# Combined


def test_sequence__runs_parts_in_slots_and_phases_of_their_own():
    first, second = workloads.idle(1), workloads.driver_requests(requests=20)
    both = stream(workloads.sequence(workloads.llfree_realloc(rounds=1), first, second))
    view = Bitmap(1 << 12).view
    tail = stream(second)
    end = both[-tail.size :]
    assert (end["slot"][1:] - tail["slot"][1:] == workloads.llfree_realloc().slots(view)).all()
    assert end["slot"][0] == 4  # its phase, after three and one
    assert end[1:]["think_ns"].tolist() == tail[1:]["think_ns"].tolist()


def test_sequence__shows_a_part_its_own_slots():
    bitmap = Bitmap(1 << 12, low=80)
    bitmap.run(workloads.sequence(workloads.driver_requests(share=0.1), workloads.fragment(target=0.6)))
    assert bitmap.view.unusable_index(6) == pytest.approx(0.6, abs=32 / bitmap.view.free_pages + 0.002)


def test_beside__merges_by_time():
    parts = workloads.kernel_build(jobs=2, compiles=3), workloads.network_bursts(bursts=3)
    both = stream(workloads.beside(*parts))
    view = Bitmap(1 << 12).view
    first = parts[0].slots(view)
    apart = [stream(part) for part in parts]
    times = [np.cumsum(each["think_ns"], dtype=np.int64) for each in apart]
    merged = np.cumsum(both["think_ns"], dtype=np.int64)
    is_row = ~np.isin(both["op"], (rq.PHASE, rq.WAIT))
    for number, (alone, time) in enumerate(zip(apart, times, strict=True)):
        mine = is_row & ((both["slot"] >= first) == bool(number))
        own = ~np.isin(alone["op"], (rq.PHASE, rq.WAIT))
        assert (both["slot"][mine] - first * number == alone["slot"][own]).all()
        assert (merged[mine] == time[own]).all()
    assert merged[-1] == max(time[-1] for time in times)


def test_combined__needs_two():
    with pytest.raises(ValueError, match="beside: got 1 workloads; give at least two"):
        workloads.beside(workloads.idle())


# Replay


def event(time, name, pfn, order=0, flags="GFP_USER", migratetype=0):
    text = (
        f"  cc1-77  [001] d..1. {time:.6f}: mm_page_{name}: page=00000000abcdef01 pfn={pfn:#x} order={order}"
    )
    return text + (f" migratetype={migratetype} gfp_flags={flags}\n" if name == "alloc" else "\n")


def rows_of(text):
    return workloads.replay(text).requests[["op", "slot", "order"]].tolist()


def test_replay__counts_as_the_text_does():
    text = gzip.decompress(TRACE.read_bytes()).decode()
    replayed = workloads.replay(TRACE)
    allocated = re.findall(r"mm_page_alloc: page=\w+ pfn=(\w+) order=(\d)", text)
    freed = re.findall(r"mm_page_free: page=\w+ pfn=(\w+)", text)
    batched_only = set(re.findall(r"mm_page_free_batched: page=\w+ pfn=(\w+)", text)) - set(freed)
    assert len(batched_only) == 11  # of a batch that the cut went through
    freed += batched_only
    assert (replayed.requests["op"] == rq.ALLOC).sum() == len(allocated)
    assert (replayed.requests["op"] == rq.FREE).sum() + replayed.unmatched_frees == len(freed)
    assert replayed.slots(None) == sum(1 << int(order) for _, order in allocated)
    assert replayed.problems == []
    times = [float(time) for time in re.findall(r" (\d+\.\d+): mm_page_alloc", text)]
    assert replayed.requests["think_ns"].sum() / 1e9 == pytest.approx(times[-1] - times[0], abs=0.002)
    assert "comm" not in text
    assert set(re.findall(r"(\S+)-(\d+) +\[", text)) == {("task", "0")}  # nobody's names


def test_replay__leaves_as_much_allocated_as_the_trace():
    text = gzip.decompress(TRACE.read_bytes()).decode()
    live = {}
    for name, pfn, order in re.findall(r"mm_page_(alloc|free): page=\w+ pfn=(\w+) order=(\d)", text):
        if name == "alloc":
            live[pfn] = int(order)
        else:
            live.pop(pfn, None)
    bitmap = Bitmap(1 << 12)
    bitmap.run(workloads.replay(TRACE))
    assert held(bitmap) == sum(1 << order for order in live.values())
    assert bitmap.failed == 0


def test_replay__batched_event_is_no_second_free():
    text = event(1, "alloc", 64) + event(2, "free", 64) + event(3, "free_batched", 64)
    replayed = workloads.replay(text)
    assert replayed.requests["op"].tolist() == [rq.ALLOC, rq.FREE]
    assert replayed.unmatched_frees == 0


def test_replay__batched_event_alone_is_a_free():
    replayed = workloads.replay(event(1, "alloc", 64) + event(2, "free_batched", 64))
    assert replayed.requests["op"].tolist() == [rq.ALLOC, rq.FREE]


def test_replay__splits_what_is_freed_in_parts():
    text = event(1, "alloc", 64, 2) + event(2, "free", 66) + event(3, "free", 64, 1) + event(4, "alloc", 64)
    assert rows_of(text) == [
        (rq.ALLOC, 0, 2),
        (rq.SPLIT, 0, 2),
        (rq.FREE, 2, 0),
        (rq.FREE, 0, 0),
        (rq.FREE, 1, 0),
        (rq.ALLOC, 4, 0),
    ]


def test_replay__frees_in_one_what_was_allocated_in_parts():
    text = event(1, "alloc", 65) + event(2, "alloc", 66) + event(3, "free", 64, 2)
    assert rows_of(text)[2:] == [(rq.FREE, 0, 0), (rq.FREE, 1, 0)]


def test_replay__page_allocated_twice_was_freed_unseen():
    replayed = workloads.replay(event(1, "alloc", 64, 1) + event(2, "alloc", 64) + event(3, "alloc", 65))
    assert replayed.requests["op"].tolist() == [rq.ALLOC, rq.FREE, rq.ALLOC, rq.ALLOC]
    assert replayed.lost_frees == 1


@pytest.mark.parametrize("pfn", ["-1", "0xffffffffffffffff", "18446744073709551615", "0x0", "0"])
def test_replay__failed_allocation_is_asked_for_again(pfn):
    text = event(1, "alloc", 64, 3).replace("0x40", pfn) + event(2, "alloc", 64)
    replayed = workloads.replay(text)
    assert replayed.requests[["op", "slot", "order"]].tolist() == [(rq.ALLOC, 0, 3), (rq.ALLOC, 8, 0)]
    assert replayed.failed == 1


def test_replay__long_pause_is_waited_for():
    made = workloads.replay(event(1, "alloc", 64) + event(8.25, "free", 64)).requests
    assert made["think_ns"].sum(dtype=np.int64) == 7_250_000_000
    assert made["op"][0] == rq.ALLOC
    assert made["op"][-1] == rq.FREE
    assert (made["op"][1:-1] == rq.WAIT).all()


@pytest.mark.parametrize(
    ("flags", "gfp", "kind"),
    [
        ("GFP_HIGHUSER_MOVABLE|__GFP_ZERO|__GFP_COMP", rq.GFP_HIGHUSER_MOVABLE, memory.ANON),
        ("GFP_TRANSHUGE", rq.GFP_TRANSHUGE, memory.ANON),
        (
            "GFP_TRANSHUGE_LIGHT|__GFP_NORETRY|__GFP_THISNODE",
            rq.GFP_TRANSHUGE_LIGHT | rq.NORETRY | rq.THISNODE,
            memory.ANON,
        ),
        (
            "GFP_NOFS|__GFP_HIGHMEM|__GFP_MOVABLE|__GFP_NORETRY",
            rq.GFP_NOFS | memory.MOVABLE | rq.NORETRY,
            memory.FILE,
        ),
        ("GFP_HIGHUSER_MOVABLE|__GFP_WRITE", rq.GFP_HIGHUSER_MOVABLE, memory.FILE),
        ("GFP_KERNEL|__GFP_RECLAIMABLE", rq.GFP_RECLAIMABLE, memory.SLAB),
        ("GFP_KERNEL_ACCOUNT|__GFP_ZERO|__GFP_COMP", rq.GFP_KERNEL, memory.PGTABLE),
        ("GFP_NOWAIT|__GFP_COMP", rq.GFP_NOWAIT, memory.SLAB),
        ("GFP_HIGHUSER|__GFP_ACCOUNT", rq.GFP_KERNEL, memory.KERNEL),
        ("__GFP_HIGH|__GFP_KSWAPD_RECLAIM", rq.GFP_ATOMIC, memory.KERNEL),
        ("none", 0, memory.KERNEL),
    ],
)
def test_replay__reads_flags(flags, gfp, kind):
    (row,) = workloads.replay(event(1, "alloc", 64, flags=flags)).requests
    assert row["gfp"] == gfp | rq.RECORD
    assert row["kind"] == kind
    assert row["mapcount"] == (kind == memory.ANON)


def test_replay__unknown_flags_are_told():
    text = event(1, "alloc", 64, flags="GFP_KERNEL|__GFP_CMA") + event(
        2, "alloc", 65, flags="0x80000|__GFP_CMA"
    )
    (told,) = workloads.replay(text).problems
    assert told == "text: allocation flags that were left out: 0x80000 (1), __GFP_CMA (2)"


def test_read_page_trace__reads_three_formats_alike():
    ftrace = event(12.5, "alloc", 64, 3)
    perf = "cc1  77 [001] 12.500000000: kmem:mm_page_alloc: page=0xff pfn=0x40 order=3 migratetype=0 gfp_flags=GFP_USER\n"
    ours = "12500000000 1 other mm_page_alloc page=00ff pfn=64 order=3 migratetype=0 gfp_flags=GFP_USER\n"
    first, *rest = [read_page_trace(text) for text in (ftrace, perf, ours)]
    assert first.events.tolist() == [(12_500_000_000, 64, 1, 0, 0, 3, 0)]
    for trace in rest:
        assert trace.events.tolist() == first.events.tolist()
        assert trace.flags == first.flags == ["GFP_USER"]


def test_read_page_trace__names_with_blanks_and_digits():
    text = event(1, "alloc", 64).replace("cc1-77", "Web Content [3] 5.5: x-77")
    assert read_page_trace(text).events["time_ns"].tolist() == [1_000_000_000]


def test_read_page_trace__counts_what_it_leaves_out():
    other = "cc1-77 [001] d..1. 1.000000: sched_switch: prev_comm=cc1\n"
    text = "# tracer: nop\n" + event(1, "alloc", 64) + other + "CPU:1 [LOST 123 EVENTS]\n" + other
    trace = read_page_trace(text)
    assert trace.problems == [
        "text: the tracer lost 123 events; use a larger buffer",
        "text: other events were left out: sched_switch (2)",
    ]


def test_read_page_trace__sorts_by_time():
    trace = read_page_trace(event(2, "free", 64) + event(1, "alloc", 64))
    assert trace.events["time_ns"].tolist() == [1_000_000_000, 2_000_000_000]


def test_read_page_trace__cut_tail_is_left_out():
    whole = event(1, "alloc", 64) + event(2, "free", 64)
    trace = read_page_trace(whole + event(3, "alloc", 65)[:60])
    assert trace.events.size == 2
    assert trace.problems == ["text, line 3: the last event is incomplete and was left out"]


def test_read_page_trace__cut_archive_is_told():
    trace = read_page_trace(io.BytesIO(TRACE.read_bytes()[:20_000]))
    assert trace.events.size > 500
    assert "the archive ends too early" in trace.problems[0]


@pytest.mark.parametrize("damage", ["pfn=zz order=0", "pfn=0x40 order=60", "pfn=0x40"])
def test_read_page_trace__bad_line_says_where(damage):
    bad = event(2, "free", 64).replace("pfn=0x40 order=0", damage)
    text = event(1, "alloc", 64) + bad + event(3, "free", 64)
    with pytest.raises(ParseError, match=rf"text, line 2: found 'cc1-77 .*{damage}'; expected 'comm-pid"):
        read_page_trace(text)


def test_read_page_trace__foreign_text_says_what_to_record():
    with pytest.raises(ParseError, match=r"2 lines without a page allocation.*Enable the events kmem"):
        read_page_trace("Node 0, zone Normal 1 2 3\n")
