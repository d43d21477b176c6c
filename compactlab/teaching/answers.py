"""Kinds of answers: what is asked for, how an answer is read, and when two are the same."""

from __future__ import annotations

import datetime
import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any, Protocol

import numpy as np

from .. import texts
from ..simulation.presets import RANGES, Sysctls
from ..texts import N_, _
from .quantities import PAGE_SIZE, Problem, Quantity, parse, unit_text


class Answer(Protocol):
    """What an exercise asks for."""

    @property
    def asked(self) -> str:
        """Sentence that says what to answer with, translated."""

    def read(self, answer: object) -> Any:
        """Take the value of an answer, or a `Problem` if there is none to judge."""

    def same(self, value: Any, truth: Any) -> bool:
        """Whether a value that was read is as good as the model's."""

    def show(self, value: Any) -> str:
        """Write a value as a sentence has it."""

    def why(self, value: Any, truth: Any) -> str:
        """Say in which way a wrong value differs, without giving the true one away."""


class _Kind:
    """What most kinds of answers do alike."""

    def same(self, value: Any, truth: Any) -> bool:
        """Equal."""
        return bool(value == truth)

    def show(self, value: Any) -> str:
        """Write it as Python does."""
        return str(value)

    def why(self, value: Any, truth: Any) -> str:  # noqa: ARG002 - others look at it
        """Say that it is another."""
        return _("The model gives something else than {value}.").format(value=self.show(value))


_ONE = {
    "pages": N_("page"), "blocks": N_("block"), "pageblocks": N_("pageblock"), "huge pages": N_("huge page"),
    "requests": N_("request"), "steps": N_("step"), "mappings": N_("mapping"), "zones": N_("zone"), "runs": N_("run"),
    "page tables": N_("page table"), "orders": N_("order"),
}  # fmt: skip
"""Units in the singular."""


@dataclass(frozen=True)
class Number(_Kind):
    """One number with a unit.

    >>> Number("pages").read("2 MiB"), Number("pages").read(-1).kind
    (512, 'out_of_range')
    """

    unit: str
    """A name in `quantities.UNITS`."""
    least: float = 0
    """Less than this cannot be."""
    most: float = math.inf
    """Nor more than this."""
    whole: bool = False
    """Whether only whole numbers can be."""
    within: float = 0
    """How far off is still right, as a share of the true value."""
    near: float = 0
    """How far off is still right, in the unit."""
    page_size: int = PAGE_SIZE
    """Bytes of a page."""

    @property
    def asked(self) -> str:
        """Say the unit."""
        if self.unit == "":
            return _("A share from 0 to 1, such as 0.25 or “25 %”.")
        if self.unit == "order":
            return _("An order: a whole number.")
        if self.unit == "%":
            return _("A percentage: a number from 0 to 100.")
        return _("A number of {unit}, or text with a unit.").format(unit=_(self.unit))

    def read(self, answer: object) -> Any:
        """Take a number in the unit."""
        found = parse(answer, self.unit, self.page_size)
        if isinstance(found, Problem):
            return found
        value = found.value
        if self.whole and math.isclose(value, round(value), rel_tol=1e-9):  # a unit may not divide evenly
            value = round(value)
        if value < self.least:
            text = _("{value} cannot be: the least is {bound}.")
            return Problem("out_of_range", text.format(value=self.show(value), bound=self.show(self.least)))
        if value > self.most:
            text = _("{value} cannot be: the most is {bound}.")
            return Problem("out_of_range", text.format(value=self.show(value), bound=self.show(self.most)))
        if self.whole and not isinstance(value, int):
            return Problem(
                "out_of_range", _("{value} cannot be: it is a whole number.").format(value=self.show(value))
            )
        return value

    def same(self, value: Any, truth: Any) -> bool:
        """Equal, or as near as is asked."""
        return bool(abs(value - truth) <= max(self.near, self.within * abs(truth), 1e-9 * abs(truth)))

    def why(self, value: Any, truth: Any) -> str:
        """Say whether it is more or less."""
        text = (
            _("The model gives more than {value}.")
            if truth > value
            else _("The model gives less than {value}.")
        )
        return text.format(value=self.show(value))

    def show(self, value: Any) -> str:
        """Write a number with its unit.

        >>> Number("pages").show(2048).replace(texts.NO_BREAK, " "), Number("").show(0.25)
        ('2 048 pages', '0.25')
        """
        number = _written(value)
        if self.unit == "order":
            return _("order") + texts.NO_BREAK + number
        unit = _(_ONE.get(self.unit, self.unit)) if value == 1 else _(self.unit)
        return f"{number}{texts.NO_BREAK}{unit}" if unit else number


