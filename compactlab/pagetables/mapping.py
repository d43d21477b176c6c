"""What a program has mapped and touched: ranges of addresses, written by hand or made here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from .layout import Layout

AT = 16 << 40
"""Where mappings begin unless told otherwise: 16 TiB, far from everything a program has of itself."""

BACKINGS = ("private", "shared", "pool")
MOST_RUNS = 1 << 22

_UNITS = {"": 0, "b": 0, "k": 10, "kib": 10, "m": 20, "mib": 20, "g": 30, "gib": 30, "t": 40, "tib": 40}


class Range(NamedTuple):
    """Pages of one size, one in every so many bytes. All numbers are in bytes."""

    start: int
    length: int
    """From the first byte touched, or a multiple of ``every``."""
    page_size: int
    every: int = 0
    """Distance from the start of one page to that of the next; 0: no gaps."""
    backing: str = ""
    """"private" (memory of malloc, stacks: huge pages are transparent ones), "shared" (shared memory, files),
    "pool" (hugetlb). Empty: private, or the pool for pages that no transparent huge page can have."""

    @property
    def nr_pages(self) -> int:
        """Pages that are touched."""
        return -(-self.length // self.distance)

    @property
    def distance(self) -> int:
        """Bytes from one page to the next."""
        return self.every or self.page_size

    @property
    def end(self) -> int:
        """First address behind the last page."""
        return self.start + (self.nr_pages - 1) * self.distance + self.page_size


Mapping = Sequence[Range | tuple[Any, ...]]


def dense(size: str | int, page: str | int = "4 KiB", at: int = AT, backing: str = "") -> list[Range]:
    """A range every page of which is touched.

    Parameters
    ----------
    size, page
        Bytes, or text such as `"1 GiB"`: of the range, and of one page.
    at
        Address of the first byte.
    backing
        As in :class:`Range`.

    Examples
    --------
    >>> dense("2 MiB")
    [Range(start=17592186044416, length=2097152, page_size=4096, every=0, backing='')]
    """
    return [Range(at, _bytes(size, "size"), _bytes(page, "page"), 0, backing)]


def sparse(
    size: str | int, every: str | int, page: str | int = "4 KiB", at: int = AT, backing: str = ""
) -> list[Range]:
    """A range in which one page in every so many bytes is touched.

    Parameters
    ----------
    size, every, page
        Bytes, or text such as `"1 GiB"`: of the range, from one touched page to the next, and of one page.
    at
        Address of the first page.
    backing
        As in :class:`Range`.

    Examples
    --------
    >>> sparse("64 GiB", every="1 GiB")[0].nr_pages
    64
    """
    return [Range(at, _bytes(size, "size"), _bytes(page, "page"), _bytes(every, "every"), backing)]


def touched(addresses: Iterable[int], page: str | int = "4 KiB", backing: str = "") -> list[Range]:
    """The pages in which some addresses lie; an address may come more than once.

    Examples
    --------
    >>> [hex(page.start) for page in touched([0x10007, 0x10ff8, 0x7f0000000123])]
    ['0x10000', '0x7f0000000000']
    """
    page_size = _bytes(page, "page")
    starts = sorted({int(address) // page_size * page_size for address in addresses})
    return [Range(start, page_size, page_size, 0, backing) for start in starts]


def checked(mapping: Mapping, layout: Layout) -> list[Range]:
    """The ranges of a mapping with their backing, sorted by address.

    Raises
    ------
    ValueError
        If a range is none, is not aligned to its pages, is outside of what a program may use, has pages that
        the processor or its backing does not know, or if two ranges overlap.
    """
    ranges = [_checked(number, each, layout) for number, each in enumerate(mapping)]
    runs = sum(each.nr_pages if each.every > each.page_size else 1 for each in ranges)
    if runs > MOST_RUNS:
        raise ValueError(f"mapping: {runs:,} separate pages, at most {MOST_RUNS:,}; count a part of them")
    ranges.sort()
    _refuse_overlaps(ranges)
    return ranges


def _checked(number: int, given: Range | tuple[Any, ...], layout: Layout) -> Range:
    where = f"mapping[{number}]"
    try:
        each = Range(*given)
        integers = [int(value) == value for value in each[:4]]
    except (TypeError, ValueError):
        integers = [False]
    if not all(integers):
        expected = (
            "(address, length, page size) or (address, length, page size, every, backing), bytes as integers"
        )
        raise ValueError(
            f"{where}: got {given!r}, expected {expected}; dense() and sparse() make such ranges"
        )
    each = Range(int(each.start), int(each.length), int(each.page_size), int(each.every), each.backing)
    if each.length <= 0:
        raise ValueError(f"{where}: its length is {each.length}, expected at least one page")
    each = each._replace(backing=_backing(where, each, layout))
    _check_places(where, each, layout)
    return each


def _backing(where: str, each: Range, layout: Layout) -> str:
    """What the range is backed by, if pages of its size can be had so."""
    level = layout.leaf(each.page_size)
    pmd = layout.pmd_size
    if level is None:
        pool = ", ".join(_size(size) for size in layout.pool)
        raise ValueError(
            f"{where}: no entry of {layout.arch} maps pages of {_size(each.page_size)}; there are pages of "
            f"{_size(layout.granule)}, runs of them up to {_size(pmd)}, and {pool} from the pool"
        )
    backing = each.backing or ("private" if each.page_size <= pmd else "pool")
    if backing not in BACKINGS:
        raise ValueError(f"{where}: backing is {backing!r}, expected one of {', '.join(map(repr, BACKINGS))}")
    if backing == "pool" and each.page_size not in layout.pool:
        sizes = ", ".join(_size(size) for size in layout.pool)
        raise ValueError(
            f"{where}: the pool of {layout.arch} has pages of {sizes}, not {_size(each.page_size)}"
        )
    if backing != "pool" and each.page_size > pmd:
        raise ValueError(
            f"{where}: transparent huge pages go up to {_size(pmd)}, pages of {_size(each.page_size)} come from "
            "the pool: give it the backing 'pool'"
        )
    return backing


def _check_places(where: str, each: Range, layout: Layout) -> None:
    if each.every and (each.every < each.page_size or each.every % layout.granule):
        raise ValueError(
            f"{where}: every is {each.every}, expected a multiple of {layout.granule} of at least the page size "
            f"{each.page_size}, or 0 for no gaps"
        )
    if each.start % each.page_size or each.distance % each.page_size:
        down, apart = each.start // each.page_size * each.page_size, each.distance
        raise ValueError(
            f"{where}: pages of {_size(each.page_size)} begin at multiples of it, {each.start:#x} and each "
            f"{apart:#x} bytes further are none; begin at {down:#x} and make the distance a multiple, or use "
            "smaller pages"
        )
    if not each.every and each.length % each.page_size:
        raise ValueError(
            f"{where}: its length {each.length} is not a multiple of the page size {each.page_size}; the kernel "
            f"rounds it up, so give {-(-each.length // each.page_size) * each.page_size}"
        )
    if each.start < 0 or each.end > layout.end:
        raise ValueError(
            f"{where}: {each.start:#x} to {each.end:#x} is not a program's address on {layout.arch} with "
            f"{layout.levels} levels (non-canonical, or the kernel's); stay below {layout.end:#x}{_more(layout)}"
        )


def _more(layout: Layout) -> str:
    return ", or count with levels=5" if layout.arch in ("x86-64", "arm64-4K") and layout.levels < 5 else ""


def _refuse_overlaps(ranges: list[Range]) -> None:
    """Compare each range with those that begin before its end: ranges with gaps may interleave."""
    for number, each in enumerate(ranges):
        for other in ranges[number + 1 :]:
            if other.start >= each.end:
                break
            if _share_a_page(each, other):
                raise ValueError(
                    f"mapping: the ranges at {each.start:#x} and {other.start:#x} overlap; an address is mapped "
                    "once. Make one range of them, or move one"
                )


def _share_a_page(first: Range, second: Range) -> bool:
    """Whether two ranges have a byte in common; the second begins no earlier."""
    fewer, more = sorted((_closed(first), _closed(second)), key=lambda each: each.nr_pages)
    for number in range(fewer.nr_pages):
        start = fewer.start + number * fewer.distance
        before = min((start + fewer.page_size - 1 - more.start) // more.distance, more.nr_pages - 1)
        if before >= 0 and more.start + before * more.distance + more.page_size > start:
            return True
    return False


def _closed(each: Range) -> Range:
    """A range without gaps as one large page."""
    size = each.end - each.start
    return each._replace(length=size, page_size=size, every=0) if each.distance == each.page_size else each


def _bytes(size: str | int, name: str) -> int:
    if isinstance(size, int) and not isinstance(size, bool):
        return size
    match = re.fullmatch(r"\s*(\d+)\s*([A-Za-z]*)\s*", size) if isinstance(size, str) else None
    if match is None or match[2].lower() not in _UNITS:
        raise ValueError(f"{name}: got {size!r}, expected bytes or text such as '64 KiB', '2 MiB' or '1 GiB'")
    return int(match[1]) << _UNITS[match[2].lower()]


def _size(size: int) -> str:
    for unit, shift in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size and not size & ((1 << shift) - 1):
            return f"{size >> shift} {unit}"
    return f"{size} bytes"
