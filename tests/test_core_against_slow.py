"""The fast kernel against the slow reference: equal steps, equal zones, on drawn zones and requests."""

from __future__ import annotations

import pytest
from fast_zone import STEPS, FastZone
from hypothesis import given, note, settings
from hypothesis import strategies as st
from slow_zone import MOVABLE, NONE, RECLAIMABLE, UNMOVABLE
from strategies_zone import (
    BEFORE_HYGIENE,
    CLAIM_OR_TAKE,
    CROWDED,
    FALLBACK_TYPES,
    KIND_OF_REQUEST,
    LATEST,
    REQUEST_TYPES,
    used,
    zones,
)


def assert_same_steps(slow, fast):
    """Scans and batches one by one; moves in one batch by one batch."""
    names = {name for name, _ in STEPS.values()}
    expected = [step for step in slow.trace if step[0] in names]
    for at, (slow_step, fast_step) in enumerate(zip(expected, fast.steps(), strict=False)):
        assert fast_step == slow_step, f"step {at} after {expected[max(0, at - 3) : at]}"
    assert len(fast.steps()) == len(expected)
    assert fast.moves() == [step[1:] for step in slow.trace if step[0] == "move"]


def assert_same(slow, fast):
    expected, found = slow.state(), fast.state()
    for key, value in expected.items():
        if key != "pages":
            assert found[key] == value, key
    for pfn, (theirs, ours) in enumerate(zip(found["pages"], expected["pages"], strict=True), slow.start_pfn):
        if ours[0] not in ("hole", "reserved"):
            assert theirs == ours, f"page {pfn}"
    assert fast.memory.zone[0].free_pages == slow.free_pages()
    assert fast.memory.zone[0].free_pages_blocks == slow.free_pages_blocks()


TEXT = pytest.mark.parametrize("text", [LATEST, CLAIM_OR_TAKE, BEFORE_HYGIENE], ids=["6.15", "6.10", "6.6"])

ALLOCATIONS = st.lists(
    st.one_of(
        st.tuples(
            st.just("alloc"),
            st.integers(0, 7),
            st.sampled_from(REQUEST_TYPES),
            st.booleans(),
            st.sampled_from((1, 10, 1000)),  # 1000: until nothing is left
        ),
        st.tuples(st.just("free"), st.integers(0, 10_000)),
    ),
    min_size=1,
    max_size=12,
)


@TEXT
@pytest.mark.parametrize("crowded", [False, True])
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_buddy__is_the_slow_one(text, crowded, data):
    slow = data.draw(zones([text], FALLBACK_TYPES, CROWDED) if crowded else zones([text]))
    fast = FastZone(slow)
    assert_same(slow, fast)
    for request in data.draw(ALLOCATIONS):
        if request[0] == "alloc":
            order, migratetype = min(request[1], slow.rules.max_order), request[2]
            kind = KIND_OF_REQUEST[migratetype]
            for _ in range(request[4]):
                expected = slow.alloc(order, migratetype, kind, request[3])
                assert fast.alloc(order, migratetype, kind, request[3]) == expected
                if expected is None:
                    break
        else:
            there = used(slow)
            if there:
                pfn = there[request[1] % len(there)]
                slow.free(pfn)
                fast.free(pfn)
        note(request)
        assert_same(slow, fast)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_highatomic__is_the_slow_one(data):
    slow = data.draw(zones([LATEST]))
    slow.managed = 100 * data.draw(st.integers(0, 3)) * slow.block_pages
    fast = FastZone(slow)
    for _ in range(data.draw(st.integers(1, 6))):
        order = data.draw(st.integers(1, slow.rules.pageblock_order - 1))
        expected = slow.alloc(order, UNMOVABLE, "kernel", False, True)
        assert fast.alloc(order, UNMOVABLE, "kernel", False, True) == expected
        assert_same(slow, fast)
    for force in data.draw(st.lists(st.booleans(), max_size=4)):
        migratetype = data.draw(st.sampled_from((UNMOVABLE, MOVABLE, RECLAIMABLE)))
        assert fast.unreserve_highatomic(migratetype, force) == slow.unreserve_highatomic(migratetype, force)
        assert_same(slow, fast)


@TEXT
@pytest.mark.parametrize("trigger", ["manual", "proactive"])
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_compact__whole_zone_is_the_slow_one(text, trigger, data):
    slow = data.draw(zones([text]))
    fast = FastZone(slow)
    expected = slow.compact(trigger=trigger)
    assert fast.compact(trigger=trigger) == expected
    assert_same_steps(slow, fast)
    assert_same(slow, fast)


@TEXT
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_compact__for_a_request_is_the_slow_one(text, data):
    slow = data.draw(zones([text]))
    fast = FastZone(slow)
    for _ in range(data.draw(st.integers(1, 4))):
        order = data.draw(st.integers(1, slow.rules.max_order))
        slow.trace.clear()
        if data.draw(st.integers(0, 3)) == 0:
            note(("kcompactd", order))
            assert fast.compact(order, "kcompactd") == slow.compact(order, "kcompactd")
        else:
            migratetype = data.draw(st.sampled_from(REQUEST_TYPES))
            priority = data.draw(st.integers(0, 2))
            note(("direct", order, migratetype, priority))
            expected = slow.try_to_compact(order, migratetype, priority)
            found = fast.try_to_compact(order, migratetype, priority)
            if any(step[0] == "begin" for step in slow.trace):
                assert_same_steps(slow, fast)
            assert found == expected
            if expected[1] != NONE:
                kind = KIND_OF_REQUEST[migratetype]
                slow.put(expected[1], kind, order, lru=kind == "anon")
                fast.put(expected[1], kind, order, lru=kind == "anon")
        assert_same(slow, fast)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_reset_isolation_suitable__is_the_slow_one(data):
    slow = data.draw(zones([LATEST]))
    for block in slow.skip:
        slow.skip[block] = data.draw(st.booleans())
    slow.blockskip_flush = True
    fast = FastZone(slow)
    slow.reset_isolation_suitable()
    fast.reset_isolation_suitable()
    assert_same(slow, fast)
