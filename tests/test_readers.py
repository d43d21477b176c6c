"""Good recordings of every format, as users have them."""

from __future__ import annotations

import gzip
import io
import itertools
from datetime import UTC, datetime

import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from proctexts import BUDDYINFO, ZONEINFO, stamped

from compactlab import datasets, schema
from compactlab.readers import ParseError, read


def as_dict(run, time: int) -> dict:
    zones = run["zones"].to_dataset().isel(time=time)
    return {
        (int(zone.node), str(zone.zone_name.item())): zone.nr_free.values[zone.present.values].tolist()
        for _, zone in zones.groupby("zone", squeeze=False)
        for zone in [zone.squeeze("zone")]
        if zone.present.any()
    }


@settings(deadline=None, max_examples=60)
@given(strategies.snapshots(), st.booleans(), st.sampled_from([1, 60]))
def test_read__gives_back_every_stamped_buddyinfo(taken, trailing, step):
    text = "".join(
        f"{10**9 + i * step}\n{strategies.buddyinfo(snapshot, trailing)}" for i, snapshot in enumerate(taken)
    )
    run = read(text)
    assert [as_dict(run, i) for i in range(len(taken))] == taken
    assert run["zones/elapsed"].values.tolist() == [i * step * 10**9 for i in range(len(taken))]
    absent = run["zones/nr_free"].values[~run["zones/present"].values]
    assert not absent.any()
    orders = np.arange(run["zones"].sizes["order"])
    assert (run["zones/free_pages"].values == (run["zones/nr_free"].values << orders).sum(-1)).all()


@settings(deadline=None, max_examples=60)
@given(strategies.TIMES, st.sampled_from(sorted(strategies.STAMPS)))
def test_read__knows_every_shape_of_stamp(moment, shape):
    run = read(f"{strategies.STAMPS[shape](moment)}\n{BUDDYINFO}")
    assert run.attrs["clock"] == "wall"
    assert run["zones/time"].values[0] == np.datetime64(moment.replace(tzinfo=None), "ns")
    assert run.attrs["problems"] == []


@settings(deadline=None, max_examples=60)
@given(strategies.pagetypeinfo())
def test_read__gives_back_every_pagetypeinfo(printed):
    zones, types, counts, blocks, text = printed
    group = read(text)["migratetypes"]
    assert group.zone.values.tolist() == [f"{node}/{name}" for node, name in zones]
    assert set(group.migratetype.values) == set(types)
    for (zone, kind), numbers in counts.items():
        cell = group.to_dataset().sel(zone=f"{zone[0]}/{zone[1]}", migratetype=kind).isel(time=0)
        assert cell.nr_free.values.tolist() == [min(n, 100_000) for n in numbers]
        assert cell.censored.values.tolist() == [n > 100_000 for n in numbers]
        assert cell.nr_pageblocks == blocks[zone, kind]


@settings(deadline=None, max_examples=60)
@given(strategies.vmstat())
def test_read__gives_back_every_vmstat(taken):
    text = "".join(
        f"{10**9 + i}\n" + "".join(f"{key} {value}\n" for key, value in sample.items())
        for i, sample in enumerate(taken)
    )
    group = read(text)["counters"]
    for i, sample in enumerate(taken):
        assert dict(zip(group.counter.values, group.value.values[i].tolist(), strict=True)) == sample


@pytest.mark.parametrize(
    "wrap", ["path", "paths", "folder", "text", "bytes", "gz", "text file", "binary file"]
)
def test_read__takes_every_source(tmp_path, wrap):
    path = tmp_path / "loop.txt"
    path.write_text(stamped(3))
    packed = tmp_path / "packed.bin"
    packed.write_bytes(gzip.compress(stamped(3).encode()))
    if wrap == "folder":
        packed.unlink()
    source = {
        "path": str(path),
        "paths": [path],
        "folder": tmp_path,
        "text": stamped(3),
        "bytes": stamped(3).encode(),
        "gz": packed,
        "text file": io.StringIO(stamped(3)),
        "binary file": io.BytesIO(stamped(3).encode()),
    }[wrap]
    run = read(source)
    assert run["zones/nr_free"].shape == (3, 3, 11)
    assert run.attrs["provenance"][0]["bytes"] > 0
    assert len(run.attrs["provenance"][0]["sha256"]) == 64


def test_read__single_snapshot_has_no_clock():
    run = read(BUDDYINFO)
    assert run.attrs["clock"] == "none"
    assert run["zones/elapsed"].values.tolist() == [0]


