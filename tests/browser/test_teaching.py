"""Exercises in real JupyterLab: how a task and each kind of outcome look, in both themes."""

from __future__ import annotations

import numpy as np

CELLS = """
import compactlab as cl
display(cl.teaching.exercise("holes"))
display(cl.teaching.check("holes", ...))
display(cl.teaching.check("holes", "20 KiB"))
display(cl.teaching.check("holes", 4))
display(cl.teaching.check("holes", "3 ms"))
"""
TOLD = "[...document.querySelectorAll('.cl-told')]"
SEEN = f"{TOLD}.length === 5"
STYLE = f"""{TOLD}.map((e) => {{
  const box = getComputedStyle(e), mark = getComputedStyle(e.querySelector('.cl-mark'));
  return {{text: e.innerText, ink: box.color, ground: box.backgroundColor, mark: mark.color, edge: box.borderLeftColor,
    size: parseFloat(box.fontSize), wide: e.scrollWidth - e.clientWidth, code: [...e.querySelectorAll('code, pre')].map(
      (c) => [getComputedStyle(c).color, parseFloat(getComputedStyle(c).fontSize)])}};
}})"""


def luminance(colour: str) -> float:
    """Relative luminance of a CSS colour, rgb(...)."""
    channels = np.array([float(part) for part in colour.strip("rgba()").split(",")[:3]]) / 255
    return float(
        np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        @ [0.2126, 0.7152, 0.0722]
    )


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_outcomes__are_read_well_in_light_and_dark(lab, page, artefact):
    page.set_viewport_size({"width": 1280, "height": 720})
    lab.write("teaching.ipynb", CELLS)
    eyes = lab.open(page, "teaching.ipynb")
    eyes.wait(SEEN)
    for theme in ("Light", "Dark"):
        page.evaluate(
            f"window.jupyterapp.commands.execute('apputils:change-theme', {{theme: 'JupyterLab {theme}'}})"
        )
        eyes.wait(f"document.body.dataset.jpThemeLight === '{'true' if theme == 'Light' else 'false'}'")
        page.wait_for_timeout(500)
        artefact(page, f"teaching-{theme.lower()}")
        boxes = eyes(STYLE)
        marks = [box["text"].split()[0] for box in boxes]
        assert marks == ["?", "…", "✓", "✕", "!"]
        for box in boxes:
            assert box["size"] >= 14
            assert box["wide"] <= 0
            assert contrast(box["ink"], box["ground"]) >= 7
            assert contrast(box["mark"], box["ground"]) >= 4.5
            assert contrast(box["edge"], box["ground"]) >= 3
            assert all(contrast(colour, box["ground"]) >= 7 and size >= 14 for colour, size in box["code"])


def test_hints__unfold_by_keyboard(lab, page):
    lab.write("teaching.ipynb", CELLS)
    eyes = lab.open(page, "teaching.ipynb")
    eyes.wait(SEEN)
    page.locator(".cl-told summary").first.focus()
    page.keyboard.press("Enter")
    eyes.wait("document.querySelector('.cl-told details').open")
    assert "2^n" in page.locator(".cl-told details").first.inner_text()
