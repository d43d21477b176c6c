"""Quantities as people write them: a number, or a number and its unit, compared in the unit that was asked."""

from __future__ import annotations

import datetime
import math
import numbers
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from ..texts import N_, _

PAGE_SIZE = 4096
"""Bytes of a page where nobody says otherwise."""

UNITS: dict[str, tuple[str, Fraction]] = {
    "B": ("memory", Fraction(1)),
    "KiB": ("memory", Fraction(1 << 10)),
    "MiB": ("memory", Fraction(1 << 20)),
    "GiB": ("memory", Fraction(1 << 30)),
    "TiB": ("memory", Fraction(1 << 40)),
    "pages": ("memory", Fraction(PAGE_SIZE)),
    "ns": ("time", Fraction(1)),
    "µs": ("time", Fraction(10**3)),
    "ms": ("time", Fraction(10**6)),
    "s": ("time", Fraction(10**9)),
    "min": ("time", Fraction(60 * 10**9)),
    "h": ("time", Fraction(3600 * 10**9)),
    "": ("share", Fraction(1)),
    "%": ("share", Fraction(1, 100)),
    "thousandths": ("share", Fraction(1, 1000)),
    "blocks": ("blocks", Fraction(1)),
    "pageblocks": ("pageblocks", Fraction(1)),
    "huge pages": ("huge pages", Fraction(1)),
    "requests": ("requests", Fraction(1)),
    "steps": ("steps", Fraction(1)),
    "order": ("order", Fraction(1)),
    "times": ("times", Fraction(1)),
    "orders": ("orders", Fraction(1)),
    "mappings": ("mappings", Fraction(1)),
    "zones": ("zones", Fraction(1)),
    "runs": ("runs", Fraction(1)),
    "page tables": ("page tables", Fraction(1)),
}
"""Units by name: the kind of quantity, and how many of its smallest unit one is."""

_NAMES = (
    N_("pages"), N_("thousandths"), N_("blocks"), N_("pageblocks"), N_("huge pages"), N_("requests"), N_("steps"),
    N_("order"), N_("times"), N_("orders"), N_("mappings"), N_("zones"), N_("runs"), N_("page tables"),
)  # fmt: skip
"""Names of units that are words, for the catalogues."""

KINDS = {
    "memory": N_("an amount of memory"),
    "time": N_("a time"),
    "share": N_("a share"),
    "order": N_("an order"),
}
"""What is measured, in words; of other units it is a count."""

ALIASES = {
    "byte": "B", "bytes": "B", "字节": "B",
    "k": "KiB", "kb": "KiB", "kib": "KiB", "kibibyte": "KiB", "kibibytes": "KiB",
    "m": "MiB", "mb": "MiB", "mib": "MiB", "g": "GiB", "gb": "GiB", "gib": "GiB", "t": "TiB", "tb": "TiB", "tib": "TiB",
    "page": "pages", "pfns": "pages", "页": "pages", "页面": "pages",
    "nanosecond": "ns", "nanoseconds": "ns", "纳秒": "ns",
    "us": "µs", "μs": "µs", "microsecond": "µs", "microseconds": "µs", "微秒": "µs",
    "millisecond": "ms", "milliseconds": "ms", "毫秒": "ms",
    "sec": "s", "second": "s", "seconds": "s", "秒": "s",
    "minute": "min", "minutes": "min", "分钟": "min", "hour": "h", "hours": "h", "小时": "h",
    "percent": "%", "per cent": "%", "‰": "thousandths", "thousandth": "thousandths", "per mille": "thousandths",
    "block": "blocks", "块": "blocks", "pageblock": "pageblocks",
    "huge page": "huge pages", "hugepages": "huge pages", "hugepage": "huge pages", "大页": "huge pages",
    "request": "requests", "step": "steps", "阶": "order", "x": "times", "×": "times", "倍": "times",
    "mapping": "mappings", "zone": "zones", "run": "runs", "page table": "page tables",
}  # fmt: skip
"""Other ways of writing a unit. As the kernel prints them, kB and KB are 1024 bytes."""

_NUMBER = r"[+-]?(?:\d{1,3}(?:[ _,]\d{3})+(?:\.\d+)?|\d+(?:[.,]\d*)?|[.,]\d+)(?:e[+-]?\d{1,3})?"
NUMBER_TEXT = re.compile(
    rf"(?P<before>order\s*|~|≈|=)?\s*(?P<number>{_NUMBER})\s*(?:(?P<operator>\*\*|\^|/)\s*(?P<second>\d{{1,9}}))?"
    r"\s*(?P<unit>[^\d\s].*)?",
    re.IGNORECASE,
)
"""A number as people write it, with a unit or without."""
_MOST_EXPONENT = 64
LARGEST = 10**30
"""Numbers beyond it are not read."""
LONGEST = 100
"""Characters of an answer that are read at most."""