def test_read__unstamped_snapshots_keep_their_order_and_say_so():
    run = read(BUDDYINFO * 3)
    assert run["zones/elapsed"].values.tolist() == [0, 1, 2]
    assert any("only their order" in problem for problem in run.attrs["problems"])


def test_read__stamp_without_time_zone_is_utc_and_says_so():
    assert any("no time zone" in p for p in read(f"2026-11-23 11:42:54\n{BUDDYINFO}").attrs["problems"])
    run = read(f"Mon Nov 23 11:42:54 CET 2026\n{BUDDYINFO}")
    assert run["zones/time"].values[0] == np.datetime64("2026-11-23T11:42:54")
    assert any("CET" in problem for problem in run.attrs["problems"])


def test_read__recorder_header_gives_the_wall_clock():
    text = (
        "@@ 5000000000 header\nformat compactlab 1\nrealtime_ns 1795434174000000000\nkernel 6.18.44\n"
        f"machine x86_64\npage_size 16384\ninterval_s 1\n@@ 5000000100 buddyinfo\n{BUDDYINFO}"
        f"@@ 6000000100 buddyinfo\n{BUDDYINFO}@@ 6000000200 vmstat\nnr_free_pages 3\n"
    )
    run = read(text)
    first = np.datetime64(datetime.fromtimestamp(1795434174, UTC).replace(tzinfo=None), "ns")
    assert run["zones/time"].values[0] == first + np.timedelta64(100, "ns")
    assert run["counters/elapsed"].values.tolist() == [1_000_000_100]
    assert run.attrs["start_ns"] == 1795434174000000100
    assert {k: run.attrs[k] for k in ("clock", "kernel", "machine", "page_size")} == {
        "clock": "wall",
        "kernel": "6.18.44",
        "machine": "x86_64",
        "page_size": 16384,
    }


def test_read__each_header_sets_the_clock_anew():
    boot = "@@ {0}10 header\nrealtime_ns {1}\n@@ {0}20 buddyinfo\n" + BUDDYINFO
    run = read(boot.format(5, 10**18) + boot.format(3, 10**18 + 1000))
    assert run["zones/elapsed"].values.tolist() == [0, 1000]
    assert run.attrs["start_ns"] == 10**18 + 10


def test_read__file_without_stamps_beside_one_with_nothing_in_it():
    run = read([io.StringIO("t_mono_ns,phase\n5,end\n"), io.StringIO(BUDDYINFO)])
    assert list(run.children) == ["zones"]
    assert run["zones/elapsed"].values.tolist() == [0]
    assert any("lists no phases" in problem for problem in run.attrs["problems"])


def test_read__header_of_one_file_puts_others_on_the_wall_clock(tmp_path):
    (tmp_path / "a.txt").write_text(
        f"@@ 10 header\nrealtime_ns 1000000000000000000\n@@ 20 buddyinfo\n{BUDDYINFO}"
    )
    (tmp_path / "phases.csv").write_text("t_mono_ns,phase\n15,rest\n25,work\n40,end\n")
    run = read(tmp_path)
    assert run.attrs["start_ns"] == 1_000_000_000_000_000_005
    assert run["phases/start"].values.tolist() == [0, 10]
    assert run["phases/end"].values.tolist() == [10, 25]
    assert run["phases/name"].values.tolist() == ["rest", "work"]
    assert run["zones/elapsed"].values.tolist() == [5]


def test_read__changed_lists_are_flagged_racy():
    indices = "Node 0, zone   Normal -1.000 0.-500 0.995 \n"
    text = (
        "@@ 1 buddyinfo\nNode 0, zone   Normal      4      0      1 \n"
        f"@@ 1 extfrag_index same=1\n{indices}@@ 1 unusable_index same=1\n{indices.replace('-', '')}"
        "@@ 2 buddyinfo\nNode 0, zone   Normal      4      0      1 \n"
        f"@@ 2 extfrag_index same=0\n{indices}@@ 2 unusable_index same=0\n{indices.replace('-', '')}"
        "@@ 3 buddyinfo_after\nNode 0, zone   Normal      5      0      1 \n"
    )
    run = read(text)
    assert run["zones/flags"].values.tolist() == [[0], [schema.RACY]]
    assert run["extfrag/same"].values.tolist() == [True, False]
    assert run["extfrag/fragmentation_index"].values[0, 0].tolist() == [-1.0, -0.5, 0.995]
    assert run["zones"].sizes["time"] == 2


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (BUDDYINFO, 4096),
        ("Node 0, zone   Normal 1 2 3 \nNode 0, zone  HighMem 1 2 3 \n", 4096),
        ("Node 0, zone   Normal" + " 1" * 11 + "\n", "unknown"),
        ("Node 0, zone    DMA32" + " 1" * 14 + "\n", "unknown"),
    ],
)
def test_read__infers_the_page_size_only_on_evidence(text, size):
    assert read(text).attrs["page_size"] == size
    assert read(text, page_size=65536).attrs["page_size"] == 65536


