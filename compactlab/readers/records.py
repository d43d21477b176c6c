"""Recognises the formats in a text and cuts it to sections: one printed file with one time stamp each."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

from compactlab.core import split as kinds
from compactlab.core import text as scan

from .damage import Fault
from .lines import Lines, bad_row, not_text
from .stamps import read_stamps

KINDS = (
    "buddyinfo",
    "pagetypeinfo",
    "zoneinfo",
    "vmstat",
    "extfrag_index",
    "unusable_index",
    "buddyinfo_after",
    "header",
)

_CLASSES = {  # lines that may stand in a section of each kind, besides blank ones
    kinds.BUDDYINFO: (scan.COUNTS,),
    kinds.BUDDYINFO_AFTER: (scan.COUNTS,),
    kinds.PAGETYPEINFO: (scan.TYPED, scan.COUNTS, scan.BLOCK, scan.TYPES, scan.BLOCKS, scan.MIXED),
    kinds.ZONEINFO: (scan.ZONE, scan.BODY),
    kinds.VMSTAT: (scan.COUNTER,),
    kinds.EXTFRAG_INDEX: (scan.INDICES,),
    kinds.UNUSABLE_INDEX: (scan.INDICES,),
    kinds.HEADER: (scan.COUNTER, scan.OTHER),
}
_ROWS = (scan.COUNTS, scan.INDICES, scan.TYPED, scan.ZONE, scan.BAD)
_RECORD = re.compile(r"@@ +(\d{1,18}) +(\S+)((?: +\w+=\S*)*)$")
_SAME = {"same=0": 0, "same=1": 1}
_NAME = re.compile(r"(?<![a-z])(" + "|".join(KINDS[:6]) + r")(?![a-z])")
_TITLE = re.compile(_NAME.pattern + r"\W*$")  # `==> /proc/vmstat <==`, `# cat /proc/buddyinfo`


@dataclass
class Sections:
    """Sections of one text, in the order of the file."""

    kind: np.ndarray
    stamp: np.ndarray  # ns on the file's clock
    stamp_line: np.ndarray  # -1: none
    same: np.ndarray  # 1: buddyinfo was re-read and had not changed, 0: it had, -1: not told
    section_of: np.ndarray  # section of every line, -1: none
    clock: str  # wall, monotonic or none
    offset: int | None = None  # wall minus monotonic, from a header
    facts: dict[str, str | int] = field(default_factory=dict)

    def of_kind(self, *which: int) -> np.ndarray:
        """Numbers of the sections of some kinds."""
        return np.flatnonzero(np.isin(self.kind, which))

    def rows(self, lines: Lines, kind: int, *classes: int) -> np.ndarray:
        """Lines of given classes in sections of one kind."""
        held = np.isin(lines.classes, classes) & (self.section_of >= 0)
        rows = np.flatnonzero(held)
        return rows[self.kind[self.section_of[rows]] == kind]


def find_sections(lines: Lines) -> tuple[Sections, list[Fault]]:
    """Cut a text to sections.

    Raises
    ------
    ParseError
        If the text holds none of the formats.
    """
    if not np.isin(lines.classes, (*_ROWS, scan.RECORD)).any() and not _is_vmstat(lines):
        raise not_text(lines.name, _first_words(lines))
    sections, faults = _recorded(lines) if (lines.classes == scan.RECORD).any() else _plain(lines)
    return sections, faults + _unexpected(lines, sections) + _empty(lines, sections) + _cut_short(
        lines, sections
    )


def _is_vmstat(lines: Lines) -> bool:
    counters = np.flatnonzero(lines.classes == scan.COUNTER)
    _, names = lines.words(counters, scan.NAME)
    return any(name.startswith(("nr_", "pg", "compact_", "thp_")) for name in names)


def _first_words(lines: Lines) -> str:
    held = np.flatnonzero(lines.classes != scan.BLANK)
    if not held.size:
        return "an empty text"
    return f"a text that begins with {lines[int(held[0])][:60]!r}"


def _recorded(lines: Lines) -> tuple[Sections, list[Fault]]:
    """Sections of a recording whose records begin with ``@@ <t_ns> <kind>``."""
    starts = np.flatnonzero(lines.classes == scan.RECORD)
    kind, stamp, same = [], [], []
    faults: list[Fault] = []
    unread: dict[str, int] = {}
    for section, line in enumerate(starts.tolist()):
        match = _RECORD.match(lines[line])
        name = match[2].rsplit("/", 1)[-1] if match else ""
        kind.append(KINDS.index(name) if name in KINDS else -1)
        stamp.append(int(match[1]) if match else -1)
        same.append(_SAME.get(match[3].strip(), -1) if match else -1)
        if not match:
            faults.append(
                Fault(section, line, f"{lines[line]!r}", "'@@ <t_ns> <kind>', such as '@@ 12 vmstat'")
            )
        elif kind[-1] < 0 and lines.cut and line == lines.last:
            faults.append(Fault(section, line, f"{lines[line]!r}", "a whole line", unfinished=True))
        elif kind[-1] < 0:
            unread[name] = unread.get(name, 0) + 1
    lines.problems += [
        f"{lines.name}: {n} records of kind {name!r} were not read" for name, n in unread.items()
    ]
    section_of = np.searchsorted(starts, np.arange(lines.begin.size), "right") - 1
    section_of[starts] = -1
    before = np.flatnonzero((np.arange(lines.begin.size) < starts[0]) & (lines.classes != scan.BLANK))
    faults += [Fault(-1, int(n), f"{lines[n][:60]!r}", "a record that begins with '@@'") for n in before[:1]]
    sections = Sections(np.array(kind), np.array(stamp), starts, np.array(same), section_of, "monotonic")
    _apply_headers(lines, sections)
    return sections, faults


def _apply_headers(lines: Lines, sections: Sections) -> None:
    """Turn monotonic stamps to the wall clock from each header on."""
    for header in sections.of_kind(kinds.HEADER):
        body = np.flatnonzero(sections.section_of == header)
        pairs = [lines[line].split(None, 1) for line in body.tolist()]
        facts = {pair[0]: pair[1] for pair in pairs if len(pair) == 2}
        for name in ("kernel", "machine"):
            if name in facts:
                sections.facts[name] = facts[name]
        if facts.get("page_size", "").isdigit():
            sections.facts["page_size"] = int(facts["page_size"])
        if facts.get("realtime_ns", "").isdigit():
            known = sections.offset or 0  # already added, by an earlier header
            offset = int(facts["realtime_ns"]) - (int(sections.stamp[header]) - known)
            sections.stamp[header:] += offset - known
            sections.clock, sections.offset = "wall", offset


def _plain(lines: Lines) -> tuple[Sections, list[Fault]]:
    """Sections of a text as `cat` printed it, with or without lines that tell the time."""
    other = np.flatnonzero(lines.classes == scan.OTHER)
    time, stamped = read_stamps(lines, other)
    titles = np.full(lines.begin.size, -1, np.int64)
    for line in other[~stamped[other]].tolist():
        if match := _TITLE.search(lines[line]):
            titles[line] = KINDS.index(match[1])
    labels, n_labels = _labels(lines)
    section_of, kind, stamp_line, title = kinds.split(lines.classes, labels, stamped, titles, n_labels)
    _part_from_strays(lines, section_of, stamped, titles)
    _tell_indices_apart(lines, section_of, kind, title)
    has = stamp_line >= 0
    stamp = np.where(has, time[stamp_line], 0)
    sections = Sections(
        kind, stamp, stamp_line, np.full(kind.size, -1), section_of, "wall" if has.any() else "none"
    )
    faults = []
    if has.any() and not has.all():
        first = int(np.flatnonzero(~has)[0])
        line = int(np.flatnonzero(section_of == first)[0])
        faults.append(
            Fault(
                first,
                line,
                f"{KINDS[kind[first]]} before the first time stamp",
                "a time stamp before every record",
                "Print the time first: `date +%s; cat /proc/buddyinfo`",
            )
        )
    if not has.any() and kind.size:
        stamp[:] = _order_only(kind)
    if has.any() and lines.last >= 0 and stamped[lines.last]:
        faults.append(
            Fault(-1, lines.last, "a time stamp with nothing after it", "a record", unfinished=True)
        )
    return sections, faults + _junk(lines, section_of, stamped, titles)


def _part_from_strays(lines: Lines, section_of: np.ndarray, stamped: np.ndarray, titles: np.ndarray) -> None:
    """Take lines of no format that follow a whole record, such as ``^C``, out of its section."""
    held = np.flatnonzero((lines.classes != scan.BLANK) | stamped)
    other = (lines.classes[held] == scan.OTHER) & ~stamped[held] & (titles[held] < 0)
    following = -1
    for i in np.flatnonzero(other)[::-1].tolist():
        if i + 1 == held.size or not other[i + 1]:
            following = int(section_of[held[i + 1]]) if i + 1 < held.size else -1
        if following != section_of[held[i]]:
            section_of[held[i]] = -1


def _order_only(kind: np.ndarray) -> np.ndarray:
    """Count the sections of each kind, 0, 1, 2 ..., where no clock tells more."""
    index = np.zeros(kind.size, np.int64)
    for which in np.unique(kind):
        index[kind == which] = np.arange((kind == which).sum())
    return index


def _labels(lines: Lines) -> tuple[np.ndarray, int]:
    """Give a number to the zone of every row and the name of every counter."""
    labels = np.full(lines.begin.size, -1, np.int64)
    rows = np.flatnonzero(np.isin(lines.classes, _ROWS[:-1]))
    counters = np.flatnonzero(lines.classes == scan.COUNTER)
    name, names = lines.words(rows, scan.NAME)
    _, labels[rows] = np.unique(
        lines.fields[rows, scan.NUMBER] * max(len(names), 1) + name, return_inverse=True
    )
    first = int(labels.max(initial=-1)) + 1
    labels[counters] = first + lines.words(counters, scan.NAME)[0]
    return labels, int(labels.max(initial=-1)) + 1


def _tell_indices_apart(lines: Lines, section_of: np.ndarray, kind: np.ndarray, title: np.ndarray) -> None:
    """Of the two debugfs files only extfrag_index prints negative values; a title or file name wins."""
    named = _NAME.search(lines.name)
    fallback = KINDS.index(named[1]) if named else -1
    for section in np.flatnonzero(kind == kinds.EXTFRAG_INDEX):
        told = title[section] if title[section] >= 0 else fallback
        if told not in (kinds.EXTFRAG_INDEX, kinds.UNUSABLE_INDEX):
            body = np.flatnonzero(section_of == section)
            values = lines.data[lines.fields[body[0], scan.VALUES] : lines.end[body[-1]]]
            told = kinds.EXTFRAG_INDEX if (values == ord("-")).any() else kinds.UNUSABLE_INDEX
        kind[section] = told


def _junk(lines: Lines, section_of: np.ndarray, stamped: np.ndarray, titles: np.ndarray) -> list[Fault]:
    """Lines that belong nowhere, outside of any section."""
    stray = (section_of < 0) & ~stamped & (titles < 0) & (lines.classes != scan.BLANK)
    return [
        Fault(
            -1,
            line,
            _shown(lines, line),
            "a time stamp or a line of one of the formats",
            _STAMP_HINT,
            unfinished=line == lines.last,
        )
        for line in np.flatnonzero(stray).tolist()
    ]


_STAMP_HINT = (
    "Times are read as `date`, `date +%s`, `date +%s%N` or ISO print them (with a date, in English); "
    'on_error="skip" leaves such lines out'
)


def _shown(lines: Lines, line: int) -> str:
    raw = bytes(lines.data[lines.begin[line] : lines.end[line]])
    try:
        return repr(raw.decode()[:60])
    except UnicodeDecodeError:
        return f"bytes that are not UTF-8 text, {raw[:40]!r}"


def _unexpected(lines: Lines, sections: Sections) -> list[Fault]:
    """Lines that do not belong to the kind of section they stand in."""
    allowed = np.zeros((len(KINDS) + 1, 14), bool)
    allowed[:, scan.BLANK] = True
    allowed[-1] = True  # kinds that are not read
    for kind, classes in _CLASSES.items():
        allowed[kind, list(classes)] = True
    inside = np.flatnonzero(sections.section_of >= 0)
    section = sections.section_of[inside]
    wrong = ~allowed[sections.kind[section], lines.classes[inside]]
    faults = []
    for line, of in zip(inside[wrong].tolist(), section[wrong].tolist(), strict=True):
        if lines.classes[line] == scan.BAD and sections.kind[of] not in (
            kinds.EXTFRAG_INDEX,
            kinds.UNUSABLE_INDEX,
        ):
            faults.append(Fault(of, line, *bad_row(lines, line)))
        else:
            expected = f"a line of {KINDS[sections.kind[of]]}"
            faults.append(Fault(of, line, _shown(lines, line), expected))
    return faults


def _empty(lines: Lines, sections: Sections) -> list[Fault]:
    """Find records without a body."""
    held = sections.section_of[(sections.section_of >= 0) & (lines.classes != scan.BLANK)]
    filled = np.bincount(held, minlength=sections.kind.size) > 0
    return [
        Fault(
            section,
            int(sections.stamp_line[section]),
            f"a {KINDS[sections.kind[section]]} record without content",
            "the text of the file after it",
            unfinished=section == sections.kind.size - 1,
        )
        for section in np.flatnonzero(~filled & (sections.kind >= 0)).tolist()
    ]


def _cut_short(lines: Lines, sections: Sections) -> list[Fault]:
    """Find out whether the last record is less than the one of its kind before it.

    Less means fewer lines, or a last line that is shorter at a cut end: the kernel pads its columns,
    so digits of the last number may be gone.
    """
    last = sections.kind.size - 1
    before = np.flatnonzero(sections.kind[:last] == sections.kind[last])
    if not before.size:
        return []
    held = lines.classes != scan.BLANK
    here, there = (np.flatnonzero(held & (sections.section_of == of)) for of in (last, before[-1]))
    size = lines.end - lines.begin
    fewer = here.size < there.size
    if not lines.cut and fewer:
        kind = KINDS[sections.kind[last]]
        lines.problems.append(
            f"{lines.name}: the last {kind} has fewer lines than the one before it; was it cut?"
        )
    ends = here.size == there.size and here[-1:] == lines.last and size[here[-1]] < size[there[-1]]
    if not lines.cut or not (fewer or ends):
        return []
    return [Fault(last, lines.last, f"{lines[lines.last]!r}", "a complete record", unfinished=True)]
