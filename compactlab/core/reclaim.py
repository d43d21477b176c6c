"""Reclaim: taking pages back from their users, least recently used first (mm/vmscan.c, Linux 6.18).

LRU lists are per zone here, the kernel's per node. A page has one reference bit for all its mappings: an
inactive page that was referenced becomes active, an active one goes round once more. A write is over by
the next batch of 32 pages. Slab caches do not shrink.
"""

from __future__ import annotations

import numpy as np

from .compaction import compaction_suitable
from .jit import inner, integer
from .lru import folio_pages, lru_add, lru_del
from .memory import (
    ACTIVE,
    ACTIVE_ANON,
    ACTIVE_FILE,
    ALLOCSTALL,
    ANON,
    CLUSTER_MAX,
    COSTLY_ORDER,
    DIRECT_CONTROL,
    DIRTY,
    EV_DIRECT_RECLAIM_BEGIN,
    EV_DIRECT_RECLAIM_END,
    INACTIVE_ANON,
    INACTIVE_FILE,
    PGFREE,
    PGROTATED,
    PGSCAN_DIRECT,
    PGSCAN_KSWAPD,
    PGSTEAL_DIRECT,
    PGSTEAL_KSWAPD,
    PINNED,
    REFERENCED,
    STEP_RECLAIM_PAGE,
    STEP_RECLAIM_SCAN,
    STEP_RECLAIM_WRITE,
    UNEVICTABLE_LIST,
    WRITEBACK,
    Memory,
    charge,
    list_empty,
    log_event,
    lru_list,
)
from .pcp import free_pages
from .watermark import zone_watermark_ok

DEF_PRIORITY = 12
ANY_NODE = -1
_GIGABYTE_SHIFT = 18  # of 4 KiB pages


@inner
def zone_in_reach(memory: Memory, zone: int, node: int, classzone: int) -> bool:
    """Whether a zone is of the node (or ANY_NODE), has pages, and may serve requests up to this class."""
    this = memory.zone[zone]
    return node in (ANY_NODE, this.node) and this.index <= classzone and this.managed > 0


@inner
def drop_folio(memory: Memory, zone: int, cpu: int, page: int) -> None:
    """Free a folio that is on no LRU list; the request that held it holds nothing from now on."""
    order = integer(memory.page[page].order)
    slot = memory.page[page].slot
    if slot >= 0:
        memory.where[slot] = -1
    memory.page[page].slot = -1
    memory.page[page].bits = 0
    for part in range(page, page + (1 << order)):
        memory.page[part].mapcount = 0
    memory.state[0].counter[PGFREE] += 1 << order
    free_pages(memory, zone, cpu, page, order)


@inner
def _write_out(memory: Memory, page: int, pages: int) -> None:
    """Hand a folio to the disk; its bits say so until it is met again."""
    charge(memory, STEP_RECLAIM_WRITE, pages)
    memory.page[page].bits = (memory.page[page].bits & np.uint8(255 - DIRTY)) | np.uint8(WRITEBACK)


@inner
def shrink_inactive_list(
    memory: Memory, zone: int, which: int, nr_to_scan: int, cpu: int, may_write: bool
) -> tuple[int, int]:
    """Reclaim from the tail of an inactive list; returns pages scanned and pages freed."""
    head = lru_list(memory, zone, which)
    behind = head
    looked, scanned, reclaimed = 0, 0, 0
    while scanned < nr_to_scan and memory.page[behind].prev != head:
        page = integer(memory.page[behind].prev)
        pages = folio_pages(memory, page)
        looked += 1
        scanned += pages
        bits = memory.page[page].bits
        dirty = bits & DIRTY != 0 or (memory.page[page].kind == ANON and not bits & WRITEBACK)
        kept = bits & (PINNED | REFERENCED) != 0
        if dirty and may_write and not kept:
            _write_out(memory, page, pages)
            behind = page  # stays at the tail, for the next batch
            continue
        lru_del(memory, zone, page)
        if kept or dirty:
            if bits & REFERENCED:
                memory.page[page].bits &= np.uint8(255 - REFERENCED)
                memory.page[page].bits |= np.uint8(ACTIVE)
            lru_add(memory, zone, page)
            continue
        if bits & WRITEBACK:
            memory.state[0].counter[PGROTATED] += pages
        drop_folio(memory, zone, cpu, page)
        reclaimed += pages
    charge(memory, STEP_RECLAIM_SCAN, looked)
    charge(memory, STEP_RECLAIM_PAGE, reclaimed)
    return scanned, reclaimed


