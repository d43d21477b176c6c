"""ipywidgets around figures: what runs in JupyterLab."""

from .compare import Compare
from .explorer import Explorer
from .lab import CompactionLab
from .schedule import Schedule
from .whatif import WhatIf

__all__ = ["CompactionLab", "Compare", "Explorer", "Schedule", "WhatIf"]
