"""The committed notebooks as a reader meets them: as a web page with no kernel, and in JupyterLab."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading

import pytest
from harness import ROOT, SIDEWAYS, SMALL, Eyes, assert_clean, assert_plays
from nbconvert import HTMLExporter

PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
WANTED_BY_THE_TEMPLATE = {
    "https://cdnjs.cloudflare.com/ajax/libs/require.js/2.1.10/require.min.js",
    "https://cdnjs.cloudflare.com/ajax/libs/mathjax/2.7.7/latest.js?config=TeX-AMS_CHTML-full,Safe",
}
"""What nbconvert's own page asks for: formulas and old widgets, neither of which a notebook of ours has."""


def as_web_page(path, folder, theme="light"):
    """What `jupyter nbconvert --to html` writes."""
    html, _ = HTMLExporter(template_name="lab", theme=theme).from_filename(str(path))
    page = folder / f"{path.stem}.html"
    page.write_text(html, encoding="utf-8")
    return page


def figure_in(page) -> Eyes:
    """Scroll to the frame that holds the figure, and look inside once it is drawn."""
    element = page.wait_for_selector("iframe")
    element.scroll_into_view_if_needed()
    eyes = Eyes(element.content_frame())
    eyes.wait("eyes.documents().length === 1 && eyes.all('[role=status]').length === 1")
    return eyes


def assert_moves(eyes) -> None:
    """Press Play in a figure of any kind: the cursor runs to the end, and what the words say changes on the way."""
    eyes.frame.get_by_label("Speed").select_option(label="in 5 s")
    assert eyes("eyes.model('frame').value === 0")
    words = "eyes.all('h3').map((h) => h.parentElement.innerText).join('|')"
    eyes.frame.get_by_role("button", name="Play").click()
    said = {text for _, text in eyes("eyes.sample(given, 3)", words)}
    eyes.wait("!eyes.model('play').active", seconds=30)
    assert eyes("eyes.model('frame').value === eyes.model('frame').end")
    assert len(said) > 3, said


def assert_only_the_template_reached_out(page) -> None:
    watch = page.watch
    assert set(watch.outward()) <= WANTED_BY_THE_TEMPLATE
    watch.errors[:] = [
        text for text in watch.errors if not any(url in text for url in WANTED_BY_THE_TEMPLATE)
    ]
    watch.failed[:] = [text for text in watch.failed if not text.startswith(tuple(WANTED_BY_THE_TEMPLATE))]
    assert_clean(page)


@pytest.mark.parametrize(
    ("path", "scheme"),
    [*((path, "light") for path in PATHS), (PATHS[0], "dark")],
    ids=lambda value: value if isinstance(value, str) else value.stem,
)
def test_web_page__plays_with_no_kernel_and_no_network_and_can_be_read(
    new_page, tmp_path, artefact, path, scheme
):
    page = new_page(offline=True, width=1280, height=900, color_scheme=scheme)
    page.goto(as_web_page(path, tmp_path, scheme).as_uri())
    eyes = figure_in(page)
    assert_plays(eyes) if path == PATHS[0] else assert_moves(eyes)
    eyes("(eyes.model('frame').value = 0.64 * eyes.model('frame').end, 0)")
    page.wait_for_timeout(300)
    artefact(page, f"notebook-{path.stem}-{scheme}")
    assert_can_be_read_from_the_last_row(page)
    assert_only_the_template_reached_out(page)


def assert_can_be_read_from_the_last_row(page) -> None:
    """At 1280x720 nothing is to be scrolled sideways, and no text of a figure is below 14 px."""
    page.set_viewport_size({"width": 1280, "height": 720})
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    assert page.evaluate(SIDEWAYS) == []
    for element in page.query_selector_all("iframe"):
        element.scroll_into_view_if_needed()
        eyes = Eyes(element.content_frame())
        eyes.wait(
            "document.readyState === 'complete' && document.body.childElementCount && !document.getElementById('message')"
        )
        assert eyes(SMALL) == []
        assert eyes("document.documentElement.scrollWidth - innerWidth") <= 0


