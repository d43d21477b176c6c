"""An animated picture (APNG) for places that run no script: free memory over time, and the verdict."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr
from PIL import Image, ImageDraw

from .. import metrics, texts
from ..figures.look import THEMES, order_groups
from ..figures.timeline import WIDTH, seconds_of
from ..figures.view import Subject, order_index, subject_of, zone_index
from ..texts import _
from .letters import font, lines, plain

SIZE = (960, 400)
FRAMES = 40
FRAME_MS = 250
_LEFT, _TOP, _RIGHT, _BOTTOM = 84, 84, 942, 284  # of the plot, in pixels


@dataclass(frozen=True)
class _Picture:
    """What every frame shows, as numbers."""

    heading: str
    zone: str
    stack: np.ndarray  # pages, (group, column of the plot); cumulative, the largest blocks first
    groups: list[tuple[str, str]]  # label and colour, in the stack's order
    top: str
    moments: list[tuple[int, str, dict[str, str]]]  # column, time, sentence


def poster(
    run: xr.DataTree, *, zone: str | None = None, order: int | None = None, theme: str = "light"
) -> bytes:
    """Animate free memory by block size, a cursor over it and the verdict below, as a PNG.

    Plays where images are shown at all: untrusted notebooks, code hosting sites, mail.

    Parameters
    ----------
    run
        A run with free lists.
    zone
        Zone such as "Normal" or "0/Normal"; the one with most free memory if None.
    order
        Order the verdict is about; the pageblock order (9 if unknown) if None.
    theme
        "light" or "dark".

    Returns
    -------
        An animated PNG, 960 x 400 pixels, ten seconds long; equal runs give equal bytes.

    Raises
    ------
    ValueError
        If the run has no free lists.
    """
    if "zones" not in run.children:
        raise ValueError("poster: found no group `zones`; expected free lists. Record /proc/buddyinfo too")
    colours = THEMES[theme]
    picture = _picture(run, zone, order)
    still = _still(picture, colours)
    palette = _palette(picture, colours)
    frames = [
        _with_cursor(still, moment, colours).quantize(palette=palette, dither=Image.Dither.NONE)
        for moment in picture.moments
    ]
    file = io.BytesIO()
    frames[0].save(
        file, "PNG", save_all=True, append_images=frames[1:], duration=FRAME_MS, loop=0, optimize=True
    )
    return file.getvalue()


def _picture(run: xr.DataTree, zone: str | None, order: int | None) -> _Picture:
    subject = subject_of(run, "light", bins=_RIGHT - _LEFT)
    index, chosen = zone_index(subject, zone), order_index(subject, order)
    named = metrics.zone_names(run["zones"].to_dataset())[index]
    zones = run["zones"].to_dataset().isel(zone=[index])
    rows = _rows(subject, seconds_of(zones))
    pages = zones["nr_free"].to_numpy()[:, 0] << zones["order"].to_numpy()
    groups = order_groups(subject.orders, subject.pageblock_order)[::-1]
    stack = np.cumsum([pages[rows][:, first : last + 1].sum(1) for first, last, _colour in groups], axis=0)
    labels = [(_label(first, last, subject.page_size), colour) for first, last, colour in groups]
    return _Picture(
        heading=str(run.attrs.get("name", _("recording"))),
        zone=_("free memory in {zone}").format(zone=named),
        stack=stack,
        groups=labels,
        top=texts.memory(int(stack[-1].max()), subject.page_size),
        moments=list(_moments(subject, zones, named, rows, chosen)),
    )


def _rows(subject: Subject, seconds: np.ndarray) -> np.ndarray:
    """Find the last snapshot before the right edge of each column, by phase where there are phases."""
    axis = "phase" if "phase" in subject.timeline.positions else "linear"
    columns = _RIGHT - _LEFT
    edges = subject.timeline.seconds((np.arange(columns) + 1) * WIDTH / columns, axis)
    return np.clip(np.searchsorted(seconds, edges, side="right") - 1, 0, None)


def _moments(
    subject: Subject, zones: xr.Dataset, named: str, rows: np.ndarray, order: int
) -> Iterator[tuple[int, str, dict[str, str]]]:
    columns = np.unique(np.linspace(0, len(rows) - 1, FRAMES).astype(int))
    moments = zones.isel(time=rows[columns])
    part = subject.run.copy()
    part["zones"] = xr.DataTree(moments)
    verdict = metrics.verdict(part, order, text=False).isel(zone=0)
    seconds = seconds_of(moments)
    for step, column in enumerate(columns):
        sentence = metrics.sentence({**_numbers(verdict.isel(time=step)), "zone": named})
        yield int(column), _clock(seconds[step], seconds[-1]), sentence


def _clock(seconds: float, last: float) -> str:
    """Tell a moment in milliseconds where the whole takes less than a second.

    >>> _clock(0.00412, 0.0081), _clock(0.00412, 61.0)
    ('4.1 ms', '0.0 s')
    """
    return f"{seconds * 1e3:.1f} ms" if last < 1 else f"{seconds:.1f} s"


def _numbers(cell: xr.Dataset) -> dict[str, object]:
    numbers = {str(name): cell[name].item() for name in (*cell.data_vars, *cell.coords)}
    size = cell.attrs["page_size"]
    return {**numbers, "order": cell.attrs["order"], "page_size": None if size == "unknown" else size}


def _label(first: int, last: int, page_size: int | None) -> str:
    small, large = (texts.order_size(order, page_size).split(texts.NO_BREAK) for order in (first, last))
    if first == last:
        return " ".join(large)
    return "-".join([small[0] if small[1] == large[1] else " ".join(small), " ".join(large)])


def _still(picture: _Picture, colours: dict[str, str]) -> Image.Image:
    image = Image.new("RGB", SIZE, colours["bg"])
    draw = ImageDraw.Draw(image)
    draw.text((18, 10), plain(picture.heading), colours["ink"], font(22))
    draw.text((18, 50), plain(picture.zone), colours["ink2"], font(15))
    draw.text((_LEFT - 8, _TOP), plain(picture.top), colours["ink2"], font(14), anchor="rt")
    draw.text((_LEFT - 8, _BOTTOM), "0", colours["ink2"], font(14), anchor="rb")
    right = _RIGHT
    for label, colour in picture.groups:  # largest blocks at the right end
        right -= int(font(14).getlength(label))
        draw.text((right, 51), label, colours["ink2"], font(14))
        draw.rectangle((right - 18, 53, right - 6, 65), fill=colour)
        right -= 34
    heights = (picture.stack * (_BOTTOM - _TOP) / max(1, picture.stack[-1].max())).astype(int)
    for (_label_text, colour), level in reversed(list(zip(picture.groups, heights, strict=True))):
        for column, height in enumerate(level):
            if height:
                draw.line((_LEFT + column, _BOTTOM - height, _LEFT + column, _BOTTOM - 1), fill=colour)
    draw.line((_LEFT, _BOTTOM, _RIGHT, _BOTTOM), fill=colours["rule"])
    return image


def _with_cursor(
    still: Image.Image, moment: tuple[int, str, dict[str, str]], colours: dict[str, str]
) -> Image.Image:
    column, time, sentence = moment
    image = still.copy()
    draw = ImageDraw.Draw(image)
    x = _LEFT + column
    draw.line((x, _TOP - 4, x, _BOTTOM), fill=colours["ink"], width=2)
    draw.text((min(max(x, 110), 915), _BOTTOM + 6), time, colours["ink"], font(14), anchor="mt")
    level = sentence["level"]
    draw.rectangle((0, 318, *SIZE), fill=colours[f"{level}_bg"])
    draw.rectangle((0, 318, 6, SIZE[1]), fill=colours[level])
    for line, text in enumerate(lines(plain(sentence["text"]), 98)[:3]):
        draw.text((18, 326 + 23 * line), text, colours["ink"], font(17))
    return image


def _palette(picture: _Picture, colours: dict[str, str]) -> Image.Image:
    """All colours that are drawn, and the shades between text and what lies under it."""
    grounds = [colours[name] for name in ("bg", "ok_bg", "warn_bg", "bad_bg")]
    pure = [colour for _label_text, colour in picture.groups]
    pure += [colours[name] for name in ("rule", "ok", "warn", "bad")]
    shades = [
        tuple(np.rint(np.array(rgb(ground)) * (1 - share) + np.array(rgb(ink)) * share).astype(int))
        for ground in grounds
        for ink in (colours["ink"], colours["ink2"])
        for share in np.linspace(0, 1, 8)
    ]
    entries = [*map(rgb, pure), *shades]
    image = Image.new("P", (1, 1))
    image.putpalette([int(channel) for entry in entries for channel in entry])
    return image


def rgb(colour: str) -> tuple[int, ...]:
    """Channels of a colour such as #0f5c99, 0 to 255."""
    return tuple(int(colour[start : start + 2], 16) for start in (1, 3, 5))
