"""Simulations run many times over and measured: sweeps over parameters, and when a server best compacts."""

from .curve import curve_of
from .intervals import intervals
from .schedule import schedule
from .sweep import sweep

__all__ = ["curve_of", "intervals", "schedule", "sweep"]
