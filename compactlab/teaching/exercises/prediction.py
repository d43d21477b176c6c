"""Predicting a compaction: what pinned pages spoil."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import texts
from ...metrics import summary
from ...simulation.compact import compact_zone
from ...simulation.zone import Zone
from ...texts import N_, _
from ..answers import Made, Number
from ..exercise import Exercise, Judged, Mistake

_NOTEBOOK = "18-predict-a-compaction"
_BLOCKS, _PINNED = 32, 4
_LEAST, _MOST = 4096, 65536


def _huge_pages(run: Any) -> int:
    """Huge pages that can be had in the last snapshot."""
    nr_free = run["zones"].nr_free.values[-1, 0]
    return int(nr_free @ (1 << np.arange(nr_free.size) >> 9))


def _spoilt(blocks: range) -> int:
    """Huge pages fewer after a compaction, if one page is pinned in each of some pageblocks."""
    kinds = ["anon", "free"] * (_BLOCKS * 256)
    pinned = [512 * block + 100 for block in blocks]
    free, spoilt = (
        _huge_pages(compact_zone(Zone.from_kinds(kinds, flags={"pinned": where}), frames=2))
        for where in ([], pinned)
    )
    return free - spoilt


def _judge_in_vain(zone: Zone) -> Judged:
    told = {"pages": texts.count(zone.nr_pages), "least": texts.count(_LEAST), "most": texts.count(_MOST)}
    if not _LEAST <= zone.nr_pages <= _MOST:
        text = _("The zone has {pages} pages; asked for are {least} to {most}.")
        return Judged(False, text.format(**told))
    if zone.pageblock_order != 9:
        return Judged(False, _("Leave the pageblocks as they are, of order 9."))
    run = compact_zone(zone, frames=2)
    nr_free = run["zones"].nr_free.values[0, 0]
    share = int(nr_free @ (1 << np.arange(nr_free.size))) / zone.nr_pages
    told |= {
        "share": texts.share(share),
        "moved": texts.count(int(summary(run).migrated)),
        "huge": texts.count(_huge_pages(run)),
    }
    if share < 0.25:
        return Judged(
            False, _("Only {share} of the zone is free; at least a quarter is asked for.").format(**told)
        )
    if not int(summary(run).migrated):
        return Judged(
            False, _("Not one page moved: there was nothing that could be, or nowhere to go.").format(**told)
        )
    if _huge_pages(run):
        text = _(
            "{moved} pages moved, and {huge} huge pages can be had: what stands in the way must be in every pageblock."
        )
        return Judged(False, text.format(**told))
    text = _(
        "{share} of the zone is free, {moved} pages moved, and no huge page can be had: all of that work in vain."
    )
    return Judged(True, text.format(**told))


def _examples(unmovable: str) -> Zone:
    """A zone with one page of a kind in each pageblock, every second page of the rest in use."""
    kinds = np.array(["anon", "free"] * 4096, object)
    kinds[100::512] = unmovable
    return Zone.from_kinds(kinds.astype(str))


def _pinned_everywhere() -> Zone:
    return Zone.from_kinds(["anon", "free"] * 4096, flags={"pinned": range(100, 8192, 512)})


EXERCISES = (
    Exercise(
        name="pins-at-the-top",
        notebook=_NOTEBOOK,
        task=N_(
            "A zone of 32 pageblocks, every second page in use. One page is pinned in each of the four highest pageblocks. "
            "Predict: how many huge pages fewer can be had after a compaction than without the pins?"
        ),
        answer=Number("huge pages", most=_BLOCKS, whole=True),
        hints=(
            N_("To which end of the zone do pages move? What becomes of the pageblocks at that end?"),
            N_("A pin spoils a pageblock that would have been emptied. Are these?"),
        ),
        code=(
            'kinds = ["anon", "free"] * (32 * 256)\n'
            "for pinned in ([], [512 * block + 100 for block in range(28, 32)]):\n"
            '    run = cl.compact_zone(cl.Zone.from_kinds(kinds, flags={"pinned": pinned}), frames=2)\n'
            '    print(run["zones"].nr_free.values[-1, 0, 9:] @ [1, 2])'
        ),
        truth=lambda: _spoilt(range(_BLOCKS - _PINNED, _BLOCKS)),
        told=N_("{truth}: the highest pageblocks are filled, not emptied, so pins in them spoil nothing."),
        mistakes=(
            Mistake(
                lambda _truth: _spoilt(range(_PINNED)),
                N_("So many it would be if they were in the lowest pageblocks: those are the ones that are emptied."),
            ),
        ),
        right=(0, "0 huge pages", np.int32(0)),
        wrong=(4, 1, "2 huge pages"),
    ),
    Exercise(
        name="work-in-vain",
        notebook=_NOTEBOOK,
        task=N_(
            "Declare a zone of 4096 to 65536 pages of which at least a quarter is free, and in which a compaction moves pages "
            "and yet not one huge page can be had afterwards. It is compacted as you made it."
        ),
        answer=Made((Zone,), 'cl.Zone.from_kinds(["anon", "free"] * 4096)'),
        hints=(
            N_("A single page that cannot move spoils the pageblock it is in."),
            N_("Kinds that do not move: slab, pgtable, kernel. Or `flags={\"pinned\": [...]}` for pages of programs."),
            N_("Put one into each pageblock of 512 pages, and leave every second page of the rest free."),
        ),
        code=(
            'zone = cl.Zone.from_kinds(["anon", "free"] * 4096, flags={"pinned": [100, 612]})  # your zone\n'
            "run = cl.compact_zone(zone, frames=2)\n"
            'cl.metrics.summary(run).migrated.item(), run["zones"].nr_free.values[-1, 0]'
        ),
        judge=_judge_in_vain,
        right=(_examples("slab"), _examples("kernel"), _pinned_everywhere()),
        wrong=(
            Zone.from_kinds(["anon", "free"] * 4096),
            Zone.from_kinds(["slab", "free"] * 4096),
            Zone.from_kinds(["anon"] * 8192),
            Zone("16 MiB"),
            Zone("1 GiB"),
        ),
    ),
)  # fmt: skip
