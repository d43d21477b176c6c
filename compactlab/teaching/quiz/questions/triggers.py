"""Questions about who compacts, when it begins, and who waits for it (S9 to S12)."""

from __future__ import annotations

import numpy as np

from .... import metrics
from ....texts import N_
from ..evidence import demanded, events, nearly_full, recording, rises, the_one, the_wrong_one, workloads
from ..question import Choice, Misconception, Number, Option, Pointer, Question, Sequence, Slip

_FIVE = "13-five-triggers"
_PROACTIVE = "14-proactiveness-from-0-to-100"


def _who_waits() -> str:
    runs = {
        "direct": demanded(workloads.huge_faults(faults=8)),
        "kcompactd": demanded(workloads.network_bursts(share=0.1, bursts=10)),
        "proactive": demanded(workloads.idle(seconds=2)),
    }
    waits = {}
    for who, run in runs.items():
        only = set(metrics.compaction_runs(run).who.values.tolist()) == {who}
        waits[who] = only and float(metrics.summary(run).cpu_direct) > 0
    return the_one(waits)


def _slow_path() -> tuple[str, ...]:
    run = demanded(workloads.huge_faults(faults=1), nearly_full())
    told = events(run)
    names, priority = told["name"].values, told.priority.values
    first = {
        "async": int(np.flatnonzero((names == "mm_compaction_try_to_compact_pages") & (priority == 2))[0]),
        "reclaim": int(np.flatnonzero(names == "mm_vmscan_direct_reclaim_begin")[0]),
        "light": int(np.flatnonzero((names == "mm_compaction_try_to_compact_pages") & (priority == 1))[0]),
        "small": names.size if not run["allocations"].success.values.any() else -1,
    }
    return tuple(sorted(first, key=lambda key: first[key]))


def _kswapd() -> str:
    run = recording("background-compaction")
    told = events(run)
    names, roles = told["name"].values, told["role"].values
    of_kswapd = set(names[roles == "kswapd"].tolist())
    moved = set(roles[names == "mm_compaction_migratepages"].tolist())
    return the_wrong_one(
        {
            "moves": "mm_compaction_migratepages" in of_kswapd,
            "wakes": "mm_compaction_wakeup_kcompactd" in of_kswapd,
            "thread": moved == {"kcompactd"},
            "nobody": rises(run, "compact_stall") == 0,
        }
    )


def _proactive_begins() -> float:
    return int(metrics.fragmentation_score(recording("whole-story")).wmark_high)


def _proactive_stops() -> float:
    return int(metrics.fragmentation_score(recording("whole-story"), proactiveness=60).wmark_low)


def _default_never() -> str:
    run = recording("whole-story")
    told = metrics.fragmentation_score(run)
    zone, node = told.zone_score.sel(zone="0/Normal"), told.score
    below = int(node.max()) < int(told.wmark_high) <= int(zone.max())
    ran = "proactive" in metrics.compaction_runs(run).who.values
    return "weighted" if below and not ran else "other"


def _more_stalls_than_requests() -> str:
    told = metrics.summary(metrics.part(recording("direct-compaction-fails"), "direct_demand"))
    return "attempts" if int(told.compact_stall) > 2 * int(told.requests) else "other"


def _longest_deferral() -> float:
    return int(events(recording("direct-compaction-fails")).limit.max())


def _deferred_fault() -> str:
    run = demanded(workloads.huge_faults(faults=8), transparent_hugepage_defrag="defer")
    told = metrics.summary(run)
    at_once = int(told.compact_stall) == 0 and float(told.latency_p90) < 10_000
    return "small" if at_once and int(told.failures) == 8 else "other"


def _single_pages() -> str:
    singles = demanded(workloads.driver_requests(order=0, requests=1000, share=0.2))
    huge = demanded(workloads.huge_faults(faults=8))
    return "zero" if rises(singles, "compact_stall") == 0 < rises(huge, "compact_stall") else "other"


