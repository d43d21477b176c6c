"""Time stamps of every common shape, parsed from bytes to nanoseconds since 1970 in UTC."""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import jit
from .text import NO_STAMP, ZONE_ABSENT, ZONE_KNOWN, ZONE_UNKNOWN, _is_blank, _is_digit, _is_letter, _number

_SECOND = 1_000_000_000
_LATEST = 9_223_372_035 * _SECOND  # the last whole second that datetime64[ns] holds


def _codes(words: str) -> np.ndarray:
    return np.array([int.from_bytes(word.encode(), "big") for word in words.split()], np.int64)


_MONTHS = _codes("jan feb mar apr may jun jul aug sep oct nov dec")
_WEEKDAYS = _codes("mon tue wed thu fri sat sun")
_AM, _PM, _UTC, _GMT, _Z = _codes("am pm utc gmt z")
_DECORATION = np.frombuffer(b"=#-*[]<>,|@_ \t\r", np.uint8)


@jit
def _is_decoration(byte: int) -> bool:
    for other in _DECORATION:
        if byte == other:
            return True
    return False


@jit
def _fraction(text: np.ndarray, begin: int, end: int) -> tuple[int, int]:
    """Digits after ``.`` or ``,`` as nanoseconds, and where they end."""
    if begin + 1 >= end or (text[begin] != 46 and text[begin] != 44) or not _is_digit(text[begin + 1]):
        return 0, begin
    begin += 1
    value: Any = np.int64(0)
    unit: Any = np.int64(_SECOND)
    while begin < end and _is_digit(text[begin]):
        unit //= 10
        value += unit * (text[begin] - 48)
        begin += 1
    return value, begin


