"""From a memory and its logs to a run: samples in time, and what was logged between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from .. import schema
from ..core import memory as m
from ..core.memory import Memory
from ..core.pagemap import count_frame
from .build import PAGE_FIELDS, Budgets, first_page
from .costs import CostModel
from .zone import Zone

ROLES = (*m.THREADS, "manual")
"""Who ran, by the number in the log; a foreground that is not compacting manually compacts for a request."""

_PICOSECONDS = 1000
_MARKS = ("min", "low", "high", "promo")
_CLASSES = 4
_PFN_FIELDS = {"start_pfn", "end_pfn", "migrate_pfn", "free_pfn", "pfn"}
_MODES = ("async", "sync", "sync")  # as tracepoints print them
_RETRY = ("", "failed", "withdrawn", "progress")  # enum compact_result of compact_retry


class Samples:
    """Collects a memory's state at chosen moments, within budgets."""

    def __init__(self, memory: Memory, zones: Sequence[Zone], budgets: Budgets) -> None:
        self.memory, self.zones, self.budgets = memory, zones, budgets
        self.first_pfn = first_page(zones)
        self.rows: list[dict[str, Any]] = []
        self.frames: list[dict[str, Any]] = []
        self.keyframes: list[dict[str, Any]] = []
        self.frames_left_out = 0

    @property
    def elapsed(self) -> int:
        """Simulated time of the thread that runs, in ns."""
        return int(self.memory.state["clock"][0][m.NOW]) // _PICOSECONDS

    def take(self) -> None:
        """Take counts of zones, lists, counters and threads."""
        zone, state = self.memory.zone, self.memory.state
        orders = self.zones[0].nr_orders
        pcp = zone["pcp"][:, : self.zones[0].cpus]
        row = {
            "elapsed": self.elapsed,
            "nr_free": zone["nr_free"][:, :orders].copy(),
            "watermark": np.stack([zone[f"wmark_{mark}"] for mark in _MARKS], axis=1),
            "boost": zone["boost"].copy(),
            "nr_free_pages": zone["free_pages"].copy(),
            "nr_free_highatomic": zone["free_highatomic"].copy(),
            "pcp": {each: pcp[each].copy() for each in ("count", "high", "batch")},
            "nr_pageblocks": self._pageblock_types(),
            "counter": state["counter"][0].copy(),
            "cpu": state["clock"][0][m.CPU_TIME :] // _PICOSECONDS,
        }
        self.rows.append(row)  # at once: an interrupt may come anywhere

    def frame(self, control: int = m.DIRECT_CONTROL) -> None:
        """Count the pages of each kind in each pageblock, with where a compactor's scanners stand."""
        if len(self.frames) >= self.budgets.frames:
            self.frames_left_out += 1
            return
        compactor, block = self.memory.control[control], self.memory.block
        counts = np.zeros((block.size, len(m.KINDS)), np.uint16)
        size = 1 << self.zones[0].pageblock_order
        free_order, folio_order = np.zeros((2, block.size), np.uint8)
        count_frame(self._pages("kind"), self._pages("order"), size, counts, free_order, folio_order)
        active = bool(compactor["active"])
        frame = dict(
            elapsed=self.elapsed,
            nr_pages=counts,
            free_order=free_order,
            folio_order=folio_order,
            migratetype=np.where(block["isolated"] > 0, m.ISOLATE, block["migratetype"]).astype(np.uint8),
            skip=block["skip"] > 0,
            **{
                each: self.first_pfn + int(compactor[each]) if active else -1
                for each in ("migrate_pfn", "free_pfn")
            },
        )
        self.frames.append(frame)

    def keyframe(self, name: str) -> None:
        """Keep every page as it is now."""
        pages = {each: self._pages(field).copy() for each, field in PAGE_FIELDS.items()}
        self.keyframes.append(dict(elapsed=self.elapsed, name=name, first_pfn=self.first_pfn, **pages))

    def _pages(self, field: str) -> np.ndarray:
        return self.memory.page[field][: int(self.memory.rules["nr_pages"][0])]

    def _pageblock_types(self) -> np.ndarray:
        """Pageblocks of each type in each zone, (zone, migratetype)."""
        shift, block = self.zones[0].pageblock_order, self.memory.block
        ranges = (
            slice(int(zone["start_pfn"]) >> shift, (int(zone["end_pfn"]) - 1 >> shift) + 1)
            for zone in self.memory.zone
        )
        return np.array([np.bincount(block["migratetype"][each], minlength=6) for each in ranges])