def _waits() -> tuple[str, ...]:
    direct = recording("direct-compaction")["allocations"].to_dataset()
    fails = recording("direct-compaction-fails")["allocations"].to_dataset()
    manual = metrics.compaction_runs(recording("manual-compaction"))
    helped = direct.compact_success.values > 0
    wait = {
        "free": float(np.median(direct.latency_ns.values[direct.compact_stall.values == 0])),
        "direct": float(np.median(direct.latency_ns.values[helped])),
        "worst": float(np.percentile(fails.latency_ns.values, 99)),
        "manual": float((manual.end - manual.start).sum()),
    }
    return tuple(sorted(wait, key=lambda key: wait[key]))


def _network() -> str:
    run = demanded(workloads.network_bursts(share=0.1, bursts=10))
    who = set(metrics.compaction_runs(run).who.values.tolist())
    return "thread" if who == {"kcompactd"} and rises(run, "compact_stall") == 0 else "other"


QUESTIONS: tuple[Question, ...] = (
    Choice(
        id="who-waits",
        rows=("S9", "S10", "S11"),
        text=N_("Which kind of compaction makes a program wait that only asked for memory?"),
        options=(
            Option("direct", N_("Direct compaction")),
            Option(
                "kcompactd",
                N_("Background compaction, by kcompactd"),
                N_("kcompactd is a thread of its own: it takes CPU time, but the program goes on."),
            ),
            Option(
                "proactive",
                N_("Proactive compaction"),
                N_("It runs in kcompactd while nobody asks, so that later nobody has to wait."),
            ),
            Option(
                "none",
                N_("None of them"),
                N_("Direct compaction is done by the program itself, inside of its request."),
            ),
        ),
        answer="direct",
        explanation=N_(
            "Direct compaction runs in the process that asked. Its time is part of the latency of the request; in "
            "the recording `direct-compaction` about a millisecond for each huge page."
        ),
        shown_in=Pointer(_FIVE, "cost-table"),
        truth=_who_waits,
    ),
    Sequence(
        id="slow-path",
        rows=("S8", "S9"),
        level="advanced",
        text=N_(
            "A program asks for a huge page in a zone that is nearly full. No block is to be had. In which order "
            "does the kernel try?"
        ),
        items=(
            Option("async", N_("asynchronous compaction (priority 2)")),
            Option("reclaim", N_("direct reclaim")),
            Option("light", N_("sync-light compaction (priority 1)")),
            Option("small", N_("giving up: small pages instead")),
        ),
        answer=("async", "reclaim", "light", "small"),
        explanation=N_(
            "Requests above order 3 try the cheap kind of compaction first, as memory may be there and only "
            "scattered. Reclaim comes next, then compaction that takes more trouble. A huge page is no necessity: "
            "small pages do as well."
        ),
        shown_in=Pointer("11-reclaim-or-compact", "one"),
        truth=_slow_path,
    ),
    Misconception(
        id="kswapd-compacts",
        rows=("S10",),
        text=N_(
            "In the recording `background-compaction` sockets ask for blocks of order 3 and do not wait. Three of "
            "these statements are right."
        ),
        options=(
            Option("moves", N_("kswapd compacts the zone itself.")),
            Option(
                "wakes",
                N_("kswapd wakes kcompactd."),
                N_("True: the event `mm_compaction_wakeup_kcompactd` comes from kswapd."),
            ),
            Option(
                "thread",
                N_("All pages that were moved were moved by kcompactd."),
                N_("True: each `mm_compaction_migratepages` in the trace is of kcompactd."),
            ),
            Option(
                "nobody",
                N_("No program compacted for itself."),
                N_("True: `compact_stall`, which counts direct compaction, did not rise."),
            ),
        ),
        answer="moves",
        explanation=N_(
            "kswapd reclaims. Since Linux 4.6 it leaves compaction to kcompactd, a thread for each node, and only "
            "wakes it. That kswapd compacts is found in many older texts."
        ),
        shown_in=Pointer(_FIVE, "kswapd-table"),
        truth=_kswapd,
    ),
    Choice(
        id="network-bursts",
        rows=("S10",),
        text=N_(
            "A network driver asks for 32 KiB in one piece inside of an interrupt, where nothing may wait. Memory "
            "is fragmented. Who compacts?"
        ),
        options=(
            Option("thread", N_("kcompactd, afterwards, for those who come later")),
            Option(
                "driver",
                N_("The driver itself, within its request"),
                N_("That would be direct compaction, and that may wait: it is forbidden in an interrupt."),
            ),
            Option(
                "kswapd",
                N_("kswapd"),
                N_("kswapd is woken too; but it reclaims, and passes the order on to kcompactd."),
            ),
            Option(
                "nobody",
                N_("Nobody"),
                N_("This request goes without, but it wakes those who make room for the next ones."),
            ),
        ),
        answer="thread",
        explanation=N_(
            "A request that may not wait takes what is there. It wakes kswapd, kswapd wakes kcompactd, and blocks "
            "are made in the background."
        ),
        shown_in=Pointer(_FIVE, "who-table"),
        truth=_network,
    ),
    Number(
        id="proactive-begins",
        rows=("S11",),
        text=N_(
            "`compaction_proactiveness` is 20, its default. Above which fragmentation score of the node does "
            "proactive compaction begin? (A score goes from 0 to 100 %.)"
        ),
        answer=90,
        unit="%",
        slips=(
            Slip(80, N_("80 is the lower mark, where it stops.")),
            Slip(20, N_("20 is the setting; the marks are counted down from 100.")),
        ),
        explanation=N_(
            "The lower mark is 100 − 20 = 80, the upper one lies 10 above it: begin above 90, stop at 80. A higher "
            "proactiveness puts both marks lower."
        ),
        shown_in=Pointer(_PROACTIVE, "sweep-what"),
        truth=_proactive_begins,
    ),
    Number(
        id="proactive-stops",
        rows=("S11",),
        text=N_("`compaction_proactiveness` is 60. At which score of a zone does proactive compaction stop?"),
        answer=40,
        unit="%",
        slips=(
            Slip(60, N_("60 is the setting; the mark is counted down from 100.")),
            Slip(50, N_("50 is the upper mark: above it, it begins.")),
        ),
        explanation=N_(
            "At 100 − 60 = 40: two fifths of the zone's free memory may still be in pieces too small for a huge page."
        ),
        shown_in=Pointer(_PROACTIVE, "read-sweep"),
        truth=_proactive_stops,
    ),
    Choice(
        id="default-never",
        rows=("S11",),
        level="advanced",
        text=N_(
            "On the recorded machine `compaction_proactiveness` was 20, and zone Normal had a score of 100 for a long "
            "while. Yet proactive compaction never began. Why?"
        ),
        options=(
            Option(
                "weighted", N_("What counts is the score of the node, and a healthy zone held it below 90.")
            ),
            Option(
                "off",
                N_("20 is too low to begin at all."),
                N_("With 20 it begins above 90, and simulated with one zone alone it does."),
            ),
            Option(
                "slow",
                N_("It looks only every few hours."),
                N_("It looks every 500 ms, and after a fruitless try every 32 s."),
            ),
            Option(
                "busy",
                N_("The CPUs were too busy."),
                N_("It waits for kswapd, not for idle CPUs; and most of the time nobody did anything."),
            ),
        ),
        answer="weighted",
        explanation=N_(
            "Each zone adds to the node's score by its size. DMA32, an eighth of the machine and not fragmented, "
            "held it at 87 at most. Ask what the score of your node is before you rely on the default."
        ),
        shown_in=Pointer(_PROACTIVE, "recorded"),
        truth=_default_never,
    ),
    Choice(
        id="more-stalls",
        rows=("S9",),
        level="advanced",
        text=N_(
            "768 huge pages were asked for, and `compact_stall` rose by 1781. How can there be more stalls than requests?"
        ),
        options=(
            Option("attempts", N_("It counts attempts: one request may try up to three times.")),
            Option(
                "pages",
                N_("It counts pages."),
                N_("Pages moved are in `pgmigrate_success`; here they were nearly a million."),
            ),
            Option(
                "others",
                N_("Other programs compacted too."),
                N_("The trace shows all attempts to be of this one program."),
            ),
            Option(
                "ms",
                N_("It counts milliseconds."),
                N_("It is a number of events; how long they took is told nowhere in `/proc/vmstat`."),
            ),
        ),
        answer="attempts",
        explanation=N_(
            "A huge page fault tries the local node first, then all nodes, then with more trouble, and each try "
            "counts, deferred ones included. So do not read `compact_stall` as a number of slow requests."
        ),
        shown_in=Pointer("19-recorded-against-simulated", "stalled"),
        truth=_more_stalls_than_requests,
    ),
    Number(
        id="longest-deferral",
        rows=("S9",),
        level="advanced",
        text=N_(
            "When compaction of a zone fails, only one in 2 of the next requests tries it again, then one in 4, and "
            "so on with each failure. At one in how many does it stay?"
        ),
        answer=64,
        unit="requests",
        slips=(
            Slip(6, N_("6 is the largest shift: 2^6 requests.")),
            Slip(63, N_("63 of them skip it, and the next one tries: one in 64.")),
        ),
        explanation=N_(
            "2^6 = 64. In the recording `direct-compaction-fails` all values from 1 to 64 occur. Skipping is what "
            "keeps a hopeless zone from costing every request a scan."
        ),
        shown_in=Pointer("07-compact-a-zone", "deferral"),
        truth=_longest_deferral,
    ),
    Choice(
        id="defrag-defer",
        rows=("S9",),
        text=N_(
            "`transparent_hugepage/defrag` is set to `defer`. A program touches fresh memory, and no block of 2 MiB "
            "is free. What does it get?"
        ),
        options=(
            Option("small", N_("Small pages, at once; compaction is left to kcompactd.")),
            Option(
                "waits",
                N_("A huge page, after direct compaction."),
                N_("That is what `always` does, and `madvise` for memory that asked for it."),
            ),
            Option(
                "error",
                N_("An error: out of memory."),
                N_("Huge pages are an offer. Without one, memory is mapped in pages of 4 KiB."),
            ),
            Option(
                "later",
                N_("Nothing, until a huge page is there."),
                N_("The program does not wait: `defer` puts off compaction, not the program."),
            ),
        ),
        answer="small",
        explanation=N_(
            "`defer` trades huge pages for latency: no program waits for compaction, and khugepaged may join the small "
            "pages later. `always` does the opposite."
        ),
        shown_in=Pointer("11-reclaim-or-compact", "policies"),
        truth=_deferred_fault,
    ),
    Choice(
        id="order-zero",
        rows=("S9",),
        text=N_("Which requests never compact for themselves, however fragmented memory is?"),
        options=(
            Option("zero", N_("Those for single pages (order 0)")),
            Option(
                "three",
                N_("Those up to order 3"),
                N_("They are called not costly, and are tried harder: they too are compacted for."),
            ),
            Option(
                "huge",
                N_("Those for huge pages"),
                N_("They are the usual cause of direct compaction."),
            ),
            Option(
                "kernel",
                N_("Those of the kernel itself"),
                N_("Slab and network buffers ask for orders 1 to 3 and more, and compaction serves them."),
            ),
        ),
        answer="zero",
        explanation=N_(
            "Any free page serves a request for one page: fragmentation does not matter to it, only how much is "
            "free. That is why programs that malloc small pieces never meet physical fragmentation."
        ),
        shown_in=Pointer("16-the-case-study", "kernel"),
        truth=_single_pages,
    ),
    Sequence(
        id="how-long",
        rows=("S9", "S12"),
        text=N_("Put these recorded waits in order, the shortest first."),
        items=(
            Option("free", N_("for a huge page, where a block is free")),
            Option("direct", N_("for a huge page, after direct compaction that helped")),
            Option("worst", N_("the slowest 1 % of requests, where pinned pages make compaction fail")),
            Option("manual", N_("for a write to `compact_memory` to return")),
        ),
        answer=("free", "direct", "worst", "manual"),
        explanation=N_(
            "About 0.1 ms, 0.9 ms, 100 ms, and 1.9 s. It is not the usual direct compaction that hurts "
            "most, but the one that fails after scanning a whole zone."
        ),
        shown_in=Pointer("21-quiz", "recorded-waits"),
        truth=_waits,
    ),
)
