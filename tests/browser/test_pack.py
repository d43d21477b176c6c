"""Packed pages in real Chromium: no network, no kernel, strict surroundings."""

from __future__ import annotations

import functools
import html
import http.server
import threading

import numpy as np
import pytest
from bokeh.layouts import column
from bokeh.models import ColumnDataSource, CustomJS, Slider, Toggle
from bokeh.plotting import figure
from harness import Eyes

from compactlab import player

FRAMES = 60


def scene():
    """A movie of 60 frames with a Play button."""
    rows = np.arange(FRAMES)[:, None] * np.ones(100, np.float32)
    movie = ColumnDataSource({"frames": [rows.astype(np.float32)]}, name="movie")
    source = ColumnDataSource({"x": np.arange(100), "y": np.zeros(100)}, name="line")
    plot = figure(sizing_mode="stretch_both", y_range=(0, FRAMES), name="plot")
    plot.line("x", "y", source=source)
    frame = Slider(start=0, end=FRAMES - 1, value=0, name="frame")
    play = Toggle(label="Play", name="play")
    move = """
      const first = cb_obj.value * 100;
      const y = Float64Array.from(movie.data.frames[0].slice(first, first + 100));
      source.data = {x: source.data.x, y};
    """
    frame.js_on_change("value", CustomJS(args={"movie": movie, "source": source}, code=move))
    run = """
      const step = () => { if (frame.value < frame.end) { frame.value += 1; requestAnimationFrame(step); } };
      step();
    """
    play.js_on_change("active", CustomJS(args={"frame": frame}, code=run))
    return column(frame, play, plot, sizing_mode="stretch_both")


@pytest.fixture(scope="module")
def packed():
    return player.pack(scene(), "a movie")


def plays(eyes: Eyes) -> None:
    """Press Play; the figure's own data reaches the last frame, in order, painted on the way."""
    eyes.wait("eyes.documents().length === 1 && eyes.all('.bk-Figure').length === 1")
    assert eyes.column("line", "y") == [0] * 100
    eyes("eyes.count_paints()")
    eyes("(eyes.all('button').at(-1).click(), 0)")
    eyes.wait(f"eyes.model('line').data.y[0] === {FRAMES - 1}")
    eyes.wait("eyes.paints.length > 10")
    assert eyes.column("line", "y") == [FRAMES - 1] * 100


def test_pack__plays_from_a_file_offline(offline_page, packed, tmp_path, artefact):
    path = tmp_path / "page.html"
    path.write_text(packed, encoding="utf-8")
    offline_page.goto(path.as_uri())
    plays(Eyes(offline_page))
    artefact(offline_page, "pack_file")
    print(f"packed page: {len(packed.encode()) / 1e6:.2f} MB")


def test_pack__fills_the_window(offline_page, packed, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(packed, encoding="utf-8")
    offline_page.goto(path.as_uri())
    eyes = Eyes(offline_page)
    eyes.wait("eyes.all('.bk-Figure').length === 1")
    box = eyes("(({bottom, right}) => ({bottom, right}))(eyes.all('.bk-Figure')[0].getBoundingClientRect())")
    assert 980 <= box["bottom"] <= 1000
    assert 1380 <= box["right"] <= 1400
    assert eyes("document.getElementById('message')") is None
    assert eyes("document.documentElement.scrollHeight") == 1000


class _Strict(http.server.SimpleHTTPRequestHandler):
    """A server that sends what nbviewer sends with each notebook."""

    def end_headers(self):
        self.send_header("Content-Security-Policy", "connect-src 'none'")
        super().end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def strict_site(tmp_path):
    """A folder, and the address it is served at."""
    handler = functools.partial(_Strict, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield tmp_path, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_pack__plays_in_a_sandboxed_frame_that_may_not_connect(page, packed, strict_site):
    folder, address = strict_site
    frame = (
        f'<iframe srcdoc="{html.escape(packed)}" sandbox="allow-scripts allow-downloads" height=600></iframe>'
    )
    (folder / "index.html").write_text(f'<link rel="icon" href="data:,">{frame}', encoding="utf-8")
    page.goto(f"{address}/index.html")
    plays(Eyes(page.frames[1]))
    assert page.watch.outward() == [f"{address}/index.html"]


@pytest.mark.parametrize(
    ("system", "background"), [("dark", "rgb(17, 17, 17)"), ("light", "rgb(255, 255, 255)")]
)
def test_pack__no_flash_before_the_scripts(new_page, packed, tmp_path, system, background):
    page = new_page(offline=True, color_scheme=system, java_script_enabled=False)
    path = tmp_path / "page.html"
    path.write_text(packed, encoding="utf-8")
    page.goto(path.as_uri())
    style = page.locator("html").evaluate("(element) => getComputedStyle(element).backgroundColor")
    assert style == background
    assert "needs JavaScript" in page.inner_text("body")


def test_pack__a_cut_file_says_so(new_page, packed, tmp_path):
    page = new_page(offline=True)
    start = packed.index('<script id="archive" type="text/plain">') + 60
    end = packed.index("</script>", start)
    path = tmp_path / "page.html"
    path.write_text(packed[: start + (end - start) // 8 * 4] + packed[end:], encoding="utf-8")
    page.goto(path.as_uri())
    page.wait_for_selector('#message[role="alert"]')
    assert "it may be cut short" in page.inner_text("#message")


def test_pack__an_old_browser_is_told(new_page, packed, tmp_path):
    page = new_page(offline=True)
    page.add_init_script("delete window.DecompressionStream")
    path = tmp_path / "page.html"
    path.write_text(packed, encoding="utf-8")
    page.goto(path.as_uri())
    page.wait_for_selector('#message[role="alert"]')
    assert "lacks DecompressionStream" in page.inner_text("#message")
