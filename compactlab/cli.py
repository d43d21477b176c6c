"""The ``compactlab`` command: the library's words, typed in a terminal.

Modules load inside the commands, so that ``--help`` and ``record`` start at once.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from . import __version__, recorder

if TYPE_CHECKING:
    import xarray as xr

_NOTEBOOKS_IN_WHEEL = Path(__file__).parent / "_notebooks"
_NOTEBOOKS_IN_CHECKOUT = Path(__file__).parents[1] / "notebooks"
_COPY = Path("compactlab-notebooks")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status: 0 done, 1 it did not work, 2 it was asked wrongly."""
    parser = _parser()
    known, rest = parser.parse_known_args(arguments)
    if rest and known.command is not _lab:
        parser.error(f"unknown argument {rest[0]!r}; `compactlab {known.name} --help` lists what it takes")
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            return known.command(known, *([rest] if rest else []))
    except BrokenPipeError:  # `compactlab read ... | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    except (ValueError, KeyError, OSError, ImportError) as error:
        advice = str(error).replace('on_error="skip"', "--skip")
        print(f"{known.name}: {advice}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="compactlab",
        description="Linux memory compaction: read what a machine recorded, see it move, know why.",
    )
    parser.add_argument("--version", action="version", version=f"compactlab {__version__}")
    commands = parser.add_subparsers(title="commands", dest="name", required=True, metavar="COMMAND")

    def add(name: str, run: Callable[..., int], help_: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help_, description=help_)
        command.set_defaults(command=run)
        return command

    add("lab", _lab, "open JupyterLab on the first notebook; further arguments go to JupyterLab")
    read = add("read", _read, "say what recordings hold, and whether a huge page could be had")
    read.add_argument("recordings", nargs="+", metavar="RUN", help=_RUN)
    read.add_argument("--order", type=int, default=9, help="order the verdict is asked for (default 9)")
    recorder.add_arguments(add("record", recorder.run, "record this machine; needs no root for the basics"))
    render = add(
        "render", _render, "write an animated page that needs no network and no Python, or a PNG, SVG or GIF"
    )
    render.add_argument("recording", metavar="RUN", help=_RUN)
    render.add_argument(
        "-o", "--output", default="report.html", metavar="FILE",
        help="file to write, ending in .html, .png, .svg or .gif (report.html)",
    )  # fmt: skip
    render.add_argument(
        "--zone", metavar="ZONE", help="zone, such as Normal or 0/Normal (the one with most memory free)"
    )
    render.add_argument("--order", type=int, metavar="N", help="order of the request (that of a huge page)")
    render.add_argument(
        "--theme",
        choices=("auto", "light", "dark"),
        default="auto",
        help="auto: as the reader's system; light in pictures",
    )
    render.add_argument(
        "--view",
        metavar="VIEW",
        help="what a picture shows, such as overview, pagemap or latency; a wrong name lists all",
    )
    render.add_argument(
        "--at",
        metavar="MOMENT",
        help="moment a picture shows: elapsed seconds, or a share such as 50%% (the end)",
    )
    for command in (read, render):
        command.add_argument(
            "--skip", action="store_true", help="leave out records that cannot be read, and tell which"
        )
    _add_simulate(add("simulate", _simulate, "simulate a zone that is compacted, and save the run"))
    add("list", _list, "list the shipped recordings")
    return parser


def _add_simulate(command: argparse.ArgumentParser) -> None:
    """Options of ``simulate``; what values there are is told by the library, when one is wrong."""
    option = command.add_argument
    option("--zone", default="1 GiB", metavar="SIZE", help="size of a zone made here (1 GiB)")
    option("--recording", default="", metavar="NAME", help="shipped recording whose page map it is instead")
    option("--start", default="punched", metavar="STATE", help="state the zone begins in (punched)")
    option("--trigger", metavar="WHO", help="direct, kcompactd, proactive, manual or contig_range (manual)")
    option(
        "--workload", nargs="+", metavar=("NAME", "PARAMETER=VALUE"),
        help="what asks for memory, such as: huge_faults faults=64",
    )  # fmt: skip
    option(
        "--set", nargs="+", default=[], metavar="SYSCTL=VALUE",
        help="settings, such as: compaction_proactiveness=60",
    )  # fmt: skip
    option("--kernel", default="", metavar="VERSION", help="whose rules it follows, such as 6.6")
    option("--seed", type=int, default=0, metavar="N", help="of all that is random (0)")
    option(
        "-o", "--output", default="run.nc", metavar="FILE",
        help="file to write, ending in .nc or .zarr (run.nc)",
    )  # fmt: skip


_RUN = (
    "file or folder with the kernel's texts, `-` to paste them, a .nc or .zarr, or a shipped recording's name"
)


def _list(_: argparse.Namespace) -> int:
    from . import datasets

    print(datasets.list())
    return 0


def _read(arguments: argparse.Namespace) -> int:
    run = _load(arguments.recordings, arguments.skip)
    print("\n".join(_summary(run, arguments.order)))
    return 0


def _render(arguments: argparse.Namespace) -> int:
    run = _load([arguments.recording], arguments.skip)
    chosen = {"zone": arguments.zone, "order": arguments.order}
    if Path(arguments.output).suffix.lower() in (".html", ".htm"):
        if arguments.view is not None or arguments.at is not None:
            raise ValueError(
                "--view, --at: a page holds all views and moments; they are for .png, .svg and .gif"
            )
        from .player import render

        render(run, arguments.output, theme=arguments.theme, **chosen)
        return 0
    from .player.pictures import picture

    theme = "light" if arguments.theme == "auto" else arguments.theme
    picture(run, arguments.output, view=arguments.view or "overview", at=arguments.at, theme=theme, **chosen)
    return 0


