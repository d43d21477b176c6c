"""Allocation across zones: fast path, direct reclaim and direct compaction (mm/page_alloc.c, Linux 6.18)."""

from __future__ import annotations

from .buddy import reserve_highatomic_pageblock, set_kind, unreserve_highatomic_pageblock
from .compaction import (
    compact_begin,
    compact_step,
    compact_zone_suitable,
    compaction_defer_reset,
    compaction_deferred,
    defer_compaction,
    set_control,
)
from .jit import inner, integer
from .kswapd import wakeup_kswapd
from .memory import (
    ASYNC,
    COMPACT_FAIL,
    COMPACT_STALL,
    COMPACT_SUCCESS,
    COMPLETE,
    CONTINUE,
    COSTLY_ORDER,
    DEFERRED,
    DIRECT,
    DIRECT_CONTROL,
    EV_COMPACT_RETRY,
    EV_DEFER_COMPACTION,
    EV_DEFER_RESET,
    EV_DEFERRED,
    EV_MARK_VICTIM,
    EV_TRY_TO_COMPACT,
    ISOLATED,
    MOVABLE,
    NOT_SUITABLE_ZONE,
    OOM_KILL,
    PARTIAL_SKIPPED,
    SKIPPED,
    STEP_SLOWPATH,
    SUCCESS,
    SYNC_LIGHT,
    Memory,
    charge,
    log_event,
)
from .pcp import alloc_pages_zone, drain_all_pages
from .reclaim import ANY_NODE, try_to_free_pages
from .request import (
    DIRECT_RECLAIM,
    DMA32,
    GFP_TYPE,
    HIGH,
    IO_FS,
    KSWAPD_RECLAIM,
    NORETRY,
    RETRY_MAYFAIL,
    THISNODE,
)
from .watermark import (
    ALLOC_CMA,
    ALLOC_HIGHATOMIC,
    ALLOC_MIN_RESERVE,
    ALLOC_NOFRAGMENT,
    ALLOC_NON_BLOCK,
    zone_watermark_ok,
)

PRIORITY_SYNC_FULL, PRIORITY_SYNC_LIGHT, PRIORITY_ASYNC = 0, 1, 2
MAX_COMPACT_RETRIES = 16
MAX_RECLAIM_RETRIES = 16
MARK_MIN, MARK_LOW = 0, 1
_DMA32_INDEX, _NORMAL_INDEX, _MOVABLE_INDEX = 1, 2, 3


@inner
def highest_zone(gfp: int) -> int:
    """Highest zone index a request may use (gfp_zone): zone Movable is for movable pages only."""
    if gfp & DMA32:
        return _DMA32_INDEX
    return _MOVABLE_INDEX if gfp & GFP_TYPE == MOVABLE else _NORMAL_INDEX


@inner
def watermark(memory: Memory, zone: int, mark: int) -> int:
    """A zone's watermark with its boost."""
    this = memory.zone[zone]
    return this.boost + (this.wmark_low if mark == MARK_LOW else this.wmark_min)


@inner
def class_zone(memory: Memory, gfp: int) -> int:
    """Highest index of a zone that there is, on any node, and that a request may use."""
    most = highest_zone(gfp)
    best = integer(0)
    for zone in range(memory.zone.size):
        index = memory.zone[zone].index
        if best < index <= most:
            best = index
    return best


@inner
def is_usable(memory: Memory, zone: int, node: int, gfp: int, classzone: int) -> bool:
    """Whether a request of a node may use a zone."""
    this = memory.zone[zone]
    return this.index <= classzone and (this.node == node or not gfp & THISNODE)


