"""Every shipped recording loads, is what was shipped, and shows what its title says."""

import gzip
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from compactlab import datasets, metrics, readers, schema
from compactlab.core import memory

ROOT = Path(__file__).parents[1]
NAMES = [entry.name for entry in datasets.list()]


@pytest.fixture(scope="module")
def load():
    """Load each recording once."""
    loaded: dict[str, xr.DataTree] = {}

    def once(name: str) -> xr.DataTree:
        if name not in loaded:
            loaded[name] = datasets.load(name)
        return loaded[name]

    return once


def unusable(run: xr.DataTree, order: int = 9) -> xr.DataArray:
    return metrics.unusable_index(run).sel(zone="0/Normal", order=order)


def during(run: xr.DataTree, phase: str, group: str) -> np.ndarray:
    phases = run["phases"]
    at = phases["name"].values == phase
    elapsed = run[group]["elapsed"].values
    return (elapsed >= phases["start"].values[at]) & (elapsed < phases["end"].values[at])


def counted(run: xr.DataTree, counter: str, *phases: str) -> int:
    """How far a counter went, over the whole run or some phases in a row."""
    column = run["counters"].to_dataset().sel(counter=counter)
    chosen = column["present"].values.copy()
    if phases:
        at = np.flatnonzero(np.logical_or.reduce([during(run, phase, "counters") for phase in phases]))
        chosen &= np.isin(np.arange(chosen.size), np.arange(at[0] - 1, at[-1] + 1))  # from the sample before
    values = column["value"].values[chosen]
    return int(values[-1] - values[0])


def events(run: xr.DataTree, name: str, **fields: str) -> xr.Dataset:
    found = run["events"].to_dataset()
    chosen = found["name"].values == name
    for field, value in fields.items():
        chosen &= found[field].values == value
    return found.isel(event=chosen)


def test_list__has_at_least_six_with_titles():
    table = datasets.list()
    assert len(table) >= 6
    assert all(entry.name in repr(table) and entry.title in repr(table) for entry in table)
    assert table._repr_html_().count("<tr>") == len(table) + 1


@pytest.mark.parametrize("name", NAMES)
def test_load__valid_and_described(load, name):
    run = load(name)
    schema.validate(run)
    assert {"zones", "extfrag", "counters"} <= set(run.children)
    assert run.attrs["name"] == name
    entry = next(entry for entry in datasets.list() if entry.name == name)
    assert run.attrs["kernel"] == entry.kernel
    assert run.attrs["page_size"] == 4096
    assert run.attrs["pageblock_order"] == 9
    assert list(run["phases"]["name"].values if "phases" in run.children else []) == entry.phases
    assert entry.licence == "CC0-1.0"
    assert entry.title
    assert entry.description
    assert entry.command
    assert entry.machine


@pytest.mark.parametrize("name", NAMES)
def test_folder__small_and_complete(name):
    folder = datasets.path(name)
    files = {file.name: file.stat().st_size for file in folder.iterdir()}
    assert sum(files.values()) <= (3_000_000 if "pages_before.npz" in files else 500_000)
    described = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))["files"]
    assert {file: size for file, size in files.items() if file != "dataset.json"} == {
        file: facts["bytes"] for file, facts in described.items()
    }


def test_load__changed_file_is_refused(tmp_path, monkeypatch):
    (tmp_path / "healthy").mkdir()
    for file in datasets.path("healthy").iterdir():
        (tmp_path / "healthy" / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(datasets, "FOLDER", tmp_path)
    assert datasets.load("healthy").attrs["name"] == "healthy"
    with (tmp_path / "healthy" / "recording.txt.gz").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ValueError, match=r"recording\.txt\.gz: sha256 is .* not the file that was shipped"):
        datasets.load("healthy")
    (tmp_path / "healthy" / "recording.txt.gz").unlink()
    with pytest.raises(ValueError, match="no such file"):
        datasets.load("healthy")


def test_path__unknown_name_has_the_nearest():
    with pytest.raises(KeyError) as caught:
        datasets.path("manual-compation")
    assert "did you mean manual-compaction" in str(caught.value)
    with pytest.raises(KeyError, match="whole-story"):
        datasets.path("zzz")


