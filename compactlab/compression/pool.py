"""A pool of compressed pages, kept as zsmalloc keeps them: exact to the object, and to the page.

What is kept here is what the kernel's lists hold: per class, zspages by how full they are, the one that
came last at the front.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from .classes import HANDLE_SIZE, size_classes

_EMPTY, _NEARLY_FULL, _FULL = 0, 10, 11  # ZS_INUSE_RATIO_0, _99, _100
NOT_KEPT = -1
"""Handle of a same-filled page: no object is made of it."""


class _Zspage:
    """A chain of pages that holds objects of one class."""

    def __init__(self, number: int, objects: int) -> None:
        self.number = number
        self.held: list[int | None] = [None] * objects  # handle at each place
        self.places = list(range(objects - 1, -1, -1))  # free ones, the next to be given last
        self.fullness = _EMPTY

    @property
    def inuse(self) -> int:
        return len(self.held) - len(self.places)


class _SizeClass:
    """Zspages of one class: what mm/zsmalloc.c does under one class->lock."""

    def __init__(self, size: int, pages: int, objects: int) -> None:
        self.size, self.pages, self.objects = size, pages, objects
        self.lists: list[dict[_Zspage, None]] = [{} for _ in range(_FULL + 1)]  # front of a list: added last
        self.nr_zspages = self.nr_inuse = 0

    def zspages(self) -> Iterable[_Zspage]:
        return (zspage for each in self.lists for zspage in each)

    def fullness_of(self, zspage: _Zspage) -> int:
        inuse = zspage.inuse
        if inuse in (0, self.objects):
            return _FULL if inuse else _EMPTY
        return 100 * inuse // self.objects // 10 + 1

    def first(self, groups: Iterable[int]) -> _Zspage | None:
        return next((next(reversed(self.lists[group])) for group in groups if self.lists[group]), None)

    def take(self, groups: Iterable[int]) -> _Zspage | None:
        """First zspage of the first group that has one, off its list."""
        found = self.first(groups)
        if found is not None:
            del self.lists[found.fullness][found]
        return found

    def put(self, zspage: _Zspage) -> int:
        zspage.fullness = self.fullness_of(zspage)
        self.lists[zspage.fullness][zspage] = None
        return zspage.fullness

    def refile(self, zspage: _Zspage) -> int:
        """To the front of another list, if it is as full as those there."""
        if self.fullness_of(zspage) != zspage.fullness:
            del self.lists[zspage.fullness][zspage]
            self.put(zspage)
        return zspage.fullness

    def can_compact(self) -> int:
        """Pages that its free places would make, were they together."""
        return (self.nr_zspages * self.objects - self.nr_inuse) // self.objects * self.pages


class Pool:
    """A pool of compressed pages as zsmalloc keeps them, for zram and zswap alike.

    An object goes into the fullest zspage of its class that has room; if none has, the pool grows by a
    zspage. A zspage that runs empty is given back, and so are its pages, each for itself. `compact` moves
    objects out of the emptiest zspages into the fullest: compaction of the pool, not of a zone.

    Not counted are what the kernel keeps beside the pool: 8 bytes of slab a handle, a descriptor a
    zspage, and 16 bytes a slot of zram.

    Parameters
    ----------
    chain_size, page_size
        As for `size_classes`.

    References
    ----------
    mm/zsmalloc.c, zs_malloc, zs_free, zs_compact, Linux 6.18; equal to what zram of that kernel reported in
    all 602 states recorded in datasets/programs/zram.

    Examples
    --------
    >>> pool = Pool()
    >>> handles = pool.store([1000, 1000, 1000, 4096, 0])
    >>> pool.pages, len(pool)
    (2, 4)
    >>> pool.free(handles[:3])
    >>> pool.pages
    1
    """

    def __init__(self, chain_size: int = 8, page_size: int = 4096) -> None:
        self._table = size_classes(chain_size, page_size)
        self._page_size = page_size
        self._largest = self._table.largest.values
        self._classes = [
            _SizeClass(*map(int, each))
            for each in zip(
                self._table["size"].values, self._table.pages.values, self._table.objects.values, strict=True
            )
        ]
        self._objects: dict[int, tuple[_SizeClass, _Zspage, int, int]] = {}  # handle: where, place, bytes
        self._handles = 0
        self._zspages = 0
        self.pages = 0
        """Pages that the pool has now."""
        self.pages_compacted = 0
        """Pages that `compact` gave back, in all."""

    def __len__(self) -> int:
        return len(self._objects)

    def __repr__(self) -> str:
        return f"Pool: {len(self)} objects, {self.stored_bytes} bytes, in {self.pages} pages"

    @property
    def stored_bytes(self) -> int:
        """Bytes of all objects."""
        return sum(size for *_, size in self._objects.values())

    def store(self, sizes: ArrayLike) -> np.ndarray:
        """Put objects into the pool.

        Parameters
        ----------
        sizes
            Bytes of each, as `measure(...).kept`; 0: a same-filled page, of which nothing is kept.

        Returns
        -------
            int64 handle of each; `NOT_KEPT` where there is none.

        Raises
        ------
        ValueError
            If a size is negative or larger than a page.
        """
        given = np.atleast_1d(np.asarray(sizes))
        if given.ndim != 1 or (given.size and not np.issubdtype(given.dtype, np.integer)):
            raise ValueError(f"sizes: {given.dtype} {given.shape}; expected whole numbers of bytes, one each")
        for size in given[(given < 0) | (given > self._page_size)][:1]:
            raise ValueError(f"size {size}; expected 0 to {self._page_size} bytes")
        return np.array([self._store(int(size)) if size else NOT_KEPT for size in given], np.int64)

    def free(self, handles: ArrayLike) -> None:
        """Take objects out of the pool; `NOT_KEPT` is passed over.

        Raises
        ------
        ValueError
            If there is no object of that handle, before any is taken out.
        """
        wanted = [int(handle) for handle in np.atleast_1d(handles) if handle != NOT_KEPT]
        unknown = [handle for handle in wanted if handle not in self._objects]
        if unknown or len(set(wanted)) < len(wanted):
            twice = unknown or sorted(handle for handle in set(wanted) if wanted.count(handle) > 1)
            raise ValueError(f"handle {twice[0]}: no such object; expected those of `store`, each once")
        for handle in wanted:
            self._free(handle)

    def compact(self) -> int:
        """Move objects together within each class; pages that were given back."""
        before = self.pages
        for size_class in self._classes:
            self._compact(size_class)
        self.pages_compacted += before - self.pages
        return before - self.pages

    def table(self) -> xr.Dataset:
        """What the pool's pages hold, class by class, as far as a class has any.

        Returns
        -------
            Dims (size_class,): `size` of an object's place, `zspages`, `pages`, `objects`, and bytes of
            `stored` data, `handles`, `rounding` up to the place, `tail` at the end of zspages and `free`
            places. The last five add up to the pages.
        """
        used = [number for number, each in enumerate(self._classes) if each.nr_zspages]
        held = dict.fromkeys(self._classes, 0)
        for size_class, _, _, size in self._objects.values():
            held[size_class] += size
        rows = [self._row(self._classes[number], held[self._classes[number]]) for number in used]
        names = ("size", "zspages", "pages", "objects", "stored", "handles", "rounding", "tail", "free")
        units = ("bytes", "zspages", "pages", "objects", *["bytes"] * 5)
        columns = np.array(rows, np.int64).reshape(-1, len(names)).T
        return xr.Dataset(
            {
                name: ("size_class", column, {"units": unit})
                for name, column, unit in zip(names, columns, units, strict=True)
            },
            coords={"size_class": self._table.size_class.values[used]},
            attrs={
                "pages": self.pages,
                "page_size": self._page_size,
                "pages_compacted": self.pages_compacted,
            },
        )

    def zspages(self) -> list[tuple[int, int, int, list[int | None]]]:
        """Every zspage from the oldest on: its number, bytes of a place, pages, and the size at each place."""
        found = [(zspage, each) for each in self._classes for zspage in each.zspages()]
        return [
            (
                zspage.number,
                each.size,
                each.pages,
                [None if handle is None else self._objects[handle][3] for handle in zspage.held],
            )
            for zspage, each in sorted(found, key=lambda pair: pair[0].number)
        ]

    def _row(self, each: _SizeClass, stored: int) -> list[int]:
        zspages, objects, pages = each.nr_zspages, each.nr_inuse, each.nr_zspages * each.pages
        handles = objects * HANDLE_SIZE if each.size < self._page_size else 0
        tail = pages * self._page_size - zspages * each.objects * each.size
        free = (zspages * each.objects - objects) * each.size
        rounding = objects * each.size - handles - stored
        return [each.size, zspages, pages, objects, stored, handles, rounding, tail, free]

    def _store(self, size: int) -> int:
        size_class = self._classes[int(np.searchsorted(self._largest, size))]
        zspage = size_class.first(range(_NEARLY_FULL, _EMPTY, -1))
        if zspage is None:
            zspage = _Zspage(self._zspages, size_class.objects)
            self._zspages += 1
            self.pages += size_class.pages
            size_class.nr_zspages += 1
            size_class.put(zspage)
        handle = self._handles
        self._handles += 1
        self._place(handle, size_class, zspage, size)
        size_class.nr_inuse += 1
        size_class.refile(zspage)
        return handle

    def _place(self, handle: int, size_class: _SizeClass, zspage: _Zspage, size: int) -> None:
        place = zspage.places.pop()
        zspage.held[place] = handle
        self._objects[handle] = size_class, zspage, place, size

    def _free(self, handle: int) -> None:
        size_class, zspage, place, _ = self._objects.pop(handle)
        zspage.held[place] = None
        zspage.places.append(place)
        size_class.nr_inuse -= 1
        if size_class.refile(zspage) == _EMPTY:
            self._give_back(size_class, zspage)

    def _give_back(self, size_class: _SizeClass, zspage: _Zspage) -> None:
        del size_class.lists[_EMPTY][zspage]
        size_class.nr_zspages -= 1
        self.pages -= size_class.pages

    def _compact(self, size_class: _SizeClass) -> None:
        target = None
        while size_class.can_compact():
            target = target or size_class.take(range(_NEARLY_FULL, _EMPTY, -1))
            source = size_class.take(range(_EMPTY + 1, _FULL)) if target else None
            if target is None or source is None:
                break
            self._move(size_class, source, target)
            if size_class.put(source) == _EMPTY:
                self._give_back(size_class, source)
            if not target.places:
                size_class.put(target)
                target = None
        if target is not None:
            size_class.put(target)

    def _move(self, size_class: _SizeClass, source: _Zspage, target: _Zspage) -> None:
        """Objects from the lowest place on, until one is full or the other empty."""
        for place, handle in enumerate(source.held):
            if not target.places:
                return
            if handle is not None:
                source.held[place] = None
                source.places.append(place)
                self._place(handle, size_class, target, self._objects[handle][3])
