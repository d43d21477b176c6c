"""What a workload asks of memory: rows of requests, and what it may look at in between.

A workload is a small frozen description with a seed. Its requests come in chunks of rows, each executed
in turn by the run; between two chunks the run refreshes the `View`, so that a workload can look at what
its requests led to. A request names a *slot*, a handle of the workload's own, never a page: where the
pages are, and whether a request got any, is the result of the run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from compactlab.core import memory
from compactlab.core.fragindex import unusable_thousandths
from compactlab.core.request import (
    ALLOC,
    CLEAN,
    COMPACT,
    CONTIG,
    DIRECT_RECLAIM,
    DIRTY,
    DMA32,
    FAULT,
    FREE,
    GFP_TYPE,
    HIGH,
    IO_FS,
    KSWAPD_RECLAIM,
    NORETRY,
    OPS,
    PHASE,
    PIN,
    RECORD,
    REQUEST,
    RETRY_MAYFAIL,
    SPLIT,
    THISNODE,
    UNPIN,
    WAIT,
)

# The kernel's names (include/linux/gfp_types.h, 6.18); what changes nothing in a simulation is left out.
GFP_ATOMIC = memory.UNMOVABLE | HIGH | KSWAPD_RECLAIM
GFP_NOWAIT = memory.UNMOVABLE | KSWAPD_RECLAIM
GFP_NOFS = memory.UNMOVABLE | DIRECT_RECLAIM | KSWAPD_RECLAIM
GFP_KERNEL = GFP_NOFS | IO_FS
GFP_RECLAIMABLE = GFP_KERNEL | memory.RECLAIMABLE
GFP_HIGHUSER_MOVABLE = GFP_KERNEL | memory.MOVABLE
GFP_READAHEAD = GFP_HIGHUSER_MOVABLE | NORETRY
GFP_TRANSHUGE_LIGHT = memory.MOVABLE | IO_FS
GFP_TRANSHUGE = GFP_TRANSHUGE_LIGHT | DIRECT_RECLAIM

__all__ = [
    "ALLOC",
    "CLEAN",
    "COMPACT",
    "CONTIG",
    "DIRECT_RECLAIM",
    "DIRTY",
    "DMA32",
    "FAULT",
    "FREE",
    "GFP_ATOMIC",
    "GFP_HIGHUSER_MOVABLE",
    "GFP_KERNEL",
    "GFP_NOFS",
    "GFP_NOWAIT",
    "GFP_READAHEAD",
    "GFP_RECLAIMABLE",
    "GFP_TRANSHUGE",
    "GFP_TRANSHUGE_LIGHT",
    "GFP_TYPE",
    "HIGH",
    "IO_FS",
    "KSWAPD_RECLAIM",
    "NORETRY",
    "OPS",
    "PHASE",
    "PIN",
    "RECORD",
    "REQUEST",
    "RETRY_MAYFAIL",
    "SPLIT",
    "THISNODE",
    "UNPIN",
    "WAIT",
    "View",
    "Workload",
]

MILLISECOND = 1_000_000
SECOND = 1_000_000_000
PAGES_A_ROW = 1 << 15  # longer rows would keep progress and cancel waiting
_MAX_THINK = (1 << 32) - 1


@dataclass
class View:
    """What a workload may look at; refreshed in place between two chunks."""

    pages: int
    """Managed pages: what sizes are shares of. Never changes."""
    pageblock_order: int
    huge_order: int
    """Order of a huge page."""
    nr_free: np.ndarray
    """(order,) free blocks of all zones."""
    cpus: int = 1
    where: np.ndarray = field(default_factory=lambda: np.empty(0, np.int32))
    """(slot,) first page each slot holds, or -1."""

    @property
    def max_order(self) -> int:
        """Largest order that there is a free list for."""
        return self.nr_free.size - 1

    @property
    def free_pages(self) -> int:
        """Free pages; per-CPU pages are not among them."""
        return int(self.nr_free @ (1 << np.arange(self.nr_free.size)))

    def unusable_index(self, order: int) -> float:
        """Share of free memory in blocks too small for the order, in thousandths as the kernel has it.

        >>> View(16, 2, 2, np.array([4, 0, 1])).unusable_index(2)
        0.5
        """
        suitable = int(self.nr_free[order:] @ (1 << np.arange(self.nr_free.size - order)))
        return int(unusable_thousandths(self.free_pages, suitable, order)) / 1000


class Workload:
    """What every workload has; a frozen dataclass of its parameters below this."""

    PHASES: ClassVar[tuple[str, ...]] = ()

    @property
    def name(self) -> str:
        """Short name for headings."""
        return type(self).__name__

    @property
    def phases(self) -> tuple[str, ...]:
        """Names that PHASE rows index."""
        return self.PHASES

    @property
    def config(self) -> dict[str, Any]:
        """Name and parameters, as JSON has them."""
        return {"workload": self.name} | dataclasses.asdict(self)  # type: ignore[call-overload]

    def orders(self, view: View) -> tuple[int, ...]:  # noqa: ARG002
        """Orders it asks for."""
        return (0,)

    def slots(self, view: View) -> int:
        """Number of slots it uses: its rows name 0 to slots - 1."""
        raise NotImplementedError

    def chunks(self, view: View) -> Iterator[np.ndarray]:
        """Requests, arrays of REQUEST."""
        raise NotImplementedError


def check(workload: Workload, view: View) -> None:
    """Refuse a workload that a zone cannot hold.

    Raises
    ------
    ValueError
        Saying what it asks for and what the zone has.
    """
    largest = min(view.max_order, view.pages.bit_length() - 1)
    for order in workload.orders(view):
        if not 0 <= order <= largest:
            raise ValueError(
                f"workload {workload.name}: asks for blocks of order {order} (2**{order} pages); a zone of "
                f"{view.pages} pages with orders 0 to {view.max_order} holds orders 0 to {largest}. "
                "Choose a smaller order or a larger zone"
            )
    slots = workload.slots(view)
    if slots >= 1 << 31:
        raise ValueError(
            f"workload {workload.name}: {slots} slots, at most {(1 << 31) - 1}; choose smaller shares"
        )


def check_slots(workload: Workload, requests: np.ndarray, slots: int) -> None:
    """Refuse requests for slots that the workload said it does not have.

    Raises
    ------
    ValueError
        Naming the first.
    """
    without = np.isin(requests["op"], (PHASE, WAIT, COMPACT))
    first = requests["slot"].astype(np.int64)
    wrong = np.flatnonzero(~without & ((first < 0) | (first + requests["count"] > slots)))
    if wrong.size:
        row = requests[wrong[0]]
        raise ValueError(
            f"workload {workload.name}: row {wrong[0]}, {OPS[row['op']]} of {row['count']} slots from "
            f"{row['slot']}; expected slots 0 to {slots - 1}, as its slots() says"
        )


def rows(
    op: int,
    slot: ArrayLike = 0,
    *,
    count: ArrayLike = 1,
    think_ns: ArrayLike = 0,
    gfp: ArrayLike = 0,
    order: ArrayLike = 0,
    kind: ArrayLike = 0,
    mapcount: ArrayLike = 0,
    cpu: ArrayLike = 0,
    node: ArrayLike = 0,
) -> np.ndarray:
    """Requests of one operation; fields are numbers for all rows or arrays with one value each.

    >>> rows(FREE, [3, 5])["slot"].tolist()
    [3, 5]
    """
    fields = {
        "slot": slot,
        "count": count,
        "think_ns": think_ns,
        "gfp": gfp,
        "order": order,
        "kind": kind,
        "mapcount": mapcount,
        "cpu": cpu,
        "node": node,
    }
    size = np.broadcast(*fields.values()).size
    made = np.empty(size, REQUEST)
    made["op"] = op
    for name, values in fields.items():
        made[name] = values
    return made


def phase(index: int) -> np.ndarray:
    """Begin of a phase."""
    return rows(PHASE, index)


def wait(ns: int) -> np.ndarray:
    """Rows that let time pass, a second each at most: background threads and samples come in between.

    >>> wait(2_500_000_000)["think_ns"].tolist()
    [1000000000, 1000000000, 500000000]
    """
    whole, rest = divmod(ns, SECOND)
    return rows(WAIT, think_ns=[SECOND] * whole + [rest] * bool(rest))


def span(op: int, slot: int, count: int, **fields: Any) -> np.ndarray:
    """Rows for many slots in turn, cut so that none takes long.

    >>> span(FREE, 10, 70_000)[["slot", "count"]].tolist()
    [(10, 32768), (32778, 32768), (65546, 4464)]
    """
    first = np.arange(slot, slot + count, PAGES_A_ROW)
    return rows(op, first, count=np.minimum(PAGES_A_ROW, slot + count - first), **fields)


def interleave(rng: np.random.Generator, *streams: np.ndarray) -> np.ndarray:
    """Mix streams of requests at random, each in its own order.

    >>> rng = generator(0)
    >>> interleave(rng, rows(FREE, [1, 2]), rows(FREE, [11, 12]))["slot"].tolist()
    [11, 1, 2, 12]
    """
    turn = np.repeat(np.arange(len(streams)), [stream.size for stream in streams])
    rng.shuffle(turn)
    mixed = np.empty(turn.size, REQUEST)
    for number, stream in enumerate(streams):
        mixed[turn == number] = stream
    return mixed


def generator(seed: int) -> np.random.Generator:
    """Random numbers; workloads draw integers only, which are the same on every machine."""
    return np.random.Generator(np.random.PCG64(seed))


def share_of(pages: int, share: float) -> int:
    """Pages that a share of memory is.

    >>> share_of(1000, 0.25)
    250
    """
    return int(pages * share)


def check_share(workload: Workload, *names: str) -> None:
    """Refuse shares that are none.

    Raises
    ------
    ValueError
        Naming the parameter.
    """
    for name in names:
        share = getattr(workload, name)
        if not 0 <= share <= 1:
            raise ValueError(f"workload {workload.name}: {name}={share!r}; expected a share, 0 to 1")
