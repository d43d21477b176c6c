"""Several files of one machine to one run."""

from __future__ import annotations

import numpy as np
import xarray as xr

from compactlab import schema

from . import pagemap
from .clocks import first_time, one_clock
from .errors import ParseError
from .lines import zone_rank
from .machine import ONE_MACHINE, page_size_facts, same_machine, same_size
from .recording import Recording
from .trace import locate

_DIMENSION = {"events": "event", "allocations": "allocation", "pages": "keyframe", "pageblocks": "frame"}


def merge(
    recordings: list[Recording],
    name: str,
    page_size: int | None,
    provenance: list[dict[str, str | int]],
    facts: dict[str, str | int],
) -> xr.DataTree:
    """Put recordings on one clock, their groups together, and say what is known of the machine.

    Raises
    ------
    ParseError
        If the files cannot come from one machine, or their clocks cannot be brought together.
    """
    facts = same_machine(recordings) | facts  # a description beside the files says more than their headers
    same_size(recordings)
    if page_size is not None:
        facts |= {"page_size": page_size}
    problems = [problem for recording in recordings for problem in recording.problems]
    pagemap.stamp(recordings)
    clock = one_clock([recording for recording in recordings if recording.groups], problems)
    groups = {}
    for group in schema.GROUPS:
        parts = [
            (recording.name, recording.groups[group]) for recording in recordings if group in recording.groups
        ]
        if parts:
            groups[group] = pagemap.join(parts) if group == "pages" else _join(group, parts)
    if "zones" not in groups and "migratetypes" in groups:
        _add_zones(groups, problems)
    facts |= page_size_facts(groups, facts)
    spans = _spans(groups)
    if "pages" in groups:
        _add_pageblocks(groups, recordings, spans, facts, problems)
    start = first_time(groups.items())
    if "events" in groups:
        groups["events"] = locate(groups["events"], spans)
    if "allocations" in groups:
        groups["allocations"] = _with_order(groups["allocations"], facts)
    groups = {group: _on_clock(group, dataset, start, clock) for group, dataset in groups.items()}
    return schema.new_run(
        groups, clock=clock, start_ns=start, provenance=provenance, problems=problems, name=name, **facts
    )


def _add_pageblocks(
    groups: dict[str, xr.Dataset],
    recordings: list[Recording],
    spans: dict[str, tuple[int, int]],
    facts: dict[str, str | int],
    problems: list[str],
) -> None:
    """Complete the page maps with what other files tell, and sum them up by pageblock."""
    pinned = [recording.pinned for recording in recordings if recording.pinned is not None]
    orders = groups["zones"].sizes["order"] if "zones" in groups else None
    pages = groups["pages"]
    pagemap.complete(pages, orders, spans, np.concatenate([*pinned, np.empty(0, np.int64)]), problems)
    if "pageblock_order" in facts:
        summed = pagemap.pageblocks(pages, int(facts["pageblock_order"]), spans)
        groups |= {} if summed is None else {"pageblocks": summed}


def _add_zones(groups: dict[str, xr.Dataset], problems: list[str]) -> None:
    """Sum free blocks over the migratetypes, which share out what buddyinfo counts."""
    types = groups["migratetypes"]
    counted = "nr_pageblocks" in types and not (types.present & (types.nr_pageblocks < 0)).any()
    if types.censored.any() or not counted:
        why = "counts only in part (>100000)" if types.censored.any() else "is incomplete"
        problems.append(f"no buddyinfo, and pagetypeinfo {why}: no free lists per zone")
        return
    problems.append("no buddyinfo: free blocks per zone are the sums over the migratetypes of pagetypeinfo")
    nr_free = types.nr_free.sum("migratetype")
    present = types.present.any("migratetype")
    groups["zones"] = xr.Dataset(
        {
            "nr_free": nr_free,
            "free_pages": nr_free.dot(2**nr_free.order),
            "present": present.broadcast_like(nr_free),
            "flags": xr.zeros_like(present, np.uint8),
        }
    )


def _join(group: str, parts: list[tuple[str, xr.Dataset]]) -> xr.Dataset:
    """All files' rows of one group, in time order, identical samples once."""
    dimension = _DIMENSION.get(group, "phase" if group == "phases" else "time")
    if len(parts) == 1:
        joined = parts[0][1]
    else:
        datasets = [
            dataset.drop_vars(("zone_idx", "node", "zone_name"), errors="ignore") for _, dataset in parts
        ]
        joined = xr.concat(
            _with_all_variables(group, datasets),
            dimension,
            join="outer",
            fill_value={name: _missing(variable) for name, variable in schema.GROUPS[group].items()},
            data_vars="all",
            coords="minimal",
            compat="override",
        )
        joined = _relabel(joined, parts)
    if dimension == "phase":
        return joined.isel(phase=np.argsort(joined.start.values, kind="stable"))
    times = joined.time.values
    if (np.diff(times) < 0).any():
        joined = joined.isel({dimension: np.argsort(times, kind="stable")})
    return _without_duplicates(group, joined, parts) if dimension == "time" and len(parts) > 1 else joined


def _missing(variable: schema.Variable) -> object:
    if variable.missing is not None:
        return variable.missing
    return {"b": False, "f": np.nan, "O": ""}.get(variable.dtype, 0)


