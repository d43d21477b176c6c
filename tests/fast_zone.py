"""A zone of the fast kernel with the methods of the slow one, made equal to it."""

from __future__ import annotations

from dataclasses import asdict

from slow_zone import ASYNC, ISOLATE, MOVABLE, NONE, SYNC_LIGHT, UNMOVABLE

from compactlab.core import buddy, compaction
from compactlab.core import memory as m
from compactlab.core.byreference import by_reference
from compactlab.core.jit import inner, integer, jit
from compactlab.core.lru import lru_add, lru_del
from compactlab.core.manual import begin_compaction, compact_some

KIND = {name: number for number, name in enumerate(m.KINDS)}
FLAGS = ("dirty", "private", "writeback", "pinned", "unevictable")
TRIGGERS = {name: number for number, name in enumerate(m.TRIGGERS)}
STEPS = {
    m.EV_ISOLATE_MIGRATEPAGES: ("isolate_migratepages", 4),
    m.EV_ISOLATE_FREEPAGES: ("isolate_freepages", 4),
    m.EV_FAST_ISOLATE_FREEPAGES: ("fast_isolate_freepages", 4),
    m.EV_MIGRATEPAGES: ("migratepages", 2),
}
LINK, LINK_LRU, ALLOC, FREE, UNRESERVE, RESET, DEFERRED, DEFER, DEFER_RESET = range(9)


@jit
def _act(of, what, page, order, number):
    """One of the above; a single entry point, as each takes seconds to compile."""
    memory = by_reference(of)
    answer = 0
    if what == LINK:
        buddy.add_to_free_list(memory, 0, page, order, number, True)
    elif what == LINK_LRU:
        lru_add(memory, 0, page)
    elif what == ALLOC:
        answer = _alloc(memory, order, page, number)
    elif what == FREE:
        if memory.page[page].bits & m.LRU:
            lru_del(memory, 0, page)
        memory.page[page].bits = 0
        buddy.free_block(memory, 0, page, integer(memory.page[page].order))
    elif what == UNRESERVE:
        answer = integer(buddy.unreserve_highatomic_pageblock(memory, 0, order, number != 0))
    elif what == RESET:
        compaction.reset_isolation_suitable(memory, 0)
    elif what == DEFERRED:
        answer = integer(compaction.compaction_deferred(memory, 0, order))
    elif what == DEFER:
        compaction.defer_compaction(memory, 0, order)
    else:
        compaction.compaction_defer_reset(memory, 0, order, number != 0)
    return answer


@inner
def _alloc(memory, order, migratetype, flags):
    page = buddy.rmqueue(memory, 0, order, migratetype, flags)
    if page >= 0 and flags & buddy.ALLOC_HIGHATOMIC:
        buddy.set_kind(memory, page, order, m.KERNEL)
        buddy.reserve_highatomic_pageblock(memory, 0, page, order)
    return page


