"""Single pageblocks page by page: of some at some moments for a page without Python, of any when asked."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ..metrics.blockpages import BlockPages
from ..metrics.cells import CANNOT_BITS, FILLS
from ..metrics.film import FRAME, SOURCE, TARGET, Film

MOMENTS = 200
"""Moments at which the pages under the scanners are kept for a page without Python."""
SAMPLES = 8
"""Pageblocks whose pages are kept at all moments."""


class CloseUp:
    """Looks at pageblocks of a run page by page.

    ``steps`` are the steps of the film whose pages are kept, ``samples`` the first pages of the pageblocks that are.
    """

    def __init__(self, run: xr.DataTree, found: Film, moved: xr.Dataset | None) -> None:
        self._look = BlockPages(run, moved) if "pages" in run.children else None
        self.size = self._look.size if self._look else int(found.cell_pages[0])
        moving, counted = _steps_with(found, SOURCE), np.flatnonzero(found.what == FRAME)
        self.steps = np.unique(np.append(_even(moving, MOMENTS), _even(counted, MOMENTS // 4)))
        self.close = np.stack([_last_cells(found, self.steps, role) for role in (SOURCE, TARGET)], axis=1)
        self.samples = self._sampled(found)
        self._found = found

    def _sampled(self, found: Film) -> np.ndarray:
        """Pageblocks in even distances, and those with most pages that cannot move."""
        if self._look is None:
            return np.zeros(0, np.int64)
        present = np.flatnonzero((found.initial & 15) != FILLS.index("absent"))
        even = present[np.linspace(0, present.size - 1, min(SAMPLES - 2, present.size)).astype(int)]
        cannot = np.argsort((found.initial[present] >> CANNOT_BITS) & 15, kind="stable")[-2:]
        return found.start_pfn[np.unique(np.append(even, present[cannot]))]

    def columns(self) -> dict[str, np.ndarray]:
        """States of the pages: under the scanners (moment, 2, page), of the samples (sample, moment, page)."""
        close = np.where(self.close >= 0, self._found.start_pfn[np.maximum(self.close, 0)], -1)
        empty = np.zeros(self.size, np.uint8)
        near = [
            self._states(int(pfn), int(step)) if pfn >= 0 else empty
            for step, both in zip(self.steps, close, strict=True)
            for pfn in both
        ]
        samples = [self._states(int(pfn), int(step)) for pfn in self.samples for step in self.steps]
        return {
            "close": close.astype(np.float64).ravel(),
            "near": np.concatenate([empty[:0], *near]),
            "sampled": np.concatenate([empty[:0], *samples]),
        }

    def _states(self, pfn: int, step: int) -> np.ndarray:
        if self._look is None:
            return np.zeros(self.size, np.uint8)
        return self._look.at(pfn, int(self._found.elapsed[step]))[0]

    def answer(self, message: dict[str, Any]) -> dict[str, Any]:
        """States of the pageblocks a message names, at its moment."""
        if self._look is None:
            return {"start_pfn": [], "since": [], "states": []}
        wanted = [int(pfn) for pfn in message["start_pfn"]][:2]
        found = [self._look.at(pfn, int(message["elapsed"])) for pfn in wanted]
        return {
            "start_pfn": [float(pfn) for pfn in wanted],
            "since": [since / 1e9 for _states, since in found],
            "states": [states for states, _since in found],
        }


def _even(steps: np.ndarray, most: int) -> np.ndarray:
    """So many of the steps at most, in even distances, the first and the last among them."""
    return steps[np.unique(np.linspace(0, steps.size - 1, min(most, steps.size)).astype(int))]


def _steps_with(found: Film, role: int) -> np.ndarray:
    """Steps in which pages are moved out (or in)."""
    return np.unique(np.searchsorted(found.first, np.flatnonzero(found.role == role), "right") - 1)


def _last_cells(found: Film, steps: np.ndarray, role: int) -> np.ndarray:
    """Cell that changed last for one reason, at or before each step; -1 if none did."""
    at = np.flatnonzero(found.role == role)
    last = np.searchsorted(at, found.first[steps + 1]) - 1
    return np.where(last >= 0, found.cell[at[np.maximum(last, 0)]] if at.size else -1, -1)
