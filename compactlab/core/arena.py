"""Allocators on one arena: which free block to give, in integers.

An arena is a row of granules, the alignment's size each. A block is a run of granules; what is known of it
stands at its first granule. Free blocks hang on lists: one in address order for the four fits, one in the
order of freeing for periodic consolidation, one per size for recent frees, one per order for buddies. The
links stand beside the arena, not in it, so that a free block may be as small as a granule.

A step is one look: at a free block, or at a list that turns out to be empty.

Rules after Knuth, The Art of Computer Programming, volume 1, section 2.5: algorithm A (first fit, best fit,
the roving pointer of exercise 6), algorithm B (liberation with a sorted list), algorithms R and S (buddies,
after Knowlton, "A fast storage allocator", 1965); deferred coalescing and quick lists after Wilson,
Johnstone, Neely and Boles, "Dynamic storage allocation: a survey and critical review", 1995, section 3.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .jit import inner, integer, jit

FIRST_FIT, NEXT_FIT, BEST_FIT, WORST_FIT, BUDDY, PERIODIC, RECENT = range(7)  # policies
INSIDE, FREE, USED, HELD = range(
    4
)  # what a granule begins: nothing, or a block; HELD: free but kept unmerged
SERVED, SHORTAGE, FRAGMENTATION, UNMERGED, UNKNOWN = range(5)  # what became of a request
ALLOCATE, GIVE_BACK = 0, 1  # what a request asks
MAIN = 0  # the list of all policies but the buddies, whose lists are numbered by order
ORDERS = 48

# Rules and books of a heap, by index in `books`.
(
    POLICY,
    FIT,  # of the hybrids: FIRST_FIT or BEST_FIT
    LIMIT,  # granules there can be
    END,  # granules obtained so far
    MAX_ORDER,  # of buddies
    PERIOD,  # requests from one consolidation to the next
    LARGEST_KEPT,  # granules of the largest block that is kept on a list of its size
    KEPT_PER_SIZE,
    LAST_RESORT,  # whether the hybrids merge everything before they refuse
    ROVER,  # where next fit goes on
    SINCE,  # requests since the last consolidation
    FREE_TOTAL,
    FREE_BLOCKS,
    LARGEST,  # largest free block; -1: to be looked for
    ASKED,  # units asked for by the blocks in use
    FOOTPRINT,  # end of the highest granule ever used
    STEPS,  # of this request
    BOOKS,
) = range(18)

# Columns of what `replay` writes, a row for each request.
ADDRESS, LOOKS, OUTCOME, FREE_GRANULES, BLOCKS, LARGEST_FREE, ASKED_UNITS, OBTAINED, HIGHEST, COLUMNS = range(
    10
)


class Heap(NamedTuple):
    """All state of an allocator: G granules, L lists, N objects; int64 unless said otherwise."""

    length: np.ndarray
    """(G,) granules of the block that begins here."""
    kind: np.ndarray
    """(G,) uint8: INSIDE, FREE, USED or HELD."""
    asked: np.ndarray
    """(G,) units asked for, of a block in use."""
    next: np.ndarray
    """(G + L,) next block on the list; the lists' own ends stand behind the granules."""
    prev: np.ndarray
    """(G + L,) previous block on the list."""
    listed: np.ndarray
    """(L,) blocks on each list."""
    where: np.ndarray
    """(N,) where each object lies, or -1."""
    books: np.ndarray
    """(BOOKS,) rules and books."""


def new_heap(granules: int, lists: int, objects: int) -> Heap:
    """Arena of nothing obtained yet, with empty lists; who calls it writes the rules."""
    ends = np.arange(granules, granules + lists)
    links = np.concatenate([np.zeros(granules, np.int64), ends])
    heap = Heap(
        length=np.zeros(granules, np.int64),
        kind=np.zeros(granules, np.uint8),
        asked=np.zeros(granules, np.int64),
        next=links,
        prev=links.copy(),
        listed=np.zeros(lists, np.int64),
        where=np.full(objects, -1, np.int64),
        books=np.zeros(BOOKS, np.int64),
    )
    heap.books[LIMIT] = granules
    heap.books[ROVER] = granules
    return heap


@inner
def end_of(heap: Heap, which: int) -> int:
    """Where a list begins and ends."""
    return heap.kind.size + which


