"""Compaction as a film: every pageblock of every zone, step by step.

What a pageblock is at a moment fits into 16 bits; between two steps few of them change. So a film is one
picture, and for each step the bits that flip in it: it plays forward and back alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..core.memory import FREE, TAIL
from ..schema import NO_INTEGER, pageblock_order
from .blockpages import single_pages, within
from .cells import Cells, Layout, counted, keyframe_at
from .moves import STEPS, compaction_steps, event_numbers, moves
from .source import group

MOST_STEPS = 20_000

FRAME, ALLOCATED = len(STEPS), len(STEPS) + 1
"""What a step is: a position in ``moves.STEPS``, or: all pageblocks were counted; a request got a whole one."""

RESET, SOURCE, TARGET, GIVEN = range(4)
"""Why a cell changes: it was counted anew, pages were moved out of it, or into it, or it was allocated."""


@dataclass(frozen=True)
class Film:
    """Steps and what flips in each; cells are pageblocks, or groups of them in zones of very many.

    ``first[k]`` to ``first[k + 1]`` are the changes of step k. Positions are page frame numbers, -1 where there is
    no compaction; ``number`` is what the step is about: pages isolated or moved.
    """

    zones: list[str]
    bounds: np.ndarray
    """(zone + 1,) first cell of each zone."""
    cell_pages: np.ndarray
    """(zone,) pages of a cell."""
    start_pfn: np.ndarray
    """(cell,) first page of each."""
    initial: np.ndarray
    """(cell,) uint16 before the first step."""
    elapsed: np.ndarray
    """(step,) ns."""
    what: np.ndarray
    """(step,) uint8: a position in ``moves.STEPS``, ``FRAME`` or ``ALLOCATED``."""
    zone: np.ndarray
    """(step,) the zone that is compacted, or -1."""
    migrate_pfn: np.ndarray
    free_pfn: np.ndarray
    number: np.ndarray
    failed: np.ndarray
    moved: np.ndarray
    """(step,) pages moved so far."""
    first: np.ndarray
    """(step + 1,)"""
    cell: np.ndarray
    """(change,)"""
    flip: np.ndarray
    """(change,) uint16: bits that differ from before."""
    role: np.ndarray
    """(change,) uint8: RESET, SOURCE, TARGET or GIVEN."""
    origin: str
    """Where moves are from: "log", "trace" (inferred), or "frames" where nothing tells them."""
    total_steps: int
    """Steps before they were thinned."""


def film(run: xr.DataTree, steps: int = MOST_STEPS, moved: xr.Dataset | None = None) -> Film | None:
    """Make a film of a run's pageblocks.

    Every frame of `/pageblocks` is a step, and so is every event of compaction and every request that got a
    pageblock or more; between frames, pages move as `moves` tells. Of very many steps neighbours are put together.

    Parameters
    ----------
    run
        A run.
    steps
        Steps at most.
    moved
        What `moves` found, if it was asked already.

    Returns
    -------
        None if the run has no `/pageblocks`.
    """
    blocks = group(run, "pageblocks")
    if blocks is None:
        return None
    order = pageblock_order(run) or 9
    layout = Layout(blocks, order)
    moved = moves(run) if moved is None else moved
    events = group(run, "events")
    given = _given(group(run, "allocations"), order)
    told = _steps(blocks, events, given, layout)
    changes = _changes(run, blocks, moved, given, layout, told)
    return _thinned(layout, told, changes, steps, "frames" if moved is None else str(moved.attrs["from"]))


def _given(allocations: xr.Dataset | None, order: int) -> xr.Dataset | None:
    """Requests that got a pageblock or more, and tell which, in the order of their end."""
    if allocations is None or not {"pfn", "order"} <= set(allocations):
        return None
    got = allocations["success"] & (allocations["order"] >= order) & (allocations["pfn"] >= 0)
    given = allocations.isel(allocation=np.flatnonzero(got.to_numpy()))
    end = (given["elapsed"] + given["latency_ns"]).to_numpy()
    return given.assign(end=("allocation", end)).isel(allocation=np.argsort(end, kind="stable"))


def _steps(
    blocks: xr.Dataset, events: xr.Dataset | None, given: xr.Dataset | None, layout: Layout
) -> dict[str, np.ndarray]:
    """Frames, events and requests as one sequence; `source` is the frame, event or request, by number."""
    frames = blocks.sizes["frame"]
    at = compaction_steps(events) if events is not None else np.zeros(0, np.int64)
    columns: dict[str, list[np.ndarray]] = {
        "elapsed": [blocks["elapsed"].to_numpy()],
        "what": [np.full(frames, FRAME)],
        "source": [np.arange(frames)],
        "zone": [np.full(frames, -1)],
        "number": [np.zeros(frames, np.int64)],
        "failed": [np.zeros(frames, np.int64)],
    }
    begin = end = migrate = free = np.zeros(0, np.int64)
    if events is not None and at.size:
        names = events["name"].to_numpy()[at]
        what = np.array([STEPS.index(name) for name in names])
        taken, done, failed = (
            event_numbers(events, each, at) for each in ("nr_taken", "nr_migrated", "nr_failed")
        )
        kept = ~np.isin(what, (1, 2, 3)) | (taken > 0)
        at, what, taken, done, failed = (each[kept] for each in (at, what, taken, done, failed))
        zones = {name: k for k, name in enumerate(layout.zones)}
        columns["elapsed"].append(events["elapsed"].to_numpy()[at])
        columns["what"].append(what)
        columns["source"].append(at)
        columns["zone"].append(
            np.array(
                [zones.get(name, -1) for name in events["zone"].to_numpy()[at]]
                if "zone" in events
                else [-1] * at.size
            )
        )
        columns["number"].append(np.where(what == 4, done, taken).clip(0))
        columns["failed"].append(failed.clip(0))
        begin, end = (event_numbers(events, each, at) for each in ("start_pfn", "end_pfn"))
        migrate, free = (event_numbers(events, each, at) for each in ("migrate_pfn", "free_pfn"))
    if given is not None:
        count = given.sizes["allocation"]
        columns["elapsed"].append(given["end"].to_numpy())
        columns["what"].append(np.full(count, ALLOCATED))
        columns["source"].append(np.arange(count))
        columns["zone"].append(np.full(count, -1))
        columns["number"].append(1 << given["order"].to_numpy())
        columns["failed"].append(np.zeros(count, np.int64))
        none = np.full(count, NO_INTEGER)
        begin, end, migrate, free = (np.concatenate([each, none]) for each in (begin, end, migrate, free))
    told = {name: np.concatenate(parts) for name, parts in columns.items()}
    ordered = np.lexsort((told["what"] == FRAME, told["elapsed"]))
    told = {name: values[ordered] for name, values in told.items()}
    framed = np.full(frames, NO_INTEGER)
    pfns = {
        "begin": np.concatenate([framed, begin])[ordered], "end": np.concatenate([framed, end])[ordered],
        "migrate": np.concatenate([blocks["migrate_pfn"].to_numpy(), migrate])[ordered],
        "free": np.concatenate([blocks["free_pfn"].to_numpy(), free])[ordered],
    }  # fmt: skip
    told["migrate_pfn"], told["free_pfn"] = _scanners(told["what"], pfns)
    told["zone"] = np.where(told["migrate_pfn"] >= 0, _carried(told["zone"], told["what"] < FRAME), -1)
    moved = np.where(told["what"] == STEPS.index("mm_compaction_migratepages"), told["number"], 0)
    return told | {"moved": np.cumsum(moved)}


def _carried(values: np.ndarray, told: np.ndarray) -> np.ndarray:
    """Each value, or the last one before it that was told."""
    last = np.maximum.accumulate(np.where(told, np.arange(values.size), -1))
    return np.where(last >= 0, values[np.maximum(last, 0)], -1)


def _scanners(what: np.ndarray, pfns: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Where both scanners stand after each step: begin sets both, isolating moves one, end takes both away."""
    begins, ends, migrates, frees = (what == k for k in (0, 5, 1, 2))
    found = []
    for moves_it, position, start in (
        (migrates, pfns["end"], pfns["migrate"]),
        (frees, pfns["begin"], pfns["free"]),
    ):
        value = np.where(begins | (what == FRAME), start, np.where(moves_it, position, -1))
        told = begins | moves_it | ends | ((what == FRAME) & (start >= 0))
        found.append(_carried(np.where(ends, -1, value), told))
    return found[0], found[1]


