"""An exercise: what is asked, and how the model judges an answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from .answers import Answer
from .quantities import Problem


class Judged(NamedTuple):
    """What the model says to an answer."""

    right: bool
    text: str
    """Whole sentences, translated: what came out, and for a wrong answer why it is wrong."""


class Mistake(NamedTuple):
    """A wrong answer that many give."""

    value: Callable[[Any], Any]
    """Computes it from the true value, or by the model."""
    why: str
    """Whole sentences, marked by `N_`: what was computed instead."""


@dataclass(frozen=True)
class Exercise:
    """One exercise. Texts are marked by `N_` and translated when shown; text between backticks is code."""

    name: str
    """What `check` is called with: short words with hyphens."""
    notebook: str
    """Notebook it stands in, without `.ipynb`."""
    task: str
    """What to do or to predict, in whole sentences."""
    answer: Answer
    """What kind of answer is asked for."""
    hints: tuple[str, ...]
    """One after the other, each of more help."""
    code: str
    """How to see it for oneself: lines that run as they stand, after `import compactlab as cl`."""
    truth: Callable[[], Any] | None = None
    """Runs the model: the one right value. Either this or `judge`."""
    told: str = ""
    """For a right answer, what came out and why: a template with `{truth}`, marked by `N_`."""
    mistakes: tuple[Mistake, ...] = ()
    """Typical wrong values, computed too."""
    judge: Callable[[Any], Judged | Problem] | None = None
    """Runs the answer through the model, where many are right."""
    right: tuple[Any, ...] = ()
    """Examples of right answers, for tests; several ways where there are."""
    wrong: tuple[Any, ...] = ()
    """Examples of wrong answers of the right kind and unit, for tests."""

    def __post_init__(self) -> None:
        if (self.truth is None) == (self.judge is None):
            raise ValueError(f"exercise {self.name!r}: expected either truth or judge")
        for name in ("hints", "right", "wrong", "code"):
            if not getattr(self, name):
                raise ValueError(f"exercise {self.name!r}: {name} is empty; expected at least one")
