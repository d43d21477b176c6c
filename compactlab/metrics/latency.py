"""How long requests took."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import xarray as xr

from .source import needed


def latency_percentiles(run: xr.DataTree, edges: np.ndarray, q: Sequence[float] = (50, 90, 99)) -> xr.Dataset:
    """Percentiles of the allocation latency in each interval.

    Parameters
    ----------
    run
        A run with allocations.
    edges
        Rising moments on the `elapsed` scale, shape (n + 1). Unit: ns.
    q
        Percentiles, 0 to 100.

    Returns
    -------
        `latency_ns` (bin, q): a latency that occurred (nearest rank), NaN where nothing was requested within
        [edges[i], edges[i+1]); `nr_requests` and `nr_failed` (bin).

    Raises
    ------
    ValueError
        If the run has no allocations.
    """
    allocations = needed(run, "allocations", "Read the table of fault latencies beside the recording too")
    edges = np.asarray(edges, np.int64)
    allocations = allocations.isel(allocation=np.argsort(allocations.elapsed.values, kind="stable"))
    bounds = np.searchsorted(allocations.elapsed.values, edges, side="left")
    latency = allocations.latency_ns.values
    percentiles = np.full((len(edges) - 1, len(q)), np.nan)
    for row, (first, last) in enumerate(pairwise(bounds)):
        if last > first:
            percentiles[row] = np.percentile(latency[first:last], q, method="inverted_cdf")
    failed = np.concatenate([[0], np.cumsum(~allocations.success.values)])
    return xr.Dataset(
        {
            "latency_ns": (("bin", "q"), percentiles, {"units": "ns"}),
            "nr_requests": ("bin", np.diff(bounds)),
            "nr_failed": ("bin", np.diff(failed[bounds])),
        },
        {"start": ("bin", edges[:-1]), "end": ("bin", edges[1:]), "q": list(q)},
    )
