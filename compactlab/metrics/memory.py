"""Free memory by block size."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..schema import page_size
from .source import free_blocks


def free_by_order(run: xr.DataTree | xr.DataArray) -> xr.DataArray:
    """Free memory in blocks of each order.

    Parameters
    ----------
    run
        A run, or free blocks with dims (..., order).

    Returns
    -------
        Dims of the free blocks. `attrs["units"]`: MiB (float64) where the run tells its page size, else
        pages (int64). 0 where the zone or order was not listed.

    Raises
    ------
    ValueError
        If the run has no free lists, or the array no dimension `order`.

    Examples
    --------
    >>> free_by_order(xr.DataArray([3, 0, 2], dims="order")).values.tolist()
    [3, 0, 8]
    """
    nr_free, _ = free_blocks(run)
    pages = nr_free << np.arange(nr_free.sizes["order"])
    size = page_size(run) if isinstance(run, xr.DataTree) else None
    amount = pages if size is None else pages * (size / 2**20)
    return amount.rename("free_by_order").assign_attrs(units="pages" if size is None else "MiB")


def largest_free_order(run: xr.DataTree | xr.DataArray) -> xr.DataArray:
    """Order of the largest free block.

    Parameters
    ----------
    run
        A run, or free blocks with dims (..., order).

    Returns
    -------
        Dims of the free blocks without order, int64; -1: no block is free, or the zone was not listed.

    Raises
    ------
    ValueError
        If the run has no free lists, or the array no dimension `order`.

    Examples
    --------
    >>> int(largest_free_order(xr.DataArray([3, 1, 0], dims="order")))
    1
    """
    nr_free, _ = free_blocks(run)
    free = nr_free.values > 0
    largest = np.where(free.any(-1), free.shape[-1] - 1 - free[..., ::-1].argmax(-1), -1)
    coords = {name: coord for name, coord in nr_free.coords.items() if "order" not in coord.dims}
    return xr.DataArray(largest, coords, nr_free.dims[:-1], "largest_free_order", {"missing": -1})
