"""What ``import compactlab`` costs a new process, beside the libraries it stands on."""

from __future__ import annotations

import statistics
import subprocess
import sys

from .table import REPEATS, Row

_PROGRAM = "import time; start = time.perf_counter(); import {name}; print(time.perf_counter() - start)"


def rows() -> list[Row]:
    """Measure."""
    return [
        Row("import in a new process", name, _seconds(name)) for name in ("compactlab", "numpy", "xarray")
    ]


def _seconds(name: str) -> float:
    command = [sys.executable, "-c", _PROGRAM.format(name=name)]
    return statistics.median(
        float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for _ in range(REPEATS)
    )
