"""How tasks and outcomes look, in a notebook and in a terminal."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill, indent

from ..figures.look import FONT, THEMES
from ..texts import N_, _

_MARKS = {"ok": "✓", "bad": "✕", "warn": "!", "accent": "…"}
_LEVEL = {
    "right": "ok",
    "wrong_value": "bad",
    "out_of_range": "warn",
    "wrong_type": "warn",
    "wrong_unit": "warn",
    "nonsense": "warn",
    "not_answered": "accent",
}
HEADINGS = {
    "right": N_("Right."),
    "wrong_value": N_("Not right."),
    "out_of_range": N_("That cannot be."),
    "wrong_type": N_("That is no answer of the kind asked for."),
    "wrong_unit": N_("Mind the unit."),
    "nonsense": N_("That cannot be judged."),
    "not_answered": N_("Not answered yet."),
}
"""What is said first of an answer of each kind."""
KINDS = tuple(_LEVEL)
"""What an answer can be found to be."""
_WIDTH = 96


def _style() -> str:
    """Colours of both themes; without it (where styles are stripped) the text stands as any other."""
    rules = []
    for theme, scope in (("light", ""), ("dark", '[data-jp-theme-light="false"] ')):
        tokens = THEMES[theme]
        for level in _MARKS:
            background = tokens.get(f"{level}_bg", tokens["panel"])
            rules.append(
                f"{scope}.cl-told.cl-{level}{{border-color:{tokens[level]};background:{background};color:{tokens['ink']}}}"
            )
            rules.append(f"{scope}.cl-told.cl-{level} .cl-mark{{color:{tokens[level]}}}")
        rules.append(
            f"{scope}.cl-told pre,{scope}.cl-told code{{color:{tokens['ink']};background:none!important}}"
        )
    layout = (
        f".cl-told{{border-left:6px solid;padding:8px 14px;max-width:62em;font:15px/1.5 {FONT};border-radius:3px}}"
        ".cl-told p{margin:0 0 4px}.cl-told pre{margin:4px 0;font-size:14px;white-space:pre-wrap}"
        ".cl-told .cl-mark{font-weight:bold}.cl-told details{margin:2px 0}.cl-told summary{cursor:pointer}"
    )
    return f"<style>{layout}{''.join(rules)}</style>"


def _inline(text: str) -> str:
    """Escaped, with code between backticks."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))


def _box(level: str, parts: Sequence[str]) -> str:
    return f'{_style()}<div class="cl-told cl-{level}" role="status">{"".join(parts)}</div>'


def _lines(first: str, *others: str) -> str:
    return "\n".join(fill(text, _WIDTH, subsequent_indent="  ") for text in (first, *others) if text)


@dataclass(frozen=True)
class Outcome:
    """What became of an answer. It shows itself; `right` and `kind` are for programs."""

    name: str
    """Of the exercise."""
    right: bool | None
    """None: nothing that could be judged was answered."""
    kind: str
    """right, wrong_value, wrong_type, wrong_unit, out_of_range, nonsense or not_answered."""
    text: str
    """What the model says, or why nothing can be said; the task where nothing was answered."""
    asked: str = ""
    """What kind of answer is asked for, where it was another."""
    hint: str = ""
    """The next hint, if there is one to give."""
    code: str = ""
    """How to see it for oneself."""

    def __bool__(self) -> bool:
        return self.right is True

    @property
    def heading(self) -> str:
        """The outcome in a word or two."""
        return _(HEADINGS[self.kind])

    def __repr__(self) -> str:
        mark = _MARKS[_LEVEL[self.kind]]
        hint = _("Hint: {hint}").format(hint=self.hint) if self.hint else ""
        asked = _("Asked for: {asked}").format(asked=self.asked) if self.asked else ""
        told = _lines(f"{mark} {self.heading} {self.text}".strip(), asked, hint)
        if not self.code:
            return told
        return "\n".join([told, _("See for yourself:"), indent(self.code, "    ")])

    def _repr_html_(self) -> str:
        level = _LEVEL[self.kind]
        parts = [
            f'<p><span class="cl-mark">{_MARKS[level]} {html.escape(self.heading)}</span> {_inline(self.text)}</p>'
        ]
        if self.asked:
            asked = _("Asked for: {asked}").format(asked=self.asked)
            parts.append(f"<p>{_inline(asked)}</p>")
        if self.hint:
            hint = _("Hint: {hint}").format(hint=self.hint)
            parts.append(f"<p>{_inline(hint)}</p>")
        if self.code:
            head = html.escape(_("See for yourself:"))
            parts.append(f"<p>{head}</p><pre>{html.escape(self.code)}</pre>")
        return _box(level, parts)


@dataclass(frozen=True)
class Task:
    """What an exercise asks. It shows itself, with its hints folded up."""

    name: str
    """Of the exercise."""
    notebook: str
    """Notebook it stands in, without `.ipynb`."""
    task: str
    """What to do, translated."""
    asked: str
    """What kind of answer is asked for, translated."""
    hints: tuple[str, ...]
    """One after the other, translated."""

    def __repr__(self) -> str:
        how = f'cl.teaching.check("{self.name}", ...)'
        answer = _("Answer with {call}; in place of the dots: {asked}").format(call=how, asked=self.asked)
        more = _("{count} hints: hint=1, hint=2 ... in that call.").format(count=len(self.hints))
        return _lines(f"? {self.task}", answer, more)

    def _repr_html_(self) -> str:
        how = f'`cl.teaching.check("{self.name}", ...)`'
        answer = _("Answer with {call}; in place of the dots: {asked}").format(call=how, asked=self.asked)
        parts = [
            f'<p><span class="cl-mark">?</span> {_inline(self.task)}</p>',
            f"<p>{_inline(answer)}</p>",
        ]
        for number, hint in enumerate(self.hints, 1):
            summary = html.escape(_("Hint {number}").format(number=number))
            parts.append(f"<details><summary>{summary}</summary>{_inline(hint)}</details>")
        return _box("accent", parts)


class Listing(list[Task]):
    """Tasks that print as a table, in a terminal and in a notebook."""

    def __repr__(self) -> str:
        width = max((len(task.name) for task in self), default=0)
        return "\n".join(f"{task.name:{width}}  {task.notebook}" for task in self)

    def _repr_html_(self) -> str:
        left = "style='text-align:left'"
        rows = "".join(
            f"<tr><td {left}><code>{html.escape(task.name)}</code></td><td {left}>{html.escape(task.notebook)}</td>"
            f"<td {left}>{_inline(task.asked)}</td></tr>"
            for task in self
        )
        heads = "".join(f"<th {left}>{html.escape(_(head))}</th>" for head in _COLUMNS)
        return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


_COLUMNS = (N_("exercise"), N_("notebook"), N_("answer"))
