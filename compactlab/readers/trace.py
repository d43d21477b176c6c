"""Traced kernel events, one per line: ``t_ns cpu role event key=value ...``."""

from __future__ import annotations

import numpy as np
import xarray as xr

from compactlab import schema
from compactlab.core import text as text_scan
from compactlab.core import trace as scan

from .errors import ParseError
from .lines import Lines

_NAMES = {  # arguments whose name in the schema is another one
    "zone_start": "start_pfn",
    "zone_end": "end_pfn",
    "nid": "node",
    "ret": "status",
    "consider": "considered",
    "gfp_mask": "gfp_flags",
    "alloc_order": "order",
    "alloc_migratetype": "migratetype",
}
_DERIVED = ("name", "role", "cpu", "time", "elapsed")


def parse(lines: Lines, on_error: str) -> xr.Dataset:
    """Read all events; arguments that the schema does not declare are counted in the problems."""
    held = np.flatnonzero(lines.end > lines.begin)
    held = held[lines.data[lines.begin[held]] != ord("#")]
    fields, arguments = scan.scan(lines.data, lines.begin[held], lines.end[held])
    good = _check(lines, held, fields[:, scan.GOOD] == 1, on_error)
    events: dict[str, np.ndarray] = {
        "name": _texts(lines, fields[:, scan.EVENT], fields[:, scan.EVENT_END]),
        "role": _texts(lines, fields[:, scan.ROLE], fields[:, scan.ROLE_END]),
        "cpu": fields[:, scan.CPU],
    }
    _add_arguments(lines, events, arguments)
    dataset = xr.Dataset(
        {name: ("event", values) for name, values in events.items()},
        {"time": ("event", fields[:, scan.TIME])},
    )
    if "zone" in dataset:
        _join_node(dataset)
    dataset = dataset.isel(event=good)
    return dataset.isel(event=np.argsort(dataset.time.values, kind="stable"))


def _check(lines: Lines, held: np.ndarray, good: np.ndarray, on_error: str) -> np.ndarray:
    """Lines that are events; a cut last line is left out, others are errors or skipped."""
    if lines.cut and held.size:
        good[-1] = False
        told = f"{lines.where(int(held[-1]))}: the last event is incomplete and was left out"
        lines.problems.append(told)
        lines.warnings.append(told)
    bad = held[~good]
    bad = bad[bad != lines.last] if lines.cut else bad
    if bad.size and on_error == "raise":
        line = int(bad[0])
        expected = "an event 't_ns cpu role event key=value ...'"
        raise ParseError(lines.where(line), lines.shown(line), expected, 'on_error="skip" leaves it out')
    if bad.size:
        lines.problems.append(f"{lines.where(int(bad[0]))}: skipped {bad.size} lines that are no events")
    return good


