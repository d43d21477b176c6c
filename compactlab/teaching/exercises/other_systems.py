"""What systems without compaction do: asking before memory is in crumbs."""

from __future__ import annotations

from ...simulation import workloads
from ...simulation.loop import simulate
from ...simulation.presets import Sysctls
from ...simulation.zone import Zone
from ...texts import N_
from ..answers import Number
from ..exercise import Exercise, Mistake

_NOTEBOOK = "17-other-systems"
_HALF = 20


def _had(before: int, after: int, defrag: str = "never") -> int:
    """Huge pages had of those asked for before memory is in crumbs, and after."""
    zone = Zone("128 MiB", sysctls=Sysctls(compaction_proactiveness=0, transparent_hugepage_defrag=defrag))
    crumbs = workloads.fragment(target=1.0, free=0.5)
    parts = [crumbs, workloads.huge_faults(faults=after)]
    if before:
        parts.insert(0, workloads.huge_faults(faults=before))
    run = simulate(zone, workloads.sequence(*parts), frames=0, keyframes=False)
    return int(run["allocations"]["success"].sum())


EXERCISES = (
    Exercise(
        name="ask-early",
        notebook=_NOTEBOOK,
        task=N_(
            "A zone of 128 MiB, and nobody compacts. A program takes 20 huge pages at its start. Then what is left of memory "
            "is filled, and half of it given back as crumbs. Now the program asks for 20 more. Predict: how many huge "
            "pages has it in the end? Three more or less are right too."
        ),
        answer=Number("huge pages", most=2 * _HALF, whole=True, near=3),
        hints=(
            N_("Those it has already, nobody takes from it."),
            N_("Filling memory stops at the low watermark: a huge page or three may be left over."),
        ),
        code=(
            'nobody = cl.Sysctls(compaction_proactiveness=0, transparent_hugepage_defrag="never")\n'
            "work = cl.workloads\n"
            "ask = work.huge_faults(faults=20)\n"
            'run = cl.simulate(cl.Zone("128 MiB", sysctls=nobody), work.sequence(ask, work.fragment(target=1, free=0.5), ask))\n'
            'int(run["allocations"].success.sum())'
        ),
        truth=lambda: _had(_HALF, _HALF),
        told=N_("{truth}: the 20 from the start. Hardly any of the second 20 is to be had."),
        mistakes=(
            Mistake(lambda _truth: _had(_HALF, _HALF, "madvise"), N_("That would be so if requests could compact.")),
            Mistake(lambda _truth: _had(0, _HALF), N_("That is what it would have had it not asked at its start.")),
        ),
        right=(23, "23 huge pages", 20, 22),
        wrong=(40, 10, 3),
    ),
)  # fmt: skip
