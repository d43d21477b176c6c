"""What every simulated step costs, in nanoseconds of the machine that the costs were fitted on."""

from __future__ import annotations

import html
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from ..core.memory import STEPS

STEP_NAMES = tuple(STEPS)
SPREAD = 128  # entries of the table of relative durations
_PICOSECONDS = 1000
_THOUSANDTHS = 1000

# fmt: off
_SPREAD = (
    0.223, 0.387, 0.407, 0.43, 0.458, 0.468, 0.478, 0.489, 0.499, 0.508, 0.516, 0.523, 0.531, 0.54, 0.55, 0.562,
    0.575, 0.587, 0.599, 0.609, 0.62, 0.63, 0.64, 0.649, 0.657, 0.664, 0.671, 0.677, 0.684, 0.689, 0.695, 0.701,
    0.708, 0.714, 0.721, 0.726, 0.73, 0.734, 0.737, 0.741, 0.743, 0.746, 0.749, 0.752, 0.756, 0.759, 0.763, 0.768,
    0.773, 0.779, 0.785, 0.791, 0.799, 0.805, 0.812, 0.819, 0.825, 0.831, 0.837, 0.843, 0.849, 0.854, 0.859, 0.865,
    0.87, 0.875, 0.88, 0.885, 0.889, 0.894, 0.898, 0.902, 0.906, 0.909, 0.913, 0.916, 0.919, 0.923, 0.926, 0.93,
    0.934, 0.938, 0.942, 0.946, 0.951, 0.956, 0.96, 0.965, 0.97, 0.975, 0.98, 0.986, 0.992, 0.999, 1.007, 1.015,
    1.024, 1.034, 1.044, 1.055, 1.067, 1.081, 1.095, 1.11, 1.126, 1.145, 1.163, 1.183, 1.204, 1.226, 1.249, 1.274,
    1.3, 1.331, 1.364, 1.4, 1.439, 1.481, 1.528, 1.583, 1.652, 1.735, 1.861, 2.09, 2.333, 2.681, 3.454, 9.85,
)
# fmt: on


