"""Compact a zone: what stops the scanners, and what spoils their work."""

from __future__ import annotations

from functools import cache

import numpy as np

from ...simulation.compact import compact_zone
from ...simulation.zone import Zone
from ...texts import N_, _
from ..answers import Choice, Numbers
from ..exercise import Exercise, Judged, Mistake
from ..quantities import Problem

_NOTEBOOK = "07-compact-a-zone"
_HUGE = 9
_PAGES = 16 << _HUGE
_WORDS = ("success", "complete", "partial_skipped", "contended", "skipped")


def _word() -> str:
    """Result of a direct request for a huge page where nine pieces of half its size are free."""
    at = np.arange(16384)
    kind = np.where((at % 512 < 256) & (at // 512 < 9), "free", "anon")
    run = compact_zone(Zone.from_kinds(kind), _HUGE, "direct", priority=1, frames=0)
    return str(run.attrs["config"]["compact_zone"]["results"]["0/Normal"])


@cache
def _huge_pages(pinned: tuple[int, ...]) -> int:
    """Huge pages that are free after manual compaction of a zone in which every second page is in use."""
    zone = Zone.from_kinds(
        np.where(np.arange(_PAGES) % 2 == 0, "anon", "free"), flags={"pinned": list(pinned)}
    )
    nr_free = compact_zone(zone, frames=0)["zones"].nr_free.to_numpy()[-1, 0]
    return int((nr_free << np.arange(nr_free.size) >> _HUGE)[_HUGE:].sum())


def _judge_pins(pages: tuple[int, ...]) -> Judged | Problem:
    odd = [page for page in pages if page % 2]
    if odd:
        text = _("Page {page} is free: only pages in use, the even ones, can be pinned.")
        return Problem("out_of_range", text.format(page=odd[0]))
    pinned = tuple(sorted(set(pages)))
    without, left = _huge_pages(()), _huge_pages(pinned)
    if left == 0:
        text = _("{pins} pinned pages, and not one huge page; without them there were {without}.")
        return Judged(True, text.format(pins=len(pinned), without=without))
    blocks = len({page >> _HUGE for page in pinned})
    text = _(
        "{left} huge pages came out of it. The pinned pages lie in {blocks} of 16 pageblocks; in those that the migrate "
        "scanner empties there must be one each."
    )
    return Judged(False, text.format(left=left, blocks=blocks))


EXERCISES = (
    Exercise(
        name="word-of-the-kernel",
        notebook=_NOTEBOOK,
        task=N_(
            "In a zone of 64 MiB nine pieces of 1 MiB are free (order 8), all other pages are in use by programs and can "
            "move. A program asks for a huge page (order 9), directly, with priority 1. Predict the kernel's word."
        ),
        answer=Choice(_WORDS),
        hints=(
            N_("9 MiB are free: more than the low watermark and two huge pages. Memory is not the problem."),
            N_("Before it begins, the kernel looks at the fragmentation index: here 9 blocks with 2 304 free pages."),
        ),
        code=(
            "import numpy as np\n"
            "at = np.arange(16384)\n"
            'kind = np.where((at % 512 < 256) & (at // 512 < 9), "free", "anon")\n'
            'cl.compact_zone(cl.Zone.from_kinds(kind), 9, "direct", priority=1).attrs["config"]["compact_zone"]["results"]'
        ),
        truth=_word,
        told=N_(
            "{truth}: the fragmentation index is below 0.5, for there are few and large pieces, and the kernel takes that "
            "for a shortage. It could have been done: manual compaction does it."
        ),
        mistakes=(
            Mistake(
                lambda _truth: "success",
                N_("Two such pieces would make a huge page, and compaction could do it; but is it begun at all?"),
            ),
            Mistake(
                lambda _truth: "contended", N_("Nothing is in the way here: all pages in use can move.")
            ),
        ),
        right=("skipped", "Skipped", " skipped "),
        wrong=("success", "complete", "contended", "partial_skipped"),
    ),
    Exercise(
        name="spoil-it",
        notebook=_NOTEBOOK,
        task=N_(
            "A zone of 32 MiB has 16 pageblocks, pages 0 to 8191; the even pages are in use, the odd ones free. Pin at "
            "most 16 pages such that writing to `compact_memory` gives not one huge page. Answer with their positions."
        ),
        answer=Numbers("pages", fewest=1, many=16, most=_PAGES - 1),
        hints=(
            N_("A pageblock has 512 pages: pageblock 3 is pages 1536 to 2047. One pinned page spoils a pageblock."),
            N_("The upper half is filled anyway. Which pageblocks would become empty?"),
        ),
        code=(
            "import numpy as np\n"
            'kind = np.where(np.arange(8192) % 2 == 0, "anon", "free")\n'
            'zone = cl.Zone.from_kinds(kind, flags={"pinned": [0, 512]})  # your positions\n'
            'cl.compact_zone(zone)["zones"].nr_free[-1, 0].values'
        ),
        judge=_judge_pins,
        right=(
            list(range(0, _PAGES, 512)),
            [block * 512 + 100 for block in range(16)],
            np.arange(16) * 512 + 2,
        ),
        wrong=([0], list(range(16 * 2))[::2], list(range(4096, 8192, 512))),
    ),
)  # fmt: skip
