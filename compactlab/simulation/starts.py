"""States that a simulated zone may begin in: each is what a workload leaves behind."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..core import memory
from .loop import simulate
from .presets import Sysctls, one_of
from .progress import Report
from .requests import (
    ALLOC,
    FAULT,
    FREE,
    GFP_HIGHUSER_MOVABLE,
    View,
    Workload,
    check_share,
    phase,
    rows,
    share_of,
    span,
)
from .tuning import with_sysctls
from .workloads import fragment, punch, server_churn
from .zone import Zone


@dataclass(frozen=True)
class every_second(Workload):  # noqa: N801
    """Fill memory with anonymous pages, then give back every second one: no free page has a free neighbour."""

    fill: float = 0.9
    """Share of memory that is filled."""
    PHASES: ClassVar[tuple[str, ...]] = ("fill", "give back")

    def __post_init__(self) -> None:
        check_share(self, "fill")

    def slots(self, view: View) -> int:
        """One for each page."""
        return share_of(view.pages, self.fill)

    def chunks(self, view: View) -> Iterator[np.ndarray]:
        """A chunk a phase."""
        pages = self.slots(view)
        yield phase(0)
        yield span(ALLOC, 0, pages, gfp=GFP_HIGHUSER_MOVABLE | FAULT, kind=memory.ANON, mapcount=1)
        yield phase(1)
        yield rows(FREE, np.arange(0, pages, 2))


STARTS: dict[str, Workload | None] = {
    "empty": None,
    "punched": punch(fill=0.96, settle_s=0, demand=0),
    "every second page": every_second(fill=0.96),
    "scattered": fragment(target=0.95, free=0.3),
    "mostly full": fragment(target=1.0, free=0.05),
    "aged by churn": server_churn(turnover=2),
}
"""Names of start states, and what makes them."""


def started(
    zone: Zone,
    start: str,
    *,
    seed: int = 0,
    progress: bool | Report = False,
    cancel: threading.Event | None = None,
) -> Zone:
    """Bring a zone of free pages into a start state.

    The state is made under default settings, whatever the zone's: the same pages then lie in the same
    places under any settings.

    Parameters
    ----------
    zone
        As declared, with nothing in it.
    start
        A name in `STARTS`.
    seed
        Of what is random in the workload that makes it.
    progress, cancel
        As for `simulate`.

    Returns
    -------
        The zone with what is in it.

    Raises
    ------
    ValueError
        If there is no such state, or the zone has pages in it already.

    Examples
    --------
    >>> zone = started(Zone("64 MiB"), "every second page")
    >>> int((zone.seed.kind == memory.FREE).sum()), zone.nr_pages
    (8131, 16384)
    """
    one_of("start", start, tuple(STARTS))
    if zone.seed is not None:
        raise ValueError(f"zone {zone.label} has pages in it already: expected one without a seed")
    workload = STARTS[start]
    if workload is None:
        return zone
    if "seed" in workload.config:
        workload = dataclasses.replace(workload, seed=seed)  # type: ignore[type-var]
    plain = dataclasses.replace(zone, sysctls=Sysctls())
    run = simulate(
        plain,
        workload,
        seed=seed,
        samples=2,
        frames=0,
        events=0,
        moves=0,
        allocations=0,
        progress=progress,
        cancel=cancel,
    )
    made = Zone.from_pages(run, zone.label, "after")
    made = dataclasses.replace(made, kernel=zone.kernel, cpus=zone.cpus)
    return with_sysctls(made, zone.sysctls)
