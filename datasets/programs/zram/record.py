"""Records how zram stores pages: sizes, memory, size classes, frees and compaction of its pool. Needs root.

    python record.py

Makes a zram device of its own with LZ4, writes pages to it one by one past the page cache (O_DIRECT) and
reads /sys/block/zramN/mm_stat after each; the device is removed at the end. Three tables are written:

pages.csv    every page of ../page-contents, kind by kind: what mm_stat said once it was stored
classes.csv  one line for each size class that LZ4 can reach: how many objects of its largest size the first
             zspage took, and of how many pages it was; whether the class below shares its zspages
frees.csv    6,000 pages stored, 3,600 of them discarded in random places, the pool compacted, 800 more stored,
             1,600 discarded, the pool compacted again: mm_stat after every 100 of these and each compaction.
             Which page and which place: the next number of PCG64(7), modulo how many there are
"""

from __future__ import annotations

import csv
import fcntl
import lzma
import mmap
import os
import struct
from pathlib import Path

import numpy as np

PAGE = 4096
SEED = 7
BLKDISCARD = 0x1277
HERE = Path(__file__).parent
CONTENTS = HERE.parent / "page-contents"
KINDS = ("text", "code", "heap", "sparse", "random")
STAT = (
    "stored",
    "compressed",
    "used",
    "limit",
    "used_max",
    "same_pages",
    "pages_compacted",
    "huge_pages",
    "huge_since",
)
KEPT = ("stored", "compressed", "used", "same_pages", "pages_compacted", "huge_pages")


class Device:
    """A zram device, made and removed."""

    def __init__(self, pages: int) -> None:
        self.number = int(Path("/sys/class/zram-control/hot_add").read_text())
        self.folder = Path(f"/sys/block/zram{self.number}")
        self.pages = pages
        self.buffer = mmap.mmap(-1, PAGE)  # O_DIRECT wants an aligned one
        self.file = -1
        self.fresh()

    def fresh(self) -> None:
        """An empty device."""
        if self.file >= 0:
            os.close(self.file)
        self.set("reset", "1")
        self.set("comp_algorithm", "lz4")
        self.set("disksize", str(self.pages * PAGE))
        self.file = os.open(f"/dev/zram{self.number}", os.O_RDWR | os.O_DIRECT)

    def set(self, name: str, value: str) -> None:
        """An attribute of the device."""
        (self.folder / name).write_text(value)

    def write(self, slot: int, page: bytes) -> None:
        """Store a page, past the page cache."""
        self.buffer[:] = page
        os.pwrite(self.file, self.buffer, slot * PAGE)

    def discard(self, slot: int) -> None:
        """Give a page back."""
        fcntl.ioctl(self.file, BLKDISCARD, struct.pack("QQ", slot * PAGE, PAGE))

    def stat(self) -> dict[str, int]:
        """What mm_stat says."""
        return dict(zip(STAT, map(int, (self.folder / "mm_stat").read_text().split()), strict=True))

    def remove(self) -> None:
        """Leave the machine as it was."""
        os.close(self.file)
        self.set("reset", "1")
        Path("/sys/class/zram-control/hot_remove").write_text(str(self.number))


def contents() -> dict[str, list[bytes]]:
    """Pages of ../page-contents."""
    whole = {kind: lzma.decompress((CONTENTS / f"{kind}.xz").read_bytes()) for kind in KINDS[:-1]}
    whole["random"] = np.random.PCG64(20260).random_raw(96 * PAGE // 8).tobytes()
    return {kind: [data[at : at + PAGE] for at in range(0, len(data), PAGE)] for kind, data in whole.items()}


def page_rows(device: Device, kinds: dict[str, list[bytes]]) -> list[list[object]]:
    """What mm_stat says after each page."""
    rows: list[list[object]] = []
    pages = [(kind, number, page) for kind in KINDS for number, page in enumerate(kinds[kind])]
    for slot, (kind, number, page) in enumerate(pages):
        device.write(slot, page)
        rows.append([kind, number, *(device.stat()[name] for name in KEPT)])
    return rows


def class_rows(device: Device) -> list[list[object]]:
    """For each raw class: the largest object of it that LZ4 makes, objects and pages of its first zspage."""
    bits = np.random.PCG64(SEED).random_raw(PAGE // 8).tobytes()
    page_of: dict[int, bytes] = {}
    for length in range(1, PAGE):
        page = bits[:length] + bytes(PAGE - length)
        before = device.stat()["compressed"]
        device.write(0, page)
        size = device.stat()["compressed"]
        device.discard(0)
        if before == 0 and size:
            page_of[size] = page
    largest: dict[int, int] = {}
    for size in page_of:
        index = max(0, -(-(size + 8 - 32) // 16))
        if size < PAGE and size > largest.get(index, 0):
            largest[index] = size
    rows: list[list[object]] = []
    below = None
    for index, size in sorted(largest.items()):
        objects, pages = _first_zspage(device, page_of[size])
        shared = -1  # not asked: the class below is out of reach
        if below is not None and below[0] == index - 1:
            device.fresh()
            device.write(0, page_of[below[1]])
            one = device.stat()["used"]
            device.write(1, page_of[size])
            shared = int(device.stat()["used"] == one)
        rows.append([index, size, objects, pages, shared])
        below = (index, size)
    return rows


def _first_zspage(device: Device, page: bytes) -> tuple[int, int]:
    """Objects that fit until the pool grows again, and pages it began with."""
    device.fresh()
    device.write(0, page)
    pages = device.stat()["used"] // PAGE
    slot = 1
    while True:
        device.write(slot, page)
        if device.stat()["used"] // PAGE > pages:
            return slot, pages
        slot += 1


def free_rows(device: Device, kinds: dict[str, list[bytes]]) -> list[list[object]]:
    """Store, free in random places, store again, compact; twice."""
    pages = [page for kind in KINDS for page in kinds[kind]]
    order = np.random.PCG64(SEED).random_raw(20_000)
    device.fresh()
    rows: list[list[object]] = []
    held: list[int] = []
    turn = 0
    for step, (op, times) in enumerate(
        [("store", 6000), ("free", 3600), ("compact", 1), ("store", 800), ("free", 1600), ("compact", 1)]
    ):
        for _ in range(times):
            if op == "store":
                slot = turn
                device.write(slot, pages[int(order[turn] % len(pages))])
                held.append(slot)
            elif op == "free":
                device.discard(held.pop(int(order[turn] % len(held))))
            else:
                device.set("compact", "1")
            turn += 1
            if op == "compact" or turn % 100 == 0:
                rows.append([step, op, turn, *(device.stat()[name] for name in KEPT)])
    return rows


def main() -> None:
    """Record all three tables."""
    kinds = contents()
    device = Device(1 << 15)
    try:
        tables = {
            "pages.csv": (["kind", "page", *KEPT], page_rows(device, kinds)),
            "frees.csv": (["step", "op", "turn", *KEPT], free_rows(device, kinds)),
            "classes.csv": (
                ["index", "size", "objects", "pages", "shares_with_below"],
                class_rows(_fresh(device)),
            ),
        }
    finally:
        device.remove()
    for name, (head, rows) in tables.items():
        with (HERE / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([head, *rows])


def _fresh(device: Device) -> Device:
    device.fresh()
    return device


if __name__ == "__main__":
    main()