def test_whole_story__direct_background_manual(load):
    run = load("whole-story")
    assert counted(run, "compact_stall") > 800
    assert counted(run, "compact_daemon_wake") == 2
    roles = set(events(run, "mm_compaction_begin")["role"].values)
    assert {"holder", "kcompactd", "manual"} <= roles
    orders = events(run, "mm_compaction_kcompactd_wake")["order"].values
    assert len(orders) == 2
    assert (orders == 9).all()  # -1 would be proactive
    assert run["allocations"]["source"].values[0] == "faults1"


def test_manual_compaction__tidies_the_zone(load):
    run = load("manual-compaction")
    assert counted(run, "pgmigrate_success", "frozen", "after_compact") == 860_363
    index = unusable(run).values[during(run, "frozen", "zones")]
    assert index[0] > 0.99
    assert index[-1] < 0.1
    ends = events(run, "mm_compaction_end")
    assert set(ends["status"].values) == {"complete"}
    assert (ends["elapsed"].values.max() - events(run, "mm_compaction_begin")["elapsed"].values.min()) < 2e9


def test_manual_compaction_given_up__contended(load):
    run = load("manual-compaction-given-up")
    assert list(events(run, "mm_compaction_end", zone="0/Normal")["status"].values) == ["contended"]
    assert events(run, "mm_compaction_migratepages")["nr_migrated"].sum() == 169_769
    assert unusable(run).values[during(run, "after_compact", "zones")][-1] > 0.8


def test_direct_compaction__faults_wait_about_a_millisecond(load):
    run = load("direct-compaction")
    assert (
        counted(run, "compact_success", "direct_demand")
        == counted(run, "compact_stall", "direct_demand")
        == 348
    )
    allocations = run["allocations"].to_dataset()
    assert allocations.sizes["allocation"] == 512
    assert allocations["success"].all()
    compacted = allocations["compact_success"].values > 0
    assert 0.5e6 < np.median(allocations["latency_ns"].values[compacted]) < 2e6


def test_direct_compaction_fails__mostly_refused(load):
    run = load("direct-compaction-fails")
    assert events(run, "mm_compaction_try_to_compact_pages").sizes["event"] == 1781
    attempts = counted(run, "compact_stall", "direct_demand")
    assert 0.99 < counted(run, "compact_fail", "direct_demand") / attempts < 1
    success = run["allocations"]["success"].values
    assert (success.size, int((~success).sum())) == (768, 586)
    assert run["allocations"]["latency_ns"].values.max() > 0.4e9
    assert events(run, "mm_compaction_deferred").sizes["event"] > 1000


def test_background_compaction__kswapd_wakes_kcompactd(load):
    run = load("background-compaction")
    assert counted(run, "compact_daemon_wake") == 2
    kswapd, kcompactd = (events(run, name)["elapsed"].values for name in _WAKES)
    assert len(kcompactd) == 2
    assert kswapd[0] < kcompactd[0]
    assert set(events(run, "mm_compaction_begin")["role"].values) == {"kcompactd"}
    assert 5.5 < np.ptp(run["zones"]["elapsed"].values) / 1e9 < 6.5


_WAKES = ("mm_vmscan_kswapd_wake", "mm_compaction_kcompactd_wake")


def test_proactive_compaction__half_becomes_usable_unasked(load):
    run = load("proactive-compaction")
    assert set(events(run, "mm_compaction_begin")["role"].values) == {"kcompactd"}
    assert counted(run, "compact_stall") == 0
    index = unusable(run).values
    assert index[during(run, "hold_fragmented", "zones")].min() > 0.99
    assert index[during(run, "proactive_hold", "zones")][-1] == pytest.approx(0.5, abs=0.03)
    assert run["allocations"]["success"].all()


def test_page_cache__memory_is_full_of_files(load):
    run = load("page-cache")
    counters = run["counters"].to_dataset().sel(counter="nr_file_pages")["value"].values
    pages = counters[during(run, "hold_fragmented", "counters")]
    assert pages.min() * 4096 > 11 * 2**30
    assert {"holder", "manual"} <= set(events(run, "mm_compaction_begin")["role"].values)


