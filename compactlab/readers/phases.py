"""phases.csv: what an experiment was doing, and when."""

from __future__ import annotations

import xarray as xr

from .table import Table

COLUMNS = ("t_mono_ns", "phase")


def parse(table: Table) -> xr.Dataset:
    """Phase i lasts until i+1 begins; the last row is the end and no phase itself."""
    start = table.integers("t_mono_ns")
    return xr.Dataset(
        {
            "start": ("phase", start[:-1]),
            "end": ("phase", start[1:]),
            "name": ("phase", table.texts("phase")[:-1]),
        }
    )
