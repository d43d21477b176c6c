"""Pictures drawn without a browser: PNG, SVG and GIF of every view of every kind of run."""

from __future__ import annotations

import io
import itertools
import re
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
import runs
from PIL import Image

import compactlab as cl
from compactlab import cli, schema
from compactlab.figures.look import LARGE, SMALL, THEMES
from compactlab.figures.view import subject_of
from compactlab.figures.work import work
from compactlab.player.pictures.pagemap import Map
from compactlab.player.pictures.scenes import PANELS, VIEWS
from compactlab.player.pictures.stage import Stage

TOLD = {
    "whole-story": {
        *("overview", "contiguity", "indices", "who", "work", "latency", "migratetypes", "score", "cpu", "efficiency"),
        *("percentiles", "ecdf", "heat", "spent", "pressure", "latencies"),
    },
    "healthy": {"overview", "contiguity", "indices", "who", "work", "watermarks", "migratetypes", "score", "efficiency", "pressure"},
    "simulated": set(VIEWS),
    "one moment": {"overview", "contiguity", "indices", "score", "pressure"},
    "types alone": {"migratetypes", "pressure"},
    "pages alone": {"overview", "contiguity", "indices", "score", "pressure"},
}  # fmt: skip
"""What runs of different kinds tell."""


@pytest.fixture(scope="module")
def simulated():
    return cl.simulate(
        cl.Zone("64 MiB"), cl.workloads.sequence(cl.workloads.punch(), cl.workloads.huge_faults(faults=40))
    )


def small(count: int = 30, **attrs):
    """Free memory that crumbles."""
    blocks = np.zeros((count, 1, 11), np.int64)
    blocks[:, 0, 10], blocks[:, 0, 0] = np.linspace(40, 0, count), np.linspace(0, 40 << 10, count)
    return schema.new_run({"zones": runs.zones(blocks)}, **attrs)


@pytest.fixture(scope="module")
def run_of(simulated):
    made = {
        "simulated": lambda: simulated,
        "one moment": lambda: small(1, page_size=4096, name="one"),
        "types alone": lambda: schema.new_run({"migratetypes": runs.migratetypes({"Movable": np.full((3, 1, 11), 5)})}),
        "pages alone": lambda: small(name="no size"),  # sizes of pages unknown
    }  # fmt: skip
    return lambda name: made[name]() if name in made else cl.datasets.load(name)


def opened(path) -> Image.Image:
    return Image.open(io.BytesIO(path.read_bytes()))


def drawn(path) -> np.ndarray:
    return np.asarray(opened(path).convert("RGB"))


def colours(pixels: np.ndarray) -> set[str]:
    found = np.unique(pixels.reshape(-1, 3), axis=0)
    return {"#{:02x}{:02x}{:02x}".format(*colour) for colour in found.tolist()}


# ------------------------------------------------------------------ PNG


@pytest.mark.parametrize("name", TOLD)
def test_views__are_those_the_run_tells(name, run_of):
    assert set(cl.views(run_of(name))) == TOLD[name]


@pytest.mark.parametrize(
    ("name", "view", "theme"),
    [
        (name, view, theme)
        for name in TOLD
        for view in sorted(TOLD[name])
        for theme in THEMES
        if theme == "light" or name == "simulated"
    ],
)
def test_picture__of_every_view(name, view, theme, run_of, tmp_path, capsys):
    path = cl.picture(run_of(name), tmp_path / "a.png", view=view, theme=theme, size=(1000, 640))
    pixels = drawn(path)
    assert pixels.shape == (640, 1000, 3)
    ground = tuple(int(THEMES[theme]["bg"][at : at + 2], 16) for at in (1, 3, 5))
    assert (pixels[0, 0] == ground).all()
    assert len(colours(pixels)) > 20
    assert (pixels != ground).any(-1).mean() > 0.02
    assert f"{path.stat().st_size / 1e6:.2f}\u00a0MB, 1000 x 640 pixels" in capsys.readouterr().out


