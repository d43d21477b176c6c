"""The kernel's fragmentation indices for every requested order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr

from ..core import fragindex
from .source import free_blocks

NOT_PRESENT = -1
"""Missing value of `extfrag_for_order`."""


def _index(
    source: xr.DataTree | xr.DataArray, kernel: Callable[..., None], dtype: type, **attrs: object
) -> xr.DataArray:
    nr_free, present = free_blocks(source)
    counts = np.ascontiguousarray(nr_free.values, dtype=np.int64)
    out: np.ndarray = np.empty(counts.shape, dtype)
    orders = counts.shape[-1]
    kernel(
        counts.reshape(-1, orders),
        np.ascontiguousarray(present.values).reshape(-1, orders),
        out.reshape(-1, orders),
    )
    return xr.DataArray(out, nr_free.coords, nr_free.dims, kernel.__name__, attrs)


def fragmentation_index(run: xr.DataTree | xr.DataArray) -> xr.DataArray:
    """External fragmentation index: whether a failing request lacks memory or contiguity.

    With F free pages in B free blocks and a request of R = 2**order pages, in thousandths and integer
    division: 1000 - (1000 + F*1000 // R) // B; -1000 if a block of that size is free, 0 if nothing is.

    Parameters
    ----------
    run
        A run, or free blocks with dims (..., order).

    Returns
    -------
        Dims of the free blocks; `order` is the requested order. Thousandths / 1000, equal to debugfs.
        -1: a block is free. Towards 0: lack of memory; towards 1: fragmentation. One lone block that is
        too small gives a value in [-0.5, 0]. NaN: the zone, or that order of it, was not listed.

    Raises
    ------
    ValueError
        If the run has no free lists, or the array no dimension `order`.

    References
    ----------
    mm/vmstat.c, __fragmentation_index, Linux 6.18; debugfs extfrag/extfrag_index.

    Examples
    --------
    Four free single pages, nothing larger; a pair and four pages are asked for. F = 4, B = 4:
    1000 - (1000 + 2000) // 4 = 250, and 1000 - (1000 + 1000) // 4 = 500.

    >>> fragmentation_index(xr.DataArray([4, 0, 0], dims="order")).values.tolist()
    [-1.0, 0.25, 0.5]
    """
    return _index(run, fragindex.fragmentation_index, np.float64, units="1")


def unusable_index(run: xr.DataTree | xr.DataArray) -> xr.DataArray:
    """Unusable free space index: the share of free memory in blocks too small for a request.

    With F free pages, S free blocks of the requested order (larger ones counted as several) and
    R = 2**order: (F - S*R) * 1000 // F thousandths; 1000 if nothing is free.

    Parameters
    ----------
    run
        A run, or free blocks with dims (..., order).

    Returns
    -------
        Dims of the free blocks; `order` is the requested order. Thousandths / 1000, equal to debugfs.
        0: all free memory can serve the request; 1: none can. NaN: not listed.

    Raises
    ------
    ValueError
        If the run has no free lists, or the array no dimension `order`.

    References
    ----------
    mm/vmstat.c, unusable_free_index, Linux 6.18; debugfs extfrag/unusable_index.

    Examples
    --------
    Two single pages and one pair are free: half of the memory is useless to who needs a pair.

    >>> unusable_index(xr.DataArray([2, 1], dims="order")).values.tolist()
    [0.0, 0.5]
    """
    return _index(run, fragindex.unusable_index, np.float64, units="1")


def extfrag_for_order(run: xr.DataTree | xr.DataArray) -> xr.DataArray:
    """External fragmentation in percent, as proactive compaction scores a zone.

    The share of `unusable_index` as (F - S*R) * 100 // F, but 0 if nothing is free.

    Parameters
    ----------
    run
        A run, or free blocks with dims (..., order).

    Returns
    -------
        Dims of the free blocks, int64. Unit: percent, 0 to 100; -1 (`attrs["missing"]`): not listed.

    Raises
    ------
    ValueError
        If the run has no free lists, or the array no dimension `order`.

    References
    ----------
    mm/vmstat.c, extfrag_for_order, Linux 5.9 to 6.18.

    Examples
    --------
    >>> extfrag_for_order(xr.DataArray([1, 1], dims="order")).values.tolist()
    [0, 33]
    """
    return _index(run, fragindex.extfrag_for_order, np.int64, units="percent", missing=NOT_PRESENT)
