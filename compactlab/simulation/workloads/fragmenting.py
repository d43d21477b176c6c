"""Workloads that fragment memory: to a target, by the recipes of published measurements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from compactlab.core import memory

from ..requests import (
    ALLOC,
    FAULT,
    FREE,
    GFP_HIGHUSER_MOVABLE,
    GFP_KERNEL,
    GFP_TRANSHUGE,
    RECORD,
    SECOND,
    THISNODE,
    View,
    Workload,
    check_share,
    generator,
    phase,
    rows,
    share_of,
    span,
    wait,
)


@dataclass(frozen=True)
class fragment(Workload):  # noqa: N801
    """Fragment memory to an unusable free space index.

    Memory is filled to the low watermark with anonymous pages; then pages are given back, some alone at
    random places and some as whole blocks, until a share of memory is free and the wanted share of
    that cannot serve the order. What is held can all be moved: compaction undoes this.
    """

    seed: int = 0
    target: float = 0.8
    """Unusable free space index wanted."""
    order: int | None = None
    """That the index is for; by default a huge page."""
    free: float = 0.3
    """Share of memory free in the end."""
    PHASES: ClassVar[tuple[str, ...]] = ("fill", "fragment")

    def __post_init__(self) -> None:
        check_share(self, "target", "free")

    def _order(self, view: View) -> int:
        return view.huge_order if self.order is None else self.order

    def orders(self, view: View) -> tuple[int, ...]:
        """Lone pages; the order of the index must be one of the zone's."""
        return 0, self._order(view)

    def slots(self, view: View) -> int:
        """One for every page."""
        return view.pages

    def chunks(self, view: View) -> Iterator[np.ndarray]:
        """Two steps: most of it, then what per-CPU lists and merging have left to be done."""
        rng, order = generator(self.seed), self._order(view)
        yield phase(0)
        # No reclaim, no waking of kswapd: the requests end at the low watermark.
        yield span(ALLOC, 0, view.free_pages, gfp=memory.MOVABLE, kind=memory.ANON, mapcount=1)
        yield phase(1)
        for _ in range(2):
            alone, blocks = self._missing(view, order)
            yield rows(FREE, _choose(rng, view.where, order, alone, blocks))

    def _missing(self, view: View, order: int) -> tuple[int, int]:
        """Pages to give back alone, and whole blocks."""
        wanted = share_of(view.pages, self.free)
        missing = max(wanted - view.free_pages, 0)
        suitable = view.free_pages - share_of(view.free_pages, view.unusable_index(order))
        short = max(wanted - share_of(wanted, self.target) - suitable, 0)
        blocks = min((short + (1 << order >> 1)) >> order, missing >> order)
        return missing - (blocks << order), blocks


def _choose(rng: np.random.Generator, where: np.ndarray, order: int, alone: int, blocks: int) -> np.ndarray:
    """Slots to give back: all pages of some blocks, then lone pages of others, which stay split.

    The first page of a block that is split is kept, so that no block becomes whole by chance.
    """
    held, block = where >= 0, where >> order
    full = np.flatnonzero(np.bincount(block[held]) == 1 << order)
    is_given = np.zeros(block.max(initial=0) + 1, bool)
    is_given[rng.choice(full, min(blocks, full.size), replace=False)] = True
    given = held & is_given[block]
    lone = np.flatnonzero(held & ~given & (where & ((1 << order) - 1) != 0))
    chosen = np.zeros(lone.size, bool)
    chosen[rng.choice(lone.size, min(alone, lone.size), replace=False, shuffle=False)] = True
    return np.concatenate([np.flatnonzero(given), lone[chosen]])


