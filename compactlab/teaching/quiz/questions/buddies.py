"""Questions about blocks, how buddies split and merge, and how others choose free pieces (S5, S15)."""

from __future__ import annotations

import numpy as np

from ....simulation.compact import compact_zone
from ....simulation.zone import Zone
from ....texts import N_
from ..evidence import PAGE_SIZE, demanded, events, free_blocks_of, the_one, workloads
from ..question import Choice, Number, Option, Pointer, Question, Sequence, Slip

_MERGE = "04-buddies-merge"


def _size_of_order_9() -> float:
    empty = compact_zone(Zone("64 MiB"))["zones"].nr_free.values[-1, 0]
    largest = int(empty.argmax())  # all memory lies in blocks of the largest order
    return 64 / int(empty[largest]) / 2 ** (largest - 9)


def _buddy_of_12() -> str:
    """The neighbour with which pages 12 to 15 become one block, everything else being in use."""
    merged = {}
    for other in (0, 4, 8, 16):
        free = set(range(12, 16)) | set(range(other, other + 4))
        blocks = free_blocks_of(32, *(page for page in range(32) if page not in free))
        merged[str(other)] = len(blocks) == 1
    return the_one(merged)


def _two_neighbours() -> str:
    blocks = free_blocks_of(16, *range(4), *range(12, 16))
    return {1: "one", 2: "two"}.get(len(blocks), "other")


def _merges() -> tuple[str, ...]:
    """The block that page 5 is in, as larger and larger ones are allowed."""
    used = range(16, 32)
    grown = [
        next((at, pages) for at, pages in free_blocks_of(32, *used, largest=order) if at <= 5 < at + pages)
        for order in range(1, 5)
    ]
    return tuple(f"{at}-{at + pages - 1}" for at, pages in grown)


def _order_for_five_pages() -> str:
    smallest = next(order for order in range(11) if 1 << order >= 5)
    run = demanded(workloads.driver_requests(order=smallest, requests=1), Zone("64 MiB"))
    kinds = run["pages"].attrs["kinds"]
    left = np.isin(run["pages"].kind.values[-1], [kinds.index("free"), kinds.index("pcp")])
    return "eight" if (~left).sum() == 8 else f"other: {(~left).sum()}"


def _half_freed() -> str:
    blocks = free_blocks_of(1024, *range(1, 1024, 2))
    return "half" if {pages for _, pages in blocks} == {1} and len(blocks) == 512 else "other"


def _mixed() -> str:
    run = demanded(workloads.slab_growth())
    named = set(events(run)["name"].values.tolist())
    return "fallback" if "mm_page_alloc_extfrag" in named else "fails"


