"""Sizes the kernel computes from the size of zones: watermarks, reserves, per-CPU lists (mm/page_alloc.c)."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt
from typing import NamedTuple

from .presets import Kernel, Sysctls

_RESERVE_RATIO = {"DMA": 256, "DMA32": 256, "Normal": 32}
_HUGE_PAGE_BLOCKS = 2 + 3 * 3  # two, and one for each pair of migratetypes that mix (mm/khugepaged.c)


class Watermark(NamedTuple):
    """Watermarks of a zone, in pages, without boost."""

    min: int
    low: int
    high: int
    promo: int


class PerCpu(NamedTuple):
    """Sizes of one CPU's lists in a zone, in pages."""

    high: int
    high_min: int
    high_max: int
    batch: int


def min_free_kbytes(managed: Sequence[int], page_size: int, pageblock_order: int) -> int:
    """Free memory the kernel keeps, from the managed pages of the zones up to Normal, with huge pages on.

    >>> min_free_kbytes([3840, 772915, 5394266], 4096, 9)
    67584
    """
    kbytes = page_size // 1024
    plain = min(max(isqrt(sum(managed) * kbytes * 16), 128), 262144)
    huge = min(len(managed) * _HUGE_PAGE_BLOCKS << pageblock_order, sum(managed) // 20)
    return max(plain, huge * kbytes)


def _share(pages: int, numerator: int, denominator: int) -> int:
    """Share of pages, rounded as mult_frac does."""
    return pages // denominator * numerator + pages % denominator * numerator // denominator


def watermarks(
    managed: Sequence[int], movable: Sequence[bool], pages_min: int, scale: int
) -> list[Watermark]:
    """Watermarks of all zones of a machine.

    Parameters
    ----------
    managed
        Pages of each zone.
    movable
        Whether it is a Movable zone, which has no share of `pages_min`.
    pages_min
        What min_free_kbytes is in pages.
    scale
        watermark_scale_factor.

    Examples
    --------
    >>> watermarks([3840, 772915, 851968], [False] * 3, 16896, 10)[2]
    Watermark(min=8838, low=11047, high=13256, promo=15465)
    """
    total = max(1, sum(pages for pages, alone in zip(managed, movable, strict=True) if not alone))
    marks = []
    for pages, alone in zip(managed, movable, strict=True):
        share = pages_min * pages // total
        least = min(max(pages // 1024, 32), 128) if alone else share
        step = max(share >> 2, _share(pages, scale, 10000))
        marks.append(Watermark(least, least + step, least + 2 * step, least + 3 * step))
    return marks


def lowmem_reserve(names: Sequence[str], managed: Sequence[int]) -> list[list[int]]:
    """Pages each zone of a node keeps from requests that could use a higher zone, (zone, zone).

    >>> lowmem_reserve(["DMA", "DMA32", "Normal"], [3840, 772915, 5394266])[0]
    [0, 3019, 24090]
    """
    return [
        [0] * (low + 1)
        + [
            sum(managed[low + 1 : high + 1]) // _RESERVE_RATIO[name] if name in _RESERVE_RATIO else 0
            for high in range(low + 1, len(names))
        ]
        for low, name in enumerate(names)
    ]


def per_cpu(managed: int, low: int, page_size: int, cpus: int, sysctls: Sysctls, rules: Kernel) -> PerCpu:
    """Empty lists of one CPU.

    >>> from compactlab.simulation.presets import KERNELS
    >>> per_cpu(5394266, 20163, 4096, 2, Sysctls(), KERNELS["6.18"])
    PerCpu(high=10081, high_min=10081, high_max=337141, batch=63)
    """
    batch = min(managed >> 12, (256 << 10) // page_size)
    batch = 1 if batch <= 1 else (1 << (batch + batch // 2).bit_length() - 1) - 1
    if sysctls.percpu_pagelist_high_fraction:
        least = managed // sysctls.percpu_pagelist_high_fraction // cpus
        most = least
    else:
        least = low // cpus
        most = managed // 8 // cpus if rules.pcp_tuned else least
    least, most = max(least, 4 * batch), max(most, 4 * batch)
    return PerCpu(least, least, most, batch)
