"""Colours, type and widget style of every figure, in a light and a dark theme.

Warm means free but too small for a huge page, blue means it can hold one. Colours follow Okabe and
Ito's palette, darkened where they carry text. Themes are switched in the browser: a drawing asks for
a token through :class:`Paint`, which notes who wears it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from bokeh.core.properties import value
from bokeh.models import Div, Model
from bokeh.plotting import figure

FONT = "'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', 'WenQuanYi Micro Hei', sans-serif"

THEMES: dict[str, dict[str, str]] = {
    "light": {
        "bg": "#ffffff", "panel": "#f4f5f7", "ink": "#1b1f24", "ink2": "#4d5661", "rule": "#d5d9de",
        "grid": "#e8ebee", "control": "#ffffff", "used": "#c3c9d0", "accent": "#0b5a94", "on_accent": "#ffffff",
        "ok": "#00704f", "warn": "#8a5a00", "bad": "#b03a00",
        "ok_bg": "#e3f4ee", "warn_bg": "#fdf3da", "bad_bg": "#fdeae0",
        "migrate": "#008560", "scan_free": "#a8447f", "huge": "#3b8fc9", "fallback": "#c2560a",
        "unmovable": "#1b1f24", "movable": "#8fb8a8", "reclaimable": "#a8447f", "highatomic": "#d98a2b",
        "cma": "#e9d58f", "isolate": "#6c7bb5", "other": "#858f9a", "hatch": "#ffffff",
        "untold": "#b4a596", "isolated": "#4b4bff",
        "side0": "#0b5a94", "side1": "#c2560a", "side2": "#00875f", "side3": "#9636e0", "side4": "#30363d", "side5": "#691e00",
    },
    "dark": {
        "bg": "#111111", "panel": "#212121", "ink": "#f2f2f2", "ink2": "#b8bec6", "rule": "#4a4f55",
        "grid": "#2b2e32", "control": "#2a2a2a", "used": "#5b636c", "accent": "#7cc0f0", "on_accent": "#0b1b28",
        "ok": "#4fd1a5", "warn": "#f0c04a", "bad": "#ff9a66",
        "ok_bg": "#10302a", "warn_bg": "#342a0e", "bad_bg": "#3a1d0f",
        "migrate": "#2dd2b4", "scan_free": "#c84bff", "huge": "#3b8fc9", "fallback": "#e07b28",
        "unmovable": "#f2f2f2", "movable": "#56806f", "reclaimable": "#b43c96", "highatomic": "#e0a04f",
        "cma": "#e9d58f", "isolate": "#8f9edb", "other": "#8f9aa6", "hatch": "#111111",
        "untold": "#877869", "isolated": "#9632c8",
        "side0": "#7cc0f0", "side1": "#f28c28", "side2": "#2fd3a0", "side3": "#b44bf0", "side4": "#d9dde2", "side5": "#a08060",
    },
}  # fmt: skip

RAMPS = {
    "light": ["#ffffff", "#efe3ef", "#dcc0da", "#c597c2", "#a96aa6", "#8a3f88", "#661b66"],
    "dark": ["#1b1b1b", "#33223a", "#4f2f57", "#713f78", "#98589c", "#b878b8", "#dba6d8"],
}
"""Stops of the one perceptually even ramp, for quantities from 0 to 1."""

SMALL = ("#a83e0c", "#e07b28", "#f5b45b", "#fbe2ad")
"""Blocks below the pageblock order, smallest first."""
LARGE = ("#5aa5d6", "#0f5c99")
"""Blocks of the pageblock order, and above."""


def ramp(theme: str, steps: int = 64) -> list[str]:
    """Colours between the stops of a theme's ramp."""
    stops = np.array([[int(stop[i : i + 2], 16) for i in (1, 3, 5)] for stop in RAMPS[theme]], float)
    at = np.linspace(0, len(stops) - 1, steps)
    mixed = np.stack(
        [np.interp(at, np.arange(len(stops)), stops[:, channel]) for channel in range(3)], axis=1
    )
    return ["#{:02x}{:02x}{:02x}".format(*rgb) for rgb in np.rint(mixed).astype(int)]


def order_groups(orders: Sequence[int], pageblock_order: int) -> list[tuple[int, int, str]]:
    """First order, last order and colour of each size group that the data has.

    Order 0 stands alone, the orders below the pageblock order form three even groups, then come the
    pageblock order and what is above.

    >>> [group[:2] for group in order_groups(range(11), 9)]
    [(0, 0), (1, 3), (4, 6), (7, 8), (9, 9), (10, 10)]
    >>> [group[:2] for group in order_groups(range(4), 9)]
    [(0, 0), (1, 1), (2, 2), (3, 3)]
    """
    top = max(orders)
    below = np.arange(1, min(pageblock_order, top + 1))
    groups = [(0, 0, SMALL[0])]
    groups += [
        (int(part[0]), int(part[-1]), colour)
        for part, colour in zip(np.array_split(below, 3), SMALL[1:], strict=True)
        if part.size
    ]
    if top >= pageblock_order:
        groups.append((pageblock_order, pageblock_order, LARGE[0]))
    if top > pageblock_order:
        groups.append((pageblock_order + 1, top, LARGE[1]))
    return groups


