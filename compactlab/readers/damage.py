"""What happens to damaged records: the tail of a file is kept apart, the middle is an error or skipped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .errors import ParseError
from .lines import Lines

SKIP_HINT = 'Correct the file, or read it with on_error="skip" to leave this record out'
_MOST = 100  # sentences about one file


@dataclass
class Fault:
    """One damaged place: the section it spoils (-1: none) and the words for the error."""

    section: int
    line: int
    found: str
    expected: str
    hint: str = SKIP_HINT
    unfinished: bool = False  # looks like the end of a record that was being written


@dataclass
class Settled:
    """Sections to leave out, and what to tell about them."""

    dropped: np.ndarray
    problems: list[str]
    warnings: list[str]


def settle(lines: Lines, faults: list[Fault], n_sections: int, on_error: str) -> Settled:
    """Decide on all faults of one file.

    Raises
    ------
    ParseError
        For the first fault that is neither a cut tail nor to be skipped, or if nothing is left.
    """
    settled = Settled(np.zeros(n_sections, bool), [], [])
    told_of: set[int] = set()
    untold = 0
    for fault in sorted(faults, key=lambda fault: (fault.line, -fault.section)):
        error = ParseError(lines.where(fault.line), fault.found, fault.expected, fault.hint)
        known = settled.dropped[fault.section] if fault.section >= 0 else fault.line in told_of
        if known:
            continue
        told_of.add(fault.line)
        if fault.unfinished or (lines.cut and fault.line == lines.last):
            what = "the last record is incomplete and" if fault.section >= 0 else "the end of the text"
            told = f"{lines.where(fault.line)}: {what} was left out ({fault.found})"
            settled.warnings.append(told)
        elif on_error == "raise":
            raise error
        else:
            told = f"{lines.where(fault.line)}: skipped: found {fault.found}; expected {fault.expected}"
        if len(settled.problems) < _MOST:
            settled.problems.append(told)
        else:
            untold += 1
        if fault.section >= 0:
            settled.dropped[fault.section] = True
        if n_sections and settled.dropped.all():
            raise ParseError(
                lines.where(fault.line),
                fault.found,
                fault.expected,
                "No complete record is left; record again, or read another copy of the file",
            )
    if untold:
        settled.problems.append(f"{lines.name}: skipped {untold} more")
    return settled
