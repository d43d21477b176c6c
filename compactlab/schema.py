"""The data model, declared once: what a run holds, in which shape, unit and meaning.

A run is an :class:`xarray.DataTree`. A group is there only if its data is. Counts are integers;
what is absent inside a rectangle is told by a boolean ``present`` or by the missing value declared
here, never by NaN. ``python -m compactlab.schema`` prints the reference page in ``docs/``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from .core.memory import FLAGS, KINDS, MIGRATETYPES

VERSION = 1

NO_INTEGER = int(np.iinfo(np.int64).min)
"""The missing value of an event field: -1 and 0 both occur (order -1, a failed pfn -1)."""

ZONE_NAMES = ("DMA", "DMA32", "Normal", "HighMem", "Movable", "Device")
"""The kernel's zone names in zone index order (mm/page_alloc.c, zone_names)."""

RACY = 1
"""Bit of ``zones/flags``: the machine's lists were changing while they were read."""


UNKNOWN_MIGRATETYPE = 255
"""The migratetype of a pageblock where no file tells it."""


@dataclass(frozen=True)
class Variable:
    """One variable of one group."""

    dims: tuple[str, ...]
    dtype: str  # numpy kind: i signed integer, u unsigned, b bool, f float, O text, M8 or i time
    unit: str
    meaning: str
    missing: int | str | None = None
    required: bool = True


def _variable(
    dims: str,
    dtype: str,
    unit: str,
    meaning: str,
    missing: int | str | None = None,
    required: bool = True,
) -> Variable:
    return Variable(tuple(dims.split()), dtype, unit, meaning, missing, required)


def _clock(dim: str) -> dict[str, Variable]:
    return {
        "time": _variable(dim, "T", "", "Wall clock as datetime64[ns] in UTC; int64 ns where none is known."),
        "elapsed": _variable(
            dim, "i", "ns", "Monotonic time since the start of the run, one zero for all groups."
        ),
    }


_ZONE = {
    "zone": _variable("zone", "O", "", "Label `node/name`, such as `0/Normal`."),
    "node": _variable("zone", "i", "", "NUMA node of the zone."),
    "zone_name": _variable("zone", "O", "", "The kernel's name of the zone."),
}


def _field(dtype: str, unit: str, meaning: str) -> Variable:
    missings: dict[str, int | str] = {"i": NO_INTEGER, "O": ""}
    missing = missings.get(dtype)
    return _variable("event", dtype, unit, meaning, missing, required=False)


def _zoneinfo(unit: str, meaning: str, dims: str = "time zone") -> Variable:
    return _variable(dims, "i", unit, meaning, -1, required=False)


def _allocation(dtype: str, unit: str, meaning: str, missing: int | str | None) -> Variable:
    return _variable("allocation", dtype, unit, meaning, missing, required=False)


