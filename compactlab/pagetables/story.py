"""Addresses walked level by level, told step by step: tables appear when the first page below them is touched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from ..texts import N_, _, memory
from .count import lays_aside
from .layout import Layout, layout
from .mapping import Mapping, Range, checked

MOST_PAGES = 64
_KINDS = (N_("page table"), N_("table laid aside"), N_("page"), N_("huge page"))
_TABLE, _ASIDE, _PAGE, _HUGE = range(4)
_NO_CELL = 255


@dataclass
class _Place:
    """One cell: a table or a page."""

    kind: int
    size: int
    """Bytes of the table or page."""
    entries: set[int] = field(default_factory=set)


def story(mapping: Mapping, arch: str = "x86-64", levels: int | None = None) -> xr.Dataset:
    """Touch the pages of a mapping one after the other, in the order given, and tell each walk.

    Rows are the levels from the topmost down, and the pages. A cell is one table, from low addresses to high
    ones, and says how many of its entries are in use, of how many. A huge page ends the walk at an upper level; if it is a
    private one, a table is laid aside for it.

    Parameters
    ----------
    mapping, arch, levels
        As for :func:`count`; at most 64 pages.

    Returns
    -------
        A told story for `compactlab.show`: a step for each level of each walk; measures `tables_kib` and
        `pages_kib`.

    Raises
    ------
    ValueError
        If the mapping cannot be, or has too many pages.

    Examples
    --------
    >>> from compactlab.pagetables import touched
    >>> story(touched([0x10000, 0x7f0000000000])).tables_kib.values.tolist()
    [4, 8, 12, 16, 16, 16, 20, 24, 28, 28]
    """
    tables_of = layout(arch, levels)
    checked(mapping, tables_of)
    ranges = [checked([each], tables_of)[0] for each in mapping]  # each with its backing, in the order given
    if sum(each.nr_pages for each in ranges) > MOST_PAGES:
        raise ValueError(
            f"mapping: more than {MOST_PAGES} pages; tell a story of fewer, count() has no such limit"
        )
    frames = list(_frames(ranges, tables_of))
    rows = [*tables_of.names, _("pages")]
    return _told(frames, rows, tables_of)


@dataclass(frozen=True)
class _Frame:
    """One step: what is there, where the walk stands, and the sentence."""

    places: list[dict[int, tuple[int, int]]]  # row: place to its kind and entries in use
    at: list[int]  # row: place the walk has come through, -1: none
    text: str
    tables: int  # bytes
    pages: int


def _frames(ranges: list[Range], tables_of: Layout) -> Iterator[_Frame]:
    rows: list[dict[int, _Place]] = [{} for _ in range(tables_of.levels + 1)]
    for each in ranges:
        for number in range(each.nr_pages):
            yield from _walk(rows, each.start + number * each.distance, each, tables_of)


def _walk(rows: list[dict[int, _Place]], address: int, each: Range, tables_of: Layout) -> Iterator[_Frame]:
    """The steps of one page: a table at each level down to its leaf, then the page itself."""
    leaf = tables_of.leaf(each.page_size) or "PTE"
    at = [-1] * len(rows)
    for row, level in enumerate(tables_of.names[: tables_of.names.index(leaf) + 1]):
        span, size = tables_of.span(level), tables_of.table_bytes(level) // 8
        place, index = address // span // size, address // span % size
        made = place not in rows[row]
        rows[row].setdefault(place, _Place(_TABLE, tables_of.table_bytes(level))).entries.add(index)
        at[row] = place
        yield _frame(rows, at, _sentence(address, level, index, made, tables_of))
    huge = each.page_size > tables_of.granule
    page = address // tables_of.granule
    rows[-1][page] = _Place(_HUGE if huge else _PAGE, each.page_size)
    at[-1] = page
    text = _("{address}: the page of {size} is there. The walk read {count} tables.")
    text = text.format(
        address=f"{address:#x}", size=memory(each.page_size, 1), count=tables_of.names.index(leaf) + 1
    )
    if lays_aside(each, tables_of):
        rows[-2][address // tables_of.pmd_size] = _Place(_ASIDE, tables_of.granule)
        text += " " + _("One more is laid aside, for the day the huge page is split.")
    yield _frame(rows, at, text)


def _sentence(address: int, level: str, index: int, made: bool, tables_of: Layout) -> str:
    if made and level != "PGD":
        text = _(
            "{address}: there is no {level} table for this address yet, so one of {size} is made; entry {index}."
        )
    else:
        text = _("{address}: entry {index} of the {level} table, which is there.")
    size = memory(tables_of.table_bytes(level), 1)
    return text.format(address=f"{address:#x}", level=level, index=index, size=size)


def _frame(rows: list[dict[int, _Place]], at: list[int], text: str) -> _Frame:
    places = [{place: (cell.kind, len(cell.entries)) for place, cell in row.items()} for row in rows]
    sizes = [sum(cell.size for cell in row.values()) for row in rows]
    return _Frame(places, list(at), text, sum(sizes[:-1]), sizes[-1])


def _told(frames: list[_Frame], rows: list[str], tables_of: Layout) -> xr.Dataset:
    """Lay the places of each row side by side, from low addresses to high ones."""
    cells = [sorted(row) for row in frames[-1].places]
    width = max(map(len, cells))
    kind = np.full((len(frames), len(rows), width), _NO_CELL, np.uint8)
    label = np.full(kind.shape, "", object)
    mark = np.full((len(frames), len(rows)), -1, np.int32)
    for step, frame in enumerate(frames):
        for row, places in enumerate(frame.places):
            for place, (what, used) in places.items():
                cell = cells[row].index(place)
                kind[step, row, cell] = what
                if what == _TABLE:
                    size = tables_of.table_bytes(tables_of.names[row]) // 8
                    label[step, row, cell] = f"#{cell + 1}: {used}/{size}"
            mark[step, row] = cells[row].index(frame.at[row]) if frame.at[row] in places else -1
    kib = {"units": "KiB"}
    return xr.Dataset(
        {
            "kind": (("step", "row", "cell"), kind),
            "label": (("step", "row", "cell"), label.astype(str)),
            "mark": (("step", "row"), mark),
            "text": ("step", [frame.text for frame in frames]),
            "tables_kib": (
                "step",
                [frame.tables // 1024 for frame in frames],
                {"long_name": _("page tables"), **kib},
            ),
            "pages_kib": (
                "step",
                [frame.pages // 1024 for frame in frames],
                {"long_name": _("memory touched"), **kib},
            ),
        },
        {"row": rows},
        {
            "title": _("An address walked level by level, {arch}").format(arch=tables_of.arch),
            "kinds": [_(name) for name in _KINDS],
            "colours": dict(
                zip((_(name) for name in _KINDS), ("large1", "isolate", "used", "large0"), strict=True)
            ),
            "cell_label": _("1 table: its number, its entries in use"),
        },
    )