class Paint:
    """Hands out colours of a theme and remembers every place they went to.

    ``bindings`` lists (model, attribute, token) so that the browser can repaint them in another theme.
    """

    def __init__(self, theme: str) -> None:
        self.theme = theme
        self.bindings: list[tuple[Model, str, str]] = []

    def __call__(self, model: Model, **tokens: str) -> Any:
        """Give attributes of a model the colours of tokens; returns the model."""
        for attribute, token in tokens.items():
            setattr(model, attribute, THEMES[self.theme][token])
            self.bindings.append((model, attribute, token))
        return model

    def figure(self, **options: Any) -> figure:
        """Calm figure: no title, no toolbar, hairline grid, text of at least 14 px."""
        drawn = figure(
            toolbar_location=None, sizing_mode="stretch_both", outline_line_color=None, tools="",
            background_fill_color=None, border_fill_color=None, **options,  # the page shows through
        )  # fmt: skip
        drawn.title.visible = False
        for axis in (*drawn.xaxis, *drawn.yaxis):
            axis.major_label_text_font_size = "14px"
            axis.major_label_text_font = FONT
            axis.minor_tick_line_color = None
            self(axis, major_label_text_color="ink2", axis_line_color="rule", major_tick_line_color="rule")
        drawn.xgrid.grid_line_color = None
        self(drawn.ygrid[0], grid_line_color="grid")
        return drawn


def text_style(colour: str = "ink") -> dict[str, Any]:
    """Keywords of text glyphs in the one font and size."""
    return {"text_font": value(FONT), "text_font_size": "14px", "text_color": THEMES["light"][colour]}


# Style sheets are texts: a model of Bokeh would belong to one document only.
WIDGETS = f"""
:host {{ font-family: {FONT}; font-size: 15px; color: var(--cl-ink); }}
.bk-input, .bk-btn {{ font-family: {FONT}; font-size: 15px !important; line-height: 20px !important;
  height: 34px !important; min-height: 34px !important; padding: 5px 10px !important; border-radius: 6px !important;
  background-color: var(--cl-control) !important; color: var(--cl-ink) !important;
  border: 1px solid var(--cl-rule) !important; box-shadow: none !important; }}
select.bk-input {{ appearance: auto !important; background-image: none !important; color-scheme: var(--cl-scheme); }}
.bk-btn.bk-btn-primary {{ background-color: var(--cl-accent) !important; color: var(--cl-on_accent) !important;
  border-color: var(--cl-accent) !important; font-weight: 600; }}
.bk-btn:focus-visible, .bk-input:focus-visible, .noUi-handle:focus-visible {{
  outline: 3px solid var(--cl-accent) !important; outline-offset: 2px; }}
.noUi-target {{ background: var(--cl-grid) !important; border: 1px solid var(--cl-rule) !important;
  box-shadow: none !important; height: 8px !important; }}
.noUi-connect {{ background: var(--cl-ink2) !important; }}
.noUi-handle {{ width: 16px !important; height: 22px !important; right: -8px !important; top: -8px !important;
  border-radius: 5px !important; background: var(--cl-ink) !important; border: 0 !important; box-shadow: none !important; }}
.noUi-handle:before, .noUi-handle:after {{ display: none !important; }}
.bk-slider-title {{ display: none !important; }}
"""

_WORDS = f"""
:host {{ font-family: {FONT}; font-size: 14px; line-height: 17px; color: var(--cl-ink); overflow: hidden; }}
.bk-clearfix {{ width: 100%; height: 100%; }}
b {{ font-weight: 650; }}
h3 {{ margin: 0; font-size: 15px; font-weight: 650; line-height: 18px; }}
.m {{ color: var(--cl-ink2); }}
.n {{ font-variant-numeric: tabular-nums; }}
.r {{ display: flex; white-space: nowrap; }} .r > :last-child {{ margin-left: auto; padding-right: 14px; }}
.s {{ display: inline-block; width: 13px; height: 13px; margin-right: 7px; vertical-align: -1px; box-sizing: border-box;
  border: 1px solid var(--cl-rule); }}
.ruler {{ display: inline-block; width: 13px; border-top: 3px solid var(--cl-ink); margin-right: 7px; vertical-align: 4px; }}
button {{ all: unset; cursor: pointer; text-decoration: underline; color: var(--cl-accent); }}
button:focus-visible, select:focus-visible, [tabindex="0"]:focus-visible {{ outline: 3px solid var(--cl-accent); outline-offset: -3px; }}
[role=tablist] {{ display: flex; gap: 4px; border-bottom: 1px solid var(--cl-rule); height: 28px; }}
[role=tab] {{ padding: 0 12px; font-size: 15px; line-height: 26px; text-decoration: none; color: var(--cl-ink2); border-bottom: 3px solid transparent; box-sizing: border-box; height: 29px; }}
[role=tab][aria-selected=true] {{ color: var(--cl-ink); font-weight: 650; border-bottom-color: var(--cl-accent); }}
[role=tab]:hover {{ color: var(--cl-ink); }}
select, input {{ font: inherit; color: var(--cl-ink); background: var(--cl-control); border: 1px solid var(--cl-rule); border-radius: 6px; padding: 2px 6px; height: 28px; box-sizing: border-box; vertical-align: middle; color-scheme: var(--cl-scheme); }}
table {{ border-collapse: collapse; line-height: 22px; }} caption {{ text-align: left; font-size: 15px; font-weight: 650; padding-bottom: 4px; }}
th, td {{ text-align: right; padding: 0 14px 0 0; white-space: nowrap; font-weight: inherit; border-bottom: 1px solid var(--cl-rule); }}
th:first-child {{ text-align: left; }} thead th {{ position: sticky; top: 0; background: var(--cl-bg); color: var(--cl-ink2); }}
"""


def words(html: str = "", **layout: Any) -> Div:
    """A block of text that wears the theme."""
    return Div(text=html, stylesheets=[_WORDS], disable_math=True, margin=(0, 0, 0, 0), **layout)