GROUPS: dict[str, dict[str, Variable]] = {
    "zones": {
        **_clock("time"),
        **_ZONE,
        "order": _variable("order", "i", "", "A block of one order is 2**order pages."),
        "nr_free": _variable("time zone order", "i", "blocks", "Free blocks, as in /proc/buddyinfo."),
        "free_pages": _variable(
            "time zone", "i", "pages", "Sum of nr_free * 2**order; per-CPU pages are not in it."
        ),
        "present": _variable(
            "time zone order", "b", "", "Whether the zone, and this order of it, was listed."
        ),
        "flags": _variable("time zone", "u", "", "Bits: 1 racy read."),
    },
    "zoneinfo": {
        **_clock("time"),
        **_ZONE,
        "zone_idx": _variable("zone", "i", "", "Index of the zone in its node.", -1, required=False),
        "watermark": _variable(
            "time zone mark", "i", "pages", "Without boost; `mark`: min, low, high, promo.", -1
        ),
        "present": _variable("time zone", "b", "", "Whether the zone was listed."),
        "boost": _zoneinfo("pages", "Watermark boost, added to every watermark when it is used."),
        "nr_free_pages": _zoneinfo("pages", "`pages free`: free pages without Isolate blocks."),
        "managed_pages": _zoneinfo("pages", "Pages the buddy allocator manages."),
        "present_pages": _zoneinfo("pages", "Pages that physically exist."),
        "spanned_pages": _zoneinfo("pages", "Pages between first and last, holes included."),
        "start_pfn": _zoneinfo("pfn", "First page frame number."),
        "nr_free_cma": _zoneinfo("pages", "Free pages in CMA blocks."),
        "nr_free_highatomic": _zoneinfo("pages", "Free pages in HighAtomic blocks (recent kernels)."),
        "lowmem_reserve": _zoneinfo(
            "pages", "`protection`: pages kept from requests of each class zone.", "time zone classzone"
        ),
        "pcp_count": _zoneinfo(
            "pages", "Pages in each CPU's lists: free, yet not in nr_free.", "time zone cpu"
        ),
        "pcp_high": _zoneinfo("pages", "Length at which a CPU's lists give pages back.", "time zone cpu"),
        "pcp_batch": _zoneinfo("pages", "Pages moved between lists and zone at a time.", "time zone cpu"),
    },
    "extfrag": {
        **_clock("time"),
        **_ZONE,
        "order": _variable("order", "i", "", "Requested order."),
        "fragmentation_index": _variable(
            "time zone order", "f", "", "debugfs extfrag_index; -1: a block is free.", None, required=False
        ),
        "unusable_index": _variable(
            "time zone order", "f", "", "debugfs unusable_index.", None, required=False
        ),
        "present": _variable("time zone order", "b", "", "Whether the zone and order were listed."),
        "same": _variable("time", "b", "", "Whether buddyinfo re-read afterwards was unchanged (race-free)."),
    },
    "phases": {
        "start": _variable("phase", "i", "ns", "Begin, on the `elapsed` scale."),
        "end": _variable("phase", "i", "ns", "End, on the `elapsed` scale."),
        "name": _variable("phase", "O", "", "What the experiment was doing."),
    },
    "migratetypes": {
        **_clock("time"),
        **_ZONE,
        "migratetype": _variable("migratetype", "O", "", "As printed; unknown types are kept."),
        "order": _variable("order", "i", "", "A block of one order is 2**order pages."),
        "nr_free": _variable(
            "time zone migratetype order", "i", "blocks", "Free blocks; a lower bound where `censored`."
        ),
        "censored": _variable(
            "time zone migratetype order", "b", "", "The kernel stopped counting and printed `>100000`."
        ),
        "present": _variable("time zone migratetype", "b", "", "Whether this type was listed for the zone."),
        "nr_pageblocks": _variable(
            "time zone migratetype", "i", "pageblocks", "Pageblocks of the type.", -1, required=False
        ),
        "nr_mixed_pageblocks": _variable(
            "time zone migratetype",
            "i",
            "pageblocks",
            "Pageblocks with pages of other types.",
            -1,
            required=False,
        ),
    },
    "counters": {
        **_clock("time"),
        "counter": _variable("counter", "O", "", "Name in /proc/vmstat."),
        "value": _variable(
            "time counter", "i", "as counted", "As the kernel has it: cumulative, or a level (nr_*)."
        ),
        "present": _variable("time counter", "b", "", "Whether the counter was listed."),
    },
    "events": {
        **_clock("event"),
        "name": _variable("event", "O", "", "Tracepoint."),
        "role": _field("O", "", "Who ran: kcompactd, kswapd, manual, or the workload's own role."),
        "cpu": _field("i", "", "CPU."),
        "zone": _field(
            "O", "", "Zone label, as in zones; derived from the pfns where only those are printed."
        ),
        "node": _field("i", "", "NUMA node."),
        "order": _field("i", "", "Requested order; -1 is the whole zone."),
        "mode": _field("O", "", "async, sync, or the MIGRATE_ mode, as printed."),
        "status": _field("O", "", "Result (`status=` or `ret=`), as printed."),
        "reason": _field("O", "", "Why pages migrate."),
        "priority": _field("i", "", "Compaction priority: 2 async, 1 sync-light, 0 sync-full."),
        "start_pfn": _field("i", "pfn", "Begin of the range, or of the zone."),
        "end_pfn": _field("i", "pfn", "End of the range, or of the zone."),
        "migrate_pfn": _field("i", "pfn", "Position of the migrate scanner."),
        "free_pfn": _field("i", "pfn", "Position of the free scanner."),
        "pfn": _field("i", "pfn", "The page allocated or freed; -1: the allocation failed."),
        "nr_scanned": _field("i", "pages", "Page frames the scanner passed."),
        "nr_taken": _field("i", "pages", "Pages isolated."),
        "nr_migrated": _field("i", "pages", "Pages moved."),
        "nr_failed": _field("i", "pages", "Pages that could not be moved."),
        "nr_succeeded": _field("i", "pages", "Pages migrated for any reason."),
        "nr_reclaimed": _field("i", "pages", "Pages reclaimed directly."),
        "order_failed": _field("i", "", "Lowest order that compaction is deferred for."),
        "considered": _field("i", "", "Attempts counted against the deferral."),
        "limit": _field("i", "", "Attempts to skip before the next try."),
        "gfp_flags": _field("O", "", "Allocation flags, as printed."),
        "migratetype": _field("i", "", "Migratetype number."),
        "fallback_order": _field("i", "", "Order of the block taken from another type."),
        "fallback_migratetype": _field("i", "", "The type it was taken from."),
        "refusal": _field("O", "", "Why compaction left a page where it was (simulated)."),
        "phase": _field("O", "", "Phase of the workload that begins (simulated)."),
    },
    "allocations": {
        **_clock("allocation"),
        "latency_ns": _variable("allocation", "i", "ns", "Time the request took."),
        "success": _variable("allocation", "b", "", "Whether a block of the order was obtained."),
        "order": _allocation("i", "", "Requested order.", -1),
        "source": _allocation("O", "", "What asked: the record's file name without ending.", ""),
        "migratetype": _allocation("O", "", "Requested migratetype.", ""),
        "pfn": _allocation("i", "pfn", "First page obtained.", -1),
        "compact_stall": _allocation("i", "attempts", "Direct compactions entered meanwhile.", -1),
        "compact_success": _allocation("i", "attempts", "... that gave the block.", -1),
        "compact_fail": _allocation("i", "attempts", "... that did not.", -1),
        "alloc_ns": _allocation("i", "ns", "Part of the latency: free lists and per-CPU lists.", -1),
        "clear_ns": _allocation("i", "ns", "... zeroing pages.", -1),
        "reclaim_ns": _allocation("i", "ns", "... direct reclaim.", -1),
        "scan_ns": _allocation("i", "ns", "... both scanners of direct compaction.", -1),
        "migrate_ns": _allocation("i", "ns", "... moving pages in direct compaction.", -1),
        "wait_ns": _allocation("i", "ns", "... waiting.", -1),
    },
    "threads": {
        **_clock("time"),
        "thread": _variable("thread", "O", "", "kswapd, kcompactd, or who allocates."),
        "cpu_ns": _variable("time thread", "i", "ns", "CPU time so far."),
    },
    "pageblocks": {
        **_clock("frame"),
        "migrate_pfn": _variable("frame", "i", "pfn", "Position of the migrate scanner.", -1),
        "free_pfn": _variable("frame", "i", "pfn", "Position of the free scanner.", -1),
        "kind": _variable("kind", "O", "", "Kind of page."),
        "zone": _variable("pageblock", "O", "", "Label of the zone it lies in, as in zones.", ""),
        "start_pfn": _variable("pageblock", "i", "pfn", "First page frame number."),
        "migratetype": _variable(
            "frame pageblock", "u", "", "Number of its name in `migratetypes`.", UNKNOWN_MIGRATETYPE
        ),
        "skip": _variable("frame pageblock", "b", "", "Both scanners pass it by.", None, required=False),
        "nr_pages": _variable("frame pageblock kind", "u", "pages", "Pages of each kind."),
        "free_order": _variable(
            "frame pageblock",
            "u",
            "",
            "Order of the largest free block that begins in it.",
            255,
            required=False,
        ),
        "folio_order": _variable(
            "frame pageblock",
            "u",
            "",
            "Order of the largest movable folio that begins in it.",
            255,
            required=False,
        ),
    },
    "pages": {
        **_clock("keyframe"),
        "name": _variable("keyframe", "O", "", "Which moment: before, after, ..."),
        "first_pfn": _variable("keyframe", "i", "pfn", "Page frame number of the first page."),
        "kind": _variable("keyframe pfn", "u", "", "Number of its name in `kinds`."),
        "order": _variable(
            "keyframe pfn", "u", "", "At the first page of a free block or folio; 255: not the first."
        ),
        "mapcount": _variable("keyframe pfn", "u", "", "Mappings; 255: as many or more."),
        "flags": _variable(
            "keyframe pfn",
            "u",
            "",
            "At the first page of a folio: bit n for the name n in `flags`.",
        ),
    },
    "moves": {
        "event": _variable("move", "i", "", "Position in events of the mm_compaction_migratepages it is of."),
        "source_pfn": _variable("move", "i", "pfn", "First page of the folio before."),
        "target_pfn": _variable("move", "i", "pfn", "First page of the folio after."),
        "order": _variable("move", "i", "", "Order of the folio."),
    },
}

