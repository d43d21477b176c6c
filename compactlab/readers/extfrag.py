"""debugfs extfrag/extfrag_index and unusable_index: the kernel's own indices."""

from __future__ import annotations

import numpy as np
import xarray as xr

from compactlab import schema
from compactlab.core import split as kinds
from compactlab.core import text as scan

from .lines import Lines, zones_of
from .rows import Parsed, table_faults
from .sections import Sections

_VARIABLES = {kinds.EXTFRAG_INDEX: "fragmentation_index", kinds.UNUSABLE_INDEX: "unusable_index"}


def parse(lines: Lines, sections: Sections) -> Parsed | None:
    """Read both index files; an unusable_index right after an extfrag_index belongs to its sample."""
    chosen = sections.of_kind(*_VARIABLES)
    rows = np.sort(np.concatenate([sections.rows(lines, kind, scan.INDICES) for kind in _VARIABLES]))
    if not rows.size:
        return None
    sample_of = _samples(sections, chosen)
    first = chosen[np.unique(sample_of[chosen], return_index=True)[1]]
    zone, nodes, names = zones_of(lines, rows)
    section = sections.section_of[rows]
    width = lines.fields[rows, scan.WIDTH]
    shape = (first.size, len(names), int(width.max()))
    widths = np.zeros(shape[:2], np.int64)
    np.maximum.at(widths, (sample_of[section], zone), width)
    order = np.arange(shape[2])
    same = np.ones(first.size, bool)
    np.logical_and.at(same, sample_of[chosen], sections.same[chosen] == 1)
    dataset = xr.Dataset(
        {
            "present": (("time", "zone", "order"), order < widths[..., None]),
            "same": ("time", same),
        },
        schema.zone_labels(nodes, names) | {"order": order},
    )
    faults = []
    for kind, name in _VARIABLES.items():
        mine = sections.kind[section] == kind
        if not mine.any():
            continue
        thousandths = np.full(shape, -(2**31), np.int64)
        begin, end = lines.fields[rows[mine], scan.VALUES], lines.end[rows[mine]]
        scan.thousandths_at(lines.data, begin, end, sample_of[section[mine]], zone[mine], thousandths)
        dataset[name] = (
            ("time", "zone", "order"),
            np.where(thousandths > -(2**31), thousandths / 1000, np.nan),
        )
        each = np.unique(section[mine], return_inverse=True)[1]
        faults += table_faults(lines, sections, rows[mine], each, zone[mine])
    second = np.full(first.size, -1, np.int64)
    second[sample_of[chosen]] = np.where(sections.kind[chosen] == kinds.UNUSABLE_INDEX, chosen, -1)
    return Parsed(dataset, first, faults, second if "unusable_index" in dataset else None)


def _samples(sections: Sections, chosen: np.ndarray) -> np.ndarray:
    """Sample of every section: the two files form one sample when they follow each other."""
    second = np.zeros(chosen.size, bool)
    second[1:] = (
        (chosen[1:] == chosen[:-1] + 1)
        & (sections.kind[chosen[1:]] == kinds.UNUSABLE_INDEX)
        & (sections.kind[chosen[:-1]] == kinds.EXTFRAG_INDEX)
    )
    sample_of = np.full(sections.kind.size, -1, np.int64)
    sample_of[chosen] = np.cumsum(~second) - 1
    return sample_of
