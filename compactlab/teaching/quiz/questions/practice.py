"""Questions about measuring and deciding: where to look, what to set, what others do (S12, S13, S16, S18)."""

from __future__ import annotations

import csv

import numpy as np

from .... import datasets, metrics, readers
from ....experiments.schedule import schedule
from ....texts import N_
from ..evidence import around, demanded, events, recording, rises, the_wrong_one, workloads
from ..question import Choice, Misconception, Option, Pointer, Question

_READ = "01-read-a-recording"
_CASE = "16-the-case-study"


def _lists() -> str:
    run = readers.read("Node 0, zone   Normal 7 5 3 1 \n")
    return "buddyinfo" if run["zones"].nr_free.values[0, 0].tolist() == [7, 5, 3, 1] else "other"


def _at_least() -> str:
    types = recording("manual-compaction")["migratetypes"].to_dataset()
    singles = recording("manual-compaction")["zones"].nr_free.sel(order=0).max()
    capped = types.nr_free.values[types.censored.values]
    return "at_least" if capped.size and int(capped.max()) <= 100_001 < int(singles) else "other"


def _by_hand() -> str:
    title = next(entry.title for entry in datasets.list() if entry.name == "manual-compaction")
    who = set(metrics.compaction_runs(recording("manual-compaction")).who.values.tolist())
    return "proc" if "One write to compact_memory" in title and who == {"manual"} else "other"


def _counted() -> str:
    run = recording("direct-compaction")
    grew = [rises(run, name) > 0 for name in ("compact_stall", "compact_success", "pgmigrate_success")]
    return "vmstat" if all(grew) else "other"


def _orders_of_malloc() -> str:
    with open(datasets.program("case-study") / "requests.csv", encoding="utf-8") as file:
        orders = {int(row["order"]) for row in csv.DictReader(file)}
    return "single" if orders == {0} else f"other: {sorted(orders)}"


def _case_study() -> str:
    run = recording("manual-compaction")
    index = metrics.unusable_index(run).sel(zone="0/Normal", order=9).values[list(around(run))]
    direct, pinned = (
        recording(name)["allocations"] for name in ("direct-compaction", "direct-compaction-fails")
    )
    helped = np.median(direct.latency_ns.values[direct.compact_success.values > 0])
    return the_wrong_one(
        {
            "malloc": _orders_of_malloc() != "single",
            "unusable": bool(index[0] == 1 and index[1] < 0.2),
            "latency": bool(0.5e6 < helped < 2e6),
            "tail": bool(np.percentile(pinned.latency_ns.values, 99) > 20e6),
        }
    )


def _more_often() -> str:
    told = schedule("64 MiB", policies=["at 4:00", "every 1 h"], windows=[], seeds=1)
    spent = told.cpu_ns.sel(bound="median")
    return "cpu" if float(spent.sel(policy="every 1 h")) > float(spent.sel(policy="at 4:00")) else "other"


def _never_compacted() -> str:
    run = demanded(
        workloads.huge_faults(faults=8), transparent_hugepage_defrag="never", compaction_proactiveness=0
    )
    told = metrics.summary(run)
    moved = "mm_compaction_migratepages" in events(run)["name"].values
    return "small" if int(told.failures) == int(told.requests) == 8 and not moved else "other"


