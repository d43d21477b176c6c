"""What LZ4 and ZSTD make of pages: sizes, which are the same every time, and speed, which is not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import perf_counter_ns
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from ..texts import memory
from .classes import PAGE_SIZES, huge_size

OUTCOMES = ("same-filled", "compressed", "raw")
_AROUND = {"lz4": 15, "lz4hc": 15, "zstd": 0}  # bytes of a frame that a kernel does not keep


class Compressor(NamedTuple):
    """A compressor, as zram knows it."""

    level: int
    """That zram takes if none is given."""
    least: int
    most: int
    meaning: str
    """What a level of it is."""


COMPRESSORS = {
    "lz4": Compressor(1, 1, 65537, "acceleration: higher is faster and compresses less"),
    "lz4hc": Compressor(9, 3, 12, "effort: higher is slower and compresses more"),
    "zstd": Compressor(3, -7, 22, "effort: higher is slower and compresses more"),
}
"""Compressors by the names they have in /sys/block/zram0/comp_algorithm."""


def same_filled(pages: ArrayLike) -> np.ndarray:
    """Pages that are one 8-byte word over and over, zero or other: only the word is kept, no memory is used.

    Parameters
    ----------
    pages
        uint8 (page, byte).

    Returns
    -------
        bool (page,).

    References
    ----------
    drivers/block/zram/zram_drv.c, page_same_filled, Linux 6.18; mm/zswap.c has the same.

    Examples
    --------
    >>> same_filled([[7] * 16, [0] * 15 + [1]])
    array([ True, False])
    """
    words = _checked(pages).view(np.uint64)
    return (words == words[:, :1]).all(axis=1)


def measure(pages: ArrayLike, compressor: str = "lz4", level: int | None = None) -> xr.Dataset:
    """Compress pages one by one, and decide as zram does what is kept of each.

    A same-filled page costs nothing; one that would not fit below `huge_size` is kept raw, a page for a page.

    Parameters
    ----------
    pages
        uint8 (page, byte): pages of 4, 16 or 64 KiB, as from `contents`.
    compressor
        A name in `COMPRESSORS`.
    level
        Of the compressor; zram's own if not given.

    Returns
    -------
        Dims (page,): `compressed` bytes that the compressor made (LZ4: at most a page), `kept` bytes that go into the pool (0 if
        same-filled, a page if raw), `outcome` (an index into attrs["outcomes"]). `ratio`: bytes of all pages
        by bytes kept, infinite if none are. `attrs["text"]` says it in a sentence.

    Raises
    ------
    ValueError
        If pages are none, or compressor or level unknown.

    References
    ----------
    drivers/block/zram/zram_drv.c, zram_write_page, Linux 6.18. A kernel with LZ4 kept as many bytes of 473 of
    480 recorded pages, and 2 to 4 more of the others (datasets/programs/zram: its LZ4 is older); that kernel
    was built without ZSTD.

    Examples
    --------
    >>> float(measure(np.zeros((2, 4096), np.uint8)).ratio)
    inf
    """
    checked = _checked(pages)
    level = _level(compressor, level)
    compress, _ = _functions(compressor, level)
    size = checked.shape[1]
    if size not in PAGE_SIZES:
        raise ValueError(f"pages of {size} bytes; expected pages of 4096, 16384 or 65536")
    compressed = np.array([len(compress(page.tobytes())) for page in checked], np.int64) - _AROUND[compressor]
    is_same = same_filled(checked)
    is_raw = ~is_same & (compressed >= huge_size(page_size=size))
    kept = np.where(is_same, 0, np.where(is_raw, size, compressed))
    total, stored = checked.size, int(kept.sum())
    return xr.Dataset(
        {
            "compressed": ("page", compressed, {"units": "bytes"}),
            "kept": ("page", kept, {"units": "bytes"}),
            "outcome": ("page", np.where(is_same, 0, np.where(is_raw, 2, 1)).astype(np.uint8)),
            "ratio": ((), total / stored if stored else np.inf),
        },
        attrs={
            "compressor": compressor,
            "level": level,
            "page_size": size,
            "outcomes": list(OUTCOMES),
            "text": f"{compressor} ({level}): {len(checked)} pages of {_size(total)} in all, kept as "
            f"{_size(stored)}; {is_same.sum()} same-filled, {is_raw.sum()} stored raw",
        },
    )


def speed(
    pages: ArrayLike, compressor: str = "lz4", level: int | None = None, repeats: int = 7
) -> xr.Dataset:
    """Time what a page takes, here and now: no two calls give the same.

    The least of several repeats is told, as whatever disturbs a measurement makes it longer. A call from
    Python is among it, about a microsecond.

    Parameters
    ----------
    pages, compressor, level
        As for `measure`.
    repeats
        Of all pages.

    Returns
    -------
        `compress_ns` and `decompress_ns` of one page.

    Raises
    ------
    ValueError
        As `measure`, or if repeats is below 1.

    Examples
    --------
    >>> bool(speed(np.zeros((1, 4096), np.uint8), repeats=1).compress_ns > 0)
    True
    """
    if repeats < 1:
        raise ValueError(f"repeats={repeats}; expected at least 1")
    checked = _checked(pages)
    level = _level(compressor, level)
    compress, decompress = _functions(compressor, level)
    there = [page.tobytes() for page in checked]
    packed = [compress(page) for page in there]
    return xr.Dataset(
        {
            "compress_ns": _fastest(compress, there, repeats),
            "decompress_ns": _fastest(decompress, packed, repeats),
        },
        attrs={"compressor": compressor, "level": level, "repeats": repeats},
    )


def _fastest(work: Callable[[bytes], bytes], items: list[bytes], repeats: int) -> float:
    took = []
    for _ in range(repeats):
        began = perf_counter_ns()
        for item in items:
            work(item)
        took.append(perf_counter_ns() - began)
    return min(took) / len(items)


def _functions(compressor: str, level: int) -> tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]:
    """Compress and decompress one page."""
    if compressor == "zstd":
        import zstandard

        packer = zstandard.ZstdCompressor(level=level, write_checksum=False)
        unpacker = zstandard.ZstdDecompressor()
        return packer.compress, unpacker.decompress
    import lz4.frame

    # A frame around one block: LZ4_compress_fast, as the kernel calls it, with 15 bytes around its result.
    frame_level = level if compressor == "lz4hc" else 1 - level
    options = {"compression_level": frame_level, "block_linked": False, "store_size": False}
    return partial(lz4.frame.compress, **options), lz4.frame.decompress


def _level(compressor: str, level: int | None) -> int:
    if compressor not in COMPRESSORS:
        raise ValueError(f"compressor {compressor!r}; expected one of {', '.join(COMPRESSORS)}")
    known = COMPRESSORS[compressor]
    if level is None:
        return known.level
    if not known.least <= level <= known.most:
        raise ValueError(f"{compressor}: level={level}; expected {known.least} to {known.most}")
    return level


def _checked(pages: ArrayLike) -> np.ndarray:
    given = np.asarray(pages)
    checked = np.ascontiguousarray(given, np.uint8)
    if checked.ndim != 2 or not checked.size or checked.shape[1] % 8 or not np.array_equal(checked, given):
        raise ValueError(
            f"pages: {given.dtype} {given.shape}; expected bytes (page, byte), at least one page"
        )
    return checked


def _size(number: int) -> str:
    return memory(number / 4096, 4096).replace("\u00a0", " ")
