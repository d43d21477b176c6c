"""What else decides a request: watermarks, per-CPU lists and types of memory, as last sampled."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from .codes import BARRED_TYPES
from .source import group, sample_at


class Circumstances(NamedTuple):
    """At each moment, arrays (time, zone), pages where not said otherwise."""

    closed: np.ndarray  # (zone) whether the kernel never takes such requests from the zone
    marks: np.ndarray  # whether watermarks are known
    min: np.ndarray  # with boost and lowmem_reserve; -1 not known
    low: np.ndarray  # likewise
    managed: np.ndarray  # -1 not known
    pcp: np.ndarray  # in per-CPU lists; -1 not known
    types: np.ndarray  # whether migratetypes are known
    censored: np.ndarray  # whether the barred memory is a lower bound
    types_age_ms: np.ndarray  # 0 not known, negative: sampled later
    barred_types: np.ndarray  # bits of BARRED_TYPES that hold a block of the order
    barred_blocks: np.ndarray  # of the order
    barred_pages: np.ndarray  # to the request
    reserved_pages: np.ndarray  # to compaction, which may use CMA


Known = dict[object, Any]
"""What was found for one order and holds for the others of the same run."""


def circumstances(
    run: xr.DataTree, nr_free: xr.DataArray, order: int, migratetype: str, known: Known | None = None
) -> Circumstances:
    """Circumstances of a request for each snapshot and zone of `nr_free`.

    Parameters
    ----------
    run
        A run; without zoneinfo or migratetypes those numbers are not known.
    nr_free
        The run's free blocks, dims (time, zone, order).
    order
        Requested order.
    migratetype
        Requested type; Movable may use CMA and the zones Movable and HighMem.
    known
        Filled here, for calls with other orders of the same snapshots.
    """
    known = {} if known is None else known
    movable = migratetype == "Movable"
    shut = ("Device",) if movable else ("Device", "Movable", "HighMem")
    if movable not in known:
        known[movable] = _zoneinfo(run, nr_free, movable)
    if "types" not in known:
        known["types"] = _migratetypes(run, nr_free)
    marks, types = known[movable], _with_blocks(known["types"], nr_free, order)
    # Pages of each barred type; what migratetypes do not tell zoneinfo may (not of Isolate).
    pages = np.where(types["known"][..., None], types["pages"], marks["pages"])
    barred = np.array([not movable, True, True])
    return Circumstances(
        closed=np.isin(nr_free.zone_name.values.astype(str), shut),
        marks=marks["min"] >= 0,
        min=marks["min"],
        low=marks["low"],
        managed=marks["managed"],
        pcp=marks["pcp"],
        types=types["known"],
        censored=(types["censored"] & barred).any(-1),
        types_age_ms=types["age_ms"],
        barred_types=((types["blocks"] > 0) & barred) @ np.array([1, 2, 4], np.uint8),
        barred_blocks=types["blocks"] @ barred.astype(np.int64),
        barred_pages=pages @ barred.astype(np.int64),
        reserved_pages=pages @ np.array([0, 1, 1]),
    )


def _at(sampled: xr.DataArray, nr_free: xr.DataArray, missing: int = -1) -> np.ndarray:
    """Take sampled values at the moments and for the zones of `nr_free`."""
    rows = sample_at(sampled.elapsed.values, nr_free.elapsed.values)
    bare = sampled.reset_coords(drop=True)
    if not np.array_equal(bare.zone.values, nr_free.zone.values):
        bare = bare.reindex(zone=nr_free.zone.values, fill_value=missing)
    return bare.values[rows]


def _age_ms(recorded: xr.Dataset, nr_free: xr.DataArray) -> np.ndarray:
    """Age of the sample that was valid at each moment of `nr_free`, (time, 1)."""
    rows = sample_at(recorded.elapsed.values, nr_free.elapsed.values)
    return ((nr_free.elapsed.values - recorded.elapsed.values[rows]) // 1_000_000)[:, None]


def _zoneinfo(run: xr.DataTree, nr_free: xr.DataArray, movable: bool) -> dict[str, np.ndarray]:
    zoneinfo = group(run, "zoneinfo")
    sampled: dict[str, xr.DataArray | None] = dict.fromkeys(
        ("min", "low", "managed", "pcp", "cma", "reserved")
    )
    if zoneinfo is not None:
        sampled = {
            "min": _mark(zoneinfo, "min", movable),
            "low": _mark(zoneinfo, "low", movable),
            "managed": zoneinfo.get("managed_pages"),
            "pcp": _pcp(zoneinfo),
            "cma": zoneinfo.get("nr_free_cma"),
            "reserved": zoneinfo.get("nr_free_highatomic"),
        }
    unknown = np.full(nr_free.shape[:2], -1, np.int64)
    found = {name: unknown if one is None else _at(one, nr_free) for name, one in sampled.items()}
    pages = np.stack([found["cma"], found["reserved"], 0 * unknown], -1)
    return found | {"pages": np.maximum(pages, 0)}


def _mark(zoneinfo: xr.Dataset, name: str, movable: bool) -> xr.DataArray:
    """One watermark as the kernel uses it: with boost and the reserve against this kind of request."""
    mark = total = zoneinfo.watermark.sel(mark=name, drop=True)
    if "boost" in zoneinfo:
        total = total + zoneinfo.boost.clip(min=0)
    if "lowmem_reserve" in zoneinfo:
        total = total + _reserve(zoneinfo, movable).clip(min=0)
    return total.where(mark >= 0, -1)


def _reserve(zoneinfo: xr.Dataset, movable: bool) -> xr.DataArray:
    """lowmem_reserve against requests whose highest zone is Normal, or for movable ones the last zone."""
    reserve = zoneinfo.lowmem_reserve
    normal = zoneinfo.zone_idx.values[zoneinfo.zone_name.values == "Normal"] if "zone_idx" in zoneinfo else []
    # Reserves grow with the class zone, so the largest is that of the last zone.
    if movable or not len(normal) or not 0 <= normal[0] < reserve.sizes["classzone"]:
        return reserve.max("classzone")
    return reserve.isel(classzone=int(normal[0]))


def _pcp(zoneinfo: xr.Dataset) -> xr.DataArray | None:
    if "pcp_count" not in zoneinfo:
        return None
    counts = zoneinfo.pcp_count
    return counts.clip(min=0).sum("cpu").where((counts >= 0).any("cpu"), -1)


def _migratetypes(run: xr.DataTree, nr_free: xr.DataArray) -> dict[str, Any]:
    """Per type of BARRED_TYPES (last axis): `pages` and `nr_free` as sampled; `known`, `age_ms`."""
    shape = nr_free.shape[:2]
    recorded = group(run, "migratetypes")
    if recorded is None:
        none = np.zeros((*shape, len(BARRED_TYPES)), np.int64)
        known = np.zeros(shape, bool)
        return {"nr_free": None, "pages": none, "censored": none > 0, "known": known, "age_ms": none[..., 0]}
    known = _at(recorded.present.any("migratetype"), nr_free, False)
    listed = [name for name in BARRED_TYPES if name in recorded.migratetype.values]
    barred = (
        recorded[["nr_free", "censored"]]
        .sel(migratetype=listed)
        .reindex(migratetype=list(BARRED_TYPES), fill_value={"nr_free": 0, "censored": False})
    )
    pages = (barred.nr_free * (1 << np.arange(barred.sizes["order"]))).sum("order")
    return {
        "nr_free": barred.nr_free,
        "pages": _at(pages, nr_free, 0),
        "censored": _at(barred.censored.any("order"), nr_free, False),
        "known": known,
        "age_ms": np.where(known, _age_ms(recorded, nr_free), 0),
    }


def _with_blocks(types: dict[str, Any], nr_free: xr.DataArray, order: int) -> dict[str, Any]:
    """Add the `blocks` of an order."""
    if types["nr_free"] is None:
        return types | {"blocks": types["pages"]}
    fits = types["nr_free"].isel(order=slice(order, None))
    blocks = (fits * (1 << np.arange(fits.sizes["order"]))).sum("order")
    return types | {"blocks": _at(blocks, nr_free, 0)}
