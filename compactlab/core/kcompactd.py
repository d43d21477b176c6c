"""kcompactd, one per node: compacts when woken for an order, and proactively by the clock (6.18)."""

from __future__ import annotations

from .compaction import (
    MAX_DEFER_SHIFT,
    compact_begin,
    compact_step,
    compact_zone_suitable,
    compaction_defer_reset,
    compaction_deferred,
    defer_compaction,
    fragmentation_score_zone,
    proactive_high_mark,
    set_control,
)
from .jit import inner
from .memory import (
    COMPACT_DAEMON_WAKE,
    COMPLETE,
    CONTINUE,
    EV_KCOMPACTD_SLEEP,
    EV_KCOMPACTD_WAKE,
    EV_WAKEUP_KCOMPACTD,
    KCOMPACTD,
    KCOMPACTD_CONTROL,
    NOW,
    PARTIAL_SKIPPED,
    PROACTIVE,
    STEP_DRAIN,
    SUCCESS,
    SYNC_LIGHT,
    UNMOVABLE,
    Memory,
    charge,
    log_event,
)
from .pcp import drain_all_pages

PROACTIVE_INTERVAL = 500_000_000_000  # HPAGE_FRAG_CHECK_INTERVAL_MSEC, in ps
_NOT_BEGUN = -1  # kcompactd_zone of a thread that was woken and did nothing yet


@inner
def _log(memory: Memory, event: int, node: int, order: int) -> None:
    log_event(memory, event, -1, node, order, 0, 0, 0, 0)


@inner
def _suitable(memory: Memory, zone: int, order: int, classzone: int) -> bool:
    """Whether the zone lacks a block of the order and has room to make one."""
    this = memory.zone[zone]
    mark, free = this.wmark_min, -1
    if memory.rules[0].defrag_mode:
        mark, free = this.wmark_high, this.free_pages_blocks
    result = compact_zone_suitable(memory, zone, order, mark + this.boost, classzone, 0, False, free)
    return result == CONTINUE


@inner
def _node_suitable(memory: Memory, node: int) -> bool:
    this = memory.node[node]
    for zone in range(memory.zone.size):
        its = memory.zone[zone]
        if its.node != node or its.managed == 0 or its.index > this.kcompactd_classzone:
            continue
        if _suitable(memory, zone, this.kcompactd_order, this.kcompactd_classzone):
            return True
    return False


@inner
def _wake(memory: Memory, node: int, proactive: int) -> None:
    this = memory.node[node]
    this.kcompactd_clock = memory.state[0].clock[NOW]
    this.kcompactd_zone = _NOT_BEGUN
    this.kcompactd_proactive = proactive
    this.proactive_next = -1


@inner
def wakeup_kcompactd(memory: Memory, node: int, order: int, classzone: int) -> None:
    """Ask for blocks of an order; a sleeping kcompactd wakes only if some zone is worth its while.

    The order is remembered even if it sleeps on. Of several requests the highest order and the lowest
    class count.
    """
    if order <= 0:
        return
    this = memory.node[node]
    this.kcompactd_classzone = min(this.kcompactd_classzone, classzone) if this.kcompactd_order else classzone
    this.kcompactd_order = max(this.kcompactd_order, order)
    if this.kcompactd_clock >= 0 or not _node_suitable(memory, node):
        return
    _log(memory, EV_WAKEUP_KCOMPACTD, node, order)
    _wake(memory, node, 0)


@inner
def _begin_work(memory: Memory, node: int) -> None:
    """Start on the first zone, for the order asked for by now."""
    this = memory.node[node]
    control = memory.control[KCOMPACTD_CONTROL + node]
    this.kcompactd_zone = 0
    control.order = -1 if this.kcompactd_proactive else this.kcompactd_order
    control.classzone = this.kcompactd_classzone
    if not this.kcompactd_proactive:
        memory.state[0].counter[COMPACT_DAEMON_WAKE] += 1
    _log(memory, EV_KCOMPACTD_WAKE, node, control.order)


@inner
def _begin_zone(memory: Memory, node: int, zone: int) -> bool:
    """Start compacting a zone, unless it is not to be compacted now."""
    c = KCOMPACTD_CONTROL + node
    order, classzone = memory.control[c].order, memory.control[c].classzone
    proactive = memory.node[node].kcompactd_proactive != 0
    its = memory.zone[zone]
    if its.node != node or its.managed == 0:
        return False
    if not proactive and (
        its.index > classzone
        or compaction_deferred(memory, zone, order)
        or not _suitable(memory, zone, order, its.index)
    ):
        return False
    set_control(memory, c, zone, order, UNMOVABLE, SYNC_LIGHT, PROACTIVE if proactive else KCOMPACTD)
    memory.control[c].classzone = classzone
    compact_begin(memory, c)
    return True