def test_picture__wears_the_colours_of_the_dashboard(tmp_path):
    run = cl.datasets.load("whole-story")
    found = colours(drawn(cl.picture(run, tmp_path / "a.png", view="contiguity", at="40%")))
    assert {*SMALL, *LARGE} <= found
    found = colours(drawn(cl.picture(run, tmp_path / "a.png", view="work", theme="dark")))
    assert {THEMES["dark"][token] for token in ("used", "migrate")} <= found


def test_picture__draws_what_the_dashboard_has(tmp_path):
    """Highest bar of the work view, in pixels of the axis, is the highest rate of the view's own source."""
    run = cl.datasets.load("whole-story")
    rates = work(subject_of(run, "light", 2000)).models["source"].data
    pixels = drawn(cl.picture(run, tmp_path / "a.png", view="work"))
    scanned = (pixels == (0xC3, 0xC9, 0xD0)).all(-1)
    moved = (pixels == (0, 0x85, 0x60)).all(-1)
    scanned[:170], moved[:170] = False, False  # the key
    heights = [rows.any(1).nonzero()[0] for rows in (scanned | moved, moved)]
    tall, less = (rows.max() - rows.min() + 1 for rows in heights)
    assert less / tall == pytest.approx(rates["migrated"].max() / rates["scanned"].max(), abs=0.01)


def test_picture__the_moment_moves_cursor_and_verdict(tmp_path):
    run = cl.datasets.load("whole-story")
    grounds = {}
    for at in ("1%", "70%", 100_000 / 1e3 * 0.48):
        pixels = drawn(cl.picture(run, tmp_path / "a.png", view="contiguity", at=at))
        grounds[at] = "#{:02x}{:02x}{:02x}".format(*pixels[46, 700])
    assert grounds["1%"] == THEMES["light"]["ok_bg"]
    assert THEMES["light"]["bad_bg"] in grounds.values()


def test_picture__equal_runs_give_equal_bytes(tmp_path):
    for ending in ("png", "svg"):
        one, other = (
            cl.picture(small(page_size=4096), tmp_path / f"{k}.{ending}").read_bytes() for k in range(2)
        )
        assert one == other


def test_picture__takes_no_notice_of_the_users_style(tmp_path):
    import matplotlib as mpl

    plain = cl.picture(small(), tmp_path / "a.png").read_bytes()
    with mpl.rc_context({"axes.facecolor": "red", "font.size": 30, "axes.grid": True}):
        before = dict(mpl.rcParams)
        assert cl.picture(small(), tmp_path / "b.png").read_bytes() == plain
        assert dict(mpl.rcParams) == before


def test_picture__a_saved_simulation(simulated, tmp_path):
    cl.save(simulated, tmp_path / "run.nc")
    again = cl.open(tmp_path / "run.nc")
    one, other = (
        cl.picture(run, tmp_path / f"{k}.png", view="overview").read_bytes() for k, run in enumerate((simulated, again))
    )  # fmt: skip
    assert one == other


def test_matplotlib__loads_for_pictures_only():
    program = "import sys, compactlab.figures, compactlab.player, compactlab.dashboards; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False"]


# ------------------------------------------------------------------ SVG


def test_svg__is_xml_with_names_as_text(tmp_path):
    name = 'a & <b> "$x$"'
    path = cl.picture(small(page_size=4096, name=name), tmp_path / "a.svg")
    root = ElementTree.XML(path.read_bytes())
    texts = ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert name in texts
    assert "Free memory by block size" in texts
    assert any(text.startswith("2\u00a0MiB in Normal") for text in texts)
    assert not re.search(rb"https?://(?!www\.w3\.org|purl\.org|creativecommons)", path.read_bytes())


def test_svg__of_a_page_map_and_in_the_dark(simulated, tmp_path):
    path = cl.picture(simulated, tmp_path / "a.svg", view="pagemap", theme="dark")
    text = path.read_text()
    ElementTree.XML(text)
    assert THEMES["dark"]["bg"] in text
    assert "with pages that cannot move" in text


# ------------------------------------------------------------------ GIF


