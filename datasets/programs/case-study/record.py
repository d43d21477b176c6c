"""Record case-study.c on this machine: ``sudo python3 record.py``. Needs Linux, gcc and root.

Writes ``places.csv``, what the program prints; ``requests.csv``, what the kernel gave it meanwhile: every
allocation of physical pages made in its name (tracepoint kmem:mm_page_alloc) between its first and its last
stage, counted by stage, order, and whether it was for a page of the program (movable) or for the kernel's own
use; and ``frames.csv``, in which frames the pages of the heap lay at the end of some more runs.
"""

from __future__ import annotations

import csv
import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

RUNS = 10
HERE = Path(__file__).parent
EVENT = re.compile(r"tracing_mark_write: stage (\d)|mm_page_alloc: .* order=(\d+) .*gfp_flags=(\S+)")


def main() -> None:
    """Build, run once while tracing, write both tables."""
    with TemporaryDirectory() as folder, tracing(Path(folder)) as instance:
        program = Path(folder, "case-study")
        subprocess.run(["gcc", "-std=gnu11", "-O1", "-w", "-o", program, HERE / "case-study.c"], check=True)
        told = subprocess.run(
            ["sh", "-c", 'echo $$ > "$1"/set_event_pid && exec "$0" "$1"/trace_marker', program, instance],
            check=True, capture_output=True, text=True, timeout=20,
        )  # fmt: skip
        trace = (instance / "trace").read_text()
        more = [frames(program) for _ in range(RUNS)]
    (HERE / "places.csv").write_text(told.stdout)
    with open(HERE / "requests.csv", "w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["until_stage", "order", "movable", "requests"])
        rows.writerows([*key, number] for key, number in sorted(counted(trace).items()))
    with open(HERE / "frames.csv", "w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["run", "page", "pfn"])
        rows.writerows([run, page, pfn] for run, pages in enumerate(more) for page, pfn in enumerate(pages))


def frames(program: Path) -> list[int]:
    """Frames of the heap's pages at the last stage of one more run, as far as there are any."""
    told = subprocess.run([program], check=True, capture_output=True, text=True, timeout=20)
    rows = [line.split(",") for line in told.stdout.splitlines() if line.startswith("page,4,")]
    return [int(pfn) for *_, pfn in rows if pfn != "0"]


def counted(trace: str) -> Counter[tuple[int, int, int]]:
    """Page allocations by the stage they came before, order, and whether the page may be moved.

    What came before the first stage, when the program was loaded, is left out.
    """
    found, waiting = Counter(), Counter()
    for line in trace.splitlines():
        match = EVENT.search(line)
        if match and match[1]:
            if match[1] == "0":
                waiting.clear()
            found.update({(int(match[1]), *key): number for key, number in waiting.items()})
            waiting.clear()
        elif match:
            waiting[int(match[2]), int("MOVABLE" in match[3])] += 1
    return found


@contextmanager
def tracing(folder: Path) -> Iterator[Path]:
    """An instance of tracefs of our own, so that nobody else's tracing is touched."""
    mounted = Path(folder, "tracefs")
    mounted.mkdir()
    subprocess.run(["mount", "-t", "tracefs", "tracefs", mounted], check=True)
    instance = mounted / "instances" / f"case-study-{os.getpid()}"
    try:
        instance.mkdir()
        (instance / "events/kmem/mm_page_alloc/enable").write_text("1")
        yield instance
    finally:
        (instance / "events/kmem/mm_page_alloc/enable").write_text("0")
        instance.rmdir()
        subprocess.run(["umount", mounted], check=True)


if __name__ == "__main__":
    main()
