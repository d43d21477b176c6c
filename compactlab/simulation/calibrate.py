"""Costs of steps from recordings: traced events say what was done between two instants."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import xarray as xr

from ..core import memory
from ..schema import NO_INTEGER, pageblock_order
from .costs import SPREAD, STEP_NAMES, CostModel

# Each event is emitted when the work it counts is over: a pageblock isolated or scanned (isolate_*), a
# batch moved (migratepages), the zone done (end). The time since the thread's event before belongs to it.
_ISOLATE = "mm_compaction_isolate_migratepages"
_FREE = "mm_compaction_isolate_freepages"
_FAST = "mm_compaction_fast_isolate_freepages"
_MIGRATED = "mm_compaction_migratepages"
_FINISHED = "mm_compaction_finished"
_BEGIN, _END = "mm_compaction_begin", "mm_compaction_end"
_TELLS_ORDER = (_FINISHED, "mm_compaction_suitable", "mm_compaction_kcompactd_wake")
_SCANNING, _TAKING_FREE, _MOVING, _AFTERWARDS = range(4)

_SKIPPED = 2  # ns a pfn; a block without result that took less was skipped whole, not stepped through
_FAST_FIND_ORDER = 3  # fast_find_migrateblock serves orders above
_USUAL_PAGEBLOCK = 9
_CLIP = 8  # a span of scanning that took this many times its cost was interrupted
_ENOUGH = 10  # faults that the host had to back
_HOST_MODE = 10  # such faults take that many times the fastest ones


class Work(NamedTuple):
    """Spans of time in which compaction did work that can be counted."""

    duration: np.ndarray
    """(span,) int64 ns."""
    units: np.ndarray
    """(span, STEPS) int64."""
    call: np.ndarray
    """(span,) int64: number of the ``compact_zone`` it was part of."""


class _Fit(NamedTuple):
    name: str
    work: Work
    cost: np.ndarray
    """(STEPS,) ns, NaN where the recording does not tell."""
    weight: np.ndarray
    """(STEPS,) its voice: the root of the number of units."""


def calibrate(*recordings: xr.DataTree, start: CostModel | None = None) -> CostModel:
    """Fit the costs of steps to what machines recorded.

    Traced events give spans of time with what was done in them. Each recording's costs are those
    under which the work costs, in total, the time it took (non-negative; the ratio of costs that it
    cannot tell apart stays as in ``start``). Costs of several recordings are combined by the weighted
    median, so that a disturbed machine among them does not count. Latencies of faults give the cost
    of clearing pages and of memory that a host had to back first.

    Parameters
    ----------
    *recordings
        Runs with events of compaction or allocations.
    start
        Costs of the steps that no recording tells; default: ``CostModel()``.

    Returns
    -------
        Costs, with ``errors`` that says how well they give the time each recording took.

    Raises
    ------
    ValueError
        If a recording has neither events of compaction nor allocations, or none is given.

    Examples
    --------
    >>> from compactlab import datasets
    >>> model = calibrate(datasets.load("manual-compaction"))
    >>> bool(1000 < model.migrate_page < 4000)
    True
    """
    if not recordings:
        raise ValueError("calibrate: found no recording, expected at least one run with traced events")
    start = start or CostModel()
    return _combine([_fit(run, name, start) for name, run in _named(recordings)], start)


def leave_one_out(recordings: Iterable[xr.DataTree], start: CostModel | None = None) -> xr.Dataset:
    """Time compaction took, predicted with costs fitted on the other recordings.

    Parameters
    ----------
    recordings
        Runs with events of compaction, at least two.
    start
        As in ``calibrate``.

    Returns
    -------
        Dims (recording): `measured_ns`, `predicted_ns`, and `error`, relative to measured.

    Raises
    ------
    ValueError
        If there are fewer than two recordings.
    """
    start = start or CostModel()
    fits = [_fit(run, name, start) for name, run in _named(recordings)]
    if len(fits) < 2:
        raise ValueError(f"leave_one_out: found {len(fits)} recordings, expected at least two")
    left_out = [
        _errors([fit], _combine([other for other in fits if other is not fit], start))
        for fit in fits
        if fit.work.duration.size
    ]
    return xr.concat(left_out, "recording")


def work(run: xr.DataTree) -> Work:
    """Work of compaction in a run, as its events tell, with the time it took.

    Parameters
    ----------
    run
        A run with events; empty without.

    Returns
    -------
        Up to four spans per batch of migration: scanning for sources, taking free pages, moving,
        and what follows (drain, leaving). Only what lies within ``compact_zone``.
    """
    nothing = Work(np.zeros(0, np.int64), np.zeros((0, len(STEP_NAMES)), np.int64), np.zeros(0, np.int64))
    if "events" not in run.children:
        return nothing
    events = run["events"].to_dataset()
    names, roles = events.name.values, _column(events, "role")
    block = pageblock_order(run) or _USUAL_PAGEBLOCK
    parts = [nothing]
    for role in sorted(set(roles[names == _BEGIN])):
        part = _spans(events, np.flatnonzero(roles == role), block)
        parts.append(part._replace(call=part.call + sum(len(set(other.call)) for other in parts)))
    return Work(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _spans(events: xr.Dataset, mine: np.ndarray, block: int) -> Work:
    """Spans of the thread whose events have the indices `mine`."""
    names = events.name.values[mine]
    order = _last_known(_column(events, "order")[mine], np.isin(names.astype(str), _TELLS_ORDER))
    ours = np.isin(names.astype(str), (_BEGIN, _ISOLATE, _FREE, _FAST, _MIGRATED, _FINISHED, _END))
    mine, names, order = mine[ours], names[ours], order[ours]
    elapsed = events.elapsed.values[mine]
    gap = np.diff(elapsed, prepend=elapsed[:1])
    begin, end = names == _BEGIN, names == _END
    index = np.arange(mine.size)
    began = np.maximum.accumulate(np.where(begin, index, -1))
    ended = np.maximum.accumulate(np.where(np.roll(end, 1), index, 0))
    inside = (began >= ended) & ~begin
    batch = np.cumsum((names == _ISOLATE) | begin)
    units, family = _units(events.isel(event=mine), gap, order, block)
    keys, row = np.unique(((batch * 2 + end) * 4 + family)[inside], return_inverse=True)
    duration = np.zeros(keys.size, np.int64)
    counted = np.zeros((keys.size, units.shape[1]), np.int64)
    call = np.zeros(keys.size, np.int64)
    np.add.at(duration, row, gap[inside])
    np.add.at(counted, row, units[inside])
    call[row] = np.cumsum(begin)[inside] - 1
    return Work(duration, counted, np.unique(call, return_inverse=True)[1])


def _units(
    events: xr.Dataset, gap: np.ndarray, order: np.ndarray, block: int
) -> tuple[np.ndarray, np.ndarray]:
    """Units of each step up to each event, and which of the four kinds of span the time is part of."""
    names = events.name.values
    isolate, free, fast, migrated, end = (names == name for name in (_ISOLATE, _FREE, _FAST, _MIGRATED, _END))
    scanned, taken = _column(events, "nr_scanned"), _column(events, "nr_taken")
    moved = _column(events, "nr_migrated")
    start, stop = _column(events, "start_pfn"), _column(events, "end_pfn")
    inspected = np.where((taken == 0) & (gap < _SKIPPED * scanned), 1, scanned)
    after_move = np.roll(migrated, 1)
    after_move[:1] = False
    index = np.arange(names.size)
    source = np.maximum.accumulate(np.where(isolate, index, 0))  # the last isolate event, this one included
    found = np.cumsum(np.where(fast, taken, 0))
    held = np.roll(found, 1) > found[source]  # a search has found pages before, and they are being moved
    before = np.roll(source, 1)
    left_window = (start[before] >> np.maximum(order, 0)) < (stop[before] >> np.maximum(order, 0))

    units = np.zeros((names.size, len(STEP_NAMES)), np.int64)

    def count(step: int, where: np.ndarray, amount: np.ndarray | int = 1) -> None:
        units[where, step] = np.broadcast_to(amount, names.shape)[where]

    count(memory.STEP_MIGRATE_SCAN, isolate, inspected - taken)
    count(memory.STEP_ISOLATE, isolate, taken)
    count(memory.STEP_FREE_SCAN_BLOCK, (free | isolate) & (taken == 0))
    count(memory.STEP_FAST_FIND, isolate & (order > _FAST_FIND_ORDER) & (start % (1 << block) == 0))
    count(memory.STEP_FREE_SCAN, free, inspected)
    count(memory.STEP_FAST_SCAN, fast, np.maximum(scanned - taken, 1))
    count(memory.STEP_FREE_ISOLATE, free | fast, taken)
    count(memory.STEP_FAST_ISOLATE, fast)
    count(memory.STEP_MIGRATE_BATCH, migrated)
    count(memory.STEP_MIGRATE_PAGE, migrated, moved)
    count(memory.STEP_DRAIN, after_move & ~isolate & (order > 0) & left_window)
    count(memory.STEP_COMPACT_ENTRY, end)
    scanning = isolate | ((names == _FINISHED) & ~after_move)
    family = np.select(
        [scanning, (free | fast) & ~held, end | (names == _FINISHED)],
        [_SCANNING, _TAKING_FREE, _AFTERWARDS],
        _MOVING,
    )
    return units, family


def _column(events: xr.Dataset, name: str) -> np.ndarray:
    if name in events:
        return events[name].values
    return np.full(events.sizes["event"], "" if name == "role" else NO_INTEGER)


def _last_known(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Each value where known, else the one before; -1 before the first."""
    last = np.maximum.accumulate(np.where(known, np.arange(values.size), -1))
    return np.where(last >= 0, values[last], -1)