QUESTIONS: tuple[Question, ...] = (
    Number(
        id="size-of-order-9",
        rows=("S5",),
        text=N_("Pages are 4 KiB. How large is a block of order 9?"),
        answer=2.0,
        unit="MiB",
        slips=(
            Slip(9 * PAGE_SIZE / 2**20, N_("That is 9 pages. An order is a power of two: 2^9 pages.")),
            Slip(4.0, N_("That is order 10, which is the largest block on x86.")),
            Slip(1.0, N_("That is order 8: 256 pages.")),
        ),
        explanation=N_(
            "Order 9 is 2^9 = 512 pages, and 512 × 4 KiB = 2 MiB: the size of a huge page on x86-64, and of a "
            "pageblock."
        ),
        shown_in=Pointer("06-watch-compaction-happen", "free-blocks"),
        truth=_size_of_order_9,
    ),
    Choice(
        id="buddy-of-12",
        rows=("S5",),
        text=N_(
            "A free block of 4 pages (order 2) begins at page frame 12. At which page frame does its buddy begin?"
        ),
        options=(
            Option("8", N_("8")),
            Option(
                "16",
                N_("16"),
                N_(
                    "16 comes next, but 12 and 16 together would be pages 12 to 19, and a block of 8 must begin at a "
                    "multiple of 8."
                ),
            ),
            Option("4", N_("4"), N_("Pages 4 to 7 are not even neighbours of pages 12 to 15.")),
            Option(
                "0", N_("0"), N_("0 is the buddy of 4: both have their first page in the same block of 8.")
            ),
        ),
        answer="8",
        explanation=N_(
            "The buddy is at 12 XOR 2^2 = 8: flip the bit of the block's own size. Both lie in the block of 8 "
            "pages that begins at 8, and merge into it when both are free."
        ),
        shown_in=Pointer(_MERGE, "by-hand"),
        truth=_buddy_of_12,
    ),
    Choice(
        id="neighbours",
        rows=("S5",),
        text=N_(
            "Of 16 pages, pages 4 to 11 are free and all others are in use. How many free blocks does the buddy "
            "allocator have?"
        ),
        options=(
            Option("two", N_("Two of 4 pages: 4 to 7, and 8 to 11")),
            Option(
                "one",
                N_("One of 8 pages: 4 to 11"),
                N_(
                    "A block of 8 pages begins at 0, 8, 16 and so on, never at 4. The two blocks are neighbours but "
                    "not buddies."
                ),
            ),
            Option(
                "three",
                N_("Three: 4 and 5, 6 to 9, 10 and 11"),
                N_("6 to 9 would be a block of 4 that begins at 6; such a block begins at a multiple of 4."),
            ),
            Option(
                "eight",
                N_("Eight single pages"),
                N_("Buddies that are both free never stay apart: they are merged at once."),
            ),
        ),
        answer="two",
        explanation=N_(
            "Neighbours merge only if they are buddies. So the buddy allocator can have 8 free pages in a row and "
            "still refuse a request for 8: the price of merging in a few steps."
        ),
        shown_in=Pointer(_MERGE, "apart"),
        truth=_two_neighbours,
    ),
    Number(
        id="one-page-used",
        rows=("S5",),
        text=N_(
            "A memory of 64 pages is free except for page 5. Into how many free blocks do the other 63 pages merge?"
        ),
        answer=6,
        unit="blocks",
        slips=(
            Slip(
                2,
                N_(
                    "In two pieces they are, but a block is a power of two and begins at a multiple of its size."
                ),
            ),
            Slip(63, N_("Buddies that are both free are merged at once.")),
        ),
        explanation=N_(
            "Pages 0–3, 4, 6–7, 8–15, 16–31, 32–63: one block of each order from 0 to 5. One page in use costs "
            "half of the largest block."
        ),
        shown_in=Pointer(_MERGE, "show-merge"),
        truth=lambda: len(free_blocks_of(64, 5)),
    ),
    Sequence(
        id="merges",
        rows=("S5",),
        text=N_(
            "Pages 0 to 15 are free except for page 5, and page 16 and up are in use. Now page 5 is given back. "
            "In which order do these blocks come about?"
        ),
        items=(
            Option("4-5", N_("pages 4 and 5")),
            Option("4-7", N_("pages 4 to 7")),
            Option("0-7", N_("pages 0 to 7")),
            Option("0-15", N_("pages 0 to 15")),
        ),
        answer=("4-5", "4-7", "0-7", "0-15"),
        explanation=N_(
            "Each merge doubles the block: page 5 with its buddy 4, that pair with 6–7, those four with 0–3, "
            "those eight with 8–15. It ends where the buddy is in use, or at the largest order."
        ),
        shown_in=Pointer(_MERGE, "show-merge"),
        truth=_merges,
    ),
    Choice(
        id="five-pages",
        rows=("S1", "S5"),
        text=N_("A driver needs 5 pages in a row. How many does it get from the buddy allocator?"),
        options=(
            Option("eight", N_("8, of which 3 are lost")),
            Option("five", N_("5"), N_("Blocks are powers of two: 4 would be too few, so it is 8.")),
            Option("six", N_("6"), N_("6 is no power of two either.")),
            Option(
                "four",
                N_("4, and one more from elsewhere"),
                N_("Then they would not be in a row. The request names an order, and gets one block."),
            ),
        ),
        answer="eight",
        explanation=N_(
            "Requests are rounded up to an order: order 3 is 8 pages. The 3 pages lost inside of the block are "
            "internal fragmentation. (A caller may give the rest back itself; some do.)"
        ),
        shown_in=Pointer("02-what-the-indices-mean", "by-hand-rounding"),
        truth=_order_for_five_pages,
    ),
    Choice(
        id="every-second-page",
        rows=("S5", "S1"),
        text=N_(
            "Of 1024 pages every second one is given back, 512 in all. What is the largest free block now?"
        ),
        options=(
            Option("half", N_("1 page")),
            Option("two", N_("2 pages"), N_("Each freed page has a page in use on either side.")),
            Option(
                "big",
                N_("512 pages"),
                N_("That many are free, but no two of them are neighbours, and only buddies merge."),
            ),
            Option(
                "later",
                N_("1 page at first, larger ones after a while"),
                N_("Nothing merges by waiting: merging happens when a page is freed, or not at all."),
            ),
        ),
        answer="half",
        explanation=N_(
            "Half of memory is free, and not even a pair can be had. Such a pattern is what the recordings of "
            "this course begin with; only moving pages mends it."
        ),
        shown_in=Pointer("03-which-free-block-to-give", "checkerboard"),
        truth=_half_freed,
    ),
    Choice(
        id="mixed-types",
        rows=("S5",),
        level="advanced",
        text=N_(
            "The kernel keeps movable and unmovable pages in different pageblocks. Slab grows, no unmovable "
            "pageblock has a free page left, and no pageblock is free as a whole. What happens?"
        ),
        options=(
            Option("fallback", N_("A block is taken from a movable pageblock: the two are mixed.")),
            Option(
                "fails",
                N_("The request fails."),
                N_(
                    "Grouping is a preference, no wall: a request falls back to the other types before it fails."
                ),
            ),
            Option(
                "kill",
                N_("A process is killed to make room."),
                N_("There is free memory, only of another type. Killing is for when there is none."),
            ),
            Option(
                "moves",
                N_("The unmovable pages are moved together."),
                N_("Unmovable pages cannot be moved: that is what the name says."),
            ),
        ),
        answer="fallback",
        explanation=N_(
            "The trace shows it as `mm_page_alloc_extfrag`. One slab page in a movable pageblock is enough to "
            "keep those 2 MiB from ever becoming one block, so kernels since 6.10 try hard to avoid it."
        ),
        shown_in=Pointer("12-moving-the-watermarks", "boost"),
        truth=_mixed,
    ),
)
