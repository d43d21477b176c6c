"""The page map in a real browser: it plays both ways, equals what Python counts, and tells pages of single pageblocks."""

from __future__ import annotations

import numpy as np
import pytest

import compactlab as cl
from compactlab.metrics.blockpages import STATES, BlockPages
from compactlab.metrics.cells import FILLS
from compactlab.metrics.film import FRAME, film
from compactlab.metrics.moves import moves

OPEN = "document.body && (eyes.all('[data-sheet=pagemap]')[0].click(), true)"
PICTURE = "Array.from(eyes.model('pagemap picture').data.image[0])"
SHOWN = """{
  position: eyes.model('frame').value,
  scanners: Array.from(eyes.model('pagemap scanners').data.y),
  told: Array.from(eyes.model('pagemap scanners').data.name),
  moved: eyes.all('b').map((b) => b.innerText).join('|'),
}"""


def press(eyes, label):
    eyes.frame.get_by_role("button", name=label, exact=True).click()


def at_end_of(film_, step):
    """All cells after a step."""
    state = film_.initial.copy()
    some = slice(0, film_.first[step + 1])
    np.bitwise_xor.at(state, film_.cell[some], film_.flip[some])
    return state


def fills(state, bounds, zone):
    return state[bounds[zone] : bounds[zone + 1]] & 15


@pytest.fixture(scope="module")
def recording():
    return cl.datasets.load("page-map-compaction")


@pytest.fixture(scope="module")
def page_file(recording, tmp_path_factory):
    return cl.render(recording, tmp_path_factory.mktemp("pagemap") / "map.html")


@pytest.fixture
def eyes(offline_page, page_file):
    from harness import Eyes

    offline_page.set_viewport_size({"width": 1280, "height": 720})
    offline_page.goto(page_file.as_uri())
    offline_page.wait_for_selector("#message", state="detached")
    eyes = Eyes(offline_page)
    eyes(OPEN)
    eyes.wait("eyes.model('pagemap picture').data.image[0].length > 1")
    return eyes


def test_static__plays_forward_and_back_as_python_counts(eyes, recording, artefact):
    made = film(recording)
    zone = made.zones.index("0/Normal")
    for theme in ("light", "dark"):
        eyes.frame.emulate_media(color_scheme=theme)
        eyes("(eyes.model('frame').value = 640, true)")
        artefact(eyes.frame, f"pagemap-{theme}")
    eyes.frame.emulate_media(color_scheme="light")
    seen = []
    for position in (1000, 300, 645, 610, 645):  # to the end, before the map, and between
        eyes(f"(eyes.model('frame').value = {position}, true)")
        eyes.wait(f"eyes.model('pagemap cells') && eyes.model('frame').value === {position}")
        seen.append(eyes(PICTURE))
    end = fills(at_end_of(made, made.elapsed.size - 1), made.bounds, zone)
    assert seen[0][: end.size] == end.tolist()
    first = fills(made.initial, made.bounds, zone)
    assert seen[1][: first.size] == first.tolist()
    assert seen[2] == seen[4]  # wound back and forth
    assert seen[2] != seen[3]


def test_static__scanners_move_and_pages_add_up_while_playing(eyes):
    for _zone in range(3):  # DMA, DMA32, Normal
        press(eyes, "Next compaction")
    eyes.frame.get_by_label("Speed").select_option(label="in 5 s")
    before = eyes(SHOWN)
    press(eyes, "▶ Play")
    eyes.wait("eyes.model('frame').value > 650")
    during = eyes(SHOWN)
    eyes.wait("!eyes.model('play').active", seconds=20)
    after = eyes(SHOWN)
    assert during["told"] == ["▼ migrate scanner", "▲ free scanner"]
    assert during["scanners"][0] > before["scanners"][0]
    assert during["scanners"][1] < 84
    assert after["told"] == ["", ""]  # over
    assert after["position"] == 1000
    assert "860\u00a0363" in after["moved"]


