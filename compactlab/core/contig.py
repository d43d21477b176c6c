"""Taking a range of pages, whoever has them (alloc_contig_range of mm/page_alloc.c, Linux 6.18).

Its pageblocks are isolated, so that what is freed there stays there; what can move moves elsewhere, clean
page cache is dropped; then the range is free or the attempt failed.
"""

from __future__ import annotations

import numpy as np

from .buddy import block_of, del_from_free_list, free_one_page, move_freepages_block
from .compaction import set_control
from .jit import inner, integer
from .lru import lru_add, lru_del
from .memory import (
    CLUSTER_MAX,
    CMA,
    COMPACT_ISOLATED,
    CONTIG_RANGE,
    DIRECT_CONTROL,
    DIRTY,
    EV_MIGRATEPAGES,
    EV_TEST_PAGES_ISOLATED,
    FILE,
    FREE,
    HUGETLB,
    ISOLATE,
    KERNEL,
    LRU,
    MAX_CLASSES,
    MOVABLE,
    PCP,
    PGMIGRATE_FAIL,
    PGMIGRATE_SUCCESS,
    PINNED,
    REFUSED_NO_TARGET,
    REFUSED_PINNED,
    REFUSED_UNMOVABLE,
    STEP_DRAIN,
    STEP_FREE_ISOLATE,
    STEP_MIGRATE_FAIL,
    STEP_RECLAIM_PAGE,
    STEP_WRITEBACK_WAIT,
    SYNC,
    TAIL,
    UNEVICTABLE,
    WRITEBACK,
    Memory,
    charge,
    log_event,
    log_move,
    refuse,
    zone_of,
)
from .migrate import ENOMEM, can_split, charge_batch, mappings_beyond_one, move_folio, split_folio
from .migrate_scanner import head_offset, isolate_migratepages_block, pageblock_end, putback_movable_pages
from .pcp import alloc_pages_zone, drain_all_pages, free_pages
from .reclaim import drop_folio, try_to_free_pages
from .watermark import ALLOC_CMA, zone_watermark_ok

EBUSY = -16
ATTEMPTS = 5  # at each batch


@inner
def has_unmovable_pages(memory: Memory, start: int, end: int, is_cma: bool) -> int:
    """First page of a part of a pageblock that cannot be moved, -1 if all can; CMA blocks are CMA users'."""
    if memory.block[block_of(memory, start)].migratetype == CMA:
        return -1 if is_cma else start
    page = start
    while page < end:
        head = page - head_offset(memory, page)
        kind = memory.page[head].kind
        movable = kind in (FREE, PCP, HUGETLB) or memory.page[head].bits & LRU
        if not movable:
            return page
        page = head + (1 << integer(memory.page[head].order))
    return -1


@inner
def _free_by_pageblock(memory: Memory, zone: int, page: int, order: int) -> None:
    """Free a block that is on no list, each pageblock of it by its own type."""
    pageblock_order = memory.rules[0].pageblock_order
    for part in range(page, page + (1 << order), 1 << pageblock_order):
        memory.page[part].order = pageblock_order
        free_one_page(memory, zone, part, pageblock_order)


@inner
def _isolate_pageblock(memory: Memory, zone: int, block: int, start: int, end: int, is_cma: bool) -> bool:
    """Isolate a pageblock of the range, unless the range has something unmovable in it."""
    shift = memory.rules[0].pageblock_order
    first, last = block << shift, block + 1 << shift
    page = first
    if first >= memory.zone[zone].start_pfn and last <= memory.zone[zone].end_pfn:
        page = has_unmovable_pages(memory, max(first, start), min(last, end), is_cma)
    if page >= 0:
        refuse(memory, zone, page, REFUSED_UNMOVABLE)
        return False
    head = first - head_offset(memory, first)
    memory.block[block].isolated = 1
    if memory.page[head].kind == FREE and memory.page[head].order > shift:
        _free_by_pageblock(memory, zone, head, del_from_free_list(memory, zone, head))
    else:
        move_freepages_block(memory, zone, first, ISOLATE)
    return True


@inner
def start_isolate_page_range(memory: Memory, zone: int, start: int, end: int, is_cma: bool) -> bool:
    """Isolate the pageblocks of a range, those at its ends first; False at the first that cannot be."""
    first, last = block_of(memory, start), block_of(memory, end - 1)
    if not _isolate_pageblock(memory, zone, first, start, end, is_cma):
        return False
    if last > first and not _isolate_pageblock(memory, zone, last, start, end, is_cma):
        return False
    for block in range(first + 1, last):
        if not _isolate_pageblock(memory, zone, block, start, end, is_cma):
            return False
    return True


