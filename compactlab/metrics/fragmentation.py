"""The score that starts and stops proactive compaction."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..schema import pageblock_order
from .indices import NOT_PRESENT, extfrag_for_order
from .source import free_blocks, group, huge_page_order, sample_at


def fragmentation_score(run: xr.DataTree, proactiveness: int = 20, order: int | None = None) -> xr.Dataset:
    """Fragmentation score of zones and nodes, with the marks between which proactive compaction works.

    A zone scores its `extfrag_for_order` at the order of a huge page. A node scores the sum over its zones of
    present_pages * score // (node's present_pages + 1), each term floored, so that a healthy zone holds the
    node down. Compaction starts above `wmark_high` and stops at `wmark_low` = 100 - proactiveness;
    `wmark_high` = min(wmark_low + min(10, wmark_low // 2), 100). Before Linux 6.15 wmark_low was at least 5
    and wmark_high was min(wmark_low + 10, 100): equal for a proactiveness of 80 or less.

    Parameters
    ----------
    run
        A run with free lists.
    proactiveness
        sysctl vm.compaction_proactiveness, 0 to 100; 0 never starts.
    order
        Order of a huge page; the pageblock order if not given, 9 where that is unknown.

    Returns
    -------
        `zone_score` (time, zone), `score` (time, node) and `zone_term` (time, zone), what a zone adds to its
        node's score; int64, 0 to 100, -1: not listed or weights unknown; `wmark_low`, `wmark_high`. `attrs["weights"]` says where the zones' sizes come from:
        `present_pages` of the zoneinfo sample before, or `nr_pageblocks`. Where neither is recorded there is
        no `score` nor `zone_term`, and `attrs["lacks"]` says so.

    Raises
    ------
    ValueError
        If the run has no free lists, or proactiveness or order is out of range.

    References
    ----------
    mm/compaction.c, fragmentation_score_node, fragmentation_score_wmark, Linux 6.18.
    """
    if not 0 <= proactiveness <= 100:
        raise ValueError(f"proactiveness: found {proactiveness}; expected 0 to 100")
    nr_free, present = free_blocks(run)
    largest = nr_free.sizes["order"] - 1
    order = min(huge_page_order(run), largest) if order is None else order
    if not 0 <= order <= largest:
        raise ValueError(f"order: found {order}; expected 0 to {largest}, the orders of the recording")
    percent = extfrag_for_order(run).isel(order=order, drop=True)
    listed = present.any("order")
    # A zone that ends below the order can hold no such block: all its free memory is too small.
    too_small = listed & (percent == NOT_PRESENT)
    zone_score = percent.where(~too_small, 100 * (nr_free > 0).any("order")).rename("zone_score")
    low = 100 - proactiveness
    result = xr.Dataset(
        {"zone_score": zone_score, "wmark_low": low, "wmark_high": min(low + min(10, low // 2), 100)},
        attrs={"order": order, "proactiveness": proactiveness},
    )
    weights, origin = _zone_pages(run, nr_free)
    if weights is None:
        return result.assign_attrs(lacks="sizes of the zones: record /proc/zoneinfo or /proc/pagetypeinfo")
    score, term = _node_score(zone_score, weights)
    return result.assign(score=score, zone_term=term).assign_attrs(weights=origin)


def _zone_pages(run: xr.DataTree, nr_free: xr.DataArray) -> tuple[np.ndarray | None, str]:
    """Size of each zone at each moment, (time, zone) or None; -1: not known. And where it comes from."""
    zoneinfo, types = group(run, "zoneinfo"), group(run, "migratetypes")
    if zoneinfo is not None and "present_pages" in zoneinfo:
        sampled, origin = zoneinfo.present_pages, "present_pages"
    elif types is not None and "nr_pageblocks" in types and (block := pageblock_order(run)) is not None:
        counts = types.nr_pageblocks
        pages = counts.where(counts >= 0, 0).sum("migratetype") << block
        sampled, origin = pages.where((counts >= 0).any("migratetype"), -1), "nr_pageblocks"
    else:
        return None, ""
    rows = sample_at(sampled.elapsed.values, nr_free.elapsed.values)
    return sampled.reindex(zone=nr_free.zone, fill_value=-1).values[rows], origin


def _node_score(zone_score: xr.DataArray, weights: np.ndarray) -> tuple[xr.DataArray, xr.DataArray]:
    """Score of each node, and what each zone adds to it."""
    zone_node = zone_score.node.values
    nodes = np.unique(zone_node)
    usable = (zone_score.values >= 0) & (weights >= 0)
    weights = np.where(usable, weights, 0)
    scores = np.full((len(zone_score), len(nodes)), -1, np.int64)
    added = np.full(zone_score.shape, -1, np.int64)
    for column, node in enumerate(nodes):
        here = zone_node == node
        total = weights[:, here].sum(1, keepdims=True)
        terms = weights[:, here] * zone_score.values[:, here] // (total + 1)
        added[:, here] = np.where(usable[:, here], terms, -1)
        # A listed zone of unknown size spoils the sum.
        complete = (zone_score.values[:, here] < 0) | usable[:, here]
        known = complete.all(1) & usable[:, here].any(1)
        scores[:, column] = np.where(known, np.where(usable[:, here], terms, 0).sum(1), -1)
    coords = {"time": zone_score.time, "elapsed": zone_score.elapsed, "node": nodes}
    node_score = xr.DataArray(scores, coords, ("time", "node"), attrs={"missing": -1})
    return node_score, zone_score.copy(data=added).rename("zone_term")
