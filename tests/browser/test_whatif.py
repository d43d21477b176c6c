"""What if, in real JupyterLab: a recording, another setting, the answer with its known error, both sides playing."""

from __future__ import annotations

SAID = "[...document.querySelectorAll('.jp-OutputArea [aria-live]')].map((e) => e.innerText).join(' ')"
TO_TOP = "[...document.querySelectorAll('.compactlab-form')].find((e) => e.offsetHeight).scrollIntoView({block: 'start'})"
NOTEBOOK = """
import compactlab as cl
from compactlab.simulation.starts import started
board = cl.WhatIf(cl.compact_zone(started(cl.Zone("256 MiB"), "every second page"), frames=4))
board
"""


def test_whatif__asks_and_answers(lab, page, artefact):
    page.set_viewport_size({"width": 1280, "height": 720})
    lab.write("whatif.ipynb", NOTEBOOK)
    eyes = lab.open(page, "whatif.ipynb", run=False)
    if page.locator(".jp-FileBrowser").is_visible():
        page.evaluate("window.jupyterapp.commands.execute('application:toggle-left-area')")
    lab.run_all(page)
    page.get_by_label("Demand", exact=True).select_option("faults")
    page.get_by_label("Seeds", exact=True).fill("2")
    page.get_by_role("button", name="Run", exact=True).click()
    eyes.wait(
        "[...document.querySelectorAll('.jp-OutputArea [role=alert]')].some((e) => e.innerText.includes('nothing is changed'))"
    )
    page.get_by_label("transparent_hugepage_defrag").select_option("never")
    page.evaluate(TO_TOP)
    page.wait_for_timeout(300)
    artefact(page, "whatif-form-light")
    page.get_by_role("button", name="Run", exact=True).click()
    eyes.wait(f"{SAID}.includes('transparent_hugepage_defrag never against as recorded')", seconds=180)
    eyes.wait("eyes.documents().length === 1 && eyes.model('show numbers')", seconds=60)
    answer = eyes("document.querySelector('[role=region][aria-label=Answer]').innerText")
    assert "share served" in answer
    assert "the model is off by" in answer
    assert "three of four were nearer" in answer
    page.evaluate(TO_TOP)
    page.wait_for_timeout(300)
    page.wait_for_timeout(500)
    artefact(page, "whatif-answer-light")
    theme = "window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab NAME'})"
    page.evaluate(theme.replace("NAME", "Dark"))
    try:
        eyes.wait("document.body.dataset.jpThemeLight === 'false'")
        page.wait_for_timeout(600)
        artefact(page, "whatif-answer-dark")
    finally:
        page.evaluate(theme.replace("NAME", "Light"))
        eyes.wait("document.body.dataset.jpThemeLight === 'true'")
    lab.run_code(page, "assert board.prediction.table.sizes['quantity'] > 4")
