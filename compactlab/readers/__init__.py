"""Text of the kernel to runs: one module per format, one that recognises."""

from .errors import ParseError, ReadWarning

__all__ = ["ParseError", "ReadWarning"]
