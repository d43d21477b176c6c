"""A trace of requests served by first fit and by buddies: compactlab, and allocators in plain Python."""

from __future__ import annotations

from bisect import bisect, insort

import xarray as xr

from compactlab.allocators import replay, traces

from .table import Row, measured

GRANULE = 16
ARENA = 1 << 18


def first_fit(requests: list[tuple[int, int, int]]) -> list[int]:
    """Where each object is put; free blocks are a sorted list of (begin, length)."""
    free, where, size_of, places = [(0, ARENA)], {}, {}, []
    for op, thing, size in requests:
        if op:
            begin, length = where.pop(thing), size_of.pop(thing)
            at = bisect(free, (begin, 0))
            if at < len(free) and free[at][0] == begin + length:
                length += free.pop(at)[1]
            if at and sum(free[at - 1]) == begin:
                begin, before = free.pop(at - 1)
                length += before
            insort(free, (begin, length))
            continue
        need = -(-size // GRANULE) * GRANULE
        at = next(at for at, (_, length) in enumerate(free) if length >= need)
        begin, length = free[at]
        free[at : at + 1] = [(begin + need, length - need)] if length > need else []
        where[thing], size_of[thing] = begin, need
        places.append(begin)
    return places


def buddy(requests: list[tuple[int, int, int]]) -> list[int]:
    """Where each object is put; free blocks are a list for each order, the last freed at its end."""
    top = (ARENA // GRANULE).bit_length() - 1
    free: list[list[int]] = [[] for _ in range(top)] + [[0]]
    where, order_of, places = {}, {}, []
    for op, thing, size in requests:
        if op:
            begin, order = where.pop(thing), order_of.pop(thing)
            while order < top and (begin ^ 1 << order) in free[order]:
                free[order].remove(begin ^ 1 << order)
                begin &= ~(1 << order)
                order += 1
            free[order].append(begin)
            continue
        order = (-(-size // GRANULE) - 1).bit_length()
        current = next(each for each in range(order, top + 1) if free[each])
        begin = free[current].pop()
        for half in range(current - 1, order - 1, -1):
            free[half].append(begin + (1 << half))
        where[thing], order_of[thing] = begin, order
        places.append(begin * GRANULE)
    return places


def _places(told: xr.Dataset) -> list[int]:
    return told.address.values[told.op.values == 0].tolist()


def rows() -> list[Row]:
    """Measure both policies, and see that each puts every object where its twin does."""
    trace = traces.steady(requests=100_000, live=600)
    requests = list(zip(*(trace[name].values.tolist() for name in ("op", "object", "size")), strict=True))
    table = []
    for policy, plain in (("first fit", first_fit), ("buddy", buddy)):
        assert _places(replay(trace, policy, ARENA)) == plain(requests)
        ways = {
            "compactlab": lambda policy=policy: replay(trace, policy, ARENA),
            "plain Python": lambda plain=plain: plain(requests),
        }
        table += measured(f"serve {len(requests):,} requests by {policy}", ways)
    return table
