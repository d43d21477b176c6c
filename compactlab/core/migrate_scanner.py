"""The migrate scanner: finds pages to move, pageblock by pageblock upwards (mm/compaction.c, Linux 6.18)."""

from __future__ import annotations

from .buddy import pageblock_type
from .jit import inner, integer
from .lru import lru_add, lru_del
from .memory import (
    ANON,
    ASYNC,
    CLUSTER_MAX,
    CMA,
    COMPACT_ISOLATED,
    COSTLY_ORDER,
    DIRECT,
    EV_ISOLATE_MIGRATEPAGES,
    FREE,
    HOLE,
    HUGETLB,
    LRU,
    MOVABLE,
    PINNED,
    REFUSED_COMPOUND,
    REFUSED_PINNED,
    REFUSED_UNEVICTABLE,
    REFUSED_UNMOVABLE,
    REFUSED_WRITEBACK,
    STEP_FAST_FIND,
    STEP_FREE_SCAN_BLOCK,
    STEP_ISOLATE,
    STEP_MIGRATE_SCAN,
    SYNC,
    TAIL,
    UNEVICTABLE,
    WRITEBACK,
    Memory,
    charge,
    free_list,
    list_add,
    list_del,
    log_event,
    refuse,
)

NOT_YET, NEVER_AGAIN = -2, -1  # fast_start before a page is found, and once it was used


@inner
def pageblock_start(memory: Memory, page: int) -> int:
    """First page of a page's block."""
    return page >> memory.rules[0].pageblock_order << memory.rules[0].pageblock_order


@inner
def pageblock_end(memory: Memory, page: int) -> int:
    """First page behind a page's block."""
    return (page >> memory.rules[0].pageblock_order) + 1 << memory.rules[0].pageblock_order


@inner
def is_absent(memory: Memory, block: int, end: int) -> bool:
    """Whether a pageblock has no memory at either end: neither scanner looks into it (pageblock_pfn_to_page)."""
    return memory.page[block].kind == HOLE and memory.page[end - 1].kind == HOLE


@inner
def isolation_suitable(memory: Memory, c: int, page: int) -> bool:
    """Whether the skip bit lets the block be scanned."""
    if memory.control[c].ignore_skip:
        return True
    return memory.block[page >> memory.rules[0].pageblock_order].skip == 0


@inner
def set_pageblock_skip(memory: Memory, page: int) -> None:
    """Leave the block out until skip bits are reset."""
    memory.block[page >> memory.rules[0].pageblock_order].skip = 1


@inner
def update_cached_migrate(memory: Memory, c: int, page: int) -> None:
    """Let the next run start behind this pageblock."""
    control = memory.control[c]
    if control.no_set_skip:
        return
    this = memory.zone[control.zone]
    page = pageblock_end(memory, page)
    this.cached_migrate_async = max(this.cached_migrate_async, page)
    if control.mode != ASYNC:
        this.cached_migrate_sync = max(this.cached_migrate_sync, page)


@inner
def skip_isolation_on_order(memory: Memory, order: int, target: int) -> bool:
    """Whether a folio is too large to be worth moving."""
    if target >= 0 and order >= target:
        return True
    return order >= memory.rules[0].pageblock_order


@inner
def head_offset(memory: Memory, page: int) -> int:
    """Pages between a page and the first of its folio or free block."""
    head = page
    while memory.page[head].order == TAIL:
        head &= head - 1
    return page - head


@inner
def head_order(memory: Memory, page: int) -> int:
    """Order of the folio or free block around a page, 0 for a lone page."""
    return integer(memory.page[page - head_offset(memory, page)].order)


@inner
def suitable_migration_source(memory: Memory, c: int, page: int) -> bool:
    """Whether a pageblock, by its first page, may be a source."""
    control = memory.control[c]
    if memory.page[page].kind != FREE and head_order(memory, page) >= memory.rules[0].pageblock_order:
        return False
    if control.mode != ASYNC or control.trigger != DIRECT:
        return True
    migratetype = pageblock_type(memory, page)
    if control.migratetype == MOVABLE:
        return migratetype in (MOVABLE, CMA)
    return migratetype == control.migratetype


