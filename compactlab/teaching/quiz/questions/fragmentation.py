"""Questions about fragmentation, and about the numbers that describe it (S1)."""

from __future__ import annotations

import numpy as np

from .... import metrics
from ....texts import N_
from ..evidence import NORMAL, around, index, reason, recording, the_wrong_one
from ..question import Choice, Misconception, Number, Option, Pointer, Question, Sequence

_INDICES = "02-what-the-indices-mean"
_LINES = {"all": (0, 0, 0, 3), "third": (4, 0, 0, 1), "most": (12, 0, 0, 1), "none": (0, 0, 6, 0)}


def _kind() -> str:
    run = recording("manual-compaction")
    before, _ = around(run)
    told = metrics.verdict(run, 9).isel(time=before).sel(zone=NORMAL)
    much = int(told.free_pages) * 4096 >= 6.7 * 2**30
    fragmented = metrics.REASONS[int(told.reason)] == "fragmentation" and int(told.nr_suitable) == 0
    return "external" if much and fragmented else "shortage"


def _sorted_lists() -> tuple[str, ...]:
    return tuple(sorted(_LINES, key=lambda key: index("unusable_index", 3, *_LINES[key])))


def _minus_one() -> str:
    fragmentation = index("fragmentation_index", 3, 6, 1, 1, 1)
    unusable = index("unusable_index", 3, 6, 1, 1, 1)
    return "free_block" if fragmentation == -1 and unusable == 0.6 else "other"


def _index_falls() -> str:
    run = recording("manual-compaction")
    before, after = around(run)
    unusable = metrics.unusable_index(run).sel(zone=NORMAL, order=9).values[before : after + 1]
    fragmentation = metrics.fragmentation_index(run).sel(zone=NORMAL, order=9).values[before : after + 1]
    free = run["zones"].free_pages.sel(zone=NORMAL).values[[before, after]]
    between = (fragmentation > 0.2) & (fragmentation < 0.8)
    return the_wrong_one(
        {
            "jumps": bool(fragmentation[0] > 0.99 and fragmentation[-1] == -1),
            "gradual": bool(between.any()),
            "unusable": bool(unusable[0] == 1 and round(float(unusable[-1]), 2) == 0.08),
            "free": bool(abs(int(free[1]) - int(free[0])) < 0.001 * free[0]),
        }
    )


def _crumbs_or_shortage() -> str:
    crumbs, few = reason(4, 40, 4, 2, 1, 0), reason(4, 2, 0, 0, 0, 0)
    return "shortage" if (crumbs, few) == ("fragmentation", "shortage") else "other"


def _hidden() -> str:
    run = recording("direct-compaction")
    zones, info = run["zones"].to_dataset(), run["zoneinfo"].to_dataset()
    counted = (zones.nr_free.values @ (1 << np.arange(zones.sizes["order"])) == zones.free_pages.values).all()
    held = int(info.pcp_count.sel(zone=NORMAL).where(lambda pages: pages > 0, 0).sum("cpu").max())
    return "per_cpu" if counted and held > 10_000 else "nowhere"


