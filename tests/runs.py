"""Small runs made by hand, for tests."""

from __future__ import annotations

import numpy as np
import xarray as xr

from compactlab import schema

SECOND = 1_000_000_000


def _clock(elapsed: np.ndarray) -> dict:
    return {"time": elapsed, "elapsed": ("time", elapsed)}


def zones(nr_free, names=("Normal",), nodes=None, elapsed=None, present=None) -> xr.Dataset:
    """Group `zones` from free blocks (time, zone, order), one snapshot a second."""
    counts = np.asarray(nr_free, np.int64)
    elapsed = np.arange(len(counts)) * SECOND if elapsed is None else np.asarray(elapsed, np.int64)
    present = np.ones(counts.shape, bool) if present is None else np.asarray(present)
    orders = np.arange(counts.shape[2])
    variables = {
        "nr_free": (("time", "zone", "order"), counts),
        "free_pages": (("time", "zone"), (counts << orders).sum(-1)),
        "present": (("time", "zone", "order"), present),
        "flags": (("time", "zone"), np.zeros(counts.shape[:2], np.uint8)),
    }
    labels = schema.zone_labels(list(nodes or [0] * len(names)), list(names))
    return xr.Dataset(variables, {**_clock(elapsed), "order": orders, **labels})


def zoneinfo(marks, names=("Normal",), elapsed=(0,), **variables) -> xr.Dataset:
    """Group `zoneinfo` from marks (zone, [min, low, high]); others (zone, ...), constant in time."""
    elapsed = np.asarray(elapsed, np.int64)
    more = {"pcp_count": ("cpu",), "lowmem_reserve": ("classzone",)}

    def at_all_times(values):
        return np.repeat(np.asarray(values, np.int64)[None], len(elapsed), axis=0)

    data = {
        "watermark": (("time", "zone", "mark"), at_all_times(marks)),
        "present": (("time", "zone"), np.ones((len(elapsed), len(names)), bool)),
    }
    for name, values in variables.items():
        if name == "zone_idx":
            data[name] = ("zone", np.asarray(values, np.int64))
        else:
            data[name] = (("time", "zone", *more.get(name, ())), at_all_times(values))
    labels = schema.zone_labels([0] * len(names), list(names))
    return xr.Dataset(data, {**_clock(elapsed), "mark": np.array(["min", "low", "high"], object), **labels})


def migratetypes(nr_free: dict, names=("Normal",), elapsed=None, **variables) -> xr.Dataset:
    """Group `migratetypes` from free blocks (time, zone, order) of each type."""
    counts = np.stack([np.asarray(blocks, np.int64) for blocks in nr_free.values()], axis=2)
    elapsed = np.arange(len(counts)) * SECOND if elapsed is None else np.asarray(elapsed, np.int64)
    data = {
        "nr_free": (("time", "zone", "migratetype", "order"), counts),
        "censored": (("time", "zone", "migratetype", "order"), np.zeros(counts.shape, bool)),
        "present": (("time", "zone", "migratetype"), np.ones(counts.shape[:3], bool)),
    }
    data |= {
        name: (("time", "zone", "migratetype"), np.asarray(values)) for name, values in variables.items()
    }
    labels = schema.zone_labels([0] * len(names), list(names))
    types = {"migratetype": np.array(list(nr_free), object), "order": np.arange(counts.shape[3])}
    return xr.Dataset(data, {**_clock(elapsed), **types, **labels})


def counters(values: dict, elapsed=None) -> xr.Dataset:
    """Group `counters`; None: not listed."""
    table = np.array([[0 if value is None else value for value in column] for column in values.values()]).T
    present = np.array([[value is not None for value in column] for column in values.values()]).T
    elapsed = np.arange(len(table)) * SECOND if elapsed is None else np.asarray(elapsed, np.int64)
    data = {"value": (("time", "counter"), table), "present": (("time", "counter"), present)}
    return xr.Dataset(data, {**_clock(elapsed), "counter": np.array(list(values), object)})


def events(rows: list[dict]) -> xr.Dataset:
    """Group `events` from rows with `elapsed`, `name` and other fields of the schema."""
    data = {}
    for field in dict.fromkeys(name for row in rows for name in row):
        declared = schema.GROUPS["events"][field]
        values = [row.get(field, declared.missing) for row in rows]
        data[field] = ("event", np.array(values, object if declared.dtype == "O" else np.int64))
    return xr.Dataset(data | {"time": data["elapsed"]})
