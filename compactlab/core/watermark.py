"""Watermarks: whether a zone may give away a block (mm/page_alloc.c, __zone_watermark_ok)."""

from __future__ import annotations

from .jit import inner
from .memory import CMA, HIGHATOMIC, PCP_TYPES, Memory

_HIGHATOMIC, _OOM, _NON_BLOCK, _MIN_RESERVE, _CMA = 2, 4, 8, 16, 32  # alloc_flags, as in buddy


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
    if not flags & (_HIGHATOMIC | _OOM | _NON_BLOCK):
        free -= this.free_highatomic
    if not flags & _CMA:
        free -= this.free_cma
    if flags & _MIN_RESERVE:
        mark -= mark // 2
        if flags & _NON_BLOCK:
            mark -= mark // 4
    if flags & _OOM:
        mark -= mark // 2
    if free <= mark + memory.zone[zone].lowmem_reserve[classzone]:
        return False
    if order == 0:
        return True
    for current in range(order, memory.rules[0].max_order + 1):
        for migratetype in range(PCP_TYPES):
            if memory.zone[zone].nr_free[current, migratetype] > 0:
                return True
        if flags & _CMA and memory.zone[zone].nr_free[current, CMA] > 0:
            return True
        if flags & (_HIGHATOMIC | _OOM) and memory.zone[zone].nr_free[current, HIGHATOMIC] > 0:
            return True
    return False
