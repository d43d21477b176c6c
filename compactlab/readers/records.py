"""Recognises the formats in a text and cuts it to sections: one printed file with one time stamp each."""

from __future__ import annotations

import re

import numpy as np

from compactlab.core import split as kinds
from compactlab.core import text as scan

from .damage import SKIP_HINT, Fault
from .lines import Lines, bad_row, not_text
from .notes import is_note
from .sections import KINDS, Sections
from .stamps import read_stamps
from .tail import cut_tail, take_off_broken_row

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
_COUNTER = re.compile(
    r"nr_|pg|compact_|thp_|allocstall|numa_|kswapd_|kcompactd|workingset_|oom_kill|drop_|slabs_|unevictable_"
    r"|htlb_|swap_|swp|zone_|zswp|balloon_|direct_map|ksm_|cow_|vma_|kstack_"
)
_TITLE = re.compile(_NAME.pattern + r"\W*$")  # `==> /proc/vmstat <==`, `# cat /proc/buddyinfo`


def find_sections(lines: Lines) -> tuple[Sections, list[Fault]]:
    """Cut a text to sections.

    Raises
    ------
    ParseError
        If the text holds none of the formats.
    """
    if not np.isin(lines.classes, (*_ROWS, scan.RECORD)).any() and not _is_vmstat(lines):
        raise not_text(lines.name, _first_words(lines))
    broken = take_off_broken_row(lines)
    sections, faults = _recorded(lines) if (lines.classes == scan.RECORD).any() else _plain(lines)
    faults += _unexpected(lines, sections) + _empty(lines, sections)
    return sections, faults + cut_tail(lines, sections, broken)


def _is_vmstat(lines: Lines) -> bool:
    counters = np.flatnonzero(lines.classes == scan.COUNTER)
    _, names = lines.words(counters, scan.NAME)
    return any(_COUNTER.match(name) for name in names)


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
                Fault(section, line, lines.shown(line), "'@@ <t_ns> <kind>', such as '@@ 12 vmstat'")
            )
        elif kind[-1] < 0 and lines.cut and line == lines.last:
            faults.append(Fault(section, line, lines.shown(line), "a whole line", unfinished=True))
        elif kind[-1] < 0:
            unread[name] = unread.get(name, 0) + 1
    lines.problems += [
        f"{lines.name}: {n} records of kind {name!r} were not read" for name, n in unread.items()
    ]
    section_of = np.searchsorted(starts, np.arange(lines.begin.size), "right") - 1
    section_of[starts] = -1
    before = np.flatnonzero((np.arange(lines.begin.size) < starts[0]) & (lines.classes != scan.BLANK))
    faults += [Fault(-1, int(n), lines.shown(int(n)), "a record that begins with '@@'") for n in before[:1]]
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
        if re.fullmatch(r"\d{1,18}|[1-8]\d{18}", facts.get("realtime_ns", "")):
            known = sections.offset or 0  # already added, by an earlier header
            offset = int(facts["realtime_ns"]) - (int(sections.stamp[header]) - known)
            sections.stamp[header:] += offset - known
            sections.clock, sections.offset = "wall", offset


def _plain(lines: Lines) -> tuple[Sections, list[Fault]]:
    """Sections of a text as `cat` printed it, with or without lines that tell the time."""
    _part_from_counters(lines)
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
    _leave_out_notes(lines, sections, stamped | (titles >= 0))
    return sections, faults + _junk(lines, section_of, stamped, titles)


def _part_from_counters(lines: Lines) -> None:
    """Tell lines such as ``Sample 3`` or ``time 1795434174`` from counters: those stand in company."""
    counters = np.flatnonzero(lines.classes == scan.COUNTER)
    heads = np.flatnonzero(np.diff(counters, prepend=-2) > 1)
    for head, size in zip(heads.tolist(), np.diff(heads, append=counters.size).tolist(), strict=True):
        run = counters[head : head + min(size, _FEW)].tolist()
        known = [_COUNTER.match(lines[line]) is not None for line in run]
        alone = run if size <= _FEW and not any(known) else run[: not known[0]]
        lines.classes[alone] = scan.OTHER


_FEW = 4  # lines; what is longer is a table of counters whatever their names


def _leave_out_notes(lines: Lines, sections: Sections, told: np.ndarray) -> None:
    """Make lines blank that are in nobody's way: comments, prompts, messages of the shell."""
    wrong = (sections.section_of < 0) & ~told & (lines.classes != scan.BLANK)
    wrong |= _misplaced(lines, sections)
    notes = [line for line in np.flatnonzero(wrong).tolist() if is_note(lines[line])]
    if notes:
        first = f"the first: {lines.shown(notes[0])} on line {lines.number(notes[0])}"
        lines.problems.append(f"{lines.name}: lines that are no records were left out: {len(notes)}; {first}")
        lines.classes[notes] = scan.BLANK


def _misplaced(lines: Lines, sections: Sections) -> np.ndarray:
    """Whether each line stands in a section of a kind that does not have such lines."""
    allowed = np.zeros((len(KINDS) + 1, scan.BAD + 1), bool)
    allowed[:, scan.BLANK] = True
    allowed[-1] = True  # kinds that are not read
    for kind, classes in _CLASSES.items():
        allowed[kind, list(classes)] = True
    inside = np.flatnonzero(sections.section_of >= 0)
    wrong = np.zeros(lines.begin.size, bool)
    wrong[inside] = ~allowed[sections.kind[sections.section_of[inside]], lines.classes[inside]]
    return wrong


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
            lines.shown(line),
            "a time stamp or a line of one of the formats",
            _CLOCK_HINT if _CLOCK.search(lines[line]) else SKIP_HINT,
            unfinished=line == lines.last,
        )
        for line in np.flatnonzero(stray).tolist()
    ]


_CLOCK = re.compile(r"\d[:.h]\d\d")
_CLOCK_HINT = (
    "If this is a time, it must name the date, in English or in numbers with the year first; record with "
    '`date +%s`, `date -Is` or `LC_ALL=C date`. on_error="skip" leaves such lines out: records then have '
    "their order but no times"
)


def _unexpected(lines: Lines, sections: Sections) -> list[Fault]:
    """Lines that do not belong to the kind of section they stand in."""
    faults = []
    for line in np.flatnonzero(_misplaced(lines, sections)).tolist():
        of = int(sections.section_of[line])
        if lines.classes[line] == scan.BAD and sections.kind[of] not in (
            kinds.EXTFRAG_INDEX,
            kinds.UNUSABLE_INDEX,
        ):
            faults.append(Fault(of, line, *bad_row(lines, line)))
        else:
            expected = f"a line of {KINDS[sections.kind[of]]}"
            faults.append(Fault(of, line, lines.shown(line), expected))
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
