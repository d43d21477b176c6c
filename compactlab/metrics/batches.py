"""Migration batch by batch: what compaction isolated, where it put it, what stayed and why."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..core.memory import ANON, FILE
from ..schema import NO_INTEGER
from .moves import moves
from .source import group

_SOURCES = "mm_compaction_isolate_migratepages"
_TARGETS = "mm_compaction_isolate_freepages"
_FAST = "mm_compaction_fast_isolate_freepages"
_MOVED = "mm_compaction_migratepages"
_REFUSED = "compact_refused"
UNKNOWN = -1


@dataclass
class _Open:
    """What one compactor did since its last batch."""

    begun: int = UNKNOWN
    start_pfn: int = UNKNOWN
    end_pfn: int = UNKNOWN
    scanned: int = 0
    taken: int = UNKNOWN
    free_scanned: int = 0
    targets: int = UNKNOWN
    searches: int = 0


def migration_batches(run: xr.DataTree, moved: xr.Dataset | None = None) -> xr.Dataset | None:
    """Every batch of pages that compaction tried to move, with the search before it.

    A batch is one mm_compaction_migratepages; what the same role isolated on the same CPU since its batch before
    belongs to it. Pages that were isolated to no batch are not told.

    Parameters
    ----------
    run
        A run.
    moved
        What `moves` found, if it was asked already.

    Returns
    -------
        Dims (batch), by time: `elapsed` of its end and `begun`, when its pages had been isolated (ns); `role` and
        `zone` (empty: not known); `start_pfn` to `end_pfn`, where its pages lay; pages `scanned` for it, `taken`,
        `free_scanned` for targets and `targets` found; fast `searches` for them; `moved` and `failed`. Of one of the
        pages that were moved, the one with most mappings: `source_pfn`, `target_pfn`, `order`, and `mapcount` as the
        page map before has it; `further_mappings`: those beyond one of each page, of all its pages that the map tells.
        -1: not known. None where no event tells of a batch.
    """
    events = group(run, "events")
    if events is None:
        return None
    names = events["name"].to_numpy().astype(str)
    at = np.flatnonzero(np.isin(names, (_SOURCES, _TARGETS, _FAST, _MOVED)))
    if not (names[at] == _MOVED).any():
        return None
    fields = ("start_pfn", "end_pfn", "nr_scanned", "nr_taken", "nr_migrated", "nr_failed", "cpu")
    start, end, scanned, taken, migrated, failed, cpu = (_numbers(events, each, at) for each in fields)
    role, zone = (
        events[each].to_numpy()[at].tolist() if each in events else [""] * at.size
        for each in ("role", "zone")
    )
    open_of: dict[tuple[str, int], _Open] = {}
    rows = []
    for k, (name, when) in enumerate(
        zip(names[at].tolist(), events["elapsed"].to_numpy()[at].tolist(), strict=True)
    ):
        who = (role[k], cpu[k])
        this = open_of.setdefault(who, _Open())
        if name == _SOURCES:
            this.scanned += max(scanned[k], 0)
            if taken[k] > 0:
                this.begun, this.start_pfn, this.end_pfn, this.taken = when, start[k], end[k], taken[k]
        elif name in (_TARGETS, _FAST):
            this.free_scanned += max(scanned[k], 0)
            this.targets = max(this.targets, 0) + max(taken[k], 0)
            this.searches += name == _FAST
        else:
            rows.append(
                (
                    int(at[k]),
                    when,
                    role[k],
                    zone[k],
                    *vars(this).values(),
                    max(migrated[k], 0),
                    max(failed[k], 0),
                )
            )
            del open_of[who]
    columns = ("event", "elapsed", "role", "zone", *vars(_Open()), "moved", "failed")
    texts = ("role", "zone")
    found = {
        name: ("batch", np.array(values, object if name in texts else np.int64))
        for name, values in zip(columns, zip(*rows, strict=True), strict=True)
    }
    moved = moves(run) if moved is None else moved
    return xr.Dataset(found | _examples(run, events, found["event"][1], moved))


def _numbers(events: xr.Dataset, name: str, at: np.ndarray) -> list[int]:
    if name not in events:
        return [UNKNOWN] * at.size
    values = events[name].to_numpy()[at]
    found: list[int] = np.where(values == NO_INTEGER, UNKNOWN, values).tolist()
    return found


def _examples(
    run: xr.DataTree, events: xr.Dataset, batches: np.ndarray, moved: xr.Dataset | None
) -> dict[str, tuple[str, np.ndarray]]:
    """Of each batch the page with most mappings, and how many further mappings its pages have."""
    names = ("source_pfn", "target_pfn", "order")
    found = {name: np.full(batches.size, UNKNOWN) for name in (*names, "mapcount", "further_mappings")}
    if moved is not None and moved.sizes["move"]:
        event = moved["event"].to_numpy()
        mapped = _mapcounts(run, events["elapsed"].to_numpy()[event], moved["source_pfn"].to_numpy())
        first = np.lexsort((-mapped, event))
        first = first[np.unique(event[first], return_index=True)[1]]
        row = np.searchsorted(batches, event[first])  # the events of batches ascend
        here = (row < batches.size) & (batches[np.minimum(row, batches.size - 1)] == event[first])
        for name in names:
            found[name][row[here]] = moved[name].to_numpy()[first[here]]
        found["mapcount"][row[here]] = mapped[first[here]]
        known = mapped >= 0
        further = np.bincount(event[known], np.maximum(mapped[known] - 1, 0), events.sizes["event"])
        tells = np.bincount(event[known], minlength=events.sizes["event"]) > 0
        found["further_mappings"] = np.where(tells[batches], further[batches], UNKNOWN).astype(np.int64)
    return {name: ("batch", values) for name, values in found.items()}


def _mapcounts(run: xr.DataTree, elapsed: np.ndarray, pfn: np.ndarray) -> np.ndarray:
    """Mappings of pages in the last page map before a moment; -1 where no map tells, or another kind of page was there."""
    pages = group(run, "pages")
    if pages is None:
        return np.full(pfn.size, UNKNOWN)
    keyframe = np.searchsorted(pages["elapsed"].to_numpy(), elapsed, side="right") - 1
    at = pfn - pages["first_pfn"].to_numpy()[np.maximum(keyframe, 0)]
    inside = (keyframe >= 0) & (at >= 0) & (at < pages.sizes["pfn"])
    where = np.where(inside, keyframe, 0), np.where(inside, at, 0)
    movable = np.isin(pages["kind"].to_numpy()[where], (ANON, FILE))
    return np.where(inside & movable, pages["mapcount"].to_numpy()[where].astype(np.int64), UNKNOWN)


def refusals(run: xr.DataTree) -> xr.Dataset | None:
    """Pages that compaction did not move, and why.

    A simulation tells the reason of each; a trace only how many of a batch could not be moved.

    Parameters
    ----------
    run
        A run.

    Returns
    -------
        Dims (refusal), by time: `elapsed` (ns), `reason` (see ``core.memory.REFUSALS``; empty: not told), `pages`.
        None where no event tells.
    """
    events = group(run, "events")
    if events is None:
        return None
    names = events["name"].to_numpy().astype(str)
    told = np.flatnonzero(names == _REFUSED)
    reasoned = told.size > 0 or run.attrs["source"] == "simulation"
    at = told if reasoned else np.flatnonzero(names == _MOVED)
    if not at.size and not reasoned:
        return None
    pages = np.array(_numbers(events, "nr_failed", at), np.int64)
    reason = events["refusal"].to_numpy()[at] if reasoned and at.size else np.full(at.size, "", object)
    some = pages > 0
    return xr.Dataset(
        {
            "elapsed": ("refusal", events["elapsed"].to_numpy()[at][some]),
            "reason": ("refusal", reason[some]),
            "pages": ("refusal", pages[some]),
        }
    )
