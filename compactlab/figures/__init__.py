"""Runs to Bokeh models and their scripts. A view is a module and a JavaScript file of the same name."""

from .compare import comparison
from .explorer import Scene, explorer
from .fidelity import fidelity
from .schedule import schedule
from .steps import steps

__all__ = ["Scene", "comparison", "explorer", "fidelity", "schedule", "steps"]
