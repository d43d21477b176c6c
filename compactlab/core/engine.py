"""The run loop: executes requests, lets background threads run beside them, times each allocation."""

from __future__ import annotations

import numpy as np

from .byreference import by_reference
from .jit import inner, integer, jit
from .kcompactd import kcompactd_step, proactive_check
from .kswapd import kswapd_step
from .lru import lru_add, lru_del
from .memory import (
    ANON,
    COMPACT_FAIL,
    COMPACT_STALL,
    COMPACT_SUCCESS,
    DIRTY,
    EV_PHASE,
    FILE,
    FOREGROUND,
    KCOMPACTD_THREAD,
    KSWAPD,
    LRU,
    NOW,
    PGALLOC,
    PGFAULT,
    PGFREE,
    PINNED,
    RECORDS_BEYOND,
    RECORDS_KEPT,
    STEP_ALLOC,
    STEP_CLEAR_PAGE,
    STEP_FAULT,
    STEP_FREE,
    STEP_WAIT,
    TAIL,
    THP_FAULT_ALLOC,
    THP_FAULT_FALLBACK,
    THREAD,
    Memory,
    charge,
    log_event,
    zone_of,
)
from .pcp import free_pages, refresh_vm_stats
from .request import (
    ALLOC,
    CLEAN,
    COMPACT,
    CONTIG,
    DIRECT_RECLAIM,
    FAULT,
    FREE,
    KSWAPD_RECLAIM,
    NORETRY,
    PHASE,
    PIN,
    RECORD,
    SPLIT,
    THISNODE,
    UNPIN,
    WAIT,
)
from .request import DIRTY as MAKE_DIRTY
from .slowpath import alloc_pages

# Columns of an allocation's record; times in ps. From R_SPENT on: what the time was spent on.
(
    R_TIME,
    R_LATENCY,
    R_ORDER,
    R_GFP,
    R_SUCCESS,
    R_PAGE,
    R_STALL,
    R_COMPACT_SUCCESS,
    R_COMPACT_FAIL,
    R_SPENT,
) = range(10)
SPENT = ("alloc", "clear", "reclaim", "scan", "migrate", "wait")
SPENT_MIGRATE = 4
RECORD_COLUMNS = R_SPENT + len(SPENT)
# What each step is spent on, in the order of STEPS.
SPENT_ON = np.array([0, 0, 0, 1, 1, 0, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 5, 3, 3, 2, 2, 2, 0, 5, 3])

# Where a run stands between two calls.
ROW, OFFSET, THINK = range(3)

VMSTAT_INTERVAL = 1_000_000_000_000  # sysctl_stat_interval, in ps

# Transparent huge page policies (/sys/kernel/mm/transparent_hugepage/defrag); `never` is what is left.
THP_ALWAYS, THP_DEFER, THP_DEFER_MADVISE, THP_MADVISE = range(4)


@inner
def _switch(memory: Memory, thread: int, clock: int) -> int:
    """Let a thread run at its own time; returns the time of the one that ran."""
    state = memory.state[0]
    before = state.clock[NOW]
    state.clock[THREAD] = thread
    state.clock[NOW] = clock
    return before


@inner
def run_background(memory: Memory) -> None:
    """Let the background threads catch up with the foreground's time."""
    state = memory.state[0]
    until = state.clock[NOW]
    for number in range(memory.node.size):
        node = memory.node[number]
        while 0 <= node.kswapd_clock < until:
            _switch(memory, KSWAPD, node.kswapd_clock)
            kswapd_step(memory, number)
            if node.kswapd_clock >= 0:
                node.kswapd_clock = state.clock[NOW]
            _switch(memory, FOREGROUND, until)
        while 0 <= node.kcompactd_clock < until:
            _switch(memory, KCOMPACTD_THREAD, node.kcompactd_clock)
            kcompactd_step(memory, number)
            if node.kcompactd_clock >= 0:
                node.kcompactd_clock = state.clock[NOW]
            _switch(memory, FOREGROUND, until)
        while 0 <= node.proactive_next <= until and node.kcompactd_clock < 0:
            _switch(memory, KCOMPACTD_THREAD, node.proactive_next)
            proactive_check(memory, number)
            _switch(memory, FOREGROUND, until)
            if node.kcompactd_clock >= 0:
                break
        while 0 <= node.vmstat_next <= until:
            _switch(memory, KSWAPD, node.vmstat_next)  # a kworker of its own in the kernel
            refresh_vm_stats(memory, number)
            node.vmstat_next += VMSTAT_INTERVAL
            _switch(memory, FOREGROUND, until)


@inner
def think(memory: Memory, place: np.ndarray, until: int) -> bool:
    """Let the thread wait, up to `until`; whether it has waited all of it."""
    state = memory.state[0]
    waits = min(place[THINK], until - state.clock[NOW])
    if waits > 0:
        step = waits
        state.clock[NOW] += step
        state.tally[FOREGROUND, STEP_WAIT] += step // 1000
        place[THINK] -= step
    run_background(memory)
    return place[THINK] <= 0


