"""One experiment, declared: a zone, the state it begins in, who compacts it, and what is asked of it."""

from __future__ import annotations

import dataclasses
import functools
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import xarray as xr

from .. import datasets
from ..metrics import compaction_runs, summary
from ..simulation import workloads
from ..simulation.compact import compact_zone
from ..simulation.contig import alloc_contig_range
from ..simulation.loop import simulate
from ..simulation.memory_need import Need, memory_need, refuse_too_large
from ..simulation.presets import Sysctls, kernel, one_of
from ..simulation.progress import Report
from ..simulation.requests import Workload
from ..simulation.starts import STARTS, started
from ..simulation.tuning import with_sysctls
from ..simulation.zone import Zone
from ..texts import N_, _, count, memory, order_size


class Trigger(NamedTuple):
    """Who compacts, and what makes it happen."""

    words: str
    """One line for people."""
    at_once: bool
    """Whether it can be had at once, without anybody asking for memory."""
    demands: tuple[Workload, ...]
    """What leads to it."""


TRIGGERS = {
    "direct": Trigger(
        N_("A request that finds no free block compacts for itself, and waits meanwhile."),
        True,
        (
            workloads.huge_faults(faults=256),
            workloads.thpscale(anon=0.2, cache=0.2),
            workloads.thpfioscale(volume=0.4, huge=0.2),
        ),
    ),
    "kcompactd": Trigger(
        N_(
            "The kernel's thread compacts in the background, woken because a block of some order was missing."
        ),
        True,
        (
            workloads.slab_growth(),
            workloads.network_bursts(share=0.1, bursts=10),
            workloads.driver_requests(order=5, requests=2000, share=0.1, every_ns=100_000),
        ),
    ),
    "proactive": Trigger(
        N_(
            "kcompactd compacts before anybody asks, when the zone's score is above what proactiveness allows."
        ),
        True,
        (workloads.idle(seconds=10), workloads.server_churn(memory=0.3, think_ns=20_000)),
    ),
    "manual": Trigger(
        N_("Somebody writes to vm.compact_memory: the whole zone, until both scanners meet."),
        True,
        (workloads.compact_memory(),),
    ),
    "contig_range": Trigger(
        N_(
            "A driver wants a range of page frames: everything that is in it is moved out (alloc_contig_range)."
        ),
        True,
        (workloads.contig_ranges(),),
    ),
}
"""Who may compact in a trial, by the kernel's names."""

_FOR_A_REQUEST = ("direct", "kcompactd")
_SINCE_6_15 = "6.18"  # the one preset that has what 6.15 brought


def recordings() -> list[str]:
    """Names of the shipped recordings that have a page map.

    >>> recordings()
    ['page-map-compaction', 'page-map-direct', 'page-map-pinned']
    """
    return [entry.name for entry in datasets.list() if "pages_before.npz" in entry.files]


@functools.lru_cache(maxsize=1)
def recorded_zone(name: str) -> Zone:
    """Largest zone of a shipped recording, as its first page map has it."""
    return Zone.from_pages(datasets.load(name))


def workload_named(name: str, values: Mapping[str, str]) -> Workload:
    """Make a workload of its name and of parameters as they are typed.

    Raises
    ------
    ValueError
        If there is no such workload or parameter, with the nearest, or a value is of the wrong kind.

    Examples
    --------
    >>> workload_named("huge_faults", {"faults": "64"})
    huge_faults(faults=64, think_ns=100000, bursts=1, every_ns=1000000000)
    """
    known = [each for each in workloads.__all__ if dataclasses.is_dataclass(getattr(workloads, each))]
    one_of("workload", name, known)
    return _of_texts(getattr(workloads, name), f"workload {name}", values)


def sysctls_typed(values: Mapping[str, str]) -> Sysctls:
    """Make settings of values as they are typed.

    >>> sysctls_typed({"defrag_mode": "1"}).defrag_mode
    1
    """
    return _of_texts(Sysctls, "setting", values)


