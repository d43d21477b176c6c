"""Record what the kernel says about its free memory; stands alone.

Needs Python 3.8 and nothing else: copy this one file to a server and run
``python3 recorder.py -o machine.txt.gz``. It reads counters and sizes only; host names, process
names and command lines are never stored. ``compactlab.read`` takes the file as it is.

The file holds ``@@ <monotonic ns> <kind> [key=value]`` records, the kernel's text below each. The
first record, ``header``, carries the wall clock. Every tick is one ``write``, so the file can be
read whenever the recorder is killed.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import math
import os
import signal
import sys
import time
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

BUDDYINFO = "/proc/buddyinfo"
EVERY_TICK = {"vmstat": "/proc/vmstat", "zoneinfo": "/proc/zoneinfo"}
PAGETYPEINFO = "/proc/pagetypeinfo"
EXTFRAG = "/sys/kernel/debug/extfrag"
INDICES = {name: EXTFRAG + "/" + name for name in ("extfrag_index", "unusable_index")}


def record(
    path: str | os.PathLike[str],
    interval: float = 1.0,
    duration: float | None = None,
    *,
    pagetypeinfo_every: int = 10,
    append: bool = False,
    overwrite: bool = False,
) -> int:
    """Record this machine until the duration is over or Ctrl-C is pressed.

    Recorded are buddyinfo, vmstat and zoneinfo at every tick, pagetypeinfo at some, and the kernel's
    own fragmentation indices, as far as they can be read; what cannot is named once on stderr.

    Parameters
    ----------
    path
        File to write; ``.gz`` compresses, ``-`` is standard output.
    interval
        Seconds between ticks. Ticks keep to a fixed grid; one that comes too late is left out.
    duration
        Seconds from the first tick to the last; without it, until interrupted.
    pagetypeinfo_every
        Ticks from one pagetypeinfo to the next: the kernel holds the zone's lock while it counts. 0 is never.
    append
        Go on at the end of an existing recording of the same boot.
    overwrite
        Replace an existing file.

    Returns
    -------
        Number of ticks recorded.

    Raises
    ------
    ValueError
        If interval or duration is not a time, or the file to append to cannot be continued.
    FileExistsError
        If the file exists and neither append nor overwrite is given.
    OSError
        If the machine is not Linux, or the disk is full; what was recorded until then can be read.

    Examples
    --------
    >>> import os, tempfile
    >>> file = os.path.join(tempfile.mkdtemp(), "now.txt")
    >>> record(file, interval=0.01, duration=0.02, pagetypeinfo_every=0) in (1, 2, 3)
    True
    >>> with open(file) as text:
    ...     print(text.readline().split()[2])
    header
    """
    _check_times(interval, duration)
    missing = _missing_sources(pagetypeinfo_every)
    output = _open(os.fspath(path), append, overwrite)
    for source, reason in missing.items():
        _say(f"not recorded: {source}: {reason}")
    ticks = late = 0
    try:
        for number in _grid(interval, duration):
            text = b"" if ticks else _header(interval)
            late = number - ticks
            output.write(text + _tick(missing, pagetypeinfo_every > 0 and ticks % pagetypeinfo_every == 0))
            ticks += 1
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:  # the reader of our standard output has seen enough
        pass
    except OSError as error:
        reason = f"{error.strerror} after {ticks} ticks; what was recorded until then can be read"
        raise OSError(error.errno, f"{os.fspath(path)}: {reason}") from error
    finally:
        output.close()
    _say(
        f"{os.fspath(path)}: {ticks} ticks, {output.size} bytes"
        + (f", {late} left out (too late)" if late else "")
    )
    return ticks


def _check_times(interval: float, duration: float | None) -> None:
    if not (interval > 0 and math.isfinite(interval)):
        raise ValueError(f"interval: {interval}, expected seconds above 0, such as 1 or 0.1")
    if duration is not None and not (duration >= 0 and math.isfinite(duration)):
        raise ValueError(f"duration: {duration}, expected seconds, or nothing to record until Ctrl-C")


def _grid(interval: float, duration: float | None) -> Iterator[int]:
    """Wait for each tick of a fixed grid, so that delays do not add up; ticks already over are skipped."""
    start = time.monotonic_ns()
    step = max(1, round(interval * 1e9))
    last = math.inf if duration is None else int(duration * 1e9) // step
    number = 0
    while number <= last:
        time.sleep(max(0, start + number * step - time.monotonic_ns()) / 1e9)
        yield number
        number = max(number + 1, -((start - time.monotonic_ns()) // step))


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _missing_sources(pagetypeinfo_every: int) -> dict[str, str]:
    """Find the sources that cannot be read here, and why."""
    try:
        _read(BUDDYINFO)
    except OSError as error:
        raise OSError(f"{BUDDYINFO}: {error.strerror}; the recorder runs on Linux only") from None
    missing = {}
    for path in [*EVERY_TICK.values(), *INDICES.values(), *([PAGETYPEINFO] if pagetypeinfo_every else [])]:
        try:
            _read(path)
        except OSError as error:
            missing[path] = f"{error.strerror} ({_remedy(path)})"
    return missing


def _remedy(path: str) -> str:
    if path.startswith(EXTFRAG):
        return (
            "needs root and `mount -t debugfs none /sys/kernel/debug`; not needed: buddyinfo gives the same"
        )
    return "needs root" if path == PAGETYPEINFO else "this kernel does not offer it"


def _header(interval: float) -> bytes:
    system = os.uname()
    return (
        f"@@ {time.monotonic_ns()} header\n"
        "format compactlab 1\n"
        f"realtime_ns {time.time_ns()}\n"
        f"kernel {system.release}\n"
        f"machine {system.machine}\n"
        f"page_size {os.sysconf('SC_PAGE_SIZE')}\n"
        f"interval_s {interval:g}\n"
    ).encode()


def _record(stamp: int, kind: str, text: bytes) -> bytes:
    return f"@@ {stamp} {kind}\n".encode() + text + (b"" if text.endswith(b"\n") else b"\n")


def _tick(missing: dict[str, str], with_pagetypeinfo: bool) -> bytes:
    parts = [_buddyinfo_and_indices(missing)]
    paths = dict(EVERY_TICK, pagetypeinfo=PAGETYPEINFO) if with_pagetypeinfo else EVERY_TICK
    for kind, path in paths.items():
        if path not in missing:
            stamp = time.monotonic_ns()
            with contextlib.suppress(OSError):  # a source that fails once is absent from this tick
                parts.append(_record(stamp, kind, _read(path)))
    return b"".join(parts)


def _buddyinfo_and_indices(missing: dict[str, str]) -> bytes:
    """Read the indices between two reads of buddyinfo: same=1 says that nothing moved meanwhile."""
    stamp = time.monotonic_ns()
    before = _read(BUDDYINFO)
    parts = [_record(stamp, "buddyinfo", before)]
    indices = {kind: _read(path) for kind, path in INDICES.items() if path not in missing}
    if indices:
        after = _read(BUDDYINFO)
        same = int(before == after)
        parts += [_record(stamp, f"{kind} same={same}", text) for kind, text in indices.items()]
        if not same:
            parts.append(_record(stamp, "buddyinfo_after", after))
    return b"".join(parts)


class _Output:
    """A file, plain or gzip, that gets each tick in one write."""

    def __init__(self, descriptor: int, compress: bool) -> None:
        self.size = 0
        self._descriptor = descriptor
        self._gzip = zlib.compressobj(6, zlib.DEFLATED, 31) if compress else None

    def write(self, data: bytes) -> None:
        if self._gzip:  # flushed, so that a killed recorder leaves whole ticks
            data = self._gzip.compress(data) + self._gzip.flush(zlib.Z_SYNC_FLUSH)
        self._write(data)

    def close(self) -> None:
        try:
            if self._gzip:
                with contextlib.suppress(OSError):  # only the end mark is lost
                    self._write(self._gzip.flush())
        finally:
            if self._descriptor != 1:
                os.close(self._descriptor)

    def _write(self, data: bytes) -> None:
        while data:  # one turn, unless the disk is full or a pipe is slow
            written = os.write(self._descriptor, data)
            self.size += written
            data = data[written:]


def _open(path: str, append: bool, overwrite: bool) -> _Output:
    if path == "-":
        return _Output(1, compress=False)
    compress = path.endswith(".gz")
    if append and os.path.exists(path) and os.path.getsize(path):
        _make_continuable(path, compress)
    elif os.path.exists(path) and not (append or overwrite):
        raise FileExistsError(f"{path} exists; --append goes on at its end, --overwrite replaces it")
    flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else os.O_TRUNC if overwrite else os.O_EXCL)
    return _Output(os.open(path, flags, 0o644), compress)


def _make_continuable(path: str, compress: bool) -> None:
    """Refuse a recording of another boot or a cut gzip; take a cut last record off a plain one."""
    try:
        with gzip.open(path) if compress else open(path, "rb") as file:
            data = file.read()
    except (EOFError, zlib.error):
        raise ValueError(f"{path}: its end is cut off, so nothing can follow; record to a new file") from None
    start = data.rfind(b"\n@@ ") + 1
    last = data[start:].split(None, 2)
    if len(last) < 3 or last[0] != b"@@" or not last[1].isdigit():
        raise ValueError(f"{path}: its last record is none of this recorder; record to a new file")
    if int(last[1]) > time.monotonic_ns():
        raise ValueError(f"{path} was recorded before this boot; record to a new file and read both")
    if not data.endswith(b"\n"):
        os.truncate(path, start)
        _say(f"{path}: took off its last record, which was cut at byte {len(data)}")


def _say(sentence: str) -> None:
    sys.stderr.write(sentence + "\n")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line; shared by ``compactlab record`` and this file run alone."""
    parser.add_argument(
        "-o", "--output", required=True, metavar="FILE", help="file to write; .gz compresses; - is stdout"
    )
    parser.add_argument(
        "--interval", type=float, default=1.0, metavar="S", help="seconds between ticks (default 1)"
    )
    parser.add_argument(
        "--duration", type=float, metavar="S", help="seconds to record (default: until Ctrl-C)"
    )
    parser.add_argument(
        "--pagetypeinfo-every",
        type=int,
        default=10,
        metavar="N",
        help="ticks between two pagetypeinfo, which is expensive and needs root (default 10; 0: never)",
    )
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument("--append", action="store_true", help="go on at the end of FILE")
    existing.add_argument("--overwrite", action="store_true", help="replace FILE")


def run(arguments: argparse.Namespace) -> int:
    """Record as the command line says; the exit status."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        record(
            arguments.output,
            arguments.interval,
            arguments.duration,
            pagetypeinfo_every=arguments.pagetypeinfo_every,
            append=arguments.append,
            overwrite=arguments.overwrite,
        )
    except (ValueError, OSError) as error:
        _say(f"record: {error}")
        return 1
    return 0


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def main() -> int:
    """Run as a program of its own."""
    parser = argparse.ArgumentParser(description="Record what the kernel says about its free memory.")
    add_arguments(parser)
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