@dataclass(frozen=True)
class Hour(_Kind):
    """An hour of the day.

    >>> Hour().read("at 4:30"), Hour().read(23), Hour().read("25:00").kind, Hour().read("3 ms").kind
    (4.5, 23, 'out_of_range', 'wrong_unit')
    """

    @property
    def asked(self) -> str:
        """Say the form."""
        return _("An hour of the day, such as 16, 16.5 or “16:30”.")

    def read(self, answer: object) -> Any:
        """Take hours since midnight."""
        if isinstance(answer, datetime.time):
            return answer.hour + answer.minute / 60
        clock = (
            re.fullmatch(r"(?:at\s+)?(\d{1,2}):(\d\d)", answer.strip()) if isinstance(answer, str) else None
        )
        if clock:
            answer = int(clock[1]) + Fraction(int(clock[2]), 60)
        found = parse(answer, "h")
        if isinstance(found, Problem):
            return found
        if found.given not in (None, "h"):
            return Problem("wrong_unit", _("An hour of the day is asked for, not a length of time."))
        if (clock and int(clock[2]) >= 60) or not 0 <= found.value < 24:
            return Problem("out_of_range", _("The hours of a day are 0:00 to 23:59."))
        return found.value

    def show(self, value: Any) -> str:
        """Write it as clocks show it."""
        minutes = round(value * 60)
        return f"{minutes // 60}:{minutes % 60:02d}"


@dataclass(frozen=True)
class Choice(_Kind):
    """One word of several.

    >>> Choice(("direct", "kcompactd")).read("KCompactD"), Choice(("yes", "no")).read(True)
    ('kcompactd', 'yes')
    """

    options: tuple[str, ...]
    """Words of the kernel or of the model, which are not translated."""

    @property
    def asked(self) -> str:
        """Say the words."""
        return _("One of: {options}.").format(options=", ".join(self.options))

    def read(self, answer: object) -> Any:
        """Take the word that was meant; True and False are yes and no where these are asked for."""
        if isinstance(answer, bool | np.bool_) and {"yes", "no"} <= set(self.options):
            return "yes" if answer else "no"
        return _word(answer, self.options)


@dataclass(frozen=True)
class Several(_Kind):
    """Any number of words of several, in any order.

    >>> sorted(Several(("a", "b", "c")).read("c, a"))
    ['a', 'c']
    """

    options: tuple[str, ...]
    """Words of the kernel or of the model, which are not translated."""

    @property
    def asked(self) -> str:
        """Say the words."""
        return _("One or more of: {options}; a list, or text with commas.").format(
            options=", ".join(self.options)
        )

    def read(self, answer: object) -> Any:
        """Take the words, as a set."""
        found = _words(answer, self.options)
        return found if isinstance(found, Problem) else frozenset(found)

    def same(self, value: Any, truth: Any) -> bool:
        """The same words."""
        return frozenset(value) == frozenset(truth)

    def show(self, value: Any) -> str:
        """Write the words in the order of the options."""
        return ", ".join(option for option in self.options if option in value)

    def why(self, value: Any, truth: Any) -> str:
        """Say which words do not belong there, and how many are missing."""
        extra, missing = self.show(value - truth), len(truth - value)
        if not missing:
            return _("All that belong there are there, but not these: {extra}.").format(extra=extra)
        if not extra:
            return _("These belong there, but not all: {count} missing.").format(count=missing)
        return _("Not these: {extra}. And {count} missing.").format(extra=extra, count=missing)


