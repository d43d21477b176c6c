"""Measure a steady load before and after memory is compacted: ``sudo python3 record.py FOLDER``.

Builds effect.c and runs it in turns. In each turn the program fragments memory; whole blocks that are still free
are set aside as huge pages of hugetlbfs, which nobody touches. Then the same load twice: "before" and "after".
Between them its huge pages are broken to crumbs, so that it leaves nothing in order behind, and in every second
turn compact_memory is written once; the other turns are the control. Settings are changed meanwhile, and restored.
Writes

phases.csv    of each phase of each turn: whether the turn writes, nanoseconds it took, nanoseconds of CPU time of
              the program, of kcompactd and kswapd, of all CPUs together busy and in all, and stolen by the host
              (/proc/stat, in ticks of 10 ms); how much free memory in the zone Normal before the phase is of use to
              a huge page (free pages, and those in blocks of order 9 and up), blocks free in DMA32; huge pages the
              program has after it; counters of /proc/vmstat, to which other programs add.
faults.csv    of each huge page asked for: turn, phase, nanoseconds of the first write to it.

A turn is repeated where others gave back whole blocks before a load that was to find crumbs, and where compaction
gave the zone up before it had made room for the load. It stops where less memory is left to others than `LEFT`.
"""

from __future__ import annotations

import contextlib
import csv
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

MEBIBYTES, PAGES, PER_SECOND, TURNS, TRIES = 10752, 400, 400, 10, 4
LEFT = 4 << 20  # KiB
SPARE = 48  # free blocks not set aside: the last ones of DMA32 are not for requests like these
ORDER = 9
TICK = 10_000_000
THREADS = ("kcompactd0", "kswapd0")
COUNTERS = (
    "thp_fault_alloc", "thp_fault_fallback", "compact_stall", "compact_fail", "compact_success",
    "compact_migrate_scanned", "pgmigrate_success", "compact_daemon_wake",
)  # fmt: skip
HUGETLB = Path("/proc/sys/vm/nr_hugepages")
SETTINGS = {
    HUGETLB: "0",
    Path("/proc/sys/vm/compaction_proactiveness"): "0",  # what is fragmented stays so until somebody asks
    Path("/proc/sys/vm/percpu_pagelist_high_fraction"): "20000",  # what is given back is free at once
    Path("/sys/kernel/mm/transparent_hugepage/enabled"): "madvise",
    Path("/sys/kernel/mm/transparent_hugepage/defrag"): "madvise",  # who asks for a huge page compacts
}


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
            chosen = re.search(r"\[(\S+)\]", was)
            path.write_text(chosen[1] if chosen else was)


def meminfo(what: str) -> int:
    """A line of /proc/meminfo, in KiB."""
    return int(re.search(rf"{what}: *(\d+)", Path("/proc/meminfo").read_text())[1])


def free(zone: str) -> list[int]:
    """Free blocks of a zone by order."""
    line = next(line for line in Path("/proc/buddyinfo").read_text().splitlines() if f" {zone} " in line)
    return [int(number) for number in line.split()[4:]]


def blocks(*zones: str) -> int:
    """Free blocks that are large enough for a huge page."""
    return sum(n << (order - ORDER) for zone in zones for order, n in enumerate(free(zone)) if order >= ORDER)


def set_aside() -> None:
    """Take the blocks that are large enough for a huge page; some come late, from being shown to the host."""
    for _try in range(6):
        more = blocks("Normal", "DMA32") - SPARE
        if more > 0:
            HUGETLB.write_text(str(int(HUGETLB.read_text()) + more))
        time.sleep(1)
    print(f"{HUGETLB.read_text().strip()} blocks set aside", file=sys.stderr)


def threads() -> list[Path]:
    """Where the kernel tells of its threads that compact and reclaim in the background."""
    found = []
    for path in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):  # it may end meanwhile
            if path.read_text().strip() in THREADS:
                found.append(path.with_name("schedstat"))
    return found


