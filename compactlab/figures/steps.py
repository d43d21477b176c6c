"""Anything that is told step by step: rows of cells, the sentence of the step, and its numbers as lines and table."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import xarray as xr
from bokeh.document import Document
from bokeh.events import DocumentReady
from bokeh.layouts import column, row
from bokeh.models import (
    BoxAnnotation,
    Button,
    ColumnDataSource,
    CustomJS,
    CustomJSTickFormatter,
    FixedTicker,
    GridBox,
    LayoutDOM,
    Range1d,
    Select,
    Slider,
    Toggle,
)
from bokeh.plotting import figure

from ..texts import N_, _, count, translated
from .explorer import Scene
from .look import THEMES, WIDGETS, Paint, words
from .story import NO_CELL, Measure, Story, story_of
from .view import script

BORDER = 78  # left of the lines, room for their values, in pixels
GUTTER = 236  # left of that, room for words
SPEEDS = (5, 10, 20, 40, 80, 160)
PACE = 1.3  # seconds a step to begin with: a sentence is read meanwhile
HATCHES = ("", "/", ".", "\\", "-", "x", "|", "o")
"""How kinds are told apart without colour, in the order of the kinds."""
LINES = ("side0", "side1", "side2", "side3", "side4", "side5")
DASHES: tuple[list[int], ...] = ([], [9, 4], [2, 3])
_WORDS = (
    N_("Play"), N_("Pause"), N_("Speed"), N_("Step back"), N_("Step on"), N_("Step"), N_("Measure"), N_("step {step} of {steps}"), N_("cell"),
    N_("one cell is {what}"), N_("looked at now"), N_("changed in this step"), N_("Cells and numbers of this step"), N_("row"), N_("cells"),
)  # fmt: skip
_NUMBER = r"""
const size = Math.abs(Number(tick.toPrecision(9)));
return (tick < 0 ? '−' : '') + (size < 1000 ? size : String(Math.round(size)).replace(/\B(?=(\d{3})+$)/g, '\u00a0'));
"""
"""A value of an axis, written as other numbers are."""
_BOARD = """
:host { overflow: hidden; } .bk-clearfix { position: relative; }
table { height: 100%; width: 100%; line-height: 18px; } td, th { padding: 0 0 0 14px; border: 0; }
thead th { position: static; white-space: normal; vertical-align: bottom; background: none; height: 1px; padding-bottom: 3px; min-width: 84px; max-width: 132px; }
tbody th, th:first-child { padding: 0 12px 0 0; max-width: 210px; overflow: hidden; text-overflow: ellipsis; }
td.strip { width: 100%; padding: 0; position: relative; } td.strip canvas { position: absolute; left: 0; top: 0; }
.tip { position: absolute; z-index: 9; padding: 4px 9px; border-radius: 5px; background: var(--cl-panel); border: 1px solid var(--cl-rule);
  pointer-events: none; white-space: nowrap; display: none; }
