"""Rows of the one table: a thing to do, and how long each way of doing it takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

REPEATS = 5


@dataclass(frozen=True)
class Row:
    """One measured way of doing one thing; `unit` is s or frames/s."""

    task: str
    way: str
    value: float
    unit: str = "s"
    note: str = ""


def median_seconds(call: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median time of a call."""

    def seconds() -> float:
        start = time.perf_counter()
        call()
        return time.perf_counter() - start

    return statistics.median(seconds() for _ in range(repeats))


def measured(task: str, ways: dict[str, Callable[[], object]]) -> list[Row]:
    """Rows of one task; the first way is ours and runs once before, so that compilation is not measured."""
    next(iter(ways.values()))()
    rows = [Row(task, way, median_seconds(call)) for way, call in ways.items()]
    return [rows[0], *(_with_ratio(row, rows[0]) for row in rows[1:])]


def _with_ratio(row: Row, ours: Row) -> Row:
    return Row(row.task, row.way, row.value, row.unit, f"{row.value / ours.value:.1f} times compactlab's")


def lines(rows: Iterable[Row]) -> list[str]:
    """Print the table as Markdown."""
    head = ["| task | way | median | |", "|---|---|---|---|"]
    return head + [f"| {row.task} | {row.way} | {row.value:.3g} {row.unit} | {row.note} |" for row in rows]
