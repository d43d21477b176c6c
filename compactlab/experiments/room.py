"""How many simulations fit into memory at one time."""

from __future__ import annotations

import os

from ..simulation.memory_need import Need, refuse_too_large
from ..texts import _, memory

_SHARE = 0.8  # of the memory that is available


def workers_that_fit(need: Need, asked: int | None, available: int | None) -> int:
    """How many simulations run at one time: as many as asked for, else as there are CPUs and memory.

    Parameters
    ----------
    need
        Of the largest of them.
    asked
        None: as many as fit.
    available
        Bytes there are; None: nobody knows.

    Raises
    ------
    ValueError
        If those asked for, or even one, need more memory than there is; the message says what would fit.

    Examples
    --------
    >>> workers_that_fit(Need(100 << 20, 0, 0, 0, 0), 3, 1 << 30)
    3
    """
    if asked is not None and asked < 1:
        raise ValueError(f"workers={asked}; expected at least 1")
    cpus = asked or os.cpu_count() or 1
    if available is None:
        return cpus
    refuse_too_large(need, available)
    fit = max(int(available * _SHARE) // max(need.total, 1), 1)
    if asked is not None and asked > fit:
        raise ValueError(
            _(
                "{asked} simulations at one time need up to {need} each, but {available} are available. Ask for workers={fit}"
            ).format(asked=asked, need=memory(need.total, 1), available=memory(available, 1), fit=fit)
        )
    return min(cpus, fit)
