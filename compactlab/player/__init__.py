"""Scenes without a kernel: as an HTML file, as notebook output, as an animated picture."""

from .notebook import show
from .pack import pack
from .poster import poster
from .report import render

__all__ = ["pack", "poster", "render", "show"]
