"""The clocks of several recordings brought to one."""

from __future__ import annotations

from collections.abc import Iterable

import xarray as xr

from .errors import ParseError
from .recording import Recording


def one_clock(recordings: list[Recording], problems: list[str]) -> str:
    """Bring all times to the wall clock where a header links the two, or leave them as they are."""
    offsets = [recording for recording in recordings if recording.offset is not None]
    by_clock = {recording.clock: recording.name for recording in reversed(recordings)}
    if "wall" in by_clock and "monotonic" in by_clock:
        if not offsets:
            raise ParseError(
                f"{by_clock['wall']} and {by_clock['monotonic']}",
                "wall clock times in the one and times since boot in the other",
                "one clock, or a recording whose header tells both",
                "Read the two apart",
            )
        for recording in recordings:
            if recording.clock == "monotonic":
                _shift(recording, offsets[0].offset or 0)
    clock = next((known for known in ("wall", "monotonic") if known in by_clock), "none")
    if clock == "none":
        _count_on(recordings, problems)
    elif "none" in by_clock:
        _place_unstamped(recordings, problems)
    return clock


def _count_on(recordings: list[Recording], problems: list[str]) -> None:
    """Without any clock, snapshots of one kind in several files follow each other as the files do."""
    known: dict[str, list[xr.Dataset]] = {}
    for recording in recordings:
        for group, dataset in recording.groups.items():
            before = known.setdefault(group, [])
            if before and not (group == "extfrag" and _complement(before[-1], dataset)):
                shifted = dataset.time + int(before[-1].time.values[-1]) + 1
                recording.groups[group] = dataset.assign_coords(time=shifted)
                told = f"{recording.name}: has no time stamp; only the order of the files is known"
                problems += [told] if told not in problems else []
            before.append(recording.groups[group])


def _complement(one: xr.Dataset, other: xr.Dataset) -> bool:
    """Whether one holds extfrag_index and the other unusable_index."""
    return {"fragmentation_index", "unusable_index"} <= set(one) ^ set(other)


def _place_unstamped(recordings: list[Recording], problems: list[str]) -> None:
    """Files without any clock stand at the start of the run, unless stamped ones hold the same."""
    stamped = [recording for recording in recordings if recording.clock != "none"]
    start = first_time(item for recording in stamped for item in recording.groups.items())
    for recording in recordings:
        if recording.clock != "none":
            continue
        for group in recording.groups:
            for other in stamped:
                if group in other.groups:
                    raise ParseError(
                        f"{recording.name} and {other.name}",
                        f"{group} without a time stamp in the one and with stamps in the other",
                        "time stamps in both",
                        "Read the two apart",
                    )
        _shift(recording, start)
        problems.append(f"{recording.name}: has no time stamp; it was placed at the start of the run")


def _shift(recording: Recording, by: int) -> None:
    for group, dataset in recording.groups.items():
        if group == "phases":
            recording.groups[group] = dataset.assign(start=dataset.start + by, end=dataset.end + by)
        else:
            recording.groups[group] = dataset.assign_coords(time=dataset.time + by)


def first_time(groups: Iterable[tuple[str, xr.Dataset]]) -> int:
    """Earliest time of some groups, ns on their clock; 0 if there are none."""
    times = (dataset.start if group == "phases" else dataset.time for group, dataset in groups)
    return min((int(time.min()) for time in times), default=0)