def _texts(lines: Lines, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    ids, first = text_scan.intern(lines.data, begin, end)
    words = [bytes(lines.data[begin[i] : end[i]]).decode("utf-8", "backslashreplace") for i in first]
    return np.array([*words, ""], object)[ids]


def _add_arguments(lines: Lines, events: dict[str, np.ndarray], arguments: np.ndarray) -> None:
    """One column per argument that the schema declares."""
    size = events["cpu"].size
    key, first = text_scan.intern(lines.data, arguments[:, scan.KEY], arguments[:, scan.KEY_END])
    names = _texts(lines, arguments[first, scan.KEY], arguments[first, scan.KEY_END])
    ignored = {}
    for number, printed in enumerate(names.tolist()):
        mine = arguments[key == number]
        name = _NAMES.get(printed, printed)
        at, begin, end = mine[:, scan.LINE], mine[:, scan.VALUE], mine[:, scan.VALUE_END]
        if printed == "range":
            bounds = np.zeros((at.size, 2), np.int64)
            _hexadecimal_pairs(lines, begin, end, bounds)
            for column, name in enumerate(("start_pfn", "end_pfn")):
                events.setdefault(name, np.full(size, schema.NO_INTEGER))[at] = bounds[:, column]
        elif name not in schema.GROUPS["events"] or name in _DERIVED:
            ignored[printed] = at.size
        elif schema.GROUPS["events"][name].dtype == "i":
            values = scan.integers(lines.data, begin, end, schema.NO_INTEGER)
            events.setdefault(name, np.full(size, schema.NO_INTEGER))[at] = values
        else:
            events.setdefault(name, np.full(size, "", object))[at] = _texts(lines, begin, end)
    if ignored:
        counted = ", ".join(f"{name} ({n})" for name, n in ignored.items())
        lines.problems.append(f"{lines.name}: event arguments that were not kept: {counted}")


def _hexadecimal_pairs(lines: Lines, begin: np.ndarray, end: np.ndarray, bounds: np.ndarray) -> None:
    """``(0x1 ~ 0x200)``: the tilde stands between the two."""
    size = int((end - begin).max())
    window = np.minimum(begin[:, None] + np.arange(size), lines.data.size - 1)
    tilde = begin + (lines.data[window] == ord("~")).argmax(1)
    bounds[:, 0] = scan.integers(lines.data, begin + 1, tilde - 1, schema.NO_INTEGER)
    bounds[:, 1] = scan.integers(lines.data, tilde + 2, end - 1, schema.NO_INTEGER)


def _join_node(dataset: xr.Dataset) -> None:
    """Turn the kernel's ``node=0 zone=Normal`` to the label ``0/Normal``."""
    zone = dataset.zone.values
    named = np.flatnonzero(zone != "")
    node = dataset.node.values if "node" in dataset else np.zeros(zone.size, np.int64)
    labels: dict[tuple[int, str], str] = {}
    for i in named.tolist():
        pair = (int(node[i]), zone[i])
        zone[i] = labels.setdefault(pair, f"{max(pair[0], 0)}/{pair[1]}")


def locate(events: xr.Dataset, spans: dict[str, tuple[int, int]]) -> xr.Dataset:
    """Give events their zone.

    The compactor's begin and end name the zone's first page, other events a range or a page; all
    are looked up among the zones' spans. What migrates belongs to the zone its role last worked on.

    Parameters
    ----------
    events
        As ``parse`` returns them.
    spans
        First and last + 1 page frame number of the zones, as far as known.

    Returns
    -------
        The events with `zone` (event): labels, empty where unknown.
    """
    zone = events.zone.values.copy() if "zone" in events else np.full(events.sizes["event"], "", object)
    name = events.name.values
    start = events.start_pfn.values if "start_pfn" in events else np.full(zone.size, schema.NO_INTEGER)
    spans = spans or _spans_of_runs(events, zone, start)
    pfn = np.where(start != schema.NO_INTEGER, start, _column(events, "pfn"))
    for label, (first, end) in spans.items():
        zone[(zone == "") & (pfn >= first) & (pfn < end)] = label
    reason = events.reason.values if "reason" in events else np.full(zone.size, "", object)
    moving = (name == "mm_compaction_migratepages") | (reason == "compaction")
    source = np.array([n.startswith("mm_compaction_") for n in name.tolist()], bool) & (zone != "")
    for role in set(events.role.values[moving].tolist()):
        mine = events.role.values == role
        latest = np.maximum.accumulate(np.where(source & mine, np.arange(zone.size), -1))
        at = np.flatnonzero(moving & mine & (latest >= 0) & (zone == ""))
        zone[at] = zone[latest[at]]
    return events.assign(zone=("event", zone))


def _column(events: xr.Dataset, name: str) -> np.ndarray:
    return events[name].values if name in events else np.full(events.sizes["event"], schema.NO_INTEGER)


def _spans_of_runs(events: xr.Dataset, zone: np.ndarray, start: np.ndarray) -> dict[str, tuple[int, int]]:
    """Spans from the trace itself: after ``begin`` the same CPU names the zone in ``finished``."""
    begins = np.flatnonzero((events.name.values == "mm_compaction_begin") & (start != schema.NO_INTEGER))
    finished = np.flatnonzero((events.name.values == "mm_compaction_finished") & (zone != ""))
    cpu, end = events.cpu.values, _column(events, "end_pfn")
    spans: dict[str, tuple[int, int]] = {}
    for first in np.unique(start[begins]).tolist():
        for begin in begins[start[begins] == first][:20].tolist():
            later = finished[np.searchsorted(finished, begin) :][:20]
            later = later[cpu[later] == cpu[begin]]
            if later.size:
                spans[zone[later[0]]] = (first, int(end[begin]))
                break
    return spans
