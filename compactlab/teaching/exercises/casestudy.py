"""The case study: what giving back small blocks gives back, and when compact_memory has paid for itself."""

from __future__ import annotations

from functools import cache

import xarray as xr

from ... import datasets
from ...casestudy import NO_FRAME, recorded
from ...metrics import part, summary
from ...texts import N_
from ..answers import Number
from ..exercise import Exercise, Mistake

_NOTEBOOK = "16-the-case-study"


def _frames_given_back() -> int:
    """Frames that the kernel has back once every second block was freed."""
    frames = (recorded().frame != NO_FRAME).sum("page")
    return int(frames.sel(stage="taken") - frames.sel(stage="given back"))


@cache
def _phase(name: str) -> xr.Dataset:
    return summary(part(datasets.load("whole-story"), name), order=9)


def _faults_to_pay() -> float:
    """Huge page faults whose direct compaction takes as long as one write to compact_memory."""
    demand, manual = _phase("demand1"), _phase("manual_compact")
    return float(manual.compaction_time) / (float(demand.compaction_time) / float(demand.requests))


EXERCISES = (
    Exercise(
        name="given-back",
        notebook=_NOTEBOOK,
        task=N_(
            "The program gives back 500 of its 1000 blocks, every second one. Predict: how many page frames has the "
            "kernel back afterwards?"
        ),
        answer=Number("pages", whole=True),
        hints=(
            N_("free() hands a block to malloc, not to the kernel. In which pages do blocks still in use lie?"),
            N_("A frame can be given back if nothing in its page is in use. Look at the first row of the figure."),
        ),
        code=(
            "told = cl.casestudy.recorded()\n"
            "frames = (told.frame != 0).sum('page')\n"
            'int(frames.sel(stage="taken") - frames.sel(stage="given back"))'
        ),
        truth=_frames_given_back,
        told=N_("{truth}: in each page every second block is still in use, and malloc keeps the holes."),
        mistakes=(
            Mistake(lambda _truth: 6, N_("24 000 bytes would fill nearly 6 pages, but they are in holes of 48.")),
            Mistake(lambda _truth: 12, N_("That is all the pages in which the blocks lie.")),
            Mistake(lambda _truth: 500, N_("That is the number of blocks; 85 of them lie in one page.")),
        ),
        right=(0, "0 pages", "0 KiB"),
        wrong=(6, 12, 500, 3),
    ),
    Exercise(
        name="paid-for-itself",
        notebook=_NOTEBOOK,
        task=N_(
            "In whole-story one write to compact_memory took all of a CPU for a while. Before it, each request for a "
            "huge page spent some time in direct compaction, afterwards none. After how many requests has the write "
            "paid for itself?"
        ),
        answer=Number("requests", within=0.05),
        hints=(
            N_("Phase demand1 is the demand before, manual_compact the write. Look at the time in compaction."),
            N_("Divide the time of compaction in demand1 by its requests: what one request spent. Then divide."),
        ),
        code=(
            'run = cl.datasets.load("whole-story")\n'
            'demand = cl.metrics.summary(cl.metrics.part(run, "demand1"), order=9)\n'
            'manual = cl.metrics.summary(cl.metrics.part(run, "manual_compact"), order=9)\n'
            "float(manual.compaction_time / (demand.compaction_time / demand.requests))"
        ),
        truth=_faults_to_pay,
        told=N_("{truth}, about 5 GiB of huge pages. A tidy memory is worth it to those who want much of it."),
        mistakes=(
            Mistake(
                lambda _truth: float(_phase("demand1").requests),
                N_("That is how many there were in demand1; together they spent far less than the write."),
            ),
            Mistake(
                lambda _truth: float(_phase("manual_compact").compaction_time / _phase("demand1").latency_p50),
                N_("The median latency is more than what was spent on compaction; use the time in compaction."),
            ),
        ),
        right=(2679, "2700 requests", 2600.0),
        wrong=(768, 1000, 5000),
    ),
)  # fmt: skip
