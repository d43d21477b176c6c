"""The Explorer in Chromium, live in JupyterLab and as a file: first picture, frames while playing, cursor, size.

``python -m benchmarks.browser`` prints all of it, and what memory a scene takes.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path

import xarray as xr
from playwright.sync_api import Browser, Page, sync_playwright

import compactlab

from . import loop, memory
from .table import Row, lines

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "browser"))  # the eyes of the browser tests
from harness import CHROMIUM_OPTIONS, EYES, KERNEL_IDLE, Eyes, Lab

N_SNAPSHOTS = 100_000
REPEATS = 3
SECONDS = 3  # of playing, each time
SIZE = {"width": 1280, "height": 720}
WINDOWS, WINDOW = 5, 2  # of playing on each sheet; seconds
MOVES = 20  # of the cursor on each sheet
FIRST_PICTURE, FRAMES, BYTES, CURSOR = "at most 3 s", "at least 30", "at most 6 MB", "at most 100 ms"

# Milliseconds since the page began, once there is a picture: no plot waits, and the verdict is written.
_PAINTED = f"""() => {{ {EYES};
  const documents = eyes.documents();
  if (documents.length !== 1 || !documents[0].is_idle || eyes.all('[role=status]').length !== 1) return false;
  return eyes.views().some((view) => view.model.name === 'contiguity' && view._render_count) && performance.now();
}}"""
_RUN_SECOND_CELL = """() => {
  const began = performance.now(), app = window.jupyterapp, notebook = app.shell.currentWidget.content;
  notebook.activeCellIndex = 1;
  app.commands.execute('notebook:run-cell');
  return began;
}"""
# Milliseconds from the cursor's new place to the picture that shows it: until no plot paints in three frames.
_MOVED = """new Promise((resolve) => {
  const slider = eyes.model('frame'), before = eyes.paints.length, began = performance.now();
  let seen = before, quiet = 0, shown = began;
  slider.value = given;
  const look = (now) => {
    if (eyes.paints.length > seen || now === undefined) { seen = eyes.paints.length; quiet = 0; shown = performance.now(); } else quiet += 1;
    if (quiet < 3) requestAnimationFrame(look); else resolve(shown - began);
  };
  requestAnimationFrame(() => look());
})"""
_MAP, _REQUESTS = (
    f"compactlab.datasets.load({name!r})" for name in ("page-map-compaction", "page-map-direct")
)
"""Two machines of 24 GiB; the second has what the first has not: requests, and what they spent their time on."""


def rows() -> list[Row]:
    """Measure three runs, each as a file and live; the last one sheet by sheet."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        text = folder / "loop.txt"
        text.write_text(loop.text(loop.counts(N_SNAPSHOTS)))
        runs = {
            f"loop of {N_SNAPSHOTS:,} snapshots": f"compactlab.read({str(text)!r})",
            "whole-story, all views": "compactlab.datasets.load('whole-story')",
            "24 GiB, page by page": _MAP,
        }
        chromium = stack.enter_context(_chromium())
        lab = stack.enter_context(Lab(folder).running())
        found = [
            row
            for task, source in runs.items()
            for row in (*_of_file(chromium, folder, task, source), *_of_lab(chromium, lab, task, source))
        ]
        seen: set[tuple[str, str]] = set()
        for source in (_MAP, _REQUESTS):
            for way, page in _both_ways(chromium, folder, lab, source):
                found += _of_sheets(page, way, seen)
        return found


def _both_ways(chromium: Browser, folder: Path, lab: Lab, source: str) -> Iterator[tuple[str, Page]]:
    """Pages that show a run, from a file and live."""
    for way in ("file", "JupyterLab"):
        context = chromium.new_context(viewport=SIZE)
        page = context.new_page()
        if way == "file":
            with redirect_stdout(None):
                compactlab.render(_run(source), folder / "sheets.html")
            page.goto((folder / "sheets.html").as_uri())
        else:
            lab.open(page, lab.write("sheets.ipynb", f"import compactlab\ncompactlab.Explorer({source})"))
        _when_painted(page)
        yield way, page
        context.close()


