"""Runs on common axes: values of every run at the same moments since its start, or shares of its length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..metrics import compaction_work, unusable_index
from ..metrics.comparison import Side
from ..metrics.parts import span_of
from ..metrics.source import find_zone, group, sample_at
from ..metrics.summary import whole_log
from .timeline import WIDTH, phases_of

LARGEST = "largest"
"""Name of the zone of each run that is compared where the runs have none in common."""


@dataclass(frozen=True)
class Axis:
    """One way to lay runs beside each other, on positions from 0 to 1000.

    ``seconds``: elapsed seconds since the start at each position, for axes on which they are the same for
    all sides, else None; ``edges``: position and name of the phases.
    """

    key: str
    positions: np.ndarray
    seconds: np.ndarray | None
    edges: list[tuple[float, str]]


def axes_of(sides: Sequence[Side], bins: int) -> list[Axis]:
    """Find the axes these runs can share: elapsed time, share of the run, and phases all of them have."""
    at = np.linspace(0, WIDTH, bins)
    longest = max(1, *(end - start for side in sides for start, end in map(span_of, side.runs)))
    axes = [
        Axis("elapsed", at, at / WIDTH * longest / 1e9, []),
        Axis("share", at, None, []),
    ]
    names = [[name for _start, _end, name in phases_of(run)] for side in sides for run in side.runs]
    if len(names[0]) > 1 and all(other == names[0] for other in names):
        width = WIDTH / len(names[0])
        axes.append(Axis("phase", at, None, [(k * width, name) for k, name in enumerate(names[0])]))
    return axes


def moments_of(run: xr.DataTree, axis: Axis) -> tuple[np.ndarray, np.ndarray]:
    """Moments of a run at the positions of an axis (ns), and which of them lie within the run."""
    start, end = span_of(run)
    if axis.seconds is not None:
        moments = start + np.rint(axis.seconds * 1e9).astype(np.int64)
    elif axis.edges:
        begins = [int(begin * 1e9) for begin, _end, _name in phases_of(run)]
        ends = [*begins[1:], int(phases_of(run)[-1][1] * 1e9)]
        edges = np.maximum.accumulate([*begins, ends[-1]])
        places = [*(position for position, _name in axis.edges), WIDTH]
        moments = np.rint(np.interp(axis.positions, places, edges)).astype(np.int64)
    else:
        moments = start + np.rint(axis.positions / WIDTH * (end - start)).astype(np.int64)
    # Rounding must not push the last position out of the run.
    return moments, moments <= end + (end - start) // 1_000_000 + 1


def zones_of(sides: Sequence[Side]) -> list[str]:
    """Zones that all runs with free lists have, else `LARGEST`; none if no run has free lists."""
    listed = [run["zones"].zone.values.tolist() for side in sides for run in side.runs if group(run, "zones") is not None]  # fmt: skip
    if not listed:
        return []
    common = [str(zone) for zone in listed[0] if all(zone in other for other in listed[1:])]
    return common or [LARGEST]


def columns_of(sides: Sequence[Side], axis: Axis, zones: list[str], orders: int) -> dict[str, np.ndarray]:
    """What is drawn of all sides on one axis.

    Parameters
    ----------
    sides
        What is compared.
    axis
        Where.
    zones
        As of `zones_of`.
    orders
        Number of orders.

    Returns
    -------
        float32 arrays by ``quantity side band``, such as ``index 0 mid``: ``index`` (zone, order, position)
        the unusable index; ``usable`` likewise, free pages in blocks of the order or larger; ``free`` (zone,
        position) pages; ``moved`` (position) pages since the start; ``t`` (position) seconds since the
        start of the side's first run; each flattened. The bands ``low`` and
        ``high`` are there for sides of several runs. NaN: not told, or after the side's last run has ended.
    """
    out: dict[str, np.ndarray] = {}
    for at, side in enumerate(sides):
        told: dict[str, list[np.ndarray]] = {}
        inside = np.zeros(axis.positions.size, bool)
        moments, _within = moments_of(side.runs[0], axis)
        out[f"t {at} mid"] = ((moments - span_of(side.runs[0])[0]) / 1e9).astype(np.float32)
        for run in side.runs:
            moments, within = moments_of(run, axis)
            inside |= within
            for name, values in _values(run, moments, zones, orders).items():
                told.setdefault(name, []).append(values)
        for name, runs in told.items():
            stacked = np.where(inside, np.stack(runs), np.nan)
            out |= {
                f"{name} {at} {band}": values.astype(np.float32).ravel()
                for band, values in _bands(stacked).items()
            }
    return out


def _bands(stacked: np.ndarray) -> dict[str, np.ndarray]:
    if len(stacked) == 1:
        return {"mid": stacked[0]}
    return {"mid": np.median(stacked, 0), "low": stacked.min(0), "high": stacked.max(0)}


def _values(run: xr.DataTree, moments: np.ndarray, zones: list[str], orders: int) -> dict[str, np.ndarray]:
    """Of one run at moments; after its end its last values stay."""
    out: dict[str, np.ndarray] = {}
    recorded = group(run, "zones")
    if recorded is not None and zones:
        labels = [find_zone(run, None)] if zones == [LARGEST] else zones
        known = recorded.zone.values.tolist()
        rows = sample_at(recorded.elapsed.values, moments)
        counts = recorded.nr_free.isel(zone=[known.index(label) for label in labels], time=rows)
        pages = counts.values << np.arange(counts.sizes["order"])
        shape = (len(labels), orders, moments.size)
        index, usable = np.full(shape, np.nan), np.full(shape, np.nan)
        has = min(orders, counts.sizes["order"])
        index[:, :has] = unusable_index(counts).values.transpose(1, 2, 0)[:, :has]
        usable[:, :has] = np.cumsum(pages[..., ::-1], -1)[..., ::-1].transpose(1, 2, 0)[:, :has]
        out = {"index": index, "usable": usable, "free": pages.sum(-1).T}
    told = whole_log(run)
    work = compaction_work(told, np.concatenate([[span_of(run)[0]], moments + 1]))
    if work.attrs["from"] is not None:
        out["moved"] = np.cumsum(work.migrated.values).astype(float)
    return out


def requested(sides: Sequence[Side], order: int) -> int:
    """Order whose requests are looked at: the one chosen if anybody asked for it, else the one most asked for."""
    asked = [run["allocations"].order.values for side in sides for run in side.runs
             if group(run, "allocations") is not None and "order" in run["allocations"]]  # fmt: skip
    known = np.concatenate([np.empty(0, np.int64), *asked])
    known = known[known >= 0]
    if not known.size or order in known:
        return order
    orders, counts = np.unique(known, return_counts=True)
    return int(orders[counts.argmax()])


def latencies(sides: Sequence[Side], order: int, points: int) -> tuple[np.ndarray, list[dict[str, object]]]:
    """Share of the requests of an order that were served within a time.

    Returns
    -------
        Times in ms (position); and of each side its bands as in `columns_of`, its ``requests``, and ``p50``
        and ``p99`` in ns of all its requests together; empty for sides without such requests. The shares end
        at the share that got a block at all.
    """
    found = [[each for run in side.runs if (each := _requests(run, order)) is not None] for side in sides]
    every = [latency for side in found for latency, _success in side]
    if not every:
        return np.empty(0), [{} for _side in sides]
    low, high = min(int(each.min()) for each in every), max(int(each.max()) for each in every)
    widen = 1.02 if high > 4 * low else 2.0  # so that an axis has a round time or two
    at = np.geomspace(max(low, 1) / widen, max(high, 2) * widen, points)
    told: list[dict[str, object]] = []
    for side in found:
        if not side:
            told.append({})
            continue
        shares = np.stack([
            np.searchsorted(np.sort(latency[success]), at, "right") / latency.size for latency, success in side
        ])  # fmt: skip
        together = np.concatenate([latency for latency, _success in side])
        p50, p99 = np.percentile(together, [50, 99], method="inverted_cdf")
        told.append(_bands(shares) | {"requests": together.size, "p50": int(p50), "p99": int(p99)})
    return at / 1e6, told


def _requests(run: xr.DataTree, order: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Latency and success of the requests of one order, or of an unknown one."""
    allocations = group(run, "allocations")
    if allocations is None:
        return None
    if "order" in allocations:
        wanted = np.isin(allocations.order.values, (order, -1))
        allocations = allocations.isel(allocation=np.flatnonzero(wanted))
    if not allocations.sizes["allocation"]:
        return None
    return allocations.latency_ns.values, allocations.success.values
