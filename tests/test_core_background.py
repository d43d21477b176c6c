"""Reclaim, kswapd, kcompactd and contiguous ranges, on small zones of 4096 pages, pageblocks of 32."""

from __future__ import annotations

import numpy as np
import pytest
from background import (
    alloc_contig_range,
    inactive_is_low,
    kcompactd_step,
    kswapd_step,
    proactive_check,
    proactive_trigger,
    score_node,
    take,
    try_to_free_pages,
    wakeup_kcompactd,
    wakeup_kswapd,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from zones import BLOCK_PAGES, PAGEBLOCK_ORDER, check, counters, events, small_memory

from compactlab.core import contig, kcompactd, kswapd
from compactlab.core import memory as m

NR_PAGES = 4096
SECOND = 10**12  # ps


def run(memory, step, clock):
    """Let a background thread run until it sleeps; returns the steps it took."""
    for steps in range(10_000):
        if memory.node[0][clock] < 0:
            return steps
        step(memory)
    raise AssertionError(f"still awake after {steps} steps")


def run_kswapd(memory):
    return run(memory, kswapd_step, "kswapd_clock")


def run_kcompactd(memory):
    return run(memory, kcompactd_step, "kcompactd_clock")


def pages(kind, free=0, every=0, slab=0):
    """Pages of one kind; the first `free` of them free, of the others each `every`-th free or `slab`-th slab."""
    kinds = np.full(NR_PAGES, kind, np.uint8)
    kinds[:free] = m.FREE
    if every:
        kinds[free::every] = m.FREE
    if slab:
        kinds[free + 1 :: slab] = m.SLAB
    return kinds


# --- reclaim ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inactive", "active", "low"),
    [
        (0, 0, False),
        (99, 100, True),
        (100, 100, False),
        (1 << 16, 3 << 16, False),
        ((1 << 16) - 1, (3 << 16) + 1, True),
    ],
)
def test_inactive_is_low__ratio(inactive, active, low):
    assert inactive_is_low(inactive, active) == low


def test_inactive_is_low__four_gib_wants_six_to_one():
    pages_of_4_gib = 4 << 18
    inactive = pages_of_4_gib // 7
    assert inactive_is_low(inactive - 1, pages_of_4_gib - inactive + 1)
    assert not inactive_is_low(inactive + 1, pages_of_4_gib - inactive - 1)


def test_try_to_free_pages__clean_cache_goes_least_recently_used_first():
    memory = small_memory(pages(m.FILE, free=8))
    freed = try_to_free_pages(memory, 0)
    check(memory)
    assert m.CLUSTER_MAX <= freed < 2 * m.CLUSTER_MAX
    gone = np.flatnonzero(memory.page["kind"][8:NR_PAGES] != m.FILE) + 8
    assert gone.tolist() == list(range(NR_PAGES - freed, NR_PAGES))  # the tail of the list
    counts = counters(memory)
    assert counts["allocstall"] == 1
    assert counts["pgsteal_direct"] == counts["pgscan_direct"] == counts["pgfree"] == freed
    assert events(memory, m.EV_DIRECT_RECLAIM_BEGIN) == [(0,)]
    assert events(memory, m.EV_DIRECT_RECLAIM_END) == [(freed,)]
    assert memory.state[0].tally[0, m.STEP_RECLAIM_PAGE] == freed


def test_try_to_free_pages__anonymous_pages_stay_without_swap():
    memory = small_memory(pages(m.ANON, free=8))
    assert try_to_free_pages(memory, 0) == 0
    check(memory)
    assert (memory.page["kind"][8:NR_PAGES] == m.ANON).all()


def test_try_to_free_pages__swap_writes_anonymous_pages_before_it_frees_them():
    memory = small_memory(pages(m.ANON, free=8))
    memory.rules["swap"] = 1
    assert try_to_free_pages(memory, 0) > 0
    check(memory)
    counts = counters(memory)
    written = memory.state[0].tally[0, m.STEP_RECLAIM_WRITE]
    assert written >= counts["pgrotated"] == counts["pgsteal_direct"]


