"""Questions about compaction of a zone: its two scanners, and what stops it (S3)."""

from __future__ import annotations

import numpy as np

from .... import metrics
from ....simulation.compact import compact_zone
from ....simulation.zone import Zone
from ....texts import N_
from ..evidence import (
    NORMAL,
    around,
    compacted,
    named,
    recording,
    the_one,
    the_wrong_one,
)
from ..question import Choice, Misconception, Number, Option, Pointer, Question, Sequence, Slip

_WATCH = "06-watch-compaction-happen"
_FIVE = "13-five-triggers"
_ZONE = "07-compact-a-zone"


def _directions() -> str:
    run = compacted()
    sources = named(run, "mm_compaction_isolate_migratepages").start_pfn.values
    targets = named(run, "mm_compaction_isolate_freepages").start_pfn.values
    up, down = (np.diff(sources) >= 0).all(), targets[-1] < targets[0]
    return the_one(
        {"towards": up and down and sources[0] < targets[0], "same": up and not down, "apart": not up}
    )


def _ends() -> str:
    run = compacted()
    last = metrics.compaction_runs(run).isel(run=-1)
    ended = named(run, "mm_compaction_end").isel(event=-1)
    met = int(ended.free_pfn) >> 9 <= int(ended.migrate_pfn) >> 9
    return "met" if met and str(last.status.values) == "complete" else "other"


def _first_batch() -> float:
    taken = named(compacted(), "mm_compaction_isolate_migratepages").nr_taken.values
    return int(taken[taken > 0][0])


def _order_of_manual() -> str:
    orders = set(metrics.compaction_runs(recording("manual-compaction")).order.values.tolist())
    return {-1: "whole", 9: "huge", 10: "largest"}[orders.pop()] if len(orders) == 1 else "other"


def _after_success() -> str:
    run = compacted("direct", 9)
    status = metrics.compaction_runs(run).status.values.tolist()
    told = metrics.summary(run)
    one = int(run["zones"].nr_free.sel(order=9).values[-1, 0]) == 1
    return "one" if status == ["success"] and one and float(told.unusable_last) > 0.9 else "other"


def _given_up() -> str:
    def status(name: str) -> str:
        last = metrics.compaction_runs(recording(name)).isel(run=-1)
        return str(last.status.values)

    run = recording("manual-compaction-given-up")
    before, after = around(run)
    index = metrics.unusable_index(run).sel(zone=NORMAL, order=9).values
    scanned = int(metrics.summary(run).migrate_scanned)
    pages = int(run["zoneinfo"].present_pages.sel(zone=NORMAL).max())
    return the_wrong_one(
        {
            "always": status("manual-compaction-given-up") == "complete",
            "complete": status("manual-compaction") == "complete",
            "part": scanned < pages / 2,
            "useful": float(index[after]) < float(index[before]) - 0.05,
        }
    )


def _how_tidy() -> tuple[str, ...]:
    left = {
        "direct": compacted("direct", 9),
        "proactive": compacted("proactive"),
        "manual": compacted("manual"),
    }
    index = {key: float(metrics.summary(run).unusable_last) for key, run in left.items()}
    index["nothing"] = float(metrics.summary(compacted()).unusable_first)
    return tuple(sorted(index, key=lambda key: index[key]))


def _with_a_pin_in_each() -> float:
    zone = Zone.from_kinds(["anon", "free"] * 8192, flags={"pinned": np.arange(0, 16384, 512)})
    return int(compact_zone(zone)["zones"].nr_free.values[-1, 0, 9:].sum())


def _targets() -> str:
    types = np.tile(["Movable", "Unmovable"], 16)
    zone = Zone.from_kinds(np.tile(["anon", "free"], 8192), migratetype=types.tolist())
    target = (compact_zone(zone)["moves"].target_pfn.values - zone.first_pfn) >> zone.pageblock_order
    return "passed" if set(types[target]) == {"Movable"} else "used"


