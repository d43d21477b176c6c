"""A program that is said to show physical fragmentation, run with its eyes open; and what compaction did for one."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr

from .datasets import program
from .programs import CannotRunError, output
from .texts import N_, _, count, memory

NO_FRAME, HIDDEN = 0, -1
"""Instead of a frame: the page has none yet; it has one, but only root may see which."""

STAGES = ("start", "taken", "given back", "asked", "written")
PHASES = ("before", "after")
BLOCK, LARGE = 32, 5000
_NR_BLOCKS = 1000
_ORDERS = 11


def run(seconds: float = 20) -> xr.Dataset:
    """Run the program on this machine; where that cannot be, what it did when it was recorded.

    It takes 1000 blocks of 32 bytes with malloc, gives back every second one, asks for 5000 bytes, and writes
    them. Needs Linux and gcc; physical frames are seen by root only.

    Parameters
    ----------
    seconds
        Most that building the program, and running it, may each take.

    Returns
    -------
        As :func:`recorded`, without what only the recording has. In its attributes, `source` is "run here" or
        "recorded", and `why` says what was not to be had here.

    Examples
    --------
    >>> int(run().large) >= 0  # the 5000 bytes were had
    True
    """
    try:
        text = output(program("case-study") / "case-study.c", seconds=seconds)
    except CannotRunError as error:
        told = recorded()
        told.attrs["why"] = str(error)
        told.attrs["text"] = _("The recorded run: {why}.").format(why=error)
        return told
    told = _read(text)
    hidden = bool((told.frame == HIDDEN).any())
    why = _("only root sees in which frames pages lie") if hidden else ""
    text = _("Run on this machine, but {why}.").format(why=why) if why else _("Run on this machine.")
    told.attrs |= {"source": "run here", "why": why, "text": text}
    return told


def recorded() -> xr.Dataset:
    """The run of the program that the recording `case-study` holds.

    Returns
    -------
        All addresses are in bytes from the start of the heap.

        - `offset` (block): where each block lies; `given_back` (block): whether it was given back;
        - `large`: where the 5000 bytes lie, -1 if they were refused; `large_ns`: how long that took;
        - `heap_end` (stage), `free` (stage): bytes malloc holds free, `top` (stage): those of them at the end;
        - `frame` (stage, page): physical frame of each page of the heap; 0 none, -1 hidden from this user;
        - `requests` (stage, order): page allocations by the kernel since the stage before, all purposes;
        - `other_runs` (run, page): frames at the end of ten more runs.

    Raises
    ------
    ValueError
        If a file is not as it was shipped.

    Examples
    --------
    >>> told = recorded()
    >>> int(told.heap_end[-1]), int(told.requests.sum()), int(told.requests.sel(order=0).sum())
    (135168, 18, 18)
    """
    folder = program("case-study")
    told = _read((folder / "places.csv").read_text(encoding="utf-8"))
    requests = np.zeros((len(STAGES), _ORDERS), np.int64)
    for row in _rows((folder / "requests.csv").read_text(encoding="utf-8")):
        requests[row["until_stage"], row["order"]] += row["requests"]
    frames = _rows((folder / "frames.csv").read_text(encoding="utf-8"))
    runs = 1 + max(row["run"] for row in frames)
    other = np.zeros((runs, told.sizes["page"]), np.int64)
    for row in frames:
        other[row["run"], row["page"]] = row["pfn"]
    kernel = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))["kernel"]
    told = told.assign(requests=(("stage", "order"), requests), other_runs=(("run", "page"), other))
    told = told.assign_coords(order=np.arange(_ORDERS))
    told.attrs |= {"source": "recorded", "why": "", "kernel": kernel, "text": _("The recorded run.")}
    return told


def effect() -> xr.Dataset:
    """A steady load before and after memory was compacted: the recording `effect`.

    A program took 10.5 GiB in single pages and gave every second one back; blocks free beyond that were set
    aside. It then asked for 400 huge pages in a second, 400 a second, and wrote into all of each ("before").
    These were broken to crumbs as well, compact_memory was written once, in every second turn, and the same
    load came again ("after"); turns without the write are the control. After the write the load ran once
    uncounted: the host of this virtual machine takes back frames that come free, and their first use is slow.

    Returns
    -------
        By `turn` and `phase` ("before", "after"); `written` (turn) tells whether compact_memory was.

        - `unusable`: unusable index of the zone Normal for order 9, right before the load;
        - `latency` (turn, phase, request): time of the first write to each huge page, in ns;
          `latency_p50`, `latency_p99`;
        - `cpu`: CPU time of the program, of that of one CPU; `threads`: that of kcompactd and kswapd;
        - `machine`: how much of the time of both CPUs was busy, with other work of the machine;
        - `refused`: huge pages asked for and not had; `attempts`: direct compactions, `moved`: pages moved,
          both of all programs;
        - `write_cpu` (turn): CPU time of the write, in ns, NaN where there was none.

    Raises
    ------
    ValueError
        If a file is not as it was shipped.

    Examples
    --------
    >>> told = effect()
    >>> bool((told.cpu.sel(phase="after") < told.cpu.sel(phase="before"))[told.written].all())
    True
    """
    folder = program("effect")
    rows = list(csv.DictReader(io.StringIO((folder / "phases.csv").read_text(encoding="utf-8"))))
    loads = {name: _by_phase(rows, name) for name in rows[0] if name != "phase"}
    turns = loads["turn"][:, 0]
    faults = list(csv.DictReader(io.StringIO((folder / "faults.csv").read_text(encoding="utf-8"))))
    latency = np.stack([_by_phase(faults, "ns", turn) for turn in turns.tolist()]).swapaxes(1, 2)
    asked = latency.shape[2]
    write = np.full(turns.size, np.nan)
    for row in rows:
        if row["phase"] == "write":
            write[int(row["turn"])] = int(row["cpu_ns"])
    by, time = ("turn", "phase"), {"units": "ns"}
    return xr.Dataset(
        {
            "unusable": (by, 1 - loads["suitable_pages"] / loads["free_pages"]),
            "latency": ((*by, "request"), latency, time),
            "latency_p50": (by, np.percentile(latency, 50, axis=2), time),
            "latency_p99": (by, np.percentile(latency, 99, axis=2), time),
            "cpu": (by, loads["cpu_ns"] / loads["ns"]),
            "threads": (by, loads["threads_cpu_ns"] / loads["ns"]),
            "machine": (by, loads["machine_busy_ns"] / loads["machine_ns"]),
            "refused": (by, asked - loads["huge_pages"]),
            "attempts": (by, loads["compact_stall"]),
            "moved": (by, loads["pgmigrate_success"]),
            "write_cpu": ("turn", write, time),
        },
        {"turn": turns, "phase": list(PHASES), "written": ("turn", loads["writes"][:, 0] == 1)},
    )


def neighbours(frames: np.ndarray) -> int:
    """Pages whose frame lies right behind that of the page before them.

    Parameters
    ----------
    frames
        Frames of pages that follow each other, shape (page,); pages without one end a row of neighbours.

    Examples
    --------
    >>> neighbours(np.array([7, 8, 0, 9, 12]))
    1
    """
    frames = np.asarray(frames)
    return int(((np.diff(frames) == 1) & (frames[:-1] > NO_FRAME) & (frames[1:] > NO_FRAME)).sum())


def story(told: xr.Dataset) -> xr.Dataset:
    """Tell a run step by step: the heap as the program sees it, and the frames it lies in.

    Parameters
    ----------
    told
        What :func:`run` or :func:`recorded` gave.

    Returns
    -------
        A told story for `compactlab.show`. Rows: blocks in the first page of the heap, one cell for as many
        bytes as a block takes; pages of the heap; frames in the order of physical addresses, with a gap
        wherever frames are no neighbours, each with the number of its page. Measures: bytes in use, bytes in
        holes, frames.
    """
    return _Teller(told).story()


def _read(text: str) -> xr.Dataset:
    """The table the program prints."""
    rows = list(csv.DictReader(io.StringIO(text)))
    numbers = [(row["what"], int(row["stage"]), int(row["number"]), int(row["value"])) for row in rows]
    offset = np.zeros(_NR_BLOCKS, np.int64)
    by_stage = {name: np.zeros(len(STAGES), np.int64) for name in ("break", "free", "top")}
    pages = 1 + max(number for what, _stage, number, _value in numbers if what == "page")
    frame = np.zeros((len(STAGES), pages), np.int64)
    single = {}
    for what, stage, number, value in numbers:
        if what == "block":
            offset[number] = value
        elif what == "page":
            frame[stage, number] = value
        elif what in by_stage:
            by_stage[what][stage] = value
        else:
            single[what] = value
    size = {"units": "bytes"}
    return xr.Dataset(
        {
            "offset": ("block", offset, size),
            "given_back": ("block", np.arange(_NR_BLOCKS) % 2 == 1),
            "large": ((), single["large"], size),
            "large_ns": ((), single["ns"], {"units": "ns"}),
            "heap_end": ("stage", by_stage["break"], size),
            "free": ("stage", by_stage["free"], size),
            "top": ("stage", by_stage["top"], size),
            "frame": (("stage", "page"), frame, {"units": "pfn"}),
        },
        {"stage": list(STAGES)},
        {"page_size": int(by_stage["break"][-1]) // pages},
    )


def _by_phase(rows: list[dict[str, str]], name: str, turn: int | None = None) -> np.ndarray:
    """A column, shape (row, phase), of all turns or of one."""
    of = [row for row in rows if turn is None or int(row["turn"]) == turn]
    return np.array([[int(row[name]) for row in of if row["phase"] == phase] for phase in PHASES]).T


def _rows(text: str) -> list[dict[str, int]]:
    return [{name: int(value) for name, value in row.items()} for row in csv.DictReader(io.StringIO(text))]


_KINDS = (
    N_("not used yet"), N_("malloc's own"), N_("in use"), N_("given back"), N_("half given back"),
    N_("the 5000 bytes"), N_("frame"),
)  # fmt: skip
_UNUSED, _OWN, _USED, _FREE, _HOLES, _LARGE, _FRAME = range(len(_KINDS))
_COLOURS = ("grid", "other", "used", "small2", "small1", "large1", "migrate")
_NO_CELL = 255
_WIDE = 170
"""Units that a row of the story is wide, about: as many cells, or fewer and wider ones."""


@dataclass(frozen=True)
class _Step:
    """What has been done by one step."""

    text: str
    blocks: int = 0  # taken
    freed: int = 0  # of these, every second one up to here was given back
    stage: int = 0  # frames are shown as at this stage, as far as `pages` reach
    pages: int = 0
    large: bool = False
    page: int = -1  # pointed at


class _Teller:
    """Turns the numbers of one run into cells and sentences."""

    def __init__(self, told: xr.Dataset) -> None:
        self.told = told
        self.page_size = int(told.attrs["page_size"])
        self.offset = told.offset.values
        self.step_bytes = int(np.median(np.diff(self.offset)))  # a block with what malloc adds to it
        self.first_row = min(self.page_size, int(self.offset[-1])) // self.step_bytes
        self.frames = told.frame.values
        self.pages = self.frames.shape[1]
        self.slots = self._slots()

    def story(self) -> xr.Dataset:
        steps = list(self._steps())
        rows = [_("first page, by blocks"), _("heap, by pages"), _("frames, by address")]
        cells = (self.first_row, self.pages, 1 + max(self.slots.values(), default=0))
        kind = np.full((len(steps), len(rows), max(cells)), _NO_CELL, np.uint8)
        label = np.full(kind.shape, "", "U8")
        mark = np.full((len(steps), len(rows)), -1, np.int32)
        for number, step in enumerate(steps):
            kind[number, 0, : self.first_row] = [
                self._in_first_page(step, cell) for cell in range(self.first_row)
            ]
            kind[number, 1, : self.pages] = [self._of_page(step, page) for page in range(self.pages)]
            for page, slot in self.slots.items():
                if self._has_frame(step, page):
                    kind[number, 2, slot], label[number, 2, slot] = _FRAME, str(page)
            if step.pages:
                label[number, 1, : self.pages] = [str(page) for page in range(self.pages)]
            mark[number, 1] = step.page
            mark[number, 2] = self.slots.get(step.page, -1) if self._has_frame(step, step.page) else -1
        span = [max(1, round(_WIDE / number)) for number in cells]
        used = [BLOCK * (step.blocks - step.freed // 2) + LARGE * step.large for step in steps]
        holes = [self.step_bytes * (step.freed // 2) for step in steps]
        frames = [sum(self._has_frame(step, page) for page in range(self.pages)) for step in steps]
        names = [_(name) for name in _KINDS]
        return xr.Dataset(
            {
                "kind": (("step", "row", "cell"), kind),
                "label": (("step", "row", "cell"), label),
                "mark": (("step", "row"), mark),
                "span": ("row", span),
                "text": ("step", [step.text for step in steps]),
                "used": ("step", used, {"long_name": _("in use"), "units": _("bytes")}),
                "holes": ("step", holes, {"long_name": _("given back, in holes"), "units": _("bytes")}),
                "frames": ("step", frames, {"long_name": _("physical memory"), "units": _("page frames")}),
            },
            {"row": rows},
            {
                "title": _("1000 blocks of 32 bytes, then 5000 bytes"),
                "kinds": names,
                "colours": dict(zip(names, _COLOURS, strict=True)),
            },
        )

    def _steps(self) -> Iterator[_Step]:
        """Taken page by page, given back in four parts, asked, written."""
        end = memory(int(self.told.heap_end[1]), 1)
        yield _Step(_("The program has started. It has no heap yet."))
        touched = [page for page in range(self.pages) if self.frames[1, page]]
        for page in touched:
            blocks = int(np.searchsorted(self.offset, (page + 1) * self.page_size))
            yield _Step(self._taken(page, blocks, end), blocks, 0, 1, page + 1, page=page)
        nr_blocks = self.offset.size
        for part in range(1, 5):
            text = _(
                "Every second one of the first {blocks} blocks is given back. The kernel does not hear of it: no frame comes free."
            )
            freed = nr_blocks * part // 4
            yield _Step(text.format(blocks=count(freed)), nr_blocks, freed, 2, self.pages)
        page = max(int(self.told.large), 0) // self.page_size
        yield _Step(self._asked(end), nr_blocks, nr_blocks, 3, self.pages, True, page)
        text = _(
            "They are written. The heap now lies in {frames} frames. Frames right behind that of the page before: {neighbours}."
        )
        frames = self.frames[-1]
        if (frames == HIDDEN).any():
            text = _("They are written. The heap now lies in {frames} frames; where, only root sees.")
        numbers = {"frames": int((frames != NO_FRAME).sum()), "neighbours": neighbours(frames)}
        yield _Step(text.format(**numbers), nr_blocks, nr_blocks, 4, self.pages, True, page + 1)

    def _taken(self, page: int, blocks: int, end: str) -> str:
        frame = int(self.frames[1, page])
        if page == 0:
            text = _(
                "The first malloc: the heap is {end} of addresses. The first page is written, and only now gets a frame{which}."
            )
        else:
            text = _(
                "{blocks} blocks are taken. Page {page} of the heap is written and gets a frame{which}: one single page, from anywhere."
            )
        which = f" ({count(frame)})" if frame > NO_FRAME else ""
        return text.format(end=end, blocks=count(blocks), page=page, which=which)

    def _asked(self, end: str) -> str:
        if int(self.told.large) < 0:
            return _("5000 bytes are asked for, and refused.")
        text = _(
            "5000 bytes are asked for. No hole is large enough; they come from the unused end of the heap, at once. Its size stays {end}."
        )
        if int(self.told.heap_end[3]) != int(self.told.heap_end[2]):
            text = _(
                "5000 bytes are asked for. No hole is large enough; the heap, {end} so far, grows for them, at once."
            )
        return text.format(end=end)

    def _slots(self) -> dict[int, int]:
        """Cell of each page's frame: by physical address, with a gap wherever frames are no neighbours."""
        last = self.frames.max(0)
        pages = [page for page in np.argsort(last, kind="stable").tolist() if last[page] > NO_FRAME]
        slots: dict[int, int] = {}
        at = 0
        for before, page in zip([None, *pages], pages, strict=False):
            at += 0 if before is None else 1 if last[page] == last[before] + 1 else 2
            slots[page] = at
        return slots

    def _has_frame(self, step: _Step, page: int) -> bool:
        return 0 <= page < step.pages and self.frames[step.stage, page] != NO_FRAME

    def _in_first_page(self, step: _Step, cell: int) -> int:
        """What lies in the middle of a cell as long as a block."""
        if not step.pages:
            return _NO_CELL
        place = cell * self.step_bytes + self.step_bytes // 2
        block = int(np.searchsorted(self.offset, place, side="right")) - 1
        if block < 0:
            return _OWN
        if block >= step.blocks:
            return _UNUSED
        return _FREE if block < step.freed and block % 2 else _USED

    def _of_page(self, step: _Step, page: int) -> int:
        if not step.pages or page * self.page_size >= int(self.told.heap_end[max(step.stage, 1)]):
            return _NO_CELL
        begin, end = page * self.page_size, (page + 1) * self.page_size
        if step.large and begin < int(self.told.large) + LARGE and end > int(self.told.large):
            return _LARGE
        first, last = np.searchsorted(self.offset, (begin, end))
        if first >= step.blocks or first == last:
            return _UNUSED
        return _HOLES if last <= step.freed else _USED
