"""One file to its groups, each with absolute times."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from . import buddyinfo, extfrag, faults, pagemap, pagetypeinfo, phases, trace, vmstat, zoneinfo
from .damage import Fault, settle
from .errors import ParseError
from .lines import Lines, cut_lines, not_text
from .records import find_sections
from .repair import repair
from .rows import Parsed
from .sections import Sections
from .sources import Content, is_binary
from .stamps import misordered
from .table import read_table

_FORMATS = {
    "zones": buddyinfo.parse,
    "zoneinfo": zoneinfo.parse,
    "extfrag": extfrag.parse,
    "migratetypes": pagetypeinfo.parse,
    "counters": vmstat.parse,
}
_TABLES = {"phases": phases, "allocations": faults}
_EVENT = re.compile(rb"(?:#.*\n)*\d{3,} \d+ [\w-]+ \w+[ \n]")
_UNPACK = "Unpack it first; only gzip is unpacked while reading"
_PACKED = {
    b"PK\x03\x04": ("a zip archive", _UNPACK),
    b"BZh": ("a bzip2 archive", _UNPACK),
    b"\xfd7zXZ": ("an xz archive", _UNPACK),
    b"\x28\xb5\x2f\xfd": ("a zstd archive", _UNPACK),
    b"\x89HDF": ("a netCDF or HDF5 file", "compactlab.open opens what compactlab.save wrote"),
}


@dataclass
class Recording:
    """What one file holds; ``time`` of each group is ns on the clock of the file."""

    name: str
    clock: str  # wall, monotonic or none
    groups: dict[str, xr.Dataset]
    problems: list[str]
    offset: int | None = None  # wall minus monotonic, where the file tells it
    warnings: list[str] = field(default_factory=list)
    facts: dict[str, str | int] = field(default_factory=dict)
    mapcount: np.ndarray | None = None  # of kpagecount, for the page map beside it
    pinned: np.ndarray | None = None  # page frame numbers


def read_content(content: Content, on_error: str) -> Recording:
    """Read one file, whatever it holds; damaged text is mended if it cannot be read as it is.

    Raises
    ------
    ParseError
        If nothing, or something damaged, is found.
    """
    found = _read_any(content, on_error)
    for group in [group for group, dataset in found.groups.items() if 0 in dataset.sizes.values()]:
        del found.groups[group]
        found.problems.append(f"{content.name}: lists no {group}")
    if content.cut and not found.warnings:
        found.warnings.append(content.problems[0])
    return found


def _read_any(content: Content, on_error: str) -> Recording:
    if content.name.endswith(".npz") or is_binary(content.name) or pagemap.is_archive(content.data):
        return _read_pages(content)
    if content.name.startswith("pinned_pfns"):
        pinned = pagemap.parse_pinned(content.name, content.data)
        return Recording(content.name, "none", {}, content.problems, pinned=pinned)
    for begin, (found, hint) in _PACKED.items():
        if content.data.startswith(begin):
            raise not_text(content.name, found, hint)
    header = content.data[:200].split(b"\n", 1)[0].strip().decode("ascii", "replace").split(",")
    for group, kind in _TABLES.items():
        if set(kind.COLUMNS) <= set(header):
            table = read_table(content.name, content.data)
            groups = {group: kind.parse(table)}
            problems = content.problems + table.problems
            return Recording(content.name, "monotonic", groups, problems, None, table.problems)
    if content.data.startswith(b"# t_ns(") or _EVENT.match(content.data):
        lines = _cut(content, content.data)
        events = trace.parse(lines, on_error)
        problems = content.problems + lines.problems
        return Recording(content.name, "monotonic", {"events": events}, problems, None, lines.warnings)
    return _read_text(content, on_error)


def _read_pages(content: Content) -> Recording:
    found = Recording(content.name, "none", {}, content.problems)
    if content.cut:
        raise ParseError(content.name, "an archive that ends too early", "a whole page map", "Copy it again")
    if not is_binary(content.name):
        found.groups["pages"] = pagemap.parse_archive(content.name, content.data)
    elif "kpagecount" in content.name:
        found.mapcount = pagemap.parse_counts(content.name, content.data)
    else:
        found.groups["pages"] = pagemap.parse_flags(content.name, content.data)
    return found


def _cut(content: Content, data: bytes, numbers: np.ndarray | None = None) -> Lines:
    return cut_lines(content.name, data, cut=content.cut, numbers=numbers)


def _read_text(content: Content, on_error: str) -> Recording:
    try:
        return _read_lines(_cut(content, content.data), content, "raise")
    except ParseError:
        mended = repair(content.data)
        if mended is None:
            if on_error == "raise":
                raise
            return _read_lines(_cut(content, content.data), content, on_error)
    data, numbers, done = mended
    lines = _cut(content, data, numbers)
    lines.problems += [f"{content.name}: {what}" for what in done]
    return _read_lines(lines, content, on_error)


def _read_lines(lines: Lines, content: Content, on_error: str) -> Recording:
    sections, problems = find_sections(lines)
    parsed = {
        name: found for name, parse in _FORMATS.items() if (found := parse(lines, sections)) is not None
    }
    for found in parsed.values():
        problems += found.faults
        problems += _misordered(lines, sections, found.sections)
    settled = settle(lines, problems, sections.kind.size, on_error)
    kept = {name: _kept(found, sections.stamp, settled.dropped) for name, found in parsed.items()}
    groups = {name: dataset for name, dataset in kept.items() if dataset.sizes["time"]}
    if not groups:
        raise ParseError(
            lines.name, "no record of a known kind", "at least one", "Nothing of this file can be shown"
        )
    facts = dict(sections.facts)
    order = pagetypeinfo.pageblock_order(lines, sections, settled.dropped)
    if order is not None:
        facts["pageblock_order"] = order
    return Recording(
        lines.name,
        sections.clock,
        groups,
        content.problems + lines.problems + _order_problem(sections, lines) + settled.problems,
        sections.offset,
        settled.warnings + lines.warnings,
        facts,
    )


def _kept(found: Parsed, stamp: np.ndarray, dropped: np.ndarray) -> xr.Dataset:
    """Samples of one group whose sections were not dropped, with their times."""
    kept = ~dropped[found.sections]
    dataset = found.dataset if kept.all() else found.dataset.isel(time=kept)
    if found.unusable_index is not None:
        second = found.unusable_index[kept]
        lost = xr.DataArray(dropped[second] & (second >= 0), dims="time")
        dataset = dataset.assign(unusable_index=dataset.unusable_index.where(~lost))
    return dataset.assign_coords(time=stamp[found.sections[kept]])


def _misordered(lines: Lines, sections: Sections, chosen: np.ndarray) -> list[Fault]:
    """Faults of one group's stamps, where the file has stamps."""
    if sections.clock == "none":
        return []
    return misordered(lines, sections.stamp, sections.stamp_line, chosen[sections.stamp_line[chosen] >= 0])


def _order_problem(sections: Sections, lines: Lines) -> list[str]:
    if sections.clock != "none" or not (sections.stamp > 0).any():
        return []
    return [f"{lines.name}: several snapshots without time stamps; only their order is known"]
