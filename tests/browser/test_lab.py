"""The lab in real JupyterLab: declare, run, look, cancel; with the mouse and with the keyboard alone."""

from __future__ import annotations

import numpy as np
import pytest

NOTEBOOK = """
import compactlab as cl
lab = cl.CompactionLab({arguments})
lab
"""
MANUAL = 'cl.Zone("512 MiB"), trigger="manual", start="every second page"'
DIRECT = 'cl.Zone("512 MiB"), cl.workloads.huge_faults(faults=64), start="punched"'
LONG = 'cl.Zone("64 MiB"), cl.workloads.idle(seconds=1_000_000), trigger="proactive"'
DRAWN = "eyes.documents().length === 1 && eyes.all('[role=status]').length === 1"
SAID = "[...document.querySelectorAll('.jp-OutputArea [aria-live]')].map((e) => e.innerText).join(' ')"
FOCUSED = "(document.activeElement.labels?.[0] ?? document.activeElement).innerText.trim()"
FULL_WIDTH = "window.jupyterapp.commands.execute('application:toggle-left-area')"


def open_lab(lab, page, arguments: str, *, width: int = 1280, height: int = 720):
    """Open a notebook with a lab in it, and nothing beside it."""
    page.set_viewport_size({"width": width, "height": height})
    lab.write("lab.ipynb", NOTEBOOK.format(arguments=arguments))
    eyes = lab.open(page, "lab.ipynb", run=False)
    if page.locator(".jp-FileBrowser").is_visible():
        page.evaluate(FULL_WIDTH)
    lab.run_all(page)
    run_button(page).wait_for()
    return eyes


def run_button(page):
    return page.get_by_role("button", name="Run", exact=True)


def column(eyes, name: str) -> np.ndarray:
    """A column of the page map's film, as the page has it."""
    return np.array(eyes(f"Array.from(eyes.model('film').data['{name}'][0])"))


def to_top(page) -> None:
    """Bring the lab to the top of the window, as a person scrolls."""
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


def test_run__scanners_move_and_the_unusable_index_falls(lab, page, artefact):
    eyes = open_lab(lab, page, MANUAL)
    to_top(page)
    artefact(page, "lab-form-light")
    run_button(page).click()
    eyes.wait(DRAWN, seconds=180)
    eyes.wait(f"{SAID}.includes('pages moved')")
    to_top(page)
    artefact(page, "lab-run-light")
    migrate, free = column(eyes, "migrate_pfn"), column(eyes, "free_pfn")
    at_work = (migrate >= 0) & (free >= 0)
    migrate, free = migrate[at_work], free[at_work]
    assert migrate.size > 20
    assert (np.diff(migrate) >= 0).all()
    assert migrate[-1] - migrate[0] > 20_000
    assert free[0] - free[-1] > 20_000
    eyes.frame.get_by_label("Speed").select_option(label="in 5 s")
    page.get_by_role("button", name="▶ Play").click()
    seen = [at for _, at in eyes("eyes.sample(given, 3)", "eyes.model('frame').value")]
    assert len(set(seen)) > 20
    assert seen[-1] > 300
    eyes.wait("eyes.model('frame').value === 1000", seconds=20)
    index = "eyes.all('h3').find((h) => h.innerText.startsWith('Unusable')).parentElement.innerText.match(/0\\.\\d+|1\\.000/)[0]"
    last = float(eyes(index))
    page.keyboard.press("Home")
    eyes.wait("eyes.model('frame').value === 0")
    eyes.wait(f"parseFloat({index}) === 1")
    assert last < 0.5
    page.get_by_role("tab", name="Page map").click()
    page.wait_for_timeout(500)
    eyes("(eyes.model('frame').value = 400, 0)")
    page.wait_for_timeout(500)
    artefact(page, "lab-pagemap-light")
    dark(page, eyes, True)
    try:
        artefact(page, "lab-pagemap-dark")
        page.get_by_role("button", name="Parameters").click()
        to_top(page)
        artefact(page, "lab-form-dark")
    finally:
        dark(page, eyes, False)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_run__on_a_large_screen(lab, page, artefact, scheme):
    eyes = open_lab(lab, page, DIRECT, width=3840, height=2160)
    run_button(page).click()
    eyes.wait(DRAWN, seconds=180)
    eyes("(eyes.model('frame').value = 500, 0)")
    page.get_by_role("button", name="Parameters").click()
    dark(page, eyes, scheme == "dark")
    try:
        artefact(page, f"lab-large-{scheme}")
    finally:
        dark(page, eyes, False)


def test_run__huge_page_faults_fill_the_latency_view(lab, page, artefact):
    eyes = open_lab(lab, page, DIRECT)
    run_button(page).click()
    eyes.wait(DRAWN, seconds=180)
    page.get_by_role("tab", name="Latency").click()
    page.keyboard.press("End")
    to_top(page)
    page.wait_for_timeout(500)
    artefact(page, "lab-latency-light")
    lines = eyes(
        "eyes.views().map((v) => v.model).filter((m) => m.type === 'ColumnDataSource' && m.data.ms && m.data.share).map((m) => m.data.ms.length)"
    )
    lab.run_code(page, "assert lab.run['allocations'].sizes['allocation'] == 64")
    points = eyes(
        "[...eyes.documents()[0].all_models].filter((m) => m.type === 'ColumnDataSource' && m.data.ms && m.data.t).map((m) => m.data.ms.length)"
    )
    assert max(points + lines, default=0) >= 64


