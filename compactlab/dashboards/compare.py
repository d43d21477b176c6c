"""Runs side by side in JupyterLab: recorded or simulated, one or several of each."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

import ipywidgets

from ..figures import comparison
from ..metrics.comparison import Runs
from .bridge import BokehBridge, report
from .explorer import option_advice


class Compare(ipywidgets.VBox):
    """Play two or more runs beside each other, on common axes with one cursor.

    Line them up by elapsed time, by share of the run, or phase by phase. *Numbers* shows medians, intervals
    and differences; *Table* the values over time. The bar on top says what differs most.

    Parameters
    ----------
    sides
        Two to six sides: runs, lists of runs that repeat one experiment with other seeds, or mappings from a
        name to one of these. Recordings and simulations may be mixed.
    names
        One for each side; else the runs' own.
    zone, order
        What to open on; else the first run's largest zone, and the order of a huge page.
    theme
        "auto" follows JupyterLab; "light" or "dark".
    height
        In pixels.
    confidence
        Of the intervals, between 0 and 1.

    Raises
    ------
    TypeError
        For an option that does not exist, with the nearest that does, or a side that is no run.
    ValueError
        If there are fewer than two sides or more than six, nothing to draw, or no such zone, order or theme.

    Examples
    --------
    >>> import compactlab
    >>> run = compactlab.datasets.load("direct-compaction")
    >>> Compare(run, compactlab.datasets.load("healthy")).title
    'direct-compaction · healthy'
    """

    def __init__(
        self,
        *sides: Runs | Mapping[str, Runs],
        names: Iterable[str] | None = None,
        zone: str | None = None,
        order: int | None = None,
        theme: str = "auto",
        height: int = 720,
        confidence: float = 0.95,
        **unknown: Any,
    ) -> None:
        if unknown:
            raise TypeError(option_advice(type(self), next(iter(unknown))))
        scene = comparison(
            *sides, names=names, zone=zone, order=order, theme=theme, confidence=confidence, live=True
        )
        scene.root.min_height = height
        self.title, self.note = scene.title, scene.note
        self._answer = scene.answer
        self._asked: list[dict[str, Any]] = []
        self._working = threading.Lock()
        self.bridge = BokehBridge(scene.root, on_message=self._hear)
        super().__init__([self.bridge])

    def _hear(self, message: dict[str, Any]) -> None:
        """Find the numbers for another zone or order; the kernel's main thread stays free."""
        self._asked.append(message)
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        with self._working:
            if not self._asked:  # somebody before answered for all
                return
            message = self._asked[-1]
            self._asked.clear()
            try:
                self.bridge.push(self._answer(message))
            except Exception as error:  # a thread has nobody else to tell
                self.bridge.error = report(error)
