"""The Explorer in JupyterLab: a run on one cursor, refined by Python where it is zoomed into."""

from __future__ import annotations

import difflib
import inspect
import threading
from typing import Any

import ipywidgets
import xarray as xr

from ..figures import explorer
from .bridge import BokehBridge, report


class Explorer(ipywidgets.VBox):
    """Play a recording: free memory, indices, who compacts, work and latency, with the verdict on top.

    Press Play or Space, step with the buttons or the comma and full stop keys, click into a plot to go
    there. Drag across a plot to zoom in time (Ctrl and wheel too); double click to see all again.

    Parameters
    ----------
    run
        Recording or simulation.
    zone, order
        What to open on; else the zone with most free memory, and the pageblock order.
    theme
        "auto" follows JupyterLab; "light" or "dark".
    height
        In pixels.
    bins
        Rows drawn at most. A longer recording is thinned, and drawn finer where it is zoomed into.

    Raises
    ------
    TypeError
        For an option that does not exist, with the nearest that does.
    ValueError
        If the run has nothing to draw, or there is no such zone, order or theme.

    Examples
    --------
    >>> import compactlab
    >>> Explorer(compactlab.datasets.load("healthy"), order=9).title
    'healthy'
    """

    def __init__(
        self,
        run: xr.DataTree,
        *,
        zone: str | None = None,
        order: int | None = None,
        theme: str = "auto",
        height: int = 720,
        bins: int = 2000,
        **unknown: Any,
    ) -> None:
        if unknown:
            raise TypeError(option_advice(type(self), next(iter(unknown))))
        scene = explorer(run, zone=zone, order=order, theme=theme, bins=bins, live=True)
        scene.root.min_height = height
        self.title, self.note = scene.title, scene.note
        self._answer = scene.answer
        self._asked: dict[str, dict[str, Any]] = {}  # by type, the newest question that has no answer yet
        self._working = threading.Lock()
        self.bridge = BokehBridge(scene.root, on_message=self._hear)
        super().__init__([self.bridge])

    def _hear(self, message: dict[str, Any]) -> None:
        """Find what the picture asks for, such as more samples of a part; the kernel's main thread stays free."""
        self._asked[str(message["type"])] = message
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        with self._working:  # one at a time; those overtaken meanwhile find nothing left to do
            while self._asked:
                _type, message = self._asked.popitem()
                try:
                    self.bridge.push(self._answer(message))
                except Exception as error:  # a thread has nobody else to tell
                    self.bridge.error = report(error)


def option_advice(widget: type, name: str) -> str:
    """Say that a dashboard has no such option, and which is the nearest it has."""
    known = [option for option in inspect.signature(widget).parameters if option != "unknown"]
    near = difflib.get_close_matches(name, known, 1)
    return f"{widget.__name__}() has no option {name!r}; " + (
        f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}"
    )
