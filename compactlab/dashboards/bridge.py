"""A Bokeh document inside JupyterLab or Voila, in one small widget; the browser's half is bridge.js.

Python's document is the truth: a view that opens (again, after a reload, in a second output) gets
the document as it is now. Between Python and a view at most two updates are under way; what
changes meanwhile is sent once, as it then stands.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterable
from importlib.resources import files
from typing import Any

import anywidget
import bokeh
import traitlets
from bokeh.core.json_encoder import serialize_json
from bokeh.core.serialization import Serializer
from bokeh.document.events import ColumnDataChangedEvent, DocumentPatchedEvent, ModelChangedEvent
from bokeh.models import LayoutDOM

from ..player.archive import READER, archive, bokehjs, document_of
from ..texts import _

IN_FLIGHT = 2
"""Updates a view may have received without having drawn them."""
PATIENCE = 1.0
"""Seconds after which an update counts as drawn, so that a silent view is still fed, slowly."""
GONE = 30.0
"""Seconds of silence after which a view is forgotten; if it speaks again it gets the document."""


class _View:
    """What one view has yet to see: attributes by model, and the columns of its data."""

    def __init__(self) -> None:
        self.sent: dict[int, float] = {}  # number of an update: when it was sent
        self.stale: dict[str, set[str]] = {}  # attributes by model id
        self.columns: dict[str, set[str]] = {}  # columns by id of the source

    def mark(self, update: dict[str, Any]) -> None:
        if "set" in update:
            self.stale.setdefault(update["id"], set()).update(update["set"])
        if "data" in update:
            self.columns.setdefault(update["id"], set()).update(update["data"])

    def waits(self, now: float) -> bool:
        return sum(now - sent < PATIENCE for sent in self.sent.values()) >= IN_FLIGHT

    def gone(self, now: float) -> bool:
        return bool(self.sent) and now - min(self.sent.values()) > GONE


class BokehBridge(anywidget.AnyWidget):
    """Shows one Bokeh root and moves it from Python.

    Needs no internet, no JupyterLab extension of Bokeh's and no ``output_notebook``. Code in the
    document (CustomJS) reaches Python by ``model.document?.compactlab_send?.(message)``, where
    ``message`` is plain JSON; in a static page that function is absent. When the output is closed,
    ``model.document`` becomes null.

    Parameters
    ----------
    root
        The only root of its Bokeh document. One that stretches in height is given its ``height``,
        else its ``min_height``, else 720 px.
    on_message
        Called with each message from the document. What it raises is shown above the document.

    Examples
    --------
    >>> from bokeh.models import Slider
    >>> slider = Slider(start=0, end=9, value=0)
    >>> bridge = BokehBridge(slider)
    >>> bridge.push([{"id": slider.id, "set": {"value": 5}}])
    >>> slider.value
    5
    """

    _esm = READER + files("compactlab.dashboards").joinpath("bridge.js").read_text("utf-8")

    bokeh_version = traitlets.Unicode(bokeh.__version__).tag(sync=True)
    words = traitlets.Dict().tag(sync=True)
    error = traitlets.Unicode().tag(sync=True)

    def __init__(self, root: LayoutDOM, on_message: Callable[[Any], None] | None = None) -> None:
        self._document = document_of(root)
        self._on_message = on_message
        self._views: dict[str, _View] = {}
        self._number = 0
        self._lock = threading.RLock()  # pushes come from threads, answers from the kernel's main thread
        super().__init__(words=_words())
        self.on_msg(self._hear)

    def push(self, updates: Iterable[dict[str, Any]]) -> None:
        """Change models here and in every open view.

        May be called from any thread and as often as wanted: a view gets the newest state when it
        has drawn what it got before. While a cell runs the kernel hears no view, so push from a
        thread or a callback if each step is to be seen.

        Parameters
        ----------
        updates
            ``{"id": model.id, "data": {column: values}}`` replaces columns of a source and
            ``{"id": model.id, "set": {attribute: value}}`` sets attributes; one update may do both.

        Raises
        ------
        ValueError
            If no model of the document has the id.
        """
        with self._lock:
            for update in updates:
                self._change(update)
                for view in self._views.values():
                    view.mark(update)
            for name in list(self._views):
                self._flush(name)

    def _change(self, update: dict[str, Any]) -> None:
        model = self._document.models.get_by_id(update["id"])
        if model is None:
            raise ValueError(
                f"push: no model {update['id']!r} in this document; expected the `id` of a model that the "
                "root holds. Take it from the same scene the bridge was made of"
            )
        if "set" in update:
            model.update(**update["set"])
        if "data" in update:
            model.data = {**model.data, **update["data"]}

    def _flush(self, name: str) -> None:
        view, now = self._views[name], time.monotonic()
        if view.gone(now):
            del self._views[name]
        elif (view.stale or view.columns) and not view.waits(now):
            self._send_patch(name, view)

    def _send_patch(self, name: str, view: _View) -> None:
        document, by_id = self._document, self._document.models
        events: list[DocumentPatchedEvent] = [
            ColumnDataChangedEvent(document, by_id[key], "data", cols=sorted(columns))
            for key, columns in view.columns.items()
        ]
        for key, attributes in view.stale.items():
            model = by_id[key]
            events += [
                ModelChangedEvent(document, model, attr, getattr(model, attr)) for attr in sorted(attributes)
            ]
        view.stale, view.columns = {}, {}
        serializer = Serializer(references=set(document.models))
        patch = serialize_json({"events": serializer.encode(events)})
        content = {"type": "patch", "patch": patch, "buffers": [buffer.id for buffer in serializer.buffers]}
        self._send_to(name, content, [buffer.to_bytes() for buffer in serializer.buffers])

    def _send_to(self, name: str, content: dict[str, Any], buffers: list[bytes]) -> None:
        self._number += 1
        self._views[name].sent[self._number] = time.monotonic()
        self.send({**content, "view": name, "n": self._number}, buffers)

    def _hear(self, _widget: Any, content: dict[str, Any], _buffers: Any) -> None:
        name = content["view"]
        if content["type"] == "message":
            self._answer(content["content"])
            return
        with self._lock:
            if content["type"] == "bokehjs":
                self.send({"type": "bokehjs", "view": name}, [bokehjs()])
            elif content["type"] == "close":
                self._views.pop(name, None)
            elif content["type"] == "open" or name not in self._views:
                self._views[name] = _View()
                self._send_to(name, {"type": "document"}, [archive(self._document)])
            else:
                view = self._views[name]
                view.sent = {number: sent for number, sent in view.sent.items() if number > content["n"]}
                self._flush(name)

    def _answer(self, message: Any) -> None:
        if self._on_message is None:
            return
        try:
            self._on_message(message)
        except Exception as error:
            self.error = report(error)
        else:
            self.error = ""


def _words() -> dict[str, str]:
    return {
        "silent": _("The kernel did not answer: it is busy or was restarted."),
        "failed": _(
            "This figure could not be shown. Wait for the kernel to be idle, then run the cell again."
        ),
    }


def report(error: Exception, advice: str = "") -> str:
    """Say what happened, where, and what to do, for the output of a cell."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return "\n".join(
        [
            f"{type(error).__name__}: {error}",
            advice or _("The figure stays as it was. Try again, or run the cell again for a fresh one."),
            _("Raised in {place}.").format(place=f"{place.name} ({place.filename}, line {place.lineno})"),
        ]
    )
