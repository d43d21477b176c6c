"""What page tables cost: many processes, and pages placed so that they need just so many tables."""

from __future__ import annotations

from ... import texts
from ...pagetables import count, dense, touched
from ...texts import N_, _
from ..answers import Number, Numbers
from ..exercise import Exercise, Judged, Mistake
from ..quantities import Problem

_NOTEBOOK = "09-what-page-tables-cost"
_PROCESSES = 1000
_GIB = 1 << 30
_PAGES, _TABLES = 4, 8


def _gib_of_tables(page: str, processes: int = _PROCESSES) -> float:
    """Page tables of processes that share 8 GiB and touch all of it. Unit: GiB."""
    return int(count(dense("8 GiB", page, backing="shared")).vmpte) * processes / _GIB


def _judge_eight_tables(addresses: tuple[int, ...]) -> Judged | Problem:
    pages = touched(addresses)
    if len(pages) != _PAGES:
        why = _("Those addresses lie in {count} different pages; {asked} are asked for.")
        return Problem("nonsense", why.format(count=len(pages), asked=_PAGES))
    try:
        told = count(pages)
    except ValueError as error:
        return Problem("out_of_range", str(error))
    tables = {level: int(told.tables.sel(level=level)) for level in ("PUD", "PMD", "PTE")}
    found = sum(tables.values())
    text = _("{total} tables: {pud} PUD, {pmd} PMD and {pte} PTE tables, {size} in VmPTE.").format(
        total=found,
        pud=tables["PUD"], pmd=tables["PMD"], pte=tables["PTE"],
        size=texts.memory(int(told.vmpte), 1),
    )  # fmt: skip
    if found < _TABLES:
        return Judged(
            False, text + " " + _("Further apart, please: pages share tables with their neighbours.")
        )
    if found > _TABLES:
        return Judged(False, text + " " + _("Nearer to each other, please: pages far apart share nothing."))
    return Judged(True, text)


EXERCISES = (
    Exercise(
        name="a-thousand-processes",
        notebook=_NOTEBOOK,
        task=N_(
            "A database keeps 8 GiB of shared memory in pages of 4 KiB. Each of 1000 processes has touched all of it. "
            "Predict: how much memory do the page tables of the 1000 processes take together?"
        ),
        answer=Number("GiB", within=0.03),
        hints=(
            N_("Every process has tables of its own, also for memory that is shared."),
            N_("One entry of 8 bytes for each page of 4 KiB: a 512th of the memory, in each process."),
        ),
        code='1000 * int(cl.pagetables.count(cl.pagetables.dense("8 GiB", backing="shared")).vmpte) / 2**30',
        truth=lambda: _gib_of_tables("4 KiB"),
        told=N_("{truth}: twice what is stored. With huge pages of 2 MiB it would be 35 MiB."),
        mistakes=(
            Mistake(lambda truth: truth / _PROCESSES, N_("That is what one process needs.")),
            Mistake(lambda _truth: _gib_of_tables("2 MiB"), N_("That would be right with huge pages of 2 MiB.")),
            Mistake(lambda _truth: 8.0, N_("That is the memory that is shared, not its page tables.")),
            Mistake(lambda _truth: 8.0 * _PROCESSES, N_("The memory itself is there once; only its tables are not.")),
        ),
        right=("15.66 GiB", 15.7, "16000 MiB"),
        wrong=(8, 0.0157, 8000, 30),
    ),
    Exercise(
        name="eight-tables",
        notebook=_NOTEBOOK,
        task=N_(
            "Find the addresses of any four pages of 4 KiB that need exactly 8 tables below the topmost one, on x86-64 "
            "with four levels. The addresses are walked."
        ),
        answer=Numbers("B", fewest=_PAGES, many=_PAGES, most=(1 << 47) - 1),
        hints=(
            N_("Side by side four pages need 3 tables, each in a part of 512 GiB of its own they need 12."),
            N_("A PTE table stands for 2 MiB, a PMD table for 1 GiB, a PUD table for 512 GiB."),
            N_("One PUD table, as many PMD tables as there are GiB, as many PTE tables as there are pieces of 2 MiB."),
        ),
        code=(
            "addresses = [0, 2**12, 2**21, 2**30]  # yours\n"
            "told = cl.pagetables.count(cl.pagetables.touched(addresses))\n"
            "told.tables.values[1:].sum(), told.tables.values"
        ),
        judge=_judge_eight_tables,
        right=([0, 1 << 21, 1 << 30, 2 << 30], (0, 1 << 21, 1 << 22, 3 << 39), [5, 1 << 21, 1 << 30, 2 << 30]),
        wrong=([0, 4096, 8192, 12288], [0, 1 << 39, 2 << 39, 3 << 39], [0, 1 << 30, 2 << 30, 3 << 30]),
    ),
)  # fmt: skip
