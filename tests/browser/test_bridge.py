"""The bridge in a real JupyterLab in real Chromium."""

from __future__ import annotations

import pytest
from harness import KERNEL_IDLE, Eyes, assert_clean

SCENE = """
import numpy as np
from bokeh.layouts import column
from bokeh.models import ColumnDataSource, CustomJS, Slider, Button
from bokeh.plotting import figure
from compactlab.dashboards.bridge import BokehBridge

source = ColumnDataSource({"x": np.arange(50), "y": np.zeros(50)}, name="line")
plot = figure(height=300, sizing_mode="stretch_width", y_range=(-1, 600), name="plot")
plot.line("x", "y", source=source)
frame = Slider(start=0, end=500, value=0, name="frame", sizing_mode="stretch_width")
marker = plot.scatter([0], [0], size=10, name="marker")
move = CustomJS(args={"marker": marker.data_source}, code="marker.data = {x: [cb_obj.value], y: [0]}")
frame.js_on_change("value", move)
button = Button(label="Ask", name="ask")
ask = CustomJS(args={"frame": frame}, code="frame.document.compactlab_send?.({ask: frame.value})")
button.js_on_click(ask)
heard = []

def answer(message):
    heard.append(message)
    if message.get("ask") == 13:
        raise LookupError("there is no page 13 in this zone")
    bridge.push([{"id": frame.id, "set": {"title": f"heard {message['ask']}"}}])

bridge = BokehBridge(column(frame, button, plot, sizing_mode="stretch_width"), answer)

def step(n):
    bridge.push([{"id": source.id, "data": {"y": np.full(50, n)}}, {"id": frame.id, "set": {"value": n}}])
"""

BROKEN = """
class Broken(BokehBridge):
    _esm = BokehBridge._esm.replace("Document.from_json", "Document.no_such")

Broken(frame.document.roots[0])
"""


@pytest.fixture
def opened(lab, page):
    """The scene in one output: (page, eyes)."""
    lab.write("bridge.ipynb", SCENE, "bridge")
    eyes = lab.open(page, "bridge.ipynb")
    eyes.wait("eyes.documents().length === 1 && eyes.views().length > 3")
    return page, eyes


def test_bridge__moves_in_the_browser_alone(opened):
    _, eyes = opened
    eyes("(eyes.model('frame').value = 7, 0)")
    assert eyes("eyes.all('.bk-Figure').length") == 1
    moved = (
        "Array.from([...eyes.model('plot').renderers].find((r) => r.name === 'marker').data_source.data.x)"
    )
    assert eyes(moved) == [7]


def test_push__data_and_attributes_reach_the_page(opened, lab):
    page, eyes = opened
    lab.run_code(page, "step(42)")
    eyes.wait("eyes.model('frame').value === 42")
    assert eyes.column("line", "y") == [42] * 50
    assert eyes.column("line", "x") == list(range(50))


def test_push__a_burst_ends_in_the_newest_state(opened, lab, artefact):
    page, eyes = opened
    lab.run_code(page, "for n in range(1, 501): step(n)")
    eyes.wait("eyes.model('line').data.y[0] === 500 && eyes.model('frame').value === 500")
    assert eyes.column("line", "y") == [500] * 50
    # Every view has said that it drew what it got: nothing is left under way.
    lab.run_code(page, "assert [view.sent for view in bridge._views.values()] == [{}]")
    artefact(page, "bridge_after_burst")


def test_push__from_a_thread_paints_as_it_goes(opened, lab):
    page, eyes = opened
    lab.run_code(page, "import threading, time")
    eyes("eyes.count_paints()")
    lab.run_code(
        page,
        "def run():\n    for n in range(400):\n        step(n); time.sleep(0.01)\n"
        "thread = threading.Thread(target=run); thread.start()",
    )
    seen = eyes("eyes.sample(\"eyes.model('frame').value\", 3)")
    values = [value for _, value in seen]
    distinct = sorted(set(values))
    assert values == sorted(values), "time went backwards"
    assert len(distinct) > 20
    paints = len(eyes("eyes.paints"))
    print(f"bridge: {len(distinct) / 3:.0f} states and {paints / 3:.0f} paints a second")
    eyes.wait("eyes.model('frame').value === 399")


def test_bridge__present_state_after_reload(opened, lab):
    page, _ = opened
    lab.run_code(page, "step(123)")
    page.evaluate("async () => { await window.jupyterapp.commands.execute('docmanager:save'); }")
    page.reload(wait_until="domcontentloaded")
    eyes = Eyes(page)
    eyes.wait("eyes.documents().length === 1 && eyes.model('frame').value === 123", 60)
    assert eyes.column("line", "y") == [123] * 50
    page.wait_for_function(KERNEL_IDLE)
    lab.run_code(page, "step(124)")
    eyes.wait("eyes.model('frame').value === 124")


def test_bridge__two_views_and_one_closed(lab, page):
    lab.write("views.ipynb", SCENE, "bridge", "bridge")
    eyes = lab.open(page, "views.ipynb")
    eyes.wait("eyes.documents().length === 2")
    lab.run_code(page, "step(5)")
    for index in (0, 1):
        eyes.wait("eyes.model('frame', given).value === 5", argument=index)
    page.evaluate(
        "() => { const nb = window.jupyterapp.shell.currentWidget.content;"
        " nb.model.sharedModel.getCell(2).setOutputs([]); }"
    )
    eyes.wait("eyes.documents().length === 1")
    lab.run_code(page, "step(6)")
    eyes.wait("eyes.model('frame').value === 6")
    lab.run_code(page, "assert len(bridge._views) == 1, bridge._views")


def test_message__goes_to_python_and_back(opened):
    _, eyes = opened
    eyes("(eyes.model('frame').value = 21, eyes.all('.bk-Button button, .bk-btn')[0].click(), 0)")
    eyes.wait("eyes.model('frame').title === 'heard 21'")


def test_message__error_is_told_in_words_and_goes(opened, artefact):
    page, eyes = opened
    press = "eyes.all('.bk-btn')[0].click()"
    eyes(f"(eyes.model('frame').value = 13, {press}, 0)")
    eyes.wait("eyes.all('.compactlab-error:not([hidden])').length === 1")
    [told] = eyes.texts(".compactlab-error")
    assert "LookupError: there is no page 13 in this zone" in told
    assert "run the cell again" in told
    artefact(page, "bridge_error")
    eyes(f"(eyes.model('frame').value = 14, {press}, 0)")
    eyes.wait("eyes.all('.compactlab-error:not([hidden])').length === 0")


def test_bridge__broken_script_is_told_in_words(lab, new_page):
    page = new_page()
    lab.write("broken.ipynb", SCENE, BROKEN)
    eyes = lab.open(page, "broken.ipynb")
    eyes.wait("eyes.all('.compactlab-error:not([hidden])').length === 1")
    assert "run the cell again" in eyes.texts(".compactlab-error")[0]
    with pytest.raises(AssertionError, match="no_such"):
        assert_clean(page)