@dataclass(frozen=True)
class Quantity:
    """A number in the unit that was asked for."""

    value: int | float
    given: str | None = None
    """Unit that the answer named; None if it was a bare number."""


@dataclass(frozen=True)
class Problem:
    """Why an answer cannot be compared with anything."""

    kind: str
    """`wrong_type`, `wrong_unit`, `out_of_range` or `nonsense`."""
    text: str
    """A whole sentence, translated."""


def parse(answer: object, unit: str, page_size: int = PAGE_SIZE) -> Quantity | Problem:
    """Read a quantity from a number or text, in one unit.

    A bare number is taken to be in that unit. Text may name another unit of the same kind: memory in B, KiB,
    MiB, GiB, TiB or pages; time in ns, µs, ms, s, min or h; shares as such, in % or in thousandths.

    Parameters
    ----------
    answer
        Whole numbers, fractions, numpy's and xarray's single values, times as numpy and datetime have them,
        or text such as `"2 MiB"`, `"512 pages"`, `"1 234"`, `"2**9"`, `"0,5"`. True and False are no numbers.
    unit
        A name in `UNITS`.
    page_size
        Bytes of a page.

    Returns
    -------
        The quantity (whole numbers as int), or why there is none: something that is no number, a unit nobody
        knows, a unit of something else.

    Raises
    ------
    ValueError
        If the unit asked for is none of `UNITS`.

    Examples
    --------
    >>> parse("2 MiB", "pages").value, parse(np.int64(7), "blocks").value, parse("25 %", "").value
    (512, 7, 0.25)
    >>> parse("3 ms", "pages").kind, parse("banana", "pages").kind, parse(True, "pages").kind
    ('wrong_unit', 'wrong_type', 'wrong_type')
    """
    if unit not in UNITS:
        raise ValueError(f"unit {unit!r}: expected one of {', '.join(map(repr, UNITS))}")
    answer = _single(answer)
    if isinstance(answer, Problem):
        return answer
    if isinstance(answer, np.timedelta64 | datetime.timedelta):
        if np.isnat(np.timedelta64(answer)):
            return Problem("nonsense", _("The answer is not a time (NaT)."))
        return _converted(Fraction(int(np.timedelta64(answer, "ns").astype(np.int64))), "ns", unit, page_size)
    if isinstance(answer, str):
        return _of_text(answer, unit, page_size)
    if isinstance(answer, bool | np.bool_) or not isinstance(answer, numbers.Real | Decimal):
        return Problem("wrong_type", _not_a_number(answer))
    if not isinstance(answer, numbers.Integral) and not math.isfinite(answer):
        text = (
            _("The answer is NaN: not a number. Something it was computed from is missing, or was 0 / 0.")
            if math.isnan(answer)
            else _("The answer is infinite; memory and time are not.")
        )
        return Problem("nonsense", text)
    exact = Fraction(answer) if isinstance(answer, numbers.Rational | Decimal) else Fraction(float(answer))
    return _converted(exact, None, unit, page_size)


def elsewhere(value: float, truth: float, unit: str, page_size: int = PAGE_SIZE) -> str | None:
    """Unit in which a bare number would have been right, if there is one.

    >>> elsewhere(2 * 2**20, 512, "pages"), elsewhere(513, 512, "pages"), elsewhere(25, 0.25, "")
    ('B', None, '%')
    """
    if not (truth and value):
        return None
    return right_in(
        Quantity(value), unit, lambda number: math.isclose(number, truth, rel_tol=1e-9), page_size
    )


def right_in(
    quantity: Quantity, unit: str, is_right: Callable[[float], bool], page_size: int = PAGE_SIZE
) -> str | None:
    """Another unit than the one written in which the number would have been right, if there is one.

    Parameters
    ----------
    quantity
        What `parse` read in ``unit``.
    unit
        A name in `UNITS`.
    is_right
        Whether a number in ``unit`` is right.
    page_size
        Bytes of a page.

    Examples
    --------
    >>> right_in(parse("52 ms", "µs"), "µs", lambda number: number == 52)
    'µs'
    """
    number = _as_written(quantity, unit, page_size) / _factor_of(unit, page_size)
    written = unit if quantity.given is None else quantity.given
    kind = UNITS[unit][0]
    others = (name for name, (other, _factor) in UNITS.items() if other == kind and name != written)
    return next((name for name in others if is_right(float(number * _factor_of(name, page_size)))), None)


def as_written(quantity: Quantity, unit: str, page_size: int = PAGE_SIZE) -> float:
    """Give the number that stood before the unit it was given with.

    >>> as_written(parse("52 ms", "µs"), "µs")
    52.0
    """
    return float(_as_written(quantity, unit, page_size))


def _as_written(quantity: Quantity, unit: str, page_size: int) -> Fraction:
    written = unit if quantity.given is None else quantity.given
    return Fraction(quantity.value) * _factor_of(unit, page_size) / _factor_of(written, page_size)


