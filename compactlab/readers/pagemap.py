"""Maps of single pages: dumps of /proc/kpageflags and kpagecount, archives of both, lists of pinned pages."""

from __future__ import annotations

import io
import math
import re
import zipfile
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from compactlab import schema
from compactlab.core import pagemap as core
from compactlab.core.memory import HOLE, KINDS, PINNED

from .errors import ParseError, UnknownFormatError
from .sources import stem

if TYPE_CHECKING:
    from .recording import Recording

ARRAY_LIMIT = 1 << 30
"""Bytes of one array in an archive, more than 1 TiB of 4 KiB pages take."""
MAX_ORDER = 10
"""Largest order where no free list tells it: what most kernels are built with."""

_KNOWN_BITS = np.uint64((1 << 48) - 1)
_ARRAYS = ("flag_code", "flag_table", "mapcount")
_OPTIONAL = ("cls", "cls_names", "pfn0")
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_AGAIN = "Record the map again, or take the file out"
_NAME = re.compile(r"(pages|page_?map|\w*kpage(flags|count))[-_.]?", re.IGNORECASE)


def is_archive(data: bytes) -> bool:
    """Whether a zip archive holds numpy arrays."""
    return data.startswith(b"PK\x03\x04") and b".npy" in data[:256]


def moment(name: str) -> str:
    """Name of the keyframe that a file holds.

    >>> moment("pages_before.npz"), moment("kpageflags")
    ('before', 'kpageflags')
    """
    bare = re.sub(r"\.(npz|bin|u64)$", "", stem(name))
    return _NAME.sub("", bare, count=1).strip("-_.") or bare


def parse_archive(name: str, data: bytes) -> xr.Dataset:
    """One page map as numpy arrays: ``flag_table[flag_code]`` are kpageflags, ``mapcount`` is kpagecount.

    Page frames that ``cls`` calls ``hole`` have no memory behind them (kpageflags cannot tell that), and
    ``pfn0`` is the first page frame number.

    Raises
    ------
    ParseError
        If the archive is damaged, too large, or does not hold such arrays.
    """
    arrays = _arrays(name, data)
    table, code, mapcount = arrays["flag_table"], arrays["flag_code"], arrays["mapcount"]
    if code.size and int(code.max()) >= table.size:
        raise ParseError(
            f"{name}, flag_code", f"code {int(code.max())}", f"less than {table.size}, the flag_table", _AGAIN
        )
    kind, flags, part = _classified(f"{name}, flag_table", table.astype(np.uint64))
    pages = kind[code]
    if "cls" in arrays:
        holes = np.flatnonzero(arrays["cls_names"] == "hole")
        pages[np.isin(arrays["cls"], holes)] = HOLE
    first_pfn = int(arrays["pfn0"]) if "pfn0" in arrays else 0
    return _keyframe(name, first_pfn, pages, flags[code], part[code], mapcount)


def parse_flags(name: str, data: bytes) -> xr.Dataset:
    """One dump of /proc/kpageflags; how often a page is mapped is guessed until kpagecount tells."""
    words = _words(name, data)
    kind, flags, part = _classified(name, words)
    mapped = (words >> np.uint64(core.KPF_MMAP)) & np.uint64(1)
    return _keyframe(name, 0, kind, flags, part, mapped.astype(np.uint8))


def parse_counts(name: str, data: bytes) -> np.ndarray:
    """One dump of /proc/kpagecount: mappings of each page, at most 255."""
    return np.minimum(_words(name, data), 255).astype(np.uint8)


def parse_pinned(name: str, data: bytes) -> np.ndarray:
    """Page frame numbers, one a line."""
    for line, word in enumerate(data.splitlines(), 1):
        if not (word.isdigit() and len(word) <= 16):
            found = repr(word[:60].decode("utf-8", "backslashreplace"))
            raise ParseError(f"{name}, line {line}", found, "a page frame number", _AGAIN)
    return np.array([int(word) for word in data.split()], np.int64)


def _arrays(name: str, data: bytes) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            held = {each.filename.removesuffix(".npy"): each for each in archive.infolist()}
            if not set(_ARRAYS) <= set(held):
                found = f"arrays {', '.join(held)}" if held else "no array"
                raise UnknownFormatError(name, found, f"arrays {', '.join(_ARRAYS)}", "It is not a page map")
            chosen = [each for each in (*_ARRAYS, *_OPTIONAL) if each in held]
            arrays = {each: _array(f"{name}, {each}", archive, held[each]) for each in chosen}
    except ParseError:
        raise
    except Exception as error:  # damage shows in many ways inside an archive
        raise ParseError(
            name, f"a damaged archive ({error})", "a whole one, as numpy writes it", _AGAIN
        ) from error
    _check(name, arrays)
    return arrays