@dataclass(frozen=True)
class InOrder(_Kind):
    """All of several words, put in order.

    >>> InOrder(("a", "b", "c")).read("c > a > b")
    ('c', 'a', 'b')
    """

    options: tuple[str, ...]
    """Words of the kernel or of the model, which are not translated; not in their right order."""

    @property
    def asked(self) -> str:
        """Say the words."""
        return _("All of these in order: {options}; a list, or text with commas.").format(
            options=", ".join(self.options)
        )

    def read(self, answer: object) -> Any:
        """Take the words in their order."""
        if isinstance(answer, set | frozenset):
            return Problem("wrong_type", _("A set has no order; answer with a list."))
        found = _words(answer, self.options)
        if isinstance(found, Problem):
            return found
        missing = [option for option in self.options if option not in found]
        if missing:
            return Problem("out_of_range", _("Missing: {options}.").format(options=", ".join(missing)))
        if len(found) > len(self.options):
            return Problem("out_of_range", _("Each word stands once; the answer has some twice."))
        return tuple(found)

    def show(self, value: Any) -> str:
        """Write the words in their order."""
        return ", ".join(value)

    def why(self, value: Any, truth: Any) -> str:
        """Say how far it is right."""
        right = next(at for at, (mine, true) in enumerate(zip(value, truth, strict=True)) if mine != true)
        if not right:
            return _("{word} does not come first.").format(word=value[0])
        return _("Right so far: {words}. {word} does not come next.").format(
            words=", ".join(value[:right]), word=value[right]
        )


@dataclass(frozen=True)
class FreeBlocks(_Kind):
    """Counts of free blocks by order, as a line of /proc/buddyinfo has them.

    >>> FreeBlocks(4).read([6, 1]).tolist(), FreeBlocks(4).read({3: 1}).tolist(), FreeBlocks(4).read("6 1").tolist()
    ([6, 1, 0, 0], [0, 0, 0, 1], [6, 1, 0, 0])
    """

    nr_orders: int = 11
    """How many orders there are; those not answered are 0."""
    most: int = 10**9
    """Most blocks of one order."""

    @property
    def asked(self) -> str:
        """Say how many."""
        text = _("A list of up to {count} counts, the free blocks of order 0, 1, 2 ...; or a dict by order.")
        return text.format(count=self.nr_orders)

    def read(self, answer: object) -> Any:
        """Take the counts, (nr_orders,) int64."""
        if isinstance(answer, Mapping):
            entries = _by_order(answer, self.nr_orders)
            return entries if isinstance(entries, Problem) else self._counts(entries)
        found = _entries(_split(answer))
        if isinstance(found, Problem):
            return found
        if len(found) > self.nr_orders:
            text = _("The answer has {found} counts; there are {count} orders.")
            return Problem("out_of_range", text.format(found=len(found), count=self.nr_orders))
        return self._counts(dict(enumerate(found)))

    def _counts(self, entries: Mapping[int, object]) -> np.ndarray | Problem:
        counts = np.zeros(self.nr_orders, np.int64)
        count = Number("blocks", most=self.most, whole=True)
        for order, entry in entries.items():
            value = count.read(entry)
            if isinstance(value, Problem):
                return Problem(value.kind, _at(_("Order {order}").format(order=order), value.text))
            counts[order] = value
        return counts

    def same(self, value: Any, truth: Any) -> bool:
        """The same counts."""
        return np.array_equal(value, truth)

    def show(self, value: Any) -> str:
        """Write them as a list."""
        return str(np.asarray(value).tolist())


