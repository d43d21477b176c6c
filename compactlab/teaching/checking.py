"""Asking for an exercise, and having an answer checked."""

from __future__ import annotations

import difflib
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import EllipsisType
from typing import Any

from ..texts import _
from . import exercises
from .answers import Answer, Number
from .exercise import Exercise, Judged
from .quantities import Problem, as_written, elsewhere, parse, unit_text
from .shown import Listing, Outcome, Task

_wrong: dict[str, int] = {}
"""Wrong answers of this session, by exercise: each is followed by the next hint."""


class _UnknownExerciseError(KeyError):
    """A KeyError whose message prints as it is written."""

    __str__ = Exception.__str__


@cache
def every() -> dict[str, Exercise]:
    """All exercises by name, in the order of their notebooks: `EXERCISES` of each module of `exercises`."""
    found: list[Exercise] = []
    for module in sorted(iter_modules(exercises.__path__), key=lambda module: module.name):
        found += import_module(f"{exercises.__name__}.{module.name}").EXERCISES
    found.sort(key=lambda each: each.notebook)
    named = {each.name: each for each in found}
    if len(named) < len(found):
        twice = sorted({each.name for each in found if [other.name for other in found].count(each.name) > 1})
        raise ValueError(f"exercises: found {', '.join(twice)} more than once; expected names that differ")
    return named


def find(name: str) -> Exercise:
    """The exercise of a name.

    Raises
    ------
    KeyError
        If there is none; the message has the nearest names.
    """
    names = list(every())
    if name not in names:
        near = difflib.get_close_matches(str(name), names, n=3, cutoff=0.3) or names[:3]
        raise _UnknownExerciseError(
            f"no exercise is called {name!r}; did you mean {' or '.join(map(repr, near))}? "
            "teaching.list() has them all"
        )
    return every()[name]


def exercise(name: str) -> Task:
    """Show an exercise: its task, what kind of answer it asks for, and its hints, folded up.

    Raises
    ------
    KeyError
        If there is none of that name; the message has the nearest names.

    Examples
    --------
    >>> print(exercise("holes"))  # doctest: +ELLIPSIS
    ? ...
    """
    found = find(name)
    hints = tuple(_(hint) for hint in found.hints)
    return Task(found.name, found.notebook, _(found.task), found.answer.asked, hints)


def listing() -> Listing:
    """Every exercise, one line each, in the order of the notebooks.

    Examples
    --------
    >>> "holes" in repr(listing())
    True
    """
    return Listing([exercise(name) for name in every()])


def check(name: str, answer: Any = ..., *, hint: int | None = None) -> Outcome:
    """Check an answer by running the model, and say why if it is wrong.

    Parameters
    ----------
    name
        Of the exercise; `teaching.list()` has them all.
    answer
        The answer; `...` if there is none yet: then the task is shown. A number may be text with a unit, such as
        `"2 MiB"`. Whatever it is, no error is raised: what cannot be judged is told apart from what is wrong.
    hint
        Number of a hint to show, 1 the first. If not given: after each wrong answer the next one.

    Returns
    -------
        What became of it: `right`, `kind`, `text`, `hint`, and `code` to see for oneself.

    Raises
    ------
    KeyError
        If there is no such exercise; the message has the nearest names.
    ValueError
        If there is no such hint.

    Examples
    --------
    >>> check("holes", ...).kind, check("holes", "banana").kind
    ('not_answered', 'wrong_type')
    """
    found = find(name)
    if hint is not None and not 1 <= hint <= len(found.hints):
        raise ValueError(f"exercise {name!r}: hint={hint!r}; expected 1 to {len(found.hints)}")
    if isinstance(answer, EllipsisType):
        return Outcome(name, None, "not_answered", _(found.task), found.answer.asked, _hint(found, hint or 1))
    told = _judged(found, answer)
    if isinstance(told, Problem):
        asked = found.answer.asked if told.kind != "out_of_range" else ""
        return Outcome(name, None, told.kind, told.text, asked, _hint(found, hint))
    if told.right:
        return Outcome(name, True, "right", told.text, code=found.code)
    _wrong[name] = _wrong.get(name, 0) + 1
    at = hint or min(_wrong[name], len(found.hints))
    code = found.code if _wrong[name] > len(found.hints) else ""
    return Outcome(name, False, "wrong_value", told.text, hint=_hint(found, at), code=code)


def reset(name: str | None = None) -> None:
    """Forget the wrong answers to an exercise, or to all, so that hints begin anew."""
    if name is None:
        _wrong.clear()
    else:
        _wrong.pop(find(name).name, None)


def _hint(exercise: Exercise, number: int | None) -> str:
    return _(exercise.hints[number - 1]) if number else ""


def _judged(exercise: Exercise, answer: object) -> Judged | Problem:
    value = exercise.answer.read(answer)
    if isinstance(value, Problem):
        return value
    try:
        if exercise.judge is not None:
            return exercise.judge(value)
    except ValueError as refused:  # the model tells what it cannot run
        return Problem("out_of_range", _("The model refuses it: {message}").format(message=refused))
    return _compared(exercise, answer, value)


def _compared(exercise: Exercise, answer: object, value: Any) -> Judged | Problem:
    """Compare with what the model gives, then with the mistakes that many make."""
    truth, kind = _truth(exercise.name), exercise.answer
    if kind.same(value, truth):
        text = _(exercise.told) if exercise.told else _("The model gives {truth}.")
        return Judged(True, text.format(truth=kind.show(truth)))
    written = _of_a_wrong_unit(kind, answer, truth)
    if written is not None:
        return written
    for mistake in exercise.mistakes:
        if kind.same(value, mistake.value(truth)):
            return Judged(False, _(mistake.why))
    return _in_another_unit(kind, answer, value, truth) or Judged(False, kind.why(value, truth))


def _in_another_unit(kind: Answer, answer: object, value: Any, truth: Any) -> Problem | None:
    """Tell of a bare number that would have been right in another unit."""
    if not isinstance(kind, Number):
        return None
    given = parse(answer, kind.unit, kind.page_size)
    if isinstance(given, Problem) or given.given is not None:
        return None
    unit = elsewhere(value, truth, kind.unit, kind.page_size)
    if unit is None:
        return None
    text = _(
        "The amount is right, but as a bare number it is taken as {expected}, and this one is in {unit}."
    )
    return Problem("wrong_unit", text.format(expected=unit_text(kind.unit), unit=unit_text(unit)))


def _of_a_wrong_unit(kind: Answer, answer: object, truth: Any) -> Problem | None:
    """Tell of a number that would have been right with another unit than the one written behind it."""
    if not isinstance(kind, Number):
        return None
    given = parse(answer, kind.unit, kind.page_size)
    if isinstance(given, Problem) or given.given in (None, kind.unit):
        return None
    if not kind.same(as_written(given, kind.unit, kind.page_size), truth):
        return None
    text = _("The number would be right in the unit “{right}”; you wrote “{given}”.")
    return Problem("wrong_unit", text.format(right=unit_text(kind.unit), given=unit_text(given.given)))


@cache
def _truth(name: str) -> Any:
    """What the model gives; it is run once a session, as it gives the same every time."""
    truth = find(name).truth
    assert truth is not None  # noqa: S101 - Exercise sees to it
    return truth()
