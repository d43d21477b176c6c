"""Moving the watermarks: one computed by hand, two moved to measure."""

from __future__ import annotations

import numpy as np

from ... import texts
from ...simulation.build import build
from ...simulation.presets import Sysctls
from ...simulation.zone import Zone
from ...texts import N_, _
from ..answers import Number, Settings
from ..exercise import Exercise, Judged, Mistake

_NOTEBOOK = "12-moving-the-watermarks"


def _marks(size: str, sysctls: Sysctls) -> dict[str, int]:
    """Watermarks of a zone that is alone."""
    zone = build([Zone(size, sysctls=sysctls)]).zone
    return {name: int(zone[f"wmark_{name}"][0]) for name in ("min", "low", "high")}


def _of_the_task(name: str) -> int:
    return _marks("1 GiB", Sysctls(min_free_kbytes=8192))[name]


def _judge_low(sysctls: Sysctls) -> Judged:
    before, after = (_marks("64 MiB", each) for each in (Sysctls(), sysctls))
    told = {name: texts.count(pages) for name, pages in after.items()}
    if after["min"] != before["min"]:
        text = _("min is {min}: `min_free_kbytes` moves all three marks, and min was to stay at {before}.")
        return Judged(False, text.format(before=texts.count(before["min"]), **told))
    if after["low"] == before["low"]:
        text = _("low is {low} as before: the step is a quarter of min as long as that is more.")
        return Judged(False, text.format(**told))
    if not 1500 <= after["low"] <= 2000:
        text = _("min stays {min}, but low is {low}, and asked for is 1500 to 2000.")
        return Judged(False, text.format(**told))
    return Judged(True, _("min {min}, low {low}, high {high}.").format(**told))


EXERCISES = (
    Exercise(
        name="low-by-hand",
        notebook=_NOTEBOOK,
        task=N_(
            "A machine has one zone of 1 GiB (262144 pages), `min_free_kbytes` is 8192, `watermark_scale_factor` is 10. "
            "Predict its low watermark."
        ),
        answer=Number("pages", whole=True),
        hints=(
            N_("min is 8192 kB in pages, for the zone is alone. The step to low is the larger of two numbers."),
            N_("A quarter of min, or 10 ten-thousandths of the zone."),
        ),
        code=(
            'zone = cl.Zone("1 GiB", sysctls=cl.Sysctls(min_free_kbytes=8192))\n'
            'cl.simulate(zone, cl.workloads.idle(seconds=1))["zoneinfo"].watermark[0, 0].values'
        ),
        truth=lambda: _of_the_task("low"),
        told=N_("{truth}: min is 2048 pages, the step a quarter of that, 512."),
        mistakes=(
            Mistake(lambda _truth: _of_the_task("min"), N_("That is min.")),
            Mistake(lambda _truth: _of_the_task("high"), N_("That is high: two steps above min.")),
            Mistake(
                lambda _truth: _of_the_task("min") + 262144 * 10 // 10_000,
                N_("That is min and 10 ten-thousandths of the zone; a quarter of min is more."),
            ),
        ),
        right=(2560, "10 MiB", "2560 pages", np.int64(2560)),
        wrong=(2048, 3072, 2310, 8192),
    ),
    Exercise(
        name="earlier-kswapd",
        notebook=_NOTEBOOK,
        task=N_(
            "A zone of 64 MiB has min 819, low 1023 and high 1227. kswapd is to begin at a low of 1500 to 2000 pages, and "
            "min is to stay as it is. Find settings that do it."
        ),
        answer=Settings(("watermark_scale_factor", "min_free_kbytes")),
        hints=(
            N_("Which of the two settings leaves min alone?"),
            N_("The step must be 681 to 1181 pages of 16384: how many ten-thousandths is that?"),
        ),
        code=(
            'zone = cl.Zone("64 MiB", sysctls=cl.Sysctls(watermark_scale_factor=100))  # your settings\n'
            'cl.simulate(zone, cl.workloads.idle(seconds=1))["zoneinfo"].watermark[0, 0].values'
        ),
        judge=_judge_low,
        right=(
            {"watermark_scale_factor": 500},
            {"vm.watermark_scale_factor": "600"},
            Sysctls(watermark_scale_factor=700),
        ),
        wrong=(
            {"watermark_scale_factor": 100},
            {"watermark_scale_factor": 1000},
            {"min_free_kbytes": 6554},
            {"min_free_kbytes": 6554, "watermark_scale_factor": 500},
        ),
    ),
)  # fmt: skip
