"""What an answer is worth; the browser judges alike by ``judging.js``, and a test holds the two equal."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...texts import N_, _
from ..quantities import Problem, Quantity, parse, right_in
from .question import Choice, Number, Question, Sequence

RIGHT, WRONG_VALUE, WRONG_TYPE, WRONG_UNIT, NOT_ANSWERED = (
    "right",
    "wrong_value",
    "wrong_type",
    "wrong_unit",
    "not_answered",
)
COUNTED = (RIGHT, WRONG_VALUE)
"""What counts as an answer; anything else could not be compared with the right one."""

_EXACTLY = 1e-9  # of the answer: what is lost where numbers are divided

TEXTS = (
    N_("Choose one of the options."),
    N_("“{answer}” is none of the options."),
    N_("Each of the {count} things has to stand in one place."),
    N_("The first one is not in its place."),
    N_("The first {count} are in their places, the next one is not."),
    N_("Write a number, and its unit if it has one."),
    N_("{number} would be right in the unit “{right}”; without a unit it is read as “{expected}”."),
    N_("The number would be right in the unit “{right}”; you wrote “{given}”."),
    N_("The right value is larger."),
    N_("The right value is smaller."),
)
"""Texts of this module, for the browser."""


class Judged(NamedTuple):
    """What an answer is found to be, and why, in a sentence."""

    kind: str
    """right, wrong_value, wrong_type, wrong_unit, nonsense, out_of_range or not_answered."""
    text: str
    """Empty for a right answer."""


def judge(question: Question, answer: object) -> Judged:
    """Compare an answer with the right one.

    Parameters
    ----------
    question
        A question of any kind.
    answer
        The key of an option; a number, or text with a number and a unit; or all keys in order.

    Examples
    --------
    >>> from .questions import BY_ID
    >>> [judge(BY_ID["size-of-order-9"], text).kind for text in ("2 MiB", "512 pages", "2", "4 MiB", "2 KiB", "2 s", "two")]
    ['right', 'right', 'right', 'wrong_value', 'wrong_unit', 'wrong_unit', 'wrong_type']
    >>> judge(BY_ID["size-of-order-9"], "4 MiB").text
    'That is order 10, which is the largest block on x86.'
    """
    if isinstance(question, Choice):
        return _choice(question, answer)
    if isinstance(question, Sequence):
        return _sequence(question, answer)
    if isinstance(question, Number):
        return _number(question, answer)
    raise TypeError(f"question {question.id}: kind {question.kind!r} cannot be judged")


def _choice(question: Choice, answer: object) -> Judged:
    if answer is None or answer == "":
        return Judged(NOT_ANSWERED, _("Choose one of the options."))
    if answer == question.answer:
        return Judged(RIGHT, "")
    for option in question.options:
        if option.key == answer:
            return Judged(WRONG_VALUE, _(option.why))
    return Judged(WRONG_TYPE, _("“{answer}” is none of the options.").format(answer=answer))


def _sequence(question: Sequence, answer: object) -> Judged:
    if not isinstance(answer, list | tuple) or sorted(map(str, answer)) != sorted(question.answer):
        text = _("Each of the {count} things has to stand in one place.")
        return Judged(WRONG_TYPE, text.format(count=len(question.answer)))
    if tuple(answer) == question.answer:
        return Judged(RIGHT, "")
    pairs = zip(answer, question.answer, strict=True)
    count = next(place for place, (found, right) in enumerate(pairs) if found != right)
    if count == 0:
        return Judged(WRONG_VALUE, _("The first one is not in its place."))
    text = _("The first {count} are in their places, the next one is not.")
    return Judged(WRONG_VALUE, text.format(count=count))


def _number(question: Number, answer: object) -> Judged:
    if answer is None or (isinstance(answer, str) and not answer.strip()):
        return Judged(NOT_ANSWERED, _("Write a number, and its unit if it has one."))
    found = parse(answer, question.unit)
    if isinstance(found, Problem):
        return Judged(found.kind, found.text)
    if _near(found.value, question.answer, question.tolerance):
        return Judged(RIGHT, "")
    for slip in question.slips:
        if _near(found.value, slip.value, 0):
            return Judged(WRONG_VALUE, _(slip.why))
    right = right_in(found, question.unit, lambda number: _near(number, question.answer, question.tolerance))
    if right is not None:
        return Judged(WRONG_UNIT, _of_unit(question, found, right, answer))
    larger = question.answer > found.value
    return Judged(
        WRONG_VALUE, _("The right value is larger.") if larger else _("The right value is smaller.")
    )


def _near(value: float, wanted: float, tolerance: float) -> bool:
    return abs(float(value) - wanted) <= tolerance + _EXACTLY * abs(wanted)


def _of_unit(question: Number, found: Quantity, right: str, answer: Any) -> str:
    if found.given is None:
        text = _("{number} would be right in the unit “{right}”; without a unit it is read as “{expected}”.")
        return text.format(number=str(answer).strip(), right=_name(right), expected=_name(question.unit))
    text = _("The number would be right in the unit “{right}”; you wrote “{given}”.")
    return text.format(right=_name(right), given=_name(found.given))


def _name(unit: str) -> str:
    """Name of a unit, also of the one that has none.

    >>> _name(""), _name("MiB")
    ('1', 'MiB')
    """
    return _(unit) or "1"
