"""The decorators of every jitted function: their options and their cache live here."""

from __future__ import annotations

import functools
import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
import numba.core.config
import numpy as np
import platformdirs
from numba.core import types
from numba.core.caching import Cache, CompileResultCacheImpl, _CacheLocator

_Function = TypeVar("_Function", bound=Callable[..., Any])

CACHE_FOLDER = Path(platformdirs.user_cache_dir("compactlab", appauthor=False))


@functools.cache
def _digest() -> str:
    """What machine code depends on: the text of all kernels, numba's version, whether bounds are checked."""
    digest = hashlib.sha256(f"{numba.__version__} {numba.core.config.BOUNDSCHECK}".encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


@functools.cache
def _folder() -> str:
    """Where machine code is kept: NUMBA_CACHE_DIR or the user's cache directory, a folder per digest."""
    return str(Path(numba.core.config.CACHE_DIR or CACHE_FOLDER) / f"kernels-{_digest()}")


@functools.cache
def _is_writable(folder: str) -> bool:
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


class _Locator(_CacheLocator):  # type: ignore[misc]
    """Keeps machine code apart from where the package is installed, and by what its kernels say.

    numba's own locators write beside the source file or name their folder after it, so a new environment
    compiles anew; and they look at one source file only, while kernels call kernels of other files.
    """

    def __init__(self, py_func: Callable[..., Any], py_file: str) -> None:
        self._py_file = py_file
        self._name = f"{Path(py_file).stem}.{py_func.__code__.co_firstlineno}"

    def get_cache_path(self) -> str:
        return _folder()

    def get_source_stamp(self) -> str:
        return _digest()

    def get_disambiguator(self) -> str:
        return self._name

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> _Locator:
        return cls(py_func, py_file)


class _Implementation(CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = [_Locator]  # noqa: RUF012


class _KernelCache(Cache):  # type: ignore[misc]
    _impl_class = _Implementation


def jit(function: _Function) -> _Function:
    """Compile on first call without the GIL; keep the machine code in the user's cache directory."""
    if numba.core.config.DISABLE_JIT:  # plain Python then, whose integers must wrap as silently
        return np.errstate(over="ignore")(function)
    compiled = numba.njit(nogil=True, error_model="numpy")(function)
    if _is_writable(_folder()):
        compiled._cache = _KernelCache(function)  # noqa: SLF001
    return compiled


def inner(function: _Function) -> _Function:
    """Compile what only jitted code calls, with as little compiling as can be.

    Without the wrappers Python would need; without reference counting, as memory is the caller's; and once
    for all integers, where numba would compile anew for each constant it is called with.
    """
    if numba.core.config.DISABLE_JIT:
        return function
    compiled = numba.njit(
        nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True, _nrt=False
    )(function)
    template = compiled.get_call_template
    compiled.get_call_template = lambda args, kws: template([types.unliteral(arg) for arg in args], kws)
    return compiled
