"""A run as notebook output that plays on any page the notebook is shown on, without a kernel."""

from __future__ import annotations

import html
from base64 import b64encode
from collections.abc import Mapping

import xarray as xr
from IPython.display import publish_display_data

from ..figures.aligned import zones_of
from ..figures.story import is_story
from ..metrics.comparison import sides_of
from .beside import beside
from .letters import drawable, is_drawable
from .pack import Theme
from .poster import poster
from .report import Paged, Shown, page_of
from .storyfilm import storyfilm


def show(
    run: Shown | Paged,
    *,
    theme: Theme = "auto",
    zone: str | None = None,
    order: int | None = None,
    height: int = 720,
    max_bytes: int = 3_000_000,
) -> None:
    """Show runs, a score or a story in a notebook such that the figure still works when nobody runs the notebook.

    Two outputs: an animated picture of the runs, which is shown even where scripts are stripped, and the
    Explorer, the runs side by side, or the figure of a score or a story, in a frame of its own. JupyterLab shows
    the second one of a notebook that somebody else has run only after `jupyter trust`.

    Parameters
    ----------
    run
        Recording or simulation; a list of two or more of them, or a mapping from names to runs, to lay them
        side by side, where each may be a list of runs with other seeds; what `score` or `schedule` returns;
        a story told step by step, as described in `compactlab.figures.story`; or a quiz.
    theme
        "light", "dark", or "auto": as the reader's system is set.
    zone
        Zone to open on; the reader can choose any other.
    order
        Order to open on; the reader can choose any other.
    height
        Of the frame, in pixels.
    max_bytes
        Size of the page in the output at most; snapshots are left out evenly until it fits.
    """
    page, scene = page_of(run, theme=theme, zone=zone, order=order, max_bytes=max_bytes)
    told = f"{scene.title}: {scene.note}" if scene.note else scene.title
    with drawable():
        picture = _film(run, zone, order, "dark" if theme == "dark" else "light")
    if picture is not None:
        film = {"image/png": b64encode(picture).decode(), "text/plain": told}
        publish_display_data(film, {"image/png": {"alt": told}})
    publish_display_data({"text/html": _frame(page, scene.title, height), "text/plain": told})


def _film(run: Shown | Paged, zone: str | None, order: int | None, theme: str) -> bytes | None:
    """Animated picture of a story, or of what has free lists, else None."""
    if isinstance(run, xr.Dataset):
        return (
            storyfilm(run, theme=theme) if is_story(run) and is_drawable("".join(run.text.values)) else None
        )
    if isinstance(run, xr.DataTree):
        return poster(run, zone=zone, order=order, theme=theme) if "zones" in run.children else None
    if isinstance(run, Paged):
        return None
    sides = sides_of(*([run] if isinstance(run, Mapping) else run))
    return beside(sides, zone=zone, order=order, theme=theme) if zones_of(sides) else None


def _frame(page: str, title: str, height: int) -> str:
    return (
        f'<iframe title="{html.escape(title)}" srcdoc="{html.escape(page)}" '
        'sandbox="allow-scripts allow-downloads" '
        f'style="width: 100%; height: {height}px; border: 0" loading="lazy"></iframe>'
    )
