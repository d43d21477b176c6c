"""Page maps: words of /proc/kpageflags to kinds, sizes of free blocks and folios, counts per pageblock.

Arrays are indexed by page; ``first_pfn`` is the page frame number of the first one.
"""

from __future__ import annotations

import numpy as np

from .jit import inner, integer, jit
from .memory import (
    ACTIVE,
    ANON,
    DIRTY,
    FILE,
    FREE,
    HOLE,
    HUGETLB,
    KERNEL,
    LRU,
    OFFLINE,
    PGTABLE,
    PRIVATE,
    REFERENCED,
    RESERVED,
    SLAB,
    TAIL,
    UNEVICTABLE,
    UNKNOWN,
    WRITEBACK,
)

# Bits of a word (include/uapi/linux/kernel-page-flags.h, include/linux/kernel-page-flags.h; 6.18).
KPF_REFERENCED, KPF_DIRTY, KPF_LRU, KPF_ACTIVE, KPF_SLAB, KPF_WRITEBACK = 2, 4, 5, 6, 7, 8
KPF_BUDDY, KPF_MMAP, KPF_ANON, KPF_HEAD, KPF_TAIL, KPF_HUGE = 10, 11, 12, 15, 16, 17
KPF_UNEVICTABLE, KPF_HWPOISON, KPF_NOPAGE, KPF_OFFLINE, KPF_PGTABLE = 18, 19, 20, 23, 26
KPF_RESERVED, KPF_PRIVATE = 32, 35

SINGLE, FOLIO_HEAD, FOLIO_TAIL = range(3)
"""Part of a compound page that a page is."""


@inner
def _has(word: np.uint64, bit: int) -> bool:
    return (word >> np.uint64(bit)) & np.uint64(1) != np.uint64(0)


@inner
def _kind(word: np.uint64) -> int:
    if _has(word, KPF_NOPAGE):
        return HOLE
    if _has(word, KPF_BUDDY):
        return FREE
    if _has(word, KPF_OFFLINE) or _has(word, KPF_HWPOISON):
        return OFFLINE
    if _has(word, KPF_RESERVED):
        return RESERVED
    if _has(word, KPF_SLAB):
        return SLAB
    if _has(word, KPF_PGTABLE):
        return PGTABLE
    if _has(word, KPF_HUGE):
        return HUGETLB
    anon = _has(word, KPF_ANON)
    mapped = _has(word, KPF_MMAP)
    if _has(word, KPF_LRU) or _has(word, KPF_UNEVICTABLE) or (anon and mapped):
        return ANON if anon else FILE
    if _has(word, KPF_HEAD) or _has(word, KPF_TAIL) or mapped:
        return KERNEL
    return UNKNOWN  # per-CPU lists, vmalloc, stacks and pipes look alike: no bit that tells


@inner
def _flags(word: np.uint64) -> int:
    flags = 0
    flags |= DIRTY if _has(word, KPF_DIRTY) else 0
    flags |= PRIVATE if _has(word, KPF_PRIVATE) else 0
    flags |= WRITEBACK if _has(word, KPF_WRITEBACK) else 0
    flags |= ACTIVE if _has(word, KPF_ACTIVE) else 0
    flags |= UNEVICTABLE if _has(word, KPF_UNEVICTABLE) else 0
    flags |= REFERENCED if _has(word, KPF_REFERENCED) else 0
    flags |= LRU if _has(word, KPF_LRU) else 0
    return flags


@jit
def classify(words: np.ndarray, kind: np.ndarray, flags: np.ndarray, part: np.ndarray) -> None:
    """Tell what each word of kpageflags (uint64) says: kind, flags and part of a compound page (uint8 out)."""
    for i in range(words.size):
        word = words[i]
        kind[i] = _kind(word)
        flags[i] = _flags(word)
        part[i] = FOLIO_HEAD if _has(word, KPF_HEAD) else FOLIO_TAIL if _has(word, KPF_TAIL) else SINGLE


