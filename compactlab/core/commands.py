"""Requests for contiguous ranges and for manual compaction, which workloads seldom make."""

from __future__ import annotations

import numpy as np

from .byreference import by_reference
from .compaction import compact_begin, compact_step, set_control
from .contig import alloc_contig_range
from .engine import OFFSET, ROW, THINK, prepare_block, run_background, think
from .jit import inner, integer, jit
from .memory import (
    ALLOC_CONTIG_FAIL,
    ALLOC_CONTIG_SUCCESS,
    CONTINUE,
    DIRECT_CONTROL,
    MANUAL,
    MOVABLE,
    NOW,
    SYNC,
    UNMOVABLE,
    Memory,
)
from .request import COMPACT


@inner
def _contig(memory: Memory, request: np.record, slot: int) -> None:
    """Find a range of 2**order pages that can be made free, zone by zone (alloc_contig_pages)."""
    size = 1 << integer(request.order)
    for zone in range(memory.zone.size):
        start = (memory.zone[zone].start_pfn + size - 1) // size * size
        while start + size <= memory.zone[zone].end_pfn:
            if (
                _range_movable(memory, start, start + size)
                and alloc_contig_range(memory, start, start + size, False) == 0
            ):
                memory.state[0].counter[ALLOC_CONTIG_SUCCESS] += 1
                prepare_block(memory, start, integer(request.order), request.kind, request.mapcount, slot)
                return
            start += size
    memory.state[0].counter[ALLOC_CONTIG_FAIL] += 1


@inner
def _range_movable(memory: Memory, start: int, end: int) -> bool:
    """Whether no pageblock of a range is unmovable; saves trying in vain."""
    step = 1 << memory.rules[0].pageblock_order
    page = start
    while page < end:
        if memory.block[page >> memory.rules[0].pageblock_order].migratetype == UNMOVABLE:
            return False
        page += step
    return True


@inner
def _compact_node(memory: Memory, place: np.ndarray, until: int) -> bool:
    """Manual compaction of all zones, one after the other; whether it is done."""
    control = memory.control[DIRECT_CONTROL]
    while place[OFFSET] < memory.zone.size:
        if not (control.active and control.trigger == MANUAL):
            set_control(memory, DIRECT_CONTROL, place[OFFSET], -1, MOVABLE, SYNC, MANUAL)
            compact_begin(memory, DIRECT_CONTROL)
        while compact_step(memory, DIRECT_CONTROL, False) == CONTINUE:
            run_background(memory)
            if memory.state[0].clock[NOW] >= until:
                return False
        place[OFFSET] += 1
    return True


@jit
def run_command(of: Memory, requests: np.ndarray, place: np.ndarray, until: int) -> bool:
    """Execute the COMPACT or CONTIG row at `place`, until the time `until` (ps); whether it is done."""
    memory = by_reference(of)
    request = requests[place[ROW]]
    if place[THINK] < 0:
        place[THINK] = integer(request.think_ns) * 1000
    if place[THINK] > 0 and not think(memory, place, until):
        return False
    if request.op == COMPACT:
        if not _compact_node(memory, place, until):
            return False
    else:
        _contig(memory, request, integer(request.slot))
    place[ROW] += 1
    place[OFFSET] = 0
    place[THINK] = -1
    return True


@jit
def take_range(of: Memory, start: int, end: int, is_cma: bool) -> int:
    """alloc_contig_range of one page range; 0, EBUSY or ENOMEM."""
    return alloc_contig_range(by_reference(of), start, end, is_cma)
