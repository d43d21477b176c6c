"""Reading a buddyinfo loop: compactlab, a plain-Python reader, pandas."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import compactlab

from . import loop
from .table import Row, measured

N_SNAPSHOTS = 100_000


def plain_python(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Stamps (snapshot) and counts (snapshot, zone, order), a line at a time."""
    stamps, counts = [], []
    with path.open() as file:
        for line in file:
            if line.startswith("Node"):
                counts.append([int(word) for word in line.split()[4:]])
            else:
                stamps.append(int(line))
    return np.array(stamps), np.array(counts).reshape(len(stamps), -1, loop.N_ORDERS)


def with_pandas(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Stamps and counts, by pandas' own text parser."""
    table = pd.read_csv(path, sep=r"\s+", header=None, names=range(4 + loop.N_ORDERS), dtype=str)
    rows = table[0] == "Node"
    stamps = table.loc[~rows, 0].astype(np.int64).to_numpy()
    counts = table.loc[rows, 4:].astype(np.int64).to_numpy()
    return stamps, counts.reshape(len(stamps), -1, loop.N_ORDERS)


def rows() -> list[Row]:
    """Measure."""
    expected = loop.counts(N_SNAPSHOTS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "loop.txt"
        path.write_text(loop.text(expected))
        assert np.array_equal(compactlab.read(path)["zones"]["nr_free"].values, expected)
        for other in (plain_python, with_pandas):
            assert np.array_equal(other(path)[1], expected)
        return measured(
            f"read {N_SNAPSHOTS:,} snapshots of buddyinfo, {path.stat().st_size / 1e6:.0f} MB",
            {
                "compactlab": lambda: compactlab.read(path),
                "plain Python": lambda: plain_python(path),
                "pandas": lambda: with_pandas(path),
            },
        )
