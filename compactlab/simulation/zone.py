"""A zone of memory, declared or seeded from the page map of a run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from ..core.memory import MAX_CLASSES, MAX_CPUS, MAX_ORDERS
from . import seed
from .declared import declared
from .presets import Sysctls, kernel, nearest_kernel
from .seed import Seed

ZONE_INDEX = {"DMA": 0, "DMA32": 1, "Normal": 2, "Movable": 3}
"""Names of zones and their index in a node, as on 64-bit machines."""

_FIRST_BYTE = {"DMA": 0, "DMA32": 16 << 20, "Normal": 4 << 30, "Movable": 8 << 30}
_UNITS = {"": 1, "B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(B|[KMGT](?:iB)?)?\s*", re.IGNORECASE)
_MOST_PAGES = 1 << 30  # page indices are 32 bits wide


@dataclass(frozen=True)
class Zone:
    """A zone: its size, its place, and the machine around it. A value: nothing changes it.

    >>> Zone("64 MiB").nr_pages
    16384
    >>> Zone("2 GiB", name="DMA32", node=0).label
    '0/DMA32'
    """

    size: str | int = "1 GiB"
    """Bytes, or text such as `"512 MiB"`."""
    pages: int = 0
    """Size in pages; `size` does not count then."""
    name: str = "Normal"
    """DMA, DMA32, Normal or Movable."""
    node: int = 0
    """NUMA node."""
    start_pfn: int | None = None
    """First page frame number; where such a zone begins on x86-64 if not given."""
    pageblock_order: int = 9
    """Order of a pageblock, and of a huge page."""
    nr_orders: int = 11
    """Number of orders: the largest block is of order nr_orders - 1."""
    cpus: int = 2
    """CPUs of the node."""
    page_size: int = 4096
    """Bytes of a page."""
    sysctls: Sysctls = field(default_factory=Sysctls)
    """Settings of the machine."""
    kernel: str = "6.18"
    """Whose rules it follows: a name in `presets.KERNELS`."""
    seed: Seed | None = field(default=None, repr=False)
    """What is in it; all pages are free without."""

    def __post_init__(self) -> None:
        kernel(self.kernel)
        if self.name not in ZONE_INDEX:
            raise ValueError(f"Zone: name={self.name!r}; expected one of {', '.join(ZONE_INDEX)}")
        for name, least, most in (
            ("node", 0, MAX_CLASSES - 1),
            ("nr_orders", 1, MAX_ORDERS),
            ("pageblock_order", 1, self.nr_orders - 1),
            ("cpus", 1, MAX_CPUS),
            ("page_size", 1024, 1 << 24),
        ):
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"Zone: {name}={getattr(self, name)}; expected {least} to {most}")
        most = _MOST_PAGES if self.seed is None else self.seed.kind.size
        if not 1 << self.pageblock_order <= self.nr_pages <= most and self.seed is None:
            raise ValueError(
                f"Zone: {self.nr_pages} pages; expected at least a pageblock ({1 << self.pageblock_order}) "
                f"and at most {_MOST_PAGES}"
            )
        if self.first_pfn < 0:
            raise ValueError(f"Zone: start_pfn={self.start_pfn}; expected at least 0")

    @property
    def nr_pages(self) -> int:
        """Pages between first and last, holes included."""
        return self.pages or _pages(self.size, self.page_size)

    @property
    def first_pfn(self) -> int:
        """First page frame number."""
        if self.start_pfn is not None:
            return self.start_pfn
        return _FIRST_BYTE[self.name] // self.page_size

    @property
    def end_pfn(self) -> int:
        """Page frame number behind the last."""
        return self.first_pfn + self.nr_pages

    @property
    def index(self) -> int:
        """Index of the zone in its node."""
        return ZONE_INDEX[self.name]

    @property
    def label(self) -> str:
        """Label as in a run."""
        return f"{self.node}/{self.name}"

    @property
    def config(self) -> dict[str, object]:
        """What it was declared as, as JSON has it."""
        return {
            "zone": self.label,
            "pages": self.nr_pages,
            "start_pfn": self.first_pfn,
            "pageblock_order": self.pageblock_order,
            "nr_orders": self.nr_orders,
            "cpus": self.cpus,
            "page_size": self.page_size,
            "kernel": self.kernel,
            "sysctls": vars(self.sysctls).copy(),
            "seeded": self.seed is not None,
        }

    @classmethod
    def from_pages(cls, run: xr.DataTree, zone: str | None = None, keyframe: str = "before") -> Zone:
        """Seed a zone from a page map, with all that the run tells beside it.

        Free blocks are put on their lists in the order of their page frame numbers. Where no file tells a
        pageblock's migratetype, /proc/pagetypeinfo tells how many there are of each, and those with most
        unmovable pages are taken to be the unmovable ones. Pages of which kpageflags says nothing are in
        per-CPU lists as far as /proc/zoneinfo counts any; the rest are the kernel's own.

        Where the run has events of requests that compacted the zone, they tell what no page map holds: where
        the scanners stood, which pageblocks had their skip bit set, and how deferral stood, as
        `Zone.seed.history`.

        Parameters
        ----------
        run
            A run with `/pages`, recorded or simulated.
        zone
            Label of the zone, such as `0/Normal`; the largest if not given.
        keyframe
            Name of the page map.

        Raises
        ------
        ValueError
            If the run has no such page map or zone, or the map does not cover the zone.

        Examples
        --------
        >>> from compactlab import datasets
        >>> zone = Zone.from_pages(datasets.load("page-map-compaction"))
        >>> zone.label, zone.nr_pages
        ('0/Normal', 5505024)
        """
        found = seed.read(run, zone, keyframe)
        if found.name not in ZONE_INDEX:
            raise ValueError(f"zone {found.name!r}: expected one of {', '.join(ZONE_INDEX)}")
        return cls(
            pages=found.seed.kind.size,
            name=found.name,
            node=found.node,
            start_pfn=found.start_pfn,
            pageblock_order=found.pageblock_order,
            nr_orders=found.nr_orders,
            cpus=len(found.seed.pcp) or 1,
            page_size=found.page_size,
            kernel=nearest_kernel(str(run.attrs.get("kernel", ""))),
            seed=found.seed,
        )

    @classmethod
    def from_kinds(
        cls,
        kind: ArrayLike,
        *,
        flags: Mapping[str, ArrayLike] | None = None,
        folio_order: int = 0,
        migratetype: str | Sequence[str] = "Movable",
        **fields: Any,
    ) -> Zone:
        """Declare a zone page by page.

        Free pages lie in the largest blocks there can be, as the buddy allocator keeps them.

        Parameters
        ----------
        kind
            What each page is, (P,): free, anon, file, slab, pgtable, kernel, reserved, ...
        flags
            Pages, by position or as a mask (P,), that are pinned, dirty, private, writeback, unevictable,
            active or referenced. Of a large folio its first page counts.
        folio_order
            Of file pages; they must then stand in aligned runs of 2**folio_order.
        migratetype
            Of all pageblocks, or of each, (B,).
        fields
            Any other field of a zone.

        Raises
        ------
        ValueError
            If a kind or flag is unknown, a flag is given to pages that have none, or a folio is not whole.

        Examples
        --------
        >>> zone = Zone.from_kinds(["anon", "free"] * 4096, flags={"pinned": [0]})
        >>> zone.label, zone.nr_pages
        ('0/Normal', 8192)
        """
        empty = cls(pages=np.size(kind), **fields)
        if not 0 <= folio_order < empty.nr_orders:
            raise ValueError(
                f"Zone.from_kinds: folio_order={folio_order}; expected 0 to {empty.nr_orders - 1}"
            )
        place = (empty.first_pfn, empty.pageblock_order, empty.nr_orders)
        return replace(empty, seed=declared(kind, flags or {}, folio_order, migratetype, *place))


def machine(zone: Zone | Sequence[Zone]) -> list[Zone]:
    """Zones of one machine, from one or several; refused by `check` where they cannot be.

    >>> [each.label for each in machine(Zone("64 MiB"))]
    ['0/Normal']
    """
    zones = [zone] if isinstance(zone, Zone) else list(zone)
    check(zones)
    return zones


def check(zones: Sequence[Zone]) -> None:
    """Refuse zones that cannot be of one machine.

    Raises
    ------
    ValueError
        If there are none, or too many, two overlap or have one label, or they differ in what a machine has
        only one of.
    """
    if not 1 <= len(zones) <= MAX_CLASSES:
        raise ValueError(f"{len(zones)} zones; expected 1 to {MAX_CLASSES}")
    first = zones[0]
    for name in ("pageblock_order", "nr_orders", "cpus", "page_size", "sysctls", "kernel"):
        for other in zones[1:]:
            if getattr(other, name) != getattr(first, name):
                raise ValueError(
                    f"zones {first.label} and {other.label}: {name} {getattr(first, name)!r} and "
                    f"{getattr(other, name)!r}; expected the same, as they are of one machine"
                )
    ordered = sorted(zones, key=lambda zone: zone.first_pfn)
    for low, high in pairwise(ordered):
        if low.end_pfn > high.first_pfn:
            raise ValueError(
                f"zones {low.label} and {high.label} overlap: page frames up to {low.end_pfn} and from "
                f"{high.first_pfn}; give start_pfn"
            )
    labels = [zone.label for zone in zones]
    for label in labels:
        if labels.count(label) > 1:
            raise ValueError(f"zone {label}: {labels.count(label)} of that label; expected one")


def _pages(size: str | int, page_size: int) -> int:
    """Pages of a size.

    >>> _pages("1.5 GiB", 4096)
    393216
    """
    match = _SIZE.fullmatch(str(size))
    if match is None:
        raise ValueError(f"Zone: size={size!r}; expected bytes, or text such as '512 MiB'")
    pages = Fraction(match[1]) * _UNITS[(match[2] or "")[:1].upper()] / page_size
    if pages.denominator != 1 or pages < 1:
        raise ValueError(
            f"Zone: size={size!r} is {float(pages):g} pages; expected a whole number of {page_size}-byte pages"
        )
    return int(pages)
