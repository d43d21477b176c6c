"""The free scanner: finds free pages to move to, pageblock by pageblock downwards (mm/compaction.c, 6.18)."""

from __future__ import annotations

from .buddy import isolate_free_page, pageblock_type
from .jit import inner, integer
from .memory import (
    ASYNC,
    CLUSTER_MAX,
    CMA,
    COMPACT_ISOLATED,
    DIRECT,
    EV_FAST_ISOLATE_FREEPAGES,
    EV_ISOLATE_FREEPAGES,
    FREE,
    ISOLATED,
    MOVABLE,
    STEP_FAST_ISOLATE,
    STEP_FAST_SCAN,
    STEP_FREE_ISOLATE,
    STEP_FREE_SCAN,
    STEP_FREE_SCAN_BLOCK,
    TAIL,
    Memory,
    charge,
    free_list,
    held_list,
    list_add,
    list_add_tail,
    list_del,
    log_event,
)
from .migrate_scanner import (
    freelist_scan_limit,
    is_absent,
    isolation_suitable,
    pageblock_end,
    pageblock_start,
    set_pageblock_skip,
)
from .pcp import free_pages


@inner
def suitable_migration_target(memory: Memory, c: int, page: int) -> bool:
    """Whether a pageblock, by its first page, may give targets."""
    control = memory.control[c]
    if memory.page[page].kind == FREE and memory.page[page].order != TAIL:
        least = control.order if control.order > 0 else memory.rules[0].pageblock_order
        if memory.page[page].order >= least:
            return False
    if control.ignore_suitable:
        return True
    migratetype = pageblock_type(memory, page)
    return migratetype in (MOVABLE, CMA)


@inner
def _hold(memory: Memory, c: int, page: int, order: int) -> None:
    """Keep an isolated free block for the migration, until 6.8 in single pages, the last one first."""
    control = memory.control[c]
    if memory.rules[0].large_folios:
        list_add_tail(memory, page, held_list(memory, c, order))
    else:
        for part in range(page, page + (1 << order)):
            memory.page[part].order = 0
            list_add(memory, part, held_list(memory, c, 0))
    control.nr_freepages += 1 << order
    memory.state[0].counter[COMPACT_ISOLATED] += 1 << order


@inner
def isolate_freepages_block(memory: Memory, c: int, page: int, end: int, stride: int) -> tuple[int, int]:
    """Isolate free blocks of one pageblock from `page` up; returns where it stopped and the pages taken."""
    control = memory.control[c]
    zone = control.zone
    start = page
    scanned = 0
    inspected = 0
    taken = 0
    while page < end:
        scanned += 1
        inspected += 1
        order = integer(memory.page[page].order)
        kind = memory.page[page].kind
        if kind != FREE:
            if order != TAIL and order > 0 and kind != ISOLATED and page + (1 << order) <= end:
                page += (1 << order) - 1
                scanned += (1 << order) - 1
        elif order != TAIL:
            if not isolate_free_page(memory, zone, page, order):
                break
            _hold(memory, c, page, order)
            scanned += (1 << order) - 1
            taken += 1 << order
            if control.nr_migratepages <= control.nr_freepages:
                page += 1 << order
                break
            page += (1 << order) - 1
        page += stride
    page = min(page, end)
    log_event(memory, EV_ISOLATE_FREEPAGES, zone, start, page, scanned, taken, 0, 0)
    charge(memory, STEP_FREE_SCAN_BLOCK, 0 if taken else 1)
    charge(memory, STEP_FREE_SCAN, inspected)
    charge(memory, STEP_FREE_ISOLATE, taken)
    control.free_scanned += scanned
    return page, taken


@inner
def _fast_isolate_around(memory: Memory, c: int, page: int) -> None:
    """Take more free pages from the pageblock of a page the fast search found."""
    control = memory.control[c]
    if control.nr_freepages >= control.nr_migratepages:
        return
    if control.trigger == DIRECT and control.mode == ASYNC:
        return
    start = max(pageblock_start(memory, page), memory.zone[control.zone].start_pfn)
    end = min(pageblock_end(memory, page), memory.zone[control.zone].end_pfn)
    stopped, _ = isolate_freepages_block(memory, c, start, end, 1)
    if stopped == end and not control.no_set_skip:
        set_pageblock_skip(memory, start)


@inner
def _next_search_order(memory: Memory, c: int, order: int) -> int:
    """Round robin over the orders below the requested one; -1 when all were searched."""
    control = memory.control[c]
    order -= 1
    if order < 0:
        order = control.order - 1
    if order == control.search_order:
        control.search_order -= 1
        if control.search_order < 0:
            control.search_order = control.order - 1
        return -1
    return order


@inner
def _any_free(memory: Memory, zone: int, order: int) -> bool:
    """Whether a block of the order is free, whatever its type."""
    for migratetype in range(6):
        if memory.zone[zone].nr_free[order, migratetype] > 0:
            return True
    return False


