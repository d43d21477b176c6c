"""What the truths of questions look at: shipped recordings, and small zones that are simulated in a moment."""

from __future__ import annotations

import dataclasses
from functools import cache, lru_cache
from typing import Any

import numpy as np
import xarray as xr

from ... import datasets, metrics, readers
from ...core import memory
from ...core.pagemap import free_orders
from ...simulation import workloads
from ...simulation.compact import compact_zone
from ...simulation.loop import simulate
from ...simulation.presets import Sysctls
from ...simulation.requests import Workload
from ...simulation.seed import Seed
from ...simulation.starts import started
from ...simulation.tuning import with_sysctls
from ...simulation.zone import Zone

NORMAL = "0/Normal"
PAGE_SIZE = 4096


@lru_cache(maxsize=4)
def recording(name: str) -> xr.DataTree:
    """A shipped recording."""
    return datasets.load(name)


@cache
def fragmented() -> Zone:
    """64 MiB in which every second page is in use, simulated."""
    return started(Zone("64 MiB"), "every second page")


@cache
def nearly_full() -> Zone:
    """64 MiB of which 8 % are free, in small blocks and one large one."""
    return started(Zone("64 MiB"), "mostly full")


@cache
def compacted(trigger: str = "manual", order: int = -1) -> xr.DataTree:
    """The fragmented zone, compacted."""
    return compact_zone(fragmented(), order, trigger)


def demanded(workload: Workload, zone: Zone | None = None, **sysctls: object) -> xr.DataTree:
    """What becomes of a workload on the fragmented zone, or another one, under some settings."""
    settings = dataclasses.replace(Sysctls(), **sysctls)  # type: ignore[arg-type]
    return simulate(with_sysctls(fragmented() if zone is None else zone, settings), workload)


@cache
def cached_files() -> xr.DataTree:
    """Files are read through 64 MiB of memory, more than fit: kswapd has to make room."""
    return simulate(Zone("64 MiB"), workloads.page_cache_stream())


def with_pages(zone: Zone, **fields: Any) -> Zone:
    """The zone with other pages in it: arrays of `Seed` by name."""
    return dataclasses.replace(zone, seed=dataclasses.replace(seed_of(zone), **fields))


def seed_of(zone: Zone) -> Seed:
    """What is in a zone that is not empty."""
    if zone.seed is None:
        raise ValueError(f"zone {zone.label} is empty; expected one with pages in it")
    return zone.seed


def free_lists(*nr_free: int) -> xr.DataArray:
    """Free blocks of order 0, 1, 2 and so on."""
    return xr.DataArray(list(nr_free), dims="order")


def index(name: str, order: int, *nr_free: int) -> float:
    """An index of `metrics` for free blocks of order 0, 1, 2 and so on."""
    return float(getattr(metrics, name)(free_lists(*nr_free)).values[order])


def reason(order: int, *nr_free: int) -> str:
    """Why a request of one order fails, or does not, with these free blocks, as the verdict has it."""
    run = readers.read(f"Node 0, zone   Normal {' '.join(map(str, nr_free))} \n")
    return metrics.REASONS[int(metrics.verdict(run, order).reason.values[0, 0])]


def free_blocks_of(pages: int, *used: int, largest: int = 10) -> list[tuple[int, int]]:
    """Free blocks of a small memory in which some pages are in use: (first page, pages) of each, by address."""
    kind = np.full(pages, memory.FREE, np.uint8)
    kind[list(used)] = memory.ANON
    order = np.empty(pages, np.uint8)
    free_orders(kind, 0, largest, order)
    found, page = [], 0
    while page < pages:
        if kind[page] == memory.FREE:
            found.append((page, 1 << int(order[page])))
            page += 1 << int(order[page])
        else:
            page += 1
    return found


def events(run: xr.DataTree) -> xr.Dataset:
    """Events of a run."""
    return run["events"].to_dataset()


def named(run: xr.DataTree, name: str) -> xr.Dataset:
    """Events of one name."""
    of_run = events(run)
    return of_run.isel(event=np.flatnonzero(of_run["name"].values == name))


def around(run: xr.DataTree) -> tuple[int, int]:
    """Positions of the snapshots just before and just after the last compaction."""
    last = metrics.compaction_runs(run).isel(run=-1)
    at = run["zones"].elapsed.values
    return int(np.searchsorted(at, int(last.start))) - 1, int(np.searchsorted(at, int(last.end))) + 1


def rises(run: xr.DataTree, counter: str) -> int:
    """How much a counter rose from the first sample to the last."""
    counters = run["counters"].to_dataset()
    values = counters.value.values[:, counters.counter.values.tolist().index(counter)]
    return int(values[-1] - values[0])


def the_one(found: dict[str, bool]) -> str:
    """Key of the only one that holds.

    >>> the_one({"a": False, "b": True})
    'b'
    """
    keys = [key for key, holds in found.items() if holds]
    return keys[0] if len(keys) == 1 else f"not one but {len(keys)}: {', '.join(keys)}"


def the_wrong_one(found: dict[str, bool]) -> str:
    """Key of the only statement that does not hold.

    >>> the_wrong_one({"a": True, "b": False})
    'b'
    """
    return the_one({key: not holds for key, holds in found.items()})
