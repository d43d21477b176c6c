"""The figure of a prediction beside a recording: places, numbers and words, without a browser."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import runs
from bokeh.models import Div
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

import compactlab as cl
from compactlab import schema
from compactlab.figures import fidelity
from compactlab.figures.fidelity import blocks
from compactlab.figures.look import THEMES

BEFORE, RECORDED, PREDICTED = (26, 0, 0, 0), (0, 5, 0, 2), (4, 5, 1, 1)  # blocks; 26 pages each
MS = 1_000_000


def compaction(after, moved=None, took=10, status="complete", page_size=4096):
    """One manual compaction of the zone Normal; what was moved is told only if given."""
    zone = {"role": "manual", "zone": "0/Normal"}
    rows = [
        {"elapsed": MS, "name": "mm_compaction_begin", **zone},
        {"elapsed": (1 + took) * MS, "name": "mm_compaction_end", "status": status, **zone},
    ]
    if moved is not None:
        work = {"elapsed": 2 * MS, "name": "mm_compaction_migratepages", "nr_migrated": moved, **zone}
        rows.insert(1, work)
    zones = runs.zones([[BEFORE], [after]], elapsed=(0, runs.SECOND))
    sizes = {} if page_size is None else {"page_size": page_size}
    return schema.new_run({"zones": zones, "events": runs.events(rows)}, **sizes)


def scored(moved=(1103, 1000), took=(12, 10), status=("contended", "complete"), page_size=4096):
    predicted, recorded = (
        compaction(after, *told, page_size)
        for after, *told in zip((PREDICTED, RECORDED), moved, took, status, strict=True)
    )
    return cl.score(predicted, recorded)


def rows_of(scene) -> list[list[str]]:
    """Cells of the table, as read."""
    table = next(div.text for div in scene.root.select({"type": Div}) if "<table" in div.text)
    rows = re.findall(r"<tr>(.*?)</tr>", table)
    cells = (re.findall("<t[hd].*?>(.*?)</t[hd]>", row) for row in rows)
    return [[re.sub("<.*?>", "", cell).replace("\u00a0", " ") for cell in row] for row in cells]


def figure_of(scene, name):
    return scene.root.select_one({"name": name})


def test_blocks__lie_where_their_memory_and_index_are():
    data = blocks(scored()).data
    assert data["order"].tolist() == [0, 1, 2, 3]
    assert data["free_recorded"] == pytest.approx([0, math.log2(10) + 1, 0, 5])
    assert data["free_predicted"] == pytest.approx([3, math.log2(10) + 1, 3, 4])
    # 0, 0, 10 and 10 of 26 pages lie in blocks smaller than asked for; the kernel rounds down to thousandths
    assert data["index_recorded"] == pytest.approx([0, 0, 0.384, 0.384])
    assert data["index_predicted"] == pytest.approx([0, 0.153, 0.538, 0.692])


def test_blocks__tips_tell_exact_values():
    data = blocks(scored()).data
    assert [text.replace("\u00a0", " ") for text in data["free_recorded_text"]] == [
        "0 MiB",
        "40 KiB",
        "0 MiB",
        "64 KiB",
    ]
    assert data["index_predicted_text"] == ["0.000", "0.153", "0.538", "0.692"]


def test_fidelity__table_tells_both_sides_and_errors():
    assert rows_of(fidelity(scored())) == [
        ["", "predicted", "recorded", "error"],
        ["pages moved", "1 103", "1 000", "+10 %"],
        ["migrate scanner", "?", "?", "?"],
        ["free scanner", "?", "?", "?"],
        ["milliseconds", "12", "10", "+20 %"],
        ["ended", "contended", "complete", ""],
    ]


def test_fidelity__work_that_only_one_side_tells_has_no_error():
    assert rows_of(fidelity(scored(moved=(1103, None))))[1] == ["pages moved", "1 103", "?", "?"]
    assert rows_of(fidelity(scored(moved=(999, 1000))))[1][-1] == "−0.10 %"


def test_fidelity__words_tell_the_largest_difference():
    words = "".join(div.text for div in fidelity(scored()).root.select({"type": Div})).replace("\u00a0", " ")
    # Orders 0, 2 and 3 are 4, 4 and 8 pages apart: half of 16 of 26.
    assert "31 % of free memory is in blocks of another size" in words
    assert "off by at most 0.308, for 32 KiB" in words


def test_fidelity__axis_of_memory_names_none_and_powers_of_two():
    drawn = figure_of(fidelity(scored()), "free")
    names = {tick: name.replace("\u00a0", " ") for tick, name in drawn.xaxis[0].major_label_overrides.items()}
    assert names == {0: "none", 1: "4 KiB", 3: "16 KiB", 5: "64 KiB"}
    assert drawn.xaxis[0].ticker.ticks == [0, 1, 3, 5]
    assert drawn.x_range.start < 0
    assert drawn.x_range.end > 5


def test_fidelity__both_figures_have_the_same_rows():
    scene = fidelity(scored())
    free, index = (figure_of(scene, name) for name in ("free", "index"))
    assert free.y_range is index.y_range
    assert free.ygrid[0].ticker.ticks == index.ygrid[0].ticker.ticks == [0, 1, 2, 3]
    labels = [free.yaxis[0].major_label_overrides[order].replace("\u00a0", " ") for order in range(4)]
    assert labels == ["4 KiB", "8 KiB", "16 KiB", "32 KiB"]


def test_fidelity__unknown_page_size_counts_pages():
    scene = fidelity(scored(page_size=None))
    assert figure_of(scene, "free").yaxis[0].major_label_overrides[3] == "8\u00a0pages"


def test_fidelity__wears_the_theme_asked_for():
    for theme in THEMES:
        scene = fidelity(scored(), theme=theme)
        dots = figure_of(scene, "free").renderers[-1].glyph
        assert dots.fill_color == THEMES[theme]["accent"]
    with pytest.raises(ValueError, match="theme: got 'sepia', expected 'auto', 'light' or 'dark'"):
        fidelity(scored(), theme="sepia")


def test_show__of_a_score_is_one_frame():
    InteractiveShell.instance()
    with capture_output() as captured:
        cl.show(scored(), height=440)
    (page,) = (output.data for output in captured.outputs)
    assert page["text/plain"] == "0/Normal: prediction beside recording"
    assert "height: 440px" in page["text/html"]
    assert "&lt;title&gt;0/Normal: prediction beside recording&lt;/title&gt;" in page["text/html"]


def test_render__of_a_score_is_a_page_and_the_same_bytes_again(tmp_path, capsys):
    pages = [cl.render(scored(), tmp_path / name).read_bytes() for name in ("a.html", "b.html")]
    assert pages[0] == pages[1]
    assert re.fullmatch(r".*a\.html: 0\.\d.MB", capsys.readouterr().out.splitlines()[0])


def test_fidelity__of_a_shipped_recording_with_itself_has_each_dot_in_its_ring():
    run = cl.datasets.load("manual-compaction-given-up")
    data = blocks(cl.score(run, run)).data
    for what in ("free", "index"):
        assert np.array_equal(data[f"{what}_predicted"], data[f"{what}_recorded"])
    assert data["free_recorded"].max() > 0