@inner
def link(heap: Heap, block: int, after: int, which: int) -> None:
    """Put a block on a list, behind another or behind the list's end, which is its begin."""
    following = heap.next[after]
    heap.next[block] = following
    heap.prev[block] = after
    heap.next[after] = block
    heap.prev[following] = block
    heap.listed[which] += 1


@inner
def unlink(heap: Heap, block: int, which: int) -> None:
    """Take a block off its list; a rover that stood on it goes on to the next."""
    following, previous = heap.next[block], heap.prev[block]
    heap.next[previous] = following
    heap.prev[following] = previous
    heap.listed[which] -= 1
    if heap.books[ROVER] == block:
        heap.books[ROVER] = following


@inner
def set_free(heap: Heap, block: int, length: int, kind: int) -> None:
    """Enter a free block of a kind in the books."""
    heap.kind[block] = kind
    heap.length[block] = length
    heap.books[FREE_TOTAL] += length
    heap.books[FREE_BLOCKS] += 1
    if heap.books[LARGEST] >= 0:
        heap.books[LARGEST] = max(heap.books[LARGEST], length)


@inner
def unset_free(heap: Heap, block: int) -> None:
    """Strike a free block from the books."""
    length = heap.length[block]
    heap.kind[block] = INSIDE
    heap.books[FREE_TOTAL] -= length
    heap.books[FREE_BLOCKS] -= 1
    if heap.books[LARGEST] == length:
        heap.books[LARGEST] = -1


@inner
def first_fit(heap: Heap, need: int) -> int:
    """Take the first block of the list that is large enough; -1 if there is none."""
    end = end_of(heap, MAIN)
    block = heap.next[end]
    while block != end:
        heap.books[STEPS] += 1
        if heap.length[block] >= need:
            return integer(block)
        block = heap.next[block]
    return -1


@inner
def next_fit(heap: Heap, need: int) -> int:
    """Take the first large enough from where the last search ended, once around; -1 if there is none."""
    end = end_of(heap, MAIN)
    block = heap.books[ROVER]
    for _ in range(heap.listed[MAIN] + 1):
        if block != end:
            heap.books[STEPS] += 1
            if heap.length[block] >= need:
                heap.books[ROVER] = block
                return integer(block)
        block = heap.next[block]
    return -1


@inner
def best_fit(heap: Heap, need: int) -> int:
    """Take the smallest block that is large enough, the first of equals; -1 if there is none."""
    end = end_of(heap, MAIN)
    block = heap.next[end]
    best = -1
    while block != end:
        heap.books[STEPS] += 1
        length = heap.length[block]
        if length >= need and (best < 0 or length < heap.length[best]):
            best = integer(block)
            if length == need:
                break
        block = heap.next[block]
    return best


@inner
def worst_fit(heap: Heap, need: int) -> int:
    """Take the largest block, the first of equals; -1 if it is too small."""
    end = end_of(heap, MAIN)
    block = heap.next[end]
    worst = -1
    while block != end:
        heap.books[STEPS] += 1
        if heap.length[block] >= need and (worst < 0 or heap.length[block] > heap.length[worst]):
            worst = integer(block)
        block = heap.next[block]
    return worst


@inner
def choose(heap: Heap, need: int) -> int:
    """Find the block of the main list that the policy gives; -1 if none is large enough."""
    policy = heap.books[POLICY]
    if policy in (PERIODIC, RECENT):
        policy = heap.books[FIT]
    if policy == FIRST_FIT:
        return first_fit(heap, need)
    if policy == NEXT_FIT:
        return next_fit(heap, need)
    if policy == BEST_FIT:
        return best_fit(heap, need)
    return worst_fit(heap, need)


@inner
def cut(heap: Heap, block: int, need: int) -> None:
    """Take the low end of a free block; what remains keeps its place on the list."""
    remains = heap.length[block] - need
    unset_free(heap, block)
    if remains == 0:
        unlink(heap, block, MAIN)
        return
    rest = block + need
    link(heap, rest, block, MAIN)
    unlink(heap, block, MAIN)
    set_free(heap, rest, remains, FREE)


