"""Counting tables: a table is there as soon as one page below it has been touched."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..texts import _, memory, share
from ..texts import count as digits
from .layout import IN_VMPTE, Layout, layout
from .mapping import Mapping, Range, checked


def count(mapping: Mapping, arch: str = "x86-64", levels: int | None = None) -> xr.Dataset:
    """Page tables that a mapping needs once its pages are touched, exactly.

    A table of one level stands for a fixed piece of the address space; it exists if anything in that piece is
    mapped below it, be it one page or all of them. So what counts is where pages lie, and not only how many.

    A *private* huge page costs a table although no walk ever reads it: the kernel lays one aside with each
    (``pgtable_trans_huge_deposit``), so that the page can be split without asking for memory. Huge pages of
    shared memory, of files and of the pool have none laid aside.

    Parameters
    ----------
    mapping
        Ranges as :func:`dense`, :func:`sparse` and :func:`touched` make them, or tuples (address, length, page
        size) in bytes, all of one process.
    arch, levels
        As for :func:`layout`.

    Returns
    -------
        By level, from the topmost down: `tables` a walk may read, `deposited` tables laid aside, `entries`
        in use, `bytes`, and whether the level is counted `in_vmpte`. Without dims: `vmpte`, the bytes that
        /proc/PID/status shows as VmPTE, and `mapped`, the bytes of memory touched. The topmost table is there
        for every process, with nothing mapped too.

    Raises
    ------
    ValueError
        If a range cannot be: not aligned, outside of a program's addresses, of a page size there is not, or
        overlapping another one.

    References
    ----------
    mm/memory.c (__pte_alloc, __pmd_alloc, __pud_alloc), mm/huge_memory.c (__do_huge_pmd_anonymous_page),
    include/linux/mm.h (mm_inc_nr_ptes), Linux 6.18; equal to all mappings of the recording `page-tables`.

    Examples
    --------
    >>> from compactlab.pagetables import dense, sparse
    >>> int(count(dense("1 GiB")).vmpte), int(count(sparse("1 GiB", every="2 MiB")).vmpte)
    (2105344, 2105344)
    >>> count([(0x7f0000000000, 4096, 4096)]).tables.values.tolist()
    [1, 1, 1, 1]
    """
    tables_of = layout(arch, levels)
    ranges = checked(mapping, tables_of)
    names = list(tables_of.names)
    deposited = np.zeros(len(names), np.int64)
    deposited[-1] = sum(each.nr_pages for each in ranges if lays_aside(each, tables_of))
    tables = np.array([_distinct(ranges, tables_of, level, of_tables=True) for level in names], np.int64)
    entries = np.array([_distinct(ranges, tables_of, level, of_tables=False) for level in names], np.int64)
    tables[0] = 1
    size = np.array([tables_of.table_bytes(level) for level in names], np.int64) * (tables + deposited)
    in_vmpte = np.array([level in IN_VMPTE for level in names])
    mapped = sum(each.nr_pages * each.page_size for each in ranges)
    told = xr.Dataset(
        {
            "tables": ("level", tables, {"units": "tables"}),
            "deposited": ("level", deposited, {"units": "tables"}),
            "entries": ("level", entries, {"units": "entries"}),
            "bytes": ("level", size, {"units": "bytes"}),
            "in_vmpte": ("level", in_vmpte),
            "vmpte": ((), int(size[in_vmpte].sum()), {"units": "bytes"}),
            "mapped": ((), mapped, {"units": "bytes"}),
        },
        {"level": names},
        {"arch": tables_of.arch, "levels": tables_of.levels, "granule": tables_of.granule},
    )
    told.attrs["text"] = _sentence(told)
    return told


def walk(address: int, arch: str = "x86-64", levels: int | None = None) -> xr.Dataset:
    """The way of one address through the levels.

    Returns
    -------
        By level, from the topmost down: `index` of the entry in its table, `span`, the bytes of address space
        one entry stands for, and `table`, which of all possible tables of the level it is.

    Raises
    ------
    ValueError
        If the address is not a program's.

    Examples
    --------
    >>> walk(0x7f0000201000).index.values.tolist()
    [254, 0, 1, 1]
    """
    tables_of = layout(arch, levels)
    page = address // tables_of.granule * tables_of.granule
    checked([(page, tables_of.granule, tables_of.granule)], tables_of)
    spans = np.array([tables_of.span(level) for level in tables_of.names], np.int64)
    sizes = np.array([tables_of.table_bytes(level) // 8 for level in tables_of.names], np.int64)
    places = address // spans
    return xr.Dataset(
        {
            "index": ("level", places % sizes),
            "span": ("level", spans, {"units": "bytes"}),
            "table": ("level", places // sizes),
        },
        {"level": list(tables_of.names)},
        {"address": address, "arch": tables_of.arch, "levels": tables_of.levels},
    )


def lays_aside(each: Range, tables_of: Layout) -> bool:
    """Whether each page of the range has a table laid aside: it is a private transparent huge page."""
    return each.backing == "private" and each.page_size == tables_of.pmd_size


def _distinct(ranges: list[Range], tables_of: Layout, level: str, of_tables: bool) -> int:
    """Tables or entries of a level that the ranges need, each counted once."""
    entry = tables_of.span(level)
    span = entry * (tables_of.table_bytes(level) // 8) if of_tables else entry
    leaves = tables_of.names.index
    needed = [each for each in ranges if leaves(tables_of.leaf(each.page_size) or "PTE") >= leaves(level)]
    if not needed:
        return 0
    firsts, lasts = map(np.concatenate, zip(*(_runs(each, span) for each in needed), strict=True))
    return _in_union(firsts, lasts)


def _runs(each: Range, span: int) -> tuple[np.ndarray, np.ndarray]:
    """Pieces of `span` bytes in which the range has pages: first and last number of each run of them."""
    if each.distance - each.page_size < span:  # no gap holds a whole piece
        return np.array([each.start // span]), np.array([(each.end - 1) // span])
    starts = each.start + each.distance * np.arange(each.nr_pages, dtype=np.int64)
    return starts // span, (starts + each.page_size - 1) // span


def _in_union(firsts: np.ndarray, lasts: np.ndarray) -> int:
    """Whole numbers that lie in at least one of the intervals, both ends included."""
    order = np.argsort(firsts, kind="stable")
    firsts, lasts = firsts[order], np.maximum.accumulate(lasts[order])
    behind = np.concatenate([firsts[:1], np.maximum(firsts[1:], lasts[:-1] + 1)])
    return int(np.maximum(lasts - behind + 1, 0).sum())


def _sentence(told: xr.Dataset) -> str:
    mapped, vmpte = int(told.mapped), int(told.vmpte)
    tables = int((told.tables + told.deposited).values[1:].sum())
    return _("{mapped} of memory; page tables below the topmost: {tables}, VmPTE: {bytes} ({share})").format(
        mapped=memory(mapped, 1),
        tables=digits(tables),
        bytes=memory(vmpte, 1),
        share=share(vmpte / mapped) if mapped else "–",
    )