def test_web_page__figure_is_not_cut(new_page, tmp_path):
    page = new_page(offline=True, width=1280, height=900)
    page.goto(as_web_page(PATHS[0], tmp_path).as_uri())
    eyes = figure_in(page)
    room = eyes("[innerWidth, innerHeight]")
    assert room[0] > 1100
    assert eyes("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]") == room
    inner = eyes(
        "(({scrollWidth, scrollHeight}) => [scrollWidth, scrollHeight])(document.getElementById('compactlab'))"
    )
    assert inner == room
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


def test_web_page__film_is_shown_where_scripts_are_not(new_page, tmp_path):
    page = new_page(offline=True, java_script_enabled=False)
    page.goto(as_web_page(PATHS[0], tmp_path).as_uri())
    film = page.locator(".jp-OutputArea img").first
    film.scroll_into_view_if_needed()
    box = film.bounding_box()
    assert (box["width"], box["height"]) == (960, 400)
    # Two looks at the film, a while apart, differ: it plays.
    looks = set()
    for _ in range(12):
        looks.add(film.screenshot())
        page.wait_for_timeout(400)
    assert len(looks) > 3


class _LikeNbviewer(http.server.SimpleHTTPRequestHandler):
    def end_headers(self):
        self.send_header("Content-Security-Policy", "connect-src 'none'")
        super().end_headers()

    def log_message(self, *_):
        pass


def test_web_page__plays_where_it_may_not_connect(new_page, tmp_path):
    file = as_web_page(PATHS[0], tmp_path)
    html = file.read_text(encoding="utf-8")
    for url in WANTED_BY_THE_TEMPLATE:
        html = html.replace(f'src="{url}"', "")
    file.write_text(html.replace("<head>", '<head><link rel="icon" href="data:,">', 1), encoding="utf-8")
    handler = functools.partial(_LikeNbviewer, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            page = new_page(width=1280, height=900)
            address = f"http://127.0.0.1:{server.server_port}/{file.name}"
            answer = page.goto(address)
            assert answer.headers["content-security-policy"] == "connect-src 'none'"
            assert_plays(figure_in(page))
            assert page.watch.outward() == [address]
            assert_clean(page)
        finally:
            server.shutdown()


def test_first_notebook__plays_live_in_jupyterlab(lab, page, artefact):
    name = PATHS[0].name
    shutil.copy(PATHS[0], lab.notebooks / name)
    eyes = lab.open(page, name)
    page.evaluate(
        "document.querySelector('.jp-Notebook .jp-WindowedPanel-outer, .jp-WindowedPanel-outer')?.scrollTo(0, 0)"
    )
    eyes.wait("eyes.documents().length === 1 && eyes.all('[role=status]:not(.cl-told)').length === 1")
    assert_plays(eyes)
    eyes(
        "(eyes.model('frame').value = 370, eyes.views().find((v) => v.model.name === 'compactlab').el.scrollIntoView(), 0)"
    )
    page.wait_for_timeout(300)
    artefact(page, "notebook-live-in-jupyterlab")
    assert sorted(file.name for file in lab.notebooks.glob("*whole-story*")) == [
        "whole-story.html",
        "whole-story.nc",
    ]


def test_notebook_of_somebody_else__shows_the_film_and_plays_once_trusted(lab, page, artefact):
    name = "06-watch-compaction-happen.ipynb"
    shutil.copy(ROOT / "notebooks" / name, lab.notebooks / name)
    lab.open(page, name, run=False)
    page.wait_for_selector(".jp-OutputArea-output img")
    assert page.locator("iframe").count() == 0
    page.evaluate("void window.jupyterapp.commands.execute('notebook:trust')")
    page.click(".jp-Dialog .jp-mod-accept")
    assert_plays(figure_in(page))
    artefact(page, "notebook-trusted-in-jupyterlab")
