"""An animated picture (APNG) of a told story, for places that run no script: its strips, step by step."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import xarray as xr
from PIL import Image, ImageDraw

from ..figures.look import THEMES
from ..figures.steps import HATCHES
from ..figures.story import NO_CELL, Story, story_of
from ..texts import _, count
from .letters import font, lines, plain
from .poster import SIZE, rgb

FRAMES = 60
MS = (220, 1300)
"""How long a step is shown: of a long story, and of a short one."""
SECONDS = 20
_TOP, _BOTTOM = 52, 318  # of the strips, in pixels
_HIGHEST = 58  # of a cell


def storyfilm(told: xr.Dataset, *, theme: str = "light") -> bytes:
    """Animate the strips of a story and the sentence of each step, as a PNG.

    Parameters
    ----------
    told
        A story, as described in `compactlab.figures.story`.
    theme
        "light" or "dark".

    Returns
    -------
        An animated PNG, 960 x 400 pixels; of long stories at most 60 steps; equal stories give equal bytes.

    Raises
    ------
    ValueError
        If the story lacks something.
    """
    story, colours = story_of(told), THEMES[theme]
    shown = np.unique(np.linspace(0, story.steps - 1, min(FRAMES, story.steps)).round().astype(int))
    palette = _palette(story, theme)
    frames = [
        _frame(story, int(step), theme, colours).quantize(palette=palette, dither=Image.Dither.NONE)
        for step in shown
    ]
    duration = int(np.clip(1000 * SECONDS / len(shown), *MS))
    file = io.BytesIO()
    # Steps that look alike are frames of their own: the film keeps its pace.
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:], duration=duration, loop=0, optimize=True)  # fmt: skip
    return file.getvalue()


def _frame(story: Story, step: int, theme: str, colours: dict[str, str]) -> Image.Image:
    image = Image.new("RGB", SIZE, colours["bg"])
    draw = ImageDraw.Draw(image)
    draw.text((18, 12), plain(story.title), colours["ink"], font(22))
    left = 30 + int(max(font(14).getlength(plain(name)) for name in story.rows))
    high = (_BOTTOM - _TOP - 26) / len(story.rows)
    wide = min(200 if story.width < 5 else 84, (SIZE[0] - 18 - left) / story.width)
    for row, name in enumerate(story.rows):
        top = _TOP + row * high
        inner = min(_HIGHEST, high * 0.72)
        middle = top + high / 2
        draw.text((18, middle), plain(name), colours["ink"], font(14), anchor="lm")
        _strip(draw, story, step, row, (left, middle - inner / 2, wide * story.span[row], inner), theme)
    _key(draw, story, theme, colours)
    level = story.levels[step]
    draw.rectangle((0, 328, *SIZE), fill=colours[f"{level}_bg" if level else "panel"])
    draw.rectangle((0, 328, 6, SIZE[1]), fill=colours[level or "accent"])
    told = _("step {step} of {steps}").format(step=count(step + 1), steps=count(story.steps))
    draw.text((18, 334), plain(told), colours["ink2"], font(14))
    sentence = plain(story.texts[step])
    columns, size, apart = (98, 17, 22) if len(lines(sentence, 98)) <= 2 else (118, 14, 16)
    for line, text in enumerate(lines(sentence, columns)[:3]):
        draw.text((18, 352 + apart * line), text, colours["ink"], font(size))
    return image


def _strip(
    draw: ImageDraw.ImageDraw, story: Story, step: int, row: int,
    place: tuple[float, float, float, float], theme: str,
) -> None:  # fmt: skip
    """Cells of a row at a step; `place`: left, top, width of a cell, height."""
    left, top, wide, high = place
    kinds = story.kind[step, row]
    edges = np.flatnonzero(np.diff(kinds, prepend=-1, append=-1))
    for begin, end in pairwise(edges):
        if kinds[begin] != NO_CELL:
            box = (left + begin * wide, top, left + end * wide - min(1, wide), top + high)
            _filled(draw, story, int(kinds[begin]), box, theme)
    if wide >= 5:
        for cell in range(1, len(kinds)):
            x = left + cell * wide
            draw.line((x - 1, top, x - 1, top + high), fill=THEMES[theme]["bg"])
    _labels(draw, story, step, row, place, theme)
    mark = int(story.mark[step, row])
    if mark >= 0:
        x, ink = left + mark * wide, THEMES[theme]["ink"]
        draw.rectangle((x, top, x + max(2, wide - 2), top + high), outline=ink, width=2)
        middle = x + wide / 2
        draw.polygon([(middle - 5, top - 7), (middle + 5, top - 7), (middle, top - 1)], fill=ink)


def _filled(
    draw: ImageDraw.ImageDraw, story: Story, kind: int, box: tuple[float, float, float, float], theme: str
) -> None:
    colour = story.colours[theme][kind]
    draw.rectangle(box, fill=colour)
    x0, y0, x1, y1 = (int(edge) for edge in box)
    sign, shade = HATCHES[kind % len(HATCHES)], _shade(colour)
    for at in range((x0 - int(y1 - y0)) // 8 * 8, x1, 8) if sign in ("/", "x") else ():
        _sloped(draw, (x0, y0, x1, y1), at, 1, shade)
    for at in range(x0 // 8 * 8, x1 + int(y1 - y0), 8) if sign in ("\\", "x") else ():
        _sloped(draw, (x0, y0, x1, y1), at, -1, shade)
    for y in range(y0 + 3, y1, 6) if sign == "-" else ():
        draw.line((x0, y, x1, y), fill=shade)
    for x in range(x0 + 3, x1, 6) if sign == "|" else ():
        draw.line((x, y0, x, y1), fill=shade)
    for y in range(y0 + 3, y1, 6) if sign in (".", "o") else ():
        for x in range(x0 + 3 + (y - y0) // 6 % 2 * 3, x1, 6):
            draw.rectangle((x, y, x + (sign == "o"), y + (sign == "o")), fill=shade)


def _sloped(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], at: int, way: int, shade: str) -> None:
    """A sloped line from the bottom of a box upwards, cut at its sides."""
    x0, y0, x1, y1 = box
    first, last = (max(0, x0 - at), min(y1 - y0, x1 - at)) if way > 0 else (max(0, at - x1), min(y1 - y0, at - x0))  # fmt: skip
    if first <= last:
        draw.line((at + way * first, y1 - first, at + way * last, y1 - last), fill=shade)


def _labels(
    draw: ImageDraw.ImageDraw, story: Story, step: int, row: int,
    place: tuple[float, float, float, float], theme: str,
) -> None:  # fmt: skip
    left, top, wide, high = place
    if story.label is None or high < 15:
        return
    labels, kinds = [story.names[k] for k in story.label[step, row]], story.kind[step, row]
    begins = [0] + [c for c in range(1, len(kinds)) if kinds[c] != kinds[c - 1] or labels[c]]  # fmt: skip
    for begin, end in zip(begins, [*begins[1:], len(kinds)], strict=True):
        label, kind = plain(labels[begin]), int(kinds[begin])
        half = font(14).getlength(label) / 2
        if not label or kind == NO_CELL or 2 * half > (end - begin) * wide - 4:
            continue
        x, y, colour = left + (begin + end) / 2 * wide, top + high / 2, story.colours[theme][kind]
        draw.rectangle((x - half - 2, y - 8, x + half + 2, y + 8), fill=colour)
        draw.text((x, y), label, _ink(colour), font(14), anchor="mm")


def _key(draw: ImageDraw.ImageDraw, story: Story, theme: str, colours: dict[str, str]) -> None:
    x = 18.0
    occurring = set(np.unique(story.kind).tolist())
    for kind, name in enumerate(story.kinds):
        if kind not in occurring:
            continue
        wide = 26 + font(14).getlength(plain(name))
        if x + wide > SIZE[0] - 18:
            break
        _filled(draw, story, kind, (x, _BOTTOM - 14, x + 18, _BOTTOM - 2), theme)
        draw.text((x + 24, _BOTTOM - 17), plain(name), colours["ink2"], font(14))
        x += wide + 18


def _ink(colour: str) -> str:
    red, green, blue = rgb(colour)
    return "#000000" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "#ffffff"


def _shade(colour: str) -> str:
    """Colour of what is drawn over a colour to tell it apart."""
    mixed = [round(0.62 * a + 0.38 * b) for a, b in zip(rgb(colour), rgb(_ink(colour)), strict=True)]
    return "#{:02x}{:02x}{:02x}".format(*mixed)


def _palette(story: Story, theme: str) -> Image.Image:
    """All colours that are drawn, and the shades between text and what lies under it."""
    colours = THEMES[theme]
    cells = story.colours[theme]
    pure = [*cells, *map(_shade, cells), *(colours[name] for name in ("bg", "ok", "warn", "bad", "accent"))]
    grounds = [("bg", "ink"), ("bg", "ink2"), ("panel", "ink"), ("panel", "ink2")]
    grounds += [(f"{level}_bg", "ink") for level in ("ok", "warn", "bad") if level in story.levels]
    pairs = [(colours[ground], colours[ink]) for ground, ink in grounds]
    pairs += [(cell, _ink(cell)) for cell in cells] if story.label is not None else []
    steps = max(3, min(8, (250 - len(pure)) // len(pairs)))
    shades = [
        tuple(np.rint(np.array(rgb(ground)) * (1 - share) + np.array(rgb(ink)) * share).astype(int))
        for ground, ink in pairs
        for share in np.linspace(0, 1, steps)
    ]
    entries = [*map(rgb, pure), *shades][:256]
    image = Image.new("P", (1, 1))
    image.putpalette([int(channel) for entry in entries for channel in entry])
    return image