@jit
def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the Gregorian calendar."""
    if month <= 2:
        year -= 1
        month += 12
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + day - 719469


@jit
def _month_days(year: int, month: int) -> int:
    if month == 12:
        return 31
    return _days(year, month + 1, 1) - _days(year, month, 1)


@jit
def _six_digits(value: int) -> int:
    """Nanoseconds since midnight of a clock without colons, ``114254``; -1: it is none."""
    hour, minute, second = value // 10000, value // 100 % 100, value % 100
    if hour > 23 or minute > 59 or second > 60:
        return -1
    return (hour * 3600 + minute * 60 + second) * _SECOND


@jit
def _epoch(value: int, digits: int, fraction: int) -> tuple[int, int]:
    """Seconds, milli-, micro- or nanoseconds since 1970, told apart by their number of digits."""
    unit = 1
    if digits <= 11:
        unit = _SECOND
    elif digits <= 14:
        unit = 1_000_000
    elif digits <= 17:
        unit = 1000
    if value > _LATEST // unit:
        return 0, NO_STAMP
    return value * unit + fraction * (unit == _SECOND), ZONE_KNOWN


@jit
def _word_code(text: np.ndarray, begin: int, end: int) -> int:
    code: Any = np.int64(0)
    for position in range(begin, min(end, begin + 3)):
        code = (code << 8) | (text[position] | 32)
    return code


@jit
def _find(codes: np.ndarray, code: int) -> int:
    for i in range(codes.size):
        if codes[i] == code:
            return i
    return -1


@jit
def stamp(text: np.ndarray, begin: int, end: int) -> tuple[int, int]:
    """Nanoseconds since 1970 of one line, and how its time zone is told (NO_STAMP: it is no stamp)."""
    none = (0, NO_STAMP)
    year, month, day, clock, offset = -1, -1, -1, -1, 0
    zone, noon, at = ZONE_ABSENT, -1, begin
    while at < end:
        byte = text[at]
        if _is_digit(byte):
            value, stop = _number(text, at, end)
            digits = stop - at
            after = text[stop] if stop < end else 0
            if digits <= 2 and after == 58 and clock < 0:
                minute, at = _number(text, stop + 1, end)
                if at != stop + 3 or value > 23 or minute > 59:
                    return none
                second, nanosecond = 0, 0
                if at < end and text[at] == 58:
                    second, stop = _number(text, at + 1, end)
                    if stop != at + 3 or second > 60:
                        return none
                    nanosecond, at = _fraction(text, stop, end)
                clock = (value * 3600 + minute * 60 + second) * _SECOND + nanosecond
            elif digits == 4 and (after == 45 or after == 47) and year < 0:
                year = value
                month, at = _number(text, stop + 1, end)
                if at != stop + 3 or at >= end or text[at] != after:
                    return none
                stop = at
                day, at = _number(text, stop + 1, end)
                if at != stop + 3:
                    return none
            elif (digits == 8 or digits == 14) and year < 0 and month < 0 and day < 0 and clock < 0:
                if digits == 14:
                    clock = _six_digits(value % 1000000)
                    value //= 1000000
                year, month, day, at = value // 10000, value // 100 % 100, value % 100, stop
            elif digits == 6 and year >= 0 and day >= 0 and clock < 0:
                clock, at = _six_digits(value), stop
            elif digits >= 9 and digits <= 19 and year < 0 and month < 0 and day < 0 and clock < 0:
                nanosecond, at = _fraction(text, stop, end)
                while at < end:
                    if not _is_decoration(text[at]):
                        return none
                    at += 1
                return _epoch(value, digits, nanosecond)
            elif digits == 4 and year < 0:
                year, at = value, stop
            elif digits <= 2 and day < 0:
                day, at = value, stop
            else:
                return none
        elif _is_letter(byte):
            stop = at
            while stop < end and _is_letter(text[stop]):
                stop += 1
            code, size = _word_code(text, at, stop), stop - at
            at = stop
            if size == 1 and byte == 84 and year >= 0 and clock < 0:
                continue
            if (code == _Z and size == 1) or ((code in (_UTC, _GMT)) and size == 3):
                zone = ZONE_KNOWN
            elif code in (_AM, _PM):
                noon = 12 if code == _PM else 0
            elif month < 0 and 3 <= size <= 9 and _find(_MONTHS, code) >= 0:
                month = _find(_MONTHS, code) + 1
            elif clock >= 0 and zone == ZONE_ABSENT and 2 <= size <= 5 and byte <= 90:
                zone = ZONE_UNKNOWN
            elif not (3 <= size <= 9 and _find(_WEEKDAYS, code) >= 0):
                return none
        elif (
            (byte == 43 or byte == 45)
            and clock >= 0
            and zone == ZONE_ABSENT
            and at + 1 < end
            and _is_digit(text[at + 1])
        ):
            hours, stop = _number(text, at + 1, end)
            minutes = 0
            if stop - at == 5:
                hours, minutes = hours // 100, hours % 100
            elif stop < end and text[stop] == 58:
                minutes, stop = _number(text, stop + 1, end)
            if hours > 14 or minutes > 59:
                return none
            offset = (hours * 60 + minutes) * (60 if byte == 43 else -60)
            zone, at = ZONE_KNOWN, stop
        elif _is_blank(byte) or _is_decoration(byte):
            at += 1
        else:
            return none
    if year < 1970 or year > 2261 or month < 1 or month > 12 or day < 1 or clock < 0:
        return none
    if day > _month_days(year, month):
        return none
    if noon >= 0:
        clock = clock % (12 * 3600 * _SECOND) + noon * 3600 * _SECOND
    return (_days(year, month, day) * 86400 - offset) * _SECOND + clock, zone


@jit
def stamps(text: np.ndarray, begin: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nanoseconds since 1970 and the way the zone is told, for each piece of text."""
    time = np.zeros(begin.size, np.int64)
    zone = np.zeros(begin.size, np.uint8)
    for piece in range(begin.size):
        time[piece], zone[piece] = stamp(text, begin[piece], end[piece])
    return time, zone
