"""Allocators: equal to the slow ones, true to their rules, and their books in order."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_heap import SlowHeap

import compactlab as cl
from compactlab.allocators import OUTCOMES, POLICIES, compare, replay, table, traces
from compactlab.allocators.replaying import prepare
from compactlab.core import arena
from compactlab.core.buddy import free_block, rmqueue, set_kind
from compactlab.core.byreference import by_reference
from compactlab.core.jit import integer, jit
from compactlab.core.memory import ANON, MOVABLE, Memory
from compactlab.simulation.build import Budgets, build
from compactlab.simulation.zone import Zone

of_every_policy = pytest.mark.parametrize("policy", POLICIES)


@st.composite
def requests(draw, most: int = 60, largest: int = 20) -> xr.Dataset:
    """Any trace: objects come, and some go, in any order; some frees are of unknown objects."""
    rows, live, born = [], [], 0
    for _ in range(draw(st.integers(1, most))):
        what = draw(st.integers(0, 9))
        if what == 0:
            rows.append((1, -1, 0))
        elif what < 5 and live:
            rows.append((1, live.pop(draw(st.integers(0, len(live) - 1))), 0))
        else:
            rows.append((0, born, draw(st.integers(0, largest))))
            live.append(born)
            born += 1
    return traces.trace_of(*np.array(rows).T, "any", "page")


RULES = st.fixed_dictionaries(
    {
        "fit": st.sampled_from(["first fit", "best fit"]),
        "period": st.integers(1, 12),
        "kept_up_to": st.integers(1, 9),
        "kept_per_size": st.integers(1, 3),
        "last_resort": st.booleans(),
        "max_order": st.integers(0, 7),
    }
)


@settings(max_examples=60, deadline=None)
@given(requests(), st.sampled_from(POLICIES), st.integers(1, 70), st.booleans(), RULES)
def test_replay__equals_the_slow_heap(trace, policy, size, grows, rules):
    prepared = prepare(trace, policy, size, grows, rules)
    out = np.zeros((trace.sizes["request"], arena.COLUMNS), np.int64)
    arena.replay(prepared.heap, *prepared.requests, out)
    slow = SlowHeap(policy, size, grows, **rules)
    for number, request in enumerate(zip(*(column.tolist() for column in prepared.requests), strict=True)):
        assert tuple(out[number].tolist()) == slow.request(*request), number


def assert_books_are_in_order(heap: arena.Heap, held: dict[int, tuple[int, int]]) -> None:
    """Blocks tile what was obtained; lists hold the free ones, each once; nothing overlaps."""
    end, main = int(heap.books[arena.END]), heap.kind.size
    blocks, at = [], 0
    while at < end:
        blocks.append((at, int(heap.length[at]), int(heap.kind[at])))
        assert heap.length[at] > 0
        assert (heap.kind[at + 1 : at + heap.length[at]] == arena.INSIDE).all()
        at += int(heap.length[at])
    assert at == end
    used = {(begin, length) for begin, length, kind in blocks if kind == arena.USED}
    assert used == set(held.values())
    free = {begin: length for begin, length, kind in blocks if kind in (arena.FREE, arena.HELD)}
    listed = []
    for which in range(heap.listed.size):
        block = int(heap.next[main + which])
        before = len(listed)
        while block != main + which:
            listed.append(block)
            block = int(heap.next[block])
        assert len(listed) - before == heap.listed[which]
    assert sorted(listed) == sorted(free)
    assert heap.books[arena.FREE_TOTAL] == sum(free.values())
    assert heap.books[arena.FREE_BLOCKS] == len(free)
    assert sum(free.values()) + sum(length for _, length in used) == end


@of_every_policy
@settings(max_examples=25, deadline=None)
@given(trace=requests(), grows=st.booleans(), rules=RULES)
def test_heap__books_are_in_order_after_each_request(policy, trace, grows, rules):
    heap, _, columns = prepare(trace, policy, 64, grows, rules)
    held: dict[int, tuple[int, int]] = {}
    for request in range(trace.sizes["request"]):
        out = np.zeros((1, arena.COLUMNS), np.int64)
        arena.replay(heap, *(column[request : request + 1] for column in columns), out)
        thing, outcome = int(trace.object[request]), OUTCOMES[out[0, arena.OUTCOME]]
        if trace.op[request] == 1:
            held.pop(thing, None)
        elif outcome == "served":
            begin = int(out[0, arena.ADDRESS])
            held[thing] = (begin, int(heap.length[begin]))
            assert heap.length[begin] >= columns[2][request]
        assert_books_are_in_order(heap, held)
        if policy in POLICIES[:4]:  # merged at once: no two free blocks side by side
            begins = np.flatnonzero(heap.kind == arena.FREE)
            assert not np.isin(begins + heap.length[begins], begins).any()
        if policy == "buddy":
            begins = np.flatnonzero(heap.kind != arena.INSIDE)
            assert (begins % heap.length[begins] == 0).all()


@of_every_policy
def test_replay__all_freed_and_merged_is_as_at_first(policy):
    trace = traces.written("a 48, b 160, c 16, d 32, free c, free a, free d, free b")
    told = replay(trace, policy, 512, period=1, kept_per_size=1, last_resort=True)
    assert int(told.free[-1]) == 512
    if policy not in ("recent frees", "periodic consolidation"):
        assert int(told.largest_free[-1]) == 512
    assert told.in_use.values[-1] == told.requested.values[-1] == 0


def addresses(text: str, policy: str, size: int, **rules) -> list[int]:
    told = replay(traces.written(text), policy, size, **rules)
    return told.address.values[told.op.values == 0].tolist()


HOLES = "hole 64, w 16, small 32, v 16, free hole, free small"
"""Holes of 64 at 0, of 32 at 80, and behind 128 all that is left."""


@pytest.mark.parametrize(
    ("policy", "place"),
    [
        ("first fit", 0),
        ("best fit", 80),
        ("worst fit", 128),
        ("next fit", 128),
        ("periodic consolidation", 80),
    ],
)
def test_replay__each_fit_takes_its_own_hole(policy, place):
    assert addresses(f"{HOLES}, x 32", policy, 256)[-1] == place


def test_next_fit__goes_on_where_it_stopped_and_comes_around():
    assert addresses(f"{HOLES}, x 96, y 32, z 32", "next fit", 256)[-3:] == [128, 224, 0]


def test_next_fit__rover_follows_the_block_it_stood_on():
    # The rover stands on what follows c; freeing c merges that into c's block, where the search goes on.
    assert addresses("a 16, b 16, c 16, free a, free c, x 16", "next fit", 64)[-1] == 32


def test_buddy__splits_and_merges_by_hand():
    told = replay(traces.written("a 16, b 40, c 16, free a, free c, free b"), "buddy", 128)
    assert told.address.values.tolist() == [0, 64, 16, 0, 16, 64]
    assert told.largest_free.values.tolist() == [64, 32, 32, 32, 64, 128]
    assert told.in_use.values.tolist() == [16, 80, 96, 80, 64, 0]
    assert told.search_steps.values.tolist() == [4, 1, 1, 1, 3, 1]


def test_recent_frees__gives_the_same_block_again_in_one_step():
    told = replay(traces.written("a 48, b 16, free a, c 48, free c, d 32"), "recent frees", 256)
    assert told.address.values.tolist() == [0, 48, 0, 0, 0, 64]
    assert told.search_steps.values[3] == 1
    assert told.outcome.values.tolist() == [0] * 6


def test_recent_frees__oldest_makes_room():
    text = "a 32, b 32, w 16, free a, free b, c 32, d 32"
    assert addresses(text, "recent frees", 256, kept_per_size=1)[-2:] == [32, 0]
    assert addresses(text, "recent frees", 256, kept_per_size=2)[-2:] == [32, 0]
    larger = "a 32, b 32, w 16, free a, free b, x 64"
    assert addresses(larger, "recent frees", 256)[-1] == 80  # a and b lie side by side, unmerged


def test_periodic_consolidation__merges_at_its_time_only():
    text = "a 64, b 64, free a, free b, x 128"
    told = replay(traces.written(text), "periodic consolidation", 128, period=6)
    assert OUTCOMES[told.outcome.values[-1]] == "unmerged"
    told = replay(traces.written(text), "periodic consolidation", 128, period=5)
    assert OUTCOMES[told.outcome.values[-1]] == "served"
    told = replay(traces.written(text), "periodic consolidation", 128, period=6, last_resort=True)
    assert OUTCOMES[told.outcome.values[-1]] == "served"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a 64, x 80", "shortage"),
        ("a 32, b 32, c 32, d 32, free a, free c, x 48", "fragmentation"),
        ("a 128, x 16, free a, y 144", "shortage"),
    ],
)
def test_refusal__says_why(text, why):
    assert OUTCOMES[replay(traces.written(text), "first fit", 128).outcome.values[-1]] == why


def test_refusal__buddies_side_by_side_that_are_no_buddies():
    told = replay(traces.written("a 16, b 16, c 16, d 16, free b, free c, x 32"), "buddy", 64)
    assert OUTCOMES[told.outcome.values[-1]] == "unmerged"
    assert (
        OUTCOMES[replay(traces.written("a 16, free a, free_ 16"), "buddy", 16).outcome.values[-1]] == "served"
    )


def test_replay__free_of_what_was_refused_is_skipped():
    told = replay(traces.written("a 32, b 32, free b, free a"), "first fit", 32)
    assert [OUTCOMES[code] for code in told.outcome.values] == ["served", "shortage", "unknown", "served"]


def test_internal_fragmentation__six_kb_in_eight():
    trace = traces.written("a 6144")
    assert float(replay(trace, "buddy", 8192).internal[0]) == 0.25
    assert float(replay(trace, "first fit", 8192).internal[0]) == 0
    assert float(replay(trace, "first fit", 8192, header=16).internal[0]) == pytest.approx(16 / 6160)


def test_external_fragmentation__two_three_three_kb():
    text = "a 2048, u 16, b 3072, v 16, c 3072, w 16, free a, free b, free c, x 4096"
    told = replay(traces.written(text), "best fit", 8192 + 48)
    assert OUTCOMES[told.outcome.values[-1]] == "fragmentation"
    assert float(told.external[-1]) == pytest.approx(1 - 3 / 8)
    served = replay(traces.written(text.replace("c 3072", "c 5120")), "best fit", 10240 + 48)
    assert OUTCOMES[served.outcome.values[-1]] == "served"


def test_growing_arena__is_obtained_as_needed_and_never_more_than_its_size():
    told = replay(traces.written("a 48, b 16, free b, c 32, d 160"), "first fit", 128, grows=True)
    assert told.obtained.values.tolist() == [48, 64, 64, 80, 80]
    assert OUTCOMES[told.outcome.values[-1]] == "shortage"
    assert (replay(traces.steady(2000, live=50), "best fit").outcome == 0).all()


@jit
def _linux(of: Memory, order: np.ndarray, where: np.ndarray, thing: np.ndarray, counts: np.ndarray) -> None:
    """Serve requests by the kernel's own buddies; order -1 frees."""
    memory = by_reference(of)
    for request in range(thing.size):
        if order[request] >= 0:
            page = rmqueue(memory, 0, integer(order[request]), MOVABLE, 0)
            if page >= 0:
                set_kind(memory, page, integer(order[request]), ANON)
            where[thing[request]] = page
        elif where[thing[request]] >= 0:
            page = integer(where[thing[request]])
            free_block(memory, 0, page, integer(memory.page[page].order))
        for each in range(counts.shape[1]):
            counts[request, each] = memory.zone[0].nr_free[each, MOVABLE]


