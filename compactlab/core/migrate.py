"""Moving isolated folios to isolated free pages (mm/migrate.c and the allocator of mm/compaction.c, 6.18)."""

from __future__ import annotations

import numpy as np

from .free_scanner import isolate_freepages
from .jit import inner, integer
from .lru import lru_add
from .memory import (
    ASYNC,
    CPU_TIME,
    DIRTY,
    DRAWS,
    EV_MIGRATEPAGES,
    MAX_DRAWS,
    NOW,
    PGMIGRATE_FAIL,
    PGMIGRATE_SUCCESS,
    PINNED,
    PRIVATE,
    REFUSED_NO_TARGET,
    REFUSED_PINNED,
    REFUSED_PRIVATE,
    STEP_MIGRATE_BATCH,
    STEP_MIGRATE_FAIL,
    STEP_MIGRATE_MAPPING,
    STEP_MIGRATE_PAGE,
    STEP_WRITEBACK_WAIT,
    TAIL,
    THREAD,
    WRITEBACK,
    Memory,
    charge,
    held_list,
    list_add,
    list_del,
    list_empty,
    log_event,
    log_move,
    refuse,
)
from .pcp import free_pages

ENOMEM = -12
NO_TARGET, TO_SPLIT, WAITING, STUCK, MOVED = -1, -2, -3, -4, -5  # instead of a folio's target


@inner
def _count_held(memory: Memory, c: int, pages: int) -> None:
    """Count pages held, and with them (6.9 and later) those that still want a target."""
    control = memory.control[c]
    control.nr_freepages += pages
    if memory.rules[0].large_folios:
        control.nr_migratepages += pages


@inner
def compaction_alloc(memory: Memory, c: int, order: int) -> int:
    """Take the smallest sufficient held block, split to the order; -1 if the free scanner finds none."""
    top = memory.rules[0].max_order
    for attempt in range(2):
        for start in range(order, top + 1):
            head = held_list(memory, c, start)
            if list_empty(memory, head):
                continue
            page = integer(memory.page[head].next)
            list_del(memory, page)
            while start > order:
                start -= 1
                upper = page + (1 << start)
                memory.page[upper].order = start
                list_add(memory, upper, held_list(memory, c, start))
            memory.page[page].order = order
            _count_held(memory, c, -(1 << order))
            return page
        if attempt == 0:
            isolate_freepages(memory, c)
    return -1


@inner
def can_split(memory: Memory, page: int) -> bool:
    """Whether a large folio gives way: not one with private dirty data, under writeback, or of a request."""
    flags = memory.page[page].bits
    if flags & WRITEBACK or flags & PINNED or memory.page[page].slot >= 0:
        return False
    return not (flags & DIRTY and flags & PRIVATE)


@inner
def move_folio(memory: Memory, zone: int, source: int, target: int, order: int) -> None:
    """Make the target what the source was, with every mapping and its owner; the source is left to free."""
    pages = 1 << order
    kind = memory.page[source].kind
    for offset in range(pages):
        memory.page[target + offset].kind = kind
        memory.page[target + offset].mapcount = memory.page[source + offset].mapcount
        memory.page[target + offset].order = TAIL
        memory.page[source + offset].mapcount = 0
    memory.page[target].order = order
    memory.page[target].bits = memory.page[source].bits
    memory.page[source].bits = 0
    slot = memory.page[source].slot
    memory.page[target].slot = slot
    memory.page[source].slot = -1
    if slot >= 0:
        memory.where[slot] = target
    lru_add(memory, zone, target)


@inner
def mappings_beyond_one(memory: Memory, page: int, order: int) -> int:
    """Mappings to update besides one per page."""
    beyond = 0
    for offset in range(1 << order):
        count = integer(memory.page[page + offset].mapcount)
        if count > 1:
            beyond += count - 1
    return beyond


