"""Building and running the small C programs beside their recordings; where that cannot be, saying why."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from .texts import _

FLAGS = ("-std=gnu11", "-O1", "-w")


class CannotRunError(RuntimeError):
    """Why a program could not be built or run here, in one sentence."""


def output(source: Path, *arguments: str, seconds: float = 20) -> str:
    """What a C program prints, built with gcc in a temporary folder and run with a limit of time.

    Parameters
    ----------
    source
        The C file.
    arguments
        What the program is given.
    seconds
        Most that building and running may each take.

    Raises
    ------
    CannotRunError
        If this is not Linux, there is no gcc, or the program cannot be built, fails, or takes too long.
    """
    if sys.platform != "linux":
        raise CannotRunError(_("this is not Linux"))
    compiler = shutil.which("gcc")
    if compiler is None:
        raise CannotRunError(_("there is no gcc here"))
    with TemporaryDirectory() as folder:
        program = str(Path(folder, source.stem))
        _told([compiler, *FLAGS, "-o", program, str(source)], source.name, seconds)
        return _told([program, *arguments], source.stem, seconds)


def _told(command: list[str], name: str, seconds: float) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=True)
    except subprocess.TimeoutExpired:
        why = _("{name} took longer than {seconds} s").format(name=name, seconds=f"{seconds:g}")
        raise CannotRunError(why) from None
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or [_("it said nothing")])[-1]
        why = _("{name} ended with status {status}: {last}")
        raise CannotRunError(why.format(name=name, status=error.returncode, last=last)) from None
    return done.stdout