def _of_texts(made: Any, what: str, values: Mapping[str, str]) -> Any:
    """Make a dataclass of texts, read as its defaults are."""
    fields = {each.name: each.default for each in dataclasses.fields(made)}
    read: dict[str, Any] = {}
    for name, text in values.items():
        one_of(what, name, tuple(fields))
        kind: Any = type(fields[name])
        try:
            if kind is bool:
                read[name] = bool(("false", "true").index(text.lower()))
            else:
                read[name] = text if kind is str else float(text) if kind is float else int(text)
        except ValueError:
            words = {bool: "true or false", float: "a number"}.get(kind, "a whole number")
            raise ValueError(f"{what}: {name}={text!r}; expected {words}") from None
    return made(**read)


@dataclass(frozen=True)
class Trial:
    """What is to be simulated, all of it: the same trial gives the same run.

    >>> trial = Trial(Zone("64 MiB"), trigger="manual")
    >>> trial.title.replace(chr(0xA0), " ")
    'manual, 64 MiB punched'
    >>> run = trial.run()
    >>> trial.told(run).replace(chr(0xA0), " ")
    '1 compaction (manual), 2 816 pages moved; unusable index for 2 MiB 1.00 before, 0.16 after.'
    """

    zone: Zone = field(default_factory=Zone)
    """Declared, or with pages in it; does not count if there is a recording."""
    recording: str = ""
    """Shipped recording that the zone is taken from."""
    start: str = "punched"
    """State that an empty zone is brought into: a name in `STARTS`."""
    sysctls: Sysctls = field(default_factory=Sysctls)
    """Settings of the machine."""
    kernel: str = ""
    """Whose rules it follows; the zone's own if not given."""
    trigger: str = "manual"
    """Who compacts: a name in `TRIGGERS`."""
    workload: Workload | None = None
    """What is asked of memory; None: compaction begins at once."""
    order: int = 9
    """Of the request that direct compaction and kcompactd compact for at once."""
    first: float = 0.5
    """Where a range for alloc_contig_range begins, as a share of the zone."""
    range_pages: int = 4096
    """How long it is."""
    frames: int = 64
    keyframes: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        one_of("trigger", self.trigger, tuple(TRIGGERS))
        one_of("start", self.start, tuple(STARTS))
        if self.recording:
            one_of("recording", self.recording, recordings())
        if not 0 <= self.first < 1:
            raise ValueError(f"Trial: first={self.first}; expected a share of the zone, 0 to below 1")
        if self.range_pages < 1:
            raise ValueError(f"Trial: range_pages={self.range_pages}; expected at least 1")
        version = self.kernel or self.zone.kernel
        if self.sysctls.defrag_mode and version != _SINCE_6_15:
            raise ValueError(
                f"defrag_mode=1: kernel {version} has no such setting; choose {_SINCE_6_15}, or 0"
            )
        if self.trigger == "proactive" and not kernel(version).proactive:
            raise ValueError(f"trigger proactive: kernel {version} has none; it came with 5.9")

    @property
    def title(self) -> str:
        """Short name: who compacts what, and what is set otherwise than the kernel sets it."""
        parts = [_(self.trigger), *([] if self.workload is None else [self.workload.name])]
        if self.recording:
            parts.append(self.recording)
        else:
            held = _("given zone") if self.zone.seed is not None else _(self.start)
            parts.append(f"{memory(self.zone.nr_pages, self.zone.page_size)} {held}")
        usual = Sysctls()
        parts += [
            f"{name} {value}" for name, value in vars(self.sysctls).items() if value != getattr(usual, name)
        ]
        if self.kernel and self.kernel != self.zone.kernel:
            parts.append(_("kernel {version}").format(version=self.kernel))
        return ", ".join(parts)

    def need(self) -> Need:
        """Memory that it takes at most; of a recording, once that was read."""
        zone = recorded_zone(self.recording) if self.recording else self.zone
        keyframes = self.keyframes or self.workload is None
        return memory_need(zone, self.workload, frames=self.frames, keyframes=keyframes)

    def check(self) -> None:
        """Refuse, before anything is begun, what cannot be: a run too large for memory.

        Raises
        ------
        ValueError
            With the estimate and what would make it fit.
        """
        if not self.recording:
            refuse_too_large(self.need())

    def prepared(self, progress: bool | Report = False, cancel: threading.Event | None = None) -> Zone:
        """Zone in the state that it begins in, under the trial's settings."""
        zone = recorded_zone(self.recording) if self.recording else self.zone
        zone = dataclasses.replace(zone, kernel=self.kernel or zone.kernel)
        if zone.seed is None:
            zone = started(zone, self.start, seed=self.seed, progress=progress, cancel=cancel)
        return with_sysctls(zone, self.sysctls)

    def run(
        self, progress: bool | Report = False, cancel: threading.Event | None = None
    ) -> xr.DataTree | None:
        """Simulate it.

        Parameters
        ----------
        progress, cancel
            As for `simulate`.

        Returns
        -------
            A run; None if it was cancelled before the zone was in its first state.
        """
        self.check()
        zone = self.prepared(progress, cancel)
        if cancel is not None and cancel.is_set():
            return None
        run = self._run(zone, progress, cancel)
        run.attrs["name"] = self.title
        run.attrs["config"] |= {
            "trial": {"start": self.start, "recording": self.recording, "trigger": self.trigger}
        }
        return run

    def _run(self, zone: Zone, progress: bool | Report, cancel: threading.Event | None) -> xr.DataTree:
        if self.workload is not None:
            return simulate(
                zone,
                self.workload,
                seed=self.seed,
                frames=self.frames,
                keyframes=self.keyframes,
                progress=progress,
                cancel=cancel,
            )
        if self.trigger == "contig_range":
            first = zone.first_pfn + int(self.first * zone.nr_pages)
            first = first >> zone.pageblock_order << zone.pageblock_order
            return alloc_contig_range(zone, first, first + self.range_pages, seed=self.seed)
        order = self.order if self.trigger in _FOR_A_REQUEST else -1
        return compact_zone(
            zone, order, self.trigger, seed=self.seed, frames=self.frames, progress=progress, cancel=cancel
        )

    def told(self, run: xr.DataTree) -> str:
        """Say in one or two sentences what came of it."""
        numbers = summary(run)
        order = order_size(int(numbers.attrs["order"]), numbers.attrs["page_size"])
        index = _("unusable index for {size} {first:.2f} before, {last:.2f} after.").format(
            size=order, first=float(numbers.unusable_first), last=float(numbers.unusable_last)
        )
        moved = count(int(numbers.migrated)) if "migrated" in numbers else "0"
        work = _("{who}, {moved} pages moved; {index}").format(who=self._who(run), moved=moved, index=index)
        return " ".join([work, *self._missed(run), *_cancelled(run)])

    def _who(self, run: xr.DataTree) -> str:
        """Compactions by who ran them."""
        if self.trigger == "contig_range" and self.workload is None:
            return f"alloc_contig_range: {run.attrs['config']['alloc_contig_range']['result']}"
        if self.trigger == "contig_range":
            return "alloc_contig_range"
        by = Counter(compaction_runs(run).who.values.tolist())
        if not by:
            return _("no compaction")
        number = sum(by.values())
        runs = _("1 compaction") if number == 1 else _("{number} compactions").format(number=count(number))
        told = ", ".join(_(who) if len(by) == 1 else f"{count(n)} {_(who)}" for who, n in by.items())
        return f"{runs} ({told})"

    def _missed(self, run: xr.DataTree) -> list[str]:
        """Say so if it did not come to what the trial is about."""
        if self.trigger == "contig_range" or self.trigger in compaction_runs(run).who.values:
            return []
        if self.workload is None:
            return [problem[:1].upper() + problem[1:] + "." for problem in run.attrs["problems"][:1]]
        return [
            _(
                "It did not come to {trigger} compaction. "
                "Another start with fewer large blocks, or more demand, may bring it about."
            ).format(trigger=_(self.trigger))
        ]


def _cancelled(run: xr.DataTree) -> list[str]:
    """Say that it was cancelled, and that what it had is kept."""
    told = [problem for problem in run.attrs["problems"] if problem.startswith("cancelled")]
    return [
        _("The run was {cancelled}; it holds what it had until then.").format(cancelled=each)
        for each in told[:1]
    ]
