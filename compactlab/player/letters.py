"""Letters of the language chosen, where no browser brings them: fonts, and texts broken into lines."""

from __future__ import annotations

import contextlib
import functools
import textwrap
from collections.abc import Iterator
from pathlib import Path

from PIL import ImageFont

from ..texts import NO_BREAK, columns, language

_FILES = {
    "zh": (
        ("NotoSansCJK-Regular.ttc", 2),
        ("NotoSansCJKsc-Regular.otf", 0),
        ("NotoSansSC-Regular.otf", 0),
        ("SourceHanSansSC-Regular.otf", 0),
        ("wqy-microhei.ttc", 0),
        ("wqy-zenhei.ttc", 0),
        ("DroidSansFallbackFull.ttf", 0),
        ("msyh.ttc", 0),
        ("Hiragino Sans GB.ttc", 0),
        ("STHeiti Light.ttc", 0),
        ("simhei.ttf", 0),
    )
}
"""Files of fonts, and the face in each, by the languages that Latin fonts do not serve; the first found is taken."""

_SIGNS = str.maketrans({NO_BREAK: " ", "\u202f": " "})
_NEVER_FIRST = "，。；：、）！？”》"


@functools.cache
def font_file(name: str) -> tuple[str, int] | None:
    """Path and face of a font of the system that has the letters of a language; None where Latin ones do, or none has."""
    for file, face in _FILES.get(name, ()):
        with contextlib.suppress(OSError):
            return str(ImageFont.truetype(file, 12, face).path), face
    return None


def is_drawable(text: str) -> bool:
    """Whether there are letters for a text in a picture."""
    return not any(_is_wide(letter) for letter in text) or font_file(language()) is not None


@contextlib.contextmanager
def drawable() -> Iterator[None]:
    """Draw pictures in the language chosen; in English, and say so, where no font has its letters."""
    chosen = language()
    if chosen not in _FILES or font_file(chosen) is not None:
        yield
        return
    print(f"No font here has the letters of {chosen!r}: the picture is in English. Install one, such as fonts-noto-cjk.")  # noqa: T201  # fmt: skip
    language("en")
    try:
        yield
    finally:
        language(chosen)


@functools.cache
def _font(size: int, file: tuple[str, int] | None) -> ImageFont.FreeTypeFont:
    if file is None:
        from matplotlib import get_data_path  # takes its time, and only films need it

        # The same letters and signs everywhere; Pillow's own font has no µ.
        return ImageFont.truetype(str(Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), size)
    return ImageFont.truetype(file[0], size, file[1])


def font(size: int) -> ImageFont.FreeTypeFont:
    """Give a font in a size, in pixels: matplotlib's, or one of the system where the language needs it."""
    return _font(size, font_file(language()))


def plain(text: str) -> str:
    """Text in the signs that `font` has."""
    return text.translate(_SIGNS) if font_file(language()) is None else text


def lines(text: str, width: int) -> list[str]:
    """Break a text into lines of at most so many columns: at spaces, and between Chinese letters anywhere.

    >>> lines("2 MiB in Normal: would succeed", 16)
    ['2 MiB in Normal:', 'would succeed']
    >>> lines("全在更小的块中，规整可以帮忙", 14)
    ['全在更小的块', '中，规整可以帮', '忙']
    """
    if not any(_is_wide(letter) for letter in text):
        return textwrap.wrap(text, width)
    done = [""]
    for piece in _pieces(text):
        if columns(done[-1] + piece.rstrip()) > width and done[-1]:
            done[-1] = done[-1].rstrip()
            done.append("")
        done[-1] += piece if done[-1] else piece.lstrip()
    return [line.rstrip() for line in done]


def _pieces(text: str) -> list[str]:
    """What stays on one line: a Chinese letter with the sign behind it, a word with the space behind it."""
    pieces = [""]
    for letter in text:
        before = pieces[-1][-1:]
        if not before or letter in _NEVER_FIRST or letter == " ":
            pieces[-1] += letter
        elif before == " " or _is_wide(letter) or _is_wide(before):
            pieces.append(letter)
        else:
            pieces[-1] += letter
    return pieces


def _is_wide(letter: str) -> bool:
    return columns(letter) == 2
