"""The rows that workloads are made of."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compactlab.core import memory
from compactlab.simulation import requests as rq


def view_of(pages=1 << 12, max_order=10, huge_order=9, nr_free=None):
    if nr_free is None:
        nr_free = np.zeros(max_order + 1, np.int64)
        nr_free[max_order] = pages >> max_order
    return rq.View(pages, huge_order, huge_order, np.asarray(nr_free))


def test_request__every_operation_has_a_name():
    assert len(rq.OPS) == rq.CONTIG + 1
    assert all(getattr(rq, name.upper()) == code for code, name in enumerate(rq.OPS))


def test_gfp__bits_do_not_overlap():
    bits = [
        rq.DIRECT_RECLAIM,
        rq.KSWAPD_RECLAIM,
        rq.NORETRY,
        rq.HIGH,
        rq.THISNODE,
        rq.RETRY_MAYFAIL,
        rq.IO_FS,
        rq.FAULT,
        rq.RECORD,
        rq.DMA32,
    ]
    assert sum(bits) + rq.GFP_TYPE == np.bitwise_or.reduce([*bits, rq.GFP_TYPE])
    assert max(bits) < 1 << 16  # a field of REQUEST holds them


@pytest.mark.parametrize(
    ("gfp", "migratetype", "direct", "kswapd"),
    [  # include/linux/gfp_types.h, 6.18
        (rq.GFP_KERNEL, memory.UNMOVABLE, True, True),
        (rq.GFP_ATOMIC, memory.UNMOVABLE, False, True),
        (rq.GFP_NOWAIT, memory.UNMOVABLE, False, True),
        (rq.GFP_RECLAIMABLE, memory.RECLAIMABLE, True, True),
        (rq.GFP_HIGHUSER_MOVABLE, memory.MOVABLE, True, True),
        (rq.GFP_TRANSHUGE, memory.MOVABLE, True, False),
        (rq.GFP_TRANSHUGE_LIGHT, memory.MOVABLE, False, False),
    ],
)
def test_gfp__says_what_the_kernel_says(gfp, migratetype, direct, kswapd):
    assert gfp & rq.GFP_TYPE == migratetype
    assert bool(gfp & rq.DIRECT_RECLAIM) == direct
    assert bool(gfp & rq.KSWAPD_RECLAIM) == kswapd
    assert bool(gfp & rq.HIGH) == (gfp == rq.GFP_ATOMIC)


def test_rows__mixes_numbers_and_arrays():
    made = rq.rows(rq.ALLOC, [4, 9], count=3, order=[0, 2], gfp=rq.GFP_ATOMIC | rq.RECORD)
    assert made.dtype == rq.REQUEST
    assert made[["op", "slot", "count", "order"]].tolist() == [(0, 4, 3, 0), (0, 9, 3, 2)]
    assert (made["gfp"] == rq.GFP_ATOMIC | rq.RECORD).all()
    assert not made["think_ns"].any()


@given(st.integers(0, 1000), st.integers(0, 200_000))
def test_span__names_every_slot_once(slot, count):
    made = rq.span(rq.FREE, slot, count)
    named = [np.arange(row["slot"], int(row["slot"]) + row["count"]) for row in made]
    assert np.array_equal(np.concatenate([np.empty(0, int), *named]), np.arange(slot, slot + count))
    assert (made["count"] > 0).all()


@given(st.integers(0, 10**12))
def test_wait__takes_as_long_as_asked(ns):
    made = rq.wait(ns)
    assert made["think_ns"].sum(dtype=np.int64) == ns
    assert (made["op"] == rq.WAIT).all()
    assert (made["think_ns"] <= rq.SECOND).all()


@given(st.lists(st.integers(0, 30), min_size=1, max_size=5), st.integers(0, 2**32))
def test_interleave__keeps_each_stream_in_order(sizes, seed):
    streams = [rq.rows(rq.FREE, np.arange(size), node=number) for number, size in enumerate(sizes)]
    mixed = rq.interleave(rq.generator(seed), *streams)
    assert mixed.size == sum(sizes)
    for number, stream in enumerate(streams):
        assert np.array_equal(mixed[mixed["node"] == number], stream)


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=14), st.data())
def test_unusable_index__is_the_share_in_smaller_blocks(nr_free, data):
    order = data.draw(st.integers(0, len(nr_free) - 1))
    view = view_of(nr_free=nr_free)
    pages = [blocks << size for size, blocks in enumerate(nr_free)]
    small = sum(pages[:order])
    expected = small * 1000 // sum(pages) / 1000 if sum(pages) else 1.0
    assert view.free_pages == sum(pages)
    assert view.unusable_index(order) == expected


@dataclass(frozen=True)
class asks(rq.Workload):  # noqa: N801
    order: int
    n_slots: int = 1

    def orders(self, view):  # noqa: ARG002
        return (0, self.order)

    def slots(self, view):  # noqa: ARG002
        return self.n_slots


@pytest.mark.parametrize(("order", "pages"), [(11, 1 << 12), (10, 1000), (-1, 1 << 12)])
def test_check__refuses_an_order_the_zone_cannot_hold(order, pages):
    with pytest.raises(ValueError, match=rf"workload asks: .* order {order} .*orders 0 to (9|10)\. Choose"):
        rq.check(asks(order), view_of(pages))


def test_check__accepts_the_largest_order():
    rq.check(asks(10), view_of(1 << 10))


def test_check__refuses_more_slots_than_can_be_named():
    with pytest.raises(ValueError, match="2147483648 slots, at most 2147483647"):
        rq.check(asks(0, 1 << 31), view_of())


def test_config__is_name_and_parameters():
    assert asks(3).config == {"workload": "asks", "order": 3, "n_slots": 1}
