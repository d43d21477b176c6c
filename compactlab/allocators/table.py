"""One table of what policies made of one trace."""

from __future__ import annotations

from typing import Any

import xarray as xr

from ..texts import _, count, memory, share, significant

_PAGE = {"byte": 1, "page": 4096}


def table(told: xr.Dataset) -> Any:
    """Lay out what `compare` added up, as a person reads it.

    Parameters
    ----------
    told
        What `compare` gives.

    Returns
    -------
        A pandas DataFrame of texts, a row for each policy: requests refused and why; mean steps of search of an
        allocation and of a free, and most of one request; mean external and internal fragmentation; peak
        footprint, and how many times what was alive at most that is. A page counts as 4 KiB.

    Raises
    ------
    ValueError
        If it is something else.

    Examples
    --------
    >>> from compactlab.allocators import compare, traces
    >>> table(compare(traces.adversarial("best fit"), size=432)).refused.tolist()[:3]
    ['0', '0', '1 (fragmentation)']
    """
    if not isinstance(told, xr.Dataset) or "steps_to_allocate" not in told or "policy" not in told.dims:
        raise ValueError(f"table: found {type(told).__name__}; expected what allocators.compare gives")
    each = [told.isel(policy=at) for at in range(told.sizes["policy"])]
    page = _PAGE[told.attrs["unit"]]
    columns = {
        _("refused"): [_refused(one) for one in each],
        _("steps to allocate"): [_steps(one.steps_to_allocate) for one in each],
        _("to free"): [_steps(one.steps_to_free) for one in each],
        _("most"): [count(int(one.most_steps)) for one in each],
        _("external"): [share(float(one.mean_external)) for one in each],
        _("internal"): [share(float(one.mean_internal)) for one in each],
        _("peak footprint"): [memory(int(one.peak_footprint), page) for one in each],
        _("of peak live"): [
            f"{float(one.peak_footprint) / max(1, float(one.peak_live)):.2f}" for one in each
        ],
    }
    shown = xr.Dataset({name: ("policy", texts) for name, texts in columns.items()}, {"policy": told.policy})
    return shown.to_dataframe()


def _steps(mean: xr.DataArray) -> str:
    return count(float(mean)) if mean >= 1000 else significant(float(mean))


def _refused(one: xr.Dataset) -> str:
    """How many, and why."""
    why = {_(name): int(one[name]) for name in ("shortage", "fragmentation", "unmerged") if one[name] > 0}
    if len(why) == 1:
        return f"{count(int(one.refused))} ({next(iter(why))})"
    return ", ".join(f"{count(number)} {name}" for name, number in why.items()) or "0"
