"""Compare as a widget, as a file and as notebook output; without a browser."""

import io

import numpy as np
import pytest
from bokeh.models import Select
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from PIL import Image
from test_figures_compare import BLOCKS, still

import compactlab as cl
from compactlab import schema, texts
from compactlab.figures.look import THEMES
from compactlab.metrics.comparison import sides_of
from compactlab.player.beside import beside


def model(widget, name):
    return next(m for m in widget.bridge._document.models if m.name == name)


def test_compare__shows_the_sides_and_answers_in_a_thread(monkeypatch):
    widget = cl.Compare(still(), still([BLOCKS[2]] * 3), names=["a", "b"], order=0, height=640)
    assert (widget.title, widget.note) == ("a · b", "a: 1 run, b: 1 run")
    assert widget.bridge._document.roots[0].min_height == 640
    monkeypatch.setattr("threading.Thread.start", lambda thread: thread.run())
    widget._hear({"type": "numbers", "zone": "0/Normal", "order": 1})
    assert "order 1 (8 KiB)" in model(widget, "numbers sheet").text.replace(texts.NO_BREAK, " ")
    assert "mean unusable index 0.000 instead of 0.750" in model(widget, "told").data["text"][0]
    widget._hear({"type": "numbers", "zone": "0/Nowhere", "order": 1})
    assert "zone: found '0/Nowhere'" in widget.bridge.error
    assert "Try again" in widget.bridge.error


def test_compare__refuses_unknown_options_with_advice():
    with pytest.raises(TypeError, match=r"Compare\(\) has no option 'colour'; it has sides, names"):
        cl.Compare(still(), still(), colour="red")
    with pytest.raises(TypeError, match=r"did you mean 'names'\?"):
        cl.Compare(still(), still(), name=["a", "b"])


def test_render__several_runs_in_one_file(tmp_path, capsys):
    runs = [still(name="a"), [still(name="b"), still(BLOCKS[::-1], name="b")]]
    path = cl.render(runs, tmp_path / "compare.html", order=1)
    told = capsys.readouterr().out.replace(texts.NO_BREAK, " ")
    assert told.startswith(f"{path}: ")
    assert "MB\na: 1 run, b: 2 runs" in told
    assert "<title>a · b</title>" in path.read_text()
    cl.render({"left": runs[0], "right": runs[1]}, path)
    assert "<title>left · right</title>" in path.read_text()
    with pytest.raises(ValueError, match="found 1 side"):
        cl.render([still()], path)
    with pytest.raises(ValueError, match="max_bytes: found a page"):
        cl.render(runs, path, max_bytes=100_000)


def test_show__several_runs_in_a_frame():
    InteractiveShell.instance()
    with capture_output() as captured:
        cl.show([still(name="a"), still(name="b")], height=500)
    film, output = captured.outputs
    assert film.metadata["image/png"]["alt"] == "a · b: a: 1 run, b: 1 run"
    assert 'title="a · b"' in output.data["text/html"]
    assert "height: 500px" in output.data["text/html"]


def test_beside__moves_a_cursor_over_lines_and_says_what_differs():
    sides = sides_of(still(name="a"), [still(BLOCKS[::-1], name="b")] * 2)
    film = beside(sides, order=1)
    assert film == beside(sides, order=1)
    picture = Image.open(io.BytesIO(film))
    assert (picture.size, picture.n_frames) == ((960, 400), 40)
    colours = THEMES["light"]
    seen = []
    for frame in (0, 39):
        picture.seek(frame)
        pixels = np.array(picture.convert("RGB"))
        for token in ("side0", "side1", "warn"):
            assert (pixels == _rgb(colours[token])).all(-1).any(), token
        seen.append(np.flatnonzero((pixels[100:280] == _rgb(colours["ink"])).all(-1).all(0))[0])
    assert seen[0] < 100
    assert seen[1] > 900
    with pytest.raises(ValueError, match="found no free lists"):
        beside(sides_of(schema.new_run({}), schema.new_run({})))


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[start : start + 2], 16) for start in (1, 3, 5))


def test_render__opens_on_zone_and_order():
    run = still([[[4, 0], [1, 1]]] * 3, names=("DMA", "Normal"))
    widget = cl.Compare(run, run, names=["a", "b"], zone="DMA", order=0)
    chosen = {m.name: m.value for m in widget.bridge._document.models if isinstance(m, Select)}
    assert (chosen["zone"], chosen["order"]) == ("0", "0")
