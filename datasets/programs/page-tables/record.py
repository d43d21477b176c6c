"""Record what the kernel charges for the page tables of many mappings: ``sudo python3 record.py > measured.csv``.

Builds page-tables.c, runs it once for every mapping, and restores the settings it changes. Needs Linux, gcc
and root (for huge pages of every kind). One line of the table is one range; mappings of several ranges have
several lines, with the same measured numbers.
"""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

MM = Path("/sys/kernel/mm")
KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40
AT = 16 * TIB  # far from everything else a program has: all upper tables are its own

FIELDS = [
    *("mapping", "start", "length", "every", "backing", "page_size"),
    *("processes", "then", "touched", "after", "unmapped", "huge"),
]

# mapping: processes (0: the program itself), what is done then, ranges of (start, length, every, backing, page)
MAPPINGS = {
    "one page": (0, "nothing", [(AT, 4 * KIB, 4 * KIB, "small", 4 * KIB)]),
    "never touched": (0, "nothing", [(AT, 64 * MIB, 4 * KIB, "none", 4 * KIB)]),
    "only read": (0, "nothing", [(AT, 64 * MIB, 4 * KIB, "read", 4 * KIB)]),
    "2 MiB": (0, "nothing", [(AT, 2 * MIB, 4 * KIB, "small", 4 * KIB)]),
    "2 MiB, one page off": (0, "nothing", [(AT + 4 * KIB, 2 * MIB, 4 * KIB, "small", 4 * KIB)]),
    "two pages at a border of 512 GiB": (0, "nothing", [(AT - 4 * KIB, 8 * KIB, 4 * KIB, "small", 4 * KIB)]),
    "64 MiB": (0, "dontneed", [(AT, 64 * MIB, 4 * KIB, "small", 4 * KIB)]),
    "1 GiB": (0, "nothing", [(AT, GIB, 4 * KIB, "small", 4 * KIB)]),
    "every third page": (0, "nothing", [(AT, 63 * MIB, 12 * KIB, "small", 4 * KIB)]),
    "a page in every 2 MiB": (0, "nothing", [(AT, GIB, 2 * MIB, "small", 4 * KIB)]),
    "a page in every 1 GiB": (0, "nothing", [(AT, 64 * GIB, GIB, "small", 4 * KIB)]),
    "a page in every 512 GiB": (0, "nothing", [(AT, 4 * TIB, 512 * GIB, "small", 4 * KIB)]),
    "a page in every 4,938,268 KiB": (
        *(0, "nothing"),
        [(AT, 400 * 4_938_268 * KIB, 4_938_268 * KIB, "small", 4 * KIB)],
    ),
    "1 GiB of 64 KiB folios": (0, "nothing", [(AT, GIB, 64 * KIB, "thp", 64 * KIB)]),
    "1 GiB of transparent huge pages": (0, "dontneed", [(AT, GIB, 2 * MIB, "thp", 2 * MIB)]),
    "64 MiB of transparent huge pages": (0, "mprotect", [(AT, 64 * MIB, 2 * MIB, "thp", 2 * MIB)]),
    "the huge zero page": (0, "nothing", [(AT, 64 * MIB, 2 * MIB, "read", 2 * MIB)]),
    "a huge page in every 1 GiB": (
        *(0, "nothing"),
        [(AT + n * GIB, 2 * MIB, 2 * MIB, "thp", 2 * MIB) for n in range(8)],
    ),
    "1 GiB shared": (0, "nothing", [(AT, GIB, 4 * KIB, "shared", 4 * KIB)]),
    "1 GiB shared, transparent huge pages": (0, "nothing", [(AT, GIB, 2 * MIB, "sharedthp", 2 * MIB)]),
    "1 GiB from the pool, 2 MiB pages": (0, "nothing", [(AT, GIB, 2 * MIB, "hugetlb", 2 * MIB)]),
    "1 GiB from the pool, one page": (0, "nothing", [(AT, GIB, GIB, "hugetlb", GIB)]),
    "two ranges in one table": (
        *(0, "nothing"),
        [
            (AT, 16 * KIB, 4 * KIB, "small", 4 * KIB),
            (AT + MIB, 16 * KIB, 4 * KIB, "small", 4 * KIB),
            (AT + 4 * MIB, 8 * MIB, 2 * MIB, "thp", 2 * MIB),
        ],
    ),
    "64 MiB after fork": (0, "fork", [(AT, 64 * MIB, 4 * KIB, "small", 4 * KIB)]),
    "64 MiB of transparent huge pages after fork": (
        *(0, "fork"),
        [(AT, 64 * MIB, 2 * MIB, "thp", 2 * MIB)],
    ),
    "64 MiB shared by 8": (8, "nothing", [(AT, 64 * MIB, 4 * KIB, "shared", 4 * KIB)]),
    "64 MiB shared by 8, transparent huge pages": (
        *(8, "nothing"),
        [(AT, 64 * MIB, 2 * MIB, "sharedthp", 2 * MIB)],
    ),
}


def main() -> None:
    """Run every mapping and print the table."""
    rows = csv.DictWriter(sys.stdout, FIELDS, lineterminator="\n")
    rows.writeheader()
    with TemporaryDirectory() as folder:
        program = Path(folder, "page-tables")
        source = Path(__file__).with_name("page-tables.c")
        subprocess.run(["gcc", "-O1", "-Wall", "-Wextra", "-o", program, source], check=True)
        for mapping, (processes, then, ranges) in MAPPINGS.items():
            with settings(ranges):
                measured = run(program, processes, then, ranges)
            for start, length, every, backing, page_size in ranges:
                values = [mapping, hex(start), length, every, backing, page_size, processes, then, *measured]
                rows.writerow(dict(zip(FIELDS, values, strict=True)))


def run(program: Path, processes: int, then: str, ranges: list[tuple[int, int, int, str, int]]) -> list[int]:
    """Numbers the program prints for one mapping."""
    words = [str(word) for range_ in ranges for word in range_[:4]]
    command = [program, "-n", str(processes), "-t", then, *words]
    told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return [int(number) for number in told.stdout.split(",")]


@contextmanager
def settings(ranges: list[tuple[int, int, int, str, int]]) -> Iterator[None]:
    """Make the system give pages of the sizes that are wanted, for as long as it is needed."""
    wanted: dict[Path, str] = {}
    for _, length, _, backing, page_size in ranges:
        if backing == "hugetlb":
            pool = MM / "hugepages" / f"hugepages-{page_size // KIB}kB" / "nr_hugepages"
            wanted[pool] = str(length // page_size)
        if backing == "sharedthp":
            wanted[MM / "transparent_hugepage" / "shmem_enabled"] = "advise"
        if backing == "thp":
            wanted[MM / "transparent_hugepage" / "enabled"] = "madvise"
        if page_size == 64 * KIB:
            wanted[MM / "transparent_hugepage" / "hugepages-64kB" / "enabled"] = "madvise"
            wanted[MM / "transparent_hugepage" / "hugepages-2048kB" / "enabled"] = "never"
    before = {file: chosen(file.read_text()) for file in wanted}
    try:
        for file, value in wanted.items():
            file.write_text(value)
            if chosen(file.read_text()) != value:
                raise SystemExit(f"{file}: {value} was asked for, {chosen(file.read_text())} was got")
        yield
    finally:
        for file, value in before.items():
            file.write_text(value)


def chosen(text: str) -> str:
    """The value of a setting; one of several is in brackets."""
    return text.split("[")[1].split("]")[0] if "[" in text else text.strip()


if __name__ == "__main__":
    main()
