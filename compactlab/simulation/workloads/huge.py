"""Threads that fault huge pages while files are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from compactlab.core import memory

from ..requests import (
    ALLOC,
    FAULT,
    FREE,
    GFP_HIGHUSER_MOVABLE,
    GFP_READAHEAD,
    GFP_TRANSHUGE,
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


@dataclass(frozen=True)
class huge_faults(Workload):  # noqa: N801
    """One thread that touches fresh huge pages under MADV_HUGEPAGE, one after the other, and keeps them."""

    faults: int = 512
    think_ns: int = 100_000
    """Time between a fault and the next."""
    PHASES: ClassVar[tuple[str, ...]] = ("fault",)

    def orders(self, view: View) -> tuple[int, ...]:
        """Huge pages."""
        return (view.huge_order,)

    def slots(self, view: View) -> int:  # noqa: ARG002
        """One for each huge page."""
        return self.faults

    def chunks(self, view: View) -> Iterator[np.ndarray]:
        """All faults."""
        yield phase(0)
        yield rows(
            ALLOC,
            np.arange(self.faults),
            think_ns=self.think_ns,
            gfp=GFP_TRANSHUGE | FAULT | RECORD,
            order=view.huge_order,
            kind=memory.ANON,
            mapcount=1,
        )
