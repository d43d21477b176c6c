"""Watermarks: whether a zone may give away a block (mm/page_alloc.c, __zone_watermark_ok)."""

from __future__ import annotations

from .jit import inner
from .memory import CMA, HIGHATOMIC, PCP_TYPES, Memory

# How far a zone may be searched for a block (alloc_flags of mm/internal.h).
ALLOC_NOFRAGMENT, ALLOC_HIGHATOMIC, ALLOC_OOM, ALLOC_NON_BLOCK, ALLOC_MIN_RESERVE, ALLOC_CMA = (
    1 << bit for bit in range(6)
)


@inner
def zone_watermark_ok(
    memory: Memory, zone: int, order: int, mark: int, classzone: int, flags: int, free: int
) -> bool:
    """Whether taking 2**order pages leaves the mark, and a block of that order is on some list.

    `classzone` is the highest zone the request may use, `free` (if not negative) counts instead of the zone's.
    """
    this = memory.zone[zone]
    if free < 0:
        free = this.free_pages
    free -= (1 << order) - 1
    if not flags & (ALLOC_HIGHATOMIC | ALLOC_OOM | ALLOC_NON_BLOCK):
        free -= this.free_highatomic
    if not flags & ALLOC_CMA:
        free -= this.free_cma
    if flags & ALLOC_MIN_RESERVE:
        mark -= mark // 2
        if flags & ALLOC_NON_BLOCK:
            mark -= mark // 4
    if flags & ALLOC_OOM:
        mark -= mark // 2
    if free <= mark + memory.zone[zone].lowmem_reserve[classzone]:
        return False
    if order == 0:
        return True
    for current in range(order, memory.rules[0].max_order + 1):
        for migratetype in range(PCP_TYPES):
            if memory.zone[zone].nr_free[current, migratetype] > 0:
                return True
        if flags & ALLOC_CMA and memory.zone[zone].nr_free[current, CMA] > 0:
            return True
        if flags & (ALLOC_HIGHATOMIC | ALLOC_OOM) and memory.zone[zone].nr_free[current, HIGHATOMIC] > 0:
            return True
    return False
