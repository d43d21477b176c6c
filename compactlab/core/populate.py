"""Lists and counts of a memory whose pages were written from a page map or a declared start."""

from __future__ import annotations

from .buddy import add_to_free_list
from .byreference import by_reference
from .jit import inner, integer, jit
from .lru import account_lru, folio_pages, lru_of
from .memory import (
    FREE,
    HOLE,
    ISOLATED,
    LRU,
    PCP,
    RESERVED,
    TAIL,
    Memory,
    list_add,
    list_add_tail,
    lru_list,
    pcp_list,
)
from .pcp import order_to_pindex


@inner
def _link_page(memory: Memory, zone: int, page: int) -> int:
    """Put a folio or free block where it belongs; returns its pages. `slot` is the CPU of a PCP page."""
    kind = memory.page[page].kind
    if kind == FREE:
        order = integer(memory.page[page].order)
        block = page >> memory.rules[0].pageblock_order
        add_to_free_list(memory, zone, page, order, integer(memory.block[block].migratetype), True)
        return 1 << order
    if kind == PCP:
        order = integer(memory.page[page].order)
        migratetype = min(integer(memory.block[page >> memory.rules[0].pageblock_order].migratetype), 2)
        cpu = max(integer(memory.page[page].slot), 0)
        list_add(memory, page, pcp_list(memory, zone, cpu, order_to_pindex(order, migratetype)))
        memory.page[page].slot = -1
        memory.zone[zone].pcp[cpu].count += 1 << order
        return 1 << order
    if memory.page[page].bits & LRU:
        which = lru_of(memory, page)
        list_add_tail(memory, page, lru_list(memory, zone, which))
        account_lru(memory, zone, which, folio_pages(memory, page))
    return 1 if memory.page[page].order == TAIL else folio_pages(memory, page)


@jit
def populate(of: Memory, zone: int) -> None:
    """Fill the lists and counts of one zone, pages in pfn order from head to tail."""
    memory = by_reference(of)
    this = memory.zone[zone]
    page = this.start_pfn
    while page < this.end_pfn:
        if memory.page[page].kind != HOLE:
            pages = _link_page(memory, zone, page)
            this.present += pages
            if memory.page[page].kind != RESERVED and memory.page[page].kind != ISOLATED:
                this.managed += pages
            page += pages
        else:
            page += 1
