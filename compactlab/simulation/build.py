"""From declared zones to the arrays the kernel works on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..core.manual import as_after_reset
from ..core.memory import (
    CMA,
    FREE,
    MAX_CLASSES,
    MAX_DRAWS,
    MIGRATETYPES,
    MOVABLE,
    PCP,
    Memory,
    new_memory,
)
from ..core.pagemap import free_orders
from ..core.populate import populate
from .costs import CostModel
from .marks import PerCpu, lowmem_reserve, min_free_kbytes, per_cpu, watermarks
from .presets import THP_DEFRAG, kernel
from .requests import generator
from .zone import Zone, check

PAGE_FIELDS = {"kind": "kind", "order": "order", "mapcount": "mapcount", "flags": "bits"}
"""Variables of `/pages` and the fields of `Memory.page` that hold them."""


class Budgets(NamedTuple):
    """How much a run keeps; what is beyond is counted."""

    frames: int = 64
    """Page counts of all pageblocks."""
    events: int = 200_000
    moves: int = 1_000_000


def check_budgets(**budgets: int) -> None:
    """Refuse budgets that are none.

    Raises
    ------
    ValueError
        Naming the budget.
    """
    for name, kept in budgets.items():
        if kept < 0:
            raise ValueError(f"{name}={kept}; expected at least 0")


def first_page(zones: Sequence[Zone]) -> int:
    """Page frame number of the first page of a memory: whole largest blocks, so that buddies stay buddies."""
    largest = zones[0].nr_orders - 1
    return min(zone.first_pfn for zone in zones) >> largest << largest


def span_pages(zones: Sequence[Zone]) -> int:
    """Pages of a memory that holds the zones and what lies between them, in whole largest blocks.

    >>> span_pages([Zone("1 GiB")])
    262144
    """
    largest = zones[0].nr_orders - 1
    end = max(zone.end_pfn for zone in zones) - first_page(zones)
    return -(-end >> largest) << largest


def build(
    zones: Sequence[Zone],
    costs: CostModel | None = None,
    budgets: Budgets | None = None,
    slots: int = 0,
    seed: int = 0,
) -> Memory:
    """Make the memory of a machine.

    Parameters
    ----------
    zones
        Its zones; page frames between them are holes.
    costs
        What steps cost.
    budgets
        How much is kept.
    slots
        Requests that may hold a block at one time.
    seed
        Of what is random: how long batches of migration take.

    Returns
    -------
        Page indices are page frame numbers less `first_page(zones)`.

    Raises
    ------
    ValueError
        If the zones cannot be of one machine, or a budget is negative.

    Examples
    --------
    >>> memory = build([Zone("64 MiB")])
    >>> memory.zone["free_pages"].tolist(), memory.zone["nr_free"][0, :11].sum(axis=1).tolist()
    ([16384], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16])
    """
    check(zones)
    costs, budgets = costs or CostModel(), budgets or Budgets()
    check_budgets(**budgets._asdict())
    base = first_page(zones)
    nodes = max(zone.node for zone in zones) + 1
    memory = new_memory(
        span_pages(zones), len(zones), nodes, zones[0].pageblock_order, budgets.events, budgets.moves, slots
    )
    memory.block["migratetype"] = MOVABLE
    _set_rules(memory, zones[0])
    for number, zone in enumerate(zones):
        _place(memory, number, zone, base)
        populate(memory, number)
    memory.rules["cma"] = (memory.block["migratetype"] == CMA).any()
    _set_marks(memory, zones)
    _set_zonelists(memory, zones)
    memory.state["cost"][0] = costs.to_picoseconds()
    memory.state["spread"][0] = costs.draw_spread(generator(seed), MAX_DRAWS)
    return memory


def _set_rules(memory: Memory, zone: Zone) -> None:
    rules, version, sysctls = memory.rules[0], kernel(zone.kernel), zone.sysctls
    for name in vars(version):
        if name in rules.dtype.names:
            rules[name] = getattr(version, name)
    for name in vars(sysctls):
        if name in rules.dtype.names:
            rules[name] = getattr(sysctls, name)
    rules["compaction_proactiveness"] *= version.proactive
    rules["thp_defrag"] = THP_DEFRAG.index(sysctls.transparent_hugepage_defrag)
    rules["nr_cpus"] = zone.cpus
    rules["max_order"] = zone.nr_orders - 1
    rules["huge_order"] = zone.pageblock_order


def _place(memory: Memory, number: int, zone: Zone, base: int) -> None:
    """Write the pages of one zone, free ones if it has no seed."""
    this = memory.zone[number]
    begin, end = zone.first_pfn - base, zone.end_pfn - base
    this["node"], this["index"] = zone.node, zone.index
    this["start_pfn"], this["end_pfn"] = begin, end
    for name in ("cached_migrate_async", "cached_migrate_sync"):
        this[name] = begin
    this["cached_free"] = (end - 1) >> zone.pageblock_order << zone.pageblock_order
    this["init_migrate"] = this["init_free"] = -1
    if zone.seed is None:
        memory.page["kind"][begin:end] = FREE
        pages = memory.page[begin:end]
        free_orders(pages["kind"], begin, zone.nr_orders - 1, pages["order"])
        return
    for name, field in PAGE_FIELDS.items():
        memory.page[field][begin:end] = getattr(zone.seed, name)
    types = zone.seed.migratetype
    first = begin >> zone.pageblock_order
    memory.block["migratetype"][first : first + types.size] = types
    _set_history(memory, number, zone, base)
    listed = begin + np.flatnonzero(zone.seed.kind == PCP)
    owner = np.repeat(np.arange(len(zone.seed.pcp)), [cpu.count for cpu in zone.seed.pcp])
    memory.page["slot"][listed[: owner.size]] = owner[: listed.size]


def _set_history(memory: Memory, number: int, zone: Zone, base: int) -> None:
    """Let scanners go on where those of a recording began, on a machine that once reset its skip bits."""
    told = None if zone.seed is None else zone.seed.history
    if told is None:
        return
    as_after_reset(memory, number)
    this = memory.zone[number]
    this["cached_migrate_async"] = this["cached_migrate_sync"] = told.cached_migrate - base
    this["cached_free"] = told.cached_free - base
    if told.init_migrate is not None:
        this["init_migrate"] = told.init_migrate - base
    if told.init_free is not None:
        this["init_free"] = min(int(this["init_free"]), told.init_free - base)
    for name in ("considered", "defer_shift", "order_failed"):
        this[name] = getattr(told, name)
    first = int(this["start_pfn"]) >> zone.pageblock_order
    memory.block["skip"][first : first + told.skip.size] = told.skip


def _set_marks(memory: Memory, zones: Sequence[Zone]) -> None:
    """Watermarks, reserves and sizes of per-CPU lists: recorded ones, or as the kernel computes them."""
    for number, zone in enumerate(zones):
        if zone.seed is not None and zone.seed.managed is not None:
            memory.zone["managed"][number] = zone.seed.managed
    managed = memory.zone["managed"].tolist()
    low = [pages for pages, zone in zip(managed, zones, strict=True) if zone.name != "Movable"]
    machine = zones[0]
    kbytes = machine.sysctls.min_free_kbytes
    if kbytes is None:
        kbytes = min_free_kbytes(low, machine.page_size, machine.pageblock_order)
    marks = watermarks(
        managed,
        [zone.name == "Movable" for zone in zones],
        kbytes * 1024 // machine.page_size,
        machine.sysctls.watermark_scale_factor,
    )
    for number, zone in enumerate(zones):
        this, held = memory.zone[number], zone.seed
        mark = held.watermark if held is not None and held.watermark is not None else marks[number]
        for name in mark._fields:
            this[f"wmark_{name}"] = getattr(mark, name)
        this["boost"] = 0 if held is None else held.boost
        reserve = held.lowmem_reserve if held is not None else None
        this["lowmem_reserve"][:] = _reserve(zones, managed, zone) if reserve is None else _padded(reserve)
        _set_pcp(memory, number, zone, mark.low)
    free = sum(max(0, pages - mark.high) for pages, mark in zip(managed, marks, strict=True))
    memory.rules["mobility_disabled"] = free < len(MIGRATETYPES) << machine.pageblock_order


def _padded(pages: Sequence[int]) -> list[int]:
    """Reserve for every class zone: those above the last listed are as the last."""
    return [*pages, *[pages[-1]] * MAX_CLASSES][:MAX_CLASSES]


def _reserve(zones: Sequence[Zone], managed: Sequence[int], zone: Zone) -> list[int]:
    """Pages a zone keeps from requests of each class zone, by the zones of its node."""
    of_node = sorted(
        (other.index, other.name, pages)
        for other, pages in zip(zones, managed, strict=True)
        if other.node == zone.node
    )
    indices, names, pages = zip(*of_node, strict=True)
    row = lowmem_reserve(names, pages)[indices.index(zone.index)]
    return [
        row[sum(index <= at for index in indices) - 1] if at >= indices[0] else 0 for at in range(MAX_CLASSES)
    ]


def _set_pcp(memory: Memory, number: int, zone: Zone, low: int) -> None:
    managed = int(memory.zone["managed"][number])
    plain = per_cpu(managed, low, zone.page_size, zone.cpus, zone.sysctls, kernel(zone.kernel))
    recorded = zone.seed.pcp if zone.seed is not None else ()
    for cpu in range(zone.cpus):
        sizes = plain
        if cpu < len(recorded):
            high, batch = recorded[cpu].high, max(1, recorded[cpu].batch)
            fixed = high < plain.high_min  # percpu_pagelist_high_fraction was set
            sizes = PerCpu(high, min(high, plain.high_min), high if fixed else plain.high_max, batch)
        pcp = memory.zone["pcp"][number][cpu]
        for name in sizes._fields:
            pcp[name] = getattr(sizes, name)


def _set_zonelists(memory: Memory, zones: Sequence[Zone]) -> None:
    """Zones as requests of each node try them: the own node's first, higher zones before lower ones.

    Normal has lower zones tried before it mixes migratetypes, where there is a DMA32 (alloc_flags_nofragment).
    """
    for node in range(memory.node.size):
        ordered = sorted(
            range(len(zones)),
            key=lambda number: (abs(zones[number].node - node), zones[number].node, -zones[number].index),
        )
        memory.state["zonelist"][0][node][: len(ordered)] = ordered
    below = {zone.node for zone in zones if zone.name == "DMA32"}
    for number, zone in enumerate(zones):
        memory.zone["nofragment"][number] = zone.name == "Normal" and zone.node in below