@inner
def undo_isolate_page_range(memory: Memory, zone: int, start: int, end: int) -> None:
    """Give the isolated pageblocks of a range their own types back; free blocks merge with their buddies."""
    pageblock_order = memory.rules[0].pageblock_order
    for block in range(block_of(memory, start), block_of(memory, end - 1) + 1):
        if not memory.block[block].isolated:
            continue
        page = block << pageblock_order
        order = integer(memory.page[page].order)
        if memory.page[page].kind != FREE or order == TAIL or order < pageblock_order:
            memory.block[block].isolated = 0
            move_freepages_block(memory, zone, page, integer(memory.block[block].migratetype))
            continue
        del_from_free_list(memory, zone, page)
        for part in range(block, block + (1 << (order - pageblock_order))):
            memory.block[part].isolated = 0
        _free_by_pageblock(memory, zone, page, order)


@inner
def _alloc_target(memory: Memory, zone: int, order: int) -> int:
    """Take a movable block where requests of the node would get it; -1 if there is none."""
    its = memory.zone[zone]
    cpu = memory.control[DIRECT_CONTROL].cpu
    for position in range(MAX_CLASSES):
        other = memory.state[0].zonelist[its.node, position]
        if other < 0:
            break
        mark = memory.zone[other].wmark_min + memory.zone[other].boost
        if zone_watermark_ok(memory, other, order, mark, its.index, ALLOC_CMA, -1):
            page = alloc_pages_zone(memory, other, cpu, order, MOVABLE, ALLOC_CMA)
            if page >= 0:
                return page
    return -1


@inner
def _alloc_migration_target(memory: Memory, zone: int, order: int) -> int:
    """The same, reclaiming once if need be."""
    page = _alloc_target(memory, zone, order)
    if page < 0 and try_to_free_pages(memory, memory.zone[zone].node, order, memory.zone[zone].index):
        page = _alloc_target(memory, zone, order)
    return page


@inner
def _move(memory: Memory, zone: int, page: int, target: int, order: int) -> int:
    """Move a folio and free where it was; returns the mappings beyond one per page."""
    mappings = mappings_beyond_one(memory, page, order)
    hugetlb = memory.page[page].kind == HUGETLB
    other = zone_of(memory, target)
    move_folio(memory, other, page, target, order)
    if hugetlb:
        lru_del(memory, other, target)
    log_move(memory, page, target, order)
    free_pages(memory, zone, memory.control[DIRECT_CONTROL].cpu, page, order)
    return mappings


@inner
def _migrate_folio(memory: Memory, zone: int, page: int) -> tuple[int, int]:
    """Move one isolated folio, in pages if there is no place for it whole; pages moved and mappings."""
    order = integer(memory.page[page].order)
    if memory.page[page].bits & WRITEBACK:
        charge(memory, STEP_WRITEBACK_WAIT, 1)
        memory.page[page].bits &= np.uint8(255 - WRITEBACK)
    target = _alloc_migration_target(memory, zone, order)
    if target >= 0:
        return 1 << order, _move(memory, zone, page, target, order)
    moved, mappings = 0, 0
    if order > 0 and memory.page[page].kind != HUGETLB and can_split(memory, page):
        split_folio(memory, page)
        for part in range(page, page + (1 << order)):
            target = _alloc_target(memory, zone, 0)
            if target >= 0:
                mappings += _move(memory, zone, part, target, 0)
                moved += 1
            else:
                lru_add(memory, zone, part)
        return moved, mappings
    refuse(memory, zone, page, REFUSED_NO_TARGET)
    if memory.page[page].kind != HUGETLB:
        lru_add(memory, zone, page)
    return moved, mappings


@inner
def _is_clean_file(memory: Memory, page: int) -> bool:
    bits = memory.page[page].bits
    return memory.page[page].kind == FILE and not bits & (DIRTY | WRITEBACK | UNEVICTABLE)


@inner
def _migrate_batch(memory: Memory, zone: int) -> int:
    """Drop the clean page cache of the batch, move the rest; ENOMEM as soon as there is no target.

    What cannot be moved stays in the batch.
    """
    control = memory.control[DIRECT_CONTROL]
    moved, mappings, status, left = 0, 0, 0, 0
    for position in range(control.nr_batch - 1, -1, -1):
        page = integer(memory.batch[DIRECT_CONTROL, 0, position])
        pages = 1 << integer(memory.page[page].order)
        if status or memory.page[page].bits & PINNED:
            continue
        memory.batch[DIRECT_CONTROL, 0, position] = -1
        control.nr_migratepages -= pages
        if _is_clean_file(memory, page):
            charge(memory, STEP_RECLAIM_PAGE, pages)
            drop_folio(memory, zone, control.cpu, page)
            continue
        done, beyond = _migrate_folio(memory, zone, page)
        moved += done
        mappings += beyond
        if done < pages:
            status = ENOMEM
    for position in range(control.nr_batch):
        page = integer(memory.batch[DIRECT_CONTROL, 0, position])
        if page >= 0:
            memory.batch[DIRECT_CONTROL, 0, left] = page
            left += 1
    control.nr_batch = left
    _count_batch(memory, zone, moved, control.nr_migratepages, mappings)
    return status


