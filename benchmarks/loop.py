"""A generated recording: a loop of `date +%s; cat /proc/buddyinfo`, counts on a random walk."""

from __future__ import annotations

import numpy as np

ZONES = ("DMA", "DMA32", "Normal")
N_ORDERS = 11


def counts(n_snapshots: int, seed: int = 1) -> np.ndarray:
    """Free blocks, int64 (snapshot, zone, order), fewer the larger they are."""
    random = np.random.default_rng(seed)
    start = np.array([3, 3_000, 30_000])[:, None] >> np.arange(N_ORDERS)
    steps = random.integers(-3, 4, (n_snapshots, len(ZONES), N_ORDERS))
    return np.maximum(0, start + np.cumsum(steps, axis=0)) + (random.random((n_snapshots, 1, 1)) < 0.01)


def text(nr_free: np.ndarray) -> str:
    """Print the counts as the kernel does, a stamp above each snapshot."""
    row = "%6d " * N_ORDERS
    block = "\n".join(["%d", *(f"Node 0, zone {zone:>8} {row}" for zone in ZONES)])
    stamps = 1_700_000_000 + np.arange(len(nr_free))
    values = np.column_stack([stamps, nr_free.reshape(len(nr_free), -1)])
    return "\n".join(block % tuple(snapshot) for snapshot in values.tolist()) + "\n"
