"""Recorded allocation traces: the kernel's page allocations and frees, as ftrace or perf print them.

``comm-123 [000] d..1. 1234.567890: mm_page_alloc: page=… pfn=0x12345 order=0 migratetype=1 gfp_flags=…``,
or the recorder's ``t_ns cpu role event args``. Fields: include/trace/events/kmem.h, Linux 6.18.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

from .errors import ParseError
from .sources import Content, Source, load

EVENT = np.dtype(
    [
        ("time_ns", np.int64),
        ("pfn", np.int64),
        ("cpu", np.int32),
        ("flags", np.int32),
        ("event", np.uint8),
        ("order", np.uint8),
        ("migratetype", np.uint8),
    ]
)
"""One event: `pfn` -1 is a failed allocation; `flags` indexes the texts of gfp flags, -1 for a free."""

ALLOC, FREE, FREE_BATCHED = range(3)
_EVENTS = {b"alloc": ALLOC, b"free": FREE, b"free_batched": FREE_BATCHED}
_FAILED = -1

_FTRACE = rb"(?:.*? )??\[(?P<cpu>\d{1,5})\](?: +\S{1,8})? +(?P<s>\d{1,9})\.(?P<fraction>\d{1,9}): "
_RECORDER = rb"(?P<ns>\d{1,18}) (?P<cpu2>\d{1,5}) \S+ "
_EVENT = re.compile(
    rb"\s*(?:" + _FTRACE + rb"|" + _RECORDER + rb") *(?:kmem:)?mm_page_(?P<event>alloc|free|free_batched):? "
    rb"(?:page=\S+ )?pfn=(?P<pfn>-1|0x[0-9a-f]{1,16}|\d{1,20})"
    rb" order=(?P<order>1?\d|20)(?: migratetype=(?P<type>\d{1,2}) gfp_flags=(?P<flags>\S+))?\s*"
)
_OURS = re.compile(rb"mm_page_(?:alloc|free|free_batched)[: ]")
_OTHER = re.compile(rb" (\w+): | \d+ \S+ (\w+)")
_LOST = re.compile(rb"CPU:\d+ \[LOST (\d+) EVENTS\]")
_EXPECTED = "'comm-pid [cpu] flags seconds: mm_page_alloc: page=… pfn=0x… order=… migratetype=… gfp_flags=…'"


@dataclass
class PageTrace:
    """Events in the order of time, and what was odd about the text."""

    name: str
    events: np.ndarray
    """EVENT rows."""
    flags: list[str]
    """Texts of gfp flags."""
    provenance: dict[str, str | int]
    problems: list[str] = field(default_factory=list)


def read_page_trace(source: Source) -> PageTrace:
    """Read a trace of page allocations and frees.

    Other events are counted in the problems; so are events that the tracer lost.

    Parameters
    ----------
    source
        A path, an open file, bytes or the text itself (with a line break); gzip is unpacked.

    Returns
    -------
        The events.

    Raises
    ------
    ParseError
        If a line with one of the events cannot be read, or there is none.

    Examples
    --------
    >>> trace = read_page_trace('''
    ... cc1-7 [001] ..... 12.000001: mm_page_alloc: page=0 pfn=0x40 order=0 migratetype=1 gfp_flags=GFP_USER
    ... cc1-7 [001] ..... 12.000009: mm_page_free: page=0 pfn=0x40 order=0
    ... ''')
    >>> trace.events[["time_ns", "pfn"]].tolist()
    [(12000001000, 64), (12000009000, 64)]
    """
    name, contents = load(source)
    if len(contents) != 1:
        raise ValueError(f"{name}: {len(contents)} files; give one trace")
    return _read(contents[0])


def _read(content: Content) -> PageTrace:
    trace = PageTrace(content.name, np.empty(0, EVENT), [], content.provenance, list(content.problems))
    known: dict[bytes, int] = {}
    others: dict[str, int] = {}
    found = []
    lost = 0
    lines = content.data.split(b"\n")
    for number, line in enumerate(lines, 1):
        if line.startswith(b"#"):
            continue
        if match := _EVENT.fullmatch(line):
            found.append(_event(match, known))
        elif _OURS.search(line):
            where = f"{content.name}, line {number}"
            if number < len(lines) and not content.cut:
                raise ParseError(where, _shown(line), _EXPECTED, "Record with the kernel's own print format")
            trace.problems.append(f"{where}: the last event is incomplete and was left out")
        elif told := _LOST.search(line):
            lost += int(told[1])
        elif other := _OTHER.search(line):
            event = (other[1] or other[2]).decode()
            others[event] = others.get(event, 0) + 1
    if not found:
        raise ParseError(
            content.name,
            f"{len(lines)} lines without a page allocation",
            _EXPECTED,
            "Enable the events kmem:mm_page_alloc and kmem:mm_page_free",
        )
    if lost:
        trace.problems.append(f"{content.name}: the tracer lost {lost} events; use a larger buffer")
    if others:
        counted = ", ".join(f"{event} ({n})" for event, n in others.items())
        trace.problems.append(f"{content.name}: other events were left out: {counted}")
    events = np.array(found, EVENT)
    trace.events = events[np.argsort(events["time_ns"], kind="stable")]
    trace.flags = [text.decode() for text in known]
    return trace


def _event(match: re.Match[bytes], known: dict[bytes, int]) -> tuple[int, ...]:
    """One row; `known` gives numbers to texts of flags."""
    if match["ns"] is not None:
        time, cpu = int(match["ns"]), int(match["cpu2"])
    else:
        time = int(match["s"]) * 1_000_000_000 + int(match["fraction"].ljust(9, b"0"))
        cpu = int(match["cpu"])
    event = _EVENTS[match["event"]]
    pfn = int(match["pfn"], 0) if match["pfn"][:1] != b"0" else int(match["pfn"], 16)
    if pfn >= 1 << 52 or (event == ALLOC and pfn == 0):  # printed unsigned; recent kernels print 0
        pfn = _FAILED
    flags = known.setdefault(match["flags"], len(known)) if match["flags"] is not None else -1
    return time, pfn, cpu, flags, event, int(match["order"]), int(match["type"] or 0)


def _shown(line: bytes) -> str:
    text = line.decode("utf-8", "backslashreplace").strip()
    return repr(text if len(text) <= 100 else text[:100] + "…")