def _changes(
    run: xr.DataTree, blocks: xr.Dataset, moved: xr.Dataset | None, given: xr.Dataset | None, layout: Layout,
    told: dict[str, np.ndarray],
) -> tuple[np.ndarray, list[np.ndarray]]:  # fmt: skip
    """The first picture, and (step, cell, flip, role) of all changes, in order."""
    pages, role, step = _page_changes(moved, given, told)
    cells = layout.cells_of(pages)
    if not (inside := (cells >= 0) & (step >= 0)).all():
        pages, role, cells, step = (each[inside] for each in (pages, role, cells, step))
    ordered = np.argsort(step, kind="stable")
    pages, role, cells, step = (each[ordered] for each in (pages, role, cells, step))
    frames = np.flatnonzero(told["what"] == FRAME)
    state = counted(run, blocks, int(told["source"][frames[0]]), layout)
    initial = code = state.codes()
    parts: list[list[np.ndarray]] = []
    edges = [0, *np.searchsorted(step, frames[1:]), step.size]
    if step.size and frames[0] > 0:  # moved before the first frame: nothing is known of then
        edges[0] = int(np.searchsorted(step, frames[0]))
    for k in range(frames.size):
        some = slice(edges[k], edges[k + 1])
        moving, code = _moved_between(
            run,
            state,
            code,
            layout,
            int(told["elapsed"][frames[k]]),
            (pages[some], role[some], cells[some], step[some]),
        )
        parts.append(moving)
        if k + 1 < frames.size:
            at = int(frames[k + 1])
            state = counted(run, blocks, int(told["source"][at]), layout)
            codes = state.codes()
            differ = np.flatnonzero(codes != code)
            parts.append(
                [
                    np.full(differ.size, at),
                    differ,
                    codes[differ] ^ code[differ],
                    np.full(differ.size, RESET),
                ]
            )
            code = codes
    return initial, [np.concatenate(column) for column in zip(*parts, strict=True)]


