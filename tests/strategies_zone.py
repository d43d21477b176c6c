"""Hypothesis generators of small zones and of what is asked of them."""

from __future__ import annotations

import random

from hypothesis import strategies as st
from slow_zone import CMA, HIGHATOMIC, MOVABLE, RECLAIMABLE, UNMOVABLE, Rules, SlowZone

LATEST = {}
CLAIM_OR_TAKE = {"claim_largest_only": True}  # 6.10 to 6.14
BEFORE_HYGIENE = {"claim_largest_only": True, "hygiene": False, "large_folios": False}
BEFORE_HYGIENE |= {"smart_suitable": False, "costly_low": True, "proactive_floor": True}
TEXTS = (LATEST, CLAIM_OR_TAKE, BEFORE_HYGIENE)

PAGES = ("anon", "anon", "anon", "file", "slab", "pgtable", "kernel", "reserved", "hole")
FOLIOS = ("anon", "file", "file", "slab")
REQUEST_TYPES = (UNMOVABLE, MOVABLE, MOVABLE, RECLAIMABLE)
KIND_OF_REQUEST = {UNMOVABLE: "kernel", MOVABLE: "anon", RECLAIMABLE: "slab"}


@st.composite
def rules(draw, texts=TEXTS):
    pageblock_order = draw(st.integers(3, 5))
    max_order = draw(st.integers(pageblock_order, 7))
    return Rules(
        pageblock_order=pageblock_order,
        max_order=max_order,
        huge_order=pageblock_order,
        capture=draw(st.booleans()),
        defrag_mode=draw(st.sampled_from((False, False, True))),
        mobility_disabled=draw(st.sampled_from((False, False, False, True))),
        compact_unevictable_allowed=draw(st.sampled_from((True, True, False))),
        proactiveness=draw(st.sampled_from((0, 20, 50, 80, 100))),
        extfrag_threshold=draw(st.sampled_from((0, 500, 1000))),
        **draw(st.sampled_from(texts)),
    )


@st.composite
def folio(draw):
    """Kind, order and flags of a folio, or None for a free page."""
    if draw(st.integers(0, 9)) < 4:
        return None
    order = draw(st.sampled_from((0, 0, 0, 1, 2, 3, 4)))
    kind = draw(st.sampled_from(FOLIOS if order else PAGES))
    if kind not in ("anon", "file"):
        return kind, order, {}
    flags = {name: True for name in ("pinned", "dirty", "unevictable") if draw(st.integers(0, 7)) == 0}
    if kind == "file":
        flags |= {name: True for name in ("private", "writeback") if draw(st.integers(0, 5)) == 0}
    return kind, order, flags | {"lru": draw(st.integers(0, 15)) != 0}


ANON, FILE = ("anon", 0, {"lru": True}), ("file", 0, {"lru": True})
PATTERNS = st.one_of(
    st.just([None]),
    st.just([ANON]),
    st.lists(st.sampled_from((None, ANON, FILE)), min_size=1, max_size=8),
    st.lists(folio(), min_size=1, max_size=8),
)

CROWDED = st.lists(st.sampled_from((None, ANON, ("slab", 0, {}))), min_size=4, max_size=8)
USUAL_TYPES = (*(MOVABLE,) * 6, UNMOVABLE, RECLAIMABLE, HIGHATOMIC, CMA)
FALLBACK_TYPES = (UNMOVABLE, MOVABLE, RECLAIMABLE)


@st.composite
def zones(draw, texts=TEXTS, types=USUAL_TYPES, patterns=PATTERNS):
    """A zone whose pageblocks are each filled with a repeated pattern of folios and free pages."""
    its_rules = draw(rules(texts))
    largest = 1 << its_rules.max_order
    block = 1 << its_rules.pageblock_order
    blocks = draw(st.integers(4, 16))
    nr_pages = blocks * block - draw(st.sampled_from((0, 0, 0, 1, block // 2)))
    first_pfn = largest * draw(st.integers(0, 2))
    types = draw(st.lists(st.sampled_from(types), min_size=blocks, max_size=blocks))
    low = draw(st.sampled_from((0, 0, 1, block)))
    zone = SlowZone(nr_pages, types, first_pfn, its_rules, (low, low + low // 4, low + low // 2))
    zone.nr_highatomic = types.count(HIGHATOMIC) * block
    free = []
    pfn = first_pfn
    while pfn < zone.end_pfn:
        if pfn % largest == 0 and pfn + largest <= zone.end_pfn and draw(st.integers(0, 15)) == 0:
            order = draw(st.integers(its_rules.pageblock_order, its_rules.max_order))
            zone.put(pfn, "hugetlb" if draw(st.booleans()) else "anon", order, lru=True)
            pfn += 1 << order
            continue
        pattern = draw(patterns)
        end, at = min(zone.block_end(pfn), zone.end_pfn), 0
        while pfn < end:
            item = pattern[at % len(pattern)]
            at += 1
            if item is None:
                free.append(pfn)
                pfn += 1
                continue
            kind, order, flags = item
            if pfn % (1 << order) or pfn + (1 << order) > end:
                order = 0
            zone.put(pfn, kind, order, **flags)
            pfn += 1 << order
    random.Random(draw(st.integers(0, 255))).shuffle(free)
    for page in free:
        zone.free_block(page, 0)
    return zone


@st.composite
def requests(draw, zone, max_size=12):
    """Operations by name and arguments, see `apply`."""
    largest = zone.rules.max_order
    one = st.one_of(
        st.tuples(
            st.just("alloc"),
            st.integers(0, largest),
            st.sampled_from(REQUEST_TYPES),
            st.booleans(),
            st.integers(0, 9).map(lambda n: n == 0),
        ),
        st.tuples(st.just("free"), st.integers(0, 10_000)),
        st.tuples(
            st.just("direct"),
            st.integers(1, largest),
            st.sampled_from(REQUEST_TYPES),
            st.integers(0, 2),
        ),
        st.tuples(st.just("kcompactd"), st.integers(1, largest)),
        st.tuples(st.sampled_from(("manual", "proactive"))),
        st.tuples(st.just("unreserve"), st.sampled_from(REQUEST_TYPES), st.booleans()),
        st.tuples(st.just("reset"), st.booleans()),
    )
    return draw(st.lists(one, max_size=max_size))


def used(zone):
    """First pages of everything that can be freed: what the free command counts through."""
    keep = ("free", "isolated", "hole", "reserved")
    return [pfn for pfn, page in zone.pages.items() if page.order is not None and page.kind not in keep]


def apply(zone, request):
    """Do what a request says; what came of it."""
    name, *arguments = request
    if name == "alloc":
        order, migratetype, nofragment, highatomic = arguments
        kind = KIND_OF_REQUEST[migratetype]
        return zone.alloc(order, migratetype, kind, nofragment, highatomic and order > 0)
    if name == "free":
        there = used(zone)
        return zone.free(there[arguments[0] % len(there)]) if there else None
    if name == "direct":
        order, migratetype, priority = arguments
        result, captured = zone.try_to_compact(order, migratetype, priority)
        if captured >= 0:
            zone.put(captured, KIND_OF_REQUEST[migratetype], order, lru=migratetype == MOVABLE)
            zone.defer_reset(order, True)
            zone.blockskip_flush = False
        return result, captured
    if name == "kcompactd":
        return zone.kcompactd_work(*arguments)
    if name == "unreserve":
        return zone.unreserve_highatomic(*arguments)
    if name == "reset":
        zone.blockskip_flush = zone.blockskip_flush or arguments[0]
        return zone.reset_isolation_suitable()
    return zone.compact(-1, name)