def test_healthy__large_blocks_are_plentiful(load):
    run = load("healthy")
    assert unusable(run).max() < 0.2
    assert (run["zones"].to_dataset().sel(zone="0/Normal", order=10)["nr_free"] > 100).all()
    assert counted(run, "compact_stall") == 0
    assert {"zoneinfo", "migratetypes"} <= set(run.children)
    outcome = metrics.verdict(run, order=9).sel(zone="0/Normal")["outcome"].values
    assert (outcome == metrics.OUTCOMES.index("would_succeed")).all()


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("page-map")])
def test_page_maps__whole_and_with_their_trace(load, name):
    run = load(name)
    assert run["pages/name"].values.tolist() == ["before", "after"]
    assert run["pages"].sizes["pfn"] == 24 * 2**30 // 4096 + 2**18  # the hole below 4 GiB lies between
    assert (run["pageblocks/nr_pages"].sum("kind") == 512).all()
    assert {"mm_compaction_isolate_migratepages", "mm_compaction_isolate_freepages"} <= set(
        run["events/name"].values
    )
    holes = (run["pages/kind"].values == memory.HOLE).sum(1)
    assert (holes > 2**18).all()


def test_page_map_compaction__maps_show_what_the_lists_show(load):
    run = load("page-map-compaction")
    kind, order = run["pages/kind"].values, run["pages/order"].values
    huge = ((kind == memory.FREE) & (order == 10)).sum(1)
    assert huge[0] < 30
    assert huge[1] > 1500
    outcome = metrics.outcome(run, "0/Normal")
    assert (int(outcome.migrated), str(outcome.status.values)) == (860_363, "complete")
    moved = (kind[0] != kind[1]).sum()
    assert moved > 860_363  # a source becomes free, a target is taken


def test_page_map_pinned__pins_stay_where_they_are(load):
    run = load("page-map-pinned")
    kind, flags = run["pages/kind"].values, run["pages/flags"].values
    pinned = flags & memory.PINNED > 0
    assert pinned.sum(1).tolist() == [1530, 1530]
    assert (kind[pinned] == memory.ANON).all()
    assert metrics.unusable_index(metrics.outcome(run, "0/Normal").nr_free)[9] == pytest.approx(
        0.389, abs=0.001
    )


def test_page_map_direct__huge_pages_lie_where_the_faults_say(load):
    run = load("page-map-direct")
    allocations = run["allocations"].to_dataset()
    assert allocations.success.values.all()
    assert int((allocations.compact_success.values > 0).sum()) == 321
    first = allocations.pfn.values
    assert (run["pages/kind"].values[1, first] == memory.ANON).all()
    assert (run["pages/order"].values[1, first] == 9).all()


def test_cut__writes_the_same_bytes_and_alters_no_line(tmp_path, groundtruth):
    (tmp_path / "cut.py").write_text(
        (ROOT / "datasets" / "cut.py").read_text(encoding="utf-8"), encoding="utf-8"
    )
    (tmp_path / "healthy").mkdir()
    recording = datasets.path("healthy") / "recording.txt.gz"
    (tmp_path / "healthy" / recording.name).write_bytes(recording.read_bytes())
    subprocess.run([sys.executable, tmp_path / "cut.py", groundtruth], check=True, capture_output=True)
    for name in NAMES:
        for file in datasets.path(name).iterdir():
            made = (tmp_path / name / file.name).read_bytes()
            assert _content(made) == _content(file.read_bytes()), file
    shipped = set(_content((datasets.path("whole-story") / "trace.txt.gz").read_bytes()).splitlines())
    original = set(_content((groundtruth / "ts_direct_kcompactd" / "trace.txt.gz").read_bytes()).splitlines())
    assert shipped < original


def _content(data: bytes) -> bytes:  # another zlib may pack the same text otherwise
    if data[:2] == b"PK":
        with np.load(io.BytesIO(data)) as arrays:
            return b"".join(arrays[name].tobytes() for name in arrays)
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else b"" if data[:1] == b"{" else data


def test_readers__folder_reads_as_the_name_does(load):
    assert readers.read(datasets.path("healthy")).identical(load("healthy"))