NAMES: dict[str, dict[str, list[str]]] = {
    "pages": {"kinds": list(KINDS), "flags": list(FLAGS)},
    "pageblocks": {"migratetypes": list(MIGRATETYPES)},
}
"""Attributes of groups: the names of their codes, and of their bits from the lowest."""

ATTRIBUTES: dict[str, str] = {
    "schema_version": "Version of this table.",
    "source": "`recording` or `simulation`.",
    "clock": "`wall`, `monotonic` (boot time only) or `none` (one snapshot without a stamp).",
    "start_ns": "Reading of that clock, in ns, at `elapsed` 0.",
    "page_size": "Bytes per page, or `unknown`.",
    "page_size_from": "How the page size is known.",
    "pageblock_order": "Order of a pageblock, or `unknown`.",
    "provenance": "List of {file, sha256, bytes}: what was read.",
    "problems": "List of sentences: what was repaired, skipped or doubtful while reading.",
    "name": "Short name for headings.",
    "kernel": "Kernel release, where recorded.",
    "machine": "Machine in a few words, where recorded.",
    "seed": "Seed of what is random in a simulation.",
    "config": "What was simulated, as a dictionary that JSON can hold.",
    "part": "`[start, end]` in ns of `elapsed`, if the run was cut to a stretch of time.",
    "budgets": "Dictionary: log to the numbers of its entries `kept` and `left_out`.",
}
_REQUIRED_ATTRIBUTES = (
    "schema_version",
    "source",
    "clock",
    "start_ns",
    "page_size",
    "pageblock_order",
    "provenance",
    "problems",
)


