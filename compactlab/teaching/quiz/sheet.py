"""A quiz as plain data: questions, texts and units in one language, as its script in the browser takes them."""

from __future__ import annotations

import random
from collections.abc import Sequence as Several
from typing import Any

from ...texts import N_, _, language, translated
from .. import quantities, shown
from .judging import TEXTS
from .question import KINDS, Choice, Number, Option, Question, Sequence
from .questions import TOPICS

WORDS = (
    N_("Topic"),
    N_("All topics"),
    N_("Previous"),
    N_("Next"),
    N_("Overview"),
    N_("check"),
    N_("next"),
    N_("previous"),
    N_("overview"),
    N_("advanced"),
    N_("{right} right of {answered} answered, {first} at first try"),
    N_("Question {number} of {count}"),
    N_("Question {number}: {state}"),
    N_("not answered"),
    N_("right"),
    N_("not right"),
    N_("Review those not right ({count})"),
    N_("Start again"),
    N_("All questions"),
    N_("Check my answer"),
    N_("See it happen: notebook `{notebook}`, cell `{cell}`"),
    N_("The answer: {answer}"),
    N_("Show the answer and why"),
    N_("This was not counted: answer again."),
    N_("a number; “%” works too"),
    N_("a number, or a number with a unit; without one it is read as “{unit}”"),
    N_("Move with the arrow buttons, with Alt and the arrow keys, or by dragging."),
    N_("{thing}: place {number} of {count}"),
    N_("Move up: {thing}"),
    N_("Move down: {thing}"),
    # Texts of quantities.py, which reads numbers in Python.
    N_("a share from 0 to 1"),
    N_("a count"),
    N_("{kind} ({unit})"),
    N_("A number is asked for, such as {example}; “{answer}” is none."),
    N_("“{answer}” cannot be computed."),
    N_("“{unit}” is a unit nobody here knows; asked for is {expected}."),
    N_("The answer is larger than anything in a computer."),
    N_("The answer is {given}; asked for is {expected}."),
)
"""Texts of the script beside those of `judging`."""


def sheet(questions: Several[Question], title: str, seed: int | None) -> dict[str, Any]:
    """Lay out questions in the language that is chosen now.

    Parameters
    ----------
    questions
        In the order in which they are asked.
    title
        Heading, translated.
    seed
        Of the order of options and of things to be put in order.

    Returns
    -------
        What JSON can hold.
    """
    topic_of = {question.id: (key, _(name)) for key, (name, asked) in TOPICS.items() for question in asked}
    topics = dict(topic_of[question.id] for question in questions)
    asked = [_question(question, *topic_of[question.id], seed) for question in questions]
    units = {
        name: [kind, factor.numerator, factor.denominator]
        for name, (kind, factor) in quantities.UNITS.items()
    }
    return {
        "title": title,
        "language": language(),
        "questions": asked,
        "topics": [list(each) for each in topics.items()],
        "verdicts": shown.HEADINGS,
        "quantities": {
            "units": units,
            "aliases": quantities.ALIASES,
            "kinds": quantities.KINDS,
            "pattern": quantities.NUMBER_TEXT.pattern.replace("(?P<", "(?<"),
            "longest": quantities.LONGEST,
            "largest": quantities.LARGEST,
        },
        "words": translated(
            [*WORDS, *TEXTS, *KINDS.values(), *units, *shown.HEADINGS.values(), *quantities.KINDS.values()]
        ),
    }


def _question(question: Question, topic: str, topic_title: str, seed: int | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": question.id,
        "kind": question.kind,
        "asks": KINDS[question.kind],
        "topic": topic,
        "topicTitle": topic_title,
        "level": question.level,
        "text": _(question.text),
        "explanation": _(question.explanation),
        "pointer": list(question.shown_in),
        "answer": question.answer,
        "answerText": answer_text(question),
    }
    if isinstance(question, Choice):
        told["options"] = [_option(option) for option in _shuffled(question, question.options, seed)]
    elif isinstance(question, Sequence):
        told["items"] = [_option(item) for item in _shuffled(question, question.items, seed)]
        told["answer"] = list(question.answer)
    elif isinstance(question, Number):
        told |= {
            "unit": question.unit,
            "unitText": quantities.unit_text(question.unit),
            "tolerance": question.tolerance,
            "slips": [{"value": slip.value, "why": _(slip.why)} for slip in question.slips],
        }
    return told


def answer_text(question: Question) -> str:
    """Say the right answer in words.

    >>> from .questions import BY_ID
    >>> answer_text(BY_ID["marks"]), answer_text(BY_ID["unusable-pair"])
    ('min: below it only few requests are served; low: below it kswapd is woken; high: here kswapd goes to sleep', '0.5')
    """
    if isinstance(question, Choice):
        return next(_(option.text) for option in question.options if option.key == question.answer)
    if isinstance(question, Sequence):
        texts = {item.key: _(item.text) for item in question.items}
        return "; ".join(texts[key] for key in question.answer)
    if not isinstance(question, Number):
        raise TypeError(f"question {question.id}: kind {question.kind!r} has no text for its answer")
    number = f"{question.answer:g}"
    return (
        _("order {number}").format(number=number)
        if question.unit == "order"
        else f"{number} {_(question.unit)}".strip()
    )


def _option(option: Option) -> dict[str, str]:
    return {"key": option.key, "text": _(option.text), "why": _(option.why)}


def _shuffled(question: Question, options: Several[Option], seed: int | None) -> list[Option]:
    """The same order each time; things to be put in order never stand as they should."""
    chance = random.Random(f"{question.id} {seed}")  # noqa: S311 - no secret
    mixed = list(options)
    while True:
        chance.shuffle(mixed)
        if tuple(option.key for option in mixed) != question.answer:
            return mixed
