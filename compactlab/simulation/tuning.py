"""The same memory under other settings: what a recording fixed is computed anew where a setting governs it."""

from __future__ import annotations

import dataclasses

import numpy as np

from ..core.memory import HOLE, ISOLATED, RESERVED
from .marks import min_free_kbytes, per_cpu, watermarks
from .presets import Sysctls, kernel
from .seed import RecordedPcp, Seed
from .zone import Zone


def with_sysctls(zone: Zone, sysctls: Sysctls) -> Zone:
    """Put a zone under settings; its pages stay as they are.

    A zone from a page map has the watermarks and the sizes of per-CPU lists that were recorded. Where
    `watermark_scale_factor` changes, low and high are computed anew above the recorded min; where
    `min_free_kbytes` changes, all of them are, as if the zones simulated were all there are; where
    `percpu_pagelist_high_fraction` changes, the lists' sizes are.

    Parameters
    ----------
    zone
        Under the settings it has.
    sysctls
        The settings wanted.

    Examples
    --------
    >>> with_sysctls(Zone("64 MiB"), Sysctls(extfrag_threshold=200)).sysctls.extfrag_threshold
    200
    """
    changed = dataclasses.replace(zone, sysctls=sysctls)
    seed, before = zone.seed, zone.sysctls
    if seed is None:
        return changed
    managed, marks = _managed(seed), seed.watermark
    if sysctls.min_free_kbytes != before.min_free_kbytes:
        marks = None
    elif sysctls.watermark_scale_factor != before.watermark_scale_factor and marks is not None:
        marks = watermarks([managed], [False], marks.min, sysctls.watermark_scale_factor)[0]
    listed = seed.pcp
    if sysctls.percpu_pagelist_high_fraction != before.percpu_pagelist_high_fraction:
        low = _low(changed, managed) if marks is None else marks.low
        sizes = per_cpu(managed, low, zone.page_size, zone.cpus, sysctls, kernel(zone.kernel))
        listed = tuple(RecordedPcp(cpu.count, sizes.high, sizes.batch) for cpu in seed.pcp)
    return dataclasses.replace(changed, seed=dataclasses.replace(seed, watermark=marks, pcp=listed))


def _low(zone: Zone, managed: int) -> int:
    """Low watermark of a zone that is alone."""
    kbytes = zone.sysctls.min_free_kbytes
    if kbytes is None:
        kbytes = min_free_kbytes([managed], zone.page_size, zone.pageblock_order)
    pages = kbytes * 1024 // zone.page_size
    return watermarks([managed], [False], pages, zone.sysctls.watermark_scale_factor)[0].low


def _managed(seed: Seed) -> int:
    """Managed pages: as recorded, or counted."""
    if seed.managed is not None:
        return seed.managed
    return int(np.isin(seed.kind, (HOLE, RESERVED, ISOLATED), invert=True).sum())
