"""One experiment over and over: every combination of parameters, several seeds each, measured."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import json
import pickle
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from difflib import get_close_matches
from hashlib import sha256
from os import PathLike
from typing import Any

import numpy as np
import xarray as xr

from ..metrics import summary
from ..simulation.loop import simulate
from ..simulation.memory_need import Need, available_memory, memory_need
from ..simulation.presets import Sysctls
from ..simulation.progress import Progress, Report, reporting
from ..simulation.requests import Workload
from ..simulation.tuning import with_sysctls
from ..simulation.workloads import beside, sequence
from ..simulation.zone import Zone, machine
from ..texts import _
from .ledger import Ledger
from .room import workers_that_fit

Values = Sequence[Any] | Mapping[str, Any] | np.ndarray
"""Values of a parameter, or what they are called and the values."""

_KEPT = {
    "samples": 200,
    "frames": 0,
    "keyframes": False,
    "moves": 0,
    "events": 200_000,
    "allocations": 200_000,
}
"""What is kept of each simulation while it is measured."""
_SYSCTLS = {each.name for each in dataclasses.fields(Sysctls)}
_OF_ZONES = {"kernel", "size", "pages", "cpus", "pageblock_order"}
_UNKNOWN = Need(0, 0, 0, 0, 0)
_LOOK = 0.2  # seconds between two looks at cancel, and two reports


def sweep(
    of: Zone | Sequence[Zone] | Callable[..., Any],
    workload: Workload | Callable[..., Workload] | None = None,
    *,
    over: Mapping[str, Values],
    seeds: int | Sequence[int] = 5,
    measure: Callable[[xr.DataTree], xr.Dataset] = summary,
    path: str | PathLike[str] | None = None,
    progress: bool | Report = False,
    cancel: threading.Event | None = None,
    workers: int | None = None,
    **options: Any,
) -> xr.Dataset:
    """Run an experiment for every combination of parameters and every seed, and measure each run.

    With a zone and a workload each run is `simulate`'s; a parameter is then a sysctl, a field of the zones
    (kernel, size, pages, cpus, pageblock_order) or one of the workload, in this order. With a function of your
    own a parameter is whatever it takes.

    Parameters
    ----------
    of
        A zone, the zones of a machine, or a function that is called with the parameters and `seed` (and
        `cancel`, if it takes that) and returns a run, a Dataset, or a mapping of names to numbers.
    workload
        One of `workloads`, or a function that makes one of `seed` and the parameters it takes. Each seed is
        the workload's and the simulation's.
    over
        The values of each parameter; with a mapping, what to call them. A value that is a mapping sets
        several parameters at once, such as
        ``{"policy": {"never": {"compaction_proactiveness": 0}, "at 3:00": {"compact": 3}}}``.
    seeds
        How many, or which.
    measure
        Tells a run in numbers: variables that have the same shape in every run.
    path
        A file that every point is written to as soon as it is done. Called again with the same file, only
        what is missing is run; further values and seeds may be asked for.
    progress
        True draws a bar; a function is called with a `Progress` some times a second.
    cancel
        Set it to stop; so does an interrupt (Ctrl-C, or the button of a notebook). What is done is kept.
    workers
        How many run at one time; as many as there are CPUs and memory for if not given, and one of a function
        of your own, of which nobody knows how much memory it takes.
    **options
        Of `simulate`: costs, and how much is kept of each run while it is measured. By default 200 samples,
        no frames, page maps or moves.

    Returns
    -------
        The variables of `measure` with a dimension for each parameter and `seed` in front, NaN where a point is
        missing; `done` tells which are not. `attrs["missing"]` counts those, `attrs["text"]` says how far it
        came; `intervals` tells how sure the numbers are.

    Raises
    ------
    ValueError
        If a parameter or value is not known, the file is of another sweep (it says what differs), or the
        simulations do not fit in memory (it says what would).

    Examples
    --------
    >>> from compactlab.simulation import workloads
    >>> ask = workloads.sequence(workloads.fragment(target=1), workloads.huge_faults(faults=4))
    >>> told = sweep(Zone("64 MiB"), ask, over={"transparent_hugepage_defrag": ["always", "never"]}, seeds=2)
    >>> dict(told.failures.sizes), [bool(each.any()) for each in told.failures]
    ({'transparent_hugepage_defrag': 2, 'seed': 2}, [False, True])
    """
    grid = _Grid(over, seeds)
    plan = _plan(of, workload, grid, options)
    ledger = Ledger(path, {"of": plan.config, "measure": _name(measure), "over": list(grid.values)})
    missing = [point for point in grid if point.key not in ledger.points]
    if plan.need is None:
        workers = workers_that_fit(_UNKNOWN, workers or 1, None)
    else:
        workers = workers_that_fit(plan.need, workers, available_memory())
    runner = _Runner(plan, measure, ledger, grid, cancel)
    with reporting(progress, "sweep") as report:
        runner.run(missing, workers, report)
    return _dataset(grid, ledger, plan.config)


@dataclasses.dataclass(frozen=True)
class _Point:
    """One run: the parameters' values, by name, where they are on the grid, and the seed."""

    values: dict[str, Any]
    labels: dict[str, Any]
    seed: int
    at: tuple[int, ...]

    @property
    def key(self) -> str:
        return json.dumps([{name: _told(value) for name, value in self.values.items()}, self.seed])

    @property
    def text(self) -> str:
        return ", ".join([*(f"{name}={label}" for name, label in self.labels.items()), f"seed {self.seed}"])