def zone_labels(nodes: list[int], names: list[str]) -> dict[str, tuple[str, np.ndarray]]:
    """Coordinates of a zone dimension.

    >>> zone_labels([0], ["Normal"])["zone"]
    ('zone', array(['0/Normal'], dtype=object))
    """
    return {
        "zone": (
            "zone",
            np.array([f"{node}/{name}" for node, name in zip(nodes, names, strict=True)], object),
        ),
        "node": ("zone", np.array(nodes, np.int64)),
        "zone_name": ("zone", np.array(names, object)),
    }


def new_run(groups: Mapping[str, xr.Dataset], **attrs: object) -> xr.DataTree:
    """Put groups together to a validated run.

    Parameters
    ----------
    groups
        Group name to Dataset, as declared in ``GROUPS``.
    **attrs
        Root attributes (``ATTRIBUTES``); those not given take their neutral value.

    Raises
    ------
    ValueError
        If the result does not fit the schema.

    Examples
    --------
    >>> new_run({}).attrs["page_size"]
    'unknown'
    """
    neutral: dict[str, object] = {
        "schema_version": VERSION,
        "source": "recording",
        "clock": "none",
        "start_ns": 0,
        "page_size": "unknown",
        "pageblock_order": "unknown",
        "provenance": [],
        "problems": [],
    }
    named = {name: dataset.assign_attrs(NAMES.get(name, {})) for name, dataset in groups.items()}
    run = xr.DataTree.from_dict({f"/{name}": dataset for name, dataset in named.items()}, name="run")
    run.attrs.update(neutral | attrs)
    validate(run)
    return run


