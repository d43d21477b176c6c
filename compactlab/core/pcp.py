"""Per-CPU lists: pages that are free for one CPU and in nobody's /proc/buddyinfo (mm/page_alloc.c, pcp)."""

from __future__ import annotations

from .buddy import free_block, free_one_page, pageblock_type, rmqueue, set_kind
from .jit import inner, integer
from .memory import (
    COSTLY_ORDER,
    HIGHATOMIC,
    ISOLATE,
    MOVABLE,
    PCP,
    PCP_LISTS,
    PCP_TYPES,
    STEP_REFILL,
    Memory,
    charge,
    list_add,
    list_add_tail,
    list_del,
    list_empty,
    pcp_list,
)

BATCH_SCALE_MAX = 5  # CONFIG_PCP_BATCH_SCALE_MAX


@inner
def pcp_allowed_order(memory: Memory, order: int) -> bool:
    """Whether blocks of this order pass through per-CPU lists."""
    rules = memory.rules[0]
    return order < rules.pcp_orders or (order == rules.huge_order and rules.pcp_orders > 1)


@inner
def order_to_pindex(order: int, migratetype: int) -> int:
    """Index of the per-CPU list of an order and type."""
    if order > COSTLY_ORDER:
        return PCP_LISTS - 1 if migratetype == MOVABLE else PCP_LISTS - 2
    return order * PCP_TYPES + migratetype


@inner
def _pindex_order(memory: Memory, pindex: int) -> int:
    if pindex >= PCP_LISTS - 2:
        return memory.rules[0].huge_order
    return pindex // PCP_TYPES


@inner
def _nr_pcp_alloc(memory: Memory, zone: int, cpu: int, order: int) -> int:
    """Pages to fetch at once; twice as many each time order-0 pages are asked for in a row."""
    pcp = memory.zone[zone].pcp[cpu]
    base = pcp.batch
    if base < 1:
        return 1
    batch = base if order else base << pcp.alloc_factor
    if pcp.high_min != pcp.high_max and not memory.zone[zone].below_high:
        pcp.high = min(pcp.high + batch, pcp.high_max)
    if order == 0:
        most = max(pcp.high - pcp.count - base, base)
        if batch <= most and pcp.alloc_factor < BATCH_SCALE_MAX:
            pcp.alloc_factor += 1
        batch = min(batch, most)
    if batch > 1:
        batch = max(batch >> order, 2)
    return batch


@inner
def rmqueue_pcp(memory: Memory, zone: int, cpu: int, order: int, migratetype: int, flags: int) -> int:
    """Take a block from the CPU's list, which is filled from the zone when empty; -1 if both are empty."""
    pcp = memory.zone[zone].pcp[cpu]
    pcp.free_count >>= 1
    head = pcp_list(memory, zone, cpu, order_to_pindex(order, migratetype))
    if list_empty(memory, head):
        fetched = 0
        for _ in range(_nr_pcp_alloc(memory, zone, cpu, order)):
            page = rmqueue(memory, zone, order, migratetype, flags)
            if page < 0:
                break
            set_kind(memory, page, order, PCP)
            list_add_tail(memory, page, head)
            fetched += 1
        charge(memory, STEP_REFILL, fetched)
        pcp.count += fetched << order
        if fetched == 0:
            return -1
    page = integer(memory.page[head].next)
    list_del(memory, page)
    pcp.count -= 1 << order
    return page


@inner
def free_pcppages_bulk(memory: Memory, zone: int, cpu: int, count: int, pindex: int) -> None:
    """Give the oldest pages of a CPU's lists back to the zone, list after list from `pindex`."""
    pcp = memory.zone[zone].pcp[cpu]
    count = min(pcp.count, count)
    charge(memory, STEP_REFILL, count)
    while count > 0:
        head = pcp_list(memory, zone, cpu, pindex)
        order = _pindex_order(memory, pindex)
        while count > 0 and not list_empty(memory, head):
            page = integer(memory.page[head].prev)
            list_del(memory, page)
            pcp.count -= 1 << order
            count -= 1 << order
            free_one_page(memory, zone, page, order)
        pindex = (pindex + 1) % PCP_LISTS