class _Grid:
    """All points of a sweep."""

    def __init__(self, over: Mapping[str, Values], seeds: int | Sequence[int]) -> None:
        self.seeds = (
            list(range(seeds)) if isinstance(seeds, int | np.integer) else [int(each) for each in seeds]
        )
        self.values: dict[str, list[Any]] = {}
        self.labels: dict[str, list[Any]] = {}
        for name, values in over.items():
            if isinstance(values, str) or not len(values):
                raise ValueError(
                    f"over: {name}={values!r}; expected a list of values, or a mapping of what they are called to them"
                )
            self.values[name] = list(values.values() if isinstance(values, Mapping) else values)
            self.labels[name] = (
                list(values) if isinstance(values, Mapping) else [_label(each) for each in values]
            )
            if len(set(self.labels[name])) < len(self.labels[name]):
                raise ValueError(
                    f"over: {name} has a value twice among {', '.join(map(str, self.labels[name]))}"
                )
        if not over or not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(
                f"over={list(over)}, seeds={seeds!r}; expected one parameter or more, and one seed or more, each once"
            )
        if "seed" in over:
            raise ValueError("over: found seed; say seeds=... instead")

    @property
    def shape(self) -> tuple[int, ...]:
        return (*(len(values) for values in self.values.values()), len(self.seeds))

    def __iter__(self) -> Iterator[_Point]:
        for at in itertools.product(*(range(size) for size in self.shape)):
            values = {name: self.values[name][k] for name, k in zip(self.values, at, strict=False)}
            labels = {name: self.labels[name][k] for name, k in zip(self.values, at, strict=False)}
            yield _Point(values, labels, self.seeds[at[-1]], at)


def _label(value: Any) -> Any:
    """What a value is called on its axis: itself where an axis can hold it.

    >>> _label(0.5), _label(None), _label(np.int64(3))
    (0.5, 'None', 3)
    """
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, int | float | str) else getattr(value, "name", None) or str(value)


def _told(value: Any) -> Any:
    """A value as JSON has it, the same for the same value."""
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, int | float | str | None) else repr(value)


@dataclasses.dataclass(frozen=True)
class _Plan:
    """How a point is run."""

    run: Callable[[_Point, threading.Event, Report], Any]
    config: dict[str, Any]
    need: Need | None = None
    """Memory of the largest run; None: nobody knows."""


def _plan(of: Any, workload: Any, grid: _Grid, options: dict[str, Any]) -> _Plan:
    if callable(of) and not isinstance(of, Zone):
        if workload is not None or options:
            raise ValueError(
                "sweep: a function of yours runs its own workload and takes its own options; found "
                f"{', '.join((['workload'] if workload is not None else []) + list(options))} beside it"
            )
        return _plan_of_function(of)
    if workload is None:
        raise ValueError("sweep: a zone needs a workload, such as sweep(zone, workloads.day(), over=...)")
    return _plan_of_zones(machine(of), workload, grid, options)


def _plan_of_function(function: Callable[..., Any]) -> _Plan:
    takes_cancel = "cancel" in inspect.signature(function).parameters

    def run(point: _Point, stop: threading.Event, report: Report) -> Any:
        del report
        return function(**point.values, seed=point.seed, **({"cancel": stop} if takes_cancel else {}))

    return _Plan(run, {"function": _name(function)})


