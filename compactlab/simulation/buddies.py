"""The buddy allocator by hand: free pages, ask for blocks, and tell step by step what merges and what is split.

The allocator is the core's own; this module looks at memory before and after each call and tells the steps
between. Per-CPU lists, which stand before the free lists on a real machine, are left out: there a freed page
merges only when its list is drained.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from ..core.buddy import free_block, rmqueue_smallest, set_kind
from ..core.byreference import by_reference
from ..core.jit import integer, jit
from ..core.memory import FREE, HIGHATOMIC, KERNEL, MAX_ORDERS, MIGRATETYPES, TAIL, Memory
from ..texts import N_, _
from .build import Budgets, build
from .presets import one_of
from .zone import Zone

MOST_PAGES = 256
_NO_CELL = 255
_KINDS = (
    N_("no free block"),
    N_("free block"),
    N_("merged now"),
    N_("split now"),
    N_("in use"),
    N_("given out now"),
    N_("pageblock"),
)
_NONE, _FREE, _MERGED, _SPLIT, _USED, _GIVEN, _PAGEBLOCK = range(7)
_COLOURS = ("panel", "small2", "migrate", "large0", "used", "scan_free", "other")

Blocks = dict[int, int]
"""Free blocks: first page to order."""


@jit
def _free(of: Memory, page: int) -> None:
    memory = by_reference(of)
    free_block(memory, 0, page, integer(memory.page[page].order))


@jit
def _allocate(of: Memory, order: int, migratetype: int) -> int:
    memory = by_reference(of)
    page = rmqueue_smallest(memory, 0, order, migratetype)
    if page >= 0:
        set_kind(memory, page, order, KERNEL)
    return page


@dataclass(frozen=True)
class _Step:
    """What one step of the story shows."""

    text: str
    blocks: Blocks
    types: tuple[str, ...]  # of pageblocks
    given: frozenset[int] = frozenset()  # pages
    now: tuple[int, int, int] | None = None  # first page and order of a block, and the kind it is drawn as
    looked_at: tuple[int, int] | None = None  # first page and order
    level: str = ""


class Buddies:
    """A few pages, all in use at first, that are freed and given out by the kernel's buddy allocator.

    Parameters
    ----------
    pages
        Pages of the zone; at most 256.
    pageblock_order
        Order of a pageblock; 9 on x86-64, here small enough to be seen.
    nr_orders
        The largest block is of order ``nr_orders - 1`` (MAX_PAGE_ORDER, 10 on x86-64).
    migratetype
        Of all pageblocks, or of each: Unmovable, Movable, Reclaimable, HighAtomic, CMA or Isolate.

    Raises
    ------
    ValueError
        If there are no pages or too many, or a migratetype is none.

    References
    ----------
    mm/page_alloc.c, Linux 6.18: __free_one_page, buddy_merge_likely, __rmqueue_smallest, expand.

    Examples
    --------
    >>> zone = Buddies(8)
    >>> zone.free(5, 4, 6, 7)
    >>> zone.lists()
    {0: [], 1: [], 2: [4], 3: []}
    >>> zone.alloc(0), zone.lists()
    (4, {0: [5], 1: [6], 2: [], 3: []})
    """

    def __init__(
        self,
        pages: int = 32,
        *,
        pageblock_order: int = 3,
        nr_orders: int | None = None,
        migratetype: str | Sequence[str] = "Movable",
    ) -> None:
        if not 1 << pageblock_order <= pages <= MOST_PAGES:
            raise ValueError(
                f"Buddies: {pages} pages; expected {1 << pageblock_order} (a pageblock) to {MOST_PAGES}"
            )
        zone = Zone.from_kinds(
            ["kernel"] * pages,
            migratetype=migratetype,
            pageblock_order=pageblock_order,
            nr_orders=max(pageblock_order + 1, pages.bit_length()) if nr_orders is None else nr_orders,
            start_pfn=0,
        )
        self._memory = build([zone], budgets=Budgets(0, 64, 0))
        self._pages = pages
        self._orders = zone.nr_orders
        self._pageblock_order = pageblock_order
        self._types = self._memory.block["migratetype"]
        self._typed = not isinstance(migratetype, str)
        self._steps: list[_Step] = []
        self._tell(_("{pages} pages, all of them in use.").format(pages=pages), {})

    def free(self, *pages: int) -> None:
        """Free pages, or blocks by their first page, one after the other.

        Raises
        ------
        ValueError
            If no page or block in use begins there.
        """
        for page in pages:
            if not 0 <= page < self._pages or self._memory.page["kind"][page] == FREE:
                raise ValueError(f"free: page {page} is not in use; expected one of 0 to {self._pages - 1}, not freed before")  # fmt: skip
            order = int(self._memory.page["order"][page])
            if order == TAIL:
                raise ValueError(
                    f"free: page {page} is inside of a block that was given out whole; expected its first page"
                )
            before = self._blocks()
            types = self._types.copy()
            _free(self._memory, page)
            self._freed(page, order, before, types)

    def alloc(self, order: int = 0, migratetype: str = "Movable") -> int:
        """Ask for a block of 2**order pages from the free lists of one migratetype.

        Other migratetypes are not fallen back to.

        Returns
        -------
            Its first page, or -1 if there is none.

        Raises
        ------
        ValueError
            If there is no such order or migratetype.
        """
        if not 0 <= order < self._orders:
            raise ValueError(f"alloc: order={order}; expected 0 to {self._orders - 1}")
        number = one_of("migratetype", migratetype, MIGRATETYPES)
        before = self._blocks()
        lists = self.lists(migratetype)
        page = int(_allocate(self._memory, order, number))
        self._given(page, order, before, lists)
        return page

    def lists(self, migratetype: str = "Movable") -> dict[int, list[int]]:
        """First pages of the free blocks of one migratetype, order by order, from the head of each list."""
        number = one_of("migratetype", migratetype, MIGRATETYPES)
        return {order: list(self._list(order, number)) for order in range(self._orders)}

    def nr_free(self) -> xr.DataArray:
        """Free blocks of each order, as the allocator counts them (order)."""
        counted = self._memory.zone["nr_free"][0, : self._orders].sum(1)
        return xr.DataArray(counted, dims="order", name="nr_free")

    def migratetypes(self) -> list[str]:
        """Migratetype of each pageblock, as it is now."""
        return self._names(self._types)

    def story(self, title: str, first: int = 0) -> xr.Dataset:
        """Tell what was done, step by step: a row for each order, from the largest down, and one of pages.

        Parameters
        ----------
        title
            Heading.
        first
            Step to begin with, to tell the end of a long story.

        Returns
        -------
            A told story for `compactlab.show`; measures `nr_free` (step, row), NaN in rows that are no
            order, and `largest` (step), the pages of the largest free block.
        """
        told = self._steps[first:]
        kind = np.stack([self._picture(step) for step in told])
        mark = np.full(kind.shape[:2], -1)
        for at, step in enumerate(told):
            if step.looked_at is not None:
                page, order = step.looked_at
                mark[at, self._orders - 1 - order] = page >> order
        counted = np.stack([self._counted(step.blocks) for step in told])
        rows = [_("order {order}").format(order=order) for order in reversed(range(self._orders))]
        variables = {
            "kind": (("step", "row", "cell"), kind),
            "text": ("step", [step.text for step in told]),
            "level": ("step", [step.level for step in told]),
            "mark": (("step", "row"), mark),
            "span": ("row", self._spans()),
            "label": (("step", "row", "cell"), self._labels(kind, told)),
            "largest": (
                "step",
                [1 << max(step.blocks.values()) if step.blocks else 0 for step in told],
                {"long_name": _("largest free block"), "units": _("pages")},
            ),
            "nr_free": (("step", "row"), counted, {"long_name": _("free blocks")}),
        }
        kinds = [_(name) for name in _KINDS[: None if self._typed else _PAGEBLOCK]]
        return xr.Dataset(
            variables,
            coords={"row": [*rows, _("pages"), *([_("pageblocks")] if self._typed else [])]},
            attrs={
                "title": title,
                "kinds": kinds,
                "colours": dict(zip(kinds, _COLOURS, strict=False)),
            },
        )

    # ---- what happened between two states

    def _tell(self, text: str, blocks: Blocks, types: Sequence[str] = (), /, **shown: Any) -> None:
        self._steps.append(_Step(text, dict(blocks), tuple(types) or tuple(self.migratetypes()), **shown))

    def _freed(self, page: int, order: int, before: Blocks, types: np.ndarray) -> None:
        """Steps from the freed block to the block it ended in, which the allocator tells."""
        blocks, head, at = dict(before), page, order
        were = self._names(types)
        blocks[page] = order
        after = self._blocks()
        if order:
            text = _("The block of order {order} at page {page} is freed.").format(order=order, page=page)
        else:
            text = _("Page {page} is freed. Alone it is a block of order 0.").format(page=page)
        buddy = head ^ (1 << at)
        self._tell(f"{text} {self._buddy_told(head, at)}", blocks, were, now=(page, order, _FREE), looked_at=self._inside(buddy, at))  # fmt: skip
        while after.get(head) != at:
            del blocks[head], blocks[buddy]
            head, at = head & buddy, at + 1
            blocks[head] = at
            text = _("Buddy {buddy} is free and of the same order: together they are one block of order {order}, at page {head}.")  # fmt: skip
            told = text.format(buddy=buddy, order=at, head=head)
            buddy = head ^ (1 << at)
            self._tell(f"{told} {self._buddy_told(head, at)}", blocks, were, now=(head, at, _MERGED), looked_at=self._inside(buddy, at))  # fmt: skip
        why = self._why_it_ends(head, at, before, types)
        listed = next(pages for name in MIGRATETYPES if head in (pages := self.lists(name)[at]))
        if len(listed) > 1 and listed[-1] == head:
            parent = head & ~(1 << at)
            text = _("{why} The block goes to the tail of the list of order {order}, {listed}: block {other} of order {above} is free, so a merge may soon follow, and what lies at the tail is given out last.")  # fmt: skip
            told = text.format(why=why, order=at, listed=listed, other=parent ^ (1 << (at + 1)), above=at + 1)
        else:
            text = _("{why} The block goes to the head of the list of order {order}: {listed}.")
            told = text.format(why=why, order=at, listed=listed)
        if were != self.migratetypes():
            own = were[page >> self._pageblock_order]
            told += " " + _("Pageblocks in it that were of another type are {own} now.").format(own=own)
        self._tell(told, after, now=(head, at, _MERGED if at > order else _FREE), looked_at=self._inside(buddy, at))  # fmt: skip

    def _names(self, types: np.ndarray) -> list[str]:
        return [MIGRATETYPES[number] for number in types[: self._pages >> self._pageblock_order]]

    def _buddy_told(self, page: int, order: int) -> str:
        if order == self._orders - 1:
            return ""
        size, buddy = 1 << order, page ^ (1 << order)
        return _("Its buddy is {page} XOR {size} = {buddy}.").format(page=page, size=size, buddy=buddy)

    def _inside(self, page: int, order: int) -> tuple[int, int] | None:
        """The block, if it is one to point at."""
        return (page, order) if page + (1 << order) <= self._pages and order < self._orders - 1 else None

    def _why_it_ends(self, page: int, order: int, before: Blocks, types: np.ndarray) -> str:
        """Why a block does not merge any further, by the rules of the kernel."""
        buddy = page ^ (1 << order)
        if order == self._orders - 1:
            return _("Order {order} is the largest there is (MAX_PAGE_ORDER).").format(order=order)
        if buddy >= self._pages:
            return _("Buddy {buddy} lies outside of the zone.").format(buddy=buddy)
        if before.get(buddy) == order:
            names = [MIGRATETYPES[types[each >> self._pageblock_order]] for each in (page, buddy)]
            text = _("Buddy {buddy} is free and of the same order, but its pageblock is {other} and this one {own}: from pageblocks up, {kept} merges with its own type only.")  # fmt: skip
            kept = next(name for name in names if MIGRATETYPES.index(name) >= HIGHATOMIC)
            return text.format(buddy=buddy, other=names[1], own=names[0], kept=kept)
        free = sum(1 << at for head, at in before.items() if buddy <= head < buddy + (1 << order))
        if free == 0:
            return _("Buddy {buddy} is in use: no merge.").format(buddy=buddy)
        if free == 1 << order:
            return _("The pages of buddy {buddy} are free, but not as one block: no merge.").format(
                buddy=buddy
            )
        text = _("Of buddy {buddy} only {free} of {pages} pages are free: no merge.")
        return text.format(buddy=buddy, free=free, pages=1 << order)

    def _given(self, page: int, order: int, before: Blocks, lists: dict[int, list[int]]) -> None:
        """Steps from the block that was found to the part of it that is given out."""
        if page < 0:
            text = _("A block of order {order} is asked for. No free block is as large: there is nothing to give.")  # fmt: skip
            self._tell(text.format(order=order), before, level="bad")
            return
        head, at = next((head, at) for head, at in before.items() if head <= page < head + (1 << at))
        text = _("A block of order {order} is asked for. The smallest that will do is of order {at}; page {head} is first in the list {listed}.")  # fmt: skip
        told = text.format(order=order, at=at, head=head, listed=lists[at])
        blocks = dict(before)
        self._tell(told, blocks, now=(head, at, _SPLIT), looked_at=(head, at))
        while at > order:
            at -= 1
            blocks[head], blocks[head + (1 << at)] = at, at
            text = _("It is split: the upper half, page {upper}, becomes a free block of order {at}, at the head of its list. The lower half, page {head}, is kept.")  # fmt: skip
            told = text.format(upper=head + (1 << at), at=at, head=head)
            self._tell(told, blocks, now=(head, at, _SPLIT))
        last = page + (1 << order) - 1
        text = _("Page {page} is given out.") if order == 0 else _("Pages {page} to {last} are given out.")
        given = frozenset(range(page, last + 1))
        self._tell(text.format(page=page, last=last), self._blocks(), given=given, level="ok")

    # ---- memory as it is

    def _list(self, order: int, migratetype: int) -> Iterator[int]:
        """Walk a free list from its head; its sentinel stands behind the pages (core.memory.free_list)."""
        head = int(self._memory.rules["nr_pages"][0]) + order * len(MIGRATETYPES) + migratetype
        page = int(self._memory.page["next"][head])
        while page != head:
            yield page
            page = int(self._memory.page["next"][page])

    def _blocks(self) -> Blocks:
        return {
            page: order
            for order in range(self._orders)
            for number in range(len(MIGRATETYPES))
            for page in self._list(order, number)
        }

    # ---- pictures

    def _spans(self) -> list[int]:
        spans = [1 << order for order in reversed(range(self._orders))] + [1]
        return [*spans, 1 << self._pageblock_order] if self._typed else spans

    def _picture(self, step: _Step) -> np.ndarray:
        """Kinds of all cells, (row, cell)."""
        spans = self._spans()
        kind = np.full((len(spans), self._pages), _NO_CELL, np.uint8)
        for row, span in enumerate(spans):
            kind[row, : self._pages // span] = _NONE if row < self._orders else _USED
        for page, order in step.blocks.items():
            kind[self._orders - 1 - order, page >> order] = _FREE
            kind[self._orders, page : page + (1 << order)] = _FREE
        for page in step.given:
            kind[self._orders, page] = _GIVEN
        if step.now is not None:
            page, order, drawn = step.now
            kind[self._orders - 1 - order, page >> order] = drawn
            kind[self._orders, page : page + (1 << order)] = drawn
        if self._typed:
            kind[-1, kind[-1] != _NO_CELL] = _PAGEBLOCK
        return kind

    def _labels(self, kind: np.ndarray, told: Sequence[_Step]) -> np.ndarray:
        """First page of each free block, the number of each page, the type of each pageblock."""
        labels = np.full(kind.shape, "", dtype="U12")
        for row, span in enumerate(self._spans()[: self._orders + 1]):
            numbers = (np.arange(kind.shape[2]) * span).astype(str)
            shown = np.isin(kind[:, row], (_FREE, _MERGED, _SPLIT)) | (row == self._orders)
            labels[:, row] = np.where(shown, numbers, "")
        if self._typed:
            labels[:, -1, : len(told[0].types)] = [step.types for step in told]
        return labels

    def _counted(self, blocks: Blocks) -> np.ndarray:
        counted = np.full(len(self._spans()), np.nan)
        found = np.bincount(list(blocks.values()), minlength=MAX_ORDERS)
        counted[: self._orders] = found[: self._orders][::-1]
        return counted
