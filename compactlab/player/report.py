"""A run as one HTML file that plays without Python, network or any other file."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import xarray as xr

from .. import figures, texts
from ..texts import _
from .pack import Theme, pack

BINS = 2000
"""Snapshots drawn at most, before the size is looked at."""
FEWEST_BINS = 125
"""Below this a page would no longer show what happened."""


def page_of(
    run: xr.DataTree | xr.Dataset, *, theme: Theme, zone: str | None, order: int | None, max_bytes: int
) -> tuple[str, figures.Scene]:
    """Page of a run, thinned until it fits, or of a score; and the scene that is on it.

    Raises
    ------
    ValueError
        If even the coarsest page is larger than ``max_bytes``.
    """
    bins = BINS
    while True:
        if isinstance(run, xr.Dataset):
            scene = figures.fidelity(run, theme=theme)
        else:
            scene = figures.explorer(run, zone=zone, order=order, theme=theme, bins=bins)
        page = pack(scene.root, scene.title, theme=theme)
        if len(page.encode()) <= max_bytes:
            return page, scene
        if bins == FEWEST_BINS:
            raise ValueError(
                f"max_bytes: found a page of {texts.count(len(page.encode()))} bytes with {FEWEST_BINS} "
                f"snapshots, expected at most {texts.count(max_bytes)}. Allow more, or keep fewer zones"
            )
        bins = max(FEWEST_BINS, bins // 2)


def render(
    run: xr.DataTree | xr.Dataset,
    path: str | os.PathLike[str] = "report.html",
    *,
    theme: Theme = "auto",
    zone: str | None = None,
    order: int | None = None,
    max_bytes: int = 6_000_000,
) -> Path:
    """Write the Explorer of a run, or the figure of a score, to an HTML file, and print what it holds.

    An existing report is replaced once the new one is complete.

    Parameters
    ----------
    run
        Recording or simulation, or what `score` returns.
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
        raise ValueError(f"path: found {path.name!r}, expected a name that ends in .html")
    page, scene = page_of(run, theme=theme, zone=zone, order=order, max_bytes=max_bytes)
    content = page.encode()
    _write(path, content)
    size = f"{len(content) / 1e6:.1f}{texts.NO_BREAK}MB"
    print(f"{path}: {size}, {scene.note}" if scene.note else f"{path}: {size}")  # noqa: T201
    return path


def _write(path: Path, content: bytes) -> None:
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