def _array(where: str, archive: zipfile.ZipFile, held: zipfile.ZipInfo) -> np.ndarray:
    """One array; its size is known before anything is unpacked, and nothing but numbers and text is read."""
    if held.file_size > ARRAY_LIMIT:
        raise ParseError(where, f"{held.file_size} bytes unpacked", f"at most {ARRAY_LIMIT}", _AGAIN)
    content = io.BytesIO(archive.read(held))
    try:
        header = _HEADERS[np.lib.format.read_magic(content)]
        shape, _, dtype = header(content)
    except Exception as error:  # the header is read as Python text, which fails in many ways
        raise ParseError(where, f"no array of numpy ({error})", "one", _AGAIN) from error
    body = content.read()
    if dtype.kind not in "uiU" or not dtype.itemsize or len(shape) > 1:
        raise ParseError(where, f"an array of {dtype}, {shape}", "a row of numbers or names", _AGAIN)
    if len(body) != math.prod(shape) * dtype.itemsize:
        expected = f"{math.prod(shape) * dtype.itemsize}, as its header says"
        raise ParseError(where, f"{len(body)} bytes", expected, _AGAIN)
    return np.frombuffer(body, dtype).reshape(shape)


def _check(name: str, arrays: dict[str, np.ndarray]) -> None:
    kinds = {"flag_code": "u", "flag_table": "u", "mapcount": "u", "cls": "u", "cls_names": "U", "pfn0": "iu"}
    for each, array in arrays.items():
        if array.dtype.kind not in kinds[each] or array.ndim != (each != "pfn0"):
            found = f"{array.dtype} with {array.ndim} dimensions"
            raise ParseError(f"{name}, {each}", found, f"a row of kind {kinds[each]!r}", _AGAIN)
    for each in ("flag_code", "mapcount", "cls"):
        if each in arrays and arrays[each].size != arrays["flag_code"].size:
            raise ParseError(
                f"{name}, {each}",
                f"{arrays[each].size} pages",
                f"{arrays['flag_code'].size}, as flag_code",
                _AGAIN,
            )
    if not arrays["flag_code"].size:
        raise ParseError(name, "no pages", "at least one", _AGAIN)
    if "cls" in arrays and "cls_names" not in arrays:
        raise ParseError(name, "cls without cls_names", "both", _AGAIN)
    if "pfn0" in arrays and not 0 <= int(arrays["pfn0"]) < 1 << 52:
        raise ParseError(f"{name}, pfn0", str(int(arrays["pfn0"])), "a page frame number", _AGAIN)


def _words(name: str, data: bytes) -> np.ndarray:
    if not data:
        raise UnknownFormatError(
            name, "an empty file", "8 bytes for each page", "Only root may read the file"
        )
    if len(data) % 8:
        raise ParseError(name, f"{len(data)} bytes", "8 for each page", "Copy it again: cat FILE > COPY")
    return np.frombuffer(data, "<u8")


