"""Every text on the screen is one of the catalogue; Chinese fits where English does, light and dark."""

from __future__ import annotations

import re

import pytest
from brackets import bare
from harness import Eyes

import compactlab as cl
from compactlab import pagemoves, texts
from compactlab.allocators import story, traces
from compactlab.simulation.buddies import Buddies

UNITS = {"GiB", "MiB", "KiB", "B", "UTC", "ms", "ns", "min", "PFN", "Enter"}
KERNEL = {
    *("DMA", "DMA32", "Normal", "Movable", "Unmovable", "Reclaimable", "HighAtomic", "CMA", "Isolate"),
    *("complete", "contended", "success", "partial_skipped", "skipped", "deferred", "not_suitable_page"),
    *("no_suitable_page", "compactlab", "Linux", "PGD", "PUD", "PMD", "PTE"),
}
WRITTEN = """(() => {
  const found = [], UNREAD = ['STYLE', 'SCRIPT', 'NOSCRIPT'];
  const walk = (root) => {
    let text = '';                                 // what stands in one block belongs together
    for (const element of root.querySelectorAll('*')) {
      if (UNREAD.includes(element.tagName.toUpperCase())) continue;
      for (const name of ['title', 'aria-label', 'placeholder']) found.push(element.getAttribute(name) ?? '');
      if (element.shadowRoot) walk(element.shadowRoot);
    }
    const parts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT, (node) =>
      UNREAD.includes(node.parentElement?.tagName.toUpperCase()) ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT);
    while (parts.nextNode()) text += parts.currentNode.textContent + ' ';
    found.push(text);
  };
  walk(document);
  const painted = ['text', 'name', 'shown', 'span', 'took', 'label'];    // columns that tips and glyphs write
  for (const document of eyes.documents()) for (const model of document.all_models) {
    if (model.type === 'ColumnDataSource') for (const name of painted)
      if (Array.isArray(model.data[name])) found.push(model.data[name].filter((value) => typeof value === 'string').join(' '));
    if (model.type === 'HoverTool') for (const [name] of model.tooltips ?? []) found.push(name);
    if (model.axis_label) found.push(String(model.axis_label));
    if (model.major_label_overrides) found.push([...model.major_label_overrides.values()].join(' '));
  }
  return found;
})()"""
CROWDED = """eyes.all('.r').filter((row) => row.checkVisibility() && row.children.length > 1).filter((row) => {
  const [first, last] = [row.firstElementChild, row.lastElementChild].map((part) => {
    const range = document.createRange();
    range.selectNodeContents(part);
    return range.getBoundingClientRect();
  });
  return last.width && (first.right > last.left + 1 || last.right > row.getBoundingClientRect().right + 1);
}).map((row) => row.innerText)"""
"""Rows of a name and a value in which the two touch, or the value leaves its column."""


def simulated():
    return cl.simulate(cl.Zone("64 MiB"), cl.workloads.huge_faults(faults=16))


def scored():
    recording = cl.datasets.load("page-map-compaction")
    return cl.score(cl.compact_zone(cl.Zone.from_pages(recording, "0/Normal")), recording)


def buddies():
    zone = Buddies(16)
    zone.free(5, 4, 6, 7, 1)
    zone.alloc(0)
    return zone.story(texts._("{count} pages").format(count=16))


SCENES = {
    "whole-story": lambda: cl.datasets.load("whole-story"),
    "recorded": lambda: cl.datasets.load("page-map-direct"),
    "simulated": simulated,
    "compared": lambda: {"one": cl.datasets.load("whole-story"), "two": [simulated(), simulated()]},
    "schedule": lambda: cl.schedule("64 MiB", policies=["every 6 h"], windows=[4], seeds=1),
    "score": scored,
    "buddies": buddies,
    "page tables": lambda: cl.pagetables.story(cl.pagetables.touched([0x10000, 0x4000_0000])),
    "mappings": lambda: pagemoves.story(2),
    "case study": lambda: cl.casestudy.story(cl.casestudy.recorded()),
    "allocators": lambda: story(traces.written("hole 64, wall 16, free hole, asked 32"), size=256),
    "quiz": lambda: cl.Quiz(),
}
"""What is drawn, made in the language of the test: some of it holds sentences."""


