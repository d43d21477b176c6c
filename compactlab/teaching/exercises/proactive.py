"""Proactive compaction: where it starts, and what it can give."""

from __future__ import annotations

from typing import Any

import xarray as xr

from ... import texts
from ...metrics import compaction_runs, fragmentation_score, summary
from ...simulation import workloads
from ...simulation.loop import simulate
from ...simulation.presets import Sysctls
from ...simulation.starts import started
from ...simulation.tuning import with_sysctls
from ...simulation.zone import Zone
from ...texts import N_, _
from ..answers import Number, Settings
from ..exercise import Exercise, Judged, Mistake

_NOTEBOOK = "14-proactiveness-from-0-to-100"
_ASKED = 35
_KEPT: dict[str, Any] = {"frames": 0, "keyframes": False, "samples": 60}
_FAULTS = 16


def _mark(name: str, proactiveness: int) -> int:
    """High or low mark of a proactiveness, from the run of a small zone."""
    run = simulate(Zone("16 MiB"), workloads.idle(seconds=1), **_KEPT)
    return int(fragmentation_score(run, proactiveness)[name])


def _judge_start(sysctls: Sysctls) -> Judged:
    machine = [
        Zone("16 MiB", name="DMA32", sysctls=sysctls),
        Zone("112 MiB", name="Normal", sysctls=sysctls),
    ]
    run = simulate(machine, workloads.punch(fill=0.85, demand=0, settle_s=60), **_KEPT)
    score = fragmentation_score(run, sysctls.compaction_proactiveness)
    ran = int((compaction_runs(run).who == "proactive").sum())
    told = {
        "value": sysctls.compaction_proactiveness,
        "most": int(score.score.max()),
        "mark": int(score.wmark_high),
        "runs": texts.count(ran),
        "time": texts.duration(float(summary(run).cpu_kcompactd)),
    }
    if ran:
        text = _(
            "At {value} it starts above {mark}, which the node passes: {runs} compactions, {time} of kcompactd."
        )
        return Judged(True, text.format(**told))
    text = _(
        "At {value} it starts above {mark}, but the node scores no more than {most}: kcompactd does nothing."
    )
    if not sysctls.compaction_proactiveness:
        text = _("At {value} there is no proactive compaction at all.")
    return Judged(False, text.format(**told))


def _judge_nobody_waits(sysctls: Sysctls) -> Judged:
    zone = with_sysctls(started(Zone("128 MiB"), "every second page"), sysctls)
    run = simulate(
        zone, workloads.sequence(workloads.idle(seconds=30), workloads.huge_faults(faults=_FAULTS)), **_KEPT
    )
    asked = run["allocations"].to_dataset() if "allocations" in run.children else xr.Dataset()
    waited, got = (int((asked[name].values > 0).sum()) for name in ("compact_stall", "success"))
    told = {"waited": waited, "got": got, "faults": _FAULTS}
    if waited:
        text = _("{waited} of {faults} requests had to compact for themselves: their programs waited.")
        return Judged(False, text.format(**told))
    if got < _FAULTS:
        text = _("Nobody waited, but only {got} of {faults} huge pages were had: the others got small pages.")
        return Judged(False, text.format(**told))
    text = _(
        "All {faults} huge pages were had and no program compacted; kcompactd had done {time} of work before."
    )
    return Judged(True, text.format(**told, time=texts.duration(float(summary(run).cpu_kcompactd))))


