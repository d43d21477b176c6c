"""What pageblocks are, cell by cell, in 16 bits: a cell is a pageblock, or a group of them in zones of very many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..core.memory import ANON, FILE, FREE, HOLE, KINDS, PCP, TAIL, UNKNOWN
from ..core.pagemap import count_frame
from ..schema import NAMES
from .source import group

FILLS = (
    "absent",
    "free_1",
    "free_2",
    "free_3",
    "free_4",
    "free",
    "movable",
    "huge",
    "cannot_move",
    "unknown",
)
"""What most matters about a pageblock, the lowest four bits: absent, free by a quarter at most, ... by less than
all, wholly free, wholly in use and movable, one huge page, at least a sixteenth cannot move, not told."""

TYPE_BITS, SKIP_BIT, CANNOT_BITS, ORDER_BITS = 4, 7, 8, 12
"""Where in the 16 bits the other parts begin: migratetype (7: unknown), skip bit, pages that cannot move (0, or 1 +
log2 of their number of 512), order of the largest free block + 1 (0: none free)."""

MOST_CELLS = 16_384
_UNKNOWN_TYPE = 7
_PINNED = np.uint8(1 << NAMES["pages"]["flags"].index("pinned"))


@dataclass
class Cells:
    """Pages of each sort in each cell, and what else is known of it; all (cell,)."""

    size: np.ndarray
    free: np.ndarray
    cannot: np.ndarray
    unknown: np.ndarray
    hole: np.ndarray
    migratetype: np.ndarray
    skip: np.ndarray
    free_order: np.ndarray
    folio_order: np.ndarray
    pageblock_order: int

    def take(self, at: np.ndarray) -> Cells:
        """Some of them, or some of them several times."""
        arrays = {name: value[at] for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        return Cells(**arrays, pageblock_order=self.pageblock_order)

    def codes(self) -> np.ndarray:
        """The 16 bits of each."""
        share = np.ceil(4 * self.free / np.maximum(self.size - self.hole, 1)).astype(np.uint16)
        fill = np.where(self.free > 0, np.clip(share, 1, 4), FILLS.index("movable")).astype(np.uint16)
        fill[self.unknown * 2 >= self.size] = FILLS.index("unknown")
        fill[(self.folio_order != TAIL) & (self.folio_order >= self.pageblock_order)] = FILLS.index("huge")
        fill[self.free >= self.size - self.hole] = FILLS.index("free")
        fill[self.cannot * 16 >= self.size] = FILLS.index("cannot_move")
        fill[self.hole == self.size] = FILLS.index("absent")
        per_512 = self.cannot * 512 / self.size
        cannot = np.where(self.cannot > 0, 1 + np.floor(np.log2(np.maximum(per_512, 1))), 0).astype(np.uint16)
        order = np.where(self.free_order == TAIL, 0, np.minimum(self.free_order, 14) + 1).astype(np.uint16)
        types = np.minimum(self.migratetype, _UNKNOWN_TYPE).astype(np.uint16)
        return (
            fill | types << TYPE_BITS | self.skip.astype(np.uint16) << SKIP_BIT | cannot << CANNOT_BITS | order << ORDER_BITS
        ).astype(np.uint16)  # fmt: skip


class Layout:
    """Which cell each pageblock is in."""

    def __init__(self, blocks: xr.Dataset, order: int) -> None:
        labels = blocks["zone"].to_numpy()
        start = blocks["start_pfn"].to_numpy()
        self.order = order
        self.pinned: dict[int, np.ndarray] = {}
        """Pinned folios of each pageblock, by page map; filled when asked."""
        self.zones = [str(name) for name in dict.fromkeys(labels.tolist()) if name]
        self.cell_of = np.full(start.size, -1, np.int32)
        self.first_block = int(start[0]) >> order
        bounds, starts, pages = [0], [], []
        for name in self.zones:
            of_zone = np.flatnonzero(labels == name)
            together = 1 << max(int(np.ceil(np.log2(of_zone.size / MOST_CELLS))), 0)
            self.cell_of[of_zone] = bounds[-1] + np.arange(of_zone.size) // together
            bounds.append(bounds[-1] + -(-of_zone.size // together))
            starts.append(start[of_zone[::together]])
            pages.append(together << order)
        self.bounds, self.start_pfn = np.array(bounds), np.concatenate(starts)
        self.cell_pages = np.array(pages)
        self.inside = self.cell_of >= 0

    def summed(self, per_block: np.ndarray) -> np.ndarray:
        """Sums over the pageblocks of each cell."""
        inside = self.inside
        weights = per_block[inside].astype(np.float64)
        return np.bincount(self.cell_of[inside], weights, int(self.bounds[-1])).astype(np.int64)

    def of_cells(self, per_block: np.ndarray) -> np.ndarray:
        """What the first pageblock of each cell has."""
        first = np.unique(self.cell_of[self.inside], return_index=True)[1]
        return per_block[self.inside][first]

    def cells_of(self, pfn: np.ndarray) -> np.ndarray:
        """Cells of page frame numbers, -1 outside."""
        block = (pfn >> self.order) - self.first_block
        known = (block >= 0) & (block < self.cell_of.size)
        cells = self.cell_of[np.where(known, block, 0)]
        cells[~known] = -1
        return cells


def counted(run: xr.DataTree, blocks: xr.Dataset, frame: int, layout: Layout) -> Cells:
    """All cells as a frame has them."""
    counts = blocks["nr_pages"].to_numpy()[frame].astype(np.int64)
    free_order, folio_order = _orders(run, blocks, frame, layout)
    untold = counts[:, UNKNOWN] + counts[:, PCP]
    cannot = counts.sum(axis=1) - counts[:, [FREE, ANON, FILE, HOLE]].sum(axis=1) - untold
    return Cells(
        size=layout.summed(counts.sum(axis=1)),
        free=layout.summed(counts[:, FREE]),
        cannot=layout.summed(cannot + _pinned(run, int(blocks["elapsed"][frame]), layout)),
        unknown=layout.summed(untold),
        hole=layout.summed(counts[:, HOLE]),
        migratetype=layout.of_cells(blocks["migratetype"].to_numpy()[frame]),
        skip=layout.of_cells(blocks["skip"].to_numpy()[frame])
        if "skip" in blocks
        else np.zeros(int(layout.bounds[-1]), bool),
        free_order=layout.of_cells(free_order),
        folio_order=layout.of_cells(folio_order),
        pageblock_order=layout.order,
    )


def keyframe_at(run: xr.DataTree, elapsed: int, exact: bool) -> int | None:
    """Page map of a moment, or the last one before it."""
    pages = group(run, "pages")
    if pages is None:
        return None
    moments = pages["elapsed"].to_numpy()
    if exact:
        same = np.flatnonzero(moments == elapsed)
        return int(same[-1]) if same.size else None
    return max(int(np.searchsorted(moments, elapsed, "right")) - 1, 0)


def _orders(
    run: xr.DataTree, blocks: xr.Dataset, frame: int, layout: Layout
) -> tuple[np.ndarray, np.ndarray]:
    """Largest free block and folio of each pageblock: as the frame has them, else from the page map beside it."""
    if "free_order" in blocks:
        return blocks["free_order"].to_numpy()[frame], blocks["folio_order"].to_numpy()[frame]
    free, folio = np.full((2, blocks.sizes["pageblock"]), TAIL, np.uint8)
    keyframe = keyframe_at(run, int(blocks["elapsed"][frame]), exact=True)
    if keyframe is not None:
        pages = run["pages"].to_dataset().isel(keyframe=keyframe)
        skipped = layout.first_block - (int(pages["first_pfn"]) >> layout.order) << layout.order
        kind, order = (
            pages[name].to_numpy()[max(skipped, 0) :][: free.size << layout.order]
            for name in ("kind", "order")
        )
        counts = np.zeros((free.size, len(KINDS)), np.uint16)
        count_frame(kind, order, 1 << layout.order, counts, free, folio)
    return free, folio


def _pinned(run: xr.DataTree, elapsed: int, layout: Layout) -> np.ndarray:
    """Folios of each pageblock that are pinned, in the last page map before."""
    keyframe = keyframe_at(run, elapsed, exact=False)
    if keyframe is None:
        return np.zeros(layout.cell_of.size, np.int64)
    if keyframe not in layout.pinned:  # many frames follow one page map
        pages = run["pages"].to_dataset().isel(keyframe=keyframe)
        pinned = np.flatnonzero(pages["flags"].to_numpy() & _PINNED) + int(pages["first_pfn"])
        block = (pinned >> layout.order) - layout.first_block
        inside = block[(block >= 0) & (block < layout.cell_of.size)]
        layout.pinned[keyframe] = np.bincount(inside, minlength=layout.cell_of.size)
    return layout.pinned[keyframe]
