"""A day on a server: load that follows a curve, a backup at night, and compaction when it is planned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from compactlab.core import memory

from ..presets import one_of
from ..requests import (
    ALLOC,
    COMPACT,
    FAULT,
    FREE,
    GFP_HIGHUSER_MOVABLE,
    GFP_KERNEL,
    GFP_READAHEAD,
    GFP_RECLAIMABLE,
    GFP_TRANSHUGE,
    NORETRY,
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
from .steady import Population

HOURS = 24
STEPS = 6
"""Of an hour, in which the load is what it is at their begin; compaction begins with one of them."""

_STEP = 3600 * SECOND // STEPS
_SPARE = 0.06  # share of memory that a backup leaves free
# Without large folios of files: a simulated request's cannot be split, and would end every manual compaction.
_SERVER = (
    Population(50, 40, 0, GFP_HIGHUSER_MOVABLE | FAULT, memory.ANON, 1),
    Population(36, 40, 0, GFP_READAHEAD, memory.FILE, 0),
    Population(6, 8, 0, GFP_RECLAIMABLE, memory.SLAB, 0),
    Population(5, 6, 1, GFP_KERNEL, memory.SLAB, 0),
    Population(2, 2, 0, GFP_KERNEL, memory.PGTABLE, 0),
    Population(1, 4, 3, GFP_KERNEL | NORETRY, memory.KERNEL, 0),
)
_FILES = 1  # which of them are files

CURVES = {
    "office": (3, 2, 2, 2, 2, 4, 10, 30, 70, 95, 100, 90, 70, 85, 98, 95, 80, 55, 30, 18, 12, 8, 6, 4),
    "shop": (20, 12, 8, 6, 6, 8, 15, 28, 40, 50, 55, 60, 66, 62, 58, 56, 60, 70, 82, 95, 100, 90, 65, 38),
    "batch-night": (85, 100, 98, 90, 70, 40, 15, 20, 28, 32, 35, 35, 32, 34, 35, 33, 30, 24, 14, 10, 10, 12, 35, 65),
    "flat": (60,) * HOURS,
}  # fmt: skip
"""Load of each hour of a day, of the largest."""


@dataclass(frozen=True)
class day(Workload):  # noqa: N801
    """A server's day: small pages and huge pages come and go with its load, and at night a backup runs.

    Small pages (heap, page cache, slab, page tables, socket buffers) grow with the load and are given back at
    random as it falls; processes with huge pages under MADV_HUGEPAGE come and go with it, too. In between
    time passes: a day takes as long to simulate as its requests, not its hours. The backup reads files until
    the page cache fills memory; in the hour after it the cache shrinks again, at random, and what is then
    free lies between pages that stay.

    The day begins at the curve's first largest hour, and ends there a day later, so that a night and the
    morning after it are one. Compaction by hand runs in the workload's own thread: requests come later by
    as long as it takes, which is what another thread's lock would do to them at worst.
    """

    seed: int = 0
    curve: str | tuple[float, ...] = "office"
    """Load over the day: a name in `CURVES`, or numbers for equal parts of it from midnight on."""
    compact: tuple[float, ...] = ()
    """Hours of the day at which all memory is compacted by hand."""
    compact_above: float = 1.0
    """Unusable free space index of a huge page above which it is, too, whenever somebody looks."""
    check_minutes: int = 30
    """How often somebody looks."""
    memory: float = 0.6
    """Share of memory in small pages at most."""
    rest: float = 0.6
    """Share of them that stays without any load."""
    churn: float = 3.0
    """Small pages replaced in a day, in terms of those held at most."""
    huge: float = 0.3
    """Share of memory in huge pages at most."""
    turnover: float = 1.0
    """Huge pages given back and asked for again in an hour, in terms of those held."""
    backup: float = 1.0
    """Share of free memory that files fill during the backup; 0: there is none."""
    backup_hour: float | None = None
    """When the backup begins; by default at the curve's first smallest hour."""

    def __post_init__(self) -> None:
        check_share(self, "compact_above", "memory", "rest", "huge", "backup")
        if not isinstance(self.curve, str):
            object.__setattr__(self, "curve", tuple(np.asarray(self.curve, float).tolist()))
        object.__setattr__(self, "compact", tuple(np.atleast_1d(self.compact).tolist()))
        relative_load(self.curve)
        for name, hours in (("compact", self.compact), ("backup_hour", (self.backup_hour or 0.0,))):
            for hour in hours:
                if not 0 <= hour < HOURS:
                    raise ValueError(f"workload day: {name}={hour!r}; expected hours of a day, 0 to below 24")
        if self.check_minutes <= 0 or self.check_minutes % (60 // STEPS):
            raise ValueError(
                f"workload day: check_minutes={self.check_minutes!r}; expected a multiple of {60 // STEPS}"
            )
        for name in ("churn", "turnover"):
            if getattr(self, name) < 0:
                raise ValueError(f"workload day: {name}={getattr(self, name)!r}; expected at least 0")

    @property
    def begin(self) -> int:
        """Hour of the day at which it begins."""
        return int(relative_load(self.curve).argmax())

    @property
    def phases(self) -> tuple[str, ...]:
        """What is held at the begin, then the hours."""
        begin = self.begin
        return "start", *(f"{(begin + hour) % HOURS}:00" for hour in range(HOURS))

    def orders(self, view: View) -> tuple[int, ...]:
        """Lone pages up to socket buffers, and huge pages."""
        return (*(population.order for population in _SERVER), view.huge_order)

    def _bounds(self, view: View) -> np.ndarray:
        """First slot of each population of small pages, and the end of the last."""
        held = share_of(view.pages, self.memory)
        sizes = [max((held * each.held // 100) >> each.order, 1) for each in _SERVER]
        return np.concatenate([[0], np.cumsum(sizes)])

    def _huge_pages(self, view: View) -> int:
        return share_of(view.pages, self.huge) >> view.huge_order

    def slots(self, view: View) -> int:
        """One for each small block and huge page held, then for what the backup reads."""
        return int(self._bounds(view)[-1]) + self._huge_pages(view) + view.pages

    def chunks(self, view: View) -> Iterator[np.ndarray]:
        """A chunk for each step of the day."""
        server, begin = _Server(self, view), self.begin
        yield phase(0)
        yield server.started()
        for step in range(HOURS * STEPS):
            if step % STEPS == 0:
                yield phase(1 + step // STEPS)
            at = (begin * STEPS + step) % (HOURS * STEPS)
            if self._compacts(at, view):
                yield rows(COMPACT)
            yield server.step(at)

    def _compacts(self, at: int, view: View) -> bool:
        """Whether memory is compacted at this step of the day."""
        if at in (int(hour * STEPS) for hour in self.compact):
            return True
        looks = at * (60 // STEPS) % self.check_minutes == 0
        return looks and view.unusable_index(view.huge_order) > self.compact_above


def relative_load(curve: str | Sequence[float]) -> np.ndarray:
    """Load of each hour of a day, (24,), of the largest.

    A curve of another length is taken to be of equal parts of the day; hours get the mean of theirs.

    Raises
    ------
    ValueError
        If there is no curve of that name, or the numbers are no loads.

    Examples
    --------
    >>> relative_load("office").argmax(), relative_load([1, 2, 0]).tolist() == [0.5] * 8 + [1.0] * 8 + [0.0] * 8
    (np.int64(10), True)
    """
    if isinstance(curve, str):
        one_of("curve", curve, tuple(CURVES))
        curve = CURVES[curve]
    load = np.asarray(curve, float)
    if load.ndim != 1 or not load.size or not np.isfinite(load).all() or (load < 0).any() or not load.any():
        raise ValueError(
            f"curve: found {np.array2string(load, threshold=24)}; expected a name ({', '.join(CURVES)}) or loads "
            "of equal parts of a day: numbers of at least 0, not all of them 0"
        )
    load = np.repeat(load, HOURS).reshape(HOURS, -1).mean(1)
    return load / load.max()


class _Server:
    """What a server holds, and what it asks for in each step of a day."""

    def __init__(self, of: day, view: View) -> None:
        self.day, self.view, self.rng = of, view, generator(of.seed)
        self.bounds = of._bounds(view)
        self.small = int(self.bounds[-1])
        self.huge = np.zeros(of._huge_pages(view), bool)  # which are held
        self.cache = self.small + self.huge.size  # first slot of the backup
        self.load = relative_load(of.curve)
        hour = self.load.argmin() if of.backup_hour is None else of.backup_hour
        self.backup = int(hour * STEPS)
        self.population = np.repeat(np.arange(len(_SERVER)), np.diff(self.bounds))
        self.often = np.cumsum([each.requests for each in _SERVER])
        self.fields = {
            name: np.array([getattr(each, name) for each in _SERVER])
            for name in ("order", "gfp", "kind", "mapcount")
        }

    def started(self) -> np.ndarray:
        """Requests for what is held at the load that the day begins with: huge pages first."""
        load = self.load.max()
        grown = self.rng.permutation(self.small)[: self._wanted(load)]
        return np.concatenate([self._processes(load, 0), self._small(grown)])

    def step(self, at: int) -> np.ndarray:
        """Requests of one step of the day, spread over it."""
        hour, part = divmod(at, STEPS)
        load = np.interp(part / STEPS, [0, 1], [self.load[hour], self.load[(hour + 1) % HOURS]])
        replaced = int(self.small * self.day.churn * load / (self.load.sum() * STEPS))
        streams = [
            self._churn(replaced),
            self._grow_or_shrink(self._wanted(load)),
            self._processes(load, round(self.day.turnover * load * self.huge.size / STEPS)),
            *self._backup((at - self.backup) % (HOURS * STEPS)),
        ]
        made = interleave(self.rng, *streams)
        gap = min(_STEP * 9 // 10 // max(made.size, 1), SECOND)
        made["think_ns"] = self.rng.integers(0, 2 * gap + 1, made.size)
        rest = _STEP - int(made["think_ns"].sum(dtype=np.int64))
        return np.concatenate([made, wait(max(rest, 0))])

    def _wanted(self, load: float) -> int:
        """Small blocks held at a load."""
        return int(self.small * (self.day.rest + (1 - self.day.rest) * load))

    def _small(self, slots: np.ndarray) -> np.ndarray:
        fields = {name: values[self.population[slots]] for name, values in self.fields.items()}
        return rows(ALLOC, slots, cpu=self._cpus(slots.size), **fields)

    def _cpus(self, size: int) -> np.ndarray:
        return self.rng.integers(0, self.view.cpus, size)

    def _some(self, of: np.ndarray, size: int) -> np.ndarray:
        return self.rng.choice(of, min(max(size, 0), of.size), replace=False)

    def _churn(self, size: int) -> np.ndarray:
        """Small blocks in place of older ones, those of a use as often as it is asked for."""
        which = np.searchsorted(self.often, self.rng.integers(0, self.often[-1], size), side="right")
        return self._small(self.rng.integers(self.bounds[which], self.bounds[which + 1]))

    def _grow_or_shrink(self, wanted: int) -> np.ndarray:
        held = self.view.where[: self.small] >= 0
        missing = wanted - int(held.sum())
        if missing > 0:
            return self._small(self._some(np.flatnonzero(~held), missing))
        return rows(FREE, self._some(np.flatnonzero(held), -missing), cpu=0)

    def _processes(self, load: float, replaced: int) -> np.ndarray:
        """Huge pages of processes that end, then of those that begin."""
        wanted = round(self.huge.size * load)
        gone = self._some(np.flatnonzero(self.huge), max(replaced, int(self.huge.sum()) - wanted))
        self.huge[gone] = False
        new = np.flatnonzero(~self.huge)[: max(wanted - int(self.huge.sum()), 0)]
        self.huge[new] = True
        faults = rows(
            ALLOC,
            self.small + new,
            gfp=GFP_TRANSHUGE | FAULT | RECORD,
            order=self.view.huge_order,
            kind=memory.ANON,
            mapcount=1,
            cpu=self._cpus(new.size),
        )
        return np.concatenate([rows(FREE, self.small + gone), faults])

    def _backup(self, since: int) -> list[np.ndarray]:
        """Requests of a step after the backup began: an hour of reading, then one of giving back."""
        if since >= 2 * STEPS or not self.day.backup:
            return []
        left = STEPS - since % STEPS  # steps of this hour, this one too
        is_cached = self.view.where[self.cache :] >= 0
        if since < STEPS:
            room = self.view.free_pages - share_of(self.view.pages, _SPARE)
            size = max(share_of(room, self.day.backup), 0) // left
            read = self.cache + np.flatnonzero(~is_cached)[:size]
            return [rows(ALLOC, read, gfp=memory.MOVABLE, kind=memory.FILE, cpu=self._cpus(read.size))]
        begin, end = self.bounds[_FILES : _FILES + 2]
        files = begin + np.flatnonzero(self.view.where[begin:end] >= 0)
        dropped = self._some(np.flatnonzero(is_cached), -(-int(is_cached.sum()) // left))
        # The server's own files are read again, too: what stays of the cache lies anywhere.
        return [rows(FREE, self.cache + dropped), self._small(self._some(files, files.size // STEPS))]