class FastZone:
    """A zone of the fast kernel, made equal to a slow one, with the same methods."""

    def __init__(self, slow):
        rules = slow.rules
        largest = 1 << rules.max_order
        nr_pages = -(-slow.end_pfn // largest) * largest
        self.memory = m.new_memory(nr_pages, 1, 1, rules.pageblock_order, 4096, 4096, 0)
        self.slow, self.capture = slow, rules.capture
        self._set_rules(rules)
        self._set_zone(slow)
        self._set_pages(slow)

    def _set_rules(self, rules):
        row = self.memory.rules[0]
        for name, value in asdict(rules).items():
            if name == "proactiveness":
                name = "compaction_proactiveness"
            if name != "capture":
                row[name] = value
        row.nr_cpus = row.cma = 1

    def _set_zone(self, slow):
        zone = self.memory.zone[0]
        zone.start_pfn, zone.end_pfn, zone.managed = slow.start_pfn, slow.end_pfn, slow.managed
        zone.present = slow.managed
        for name, pages in slow.watermark.items():
            zone[f"wmark_{name}"] = pages
        zone.nr_highatomic, zone.boost = slow.nr_highatomic, slow.boost
        zone.cached_migrate_async, zone.cached_migrate_sync = slow.cached_migrate
        zone.cached_free, zone.init_migrate, zone.init_free = (
            slow.cached_free,
            slow.init_migrate,
            slow.init_free,
        )
        zone.considered, zone.defer_shift = slow.considered, slow.defer_shift
        zone.order_failed, zone.blockskip_flush = slow.order_failed, slow.blockskip_flush
        first = slow.start_pfn >> slow.rules.pageblock_order
        block = self.memory.block[first : first + len(slow.block_type)]
        block["migratetype"] = list(slow.block_type.values())
        block["skip"] = list(slow.skip.values())

    def _set_pages(self, slow):
        page = self.memory.page
        for pfn, its in slow.pages.items():
            page[pfn].kind = KIND[its.kind]
            page[pfn].order = m.TAIL if its.order is None else its.order
            if its.order is not None and its.kind != "free":
                flags = sum(1 << m.FLAGS.index(name) for name in (*FLAGS, "lru") if getattr(its, name))
                page["bits"][pfn] = flags
        pages, types = [], []
        for (_, migratetype), blocks in slow.free_lists.items():
            pages += blocks
            types += [migratetype] * len(blocks)
        for pfn, migratetype in zip(pages, types, strict=True):
            self._act(LINK, pfn, int(page[pfn].order), migratetype)
        for pfn, its in slow.pages.items():
            if its.lru and its.order is not None:
                self._act(LINK_LRU, pfn)

    def _act(self, what, page=0, order=0, number=0):
        return int(_act(self.memory, what, page, order, number))

    def alloc(self, order, migratetype, kind, nofragment=False, highatomic=False):
        flags = buddy.ALLOC_NOFRAGMENT if nofragment else 0
        flags |= buddy.ALLOC_HIGHATOMIC if highatomic else 0
        flags |= buddy.ALLOC_CMA if migratetype == MOVABLE else 0
        page = self._act(ALLOC, migratetype, order, flags)
        if page < 0:
            return None
        self.put(page, kind, order, kind in ("anon", "file"))
        return page

    def free(self, pfn):
        self._act(FREE, pfn)

    def unreserve_highatomic(self, migratetype, force):
        return bool(self._act(UNRESERVE, 0, migratetype, int(force)))

    def reset_isolation_suitable(self):
        self._act(RESET)

    def put(self, pfn, kind, order, lru):
        """Give a block that is off the lists to its request."""
        pages = slice(pfn, pfn + (1 << order))
        self.memory.page["kind"][pages] = KIND[kind]
        self.memory.page["order"][pages] = m.TAIL
        self.memory.page["slot"][pages] = -1
        self.memory.page[pfn].order = order
        if lru:
            self._act(LINK_LRU, pfn)

    def compact(self, order=-1, trigger="manual", migratetype=MOVABLE, priority=1):
        mode = {"direct": ASYNC if priority == 2 else SYNC_LIGHT, "manual": m.SYNC}.get(trigger, SYNC_LIGHT)
        if trigger != "direct":
            migratetype = UNMOVABLE
        c = int(trigger != "direct")
        self.memory.state[0].logged[[m.KEPT, m.MOVES_KEPT]] = 0
        result = begin_compaction(self.memory, c, 0, order, migratetype, mode, TRIGGERS[trigger], priority, 0)
        if result != m.CONTINUE:
            return m.RESULTS[result], NONE
        control = self.memory.control[c]
        control.capture = self.capture and trigger == "direct"
        result = compact_some(self.memory, c, 1 << 40)
        captured = int(control.captured)
        control.capture, control.captured = 0, -1
        return m.RESULTS[result], captured

    def try_to_compact(self, order, migratetype, priority):
        if priority > 0 and self._act(DEFERRED, 0, order):
            return "deferred", NONE
        result, captured = self.compact(order, "direct", migratetype, priority)
        if result == "success":
            self._act(DEFER_RESET, 0, order)
        elif priority != 2 and result in ("complete", "partial_skipped"):
            self._act(DEFER, 0, order)
        return result, captured

    def steps(self):
        kept = self.memory.state[0].logged[m.KEPT]
        return [
            (STEPS[row[1]][0], *row[3 : 3 + STEPS[row[1]][1]])
            for row in self.memory.log[:kept].tolist()
            if row[1] in STEPS
        ]

    def moves(self):
        kept = self.memory.state[0].logged[m.MOVES_KEPT]
        return [tuple(row) for row in self.memory.moves[:kept].tolist()]

    def free_lists(self):
        rules, page = self.memory.rules[0], self.memory.page
        lists = {}
        for order in range(rules.max_order + 1):
            for migratetype in range(ISOLATE + 1):
                head = int(rules.nr_pages) + order * 6 + migratetype
                blocks, at = [], int(page[head].next)
                while at != head:
                    blocks.append(at)
                    at = int(page[at].next)
                assert len(blocks) == self.memory.zone[0].nr_free[order, migratetype]
                if blocks:
                    lists[order, migratetype] = tuple(blocks)
        return lists

    def state(self):
        zone, slow = self.memory.zone[0], self.slow
        first = slow.start_pfn >> slow.rules.pageblock_order
        block = self.memory.block[first : first + len(slow.block_type)]
        pages = self.memory.page[slow.start_pfn : slow.end_pfn]
        names = ("pinned", "dirty", "private", "writeback")
        bits = [1 << m.FLAGS.index(name) for name in names]
        return {
            "free_lists": self.free_lists(),
            "pages": tuple(
                (
                    m.KINDS[kind],
                    None if order == m.TAIL else order,
                    *(bool(flags & bit) and order != m.TAIL and kind != m.FREE for bit in bits),
                )
                for kind, order, flags in zip(
                    pages["kind"].tolist(), pages["order"].tolist(), pages["bits"].tolist(), strict=True
                )
            ),
            "block_type": tuple(block["migratetype"].tolist()),
            "skip": tuple(bool(skip) for skip in block["skip"].tolist()),
            "cached": tuple(
                int(zone[name])
                for name in (
                    "cached_migrate_async",
                    "cached_migrate_sync",
                    "cached_free",
                    "init_migrate",
                    "init_free",
                )
            ),
            "deferral": (
                int(zone.considered),
                int(zone.defer_shift),
                int(zone.order_failed),
                bool(zone.blockskip_flush),
            ),
            "boost": int(zone.boost),
            "nr_highatomic": int(zone.nr_highatomic),
        }
