"""What the browser tests share: pages that keep what went wrong, a JupyterLab, eyes inside Bokeh."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[2]
ARTEFACTS = ROOT / "tests" / "artefacts"

CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

NOISE = {
    # JupyterLab 4 asks for the workspace or session it has just not stored yet.
    r"Failed to load resource.* 404 .*/(api/(sessions|kernels)|lab/api/workspaces)": "nothing stored yet",
    # A page that is left while its kernel connects.
    r"WebSocket connection to .*/channels.* failed: WebSocket is closed before": "page closed early",
}
"""Console errors of JupyterLab itself that no figure causes, with the reason each is harmless."""


class Watch:
    """What happened to one page: console errors, uncaught exceptions, requests."""

    def __init__(self, page) -> None:
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.failed: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.errors.append(f"uncaught: {error}"))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("requestfailed", lambda request: self.failed.append(f"{request.url}: {request.failure}"))

    def _console(self, message) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")

    def outward(self) -> list[str]:
        """Requests that left the page: all but files and what the page carries itself."""
        return [url for url in self.requests if not url.startswith(("file:", "data:", "blob:", "about:"))]


def assert_clean(page) -> None:
    """No console error, no uncaught exception, no failed request, but the known noise of JupyterLab."""
    watch = page.watch
    errors = [text for text in watch.errors if not any(re.search(pattern, text) for pattern in NOISE)]
    # A page that is left cancels what it still loads.
    failed = [text for text in watch.failed if "ERR_ABORTED" not in text]
    assert errors == [], "\n".join(errors)
    assert failed == [], "\n".join(failed)


def screenshot(page, name: str) -> Path:
    """Keep a picture of the page in tests/artefacts."""
    ARTEFACTS.mkdir(exist_ok=True)
    path = ARTEFACTS / f"{name}.png"
    page.screenshot(path=path)
    return path


# ------------------------------------------------------------------ inside the page

EYES = """
if (!window.eyes) window.eyes = {
  // Elements that match, through every shadow root (Bokeh draws inside them).
  all(selector, root = document) {
    const found = [...root.querySelectorAll(selector)];
    for (const element of root.querySelectorAll('*'))
      if (element.shadowRoot) found.push(...this.all(selector, element.shadowRoot));
    return found;
  },
  // Bokeh documents that are on the page now, in order of their making.
  documents() {
    const keys = Object.keys(window.Bokeh ?? {}).filter((key) => /^\\d/.test(key));
    return keys.flatMap((version) => window.Bokeh[version].documents).filter((d) => d.roots().length);
  },
  model(name, index = 0) {
    const found = [...this.documents()[index].all_models].find((m) => m.name === name);
    if (!found) throw new Error(`no model named ${name} in document ${index}`);
    return found;
  },
  views() {
    const found = [];
    const walk = (view) => { found.push(view); for (const child of view.child_views ?? []) walk(child); };
    for (const document of this.documents()) for (const view of document.views_manager ?? []) walk(view);
    return [...new Set(found)];
  },
  // Times (ms) of every paint of every plot from now on, in eyes.paints.
  count_paints() {
    this.paints = [];
    for (const view of this.views()) {
      if (!view._actual_paint || view._counted) continue;
      const paint = view._actual_paint.bind(view);
      view._counted = true;
      view._actual_paint = (...given) => {
        const begin = performance.now();
        const result = paint(...given);
        const took = performance.now() - begin;
        this.paints.push({plot: view.model.id, name: view.model.name, begin, took});
        return result;
      };
    }
  },
  // One value per animation frame for some seconds: what a person could have seen.
  sample(expression, seconds) {
    const look = new Function(`return (${expression})`);
    const seen = [];
    const begin = performance.now();
    return new Promise((resolve) => {
      const step = () => {
        const at = performance.now() - begin;
        seen.push([at, look()]);
        if (at < seconds * 1000) requestAnimationFrame(step); else resolve(seen);
      };
      requestAnimationFrame(step);
    });
  },
};
"""


class Eyes:
    """Looks into the Bokeh documents of a page, or of a frame in it."""

    def __init__(self, frame) -> None:
        self.frame = frame

    def __call__(self, expression: str, argument=None):
        """Evaluate JavaScript with ``eyes`` at hand; ``given`` is the argument."""
        # A page that was reloaded has lost its eyes.
        return self.frame.evaluate(f"async (given) => {{ {EYES}; return ({expression}); }}", argument)

    def wait(self, expression: str, seconds: float = 30, argument=None):
        """Wait until an expression is true; its value."""
        handle = self.frame.wait_for_function(
            f"(given) => {{ {EYES}; try {{ return ({expression}); }} catch {{ return false; }} }}",
            arg=argument,
            timeout=seconds * 1000,
            polling=50,
        )
        return handle.json_value()

    def get(self, name: str, attribute: str, document: int = 0):
        """Attribute of the model of a name, as JSON."""
        return self(f"eyes.model('{name}', {document})[{json.dumps(attribute)}]")

    def column(self, name: str, column: str, document: int = 0) -> list:
        """One column of a source, as a list."""
        return self(f"Array.from(eyes.model('{name}', {document}).data[{json.dumps(column)}])")

    def count(self, selector: str) -> int:
        """How many elements match, shadow roots included."""
        return self("eyes.all(given).length", selector)

    def texts(self, selector: str) -> list[str]:
        """Texts of all elements that match, shadow roots included."""
        return self("eyes.all(given).map((e) => e.innerText)", selector)

    def painted_per_second(self, seconds: float = 2) -> float:
        """Pictures per second over a while: of the plot that paints most often."""
        self("eyes.count_paints()")
        self.frame.wait_for_timeout(seconds * 1000)
        paints = self("eyes.paints")
        by_plot: dict[str, int] = {}
        for paint in paints:
            by_plot[paint["plot"]] = by_plot.get(paint["plot"], 0) + 1
        return max(by_plot.values(), default=0) / seconds


SMALL = """(() => {
  const small = new Set();
  const visible = (node) => /[\\p{L}\\p{N}]/u.test(node.textContent) && node.parentElement.checkVisibility?.();
  const walk = (root) => {
    for (const element of root.querySelectorAll('*')) {
      if (element.shadowRoot) walk(element.shadowRoot);
      if (['STYLE', 'SCRIPT', 'OPTION'].includes(element.tagName)) continue;
      const size = parseFloat(getComputedStyle(element).fontSize);
      for (const node of element.childNodes)
        if (node.nodeType === Node.TEXT_NODE && size < 14 && visible(node)) small.add(`${node.textContent.trim()} (${size} px)`);
    }
  };
  walk(document);
  const painted = {text_font_size: 'text', axis_label_text_font_size: 'axis_label', major_label_text_font_size: 'visible', label_text_font_size: 'items'};
  for (const document of eyes.documents()) for (const model of document.all_models)
    for (const [name, of] of Object.entries(painted)) {
      const {[name]: size, [of]: text} = model.attributes;
      const pixels = parseFloat(size?.value ?? size);
      if (text && text.length !== 0 && pixels < 14) small.add(`${model.type}.${name} (${pixels} px)`);
    }
  return [...small];
})()"""
"""Texts of a figure that are too small for a projector: of elements, and what Bokeh paints."""

SIDEWAYS = """(() => [...document.querySelectorAll('body, body *')].filter((element) =>
  element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0
  && ['auto', 'scroll'].includes(getComputedStyle(element).overflowX)
).map((element) => `${element.className}: ${element.scrollWidth} > ${element.clientWidth}: ${element.innerText.slice(0, 80)}`))()"""
"""Parts of a page that a reader would have to scroll sideways."""

SEEN = """{
  position: eyes.model('frame').value,
  cursor: eyes.model('contiguity').center.find((m) => m.type === 'Span').location,
  verdict: eyes.all('[role=status]:not(.cl-told)')[0].innerText,
  words: eyes.all('h3').map((h) => h.parentElement.innerText).join('|'),
}"""


def assert_plays(eyes) -> None:
    """Press Play with a real mouse: position, cursor, values and verdict move, and reach the end."""
    eyes.frame.get_by_label("Speed").select_option(label="in 5 s")
    before = eyes(SEEN)
    eyes.frame.get_by_role("button", name="Play").click()
    verdicts = {
        text
        for _, text in eyes("eyes.sample(given, 5)", "eyes.all('[role=status]:not(.cl-told)')[0].innerText")
    }
    eyes.wait("!eyes.model('play').active", seconds=15)
    after = eyes(SEEN)
    assert before["position"] == 0
    assert after["position"] == after["cursor"] == 1000
    assert after["words"] != before["words"]
    assert len(verdicts) > 5, verdicts
    assert any("no free block" in text for text in verdicts)
    assert any("would succeed" in text for text in verdicts)


# ------------------------------------------------------------------ JupyterLab


class Lab:
    """A JupyterLab server of its own, with its own settings and an empty notebook folder."""

    def __init__(self, folder: Path, python_path: Path = ROOT) -> None:
        self.notebooks = folder / "notebooks"
        self.token = secrets.token_hex(16)
        self.port = _free_port()
        self._log = folder / "lab.log"
        self._folder = folder
        self.notebooks.mkdir()
        self._environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(python_path),
            **{
                name: str(folder / name.lower())
                for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
            },
        }

        # No question about news on top of the pictures, and no look-up of newer versions.
        settings = folder / "jupyter_config_dir/lab/user-settings/@jupyterlab/apputils-extension"
        settings.mkdir(parents=True)
        quiet = {"fetchNews": "false", "checkForUpdates": False}
        (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def running(self):
        """Start the server; stop it and its kernels at the end."""
        command = [
            *(sys.executable, "-m", "jupyter", "lab", "--no-browser", "--ip=127.0.0.1", "--allow-root"),
            f"--port={self.port}",
            "--ServerApp.port_retries=0",
            f"--IdentityProvider.token={self.token}",
            "--LabApp.expose_app_in_browser=True",
            "--LabApp.extension_manager=readonly",
        ]
        with self._log.open("w") as log:
            server = subprocess.Popen(
                command,
                cwd=self.notebooks,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._wait_until_up(server)
            yield self
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()

    def _wait_until_up(self, server: subprocess.Popen) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and server.poll() is None:
            with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                urllib.request.urlopen(f"{self.url}/api", timeout=2).close()  # noqa: S310
                return
            time.sleep(0.2)
        raise RuntimeError(f"JupyterLab did not start:\n{self._log.read_text()[-2000:]}")

    def write(self, name: str, *cells: str) -> str:
        """Put a notebook of code cells into the folder; its name."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata["kernelspec"] = {
            "name": "python3",
            "display_name": "Python 3",
            "language": "python",
        }
        nbformat.write(notebook, self.notebooks / name)
        return name

    def open(self, page, notebook: str, *, run: bool = True, seconds: float = 120) -> Eyes:
        """Open a notebook in a page, run all its cells and wait until they are done.

        ``notebook`` is relative to the folder of notebooks.
        """
        page.goto(f"{self.url}/lab/tree/{notebook}?reset&token={self.token}", wait_until="domcontentloaded")
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
        page.wait_for_function(KERNEL_IDLE, timeout=60_000)
        if run:
            self.run_all(page, seconds)
        return Eyes(page)

    def run_all(self, page, seconds: float = 120) -> None:
        """Run all cells of the open notebook; an error in a cell is an error here."""
        page.set_default_timeout(seconds * 1000)
        page.evaluate("async () => { await window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
        errors = page.evaluate(_CELL_ERRORS)
        assert errors == [], "\n".join(errors)

    def run_code(self, page, code: str) -> None:
        """Execute code in the kernel of the open notebook and wait for its end."""
        failed = page.evaluate(_EXECUTE, code)
        assert failed is None, failed


KERNEL_IDLE = """() => {
  const context = window.jupyterapp?.shell.currentWidget?.sessionContext;
  return context?.session?.kernel?.status === 'idle';
}"""

_CELL_ERRORS = """() => window.jupyterapp.shell.currentWidget.content.model.sharedModel.toJSON().cells
  .flatMap((cell) => cell.outputs ?? []).filter((output) => output.output_type === 'error')
  .map((output) => output.ename + ': ' + output.evalue)"""

_EXECUTE = """async (code) => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const reply = await kernel.requestExecute({code}).done;
  return reply.content.status === 'ok' ? null : `${reply.content.ename}: ${reply.content.evalue}`;
}"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
