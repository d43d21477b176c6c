"""Packed pages, reports and posters without a browser."""

from __future__ import annotations

import base64
import io
import itertools
import json
import os
import re
import stat
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import runs
from bokeh.document import Document
from bokeh.layouts import column
from bokeh.models import Column, ColumnDataSource, Div, Slider
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from PIL import Image

from compactlab import datasets, player, schema
from compactlab.player.archive import archive, bokehjs
from compactlab.simulation.compact import compact_zone
from compactlab.simulation.zone import Zone

PATHS = [str(Path(__file__).parent), str(Path(__file__).parents[1])]


def a_run(snapshots: int = 60):
    """Memory that crumbles: order 9 is used up, order 0 grows."""
    nr_free = np.zeros((snapshots, 1, 11), np.int64)
    nr_free[:, 0, 9] = np.linspace(300, 0, snapshots)
    nr_free[:, 0, 0] = np.linspace(0, 90_000, snapshots)
    sizes = {"page_size": 4096, "pageblock_order": 9}
    return schema.new_run({"zones": runs.zones(nr_free)}, name="crumbles", **sizes)


def unpack(packed: bytes) -> tuple[dict, list[bytes]]:
    """What archive.js does, in Python."""
    content = zlib.decompress(packed)
    (length,) = struct.unpack_from("<I", content)
    head = json.loads(content[4 : 4 + length])
    ends = np.cumsum([4 + length, *head["lengths"]])
    assert ends[-1] == len(content)
    return head["document"], [content[a:b] for a, b in itertools.pairwise(ends)]


def scene_of(values: np.ndarray) -> Column:
    arrays = Div(text="data", tags=[ColumnDataSource({"x": values, "y": values * 2})])
    # "p1003" as a text looks like the id of a model and must stay what it is.
    return column(Div(text="p1003"), Slider(start=0, end=9, value=1, title="p99"), arrays)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32, np.float64])
def test_archive__keeps_every_byte_of_arrays(dtype):
    values = np.arange(1000).astype(dtype)
    document = Document()
    document.add_root(scene_of(values))
    _, arrays = unpack(archive(document))
    assert sorted(arrays) == sorted([values.tobytes(), (values * 2).tobytes()])


def test_archive__numbers_models_but_no_texts():
    document = Document()
    document.add_root(scene_of(np.arange(5)))
    content, _ = unpack(archive(document, stable=True))
    text = json.dumps(content)
    ids = re.findall(r'"id": "(p\d+)"', text)
    assert set(ids) == {f"p{n + 1}" for n in range(len(set(ids)))}
    assert '"text": "p1003"' in text
    assert '"title": "p99"' in text


def test_pack__equal_scenes_give_equal_bytes():
    first, second = (player.pack(scene_of(np.arange(99.0)), "same") for _ in range(2))
    assert first == second
    assert first != player.pack(scene_of(np.arange(98.0)), "same")


def test_render__equal_in_processes_of_other_hash_seeds(tmp_path):
    code = "import sys, test_player as t; t.player.render(t.a_run(), sys.argv[1])"
    pages = []
    for seed in ("1", "2"):
        path = tmp_path / f"{seed}.html"
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(PATHS)}
        subprocess.run([sys.executable, "-c", code, str(path)], check=True, env=environment)
        pages.append(path.read_bytes())
    assert pages[0] == pages[1]


def test_pack__title_is_text_never_markup():
    page = player.pack(Div(text="x"), "</title><script>alert(1)</script>")
    assert "<title>&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt;</title>" in page
    assert "alert(1)</script>" not in page


def test_pack__words_of_a_document_cannot_end_the_script():
    page = player.pack(Div(text="</script><script>alert(2)</script>"), "x")
    assert "alert(2)" not in page


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pack__theme_sets_background_before_scripts(theme):
    page = player.pack(Div(text="x"), "x", theme=theme)
    background = {"light": "#ffffff", "dark": "#111111"}[theme]
    assert page.index(f"html {{ background: {background}") < page.index("<script")
    assert "prefers-color-scheme" not in page[: page.index("<script")]


def test_pack__auto_follows_the_system():
    page = player.pack(Div(text="x"), "x")
    assert page.index("@media (prefers-color-scheme: dark) { html { background: #111111") < page.index(
        "<script"
    )


def test_pack__shared_document_is_refused():
    document = Document()
    first, second = Div(text="a"), Div(text="b")
    document.add_root(first)
    document.add_root(second)
    with pytest.raises(ValueError, match="2 roots; expected it to be the only one"):
        player.pack(first, "x")


def test_pack__holds_no_address():
    page = player.pack(Div(text="x"), "x")
    outside = re.sub(r'<script id="\w+" type="text/plain">.*?</script>', "", page, flags=re.DOTALL)
    assert "//cdn" not in outside
    assert not re.search(r'(src|href)="(?!data:)', outside)
    assert len(bokehjs()) * 4 / 3 < len(page) < len(bokehjs()) * 4 / 3 + 10_000


