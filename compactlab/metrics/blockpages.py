"""The pages of one pageblock at a moment: a page map, and what was moved since."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..core.memory import ANON, FILE, FREE, HOLE, HUGETLB, PCP, TAIL, UNKNOWN
from ..schema import NAMES, pageblock_order

STATES = ("hole", "free", "movable", "large", "cannot_move", "unknown", "pinned", "moved_out", "moved_in")
"""What a page is, to compaction; the last two since the page map: its page was moved out, one was moved in."""

HOLES, FREE_PAGE, MOVABLE_PAGE, LARGE, CANNOT_MOVE, UNTOLD, PINNED_PAGE, MOVED_OUT, MOVED_IN = range(9)

_PINNED = np.uint8(1 << NAMES["pages"]["flags"].index("pinned"))


class BlockPages:
    """Looks pages up, pageblock by pageblock.

    Parameters
    ----------
    run
        A run with `/pages`.
    moved
        What `moves` found; None where nothing tells what was moved.
    """

    def __init__(self, run: xr.DataTree, moved: xr.Dataset | None) -> None:
        pages = run["pages"].to_dataset()
        self._kind, self._orders, self._flags = (
            pages[name].to_numpy() for name in ("kind", "order", "flags")
        )
        self._order = pageblock_order(run) or 9
        self.size = 1 << self._order
        self._keyframes = pages["elapsed"].to_numpy()
        self._first_pfn = pages["first_pfn"].to_numpy()
        self._elapsed = run["events"]["elapsed"].to_numpy() if moved is not None else np.zeros(0, np.int64)
        page, event, out = single_pages(moved)
        by_block = np.argsort(page >> self._order, kind="stable")  # they come in the order of events
        self._page, self._event, self._out = page[by_block], event[by_block], out[by_block]
        block = self._page >> self._order
        self._first_block = int(block[0]) if block.size else 0
        blocks = int(block[-1]) - self._first_block + 1 if block.size else 0
        self._begins = np.searchsorted(block, self._first_block + np.arange(blocks + 1))

    def at(self, start_pfn: int, elapsed: int) -> tuple[np.ndarray, int]:
        """States of the pages of one pageblock.

        Parameters
        ----------
        start_pfn
            First page frame number of the pageblock.
        elapsed
            Moment, ns.

        Returns
        -------
            (pages of a pageblock,) uint8, positions in ``STATES``; and the moment (ns) of the page map that it is
            based on: what was allocated or freed since is not in it.
        """
        keyframe = max(int(np.searchsorted(self._keyframes, elapsed, "right")) - 1, 0)
        states = self._mapped(keyframe, start_pfn)
        some = self._of_block(start_pfn >> self._order)
        at = self._elapsed[self._event[some]]
        since = np.flatnonzero((at > self._keyframes[keyframe]) & (at <= elapsed))
        since = since[np.argsort(at[since], kind="stable")]
        states[self._page[some][since] - start_pfn] = np.where(self._out[some][since], MOVED_OUT, MOVED_IN)
        return states, int(self._keyframes[keyframe])

    def _of_block(self, block: int) -> slice:
        """Changes of the pages of one pageblock."""
        at = block - self._first_block
        return slice(*self._begins[at : at + 2]) if 0 <= at < self._begins.size - 1 else slice(0, 0)

    def _mapped(self, keyframe: int, start_pfn: int) -> np.ndarray:
        """States in one page map; pages it does not cover are holes."""
        begin = start_pfn - int(self._first_pfn[keyframe])
        some = slice(max(begin, 0), max(begin + self.size, 0))
        kind, order, flags = (each[keyframe, some] for each in (self._kind, self._orders, self._flags))
        states = np.zeros(self.size, np.uint8)
        states[max(-begin, 0) : max(-begin, 0) + kind.size] = _states(kind, order, flags)
        return states


def single_pages(moved: xr.Dataset | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Moves page by page, each told at both ends: all that were moved out, then all that were moved in.

    Returns
    -------
        Page frame number and event, in as few bytes as hold them, and whether the page was moved out (else in);
        each (change,).
    """
    if moved is None or not moved.sizes["move"]:
        return np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, bool)
    source, target = (_every_page(moved, name) for name in ("source_pfn", "target_pfn"))
    event = np.repeat(moved["event"].to_numpy().astype(np.int32), 1 << moved["order"].to_numpy())
    return np.concatenate([source, target]), np.tile(event, 2), np.repeat([True, False], source.size)


def _every_page(moved: xr.Dataset, name: str) -> np.ndarray:
    """All page frame numbers of folios that begin at those of one end."""
    pfn, order = moved[name].to_numpy(), moved["order"].to_numpy()
    pfn = pfn.astype(np.int32 if pfn.max(initial=0) < 1 << 30 else np.int64)
    if not order.any():
        return pfn
    size = 1 << order
    return np.repeat(pfn, size) + within(size).astype(pfn.dtype)


def within(size: np.ndarray) -> np.ndarray:
    """Positions in each of several runs, one after the other.

    >>> within(np.array([2, 3])).tolist()
    [0, 1, 0, 1, 2]
    """
    return np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)


def _states(kind: np.ndarray, order: np.ndarray, flags: np.ndarray) -> np.ndarray:
    """What pages of one pageblock are to compaction; all arrays (page)."""
    states = np.full(kind.size, CANNOT_MOVE, np.uint8)
    states[kind == HOLE] = HOLES
    states[kind == FREE] = FREE_PAGE
    states[(kind == UNKNOWN) | (kind == PCP)] = UNTOLD
    movable = (kind == ANON) | (kind == FILE)
    states[movable] = MOVABLE_PAGE
    head = np.maximum.accumulate(np.where(order != TAIL, np.arange(kind.size), 0))
    states[(movable & (order[head] > 0)) | (kind == HUGETLB)] = LARGE
    states[movable & ((flags[head] & _PINNED) != 0)] = PINNED_PAGE
    return states
