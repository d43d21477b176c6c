"""The one decorator of every jitted function: its options and its cache live here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numba.core.config
import numpy as np
import platformdirs

_Function = TypeVar("_Function", bound=Callable[..., Any])

# Machine code belongs to one version of compactlab and numba; a new version starts a new folder.
CACHE_FOLDER = platformdirs.user_cache_dir(
    "compactlab", appauthor=False, version=f"numba-{numba.__version__}"
)


def jit(function: _Function) -> _Function:
    """Compile on first call without the GIL; keep the machine code in the user's cache directory.

    numba would write beside the source file, which fails in read-only installs. It reads
    ``NUMBA_CACHE_DIR`` when a function is decorated, so the setting is lent for that moment only
    and nobody else's functions move.
    """
    if numba.core.config.DISABLE_JIT:  # plain Python then, whose integers must wrap as silently
        return np.errstate(over="ignore")(function)
    theirs = numba.core.config.CACHE_DIR
    numba.core.config.CACHE_DIR = theirs or CACHE_FOLDER
    try:
        return numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    finally:
        numba.core.config.CACHE_DIR = theirs