@inner
def charge_batch(memory: Memory, moved: int, mappings: int) -> None:
    """Time of one batch: what was moved, times the next draw of how much batches differ."""
    state = memory.state[0]
    draws = state.logged[DRAWS]
    relative = state.spread[draws % MAX_DRAWS]
    state.logged[DRAWS] = draws + 1
    before = state.clock[NOW]
    charge(memory, STEP_MIGRATE_PAGE, moved)
    charge(memory, STEP_MIGRATE_BATCH, 1)
    charge(memory, STEP_MIGRATE_MAPPING, mappings)
    beyond = (state.clock[NOW] - before) * (relative - 1000) // 1000
    state.clock[NOW] += beyond
    state.clock[CPU_TIME + state.clock[THREAD]] += beyond


@inner
def split_folio(memory: Memory, page: int) -> None:
    """Turn an isolated folio into lone pages."""
    bits = memory.page[page].bits
    for part in range(page, page + (1 << integer(memory.page[page].order))):
        memory.page[part].order = 0
        memory.page[part].bits = bits


@inner
def migrate_pages(memory: Memory, c: int) -> int:
    """Move the batch of a compactor, last isolated first; 0, pages that stayed, or ENOMEM without targets.

    As the kernel does: targets for all first, then the moves; what failed is tried again one by one unless
    asynchronous; then the pages of large folios that had to be split.
    """
    control = memory.control[c]
    zone = control.zone
    total = control.nr_migratepages
    control.nr_moved = 0
    control.nr_mappings = 0
    lacking = _take_targets(memory, c)
    failed = _move_batch(memory, c)
    if failed and not lacking and control.mode != ASYNC:
        lacking = _move_one_by_one(memory, c)
    elif failed:
        _refuse_stuck(memory, c)
    _settle(memory, c, lacking)
    moved = control.nr_moved
    stayed = total - moved
    charge_batch(memory, moved, control.nr_mappings)
    charge(memory, STEP_MIGRATE_FAIL, stayed)
    memory.state[0].counter[PGMIGRATE_SUCCESS] += moved
    memory.state[0].counter[PGMIGRATE_FAIL] += stayed
    log_event(memory, EV_MIGRATEPAGES, zone, moved, stayed, 0, 0, 0, 0)
    control.nr_migrated += moved
    control.nr_failed += stayed
    control.nr_batch = 0
    control.nr_migratepages = 0
    return ENOMEM if lacking else stayed


@inner
def _take_targets(memory: Memory, c: int) -> bool:
    """Find a target for each folio; whether one that cannot be split lacks it, which ends the search.

    One under writeback gives it back at once.
    """
    control = memory.control[c]
    lacking = False
    for position in range(control.nr_batch - 1, -1, -1):
        page = integer(memory.batch[c, 0, position])
        order = integer(memory.page[page].order)
        target = NO_TARGET
        if not lacking:
            target = compaction_alloc(memory, c, order)
            if target < 0 and order > 0 and can_split(memory, page):
                target = TO_SPLIT
            elif target < 0:
                refuse(memory, control.zone, page, REFUSED_PRIVATE if order > 0 else REFUSED_NO_TARGET)
                lacking = True
            elif memory.page[page].bits & WRITEBACK:
                _put_back_target(memory, c, target)
                target = WAITING
        memory.batch[c, 1, position] = target
    return lacking


@inner
def _move_batch(memory: Memory, c: int) -> bool:
    """Move every folio that has a target; whether some could not be and have none any more."""
    failed = False
    for position in range(memory.control[c].nr_batch - 1, -1, -1):
        target = integer(memory.batch[c, 1, position])
        if target < 0:
            failed |= target == WAITING
            continue
        page = integer(memory.batch[c, 0, position])
        if memory.page[page].bits & PINNED:
            failed = True
            continue
        _move_and_free(memory, c, page, target)
        memory.batch[c, 1, position] = MOVED
    if failed:
        _give_up_stuck(memory, c)
    return failed


