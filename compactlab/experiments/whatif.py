"""What would have happened under other settings: predicted from a recorded page map, with the known error beside it."""

from __future__ import annotations

import dataclasses
import functools
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from ..metrics import compare, score
from ..metrics.comparison import quantity, relative
from ..metrics.source import huge_page_order
from ..simulation import workloads
from ..simulation.compact import compact_zone
from ..simulation.costs import CostModel
from ..simulation.loop import simulate
from ..simulation.presets import Sysctls, one_of
from ..simulation.progress import Progress, Report, reporting
from ..simulation.requests import Workload
from ..simulation.tuning import with_sysctls
from ..simulation.zone import Zone
from ..texts import N_, _

DEMANDS = {
    N_("manual"): N_("Somebody writes to vm.compact_memory: all zones are compacted, one after the other."),
    N_("faults"): N_(
        "A thread touches fresh huge pages, one after the other; faults compact where they must."
    ),
    N_("idle"): N_("Nobody asks for anything for 40 s: what kcompactd does on its own."),
}
"""What is asked of the recorded memory, under both settings."""

POLICIES = {
    N_("none"): N_("Nothing is done before."),
    N_("compact first"): N_("vm.compact_memory is written before the demand."),
    N_("wait first"): N_("40 s pass before the demand, for proactive compaction."),
}
"""What is done beforehand on the changed side."""

_ABSOLUTE = ("unusable_last", "unusable_mean", "success_share")
_LOOKED_AT = {
    "manual": ("migrated", "migrate_scanned", "free_scanned", "compaction_time", "unusable_last", "usable_last"),
    "faults": ("success_share", "latency_p50", "latency_p90", "latency_p99", "compact_stall", "migrated", "unusable_last"),
    "idle": ("compaction_runs", "migrated", "cpu_kcompactd", "unusable_last", "usable_last"),
}  # fmt: skip
_FROM_SCORE = {
    "migrated": "migrated_error",
    "migrate_scanned": "migrate_scanned_error",
    "free_scanned": "free_scanned_error",
    "compaction_time": "duration_error",
    "usable_last": "free_pages_distance",
}
_SECONDS = 40
_EVENTS = 1_000_000


class Known(NamedTuple):
    """Errors that the model is known to have."""

    errors: dict[str, float]
    """By quantity: relative, but of indices and shares the difference itself."""
    source: str
    """Where they come from, in words."""


@dataclass(frozen=True)
class Prediction:
    """Two simulations from one page map, what differs between them, and how far that can be trusted."""

    demand: str
    names: tuple[str, str]
    baseline: list[xr.DataTree]
    """Runs as recorded, one a seed."""
    changed: list[xr.DataTree]
    """Runs with what was changed."""
    comparison: xr.Dataset
    """As `metrics.compare` tells it."""
    known: Known

    @property
    def sides(self) -> dict[str, list[xr.DataTree]]:
        """Both sides by name, as `compare`, `Compare` and `comparison` take them."""
        return dict(zip(self.names, (self.baseline, self.changed), strict=True))

    @property
    def table(self) -> xr.Dataset:
        """What was looked at, by quantity: medians of both sides, difference, known error, and whether it exceeds it.

        Returns
        -------
            Dims (quantity). `baseline`, `changed`, `difference` in the quantity's unit; `change`: the difference as
            `known_error` is told, relative but for indices and shares; `known_error`: NaN where nobody knows;
            `beyond`: the change is larger than the error.
        """
        told = self.comparison
        names = [name for name in _LOOKED_AT[self.demand] if name in told["quantity"].values]
        told = told.sel(quantity=names)
        medians = told["median"].to_numpy()
        difference = medians[:, 1] - medians[:, 0]
        absolute = np.isin(names, _ABSOLUTE)
        with np.errstate(divide="ignore", invalid="ignore"):
            change = np.where(absolute, difference, difference / np.abs(medians[:, 0]))
        change[difference == 0] = 0  # of 0 to something the change is infinite: beyond any error
        error = np.array([self.known.errors.get(name, np.nan) for name in names])
        columns = {
            "baseline": medians[:, 0],
            "changed": medians[:, 1],
            "difference": difference,
            "change": change,
            "known_error": error,
            "beyond": (np.abs(change) > error) & (difference != 0),
        }
        return xr.Dataset(
            {name: ("quantity", values) for name, values in columns.items()},
            {"quantity": np.array(names, object), "label": ("quantity", told["label"].values)},
        )

    @property
    def sentences(self) -> list[str]:
        """Each difference with its known error, in words."""
        page_size = self.baseline[0].attrs["page_size"]
        table = self.table
        shares = table.difference.values[table["quantity"].values == "success_share"]
        refused = _(" A request that is refused is quick: the sides serve different shares.")
        found = []
        for at, name in enumerate(table["quantity"].values):
            caution = refused if name.startswith("latency") and shares.any() else ""
            found.append(_sentence(table.isel(quantity=at), page_size) + caution)
        return found

    @property
    def text(self) -> str:
        """All of it, one line each."""
        head = _("{changed} against {baseline}; {source}").format(
            changed=self.names[1], baseline=self.names[0], source=self.known.source
        )
        return "\n".join([head, *self.sentences])


