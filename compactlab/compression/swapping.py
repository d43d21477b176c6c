"""Swapping out to compressed memory, as a zone sees it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..core import memory
from ..simulation.requests import (
    ALLOC,
    FAULT,
    FREE,
    GFP_HIGHUSER_MOVABLE,
    HIGH,
    View,
    Workload,
    check_share,
    generator,
    phase,
    rows,
    share_of,
    span,
)


@dataclass(frozen=True)
class swap_out(Workload):  # noqa: N801
    """Fill memory until crumbs are left, then compress the cold pages one by one, wherever they lie.

    Of the anonymous pages that fill memory a few are given back at random places, and whole huge pages that are
    still free are taken, so that none is to be had. Then each cold page is given back, and a part of a page of
    the pool taken for it: a lone page, movable as zsmalloc's are. Nothing else moves.
    """

    seed: int = 0
    fill: float = 0.95
    """Share of memory that is filled."""
    free: float = 0.1
    """Share of these pages that is given back before anything is compressed."""
    cold: float = 0.4
    """Share of these pages that is cold."""
    pool: float = 0.45
    """Pages of the pool for each page compressed, as `Pool` tells."""
    together: int = 1
    """Cold pages that lie beside each other."""
    PHASES: ClassVar[tuple[str, ...]] = ("fill", "compress")

    def __post_init__(self) -> None:
        check_share(self, "fill", "free", "cold", "pool")
        if self.free + self.cold > 1:
            raise ValueError(
                f"workload {self.name}: free={self.free} and cold={self.cold}; expected at most 1 together"
            )
        if self.together < 1:
            raise ValueError(f"workload {self.name}: together={self.together}; expected at least 1 page")

    def orders(self, view: View) -> tuple[int, ...]:
        """Lone pages and huge pages."""
        return 0, view.huge_order

    def _sizes(self, view: View) -> tuple[int, int, int, int]:
        """Pages filled, given back at once, cold, and of the pool."""
        filled = share_of(view.pages, self.fill)
        cold = share_of(filled, self.cold)
        return filled, share_of(filled, self.free), cold, share_of(cold, self.pool)

    def slots(self, view: View) -> int:
        """One for each page that is filled, each of the pool and each huge page there may be."""
        filled, _, _, pool = self._sizes(view)
        return filled + pool + (view.pages >> view.huge_order)

    def chunks(self, view: View) -> Iterator[np.ndarray]:
        """Filling in three steps, then all that is cold."""
        filled, given, cold, pool = self._sizes(view)
        rng = generator(self.seed)
        runs = rng.permutation(-(-filled // self.together))
        turn = (runs[:, None] * self.together + np.arange(self.together)).ravel()
        turn = turn[turn < filled]
        user = {"kind": memory.ANON, "mapcount": 1}
        yield phase(0)
        yield span(ALLOC, 0, filled, gfp=GFP_HIGHUSER_MOVABLE | FAULT, **user)
        yield rows(FREE, rng.permutation(turn[cold:])[:given])
        order = view.huge_order
        huge = int(view.nr_free[order:] @ (1 << np.arange(view.nr_free.size - order)))
        yield rows(ALLOC, filled + pool + np.arange(huge), gfp=memory.MOVABLE, order=order, **user)
        yield phase(1)
        swapped = rows(FREE, turn[:cold])
        # Whoever reclaims may go below the watermarks; high priority comes nearest to that.
        taken = rows(ALLOC, filled + np.arange(pool), gfp=GFP_HIGHUSER_MOVABLE | HIGH, kind=memory.ANON)
        when = np.concatenate([np.arange(cold), (np.arange(pool) + 1) * cold // max(pool, 1)])
        yield np.concatenate([swapped, taken])[np.argsort(when, kind="stable")]
