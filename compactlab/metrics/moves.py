"""Which page went where: as a simulation logged it, or as a trace and a page map let one infer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr

from ..core.memory import ANON, FILE, FREE, ISOLATED
from ..schema import NO_INTEGER
from .source import group

_BEGIN, _END = "mm_compaction_begin", "mm_compaction_end"
_SOURCES = "mm_compaction_isolate_migratepages"
_TARGETS = ("mm_compaction_isolate_freepages", "mm_compaction_fast_isolate_freepages")
_MOVED = "mm_compaction_migratepages"
STEPS = (_BEGIN, _SOURCES, *_TARGETS, _MOVED, _END)
"""Events that compaction consists of."""

_NEAR, _FAR = 1 << 9, 1 << 20  # pages looked at above the place that a fast search names


def moves(run: xr.DataTree) -> xr.Dataset | None:
    """Every page that compaction moved.

    A simulation logs them. A recording with a page map and traced compaction tells for each batch the range
    its pages came from, how many they were, and the ranges their targets were taken from: the first movable
    pages of the one and the first free pages of the others are taken to be meant, one by one. A fast search
    names only the lowest place its targets may be at. What others allocate meanwhile is not known, so the
    further from the page map, the less certain is a single page.

    Parameters
    ----------
    run
        A run.

    Returns
    -------
        The columns of `/moves`, (move); `attrs["from"]` is "log", or "trace" where they are inferred. None where
        nothing tells.
    """
    logged = group(run, "moves")
    if logged is not None:
        return logged.assign_attrs({"from": "log"})
    events, pages = group(run, "events"), group(run, "pages")
    if events is None or pages is None or not compaction_steps(events).size:
        return None
    found = list(_inferred(events, pages))
    columns = np.concatenate(found, axis=1) if found else np.zeros((3, 0), np.int64)
    names = ("event", "source_pfn", "target_pfn")
    return xr.Dataset(
        {
            **{name: ("move", column) for name, column in zip(names, columns, strict=True)},
            "order": ("move", np.zeros(columns.shape[1], np.int64)),
        },
        attrs={"from": "trace"},
    )


def compaction_steps(events: xr.Dataset) -> np.ndarray:
    """Positions of the events that compaction consists of, in the order of time."""
    return np.flatnonzero(np.isin(events["name"].to_numpy().astype(str), STEPS))


def event_numbers(events: xr.Dataset, name: str, at: np.ndarray) -> np.ndarray:
    """One field of some events; its missing value where no event has it."""
    return events[name].to_numpy()[at] if name in events else np.full(at.size, NO_INTEGER)


def _inferred(events: xr.Dataset, pages: xr.Dataset) -> Iterator[np.ndarray]:
    """Moves batch by batch, (event, source, target) x pages."""
    first_pfn = int(pages["first_pfn"][0])
    kind = pages["kind"].to_numpy()[0].copy()
    since = int(pages["elapsed"][0])
    at = compaction_steps(events)
    at = at[events["elapsed"].to_numpy()[at] >= since]
    names = events["name"].to_numpy()[at]
    whose = (
        list(zip(*(events[each].to_numpy()[at] for each in ("role", "cpu") if each in events), strict=True))
        or [()] * at.size
    )
    numbers = (
        event_numbers(events, each, at).tolist()
        for each in ("start_pfn", "end_pfn", "nr_taken", "nr_migrated")
    )
    source: dict[tuple[object, ...], tuple[int, int]] = {}
    pool: dict[tuple[object, ...], list[np.ndarray]] = {}
    lowest = above = -1
    for event, name, who, start, end, taken, migrated in zip(at, names, whose, *numbers, strict=True):
        if name == _SOURCES and taken > 0:
            source[who] = (start - first_pfn, end - first_pfn)
        elif name in _TARGETS and taken > 0:
            begin = start - first_pfn
            if name == _TARGETS[0]:
                free = np.flatnonzero(kind[begin : end - first_pfn] == FREE)[:taken] + begin
            else:  # what is below the pages found last is taken already
                begin = max(begin, above) if start == lowest else begin
                free = _nearest(kind, begin, end - first_pfn, taken)
                lowest, above = start, int(free[-1]) + 1 if free.size else begin
            kind[free] = ISOLATED
            pool.setdefault(who, []).append(free)
        elif name == _MOVED and who in source:
            low, high = source.pop(who)
            movable = np.flatnonzero((kind[low:high] == ANON) | (kind[low:high] == FILE))[:migrated] + low
            targets = _taken(pool.get(who, []), movable.size)
            movable = movable[: targets.size]
            kind[targets] = kind[movable]
            kind[movable] = FREE
            if movable.size:
                yield np.stack([np.full(movable.size, event), movable + first_pfn, targets + first_pfn])
        elif name == _END:
            for rest in pool.pop(who, []):
                kind[rest] = FREE


def _nearest(kind: np.ndarray, start: int, end: int, count: int) -> np.ndarray:
    """The first free pages from a place on, at most so many, looking no further than it takes."""
    reach = _NEAR
    while True:
        found = np.flatnonzero(kind[start : min(start + reach, end)] == FREE)[:count] + start
        if found.size == count or start + reach >= end or reach >= _FAR:
            return found
        reach *= 8


def _taken(pool: list[np.ndarray], count: int) -> np.ndarray:
    """Take pages out of the pool, those isolated first before the others."""
    found: list[np.ndarray] = []
    while pool and count > 0:
        found.append(pool[0][:count])
        pool[0] = pool[0][count:]
        count -= found[-1].size
        if not pool[0].size:
            pool.pop(0)
    return np.concatenate(found) if found else np.zeros(0, np.int64)
