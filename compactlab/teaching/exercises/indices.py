"""What the indices mean: fragmentation by hand, and free lists made to measure."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ... import texts
from ...metrics import fragmentation_index, unusable_index
from ...texts import N_, _
from ..answers import FreeBlocks, Number
from ..exercise import Exercise, Judged, Mistake

_NOTEBOOK = "02-what-the-indices-mean"
_HOLES = (3, 1, 2, 0, 1)
"""Free blocks of order 0 to 4 in the exercise `holes`: 29 pages."""
_ASKED = 2


def _free_blocks(counts: Any) -> xr.DataArray:
    return xr.DataArray(np.asarray(counts), dims="order")


def _useless_pages() -> int:
    """Free pages in blocks smaller than asked for, from the unusable index."""
    free = int((np.array(_HOLES) << np.arange(len(_HOLES))).sum())
    return round(float(unusable_index(_free_blocks(_HOLES))[_ASKED]) * free)


def _judge_three_quarters(counts: np.ndarray) -> Judged:
    blocks = _free_blocks(counts)
    index = float(fragmentation_index(blocks)[3])
    numbers = {
        "counts": counts.tolist(),
        "index": f"{index:.3f}".replace("-", "−"),
        "free": texts.count(int(counts @ (1 << np.arange(4)))),
    }
    if 0.7 <= index <= 0.8:
        return Judged(True, _("{counts}: {free} free pages, fragmentation index {index}.").format(**numbers))
    if counts[3]:
        why = _(
            "{counts}: a block of order 3 is free, so the request succeeds and the index is {index}: not the case."
        )
    elif not counts.any():
        why = _("{counts}: nothing is free, and the index is {index}: a shortage.")
    elif index < 0:
        why = _("{counts}: one lone block makes the formula leave its range; the index is {index}.")
    elif index < 0.7:
        why = _(
            "{counts}: the index is {index}, nearer to a shortage: {free} pages are free, in too few pieces."
        )
    else:
        why = _(
            "{counts}: the index is {index}, too near to 1: {free} pages are free, in more crumbs than asked for."
        )
    return Judged(False, why.format(**numbers))


def _judge_half_useless(counts: np.ndarray) -> Judged:
    blocks = _free_blocks(counts)
    unusable, fragmentation = (float(index(blocks)[9]) for index in (unusable_index, fragmentation_index))
    numbers = {"counts": counts.tolist(), "index": f"{unusable:.3f}"}
    if fragmentation != -1:
        why = _(
            "{counts}: no block of order 9 or above is free, so the request fails, and the unusable index is {index}."
        )
        return Judged(False, why.format(**numbers))
    if 0.45 <= unusable <= 0.55:
        text = _(
            "{counts}: the request succeeds, and the unusable index is {index}. The two are different questions."
        )
        return Judged(True, text.format(**numbers))
    why = _(
        "{counts}: the request succeeds, but the unusable index is {index}: more of free memory must be in small blocks."
    )
    if unusable > 0.55:
        why = _(
            "{counts}: the request succeeds, but the unusable index is {index}: less of free memory must be in small blocks."
        )
    return Judged(False, why.format(**numbers))


EXERCISES = (
    Exercise(
        name="holes",
        notebook=_NOTEBOOK,
        task=N_(
            "Free blocks of order 0, 1, 2, 3 and 4: [3, 1, 2, 0, 1]. A block of order 2 is asked for. Predict: how "
            "many of the free pages are of no use to the request?"
        ),
        answer=Number("pages", whole=True),
        hints=(
            N_("A block of order n has 2^n pages. Which blocks are smaller than the one asked for?"),
            N_("Orders 0 and 1 are too small: count the pages in them, not the blocks."),
        ),
        code=(
            "import xarray as xr\n"
            'free = xr.DataArray([3, 1, 2, 0, 1], dims="order")\n'
            "float(cl.metrics.unusable_index(free)[2]) * 29  # of 29 free pages"
        ),
        truth=_useless_pages,
        told=N_("{truth}: three blocks of 1 page and one of 2. All others are large enough, or can be cut."),
        mistakes=(
            Mistake(lambda _truth: sum(_HOLES[:_ASKED]), N_("That is the count of blocks, not of pages.")),
            Mistake(
                lambda _truth: (np.array(_HOLES) << np.arange(len(_HOLES))).sum() - _useless_pages(),
                N_("Those are the pages that the request can use."),
            ),
            Mistake(
                lambda _truth: (np.array(_HOLES) << np.arange(len(_HOLES))).sum(), N_("Those are all the free pages.")
            ),
        ),
        right=(5, "5 pages", "20 KiB", np.int64(5)),
        wrong=(4, 24, 29, 7),
    ),
    Exercise(
        name="index-to-measure",
        notebook=_NOTEBOOK,
        task=N_(
            "Find any free list of orders 0 to 3 whose fragmentation index for a request of order 3 lies between "
            "0.7 and 0.8. The list is run through the kernel's formula."
        ),
        answer=FreeBlocks(4, most=10_000),
        hints=(
            N_("No block of order 3 may be free, or the index is −1."),
            N_("With F free pages in B blocks the index is near 1 − (1 + F/8)/B: more and smaller blocks raise it."),
            N_("With single pages only F = B. Try [B, 0, 0, 0] for some values of B, such as 4, 8 and 20."),
        ),
        code=(
            "import xarray as xr\n"
            'free = xr.DataArray([7, 0, 0, 0], dims="order")  # your list\n'
            "float(cl.metrics.fragmentation_index(free)[3])"
        ),
        judge=_judge_three_quarters,
        right=([6, 1, 0, 0], [7], {0: 6, 1: 1}, np.array([7, 1, 0, 0])),
        wrong=([4], [1000], [0, 0, 0, 1], [0, 0, 1], [0, 0, 0, 0]),
    ),
    Exercise(
        name="useless-yet-served",
        notebook=_NOTEBOOK,
        task=N_(
            "Find a free list of orders 0 to 10 of which about half (0.45 to 0.55) is useless to a request of order 9, "
            "while the request itself succeeds."
        ),
        answer=FreeBlocks(11, most=1_000_000),
        hints=(
            N_("It succeeds if one block of order 9 or 10 is free."),
            N_("A block of order 9 has 512 pages. Put as many pages beside it in smaller blocks."),
        ),
        code=(
            "import xarray as xr\n"
            'free = xr.DataArray([512, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0], dims="order")  # your list\n'
            "float(cl.metrics.unusable_index(free)[9]), float(cl.metrics.fragmentation_index(free)[9])"
        ),
        judge=_judge_half_useless,
        right=([512, 0, 0, 0, 0, 0, 0, 0, 0, 1], {8: 2, 9: 1}, {8: 4, 10: 1}),
        wrong=([512], {9: 5}, {0: 5120, 9: 1}, [0] * 11),
    ),
)  # fmt: skip
