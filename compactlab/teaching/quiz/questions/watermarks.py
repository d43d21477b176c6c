"""Questions about watermarks, and about reclaim beside compaction (S8, S14)."""

from __future__ import annotations

import numpy as np

from .... import metrics
from ....metrics.verdicts import COSTLY_ORDER
from ....simulation.presets import Sysctls
from ....simulation.zone import Zone
from ....texts import N_
from ..evidence import cached_files, demanded, events, nearly_full, rises, the_wrong_one, workloads
from ..question import Choice, Misconception, Number, Option, Pointer, Question, Sequence, Slip

_MARKS = "12-moving-the-watermarks"
_RECLAIM = "11-reclaim-or-compact"


def _marks() -> tuple[str, ...]:
    info = demanded(workloads.idle(seconds=1), Zone("1 GiB"))["zoneinfo"]
    pages = dict(zip(info.mark.values.tolist(), info.watermark.values[0, 0].tolist(), strict=True))
    return tuple(sorted(("min", "low", "high"), key=lambda mark: pages[mark]))


def _kswapd_wakes() -> str:
    run = cached_files()
    free = run["zoneinfo"].nr_free_pages.values[:, 0]
    least, low, high = run["zoneinfo"].watermark.values[0, 0, :3]
    first = int(np.flatnonzero(np.diff(free) > 0)[0])  # free memory grows for the first time
    woken = "mm_vmscan_kswapd_wake" in events(run)["name"].values
    return "low" if woken and least < free[first] <= high and free[first] - low < 100 else "other"


def _distance() -> float:
    zone = Zone("1 GiB", sysctls=Sysctls(watermark_scale_factor=100))
    marks = demanded(workloads.idle(seconds=1), zone, watermark_scale_factor=100)[
        "zoneinfo"
    ].watermark.values[0, 0]
    return int(marks[1] - marks[0])


def _one_block_left() -> str:
    run = demanded(workloads.huge_faults(faults=1), nearly_full())
    there = run["zones"].nr_free.sel(order=9).values[0, 0] >= 1
    refused = not run["allocations"].success.values.any()
    why = metrics.REASONS[int(metrics.verdict(run, 9).reason.values[0, 0])]
    return "watermark" if there and refused and why == "watermark" else "other"


def _boosted() -> str:
    boost = {
        factor: int(demanded(workloads.slab_growth(), watermark_boost_factor=factor)["zoneinfo"].boost.max())
        for factor in (15_000, 0)
    }
    return "mixed" if boost[15_000] > 0 == boost[0] else "other"


def _reclaim_against_compaction() -> str:
    cache = cached_files()
    info, lists = cache["zoneinfo"].nr_free_pages.values[:, 0], cache["zones"].nr_free.values[:, 0]
    lowest = int(info[:-50].argmin())
    compaction = metrics.summary(demanded(workloads.compact_memory()))
    return the_wrong_one(
        {
            "reclaim": rises(cache, "pgsteal_kswapd") > 10_000 and info[lowest:].max() > info[lowest],
            "contiguous": bool(lists[-1, 9:].sum() > 5),
            "moves": int(compaction.migrated) > 1000 and rises(cache, "pgmigrate_success") == 0,
            "same": abs(float(compaction.free_last) / 7619 - 1) < 0.01,
        }
    )