@inner
def insert(heap: Heap, block: int, length: int) -> None:
    """Free a block into the list in address order, walked from its begin, and merge it with its neighbours."""
    end = end_of(heap, MAIN)
    after = heap.next[end]
    while after != end and after < block:
        heap.books[STEPS] += 1
        after = heap.next[after]
    if after != end:
        heap.books[STEPS] += 1
    before = heap.prev[after]
    begin, size = block, length
    heap.kind[block] = INSIDE
    link(heap, block, before, MAIN)
    if after != end and block + length == after:
        size += heap.length[after]
        unset_free(heap, after)
        if heap.books[ROVER] == after:
            heap.books[ROVER] = block
        unlink(heap, after, MAIN)
    if before != end and before + heap.length[before] == block:
        begin = before
        size += heap.length[before]
        unset_free(heap, before)
        if heap.books[ROVER] == block:
            heap.books[ROVER] = before
        unlink(heap, block, MAIN)
    set_free(heap, begin, size, FREE)


@inner
def extend(heap: Heap, need: int) -> bool:
    """Obtain memory at the end of the arena, so that the last free block becomes as large as needed."""
    end = heap.books[END]
    last = heap.prev[end_of(heap, MAIN)]
    lacking = need
    if heap.books[POLICY] != PERIODIC and last < heap.kind.size and last + heap.length[last] == end:
        lacking -= heap.length[last]
    if end + lacking > heap.books[LIMIT]:
        return False
    heap.books[END] += lacking
    if lacking < need:
        length = heap.length[last]
        unset_free(heap, last)
        set_free(heap, last, length + lacking, FREE)
        return True
    link(heap, end, last if heap.books[POLICY] != PERIODIC else end_of(heap, MAIN), MAIN)
    set_free(heap, end, need, FREE)
    return True


@inner
def consolidate(heap: Heap) -> None:
    """Put the main list in address order and merge neighbours; every free block of it is looked at once."""
    main = end_of(heap, MAIN)
    heap.next[main], heap.prev[main] = main, main
    heap.listed[MAIN] = 0
    heap.books[SINCE] = 0
    block, last = integer(0), integer(-1)
    while block < heap.books[END]:
        length = heap.length[block]
        if heap.kind[block] == FREE:
            heap.books[STEPS] += 1
            unset_free(heap, block)
            if last >= 0 and last + heap.length[last] == block:
                whole = heap.length[last] + length
                unset_free(heap, last)
                set_free(heap, last, whole, FREE)
            else:
                link(heap, block, heap.prev[main], MAIN)
                set_free(heap, block, length, FREE)
                last = block
        block += length


@inner
def take_kept(heap: Heap, need: int) -> int:
    """Take the block of exactly this size that was freed last, if one is kept; -1 if not."""
    if need > heap.books[LARGEST_KEPT]:
        return -1
    heap.books[STEPS] += 1
    if heap.listed[need] == 0:
        return -1
    block = heap.next[end_of(heap, need)]
    unlink(heap, block, need)
    unset_free(heap, block)
    return integer(block)


@inner
def keep(heap: Heap, block: int, length: int) -> None:
    """Keep a freed block on the list of its size; the oldest of a full list is merged."""
    heap.books[STEPS] += 1
    link(heap, block, end_of(heap, length), length)
    set_free(heap, block, length, HELD)
    if heap.listed[length] > heap.books[KEPT_PER_SIZE]:
        release_oldest(heap, length)


@inner
def release_oldest(heap: Heap, length: int) -> None:
    """Merge the oldest block that is kept of a size."""
    block = heap.prev[end_of(heap, length)]
    unlink(heap, block, length)
    unset_free(heap, block)
    insert(heap, block, length)


@inner
def release_all(heap: Heap) -> None:
    """Merge all blocks that are kept, the small ones first and of these the oldest."""
    for length in range(1, heap.books[LARGEST_KEPT] + 1):
        while heap.listed[length] > 0:
            release_oldest(heap, length)


@inner
def order_of(need: int) -> int:
    """Order of the smallest block of a power of two that is large enough."""
    order = 0
    while 1 << order < need:
        order += 1
    return order


@inner
def buddy_insert(heap: Heap, block: int, order: int) -> None:
    """Free a block, merged with its buddy while that is free as a whole."""
    while order < heap.books[MAX_ORDER]:
        buddy = block ^ (1 << order)
        if buddy + (1 << order) > heap.books[END]:
            break
        heap.books[STEPS] += 1
        if heap.kind[buddy] != FREE or heap.length[buddy] != 1 << order:
            break
        unlink(heap, buddy, order)
        unset_free(heap, buddy)
        block = min(block, buddy)
        order += 1
    link(heap, block, end_of(heap, order), order)
    set_free(heap, block, 1 << order, FREE)


