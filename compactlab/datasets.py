"""The shipped recordings: raw kernel text that ``compactlab.read`` reads, with where it comes from."""

from __future__ import annotations

import builtins
import difflib
import hashlib
import html
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr

_IN_WHEEL = Path(__file__).parent / "_datasets"
FOLDER = _IN_WHEEL if _IN_WHEEL.exists() else Path(__file__).parents[1] / "datasets"


@dataclass(frozen=True)
class Entry:
    """One shipped recording."""

    name: str
    title: str
    description: str
    machine: str
    kernel: str
    command: builtins.list[str]
    """What was done, or run, to make it."""
    phases: builtins.list[str]
    made_from: str
    left_out: dict[str, str]
    """What the original has and this folder has not, and why."""
    licence: str
    page_size: int
    files: dict[str, dict[str, str | int]]
    """File name to its sha256 and bytes."""


class Table(builtins.list[Entry]):
    """A list of entries that prints as a table, in a terminal and in a notebook."""

    def __repr__(self) -> str:
        width = max((len(entry.name) for entry in self), default=0)
        return "\n".join(f"{entry.name:{width}}  {entry.title}" for entry in self)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td style='text-align:left'><code>{html.escape(entry.name)}</code></td>"
            f"<td style='text-align:left'>{html.escape(entry.title)}</td></tr>"
            for entry in self
        )
        return (
            f"<table><thead><tr><th>name</th><th>what it shows</th></tr></thead><tbody>{rows}</tbody></table>"
        )


def list() -> Table:  # noqa: A001
    """Every shipped recording, one line each.

    Examples
    --------
    >>> "healthy" in repr(list())
    True
    """
    return Table(sorted(_entries(), key=lambda entry: entry.name))


def path(name: str) -> Path:
    """Folder of one shipped recording.

    Raises
    ------
    KeyError
        If there is none of that name; the message has the nearest names.

    Examples
    --------
    >>> sorted(file.name for file in path("healthy").iterdir())
    ['dataset.json', 'recording.txt.gz']
    """
    names = [entry.name for entry in list()]
    if name not in names:
        near = difflib.get_close_matches(name, names, n=3) or names
        raise _UnknownNameError(f"no shipped recording is called {name!r}; did you mean {' or '.join(near)}?")
    return FOLDER / name


def load(name: str) -> xr.DataTree:
    """Read one shipped recording.

    Raises
    ------
    KeyError
        If there is none of that name.
    ValueError
        If a file is not as it was shipped.

    Examples
    --------
    >>> load("healthy").attrs["name"]
    'healthy'
    """
    folder = path(name)
    _check(_entry(folder), folder)
    from .readers import read  # not needed to list names

    return read(folder)


def program(name: str) -> Path:
    """Folder of what was recorded of a program: allocations, page contents, page tables; not a run.

    Such a folder has the same ``dataset.json`` as a recording, and a file or script in it that says how
    it was made.

    Raises
    ------
    KeyError
        If there is none of that name; the message has the names.
    ValueError
        If a file is not as it was shipped.
    """
    folder = FOLDER / "programs" / name
    names = sorted(file.parent.name for file in FOLDER.glob("programs/*/dataset.json"))
    if name not in names:
        raise _UnknownNameError(f"no program was recorded as {name!r}; there are: {', '.join(names)}")
    _check(_entry(folder), folder)
    return folder


class _UnknownNameError(KeyError):
    def __str__(self) -> str:  # KeyError would print the quoted sentence
        return str(self.args[0])


def _entries() -> Iterator[Entry]:
    for file in FOLDER.glob("*/dataset.json"):
        yield _entry(file.parent)


def _entry(folder: Path) -> Entry:
    return Entry(**json.loads((folder / "dataset.json").read_text(encoding="utf-8")))


def _check(entry: Entry, folder: Path) -> None:
    for name, expected in entry.files.items():
        file = folder / name
        found = hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else "no such file"
        if found != expected["sha256"]:
            raise ValueError(
                f"{file}: sha256 is {found}, expected {expected['sha256']}; it is not the file that was "
                "shipped. Install compactlab again, or read the folder as it is with compactlab.read"
            )
