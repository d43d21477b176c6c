"""The figure of a prediction beside a recording, in a page that a browser opens with no network."""

from __future__ import annotations

import pytest
from harness import Eyes

import compactlab as cl
from compactlab.figures.look import THEMES


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    run = cl.datasets.load("manual-compaction-given-up")
    return cl.render(cl.score(run, run), tmp_path_factory.mktemp("fidelity") / "score.html")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page__is_dressed_as_the_reader_likes_and_not_cut(new_page, file, artefact, scheme):
    page = new_page(offline=True, width=960, height=440, color_scheme=scheme)
    page.goto(file.as_uri())
    eyes = Eyes(page)
    dots = "[...eyes.documents()[0].all_models].filter((model) => model.type === 'Scatter')"
    wanted = THEMES[scheme]["accent"]
    eyes.wait(f"{dots}.some((glyph) => (glyph.fill_color.value ?? glyph.fill_color) === '{wanted}')")
    page.wait_for_timeout(300)
    artefact(page, f"fidelity-{scheme}")
    assert eyes("getComputedStyle(eyes.all('table')[0]).color") == _rgb(THEMES[scheme]["ink"])
    cut = "({scrollWidth, clientWidth}) => scrollWidth > clientWidth"
    assert eyes(f"eyes.all('table').map((table) => table.getRootNode().host).some({cut})") is False
    assert eyes("document.getElementById('compactlab').scrollWidth") <= 960
    assert eyes("document.getElementById('compactlab').scrollHeight") <= 440
    assert min(eyes("eyes.all('td').map((cell) => parseFloat(getComputedStyle(cell).fontSize))")) >= 14
    assert page.watch.outward() == []
    assert page.watch.errors == []


def _rgb(colour: str) -> str:
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgb({red}, {green}, {blue})"