"""


def steps(told: xr.Dataset, *, theme: str = "auto") -> Scene:
    """Draw a told story: one strip of cells a row, played step by step, and its measures as lines.

    Parameters
    ----------
    told
        A story, as described in `compactlab.figures.story`.
    theme
        "light", "dark", or "auto": as the page around it.

    Raises
    ------
    ValueError
        If there is no such theme, or the story lacks something.
    """
    if theme not in ("auto", *THEMES):
        raise ValueError(f"theme: got {theme!r}, expected 'auto', 'light' or 'dark'")
    story = story_of(told)
    paint = Paint("dark" if theme == "dark" else "light")
    controls = _controls(story)
    blocks = {
        "verdict": words(sizing_mode="stretch_width", height=54, name="sentence"),
        "board": words(sizing_mode="stretch_both", name="board"),
        "key": words(sizing_mode="stretch_width", name="key"),
        "facts": words(sizing_mode="stretch_both", name="facts"),
    }
    blocks["board"].stylesheets = [*blocks["board"].stylesheets, _BOARD]
    lines = _lines(paint, story) if story.measures else None
    root = _page(story, controls, blocks, None if lines is None else lines["figure"])
    arguments = {
        **controls, **blocks, "root": root, "lines": lines, "settings": _settings(story, theme), "data": _packed(story),
        "bindings": [list(binding) for binding in paint.bindings],
    }  # fmt: skip
    code = "\n".join(script(name) for name in ("format.js", "theme.js", "play.js", "steps.js"))
    start = CustomJS(args=arguments, code=code)
    root.tags = [start]
    document = Document(title=f"{story.title} · compactlab")
    document.add_root(root)
    document.js_on_event(DocumentReady, start)
    note = _("{count} steps").format(count=count(story.steps))
    return Scene(root, story.title, note, lambda message: [])  # noqa: ARG005


def _settings(story: Story, theme: str) -> dict[str, Any]:
    """Plain values the script needs."""
    return {
        "theme": theme, "themes": THEMES, "words": translated(_WORDS), "kinds": story.kinds, "colours": story.colours,
        "hatches": [HATCHES[k % len(HATCHES)] for k in range(len(story.kinds))], "shape": list(story.kind.shape), "rows": story.rows,
        "span": story.span.tolist(), "width": story.width, "texts": story.texts, "levels": story.levels, "no_cell": NO_CELL,
        "cell_label": story.cell_label, "labels": story.names, "marked": bool((story.mark >= 0).any()),
        "measures": [
            {"title": measure.title, "units": measure.units, "by_row": measure.by_row, "whole": measure.whole, "label": _label(measure)}
            for measure in story.measures
        ],
        "looks": [list(_look(k)) for k in range(len(story.rows))],
    }  # fmt: skip


def _look(row: int) -> tuple[str, list[int]]:
    """Colour and dash of a row's line."""
    return LINES[row % len(LINES)], DASHES[row // len(LINES) % len(DASHES)]


def _label(measure: Measure) -> str:
    return f"{measure.title}, {measure.units}" if measure.units else measure.title


def _packed(story: Story) -> ColumnDataSource:
    """What is large: kinds as what changes from step to step, which packs well, marks, labels, numbers."""
    columns: dict[str, list[np.ndarray]] = {"kind": [_changes(story.kind)], "mark": [story.mark.ravel()]}
    if story.label is not None:
        columns["label"] = [_changes(story.label)]
    numbers = [measure.values.ravel() for measure in story.measures]
    columns["numbers"] = [np.concatenate(numbers) if numbers else np.zeros(0)]
    return ColumnDataSource(columns, name="story")


def _changes(values: np.ndarray) -> np.ndarray:
    """First step, then the bits that flip from step to step, flattened."""
    return np.concatenate([values[:1], values[1:] ^ values[:-1]]).ravel()


def _lines(paint: Paint, story: Story) -> dict[str, Any]:
    """The chosen measure over all steps: a line for each row, and the step that is shown as a band."""
    y_range = Range1d(0, 1)
    drawn = paint.figure(
        x_range=Range1d(0, story.steps), y_range=y_range, min_border_left=BORDER, min_border_right=12, min_border_top=8,
        min_border_bottom=28, min_height=120, name="lines",
    )  # fmt: skip
    band = BoxAnnotation(left=0, right=1, fill_alpha=0.25, line_width=1.5, level="underlay", name="step band")
    drawn.add_layout(paint(band, fill_color="other", line_color="ink"))
    sources = []
    for k in range(len(story.rows)):
        token, dash = _look(k)
        source = ColumnDataSource({"x": [0.0, 0.0], "y": [0.0, 0.0]}, name=f"line {k}")
        step = drawn.step("x", "y", source=source, mode="after", line_width=2.5, line_dash=dash)
        paint(step.glyph, line_color=token)
        sources.append(source)
    ticks = _ticks(story.steps)
    drawn.xaxis.ticker = FixedTicker(ticks=[tick - 0.5 for tick in ticks])
    drawn.xaxis.major_label_overrides = {tick - 0.5: str(tick) for tick in ticks}
    drawn.yaxis.ticker.desired_num_ticks = 4
    drawn.yaxis[0].formatter = CustomJSTickFormatter(code=_NUMBER)
    return {"figure": drawn, "band": band, "sources": sources, "y_range": y_range}


def _ticks(steps: int) -> list[int]:
    """Steps that are named on the axis: few enough, and round.

    >>> _ticks(5), _ticks(48)
    ([1, 2, 3, 4, 5], [1, 5, 10, 15, 20, 25, 30, 35, 40, 45])
    """
    every = next(e for e in (1, 2, 5, 10, 20, 25, 50, 100, 250, 500, 1000, 10**9) if steps / e <= 16)
    return sorted({1, *range(every, steps + 1, every)})


def _controls(story: Story) -> dict[str, Any]:
    look: dict[str, Any] = {"stylesheets": [WIDGETS], "margin": (0, 4, 0, 0)}
    wished = PACE * story.steps
    speed = min(SPEEDS, key=lambda seconds: abs(np.log(seconds / wished)))
    speeds = [(str(seconds), _("in {seconds} s").format(seconds=seconds)) for seconds in reversed(SPEEDS)]
    measures = [(str(k), _label(measure)) for k, measure in enumerate(story.measures)]
    return {
        "measure": Select(value="0", options=measures, visible=len(measures) > 1, name="measure", width=GUTTER - 20, **look) if measures else None,
        "play": Toggle(label="▶ " + _("Play"), button_type="primary", width=96, name="play", **look),
        "back": Button(label="◀|", width=42, name="back", **look),
        "forward": Button(label="|▶", width=42, name="forward", **look),
        "speed": Select(value=str(speed), options=speeds, width=104, name="speed", **look),
        "slider": Slider(
            start=0, end=story.steps, value=0, step=1, show_value=False, tooltips=False, title=_("Step"), name="frame", height=30,
            sizing_mode="stretch_width", stylesheets=[WIDGETS], margin=(0, 0, 0, 0),
        ),
    }  # fmt: skip


def _page(story: Story, controls: dict[str, Any], blocks: dict[str, Any], lines: figure | None) -> LayoutDOM:
    heading = (
        '<div style="line-height:34px;white-space:nowrap;overflow:hidden;text-overflow:ellipsis">'
        f'<span role="heading" aria-level="2" style="font-size:22px;font-weight:650">{html.escape(story.title)}</span></div>'
    )
    buttons = row(
        *(controls[name] for name in ("play", "back", "forward", "speed")), width=GUTTER + BORDER, margin=0
    )
    slide = column(controls["slider"], sizing_mode="stretch_width", margin=(9, 12, 0, 0))
    parts = [
        words(heading, sizing_mode="stretch_width", height=36),
        blocks["verdict"],
        _middle(story, controls["measure"], blocks, lines),
        row(buttons, slide, sizing_mode="stretch_width", height=36, margin=(4, 0, 0, 0)),
    ]
    return column(
        *parts, sizing_mode="stretch_both", min_height=480, name="compactlab",
        styles={"padding": "6px 18px", "box-sizing": "border-box", "background": "var(--cl-bg)"},
    )  # fmt: skip


def _middle(story: Story, measure: Select | None, blocks: dict[str, Any], lines: figure | None) -> LayoutDOM:
    """Strips and their key; lines below them, which get the more room the fewer rows there are."""
    cells: list[Any] = [(blocks["board"], 0, 0, 1, 2), (blocks["key"], 1, 0, 1, 2)]
    tracks = ["minmax(0,1fr)", "auto"]
    if lines is not None:
        left = column(
            *([measure] if measure else []), blocks["facts"], sizing_mode="stretch_both", margin=(6, 0, 0, 0)
        )
        cells += [(left, 2, 0), (lines, 2, 1)]
        wanted = min(350, 40 + 50 * len(story.rows))  # of the strips, where 550 pixels are to be had
        tracks = [f"minmax(0,{wanted}fr)", "auto", f"minmax(150px,{526 - wanted}fr)"]
    return GridBox(
        children=cells, rows=tracks, cols=[f"{GUTTER}px", "minmax(0,1fr)"], sizing_mode="stretch_both", spacing=(2, 0)
    )  # fmt: skip