@jit
def folio_orders(part: np.ndarray, first_pfn: int, flags: np.ndarray, order: np.ndarray) -> None:
    """Give the order of each folio at its first page, from its head and the run of tails behind it.

    Other pages of it get ``TAIL`` and no flags. A page map is not read in one moment: of a run that is
    no power of two, or not aligned, the rest are single pages.
    """
    page = 0
    while page < part.size:
        order[page] = 0
        if part[page] != FOLIO_HEAD:
            page += 1
            continue
        end = page + 1
        while end < part.size and part[end] == FOLIO_TAIL:
            end += 1
        size = _block(first_pfn + page, first_pfn + end, 62)
        order[page] = size
        stop = page + (1 << size)
        for tail in range(page + 1, stop):
            order[tail] = TAIL
            flags[tail] = 0
        page = stop


@inner
def _block(pfn: int, end: int, max_order: int) -> int:
    """Order of the largest aligned block that begins at a pfn and fits before an end."""
    order = 0
    while order < max_order and pfn & ((2 << order) - 1) == 0 and pfn + (2 << order) <= end:
        order += 1
    return order


@jit
def free_orders(kind: np.ndarray, first_pfn: int, max_order: int, order: np.ndarray) -> None:
    """Cut runs of free pages to the aligned blocks that the buddy allocator has made of them."""
    page = 0
    while page < kind.size:
        if kind[page] != FREE:
            page += 1
            continue
        end = page + 1
        while end < kind.size and kind[end] == FREE:
            end += 1
        while page < end:
            size = _block(first_pfn + page, first_pfn + end, max_order)
            order[page] = size
            order[page + 1 : page + (1 << size)] = TAIL
            page += 1 << size


@jit
def marks_heads_only(kind: np.ndarray, first_pfn: int) -> bool:
    """Whether only the first page of each free block is marked, as before Linux 4.6.

    Two marked buddies of order 0 would have been merged.
    """
    free = 0
    for page in range(first_pfn & 1, kind.size - 1, 2):
        if kind[page] == FREE:
            free += 1
            if kind[page + 1] == FREE:
                return False
    return free > 0


@jit
def grow_free(kind: np.ndarray, first_pfn: int, max_order: int) -> None:
    """Extend marked first pages over the unmarked pages behind: the largest block that fits."""
    page = 0
    while page < kind.size:
        if kind[page] != FREE:
            page += 1
            continue
        end = page + 1
        while end < kind.size and end - page < 1 << max_order and kind[end] == UNKNOWN:
            end += 1
        stop = page + (1 << _block(first_pfn + page, first_pfn + end, max_order))
        kind[page:stop] = FREE
        page = stop


@jit
def set_flag(pages: np.ndarray, flag: int, order: np.ndarray, flags: np.ndarray) -> None:
    """Set a flag for single pages, at the first page of the folio each is in."""
    for page in pages:
        head = page
        while head > 0 and order[head] == TAIL:
            head -= 1
        flags[head] |= flag


@jit
def count_blocks(kind: np.ndarray, block_pages: int, out: np.ndarray) -> None:
    """Count the pages of each kind in each block of pages: out (block, kind), the last one may be short."""
    out[:] = 0
    for page in range(kind.size):
        out[page // block_pages, kind[page]] += 1


@jit
def count_frame(
    kind: np.ndarray,
    order: np.ndarray,
    block_pages: int,
    out: np.ndarray,
    free: np.ndarray,
    folio: np.ndarray,
) -> None:
    """Count the pages of each kind in each block of pages, as `count_blocks`, from free block to folio to page.

    Also gives the order of the largest free block and of the largest movable folio that begin in each block;
    ``TAIL``: none.
    """
    out[:] = 0
    free[:] = TAIL
    folio[:] = TAIL
    page = 0
    while page < kind.size:
        size = order[page]
        what = kind[page]
        block = page // block_pages
        if size != TAIL:
            if what == FREE:
                if free[block] == TAIL or free[block] < size:
                    free[block] = size
            elif what == ANON or what == FILE:
                if folio[block] == TAIL or folio[block] < size:
                    folio[block] = size
        if size == 0 or size == TAIL:
            out[block, what] += 1
            page += 1
            continue
        end = min(page + (1 << integer(size)), kind.size)
        while page < end:
            stop = min(end, (block + 1) * block_pages)
            out[block, what] += stop - page
            page = stop
            block += 1