@inner
def get_page_from_freelist(
    memory: Memory, node: int, cpu: int, order: int, gfp: int, flags: int, mark: int
) -> int:
    """Take a block from the first zone of the zonelist that stays above its watermark; -1 if none does."""
    classzone = class_zone(memory, gfp)
    migratetype = gfp & GFP_TYPE
    for attempt in range(2):
        fragmenting = attempt == 1
        nofragment = flags & ALLOC_NOFRAGMENT and not fragmenting
        preferred = -1
        for position in range(memory.zone.size):
            zone = memory.state[0].zonelist[node, position]
            if zone < 0:
                break
            this = memory.zone[zone]
            if not is_usable(memory, zone, node, gfp, classzone):
                continue
            if preferred < 0:
                preferred = zone
            elif nofragment and not memory.rules[0].defrag_mode and this.node != memory.zone[preferred].node:
                break  # rather fragment the local node than go to a remote one
            if this.free_pages < this.wmark_high:
                this.below_high = 1
            if not zone_watermark_ok(
                memory, zone, order, watermark(memory, zone, mark), classzone, flags, -1
            ):
                continue
            here = flags if nofragment else flags & ~ALLOC_NOFRAGMENT
            page = alloc_pages_zone(memory, zone, cpu, order, migratetype, here)
            if page >= 0:
                if flags & ALLOC_HIGHATOMIC and order > 0:
                    set_kind(memory, page, order, ISOLATED)  # given: its neighbours alone are moved
                    reserve_highatomic_pageblock(memory, zone, page, order)
                if this.boost > 0:
                    wakeup_kswapd(memory, zone, 0, this.index, True)
                return page
        if not flags & ALLOC_NOFRAGMENT or memory.rules[0].defrag_mode:
            break
    return -1


@inner
def _wake_all_kswapds(memory: Memory, node: int, order: int, gfp: int) -> None:
    """Wake kswapd of every node the request may use; with defrag_mode it is to make whole pageblocks."""
    classzone = class_zone(memory, gfp)
    if memory.rules[0].defrag_mode:
        order = max(order, memory.rules[0].pageblock_order)
    last = -1
    for position in range(memory.zone.size):
        zone = memory.state[0].zonelist[node, position]
        if zone < 0:
            break
        this = memory.zone[zone]
        if this.index > classzone or this.node == last:
            continue
        wakeup_kswapd(memory, zone, order, classzone, gfp & DIRECT_RECLAIM != 0)
        last = this.node


@inner
def _log_deferral(memory: Memory, event: int, zone: int, order: int) -> None:
    this = memory.zone[zone]
    log_event(memory, event, zone, order, this.considered, 1 << this.defer_shift, this.order_failed, 0, 0)


@inner
def compact_zone_order(
    memory: Memory,
    zone: int,
    cpu: int,
    order: int,
    migratetype: int,
    priority: int,
    mark: int,
    classzone: int,
    flags: int,
) -> int:
    """Compact one zone for a request; the result of the run, or why there was none."""
    c = DIRECT_CONTROL
    mode = ASYNC if priority == PRIORITY_ASYNC else SYNC_LIGHT
    suitable = compact_zone_suitable(memory, zone, order, mark, classzone, flags, mode == ASYNC, -1)
    if suitable != CONTINUE:
        return suitable
    set_control(memory, c, zone, order, migratetype, mode, DIRECT)
    control = memory.control[c]
    full = priority == PRIORITY_SYNC_FULL
    control.whole_zone = full
    control.ignore_skip = full
    control.ignore_suitable = full
    control.capture = 1
    control.cpu = cpu
    control.classzone = classzone
    compact_begin(memory, c)
    result = CONTINUE
    while result == CONTINUE:
        result = compact_step(memory, c, False)
    control.capture = 0
    if control.captured >= 0:
        result = SUCCESS
    return result


@inner
def try_to_compact_pages(
    memory: Memory, node: int, cpu: int, order: int, gfp: int, flags: int, priority: int, mark: int
) -> int:
    """Compact the zones of the zonelist until one may serve the request; the best result."""
    log_event(memory, EV_TRY_TO_COMPACT, -1, order, gfp, priority, 0, 0, 0)
    best = SKIPPED
    classzone = class_zone(memory, gfp)
    memory.control[DIRECT_CONTROL].captured = -1
    if not gfp & IO_FS:
        return best
    for position in range(memory.zone.size):
        zone = memory.state[0].zonelist[node, position]
        if zone < 0:
            break
        if not is_usable(memory, zone, node, gfp, classzone):
            continue
        if priority > PRIORITY_SYNC_FULL and compaction_deferred(memory, zone, order):
            _log_deferral(memory, EV_DEFERRED, zone, order)
            best = max(best, DEFERRED)
            continue
        result = compact_zone_order(
            memory,
            zone,
            cpu,
            order,
            gfp & GFP_TYPE,
            priority,
            watermark(memory, zone, mark),
            classzone,
            flags,
        )
        best = max(best, result)
        if result == SUCCESS:
            compaction_defer_reset(memory, zone, order, False)
            break
        if priority != PRIORITY_ASYNC and (result in (COMPLETE, PARTIAL_SKIPPED)):
            defer_compaction(memory, zone, order)
            _log_deferral(memory, EV_DEFER_COMPACTION, zone, order)
    return best


