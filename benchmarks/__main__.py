"""Print the table; names of modules as arguments choose: ``python -m benchmarks indices``."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec

from .table import lines

MODULES = ("importing", "reading", "indices", "replaying", "browser", "memory")

chosen = sys.argv[1:] or [name for name in MODULES if find_spec(f"{__package__}.{name}")]
print("\n".join(lines(row for name in chosen for row in import_module(f"{__package__}.{name}").rows())))