def _fit(run: xr.DataTree, name: str, start: CostModel) -> _Fit:
    done = work(run)
    known = {**_fit_events(done, start), **_fit_faults(run, start)}
    if not known:
        raise ValueError(
            f"calibrate, recording {name!r}: found groups {', '.join(run.children) or 'none'}, expected events "
            "of compaction (mm_compaction_*) or allocations without compaction; record with tracing on"
        )
    cost, weight = np.full(len(STEP_NAMES), np.nan), np.zeros(len(STEP_NAMES))
    for step, (value, units) in known.items():
        cost[step], weight[step] = value, np.sqrt(units)
    return _Fit(name, done, cost, weight)


def _fit_events(done: Work, start: CostModel) -> dict[int, tuple[float, float]]:
    """Step to its cost in ns and the number of units behind it.

    Scanning first; moving takes a hundred times as long and would drown what it shares with scanning.
    """
    cost = start.to_array()
    moving = done.units[:, memory.STEP_MIGRATE_BATCH] > 0
    scanning = Work(*(column[~moving & done.units.any(1)] for column in done))
    scanned = np.array(scanning.units.any(0))
    scanned[memory.STEP_FAST_ISOLATE] = False  # hides behind the cold first search and the unmapping between
    duration = scanning.duration
    for _ in range(3):  # what an interruption added is cut off
        cost = _non_negative(scanning.units, duration, cost, scanned)
        duration = np.minimum(scanning.duration, _CLIP * (scanning.units @ cost))
    moved = np.array(done.units[moving].any(0) & ~scanned)
    moved[memory.STEP_FAST_ISOLATE] = False
    cost = _non_negative(done.units[moving], done.duration[moving], cost, moved)
    units = done.units.sum(0)
    return {
        step: (float(cost[step]), float(units[step])) for step in np.flatnonzero(scanned | moved).tolist()
    }


