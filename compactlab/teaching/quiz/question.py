"""What a question is: its texts, the answer, where it is shown, and how the answer is found out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

from ...texts import N_


class Pointer(NamedTuple):
    """A cell of a notebook in which one can see it happen."""

    notebook: str
    """File name without its ending."""
    cell: str
    """Id of the cell."""


@dataclass(frozen=True)
class Option:
    """One of several answers, or of the things to be put in order. Texts are sources for the catalogues."""

    key: str
    text: str
    why: str = ""
    """Shown when it is chosen and is not the answer."""


@dataclass(frozen=True)
class Slip:
    """A wrong number that people come to, and what went wrong."""

    value: float
    why: str


@dataclass(frozen=True, kw_only=True)
class Question:
    """What all kinds of questions have. Texts are sources for the catalogues; code stands in back-quotes."""

    kind: ClassVar[str]
    id: str
    """Short and stable: scores and reports name it."""
    rows: tuple[str, ...]
    """Topics of the course it belongs to, S1 to S18."""
    level: Literal["basic", "advanced"] = "basic"
    text: str
    explanation: str
    shown_in: Pointer
    answer: Any
    truth: Callable[[], Any]
    """Runs the model, or looks into a recording, and gives the answer."""

    def is_true(self) -> bool:
        """Whether the answer is what the truth gives, found out now."""
        return bool(self.truth() == self.answer)


@dataclass(frozen=True, kw_only=True)
class Choice(Question):
    """One of several options is right; each other one says why it is not."""

    kind: ClassVar[str] = "choice"
    options: tuple[Option, ...]
    answer: str

    def __post_init__(self) -> None:
        keys = [option.key for option in self.options]
        reasons = [option.key for option in self.options if option.why]
        expected = [key for key in keys if key != self.answer]
        if len(set(keys)) != len(keys) or self.answer not in keys or reasons != expected:
            raise ValueError(
                f"question {self.id}: options {keys}, answer {self.answer!r}, reasons for {reasons}; expected "
                "different keys, the answer among them, and a reason for each other one"
            )


@dataclass(frozen=True, kw_only=True)
class Misconception(Choice):
    """Several statements, of which one is wrong; each right one says what shows that it is right."""

    kind: ClassVar[str] = "misconception"


@dataclass(frozen=True, kw_only=True)
class Number(Question):
    """A number, with its unit where it has one."""

    kind: ClassVar[str] = "number"
    answer: float
    unit: str
    """A name in `compactlab.teaching.quantities.UNITS`; what a bare number is taken to be in."""
    tolerance: float = 0.0
    """How far off an answer may be, in the unit."""
    slips: tuple[Slip, ...] = ()

    def is_true(self) -> bool:
        """Whether the answer is what the truth gives, within the tolerance, found out now."""
        return bool(abs(self.truth() - self.answer) <= self.tolerance)


@dataclass(frozen=True, kw_only=True)
class Sequence(Question):
    """Things to be put in order."""

    kind: ClassVar[str] = "sequence"
    items: tuple[Option, ...]
    answer: tuple[str, ...]

    def __post_init__(self) -> None:
        keys = [item.key for item in self.items]
        if sorted(keys) != sorted(set(self.answer)):
            raise ValueError(
                f"question {self.id}: items {keys}, answer {list(self.answer)}; expected the same keys, each once"
            )


KINDS = {
    "choice": N_("Choose the right answer"),
    "number": N_("Give a number"),
    "sequence": N_("Put in order"),
    "misconception": N_("Find the misconception: which statement is wrong?"),
}
"""What each kind asks of one."""

LEVELS = {"basic": N_("basic"), "advanced": N_("advanced")}
