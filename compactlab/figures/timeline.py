"""The one time axis of a dashboard: how time is drawn, and which snapshots stand for it.

Time is drawn on positions from 0 to 1000, either linearly or by phase: there every phase of the
experiment gets a legible width, so that one second of demand is not a hairline in a minute of
waiting. A source holds at most a bounded number of rows, however long the recording.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

WIDTH = 1000.0
_PIXELS = 880.0  # of the plot frame at 1280 x 720, where names must fit
_SAMPLED = ("zones", "migratetypes", "counters", "extfrag", "zoneinfo")


@dataclass(frozen=True)
class Timeline:
    """Piecewise linear map between elapsed time and drawn position.

    ``edges`` are elapsed seconds; ``positions`` holds what they are drawn at, per axis:
    ``linear`` always, ``phase`` where the recording has phases. ``instant``: one moment was recorded, which
    is drawn as a stretch of time all the same.
    """

    start: float
    end: float
    phases: list[tuple[float, float, str]]
    edges: np.ndarray
    positions: dict[str, np.ndarray]
    instant: bool

    def draw(self, seconds: np.ndarray, axis: str) -> np.ndarray:
        """Positions of elapsed seconds."""
        return np.interp(seconds, self.edges, self.positions[axis])

    def seconds(self, positions: np.ndarray, axis: str) -> np.ndarray:
        """Elapsed seconds of positions."""
        return np.interp(positions, self.positions[axis], self.edges)

    def grid(self, parts: int, between: tuple[float, float, str] | None = None) -> np.ndarray:
        """Elapsed seconds that cut every axis (or one part of one axis) evenly."""
        if between is not None:
            first, last, axis = between
            return self.seconds(np.linspace(first, last, parts + 1), axis)
        share = parts // len(self.positions)
        at = [self.seconds(np.linspace(0, WIDTH, share + 1), axis) for axis in self.positions]
        return np.unique(np.concatenate(at))

    def rows(
        self, seconds: np.ndarray, limit: int, between: tuple[float, float, str] | None = None
    ) -> np.ndarray:
        """Which samples to draw: all of them, or the last one before each cut of the axis.

        Parameters
        ----------
        seconds
            Sample times, ascending.
        limit
            Number of rows at most.
        between
            First and last position and the axis they are on; None for the whole recording. One sample
            before the part is kept, so that it begins with a value.

        Returns
        -------
            Ascending indices into ``seconds``.
        """
        lo, hi = 0, len(seconds)
        if between is not None:
            first, last = self.seconds(np.array(between[:2]), between[2])
            lo = max(int(np.searchsorted(seconds, first, "right")) - 1, 0)
            hi = min(int(np.searchsorted(seconds, last, "right")) + 1, hi)
        if hi - lo <= limit:
            return np.arange(lo, hi)
        cuts = self.grid(max(limit - 2, 1), between)
        rows = np.searchsorted(seconds, cuts, "right") - 1
        return np.unique(np.clip(np.concatenate([[lo], rows, [hi - 1]]), lo, hi - 1))


def seconds_of(dataset: xr.Dataset) -> np.ndarray:
    """Elapsed seconds of a group's samples or events."""
    return dataset["elapsed"].to_numpy() / 1e9


def phases_of(run: xr.DataTree) -> list[tuple[float, float, str]]:
    """Begin and end in elapsed seconds, and name, of each recorded phase."""
    if "phases" not in run.children:
        return []
    phases = run["phases"].to_dataset()
    return [
        (float(start) / 1e9, float(end) / 1e9, str(name))
        for start, end, name in zip(
            phases["start"].values, phases["end"].values, phases["name"].values, strict=True
        )
    ]


def timeline_of(run: xr.DataTree) -> Timeline:
    """Lay out the time of a run.

    Examples
    --------
    >>> import compactlab.schema
    >>> timeline_of(compactlab.schema.new_run({})).end
    1.0
    """
    phases = phases_of(run)
    moments = [
        seconds_of(run[group].to_dataset())
        for group in (*_SAMPLED, "events", "allocations")
        if group in run.children
    ]
    moments += [np.array([start, end]) for start, end, _ in phases]
    spans = [(m[0], m[-1]) for m in moments if m.size]
    start = min((first for first, _ in spans), default=0.0)
    end = max((last for _, last in spans), default=0.0)
    instant = end <= start
    if instant:
        end = start + 1.0
    edges = np.unique([start, *(phase[0] for phase in phases), *(phase[1] for phase in phases), end])
    linear = (edges - start) / (end - start) * WIDTH
    positions = {"linear": linear}
    if len(phases) > 1:
        positions = {"phase": np.concatenate([[0.0], np.cumsum(_widths(edges, phases))]), **positions}
    return Timeline(start, end, phases, edges, positions, instant)


def _widths(edges: np.ndarray, phases: list[tuple[float, float, str]]) -> np.ndarray:
    """Width of each stretch between edges: grows with its duration, holds its name where it can."""
    durations = np.diff(edges)
    names = {start: label(name) for start, _, name in phases}
    moment = (
        durations.sum() / 5000
    )  # what is shorter is an instant, such as a write to a sysctl: no room for its name
    least = np.array([_name_width(names[edge]) if edge in names else 0.0 for edge in edges[:-1]])
    least = np.where(durations < moment, np.minimum(least, _name_width("")), least)
    least *= min(1.0, 0.9 * WIDTH / least.sum())
    grown = durations**0.45
    widths = least + grown / grown.sum() * (WIDTH - least.sum())
    return widths / widths.sum() * WIDTH


def _name_width(name: str) -> float:
    return (7.0 * len(name) + 10) / _PIXELS * WIDTH if name else 12.0


def label(name: str) -> str:
    """What the strip calls a phase; the pauses after one are left unnamed.

    >>> label("hold_fragmented"), label("after_demand1")
    ('hold fragmented', '')
    """
    return "" if name.startswith("after_") else name.replace("_", " ")