def run_of(
    samples: Samples,
    *,
    name: str = "",
    config: Mapping[str, Any] | None = None,
    costs: CostModel | None = None,
    seed: int = 0,
    phases: Sequence[str] = (),
    groups: Mapping[str, xr.Dataset] | None = None,
    problems: Sequence[str] = (),
) -> xr.DataTree:
    """Make a run of what was sampled and logged.

    Parameters
    ----------
    samples
        With at least one sample.
    name, config, seed
        For the root attributes.
    costs
        Those that were simulated with; what differs from the defaults goes into the config.
    phases
        Names of the workload's phases, which its events tell by number.
    groups
        Groups made elsewhere, such as `allocations`.
    problems
        Sentences to add: why it ended early, for one.

    Returns
    -------
        A validated run; `attrs["budgets"]` says what was kept of each log and what was left out.
    """
    zones, memory = samples.zones, samples.memory
    events, order = _events(memory, zones, samples.first_pfn, phases)
    moves = _moves(memory, samples.first_pfn, order)
    found = {"zones": _zones(samples), "zoneinfo": _zoneinfo(samples), "migratetypes": _migratetypes(samples)}
    found |= {"counters": _counters(samples), "threads": _threads(samples)}
    optional = {
        "phases": _phases(events, samples.elapsed),
        "events": events,
        "moves": moves,
        "pageblocks": _pageblocks(samples),
        "pages": _pages(samples),
        **(groups or {}),
    }
    found |= {
        each: group for each, group in optional.items() if group is not None and all(group.sizes.values())
    }
    budgets = _budgets(samples, 0 if moves is None else moves.sizes["move"])
    told = [
        f"{log}: {counts['kept']} were kept, {counts['left_out']} left out; a larger budget keeps more"
        for log, counts in budgets.items()
        if counts["left_out"]
    ]
    own = costs.config if costs is not None else {}
    declared = dict(config or {}) | ({"costs": own} if own else {})
    return schema.new_run(
        found,
        source="simulation",
        clock="monotonic",
        page_size=zones[0].page_size,
        page_size_from="simulated",
        pageblock_order=zones[0].pageblock_order,
        name=name,
        kernel=zones[0].kernel,
        config=declared | {"zones": [zone.config for zone in zones]},
        seed=seed,
        budgets=budgets,
        problems=[*problems, *told],
    )


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> np.ndarray:
    """One quantity of all samples."""
    return np.array([row[name] for row in rows])


def _taken(rows: Sequence[dict[str, Any]], name: str) -> np.ndarray:
    """One large quantity of all samples, taken out of them: there is no room to hold it twice."""
    first = rows[0][name]
    column = np.empty((len(rows), *first.shape), first.dtype)
    for at, row in enumerate(rows):
        column[at] = row.pop(name)
    return column


def _clock(dim: str, moments: np.ndarray) -> dict[str, Any]:
    return {"time": (dim, moments), "elapsed": (dim, moments)}


def _labels(zones: Sequence[Zone]) -> dict[str, Any]:
    return schema.zone_labels([zone.node for zone in zones], [zone.name for zone in zones])


def _zones(samples: Samples) -> xr.Dataset:
    nr_free = _column(samples.rows, "nr_free").sum(axis=3)
    orders = np.arange(nr_free.shape[2])
    return xr.Dataset(
        {
            "nr_free": (("time", "zone", "order"), nr_free),
            "free_pages": (("time", "zone"), (nr_free << orders).sum(axis=2)),
            "present": (("time", "zone", "order"), np.ones(nr_free.shape, bool)),
            "flags": (("time", "zone"), np.zeros(nr_free.shape[:2], np.uint8)),
        },
        {**_clock("time", _column(samples.rows, "elapsed")), **_labels(samples.zones), "order": orders},
    )


