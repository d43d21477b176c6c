"""Kernels by version and their sysctls: what a simulated machine is set to."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from ..texts import _

THP_DEFRAG = ("always", "defer", "defer+madvise", "madvise", "never")
"""Policies of /sys/kernel/mm/transparent_hugepage/defrag, numbered as in ``rules.thp_defrag``."""


@dataclass(frozen=True)
class Range:
    """Values that the kernel takes for a setting.

    >>> [8 in Range(8, or_zero=True), 0 in Range(8, or_zero=True), 3 in Range(8, or_zero=True)]
    [True, True, False]
    """

    least: int
    most: int | None = None
    or_zero: bool = False
    """Zero too, though it is less: a value with a meaning of its own."""

    def __contains__(self, value: float) -> bool:
        if self.or_zero and value == 0:
            return True
        return self.least <= value and (self.most is None or value <= self.most)

    def __str__(self) -> str:
        bounds = _("at least {least}") if self.most is None else _("{least} to {most}")
        told = bounds.format(least=self.least, most=self.most)
        return _("0, or {bounds}").format(bounds=told) if self.or_zero else told


RANGES = {
    "min_free_kbytes": Range(0),
    "watermark_scale_factor": Range(1, 3000),
    "watermark_boost_factor": Range(0, 1 << 31),
    "extfrag_threshold": Range(0, 1000),
    "compaction_proactiveness": Range(0, 100),
    "defrag_mode": Range(0, 1),
    "percpu_pagelist_high_fraction": Range(8, or_zero=True),  # MIN_PERCPU_PAGELIST_HIGH_FRACTION
    "compact_unevictable_allowed": Range(0, 1),
    "swappiness": Range(0, 200),
}
"""Ranges of the numbers of `Sysctls`, as kernel/sysctl.c and mm/ have them."""


@dataclass(frozen=True)
class Sysctls:
    """Settings under /proc/sys/vm, with the kernel's defaults and ranges.

    >>> Sysctls(compaction_proactiveness=50).compaction_proactiveness
    50
    """

    min_free_kbytes: int | None = None
    """As the kernel computes it if not given."""
    watermark_scale_factor: int = 10
    """Distance of the watermarks, in 1/10000 of the zone."""
    watermark_boost_factor: int = 15000
    """Largest boost, in 1/10000 of the high watermark; 0: no boost."""
    extfrag_threshold: int = 500
    """Fragmentation index, in thousandths, up to which a costly request does not compact."""
    compaction_proactiveness: int = 20
    """0: never in advance, 100: all the time."""
    defrag_mode: int = 0
    """1: no mixing of migratetypes before reclaim and compaction failed (6.15 and later)."""
    percpu_pagelist_high_fraction: int = 0
    """Share of the zone in per-CPU lists as 1/n; 0: as the kernel computes it."""
    compact_unevictable_allowed: int = 1
    """Whether locked pages are moved."""
    transparent_hugepage_defrag: str = "madvise"
    """What a huge page fault may do, as in transparent_hugepage/defrag."""
    swap: bool = False
    """Whether there is room to swap anonymous pages out."""
    swappiness: int = 60
    """How readily anonymous pages are reclaimed."""

    def __post_init__(self) -> None:
        for name, accepted in RANGES.items():
            value = getattr(self, name)
            computed = name == "min_free_kbytes" and value is None
            if not computed and value not in accepted:
                raise ValueError(f"Sysctls: {name}={value!r}; expected {accepted}")
        one_of("transparent_hugepage_defrag", self.transparent_hugepage_defrag, THP_DEFRAG)


@dataclass(frozen=True)
class Kernel:
    """What differs between versions, in the fields of ``compactlab.core.memory.RULES``."""

    claim_largest_only: int
    """One search for fallbacks, from the largest block down (6.14 and before)."""
    hygiene: int
    """Free pages are on the lists of their pageblock's type (6.10 and later)."""
    large_folios: int
    """Compaction moves folios below pageblock order (6.9 and later)."""
    smart_suitable: int
    """Costly asynchronous requests need free pages outside of CMA (6.15 and later)."""
    costly_low: int
    """Costly requests are held to the low watermark (6.14 and before)."""
    proactive_floor: int
    """Proactive compaction stops at a score of 5 at the lowest (6.14 and before)."""
    pcp_orders: int
    """Orders below this pass through per-CPU lists, 0 only before 5.14."""
    pcp_tuned: int
    """Per-CPU lists grow and shrink with use (6.7 and later)."""
    proactive: int = 1
    """There is proactive compaction (5.9 and later)."""


KERNELS = {
    "6.18": Kernel(0, 1, 1, 1, 0, 0, 4, 1),
    "6.12": Kernel(1, 1, 1, 0, 1, 1, 4, 1),
    "6.6": Kernel(1, 0, 0, 0, 1, 1, 4, 0),
    "5.10": Kernel(1, 0, 0, 0, 1, 1, 1, 0),
    "5.4": Kernel(1, 0, 0, 0, 1, 1, 1, 0, proactive=0),
}
"""Kernels by release: 6.15 and later, from 6.10, from 5.14, from 5.9, from 5.1."""


def kernel(name: str) -> Kernel:
    """Kernel of a name.

    Raises
    ------
    ValueError
        If there is none; the message names the nearest.

    Examples
    --------
    >>> kernel("6.6").hygiene
    0
    """
    one_of("kernel", name, tuple(KERNELS))
    return KERNELS[name]


def nearest_kernel(release: str) -> str:
    """Name of the kernel whose rules a release has.

    >>> nearest_kernel("6.18.44"), nearest_kernel("6.9.1-generic"), nearest_kernel("unknown")
    ('6.18', '6.6', '6.18')
    """
    try:
        major, minor = (int(part) for part in release.split(".")[:2])
    except ValueError:
        return next(iter(KERNELS))
    begins = {"6.18": (6, 15), "6.12": (6, 10), "6.6": (5, 14), "5.10": (5, 9)}
    return next((name for name, begin in begins.items() if (major, minor) >= begin), "5.4")


def one_of(what: str, found: str, known: Sequence[str]) -> int:
    """Position of a name among those that are known.

    Raises
    ------
    ValueError
        If it is none of them; the message names the nearest.

    Examples
    --------
    >>> one_of("policy", "never", THP_DEFRAG)
    4
    """
    if found not in known:
        near = difflib.get_close_matches(str(found), known, 1, 0.0)
        raise ValueError(f"{what} {found!r}; expected one of {', '.join(known)}. The nearest is {near[0]!r}")
    return list(known).index(found)
