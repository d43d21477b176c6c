"""Will a request of one order succeed now, and if not, why: the kernel's own tests, in its order."""

from __future__ import annotations

import numpy as np
import xarray as xr

from .. import schema
from ..core import fragindex
from . import sentences
from .circumstances import Known, circumstances
from .codes import OUTCOMES, REASON_OUTCOME, REASONS
from .source import free_blocks, huge_page_order

COSTLY_ORDER = 3
"""PAGE_ALLOC_COSTLY_ORDER: above it compaction asks the fragmentation index; up to it per-CPU lists serve."""
EXTFRAG_THRESHOLD = 500
"""sysctl vm.extfrag_threshold: an index from 0 to here means shortage. Thousandths."""
MAX_ORDER = 30
"""No machine has larger blocks."""
MANY_BLOCKS = 64
"""From here on there is room, however small its share of the free memory."""


def verdict(run: xr.DataTree, order: int, migratetype: str | None = None, text: bool = True) -> xr.Dataset:
    """Tell for each snapshot and zone whether a request succeeds, and if not, why.

    The tests in the kernel's order: (1) the zone can hold the order and takes such requests; (2) a block
    fits, but only in CMA, HighAtomic or Isolate memory; (3) a block fits, but taking it would leave no more
    than the min watermark (with boost) and lowmem_reserve; (4) it succeeds, only just where few blocks are
    left or the low watermark is passed; (5) no block fits: above order 3 the fragmentation index tells
    shortage (0 to 0.500) from fragmentation, up to order 3 free pages against the min watermark and
    2 * 2**order pages do. Where compaction would be refused for lack of free pages in spite of
    fragmentation, the reason says so. Watermarks and migratetypes are those of the last sample at or before
    the snapshot, else of the first.

    Parameters
    ----------
    run
        A run with free lists.
    order
        Requested order: 2**order pages.
    migratetype
        Unmovable, Movable or Reclaimable. If not given: Movable from the pageblock order (9 if unknown) up,
        as huge pages are, Unmovable below.
    text
        Whether to write `text` and `attrs["answer"]`.

    Returns
    -------
        Dims (time, zone). `outcome` and `reason`: codes, see `flag_meanings`. `text`: a plain sentence. The
        numbers behind it, int64, -1 where not known: `free_pages`; `nr_suitable` blocks of the order that are
        free, `nr_usable` of them outside barred types; `watermark_min`, `watermark_low` (pages, boost and
        lowmem_reserve added); `short_pages` (lacking for the test that refused, 0: none did); `pcp_pages`
        (in per-CPU lists, free but not in `free_pages`; 0 for orders that those never hold);
        `largest_order` the zone can hold; `spare_pages` above the min watermark after the request;
        `types_age_ms` (of the migratetypes; 0 if unknown, negative: seen later).
        `fragmentation_index`, `unusable_index`: of the order, as in debugfs. `barred_types`, `lacks`: bits.
        `attrs["answer"]`: one sentence for the whole machine in the last snapshot.

    Raises
    ------
    ValueError
        If the run has no free lists, the order is out of range or the migratetype is another one.

    References
    ----------
    mm/page_alloc.c, __zone_watermark_ok; mm/compaction.c, compaction_suit_allocation_order and
    compaction_suitable; Linux 6.18.
    """
    result = verdict_numbers(run, order, migratetype)
    if text:
        result["text"] = (("time", "zone"), sentences.write(result))
        result.attrs["answer"] = sentences.answer(result)
    return result


def verdict_numbers(
    run: xr.DataTree, order: int, migratetype: str | None = None, known: Known | None = None
) -> xr.Dataset:
    """Find what `verdict` tells, without the text; ``known`` is kept between the orders of one run."""
    schema.validate(run)
    if not isinstance(order, int | np.integer) or not 0 <= order <= MAX_ORDER:
        raise ValueError(f"order: found {order!r}; expected a whole number, 0 to {MAX_ORDER}")
    huge = huge_page_order(run)
    migratetype = migratetype or ("Movable" if order >= huge else "Unmovable")
    if migratetype not in ("Unmovable", "Movable", "Reclaimable"):
        raise ValueError(
            f"migratetype: found {migratetype!r}; expected 'Unmovable', 'Movable' or 'Reclaimable'"
        )
    result = _numbers(run, int(order), migratetype, order <= COSTLY_ORDER or order == huge, known)
    result.attrs = {
        "order": order,
        "migratetype": migratetype,
        "page_size": run.attrs["page_size"],
    }
    return result


