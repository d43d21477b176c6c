"""Compacting a zone at once, without a workload."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import xarray as xr

from ..core import memory as m
from ..core.manual import begin_compaction, compact_some, refresh, stop_compaction
from .build import Budgets, build, check_budgets
from .costs import CostModel
from .memory_need import memory_need, refuse_too_large
from .presets import one_of
from .progress import Progress, Report, reporting
from .run import Samples, run_of
from .zone import Zone, machine

_MODE = {"direct": m.ASYNC, "kcompactd": m.SYNC_LIGHT, "proactive": m.SYNC_LIGHT, "manual": m.SYNC}
_WHOLE_ZONE = ("proactive", "manual")
_ASYNC_PRIORITY = 2
_SECOND = 1_000_000_000
_NO_NEED = {m.SUCCESS: "a block of the order is free", m.SKIPPED: "too little free memory, or in few pieces"}
_STEPS = 512  # turns of the loop in one piece: at most a pageblock each


def compact_zone(
    zone: Zone | Sequence[Zone],
    order: int = -1,
    trigger: str = "manual",
    *,
    mode: str | None = None,
    priority: int | None = None,
    migratetype: str | None = None,
    cpu: int = 0,
    costs: CostModel | None = None,
    frames: int = 64,
    events: int = 200_000,
    moves: int = 1_000_000,
    seed: int = 0,
    progress: bool | Report = False,
    cancel: threading.Event | None = None,
) -> xr.DataTree:
    """Compact a zone as the kernel would, and tell how it went.

    Parameters
    ----------
    zone
        The zone, or all zones of a machine, which are compacted one after the other; they stay as they are.
    order
        Requested order; -1 compacts whatever can be, as proactive and manual compaction do.
    trigger
        Who asks: direct, kcompactd, proactive or manual; implies which blocks are looked at, and the mode.
    mode
        MIGRATE_ASYNC, MIGRATE_SYNC_LIGHT or MIGRATE_SYNC instead of the trigger's own.
    priority
        Of a direct request: 2 asynchronous, 1 sync-light, 0 sync-full, which skips nothing.
    migratetype
        What the block is for; Movable for direct requests, Unmovable else.
    cpu
        Whose per-CPU lists take the pages that are freed.
    costs
        What steps cost; a machine's own come from `calibrate`.
    frames, events, moves
        How many are kept at most; the run says how many were left out.
    seed
        Of what is random: how long batches take.
    progress
        True draws a bar; a function is called with a `Progress` every few milliseconds of work.
    cancel
        Set it, from another thread or in `progress`, to stop as at a fatal signal; so does an interrupt
        (Ctrl-C, or the button of a notebook). The run keeps what it had.

    Returns
    -------
        A run with page maps `before` and `after`; `attrs["config"]["compact_zone"]["results"]` has the
        kernel's word for each zone: success, complete, partial_skipped, contended, or skipped.

    Raises
    ------
    ValueError
        If an argument is none of the above, the zone has no such order, the zones are of no one machine, or
        the run would need more memory than there is, as `memory_need` tells.

    Examples
    --------
    >>> run = compact_zone(Zone("64 MiB"), frames=2)
    >>> run.attrs["config"]["compact_zone"]["results"]
    {'0/Normal': 'complete'}
    """
    zones = machine(zone)
    _check(zones, order, trigger, cpu)
    number, priority = _mode(trigger, mode, priority)
    usual = "Movable" if trigger in ("direct", "manual") else "Unmovable"
    kind = one_of("migratetype", migratetype or usual, m.MIGRATETYPES[: m.PCP_TYPES])
    who = m.TRIGGERS.index(trigger)
    budgets = Budgets(frames, events, moves)
    check_budgets(**budgets._asdict())
    refuse_too_large(memory_need(zones, samples=frames, allocations=0, **budgets._asdict()))
    samples = Samples(build(zones, costs, budgets, seed=seed), zones, budgets)
    samples.keyframe("before")
    _sample(samples)
    problems, results = [], {}
    refresh(samples.memory)
    with reporting(progress, f"{trigger} compaction") as report:
        for at, each in enumerate(zones):
            told = begin_compaction(
                samples.memory, m.DIRECT_CONTROL, at, order, kind, number, who, priority, cpu
            )
            if told != m.CONTINUE:
                results[each.label] = m.RESULTS[told]
                problems.append(f"zone {each.label} was not compacted: {_NO_NEED[told]}")
                continue
            result, done = _go_on(samples, at, report, cancel)
            results[each.label] = m.RESULTS[result]
            if done < 1:
                problems.append(f"cancelled in zone {each.label}, {done:.0%} of it done")
                break
    _sample(samples)
    samples.keyframe("after")
    asked = {"order": order, "trigger": trigger, "mode": m.MODES[number], "priority": priority, "cpu": cpu}
    return run_of(
        samples,
        name=f"{trigger} compaction",
        config={"compact_zone": {**asked, "results": results}},
        costs=costs,
        seed=seed,
        problems=problems,
    )


def _check(zones: Sequence[Zone], order: int, trigger: str, cpu: int) -> None:
    one_of("trigger", trigger, tuple(_MODE))
    largest = min(zone.nr_orders for zone in zones) - 1
    if trigger in _WHOLE_ZONE and order != -1:
        raise ValueError(f"order {order}: expected -1, as {trigger} compaction is for no request")
    if trigger not in _WHOLE_ZONE and not 0 < order <= largest:
        raise ValueError(f"order {order}: expected 1 to {largest}, as {trigger} compaction is for a request")
    if not 0 <= cpu < zones[0].cpus:
        raise ValueError(f"cpu {cpu}: expected 0 to {zones[0].cpus - 1}")


def _mode(trigger: str, mode: str | None, priority: int | None) -> tuple[int, int]:
    """Mode and priority by number: given, or as the trigger implies."""
    if priority is None:
        priority = _ASYNC_PRIORITY
    elif trigger != "direct" or not 0 <= priority <= _ASYNC_PRIORITY:
        raise ValueError(f"priority {priority}: expected 0 to {_ASYNC_PRIORITY}, of direct compaction only")
    if mode is not None:
        return one_of("mode", mode, m.MODES), priority
    return (_MODE[trigger] if priority == _ASYNC_PRIORITY else m.SYNC_LIGHT), priority


def _sample(samples: Samples) -> None:
    samples.take()
    samples.frame()


def _go_on(samples: Samples, at: int, report: Report, cancel: threading.Event | None) -> tuple[int, float]:
    """Run to the end, or until cancelled; returns the result, and the share that was done."""
    try:
        for result in _pieces(samples, at, report):
            if result != m.CONTINUE:
                return result, 1.0
            if cancel is not None and cancel.is_set():
                break
    except KeyboardInterrupt:
        pass
    done = _done(samples, at)
    if samples.memory.control[m.DIRECT_CONTROL]["active"]:
        stop_compaction(samples.memory, m.DIRECT_CONTROL)
    return m.CONTENDED, done


def _pieces(samples: Samples, at: int, report: Report) -> Iterator[int]:
    """Run in pieces, with samples in between; the caller gets a turn after each, the last tells the result."""
    memory, zones = samples.memory, len(samples.zones)
    between = max(samples.budgets.frames - 2, 0) // zones  # one is taken before, one after
    steps = max(1, min(_STEPS, memory.block.size // (4 * (between + 1))))
    taken, second = 0, samples.elapsed // _SECOND
    while (result := compact_some(memory, m.DIRECT_CONTROL, steps)) == m.CONTINUE:
        done = _done(samples, at)
        if samples.elapsed // _SECOND > second:
            second = samples.elapsed // _SECOND
            refresh(memory)
        if done * (between + 1) >= taken + 1 and taken < between:
            _sample(samples)
            taken += 1
        report(Progress((at + done) / zones, 0, samples.elapsed, samples.zones[at].label))
        yield result
    report(Progress((at + 1) / zones, 0, samples.elapsed, samples.zones[at].label))
    yield result


def _done(samples: Samples, at: int) -> float:
    """How far the scanners have come towards each other; within a pageblock the free scanner goes up."""
    zone, control = samples.memory.zone[at], samples.memory.control[m.DIRECT_CONTROL]
    shift = samples.zones[at].pageblock_order
    apart = (int(control["free_pfn"]) >> shift << shift) - int(control["migrate_pfn"])
    return min(max(1 - apart / int(zone["end_pfn"] - zone["start_pfn"]), 0.0), 0.999)