@inner
def _count_batch(memory: Memory, zone: int, moved: int, stayed: int, mappings: int) -> None:
    """Time, counters and event of one call of migrate_pages."""
    charge_batch(memory, moved, mappings)
    charge(memory, STEP_MIGRATE_FAIL, stayed)
    memory.state[0].counter[PGMIGRATE_SUCCESS] += moved
    memory.state[0].counter[PGMIGRATE_FAIL] += stayed
    log_event(memory, EV_MIGRATEPAGES, zone, moved, stayed, 0, 0, 0, 0)


@inner
def _migrate_hugetlb(memory: Memory, zone: int, start: int, end: int) -> int:
    """Move the hugetlb folios that begin in the range; they are on no LRU list."""
    page = start
    while page < end:
        order = integer(memory.page[page].order)
        if order == TAIL:
            page += 1
            continue
        if memory.page[page].kind == HUGETLB and not memory.page[page].bits & PINNED:
            moved, mappings = _migrate_folio(memory, zone, page)
            if moved == 0:
                return ENOMEM
            _count_batch(memory, zone, moved, 0, mappings)
        page += 1 << order
    return 0


@inner
def _isolate_batch(memory: Memory, page: int, end: int) -> int:
    """Isolate 32 pages or what there is of them up to `end`; returns where to go on."""
    control = memory.control[DIRECT_CONTROL]
    while page < end and control.nr_migratepages < CLUSTER_MAX:
        isolate_migratepages_block(memory, DIRECT_CONTROL, page, min(pageblock_end(memory, page), end))
        page = control.migrate_pfn
    return page


@inner
def _migrate_range(memory: Memory, zone: int, start: int, end: int) -> int:
    """Empty the range; 0, or why that ended: ENOMEM, or EBUSY after five attempts at one batch."""
    control = memory.control[DIRECT_CONTROL]
    cpu = control.cpu
    set_control(memory, DIRECT_CONTROL, zone, -1, MOVABLE, SYNC, CONTIG_RANGE)
    control.cpu = cpu
    control.ignore_skip, control.no_set_skip, control.alloc_contig = 1, 1, 1
    control.finish_pageblock, control.nr_batch, control.nr_migratepages = 0, 0, 0
    status = _migrate_hugetlb(memory, zone, start, end)
    page, tries = start, 0
    while status == 0 and (page < end or control.nr_batch):
        tries += 1
        if control.nr_batch == 0:
            page = _isolate_batch(memory, page, end)
            tries = 0
        if tries == ATTEMPTS:
            for position in range(control.nr_batch):
                refuse(memory, zone, integer(memory.batch[DIRECT_CONTROL, 0, position]), REFUSED_PINNED)
            status = EBUSY
        elif control.nr_batch:
            status = _migrate_batch(memory, zone)
    putback_movable_pages(memory, DIRECT_CONTROL)
    control.alloc_contig = 0
    return status


@inner
def _take_range(memory: Memory, zone: int, start: int, end: int) -> int:
    """Take the range off the free lists if all of it is there, one lone page after the other; else EBUSY."""
    first = start - head_offset(memory, start) if memory.page[start].kind == FREE else start
    page = first
    while page < end and memory.page[page].kind == FREE:
        page += 1 << integer(memory.page[page].order)
    log_event(memory, EV_TEST_PAGES_ISOLATED, zone, first, end, page, 0, 0, 0)
    if page < end:
        return EBUSY
    stop = page
    page = first
    while page < stop:
        following = page + (1 << del_from_free_list(memory, zone, page))
        for lone in range(page, following):
            memory.page[lone].kind = KERNEL
            memory.page[lone].order = 0
            memory.page[lone].slot = -1
        page = following
    for lone in range(first, start):
        free_one_page(memory, zone, lone, 0)
    for lone in range(end, stop):
        free_one_page(memory, zone, lone, 0)
    charge(memory, STEP_FREE_ISOLATE, stop - first)
    memory.state[0].counter[COMPACT_ISOLATED] += stop - first
    return 0


@inner
def alloc_contig_range(memory: Memory, start: int, end: int, is_cma: bool) -> int:
    """Make the pages of [start, end) the caller's, kernel pages of order 0; 0, EBUSY or ENOMEM.

    The log says which page was in the way: `compact_refused` with its reason, `test_pages_isolated` with
    the first page that is not free.
    """
    zone = zone_of(memory, start)
    status = EBUSY
    if zone >= 0 and start < end <= memory.zone[zone].end_pfn:
        if start_isolate_page_range(memory, zone, start, end, is_cma):
            drain_all_pages(memory, zone)
            charge(memory, STEP_DRAIN, memory.rules[0].nr_cpus)
            status = _migrate_range(memory, zone, start, end)
            if status != ENOMEM:
                status = _take_range(memory, zone, start, end)
        undo_isolate_page_range(memory, zone, start, end)
    return status