def test_read__watermarks_of_a_boosted_zone_are_those_of_the_zone_at_rest():
    zone = datasets.load("page-map-direct")["zoneinfo"].to_dataset().sel(zone="0/Normal")
    assert zone.boost.values.tolist() == [512, 0]
    assert zone.watermark.values.tolist() == [[14769, 20163, 25557, 30951]] * 2


def test_read__zoneinfo_by_key():
    zones = read(ZONEINFO)["zoneinfo"].to_dataset().isel(time=0)
    dma, normal = zones.sel(zone="0/DMA"), zones.sel(zone="0/Normal")
    without_boost = {"min": 42 - 7, "low": 52 - 7, "high": 62 - 7, "promo": 72 - 7}
    assert dict(zip(zones.mark.values, dma.watermark.values, strict=True)) == without_boost
    assert dma.lowmem_reserve.values.tolist() == [0, 1934, 3917]
    sizes = (
        "boost",
        "spanned_pages",
        "present_pages",
        "managed_pages",
        "start_pfn",
        "nr_free_pages",
        "nr_free_cma",
    )
    assert [int(dma[name]) for name in sizes] == [7, 4095, 3998, 3840, 1, 3580, 9]
    assert [int(normal[name]) for name in sizes] == [-1, 0, 0, 0, -1, 0, -1]
    assert zones.cpu.values.tolist() == [0, 3]
    assert dma.pcp_count.values.tolist() == [12, 4]
    assert dma.pcp_high.values.tolist() == [13, 14]
    assert normal.pcp_count.values.tolist() == [-1, -1]


def test_read__zone_index_is_unknown_for_a_zone_no_kernel_has():
    zones = read("Node 0, zone Odd\n  pages free 1\n        min 1\n        protection: (0)\n")["zoneinfo"]
    assert zones["zone_idx"].values.tolist() == [-1]


def test_read__events_know_their_zone():
    trace = (
        "# t_ns(CLOCK_MONOTONIC) cpu role event args ; lost=0\n"
        "100 1 manual mm_compaction_begin zone_start=0x1000 migrate_pfn=0x1000 free_pfn=0x1e00 "
        "zone_end=0x2000, mode=sync\n"
        "110 1 manual mm_compaction_isolate_migratepages range=(0x1000 ~ 0x1200) nr_scanned=512 nr_taken=32\n"
        "120 1 manual mm_compaction_migratepages nr_migrated=31 nr_failed=1\n"
        "130 1 manual mm_compaction_finished node=0 zone=DMA32    order=-1 ret=continue\n"
        "140 1 manual mm_page_alloc_extfrag pfn=0x1100 alloc_order=3 alloc_migratetype=1 change_ownership=1\n"
    )
    events = read([io.StringIO(trace), io.StringIO(f"@@ 90 buddyinfo\n{BUDDYINFO}")])["events"]
    assert events["zone"].values.tolist() == ["0/DMA32"] * 5
    assert events["start_pfn"].values.tolist()[:3] == [0x1000, 0x1000, schema.NO_INTEGER]
    assert events["end_pfn"].values.tolist()[:2] == [0x2000, 0x1200]
    assert events["order"].values.tolist()[3:] == [-1, 3]
    assert events["mode"].values.tolist()[:2] == ["sync", ""]
    assert events["nr_migrated"].values.tolist()[2] == 31
    assert events["elapsed"].values.tolist() == [10, 20, 30, 40, 50]


def test_read__uncounted_event_arguments_are_told_once():
    run = read("1000 0 other mm_page_alloc_extfrag pfn=0x11 change_ownership=1 odd=2\n2000 0 other x odd=3\n")
    assert [p for p in run.attrs["problems"] if "odd (2)" in p and "change_ownership (1)" in p]


def test_read__two_index_files_make_one_sample(samples):
    run = read(sorted((samples / "extfrag_debugfs").iterdir()))
    assert run["extfrag/fragmentation_index"].values[0, 2, -2:].tolist() == [0.971, 0.984]
    assert run["extfrag/unusable_index"].values[0, 2, -2:].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("kind", ["buddyinfo", "pagetypeinfo", "zoneinfo", "vmstat", "extfrag_debugfs"])