@inner
def direct_compact(
    memory: Memory, node: int, cpu: int, order: int, gfp: int, flags: int, priority: int
) -> tuple[int, int]:
    """Compact for a request and try to take the block; returns it (or -1) and the result of compaction."""
    if order == 0:
        return -1, SKIPPED
    counter = memory.state[0].counter
    result = try_to_compact_pages(memory, node, cpu, order, gfp, flags, priority, MARK_MIN)
    if result in (SKIPPED, NOT_SUITABLE_ZONE):
        return -1, SKIPPED
    counter[COMPACT_STALL] += 1
    control = memory.control[DIRECT_CONTROL]
    page = control.captured
    if page >= 0:
        control.captured = -1
    else:
        page = get_page_from_freelist(memory, node, cpu, order, gfp, flags, MARK_MIN)
    if page < 0:
        counter[COMPACT_FAIL] += 1
        return -1, result
    counter[COMPACT_SUCCESS] += 1
    zone = control.zone
    memory.zone[zone].blockskip_flush = 0
    compaction_defer_reset(memory, zone, order, True)
    _log_deferral(memory, EV_DEFER_RESET, zone, order)
    return page, result


@inner
def _reclaim_and_take(
    memory: Memory, node: int, cpu: int, order: int, gfp: int, flags: int
) -> tuple[int, int]:
    """Reclaim directly, then take a block; if that fails once more after giving back reserves and drains."""
    classzone = class_zone(memory, gfp)
    progress = try_to_free_pages(memory, node if gfp & THISNODE else ANY_NODE, order, classzone)
    page = integer(-1)
    if progress == 0:
        return page, progress
    page = get_page_from_freelist(memory, node, cpu, order, gfp, flags, MARK_MIN)
    if page < 0:
        for zone in range(memory.zone.size):
            if is_usable(memory, zone, node, gfp, classzone):
                unreserve_highatomic_pageblock(memory, zone, gfp & GFP_TYPE, False)
                drain_all_pages(memory, zone)
        page = get_page_from_freelist(memory, node, cpu, order, gfp, flags, MARK_MIN)
    return page, progress


@inner
def _should_reclaim_retry(memory: Memory, node: int, order: int, gfp: int) -> bool:
    """Whether reclaiming all that can be would let some zone pass its min watermark."""
    classzone = class_zone(memory, gfp)
    for zone in range(memory.zone.size):
        this = memory.zone[zone]
        if not is_usable(memory, zone, node, gfp, classzone):
            continue
        free = this.free_pages + this.nr_inactive_file + this.nr_active_file
        if memory.rules[0].swap:
            free += this.nr_inactive_anon + this.nr_active_anon
        if zone_watermark_ok(memory, zone, order, this.wmark_min, classzone, 0, free):
            return True
    return False


@inner
def _compact_retry_suitable(memory: Memory, node: int, order: int, gfp: int) -> bool:
    """Whether reclaim could make some zone suitable for compaction (compaction_zonelist_suitable)."""
    classzone = class_zone(memory, gfp)
    for zone in range(memory.zone.size):
        this = memory.zone[zone]
        if not is_usable(memory, zone, node, gfp, classzone):
            continue
        available = this.free_pages + (this.nr_inactive_file + this.nr_active_file) // max(order, 1)
        if zone_watermark_ok(memory, zone, 0, this.wmark_min + (2 << order), classzone, 32, available):
            return True
    return False


@inner
def _compact_feedback(result: int) -> int:
    """What compact_retry tells of a result: 1 failed, 2 withdrawn, 3 progress."""
    if result == COMPLETE:
        return 1
    return 3 if result == SUCCESS else 2


