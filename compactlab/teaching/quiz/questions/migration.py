"""Questions about moving pages: how it is done, what it costs, what cannot be moved (S2, S4)."""

from __future__ import annotations

import numpy as np
import xarray as xr

from .... import metrics
from ....simulation.compact import compact_zone
from ....simulation.contig import alloc_contig_range
from ....simulation.zone import Zone
from ....texts import N_
from ..evidence import (
    NORMAL,
    around,
    events,
    fragmented,
    recording,
    seed_of,
    the_one,
    the_wrong_one,
    with_pages,
)
from ..question import Choice, Misconception, Number, Option, Pointer, Question, Sequence, Slip

_WATCH = "06-watch-compaction-happen"
_RANGE = "08-a-contiguous-range"
_TURN = {
    "begin": "mm_compaction_begin",
    "sources": "mm_compaction_isolate_migratepages",
    "targets": "mm_compaction_isolate_freepages",
    "moved": "mm_compaction_migratepages",
    "end": "mm_compaction_end",
}


def _turn() -> tuple[str, ...]:
    told = events(recording("proactive-compaction"))
    names = told["name"].values
    begins = np.flatnonzero(names == "mm_compaction_begin")
    of_normal = names[begins[-1] :].tolist()
    return tuple(sorted(_TURN, key=lambda key: of_normal.index(_TURN[key])))


def _microseconds_a_page() -> float:
    told = metrics.summary(metrics.part(recording("manual-compaction"), "compaction"))
    return float(told.compaction_time) / float(told.migrated) / 1000


def _mapped(times: int) -> xr.Dataset:
    zone = fragmented()
    mapcount = np.where(seed_of(zone).mapcount > 0, times, 0).astype(np.uint8)
    return metrics.summary(compact_zone(with_pages(zone, mapcount=mapcount)))


def _more_mappings() -> str:
    one, many = _mapped(1), _mapped(100)
    slower = float(many.compaction_time) > 2 * float(one.compaction_time)
    return "each" if slower and int(many.migrated) == int(one.migrated) else "other"


def _pinned() -> str:
    zone = Zone.from_kinds(["anon", "free"] * 8192, flags={"pinned": [512]})
    run = compact_zone(zone)
    sources = run["moves"].source_pfn.values
    alone = zone.first_pfn + 512 not in sources and zone.first_pfn + 514 in sources
    return "stays" if alone else "other"


def _frees() -> str:
    run = recording("manual-compaction")
    before, after = around(run)
    zones = run["zones"].to_dataset().sel(zone=NORMAL)
    free, lists = zones.free_pages.values, zones.nr_free.values
    return the_wrong_one(
        {
            "moves": int(metrics.summary(run).migrated) > 860_000,
            "frees": bool(free[after] > 1.1 * free[before]),
            "fewer": bool(lists[after].sum() < 0.1 * lists[before].sum()),
            "larger": bool(lists[before, 9:].sum() == 0 and lists[after, 9:].sum() > 1000),
        }
    )


def _range_of(*slab: int) -> xr.DataTree:
    kinds = np.array(["anon", "free"] * 8192)
    kinds[list(slab)] = "slab"
    zone = Zone.from_kinds(kinds)
    return alloc_contig_range(zone, zone.first_pfn + 4096, zone.first_pfn + 5120)


def _range_with_slab() -> str:
    results = [run.attrs["config"]["alloc_contig_range"]["result"] for run in (_range_of(), _range_of(4500))]
    return {"EBUSY": "busy", "success": "moved"}[results[1]] if results[0] == "success" else "other"


def _range_targets() -> str:
    run = _range_of()
    first = run.attrs["config"]["alloc_contig_range"]["start_pfn"]
    targets = run["moves"].target_pfn.values
    outside = bool(((targets < first) | (targets >= first + 1024)).all()) and targets.size > 0
    scanned = "mm_compaction_isolate_freepages" in events(run)["name"].values
    return the_one({"allocator": outside and not scanned, "scanner": scanned, "inside": not outside})


