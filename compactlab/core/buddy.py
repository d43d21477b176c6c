"""The buddy allocator of one zone: free lists, split, merge, claim and steal (mm/page_alloc.c).

Text of Linux 6.15 and later; where ``rules`` say so, the older behaviour: ``claim_largest_only`` (6.14 and
before: one search from the largest block down, which takes a piece even if the pageblock is not claimed)
and without ``hygiene`` (6.9 and before: free pages stay on lists of another type than their pageblock's).
"""

from __future__ import annotations

import numpy as np

from .jit import inner, integer
from .memory import (
    CMA,
    EV_EXTFRAG,
    FREE,
    HIGHATOMIC,
    ISOLATE,
    ISOLATED,
    LRU,
    MOVABLE,
    RECLAIMABLE,
    TAIL,
    UNMOVABLE,
    Memory,
    free_list,
    list_add,
    list_add_tail,
    list_del,
    list_empty,
    log_event,
)
from .watermark import (
    ALLOC_CMA,
    ALLOC_HIGHATOMIC,
    ALLOC_NOFRAGMENT,
    ALLOC_NON_BLOCK,
    ALLOC_OOM,
    zone_watermark_ok,
)

FALLBACKS = np.array([[RECLAIMABLE, MOVABLE], [RECLAIMABLE, UNMOVABLE], [UNMOVABLE, MOVABLE]])


@inner
def block_of(memory: Memory, page: int) -> int:
    """Pageblock of a page."""
    return page >> memory.rules[0].pageblock_order


@inner
def pageblock_type(memory: Memory, page: int) -> int:
    """Migratetype of a page's block, Isolate while its isolate bit is set."""
    block = page >> memory.rules[0].pageblock_order
    if memory.block[block].isolated:
        return ISOLATE
    return integer(memory.block[block].migratetype)


@inner
def account(memory: Memory, zone: int, order: int, migratetype: int, blocks: int) -> None:
    """Add free blocks to a list's count and to the zone's free pages."""
    memory.zone[zone].nr_free[order, migratetype] += blocks
    if migratetype == ISOLATE:
        return
    pages = blocks << order
    memory.zone[zone].free_pages += pages
    if order >= memory.rules[0].pageblock_order:
        memory.zone[zone].free_pages_blocks += pages
    if migratetype == HIGHATOMIC:
        memory.zone[zone].free_highatomic += pages
    elif migratetype == CMA:
        memory.zone[zone].free_cma += pages


@inner
def add_to_free_list(memory: Memory, zone: int, page: int, order: int, migratetype: int, tail: bool) -> None:
    """Make a block free: its pages are of kind FREE already, only its head is written."""
    memory.page[page].order = order
    memory.page[page].slot = migratetype
    head = free_list(memory, zone, order, migratetype)
    if tail:
        list_add_tail(memory, page, head)
    else:
        list_add(memory, page, head)
    account(memory, zone, order, migratetype, 1)


@inner
def del_from_free_list(memory: Memory, zone: int, page: int) -> int:
    """Take a free block out; returns its order. Its pages stay of kind FREE."""
    order = integer(memory.page[page].order)
    list_del(memory, page)
    account(memory, zone, order, integer(memory.page[page].slot), -1)
    return order


@inner
def is_free_block(memory: Memory, zone: int, page: int, order: int) -> bool:
    """Whether a free block of exactly this order starts here, in this zone."""
    return (
        memory.zone[zone].start_pfn <= page < memory.zone[zone].end_pfn
        and memory.page[page].kind == FREE
        and memory.page[page].order == order
    )


@inner
def set_kind(memory: Memory, page: int, order: int, kind: int) -> None:
    """Set what the pages of a block are."""
    if order == 0:
        memory.page[page].kind = kind
    else:
        for position in range(page, page + (1 << order)):
            memory.page[position].kind = kind


@inner
def buddy_merge_likely(memory: Memory, zone: int, page: int, order: int) -> bool:
    """Whether the buddy of the parent is free, so that a merge may soon follow."""
    if order >= memory.rules[0].max_order - 1:
        return False
    parent = page & ~(1 << order)
    return is_free_block(memory, zone, parent ^ (1 << (order + 1)), order + 1)


