"""Workloads that ask for blocks of a certain order, and nothing: what fails on fragmented memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from compactlab.core import memory

from ..requests import (
    ALLOC,
    COMPACT,
    CONTIG,
    FREE,
    GFP_ATOMIC,
    GFP_KERNEL,
    GFP_RECLAIMABLE,
    MILLISECOND,
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


@dataclass(frozen=True)
class idle(Workload):  # noqa: N801
    """Nothing asks for memory; only time passes, for the background threads."""

    seconds: float = 10
    PHASES: ClassVar[tuple[str, ...]] = ("idle",)

    def slots(self, view: View) -> int:  # noqa: ARG002
        """None."""
        return 0

    def chunks(self, view: View) -> Iterator[np.ndarray]:  # noqa: ARG002
        """Waiting."""
        yield phase(0)
        yield wait(int(self.seconds * SECOND))


@dataclass(frozen=True)
class network_bursts(Workload):  # noqa: N801
    """Packets that arrive in bursts: atomic requests of one order, given back at random in the pause."""

    seed: int = 0
    order: int = 3
    bursts: int = 100
    share: float = 0.01
    """Of memory, in the packets of one burst."""
    every_ns: int = 10 * MILLISECOND
    PHASES: ClassVar[tuple[str, ...]] = ("bursts",)

    def __post_init__(self) -> None:
        check_share(self, "share")

    def orders(self, view: View) -> tuple[int, ...]:  # noqa: ARG002
        """The packets' order."""
        return (self.order,)

    def slots(self, view: View) -> int:
        """One for each packet of a burst."""
        return max(share_of(view.pages, self.share) >> self.order, 1)

    def chunks(self, view: View) -> Iterator[np.ndarray]:
        """A burst a chunk."""
        rng, packets = generator(self.seed), self.slots(view)
        yield phase(0)
        for burst in range(self.bursts):
            arrive = rows(
                ALLOC,
                np.arange(packets),
                gfp=GFP_ATOMIC | RECORD,
                order=self.order,
                kind=memory.KERNEL,
                think_ns=rng.integers(200, 1800, packets),
                cpu=burst % view.cpus,
            )
            leave = rows(FREE, rng.permutation(packets), cpu=burst % view.cpus)
            yield np.concatenate([arrive, wait(self.every_ns), leave])


@dataclass(frozen=True)
class driver_requests(Workload):  # noqa: N801
    """A driver that asks for buffers of one order, ``GFP_KERNEL``, and keeps each for a while."""

    seed: int = 0
    order: int = 4
    requests: int = 1000
    share: float = 0.02
    """Of memory, held in buffers."""
    every_ns: int = 10 * MILLISECOND
    PHASES: ClassVar[tuple[str, ...]] = ("requests",)

    def __post_init__(self) -> None:
        check_share(self, "share")

    def orders(self, view: View) -> tuple[int, ...]:  # noqa: ARG002
        """The buffers' order."""
        return (self.order,)

    def slots(self, view: View) -> int:
        """One for each buffer held."""
        return max(share_of(view.pages, self.share) >> self.order, 1)

    def chunks(self, view: View) -> Iterator[np.ndarray]:
        """Requests, each in place of an older buffer."""
        rng = generator(self.seed)
        yield phase(0)
        yield rows(
            ALLOC,
            rng.integers(0, self.slots(view), self.requests),
            gfp=GFP_KERNEL | RECORD,
            order=self.order,
            kind=memory.KERNEL,
            think_ns=rng.integers(self.every_ns // 2, self.every_ns * 3 // 2 + 1, self.requests),
            cpu=rng.integers(0, view.cpus, self.requests),
        )


@dataclass(frozen=True)
class slab_growth(Workload):  # noqa: N801
    """Slab caches that grow, reclaimable (inodes, dentries) and not, then shrink at random and leave holes."""

    seed: int = 0
    unmovable: float = 0.1
    reclaimable: float = 0.1
    """Shares of memory that the caches grow to."""
    shrink: float = 0.5
    """Of their slabs, given back at the end."""
    order: int = 1
    """Of each slab."""
    PHASES: ClassVar[tuple[str, ...]] = ("grow", "shrink")

    def __post_init__(self) -> None:
        check_share(self, "unmovable", "reclaimable", "shrink")

    def orders(self, view: View) -> tuple[int, ...]:  # noqa: ARG002
        """The slabs' order."""
        return (self.order,)

    def _slabs(self, view: View) -> tuple[int, int]:
        return (
            share_of(view.pages, self.unmovable) >> self.order,
            share_of(view.pages, self.reclaimable) >> self.order,
        )

    def slots(self, view: View) -> int:
        """One for each slab."""
        return sum(self._slabs(view))

    def chunks(self, view: View) -> Iterator[np.ndarray]:
        """Both caches grow beside each other."""
        rng, (unmovable, reclaimable) = generator(self.seed), self._slabs(view)
        slabs = unmovable + reclaimable
        fields = {"order": self.order, "kind": memory.SLAB, "think_ns": 1000}
        yield phase(0)
        yield interleave(
            rng,
            rows(ALLOC, np.arange(unmovable), gfp=GFP_KERNEL, **fields),
            rows(ALLOC, np.arange(unmovable, slabs), gfp=GFP_RECLAIMABLE, **fields),
        )
        yield phase(1)
        yield rows(FREE, rng.permutation(slabs)[: share_of(slabs, self.shrink)], think_ns=1000)


@dataclass(frozen=True)
class contig_ranges(Workload):  # noqa: N801
    """Drivers that ask for physically contiguous ranges, found and emptied by alloc_contig_range."""

    order: int = 10
    requests: int = 10
    every_ns: int = 10 * MILLISECOND
    PHASES: ClassVar[tuple[str, ...]] = ("ranges",)

    def orders(self, view: View) -> tuple[int, ...]:  # noqa: ARG002
        """Ranges may be larger than any free block: none of the lists."""
        return (0,)

    def slots(self, view: View) -> int:  # noqa: ARG002
        """One for each range."""
        return self.requests

    def chunks(self, view: View) -> Iterator[np.ndarray]:  # noqa: ARG002
        """All of them."""
        yield phase(0)
        yield rows(
            CONTIG,
            np.arange(self.requests),
            think_ns=self.every_ns,
            order=self.order,
            kind=memory.KERNEL,
        )


@dataclass(frozen=True)
class compact_memory(Workload):  # noqa: N801
    """Somebody writes to vm.compact_memory, once or every so often."""

    times: int = 1
    every_ns: int = 1 * SECOND
    PHASES: ClassVar[tuple[str, ...]] = ("compact_memory",)

    def slots(self, view: View) -> int:  # noqa: ARG002
        """None."""
        return 0

    def chunks(self, view: View) -> Iterator[np.ndarray]:  # noqa: ARG002
        """One row for each time."""
        yield phase(0)
        yield rows(COMPACT, np.zeros(self.times, np.int32), think_ns=self.every_ns)
