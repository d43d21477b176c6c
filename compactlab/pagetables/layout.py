"""How processors cut an address into one index for each level of page tables."""

from __future__ import annotations

from dataclasses import dataclass

NAMES = ("PTE", "PMD", "PUD", "P4D", "PGD")
"""The kernel's names, from the lowest level up; the topmost is always the PGD."""
IN_VMPTE = ("PTE", "PMD", "PUD")
"""Levels whose tables the kernel charges to a process (mm_inc_nr_ptes, _pmds and _puds; none for P4D, PGD)."""


@dataclass(frozen=True)
class Layout:
    """The page tables of one kind of processor.

    Sizes are in bytes. User addresses are ``[0, end)``.
    """

    arch: str
    granule: int
    """Size of a base page, and of a table of every level but the topmost."""
    levels: int
    address_bits: int
    end: int
    """First address that is not a program's."""
    pool: tuple[int, ...]
    """Sizes of huge pages that the pool (hugetlb) has, as far as an entry maps more than a base page."""

    @property
    def names(self) -> tuple[str, ...]:
        """Levels from the topmost down."""
        return ("PGD", *reversed(NAMES[: self.levels - 1]))

    @property
    def entries(self) -> int:
        """Entries of a table of every level but the topmost."""
        return self.granule // 8

    @property
    def pmd_size(self) -> int:
        """Size of a transparent huge page: what one entry maps that would else lead to a table of pages."""
        return self.granule * self.entries

    def span(self, level: str) -> int:
        """Bytes of address space that one entry of a level stands for.

        >>> layout("x86-64").span("PMD") >> 20
        2
        """
        up = self.levels - 1 - self.names.index(level)
        return self.granule * self.entries**up

    def table_bytes(self, level: str) -> int:
        """Size of one table of a level.

        The topmost one has as many entries as the address has bits left for it. On x86-64 it is a whole page,
        the upper half of which is the kernel's.
        """
        if level == "PGD":
            return 8 * ((1 << self.address_bits) // self.span("PGD"))
        return self.granule

    def leaf(self, page_size: int) -> str | None:
        """Level whose entries map pages of one size; None if no entry can.

        Sizes between two levels are runs of entries of the lower one: a folio of several base pages, or on
        arm64 entries with the *contiguous* bit. They need as many entries as if there were no run.
        """
        for level in reversed(self.names):
            span = self.span(level)
            if page_size == span:
                return level if span == self.granule or span in self.pool else None
            if span < page_size < span * self.entries and _power_of_two(page_size):
                return level if level == "PTE" or page_size in self.pool else None
        return None


def _power_of_two(number: int) -> bool:
    return number > 0 and not number & (number - 1)


def _x86(levels: int, bits: int) -> Layout:
    end = (1 << (bits - 1)) - 4096  # half of the addresses, without the last page (TASK_SIZE_MAX)
    return Layout("x86-64", 4096, levels, bits, end, (1 << 21, 1 << 30))


def _arm64(granule_kib: int, levels: int, bits: int) -> Layout:
    pool = {4: (16, 21, 25, 30), 16: (21, 25, 30), 64: (21, 29, 34)}[granule_kib]
    sizes = tuple(1 << shift for shift in pool)
    return Layout(f"arm64-{granule_kib}K", granule_kib << 10, levels, bits, 1 << bits, sizes)


LAYOUTS = {
    (made.arch, made.levels): made
    for made in (
        _x86(4, 48),
        _x86(5, 57),
        _arm64(4, 4, 48),
        _arm64(4, 3, 39),
        _arm64(4, 5, 52),
        _arm64(16, 4, 48),
        _arm64(16, 2, 36),
        _arm64(16, 3, 47),
        _arm64(64, 3, 48),
        _arm64(64, 2, 42),
    )
}
"""By processor and number of levels; the first of each processor is its usual one.

On arm64 the same tables serve addresses of 52 bits with granules of 16 and 64 KiB; only the topmost one grows.
"""


def layout(arch: str = "x86-64", levels: int | None = None) -> Layout:
    """Page tables of a processor.

    Parameters
    ----------
    arch
        "x86-64", or "arm64-4K", "arm64-16K", "arm64-64K" by the size of a base page.
    levels
        Number of levels; None: 4, or 3 with base pages of 64 KiB.

    Raises
    ------
    ValueError
        If there is no such processor, or it cannot have that many levels.

    References
    ----------
    arch/x86/include/asm/pgtable_64_types.h; arch/arm64/Kconfig (PGTABLE_LEVELS) and
    arch/arm64/include/asm/pgtable-hwdef.h, Linux 6.18.
    """
    of_arch = [number for name, number in LAYOUTS if name == arch]
    if not of_arch:
        known = sorted({name for name, _ in LAYOUTS})
        raise ValueError(f"arch: got {arch!r}, expected one of {', '.join(map(repr, known))}")
    if levels is None:
        levels = of_arch[0]
    if levels not in of_arch:
        numbers = ", ".join(map(str, sorted(of_arch)))
        raise ValueError(
            f"levels: got {levels!r}, but {arch} has page tables of {numbers} levels; choose one"
        )
    return LAYOUTS[arch, levels]