def _zoneinfo(samples: Samples) -> xr.Dataset:
    rows, zone = samples.rows, samples.memory.zone
    times = len(rows)

    def constant(values: np.ndarray) -> np.ndarray:
        return np.broadcast_to(values, (times, *values.shape)).copy()

    per_zone = {
        "managed_pages": zone["managed"],
        "present_pages": zone["present"],
        "spanned_pages": zone["end_pfn"] - zone["start_pfn"],
        "start_pfn": zone["start_pfn"] + samples.first_pfn,
    }
    nr_free = _column(rows, "nr_free")
    cma = (nr_free[..., m.CMA] << np.arange(nr_free.shape[2])).sum(axis=2)
    return xr.Dataset(
        {
            "watermark": (("time", "zone", "mark"), _column(rows, "watermark")),
            "present": (("time", "zone"), np.ones((times, zone.size), bool)),
            **{each: (("time", "zone"), _column(rows, each)) for each in ("boost", "nr_free_pages")},
            "nr_free_highatomic": (("time", "zone"), _column(rows, "nr_free_highatomic")),
            "nr_free_cma": (("time", "zone"), cma),
            **{each: (("time", "zone"), constant(values)) for each, values in per_zone.items()},
            "lowmem_reserve": (
                ("time", "zone", "classzone"),
                constant(zone["lowmem_reserve"][:, :_CLASSES]),
            ),
            **{
                f"pcp_{each}": (("time", "zone", "cpu"), np.array([row["pcp"][each] for row in rows]))
                for each in ("count", "high", "batch")
            },
        },
        {
            **_clock("time", _column(rows, "elapsed")),
            **_labels(samples.zones),
            "zone_idx": ("zone", zone["index"].copy()),
            "mark": ("mark", np.array(_MARKS, object)),
        },
    )


def _migratetypes(samples: Samples) -> xr.Dataset:
    nr_free = _column(samples.rows, "nr_free").transpose(0, 1, 3, 2)
    dims = ("time", "zone", "migratetype", "order")
    return xr.Dataset(
        {
            "nr_free": (dims, nr_free),
            "censored": (dims, np.zeros(nr_free.shape, bool)),
            "present": (dims[:3], np.ones(nr_free.shape[:3], bool)),
            "nr_pageblocks": (dims[:3], _column(samples.rows, "nr_pageblocks")),
        },
        {
            **_clock("time", _column(samples.rows, "elapsed")),
            **_labels(samples.zones),
            "migratetype": ("migratetype", np.array(m.MIGRATETYPES, object)),
            "order": np.arange(nr_free.shape[3]),
        },
    )


def _counters(samples: Samples) -> xr.Dataset:
    value = _column(samples.rows, "counter")
    return xr.Dataset(
        {
            "value": (("time", "counter"), value),
            "present": (("time", "counter"), np.ones(value.shape, bool)),
        },
        {
            **_clock("time", _column(samples.rows, "elapsed")),
            "counter": ("counter", np.array(m.COUNTERS, object)),
        },
    )


def _threads(samples: Samples) -> xr.Dataset:
    return xr.Dataset(
        {"cpu_ns": (("time", "thread"), _column(samples.rows, "cpu"))},
        {
            **_clock("time", _column(samples.rows, "elapsed")),
            "thread": ("thread", np.array(m.THREADS, object)),
        },
    )


