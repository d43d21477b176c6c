"""A recording of 100,000 snapshots: thinned, played without falling behind, drawn finer where zoomed into."""

from __future__ import annotations

import pytest
from harness import Eyes, assert_clean

import compactlab as cl
from benchmarks import loop

N = 100_000
READY = (
    "eyes.documents().length === 1 && eyes.documents()[0].is_idle && eyes.all('[role=status]').length === 1"
)


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """File of the recording: one snapshot a second, more than a day."""
    path = tmp_path_factory.mktemp("big") / "loop.txt"
    path.write_text(loop.text(loop.counts(N)))
    return path


def assert_plays_in_step(eyes) -> None:
    """Every panel is painted in every picture, its cursor where the slider is."""
    plots = ["phases", "contiguity", "indices"]
    eyes("(eyes.model('speed').value = '60', eyes.model('play').active = true, 0)")
    eyes.painted_per_second(2)
    eyes("(eyes.model('play').active = false, 0)")
    paints = {name: eyes(f"eyes.paints.filter((p) => p.name === '{name}').length") for name in plots}
    assert min(paints.values()) > 0
    assert max(paints.values()) - min(paints.values()) <= 2
    cursors = eyes(
        "given.map((name) => eyes.model(name).center.find((m) => m.type === 'Span').location)", plots
    )
    assert cursors == [eyes.get("frame", "value")] * len(plots)
    assert 0 < cursors[0] < 100


def assert_thinned(eyes) -> list[float]:
    drawn = eyes("Array.from(eyes.model('main').data.t[0])")
    assert 1900 < len(drawn) <= 2000
    assert (drawn[0], drawn[-1]) == (0, N - 1)
    return drawn


def test_file__plays(new_page, text, tmp_path, artefact, capsys):
    page = new_page(offline=True, width=1280, height=720)
    report = cl.render(cl.read(text), tmp_path / "big.html")
    assert "of 100\u00a0000 snapshots" in capsys.readouterr().out
    assert report.stat().st_size < 2_000_000
    page.goto(report.as_uri())
    eyes = Eyes(page)
    eyes.wait(READY)
    assert_thinned(eyes)
    assert_plays_in_step(eyes)
    artefact(page, "big-file")
    assert page.watch.outward() == []
    assert_clean(page)


def test_live__plays_and_refines(lab, page, text, artefact):
    source = f"import compactlab\nrun = compactlab.read({str(text)!r})"
    lab.write("big.ipynb", source, "compactlab.Explorer(run)")
    eyes = lab.open(page, "big.ipynb")
    eyes.wait(READY)
    assert_thinned(eyes)
    assert_plays_in_step(eyes)
    eyes("(eyes.model('contiguity').x_range.setv({start: 500, end: 510}), 0)")
    eyes.wait("eyes.model('main').data.t[0][0] > 1", seconds=20)
    fine = eyes("Array.from(eyes.model('main').data.t[0])")
    # A hundredth of the recording: every second of it, and one sample before and after.
    assert fine == [float(t) for t in range(int(fine[0]), int(fine[-1]) + 1)]
    assert fine[0] <= 0.5 * (N - 1) < 0.51 * (N - 1) <= fine[-1]
    assert len(fine) < 1100
    artefact(page, "big-live-zoomed")
