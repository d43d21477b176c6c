"""Size classes of zsmalloc: which sizes share pages, and how many pages are chained for them.

Names are the kernel's: a *zspage* is a chain of pages that holds objects of one class.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

HANDLE_SIZE = 8
"""Bytes before each object that say where its handle is (ZS_HANDLE_SIZE); none before a whole page."""
PAGE_SIZES = (4096, 16384, 65536)
_LEAST = 32  # ZS_MIN_ALLOC_SIZE
_CLASS_BITS = 8


def size_classes(chain_size: int = 8, page_size: int = 4096) -> xr.Dataset:
    """Size classes, smallest first, those that were merged into a larger one left out.

    Classes are `page_size >> 8` bytes apart, from 32 bytes to a page. For each the kernel takes the chain of
    1 to `chain_size` pages that leaves the fewest bytes at its end, the shortest of those that are equal; one
    page where the size is a power of two. A class with as many objects in as many pages as the next larger
    one is not made: its objects go there.

    Parameters
    ----------
    chain_size
        CONFIG_ZSMALLOC_CHAIN_SIZE, 4 to 16.
    page_size
        Bytes of a page: 4096, 16384 or 65536.

    Returns
    -------
        Dims (size_class,), labelled by the index that the kernel gives them: `size` of an object with its
        handle, `smallest` and `largest` data that goes there (bytes), `pages` and `objects` of a zspage,
        `tail` bytes left at its end.

    Raises
    ------
    ValueError
        If a parameter is none that the kernel has.

    References
    ----------
    mm/zsmalloc.c, calculate_zspage_chain_size and zs_create_pool, Linux 6.18 (6.3 and later).

    Examples
    --------
    >>> told = size_classes()
    >>> told.sizes["size_class"], told.sel(size_class=100)[["size", "pages", "objects"]].to_array().values
    (119, array([1632,    2,    5]))
    """
    if not 4 <= chain_size <= 16:
        raise ValueError(f"chain_size={chain_size}; expected 4 to 16, as CONFIG_ZSMALLOC_CHAIN_SIZE")
    if page_size not in PAGE_SIZES:
        raise ValueError(f"page_size={page_size}; expected 4096, 16384 or 65536")
    delta = page_size >> _CLASS_BITS
    size = np.minimum(np.arange(_LEAST, page_size + delta, delta), page_size)
    pages = np.array([_chain(int(each), chain_size, page_size) for each in size])
    objects = pages * page_size // size
    is_last = np.r_[(np.diff(pages) != 0) | (np.diff(objects) != 0), True]
    size, pages, objects = size[is_last], pages[is_last], objects[is_last]
    largest = np.where(size < page_size, size - HANDLE_SIZE, page_size)
    return xr.Dataset(
        {
            "size": ("size_class", size, {"units": "bytes"}),
            "smallest": ("size_class", np.r_[1, size[:-1] - HANDLE_SIZE + 1], {"units": "bytes"}),
            "largest": ("size_class", largest, {"units": "bytes"}),
            "pages": ("size_class", pages, {"units": "pages"}),
            "objects": ("size_class", objects, {"units": "objects"}),
            "tail": ("size_class", pages * page_size - objects * size, {"units": "bytes"}),
        },
        coords={"size_class": np.flatnonzero(is_last)},
        attrs={"chain_size": chain_size, "page_size": page_size},
    )


def huge_size(chain_size: int = 8, page_size: int = 4096) -> int:
    """Bytes from which on a compressed page would fill a page of its own: it is kept as it was.

    References
    ----------
    mm/zsmalloc.c, zs_huge_class_size; drivers/block/zram/zram_drv.c, Linux 6.18.

    Examples
    --------
    >>> huge_size()
    3625
    """
    return int(size_classes(chain_size, page_size).smallest[-1])


def _chain(size: int, chain_size: int, page_size: int) -> int:
    """Pages of a zspage."""
    if size & (size - 1) == 0:
        return 1
    return min(range(1, chain_size + 1), key=lambda pages: pages * page_size % size)
