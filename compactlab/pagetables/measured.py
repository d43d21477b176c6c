"""What a kernel charged for page tables: recorded once, or measured now with the same program."""

from __future__ import annotations

import csv
import json
from functools import lru_cache
from typing import NamedTuple

import xarray as xr

from ..datasets import program
from ..programs import CannotRunError, output
from ..texts import _
from .layout import layout
from .mapping import Mapping, Range, checked

NUMBERS = ("touched", "after", "unmapped", "huge")
_BACKING = {"shared": "shared", "sharedthp": "shared", "hugetlb": "pool"}


class _Recorded(NamedTuple):
    """One mapping of the recording."""

    rows: list[dict[str, str]]

    @property
    def processes(self) -> int:
        return int(self.rows[0]["processes"])

    @property
    def then(self) -> str:
        return self.rows[0]["then"]

    @property
    def numbers(self) -> list[int]:
        return [int(self.rows[0][name]) for name in NUMBERS]

    @property
    def words(self) -> list[str]:
        """What the program is given."""
        return [row[name] for row in self.rows for name in ("start", "length", "every", "backing")]

    @property
    def ranges(self) -> list[Range]:
        return [_range(row) for row in self.rows if row["backing"] != "none"]


def recorded() -> xr.Dataset:
    """What a kernel charged for the mappings of the recording `page-tables`.

    Returns
    -------
        By `mapping`, in bytes of VmPTE above what there was before: once its pages were `touched` (summed over
        `processes`, if more than the program itself), `after` what was done `then`, and once it was `unmapped`;
        `huge`: bytes of it that huge entries mapped. :func:`ranges` has the mapping itself.

    Examples
    --------
    >>> int(recorded().touched.sel(mapping="1 GiB of transparent huge pages"))
    2105344
    """
    told = _recording()
    columns = zip(*(each.numbers for each in told.values()), strict=True)
    data = {
        name: ("mapping", list(column), {"units": "bytes"})
        for name, column in zip(NUMBERS, columns, strict=True)
    }
    return xr.Dataset(
        {
            **data,
            "processes": ("mapping", [max(each.processes, 1) for each in told.values()]),
            "then": ("mapping", [each.then for each in told.values()]),
        },
        {"mapping": list(told)},
        {"source": "recorded", "kernel": _kernel()},
    )


def ranges(name: str) -> list[Range]:
    """A mapping of the recording, for :func:`count`; what was never touched is not in it.

    Raises
    ------
    KeyError
        If there is no mapping of that name; the message has the names.

    Examples
    --------
    >>> ranges("one page")
    [Range(start=17592186044416, length=4096, page_size=4096, every=4096, backing='private')]
    """
    return _named(name).ranges


def measure(mapping: str | Mapping, seconds: float = 20) -> xr.Dataset:
    """What the kernel of this machine charges for a mapping; the recorded numbers where it cannot be asked.

    A small C program maps the ranges, touches them, and reads VmPTE of its /proc/self/status. It needs Linux
    and gcc; huge pages need a system that gives them. Memory that is touched is needed for that moment.

    Parameters
    ----------
    mapping
        Name of a recorded mapping, which is then repeated, or ranges as for :func:`count`.
    seconds
        Most that building the program, and running it, may each take.

    Returns
    -------
        `touched`, `after`, `unmapped`, `huge` as in :func:`recorded`. `source` in its attributes says whether
        it was measured or recorded, and `why`, if it was not measured.

    Raises
    ------
    RuntimeError
        If it cannot be measured here, and has not been recorded either.
    """
    if isinstance(mapping, str):
        known: _Recorded | None = _named(mapping)
    else:
        asked = checked(mapping, layout())
        known = next((each for each in _recording().values() if _same(each.ranges, asked)), None)
    words = known.words if known else [word for each in asked for word in _words(each)]
    options = ["-n", str(known.processes), "-t", known.then] if known else []
    source, why = "measured here", ""
    try:
        source_code = program("page-tables") / "page-tables.c"
        numbers = [
            int(number) for number in output(source_code, *options, *words, seconds=seconds).split(",")
        ]
    except CannotRunError as error:
        source, why = "recorded", str(error)
        if known is None:
            names = ", ".join(map(repr, _recording()))
            raise RuntimeError(f"cannot measure this mapping: {why}. Recorded are: {names}") from None
        numbers = known.numbers
    text = _("Measured on this machine.") if not why else _("Recorded numbers: {why}.").format(why=why)
    return xr.Dataset(
        {name: ((), number, {"units": "bytes"}) for name, number in zip(NUMBERS, numbers, strict=True)},
        attrs={"source": source, "why": why, "text": text},
    )


@lru_cache(maxsize=1)
def _recording() -> dict[str, _Recorded]:
    told: dict[str, _Recorded] = {}
    with open(program("page-tables") / "measured.csv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            told.setdefault(row["mapping"], _Recorded([])).rows.append(row)
    return told


def _kernel() -> str:
    description = (program("page-tables") / "dataset.json").read_text(encoding="utf-8")
    return str(json.loads(description)["kernel"])


def _named(name: str) -> _Recorded:
    if name not in _recording():
        known = "; ".join(_recording())
        raise KeyError(f"no mapping was recorded as {name!r}; there are: {known}")
    return _recording()[name]


def _range(row: dict[str, str]) -> Range:
    page_size, every = int(row["page_size"]), int(row["every"])
    return Range(
        int(row["start"], 16), int(row["length"]), page_size, every, _BACKING.get(row["backing"], "private")
    )


def _same(first: list[Range], second: list[Range]) -> bool:
    return [_plain(each) for each in first] == [_plain(each) for each in second]


def _plain(each: Range) -> tuple[object, ...]:
    return each.start, each.nr_pages, each.page_size, each.distance, each.backing


def _words(each: Range) -> list[str]:
    """The range as the program is given it."""
    small = each.page_size == layout().granule
    if each.backing == "pool":
        backing = "hugetlb"
    elif each.backing == "shared":
        backing = "shared" if small else "sharedthp"
    else:
        backing = "small" if small else "thp"
    return [hex(each.start), str(each.length), str(each.distance), backing]
