"""What became of a run, in single numbers: requests, latency, work of compaction, fragmentation."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from ..schema import NO_INTEGER, pageblock_order
from ..texts import N_, _
from .compaction import compaction_runs, compaction_work
from .fragmentation import fragmentation_score
from .indices import unusable_index
from .parts import span_of
from .source import find_zone, group, huge_page_order

_EVER = np.array([0, np.iinfo(np.int64).max])
_PERCENTILES = (50, 90, 99)
_KSWAPD = ("mm_vmscan_kswapd_wake", "mm_vmscan_kswapd_sleep")


class Quantity(NamedTuple):
    """What a number of a summary means."""

    label: str
    unit: str
    better: str  # "lower", "higher", or "" where neither is
    meaning: str

    def translated(self) -> Quantity:
        """The same in the language chosen now."""
        return self._replace(label=_(self.label), meaning=_(self.meaning))


QUANTITIES: dict[str, Quantity] = {
    "requests": Quantity(N_("requests"), "requests", "", N_("Requests of the order.")),
    "failures": Quantity(N_("failed requests"), "requests", "lower", N_("Requests of the order that got no block.")),
    "success_share": Quantity(N_("share served"), "1", "higher", N_("Share of the requests of the order that got a block.")),
    "latency_p50": Quantity(N_("median latency"), "ns", "lower", N_("Half of the requests took no longer.")),
    "latency_p90": Quantity(N_("p90 latency"), "ns", "lower", N_("90 % of the requests took no longer.")),
    "latency_p99": Quantity(N_("p99 latency"), "ns", "lower", N_("99 % of the requests took no longer.")),
    "latency_mean": Quantity(N_("mean latency"), "ns", "lower", N_("Mean time a request took.")),
    "latency_total": Quantity(N_("time spent in requests"), "ns", "lower", N_("Time that all requests of the order took together.")),
    "compact_stall": Quantity(N_("direct compactions"), "runs", "lower", N_("Requests that compacted for themselves (compact_stall).")),
    "compact_success": Quantity(N_("direct compactions that helped"), "runs", "", N_("Direct compactions that gave the block (compact_success).")),
    "compact_fail": Quantity(N_("direct compactions that failed"), "runs", "lower", N_("Direct compactions that did not give the block (compact_fail).")),
    "allocstall": Quantity(N_("direct reclaims"), "runs", "lower", N_("Requests that reclaimed for themselves (allocstall).")),
    "migrated": Quantity(N_("pages moved"), "pages", "lower", N_("Pages moved, by compaction where events tell, for any reason where only counters do.")),
    "migrate_scanned": Quantity(N_("pages scanned, migrate scanner"), "pages", "lower", N_("Page frames the migrate scanner passed.")),
    "free_scanned": Quantity(N_("pages scanned, free scanner"), "pages", "lower", N_("Page frames the free scanner passed.")),
    "scan_efficiency": Quantity(N_("pages moved per page scanned"), "1", "higher", N_("Pages moved per page frame that the migrate scanner passed.")),
    "compaction_runs": Quantity(N_("compactions"), "runs", "", N_("Compactions of zones, by whom ever.")),
    "compaction_time": Quantity(N_("time in compaction"), "ns", "lower", N_("Sum of the durations of all compactions.")),
    "cpu_direct": Quantity(N_("direct compaction time"), "ns", "lower", N_("Time that requests compacted for themselves.")),
    "cpu_kcompactd": Quantity(N_("CPU time of kcompactd"), "ns", "lower", N_("CPU time of kcompactd; in a recording the time it compacted.")),
    "cpu_kswapd": Quantity(N_("CPU time of kswapd"), "ns", "lower", N_("CPU time of kswapd; in a recording the time it was awake.")),
    "unusable_first": Quantity(N_("unusable index at the start"), "1", "", N_("Share of free memory in blocks too small for the order, at the first sample; 1: none free.")),
    "unusable_last": Quantity(N_("unusable index at the end"), "1", "lower", N_("The same at the last sample.")),
    "unusable_mean": Quantity(N_("mean unusable index"), "1", "lower", N_("Mean of the index over time.")),
    "free_last": Quantity(N_("free memory at the end"), "pages", "", N_("Free pages of the zone at the last sample, without per-CPU lists.")),
    "usable_last": Quantity(N_("usable free memory at the end"), "pages", "higher", N_("Free pages in blocks of the order and larger, at the last sample.")),
    "fragmentation_score_first": Quantity(N_("fragmentation score at the start"), "percent", "", N_("Score of the zone that proactive compaction looks at, at the first sample.")),
    "fragmentation_score_last": Quantity(N_("fragmentation score at the end"), "percent", "lower", N_("The same at the last sample.")),
    "extfrag_events": Quantity(N_("fragmenting fallbacks"), "events", "lower", N_("Blocks smaller than a pageblock taken from another migratetype.")),
    "oom_kills": Quantity(N_("out-of-memory kills"), "kills", "lower", N_("Processes killed for lack of memory (oom_kill).")),
    "duration": Quantity(N_("length of the run"), "ns", "", N_("From the begin of the run, or of the part it was cut to, to its end.")),
}  # fmt: skip
"""All that a summary may tell, in the order of its tables."""


def summary(run: xr.DataTree, zone: str | None = None, order: int | None = None) -> xr.Dataset:
    """Tell in single numbers how a run went.

    Work and counters are of all zones, free memory and indices of one. Nothing is assumed: what the run does
    not tell is not there. To look at one phase, or at the compaction alone, cut the run with `part` first.

    Parameters
    ----------
    run
        Recording or simulation.
    zone
        Zone such as "Normal" or "0/Normal"; the largest if not given.
    order
        Requested order; of a huge page if not given.

    Returns
    -------
        Variables without dimensions, of those in `QUANTITIES`; each has the attributes `unit`, `meaning`,
        `label` and `better`: which way is better, "lower", "higher" or "". `attrs`: zone, order, page_size
        and the run's name, source and seed.

    Raises
    ------
    ValueError
        If there is no such zone or order.

    Examples
    --------
    >>> import compactlab as cl
    >>> told = summary(cl.datasets.load("direct-compaction"))
    >>> int(told.requests), int(told.failures)
    (512, 0)
    """
    order = huge_page_order(run) if order is None else order
    found: dict[str, Any] = {}
    label = find_zone(run, zone) if "zones" in run.children else ""
    for tell in (_requests, _counted, _worked, _ran, _times):
        found |= tell(run, order)
    if label:
        found |= _fragmentation(run, label, order)
    known = {name: found[name] for name in QUANTITIES if found.get(name) is not None}
    variables = {
        name: ((), np.array(value), QUANTITIES[name].translated()._asdict())
        for name, value in known.items()
    }  # fmt: skip
    told = {each: run.attrs[each] for each in ("name", "source", "seed", "page_size") if each in run.attrs}
    return xr.Dataset(variables, attrs={"zone": label, "order": order, **told})


def _requests(run: xr.DataTree, order: int) -> dict[str, Any]:
    allocations = group(run, "allocations")
    if allocations is None:
        return {}
    if "order" in allocations:
        allocations = allocations.isel(
            allocation=np.flatnonzero(np.isin(allocations.order.values, (order, -1)))
        )
    latency, success = allocations.latency_ns.values, allocations.success.values
    if not latency.size:
        return {"requests": 0, "failures": 0}
    ranked = np.percentile(latency, _PERCENTILES, method="inverted_cdf")
    return {
        "requests": latency.size,
        "failures": int((~success).sum()),
        "success_share": float(success.mean()),
        **{f"latency_p{q}": int(value) for q, value in zip(_PERCENTILES, ranked, strict=True)},
        "latency_mean": float(latency.mean()),
        "latency_total": int(latency.sum()),
    }


def _counted(run: xr.DataTree, order: int) -> dict[str, Any]:
    """Rises of counters from the first sample to the last; `order` plays no part."""
    del order
    counters = group(run, "counters")
    if counters is None or counters.sizes["time"] < 2:
        return {}
    total = _rises(counters)
    stalls = [n for name, n in total.items() if name == "allocstall" or name.startswith("allocstall_")]
    return {
        **{name: total.get(name) for name in ("compact_stall", "compact_success", "compact_fail")},
        "allocstall": sum(stalls) if stalls else None,
        "oom_kills": total.get("oom_kill"),
    }


def _rises(counters: xr.Dataset) -> dict[str, int]:
    """How much each counter rose between samples that list it; resets are passed over."""
    out = {}
    for at, name in enumerate(counters.counter.values.tolist()):
        listed = counters.value.values[counters.present.values[:, at], at]
        if listed.size > 1:
            out[str(name)] = int(np.diff(listed).clip(min=0).sum())
    return out


def _worked(run: xr.DataTree, order: int) -> dict[str, Any]:
    """Pages moved and scanned: by events if the run kept them all, else by counters."""
    del order
    work = compaction_work(whole_log(run), _EVER)
    if work.attrs["from"] is None:
        return {}
    scanned = None if "scanned" in work.attrs["lacks"] else int(work.scanned.sum())
    migrated = int(work.migrated.sum())
    return {
        "migrated": migrated,
        "migrate_scanned": scanned,
        "free_scanned": None if "free_scanned" in work.attrs["lacks"] else int(work.free_scanned.sum()),
        "scan_efficiency": migrated / scanned if scanned else None,
    }


def whole_log(run: xr.DataTree) -> xr.DataTree:
    """The run, without its events if a simulation kept only some of them but has counters."""
    if _left_out(run) and "counters" in run.children:
        return run.filter(lambda node: node.name != "events")
    return run


def _left_out(run: xr.DataTree) -> int:
    """Events beyond the budget of a simulation."""
    return int(run.attrs.get("budgets", {}).get("events", {}).get("left_out", 0))


def _ran(run: xr.DataTree, order: int) -> dict[str, Any]:
    """Who compacted for how long, and what kswapd and kcompactd cost."""
    del order
    out: dict[str, Any] = {}
    runs = compaction_runs(run)
    told = runs.attrs["from"]
    if told != "events" and run.attrs["source"] == "simulation":  # which logs every compaction there is
        runs, told = runs.isel(run=slice(0)), "events"
    if told == "events" and not _left_out(run):
        lasted, who = (runs.end - runs.start).values, runs.who.values
        out["compaction_runs"] = lasted.size
        out["compaction_time"] = int(lasted.sum())
        out["cpu_direct"] = int(lasted[who == "direct"].sum())
        out["cpu_kcompactd"] = int(lasted[np.isin(who, ("kcompactd", "proactive"))].sum())
        out["cpu_kswapd"] = _awake(run)
    threads = group(run, "threads")
    if threads is not None and threads.sizes["time"] > 1:
        spent = threads.cpu_ns.values[-1] - threads.cpu_ns.values[0]
        of = dict(zip(threads.thread.values.tolist(), spent.tolist(), strict=True))
        out |= {f"cpu_{name}": of[name] for name in ("kswapd", "kcompactd") if name in of}
    return out


def _awake(run: xr.DataTree) -> int | None:
    """Time from kswapd_wake to kswapd_sleep; None where the trace has no such events."""
    events = group(run, "events")
    if events is None:
        return None
    told = events.isel(event=np.flatnonzero(np.isin(events["name"].values.astype(str), _KSWAPD)))
    if not told.sizes["event"]:
        return None
    total, since = 0, dict[int, int]()
    nodes = told.node.values.tolist() if "node" in told else [0] * told.sizes["event"]
    for name, node, elapsed in zip(told["name"].values, nodes, told.elapsed.values.tolist(), strict=True):
        if name == _KSWAPD[0]:
            since.setdefault(node, elapsed)
        else:
            total += elapsed - since.pop(node, elapsed)
    return total + sum(int(events.elapsed.values[-1]) - begun for begun in since.values())


def _times(run: xr.DataTree, order: int) -> dict[str, Any]:
    """Fallbacks, which only events tell, and the length of the run."""
    del order
    out: dict[str, Any] = {}
    events = group(run, "events")
    if events is not None and "fallback_order" in events:
        fallback = events.fallback_order.values
        block = pageblock_order(run)
        small = fallback < (huge_page_order(run) if block is None else block)
        out["extfrag_events"] = int((small & (fallback != NO_INTEGER)).sum())
    elif run.attrs["source"] == "simulation" and not _left_out(run):
        out["extfrag_events"] = 0
    start, end = span_of(run)
    return {**out, "duration": end - start} if end > start else out


def _fragmentation(run: xr.DataTree, zone: str, order: int) -> dict[str, Any]:
    zones = group(run, "zones")
    if zones is None:
        return {}
    at = zones.zone.values.tolist().index(zone)
    if not 0 <= order < zones.sizes["order"]:
        raise ValueError(f"order: found {order}; expected 0 to {zones.sizes['order'] - 1}")
    here = zones.isel(zone=at)
    index = unusable_index(here.nr_free).values[:, order]
    listed = np.flatnonzero(here.present.values[:, order])
    if not listed.size:
        return {}
    index, elapsed = index[listed], zones.elapsed.values[listed].clip(*span_of(run))
    last = here.nr_free.values[listed[-1]] << np.arange(zones.sizes["order"])
    score = fragmentation_score(run).zone_score.values[listed, at]
    return {
        "unusable_first": float(index[0]),
        "unusable_last": float(index[-1]),
        "unusable_mean": _mean_over_time(index, elapsed),
        "free_last": int(last.sum()),
        "usable_last": int(last[order:].sum()),
        "fragmentation_score_first": int(score[0]),
        "fragmentation_score_last": int(score[-1]),
    }


def _mean_over_time(values: np.ndarray, elapsed: np.ndarray) -> float:
    """Mean of values that hold until the next sample.

    >>> _mean_over_time(np.array([1.0, 0.0]), np.array([0, 10]))
    1.0
    """
    width = np.diff(elapsed)
    return float(np.average(values[:-1], weights=width)) if width.sum() else float(values[-1])
