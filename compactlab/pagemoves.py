"""One page moves, as a kernel did it: every step with its time, what mappings cost, and what pins refuse.

All of it is read from the program recording `page-migration` (``datasets/programs/page-migration``): a program
whose memory up to 128 processes map has it compacted by a write to ``compact_memory`` on Linux 6.18.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from .datasets import program
from .texts import N_, _, count, duration

RECORDING = "page-migration"
SIZES = (32, 224)
"""Pages of a batch: compaction isolates the first 32 pages of a pageblock, then the rest."""
CELL_NS = 250
_NO_CELL = 255
_KINDS = (
    N_("free"), N_("taken, still empty"), N_("old frame"), N_("new frame"), N_("is moving: who touches it waits"),
)  # fmt: skip
_FREE, _TAKEN, _OLD, _NEW, _MOVING = range(5)
_COLOURS = ("small3", "other", "migrate", "scan_free", "unmovable")
_COST_KINDS = (N_("moving the page"), N_("its further mappings"))
_COST_COLOURS = ("migrate", "small1")


def _table(name: str) -> np.ndarray:
    path = program(RECORDING) / name
    return np.genfromtxt(path, delimiter=",", names=True, dtype=None, encoding="utf-8")


def costs() -> xr.Dataset:
    """How long a page took to move, by how many processes map it.

    Returns
    -------
        Dims (batch_pages, mappings): `ns`, the median time of a page in calls of migrate_pages() for that many
        pages; `low` and `high`, its quartiles; `batches`, how many calls were measured.

    References
    ----------
    Recording `page-migration`: Linux 6.18, x86-64 virtual machine, anonymous memory shared by fork.

    Examples
    --------
    >>> costs().ns.sel(batch_pages=32, mappings=[1, 16]).round(-2).values
    array([1900., 5900.])
    """
    told = _table("batches.csv")
    mappings = np.unique(told["mappings"])
    shape = (len(SIZES), len(mappings))
    found = {name: np.zeros(shape) for name in ("low", "ns", "high")}
    batches = np.zeros(shape, int)
    for row, size in enumerate(SIZES):
        for column, number in enumerate(mappings):
            of = told[(told["pages"] == size) & (told["mappings"] == number)]
            quartiles = np.quantile(of["ns"] / size, [0.25, 0.5, 0.75])
            for name, value in zip(found, quartiles, strict=True):
                found[name][row, column] = value
            batches[row, column] = len(of)
    dims = ("batch_pages", "mappings")
    variables: dict[str, Any] = {name: (dims, values, {"units": "ns"}) for name, values in found.items()}
    return xr.Dataset(
        {**variables, "batches": (dims, batches)}, coords={"batch_pages": list(SIZES), "mappings": mappings}
    )


def fit(told: xr.Dataset) -> xr.Dataset:
    """Line through times by mappings: of one mapping, and of each further one.

    The squares of relative errors are least, so that 128 mappings do not outweigh all others.

    Parameters
    ----------
    told
        What `costs` returns.

    Returns
    -------
        Dims (batch_pages): `first` (ns) of a page with one mapping, `further` (ns) for each mapping more, and
        `error`, the largest relative difference between the line and what was measured.

    Examples
    --------
    >>> fit(costs()).further.round().values
    array([269., 229.])
    """
    more = told.mappings.values - 1.0
    times = told.ns.transpose("batch_pages", "mappings").values
    lines = np.array([np.polyfit(more, ns, 1, w=1 / ns) for ns in times])
    errors = [np.abs(np.polyval(line, more) / ns - 1).max() for line, ns in zip(lines, times, strict=True)]
    return xr.Dataset(
        {
            "first": ("batch_pages", lines[:, 1], {"units": "ns"}),
            "further": ("batch_pages", lines[:, 0], {"units": "ns"}),
            "error": ("batch_pages", errors),
        },
        coords={"batch_pages": told.batch_pages},
    )


def pinned() -> xr.Dataset:
    """How many pages moved, pinned ones and others.

    Returns
    -------
        Dims (pinned): `pages` and `moved`, of all runs together. Pages are pinned as buffers of io_uring.

    Examples
    --------
    >>> pinned().moved.sel(pinned=True).item()
    0
    """
    told = _table("pages.csv")
    sums = {
        name: ("pinned", [int(told[name][told["pinned"] == flag].sum()) for flag in (0, 1)])
        for name in ("pages", "moved")
    }
    return xr.Dataset(sums, coords={"pinned": [False, True]})


def flushed() -> int:
    """When the other CPU was made to forget the addresses of the traced batch: ns since it began.

    >>> flushed()
    56373
    """
    told = _table("steps.csv")
    return int(told["ns"][told["reason"] == "remote IPI send"][0])


# ---- stories


@dataclass
class _Scene:
    """Where the pages and their mappings stand while the story is told."""

    addresses: list[str]
    mappings: int
    kind: np.ndarray  # (row, cell): mappings, then old and new frames
    label: np.ndarray
    old: list[int]
    new: list[int]
    kinds: list[np.ndarray] = field(default_factory=list)
    labels: list[np.ndarray] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    marks: list[list[int]] = field(default_factory=list)

    def tell(self, ns: float, text: str, rows: Sequence[int] = (), cell: int = -1) -> None:
        """Note a step as it stands now, with a cell looked at in some rows."""
        self.kinds.append(self.kind.copy())
        self.labels.append(self.label.copy())
        self.texts.append(text)
        self.times.append(ns / 1000)
        self.marks.append([cell if row in rows else -1 for row in range(len(self.kind))])


def story(pages: int = 1) -> xr.Dataset:
    """Tell how pages with four mappings moved, from the traced batch of 32.

    Every change of a mapping, every flush and both page frames are as recorded. That a frame is taken, the copy,
    and the return of the old frame have no event: they are told where they must be, without a time of their own.

    Parameters
    ----------
    pages
        How many of the 32 pages are told; what happens to the others is told in passing.

    Returns
    -------
        A told story for `compactlab.show`; rows are the mappings, the old and the new page frame; measure
        `elapsed` (µs).

    Raises
    ------
    ValueError
        If there are not that many pages.

    References
    ----------
    mm/migrate.c, Linux 6.18: migrate_pages_batch, migrate_folio_unmap, migrate_folio_move.

    Examples
    --------
    >>> story().sizes["step"]
    15
    """
    told = _table("steps.csv")
    every = list(dict.fromkeys(told["address"][told["event"] == "set_migration_pte"].tolist()))
    if not 1 <= pages <= len(every):
        raise ValueError(f"story: pages={pages}; expected 1 to {len(every)}, as many as the traced batch has")
    scene = _scene(told, every[:pages])
    many = len(every)
    text = _("{count} processes map the page. It lies in page frame {frame}: each of their page tables says so. With {others} others it is to move: migrate_pages() begins.")  # fmt: skip
    if pages > 1:
        text = _("{count} processes map these pages: each of their page tables says in which page frame a page lies. With {others} others they are to move: migrate_pages() begins.")  # fmt: skip
    scene.tell(0, text.format(count=scene.mappings, frame=count(scene.old[0]), others=many - pages))
    _unmapped(scene, told, many)
    _moved(scene, told, many)
    rows = [_("mapping {number}").format(number=number + 1) for number in range(scene.mappings)]
    kinds = [_(name) for name in _KINDS]
    return xr.Dataset(
        {
            "kind": (("step", "row", "cell"), np.array(scene.kinds)),
            "text": ("step", scene.texts),
            "label": (("step", "row", "cell"), np.array(scene.labels)),
            "mark": (("step", "row"), np.array(scene.marks)),
            "elapsed": ("step", scene.times, {"long_name": _("time since the beginning"), "units": "µs"}),
        },
        coords={"row": [*rows, _("old frame"), _("new frame")]},
        attrs={
            "title": _("One page moves") if pages == 1 else _("{count} pages move").format(count=pages),
            "kinds": kinds,
            "colours": dict(zip(kinds, _COLOURS, strict=True)),
            "cell_label": _("1 page"),
        },
    )


def _scene(told: np.ndarray, addresses: list[str]) -> _Scene:
    """All mappings point to the old frames; the new ones are free."""
    first = {
        event: dict(told[["address", "frame"]][told["event"] == event].tolist())
        for event in ("set_migration_pte", "remove_migration_pte")
    }  # fmt: skip
    old, new = ([int(first[event][address]) for address in addresses] for event in first)
    mappings = int((told["address"][told["event"] == "set_migration_pte"] == addresses[0]).sum())
    kind = np.full((mappings + 2, len(addresses)), _OLD, np.uint8)
    kind[-1] = _FREE
    label = np.array([[f"→ {frame}" for frame in old]] * mappings + [[str(f) for f in old], [str(f) for f in new]], dtype="U12")  # fmt: skip
    return _Scene(addresses, mappings, kind, label, old, new)


def _unmapped(scene: _Scene, told: np.ndarray, many: int) -> None:
    """First half of the batch: frames are taken, mappings give way to entries that say the page is moving."""
    seen: dict[str, int] = {}
    others = 0
    for ns, event, address, _frame, reason in told.tolist():
        if event == "set_migration_pte":
            if address not in scene.addresses:
                others = ns
                continue
            cell, number = scene.addresses.index(address), seen.get(address, 0)
            seen[address] = number + 1
            if number == 0:
                scene.kind[-1, cell] = _TAKEN
                text = _("A free page frame is taken for it: {frame}. It is still empty.")
                scene.tell(ns, text.format(frame=count(scene.new[cell])), [scene.mappings + 1], cell)
            scene.kind[number, cell], scene.label[number, cell] = _MOVING, _("moving")
            text = _("{time}: mapping {number} of {all} is taken away. In its place stands an entry that says: this page is moving. From now on a process that touches the page there waits.")  # fmt: skip
            scene.tell(ns, text.format(time=duration(ns), number=number + 1, all=scene.mappings), [number], cell)  # fmt: skip
        elif event == "tlb_flush" and reason == "remote IPI send":
            if others:
                text = _("{time}: the other {count} pages of the batch have been unmapped in the same way.")
                scene.tell(others, text.format(time=duration(others), count=many - len(scene.addresses)))
            text = _("{time}: the other CPU is interrupted, once for all {count} pages, and forgets the old addresses that it holds in its TLB.")  # fmt: skip
            scene.tell(ns, text.format(time=duration(ns), count=many))
            return


def _moved(scene: _Scene, told: np.ndarray, many: int) -> None:
    """Second half: each page is copied, its mappings point to the new frame, the old frame is free."""
    seen: dict[str, int] = {}
    for ns, event, address, _frame, _reason in told.tolist():
        if event != "remove_migration_pte" or address not in scene.addresses:
            continue
        cell, number = scene.addresses.index(address), seen.get(address, 0)
        seen[address] = number + 1
        if number == 0:
            scene.kind[-1, cell] = _NEW
            text = _("The content is copied, 4096 bytes, from frame {old} to frame {new}. No event is traced for it; it is over before {time}.")  # fmt: skip
            scene.tell(ns, text.format(old=count(scene.old[cell]), new=count(scene.new[cell]), time=duration(ns)), [scene.mappings, scene.mappings + 1], cell)  # fmt: skip
        scene.kind[number, cell], scene.label[number, cell] = _NEW, f"→ {scene.new[cell]}"
        text = _("{time}: mapping {number} of {all} points to the new frame. Who waited goes on, and has noticed nothing.")  # fmt: skip
        scene.tell(ns, text.format(time=duration(ns), number=number + 1, all=scene.mappings), [number], cell)
        if number == scene.mappings - 1:
            scene.kind[scene.mappings, cell] = _FREE
            text = _("Nothing points to frame {frame} any more: it is free.")
            scene.tell(ns, text.format(frame=count(scene.old[cell])), [scene.mappings], cell)
    end = int(told["ns"][-1])
    text = _("{time}: all {count} pages of the batch have moved: {each} a page, with every mapping traced.")
    scene.tell(end, text.format(time=duration(end), count=many, each=duration(end / many)))


def cost_story(told: xr.Dataset, line: xr.Dataset) -> xr.Dataset:
    """Tell what mappings cost, from 1 to 128: a bar of time for each size of batch, and one by the line.

    Parameters
    ----------
    told
        What `costs` returns.
    line
        What `fit` returns.

    Returns
    -------
        A told story for `compactlab.show`: a cell is 250 ns; measure `per_page` (step, row) in µs.
    """
    more = told.mappings.values - 1.0
    first, further = float(line["first"].mean()), float(line.further.mean())
    times = np.column_stack([told.ns.values.T, first + further * more])  # (step, row) ns
    alone = np.append(told.ns.values[:, 0], first)
    cells = np.rint(times / CELL_NS).astype(int)
    at = np.arange(cells.max())[None, None, :]
    kind = np.where(at < np.rint(alone / CELL_NS)[None, :, None], 0, 1)
    kind = np.where(at < cells[:, :, None], kind, _NO_CELL).astype(np.uint8)
    kinds = [_(name) for name in _COST_KINDS]
    text = _("{count} processes map the page: {small} in batches of 32 pages, {large} in batches of 224. The line says {line}.")  # fmt: skip
    once = _("One process maps the page: {small} in batches of 32 pages, {large} in batches of 224. The line says {line}.")  # fmt: skip
    rows = [_("batches of {count} pages").format(count=size) for size in told.batch_pages.values]
    return xr.Dataset(
        {
            "kind": (("step", "row", "cell"), kind),
            "text": (
                "step",
                [
                    (once if number == 1 else text).format(count=number, small=duration(a), large=duration(b), line=duration(c))
                    for number, (a, b, c) in zip(told.mappings.values.tolist(), times.tolist(), strict=True)
                ],
            ),
            "per_page": (("step", "row"), times / 1000, {"long_name": _("time of one page"), "units": "µs"}),
        },
        coords={"row": [*rows, _("line fitted")]},
        attrs={
            "title": _("What mappings cost: 1, 2, 4 ... 128 processes"),
            "kinds": kinds,
            "colours": dict(zip(kinds, _COST_COLOURS, strict=True)),
            "cell_label": duration(CELL_NS),
        },
    )  # fmt: skip
