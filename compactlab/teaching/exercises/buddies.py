"""Buddies: which block merges with which, and pages freed such that none does."""

from __future__ import annotations

from ...simulation.buddies import Buddies
from ...texts import N_, _
from ..answers import Number, Numbers
from ..exercise import Exercise, Judged, Mistake
from ..quantities import Problem

_NOTEBOOK = "04-buddies-merge"
_BLOCK, _ORDER = 52, 2
_PAGES, _FREED, _PAIRS = 16, 8, 3


def _buddy() -> int:
    """The block of the same order that merges with one, found by trying all."""
    size = 1 << _ORDER
    for other in range(0, 64, size):
        if other != _BLOCK:
            zone = Buddies(64)
            zone.free(*range(_BLOCK, _BLOCK + size), *range(other, other + size))
            if any(zone.lists()[_ORDER + 1]):
                return other
    raise AssertionError("no block merges")


def _judge_apart(pages: tuple[int, ...]) -> Judged | Problem:
    if len(set(pages)) < len(pages):
        return Problem("out_of_range", _("A page can be freed only once; the answer has some twice."))
    if len(pages) != _FREED:
        text = _("The answer has {found} pages; asked for are {count}.")
        return Problem("out_of_range", text.format(found=len(pages), count=_FREED))
    zone = Buddies(_PAGES)
    zone.free(*pages)
    merged = [(page, order) for order, heads in zone.lists().items() if order for page in heads]
    pairs = sum(page + 1 in pages for page in pages)
    if merged:
        page, order = merged[0]
        text = _("Pages {page} to {last} have become one block of order {order}: they are buddies.")
        return Judged(False, text.format(page=page, last=page + (1 << order) - 1, order=order))
    if pairs < _PAIRS:
        text = _("No page merged, but free neighbours lie side by side only {pairs} times; {asked} are asked for.")  # fmt: skip
        return Judged(False, text.format(pairs=pairs, asked=_PAIRS))
    text = _("{count} pages are free, neighbours lie side by side {pairs} times, and a request for two pages fails.")  # fmt: skip
    return Judged(True, text.format(count=_FREED, pairs=pairs))


EXERCISES = (
    Exercise(
        name="buddy-of",
        notebook=_NOTEBOOK,
        task=N_("A free block of order 2 begins at page 52. Predict: at which page does its buddy begin?"),
        answer=Number("pages", most=1023, whole=True),
        hints=(
            N_("A block of order 2 has 4 pages. It has a neighbour on either side; only one of them is its buddy."),
            N_("The buddy is 52 XOR 4. In binary 52 is 110100; 4 is 100: XOR turns that one bit over."),
        ),
        code=(
            "from compactlab.simulation.buddies import Buddies\n"
            "zone = Buddies(64)\n"
            "zone.free(*range(52, 56))\n"
            "zone.free(*range(56, 60))  # a neighbour: does it merge?\n"
            "zone.lists()"
        ),
        truth=_buddy,
        told=N_("{truth}, counted from the first page: together both are a block of order 3, which begins at 48."),
        mistakes=(
            Mistake(
                lambda _truth: _BLOCK + (1 << _ORDER),
                N_("That is the neighbour above. A block of order 3 that began at 52 would not be aligned: 52 is no multiple of 8."),
            ),
            Mistake(lambda _truth: _BLOCK - 1, N_("That is the page below. A buddy is as large as the block, and aligned as it is.")),
            Mistake(lambda _truth: _BLOCK ^ _ORDER, N_("That is 52 XOR the order. It is XOR the size of the block, 4 pages.")),
            Mistake(lambda _truth: _BLOCK ^ 1, N_("That is the buddy of page 52 alone, at order 0.")),
        ),
        right=(48, "48 pages", 52 ^ 4),
        wrong=(56, 51, 50, 53, 44),
    ),
    Exercise(
        name="neighbours-apart",
        notebook=_NOTEBOOK,
        task=N_(
            "Of 16 pages in use (0 to 15), free 8 such that free pages lie side by side at least three times, and yet "
            "every free block is one page. Answer with their numbers. They are freed by the allocator."
        ),
        answer=Numbers("pages", many=_PAGES, most=_PAGES - 1),
        hints=(
            N_("Pages 4 and 5 are buddies, and so are 6 and 7. What of pages 5 and 6?"),
            N_("A page's buddy is the page XOR 1: an even page and the odd one above it. Free an odd page and the even one above it."),
        ),
        code=(
            "from compactlab.simulation.buddies import Buddies\n"
            "zone = Buddies(16)\n"
            "zone.free(0, 2, 4, 6, 8, 10, 12, 14)  # your pages\n"
            "zone.lists(), zone.alloc(order=1)"
        ),
        judge=_judge_apart,
        right=([1, 2, 5, 6, 9, 10, 13, 14], [14, 13, 10, 9, 6, 5, 2, 1], [1, 2, 5, 6, 9, 10, 12, 15]),
        wrong=([0, 2, 4, 6, 8, 10, 12, 14], [0, 1, 2, 3, 4, 5, 6, 7], [1, 2, 5, 6, 8, 9, 12, 14]),
    ),
)  # fmt: skip