def what_if(
    run: xr.DataTree,
    *,
    sysctls: Sysctls | Mapping[str, Any] | None = None,
    kernel: str | None = None,
    policy: str = "none",
    demand: str | None = None,
    machine: Sysctls | None = None,
    seeds: int = 3,
    costs: CostModel | None = None,
    progress: bool | Report = False,
    cancel: threading.Event | None = None,
) -> Prediction | None:
    """Predict what other settings would have made of a recorded machine.

    The zones of the recording's first page map are simulated twice, once as the machine was and once with what
    is changed, under the same demand and several seeds. Where the recording tells what the demand led to, the
    prediction of that is judged at once, by `score` and by the latencies of its requests: this is the known
    error. Else it is that of the recordings that `python -m benchmarks.fidelity --write` looked at.

    Parameters
    ----------
    run
        A run with page maps.
    sysctls
        Settings of the changed side: all of them, or a mapping of those that change.
    kernel
        Whose rules the changed side follows: a name in `presets.KERNELS`.
    policy
        What is done beforehand on the changed side: a name in `POLICIES`.
    demand
        A name in `DEMANDS`; what the recording is of, if not given.
    machine
        Settings that the machine had; the kernel's defaults if not given.
    seeds
        How many runs on each side.
    costs
        What steps cost.
    progress, cancel
        As for `simulate`.

    Returns
    -------
        Runs of both sides, their comparison, and the known error; None if cancelled.

    Raises
    ------
    ValueError
        If the run has no page map, nothing is changed, or there is no such setting, kernel, policy or demand.

    Examples
    --------
    >>> from compactlab.simulation.starts import started
    >>> made = compact_zone(started(Zone("64 MiB"), "punched"))
    >>> told = what_if(made, demand="faults", sysctls={"transparent_hugepage_defrag": "never"}, seeds=1)
    >>> told.names[1], float(told.table.changed.sel(quantity="success_share"))
    ('transparent_hugepage_defrag never', 0.0)
    """
    demand = kind_of(run) if demand is None else demand
    one_of("demand", demand, tuple(DEMANDS))
    one_of("policy", policy, tuple(POLICIES))
    if seeds < 1:
        raise ValueError(f"what_if: seeds={seeds}; expected at least 1")
    before = machine or Sysctls()
    after = _changed(before, sysctls)
    zones = [with_sysctls(zone, before) for zone in zones_of(run)]
    others = [dataclasses.replace(with_sysctls(zone, after), kernel=kernel or zone.kernel) for zone in zones]
    name = _name(before, after, zones[0].kernel, kernel, policy)
    work = [(zones, "none", seed) for seed in range(seeds)] + [
        (others, policy, seed) for seed in range(seeds)
    ]
    done: list[xr.DataTree] = []
    with reporting(progress, "what if") as report:
        for at, (each, first, seed) in enumerate(work):
            step = functools.partial(_step, report, at, len(work), _("as recorded") if at < seeds else name)
            done.append(predict(run, each, demand, first, seed, costs, step, cancel))
            if cancel is not None and cancel.is_set():
                return None
    names = (_("as recorded"), name)
    for prediction, told in zip(done, [names[0]] * seeds + [names[1]] * seeds, strict=True):
        prediction.attrs["name"] = told
    sides = (done[:seeds], done[seeds:])
    known = _measured(demand, sides[0], run) or known_error(demand)
    return Prediction(demand, names, *sides, compare(*sides, names=names), known)


def _step(report: Report, at: int, of: int, name: str, told: Progress) -> None:
    """Progress of one run as progress of all."""
    share = (at + (told.done or 0.0)) / of
    report(dataclasses.replace(told, done=share, phase=f"{name}: {told.phase}"))


def kind_of(run: xr.DataTree) -> str:
    """What a recording is of: huge page faults, manual compaction, or nothing that anybody asked for.

    >>> import compactlab
    >>> kind_of(compactlab.datasets.load("page-map-direct"))
    'faults'
    """
    if "allocations" in run.children:
        return "faults"
    roles = run["events"].role.values if "events" in run.children else np.array(["manual"])
    return "manual" if "manual" in roles else "idle"


