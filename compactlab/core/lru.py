"""Lists of pages by recent use, one set per zone (mm/vmscan.c keeps them per node)."""

from __future__ import annotations

import numpy as np

from .jit import inner, integer
from .memory import (
    ACTIVE,
    ACTIVE_ANON,
    ACTIVE_FILE,
    ANON,
    INACTIVE_ANON,
    INACTIVE_FILE,
    LRU,
    UNEVICTABLE,
    UNEVICTABLE_LIST,
    Memory,
    list_add,
    list_del,
    lru_list,
)


@inner
def lru_of(memory: Memory, page: int) -> int:
    """Which LRU list a page belongs to."""
    flags = memory.page[page].bits
    if flags & UNEVICTABLE:
        return UNEVICTABLE_LIST
    if memory.page[page].kind == ANON:
        return ACTIVE_ANON if flags & ACTIVE else INACTIVE_ANON
    return ACTIVE_FILE if flags & ACTIVE else INACTIVE_FILE


@inner
def account_lru(memory: Memory, zone: int, which: int, pages: int) -> None:
    """Count pages of an LRU list, under the kernel's names."""
    this = memory.zone[zone]
    if which == INACTIVE_ANON:
        this.nr_inactive_anon += pages
    elif which == ACTIVE_ANON:
        this.nr_active_anon += pages
    elif which == INACTIVE_FILE:
        this.nr_inactive_file += pages
    elif which == ACTIVE_FILE:
        this.nr_active_file += pages
    else:
        this.nr_unevictable += pages


@inner
def folio_pages(memory: Memory, page: int) -> int:
    """Pages of the folio that starts here."""
    return 1 << integer(memory.page[page].order)


@inner
def lru_add(memory: Memory, zone: int, page: int) -> None:
    """Put a folio at the head of its LRU list."""
    which = lru_of(memory, page)
    memory.page[page].bits |= LRU
    list_add(memory, page, lru_list(memory, zone, which))
    account_lru(memory, zone, which, folio_pages(memory, page))


@inner
def lru_del(memory: Memory, zone: int, page: int) -> None:
    """Take a folio off its LRU list."""
    which = lru_of(memory, page)
    memory.page[page].bits &= np.uint8(255 - LRU)
    list_del(memory, page)
    account_lru(memory, zone, which, -folio_pages(memory, page))