@pytest.mark.parametrize("view", ["overview", "latency", "pagemap"])
def test_gif__has_its_frames_and_they_differ(view, simulated, tmp_path, capsys):
    path = cl.picture(simulated, tmp_path / "a.gif", view=view, frames=9, seconds=3, size=(900, 520))
    image = opened(path)
    assert (image.n_frames, image.size) == (9, (900, 520))
    assert image.info["loop"] == 0
    frames, lasted = [], 0
    for k in range(image.n_frames):
        image.seek(k)
        lasted += image.info["duration"]
        frames.append(np.asarray(image.convert("RGB")))
    assert lasted == 3000
    assert all((one != other).any() for one, other in itertools.pairwise(frames))
    assert (frames[-1][0, 0] == 255).all()
    assert "9 frames" in capsys.readouterr().out


def test_gif__begins_where_it_is_asked_to(simulated, tmp_path):
    whole, late = (
        opened(cl.picture(simulated, tmp_path / f"{k}.gif", frames=2, at=at)) for k, at in enumerate((None, "50%"))
    )  # fmt: skip
    one, other = (np.asarray(image.convert("RGB")) for image in (whole, late))
    assert (one != other).any()
    whole.seek(1)
    late.seek(1)
    last = [np.asarray(image.convert("RGB")).astype(int) for image in (whole, late)]
    assert (abs(last[0] - last[1]) > 40).mean() < 0.001  # both end at the end; palettes differ a little


# ------------------------------------------------------------------ the page map


def test_map__winds_to_any_moment_as_from_the_start(simulated):
    stage = Stage.of(simulated, None, None, "light")
    from compactlab.figures.pagemap import pagemap

    models = pagemap(stage.subject).models
    ends = models["film"].data["t"][0][[5, -1, 40, 5]]
    wound = Map(models, stage.zone)
    for seconds in ends:
        wound.go(seconds)
        fresh = Map(models, stage.zone)
        fresh.go(seconds)
        assert wound.at == fresh.at
        assert np.array_equal(wound._state, fresh._state)


# ------------------------------------------------------------------ several runs


def test_picture__of_runs_side_by_side(simulated, tmp_path):
    sides = {"one": [simulated, simulated], "b $ <c>": small(page_size=4096)}
    path = cl.picture(sides, tmp_path / "a.png")
    assert {THEMES["light"]["side0"], THEMES["light"]["side1"]} <= colours(drawn(path))
    text = cl.picture(sides, tmp_path / "a.svg").read_text()
    ElementTree.XML(text)
    assert "one (2 runs)" in text
    assert opened(cl.picture([simulated, small()], tmp_path / "a.gif", frames=3)).n_frames == 3


def test_picture__of_a_schedule(tmp_path):
    told = cl.schedule("64 MiB", policies=["at 4:00"], windows=[], seeds=1)
    text = cl.picture(told, tmp_path / "a.svg", theme="dark").read_text()
    ElementTree.XML(text)
    assert "at 4:00" in text
    assert "When to compact" in text
    assert opened(cl.picture(told, tmp_path / "a.gif", frames=4)).n_frames == 4
    assert THEMES["light"]["fallback"] in colours(drawn(cl.picture(told, tmp_path / "a.png")))


