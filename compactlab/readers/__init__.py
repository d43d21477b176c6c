"""Text of the kernel to runs: one module per format, one that recognises."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from typing import Literal

import xarray as xr

from .errors import ParseError, ReadWarning, UnknownFormatError
from .lines import FORMATS
from .merge import merge
from .recording import Recording, read_content
from .sources import Content, Source, load

__all__ = ["ParseError", "ReadWarning", "read"]

_FACTS = ("kernel", "machine", "name", "page_size")


def read(
    source: Source | Iterable[Source],
    *,
    on_error: Literal["raise", "skip"] = "raise",
    page_size: int | None = None,
) -> xr.DataTree:
    r"""Read what a Linux machine recorded about its free memory.

    Formats are recognised by content: /proc/buddyinfo, pagetypeinfo, zoneinfo and vmstat, debugfs
    extfrag_index and unusable_index, alone, concatenated or as loops with time stamps (``date``,
    epoch, ISO, or the recorder's ``@@`` records), traced events and tables of phases and faults.
    Maps of single pages are recognised by name: copies of /proc/kpageflags and /proc/kpagecount,
    archives of both (``.npz``), and ``pinned_pfns.txt`` beside them.
    Several snapshots without any stamp keep their order: ``elapsed`` counts them. A file without
    stamps beside files with stamps is placed at the start. What shells and people leave between
    records (comments, prompts, ``uptime``, messages of ``cat``) is left out and told.

    Parameters
    ----------
    source
        A path, several paths, a folder (also a copy of ``/``, such as sosreport makes), an open
        file, bytes, or the text itself (a str with a line break). gzip archives are read as they are.
    on_error
        What to do with damaged records in the middle: ``"raise"``, or ``"skip"`` to leave them out
        and list them in ``attrs["problems"]``. A damaged tail is always left out, with a
        ``ReadWarning``.
    page_size
        Bytes per page, where the recording does not tell.

    Returns
    -------
        A run as declared in ``compactlab.schema``.

    Raises
    ------
    ParseError
        If the text cannot be read: where, what was found and expected, and what to do.
    FileNotFoundError
        If a path does not exist.

    Examples
    --------
    >>> run = read("Node 0, zone   Normal      4      0      1 \n")
    >>> run["zones/nr_free"].values.tolist()
    [[[4, 0, 1]]]
    """
    if on_error not in ("raise", "skip"):
        raise ValueError(f"read: on_error={on_error!r}; expected 'raise' or 'skip'")
    if page_size is not None and (page_size < 512 or page_size & (page_size - 1)):
        raise ValueError(f"read: page_size={page_size!r}; expected bytes, a power of two such as 4096")
    name, contents = load(source)
    facts: dict[str, str | int] = {}
    recordings: list[Recording] = []
    provenance: list[dict[str, str | int]] = []
    unread: list[str] = []
    for content in contents:
        if not content.alone and _is_beside(content, facts):
            continue
        recording = _read_one(content, on_error, unread)
        if recording is not None:
            recordings.append(recording)
            provenance.append(content.provenance)
    if not recordings:
        found = f"{len(contents)} files, none with a known format" if contents else "no files"
        raise ParseError(
            f"folder {name}", found, f"files with {FORMATS}", "Give a folder that holds recordings"
        )
    if not any(recording.groups for recording in recordings):
        raise ParseError(name, "no rows", "at least one", "Nothing of this recording can be shown")
    recordings.sort(key=lambda recording: "after" in recording.name)  # before comes before after
    name = str(facts.pop("name", name))
    run = merge(recordings, name, page_size, provenance, facts)
    run.attrs["problems"] += unread
    for told in (told for recording in recordings for told in recording.warnings):
        warnings.warn(told, ReadWarning, stacklevel=2)
    return run


def _is_beside(content: Content, facts: dict[str, str | int]) -> bool:
    """Files in a folder that only describe the recording."""
    if content.name.endswith(".json"):
        try:
            described = json.loads(content.data)
        except ValueError:
            return True
        facts |= {key: described[key] for key in _FACTS if isinstance(described, dict) and key in described}
        return True
    return content.name.startswith("README")


def _read_one(content: Content, on_error: str, unread: list[str]) -> Recording | None:
    """One file, or None for a file in a folder that holds nothing of ours."""
    try:
        return read_content(content, on_error)
    except UnknownFormatError as error:
        if content.alone:
            raise
        unread.append(f"{content.name}: not read ({content.unreadable or error.found})")
        return None
