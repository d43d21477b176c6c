"""axe-core finds nothing but trifles in the pages we write: every sheet, light and dark."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from harness import Eyes

import compactlab as cl

GRAVE = ("moderate", "serious", "critical")
RULES = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    }
}


def violations(page) -> list[str]:
    """What axe-core finds that is more than minor, with where."""
    found = Axe().run(page, options=RULES).response["violations"]
    return [
        f"{each['id']} ({each['impact']}): {each['help']}\n  "
        + "\n  ".join(f"{node['target']}: {node['html'][:160]}" for node in each["nodes"][:4])
        for each in found
        if each["impact"] in GRAVE
    ]


def opened(new_page, tmp_path, shown, theme: str) -> Eyes:
    path = cl.render(shown, tmp_path / "page.html")
    page = new_page(width=1280, height=720, color_scheme=theme)
    page.goto(path.as_uri())
    eyes = Eyes(page)
    eyes.wait("eyes.documents().length === 1 && eyes.all('[role=status]').length === 1")
    return eyes


def sheet_of(eyes: Eyes, sheet: str) -> None:
    eyes("(eyes.all(`[data-sheet=${given}]`)[0].click(), 0)", sheet)
    eyes.wait("eyes.all(`[data-sheet=${given}]`)[0].ariaSelected === 'true'", argument=sheet)
    eyes.frame.wait_for_timeout(400)  # its words are written with the next pictures


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["whole-story", "page-map-direct"])
def test_explorer__every_sheet(name, theme, new_page, tmp_path):
    eyes = opened(new_page, tmp_path, cl.datasets.load(name), theme)
    sheets = eyes("eyes.all('[data-sheet]').map((tab) => tab.dataset.sheet)")
    assert {"overview", "pagemap", "pressure", "latency", "table"} <= set(sheets)
    found = {}
    for sheet in sheets:
        sheet_of(eyes, sheet)
        for at in (0, 600):
            eyes("(eyes.model('frame').value = given, 0)", at)
            eyes.frame.wait_for_timeout(100)
            found[sheet, at] = violations(eyes.frame)
    assert not any(found.values()), "\n".join(
        f"{where}: {told}" for where, all_ in found.items() for told in all_
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_comparison__pictures_numbers_and_table(theme, new_page, tmp_path):
    run = cl.datasets.load("healthy")
    eyes = opened(new_page, tmp_path, {"one": run, "two": run}, theme)
    assert violations(eyes.frame) == []
    for toggle in ("show numbers", "show table"):
        eyes("(eyes.model(given).active = true, 0)", toggle)
        eyes.frame.wait_for_timeout(300)
        assert violations(eyes.frame) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_schedule__the_page(theme, new_page, tmp_path):
    told = cl.schedule("64 MiB", policies=["at 4:00"], windows=[], seeds=1)
    eyes = opened(new_page, tmp_path, told, theme)
    assert violations(eyes.frame) == []


def test_axe__sees_what_is_wrong(page):
    """The eyes work: a page with a picture without a name, and pale text."""
    page.set_content(
        '<html lang=en><title>t</title><main><img src="data:,"><p style="color:#ccc;background:#fff">pale</p></main>'
    )
    told = "\n".join(violations(page))
    assert "image-alt" in told
    assert "color-contrast" in told
