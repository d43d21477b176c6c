"""What a metric is given: a run, or a bare array of free blocks; and which sample was valid when."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..schema import pageblock_order


def group(run: xr.DataTree, name: str) -> xr.Dataset | None:
    """One group of a run, or None if the recording has none, or nothing of it within a slice of time."""
    found = run[name].to_dataset() if name in run.children else None
    return found if found is not None and all(found.sizes.values()) else None


def needed(run: xr.DataTree, name: str, advice: str) -> xr.Dataset:
    """One group that a metric cannot do without.

    Raises
    ------
    ValueError
        If the recording has none; `advice` says what to do.
    """
    found = group(run, name)
    if found is None:
        raise ValueError(f"run: found {', '.join(run.children) or 'nothing'}; expected {name}. {advice}")
    return found


def huge_page_order(run: xr.DataTree) -> int:
    """Order of a huge page: the pageblock order, 9 (2 MiB of 4 KiB pages) where that is unknown."""
    known = pageblock_order(run)
    return 9 if known is None else known


def largest_zone(run: xr.DataTree) -> str:
    """Label of the zone with most pages: present ones where zoneinfo tells, else those that were ever free."""
    zoneinfo = group(run, "zoneinfo")
    if zoneinfo is not None and "present_pages" in zoneinfo:
        pages = zoneinfo.present_pages.max("time")
    else:
        pages = needed(run, "zones", "Record /proc/buddyinfo too").free_pages.max("time")
    return str(pages.zone.values[int(pages.values.argmax())])


def find_zone(run: xr.DataTree, zone: str | None) -> str:
    """Label of the zone meant by a label or a name; the largest one if None.

    Raises
    ------
    ValueError
        If the run's free lists have no such zone.
    """
    if zone is None:
        return largest_zone(run)
    zones = needed(run, "zones", "Record /proc/buddyinfo too")
    labels, names = zones.zone.values.tolist(), zones.zone_name.values.tolist()
    for known in (labels, names):
        if zone in known:
            return str(labels[known.index(zone)])
    raise ValueError(f"zone: found {zone!r}; the run {run.attrs.get('name', '')!r} has {', '.join(labels)}")


def free_blocks(source: xr.DataTree | xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """`nr_free` with dims (..., order) and, of the same shape, whether each cell was listed.

    Raises
    ------
    ValueError
        If the run has no free lists, or the array no dimension `order`.
    """
    if isinstance(source, xr.DataTree):
        zones = needed(source, "zones", "Record /proc/buddyinfo too")
        return zones.nr_free, zones.present
    if not isinstance(source, xr.DataArray) or source.dims[-1:] != ("order",):
        found = f"dimensions {source.dims}" if isinstance(source, xr.DataArray) else type(source).__name__
        raise ValueError(
            f"found {found}; expected a run, or free blocks per order with dimensions (..., order)"
        )
    return source, xr.ones_like(source, dtype=bool)


def sample_at(samples: np.ndarray, elapsed: np.ndarray) -> np.ndarray:
    """For each moment, the last sample at or before it; the first one where there is none.

    Parameters
    ----------
    samples
        Sorted moments of the samples. Unit: ns.
    elapsed
        Moments asked for. Unit: ns.

    Returns
    -------
        Positions in `samples`, shape of `elapsed`.

    Examples
    --------
    >>> sample_at(np.array([10, 20]), np.array([5, 10, 19, 99])).tolist()
    [0, 0, 0, 1]
    """
    return np.maximum(np.searchsorted(samples, elapsed, side="right") - 1, 0)
