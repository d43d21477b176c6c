"""Workloads that go on: a server, compile jobs, files being read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from compactlab.core import memory

from ..requests import (
    ALLOC,
    DIRTY,
    FAULT,
    FREE,
    GFP_HIGHUSER_MOVABLE,
    GFP_KERNEL,
    GFP_READAHEAD,
    GFP_RECLAIMABLE,
    NORETRY,
    RECORD,
    View,
    Workload,
    check_share,
    generator,
    interleave,
    phase,
    rows,
    share_of,
)

_CHUNK = 1 << 16  # rows
_RUN = 16  # pages that a thread touches, or a file is read ahead, before another has its turn


class Population(NamedTuple):
    """Pages of one use: percent of what is held, percent of the requests, and what they are."""

    held: int
    requests: int
    order: int
    gfp: int
    kind: int
    mapcount: int


_SERVER = (
    Population(45, 36, 0, GFP_HIGHUSER_MOVABLE | FAULT, memory.ANON, 1),
    Population(30, 26, 0, GFP_READAHEAD, memory.FILE, 0),
    Population(8, 4, 2, GFP_READAHEAD, memory.FILE, 0),
    Population(6, 8, 0, GFP_RECLAIMABLE, memory.SLAB, 0),
    Population(5, 6, 1, GFP_KERNEL | RECORD, memory.SLAB, 0),
    Population(3, 2, 0, GFP_KERNEL, memory.PGTABLE, 0),
    Population(2, 6, 0, GFP_KERNEL, memory.KERNEL, 0),
    Population(1, 12, 3, GFP_KERNEL | NORETRY | RECORD, memory.KERNEL, 0),  # socket buffers
)


@dataclass(frozen=True)
class server_churn(Workload):  # noqa: N801
    """A server in its steady state: heap, page cache, slab, page tables and socket buffers.

    Each use holds its share of memory and is replaced at its own rate, page by page at random, so
    that lifetimes differ: socket buffers live shortly, slab and page tables long.
    """

    seed: int = 0
    memory: float = 0.85
    """Share of memory that is held at most."""
    turnover: float = 1.0
    """Requests after the start, in terms of the slots there are."""
    think_ns: int = 2000
    """Mean time between requests."""
    PHASES: ClassVar[tuple[str, ...]] = ("start", "steady")

    def __post_init__(self) -> None:
        check_share(self, "memory")

    def orders(self, view: View) -> tuple[int, ...]:  # noqa: ARG002
        """Lone pages up to socket buffers."""
        return tuple(population.order for population in _SERVER)

    def _bounds(self, view: View) -> np.ndarray:
        """First slot of each population, and the end of the last."""
        held = share_of(view.pages, self.memory)
        sizes = [max((held * each.held // 100) >> each.order, 1) for each in _SERVER]
        return np.concatenate([[0], np.cumsum(sizes)])

    def slots(self, view: View) -> int:
        """One for each block held."""
        return int(self._bounds(view)[-1])

    def chunks(self, view: View) -> Iterator[np.ndarray]:
        """Populations grow beside each other, then their blocks are replaced."""
        rng, bounds = generator(self.seed), self._bounds(view)
        yield phase(0)
        yield interleave(rng, *(_grow(*each) for each in zip(_SERVER, bounds, bounds[1:], strict=False)))
        yield phase(1)
        left = int(bounds[-1] * self.turnover)
        while left > 0:
            yield self._replace(rng, bounds, min(left, _CHUNK), view.cpus)
            left -= _CHUNK

    def _replace(self, rng: np.random.Generator, bounds: np.ndarray, size: int, cpus: int) -> np.ndarray:
        """Requests in place of older blocks; one in eight only gives back."""
        often = np.cumsum([population.requests for population in _SERVER])
        which = np.searchsorted(often, rng.integers(0, often[-1], size), side="right")
        fields = {
            name: np.array([getattr(each, name) for each in _SERVER])[which]
            for name in ("order", "gfp", "kind", "mapcount")
        }
        made = rows(
            ALLOC,
            rng.integers(bounds[which], bounds[which + 1]),
            think_ns=rng.integers(0, 2 * self.think_ns + 1, size),
            cpu=rng.integers(0, cpus, size),
            **fields,
        )
        made["op"][rng.integers(0, 8, size) == 0] = FREE
        return made


def _grow(population: Population, begin: int, end: int) -> np.ndarray:
    """First requests of a population, some slots at a time."""
    return _in_runs(ALLOC, begin, end, think_ns=1000, **_fields(population))


def _fields(population: Population) -> dict[str, int]:
    return {name: getattr(population, name) for name in ("order", "gfp", "kind", "mapcount")}


def _in_runs(op: int, begin: int, end: int, **fields: int) -> np.ndarray:
    first = np.arange(begin, end, _RUN)
    return rows(op, first, count=np.minimum(_RUN, end - first), **fields)


@dataclass(frozen=True)
class kernel_build(Workload):  # noqa: N801
    """Compile jobs side by side: each reads files, grows a heap with page tables, writes, and is gone.

    What stays is the page cache, and slab (inodes, dentries) that its reads leave behind.
    """

    seed: int = 0
    jobs: int = 16
    """That run at the same time."""
    compiles: int = 20
    """Of each job, one after the other."""
    memory: float = 0.5
    """Share of memory in all jobs' heaps at once, at most."""
    cache: float = 0.4
    """Share of memory in files; older ones are replaced."""
    think_ns: int = 2000
    """Mean time between requests."""
    kernel: float = 0.0
    """Pages the kernel needs for a job besides page tables (stacks, descriptors, buffers), per page of heap."""
    PHASES: ClassVar[tuple[str, ...]] = ("build",)

    def __post_init__(self) -> None:
        check_share(self, "memory", "cache", "kernel")

    def _sizes(self, view: View) -> tuple[int, int, int, int]:
        """Slots: a job's heap, page tables and kernel memory, then all files and slab."""
        heap = max(share_of(view.pages, self.memory) // self.jobs, _RUN)
        files = max(share_of(view.pages, self.cache), heap)
        return heap, heap // 128 + 1 + share_of(heap, self.kernel), files, files // 32 + 1

    def slots(self, view: View) -> int:
        """Heaps and page tables of the jobs, files and slab of all."""
        heap, tables, files, slab = self._sizes(view)
        return (heap + tables) * self.jobs + files + slab

    def chunks(self, view: View) -> Iterator[np.ndarray]:
        """One compile of every job, side by side."""
        rng = generator(self.seed)
        yield phase(0)
        for _ in range(self.compiles):
            made = interleave(rng, *(self._compile(rng, job, view) for job in range(self.jobs)))
            made["think_ns"] = rng.integers(0, 2 * self.think_ns + 1, made.size)
            yield made

    def _compile(self, rng: np.random.Generator, job: int, view: View) -> np.ndarray:
        """Requests of one compile."""
        heap, tables, files, slab = self._sizes(view)
        first = job * (heap + tables)
        shared = self.jobs * (heap + tables)
        grown = int(rng.integers(heap // 2, heap + 1))
        read = grown // 2
        at = int(rng.integers(0, files - read + 1))
        anon = _in_runs(
            ALLOC, first, first + grown, gfp=GFP_HIGHUSER_MOVABLE | FAULT, kind=memory.ANON, mapcount=1
        )
        pgtable = rows(
            ALLOC,
            np.arange(first + heap, first + heap + grown // 128 + 1),
            gfp=GFP_KERNEL,
            kind=memory.PGTABLE,
        )
        own = rows(
            ALLOC,
            first + heap + heap // 128 + 1 + np.arange(share_of(grown, self.kernel)),
            gfp=GFP_KERNEL,
            kind=memory.KERNEL,
        )
        cache = _in_runs(ALLOC, shared + at, shared + at + read, gfp=GFP_READAHEAD, kind=memory.FILE)
        inodes = rows(
            ALLOC,
            shared + files + rng.integers(0, slab, read // 64 + 1),
            gfp=GFP_RECLAIMABLE,
            kind=memory.SLAB,
        )
        written = rows(DIRTY, shared + at, count=read // 8)
        gone = rows(FREE, first, count=heap + tables)
        made = np.concatenate([interleave(rng, anon, pgtable, own, cache, inodes), written, gone])
        made["cpu"] = job % view.cpus
        return made


@dataclass(frozen=True)
class page_cache_stream(Workload):  # noqa: N801
    """Files read once, more than memory holds: the cache fills up and reclaim makes room."""

    seed: int = 0
    volume: float = 2.0
    """Read, in terms of memory."""
    order: int = 0
    """Of the folios that the file system uses."""
    dirty: float = 0.0
    """Share that is written as well."""
    think_ns: int = 10_000
    """Time between two readahead windows."""
    PHASES: ClassVar[tuple[str, ...]] = ("read",)

    def __post_init__(self) -> None:
        check_share(self, "dirty")

    def orders(self, view: View) -> tuple[int, ...]:  # noqa: ARG002
        """The folios' order."""
        return (self.order,)

    def slots(self, view: View) -> int:
        """As many as memory has room for; a later read takes the oldest one's place."""
        return max(view.pages >> self.order, 1)

    def chunks(self, view: View) -> Iterator[np.ndarray]:
        """Windows of 32 pages, as readahead does."""
        rng, ring = generator(self.seed), self.slots(view)
        window = min(max(32 >> self.order, 1), ring)
        windows = ring // window
        left = int(windows * self.volume)
        at = 0
        yield phase(0)
        while left > 0:
            size = min(left, _CHUNK)
            first = (at + np.arange(size)) % windows * window
            read = rows(
                ALLOC,
                first,
                count=window,
                gfp=GFP_READAHEAD,
                order=self.order,
                kind=memory.FILE,
                think_ns=self.think_ns,
                cpu=rng.integers(0, view.cpus, size),
            )
            written = rows(DIRTY, first, count=window)
            pairs = np.column_stack([read, written]).ravel()
            is_dirty = rng.integers(0, 1000, size) < int(self.dirty * 1000)
            yield pairs[np.column_stack([np.ones(size, bool), is_dirty]).ravel()]
            at, left = at + size, left - size
