"""kswapd, one per node: reclaims until a zone is above its high watermark (mm/vmscan.c, Linux 6.18).

The kernel asks each pass for the high watermarks' worth of pages; here a pass asks for 32 pages per zone, so
that other threads get their turn. The short sleep of 100 ms before the real one is left out.
"""

from __future__ import annotations

from .compaction import reset_isolation_suitable
from .jit import inner
from .kcompactd import wakeup_kcompactd
from .memory import (
    CLUSTER_MAX,
    EV_KSWAPD_SLEEP,
    EV_KSWAPD_WAKE,
    EV_WAKEUP_KSWAPD,
    KCOMPACTD_CONTROL,
    KSWAPD_WAKE,
    NOW,
    PAGEOUTRUN,
    Memory,
    log_event,
)
from .reclaim import DEF_PRIORITY, shrink_zone, zone_in_reach
from .watermark import zone_watermark_ok

MAX_RECLAIM_RETRIES = 16


@inner
def pgdat_balanced(memory: Memory, node: int, order: int, classzone: int) -> bool:
    """Whether some zone in reach is above its high watermark; in defrag_mode, in whole pageblocks."""
    managed = False
    for zone in range(memory.zone.size):
        if not zone_in_reach(memory, zone, node, classzone):
            continue
        managed = True
        this = memory.zone[zone]
        free = this.free_pages_blocks if memory.rules[0].defrag_mode and order else this.free_pages
        if zone_watermark_ok(memory, zone, order, this.wmark_high + this.boost, classzone, 0, free):
            return True
    return not managed


@inner
def pgdat_watermark_boosted(memory: Memory, node: int, classzone: int) -> bool:
    """Whether some zone in reach has raised watermarks."""
    for zone in range(memory.zone.size):
        if zone_in_reach(memory, zone, node, classzone) and memory.zone[zone].boost:
            return True
    return False


@inner
def wakeup_kswapd(memory: Memory, zone: int, order: int, classzone: int, may_direct_reclaim: bool) -> None:
    """Wake the zone's kswapd, or, where reclaim is no use and the caller cannot compact, kcompactd."""
    node = memory.zone[zone].node
    this = memory.node[node]
    this.kswapd_order = max(this.kswapd_order, order)
    this.kswapd_classzone = max(this.kswapd_classzone, classzone)
    if this.kswapd_clock >= 0:
        return
    if this.kswapd_failures >= MAX_RECLAIM_RETRIES or (
        pgdat_balanced(memory, node, order, classzone)
        and not pgdat_watermark_boosted(memory, node, classzone)
    ):
        if not may_direct_reclaim:
            wakeup_kcompactd(memory, node, order, classzone)
        return
    log_event(memory, EV_WAKEUP_KSWAPD, zone, node, order, 0, 0, 0, 0)
    memory.state[0].counter[KSWAPD_WAKE] += 1
    this.kswapd_clock = memory.state[0].clock[NOW]
    this.kswapd_priority = 0


@inner
def _begin_balance(memory: Memory, node: int) -> None:
    """Start reclaiming for the order asked for, and for the boosts seen now."""
    this = memory.node[node]
    this.kswapd_alloc_order = this.kswapd_order
    this.kswapd_reclaim_order = this.kswapd_order
    this.kswapd_order = 0
    this.kswapd_priority = DEF_PRIORITY
    this.kswapd_reclaimed = 0
    this.kswapd_boosted = 0
    for zone in range(memory.zone.size):
        if zone_in_reach(memory, zone, node, this.kswapd_classzone):
            its = memory.zone[zone]
            its.reclaim_active = 1
            its.boost_seen = its.boost
            this.kswapd_boosted += its.boost
    memory.state[0].counter[PAGEOUTRUN] += 1
    log_event(memory, EV_KSWAPD_WAKE, -1, node, this.kswapd_alloc_order, 0, 0, 0, 0)


