"""The end of a text that may have been cut: what is whole stays, what is not is left out or warned of."""

from __future__ import annotations

import re

import numpy as np

from compactlab.core import split as kinds
from compactlab.core import text as scan

from .damage import Fault
from .lines import Lines
from .sections import KINDS, Sections


def take_off_broken_row(lines: Lines) -> bool:
    """Take a row that the end of the text broke off before its first count out of the text."""
    last = lines.last
    broken = lines.cut and lines.classes[last] in (scan.BAD, scan.ZONE)
    if broken:
        lines.classes[last] = scan.BLANK
    return broken


def cut_tail(lines: Lines, sections: Sections, broken: bool) -> list[Fault]:
    """Find out whether the last record is whole; ``broken``: a row was taken off its end.

    A whole record has no fewer lines than the one of its kind before it, and its last line is no
    shorter: the kernel pads its columns, so digits of the last number may be gone. The first record of
    its kind can only be compared with itself.
    """
    last = sections.kind.size - 1
    held = lines.classes != scan.BLANK
    here = np.flatnonzero(held & (sections.section_of == last)) if last >= 0 else np.empty(0, int)
    if not here.size:
        return [_left_out(lines, -1)] if broken else []
    before = np.flatnonzero(sections.kind[:last] == sections.kind[last])
    there = np.flatnonzero(held & (sections.section_of == before[-1])) if before.size else here[:0]
    fewer = here.size < there.size
    if not lines.cut:
        if fewer:
            kind = KINDS[sections.kind[last]]
            told = f"{lines.name}: the last {kind} has fewer lines than the one before it; was it cut?"
            lines.problems.append(told)
        return []
    if broken:
        apart = held[here[-1] + 1 :].any() or sections.kind[last] == kinds.VMSTAT
        whole = apart or (there.size and not fewer)
        return [_left_out(lines, -1 if whole else last)]
    if here[-1] != lines.last:
        return [_left_out(lines, last)] if fewer else []
    size = lines.end - lines.begin
    shorter = size[here[-1]] < size[there[-1]] if here.size == there.size else fewer
    lost = shorter if there.size else _lost_digits(lines, here, sections.kind[last] == kinds.PAGETYPEINFO)
    return [_left_out(lines, last)] if lost else []


def _lost_digits(lines: Lines, record: np.ndarray, is_pagetypeinfo: bool) -> bool:
    """Whether the last line of a text with one record is broken; if nothing tells, warn."""
    last = lines.last
    alike = record[lines.classes[record] == lines.classes[last]]
    if lines.raw(last).endswith(b")"):  # `protection: (0, 0)` of zoneinfo
        return False
    if alike.size > 1 and lines.classes[last] not in (scan.COUNTER, scan.BODY):
        # "%6lu " of free blocks, "%12lu " of pageblocks
        return _is_broken_row(
            lines, alike, 13 if is_pagetypeinfo and lines.classes[last] == scan.COUNTS else 7
        )
    told = f"{lines.where(last)}: the text ends without a line end; if it was cut, digits are missing"
    lines.problems.append(told)
    lines.warnings.append(told)
    return False


def _left_out(lines: Lines, section: int) -> Fault:
    return Fault(section, lines.last, lines.shown(lines.last), "a complete record", unfinished=True)


def _is_broken_row(lines: Lines, rows: np.ndarray, column: int) -> bool:
    """Whether the last row has fewer columns than the others or, as their padding tells, fewer digits.

    ``column``: bytes that the kernel prints for a number at least.
    """
    width, begin = lines.fields[rows, scan.WIDTH], lines.fields[rows, scan.VALUES]
    if width[-1] < width.max():
        return True
    if lines.classes[rows[-1]] == scan.INDICES:
        return re.search(rb"\.(\d{3}|-\d{2,3})$", lines.raw(rows[-1])) is None
    padded = lines.end[rows] - begin >= column * width
    return bool(padded[:-1].all() and not padded[-1])
