"""Measure what moving a page costs by how many processes map it: ``sudo python3 record.py FOLDER``.

Builds page-migration.c, runs it with 1 to 128 mappings, in turns, and traces its write to compact_memory in an
instance of tracefs of its own, which is removed again. Two settings are changed meanwhile, and restored. Writes

batches.csv   of each call of migrate_pages() that moved pages of the program alone: mappings, turn, pages
              moved, nanoseconds. No event is traced inside of it.
pages.csv     of each run: mappings, turn, how many pages were pinned or not, and how many of them moved.
steps.csv     one batch with all events of its mappings: nanoseconds since it began, event, address of the page
              in the processes, page frame (of the old one in an entry that says "is moving", else of the new one),
              reason of a flush.

Half of each 2 MiB of the program's memory is free, so that compaction moves it. Pages of others that compaction
moves too are told apart by the page frames that the program says are its own.
"""

from __future__ import annotations

import bisect
import contextlib
import csv
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PAGES, PINNED, TURNS, ENOUGH, TRIES = 16384, 64, 3, 40, 40
MAPPINGS = (1, 2, 4, 8, 16, 32, 64, 128)
AROUND = (
    "compaction/mm_compaction_isolate_migratepages",
    "migrate/mm_migrate_pages_start",
    "migrate/mm_migrate_pages",
)
INSIDE = ("migrate/set_migration_pte", "migrate/remove_migration_pte", "tlb/tlb_flush")
LINE = re.compile(r"\s*\S+\s+\[\d+\]\s+\S+\s+(\d+): (\w+): (.*)")
NOT_PRESENT = 1  # bit of an entry of a page table: 0 where it is not of a page that is there
SWAP_OFFSET_SHIFT = 14  # x86-64: entries that are not present hold the inverted offset from this bit on
PFN_BITS = (1 << 34) - 1  # 46 bits of addresses; above them lie bits that say young and dirty

SETTINGS = {
    Path(
        "/proc/sys/vm/percpu_pagelist_high_fraction"
    ): "20000",  # what is given back is seen by compaction at once
    Path("/sys/kernel/mm/transparent_hugepage/enabled"): "madvise",
}

Event = tuple[int, str, str]


@contextlib.contextmanager
def settings() -> Iterator[None]:
    """Set what is measured under; as it was afterwards."""
    were = {path: path.read_text() for path in SETTINGS}
    try:
        for path, value in SETTINGS.items():
            path.write_text(value)
        yield
    finally:
        for path, was in were.items():
            chosen = re.search(r"\[(\w+)\]", was)
            path.write_text(chosen[1] if chosen else was)


@contextlib.contextmanager
def instance(events: tuple[str, ...]) -> Iterator[Path]:
    """A trace buffer of its own that keeps these events; gone afterwards."""
    with tempfile.TemporaryDirectory() as where:
        subprocess.run(["mount", "-t", "tracefs", "none", where], check=True)
        folder = Path(where, "instances", "page-migration")
        try:
            folder.mkdir()
            (folder / "trace_clock").write_text("x86-tsc")
            (folder / "buffer_size_kb").write_text("65536")
            for event in events:
                (folder / "events" / event / "enable").write_text("1")
            yield folder
        finally:
            if folder.exists():
                folder.rmdir()
            subprocess.run(["umount", where], check=True)


def run(program: str, mappings: int, pages: int, pinned: int, events: tuple[str, ...]) -> tuple[list[list[int]], list[Event]]:  # fmt: skip
    """Run the program once: what it says of its pages, and what its write to compact_memory did."""
    with instance(events) as traced:
        command = [program, *map(str, (mappings, pages, pinned))]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            if process.stdout is None or process.stdout.readline() != "ready\n":
                raise SystemExit(f"{command}: it did not get ready")
            (traced / "set_event_pid").write_text(str(process.pid))
            (traced / "trace").write_text("")
            os.sync()  # the kernel gives a zone up at a large dirty folio that it cannot split
            begin = mark(traced)
            out, _ = process.communicate("go\n")
            end = mark(traced)
        if process.returncode or not out.endswith("all hold\n"):
            raise SystemExit(f"{command}: {out[-200:]}")
        found = [LINE.match(line) for line in (traced / "trace").read_text().splitlines()]
    rows = [[int(number) for number in line.split(",")] for line in out.splitlines()[:-1]]
    ticks = [(int(m[1]), m[2], m[3]) for m in found if m]
    marks = [tick for tick, name, _ in ticks if name == "tracing_mark_write"]
    ns = (end - begin) / (marks[-1] - marks[0])
    return rows, [(round((tick - marks[0]) * ns), name, text) for tick, name, text in ticks]


