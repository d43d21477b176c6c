"""What a page map, and the files recorded beside it, tell about one zone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import xarray as xr

from ..core.memory import (
    ANON,
    FILE,
    HOLE,
    KERNEL,
    MIGRATETYPES,
    MOVABLE,
    PCP,
    PGTABLE,
    RECLAIMABLE,
    RESERVED,
    SLAB,
    UNKNOWN,
    UNMOVABLE,
)
from ..schema import UNKNOWN_MIGRATETYPE, pageblock_order
from ..schema import page_size as page_size_of
from . import history
from .history import History
from .marks import Watermark

_USUAL_ORDERS = 11
_USUAL_PAGEBLOCK_ORDER = 9
_USUAL_PAGE_SIZE = 4096


@dataclass(frozen=True)
class RecordedPcp:
    """One CPU's lists as /proc/zoneinfo has them, in pages."""

    count: int
    high: int
    batch: int


@dataclass(frozen=True, eq=False)
class Seed:
    """Contents of a zone: arrays by page, (P,) uint8, and what was recorded of it (None: not known)."""

    kind: np.ndarray
    order: np.ndarray
    mapcount: np.ndarray
    flags: np.ndarray
    migratetype: np.ndarray
    """(B,) uint8, of each pageblock that the zone touches."""
    managed: int | None = None
    watermark: Watermark | None = None
    boost: int = 0
    lowmem_reserve: tuple[int, ...] | None = None
    pcp: tuple[RecordedPcp, ...] = ()
    history: History | None = None


class Found(NamedTuple):
    """A seed and where the zone is."""

    seed: Seed
    name: str
    node: int
    start_pfn: int
    pageblock_order: int
    nr_orders: int
    page_size: int


def read(run: xr.DataTree, label: str | None, keyframe: str) -> Found:
    """Find one zone in a page map of a run; `Zone.from_pages` tells the rules."""
    if "pages" not in run.children:
        raise ValueError(
            f"run {run.attrs.get('name', '')!r}: found {', '.join(run.children) or 'nothing'}; expected pages. "
            "Record /proc/kpageflags too"
        )
    pages = run["pages"].to_dataset()
    names = pages.name.values.tolist()
    if keyframe not in names:
        raise ValueError(f"keyframe {keyframe!r}: the run has {', '.join(map(repr, names))}")
    at = names.index(keyframe)
    first_pfn, end_pfn = int(pages.first_pfn[at]), int(pages.first_pfn[at]) + pages.sizes["pfn"]
    info = _sample(run, "zoneinfo", int(pages.elapsed[at]))
    label, begin, end = _span(info, label, first_pfn, end_pfn)
    if not first_pfn <= begin < end <= end_pfn:
        raise ValueError(
            f"zone {label!r}: page frames {begin} to {end}, but the page map has {first_pfn} to {end_pfn}; "
            "expected a map of the whole zone"
        )
    kind, orders, mapcount, flags = (
        pages[each].values[at, begin - first_pfn : end - first_pfn].copy()
        for each in ("kind", "order", "mapcount", "flags")
    )
    node, name = label.split("/")
    block_order = pageblock_order(run) or _USUAL_PAGEBLOCK_ORDER
    mine = None if info is None or label not in info.zone.values else info.sel(zone=label)
    pcp = _pcp(mine)
    block_types = _block_types(run, label, int(pages.elapsed[at]), kind, begin, block_order, pcp)
    _settle_unknown(kind, begin, block_order, block_types, sum(cpu.count for cpu in pcp))
    nr_orders = int(run["zones"].sizes["order"]) if "zones" in run.children else _USUAL_ORDERS
    left = history.read(run, label, begin, end, block_order)
    seed = _with_marks(Seed(kind, orders, mapcount, flags, block_types, pcp=pcp, history=left), mine)
    size = page_size_of(run) or _USUAL_PAGE_SIZE
    return Found(seed, name, int(node), begin, block_order, nr_orders, size)


def _sample(run: xr.DataTree, group: str, elapsed: int) -> xr.Dataset | None:
    """Last sample of a group at or before a moment, or its first."""
    if group not in run.children:
        return None
    found = run[group].to_dataset()
    at = int(np.searchsorted(found.elapsed.values, elapsed, side="right")) - 1
    return found.isel(time=max(at, 0)) if found.sizes["time"] else None


def _span(info: xr.Dataset | None, label: str | None, first_pfn: int, end_pfn: int) -> tuple[str, int, int]:
    """Label and range of the zone; the whole map where no zoneinfo tells one."""
    if info is None or not {"start_pfn", "spanned_pages"} <= set(info.data_vars):
        return label or "0/Normal", first_pfn, end_pfn
    spanned = info.spanned_pages.where(info.present & (info.start_pfn >= 0), 0).astype(np.int64)
    labels = info.zone.values[(spanned > 0).values].tolist()
    if label is None:
        label = str(info.zone.values[int(spanned.values.argmax())])
    if label not in labels:
        raise ValueError(f"zone {label!r}: the run has {', '.join(labels) or 'none with pages'}")
    begin = int(info.start_pfn.sel(zone=label))
    return label, begin, begin + int(spanned.sel(zone=label))