@inner
def prepare_block(memory: Memory, page: int, order: int, kind: int, mapcount: int, slot: int) -> None:
    """Make a block taken from the allocator somebody's pages."""
    for position in range(page, page + (1 << order)):
        memory.page[position].kind = kind
        memory.page[position].mapcount = mapcount
        memory.page[position].bits = 0
        memory.page[position].order = TAIL
        memory.page[position].slot = -1
    memory.page[page].order = order
    memory.page[page].slot = slot
    if slot >= 0:
        memory.where[slot] = page
    if kind in (ANON, FILE):
        lru_add(memory, zone_of(memory, page), page)
    memory.state[0].counter[PGALLOC] += 1 << order


@inner
def release_block(memory: Memory, page: int, cpu: int) -> None:
    """Free the folio or block that starts at a page."""
    zone = zone_of(memory, page)
    order = integer(memory.page[page].order)
    if memory.page[page].bits & LRU:
        lru_del(memory, zone, page)
    for position in range(page, page + (1 << order)):
        memory.page[position].bits = 0
        memory.page[position].mapcount = 0
    memory.page[page].slot = -1
    free_pages(memory, zone, cpu, page, order)
    memory.state[0].counter[PGFREE] += 1 << order
    charge(memory, STEP_FREE, 1)


@inner
def _empty_slot(memory: Memory, slot: int, cpu: int) -> None:
    """Free what a slot holds, if anything."""
    if memory.where[slot] >= 0:
        release_block(memory, integer(memory.where[slot]), cpu)
        memory.where[slot] = -1


@inner
def _thp_gfp(memory: Memory, gfp: int) -> int:
    """What a huge page fault may do, by the policy and whether the memory is advised (vma_thp_gfp_mask)."""
    policy = memory.rules[0].thp_defrag
    advised = gfp & DIRECT_RECLAIM != 0
    plain = gfp & ~(DIRECT_RECLAIM | KSWAPD_RECLAIM | NORETRY)
    if policy == THP_ALWAYS:
        return plain | DIRECT_RECLAIM | (0 if advised else NORETRY)
    if policy == THP_DEFER:
        return plain | KSWAPD_RECLAIM
    if policy == THP_DEFER_MADVISE:
        return plain | (DIRECT_RECLAIM if advised else KSWAPD_RECLAIM)
    if policy == THP_MADVISE:
        return plain | (DIRECT_RECLAIM if advised else 0)
    return plain


@inner
def _allocate(memory: Memory, node: int, cpu: int, order: int, gfp: int) -> int:
    """One request; a huge page fault asks its own node first, without reclaim, then at large."""
    charge(memory, STEP_ALLOC, 1)
    if not (gfp & FAULT and order > 0):
        return alloc_pages(memory, node, cpu, order, gfp)
    gfp = _thp_gfp(memory, gfp)
    page = alloc_pages(memory, node, cpu, order, gfp | THISNODE | NORETRY)
    if page < 0 and gfp & DIRECT_RECLAIM:
        page = alloc_pages(memory, node, cpu, order, gfp)
    return page


@inner
def _add_spent(memory: Memory, record: np.ndarray, sign: int) -> None:
    """Add to a record, or take from it, what the foreground has spent so far on each thing."""
    state = memory.state[0]
    for step in range(SPENT_ON.size):
        spent = state.tally[FOREGROUND, step] * state.cost[step]
        record[R_SPENT + SPENT_ON[step]] += sign * spent


@inner
def _serve(memory: Memory, request: np.record, slot: int, records: np.ndarray) -> bool:
    """Allocate for one slot, with its record; whether a block of the order was obtained."""
    state = memory.state[0]
    order = integer(request.order)
    gfp = integer(request.gfp)
    cpu = integer(request.cpu) % memory.rules[0].nr_cpus
    node = integer(request.node) % memory.node.size
    _empty_slot(memory, slot, cpu)
    kept = -1
    if gfp & RECORD:
        kept = state.logged[RECORDS_KEPT]
        if kept >= records.shape[0]:
            kept = -1
            state.logged[RECORDS_BEYOND] += 1
        else:
            state.logged[RECORDS_KEPT] = kept + 1
            _open_record(memory, records[kept], order, gfp)
    page = _allocate(memory, node, cpu, order, gfp)
    success = page >= 0
    if gfp & FAULT:
        state.counter[PGFAULT] += 1
        if order > 0:
            state.counter[THP_FAULT_ALLOC if success else THP_FAULT_FALLBACK] += 1
            if not success:
                order = 0
                page = alloc_pages(memory, node, cpu, 0, (gfp | KSWAPD_RECLAIM | DIRECT_RECLAIM))
        if page >= 0:
            charge(memory, STEP_FAULT, 1)
            charge(memory, STEP_CLEAR_PAGE, 1 << order)
    if page >= 0:
        prepare_block(memory, page, order, request.kind, request.mapcount, slot)
    if kept >= 0:
        _close_record(memory, records[kept], success, page)
    return page >= 0