def mark(traced: Path) -> int:
    """Write a line into the trace; the time of it."""
    with (traced / "trace_marker").open("w") as file:
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        file.write("now")
    return now


def batches(events: list[Event], frames: list[int]) -> Iterator[tuple[int, int, int]]:
    """First event, pages and duration (ns) of each call of migrate_pages() for pages of the program alone."""
    own, began, at = False, 0, 0
    for place, (when, name, text) in enumerate(events):
        if name == "mm_compaction_isolate_migratepages":
            start, end, taken = (int(x, 0) for x in re.findall(r"0x\w+|(?<=nr_taken=)\d+", text))
            own = 0 < taken == bisect.bisect_left(frames, end) - bisect.bisect_left(frames, start)
        elif name == "mm_migrate_pages_start":
            began, at = when, place
        elif name == "mm_migrate_pages" and own:
            moved, failed = (int(x) for x in re.findall(r"nr_(?:succeeded|failed)=(\d+)", text)[:2])
            if moved and not failed:
                yield at, moved, when - began
            own = False


def steps(program: str) -> list[list[object]]:
    """Events of a batch of 32 pages with four mappings each."""
    for _try in range(TRIES):
        rows, events = run(program, 4, PAGES, 0, AROUND + INSIDE)
        frames = sorted(row[1] for row in rows)
        begins = [at for at, moved, _ns in batches(events, frames) if moved == 32]
        if begins:
            return told(events, begins[len(begins) // 2])
    raise SystemExit(f"{TRIES} runs without a batch of 32 pages")


def told(events: list[Event], at: int) -> list[list[object]]:
    """Events of one call of migrate_pages()."""
    rows: list[list[object]] = []
    for when, name, text in events[at:]:
        address, entry = (re.search(rf"{what}=(\w+)", text) for what in ("addr", "pte"))
        frame = ""
        if entry:
            word = int(entry[1], 16)
            frame = str((word >> 12) & PFN_BITS if word & NOT_PRESENT else moving_frame(word))
        reason = re.search(r"reason:(.*) \(", text) if name == "tlb_flush" else None
        rows.append(
            [when - events[at][0], name, address[1] if address else "", frame, reason[1] if reason else ""]
        )
        if name == "mm_migrate_pages":
            break
    return rows


def moving_frame(word: int) -> int:
    """Page frame in an entry that stands for a page that is moving (x86-64, arch/x86/include/asm/pgtable_64.h)."""
    return ((~word & (1 << 64) - 1) << 5 & (1 << 64) - 1) >> SWAP_OFFSET_SHIFT & PFN_BITS


def many_batches(program: str, count: int) -> tuple[list[list[int]], list[tuple[int, int]]]:
    """Run until one run tells of enough batches: the kernel often gives a zone up before it gets to them."""
    for _try in range(TRIES):
        rows, events = run(program, count, PAGES, PINNED, AROUND)
        frames = sorted(row[1] for row in rows if not row[4])
        found = [(moved, ns) for _at, moved, ns in batches(events, frames)]
        if len(found) >= ENOUGH:
            return rows, found
    raise SystemExit(f"{count} mappings: {TRIES} runs with fewer than {ENOUGH} batches")


def main(folder: Path) -> None:
    """Measure all, and write the tables into a folder."""
    here = Path(__file__).parent
    with tempfile.TemporaryDirectory() as built, settings(), contextlib.ExitStack() as files:
        program = str(Path(built, "page-migration"))
        subprocess.run(["gcc", "-O2", "-Wall", "-o", program, str(here / "page-migration.c")], check=True)
        each, whole = (csv.writer(files.enter_context((folder / name).open("w")), lineterminator="\n") for name in ("batches.csv", "pages.csv"))  # fmt: skip
        each.writerow(["mappings", "turn", "pages", "ns"])
        whole.writerow(["mappings", "turn", "pinned", "pages", "moved"])
        for turn in range(TURNS):
            tries = list(MAPPINGS)
            random.Random(turn).shuffle(tries)  # noqa: S311
            for count in tries:
                rows, found = many_batches(program, count)
                each.writerows([count, turn, moved, ns] for moved, ns in found)
                for pinned in (0, 1):
                    of = [row for row in rows if row[4] == pinned]
                    whole.writerow([count, turn, pinned, len(of), sum(row[1] != row[2] for row in of)])
                print(f"turn {turn}, {count} mappings", file=sys.stderr)
        with (folder / "steps.csv").open("w") as file:
            out = csv.writer(file, lineterminator="\n")
            out.writerow(["ns", "event", "address", "frame", "reason"])
            out.writerows(steps(program))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
