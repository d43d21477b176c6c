"""A told story in a browser, as a file: it plays, steps and is read, light and dark, by mouse and by keyboard."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from harness import Eyes, assert_clean
from test_accessibility import violations

import compactlab as cl

sys.path.insert(0, str(Path(__file__).parents[1]))
from stories import story

DRAWN = "eyes.documents().length === 1 && eyes.all('[role=status]').length === 1 && eyes.all('canvas.k').length === 3"
SENTENCE = "eyes.all('[role=status]')[0].innerText"
CELLS = "eyes.all('td.strip canvas').map((c) => c.getAttribute('aria-label'))"
NUMBERS = "eyes.all('tbody tr').map((tr) => [...tr.querySelectorAll('td.n')].map((td) => td.innerText))"
SMALLEST = (
    "Math.min(...eyes.all('span,b,h3,div,th,td,select,button').filter((e) => e.innerText?.trim() && e.offsetHeight)"
    ".map((e) => parseFloat(getComputedStyle(e).fontSize)))"
)


def opened(new_page, tmp_path, told, scheme="light", **size) -> Eyes:
    path = cl.render(told, tmp_path / "story.html")
    page = new_page(offline=True, color_scheme=scheme, **({"width": 1280, "height": 720} | size))
    page.goto(path.as_uri())
    eyes = Eyes(page)
    eyes.wait(DRAWN)
    return eyes


def colours_on(eyes, row: int) -> set[tuple[int, ...]]:
    """Colours of the pixels of a strip, those on many pixels only."""
    pixels = eyes(
        "(() => { const c = eyes.all('td.strip canvas')[given]; return Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data); })()",
        row,
    )
    found, times = np.unique(np.array(pixels).reshape(-1, 4), axis=0, return_counts=True)
    return {tuple(map(int, colour[:3])) for colour in found[times > 100] if colour[3] == 255}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_file__shows_a_step_in_words_cells_numbers_and_lines(new_page, tmp_path, artefact, scheme):
    eyes = opened(new_page, tmp_path, story(), scheme)
    page = eyes.frame
    eyes("(eyes.model('frame').value = 4, 0)")
    assert eyes(SENTENCE).replace("\n", " ").split(" ", 4)[:4] == ["step", "5", "of", "12"]
    assert "Step 4: <b>cell</b> 4 is taken & kept." in eyes(SENTENCE)
    assert eyes(CELLS) == ["policy <0>: 4 used, 1 waste, 11 free", "policy <1>: 3 used, 1 waste, 12 free"]
    assert eyes(NUMBERS) == [["4", "25"], ["3", "19"]]
    assert eyes("eyes.model('step band').left") == 4
    assert eyes.column("line 0", "y")[:6] == [0, 1, 2, 3, 4, 5]
    wanted = {tuple(int(c[k : k + 2], 16) for k in (1, 3, 5)) for c in _colours(scheme)}
    assert wanted <= colours_on(eyes, 0)
    page.wait_for_timeout(300)
    artefact(page, f"steps-{scheme}")
    assert eyes("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]") == [
        1280,
        720,
    ]
    inner = "(({scrollWidth, scrollHeight}) => [scrollWidth, scrollHeight])(document.getElementById('compactlab'))"
    assert eyes(inner) == [1280, 720]
    assert eyes(SMALLEST) >= 14
    assert violations(page) == []
    assert page.watch.outward() == []
    assert_clean(page)


def _colours(scheme):
    from compactlab.figures.story import story_of

    return story_of(story()).colours[scheme]


def test_file__plays_to_its_end_with_every_sentence(new_page, tmp_path):
    eyes = opened(new_page, tmp_path, story())
    eyes.frame.get_by_label("Speed").select_option(label="in 5 s")
    eyes.frame.get_by_role("button", name="Play").click()
    said = {text for _, text in eyes("eyes.sample(given, 6)", SENTENCE)}
    eyes.wait("!eyes.model('play').active", seconds=15)
    assert len(said) == 12
    assert eyes("eyes.model('frame').value === eyes.model('frame').end")
    assert "Step 11" in eyes(SENTENCE)


def test_file__goes_step_by_step_by_keys_and_buttons(new_page, tmp_path):
    eyes = opened(new_page, tmp_path, story())
    keys = eyes.frame.keyboard
    for key, step in [(".", 1), ("ArrowRight", 2), (",", 1), ("End", 11), (".", 11), ("ArrowLeft", 10), ("Home", 0), (",", 0)]:  # fmt: skip
        keys.press(key)
        eyes.wait(f"{SENTENCE}.includes('Step {step}:')")
    eyes.frame.get_by_role("button", name="Step on").click()
    eyes.wait(f"{SENTENCE}.includes('Step 1:')")
    keys.press("Home")
    eyes("(document.activeElement?.blur(), 0)")
    keys.press(" ")
    eyes.wait("eyes.model('play').active")


def test_file__another_measure_is_drawn_when_chosen(new_page, tmp_path):
    eyes = opened(new_page, tmp_path, story())
    eyes.frame.get_by_label("Measure").select_option(label="bytes asked for, bytes")
    eyes.wait("eyes.model('line 0').data.y[11] === 11000")
    assert eyes("eyes.model('line 1').data.x.length") == 2  # the measure is not by row
    assert eyes("eyes.model('lines').left[0].formatter.compute(11000)") == "11\u00a0000"
    assert eyes("eyes.all('svg.line').filter((s) => getComputedStyle(s).display !== 'none').length") == 1


def test_file__the_mouse_is_told_what_it_points_at(new_page, tmp_path):
    eyes = opened(new_page, tmp_path, story())
    box = eyes("(({x, y, width, height}) => [x, y, width, height])(eyes.all('td.strip canvas')[0].getBoundingClientRect())")  # fmt: skip
    eyes.frame.mouse.move(box[0] + box[2] * 2.5 / 16, box[1] + box[3] / 2)
    eyes.wait("eyes.all('.tip')[0].innerText === 'policy <0>, cell 2: free'")


def test_file__a_story_without_measures_fills_its_page(new_page, tmp_path, artefact):
    told = story().drop_vars(["used", "share", "asked", "mark", "level"])
    eyes = opened(new_page, tmp_path, told, "dark")
    artefact(eyes.frame, "steps-without-measures")
    assert eyes("document.documentElement.scrollHeight") == 720
    assert eyes("eyes.all('td.strip canvas')[0].getBoundingClientRect().height") > 200
    assert violations(eyes.frame) == []
    assert_clean(eyes.frame)


def test_file__many_rows_and_cells_keep_up(new_page, tmp_path, artefact):
    told = story(steps=498, rows=12, cells=1024)
    eyes = opened(new_page, tmp_path, told)
    eyes("(eyes.model('frame').value = 300, 0)")
    artefact(eyes.frame, "steps-many")
    assert eyes(CELLS)[0] == "policy <0>: 300 used, 1 waste, 723 free"
    assert eyes("document.documentElement.scrollHeight") == 720
    assert eyes(SMALLEST) >= 14
    assert_clean(eyes.frame)