QUESTIONS: tuple[Question, ...] = (
    Choice(
        id="kind-of-fragmentation",
        rows=("S1",),
        text=N_(
            "On a recorded machine 6.8 GiB are free, but not one free block of 2 MiB: all of it is in smaller "
            "pieces. What is this called?"
        ),
        options=(
            Option("external", N_("External fragmentation")),
            Option(
                "internal",
                N_("Internal fragmentation"),
                N_(
                    "Internal fragmentation is memory lost inside a block that somebody was given. This memory "
                    "is not given to anybody: it is free."
                ),
            ),
            Option(
                "shortage",
                N_("A shortage of memory"),
                N_(
                    "6.8 GiB are free and 2 MiB are asked for: there is more than enough, only not in one piece."
                ),
            ),
            Option(
                "leak",
                N_("A memory leak"),
                N_("Leaked memory is memory that nobody gives back. This memory was given back: it is free."),
            ),
        ),
        answer="external",
        explanation=N_(
            "External fragmentation: free memory outside of the blocks in use, in pieces too small for the "
            "request. The cure is to move pages in use together, which is what compaction does."
        ),
        shown_in=Pointer("06-watch-compaction-happen", "three-sentences"),
        truth=_kind,
    ),
    Sequence(
        id="least-unusable",
        rows=("S1",),
        text=N_(
            "Eight pages in one piece are asked for (order 3). Put these free memories in order, the one with "
            "the lowest unusable index first."
        ),
        items=(
            Option("all", N_("3 blocks of 8 pages")),
            Option("third", N_("1 block of 8 pages, 4 single pages")),
            Option("most", N_("1 block of 8 pages, 12 single pages")),
            Option("none", N_("6 blocks of 4 pages")),
        ),
        answer=("all", "third", "most", "none"),
        explanation=N_(
            "The unusable index is the share of free memory that the request cannot use: 0 of 24 pages, 4 of 12 "
            "(0.33), 12 of 20 (0.6), and all 24 of 24 (1). Six blocks of 4 are as useless here as 24 single pages."
        ),
        shown_in=Pointer(_INDICES, "two-indices"),
        truth=_sorted_lists,
    ),
    Number(
        id="unusable-pair",
        rows=("S1",),
        text=N_(
            "Two single pages and one pair of pages are free. What is the unusable index for a request of two "
            "pages (order 1)?"
        ),
        answer=0.5,
        unit="",
        explanation=N_(
            "Free are 2 + 2 = 4 pages. The two single ones are of no use to a request for a pair: 2 of 4, or 0.5."
        ),
        shown_in=Pointer(_INDICES, "by-hand-crumbs"),
        truth=lambda: index("unusable_index", 1, 2, 1),
    ),
    Number(
        id="index-of-crumbs",
        rows=("S1",),
        level="advanced",
        text=N_(
            "Six single pages and one pair are free, 8 pages are asked for (order 3). What is the fragmentation "
            "index? The kernel computes 1000 − (1000 + F·1000 // R) // B, in thousandths: F free pages, B free "
            "blocks, R pages asked for."
        ),
        answer=0.715,
        unit="",
        tolerance=0.0005,
        explanation=N_(
            "F = 8, B = 7, R = 8: 1000 − (1000 + 1000) // 7 = 1000 − 285 = 715 thousandths. Nearer to 1 than to "
            "0: the pages are there, but in crumbs."
        ),
        shown_in=Pointer(_INDICES, "by-hand-crumbs"),
        truth=lambda: index("fragmentation_index", 3, 6, 1, 0, 0),
    ),
    Number(
        id="index-below-zero",
        rows=("S1",),
        level="advanced",
        text=N_(
            "A single free block of order 8 (256 pages) is all there is, and order 9 (512 pages) is asked for. "
            "What is the fragmentation index? The formula is 1000 − (1000 + F·1000 // R) // B, in thousandths."
        ),
        answer=-0.5,
        unit="",
        tolerance=0.0005,
        explanation=N_(
            "F = 256, B = 1, R = 512: 1000 − (1000 + 500) // 1 = −500. With one lone block the index leaves the "
            "range from 0 to 1. Programs that read it should expect that; debugfs prints it as ` 0.-500`."
        ),
        shown_in=Pointer(_INDICES, "by-hand-lone"),
        truth=lambda: index("fragmentation_index", 9, *[0] * 8, 1, 0),
    ),
    Choice(
        id="minus-one",
        rows=("S1",),
        text=N_("The kernel prints a fragmentation index of `-1.000` for order 3. What does that say?"),
        options=(
            Option(
                "free_block",
                N_("A block of that order is free, so a lack of large blocks is not what fails."),
            ),
            Option(
                "tidy",
                N_("The zone is not fragmented."),
                N_(
                    "Six single pages, a pair, a block of 4 and one of 8: the index for order 3 is −1, and yet "
                    "60 % of free memory is in pieces too small."
                ),
            ),
            Option(
                "error",
                N_("The index could not be computed."),
                N_("It was computed. −1 is the kernel's word for “a block is free”."),
            ),
            Option(
                "all_small",
                N_("All free memory is in pieces too small."),
                N_("Then no block of the order would be free, and the index would be between −0.5 and 1."),
            ),
        ),
        answer="free_block",
        explanation=N_(
            "The index answers one question: if the request failed, would it be for lack of memory (0) or for "
            "fragmentation (1)? Where a block is free it does not fail, and the index is −1, however many "
            "crumbs lie beside it."
        ),
        shown_in=Pointer(_INDICES, "by-hand-fits"),
        truth=_minus_one,
    ),
    Misconception(
        id="index-sinks",
        rows=("S1", "S13"),
        text=N_(
            "A recorded machine was compacted by one write to `compact_memory`. Three of these statements about "
            "its zone Normal and order 9 are right."
        ),
        options=(
            Option(
                "jumps",
                N_("The fragmentation index went from above 0.99 to −1."),
                N_("It did: as soon as one block of 2 MiB is free, the index is −1."),
            ),
            Option("gradual", N_("The fragmentation index sank gradually, from about 0.8 to about 0.2.")),
            Option(
                "unusable",
                N_("The unusable index sank from 1 to 0.08."),
                N_("It did: before, no free memory was fit for 2 MiB; afterwards 92 % was."),
            ),
            Option(
                "free",
                N_("There was as much free memory afterwards as before."),
                N_("There was, to a thousandth. Compaction moves pages, it does not free any."),
            ),
        ),
        answer="gradual",
        explanation=N_(
            "The fragmentation index never was between 0.2 and 0.8: with many small blocks it is close to 1, and "
            "with one large block it is −1. What sinks gradually is the unusable index. A figure needs its index, "
            "its order and its zone."
        ),
        shown_in=Pointer(_INDICES, "both-indices"),
        truth=_index_falls,
    ),
    Choice(
        id="two-pages-left",
        rows=("S1", "S8"),
        text=N_(
            "Only two single pages of a zone are free, and 16 pages in one piece are asked for. What would help?"
        ),
        options=(
            Option(
                "compaction",
                N_("Compaction"),
                N_("Moving pages about makes larger pieces of what is free. Two pages never make 16."),
            ),
            Option("shortage", N_("Reclaim: memory has to be freed first")),
            Option(
                "both",
                N_("Compaction first, then reclaim"),
                N_(
                    "Compaction is not even begun: so little is free that the watermark forbids it, and the index of 0.438 "
                    "would too, being below the threshold of 0.5."
                ),
            ),
            Option(
                "wait",
                N_("Waiting until the two pages merge"),
                N_(
                    "Two pages that are buddies would have merged already, and would be a pair, not 16 pages."
                ),
            ),
        ),
        answer="shortage",
        explanation=N_(
            "The fragmentation index tells the two cases apart: here it is 0.438, nearer to 0, and that means "
            "shortage. With 64 pages free in 47 small blocks it would be 0.894: fragmentation, and compaction can help."
        ),
        shown_in=Pointer(_INDICES, "by-hand-shortage"),
        truth=_crumbs_or_shortage,
    ),
    Choice(
        id="free-but-not-listed",
        rows=("S1",),
        level="advanced",
        text=N_(
            "A recorded machine has more free pages than `/proc/buddyinfo` shows: more than 10 000 of them are "
            "missing there. Where are they?"
        ),
        options=(
            Option("per_cpu", N_("In per-CPU lists: each CPU keeps some free pages at hand")),
            Option(
                "rounding",
                N_("Nowhere: buddyinfo rounds down to whole blocks"),
                N_("buddyinfo counts single pages too, as blocks of order 0: nothing is rounded."),
            ),
            Option(
                "small",
                N_("In blocks smaller than a page"),
                N_(
                    "The smallest block is a page. Smaller pieces exist inside slabs, and those pages are in use."
                ),
            ),
            Option(
                "cache",
                N_("In the page cache, which counts as free"),
                N_(
                    "Pages of the page cache are in use, though easily given back. buddyinfo never counts them."
                ),
            ),
        ),
        answer="per_cpu",
        explanation=N_(
            "buddyinfo, MemFree and both indices leave out per-CPU lists. `/proc/zoneinfo` counts them, for each "
            "CPU. They may hold more than a GiB on a large machine, and pages in them cannot merge."
        ),
        shown_in=Pointer("13-five-triggers", "runs"),
        truth=_hidden,
    ),
)
