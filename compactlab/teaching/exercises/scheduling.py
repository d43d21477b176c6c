"""One night on a server: an hour to compact at."""

from __future__ import annotations

import datetime
from functools import cache

from ... import texts
from ...experiments.policies import clock
from ...experiments.schedule import measure_day
from ...simulation import workloads
from ...simulation.loop import simulate
from ...simulation.presets import Sysctls
from ...simulation.zone import Zone
from ...texts import N_, _
from ..answers import Hour
from ..exercise import Exercise, Judged

_NOTEBOOK = "15-one-night-on-a-server"
_BACKUP = 22
_MOST = 5


@cache
def _stalls(*hours: float) -> int:
    """Requests that stalled on a day with a backup at ten in the evening, compacted at some hours."""
    zone = Zone("128 MiB", sysctls=Sysctls(compaction_proactiveness=0))
    day = workloads.day(curve="office", backup_hour=_BACKUP, compact=hours)
    run = simulate(zone, day, frames=0, keyframes=False)
    return int(measure_day(run).stalls.sum())


def _judge_hour(hour: float) -> Judged:
    told = {
        "hour": clock(hour),
        "stalls": texts.count(_stalls(hour)),
        "never": texts.count(_stalls()),
        "most": texts.count(_MOST),
    }
    if _stalls(hour) <= _MOST:
        text = _("At {hour}: requests that stall: {stalls}, instead of {never} without compaction.")
        return Judged(True, text.format(**told))
    text = _(
        "At {hour}: requests that stall: {stalls}, and {never} without compaction. The blocks are gone when they are needed."
    )
    if 7 <= hour < 20:
        text = _("At {hour}: requests that stall: {stalls}, and {never} without compaction. Then it is day: what was made is used up before the next morning.")  # fmt: skip
    elif 20 <= hour <= _BACKUP:
        text = _("At {hour}: requests that stall: {stalls}, and {never} without compaction. After that hour the backup crumbles memory again.")  # fmt: skip
    return Judged(False, text.format(**told))


EXERCISES = (
    Exercise(
        name="another-hour",
        notebook=_NOTEBOOK,
        task=N_(
            "The same office, but the backup runs at 22:00 instead of 1:00. Find any hour at which one compaction a day leaves "
            "at most 5 requests that stall. The day is simulated with your hour."
        ),
        answer=Hour(),
        hints=(
            N_("Compact after whatever crumbles memory, and before whoever needs blocks."),
            N_("The backup takes an hour, and in the hour after it the cache shrinks. The load grows from six on."),
        ),
        code=(
            "day = cl.workloads.day(backup_hour=22, compact=(12,))  # your hour\n"
            'zone = cl.Zone("128 MiB", sysctls=cl.Sysctls(compaction_proactiveness=0))\n'
            'asked = cl.simulate(zone, day, frames=0, keyframes=False)["allocations"]\n'
            "int(((asked.compact_stall > 0) | (asked.reclaim_ns > 0)).sum())"
        ),
        judge=_judge_hour,
        right=(2, "4:00", "at 3:30", datetime.time(0, 30)),
        wrong=(12, "22:00", 8, "16:00"),
    ),
)  # fmt: skip