@inner
def capture(memory: Memory, zone: int, page: int, order: int, migratetype: int) -> bool:
    """Hand a block that is being freed to the direct compactor that waits for one of its order."""
    control = memory.control[0]
    if not control.capture or control.captured >= 0 or control.order != order or control.zone != zone:
        return False
    if migratetype in (CMA, ISOLATE):
        return False
    if order < memory.rules[0].pageblock_order and migratetype == MOVABLE and control.migratetype != MOVABLE:
        return False
    control.captured = page
    return True


@inner
def free_one_page(memory: Memory, zone: int, page: int, order: int) -> None:
    """Free a block of one pageblock's type: merge with its buddies, put it on a list.

    The block's pages become FREE here; pages behind the first are TAIL already.
    """
    rules = memory.rules[0]
    migratetype = pageblock_type(memory, page)
    set_kind(memory, page, order, FREE)
    while order < rules.max_order:
        if order == memory.control[0].order and capture(memory, zone, page, order, migratetype):
            memory.page[page].order = order
            set_kind(memory, page, order, ISOLATED)
            return
        buddy = page ^ (1 << order)
        if not is_free_block(memory, zone, buddy, order):
            break
        if order >= rules.pageblock_order:
            buddy_type = pageblock_type(memory, buddy)
            if buddy_type != migratetype and (buddy_type >= HIGHATOMIC or migratetype >= HIGHATOMIC):
                break
            if rules.hygiene and buddy_type != migratetype:
                change_pageblock_range(memory, buddy, order, migratetype)
        del_from_free_list(memory, zone, buddy)
        memory.page[max(page, buddy)].order = TAIL
        page &= buddy
        order += 1
    likely = buddy_merge_likely(memory, zone, page, order)
    add_to_free_list(memory, zone, page, order, migratetype, likely)


@inner
def free_block(memory: Memory, zone: int, page: int, order: int) -> None:
    """Free a block of any order; one larger than a pageblock goes pageblock by pageblock (6.10 and later)."""
    pageblock_order = memory.rules[0].pageblock_order
    if order <= pageblock_order or not memory.rules[0].hygiene:
        free_one_page(memory, zone, page, order)
        return
    for part in range(page, page + (1 << order), 1 << pageblock_order):
        memory.page[part].order = pageblock_order
        free_one_page(memory, zone, part, pageblock_order)


@inner
def change_pageblock_range(memory: Memory, page: int, order: int, migratetype: int) -> None:
    """Set the type of the pageblocks of a block of at least pageblock order."""
    first = block_of(memory, page)
    for block in range(first, first + max(1, 1 << order >> memory.rules[0].pageblock_order)):
        memory.block[block].migratetype = migratetype


@inner
def expand(memory: Memory, zone: int, page: int, low: int, high: int, migratetype: int) -> None:
    """Give back what a block of order `high` has beyond its first 2**low pages."""
    while high > low:
        high -= 1
        add_to_free_list(memory, zone, page + (1 << high), high, migratetype, False)
    memory.page[page].order = low


@inner
def rmqueue_smallest(memory: Memory, zone: int, order: int, migratetype: int) -> int:
    """Take a block from the own type's lists, smallest first; -1 if there is none."""
    for current in range(order, memory.rules[0].max_order + 1):
        if memory.zone[zone].nr_free[current, migratetype] > 0:
            page = integer(memory.page[free_list(memory, zone, current, migratetype)].next)
            del_from_free_list(memory, zone, page)
            expand(memory, zone, page, order, current, migratetype)
            return page
    return -1


@inner
def worth_claiming(memory: Memory, order: int, migratetype: int) -> bool:
    """Whether a block of this order may be claimed for the type (should_try_claim_block)."""
    rules = memory.rules[0]
    return (
        order >= rules.pageblock_order
        or order >= rules.pageblock_order // 2
        or migratetype in (UNMOVABLE, RECLAIMABLE)
        or rules.mobility_disabled != 0
    )


@inner
def find_suitable_fallback(memory: Memory, zone: int, order: int, migratetype: int, claimable: bool) -> int:
    """Type to fall back to at this order; -1 nothing there, -2 not worth claiming."""
    if claimable and not worth_claiming(memory, order, migratetype):
        return -2
    if migratetype >= HIGHATOMIC:
        return -1
    for fallback in FALLBACKS[migratetype]:
        if memory.zone[zone].nr_free[order, fallback] > 0:
            return integer(fallback)
    return -1


