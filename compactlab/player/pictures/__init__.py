"""Still and moving pictures of runs, comparisons and schedules: PNG, SVG and GIF, drawn without a browser.

matplotlib draws from the same columns and in the same colours as the dashboards, so that they agree.
"""

from __future__ import annotations

import difflib
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from PIL import Image

from ... import texts
from ...figures.look import THEMES
from ..report import Shown, write_file
from .scenes import VIEWS, LackingError, scene_of
from .sheet import Sheet, own_style
from .sides import comparison_of, is_schedule, schedule_of, score_of
from .stage import Stage

__all__ = ["ENDINGS", "picture", "views"]

ENDINGS = (".png", ".svg", ".gif")
"""Kinds of pictures, by how their names end."""

FRAMES, SECONDS = 48, 10.0
MOST_FRAMES = 600


def picture(
    run: Shown,
    path: str | os.PathLike[str],
    *,
    view: str = "overview",
    zone: str | None = None,
    order: int | None = None,
    at: float | str | None = None,
    theme: str = "light",
    size: tuple[int, int] | None = None,
    frames: int = FRAMES,
    seconds: float = SECONDS,
    max_bytes: int = 6_000_000,
) -> Path:
    """Draw a run, runs side by side, a schedule or a score to a file; print its size.

    Needs no browser and no notebook. An existing file is replaced once the new one is complete.

    Parameters
    ----------
    run
        Recording or simulation; a list or mapping of runs to lay side by side; or what `schedule` or `score`
        returns.
    path
        File to write: .png, .svg (text stays text) or .gif (plays through the run).
    view
        What to draw of a run: one of `views`, such as "overview", "contiguity", "pagemap" or "latency". Of
        anything else there is one picture.
    zone
        Zone such as "Normal" or "0/Normal"; the one with most free memory if None.
    order
        Order of the request; the pageblock order (9 if unknown) if None.
    at
        Moment to show, in elapsed seconds, or as a share of the run such as "50%"; the end if None. A .gif
        begins there, or at the run's beginning.
    theme
        "light" or "dark".
    size
        Width and height in pixels; 1280 x 720, a .gif 960 x 540, if None.
    frames
        Pictures of a .gif, 2 to 600.
    seconds
        How long a .gif plays.
    max_bytes
        Size of the file at most.

    Raises
    ------
    ValueError
        If there is no such view, zone, order, moment or theme; if the run does not tell what the view shows; if
        the ending is another one, or the file would be larger than ``max_bytes``.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in ENDINGS:
        raise ValueError(
            f"path: found {path.name!r}, expected a name that ends in {', '.join(ENDINGS)}; `render` writes .html"
        )
    if theme not in THEMES:
        raise ValueError(f"theme: got {theme!r}, expected 'light' or 'dark'")
    if not 2 <= frames <= MOST_FRAMES:
        raise ValueError(f"frames: got {frames}, expected 2 to {MOST_FRAMES}")
    if seconds <= 0:
        raise ValueError(f"seconds: got {seconds}, expected more than 0")
    size = size or ((960, 540) if kind == ".gif" else (1280, 720))
    if min(size) < 200 or max(size) > 8000:
        raise ValueError(f"size: got {size[0]} x {size[1]} pixels, expected 200 to 8000 each")
    with own_style():
        sheet = Sheet(size, theme)
        moments = _drawn(sheet, run, view, zone, order, at, frames if kind == ".gif" else 1)
        content = _gif(sheet, moments, seconds) if kind == ".gif" else _still(sheet, moments[0], kind[1:])
    if len(content) > max_bytes:
        advice = "fewer frames, or a smaller size" if kind == ".gif" else "a smaller size, or a .png"
        raise ValueError(
            f"max_bytes: found a picture of {texts.count(len(content))} bytes, expected at most "
            f"{texts.count(max_bytes)}. Ask for {advice}"
        )
    write_file(path, content)
    print(f"{path}: {len(content) / 1e6:.2f}{texts.NO_BREAK}MB, {size[0]} x {size[1]} pixels" + (f", {len(moments)} frames" if kind == ".gif" else ""))  # noqa: T201  # fmt: skip
    return path


def views(run: xr.DataTree) -> list[str]:
    """Names of the views that can be drawn of a run.

    Parameters
    ----------
    run
        Recording or simulation.

    Examples
    --------
    >>> import compactlab as cl
    >>> views(cl.datasets.load("healthy"))[:3]
    ['overview', 'contiguity', 'indices']
    """
    return [name for name in VIEWS if _is_told(run, name)]


def _is_told(run: xr.DataTree, view: str) -> bool:
    try:
        with own_style():
            scene_of(
                Sheet((1280, 720), "light"),
                Stage.of(run, None, None, "light"),
                view,
                lambda stirs: stirs[-1:],
            )
    except LackingError:
        return False
    return True


def _drawn(
    sheet: Sheet,
    run: Shown,
    view: str,
    zone: str | None,
    order: int | None,
    at: float | str | None,
    count: int,
) -> np.ndarray:
    """Draw what was asked for; the moments (s) of the frames."""
    if isinstance(run, xr.DataTree):
        if view not in VIEWS:
            near = difflib.get_close_matches(view, VIEWS, 1)
            meant = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(f"view: got {view!r}; {meant}There are {', '.join(VIEWS)}")
        stage = Stage.of(run, zone, order, sheet.theme)
        return scene_of(sheet, stage, view, _chooser(stage, at, count, by_steps=view == "pagemap"))
    if view != "overview":
        raise ValueError(
            f"view: got {view!r}; views are of one run, this is another result and has one picture"
        )
    if isinstance(run, xr.Dataset):
        return schedule_of(sheet, run, count) if is_schedule(run) else score_of(sheet, run, count)
    return comparison_of(sheet, run, zone, order, count)


def _chooser(
    stage: Stage, at: float | str | None, count: int, *, by_steps: bool
) -> Callable[[np.ndarray], np.ndarray]:
    """Which moments of those at which something changes are drawn."""
    timeline = stage.subject.timeline
    asked = None if at is None else _moment(at, timeline.start, timeline.end)

    def choose(stirs: np.ndarray) -> np.ndarray:
        if count == 1:
            return np.array([(stirs[-1] if by_steps else timeline.end) if asked is None else asked])
        if by_steps:
            left = stirs if asked is None else stirs[stirs >= asked]
            return (
                left[np.linspace(0, left.size - 1, count).astype(int)]
                if left.size
                else stirs[-1:].repeat(count)
            )
        first = 0.0 if asked is None else float(stage.draw(asked))
        return timeline.seconds(np.linspace(first, stage.draw(timeline.end), count), stage.axis)

    return choose


def _moment(at: float | str, start: float, end: float) -> float:
    """Elapsed seconds of a moment given as such or as a share."""
    text = str(at).strip()
    try:
        seconds = start + float(text[:-1]) / 100 * (end - start) if text.endswith("%") else float(text)
    except ValueError:
        raise ValueError(
            f"at: got {at!r}, expected elapsed seconds such as 12.5, or a share such as '50%'"
        ) from None
    if not start <= seconds <= end:
        raise ValueError(
            f"at: got {at!r}, expected a moment of this run: {start:.6g} to {end:.6g} s, or 0% to 100%"
        )
    return seconds


def _still(sheet: Sheet, seconds: float, kind: str) -> bytes:
    sheet.move(seconds)
    for artist in sheet.moving:
        artist.set_animated(False)
    file = io.BytesIO()
    unmarked: dict[str, Any] = (
        {"Date": None, "Creator": "compactlab"} if kind == "svg" else {"Software": "compactlab"}
    )
    sheet.figure.savefig(file, format=kind, facecolor=sheet.figure.get_facecolor(), metadata=unmarked)
    return file.getvalue()


def _images(sheet: Sheet, moments: np.ndarray) -> Iterator[np.ndarray]:
    """Frames as (height, width) of 0xRRGGBB; what stands still is drawn once."""
    sheet.canvas.draw()
    still = sheet.canvas.copy_from_bbox(sheet.figure.bbox)
    for seconds in moments:
        sheet.canvas.restore_region(still)
        sheet.move(float(seconds))
        for artist in sheet.moving:
            (artist.axes or sheet.figure).draw_artist(artist)
        yield np.asarray(sheet.canvas.buffer_rgba())[..., :3] @ np.array([1 << 16, 1 << 8, 1], np.uint32)


def _gif(sheet: Sheet, moments: np.ndarray, seconds: float) -> bytes:
    frames = list(_images(sheet, moments))
    found, counts = np.unique(np.stack(frames[:: max(1, len(frames) // 8)]), return_counts=True)
    palette = found[
        np.argsort(-counts, kind="stable")[:255]
    ]  # the commonest, so that flat areas stay what they are
    shades = _channels(palette)
    nearest = np.full(1 << 24, 255, np.uint8)  # of every colour, once it was looked up
    drawn = []
    for frame in frames:
        new = np.unique(frame[nearest[frame] == 255])
        for part in np.array_split(new, len(new) // 1000 + 1):
            nearest[part] = ((_channels(part)[:, None] - shades) ** 2).sum(-1).argmin(1)
        image = Image.fromarray(nearest[frame])
        image.putpalette(shades.astype(np.uint8).ravel().tolist())
        drawn.append(image)
    file = io.BytesIO()
    # Frames are told by when they end, so that rounding to hundredths does not add up.
    ends = np.rint(np.arange(1, len(drawn) + 1) * seconds * 100 / len(drawn)).astype(int)
    durations = np.maximum(np.diff(ends, prepend=0), 2) * 10
    drawn[0].save(
        file, "GIF", save_all=True, append_images=drawn[1:], duration=durations.tolist(), loop=0, optimize=False, disposal=1
    )  # fmt: skip
    return file.getvalue()


def _channels(colours: np.ndarray) -> np.ndarray:
    """Red, green and blue (colour, 3) of 0xRRGGBB."""
    return (colours[:, None] >> np.array([16, 8, 0])).astype(np.int64) & 255