def _plan_of_zones(zones: list[Zone], workload: Any, grid: _Grid, options: dict[str, Any]) -> _Plan:
    known = set(inspect.signature(simulate).parameters) - {"zone", "workload", "seed", "progress", "cancel"}
    for name in options:
        if name not in known:
            near = get_close_matches(name, [*known, "seeds", "over", "measure", "path", "workers"], 1)
            raise TypeError(
                f"sweep() has no option {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")
            )
    kept = {**_KEPT, **options}
    subjects = [_subject(zones, workload, point) for point in grid]  # what is wrong is said at once
    budgets = {name: value for name, value in kept.items() if name != "costs"}
    need = max((memory_need(*each, **budgets) for each in subjects), key=lambda need: need.total)

    def run(point: _Point, stop: threading.Event, report: Report) -> xr.DataTree:
        made_zones, made = _subject(zones, workload, point)
        return simulate(made_zones, made, seed=point.seed, cancel=stop, progress=report, **kept)

    config = {
        "zones": [zone.config | {"contents": _digest(zone.seed)} for zone in zones],
        "workload": {k: v for k, v in workload.config.items() if k != "seed"} if isinstance(workload, Workload) else _name(workload),
        "options": {name: _told(value) for name, value in kept.items()},
    }  # fmt: skip
    return _Plan(run, config, need)


def _subject(zones: list[Zone], workload: Any, point: _Point) -> tuple[list[Zone], Workload]:
    """Zones and workload of a point."""
    left: dict[str, Any] = {}
    for name, value in point.values.items():
        left |= value if isinstance(value, Mapping) else {name: value}
    sysctls = {name: left.pop(name) for name in list(left) if name in _SYSCTLS}
    fields = {name: left.pop(name) for name in list(left) if name in _OF_ZONES}
    changed = [_zone(zone, fields, sysctls) for zone in zones]
    if isinstance(workload, Workload):
        return changed, _changed(workload, left, point.seed)
    made = workload(**left, seed=point.seed)
    if not isinstance(made, Workload):
        raise ValueError(f"workload: {_name(workload)} gave {type(made).__name__}; expected a workload")
    return changed, made


def _zone(zone: Zone, fields: dict[str, Any], sysctls: dict[str, Any]) -> Zone:
    sizes = {"size", "pages", "pageblock_order"} & set(fields)
    if sizes and zone.seed is not None:
        raise ValueError(
            f"over: {', '.join(sorted(sizes))} of a zone with contents ({zone.label}) cannot be changed"
        )
    if "size" in fields:
        fields = {"pages": 0, **fields}  # which would outweigh the size
    changed = dataclasses.replace(zone, **fields)
    return with_sysctls(changed, dataclasses.replace(changed.sysctls, **sysctls))


def _changed(workload: Workload, values: dict[str, Any], seed: int) -> Workload:
    """The workload, or the parts of it that have such parameters, with other values and seed."""
    used: set[str] = set()
    changed = _replaced(workload, {**values, "seed": seed}, used)
    for name in values:
        if name not in used:
            known = sorted({*_SYSCTLS, *_OF_ZONES, *_parameters(workload)})
            near = get_close_matches(name, known, 1)
            raise ValueError(
                f"over: {name!r} is no sysctl, field of a zone, or parameter of {workload.name}; "
                + (f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(known)}")
            )
    return changed


def _replaced(workload: Workload, values: dict[str, Any], used: set[str]) -> Workload:
    if isinstance(workload, sequence | beside):
        return type(workload)(*(_replaced(part, values, used) for part in workload.parts))
    mine = {name: value for name, value in values.items() if name in _parameters(workload)}
    used.update(mine)
    return dataclasses.replace(workload, **mine) if mine else workload  # type: ignore[type-var]


def _parameters(workload: Workload) -> set[str]:
    if isinstance(workload, sequence | beside):
        return set().union(*map(_parameters, workload.parts))
    return (
        {each.name for each in dataclasses.fields(workload) if each.init}
        if dataclasses.is_dataclass(workload)
        else set()
    )


def _digest(seed: Any) -> str | None:
    """What tells the contents of a zone from another's."""
    return None if seed is None else sha256(pickle.dumps(seed)).hexdigest()[:16]


def _name(function: Any) -> str:
    return (
        f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__name__)}"
    )


