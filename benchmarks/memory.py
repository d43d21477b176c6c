"""Memory of a Python process that holds two hundred frames of a 24 GiB zone and the scene of them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import compactlab

from .table import Row

FRAMES = 200
TARGET = "at most 500 MB"

_CHILD = """
import sys
def told():
    lines = open("/proc/self/status").read().splitlines()
    print(*(int(line.split()[1]) for line in lines if line.startswith(("VmHWM", "VmRSS"))))
import compactlab
from compactlab.figures import explorer
told()
if len(sys.argv) > 1:
    run = compactlab.open(sys.argv[1])
    scene = explorer(run, live=True)
    told()
"""
"""Prints peak and present resident memory (kB), after the imports and with everything in memory."""


def rows() -> list[Row]:
    """Measure in processes of their own."""
    recording = compactlab.datasets.load("page-map-compaction")
    run = compactlab.compact_zone(compactlab.Zone.from_pages(recording, "0/Normal"), frames=FRAMES)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.nc"
        compactlab.save(run, path)
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, path], check=True, capture_output=True, text=True
        )
    base, held = (tuple(map(int, line.split())) for line in done.stdout.splitlines())
    task = f"scene of {run['pageblocks'].sizes['frame']} frames of 24 GiB"
    return [
        Row("import compactlab and its figures", "peak", base[0] / 1e3, "MB"),
        Row(task, "peak", held[0] / 1e3, "MB", TARGET),
        Row(task, "held", held[1] / 1e3, "MB", TARGET),
    ]
