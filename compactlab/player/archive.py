"""BokehJS and a Bokeh document as compressed bytes, which ``archive.js`` reads in the browser."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from bokeh.core.json_encoder import serialize_json
from bokeh.document import Document
from bokeh.models import LayoutDOM

READER = files("compactlab.player").joinpath("archive.js").read_text("utf-8")
"""The JavaScript half: ``inflate``, ``runBokehJS`` and ``openArchive``."""


@cache
def bokehjs() -> bytes:
    """BokehJS with its widgets, one script, zlib-compressed.

    >>> len(bokehjs()) < 600_000
    True
    """
    scripts = files("bokeh") / "server" / "static" / "js"
    names = ("bokeh.min.js", "bokeh-widgets.min.js")
    return zlib.compress("\n".join(scripts.joinpath(name).read_text("utf-8") for name in names).encode(), 9)


def document_of(root: LayoutDOM) -> Document:
    """Find the document ``root`` stands in, or make one.

    Raises
    ------
    ValueError
        If the document shows other roots too: they would be packed unseen.
    """
    document = root.document
    if document is None:
        document = Document()
        document.add_root(root)
    if document.roots != [root]:
        raise ValueError(
            f"{type(root).__name__} shares its Bokeh document with {len(document.roots)} roots; expected it "
            "to be the only one. Build the figure anew, or take it out of the other document first"
        )
    return document


def archive(document: Document, *, stable: bool = False) -> bytes:
    """Document as zlib of: length of the head (u32, little endian), head (JSON), arrays one after another.

    Parameters
    ----------
    document
        What to pack; it is not changed.
    stable
        Number the models anew, so that equal documents give equal bytes. Python then no longer
        knows the models by the ids the browser uses.
    """
    serialized = document.to_json()
    content = json.loads(serialize_json(serialized))
    if stable:
        content = _reordered(content)
    # Arrays are referred to by id; the ids are given anew as positions.
    arrays = {buffer.id: buffer for buffer in serialized.buffers or []}
    position: dict[str, str] = {}
    for part in _parts(content):
        if part.get("type") == "bytes":
            part["data"] = {"id": position.setdefault(part["data"]["id"], str(len(position)))}
    packed = [arrays[name].to_bytes() for name in position]
    head = json.dumps(
        {"document": content, "lengths": [len(array) for array in packed]}, separators=(",", ":")
    ).encode()
    # For a file at a level that is nearly as small as the last, which takes eight times as long.
    return zlib.compress(b"".join([struct.pack("<I", len(head)), head, *packed]), 6 if stable else 1)


def _reordered(content: dict[str, Any]) -> dict[str, Any]:
    """Sort the attributes of a document and number its models by where they first appear.

    Bokeh keeps properties in sets, so their order differs between processes. A model is defined where it
    is met first and referred to from then on; sorting may exchange the two places.
    """
    definitions = {
        part["id"]: part for part in _parts(content) if part.get("type") == "object" and "id" in part
    }
    numbers: dict[str, str] = {}

    def rebuilt(value: Any) -> Any:
        if isinstance(value, list):
            return [rebuilt(item) for item in value]
        if not isinstance(value, dict):
            return value
        # A model, or a reference to one: {"id": ...} and nothing else. Text that looks alike stays.
        if value.get("id") in definitions and (value.get("type") == "object" or len(value) == 1):
            if value["id"] in numbers:
                return {"id": numbers[value["id"]]}
            numbers[value["id"]] = number = f"p{len(numbers) + 1}"
            model = definitions[value["id"]]
            return {
                key: number if key == "id" else rebuilt(model[key]) for key in sorted(model, reverse=True)
            }
        return {key: rebuilt(value[key]) for key in sorted(value)}

    return {key: rebuilt(part) for key, part in content.items()}  # the order of the parts is Bokeh's own


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    """Every JSON object inside a value, outermost first."""
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from _parts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _parts(item)
