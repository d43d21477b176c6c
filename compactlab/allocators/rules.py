"""What an allocator goes by: its policy, what sizes are rounded to, and when the hybrids merge."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, fields
from typing import Any

from ..core import arena
from ..texts import N_

_CODES = {
    N_("first fit"): arena.FIRST_FIT,
    N_("next fit"): arena.NEXT_FIT,
    N_("best fit"): arena.BEST_FIT,
    N_("worst fit"): arena.WORST_FIT,
    N_("buddy"): arena.BUDDY,
    N_("periodic consolidation"): arena.PERIODIC,
    N_("recent frees"): arena.RECENT,
}
POLICIES = tuple(_CODES)
"""Which free block is given, and when free blocks are merged.

- *first fit*: the first in address order that is large enough.
- *next fit*: the first from where the last search ended (the roving pointer), around once.
- *best fit*: the smallest that is large enough; of equals the first.
- *worst fit*: the largest; of equals the first.
- *buddy*: blocks of powers of two, each of which splits into two buddies and merges with none but its buddy.
- *periodic consolidation*: first or best fit on a list on which freed blocks are put in front, unmerged; every
  so many requests the list is put in address order and neighbours are merged (deferred coalescing).
- *recent frees*: first or best fit, and in front of it a short list of recently freed blocks for each small size,
  which are given again as they are (quick lists; glibc's tcache, the kernel's per-CPU lists).

All but the last three merge a freed block with its free neighbours at once; a request takes the low end of a block.
"""

GRANULE = {"byte": 16, "page": 1}
"""What sizes are rounded to if not told: 16 bytes, as glibc on 64 bits, or a page."""
_KEPT = {"byte": 128, "page": 8}


@dataclass(frozen=True)
class Rules:
    """All that an allocator goes by, in the units of the trace. A value: nothing changes it."""

    policy: str
    """One of `POLICIES`."""
    granule: int
    """Sizes are rounded up to a multiple of it, and blocks begin at one (the alignment)."""
    header: int = 0
    """Added to each request before it is rounded: bytes that the allocator itself needs."""
    fit: str = "first fit"
    """Of the hybrids: "first fit" or "best fit"."""
    period: int = 100
    """Periodic consolidation: requests from one consolidation to the next."""
    kept_up_to: int = 0
    """Recent frees: largest size that is kept; 0: 128 bytes, as in glibc's fastbins, or 8 pages, as in
    the kernel's per-CPU lists."""
    kept_per_size: int = 7
    """Recent frees: how many are kept of each size, as in glibc's tcache; the oldest makes room."""
    last_resort: bool = False
    """Whether the hybrids merge everything before they refuse a request or obtain more memory."""
    max_order: int = 47
    """Buddy: order of the largest block, in granules; as the arena allows if not told. The kernel's is 10."""

    def __post_init__(self) -> None:
        _one_of("policy", self.policy, POLICIES)
        _one_of("fit", self.fit, ("first fit", "best fit"))
        for name, least, most in (
            ("granule", 1, 1 << 20),
            ("header", 0, 1 << 20),
            ("period", 1, 1 << 40),
            ("kept_up_to", 0, self.granule << 16),
            ("kept_per_size", 1, 1 << 40),
            ("max_order", 0, arena.ORDERS - 1),
        ):
            value = getattr(self, name)
            if not isinstance(value, int) or not least <= value <= most:
                raise ValueError(
                    f"allocator rules: {name}={value!r}; expected a whole number from {least} to {most}"
                )

    @property
    def code(self) -> int:
        """Number of the policy in the arena."""
        return _CODES[self.policy]

    @property
    def kept_granules(self) -> int:
        """Granules of the largest block that is kept."""
        return self.kept_up_to // self.granule

    @property
    def lists(self) -> int:
        """Free lists it needs."""
        if self.policy == "buddy":
            return arena.ORDERS
        return 1 + self.kept_granules * (self.policy == "recent frees")

    def books(self, heap: arena.Heap, granules: int) -> None:
        """Write the rules into the books of a heap."""
        for index, value in (
            (arena.POLICY, self.code),
            (arena.FIT, _CODES[self.fit]),
            (arena.MAX_ORDER, min(self.max_order, granules.bit_length() - 1)),
            (arena.PERIOD, self.period),
            (arena.LARGEST_KEPT, self.kept_granules),
            (arena.KEPT_PER_SIZE, self.kept_per_size),
            (arena.LAST_RESORT, int(self.last_resort)),
        ):
            heap.books[index] = value


def rules_of(policy: str, unit: str, told: dict[str, Any]) -> Rules:
    """Rules as told, the rest by default.

    Raises
    ------
    TypeError
        If there is no such rule; the message has the nearest.
    ValueError
        If a value is out of range.
    """
    known = [field.name for field in fields(Rules) if field.name != "policy"]
    for name in told:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            advice = f"did you mean {near[0]!r}?" if near else f"expected some of {', '.join(known)}"
            raise TypeError(f"allocator rules: {name!r} is none of them; {advice}")
    settings = {"granule": GRANULE[unit], "kept_up_to": _KEPT[unit]} | told
    if not settings["kept_up_to"]:
        settings["kept_up_to"] = _KEPT[unit]
    return Rules(policy, **settings)


def _one_of(name: str, found: object, expected: tuple[str, ...]) -> None:
    if found not in expected:
        near = difflib.get_close_matches(str(found), expected, n=1) or expected
        raise ValueError(f"allocator rules: {name}={found!r}; expected {' or '.join(map(repr, near))}")