def test_render__says_what_it_wrote(tmp_path, capsys):
    path = player.render(a_run(), tmp_path / "report.html")
    told = capsys.readouterr().out
    assert path == tmp_path / "report.html"
    assert re.match(rf"{re.escape(str(path))}: 0\.\d\sMB\n60 snapshots; Not in this recording: ", told)
    assert told.count("\n") == 2
    assert list(tmp_path.iterdir()) == [path]


def test_render__replaces_a_report_and_keeps_its_kind(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    player.render(a_run(), path)
    assert path.read_text().startswith("<!DOCTYPE html>")
    assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0o666 & ~_umask() & 0o077


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def test_render__thins_until_it_fits(tmp_path, capsys):
    counts = np.random.default_rng(0).integers(0, 50_000, (4000, 1, 11))
    run = schema.new_run({"zones": runs.zones(counts)}, page_size=4096, pageblock_order=9)
    path = player.render(run, tmp_path / "all.html")
    limit = path.stat().st_size - 1
    thinned = player.render(run, tmp_path / "less.html", max_bytes=limit)
    assert thinned.stat().st_size <= limit
    told = capsys.readouterr().out.replace("\u00a0", " ").splitlines()[1::2]
    assert all("thinned to" in line and "of 4 000 snapshots" in line for line in told)
    assert told[0] != told[1]


def test_render__cannot_fit_says_what_to_do(tmp_path):
    with pytest.raises(ValueError, match=r"expected at most 1.000\. Allow more"):
        player.render(a_run(), tmp_path / "report.html", max_bytes=1000)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["run.nc", "report", "report.html.gz"])
def test_render__refuses_other_endings(tmp_path, name):
    with pytest.raises(ValueError, match=r"expected a name that ends in \.html"):
        player.render(a_run(), tmp_path / name)


# In a process of its own: the limit would strike at pytest's own files too.
LITTLE_ROOM = """
import resource, signal, sys
from compactlab import datasets, player
run = datasets.load("healthy")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))  # as on a full disk
try:
    player.render(run, sys.argv[1])
except OSError as error:
    print(error)
"""


def test_render__no_room_keeps_the_old_report(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    done = subprocess.run(
        [sys.executable, "-c", LITTLE_ROOM, path], capture_output=True, text=True, check=True
    )
    assert "could not be written (File too large). Free some space" in done.stdout
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_poster__is_a_small_animation():
    picture = Image.open(io.BytesIO(player.poster(a_run())))
    assert (picture.format, picture.size, picture.n_frames) == ("PNG", (960, 400), 40)
    assert len(player.poster(a_run())) < 150_000


def test_poster__cursor_moves_and_verdict_changes():
    picture = Image.open(io.BytesIO(player.poster(a_run())))
    edges, cursors = [], []
    for frame in (0, 39):
        picture.seek(frame)
        pixels = np.asarray(picture.convert("RGB"))
        edges.append(tuple(pixels[380, 2]))
        # Above the stack, only the cursor is drawn.
        cursors.append(np.flatnonzero((pixels[81] != 255).any(axis=1)).tolist())
    assert edges == [(0x00, 0x70, 0x4F), (0xB0, 0x3A, 0x00)]  # would succeed; no free block
    assert min(cursors[0]) < 90
    assert max(cursors[1]) > 930


def test_poster__is_reproducible():
    assert player.poster(a_run()) == player.poster(a_run())


def test_poster__one_snapshot_is_one_picture():
    picture = Image.open(io.BytesIO(player.poster(a_run(snapshots=1))))
    assert picture.size == (960, 400)


def test_poster__without_free_lists_says_so():
    with pytest.raises(ValueError, match="Record /proc/buddyinfo too"):
        player.poster(schema.new_run({}))


def test_show__publishes_picture_then_frame():
    InteractiveShell.instance()
    with capture_output() as captured:
        player.show(a_run(), height=500)
    picture, page = (output.data for output in captured.outputs)
    assert base64.b64decode(picture["image/png"]) == player.poster(a_run())
    frame = page["text/html"]
    assert 'sandbox="allow-scripts allow-downloads"' in frame
    assert "height: 500px" in frame
    assert "&lt;!DOCTYPE html&gt;" in frame
    assert picture["text/plain"].startswith("crumbles: 60")


def test_render__two_hundred_frames_of_a_whole_machine_stay_small(tmp_path, capsys):
    recording = datasets.load("page-map-compaction")
    run = compact_zone(Zone.from_pages(recording, "0/Normal"), frames=200)
    assert run["pageblocks"].sizes["frame"] >= 200
    path = player.render(run, tmp_path / "report.html")
    size = path.stat().st_size
    assert size < 6_000_000
    told = re.search(r"report\.html: ([\d.]+)\u00a0MB", capsys.readouterr().out)
    assert float(told[1]) == pytest.approx(size / 1e6, abs=0.051)


def test_poster__size_of_pages_unknown():
    run = schema.new_run({"zones": runs.zones(np.full((3, 1, 11), 5))})
    assert Image.open(io.BytesIO(player.poster(run))).size == (960, 400)
