"""When a server best compacts: stalls avoided against CPU spent, by policy and by hour of the day."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np
import xarray as xr

from .. import texts
from ..metrics import WHO, compaction_runs
from ..metrics.indices import unusable_index
from ..simulation.progress import Report
from ..simulation.workloads import day
from ..simulation.workloads.daily import HOURS, relative_load
from ..simulation.zone import Zone, machine
from ..texts import _
from .curve import curve_of
from .intervals import intervals
from .policies import clock, in_words, policies_of
from .sweep import sweep

POLICIES = ("never", "every 6 h", "above 90 %", "proactive 20")
"""Laid beside the windows, unless others are asked for."""
WINDOWS = tuple(range(0, HOURS, 2))
FEWEST = 4
"""Seeds below which nothing is told apart: any two groups of three fall apart by chance one time in ten."""

_SIGNED = 6  # differences of one sign, from which on these alone tell (one in 32 by chance)
_KEPT = {"samples": 120, "frames": 0, "keyframes": False, "moves": 0}


def schedule(
    zone: Zone | Sequence[Zone] | str = "512 MiB",
    curve: str | Sequence[float] | xr.DataArray | xr.DataTree = "office",
    *,
    policies: Sequence[str] = POLICIES,
    windows: Sequence[float] = WINDOWS,
    seeds: int | Sequence[int] = 5,
    path: str | PathLike[str] | None = None,
    progress: bool | Report = False,
    cancel: threading.Event | None = None,
    workers: int | None = None,
    **of_day: Any,
) -> xr.Dataset:
    """Find out when a server best compacts, for the load it has over a day.

    Each policy is simulated for one day, `workloads.day`, from its largest load to the same hour of the next
    day, once for each seed. A *stall* is a request for a huge page that had to compact or reclaim for itself.
    Policies of one seed meet the same requests, so they are compared in pairs. Two are *told apart* if the
    bootstrapped interval of their difference (95 %, of the median) does not hold 0, and either their seeds'
    values do not overlap or there are 6 seeds or more; with fewer than 4 seeds nothing is.

    Parameters
    ----------
    zone
        The server's memory: its size, a zone, or the zones of a machine.
    curve
        Load over the day: a name in `workloads.CURVES`, numbers for equal parts of a day from midnight on, or
        a run, whose load is taken (`curve_of`).
    policies
        Such as "at 4:00", "every 6 h", "above 90 %", "proactive 20"; "never" is always there.
    windows
        Hours of the day that are tried for one compaction a day; an empty list tries none.
    seeds
        How many days of each policy, or which seeds.
    path, progress, cancel, workers
        As for `sweep`.
    **of_day
        Further parameters of `workloads.day`, such as huge=0.2 or backup=0.

    Returns
    -------
        Dims (policy, seed, hour): `stalls`, `stall_ns` (time in them), `failures` and `requests` of each hour
        from the day's begin on, `compaction_ns` by `who`, `unusable_index` at the hour's begin. Dims (policy,
        bound): `total_stalls`, `total_failures`, `total_stall_ns`, `cpu_ns` (all that compacted, the stalls
        included), `avoided` (stalls that "never" had and this has not, by pairs), each low, median and high.
        `as_good` (policy): not told apart from the fewest stalls. `relative_load` (hour). `attrs["text"]` says which
        window is best, `attrs["best_window"]` names it (empty: none), `attrs["best_policy"]` the one of the
        fewest stalls that costs least.

    Raises
    ------
    ValueError
        If a policy, hour, curve or zone is none.

    Examples
    --------
    >>> told = schedule("64 MiB", policies=["at 4:00"], windows=[], seeds=1)
    >>> told.policy.values.tolist(), bool(told.total_stalls[1, 1] < told.total_stalls[0, 1])
    (['never', 'at 4:00'], True)
    """
    zones = machine(Zone(zone) if isinstance(zone, str) else zone)
    load, curve_text = _load(curve)
    asked = policies_of([*policies, *(f"at {clock(hour)}" for hour in windows)])
    workload = day(curve=curve if isinstance(curve, str) else tuple(load.tolist()), **of_day)
    told = sweep(
        zones,
        workload,
        over={"policy": {name: policy.parameters for name, policy in asked.items()}},
        seeds=seeds,
        measure=measure_day,
        path=path,
        progress=progress,
        cancel=cancel,
        workers=workers,
        **_KEPT,
    )
    hours = (workload.begin + np.arange(HOURS)) % HOURS
    told = told.assign_coords(
        hour=hours,
        kind=("policy", np.array([each.kind for each in asked.values()], object)),
        value=("policy", [float(each.value) for each in asked.values()]),
    ).assign(relative_load=("hour", load[hours]))
    told.attrs |= {
        "zone": ", ".join(each.label for each in zones),
        "pages": sum(each.nr_pages for each in zones),
        "page_size": zones[0].page_size,
        "curve": curve_text,
        "begin": workload.begin,
        "windows": [clock(hour) for hour in windows],
        "points": told.attrs["text"],
    }
    return judged(told)


def _load(curve: Any) -> tuple[np.ndarray, str]:
    """Load of each hour from midnight on, and what it is called."""
    if isinstance(curve, xr.DataTree):
        curve = curve_of(curve)
    text = (
        curve if isinstance(curve, str) else getattr(curve, "attrs", {}).get("text", _("a curve of your own"))
    )
    return relative_load(curve if isinstance(curve, str) else np.asarray(curve, float).tolist()), str(text)


def measure_day(run: xr.DataTree) -> xr.Dataset:
    """Tell a day of `workloads.day` in numbers for each hour from its begin on.

    Parameters
    ----------
    run
        What `simulate` gave.

    Returns
    -------
        `stalls`, `stall_ns`, `failures`, `requests`, `unusable_index` (hour) and `compaction_ns` (who, hour);
        `kcompactd_ns`, and `left_out`: events beyond what was kept, without which times are lower bounds.
    """
    events = run["events"].to_dataset()
    edges = events.elapsed.values[(events.name == "phase").values][1:]
    if edges.size != HOURS:
        raise ValueError(
            f"run {run.attrs.get('name', '')!r}: found {edges.size} hours; expected a whole day of workloads.day"
        )
    asked = run["allocations"].to_dataset() if "allocations" in run.children else None
    found: dict[str, Any] = {
        name: np.zeros(HOURS, np.int64) for name in ("stalls", "stall_ns", "failures", "requests")
    }
    if asked is not None:
        spent = asked.scan_ns + asked.migrate_ns + asked.wait_ns + asked.reclaim_ns
        stalled = ((asked.compact_stall > 0) | (asked.reclaim_ns > 0)).values
        at = np.searchsorted(edges, asked.elapsed.values, side="right") - 1
        for name, weights in (
            ("stalls", stalled), ("stall_ns", spent.values * stalled), ("failures", ~asked.success.values), ("requests", np.ones(at.size)),
        ):  # fmt: skip
            found[name] = np.bincount(at[at >= 0], weights[at >= 0], HOURS).astype(np.int64)
    runs = compaction_runs(run)
    work = np.zeros((len(WHO), HOURS), np.int64)
    if runs.sizes["run"] and runs.attrs["from"] == "events":
        at = np.searchsorted(edges, runs.start.values, side="right") - 1
        who = np.array([WHO.index(each) for each in runs.who.values])
        np.add.at(work, (who[at >= 0], at[at >= 0]), (runs.end - runs.start).values[at >= 0])
    zones = run["zones"].to_dataset()
    biggest = int(zones.free_pages.max("time").values.argmax())
    index = unusable_index(run).isel(zone=biggest).sel(order=run.attrs["pageblock_order"])
    sample = np.clip(np.searchsorted(zones.elapsed.values, edges, side="right") - 1, 0, None)
    meanings = {
        "stalls": ("requests", _("Requests for huge pages that had to compact or reclaim for themselves.")),
        "stall_ns": ("ns", _("Time they spent on that.")),
        "failures": ("requests", _("Requests for huge pages that got small ones.")),
        "requests": ("requests", _("Requests for huge pages.")),
    }
    return xr.Dataset(
        {
            **{name: ("hour", found[name], {"unit": unit, "meaning": text}) for name, (unit, text) in meanings.items()},
            "compaction_ns": (("who", "hour"), work, {"unit": "ns", "meaning": _("Time that compaction took.")}),
            "unusable_index": ("hour", index.values[sample], {"unit": "1", "meaning": _("Share of free memory in blocks too small for a huge page, at the hour's begin.")}),
            "left_out": ((), run.attrs["budgets"]["events"]["left_out"], {"unit": "events", "meaning": _("Events that were not kept.")}),
        },
        {"who": list(WHO)},
    )  # fmt: skip


def judged(told: xr.Dataset) -> xr.Dataset:
    """Add totals with their intervals, which policies are as good as the best, and what that means."""
    if "stalls" not in told:
        return told.assign_attrs(
            level="warn", text=_("Nothing was simulated to its end."), best_window="", best_policy=""
        )
    sums = {
        "total_stalls": told.stalls.sum("hour", skipna=False),
        "total_failures": told.failures.sum("hour", skipna=False),
        "total_stall_ns": told.stall_ns.sum("hour", skipna=False),
        "cpu_ns": told.compaction_ns.sum(("hour", "who"), skipna=False),
    }
    sums["avoided"] = sums["total_stalls"].sel(policy="never", drop=True) - sums["total_stalls"]
    for name, like in (("total_stalls", "stalls"), ("total_failures", "failures"), ("total_stall_ns", "stall_ns"), ("cpu_ns", "compaction_ns"), ("avoided", "stalls")):  # fmt: skip
        sums[name].attrs["unit"] = told[like].attrs.get("unit", "")
    told = told.assign({name: intervals(each).transpose("policy", "bound") for name, each in sums.items()})
    stalls, cpu = sums["total_stalls"].transpose("policy", "seed").values, told.cpu_ns.values[:, 1]
    best = _fewest(told.total_stalls.values[:, 1], cpu)
    as_good = np.array([each >= 0 and not apart(stalls[each], stalls[best]) for each in range(len(stalls))])
    as_good &= ~np.isnan(told.total_stalls.values[:, 1])
    told["as_good"] = ("policy", as_good)
    return told.assign_attrs(_Judge(told, stalls, best).attrs())


def _fewest(stalls: np.ndarray, cpu: np.ndarray, among: np.ndarray | None = None) -> int:
    """Which has the fewest stalls, and of those that have as many, which costs least."""
    among = np.arange(stalls.size) if among is None else among
    key = np.column_stack([np.nan_to_num(stalls, nan=np.inf), np.nan_to_num(cpu, nan=np.inf)])[among]
    return int(among[np.lexsort((key[:, 1], key[:, 0]))[0]])


def apart(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether the values of two policies, pair by pair of one seed, can be told apart; `schedule` says how.

    >>> apart(np.array([9, 8, 9, 7.0]), np.array([1, 2, 1, 3.0])), apart(np.array([9, 8, 1]), np.array([1, 2, 9.0]))
    (True, False)
    """
    both = ~(np.isnan(one) | np.isnan(other))
    one, other = one[both], other[both]
    if one.size < FEWEST:
        return False
    low, _median, high = intervals(xr.DataArray(one - other, dims="seed")).values
    separate = one.min() > other.max() or one.max() < other.min()
    return bool((low > 0 or high < 0) and (separate or one.size >= _SIGNED))