def _non_negative(
    units: np.ndarray, duration: np.ndarray, cost: np.ndarray, fitted: np.ndarray, rounds: int = 300
) -> np.ndarray:
    """Costs of at least 0 that share the whole duration out (Richardson-Lucy, from given costs on).

    >>> _non_negative(np.array([[1, 0], [1, 2]]), np.array([5.0, 11.0]), np.ones(2), np.array([True, True])).round(3)
    array([5., 3.])
    """
    if not fitted.any():
        return cost
    units, row = np.unique(units, axis=0, return_inverse=True)
    times = np.bincount(row.ravel())
    duration = np.bincount(row.ravel(), duration)
    shared = units[:, fitted]
    fixed = units[:, ~fitted] @ cost[~fitted]
    total = times @ shared
    share = np.maximum(cost[fitted], np.finfo(float).tiny)
    for _ in range(rounds):
        expected = np.maximum(fixed + shared @ share, np.finfo(float).tiny)
        share = share * (shared.T @ (duration / expected)) / total
    cost = cost.copy()
    cost[fitted] = share
    return cost


def _fit_faults(run: xr.DataTree, start: CostModel) -> dict[int, tuple[float, float]]:
    """Costs of clearing and of host backing from faults that needed no compaction."""
    if "allocations" not in run.children:
        return {}
    faults = run["allocations"].to_dataset()
    if not {"order", "compact_stall", "source"} <= set(faults.variables):
        return {}
    plain = faults.success.values & (faults.compact_stall.values == 0) & (faults.order.values > 0)
    plain &= ~np.char.startswith(faults.source.values.astype(str), "collapse")  # copies, does not clear
    if not plain.any():
        return {}
    latency, pages = faults.latency_ns.values[plain], 1 << faults.order.values[plain]
    slow = latency > _HOST_MODE * np.quantile(latency, 0.01)
    per_page = (latency - start.fault - start.alloc) / pages
    known = {memory.STEP_CLEAR_PAGE: (max(float(np.median(per_page[~slow])), 0.0), float((~slow).sum()))}
    if slow.sum() >= _ENOUGH:
        backing = float(np.median(latency[slow]) - np.median(latency[~slow]))
        known[memory.STEP_HOST_FAULT] = (backing, float(slow.sum()))
    return known


