"""Makes the pages of this folder: five kinds of what memory holds, 96 pages of 4 KiB each.

    python make.py

text: README, docs and Python source of this project. code: machine code of zstandard's C extension (its
section .text; BSD-3-Clause, see LICENSE-zstandard.txt). heap: what a Python program has in memory that
builds customers' records, drops every fourth and is asked for its own pages; the program is this script
again, without environment and site. sparse: arrays of counts, nearly all zero. random: bits of PCG64.

Text, heap and code differ from one version of the project, of Python and of zstandard to the next; sparse
and random are the same always.
"""

from __future__ import annotations

import lzma
import random
import subprocess
import sys
from pathlib import Path

PAGE = 4096
PAGES = 96
SEED = 20260
HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PRIVATE = (b"/usr", b"/home", b"/work", b"/tmp", b"/root", b"/proc", b"PATH=", b"site-packages")
CHECKED = ("code", "heap")  # text is this project's own, which may well write /proc


def text() -> bytes:
    """Prose and source of this project, in the order of their names."""
    files = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("compactlab/**/*.py"))]
    return _some(b"".join(file.read_bytes() for file in files))


def code() -> bytes:
    """Pages of the section .text of zstandard's C extension."""
    import zstandard.backend_c

    told = subprocess.run(
        ["readelf", "-SW", zstandard.backend_c.__file__], capture_output=True, text=True, check=True
    ).stdout
    line = next(line for line in told.splitlines() if " .text " in line)
    offset, size = (int(word, 16) for word in line.split(" .text ")[1].split()[2:4])
    first = -(-offset // PAGE) * PAGE  # pages as the loader maps them
    return _some(Path(zstandard.backend_c.__file__).read_bytes()[first : offset + size])


def heap() -> bytes:
    """Pages that a Python program's records lie in."""
    told = subprocess.run(
        [sys.executable, "-I", "-S", __file__, "records"], capture_output=True, check=True, cwd="/", env={}
    )
    return _some(told.stdout)


def sparse() -> bytes:
    """Pages of counts: 24 of zeros only, 8 of one number, 64 with 1 to 64 counts that are not zero."""
    import numpy as np

    rng = np.random.Generator(np.random.PCG64(SEED))
    pages = np.zeros((PAGES, PAGE // 4), np.int32)
    pages[24:32] = np.arange(1, 9)[:, None]
    for number, page in enumerate(pages[32:], 1):
        page[rng.integers(0, page.size, number)] = rng.integers(1, 100, number)
    return pages.tobytes()


def random_bits() -> bytes:
    """Pages nobody can make smaller."""
    import numpy as np

    return np.random.PCG64(SEED).random_raw(PAGES * PAGE // 8).tobytes()


def records() -> None:
    """The program whose heap is looked at: prints the pages that came since it began."""
    began = _anonymous()
    rng = random.Random(SEED)  # noqa: S311
    words = ["".join(rng.choices("abcdefghiklmnoprstu", k=rng.randint(3, 9))) for _ in range(400)]
    kept = {}
    for number in range(6000):
        kept[number] = {
            "name": " ".join(rng.choices(words, k=2)),
            "city": rng.choice(words),
            "balance": rng.random() * 1000,
            "visits": [rng.randrange(10_000) for _ in range(rng.randint(0, 12))],
            "open": rng.random() < 0.3,
        }
    for number in range(0, 6000, 4):
        del kept[number]
    grown = sorted(_anonymous() - began)
    with open("/proc/self/mem", "rb", buffering=0) as memory:
        for page in grown:
            memory.seek(page)
            sys.stdout.buffer.write(memory.read(PAGE))


def _anonymous() -> set[int]:
    """Addresses of this process's pages that belong to no file and were touched; not the stack and the like."""
    pages: set[int] = set()
    with open("/proc/self/pagemap", "rb", buffering=0) as pagemap:
        for line in Path("/proc/self/maps").read_text().splitlines():
            words = line.split()
            if len(words) == 5 and words[1].startswith("rw"):
                begin, end = (int(word, 16) for word in words[0].split("-"))
                pagemap.seek(begin // PAGE * 8)
                entries = pagemap.read((end - begin) // PAGE * 8)
                pages |= {
                    begin + number * PAGE
                    for number in range(len(entries) // 8)
                    if entries[number * 8 + 7] >> 7
                }
    return pages


def _some(whole: bytes) -> bytes:
    """As many pages as are wanted, from begin to end at equal distances."""
    there = len(whole) // PAGE
    if there < PAGES:
        raise SystemExit(f"{there} pages found, {PAGES} wanted")
    chosen = [number * there // PAGES for number in range(PAGES)]
    return b"".join(whole[page * PAGE : (page + 1) * PAGE] for page in chosen)


def main() -> None:
    """Make all kinds; refuses what holds a path or an environment."""
    kinds = {"text": text, "code": code, "heap": heap, "sparse": sparse, "random": random_bits}
    for name, make in kinds.items():
        pages = make()
        found = [word for word in PRIVATE if word in pages and name in CHECKED]
        if found:
            raise SystemExit(f"{name}: holds {found}; nothing written")
        # LZMA2 stores what it cannot compress; random bits are therefore made again when they are read.
        if name != "random":
            (HERE / f"{name}.xz").write_bytes(lzma.compress(pages, preset=9 | lzma.PRESET_EXTREME))


if __name__ == "__main__":
    records() if sys.argv[1:] == ["records"] else main()