def _classified(where: str, words: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Kind, flags and part of each word of kpageflags."""
    union = np.bitwise_or.reduce(words)
    if union & ~_KNOWN_BITS:
        raise ParseError(
            where, f"bits {int(union & ~_KNOWN_BITS):#x}", "words of kpageflags", "It is not a page map"
        )
    out = [np.empty(words.size, np.uint8) for _ in range(3)]
    core.classify(words, *out)
    return out[0], out[1], out[2]


def _keyframe(
    name: str, first_pfn: int, kind: np.ndarray, flags: np.ndarray, part: np.ndarray, mapcount: np.ndarray
) -> xr.Dataset:
    order = np.empty(kind.size, np.uint8)
    core.folio_orders(part, first_pfn, flags, order)
    counts = np.minimum(mapcount, 255).astype(np.uint8)
    maps = {"kind": kind, "order": order, "mapcount": counts, "flags": flags}
    return xr.Dataset(
        {
            "name": ("keyframe", np.array([moment(name)], object)),
            "first_pfn": ("keyframe", np.array([first_pfn])),
            **{each: (("keyframe", "pfn"), values[None]) for each, values in maps.items()},
        },
        {"time": ("keyframe", np.zeros(1, np.int64))},
    )


def stamp(recordings: list[Recording]) -> None:
    """Give each page map the mappings and the clock of the files recorded with it.

    A map has no stamp of its own. ``meta_before`` tells when ``pages_before`` was read: the map follows
    its last file of /proc/zoneinfo, or its first record.

    Raises
    ------
    ParseError
        If a count of mappings has no page map of its length.
    """
    maps = {moment(each.name): each for each in recordings if "pages" in each.groups}
    for each in recordings:
        if each.mapcount is not None:
            _count(each.name, each.mapcount, maps)
        name = stem(each.name).removeprefix("meta_")
        if name != stem(each.name) and name in maps and each.clock != "none":
            zoneinfo = each.groups.get("zoneinfo")
            time = (
                zoneinfo.time.max()
                if zoneinfo is not None
                else min(g.time.min() for g in each.groups.values())
            )
            mine = maps[name]
            mine.clock, mine.offset = each.clock, each.offset
            mine.groups["pages"] = mine.groups["pages"].assign_coords(time=("keyframe", [int(time)]))


def _count(name: str, mapcount: np.ndarray, maps: dict[str, Recording]) -> None:
    beside = moment(name.replace("kpagecount", "kpageflags"))
    pages = maps[beside].groups["pages"] if beside in maps else None
    if pages is None or pages.sizes["pfn"] != mapcount.size:
        found = f"{mapcount.size} pages" + (
            "" if pages is None else f", and {pages.sizes['pfn']} in kpageflags"
        )
        raise ParseError(name, found, "kpageflags of as many pages beside it", "Read both files together")
    maps[beside].groups["pages"] = pages.assign(mapcount=(("keyframe", "pfn"), mapcount[None]))


def join(parts: list[tuple[str, xr.Dataset]]) -> xr.Dataset:
    """All keyframes in the order of time."""
    name, first = parts[0]
    for other, part in parts[1:]:
        if part.sizes["pfn"] != first.sizes["pfn"]:
            found = f"{first.sizes['pfn']} and {part.sizes['pfn']} pages"
            raise ParseError(f"{name} and {other}", found, "page maps of one size", "Read the two apart")
    datasets = sorted((part for _, part in parts), key=lambda part: int(part.time[0]))
    return datasets[0] if len(datasets) == 1 else xr.concat(datasets, "keyframe")


def complete(
    pages: xr.Dataset,
    orders: int | None,
    spans: dict[str, tuple[int, int]],
    pinned: np.ndarray,
    problems: list[str],
) -> None:
    """Find the free blocks of all keyframes and mark the pinned pages, in place.

    Parameters
    ----------
    pages
        Group `pages`.
    orders
        Number of orders of the free lists, where known.
    spans
        First and last + 1 page frame number of the zones, as far as known; no free block lies across.
    pinned
        Page frame numbers.
    problems
        Takes what is doubtful.
    """
    max_order = MAX_ORDER if orders is None else orders - 1
    size = pages.sizes["pfn"]
    last = int(pages.first_pfn.min()) + size
    problems += [
        f"page map: ends at page frame {last}, zone {label} at {end}"
        for label, (_, end) in spans.items()
        if end > last
    ]
    for frame, first_pfn in enumerate(pages.first_pfn.values.tolist()):
        kind, order, flags = (pages[name].values[frame] for name in ("kind", "order", "flags"))
        if core.marks_heads_only(kind, first_pfn):
            core.grow_free(kind, first_pfn, max_order)
            problems.append(
                f"page map {pages.name.values[frame]}: only first pages of free blocks are marked (Linux before "
                "4.6); the unmarked pages behind were counted to the blocks as far as they fit"
            )
        borders = np.array([0, *(pfn - first_pfn for span in spans.values() for pfn in span), size])
        for begin, end in pairwise(np.unique(borders.clip(0, size)).tolist()):
            core.free_orders(kind[begin:end], first_pfn + begin, max_order, order[begin:end])
        at = pinned - first_pfn
        core.set_flag(at[(at >= 0) & (at < size)], PINNED, order, flags)


def pageblocks(
    pages: xr.Dataset, pageblock_order: int, spans: dict[str, tuple[int, int]]
) -> xr.Dataset | None:
    """Pages of each kind in each pageblock, one frame for each keyframe; None if no pageblock begins the map."""
    first_pfn, block = pages.first_pfn.values, 1 << pageblock_order
    if first_pfn.min() != first_pfn.max() or first_pfn[0] % block:
        return None
    frames, size = pages.kind.shape
    start = first_pfn[0] + np.arange(0, size, block)
    counts = np.zeros((frames, start.size, len(KINDS)), np.uint16)
    for frame in range(frames):
        core.count_blocks(pages.kind.values[frame], block, counts[frame])
    zone = np.full(start.size, "", object)
    for label, (first, end) in spans.items():
        zone[(start + block > first) & (start < end)] = label
    return xr.Dataset(
        {
            "migrate_pfn": ("frame", np.full(frames, -1)),
            "free_pfn": ("frame", np.full(frames, -1)),
            "zone": ("pageblock", zone),
            "start_pfn": ("pageblock", start),
            "migratetype": (
                ("frame", "pageblock"),
                np.full(counts.shape[:2], schema.UNKNOWN_MIGRATETYPE, np.uint8),
            ),
            "nr_pages": (("frame", "pageblock", "kind"), counts),
        },
        {"time": ("frame", pages.time.values), "kind": ("kind", np.array(KINDS, object))},
    )