@inner
def _nr_pcp_high(memory: Memory, zone: int, cpu: int, free_high: bool) -> int:
    """Length at which the list gives pages back; it adapts to how many are freed in a row (6.7 and later)."""
    pcp = memory.zone[zone].pcp[cpu]
    batch, high = pcp.batch, pcp.high
    if free_high:
        pcp.high = max(high - (batch << BATCH_SCALE_MAX), pcp.high_min)
        return 0
    if memory.zone[zone].reclaim_active:
        pcp.high = max(high - max(pcp.free_count, batch), pcp.high_min)
        return min(batch << 2, pcp.high)
    if pcp.high_min == pcp.high_max:
        return high
    if memory.zone[zone].below_high:
        pcp.high = max(high - max(pcp.free_count, batch), pcp.high_min)
        return max(pcp.count, pcp.high_min)
    if pcp.count >= high and high < pcp.free_count + batch:
        pcp.high = min(max(pcp.free_count + batch, pcp.high_min), pcp.high_max)
        return pcp.high if pcp.high < high else high
    return high


@inner
def free_to_pcp(memory: Memory, zone: int, cpu: int, page: int, order: int, migratetype: int) -> None:
    """Put a block on the CPU's list; a list grown too long spills."""
    pcp = memory.zone[zone].pcp[cpu]
    pcp.alloc_factor >>= 1
    set_kind(memory, page, order, PCP)
    pindex = order_to_pindex(order, migratetype)
    list_add(memory, page, pcp_list(memory, zone, cpu, pindex))
    pcp.count += 1 << order
    batch = pcp.batch
    free_high = False
    if 0 < order <= COSTLY_ORDER:
        free_high = pcp.free_count >= batch + pcp.high_min // 2 and pcp.prev_free_high != 0
        pcp.prev_free_high = 1
    else:
        pcp.prev_free_high = 0
    if pcp.free_count < batch << BATCH_SCALE_MAX:
        pcp.free_count += 1 << order
    high = _nr_pcp_high(memory, zone, cpu, free_high)
    if pcp.count >= high:
        if free_high:
            spill = min(pcp.count, batch << BATCH_SCALE_MAX)
        elif high < batch:
            spill = 1
        else:
            spill = min(max(pcp.free_count, batch), max(high - batch, batch))
        free_pcppages_bulk(memory, zone, cpu, spill, pindex)


@inner
def free_pages(memory: Memory, zone: int, cpu: int, page: int, order: int) -> None:
    """Free a block the usual way: small and huge ones to the CPU's list, others to the zone."""
    if pcp_allowed_order(memory, order):
        migratetype = pageblock_type(memory, page)
        if migratetype >= PCP_TYPES:
            if migratetype == ISOLATE:
                free_one_page(memory, zone, page, order)
                return
            migratetype = MOVABLE
        free_to_pcp(memory, zone, cpu, page, order, migratetype)
        return
    free_block(memory, zone, page, order)


@inner
def alloc_pages_zone(memory: Memory, zone: int, cpu: int, order: int, migratetype: int, flags: int) -> int:
    """Take a block the usual way (rmqueue of mm/page_alloc.c); -1 if the zone has none."""
    if pcp_allowed_order(memory, order) and migratetype < HIGHATOMIC:
        page = rmqueue_pcp(memory, zone, cpu, order, migratetype, flags)
        if page >= 0:
            return page
    return rmqueue(memory, zone, order, migratetype, flags)


@inner
def drain_pages_zone(memory: Memory, zone: int, cpu: int) -> None:
    """Give all pages of a CPU's lists back."""
    if memory.zone[zone].pcp[cpu].count:
        free_pcppages_bulk(memory, zone, cpu, memory.zone[zone].pcp[cpu].count, 0)


@inner
def drain_all_pages(memory: Memory, zone: int) -> None:
    """Give the pages of all CPUs' lists of a zone back."""
    for cpu in range(memory.rules[0].nr_cpus):
        drain_pages_zone(memory, zone, cpu)


@inner
def decay_pcp_high(memory: Memory, zone: int, cpu: int) -> None:
    """Trim a CPU's lists, as the kernel does once a second (6.7 and later)."""
    pcp = memory.zone[zone].pcp[cpu]
    if pcp.high > pcp.high_min:
        trimmed = max(pcp.count - (pcp.batch << BATCH_SCALE_MAX), pcp.high - (pcp.high >> 3))
        pcp.high = max(trimmed, pcp.high_min)
    if pcp.count > pcp.high:
        free_pcppages_bulk(memory, zone, cpu, pcp.count - pcp.high, 0)


@inner
def refresh_vm_stats(memory: Memory, node: int) -> None:
    """What each CPU does about its lists of a node's zones once a second (vmstat_update)."""
    for zone in range(memory.zone.size):
        if memory.zone[zone].node == node:
            for cpu in range(memory.rules[0].nr_cpus):
                decay_pcp_high(memory, zone, cpu)
