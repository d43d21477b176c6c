"""How fast the simulated kernel is; ``python -m benchmarks.speed [--recordings FOLDER] [part ...]``.

Parts: recordings (whole-zone compaction beside what the kernel took), allocator (beside C), scale (a zone
filled, fragmented and compacted, 1 to 256 GiB), compiling (the first call, and later processes).
Seconds are those of the processor, so that other programs on the machine count as little as can be; those
of whole processes are the clock's.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr

import compactlab as cl
from compactlab.core import memory as m
from compactlab.core.buddy import free_one_page, rmqueue, set_kind
from compactlab.core.byreference import by_reference
from compactlab.core.jit import jit
from compactlab.core.lru import lru_add, lru_del
from compactlab.core.manual import begin_compaction, compact_some
from compactlab.metrics.fidelity import outcome
from compactlab.readers.errors import ParseError
from compactlab.simulation.build import Budgets, build
from compactlab.simulation.zone import Zone

from . import allocator
from .table import Row, lines

SHIPPED = Path(__file__).parents[1] / "datasets"
MANY = 100_000  # migrated pages from which on the ratio counts
TARGET = 30
GIB = (1, 4, 16, 64, 256)
KEPT_OF_BLOCK = 4  # one page in so many stays
STEPS = ("make", "fill", "fragment", "compact")
RUNS = 3
ALL = 1 << 60

FIRST_RESULTS = """
import time
start = time.perf_counter()
import compactlab as cl
cl.compact_zone(cl.Zone("256 MiB"))
print(time.perf_counter() - start)
cl.simulate(cl.Zone("64 MiB"), cl.workloads.idle(seconds=1), samples=3)
print(time.perf_counter() - start, time.process_time())
"""


def compact(memory: m.Memory) -> None:
    """Compact the first zone whole, as a write to /proc/sys/vm/compact_memory does."""
    begin_compaction(memory, m.DIRECT_CONTROL, 0, -1, m.MOVABLE, m.SYNC, m.MANUAL, 2, 0)
    compact_some(memory, m.DIRECT_CONTROL, ALL)


def restore(memory: m.Memory, saved: list[np.ndarray]) -> None:
    """Bring all arrays back to what they were."""
    for array, before in zip(memory, saved, strict=True):
        np.copyto(array, before)


def read_compaction(path: Path) -> xr.DataTree | None:
    """Read a recording of a manual compaction with its page maps; None if it is not one."""
    try:
        run = cl.read(path)
    except ParseError:
        return None
    if "pages" not in run.children or "events" not in run.children:
        return None
    return run if (run["events"]["mode"].values == "MIGRATE_SYNC").any() else None


def recordings(folder: Path) -> Iterator[Row]:
    """Compact each recorded page map that the kernel compacted on request."""
    for path in sorted(each for each in folder.iterdir() if each.is_dir()):
        run = read_compaction(path)
        if run is None:
            continue
        zone = Zone.from_pages(run)
        told = outcome(run, zone.label)
        memory = build([zone])
        saved = [array.copy() for array in memory]
        seconds = []
        for _ in range(6):
            restore(memory, saved)
            start = time.process_time()
            compact(memory)
            seconds.append(time.process_time() - start)
        ours, migrated = statistics.median(seconds[1:]), int(memory.control[0].nr_migrated)
        ratio = int(told.duration_ns) / 1e9 / ours
        says = f"{ratio:.0f} times the kernel ({int(told.duration_ns) / 1e6:.0f} ms), {migrated:,} pages migrated"
        if int(told.migrated) > MANY and ratio < TARGET:
            says += f"; below {TARGET}"
        yield Row(f"compact {path.name}", "compactlab", ours * 1000, "ms", says)


@jit
def fill(of: m.Memory) -> int:
    """Give all free pages to one owner, page by page; returns how many."""
    memory = by_reference(of)
    pages = 0
    while True:
        page = rmqueue(memory, 0, 0, m.MOVABLE, 0)
        if page < 0:
            return pages
        set_kind(memory, page, 0, m.ANON)
        lru_add(memory, 0, page)
        pages += 1


@jit
def fragment(of: m.Memory, one_in: int) -> None:
    """Free all pages but one in `one_in`."""
    memory = by_reference(of)
    for page in range(memory.zone[0].start_pfn, memory.zone[0].end_pfn):
        if page % one_in and memory.page[page].kind == m.ANON:
            lru_del(memory, 0, page)
            free_one_page(memory, 0, page, 0)


def recipe(gib: int) -> dict[str, float]:
    """Fill a zone with single pages, free three of four, compact; seconds of each step, and how it ended."""
    seconds, start = {}, time.process_time()

    def done(step: str) -> None:
        nonlocal start
        seconds[step] = time.process_time() - start
        start = time.process_time()

    memory = build([Zone(f"{gib} GiB")], budgets=Budgets(0, 0, 0))
    done("make")
    fill(memory)
    done("fill")
    fragment(memory, KEPT_OF_BLOCK)
    done("fragment")
    compact(memory)
    done("compact")
    pages = int(memory.rules[0].nr_pages)
    seconds["bytes"] = sum(array.nbytes for array in memory) / pages
    seconds["migrated"] = int(memory.control[0].nr_migrated)
    return seconds


def scale() -> Iterator[Row]:
    """Measure the same recipe on ever larger zones."""
    recipe(1)
    medians = []
    for gib in GIB:
        runs = [recipe(gib) for _ in range(RUNS)]
        medians.append({step: statistics.median(run[step] for run in runs) for step in runs[0]})
        parts = ", ".join(f"{step} {value:.3g}" for step, value in medians[-1].items() if step in STEPS)
        says = (
            f"{parts}; {medians[-1]['bytes']:.2f} bytes a page; {medians[-1]['migrated']:,.0f} pages migrated"
        )
        total = sum(medians[-1][step] for step in STEPS)
        yield Row(f"{gib} GiB zone filled, 3 of 4 pages freed, compacted", "compactlab", total, "s", says)
    for steps, says in ((STEPS, "with the first touch of fresh memory"), (STEPS[1:], "without")):
        totals = [sum(each[step] for step in steps) for each in medians]
        exponent = float(np.polyfit(np.log(GIB), np.log(totals), 1)[0])
        yield Row("exponent of growth from 1 to 256 GiB", "compactlab", exponent, "", says)


def compiling() -> Iterator[Row]:
    """Measure processes of their own, with a new cache, to their first results."""
    with tempfile.TemporaryDirectory() as cache:
        for way in ("nothing compiled yet", "a later process"):
            told = subprocess.run(
                [sys.executable, "-c", FIRST_RESULTS],
                env=os.environ | {"NUMBA_CACHE_DIR": cache},
                capture_output=True,
                text=True,
                check=True,
            )
            first, both, processor = (float(word) for word in told.stdout.split())
            yield Row("import and compact a zone", way, first, "s")
            yield Row("that, and simulate a workload", way, both, "s", f"{processor:.1f} s of a processor")


def rows(parts: list[str], folder: Path = SHIPPED) -> Iterator[Row]:
    """Measure the parts."""
    of = {
        "recordings": lambda: recordings(folder),
        "allocator": allocator.rows,
        "scale": scale,
        "compiling": compiling,
    }
    for part in parts or of:
        yield from of[part]()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", type=Path, default=SHIPPED, help="folder of recordings")
    parser.add_argument("parts", nargs="*", help="recordings, allocator, scale, compiling; all if none")
    given = parser.parse_args()
    print("\n".join(lines(rows(given.parts, given.recordings))))
