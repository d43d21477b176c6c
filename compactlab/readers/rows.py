"""Rows of the kernel's tables: where each goes in an array, and what may be wrong with them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from compactlab.core import text as scan

from .damage import Fault
from .lines import Lines, zones_of
from .sections import Sections


class Parsed(NamedTuple):
    """What a format found: a Dataset with a time dimension, and which section each time came from."""

    dataset: xr.Dataset
    sections: np.ndarray  # section(time)
    faults: list[Fault]
    unusable_index: np.ndarray | None = None  # where its section is another one: section(time), -1: none


def place(
    lines: Lines, sections: Sections, chosen: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray, list[int], list[str]]:
    """Where rows go: sample(row), zone(row), and the nodes and names of the zones."""
    return sections.sample_of(chosen, rows), *zones_of(lines, rows)


def table_faults(
    lines: Lines, sections: Sections, rows: np.ndarray, sample: np.ndarray, key: np.ndarray
) -> list[Fault]:
    """Rows of one zone that differ in their number of columns, or stand twice in a record."""
    faults = []
    width = lines.fields[rows, scan.WIDTH]
    _, first, back = np.unique(key, return_index=True, return_inverse=True)
    for i in np.flatnonzero(width != width[first][back]).tolist():
        like = int(rows[first[back[i]]])
        faults.append(
            Fault(
                int(sections.section_of[rows[i]]),
                int(rows[i]),
                f"{width[i]} columns in {lines.shown(rows[i])}",
                f"{width[first[back[i]]]}, as for the same zone on line {lines.number(like)}",
            )
        )
    codes = sample * (key.max() + 1) + key
    repeated = np.ones(codes.size, bool)
    repeated[np.unique(codes, return_index=True)[1]] = False
    for i in np.flatnonzero(repeated).tolist():
        what = lines[rows[i]].split("  ")[0][:40]
        faults.append(
            Fault(
                int(sections.section_of[rows[i]]), int(rows[i]), f"a second row {what!r}", "one row per zone"
            )
        )
    return faults
