"""What a trace of requests is, how one is written by hand, and what it must obey."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import xarray as xr

ALLOCATE, FREE = 0, 1
OPS = ("allocate", "free")
UNITS = ("byte", "page")
UNKNOWN = -1
"""Object of a free whose allocation the trace does not hold."""

LARGEST = 1 << 40
_WRITTEN = re.compile(r"(?:(?P<free>free)\s+)?(?P<name>[A-Za-z_]\w*)(?:\s+(?P<size>\d+))?")


def trace_of(op: Any, thing: Any, size: Any, name: str, unit: str = "byte", **attrs: Any) -> xr.Dataset:
    """Trace of requests in their order.

    Parameters
    ----------
    op
        0 to allocate, 1 to free, as in `OPS`.
    thing
        Number of the object: each is allocated once and freed once at most; -1: a free of an object whose
        allocation is not in the trace.
    size
        What is asked for, in the unit; 0 for a free.
    name, unit
        Heading, and "byte" or "page".
    attrs
        What else is known of it, such as `text`, one sentence on where it comes from.

    Returns
    -------
        Variables `op` uint8, `object` int64, `size` int64, all (request).

    Raises
    ------
    ValueError
        If a request cannot be; the message has its number.

    Examples
    --------
    >>> trace_of([0, 1], [0, 0], [40, 0], "one object").sizes["request"]
    2
    """
    trace = xr.Dataset(
        {
            "op": ("request", _whole("op", op).astype(np.uint8), {"long_name": "0 allocate, 1 free"}),
            "object": ("request", _whole("object", thing)),
            "size": ("request", _whole("size", size), {"units": unit}),
        },
        attrs={"name": name, "unit": unit, **attrs},
    )
    check(trace)
    return trace


def _whole(name: str, told: Any) -> np.ndarray:
    values = np.asarray(told)
    if values.size and (values.ndim != 1 or values.dtype.kind not in "iub"):
        raise ValueError(
            f"trace, {name}: found {values.dtype} of shape {values.shape}; expected a row of whole numbers"
        )
    return values.astype(np.int64)


def written(requests: str, name: str = "written by hand", unit: str = "byte", **attrs: Any) -> xr.Dataset:
    """Trace as a person writes it: a name and a size allocates, `free` and a name frees, commas between.

    A name that was freed may be given again.

    Raises
    ------
    ValueError
        If a part is neither, or frees what was not allocated; the message has its number.
    TypeError
        If it is no text.

    Examples
    --------
    >>> trace = written("a 48, b 32, free a, c 16")
    >>> trace.op.values.tolist(), trace.size.values.tolist()
    ([0, 0, 1, 0], [48, 32, 0, 16])
    """
    if not isinstance(requests, str):
        raise TypeError(f"requests: found {requests!r}; expected text such as 'a 48, b 32, free a'")
    rows: list[tuple[int, int, int]] = []
    live: dict[str, int] = {}
    parts = [part.strip() for part in re.split(r"[,\n]", requests) if part.strip()]
    for number, part in enumerate(parts, 1):
        found = _WRITTEN.fullmatch(part)
        if found is None or (found["free"] is None) == (found["size"] is None):
            raise ValueError(
                f"request {number}: found {part!r}; expected a name and a size, such as 'a 48', or 'free a'"
            )
        if found["free"]:
            if found["name"] not in live:
                raise ValueError(
                    f"request {number}: found {part!r}, but {found['name']!r} is not allocated then"
                )
            rows.append((FREE, live.pop(found["name"]), 0))
            continue
        if found["name"] in live:
            raise ValueError(f"request {number}: found {part!r}, but {found['name']!r} is allocated already")
        live[found["name"]] = sum(op == ALLOCATE for op, _, _ in rows)
        rows.append((ALLOCATE, live[found["name"]], int(found["size"])))
    op, thing, size = np.array(rows, np.int64).reshape(-1, 3).T
    return trace_of(op, thing, size, name, unit, **attrs)


def check(trace: xr.Dataset) -> None:
    """Refuse a trace that cannot be: objects freed twice or before they are allocated, sizes below 0.

    Raises
    ------
    ValueError
        The message has the number of the first such request, counted from 0.
    TypeError
        If it is no Dataset.
    """
    if not isinstance(trace, xr.Dataset):
        raise TypeError(
            f"trace: found {type(trace).__name__}; expected what traces.written or traces.steady make"
        )
    lacking = [name for name in ("op", "object", "size") if name not in trace]
    if lacking or trace.attrs.get("unit") not in UNITS:
        raise ValueError(
            f"trace: found variables {', '.join(map(str, trace.data_vars))} and unit {trace.attrs.get('unit')!r}; "
            f"expected op, object, size and one of {UNITS}. Make one with traces.trace_of or traces.written"
        )
    op, thing, size = (trace[name].values for name in ("op", "object", "size"))
    _refuse(op > FREE, op, "0 (allocate) or 1 (free)")
    _refuse((size < 0) | (size > LARGEST), size, f"a size of 0 to {LARGEST}")
    _refuse(
        (thing < UNKNOWN) | ((thing == UNKNOWN) & (op == ALLOCATE)), thing, "an object of number 0 or above"
    )
    known = np.flatnonzero(thing != UNKNOWN)
    order = known[np.lexsort((known, thing[known]))]  # object by object, in the order of requests
    first = np.r_[True, thing[order][1:] != thing[order][:-1]] if order.size else np.zeros(0, bool)
    begins = np.flatnonzero(first)
    turn = np.arange(order.size) - np.repeat(begins, np.diff(np.r_[begins, order.size]))
    wrong = order[(op[order] != turn)]
    if wrong.size:
        at = int(wrong.min())
        was = "freed" if op[at] == FREE else "allocated"
        raise ValueError(
            f"trace, request {at}: object {thing[at]} is {was}; expected that each object is allocated once, "
            "and freed once after that or not at all. Give a new number to what is allocated again"
        )


def _refuse(wrong: np.ndarray, found: np.ndarray, expected: str) -> None:
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ValueError(f"trace, request {at}: found {found[at]}; expected {expected}")


def of_object(trace: xr.Dataset, amount: np.ndarray) -> np.ndarray:
    """Amount of each request's object, whether it is allocated or freed then; 0 for unknown ones. Dims (request)."""
    op, thing = trace.op.values, trace.object.values
    of = np.zeros(int(thing.max(initial=-1)) + 2, np.int64)  # the last is of unknown objects
    of[thing[op == ALLOCATE]] = amount[op == ALLOCATE]
    return of[thing]


def alive(trace: xr.Dataset, amount: np.ndarray) -> np.ndarray:
    """Sum of an amount (request) over all objects alive after each request. Dims (request)."""
    each = of_object(trace, amount)
    return np.cumsum(np.where(trace.op.values == ALLOCATE, each, -each))


def live_size(trace: xr.Dataset) -> np.ndarray:
    """What is asked for by all objects alive after each request, in the unit. Dims (request)."""
    return alive(trace, trace["size"].values)
