"""Traces recorded from real programs: the shipped one, and what `malloc_trace.c` wrote."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ...datasets import program
from ...readers.errors import ParseError, ReadWarning
from .form import ALLOCATE, FREE, UNKNOWN, trace_of

_RECORD = 5 * 8  # bytes: what, address, size, usable size, old address
_ALLOCATED, _FREED, _REALLOCATED, _BOOKS = 1, 2, 3, 4
_PAGE = 4096
MAPPED = -1
"""Place of an object that glibc did not put into its heap but mapped by itself."""


def malloc() -> xr.Dataset:
    """Every malloc and free of a real program, with what glibc made of them.

    A small Python program that makes, writes out, reads back and drops orders of a shop, recorded on Linux
    with `datasets/programs/malloc-trace/malloc_trace.c` in front of glibc. The folder's `dataset.json` says how.

    Returns
    -------
        A trace in bytes, with more variables, as `read` gives them.

    Raises
    ------
    ValueError
        If the file is not as it was shipped, or its requests cannot be.

    Examples
    --------
    >>> trace = malloc()
    >>> trace.sizes["request"] > 100_000
    True
    """
    folder = program("malloc-trace")
    entry = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    with np.load(folder / "trace.npz") as arrays:
        return _trace({name: arrays[name] for name in arrays.files}, entry["title"], entry["description"])


def read(path: str | Path, name: str = "") -> xr.Dataset:
    """Trace from the file that `malloc_trace.c` wrote of a program.

    A realloc counts as an allocation of the new size and a free of the old block after it, whether or not
    glibc could leave the object where it was. Addresses are told from the begin of the heap.

    Parameters
    ----------
    path
        The file named by MALLOC_TRACE.
    name
        Heading; the name of the file if not given.

    Returns
    -------
        `op`, `object`, `size` (request); `granted` (request), bytes that glibc gave for an allocation, 0 for a
        free; `place` (request), bytes from the begin of glibc's heap to the object, -1: not in the heap but
        mapped by itself; `at` (look), how many requests had been made when glibc's books were looked at;
        `obtained`, `mapped` and `in_use` (look), bytes that glibc had from the kernel, of these mapped for
        single objects, and in use by the program.
        Frees of objects whose allocation was not recorded are kept, as of object -1. Where the file was cut
        off inside a record, that is left out. A ReadWarning says either, and `attrs["problems"]` too.

    Raises
    ------
    ParseError
        If the file holds something else.
    """
    path = Path(path)
    data = path.read_bytes()
    cut = len(data) % _RECORD
    records = np.frombuffer(data, "<u8", (len(data) - cut) // 8).reshape(-1, 5)
    kinds = records[:, 0]
    if not len(records) or not np.isin(kinds, (_ALLOCATED, _FREED, _REALLOCATED, _BOOKS)).all():
        at = int(np.argmin(np.isin(kinds, (_ALLOCATED, _FREED, _REALLOCATED, _BOOKS)))) if len(records) else 0
        found = f"kind {kinds[at]}" if len(records) else "no whole record"
        raise ParseError(
            f"{path.name}, record {at}", found, "1 to 4", "Record with malloc_trace.c, as dataset.json says"
        )
    trace = _trace(_requests(records), name or path.name, f"Recorded in {path.name}.")
    problems = []
    if unknown := int((trace.object == UNKNOWN).sum()):
        problems.append(f"{path.name}: {unknown} frees of objects whose allocation was not recorded")
    if cut:
        problems.append(f"{path.name}: cut off inside record {len(records)}, whose {cut} bytes are left out")
    for problem in problems:
        warnings.warn(problem, ReadWarning, stacklevel=2)
    return trace.assign_attrs(problems=problems) if problems else trace


def _requests(records: np.ndarray) -> dict[str, np.ndarray]:
    """Objects by number instead of address; glibc's books apart."""
    base, top = _heap(records)
    live: dict[int, int] = {}
    rows: list[tuple[int, int, int, int, int]] = []
    looks: list[tuple[int, int, int, int]] = []
    born = 0
    for kind, address, size, usable, old in records.tolist():
        if kind == _BOOKS:  # arena, mapped, in use
            looks.append((len(rows), address + size, size, usable + size))
            continue
        gone = old if kind == _REALLOCATED else address
        leaves = live.pop(gone, UNKNOWN) if kind in (_FREED, _REALLOCATED) else None
        if kind != _FREED:
            place = address - base if address < top else MAPPED
            rows.append((ALLOCATE, born, size, usable, place))
            live[address] = born
            born += 1
        if leaves is not None:
            rows.append((FREE, leaves, 0, 0, 0))
    columns = np.array(rows, np.int64).reshape(-1, 5).T
    seen = np.array(looks, np.int64).reshape(-1, 4).T
    names = ("op", "object", "size", "granted", "place")
    return dict(zip(names, columns, strict=True)) | dict(
        zip(("at", "obtained", "mapped", "in_use"), seen, strict=True)
    )


def _heap(records: np.ndarray) -> tuple[int, int]:
    """Where glibc's heap begins and ends: it lies below all that is mapped."""
    books = records[records[:, 0] == _BOOKS]
    addresses = records[np.isin(records[:, 0], (_ALLOCATED, _REALLOCATED)), 1]
    if not addresses.size:
        return 0, 0
    base = int(addresses.min()) // _PAGE * _PAGE
    return base, base + int(books[:, 1].max(initial=0)) + _PAGE


def _trace(arrays: dict[str, np.ndarray], name: str, text: str) -> xr.Dataset:
    trace = trace_of(arrays["op"], arrays["object"], arrays["size"], name, text=text)
    beside = {"granted": "request", "place": "request"} | dict.fromkeys(
        ("obtained", "mapped", "in_use"), "look"
    )
    columns: dict[str, Any] = {
        which: (dim, arrays[which].astype(np.int64), {"units": "byte"}) for which, dim in beside.items()
    }
    return trace.assign(columns | {"at": ("look", arrays["at"].astype(np.int64))})
