"""A part of a run: one phase of it, its compaction, or whatever lies between two moments."""

from __future__ import annotations

import numpy as np
import xarray as xr

from .compaction import compaction_runs
from .source import group

_SAMPLED = {
    "zones": "time",
    "zoneinfo": "time",
    "extfrag": "time",
    "migratetypes": "time",
    "counters": "time",
    "threads": "time",
    "pageblocks": "frame",
    "pages": "keyframe",
}
_LISTED = {"events": "event", "allocations": "allocation"}


def part(
    run: xr.DataTree, phase: str | None = None, *, start: int | None = None, end: int | None = None
) -> xr.DataTree:
    """Cut all groups of a run to one stretch of time; `elapsed` keeps its zero.

    A recording of an experiment holds what came before and after, too: compare a prediction with
    the part that it predicts.

    Parameters
    ----------
    run
        A run.
    phase
        Name of one of its phases, or "compaction": from the begin of its first compaction to the end of
        its last one.
    start, end
        Moments on the `elapsed` scale instead. Unit: ns.

    Returns
    -------
        A run. Of what is sampled it also has the last sample before the part, so that it begins with a
        value, and the first one after it, which books what happened in it; of events and allocations only
        those from `start` to `end`. `attrs["part"]`: the two.

    Raises
    ------
    ValueError
        If there is no such phase, no compaction, or `start` is not before `end`.

    Examples
    --------
    >>> import compactlab as cl
    >>> run = cl.datasets.load("direct-compaction")
    >>> int(part(run, "direct_demand").allocations.sizes["allocation"])
    512
    """
    if phase is not None:
        start, end = _of_phase(run, phase)
    first = np.iinfo(np.int64).min if start is None else int(start)
    last = np.iinfo(np.int64).max if end is None else int(end)
    if first >= last:
        raise ValueError(f"start {first}, end {last}: expected a start before the end, in ns of `elapsed`")
    groups: dict[str, xr.Dataset] = {}
    for name in run.children:
        cut = _cut(name, run[name].to_dataset(), first, last)
        if all(cut.sizes.values()):
            groups[f"/{name}"] = cut
    if "/events" in groups and "/moves" in groups:
        groups["/moves"] = _moves(run, groups["/moves"], first, groups["/events"].sizes["event"])
    cut_run = xr.DataTree.from_dict(groups, name=run.name)
    whole = span_of(run)
    cut_run.attrs.update(run.attrs | {"part": [max(first, whole[0]), min(last, whole[1])]})
    return cut_run


def span_of(run: xr.DataTree) -> tuple[int, int]:
    """First and last moment of a run, on the `elapsed` scale. Unit: ns.

    Those of its part if it was cut, else of its free lists, else of what else it has.
    """
    if "part" in run.attrs:
        start, end = run.attrs["part"]
        return int(start), int(end)
    for name in ("zones", "counters", "events", "allocations", *_SAMPLED):
        recorded = group(run, name)
        if recorded is not None and "elapsed" in recorded:
            return int(recorded.elapsed.values[0]), int(recorded.elapsed.values[-1])
    return 0, 0


def _of_phase(run: xr.DataTree, phase: str) -> tuple[int, int]:
    if phase == "compaction":
        runs = compaction_runs(run)
        if not runs.sizes["run"]:
            raise ValueError(f"phase {phase!r}: the run {run.attrs.get('name', '')!r} has no compaction")
        return int(runs.start.min()), int(runs.end.max())
    phases = group(run, "phases")
    names = [] if phases is None else phases["name"].values.tolist()
    if phases is None or phase not in names:
        raise ValueError(f"phase {phase!r}: the run has {', '.join(['compaction', *names])}")
    at = names.index(phase)
    return int(phases.start.values[at]), int(phases.end.values[at])


def _cut(name: str, dataset: xr.Dataset, first: int, last: int) -> xr.Dataset:
    if name in _SAMPLED:
        elapsed = dataset.elapsed.values
        begin = max(int(np.searchsorted(elapsed, first, "right")) - 1, 0)
        stop = int(np.searchsorted(elapsed, last, "left")) + 1
        return dataset.isel({_SAMPLED[name]: slice(begin, stop)})
    if name in _LISTED:
        elapsed = dataset.elapsed.values
        return dataset.isel({_LISTED[name]: np.flatnonzero((elapsed >= first) & (elapsed <= last))})
    if name == "phases":
        inside = np.flatnonzero((dataset.end.values > first) & (dataset.start.values < last))
        kept = dataset.isel(phase=inside)
        return kept.assign(start=kept.start.clip(min=first), end=kept.end.clip(max=last))
    return dataset


def _moves(run: xr.DataTree, moves: xr.Dataset, first: int, events: int) -> xr.Dataset:
    """Moves of the events that were kept, by their new positions."""
    before = int((run["events"].elapsed.values < first).sum())
    event = moves.event - before
    return moves.assign(event=event).isel(move=np.flatnonzero((event.values >= 0) & (event.values < events)))
