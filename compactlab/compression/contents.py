"""Real page contents of several kinds, and what a kernel's zram recorded of them."""

from __future__ import annotations

import lzma

import numpy as np
import xarray as xr

from .. import datasets

PAGE_SIZE = 4096
KINDS = ("text", "code", "heap", "sparse", "random")
_SEED = 20260
_PAGES = 96
_TABLES = ("pages", "classes", "frees")
_WORDS = ("kind", "op")


def contents(kind: str) -> np.ndarray:
    """Pages of one kind, 96 of 4 KiB.

    text: prose and source of this project; code: machine code of the library zstandard; heap: records of
    a Python program, as they lay in its memory; sparse: arrays of counts, nearly all zero; random: bits of
    PCG64, made again each time, as nobody can store them in less.

    Parameters
    ----------
    kind
        A name in `KINDS`.

    Returns
    -------
        uint8 (page, byte).

    Raises
    ------
    ValueError
        If there is no such kind.

    References
    ----------
    datasets/programs/page-contents, with the script that made them.

    Examples
    --------
    >>> contents("text").shape
    (96, 4096)
    """
    if kind not in KINDS:
        raise ValueError(f"page contents {kind!r}; expected one of {', '.join(KINDS)}")
    if kind == "random":
        whole = np.random.PCG64(_SEED).random_raw(_PAGES * PAGE_SIZE // 8).tobytes()
    else:
        whole = lzma.decompress((datasets.program("page-contents") / f"{kind}.xz").read_bytes())
    return np.frombuffer(whole, np.uint8).reshape(-1, PAGE_SIZE)


def recorded(table: str) -> xr.Dataset:
    """What zram of Linux 6.18 told when these pages were written to it, as its mm_stat counts.

    Parameters
    ----------
    table
        `pages`: after each page of `contents`, kind by kind; `classes`: objects and pages of one zspage of
        each size class; `frees`: 6,000 pages stored, many discarded, others stored, and the pool compacted.

    Returns
    -------
        Dims (row,): the columns of the table, integers, and words where they are words. `stored`,
        `compressed` and `used` in bytes.

    Raises
    ------
    ValueError
        If there is no such table.

    References
    ----------
    datasets/programs/zram, with the script that recorded it; Documentation/admin-guide/blockdev/zram.rst.

    Examples
    --------
    >>> int(recorded("pages").stored[-1]) // 4096
    480
    """
    if table not in _TABLES:
        raise ValueError(f"recorded table {table!r}; expected one of {', '.join(_TABLES)}")
    file = datasets.program("zram") / f"{table}.csv"
    head, *lines = file.read_text(encoding="utf-8").splitlines()
    columns = zip(*(line.split(",") for line in lines), strict=True)
    return xr.Dataset(
        {
            name: ("row", np.array(column, str) if name in _WORDS else np.array(column, np.int64))
            for name, column in zip(head.split(","), columns, strict=True)
        }
    )
