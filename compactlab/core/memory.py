"""The state of simulated memory: one NamedTuple of arrays, the constants that index them, its lists.

A page is an index into ``page``: its pfn minus the first pfn, which is a multiple of the largest block, so
that buddies are found by the kernel's own arithmetic. Every list (free, LRU, per-CPU, held by the free
scanner) is circular and doubly linked through ``next`` and ``prev``, with one sentinel per list behind the
pages; taking a page out needs no knowledge of its list. A page takes 16 bytes, in one piece as the
kernel's struct page.

Few arrays, of records: jitted functions pass a NamedTuple by value, seven words for each array.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .jit import inner

# What a page is. `compactlab.schema` carries the names.
HOLE, RESERVED, FREE, PCP, ISOLATED, ANON, FILE, SLAB, PGTABLE, HUGETLB, OFFLINE, KERNEL, UNKNOWN = range(13)
KINDS = (
    "hole",
    "reserved",
    "free",
    "pcp",
    "isolated",
    "anon",
    "file",
    "slab",
    "pgtable",
    "hugetlb",
    "offline",
    "kernel",
    "unknown",
)

# FLAGS: bits of `bits`, at the first page of a folio.
DIRTY, PRIVATE, WRITEBACK, PINNED, ACTIVE, UNEVICTABLE, REFERENCED, LRU = 1, 2, 4, 8, 16, 32, 64, 128
FLAGS = ("dirty", "private", "writeback", "pinned", "active", "unevictable", "referenced", "lru")

# `order` of a page that is not the first of its free block or folio.
TAIL = 255

# Migratetypes, numbered as by a kernel with CONFIG_CMA (include/linux/mmzone.h, enum migratetype).
UNMOVABLE, MOVABLE, RECLAIMABLE, HIGHATOMIC, CMA, ISOLATE = range(6)
MIGRATETYPES = ("Unmovable", "Movable", "Reclaimable", "HighAtomic", "CMA", "Isolate")
PCP_TYPES = 3

COSTLY_ORDER = 3
CLUSTER_MAX = 32  # COMPACT_CLUSTER_MAX and SWAP_CLUSTER_MAX

INACTIVE_ANON, ACTIVE_ANON, INACTIVE_FILE, ACTIVE_FILE, UNEVICTABLE_LIST = range(5)
LRU_LISTS = 5
PCP_LISTS = 14  # orders 0-3 x 3 types, then huge pages: not movable, movable

# Modes and results of compaction (include/linux/migrate_mode.h, compaction.h).
ASYNC, SYNC_LIGHT, SYNC = range(3)
MODES = ("MIGRATE_ASYNC", "MIGRATE_SYNC_LIGHT", "MIGRATE_SYNC")
(
    NOT_SUITABLE_ZONE,
    SKIPPED,
    DEFERRED,
    NO_SUITABLE_PAGE,
    CONTINUE,
    COMPLETE,
    PARTIAL_SKIPPED,
    CONTENDED,
    SUCCESS,
) = range(9)
RESULTS = (
    "not_suitable_zone",
    "skipped",
    "deferred",
    "no_suitable_page",
    "continue",
    "complete",
    "partial_skipped",
    "contended",
    "success",
)

# Who asks for compaction.
DIRECT, KCOMPACTD, PROACTIVE, MANUAL, CONTIG_RANGE = range(5)
TRIGGERS = ("direct", "kcompactd", "proactive", "manual", "contig_range")

# Steps that take time: `tally` counts their units, `cost` has picoseconds per unit.
STEPS = {
    "alloc": "one allocation from a free list or per-CPU list",
    "free": "one free",
    "refill": "one page moved between a per-CPU list and the free lists",
    "clear_page": "one 4 KiB page zeroed for its new owner",
    "host_fault": "one fresh 2 MiB the host has to back first",
    "fault": "entering and leaving a page fault",
    "migrate_scan": "one pfn passed by the migrate scanner without isolating it",
    "isolate": "one page isolated for migration",
    "free_scan_block": "one pageblock looked at by the free scanner",
    "free_scan": "one pfn inspected by the free scanner",
    "free_isolate": "one free page isolated as a target",
    "fast_isolate": "one search of the free lists for targets",
    "fast_find": "one search of the free lists for a source block",
    "migrate_batch": "one call of migrate_pages: flushes and set-up",
    "migrate_page": "one page moved: unmap, copy, remap",
    "migrate_mapping": "one further mapping of a moved page updated",
    "migrate_fail": "one page that could not be moved",
    "writeback_wait": "waiting for one page under writeback",
    "compact_entry": "entering compact_zone and leaving it",
    "drain": "one drain of per-CPU lists",
    "reclaim_scan": "one page looked at by reclaim",
    "reclaim_page": "one clean page reclaimed",
    "reclaim_write": "one dirty page written out",
    "slowpath": "entering the slow path once",
    "wait": "waiting, by the workload's or the kernel's own choice",
    "fast_scan": "one entry of a free list looked at by a fast search",
}
(
    STEP_ALLOC,
    STEP_FREE,
    STEP_REFILL,
    STEP_CLEAR_PAGE,
    STEP_HOST_FAULT,
    STEP_FAULT,
    STEP_MIGRATE_SCAN,
    STEP_ISOLATE,
    STEP_FREE_SCAN_BLOCK,
    STEP_FREE_SCAN,
    STEP_FREE_ISOLATE,
    STEP_FAST_ISOLATE,
    STEP_FAST_FIND,
    STEP_MIGRATE_BATCH,
    STEP_MIGRATE_PAGE,
    STEP_MIGRATE_MAPPING,
    STEP_MIGRATE_FAIL,
    STEP_WRITEBACK_WAIT,
    STEP_COMPACT_ENTRY,
    STEP_DRAIN,
    STEP_RECLAIM_SCAN,
    STEP_RECLAIM_PAGE,
    STEP_RECLAIM_WRITE,
    STEP_SLOWPATH,
    STEP_WAIT,
    STEP_FAST_SCAN,
) = range(26)

# Counters under their /proc/vmstat names.
COUNTERS = (
    "pgalloc",
    "pgfree",
    "pgfault",
    "pgmigrate_success",
    "pgmigrate_fail",
    "compact_migrate_scanned",
    "compact_free_scanned",
    "compact_isolated",
    "compact_stall",
    "compact_fail",
    "compact_success",
    "compact_daemon_wake",
    "compact_daemon_migrate_scanned",
    "compact_daemon_free_scanned",
    "thp_fault_alloc",
    "thp_fault_fallback",
    "allocstall",
    "kswapd_wake",
    "pgscan_kswapd",
    "pgscan_direct",
    "pgsteal_kswapd",
    "pgsteal_direct",
    "pageoutrun",
    "pgrotated",
    "oom_kill",
    "alloc_contig_success",
    "alloc_contig_fail",
)
(
    PGALLOC,
    PGFREE,
    PGFAULT,
    PGMIGRATE_SUCCESS,
    PGMIGRATE_FAIL,
    COMPACT_MIGRATE_SCANNED,
    COMPACT_FREE_SCANNED,
    COMPACT_ISOLATED,
    COMPACT_STALL,
    COMPACT_FAIL,
    COMPACT_SUCCESS,
    COMPACT_DAEMON_WAKE,
    COMPACT_DAEMON_MIGRATE_SCANNED,
    COMPACT_DAEMON_FREE_SCANNED,
    THP_FAULT_ALLOC,
    THP_FAULT_FALLBACK,
    ALLOCSTALL,
    KSWAPD_WAKE,
    PGSCAN_KSWAPD,
    PGSCAN_DIRECT,
    PGSTEAL_KSWAPD,
    PGSTEAL_DIRECT,
    PAGEOUTRUN,
    PGROTATED,
    OOM_KILL,
    ALLOC_CONTIG_SUCCESS,
    ALLOC_CONTIG_FAIL,
) = range(27)

# Logged events: tracepoint names, and the schema fields of their six numbers (`simulation.run` decodes).
EVENTS: dict[str, tuple[str, ...]] = {
    "mm_compaction_begin": ("start_pfn", "migrate_pfn", "free_pfn", "end_pfn", "mode", "order"),
    "mm_compaction_end": ("start_pfn", "migrate_pfn", "free_pfn", "end_pfn", "mode", "status"),
    "mm_compaction_isolate_migratepages": ("start_pfn", "end_pfn", "nr_scanned", "nr_taken"),
    "mm_compaction_isolate_freepages": ("start_pfn", "end_pfn", "nr_scanned", "nr_taken"),
    "mm_compaction_fast_isolate_freepages": ("start_pfn", "end_pfn", "nr_scanned", "nr_taken"),
    "mm_compaction_migratepages": ("nr_migrated", "nr_failed"),
    "mm_compaction_finished": ("order", "status"),
    "mm_compaction_suitable": ("order", "status"),
    "mm_compaction_try_to_compact_pages": ("order", "gfp_mask", "priority"),
    "mm_compaction_deferred": ("order", "considered", "limit", "order_failed"),
    "mm_compaction_defer_compaction": ("order", "considered", "limit", "order_failed"),
    "mm_compaction_defer_reset": ("order", "considered", "limit", "order_failed"),
    "mm_compaction_wakeup_kcompactd": ("node", "order"),
    "mm_compaction_kcompactd_wake": ("node", "order"),
    "mm_compaction_kcompactd_sleep": ("node",),
    "compact_retry": ("order", "priority", "result"),
    "mm_page_alloc_extfrag": ("pfn", "order", "fallback_order", "migratetype", "fallback_migratetype"),
    "mm_vmscan_wakeup_kswapd": ("node", "order"),
    "mm_vmscan_kswapd_wake": ("node", "order"),
    "mm_vmscan_kswapd_sleep": ("node",),
    "mm_vmscan_direct_reclaim_begin": ("order",),
    "mm_vmscan_direct_reclaim_end": ("nr_reclaimed",),
    "test_pages_isolated": ("start_pfn", "end_pfn", "pfn"),
    "mark_victim": ("order",),
    "compact_refused": ("pfn", "order", "refusal", "nr_failed"),
    "phase": ("phase",),
}
(
    EV_BEGIN,
    EV_END,
    EV_ISOLATE_MIGRATEPAGES,
    EV_ISOLATE_FREEPAGES,
    EV_FAST_ISOLATE_FREEPAGES,
    EV_MIGRATEPAGES,
    EV_FINISHED,
    EV_SUITABLE,
    EV_TRY_TO_COMPACT,
    EV_DEFERRED,
    EV_DEFER_COMPACTION,
    EV_DEFER_RESET,
    EV_WAKEUP_KCOMPACTD,
    EV_KCOMPACTD_WAKE,
    EV_KCOMPACTD_SLEEP,
    EV_COMPACT_RETRY,
    EV_EXTFRAG,
    EV_WAKEUP_KSWAPD,
    EV_KSWAPD_WAKE,
    EV_KSWAPD_SLEEP,
    EV_DIRECT_RECLAIM_BEGIN,
    EV_DIRECT_RECLAIM_END,
    EV_TEST_PAGES_ISOLATED,
    EV_MARK_VICTIM,
    EV_REFUSED,
    EV_PHASE,
) = range(26)
EVENT_NUMBERS = 6

# Why a page was not moved; the event `compact_refused` is ours, the kernel logs nothing there.
REFUSALS = ("pinned", "writeback", "unevictable", "compound", "no_target", "unmovable", "private")
(
    REFUSED_PINNED,
    REFUSED_WRITEBACK,
    REFUSED_UNEVICTABLE,
    REFUSED_COMPOUND,
    REFUSED_NO_TARGET,
    REFUSED_UNMOVABLE,
    REFUSED_PRIVATE,
) = range(7)

# Threads that spend simulated time, rows of `clock`.
THREADS = ("foreground", "kswapd", "kcompactd")
FOREGROUND, KSWAPD, KCOMPACTD_THREAD = range(3)
WHO = 3 + EVENT_NUMBERS  # column of the log
WHO_MANUAL = len(THREADS)  # the foreground while it compacts at nobody's request


MAX_ORDERS = 24  # 21 were seen on a machine
MAX_CPUS = 16
MAX_CLASSES = 8
MAX_DRAWS = 1024
LISTS_PER_ZONE = MAX_ORDERS * 6 + LRU_LISTS + MAX_CPUS * PCP_LISTS


def _integers(fields: str) -> list[tuple[str, type]]:
    return [(name, np.int64) for name in fields.split()]


PAGE = np.dtype(
    [
        ("next", np.int32),
        ("prev", np.int32),
        ("slot", np.int32),  # migratetype of its list at a free block's head, else the owning request or -1
        ("kind", np.uint8),
        ("order", np.uint8),  # of the free block or folio that starts here, 0 for a lone page, else TAIL
        ("mapcount", np.uint8),  # 255 and more as 255
        ("bits", np.uint8),  # FLAGS
    ]
)
BLOCK = np.dtype([("migratetype", np.uint8), ("skip", np.uint8), ("isolated", np.uint8)])
PCPSET = np.dtype(_integers("count high high_min high_max batch free_count alloc_factor prev_free_high"))
# Positions are page indices; watermarks are without boost, as in /proc/zoneinfo; nr_free is in blocks.
ZONE = np.dtype(
    [
        *_integers(
            "node index start_pfn end_pfn managed present free_pages free_pages_blocks free_highatomic free_cma "
            "nr_highatomic wmark_min wmark_low wmark_high wmark_promo boost "
            "cached_migrate_async cached_migrate_sync cached_free init_migrate init_free "
            "considered defer_shift order_failed blockskip_flush below_high reclaim_active "
            "nr_inactive_anon nr_active_anon nr_inactive_file nr_active_file nr_unevictable "
            "nofragment boost_seen"
        ),
        ("lowmem_reserve", np.int64, (MAX_CLASSES,)),
        ("nr_free", np.int64, (MAX_ORDERS, 6)),
        ("pcp", PCPSET, (MAX_CPUS,)),
    ]
)
# The kernel's version and its sysctls, in numbers (`simulation.build` makes it).
RULES = np.dtype(
    _integers(
        "nr_pages nr_cpus pageblock_order max_order claim_largest_only hygiene large_folios smart_suitable "
        "costly_low proactive_floor extfrag_threshold compaction_proactiveness defrag_mode "
        "watermark_boost_factor compact_unevictable_allowed cma mobility_disabled pcp_orders huge_order "
        "thp_defrag swap swappiness"
    )
)
# `struct compact_control`, one row per compactor.
CONTROL = np.dtype(
    _integers(
        "zone order migratetype mode trigger whole_zone ignore_skip no_set_skip ignore_suitable "
        "alloc_contig finish_pageblock contended fast_search_fail search_order fast_start migrate_pfn "
        "free_pfn last_migrated update_cached nr_freepages nr_migratepages nr_batch nr_moved nr_mappings nr_migrated nr_failed "
        "migrate_scanned free_scanned alloc_flags classzone capture captured active cpu"
    )
)
# `struct pglist_data`: the node's two background threads; their clocks are in ps, negative while asleep.
NODE = np.dtype(
    _integers(
        "kswapd_clock kswapd_order kswapd_classzone kswapd_priority kswapd_failures kswapd_boosted "
        "kswapd_alloc_order kswapd_reclaim_order kswapd_reclaimed "
        "kcompactd_clock kcompactd_order kcompactd_classzone kcompactd_zone kcompactd_proactive "
        "proactive_next proactive_score vmstat_next"
    )
)
DIRECT_CONTROL, KCOMPACTD_CONTROL = 0, 1  # rows; one further kcompactd per further node
STATE = np.dtype(
    [
        ("clock", np.int64, (2 + len(THREADS),)),  # now in ps, running thread, CPU time of each thread in ps
        ("tally", np.int64, (len(THREADS), len(STEPS))),  # units spent on each step
        ("cost", np.int64, (len(STEPS),)),  # ps per unit
        ("spread", np.int64, (MAX_DRAWS,)),  # thousandths that migration batches cost, in turn
        ("counter", np.int64, (len(COUNTERS),)),
        ("logged", np.int64, (8,)),  # kept and beyond the budget: events, moves, ... (below)
        (
            "zonelist",
            np.int64,
            (MAX_CLASSES, MAX_CLASSES),
        ),  # zones as requests of each node try them, -1 ends
    ]
)


class Memory(NamedTuple):
    """All state of a simulation: record arrays of P pages, B pageblocks, Z zones, N compactors."""

    page: np.ndarray
    """(P + lists,) PAGE; the sentinels of the lists behind the pages."""
    block: np.ndarray
    """(B,) BLOCK."""
    zone: np.ndarray
    """(Z,) ZONE."""
    node: np.ndarray
    """(nodes,) NODE."""
    control: np.ndarray
    """(N,) CONTROL: the direct compactor, then one kcompactd per node."""
    rules: np.ndarray
    """(1,) RULES."""
    state: np.ndarray
    """(1,) STATE."""
    batch: np.ndarray
    """(N, 3, pages of a pageblock + 64) int32: folios isolated, target or outcome, pages where split."""
    log: np.ndarray
    """(L, 4 + EVENT_NUMBERS) int64: time in ps, event, zone, numbers, who (a thread, or WHO_MANUAL)."""
    moves: np.ndarray
    """(M, 3) int32: source page, target page, order."""
    where: np.ndarray
    """(slots,) int32: page that a request holds, or -1."""


KEPT, BEYOND, MOVES_KEPT, MOVES_BEYOND, DRAWS, LAST_REFUSAL, RECORDS_KEPT, RECORDS_BEYOND = range(8)
NOW, THREAD, CPU_TIME = 0, 1, 2


@inner
def list_empty(memory: Memory, head: int) -> bool:
    """Whether the list of a sentinel is empty."""
    return memory.page[head].next == head


@inner
def list_add(memory: Memory, page: int, head: int) -> None:
    """Put a page behind the sentinel."""
    following = memory.page[head].next
    memory.page[page].next = following
    memory.page[page].prev = head
    memory.page[head].next = page
    memory.page[following].prev = page


@inner
def list_add_tail(memory: Memory, page: int, head: int) -> None:
    """Put a page before the sentinel."""
    previous = memory.page[head].prev
    memory.page[page].next = head
    memory.page[page].prev = previous
    memory.page[head].prev = page
    memory.page[previous].next = page


@inner
def list_del(memory: Memory, page: int) -> None:
    """Take a page out of whatever list it is on."""
    following = memory.page[page].next
    previous = memory.page[page].prev
    memory.page[previous].next = following
    memory.page[following].prev = previous


@inner
def free_list(memory: Memory, zone: int, order: int, migratetype: int) -> int:
    """Sentinel of a free list."""
    return memory.rules[0].nr_pages + zone * LISTS_PER_ZONE + order * 6 + migratetype


@inner
def lru_list(memory: Memory, zone: int, which: int) -> int:
    """Sentinel of an LRU list."""
    return memory.rules[0].nr_pages + zone * LISTS_PER_ZONE + MAX_ORDERS * 6 + which


@inner
def pcp_list(memory: Memory, zone: int, cpu: int, which: int) -> int:
    """Sentinel of a per-CPU list."""
    first = memory.rules[0].nr_pages + zone * LISTS_PER_ZONE + MAX_ORDERS * 6 + LRU_LISTS
    return first + cpu * PCP_LISTS + which


@inner
def held_list(memory: Memory, control: int, order: int) -> int:
    """Sentinel of the free pages of one order that a compactor holds."""
    return memory.rules[0].nr_pages + memory.zone.size * LISTS_PER_ZONE + control * MAX_ORDERS + order


@inner
def charge(memory: Memory, step: int, units: int) -> None:
    """Spend time of the running thread on units of a step."""
    thread = memory.state[0].clock[THREAD]
    memory.state[0].tally[thread, step] += units
    spent = units * memory.state[0].cost[step]
    memory.state[0].clock[NOW] += spent
    if step != STEP_WAIT:
        memory.state[0].clock[CPU_TIME + thread] += spent


@inner
def log_event(memory: Memory, event: int, zone: int, a: int, b: int, c: int, d: int, e: int, f: int) -> None:
    """Write an event, or count it where the budget is used up."""
    kept = memory.state[0].logged[KEPT]
    if kept >= memory.log.shape[0]:
        memory.state[0].logged[BEYOND] += 1
        return
    row = memory.log[kept]
    row[0] = memory.state[0].clock[NOW]
    row[1] = event
    row[2] = zone
    row[3] = a
    row[4] = b
    row[5] = c
    row[6] = d
    row[7] = e
    row[8] = f
    row[WHO] = memory.state[0].clock[THREAD]
    if row[WHO] == FOREGROUND and memory.control[0].active and memory.control[0].trigger == MANUAL:
        row[WHO] = WHO_MANUAL
    memory.state[0].logged[KEPT] = kept + 1


@inner
def log_move(memory: Memory, source: int, target: int, order: int) -> None:
    """Remember from where to where a folio went, or count it."""
    kept = memory.state[0].logged[MOVES_KEPT]
    if kept >= memory.moves.shape[0]:
        memory.state[0].logged[MOVES_BEYOND] += 1
        return
    memory.moves[kept, 0] = source
    memory.moves[kept, 1] = target
    memory.moves[kept, 2] = order
    memory.state[0].logged[MOVES_KEPT] = kept + 1


@inner
def refuse(memory: Memory, zone: int, page: int, reason: int) -> None:
    """Log why a page is not moved; refusals in a row for one reason share an event that counts them."""
    last = memory.state[0].logged[LAST_REFUSAL]
    if (
        0 <= last == memory.state[0].logged[KEPT] - 1
        and memory.log[last, 5] == reason
        and memory.log[last, 2] == zone
    ):
        memory.log[last, 6] += 1
        return
    if memory.state[0].logged[KEPT] < memory.log.shape[0]:
        memory.state[0].logged[LAST_REFUSAL] = memory.state[0].logged[KEPT]
    log_event(
        memory,
        EV_REFUSED,
        zone,
        page,
        0 if memory.page[page].order == TAIL else memory.page[page].order,
        reason,
        1,
        0,
        0,
    )


@inner
def zone_of(memory: Memory, page: int) -> int:
    """Zone of a page, or -1 between zones."""
    for zone in range(memory.zone.size):
        if memory.zone[zone].start_pfn <= page < memory.zone[zone].end_pfn:
            return zone
    return -1


def new_memory(
    nr_pages: int, zones: int, nodes: int, pageblock_order: int, log: int, moves: int, slots: int
) -> Memory:
    """Memory of holes only, with empty lists; who calls it writes pages, zones and rules, then populates.

    Parameters
    ----------
    nr_pages
        Pages, a multiple of the largest block and of the pageblock.
    zones, nodes, pageblock_order
        What there is of them.
    log, moves
        Budgets: how many events and moves are kept.
    slots
        Requests that may hold a block at one time.
    """
    controls = 1 + nodes
    lists = zones * LISTS_PER_ZONE + controls * MAX_ORDERS

    def records(dtype: np.dtype, count: int) -> np.recarray:
        return np.zeros(count, dtype).view(np.recarray)

    memory = Memory(
        page=records(PAGE, nr_pages + lists),
        block=records(BLOCK, nr_pages >> pageblock_order),
        zone=records(ZONE, zones),
        node=records(NODE, nodes),
        control=records(CONTROL, controls),
        rules=records(RULES, 1),
        state=records(STATE, 1),
        batch=np.zeros((controls, 3, (1 << pageblock_order) + 64), np.int32),
        log=np.zeros((log, 4 + EVENT_NUMBERS), np.int64),
        moves=np.zeros((moves, 3), np.int32),
        where=np.full(slots, -1, np.int32),
    )
    sentinels = np.arange(nr_pages, nr_pages + lists, dtype=np.int32)
    memory.page["next"][nr_pages:] = sentinels
    memory.page["prev"][nr_pages:] = sentinels
    memory.page["slot"] = -1
    memory.rules["nr_pages"] = nr_pages
    memory.rules["pageblock_order"] = pageblock_order
    memory.state["spread"] = 1000
    memory.state["zonelist"] = -1
    memory.state[0]["logged"][LAST_REFUSAL] = -1
    memory.control["captured"] = -1
    for clock in ("kswapd_clock", "kcompactd_clock", "vmstat_next"):
        memory.node[clock] = -1
    return memory
