"""Compressed memory: what LZ4 and ZSTD make of pages, what a pool of zsmalloc makes of that, and of a zone.

>>> told = measure(contents("sparse"), "lz4")
>>> told.attrs["text"]
'lz4 (1): 96 pages of 384 KiB in all, kept as 14 KiB; 32 same-filled, 0 stored raw'
"""

from .classes import huge_size, size_classes
from .contents import KINDS, contents, recorded
from .filling import filling
from .measures import COMPRESSORS, measure, same_filled, speed
from .pool import Pool
from .swapping import swap_out

__all__ = [
    "COMPRESSORS",
    "KINDS",
    "Pool",
    "contents",
    "filling",
    "huge_size",
    "measure",
    "recorded",
    "same_filled",
    "size_classes",
    "speed",
    "swap_out",
]
