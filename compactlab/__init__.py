"""compactlab: a lab bench for Linux memory compaction.

The names below are all a user types; each loads its module on first use, so that
``import compactlab`` costs nothing until something is read or drawn.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import (
        allocators,
        casestudy,
        compression,
        datasets,
        experiments,
        metrics,
        pagemoves,
        pagetables,
        player,
        schema,
        store,
        teaching,
    )
    from .dashboards import CompactionLab, Compare, Explorer, Schedule, WhatIf
    from .experiments.schedule import schedule
    from .experiments.sweep import sweep
    from .experiments.whatif import what_if
    from .metrics import compare, score, verdict
    from .player import render, show
    from .player.pictures import picture, views
    from .readers import ParseError, ReadWarning, read
    from .recorder import record
    from .simulation import workloads
    from .simulation.calibrate import calibrate
    from .simulation.compact import compact_zone
    from .simulation.contig import alloc_contig_range
    from .simulation.costs import CostModel
    from .simulation.loop import simulate
    from .simulation.presets import Sysctls
    from .simulation.zone import Zone
    from .store import open, save  # noqa: A004
    from .teaching.quiz import Quiz
    from .texts import language

__version__ = "0.1.0"

_HOME = {
    "read": "readers",
    "ParseError": "readers",
    "ReadWarning": "readers",
    "open": "store",
    "save": "store",
    "compare": "metrics",
    "schedule": "experiments",
    "sweep": "experiments",
    "score": "metrics",
    "verdict": "metrics",
    "CompactionLab": "dashboards",
    "Compare": "dashboards",
    "Explorer": "dashboards",
    "Quiz": "teaching.quiz",
    "Schedule": "dashboards",
    "WhatIf": "dashboards",
    "what_if": "experiments.whatif",
    "picture": "player.pictures",
    "render": "player",
    "show": "player",
    "views": "player.pictures",
    "record": "recorder",
    "CostModel": "simulation.costs",
    "Sysctls": "simulation.presets",
    "Zone": "simulation.zone",
    "calibrate": "simulation.calibrate",
    "compact_zone": "simulation.compact",
    "alloc_contig_range": "simulation.contig",
    "simulate": "simulation.loop",
    "language": "texts",
}
_MODULES = {
    "allocators": "allocators",
    "compression": "compression",
    "casestudy": "casestudy",
    "datasets": "datasets",
    "experiments": "experiments",
    "metrics": "metrics",
    "pagemoves": "pagemoves",
    "pagetables": "pagetables",
    "player": "player",
    "readers": "readers",
    "schema": "schema",
    "store": "store",
    "teaching": "teaching",
    "workloads": "simulation.workloads",
}

__all__ = [
    "CompactionLab",
    "Compare",
    "CostModel",
    "Explorer",
    "ParseError",
    "Quiz",
    "ReadWarning",
    "Schedule",
    "Sysctls",
    "WhatIf",
    "Zone",
    "alloc_contig_range",
    "allocators",
    "calibrate",
    "casestudy",
    "compact_zone",
    "compare",
    "compression",
    "datasets",
    "experiments",
    "language",
    "metrics",
    "open",
    "pagemoves",
    "pagetables",
    "picture",
    "player",
    "read",
    "record",
    "render",
    "save",
    "schedule",
    "schema",
    "score",
    "show",
    "simulate",
    "store",
    "sweep",
    "teaching",
    "verdict",
    "views",
    "what_if",
    "workloads",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    if name in _MODULES:
        return import_module(f"{__name__}.{_MODULES[name]}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, *_MODULES})
