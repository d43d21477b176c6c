"""Compaction of one zone in pieces, for callers that want to look in between."""

from __future__ import annotations

from .byreference import by_reference
from .compaction import (
    compact_begin,
    compact_end,
    compact_step,
    compact_zone_suitable,
    reset_isolation_suitable,
    set_control,
)
from .jit import jit
from .memory import (
    ASYNC,
    CONTENDED,
    CONTINUE,
    DIRECT,
    EV_KCOMPACTD_WAKE,
    FOREGROUND,
    KCOMPACTD,
    KCOMPACTD_THREAD,
    MOVABLE,
    PROACTIVE,
    THREAD,
    Memory,
    log_event,
)
from .pcp import refresh_vm_stats
from .watermark import ALLOC_CMA

PRIORITY_SYNC_FULL = 0


@jit
def begin_compaction(
    of: Memory,
    c: int,
    zone: int,
    order: int,
    migratetype: int,
    mode: int,
    trigger: int,
    priority: int,
    cpu: int,
) -> int:
    """Start compacting a zone; CONTINUE, or why there is no need or no sense."""
    memory = by_reference(of)
    this = memory.zone[zone]
    daemon = trigger in (KCOMPACTD, PROACTIVE)
    memory.state[0].clock[THREAD] = KCOMPACTD_THREAD if daemon else FOREGROUND
    if daemon:
        log_event(memory, EV_KCOMPACTD_WAKE, -1, this.node, order, 0, 0, 0, 0)
    set_control(memory, c, zone, order, migratetype, mode, trigger)
    control = memory.control[c]
    control.cpu = cpu
    if trigger == DIRECT and priority == PRIORITY_SYNC_FULL:
        control.whole_zone = 1
        control.ignore_skip = 1
        control.ignore_suitable = 1
    if order >= 0:
        flags = ALLOC_CMA if memory.rules[0].cma and trigger == DIRECT and migratetype == MOVABLE else 0
        mark = this.wmark_high if memory.rules[0].defrag_mode and daemon else this.wmark_min
        free = this.free_pages_blocks if memory.rules[0].defrag_mode and daemon else -1
        suitable = compact_zone_suitable(
            memory,
            zone,
            order,
            mark + this.boost,
            this.index,
            flags,
            trigger == DIRECT and mode == ASYNC,
            free,
        )
        if suitable != CONTINUE:
            return suitable
    compact_begin(memory, c)
    return CONTINUE


@jit
def compact_some(of: Memory, c: int, steps: int) -> int:
    """Go on for some turns of the loop; CONTINUE, or the result once the run is over."""
    memory = by_reference(of)
    result = CONTINUE
    while result == CONTINUE and steps > 0:
        result = compact_step(memory, c, False)
        steps -= 1
    return result


@jit
def stop_compaction(of: Memory, c: int) -> None:
    """Give up, as at a fatal signal: held pages go back, the result is CONTENDED."""
    compact_end(by_reference(of), c, CONTENDED)


@jit
def refresh(of: Memory) -> None:
    """Let a second pass for the per-CPU lists of all nodes."""
    memory = by_reference(of)
    for node in range(memory.node.size):
        refresh_vm_stats(memory, node)


@jit
def as_after_reset(of: Memory, zone: int) -> None:
    """Set where runs begin, and a zone's outermost source and target, as a reset of skip bits leaves them."""
    memory = by_reference(of)
    memory.zone[zone].blockskip_flush = 1
    reset_isolation_suitable(memory, zone)
