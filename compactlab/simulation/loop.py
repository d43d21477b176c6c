"""Running a workload on simulated memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import xarray as xr

from ..core import memory as m
from ..core.commands import run_command
from ..core.engine import (
    R_COMPACT_FAIL,
    R_COMPACT_SUCCESS,
    R_GFP,
    R_LATENCY,
    R_ORDER,
    R_PAGE,
    R_SPENT,
    R_STALL,
    R_SUCCESS,
    R_TIME,
    RECORD_COLUMNS,
    ROW,
    SPENT,
    VMSTAT_INTERVAL,
    run_requests,
)
from ..core.kcompactd import PROACTIVE_INTERVAL
from ..core.request import COMPACT, CONTIG, GFP_TYPE, PHASE
from .build import PAGE_FIELDS, Budgets, build, check_budgets, first_page
from .costs import CostModel
from .memory_need import KEYFRAME_BYTES, memory_need, refuse_too_large
from .presets import kernel
from .progress import Progress, Report, reporting
from .requests import REQUEST, View, Workload, check, check_slots
from .run import Samples, run_of
from .zone import Zone, machine

_PICOSECONDS = 1000
_COMMANDS = (COMPACT, CONTIG)
_MOST_OPERATIONS = 100_000  # in one piece of jitted work, some 20 ms
_FIRST_INTERVAL = 1_000_000_000  # ps between samples; doubled each time there are more than the budget
_FIRST_OPERATIONS = 16  # likewise: a sample after so many, however little time they took
_MOST_KEYFRAMES = 48


def simulate(
    zone: Zone | Sequence[Zone],
    workload: Workload,
    *,
    costs: CostModel | None = None,
    seed: int = 0,
    samples: int = 400,
    frames: int = 64,
    events: int = 200_000,
    moves: int = 1_000_000,
    allocations: int = 200_000,
    keyframes: bool = True,
    progress: bool | Report = False,
    cancel: threading.Event | None = None,
) -> xr.DataTree:
    """Run a workload on a zone, or on all zones of a machine, and tell how it went.

    Requests are executed one after the other, each at the simulated time that those before it left;
    kswapd and kcompactd of each node run beside them on time of their own. The same zones, workload and
    seed give the same run everywhere. A request that memory cannot serve is a result: it is counted, and
    told by an event `mark_victim` where the kernel would have killed somebody.

    Parameters
    ----------
    zone
        What the workload runs on; it stays as it is.
    workload
        One of `compactlab.workloads`.
    costs
        What steps cost; a machine's own come from `calibrate`.
    seed
        Of what is random beside the workload: how long batches of migration take.
    samples, frames, events, moves, allocations
        How many are kept at most. Samples and frames (of both at least two, or no frames) are thinned to
        every second one when there are more; of the others the run says how many were left out.
    keyframes
        Whether to keep all pages as they were before and after, and at moments between that are named as
        their phase, as far as 64 MiB hold them.
    progress
        True draws a bar; a function is called with a `Progress` some times a second.
    cancel
        Set it, from another thread or in `progress`, to stop; so does an interrupt (Ctrl-C, or the button
        of a notebook). The run keeps what it had.

    Returns
    -------
        A run: zones over time, events, allocations with their latency and what it was spent on, and more.

    Raises
    ------
    ValueError
        If the zones cannot be of one machine, cannot hold the orders that the workload asks for,
        a budget is negative, or the run would need more memory than there is, as `memory_need` tells.

    Examples
    --------
    >>> from compactlab.simulation import workloads
    >>> run = simulate(Zone("64 MiB"), workloads.idle(seconds=1))
    >>> run.attrs["source"], int(run["zones"].elapsed[-1])
    ('simulation', 1000000000)
    """
    zones = machine(zone)
    view = _view(zones, np.zeros(zones[0].nr_orders, np.int64))
    check(workload, view)
    budgets = Budgets(frames, events, moves)
    counts = {"samples": samples, "allocations": allocations, **budgets._asdict()}
    check_budgets(**counts)
    refuse_too_large(memory_need(zones, workload, keyframes=keyframes, **counts))
    memory = build(zones, costs, budgets, slots=workload.slots(view), seed=seed)
    if memory.rules["compaction_proactiveness"][0]:
        memory.node["proactive_next"] = PROACTIVE_INTERVAL
    if kernel(zones[0].kernel).pcp_tuned:
        memory.node["vmstat_next"] = VMSTAT_INTERVAL
    taken = Samples(memory, zones, budgets)
    records = np.zeros((allocations, RECORD_COLUMNS), np.int64)
    if keyframes:
        taken.keyframe("before")
    with reporting(progress, workload.name) as report:
        problems = _Runner(workload, view, taken, records, samples, report, cancel).run()
    if keyframes:
        taken.keyframe("after")
    return run_of(
        taken,
        name=workload.name,
        config=workload.config,
        costs=costs,
        seed=seed,
        phases=workload.phases,
        groups=_allocations(memory, records, first_page(zones)),
        problems=problems,
    )


def _view(zones: Sequence[Zone], nr_free: np.ndarray) -> View:
    return View(
        sum(zone.nr_pages for zone in zones),
        zones[0].pageblock_order,
        zones[0].pageblock_order,
        nr_free,
        zones[0].cpus,
    )


class _Runner:
    """Feeds a workload's requests to the run loop and samples in between."""

    def __init__(
        self,
        workload: Workload,
        view: View,
        taken: Samples,
        records: np.ndarray,
        most: int,
        report: Report,
        cancel: threading.Event | None,
    ) -> None:
        self.workload, self.view, self.taken, self.records = workload, view, taken, records
        self.most, self.report, self.cancel = max(most, 2), report, cancel
        self.interval = _FIRST_INTERVAL
        self.operations = _FIRST_OPERATIONS
        self.samples_a_frame = 1
        pages = int(taken.memory.rules["nr_pages"][0])
        room = KEYFRAME_BYTES // (len(PAGE_FIELDS) * pages)
        self.most_keyframes = min(room, _MOST_KEYFRAMES, taken.budgets.frames) if taken.keyframes else 0
        self.frames_a_keyframe = 1
        self.requests = 0
        self.phase = ""

    def run(self) -> list[str]:
        """Run to the end, or until cancelled; returns what went otherwise than asked."""
        self._sample()
        cancelled = False
        try:
            for chunk in self.workload.chunks(self._refreshed()):
                requests = np.ascontiguousarray(chunk, REQUEST).view(np.recarray)
                check_slots(self.workload, requests, self.view.where.size)
                if cancelled := not self._run_chunk(requests):
                    break
                self._refreshed()
        except KeyboardInterrupt:
            cancelled = True
        self._sample(last=True)
        return [f"cancelled after {self.requests} rows of requests"] if cancelled else []

    def _refreshed(self) -> View:
        memory = self.taken.memory
        self.view.nr_free = memory.zone["nr_free"].sum(axis=(0, 2))[: self.view.nr_free.size]
        self.view.where = memory.where
        return self.view

    def _run_chunk(self, requests: np.recarray) -> bool:
        """Execute one chunk in pieces, with samples in between; False if cancelled."""
        memory = self.taken.memory
        place = np.array([0, 0, -1], np.int64)
        until, operations = self._next_sample(), self.operations
        while place[ROW] < requests.size:
            before = int(place[ROW])
            piece = min(operations, _MOST_OPERATIONS)
            left = run_requests(memory, requests, place, until, piece, self.records)
            operations -= piece
            if left and requests["op"][place[ROW]] in _COMMANDS:
                run_command(memory, requests, place, until)
            begun = self._follow(requests[before : int(place[ROW])])
            if begun or operations <= 0 or self.taken.elapsed * _PICOSECONDS >= until:
                self._sample(framed=begun)
                until, operations = self._next_sample(), self.operations
            if self.cancel is not None and self.cancel.is_set():
                return False
        return True

    def _next_sample(self) -> int:
        now = int(self.taken.memory.state["clock"][0][m.NOW])
        return (now // self.interval + 1) * self.interval

    def _follow(self, done: np.ndarray) -> bool:
        """Note which phase the requests have reached, and tell; whether one began."""
        self.requests += done.size
        begun = done["slot"][done["op"] == PHASE]
        if begun.size:
            self.phase = self.workload.phases[int(begun[-1])]
        self.report(Progress(None, self.requests, self.taken.elapsed, self.phase))
        return begun.size > 0

    def _sample(self, last: bool = False, framed: bool = False) -> None:
        """Take a sample, and a frame where asked, at the end, and of every so many; drop every second for room."""
        taken = self.taken
        if len(taken.rows) >= self.most:
            taken.rows = taken.rows[::2]
            self.interval *= 2
            self.operations *= 2
            self.samples_a_frame = max(1, self.samples_a_frame // 2)
        taken.take()
        if taken.budgets.frames > 1 and (last or framed or len(taken.rows) % self.samples_a_frame == 0):
            if len(taken.frames) >= taken.budgets.frames:
                taken.frames = taken.frames[::2]
                self.samples_a_frame *= 2
            taken.frame()
            if not last and (framed or len(taken.frames) % self.frames_a_keyframe == 0):
                self._keyframe()

    def _keyframe(self) -> None:
        """Keep every page beside a frame; where there is no room, drop every second but the first."""
        taken = self.taken
        if not self.phase or self.most_keyframes < 1:
            return
        if len(taken.keyframes) > self.most_keyframes:
            taken.keyframes = [taken.keyframes[0], *taken.keyframes[2::2]]
            self.frames_a_keyframe *= 2
        taken.keyframe(self.phase)


def _allocations(memory: m.Memory, records: np.ndarray, first_pfn: int) -> dict[str, xr.Dataset]:
    """The allocations group, in the order of their begin."""
    kept = records[: int(memory.state["logged"][0][m.RECORDS_KEPT])]
    if not len(kept):
        return {}
    elapsed = kept[:, R_TIME] // _PICOSECONDS
    types = np.array(m.MIGRATETYPES, object)[kept[:, R_GFP] & GFP_TYPE]
    page = kept[:, R_PAGE]
    columns = {
        "latency_ns": kept[:, R_LATENCY] // _PICOSECONDS,
        "success": kept[:, R_SUCCESS] > 0,
        "order": kept[:, R_ORDER],
        "migratetype": types,
        "source": np.full(len(kept), "workload", object),
        "pfn": np.where(page >= 0, page + first_pfn, -1),
        "compact_stall": kept[:, R_STALL],
        "compact_success": kept[:, R_COMPACT_SUCCESS],
        "compact_fail": kept[:, R_COMPACT_FAIL],
    }
    until = kept[:, R_SPENT:].cumsum(axis=1) // _PICOSECONDS  # whole ns that add up to the latency
    for name, spent in zip(SPENT, np.diff(until, axis=1, prepend=0).T, strict=True):
        columns[f"{name}_ns"] = spent
    return {
        "allocations": xr.Dataset(
            {name: ("allocation", values) for name, values in columns.items()},
            {"time": ("allocation", elapsed), "elapsed": ("allocation", elapsed)},
        )
    }