@inner
def shrink_active_list(memory: Memory, zone: int, which: int, nr_to_scan: int) -> None:
    """Make the tail of an active list inactive; pages that were referenced go round once more."""
    head = lru_list(memory, zone, which)
    looked, scanned = 0, 0
    while scanned < nr_to_scan and not list_empty(memory, head):
        page = integer(memory.page[head].prev)
        looked += 1
        scanned += folio_pages(memory, page)
        lru_del(memory, zone, page)
        bits = memory.page[page].bits
        clear = REFERENCED if bits & REFERENCED else ACTIVE
        memory.page[page].bits = bits & np.uint8(255 - clear)
        lru_add(memory, zone, page)
    charge(memory, STEP_RECLAIM_SCAN, looked)


@inner
def inactive_is_low(inactive: int, active: int) -> bool:
    """Whether an inactive list is short of what its size asks for: 1:1 below 1 GiB, 3:1 there, and so on."""
    tens = 10 * ((inactive + active) >> _GIGABYTE_SHIFT)
    ratio = 1
    while (ratio + 1) * (ratio + 1) <= tens:
        ratio += 1
    return inactive * ratio < active


@inner
def get_scan_count(memory: Memory, zone: int, priority: int, may_swap: bool) -> tuple[int, int]:
    """Part of the scanning that anonymous and file lists get, in 200ths."""
    rules = memory.rules[0]
    this = memory.zone[zone]
    if not rules.swap or not may_swap:
        return 0, 200
    if priority == 0 and rules.swappiness:
        return 200, 200
    if this.nr_inactive_file >> priority and not inactive_is_low(this.nr_inactive_file, this.nr_active_file):
        return 0, 200
    return rules.swappiness, 200 - rules.swappiness


@inner
def shrink_zone(
    memory: Memory, zone: int, priority: int, target: int, cpu: int, kswapd: bool, may_write: bool
) -> tuple[int, int]:
    """Scan 1/2**priority of each LRU list in turns of 32 pages, until `target` pages are free again.

    Without `may_write` dirty and anonymous pages stay. Returns inactive pages scanned and pages freed.
    """
    this = memory.zone[zone]
    anon, file = get_scan_count(memory, zone, priority, may_write)
    budget = (
        (this.nr_inactive_anon >> priority) * anon // 200,
        (this.nr_active_anon >> priority) * anon // 200,
        (this.nr_inactive_file >> priority) * file // 200,
        (this.nr_active_file >> priority) * file // 200,
    )
    scanned, reclaimed, done = 0, 0, 0
    while reclaimed < target and done < max(budget):
        for which in range(UNEVICTABLE_LIST):
            share = min(budget[which] - done, CLUSTER_MAX)
            if share <= 0:
                continue
            if which in (INACTIVE_ANON, INACTIVE_FILE):
                looked, freed = shrink_inactive_list(memory, zone, which, share, cpu, may_write)
                scanned += looked
                reclaimed += freed
            elif (which == ACTIVE_ANON and inactive_is_low(this.nr_inactive_anon, this.nr_active_anon)) or (
                which == ACTIVE_FILE and inactive_is_low(this.nr_inactive_file, this.nr_active_file)
            ):
                shrink_active_list(memory, zone, which, share)
        done += CLUSTER_MAX
    memory.state[0].counter[PGSCAN_KSWAPD if kswapd else PGSCAN_DIRECT] += scanned
    memory.state[0].counter[PGSTEAL_KSWAPD if kswapd else PGSTEAL_DIRECT] += reclaimed
    if reclaimed:
        memory.node[this.node].kswapd_failures = 0
    return scanned, reclaimed


@inner
def compaction_ready(memory: Memory, zone: int, order: int, classzone: int) -> bool:
    """Whether a zone needs no reclaim for a costly request: it fits, or compaction has room to work."""
    this = memory.zone[zone]
    if zone_watermark_ok(memory, zone, order, this.wmark_min + this.boost, classzone, 0, -1):
        return True
    return compaction_suitable(memory, zone, order, this.wmark_high + this.boost, classzone)


@inner
def try_to_free_pages(memory: Memory, node: int, order: int, classzone: int) -> int:
    """Direct reclaim: 32 pages from the node's zones, looking harder each round; returns the pages freed.

    Ends as well once compaction can work for a costly order; 1 then, if nothing was freed.
    """
    memory.state[0].counter[ALLOCSTALL] += 1
    log_event(memory, EV_DIRECT_RECLAIM_BEGIN, -1, order, 0, 0, 0, 0, 0)
    cpu = memory.control[DIRECT_CONTROL].cpu
    total, ready = 0, 0
    for priority in range(DEF_PRIORITY, -1, -1):
        for zone in range(memory.zone.size):
            if not zone_in_reach(memory, zone, node, classzone):
                continue
            if order > COSTLY_ORDER and compaction_ready(memory, zone, order, classzone):
                ready = 1
                continue
            _, reclaimed = shrink_zone(memory, zone, priority, CLUSTER_MAX, cpu, False, True)
            total += reclaimed
        if total >= CLUSTER_MAX or ready:
            break
    total = max(total, ready)
    log_event(memory, EV_DIRECT_RECLAIM_END, -1, total, 0, 0, 0, 0, 0)
    return total