def test_picture__of_a_score(tmp_path):
    recording = cl.datasets.load("page-map-direct")
    score = cl.score(cl.compact_zone(cl.Zone.from_pages(recording, "0/Normal")), recording)
    found = colours(drawn(cl.picture(score, tmp_path / "a.png")))
    assert {THEMES["light"][token] for token in ("ink", "accent", "bg")} <= found
    with pytest.raises(
        ValueError, match=r"a score does not move; expected a name that ends in \.png or \.svg"
    ):
        cl.picture(score, tmp_path / "a.gif")


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"view": "overveiw"},
            r"view: got 'overveiw'; did you mean 'overview'\? There are overview, contiguity",
        ),
        ({"view": "xyz"}, "view: got 'xyz'; There are overview, contiguity, indices"),
        ({"view": "latency"}, "view 'latency': this run does not tell allocation latency"),
        ({"view": "pagemap"}, "view 'pagemap': this run does not tell a map of pages"),
        ({"theme": "auto"}, "theme: got 'auto', expected 'light' or 'dark'"),
        ({"zone": "DMA"}, "zone: got 'DMA', expected one of 0/Normal"),
        ({"order": 11}, "order: got 11, expected 0 to 10"),
        ({"at": "half"}, "at: got 'half', expected elapsed seconds such as 12.5, or a share such as '50%'"),
        ({"at": 30}, "at: got 30, expected a moment of this run: 0 to 29 s"),
        ({"at": "101%"}, "at: got '101%', expected a moment of this run"),
        ({"frames": 1}, "frames: got 1, expected 2 to 600"),
        ({"seconds": 0}, "seconds: got 0, expected more than 0"),
        ({"size": (100, 900)}, "size: got 100 x 900 pixels, expected 200 to 8000 each"),
        ({"size": (800, 210)}, r"size: got 800 x 210 pixels, expected at least 800 x \d+ for this view"),
        ({"size": (400, 600)}, "size: got 400 x 600 pixels, expected at least 560 x 600 for this view"),
        (
            {"max_bytes": 1000},
            r"max_bytes: found a picture of [\d\u00a0]+ bytes, expected at most 1\u00a0000",
        ),
    ],
)
def test_picture__refuses_in_words(options, said, tmp_path):
    with pytest.raises(ValueError, match=said):
        cl.picture(small(page_size=4096), tmp_path / "a.png", **options)
    assert not list(tmp_path.iterdir())


def test_picture__refuses_endings_and_views_of_what_has_none(tmp_path):
    with pytest.raises(ValueError, match=r"found 'a\.jpg', expected a name that ends in \.png, \.svg, \.gif; `render` writes \.html"):  # fmt: skip
        cl.picture(small(), tmp_path / "a.jpg")
    with pytest.raises(ValueError, match="views are of one run, this is another result and has one picture"):
        cl.picture([small(), small()], tmp_path / "a.png", view="work")
    with pytest.raises(ValueError, match=r"ends in \.html; `picture` writes \.png, \.svg and \.gif"):
        cl.render(small(), tmp_path / "a.png")


def test_picture__keeps_the_old_file_when_it_fails(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="max_bytes"):
        cl.picture(small(), path, max_bytes=10)
    assert path.read_bytes() == b"old"
    cl.picture(small(), path)
    assert opened(path).size == (1280, 720)


def test_views__all_have_names_of_dashboard_views():
    from compactlab.figures.explorer import explorer

    scene = explorer(cl.simulate(cl.Zone("64 MiB"), cl.workloads.huge_faults(faults=20)))
    (script,) = scene.root.tags
    keys = {view["key"] for view in script.args["views"]} - {"phases"}
    assert keys - {"migration"} <= {*PANELS, "pagemap"}


# ------------------------------------------------------------------ the command line


def test_command__writes_pictures_of_a_saved_run(tmp_path, capsys):
    cl.save(cl.datasets.load("healthy"), tmp_path / "run.nc")
    options = ["--view", "contiguity", "--zone", "Normal", "--order", "4", "--theme", "dark", "--at", "50%"]
    for name, kind in (("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.gif", b"GIF8")):
        assert cli.main(["render", str(tmp_path / "run.nc"), "-o", str(tmp_path / name), *options]) == 0
        content = (tmp_path / name).read_bytes()
        assert content.startswith(kind)
        assert f"{name}: {len(content) / 1e6:.2f}\u00a0MB" in capsys.readouterr().out
    assert "0/Normal, order 4 (64\u00a0KiB)" in (tmp_path / "a.svg").read_text()
    assert tuple(drawn(tmp_path / "a.png")[0, 0]) == (0x11, 0x11, 0x11)


def test_command__tells_which_views_there_are(tmp_path, capsys):
    assert cli.main(["render", "healthy", "-o", str(tmp_path / "a.png"), "--view", "page-map"]) == 1
    assert "did you mean 'pagemap'? There are overview, contiguity," in capsys.readouterr().err
    assert cli.main(["render", "healthy", "-o", str(tmp_path / "a.html"), "--at", "3"]) == 1
    assert "a page holds all views and moments" in capsys.readouterr().err
