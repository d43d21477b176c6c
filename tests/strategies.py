"""Hypothesis generators of texts as the kernel prints them (mm/vmstat.c), with what they say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import strategies as st

_NAMES = ["DMA", "DMA32", "Normal", "Movable", "Device"]


def _kernel_order(zone: tuple[int, str]) -> tuple[int, int]:
    return zone[0], _NAMES.index(zone[1])


ZONES = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(_NAMES)),
    min_size=1,
    max_size=6,
    unique=True,
).map(lambda zones: sorted(zones, key=_kernel_order))
COUNTS = st.one_of(st.integers(0, 9), st.integers(0, 10**7))
MIGRATETYPES = ["Unmovable", "Movable", "Reclaimable", "HighAtomic", "CMA", "Isolate", "Novel"]


def row(node: int, zone: str, counts: list[int], trailing: bool = True) -> str:
    """frag_show_print: "Node %d, zone %8s " and "%6lu " per order."""
    text = f"Node {node}, zone {zone:>8} " + "".join(f"{count:6d} " for count in counts)
    return (text if trailing else text.rstrip()) + "\n"


@st.composite
def snapshots(draw, min_size: int = 1):
    """Several buddyinfo texts of one machine: list of {(node, zone): counts}."""
    zones = draw(ZONES)
    orders = {zone: draw(st.integers(1, 21)) for zone in zones}
    size = draw(st.integers(min_size, 5))
    taken = []
    for _ in range(size):
        there = draw(
            st.lists(st.sampled_from(zones), min_size=1, unique=True).map(
                lambda zones: sorted(zones, key=_kernel_order)
            )
        )
        taken.append(
            {zone: draw(st.lists(COUNTS, min_size=orders[zone], max_size=orders[zone])) for zone in there}
        )
    return taken


def buddyinfo(snapshot: dict, trailing: bool = True) -> str:
    return "".join(row(*zone, counts, trailing) for zone, counts in snapshot.items())


STAMPS = {
    "date": lambda t: f"{t:%a %b %e %H:%M:%S} UTC {t:%Y}",
    "date with AM and PM": lambda t: f"{t:%a %d %b %Y %I:%M:%S %p} UTC",
    "seconds": lambda t: f"{t.timestamp():.0f}",
    "seconds with fraction": lambda t: f"{t.timestamp():.0f}.000000000",
    "milliseconds": lambda t: f"{t.timestamp():.0f}000",
    "nanoseconds": lambda t: f"{t.timestamp():.0f}000000000",
    "ISO": lambda t: t.isoformat(),
    "ISO with space": lambda t: f"{t:%Y-%m-%d %H:%M:%S}Z",
    "ISO with comma": lambda t: f"{t:%Y-%m-%dT%H:%M:%S},000000000+00:00",
    "ISO east": lambda t: t.astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat(),
    "RFC 5322": lambda t: f"{t:%a, %d %b %Y %H:%M:%S} +0000",
    "in a frame": lambda t: f"=== {t:%a %b %e %H:%M:%S} UTC {t:%Y} ===",
    "behind a hash": lambda t: f"# {t.timestamp():.0f}",
    "in brackets": lambda t: f"[{t:%Y-%m-%d %H:%M:%S}+00:00]",
}


TIMES = st.datetimes(datetime(1975, 1, 1), datetime(2200, 1, 1)).map(
    lambda t: t.replace(microsecond=0, tzinfo=UTC)
)


@st.composite
def pagetypeinfo(draw):
    """One pagetypeinfo text: zones, migratetypes, counts (above 100000 is printed ``>100000``), text."""
    zones = draw(ZONES)
    types = draw(st.lists(st.sampled_from(MIGRATETYPES), min_size=1, unique=True))
    n_orders = draw(st.integers(1, 14))
    counts = {
        (zone, kind): draw(st.lists(st.integers(0, 120_000), min_size=n_orders, max_size=n_orders))
        for zone in zones
        for kind in types
    }
    blocks = {(zone, kind): draw(st.integers(0, 10**6)) for zone in zones for kind in types}
    text = ""
    for node in sorted({zone[0] for zone in zones}):
        mine = [zone for zone in zones if zone[0] == node]
        text += "Page block order: 9\nPages per block:  512\n\nFree pages count per migrate type at order "
        text += "".join(f"{order:6d} " for order in range(n_orders)) + "\n"
        for zone in mine:
            for kind in types:
                cells = (">100000" if n > 100_000 else str(n) for n in counts[zone, kind])
                text += f"Node {node:4d}, zone {zone[1]:>8}, type {kind:>12} "
                text += "".join(f"{cell:>6} " for cell in cells) + "\n"
        text += "\nNumber of blocks type " + "".join(f"{kind:>12} " for kind in types) + "\n"
        for zone in mine:
            numbers = "".join(f"{blocks[zone, kind]:12d} " for kind in types)
            text += f"Node {node}, zone {zone[1]:>8} {numbers}\n"
    return zones, types, counts, blocks, text


@st.composite
def vmstat(draw):
    """Several vmstat texts: list of {name: value}."""
    names = st.from_regex(r"[a-z][a-z0-9_]{0,30}", fullmatch=True)
    keys = draw(st.lists(names, min_size=1, max_size=30, unique=True))
    values = st.integers(0, 2**63 - 1)
    size = draw(st.integers(1, 4))
    return [{"nr_free_pages": draw(values)} | {key: draw(values) for key in keys} for _ in range(size)]
