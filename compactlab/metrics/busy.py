"""Who was busy freeing and compacting memory, from when to when, as a trace tells."""

from __future__ import annotations

import numpy as np
import xarray as xr

from .compaction import compaction_runs
from .source import group

_KSWAPD = ("mm_vmscan_kswapd_wake", "mm_vmscan_kswapd_sleep")
_RECLAIM = ("mm_vmscan_direct_reclaim_begin", "mm_vmscan_direct_reclaim_end")
_LANES = {"direct": "compaction", "kcompactd": "kcompactd", "proactive": "kcompactd", "manual": "manual"}

Spans = tuple[np.ndarray, np.ndarray]
"""Begins and ends, both (span,). Unit: ns on the `elapsed` scale."""


def busy_spans(run: xr.DataTree) -> dict[str, Spans]:
    """Spans of work by who did it: kswapd, kcompactd, compaction and reclaim (for a request), manual.

    Time from begin to end, in which the thread may have waited too: kswapd is busy from wake to sleep. Only
    events tell it; a lane of whose events the trace has none is not in the result.

    Parameters
    ----------
    run
        A run.
    """
    lanes: dict[str, list[Spans]] = {}
    runs = compaction_runs(run)
    if runs.attrs["from"] == "events":
        who = runs["who"].to_numpy().astype(str)
        for name, lane in _LANES.items():
            here = who == name
            if here.any():
                lanes.setdefault(lane, []).append(
                    (runs["start"].to_numpy()[here], runs["end"].to_numpy()[here])
                )
    events = group(run, "events")
    if events is not None:
        for lane, pair in (("kswapd", _KSWAPD), ("reclaim", _RECLAIM)):
            spans = _between(events, *pair)
            if spans[0].size:
                lanes.setdefault(lane, []).append(spans)
    joined = {
        lane: tuple(np.concatenate(part) for part in zip(*spans, strict=True))
        for lane, spans in lanes.items()
    }
    return {lane: (joined[lane][0], joined[lane][1]) for lane in sorted(joined)}


def _between(events: xr.Dataset, begin: str, end: str) -> Spans:
    """From each begin to the next end of the same role and node; what never ends lasts to the last event."""
    at = np.flatnonzero(np.isin(events["name"].to_numpy().astype(str), (begin, end)))
    names = events["name"].to_numpy()[at].tolist()
    elapsed = events["elapsed"].to_numpy()[at].tolist()
    whose: list[list[object]] = [
        events[each].to_numpy()[at].tolist() if each in events else [""] * at.size
        for each in ("role", "node")
    ]
    begun: dict[object, int] = {}
    spans: list[tuple[int, int]] = []
    for name, when, *who in zip(names, elapsed, *whose, strict=True):
        key = tuple(who) if begin in _KSWAPD else who[0]
        if name == begin:
            begun.setdefault(key, when)
        elif key in begun:
            spans.append((begun.pop(key), when))
    spans += [(start, int(events["elapsed"].to_numpy()[-1])) for start in begun.values()]
    columns = np.array(sorted(spans), np.int64).reshape(-1, 2)
    return columns[:, 0], columns[:, 1]


def busy_until(spans: Spans, moments: np.ndarray) -> np.ndarray:
    """Busy time up to each moment; where spans overlap, each counts.

    Parameters
    ----------
    spans
        Begins and ends. Unit: ns.
    moments
        Moments asked for. Unit: ns.

    Returns
    -------
        Shape of moments, int64. Unit: ns.

    Examples
    --------
    >>> busy_until((np.array([0, 5]), np.array([10, 6])), np.array([0, 4, 20])).tolist()
    [0, 4, 11]
    """

    def passed(bounds: np.ndarray) -> np.ndarray:
        ordered = np.sort(bounds)
        total = np.concatenate([[0], np.cumsum(ordered)])
        count = np.searchsorted(ordered, moments, side="right")
        return np.asarray(count * moments - total[count])

    moments = np.asarray(moments, np.int64)
    return passed(spans[0]) - passed(spans[1])


def no_faster_than_time(moments: np.ndarray, spent: np.ndarray, cpus: int = 1) -> np.ndarray:
    """CPU time up to each moment, none of it before it can have passed.

    A simulated thread is charged with all of a step when it begins it: with more than has passed, if its
    counter is read before the step is over.

    Parameters
    ----------
    moments
        When the counter was read. Unit: ns.
    spent
        What it said. Unit: ns.
    cpus
        Threads counted together, each on a CPU of its own.

    Returns
    -------
        Shape of moments. Unit: ns.

    Examples
    --------
    >>> no_faster_than_time(np.array([0, 10, 20, 40]), np.array([0, 15, 15, 15])).tolist()
    [0, 10, 15, 15]
    """
    passed = moments * cpus
    return np.asarray(passed + np.minimum.accumulate(spent - passed))