def _page_changes(
    moved: xr.Dataset | None, given: xr.Dataset | None, told: dict[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pages that are moved out or in, or allocated; why (a role), and in which step, -1 in none."""
    pages, event, out = single_pages(moved)
    step = _steps_by_source(told, told["what"] < FRAME)[event]
    role = np.where(out, np.int8(SOURCE), np.int8(TARGET))
    if given is None:
        return pages, role, step
    size = 1 << given["order"].to_numpy()
    got = np.repeat(given["pfn"].to_numpy(), size) + within(size)
    when = np.repeat(_steps_by_source(told, told["what"] == ALLOCATED)[: size.size], size)
    return np.append(pages, got), np.append(role, np.full(got.size, GIVEN, np.int8)), np.append(step, when)


def _steps_by_source(told: dict[str, np.ndarray], among: np.ndarray) -> np.ndarray:
    """Step of each event or request, by its number; -1 if it is none."""
    steps = np.flatnonzero(among)
    source = told["source"][steps]
    found = np.full(source.max(initial=-1) + 1, -1, np.int32)
    found[source] = steps
    return found


def _moved_between(
    run: xr.DataTree, state: Cells, code: np.ndarray, layout: Layout, elapsed: int, moving: Sequence[np.ndarray],
) -> tuple[list[np.ndarray], np.ndarray]:  # fmt: skip
    """Changes by moves after one frame and before the next, and the picture they lead to."""
    pages, role, cells, step = moving
    if not step.size:
        return [np.zeros(0, np.int64)] * 4, code
    # One row per step and cell, the rows of a cell together.
    key = cells.astype(np.int64) << 32 | step
    rows, row_of = np.unique(key, return_inverse=True)
    row_cell, row_step = rows >> 32, rows & 0xFFFFFFFF
    begins = np.flatnonzero(np.diff(row_cell, prepend=-1))
    lengths = np.diff(np.append(begins, rows.size))
    gains = np.where(role == SOURCE, np.int8(1), np.int8(-1))
    kind, first_pfn = _mapped(run, elapsed)
    came = np.zeros(0, np.int64)
    if kind is not None:  # a target that was not free then, but in a per-CPU list, became so unseen
        first = np.unique(pages, return_index=True)[1]
        came = first[(role[first] != SOURCE) & (kind[pages[first] - first_pfn] != FREE)]
        gains[came] = 0
    gained = np.bincount(row_of, gains, rows.size).astype(np.int64)
    since = _since(gained, begins, lengths)
    then = state.take(row_cell)
    then.free = np.clip(then.free + since, 0, then.size)
    then.unknown = np.clip(
        then.unknown - _since(np.bincount(row_of[came], minlength=rows.size), begins, lengths), 0, then.size
    )
    if kind is None or (layout.cell_pages > 1 << layout.order).any():
        bound = np.floor(np.log2(np.maximum(then.free, 1)))
        then.free_order = np.where(then.free > 0, bound, TAIL).astype(np.uint8)
    else:
        known = np.delete(np.arange(pages.size), came)
        then.free_order = _free_orders(
            kind == FREE, layout, first_pfn, pages[known], row_of[known], row_cell, begins, lengths
        )
    row_role = np.zeros(rows.size, np.int64)
    row_role[row_of] = role  # a step is of one kind; where neighbours were put together, of the last one's
    whole = _carried(
        np.where(row_role == GIVEN, 1, 0), (row_role == GIVEN) | (gained > 0) | _mask(begins, rows.size)
    )
    then.folio_order = np.where(whole > 0, layout.order, np.where(since > 0, TAIL, then.folio_order))
    codes = then.codes()
    before = np.append(np.uint16(0), codes[:-1])
    before[begins] = code[row_cell[begins]]
    result = code.copy()
    ends = begins + lengths - 1
    result[row_cell[ends]] = codes[ends]
    ordered = np.argsort(row_step, kind="stable")
    return [row_step[ordered], row_cell[ordered], (codes ^ before)[ordered], row_role[ordered]], result


def _mask(at: np.ndarray, size: int) -> np.ndarray:
    found = np.zeros(size, bool)
    found[at] = True
    return found


def _since(per_row: np.ndarray, begins: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Sums up to each row, from the first one of its cell."""
    total = np.cumsum(per_row)
    return total - np.repeat(total[begins] - per_row[begins], lengths)


def _mapped(run: xr.DataTree, elapsed: int) -> tuple[np.ndarray | None, int]:
    """Kinds of all pages at a moment, if a page map tells, and the first page frame number."""
    keyframe = keyframe_at(run, elapsed, exact=True)
    if keyframe is None:
        return None, 0
    pages = run["pages"].to_dataset().isel(keyframe=keyframe)
    return pages["kind"].to_numpy(), int(pages["first_pfn"])


def _free_orders(
    free: np.ndarray, layout: Layout, first_pfn: int, pages: np.ndarray, row_of: np.ndarray, row_cell: np.ndarray,
    begins: np.ndarray, lengths: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Largest free block of each row, page by page: a page that moves is free afterwards if it was not, and not if it was."""
    size = 1 << layout.order
    toggled = np.zeros((row_cell.size, size), bool)
    toggled[row_of, pages & (size - 1)] = True  # no page moves twice in one step
    begin = layout.start_pfn[row_cell[begins]] - first_pfn
    at = begin[:, None] + np.arange(size)
    inside = (at >= 0) & (at < free.size)
    toggled[begins] ^= free[np.where(inside, at, 0)] & inside
    # Cumulative within each cell: what was accumulated before it is taken out again. Eight pages to a byte.
    whole: np.ndarray = np.bitwise_xor.accumulate(np.packbits(toggled, axis=1), axis=0)
    earlier = np.zeros((begins.size, whole.shape[1]), np.uint8)
    earlier[1:] = whole[begins[1:] - 1]
    block = np.unpackbits(
        np.bitwise_xor(whole, np.repeat(earlier, lengths, axis=0)), axis=1, count=size
    ).view(bool)
    found = np.where(block.any(axis=1), 0, TAIL).astype(np.uint8)
    for order in range(1, layout.order + 1):
        block = block[:, ::2] & block[:, 1::2]
        found[block.any(axis=1)] = order
    return found


def _thinned(
    layout: Layout,
    told: dict[str, np.ndarray],
    changes: tuple[np.ndarray, list[np.ndarray]],
    most: int,
    origin: str,
) -> Film:
    """Put neighbouring steps together until there are few enough."""
    initial, (step, cell, flip, role) = changes
    total = told["elapsed"].size
    ends = np.linspace(0, total, min(total, max(most, 1)) + 1)[1:].round().astype(np.int64) - 1
    new = np.searchsorted(ends, step)
    return Film(
        zones=layout.zones,
        bounds=layout.bounds,
        cell_pages=layout.cell_pages,
        start_pfn=layout.start_pfn,
        initial=initial,
        **{
            name: told[name][ends]
            for name in ("elapsed", "zone", "migrate_pfn", "free_pfn", "number", "failed", "moved")
        },
        what=told["what"][ends].astype(np.uint8),
        first=np.searchsorted(new, np.arange(ends.size + 1)),
        cell=cell,
        flip=flip.astype(np.uint16),
        role=role.astype(np.uint8),
        origin=origin,
        total_steps=total,
    )