def zones_of(run: xr.DataTree) -> list[Zone]:
    """Zones of a run's first page map that have pages."""
    if "zoneinfo" not in run.children:
        return [Zone.from_pages(run, keyframe=_first_map(run))]
    info = run["zoneinfo"].to_dataset()
    labels = info.zone.values[(info.managed_pages.max("time") > 0).values].tolist()
    return [Zone.from_pages(run, zone=label, keyframe=_first_map(run)) for label in labels]


def _first_map(run: xr.DataTree) -> str:
    if "pages" not in run.children:
        return "before"  # `Zone.from_pages` says what is missing
    return str(run["pages"].to_dataset()["name"].values[0])


def predict(
    run: xr.DataTree,
    zones: list[Zone],
    demand: str,
    policy: str = "none",
    seed: int = 0,
    costs: CostModel | None = None,
    progress: bool | Report = False,
    cancel: threading.Event | None = None,
) -> xr.DataTree:
    """Simulate a demand on the zones of a recording, its faults as many and as far apart as recorded."""
    if demand == "manual" and policy == "none":
        return compact_zone(
            zones,
            cpu=_cpu(run),
            costs=costs,
            seed=seed,
            frames=16,
            events=_EVENTS,
            progress=progress,
            cancel=cancel,
        )
    return simulate(
        zones,
        _workload(run, demand, policy),
        costs=costs,
        seed=seed,
        samples=200,
        frames=0,  # of 24 GiB each takes longer than what happens between two
        keyframes=False,
        events=_EVENTS,
        progress=progress,
        cancel=cancel,
    )


def _cpu(run: xr.DataTree) -> int:
    """CPU that the recorded compaction ran on: its per-CPU lists take the pages it frees."""
    if "events" not in run.children or "cpu" not in run["events"]:
        return 0
    events = run["events"].to_dataset()
    cpus = events.cpu.values[events.role.values == "manual"]
    return int(np.bincount(cpus[cpus >= 0]).argmax()) if (cpus >= 0).any() else 0


def _workload(run: xr.DataTree, demand: str, policy: str) -> Workload:
    """The demand, with what is done before it."""
    parts: list[Workload] = []
    if policy == "compact first":
        parts.append(workloads.compact_memory(every_ns=0))
    elif policy == "wait first":
        parts.append(workloads.idle(seconds=_SECONDS))
    if demand == "faults":
        parts.append(_faults(run))
    elif demand == "manual":
        parts.append(workloads.compact_memory(every_ns=0))
    else:
        parts.append(workloads.idle(seconds=_SECONDS))
    return parts[0] if len(parts) == 1 else workloads.sequence(*parts)


