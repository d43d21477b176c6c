"""Compaction of one zone, step by step (compact_zone and compact_finished of mm/compaction.c, Linux 6.18)."""

from __future__ import annotations

from .buddy import find_suitable_fallback, pageblock_type
from .fragindex import fragmentation_thousandths
from .free_scanner import release_free_list
from .jit import inner
from .memory import (
    ASYNC,
    CMA,
    COMPACT_DAEMON_FREE_SCANNED,
    COMPACT_DAEMON_MIGRATE_SCANNED,
    COMPACT_FREE_SCANNED,
    COMPACT_MIGRATE_SCANNED,
    COMPLETE,
    CONTENDED,
    CONTINUE,
    COSTLY_ORDER,
    DIRECT,
    EV_BEGIN,
    EV_END,
    EV_FINISHED,
    EV_SUITABLE,
    FREE,
    KCOMPACTD,
    LRU,
    MANUAL,
    MOVABLE,
    NO_SUITABLE_PAGE,
    NOT_SUITABLE_ZONE,
    PARTIAL_SKIPPED,
    PROACTIVE,
    SKIPPED,
    STEP_COMPACT_ENTRY,
    STEP_DRAIN,
    SUCCESS,
    SYNC,
    TAIL,
    Memory,
    charge,
    free_list,
    list_empty,
    log_event,
)
from .migrate import ENOMEM, migrate_pages
from .migrate_scanner import (
    NOT_YET,
    head_offset,
    head_order,
    isolate_migratepages,
    pageblock_end,
    pageblock_start,
)
from .pcp import drain_pages_zone
from .watermark import ALLOC_CMA, zone_watermark_ok

MAX_DEFER_SHIFT = 6  # COMPACT_MAX_DEFER_SHIFT
NONE = -1  # no pageblock was migrated from since the last drain


@inner
def zone_free(memory: Memory, zone: int, order: int) -> tuple[int, int, int]:
    """Free pages, free blocks, and blocks of the order that they hold (fill_contig_page_info)."""
    pages, blocks, suitable = 0, 0, 0
    for current in range(memory.rules[0].max_order, -1, -1):
        count = 0
        for migratetype in range(6):
            count += memory.zone[zone].nr_free[current, migratetype]
        blocks += count
        pages += count << current
        if current >= order:
            suitable += count << (current - order)
    return pages, blocks, suitable


@inner
def fragmentation_score_zone(memory: Memory, zone: int) -> int:
    """Share of free memory in blocks below the huge page order, 0 to 100 (extfrag_for_order)."""
    order = memory.rules[0].huge_order
    pages, _, suitable = zone_free(memory, zone, order)
    if pages == 0:
        return 0
    return (pages - (suitable << order)) * 100 // pages


@inner
def proactive_low_mark(memory: Memory) -> int:
    """Score at which proactive compaction of a zone stops."""
    rules = memory.rules[0]
    low = 100 - rules.compaction_proactiveness
    return max(low, 5) if rules.proactive_floor else low


