"""compactlab: a lab bench for Linux memory compaction.

The names below are all a user types; each loads its module on first use, so that
``import compactlab`` costs nothing until something is read or drawn.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import datasets, metrics, player, schema, store
    from .dashboards import Explorer
    from .metrics import verdict
    from .player import render, show
    from .readers import ParseError, ReadWarning, read
    from .recorder import record
    from .store import open, save  # noqa: A004

__version__ = "0.1.0"

_HOME = {
    "read": "readers",
    "ParseError": "readers",
    "ReadWarning": "readers",
    "open": "store",
    "save": "store",
    "verdict": "metrics",
    "Explorer": "dashboards",
    "render": "player",
    "show": "player",
    "record": "recorder",
}
_MODULES = ("datasets", "metrics", "player", "readers", "schema", "store")

__all__ = [
    "Explorer",
    "ParseError",
    "ReadWarning",
    "datasets",
    "metrics",
    "open",
    "player",
    "read",
    "record",
    "render",
    "save",
    "schema",
    "show",
    "store",
    "verdict",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, *_MODULES})
