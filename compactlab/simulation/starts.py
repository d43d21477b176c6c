"""States that a simulated zone may begin in: each is what a workload leaves behind."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..core import memory
from ..texts import N_
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
from .workloads import fragment, punch, sequence, server_churn
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


@dataclass(frozen=True)
class huge_fill(Workload):  # noqa: N801
    """Take every free block that can hold a huge page, as huge pages of somebody's."""

    PHASES: ClassVar[tuple[str, ...]] = ("huge pages",)

    def orders(self, view: View) -> tuple[int, ...]:
        """Huge pages."""
        return (view.huge_order,)

    def slots(self, view: View) -> int:
        """One for each huge page there may be."""
        return view.pages >> view.huge_order

    def chunks(self, view: View) -> Iterator[np.ndarray]:
        """As many as are free; no reclaim, no waking of kswapd."""
        order = view.huge_order
        yield phase(0)
        free = int(view.nr_free[order:] @ (1 << np.arange(view.nr_free.size - order)))
        yield rows(ALLOC, np.arange(free), gfp=memory.MOVABLE, order=order, kind=memory.ANON, mapcount=1)


STARTS: dict[str, Workload | None] = {
    N_("empty"): None,
    N_("punched"): sequence(punch(fill=0.96, settle_s=0, demand=0), huge_fill()),
    N_("every second page"): sequence(every_second(fill=0.96), huge_fill()),
    N_("scattered"): sequence(fragment(target=1.0, free=0.3), huge_fill()),
    N_("mostly full"): sequence(fragment(target=1.0, free=0.08), huge_fill()),
    N_("aged by churn"): server_churn(turnover=2),
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
    (7619, 16384)
    """
    one_of("start", start, tuple(STARTS))
    if zone.seed is not None:
        raise ValueError(f"zone {zone.label} has pages in it already: expected one without a seed")
    workload = STARTS[start]
    if workload is None:
        return zone
    workload = _seeded(workload, seed)
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


def _seeded(workload: Workload, seed: int) -> Workload:
    """The workload, or each that it is a sequence of, with a seed where it has one."""
    if isinstance(workload, sequence):
        return sequence(*(_seeded(part, seed) for part in workload.parts))
    if "seed" in workload.config:
        return dataclasses.replace(workload, seed=seed)  # type: ignore[type-var]
    return workload
