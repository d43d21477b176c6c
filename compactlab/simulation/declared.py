"""Contents of a zone declared page by page: what examples and exercises are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from ..core.memory import ANON, FILE, FLAGS, FREE, KINDS, LRU, MIGRATETYPES, TAIL
from ..core.pagemap import free_orders
from .presets import one_of
from .seed import Seed


def declared(
    kind: ArrayLike,
    flags: Mapping[str, ArrayLike],
    folio_order: int,
    migratetype: str | Sequence[str],
    first_pfn: int,
    pageblock_order: int,
    nr_orders: int,
) -> Seed:
    """Contents of a zone from the kinds of its pages; `Zone.from_kinds` tells the rules."""
    kinds = _numbers(kind)
    orders = _orders(kinds, first_pfn, folio_order, nr_orders)
    movable = np.isin(kinds, (ANON, FILE))
    bits = np.where(movable & (orders != TAIL), LRU, 0).astype(np.uint8)
    for name, pages in flags.items():
        bits[_marked(name, pages, kinds)] |= 1 << one_of("flag", name, FLAGS)
    first, last = first_pfn >> pageblock_order, (first_pfn + kinds.size - 1) >> pageblock_order
    types = _types(migratetype, last - first + 1)
    return Seed(kinds, orders, (kinds == ANON).astype(np.uint8), bits, types)


def _numbers(kind: ArrayLike) -> np.ndarray:
    """Kinds by number, from their names."""
    names = np.asarray(kind)
    if names.ndim != 1 or not names.size:
        raise ValueError(f"Zone.from_kinds: kinds of shape {names.shape}; expected one name for each page")
    found, place = np.unique(names, return_inverse=True)
    return np.array([one_of("kind", str(name), KINDS) for name in found], np.uint8)[place]


def _orders(kinds: np.ndarray, first_pfn: int, folio_order: int, nr_orders: int) -> np.ndarray:
    """Orders of free blocks, the largest there can be, and of file folios; all other pages are lone."""
    orders = np.zeros(kinds.size, np.uint8)
    free_orders(kinds, first_pfn, nr_orders - 1, orders)
    orders[kinds != FREE] = 0
    size = 1 << folio_order
    starts = np.flatnonzero(kinds == FILE)
    if folio_order and starts.size:
        head = (starts + first_pfn) // size * size - first_pfn
        whole = (head >= 0) & (head + size <= kinds.size)
        wrong = ~whole
        wrong[whole] = (kinds[head[whole, None] + np.arange(size)] != FILE).any(axis=1)
        if wrong.any():
            raise ValueError(
                f"Zone.from_kinds: page {starts[wrong][0]} is a file page in a folio of order {folio_order} with "
                f"pages of other kinds; expected aligned runs of {size} file pages"
            )
        orders[starts] = np.where(starts == head, folio_order, TAIL)
    return orders


def _types(migratetype: str | Sequence[str], nr_pageblocks: int) -> np.ndarray:
    """Migratetypes by number, of all pageblocks or each."""
    names = [migratetype] * nr_pageblocks if isinstance(migratetype, str) else list(migratetype)
    if len(names) != nr_pageblocks:
        raise ValueError(
            f"Zone.from_kinds: {len(names)} migratetypes; expected one, or one for each of {nr_pageblocks} pageblocks"
        )
    return np.array([one_of("migratetype", name, MIGRATETYPES) for name in names], np.uint8)


def _marked(name: str, pages: ArrayLike, kinds: np.ndarray) -> np.ndarray:
    """Positions of the pages that have a flag, which only anonymous and file pages may have."""
    marked = np.asarray(pages)
    if not marked.size:
        return np.empty(0, np.int64)
    if marked.dtype != bool and not np.issubdtype(marked.dtype, np.integer):
        raise ValueError(f"Zone.from_kinds: flags[{name!r}] of {marked.dtype}; expected positions or a mask")
    where = np.flatnonzero(marked) if marked.dtype == bool else marked
    wrong = np.unique(kinds[where][~np.isin(kinds[where], (ANON, FILE))])
    if wrong.size:
        raise ValueError(
            f"Zone.from_kinds: flags[{name!r}] of {KINDS[wrong[0]]} pages; expected anon or file pages"
        )
    return where