@inner
def _open_record(memory: Memory, record: np.ndarray, order: int, gfp: int) -> None:
    """Note where the totals stand before a request."""
    state = memory.state[0]
    record[:] = 0
    record[R_TIME] = state.clock[NOW]
    record[R_ORDER] = order
    record[R_GFP] = gfp
    record[R_STALL] = -state.counter[COMPACT_STALL]
    record[R_COMPACT_SUCCESS] = -state.counter[COMPACT_SUCCESS]
    record[R_COMPACT_FAIL] = -state.counter[COMPACT_FAIL]
    _add_spent(memory, record, -1)


@inner
def _close_record(memory: Memory, record: np.ndarray, success: bool, page: int) -> None:
    """Turn the totals into what this request took; how much batches differ is time of migration."""
    state = memory.state[0]
    record[R_LATENCY] = state.clock[NOW] - record[R_TIME]
    record[R_SUCCESS] = success
    record[R_PAGE] = page
    record[R_STALL] += state.counter[COMPACT_STALL]
    record[R_COMPACT_SUCCESS] += state.counter[COMPACT_SUCCESS]
    record[R_COMPACT_FAIL] += state.counter[COMPACT_FAIL]
    _add_spent(memory, record, 1)
    told = 0
    for spent in range(R_SPENT, RECORD_COLUMNS):
        told += record[spent]
    record[R_SPENT + SPENT_MIGRATE] += record[R_LATENCY] - told


@inner
def _split(memory: Memory, slot: int) -> None:
    """Make the block of a slot lone pages of the slots from there on."""
    page = integer(memory.where[slot])
    if page < 0:
        return
    order = integer(memory.page[page].order)
    listed = memory.page[page].bits & LRU
    zone = zone_of(memory, page)
    if listed:
        lru_del(memory, zone, page)
    flags = memory.page[page].bits
    for part in range(1 << order):
        memory.page[page + part].order = 0
        memory.page[page + part].bits = flags
        memory.page[page + part].slot = slot + part
        memory.where[slot + part] = page + part
        if listed:
            lru_add(memory, zone, page + part)


@inner
def _touch(memory: Memory, op: int, slot: int) -> None:
    """Change what a slot's pages are: dirty, clean, pinned, not pinned."""
    page = integer(memory.where[slot])
    if page < 0:
        return
    if op == MAKE_DIRTY and memory.page[page].kind == FILE:
        memory.page[page].bits |= DIRTY
    elif op == CLEAN:
        memory.page[page].bits &= np.uint8(255 - DIRTY)
    elif op == PIN:
        memory.page[page].bits |= PINNED
    elif op == UNPIN:
        memory.page[page].bits &= np.uint8(255 - PINNED)


@jit
def run_requests(
    of: Memory, requests: np.ndarray, place: np.ndarray, until: int, most: int, records: np.ndarray
) -> int:
    """Execute requests from `place` on, until the time `until` (ps) or `most` operations; rows left.

    `place` (3,) int64 is where to go on; `records` (R, RECORD_COLUMNS) int64 takes allocations that are
    to be kept. Stops before a row that `commands.run_command` has to execute. The GIL is free meanwhile.
    """
    memory = by_reference(of)
    state = memory.state[0]
    done = 0
    while place[ROW] < requests.size and done < most and state.clock[NOW] < until:
        request = requests[place[ROW]]
        op = request.op
        if place[THINK] < 0:
            place[THINK] = integer(request.think_ns) * 1000
        if place[THINK] > 0 and not think(memory, place, until):
            break
        if op in (COMPACT, CONTIG):
            break
        if op == PHASE:
            log_event(memory, EV_PHASE, -1, request.slot, 0, 0, 0, 0, 0)
            place[OFFSET] = request.count
        count = integer(request.count)
        cpu = integer(request.cpu) % memory.rules[0].nr_cpus
        while place[OFFSET] < count and done < most and state.clock[NOW] < until:
            slot = integer(request.slot) + place[OFFSET]
            place[OFFSET] += 1
            done += 1
            if op == ALLOC:
                if not _serve(memory, request, slot, records):
                    place[OFFSET] = count
            elif op == FREE:
                _empty_slot(memory, slot, cpu)
            elif op == SPLIT:
                _split(memory, slot)
            elif op != WAIT:
                _touch(memory, op, slot)
            run_background(memory)
        if place[OFFSET] >= count:
            place[ROW] += 1
            place[OFFSET] = 0
            place[THINK] = -1
    return requests.size - place[ROW]