def reading(of_threads: list[Path]) -> dict[str, int]:
    """All that is measured around a phase."""
    ticks = [int(number) for number in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    vmstat = dict(line.split() for line in Path("/proc/vmstat").read_text().splitlines())
    return {
        "threads_cpu_ns": sum(int(path.read_text().split()[0]) for path in of_threads),
        "machine_busy_ns": TICK * (sum(ticks[:3]) + sum(ticks[5:7])),
        "machine_ns": TICK * sum(ticks),
        "stolen_ns": TICK * ticks[7],
    } | {name: int(vmstat[name]) for name in COUNTERS}


def phase(
    process: subprocess.Popen[str], order: str, of_threads: list[Path]
) -> tuple[dict[str, int], list[int]]:
    """Have the program do one thing: what it took, and how long the single requests."""
    if meminfo("MemAvailable") < LEFT:
        raise SystemExit("too little memory is left to others")
    pages = [n << order for order, n in enumerate(free("Normal"))]
    elsewhere = blocks("DMA32")
    before = reading(of_threads)
    process.stdin.write(order + "\n")
    process.stdin.flush()
    said = [int(number) for number in process.stdout.readline().split()]
    after = reading(of_threads)
    huge = re.search(r"AnonHugePages: *(\d+)", Path(f"/proc/{process.pid}/smaps_rollup").read_text())
    row = {
        "ns": said[0], "cpu_ns": said[1], "free_pages": sum(pages), "suitable_pages": sum(pages[ORDER:]),
        "blocks_dma32": elsewhere, "huge_pages": int(huge[1]) >> 11,
    }  # fmt: skip
    return row | {name: after[name] - before[name] for name in before}, said[2:]


def turn(program: str, writes: bool) -> Iterator[tuple[str, dict[str, int], list[int]]]:
    """One fragmentation, one load, perhaps compaction, one load."""
    of_threads = threads()
    command = [program, *map(str, (MEBIBYTES, PAGES, PER_SECOND))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout.readline() != "ready\n":
                raise SystemExit("the program did not get ready")
            set_aside()
            time.sleep(1)
            yield "before", *phase(process, "load", of_threads)
            time.sleep(1)
            yield "break", *phase(process, "break", of_threads)
            time.sleep(1)
            if writes:
                os.sync()  # the kernel gives a zone up at a large dirty folio that it cannot split
                yield "write", *phase(process, "write", of_threads)
                yield "warm", *phase(process, "warm", of_threads)
            yield "after", *phase(process, "load", of_threads)
        finally:
            process.kill()
            HUGETLB.write_text("0")


def whole_turn(program: str, writes: bool) -> list[tuple[str, dict[str, int], list[int]]]:
    """A turn before whose loads memory was in crumbs, or was compacted far enough for a whole load."""
    for _try in range(TRIES):
        found = list(turn(program, writes))
        whole = {name: (row["suitable_pages"] >> ORDER) + row["blocks_dma32"] for name, row, _ in found}
        crumbs = [whole["before"]] if writes else [whole["before"], whole["after"]]
        if max(crumbs) <= 2 * SPARE and whole.get("warm", PAGES) >= PAGES:
            return found
        print("repeated:", whole, file=sys.stderr)
    raise SystemExit(f"{TRIES} times others gave back whole blocks, or compaction gave up")


def main(folder: Path) -> None:
    """Measure all, and write the tables into a folder."""
    here = Path(__file__).parent
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    with tempfile.TemporaryDirectory() as built, settings(), contextlib.ExitStack() as files:
        program = str(Path(built, "effect"))
        subprocess.run(["gcc", "-O2", "-Wall", "-o", program, str(here / "effect.c")], check=True)
        phases, faults = (csv.writer(files.enter_context((folder / name).open("w")), lineterminator="\n") for name in ("phases.csv", "faults.csv"))  # fmt: skip
        faults.writerow(["turn", "phase", "ns"])
        for number in range(TURNS):
            writes = number % 2 == 0
            os.sync()
            for name, row, first_writes in whole_turn(program, writes):
                if number == 0 and name == "before":
                    phases.writerow(["turn", "writes", "phase", *row])
                phases.writerow([number, int(writes), name, *row.values()])
                faults.writerows([number, name, ns] for ns in first_writes)
                print(number, name, row, file=sys.stderr)
            time.sleep(2)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