@inner
def move_freepages_block(memory: Memory, zone: int, page: int, migratetype: int) -> int:
    """Move the free blocks of a pageblock to the tails of a type's lists; returns the pages moved."""
    pageblock_order = memory.rules[0].pageblock_order
    position = page >> pageblock_order << pageblock_order
    end = position + (1 << pageblock_order)
    moved = 0
    while position < end:
        if memory.page[position].kind != FREE or memory.page[position].order == TAIL:
            position += 1
            continue
        order = del_from_free_list(memory, zone, position)
        add_to_free_list(memory, zone, position, order, migratetype, True)
        moved += 1 << order
        position += 1 << order
    return moved


@inner
def boost_watermark(memory: Memory, zone: int) -> None:
    """Raise the watermarks for a while, so that kswapd makes room (5.0 and later)."""
    rules = memory.rules[0]
    this = memory.zone[zone]
    nr_pages = 1 << rules.pageblock_order
    if rules.watermark_boost_factor == 0 or this.managed < 4 * nr_pages:
        return
    high = this.wmark_high
    most = high // 10000 * rules.watermark_boost_factor + high % 10000 * rules.watermark_boost_factor // 10000
    if most == 0:
        return
    this.boost = min(this.boost + nr_pages, max(nr_pages, most))


@inner
def in_zone(memory: Memory, zone: int, page: int) -> bool:
    """Whether a page's block lies in the zone with all its pages."""
    pageblock_order = memory.rules[0].pageblock_order
    start = page >> pageblock_order << pageblock_order
    return (
        memory.zone[zone].start_pfn <= start and start + (1 << pageblock_order) <= memory.zone[zone].end_pfn
    )


@inner
def _claimable(memory: Memory, page: int, start_type: int, block_type: int) -> bool:
    """Whether enough of a pageblock is free, or of the kind a type wants, to make it that type's."""
    pageblock_order = memory.rules[0].pageblock_order
    position = page >> pageblock_order << pageblock_order
    end = position + (1 << pageblock_order)
    free, movable = 0, 0
    while position < end:
        head = position
        while memory.page[head].order == TAIL:
            head &= head - 1
        pages = min(head + (1 << integer(memory.page[head].order)), end) - position
        if memory.page[head].kind == FREE:
            free += pages
        elif memory.page[head].bits & LRU:
            movable += pages
        position += pages
    alike = movable
    if start_type != MOVABLE:
        alike = (1 << pageblock_order) - free - movable if block_type == MOVABLE else 0
    return free + alike >= 1 << (pageblock_order - 1) or memory.rules[0].mobility_disabled != 0


@inner
def _claim_larger(memory: Memory, zone: int, page: int, order: int, start_type: int) -> int:
    """Make the pageblocks of a free block of at least pageblock order another type's, and take from it."""
    current = del_from_free_list(memory, zone, page)
    change_pageblock_range(memory, page, current, start_type)
    expand(memory, zone, page, order, current, start_type)
    return page


@inner
def try_to_claim_block(
    memory: Memory, zone: int, page: int, order: int, start_type: int, block_type: int
) -> int:
    """Make the pageblock of a fallback block the requester's, if most of it may serve it; -1 if not."""
    if memory.page[page].order >= memory.rules[0].pageblock_order:
        return _claim_larger(memory, zone, page, order, start_type)
    boost_watermark(memory, zone)
    if not in_zone(memory, zone, page) or not _claimable(memory, page, start_type, block_type):
        return -1
    move_freepages_block(memory, zone, page, start_type)
    memory.block[block_of(memory, page)].migratetype = start_type
    return rmqueue_smallest(memory, zone, order, start_type)


@inner
def _log_fallback(
    memory: Memory, zone: int, page: int, order: int, current: int, start_type: int, fallback: int
) -> None:
    log_event(memory, EV_EXTFRAG, zone, page, order, current, start_type, fallback, 0)


