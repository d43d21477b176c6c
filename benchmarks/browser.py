"""The Explorer in Chromium, live in JupyterLab and as a file: first picture, frames while playing, size."""

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

from playwright.sync_api import Browser, Page, sync_playwright

import compactlab

from . import loop
from .table import Row

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "browser"))  # the eyes of the browser tests
from harness import CHROMIUM_OPTIONS, EYES, KERNEL_IDLE, Eyes, Lab

N_SNAPSHOTS = 100_000
REPEATS = 3
SECONDS = 3  # of playing, each time
SIZE = {"width": 1280, "height": 720}
FIRST_PICTURE, FRAMES, BYTES = "at most 3 s", "at least 30", "at most 6 MB"

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


def rows() -> list[Row]:
    """Measure both runs, each as a file and live."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        text = folder / "loop.txt"
        text.write_text(loop.text(loop.counts(N_SNAPSHOTS)))
        runs = {
            f"loop of {N_SNAPSHOTS:,} snapshots": f"compactlab.read({str(text)!r})",
            "whole-story, all views": "compactlab.datasets.load('whole-story')",
        }
        chromium = stack.enter_context(_chromium())
        lab = stack.enter_context(Lab(folder).running())
        return [
            row
            for task, source in runs.items()
            for row in (*_of_file(chromium, folder, task, source), *_of_lab(chromium, lab, task, source))
        ]


@contextmanager
def _chromium() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


def _of_file(chromium: Browser, folder: Path, task: str, source: str) -> list[Row]:
    """Measure from the run in memory: draw, pack, write, open."""
    run = eval(source, {"compactlab": compactlab})  # noqa: S307  (the two sources above)
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
