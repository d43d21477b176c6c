"""The Explorer, live in JupyterLab and packed into a page: played as a person would."""

from __future__ import annotations

import pytest
from harness import SEEN, Eyes, assert_clean, assert_plays

import compactlab as cl
from compactlab.figures import explorer
from compactlab.player import pack

NOTEBOOK = """
import compactlab as cl
run = cl.datasets.load("whole-story")
lab = cl.Explorer(run)
lab
"""


def open_live(lab, page) -> Eyes:
    lab.write("explorer.ipynb", NOTEBOOK)
    eyes = lab.open(page, "explorer.ipynb")
    eyes.wait("eyes.documents().length === 1 && eyes.all('[role=status]').length === 1")
    return eyes


def open_file(page, tmp_path, **options) -> Eyes:
    scene = explorer(cl.datasets.load("whole-story"), **options)
    file = tmp_path / "report.html"
    file.write_text(pack(scene.root, scene.title), encoding="utf-8")
    page.goto(file.as_uri())
    eyes = Eyes(page)
    eyes.wait("eyes.documents().length === 1 && eyes.all('[role=status]').length === 1")
    return eyes


def press(page, eyes, label: str) -> None:
    """Click the button of a label with a real mouse."""
    box = eyes(
        "(([b]) => b.getBoundingClientRect().toJSON())(eyes.all('button').filter((b) => b.innerText.includes(given) || b.ariaLabel === given))",
        label,
    )
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def choose(eyes, name: str, label: str) -> None:
    """Pick the option whose text begins with a label."""
    eyes(
        "((s) => { s.selectedIndex = [...s.options].findIndex((o) => o.text.startsWith(given[1])); s.dispatchEvent(new Event('change')); })(eyes.all('select').find((s) => s.ariaLabel === given[0]))",
        [name, label],
    )


def assert_hover(page, eyes) -> None:
    """The mouse over the memory panel shows the values there."""
    box = eyes("eyes.views().find((v) => v.model.name === 'contiguity').el.getBoundingClientRect().toJSON()")
    page.mouse.move(box["x"] + box["width"] * 0.45, box["y"] + box["height"] * 0.5)
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5, steps=4)
    tip = eyes.wait(
        "eyes.all('.bk-Tooltip').map((t) => t.shadowRoot?.textContent ?? t.innerText).find((t) => t.includes('usable'))"
    )
    assert "free" in tip
    assert "GiB" in tip


def test_live__plays_and_tells(lab, page, artefact):
    eyes = open_live(lab, page)
    assert_plays(eyes)
    assert_hover(page, eyes)
    eyes("(eyes.model('frame').value = 370, 0)")
    artefact(page, "explorer-live-light")


def test_live__dark_theme(lab, page, artefact):
    eyes = open_live(lab, page)
    page.evaluate("window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
    try:
        eyes.wait(
            "getComputedStyle(eyes.views().find((v) => v.model.name === 'compactlab').el).backgroundColor === 'rgb(17, 17, 17)'"
        )
        eyes("(eyes.model('frame').value = 370, 0)")
        page.wait_for_timeout(500)
        artefact(page, "explorer-live-dark")
    finally:
        page.evaluate(
            "window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Light'})"
        )
        eyes.wait("document.body.dataset.jpThemeLight === 'true'")


def test_live__zoom_draws_finer_samples(lab, page):
    lab.write("zoom.ipynb", NOTEBOOK.replace("Explorer(run)", "Explorer(run, bins=200)"))
    eyes = lab.open(page, "zoom.ipynb")
    eyes.wait("eyes.documents().length === 1 && eyes.all('[role=status]').length === 1")
    coarse = eyes("Array.from(eyes.model('main').data.t[0])")
    eyes("(eyes.model('contiguity').x_range.setv({start: 300, end: 420}), 0)")
    eyes.wait("eyes.model('main').data.t[0][0] > 1", seconds=20)
    fine = eyes("Array.from(eyes.model('main').data.t[0])")
    assert len(coarse) <= 200
    inside = [t for t in coarse if fine[0] <= t <= fine[-1]]
    assert len(fine) > 2 * len(inside)
    assert eyes.get("frame", "start") == 300
    eyes("(eyes.model('contiguity').x_range.setv({start: 0, end: 1000}), 0)")
    eyes.wait("eyes.model('main').data.t[0][0] < 1", seconds=20)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_file__plays_with_no_network(new_page, tmp_path, artefact, scheme):
    page = new_page(offline=True, width=1280, height=720, color_scheme=scheme)
    eyes = open_file(page, tmp_path)
    assert_plays(eyes)
    assert_hover(page, eyes)
    eyes("(eyes.model('frame').value = 370, 0)")
    page.wait_for_timeout(300)
    artefact(page, f"explorer-file-{scheme}")
    assert page.watch.outward() == []
    assert_clean(page)
    overflow = eyes("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
    assert overflow == [1280, 720]


def test_file__works_by_keyboard(offline_page, tmp_path):
    page = offline_page
    eyes = open_file(page, tmp_path)
    page.keyboard.press("Space")  # with nothing in focus yet
    eyes.wait("eyes.model('play').active && eyes.model('frame').value > 0")
    page.keyboard.press("Space")
    eyes.wait("!eyes.model('play').active")
    page.keyboard.press("Home")
    assert eyes.get("frame", "value") == 0
    page.keyboard.press("Tab")
    order = []
    for _ in range(9):
        order.append(
            eyes(
                "((e) => { while (e?.shadowRoot?.activeElement) e = e.shadowRoot.activeElement; return e.ariaLabel ?? e.innerText; })(document.activeElement)"
            )
        )
        page.keyboard.press("Tab")
    assert [name for name in order if name][:3] == ["Zone", "Order", "Time axis"]
    press(page, eyes, "Step on")
    first = eyes.get("frame", "value")
    page.keyboard.press(".")
    second = eyes.get("frame", "value")
    page.keyboard.press(",")
    assert 0 < first < second
    assert eyes.get("frame", "value") == first


def test_file__pickers_change_every_view(offline_page, tmp_path):
    eyes = open_file(offline_page, tmp_path)
    eyes("(eyes.model('frame').value = 370, 0)")
    normal = eyes(SEEN)
    choose(eyes, "Order", "order 0")
    small = eyes.wait(
        "eyes.all('[role=status]')[0].innerText.startsWith('4') || eyes.all('[role=status]')[0].innerText.includes('4\u00a0KiB') ? eyes.all('[role=status]')[0].innerText : null"
    )
    assert "would succeed" in small
    assert "no free block" in normal["verdict"]
    choose(eyes, "Zone", "DMA32")
    eyes.wait("eyes.all('[role=status]')[0].innerText.includes('DMA32')")
    choose(eyes, "Time axis", "time linear")
    eyes.wait("Math.abs(eyes.model('phases words') && eyes.model('frame').value - 370) > 1")


def test_file__says_what_the_recording_lacks(offline_page, tmp_path):
    run = cl.read(
        "Node 0, zone   Normal 1526873  15038    784    276    144    144    106     71     29      1      0 \n"
    )
    scene = explorer(run)
    file = tmp_path / "one.html"
    file.write_text(pack(scene.root, scene.title), encoding="utf-8")
    offline_page.goto(file.as_uri())
    eyes = Eyes(offline_page)
    eyes.wait("eyes.all('[role=status]').length === 1")
    shown = eyes("eyes.all('.bk-Div').map((d) => d.shadowRoot.textContent).join(' ')")
    assert "Not in this recording: watermarks" in shown
    assert "allocation latency" in shown
    assert "watermarks and block types not recorded" in shown
