"""The quiz as a widget, and as a page that needs no kernel; one script draws both."""

from __future__ import annotations

import difflib
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import anywidget
import traitlets

from ... import texts
from ...player.pack import Theme
from ...texts import _
from .judging import RIGHT, judge
from .page import SCRIPT, page, style
from .question import Question
from .questions import BY_ID, QUESTIONS, TOPICS
from .sheet import sheet

_LIVE = """
export default {
  render({model, el}) {
    el.classList.add('cl-quiz');
    const copy = () => structuredClone(model.get('answers'));
    const quiz = drawQuiz(el, model.get('sheet'), copy(), (answers) => { model.set('answers', structuredClone(answers)); model.save_changes(); });
    const heard = () => quiz.redraw(copy());
    model.on('change:answers', (_model, _value, options) => { if (!el.contains(document.activeElement)) heard(); });
    return () => quiz.close();
  },
};
"""


class Score(NamedTuple):
    """How a quiz went so far."""

    right: int
    """Questions whose last answer is right."""
    first_try: int
    """Questions whose first answer was right."""
    answered: int
    questions: int


class Quiz(anywidget.AnyWidget):
    """Questions about all of the course; every answer is what the model, or a recording, gives.

    In JupyterLab the last line of a cell shows it, and Python sees `answers` and `score`. Without a kernel,
    `cl.show(quiz)` puts it into a notebook such that it works on any page, and `cl.render(quiz, "quiz.html")`
    makes one file of it; what is answered there stays in the page.

    By keyboard: Tab and the arrow keys choose, Enter answers, n and p go to the next and the previous
    question, o to the overview; Alt and the arrow keys move things to be put in order.

    Parameters
    ----------
    topic
        One of `TOPICS` of `compactlab.teaching.quiz`; all if not given.
    questions
        Ids of the questions wanted, in this order; `topic` is not looked at then.
    seed
        Asks the questions, and lists the options, in an order of its own for each seed. If not given the
        questions come in the order of the course.
    language
        As for `cl.language`; the one chosen there if not given.

    Raises
    ------
    ValueError
        If there is no such topic, question or language; the message has the nearest.

    Examples
    --------
    >>> quiz = Quiz(questions=["size-of-order-9", "minus-one"])
    >>> quiz.answers = {"size-of-order-9": ["9 pages", "512 pages"]}
    >>> quiz.score
    Score(right=1, first_try=0, answered=1, questions=2)
    """

    _esm = SCRIPT + _LIVE
    _css = style("auto")

    sheet = traitlets.Dict().tag(sync=True)
    answers = traitlets.Dict().tag(sync=True)
    """Answers that counted, by question, the last one last. Set it to {} to start again."""

    def __init__(
        self,
        topic: str | None = None,
        questions: Iterable[str] | None = None,
        *,
        seed: int | None = None,
        language: str | None = None,
    ) -> None:
        self.questions = _chosen(topic, questions, seed)
        with _in_language(language):
            title = _("Quiz: {topic}").format(topic=_(TOPICS[topic][0])) if topic else _("Quiz")
            told = sheet(self.questions, title, seed)
            self.title, self.note = title, _("{count} questions").format(count=len(self.questions))
        super().__init__(sheet=told)

    @property
    def score(self) -> Score:
        """How many answers are right, judged by Python."""
        tried = [(BY_ID[name], given) for name, given in self.answers.items() if given]
        right = [judge(question, given[-1]).kind == RIGHT for question, given in tried]
        first = [judge(question, given[0]).kind == RIGHT for question, given in tried]
        return Score(sum(right), sum(first), len(tried), len(self.questions))

    def page(self, theme: Theme = "auto") -> str:
        """Make one page of it that works without a kernel, a network and any other file.

        Parameters
        ----------
        theme
            "light", "dark", or "auto": as the reader's system is set.
        """
        return page(self.sheet, self.title, theme)


def _chosen(topic: str | None, questions: Iterable[str] | None, seed: int | None) -> list[Question]:
    if questions is not None:
        names = [questions] if isinstance(questions, str) else list(questions)
        if not names:
            raise ValueError("questions: found none; expected ids of questions, or None for all")
        return [BY_ID[_known("question", name, BY_ID)] for name in names]
    asked = list(QUESTIONS if topic is None else TOPICS[_known("topic", topic, TOPICS)][1])
    if seed is not None:
        random.Random(seed).shuffle(asked)  # noqa: S311 - no secret
    return asked


def _known(what: str, name: str, names: dict[str, Any]) -> str:
    if name not in names:
        near = difflib.get_close_matches(str(name), names, 3, 0.4) or list(names)[:12]
        raise ValueError(f"{what} {name!r}: there is none; did you mean {' or '.join(map(repr, near))}?")
    return name


@contextmanager
def _in_language(name: str | None) -> Iterator[None]:
    """Translate into another language for a while."""
    before = texts.language()
    try:
        texts.language(name)
        yield
    finally:
        texts.language(before)
