"""The kernel's formulas, slow and obvious, from the kernel's text; nothing here comes from compactlab."""

from __future__ import annotations


def fill_contig_page_info(nr_free: list[int], suitable_order: int) -> tuple[int, int, int]:
    """mm/vmstat.c: free_pages, free_blocks_total, free_blocks_suitable."""
    free_pages = free_blocks_total = free_blocks_suitable = 0
    for order, blocks in enumerate(nr_free):
        free_blocks_total += blocks
        free_pages += blocks << order
        if order >= suitable_order:
            free_blocks_suitable += blocks << (order - suitable_order)
    return free_pages, free_blocks_total, free_blocks_suitable


def fragmentation_index(nr_free: list[int], order: int) -> int:
    """mm/vmstat.c, __fragmentation_index, in thousandths."""
    free_pages, free_blocks_total, free_blocks_suitable = fill_contig_page_info(nr_free, order)
    requested = 1 << order
    if free_blocks_total == 0:
        return 0
    if free_blocks_suitable > 0:
        return -1000
    return 1000 - (1000 + free_pages * 1000 // requested) // free_blocks_total


def unusable_free_index(nr_free: list[int], order: int) -> int:
    """mm/vmstat.c, in thousandths."""
    free_pages, _, free_blocks_suitable = fill_contig_page_info(nr_free, order)
    if free_pages == 0:
        return 1000
    return (free_pages - (free_blocks_suitable << order)) * 1000 // free_pages


def extfrag_for_order(nr_free: list[int], order: int) -> int:
    """mm/vmstat.c, in percent."""
    free_pages, _, free_blocks_suitable = fill_contig_page_info(nr_free, order)
    if free_pages == 0:
        return 0
    return (free_pages - (free_blocks_suitable << order)) * 100 // free_pages


def fragmentation_score_node(zones: list[tuple[int, list[int]]], order: int) -> int:
    """mm/compaction.c, from each zone's present pages and free lists."""
    node_present = sum(present for present, _ in zones)
    return sum(
        present * extfrag_for_order(nr_free, order) // (node_present + 1) for present, nr_free in zones
    )


def zone_watermark_ok(
    free_pages: int, order: int, mark: int, reserve: int, unusable: int, fits: bool
) -> bool:
    """mm/page_alloc.c, __zone_watermark_ok, without emergency reserves."""
    free_pages -= unusable + (1 << order) - 1
    if free_pages <= mark + reserve:
        return False
    return order == 0 or fits


def compaction_suitable(
    free_pages: int, order: int, low: int, minimum: int, reserve: int, unusable: int
) -> bool:
    """mm/compaction.c: is there room to work in, above the watermark the kernel asks for."""
    watermark = low if order > 3 else minimum
    return zone_watermark_ok(free_pages, 0, watermark + (2 << order), reserve, unusable, True)


def outcome(
    nr_free: dict[str, list[int]],
    order: int,
    movable: bool,
    minimum: int,
    low: int,
    reserve: int,
) -> str:
    """Follow a request through one zone whose free blocks per migratetype are known.

    Returns the words of the verdict's outcome: would succeed, below the watermark, only looks free,
    fragmentation, shortage, or fragmentation and shortage.
    """
    total = [sum(column) for column in zip(*nr_free.values(), strict=True)]
    barred = ["HighAtomic", "Isolate"] + ([] if movable else ["CMA"])

    def pages(types: list[str]) -> int:
        return sum(blocks << at for name in types for at, blocks in enumerate(nr_free.get(name, [])))

    fits_any = any(total[order:])
    fits = any(any(blocks[order:]) for name, blocks in nr_free.items() if name not in barred)
    free_pages, _, _ = fill_contig_page_info(total, order)
    if fits:
        ok = zone_watermark_ok(free_pages, order, minimum, reserve, pages(barred), fits)
        return "would succeed" if ok else "below the watermark"
    if fits_any:
        return "only looks free"
    room = compaction_suitable(free_pages, order, low, minimum, reserve, pages(["HighAtomic", "Isolate"]))
    if order <= 3:
        return "fragmentation" if room else "shortage"
    if 0 <= fragmentation_index(total, order) <= 500:
        return "shortage"
    return "fragmentation" if room else "fragmentation and shortage"
