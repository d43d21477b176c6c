"""What is told step by step: the story is looked through, drawn, packed and filmed; without a browser."""

import io
from itertools import combinations, pairwise

import numpy as np
import pytest
from bokeh.models import Div
from colours import EYES, distance
from PIL import Image
from stories import KINDS, story
from test_colours import APART

import compactlab as cl
from compactlab import pagemoves
from compactlab.figures import steps
from compactlab.figures.story import COLOURS, NO_CELL, is_story, story_of
from compactlab.player import pack
from compactlab.player.storyfilm import FRAMES, storyfilm
from compactlab.simulation import buddies


def model(scene, name):
    return scene.root.select_one({"name": name})


def settings(scene):
    return scene.root.tags[0].args["settings"]


def without(told, *names):
    return told.drop_vars(names)


# ---- the story


def test_story_of__takes_what_is_told():
    told = story_of(story())
    assert (told.title, told.kinds, told.rows) == ("A story: <cells>", KINDS, ["policy <0>", "policy <1>"])
    assert told.steps == 12
    assert [measure.title for measure in told.measures] == ["cells used", "share", "bytes asked for"]
    assert [measure.by_row for measure in told.measures] == [True, True, False]
    assert [measure.whole for measure in told.measures] == [True, False, True]
    assert [measure.units for measure in told.measures] == ["cells", "%", "bytes"]
    assert told.levels[:3] == ["", "ok", "bad"]


def test_story_of__takes_dims_in_any_order():
    told = story().transpose("cell", "row", "step")
    assert np.array_equal(story_of(told).kind, story().kind)
    assert np.array_equal(story_of(told).measures[0].values, story().used)


def test_story_of__needs_no_more_than_cells_and_sentences():
    told = story_of(without(story(), "mark", "used", "share", "asked", "level"))
    assert told.measures == []
    assert (told.mark == -1).all()
    assert set(told.levels) == {""}


def test_story_of__width_counts_what_is_there_in_units_of_span():
    told = story()
    told["kind"][:, :, 5:] = NO_CELL
    assert story_of(told).width == 5
    told["span"] = ("row", [1, 4])
    assert story_of(told).width == 20


def test_story_of__colours_differ_and_are_as_asked():
    told = story(kinds=["free", "used", *"abcdefgh"], colours={"a": "accent"})
    for theme in ("light", "dark"):
        colours = story_of(told).colours[theme]
        assert len(set(colours)) == 10
        assert colours[2] == COLOURS[theme]["accent"]


def test_story_of__labels_are_kept_once_each():
    told = story()
    told["label"] = (("cell", "step", "row"), np.full((16, 12, 2), "a<b"))
    found = story_of(told)
    assert found.names == ["a<b"]
    assert found.label.shape == (12, 2, 16)


WRONG = {
    "no title": (lambda told: told.assign_attrs(title=" "), r'attrs\["title"\]: found \' \', expected a heading'),
    "no kinds": (lambda told: told.assign_attrs(kinds=[]), r'attrs\["kinds"\]: found \[\], expected a list of names'),
    "kinds in one word": (lambda told: told.assign_attrs(kinds="free"), "found 'free', expected a list"),
    "two kinds of one name": (lambda told: told.assign_attrs(kinds=["a", "a", "b"]), "3 names, 2 different"),
    "a kind without a name": (lambda told: told.assign_attrs(kinds=["a", "b"]), "kind at step 0, row 0, cell 0: found 2, expected 0 to 1"),
    "kinds that are no numbers": (lambda told: told.assign(kind=told.kind.astype(float)), "kind: found numbers of type float64"),
    "dims of kind": (lambda told: told.assign(kind=told.kind.isel(row=0, drop=True)), r"kind: found dims \('step', 'cell'\)"),
    "no sentence": (lambda told: told.drop_vars("text"), "text: found nothing of that name, expected dims"),
    "no names of rows": (lambda told: told.drop_vars("row"), "row: found no coordinate, expected a name for each row"),
    "one step": (lambda told: told.isel(step=[0]), "step: found 1 steps, expected at least 2"),
    "many rows": (lambda _told: story(rows=17), "row: found 17 rows, expected 1 to 16"),
    "many cells": (lambda _told: story(cells=5000), "cell: found 5000 cells, expected 1 to 4096"),
    "mark outside": (lambda told: told.assign(mark=told.mark + 16), "mark: found int64 from 15 to 27, expected whole numbers from -1 to 15"),
    "mark by step": (lambda told: told.assign(mark=told.mark.isel(row=0, drop=True)), r"mark: found dims \('step',\)"),
    "level": (lambda told: told.assign(level=("step", ["fine"] * 12)), "level: found fine, expected one of"),
    "a measure in words": (lambda told: told.assign(said=("step", ["a"] * 12)), "said: found dims .* of type .*, expected numbers"),
    "a measure by cell": (lambda told: told.assign(each=told.kind * 1.0), "each: found dims"),
    "a colour": (lambda told: told.assign_attrs(colours={"free": "blue"}), r"colours\"\]: found 'blue', expected one of bg"),
    "a colour of no kind": (lambda told: told.assign_attrs(colours={"fre": "accent"}), r"expected a mapping from kinds \(free, used, waste\)"),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "told"), WRONG.values(), ids=WRONG)
def test_story_of__says_what_is_wrong_and_what_to_do(spoil, told):
    with pytest.raises(ValueError, match=f"^story, .*{told}.*\\. [A-Z]"):
        story_of(spoil(story()))


def test_is_story__knows_a_story_from_other_datasets():
    assert is_story(story())
    assert not is_story(story().drop_vars("kind"))
    assert not is_story(cl.datasets.load("healthy"))


