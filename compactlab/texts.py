"""Words and numbers as a person reads them: translation, and one way to print a quantity.

English is the source language; another language is a gettext catalogue under ``compactlab/locale``.
The same few number formats exist once more in ``figures/format.js``; a test holds the two equal.
"""

from __future__ import annotations

import gettext
import math
import os
from pathlib import Path

_CATALOGUE = gettext.translation(
    "compactlab",
    Path(__file__).parent / "locale",
    languages=[os.environ["COMPACTLAB_LANG"]] if os.environ.get("COMPACTLAB_LANG") else None,
    fallback=True,
)

NO_BREAK = "\u00a0"


def _(text: str) -> str:
    """Translate one interface text."""
    return _CATALOGUE.gettext(text)


def count(value: float) -> str:
    """Whole number with no-break thousands.

    >>> count(1234567).replace(NO_BREAK, " ")
    '1 234 567'
    """
    return f"{math.floor(value + 0.5):,}".replace(",", NO_BREAK)


def _fixed(value: float, digits: int) -> str:
    # Halves go up, by the same arithmetic as the JavaScript twin (formats there and here differ on ties).
    return f"{math.floor(value * 10**digits + 0.5) / 10**digits:.{digits}f}"


def significant(value: float) -> str:
    """Three digits below 1000, as memory sizes are read.

    >>> [significant(v) for v in (0, 0.456, 9.96, 10, 99.4, 100.4)]
    ['0', '0.46', '10', '10', '99', '100']
    """
    if value == 0:
        return "0"
    if value < 1:
        return _fixed(value, 2)
    return _fixed(value, 1).removesuffix(".0") if value < 9.95 else _fixed(value, 0)


def memory(pages: float, page_size: int | None) -> str:
    """Amount of memory: bytes in the unit that keeps it short, or pages if their size is unknown.

    >>> [memory(p, 4096).replace(NO_BREAK, " ") for p in (0, 1, 512, 300_000)]
    ['0 MiB', '4 KiB', '2 MiB', '1.1 GiB']
    >>> memory(300, None).replace(NO_BREAK, " ")
    '300 pages'
    """
    if page_size is None:
        return f"{count(pages)}{NO_BREAK}{'page' if pages == 1 else 'pages'}"
    size = pages * page_size
    for unit, shift in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size >= 1 << shift:
            return f"{significant(size / (1 << shift))}{NO_BREAK}{unit}"
    return f"{count(size)}{NO_BREAK}B" if size else f"0{NO_BREAK}MiB"


def share(fraction: float) -> str:
    """Percentage that never rounds something to nothing or to everything.

    >>> [share(f).replace(NO_BREAK, " ") for f in (0, 0.001, 0.5, 0.9999, 1)]
    ['0 %', 'under 1 %', '50 %', 'over 99 %', '100 %']
    """
    if 0 < fraction < 0.005:
        return f"under{NO_BREAK}1{NO_BREAK}%"
    if 0.995 < fraction < 1:
        return f"over{NO_BREAK}99{NO_BREAK}%"
    return f"{_fixed(fraction * 100, 0)}{NO_BREAK}%"


def order_size(order: int, page_size: int | None) -> str:
    """Size of a block of one order.

    >>> order_size(9, 4096).replace(NO_BREAK, " ")
    '2 MiB'
    """
    return memory(1 << order, page_size)


def duration(ns: float) -> str:
    """Length of time in the unit that keeps three digits.

    >>> [duration(t).replace(NO_BREAK, " ") for t in (0, 999, 1500, 96_462, 1_862_979_232, -2e6, 9.1e12)]
    ['0 s', '999 ns', '1.5 µs', '96.5 µs', '1.86 s', '−2 ms', '2.53 h']
    """
    if ns < 0:
        return "−" + duration(-ns)
    for unit, size in (("h", 7_200e9), ("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= size * 0.9995:
            size = 3_600e9 if unit == "h" else size
            return f"{_three_digits(ns / size)}{NO_BREAK}{unit}"
    return f"{count(ns)}{NO_BREAK}ns" if ns else f"0{NO_BREAK}s"


def _three_digits(value: float) -> str:
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    text = _fixed(value, digits)
    return text.rstrip("0").removesuffix(".") if digits else text