class _Judge:
    """Puts into words what the totals tell."""

    def __init__(self, told: xr.Dataset, stalls: np.ndarray, best: int) -> None:
        self.told, self.stalls, self.best = told, stalls, best
        self.names = [str(name) for name in told.policy.values]
        self.cpu = told.cpu_ns.values[:, 1]
        self.never = told.total_stalls.values[0]
        hours = {f"at {hour}" for hour in told.attrs["windows"]}
        self.windows = [
            at
            for at, name in enumerate(self.names)
            if name in hours and not np.isnan(told.total_stalls.values[at, 1])
        ]

    def attrs(self) -> dict[str, Any]:
        """Level, sentence, and the names of the best."""
        found = {"level": "warn", "best_window": "", "best_policy": ""}
        pairs = int((~np.isnan(self.stalls[self.best] - self.stalls[0])).sum())
        if np.isnan(self.never[1]):
            text = _("Days without compaction are missing, so nothing can be compared.")
        elif pairs < FEWEST:
            text = _(
                "{count} days of each policy are too few to tell anything apart; ask for seeds={fewest} or more."
            )
            text = text.format(count=pairs, fewest=FEWEST + 1)
        elif not self.never[1]:
            text = _(
                "No request stalls on this day if nobody compacts: compaction by plan has nothing to avoid."
            )
            found |= {"level": "ok", "best_policy": "never"}
        elif not self._helps(self.best):
            text = _("No policy can be told from never compacting: {stalls} requests a day stall either way.")
            text = text.format(stalls=_range(self.never))
            found |= {"best_policy": "never"}
        else:
            text = self._of_best(found)
        missing = self.told.attrs["missing"]
        if missing:
            text += " " + _("{count} days are missing.").format(count=missing)
            found["level"] = "warn"
        return found | {"text": text}

    def _helps(self, policy: int) -> bool:
        """Whether it has fewer stalls than never compacting."""
        fewer = self.told.avoided.values[policy, 1] > 0
        return bool(fewer and apart(self.stalls[policy], self.stalls[0]))

    def _of_best(self, found: dict[str, Any]) -> str:
        sentences = []
        cheapest = _fewest(np.zeros(len(self.names)), self.cpu, np.flatnonzero(self.told.as_good.values))
        found |= {"level": "ok", "best_policy": self.names[cheapest]}
        if self.windows:
            window = _fewest(self.told.total_stalls.values[:, 1], self.cpu, np.array(self.windows))
            like = [at for at in self.windows if not apart(self.stalls[at], self.stalls[window])]
            if not self._helps(window):
                sentences.append(_("No hour for one compaction a day can be told from never compacting."))
            elif len(like) == len(self.windows) > 1:
                sentences.append(self._of_no_window(window))
            else:
                found["best_window"] = self.names[window].removeprefix("at ")
                sentences.append(self._of_window(window, like))
        if cheapest not in self.windows or self.names[cheapest] != f"at {found['best_window']}":
            sentences.append(self._of_policy(cheapest))
        return " ".join(sentences)

    def _of_no_window(self, window: int) -> str:
        text = _("Once a day avoids {avoided} of {never} stalls, but no hour can be told from another.")
        return text.format(avoided=_range(self.told.avoided.values[window]), never=texts.count(self.never[1]))

    def _of_window(self, window: int, like: list[int]) -> str:
        """What the best hour does, and which hours do as well."""
        text = _(
            "Compact at {hour}: that avoids {avoided} of {never} stalls a day, for {cpu} of compaction instead of {before}."
        ).format(
            hour=self.names[window].removeprefix("at "),
            avoided=_range(self.told.avoided.values[window]),
            never=texts.count(self.never[1]),
            cpu=texts.duration(self.cpu[window]),
            before=texts.duration(self.cpu[0]),
        )
        if len(like) == 1:
            return text
        as_well = _("As far as {count} days tell, {hours} does as well.")
        return f"{text} " + as_well.format(count=self.told.sizes["seed"], hours=self._hours(window, like))

    def _hours(self, window: int, like: list[int]) -> str:
        """Hours in words: those around the best as a span, others one by one."""
        hours = [self.names[each].removeprefix("at ") for each in self.windows]
        is_like = [each in like for each in self.windows]
        first = last = self.windows.index(window)
        while is_like[first - 1] and (first - 1 - last) % len(hours):
            first -= 1
        while is_like[(last + 1) % len(hours)] and (last + 1 - first) % len(hours):
            last += 1
        around = {at % len(hours) for at in range(first, last + 1)}
        told = [_("any hour from {first} to {last}").format(first=hours[first], last=hours[last % len(hours)])] if last > first else []  # fmt: skip
        told += [hour for at, hour in enumerate(hours) if is_like[at] and at not in around]
        return _(" and ").join([", ".join(told[:-1]), told[-1]] if len(told) > 1 else told)

    def _of_policy(self, policy: int) -> str:
        """Of the policies with the fewest stalls, the one that costs least."""
        text = _(
            "Of all policies with the fewest stalls, “{name}” costs least: {stalls} stalls, {cpu} of compaction."
        )
        return text.format(
            name=in_words(self.names[policy]),
            stalls=_range(self.told.total_stalls.values[policy]),
            cpu=texts.duration(self.cpu[policy]),
        )


def _range(bounds: np.ndarray) -> str:
    """Median with its interval.

    >>> _range(np.array([120.0, 148, 163])), _range(np.array([3.0, 3, 3]))
    ('148 (120 to 163)', '3')
    """
    low, median, high = bounds
    text = texts.count(median)
    if np.isnan(low) or low == high:
        return text
    return _("{median} ({low} to {high})").format(median=text, low=texts.count(low), high=texts.count(high))
