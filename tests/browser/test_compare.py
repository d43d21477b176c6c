"""Runs side by side, live in JupyterLab and packed into a page: played as a person would."""

from __future__ import annotations

import pytest
from harness import Eyes, assert_clean

import compactlab as cl
from compactlab.figures.look import THEMES

NOTEBOOK = """
import compactlab as cl
direct = cl.datasets.load("direct-compaction")
fails = cl.datasets.load("direct-compaction-fails")
beside = cl.Compare(direct, fails, names=["served", "refused"])
beside
"""
SEEN = """{
  position: eyes.model('frame').value,
  cursors: ['index', 'free', 'moved', 'difference'].map((name) => eyes.model(name).center.filter((m) => m.type === 'Span' && m.dimension === 'height')[0].location),
  words: eyes.all('h3').filter((h) => h.getRootNode() !== document).map((h) => h.parentElement.innerText).join('|'),
  bar: eyes.all('[role=status]')[0].innerText,
}"""


def ready(eyes) -> Eyes:
    eyes.wait("eyes.documents().length === 1 && eyes.all('[role=status]').length === 1")
    return eyes


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    runs = {"served": cl.datasets.load("direct-compaction"), "refused": cl.datasets.load("direct-compaction-fails")}  # fmt: skip
    return cl.render(runs, tmp_path_factory.mktemp("compare") / "compare.html")


def click(eyes, label: str) -> None:
    """Press a button inside Bokeh as its own click would."""
    eyes("eyes.all('button').find((b) => b.innerText.includes(given)).click()", label)
    eyes.frame.wait_for_timeout(250)


def plays(eyes) -> None:
    """Play moves the cursor of every row and the values; the bar stays what it says."""
    eyes.frame.get_by_label("Speed").select_option(label="in 5 s")
    before = eyes(SEEN)
    click(eyes, "Play")
    words = {
        text
        for _, text in eyes(
            "eyes.sample(given, 5)",
            "eyes.all('h3').find((h) => h.innerText.startsWith('Unusable')).parentElement.innerText",
        )
    }
    eyes.wait("!eyes.model('play').active", seconds=15)
    after = eyes(SEEN)
    assert before["position"] == 0
    assert after["position"] == 1000
    assert after["cursors"] == [1000] * 4
    assert after["words"] != before["words"]
    assert len(words) > 5
    assert any("none free" in text for text in words)
    assert after["bar"] == before["bar"]
    assert "refused against served: failed requests 586 instead of 0 (worse)" in after["bar"].replace("\u00a0", " ")  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page__plays_and_opens_its_tables(new_page, file, artefact, scheme):
    page = new_page(offline=True, width=1280, height=720, color_scheme=scheme)
    page.goto(file.as_uri())
    eyes = ready(Eyes(page))
    plays(eyes)
    eyes("eyes.model('frame').value = 700")
    page.wait_for_timeout(300)
    artefact(page, f"compare-{scheme}")
    assert eyes("[document.getElementById('compactlab').scrollWidth, document.getElementById('compactlab').scrollHeight]") == [1280, 720]  # fmt: skip
    lines = eyes("[...eyes.documents()[0].all_models].filter((m) => m.type === 'Line').map((m) => m.line_color.value ?? m.line_color)")  # fmt: skip
    assert {THEMES[scheme]["side0"], THEMES[scheme]["side1"]} <= set(lines)

    click(eyes, "Numbers")
    artefact(page, f"compare-numbers-{scheme}")
    head = eyes("eyes.all('thead th').map((cell) => cell.innerText)")
    assert head[:4] == ["Quantity", "Side", "Runs", "Median"]
    fits = "({scrollWidth, clientWidth}) => scrollWidth <= clientWidth"
    assert eyes(f"eyes.all('table').map((t) => t.getRootNode().host).every({fits})")
    assert min(eyes("eyes.all('td, th').map((cell) => parseFloat(getComputedStyle(cell).fontSize))")) >= 14

    click(eyes, "Table")
    artefact(page, f"compare-table-{scheme}")
    current = eyes("eyes.all('tr[aria-current]').map((row) => row.innerText)")
    assert len(current) == 1
    assert eyes("eyes.all('[aria-label=Table]').length") == 1
    eyes("eyes.model('frame').value = 0")
    page.wait_for_timeout(300)
    assert eyes("eyes.all('tr[aria-current]').map((row) => row.innerText)") != current
    page.keyboard.press("Escape")
    page.wait_for_timeout(300)
    assert eyes("eyes.model('pictures').visible")
    assert page.watch.outward() == []
    assert_clean(page)


def test_page__lines_up_by_phase_and_shows_rates_and_differences(new_page, file):
    page = new_page(offline=True, width=1280, height=720)
    page.goto(file.as_uri())
    eyes = ready(Eyes(page))
    eyes("eyes.model('axis').value = 'share'")
    eyes("eyes.model('frame').value = 500")
    page.wait_for_timeout(300)
    assert "49.9 % of each run" in "".join(eyes.texts(".n")).replace("\u00a0", " ")
    eyes("eyes.all('button[data-act=rate]')[0].click()")
    page.wait_for_timeout(200)
    assert any("Pages moved per second" in text for text in eyes.texts("h3"))
    before = eyes("eyes.model('difference').y_range.end")
    eyes("eyes.all('button[data-act=differ]')[0].click()")
    page.wait_for_timeout(200)
    assert eyes("eyes.model('difference').y_range.end") != before
    position = eyes("eyes.model('frame').value")
    page.keyboard.press(".")
    assert eyes("eyes.model('frame').value") > position
    page.keyboard.press(",")
    page.keyboard.press(",")
    assert eyes("eyes.model('frame').value") < position
    assert_clean(page)


def test_live__plays_and_asks_python_for_other_numbers(lab, page, artefact):
    lab.write("compare.ipynb", NOTEBOOK)
    eyes = ready(lab.open(page, "compare.ipynb"))
    plays(eyes)
    artefact(page, "compare-live")
    page.get_by_label("Order").select_option(label="order 3 · 32\u00a0KiB")
    eyes.wait("eyes.model('numbers sheet').text.includes('order 3 (32\u00a0KiB)')", seconds=30)
