"""A told story: rows of cells that change step by step, a sentence for each step, numbers beside them.

What a model hands over to be drawn is a plain `xr.Dataset`, so that no model needs to know a figure:

=================== =============================== ==============================================================
``kind``            (step, row, cell) integer       what each cell is: an index into ``attrs["kinds"]``; 255: no
                                                    cell there, so rows may differ in length
``row``             (row) str, coordinate           name of each row
``text``            (step) str                      one sentence for each step
``mark``            (step, row) integer, optional   a cell to point at; -1: none
``span``            (row) integer, optional         how many cells wide one cell of the row is drawn; 1 if not given
``label``           (step, row, cell) str, optional what is written into a cell, where there is room, which reaches
                                                    over cells of the same kind after it whose label is ""
``level``           (step) str, optional            how it went: "ok", "warn", "bad", or "" for neither
any other           (step, row) or (step) number    a measure; ``long_name`` and ``units`` in its attrs
``attrs["title"]``  str                             heading
``attrs["kinds"]``  list of str                     names of the kinds
``attrs["colours"]`` kind to colour, optional       names as in `COLOURS`
``attrs["cell_label"]`` str, optional               what one cell is, such as "1 page"
=================== =============================== ==============================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from .look import LARGE, SMALL, THEMES

NO_CELL = 255
MOST_ROWS = 16
MOST_CELLS = 4096
MOST_BYTES = 128_000_000
"""Of the kinds of all cells at all steps, unpacked: what a browser holds with ease."""

LEVELS = ("", "ok", "warn", "bad")

COLOURS = {
    name: {**tokens, **{f"small{k}": c for k, c in enumerate(SMALL)}, **{f"large{k}": c for k, c in enumerate(LARGE)}}
    for name, tokens in THEMES.items()
}  # fmt: skip
"""What a kind may be coloured with, in either theme: tokens of `look.THEMES`, and the colours of free blocks."""

_USUAL = {
    "free": "small2", "used": "used", "in use": "used", "allocated": "used", "waste": "scan_free", "wasted": "scan_free", "moved": "migrate",
    "new": "migrate", "pinned": "unmovable", "unmovable": "unmovable", "movable": "used", "huge": "large0",
}  # fmt: skip
_OTHERS = ("large0", "migrate", "scan_free", "isolate", "small1", "other", "cma", "small0", "large1", "unmovable", "used")  # fmt: skip
_TOLD = frozenset({"kind", "text", "mark", "span", "label", "level"})


@dataclass(frozen=True)
class Measure:
    """Numbers that go with the steps: of each row, or of all of them together."""

    name: str
    title: str
    units: str
    values: np.ndarray  # (step, row), or (step, 1) if not by row
    by_row: bool
    whole: bool  # counts


@dataclass(frozen=True)
class Story:
    """A told story, looked through and laid out for drawing."""

    title: str
    kinds: list[str]
    colours: dict[str, list[str]]  # theme to a colour for each kind
    kind: np.ndarray  # uint8 (step, row, cell)
    rows: list[str]
    span: np.ndarray  # (row)
    texts: list[str]
    levels: list[str]
    mark: np.ndarray  # int32 (step, row)
    label: np.ndarray | None  # uint16 (step, row, cell): an index into names
    names: list[str]
    measures: list[Measure]
    cell_label: str

    @property
    def steps(self) -> int:
        """How many steps are told."""
        return len(self.texts)

    @property
    def width(self) -> int:
        """Of the longest row, in cells of span 1."""
        there = (self.kind != NO_CELL).any(0)
        ends = np.where(there.any(1), there.shape[1] - there[:, ::-1].argmax(1), 0)
        return max(1, int((ends * self.span).max()))


def is_story(shown: object) -> bool:
    """Whether something looks like a told story."""
    return isinstance(shown, xr.Dataset) and "kind" in shown and "step" in shown.dims


def story_of(told: xr.Dataset) -> Story:
    """Look a told story through, and lay it out for drawing.

    Raises
    ------
    ValueError
        If something is missing, of other dims, or out of range; it says where, and what to do.
    """
    title, kinds = _attrs(told)
    kind = _kind(told, kinds)
    steps, rows, cells = kind.shape
    if "text" not in told or told.text.dims != ("step",):
        _refuse("text", _dims(told, "text"), "dims ('step',)", "Give one sentence for each step")
    levels = [str(level) for level in told.level.values] if "level" in told else [""] * steps
    if unknown := set(levels) - set(LEVELS):
        _refuse(
            "level", sorted(unknown)[0], f"one of {LEVELS}", "Leave out `level` if no step succeeds or fails"
        )
    label, names = _labels(told)
    return Story(
        title=title,
        kinds=kinds,
        colours=_colours(told, kinds),
        kind=kind,
        rows=_rows(told),
        span=_whole(told, "span", ("row",), 1, cells * 64) if "span" in told else np.ones(rows, np.int32),
        texts=[str(text) for text in told.text.values],
        levels=levels,
        mark=_whole(told, "mark", ("step", "row"), -1, cells - 1)
        if "mark" in told
        else np.full((steps, rows), -1, np.int32),
        label=label,
        names=names,
        measures=[_measure(told, str(name)) for name in told.data_vars if name not in _TOLD],
        cell_label=str(told.attrs.get("cell_label", "")),
    )


def _refuse(where: str, found: object, expected: str, advice: str) -> None:
    raise ValueError(f"story, {where}: found {found}, expected {expected}. {advice}")


def _dims(told: xr.Dataset, name: str) -> str:
    return f"dims {told[name].dims}" if name in told else "nothing of that name"


def _attrs(told: xr.Dataset) -> tuple[str, list[str]]:
    title, kinds = told.attrs.get("title"), told.attrs.get("kinds")
    if not isinstance(title, str) or not title.strip():
        _refuse('attrs["title"]', repr(title), "a heading", "Say in a few words what is shown")
    if isinstance(kinds, str) or not kinds or not all(isinstance(name, str) for name in kinds):
        _refuse('attrs["kinds"]', repr(kinds), "a list of names", "Name what the numbers in `kind` mean")
    kinds = list(kinds or [])
    if len(kinds) >= NO_CELL or len(set(kinds)) < len(kinds):
        _refuse('attrs["kinds"]', f"{len(kinds)} names, {len(set(kinds))} different", f"fewer than {NO_CELL}, all different", "Join kinds that mean the same")  # fmt: skip
    return str(title), kinds


def _kind(told: xr.Dataset, kinds: list[str]) -> np.ndarray:
    if "kind" not in told or set(told.kind.dims) != {"step", "row", "cell"}:
        _refuse("kind", _dims(told, "kind"), "dims ('step', 'row', 'cell')", "Give what each cell is at each step")  # fmt: skip
    kind = told.kind.transpose("step", "row", "cell").values
    if kind.dtype.kind not in "iu":
        _refuse("kind", f"numbers of type {kind.dtype}", "whole numbers", "Use uint8")
    steps, rows, cells = kind.shape
    if steps < 2:
        _refuse("step", f"{steps} steps", "at least 2", "A picture that does not change needs no player")
    if not 1 <= rows <= MOST_ROWS:
        _refuse("row", f"{rows} rows", f"1 to {MOST_ROWS}", "Leave some out, or tell two stories")
    if not 1 <= cells <= MOST_CELLS:
        _refuse("cell", f"{cells} cells", f"1 to {MOST_CELLS}", "Let one cell stand for several")
    if kind.size > MOST_BYTES:
        _refuse("kind", f"{kind.size:,} values", f"at most {MOST_BYTES:,}", "Tell fewer steps, or let one cell stand for several")  # fmt: skip
    wrong = np.argwhere(((kind < 0) | (kind >= len(kinds))) & (kind != NO_CELL))
    if wrong.size:
        step, row, cell = wrong[0]
        _refuse(
            f"kind at step {step}, row {row}, cell {cell}",
            kind[step, row, cell],
            f"0 to {len(kinds) - 1} ({', '.join(kinds)}), or {NO_CELL} for no cell",
            'Name every kind in attrs["kinds"]',
        )
    return kind.astype(np.uint8)


def _rows(told: xr.Dataset) -> list[str]:
    if "row" not in told.coords:
        _refuse("row", "no coordinate", "a name for each row", "Use coords={'row': [...]}")
    return [str(name) for name in told.row.values]


def _labels(told: xr.Dataset) -> tuple[np.ndarray | None, list[str]]:
    """What is written into cells, as indices of the different names."""
    if "label" not in told:
        return None, []
    if set(told.label.dims) != {"step", "row", "cell"}:
        _refuse("label", _dims(told, "label"), "dims ('step', 'row', 'cell')", "Use '' where nothing is to be written")  # fmt: skip
    texts = told.label.transpose("step", "row", "cell").values.astype(str)
    names, number = np.unique(texts, return_inverse=True)
    if len(names) > np.iinfo(np.uint16).max:
        _refuse("label", f"{len(names)} different texts", f"at most {np.iinfo(np.uint16).max}", "Write into fewer cells")  # fmt: skip
    return number.reshape(texts.shape).astype(np.uint16), names.tolist()


def _whole(told: xr.Dataset, name: str, dims: tuple[str, ...], least: int, most: int) -> np.ndarray:
    """A variable of whole numbers in a range."""
    if set(told[name].dims) != set(dims):
        _refuse(name, _dims(told, name), f"dims {dims}", f"Leave out `{name}` if there is none")
    values = told[name].transpose(*dims).values
    if values.dtype.kind not in "iu" or (values < least).any() or (values > most).any():
        _refuse(name, f"{values.dtype} from {values.min()} to {values.max()}", f"whole numbers from {least} to {most}", "Mend what makes it")  # fmt: skip
    return values.astype(np.int32)


def _colours(told: xr.Dataset, kinds: list[str]) -> dict[str, list[str]]:
    """Colour of each kind: as asked for, as is usual for such a name, or the next that is left."""
    asked = told.attrs.get("colours", {})
    if not isinstance(asked, Mapping) or not set(asked) <= set(kinds):
        _refuse('attrs["colours"]', repr(asked), f"a mapping from kinds ({', '.join(kinds)}) to colours", "Leave out kinds that are not there")  # fmt: skip
    if unknown := set(asked.values()) - set(COLOURS["light"]):
        _refuse('attrs["colours"]', repr(sorted(map(str, unknown))[0]), f"one of {', '.join(COLOURS['light'])}", "See compactlab/figures/look.py")  # fmt: skip
    tokens = {kind: asked.get(kind) or _USUAL.get(kind.lower()) for kind in kinds}
    left = [token for token in _OTHERS if token not in tokens.values()]
    for kind in kinds:
        if tokens[kind] is None:
            tokens[kind] = left.pop(0) if left else "other"
    return {theme: [named[str(tokens[kind])] for kind in kinds] for theme, named in COLOURS.items()}


def _measure(told: xr.Dataset, name: str) -> Measure:
    variable = told[name]
    if set(variable.dims) not in ({"step", "row"}, {"step"}) or variable.dtype.kind not in "iufb":
        found = f"{_dims(told, name)} of type {variable.dtype}"
        _refuse(name, found, "numbers with dims ('step', 'row') or ('step',)", "Leave out what is no measure")
    by_row = "row" in variable.dims
    values = variable.transpose("step", "row").values if by_row else variable.values[:, None]
    return Measure(
        name=name,
        title=str(variable.attrs.get("long_name", name.replace("_", " "))),
        units=_units(variable.attrs),
        values=values.astype(np.float64),
        by_row=by_row,
        whole=variable.dtype.kind in "iub",
    )


def _units(attrs: Mapping[Any, Any]) -> str:
    units = str(attrs.get("units", ""))
    return "" if units in ("1", "dimensionless") else units
