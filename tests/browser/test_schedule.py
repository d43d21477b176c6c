"""When to compact, in real JupyterLab and as a page: run from its controls, cancel, play, read."""

from __future__ import annotations

import pytest
from harness import Eyes, assert_clean

import compactlab as cl

NOTEBOOK = """
import compactlab as cl
board = cl.Schedule("64 MiB", policies=["every 6 h", "proactive 20"], seeds={seeds})
board
"""
DRAWN = "eyes.documents().length === 1 && eyes.all('[role=status]').length === 1"
SAID = "[...document.querySelectorAll('.jp-OutputArea [aria-live]')].map((e) => e.innerText).join(' ')"
SO_FAR = "eyes.all('h3').find((h) => h.innerText.startsWith('Stalls an hour')).parentElement.innerText"


def open_board(lab, page, seeds: int) -> Eyes:
    page.set_viewport_size({"width": 1280, "height": 720})
    lab.write("schedule.ipynb", NOTEBOOK.format(seeds=seeds))
    eyes = lab.open(page, "schedule.ipynb", run=False)
    if page.locator(".jp-FileBrowser").is_visible():
        page.evaluate("window.jupyterapp.commands.execute('application:toggle-left-area')")
    lab.run_all(page)
    page.get_by_role("button", name="Run", exact=True).wait_for()
    return eyes


def to_top(page) -> None:
    page.evaluate(
        "[...document.querySelectorAll('.compactlab-form')].find((e) => e.offsetHeight).scrollIntoView({block: 'start'})"
    )
    page.wait_for_timeout(300)


def dark(page, eyes, on: bool) -> None:
    name = "Dark" if on else "Light"
    page.evaluate(
        f"window.jupyterapp.commands.execute('apputils:change-theme', {{theme: 'JupyterLab {name}'}})"
    )
    eyes.wait(f"document.body.dataset.jpThemeLight === '{'false' if on else 'true'}'")
    page.wait_for_timeout(600)


def test_live__runs_from_its_controls_and_plays(lab, page, artefact):
    eyes = open_board(lab, page, 4)
    to_top(page)
    artefact(page, "schedule-form-light")
    page.get_by_label("Try hours").select_option(label="every 4 hours")
    page.get_by_role("button", name="Run", exact=True).click()
    eyes.wait(f"/\\d of 36/.test({SAID})", seconds=60)
    eyes.wait(DRAWN, seconds=180)
    eyes.wait(f"{SAID}.includes('36 of 36 points')")
    told = eyes("eyes.all('[role=status]')[0].innerText")
    assert "Compact at 4:00" in told
    to_top(page)
    artefact(page, "schedule-run-light")
    page.get_by_label("Speed").select_option(label="in 6 s")
    whole = eyes(SO_FAR)
    page.get_by_role("button", name="▶ Play").click()
    eyes.wait("eyes.model('frame').value > 1 && eyes.model('frame').value < 16")
    assert eyes(SO_FAR) != whole
    eyes.wait("!eyes.model('play').active && eyes.model('frame').value === 24", seconds=20)
    assert eyes(SO_FAR) == whole
    try:
        dark(page, eyes, True)
        to_top(page)
        page.mouse.wheel(0, 200)
        page.wait_for_timeout(400)
        artefact(page, "schedule-run-dark")
    finally:
        dark(page, eyes, False)


def test_live__cancel_keeps_what_is_done(lab, page):
    eyes = open_board(lab, page, 40)
    page.get_by_role("button", name="Run", exact=True).click()
    eyes.wait(f"/[2-9] of 600/.test({SAID})", seconds=120)
    page.get_by_role("button", name="Cancel", exact=True).click()
    eyes.wait(f"/of 600 points; \\d+ are missing/.test({SAID})", seconds=60)
    eyes.wait(DRAWN)
    assert "missing" in eyes("eyes.all('[role=status]')[0].innerText")


def test_live__a_policy_that_is_none_is_refused_in_words(lab, page):
    eyes = open_board(lab, page, 1)
    page.get_by_label("Policies").fill("nightly")
    page.keyboard.press("Tab")
    alerts = "[...document.querySelectorAll('.jp-OutputArea [role=alert]')].map((e) => e.innerText)"
    refused = eyes.wait(f"{alerts}.find((text) => text.includes('nightly'))")
    assert "policy 'nightly'; expected 'never', 'at 4:00'" in refused
    page.get_by_role("button", name="Run", exact=True).click()
    eyes.wait(f"{alerts}.some((text) => text.includes('Change what it names, then press Run again.'))")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    told = cl.schedule("64 MiB", policies=["every 6 h", "above 90 %", "proactive 20"], seeds=4)
    return cl.render(told, tmp_path_factory.mktemp("schedule") / "schedule.html")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_file__plays_with_no_network_and_has_a_table(new_page, file, artefact, scheme):
    page = new_page(offline=True, width=1280, height=720, color_scheme=scheme)
    page.goto(file.as_uri())
    eyes = Eyes(page)
    eyes.wait(DRAWN)
    page.wait_for_timeout(400)
    artefact(page, f"schedule-file-{scheme}")
    assert eyes("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]") == [
        1280,
        720,
    ]
    assert (
        min(
            eyes(
                "eyes.all('.bk-Div').flatMap((d) => [...d.shadowRoot.querySelectorAll('span,b,h3,div')]).filter((e) => e.innerText?.trim()).map((e) => parseFloat(getComputedStyle(e).fontSize))"
            )
        )
        >= 14
    )
    page.keyboard.press("Home")
    eyes.wait("eyes.model('frame').value === 0")
    page.keyboard.press(".")
    eyes.wait("eyes.model('frame').value === 1")
    before = eyes(SO_FAR)
    page.get_by_label("Policy").select_option(label="■ every 6 h")
    eyes.wait(f"{SO_FAR}.includes('every 6 h')")
    assert eyes(SO_FAR) != before
    page.get_by_role("button", name="Table").click()
    eyes.wait("eyes.all('table').length === 2 && eyes.all('table')[0].offsetHeight > 0")
    page.wait_for_timeout(300)
    artefact(page, f"schedule-table-{scheme}")
    assert eyes("eyes.all('table')[0].innerText.includes('proactive 20')")
    page.keyboard.press("Escape")
    eyes.wait("!eyes.model('show table').active")
    assert page.watch.outward() == []
    assert_clean(page)