@inner
def _end_balance(memory: Memory, node: int) -> None:
    """Take the boosts back, have pageblocks defragmented if there were any, sleep if there is enough."""
    this = memory.node[node]
    this.kswapd_priority = 0
    this.kswapd_boosted = 0
    boosted = False
    for zone in range(memory.zone.size):
        if not zone_in_reach(memory, zone, node, this.kswapd_classzone):
            continue
        its = memory.zone[zone]
        its.reclaim_active = 0
        boosted = boosted or its.boost_seen > 0
        its.boost -= min(its.boost, its.boost_seen)
        its.boost_seen = 0
        if zone_watermark_ok(memory, zone, 0, its.wmark_high + its.boost, its.index, 0, -1):
            its.below_high = 0
    if boosted:
        wakeup_kcompactd(memory, node, memory.rules[0].pageblock_order, this.kswapd_classzone)
    _try_to_sleep(memory, node)


@inner
def _try_to_sleep(memory: Memory, node: int) -> None:
    """Sleep if the node is balanced or hopeless; what reclaim alone did not reach is left to kcompactd."""
    this = memory.node[node]
    order, wanted = this.kswapd_order, this.kswapd_order
    if this.kswapd_reclaim_order < this.kswapd_alloc_order:
        order, wanted = this.kswapd_reclaim_order, this.kswapd_alloc_order
    if this.kswapd_failures < MAX_RECLAIM_RETRIES and not pgdat_balanced(
        memory, node, order, this.kswapd_classzone
    ):
        return
    for zone in range(memory.zone.size):
        if memory.zone[zone].node == node and memory.zone[zone].blockskip_flush:
            reset_isolation_suitable(memory, zone)
    wakeup_kcompactd(memory, node, wanted, this.kswapd_classzone)
    log_event(memory, EV_KSWAPD_SLEEP, -1, node, 0, 0, 0, 0, 0)
    this.kswapd_clock = -1
    this.kswapd_classzone = 0


@inner
def _shrink_node(memory: Memory, node: int) -> tuple[bool, int]:
    """Reclaim 32 pages of each zone in reach; returns whether that much was looked at, and pages freed."""
    this = memory.node[node]
    cpu = memory.control[KCOMPACTD_CONTROL + node].cpu
    wanted, scanned, reclaimed = 0, 0, 0
    for zone in range(memory.zone.size):
        if zone_in_reach(memory, zone, node, this.kswapd_classzone):
            looked, freed = shrink_zone(
                memory, zone, this.kswapd_priority, CLUSTER_MAX, cpu, True, this.kswapd_boosted == 0
            )
            wanted += CLUSTER_MAX
            scanned += looked
            reclaimed += freed
    return scanned >= wanted, reclaimed


@inner
def kswapd_step(memory: Memory, node: int) -> None:
    """One pass of an awake kswapd: 32 pages of each zone, or going to sleep (balance_pgdat)."""
    this = memory.node[node]
    if this.kswapd_priority == 0:
        _begin_balance(memory, node)
    balanced = pgdat_balanced(memory, node, this.kswapd_reclaim_order, this.kswapd_classzone)
    if not balanced and this.kswapd_boosted:
        this.kswapd_boosted = 0
        this.kswapd_priority = DEF_PRIORITY
    if balanced and not this.kswapd_boosted:
        _end_balance(memory, node)
        return
    boosted = this.kswapd_boosted > 0
    enough, reclaimed = _shrink_node(memory, node)
    if boosted and reclaimed == 0:  # no reason to look harder or to write, nor a failure
        _end_balance(memory, node)
        return
    this.kswapd_reclaimed += reclaimed
    this.kswapd_boosted -= min(this.kswapd_boosted, reclaimed)
    if this.kswapd_reclaimed >= 2 << this.kswapd_reclaim_order:
        this.kswapd_reclaim_order = 0
    keep = enough or (boosted and this.kswapd_priority == DEF_PRIORITY - 2)
    if reclaimed == 0 or not keep:
        this.kswapd_priority -= 1
    if this.kswapd_priority == 0:
        if this.kswapd_reclaimed == 0:
            this.kswapd_failures += 1
        _end_balance(memory, node)