@inner
def fast_isolate_freepages(memory: Memory, c: int) -> None:
    """Search the Movable free lists for a target high in the zone, before scanning for one."""
    control = memory.control[c]
    zone = control.zone
    this = memory.zone[zone]
    if control.order <= 0:
        return
    limit = max(1, freelist_scan_limit(memory, c) >> 1)
    scan_start = control.free_pfn >= this.init_free
    if scan_start:
        limit = 1 << memory.rules[0].pageblock_order >> 1
    distance = control.free_pfn - control.migrate_pfn
    low = pageblock_start(memory, control.free_pfn - (distance >> 2))
    least = pageblock_start(memory, control.free_pfn - (distance >> 1))
    control.search_order = min(control.order - 1, control.search_order)
    highest, page = -1, -1
    scanned, walked, taken = 0, 0, 0
    order = control.search_order
    while page < 0 and order >= 0:
        if not _any_free(memory, zone, order):
            order = _next_search_order(memory, c, order)
            continue
        head = free_list(memory, zone, order, MOVABLE)
        entry = integer(memory.page[head].prev)
        seen = 0
        high = -1
        last = -1
        while entry != head:
            seen += 1
            if entry >= highest:
                highest = max(pageblock_start(memory, entry), this.start_pfn)
            if entry >= low:
                control.fast_search_fail = 0
                control.search_order = order
                page = entry
                last = entry
                break
            if entry >= least and entry > high:
                high = entry
                limit >>= 1
            if seen >= limit:
                last = entry
                break
            entry = integer(memory.page[entry].prev)
        walked += seen
        if page < 0 and high >= 0:
            page = high
            last = high
        if last >= 0:  # what was seen moves behind, so that the next search skips it
            list_del(memory, head)
            list_add_tail(memory, head, last)
        if page >= 0:
            if isolate_free_page(memory, zone, page, order):
                _hold(memory, c, page, order)
                taken += 1 << order
                scanned += (1 << order) - 1
            else:
                order = control.search_order + 1
                page = -1
        if control.nr_freepages >= control.nr_migratepages:
            break
        if seen >= limit:
            limit = max(1, limit >> 1)
        order = _next_search_order(memory, c, order)
    scanned += walked
    log_event(memory, EV_FAST_ISOLATE_FREEPAGES, zone, least, control.free_pfn, scanned, taken, 0, 0)
    charge(memory, STEP_FAST_ISOLATE, 1)
    charge(memory, STEP_FAST_SCAN, walked)
    charge(memory, STEP_FREE_ISOLATE, taken)
    if page < 0:
        control.fast_search_fail += 1
        if scan_start:
            if highest >= least:
                page = highest
                control.free_pfn = highest
            elif control.trigger == DIRECT:
                if suitable_migration_target(memory, c, least):
                    page = least
                control.free_pfn = least
    if highest >= 0 and highest >= this.cached_free:
        this.cached_free = highest - (1 << memory.rules[0].pageblock_order)
    control.free_scanned += scanned
    if page >= 0:
        _fast_isolate_around(memory, c, page)


@inner
def isolate_freepages(memory: Memory, c: int) -> None:
    """Isolate as many free pages as there are pages to move, from the free scanner's block downwards."""
    control = memory.control[c]
    this = memory.zone[control.zone]
    nr_pages = 1 << memory.rules[0].pageblock_order
    fast_isolate_freepages(memory, c)
    if control.nr_freepages:
        return
    start = control.free_pfn
    block = pageblock_start(memory, start)
    end = min(block + nr_pages, this.end_pfn)
    low = pageblock_end(memory, control.migrate_pfn)
    stride = CLUSTER_MAX if control.mode == ASYNC else 1
    while block >= low:
        if is_absent(memory, max(block, this.start_pfn), end):
            pass
        elif suitable_migration_target(memory, c, block) and isolation_suitable(memory, c, block):
            start, taken = isolate_freepages_block(memory, c, start, end, stride)
            if start == end and not control.no_set_skip:
                set_pageblock_skip(memory, block)
                this.cached_free = min(this.cached_free, block - nr_pages)
            if control.nr_freepages >= control.nr_migratepages:
                if start >= end:
                    start = block - nr_pages
                break
            if start < end:
                break
            stride = 1 if taken else min(CLUSTER_MAX, stride << 1)
        else:
            charge(memory, STEP_FREE_SCAN_BLOCK, 1)
        end = block
        block -= nr_pages
        start = block
    control.free_pfn = start


@inner
def release_free_list(memory: Memory, c: int) -> int:
    """Give back held free blocks; returns the highest of them, -1 if there were none."""
    control = memory.control[c]
    highest = -1
    for order in range(memory.rules[0].max_order + 1):
        head = held_list(memory, c, order)
        while memory.page[head].next != head:
            page = integer(memory.page[head].next)
            list_del(memory, page)
            highest = max(highest, page)
            free_pages(memory, control.zone, control.cpu, page, order)
    control.nr_freepages = 0
    return highest
