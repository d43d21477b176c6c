"""Words and numbers as a person reads them: translation, and one way to print a quantity.

English is the source language; another language is a gettext catalogue under ``compactlab/locale``.
The same few number formats exist once more in ``figures/format.js``; a test holds the two equal.
"""

from __future__ import annotations

import gettext
import math
import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

LOCALE = Path(__file__).parent / "locale"
NO_BREAK = "\u00a0"

_SOURCE = "en"
_current: tuple[str, gettext.NullTranslations] | None = None


def language(name: str | None = None) -> str:
    """Choose or tell the language of figures, dashboards, sentences, exercises and the quiz.

    It holds for what is made from then on: texts are translated where they are used. What was made before
    keeps its language. Numbers, units and dates are written alike in all languages.

    Parameters
    ----------
    name
        "en", "zh" (also written as in "zh_CN.UTF-8"), or "system": that of the system where there is a
        catalogue for it, else English. None: change nothing. Before the first choice it is that of the
        environment variable ``COMPACTLAB_LANG``, or English.

    Returns
    -------
        The language chosen now.

    Raises
    ------
    ValueError
        If there is no catalogue for the language.

    Examples
    --------
    >>> language("en")
    'en'
    """
    global _current
    if name is not None:
        _current = _opened(name)
    return _chosen()[0]


def languages() -> list[str]:
    """Languages there are, the source language first."""
    return [_SOURCE, *sorted(path.parents[1].name for path in LOCALE.glob("*/LC_MESSAGES/compactlab.mo"))]


def _chosen() -> tuple[str, gettext.NullTranslations]:
    global _current
    if _current is None:
        _current = _opened(os.environ.get("COMPACTLAB_LANG") or _SOURCE)
    return _current


def _opened(name: str) -> tuple[str, gettext.NullTranslations]:
    for each in _of_system() if name == "system" else [name]:
        if re.split("[_.@-]", each)[0] == _SOURCE:
            return _SOURCE, gettext.NullTranslations()
        path = gettext.find("compactlab", LOCALE, [each.replace("-", "_")])
        if path is not None:
            with open(path, "rb") as file:
                return Path(path).parents[1].name, gettext.GNUTranslations(file)
    if name == "system":
        return _SOURCE, gettext.NullTranslations()
    known = ", ".join(map(repr, languages()))
    raise ValueError(f"language: found no catalogue for {name!r}, expected one of {known} or 'system'")


def _of_system() -> list[str]:
    names = (os.environ.get(variable) for variable in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"))
    return next(filter(None, names), "").split(":")


def _(text: str) -> str:
    """Translate one interface text, now."""
    return _chosen()[1].gettext(text) if text else ""


def N_(text: str) -> str:  # noqa: N802 - the name by which catalogues are extracted
    """Mark an interface text of a table that is made once; ``_`` translates it where it is used.

    >>> TITLES = {"free": N_("free memory")}
    >>> _(TITLES["free"])
    'free memory'
    """
    return text


NUMBER_WORDS = (N_("page"), N_("pages"), N_("under 1 %"), N_("over 99 %"))
"""Words among numbers: what ``figures/format.js`` needs, where numbers are written in the browser."""


def translated(texts: Iterable[str]) -> dict[str, str]:
    """Translate all texts of a table, by their source: the words that a script of a figure asks for."""
    return {text: _(text) for text in texts}


def columns(text: str) -> int:
    """Width of a text in Latin letters: a Chinese one is as wide as two.

    >>> columns("order 9"), columns("内存")
    (7, 4)
    """
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


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
        return count(pages) + NO_BREAK + (_("page") if pages == 1 else _("pages"))
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
        return _("under 1 %").replace(" ", NO_BREAK)
    if 0.995 < fraction < 1:
        return _("over 99 %").replace(" ", NO_BREAK)
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
