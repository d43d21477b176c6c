"""Traces by stated distributions, each with a seed."""

from __future__ import annotations

import heapq
from collections.abc import Callable

import numpy as np
import xarray as xr

from .form import ALLOCATE, FREE, trace_of

SIZES: dict[str, Callable[[np.random.Generator, float, int], np.ndarray]] = {
    "exponential": lambda random, mean, count: random.exponential(mean, count),
    "lognormal": lambda random, mean, count: random.lognormal(np.log(mean) - 0.5, 1, count),
    "uniform": lambda random, mean, count: random.uniform(0, 2 * mean, count),
    "powers of two": lambda random, mean, count: (
        mean / 4 * 2.0 ** np.minimum(random.geometric(0.5, count), 20)
    ),
}
"""Distributions of sizes by name; what is drawn is rounded up to whole bytes.

Powers of two: half of the mean, given it is one, with probability 1/2, and each next power half as often.
"""

ORDERS = (0.80, 0.09, 0.04, 0.03, 0.02, 0.01, 0.0, 0.0, 0.0, 0.01)
"""Share of requests of order 0 to 9 in `pages`: mostly single pages, some slabs and stacks, rarely a huge page."""


def steady(
    requests: int = 20_000,
    live: int = 500,
    sizes: str = "exponential",
    mean: float = 200,
    seed: int = 0,
) -> xr.Dataset:
    """Objects that come and go at random, so many alive at a time: sizes by a distribution, lifetimes exponential.

    Knuth's simulation (TAOCP 2.5). A lifetime is counted in allocations, its mean is `live`.

    Parameters
    ----------
    requests
        Allocations and frees together.
    live
        Mean lifetime, and so about how many objects there are at a time.
    sizes
        A name in `SIZES`: "exponential", "lognormal" (sigma 1), "uniform" (up to twice the mean) or
        "powers of two" (from half the mean on, each next one half as often).
    mean
        Mean size in bytes; of the powers of two, whose mean has no bound, it is twice the smallest.
    seed
        Of the random numbers.

    Returns
    -------
        A trace in bytes.

    Raises
    ------
    ValueError
        If there is no such distribution, or a number is below 1.

    Examples
    --------
    >>> trace = steady(requests=1000, live=50)
    >>> trace.sizes["request"], int(trace.size.max()) > 600
    (1000, True)
    """
    _at_least_one(requests=requests, live=live, mean=mean)
    if sizes not in SIZES:
        raise ValueError(f"sizes: found {sizes!r}; expected one of {', '.join(SIZES)}")
    random = np.random.default_rng(seed)
    drawn = np.maximum(1, np.ceil(SIZES[sizes](random, mean, requests))).astype(np.int64)
    op, thing = _by_lifetime(requests, np.ceil(random.exponential(live, requests)).astype(np.int64))
    return trace_of(
        op,
        thing,
        np.where(op == ALLOCATE, drawn[thing], 0),
        f"steady, {sizes} sizes",
        text=f"{requests} requests: {sizes} sizes of mean {mean:g} bytes, exponential lifetimes of mean {live} "
        f"allocations, seed {seed}",
        seed=seed,
    )


def peaks(
    peaks: int = 8,
    objects: int = 400,
    mean: float = 48,
    growth: float = 1.5,
    keep: float = 0.1,
    seed: int = 0,
) -> xr.Dataset:
    """Phases: a program fills memory for a task, keeps a little of it, and goes on with larger objects.

    Each peak allocates so many objects of about one size, frees all but a random share, and the next
    peak's objects are larger: what was kept stands in the way (the ramps, peaks and plateaus of Wilson
    et al. 1995, section 2.4).

    Parameters
    ----------
    peaks, objects
        How many phases, and allocations in each.
    mean, growth
        Size of the first peak's objects in bytes, and how many times larger those of each next peak are.
        Sizes vary uniformly by a quarter up and down.
    keep
        Share of a peak's objects that live to the end.
    seed
        Of the random numbers.

    Returns
    -------
        A trace in bytes.

    Raises
    ------
    ValueError
        If a number is below 1, or `keep` is no share.
    """
    _at_least_one(peaks=peaks, objects=objects, mean=mean, growth=growth)
    if not 0 <= keep <= 1:
        raise ValueError(f"keep: found {keep}; expected a share of 0 to 1")
    random = np.random.default_rng(seed)
    op, thing, size = [], [], []
    for peak in range(peaks):
        these = np.arange(peak * objects, (peak + 1) * objects)
        drawn = np.ceil(random.uniform(0.75, 1.25, objects) * mean * growth**peak).astype(np.int64)
        freed = random.permutation(these)[round(keep * objects) :]
        op += [np.full(objects, ALLOCATE), np.full(freed.size, FREE)]
        thing += [these, freed]
        size += [drawn, np.zeros(freed.size, np.int64)]
    return trace_of(
        np.concatenate(op),
        np.concatenate(thing),
        np.concatenate(size),
        "peaks",
        text=f"{peaks} peaks of {objects} objects, sizes of {mean:g} bytes times {growth:g} from peak to peak, "
        f"{keep:.0%} of each kept, seed {seed}",
        seed=seed,
    )


def pages(
    requests: int = 20_000, live: int = 2000, orders: tuple[float, ...] = ORDERS, seed: int = 0
) -> xr.Dataset:
    """Blocks of pages as a kernel asks for them: 2**order pages, lifetimes exponential.

    Parameters
    ----------
    requests
        Allocations and frees together.
    live
        Mean lifetime in allocations.
    orders
        Share of requests of each order, from 0.
    seed
        Of the random numbers.

    Returns
    -------
        A trace in pages.

    Raises
    ------
    ValueError
        If a number is below 1, or the shares do not add up to 1.

    Examples
    --------
    >>> int(pages(requests=1000).size.max()) in (32, 512)
    True
    """
    _at_least_one(requests=requests, live=live)
    if min(orders, default=-1) < 0 or not np.isclose(sum(orders), 1):
        raise ValueError(f"orders: found {orders}; expected shares that add up to 1")
    random = np.random.default_rng(seed)
    drawn = 1 << random.choice(len(orders), requests, p=np.array(orders) / sum(orders))
    op, thing = _by_lifetime(requests, np.ceil(random.exponential(live, requests)).astype(np.int64))
    shares = ", ".join(f"{share:.0%}" for share in orders)
    return trace_of(
        op,
        thing,
        np.where(op == ALLOCATE, drawn[thing], 0),
        "pages",
        "page",
        text=f"{requests} requests: order 0 to {len(orders) - 1} with shares {shares}, exponential lifetimes of mean "
        f"{live} allocations, seed {seed}",
        seed=seed,
    )


def _by_lifetime(requests: int, lifetime: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Requests of objects that each live so many allocations long; those that die first are freed first."""
    op, thing = np.empty(requests, np.int64), np.empty(requests, np.int64)
    ends: list[tuple[int, int]] = []
    born = 0
    for request in range(requests):
        if ends and ends[0][0] <= born:
            op[request], thing[request] = FREE, heapq.heappop(ends)[1]
            continue
        op[request], thing[request] = ALLOCATE, born
        heapq.heappush(ends, (born + int(lifetime[born]), born))
        born += 1
    return op, thing


def _at_least_one(**numbers: float) -> None:
    for name, number in numbers.items():
        if not number >= 1:
            raise ValueError(f"{name}: found {number}; expected at least 1")