QUESTIONS: tuple[Question, ...] = (
    Sequence(
        id="marks",
        rows=("S14",),
        text=N_("Put the watermarks of a zone in order, the one with least free memory first."),
        items=(
            Option("min", N_("min: below it only few requests are served")),
            Option("low", N_("low: below it kswapd is woken")),
            Option("high", N_("high: here kswapd goes to sleep")),
        ),
        answer=("min", "low", "high"),
        explanation=N_(
            "min < low < high, at equal distances. kswapd works between low and high; min is what requests that "
            "may wait leave untouched."
        ),
        shown_in=Pointer(_MARKS, "by-hand"),
        truth=_marks,
    ),
    Choice(
        id="kswapd-wakes",
        rows=("S8", "S14"),
        text=N_("Files are read until memory is full. At which watermark does kswapd begin to make room?"),
        options=(
            Option("low", N_("When free memory falls below low")),
            Option(
                "min",
                N_("When it falls below min"),
                N_("That is late: there, requests begin to reclaim for themselves."),
            ),
            Option("high", N_("When it falls below high"), N_("high is where kswapd stops.")),
            Option(
                "zero",
                N_("When none is left"),
                N_("Then it would be too late for interrupts, which cannot wait. A reserve is always kept."),
            ),
        ),
        answer="low",
        explanation=N_(
            "Simulated: free memory sinks until it is about low, then goes up and down between low and high, and "
            "never reaches min: kswapd keeps pace, and no program waits."
        ),
        shown_in=Pointer(_MARKS, "moved"),
        truth=_kswapd_wakes,
    ),
    Number(
        id="distance",
        rows=("S14",),
        text=N_(
            "A zone of 1 GiB has 262 144 pages. `watermark_scale_factor` is set to 100, in units of 1/10000. How far "
            "does low lie above min? (The least distance, a quarter of min, is smaller here.)"
        ),
        answer=2621,
        unit="pages",
        tolerance=65,
        slips=(
            Slip(26_214, N_("That is a tenth of the zone; 100/10000 is a hundredth.")),
            Slip(262, N_("That is a thousandth of the zone, the default of 10; 100/10000 is a hundredth.")),
        ),
        explanation=N_(
            "100/10000 is 1 %: 2621 pages, about 10 MiB. high lies as far above low. Larger distances let kswapd "
            "begin earlier and work longer at a time."
        ),
        shown_in=Pointer(_MARKS, "moved"),
        truth=_distance,
    ),
    Choice(
        id="one-block-left",
        rows=("S1", "S14"),
        text=N_(
            "A block of 2 MiB is free, and no other request is going on. Even so a request for 2 MiB gets none. Why?"
        ),
        options=(
            Option("watermark", N_("Taking it would leave less free memory than the watermark asks for.")),
            Option(
                "fragmentation",
                N_("Memory is too fragmented."),
                N_("A block of that very size is free; fragmentation is not what stands in the way."),
            ),
            Option(
                "bug",
                N_("It must be a bug in buddyinfo."),
                N_("buddyinfo is right. The allocator looks at more than its lists."),
            ),
            Option(
                "order",
                N_("Blocks of order 9 are kept for the kernel."),
                N_("Nothing of the kind; huge pages of programs are just such blocks."),
            ),
        ),
        answer="watermark",
        explanation=N_(
            "Before looking for a block the allocator checks that what remains is above the watermark. The zone of "
            "this simulation has 1315 pages free and a min of 819: 512 less would be too few."
        ),
        shown_in=Pointer("21-quiz", "below-the-mark"),
        truth=_one_block_left,
    ),
    Choice(
        id="boost",
        rows=("S14",),
        level="advanced",
        text=N_("`/proc/zoneinfo` shows a `boost` above 0. What has happened?"),
        options=(
            Option("mixed", N_("A block was taken from a pageblock of another migratetype.")),
            Option(
                "manual",
                N_("Somebody raised `min_free_kbytes`."),
                N_("That moves the watermarks themselves, not the boost."),
            ),
            Option(
                "fast",
                N_("The CPU clock was raised."),
                N_("A boost of watermarks has nothing to do with a boost of clocks."),
            ),
            Option(
                "oom",
                N_("Memory ran out."),
                N_("A boost comes from mixing, and that happens with plenty of free memory."),
            ),
        ),
        answer="mixed",
        explanation=N_(
            "Mixing spoils pageblocks, so the kernel raises the watermarks for a while: kswapd reclaims a little, "
            "then wakes kcompactd for whole pageblocks. With `watermark_boost_factor` 0 it does not."
        ),
        shown_in=Pointer(_MARKS, "boost"),
        truth=_boosted,
    ),
    Number(
        id="costly",
        rows=("S9", "S14"),
        level="advanced",
        text=N_(
            "Requests above a certain order are called costly: they look at `extfrag_threshold`, and give up sooner. "
            "What is the highest order that is not yet costly?"
        ),
        answer=3,
        unit="order",
        slips=(
            Slip(9, N_("9 is the order of a huge page, and costly.")),
            Slip(4, N_("4 is the first costly one.")),
        ),
        explanation=N_(
            "Order 3: 8 pages, 32 KiB (PAGE_ALLOC_COSTLY_ORDER). Up to it the kernel tries very hard; above it, "
            "callers are expected to have another plan."
        ),
        shown_in=Pointer(_MARKS, "compaction"),
        truth=lambda: COSTLY_ORDER,
    ),
    Misconception(
        id="reclaim-or-compaction",
        rows=("S3", "S8"),
        text=N_(
            "Reclaim and compaction are simulated, each in a zone of 64 MiB. Three of these statements are right."
        ),
        options=(
            Option(
                "reclaim",
                N_("Reclaim gives back pages of files, and free memory grows."),
                N_("True: that is its task."),
            ),
            Option("contiguous", N_("Reclaim of so many pages leaves plenty of free blocks of 2 MiB.")),
            Option(
                "moves",
                N_("Compaction moves pages, reclaim moves none."),
                N_("True: reclaim only gives pages back, and each stays where it is until then."),
            ),
            Option(
                "same",
                N_("Compaction leaves as much free memory as there was."),
                N_("True, to a hundredth: it only puts it together."),
            ),
        ),
        answer="contiguous",
        explanation=N_(
            "Reclaim takes the pages that were not used for the longest time, wherever they lie: kswapd gave back "
            "more than 17 000 pages, and one block of 2 MiB was free. For large blocks somebody has to compact."
        ),
        shown_in=Pointer(_RECLAIM, "two"),
        truth=_reclaim_against_compaction,
    ),
)