@inner
def rmqueue_claim(memory: Memory, zone: int, order: int, migratetype: int, flags: int) -> int:
    """Claim whole pageblocks of another type, largest block first; -1 if none can be."""
    pageblock_order = memory.rules[0].pageblock_order
    least = order
    if flags & ALLOC_NOFRAGMENT and order < pageblock_order:
        least = pageblock_order
    for current in range(memory.rules[0].max_order, least - 1, -1):
        fallback = find_suitable_fallback(memory, zone, current, migratetype, True)
        if fallback == -2:
            break
        if fallback == -1:
            continue
        page = integer(memory.page[free_list(memory, zone, current, fallback)].next)
        got = try_to_claim_block(memory, zone, page, order, migratetype, fallback)
        if got >= 0:
            _log_fallback(memory, zone, got, order, current, migratetype, fallback)
            return got
    return -1


@inner
def rmqueue_steal(memory: Memory, zone: int, order: int, migratetype: int) -> int:
    """Take one block of another type, smallest first, and leave its pageblock's type; -1 if there is none."""
    for current in range(order, memory.rules[0].max_order + 1):
        fallback = find_suitable_fallback(memory, zone, current, migratetype, False)
        if fallback < 0:
            continue
        page = integer(memory.page[free_list(memory, zone, current, fallback)].next)
        del_from_free_list(memory, zone, page)
        expand(memory, zone, page, order, current, fallback)
        _log_fallback(memory, zone, page, order, current, migratetype, fallback)
        return page
    return -1


@inner
def _fallback_block(memory: Memory, zone: int, order: int, least: int, migratetype: int) -> tuple[int, int]:
    """The block that 6.14 and before would fall back to, and its type; -1 if there is none.

    From the largest down; once it is not worth claiming for a small Movable request, the smallest instead.
    """
    top = memory.rules[0].max_order
    for current in range(top, least - 1, -1):
        fallback = find_suitable_fallback(memory, zone, current, migratetype, False)
        if fallback < 0:
            continue
        if not worth_claiming(memory, current, migratetype) and migratetype == MOVABLE and current > order:
            for smaller in range(order, top + 1):
                fallback = find_suitable_fallback(memory, zone, smaller, migratetype, False)
                if fallback >= 0:
                    return integer(memory.page[free_list(memory, zone, smaller, fallback)].next), fallback
        return integer(memory.page[free_list(memory, zone, current, fallback)].next), fallback
    return -1, -1


@inner
def _take_old(memory: Memory, zone: int, page: int, order: int, migratetype: int, fallback: int) -> int:
    """Take from a fallback block as 6.14 and before: claim its pageblock, or a piece of it.

    Without hygiene (6.9 and before) what is free in the pageblock moves to the requester's lists, whether
    or not the pageblock's type changes.
    """
    rules = memory.rules[0]
    current = integer(memory.page[page].order)
    block_type = pageblock_type(memory, page)
    reserved = block_type == HIGHATOMIC
    if current >= rules.pageblock_order and not reserved:
        return _claim_larger(memory, zone, page, order, migratetype)
    if not reserved:
        boost_watermark(memory, zone)
    worth = worth_claiming(memory, current, migratetype) and not reserved and in_zone(memory, zone, page)
    claimed = worth and _claimable(memory, page, migratetype, block_type)
    if claimed or (worth and not rules.hygiene):
        move_freepages_block(memory, zone, page, migratetype)
        if claimed:
            memory.block[block_of(memory, page)].migratetype = migratetype
        return rmqueue_smallest(memory, zone, order, migratetype)
    del_from_free_list(memory, zone, page)
    if not rules.hygiene:
        add_to_free_list(memory, zone, page, current, migratetype, True)
        return rmqueue_smallest(memory, zone, order, migratetype)
    expand(memory, zone, page, order, current, fallback)
    return page


@inner
def rmqueue_fallback_old(memory: Memory, zone: int, order: int, migratetype: int, flags: int) -> int:
    """Fall back as 6.14 and before; -1 if there is nothing to fall back to."""
    least = order
    if flags & ALLOC_NOFRAGMENT and order < memory.rules[0].pageblock_order:
        least = memory.rules[0].pageblock_order
    page, fallback = _fallback_block(memory, zone, order, least, migratetype)
    if page < 0:
        return -1
    current = integer(memory.page[page].order)
    got = _take_old(memory, zone, page, order, migratetype, fallback)
    _log_fallback(memory, zone, got, order, current, migratetype, fallback)
    return got