@inner
def _end_zone(memory: Memory, node: int, result: int) -> None:
    """Say how a zone went: after a failure give per-CPU pages back and try less often."""
    control = memory.control[KCOMPACTD_CONTROL + node]
    if memory.node[node].kcompactd_proactive:
        return
    if result == SUCCESS:
        compaction_defer_reset(memory, control.zone, control.order, False)
    elif result in (COMPLETE, PARTIAL_SKIPPED):
        drain_all_pages(memory, control.zone)
        charge(memory, STEP_DRAIN, memory.rules[0].nr_cpus)
        defer_compaction(memory, control.zone, control.order)


@inner
def _end_work(memory: Memory, node: int) -> None:
    """Set the timer of proactive compaction and sleep, unless a higher order was asked for meanwhile."""
    this = memory.node[node]
    timeout = PROACTIVE_INTERVAL
    if this.kcompactd_proactive:
        if fragmentation_score_node(memory, node) >= this.proactive_score:
            timeout <<= MAX_DEFER_SHIFT
    elif this.kcompactd_order <= memory.control[KCOMPACTD_CONTROL + node].order:
        this.kcompactd_order = 0
    this.kcompactd_proactive = 0
    this.kcompactd_zone = _NOT_BEGUN
    _log(memory, EV_KCOMPACTD_SLEEP, node, 0)
    if this.kcompactd_order > 0:
        return
    this.kcompactd_clock = -1
    _set_timer(memory, node, timeout)


@inner
def _set_timer(memory: Memory, node: int, timeout: int) -> None:
    """Look at the score again after a while; a trigger that came meanwhile stays due."""
    this = memory.node[node]
    if this.proactive_next < 0 and memory.rules[0].compaction_proactiveness > 0:
        this.proactive_next = memory.state[0].clock[NOW] + timeout


@inner
def kcompactd_step(memory: Memory, node: int) -> None:
    """One turn of an awake kcompactd: a step of compaction, the start of a zone's, or going to sleep."""
    this = memory.node[node]
    c = KCOMPACTD_CONTROL + node
    if memory.control[c].active:
        result = compact_step(memory, c, this.kswapd_clock >= 0)
        if result != CONTINUE:
            _end_zone(memory, node, result)
            this.kcompactd_zone += 1
        return
    if this.kcompactd_zone == _NOT_BEGUN:
        _begin_work(memory, node)
    while this.kcompactd_zone < memory.zone.size:
        if _begin_zone(memory, node, this.kcompactd_zone):
            return
        this.kcompactd_zone += 1
    _end_work(memory, node)


@inner
def fragmentation_score_node(memory: Memory, node: int) -> int:
    """Score of a node: its zones' scores, weighted by their present pages."""
    present = 0
    for zone in range(memory.zone.size):
        if memory.zone[zone].node == node:
            present += memory.zone[zone].present
    score = 0
    for zone in range(memory.zone.size):
        if memory.zone[zone].node == node:
            score += memory.zone[zone].present * fragmentation_score_zone(memory, zone) // (present + 1)
    return score


@inner
def proactive_check(memory: Memory, node: int) -> None:
    """The timer's expiry: start compacting if the node's score is above the high mark, else wait again."""
    this = memory.node[node]
    if this.kcompactd_clock >= 0:
        return
    this.proactive_next = -1
    if memory.rules[0].compaction_proactiveness == 0:
        return
    score = fragmentation_score_node(memory, node)
    if this.kswapd_clock < 0 and score > proactive_high_mark(memory):
        this.proactive_score = score
        _wake(memory, node, 1)
        return
    _log(memory, EV_KCOMPACTD_SLEEP, node, 0)
    _set_timer(memory, node, PROACTIVE_INTERVAL)


@inner
def proactive_trigger(memory: Memory, node: int) -> None:
    """What writing a proactiveness above 0 does: one evaluation, at once or after the work in hand."""
    this = memory.node[node]
    _log(memory, EV_WAKEUP_KCOMPACTD, node, -1)
    if this.kcompactd_clock < 0:
        proactive_check(memory, node)
    elif not this.kcompactd_proactive:
        this.proactive_next = memory.state[0].clock[NOW]
