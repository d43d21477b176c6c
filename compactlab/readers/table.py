"""Comma-separated tables beside a recording."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field

import numpy as np

from .errors import ParseError

_HINT = "Correct the table, or read the other files without it"


@dataclass
class Table:
    """A table with a header line, all cells as text."""

    name: str
    columns: tuple[str, ...]
    rows: list[list[str]]
    problems: list[str] = field(default_factory=list)

    def integers(self, column: str) -> np.ndarray:
        """One column as int64."""
        at = self.columns.index(column)
        try:
            return np.array([int(row[at]) for row in self.rows], np.int64)
        except (ValueError, OverflowError):
            for line, row in enumerate(self.rows, 2):
                if not row[at].lstrip("-").isdigit() or len(row[at]) > 18:
                    raise ParseError(
                        f"{self.name}, line {line}", f"{row[at]!r} as {column}", "a whole number", _HINT
                    ) from None
            raise

    def texts(self, column: str) -> np.ndarray:
        """One column as text."""
        return np.array([row[self.columns.index(column)] for row in self.rows], object)


def read_table(name: str, content: bytes) -> Table:
    """Read a table; rows must be as long as the header, and a last line without its end is left out."""
    rows = list(csv.reader(io.StringIO(content.decode("utf-8", "backslashreplace"))))
    columns, problems = tuple(rows[0]), []
    if not content.endswith(b"\n") and len(rows) > 1:
        problems.append(f"{name}, line {len(rows)}: the last row is incomplete and was left out")
        del rows[-1]
    for line, row in enumerate(rows[1:], 2):
        if len(row) != len(columns):
            raise ParseError(
                f"{name}, line {line}", f"{len(row)} cells", f"{len(columns)}, as in the header", _HINT
            )
    return Table(name, columns, rows[1:], problems)
