"""Cut the shipped recordings from the project's ground truth; no line of a kernel's text is altered.

Page maps are carried only where they are the point. They keep every page and every bit; of the classes
beside them only `hole` is kept, as the others are told by the bits.

``python datasets/cut.py ../shared/groundtruth`` writes every folder anew, byte for byte the same.
A recording that is too large loses whole kinds of trace events, the least telling first, until it
fits; ``dataset.json`` names what was left out and how often. ``healthy`` was recorded into its
folder by our own recorder: only its description is written here.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
LIMIT = 490_000  # bytes of recording per folder: 500 kB with its description
LIMIT_WITH_PAGES = 2_990_000
LEAST_TELLING = (
    "mm_migrate_pages_start",  # said again by mm_migrate_pages
    "mm_migrate_pages",  # said again by mm_compaction_migratepages
    "mm_compaction_finished",
    "mm_compaction_fast_isolate_freepages",
    "mm_compaction_isolate_freepages",
    "mm_compaction_suitable",
    "mm_compaction_isolate_migratepages",
)
RETOLD = ("README.md", "summary.json")  # what they say is in dataset.json
NOT_CARRIED = {  # recordings that stay in the ground truth
    "pages_before.npz": "page map, too large",
    "pages_after.npz": "page map, too large",
    "pinned_pfns.txt": "page frame numbers, too large",
}
MACHINE = "x86-64 virtual machine, 2 CPUs, 24 GiB, one NUMA node, no swap"


@dataclass(frozen=True)
class Cut:
    """One shipped recording: where it comes from and what a person should know about it."""

    name: str
    folder: str  # of the ground truth; empty: recorded in place
    title: str
    description: str
    window: tuple[str, str] | None = None  # first phase kept, first phase not kept
    pages: bool = False  # whether it carries page maps


CUTS = (
    Cut(
        "whole-story",
        "ts_direct_kcompactd",
        "Memory is fragmented, huge pages are demanded, and compaction answers: direct, background, manual",
        "A program fills memory and gives back every second page. Then huge pages are demanded (direct "
        "compaction), sockets want blocks of order 3 (kcompactd is woken), pages are collapsed into huge "
        "ones, compact_memory is written by hand, and the demand is repeated with the memory in order.",
    ),
    Cut(
        "manual-compaction",
        "every2_np_compact",
        "One write to compact_memory tidies a zone: 860 363 pages move in under two seconds",
        "Every second page of 12 GiB is free, no block of order 9 is left. Manual compaction then visits the "
        "whole zone; both scanners meet, and more than nine tenths of free memory is usable for huge pages.",
    ),
    Cut(
        "manual-compaction-given-up",
        "vary_compact",
        "One write to compact_memory stops early: the zone is reported contended",
        "Free memory lies in holes of varying density. A large file folio that can neither move nor be split "
        "ends manual compaction of the Normal zone after 169 769 pages; most of the zone stays as it was.",
    ),
    Cut(
        "direct-compaction",
        "every2_direct",
        "Programs compact for themselves: each huge page waits about a millisecond",
        "Memory is fragmented and 512 huge pages are demanded. All 348 attempts of direct compaction "
        "succeed; the waiting time of each fault is recorded beside them.",
    ),
    Cut(
        "direct-compaction-fails",
        "unmovfail_s_direct",
        "Pinned pages defeat direct compaction: huge pages are demanded and mostly refused",
        "Eight pages of nearly every pageblock are pinned and cannot move. Of 768 huge pages demanded 586 "
        "are refused; 1 766 of 1 781 attempts fail, most are deferred, some faults take half a second.",
    ),
    Cut(
        "background-compaction",
        "ts_direct_kcompactd",
        "kcompactd wakes up in the background after sockets asked for blocks of order 3",
        "Six seconds of `whole-story`: socket buffers take blocks from another migratetype, kswapd is woken, "
        "and kswapd wakes kcompactd for order 9.",
        ("after_demand1", "collapse"),
    ),
    Cut(
        "proactive-compaction",
        "ts_proactive50",
        "kcompactd works ahead of demand: nobody asks, yet half of free memory becomes fit for huge pages",
        "With compaction_proactiveness set to 50 kcompactd starts by itself on fragmented memory and stops "
        "when the zone's score is down to 50. The huge pages demanded afterwards need no compaction.",
    ),
    Cut(
        "page-cache",
        "ts_pagecache",
        "Memory full of cached files is compacted: files move as programs' memory does",
        "11 GiB of file cache and a program with random holes share the memory; huge pages are demanded, "
        "then compact_memory is written by hand, then huge pages are demanded again.",
    ),
    Cut(
        "page-map-compaction",
        "every2_np_compact",
        "Every page before and after one write to compact_memory: 860 363 pages move, the rest can be checked",
        "`manual-compaction` with its page maps and its whole trace. Per-CPU lists were kept tiny, so that the "
        "maps tell nearly all: a zone can be made from the first map, compacted in simulation, and laid beside "
        "the second.",
        pages=True,
    ),
    Cut(
        "page-map-pinned",
        "unmov_np_compact",
        "Every page before and after compaction around 1530 pinned pages, pipes and slab",
        "Random holes, and pages that cannot move: pinned ones (listed, as no flag tells them), pipe buffers and "
        "slab for 600 000 names. Compaction ends complete, yet two fifths of free memory stay unfit for huge "
        "pages.",
        pages=True,
    ),
    Cut(
        "page-map-direct",
        "every2_np_direct",
        "Every page before and after 512 huge pages were demanded of fragmented memory",
        "Every second page is free and per-CPU lists are tiny. 512 huge pages are demanded and obtained, 321 of "
        "them by direct compaction; the waiting time of each fault is recorded beside the page maps.",
        pages=True,
    ),
    Cut(
        "healthy",
        "",
        "A machine with nothing to repair: large blocks are plentiful",
        "75 seconds of a machine with light work and most of its memory free, recorded by this project's own "
        "recorder. Huge pages are there for the asking.",
    ),
)


def main() -> None:
    """Write every folder."""
    if len(sys.argv) != 2:
        sys.exit("usage: python datasets/cut.py GROUNDTRUTH_FOLDER")
    for cut in CUTS:
        folder = HERE / cut.name
        folder.mkdir(exist_ok=True)
        facts = _cut(cut, Path(sys.argv[1]) / cut.folder, folder) if cut.folder else _recorded(folder)
        _describe(cut, folder, facts)


def _cut(cut: Cut, source: Path, folder: Path) -> dict[str, object]:
    """Copy one recording, thinned until it fits; the facts for its description."""
    for old in folder.iterdir():
        old.unlink()
    summary = json.loads((source / "summary.json").read_text())
    phases = (source / "phases.csv").read_text().splitlines()[1:]
    start, end = _window(phases, cut.window)
    left_out = {name: why for name, why in NOT_CARRIED.items() if (source / name).exists() and not cut.pages}
    for file in sorted(source.iterdir()):
        if file.suffix == ".npz" and cut.pages:
            _write_pages(file, folder / file.name)
        elif file.name not in (*RETOLD, *left_out, "trace.txt.gz"):
            content = _between(file.name, _text(file), start, end) if cut.window else _text(file)
            if content:
                _write(folder / file.name, content)
    if cut.pages:
        left_out["cls of page maps"] = "classes other than hole, told by the flags"
    limit = LIMIT_WITH_PAGES if cut.pages else LIMIT
    left_out |= _write_trace(folder, _between("trace", _text(source / "trace.txt.gz"), start, end), limit)
    return {
        "kernel": summary["kernel"],
        "command": [_command(entry) for entry in summary["holder_log"]],
        "phases": [name for stamp, name in _stamped(phases) if start <= stamp < end and name != "end"],
        "made_from": f"ground truth {cut.folder}"
        + (f", {cut.window[0]} up to {cut.window[1]}" if cut.window else ""),
        "left_out": left_out,
    }


def _recorded(folder: Path) -> dict[str, object]:
    header = _text(folder / "recording.txt.gz").split(b"\n", 8)
    facts = dict(line.decode().split(" ", 1) for line in header[1:7])
    return {
        "kernel": facts["kernel"],
        "command": ["compactlab record -o recording.txt.gz --interval 0.5 --duration 75"],
        "phases": [],
        "made_from": "recorded for this folder",
        "left_out": {},
    }


def _stamped(phases: list[str]) -> Iterator[tuple[int, str]]:
    for row in phases:
        stamp, name = row.split(",")
        yield int(stamp), name


def _window(phases: list[str], window: tuple[str, str] | None) -> tuple[int, int]:
    starts = {name: stamp for stamp, name in _stamped(phases)}
    return (starts[window[0]], starts[window[1]]) if window else (0, 1 << 63)


def _between(name: str, text: bytes, start: int, end: int) -> bytes:
    """Lines, or whole `@@` records, stamped within [start, end)."""
    kept, keep, anything = [], True, False
    for line in text.splitlines(keepends=True):
        words = line.replace(b",", b" ").split(None, 2)
        stamp = (
            words[1]
            if line.startswith(b"@@ ")
            else words[0]
            if words and not name.startswith("series")
            else b""
        )
        if stamp.isdigit():
            keep = start <= int(stamp) < end
            anything |= keep
        if keep:
            kept.append(line)
    if name == "phases.csv" and anything:
        kept.append(f"{end},end\n".encode())
    return b"".join(kept) if anything else b""


def _write_pages(source: Path, file: Path) -> None:
    with np.load(source, allow_pickle=False) as pages:
        hole = int(np.flatnonzero(pages["cls_names"] == "hole")[0])
        arrays = {name: pages[name] for name in ("flag_code", "flag_table", "mapcount", "pfn0")}
        classes = (pages["cls"] == hole).astype(np.uint8)
    np.savez_compressed(file, **arrays, cls=classes, cls_names=np.array(["told by its flags", "hole"]))


def _write_trace(folder: Path, text: bytes, limit: int) -> dict[str, str]:
    """Write the trace, without the least telling kinds of events if need be; what was left out."""
    room = limit - sum(file.stat().st_size for file in folder.iterdir())
    left_out: dict[str, str] = {}
    lines = text.splitlines(keepends=True)
    counts = Counter(line.split(None, 4)[3].decode() for line in lines if not line.startswith(b"#"))
    remaining = [name for name in LEAST_TELLING if counts[name]]
    while len(_packed(b"".join(lines))) > room:
        name = remaining.pop(0)
        lines = [line for line in lines if line.split(None, 4)[3] != name.encode()]
        left_out[name] = f"{counts[name]} trace events, to fit"
    _write(folder / "trace.txt.gz", b"".join(lines))
    return left_out


def _command(entry: dict[str, str]) -> str:
    words = [word.rsplit("/", 1)[-1] for word in entry["cmd"].split()]
    return f"{' '.join(words)} -> {entry['reply']}"


def _text(file: Path) -> bytes:
    return gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()


def _packed(text: bytes) -> bytes:
    return gzip.compress(text, 9, mtime=0)


def _write(file: Path, text: bytes) -> None:
    file.write_bytes(_packed(text) if file.suffix == ".gz" else text)


def _describe(cut: Cut, folder: Path, facts: dict[str, object]) -> None:
    description = {
        "name": cut.name,
        "title": cut.title,
        "description": cut.description,
        "machine": MACHINE,
        "page_size": 4096,
        **facts,
        "licence": "CC0-1.0",
        "files": {
            file.name: {"sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "bytes": file.stat().st_size}
            for file in sorted(folder.iterdir())
            if file.name != "dataset.json"
        },
    }
    text = json.dumps(description, indent=1, ensure_ascii=False) + "\n"
    (folder / "dataset.json").write_text(text, encoding="utf-8")
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{cut.name:28} {size:7} bytes, left out: {', '.join(description['left_out']) or 'nothing'}")


if __name__ == "__main__":
    main()