def test_static__steps_event_by_event_with_buttons_and_keys(eyes):
    for _zone in range(3):
        press(eyes, "Next compaction")
    begin = eyes("eyes.model('frame').value")
    for _ in range(60):
        eyes.frame.keyboard.press(".")
    forward = eyes("[eyes.model('frame').value, " + PICTURE + "]")
    press(eyes, "Step on")
    press(eyes, "Step back")
    assert eyes("[eyes.model('frame').value, " + PICTURE + "]") == forward
    for _ in range(60):
        eyes.frame.keyboard.press(",")
    assert forward[0] > begin
    assert eyes("eyes.model('frame').value") == pytest.approx(begin)


def test_static__colours_by_what_is_asked_and_names_kept_pages(eyes, recording):
    eyes("(eyes.model('frame').value = 1000, true)")
    keys = {}
    for way in ("what is in it", "migratetype", "largest free block", "pages that cannot move", "skip bit"):
        eyes.frame.get_by_label("Colour").select_option(label=way)
        keys[way] = "".join(eyes.texts("span.s + b, span"))
    assert len(set(keys.values())) == 5
    look = BlockPages(recording, moves(recording))
    kept = eyes.column("kept pages", "close") and eyes(
        "eyes.all('datalist option').map((o) => Number(o.value))"
    )
    block = kept[-1]
    eyes.frame.get_by_label("Pageblock").fill(str(block))
    shown = eyes("Array.from(eyes.model('pagemap left').data.image[0])")
    states, _since = look.at(block << 9, int(recording["pages"].elapsed[-1]))
    assert [code - min(shown) for code in shown] == [int(state) - int(states.min()) for state in states]
    eyes.frame.get_by_label("Pageblock").fill(str(block - 3))
    assert any("pages not kept here" in text for text in eyes.texts("span.m"))


def test_static__table_twin_and_sheets_by_keyboard(eyes, artefact):
    eyes.frame.get_by_role("tab", name="Page map").focus()
    eyes.frame.keyboard.press("End")
    assert (
        eyes("document.activeElement && eyes.all('[role=tab][aria-selected=true]')[0].innerText") == "Table"
    )
    options = eyes.frame.get_by_label("Table of").locator("option").all_inner_texts()
    eyes.frame.get_by_label("Table of").select_option(label="Pageblocks")
    rows = eyes.frame.get_by_role("row").count()
    assert 100 < rows <= 203
    assert "Pageblocks" in options
    artefact(eyes.frame, "pagemap-table")


def test_live__pages_of_any_pageblock_are_asked_for(lab, page, recording, artefact):
    notebook = lab.write(
        "pagemap.ipynb",
        "import compactlab as cl\nrun = cl.datasets.load('page-map-compaction')\nboard = cl.Explorer(run)\nboard",
    )
    eyes = lab.open(page, notebook)
    eyes.wait("eyes.all('[data-sheet=pagemap]').length")
    eyes(OPEN)
    eyes.wait("eyes.model('pagemap picture').data.image[0].length > 1")
    eyes("(eyes.model('frame').value = 1000, true)")
    block = 5555
    page.get_by_label("Pageblock").fill(str(block))
    eyes.wait("eyes.model('asked pages').data.start_pfn.includes(given)", argument=float(block << 9))
    eyes.wait("new Set(eyes.model('pagemap left').data.image[0]).size > 0")
    page.wait_for_timeout(300)
    shown = eyes("Array.from(eyes.model('pagemap left').data.image[0])")
    states, _since = BlockPages(recording, moves(recording)).at(
        block << 9, int(recording["pages"].elapsed[-1])
    )
    assert len(states) == len(shown)
    assert [code - shown[0] for code in shown] == [int(state) - int(states[0]) for state in states]
    assert {STATES[state] for state in states} <= set(STATES)
    artefact(page, "pagemap-live")


def test_kinds__every_zone_with_a_map_opens(eyes, recording):
    made = film(recording)
    for position, name in enumerate(recording["zones"].zone.values):
        eyes(f"(eyes.model('zone').value = '{position}', true)")
        eyes("(eyes.model('frame').value = 1000, true)")
        zone = made.zones.index(str(name))
        end = fills(at_end_of(made, made.elapsed.size - 1), made.bounds, zone)
        assert eyes(PICTURE)[: end.size] == end.tolist()
        assert int((made.what == FRAME).sum()) == 2
        assert max(end) < len(FILLS)
