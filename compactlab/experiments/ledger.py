"""What is done of a sweep, in a file: a line each, so that a kill costs the point under way and no other."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_KIND = "compactlab sweep"
_TOLD = 3  # differences in an error


class Ledger:
    """Points of a sweep that are done, kept in a file of JSON lines if there is one.

    The first line says of what sweep; each further one is a point with its numbers, or describes them.

    Parameters
    ----------
    path
        The file, made if it is not there; None keeps nothing.
    sweep
        What tells this sweep from others, as JSON has it.

    Raises
    ------
    ValueError
        If the file is of another sweep, saying what differs, or of something else.
    """

    def __init__(self, path: str | os.PathLike[str] | None, sweep: dict[str, Any]) -> None:
        self.path = None if path is None else Path(path)
        self.head = {"kind": _KIND, "compactlab": _version(), **json.loads(json.dumps(sweep))}
        self.points: dict[str, dict[str, Any]] = {}
        self.variables: dict[str, Any] = {}
        if self.path is not None and self.path.exists() and self.path.stat().st_size:
            self._read(self.path)
        elif self.path is not None:
            self._append(self.head)

    def _read(self, path: Path) -> None:
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        lines = whole.splitlines()
        try:
            head, *rest = [json.loads(line) for line in lines]
            if head["kind"] != _KIND:
                raise ValueError
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path}: found something else than the points of a sweep; expected a file that sweep wrote, or a new name"
            ) from error
        differs = list(_differences(head, self.head))
        if differs:
            more = f" and {len(differs) - _TOLD} more" if len(differs) > _TOLD else ""
            raise ValueError(
                f"{path} is of another sweep: {'; '.join(differs[:_TOLD])}{more}. Give this one a file of its own, "
                "or ask for what that one did"
            )
        if len(whole) < len(content):  # of a point that was being written when the process died
            with path.open("r+b") as file:
                file.truncate(len(whole))
        for line in rest:
            self._take(line)

    def _take(self, line: dict[str, Any]) -> None:
        if "variables" in line:
            self.variables = line["variables"]
        else:
            self.points[line["point"]] = line["values"]

    def describe(self, variables: dict[str, Any]) -> None:
        """Keep what the numbers of all points are; once is enough."""
        if not self.variables:
            self._keep({"variables": variables})

    def add(self, point: str, values: dict[str, Any]) -> None:
        """Keep a point that is done."""
        self._keep({"point": point, "values": values})

    def _keep(self, line: dict[str, Any]) -> None:
        self._take(line)
        if self.path is not None:
            self._append(line)

    def _append(self, line: dict[str, Any]) -> None:
        """One write a line, on the disk before the next begins."""
        assert self.path is not None  # noqa: S101  (callers look)
        text = json.dumps(_without_nan(line), ensure_ascii=False, allow_nan=False)
        with self.path.open("ab") as file:
            file.write(text.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


def _version() -> str:
    try:
        return version("compactlab")
    except PackageNotFoundError:  # run from a folder that nobody installed
        return "unknown"


def _without_nan(value: Any) -> Any:
    """JSON has no NaN: null stands for it."""
    if isinstance(value, dict):
        return {name: _without_nan(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _differences(found: Any, wanted: Any, where: str = "") -> Iterator[str]:
    """What differs between two descriptions, a text each.

    >>> list(_differences({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}}))
    ['b.c is 2 there, 3 here']
    """
    if isinstance(found, dict) and isinstance(wanted, dict):
        for name in dict.fromkeys([*found, *wanted]):
            inner = f"{where}.{name}" if where else str(name)
            yield from _differences(found.get(name), wanted.get(name), inner)
    elif isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        for at, (one, other) in enumerate(zip(found, wanted, strict=True)):
            yield from _differences(one, other, f"{where}[{at}]")
    elif found != wanted:
        yield f"{where} is {_short(found)} there, {_short(wanted)} here"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
