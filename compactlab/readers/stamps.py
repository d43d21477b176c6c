"""Lines that tell the time, in the shapes people print them."""

from __future__ import annotations

import re

import numpy as np

from compactlab.core import stamps as scan
from compactlab.core import text

from .damage import Fault
from .lines import Lines

_ABSENT = "{}: the time stamps name no time zone and were read as UTC"
_UNKNOWN = "{}: the time zone abbreviation in {!r} has no certain meaning; times were read as UTC"

_DATE = rb"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? +(?:[a-z]{3,9} +)?\d|\d{4}[-/]\d\d[-/]\d\d|(?:19|20)\d{6}[-_T ])"
_LABELLED = re.compile(  # `Time: ...`, `--- tick 3 ... ---`, `Every 1.0s: cat ...   host: ...`, `timestamp=...`
    rb"(?:Every .*?: +|\W*(?:[a-z_]\w*\W+|\d{1,6}\W+){1,3}?)(?=" + _DATE + rb")"
    rb"|\W*\w*(?:time|date|stamp|epoch|ts|tick|now|sample)\w*\W+(?:\w*\W+)?(?=\d{10,19}(?:\.\d+)?\W*$)",
    re.IGNORECASE,
)


def read_stamps(lines: Lines, candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Time in ns since 1970 (UTC) of every line, and whether the line is a stamp at all."""
    time = np.zeros(lines.begin.size, np.int64)
    stamped = np.zeros(lines.begin.size, bool)
    time[candidates], zone = scan.stamps(lines.data, lines.begin[candidates], lines.end[candidates])
    for i in np.flatnonzero(zone == text.NO_STAMP).tolist():
        line = candidates[i]
        if label := _LABELLED.match(lines.raw(line)):
            time[line], zone[i] = scan.stamp(lines.data, lines.begin[line] + label.end(), lines.end[line])
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
        how, advice = _SAME_TIME if time[i] == time[before] else _EARLIER
        found = f"{lines.shown(this)}, {how} {lines.shown(that)} on line {lines.number(that)}"
        hint = f'{advice}, or read with on_error="skip" to leave such records out'
        faults.append(Fault(int(sections[i]), this, found, "stamps that rise", hint))
    return faults


_SAME_TIME = "the same time as", "Record finer stamps (`date +%s%N`)"
_EARLIER = (
    "an earlier time than",
    "If the clock was set back or summer time ended, cut the file there and read its parts apart "
    "(`date +%s` knows no summer time)",
)