def _events(
    memory: Memory, zones: Sequence[Zone], first_pfn: int, phases: Sequence[str]
) -> tuple[xr.Dataset | None, np.ndarray]:
    """Events in the order of time, and where each row of the log went."""
    log = memory.log[: int(memory.state["logged"][0][m.KEPT])]
    order = np.argsort(log[:, 0], kind="stable")
    log = log[order]
    if not log.size:
        return None, order
    names = np.array(list(m.EVENTS), object)
    labels = np.array([*(zone.label for zone in zones), ""], object)
    fields: dict[str, np.ndarray] = {
        "role": np.array(ROLES, object)[log[:, m.WHO]],
        "zone": labels[log[:, 2]],
        "node": np.array([*(zone.node for zone in zones), schema.NO_INTEGER])[log[:, 2]],
    }
    for event, columns in enumerate(m.EVENTS.values()):
        rows = np.flatnonzero(log[:, 1] == event)
        if rows.size:
            for at, column in enumerate(columns):
                _fill(fields, column, rows, log[rows, 3 + at], first_pfn, phases)
    return (
        xr.Dataset(
            {
                "name": ("event", names[log[:, 1]]),
                **{each: ("event", values) for each, values in fields.items()},
            },
            _clock("event", log[:, 0] // _PICOSECONDS),
        ),
        np.argsort(order, kind="stable"),
    )


def _phases(events: xr.Dataset | None, end: int) -> xr.Dataset | None:
    """Phases of the workload: each lasts until the next begins, the last one to the end."""
    if events is None or "phase" not in events:
        return None
    told = events.isel(event=np.flatnonzero(events["name"].to_numpy() == "phase"))
    start = told["elapsed"].to_numpy()
    return xr.Dataset(
        {
            "start": ("phase", start),
            "end": ("phase", np.append(start[1:], max(end, int(start[-1])))),
            "name": ("phase", told["phase"].to_numpy()),
        }
    )


def _fill(
    fields: dict[str, np.ndarray],
    column: str,
    rows: np.ndarray,
    numbers: np.ndarray,
    first_pfn: int,
    phases: Sequence[str],
) -> None:
    """Write one column of one kind of event where the schema has it."""
    texts = {
        "mode": _MODES,
        "status": m.RESULTS,
        "refusal": m.REFUSALS,
        "result": _RETRY,
        "phase": tuple(phases),
    }
    field = {"result": "status", "gfp_mask": "gfp_flags"}.get(column, column)
    values: np.ndarray
    if column in texts:
        values = np.array([*texts[column], ""], object)[numbers]
    elif column == "gfp_mask":
        values = np.array([f"{number:#x}" for number in numbers.tolist()], object)
    else:
        values = numbers + first_pfn * ((column in _PFN_FIELDS) & (numbers >= 0))
    if field not in fields:
        is_text = values.dtype == object
        fields[field] = np.full(
            next(iter(fields.values())).size, "" if is_text else schema.NO_INTEGER, values.dtype
        )
    fields[field][rows] = values


def _moves(memory: Memory, first_pfn: int, place: np.ndarray) -> xr.Dataset | None:
    """Moves, each with the event of the batch it was part of: batches tell how many pages they moved."""
    kept = memory.moves[: int(memory.state["logged"][0][m.MOVES_KEPT])]
    batches = np.flatnonzero(memory.log[: place.size, 1] == m.EV_MIGRATEPAGES)
    last = np.cumsum(memory.log[batches, 3])
    pages = np.cumsum(1 << kept[:, 2].astype(np.int64))
    within = np.searchsorted(last, pages)
    told = within < batches.size
    if not told.any():
        return None
    source, target, order = kept[told].T
    pfn = np.int32 if first_pfn + memory.page.size < 1 << 31 else np.int64
    return xr.Dataset(
        {
            "event": ("move", place[batches[within[told]]].astype(np.int32)),
            "source_pfn": ("move", source + pfn(first_pfn)),
            "target_pfn": ("move", target + pfn(first_pfn)),
            "order": ("move", order.astype(np.int32)),
        }
    )


def _pageblocks(samples: Samples) -> xr.Dataset | None:
    frames, memory = samples.frames, samples.memory
    if not frames:
        return None
    size = 1 << samples.zones[0].pageblock_order
    start = np.arange(memory.block.size) * size
    zone = np.full(start.size, "", object)
    for each, row in zip(samples.zones, memory.zone, strict=True):
        zone[(start + size > row["start_pfn"]) & (start < row["end_pfn"])] = each.label
    return xr.Dataset(
        {
            "migrate_pfn": ("frame", _column(frames, "migrate_pfn")),
            "free_pfn": ("frame", _column(frames, "free_pfn")),
            "zone": ("pageblock", zone),
            "start_pfn": ("pageblock", start + samples.first_pfn),
            "migratetype": (("frame", "pageblock"), _column(frames, "migratetype")),
            "skip": (("frame", "pageblock"), _column(frames, "skip")),
            **{
                each: (("frame", "pageblock"), _column(frames, each))
                for each in ("free_order", "folio_order")
            },
            "nr_pages": (("frame", "pageblock", "kind"), _taken(frames, "nr_pages")),
        },
        {**_clock("frame", _column(frames, "elapsed")), "kind": ("kind", np.array(m.KINDS, object))},
    )


def _pages(samples: Samples) -> xr.Dataset | None:
    keyframes = samples.keyframes
    if not keyframes:
        return None
    return xr.Dataset(
        {
            "name": ("keyframe", np.array([each["name"] for each in keyframes], object)),
            "first_pfn": ("keyframe", _column(keyframes, "first_pfn")),
            **{each: (("keyframe", "pfn"), _taken(keyframes, each)) for each in PAGE_FIELDS},
        },
        _clock("keyframe", _column(keyframes, "elapsed")),
    )


def _budgets(samples: Samples, moves: int) -> dict[str, dict[str, int]]:
    """What was kept of each log, and left out; a move goes with the event of its batch."""
    logged = samples.memory.state["logged"][0].tolist()
    return {
        "events": {"kept": logged[m.KEPT], "left_out": logged[m.BEYOND]},
        "moves": {"kept": moves, "left_out": logged[m.MOVES_KEPT] + logged[m.MOVES_BEYOND] - moves},
        "allocations": {"kept": logged[m.RECORDS_KEPT], "left_out": logged[m.RECORDS_BEYOND]},
        "frames": {"kept": len(samples.frames), "left_out": samples.frames_left_out},
    }
