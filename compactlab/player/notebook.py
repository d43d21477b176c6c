"""A run as notebook output that plays on any page the notebook is shown on, without a kernel."""

from __future__ import annotations

import html
from base64 import b64encode

import xarray as xr
from IPython.display import publish_display_data

from ..texts import _
from .pack import Theme
from .poster import poster
from .report import page_of


def show(
    run: xr.DataTree,
    *,
    theme: Theme = "auto",
    zone: str | None = None,
    order: int | None = None,
    height: int = 720,
    max_bytes: int = 3_000_000,
) -> None:
    """Show the Explorer of a run in a notebook such that it still plays when nobody runs the notebook.

    Two outputs: an animated picture, which is shown even where scripts are stripped, and the Explorer
    in a frame of its own. JupyterLab shows the second one of a notebook that somebody else has run only
    after `jupyter trust`.

    Parameters
    ----------
    run
        Recording or simulation.
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
    page, note = page_of(run, theme=theme, zone=zone, order=order, max_bytes=max_bytes)
    name = str(run.attrs.get("name", _("recording")))
    told = f"{name}: {note}" if note else name
    if "zones" in run.children:
        picture = poster(run, zone=zone, order=order, theme="dark" if theme == "dark" else "light")
        film = {"image/png": b64encode(picture).decode(), "text/plain": told}
        publish_display_data(film, {"image/png": {"alt": told}})
    publish_display_data({"text/html": _frame(page, name, height), "text/plain": told})


def _frame(page: str, title: str, height: int) -> str:
    return (
        f'<iframe title="{html.escape(title)}" srcdoc="{html.escape(page)}" '
        'sandbox="allow-scripts allow-downloads" '
        f'style="width: 100%; height: {height}px; border: 0" loading="lazy"></iframe>'
    )
