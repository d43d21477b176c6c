"""Asking for a range of page frames, without a workload."""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr

from ..core.commands import take_range
from .build import Budgets, build, check_budgets, first_page
from .costs import CostModel
from .memory_need import memory_need, refuse_too_large
from .run import Samples, run_of
from .zone import Zone, machine

RESULTS = {0: "success", -16: "EBUSY", -12: "ENOMEM"}
"""What alloc_contig_range returns."""


def alloc_contig_range(
    zone: Zone | Sequence[Zone],
    start_pfn: int,
    end_pfn: int,
    *,
    cma: bool = False,
    costs: CostModel | None = None,
    events: int = 200_000,
    moves: int = 1_000_000,
    seed: int = 0,
) -> xr.DataTree:
    """Make a range of page frames free of others' pages and take it, as drivers and CMA do.

    Every pageblock of the range is isolated, what can be moved is moved to pages from the free lists, what
    is free is taken. It fails with EBUSY if something in the range can neither be moved nor freed: events
    `compact_refused` and `test_pages_isolated` say which page, and why.

    Parameters
    ----------
    zone
        The zone, or all zones of a machine; they stay as they are.
    start_pfn, end_pfn
        The range: first page frame number, and the one behind the last.
    cma
        Whether its CMA pageblocks are the caller's; anybody else is refused them.
    costs
        What steps cost.
    events, moves
        How many are kept at most; the run says how many were left out.
    seed
        Of what is random: how long batches take.

    Returns
    -------
        A run with page maps `before` and `after`; `attrs["config"]["alloc_contig_range"]["result"]` is
        success, EBUSY or ENOMEM.

    Raises
    ------
    ValueError
        If the range is empty or not within one zone, the zones cannot be of one machine, or the run would
        need more memory than there is, as `memory_need` tells.

    Examples
    --------
    >>> run = alloc_contig_range(Zone("64 MiB"), 1048576, 1048576 + 512)
    >>> run.attrs["config"]["alloc_contig_range"]["result"]
    'success'

    References
    ----------
    mm/page_alloc.c, alloc_contig_range, Linux 6.18.
    """
    zones = machine(zone)
    if not any(each.first_pfn <= start_pfn < end_pfn <= each.end_pfn for each in zones):
        held = ", ".join(f"{each.label} {each.first_pfn} to {each.end_pfn}" for each in zones)
        raise ValueError(
            f"alloc_contig_range: page frames {start_pfn} to {end_pfn}; expected a range within one zone: {held}"
        )
    budgets = Budgets(2, events, moves)
    check_budgets(**budgets._asdict())
    refuse_too_large(memory_need(zones, samples=2, allocations=0, **budgets._asdict()))
    samples = Samples(build(zones, costs, budgets, seed=seed), zones, budgets)
    samples.keyframe("before")
    samples.take()
    samples.frame()
    base = first_page(zones)
    result = RESULTS[take_range(samples.memory, start_pfn - base, end_pfn - base, cma)]
    samples.take()
    samples.frame()
    samples.keyframe("after")
    config = {"start_pfn": start_pfn, "end_pfn": end_pfn, "cma": cma, "result": result}
    return run_of(
        samples, name="alloc_contig_range", config={"alloc_contig_range": config}, costs=costs, seed=seed
    )
