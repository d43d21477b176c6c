"""Reclaim or compact: how much free memory compaction wants before it begins."""

from __future__ import annotations

import numpy as np

from ...simulation.compact import compact_zone
from ...simulation.zone import Zone
from ...texts import N_
from ..answers import Number
from ..exercise import Exercise, Mistake

_MIN, _LOW, _HIGH = 819, 1023, 1227
_PAGES = 16384
_HUGE = 9


def _begins(free_pages: int) -> bool:
    """Whether kcompactd begins to make a huge page with so many lone free pages."""
    kind = np.full(_PAGES, "anon")
    kind[np.linspace(0, _PAGES - 1, free_pages).astype(int)] = "free"
    run = compact_zone(Zone.from_kinds(kind), _HUGE, "kcompactd", frames=0)
    return bool(run.attrs["config"]["compact_zone"]["results"]["0/Normal"] != "skipped")


def _fewest() -> int:
    """Fewest free pages with which it begins, by halving."""
    too_few, enough = _LOW, 4 * _HIGH
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        too_few, enough = (too_few, middle) if _begins(middle) else (middle, enough)
    return enough


EXERCISES = (
    Exercise(
        name="enough-to-compact",
        notebook="11-reclaim-or-compact",
        task=N_(
            "A zone of 64 MiB has the watermarks min 819, low 1023 and high 1227 pages. Free memory is in single pages. "
            "kcompactd is to make a huge page (order 9). Predict: how many pages must be free at least for it to begin?"
        ),
        answer=Number("pages", whole=True, most=_PAGES),
        hints=(
            N_("Above order 3 the low watermark counts, and twice the block: low + 2 · 2^order."),
            N_("Free memory must be more than that; as much is not enough."),
        ),
        code=(
            "import numpy as np\n"
            'kind = np.full(16384, "anon")\n'
            'kind[np.linspace(0, 16383, 2000).astype(int)] = "free"  # your number in place of 2000\n'
            'run = cl.compact_zone(cl.Zone.from_kinds(kind), 9, "kcompactd")\n'
            'run.attrs["config"]["compact_zone"]["results"]'
        ),
        truth=_fewest,
        told=N_("{truth}: one more than 1023 + 2 · 512. With less it is skipped, and reclaim has to come first."),
        mistakes=(
            Mistake(lambda truth: truth - 1, N_("Nearly: with exactly low + 2 · 512 it is still skipped.")),
            Mistake(
                lambda _truth: _LOW + (1 << _HUGE),
                N_("That is the mark and one block. While it is built, the pages it is built from are in use: twice."),
            ),
            Mistake(lambda _truth: _MIN + (2 << _HUGE), N_("That is for orders up to 3; above, low counts.")),
            Mistake(lambda _truth: _HIGH + (2 << _HUGE), N_("High is where kswapd stops; here low counts.")),
            Mistake(lambda _truth: 1 << _HUGE, N_("That is the block alone. The zone must stay above its marks.")),
        ),
        right=(2048, "2048 pages", "8 MiB", np.int64(2048)),
        wrong=(2047, 1535, 1843, 2251, 512, 3000),
    ),
)  # fmt: skip
