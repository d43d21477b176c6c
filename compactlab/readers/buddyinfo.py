"""/proc/buddyinfo: free blocks per zone and order."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from compactlab import schema
from compactlab.core import split as kinds
from compactlab.core import text as scan

from .damage import Fault
from .lines import Lines, zones_of
from .sections import Sections


class Parsed(NamedTuple):
    """What a format found: a Dataset with a time dimension, and which section each time came from."""

    dataset: xr.Dataset
    sections: np.ndarray  # section(time)
    faults: list[Fault]
    unusable_index: np.ndarray | None = None  # where its section is another one: section(time), -1: none


def parse(lines: Lines, sections: Sections) -> Parsed | None:
    """Read every buddyinfo section."""
    chosen = sections.of_kind(kinds.BUDDYINFO)
    rows = sections.rows(lines, kinds.BUDDYINFO, scan.COUNTS)
    if not rows.size:
        return None
    sample, zone, nodes, names = place(lines, sections, chosen, rows)
    width = lines.fields[rows, scan.WIDTH]
    shape = (chosen.size, len(names), int(width.max()))
    nr_free = np.zeros(shape, np.int64)
    scan.counts_at(lines.data, lines.fields[rows, scan.VALUES], lines.end[rows], sample, zone, nr_free)
    widths = np.zeros(shape[:2], np.int64)
    widths[sample, zone] = width
    order = np.arange(shape[2])
    dataset = xr.Dataset(
        {
            "nr_free": (("time", "zone", "order"), nr_free),
            "free_pages": (("time", "zone"), nr_free @ (1 << order)),
            "present": (("time", "zone", "order"), order < widths[..., None]),
            "flags": (("time", "zone"), np.repeat(_racy(sections, chosen)[:, None], shape[1], 1)),
        },
        schema.zone_labels(nodes, names) | {"order": order},
    )
    faults = table_faults(lines, sections, rows, sample, zone)
    return Parsed(dataset, chosen, faults)


def place(
    lines: Lines, sections: Sections, chosen: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray, list[int], list[str]]:
    """Where rows go: sample(row), zone(row), and the nodes and names of the zones."""
    position = np.full(sections.kind.size, -1, np.int64)
    position[chosen] = np.arange(chosen.size)
    return position[sections.section_of[rows]], *zones_of(lines, rows)


def _racy(sections: Sections, chosen: np.ndarray) -> np.ndarray:
    """Flag of every sample: the lists changed while the records around it were read."""
    racy = np.isin(sections.stamp[chosen], sections.stamp[sections.same == 0])
    after = sections.of_kind(kinds.BUDDYINFO_AFTER)
    before = np.searchsorted(chosen, after) - 1
    racy[before[before >= 0]] = True
    return racy.astype(np.uint8) * np.uint8(schema.RACY)


def table_faults(
    lines: Lines, sections: Sections, rows: np.ndarray, sample: np.ndarray, key: np.ndarray
) -> list[Fault]:
    """Rows of one zone that differ in their number of columns, or stand twice in a record."""
    faults = []
    width = lines.fields[rows, scan.WIDTH]
    _, first, back = np.unique(key, return_index=True, return_inverse=True)
    for i in np.flatnonzero(width != width[first][back]).tolist():
        like = int(rows[first[back[i]]])
        faults.append(
            Fault(
                int(sections.section_of[rows[i]]),
                int(rows[i]),
                f"{width[i]} columns in {lines.shown(rows[i])}",
                f"{width[first[back[i]]]}, as for the same zone on line {lines.number(like)}",
            )
        )
    codes = sample * (key.max() + 1) + key
    repeated = np.ones(codes.size, bool)
    repeated[np.unique(codes, return_index=True)[1]] = False
    for i in np.flatnonzero(repeated).tolist():
        what = lines[rows[i]].split("  ")[0][:40]
        faults.append(
            Fault(
                int(sections.section_of[rows[i]]), int(rows[i]), f"a second row {what!r}", "one row per zone"
            )
        )
    return faults
