"""Where recordings come from: paths, folders, archives, open files, bytes or the text itself."""

from __future__ import annotations

import hashlib
import io
import os
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

Source = str | os.PathLike[str] | bytes | IO[str] | IO[bytes]


_PROC = ("buddyinfo", "pagetypeinfo", "zoneinfo", "vmstat")
_EXTFRAG = ("extfrag_index", "unusable_index")


@dataclass
class Content:
    """One file, unpacked."""

    name: str
    data: bytes
    provenance: dict[str, str | int]
    cut: bool = False  # its archive ends too early
    problems: list[str] = field(default_factory=list)
    alone: bool = True  # asked for by name, not found in a folder
    unreadable: str | None = None  # why the system does not give it


def load(source: Source | Iterable[Source]) -> tuple[str, list[Content]]:
    """Unpack all of a source: a short name for it, and its files."""
    if isinstance(source, (str, bytes, os.PathLike)) or hasattr(source, "read"):
        return _load_one(source)  # type: ignore[arg-type]
    loaded = [_load_one(each) for each in source]
    if not loaded:
        raise ValueError("read: got no files; give at least one path")
    return loaded[0][0], [content for _, contents in loaded for content in contents]


def _load_one(source: Source) -> tuple[str, list[Content]]:
    if isinstance(source, bytes):
        return "recording", [unpack("text", source)]
    if isinstance(source, str) and ("\n" in source or not source.strip()):
        return "recording", [unpack("text", source.encode("utf-8", "surrogateescape"))]
    if isinstance(source, (str, os.PathLike)):
        return _load_path(Path(source).expanduser())
    content = source.read()
    name = Path(str(getattr(source, "name", "text"))).name
    return stem(name), [unpack(name, content.encode() if isinstance(content, str) else content)]


def _load_path(path: Path) -> tuple[str, list[Content]]:
    if path.is_dir():
        contents = [_load_found(each) for each in _files_in(path)]
        return path.resolve().name, contents
    if not path.exists():
        raise FileNotFoundError(
            f"read: no file or folder {str(path)!r} (from {os.getcwd()}); "
            "check the path, or pass recorded text itself with its line breaks"
        )
    return stem(path.name), [unpack(path.name, _bytes_of(path))]


_TREE = (
    *(f"proc/{name}" for name in _PROC),
    *(f"sys/kernel/debug/extfrag/{name}" for name in _EXTFRAG),
)


def _files_in(folder: Path) -> list[Path]:
    """Files of a folder; of a copy of the root folder, or of /proc itself, the ones that are recordings."""
    for names in (_TREE, _PROC):
        known = [folder / name for name in names if (folder / name).is_file()]
        if known and (names is _TREE or folder.resolve().name == "proc"):
            return known
    return sorted(each for each in folder.iterdir() if each.is_file() and not each.name.startswith("."))


def _bytes_of(path: Path) -> bytes:
    """All of a file; the kernel gives maps of pages only in whole words."""
    if not is_binary(path.name):
        return path.read_bytes()
    with path.open("rb", buffering=0) as file:
        return b"".join(iter(lambda: file.read(1 << 20), b""))


def _load_found(path: Path) -> Content:
    """One file of a folder; one that may not be read is empty and says so."""
    try:
        content = unpack(path.name, _bytes_of(path))
    except PermissionError as error:
        content = Content(path.name, b"", {}, unreadable=error.strerror)
    content.alone = False
    return content


def is_binary(name: str) -> bool:
    """Whether a file is called as dumps of /proc/kpageflags and /proc/kpagecount are.

    >>> is_binary("kpageflags_before.gz")
    True
    """
    return "kpageflags" in name or "kpagecount" in name


def stem(name: str) -> str:
    """File name without the endings of texts and archives.

    >>> stem("series.txt.gz"), stem("x86_64-5.14-el9.txt")
    ('series', 'x86_64-5.14-el9')
    """
    return re.sub(r"(\.(txt|log|out|csv|gz))+$", "", name) or name


def unpack(name: str, packed: bytes) -> Content:
    """Decompress what is gzip by content, and note where it came from."""
    provenance: dict[str, str | int] = {
        "file": name,
        "sha256": hashlib.sha256(packed).hexdigest(),
        "bytes": len(packed),
    }
    content = Content(name, packed, provenance)
    if packed.startswith(b"PK\x03\x04"):  # an archive of arrays: not a text
        return content
    if packed.startswith(b"\x1f\x8b"):
        content.data, content.cut = _gunzip(packed)
        if content.cut:
            content.problems.append(f"{name}: the archive ends too early; what it still holds was read")
    if is_binary(name):
        return content
    if content.data.startswith((b"\xff\xfe", b"\xfe\xff")):
        content.data = content.data.decode("utf-16", "replace").encode()
        content.problems.append(f"{name}: UTF-16 was turned to UTF-8")
    if content.data.startswith(b"\xef\xbb\xbf"):
        content.data = content.data[3:]
        content.problems.append(f"{name}: a byte order mark was removed")
    if b"\0" in content.data:
        size = len(content.data)
        content.data = content.data.replace(b"\0", b"")
        content.problems.append(
            f"{name}: {size - len(content.data)} NUL bytes were left out; a crash while writing leaves such"
        )
    if b"\r" in content.data and b"\n" not in content.data:
        content.data = content.data.replace(b"\r", b"\n")
    if b"\r\n" in content.data[:4096]:
        content.problems.append(f"{name}: line ends of DOS were accepted")
    return content


def _gunzip(packed: bytes) -> tuple[bytes, bool]:
    """All members of a gzip archive as far as they are whole, and whether something is missing."""
    out = io.BytesIO()
    while packed.startswith(b"\x1f\x8b"):
        member = zlib.decompressobj(wbits=31)
        try:
            out.write(member.decompress(packed))
        except zlib.error:
            return out.getvalue(), True
        if not member.eof:
            return out.getvalue(), True
        packed = member.unused_data.lstrip(b"\0")
    return out.getvalue(), False
