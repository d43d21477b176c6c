"""An animated picture (APNG) of runs beside each other, for places that run no script."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

from .. import texts
from ..figures.aligned import LARGEST, axes_of, columns_of, zones_of
from ..figures.look import THEMES
from ..metrics import compare
from ..metrics.comparison import Side
from ..metrics.source import find_zone, group, huge_page_order
from ..schema import page_size
from ..texts import _
from .letters import font, lines, plain
from .poster import FRAME_MS, FRAMES, SIZE, rgb

_LEFT, _TOP, _RIGHT, _BOTTOM = 84, 96, 942, 284  # of the plot, in pixels
_DASHES = ((1, 0), (10, 5), (3, 4), (6, 3), (16, 5), (2, 2))  # drawn and left out, in pixels


def beside(
    sides: Sequence[Side], *, zone: str | None = None, order: int | None = None, theme: str = "light"
) -> bytes:
    """Animate the unusable index of runs side by side, a cursor over it and what differs most below, as a PNG.

    Parameters
    ----------
    sides
        As `metrics.comparison.sides_of` names them.
    zone
        Zone such as "Normal" or "0/Normal"; the first run's largest if None.
    order
        Order the index is about; that of a huge page if None.
    theme
        "light" or "dark".

    Returns
    -------
        An animated PNG, 960 x 400 pixels, ten seconds long; equal runs give equal bytes.

    Raises
    ------
    ValueError
        If no run has free lists.
    """
    zones = zones_of(sides)
    if not zones:
        raise ValueError("beside: found no free lists in these runs. Record /proc/buddyinfo too")
    first = next(run for side in sides for run in side.runs if group(run, "zones") is not None)
    label = LARGEST if zones == [LARGEST] else find_zone(first, zone)
    label = label if label in zones else zones[0]
    order = huge_page_order(first) if order is None else order
    axis = axes_of(sides, _RIGHT - _LEFT)[0]
    assert axis.seconds is not None  # noqa: S101
    found = columns_of(sides, axis, [label], order + 1)
    lines = [found.get(f"index {k} mid", np.empty(0)).reshape(-1, axis.positions.size)[-1:] for k in range(len(sides))]  # fmt: skip
    told = compare({side.name: side.runs for side in sides}, zone=zone, order=order).attrs
    colours = THEMES[theme]
    where = texts.order_size(order, page_size(first))
    still = _still(sides, lines, _("unusable index for {size}").format(size=where), colours)
    palette = _palette(len(sides), colours)
    frames = [
        _with_cursor(still, column, axis.seconds[column], told, colours).quantize(
            palette=palette, dither=Image.Dither.NONE
        )
        for column in np.linspace(0, axis.positions.size - 1, FRAMES).astype(int).tolist()
    ]
    file = io.BytesIO()
    frames[0].save(
        file, "PNG", save_all=True, append_images=frames[1:], duration=FRAME_MS, loop=0, optimize=True
    )
    return file.getvalue()


def _still(sides: Sequence[Side], lines: list[np.ndarray], what: str, colours: dict[str, str]) -> Image.Image:
    image = Image.new("RGB", SIZE, colours["bg"])
    draw = ImageDraw.Draw(image)
    draw.text((18, 10), plain(" · ".join(side.name for side in sides)), colours["ink"], font(22))
    draw.text((18, 44), plain(what), colours["ink2"], font(15))
    for value in (0, 0.5, 1):
        y = _at(value)
        draw.line((_LEFT, y, _RIGHT, y), fill=colours["grid"])
        draw.text((_LEFT - 8, y), f"{value:g}", colours["ink2"], font(14), anchor="rm")
    right = _RIGHT
    for k in reversed(range(len(sides))):  # the first side at the left
        name = plain(sides[k].name)
        right -= int(font(14).getlength(name))
        draw.text((right, 70), name, colours["ink2"], font(14))
        _line(draw, [(right - 38 + x, 78) for x in range(30)], k, colours)
        right -= 60
    for k, line in enumerate(lines):
        if line.size:
            known = np.flatnonzero(~np.isnan(line[0]))
            _line(draw, [(_LEFT + int(x), _at(float(line[0, x]))) for x in known], k, colours)
    return image


def _at(value: float) -> int:
    return round(_BOTTOM - value * (_BOTTOM - _TOP))


def _line(
    draw: ImageDraw.ImageDraw, points: list[tuple[int, int]], side: int, colours: dict[str, str]
) -> None:
    """Line from column to column, in the dashes of a side."""
    shown, hidden = _DASHES[side]
    walked = 0  # pixels along the line
    for (x0, y0), (x1, y1) in pairwise(points):
        steps = max(abs(x1 - x0), abs(y1 - y0), 1)
        for step in range(steps):
            if walked % (shown + hidden) < shown:
                begin, end = (
                    (x0 + (x1 - x0) * at // steps, y0 + (y1 - y0) * at // steps) for at in (step, step + 1)
                )
                draw.line((*begin, *end), fill=colours[f"side{side}"], width=3)
            walked += 1


def _with_cursor(
    still: Image.Image, column: int, seconds: float, told: dict[str, str], colours: dict[str, str]
) -> Image.Image:
    image = still.copy()
    draw = ImageDraw.Draw(image)
    x = _LEFT + column
    draw.line((x, _TOP - 4, x, _BOTTOM), fill=colours["ink"], width=2)
    moment = plain(texts.duration(seconds * 1e9))
    draw.text((min(max(x, 110), 915), _BOTTOM + 6), moment, colours["ink"], font(14), anchor="mt")
    level = told["level"]
    draw.rectangle((0, 318, *SIZE), fill=colours[f"{level}_bg"])
    draw.rectangle((0, 318, 6, SIZE[1]), fill=colours[level])
    for line, text in enumerate(lines(plain(told["text"]), 98)[:3]):
        draw.text((18, 326 + 23 * line), text, colours["ink"], font(17))
    return image


def _palette(sides: int, colours: dict[str, str]) -> Image.Image:
    """All colours that are drawn, and the shades between text and what lies under it."""
    pure = [colours[name] for name in ("grid", "ok", "warn", "bad", *(f"side{k}" for k in range(sides)))]
    shades = [
        tuple(np.rint(np.array(rgb(ground)) * (1 - share) + np.array(rgb(ink)) * share).astype(int).tolist())
        for ground in (colours[name] for name in ("bg", "ok_bg", "warn_bg", "bad_bg"))
        for ink in (colours["ink"], colours["ink2"])
        for share in np.linspace(0, 1, 8)
    ]
    image = Image.new("P", (1, 1))
    image.putpalette([int(channel) for entry in [*map(rgb, pure), *shades] for channel in entry])
    return image