@inner
def rmqueue(memory: Memory, zone: int, order: int, migratetype: int, flags: int) -> int:
    """Take a block from the zone's free lists, in the kernel's order of places; -1 if there is none.

    The pages keep kind FREE; the caller says what they become.
    """
    if flags & ALLOC_HIGHATOMIC:
        page = rmqueue_smallest(memory, zone, order, HIGHATOMIC)
        if page >= 0:
            return page
    this = memory.zone[zone]
    if flags & ALLOC_CMA and this.free_cma > this.free_pages // 2:
        page = rmqueue_smallest(memory, zone, order, CMA)
        if page >= 0:
            return page
    page = rmqueue_smallest(memory, zone, order, migratetype)
    if page >= 0:
        return page
    if flags & ALLOC_CMA:
        page = rmqueue_smallest(memory, zone, order, CMA)
        if page >= 0:
            return page
    if memory.rules[0].claim_largest_only:
        page = rmqueue_fallback_old(memory, zone, order, migratetype, flags)
    else:
        page = rmqueue_claim(memory, zone, order, migratetype, flags)
        if page < 0 and not flags & ALLOC_NOFRAGMENT:
            page = rmqueue_steal(memory, zone, order, migratetype)
    if page < 0 and flags & (ALLOC_OOM | ALLOC_NON_BLOCK):
        page = rmqueue_smallest(memory, zone, order, HIGHATOMIC)
    return page


@inner
def isolate_free_page(memory: Memory, zone: int, page: int, order: int) -> bool:
    """Take a free block as a target of migration, unless that would leave less than the min watermark."""
    rules = memory.rules[0]
    this = memory.zone[zone]
    if integer(memory.page[page].slot) != ISOLATE and not zone_watermark_ok(
        memory, zone, 0, this.wmark_min + (1 << order), 0, ALLOC_CMA, -1
    ):
        return False
    del_from_free_list(memory, zone, page)
    set_kind(memory, page, order, ISOLATED)
    if order >= rules.pageblock_order - 1:
        first = block_of(memory, page)
        for block in range(first, block_of(memory, page + (1 << order) - 1) + 1):
            part = block << rules.pageblock_order
            if pageblock_type(memory, part) >= HIGHATOMIC or (
                rules.hygiene and not in_zone(memory, zone, part)
            ):
                continue
            if rules.hygiene:
                move_freepages_block(memory, zone, part, MOVABLE)
            memory.block[block].migratetype = MOVABLE
    return True


@inner
def reserve_highatomic_pageblock(memory: Memory, zone: int, page: int, order: int) -> None:
    """Keep the pageblock of a block just given for high priority requests, at most a hundredth of the zone."""
    this = memory.zone[zone]
    nr_pages = 1 << memory.rules[0].pageblock_order
    block = block_of(memory, page)
    if this.managed // 100 < nr_pages or pageblock_type(memory, page) >= HIGHATOMIC:
        return
    most = (this.managed // 100 + nr_pages - 1) // nr_pages * nr_pages
    if this.nr_highatomic >= most or not in_zone(memory, zone, page):
        return
    if order < memory.rules[0].pageblock_order:
        move_freepages_block(memory, zone, page, HIGHATOMIC)
        memory.block[block].migratetype = HIGHATOMIC
        this.nr_highatomic += nr_pages
    else:
        change_pageblock_range(memory, page, order, HIGHATOMIC)
        this.nr_highatomic += 1 << order


@inner
def unreserve_highatomic_pageblock(memory: Memory, zone: int, migratetype: int, force: bool) -> bool:
    """Give one reserved pageblock that has free pages to the requester's type."""
    this = memory.zone[zone]
    pageblock_order = memory.rules[0].pageblock_order
    if not force and this.nr_highatomic <= 1 << pageblock_order:
        return False
    for order in range(memory.rules[0].max_order + 1):
        head = free_list(memory, zone, order, HIGHATOMIC)
        if list_empty(memory, head):
            continue
        page = integer(memory.page[head].next)
        this.nr_highatomic -= min(max(1 << pageblock_order, 1 << order), this.nr_highatomic)
        if order < pageblock_order:
            if not in_zone(memory, zone, page):
                continue
            move_freepages_block(memory, zone, page, migratetype)
            memory.block[block_of(memory, page)].migratetype = migratetype
            return True
        del_from_free_list(memory, zone, page)
        add_to_free_list(memory, zone, page, order, migratetype, True)
        change_pageblock_range(memory, page, order, migratetype)
        return True
    return False