@settings(max_examples=20, deadline=None)
@given(orders=st.lists(st.integers(0, 4), min_size=1, max_size=80), seed=st.integers(0, 99))
def test_buddy__holds_what_the_kernels_allocator_holds(orders, seed):
    count = len(orders)
    back = np.random.default_rng(seed).permutation(count)
    op = np.repeat([0, 1], count)
    size = np.r_[1 << np.array(orders), np.zeros(count, np.int64)]
    trace = traces.trace_of(op, np.r_[np.arange(count), back], size, "then back", "page")
    told = replay(trace, "buddy", 256, max_order=6)
    memory = build([Zone(pages=256, pageblock_order=4, nr_orders=7, start_pfn=0)], budgets=Budgets(0, 200, 0))
    counts = np.zeros((2 * count, 7), np.int64)
    where = np.full(count, -1, np.int64)
    _linux(memory, np.r_[np.array(orders), np.full(count, -1)], where, trace.object.values, counts)
    # Filling: the same requests are refused, and as many blocks are free of as many pages. All freed: whole again.
    assert ((where < 0) == (told.outcome.values[:count] > 0)).all()
    pages = (counts << np.arange(7)).sum(1)
    assert (told.free.values[:count] == pages[:count]).all()
    assert (told.free_blocks.values[:count] == counts.sum(1)[:count]).all()
    assert told.free_blocks.values[-1] == counts[-1].sum() == 4
    assert told.free.values[-1] == pages[-1] == 256


