"""/proc/zoneinfo: watermarks, sizes and per-CPU lists of every zone, read by key."""

from __future__ import annotations

import numpy as np
import xarray as xr

from compactlab import schema
from compactlab.core import split as kinds
from compactlab.core import text as scan

from .damage import Fault
from .lines import Lines
from .rows import Parsed, place
from .sections import Sections

MARKS = ("min", "low", "high", "promo")
_SIZES = {
    "pages free": "nr_free_pages",
    "boost": "boost",
    "spanned": "spanned_pages",
    "present": "present_pages",
    "managed": "managed_pages",
    "start_pfn:": "start_pfn",
    "nr_free_cma": "nr_free_cma",
    "free_highatomic": "nr_free_highatomic",
    "nr_free_highatomic": "nr_free_highatomic",
}
_PER_CPU = {"count:": "pcp_count", "high:": "pcp_high", "batch:": "pcp_batch"}


def parse(lines: Lines, sections: Sections) -> Parsed | None:
    """Read every zoneinfo section; a key that the kernel does not print is the missing value -1."""
    chosen = sections.of_kind(kinds.ZONEINFO)
    heads = sections.rows(lines, kinds.ZONEINFO, scan.ZONE)
    body = sections.rows(lines, kinds.ZONEINFO, scan.BODY)
    if not heads.size or not body.size:
        return None
    sample, zone, nodes, names = place(lines, sections, chosen, heads)
    shape = (chosen.size, len(names))
    head = np.searchsorted(heads, body) - 1
    faults = _headless(lines, sections, heads, body, head)
    body, head = body[head >= 0], head[head >= 0]
    at = sample[head] * shape[1] + zone[head]  # place in a flat (time, zone)
    key, keys = lines.words(body, scan.NAME)
    number = lines.fields[body, scan.NUMBER]
    lists = {name: key == i for i, name in enumerate(keys)}
    none = np.zeros(key.size, bool)

    watermark = np.full((*shape, len(MARKS)), -1, np.int64)
    for column, name in enumerate(MARKS):
        mine = lists.get(name, none)
        watermark.reshape(-1, len(MARKS))[at[mine], column] = number[mine]
    present = np.zeros(shape, bool)
    present[sample, zone] = True
    dataset = xr.Dataset(
        {"watermark": (("time", "zone", "mark"), watermark), "present": (("time", "zone"), present)},
        schema.zone_labels(nodes, names) | {"mark": np.array(MARKS, object)},
    )
    for name, variable in _SIZES.items():
        if name in lists:
            values = np.full(shape, -1, np.int64)
            values.reshape(-1)[at[lists[name]]] = number[lists[name]]
            dataset[variable] = ("time", "zone"), values
    if "boost" in dataset:  # which the kernel prints as part of each mark (wmark_pages of mmzone.h)
        boosted = (dataset.watermark >= 0) & (dataset.boost > 0)
        dataset["watermark"] = dataset.watermark - dataset.boost.where(boosted, 0).astype(np.int64)
    _add_reserves(lines, dataset, body[lists.get("protection:", none)], at[lists.get("protection:", none)])
    _add_cpus(dataset, lists, head, at, number)
    return Parsed(dataset, chosen, faults)


def _headless(
    lines: Lines, sections: Sections, heads: np.ndarray, body: np.ndarray, head: np.ndarray
) -> list[Fault]:
    """Lines before the first zone of their record."""
    loose = sections.section_of[body] != sections.section_of[heads[np.maximum(head, 0)]]
    return [
        Fault(int(sections.section_of[line]), line, lines.shown(line), "a line 'Node N, zone NAME' before it")
        for line in body[loose | (head < 0)].tolist()
    ]


def _add_reserves(lines: Lines, dataset: xr.Dataset, rows: np.ndarray, at: np.ndarray) -> None:
    """``protection: (0, 2977, ...)``: one number per class zone."""
    if not rows.size:
        return
    numbers = np.full((rows.size, 16), -1, np.int64)
    width = int(scan.numbers_in(lines.data, lines.fields[rows, scan.VALUES], lines.end[rows], numbers).max())
    values = np.full((dataset.sizes["time"] * dataset.sizes["zone"], width), -1, np.int64)
    values[at] = numbers[:, :width]
    shape = (dataset.sizes["time"], dataset.sizes["zone"], width)
    dataset["lowmem_reserve"] = ("time", "zone", "classzone"), values.reshape(shape)
    dataset["zone_idx"] = "zone", _zone_indices(dataset, width)


def _zone_indices(dataset: xr.Dataset, n_classes: int) -> np.ndarray:
    """Index of each zone in its node, -1 if the listed zones do not tell it.

    Recent kernels list every configured zone; older ones leave out empty ones, of which Movable
    and Device come last.
    """
    names = dataset.zone_name.values.tolist()
    listed = [name for name in schema.ZONE_NAMES if name in names]
    for last in ("Movable", "Device"):
        if last not in listed and len(listed) < n_classes and (last == "Movable" or "DMA32" in listed):
            listed.append(last)
    if len(listed) != n_classes or not set(names) <= set(listed):
        return np.full(len(names), -1, np.int64)
    return np.array([listed.index(name) for name in names], np.int64)


def _add_cpus(
    dataset: xr.Dataset, lists: dict[str, np.ndarray], head: np.ndarray, at: np.ndarray, number: np.ndarray
) -> None:
    """``pagesets``: after each ``cpu: N`` come its count, high and batch."""
    if "cpu:" not in lists or not lists["cpu:"].any():
        return
    marks = np.flatnonzero(lists["cpu:"])
    cpus, index = np.unique(number[marks], return_inverse=True)
    before = np.searchsorted(marks, np.arange(number.size), "right") - 1
    shape = (dataset.sizes["time"], dataset.sizes["zone"], cpus.size)
    dataset.coords["cpu"] = "cpu", cpus
    for name, variable in _PER_CPU.items():
        mine = lists.get(name, np.zeros(number.size, bool)) & (before >= 0)
        mine[mine] = head[mine] == head[marks[before[mine]]]
        flat = at[mine] * cpus.size + index[before[mine]]
        values = np.full(shape, -1, np.int64)
        if variable == "pcp_count":  # before 2.6.25 a CPU has two lists, hot and cold
            values.reshape(-1)[flat] = 0
            np.add.at(values.reshape(-1), flat, number[mine])
        else:
            values.reshape(-1)[flat[::-1]] = number[mine][::-1]
        dataset[variable] = ("time", "zone", "cpu"), values
