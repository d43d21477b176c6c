"""How near predictions come to recorded kernels; ``python -m benchmarks.fidelity [--recordings FOLDER] [part ...]``.

``--write`` writes what `compactlab.what_if` tells as known errors, compactlab/experiments/fidelity.json.

Parts: manual (compaction of all zones from the page map that was read before it), direct (huge pages demanded
of fragmented memory), proactive (idle memory at two settings of proactiveness).
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import xarray as xr

import compactlab as cl
from compactlab import schema
from compactlab.core.memory import DIRTY, FILE, PRIVATE
from compactlab.experiments.whatif import errors_of, kind_of, predict, zones_of
from compactlab.metrics.source import sample_at

from . import demand

SHIPPED = Path(__file__).parents[1] / "datasets"
HUGE = 9
_LIMITS = {"migrated_error": 0.01, "free_scanned_error": 0.02, "free_pages_distance": 0.03}
_UNUSABLE_LIMIT = 0.02
_MANY_LISTED = 1000  # pages in per-CPU lists that count as many


def recordings(folder: Path) -> Iterator[tuple[str, xr.DataTree]]:
    """Recordings under a folder that have page maps, one after the other."""
    found = sorted({path.parent for path in folder.glob("**/pages_before.npz")})
    if not found:
        raise SystemExit(f"{folder}: no page map (pages_before.npz); give --recordings FOLDER")
    for path in found:
        yield path.name, cl.read(path)


def traced(folder: Path) -> dict[str, xr.DataTree]:
    """What costs are fitted on: events and allocations of every recording that has a trace."""
    runs = {}
    for path in sorted({path.parent for path in folder.glob("**/trace.txt.gz")}):
        run = cl.read(path)
        groups = {each: run[each].to_dataset() for each in ("events", "allocations") if each in run.children}
        if "events" in groups:
            runs[path.name] = schema.new_run(groups, **run.attrs | {"name": path.name})
    return runs


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Markdown."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


# --- manual compaction -------------------------------------------------------------------------------------

_MANUAL = (
    "recording",
    "migrated",
    "migrate scanner",
    "free scanner",
    "unusable index at order 9: predicted, recorded, difference",
    "half L1 distance",
    "status: predicted, recorded",
    "duration",
    "cause",
)


def manual(name: str, run: xr.DataTree, costs: cl.CostModel) -> list[tuple[str, ...]]:
    """Rows of one recording: as its page map says, and with its folios written back if that is in doubt."""
    zones = [cl.Zone.from_pages(run, zone=label) for label in _zones(run)]
    score = _score(run, zones, costs)
    rows = [_manual_row(name, score, _cause(run, score))]
    if (str(score.status_predicted.values), str(score.status_recorded.values)) == ("contended", "complete"):
        score = _score(run, [_written_back(zone) for zone in zones], costs)
        rows.append(_manual_row(f"{name}, written back", score, _cause(run, score)))
    return rows


def _zones(run: xr.DataTree) -> list[str]:
    info = run["zoneinfo"].to_dataset()
    return info.zone.values[(info.managed_pages.max("time") > 0).values].tolist()


def _score(run: xr.DataTree, zones: list[cl.Zone], costs: cl.CostModel) -> xr.Dataset:
    predicted = cl.compact_zone(zones, cpu=_cpu(run), costs=costs, frames=0)
    return cl.score(predicted, run)


def _cpu(run: xr.DataTree) -> int:
    """CPU that the recorded compaction ran on: its per-CPU lists take the pages it frees."""
    if "events" not in run.children:
        return 0
    events = run["events"].to_dataset()
    return int(np.bincount(events.cpu.values[events.role.values == "manual"]).argmax())


def _written_back(zone: cl.Zone) -> cl.Zone:
    """Take dirty folios as clean and without buffers: written back since the page map was read."""
    flags = zone.seed.flags.copy()
    flags[zone.seed.kind == FILE] &= 255 - DIRTY - PRIVATE
    return dataclasses.replace(zone, seed=dataclasses.replace(zone.seed, flags=flags))


def _manual_row(name: str, score: xr.Dataset, cause: str) -> tuple[str, ...]:
    index = cl.metrics.unusable_index(score.nr_free).sel(order=HUGE).values.tolist()
    errors = ("migrated_error", "migrate_scanned_error", "free_scanned_error")
    return (
        name,
        *(_percent(score[error]) for error in errors),
        f"{index[0]:.3f} {index[1]:.3f} {float(score.unusable_error.sel(order=HUGE)):.3f}",
        f"{float(score.free_pages_distance):.1%}",
        f"{score.status_predicted.values} {score.status_recorded.values}",
        _percent(score.duration_error),
        cause,
    )


def _percent(error: xr.DataArray) -> str:
    return "" if math.isnan(float(error)) else f"{float(error):+.2%}"


def _cause(run: xr.DataTree, score: xr.Dataset) -> str:
    """Why errors are larger than wanted, with the evidence that the recording has."""
    large = any(abs(float(score[name])) > limit for name, limit in _LIMITS.items())
    if not large and float(score.unusable_error.sel(order=HUGE)) <= _UNUSABLE_LIMIT:
        return ""
    if str(score.status_predicted.values) != str(score.status_recorded.values):
        return "a large folio was dirty with buffers when the map was read; it could be split by then"
    before, during = _others(run, score.attrs["zone"])
    info = run["zoneinfo"].to_dataset().sel(zone=score.attrs["zone"])
    listed = int(info.pcp_count.isel(time=0).sum())
    causes = [
        (before, f"others freed {before:+,} pages between the map and the run"),
        (during, f"others freed {during:+,} pages during the run"),
        (listed, f"{listed:,} pages in per-CPU lists, which of them and in what order is not told"),
    ]
    return "; ".join(text for pages, text in causes if abs(pages) > _MANY_LISTED)


def _others(run: xr.DataTree, zone: str) -> tuple[int, int]:
    """Pages that became free, or were taken, by others: from the map to the begin, and from there to the end.

    Free pages of the lists and of the per-CPU lists together; compaction itself changes neither sum.
    """
    zones, info = run["zones"].to_dataset().sel(zone=zone), run["zoneinfo"].to_dataset().sel(zone=zone)
    listed = info.pcp_count.clip(0).sum("cpu").values
    events = run["events"].to_dataset() if "events" in run.children else None
    mapped = int(run["pages"].elapsed[0])
    if events is None:
        return 0, 0
    mine = (events.role.values == "manual") & (events.zone.values == zone)
    moments = np.array([mapped, events.elapsed.values[mine].min()])
    free = zones.free_pages.values[sample_at(zones.elapsed.values, moments)].tolist()
    after = int(np.searchsorted(zones.elapsed.values, events.elapsed.values[mine].max()))
    end = int(zones.free_pages.values[min(after, zones.sizes["time"] - 1)])
    return free[1] - free[0], end + int(listed[-1]) - free[1] - int(listed[0])


def is_manual(run: xr.DataTree) -> bool:
    """Whether a recording is one of manual compaction: what its events, or counters, tell."""
    return "manual" in cl.metrics.compaction_runs(run).who.values or "events" not in run.children


PARTS: dict[str, tuple[tuple[str, ...], Callable[..., bool], Callable[..., list[tuple[str, ...]]]]] = {
    "manual": (_MANUAL, is_manual, manual),
    "direct": (demand.DIRECT, demand.is_demand, demand.direct),
    "proactive": (demand.PROACTIVE, demand.is_proactive, demand.proactive),
}
"""Part of the report: head of its table, whether a recording is of that kind, rows of one recording."""


def report(folder: Path, parts: list[str]) -> Iterator[str]:
    """Tables, one a part."""
    fitted_on = traced(folder)
    for part in parts:
        head, is_of_kind, rows_of = PARTS[part]
        rows: list[tuple[str, ...]] = []
        for name, run in recordings(folder):
            if is_of_kind(run):
                others = [other for each, other in fitted_on.items() if each != name]
                rows += rows_of(name, run, cl.calibrate(*others) if others else cl.CostModel())
        yield f"## {part}\n\n{table(head, rows)}"


# --- known errors ------------------------------------------------------------------------------------------

KNOWN = Path(cl.__file__).parent / "experiments" / "fidelity.json"
_SEEDS = 3
_NEARER = 0.75  # share of recordings that were predicted nearer than what is told as the known error


def known_errors(folder: Path) -> dict[str, object]:
    """Errors of every recording's own prediction, and by kind what three of four are within."""
    kinds: dict[str, list[dict[str, float]]] = {}
    each: dict[str, dict[str, object]] = {}
    for name, run in recordings(folder):
        kind, zones = kind_of(run), zones_of(run)
        predicted = [predict(run, zones, kind, seed=seed) for seed in range(_SEEDS)]
        if errors := errors_of(kind, predicted, run):
            kinds.setdefault(kind, []).append(errors)
            each[name] = {"kind": kind, "errors": {key: round(value, 6) for key, value in errors.items()}}
    return {
        "command": "python -m benchmarks.fidelity --write --recordings GROUNDTRUTH",
        "date": datetime.date.today().isoformat(),
        "kinds": {
            kind: {"recordings": len(found), "errors": _within(found)} for kind, found in kinds.items()
        },
        "recordings": each,
    }


def _within(found: list[dict[str, float]]) -> dict[str, float]:
    names = sorted({name for errors in found for name in errors})
    told = {name: [errors[name] for errors in found if name in errors] for name in names}
    return {name: round(float(np.quantile(errors, _NEARER)), 6) for name, errors in told.items()}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=Path, default=SHIPPED)
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    parser.add_argument("--write", action="store_true", help="write known errors instead")
    chosen = parser.parse_args()
    if chosen.write:
        KNOWN.write_text(json.dumps(known_errors(chosen.recordings), indent=1) + "\n", encoding="utf-8")
        print(KNOWN)
        return
    unknown = set(chosen.parts) - set(PARTS)
    if unknown:
        parser.error(f"unknown part {', '.join(unknown)}; there is {', '.join(PARTS)}")
    for text in report(chosen.recordings, chosen.parts or list(PARTS)):
        print(text, end="\n\n")


if __name__ == "__main__":
    main()
