"""How much memory a run takes before it is made, and refusing one that does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..core.memory import KINDS, PAGE
from ..texts import _, count, memory
from .build import span_pages
from .requests import View, Workload
from .zone import Zone, machine

# Bytes. A page of the core and of a keyframe are counted; the rest was measured (tests/test_memory_need.py
# repeats it): what a log's row takes in the core, sorted, and in the run; requests and random numbers of a
# workload's largest chunk, by slot; what is always there.
_PAGE = PAGE.itemsize
_KEYFRAME_PAGE = 4
_BLOCK_FIELDS = 4  # bytes beside the counts of each kind, which take two
_SLOT = 36
_EVENT = 400
_MOVE = 80
_ALLOCATION = 320
_SAMPLE = 4096
_ALWAYS = 16 << 20
KEYFRAME_BYTES = 64 << 20
"""Of all page maps but the first and the last."""
_TWICE = 2  # frames and keyframes are stacked at the end: there for a moment two times

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


class Need(NamedTuple):
    """Memory of a run at its largest, in bytes."""

    zone: int
    """The pages themselves."""
    workload: int
    """Its handles and its requests."""
    keyframes: int
    """Page maps: before and after, and those between."""
    frames: int
    """Page counts of all pageblocks; there is at most one a sample."""
    logs: int
    """Events, moves, allocations and samples, if as many come as are kept at most."""

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self)


def memory_need(
    zone: Zone | Sequence[Zone],
    workload: Workload | None = None,
    *,
    samples: int = 400,
    frames: int = 64,
    events: int = 200_000,
    moves: int = 1_000_000,
    allocations: int = 200_000,
    keyframes: bool = True,
) -> Need:
    """Memory that a run takes at most, beside what is there before it.

    Parameters
    ----------
    zone
        What it is of.
    workload
        What is asked for; None: it is compacted at once.
    samples, frames, events, moves, allocations, keyframes
        As for `simulate`.

    Returns
    -------
        Bytes, by what takes them.

    Examples
    --------
    >>> memory_need(Zone("1 GiB")).zone  # 16 bytes a page
    4194304
    """
    zones = machine(zone)
    pages = span_pages(zones)
    blocks = pages >> zones[0].pageblock_order
    slots = 0
    if workload is not None:
        orders = zones[0].nr_orders
        managed, order = sum(each.nr_pages for each in zones), zones[0].pageblock_order
        view = View(managed, order, order, np.zeros(orders, np.int64), zones[0].cpus)
        slots = workload.slots(view)
    page_map = pages * _KEYFRAME_PAGE
    between = 0 if workload is None else min(KEYFRAME_BYTES, frames * page_map)
    return Need(
        zone=pages * _PAGE,
        workload=slots * _SLOT,
        keyframes=_TWICE * (2 * page_map + between) * keyframes,
        frames=min(frames, samples) * _TWICE * blocks * (2 * len(KINDS) + _BLOCK_FIELDS),
        logs=_ALWAYS + events * _EVENT + moves * _MOVE + allocations * _ALLOCATION + samples * _SAMPLE,
    )


def available_memory() -> int | None:
    """Bytes that may be taken: of the machine, or of the container around us; None where nobody tells.

    >>> available_memory() is None or available_memory() > 0
    True
    """
    told = [_of_machine(), _of_container()]
    return min((each for each in told if each is not None), default=None)


def _of_machine() -> int | None:
    if not _MEMINFO.exists():
        return None
    lines = dict(line.split(":", 1) for line in _MEMINFO.read_text("utf-8").splitlines())
    return int(lines["MemAvailable"].split()[0]) * 1024 if "MemAvailable" in lines else None


def _of_container() -> int | None:
    """Limit of the control group (version 2) less what it uses; its file cache can be given up."""
    limit, used = _CGROUP / "memory.max", _CGROUP / "memory.current"
    if not (limit.exists() and used.exists()) or limit.read_text("utf-8").strip() == "max":
        return None
    stat = dict(line.split() for line in (_CGROUP / "memory.stat").read_text("utf-8").splitlines())
    cache = int(stat.get("inactive_file", 0))
    return max(0, int(limit.read_text("utf-8")) - int(used.read_text("utf-8")) + cache)


def refuse_too_large(need: Need, available: int | None = None) -> None:
    """Refuse a run that does not fit into memory.

    Parameters
    ----------
    need
        As `memory_need` tells it.
    available
        Bytes there are; as `available_memory` tells if not given.

    Raises
    ------
    ValueError
        If it needs more than there is: with the estimate, what takes most, and what would make it fit.

    Examples
    --------
    >>> refuse_too_large(memory_need(Zone("64 MiB")))
    """
    available = available_memory() if available is None else available
    if available is None or need.total <= available:
        return
    words = {
        "zone": (_("the zone's pages"), _("a smaller zone")),
        "workload": (_("the workload's requests"), _("a smaller zone")),
        "keyframes": (_("page maps"), _("no page maps (keyframes=False)")),
        "frames": (_("frames"), _("fewer frames")),
        "logs": (_("events, moves, allocations and samples"), _("smaller budgets of these")),
    }
    parts = sorted(zip(need._fields, need, strict=True), key=lambda part: -part[1])
    parts = [part for part in parts if part[1] >= need.total / 10]
    held = ", ".join(
        _("{size} for {what}").format(size=memory(size, 1), what=words[name][0]) for name, size in parts
    )
    advice = list(dict.fromkeys(words[name][1] for name, _size in parts))
    raise ValueError(
        _(
            "a run of {pages} pages needs up to {need} of memory ({held}), but {available} are available. "
            "Choose {advice}"
        ).format(
            pages=count(need.zone // _PAGE),
            need=memory(need.total, 1),
            held=held,
            available=memory(available, 1),
            advice=_(" or ").join(advice),
        )
    )