def _simulate(arguments: argparse.Namespace) -> int:
    from . import store
    from .experiments.trial import Trial, sysctls_typed, workload_named
    from .simulation.zone import Zone

    workload = None
    if arguments.workload:
        workload = workload_named(arguments.workload[0], _pairs(arguments.workload[1:]))
    trial = Trial(
        zone=Zone(arguments.zone),
        recording=arguments.recording,
        start=arguments.start,
        sysctls=sysctls_typed(_pairs(arguments.set)),
        kernel=arguments.kernel,
        trigger=arguments.trigger or ("direct" if workload is not None else "manual"),
        workload=workload,
        seed=arguments.seed,
    )
    run = trial.run(progress=sys.stderr.isatty())
    if run is None:  # only who gives a cancel flag gets none
        return 1
    store.save(run, arguments.output)
    print(f"{trial.title}: {trial.told(run)}\n{arguments.output}")
    return 0


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE texts by name."""
    for text in texts:
        if "=" not in text:
            raise ValueError(f"{text!r}: expected NAME=VALUE")
    return dict(text.split("=", 1) for text in texts)


def _load(names: list[str], skip: bool) -> xr.DataTree:
    """Load what a user may name: files, a folder, a paste, a saved run, a shipped recording."""
    from . import datasets, readers, store

    on_error: Literal["raise", "skip"] = "skip" if skip else "raise"
    if names == ["-"]:
        return readers.read(sys.stdin.buffer, on_error=on_error)
    if len(names) > 1:
        return readers.read([Path(name) for name in names], on_error=on_error)
    path = Path(names[0])
    if path.exists():
        return store.open(path) if path.suffix in (".nc", ".zarr") else readers.read(path, on_error=on_error)
    if os.sep in names[0] or path.suffix:
        raise FileNotFoundError(f"{path}: no such file or folder")
    return datasets.load(names[0])


def _summary(run: xr.DataTree, order: int) -> list[str]:
    lines = [f"{run.attrs.get('name') or 'run'}: {_known(run)}"]
    lines += [f"  {name:13} {_extent(node)}" for name, node in run.children.items()]
    lines += [f"  problem: {problem}" for problem in run.attrs["problems"]]
    if "zones" in run.children:
        from .metrics import verdict

        texts = verdict(run, order=order)["text"].values[-1]
        lines.append(f"A request of order {order} at the end of the recording:")
        lines += [f"  {text}" for text in texts]
    return lines


def _known(run: xr.DataTree) -> str:
    from . import schema

    known = [run.attrs[name] for name in ("machine", "kernel") if run.attrs.get(name)]
    if "zones" in run.children:
        known.append("zones " + ", ".join(run["zones"].dataset["zone"].values))
    missing = [name for name in schema.GROUPS if name not in run.children]
    return "; ".join([*known, f"not recorded: {', '.join(missing) or 'nothing'}"])


def _extent(node: xr.DataTree) -> str:
    sizes = ", ".join(f"{size} {dimension}" for dimension, size in _time_first(node.sizes))
    elapsed = node.dataset.get("elapsed")
    if elapsed is None or not elapsed.size:
        return sizes
    return f"{sizes}, over {float(elapsed.max() - elapsed.min()) / 1e9:.1f} s"


def _time_first(sizes: Mapping[Hashable, int]) -> list[tuple[Hashable, int]]:
    return sorted(sizes.items(), key=lambda item: item[0] != "time")


def _lab(_: argparse.Namespace, rest: Sequence[str] = ()) -> int:
    from importlib.util import find_spec

    if find_spec("jupyterlab") is None:
        raise ImportError("JupyterLab is not installed; `pip install 'compactlab[notebook]'` brings it")
    folder = _notebooks()
    _trust_shipped()
    first = min(file.name for file in folder.glob("*.ipynb"))
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder}"]
    command += [
        f"--LabApp.default_url=/lab/tree/{first}",
        *(["--allow-root"] if os.geteuid() == 0 else []),
        *rest,
    ]
    print(f"notebooks in {folder}; the address to open follows, Ctrl-C twice ends", flush=True)
    return subprocess.call(command)


def _notebooks() -> Path:
    """Find the notebooks of the checkout, or copy the shipped ones for the user to change."""
    if not _NOTEBOOKS_IN_WHEEL.exists():
        return _NOTEBOOKS_IN_CHECKOUT
    _COPY.mkdir(exist_ok=True)
    for file in _NOTEBOOKS_IN_WHEEL.glob("*.ipynb"):
        if not (_COPY / file.name).exists():
            shutil.copy(file, _COPY)
    return _COPY.absolute()


def _trust_shipped() -> None:
    """Sign the shipped notebooks as they are, so that their figures play before anything is run.

    A signature is of the content: a notebook that was changed, or is somebody else's, stays untrusted.
    """
    import nbformat
    from nbformat.sign import NotebookNotary

    notary = NotebookNotary()
    shipped = _NOTEBOOKS_IN_WHEEL if _NOTEBOOKS_IN_WHEEL.exists() else _NOTEBOOKS_IN_CHECKOUT
    for file in shipped.glob("*.ipynb"):
        notary.sign(nbformat.read(file, as_version=4))


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    print(f"warning: {message}", file=sys.stderr)
