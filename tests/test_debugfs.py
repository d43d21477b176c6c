"""The kernel's own debugfs values judge both indices: recorded ones, and this machine's if it has them."""

import re
from pathlib import Path

import numpy as np
import pytest

import compactlab
from compactlab import metrics

LIVE = Path("/sys/kernel/debug/extfrag")


def _compare(run):
    """Compare every race-free sample; return the number of values of each index, and of telling ones."""
    judge = run["extfrag"].to_dataset()
    zones = run["zones"].to_dataset()
    judge = judge.isel(time=judge.same.values & np.isin(judge.elapsed.values, zones.elapsed.values))
    rows = np.searchsorted(zones.elapsed.values, judge.elapsed.values)
    assert (zones.elapsed.values[rows] == judge.elapsed.values).all()
    counted = {}
    for name in ("fragmentation_index", "unusable_index"):
        ours = (
            getattr(metrics, name)(run)
            .isel(time=rows)
            .sel(zone=judge.zone.values, order=judge.order.values)
            .values
        )
        theirs, listed = judge[name].values, judge.present.values
        np.testing.assert_array_equal(np.rint(ours[listed] * 1000), np.rint(theirs[listed] * 1000))
        counted[name] = int(listed.sum())
        counted[f"telling {name}"] = int((listed & ~np.isin(theirs, (-1, 0, 1))).sum())
    return counted


def _judge(runs, capsys, where):
    total = {}
    for run in runs:
        for name, count in _compare(run).items():
            total[name] = total.get(name, 0) + count
    with capsys.disabled():
        print(
            f"\n  {where}, equal to debugfs:", ", ".join(f"{name} {count:,}" for name, count in total.items())
        )
    assert min(total.values()) > 0
    return total


def test_indices__equal_debugfs_in_shipped_datasets(capsys):
    runs = (compactlab.datasets.load(entry.name) for entry in compactlab.datasets.list())
    _judge((run for run in runs if "extfrag" in run.children), capsys, "shipped datasets")


def test_indices__equal_debugfs_in_all_recordings(groundtruth, capsys):
    series = sorted(groundtruth.glob("*/series.txt.gz"))
    assert series
    total = _judge((compactlab.read(path) for path in series), capsys, f"{len(series)} recordings")
    assert total["fragmentation_index"] == total["unusable_index"]


def _parse(text):
    """Thousandths per zone; a value between 0 and -1 is printed as `0.-500`."""
    return {
        re.sub(r"Node (\d+), zone +(\S+).*", r"\1/\2", line): [
            int(whole) * 1000 + int(part) for whole, part in re.findall(r"(-?\d+)\.(-?\d+)", line)
        ]
        for line in text.splitlines()
    }


def test_indices__equal_debugfs_on_this_machine(capsys):
    try:
        (LIVE / "extfrag_index").read_text()
    except OSError as error:
        pytest.skip(f"this machine shows no debugfs indices: {error}")
    buddyinfo, compared = Path("/proc/buddyinfo"), 0
    for _ in range(400):
        before = buddyinfo.read_text()
        theirs = {
            "fragmentation_index": _parse((LIVE / "extfrag_index").read_text()),
            "unusable_index": _parse((LIVE / "unusable_index").read_text()),
        }
        if buddyinfo.read_text() != before:
            continue
        run = compactlab.read(before)
        for name, rows in theirs.items():
            ours = getattr(metrics, name)(run).isel(time=0)
            for zone, values in rows.items():
                assert (
                    np.rint(ours.sel(zone=zone).values[: len(values)] * 1000).astype(int).tolist() == values
                )
                compared += len(values)
    with capsys.disabled():
        print(f"\n  this machine, equal to debugfs: {compared:,} values")
    assert compared > 0