@inner
def _give_up_stuck(memory: Memory, c: int) -> None:
    """Hold the targets of pinned folios again."""
    for position in range(memory.control[c].nr_batch - 1, -1, -1):
        target = integer(memory.batch[c, 1, position])
        if target >= 0:
            _put_back_target(memory, c, target)
            memory.batch[c, 1, position] = STUCK


@inner
def _refuse_stuck(memory: Memory, c: int) -> None:
    """Tell of pinned folios that are not tried again."""
    control = memory.control[c]
    for position in range(control.nr_batch - 1, -1, -1):
        if memory.batch[c, 1, position] == STUCK:
            refuse(memory, control.zone, integer(memory.batch[c, 0, position]), REFUSED_PINNED)


@inner
def _put_back_target(memory: Memory, c: int, target: int) -> None:
    """Hold a target again that was not used (compaction_free)."""
    order = integer(memory.page[target].order)
    list_add(memory, target, held_list(memory, c, order))
    _count_held(memory, c, 1 << order)


@inner
def _move_one_by_one(memory: Memory, c: int) -> bool:
    """Wait for pages under writeback and move them, then try pinned ones in vain. Whether targets ran out."""
    control = memory.control[c]
    for kind in range(WAITING, STUCK - 1, -1):
        for position in range(control.nr_batch - 1, -1, -1):
            if memory.batch[c, 1, position] != kind:
                continue
            page = integer(memory.batch[c, 0, position])
            target = compaction_alloc(memory, c, integer(memory.page[page].order))
            if target < 0:
                refuse(memory, control.zone, page, REFUSED_NO_TARGET)
                return True
            if kind == WAITING:
                charge(memory, STEP_WRITEBACK_WAIT, 1)
                memory.page[page].bits &= np.uint8(255 - WRITEBACK)
            if memory.page[page].bits & PINNED:
                refuse(memory, control.zone, page, REFUSED_PINNED)
                _put_back_target(memory, c, target)
                continue
            _move_and_free(memory, c, page, target)
            memory.batch[c, 1, position] = MOVED
    return False


@inner
def _settle(memory: Memory, c: int, lacking: bool) -> None:
    """Move the pages of folios to be split, as far as there are targets; put back all that stayed."""
    control = memory.control[c]
    for position in range(control.nr_batch - 1, -1, -1):
        if memory.batch[c, 1, position] == TO_SPLIT:
            page = integer(memory.batch[c, 0, position])
            pages = 1 << integer(memory.page[page].order)
            split_folio(memory, page)
            for part in range(page + pages - 1, page - 1, -1):  # a free folio's slot has room for the target
                memory.page[part].slot = -1 if lacking else compaction_alloc(memory, c, 0)
                lacking |= memory.page[part].slot < 0
            memory.batch[c, 2, position] = pages
    for position in range(control.nr_batch - 1, -1, -1):
        page = integer(memory.batch[c, 0, position])
        outcome = memory.batch[c, 1, position]
        if outcome == TO_SPLIT:
            for part in range(page + integer(memory.batch[c, 2, position]) - 1, page - 1, -1):
                target = integer(memory.page[part].slot)
                memory.page[part].slot = -1
                if target >= 0:
                    _move_and_free(memory, c, part, target)
                else:
                    lru_add(memory, control.zone, part)
        elif outcome != MOVED:
            lru_add(memory, control.zone, page)


@inner
def _move_and_free(memory: Memory, c: int, page: int, target: int) -> None:
    """Move one folio and free where it was."""
    control = memory.control[c]
    order = integer(memory.page[page].order)
    control.nr_mappings += mappings_beyond_one(memory, page, order)
    control.nr_moved += 1 << order
    move_folio(memory, control.zone, page, target, order)
    log_move(memory, page, target, order)
    free_pages(memory, control.zone, control.cpu, page, order)