def test_try_to_free_pages__dirty_pages_are_written_then_freed():
    memory = small_memory(pages(m.FILE, free=8), bits=np.full(NR_PAGES, m.DIRTY, np.uint8))
    memory.page["bits"][:8] = 0
    assert try_to_free_pages(memory, 0) >= m.CLUSTER_MAX
    check(memory)
    assert counters(memory)["pgrotated"] >= m.CLUSTER_MAX
    still = memory.page["kind"][:NR_PAGES] == m.FILE
    assert not (
        memory.page["bits"][:NR_PAGES][still] & (m.DIRTY | m.WRITEBACK) == m.DIRTY | m.WRITEBACK
    ).any()


def test_try_to_free_pages__pinned_pages_stay():
    memory = small_memory(pages(m.FILE, free=8), bits=np.full(NR_PAGES, m.PINNED, np.uint8))
    assert try_to_free_pages(memory, 0) == 0
    check(memory)
    assert (memory.page["kind"][8:NR_PAGES] == m.FILE).all()
    assert counters(memory)["pgscan_direct"] > 0


def test_try_to_free_pages__unevictable_pages_are_not_even_scanned():
    memory = small_memory(pages(m.FILE, free=8), bits=np.full(NR_PAGES, m.UNEVICTABLE, np.uint8))
    assert try_to_free_pages(memory, 0) == 0
    assert "pgscan_direct" not in counters(memory)


def test_try_to_free_pages__referenced_pages_get_a_second_chance():
    referenced = np.zeros(NR_PAGES, np.uint8)
    referenced[NR_PAGES - 100 :] = m.REFERENCED
    memory = small_memory(pages(m.FILE, free=8), bits=referenced)
    assert try_to_free_pages(memory, 0) >= m.CLUSTER_MAX
    check(memory)
    tail = memory.page[NR_PAGES - 100 : NR_PAGES]
    assert (tail["kind"] == m.FILE).all()
    assert (tail["bits"] == m.LRU | m.ACTIVE).all()
    assert memory.zone[0].nr_active_file == 100


def test_try_to_free_pages__active_pages_become_inactive_where_those_are_few():
    memory = small_memory(pages(m.FILE, free=8), bits=np.full(NR_PAGES, m.ACTIVE, np.uint8))
    assert try_to_free_pages(memory, 0) >= m.CLUSTER_MAX
    check(memory)
    assert memory.zone[0].nr_inactive_file > 0


def test_try_to_free_pages__the_owner_learns_of_it():
    memory = small_memory(pages(m.FILE, free=8), slots=1)
    memory.where[0] = NR_PAGES - 1
    memory.page[NR_PAGES - 1].slot = 0
    memory.page[NR_PAGES - 1].mapcount = 3
    try_to_free_pages(memory, 0)
    check(memory)
    assert memory.where[0] == -1
    assert memory.page[NR_PAGES - 1].mapcount == 0


def test_try_to_free_pages__large_folios_go_whole():
    kinds, order = pages(m.FILE, free=64), np.zeros(NR_PAGES, np.uint8)
    order[64:] = m.TAIL
    order[64::16] = 4
    memory = small_memory(kinds, order=order)
    memory.page["bits"][:NR_PAGES][order == m.TAIL] = 0
    check(memory)
    assert try_to_free_pages(memory, 0) == m.CLUSTER_MAX
    check(memory)
    assert memory.zone[0].free_pages == 64 + m.CLUSTER_MAX  # order 4 passes by the per-CPU lists


def test_try_to_free_pages__costly_order_leaves_the_rest_to_compaction():
    memory = small_memory(pages(m.FILE, every=2))
    assert try_to_free_pages(memory, 5) == 1
    assert "pgscan_direct" not in counters(memory)
    assert try_to_free_pages(memory, 3) >= m.CLUSTER_MAX


# --- kswapd -------------------------------------------------------------------------------------------------


def test_wakeup_kswapd__not_where_balanced():
    memory = small_memory(pages(m.FILE, free=128))
    wakeup_kswapd(memory, 0, True)
    assert memory.node[0].kswapd_clock == -1
    assert counters(memory) == {}


