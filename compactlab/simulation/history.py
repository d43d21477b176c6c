"""Where compaction stood when a recording began: scanners, skip bits and deferral, as its events tell them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

_BEGIN, _END = "mm_compaction_begin", "mm_compaction_end"
_LOOKED, _DEFERRED = "mm_compaction_isolate_migratepages", "mm_compaction_deferred"
_FAST = "mm_compaction_fast_isolate_freepages"
_REQUESTER = "holder"
_LATER_SEARCH = 16  # entries of a free list that a fast search looks at, but for the first from an end


@dataclass(frozen=True, eq=False)
class History:
    """What compaction left behind in a zone; positions are page frame numbers."""

    cached_migrate: int
    """Where the next run's migrate scanner begins."""
    cached_free: int
    """Where its free scanner begins."""
    skip: np.ndarray
    """(B,) bool, of each pageblock that the zone touches: its skip bit."""
    init_migrate: int | None = None
    """Runs that begin here or below cover the zone; None: not told."""
    init_free: int | None = None
    """Fast searches from here or above look at more; None: not told."""
    considered: int = 0
    defer_shift: int = 0
    order_failed: int = 0


def read(run: xr.DataTree, label: str, begin: int, end: int, block_order: int) -> History | None:
    """History of one zone; None if no request compacted it in the recording.

    Scanners stood where the first run began; attempts were deferred as its first event says. A skip bit was
    set where runs passed a pageblock and none ever looked into it. Runs that ended complete had begun at or
    below `init_migrate`; fast searches that walked further than later ones may, at or above `init_free`.
    """
    if "events" not in run.children or run.attrs.get("source") != "recording":
        return None
    events = run["events"].to_dataset()
    chosen = (events.role.values == _REQUESTER) & (events.zone.values == label)
    events = events.isel(event=np.flatnonzero(chosen))
    name = events.name.values
    begins, ends = events.isel(event=name == _BEGIN), events.isel(event=name == _END)
    if not ends.sizes["event"]:
        return None
    covered = begins.migrate_pfn.values[: ends.sizes["event"]][ends.status.values == "complete"]
    return History(
        cached_migrate=int(begins.migrate_pfn[0]),
        cached_free=int(begins.free_pfn[0]),
        skip=_skip(events, begin >> block_order, ((end - 1) >> block_order) + 1, block_order),
        init_migrate=int(covered.max()) if covered.size else None,
        init_free=_init_free(events, block_order),
        **_deferral(events),
    )


def _deferral(events: xr.Dataset) -> dict[str, int]:
    """State that the first event shows, if that is a deferral: it counts itself."""
    first = events.isel(event=np.isin(events.name.values, (_DEFERRED, _BEGIN))).isel(event=0)
    if str(first.name.values) != _DEFERRED:
        return {}
    return {
        "considered": int(first.considered) - 1,
        "defer_shift": int(first.limit).bit_length() - 1,
        "order_failed": int(first.order_failed),
    }


def _init_free(events: xr.Dataset, block_order: int) -> int | None:
    """Lowest position of a search that walked more entries than a later one of a huge page may."""
    searches = events.isel(event=events.name.values == _FAST)
    if not searches.sizes["event"]:
        return None
    walked = searches.nr_scanned.values - searches.nr_taken.values
    first = searches.end_pfn.values[walked > _LATER_SEARCH * block_order]
    return int(first.min()) if first.size else None


def _skip(events: xr.Dataset, first: int, last: int, block_order: int) -> np.ndarray:
    """Pageblocks that were passed and never looked into."""
    name = events.name.values
    looked, passed = np.zeros(last - first, bool), np.zeros(last - first, bool)
    looked[(events.start_pfn.values[name == _LOOKED] >> block_order) - first] = True
    starts = (events.migrate_pfn.values[name == _BEGIN] >> block_order) - first
    stops = (events.migrate_pfn.values[name == _END] >> block_order) - first
    for start, stop in zip(starts, stops, strict=False):
        passed[start:stop] = True
    return passed & ~looked
