"""A trace replayed on an allocator: what became of each request, and what memory looked like after it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from ..core import arena
from ..texts import N_
from .rules import POLICIES, Rules, rules_of
from .traces.form import alive, check, live_size

OUTCOMES = (N_("served"), N_("shortage"), N_("fragmentation"), N_("unmerged"), N_("unknown"))
"""What became of a request, by its code.

- *shortage*: less was free than asked for.
- *fragmentation*: enough was free, but not side by side.
- *unmerged*: enough was free side by side, but in blocks that the policy has not merged, or may not (buddies).
- *unknown*: a free of an object that has no block, as it was refused one, or was allocated before the trace began.
"""

_MOST_GRANULES = 1 << 27
_TIMES_LIVE, _SMALL = 4, 1 << 14
_LONG_NAMES = {
    "outcome": ("What became of the request", ""),
    "address": ("Where the block begins; -1: none", ""),
    "search_steps": ("Free blocks looked at", "blocks"),
    "free": ("Free memory", "unit"),
    "free_blocks": ("Free blocks", "blocks"),
    "largest_free": ("Largest free block", "unit"),
    "requested": ("Asked for by what is in use", "unit"),
    "in_use": ("Given to what is in use", "unit"),
    "obtained": ("Memory of the arena", "unit"),
    "footprint": ("End of the highest block ever given", "unit"),
    "external": ("External fragmentation", "1"),
    "internal": ("Internal fragmentation", "1"),
}


class Prepared(NamedTuple):
    """A heap before its first request, and the requests as the kernels take them."""

    heap: arena.Heap
    rules: Rules
    requests: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
    """Operation, object, granules needed, units asked for; all (request)."""


def prepare(trace: xr.Dataset, policy: str, size: int | None, grows: bool, told: dict[str, Any]) -> Prepared:
    """Check a trace, make a heap for it, and round its requests."""
    check(trace)
    rules = rules_of(policy, trace.attrs["unit"], told)
    op, thing, asked = (trace[name].values.astype(np.int64) for name in ("op", "object", "size"))
    need = np.maximum(1, -(-(asked + rules.header) // rules.granule)) * (op == arena.ALLOCATE)
    granules = _enough(trace, rules, need) if size is None else _granules(size, rules, trace.attrs["unit"])
    heap = arena.new_heap(granules, rules.lists, int(thing.max(initial=-1)) + 1)
    rules.books(heap, granules)
    if size is not None and not grows:
        arena.obtain_all(heap)
    return Prepared(heap, rules, (op, thing, need, asked))


def _granules(size: int, rules: Rules, unit: str) -> int:
    if isinstance(size, bool) or not isinstance(size, int | np.integer):
        raise TypeError(
            f"size: found {size!r}; expected a whole number of {unit}s, or None: as much as is needed"
        )
    granules = int(size) // rules.granule
    if size % rules.granule or not 1 <= granules <= _MOST_GRANULES:
        raise ValueError(
            f"size: found {size} {unit}s; expected a multiple of the granule ({rules.granule}), "
            f"at most {_MOST_GRANULES * rules.granule}"
        )
    return granules


def _enough(trace: xr.Dataset, rules: Rules, need: np.ndarray) -> int:
    """Granules that a growing arena gets by with: several times what is ever alive, or all that is ever asked for.

    Buddies are given twice as many, for blocks rounded up to a power of two.
    """
    live = int(alive(trace, need).max(initial=1))
    most = min(int(need.sum()), max(_TIMES_LIVE * live, _SMALL)) * (2 if rules.policy == "buddy" else 1)
    granules = 1 << max(1, most - 1).bit_length()
    if granules > _MOST_GRANULES:
        raise ValueError(
            f"trace: up to {live} granules are alive, which takes an arena of {granules}; expected at most "
            f"{_MOST_GRANULES}. Give a larger granule"
        )
    return granules


def replay(
    trace: xr.Dataset,
    policy: str = "first fit",
    size: int | None = None,
    *,
    grows: bool = False,
    **rules: Any,
) -> xr.Dataset:
    """Serve the requests of a trace by one policy.

    A step of search is one look at a free block, or at a list that turns out to be empty. Blocks in use are
    never moved; an object that is refused stays without a block, and its free is skipped.

    Parameters
    ----------
    trace
        Requests, as `traces` makes them.
    policy
        One of `POLICIES`.
    size
        Bytes or pages of the arena, as the trace has it, there from the beginning. If not given, the arena
        grows at its end whenever no block fits, as a heap grows by brk, as far as is needed.
    grows
        Whether an arena of given size begins empty and grows up to it.
    rules
        Granule, header, and what the hybrids and buddies go by: fields of `Rules`.

    Returns
    -------
        Dims (request): `outcome` uint8, a code of `OUTCOMES`; `address`, where the block begins that was given
        or freed, -1 if none; `search_steps`; and as memory is after the request `free`, `free_blocks`,
        `largest_free`, `requested` (asked for by what is in use), `in_use` (rounded), `obtained` (size of the
        arena so far), `footprint` (end of the highest block ever given), all in the trace's unit;
        `external` = 1 - largest_free / free, 0 if nothing is free; `internal` = 1 - requested / in_use, 0 if
        nothing is in use. `op` and `size` are those of the trace.

    Raises
    ------
    ValueError
        If the trace cannot be, there is no such policy, or a number is out of range.
    TypeError
        If there is no such rule.

    References
    ----------
    D. E. Knuth, The Art of Computer Programming, volume 1, section 2.5. P. R. Wilson, M. S. Johnstone, M. Neely,
    D. Boles, "Dynamic storage allocation: a survey and critical review", 1995.

    Examples
    --------
    >>> from compactlab.allocators import traces
    >>> trace = traces.written("a 32, b 32, free a, c 16, d 32")
    >>> replay(trace, "first fit", 96).address.values.tolist()
    [0, 32, 0, 0, 64]
    """
    prepared = prepare(trace, policy, size, grows, rules)
    out = np.zeros((trace.sizes["request"], arena.COLUMNS), np.int64)
    arena.replay(prepared.heap, *prepared.requests, out)
    return labelled(trace, prepared.rules, out)


def labelled(trace: xr.Dataset, rules: Rules, out: np.ndarray) -> xr.Dataset:
    """Name what the kernels wrote, in units of the trace instead of granules."""
    unit = trace.attrs["unit"]
    free, largest, obtained, highest = (
        out[:, column] * rules.granule
        for column in (arena.FREE_GRANULES, arena.LARGEST_FREE, arena.OBTAINED, arena.HIGHEST)
    )
    address = out[:, arena.ADDRESS]
    requested, in_use = out[:, arena.ASKED_UNITS], obtained - free
    columns = {
        "outcome": out[:, arena.OUTCOME].astype(np.uint8),
        "address": np.where(address >= 0, address * rules.granule, -1),
        "search_steps": out[:, arena.LOOKS],
        "free": free,
        "free_blocks": out[:, arena.BLOCKS],
        "largest_free": largest,
        "requested": requested,
        "in_use": in_use,
        "obtained": obtained,
        "footprint": highest,
        "external": np.where(free > 0, 1 - largest / np.maximum(free, 1), 0.0),
        "internal": np.where(in_use > 0, 1 - requested / np.maximum(in_use, 1), 0.0),
    }
    told = xr.Dataset(
        {name: ("request", values, _attrs(name, unit)) for name, values in columns.items()},
        attrs={
            **{name: trace.attrs[name] for name in ("name", "unit", "problems") if name in trace.attrs},
            "outcomes": list(OUTCOMES),
            **asdict(rules),
        },
    )
    return told.assign(op=trace.op, size=trace["size"])


def _attrs(name: str, unit: str) -> dict[str, str]:
    long_name, units = _LONG_NAMES[name]
    return {"long_name": long_name, "units": unit if units == "unit" else units}


def compare(
    trace: xr.Dataset,
    policies: Iterable[str] = POLICIES,
    size: int | None = None,
    *,
    grows: bool = False,
    **rules: Any,
) -> xr.Dataset:
    """Serve the requests of a trace by several policies, and add up what it came to.

    Parameters
    ----------
    trace, size, grows, rules
        As for `replay`; all policies get the same.
    policies
        Some of `POLICIES`.

    Returns
    -------
        What `replay` gives, with dims (policy, request), and of each (policy): `allocations`, `refused`, and of
        these `shortage`, `fragmentation`, `unmerged`; `steps_to_allocate` and `steps_to_free`, means over
        the requests that were carried out or refused, and `most_steps` of one request; `mean_external`,
        `mean_internal` over all requests; `peak_footprint`, and `peak_live`, the most that was ever asked for
        by the objects of the trace alive at a time, in the trace's unit.

    Raises
    ------
    ValueError
        As for `replay`; also if no policy is given, or no request.

    Examples
    --------
    >>> from compactlab.allocators import traces
    >>> told = compare(traces.adversarial("best fit"), size=432)
    >>> told.refused.sel(policy=["first fit", "best fit"]).values.tolist()
    [0, 1]
    """
    chosen = [policies] if isinstance(policies, str) else list(policies)
    if not chosen:
        raise ValueError(f"policies: found none; expected some of {', '.join(POLICIES)}")
    check(trace)
    if not trace.sizes["request"]:
        raise ValueError(f"trace {trace.attrs['name']!r}: found no requests; expected at least one")
    each = [replay(trace, policy, size, grows=grows, **rules) for policy in chosen]
    attrs = {key: value for key, value in each[0].attrs.items() if key != "policy"}
    told = xr.concat(
        [one.drop_vars(["op", "size"]).drop_attrs(deep=False) for one in each],
        xr.DataArray(chosen, dims="policy", name="policy"),
    )
    told = told.assign({"op": trace.op, "size": trace["size"]} | _summary(trace, told)).assign_attrs(attrs)
    for name, variable in told.data_vars.items():
        if name in _LONG_NAMES:
            variable.attrs = _attrs(str(name), trace.attrs["unit"])
    return told


def _summary(trace: xr.Dataset, told: xr.Dataset) -> dict[str, Any]:
    allocates = trace.op == arena.ALLOCATE
    gives_back = ~allocates & (told.outcome != arena.UNKNOWN)
    counts = {
        name: (allocates & (told.outcome == OUTCOMES.index(name))).sum("request")
        for name in ("shortage", "fragmentation", "unmerged")
    }
    unit = trace.attrs["unit"]
    return {
        "allocations": allocates.sum("request"),
        "refused": sum(counts.values(), xr.zeros_like(counts["shortage"])),
        **counts,
        "steps_to_allocate": told.search_steps.where(allocates).mean("request").fillna(0),
        "steps_to_free": told.search_steps.where(gives_back).mean("request").fillna(0),
        "most_steps": told.search_steps.max("request"),
        "mean_external": told.external.mean("request"),
        "mean_internal": told.internal.mean("request"),
        "peak_footprint": told.footprint.max("request").assign_attrs(units=unit),
        "peak_live": xr.DataArray(live_size(trace).max(initial=0), attrs={"units": unit}),
    }
