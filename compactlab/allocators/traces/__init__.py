"""Traces: requests to allocate and free, by stated distributions, recorded from a program, or made to hurt.

>>> written("a 48, b 32, free a").sizes["request"]
3
"""

from .adversarial import ADVERSARIAL, adversarial, robson
from .form import OPS, check, live_size, trace_of, written
from .recorded import malloc, read
from .synthetic import ORDERS, SIZES, pages, peaks, steady

__all__ = [
    "ADVERSARIAL",
    "OPS",
    "ORDERS",
    "SIZES",
    "adversarial",
    "check",
    "live_size",
    "malloc",
    "pages",
    "peaks",
    "read",
    "robson",
    "steady",
    "trace_of",
    "written",
]