def _with_all_variables(group: str, datasets: list[xr.Dataset]) -> list[xr.Dataset]:
    """Give every file the variables of the others, missing throughout."""
    dims = {str(name): array.dims for dataset in datasets for name, array in dataset.data_vars.items()}
    axes: dict[str, xr.DataArray] = {}
    for dataset in datasets:
        for name, coordinate in dataset.coords.items():
            axes.setdefault(str(name), coordinate)
    dtypes = {str(name): array.dtype for dataset in datasets for name, array in dataset.data_vars.items()}
    lengths = {str(name): int(size) for dataset in datasets for name, size in dataset.sizes.items()}
    complete = []
    for dataset in datasets:
        for name in dims.keys() - set(dataset.data_vars):
            needed = [axis for axis in dims[name] if axis not in dataset.sizes]
            dataset = dataset.assign_coords({axis: axes[axis] for axis in needed if axis in axes})
            shape = [dataset.sizes.get(axis, lengths[str(axis)]) for axis in dims[name]]
            missing = _missing(schema.GROUPS[group][name])
            dataset = dataset.assign({name: (dims[name], np.full(shape, missing, dtypes[name]))})
        complete.append(dataset)
    return complete


def _relabel(joined: xr.Dataset, parts: list[tuple[str, xr.Dataset]]) -> xr.Dataset:
    """Zones in the kernel's order with their coordinates, other labels as they first came."""
    for axis in ("migratetype", "counter"):
        if axis in joined.dims:
            labels = dict.fromkeys(label for _, dataset in parts for label in dataset[axis].values.tolist())
            joined = joined.reindex({axis: np.array(list(labels), object)})
    if "zone" not in joined.dims:
        return joined
    pairs = sorted(
        {
            (int(n), str(z))
            for _, part in parts
            for n, z in zip(part.node.values, part.zone_name.values, strict=True)
        },
        key=lambda pair: zone_rank(*pair),
    )
    coordinates = schema.zone_labels([node for node, _ in pairs], [name for _, name in pairs])
    joined = joined.reindex(zone=coordinates["zone"][1]).assign_coords(coordinates)
    indices = {
        label: index
        for _, part in parts
        if "zone_idx" in part
        for label, index in zip(part.zone.values.tolist(), part.zone_idx.values.tolist(), strict=True)
    }
    if indices:
        joined["zone_idx"] = (
            "zone",
            np.array([indices.get(label, -1) for label in joined.zone.values.tolist()]),
        )
    return joined


def _without_duplicates(group: str, joined: xr.Dataset, parts: list[tuple[str, xr.Dataset]]) -> xr.Dataset:
    times = joined.time.values
    again = np.flatnonzero(np.diff(times) == 0) + 1
    for i in again.tolist():
        if group == "extfrag" and _fill_in(joined, i):
            continue
        if not joined.isel(time=[i]).equals(joined.isel(time=[i - 1])):
            raise ParseError(
                " and ".join(name for name, part in parts if times[i] in part.time.values),
                f"two different samples of {group} at the same time, {times[i]} ns",
                "one sample at a time",
                ONE_MACHINE,
            )
    return joined.isel(time=np.setdiff1d(np.arange(times.size), again))


def _fill_in(joined: xr.Dataset, i: int) -> bool:
    """Complete sample i-1 with the index file that sample i holds, if it is the other of the two."""
    here, there = joined.isel(time=i), joined.isel(time=i - 1)
    held = [
        [name for name in ("fragmentation_index", "unusable_index") if sample[name].notnull().any()]
        for sample in (here, there)
    ]
    if len(held[0]) != 1 or len(held[1]) != 1 or held[0] == held[1]:
        return False
    joined[held[0][0]][i - 1] = here[held[0][0]].values
    joined["present"][i - 1] = (here.present | there.present).values
    joined["same"][i - 1] = bool(here.same & there.same)
    return True


def _spans(groups: dict[str, xr.Dataset]) -> dict[str, tuple[int, int]]:
    zoneinfo = groups.get("zoneinfo")
    if zoneinfo is None or "start_pfn" not in zoneinfo or "spanned_pages" not in zoneinfo:
        return {}
    first = zoneinfo.start_pfn.max("time").values
    size = zoneinfo.spanned_pages.max("time").values
    labels = zoneinfo.zone.values.tolist()
    return {
        label: (int(a), int(a + n))
        for label, a, n in zip(labels, first, size, strict=True)
        if a >= 0 and n > 0
    }


def _with_order(allocations: xr.Dataset, facts: dict[str, str | int]) -> xr.Dataset:
    """Add the order: the recorded faults are 2 MiB each."""
    size = facts.get("page_size")
    order = (2 << 20).bit_length() - int(size).bit_length() if size else -1
    return allocations.assign(order=("allocation", np.full(allocations.sizes["allocation"], order)))


def _on_clock(group: str, dataset: xr.Dataset, start: int, clock: str) -> xr.Dataset:
    """Absolute ns to the two times of the schema."""
    if group == "phases":
        return dataset.assign(start=dataset.start - start, end=dataset.end - start)
    dimension = _DIMENSION.get(group, "time")
    time = dataset.time.values
    stamped = time.astype("datetime64[ns]") if clock == "wall" else time
    return dataset.assign_coords(time=(dimension, stamped), elapsed=(dimension, time - start))