def _pcp(zone: xr.Dataset | None) -> tuple[RecordedPcp, ...]:
    if zone is None or "pcp_count" not in zone:
        return ()
    columns = (zone[f"pcp_{each}"].values.tolist() for each in ("count", "high", "batch"))
    return tuple(RecordedPcp(*row) for row in zip(*columns, strict=True) if row[0] >= 0)


def _with_marks(seed: Seed, zone: xr.Dataset | None) -> Seed:
    """Add what zoneinfo tells of the zone's sizes."""
    if zone is None:
        return seed
    boost = max(0, int(zone.boost)) if "boost" in zone else 0
    minimum, low, high, promo = (max(0, int(mark)) for mark in zone.watermark.values)
    managed = int(zone.managed_pages) if "managed_pages" in zone else -1
    reserve = zone.lowmem_reserve.values.clip(0).tolist() if "lowmem_reserve" in zone else None
    return replace(
        seed,
        managed=None if managed < 0 else managed,
        watermark=Watermark(minimum, low, high, promo or 2 * high - low),
        boost=boost,
        lowmem_reserve=None if reserve is None else tuple(reserve),
    )


def _per_block(mask: np.ndarray, begin: int, block_order: int) -> np.ndarray:
    """Count of True in each pageblock that a zone touches."""
    offset = begin & ((1 << block_order) - 1)
    starts = np.arange(-offset, mask.size, 1 << block_order).clip(0)
    return np.add.reduceat(mask, starts, dtype=np.int64)


def _block_types(
    run: xr.DataTree,
    label: str,
    elapsed: int,
    kind: np.ndarray,
    begin: int,
    block_order: int,
    pcp: tuple[RecordedPcp, ...],
) -> np.ndarray:
    """Migratetype of each pageblock: as a simulation knows, or those with most unmovable pages."""
    known = _known_types(run, elapsed, begin, kind.size, block_order)
    if known is not None:
        return known
    lru = _per_block((kind == ANON) | (kind == FILE), begin, block_order)
    slab = _per_block(kind == SLAB, begin, block_order)
    others = slab + _per_block((kind == PGTABLE) | (kind == KERNEL), begin, block_order)
    unknown = _per_block(kind == UNKNOWN, begin, block_order)
    usable = _per_block((kind != HOLE) & (kind != RESERVED), begin, block_order) > 0
    # What is unknown is in per-CPU lists or the kernel's own: the more of it the lists hold, the less it says.
    own = 1 - min(1.0, sum(cpu.count for cpu in pcp) / max(1, unknown.sum()))
    mixed = np.where(others > 0, 1 << block_order, 0) // 5
    score = np.where(usable, others + mixed + own * own * unknown - lru, -np.inf)
    types = np.full(score.size, MOVABLE, np.uint8)
    numbers = _numbers(run, label, elapsed)
    ranked = np.argsort(-score, kind="stable")
    if numbers is None:
        types[score > mixed] = UNMOVABLE
        return types
    chosen = ranked[: sum(numbers.values())]
    types[chosen] = UNMOVABLE
    by_slab = chosen[np.argsort(-(2 * slab - others)[chosen], kind="stable")]
    types[by_slab[: numbers.get(RECLAIMABLE, 0)]] = RECLAIMABLE
    return types


def _known_types(
    run: xr.DataTree, elapsed: int, begin: int, size: int, block_order: int
) -> np.ndarray | None:
    """Types as a frame of the pageblocks has them, where it was simulated."""
    if "pageblocks" not in run.children:
        return None
    blocks = run["pageblocks"].to_dataset()
    frame = max(0, int(np.searchsorted(blocks.elapsed.values, elapsed, side="right")) - 1)
    first, last = begin >> block_order, (begin + size - 1) >> block_order
    offset = first - (int(blocks.start_pfn[0]) >> block_order)
    types = blocks.migratetype.values[frame, max(offset, 0) : offset + last - first + 1]
    if types.size != last - first + 1 or (types == UNKNOWN_MIGRATETYPE).any():
        return None
    return types.copy()


def _numbers(run: xr.DataTree, label: str, elapsed: int) -> dict[int, int] | None:
    """Pageblocks of each type but Movable, as pagetypeinfo counted them last."""
    found = _sample(run, "migratetypes", elapsed)
    if found is None or "nr_pageblocks" not in found or label not in found.zone.values:
        return None
    counts = found.nr_pageblocks.sel(zone=label).values.tolist()
    named = zip(found.migratetype.values.tolist(), counts, strict=True)
    return {
        MIGRATETYPES.index(name): count
        for name, count in named
        if name in MIGRATETYPES and name != MIGRATETYPES[MOVABLE] and count > 0
    }


def _settle_unknown(
    kind: np.ndarray, begin: int, block_order: int, block_types: np.ndarray, listed: int
) -> None:
    """Make unknown pages those of per-CPU lists, as many as there are, and the kernel's; in place.

    Those in Movable pageblocks come first: user memory freed last is what the lists mostly hold.
    """
    pages = np.flatnonzero(kind == UNKNOWN)
    blocks = ((begin + pages) >> block_order) - (begin >> block_order)
    kind[pages] = KERNEL
    rank = np.argsort(block_types[blocks] != MOVABLE, kind="stable")
    kind[pages[rank[:listed]]] = PCP
