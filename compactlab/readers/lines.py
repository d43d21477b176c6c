"""A text cut to classified lines; every position in an error message comes from here."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from compactlab import schema
from compactlab.core import text as scan

from .errors import UnknownFormatError


@dataclass
class Lines:
    """Lines of one file: bytes, begin and end of each line, its class and fields (core.text)."""

    name: str
    data: np.ndarray
    begin: np.ndarray
    end: np.ndarray
    classes: np.ndarray
    fields: np.ndarray
    cut: bool  # the text ends in the middle of a line, or its archive was cut
    numbers: np.ndarray | None = None  # line numbers in the original file, where a repair joined lines
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)  # those problems that ask for a ReadWarning

    def __getitem__(self, line: int) -> str:
        return self.raw(line).decode("utf-8", "backslashreplace")

    def raw(self, line: int) -> bytes:
        """Bytes of a line."""
        return self.data[self.begin[line] : self.end[line]].tobytes()

    def shown(self, line: int) -> str:
        """Begin of a line in quotes, for messages."""
        raw = self.raw(line)
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            return f"bytes that are not UTF-8 text, {raw[:40]!r}"
        return repr(text if len(text) <= 100 else text[:100] + "…")

    def number(self, line: int) -> int:
        """Line number in the original file, from 1."""
        return int(line + 1 if self.numbers is None else self.numbers[line])

    def where(self, line: int) -> str:
        """Name of the file and number of the line, for messages."""
        return f"{self.name}, line {self.number(line)}"

    def words(self, lines: np.ndarray, column: int) -> tuple[np.ndarray, list[str]]:
        """Give numbers to the words in one field of some lines: id(line), and the words."""
        begin, end = self.fields[lines, column], self.fields[lines, column + 1]
        ids, first = scan.intern(self.data, begin, end)
        return ids, [bytes(self.data[begin[i] : end[i]]).decode() for i in first]

    @cached_property
    def last(self) -> int:
        """The last line that holds anything."""
        held = np.flatnonzero(self.classes != scan.BLANK)
        return int(held[-1]) if held.size else -1


def cut_lines(name: str, content: bytes, *, cut: bool = False, numbers: np.ndarray | None = None) -> Lines:
    """Cut a text to lines and classify them."""
    data = np.frombuffer(content, np.uint8)
    begin, end = scan.lines(data)
    classes, fields = scan.classify(data, begin, end)
    ends_open = not content.endswith(b"\n")
    return Lines(name, data, begin, end, classes, fields, cut or ends_open, numbers)


def zones_of(lines: Lines, rows: np.ndarray) -> tuple[np.ndarray, list[int], list[str]]:
    """Zone of every row as a position among all zones, in the kernel's order: zone(row), nodes, names."""
    ids, names = lines.words(rows, scan.NAME)
    codes = lines.fields[rows, scan.NUMBER] * len(names) + ids
    distinct, zone = np.unique(codes, return_inverse=True)
    pairs = [(int(code // len(names)), names[code % len(names)]) for code in distinct]
    ranked = sorted(range(len(pairs)), key=lambda i: zone_rank(*pairs[i]))
    position = np.empty(len(pairs), np.int64)
    position[ranked] = np.arange(len(pairs))
    return position[zone], [pairs[i][0] for i in ranked], [pairs[i][1] for i in ranked]


def zone_rank(node: int, name: str) -> tuple[int, int, str]:
    """Sort key of a zone: node, then the kernel's order of names.

    >>> sorted([(0, "Normal"), (1, "DMA"), (0, "DMA32")], key=lambda zone: zone_rank(*zone))
    [(0, 'DMA32'), (0, 'Normal'), (1, 'DMA')]
    """
    known = schema.ZONE_NAMES
    return node, known.index(name) if name in known else len(known), name


def bad_row(lines: Lines, line: int) -> tuple[str, str]:
    """Say what is wrong with a row that the scanner refused: found, expected."""
    text = lines[line]
    values = text.split("zone", 1)[1].split(",")[-1].split()[1:] if "zone" in text else []
    values = values[1:] if ", type" in text and values and not values[0][0].isdigit() else values
    for value in values:
        if value.startswith("-") and value[1:].isdigit():
            return f"the negative count {value[:40]!r}", "counts of free blocks, zero or more"
        if value.isdigit() and (len(value) > 18 or int(value) > 1 << 40):
            return f"the count {value[:40]!r}, more memory than any machine has", "counts of free blocks"
        if not value.removeprefix(">").isdigit():
            return f"{value[:40]!r}", "a count of free blocks"
    return lines.shown(line), "'Node N, zone NAME' and one count of free blocks per order"


def not_text(
    name: str, found: str, hint: str = "Pass the output of `cat` on one of them, or a recording"
) -> UnknownFormatError:
    """Make the error for a file that holds none of the formats."""
    return UnknownFormatError(name, found, f"one of {FORMATS}", hint)


FORMATS = (
    "/proc/buddyinfo, /proc/pagetypeinfo, /proc/zoneinfo, /proc/vmstat, "
    "debugfs extfrag_index or unusable_index, alone or as a loop with time stamps"
)
