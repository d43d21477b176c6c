"""A run as one HTML file that plays without Python, network or any other file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import xarray as xr

from .. import figures, texts
from ..figures.story import is_story
from ..metrics.comparison import Runs
from ..texts import _
from .pack import Theme, pack

BINS = 2000
"""Snapshots drawn at most, before the size is looked at."""
FEWEST_BINS = 125
"""Below this a page would no longer show what happened."""

SIDE_BY_SIDE = 4
"""Fewer moments are drawn of runs side by side: there are many lines and several axes."""
Shown = xr.DataTree | xr.Dataset | Sequence[Runs] | Mapping[str, Runs]
"""A run, what `score` or `schedule` returns, a told story, or runs to be laid beside each other."""


@runtime_checkable
class Paged(Protocol):
    """What makes its page itself, as a quiz does; there is no film of it."""

    title: str
    note: str

    def page(self, theme: Theme) -> str:
        """Make one page that needs nothing else."""


def page_of(
    run: Shown | Paged, *, theme: Theme, zone: str | None, order: int | None, max_bytes: int
) -> tuple[str, figures.Scene | Paged]:
    """Page of a run, or of several side by side, thinned until it fits, of a score or a story; and its scene.

    Raises
    ------
    ValueError
        If even the coarsest page is larger than ``max_bytes``.
    """
    if not isinstance(run, xr.Dataset | xr.DataTree) and isinstance(run, Paged):
        return run.page(theme), run
    bins = BINS
    while True:
        if isinstance(run, xr.Dataset):
            scene = _of_dataset(run, theme)
        elif isinstance(run, xr.DataTree):
            scene = figures.explorer(run, zone=zone, order=order, theme=theme, bins=bins)
        else:
            sides = [run] if isinstance(run, Mapping) else run
            scene = figures.comparison(
                *sides, zone=zone, order=order, theme=theme, bins=max(bins // SIDE_BY_SIDE, FEWEST_BINS)
            )
        page = pack(scene.root, scene.title, theme=theme)
        if len(page.encode()) <= max_bytes:
            return page, scene
        if isinstance(run, xr.Dataset):
            raise ValueError(
                f"max_bytes: found a page of {texts.count(len(page.encode()))} bytes, expected at most "
                f"{texts.count(max_bytes)}. Allow more, or tell fewer steps, rows or cells"
            )
        if bins == FEWEST_BINS:
            raise ValueError(
                f"max_bytes: found a page of {texts.count(len(page.encode()))} bytes with {FEWEST_BINS} "
                f"snapshots, expected at most {texts.count(max_bytes)}. Allow more, or keep fewer zones"
            )
        bins = max(FEWEST_BINS, bins // 2)


def _of_dataset(told: xr.Dataset, theme: Theme) -> figures.Scene:
    if is_story(told):
        return figures.steps(told, theme=theme)
    return (figures.schedule if "policy" in told.dims else figures.fidelity)(told, theme=theme)


def render(
    run: Shown | Paged,
    path: str | os.PathLike[str] = "report.html",
    *,
    theme: Theme = "auto",
    zone: str | None = None,
    order: int | None = None,
    max_bytes: int = 6_000_000,
) -> Path:
    """Write the Explorer of a run, runs side by side, a score or a story to an HTML file; print its size.

    An existing report is replaced once the new one is complete.

    Parameters
    ----------
    run
        Recording or simulation; a list of two or more of them, or a mapping from names to runs, to lay them
        side by side, where each may be a list of runs with other seeds; what `score` or `schedule` returns;
        a story told step by step, as described in `compactlab.figures.story`; or a quiz.
    path
        File to write, ending in .html.
    theme
        "light", "dark", or "auto": as the reader's system is set.
    zone
        Zone to open on; the reader can choose any other.
    order
        Order to open on; the reader can choose any other.
    max_bytes
        Size of the file at most; snapshots are left out evenly until it fits.

    Raises
    ------
    ValueError
        If the ending is another one, the run has nothing to draw or cannot be made to fit.
    """
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise ValueError(
            f"path: found {path.name!r}, expected a name that ends in .html; `picture` writes .png, .svg and .gif"
        )
    page, scene = page_of(run, theme=theme, zone=zone, order=order, max_bytes=max_bytes)
    content = page.encode()
    write_file(path, content)
    size = f"{len(content) / 1e6:.1f}{texts.NO_BREAK}MB"
    print(f"{path}: {size}", *filter(None, [scene.note]), sep="\n")  # noqa: T201
    return path


def write_file(path: Path, content: bytes) -> None:
    """All or nothing: a full disk leaves the old file as it was."""
    if not path.parent.is_dir():
        raise FileNotFoundError(
            _("{path}: there is no folder {folder}. Make it, or choose another").format(
                path=path, folder=path.parent
            )
        )
    handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        umask = os.umask(0)
        os.umask(umask)
        Path(unfinished).chmod(0o666 & ~umask)
        Path(unfinished).replace(path)
    except OSError as error:
        Path(unfinished).unlink(missing_ok=True)
        message = _("{path}: could not be written ({reason}). Free some space or choose another folder")
        raise OSError(message.format(path=path, reason=error.strerror)) from error
