"""Runs on disk: netCDF for one file to send, Zarr for long runs; both give the same run back.

Times are CF times, long text columns are CF flags (``flag_values``, ``flag_meanings``), lists and
dictionaries among the attributes are JSON, so that other programs can read the files too.
"""

from __future__ import annotations

import errno
import glob
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
import xarray as xr

from . import schema

LONG_TEXT = 1000
"""Text columns longer than this are stored as codes."""
ZARR_CHUNK = 10_000
"""Entries along the first dimension in a chunk; one shard, that is one file, holds them all."""

_TEXT = "compactlab_text"  # attribute of a variable: its dtype in memory
_JSON = "compactlab_attributes"  # attribute: names of the others in order, false for those in JSON
_LAYOUT = "compactlab_layout"  # attribute of the root: groups, and the variables in each, in their order
_EMPTY = "%"  # the flag meaning of empty text: a lone per cent sign escapes nothing


def save(run: xr.DataTree, path: str | os.PathLike[str], overwrite: bool = False) -> Path:
    """Write a run to a netCDF file (``.nc``) or a Zarr folder (``.zarr``).

    The run is written under a temporary name beside the target and renamed when it is complete:
    whatever happens meanwhile, an old file stays as it was and no half-written one appears.

    Parameters
    ----------
    run
        A run that fits the schema.
    path
        Where to; its ending chooses the format.
    overwrite
        Replace what is there.

    Returns
    -------
        The path.

    Raises
    ------
    FileExistsError
        If the path exists and overwrite is not set.
    ValueError
        If it is not a run, or the ending is neither ``.nc`` nor ``.zarr``.
    OSError
        If it cannot be written, for instance because the disk is full.

    Examples
    --------
    >>> import tempfile
    >>> file = save(schema.new_run({}, name="nothing"), Path(tempfile.mkdtemp()) / "run.nc")
    >>> open(file).attrs["name"]
    'nothing'
    """
    schema.validate(run)
    path = Path(path)
    write = _writer(path)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; save(run, path, overwrite=True) replaces it")
    if path.is_dir() and not (path / "zarr.json").exists():
        raise FileExistsError(
            f"{path} is a folder and not a Zarr store; it is not replaced, choose another name"
        )
    _remove_stale(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write(_encode(run), part)
        _replace(part, path)
    except OSError as error:
        raise _explained(error, path, run.nbytes) from error
    finally:
        _remove(part)
    return path


def open(path: str | os.PathLike[str]) -> xr.DataTree:  # noqa: A001
    """Read a run that ``save`` wrote, whole, into memory.

    Raises
    ------
    FileNotFoundError
        If there is nothing.
    ValueError
        If it is not a run, or was written by a newer compactlab.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder")
    engine = "zarr" if path.is_dir() else "h5netcdf"
    try:
        with xr.open_datatree(
            path, engine=engine, decode_timedelta=False, **_UNCONSOLIDATED.get(engine, {})
        ) as tree:
            stored = tree.load()
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path}: not a run: {error}. {_READ_INSTEAD}") from error
    _check_version(stored, path)
    run = _decode(stored)
    schema.validate(run)
    return run


_UNCONSOLIDATED: dict[str, dict[str, Any]] = {"zarr": {"consolidated": False}}
_READ_INSTEAD = (
    "compactlab.open opens what compactlab.save wrote; texts of the kernel are for compactlab.read"
)


def _check_version(stored: xr.DataTree, path: Path) -> None:
    version = stored.attrs.get("schema_version")
    if version is None or _LAYOUT not in stored.attrs:
        raise ValueError(f"{path}: not a run: it has no schema version. {_READ_INSTEAD}")
    if version > schema.VERSION:
        raise ValueError(
            f"{path}: schema version {version}, this compactlab knows {schema.VERSION}; "
            "it was saved by a newer one, please upgrade"
        )


def _writer(path: Path) -> Callable[[xr.DataTree, Path], None]:
    writers = {".nc": _write_netcdf, ".zarr": _write_zarr}
    if path.suffix not in writers:
        raise ValueError(f"{path}: ending {path.suffix!r}, expected .nc (netCDF) or .zarr (Zarr)")
    return writers[path.suffix]


def _write_netcdf(tree: xr.DataTree, part: Path) -> None:
    compressed = {"zlib": True, "complevel": 4, "shuffle": True}
    encoding = _encoding(
        tree, lambda variable: compressed if variable.ndim and variable.dtype != object else {}
    )
    content = tree.to_netcdf(engine="h5netcdf", encoding=encoding)  # a full disk is then one plain error
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _write_zarr(tree: xr.DataTree, part: Path) -> None:
    from zarr.codecs import BloscCodec

    blosc = BloscCodec(cname="zstd", clevel=5, shuffle="bitshuffle")

    def chunks(variable: xr.Variable) -> dict[str, Any]:
        if not variable.ndim or variable.dtype == object:
            return {}
        chunk = (min(len(variable), ZARR_CHUNK), *variable.shape[1:])
        shard = (-(-len(variable) // chunk[0]) * chunk[0], *variable.shape[1:])
        return {"compressors": [blosc], "chunks": chunk, "shards": shard}

    tree.to_zarr(part, mode="w", zarr_format=3, consolidated=False, encoding=_encoding(tree, chunks))


def _encoding(
    tree: xr.DataTree, storage: Callable[[xr.Variable], dict[str, Any]]
) -> dict[str, dict[Any, Any]]:
    """How each variable is stored, by group; ``storage`` says it for those that hold anything."""
    clock = {"units": "nanoseconds since 1970-01-01", "calendar": "proleptic_gregorian", "dtype": "int64"}
    return {
        node.path: {
            name: {"_FillValue": None}
            | (clock if variable.dtype.kind == "M" else {})
            | (storage(variable) if variable.size else {})
            for name, variable in node.to_dataset(inherit=False).variables.items()
        }
        for node in tree.subtree
    }


def _encode(run: xr.DataTree) -> xr.DataTree:
    """Put text, lists and dictionaries in forms that both file formats know."""
    layout = {
        name: [str(v) for v in node.to_dataset(inherit=False).variables]
        for name, node in run.children.items()
    }
    groups = {
        f"/{name}": _encode_group(node.to_dataset(inherit=False)) for name, node in run.children.items()
    }
    tree = xr.DataTree.from_dict(groups)
    tree.attrs = _encode_attributes({**run.attrs, _LAYOUT: layout})
    return tree


def _decode(stored: xr.DataTree) -> xr.DataTree:
    attributes = _decode_attributes(stored.attrs)
    layout = attributes.pop(_LAYOUT)
    groups = {
        f"/{name}": _decode_group(stored.children[name].to_dataset(inherit=False), layout[name])
        for name in layout
    }
    run = xr.DataTree.from_dict(groups, name="run")
    run.attrs = attributes
    return run


def _encode_group(dataset: xr.Dataset) -> xr.Dataset:
    variables = {name: _encode_variable(variable) for name, variable in dataset.variables.items()}
    return _dataset(variables, dataset, _encode_attributes(dataset.attrs))


def _decode_group(stored: xr.Dataset, order: list[str]) -> xr.Dataset:
    variables = {name: _decode_variable(stored.variables[name]) for name in order}
    return _dataset(variables, stored, _decode_attributes(stored.attrs))


def _dataset(variables: dict[Any, xr.Variable], like: xr.Dataset, attributes: dict[str, Any]) -> xr.Dataset:
    coordinates = {name: variable for name, variable in variables.items() if name in like.coords}
    data = {name: variable for name, variable in variables.items() if name not in like.coords}
    dataset = xr.Dataset(data, coordinates)
    dataset.attrs = attributes
    return dataset


def _encode_variable(variable: xr.Variable) -> xr.Variable:
    attributes = _encode_attributes(variable.attrs)
    values = variable.to_numpy()
    if values.dtype.kind not in "OU":
        return xr.Variable(variable.dims, values, attributes)
    attributes[_TEXT] = "object" if values.dtype == object else values.dtype.str
    if values.size <= LONG_TEXT:
        return xr.Variable(variable.dims, values.astype(object), attributes)
    labels, codes = np.unique(values.astype(object), return_inverse=True)
    attributes["flag_values"] = np.arange(len(labels), dtype=np.int32)
    attributes["flag_meanings"] = " ".join(quote(label, safe="|/+,:=()~") or _EMPTY for label in labels)
    return xr.Variable(variable.dims, codes.reshape(values.shape).astype(np.int32), attributes)


def _decode_variable(stored: xr.Variable) -> xr.Variable:
    attributes = _decode_attributes(stored.attrs)
    values = stored.to_numpy()
    dtype = stored.attrs.get(_TEXT)
    if dtype is None:
        return xr.Variable(stored.dims, values, attributes)
    if "flag_meanings" in stored.attrs:
        meanings = stored.attrs["flag_meanings"].split(" ")
        labels = np.array(["" if meaning == _EMPTY else unquote(meaning) for meaning in meanings], object)
        values = labels[values]
    return xr.Variable(stored.dims, values.astype(object).astype(dtype), attributes)


def _encode_attributes(attributes: dict[Any, Any]) -> dict[str, Any]:
    """Text, integers and floats as they are, the rest as JSON; one more attribute keeps names and order."""
    plain = {name: type(value) in (str, int, float) for name, value in attributes.items()}
    coded = {name: value if plain[name] else json.dumps(value) for name, value in attributes.items()}
    return coded | ({_JSON: json.dumps(plain)} if attributes else {})


def _decode_attributes(attributes: dict[Any, Any]) -> dict[str, Any]:
    decoded: dict[str, Any] = {}
    for name, plain in json.loads(attributes.get(_JSON, "{}")).items():
        value = attributes[name]
        value = value.item() if isinstance(value, np.generic) else value
        decoded[name] = value if plain else json.loads(value)
    return decoded


def _replace(part: Path, path: Path) -> None:
    """Put the complete new in the place of the old; a folder cannot be replaced, so the old steps aside."""
    if not path.is_dir():
        os.replace(part, path)
        return
    old = part.with_suffix(".old")
    os.rename(path, old)
    try:
        os.rename(part, path)
    except OSError:
        os.rename(old, path)
        raise
    shutil.rmtree(old)


def _remove_stale(path: Path) -> None:
    """Remove what killed processes of this machine left of their attempts to save here."""
    for part in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        pid = part.name.split(".")[-2]
        if pid.isdigit() and not _is_alive(int(pid)):
            _remove(part)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def _remove(part: Path) -> None:
    if part.is_dir():
        shutil.rmtree(part, ignore_errors=True)
    else:
        part.unlink(missing_ok=True)


def _explained(error: OSError, path: Path, size: int) -> OSError:
    reason = error.strerror or str(error)
    folder = path.absolute().parent
    if not folder.is_dir():
        return FileNotFoundError(errno.ENOENT, f"{path}: folder {folder} does not exist; make it first")
    free = shutil.disk_usage(folder).free
    return OSError(
        error.errno,
        f"{path}: {reason}. The run is {size / 1e6:.1f} MB before compression, {free / 1e6:.1f} MB are free "
        f"in {folder}; make room or save elsewhere. What was there before is unchanged",
    )