QUESTIONS: tuple[Question, ...] = (
    Choice(
        id="directions",
        rows=("S3",),
        text=N_("Two scanners walk through a zone that is compacted. Which way do they go?"),
        options=(
            Option(
                "towards",
                N_("Towards each other: the one for pages in use upwards, the one for free pages downwards"),
            ),
            Option(
                "same",
                N_("Both upwards, the one for free pages ahead"),
                N_(
                    "Then pages would be moved a short way only, again and again. The free scanner begins at the top."
                ),
            ),
            Option(
                "apart",
                N_("Away from each other, from the middle"),
                N_("They begin at both ends of the zone, and meet."),
            ),
            Option(
                "random",
                N_("To and fro, where the most is to be gained"),
                N_(
                    "For a request of a high order the kernel does look into its free lists for good places. But "
                    "seen as a whole the pages in use go to the top, the free ones remain below."
                ),
            ),
        ),
        answer="towards",
        explanation=N_(
            "The migrate scanner comes from the low addresses and gathers pages in use, the free scanner comes "
            "from the high ones and gathers free pages to put them in. So free memory joins at the low end."
        ),
        shown_in=Pointer(_WATCH, "scanners-walk"),
        truth=_directions,
    ),
    Choice(
        id="what-ends-it",
        rows=("S3", "S12"),
        text=N_(
            "Somebody wrote to `compact_memory`, and the result for a zone is `complete`. What ended it?"
        ),
        options=(
            Option("met", N_("Both scanners met.")),
            Option(
                "enough",
                N_("Enough blocks of 2 MiB were free."),
                N_(
                    "That would be `success`, and manual compaction does not ask for it: it asks for no order."
                ),
            ),
            Option(
                "time",
                N_("Its time was over."),
                N_("There is no time limit; whoever wrote to the file waits until it is done."),
            ),
            Option(
                "none",
                N_("No movable page was left."),
                N_("There are as many as before: they lie at the other end of the zone now."),
            ),
        ),
        answer="met",
        explanation=N_(
            "`complete` says that the whole zone has been looked at: the scanners are in the same pageblock. It "
            "says nothing about how much was gained."
        ),
        shown_in=Pointer(_FIVE, "who-table"),
        truth=_ends,
    ),
    Number(
        id="first-batch",
        rows=("S3",),
        level="advanced",
        text=N_(
            "The migrate scanner comes into a pageblock in which 256 pages can be moved. How many does it take in "
            "its first batch?"
        ),
        answer=32,
        unit="pages",
        slips=(
            Slip(256, N_("The first batch is short; what is left of the pageblock comes in the second.")),
        ),
        explanation=N_(
            "32 pages (COMPACT_CLUSTER_MAX). If the scan then goes on in the same pageblock, all the rest of it is "
            "taken at once, so that no block is left half done."
        ),
        shown_in=Pointer(_ZONE, "show-run"),
        truth=_first_batch,
    ),
    Choice(
        id="order-minus-one",
        rows=("S3", "S12"),
        text=N_("The trace of a manual compaction says `order=-1`. What does it mean?"),
        options=(
            Option("whole", N_("For no request: the whole zone, as much as can be")),
            Option(
                "error",
                N_("An error: the order is unknown"),
                N_("It is set on purpose: both proactive and manual compaction have it."),
            ),
            Option(
                "half",
                N_("Half a page"),
                N_("There is no block smaller than a page; order 0 is the smallest."),
            ),
            Option(
                "largest",
                N_("The largest order there is"),
                N_(
                    "Then it would stop at the first block of order 10. With −1 it does not stop for any block."
                ),
            ),
        ),
        answer="whole",
        explanation=N_(
            "A request names an order, and compaction for it ends at the first block of that order. With −1 "
            "there is no such block to wait for."
        ),
        shown_in=Pointer(_FIVE, "who-table"),
        truth=_order_of_manual,
    ),
    Choice(
        id="after-success",
        rows=("S3", "S9"),
        text=N_(
            "A request for 2 MiB compacted for itself, with the result `success`. No free block of 2 MiB was "
            "there before. How is the zone now?"
        ),
        options=(
            Option("one", N_("One such block was made; the rest is as fragmented as before.")),
            Option(
                "tidy",
                N_("It is compacted: most of free memory is in large blocks."),
                N_("Nobody would want to wait for that. Compaction for a request stops at the first block."),
            ),
            Option(
                "same",
                N_("As before: the request was served from elsewhere."),
                N_("`success` says that a block of the order became free in this zone."),
            ),
            Option(
                "less",
                N_("It is more fragmented: 2 MiB in one piece are gone."),
                N_("The block that the request takes was not there before: it was made of small pieces."),
            ),
        ),
        answer="one",
        explanation=N_(
            "Simulated, the unusable index goes from 1.00 to 0.94 in a zone of 64 MiB. The next request begins "
            "anew: that is why direct compaction runs so often, some 350 times for 512 huge pages in a recording."
        ),
        shown_in=Pointer(_FIVE, "left-table"),
        truth=_after_success,
    ),
    Misconception(
        id="given-up",
        rows=("S3", "S12"),
        text=N_(
            "Two machines were recorded while somebody wrote to `compact_memory`. Three of these statements are right."
        ),
        options=(
            Option("always", N_("Such a write always works through the whole zone.")),
            Option(
                "complete",
                N_("One of them ended with `complete`."),
                N_("It did, in the recording `manual-compaction`: both scanners met."),
            ),
            Option(
                "part",
                N_("On the other one, less than half of the zone was scanned."),
                N_("True: about 555 000 of 5.4 million pages; then it ended with `contended`."),
            ),
            Option(
                "useful",
                N_("Even so, some free memory became fit for 2 MiB there."),
                N_("True: the unusable index sank from 1.00 to about 0.87 before it gave up."),
            ),
        ),
        answer="always",
        explanation=N_(
            "It stopped at a large dirty piece of the page cache, for which no block of its size was at hand and "
            "which could not be split. The zone is then left as `contended`. Look at the trace, or try again after `sync`."
        ),
        shown_in=Pointer(_WATCH, "given-up-table"),
        truth=_given_up,
    ),
    Sequence(
        id="how-tidy",
        rows=("S3", "S9", "S11", "S12"),
        text=N_(
            "A fragmented zone is left alone, or compacted once in one of three ways. Put what is left in order, "
            "the lowest unusable index (the tidiest) first."
        ),
        items=(
            Option("manual", N_("one write to `compact_memory`")),
            Option("proactive", N_("proactive compaction, with the default of 20")),
            Option("direct", N_("direct compaction for one huge page")),
            Option("nothing", N_("left alone")),
        ),
        answer=("manual", "proactive", "direct", "nothing"),
        explanation=N_(
            "Manual compaction goes on until the scanners meet, proactive compaction until a score of 80 is "
            "reached, direct compaction until one block is free."
        ),
        shown_in=Pointer(_FIVE, "left-table"),
        truth=_how_tidy,
    ),
    Number(
        id="a-pin-in-each",
        rows=("S3",),
        text=N_(
            "In a zone of 64 MiB every second page is free, and in each pageblock of 2 MiB one page is pinned. The "
            "zone is compacted. How many blocks of 2 MiB are free afterwards?"
        ),
        answer=0,
        unit="blocks",
        slips=(
            Slip(
                16,
                N_("That would be half of memory, all that is free; but no 2 MiB are without a pinned page."),
            ),
            Slip(32, N_("Half of memory is in use.")),
        ),
        explanation=N_(
            "None: 32 pinned pages, 128 KiB in all, keep 32 MiB of free memory from ever becoming 2 MiB in one "
            "piece. Where a few unmovable pages lie matters more than how much is free."
        ),
        shown_in=Pointer(_ZONE, "table"),
        truth=_with_a_pin_in_each,
    ),
    Choice(
        id="unmovable-targets",
        rows=("S3",),
        level="advanced",
        text=N_(
            "The free scanner comes to a pageblock of type Unmovable in which pages are free. What does it do?"
        ),
        options=(
            Option("passed", N_("It passes it: movable pages are put into movable pageblocks only.")),
            Option(
                "used",
                N_("It uses those pages: free is free."),
                N_(
                    "Then the next request for unmovable memory would find no room there and spoil a movable "
                    "pageblock instead."
                ),
            ),
            Option(
                "retyped",
                N_("It makes the pageblock Movable, then uses it."),
                N_("It is in use for unmovable pages; calling it otherwise would not move them."),
            ),
            Option(
                "emptied",
                N_("It empties it first."),
                N_("What is in it is unmovable, as a rule."),
            ),
        ),
        answer="passed",
        explanation=N_(
            "Targets are pages of Movable and CMA pageblocks. Only the last resort of a direct request, the sync-full "
            "priority, ignores this."
        ),
        shown_in=Pointer("21-quiz", "other-type"),
        truth=_targets,
    ),
)
