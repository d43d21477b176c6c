"""Threads that fault huge pages while files are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

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
    GFP_TRANSHUGE,
    RECORD,
    SECOND,
    View,
    Workload,
    check_share,
    generator,
    interleave,
    phase,
    rows,
    share_of,
    wait,
)

_RUN = 32  # pages that a thread touches, or a file is read ahead, before another has its turn


@dataclass(frozen=True)
class thpscale(Workload):  # noqa: N801
    """Threads that fill memory beside file reads, punch holes into it and fault huge pages.

    The shape of mmtests' thpscale: base pages of all threads and of files lie mixed; then each thread
    gives back every other run of its pages and faults huge pages of the same size, under
    MADV_HUGEPAGE, while files are still read.
    """

    seed: int = 0
    threads: int = 4
    anon: float = 0.5
    """Share of memory that the threads fill."""
    cache: float = 0.35
    """Share of memory in files; reads go on through all of them."""
    think_ns: int = 20_000
    """Mean time between requests."""
    PHASES: ClassVar[tuple[str, ...]] = ("fill", "punch", "fault")

    def __post_init__(self) -> None:
        check_share(self, "anon", "cache")

    def orders(self, view: View) -> tuple[int, ...]:
        """Lone pages and huge pages."""
        return 0, view.huge_order

    def _sizes(self, view: View) -> tuple[int, int, int]:
        """Runs of a thread and of files, and huge pages a thread asks for."""
        runs = share_of(view.pages, self.anon) // self.threads // _RUN
        files = share_of(view.pages, self.cache) // _RUN
        return runs, files, max((runs // 2 * _RUN) >> view.huge_order, 1)

    def slots(self, view: View) -> int:
        """Pages of the threads, of files, then huge pages."""
        runs, files, huge = self._sizes(view)
        return (runs * self.threads + files) * _RUN + huge * self.threads

    def chunks(self, view: View) -> Iterator[np.ndarray]:
        """Phases of one chunk each."""
        rng, (runs, files, huge) = generator(self.seed), self._sizes(view)
        anon = [_runs(thread * runs, runs, cpu=thread % view.cpus) for thread in range(self.threads)]
        for stream in anon:
            stream["gfp"], stream["kind"], stream["mapcount"] = GFP_HIGHUSER_MOVABLE | FAULT, memory.ANON, 1
        cache = _runs(self.threads * runs, files, cpu=0)
        cache["gfp"], cache["kind"] = GFP_READAHEAD, memory.FILE
        yield phase(0)
        yield self._paced(rng, interleave(rng, *anon, cache))
        yield phase(1)
        holes = [stream[1::2].copy() for stream in anon]
        for stream in holes:
            stream["op"] = FREE
        yield self._paced(rng, interleave(rng, *holes))
        yield phase(2)
        first = (self.threads * runs + files) * _RUN
        faults = [
            rows(
                ALLOC,
                np.arange(first + thread * huge, first + (thread + 1) * huge),
                gfp=GFP_TRANSHUGE | FAULT | RECORD,
                order=view.huge_order,
                kind=memory.ANON,
                mapcount=1,
                cpu=thread % view.cpus,
            )
            for thread in range(self.threads)
        ]
        yield self._paced(rng, interleave(rng, *faults, cache))

    def _paced(self, rng: np.random.Generator, made: np.ndarray) -> np.ndarray:
        made["think_ns"] = rng.integers(0, 2 * self.think_ns + 1, made.size)
        return made


def _runs(first: int, size: int, cpu: int) -> np.ndarray:
    """Requests for runs of pages."""
    return rows(ALLOC, np.arange(first, first + size) * _RUN, count=_RUN, cpu=cpu)


_FILE = 16  # pages of a small file
_WRITERS = 4
# What the file system keeps of files: order of a slab, files that one slab serves, and how it is asked for.
_SLABS = (
    (3, 32, GFP_RECLAIMABLE),  # inodes
    (2, 28, GFP_RECLAIMABLE),  # nodes of the page cache
    (0, 21, GFP_RECLAIMABLE),  # dentries
    (0, 16, GFP_KERNEL),  # buffers and log items
)


@dataclass(frozen=True)
class thpfioscale(Workload):  # noqa: N801
    """Small files written, then read, more than memory holds; then huge pages faulted while reads go on.

    The shape of mmtests' thpfioscale: page cache and the file system's slab lie mixed, and as memory runs
    out they take pageblocks from each other. A file's slab is given back when the file is read anew.
    """

    seed: int = 0
    volume: float = 1.5
    """Files, in terms of memory."""
    huge: float = 0.75
    """Share of memory asked for in huge pages."""
    threads: int = 4
    """That fault huge pages."""
    think_ns: int = 20_000
    """Mean time between requests."""
    PHASES: ClassVar[tuple[str, ...]] = ("write", "read", "fault")

    def __post_init__(self) -> None:
        check_share(self, "huge")

    def orders(self, view: View) -> tuple[int, ...]:
        """Lone pages, slabs and huge pages."""
        return 0, *(order for order, *_ in _SLABS), view.huge_order

    def _sizes(self, view: View) -> tuple[int, int]:
        """Files and huge pages."""
        return int(view.pages * self.volume) // _FILE, share_of(view.pages, self.huge) >> view.huge_order

    def slots(self, view: View) -> int:
        """Pages of files, slabs of at most one a file of each cache, then huge pages."""
        files, huge = self._sizes(view)
        return files * (_FILE + len(_SLABS)) + huge

    def chunks(self, view: View) -> Iterator[np.ndarray]:
        """A phase a chunk."""
        rng, (files, huge) = generator(self.seed), self._sizes(view)
        read = _small_files(files)
        read["cpu"] = rng.integers(0, view.cpus, read.size)
        is_file = read["kind"] == memory.FILE
        written = np.repeat(read, 1 + is_file)
        written["op"][np.cumsum(1 + is_file)[is_file] - 1] = DIRTY
        faults = rows(
            ALLOC,
            self.slots(view) - huge + np.arange(huge),
            gfp=GFP_TRANSHUGE | FAULT | RECORD,
            order=view.huge_order,
            kind=memory.ANON,
            mapcount=1,
            cpu=np.arange(huge) % self.threads,
        )
        for number, made in enumerate((written, read, interleave(rng, read, faults))):
            made["think_ns"] = rng.integers(0, 2 * self.think_ns + 1, made.size)
            yield phase(number)
            yield made


def _small_files(files: int) -> np.ndarray:
    """Pages and slabs of files, as some writers make them side by side."""
    turn = np.argsort(np.arange(files) % -(-files // _WRITERS), kind="stable")
    made = [rows(ALLOC, turn * _FILE, count=_FILE, gfp=GFP_HIGHUSER_MOVABLE, kind=memory.FILE)]
    at = [np.arange(files)]
    for cache, (order, each, gfp) in enumerate(_SLABS):
        slab = np.arange(files // each)
        at.append(slab * each)
        made.append(rows(ALLOC, files * (_FILE + cache) + slab, gfp=gfp, order=order, kind=memory.SLAB))
    return np.concatenate(made)[np.argsort(np.concatenate(at), kind="stable")]


@dataclass(frozen=True)
class huge_faults(Workload):  # noqa: N801
    """One thread that touches fresh huge pages under MADV_HUGEPAGE, one after the other, in bursts."""

    faults: int = 512
    """Of one burst."""
    think_ns: int = 100_000
    """Time between a fault and the next."""
    bursts: int = 1
    """What the last one got is kept, what others got is given back at their end."""
    every_ns: int = SECOND
    """Between the end of a burst and the next."""
    PHASES: ClassVar[tuple[str, ...]] = ("fault",)

    def orders(self, view: View) -> tuple[int, ...]:
        """Huge pages."""
        return (view.huge_order,)

    def slots(self, view: View) -> int:  # noqa: ARG002
        """One for each huge page."""
        return self.faults

    def chunks(self, view: View) -> Iterator[np.ndarray]:
        """A burst a chunk."""
        burst = rows(
            ALLOC,
            np.arange(self.faults),
            think_ns=self.think_ns,
            gfp=GFP_TRANSHUGE | FAULT | RECORD,
            order=view.huge_order,
            kind=memory.ANON,
            mapcount=1,
        )
        gone = np.concatenate([rows(FREE, 0, count=self.faults), wait(self.every_ns)])
        yield phase(0)
        yield burst
        for _ in range(self.bursts - 1):
            yield np.concatenate([gone, burst])