@inner
def buddy_extend(heap: Heap, order: int) -> bool:
    """Obtain the next block at the end of the arena, of at most this order and as its address allows."""
    end = heap.books[END]
    step = 0
    while step < order and end & (1 << step) == 0:
        step += 1
    while step > 0 and end + (1 << step) > heap.books[LIMIT]:
        step -= 1
    if end + (1 << step) > heap.books[LIMIT]:
        return False
    heap.books[END] += 1 << step
    heap.kind[end] = INSIDE
    buddy_insert(heap, end, step)
    return True


@inner
def buddy_take(heap: Heap, order: int) -> int:
    """Take a block of the smallest order that has one, and free its upper halves; -1 if there is none."""
    for current in range(order, heap.books[MAX_ORDER] + 1):
        heap.books[STEPS] += 1
        if heap.listed[current] > 0:
            block = heap.next[end_of(heap, current)]
            unlink(heap, block, current)
            unset_free(heap, block)
            for half in range(current - 1, order - 1, -1):
                upper = block + (1 << half)
                link(heap, upper, end_of(heap, half), half)
                set_free(heap, upper, 1 << half, FREE)
            return integer(block)
    return -1


@inner
def buddy_allocate(heap: Heap, need: int) -> tuple[int, int]:
    """Where a block begins that a request is given, and its granules; -1 if none."""
    order = order_of(need)
    if order > heap.books[MAX_ORDER]:
        return -1, 0
    block = buddy_take(heap, order)
    while block < 0 and buddy_extend(heap, order):
        block = buddy_take(heap, order)
    return block, 1 << order


@inner
def list_allocate(heap: Heap, need: int) -> int:
    """Where a block begins that a request is given; -1 if none, even with more memory obtained."""
    policy = heap.books[POLICY]
    if policy == RECENT:
        kept = take_kept(heap, need)
        if kept >= 0:
            return kept
    block = choose(heap, need)
    if block < 0 and heap.books[LAST_RESORT]:
        if policy == PERIODIC:
            consolidate(heap)
            block = choose(heap, need)
        elif policy == RECENT:
            release_all(heap)
            block = choose(heap, need)
    if block < 0 and extend(heap, need):
        block = choose(heap, need)
    if block >= 0:
        cut(heap, block, need)
    return block


@inner
def largest_run(heap: Heap) -> int:
    """Granules of the largest run of free blocks that lie side by side, whatever list they are on."""
    run, largest = integer(0), integer(0)
    block = integer(0)
    while block < heap.books[END]:
        run = 0 if heap.kind[block] == USED else run + heap.length[block]
        largest = max(largest, run)
        block += heap.length[block]
    return largest


@inner
def refusal(heap: Heap, need: int) -> int:
    """Why no block could be given."""
    if heap.books[FREE_TOTAL] + heap.books[LIMIT] - heap.books[END] < need:
        return SHORTAGE
    return FRAGMENTATION if largest_run(heap) < need else UNMERGED


@inner
def allocate(heap: Heap, thing: int, need: int, asked: int) -> int:
    """Give an object a block, or say why not."""
    if heap.books[POLICY] == BUDDY:
        block, length = buddy_allocate(heap, need)
    else:
        block, length = list_allocate(heap, need), need
    heap.where[thing] = block
    if block < 0:
        return refusal(heap, need)
    heap.kind[block] = USED
    heap.length[block] = length
    heap.asked[block] = asked
    heap.books[ASKED] += asked
    heap.books[FOOTPRINT] = max(heap.books[FOOTPRINT], block + length)
    return SERVED


@inner
def give_back(heap: Heap, thing: int) -> int:
    """Free the block of an object; nothing is done for one that has none."""
    block = integer(heap.where[thing])
    if block < 0:
        return UNKNOWN
    policy, length = heap.books[POLICY], integer(heap.length[block])
    heap.where[thing] = -1
    heap.books[ASKED] -= heap.asked[block]
    if policy == BUDDY:
        heap.kind[block] = INSIDE
        buddy_insert(heap, block, order_of(length))
    elif policy == RECENT and length <= heap.books[LARGEST_KEPT]:
        keep(heap, block, length)
    elif policy == PERIODIC:
        heap.books[STEPS] += 1
        link(heap, block, end_of(heap, MAIN), MAIN)
        set_free(heap, block, length, FREE)
    else:
        insert(heap, block, length)
    return SERVED


