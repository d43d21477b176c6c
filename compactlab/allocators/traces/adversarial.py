"""Short traces made against one policy each: it refuses, or searches long, where another does not.

Each has attrs `aimed_at` (the policy), `arena` (bytes of the arena it is meant for) and `text` (what happens). All sizes are multiples
of 16 bytes, so that rounding plays no part, except against the buddies.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable

import numpy as np
import xarray as xr

from .form import ALLOCATE, FREE, trace_of, written


def _repeated(text: str, times: int) -> str:
    return ", ".join(text.format(n=n) for n in range(times))


def _first_fit() -> xr.Dataset:
    return written(
        "hole_1 512, wall 256, hole_2 256, free hole_1, free hole_2, small 256, large 512",
        "first fit: the small request breaks the large hole",
        arena=1024,
        aimed_at="first fit",
        text="Holes of 512 and 256 bytes, in this order. 256 bytes are asked for: first fit cuts them out of the "
        "large hole, though the second hole fits exactly, and then there is no room for 512.",
    )


def _first_fit_searches() -> xr.Dataset:
    crumbs = _repeated("crumb_{n} 16, wall_{n} 16", 200)
    freed = _repeated("free crumb_{n}", 200)
    large = _repeated("large_{n} 64, free large_{n}", 200)
    return written(
        f"{crumbs}, {freed}, {large}",
        "first fit: crumbs at the low end are looked at every time",
        arena=200 * 32 + 640,
        aimed_at="first fit",
        text="200 holes of 16 bytes lie at the low end. Each request of 64 bytes looks at all of them before it comes "
        "to the memory behind. Nothing is refused; it is the search that costs.",
    )


def _next_fit() -> xr.Dataset:
    spread = _repeated("passing_{n} 480, kept_{n} 16, free passing_{n}", 8)
    return written(
        f"{spread}, large 1024",
        "next fit: what is kept is spread over the arena",
        arena=8 * 496,
        aimed_at="next fit",
        text="A passing object of 480 bytes, then one of 16 that is kept, over and over. Next fit goes on where it "
        "stopped, so that what is kept lies all over the arena; the others use the same place again.",
    )


def _best_fit() -> xr.Dataset:
    return written(
        "hole_1 208, wall_1 16, hole_2 192, wall_2 16, free hole_1, free hole_2, a 160, b 176, c 48",
        "best fit: slivers remain",
        arena=432,
        aimed_at="best fit",
        text="Holes of 208 and 192 bytes, requests of 160, 176 and 48 (Knuth's example in small). Best fit takes the "
        "tighter hole each time and is left with slivers of 32 and 32 bytes; first fit leaves 48 and 16.",
    )


def _worst_fit() -> xr.Dataset:
    return written(
        f"hole 256, wall 16, free hole, {_repeated('small_{n} 64', 4)}, large 1024",
        "worst fit: small requests eat the large block",
        arena=256 + 16 + 1024,
        aimed_at="worst fit",
        text="A hole of 256 bytes and 1024 bytes behind it. Four requests of 64 bytes would fit the hole; worst "
        "fit cuts them from the large block, and the request for 1024 bytes is refused.",
    )


def _buddy() -> xr.Dataset:
    return written(
        _repeated("object_{n} 80", 12),
        "buddy: a little more than a power of two",
        arena=1024,
        aimed_at="buddy",
        text="Twelve objects of 80 bytes in 1024 bytes. Buddies round each to 128, three eighths of it wasted, and the "
        "arena is full after eight.",
    )


def _periodic_consolidation() -> xr.Dataset:
    return written(
        f"{_repeated('object_{n} 2048', 16)}, {_repeated('free object_{n}', 16)}, large 8192",
        "periodic consolidation: all is free, and nothing merged yet",
        arena=16 * 2048,
        aimed_at="periodic consolidation",
        text="Sixteen objects fill the arena and all are freed. A request for four of them in one piece comes before "
        "the next consolidation, and is refused in an empty arena.",
    )


def _recent_frees() -> xr.Dataset:
    names = [f"object_{size}_{n} {size}" for size in (128, 64, 32, 16) for n in range(7)]
    filled, freed = ", ".join(names), ", ".join(f"free {name.split()[0]}" for name in names)
    passing = _repeated("passing_{n} 16, free passing_{n}", 60)
    return written(
        f"{filled}, {freed}, {passing}, large 1024",
        "recent frees: kept blocks would join",
        arena=2048,
        aimed_at="recent frees",
        text="Seven objects each of 128, 64, 32 and 16 bytes; all are freed, and small objects come and go for "
        "a while. Every freed block is kept for a request of its own size, so that half of the arena in one piece is "
        "refused though all of it is free.",
    )


def _checkerboard() -> xr.Dataset:
    count = 64
    everything, every_second = np.arange(count), np.arange(0, count, 2)
    return trace_of(
        np.r_[np.full(count, ALLOCATE), np.full(count // 2, FREE), ALLOCATE],
        np.r_[everything, every_second, count],
        np.r_[np.full(count, 16), np.zeros(count // 2, np.int64), 32],
        "checkerboard: against all of them",
        arena=count * 16,
        aimed_at="every policy",
        text="64 objects fill the arena and every second one is freed: half of it is free, and no policy that may not "
        "move objects can serve 32 bytes (Robson, 1971). Moving them is what compaction does.",
    )


_ALL: dict[str, Callable[[], xr.Dataset]] = {
    "first fit": _first_fit,
    "first fit searches": _first_fit_searches,
    "next fit": _next_fit,
    "best fit": _best_fit,
    "worst fit": _worst_fit,
    "buddy": _buddy,
    "periodic consolidation": _periodic_consolidation,
    "recent frees": _recent_frees,
    "checkerboard": _checkerboard,
}

ADVERSARIAL = tuple(_ALL)
"""Names that `adversarial` knows: a policy, "first fit searches", "checkerboard"."""


def adversarial(name: str) -> xr.Dataset:
    """Trace made against a policy.

    Parameters
    ----------
    name
        One of `ADVERSARIAL`.

    Returns
    -------
        A trace in bytes; attrs `aimed_at`, `arena`, the bytes of the arena it is meant for, and `text`.

    Raises
    ------
    ValueError
        If there is none of that name; the message has the nearest.

    References
    ----------
    J. M. Robson, "An estimate of the store size necessary for dynamic storage allocation", J. ACM 18 (1971).
    D. E. Knuth, The Art of Computer Programming, volume 1, section 2.5.

    Examples
    --------
    >>> adversarial("best fit").attrs["arena"]
    432
    """
    if name not in _ALL:
        near = difflib.get_close_matches(str(name), ADVERSARIAL, n=1) or ADVERSARIAL
        raise ValueError(f"adversarial: found {name!r}; expected one of {', '.join(near)}")
    return _ALL[name]()


def robson(largest: int = 256, live: int = 4096) -> xr.Dataset:
    """Robson's attack on first fit: rounds of ever larger objects, of the old ones those are kept that hurt most.

    In round i objects of 2**i granules fill what may be alive, after all have been freed that do not cover a
    granule of one residue modulo 2**i. Where objects lie is computed for first fit while the trace is made.

    Parameters
    ----------
    largest
        Size of the largest objects in bytes, a power of two of at least 16.
    live
        Bytes that may be alive at a time.

    Returns
    -------
        A trace in bytes. First fit needs about live * (1 + log2(largest / 16) / 2) for it, and as the sizes
        are powers of two, hardly any policy needs less.

    Raises
    ------
    ValueError
        If a number is out of range.

    References
    ----------
    J. M. Robson, "Bounds for some functions concerning dynamic storage allocation", J. ACM 21 (1974);
    "Worst case fragmentation of first fit and best fit storage allocation strategies", Comp. J. 20 (1977).
    """
    rounds = (largest // 16).bit_length()
    if largest < 16 or 16 << (rounds - 1) != largest or live < largest:
        raise ValueError(
            f"largest, live: found {largest}, {live}; expected a power of two from 16 to live, and live"
        )
    rows: list[tuple[int, int, int]] = []
    placed: dict[int, tuple[int, int]] = {}  # object to begin and granules
    most, born, residue = live // 16, 0, 0
    for step in range(rounds):
        length = 1 << step
        if step:  # of both residues the one that keeps more
            residue = max((residue, residue + length // 2), key=lambda r: len(_covering(placed, r, length)))
            kept = _covering(placed, residue, length)
            rows += [(FREE, thing, 0) for thing in placed if thing not in kept]
            placed = {thing: placed[thing] for thing in kept}
        while sum(size for _, size in placed.values()) + length <= most:
            placed[born] = (_lowest(list(placed.values()), length), length)
            rows.append((ALLOCATE, born, 16 * length))
            born += 1
    op, thing, size = np.array(rows).T
    text = f"Rounds of objects of 16 to {largest} bytes, at most {live} bytes alive; kept is what hurts first fit most."
    return trace_of(op, thing, size, "Robson's attack on first fit", text=text, aimed_at="first fit")


def _covering(placed: dict[int, tuple[int, int]], residue: int, modulus: int) -> set[int]:
    """Objects that cover a granule of the residue."""
    return {thing for thing, (begin, size) in placed.items() if (residue - begin) % modulus < size}


def _lowest(taken: list[tuple[int, int]], length: int) -> int:
    """Lowest place with so many granules free."""
    place = 0
    for begin, size in sorted(taken):
        if begin - place >= length:
            break
        place = begin + size
    return place