@inner
def freelist_scan_limit(memory: Memory, c: int) -> int:
    """Entries of the free lists a fast search may look at."""
    return (CLUSTER_MAX >> min(memory.control[c].fast_search_fail, 31)) + 1


@inner
def move_freelist_tail(memory: Memory, head: int, page: int) -> None:
    """Move the entries up to and with `page` to the tail."""
    list_del(memory, head)
    list_add(memory, head, page)


@inner
def fast_find_migrateblock(memory: Memory, c: int) -> int:
    """Find a source block that has free pages already, by the free lists; else where to go on."""
    control = memory.control[c]
    this = memory.zone[control.zone]
    page = control.migrate_pfn
    if control.ignore_skip or control.finish_pageblock or control.order <= COSTLY_ORDER:
        return page
    if page != this.start_pfn and page != pageblock_start(memory, page):
        return page
    if control.trigger == DIRECT and control.migratetype != MOVABLE:
        return page
    distance = (control.free_pfn - page) >> 1
    if page != this.start_pfn:
        distance >>= 2
    high = pageblock_start(memory, page + distance)
    limit = freelist_scan_limit(memory, c)
    scanned = 0
    found = False
    order = control.order - 1
    while order >= COSTLY_ORDER and not found and scanned < limit:
        head = free_list(memory, control.zone, order, MOVABLE)
        entry = integer(memory.page[head].next)
        while entry != head:
            scanned += 1
            if scanned > limit:
                move_freelist_tail(memory, head, entry)
                break
            if entry < high and memory.block[entry >> memory.rules[0].pageblock_order].skip == 0:
                move_freelist_tail(memory, head, entry)
                if control.fast_start != NEVER_AGAIN:
                    control.fast_start = min(control.fast_start, entry) if control.fast_start >= 0 else entry
                page = max(pageblock_start(memory, entry), this.start_pfn)
                control.fast_search_fail = 0
                found = True
                break
            entry = integer(memory.page[entry].next)
        order -= 1
    control.migrate_scanned += scanned
    charge(memory, STEP_FAST_FIND, 1)
    if not found:
        control.fast_search_fail += 1
        if control.fast_start >= 0:
            control.migrate_pfn = control.fast_start
            control.fast_start = NEVER_AGAIN
        page = control.migrate_pfn
    return page


@inner
def _refusal(memory: Memory, c: int, page: int) -> int:
    """Reason why an LRU folio may not be isolated, or -1 (isolate_migratepages_block, folio tests)."""
    control = memory.control[c]
    flags = memory.page[page].bits
    if flags & PINNED and memory.page[page].kind == ANON:  # of files it shows when they are moved
        return REFUSED_PINNED
    if flags & UNEVICTABLE and not memory.rules[0].compact_unevictable_allowed and not control.alloc_contig:
        return REFUSED_UNEVICTABLE
    if control.mode != SYNC and flags & WRITEBACK:
        return REFUSED_WRITEBACK
    return -1


@inner
def _putback(memory: Memory, c: int) -> None:
    """Put what was isolated back on its LRU lists."""
    control = memory.control[c]
    for position in range(control.nr_batch):
        page = integer(memory.batch[c, 0, position])
        lru_add(memory, control.zone, page)
    control.nr_batch = 0
    control.nr_migratepages = 0


putback_movable_pages = _putback


