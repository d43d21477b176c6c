"""What page tables cost: exact byte counts for any mapping, beside what a kernel charged for the same."""

from .count import count, walk
from .layout import LAYOUTS, Layout, layout
from .mapping import Range, dense, sparse, touched
from .measured import measure, ranges, recorded
from .story import story

__all__ = [
    "LAYOUTS",
    "Layout",
    "Range",
    "count",
    "dense",
    "layout",
    "measure",
    "ranges",
    "recorded",
    "sparse",
    "story",
    "touched",
    "walk",
]