EXERCISES = (
    Exercise(
        name="where-it-starts",
        notebook=_NOTEBOOK,
        task=N_("Predict: with `compaction_proactiveness` at 35, above which score of the node, in percent, does kcompactd begin?"),
        answer=Number("%", most=100),
        hints=(
            N_("It compacts down to the low mark, which is 100 less the proactiveness."),
            N_("The high mark lies above the low one, by 10 at most, so that it does not start and stop all the time."),
        ),
        code=(
            'run = cl.simulate(cl.Zone("16 MiB"), cl.workloads.idle(seconds=1))\n'
            "cl.metrics.fragmentation_score(run, proactiveness=35).wmark_high.item()"
        ),
        truth=lambda: _mark("wmark_high", _ASKED),
        told=N_("Above {truth}, and it goes on down to 65."),
        mistakes=(
            Mistake(lambda _truth: _mark("wmark_low", _ASKED), N_("That is the low mark, at which it stops.")),
            Mistake(lambda _truth: _ASKED, N_("That is the proactiveness itself; a larger one means a lower mark.")),
            Mistake(lambda _truth: _ASKED + 10, N_("The marks are counted down from 100.")),
        ),
        right=(75, "75", "75 %", 75.0),
        wrong=(65, 35, 45, 74),
    ),
    Exercise(
        name="make-it-start",
        notebook=_NOTEBOOK,
        task=N_(
            "A machine with a healthy DMA32 of 16 MiB beside a fragmented Normal of 112 MiB: at the default 20 kcompactd "
            "never starts in advance. Find any `compaction_proactiveness` with which it does."
        ),
        answer=Settings(("compaction_proactiveness",)),
        hints=(
            N_("The node's score is the zones' scores, weighted by size. How high does it get? See the cell “machine”."),
            N_("It scores 82 at most. Which proactiveness has its high mark below that?"),
        ),
        code=(
            "sysctls = cl.Sysctls(compaction_proactiveness=20)  # your value\n"
            'machine = [cl.Zone("16 MiB", name="DMA32", sysctls=sysctls), cl.Zone("112 MiB", sysctls=sysctls)]\n'
            "punch = cl.workloads.punch(fill=0.85, demand=0, settle_s=60)\n"
            "run = cl.simulate(machine, punch, frames=0, keyframes=False)\n"
            'int((cl.metrics.compaction_runs(run).who == "proactive").sum())'
        ),
        judge=_judge_start,
        right=(30, 50, {"compaction_proactiveness": 100}, Sysctls(compaction_proactiveness=40), "35"),
        wrong=(20, 0, {"vm.compaction_proactiveness": 24}, 28),
    ),
    Exercise(
        name="nobody-waits",
        notebook=_NOTEBOOK,
        task=N_(
            "Every second page of 128 MiB is in use. After half a minute of quiet 16 huge pages are asked for. Find any "
            "settings with which all 16 are had and no program compacts for itself."
        ),
        answer=Settings(("compaction_proactiveness", "transparent_hugepage_defrag")),
        hints=(
            N_("With `transparent_hugepage_defrag` at “never” nobody waits. How many huge pages are there then?"),
            N_("Somebody must have made the blocks before: the quiet half minute is long enough."),
            N_("How low must the score be for 16 huge pages to be free? Try some values from 30 to 80."),
        ),
        code=(
            "from compactlab.simulation.starts import started\n"
            "from compactlab.simulation.tuning import with_sysctls\n"
            "sysctls = cl.Sysctls(compaction_proactiveness=40)  # your settings\n"
            'zone = with_sysctls(started(cl.Zone("128 MiB"), "every second page"), sysctls)\n'
            "work = cl.workloads\n"
            "run = cl.simulate(zone, work.sequence(work.idle(seconds=30), work.huge_faults(faults=16)))\n"
            'asked = run["allocations"]\n'
            "int((asked.compact_stall > 0).sum()), int(asked.success.sum())  # waited, had"
        ),
        judge=_judge_nobody_waits,
        right=(
            {"compaction_proactiveness": 60},
            {"compaction_proactiveness": 80, "transparent_hugepage_defrag": "never"},
            Sysctls(compaction_proactiveness=100),
        ),
        wrong=({"compaction_proactiveness": 20}, {"transparent_hugepage_defrag": "never"}, {"compaction_proactiveness": 30}),
    ),
)  # fmt: skip
