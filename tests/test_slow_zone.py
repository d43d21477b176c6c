"""The slow reference against facts about the kernel that can be checked by hand, and its own invariants."""

from __future__ import annotations

import copy
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_zone import (
    ASYNC,
    CMA,
    FALLBACKS,
    HIGHATOMIC,
    MOVABLE,
    NONE,
    RECLAIMABLE,
    SYNC_LIGHT,
    UNMOVABLE,
    Rules,
    SlowZone,
)
from strategies_zone import apply, requests, zones

PAGE = {"lru": True}


def zone_of(text, types=None, watermark=(0, 0, 0), first_pfn=0, **rules):
    """A zone of single pages: . free, a anon, f file, s slab, p pinned anon; blanks are for the eye."""
    text = text.replace(" ", "")
    rules = Rules(**rules)
    block = 1 << rules.pageblock_order
    zone = SlowZone(len(text), types or [MOVABLE] * -(-len(text) // block), first_pfn, rules, watermark)
    kinds = {
        "a": ("anon", PAGE),
        "f": ("file", PAGE),
        "s": ("slab", {}),
        "p": ("anon", PAGE | {"pinned": True}),
    }
    free = []
    for pfn, sign in enumerate(text, first_pfn):
        if sign == ".":
            free.append(pfn)
        else:
            kind, flags = kinds[sign]
            zone.put(pfn, kind, 0, **flags)
    for pfn in reversed(free):  # so that lists begin with the lowest page
        zone.free_block(pfn, 0)
    return zone


def kinds(zone):
    """The opposite of `zone_of`, with i for isolated."""
    sign = {
        "free": ".",
        "anon": "a",
        "file": "f",
        "slab": "s",
        "isolated": "i",
        "kernel": "k",
        "hugetlb": "h",
    }
    return "".join("p" if page.pinned else sign[page.kind] for page in zone.pages.values())


def steps(zone, name):
    return [step[1:] for step in zone.trace if step[0] == name]


def check(zone):
    """Free blocks are aligned, disjoint, on one list each, and merged where they may be."""
    seen = set()
    for (order, migratetype), blocks in zone.free_lists.items():
        for pfn in blocks:
            assert pfn % (1 << order) == 0
            assert zone.pages[pfn].kind == "free"
            assert (zone.pages[pfn].order, zone.pages[pfn].list_type) == (order, migratetype)
            pages = set(range(pfn, pfn + (1 << order)))
            assert not pages & seen
            assert pages <= zone.pages.keys()
            seen |= pages
            buddy = pfn ^ (1 << order)
            if order < zone.rules.pageblock_order:
                assert not zone.is_free_head(buddy, order)
            if zone.rules.hygiene and order < zone.rules.pageblock_order:
                assert zone.type_at(pfn) == migratetype
    assert seen == {pfn for pfn, page in zone.pages.items() if page.kind == "free"}


# --- allocating and freeing -------------------------------------------------------------------------------


def test_alloc__walks_one_block_upwards():
    zone = zone_of("." * 32)
    assert zone.free_lists[5, MOVABLE] == [0]
    assert [zone.alloc(0, MOVABLE) for _ in range(4)] == [0, 1, 2, 3]
    assert zone.free_lists[2, MOVABLE] == [4]
    assert zone.free_lists[3, MOVABLE] == [8]
    assert zone.free_lists[4, MOVABLE] == [16]


def test_alloc__takes_the_head_of_the_smallest_order():
    zone = zone_of("a.aa .aaa ..aa aaaa")
    assert zone.free_lists[0, MOVABLE] == [1, 4]
    assert [zone.alloc(0, MOVABLE) for _ in range(3)] == [1, 4, 8]
    assert zone.alloc(1, MOVABLE) is None


def test_free__goes_to_the_head_but_to_the_tail_where_a_merge_is_likely():
    zone = zone_of("aaaa aaaa aaaa aaaa", max_order=4)
    zone.free(0)
    zone.free(4)
    assert zone.free_lists[0, MOVABLE] == [4, 0]
    zone.free(10)
    zone.free(11)  # pages 8 and 9 lack to merge with the pair 10, 11
    zone.free(8)
    assert zone.free_lists[0, MOVABLE] == [4, 0, 8]
    zone.free(9)
    assert zone.free_lists[2, MOVABLE] == [8]


def test_merge_likely__is_not_asked_for_the_two_largest_orders():
    zone = zone_of("aaaaaaaa ........ aaaaaaaa aaaaaaaa", max_order=3)
    zone.put(0, "anon", 2, **PAGE)
    zone.put(16, "anon", 3, **PAGE)
    zone.free(0)
    zone.free(16)
    assert zone.free_lists[3, MOVABLE] == [16, 8]


@pytest.mark.parametrize("other", [HIGHATOMIC, CMA])
def test_free__does_not_merge_pageblocks_of_types_without_fallbacks(other):
    zone = zone_of("." * 16, [MOVABLE, other])
    assert zone.free_lists[3, MOVABLE] == [0]
    assert zone.free_lists[3, other] == [8]


def test_free__a_merged_pageblock_takes_the_type_of_the_freed_one():
    zone = zone_of("aaaaaaaa ........", [MOVABLE, UNMOVABLE])
    for pfn in range(8):
        zone.free(pfn)
    assert zone.free_lists[4, MOVABLE] == [0]
    assert list(zone.block_type.values()) == [MOVABLE, MOVABLE]
    old = zone_of("." * 16, [MOVABLE, UNMOVABLE], hygiene=False)
    assert list(old.block_type.values()) == [MOVABLE, UNMOVABLE]


def test_free__splits_a_block_larger_than_a_pageblock_by_type():
    zone = SlowZone(16, [MOVABLE, CMA])
    zone.put(0, "anon", 4, **PAGE)
    zone.free(0)
    assert zone.free_lists[3, MOVABLE] == [0]
    assert zone.free_lists[3, CMA] == [8]


def test_fallbacks__are_the_kernels():
    assert FALLBACKS[UNMOVABLE] == (RECLAIMABLE, MOVABLE)
    assert FALLBACKS[MOVABLE] == (RECLAIMABLE, UNMOVABLE)
    assert FALLBACKS[RECLAIMABLE] == (UNMOVABLE, MOVABLE)


def test_claim__a_whole_block_changes_type():
    zone = zone_of("." * 16)
    assert zone.alloc(0, UNMOVABLE, "kernel") == 0
    assert list(zone.block_type.values()) == [UNMOVABLE, UNMOVABLE]
    assert zone.free_lists[3, UNMOVABLE] == [8]


def test_claim__takes_a_pageblock_that_is_half_free_or_alike():
    zone = zone_of("..aa aass")  # free 2, alike 2 (the slabs): half of 8
    assert zone.alloc(0, UNMOVABLE, "kernel") == 0
    assert list(zone.block_type.values()) == [UNMOVABLE]
    assert zone.free_lists[0, UNMOVABLE] == [1]
    zone = zone_of("..aa aaas")
    assert zone.alloc(0, UNMOVABLE, "kernel") == 0  # stolen, the rest stays Movable
    assert list(zone.block_type.values()) == [MOVABLE]
    assert zone.free_lists[0, MOVABLE] == [1]


def test_claim__of_movable_needs_half_a_pageblock_order():
    blocks = [UNMOVABLE, UNMOVABLE]
    zone = zone_of("." * 4 + "s" * 12 + "." * 2 + "s" * 14, blocks, pageblock_order=4)
    assert zone.alloc(0, MOVABLE) == 16  # order 2 = 4 // 2 may be claimed but is not half free; 1 is stolen
    assert list(zone.block_type.values()) == blocks
    assert zone.boost == 0
    zone = zone_of("." * 4 + "s" * 6 + "a" * 6 + "s" * 16, blocks, pageblock_order=4)
    assert zone.alloc(0, MOVABLE) == 0  # 4 free and 6 alike: claimed
    assert list(zone.block_type.values()) == [MOVABLE, UNMOVABLE]


def test_steal__order_below_six_fifteen_takes_from_the_largest():
    text, types = "..ss ssss .sss ssss", [RECLAIMABLE, RECLAIMABLE]
    assert zone_of(text, types).alloc(0, UNMOVABLE, "kernel") == 8
    assert zone_of(text, types, claim_largest_only=True).alloc(0, UNMOVABLE, "kernel") == 0


def test_steal__before_six_ten_moves_all_free_blocks_without_changing_the_type():
    text, types = ".saa aa..", [RECLAIMABLE]
    old = zone_of(text, types, claim_largest_only=True, hygiene=False)
    assert old.alloc(0, UNMOVABLE, "kernel") == 0
    assert list(old.block_type.values()) == types
    assert old.free_lists[1, UNMOVABLE] == [6]
    new = zone_of(text, types, claim_largest_only=True)
    assert new.alloc(0, UNMOVABLE, "kernel") == 6  # a failed claim takes a piece of the largest block
    assert new.free_lists[0, RECLAIMABLE] == [7, 0]


def test_nofragment__only_whole_blocks_change_hands():
    zone = zone_of("..aa aaaa")
    assert zone.alloc(0, UNMOVABLE, "kernel", nofragment=True) is None
    assert zone.alloc(0, UNMOVABLE, "kernel") == 0


def test_alloc__movable_takes_cma_first_where_it_is_more_than_half():
    zone = zone_of("........ ...aaaaa", [CMA, MOVABLE])
    assert zone.alloc(0, MOVABLE) == 0
    assert zone.alloc(0, UNMOVABLE, "kernel") == 10  # CMA is nobody else's fallback
    zone = zone_of("....aaaa ....aaaa", [CMA, MOVABLE])
    assert zone.alloc(0, MOVABLE) == 8


def test_boost__grows_by_a_pageblock_up_to_one_and_a_half_high_marks():
    zone = zone_of("." + "a" * 31, watermark=(8, 10, 12))
    for expected in (8, 16, 18, 18):
        zone.boost_watermark()
        assert zone.boost == expected
    small = zone_of("." + "a" * 23, watermark=(8, 10, 12))
    small.boost_watermark()
    assert small.boost == 0


def test_highatomic__reserves_up_to_one_percent_and_gives_back():
    zone = zone_of("." * 1600, max_order=3)
    pages = [zone.alloc(1, UNMOVABLE, "kernel", highatomic=True) for _ in range(12)]
    assert zone.nr_highatomic == 16  # align_up(1600 // 100, 8)
    assert list(zone.block_type.values()).count(HIGHATOMIC) == 2
    assert None not in pages
    for pfn in pages:
        zone.free(pfn)
    assert zone.unreserve_highatomic(MOVABLE)
    assert zone.nr_highatomic == 8
    assert not zone.unreserve_highatomic(MOVABLE)  # one is kept
    assert zone.unreserve_highatomic(MOVABLE, force=True)
    assert zone.nr_highatomic == 0
    check(zone)


# --- watermarks and indices ---------------------------------------------------------------------------------


def test_watermark_ok__counts_the_request_and_asks_for_a_block():
    zone = zone_of("..a. aaaa")
    assert zone.watermark_ok(0, 2)
    assert not zone.watermark_ok(0, 3)
    assert zone.watermark_ok(1, 1)
    assert not zone.watermark_ok(1, 2)
    assert not zone.watermark_ok(2, -5)


def test_fragmentation_index__of_one_block_just_too_small_is_minus_500():
    zone = zone_of("........ aaaaaaaa")
    assert zone.fragmentation_index(4) == -500
    assert zone.fragmentation_index(3) == -1000
    assert zone_of("a" * 8).fragmentation_index(3) == 0
    assert zone_of(".a" * 4).fragmentation_index(3) == 1000 - (1000 + 4 * 1000 // 8) // 4
    assert zone.extfrag_for_order(4) == 100
    assert zone.extfrag_for_order(3) == 0


def test_isolate_free_page__obeys_the_min_watermark_and_makes_half_blocks_movable():
    zone = zone_of("....ssss ..ssssss", [UNMOVABLE, UNMOVABLE], watermark=(2, 2, 2))
    assert zone.isolate_free_page(0) == 0  # 6 free is not above 2 + 4
    assert zone.isolate_free_page(8) == 2
    assert zone.block_type[8] == UNMOVABLE
    zone = zone_of("....s.ss ........", [UNMOVABLE, UNMOVABLE])
    assert zone.isolate_free_page(0) == 4
    assert zone.block_type[0] == MOVABLE
    assert zone.free_lists[0, MOVABLE] == [5]


def test_suitable__vetoes_lack_of_memory_for_costly_orders_only():
    text = "....ssss ....ssss" + "s" * 16
    zone = zone_of(text, pageblock_order=4, max_order=5)
    assert zone.fragmentation_index(4) == 250
    assert zone.suitable(4, MOVABLE, SYNC_LIGHT) == "skipped"
    assert zone.suitable(3, MOVABLE, SYNC_LIGHT) == "skipped"  # 8 free, gap 16
    zone = zone_of("." * 16 + "s" * 16, max_order=5)
    assert zone.suitable(4, MOVABLE, ASYNC) == "success"
    fragmented = zone_of(".s" * 32, max_order=5)
    assert fragmented.suitable(3, MOVABLE, ASYNC) == "continue"
    assert fragmented.suitable(4, MOVABLE, ASYNC) == "skipped"  # 32 free is not above the gap of 32


# --- deferral -------------------------------------------------------------------------------------------------


def test_defer__doubles_the_wait_up_to_64():
    zone = zone_of("a" * 8)
    zone.order_failed = 3
    waits = []
    for _ in range(8):
        zone.defer(3)
        attempts = 1
        while zone.deferred(3):
            attempts += 1
        waits.append(attempts)
    assert waits == [2, 4, 8, 16, 32, 64, 64, 64]
    assert zone.restarting(3)
    assert not zone.deferred(2)
    zone.defer_reset(3, obtained=False)
    assert (zone.order_failed, zone.defer_shift) == (4, 6)
    zone.defer_reset(3, obtained=True)
    assert zone.defer_shift == 0


# --- compaction -------------------------------------------------------------------------------------------------


def test_compact__moves_everything_to_the_end():
    zone = zone_of("a.a.a.a. a.a.a.a. aaaaaa.. a.a.a...")
    before = zone.free_pages()
    assert zone.compact() == ("complete", NONE)
    assert zone.free_pages() == before
    assert kinds(zone)[:8] == "........"
    assert kinds(zone).count("a") == 17
    check(zone)


def test_compact__a_block_goes_in_a_batch_of_32_and_the_rest():
    text = "a." * 512 + "." * 512 + "a." * 512
    zone = zone_of(text, pageblock_order=9, max_order=10)
    zone.compact()
    taken = [step[3] for step in steps(zone, "isolate_migratepages") if step[3]]
    assert taken == [32, 224, 32, 224]
    assert steps(zone, "isolate_migratepages")[:2] == [(0, 63, 63, 32), (63, 512, 449, 224)]


def test_compact__the_second_half_of_a_free_block_is_stepped_through():
    text = "." * 1024 + "a." * 512 + "." * 512
    zone = zone_of(text, pageblock_order=9, max_order=10)
    assert zone.free_lists[10, MOVABLE] == [0]
    zone.compact()
    assert steps(zone, "isolate_migratepages")[:2] == [(0, 512, 1024, 0), (512, 1024, 512, 0)]


def test_compact__no_target_in_a_block_that_begins_with_a_free_pageblock():
    zone = zone_of("a.a.a.a. aaaaaaaa ........ aaaaaaa.", max_order=3)
    zone.compact()
    assert all(start // 8 != 2 for start, *_ in steps(zone, "isolate_freepages"))
    assert kinds(zone)[16:24] == "........"


def test_compact__no_target_in_an_unmovable_block():
    text = "a.a.a.a. aaaaaaaa s....... aaaaaaa."
    types = [MOVABLE, MOVABLE, UNMOVABLE, MOVABLE]
    zone = zone_of(text, types)
    zone.compact()
    assert kinds(zone)[16:24] == "s......."
    ignoring = zone_of(text, types)
    ignoring.compact(ignore_suitable=True)
    assert kinds(ignoring)[16:24] != "s......."


def test_compact__stride_doubles_over_blocks_without_free_pages():
    full = "a" * 32
    zone = zone_of("a." * 16 + full + "a" * 31 + "." + full * 6, pageblock_order=5, max_order=5)
    zone.compact()
    scanned = [step[2:] for step in steps(zone, "isolate_freepages")]
    assert scanned[:6] == [(32, 0), (16, 0), (8, 0), (4, 0), (2, 0), (1, 0)]
    assert scanned[6] == (1, 0)  # its last page would have been a target
    async_zone = zone_of("a." * 16 + full + ".a" * 16 + full, pageblock_order=5, max_order=5)
    async_zone.compact(mode=ASYNC)
    assert [step[2:] for step in steps(async_zone, "isolate_freepages")][:2] == [(1, 0), (1, 1)]


def test_compact__targets_go_first_in_first_out_and_sources_last_first():
    zone = zone_of("aa.s ssss ssss ssss s..s ssss", max_order=3)
    zone.compact()
    assert steps(zone, "move") == [(1, 17, 0), (0, 18, 0)]
    old = zone_of("aa.s ssss ssss ssss s..s ssss", max_order=3, large_folios=False)
    old.compact()
    assert steps(old, "move") == [(1, 18, 0), (0, 17, 0)]


def test_compact__pinned_pages_stay():
    zone = zone_of("pa.p ...s aaaa aaaa aaaa .... .... ....")
    zone.compact()
    assert kinds(zone)[0] == kinds(zone)[3] == "p"
    assert kinds(zone)[1] == "."


def test_compact__a_pinned_file_page_takes_a_target_and_gives_it_back():
    zone = zone_of("ff.s ssss ssss ssss s..s ssss")
    zone.pages[1].pinned = True
    assert zone.compact()[0] == "complete"
    assert steps(zone, "move") == [(0, 18, 0)]
    assert steps(zone, "migratepages")[0] == (1, 1)
    assert zone.counters["pgmigrate_fail"] == 1


def test_compact__writeback_is_waited_for_only_by_sync():
    text = "ff.s ssss ssss ssss ...s ssss"
    for mode, moves in ((ASYNC, 1), (SYNC_LIGHT, 1), (2, 2)):
        zone = zone_of(text)
        zone.pages[1].writeback = True
        zone.compact(mode=mode, ignore_skip=True)
        assert len(steps(zone, "move")) == moves


def test_compact__a_dirty_private_folio_without_target_ends_the_run():
    zone = zone_of("s" * 8 + "a.a.s.s." + "s" * 8 + "s.s.s.s.")
    zone.put(4, "file", 2, lru=True, dirty=True, private=True)
    assert zone.compact()[0] == "contended"
    assert steps(zone, "migratepages") == [(0, 4)]
    zone.pages[4].private = False
    zone.trace.clear()
    assert zone.compact()[0] == "complete"
    assert steps(zone, "migratepages")[0] == (4, 0)
    assert [source for source, *_ in steps(zone, "move")][:4] == [7, 6, 5, 4]
    check(zone)


def test_compact__large_folios_stay_before_six_nine():
    for large, moves in ((True, [(0, 20, 2)]), (False, [])):
        zone = zone_of("sssssss. ssssssss ssss....", large_folios=large)
        zone.put(0, "anon", 2, lru=True)
        zone.compact()
        assert steps(zone, "move") == moves


def test_compact__direct_async_leaves_a_window_that_cannot_be_freed():
    zone = zone_of("aasa aaaa " + "ssss ssss" * 3 + "a.a. aa.s" * 4, max_order=4)
    zone.trace.clear()
    zone.compact(2, "direct", priority=2)
    assert steps(zone, "isolate_migratepages")[0][3] == 4
    assert {source for source, *_ in steps(zone, "move")} == {4, 5, 6, 7}


def test_compact__direct_stops_with_the_captured_block():
    text = "aa.a aaaa " + "ssss ssss" * 3 + "a.a. aa.s" * 4
    zone = zone_of(text, max_order=4)
    result, captured = zone.compact(2, "direct", priority=2)
    assert (result, captured) == ("success", 0)
    assert kinds(zone)[:4] == "iiii"
    without = zone_of(text, max_order=4, capture=False)
    assert without.compact(2, "direct", priority=2)[1] == NONE
    assert without.free_lists[2, MOVABLE] or without.free_lists[3, MOVABLE]


def test_capture__never_gives_a_movable_piece_to_unmovable():
    text = "aa.a aaaa " + "ssss ssss" * 3 + "a.a. aa.s" * 4
    zone = zone_of(text, max_order=4)
    assert zone.compact(2, "direct", UNMOVABLE)[1] == NONE


def test_compact__results_by_whole_zone_and_cached_positions():
    text = ("a.a.a.s." * 4 + "a.s.a.s." * 4) * 2
    zone = zone_of(text, max_order=4, capture=False)
    assert zone.try_to_compact(3, MOVABLE, 1)[0] == "partial_skipped"
    assert zone.defer_shift == 1
    assert zone.blockskip_flush
    assert zone.cached_migrate == [0, 0]
    assert zone.cached_free >= 120
    assert zone.try_to_compact(3, MOVABLE, 1)[0] == "deferred" or zone.order_failed == 0


def test_compact__cached_position_is_one_block_beyond_what_was_scanned():
    zone = zone_of("a.a.a.a." + "a.a.a.a." * 6 + "...a...a", max_order=4, capture=False)
    assert zone.compact(3, "direct")[0] == "success"
    end = steps(zone, "isolate_migratepages")[-1][1]
    assert end % 8 == 0
    assert zone.skip[end - 8]
    assert zone.cached_migrate[0] in (0, end + 8)


def test_compact__ignoring_hints_sets_skip_bits_of_fruitless_blocks_only():
    zone = zone_of("ssssssss aaaa.... ssss.... ....aaaa")
    zone.compact()
    assert zone.skip[0]
    assert not zone.skip[8]


def test_reset_isolation_suitable__starts_where_something_is_found():
    zone = zone_of("ssssssss aaaassss ssssssss ....ssss ssssssss ssssssss")
    zone.skip = dict.fromkeys(zone.skip, True)
    zone.reset_isolation_suitable()
    assert all(zone.skip.values())
    zone.blockskip_flush = True
    zone.reset_isolation_suitable()
    assert (zone.init_migrate, zone.cached_migrate) == (8, [8, 8])
    assert zone.init_free == zone.cached_free == 31  # a block's last page
    assert [pfn for pfn, skip in zone.skip.items() if not skip] == [8, 24]


@pytest.mark.parametrize(
    ("proactiveness", "floor", "marks"),
    [
        (20, False, (80, 90)),
        (20, True, (80, 90)),
        (100, False, (0, 0)),
        (100, True, (5, 15)),
        (90, False, (10, 15)),
    ],
)
def test_score_marks__have_a_leeway_of_ten_at_most(proactiveness, floor, marks):
    zone = zone_of("........", proactiveness=proactiveness, proactive_floor=floor)
    assert zone.score_marks() == marks


def test_compact__proactive_stops_at_the_low_mark():
    zone = zone_of("a.a.a.a." * 16, max_order=4, proactiveness=50)
    assert zone.extfrag_for_order(3) == 100
    assert zone.compact(trigger="proactive")[0] == "success"
    assert zone.extfrag_for_order(3) <= 50


def test_fast_find_migrateblock__picks_a_block_with_free_pages_in_the_lower_half():
    blocks = ["a" * 32] * 5 + ["........" + "a" * 24] + ["a" * 32] * 10 + ["a." * 16] * 8
    zone = zone_of("".join(blocks), pageblock_order=5, max_order=5)
    zone.compact(5, "kcompactd")
    assert steps(zone, "isolate_migratepages")[0][0] == 5 * 32


def test_fast_isolate_freepages__takes_from_the_upper_quarter():
    zone = zone_of("aaaaaaa." + "aaaaaaa." * 30 + "aaaaaaa.", max_order=4)
    zone.compact(3, "direct", ignore_suitable=True, whole_zone=True)
    lowest, free_pfn, scanned, taken = steps(zone, "fast_isolate_freepages")[0]
    assert (lowest, free_pfn) == ((248 - (248 - 8) // 2) // 8 * 8, 248)
    assert taken == 1
    assert scanned >= 1


# --- invariants ---------------------------------------------------------------------------------------------------


def contents(zone):
    """How many pages of each kind; what cannot move, where."""
    count = {}
    for page in zone.pages.values():
        count[page.kind] = count.get(page.kind, 0) + 1
    fixed = {
        pfn: page.kind
        for pfn, page in zone.pages.items()
        if page.kind not in ("free", "anon", "file") or page.pinned
    }
    return count, fixed


@given(zones())
def test_zones__are_consistent(zone):
    check(zone)


@settings(max_examples=200)
@given(st.data())
def test_compact__keeps_pages_and_what_cannot_move(data):
    zone = data.draw(zones())
    trigger = data.draw(st.sampled_from(("manual", "proactive")))
    before = contents(zone)
    result, _ = zone.compact(trigger=trigger)
    assert contents(zone) == before
    check(zone)
    assert result in ("complete", "success", "contended")
    scans = steps(zone, "isolate_migratepages")
    assert all(end <= begin for (_, end, *_), (begin, *_) in itertools.pairwise(scans))
    first, last = (zone.block_start(step[2]) for step in zone.trace if step[0] in ("begin", "end"))
    assert last <= first
    taken = sum(step[4] for step in zone.trace if step[0].startswith("isolate_"))
    assert zone.counters["isolated"] == taken
    assert sum(step[1] + step[2] for step in zone.trace if step[0] == "migratepages") == sum(
        step[3] for step in scans
    )


@settings(max_examples=300)
@given(st.data())
def test_requests__keep_the_zone_consistent(data):
    zone = data.draw(zones())
    for request in data.draw(requests(zone)):
        compacting = request[0] in ("direct", "kcompactd", "manual", "proactive", "unreserve", "reset")
        before, pages = contents(zone), len(zone.pages)
        outcome = apply(zone, request)
        check(zone)
        assert len(zone.pages) == pages
        if compacting and not (isinstance(outcome, tuple) and outcome[1] != NONE):
            assert contents(zone) == before
        assert not any(zone.held.values())


@given(zones())
def test_compact__the_same_zone_gives_the_same_run(zone):
    other = copy.deepcopy(zone)
    assert zone.compact(3, "kcompactd") == other.compact(3, "kcompactd")
    assert zone.trace == other.trace
    assert zone.state() == other.state()
