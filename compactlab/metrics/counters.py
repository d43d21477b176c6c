"""Rates and rises of the kernel's cumulative counters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from .source import needed

_LEVELS = ("nr_", "workingset_nodes")


def rates(run: xr.DataTree, counters: Sequence[str] | None = None) -> xr.DataArray:
    """Events per second of cumulative counters, between each sample and the one before.

    Parameters
    ----------
    run
        A run with counters.
    counters
        Names as in /proc/vmstat; all but the levels (``nr_*``) if not given.

    Returns
    -------
        Dims (time, counter). Unit: 1/s. NaN in the first sample, where a counter is absent from either
        sample, and where it went backward (reset, reboot); `attrs["absent"]` and `attrs["backward"]` count
        the latter two.

    Raises
    ------
    ValueError
        If the run has no counters, or not one of those named.

    Examples
    --------
    >>> import compactlab.schema as schema
    >>> seconds = np.array([0, 2])
    >>> group = xr.Dataset(
    ...     {"value": (("time", "counter"), [[5], [11]]), "present": (("time", "counter"), [[True], [True]])},
    ...     {"time": seconds, "elapsed": ("time", seconds * 10**9), "counter": np.array(["pgfault"], object)},
    ... )
    >>> rates(schema.new_run({"counters": group})).values.tolist()
    [[nan], [3.0]]
    """
    recorded = needed(run, "counters", "Record /proc/vmstat too")
    names = [str(name) for name in recorded.counter.values]
    if counters is None:
        counters = [name for name in names if not name.startswith(_LEVELS)]
    unknown = [name for name in counters if name not in names]
    if unknown:
        raise ValueError(f"counters: {', '.join(unknown)} not recorded; the run has {', '.join(names)}")
    recorded = recorded.isel(counter=[names.index(name) for name in counters])
    difference, listed = increments(recorded)
    seconds = np.diff(recorded.elapsed.values) / 1e9
    backward = listed & (difference < 0)
    out = np.full(recorded.value.shape, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        out[1:] = np.where(listed & ~backward & (seconds > 0)[:, None], difference / seconds[:, None], np.nan)
    attrs = {"units": "1/s", "backward": int(backward.sum()), "absent": int((~listed).sum())}
    return xr.DataArray(out, recorded.value.coords, recorded.value.dims, "rates", attrs)


def rises(run: xr.DataTree) -> xr.DataArray:
    """How far each cumulative counter rose from the first sample to the last.

    Parameters
    ----------
    run
        A run with counters.

    Returns
    -------
        Dims (counter), int64, of the counters in both samples; levels (``nr_*``) are left out. `counter` is
        an index: ``rises(run).sel(counter="pgsteal_kswapd")``.

    Raises
    ------
    ValueError
        If the run has no counters.

    Examples
    --------
    >>> import compactlab.schema as schema
    >>> group = xr.Dataset(
    ...     {"value": (("time", "counter"), [[5], [11]]), "present": (("time", "counter"), [[True], [True]])},
    ...     {"time": [0, 1], "elapsed": ("time", [0, 1]), "counter": np.array(["pgfault"], object)},
    ... )
    >>> rises(schema.new_run({"counters": group})).sel(counter="pgfault").item()
    6
    """
    recorded = needed(run, "counters", "Record /proc/vmstat too").isel(time=[0, -1])
    difference, listed = increments(recorded)
    names = [str(name) for name in recorded.counter.values]
    kept = [k for k, name in enumerate(names) if listed[0, k] and not name.startswith(_LEVELS)]
    counters = xr.Variable("counter", np.array([names[k] for k in kept], object))
    return xr.DataArray(difference[0, kept], {"counter": counters}, ("counter",), "rises")


def increments(recorded: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Difference of each sample to the one before and whether both list the counter: (time - 1, counter)."""
    value, present = recorded.value.values, recorded.present.values
    return np.diff(value, axis=0), present[1:] & present[:-1]
