"""Run the notebooks of this folder and keep what they print, the same bytes every time.

    python notebooks/rebuild.py                 every notebook
    python notebooks/rebuild.py 01*.ipynb       those named
    python notebooks/rebuild.py --check         write nothing; fail and show what would change

The output of a cell tagged ``this-machine`` depends on where it runs, that of a cell tagged ``timing``
on how fast: ``--check`` runs both and compares neither; a rebuild keeps the first as it was, once there,
and measures the second anew.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from base64 import b64decode
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from zlib import decompress

import nbformat
from nbclient import NotebookClient
from PIL import Image
from PIL.ImageSequence import Iterator

FOLDER = Path(__file__).parent
LIVE = "The live dashboard stands here when this cell is run."
WIDGET = "application/vnd.jupyter.widget-view+json"
SECONDS = 120
NOT_COMPARED = frozenset({"this-machine", "timing"})
PACKED = re.compile("[A-Za-z0-9+/]{1000,}=*")


def rebuilt(path: Path, kept_as_they_were: frozenset[str] = frozenset({"this-machine"})) -> str:
    """Execute a notebook in an empty folder; its text as it should be in the file."""
    notebook = nbformat.read(path, as_version=4)
    kept = {
        cell.id: cell.outputs
        for cell in notebook.cells
        if cell.get("outputs") and kept_as_they_were.intersection(cell.metadata.get("tags", []))
    }
    with TemporaryDirectory() as folder:
        NotebookClient(
            notebook,
            timeout=SECONDS,
            kernel_name="python3",
            extra_arguments=["--log-level=ERROR"],
            resources={"metadata": {"path": folder}},
            record_timing=False,
            store_widget_state=False,
            coalesce_streams=True,
        ).execute()
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            _without_widget(output)
        if cell.id in kept:
            cell.outputs = kept[cell.id]
    notebook.metadata["language_info"] = {"name": "python"}  # not the version that happened to run
    return nbformat.writes(notebook) + "\n"


def _without_widget(output: nbformat.NotebookNode) -> None:
    """A widget lives as long as its kernel: leave a line for those who only read."""
    data = output.get("data", {})
    if data.pop(WIDGET, None):
        data["text/plain"] = LIVE


def difference(path: Path) -> str:
    """What a rebuild would change, line by line; empty if nothing."""
    found, expected = _lines(path.read_text(encoding="utf-8")), _lines(rebuilt(path, NOT_COMPARED))
    lines = difflib.unified_diff(found, expected, "committed", "executed now", "", "", 2, "")
    return "\n".join([path.name, *lines]) if found != expected else ""


def _lines(text: str) -> list[str]:
    """Lines a person can compare: what is packed in base64 becomes a checksum of its content."""
    return PACKED.sub(_checksum, text).splitlines()


def _checksum(packed: re.Match[str]) -> str:
    """Checksum of pixels or of unpacked text: the same for every zlib."""
    data = b64decode(packed[0])
    if data.startswith(b"\x89PNG"):
        content = b"".join(frame.convert("RGB").tobytes() for frame in Iterator(Image.open(BytesIO(data))))
    else:
        content = decompress(data)
    return f"({len(content)} bytes, sha256 {sha256(content).hexdigest()[:16]})"


def main() -> int:
    """Rebuild or check; the exit status: 0 all is well, 1 an output differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all of this folder")
    parser.add_argument(
        "--check", action="store_true", help="change nothing; show what a rebuild would change"
    )
    arguments = parser.parse_args()
    differences = []
    for path in arguments.notebooks or sorted(FOLDER.glob("*.ipynb")):
        if arguments.check:
            differences.append(difference(path))
        else:
            path.write_text(rebuilt(path), encoding="utf-8")
            print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")
    print(*filter(None, differences), sep="\n\n", end="")
    return int(any(differences))


if __name__ == "__main__":
    sys.exit(main())
