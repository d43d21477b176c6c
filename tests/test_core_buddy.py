"""The allocator keeps its books: whatever is asked of it, in whatever order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compactlab.core import buddy, pcp
from compactlab.core import memory as m
from compactlab.core.byreference import by_reference
from compactlab.core.jit import integer, jit
from compactlab.simulation.build import Budgets, build
from compactlab.simulation.zone import Zone

PAGEBLOCK, LARGEST = 4, 6
BLOCK_PAGES = 1 << PAGEBLOCK
PAGES = 16 * BLOCK_PAGES
SLOTS = 200


@jit
def _alloc(of, cpu, order, migratetype, flags, listed):
    memory = by_reference(of)
    if listed:
        page = pcp.alloc_pages_zone(memory, 0, cpu, order, migratetype, flags)
    else:
        page = buddy.rmqueue(memory, 0, order, migratetype, flags)
    if page >= 0:
        buddy.set_kind(memory, page, order, m.ANON if migratetype == m.MOVABLE else m.KERNEL)
        if flags & buddy.ALLOC_HIGHATOMIC:
            buddy.reserve_highatomic_pageblock(memory, 0, page, order)
    return page


@jit
def _free(of, cpu, page, listed):
    memory = by_reference(of)
    order = integer(memory.page[page].order)
    if listed:
        pcp.free_pages(memory, 0, cpu, page, order)
    else:
        buddy.free_block(memory, 0, page, order)


@jit
def _drain(of):
    pcp.drain_all_pages(by_reference(of), 0)


@jit
def _unreserve(of, migratetype, force):
    return buddy.unreserve_highatomic_pageblock(by_reference(of), 0, migratetype, force)


def zone(kernel="6.18", managed=None, pages=PAGES):
    small = Zone(pages=pages, pageblock_order=PAGEBLOCK, nr_orders=LARGEST + 1, start_pfn=0, kernel=kernel)
    memory = build([small], budgets=Budgets(0, 200, 0))
    if managed is not None:
        memory.zone["managed"] = managed
    return memory


def walk(memory, head):
    """Pages on a list, and that its links hold in both directions."""
    found, at = [], int(memory.page["next"][head])
    while at != head:
        found.append(at)
        assert memory.page["prev"][memory.page["next"][at]] == at
        at = int(memory.page["next"][at])
    return found


def free_blocks(memory):
    """Order and list type of each free block by its first page."""
    return {
        page: (order, migratetype)
        for order in range(LARGEST + 1)
        for migratetype in range(6)
        for page in walk(memory, int(memory.rules[0].nr_pages) + order * 6 + migratetype)
    }


def check(memory, held, merged=True):
    """Compare the books with the pages, and the pages with what was given out."""
    this, page = memory.zone[0], memory.page
    size = int(memory.rules[0].nr_pages)
    owners = np.zeros(size, int)
    nr_free = np.zeros_like(this["nr_free"])
    blocks = free_blocks(memory)
    for first, (order, migratetype) in blocks.items():
        nr_free[order, migratetype] += 1
        assert first % (1 << order) == 0
        assert (page["order"][first], page["slot"][first]) == (order, migratetype)
        assert (page["kind"][first : first + (1 << order)] == m.FREE).all()
        assert (page["order"][first + 1 : first + (1 << order)] == m.TAIL).all()
        if memory.rules[0].hygiene:
            covered = memory.block["migratetype"][
                first >> PAGEBLOCK : ((first + (1 << order) - 1) >> PAGEBLOCK) + 1
            ]
            assert (covered == migratetype).all()
        owners[first : first + (1 << order)] += 1
        if order < (LARGEST if merged else PAGEBLOCK):
            assert blocks.get(first ^ (1 << order), (None,))[0] != order, f"buddies {first}, order {order}"
    np.testing.assert_array_equal(this["nr_free"], nr_free)
    of_order = nr_free << np.arange(nr_free.shape[0])[:, None]
    assert this["free_pages"] == of_order.sum()
    assert this["free_pages_blocks"] == of_order[PAGEBLOCK:].sum()
    assert this["free_highatomic"] == of_order[:, m.HIGHATOMIC].sum()
    reserved = (memory.block["migratetype"] == m.HIGHATOMIC).sum()
    assert this["nr_highatomic"] == reserved * BLOCK_PAGES
    for cpu in range(int(memory.rules[0].nr_cpus)):
        count = 0
        for which in range(m.PCP_LISTS):
            first_list = size + m.MAX_ORDERS * 6 + m.LRU_LISTS
            for listed in walk(memory, first_list + cpu * m.PCP_LISTS + which):
                order = int(page["order"][listed])
                assert (page["kind"][listed : listed + (1 << order)] == m.PCP).all()
                owners[listed : listed + (1 << order)] += 1
                count += 1 << order
        assert this["pcp"][cpu]["count"] == count
    for first, order in held.items():
        assert (page["order"][first], first % (1 << order)) == (order, 0)
        assert set(page["kind"][first : first + (1 << order)]) <= {m.ANON, m.KERNEL}
        owners[first : first + (1 << order)] += 1
    assert (owners == 1).all()


TYPES = st.sampled_from((m.UNMOVABLE, m.MOVABLE, m.MOVABLE, m.RECLAIMABLE))
ALLOC = st.tuples(
    st.just("alloc"),
    st.sampled_from((0, 0, 0, 1, 2, 3, 4, 5, 6)),
    TYPES,
    st.sampled_from((0, 0, buddy.ALLOC_NOFRAGMENT, buddy.ALLOC_OOM)),
    st.integers(1, 30),
)
OPERATIONS = st.lists(
    st.one_of(
        ALLOC, st.tuples(st.just("free"), st.integers(0, SLOTS), st.integers(1, 30)), st.just(("drain",))
    ),
    max_size=25,
)


@pytest.mark.parametrize("kernel", ["6.18", "6.12", "6.6"])
@settings(max_examples=60, deadline=None)
@given(operations=OPERATIONS, listed=st.booleans(), cpu=st.integers(0, 1))
def test_allocator__keeps_every_page_once(kernel, operations, listed, cpu):
    memory, held = zone(kernel), {}
    for name, *arguments in operations:
        if name == "alloc":
            order, migratetype, flags, times = arguments
            for _ in range(times):
                got = _alloc(memory, cpu, order, migratetype, flags, listed)
                if got < 0:
                    break
                assert not held.keys() & set(range(got, got + (1 << order)))
                held[got] = order
        elif name == "free":
            at, times = arguments
            for _ in range(min(times, len(held))):
                page = list(held)[at % len(held)]
                del held[page]
                _free(memory, cpu, page, listed)
        else:
            _drain(memory)
        check(memory, held)
    for page in held:
        _free(memory, cpu, page, listed)
    _drain(memory)
    check(memory, {})
    blocks = free_blocks(memory)
    assert {order for order, _ in blocks.values()} == {LARGEST}


@settings(max_examples=60, deadline=None)
@given(
    orders=st.lists(st.integers(0, PAGEBLOCK - 1), min_size=1, max_size=12),
    unreserve=st.lists(st.tuples(TYPES, st.booleans()), max_size=5),
    hundredths=st.integers(0, 4),
)
def test_highatomic__reserves_about_a_hundredth_and_gives_it_back(orders, unreserve, hundredths):
    memory, held = zone(managed=100 * BLOCK_PAGES * hundredths), {}
    for order in orders:
        got = _alloc(memory, 0, order, m.UNMOVABLE, buddy.ALLOC_HIGHATOMIC, False)
        held[got] = order
        assert memory.zone["nr_highatomic"][0] <= hundredths * BLOCK_PAGES
        check(memory, held, merged=False)
    if hundredths:
        assert memory.zone["nr_highatomic"][0] > 0
    for migratetype, force in unreserve:
        before = int(memory.zone["nr_highatomic"][0])
        if _unreserve(memory, migratetype, force):
            assert memory.zone["nr_highatomic"][0] == before - BLOCK_PAGES
        else:
            assert not force or not memory.zone["free_highatomic"][0]
        check(memory, held, merged=False)


def _fill(memory):
    """Give out all pages singly, as ones that can be moved; returns them in order."""
    held = []
    while (got := _alloc(memory, 0, 0, m.MOVABLE, 0, False)) >= 0:
        held.append(got)
    memory.page["bits"][held] = m.LRU
    return sorted(held)


def test_rmqueue__claims_the_pageblocks_of_the_largest_block():
    memory = zone()
    got = _alloc(memory, 0, 0, m.UNMOVABLE, buddy.ALLOC_NOFRAGMENT, False)
    first = got >> LARGEST << LARGEST
    types = memory.block["migratetype"]
    mine = np.arange(types.size) >> (LARGEST - PAGEBLOCK) == first >> LARGEST
    assert (types[mine] == m.UNMOVABLE).all()
    assert (types[~mine] == m.MOVABLE).all()
    check(memory, {got: 0})


@pytest.mark.parametrize("freed", [BLOCK_PAGES // 2, BLOCK_PAGES // 2 - 1])
def test_rmqueue__claims_a_pageblock_that_is_half_free_and_steals_from_others(freed):
    memory = zone()
    held = dict.fromkeys(_fill(memory), 0)
    for page in range(3 * BLOCK_PAGES, 3 * BLOCK_PAGES + freed):
        _free(memory, 0, page, False)
        del held[page]
    assert _alloc(memory, 0, 0, m.UNMOVABLE, buddy.ALLOC_NOFRAGMENT, False) == -1
    held[_alloc(memory, 0, 0, m.UNMOVABLE, 0, False)] = 0
    claimed = freed == BLOCK_PAGES // 2
    assert memory.block["migratetype"][3] == (m.UNMOVABLE if claimed else m.MOVABLE)
    on_lists = {migratetype for _, migratetype in free_blocks(memory).values()}
    assert on_lists == {m.UNMOVABLE if claimed else m.MOVABLE}
    check(memory, held)


def test_rmqueue__steals_the_smallest_block():
    memory = zone()
    held = dict.fromkeys(_fill(memory), 0)
    for page in (16, 17, 18, 19, 40):
        _free(memory, 0, page, False)
        del held[page]
    assert _alloc(memory, 0, 0, m.UNMOVABLE, 0, False) == 40
    assert free_blocks(memory) == {16: (2, m.MOVABLE)}


def test_rmqueue__logs_the_fallback():
    memory = zone()
    got = _alloc(memory, 0, 0, m.RECLAIMABLE, 0, False)
    row = memory.log[0]
    assert memory.state[0]["logged"][m.KEPT] == 1
    assert row[1] == m.EV_EXTFRAG
    assert row[3:8].tolist() == [got, 0, LARGEST, m.RECLAIMABLE, m.MOVABLE]


def test_free_block__larger_than_a_pageblock_keeps_its_parts_types():
    memory = zone()
    got = _alloc(memory, 0, LARGEST, m.MOVABLE, 0, False)
    memory.block["migratetype"][got >> PAGEBLOCK] = m.HIGHATOMIC
    memory.zone["nr_highatomic"] = BLOCK_PAGES
    _free(memory, 0, got, False)
    assert free_blocks(memory)[got] == (PAGEBLOCK, m.HIGHATOMIC)
    check(memory, {}, merged=False)


def test_free_one_page__behind_its_likely_buddy_goes_to_the_tail():
    memory = zone()
    _fill(memory)
    for page in (102, 103, 8, 100):  # 102 and 103 are a block: were 101 freed too, both would merge with it
        _free(memory, 0, page, False)
    assert walk(memory, int(memory.rules[0].nr_pages) + m.MOVABLE) == [8, 100]
    _free(memory, 0, 101, False)
    assert free_blocks(memory) == {8: (0, m.MOVABLE), 100: (2, m.MOVABLE)}
