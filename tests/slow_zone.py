"""One zone of memory in plain Python: what the kernel's buddy allocator and compactor do, slowly.

The oracle of the fast kernel; it imports nothing of compactlab. Rules: mm/page_alloc.c, mm/compaction.c
and mm/migrate.c of Linux 6.18 (older texts by `Rules`), restated. There are no per-CPU lists: what is
freed goes to the free lists at once. There is one compactor, nobody else runs meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

TYPES = ("Unmovable", "Movable", "Reclaimable", "HighAtomic", "CMA", "Isolate")
UNMOVABLE, MOVABLE, RECLAIMABLE, HIGHATOMIC, CMA, ISOLATE = range(6)
PCP_TYPES = 3
FALLBACKS = {
    UNMOVABLE: (RECLAIMABLE, MOVABLE),
    MOVABLE: (RECLAIMABLE, UNMOVABLE),
    RECLAIMABLE: (UNMOVABLE, MOVABLE),
}
COSTLY_ORDER = 3
CLUSTER_MAX = 32
MAX_DEFER_SHIFT = 6
NONE = -1
ENOMEM = "-ENOMEM"

ASYNC, SYNC_LIGHT, SYNC = range(3)


@dataclass(frozen=True)
class Rules:
    """Version of the kernel and its sysctls."""

    pageblock_order: int = 3
    max_order: int = 5
    huge_order: int = 3
    claim_largest_only: bool = False  # until 6.14: fall back from the largest block, claimed or not
    hygiene: bool = True  # 6.10: a free block's list is its pageblock's type
    large_folios: bool = True  # 6.9: folios smaller than the request migrate
    smart_suitable: bool = True  # 6.14: free memory outside CMA asked for costly async requests
    costly_low: bool = False  # until 6.14: costly orders are measured against the low watermark
    capture: bool = True
    compact_unevictable_allowed: bool = True
    mobility_disabled: bool = False
    defrag_mode: bool = False
    proactiveness: int = 20
    proactive_floor: bool = False  # until 6.14: the low mark is at least 5, the high one always 10 above
    extfrag_threshold: int = 500
    watermark_boost_factor: int = 15000


@dataclass
class Page:
    """A page; what is true of a folio or a free block stands at its first page."""

    kind: str = "hole"
    order: int | None = 0  # None: not the first page of its folio or free block
    pinned: bool = False
    dirty: bool = False
    private: bool = False
    writeback: bool = False
    unevictable: bool = False
    lru: bool = False
    list_type: int | None = None  # of a free block: whose list it is on


@dataclass
class Control:
    """`struct compact_control`."""

    order: int
    mode: int
    migratetype: int = MOVABLE
    direct: bool = False
    kcompactd: bool = False
    proactive: bool = False
    whole_zone: bool = False
    ignore_skip: bool = False
    ignore_suitable: bool = False
    capture: bool = False
    mark: str = "min"
    migrate_pfn: int = 0
    free_pfn: int = 0
    search_order: int = 0
    fast_search_fail: int = 0
    fast_start: int = NONE
    fast_start_used: bool = False
    finish_pageblock: bool = False
    nr_migratepages: int = 0
    nr_freepages: int = 0
    migrate_scanned: int = 0
    free_scanned: int = 0
    isolated: int = 0
    captured: int = NONE


class SlowZone:
    """Pages ``first_pfn`` and up, in pageblocks of given migratetypes; all of them holes at first."""

    def __init__(self, nr_pages, block_types, first_pfn=0, rules=None, watermark=(0, 0, 0)):
        self.rules = rules or Rules()
        self.block_pages = 1 << self.rules.pageblock_order
        self.start_pfn, self.end_pfn = first_pfn, first_pfn + nr_pages
        self.pages = {pfn: Page() for pfn in range(self.start_pfn, self.end_pfn)}
        blocks = range(self.block_start(self.start_pfn), self.end_pfn, self.block_pages)
        self.block_type = dict(zip(blocks, block_types, strict=True))
        self.skip = dict.fromkeys(blocks, False)
        self.isolated_block = dict.fromkeys(blocks, False)
        self.free_lists = {
            (order, migratetype): []
            for order in range(self.rules.max_order + 1)
            for migratetype in range(len(TYPES))
        }
        self.watermark = dict(zip(("min", "low", "high"), watermark, strict=True))
        self.managed = nr_pages
        self.boost = 0
        self.nr_highatomic = 0
        self.reset_cached_positions()
        self.init_migrate = self.init_free = NONE
        self.considered = self.defer_shift = self.order_failed = 0
        self.blockskip_flush = False
        self.trace = []
        self.counters = dict.fromkeys(
            ("pgmigrate_success", "pgmigrate_fail", "migrate_scanned", "free_scanned", "isolated"), 0
        )
        self.held = {order: [] for order in self.orders()}  # targets, by order
        self.cc = None  # the compactor that runs, if any

    def __repr__(self):
        lists = {key: blocks for key, blocks in self.free_lists.items() if blocks}
        return f"SlowZone({self.start_pfn}, {self.rules}, {self.watermark}, {self.block_type}, free {lists})"

    # --- places -------------------------------------------------------------------------------------

    def block_start(self, pfn):
        return pfn // self.block_pages * self.block_pages

    def block_end(self, pfn):
        return self.block_start(pfn) + self.block_pages

    def type_at(self, pfn):
        block = self.block_start(pfn)
        return ISOLATE if self.isolated_block[block] else self.block_type[block]

    def set_types(self, pfn, order, migratetype):
        """Give every pageblock that a block of at least pageblock order covers one type."""
        for block in range(pfn, pfn + (1 << order), self.block_pages):
            self.block_type[block] = migratetype

    def is_free_head(self, pfn, order=None):
        page = self.pages.get(pfn)
        if page is None or page.kind != "free" or page.order is None:
            return False
        return order is None or page.order == order

    def folio_head(self, pfn):
        """Return the first page of the folio or block that a page belongs to."""
        order = 0
        while self.pages[pfn].order is None:
            order += 1
            pfn = pfn >> order << order
        return pfn

    # --- sums ---------------------------------------------------------------------------------------

    def pages_of(self, migratetype):
        return sum(len(self.free_lists[order, migratetype]) << order for order in self.orders())

    def orders(self):
        return range(self.rules.max_order + 1)

    def nr_free(self, order):
        return sum(len(self.free_lists[order, migratetype]) for migratetype in range(len(TYPES)))

    def free_pages(self):
        """NR_FREE_PAGES: without isolated pageblocks."""
        return sum(self.pages_of(migratetype) for migratetype in range(len(TYPES)) if migratetype != ISOLATE)

    def free_pages_blocks(self):
        """NR_FREE_PAGES_BLOCKS."""
        return sum(
            len(self.free_lists[order, migratetype]) << order
            for order in range(self.rules.pageblock_order, self.rules.max_order + 1)
            for migratetype in range(len(TYPES))
            if migratetype != ISOLATE
        )

    def contig_info(self, order):
        """Return free pages, free blocks, and blocks of the order they hold (Isolate included)."""
        pages = sum(self.nr_free(o) << o for o in self.orders())
        blocks = sum(self.nr_free(o) for o in self.orders())
        suitable = sum(self.nr_free(o) << (o - order) for o in self.orders() if o >= order)
        return pages, blocks, suitable

    def fragmentation_index(self, order):
        pages, blocks, suitable = self.contig_info(order)
        if not blocks:
            return 0
        if suitable:
            return -1000
        return 1000 - (1000 + (pages * 1000 >> order)) // blocks

    def extfrag_for_order(self, order):
        pages, _, suitable = self.contig_info(order)
        return (pages - (suitable << order)) * 100 // pages if pages else 0

    # --- free lists ---------------------------------------------------------------------------------

    def add_to_list(self, pfn, order, migratetype, tail=False):
        for page in range(pfn, pfn + (1 << order)):
            self.pages[page] = Page("free", None)
        self.pages[pfn] = Page("free", order, list_type=migratetype)
        blocks = self.free_lists[order, migratetype]
        blocks.insert(len(blocks) if tail else 0, pfn)

    def take_from_list(self, pfn):
        """Take a free block off its list; its pages are nobody's then."""
        order, migratetype = self.pages[pfn].order, self.pages[pfn].list_type
        self.free_lists[order, migratetype].remove(pfn)
        for page in range(pfn, pfn + (1 << order)):
            self.pages[page] = Page("isolated", None)
        self.pages[pfn].order = order
        return order

    def move_to_list(self, pfn, migratetype):
        page = self.pages[pfn]
        self.free_lists[page.order, page.list_type].remove(pfn)
        self.free_lists[page.order, migratetype].append(pfn)
        page.list_type = migratetype

    def split(self, pfn, low, high, migratetype):
        """Keep the first 2**low pages of a block that is off the lists, put the rest on them (`expand`)."""
        while high > low:
            high -= 1
            self.add_to_list(pfn + (1 << high), high, migratetype)
        self.pages[pfn].order = low

    # --- free ---------------------------------------------------------------------------------------

    def put(self, pfn, kind, order=0, **flags):
        """Say what a folio is."""
        for page in range(pfn, pfn + (1 << order)):
            self.pages[page] = Page(kind, None, lru=flags.get("lru", False))
        self.pages[pfn] = Page(kind, order, **flags)

    def free(self, pfn):
        """Free the folio or allocation that starts at a page."""
        self.free_block(pfn, self.pages[pfn].order)

    def free_block(self, pfn, order):
        step = min(order, self.rules.pageblock_order) if self.rules.hygiene else order
        for part in range(pfn, pfn + (1 << order), 1 << step):
            self.free_one(part, step, self.type_at(part))

    def free_one(self, pfn, order, migratetype):
        """Merge a block with its free buddies and put it on a list (`__free_one_page`)."""
        self.put(pfn, "isolated", order)
        while order < self.rules.max_order:
            if self.capture(pfn, order, migratetype):
                return
            buddy = pfn ^ (1 << order)
            if not self.is_free_head(buddy, order):
                break
            if order >= self.rules.pageblock_order:
                theirs = self.type_at(buddy)
                if theirs != migratetype:
                    if theirs >= PCP_TYPES or migratetype >= PCP_TYPES:
                        break
                    if self.rules.hygiene:
                        self.set_types(buddy, order, migratetype)
            self.take_from_list(buddy)
            pfn = min(pfn, buddy)
            order += 1
            self.put(pfn, "isolated", order)
        self.add_to_list(pfn, order, migratetype, tail=self.merge_likely(pfn, order))

    def merge_likely(self, pfn, order):
        """Whether the block and its buddy, once the buddy is free, would merge with their own buddy."""
        if order >= self.rules.max_order - 1:
            return False
        parent = pfn >> (order + 1) << (order + 1)
        return self.is_free_head(parent ^ (1 << (order + 1)), order + 1)

    def capture(self, pfn, order, migratetype):
        cc = self.cc
        if cc is None or not cc.capture or cc.captured != NONE or order != cc.order:
            return False
        if migratetype in (CMA, ISOLATE):
            return False
        small = order < self.rules.pageblock_order
        if small and migratetype == MOVABLE and cc.migratetype != MOVABLE:
            return False
        cc.captured = pfn
        return True

    # --- allocate -----------------------------------------------------------------------------------

    def alloc(self, order, migratetype, kind="anon", nofragment=False, highatomic=False, reserves=False):
        """Take a block as `rmqueue_buddy` does, whatever the watermarks say; its first pfn, or None."""
        pfn = self.take_smallest(order, HIGHATOMIC) if highatomic else None
        if pfn is None:
            pfn = self.take_typed(order, migratetype, nofragment)
        if pfn is None and reserves:
            pfn = self.take_smallest(order, HIGHATOMIC)
        if pfn is None:
            return None
        self.put(pfn, kind, order, lru=kind in ("anon", "file"))
        if highatomic:
            self.reserve_highatomic(pfn, order)
        return pfn

    def take_smallest(self, order, migratetype):
        for current in range(order, self.rules.max_order + 1):
            if self.free_lists[current, migratetype]:
                return self.take_piece(self.free_lists[current, migratetype][0], order, migratetype)
        return None

    def take_piece(self, pfn, order, remainders_type):
        current = self.take_from_list(pfn)
        self.split(pfn, order, current, remainders_type)
        return pfn

    def take_typed(self, order, migratetype, nofragment):
        movable = migratetype == MOVABLE
        if movable and self.pages_of(CMA) > self.free_pages() // 2:
            pfn = self.take_smallest(order, CMA)
            if pfn is not None:
                return pfn
        pfn = self.take_smallest(order, migratetype)
        if pfn is None and movable:
            pfn = self.take_smallest(order, CMA)
        if pfn is not None:
            return pfn
        if self.rules.claim_largest_only:
            return self.take_fallback(order, migratetype, nofragment)
        pfn = self.claim(order, migratetype, nofragment)
        if pfn is None and not nofragment:
            pfn = self.steal(order, migratetype)
        return pfn

    def worth_claiming(self, order, migratetype):
        return (
            order >= self.rules.pageblock_order
            or order >= self.rules.pageblock_order // 2
            or migratetype in (UNMOVABLE, RECLAIMABLE)
            or self.rules.mobility_disabled
        )

    def fallback(self, order, migratetype):
        """First type to fall back to that has a free block of the order, or None."""
        for other in FALLBACKS[migratetype]:
            if self.free_lists[order, other]:
                return other
        return None

    def lowest_claimed(self, order, nofragment):
        small = order < self.rules.pageblock_order
        return self.rules.pageblock_order if small and nofragment else order

    def claim(self, order, migratetype, nofragment):
        for current in range(self.rules.max_order, self.lowest_claimed(order, nofragment) - 1, -1):
            if not self.worth_claiming(current, migratetype):
                return None
            other = self.fallback(current, migratetype)
            if other is None:
                continue
            pfn = self.claim_block(self.free_lists[current, other][0], order, migratetype, other)
            if pfn is not None:
                return pfn
        return None

    def claim_block(self, pfn, order, migratetype, other):
        """Change the type of a free block's pageblock if that is allowed, then allocate (6.10 and later)."""
        current = self.pages[pfn].order
        if current >= self.rules.pageblock_order:
            self.take_from_list(pfn)
            self.set_types(pfn, current, migratetype)
            self.split(pfn, order, current, migratetype)
            return pfn
        self.boost_watermark()
        if not self.is_whole_block(pfn) or not self.has_alike(pfn, migratetype, other):
            return None
        self.move_block(pfn, migratetype)
        self.block_type[self.block_start(pfn)] = migratetype
        return self.take_smallest(order, migratetype)

    def is_whole_block(self, pfn):
        return self.block_start(pfn) >= self.start_pfn and self.block_end(pfn) <= self.end_pfn

    def has_alike(self, pfn, migratetype, other):
        """Whether half a pageblock is free or suits the type."""
        pages = [self.pages[p] for p in range(self.block_start(pfn), self.block_end(pfn))]
        free = sum(page.kind == "free" for page in pages)
        movable = sum(page.lru for page in pages)
        if migratetype == MOVABLE:
            alike = movable
        elif other == MOVABLE:
            alike = len(pages) - free - movable
        else:
            alike = 0
        return free + alike >= self.block_pages // 2 or self.rules.mobility_disabled

    def move_block(self, pfn, migratetype):
        """Move the free blocks of a pageblock to the tails of a type's lists; how many pages."""
        moved = 0
        for page in range(self.block_start(pfn), self.block_end(pfn)):
            if self.is_free_head(page):
                self.move_to_list(page, migratetype)
                moved += 1 << self.pages[page].order
        return moved

    def steal(self, order, migratetype):
        for current in range(order, self.rules.max_order + 1):
            other = self.fallback(current, migratetype)
            if other is not None:
                return self.take_piece(self.free_lists[current, other][0], order, other)
        return None

    def take_fallback(self, order, migratetype, nofragment):
        """Fall back as before 6.15: one loop from the largest, a piece of that block if it is not claimed."""
        found = self.fallback_order(order, migratetype, nofragment)
        if found is None:
            return None
        other = self.fallback(found, migratetype)
        pfn = self.free_lists[found, other][0]
        whole = self.worth_claiming(found, migratetype)
        if not self.rules.hygiene:
            self.steal_by_moving(pfn, migratetype, whole)
            return self.take_smallest(order, migratetype)
        taken = None
        if whole:
            taken = self.claim_block(pfn, order, migratetype, other)
        else:
            self.boost_watermark()
        return self.take_piece(pfn, order, other) if taken is None else taken

    def fallback_order(self, order, migratetype, nofragment):
        for current in range(self.rules.max_order, self.lowest_claimed(order, nofragment) - 1, -1):
            if self.fallback(current, migratetype) is None:
                continue
            if current > order and migratetype == MOVABLE and not self.worth_claiming(current, migratetype):
                return next(o for o in range(order, current + 1) if self.fallback(o, migratetype) is not None)
            return current
        return None

    def steal_by_moving(self, pfn, migratetype, whole):
        """Move a block, or all free blocks of its pageblock, to the type's lists (until 6.9)."""
        current = self.pages[pfn].order
        other = self.type_at(pfn)
        if other == HIGHATOMIC:
            self.move_to_list(pfn, migratetype)
            return
        if current >= self.rules.pageblock_order:
            self.set_types(pfn, current, migratetype)
            self.move_to_list(pfn, migratetype)
            return
        self.boost_watermark()
        if not whole or not self.is_whole_block(pfn):
            self.move_to_list(pfn, migratetype)
            return
        enough = self.has_alike(pfn, migratetype, other)
        self.move_block(pfn, migratetype)
        if enough:
            self.block_type[self.block_start(pfn)] = migratetype

    def boost_watermark(self):
        factor = self.rules.watermark_boost_factor
        if not factor or 4 * self.block_pages > self.managed:
            return
        most = self.watermark["high"] * factor // 10000
        if most:
            self.boost = min(self.boost + self.block_pages, max(self.block_pages, most))

    # --- HighAtomic ---------------------------------------------------------------------------------

    def reserve_highatomic(self, pfn, order):
        percent = self.managed // 100
        if (
            percent < self.block_pages
            or self.nr_highatomic >= -(-percent // self.block_pages) * self.block_pages
        ):
            return
        if self.type_at(pfn) >= PCP_TYPES:
            return
        if order >= self.rules.pageblock_order:
            self.set_types(pfn, order, HIGHATOMIC)
            self.nr_highatomic += 1 << order
        elif self.is_whole_block(pfn):
            self.move_block(pfn, HIGHATOMIC)
            self.block_type[self.block_start(pfn)] = HIGHATOMIC
            self.nr_highatomic += self.block_pages

    def unreserve_highatomic(self, migratetype, force=False):
        """Give one reserved pageblock with free pages to a type; whether any page was gained."""
        if not force and self.nr_highatomic <= self.block_pages:
            return False
        for order in self.orders():
            if not self.free_lists[order, HIGHATOMIC]:
                continue
            pfn = self.free_lists[order, HIGHATOMIC][0]
            self.nr_highatomic -= min(max(self.block_pages, 1 << order), self.nr_highatomic)
            if order < self.rules.pageblock_order:
                moved = self.move_block(pfn, migratetype) if self.is_whole_block(pfn) else 0
                if moved:
                    self.block_type[self.block_start(pfn)] = migratetype
            else:
                self.move_to_list(pfn, migratetype)
                self.set_types(pfn, order, migratetype)
                moved = 1 << order
            if moved:
                return True
        return False

    # --- watermarks ---------------------------------------------------------------------------------

    def watermark_ok(self, order, mark, cma=False, free=None):
        """`__zone_watermark_ok` of a request without access to reserves, with its mark in pages."""
        free = self.free_pages() if free is None else free
        free -= (1 << order) - 1 + self.pages_of(HIGHATOMIC)
        if not cma:
            free -= self.pages_of(CMA)
        if free <= mark:
            return False
        types = (UNMOVABLE, MOVABLE, RECLAIMABLE) + ((CMA,) if cma else ())
        return order == 0 or any(
            self.free_lists[o, migratetype]
            for o in range(order, self.rules.max_order + 1)
            for migratetype in types
        )

    def mark(self, name):
        return self.watermark[name] + self.boost

    def isolate_free_page(self, pfn):
        """Take a whole free block as a target unless the min watermark forbids; its pages or 0."""
        order = self.pages[pfn].order
        if self.type_at(pfn) != ISOLATE and not self.watermark_ok(
            0, self.watermark["min"] + (1 << order), cma=True
        ):
            return 0
        self.take_from_list(pfn)
        if order >= self.rules.pageblock_order - 1:
            for page in range(pfn, pfn + (1 << order), self.block_pages):
                if self.type_at(page) < PCP_TYPES:
                    if self.rules.hygiene and not self.is_whole_block(page):
                        continue
                    if self.rules.hygiene:
                        self.move_block(page, MOVABLE)
                    self.block_type[self.block_start(page)] = MOVABLE
        return 1 << order

    # --- who may compact, and how often --------------------------------------------------------------

    def suitable(self, order, migratetype, mode, kcompactd=False, mark="min"):
        """`compaction_suit_allocation_order`: success (not needed), skipped or continue."""
        cma = migratetype == MOVABLE and not kcompactd
        by_blocks = kcompactd and self.rules.defrag_mode
        free = self.free_pages_blocks() if by_blocks else self.free_pages()
        if self.watermark_ok(order, self.mark(mark), cma, free):
            return "success"
        gap = 2 << order
        costly = order > COSTLY_ORDER
        picky = self.rules.smart_suitable and costly and mode == ASYNC and not cma
        if picky and not self.watermark_ok(0, self.mark(mark) + gap):
            return "skipped"
        if self.rules.costly_low:
            base = self.mark("low" if costly else "min")
        else:
            base = self.mark(mark) + (self.watermark["low"] - self.watermark["min"] if costly else 0)
        if not self.watermark_ok(0, base + gap, cma=True):
            return "skipped"
        if costly and 0 <= self.fragmentation_index(order) <= self.rules.extfrag_threshold:
            return "skipped"
        return "continue"

    def deferred(self, order):
        if order < self.order_failed:
            return False
        limit = 1 << self.defer_shift
        self.considered += 1
        if self.considered >= limit:
            self.considered = limit
            return False
        return True

    def defer(self, order):
        self.considered = 0
        self.defer_shift = min(self.defer_shift + 1, MAX_DEFER_SHIFT)
        self.order_failed = min(self.order_failed, order)

    def defer_reset(self, order, obtained):
        if obtained:
            self.considered = self.defer_shift = 0
        if order >= self.order_failed:
            self.order_failed = order + 1

    def restarting(self, order):
        if order < self.order_failed:
            return False
        return self.defer_shift == MAX_DEFER_SHIFT and self.considered >= 1 << self.defer_shift

    def reset_cached_positions(self):
        self.cached_migrate = [self.start_pfn, self.start_pfn]  # for async, for sync
        self.cached_free = self.block_start(self.end_pfn - 1)

    # --- skip bits ----------------------------------------------------------------------------------

    def reset_isolation_suitable(self):
        """Clear skip bits from both ends; the first blocks found are where scanners start from now on."""
        if not self.blockskip_flush:
            return
        self.blockskip_flush = False
        migrate, free = self.start_pfn, self.end_pfn - 1
        first_source, first_target = free, migrate
        source_set = target_set = False
        while migrate < free:
            if self.reset_block(migrate, True, source_set) and migrate < first_source:
                source_set = True
                first_source = self.init_migrate = migrate
                self.cached_migrate = [migrate, migrate]
            if self.reset_block(free, target_set, True) and free > first_target:
                target_set = True
                first_target = self.init_free = self.cached_free = free
            migrate += self.block_pages
            free -= self.block_pages
        if first_source >= first_target:
            self.cached_migrate = [migrate, migrate]
            self.cached_free = free

    def reset_block(self, pfn, source, target):
        block = self.block_start(pfn)
        if self.is_persistent(pfn):
            return False
        if source and target and not self.skip[block]:
            return True
        if target and not source and self.type_at(pfn) != MOVABLE:
            return False
        for sample in range(max(block, self.start_pfn), min(block + self.block_pages, self.end_pfn), 8):
            page = self.pages[sample]
            if (source and page.lru) or (target and self.is_free_head(sample)):
                self.skip[block] = False
                return True
        return False

    def is_persistent(self, pfn):
        """Whether a folio of at least pageblock order lies here."""
        page = self.pages[self.folio_head(pfn)]
        return page.kind not in ("free", "isolated") and page.order >= self.rules.pageblock_order

    # --- compaction: the migrate scanner ---------------------------------------------------------------

    def update_cached_migrate(self, cc, pfn):
        pfn = self.block_end(pfn)
        self.cached_migrate[0] = max(self.cached_migrate[0], pfn)
        if cc.mode != ASYNC:
            self.cached_migrate[1] = max(self.cached_migrate[1], pfn)

    def fast_find_migrateblock(self, cc):
        """Find a block with large free blocks in the lower half; the position to scan from."""
        pfn = cc.migrate_pfn
        if cc.ignore_skip or cc.finish_pageblock:
            return pfn
        if pfn != self.start_pfn and pfn != self.block_start(pfn):
            return pfn
        if cc.order <= COSTLY_ORDER or (cc.direct and cc.migratetype != MOVABLE):
            return pfn
        distance = (cc.free_pfn - pfn) >> 1
        if pfn != self.start_pfn:
            distance >>= 2
        high = self.block_start(pfn + distance)
        limit = (CLUSTER_MAX >> min(cc.fast_search_fail, 63)) + 1
        scanned, found = 0, None
        order = cc.order - 1
        while order >= COSTLY_ORDER and found is None and scanned < limit:
            blocks = self.free_lists[order, MOVABLE]
            for at, free in enumerate(blocks):
                scanned += 1
                beyond = scanned > limit
                if beyond or (free < high and not self.skip[self.block_start(free)]):
                    blocks[:] = blocks[at + 1 :] + blocks[: at + 1]
                    found = None if beyond else free
                    break
            order -= 1
        cc.migrate_scanned += scanned
        if found is not None:
            cc.fast_search_fail = 0
            if not cc.fast_start_used:
                cc.fast_start = found if cc.fast_start == NONE else min(cc.fast_start, found)
            return max(self.block_start(found), self.start_pfn)
        cc.fast_search_fail += 1
        if cc.fast_start != NONE:
            cc.migrate_pfn, cc.fast_start, cc.fast_start_used = cc.fast_start, NONE, True
        return cc.migrate_pfn

    def isolate_migratepages(self, cc):
        """Isolate from the first suitable block; the sources, last found first."""
        low = self.fast_find_migrateblock(cc)
        fast_found = low != cc.migrate_pfn and not cc.fast_search_fail
        end = self.block_end(low)
        sources = []
        while end <= cc.free_pfn:
            block = end - self.block_pages
            at_start = low in (block, self.start_pfn)
            skipped = at_start and not fast_found and not cc.ignore_skip and self.skip[block]
            if not skipped and not self.is_absent(max(block, self.start_pfn), end):
                if self.is_suitable_source(cc, max(block, self.start_pfn)):
                    sources = self.isolate_migratepages_block(cc, low, end)
                    break
                self.update_cached_migrate(cc, end)
            fast_found = False
            cc.migrate_pfn = low = end
            end += self.block_pages
        return sources

    def is_absent(self, start, end):
        return self.pages[start].kind == self.pages[end - 1].kind == "hole"

    def is_suitable_source(self, cc, pfn):
        if self.is_persistent(pfn):
            return False
        if cc.mode != ASYNC or not cc.direct:
            return True
        migratetype = self.type_at(pfn)
        return migratetype == cc.migratetype or (cc.migratetype == MOVABLE and migratetype == CMA)

    def is_too_large(self, cc, order):
        if not self.rules.large_folios:
            return order > 0
        return (cc.order != -1 and order >= cc.order) or order >= self.rules.pageblock_order

    def is_isolatable(self, cc, page):
        """Whether the folio that starts with a page can be taken off its LRU list."""
        if not page.lru or page.order is None or self.is_too_large(cc, page.order):
            return False
        if page.kind == "anon" and page.pinned:
            return False
        if page.unevictable and not self.rules.compact_unevictable_allowed:
            return False
        return not (cc.mode != SYNC and page.writeback)

    def isolate_migratepages_block(self, cc, low, end):
        start, block = low, self.block_start(low)
        sources, scanned = [], 0
        skip_on_failure = cc.direct and cc.mode == ASYNC
        window = 1 << max(cc.order, 0)
        window_end = (low // window + 1) * window
        checked = low in (block, self.start_pfn)
        skip_updated = False
        if checked and not cc.ignore_skip and self.skip[block]:
            scanned, low, checked = 1, end, False
        while low < end:
            if skip_on_failure and low >= window_end:
                if sources:
                    break
                window_end = (low // window + 1) * window
            page = self.pages[low]
            size = 1 << (page.order or 0)
            if self.is_free_head(low):
                scanned += size
                low += size
                continue
            if self.is_isolatable(cc, page):
                scanned += size
                if checked and not skip_updated:
                    skip_updated = True
                    if not cc.ignore_skip:
                        self.skip[block] = True
                page.lru = False
                for tail in range(low, low + size):
                    self.pages[tail].lru = False
                sources.insert(0, low)
                low += size
                cc.nr_migratepages += size
                if cc.nr_migratepages >= CLUSTER_MAX and not cc.finish_pageblock:
                    break
                continue
            whole = page.kind == "hugetlb" or (page.order and self.is_too_large(cc, page.order))
            step = size if whole and page.kind not in ("free", "isolated") else 1
            scanned += step
            low += step
            if skip_on_failure:
                self.putback(sources)
                sources, cc.nr_migratepages = [], 0
                if low - 1 < window_end:
                    low = window_end
                    window_end += window
        low = min(low, end)
        if low == end and (not sources or cc.finish_pageblock):
            if checked and not skip_updated:
                self.skip[block] = True
            self.update_cached_migrate(cc, low)
        taken = sum(1 << self.pages[pfn].order for pfn in sources)
        self.trace.append(("isolate_migratepages", start, low, scanned, taken))
        cc.migrate_scanned += scanned
        cc.isolated += taken
        cc.migrate_pfn = low
        return sources

    def putback(self, sources):
        for pfn in sources:
            for page in range(pfn, pfn + (1 << self.pages[pfn].order)):
                self.pages[page].lru = True

    # --- compaction: the free scanner -----------------------------------------------------------------

    def is_suitable_target(self, cc, pfn):
        largest = cc.order if cc.order > 0 else self.rules.pageblock_order
        if self.is_free_head(pfn) and self.pages[pfn].order >= largest:
            return False
        return cc.ignore_suitable or self.type_at(pfn) in (MOVABLE, CMA)

    def hold(self, cc, pfn):
        """Isolate a free block as targets; its pages, or 0 if the watermark forbids."""
        order = self.pages[pfn].order
        size = self.isolate_free_page(pfn)
        if size:
            if self.rules.large_folios:
                self.held[order].append(pfn)
            else:  # single pages, the last page of the last block first
                for page in range(pfn, pfn + size):
                    self.held[0].insert(0, page)
                    self.put(page, "isolated")
            cc.nr_freepages += size
            cc.isolated += size
        return size

    def isolate_freepages_block(self, cc, start, end, stride):
        """Hold free blocks of a pageblock until there are enough; where it stopped, and how many pages."""
        pfn, scanned, taken = start, 0, 0
        while pfn < end:
            page = self.pages[pfn]
            scanned += 1
            if self.is_free_head(pfn):
                size = self.hold(cc, pfn)
                if not size:
                    break
                scanned += size - 1
                taken += size
                if cc.nr_migratepages <= cc.nr_freepages:
                    pfn += size
                    break
                pfn += size - 1
            elif page.kind not in ("free", "isolated") and page.order and pfn + (1 << page.order) <= end:
                scanned += (1 << page.order) - 1
                pfn += (1 << page.order) - 1
            pfn += stride
        pfn = min(pfn, end)
        self.trace.append(("isolate_freepages", start, pfn, scanned, taken))
        cc.free_scanned += scanned
        return pfn, taken

    def next_search_order(self, cc, order):
        order = order - 1 if order else cc.order - 1
        if order == cc.search_order:
            cc.search_order = cc.search_order - 1 if cc.search_order else cc.order - 1
            return NONE
        return order

    def fast_isolate_freepages(self, cc):
        """Look for a target in the Movable free lists, near the end of the space between the scanners."""
        if cc.order <= 0:
            return
        limit = max(1, ((CLUSTER_MAX >> min(cc.fast_search_fail, 63)) + 1) >> 1)
        scan_start = cc.free_pfn >= self.init_free
        if scan_start:
            limit = self.block_pages >> 1
        distance = cc.free_pfn - cc.migrate_pfn
        low = self.block_start(cc.free_pfn - (distance >> 2))
        lowest = self.block_start(cc.free_pfn - (distance >> 1))
        scanned = taken = 0
        highest = chosen = NONE
        cc.search_order = min(cc.order - 1, cc.search_order)
        order = cc.search_order
        while chosen == NONE and order >= 0:
            if not self.nr_free(order):
                order = self.next_search_order(cc, order)
                continue
            blocks = self.free_lists[order, MOVABLE]
            first, candidate, order_scanned = None, NONE, 0
            for pfn in reversed(blocks):
                order_scanned += 1
                scanned += 1
                if pfn >= highest:
                    highest = max(self.block_start(pfn), self.start_pfn)
                if pfn >= low:
                    cc.fast_search_fail = 0
                    cc.search_order = order
                    first = chosen = pfn
                    break
                if pfn >= lowest and pfn > candidate:
                    candidate = pfn
                    limit >>= 1
                if order_scanned >= limit:
                    first = pfn
                    break
            if chosen == NONE and candidate != NONE:
                first = chosen = candidate
            if first is not None:
                at = blocks.index(first)
                blocks[:] = blocks[at:] + blocks[:at]
            if chosen != NONE:
                size = self.hold(cc, chosen)
                if size:
                    scanned += size - 1
                    taken += size
                else:
                    order, chosen = cc.search_order + 1, NONE
            if cc.nr_freepages >= cc.nr_migratepages:
                break
            if order_scanned >= limit:
                limit = max(1, limit >> 1)
            order = self.next_search_order(cc, order)
        self.trace.append(("fast_isolate_freepages", lowest, cc.free_pfn, scanned, taken))
        if chosen == NONE:
            cc.fast_search_fail += 1
            if scan_start:
                if highest >= lowest:
                    chosen = cc.free_pfn = highest
                elif cc.direct:
                    if lowest >= self.start_pfn and self.is_suitable_target(cc, lowest):
                        chosen = lowest
                    cc.free_pfn = lowest
        if highest != NONE and highest >= self.cached_free:
            self.cached_free = highest - self.block_pages
        cc.free_scanned += scanned
        if chosen != NONE:
            self.fast_isolate_around(cc, chosen)

    def fast_isolate_around(self, cc, pfn):
        if cc.nr_freepages >= cc.nr_migratepages or (cc.direct and cc.mode == ASYNC):
            return
        start = max(self.block_start(pfn), self.start_pfn)
        end = min(self.block_end(pfn), self.end_pfn)
        stopped, _ = self.isolate_freepages_block(cc, start, end, 1)
        if stopped == end:
            self.skip[self.block_start(pfn)] = True

    def isolate_freepages(self, cc):
        """Hold enough targets: by the free lists, else block by block downwards."""
        self.fast_isolate_freepages(cc)
        if cc.nr_freepages:
            return
        at = cc.free_pfn
        block = self.block_start(at)
        end = min(block + self.block_pages, self.end_pfn)
        lowest = self.block_end(cc.migrate_pfn)
        stride = CLUSTER_MAX if cc.mode == ASYNC else 1
        while block >= lowest:
            if self.is_absent(max(block, self.start_pfn), end):
                pass
            elif self.is_suitable_target(cc, block) and (cc.ignore_skip or not self.skip[block]):
                at, taken = self.isolate_freepages_block(cc, at, end, stride)
                if at == end:
                    self.skip[block] = True
                    self.cached_free = min(self.cached_free, block - self.block_pages)
                if cc.nr_freepages >= cc.nr_migratepages:
                    if at == end:
                        at = block - self.block_pages
                    break
                if at < end:
                    break
                stride = 1 if taken else min(CLUSTER_MAX, stride * 2)
            end = block
            block -= self.block_pages
            at = block
        cc.free_pfn = at

    # --- compaction: targets and moves ------------------------------------------------------------------

    def take_target(self, cc, order):
        """Take a held block of an order for a source, or None (`compaction_alloc`)."""
        for scanned in (False, True):
            for held in range(order, self.rules.max_order + 1):
                if self.held[held]:
                    return self.split_target(cc, held, order)
            if not scanned:
                self.isolate_freepages(cc)
        return None

    def split_target(self, cc, held, order):
        pfn = self.held[held].pop(0)
        while held > order:
            held -= 1
            self.held[held].insert(0, pfn + (1 << held))
            self.put(pfn + (1 << held), "isolated", held)
        self.put(pfn, "isolated", order)
        cc.nr_freepages -= 1 << order
        if self.rules.large_folios:
            cc.nr_migratepages -= 1 << order
        return pfn

    def put_back_target(self, cc, pfn, order):
        self.held[order].insert(0, pfn)
        cc.nr_freepages += 1 << order
        if self.rules.large_folios:
            cc.nr_migratepages += 1 << order

    def release_targets(self, cc):
        highest = NONE
        for order in self.orders():
            for pfn in self.held[order]:
                self.free_block(pfn, order)
                highest = max(highest, pfn)
            self.held[order] = []
        cc.nr_freepages = 0
        if highest != NONE:
            self.cached_free = max(self.cached_free, self.block_start(highest))

    def is_splittable(self, page):
        return page.order > 0 and not (page.pinned or page.writeback or (page.dirty and page.private))

    def split_folio(self, pfn):
        """Make single pages of a folio, the last one first."""
        pages = range(pfn, pfn + (1 << self.pages[pfn].order))
        for page in pages:
            self.pages[page] = replace(self.pages[pfn], order=0)
        return list(reversed(pages))

    def move(self, source, target):
        page = self.pages[source]
        order = page.order
        flags = {
            name: getattr(page, name) for name in ("pinned", "dirty", "private", "writeback", "unevictable")
        }
        self.put(target, page.kind, order, lru=True, **flags)
        self.trace.append(("move", source, target, order))
        self.free_block(source, order)

    def migrate_batch(self, cc, sources, mode, failed, split):
        """Take a target for each source, then move; what is left in sources has not been tried.

        Returns the number of failures, or ENOMEM. Failed sources go to `failed`, pages of folios that had to
        be split to `split`.
        """
        pairs, failures, lack = [], 0, False
        while sources:
            pfn = sources[0]
            page = self.pages[pfn]
            target = self.take_target(cc, page.order)
            if target is None:
                failures += 1
                if not self.is_splittable(page):
                    lack = True
                    break
                split += self.split_folio(sources.pop(0))
                continue
            sources.pop(0)
            if page.writeback and mode != SYNC:
                self.put_back_target(cc, target, page.order)
                failed.append(pfn)
                failures += 1
                continue
            page.writeback = False
            pairs.append((pfn, target))
        stuck = []
        for source, target in pairs:
            if self.pages[source].pinned:
                stuck.append((source, target))
            else:
                self.counters["pgmigrate_success"] += 1 << self.pages[source].order
                self.move(source, target)
        for source, target in stuck:
            failed.append(source)
            self.put_back_target(cc, target, self.pages[source].order)
        return ENOMEM if lack else failures + len(stuck)

    def migrate_pages(self, cc, sources):
        """Move folios to targets; the error (failures, or ENOMEM), and the folios that stay."""
        stay, split = [], []
        if cc.mode == ASYNC:
            error = self.migrate_batch(cc, sources, ASYNC, stay, split)
        else:
            error = self.migrate_pages_sync(cc, sources, stay, split)
        stay = sources + stay
        if error == ENOMEM:
            return ENOMEM, split + stay
        if split:
            self.migrate_batch(cc, split, ASYNC, stay, [])
            stay = split + stay
        return (error if stay else 0), stay

    def migrate_pages_sync(self, cc, sources, stay, split):
        again = []
        error = self.migrate_batch(cc, sources, ASYNC, again, split)
        if error == ENOMEM:
            stay += again
            return ENOMEM
        failures = len(split)
        for pfn in again:
            one = [pfn]
            error = self.migrate_batch(cc, one, cc.mode, stay, split)
            stay += one
            if error == ENOMEM:
                return ENOMEM
            failures += error
        return failures

    # --- compaction: the run ----------------------------------------------------------------------------

    def control(self, order, trigger, migratetype, priority, overrides):
        """Give a compactor its row of the table in the specification."""
        if trigger == "direct":
            cc = Control(
                order,
                ASYNC if priority == 2 else SYNC_LIGHT,
                migratetype,
                direct=True,
                capture=self.rules.capture,
                whole_zone=priority == 0,
                ignore_skip=priority == 0,
                ignore_suitable=priority == 0,
            )
        elif trigger == "kcompactd":
            cc = Control(order, SYNC_LIGHT, UNMOVABLE, kcompactd=True)
            cc.mark = "high" if self.rules.defrag_mode else "min"
        else:
            proactive = trigger == "proactive"
            mode = SYNC_LIGHT if proactive else SYNC
            cc = Control(-1, mode, UNMOVABLE, proactive=proactive, whole_zone=True, ignore_skip=True)
        cc.search_order = order
        return replace(cc, **overrides)

    def compact(self, order=-1, trigger="manual", migratetype=MOVABLE, priority=1, **overrides):
        """Compact the zone; the result's name and the captured block's first pfn or NONE."""
        cc = self.control(order, trigger, migratetype, priority, overrides)
        if cc.order != -1:
            needed = self.suitable(cc.order, cc.migratetype, cc.mode, not cc.direct, cc.mark)
            if needed != "continue":
                return needed, NONE
            if self.restarting(cc.order):
                self.reset_isolation_suitable()
        self.start_scanners(cc)
        self.trace.append(("begin", cc.migrate_pfn, cc.free_pfn))
        self.cc = cc
        result = self.compact_zone(cc)
        self.release_targets(cc)
        self.cc = None
        for name in ("migrate_scanned", "free_scanned", "isolated"):
            self.counters[name] += getattr(cc, name)
        if cc.captured != NONE:
            result = "success"
        self.trace.append(("end", cc.migrate_pfn, cc.free_pfn, result))
        return result, cc.captured

    def start_scanners(self, cc):
        last_block = self.block_start(self.end_pfn - 1)
        if cc.whole_zone:
            cc.migrate_pfn, cc.free_pfn = self.start_pfn, last_block
            return
        if not self.start_pfn <= self.cached_free < self.end_pfn:
            self.cached_free = last_block
        if not self.start_pfn <= self.cached_migrate[cc.mode != ASYNC] < self.end_pfn:
            self.cached_migrate = [self.start_pfn, self.start_pfn]
        cc.free_pfn = self.cached_free
        cc.migrate_pfn = self.cached_migrate[cc.mode != ASYNC]
        cc.whole_zone = cc.migrate_pfn <= self.init_migrate

    def compact_zone(self, cc):
        last_migrated = NONE
        update_cached = cc.mode == ASYNC and self.cached_migrate[0] == self.cached_migrate[1]
        while True:
            result = self.compact_finished(cc)
            if result != "continue":
                return result
            block = self.block_start(cc.migrate_pfn)
            cc.finish_pageblock = last_migrated != NONE and self.block_start(last_migrated) == block
            sources = self.isolate_migratepages(cc)
            migrated = False
            while sources:
                update_cached = False
                last_migrated = max(self.start_pfn, self.block_start(cc.migrate_pfn - 1))
                error = self.migrate(cc, sources)
                if error == ENOMEM and not self.scanners_met(cc):
                    return "contended"
                mid_block = cc.migrate_pfn % self.block_pages
                rescan = error and mid_block and not cc.finish_pageblock
                if not rescan or cc.ignore_skip or cc.mode == SYNC:
                    migrated = True
                    break
                cc.finish_pageblock = True
                if cc.order == self.rules.huge_order:
                    last_migrated = NONE
                sources = self.isolate_migratepages(cc)
            if update_cached:
                self.cached_migrate[1] = self.cached_migrate[0]
            if migrated and cc.captured != NONE:
                return "success"
            if cc.order > 0 and last_migrated < cc.migrate_pfn >> cc.order << cc.order:
                last_migrated = NONE

    def migrate(self, cc, sources):
        pages = cc.nr_migratepages
        before = self.counters["pgmigrate_success"]
        error, stay = self.migrate_pages(cc, sources)
        moved = self.counters["pgmigrate_success"] - before
        self.counters["pgmigrate_fail"] += pages - moved
        self.trace.append(("migratepages", moved, pages - moved))
        cc.nr_migratepages = 0
        self.putback(stay)
        return error

    def scanners_met(self, cc):
        return self.block_start(cc.free_pfn) <= self.block_start(cc.migrate_pfn)

    def compact_finished(self, cc):
        result = self.compact_status(cc)
        self.trace.append(("finished", result))
        return "continue" if result == "no_suitable_page" else result

    def compact_status(self, cc):
        if self.scanners_met(cc):
            self.reset_cached_positions()
            if cc.direct:
                self.blockskip_flush = True
            return "complete" if cc.whole_zone else "partial_skipped"
        if cc.proactive:
            low, _ = self.score_marks()
            return "continue" if self.extfrag_for_order(self.rules.huge_order) > low else "success"
        if cc.order == -1 or cc.migrate_pfn % self.block_pages:
            return "continue"
        if self.rules.defrag_mode and not cc.direct:
            high = self.mark("high")
            done = self.watermark_ok(cc.order, high, free=self.free_pages_blocks())
            return "success" if done else "continue"
        for order in range(cc.order, self.rules.max_order + 1):
            types = [cc.migratetype] + ([CMA] if cc.migratetype == MOVABLE else [])
            if self.worth_claiming(order, cc.migratetype):
                types += FALLBACKS[cc.migratetype]
            if any(self.free_lists[order, migratetype] for migratetype in types):
                return "success"
        return "no_suitable_page"

    def score_marks(self):
        """Return the scores below which proactive compaction stops and above which it starts."""
        low = 100 - self.rules.proactiveness
        if self.rules.proactive_floor:
            low = max(low, 5)
            return low, min(low + 10, 100)
        return low, min(low + min(10, low // 2), 100)

    def try_to_compact(self, order, migratetype, priority):
        """Compact directly for a request unless that is deferred; as `compact`."""
        if priority > 0 and self.deferred(order):
            return "deferred", NONE
        result, captured = self.compact(order, "direct", migratetype, priority)
        if result == "success":
            self.defer_reset(order, False)
        elif priority != 2 and result in ("complete", "partial_skipped"):
            self.defer(order)
        return result, captured

    def kcompactd_work(self, order):
        """What kcompactd does in one zone once woken for an order; as `compact`."""
        if self.deferred(order):
            return "deferred", NONE
        mark = "high" if self.rules.defrag_mode else "min"
        needed = self.suitable(order, UNMOVABLE, SYNC_LIGHT, kcompactd=True, mark=mark)
        if needed != "continue":
            return needed, NONE
        result, captured = self.compact(order, "kcompactd")
        if result == "success":
            self.defer_reset(order, False)
        elif result in ("complete", "partial_skipped"):
            self.defer(order)
        return result, captured

    # --- comparing --------------------------------------------------------------------------------------

    def state(self):
        """Everything that an equal zone has equal, in plain numbers and names."""
        return {
            "free_lists": {key: tuple(blocks) for key, blocks in self.free_lists.items() if blocks},
            "pages": tuple(
                (page.kind, page.order, page.pinned, page.dirty, page.private, page.writeback)
                for page in self.pages.values()
            ),
            "block_type": tuple(self.block_type.values()),
            "skip": tuple(self.skip.values()),
            "cached": (*self.cached_migrate, self.cached_free, self.init_migrate, self.init_free),
            "deferral": (self.considered, self.defer_shift, self.order_failed, self.blockskip_flush),
            "boost": self.boost,
            "nr_highatomic": self.nr_highatomic,
        }