QUESTIONS: tuple[Question, ...] = (
    Choice(
        id="which-file",
        rows=("S1",),
        text=N_("Which file shows how many free blocks of each order a zone has?"),
        options=(
            Option("buddyinfo", N_("`/proc/buddyinfo`")),
            Option("meminfo", N_("`/proc/meminfo`"), N_("It says how much is free, not in what pieces.")),
            Option(
                "vmstat", N_("`/proc/vmstat`"), N_("It counts events and pages; of orders it says nothing.")
            ),
            Option(
                "slabinfo", N_("`/proc/slabinfo`"), N_("It shows objects inside of slabs, which are in use.")
            ),
        ),
        answer="buddyinfo",
        explanation=N_(
            "A line for each zone, a column for each order, readable by everybody. The columns count blocks: those of "
            "order 9 have to be taken times 512 to be pages."
        ),
        shown_in=Pointer(_READ, "pasted"),
        truth=_lists,
    ),
    Choice(
        id="more-than-100000",
        rows=("S1",),
        level="advanced",
        text=N_("`/proc/pagetypeinfo` shows `>100000` for single movable pages. What does it mean?"),
        options=(
            Option("at_least", N_("That it stopped counting there: there may be many more.")),
            Option(
                "exactly",
                N_("That 100 001 are free"),
                N_("In the recording 1.5 million single pages were free where it said so."),
            ),
            Option(
                "limit",
                N_("That the list is full"),
                N_("Lists have no limit; it is the counting that has one."),
            ),
            Option("error", N_("That the file is damaged"), N_("It is the kernel itself that writes it so.")),
        ),
        answer="at_least",
        explanation=N_(
            "Counting holds the zone's lock, so the kernel stops at 100 000. Read it as “at least”; buddyinfo has the "
            "true number, for all migratetypes together."
        ),
        shown_in=Pointer("21-quiz", "capped"),
        truth=_at_least,
    ),
    Choice(
        id="by-hand",
        rows=("S12",),
        text=N_("How does one have all zones of a machine compacted, now?"),
        options=(
            Option("proc", N_("As root, write 1 to `/proc/sys/vm/compact_memory`.")),
            Option(
                "sysfs",
                N_("As root, write 1 to `sysfs_compact_memory`."),
                N_(
                    "There is no such file. What sysfs has is `compact` in the folder of each node, for that node."
                ),
            ),
            Option(
                "proactive",
                N_("Set `vm.compaction_proactiveness` to 100."),
                N_("That changes when kcompactd works in advance; it is no order to do it now and wholly."),
            ),
            Option(
                "drop",
                N_("Write 1 to `/proc/sys/vm/drop_caches`."),
                N_("That gives back clean pages of files. Memory becomes free, but nothing is moved."),
            ),
        ),
        answer="proc",
        explanation=N_(
            "`sysctl vm.compact_memory=1` is the same. Who writes waits until it is done, seconds on a large machine, and "
            "nothing says how well it went: compare buddyinfo before and after."
        ),
        shown_in=Pointer("06-watch-compaction-happen", "moments"),
        truth=_by_hand,
    ),
    Choice(
        id="where-to-look",
        rows=("S13",),
        text=N_("Where does a kernel tell that programs compacted memory for themselves?"),
        options=(
            Option("vmstat", N_("In `/proc/vmstat`: `compact_stall` and its neighbours")),
            Option(
                "dmesg",
                N_("In the kernel log"),
                N_("Compaction writes no message there. Only a request that failed may leave one."),
            ),
            Option("meminfo", N_("In `/proc/meminfo`"), N_("It has amounts of memory, no events.")),
            Option(
                "nowhere",
                N_("Nowhere"),
                N_("It counts them, and with tracing it tells each step, with its time."),
            ),
        ),
        answer="vmstat",
        explanation=N_(
            "`compact_stall` counts the attempts, `compact_success` and `compact_fail` what came of them. How long each "
            "took is told by tracepoints, not by counters."
        ),
        shown_in=Pointer(_READ, "contents"),
        truth=_counted,
    ),
    Choice(
        id="orders-of-malloc",
        rows=("S13",),
        text=N_(
            "A program takes 1000 pieces of 32 bytes by malloc, frees every second one, and asks for 5000 bytes. Which "
            "orders does it make the kernel serve?"
        ),
        options=(
            Option("single", N_("Order 0 only: single pages")),
            Option(
                "one",
                N_("Order 1: 5000 bytes are two pages"),
                N_("They are two pages of virtual memory; each of them may lie anywhere in physical memory."),
            ),
            Option(
                "many",
                N_("Many: a block for each size"),
                N_("malloc cuts its pieces from its own heap; the kernel never hears of 32 bytes."),
            ),
            Option(
                "none",
                N_("None: malloc needs no kernel"),
                N_("The heap itself consists of pages, and they come from the kernel when they are touched."),
            ),
        ),
        answer="single",
        explanation=N_(
            "So such a program says nothing about physical fragmentation, whatever it prints. For that, somebody has to "
            "ask the kernel for larger blocks: huge pages, network buffers, drivers."
        ),
        shown_in=Pointer(_CASE, "kernel"),
        truth=_orders_of_malloc,
    ),
    Misconception(
        id="case-study",
        rows=("S13",),
        level="advanced",
        text=N_("What do our recordings say of the case study? Three of these statements are right."),
        options=(
            Option("malloc", N_("Freeing every second piece of 32 bytes makes physical memory fragmented.")),
            Option(
                "unusable",
                N_("Compaction by hand brought the unusable index from 1 to below 0.2."),
                N_("True, at order 9 in zone Normal: `manual-compaction`."),
            ),
            Option(
                "latency",
                N_("A huge page after direct compaction takes about a millisecond."),
                N_("True: the median in `direct-compaction` is about 0.9 ms."),
            ),
            Option(
                "tail",
                N_("Where compaction keeps failing, the slowest 1 % wait longer than 20 ms."),
                N_("True: in `direct-compaction-fails` it is about 100 ms."),
            ),
        ),
        answer="malloc",
        explanation=N_(
            "The pieces lie inside of pages that stay in use: no page becomes free, and the kernel served single pages "
            "only. Fragmentation of a heap and of physical memory are two things."
        ),
        shown_in=Pointer(_CASE, "effects"),
        truth=_case_study,
    ),
    Choice(
        id="more-often",
        rows=("S16",),
        text=N_("A server is compacted every hour instead of once a night. What is certain?"),
        options=(
            Option("cpu", N_("It costs more CPU time.")),
            Option(
                "stalls",
                N_("No program will ever have to compact for itself."),
                N_("Between two compactions a busy hour uses up what was made; it depends on the load."),
            ),
            Option(
                "memory",
                N_("More memory is free."),
                N_("Compaction frees none."),
            ),
            Option(
                "unmovable",
                N_("Unmovable pages end up together."),
                N_("They stay where they are, however often one tries."),
            ),
        ),
        answer="cpu",
        explanation=N_(
            "Whether stalls are avoided has to be measured for the load at hand, over several days: `cl.schedule` "
            "simulates it and says what it cannot tell apart."
        ),
        shown_in=Pointer("15-one-night-on-a-server", "schedule"),
        truth=_more_often,
    ),
    Choice(
        id="no-compaction",
        rows=("S18",),
        text=N_(
            "A system never compacts in order to serve a request. Memory is fragmented, and a program would like pages of "
            "2 MiB. What does it get?"
        ),
        options=(
            Option("small", N_("Small pages, without waiting")),
            Option(
                "error",
                N_("An error"),
                N_(
                    "That is so where large pages must be had or nothing; as a rule small ones take their place."
                ),
            ),
            Option(
                "waits",
                N_("Large pages, after waiting until memory is tidy"),
                N_("It does not become tidy by waiting: no page is moved."),
            ),
            Option(
                "large",
                N_("Large pages: without compaction there is no fragmentation"),
                N_("Fragmentation comes from how memory is used, compaction or not."),
            ),
        ),
        answer="small",
        explanation=N_(
            "Simulated with compaction off: eight requests, eight times small pages, in microseconds. Systems without "
            "compaction on demand reserve large pages at boot, or give them while memory is fresh."
        ),
        shown_in=Pointer("17-other-systems", "runs"),
        truth=_never_compacted,
    ),
)
