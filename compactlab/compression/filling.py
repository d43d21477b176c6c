"""The story of a pool, told step by step: it fills, pages are freed, it is compacted."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from ..texts import N_, _, count, share
from .pool import Pool

KINDS = (N_("filled to 3/4 or more"), N_("less than 3/4"), N_("less than 1/4"), N_("given back"))
"""What a page of the pool is, by the bytes of compressed data in it."""
_COLOURS = ("used", "small1", "small3", "large0")
_BOUNDS = (3 / 4, 1 / 4)
_GIVEN_BACK, _NO_CELL = 3, 255
_ROWS = 8
_BATCHES = 24


def filling(kept: ArrayLike, freed: float = 0.6, seed: int = 0, page_size: int = 4096) -> xr.Dataset:
    """Tell how a pool fills, what is left when pages are freed in random places, and what compacting it brings.

    Rows are objects of like size; a cell is a page of the pool, and stays where it is told first.

    Parameters
    ----------
    kept
        Bytes of each page stored, as `measure(...).kept`, in the order in which they come.
    freed
        Share of them that is freed afterwards.
    seed
        Of the places.
    page_size
        As for `Pool`.

    Returns
    -------
        A told story for `compactlab.show`: `kind` (step, row, cell), `text` and `level` (step,): ok where fewer
        pages are used than are stored; `pages` of the pool and `filled`, the per cent of them that is data,
        (step, row); `saved` pages (step,).

    Raises
    ------
    ValueError
        If there are no sizes, or freed is no share; as `Pool.store`.

    Examples
    --------
    >>> told = filling([1000] * 40 + [3000] * 8, freed=0.5)
    >>> told.saved.values[[0, -2, -1]]
    array([ 0,  9, 13])
    """
    given = np.atleast_1d(np.asarray(kept))
    if not given.size:
        raise ValueError("kept: no sizes; expected at least one page")
    if not 0 <= freed <= 1:
        raise ValueError(f"freed={freed}; expected a share, 0 to 1")
    told = _Told(Pool(page_size=page_size), page_size)
    told.step(_("The pool is empty."), 0)
    handles, stored = np.zeros(0, np.int64), 0
    for batch in np.array_split(given, min(_BATCHES, given.size)):
        handles = np.concatenate([handles, told.pool.store(batch)])
        stored += batch.size
        told.step(
            _("{stored} pages are stored; the pool takes {pages} pages for them, of which {share} is data."),
            stored,
        )
    chosen = np.random.Generator(np.random.PCG64(seed)).permutation(given.size)[: int(given.size * freed)]
    for some in np.array_split(chosen, min(_BATCHES // 2, chosen.size)) if chosen.size else []:
        told.pool.free(handles[some])
        stored -= some.size
        told.step(
            _(
                "Pages are freed in random places: {stored} are left, in {pages} pages of the pool. {share} of it is data."
            ),
            stored,
        )
    told.pool.compact()
    told.step(
        _("The pool is compacted, which is not compaction of memory: {pages} pages hold the {stored}. {share} of it is data."),
        stored,
    )  # fmt: skip
    return told.dataset()


class _Told:
    """Steps of the story so far."""

    def __init__(self, pool: Pool, page_size: int) -> None:
        self.pool, self.page_size = pool, page_size
        self.cells: dict[tuple[int, int], tuple[int, int]] = {}  # (zspage, page of it): row and cell
        self.begun = [0] * _ROWS  # cells of each row so far
        self.filled: list[dict[tuple[int, int], float]] = []
        self.texts: list[str] = []
        self.stored: list[int] = []

    def step(self, template: str, stored: int) -> None:
        """Remember the pool as it is now."""
        now = {}
        for number, size, pages, held in self.pool.zspages():
            row = min((size - 1) * _ROWS // self.page_size, _ROWS - 1)
            for page, data in enumerate(_data(size, pages, held, self.page_size)):
                if (number, page) not in self.cells:
                    self.cells[number, page] = row, self.begun[row]
                    self.begun[row] += 1
                now[number, page] = data / self.page_size
        self.filled.append(now)
        part = sum(now.values()) / len(now) if now else 0
        numbers = {"stored": count(stored), "pages": count(self.pool.pages), "share": share(part)}
        self.texts.append(template.format(**numbers))
        self.stored.append(stored)

    def dataset(self) -> xr.Dataset:
        shape = len(self.texts), _ROWS, max(*self.begun, 1)
        kind = np.full(shape, _NO_CELL, np.uint8)
        pages, data = np.zeros(shape[:2], np.int64), np.zeros(shape[:2])
        known: set[tuple[int, int]] = set()
        for step, now in enumerate(self.filled):
            known |= now.keys()
            for page in known:
                row, cell = self.cells[page]
                kind[step, row, cell] = _kind(now[page]) if page in now else _GIVEN_BACK
            for page, part in now.items():
                pages[step, self.cells[page][0]] += 1
                data[step, self.cells[page][0]] += part
        saved = np.array(self.stored) - pages.sum(1)
        return xr.Dataset(
            {
                "kind": (("step", "row", "cell"), kind),
                "text": ("step", np.array(self.texts)),
                "level": ("step", np.select([saved > 0, saved < 0], ["ok", "warn"], "")),
                "pages": (("step", "row"), pages, {"long_name": _("Pool"), "units": _("pages")}),
                "filled": (("step", "row"), _percent(data, pages), {"long_name": _("Data in it"), "units": "%"}),
                "saved": ("step", saved, {"long_name": _("Saved"), "units": _("pages")}),
            },
            coords={"row": _rows(self.page_size)},
            attrs={
                "title": _("A pool of compressed pages"),
                "kinds": [_(kind) for kind in KINDS],
                "colours": dict(zip(map(_, KINDS), _COLOURS, strict=True)),
                "cell_label": _("1 page of the pool"),
            },
        )  # fmt: skip


def _data(size: int, pages: int, held: list[int | None], page_size: int) -> np.ndarray:
    """Bytes of data in each page of a zspage: objects may lie across two."""
    data = np.zeros(pages, np.int64)
    for place, kept in enumerate(held):
        if kept is not None:
            begin = place * size
            for page in range(begin // page_size, min((begin + kept - 1) // page_size, pages - 1) + 1):
                first, last = max(begin, page * page_size), min(begin + kept, (page + 1) * page_size)
                data[page] += last - first
    return data


def _kind(part: float) -> int:
    return sum(part < bound for bound in _BOUNDS)


def _percent(data: np.ndarray, pages: np.ndarray) -> np.ndarray:
    return np.round(100 * data / np.maximum(pages, 1), 1)


def _rows(page_size: int) -> list[str]:
    step = page_size // _ROWS
    return [_("objects up to {size} B").format(size=count(step * (row + 1))) for row in range(_ROWS)]