@dataclass(frozen=True)
class Numbers(_Kind):
    """Several numbers of one unit, such as the sizes of requests one after the other.

    >>> Numbers("pages", most=64).read([1, "8 KiB"])
    (1, 2)
    """

    unit: str
    """A name in `quantities.UNITS`."""
    fewest: int = 1
    """Least entries."""
    many: int = 100
    """Most entries."""
    least: float = 0
    """Least of an entry."""
    most: float = math.inf
    """Most of an entry."""
    whole: bool = True
    """Whether entries are whole numbers."""
    page_size: int = PAGE_SIZE
    """Bytes of a page."""

    @property
    def asked(self) -> str:
        """Say how many of what."""
        text = _("A list of {fewest} to {many} numbers, each in {unit}.")
        if self.fewest == self.many:
            text = _("A list of {fewest} numbers, each in {unit}.")
        return text.format(fewest=self.fewest, many=self.many, unit=unit_text(self.unit))

    def read(self, answer: object) -> Any:
        """Take the numbers, as a tuple."""
        found = _entries(answer)
        if isinstance(found, Problem):
            return found
        kind = Number(self.unit, self.least, self.most, self.whole, page_size=self.page_size)
        values = []
        for at, entry in enumerate(found[: self.many]):
            value = kind.read(entry)
            if isinstance(value, Problem):
                return Problem(value.kind, _at(_("Entry {number}").format(number=at + 1), value.text))
            values.append(value)
        if not self.fewest <= len(found) <= self.many:
            text = _("The answer has {found} entries; asked for are {fewest} to {many}.")
            if self.fewest == self.many:
                text = _("The answer has {found} entries; asked for are {fewest}.")
            return Problem("out_of_range", text.format(found=len(found), fewest=self.fewest, many=self.many))
        return tuple(values)

    def show(self, value: Any) -> str:
        """Write them as a list."""
        return str([*value])


@dataclass(frozen=True)
class Settings(_Kind):
    """Settings under /proc/sys/vm, all others at their defaults.

    >>> Settings(("compaction_proactiveness",)).read(60).compaction_proactiveness
    60
    >>> Settings(("swappiness",)).read({"swapiness": 10}).kind
    'nonsense'
    """

    names: tuple[str, ...]
    """Those that may be set; a bare number will do for a single one."""

    @property
    def asked(self) -> str:
        """Say the names."""
        text = _("Settings as a dict or `cl.Sysctls`: {names}.")
        if len(self.names) == 1:
            text = _("A value of {names}: a number, a dict or `cl.Sysctls`.")
        return text.format(names=", ".join(f"`{name}`" for name in self.names))

    def read(self, answer: object) -> Any:
        """Take them as `Sysctls`."""
        if isinstance(answer, Sysctls):
            return self._only_asked(answer)
        if not isinstance(answer, Mapping):
            number = parse(answer, "times") if len(self.names) == 1 else None
            if isinstance(number, Quantity) and number.given is None:
                answer = {self.names[0]: answer}
            elif isinstance(number, Problem) and number.kind == "nonsense":
                return number
            else:
                text = _("Settings are asked for, such as {example}; the answer is of the type {type}.")
                example = f"{{{self.names[0]!r}: ...}}"
                return Problem("wrong_type", text.format(example=example, type=type(answer).__name__))
        if not answer:
            return Problem("nonsense", _("The answer is empty."))
        return self._made(answer)

    def _made(self, given: Mapping[Any, object]) -> Sysctls | Problem:
        values = {}
        for written, entry in given.items():
            name = str(written).removeprefix("vm.")
            if name not in self.names:
                near = difflib.get_close_matches(name, self.names, 1, 0.0)[0]
                text = _("“{name}” is not to be set here. The nearest that is: {near}.")
                return Problem("nonsense", text.format(name=name[:40], near=near))
            value = _setting(name, entry)
            if isinstance(value, Problem):
                return Problem(value.kind, _at(name, value.text))
            values[name] = value
        try:
            return Sysctls(**values)
        except ValueError as refused:
            return Problem("out_of_range", _("The kernel refuses it: {message}.").format(message=refused))

    def _only_asked(self, sysctls: Sysctls) -> Sysctls | Problem:
        default = Sysctls()
        for field in fields(Sysctls):
            if field.name not in self.names and getattr(sysctls, field.name) != getattr(default, field.name):
                text = _("“{name}” is to be left at its default here.")
                return Problem("out_of_range", text.format(name=field.name))
        return sysctls

    def show(self, value: Any) -> str:
        """Write those asked for."""
        return ", ".join(f"{name} = {getattr(value, name)}" for name in self.names)


