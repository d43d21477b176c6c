"""Lines that tell the time, in the shapes people print them."""

from __future__ import annotations

import numpy as np

from compactlab.core import stamps as scan
from compactlab.core import text

from .damage import Fault
from .lines import Lines

_ABSENT = "{}: the time stamps name no time zone and were read as UTC"
_UNKNOWN = "{}: the time zone abbreviation in {!r} has no certain meaning; times were read as UTC"


def read_stamps(lines: Lines, candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Time in ns since 1970 (UTC) of every line, and whether the line is a stamp at all."""
    time = np.zeros(lines.begin.size, np.int64)
    stamped = np.zeros(lines.begin.size, bool)
    time[candidates], zone = scan.stamps(lines.data, lines.begin[candidates], lines.end[candidates])
    stamped[candidates] = zone != text.NO_STAMP
    unknown = candidates[zone == text.ZONE_UNKNOWN]
    if unknown.size:
        lines.problems.append(_UNKNOWN.format(lines.name, lines[int(unknown[0])]))
    elif (zone == text.ZONE_ABSENT).any():
        lines.problems.append(_ABSENT.format(lines.name))
    return time, stamped


def misordered(lines: Lines, stamp: np.ndarray, stamp_line: np.ndarray, sections: np.ndarray) -> list[Fault]:
    """Faults of records of one kind whose stamps do not rise.

    Parameters
    ----------
    lines
        The text.
    stamp, stamp_line
        Time and line of the stamp of every section.
    sections
        Sections of one kind, in the order of the file.
    """
    time = stamp[sections]
    if time.size < 2:
        return []
    latest = np.maximum.accumulate(time)
    faults = []
    for i in (np.flatnonzero(time[1:] <= latest[:-1]) + 1).tolist():
        before = int(np.argmax(time[:i]))
        this, that = int(stamp_line[sections[i]]), int(stamp_line[sections[before]])
        how = "the same time" if time[i] == time[before] else "an earlier time"
        faults.append(
            Fault(
                int(sections[i]),
                this,
                f"{lines[this]!r}, {how} than {lines[that]!r} on line {lines.number(that)}".replace(
                    "same time than", "same time as"
                ),
                "stamps that rise",
                'Record finer stamps (`date +%s%N`), or read with on_error="skip" to leave such records out',
            )
        )
    return faults
