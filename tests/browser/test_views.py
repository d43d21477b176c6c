"""The sheets of pressure, latency and migration in a packed page: by keyboard, while playing, as tables."""

from __future__ import annotations

import re

import pytest
from harness import Eyes, assert_clean, screenshot

import compactlab as cl
from compactlab import workloads
from compactlab.figures import explorer
from compactlab.player import pack

SHEETS = {
    "pressure": ["watermarks", "migratetypes", "score", "cpu", "efficiency"],
    "latency": ["percentiles", "heat", "spent"],
}

PAINTED = """(() => {
  const view = eyes.views().find((v) => v.model.name === given && v.frame);
  const canvas = eyes.all('canvas', view.shadow_el)[0];
  const {left, top, width, height} = view.frame.bbox, ratio = canvas.width / canvas.clientWidth;
  const data = canvas.getContext('2d').getImageData(left * ratio, top * ratio, width * ratio, height * ratio).data;
  let drawn = 0;
  for (let k = 3; k < data.length; k += 4) if (data[k]) drawn++;
  return drawn / (data.length / 4);
})()"""
"""Share of the pixels of a figure's frame that something is drawn on."""

WORDS = "eyes.all('h3').filter((h) => h.offsetParent).map((h) => h.parentElement.innerText).join('|')"

CUT = """eyes.all('.bk-clearfix').filter((e) => e.offsetParent && (e.scrollHeight > e.clientHeight + 1 || e.scrollWidth > e.clientWidth + 1))
  .map((e) => e.innerText)"""
"""Words that do not fit into their place."""


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A page of memory punched full of holes and then asked for huge pages."""
    workload = workloads.sequence(workloads.punch(settle_s=1), workloads.huge_faults(96))
    run = cl.simulate(cl.Zone("192 MiB"), workload, samples=60, frames=8)
    scene = explorer(run)
    path = tmp_path_factory.mktemp("views") / "views.html"
    path.write_text(pack(scene.root, scene.title), encoding="utf-8")
    return path


def opened(new_page, path, theme="light"):
    page = new_page(offline=True, width=1280, height=720, color_scheme=theme)
    page.goto(path.as_uri())
    page.wait_for_selector("#message", state="detached")
    eyes = Eyes(page)
    return page, eyes


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_sheets__open_by_keyboard_and_are_full(new_page, packed, theme):
    page, eyes = opened(new_page, packed, theme)
    page.get_by_role("tab", name="Overview").focus()
    for sheet in ("pagemap", *SHEETS, "migration"):
        page.keyboard.press("ArrowRight")
        eyes.wait(f"eyes.all('[aria-selected=true]')[0].dataset.sheet === '{sheet}'")
        eyes("eyes.model('frame').value = 900")
        page.wait_for_timeout(400)
        if sheet == "pagemap":
            continue
        assert eyes(CUT) == []
        for name in SHEETS.get(sheet, ()):
            assert eyes(PAINTED, name) > 0.004, (sheet, name)
        screenshot(page, f"views_{sheet}_{theme}")
    assert eyes("document.documentElement.scrollHeight") <= 720
    assert_clean(page)


def test_sheets__words_follow_while_playing(new_page, packed):
    page, eyes = opened(new_page, packed)
    page.get_by_label("Speed").select_option(label="in 5 s")
    for sheet in ("Pressure", "Latency", "Migration"):
        page.get_by_role("tab", name=sheet).click()
        eyes("eyes.model('frame').value = 500")
        page.get_by_role("button", name=re.compile("Play$")).click()
        seen = {words for _at, words in eyes("eyes.sample(given, 2)", WORDS)}
        eyes("eyes.model('play').active = false")
        assert len(seen) > 3, sheet
    assert_clean(page)


def test_migration__steps_by_buttons_and_to_the_next_batch(new_page, packed):
    page, eyes = opened(new_page, packed)
    page.get_by_role("tab", name="Migration").click()
    heading = "eyes.all('h3').find((h) => h.offsetParent).innerText"
    assert "no batch yet" in eyes(heading)
    page.get_by_label("Step on").click()
    assert "Batch 1 of" in eyes(heading)
    page.get_by_label("Step on").click()
    assert "Batch 2 of" in eyes(heading)
    for k, name in ((5, "Old frame freed"), (3, "Copy")):
        page.get_by_role("button", name=f"{k}. {name}").press("Enter")
        assert eyes("eyes.all('[data-step][aria-pressed=true]').map((e) => e.dataset.step)") == [str(k - 1)]
        assert eyes("eyes.all('svg[role=img]')[0].getAttribute('aria-label')") == name
    page.get_by_role("button", name="Play the steps").click()
    eyes.wait("eyes.all('[data-step][aria-pressed=true]')[0].dataset.step === '4'", seconds=15)
    page.get_by_role("button", name="Pause the steps").click()
    assert_clean(page)


def test_table__of_every_view_has_rows_with_units(new_page, packed):
    page, eyes = opened(new_page, packed)
    page.get_by_role("tab", name="Table").click()
    titles = eyes.texts("select[data-change=table] option")
    table = "eyes.all('table.n caption').filter((e) => e.offsetParent).map((e) => e.parentElement)[0]"
    seen = {}
    for k, title in enumerate(titles):
        page.get_by_label("Table of").select_option(index=k)
        eyes.wait(f"{table}.caption.innerText.startsWith(given.split(' ·')[0])", argument=title)
        seen[title] = eyes(f"[...{table}.rows].map((row) => [...row.cells].map((cell) => cell.innerText))")
    units = {
        "Free pages and watermarks": "MiB", "Free memory by migratetype": "MiB", "CPU time": "%", "Scan efficiency": "/s",
        "Distribution of latencies": "ms", "Latency percentiles": "µs", "How many took how long": "ms",
        "What requests spend their time on": "%", "Migration batches": "µs", "Indices": "a block is free",
        "Free memory by block size": "MiB", "Compaction work": "/s", "Requests": "ms", "Who compacts": "direct", "Phases": "s",
        "Proactive score": "yes",
    }  # fmt: skip
    for title, unit in units.items():
        rows = seen[title]
        assert len(rows) > 1, title
        assert {len(row) for row in rows} == {len(rows[0])}, title
        assert any(unit in cell for row in rows[1:] for cell in row), title
        assert not any("undefined" in cell or "NaN" in cell for row in rows for cell in row), title
    assert_clean(page)
