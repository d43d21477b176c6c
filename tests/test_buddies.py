"""The buddy allocator by hand: what is told step by step is what the allocator did, and follows its rules."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compactlab.figures.story import story_of
from compactlab.simulation.buddies import Buddies

PAGES = 32


def blocks(zone):
    """Free blocks of all types: first page to order."""
    types = ("Unmovable", "Movable", "Reclaimable", "HighAtomic", "CMA", "Isolate")
    return {page: order for name in types for order, pages in zone.lists(name).items() for page in pages}


def merged(free):
    """Free blocks by arithmetic alone: every free page in the largest aligned block of free pages."""
    found = {}
    for order in reversed(range(6)):
        for page in range(0, PAGES, 1 << order):
            inside = set(range(page, page + (1 << order)))
            if inside <= free:
                found[page] = order
                free = free - inside
    return found


@given(st.permutations(range(PAGES)), st.integers(0, PAGES))
@settings(deadline=None)
def test_free__merges_to_the_largest_aligned_blocks_whatever_the_order(pages, count):
    zone = Buddies(PAGES)
    zone.free(*pages[:count])
    assert blocks(zone) == merged(set(pages[:count]))
    assert zone.nr_free().values.tolist() == np.bincount(list(blocks(zone).values()), minlength=6).tolist()


@given(st.lists(st.one_of(st.tuples(st.just("free"), st.integers(0, PAGES - 1)), st.tuples(st.just("alloc"), st.integers(0, 3))), max_size=40))  # fmt: skip
@settings(deadline=None)
def test_story__tells_pages_as_they_are_after_every_call(calls):
    zone = Buddies(PAGES)
    used = dict.fromkeys(range(PAGES), 0)
    for what, number in calls:
        if what == "free" and number in used:
            zone.free(number)
            del used[number]
        elif what == "alloc":
            page = zone.alloc(number)
            if page >= 0:
                used[page] = number
        told = zone.story("t", first=-2)
        free = np.isin(told.kind[-1, -1], [told.attrs["kinds"].index(name) for name in ("free block", "merged now")])  # fmt: skip
        taken = {page + at for page, order in used.items() for at in range(1 << order)}
        assert set(np.flatnonzero(free)) == set(range(PAGES)) - taken
        counted = told.nr_free.isel(step=-1).values[:-1][::-1]
        assert counted.tolist() == zone.nr_free().values.tolist()


def test_story__is_a_story_with_a_step_for_each_merge():
    zone = Buddies(8)
    zone.free(5, 4)
    told = zone.story("t")
    assert told.text.values.tolist() == [
        "8 pages, all of them in use.",
        "Page 5 is freed. Alone it is a block of order 0. Its buddy is 5 XOR 1 = 4.",
        "Buddy 4 is in use: no merge. The block goes to the head of the list of order 0: [5].",
        "Page 4 is freed. Alone it is a block of order 0. Its buddy is 4 XOR 1 = 5.",
        "Buddy 5 is free and of the same order: together they are one block of order 1, at page 4. "
        "Its buddy is 4 XOR 2 = 6.",
        "Buddy 6 is in use: no merge. The block goes to the head of the list of order 1: [4].",
    ]
    assert told.largest.values.tolist() == [0, 1, 1, 1, 2, 2]
    assert story_of(told).rows == ["order 3", "order 2", "order 1", "order 0", "pages"]


def test_story__begins_where_it_is_asked_to():
    zone = Buddies(8)
    zone.free(0, 1, 2)
    assert zone.story("t", first=3).sizes["step"] == zone.story("t").sizes["step"] - 3


@pytest.mark.parametrize(
    ("pages", "why"),
    [
        ((4, 5, 3, 2), "Buddy 0 is in use: no merge."),
        ((1, 2), "Buddy 3 is in use: no merge."),  # neighbours, but no buddies
        ((0, 2, 3), "Of buddy 0 only 1 of 2 pages are free: no merge."),
        (range(8), "Buddy 8 is in use: no merge."),
        (range(32), "Order 5 is the largest there is (MAX_PAGE_ORDER)."),
    ],
)
def test_story__says_why_a_merge_ends(pages, why):
    zone = Buddies(PAGES)
    zone.free(*pages)
    assert zone.story("t").text.values[-1].startswith(why)


def test_story__says_that_a_buddy_lies_outside():
    zone = Buddies(24, nr_orders=6)
    zone.free(*range(16, 24))
    assert "Buddy 24 lies outside of the zone." in zone.story("t").text.values[-1]


def test_free__puts_a_block_at_the_tail_where_a_merge_is_likely():
    zone = Buddies(PAGES)
    zone.free(9, 0, 1, 2)  # with page 3, page 2 would be a buddy of block 0 of order 1
    assert zone.lists()[0] == [9, 2]
    assert "goes to the tail of the list of order 0, [9, 2]: block 0 of order 1 is free" in zone.story("t").text.values[-1]  # fmt: skip
    assert zone.alloc() == 9
    zone.free(3)
    assert zone.lists()[2] == [0]


@pytest.mark.parametrize("kept", ["HighAtomic", "CMA", "Isolate"])
def test_free__pageblocks_that_keep_to_themselves_do_not_merge_with_others(kept):
    zone = Buddies(16, migratetype=["Movable", kept])
    zone.free(*range(16))
    assert blocks(zone) == {0: 3, 8: 3}
    assert f"but its pageblock is Movable and this one {kept}" in zone.story("t").text.values[-1]
    within = Buddies(16, migratetype=[kept, kept])
    within.free(*range(16))
    assert blocks(within) == {0: 4}


def test_free__other_pageblocks_merge_and_take_the_type_of_the_freed_one():
    zone = Buddies(16, migratetype=["Unmovable", "Movable"])
    zone.free(*range(16))
    assert zone.migratetypes() == ["Movable", "Movable"]
    told = zone.story("t")
    assert told.text.values[-1].endswith("Pageblocks in it that were of another type are Movable now.")
    assert told.label.values[:, -1, 0].tolist() == ["Unmovable"] * (told.sizes["step"] - 1) + ["Movable"]


def test_alloc__splits_from_the_top_and_keeps_the_lowest_part():
    zone = Buddies(16)
    zone.free(*range(16))
    assert [zone.alloc(0) for _ in range(4)] == [0, 1, 2, 3]
    assert zone.lists() == {0: [], 1: [], 2: [4], 3: [8], 4: []}
    assert zone.alloc(4) == -1
    assert zone.story("t").level.values[-1] == "bad"


def test_alloc__keeps_to_one_migratetype():
    zone = Buddies(16, migratetype=["Movable", "Unmovable"])
    zone.free(*range(8, 16))
    assert zone.alloc(0) == -1
    assert zone.alloc(0, "Unmovable") == 8


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda: Buddies(4), "4 pages; expected 8 .a pageblock. to 256"),
        (lambda: Buddies(1000), "1000 pages; expected 8"),
        (lambda: Buddies(8, migratetype="Moveable"), "Moveable"),
        (lambda: Buddies(8).free(8), "free: page 8 is not in use; expected one of 0 to 7"),
        (lambda: Buddies(8).free(1, 1), "page 1 is not in use"),
        (lambda: Buddies(8).alloc(4), "alloc: order=4; expected 0 to 3"),
        (lambda: Buddies(8).alloc(0, "movable!"), "movable!"),
    ],
)
def test_buddies__refuses_in_words(wrong, told):
    with pytest.raises(ValueError, match=told):
        wrong()


def test_free__refuses_the_inside_of_a_block_given_out_whole():
    zone = Buddies(8)
    zone.free(*range(8))
    zone.alloc(2)
    with pytest.raises(ValueError, match="page 1 is inside of a block that was given out whole"):
        zone.free(1)
    zone.free(0)
    assert zone.lists()[3] == [0]