def page_size(run: xr.DataTree) -> int | None:
    """Bytes per page, or None where the recording does not tell.

    >>> page_size(new_run({}, page_size=4096))
    4096
    """
    size = run.attrs.get("page_size", "unknown")
    return None if size == "unknown" else int(size)


def pageblock_order(run: xr.DataTree) -> int | None:
    """Order of a pageblock, or None where the recording does not tell.

    >>> pageblock_order(new_run({}, pageblock_order=9))
    9
    """
    order = run.attrs.get("pageblock_order", "unknown")
    return None if order == "unknown" else int(order)


def validate(run: xr.DataTree) -> None:
    """Check a run against the schema.

    Raises
    ------
    ValueError
        Naming the group and variable, what was found and what the schema declares.
    TypeError
        If it is not a DataTree at all.

    Examples
    --------
    >>> validate(new_run({}))
    """
    if not isinstance(run, xr.DataTree):
        raise TypeError(f"run: found {type(run).__name__}, expected a run, as compactlab.read gives")
    for name in _REQUIRED_ATTRIBUTES:
        if name not in run.attrs:
            raise ValueError(f"run: attribute {name!r} is missing: {ATTRIBUTES[name]}")
    for group, node in run.children.items():
        if group not in GROUPS:
            raise ValueError(f"run: unknown group {group!r}; the schema has {', '.join(GROUPS)}")
        _validate_group(group, node.to_dataset())


def _validate_group(group: str, dataset: xr.Dataset) -> None:
    declared = GROUPS[group]
    for name, variable in declared.items():
        if variable.required and name not in dataset.variables:
            raise ValueError(f"{group}: variable {name!r} is missing: {variable.meaning}")
    for key, array in dataset.variables.items():
        name = str(key)
        if name not in declared:
            if array.dims == (name,):  # a dimension's own labels, such as mark or cpu
                continue
            raise ValueError(f"{group}: unknown variable {name!r}; the schema has {', '.join(declared)}")
        variable = declared[name]
        if array.dims != variable.dims:
            raise ValueError(
                f"{group}/{name}: dimensions {array.dims}, expected {variable.dims}. "
                "Select with a list or a slice, such as isel(time=[5]), to keep a dimension"
            )
        kinds = "Mi" if variable.dtype == "T" else variable.dtype
        if array.dtype.kind not in kinds:
            raise ValueError(f"{group}/{name}: dtype {array.dtype}, expected kind {kinds!r}")


def reference_page() -> str:
    """The data model as a Markdown page."""
    lines = [
        "# The run: groups, variables, attributes",
        "",
        "Made by `python -m compactlab.schema` from the table in `compactlab/schema.py`.",
        "",
        f"Schema version {VERSION}. Types: i integer, u unsigned, b boolean, f float, O text, T time.",
        "A group exists only if its data does.",
        "",
        "## Root attributes",
        "",
        "| attribute | meaning |",
        "|---|---|",
        *(f"| `{name}` | {meaning} |" for name, meaning in ATTRIBUTES.items()),
    ]
    for group, variables in GROUPS.items():
        lines += [
            "",
            f"## /{group}",
            "",
            *_names_in(group),
            "| variable | dims | type | unit | missing | meaning |",
            "|---|---|---|---|---|---|",
        ]
        for name, variable in variables.items():
            missing = {None: "", "": "empty text", NO_INTEGER: "-2**63"}.get(
                variable.missing, variable.missing
            )
            optional = "" if variable.required else " *(optional)*"
            lines.append(
                f"| `{name}` | {', '.join(variable.dims)} | {variable.dtype} | {variable.unit} | {missing} "
                f"| {variable.meaning}{optional} |"
            )
    return "\n".join(lines) + "\n"


def _names_in(group: str) -> list[str]:
    return [
        line
        for attribute, names in NAMES.get(group, {}).items()
        for line in (f"Attribute `{attribute}`, names in the order of their numbers: {', '.join(names)}.", "")
    ]


if __name__ == "__main__":
    print(reference_page(), end="")  # noqa: T201
