"""Sections of a text: one printed file with one time stamp each."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .lines import Lines

KINDS = (
    "buddyinfo",
    "pagetypeinfo",
    "zoneinfo",
    "vmstat",
    "extfrag_index",
    "unusable_index",
    "buddyinfo_after",
    "header",
)


@dataclass
class Sections:
    """Sections of one text, in the order of the file."""

    kind: np.ndarray
    stamp: np.ndarray  # ns on the file's clock
    stamp_line: np.ndarray  # -1: none
    same: np.ndarray  # 1: buddyinfo was re-read and had not changed, 0: it had, -1: not told
    section_of: np.ndarray  # section of every line, -1: none
    clock: str  # wall, monotonic or none
    offset: int | None = None  # wall minus monotonic, from a header
    facts: dict[str, str | int] = field(default_factory=dict)

    def of_kind(self, *which: int) -> np.ndarray:
        """Numbers of the sections of some kinds."""
        return np.flatnonzero(np.isin(self.kind, which))

    def sample_of(self, chosen: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Position among the chosen sections of the section that each line stands in."""
        position = np.full(self.kind.size, -1, np.int64)
        position[chosen] = np.arange(chosen.size)
        return position[self.section_of[rows]]

    def rows(self, lines: Lines, kind: int, *classes: int) -> np.ndarray:
        """Lines of given classes in sections of one kind."""
        held = np.isin(lines.classes, classes) & (self.section_of >= 0)
        rows = np.flatnonzero(held)
        return rows[self.kind[self.section_of[rows]] == kind]