@dataclass(frozen=True)
class PfnRange(_Kind):
    """A range of page frame numbers: the first, and the one behind the last.

    >>> PfnRange(0, 1024).read((0, 512)), PfnRange(0, 1024).read(range(512, 1024)), PfnRange(0, 64).read((9, 2)).kind
    ((0, 512), (512, 1024), 'out_of_range')
    """

    first: int
    """First page frame number there is."""
    end: int
    """The one behind the last."""

    @property
    def asked(self) -> str:
        """Say the form and the bounds."""
        text = _("Two page frame numbers (start, end) from {first} to {end}; end is the one behind the last.")
        return text.format(first=self.first, end=self.end)

    def read(self, answer: object) -> Any:
        """Take (start, end)."""
        if isinstance(answer, range | slice):
            if answer.step not in (None, 1):
                return Problem(
                    "out_of_range", _("The range has gaps: its step is {step}.").format(step=answer.step)
                )
            answer = [answer.start, answer.stop]
        found = _entries(answer)
        if isinstance(found, Problem):
            return found
        if len(found) != 2:
            text = _("Two numbers are asked for, (start, end); the answer has {found}.")
            return Problem("out_of_range", text.format(found=len(found)))
        kind = Number("pages", self.first, self.end, whole=True)
        pair = [kind.read(entry) for entry in found]
        for value in pair:
            if isinstance(value, Problem):
                return value
        start, end = pair
        if start >= end:
            text = _("The range is empty: it begins at {start} and ends before {end}.")
            return Problem("out_of_range", text.format(start=start, end=end))
        return start, end

    def show(self, value: Any) -> str:
        """Write it as a pair."""
        return str(tuple(value))


@dataclass(frozen=True)
class Made(_Kind):
    """Something made with the library, such as a zone, a workload or a run.

    >>> Made((Sysctls,), "cl.Sysctls(...)").read(Sysctls).kind
    'wrong_type'
    """

    types: tuple[type, ...]
    """What it may be."""
    example: str
    """How to make one, as code."""

    @property
    def asked(self) -> str:
        """Say how to make one."""
        return _("What `{example}` makes.").format(example=self.example)

    def read(self, answer: object) -> Any:
        """Take it as it is."""
        if isinstance(answer, self.types):
            return answer
        if isinstance(answer, type):
            text = _("The answer is the class {type} itself; call it, as in `{example}`.")
            return Problem("wrong_type", text.format(type=answer.__name__, example=self.example))
        text = _("Asked for is what `{example}` makes; the answer is of the type {type}.")
        return Problem("wrong_type", text.format(example=self.example, type=type(answer).__name__))

    def show(self, value: Any) -> str:
        """Write its type."""
        return type(value).__name__


def _written(value: float) -> str:
    """Number as people read it: whole ones whole, others to three digits or a thousandth."""
    if isinstance(value, int | np.integer) or (math.isfinite(value) and float(value).is_integer()):
        return texts.count(value) if value >= 0 else f"−{texts.count(-value)}"
    return (
        f"{value:.3f}".rstrip("0").replace("-", "−")
        if abs(value) < 10
        else f"{value:,.1f}".replace(",", texts.NO_BREAK)
    )


def _at(where: str, problem: str) -> str:
    return _("{where}: {problem}").format(where=where, problem=problem)


