"""The decorators of every jitted function: their options and their cache live here."""

from __future__ import annotations

import functools
import gc
import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numba
import numba.core.config
import numpy as np
import platformdirs
from llvmlite.binding import Linkage
from numba.core.caching import Cache, CompileResultCacheImpl, _CacheLocator
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.compiler_machinery import PassManager
from numba.core.typed_passes import (
    AnnotateTypes,
    IRLegalization,
    NativeLowering,
    NoPythonBackend,
    NopythonTypeInference,
    PreLowerStripPhis,
)
from numba.core.types.misc import unliteral
from numba.core.untyped_passes import (
    FixupArgs,
    GenericRewrites,
    IRProcessing,
    ReconstructSSA,
    TranslateByteCode,
)

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
def _digest_of(file: str) -> str:
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()


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


class _Locator(_CacheLocator):
    """Keeps machine code apart from where the package is installed, and by what its kernels say.

    numba's own locators write beside the source file or name their folder after it, so a new environment
    compiles anew; and they look at one source file only, while kernels call kernels of other files.
    """

    def __init__(self, py_func: Callable[..., Any], py_file: str) -> None:
        self._py_file = py_file
        self._name = f"{Path(py_file).stem}.{py_func.__code__.co_firstlineno}"
        self._text = _digest_of(py_file)  # of callers outside this folder

    def get_cache_path(self) -> str:
        return _folder()

    def get_source_stamp(self) -> tuple[str, str]:
        return _digest(), self._text

    def get_disambiguator(self) -> str:
        return self._name

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> _Locator:
        return cls(py_func, py_file)


class _Implementation(CompileResultCacheImpl):
    _locator_classes = [_Locator]  # noqa: RUF012


class _KernelCache(Cache):
    _impl_class = _Implementation


class _Part(JITCodeLibrary):
    """Code of a function that only other code calls: left to the optimiser of the whole, never run by itself.

    numba would optimise it and make machine code of it once for itself and again in each of its callers.
    """

    @property
    def codegen(self) -> Any:
        return _NoEnvironment(self._codegen)

    def finalize(self) -> None:
        self._finalized = True  # what it calls is linked once, to the whole

    def get_pointer_to_function(self, _: str) -> int:
        return 0


class _NoEnvironment:
    """A code generator that sets no environment, as there is no machine code that could have one."""

    def __init__(self, codegen: Any) -> None:
        self._codegen = codegen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codegen, name)

    def set_env(self, *_: Any) -> None:
        """Leave it."""


class _Whole(JITCodeLibrary):
    """Code that Python calls, with all its parts, which nobody else sees: the optimiser may change them."""

    def finalize(self) -> None:
        self._linking_libraries: list[Any]
        found: dict[Any, None] = {}
        waiting = list(self._linking_libraries)
        while waiting:
            library = waiting.pop()
            if library not in found:
                found[library] = None
                if isinstance(library, _Part):
                    waiting += library._linking_libraries
        self._linking_libraries = list(found)
        super().finalize()

    def _optimize_final_module(self) -> None:
        for function in self._final_module.functions:
            if function.linkage == Linkage.linkonce_odr and not function.is_declaration:
                function.linkage = Linkage.internal
        passes, builder = self._codegen._module_pass_manager()  # no reference counts to prune before
        passes.run(self._final_module, builder)


def _compiler(kind: type[JITCodeLibrary]) -> type[Compiler]:
    class _Compiler(Compiler):
        def __init__(self, typing: Any, target: Any, _: Any, *others: Any) -> None:
            library = kind(target.codegen(), kind.__name__)
            library.enable_object_caching()
            super().__init__(typing, target, library, *others)

        def compile_extra(self, function: Callable[..., Any]) -> Any:
            collects = gc.isenabled()
            gc.disable()  # what a compiler makes, it needs: looking for garbage took a tenth of the time
            try:
                return super().compile_extra(function)
            finally:
                if collects:
                    gc.enable()

    return _Compiler


_WholeCompiler = _compiler(_Whole)


_STEPS = (
    TranslateByteCode,
    FixupArgs,
    IRProcessing,
    GenericRewrites,
    ReconstructSSA,
    NopythonTypeInference,
    PreLowerStripPhis,
    IRLegalization,
    AnnotateTypes,
    NativeLowering,
    NoPythonBackend,
)


class _PartCompiler(_compiler(_Part)):  # type: ignore[misc]
    """Without the passes for what parts do not have: closures, with statements, array expressions."""

    def define_pipelines(self) -> list[PassManager]:
        manager = PassManager("part")
        for step in _STEPS:
            manager.add_pass(step, step.__name__)
        manager.finalize()
        return [manager]


def jit(function: _Function) -> _Function:
    """Compile on first call without the GIL; keep the machine code in the user's cache directory."""
    if numba.core.config.DISABLE_JIT:  # plain Python then, whose integers must wrap as silently
        return np.errstate(over="ignore")(function)
    compiled = numba.njit(nogil=True, error_model="numpy", pipeline_class=_WholeCompiler)(function)
    if _is_writable(_folder()):
        compiled._cache = _KernelCache(function)
    return compiled


if TYPE_CHECKING:

    def integer(value: Any) -> int:
        """Widen a number of a record to 64 bits, in jitted code."""

else:
    integer = int if numba.core.config.DISABLE_JIT else np.int64


def inner(function: _Function) -> _Function:
    """Compile what only jitted code calls, with as little compiling as can be.

    Without the wrappers Python would need; without reference counting, as memory is the caller's; and once
    for all integers, where numba would compile anew for each constant it is called with.
    """
    if numba.core.config.DISABLE_JIT:
        return function
    compiled = numba.njit(
        nogil=True,
        error_model="numpy",
        no_cpython_wrapper=True,
        no_cfunc_wrapper=True,
        _nrt=False,
        pipeline_class=_PartCompiler,
    )(function)
    template = compiled.get_call_template
    compiled.get_call_template = lambda args, kws: template([unliteral(arg) for arg in args], kws)
    return compiled
