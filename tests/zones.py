"""Small zones of the kernel, built by hand, and what must hold of any."""

from __future__ import annotations

import numpy as np

from compactlab.core import memory as m
from compactlab.core.pagemap import free_orders
from compactlab.core.populate import populate

PAGEBLOCK_ORDER, MAX_ORDER = 5, 7
BLOCK_PAGES = 1 << PAGEBLOCK_ORDER


def small_memory(kind, bits=None, zones=None, slots=0, order=None, migratetype=m.MOVABLE):
    """A node of zones over these pages, kinds per page; free pages in the largest blocks they fit in.

    `zones` are (start, end), by default one over all pages; `migratetype` is of all pageblocks; watermarks are set to 64, 80, 96 pages.
    """
    nr_pages = len(kind)
    zones = zones or [(0, nr_pages)]
    memory = m.new_memory(nr_pages, len(zones), 1, PAGEBLOCK_ORDER, 10_000, 10_000, slots)
    page = memory.page
    page["kind"][:nr_pages] = kind
    movable = np.isin(kind, (m.ANON, m.FILE))
    page["bits"][:nr_pages] = np.where(movable, m.LRU, 0)
    if bits is not None:
        page["bits"][:nr_pages] |= bits
    if order is not None:
        page["order"][:nr_pages] = order
    memory.block["migratetype"] = migratetype
    rules = memory.rules
    for name, value in {
        "nr_cpus": 2,
        "max_order": MAX_ORDER,
        "huge_order": PAGEBLOCK_ORDER,
        "pcp_orders": 4,
        "hygiene": 1,
        "large_folios": 1,
        "smart_suitable": 1,
        "extfrag_threshold": 500,
        "compact_unevictable_allowed": 1,
        "swappiness": 60,
    }.items():
        rules[name] = value
    memory.state["cost"] = 1000
    for number, (start, end) in enumerate(zones):
        zone = memory.zone[number]
        zone.index, zone.start_pfn, zone.end_pfn = number, start, end
        zone.wmark_min, zone.wmark_low, zone.wmark_high = 64, 80, 96
        zone.cached_migrate_async = zone.cached_migrate_sync = zone.init_migrate = start
        zone.cached_free = zone.init_free = (end - 1) // BLOCK_PAGES * BLOCK_PAGES
        for name in ("high", "high_min", "high_max"):
            zone.pcp[name] = 8
        zone.pcp["batch"] = 4
        free_orders(page["kind"][start:end], start, MAX_ORDER, page["order"][start:end])
        populate(memory, number)
    memory.state[0].zonelist[0, : len(zones)] = range(len(zones) - 1, -1, -1)
    return memory


def walk(memory, head):
    """Pages of a list."""
    pages, page = [], int(memory.page[head].next)
    while page != head:
        pages.append(page)
        page = int(memory.page[page].next)
    return pages


def check(memory):
    """Every page is in one place only, counts are those of the lists, free blocks are merged."""
    nr_pages, max_order = int(memory.rules[0].nr_pages), int(memory.rules[0].max_order)
    pageblock_order = int(memory.rules[0].pageblock_order)
    kind, order = memory.page["kind"], memory.page["order"].astype(int)
    owner = np.zeros(nr_pages, int)
    for number in range(memory.zone.size):
        zone = memory.zone[number]
        first = nr_pages + number * m.LISTS_PER_ZONE
        free = blocks_free = 0
        for size in range(max_order + 1):
            for migratetype in range(6):
                blocks = walk(memory, first + size * 6 + migratetype)
                assert len(blocks) == zone.nr_free[size, migratetype]
                for block in blocks:
                    assert block % (1 << size) == 0
                    assert order[block] == size
                    assert (kind[block : block + (1 << size)] == m.FREE).all()
                    owner[block : block + (1 << size)] += 1
                    if size < max_order:
                        buddy = block ^ (1 << size)
                        inside = zone.start_pfn <= buddy < zone.end_pfn
                        if inside and kind[buddy] == m.FREE and order[buddy] == size:
                            # Only pageblocks of which one is reserved stay apart (page_is_buddy, 6.10).
                            types = {
                                int(memory.block[at >> pageblock_order].migratetype) for at in (block, buddy)
                            }
                            assert size >= pageblock_order
                            assert len(types) == 2
                            assert max(types) >= m.HIGHATOMIC
                free += len(blocks) << size if migratetype != m.ISOLATE else 0
                if migratetype != m.ISOLATE and size >= pageblock_order:
                    blocks_free += len(blocks) << size
        assert (zone.free_pages, zone.free_pages_blocks) == (free, blocks_free)
        counts = []
        for which in range(m.LRU_LISTS):
            folios = walk(memory, first + m.MAX_ORDERS * 6 + which)
            counts.append(sum(1 << order[folio] for folio in folios))
            for folio in folios:
                assert memory.page["bits"][folio] & m.LRU
                owner[folio : folio + (1 << order[folio])] += 1
        names = ("nr_inactive_anon", "nr_active_anon", "nr_inactive_file", "nr_active_file", "nr_unevictable")
        assert [zone[name] for name in names] == counts
        for cpu in range(int(memory.rules[0].nr_cpus)):
            held = 0
            for which in range(m.PCP_LISTS):
                for block in walk(memory, first + m.MAX_ORDERS * 6 + m.LRU_LISTS + cpu * m.PCP_LISTS + which):
                    owner[block : block + (1 << order[block])] += 1
                    held += 1 << order[block]
            assert zone.pcp[cpu].count == held
    listed = np.isin(kind[:nr_pages], (m.FREE, m.PCP, m.ANON, m.FILE))
    assert (owner == listed).all()
    for slot, page in enumerate(memory.where.tolist()):
        assert page < 0 or memory.page[page].slot == slot


def events(memory, event):
    """The numbers of all events of one kind."""
    kept = memory.log[: memory.state[0].logged[m.KEPT]]
    fields = len(tuple(m.EVENTS.values())[event])
    return [tuple(row) for row in kept[kept[:, 1] == event][:, 3 : 3 + fields].tolist()]


def counters(memory):
    """Counters that are not 0, under their names."""
    return {name: int(n) for name, n in zip(m.COUNTERS, memory.state[0].counter, strict=True) if n}
