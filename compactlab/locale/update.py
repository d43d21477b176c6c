"""Bring the catalogues up to date with the source: extract, merge, compile.

``python compactlab/locale/update.py`` writes compactlab.pot, and each language's compactlab.po and .mo beside it,
and tells what is left to translate. To begin a language, make its folder first: ``mkdir -p locale/xx/LC_MESSAGES``.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from babel.messages import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

LOCALE = Path(__file__).parent
KEYWORDS = {"_": None, "N_": None}
HEADER = """\
# Texts of compactlab's figures, dashboards, exercises and quiz.
# Written by compactlab/locale/update.py; translations go into the .po beside each language.
#"""

_SAID = (
    "Project-Id-Version",
    "Language",
    "Plural-Forms",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
)
"""Fields of the header; others tell what the history of the file tells, or differ from machine to machine."""


class _Plain(Catalog):
    """A catalogue whose bytes depend on its texts alone."""

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        return [(name, value) for name, value in super().mime_headers if name in _SAID]


def extract(package: Path = LOCALE.parent) -> Catalog:
    """All texts of the source that are marked by ``_`` or ``N_``, with the files they are in."""
    found = _Plain(project="compactlab", version="0", fuzzy=False, charset="utf-8", header_comment=HEADER)
    for path, _line, message, comments, _context in extract_from_dir(
        package,
        [("**.py", "python")],
        keywords=KEYWORDS,
        comment_tags=["Translators:"],
        strip_comment_tags=True,
    ):
        found.add(message, locations=[(path, 0)], auto_comments=comments)
    return found


def merged(found: Catalog, path: Path) -> Catalog:
    """Translations of a language for the texts that are in the source now; new ones are empty."""
    language = path.parents[1].name
    with path.open("rb") if path.exists() else io.BytesIO() as file:
        known = read_po(file, locale=language, domain="compactlab", charset="utf-8")
    out = _Plain(locale=language, project=found.project, header_comment=known.header_comment, charset="utf-8", fuzzy=False)  # fmt: skip
    for message in found:
        if message.id:
            told = known.get(message.id)
            out.add(message.id, told.string if told else "", message.locations, auto_comments=message.auto_comments)  # fmt: skip
    return out


def written(catalogue: Catalog) -> bytes:
    """The bytes of a .po, or of the .pot."""
    out = io.BytesIO()
    write_po(out, catalogue, width=0, sort_by_file=True, include_lineno=False)
    return out.getvalue()


def compiled(catalogue: Catalog) -> bytes:
    """The bytes of a .mo."""
    out = io.BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


def languages() -> list[Path]:
    """The .po of each language."""
    return [folder / "compactlab.po" for folder in sorted(LOCALE.glob("*/LC_MESSAGES"))]


def main() -> int:
    """Write all catalogues; 1 if a text has no translation."""
    found = extract()
    (LOCALE / "compactlab.pot").write_bytes(written(found))
    missing = 0
    for path in languages():
        catalogue = merged(found, path)
        path.write_bytes(written(catalogue))
        path.with_suffix(".mo").write_bytes(compiled(catalogue))
        left = [message.id for message in catalogue if message.id and not message.string]
        print(f"{path.parents[1].name}: {len(catalogue)} texts, {len(left)} not translated")
        for text in left[:20]:
            print(f"  {text}")
        missing += len(left)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