def test_kswapd_step__stops_at_the_high_watermark():
    memory = small_memory(pages(m.FILE, free=32))
    memory.state[0].clock[m.NOW] = 7 * SECOND
    wakeup_kswapd(memory, 0, True)
    assert memory.node[0].kswapd_clock == 7 * SECOND
    kswapd_step(memory)
    assert memory.zone[0].reclaim_active
    assert run_kswapd(memory) > 1
    check(memory)
    zone = memory.zone[0]
    assert not zone.reclaim_active
    assert zone.wmark_high < zone.free_pages <= zone.wmark_high + 2 * m.CLUSTER_MAX
    assert zone.boost == 0
    counts = counters(memory)
    assert counts["kswapd_wake"] == counts["pageoutrun"] == 1
    assert counts["pgsteal_kswapd"] <= counts["pgscan_kswapd"]
    assert len(events(memory, m.EV_KSWAPD_WAKE)) == len(events(memory, m.EV_KSWAPD_SLEEP)) == 1
    assert memory.state[0].clock[m.NOW] > 7 * SECOND


def test_kswapd_step__one_step_frees_a_cluster_at_most():
    memory = small_memory(pages(m.FILE, free=8))
    wakeup_kswapd(memory, 0, True)
    while memory.node[0].kswapd_clock >= 0:
        before = memory.zone[0].nr_inactive_file
        kswapd_step(memory)
        assert before - memory.zone[0].nr_inactive_file <= m.CLUSTER_MAX


def test_kswapd_step__hopeless_after_sixteen_failures():
    memory = small_memory(pages(m.ANON, free=32))
    wakeup_kswapd(memory, 0, True)
    run_kswapd(memory)
    assert memory.node[0].kswapd_failures == kswapd.MAX_RECLAIM_RETRIES
    wakeup_kswapd(memory, 0, True)
    assert memory.node[0].kswapd_clock == -1
    check(memory)


def test_kswapd_step__progress_of_anyone_ends_hopelessness():
    memory = small_memory(pages(m.ANON, free=32))
    memory.node["kswapd_failures"] = kswapd.MAX_RECLAIM_RETRIES
    memory.rules["swap"] = 1
    assert try_to_free_pages(memory, 0) > 0
    assert memory.node[0].kswapd_failures == 0


def test_kswapd_step__takes_the_boost_back_and_wakes_kcompactd_for_a_pageblock():
    memory = small_memory(pages(m.FILE, every=2))
    memory.zone["boost"] = 64
    wakeup_kswapd(memory, 0, True)
    assert memory.node[0].kswapd_clock >= 0  # balanced, but boosted
    run_kswapd(memory)
    check(memory)
    assert memory.zone[0].boost == 0
    assert memory.node[0].kcompactd_order == PAGEBLOCK_ORDER
    assert events(memory, m.EV_WAKEUP_KCOMPACTD) == [(0, PAGEBLOCK_ORDER)]


def test_kswapd_step__boosts_write_nothing():
    kinds = pages(m.FILE, every=2)
    memory = small_memory(kinds, bits=np.where(kinds == m.FILE, m.DIRTY, 0).astype(np.uint8))
    memory.zone["boost"] = 64
    wakeup_kswapd(memory, 0, True)
    run_kswapd(memory)
    assert memory.state[0].tally[:, m.STEP_RECLAIM_WRITE].sum() == 0
    assert memory.zone[0].boost == 0
    assert memory.node[0].kswapd_failures == 0


def test_kswapd_step__leaves_a_high_order_to_kcompactd_after_twice_its_pages():
    memory = small_memory(pages(m.FILE, every=2, slab=4))
    wakeup_kswapd(memory, 5, True)  # plenty of free pages, none of them in a block of order 5
    run_kswapd(memory)
    check(memory)
    assert 2 << 5 <= counters(memory)["pgsteal_kswapd"] <= (2 << 5) + m.CLUSTER_MAX
    assert events(memory, m.EV_WAKEUP_KCOMPACTD) == [(0, 5)]
    assert memory.node[0].kcompactd_clock >= 0


def test_wakeup_kswapd__hopeless_node_wakes_kcompactd_for_who_cannot_reclaim():
    memory = small_memory(pages(m.ANON, every=2))
    memory.node["kswapd_failures"] = kswapd.MAX_RECLAIM_RETRIES
    wakeup_kswapd(memory, 5, True)
    assert memory.node[0].kcompactd_clock == -1
    wakeup_kswapd(memory, 5, False)
    assert memory.node[0].kswapd_clock == -1
    assert memory.node[0].kcompactd_clock >= 0