@dataclass(frozen=True, repr=False)
class CostModel:
    """Nanoseconds per unit of every step; ``compactlab.core.memory.STEPS`` says what a unit is.

    The defaults are of a virtual machine (2 vCPUs of 2.6 GHz, 24 GiB, Linux 6.18): fitted by ``calibrate``
    to 16 traced recordings of it, or set where nothing recorded tells them. Costs differ between machines,
    and on one from hour to hour: two of those recordings took 1.7 times what the model says, the others
    are within 18 %.

    >>> model = CostModel(migrate_page=2000.0)
    >>> model.to_picoseconds()[list(STEPS).index("migrate_page")]
    np.int64(2000000)
    """

    alloc: float = 150.0
    """Not fitted: no event separates it."""
    free: float = 150.0
    """Not fitted, as `alloc`."""
    refill: float = 40.0
    """Not fitted: a list operation under the zone's lock."""
    clear_page: float = 186.0
    """Faults of 2 MiB without compaction: median 95 us, less `fault` and `alloc`, over 512 pages."""
    host_fault: float = 5_340_000.0
    """Faults of 2 MiB in fresh memory: 4.9 to 8 ms, less those in memory that it had backed."""
    fault: float = 1_000.0
    """Not fitted: cannot be told from clearing; entry, charging and page table of one fault."""
    migrate_scan: float = 6.96
    """Blocks stepped through without result: 1.8 to 5 us for 512 pfns."""
    isolate: float = 140.0
    """mm_compaction_isolate_migratepages: 120 to 150 ns a page taken."""
    free_scan_block: float = 619.0
    """Blocks from which either scanner took nothing: 250 to 900 ns."""
    free_scan: float = 13.0
    """mm_compaction_isolate_freepages: 5 to 30 ns a pfn, 20 to 30 ns where only every 32nd is inspected."""
    free_isolate: float = 53.8
    """mm_compaction_isolate_freepages: 40 to 80 ns a page taken."""
    fast_isolate: float = 400.0
    """mm_compaction_fast_isolate_freepages: 0.8 us with one entry, its page taken and unmapped."""
    fast_find: float = 1_020.0
    """First scans of blocks for a request of a high order, against later ones."""
    migrate_batch: float = 29_000.0
    """mm_compaction_migratepages: what batches cost beyond their pages, 8 to 58 us."""
    migrate_page: float = 1_700.0
    """mm_compaction_migratepages: medians 1.55 to 2.2 us, means 1.4 to 3.9 (interrupted by the host)."""
    migrate_mapping: float = 250.0
    """migrate_pages() for pages that 1 to 128 processes map, the program recording `page-migration`: a page takes
    269 ns more for each in batches of 32 pages, 229 ns in batches of 224 (compactlab.pagemoves.fit)."""
    migrate_fail: float = 1_000.0
    """Not fitted: 34 of 800,000 pages in a run."""
    writeback_wait: float = 1_000_000.0
    """Not fitted: a write to a virtual disk."""
    compact_entry: float = 516.0
    """mm_compaction_end after the last work."""
    drain: float = 26_800.0
    """mm_compaction_finished after leaving the aligned range of an order: 13 to 40 us."""
    reclaim_scan: float = 100.0
    """Not fitted."""
    reclaim_page: float = 300.0
    """Not fitted."""
    reclaim_write: float = 20_000.0
    """Not fitted: hands the page to the disk, without waiting."""
    slowpath: float = 3_000.0
    """Events between a fault and its compaction: 2 to 3 us, two attempts and deferral included."""
    wait: float = 1.0
    """One nanosecond of waiting is one unit."""
    fast_scan: float = 74.3
    """mm_compaction_fast_isolate_freepages with many entries walked: 15 to 80 ns each."""
    spread: tuple[float, ...] = _SPREAD
    """Durations of migration batches over their mean, at equally likely steps: interruptions by the host and
    pages it had to back make a tail."""
    fitted_on: tuple[str, ...] = ()
    """Names of the recordings."""
    errors: xr.Dataset | None = field(default=None, compare=False)
    """Per recording: time in compact_zone measured, predicted from its own counts, and the relative error."""

    def __post_init__(self) -> None:
        for name in STEP_NAMES:
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                raise ValueError(f"CostModel: {name}={value!r}; expected nanoseconds of at least 0")
        if not self.spread or not all(0 <= ratio < float("inf") for ratio in self.spread):
            raise ValueError(f"CostModel: spread={self.spread!r}; expected ratios of at least 0, one or more")
        if abs(np.mean(self.spread) - 1) > 0.01:
            raise ValueError(
                f"CostModel: spread has mean {np.mean(self.spread):.3f}; expected 1. Divide it by its mean"
            )

    @property
    def config(self) -> dict[str, object]:
        """What differs from the defaults, as JSON has it: costs in ns, and where they were fitted.

        >>> CostModel(migrate_page=2000.0).config
        {'migrate_page': 2000.0}
        """
        own = {name: getattr(self, name) for name in STEP_NAMES}
        found: dict[str, object] = {
            name: float(cost) for name, cost in own.items() if cost != getattr(CostModel, name)
        }
        return found | ({"fitted_on": list(self.fitted_on)} if self.fitted_on else {})

    def to_array(self) -> np.ndarray:
        """Costs in the order of ``STEPS``: (STEPS,) float64 ns."""
        return np.array([getattr(self, name) for name in STEP_NAMES], float)

    def to_picoseconds(self) -> np.ndarray:
        """Costs as the simulation counts them: (STEPS,) int64 ps, for ``Memory.cost``."""
        return np.rint(self.to_array() * _PICOSECONDS).astype(np.int64)

    def draw_spread(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """What migration batches in turn cost, relative to their mean.

        Parameters
        ----------
        rng
            Only integers are drawn, so that a seed gives the same values on every machine.
        n
            Number of draws.

        Returns
        -------
            (n,) int64 thousandths, for ``Memory.spread``.

        Examples
        --------
        >>> CostModel(spread=(0.5, 1.5)).draw_spread(np.random.default_rng(1), 4)
        array([ 500, 1500, 1500, 1500])
        """
        table = np.rint(np.array(self.spread) * _THOUSANDTHS).astype(np.int64)
        return table[rng.integers(0, table.size, n)]

    def duration(self, tally: np.ndarray) -> float | np.ndarray:
        """Time that counted work takes.

        Parameters
        ----------
        tally
            (..., STEPS) units of each step.

        Returns
        -------
            (...) ns.

        Examples
        --------
        >>> tally = np.zeros(len(STEPS), int)
        >>> tally[list(STEPS).index("migrate_page")] = 3
        >>> round(CostModel(migrate_page=2000.0).duration(tally))
        6000
        """
        spent = np.asarray(tally) @ self.to_array()
        return float(spent) if np.ndim(spent) == 0 else spent

    def _rows(self) -> list[tuple[str, ...]]:
        return [(name, _in_unit(getattr(self, name)), STEPS[name]) for name in STEP_NAMES]

    def _error_rows(self) -> list[tuple[str, ...]]:
        if self.errors is None:
            return []
        columns = (
            self.errors[name].values.tolist()
            for name in ("recording", "measured_ns", "predicted_ns", "error")
        )
        return [
            (str(name), _in_unit(measured), _in_unit(predicted), f"{error:+.1%}")
            for name, measured, predicted, error in zip(*columns, strict=True)
        ]

    def __repr__(self) -> str:
        lines = ["CostModel, fitted on: " + (", ".join(self.fitted_on) or "the recordings it ships with")]
        lines += [f"  {name:16} {cost:>10}  {meaning}" for name, cost, meaning in self._rows()]
        lines.append(f"  migration batches: median {np.median(self.spread):.2f} of their mean, ")
        lines[-1] += f"99 % below {np.quantile(self.spread, 0.99):.2f}"
        if self.errors is not None:
            lines.append("  time in compact_zone, measured, predicted and error:")
            lines += [f"  {name:24} {a:>10} {b:>10} {error:>8}" for name, a, b, error in self._error_rows()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        tables: list[tuple[tuple[str, ...], list[tuple[str, ...]]]] = [
            (("step", "cost", "one unit"), self._rows())
        ]
        if self.errors is not None:
            tables.append((("recording", "measured", "predicted", "error"), self._error_rows()))
        return "".join(_table(head, rows) for head, rows in tables)


def _in_unit(ns: float) -> str:
    """Nanoseconds in the unit that reads best.

    >>> _in_unit(1612.3)
    '1.61 µs'
    """
    for size, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns:.3g} ns"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    def cells(tag: str, texts: tuple[str, ...]) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(text)}</{tag}>" for text in texts) + "</tr>"

    body = "".join(cells("td", row) for row in rows)
    return f"<table><thead>{cells('th', head)}</thead><tbody>{body}</tbody></table>"
