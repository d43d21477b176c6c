"""What the article says: which numbers a compaction changes."""

from __future__ import annotations

from functools import cache

from ...metrics import fragmentation_index, unusable_index
from ...simulation.compact import compact_zone
from ...simulation.zone import Zone
from ...texts import N_
from ..answers import Several
from ..exercise import Exercise, Mistake

_NOTEBOOK = "20-what-the-article-says"
_NUMBERS = (
    "free pages in lists and per-CPU lists",
    "pages in use",
    "free blocks of order 9",
    "unusable index at order 9",
    "fragmentation index at order 9",
)


@cache
def _changed() -> frozenset[str]:
    """Numbers of a zone, every second page in use, that differ before and after it was compacted."""
    zone = Zone.from_kinds(["anon", "free"] * 8192)
    run = compact_zone(zone)
    zones, pages = run["zones"].to_dataset().isel(zone=0), run["pages"].to_dataset()
    number = pages.attrs["kinds"].index
    kinds = {kind: (pages.kind.values == number(kind)).sum(axis=1) for kind in ("free", "pcp", "anon")}
    told = {
        "free pages in lists and per-CPU lists": kinds["free"] + kinds["pcp"],
        "pages in use": kinds["anon"],
        "free blocks of order 9": zones.nr_free.values[:, 9],
        "unusable index at order 9": unusable_index(run).sel(order=9).values[:, 0],
        "fragmentation index at order 9": fragmentation_index(run).sel(order=9).values[:, 0],
    }
    return frozenset(name for name, values in told.items() if values[0] != values[-1])


EXERCISES = (
    Exercise(
        name="what-compaction-changes",
        notebook=_NOTEBOOK,
        task=N_(
            "A zone of 64 MiB in which every second page is in use is compacted, and nothing else happens. Predict: which of these "
            "numbers are others afterwards?"
        ),
        answer=Several(_NUMBERS),
        hints=(
            N_("Compaction moves pages. It gives none back, and takes none."),
            N_("Before, no block of order 9 was free; afterwards some are. Which numbers look at that?"),
            N_("The fragmentation index leaves its scale as soon as one block is free."),
        ),
        code=(
            'run = cl.compact_zone(cl.Zone.from_kinds(["anon", "free"] * 8192))\n'
            'run["zones"].free_pages[[0, -1], 0].values, cl.metrics.unusable_index(run).sel(order=9)[[0, -1], 0].values'
        ),
        truth=_changed,
        told=N_("{truth}. What is free and what is in use stays the same: pages have moved."),
        mistakes=(
            Mistake(lambda truth: truth | {_NUMBERS[0]}, N_("No page became free: each that moved took a free one, and left its own.")),
            Mistake(lambda truth: truth | set(_NUMBERS[:2]), N_("No page became free: each that moved took a free one, and left its own.")),
            Mistake(lambda truth: truth - {"fragmentation index at order 9"}, N_("The fragmentation index changes too: to −1, as the request would now succeed.")),
        ),
        right=(
            ["free blocks of order 9", "unusable index at order 9", "fragmentation index at order 9"],
            "unusable index at order 9, free blocks of order 9, fragmentation index at order 9",
        ),
        wrong=([_NUMBERS[0]], ["free blocks of order 9", "unusable index at order 9"], list(_NUMBERS)),
    ),
)  # fmt: skip