def _faults(run: xr.DataTree) -> Workload:
    """Huge page faults: as recorded, or as many as fit into half of what is free."""
    if "allocations" not in run.children:
        free = int(run["zones"].free_pages.values[0].sum()) if "zones" in run.children else 1 << 18
        return workloads.huge_faults(faults=max(1, (free // 2) >> (huge_page_order(run) or 9)))
    served = run["allocations"].to_dataset()
    gaps = np.diff(served.elapsed.values) - served.latency_ns.values[:-1]
    think = max(0, int(np.median(gaps))) if gaps.size else 0
    return workloads.huge_faults(faults=served.sizes["allocation"], think_ns=think)


# --- what is changed ---------------------------------------------------------------------------------------


def _changed(before: Sysctls, sysctls: Sysctls | Mapping[str, Any] | None) -> Sysctls:
    if sysctls is None:
        return before
    if isinstance(sysctls, Sysctls):
        return sysctls
    known = tuple(each.name for each in dataclasses.fields(Sysctls))
    for name in sysctls:
        one_of("setting", name, known)
    return dataclasses.replace(before, **sysctls)


def _name(before: Sysctls, after: Sysctls, had: str, kernel: str | None, policy: str) -> str:
    """What differs, in words."""
    parts = [f"{name} {value}" for name, value in vars(after).items() if value != getattr(before, name)]
    if kernel is not None and kernel != had:
        parts.append(_("kernel {version}").format(version=kernel))
    if policy != "none":
        parts.append(policy)
    if not parts:
        raise ValueError(_("nothing is changed: give a setting, a kernel or a policy that differs"))
    return ", ".join(parts)


# --- known errors --------------------------------------------------------------------------------------------


def _measured(demand: str, predicted: list[xr.DataTree], run: xr.DataTree) -> Known | None:
    """Errors of this very recording's prediction, if it tells what the demand led to."""
    if run.attrs.get("source") != "recording" or demand != kind_of(run):
        return None
    errors = errors_of(demand, predicted, run)
    if not errors:
        return None
    return Known(
        errors, _("known error measured on this recording: what it recorded was predicted, and scored")
    )


def errors_of(demand: str, predicted: list[xr.DataTree], recording: xr.DataTree) -> dict[str, float]:
    """How far predictions of what was recorded are off, as medians of their absolute values.

    Parameters
    ----------
    demand
        A name in `DEMANDS`.
    predicted
        Runs of `predict`, with different seeds.
    recording
        What they predict.

    Returns
    -------
        By quantity of `metrics.summary`: relative, but of indices and shares the difference itself. Empty if
        the recording does not tell.
    """
    found: dict[str, list[float]] = {}
    for prediction in predicted:
        for name, error in (_scored(prediction, recording) | _served(demand, prediction, recording)).items():
            found.setdefault(name, []).append(abs(error))
    medians = {name: float(np.median(errors)) for name, errors in found.items()}
    return {name: error for name, error in medians.items() if not np.isnan(error)}


def _scored(prediction: xr.DataTree, recording: xr.DataTree) -> dict[str, float]:
    try:
        scored = score(prediction, recording)
    except ValueError:  # no compaction on one of the sides: nothing to score
        return {}
    order = huge_page_order(recording)
    told = {name: float(scored[error]) for name, error in _FROM_SCORE.items()}
    return told | {"unusable_last": float(scored.unusable_error.sel(order=order))}


def _served(demand: str, prediction: xr.DataTree, recording: xr.DataTree) -> dict[str, float]:
    """Errors of requests, from the first that compacted on: those before got what others had left free."""
    if demand != "faults" or "allocations" not in recording.children:
        return {}
    real = _requests(recording)
    told = _requests(prediction, real["n"])
    errors = {"success_share": told["success_share"] - real["success_share"]}
    for name in ("latency_p50", "latency_p90", "latency_p99", "compact_stall"):
        if real[name]:
            errors[name] = told[name] / real[name] - 1
    return errors


def _requests(run: xr.DataTree, most: float | None = None) -> dict[str, float]:
    served = run["allocations"].to_dataset()
    first = int(np.argmax(served.compact_stall.values > 0))
    served = served.isel(allocation=slice(first, None if most is None else first + int(most)))
    got = served.latency_ns.values[served.success.values & (served.compact_success.values > 0)]
    p50, p90, p99 = np.quantile(got, (0.5, 0.9, 0.99)).tolist() if got.size else (np.nan,) * 3
    return {
        "n": served.sizes["allocation"],
        "success_share": float(served.success.mean()),
        "latency_p50": p50,
        "latency_p90": p90,
        "latency_p99": p99,
        "compact_stall": float(served.compact_stall.sum()),
    }


def known_error(demand: str) -> Known:
    """Errors known for a kind of recording: three of four recordings were predicted nearer than that.

    >>> 0 < known_error("manual").errors["migrated"] < 1
    True
    """
    table = json.loads(files("compactlab.experiments").joinpath("fidelity.json").read_text("utf-8"))
    found = table["kinds"].get(demand)
    if not found:
        return Known({}, _("no recording of this kind was predicted so far: nobody knows the error"))
    source = _("known error of {n} other recordings of this kind ({date}): three of four were nearer").format(
        n=found["recordings"], date=table["date"]
    )
    return Known(found["errors"], source)


def _sentence(row: xr.Dataset, page_size: int | str) -> str:
    """One difference with its known error."""
    name, label = str(row["quantity"].item()), str(row["label"].item())
    first, second = (quantity(name, float(row[side].item()), page_size) for side in ("baseline", "changed"))
    change, error = float(row["change"].item()), float(row["known_error"].item())
    shown = (
        f"{change:+.3f}".replace("-", "−")
        if name in _ABSOLUTE
        else relative(change)
        if np.isfinite(change)
        else ""
    )
    if float(row["difference"].item()) == 0:
        return _("{label}: {first} on both sides.").format(label=label, first=first)
    told = _("{label}: {first} as recorded, {second} predicted").format(
        label=label, first=first, second=second
    )
    if shown:
        told += f" ({shown})"
    if np.isnan(error):
        return told + _("; how far the model is off here is not known.")
    off = f"{error:.3f}" if name in _ABSOLUTE else relative(error).removeprefix("+").removeprefix("±")
    if bool(row["beyond"].item()):
        return told + _("; the model is off by {error}.").format(error=off)
    return told + _(": less than the model is off by ({error}), so this tells nothing.").format(error=off)
