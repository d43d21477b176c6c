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
        self._pages = run["pages"].to_dataset()
        self._order = pageblock_order(run) or 9
        self.size = 1 << self._order
        self._keyframes = self._pages["elapsed"].to_numpy()
        self._first_pfn = self._pages["first_pfn"].to_numpy()
        elapsed = run["events"]["elapsed"].to_numpy() if moved is not None else np.zeros(0, np.int64)
        page, self._at, self._out = single_pages(moved, elapsed)
        by_block = np.lexsort((self._at, page >> self._order))
        self._page, self._at, self._out = page[by_block], self._at[by_block], self._out[by_block]
        self._block = self._page >> self._order

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
        block = start_pfn >> self._order
        some = slice(*np.searchsorted(self._block, (block, block + 1)))
        since = (self._at[some] > self._keyframes[keyframe]) & (self._at[some] <= elapsed)
        states[self._page[some][since] - start_pfn] = np.where(self._out[some][since], MOVED_OUT, MOVED_IN)
        return states, int(self._keyframes[keyframe])

    def _mapped(self, keyframe: int, start_pfn: int) -> np.ndarray:
        """States in one page map; pages it does not cover are holes."""
        begin = start_pfn - int(self._first_pfn[keyframe])
        some = slice(max(begin, 0), max(begin + self.size, 0))
        kind, order, flags = (
            self._pages[name].to_numpy()[keyframe, some] for name in ("kind", "order", "flags")
        )
        states = np.zeros(self.size, np.uint8)
        states[max(-begin, 0) : max(-begin, 0) + kind.size] = _states(kind, order, flags)
        return states


def single_pages(moved: xr.Dataset | None, elapsed: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Moves page by page, each told at both ends.

    Returns
    -------
        Page frame number, moment (ns), and whether the page was moved out (else in); each (change,).
    """
    if moved is None or not moved.sizes["move"]:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, bool)
    size = 1 << moved["order"].to_numpy()
    within = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
    source, target = (
        np.repeat(moved[name].to_numpy(), size) + within for name in ("source_pfn", "target_pfn")
    )
    at = np.repeat(elapsed[moved["event"].to_numpy()], size)
    out = np.repeat([True, False], source.size)
    return np.concatenate([source, target]), np.concatenate([at, at]), out


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
