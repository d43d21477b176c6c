"""When a server is compacted: policies as a person says them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from ..simulation.workloads.daily import HOURS
from ..texts import N_, _

_FORMS = (
    ("never", re.compile(r"never")),
    ("at", re.compile(r"at (\d{1,2}(?::\d\d)?(?:(?:, | and |,)\d{1,2}(?::\d\d)?)*)")),
    ("every", re.compile(r"every (\d{1,2})(?: ?h| hours?)?")),
    ("above", re.compile(r"above (\d{1,3})(?: ?%)?")),
    ("proactive", re.compile(r"proactive (\d{1,3})")),
)
_WORDS = {
    "never": N_("never"),
    "at": N_("at {hours}"),
    "every": N_("every {hours} h"),
    "above": N_("above {percent} %"),
    "proactive": N_("proactive {value}"),
}
_EXPECTED = "'never', 'at 4:00', 'at 4:00 and 16:00', 'every 6 h', 'above 90 %' or 'proactive 20'"


class Policy(NamedTuple):
    """When memory is compacted, beside what requests and kcompactd do for themselves."""

    name: str
    kind: str
    """never, at (hours of the day), every (so many hours), above (a score), proactive (by the kernel)."""
    value: float
    """Hour, hours, percent or proactiveness; -1 where there is none, or several hours."""
    parameters: dict[str, Any]
    """Of a day, and the sysctl of proactive compaction."""


def policy_of(text: str) -> Policy:
    """Read a policy.

    "at 4:00": somebody writes to vm.compact_memory then. "every 6 h": at midnight and every 6 hours from there.
    "above 90 %": every half hour somebody looks, and does if over 90 % of free memory is in blocks too small
    for a huge page. "proactive 20": the kernel's own, with vm.compaction_proactiveness at 20. All but
    the last switch proactive compaction off, so that each shows what it does alone.

    Raises
    ------
    ValueError
        If it is none of these.

    Examples
    --------
    >>> policy_of("at 4").name, policy_of("every 8 hours").parameters["compact"]
    ('at 4:00', (0.0, 8.0, 16.0))
    """
    told = " ".join(str(text).split()).lower()
    for kind, form in _FORMS:
        found = form.fullmatch(told)
        if found:
            return _policy(kind, [*found.groups(), ""][0], text)
    raise ValueError(f"policy {text!r}; expected {_EXPECTED}")


def in_words(name: str) -> str:
    """Name of a policy in the language chosen now.

    >>> in_words("at 4:00 and 16:00")
    'at 4:00 and 16:00'
    """
    policy = policy_of(name)
    hours = policy.name.removeprefix("at ").split(" and ") if policy.kind == "at" else [f"{policy.value:g}"]
    return _(_WORDS[policy.kind]).format(
        hours=_(" and ").join(hours), percent=f"{policy.value:g}", value=f"{policy.value:g}"
    )


def _policy(kind: str, number: str, text: str) -> Policy:
    off = {"compaction_proactiveness": 0}
    if kind == "never":
        return Policy("never", kind, -1, off)
    if kind == "at":
        hours = sorted({_hour(each, text) for each in re.findall(r"[\d:]+", number)})
        name = f"at {' and '.join(clock(hour) for hour in hours)}"
        return Policy(name, kind, hours[0] if len(hours) == 1 else -1, off | {"compact": tuple(hours)})
    value = int(number)
    if kind == "every":
        _check(1 <= value <= HOURS, text, "1 to 24 hours")
        hours = [float(hour) for hour in range(0, HOURS, value)]
        return Policy(f"every {value} h", kind, value, off | {"compact": tuple(hours)})
    _check(value <= 100, text, "0 to 100")
    if kind == "above":
        return Policy(f"above {value} %", kind, value, off | {"compact_above": value / 100})
    return Policy(f"proactive {value}", kind, value, {"compaction_proactiveness": value})


def _hour(told: str, text: str) -> float:
    hour, _colon, minutes = told.partition(":")
    _check(int(hour) < HOURS and int(minutes or 0) < 60, text, "0:00 to 23:59")
    return int(hour) + int(minutes or 0) / 60


def _check(holds: bool, text: str, expected: str) -> None:
    if not holds:
        raise ValueError(f"policy {text!r}; expected {expected}")


def clock(hour: float) -> str:
    """Hour of the day as clocks show it.

    >>> clock(4), clock(18.5)
    ('4:00', '18:30')
    """
    minutes = round(hour * 60)
    return f"{minutes // 60 % HOURS}:{minutes % 60:02d}"


def policies_of(texts: Iterable[str]) -> dict[str, Policy]:
    """Read policies, each once, with "never" in front: the others are measured against it."""
    found = [policy_of("never"), *(policy_of(text) for text in texts)]
    return {each.name: each for each in found}
