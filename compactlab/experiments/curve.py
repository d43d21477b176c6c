"""The load of a day, from what a run counted."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..metrics.counters import increments
from ..metrics.source import group
from ..simulation.workloads.daily import HOURS

_DAY = 86_400_000_000_000  # ns


def curve_of(run: xr.DataTree) -> xr.DataArray:
    """Load of each hour of a day, as a run counted it.

    Load is pages allocated (the counters pgalloc*, summed over zones); where those are not counted it is page
    faults (pgfault), and else the requests of the allocations group. A run by the wall clock that lasts a day
    or longer gives the mean of each hour of the day, in UTC. Any other is taken to be one day from its begin to
    its end: a twenty-fourth of it is an hour. What was counted between two samples spreads evenly between them.

    Parameters
    ----------
    run
        Recording or simulation.

    Returns
    -------
        Dims (hour). Unit: of the largest, 0 to 1. `attrs["text"]` says from what and how.

    Raises
    ------
    ValueError
        If the run counts none of these.

    Examples
    --------
    >>> import compactlab as cl
    >>> curve = curve_of(cl.datasets.load("whole-story"))
    >>> curve.sizes["hour"], float(curve.max())
    (24, 1.0)
    """
    elapsed, rise, what = _counted(run)
    by_clock = run.attrs["clock"] == "wall" and elapsed[-1] - elapsed[0] >= _DAY
    hour = _DAY // HOURS if by_clock else (elapsed[-1] - elapsed[0]) / HOURS
    first = run.attrs["start_ns"] % _DAY if by_clock else -elapsed[0]
    begin, end = int((elapsed[0] + first) // hour), int(np.ceil((elapsed[-1] + first) / hour))
    edges = np.arange(begin, max(end, begin + HOURS) + 1) * hour - first
    total = np.diff(np.interp(edges, elapsed, np.concatenate([[0], np.cumsum(rise)])))
    seen = np.diff(np.clip(edges, elapsed[0], elapsed[-1]))
    of_day = (begin + np.arange(total.size)) % HOURS
    load = np.bincount(of_day, total, HOURS) / np.bincount(of_day, seen, HOURS).clip(1)
    how = "mean of each hour of the day (UTC)" if by_clock else "the run taken to be one day"
    return xr.DataArray(
        load / load.max(),
        {"hour": np.arange(HOURS)},
        ("hour",),
        name="load",
        attrs={"text": f"{what} of {run.attrs.get('name', 'the run')}, {how}", "units": "of the largest"},
    )


def _counted(run: xr.DataTree) -> tuple[np.ndarray, np.ndarray, str]:
    """Moments, what was counted between each and the next, and what that is."""
    counters = group(run, "counters")
    if counters is not None and counters.sizes["time"] > 1:
        names = [str(name) for name in counters.counter.values]
        for begin, what in (("pgalloc", "pages allocated"), ("pgfault", "page faults")):
            columns = [at for at, name in enumerate(names) if name.startswith(begin)]
            difference, listed = increments(counters.isel(counter=columns))
            rise = np.where(listed & (difference > 0), difference, 0).sum(1)
            if rise.any():
                return counters.elapsed.values, rise, what
    allocations = group(run, "allocations")
    if allocations is not None and np.ptp(allocations.elapsed.values) > 0:
        moments, counts = np.unique(allocations.elapsed.values, return_counts=True)
        return moments, counts[1:], "requests"
    raise ValueError(
        f"run {run.attrs.get('name', '')!r}: found no counters that rise (pgalloc*, pgfault) and no allocations; "
        "expected one of them in two samples or more. Record /proc/vmstat too"
    )