def _numbers(
    run: xr.DataTree, order: int, migratetype: str, on_pcp: bool, known_already: Known | None
) -> xr.Dataset:
    nr_free, present = free_blocks(run)
    counts = np.ascontiguousarray(nr_free.values, np.int64)
    info = np.empty((4, counts.shape[0] * counts.shape[1]), np.int64)
    fragindex.contig_page_info(counts.reshape(-1, counts.shape[-1]), order, info)
    free, suitable, fragmentation, unusable = info.reshape(4, *counts.shape[:2])
    known = circumstances(run, nr_free, order, migratetype, known_already)
    usable = np.maximum(suitable - known.barred_blocks, 0)
    largest = _largest_order(present.values, known.managed)

    spare = free - known.barred_pages - ((1 << order) - 1) - known.min
    target = (known.low if order > COSTLY_ORDER else known.min) + (2 << order)
    spare_to_compact = free - known.reserved_pages - target
    if order > COSTLY_ORDER:
        shortage = (fragmentation >= 0) & (fragmentation <= EXTFRAG_THRESHOLD)
    else:
        shortage = np.where(known.marks, spare_to_compact <= 0, free <= 2 << order)
    tests = {
        "not_listed": ~present.values.any(-1),
        "zone_closed": np.broadcast_to(known.closed, free.shape),
        "too_large": largest < order,
        "shortage": (suitable == 0) & shortage,
        "fragmentation_and_shortage": (suitable == 0) & known.marks & (spare_to_compact <= 0),
        "fragmentation": suitable == 0,
        "barred_types": usable == 0,
        "watermark": known.marks & (spare <= 0),
        "near_watermark": known.marks & (spare <= known.low - known.min),
        "room_all": usable << order == free,
        "room": (usable >= MANY_BLOCKS) | (2 * (free - (usable << order)) < free),
        "few_blocks": np.ones(free.shape, bool),
    }
    reason = np.select(list(tests.values()), [np.uint8(REASONS.index(name)) for name in tests])
    outcome = np.array([OUTCOMES.index(name) for name in REASON_OUTCOME.values()], np.uint8)[reason]
    short = np.select(
        [reason == REASONS.index("watermark"), reason == REASONS.index("fragmentation_and_shortage")],
        [1 - spare, 1 - spare_to_compact],
    )
    numbers = {
        "outcome": (outcome, _flags(OUTCOMES)),
        "reason": (reason, _flags(REASONS)),
        "free_pages": free,
        "nr_suitable": suitable,
        "nr_usable": np.where(known.types, usable, -1),
        "fragmentation_index": fragmentation / 1000,
        "unusable_index": unusable / 1000,
        "watermark_min": known.min,
        "watermark_low": known.low,
        "spare_pages": np.where(known.marks, spare, 0),
        "short_pages": short,
        "pcp_pages": known.pcp if on_pcp else np.zeros_like(known.pcp),
        "largest_order": largest,
        "barred_types": known.barred_types,
        "types_age_ms": known.types_age_ms,
        "lacks": _bits(~known.marks, ~known.types, known.censored),
    }
    coords = {name: coord for name, coord in nr_free.coords.items() if "order" not in coord.dims}
    return xr.Dataset({name: _variable(value) for name, value in numbers.items()}, coords)


def _variable(value: np.ndarray | tuple[np.ndarray, dict[str, object]]) -> tuple[object, ...]:
    return (("time", "zone"), *value) if isinstance(value, tuple) else (("time", "zone"), value)


def _flags(names: tuple[str, ...]) -> dict[str, object]:
    return {"flag_values": list(range(len(names))), "flag_meanings": " ".join(names)}


def _bits(*conditions: np.ndarray) -> np.ndarray:
    return np.stack(conditions, -1) @ (1 << np.arange(len(conditions), dtype=np.uint8))


def _largest_order(present: np.ndarray, managed: np.ndarray) -> np.ndarray:
    """Highest order listed whose block is not larger than the zone; -1 if none was listed."""
    listed = np.where(present.any(-1), present.shape[-1] - 1 - present[..., ::-1].argmax(-1), -1)
    with np.errstate(divide="ignore"):
        of_zone = np.where(managed > 0, np.log2(np.maximum(managed, 1)).astype(np.int64), 63)
    return np.minimum(listed, of_zone)
