"""ipywidgets around figures: what runs in JupyterLab."""

from .explorer import Explorer

__all__ = ["Explorer"]
