"""How sure a number over several seeds is."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import xarray as xr

RESAMPLES = 2000
BOUNDS = ("low", "median", "high")

_Values = TypeVar("_Values", xr.DataArray, xr.Dataset)


def intervals(values: _Values, dim: str = "seed", confidence: float = 0.95) -> _Values:
    """Median over the seeds, and the interval it lies in by the bootstrap's percentiles.

    With few seeds an interval is a rough guess: it never reaches beyond the values that were seen. Two
    that overlap may still differ: compare pairs of one seed instead, by the intervals of their differences.

    Parameters
    ----------
    values
        What a sweep returns, or one quantity of it. Missing points (NaN) do not count.
    dim
        Dimension of the repetitions.
    confidence
        Of the interval, between 0 and 1.

    Returns
    -------
        The same with a dimension `bound` (low, median, high) in place of `dim`; of a Dataset the variables
        that repeat. NaN where no seed tells; low and high are NaN where one seed alone does.

    Raises
    ------
    ValueError
        If there is no such dimension, or the confidence is none.

    Examples
    --------
    >>> intervals(xr.DataArray([1.0, 1, 2, 2, 9], dims="seed")).values.tolist()
    [1.0, 2.0, 9.0]
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: found {confidence!r}; expected a number between 0 and 1, such as 0.95")
    if dim not in values.sizes:
        raise ValueError(f"dim: found {dim!r}; expected one of {', '.join(map(str, values.sizes))}")
    if isinstance(values, xr.DataArray):
        return _of_array(values, dim, confidence)
    repeated = [
        name for name, each in values.data_vars.items() if dim in each.dims and each.dtype.kind in "fiu"
    ]
    found = {name: _of_array(values[name], dim, confidence) for name in repeated}
    return xr.Dataset(found, attrs=values.attrs)


def _of_array(values: xr.DataArray, dim: str, confidence: float) -> xr.DataArray:
    values = values.transpose(..., dim)
    rows = values.values.reshape(-1, values.sizes[dim]).astype(float)
    told = np.array([_interval(row[~np.isnan(row)], confidence) for row in rows])
    outer = values.dims[:-1]
    coords = {name: each for name, each in values.coords.items() if dim not in each.dims}
    return xr.DataArray(
        told.reshape(*values.shape[:-1], len(BOUNDS)),
        {**coords, "bound": list(BOUNDS)},
        (*outer, "bound"),
        name=values.name,
        attrs=values.attrs,
    )


def _interval(values: np.ndarray, confidence: float) -> tuple[float, float, float]:
    if not values.size:
        return np.nan, np.nan, np.nan
    median = float(np.median(values))
    if values.size == 1:
        return np.nan, median, np.nan
    if np.ptp(values) == 0:
        return median, median, median
    from scipy.stats import bootstrap  # loads in a second, and 60 MB; only intervals need it

    low, high = bootstrap(
        (values,),
        np.median,
        confidence_level=confidence,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(0),  # the same values give the same interval
    ).confidence_interval
    return float(low), median, float(high)