@inner
def isolate_migratepages_block(memory: Memory, c: int, page: int, end: int) -> None:
    """Isolate the pages of one pageblock from `page` on, 32 or all the rest; False to give up."""
    control = memory.control[c]
    zone = control.zone
    start = page
    begin = pageblock_start(memory, page)
    at_block_start = page == begin or page == memory.zone[zone].start_pfn
    locked = False
    skip_on_failure = control.trigger == DIRECT and control.mode == ASYNC
    window = control.order if control.order > 0 else 0
    next_skip = ((page >> window) + 1) << window
    scanned = 0
    stepped = 0  # pfns looked at, where a block skipped whole is one
    taken = 0
    isolated = 0
    block = page >> memory.rules[0].pageblock_order
    while page < end:
        if skip_on_failure and page >= next_skip:
            if isolated:
                break
            next_skip = ((page >> window) + 1) << window
        scanned += 1
        stepped += 1
        kind = memory.page[page].kind
        order = integer(memory.page[page].order)
        if kind == FREE:
            if order != TAIL:
                page += (1 << order) - 1
                scanned += (1 << order) - 1
                page += 1
                continue
            reason = REFUSED_COMPOUND
        elif (
            order != TAIL
            and order > 0
            and (
                not memory.rules[0].large_folios
                or kind == HUGETLB
                or skip_isolation_on_order(memory, order, control.order)
            )
            and not (control.alloc_contig)
        ):
            page += (1 << order) - 1
            scanned += (1 << order) - 1
            reason = REFUSED_COMPOUND
        elif order == TAIL or memory.page[page].bits & LRU == 0:
            reason = REFUSED_UNMOVABLE
        else:
            reason = _refusal(memory, c, page)
            if reason < 0 and not locked:
                locked = True
                if at_block_start and not control.ignore_skip:
                    was_set = memory.block[block].skip != 0
                    if not control.no_set_skip:
                        memory.block[block].skip = 1
                    if was_set and not control.finish_pageblock:
                        page = end
                        break
            if reason < 0:
                lru_del(memory, zone, page)
                memory.batch[c, 0, control.nr_batch] = page
                control.nr_batch += 1
                control.nr_migratepages += 1 << order
                isolated += 1 << order
                taken += 1
                scanned += (1 << order) - 1
                page += 1 << order
                if control.nr_migratepages >= CLUSTER_MAX and not control.finish_pageblock:
                    break
                continue
            refuse(memory, zone, page, reason)
        if skip_on_failure:
            if isolated:
                _putback(memory, c)
                isolated = 0
            if page < next_skip:
                page = next_skip - 1
                next_skip += 1 << window
        page += 1
    page = min(page, end)
    if page == end and (isolated == 0 or control.finish_pageblock):
        if not control.no_set_skip and at_block_start and not locked:
            memory.block[block].skip = 1
        update_cached_migrate(memory, c, page)
    charge(memory, STEP_MIGRATE_SCAN, stepped - taken)
    charge(memory, STEP_FREE_SCAN_BLOCK, 0 if isolated else 1)
    charge(memory, STEP_ISOLATE, isolated)
    log_event(memory, EV_ISOLATE_MIGRATEPAGES, zone, start, page, scanned, isolated, 0, 0)
    control.migrate_scanned += scanned
    memory.state[0].counter[COMPACT_ISOLATED] += isolated
    control.migrate_pfn = page


@inner
def isolate_migratepages(memory: Memory, c: int) -> bool:
    """Isolate pages to move from the next suitable pageblock below the free scanner; whether there are any.

    The throttle of many compactors at once is left out: there is one, and it holds no pages between batches.
    """
    control = memory.control[c]
    this = memory.zone[control.zone]
    page = fast_find_migrateblock(memory, c)
    fast_found = page != control.migrate_pfn and not control.fast_search_fail
    begin = max(pageblock_start(memory, page), this.start_pfn)
    end = pageblock_end(memory, page)
    while end <= control.free_pfn:
        start_of_block = page == pageblock_start(memory, page) or page == this.start_pfn
        if is_absent(memory, begin, end) or (
            start_of_block and not fast_found and not isolation_suitable(memory, c, begin)
        ):
            pass
        elif not suitable_migration_source(memory, c, begin):
            update_cached_migrate(memory, c, end)
        else:
            isolate_migratepages_block(memory, c, page, end)
            break
        fast_found = False
        page = end
        control.migrate_pfn = end
        begin = end
        end += 1 << memory.rules[0].pageblock_order
    return control.nr_migratepages > 0