@inner
def proactive_high_mark(memory: Memory) -> int:
    """Score of a node above which proactive compaction starts."""
    low = proactive_low_mark(memory)
    if memory.rules[0].proactive_floor:
        return min(low + 10, 100)
    return min(low + min(10, low // 2), 100)


@inner
def compaction_suitable(memory: Memory, zone: int, order: int, mark: int, classzone: int) -> bool:
    """Whether there is enough free memory to compact, and too many crumbs to do without."""
    this = memory.zone[zone]
    if order > COSTLY_ORDER:
        mark += this.wmark_low - this.wmark_min
    result = CONTINUE
    if not zone_watermark_ok(memory, zone, 0, mark + (2 << order), classzone, ALLOC_CMA, -1):
        result = SKIPPED
    elif order > COSTLY_ORDER:
        pages, blocks, suitable = zone_free(memory, zone, order)
        index = fragmentation_thousandths(pages, blocks, suitable, order)
        if 0 <= index <= memory.rules[0].extfrag_threshold:
            result = NOT_SUITABLE_ZONE
    log_event(memory, EV_SUITABLE, zone, order, result, 0, 0, 0, 0)
    return result == CONTINUE


@inner
def compact_zone_suitable(
    memory: Memory, zone: int, order: int, mark: int, classzone: int, flags: int, is_async: bool, free: int
) -> int:
    """Whether to compact for a request: SUCCESS not needed, SKIPPED not worth it, CONTINUE.

    compaction_suit_allocation_order; its test of costly asynchronous requests came with 6.14, until when
    costly requests had to leave the low watermark in place of the min one. `free` (if not negative) counts
    instead of the zone's free pages.
    """
    if zone_watermark_ok(memory, zone, order, mark, classzone, flags, free):
        return SUCCESS
    if memory.rules[0].smart_suitable:
        if order > COSTLY_ORDER and is_async and not flags & ALLOC_CMA:
            if not zone_watermark_ok(memory, zone, 0, mark + (2 << order), classzone, 0, -1):
                return SKIPPED
    if memory.rules[0].costly_low:
        mark = memory.zone[zone].wmark_min + memory.zone[zone].boost  # low for costly orders: added next
    return CONTINUE if compaction_suitable(memory, zone, order, mark, classzone) else SKIPPED


@inner
def defer_compaction(memory: Memory, zone: int, order: int) -> None:
    """Try less often after a failure."""
    this = memory.zone[zone]
    this.considered = 0
    this.defer_shift = min(this.defer_shift + 1, MAX_DEFER_SHIFT)
    this.order_failed = min(this.order_failed, order)


@inner
def compaction_deferred(memory: Memory, zone: int, order: int) -> bool:
    """Whether this attempt is to be left out."""
    this = memory.zone[zone]
    limit = 1 << this.defer_shift
    if order < this.order_failed:
        return False
    this.considered += 1
    if this.considered >= limit:
        this.considered = limit
        return False
    return True


@inner
def compaction_defer_reset(memory: Memory, zone: int, order: int, obtained: bool) -> None:
    """Forget failures after a success."""
    this = memory.zone[zone]
    if obtained:
        this.considered = 0
        this.defer_shift = 0
    if order >= this.order_failed:
        this.order_failed = order + 1


@inner
def compaction_restarting(memory: Memory, zone: int, order: int) -> bool:
    """Whether this is the first attempt after the longest deferral."""
    this = memory.zone[zone]
    if order < this.order_failed:
        return False
    return this.defer_shift == MAX_DEFER_SHIFT and this.considered >= 1 << MAX_DEFER_SHIFT


@inner
def reset_cached_positions(memory: Memory, zone: int) -> None:
    """Let the next run start at both ends."""
    this = memory.zone[zone]
    this.cached_migrate_async = this.start_pfn
    this.cached_migrate_sync = this.start_pfn
    this.cached_free = pageblock_start(memory, this.end_pfn - 1)


@inner
def _reset_isolation_pfn(
    memory: Memory, zone: int, page: int, check_source: bool, check_target: bool
) -> bool:
    """Clear the skip bit of a block in which every 8th page finds a source or a target; whether there is one."""
    this = memory.zone[zone]
    block = page >> memory.rules[0].pageblock_order
    start = max(pageblock_start(memory, page), this.start_pfn)
    end = min(pageblock_end(memory, page), this.end_pfn)
    if memory.page[start].kind != FREE and head_order(memory, start) >= memory.rules[0].pageblock_order:
        return False
    if check_source and check_target and memory.block[block].skip == 0:
        return True
    if check_target and not check_source and pageblock_type(memory, page) != MOVABLE:
        return False
    for position in range(start, end, 1 << COSTLY_ORDER):
        kind = memory.page[position].kind
        source = kind != FREE and memory.page[position - head_offset(memory, position)].bits & LRU
        target = kind == FREE and memory.page[position].order != TAIL
        if (check_source and source) or (check_target and target):
            memory.block[block].skip = 0
            return True
    return False


@inner
def reset_isolation_suitable(memory: Memory, zone: int) -> None:
    """Clear skip bits from both ends to the middle and set where runs start, if a run has met its end.

    __reset_isolation_suitable; the free scanner's position becomes the last page of a block, as there.
    """
    this = memory.zone[zone]
    if not this.blockskip_flush:
        return
    this.blockskip_flush = 0
    nr_pages = 1 << memory.rules[0].pageblock_order
    migrate, free = this.start_pfn, this.end_pfn - 1
    reset_migrate, reset_free = free, migrate
    source_set, free_set = False, False
    while migrate < free:
        if _reset_isolation_pfn(memory, zone, migrate, True, source_set) and migrate < reset_migrate:
            source_set = True
            reset_migrate = migrate
            this.init_migrate = reset_migrate
            this.cached_migrate_async = reset_migrate
            this.cached_migrate_sync = reset_migrate
        if _reset_isolation_pfn(memory, zone, free, free_set, True) and free > reset_free:
            free_set = True
            reset_free = free
            this.init_free = reset_free
            this.cached_free = reset_free
        migrate += nr_pages
        free -= nr_pages
    if reset_migrate >= reset_free:
        this.cached_migrate_async = migrate
        this.cached_migrate_sync = migrate
        this.cached_free = free


@inner
def compact_scanners_met(memory: Memory, c: int) -> bool:
    """Whether both scanners are in one pageblock."""
    shift = memory.rules[0].pageblock_order
    return memory.control[c].free_pfn >> shift <= memory.control[c].migrate_pfn >> shift


@inner
def _suitable_page_free(memory: Memory, c: int) -> bool:
    """Whether a request of the compactor's order and type would be served now."""
    control = memory.control[c]
    for order in range(control.order, memory.rules[0].max_order + 1):
        if not list_empty(memory, free_list(memory, control.zone, order, control.migratetype)):
            return True
        if control.migratetype == MOVABLE and not list_empty(
            memory, free_list(memory, control.zone, order, CMA)
        ):
            return True
        if find_suitable_fallback(memory, control.zone, order, control.migratetype, True) >= 0:
            return True
    return False


@inner
def compact_finished(memory: Memory, c: int, kswapd_running: bool) -> int:
    """Result so far: CONTINUE, or why the run ends; logged with NO_SUITABLE_PAGE in its place."""
    control = memory.control[c]
    result = _finished(memory, c, kswapd_running)
    log_event(memory, EV_FINISHED, control.zone, control.order, result, 0, 0, 0, 0)
    return CONTINUE if result == NO_SUITABLE_PAGE else result


@inner
def _finished(memory: Memory, c: int, kswapd_running: bool) -> int:
    """The same (__compact_finished): NO_SUITABLE_PAGE where a request was looked for in vain so far."""
    control = memory.control[c]
    this = memory.zone[control.zone]
    if compact_scanners_met(memory, c):
        reset_cached_positions(memory, control.zone)
        if control.trigger == DIRECT:
            this.blockskip_flush = 1
        return COMPLETE if control.whole_zone else PARTIAL_SKIPPED
    if control.trigger == PROACTIVE:
        if kswapd_running:
            return PARTIAL_SKIPPED
        if fragmentation_score_zone(memory, control.zone) > proactive_low_mark(memory):
            return CONTINUE
        return SUCCESS
    if control.order < 0:
        return CONTINUE
    if control.migrate_pfn & ((1 << memory.rules[0].pageblock_order) - 1):
        return CONTINUE
    if memory.rules[0].defrag_mode and control.trigger != DIRECT:
        ok = zone_watermark_ok(
            memory,
            control.zone,
            control.order,
            this.wmark_high + this.boost,
            control.classzone,
            control.alloc_flags,
            this.free_pages_blocks,
        )
        return SUCCESS if ok else NO_SUITABLE_PAGE
    if _suitable_page_free(memory, c):
        return SUCCESS
    return CONTENDED if control.contended else NO_SUITABLE_PAGE


@inner
def set_control(
    memory: Memory, c: int, zone: int, order: int, migratetype: int, mode: int, trigger: int
) -> None:
    """Prepare a run: what its trigger implies (`mode` -1 takes the trigger's own)."""
    control = memory.control[c]
    control.zone = zone
    control.order = order
    control.migratetype = migratetype
    control.mode = mode
    control.trigger = trigger
    whole = trigger in (MANUAL, PROACTIVE)
    control.whole_zone = whole
    control.ignore_skip = whole
    control.no_set_skip = 0
    control.ignore_suitable = 0
    control.alloc_contig = 0
    control.capture = 0
    control.captured = -1
    control.cpu = 0
    control.classzone = memory.zone[zone].index
    control.alloc_flags = 0


@inner
def compact_begin(memory: Memory, c: int) -> None:
    """Set both scanners and forget the last run's numbers."""
    control = memory.control[c]
    zone = control.zone
    this = memory.zone[zone]
    if control.order >= 0 and compaction_restarting(memory, zone, control.order):
        reset_isolation_suitable(memory, zone)
    last = pageblock_start(memory, this.end_pfn - 1)
    control.fast_start = NOT_YET
    control.fast_search_fail = 0
    control.search_order = control.order if control.order > 0 else 0
    if control.whole_zone:
        control.migrate_pfn = this.start_pfn
        control.free_pfn = last
    else:
        sync = control.mode != ASYNC
        control.migrate_pfn = this.cached_migrate_sync if sync else this.cached_migrate_async
        control.free_pfn = this.cached_free
        if control.free_pfn < this.start_pfn or control.free_pfn >= this.end_pfn:
            control.free_pfn = last
            this.cached_free = last
        if control.migrate_pfn < this.start_pfn or control.migrate_pfn >= this.end_pfn:
            control.migrate_pfn = this.start_pfn
            this.cached_migrate_async = this.start_pfn
            this.cached_migrate_sync = this.start_pfn
        if control.migrate_pfn <= this.init_migrate:
            control.whole_zone = 1
    control.last_migrated = NONE
    control.finish_pageblock = 0
    control.contended = 0
    control.nr_freepages = 0
    control.nr_migratepages = 0
    control.nr_batch = 0
    control.nr_migrated = 0
    control.nr_failed = 0
    control.migrate_scanned = 0
    control.free_scanned = 0
    control.update_cached = control.mode == ASYNC and this.cached_migrate_async == this.cached_migrate_sync
    control.active = 1
    log_event(
        memory, EV_BEGIN, zone, this.start_pfn, control.migrate_pfn, control.free_pfn, this.end_pfn,
        control.mode, control.order,
    )  # fmt: skip
    charge(memory, STEP_COMPACT_ENTRY, 1)


@inner
def _isolate_and_migrate(memory: Memory, c: int) -> int:
    """One pageblock's part: isolate, migrate; CONTINUE, or the result that ends the run."""
    control = memory.control[c]
    this = memory.zone[control.zone]
    for _ in range(2):
        if not isolate_migratepages(memory, c):
            if control.update_cached:
                this.cached_migrate_sync = this.cached_migrate_async
            return CONTINUE
        control.update_cached = 0
        control.last_migrated = max(this.start_pfn, pageblock_start(memory, control.migrate_pfn - 1))
        status = migrate_pages(memory, c)
        if status == ENOMEM and not compact_scanners_met(memory, c):
            return CONTENDED
        aligned = control.migrate_pfn & ((1 << memory.rules[0].pageblock_order) - 1) == 0
        if status == 0 or aligned or control.ignore_skip or control.finish_pageblock or control.mode >= SYNC:
            break
        control.finish_pageblock = 1
        if control.order == memory.rules[0].huge_order:
            control.last_migrated = NONE
    return SUCCESS if control.captured >= 0 else CONTINUE


@inner
def compact_step(memory: Memory, c: int, kswapd_running: bool) -> int:
    """One turn of compact_zone's loop; CONTINUE, or the result once the run is over."""
    control = memory.control[c]
    result = compact_finished(memory, c, kswapd_running)
    if result == CONTINUE:
        start = control.migrate_pfn
        shift = memory.rules[0].pageblock_order
        control.finish_pageblock = (
            control.last_migrated >= 0 and control.last_migrated >> shift == start >> shift
        )
        result = _isolate_and_migrate(memory, c)
        if result == CONTINUE:
            _check_drain(memory, c)
    if result != CONTINUE:
        compact_end(memory, c, result)
    return result


@inner
def _check_drain(memory: Memory, c: int) -> None:
    """Drain this CPU's lists once the scanner has left the order-aligned block it migrated from."""
    control = memory.control[c]
    if control.order > 0 and control.last_migrated >= 0:
        if control.last_migrated < control.migrate_pfn >> control.order << control.order:
            drain_pages_zone(memory, control.zone, control.cpu)
            charge(memory, STEP_DRAIN, 1)
            control.last_migrated = NONE


@inner
def compact_end(memory: Memory, c: int, result: int) -> None:
    """Give held pages back, remember where to go on, count."""
    control = memory.control[c]
    zone = control.zone
    this = memory.zone[zone]
    if control.nr_freepages > 0:
        highest = pageblock_start(memory, release_free_list(memory, c))
        this.cached_free = max(this.cached_free, highest)  # back, never on
    memory.state[0].counter[COMPACT_MIGRATE_SCANNED] += control.migrate_scanned
    memory.state[0].counter[COMPACT_FREE_SCANNED] += control.free_scanned
    if control.trigger == KCOMPACTD or control.trigger == PROACTIVE:
        memory.state[0].counter[COMPACT_DAEMON_MIGRATE_SCANNED] += control.migrate_scanned
        memory.state[0].counter[COMPACT_DAEMON_FREE_SCANNED] += control.free_scanned
    log_event(
        memory, EV_END, zone, this.start_pfn, control.migrate_pfn, control.free_pfn, this.end_pfn,
        control.mode, result,
    )  # fmt: skip
    control.active = 0
