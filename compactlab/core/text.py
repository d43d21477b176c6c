"""Byte scanners of the readers: uint8 arrays in, integers out.

A text is ``text(byte)``; a piece of it is a pair of byte positions, begin and end (exclusive).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import jit

# Classes of a line, by what it looks like.
BLANK, RECORD, ZONE, COUNTS, INDICES, TYPED, COUNTER, BODY, BLOCK, TYPES, BLOCKS, MIXED, OTHER, BAD = range(
    14
)

# Columns of the fields of a line.
NUMBER, NAME, NAME_END, TYPE, TYPE_END, VALUES, WIDTH = range(7)

# How a time stamp tells its time zone.
NO_STAMP, ZONE_KNOWN, ZONE_ABSENT, ZONE_UNKNOWN = range(4)

_MAX_PAGES = 1 << 52  # more than any machine addresses; keeps sums of pages inside int64

_PAGE_BLOCK = np.frombuffer(b"Page block order:", np.uint8)
_PAGES_PER = np.frombuffer(b"Pages per block:", np.uint8)
_FREE_PAGES = np.frombuffer(b"Free pages count per migrate type", np.uint8)
_BLOCKS = np.frombuffer(b"Number of blocks type", np.uint8)
_MIXED = np.frombuffer(b"Number of mixed blocks", np.uint8)
_NODE = np.frombuffer(b"Node", np.uint8)
_ZONE = np.frombuffer(b"zone", np.uint8)
_TYPE = np.frombuffer(b"type", np.uint8)
_PAGES = np.frombuffer(b"pages", np.uint8)


@jit
def _is_blank(byte: int) -> bool:
    return byte == 32 or byte == 9 or byte == 13


@jit
def _is_digit(byte: int) -> bool:
    return 48 <= byte <= 57


@jit
def _is_letter(byte: int) -> bool:
    return 65 <= byte <= 90 or 97 <= byte <= 122


@jit
def _is_word(byte: int) -> bool:
    return _is_letter(byte) or _is_digit(byte) or byte == 95


@jit
def _skip_blanks(text: np.ndarray, begin: int, end: int) -> int:
    while begin < end and _is_blank(text[begin]):
        begin += 1
    return begin


@jit
def _skip_word(text: np.ndarray, begin: int, end: int) -> int:
    while begin < end and _is_word(text[begin]):
        begin += 1
    return begin


@jit
def _starts_with(text: np.ndarray, begin: int, end: int, prefix: np.ndarray) -> bool:
    if end - begin < prefix.size:
        return False
    for i in range(prefix.size):
        if text[begin + i] != prefix[i]:
            return False
    return True


@jit
def _number(text: np.ndarray, begin: int, end: int) -> tuple[int, int]:
    """Decimal digits from begin: value (modulo 2**64, as the kernel's own negatives print) and end."""
    value: Any = np.int64(0)  # not 0: uncompiled, it would take the small type of the bytes
    while begin < end and _is_digit(text[begin]):
        value = value * 10 + (text[begin] - 48)
        begin += 1
    return value, begin


@jit
def lines(text: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Begin and end (blanks and the newline stripped from the right) of every line."""
    n = 0
    for byte in text:
        n += byte == 10
    if text.size and text[text.size - 1] != 10:
        n += 1
    begin, end = np.empty(n, np.int64), np.empty(n, np.int64)
    at, line = 0, 0
    for position in range(text.size + 1):
        if position == text.size or text[position] == 10:
            if position == text.size and at == position:
                break
            stop = position
            while stop > at and _is_blank(text[stop - 1]):
                stop -= 1
            begin[line], end[line] = at, stop
            line += 1
            at = position + 1
    return begin, end


@jit
def _index_value(text: np.ndarray, begin: int, end: int) -> int:
    """End of a debugfs index such as ``-1.000`` or ``0.-500``, or -1 if there is none."""
    if begin < end and text[begin] == 45:
        begin += 1
    _, dot = _number(text, begin, end)
    if dot == begin or dot - begin > 4 or dot >= end or text[dot] != 46:
        return -1
    dot += 1
    if dot < end and text[dot] == 45:
        dot += 1
    _, stop = _number(text, dot, end)
    return stop if 0 < stop - dot <= 4 else -1


@jit
def _values(text: np.ndarray, begin: int, end: int, typed: bool) -> tuple[int, int]:
    """Class and number of the values of a row: counts, indices, none or bad."""
    width, found = 0, ZONE
    at = _skip_blanks(text, begin, end)
    while at < end:
        censored = typed and text[at] == 62
        value, stop = _number(text, at + censored, end)
        if stop > at + censored and (stop == end or _is_blank(text[stop])):
            this = COUNTS
            if stop - at > 18 or width > 40 or value > _MAX_PAGES >> width:
                return BAD, width
        else:
            stop = _index_value(text, at, end)
            this = INDICES
            if stop < 0 or (stop < end and not _is_blank(text[stop])):
                return BAD, width
        if found not in (ZONE, this):
            return BAD, width
        found = this
        width += 1
        at = _skip_blanks(text, stop, end)
    return found, width


@jit
def _row(text: np.ndarray, begin: int, end: int, fields: np.ndarray) -> int:
    """Class and fields of a line that starts with ``Node``."""
    at = _skip_blanks(text, begin + 4, end)
    node, stop = _number(text, at, end)
    if stop == at or stop - at > 9 or stop >= end or text[stop] != 44:
        return OTHER
    at = _skip_blanks(text, stop + 1, end)
    if not _starts_with(text, at, end, _ZONE):
        return OTHER
    at = _skip_blanks(text, at + 4, end)
    stop = _skip_word(text, at, end)
    if stop == at:
        return BAD
    fields[NUMBER], fields[NAME], fields[NAME_END] = node, at, stop
    at, typed = stop, False
    if at < end and text[at] == 44:
        at = _skip_blanks(text, at + 1, end)
        if not _starts_with(text, at, end, _TYPE):
            return BAD
        at = _skip_blanks(text, at + 4, end)
        stop = _skip_word(text, at, end)
        if stop == at:
            return BAD
        fields[TYPE], fields[TYPE_END], typed = at, stop, True
        at = stop
    if at < end and not _is_blank(text[at]):
        return BAD
    fields[VALUES] = at
    found, fields[WIDTH] = _values(text, at, end, typed)
    if typed:
        return TYPED if found == COUNTS else BAD
    return found


@jit
def _body(text: np.ndarray, begin: int, end: int, fields: np.ndarray) -> int:
    """Key and first number of a line of zoneinfo: ``min 14``, ``pages free 5``, ``count: 3``."""
    at = _skip_blanks(text, begin, end)
    stop = _skip_word(text, at, end)
    if _starts_with(text, at, stop, _PAGES) and stop - at == 5:
        stop = _skip_word(text, _skip_blanks(text, stop, end), end)
    if stop < end and text[stop] == 58:
        stop += 1
    fields[NAME], fields[NAME_END], fields[VALUES] = at, stop, stop
    at = stop
    while at < end and not _is_digit(text[at]):
        at += 1
    fields[NUMBER], stop = _number(text, at, end)
    fields[WIDTH] = stop > at
    return BODY


@jit
def _counter(text: np.ndarray, begin: int, end: int, fields: np.ndarray) -> int:
    """Key and value of a line such as ``compact_stall 12``."""
    stop = _skip_word(text, begin, end)
    at = _skip_blanks(text, stop, end)
    if stop == begin or at == stop:
        return OTHER
    fields[NAME], fields[NAME_END], fields[VALUES] = begin, stop, at
    negative = at < end and text[at] == 45
    value, last = _number(text, at + negative, end)
    if last == at + negative or last != end or last - at > 20:
        return OTHER
    fields[NUMBER] = -value if negative else value
    return COUNTER


@jit
def _class(text: np.ndarray, begin: int, end: int, fields: np.ndarray) -> int:
    if begin == end:
        return BLANK
    first = text[begin]
    if first == 64 and end - begin > 1 and text[begin + 1] == 64:
        return RECORD
    if _is_blank(first):
        return _body(text, begin, end, fields)
    if _starts_with(text, begin, end, _NODE):
        return _row(text, begin, end, fields)
    if first == 80:
        block = _starts_with(text, begin, end, _PAGE_BLOCK)
        if block or _starts_with(text, begin, end, _PAGES_PER):
            at = begin + (_PAGE_BLOCK.size if block else _PAGES_PER.size)
            at = _skip_blanks(text, at, end)
            fields[NUMBER], stop = _number(text, at, end)
            fields[WIDTH] = block and stop == end and stop > at
            return BLOCK
    if _starts_with(text, begin, end, _FREE_PAGES):
        return TYPES
    if _starts_with(text, begin, end, _BLOCKS):
        fields[VALUES] = begin + _BLOCKS.size
        return BLOCKS
    if _starts_with(text, begin, end, _MIXED):
        fields[VALUES] = begin + _MIXED.size
        return MIXED
    if _is_letter(first) or first == 95:
        return _counter(text, begin, end, fields)
    for position in range(begin, end):
        if _is_word(text[position]) or text[position] > 127:
            return OTHER
    return BLANK


@jit
def classify(text: np.ndarray, begin: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class of every line, and its fields(line, column)."""
    classes = np.empty(begin.size, np.uint8)
    fields = np.zeros((begin.size, WIDTH + 1), np.int64)
    for line in range(begin.size):
        classes[line] = _class(text, begin[line], end[line], fields[line])
    return classes, fields


@jit
def counts_into(
    text: np.ndarray, begin: np.ndarray, end: np.ndarray, nr_free: np.ndarray, censored: np.ndarray
) -> None:
    """Parse rows of counts that ``classify`` accepted: row n goes to nr_free(n, :), blocks."""
    for row in range(begin.size):
        at, column = begin[row], 0
        while True:
            at = _skip_blanks(text, at, end[row])
            if at >= end[row]:
                break
            if text[at] == 62:
                censored[row, column] = True
                at += 1
            nr_free[row, column], at = _number(text, at, end[row])
            column += 1


@jit
def counts_at(
    text: np.ndarray,
    begin: np.ndarray,
    end: np.ndarray,
    sample: np.ndarray,
    zone: np.ndarray,
    nr_free: np.ndarray,
) -> None:
    """Parse rows of counts to nr_free(sample, zone, order), blocks."""
    for row in range(begin.size):
        at, order = begin[row], 0
        out = nr_free[sample[row], zone[row]]
        while True:
            at = _skip_blanks(text, at, end[row])
            if at >= end[row]:
                break
            out[order], at = _number(text, at, end[row])
            order += 1


@jit
def thousandths_at(
    text: np.ndarray,
    begin: np.ndarray,
    end: np.ndarray,
    sample: np.ndarray,
    zone: np.ndarray,
    index: np.ndarray,
) -> None:
    """Parse rows of debugfs indices to index(sample, zone, order), thousandths."""
    for row in range(begin.size):
        at, order = begin[row], 0
        while True:
            at = _skip_blanks(text, at, end[row])
            if at >= end[row]:
                break
            sign = 1
            if text[at] == 45:
                sign, at = -1, at + 1
            whole, at = _number(text, at, end[row])
            at += 1
            if text[at] == 45:  # C truncates both halves towards zero: -500 prints as 0.-500
                sign, at = -1, at + 1
            rest, at = _number(text, at, end[row])
            index[sample[row], zone[row], order] = sign * (whole * 1000 + rest)
            order += 1


@jit
def numbers_in(text: np.ndarray, begin: np.ndarray, end: np.ndarray, out: np.ndarray) -> np.ndarray:
    """All whole numbers of each piece, whatever stands between, to out(piece, n); returns how many."""
    found = np.zeros(begin.size, np.int64)
    for piece in range(begin.size):
        at = begin[piece]
        while at < end[piece]:
            if _is_digit(text[at]):
                value, at = _number(text, at, end[piece])
                if found[piece] < out.shape[1]:
                    out[piece, found[piece]] = value
                found[piece] += 1
            else:
                at += 1
    return found


@jit
def _same(text: np.ndarray, begin: int, end: int, other_begin: int, other_end: int) -> bool:
    if end - begin != other_end - other_begin:
        return False
    for i in range(end - begin):
        if text[begin + i] != text[other_begin + i]:
            return False
    return True


@jit
def intern(text: np.ndarray, begin: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give numbers to pieces of text by content: id(piece), and the first piece of each id."""
    size = 16
    while size < 2 * begin.size:
        size *= 2
    table = np.full(size, -1, np.int32)
    ids = np.empty(begin.size, np.int32)
    first = np.empty(begin.size, np.int64)
    known = 0
    for piece in range(begin.size):
        slot = np.uint64(14695981039346656037)
        for position in range(begin[piece], end[piece]):
            slot = (slot ^ np.uint64(text[position])) * np.uint64(1099511628211)
        at = np.int64((slot ^ (slot >> np.uint64(29))) & np.uint64(size - 1))
        while table[at] >= 0:
            other = first[table[at]]
            if _same(text, begin[piece], end[piece], begin[other], end[other]):
                break
            at = (at + 1) & (size - 1)
        if table[at] < 0:
            table[at] = known
            first[known] = piece
            known += 1
        ids[piece] = table[at]
    return ids, first[:known].copy()