@dataclass(frozen=True)
class punch(Workload):  # noqa: N801
    """Fill memory, give back 3 of 4 pages of each 2 MiB, then demand huge pages.

    The recipe of the commit that brought proactive compaction (facdaa917c4d, Linux 5.9): what is free
    is in no block of a huge page. The demand is the driver's of that measurement, not page faults.
    """

    seed: int = 0
    fill: float = 0.9
    """Share of memory that is filled."""
    keep: float = 0.25
    """Share of each huge page that is kept, from its begin."""
    movable: bool = True
    """Whether what fills memory can be moved."""
    settle_s: float = 60
    """Time between punching and the demand, for background compaction."""
    demand: float = 0.9
    """Huge pages asked for, as a share of what was given back."""
    interval_ns: int = 0
    """Between two requests."""
    PHASES: ClassVar[tuple[str, ...]] = ("fill", "punch", "settle", "demand")

    def __post_init__(self) -> None:
        check_share(self, "fill", "keep", "demand")

    def orders(self, view: View) -> tuple[int, ...]:
        """Lone pages and huge pages."""
        return 0, view.huge_order

    def _sizes(self, view: View) -> tuple[int, int, int]:
        """Huge pages' worth that is filled; pages given back of each; huge pages asked for."""
        size = 1 << view.huge_order
        regions = share_of(view.pages, self.fill) >> view.huge_order
        holes = size - share_of(size, self.keep)
        return regions, holes, share_of(regions * holes >> view.huge_order, self.demand)

    def slots(self, view: View) -> int:
        """One for each page that is filled, and each huge page."""
        regions, _, demand = self._sizes(view)
        return (regions << view.huge_order) + demand

    def chunks(self, view: View) -> Iterator[np.ndarray]:
        """A chunk a phase."""
        regions, holes, demand = self._sizes(view)
        size = 1 << view.huge_order
        user = {"gfp": GFP_HIGHUSER_MOVABLE | FAULT, "kind": memory.ANON, "mapcount": 1}
        kernel = {"gfp": GFP_KERNEL, "kind": memory.KERNEL}
        yield phase(0)
        yield span(ALLOC, 0, regions * size, **(user if self.movable else kernel))
        yield phase(1)
        if holes:
            yield rows(FREE, np.arange(1, regions + 1) * size - holes, count=holes)
        yield phase(2)
        yield wait(int(self.settle_s * SECOND))
        yield phase(3)
        yield rows(
            ALLOC,
            np.arange(regions * size, regions * size + demand),
            gfp=GFP_TRANSHUGE | RECORD,
            order=view.huge_order,
            kind=memory.KERNEL,
            think_ns=self.interval_ns,
        )


@dataclass(frozen=True)
class llfree_realloc(Workload):  # noqa: N801
    """Fill memory with lone pages, free half at random, then reallocate a share at random, in rounds.

    The fragmentation benchmark of the LLFree allocator (Wrenger et al., ATC 2023), which counts the
    huge pages that become free: with the buddy allocator none do. A round is a chunk.
    """

    seed: int = 0
    fill: float = 0.9
    """Share of memory that is filled before half is given back."""
    share: float = 0.1
    """Of the pages held, reallocated in each round."""
    rounds: int = 100
    PHASES: ClassVar[tuple[str, ...]] = ("fill", "free", "reallocate")

    def __post_init__(self) -> None:
        check_share(self, "fill", "share")

    def slots(self, view: View) -> int:
        """One for each page."""
        return share_of(view.pages, self.fill)

    def chunks(self, view: View) -> Iterator[np.ndarray]:
        """Each round gives pages back first, then asks for as many."""
        rng, filled = generator(self.seed), self.slots(view)
        fields = {"gfp": GFP_HIGHUSER_MOVABLE | THISNODE, "kind": memory.KERNEL}
        yield phase(0)
        yield span(ALLOC, 0, filled, **fields)
        yield phase(1)
        held, given = np.split(rng.permutation(filled), [filled // 2])
        yield rows(FREE, given)
        yield phase(2)
        for _ in range(self.rounds):
            again = rng.choice(held, share_of(held.size, self.share), replace=False)
            yield np.concatenate([rows(FREE, again), rows(ALLOC, again, **fields)])
