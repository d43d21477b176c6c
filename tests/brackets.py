"""A made-up language that puts every text of the catalogue in brackets: what has none on a screen is no such text."""

from __future__ import annotations

import re
from pathlib import Path

from babel.messages import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from compactlab import texts


def write(folder: Path) -> None:
    """Put its catalogue into a folder, as the language "xx"."""
    with (texts.LOCALE / "compactlab.pot").open("rb") as file:
        template = read_po(file, charset="utf-8")
    found = Catalog(locale=None, charset="utf-8")
    for message in template:
        if message.id:
            found.add(message.id, f"⟦{message.id}⟧")
    path = folder / "xx/LC_MESSAGES/compactlab.mo"
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        write_mo(file, found)


def bare(text: str) -> str:
    """What is left of a text outside of brackets.

    >>> bare("⟦2 MiB in ⟦the zone⟧⟧: no block")
    ': no block'
    """
    while (inner := re.sub("⟦[^⟦⟧]*⟧", "", text)) != text:
        text = inner
    return text