def _combine(fits: list[_Fit], start: CostModel) -> CostModel:
    cost = start.to_array()
    for step in range(cost.size):
        votes = [(fit.cost[step], fit.weight[step]) for fit in fits if fit.weight[step] > 0]
        if votes:
            cost[step] = _weighted_median(*np.array(votes).T)
    ratios = [_ratios(fit) for fit in fits]
    model = CostModel(
        **dict(zip(STEP_NAMES, cost.tolist(), strict=True)),
        spread=_spread(np.concatenate(ratios)) or start.spread,
        fitted_on=tuple(fit.name for fit in fits),
    )
    return dataclasses.replace(model, errors=_errors(fits, model))


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    """Value with half of the weight on each side, between neighbours by interpolation.

    >>> _weighted_median(np.array([9.0, 1.0, 2.0]), np.array([1.0, 1.0, 1.0]))
    2.0
    """
    order = np.argsort(values)
    values, weights = values[order], weights[order]
    return float(np.interp(weights.sum() / 2, np.cumsum(weights) - weights / 2, values))


def _ratios(fit: _Fit) -> np.ndarray:
    """Durations of migration batches over what they should cost in the same recording."""
    batches = fit.work.units[:, memory.STEP_MIGRATE_PAGE] > 0
    expected = fit.work.units[batches] @ np.nan_to_num(fit.cost)
    return fit.work.duration[batches] / expected


def _spread(ratios: np.ndarray) -> tuple[float, ...]:
    """Means of equally likely parts of the ratios, over their mean."""
    if ratios.size < SPREAD:
        return ()
    parts = np.array([part.mean() for part in np.array_split(np.sort(ratios), SPREAD)])
    return tuple((parts / parts.mean()).round(3).tolist())


def _errors(fits: list[_Fit], model: CostModel) -> xr.Dataset:
    fits = [fit for fit in fits if fit.work.duration.size]
    measured = np.array([float(fit.work.duration.sum()) for fit in fits])
    predicted = np.array([model.duration(fit.work.units.sum(0)) for fit in fits], float)
    columns = {"measured_ns": measured, "predicted_ns": predicted, "error": predicted / measured - 1}
    return xr.Dataset(
        {name: ("recording", values) for name, values in columns.items()},
        {"recording": np.array([fit.name for fit in fits], object)},
    )


def _named(recordings: Iterable[xr.DataTree]) -> list[tuple[str, xr.DataTree]]:
    """Each run with a name of its own."""
    named: dict[str, xr.DataTree] = {}
    for run in recordings:
        if not isinstance(run, xr.DataTree):
            raise TypeError(f"calibrate: found {type(run).__name__}, expected runs, as compactlab.read gives")
        name = str(run.attrs.get("name", "recording"))
        same = sum(other.split(" (")[0] == name for other in named)
        named[f"{name} ({same + 1})" if same else name] = run
    return list(named.items())
