"""What a reader says when a text is not what it should be."""

from __future__ import annotations


class ParseError(ValueError):
    """A text that cannot be read as promised: where, what was found, what was expected, what to do."""

    def __init__(self, where: str, found: str, expected: str, hint: str = "") -> None:
        self.where, self.found, self.expected, self.hint = where, found, expected, hint
        super().__init__(f"{where}: found {found}; expected {expected}" + (f". {hint}" if hint else ""))


class UnknownFormatError(ParseError):
    """A text in none of the formats; beside others in a folder it is left out."""


class ReadWarning(UserWarning):
    """Something was kept, but is not as it should be; also listed in ``run.attrs["problems"]``."""