class _Runner:
    """Runs points in threads, and writes down what is done."""

    def __init__(
        self,
        plan: _Plan,
        measure: Callable[[xr.DataTree], xr.Dataset],
        ledger: Ledger,
        grid: _Grid,
        cancel: threading.Event | None,
    ) -> None:
        self.plan, self.measure, self.ledger, self.cancel = plan, measure, ledger, cancel
        self.keys = [point.key for point in grid]
        self.stop = threading.Event()
        self.told: dict[int, Progress] = {}  # of each point by its number: how far it is
        self.last = ""

    def run(self, missing: list[_Point], workers: int, report: Report) -> None:
        """Run what is missing, until cancelled."""
        waiting = iter(enumerate(missing))
        running: dict[Future, _Point] = {}
        with ThreadPoolExecutor(workers) as pool:
            try:
                while True:
                    self._heed()
                    for number, point in itertools.islice(waiting, max(workers - len(running), 0)):
                        running[pool.submit(self._point, number, point)] = point
                    if not running:
                        break
                    self._collect(running)
                    self._report(report, running)
            except KeyboardInterrupt:
                self.stop.set()
                self._collect(running, None)
            finally:
                self.stop.set()  # whatever ended it ends what still runs

    def _heed(self) -> None:
        if self.cancel is not None and self.cancel.is_set():
            self.stop.set()

    def _point(self, number: int, point: _Point) -> xr.Dataset | None:
        """Numbers of one point; None if it was stopped before its end."""
        if self.stop.is_set():
            return None

        def heard(progress: Progress) -> None:
            self.told[number] = progress

        result = self.plan.run(point, self.stop, heard)
        if isinstance(result, xr.DataTree):
            if any(problem.startswith("cancelled") for problem in result.attrs.get("problems", ())):
                return None
            return self.measure(result)
        if isinstance(result, xr.Dataset):
            return result
        return xr.Dataset({name: ((), np.asarray(value)) for name, value in result.items()})

    def _collect(self, running: dict[Future, _Point], seconds: float | None = _LOOK) -> None:
        """Write down the points that are done; then raise what one of them raised, saying which it was."""
        failed: Exception | None = None
        when = FIRST_COMPLETED if seconds is not None else ALL_COMPLETED
        for future in wait(running, seconds, when).done:
            point = running.pop(future)
            try:
                self._keep(point, future.result())
            except Exception as error:
                error.add_note(f"in the sweep's point {point.text}")
                failed = failed or error
        if failed is not None:
            raise failed

    def _keep(self, point: _Point, told: xr.Dataset | None) -> None:
        if told is None:
            return
        for name in {*point.values, "seed", "done"} & set(told.data_vars):
            raise ValueError(
                f"measure: found {name!r} among the numbers; expected other names than the sweep's own"
            )
        self.ledger.describe(_described(told))
        values = {str(name): each.values.tolist() for name, each in told.data_vars.items()}
        self.ledger.add(point.key, values)
        self.last = point.text

    def _report(self, report: Report, running: dict[Future, _Point]) -> None:
        done = sum(key in self.ledger.points for key in self.keys)
        told = list(self.told.values())
        text = next((point.text for point in running.values()), self.last)
        report(
            Progress(
                done / len(self.keys),
                sum(each.requests for each in told),
                sum(each.elapsed_ns for each in told),
                f"{done} of {len(self.keys)}: {text}",
            )
        )


def _described(told: xr.Dataset) -> dict[str, Any]:
    """Dims and attributes of a point's variables, as JSON has them."""
    for name, each in told.data_vars.items():
        if each.dtype.kind not in "fiub":
            raise ValueError(f"measure: {name} holds {each.dtype}; expected numbers")
    variables = {
        str(name): {"dims": list(each.dims), "attrs": {k: _told(v) for k, v in each.attrs.items()}}
        for name, each in told.data_vars.items()
    }
    coords = {str(name): each.values.tolist() for name, each in told.coords.items() if each.dims == (name,)}
    attrs = {str(name): _told(value) for name, value in told.attrs.items()}
    return {"variables": variables, "coords": coords, "attrs": attrs}


def _dataset(grid: _Grid, ledger: Ledger, config: dict[str, Any]) -> xr.Dataset:
    """All points on their grid."""
    described = ledger.variables or {"variables": {}, "coords": {}, "attrs": {}}
    dims = (*grid.values, "seed")
    done = np.zeros(grid.shape, bool)
    arrays: dict[str, np.ndarray] = {}
    for point in grid:
        values = ledger.points.get(point.key)
        if values is None:
            continue
        done[point.at] = True
        for name, value in values.items():
            told = np.array(value, float)  # None, which stands for NaN, becomes it again
            if name not in arrays:
                arrays[name] = np.full(grid.shape + told.shape, np.nan)
            arrays[name][point.at] = told
    missing = int((~done).sum())
    text = _("{done} of {all} points; {missing} are missing") if missing else _("{done} of {all} points")
    text = text.format(done=done.size - missing, all=done.size, missing=missing)
    return xr.Dataset(
        {
            **{
                name: ((*dims, *described["variables"].get(name, {"dims": []})["dims"]), array, described["variables"].get(name, {}).get("attrs", {}))
                for name, array in arrays.items()
            },
            "done": (dims, done),
        },
        {
            **{name: np.array(labels, object) if isinstance(labels[0], str) else labels for name, labels in grid.labels.items()},
            "seed": grid.seeds,
            **described["coords"],
        },
        {**described["attrs"], "missing": missing, "text": text, "config": json.dumps(config)},
    )  # fmt: skip
