"""Telling how far long work is: to a function of the caller's, or as a bar in a terminal or notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Progress:
    """How far work is."""

    done: float | None
    """Share done, 0 to 1; None where nobody knows how much there is."""
    requests: int
    """Rows of requests executed; 0 where there is no workload."""
    elapsed_ns: int
    """Simulated time."""
    phase: str
    """What began last: a phase of the workload, or compaction of a zone."""


Report = Callable[[Progress], None]


@contextmanager
def reporting(progress: bool | Report, name: str) -> Iterator[Report]:
    """Give a function that reports: the caller's own, one that draws a bar (True), or one that does nothing.

    >>> with reporting(False, "nothing to see") as report:
    ...     report(Progress(0.5, 0, 0, ""))
    """
    if callable(progress):
        yield progress
        return
    if not progress:
        yield lambda _: None
        return
    from tqdm.auto import tqdm  # takes a quarter of a second to import

    with tqdm(desc=name, total=None, unit=" requests", unit_scale=True) as bar:
        yield lambda told: _draw(bar, told)


def _draw(bar: Any, told: Progress) -> None:
    if told.done is not None and bar.total is None:
        bar.reset(total=100)
        bar.unit = "%"
    if told.done is not None:
        bar.update(round(100 * told.done) - bar.n)
    else:
        bar.update(told.requests - bar.n)
    bar.set_postfix_str(f"{told.phase} {told.elapsed_ns / 1e9:.3f} s simulated".strip(), refresh=False)