@inner
def alloc_pages_slowpath(memory: Memory, node: int, cpu: int, order: int, gfp: int, flags: int) -> int:
    """Everything the kernel tries once the low watermark is reached; -1 if the request fails."""
    charge(memory, STEP_SLOWPATH, 1)
    can_direct = gfp & DIRECT_RECLAIM != 0
    costly = order > COSTLY_ORDER
    if not memory.rules[0].defrag_mode:
        flags &= ~ALLOC_NOFRAGMENT  # otherwise only the fast path avoids it
    if gfp & HIGH:
        flags |= ALLOC_MIN_RESERVE | ALLOC_NON_BLOCK
        if order > 0:
            flags |= ALLOC_HIGHATOMIC
    if gfp & KSWAPD_RECLAIM:
        _wake_all_kswapds(memory, node, order, gfp)
    page = get_page_from_freelist(memory, node, cpu, order, gfp, flags, MARK_MIN)
    if page >= 0 or not can_direct:
        return page
    priority = PRIORITY_SYNC_LIGHT
    result = SKIPPED
    if costly or (order > 0 and gfp & GFP_TYPE != MOVABLE):
        page, result = direct_compact(memory, node, cpu, order, gfp, flags, PRIORITY_ASYNC)
        if page >= 0:
            return page
        if costly and gfp & NORETRY:
            if gfp & THISNODE or result in (SKIPPED, DEFERRED):
                return -1
            priority = PRIORITY_ASYNC
    no_progress = 0
    compact_retries = 0
    lowest = PRIORITY_SYNC_LIGHT if costly else PRIORITY_SYNC_FULL
    while True:
        if gfp & KSWAPD_RECLAIM:
            _wake_all_kswapds(memory, node, order, gfp)
        page, progress = _reclaim_and_take(memory, node, cpu, order, gfp, flags)
        if page >= 0:
            return page
        page, result = direct_compact(memory, node, cpu, order, gfp, flags, priority)
        if page >= 0:
            return page
        again = False
        if not gfp & NORETRY and (not costly or gfp & RETRY_MAYFAIL):
            no_progress = 0 if progress > 0 and not costly else no_progress + 1
            again = no_progress <= MAX_RECLAIM_RETRIES and _should_reclaim_retry(memory, node, order, gfp)
            if again and order > 0 and progress == 0:
                again = False
            if not again and order > 0 and progress > 0:
                log_event(memory, EV_COMPACT_RETRY, -1, order, priority, _compact_feedback(result), 0, 0, 0)
                if result == SKIPPED:
                    again = _compact_retry_suitable(memory, node, order, gfp)
                elif result == SUCCESS:
                    compact_retries += 1
                    most = MAX_COMPACT_RETRIES // 4 if costly else MAX_COMPACT_RETRIES
                    again = compact_retries <= most
                if not again and result >= COMPLETE and priority > lowest:
                    priority -= 1
                    compact_retries = 0
                    again = True
        if again:
            continue
        if memory.rules[0].defrag_mode and flags & ALLOC_NOFRAGMENT:
            flags &= ~ALLOC_NOFRAGMENT  # rather fragment than fail
            page = get_page_from_freelist(memory, node, cpu, order, gfp, flags, MARK_MIN)
            if page >= 0:
                return page
        if costly or gfp & (NORETRY | RETRY_MAYFAIL):
            return -1
        return _out_of_memory(memory, node, cpu, order, gfp, flags)


@inner
def _out_of_memory(memory: Memory, node: int, cpu: int, order: int, gfp: int, flags: int) -> int:
    """The last reserves, then an OOM event: the request fails, the simulation goes on."""
    classzone = class_zone(memory, gfp)
    for zone in range(memory.zone.size):
        if is_usable(memory, zone, node, gfp, classzone):
            while unreserve_highatomic_pageblock(memory, zone, gfp & GFP_TYPE, True):
                pass
    page = get_page_from_freelist(memory, node, cpu, order, gfp, flags, MARK_MIN)
    if page < 0:
        memory.state[0].counter[OOM_KILL] += 1
        log_event(memory, EV_MARK_VICTIM, -1, order, 0, 0, 0, 0, 0)
    return page


@inner
def alloc_pages(memory: Memory, node: int, cpu: int, order: int, gfp: int) -> int:
    """Take a block of 2**order pages for a request; -1 if it fails."""
    flags = 0
    rules = memory.rules[0]
    if rules.defrag_mode or memory.zone[memory.state[0].zonelist[node, 0]].nofragment:
        flags = ALLOC_NOFRAGMENT
    if rules.cma and gfp & GFP_TYPE == MOVABLE:
        flags |= ALLOC_CMA
    page = get_page_from_freelist(memory, node, cpu, order, gfp, flags, MARK_LOW)
    if page < 0:
        page = alloc_pages_slowpath(memory, node, cpu, order, gfp, flags)
    return page
