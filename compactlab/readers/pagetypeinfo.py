"""/proc/pagetypeinfo: free blocks and pageblocks per migratetype."""

from __future__ import annotations

import numpy as np
import xarray as xr

from compactlab import schema
from compactlab.core import split as kinds
from compactlab.core import text as scan

from .damage import Fault
from .errors import ParseError
from .lines import Lines
from .rows import Parsed, place, table_faults
from .sections import Sections

_TABLES = {scan.BLOCKS: "nr_pageblocks", scan.MIXED: "nr_mixed_pageblocks"}


def parse(lines: Lines, sections: Sections) -> Parsed | None:
    """Read every pagetypeinfo section."""
    chosen = sections.of_kind(kinds.PAGETYPEINFO)
    rows = sections.rows(lines, kinds.PAGETYPEINFO, scan.TYPED)
    if not rows.size:
        return None
    sample, zone, nodes, names = place(lines, sections, chosen, rows)
    kind, types = lines.words(rows, scan.TYPE)
    width = lines.fields[rows, scan.WIDTH]
    counts = np.zeros((rows.size, int(width.max())), np.int64)
    over = np.zeros(counts.shape, bool)
    scan.counts_into(lines.data, lines.fields[rows, scan.VALUES], lines.end[rows], counts, over)
    shape = (chosen.size, len(names), len(types))
    nr_free = np.zeros((*shape, counts.shape[1]), np.int64)
    censored = np.zeros(nr_free.shape, bool)
    present = np.zeros(shape, bool)
    nr_free[sample, zone, kind], censored[sample, zone, kind] = counts, over
    present[sample, zone, kind] = True
    dims = ("time", "zone", "migratetype", "order")
    dataset = xr.Dataset(
        {
            "nr_free": (dims, nr_free),
            "censored": (dims, censored),
            "present": (dims[:3], present),
        },
        schema.zone_labels(nodes, names)
        | {"migratetype": np.array(types, object), "order": np.arange(counts.shape[1])},
    )
    faults = table_faults(lines, sections, rows, sample, zone * len(types) + kind)
    faults += _pageblocks(lines, sections, chosen, dataset)
    return Parsed(dataset, chosen, faults)


def pageblock_order(lines: Lines, sections: Sections, dropped: np.ndarray) -> int | None:
    """Order of a pageblock that the text names outside of dropped sections, if it does.

    Raises
    ------
    ParseError
        If it names several.
    """
    rows = sections.rows(lines, kinds.PAGETYPEINFO, scan.BLOCK)
    rows = rows[(lines.fields[rows, scan.WIDTH] == 1) & ~dropped[sections.section_of[rows]]]
    orders = sorted(set(lines.fields[rows, scan.NUMBER].tolist()))
    if len(orders) > 1:
        raise ParseError(
            lines.name,
            f"pageblock orders {orders}",
            "one, as all records come from one machine",
            "Read the machines' files one by one",
        )
    return orders[0] if orders else None


def _pageblocks(lines: Lines, sections: Sections, chosen: np.ndarray, dataset: xr.Dataset) -> list[Fault]:
    """Add the tables ``Number of blocks type`` and ``Number of mixed blocks`` to the Dataset."""
    heads = sections.rows(lines, kinds.PAGETYPEINFO, *_TABLES)
    rows = sections.rows(lines, kinds.PAGETYPEINFO, scan.COUNTS)
    if not heads.size or not rows.size:
        return []
    head = heads[np.maximum(np.searchsorted(heads, rows) - 1, 0)]
    sample, zone, nodes, names = place(lines, sections, chosen, rows)
    labels = [f"{node}/{name}" for node, name in zip(nodes, names, strict=True)]
    zones = {label: i for i, label in enumerate(dataset.zone.values.tolist())}
    types = {label: i for i, label in enumerate(dataset.migratetype.values.tolist())}
    counts = np.zeros((rows.size, int(lines.fields[rows, scan.WIDTH].max())), np.int64)
    begin = lines.fields[rows, scan.VALUES]
    scan.counts_into(lines.data, begin, lines.end[rows], counts, np.zeros(counts.shape, bool))
    printed = {
        line: lines[line].split("type" if "type" in lines[line] else "blocks")[-1].split() for line in heads
    }
    faults = []
    for i, line in enumerate(rows.tolist()):
        columns, width = printed[head[i]], int(lines.fields[line, scan.WIDTH])
        if width != len(columns):
            section = int(sections.section_of[line])
            expected = f"{len(columns)}, as in the line above them"
            faults.append(Fault(section, line, f"{width} columns in {lines.shown(line)}", expected))
            continue
        name = _TABLES[int(lines.classes[head[i]])]
        if name not in dataset:
            dataset[name] = dataset.present.dims, np.full(dataset.present.shape, -1, np.int64)
        for column, migratetype in enumerate(columns):
            at = (sample[i], zones.get(labels[zone[i]]), types.get(migratetype))
            if None not in at:
                dataset[name].values[at] = counts[i, column]
    return faults
