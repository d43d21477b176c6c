"""A quiz as one page, without a kernel and a network, and the script and style that it shares with the widget."""

from __future__ import annotations

import html
import json
from importlib.resources import files
from string import Template
from typing import Any

from ...figures.look import FONT, THEMES
from ...player.pack import Theme
from ...texts import _

_FOLDER = files("compactlab.teaching.quiz")
_PAGE = Template(_FOLDER.joinpath("page.html").read_text("utf-8"))
_LAYOUT = _FOLDER.joinpath("quiz.css").read_text("utf-8")
SCRIPT = "\n".join(_FOLDER.joinpath(name).read_text("utf-8") for name in ("judging.js", "quiz.js"))
"""Draws a quiz: ``drawQuiz(host, sheet, answers, changed)``."""


def page(sheet: dict[str, Any], title: str, theme: Theme) -> str:
    """Make a page of what `sheet` laid out."""
    return _PAGE.substitute(
        lang=html.escape(sheet["language"]),
        title=html.escape(title),
        scheme={"auto": "light dark"}.get(theme, theme),
        style=style(theme),
        noscript=html.escape(_("This page is a quiz: it needs JavaScript, which is switched off here.")),
        data=json.dumps(sheet, ensure_ascii=False).replace("<", "\\u003c"),
        script=SCRIPT,
    )


def style(theme: Theme) -> str:
    """Layout and colours; where nothing is said, the page around decides, or the reader's system."""

    def colours(name: str) -> str:
        tokens = "".join(f"--cl-{token}: {value}; " for token, value in THEMES[name].items())
        return f"{{ {tokens}--cl-scheme: {name}; --cl-font: {FONT}; }}"

    page = (
        ".cl-unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }"
    )
    plain = f".cl-quiz {colours('dark' if theme == 'dark' else 'light')}"
    if theme != "auto":
        return "\n".join([page, plain, _LAYOUT])
    jupyter = f"body[data-jp-theme-light='false'] .cl-quiz {colours('dark')}"
    system = f"@media (prefers-color-scheme: dark) {{ body:not([data-jp-theme-light]) .cl-quiz {colours('dark')} }}"
    return "\n".join([page, plain, jupyter, system, _LAYOUT])
