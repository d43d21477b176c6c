"""A recorded allocation trace as a workload."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from compactlab.core import memory
from compactlab.readers import pagetrace
from compactlab.readers.pagetrace import PageTrace, read_page_trace
from compactlab.readers.sources import Source

from ..requests import (
    ALLOC,
    DIRECT_RECLAIM,
    DMA32,
    FREE,
    GFP_ATOMIC,
    GFP_HIGHUSER_MOVABLE,
    GFP_KERNEL,
    GFP_NOFS,
    GFP_NOWAIT,
    GFP_TRANSHUGE,
    GFP_TRANSHUGE_LIGHT,
    HIGH,
    IO_FS,
    KSWAPD_RECLAIM,
    NORETRY,
    RECORD,
    RETRY_MAYFAIL,
    SECOND,
    SPLIT,
    THISNODE,
    View,
    Workload,
    phase,
    rows,
    wait,
)

_FLAGS = {
    "GFP_TRANSHUGE": GFP_TRANSHUGE,
    "GFP_TRANSHUGE_LIGHT": GFP_TRANSHUGE_LIGHT,
    "GFP_HIGHUSER_MOVABLE": GFP_HIGHUSER_MOVABLE,
    "GFP_HIGHUSER": GFP_KERNEL,
    "GFP_USER": GFP_KERNEL,
    "GFP_KERNEL_ACCOUNT": GFP_KERNEL,
    "GFP_KERNEL": GFP_KERNEL,
    "GFP_NOFS": GFP_NOFS,
    "GFP_NOIO": GFP_NOFS,
    "GFP_ATOMIC": GFP_ATOMIC,
    "GFP_NOWAIT": GFP_NOWAIT,
    "GFP_DMA32": DMA32,
    "__GFP_DMA32": DMA32,
    "__GFP_RECLAIM": DIRECT_RECLAIM | KSWAPD_RECLAIM,
    "__GFP_DIRECT_RECLAIM": DIRECT_RECLAIM,
    "__GFP_KSWAPD_RECLAIM": KSWAPD_RECLAIM,
    "__GFP_MOVABLE": memory.MOVABLE,
    "__GFP_RECLAIMABLE": memory.RECLAIMABLE,
    "__GFP_HIGH": HIGH,
    "__GFP_FS": IO_FS,
    "__GFP_RETRY_MAYFAIL": RETRY_MAYFAIL,
    "__GFP_NORETRY": NORETRY,
    "__GFP_THISNODE": THISNODE,
}
# What changes nothing in a simulation.
_WITHOUT_EFFECT = {
    "none",
    "__GFP_IO",
    "__GFP_HIGHMEM",
    "__GFP_ZERO",
    "__GFP_WRITE",
    "__GFP_NOWARN",
    "__GFP_NOFAIL",
    "__GFP_COMP",
    "__GFP_NOMEMALLOC",
    "__GFP_HARDWALL",
    "__GFP_ACCOUNT",
    "__GFP_ZEROTAGS",
    "__GFP_NO_OBJ_EXT",
    "__GFP_SKIP_ZERO",
    "__GFP_SKIP_KASAN",
    "__GFP_NOLOCKDEP",
}
_CHUNK = 1 << 16  # rows


class replay(Workload):  # noqa: N801
    """What a machine asked for, as its kernel traced it, asked again of simulated memory.

    Record with the events ``kmem:mm_page_alloc``, ``kmem:mm_page_free`` and, if wanted,
    ``kmem:mm_page_free_batched``; the text of ``trace`` or of ``perf script`` is read. Requests come at
    their recorded distances. What is freed in parts is split first. A trace tells nothing of what was
    allocated before it: frees of that are counted and left out. What pages are for is guessed from
    the flags, as `kind_of` says.

    Parameters
    ----------
    source
        A path, an open file or the text itself.

    Attributes
    ----------
    unmatched_frees
        Frees of pages that the trace did not see allocated.
    lost_frees
        Allocations of pages that the trace did not see freed before; what held them is freed.
    failed
        Allocations that failed when recorded.
    problems
        Sentences: flags and events that were left out.

    Examples
    --------
    >>> trace = replay('''
    ... cc1-7 [001] ..... 12.000001: mm_page_alloc: page=0 pfn=0x40 order=0 migratetype=1 gfp_flags=GFP_USER
    ... cc1-7 [001] ..... 12.000009: mm_page_free: page=0 pfn=0x40 order=0
    ... cc1-7 [001] ..... 12.000010: mm_page_free: page=0 pfn=0x48 order=0
    ... ''')
    >>> trace.requests[["op", "slot", "think_ns"]].tolist(), trace.unmatched_frees
    ([(0, 0, 0), (1, 0, 8000)], 1)
    """

    PHASES: ClassVar[tuple[str, ...]] = ("replay",)

    def __init__(self, source: Source) -> None:
        trace = read_page_trace(source)
        matched = _Matching(trace)
        self.provenance = trace.provenance
        self.problems = trace.problems
        self.unmatched_frees = matched.unmatched_frees
        self.lost_frees = matched.lost_frees
        self.failed = matched.failed
        self.requests = _requests(trace, matched)
        self._slots = matched.slots
        self._orders = tuple(np.unique(self.requests["order"]).tolist())

    def __repr__(self) -> str:
        return f"replay({self.provenance['file']!r}: {self.requests.size} requests)"

    @property
    def config(self) -> dict[str, Any]:
        """Where the trace came from, and what could not be told from it."""
        return {
            "workload": self.name,
            "trace": self.provenance,
            "unmatched_frees": self.unmatched_frees,
            "lost_frees": self.lost_frees,
            "failed": self.failed,
            "problems": self.problems,
        }

    def orders(self, view: View) -> tuple[int, ...]:  # noqa: ARG002
        """Orders in the trace."""
        return self._orders

    def slots(self, view: View) -> int:  # noqa: ARG002
        """One for each page allocated in the trace."""
        return self._slots

    def chunks(self, view: View) -> Iterator[np.ndarray]:  # noqa: ARG002
        """The trace."""
        yield phase(0)
        for first in range(0, self.requests.size, _CHUNK):
            yield self.requests[first : first + _CHUNK]


class _Matching:
    """Finds for every event the block it is about: op, slot, order, and the event it came from."""

    def __init__(self, trace: PageTrace) -> None:
        self.steps: list[tuple[int, int, int, int]] = []
        self.live: dict[int, tuple[int, int]] = {}  # first page: slot, order
        self.freed: set[int] = set()
        self.slots = self.unmatched_frees = self.lost_frees = self.failed = 0
        self.orders = range(int(trace.events["order"].max()) + 1)
        columns = (trace.events[name].tolist() for name in ("event", "pfn", "order"))
        for number, (event, pfn, order) in enumerate(zip(*columns, strict=True)):
            if event == pagetrace.ALLOC:
                self._alloc(number, pfn, order)
            else:
                self._free(number, pfn, order, event == pagetrace.FREE_BATCHED)

    def _alloc(self, number: int, pfn: int, order: int) -> None:
        slot, self.slots = self.slots, self.slots + (1 << order)
        if pfn < 0:
            self.failed += 1
        else:
            for page in range(pfn, pfn + (1 << order)):
                self.freed.discard(page)
                head = self._holder(page)
                if head is not None:
                    self._release(number, head, self.live[head][1])
                    self.lost_frees += 1
            self.live[pfn] = slot, order
        self.steps.append((ALLOC, slot, order, number))

    def _free(self, number: int, pfn: int, order: int, batched: bool) -> None:
        """Give a block back; the batched event follows the plain one of the same page."""
        if batched and pfn in self.freed:
            return
        self.freed.add(pfn)
        if not self._release(number, pfn, order):
            self.unmatched_frees += 1

    def _release(self, number: int, pfn: int, order: int) -> bool:
        """Free what is live in a block; a larger one around it is split before. False if there is nothing."""
        head = self._holder(pfn)
        if head is not None and self.live[head][1] > order:
            slot, held = self.live[head]
            self.steps.append((SPLIT, slot, held, number))
            self.live |= {head + page: (slot + page, 0) for page in range(1 << held)}
        pages = [page for page in range(pfn, pfn + (1 << order)) if page in self.live]
        self.steps += [(FREE, self.live.pop(page)[0], 0, number) for page in pages]
        return bool(pages)

    def _holder(self, pfn: int) -> int | None:
        """First page of the live block that a page is in."""
        for order in self.orders:
            head = pfn >> order << order
            if head in self.live and self.live[head][1] >= order:
                return head
        return None


def _requests(trace: PageTrace, matched: _Matching) -> np.ndarray:
    """Rows for the matched steps, with pauses too long for a row as rows of their own."""
    steps = np.array(matched.steps, np.int64).reshape(-1, 4)
    op, slot, order, number = steps.T
    events = trace.events[number]
    gfp, kind = _of_flags(trace)
    is_alloc = op == ALLOC
    pause = np.diff(events["time_ns"], prepend=events["time_ns"][:1])
    made = rows(
        0,
        slot,
        think_ns=np.minimum(pause, SECOND),
        order=np.where(op == FREE, 0, order),
        gfp=np.where(is_alloc, gfp[number], 0),
        kind=np.where(is_alloc, kind[number], 0),
        mapcount=is_alloc & (kind[number] == memory.ANON),
        cpu=events["cpu"] & 255,
    )
    made["op"] = op
    long = np.flatnonzero(pause > SECOND)
    parts = np.split(made, long)
    return np.concatenate(
        [parts[0]]
        + [
            piece
            for at, part in zip(long, parts[1:], strict=True)
            for piece in (wait(pause[at] - SECOND), part)
        ]
    )


def _of_flags(trace: PageTrace) -> tuple[np.ndarray, np.ndarray]:
    """Bits of gfp and kind of page for every event; names that are not known go to the problems."""
    unknown: dict[str, int] = {}
    often = np.bincount(trace.events["flags"][trace.events["flags"] >= 0], minlength=len(trace.flags))
    bits, kinds = np.zeros(len(trace.flags) + 1, np.int64), np.zeros(len(trace.flags) + 1, np.int64)
    for number, text in enumerate(trace.flags):
        names = set(text.split("|"))
        for name in names - _FLAGS.keys() - _WITHOUT_EFFECT:
            unknown[name] = unknown.get(name, 0) + int(often[number])
        bits[number] = sum_bits(names) | RECORD
        kinds[number] = kind_of(names)
    if unknown:
        counted = ", ".join(f"{name} ({n})" for name, n in sorted(unknown.items()))
        trace.problems.append(f"{trace.name}: allocation flags that were left out: {counted}")
    return bits[trace.events["flags"]], kinds[trace.events["flags"]]


def sum_bits(names: set[str]) -> int:
    """Bits of flags by the kernel's names.

    >>> sum_bits({"GFP_NOWAIT", "__GFP_MOVABLE"}) == KSWAPD_RECLAIM | memory.MOVABLE
    True
    """
    bits = 0
    for name in names:
        bits |= _FLAGS.get(name, 0)
    return bits


def kind_of(names: set[str]) -> int:
    """Guess what pages are for from the flags they were asked for with.

    Movable pages are anonymous, unless the flags are those of readahead, of writing or of a file
    system; zeroed and accounted pages are page tables, other compound ones slab, the rest other pages of
    the kernel.

    >>> kind_of({"GFP_HIGHUSER_MOVABLE", "__GFP_ZERO", "__GFP_COMP"}) == memory.ANON
    True
    """
    bits = sum_bits(names)
    if bits & memory.MOVABLE:
        files = bits & (DIRECT_RECLAIM | IO_FS) == DIRECT_RECLAIM or names & {"__GFP_NORETRY", "__GFP_WRITE"}
        huge = names & {"GFP_TRANSHUGE", "GFP_TRANSHUGE_LIGHT"}
        return memory.FILE if files and not huge else memory.ANON
    if bits & memory.RECLAIMABLE:
        return memory.SLAB
    if {"GFP_KERNEL_ACCOUNT", "__GFP_ZERO"} <= names:
        return memory.PGTABLE
    return memory.SLAB if "__GFP_COMP" in names else memory.KERNEL