QUESTIONS: tuple[Question, ...] = (
    Sequence(
        id="turn",
        rows=("S2", "S3"),
        text=N_("Put the events of a compaction in the order in which the trace shows them first."),
        items=(
            Option("begin", N_("`mm_compaction_begin`: a zone is taken up")),
            Option(
                "sources", N_("`mm_compaction_isolate_migratepages`: pages in use are set aside, to be moved")
            ),
            Option(
                "targets", N_("`mm_compaction_isolate_freepages`: free pages are set aside, to move them to")
            ),
            Option("moved", N_("`mm_compaction_migratepages`: a batch of pages has been moved")),
            Option("end", N_("`mm_compaction_end`: with the reason for ending")),
        ),
        answer=("begin", "sources", "targets", "moved", "end"),
        explanation=N_(
            "First the pages to be moved; free pages are looked for only once they are needed. These three steps "
            "repeat, a pageblock or a part of one at a time, until something ends it."
        ),
        shown_in=Pointer(_WATCH, "scanners-walk"),
        truth=_turn,
    ),
    Number(
        id="cost-of-a-page",
        rows=("S2",),
        text=N_(
            "In a recording 860 363 pages are moved in 1.86 seconds, looking for them included. How long does one "
            "page take on average?"
        ),
        answer=2.17,
        unit="µs",
        tolerance=0.2,
        slips=(Slip(0.46, N_("You divided pages by time; the other way round it is time per page.")),),
        explanation=N_(
            "1.86 s / 860 363 = 2.2 µs, for 4 KiB. That is slower than copying alone: mappings are removed, other "
            "CPUs told, contents copied, mappings made anew."
        ),
        shown_in=Pointer(_WATCH, "work-and-who"),
        truth=_microseconds_a_page,
    ),
    Choice(
        id="hundred-mappings",
        rows=("S2",),
        text=N_(
            "A page of memory is shared by 100 processes. What is different when compaction moves it, compared "
            "with a page that one process maps?"
        ),
        options=(
            Option("each", N_("Moving it takes longer: each of the 100 mappings has to be changed.")),
            Option(
                "copies",
                N_("It has to be copied 100 times."),
                N_("There is one page, however many map it: its contents are copied once."),
            ),
            Option(
                "refused",
                N_("It cannot be moved."),
                N_("Shared pages are moved like others. It is an extra reference, a pin, that forbids it."),
            ),
            Option(
                "nothing",
                N_("Nothing: processes know virtual addresses only."),
                N_(
                    "Processes notice nothing, true; but each has a page-table entry that names the page frame, and "
                    "every one of them must be found and changed."
                ),
            ),
        ),
        answer="each",
        explanation=N_(
            "The kernel finds all mappings of a page (reverse mapping), takes them away so that nobody writes "
            "meanwhile, copies once, and puts them back with the new page frame. The cost grows with their number."
        ),
        shown_in=Pointer("05-one-page-moves", "show-costs"),
        truth=_more_mappings,
    ),
    Choice(
        id="pinned",
        rows=("S2",),
        text=N_(
            "A network card writes into a page that is pinned for it. What does compaction do with this page?"
        ),
        options=(
            Option("stays", N_("It leaves it where it is, and moves those around it.")),
            Option(
                "waits",
                N_("It waits until the page is no longer pinned."),
                N_("A pin may last for hours. Compaction notices the extra reference and goes on at once."),
            ),
            Option(
                "moves",
                N_("It moves it and tells the card the new address."),
                N_(
                    "The kernel cannot tell a device. That is what a pin is for: the page stays at its address."
                ),
            ),
            Option(
                "aborts",
                N_("It gives up the zone."),
                N_(
                    "One page that cannot be moved is counted and passed; the scan goes on with the next one."
                ),
            ),
        ),
        answer="stays",
        explanation=N_(
            "Whoever holds an extra reference may be using the physical address. In the recording "
            "`page-map-pinned` not one of 1530 pinned pages moved, and no 2 MiB around one of them became free."
        ),
        shown_in=Pointer("18-predict-a-compaction", "pins"),
        truth=_pinned,
    ),
    Misconception(
        id="frees-memory",
        rows=("S2", "S3"),
        text=N_("One recorded write to `compact_memory`. Three of these statements about it are right."),
        options=(
            Option(
                "moves",
                N_("Hundreds of thousands of pages were moved."),
                N_("They were: 860 363, which is 3.3 GiB."),
            ),
            Option("frees", N_("Free memory grew by what had been moved.")),
            Option(
                "fewer",
                N_("There are far fewer free blocks afterwards."),
                N_("True: many small ones have become few large ones."),
            ),
            Option(
                "larger",
                N_("Blocks of 2 MiB and more are free that were not before."),
                N_("True: none before, more than 1500 afterwards."),
            ),
        ),
        answer="frees",
        explanation=N_(
            "A page that moves frees the place it leaves and fills another one. Free memory is the same before "
            "and after; what changes is the size of its pieces. To free memory is the task of reclaim."
        ),
        shown_in=Pointer(_WATCH, "not-freed"),
        truth=_frees,
    ),
    Choice(
        id="range-with-slab",
        rows=("S4",),
        text=N_(
            "A driver asks `alloc_contig_range` for 4 MiB at a place of its choice. One page in the middle belongs "
            "to the slab allocator. What does it get?"
        ),
        options=(
            Option("busy", N_("An error: EBUSY")),
            Option(
                "moved",
                N_("The range: the slab page is moved out like others"),
                N_("Kernel code has pointers into slab pages; they cannot be moved."),
            ),
            Option(
                "around",
                N_("The range without that page"),
                N_(
                    "A range with a hole would be of no use to a device that asked for one piece. It is all or nothing."
                ),
            ),
            Option(
                "elsewhere",
                N_("4 MiB elsewhere"),
                N_(
                    "`alloc_contig_range` is asked for these page frames and no others. `alloc_contig_pages`, which "
                    "calls it, tries one place after another."
                ),
            ),
        ),
        answer="busy",
        explanation=N_(
            "Before anything is moved, each pageblock of the range is isolated; one unmovable page makes that "
            "fail with EBUSY. That is why such ranges are best taken early, or from CMA, where only movable pages go."
        ),
        shown_in=Pointer(_RANGE, "why-not"),
        truth=_range_with_slab,
    ),
    Choice(
        id="range-targets",
        rows=("S4",),
        level="advanced",
        text=N_("Where do the pages go that `alloc_contig_range` moves out of its range?"),
        options=(
            Option(
                "allocator", N_("Wherever the ordinary allocator finds a free page, outside of the range")
            ),
            Option(
                "scanner",
                N_("To the end of the zone, where the free scanner finds room"),
                N_(
                    "The free scanner belongs to compaction of a zone. Here no free scanner runs: the trace has none."
                ),
            ),
            Option(
                "inside",
                N_("Together, to the begin of the range"),
                N_("The whole range is to be handed over, so nothing may stay inside of it."),
            ),
            Option(
                "disk",
                N_("To disk"),
                N_(
                    "Clean pages of files may be dropped, as they can be read again; all others are moved in memory."
                ),
            ),
        ),
        answer="allocator",
        explanation=N_(
            "It shares the machinery of migration with compaction, not the aim: it empties one place and leaves "
            "the rest of the zone as scattered as it was."
        ),
        shown_in=Pointer(_RANGE, "against-table"),
        truth=_range_targets,
    ),
)
