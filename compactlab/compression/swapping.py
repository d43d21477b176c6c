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
    """Fill memory with anonymous pages, then compress the cold ones, page by page, wherever they lie.

    For each page compressed a part of a page of the pool is taken first, then the page is given back.
    Pages of the pool are lone pages, movable as zsmalloc's are. Nothing else is moved.
    """

    seed: int = 0
    fill: float = 0.9
    """Share of memory that is filled."""
    cold: float = 0.5
    """Share of the filled pages that are cold."""
    pool: float = 0.4
    """Pages of the pool for each page compressed, as `Pool` tells."""
    together: int = 1
    """Cold pages that lie beside each other."""
    PHASES: ClassVar[tuple[str, ...]] = ("fill", "compress")

    def __post_init__(self) -> None:
        check_share(self, "fill", "cold", "pool")
        if self.together < 1:
            raise ValueError(f"workload {self.name}: together={self.together}; expected at least 1 page")

    def _sizes(self, view: View) -> tuple[int, int, int]:
        """Pages filled, cold and of the pool."""
        filled = share_of(view.pages, self.fill)
        cold = share_of(filled, self.cold)
        return filled, cold, share_of(cold, self.pool)

    def slots(self, view: View) -> int:
        """One for each page that is filled, and each of the pool."""
        filled, _, pool = self._sizes(view)
        return filled + pool

    def chunks(self, view: View) -> Iterator[np.ndarray]:
        """A chunk a phase."""
        filled, cold, pool = self._sizes(view)
        yield phase(0)
        yield span(ALLOC, 0, filled, gfp=GFP_HIGHUSER_MOVABLE | FAULT, kind=memory.ANON, mapcount=1)
        yield phase(1)
        runs = generator(self.seed).permutation(-(-filled // self.together))
        chosen = (runs[:, None] * self.together + np.arange(self.together)).ravel()
        given = rows(FREE, chosen[chosen < filled][:cold])
        taken = rows(ALLOC, filled + np.arange(pool), gfp=GFP_HIGHUSER_MOVABLE, kind=memory.ANON)
        turn = np.concatenate([np.arange(cold), np.arange(pool) * cold // max(pool, 1) - 0.5])
        yield np.concatenate([given, taken])[np.argsort(turn, kind="stable")]
