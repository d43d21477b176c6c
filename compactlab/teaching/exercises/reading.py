"""Reading a recording: which requests it would refuse."""

from __future__ import annotations

from functools import cache

import numpy as np

from ... import datasets
from ...metrics import OUTCOMES, verdict
from ...readers import read
from ...texts import N_
from ..answers import Number, Several
from ..exercise import Exercise, Mistake

_NOTEBOOK = "01-read-a-recording"
_PHASES = ("baseline", "hold_fragmented", "after_demand1", "after_sockets", "after_collapse", "after_compact")
_ELEVEN = "Node 0, zone   Normal 970996 270181  47283  12871    374    102     33      9      1      0      0"


@cache
def _refusing_phases() -> frozenset[str]:
    """Phases whose last snapshot has no free block for a huge page in zone Normal."""
    run = datasets.load("whole-story")
    phases, elapsed = run["phases"].to_dataset(), run["zones"].elapsed.values
    outcome = verdict(run, 9, text=False).outcome.sel(zone="0/Normal").values
    last = dict(
        zip(phases.name.values.tolist(), np.searchsorted(elapsed, phases.end.values) - 1, strict=True)
    )
    return frozenset(name for name in _PHASES if OUTCOMES[outcome[last[name]]] == "no_free_block")


def _largest_order() -> int:
    """Largest order of which the pasted line has a free block."""
    run = read(_ELEVEN + "\n")
    succeed = (OUTCOMES.index("would_succeed"), OUTCOMES.index("only_just"))
    orders = range(run["zones"].sizes["order"])
    return max(order for order in orders if verdict(run, order, text=False).outcome.values[0, 0] in succeed)


EXERCISES = (
    Exercise(
        name="phases-that-refuse",
        notebook=_NOTEBOOK,
        task=N_(
            "Play the recording whole-story. At the end of which of these phases does zone Normal have no free block "
            "for a request of 2 MiB?"
        ),
        answer=Several(_PHASES),
        hints=(
            N_("The row of phases is at the top of the figure; the coloured bar has the verdict at the cursor."),
            N_("In demand1 programs ask for huge pages and compact for them. Who holds these pages afterwards?"),
            N_("The background compaction after the sockets' requests leaves a few blocks: only just is not refused."),
        ),
        code=(
            'run = cl.datasets.load("whole-story")\n'
            'told = cl.verdict(run, order=9).sel(zone="0/Normal")\n'
            'phases = run["phases"].to_dataset()\n'
            "for name, end in zip(phases.name.values, phases.end.values):\n"
            "    print(name, told.text.values[told.elapsed.values.searchsorted(end) - 1])"
        ),
        truth=_refusing_phases,
        told=N_("At the end of {truth}. Direct compaction makes a block for who asks, and it is taken at once."),
        mistakes=(
            Mistake(
                lambda truth: truth - {"after_demand1"},
                N_("Programs had their huge pages in demand1, and took them. What was left for the next one?"),
            ),
            Mistake(
                lambda truth: truth | {"after_sockets"},
                N_("After the sockets' requests 7 blocks are left. That is not much, but it is not none."),
            ),
            Mistake(lambda truth: frozenset(_PHASES) - truth, N_("Those are the phases in which one is free.")),
        ),
        right=(["hold_fragmented", "after_demand1"], "after_demand1, hold_fragmented", {"hold_fragmented", "after_demand1"}),
        wrong=(["hold_fragmented"], "hold_fragmented, after_demand1, after_sockets", ["baseline"]),
    ),
    Exercise(
        name="largest-order",
        notebook=_NOTEBOOK,
        task=N_(
            "At 11:00 the file with four hours says: zone Normal 970996 270181 47283 12871 374 102 33 9 1 0 0. What is "
            "the largest order for which a request would succeed then?"
        ),
        answer=Number("order", most=10, whole=True),
        hints=(
            N_("The first count is of order 0. A block of a larger order can be cut for a smaller request."),
            N_("Look for the last count that is not 0, and count its place from 0 on."),
        ),
        code=(
            f'run = cl.read("""{_ELEVEN}\n""")\n'
            "[cl.verdict(run, order=order).text.values[0, 0] for order in (7, 8, 9)]"
        ),
        truth=_largest_order,
        told=N_("{truth}: one block of 1 MiB is left, though nearly 7 GiB are free."),
        mistakes=(
            Mistake(lambda truth: truth + 1, N_("The first count is of order 0, so the ninth is of order 8.")),
            Mistake(lambda _truth: 10, N_("That is the largest order that there is; of it no block is free.")),
            Mistake(lambda _truth: 0, N_("That is the order with most blocks. The question is for the largest one.")),
        ),
        right=(8, "order 8", np.uint8(8)),
        wrong=(9, 10, 7, 0),
    ),
)  # fmt: skip
