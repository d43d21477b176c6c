"""Who compacts, from when to when, and how much work that is: from events, or else from counters."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from ..schema import NO_INTEGER
from .counters import increments
from .source import group

WHO = ("direct", "kcompactd", "proactive", "manual", "unknown")
"""Who may compact; `unknown`: counters tell that it was neither a direct request nor kcompactd."""

_TELLS_ORDER = (
    "mm_compaction_try_to_compact_pages",
    "mm_compaction_kcompactd_wake",
    "mm_compaction_suitable",
    "mm_compaction_finished",
)
_SCANNED = {
    "scanned": ("mm_compaction_isolate_migratepages",),
    "free_scanned": ("mm_compaction_isolate_freepages", "mm_compaction_fast_isolate_freepages"),
    "migrated": ("mm_compaction_migratepages",),
}
_BOOKED = {
    "scanned": "compact_migrate_scanned",
    "free_scanned": "compact_free_scanned",
    "migrated": "pgmigrate_success",
}


class _Run(NamedTuple):
    who: str
    start: int
    end: int
    status: str = ""
    zone: str = ""
    order: int = NO_INTEGER


def compaction_runs(run: xr.DataTree) -> xr.Dataset:
    """Every compaction of a zone: who, from when to when, with what result.

    Events give each run exactly: mm_compaction_begin to mm_compaction_end of one role in one zone; order -1
    of kcompactd is proactive compaction, roles that are neither kcompactd nor manual compact directly for
    their own request. Counters give spans between samples in which compact_stall (direct),
    compact_daemon_* (kcompactd, proactive included) or only compact_migrate_scanned (unknown: manual
    or contiguous allocation) rose; vmstat books scans when a compaction ends.

    Parameters
    ----------
    run
        A run.

    Returns
    -------
        Dims (run), sorted by start: `who` (see ``WHO``), `start` and `end` (ns on the `elapsed` scale),
        `status` and `zone` (empty: not known), `order` (-1: whole zone; -2**63: not known).
        `attrs["from"]`: "events", "counters" or None.
    """
    events, counters = _compaction_events(run), _counters(run)
    if events is not None:
        return _as_dataset(_runs_from_events(events), "events")
    if (
        counters is not None
        and np.isin(("compact_stall", "compact_migrate_scanned"), counters.counter.values).any()
    ):
        return _as_dataset(_runs_from_counters(counters), "counters")
    return _as_dataset([], None)


def _compaction_events(run: xr.DataTree) -> xr.Dataset | None:
    """Events of compaction, or None where its tracepoints were not recorded."""
    events = group(run, "events")
    if events is None or not any(name.startswith("mm_compaction_") for name in set(events.name.values)):
        return None
    return events


def _named(events: xr.Dataset, names: tuple[str, ...]) -> np.ndarray:
    """Tell which events have one of these names, (event)."""
    return np.any([events.name.values == name for name in names], axis=0)


def _counters(run: xr.DataTree) -> xr.Dataset | None:
    """Counters of at least two samples: one alone tells no rise."""
    counters = group(run, "counters")
    return counters if counters is not None and counters.sizes["time"] > 1 else None


def _as_dataset(runs: list[_Run], origin: str | None) -> xr.Dataset:
    runs = sorted(runs, key=lambda one: one.start)
    columns = zip(*runs, strict=True) if runs else [[]] * len(_Run._fields)
    dtypes = (object, np.int64, np.int64, object, object, np.int64)
    named = zip(_Run._fields, columns, dtypes, strict=True)
    return xr.Dataset(
        {name: ("run", np.array(values, dtype)) for name, values, dtype in named}, attrs={"from": origin}
    )


def _column(events: xr.Dataset, name: str, missing: object) -> list:
    return events[name].values.tolist() if name in events else [missing] * events.sizes["event"]


def _runs_from_events(events: xr.Dataset) -> list[_Run]:
    over = int(events.elapsed[-1])
    wanted = _named(events, ("mm_compaction_begin", "mm_compaction_end", *_TELLS_ORDER))
    events = events.isel(event=np.flatnonzero(wanted))
    texts = [_column(events, name, "") for name in ("name", "role", "zone", "status")]
    numbers = [events.elapsed.values.tolist(), _column(events, "order", NO_INTEGER)]
    order_of: dict[str, int] = {}
    begun: dict[tuple[str, str], list[int]] = {}
    runs = []
    for name, role, zone, status, elapsed, order in zip(*texts, *numbers, strict=True):
        if name == "mm_compaction_begin":
            begun.setdefault((role, zone), []).append(elapsed)
        elif name != "mm_compaction_end":
            order_of[role] = order
        elif begun.get((role, zone)):
            order = -1 if role == "manual" else order_of.get(role, NO_INTEGER)
            runs.append(_Run(_who(role, order), begun[role, zone].pop(), elapsed, status, zone, order))
    for (role, zone), starts in begun.items():  # the trace ended before they did
        order = order_of.get(role, NO_INTEGER)
        runs += [_Run(_who(role, order), start, over, "", zone, order) for start in starts]
    return runs


def _who(role: str, order: int) -> str:
    if role == "kcompactd":
        return "proactive" if order == -1 else "kcompactd"
    return "manual" if role == "manual" else "direct"


def _runs_from_counters(counters: xr.Dataset) -> list[_Run]:
    names = [str(name) for name in counters.counter.values]
    difference, listed = increments(counters)
    rise = np.where(listed & (difference > 0), difference, 0)

    def risen(*wanted: str) -> np.ndarray:
        return rise[:, [column for column, name in enumerate(names) if name in wanted]].sum(1) > 0

    direct = risen("compact_stall")
    daemon = risen("compact_daemon_wake", "compact_daemon_migrate_scanned", "compact_daemon_free_scanned")
    other = risen("compact_migrate_scanned") & ~direct & ~daemon
    elapsed = counters.elapsed.values
    runs = []
    for who, active in (("direct", direct), ("kcompactd", daemon), ("unknown", other)):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], active, [False]])))
        runs += [_Run(who, int(elapsed[first]), int(elapsed[last])) for first, last in edges.reshape(-1, 2)]
    return runs


def compaction_work(run: xr.DataTree, edges: np.ndarray) -> xr.Dataset:
    """Pages scanned and migrated by compaction in each interval.

    Parameters
    ----------
    run
        A run.
    edges
        Rising moments on the `elapsed` scale, shape (n + 1). Unit: ns.

    Returns
    -------
        Dims (bin), int64 pages within [edges[i], edges[i+1]): `scanned` (by the migrate scanner),
        `free_scanned`, `migrated`; zeros if nothing tells. `start` and `end` of each bin.
        `attrs["from"]`: "events", "counters" or None; `attrs["lacks"]`: which scanners' events the trace has
        none of, so that their zeros mean nothing. Counters are booked at the sample that shows them, and
        `migrated` counts every page migration then (pgmigrate_success), not compaction's alone.
    """
    edges = np.asarray(edges, np.int64)
    events, counters = _compaction_events(run), _counters(run)
    lacks: list[str] = []
    if events is not None:
        origin: str | None = "events"
        lacks = [
            name
            for name in ("scanned", "free_scanned")
            if not np.isin(events.name.values, _SCANNED[name]).any()
        ]
        work = {name: _within(edges, *_event_pages(events, names)) for name, names in _SCANNED.items()}
    elif counters is not None and "compact_migrate_scanned" in counters.counter.values:
        origin = "counters"
        work = {name: _within(edges, *_counter_pages(counters, counter)) for name, counter in _BOOKED.items()}
    else:
        origin = None
        work = {name: np.zeros(len(edges) - 1, np.int64) for name in _SCANNED}
    bins = {name: ("bin", pages) for name, pages in work.items()}
    return xr.Dataset(
        bins,
        {"start": ("bin", edges[:-1]), "end": ("bin", edges[1:])},
        {"from": origin, "lacks": lacks, "units": "pages"},
    )


def _event_pages(events: xr.Dataset, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    field = "nr_migrated" if names == _SCANNED["migrated"] else "nr_scanned"
    if field not in events:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    pages = events[field].values
    wanted = _named(events, names) & (pages != NO_INTEGER)
    return events.elapsed.values[wanted], pages[wanted]


def _counter_pages(counters: xr.Dataset, counter: str) -> tuple[np.ndarray, np.ndarray]:
    columns = np.flatnonzero(counters.counter.values == counter)
    difference, listed = increments(counters.isel(counter=columns))
    rise = np.where(listed & (difference > 0), difference, 0).sum(1)
    return counters.elapsed.values[1:], rise


def _within(edges: np.ndarray, elapsed: np.ndarray, pages: np.ndarray) -> np.ndarray:
    sequence = np.argsort(elapsed, kind="stable")
    total = np.concatenate([[0], np.cumsum(pages[sequence])])
    return np.diff(total[np.searchsorted(elapsed[sequence], edges, side="left")])
