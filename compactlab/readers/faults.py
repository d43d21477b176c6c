"""faults*.csv and collapse.csv: how long each huge page fault took."""

from __future__ import annotations

import numpy as np
import xarray as xr

from .sources import stem
from .table import Table

COLUMNS = ("t_mono_ns", "lat_ns", "huge", "pfn")
_ATTEMPTS = {"d_stall": "compact_stall", "d_success": "compact_success", "d_fail": "compact_fail"}


def parse(table: Table) -> xr.Dataset:
    """One allocation per row, each a 2 MiB fault; its order follows when the page size is known."""
    columns = {
        "latency_ns": table.integers("lat_ns"),
        "success": table.integers("huge") != 0,
        "pfn": table.integers("pfn"),
        "source": np.full(len(table.rows), stem(table.name), object),
    }
    for column, name in _ATTEMPTS.items():
        if column in table.columns:
            columns[name] = table.integers(column)
    return xr.Dataset(
        {name: ("allocation", values) for name, values in columns.items()},
        {"time": ("allocation", table.integers("t_mono_ns"))},
    )