def data_words(shown) -> set[str]:
    """Words that come from the data: names of recordings, phases and machines, as typed by people."""
    found = {"one", "two", "office", "fault", "written", "by", "hand"}
    runs = [run for run in (shown if isinstance(shown, list) else [shown]) if hasattr(run, "children")]
    for run in runs:
        told = [run.attrs.get(name, "") for name in ("name", "machine", "kernel", "config")]
        told += run["phases/name"].values.tolist() if "phases" in run.children else []
        told += run["allocations/source"].values.tolist() if "source" in run.get("allocations", {}) else []
        words = re.findall(r"\w+", " ".join(map(str, told)))
        found |= {*words, *re.findall("[A-Za-z]+", " ".join(words))}
    return found


def opened(page, path) -> Eyes:
    page.goto(path.as_uri())
    eyes = Eyes(page)
    eyes.wait("document.querySelector('h1') && !document.getElementById('message')")
    page.wait_for_timeout(300)
    return eyes


def states(eyes: Eyes):
    """Every sheet at three moments, every table, and what the toggles show; yields the name of each."""
    models = eyes(
        "eyes.documents().flatMap((document) => [...document.all_models].map((model) => model.name))"
    )
    for sheet in eyes("eyes.all('[data-sheet]').map((tab) => tab.dataset.sheet)") or [""]:
        if sheet:
            eyes("(eyes.all(`[data-sheet=${given}]`)[0].click(), 0)", sheet)
            eyes.frame.wait_for_timeout(350)
        for table in range(eyes("eyes.all('[data-change=table] option').length") if sheet == "table" else 0):
            eyes(
                "((e) => { e.value = given; e.dispatchEvent(new Event('input', {bubbles: true, composed: true})); })"
                "(eyes.all('[data-change=table]')[0])",
                str(table),
            )
            yield f"{sheet} {table}"
        for at in (0, 0.55, 1) if "frame" in models and sheet != "table" else ():
            eyes("((f) => { f.value = f.end * given; })(eyes.model('frame'))", at)
            eyes.frame.wait_for_timeout(120)
            yield f"{sheet} {at}".strip()
    if "frame" not in models:
        yield "whole"
    for toggle in ("show numbers", "show table"):
        if toggle in models:
            eyes("(eyes.model(given).active = true, 0)", toggle)
            eyes.frame.wait_for_timeout(300)
            yield toggle
            eyes("(eyes.model(given).active = false, 0)", toggle)


@pytest.mark.usefixtures("bracketed")
@pytest.mark.parametrize("name", SCENES)
def test_every_text_on_the_screen_is_of_the_catalogue(name, page, tmp_path):
    shown = SCENES[name]()
    page.set_viewport_size({"width": 1280, "height": 720})
    eyes = opened(page, cl.render(shown, tmp_path / "page.html"))
    known = UNITS | KERNEL | data_words(list(shown.values()) if isinstance(shown, dict) else shown)
    found = {}
    for state in states(eyes):
        text = " ".join(bare(each) for each in eyes(WRITTEN))
        text = re.sub(r"0x[0-9a-f]+|mm_[a-z_]+|\d/(Normal|DMA\w*)|#[0-9a-f]{6}|\w+…", "", text)
        words = set(re.findall(r"[A-Za-z_]{2,}", text)) - known
        if words:
            found[state] = sorted(words)
    assert not found


@pytest.mark.usefixtures("chinese")
@pytest.mark.parametrize(
    ("name", "theme"), [*((name, "light") for name in SCENES), ("recorded", "dark"), ("quiz", "dark")]
)
def test_chinese_fits(name, theme, new_page, artefact, tmp_path):
    page = new_page(width=1280, height=720, color_scheme=theme)
    eyes = opened(page, cl.render(SCENES[name](), tmp_path / "page.html"))
    assert page.evaluate("document.documentElement.lang") == "zh"
    crowded = {}
    for state in states(eyes):
        if rows := eyes(CROWDED):
            crowded[state] = rows
        if state.endswith(("0.55", "whole", "numbers")):
            artefact(page, f"chinese {name} {state} {theme}".replace("/", "-"))
    assert not crowded
    assert eyes("document.documentElement.scrollWidth <= innerWidth")
    assert re.search("[\u4e00-\u9fff]{4}", " ".join(eyes(WRITTEN)))