def known(text: str) -> str | None:
    """Name in `UNITS` of a unit as somebody writes it.

    >>> known("kB"), known("microseconds"), known("furlongs")
    ('KiB', 'µs', None)
    """
    text = text.strip().rstrip(".").removesuffix(" of memory").strip()
    text = text.replace("μ", "µ")  # two signs that look the same
    if text in UNITS:
        return text
    lower = text.lower()
    return ALIASES.get(lower) or next((name for name in UNITS if name and name.lower() == lower), None)


def unit_text(unit: str) -> str:
    """What a unit is called in a sentence.

    >>> unit_text("pages"), unit_text("")
    ('pages', 'a share from 0 to 1')
    """
    return _("a share from 0 to 1") if unit == "" else _(unit)


def _single(answer: object) -> Any:
    """The one value of an array; anything else as it is."""
    if answer is None:
        return Problem("nonsense", _("The answer is None: what was to compute it has given nothing back."))
    if isinstance(answer, list | tuple | set | frozenset | dict):
        text = _("One number is asked for; the answer is a {type} with {count} entries.")
        return Problem("wrong_type", text.format(type=type(answer).__name__, count=len(answer)))
    if hasattr(answer, "ndim") and hasattr(answer, "dtype") and not np.isscalar(answer):
        if getattr(answer, "size", 0) != 1:
            text = _("One number is asked for; the answer is an array of shape {shape}.")
            return Problem("wrong_type", text.format(shape=tuple(getattr(answer, "shape", ()))))
        return np.asarray(answer).ravel()[0]
    return answer


def _not_a_number(answer: object) -> str:
    if isinstance(answer, bool | np.bool_):
        return _("{answer} is a truth value; a number is asked for.").format(answer=answer)
    return _("A number is asked for; the answer is of the type {type}.").format(type=type(answer).__name__)


def _of_text(answer: str, unit: str, page_size: int) -> Quantity | Problem:
    if not answer.strip():
        return Problem("nonsense", _("The answer is empty."))
    text = unicodedata.normalize("NFKC", answer).replace("−", "-").strip()
    match = NUMBER_TEXT.fullmatch(text) if len(text) <= LONGEST else None
    if match is None:
        return Problem(
            "wrong_type",
            _("A number is asked for, such as {example}; “{answer}” is none.").format(
                example="9" if unit == "order" else f"12 {_(unit)}".strip(), answer=_short(answer)
            ),
        )
    number = _number(match["number"], match["operator"], match["second"])
    if number is None:
        return Problem("nonsense", _("“{answer}” cannot be computed.").format(answer=_short(answer)))
    ahead = (match["before"] or "").strip().lower()
    written = match["unit"] or ("order" if ahead == "order" else None)
    if written is None:
        return _converted(number, None, unit, page_size)
    given = known(written)
    if given is None:
        return Problem(
            "wrong_unit",
            _("“{unit}” is a unit nobody here knows; asked for is {expected}.").format(
                unit=_short(written), expected=unit_text(unit)
            ),
        )
    return _converted(number, given, unit, page_size)


def _converted(number: Fraction, given: str | None, unit: str, page_size: int) -> Quantity | Problem:
    """The number in the unit asked for, if both measure the same; a bare number is in that unit."""
    if abs(number) > LARGEST:
        return Problem("out_of_range", _("The answer is larger than anything in a computer."))
    if given is None:
        return Quantity(_plain(number))
    if UNITS[given][0] != UNITS[unit][0]:
        text = _("The answer is {given}; asked for is {expected}.")
        return Problem("wrong_unit", text.format(given=_measured(given), expected=_measured(unit)))
    value = number * _factor_of(given, page_size) / _factor_of(unit, page_size)
    return Quantity(_plain(value), given)


def _measured(unit: str) -> str:
    """What a unit measures, in words, and its name.

    >>> _measured("ms"), _measured("order"), _measured("blocks")
    ('a time (ms)', 'an order', 'a count (blocks)')
    """
    kind = _(KINDS[UNITS[unit][0]]) if UNITS[unit][0] in KINDS else _("a count")
    return kind if unit in ("", "order") else _("{kind} ({unit})").format(kind=kind, unit=_(unit))


def _factor_of(unit: str, page_size: int) -> Fraction:
    return Fraction(page_size) if unit == "pages" else UNITS[unit][1]


def _number(first: str, operator: str | None, second: str | None) -> Fraction | None:
    """A number as written, or a power or quotient of two; None if that has no value."""
    digits = first.replace(" ", "").replace("_", "")
    grouped = re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?", digits)
    value = Fraction(digits.replace(",", "" if grouped else ".").rstrip("."))
    if operator is None:
        return value
    number = int(second or 1)
    if operator == "/":
        return value / number if number else None
    return value**number if number <= _MOST_EXPONENT else None


def _plain(value: Fraction) -> int | float:
    return int(value) if value.denominator == 1 else float(value)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 40 else f"{text[:39]}…"
