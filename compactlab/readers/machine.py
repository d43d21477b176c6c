"""What the recordings tell of their machine, and whether it can be one machine."""

from __future__ import annotations

import xarray as xr

from compactlab import schema

from .errors import ParseError
from .recording import Recording

ONE_MACHINE = "Read the files of each machine into a run of its own"


def same_machine(recordings: list[Recording]) -> dict[str, str | int]:
    """Facts that all files share."""
    facts: dict[str, tuple[str, str | int]] = {}
    for recording in recordings:
        for fact, value in (recording.facts | _shape_facts(recording)).items():
            known = facts.setdefault(fact, (recording.name, value))
            if known[1] != value:
                raise ParseError(
                    f"{known[0]} and {recording.name}",
                    f"{fact} {known[1]!r} in the one and {value!r} in the other",
                    "files of one machine",
                    ONE_MACHINE,
                )
    zones = {name for fact, (_, value) in facts.items() if fact == "zones" for name in str(value).split(", ")}
    if {"DMA32", "HighMem"} <= {name.split("/")[-1] for name in zones}:
        raise ParseError(
            recordings[0].name,
            "zones DMA32 and HighMem",
            "zones of one machine (no kernel has both)",
            ONE_MACHINE,
        )
    declared = schema.ATTRIBUTES
    return {fact: value for fact, (_, value) in facts.items() if fact in declared}


def same_size(recordings: list[Recording]) -> None:
    """Refuse zones that are in one file much larger than in another."""
    # Not managed_pages: kernels that initialise memory lazily manage more of it by and by.
    present = [(r.name, _largest(r, "zoneinfo", "present_pages")) for r in recordings]
    free = [(r.name, _largest(r, "zones", "free_pages")) for r in recordings]
    for one, sizes in present:
        for other, pages in present + free:
            for zone in sizes.keys() & pages.keys():
                if one != other and pages[zone] > 2 * sizes[zone]:
                    raise ParseError(
                        f"{one} and {other}",
                        f"zone {zone} of {sizes[zone]} pages in the one, {pages[zone]} in the other",
                        "files of one machine",
                        ONE_MACHINE,
                    )


def _largest(recording: Recording, group: str, name: str) -> dict[str, int]:
    """Largest value of each zone, where the file has any."""
    if group not in recording.groups or name not in recording.groups[group]:
        return {}
    values = recording.groups[group][name].max("time")
    known = zip(values.zone.values.tolist(), values.values.tolist(), strict=True)
    return {zone: pages for zone, pages in known if pages >= 0}


def _shape_facts(recording: Recording) -> dict[str, str | int]:
    """List what the zones themselves tell: their names and numbers of orders."""
    facts: dict[str, str | int] = {}
    if "zones" in recording.groups:
        zones = recording.groups["zones"]
        facts["zones"] = ", ".join(zones.zone.values.tolist())
        orders = zones.present.sum("order").max("time")
        facts |= {
            f"number of orders of zone {label}": int(n)
            for label, n in zip(zones.zone.values.tolist(), orders.values, strict=True)
        }
    return facts


def page_size_facts(groups: dict[str, xr.Dataset], facts: dict[str, str | int]) -> dict[str, str | int]:
    """Page size: as recorded or given, or inferred where the zones leave one possibility."""
    if "page_size" in facts:
        return {"page_size_from": "recorded or given"}
    zones = groups.get("zones", groups.get("migratetypes"))
    if zones is None:
        return {}
    names = set(zones.zone_name.values.tolist())
    if "HighMem" in names:
        return {"page_size": 4096, "page_size_from": "inferred: only 32-bit kernels have a HighMem zone"}
    if "DMA32" in names and zones.sizes["order"] == 11:
        return {"page_size": 4096, "page_size_from": "inferred: 11 orders and a DMA32 zone"}
    return {}