def _plain(word: str) -> str:
    return re.sub(r"[\s_-]+", " ", word).strip(" .'\"`“”").casefold()


def _word(answer: object, options: tuple[str, ...]) -> str | Problem:
    if hasattr(answer, "ndim") and getattr(answer, "size", 0) == 1:
        answer = np.asarray(answer).ravel()[0]
    if answer is None:
        return Problem("nonsense", _("The answer is None: what was to compute it has given nothing back."))
    if not isinstance(answer, str):
        text = _("A word is asked for; the answer is of the type {type}.")
        return Problem("wrong_type", text.format(type=type(answer).__name__))
    if not answer.strip():
        return Problem("nonsense", _("The answer is empty."))
    for option in options:
        if _plain(option) == _plain(answer):
            return option
    near = difflib.get_close_matches(_plain(answer), [_plain(option) for option in options], 1, 0.6)
    text = _("“{answer}” is none of the words asked for: {options}.")
    if near:
        text = _("“{answer}” is none of the words asked for: {options}. Did you mean {near}?")
    meant = next((option for option in options if near and _plain(option) == near[0]), "")
    shown = answer if len(answer) <= 40 else f"{answer[:39]}…"
    return Problem("nonsense", text.format(answer=shown, options=", ".join(options), near=meant))


def _words(answer: object, options: tuple[str, ...]) -> list[str] | Problem:
    if isinstance(answer, str):
        answer = [part for part in re.split(r"\s*(?:[,;<>、，]|->|→)\s*", answer.strip()) if part]
    found = _entries(answer)
    if isinstance(found, Problem):
        return found
    words = []
    for entry in found:
        word = _word(entry, options)
        if isinstance(word, Problem):
            return word
        words.append(word)
    return words


def _entries(answer: object) -> list[Any] | Problem:
    """Entries of a list or of a one-dimensional array; not of text, which is no list."""
    if answer is None:
        return Problem("nonsense", _("The answer is None: what was to compute it has given nothing back."))
    if hasattr(answer, "ndim") and hasattr(answer, "dtype"):
        if answer.ndim != 1:
            text = _("A list is asked for; the answer is an array with {count} dimensions.")
            return Problem("wrong_type", text.format(count=answer.ndim))
        answer = np.asarray(answer).tolist()
    if not isinstance(answer, list | tuple | set | frozenset | range):
        if isinstance(answer, str) and not answer.strip():
            return Problem("nonsense", _("The answer is empty."))
        text = _("A list is asked for; the answer is of the type {type}.")
        return Problem("wrong_type", text.format(type=type(answer).__name__))
    return [*answer] if len(answer) else Problem("nonsense", _("The answer is an empty list."))


def _split(answer: object) -> object:
    """Numbers that stand in one text, as in a line of /proc/buddyinfo; anything else as it is."""
    if isinstance(answer, str) and re.fullmatch(r"[\[(]?\s*-?\d+(?:[\s,]+-?\d+)*\s*[\])]?", answer.strip()):
        return re.findall(r"-?\d+", answer)
    return answer


def _by_order(answer: Mapping[Any, object], nr_orders: int) -> dict[int, object] | Problem:
    if not answer:
        return Problem("nonsense", _("The answer is empty."))
    found = {}
    order = Number("order", most=nr_orders - 1, whole=True)
    for written, entry in answer.items():
        key = order.read(written)
        if isinstance(key, Problem):
            return key
        found[key] = entry
    return found


def _setting(name: str, entry: object) -> Any:
    """Value of one setting, of the type it has."""
    if name not in RANGES:
        wanted = type(getattr(Sysctls(), name))
        if isinstance(entry, wanted):
            return entry
        text = _("A value of the type {wanted} is asked for; this is of the type {type}.")
        return Problem("wrong_type", text.format(wanted=wanted.__name__, type=type(entry).__name__))
    return Number("times", least=-math.inf, whole=True).read(entry)
