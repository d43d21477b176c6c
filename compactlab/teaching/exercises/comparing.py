"""Recorded against simulated: what a seed changes, and how many it takes."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ...metrics import compare
from ...simulation import workloads
from ...simulation.compact import compact_zone
from ...simulation.loop import simulate
from ...simulation.starts import started
from ...simulation.zone import Zone
from ...texts import N_
from ..answers import Number, Several
from ..exercise import Exercise, Mistake

_NOTEBOOK = "19-recorded-against-simulated"
_QUANTITIES = ("migrated", "compact_stall", "latency_p50", "compaction_time", "unusable_last")
_ENOUGH = 6


def _varying() -> frozenset[str]:
    """Quantities that differ between seeds of one demand for huge pages."""
    zone = started(Zone("128 MiB"), "scattered")
    ask = workloads.huge_faults(faults=16)
    runs = [simulate(zone, ask, seed=seed, frames=0, keyframes=False) for seed in range(4)]
    values = compare({"one": runs[:2], "other": runs[2:]})["values"]
    return frozenset(name for name in _QUANTITIES if np.ptp(values.sel(quantity=name).values[:, :2]) > 0)


@cache
def _compacted(size: str) -> list[Any]:
    zone = started(Zone(size), "every second page")
    return [compact_zone(zone, seed=seed, frames=2, moves=0) for seed in range(_ENOUGH)]


def _runs_it_takes() -> int:
    """Fewest runs a side from which the time of a compaction in a zone of twice the size is told apart."""
    small, large = _compacted("64 MiB"), _compacted("128 MiB")
    for count in range(2, _ENOUGH + 1):
        told = compare({"small": small[:count], "large": large[:count]})
        judgement = told.judgement.sel(side="large", quantity="compaction_time")
        if told.attrs["judgements"][int(judgement)] in ("higher", "lower"):
            return count
    return _ENOUGH + 1


EXERCISES = (
    Exercise(
        name="what-a-seed-changes",
        notebook=_NOTEBOOK,
        task=N_(
            "16 huge pages are asked for, one after the other, of the same fragmented zone of 128 MiB, with four seeds. "
            "Predict: which of these quantities differ from seed to seed?"
        ),
        answer=Several(_QUANTITIES),
        hints=(
            N_("The seed decides how long each batch of pages takes to move. Which pages move is not up to it."),
            N_("`latency_p50` is how long the requests waited. Does that depend on how long moving takes?"),
        ),
        code=(
            "from compactlab.simulation.starts import started\n"
            'zone = started(cl.Zone("128 MiB"), "scattered")\n'
            "ask = cl.workloads.huge_faults(faults=16)\n"
            "runs = [cl.simulate(zone, ask, seed=seed) for seed in range(4)]\n"
            'cl.compare({"one": runs[:2], "other": runs[2:]})["values"].to_series()'
        ),
        truth=_varying,
        told=N_("{truth}: times only. What moves, and what is left, is the same with every seed."),
        mistakes=(
            Mistake(lambda _truth: frozenset(_QUANTITIES), N_("Which pages move does not depend on the seed.")),
            Mistake(lambda truth: truth - {"latency_p50"}, N_("Who compacts for himself waits as long as that takes.")),
            Mistake(lambda truth: truth | {"migrated"}, N_("Which pages move does not depend on the seed.")),
        ),
        right=(["latency_p50", "compaction_time"], "compaction_time, latency_p50"),
        wrong=(["migrated"], _QUANTITIES, ["compaction_time"]),
    ),
    Exercise(
        name="how-many-runs",
        notebook=_NOTEBOOK,
        task=N_(
            "A zone of 64 MiB and one of 128 MiB are compacted, each with several seeds. The larger takes twice as long. "
            "Predict: how many runs of each are needed at least before `compare` says so?"
        ),
        answer=Number("runs", least=1, most=1000, whole=True),
        hints=(
            N_("By chance alone, two groups of two fall entirely apart in one of three cases: every value of one above the other."),
            N_("At 95 % chance may do it in no more than one case of 20. With n runs a side there are (2n)! / (n!)² groupings."),
        ),
        code=(
            "from compactlab.simulation.starts import started\n"
            "sides = {}\n"
            'for size in ("64 MiB", "128 MiB"):\n'
            '    zone = started(cl.Zone(size), "every second page")\n'
            "    sides[size] = [cl.compact_zone(zone, seed=seed, frames=2) for seed in range(3)]  # your number\n"
            'cl.compare(sides).attrs["text"]'
        ),
        truth=_runs_it_takes,
        told=N_("{truth}. Fewer can fall apart by chance too often, however large the difference."),
        mistakes=(
            Mistake(lambda _truth: 1, N_("With one run of each nothing tells a difference from chance.")),
            Mistake(lambda _truth: 2, N_("Two against two fall entirely apart by chance in one of three cases.")),
            Mistake(lambda _truth: 3, N_("Three against three fall entirely apart by chance in one of ten cases.")),
            Mistake(lambda _truth: 30, N_("That is a rule of thumb for means of large samples. Ranks need fewer.")),
        ),
        right=(4, "4 runs", np.int64(4)),
        wrong=(1, 2, 3, 30, 5),
    ),
)  # fmt: skip
