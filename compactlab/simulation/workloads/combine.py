"""Workloads made of workloads: one after the other, or at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..requests import PHASE, REQUEST, View, Workload


class _Combined(Workload):
    """Several workloads, each with slots and phases of its own."""

    def __init__(self, *parts: Workload) -> None:
        if len(parts) < 2:
            raise ValueError(f"workload {self.name}: got {len(parts)} workloads; give at least two")
        self.parts = parts

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(map(repr, self.parts))})"

    @property
    def phases(self) -> tuple[str, ...]:
        """Phases of all parts."""
        return tuple(name for part in self.parts for name in part.phases)

    @property
    def config(self) -> dict[str, Any]:
        """Name, and the parts' parameters."""
        return {"workload": self.name, "parts": [part.config for part in self.parts]}

    def orders(self, view: View) -> tuple[int, ...]:
        """Orders of all parts."""
        return tuple(order for part in self.parts for order in part.orders(view))

    def slots(self, view: View) -> int:
        """Slots of all parts."""
        return sum(part.slots(view) for part in self.parts)

    def _streams(self, view: View) -> list[Iterator[np.ndarray]]:
        slot, phase, streams = 0, 0, []
        for part in self.parts:
            streams.append(_shifted(part, view, slot, phase))
            slot += part.slots(view)
            phase += len(part.phases)
        return streams


def _shifted(part: Workload, view: View, slot: int, phase: int) -> Iterator[np.ndarray]:
    """Chunks of a part in the slots and phases of the whole; the part sees its own slots only."""
    mine = View(view.pages, view.pageblock_order, view.huge_order, view.nr_free, view.cpus)
    slots = part.slots(view)

    def refresh() -> None:
        mine.nr_free, mine.where = view.nr_free, view.where[slot : slot + slots]

    refresh()
    for chunk in part.chunks(mine):
        shifted = chunk.copy()
        shifted["slot"] += np.where(chunk["op"] == PHASE, phase, slot).astype(np.int32)
        yield shifted
        refresh()


class sequence(_Combined):  # noqa: N801
    """Workloads one after the other; what one leaves behind is what the next finds.

    >>> from compactlab.simulation.workloads import driver_requests, fragment
    >>> sequence(fragment(target=0.9), driver_requests(order=4)).phases
    ('fill', 'fragment', 'requests')
    """

    def chunks(self, view: View) -> Iterator[np.ndarray]:
        """Requests of each part in turn."""
        for stream in self._streams(view):
            yield from stream


class beside(_Combined):  # noqa: N801
    """Workloads at the same time: their requests merged by the time each thread lets pass.

    >>> from compactlab.simulation.workloads import kernel_build, network_bursts
    >>> beside(kernel_build(), network_bursts()).phases
    ('build', 'bursts')
    """

    def chunks(self, view: View) -> Iterator[np.ndarray]:
        """Requests of all parts up to the time that each of them is known to."""
        lines = [_Line(stream) for stream in self._streams(view)]
        now = 0
        while running := [line for line in lines if line.more()]:
            until = min(line.time[-1] for line in running)
            taken = [line.take(until) for line in running]
            time = np.concatenate([time for time, _ in taken])
            merged = np.concatenate([requests for _, requests in taken])
            order = np.argsort(time, kind="stable")
            merged = merged[order]
            merged["think_ns"] = np.diff(time[order], prepend=now)
            now = until
            yield merged


class _Line:
    """A stream of requests, and the time of each by its own clock."""

    def __init__(self, stream: Iterator[np.ndarray]) -> None:
        self.stream = stream
        self.now = 0
        self.time = np.empty(0, np.int64)
        self.requests = np.empty(0, REQUEST)

    def more(self) -> bool:
        """Whether there are requests left; fetches a chunk if none is at hand."""
        while not self.time.size:
            chunk = next(self.stream, None)
            if chunk is None:
                return False
            self.requests = chunk
            self.time = self.now + np.cumsum(chunk["think_ns"], dtype=np.int64)
            self.now = int(self.time[-1]) if chunk.size else self.now
        return True

    def take(self, until: int) -> tuple[np.ndarray, np.ndarray]:
        """Times and requests up to a time."""
        end = int(np.searchsorted(self.time, until, side="right"))
        taken = self.time[:end], self.requests[:end]
        self.time, self.requests = self.time[end:], self.requests[end:]
        return taken