def test_read__every_sample_loads(samples, kind):
    group = {
        "buddyinfo": "zones",
        "pagetypeinfo": "migratetypes",
        "zoneinfo": "zoneinfo",
        "vmstat": "counters",
        "extfrag_debugfs": "extfrag",
    }[kind]
    files = sorted((samples / kind).iterdir())
    assert files
    for file in files:
        run = read(file)
        if kind == "pagetypeinfo":
            counted = not run["migratetypes/censored"].values.any()
            assert set(run.children) == {group, "zones"} if counted else {group}
            assert len(run.attrs["problems"]) == 1
        else:
            assert list(run.children) == [group]
            assert run.attrs["problems"] == []
        words = file.read_text().split()
        if kind == "buddyinfo":
            counts = [int(word) for line in file.read_text().splitlines() for word in line.split()[4:]]
            assert run["zones/nr_free"].values.ravel().tolist() == counts
        if kind == "vmstat":
            assert run["counters/value"].values.ravel().tolist() == [int(word) for word in words[1::2]]
        if kind == "pagetypeinfo":
            assert run["migratetypes/censored"].values.sum() == sum(word.startswith(">") for word in words)
        if kind == "zoneinfo":
            free = [int(b) for a, b in itertools.pairwise(words) if a == "free"][: words.count("pages")]
            assert run["zoneinfo/nr_free_pages"].values.ravel().tolist() == free


@pytest.mark.parametrize("folder", ["ts_direct_kcompactd", "every2_direct"])
def test_read__groundtruth_folder(groundtruth, folder):
    path = groundtruth / folder
    run = read(path)
    text = gzip.decompress((path / "series.txt.gz").read_bytes()).decode()
    samples = text.count(" buddyinfo\n")
    if (path / "meta_before.txt.gz").exists():
        for meta in path.glob("meta_*.txt.gz"):
            samples += gzip.decompress(meta.read_bytes()).decode().count(" /proc/buddyinfo\n")
        assert run["zoneinfo"].sizes["time"] == 2
        assert (run["zoneinfo/pcp_count"].values.sum(-1)[:, 2] > 0).all()
    assert run["zones"].sizes["time"] == samples
    assert run["extfrag/same"].values.sum() == text.count("extfrag_index same=1")
    trace = gzip.decompress((path / "trace.txt.gz").read_bytes()).decode().splitlines()[1:]
    assert run["events"].sizes["event"] == len(trace)
    moved = sum(int(line.split("nr_migrated=")[1].split()[0]) for line in trace if "nr_migrated=" in line)
    migrated = run["events/nr_migrated"].values
    assert migrated[migrated != schema.NO_INTEGER].sum() == moved
    assert set(run["events/zone"].values) <= {"0/DMA", "0/DMA32", "0/Normal", ""}
    faults = [
        line for file in path.glob("*.csv") for line in file.read_text().splitlines() if line.endswith(",0")
    ]
    assert run["allocations"].sizes["allocation"] == len(faults)
    assert (run["allocations/order"].values == 9).all()
    assert run.attrs["kernel"] == "6.18.44"
    assert run.attrs["pageblock_order"] == 9
    assert min(int(group["elapsed"].min()) for name, group in run.children.items() if name != "phases") >= 0


def test_read__folder_lists_what_it_cannot_read(tmp_path):
    (tmp_path / "loop.txt").write_text(stamped(2))
    np.savez(tmp_path / "pages_before.npz", other=np.arange(3))
    (tmp_path / "notes.txt").write_text("hello\n")
    (tmp_path / "README.md").write_text("# about\n")
    (tmp_path / "dataset.json").write_text('{"name": "lesson-1", "kernel": "6.1", "page_size": 4096}')
    run = read(tmp_path)
    assert run.attrs["name"] == "lesson-1"
    assert run.attrs["kernel"] == "6.1"
    assert [problem.split(":")[0] for problem in run.attrs["problems"]] == ["notes.txt", "pages_before.npz"]


def test_read__parts_of_one_loop_follow_each_other(tmp_path):
    (tmp_path / "b.txt").write_text(stamped(2, first=2_000_000_000))
    (tmp_path / "a.txt").write_text(stamped(3, first=2_000_000_005))
    run = read([tmp_path / "a.txt", tmp_path / "b.txt"])
    assert run["zones/elapsed"].values.tolist() == [n * 10**9 for n in (0, 1, 5, 6, 7)]


def test_read__same_sample_in_two_files_counts_once(tmp_path):
    (tmp_path / "a.txt").write_text(stamped(3))
    (tmp_path / "b.txt").write_text(stamped(2))
    assert read(tmp_path)["zones"].sizes["time"] == 3
    (tmp_path / "b.txt").write_text(stamped(2).replace("24378", "24379"))
    with pytest.raises(ParseError, match="two different samples of zones at the same time"):
        read(tmp_path)