def test_kswapd_step__resets_skip_bits_before_it_sleeps():
    memory = small_memory(pages(m.FILE, free=32))
    memory.zone["blockskip_flush"] = 1
    memory.block["skip"] = 1
    wakeup_kswapd(memory, 0, True)
    run_kswapd(memory)
    assert memory.zone[0].blockskip_flush == 0
    assert not memory.block["skip"].all()


def test_pgdat_balanced__defrag_mode_counts_whole_pageblocks():
    memory = small_memory(pages(m.FILE, free=64, every=2, slab=4))
    wakeup_kswapd(memory, PAGEBLOCK_ORDER, True)
    assert memory.node[0].kswapd_clock == -1
    memory.rules["defrag_mode"] = 1
    wakeup_kswapd(memory, PAGEBLOCK_ORDER, True)
    assert memory.node[0].kswapd_clock >= 0
    run_kswapd(memory)
    check(memory)
    assert events(memory, m.EV_WAKEUP_KCOMPACTD) == [(0, PAGEBLOCK_ORDER)]
    assert counters(memory)["pgsteal_kswapd"] >= 2 << PAGEBLOCK_ORDER


# --- kcompactd ----------------------------------------------------------------------------------------------


def test_wakeup_kcompactd__sleeps_on_where_there_is_a_block_or_no_room():
    for kinds in (pages(m.ANON, free=512), pages(m.ANON, free=8)):
        memory = small_memory(kinds)
        wakeup_kcompactd(memory, 5)
        assert memory.node[0].kcompactd_clock == -1
        assert memory.node[0].kcompactd_order == 5  # remembered


def test_wakeup_kcompactd__ignores_order_0():
    memory = small_memory(pages(m.ANON, every=2))
    wakeup_kcompactd(memory, 0)
    assert memory.node[0].kcompactd_clock == -1


def test_kcompactd_step__makes_a_block_of_the_order():
    memory = small_memory(pages(m.ANON, every=2))
    wakeup_kcompactd(memory, 5)
    assert run_kcompactd(memory) > 1
    check(memory)
    zone = memory.zone[0]
    assert zone.nr_free[5:].sum() > 0
    assert (memory.page["kind"][:NR_PAGES] == m.ANON).sum() == NR_PAGES // 2
    assert (zone.order_failed, zone.defer_shift) == (6, 0)
    counts = counters(memory)
    assert counts["compact_daemon_wake"] == 1
    assert counts["compact_daemon_migrate_scanned"] == counts["compact_migrate_scanned"] > 0
    assert counts["compact_daemon_free_scanned"] == counts["compact_free_scanned"] > 0
    assert events(memory, m.EV_KCOMPACTD_WAKE) == [(0, 5)]
    assert events(memory, m.EV_KCOMPACTD_SLEEP) == [(0,)]
    assert memory.node[0].kcompactd_order == 0
    assert memory.node[0].proactive_next == -1  # proactiveness is 0


def test_kcompactd_step__defers_and_drains_after_a_failure():
    memory = small_memory(pages(m.ANON, every=2), bits=np.full(NR_PAGES, m.PINNED, np.uint8))
    wakeup_kcompactd(memory, 5)
    run_kcompactd(memory)
    check(memory)
    zone = memory.zone[0]
    assert (zone.order_failed, zone.defer_shift) == (0, 1)
    assert (zone.pcp["count"] == 0).all()
    assert memory.state[0].tally[0, m.STEP_DRAIN] == 2
    wakeup_kcompactd(memory, 5)
    assert run_kcompactd(memory) == 1  # deferred: nothing was done
    assert len(events(memory, m.EV_BEGIN)) == 1


def test_kcompactd_step__works_for_the_order_asked_for_last():
    memory = small_memory(pages(m.ANON, every=2))
    wakeup_kcompactd(memory, 4)
    kcompactd_step(memory)
    wakeup_kcompactd(memory, 6)
    run_kcompactd(memory)
    check(memory)
    assert events(memory, m.EV_KCOMPACTD_WAKE) == [(0, 4), (0, 6)]
    assert memory.zone[0].nr_free[6:].sum() > 0


