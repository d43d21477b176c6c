"""What no run of the fast kernel may break, on drawn zones: pages, free blocks, scanners, counters."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from fast_zone import FastZone
from hypothesis import given, note, settings
from hypothesis import strategies as st
from slow_zone import NONE
from strategies_zone import KIND_OF_REQUEST, REQUEST_TYPES, zones

from compactlab.core import memory as m

RUNS = st.one_of(
    st.tuples(st.sampled_from(("manual", "proactive"))),
    st.tuples(st.just("kcompactd"), st.integers(1, 7)),
    st.tuples(st.just("direct"), st.integers(1, 7), st.sampled_from(REQUEST_TYPES), st.integers(0, 2)),
)
MANY = settings(max_examples=60, deadline=None)


def compact(fast, run):
    """One run of a drawn trigger; its result and the captured block."""
    trigger, *arguments = run
    if arguments:
        arguments[0] = min(arguments[0], fast.slow.rules.max_order)
    return fast.compact(*arguments[:1] or [-1], trigger, *arguments[1:])


def heads(fast):
    """First page of the folio or free block around each page, counted from the zone's start."""
    order = fast.memory.page["order"][fast.slow.start_pfn : fast.slow.end_pfn]
    return np.maximum.accumulate(np.where(order != m.TAIL, np.arange(order.size), 0))


def pages(fast):
    """Kind, bits (of the folio) and mappings of each page; waiting for writeback ends it."""
    page = fast.memory.page[fast.slow.start_pfn : fast.slow.end_pfn]
    bits = page["bits"][heads(fast)] & (255 - m.WRITEBACK)
    return [tuple(one) for one in np.stack([page["kind"], bits, page["mapcount"]], axis=1).tolist()]


def in_use(fast):
    """How many pages there are of each kind, bits and mappings, besides free ones."""
    return Counter(page for page in pages(fast) if page[0] != m.FREE)


def stays(fast):
    """What must not move, by position: all that is on no LRU list, or pinned."""
    return {
        at: page
        for at, page in enumerate(pages(fast))
        if page[0] not in (m.FREE, m.ISOLATED) and (page[1] & m.PINNED or not page[1] & m.LRU)
    }


def drawn(data):
    """A fast zone whose pages have mappings."""
    fast = FastZone(data.draw(zones()))
    page = fast.memory.page
    mapped = (page["kind"] == m.ANON) | (page["kind"] == m.FILE)
    page["mapcount"][mapped] = np.flatnonzero(mapped) % 5
    return fast


def check_free_blocks(fast):
    """Free blocks are aligned, disjoint, on one list each, merged, and counted."""
    zone, rules, page, start = fast.memory.zone[0], fast.slow.rules, fast.memory.page, fast.slow.start_pfn
    block = fast.memory.block["migratetype"]
    seen = np.zeros(page.size, int)
    count = Counter()
    lists = fast.free_lists()
    for (order, migratetype), blocks in lists.items():
        for pfn in blocks:
            assert pfn % (1 << order) == 0
            assert start <= pfn <= fast.slow.end_pfn - (1 << order)
            assert page["order"][pfn] == order
            assert (page["order"][pfn + 1 : pfn + (1 << order)] == m.TAIL).all()
            seen[pfn : pfn + (1 << order)] += 1
            count[migratetype] += 1 << order
            if order < rules.pageblock_order:
                assert all(pfn ^ (1 << order) not in lists.get((order, other), ()) for other in range(6))
                assert not rules.hygiene or block[pfn >> rules.pageblock_order] == migratetype
    assert (seen == (page["kind"] == m.FREE)).all()
    assert (zone.free_pages, zone.free_cma) == (count.total(), count[m.CMA])
    assert zone.free_highatomic == count[m.HIGHATOMIC]


def check_lru(fast):
    """Every folio with the LRU bit is on the list of what it is, and counted there."""
    zone, page = fast.memory.zone[0], fast.memory.page
    names = ("inactive_anon", "active_anon", "inactive_file", "active_file", "unevictable")
    found = []
    for which, name in enumerate(names):
        head = int(fast.memory.rules[0].nr_pages) + m.MAX_ORDERS * 6 + which
        listed, at = [], int(page["next"][head])
        while at != head:
            listed.append(at)
            at = int(page["next"][at])
        assert zone[f"nr_{name}"] == sum(1 << int(page["order"][pfn]) for pfn in listed)
        found += listed
    heads = np.flatnonzero((page["bits"] & m.LRU != 0) & (page["order"] != m.TAIL))
    assert sorted(found) == heads.tolist()


def events(fast, name):
    """Numbers of the logged events of one name, oldest first."""
    state = fast.memory.state[0]
    assert state.logged[m.BEYOND] == state.logged[m.MOVES_BEYOND] == 0
    log = fast.memory.log[: state.logged[m.KEPT]]
    return log[log[:, 1] == list(m.EVENTS).index(f"mm_compaction_{name}"), 3 : 3 + m.EVENT_NUMBERS]


@MANY
@given(st.data(), st.lists(RUNS, min_size=1, max_size=4))
def test_compact__keeps_pages_and_lists(data, runs):
    fast = drawn(data)
    before, fixed = in_use(fast), stays(fast)
    for run in runs:
        note(run)
        _, captured = compact(fast, run)
        if captured != NONE:
            kind = KIND_OF_REQUEST[run[2]]
            order = int(fast.memory.page["order"][captured])
            assert order == min(run[1], fast.slow.rules.max_order)
            assert captured % (1 << order) == 0
            fast.put(captured, kind, order, lru=kind == "anon")
            fast.free(captured)
        assert in_use(fast) == before
        assert stays(fast) == fixed
        check_free_blocks(fast)
        check_lru(fast)


@pytest.mark.parametrize("trigger", ["manual", "proactive"])
@MANY
@given(st.data())
def test_compact__scanners_approach(trigger, data):
    fast = drawn(data)
    fast.compact(-1, trigger)
    order = fast.slow.rules.pageblock_order
    migrate_starts = events(fast, "isolate_migratepages")[:, 0]
    free_blocks = events(fast, "isolate_freepages")[:, 0] >> order
    assert (np.diff(migrate_starts) > 0).all()
    assert (np.diff(free_blocks) <= 0).all()
    moves = np.array(fast.moves(), int).reshape(-1, 3)
    assert (moves[:, 0] >> order < moves[:, 1] >> order).all()


@MANY
@given(st.data(), RUNS)
def test_compact__counters_agree(data, run):
    fast = drawn(data)
    compact(fast, run)
    count = dict(zip(m.COUNTERS, fast.memory.state[0].counter.tolist(), strict=True))
    sources = events(fast, "isolate_migratepages")[:, 3].sum()
    targets = sum(events(fast, f"{way}isolate_freepages")[:, 3].sum() for way in ("", "fast_"))
    assert count["compact_isolated"] == sources + targets
    moved = sum(1 << order for _, _, order in fast.moves())
    assert count["pgmigrate_success"] == moved == events(fast, "migratepages")[:, 0].sum()
    assert count["pgmigrate_success"] + count["pgmigrate_fail"] == sources
