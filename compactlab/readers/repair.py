"""Undoes what mail, logs and terminals do to pasted kernel text."""

from __future__ import annotations

import quopri
import re

import numpy as np

_QUOTED_PRINTABLE = re.compile(rb"=20\r?$|=\r?$|=3D", re.M)
_QUOTE = re.compile(rb"(?:>(?!\d) ?)+")
_PREFIX = re.compile(
    rb"\s*\S.*?(?=Node +\d+, zone|Page block order:|Pages per block:|Free pages count per"
    rb"|Number of (?:mixed )?blocks)"
    rb"|\s+(?=Node +\d+, zone)"
)
_NAME = re.compile(  # grep -H, with or without -n
    rb"(?:/?(?:[\w.-]+/)*(?:buddyinfo|pagetypeinfo|zoneinfo|vmstat|extfrag_index|unusable_index))[:-](?:\d+[:-])?"
)
_TERMINAL = re.compile(rb"\x1b\[(?:[\d;]*m|\d*[KJ]|H)")  # colours, and what clears a line or the screen
_STAMP = re.compile(
    rb"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?Z| ?[+-]\d\d:?\d\d)?"
    rb"|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) .{6,8} \d\d:\d\d:\d\d .*?\d{4}|(?<![\w.])\d{10}(?:\.\d+|\d{9})?(?![\w.])"
)
_ZONE = re.compile(rb"Node +(\d+), zone +(\w+)(?:, type +(\w+))?")
_NUMBERS = re.compile(rb"\s*>?[\d.-]+(?:\s+>?[\d.-]+)*\s*")
_WORDS = re.compile(rb"\s*[A-Z]\w+(?:\s+[A-Z]\w+)*\s*")
_ROW = re.compile(rb"Node +\d+, zone|Free pages count")
_UNFINISHED = re.compile(rb"Node +\d+,(?: zone)?$|Node .*(?:,|\btype)$")


def repair(content: bytes) -> tuple[bytes, np.ndarray, list[str]] | None:
    """Undo known damage.

    Returns
    -------
        The mended text, the line number in ``content`` of each of its lines, and what was done
        in words; None if nothing was found to mend.
    """
    lines = [(number, line.rstrip(b"\r")) for number, line in enumerate(content.split(b"\n"), 1)]
    done: list[str] = []
    for what, mend in (
        ("control characters of the terminal were removed", _untint),
        ("file names before the lines were removed", _strip_names),
        ("blanks before all lines were removed", _dedent),
        ("mail quotes were removed", _unquote),
        ("quoted-printable was decoded", _decode),
        ("times before the rows were put on lines of their own", _part_stamps),
        ("prefixes before the rows were removed", _strip_prefixes),
        ("wrapped rows were joined", _join_rows),
    ):
        mended = mend(lines)
        if mended != lines:
            lines, done = mended, [*done, what]
    if not done:
        return None
    return b"\n".join(line for _, line in lines), np.array([number for number, _ in lines]), done


_Numbered = list[tuple[int, bytes]]


def _untint(lines: _Numbered) -> _Numbered:
    return [(number, _TERMINAL.sub(b"", line)) for number, line in lines]


def _strip_names(lines: _Numbered) -> _Numbered:
    return [(number, line[match.end() :] if (match := _NAME.match(line)) else line) for number, line in lines]


def _dedent(lines: _Numbered) -> _Numbered:
    indent = min((len(line) - len(line.lstrip(b" \t")) for _, line in lines if line.strip()), default=0)
    return [(number, line[indent:]) for number, line in lines]


def _part_stamps(lines: _Numbered) -> _Numbered:
    """Give each snapshot the time before its first row, unless rows of several files make that unsure."""
    if any(line.find(b"Pages per block:") >= 0 for _, line in lines):
        return lines
    parted: _Numbered = []
    seen: set[tuple[bytes, ...]] = set()
    for number, line in lines:
        row = _ZONE.search(line)
        if row and row.start() and (row.groups() in seen or not seen):
            if stamp := _STAMP.search(line, 0, row.start()):
                parted.append((number, stamp[0]))
            seen.clear()
        if row:
            seen.add(row.groups())
        parted.append((number, line))
    return parted


def _unquote(lines: _Numbered) -> _Numbered:
    return [
        (number, line[match.end() :] if (match := _QUOTE.match(line)) else line) for number, line in lines
    ]


def _decode(lines: _Numbered) -> _Numbered:
    if not any(_QUOTED_PRINTABLE.search(line) for _, line in lines):
        return lines
    decoded: _Numbered = []
    soft = False
    for number, line in lines:
        text = quopri.decodestring(line.removesuffix(b"="))
        if soft:
            number, begun = decoded.pop()
            text = begun + text
        soft = line.endswith(b"=")
        decoded.append((number, text))
    return decoded


def _strip_prefixes(lines: _Numbered) -> _Numbered:
    return [
        (number, line[match.end() :] if (match := _PREFIX.match(line)) else line) for number, line in lines
    ]


def _join_rows(lines: _Numbered) -> _Numbered:
    joined: _Numbered = []
    for number, line in lines:
        before = joined[-1][1] if joined else b""
        continues = (
            _ROW.match(before)
            and _NUMBERS.fullmatch(line)
            and not re.fullmatch(rb"\s*\d{9,}(\.\d+)?\s*", line)
        ) or (before.startswith(b"Number of") and _WORDS.fullmatch(line))
        if continues or (_UNFINISHED.match(before.rstrip()) and line.strip()):
            joined[-1] = (joined[-1][0], before.rstrip() + b" " + line.lstrip())
        else:
            joined.append((number, line))
    return joined