def test_kcompactd_step__only_zones_of_the_class():
    kinds = pages(m.ANON, every=2)
    memory = small_memory(kinds, zones=[(0, NR_PAGES // 2), (NR_PAGES // 2, NR_PAGES)])
    wakeup_kcompactd(memory, 5)  # class 0
    run_kcompactd(memory)
    check(memory)
    assert memory.zone[0].nr_free[5:].sum() > 0
    assert memory.zone[1].nr_free[5:].sum() == 0


# --- proactive compaction -----------------------------------------------------------------------------------


def proactive_memory(free, proactiveness):
    """`free` pages in whole blocks, as many single ones as there are others."""
    memory = small_memory(pages(m.ANON, free=free, every=2))
    memory.rules["compaction_proactiveness"] = proactiveness
    return memory


@pytest.mark.parametrize(("free", "starts"), [(0, True), (256, True), (640, True), (1024, False)])
def test_proactive_check__starts_above_the_high_mark_only(free, starts):
    memory = proactive_memory(free, 40)  # marks 60 and 70
    assert (score_node(memory) > 70) == starts
    proactive_check(memory)
    assert (memory.node[0].kcompactd_clock >= 0) == starts
    assert memory.node[0].proactive_next == (-1 if starts else kcompactd.PROACTIVE_INTERVAL)


def test_proactive_check__weighs_zones_by_present_pages():
    half = NR_PAGES // 2
    kinds = pages(m.ANON, every=2)
    kinds[:half] = m.FREE
    memory = small_memory(kinds, zones=[(0, half), (half, NR_PAGES)])
    assert score_node(memory) == half * 100 // (NR_PAGES + 1)
    memory.rules["compaction_proactiveness"] = 40
    proactive_check(memory)
    assert memory.node[0].kcompactd_clock == -1


def test_kcompactd_step__proactive_stops_at_the_low_mark():
    memory = proactive_memory(0, 40)
    proactive_check(memory)
    run_kcompactd(memory)
    check(memory)
    assert 50 <= score_node(memory) <= 60
    counts = counters(memory)
    assert "compact_daemon_wake" not in counts
    assert counts["compact_daemon_migrate_scanned"] > 0
    assert [end[-1] for end in events(memory, m.EV_END)] == [m.SUCCESS]
    assert events(memory, m.EV_KCOMPACTD_WAKE) == [(0, -1)]
    timeout = memory.node[0].proactive_next - memory.state[0].clock[m.NOW]
    assert timeout == kcompactd.PROACTIVE_INTERVAL


def test_kcompactd_step__proactive_backs_off_for_32_s_without_progress():
    memory = small_memory(pages(m.ANON, every=2), bits=np.full(NR_PAGES, m.PINNED, np.uint8))
    memory.rules["compaction_proactiveness"] = 40
    proactive_check(memory)
    run_kcompactd(memory)
    node = memory.node[0]
    assert node.proactive_next - memory.state[0].clock[m.NOW] == 32 * SECOND
    wakeup_kcompactd(memory, 5)  # an ordinary run ends the back-off
    run_kcompactd(memory)
    assert node.proactive_next - memory.state[0].clock[m.NOW] == SECOND // 2


def test_proactive_check__not_beside_kswapd():
    memory = proactive_memory(0, 40)
    memory.node["kswapd_clock"] = 0
    proactive_check(memory)
    assert memory.node[0].kcompactd_clock == -1


def test_kcompactd_step__proactive_gives_way_to_kswapd():
    memory = proactive_memory(0, 40)
    proactive_check(memory)
    kcompactd_step(memory)
    memory.node["kswapd_clock"] = 0
    run_kcompactd(memory)
    assert [end[-1] for end in events(memory, m.EV_END)] == [m.PARTIAL_SKIPPED]


def test_proactive_check__never_at_proactiveness_0():
    memory = proactive_memory(0, 0)
    proactive_check(memory)
    assert (memory.node[0].kcompactd_clock, memory.node[0].proactive_next) == (-1, -1)


def test_proactive_trigger__evaluates_at_once_or_after_the_work_in_hand():
    memory = proactive_memory(0, 40)
    proactive_trigger(memory)
    assert memory.node[0].kcompactd_proactive == 1
    assert events(memory, m.EV_WAKEUP_KCOMPACTD) == [(0, -1)]

    memory = proactive_memory(0, 40)
    wakeup_kcompactd(memory, 5)
    kcompactd_step(memory)
    proactive_trigger(memory)
    run_kcompactd(memory)
    assert 0 <= memory.node[0].proactive_next <= memory.state[0].clock[m.NOW]  # due


# --- contiguous ranges --------------------------------------------------------------------------------------


def test_alloc_contig_range__moves_what_is_there():
    memory = small_memory(pages(m.ANON, every=2), slots=1)
    memory.where[0] = 129
    memory.page[129].slot = 0
    assert alloc_contig_range(memory, 128, 256, False) == 0
    check(memory)
    taken = memory.page[128:256]
    assert (taken["kind"] == m.KERNEL).all()
    assert (taken["order"] == 0).all()
    assert not 128 <= memory.where[0] < 256
    assert (memory.page["kind"][:NR_PAGES] == m.ANON).sum() == NR_PAGES // 2
    assert not memory.block["isolated"].any()
    assert not memory.block["skip"].any()
    assert (memory.block["migratetype"] == m.MOVABLE).all()
    counts = counters(memory)
    assert counts["pgmigrate_success"] == 64
    assert "compact_migrate_scanned" not in counts
    assert events(memory, m.EV_TEST_PAGES_ISOLATED) == [(128, 256, 256)]
    assert max(nr_taken for *_, nr_taken in events(memory, m.EV_ISOLATE_MIGRATEPAGES)) <= m.CLUSTER_MAX


def test_alloc_contig_range__drops_clean_cache():
    memory = small_memory(pages(m.FILE, every=2))
    assert alloc_contig_range(memory, 128, 256, False) == 0
    check(memory)
    assert (memory.page["kind"][:NR_PAGES] == m.FILE).sum() == NR_PAGES // 2 - 64
    assert "pgmigrate_success" not in counters(memory)


def test_alloc_contig_range__waits_for_writeback_and_moves_dirty_folios():
    kinds, order = pages(m.FILE, free=1024), np.zeros(NR_PAGES, np.uint8)
    order[1024:] = m.TAIL
    order[1024::8] = 3
    bits = np.where(order == 3, m.WRITEBACK | m.DIRTY, 0).astype(np.uint8)
    memory = small_memory(kinds, order=order, bits=bits)
    memory.page["bits"][:NR_PAGES][order == m.TAIL] = 0
    assert alloc_contig_range(memory, 1024, 1056, False) == 0
    check(memory)
    assert memory.state[0].tally[0, m.STEP_WRITEBACK_WAIT] == 4
    assert (memory.page["kind"][:NR_PAGES] == m.FILE).sum() == NR_PAGES - 1024


def test_alloc_contig_range__splits_folios_without_a_place():
    kinds, order = pages(m.ANON, every=2), np.zeros(NR_PAGES, np.uint8)
    kinds[128:136], order[128:136] = m.ANON, m.TAIL
    order[128] = 3
    memory = small_memory(kinds, order=order)
    memory.page["bits"][129:136] = 0
    assert alloc_contig_range(memory, 128, 160, False) == 0
    check(memory)
    assert (memory.page["kind"][:NR_PAGES] == m.ANON).sum() == (kinds == m.ANON).sum()


def test_alloc_contig_range__moves_hugetlb_folios():
    kinds, order = pages(m.HUGETLB, free=1024), np.zeros(NR_PAGES, np.uint8)
    order[1024:] = m.TAIL
    order[1024::BLOCK_PAGES] = PAGEBLOCK_ORDER
    memory = small_memory(kinds, order=order)
    assert alloc_contig_range(memory, 1024, 1088, False) == 0
    check(memory)
    assert (memory.page["kind"][:NR_PAGES] == m.HUGETLB).sum() == NR_PAGES - 1024
    assert (memory.page["bits"][:NR_PAGES] == 0).all()


def test_alloc_contig_range__parts_of_pageblocks():
    memory = small_memory(pages(m.ANON, every=2))
    assert alloc_contig_range(memory, 130, 200, False) == 0
    check(memory)
    kind = memory.page["kind"]
    assert (kind[130:200] == m.KERNEL).all()
    assert (kind[128:130] != m.KERNEL).all()
    assert (kind[200:224] != m.KERNEL).all()


def test_alloc_contig_range__out_of_a_larger_free_block():
    memory = small_memory(pages(m.FREE))
    assert alloc_contig_range(memory, 40, 60, False) == 0
    check(memory)
    assert memory.zone[0].free_pages == NR_PAGES - 20


def test_alloc_contig_range__unmovable_page_is_busy_and_named():
    kinds = pages(m.ANON, every=2)
    kinds[201] = m.SLAB
    memory = small_memory(kinds)
    before = memory.zone[0].nr_free.copy()
    assert alloc_contig_range(memory, 128, 256, False) == contig.EBUSY
    check(memory)
    assert events(memory, m.EV_REFUSED) == [(201, 0, m.REFUSED_UNMOVABLE, 1)]
    assert (memory.zone[0].nr_free == before).all()
    assert not memory.block["isolated"].any()
    assert "pgmigrate_success" not in counters(memory)


def test_alloc_contig_range__merges_again_after_a_failure():
    kinds = pages(m.FREE)
    kinds[201] = m.SLAB
    memory = small_memory(kinds)
    before = memory.zone[0].nr_free.copy()
    assert alloc_contig_range(memory, 0, 256, False) == contig.EBUSY
    check(memory)
    assert (memory.zone[0].nr_free == before).all()


@pytest.mark.parametrize("kind", [m.ANON, m.FILE])
def test_alloc_contig_range__pinned_page_is_busy(kind):
    kinds = pages(kind, every=2)
    pins = np.zeros(NR_PAGES, np.uint8)
    pins[201] = m.PINNED
    memory = small_memory(kinds, bits=pins)
    assert alloc_contig_range(memory, 128, 256, False) == contig.EBUSY
    check(memory)
    assert memory.page[201].kind == kind
    assert memory.page[201].bits & m.PINNED
    assert events(memory, m.EV_REFUSED) == [(201, 0, m.REFUSED_PINNED, 1)]
    ((first, end, busy),) = events(memory, m.EV_TEST_PAGES_ISOLATED)
    assert (first, end) == (128, 256)
    assert busy <= 201
    if kind == m.FILE:  # found out by moving it, five times
        assert sum(failed for _, failed in events(memory, m.EV_MIGRATEPAGES)) == contig.ATTEMPTS


def test_alloc_contig_range__no_place_to_move_to():
    kinds = pages(m.ANON)
    kinds[:60] = m.FREE  # below the min watermark
    memory = small_memory(kinds)
    assert alloc_contig_range(memory, 128, 256, False) == contig.ENOMEM
    check(memory)
    assert (memory.page["kind"][:NR_PAGES] == m.ANON).sum() == NR_PAGES - 60
    assert events(memory, m.EV_REFUSED)[-1][2] == m.REFUSED_NO_TARGET


@pytest.mark.parametrize(("is_cma", "status"), [(False, contig.EBUSY), (True, 0)])
def test_alloc_contig_range__cma_is_for_its_users(is_cma, status):
    memory = small_memory(pages(m.ANON, every=2), migratetype=m.CMA)
    assert alloc_contig_range(memory, 128, 256, is_cma) == status
    check(memory)
    assert (memory.block["migratetype"] == m.CMA).all()


def test_alloc_contig_range__beyond_the_zone_is_busy():
    memory = small_memory(pages(m.FREE), zones=[(0, 2048)])
    assert alloc_contig_range(memory, 2016, 2080, False) == contig.EBUSY
    assert alloc_contig_range(memory, 3000, 3001, False) == contig.EBUSY


def test_alloc_contig_range__takes_from_per_cpu_lists():
    memory = small_memory(pages(m.FREE))
    page = take(memory, 0)
    memory.page[page].kind = m.SLAB
    held = np.flatnonzero(memory.page["kind"][:NR_PAGES] == m.PCP)
    start, end = int(held.min()), int(held.max()) + 1
    assert (start, end) == (page + 1, page + 1 + len(held))
    assert alloc_contig_range(memory, start, end, False) == 0
    check(memory)
    assert (memory.page["kind"][start:end] == m.KERNEL).all()
    assert memory.zone[0].pcp["count"].sum() == 0


# --- all of them together -----------------------------------------------------------------------------------

KINDS = (m.FREE, m.FREE, m.FREE, m.ANON, m.ANON, m.FILE, m.FILE, m.SLAB, m.RESERVED)
BITS = (
    0,
    0,
    0,
    0,
    m.DIRTY,
    m.REFERENCED,
    m.ACTIVE,
    m.PINNED,
    m.WRITEBACK,
    m.DIRTY | m.PRIVATE,
    m.UNEVICTABLE,
)
OPERATIONS = st.one_of(
    st.tuples(st.just("reclaim"), st.integers(0, 5)),
    st.tuples(st.just("kswapd"), st.integers(0, 5)),
    st.tuples(st.just("kcompactd"), st.integers(1, 7)),
    st.tuples(st.just("proactive"), st.just(0)),
    st.tuples(st.just("contig"), st.integers(0, 511)),
    st.tuples(st.just("take"), st.integers(0, 6)),
)


def drawn_memory(seed, swap, slots=16):
    """A zone of 512 pages: runs of folios and pages of drawn kinds."""
    rng = np.random.default_rng(seed)
    kinds, bits, order = (np.zeros(512, np.uint8) for _ in range(3))
    page = 0
    while page < 512:
        kind, bit, size = rng.choice(KINDS), rng.choice(BITS), int(rng.choice((0, 0, 0, 1, 3, 5)))
        if page % (1 << size):
            size = 0
        behind = page + (1 << size)
        kinds[page:behind] = kind
        order[page:behind] = m.TAIL
        order[page] = size
        bits[page] = bit if kind in (m.ANON, m.FILE) else 0
        page = behind
    memory = small_memory(kinds, bits=bits, order=order)
    memory = memory._replace(where=np.full(slots, -1, np.int32))
    memory.page["bits"][:512][memory.page["order"][:512] == m.TAIL] = 0
    memory.zone["wmark_min"], memory.zone["wmark_low"], memory.zone["wmark_high"] = 8, 16, 24
    memory.rules["swap"] = swap
    memory.rules["compaction_proactiveness"] = 80
    heads = np.flatnonzero(np.isin(kinds, (m.ANON, m.FILE)) & (order != m.TAIL))
    for slot, page in enumerate(rng.permutation(heads)[:slots].tolist()):
        memory.where[slot] = page
        memory.page[page].slot = slot
    return memory


def perform(memory, name, argument):
    if name == "reclaim":
        try_to_free_pages(memory, argument)
    elif name == "kswapd":
        memory.zone["boost"] = 32 * (argument % 2)
        wakeup_kswapd(memory, argument, False)
        run_kswapd(memory)
    elif name == "kcompactd":
        wakeup_kcompactd(memory, argument)
    elif name == "proactive":
        proactive_check(memory)
    elif name == "contig":
        start = argument // 2
        alloc_contig_range(memory, start, min(start + 1 + argument % 96, 512), False)
    else:
        page = take(memory, argument)
        if page >= 0:
            memory.page["kind"][page : page + (1 << argument)] = m.SLAB
            memory.page["order"][page : page + (1 << argument)] = m.TAIL
            memory.page["order"][page] = argument
    run_kcompactd(memory)


@settings(deadline=None)
@given(st.integers(0, 2**32), st.booleans(), st.lists(OPERATIONS, max_size=8))
def test_background__no_page_is_lost_and_unmovable_ones_stay(seed, swap, operations):
    memory = drawn_memory(seed, swap)
    check(memory)
    pinned = np.flatnonzero(memory.page["bits"][:512] & m.PINNED)
    unmovable = np.isin(memory.page["kind"][:512], (m.SLAB, m.RESERVED))
    kinds = memory.page["kind"][:512].copy()
    for name, argument in operations:
        perform(memory, name, argument)
        check(memory)
        kind = memory.page["kind"][:512]
        assert (kind[pinned] == kinds[pinned]).all()
        assert (kind[unmovable] == kinds[unmovable]).all()
        assert not memory.block["isolated"].any()
        if not swap:  # nobody frees an anonymous page
            assert (kind == m.ANON).sum() == (kinds == m.ANON).sum()
        assert (kind == m.FILE).sum() <= (kinds == m.FILE).sum()