# ---- the figure


def test_steps__hands_all_over_such_that_the_browser_can_undo_it():
    told = story()
    scene = steps(told)
    packed = model(scene, "story") or scene.root.tags[0].args["data"]
    changes = packed.data["kind"][0].reshape(told.kind.shape)
    assert np.array_equal(np.bitwise_xor.accumulate(changes, axis=0), told.kind)
    numbers = packed.data["numbers"][0]
    assert numbers[:24].tolist() == told.used.values.ravel().tolist()
    assert numbers[48:].tolist() == told.asked.values.tolist()
    assert settings(scene)["texts"] == told.text.values.tolist()
    assert (scene.title, scene.note) == ("A story: <cells>", "12 steps")


def test_steps__escapes_names_in_its_heading():
    page = "".join(div.text for div in steps(story()).root.select({"type": Div}))
    assert "A story: &lt;cells&gt;" in page
    assert "<cells>" not in page


def test_steps__kinds_have_a_sign_besides_their_colour():
    signs = settings(steps(story()))["hatches"]
    assert len(set(signs)) == 3


def test_steps__lines_can_be_chosen_and_told_apart():
    scene = steps(story(rows=12))
    assert [label for _value, label in model(scene, "measure").options] == ["cells used, cells", "share, %", "bytes asked for, bytes"]  # fmt: skip
    looks = [(token, tuple(dash)) for token, dash in settings(scene)["looks"]]
    assert len(set(looks)) == 12


def test_steps__without_measures_has_no_lines():
    scene = steps(without(story(), "used", "share", "asked"))
    assert model(scene, "lines") is None
    assert model(scene, "measure") is None


def test_steps__begins_at_a_pace_to_read_by():
    assert int(model(steps(story()), "speed").value) == 20
    assert int(model(steps(story(steps=120)), "speed").value) == 160


def test_steps__all_text_is_readable():
    lines = model(steps(story()), "lines")
    for axis in (*lines.xaxis, *lines.yaxis):
        assert axis.major_label_text_font_size == "14px"


def test_steps__is_small_and_packs_the_same_bytes_twice():
    told = story(steps=498, rows=12, cells=1024)
    one, other = (pack(steps(told).root, "t") for _ in range(2))
    assert one == other
    assert len(one) < 1_000_000


def test_steps__refuses_a_theme_that_is_none():
    with pytest.raises(ValueError, match="theme: got 'blue'"):
        steps(story(), theme="blue")


# ---- as a file, in a notebook, as a film


def test_render__writes_the_page(tmp_path, capsys):
    path = cl.render(story(), tmp_path / "story.html")
    assert "<title>A story: &lt;cells&gt;</title>" in path.read_text(encoding="utf-8")
    assert "12 steps" in capsys.readouterr().out


def test_render__refuses_a_page_that_cannot_be_small_enough(tmp_path):
    with pytest.raises(ValueError, match=r"expected at most 1.000\. Allow more, or tell fewer steps"):
        cl.render(story(), tmp_path / "story.html", max_bytes=1000)


def test_show__gives_a_film_and_a_frame(monkeypatch):
    shown = []
    monkeypatch.setattr("compactlab.player.notebook.publish_display_data", lambda *args: shown.append(args))
    cl.show(story())
    (film, metadata), (frame,) = shown
    assert metadata["image/png"]["alt"] == film["text/plain"] == "A story: <cells>: 12 steps"
    assert frame["text/html"].startswith('<iframe title="A story: &lt;cells&gt;"')


def film_of(told, **options):
    image = Image.open(io.BytesIO(storyfilm(told, **options)))
    frames = []
    for k in range(image.n_frames):
        image.seek(k)
        frames.append(np.asarray(image.convert("RGB")))
    return frames


def test_storyfilm__shows_every_step_of_a_short_story():
    frames = film_of(story())
    assert len(frames) == 12
    assert frames[0].shape == (400, 960, 3)
    assert all((one != other).any() for one, other in pairwise(frames))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_storyfilm__shows_the_cells_in_their_colours(theme):
    told = without(story(), "mark")
    last = film_of(told, theme=theme)[-1][:318]
    for colour in story_of(told).colours[theme]:
        wanted = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
        assert (last == wanted).all(2).sum() > 200, colour


def test_storyfilm__thins_a_long_story_and_gives_the_same_bytes_twice():
    told = story(steps=300, rows=12, cells=1024)
    assert len(film_of(told)) == FRAMES
    assert storyfilm(told) == storyfilm(told)


def test_storyfilm__writes_labels_into_cells():
    told = story()
    plain = film_of(told)[0]
    told["label"] = told.kind.astype(str)
    assert (film_of(told)[0] != plain).any()


def test_storyfilm__knows_all_hatches_and_uneven_rows():
    told = story(kinds=[f"kind {k}" for k in range(8)])
    told["kind"][:] = np.arange(16) % 8
    told["kind"][:, 1, 4:] = NO_CELL
    told["span"] = ("row", [1, 4])
    assert len(film_of(told)) == 12


# ---- colours of the stories that are shipped


@pytest.mark.parametrize("theme", COLOURS)
@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize(
    "tokens",
    [buddies._COLOURS, pagemoves._COLOURS, pagemoves._COST_COLOURS, ("small2", "used", "scan_free", "migrate", "unmovable", "large0")],
    ids=["buddies", "one page", "costs", "usual kinds"],
)  # fmt: skip
def test_colours__of_kinds_differ_to_all_eyes(tokens, eyes, theme):
    for one, other in combinations(tokens, 2):
        assert distance(COLOURS[theme][one], COLOURS[theme][other], eyes) >= APART, (one, other)
