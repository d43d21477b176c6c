"""Watching compaction: what moves, and how much of it."""

from __future__ import annotations

from ...metrics import summary
from ...simulation.compact import compact_zone
from ...simulation.zone import Zone
from ...texts import N_
from ..answers import Number, Several
from ..exercise import Exercise, Mistake

_NOTEBOOK = "06-watch-compaction-happen"
_KINDS = ("anon", "file", "dirty file", "pinned anon", "slab", "pgtable")
_PAGES = 4096


def _moved(kind: str) -> int:
    """Pages that one compaction moves where every second page is of a kind, the others free."""
    flag, _space, name = kind.rpartition(" ")
    flags = {flag: range(0, _PAGES, 2)} if flag else None
    zone = Zone.from_kinds([name, "free"] * (_PAGES // 2), flags=flags)
    return int(summary(compact_zone(zone, frames=2)).migrated)


def _kinds_that_move() -> frozenset[str]:
    return frozenset(kind for kind in _KINDS if _moved(kind))


def _share_moved() -> float:
    """Share of used pages that moves where every second page is in use."""
    pages = 32 * 512
    zone = Zone.from_kinds(["anon", "free"] * (pages // 2))
    return int(summary(compact_zone(zone, frames=2)).migrated) / (pages / 2)


EXERCISES = (
    Exercise(
        name="what-moves",
        notebook=_NOTEBOOK,
        task=N_(
            "Six small zones: in each every second page is of one kind, and the others are free. All are compacted. "
            "Predict: of which kinds do pages move?"
        ),
        answer=Several(_KINDS),
        hints=(
            N_("A page can move if the kernel can find and change every pointer to it."),
            N_("Programs reach their memory, and files, through page tables that the kernel may change."),
            N_("The kernel's own objects (slab) and page tables are reached by plain addresses. A pin forbids moving."),
        ),
        code=(
            'zone = cl.Zone.from_kinds(["slab", "free"] * 2048)  # or another kind; flags={"pinned": range(0, 4096, 2)}\n'
            'cl.metrics.summary(cl.compact_zone(zone, frames=2)).migrated.item()'
        ),
        truth=_kinds_that_move,
        told=N_("Pages move in the zones of {truth}. A dirty file page moves too: it takes its dirt along."),
        mistakes=(
            Mistake(lambda truth: truth - {"dirty file"}, N_("A dirty page is written later, from its new place: it moves.")),
            Mistake(lambda truth: truth - {"file", "dirty file"}, N_("The page cache moves as programs' memory does.")),
            Mistake(
                lambda truth: truth | {"pinned anon"},
                N_("A pinned page is one that a device may be writing to, by its address: it must stay."),
            ),
            Mistake(lambda _truth: frozenset(_KINDS), N_("Some must stay: who points to them cannot be told.")),
        ),
        right=(["anon", "file", "dirty file"], "file, dirty file, anon"),
        wrong=(["anon"], ["anon", "file"], _KINDS, ["slab", "pgtable"]),
    ),
    Exercise(
        name="share-that-moves",
        notebook=_NOTEBOOK,
        task=N_(
            "A zone of 32 pageblocks, every second page in use and movable. Predict: what share of the used pages moves "
            "in a compaction of the whole zone? To 0.08."
        ),
        answer=Number("", most=1, near=0.08),
        hints=(
            N_("Pages move from one end of the zone to free places at the other. What about those at the other end?"),
            N_("Half of the zone could be emptied, if every free place above were filled. Not quite every one is."),
        ),
        code=(
            'zone = cl.Zone.from_kinds(["anon", "free"] * 8192)\n'
            "cl.metrics.summary(cl.compact_zone(zone, frames=2)).migrated.item() / 8192"
        ),
        truth=_share_moved,
        told=N_("A share of {truth}: pages above the place where the scanners meet stay where they are."),
        mistakes=(
            Mistake(lambda _truth: 1.0, N_("That would be all. Those at the high end stay, and get neighbours.")),
            Mistake(lambda _truth: 0.25, N_("That is a quarter. Count used pages only: half of these lie in the lower half.")),
        ),
        right=(0.5, "50 %", 0.48, "450 thousandths"),
        wrong=(1, "100 %", 0.25, 0.75),
    ),
)  # fmt: skip
