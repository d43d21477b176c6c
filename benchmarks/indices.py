"""Both fragmentation indices at all orders: compactlab, numpy, pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from compactlab import metrics

from . import loop
from .table import Row, measured

N_SNAPSHOTS = 100_000


def with_numpy(nr_free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both indices in thousandths (snapshot, zone, order), a whole array per order."""
    orders = np.arange(nr_free.shape[-1])
    pages = nr_free << orders
    free, blocks = pages.sum(-1), nr_free.sum(-1)
    fragmentation, unusable = np.empty_like(nr_free), np.empty_like(nr_free)
    for order in orders:
        suitable = pages[..., order:].sum(-1)
        unusable[..., order] = np.where(free, (free - suitable) * 1000 // np.maximum(free, 1), 1000)
        short = 1000 - (1000 + free * 1000 // (1 << order)) // np.maximum(blocks, 1)
        fragmentation[..., order] = np.where(blocks == 0, 0, np.where(suitable > 0, -1000, short))
    return fragmentation, unusable


def with_pandas(nr_free: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both indices in thousandths; rows are snapshots of zones, columns are orders."""
    pages = nr_free * (1 << np.arange(nr_free.shape[1]))
    free, blocks = pages.sum(axis=1), nr_free.sum(axis=1)
    fragmentation, unusable = {}, {}
    for order in nr_free.columns:
        suitable = pages.loc[:, order:].sum(axis=1)
        unusable[order] = ((free - suitable) * 1000 // free.clip(lower=1)).where(free > 0, 1000)
        short = 1000 - (1000 + free * 1000 // (1 << order)) // blocks.clip(lower=1)
        fragmentation[order] = short.where(suitable == 0, -1000).where(blocks > 0, 0)
    return pd.DataFrame(fragmentation), pd.DataFrame(unusable)


def rows() -> list[Row]:
    """Measure."""
    counts = loop.counts(N_SNAPSHOTS)
    array = xr.DataArray(counts, dims=("time", "zone", "order"), coords={"order": np.arange(loop.N_ORDERS)})
    frame = pd.DataFrame(counts.reshape(-1, loop.N_ORDERS))

    def ours() -> tuple[np.ndarray, np.ndarray]:
        return metrics.fragmentation_index(array).values, metrics.unusable_index(array).values

    for mine, numpys, pandas_ in zip(ours(), with_numpy(counts), with_pandas(frame), strict=True):
        assert np.array_equal(np.rint(mine * 1000).astype(np.int64), numpys)
        assert np.array_equal(numpys.reshape(-1, loop.N_ORDERS), pandas_.to_numpy())
    return measured(
        f"both indices at {loop.N_ORDERS} orders, {N_SNAPSHOTS:,} snapshots of {len(loop.ZONES)} zones",
        {"compactlab": ours, "numpy": lambda: with_numpy(counts), "pandas": lambda: with_pandas(frame)},
    )