def test_run__by_keyboard_alone(lab, page):
    eyes = open_lab(lab, page, MANUAL)
    page.get_by_label("Memory", exact=True).focus()
    visited = []
    for _step in range(30):
        visited.append(eyes(FOCUSED))
        if visited[-1] == "Size":
            page.keyboard.press("Control+a")
            page.keyboard.type("128 MiB")
        if visited[-1] == "compaction_proactiveness":
            page.keyboard.press("Control+a")
            page.keyboard.type("35")
        if visited[-1] == "Run":
            break
        page.keyboard.press("Tab")
    assert visited[:4] == ["Memory", "Size", "Start", "Kernel"]
    assert {"Compacts", "Demand", "defrag_mode", "Frames", "Seed", "Run"} <= set(visited)
    page.keyboard.press("Space")
    eyes.wait(DRAWN, seconds=180)
    lab.run_code(
        page,
        "zone = lab.run.attrs['config']['zones'][0]\n"
        "assert zone['pages'] == 32768, zone\n"
        "assert zone['sysctls']['compaction_proactiveness'] == 35, zone",
    )


def test_form__refuses_in_words_on_the_page(lab, page, artefact):
    eyes = open_lab(lab, page, MANUAL)
    page.get_by_label("watermark_scale_factor").fill("5000")
    page.get_by_label("Size", exact=True).fill("plenty")
    refused = eyes.wait(
        "((t) => t.length >= 2 && t.some((x) => x.includes('5000')) ? t : null)([...document.querySelectorAll('.jp-OutputArea [role=alert]')].map((e) => e.innerText).filter((t) => t))"
    )
    assert any("5000 is refused; expected 1 to 3000" in text for text in refused)
    run_button(page).click()
    eyes.wait(
        "[...document.querySelectorAll('.jp-OutputArea [role=alert]')].some((e) => e.innerText.includes('Change what it names, then press Run again.'))"
    )
    to_top(page)
    artefact(page, "lab-refused-light")
    lab.run_code(page, "assert lab.runs == [] and lab.job.state == 'failed'")


def test_cancel__and_the_kernel_answers_meanwhile(lab, page, artefact):
    eyes = open_lab(lab, page, LONG)
    run_button(page).click()
    eyes.wait(f"{SAID}.includes('simulated')", seconds=120)
    lab.run_code(
        page, "assert lab.job.state == 'running'; answer = sum(range(1000)); assert answer == 499500"
    )
    before = eyes(SAID)
    eyes.wait("given !== " + SAID, argument=before)  # it goes on
    artefact(page, "lab-running-light")
    page.get_by_role("button", name="Cancel").click()
    eyes.wait(f"{SAID}.includes('The run was cancelled after')", seconds=60)
    eyes.wait(DRAWN, seconds=60)
    lab.run_code(page, "assert lab.job.state == 'cancelled' and lab.run is not None")


def test_error__in_the_thread_is_seen_on_the_page(lab, page):
    lab.write(
        "broken.ipynb",
        "import compactlab as cl\n"
        "class broken(cl.workloads.idle):\n"
        "    def chunks(self, view):\n"
        "        raise ArithmeticError('no pages to share out')\n"
        "lab = cl.CompactionLab(cl.Zone('64 MiB'), broken())\n"
        "lab",
    )
    eyes = lab.open(page, "broken.ipynb")
    run_button(page).click()
    shown = eyes.wait(
        "[...document.querySelectorAll('.jp-OutputArea [role=alert]')].map((e) => e.innerText).find((t) => t.includes('Arithmetic'))"
    )
    assert "ArithmeticError: no pages to share out" in shown
    assert "press Run again" in shown


def test_changed__parameters_are_said_and_runs_are_laid_beside_each_other(lab, page, artefact):
    eyes = open_lab(lab, page, MANUAL)
    run_button(page).click()
    eyes.wait(DRAWN, seconds=180)
    page.get_by_role("button", name="Parameters").click()
    page.get_by_label("Start", exact=True).select_option("scattered")
    eyes.wait(
        "[...document.querySelectorAll('[role=note]')].some((e) => e.innerText.includes('the picture is of the run before'))"
    )
    to_top(page)
    artefact(page, "lab-stale-light")
    run_button(page).click()
    page.get_by_role("button", name="Compare with the run before").wait_for(timeout=120_000)
    page.get_by_role("button", name="Compare with the run before").click()
    eyes.wait("eyes.documents().length === 1 && eyes.model('show numbers')", seconds=120)
    to_top(page)
    artefact(page, "lab-compare-light")
