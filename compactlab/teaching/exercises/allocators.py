"""Which free block to give: traces that one policy cannot serve and another can."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ...allocators import compare, traces
from ...texts import N_, _, count
from ..answers import Made, Numbers
from ..exercise import Exercise, Judged
from ..quantities import Problem

_NOTEBOOK = "03-which-free-block-to-give"
_ARENA = 100
_MOST_REQUESTS = 8
_BUDDIES = 1024
_MOST_BYTES = 600


def _refusals(trace: xr.Dataset, policies: list[str], arena: int, **rules: Any) -> dict[str, np.ndarray]:
    """Numbers of the requests that each policy refuses, from 1."""
    told = compare(trace, policies, arena, **rules)
    refused = (told.op == 0) & (told.outcome > 0)
    return {policy: np.flatnonzero(refused.sel(policy=policy)) + 1 for policy in policies}


def _judge_best_fit(trace: xr.Dataset) -> Judged | Problem:
    try:
        traces.check(trace)
    except ValueError as refused:
        return Problem("nonsense", _("That is no trace: {message}.").format(message=refused))
    if trace.attrs["unit"] != "byte":
        return Problem("wrong_unit", _("A trace in bytes is asked for."))
    requests = trace.sizes["request"]
    if requests > _MOST_REQUESTS:
        text = _("The trace has {found} requests; at most {most} are asked for.")
        return Problem("out_of_range", text.format(found=requests, most=_MOST_REQUESTS))
    found = _refusals(trace, ["first fit", "best fit"], _ARENA, granule=1)
    numbers = {policy.split()[0]: ", ".join(map(str, which)) for policy, which in found.items()}
    if not found["best fit"].size:
        if found["first fit"].size:
            text = _(
                "Best fit serves them all, and first fit refuses request {first}: just the other way round."
            )
        else:
            text = _(
                "Best fit serves them all, and so does first fit. Leave two holes, and ask for nearly all of each."
            )
        return Judged(False, text.format(**numbers))
    if found["first fit"].size:
        text = _("Best fit refuses request {best}, but first fit refuses request {first}.")
        return Judged(False, text.format(**numbers))
    text = _("Best fit refuses request {best}, first fit serves all: the tightest hole left slivers.")
    return Judged(True, text.format(**numbers))


def _judge_buddies(sizes: tuple[int, ...]) -> Judged:
    trace = traces.trace_of([0] * len(sizes), range(len(sizes)), sizes, "objects")
    refused = _refusals(trace, ["buddy"], _BUDDIES)["buddy"]
    blocks = [1 << max(size - 1, 15).bit_length() for size in sizes]
    numbers = {"sum": count(sum(sizes)), "blocks": ", ".join(map(str, blocks)), "most": _MOST_BYTES}
    if sum(sizes) > _MOST_BYTES:
        return Judged(False, _("They add up to {sum} bytes, more than {most}.").format(**numbers))
    if not refused.size:
        text = _("All are served, in blocks of {blocks} bytes, which fit into 1024.")
        return Judged(False, text.format(**numbers))
    text = _(
        "{sum} bytes are asked for. They would take blocks of {blocks} bytes, and request {first} is refused."
    )
    return Judged(True, text.format(**numbers, first=int(refused[0])))


_WRITTEN = 'cl.allocators.traces.written("a 40, free a")'

EXERCISES = (
    Exercise(
        name="best-fit-fails",
        notebook=_NOTEBOOK,
        task=N_(
            "Write a trace of at most 8 requests, frees counted too, that first fit serves in 100 bytes and best fit "
            "does not. Sizes are not rounded here."
        ),
        answer=Made((xr.Dataset,), _WRITTEN),
        hints=(
            N_("Best fit leaves the smallest rests. Make two holes, and requests that nearly fill them."),
            N_("One hole is made by freeing an object with another behind it; the end of the arena is the second hole."),
            N_(
                "Holes of 53 and 46 bytes, in this order. A request of 36: first fit takes the first hole and leaves 17, "
                "best fit the second and leaves 10. How do you go on?"
            ),
        ),
        code=(
            'trace = cl.allocators.traces.written("a 53, wall 1, free a, x 36")  # your trace\n'
            'told = cl.allocators.compare(trace, ["first fit", "best fit"], 100, granule=1)\n'
            "told.refused.values"
        ),
        judge=_judge_best_fit,
        right=(
            traces.written("a 53, b 1, free a, x 36, y 44, z 15"),
            traces.written("a 50, b 2, free a, x 40, y 44, z 10"),
        ),
        wrong=(
            traces.written("a 53, b 1, free a, x 36, y 44"),
            traces.written("a 53, b 1, free a, x 46, y 53"),
            traces.written("a 60, b 60"),
        ),
    ),
    Exercise(
        name="buddies-overflow",
        notebook=_NOTEBOOK,
        task=N_(
            "Give sizes in bytes of up to 8 objects, 600 bytes at most all together, that the buddies cannot all place in "
            "an empty arena of 1024 bytes."
        ),
        answer=Numbers("B", fewest=1, many=8, least=1, most=1024),
        hints=(
            N_("A buddy block is a power of two. Which sizes waste most of theirs?"),
            N_("257 bytes take a block of 512. How many such blocks has the arena?"),
        ),
        code=(
            'trace = cl.allocators.traces.written("a 300, b 300")  # your objects\n'
            'cl.allocators.replay(trace, "buddy", 1024).outcome.values  # 0: served'
        ),
        judge=_judge_buddies,
        right=([272, 272, 16], [257, 257, 1], [513, 1], ["513 B", "16 bytes"]),
        wrong=([300, 300], [512, 88], [700, 400], [16]),
    ),
)  # fmt: skip
