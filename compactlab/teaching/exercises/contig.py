"""A contiguous range: where it can be had."""

from __future__ import annotations

import numpy as np

from ... import texts
from ...schema import NAMES
from ...simulation.contig import alloc_contig_range
from ...simulation.zone import Zone
from ...texts import N_, _
from ..answers import PfnRange
from ..exercise import Exercise, Judged
from ..quantities import Problem

_FIRST, _PAGES, _WANTED = 1 << 20, 16 * 512, 4 * 512
_PGTABLE = (2 * 512 + 40, 7 * 512 + 300, 13 * 512 + 8)
_PINNED = 10 * 512 + 100


def _zone() -> Zone:
    """Every second page in use, three page tables and one pinned page."""
    at = np.arange(_PAGES)
    kind = np.where(np.isin(at, _PGTABLE), "pgtable", np.where(at % 2 == 0, "anon", "free"))
    return Zone.from_kinds(kind, flags={"pinned": [_PINNED]})


def _judge(pair: tuple[int, int]) -> Judged | Problem:
    start, end = pair
    if end - start != _WANTED:
        text = _("The range has {found} pages; asked for are {wanted}, 8 MiB.")
        found, wanted = texts.count(end - start), texts.count(_WANTED)
        return Problem("out_of_range", text.format(found=found, wanted=wanted))
    run = alloc_contig_range(_zone(), start, end)
    moved = texts.count(run["moves"].sizes["move"] if "moves" in run.children else 0)
    if run.attrs["config"]["alloc_contig_range"]["result"] == "success":
        return Judged(True, _("Given: {moved} pages moved out of it.").format(moved=moved))
    events = run["events"].to_dataset()
    last = events.isel(event=np.flatnonzero(events["name"].to_numpy() == "compact_refused")[-1])
    pfn = int(last.pfn)
    kind = NAMES["pages"]["kinds"][int(run["pages"].kind.to_numpy()[0, pfn - _FIRST])]
    if kind == "anon":
        why = _("Refused, after {moved} pages had moved: page frame {pfn} is pinned.")
    else:
        why = _("Refused at once: page frame {pfn} is a page table and cannot move.")
    return Judged(False, why.format(moved=moved, pfn=pfn))


EXERCISES = (
    Exercise(
        name="room-for-eight-mib",
        notebook="08-a-contiguous-range",
        task=N_(
            "A zone of 32 MiB has page frames 1048576 to 1056768, 16 pageblocks of 512. Every second page is in use by "
            "programs. Three page tables lie at 1049640, 1052460 and 1055240, one pinned page at 1053796. Find a range "
            "of 8 MiB (2048 pages) that alloc_contig_range can give."
        ),
        answer=PfnRange(_FIRST, _FIRST + _PAGES),
        hints=(
            N_("Between which two of the four pages are there 2048 page frames?"),
            N_("Between 1049640 and 1052460. The range need not begin with a pageblock."),
        ),
        code=(
            "import numpy as np\n"
            "at = np.arange(8192)\n"
            'kind = np.where(np.isin(at, [1064, 3884, 6664]), "pgtable", np.where(at % 2 == 0, "anon", "free"))\n'
            'zone = cl.Zone.from_kinds(kind, flags={"pinned": [5220]})\n'
            "run = cl.alloc_contig_range(zone, 1048576, 1050624)  # your range\n"
            'run.attrs["config"]["alloc_contig_range"]["result"]'
        ),
        judge=_judge,
        right=(
            (_FIRST + 3 * 512, _FIRST + 7 * 512),
            range(_FIRST + 3 * 512, _FIRST + 7 * 512),
            [_FIRST + 1100, _FIRST + 1100 + _WANTED],
        ),
        wrong=(
            (_FIRST, _FIRST + _WANTED),
            (_FIRST + 8 * 512, _FIRST + 12 * 512),
            (_FIRST + 4 * 512, _FIRST + 8 * 512),
        ),
    ),
)  # fmt: skip
