"""/proc/vmstat: counters, whatever their names."""

from __future__ import annotations

import numpy as np
import xarray as xr

from compactlab.core import split as kinds
from compactlab.core import text as scan

from .lines import Lines
from .rows import Parsed
from .sections import Sections


def parse(lines: Lines, sections: Sections) -> Parsed | None:
    """Read every vmstat section."""
    chosen = sections.of_kind(kinds.VMSTAT)
    rows = sections.rows(lines, kinds.VMSTAT, scan.COUNTER)
    if not rows.size:
        return None
    sample = sections.sample_of(chosen, rows)
    counter, names = lines.words(rows, scan.NAME)
    value = np.zeros((chosen.size, len(names)), np.int64)
    present = np.zeros(value.shape, bool)
    value[sample, counter] = lines.fields[rows, scan.NUMBER]
    present[sample, counter] = True
    dataset = xr.Dataset(
        {"value": (("time", "counter"), value), "present": (("time", "counter"), present)},
        {"counter": np.array(names, object)},
    )
    return Parsed(dataset, chosen, [])
