"""Cold pages compressed: what a pool of them takes, and what it does for a large block."""

from __future__ import annotations

from functools import cache

import numpy as np

from ... import compression, texts
from ...metrics import unusable_index
from ...simulation.loop import simulate
from ...simulation.zone import Zone
from ...texts import N_, _
from ..answers import Made, Number
from ..exercise import Exercise, Judged, Mistake

_NOTEBOOK = "10-cold-pages-compressed"
_SIZE, _STORED = 2100, 200


def _pool(freed_of: int = 0) -> int:
    """Pages of a pool of 200 pages compressed to 2,100 bytes, of which all but every so-many-th are freed."""
    pool = compression.Pool()
    handles = pool.store(np.full(_STORED, _SIZE))
    if freed_of:
        pool.free(handles[np.arange(_STORED) % freed_of != 0])
    return pool.pages


@cache
def _zone(workload: compression.swap_out) -> tuple[int, float, int, int]:
    """Free pages, unusable index and free huge pages of 256 MiB once it was compressed; huge pages before."""
    run = simulate(Zone("256 MiB"), workload, frames=0, keyframes=False)
    zones = run["zones"].to_dataset().isel(zone=0)
    largest = zones.nr_free.values[:, 9:] @ (1 << np.arange(zones.sizes["order"] - 9))
    began = np.searchsorted(zones.elapsed.values, run["phases"].to_dataset().start.values[1], "right") - 1
    index = float(unusable_index(run).sel(order=9).values[-1, 0])
    return int(zones.free_pages[-1]), index, int(largest[-1]), int(largest[began])


def _judge_huge_page(workload: compression.swap_out) -> Judged:
    free, index, huge, before = _zone(workload)
    told = {"free": texts.memory(free, 4096), "index": f"{index:.3f}", "huge": texts.count(huge)}
    if huge > before:
        text = _(
            "{free} are free, the unusable index is {index}, and {huge} huge pages are to be had, though nothing was moved."
        )
        return Judged(True, text.format(**told))
    why = _(
        "{free} are free, and no huge page came of it: the unusable index is {index}. The cold pages lie scattered."
    )
    if workload.together >= 1 << 9:
        why = _(
            "{free} are free, and no huge page came of it: the unusable index is {index}. Where the cold pages lay, the pool has taken pages."
        )
    return Judged(False, why.format(**told))  # fmt: skip


EXERCISES = (
    Exercise(
        name="pool-pages",
        notebook=_NOTEBOOK,
        task=N_(
            "200 pages are compressed to 2,100 bytes each and stored. Predict: how many pages does the pool take? "
            "A look into `cl.compression.size_classes()` is allowed."
        ),
        answer=Number("pages", whole=True, least=1),
        hints=(
            N_("An object of 2,100 bytes has a handle of 8 bytes before it, and goes to the next larger class."),
            N_("Find the class: `largest` is at least 2,100. A zspage of it has `objects` places in `pages` pages."),
            N_("200 by the objects of a zspage, rounded up, is the number of zspages. Each has `pages` pages."),
        ),
        code="pool = cl.compression.Pool()\npool.store([2100] * 200)\npool.pages",
        truth=_pool,
        told=N_("{truth}: the class that 2,100 bytes go to has a fixed number of places in each zspage, and the rest is lost."),
        mistakes=(
            Mistake(lambda _truth: -(-_STORED * _SIZE // 4096), N_("That is what the data would take without gaps: places are larger, and zspages have an end.")),
            Mistake(lambda _truth: _STORED, N_("That is one page each: then nothing would be gained. Objects may lie across two pages.")),
            Mistake(lambda _truth: _STORED // 2, N_("That is two to a page: they do not fit, 2,100 bytes are more than half a page.")),
        ),
        right=(112, "112 pages", "448 KiB"),
        wrong=(103, 100, 200, 105),
    ),
    Exercise(
        name="huge-page-from-compression",
        notebook=_NOTEBOOK,
        task=N_(
            "Find any `cl.compression.swap_out(...)` by which a zone of 256 MiB gets a free huge page, though nothing is moved. "
            "Your workload is run."
        ),
        answer=Made((compression.swap_out,), "cl.compression.swap_out(together=1)"),
        hints=(
            N_("A huge page is 512 pages that lie beside each other, all of them free."),
            N_("`together` says how many cold pages lie beside each other. But where do the pool's own pages go?"),
            N_("Only same-filled pages need no pool: `pool=0`."),
        ),
        code=(
            "workload = cl.compression.swap_out(together=1)  # yours\n"
            'run = cl.simulate(cl.Zone("256 MiB"), workload, frames=0, keyframes=False)\n'
            'run["zones"].nr_free[-1, 0, 9:].values'
        ),
        judge=_judge_huge_page,
        right=(
            compression.swap_out(together=1024, pool=0),
            compression.swap_out(together=2048, pool=0, cold=0.3),
            compression.swap_out(seed=3, together=4096, pool=0.0),
        ),
        wrong=(
            compression.swap_out(),
            compression.swap_out(together=1024),
            compression.swap_out(pool=0),
            compression.swap_out(cold=0.9),
        ),
    ),
)  # fmt: skip
