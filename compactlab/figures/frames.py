"""What moves with the cursor: per drawn snapshot the free lists, the indices and the verdict."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from .. import metrics
from ..metrics.circumstances import Known
from ..metrics.verdicts import verdict_numbers
from .timeline import seconds_of
from .view import Between, Subject

ABSENT = 32767
"""An index of an order that was not listed; indices are whole thousandths."""


def frames(subject: Subject, between: Between | None = None) -> dict[str, Any]:
    """Columns of the dashboard's main source, at most ``subject.bins`` rows.

    Parameters
    ----------
    subject
        What is drawn.
    between
        First and last position and their axis, or None for the whole recording.

    Returns
    -------
        ``t`` elapsed seconds (row); ``free``, ``unusable``, ``fragmentation`` (row, zone, order) flattened:
        blocks, thousandths, thousandths; ``low``, ``high`` (row, zone): least and most free pages between
        this row and the next; ``numbers``: the verdict's, each (row, zone) or (order, row, zone) flattened.
    """
    zones = subject.group("zones")
    if zones is None:
        return {"t": np.zeros(0)}
    seconds = seconds_of(zones)
    rows = subject.timeline.rows(seconds, subject.bins, between)
    low, high = _extremes(zones["free_pages"].to_numpy(), rows)
    part = subject.run.copy()
    part["zones"] = xr.DataTree(zones.isel(time=rows))
    return {
        "t": seconds[rows],
        "free": _smallest(part["zones"]["nr_free"].to_numpy()).ravel(),
        "unusable": _thousandths(metrics.unusable_index(part)),
        "fragmentation": _thousandths(metrics.fragmentation_index(part)),
        "low": _smallest(low).ravel(),
        "high": _smallest(high).ravel(),
        **_verdicts(part, subject.orders),
    }


def _smallest(counts: np.ndarray) -> np.ndarray:
    """Counts in int32 where they fit, else as float64, which is exact to 2**53."""
    return counts.astype(np.int32 if not counts.size or counts.max() < 2**31 else np.float64)


def _thousandths(index: xr.DataArray) -> np.ndarray:
    values = index.to_numpy() * 1000
    return np.where(np.isnan(values), ABSENT, np.rint(np.nan_to_num(values))).astype(np.int16).ravel()


def _extremes(free: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least and most between a row and the next, so that thinning hides no dip."""
    if not rows.size:
        return free, free
    stop = rows[-1] + 1
    return np.minimum.reduceat(free[:stop], rows, axis=0), np.maximum.reduceat(free[:stop], rows, axis=0)


def _verdicts(part: xr.DataTree, orders: list[int]) -> dict[str, np.ndarray]:
    """The verdict's numbers for every order; those that do not depend on the order only once."""
    known: Known = {}
    per_order = [metrics.browser_numbers(verdict_numbers(part, order, known=known)) for order in orders]
    columns = {}
    for name in per_order[0]:
        first = per_order[0][name]
        if all(np.array_equal(first, numbers[name]) for numbers in per_order[1:]):
            columns[f"verdict_{name}"] = first.ravel()
        else:
            columns[f"verdict_{name}"] = np.stack([numbers[name] for numbers in per_order]).ravel()
    return columns