@inner
def largest_free(heap: Heap) -> int:
    """Granules of the largest free block, looked for only if the last known one is gone."""
    if heap.books[LARGEST] >= 0:
        return integer(heap.books[LARGEST])
    largest = integer(0)
    if heap.books[POLICY] != BUDDY:
        end = end_of(heap, MAIN)
        block = heap.next[end]
        while block != end:
            largest = max(largest, heap.length[block])
            block = heap.next[block]
    for which in range(heap.listed.size - 1, 0 if heap.books[POLICY] != BUDDY else -1, -1):
        if heap.listed[which] > 0:
            largest = max(largest, heap.length[heap.next[end_of(heap, which)]])
            break
    heap.books[LARGEST] = largest
    return largest


@jit
def obtain_all(heap: Heap) -> None:
    """Obtain the whole arena at once, before the first request."""
    if heap.books[POLICY] != BUDDY:
        extend(heap, heap.books[LIMIT])
    else:
        while heap.books[END] < heap.books[LIMIT]:
            buddy_extend(heap, heap.books[MAX_ORDER])
    heap.books[ROVER] = heap.next[end_of(heap, MAIN)]


@jit
def replay(
    heap: Heap, op: np.ndarray, thing: np.ndarray, need: np.ndarray, asked: np.ndarray, out: np.ndarray
) -> None:
    """Serve requests in turn and write what became of each.

    op (R,) ALLOCATE or GIVE_BACK; thing (R,) object, -1 unknown; need (R,) granules; asked (R,) units; out
    (R, COLUMNS) int64 written. Modifies the heap.
    """
    for request in range(op.size):
        heap.books[STEPS] = 0
        heap.books[SINCE] += 1
        if heap.books[POLICY] == PERIODIC and heap.books[SINCE] >= heap.books[PERIOD]:
            consolidate(heap)
        row = out[request]
        which = integer(thing[request])
        if which < 0:
            row[ADDRESS], row[OUTCOME] = -1, UNKNOWN
        elif op[request] == ALLOCATE:
            row[OUTCOME] = allocate(heap, which, integer(need[request]), integer(asked[request]))
            row[ADDRESS] = heap.where[which]
        else:
            row[ADDRESS] = heap.where[which]
            row[OUTCOME] = give_back(heap, which)
        row[LOOKS] = heap.books[STEPS]
        row[FREE_GRANULES] = heap.books[FREE_TOTAL]
        row[BLOCKS] = heap.books[FREE_BLOCKS]
        row[LARGEST_FREE] = largest_free(heap)
        row[ASKED_UNITS] = heap.books[ASKED]
        row[OBTAINED] = heap.books[END]
        row[HIGHEST] = heap.books[FOOTPRINT]


@inner
def spread(out: np.ndarray, column: int, units: int, begin: int, end: int) -> None:
    """Add the units of a range to the cells they lie in; cell c begins at unit c * units // cells."""
    cells = out.shape[0]
    cell = min(begin * cells // units, cells - 1)
    while cell + 1 < cells and (cell + 1) * units // cells <= begin:
        cell += 1
    while begin < end:
        until = min(end, (cell + 1) * units // cells)
        out[cell, column] += until - begin
        begin = until
        cell += 1


@jit
def paint(heap: Heap, granule: int, out: np.ndarray) -> None:
    """Units of each cell that are in use, wasted by rounding, free, kept unmerged, not yet obtained.

    granule: units of a granule; out (cells, 5) int64 written, cells of equal share of the arena.
    """
    out[:] = 0
    units = heap.books[LIMIT] * granule
    block = integer(0)
    while block < heap.books[END]:
        begin, end = block * granule, (block + heap.length[block]) * granule
        if heap.kind[block] == USED:
            spread(out, 0, units, begin, begin + heap.asked[block])
            spread(out, 1, units, begin + heap.asked[block], end)
        else:
            spread(out, 2 if heap.kind[block] == FREE else 3, units, begin, end)
        block += heap.length[block]
    spread(out, 4, units, heap.books[END] * granule, units)
