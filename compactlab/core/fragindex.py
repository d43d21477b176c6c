"""The kernel's three fragmentation indices of a zone's free lists, in integers as the kernel has them.

Symbols: ``F`` free pages, ``B`` free blocks, ``S`` free blocks of the requested order that the free lists
hold (``contig_page_info``: free_pages, free_blocks_total, free_blocks_suitable), ``q`` requested order.
Formulas: mm/vmstat.c, Linux 6.18, ``fill_contig_page_info``, ``__fragmentation_index``,
``extfrag_for_order``, ``unusable_free_index``.
"""

from __future__ import annotations

import numpy as np

from .jit import jit


@jit
def fragmentation_thousandths(F: int, B: int, S: int, q: int) -> int:  # noqa: N803
    """Why a request would fail: towards 0 lack of memory, towards 1000 fragmentation; -1000: it fits."""
    if B == 0:
        return 0
    if S > 0:
        return -1000
    return 1000 - (1000 + (F * 1000 >> q)) // B


@jit
def unusable_thousandths(F: int, S: int, q: int) -> int:  # noqa: N803
    """Share of free memory in blocks too small for the request."""
    if F == 0:
        return 1000
    return (F - (S << q)) * 1000 // F


@jit
def extfrag_percent(F: int, S: int, q: int) -> int:  # noqa: N803
    """Give the same share in percent, with the opposite answer where nothing is free."""
    if F == 0:
        return 0
    return (F - (S << q)) * 100 // F


@jit
def _sums(nr_free: np.ndarray, row: int) -> tuple[int, int]:
    """F and B of one row of nr_free(row, order)."""
    F, B = 0, 0
    for order in range(nr_free.shape[1]):
        F += nr_free[row, order] << order
        B += nr_free[row, order]
    return F, B


@jit
def fragmentation_index(nr_free: np.ndarray, present: np.ndarray, out: np.ndarray) -> None:
    """Fragmentation index, all arguments (row, order): blocks, bool, float64 written; NaN if not present."""
    rows, orders = nr_free.shape
    for row in range(rows):
        F, B = _sums(nr_free, row)
        S = 0
        for order in range(orders - 1, -1, -1):
            S = 2 * S + nr_free[row, order]
            value = fragmentation_thousandths(F, B, S, order) / 1000
            out[row, order] = value if present[row, order] else np.nan


@jit
def unusable_index(nr_free: np.ndarray, present: np.ndarray, out: np.ndarray) -> None:
    """Unusable free space index, arguments as in `fragmentation_index`."""
    rows, orders = nr_free.shape
    for row in range(rows):
        F, _ = _sums(nr_free, row)
        S = 0
        for order in range(orders - 1, -1, -1):
            S = 2 * S + nr_free[row, order]
            value = unusable_thousandths(F, S, order) / 1000
            out[row, order] = value if present[row, order] else np.nan


@jit
def extfrag_for_order(nr_free: np.ndarray, present: np.ndarray, out: np.ndarray) -> None:
    """External fragmentation in percent, as above but integers; -1 if not present."""
    rows, orders = nr_free.shape
    for row in range(rows):
        F, _ = _sums(nr_free, row)
        S = 0
        for order in range(orders - 1, -1, -1):
            S = 2 * S + nr_free[row, order]
            out[row, order] = extfrag_percent(F, S, order) if present[row, order] else -1


@jit
def contig_page_info(nr_free: np.ndarray, q: int, out: np.ndarray) -> None:
    """F, S, fragmentation and unusable thousandths for one order: blocks (row, order) to int64 (4, row)."""
    rows, orders = nr_free.shape
    for row in range(rows):
        F, B = _sums(nr_free, row)
        S = 0
        for order in range(orders - 1, q - 1, -1):
            S = 2 * S + nr_free[row, order]
        out[0, row] = F
        out[1, row] = S
        out[2, row] = fragmentation_thousandths(F, B, S, q)
        out[3, row] = unusable_thousandths(F, S, q)
