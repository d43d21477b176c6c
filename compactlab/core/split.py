"""Cuts the lines of a plain text (no ``@@`` records) to one section per file that was printed."""

from __future__ import annotations

import numpy as np

from .jit import jit
from .text import BAD, BLANK, BLOCK, BLOCKS, BODY, COUNTER, COUNTS, INDICES, MIXED, TYPED, TYPES, ZONE

# Kinds of a section.
BUDDYINFO, PAGETYPEINFO, ZONEINFO, VMSTAT, EXTFRAG_INDEX, UNUSABLE_INDEX, BUDDYINFO_AFTER, HEADER = range(8)


@jit
def _wanted(line_class: int, kind: int, is_block_count: bool) -> int:
    """Kind of the section a line belongs to, or -1."""
    if line_class == COUNTS:
        return PAGETYPEINFO if is_block_count else BUDDYINFO
    if line_class == INDICES:
        return EXTFRAG_INDEX
    if line_class in (TYPED, BLOCK, TYPES, BLOCKS, MIXED):
        return PAGETYPEINFO
    if line_class == ZONE:
        return ZONEINFO
    if line_class == COUNTER:
        return VMSTAT
    if line_class == BODY and kind == ZONEINFO:
        return ZONEINFO
    if line_class == BAD:
        return max(kind, BUDDYINFO)
    return -1


@jit
def _next_typed(classes: np.ndarray, line: int) -> int:
    while line < classes.size and classes[line] in (BLOCK, TYPES, BLANK):
        line += 1
    return line if line < classes.size and classes[line] == TYPED else -1


@jit
def split(
    classes: np.ndarray, labels: np.ndarray, stamped: np.ndarray, titles: np.ndarray, n_labels: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Section of every line; kind, line of the stamp (-1: none) and title of every section.

    ``labels(line)`` numbers the zone of a row or the name of a counter; ``titles(line)`` is the kind
    that a line such as ``==> /proc/vmstat <==`` names, else -1. A stamp, a title or a zone that comes
    again begins a new section.
    """
    section_of = np.full(classes.size, -1, np.int64)
    kinds = np.empty(classes.size, np.int64)
    stamps = np.empty(classes.size, np.int64)
    title_of = np.empty(classes.size, np.int64)
    seen = np.full(n_labels, -1, np.int64)
    counted = np.full(n_labels, -1, np.int64)
    count, section, kind, stamp, title, table, first_key = 0, -1, -1, -1, -1, -1, -1
    in_blocks = False
    for line in range(classes.size):
        this, label = classes[line], labels[line]
        if stamped[line] or titles[line] >= 0:
            section, kind, title = -1, -1, titles[line]
            if stamped[line]:
                stamp = line
            continue
        is_block_count = kind == PAGETYPEINFO and in_blocks and label >= 0 and counted[label] != table
        want = _wanted(this, kind, is_block_count)
        if want < 0:
            section_of[line] = section
            continue
        fresh = section < 0 or want != kind
        if not fresh and label >= 0 and this in (COUNTS, INDICES, ZONE) and want != PAGETYPEINFO:
            fresh = seen[label] == section
        elif not fresh and this == COUNTER:
            fresh = label == first_key
        elif not fresh and this == BLOCK and in_blocks:
            typed = _next_typed(classes, line)
            fresh = typed >= 0 and seen[labels[typed]] == section
            in_blocks = False
        if fresh:
            section, kind, in_blocks, first_key = count, want, False, label
            kinds[count], stamps[count], title_of[count] = want, stamp, title
            count += 1
        section_of[line] = section
        if this in (BLOCKS, MIXED):
            table, in_blocks = line, True
        elif is_block_count:
            counted[label] = table
        elif label >= 0:
            seen[label] = section
    return section_of, kinds[:count].copy(), stamps[:count].copy(), title_of[:count].copy()