def test_compare__adds_up_and_is_a_table():
    trace = traces.adversarial("recent frees")
    told = compare(trace, ["first fit", "buddy", "recent frees"], trace.attrs["arena"])
    assert told.sizes == {"policy": 3, "request": trace.sizes["request"]}
    assert told.refused.values.tolist() == [0, 0, 1]
    assert told.unmerged.values.tolist() == [0, 0, 1]
    assert int(told.peak_live) == 7 * (128 + 64 + 32 + 16)
    one = replay(trace, "buddy", trace.attrs["arena"])
    assert (told.search_steps.sel(policy="buddy") == one.search_steps).all()
    shown = table(told)
    assert shown.index.tolist() == ["first fit", "buddy", "recent frees"]
    assert shown.iloc[2, 0] == "1 (unmerged)"
    with pytest.raises(ValueError, match=r"allocators\.compare gives"):
        table(one)


def test_compare__one_policy_by_name():
    assert compare(traces.written("a 16"), "buddy", 64).policy.values.tolist() == ["buddy"]
    with pytest.raises(ValueError, match="found none; expected some of first fit"):
        compare(traces.written("a 16"), [], 64)


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        ({"policy": "first fitt"}, ValueError, "expected 'first fit'"),
        ({"size": 100}, ValueError, "multiple of the granule"),
        ({"size": 0}, ValueError, "found 0 bytes"),
        ({"size": "64 KiB"}, TypeError, "whole number of bytes"),
        ({"size": True}, TypeError, "found True"),
        ({"perid": 3}, TypeError, "did you mean 'period'"),
        ({"colour": 3}, TypeError, "is none of them; expected some of granule"),
        ({"period": 0}, ValueError, "period=0; expected a whole number from 1"),
        ({"period": 2.5}, ValueError, r"period=2\.5"),
        ({"fit": "worst fit"}, ValueError, "fit='worst fit'"),
        ({"granule": 0}, ValueError, "granule=0"),
    ],
)
def test_replay__says_what_is_wrong(arguments, error, told):
    with pytest.raises(error, match=told):
        replay(traces.written("a 48"), **arguments)


def test_replay__too_much_memory_is_refused_before_it_is_taken():
    with pytest.raises(ValueError, match="Give a larger granule"):
        replay(traces.written(f"a {1 << 39}"), "first fit")


def test_public_names__are_reached_from_the_package():
    assert cl.allocators.POLICIES == POLICIES
    assert len(POLICIES) == 7


@pytest.mark.parametrize(
    ("answer", "kind", "told"),
    [
        (traces.written(", ".join(f"x{n} 1" for n in range(9))), "out_of_range", "9 requests; at most 8"),
        (traces.written("a 1", unit="page"), "wrong_unit", "in bytes"),
        (traces.written("a 1").drop_vars("op"), "nonsense", "no trace"),
        ("a 53, b 1", "wrong_type", "traces.written"),
        (traces.written("a 53, b 1, free a, x 46, y 53"), "wrong_value", "the other way round"),
        (traces.written("a 60, b 60"), "wrong_value", "but first fit refuses request 2"),
    ],
)
def test_exercise__tells_what_is_wrong_with_a_trace(answer, kind, told):
    outcome = cl.teaching.check("best-fit-fails", answer)
    assert (outcome.kind, told in outcome.text) == (kind, True), outcome.text
