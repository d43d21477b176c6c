"""/proc/buddyinfo: free blocks per zone and order."""

from __future__ import annotations

import numpy as np
import xarray as xr

from compactlab import schema
from compactlab.core import split as kinds
from compactlab.core import text as scan

from .lines import Lines
from .rows import Parsed, place, table_faults
from .sections import Sections


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


def _racy(sections: Sections, chosen: np.ndarray) -> np.ndarray:
    """Flag of every sample: the lists changed while the records around it were read."""
    racy = np.isin(sections.stamp[chosen], sections.stamp[sections.same == 0])
    after = sections.of_kind(kinds.BUDDYINFO_AFTER)
    before = np.searchsorted(chosen, after) - 1
    racy[before[before >= 0]] = True
    return racy.astype(np.uint8) * np.uint8(schema.RACY)
