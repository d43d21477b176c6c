"""How near a prediction comes to what was recorded: one compaction, its work and what it left behind."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from ..schema import NO_INTEGER
from .compaction import compaction_runs
from .indices import unusable_index
from .source import group, largest_zone, needed, sample_at

MISSING = -1
"""A number of an outcome that the run does not tell."""

_WORK = ("migrated", "migrate_scanned", "free_scanned", "duration_ns")
_EVENTS = {
    "migrated": ("mm_compaction_migratepages", "nr_migrated"),
    "migrate_scanned": ("mm_compaction_isolate_migratepages", "nr_scanned"),
    "free_scanned": ("mm_compaction_isolate_freepages", "nr_scanned"),
    "fast_scanned": ("mm_compaction_fast_isolate_freepages", "nr_scanned"),
}
_COUNTERS = {
    "migrated": "pgmigrate_success",
    "migrate_scanned": "compact_migrate_scanned",
    "free_scanned": "compact_free_scanned",
}


class _Span(NamedTuple):
    start: int
    end: int
    status: str
    traced: bool


def score(prediction: xr.DataTree, recording: xr.DataTree, zone: str | None = None) -> xr.Dataset:
    """Lay a predicted compaction beside the recorded one.

    Both are judged as `outcome` tells them. A recording without events tells its work by the counters of
    /proc/vmstat, which are those of all zones together; the prediction's is then summed over its zones too.

    Parameters
    ----------
    prediction
        A run: of a simulation, or of another recording.
    recording
        The run it is compared with.
    zone
        Label of the zone, such as `0/Normal`; the recording's largest if not given.

    Returns
    -------
        `migrated_error`, `migrate_scanned_error`, `free_scanned_error`, `duration_error`: predicted / recorded
        - 1; NaN where a side does not tell, or only the prediction is not 0. `unusable_error` (order):
        absolute difference of the index afterwards. `free_pages_distance`: half the sum over orders of the
        absolute differences of free pages, relative to the recorded free pages. `status_predicted` and
        `status_recorded`. Beside them the numbers themselves, dims (side) and (side, order).

    Raises
    ------
    ValueError
        If one of the runs has no such zone, or no compaction of it.

    Examples
    --------
    >>> import compactlab as cl
    >>> run = cl.datasets.load("manual-compaction-given-up")
    >>> float(cl.score(run, run).migrated_error)
    0.0
    """
    zone = largest_zone(recording) if zone is None else zone
    recorded = outcome(recording, zone)
    predicted = outcome(prediction, zone, all_zones=not recorded.attrs["traced"])
    both = xr.concat(
        [predicted, recorded], "side", join="outer", fill_value={"nr_free": 0}, combine_attrs="drop"
    ).assign_coords(side=["predicted", "recorded"])
    pages = both.nr_free << both.order
    index = unusable_index(both.nr_free)
    distance = abs(pages[0] - pages[1]).sum() / 2
    return both.assign(
        {
            **{name.removesuffix("_ns") + "_error": _relative(both[name]) for name in _WORK},
            "unusable_error": abs(index[0] - index[1]).drop_vars("side", errors="ignore"),
            "free_pages_distance": distance / max(int(pages[1].sum()), 1),
            "status_predicted": predicted.status,
            "status_recorded": recorded.status,
        }
    ).assign_attrs(zone=zone, traced=recorded.attrs["traced"], page_size=recording.attrs["page_size"])


def outcome(run: xr.DataTree, zone: str, all_zones: bool = False) -> xr.Dataset:
    """What one compaction of a zone did, and which blocks were free right after it.

    It is the first manual run of the zone; where there is none, all that compacted the zone, from its first
    begin to its last end. Without events it is what happened between the first and the last page map, or
    between the first and the last counters.

    Parameters
    ----------
    run
        A run.
    zone
        Label of the zone.
    all_zones
        Count the work in all zones. Counters, which stand in for missing events, always do.

    Returns
    -------
        `migrated`, `migrate_scanned`, `free_scanned` (pages), `duration_ns`, each -1 where the run does not
        tell; `status` (empty: not told) and `nr_free` (order) in the first sample after. `attrs["traced"]`:
        whether events tell it.

    Raises
    ------
    ValueError
        If the run has no such zone, or no compaction of it.
    """
    zones = needed(run, "zones", "Record /proc/buddyinfo too")
    labels = zones.zone.values.tolist()
    if zone not in labels:
        raise ValueError(f"zone {zone!r}: the run {run.attrs.get('name', '')!r} has {', '.join(labels)}")
    span = _span(run, zone)
    work = _event_work(run, None if all_zones else zone, span) if span.traced else _counter_work(run, span)
    elapsed = zones.elapsed.values
    at = np.searchsorted(elapsed, span.end) if span.traced else sample_at(elapsed, np.array(span.end))
    nr_free = zones.nr_free.values[min(int(at), elapsed.size - 1), labels.index(zone)]
    return xr.Dataset(
        {
            **work,
            "duration_ns": span.end - span.start if span.traced else MISSING,
            "status": ((), np.array(span.status, object)),
            "nr_free": ("order", nr_free),
        },
        {"order": zones.order.values},
        {"zone": zone, "traced": span.traced, "missing": MISSING},
    )


def _span(run: xr.DataTree, zone: str) -> _Span:
    """Begin and end of the compaction that is judged."""
    runs = compaction_runs(run)
    if runs.attrs["from"] == "events":
        mine = np.flatnonzero(runs.zone.values == zone)
        manual = mine[runs.who.values[mine] == "manual"][:1]
        mine = manual if manual.size else mine
        if mine.size:
            last = mine[runs.end.values[mine].argmax()]
            status = str(runs.status.values[last])
            return _Span(int(runs.start.values[mine[0]]), int(runs.end.values[last]), status, True)
    elif runs.sizes["run"]:
        pages = group(run, "pages")
        moments = needed(run, "counters", "").elapsed if pages is None else pages.elapsed
        return _Span(int(moments[0]), int(moments[-1]), "", False)
    raise ValueError(
        f"zone {zone!r}: the run {run.attrs.get('name', '')!r} has no compaction of it; expected events from "
        "mm_compaction_begin to mm_compaction_end, or counters before and after"
    )


def _event_work(run: xr.DataTree, zone: str | None, span: _Span) -> dict[str, int]:
    events = needed(run, "events", "")
    chosen = np.ones(events.sizes["event"], bool) if zone is None else events.zone.values == zone
    if zone is not None:
        chosen &= (events.elapsed.values >= span.start) & (events.elapsed.values <= span.end)
    summed = {name: _sum(events, chosen, *wanted) for name, wanted in _EVENTS.items()}
    fast = summed.pop("fast_scanned")
    if fast != MISSING:
        summed["free_scanned"] = max(summed["free_scanned"], 0) + fast
    return summed


def _sum(events: xr.Dataset, chosen: np.ndarray, name: str, field: str) -> int:
    """Sum of one field; missing if the whole trace has no such event, 0 if only the compaction has none."""
    named = events.name.values == name
    if field not in events or not named.any():
        return MISSING
    pages = events[field].values[named & chosen]
    return int(pages[pages != NO_INTEGER].sum())


def _counter_work(run: xr.DataTree, span: _Span) -> dict[str, int]:
    counters = needed(run, "counters", "Record /proc/vmstat too")
    before, after = sample_at(counters.elapsed.values, np.array([span.start, span.end])).tolist()
    names = counters.counter.values.tolist()
    value, present = counters.value.values, counters.present.values
    work = dict.fromkeys(_COUNTERS, MISSING)
    for name, counter in _COUNTERS.items():
        column = names.index(counter) if counter in names else None
        if column is not None and present[before, column] and present[after, column]:
            work[name] = int(value[after, column] - value[before, column])
    return work


def _relative(pair: xr.DataArray) -> float:
    predicted, recorded = pair.values.tolist()
    if MISSING in (predicted, recorded) or (recorded == 0 and predicted != 0):
        return np.nan
    return predicted / recorded - 1 if recorded else 0.0
