"""One Bokeh scene as one HTML page that needs no network, no kernel and no other file."""

from __future__ import annotations

import html
import json
from base64 import b64encode
from importlib.resources import files
from string import Template
from typing import Literal

from bokeh.models import LayoutDOM

from ..figures.look import THEMES
from ..texts import _, language
from .archive import READER, archive, bokehjs, document_of

Theme = Literal["auto", "light", "dark"]

_FOLDER = files("compactlab.player")
_PAGE = Template(_FOLDER.joinpath("page.html").read_text("utf-8"))
_BOOT = Template(_FOLDER.joinpath("boot.js").read_text("utf-8"))


def pack(root: LayoutDOM, title: str, *, theme: Theme = "auto") -> str:
    """Pack a scene into a page that plays anywhere, offline too.

    BokehJS and the document lie in the page zlib-compressed, in base64, and the browser inflates
    them (``DecompressionStream``). The page forbids itself every connection. Equal scenes give
    equal pages, byte for byte.

    Parameters
    ----------
    root
        The only root of its Bokeh document. A root that stretches fills the window.
    title
        Plain text; the page's title.
    theme
        Colours of the page while it loads; ``auto`` follows the reader's system.

    Examples
    --------
    >>> from bokeh.models import Div
    >>> pack(Div(text="hello"), "a < b").count("<title>a &lt; b</title>")
    1
    """
    return _PAGE.substitute(
        lang=language(),
        title=html.escape(title),
        scheme={"auto": "light dark"}.get(theme, theme),
        style=_page_style(theme),
        loading=html.escape(_("Loading the animation …")),
        noscript=html.escape(
            _("This page is an animation: it needs JavaScript, which is switched off here.")
        ),
        bokehjs=b64encode(bokehjs()).decode(),
        archive=b64encode(archive(document_of(root), stable=True)).decode(),
        script=READER + _BOOT.substitute(words=_in_script(_words())),
    )


def _words() -> dict[str, str]:
    return {
        "failed": _(
            "This animation could not be started. Try a current Firefox, Chrome, Edge or Safari; "
            "if the file was sent or copied, it may be cut short: get it again."
        ),
        "old_browser": _("The browser lacks DecompressionStream."),
    }


def _in_script(words: dict[str, str]) -> str:
    return json.dumps(words).replace("<", "\\u003c")


def _page_style(theme: Theme) -> str:
    """Background and ink set before any script runs: no white flash in the dark."""
    light, dark = (
        f"html {{ background: {THEMES[name]['bg']}; color: {THEMES[name]['ink']}; }}"
        for name in ("light", "dark")
    )
    if theme == "auto":
        return f"{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}"
    return {"light": light, "dark": dark}[theme]
