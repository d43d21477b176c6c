"""Five triggers: how much each does, and what a range needs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import texts
from ...metrics import summary
from ...simulation import workloads
from ...simulation.compact import compact_zone
from ...simulation.contig import alloc_contig_range
from ...simulation.loop import simulate
from ...simulation.starts import started
from ...simulation.zone import Zone
from ...texts import N_, _
from ..answers import InOrder, PfnRange
from ..exercise import Exercise, Judged, Mistake

_NOTEBOOK = "13-five-triggers"
_FIRST, _PAGES = 1 << 20, 8192
_SLAB = (1000, 3000, 6500)
_WANTED = 2048


def _by_work() -> tuple[str, ...]:
    """Triggers by the pages moved when each is set off once in the same zone."""
    zone = started(Zone("128 MiB"), "every second page")
    kept: dict[str, Any] = {"frames": 0, "keyframes": False}
    runs = {
        "direct": simulate(zone, workloads.huge_faults(faults=1), **kept),
        "kcompactd": simulate(zone, workloads.network_bursts(share=0.1, bursts=1), **kept),
        "proactive": simulate(zone, workloads.idle(seconds=10), **kept),
        "manual": compact_zone(zone, frames=2),
    }
    moved = {name: int(summary(run).migrated) for name, run in runs.items()}
    return tuple(sorted(moved, key=lambda name: moved[name]))


def _zone_with_slab() -> Zone:
    kinds = np.array(["anon", "free"] * (_PAGES // 2), object)
    kinds[list(_SLAB)] = "slab"
    return Zone.from_kinds(kinds.astype(str), start_pfn=_FIRST)


def _judge_range(asked: tuple[int, int]) -> Judged:
    start, end = asked
    told = {"start": start, "end": end, "pages": texts.count(end - start)}
    if end - start < _WANTED:
        return Judged(
            False,
            _("The range from {start} to {end} is too short: its length in pages is {pages}.").format(**told),
        )
    run = alloc_contig_range(_zone_with_slab(), start, end)
    told["result"] = run.attrs["config"]["alloc_contig_range"]["result"]
    if told["result"] == "success":
        told["moved"] = texts.count(int(summary(run).migrated))
        text = _("From {start} to {end}: {result}. {moved} pages were moved out of the way.")
        return Judged(True, text.format(**told))
    events = run["events"].to_dataset()
    refused = events.pfn.values[events.name.values == "compact_refused"]
    told["pfn"] = int(refused[0]) if refused.size else -1
    text = _("From {start} to {end}: {result}. The page frame {pfn} cannot be moved.")
    if told["result"] == "ENOMEM":
        text = _(
            "From {start} to {end}: {result}. There are too few free pages elsewhere to move its pages to."
        )
    return Judged(False, text.format(**told))


EXERCISES = (
    Exercise(
        name="triggers-by-work",
        notebook=_NOTEBOOK,
        task=N_(
            "Each of four triggers is set off once in the same fragmented zone of 128 MiB: one fault (direct), one burst of "
            "the network (kcompactd), the default proactiveness (proactive), one write to compact_memory (manual). "
            "Predict their order, the one that moves fewest pages first."
        ),
        answer=InOrder(("manual", "direct", "proactive", "kcompactd")),
        hints=(
            N_("What makes each of them stop? The sooner it has what it came for, the less it moves."),
            N_("One comes for a single block, one for a few, one for a score, and one does not stop before the scanners meet."),
        ),
        code=(
            "from compactlab.simulation.starts import started\n"
            'zone = started(cl.Zone("128 MiB"), "every second page")\n'
            "run = cl.simulate(zone, cl.workloads.huge_faults(faults=1))  # or another of the four\n"
            "cl.metrics.summary(run).migrated.item()"
        ),
        truth=_by_work,
        told=N_("{truth}: one block, a few blocks, a score, and all that can be done."),
        mistakes=(
            Mistake(lambda truth: truth[::-1], N_("That is the other way round: the most work first.")),
            Mistake(
                lambda truth: (truth[1], truth[0], *truth[2:]),
                N_("A fault wants one block and stops there; kcompactd is also to give back what the watermarks ask for."),
            ),
        ),
        right=(["direct", "kcompactd", "proactive", "manual"], "direct < kcompactd < proactive < manual"),
        wrong=(["manual", "proactive", "kcompactd", "direct"], "direct, proactive, kcompactd, manual", "kcompactd, direct, proactive, manual"),
    ),
    Exercise(
        name="a-range-to-be-had",
        notebook=_NOTEBOOK,
        task=N_(
            "A zone has the page frames 1048576 to 1056768. Every second page is a program's; the pages 1000, 3000 and 6500 "
            "from the first on are the kernel's own (slab). Find any range of at least 2048 pages that "
            "`alloc_contig_range` gets."
        ),
        answer=PfnRange(_FIRST, _FIRST + _PAGES),
        hints=(
            N_("Programs' pages are moved out of the way. The kernel's own are not."),
            N_("Between which two of the three pages are at least 2048 others? Add 1048576."),
        ),
        code=(
            "import numpy as np\n"
            'kinds = np.array(["anon", "free"] * 4096)\n'
            'kinds[[1000, 3000, 6500]] = "slab"\n'
            "zone = cl.Zone.from_kinds(kinds, start_pfn=1048576)\n"
            "run = cl.alloc_contig_range(zone, 1052672, 1054720)  # your range\n"
            'run.attrs["config"]["alloc_contig_range"]["result"]'
        ),
        judge=_judge_range,
        right=((1052672, 1054720), range(1051577, 1053700), [1048576 + 4096, 1048576 + 6144], np.array([1052000, 1054100])),
        wrong=((1048576, 1050624), (1054720, 1056768), (1052672, 1052673), (1048576, 1056768), (1051577, 1055076)),
    ),
)  # fmt: skip
