"""Scanner of traced events: lines ``t_ns cpu role event key=value ...``."""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import jit
from .text import _is_blank, _is_digit, _is_word, _number, _skip_blanks

TIME, CPU, ROLE, ROLE_END, EVENT, EVENT_END, GOOD = range(7)
LINE, KEY, KEY_END, VALUE, VALUE_END = range(5)


@jit
def _skip_text(text: np.ndarray, at: int, end: int) -> int:
    while at < end and not _is_blank(text[at]):
        at += 1
    return at


@jit
def _head(text: np.ndarray, at: int, end: int, fields: np.ndarray) -> int:
    """Fields before the arguments; returns where the arguments begin."""
    fields[TIME], stop = _number(text, at, end)
    if stop == at or stop - at > 18 or stop >= end:
        return end
    at = _skip_blanks(text, stop, end)
    fields[CPU], stop = _number(text, at, end)
    if stop == at or stop - at > 6 or stop >= end:
        return end
    fields[ROLE] = _skip_blanks(text, stop, end)
    fields[ROLE_END] = _skip_text(text, fields[ROLE], end)
    fields[EVENT] = _skip_blanks(text, fields[ROLE_END], end)
    fields[EVENT_END] = _skip_text(text, fields[EVENT], end)
    fields[GOOD] = fields[EVENT_END] > fields[EVENT]
    return fields[EVENT_END]


@jit
def _argument(text: np.ndarray, at: int, end: int, pair: np.ndarray) -> int:
    """Next ``key=value``: value in parentheses, or up to a blank, without a final comma."""
    while at < end:
        key = at
        while at < end and _is_word(text[at]):
            at += 1
        if at > key and at < end and text[at] == 61:
            pair[KEY], pair[KEY_END], pair[VALUE] = key, at, at + 1
            at += 1
            if at < end and text[at] == 40:
                while at < end and text[at] != 41:
                    at += 1
            at = _skip_text(text, at, end)
            stop = at
            while stop > pair[VALUE] and text[stop - 1] == 44:
                stop -= 1
            pair[VALUE_END] = stop
            return at
        if at == key:
            at += 1
    return -1


@jit
def scan(text: np.ndarray, begin: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fields(line, column) and arguments(n, column) of every line."""
    fields = np.zeros((begin.size, GOOD + 1), np.int64)
    most = 0
    for byte in text:
        most += byte == 61
    pairs = np.empty((most, VALUE_END + 1), np.int64)
    found = 0
    for line in range(begin.size):
        at = _head(text, begin[line], end[line], fields[line])
        while found < most:
            at = _argument(text, at, end[line], pairs[found])
            if at < 0:
                break
            pairs[found, LINE] = line
            found += 1
    return fields, pairs[:found].copy()


@jit
def integers(text: np.ndarray, begin: np.ndarray, end: np.ndarray, missing: int) -> np.ndarray:
    """Whole numbers, decimal or ``0x`` hexadecimal; ``missing`` where a piece is something else."""
    values = np.empty(begin.size, np.int64)
    for piece in range(begin.size):
        at, stop = begin[piece], end[piece]
        negative = at < stop and text[at] == 45
        at += negative
        value: Any = np.int64(0)
        is_number = at < stop
        if stop - at > 2 and text[at] == 48 and text[at + 1] == 120:
            for position in range(at + 2, stop):
                byte = text[position]
                digit = byte - 48 if _is_digit(byte) else (byte | 32) - 87
                is_number = is_number and (_is_digit(byte) or 97 <= (byte | 32) <= 102)
                value = value * 16 + digit
        else:
            value, at = _number(text, at, stop)
            is_number = is_number and at == stop
        values[piece] = (-value if negative else value) if is_number else missing
    return values