def _of_sheets(page: Page, way: str, seen: set[tuple[str, str]]) -> list[Row]:
    """Frames while compaction plays, and the way of the cursor, on every sheet with pictures not seen before."""
    eyes = Eyes(page)
    found = []
    for sheet in eyes("eyes.all('[data-sheet]').map((tab) => tab.dataset.sheet)"):
        eyes("(eyes.all(`[data-sheet=${given}]`)[0].click(), 0)", sheet)
        page.wait_for_timeout(1000)
        eyes("eyes.count_paints()")
        places = [(37 * k) % 1000 for k in range(1, MOVES + 1)]
        moves = [float(eyes(_MOVED, place)) for place in places]
        if not eyes("eyes.paints.length") or (sheet, way) in seen:
            continue
        seen.add((sheet, way))
        eyes("(eyes.all('button').find((b) => b.ariaLabel === 'Next compaction').click(), 0)")
        eyes("(eyes.model('speed').value = '60', eyes.model('play').active = true, 0)")
        frames = [eyes.painted_per_second(WINDOW) for _ in range(WINDOWS)]
        eyes("(eyes.model('play').active = false, 0)")
        spread = [f"{min(values):.0f} to {max(values):.0f}" for values in (frames, moves)]
        found += [
            Row(f"playing, sheet {sheet}", way, statistics.median(frames), "frames/s", f"{FRAMES}; {spread[0]}"),
            Row(f"moving the cursor, sheet {sheet}", way, statistics.median(moves), "ms", f"{CURSOR}; {spread[1]}"),
        ]  # fmt: skip
    return found


def _run(source: str) -> xr.DataTree:
    return eval(source, {"compactlab": compactlab})  # noqa: S307  (the sources in this file)


@contextmanager
def _chromium() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


def _of_file(chromium: Browser, folder: Path, task: str, source: str) -> list[Row]:
    """Measure from the run in memory: draw, pack, write, open."""
    run = _run(source)
    path = folder / "report.html"

    def first(page: Page) -> float:
        began = time.perf_counter()
        with redirect_stdout(None):
            compactlab.render(run, path)
        rendered = time.perf_counter() - began
        page.goto(path.as_uri(), wait_until="commit")
        return rendered + _when_painted(page) / 1000

    return [
        *_rows(chromium, task, "file", first),
        Row(f"Explorer of {task}", "file", path.stat().st_size / 1e6, "MB", BYTES),
    ]


def _of_lab(chromium: Browser, lab: Lab, task: str, source: str) -> list[Row]:
    """Measure from the run in memory of a fresh kernel: import, draw, BokehJS, send."""
    notebooks = iter(f"{task.split()[0]}-{k}.ipynb" for k in range(REPEATS))

    def first(page: Page) -> float:
        load = f"import compactlab\nrun = {source}"
        lab.open(page, lab.write(next(notebooks), load, "compactlab.Explorer(run)"), run=False)
        lab.run_code(page, load)
        page.wait_for_function(KERNEL_IDLE)
        began = page.evaluate(_RUN_SECOND_CELL)
        return (_when_painted(page) - began) / 1000

    return _rows(chromium, task, "JupyterLab", first)


def _rows(chromium: Browser, task: str, way: str, first: Callable[[Page], float]) -> list[Row]:
    seconds, frames = zip(*(_measured(chromium, first) for _ in range(REPEATS)), strict=True)
    return [
        Row(f"first picture of {task}", way, statistics.median(seconds), "s", FIRST_PICTURE),
        Row(f"playing {task}", way, statistics.median(frames), "frames/s", FRAMES),
    ]


def _measured(chromium: Browser, first: Callable[[Page], float]) -> tuple[float, float]:
    """Seconds to the first picture on a fresh page, then painted frames per second while playing."""
    context = chromium.new_context(viewport=SIZE)
    try:
        page = context.new_page()
        seconds = first(page)
        eyes = Eyes(page)
        eyes("(eyes.model('play').active = true, 0)")
        return seconds, eyes.painted_per_second(SECONDS)
    finally:
        context.close()


def _when_painted(page: Page) -> float:
    return float(page.wait_for_function(_PAINTED, polling="raf", timeout=60_000).json_value())


if __name__ == "__main__":
    print("\n".join(lines([*rows(), *memory.rows()])))
