"""Maps of single pages: what each bit becomes, which blocks they form, and what is refused."""

import gzip
import io
import os
import re
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from proctexts import BUDDYINFO, stamped

import compactlab
from compactlab.core import memory, pagemap
from compactlab.readers import ParseError, read
from compactlab.readers.pagemap import moment

BIT = {  # Documentation/admin-guide/mm/pagemap.rst
    "REFERENCED": 2,
    "DIRTY": 4,
    "LRU": 5,
    "ACTIVE": 6,
    "SLAB": 7,
    "WRITEBACK": 8,
    "BUDDY": 10,
    "MMAP": 11,
    "ANON": 12,
    "HEAD": 15,
    "TAIL": 16,
    "HUGE": 17,
    "UNEVICTABLE": 18,
    "HWPOISON": 19,
    "NOPAGE": 20,
    "THP": 22,
    "OFFLINE": 23,
    "PGTABLE": 26,
    "RESERVED": 32,
    "PRIVATE": 35,
}
TABLES = ("every2_np_compact", "unmov_np_compact", "every2_np_direct")


def word(names: str) -> int:
    return sum(1 << BIT[name] for name in names.split())


def arrays(words, **changes) -> dict:
    table, code = np.unique(np.array(words, np.uint64), return_inverse=True)
    own = {
        "flag_code": code.astype(np.uint8),
        "flag_table": table,
        "mapcount": np.zeros(len(words), np.uint8),
    }
    return {name: array for name, array in (own | changes).items() if array is not None}


def archive(words, **changes) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays(words, **changes))
    return file.getvalue()


def pages(source, name: str) -> list:
    return read(source)["pages"][name].values[0].tolist()


def kinds(source) -> list[str]:
    return [memory.KINDS[code] for code in pages(source, "kind")]


@pytest.mark.parametrize(
    ("bits", "kind"),
    [
        ("", "unknown"),
        ("NOPAGE", "hole"),
        ("BUDDY", "free"),
        ("RESERVED PRIVATE", "reserved"),
        ("MMAP ANON LRU", "anon"),
        ("MMAP ANON", "anon"),  # on its way to or from the LRU
        ("LRU", "file"),
        ("UNEVICTABLE", "file"),
        ("SLAB ANON", "slab"),
        ("PGTABLE REFERENCED", "pgtable"),
        ("HUGE HEAD", "hugetlb"),
        ("OFFLINE", "offline"),
        ("HWPOISON LRU", "offline"),
        ("HEAD", "kernel"),
        ("MMAP", "kernel"),
        ("REFERENCED", "unknown"),
    ],
)
def test_read__kind_of_each_word(bits, kind):
    assert kinds(archive([word(bits)])) == [kind]


def test_read__flags_at_first_pages():
    head, tail = word("HEAD LRU DIRTY PRIVATE"), word("TAIL LRU DIRTY PRIVATE")
    lone = word("LRU ACTIVE WRITEBACK UNEVICTABLE REFERENCED")
    found = archive([head, tail, lone])
    names = [
        {name for bit, name in enumerate(memory.FLAGS) if flags >> bit & 1} for flags in pages(found, "flags")
    ]
    assert names == [
        {"lru", "dirty", "private"},
        set(),
        {"lru", "active", "writeback", "unevictable", "referenced"},
    ]
    assert pages(found, "order") == [1, memory.TAIL, 0]


def test_read__holes_and_first_pfn_of_an_archive():
    free = word("BUDDY")
    classes = {"cls": np.array([1, 0, 0], np.uint8), "cls_names": np.array(["other", "hole"])}
    run = read(archive([0, 0, free], pfn0=np.int64(64), **classes))
    assert kinds(archive([0, 0, free], **classes)) == ["hole", "unknown", "free"]
    assert run["pages/first_pfn"].values.tolist() == [64]
    assert run["pages"].attrs["kinds"] == list(memory.KINDS)


def test_read__many_mappings_are_255():
    assert pages(archive([0, 0], mapcount=np.array([254, 3000], np.uint16)), "mapcount") == [254, 255]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=80), st.integers(0, 20), st.integers(0, 5))
def test_free_orders__as_merging_buddies_does(free, first_pfn, max_order):
    kind = np.where(free, memory.FREE, memory.ANON).astype(np.uint8)
    order = np.zeros(kind.size, np.uint8)
    pagemap.free_orders(kind, first_pfn, max_order, order)
    heads = {first_pfn + i: 0 for i, is_free in enumerate(free) if is_free}
    for size in range(max_order):  # merge pairs of buddies, order by order
        for pfn in sorted(heads):
            buddy = pfn ^ (1 << size)
            if pfn < buddy and heads.get(pfn) == size == heads.get(buddy):
                del heads[buddy]
                heads[pfn] = size + 1
    expected = [heads.get(first_pfn + i, memory.TAIL) if is_free else 0 for i, is_free in enumerate(free)]
    assert order.tolist() == expected


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=12))
def test_folio_orders__of_whole_folios(sizes):
    part, expected = [], []
    for order, lone in sizes:
        part += [pagemap.SINGLE] * (-len(part) % (1 << order) + lone)
        part += [pagemap.SINGLE] * (-len(part) % (1 << order))
        expected += [0] * (len(part) - len(expected))
        part += [pagemap.FOLIO_HEAD] + [pagemap.FOLIO_TAIL] * ((1 << order) - 1)
        expected += [order] + [memory.TAIL] * ((1 << order) - 1)
    flags = np.ones(len(part), np.uint8)
    found = np.zeros(len(part), np.uint8)
    pagemap.folio_orders(np.array(part, np.uint8), 0, flags, found)
    assert found.tolist() == expected
    assert (flags == (found != memory.TAIL)).all()


def test_folio_orders__rest_of_a_torn_run_is_single():
    part = np.array([pagemap.FOLIO_TAIL, *[pagemap.FOLIO_HEAD, *[pagemap.FOLIO_TAIL] * 5]], np.uint8)
    found = np.zeros(part.size, np.uint8)
    pagemap.folio_orders(part, 7, np.zeros(part.size, np.uint8), found)
    assert found.tolist() == [0, 2, 255, 255, 255, 0, 0]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, len(memory.KINDS) - 1), min_size=1, max_size=60), st.integers(0, 4))
def test_count_blocks__as_counting_each_block(kind, order):
    kind = np.array(kind, np.uint8)
    blocks = -(-kind.size >> order)
    out = np.full((blocks, len(memory.KINDS)), 7, np.uint16)
    pagemap.count_blocks(kind, 1 << order, out)
    for block in range(blocks):
        part = kind[block << order : (block + 1) << order]
        assert out[block].tolist() == [int((part == each).sum()) for each in range(len(memory.KINDS))]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from((memory.FREE, memory.ANON, memory.SLAB)), st.integers(0, 4)), max_size=40
    ),
    st.integers(1, 3),
)
def test_count_frame__as_looking_at_every_page(folios, block_order):
    kinds, orders = [], []
    for kind, order in folios:
        size = 1 << order
        while len(kinds) % size:  # folios and free blocks are aligned
            kinds.append(memory.HOLE)
            orders.append(0)
        kinds += [kind] * size
        orders += [order] + [memory.TAIL] * (size - 1)
    kind, order = np.array(kinds, np.uint8), np.array(orders, np.uint8)
    blocks = -(-kind.size >> block_order)
    counts, expected = np.full((2, blocks, len(memory.KINDS)), 7, np.uint16)
    free, folio = np.zeros((2, blocks), np.uint8)
    pagemap.count_frame(kind, order, 1 << block_order, counts, free, folio)
    pagemap.count_blocks(kind, 1 << block_order, expected)
    assert np.array_equal(counts, expected)
    for block in range(blocks):
        here = slice(block << block_order, (block + 1) << block_order)
        for found, wanted in ((free, [memory.FREE]), (folio, [memory.ANON, memory.FILE])):
            begin = order[here][np.isin(kind[here], wanted) & (order[here] != memory.TAIL)]
            assert found[block] == (begin.max() if begin.size else memory.TAIL)


def test_read__dumps_of_flags_and_counts(tmp_path):
    words = np.array([word("LRU MMAP ANON"), 0, *[word("BUDDY")] * 4, word("LRU"), 0], "<u8")
    (tmp_path / "kpageflags").write_bytes(words.tobytes())
    guessed = read(tmp_path / "kpageflags")
    assert guessed["pages/mapcount"].values.tolist() == [[1, 0, 0, 0, 0, 0, 0, 0]]
    assert guessed["pages/order"].values.tolist() == [[0, 0, 1, 255, 1, 255, 0, 0]]
    (tmp_path / "kpagecount.gz").write_bytes(gzip.compress(np.array([300] * 8, "<u8").tobytes()))
    (tmp_path / "buddyinfo").write_text(BUDDYINFO)
    run = read(tmp_path)
    assert run["pages/mapcount"].values.tolist() == [[255] * 8]
    assert run["pages/name"].values.tolist() == ["kpageflags"]


def test_read__single_page_orders_end_at_the_largest_list(tmp_path):
    (tmp_path / "kpageflags").write_bytes(np.full(16, word("BUDDY"), "<u8").tobytes())
    (tmp_path / "buddyinfo").write_text("Node 0, zone   Normal      0      0      4 \n")
    assert read(tmp_path)["pages/order"].values[0, ::4].tolist() == [2, 2, 2, 2]


def test_read__free_blocks_of_an_old_kernel(samples):
    folder = samples / "kpageflags"
    name = "arm32-4.4-xilinx-256M-"
    run = read([folder / f"{name}kpageflags.bin.gz", folder / f"{name}kpagecount.bin.gz"])
    free = int((run["pages/kind"].values == memory.FREE).sum())
    meminfo = (folder / f"{name}meminfo.txt").read_text()
    told = int(re.search(r"MemFree: +(\d+) kB", meminfo)[1]) // 4
    assert abs(free - told) < 0.01 * told
    assert "Linux before 4.6" in run.attrs["problems"][0]
    assert int((run["pages/order"].values == 10).sum()) == 32


def test_read__map_of_this_machine():
    live = Path("/proc/kpageflags")
    if not os.access(live, os.R_OK):
        pytest.skip("only root may read /proc/kpageflags")
    kind = read(live)["pages/kind"].values[0]
    pages = os.sysconf("SC_PHYS_PAGES")
    assert kind.size > 0.9 * pages
    assert 0 < (kind == memory.FREE).sum() < pages
    assert (kind == memory.ANON).any()


def test_read__empty_copy_is_told_beside_a_recording(tmp_path):
    (tmp_path / "kpageflags").write_bytes(b"")
    with pytest.raises(ParseError, match="kpageflags: found an empty file"):
        read(tmp_path / "kpageflags")
    (tmp_path / "buddyinfo").write_text(BUDDYINFO)
    assert read(tmp_path).attrs["problems"] == ["kpageflags: not read (an empty file)"]


def test_read__before_comes_before_after(tmp_path):
    (tmp_path / "pages_after.npz").write_bytes(archive([word("BUDDY")] * 2))
    (tmp_path / "pages_before.npz").write_bytes(archive([0] * 2))
    run = read(tmp_path)
    assert run["pages/name"].values.tolist() == ["before", "after"]
    assert run["pages/elapsed"].values.tolist() == [0, 1]
    (tmp_path / "loop.txt").write_text(stamped(2))
    run = read(tmp_path)
    assert run["pages/name"].values.tolist() == ["before", "after"]
    assert any("pages_before.npz: has no time stamp" in problem for problem in run.attrs["problems"])


def test_read__pins_mark_first_pages_in_all_keyframes(tmp_path):
    folio = [word("HEAD LRU"), *[word("TAIL LRU")] * 3]
    for name in ("before", "after"):
        (tmp_path / f"pages_{name}.npz").write_bytes(archive([*folio, word("LRU"), 0], pfn0=np.int64(8)))
    (tmp_path / "pinned_pfns.txt").write_text("10\n12\n999\n")
    flags = read(tmp_path)["pages/flags"].values
    assert ((flags & memory.PINNED) > 0).tolist() == [[True, False, False, False, True, False]] * 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"mapcount": None},
            "found arrays flag_code, flag_table; expected arrays flag_code, flag_table, mapcount",
        ),
        ({"mapcount": np.zeros(3, np.uint8)}, "mapcount: found 3 pages; expected 2, as flag_code"),
        ({"mapcount": np.zeros(2)}, "mapcount: found an array of float64"),
        ({"mapcount": np.zeros((2, 1), np.uint8)}, r"mapcount: found an array of uint8, \(2, 1\)"),
        (
            {"flag_code": np.array([0, -1])},
            "flag_code: found int64 with 1 dimensions; expected a row of kind 'u'",
        ),
        ({"flag_code": np.array([0, 9], np.uint8)}, "flag_code: found code 9; expected less than 1"),
        ({"flag_table": np.array([1 << 60], np.uint64)}, "flag_table: found bits 0x1000000000000000"),
        ({"flag_table": np.array([{}], object)}, "flag_table: found an array of object"),
        ({"cls": np.zeros(2, np.uint8)}, "cls without cls_names"),
        ({"pfn0": np.int64(-1)}, "pfn0: found -1; expected a page frame number"),
        ({"flag_code": np.zeros(0, np.uint8), "mapcount": np.zeros(0, np.uint8)}, "found no pages"),
    ],
)
def test_read__arrays_that_are_no_page_map(tmp_path, changes, message):
    (tmp_path / "pages_before.npz").write_bytes(archive([0, 0], **changes))
    with pytest.raises(ParseError, match=r"pages_before\.npz.*" + message):
        read(tmp_path / "pages_before.npz")


def test_read__foreign_arrays_beside_a_recording_are_told(tmp_path):
    np.savez(tmp_path / "results.npz", energy=np.arange(3))
    (tmp_path / "loop.txt").write_text(stamped(2))
    assert read(tmp_path).attrs["problems"] == ["results.npz: not read (arrays energy)"]


@pytest.mark.parametrize("kept", [2, 60, 0.5, 0.99])
def test_read__truncated_archive(tmp_path, kept):
    whole = archive(list(range(64)))
    size = kept if isinstance(kept, int) else int(len(whole) * kept)
    (tmp_path / "pages_before.npz").write_bytes(whole[:size])
    (tmp_path / "loop.txt").write_text(stamped(2))
    with pytest.raises(ParseError, match=r"pages_before\.npz: found a damaged archive"):
        read(tmp_path)


def test_read__archive_that_unpacks_to_too_much():
    data = bytearray(archive([0, 0]))
    directory = data.index(b"PK\x01\x02")
    struct.pack_into("<I", data, directory + 24, (1 << 30) + 1)
    with pytest.raises(ParseError, match=r"found 1073741825 bytes unpacked; expected at most 1073741824"):
        read(bytes(data))


def test_read__array_that_claims_more_than_it_holds():
    data = bytearray(archive([0, 0], mapcount=None))
    file = io.BytesIO(data)
    with zipfile.ZipFile(file, "a") as zipped:
        array = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            array, {"descr": "|u1", "fortran_order": False, "shape": (10**15,)}
        )
        zipped.writestr("mapcount.npy", array.getvalue() + b"\0\0")
    with pytest.raises(ParseError, match="mapcount: found 2 bytes; expected 1000000000000000"):
        read(file.getvalue())


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_read__damaged_bytes_are_read_or_refused(data):
    whole = bytearray(archive([word("BUDDY"), 0, word("LRU")]))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(4, len(whole) - 1))] = data.draw(st.integers(0, 255))
    _read_or_refuse(bytes(whole))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_read__damaged_arrays_are_read_or_refused(data):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        for name, array in arrays([word("BUDDY"), 0, word("LRU")]).items():
            content = io.BytesIO()
            np.save(content, array)
            mine = bytearray(content.getvalue())
            for _ in range(data.draw(st.integers(0, 2))):
                mine[data.draw(st.integers(0, 90))] = data.draw(st.integers(0, 255))
            zipped.writestr(f"{name}.npy", bytes(mine))
    _read_or_refuse(file.getvalue())


def _read_or_refuse(content: bytes) -> None:
    try:
        run = read(content)
    except ParseError:
        return
    assert run["pages/kind"].sizes["keyframe"] == 1


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"kpageflags": b"1234567"}, "kpageflags: found 7 bytes; expected 8 for each page"),
        (
            {"kpageflags": b"\xff" * 16},
            "kpageflags: found bits 0xffff000000000000; expected words of kpageflags",
        ),
        ({"kpageflags": bytes(16), "kpagecount": bytes(8)}, "kpagecount: found 1 pages, and 2 in kpageflags"),
        ({"kpagecount": bytes(8)}, "kpagecount: found 1 pages; expected kpageflags of as many pages"),
        ({"kpageflags.gz": gzip.compress(bytes(800))[:-9]}, "an archive that ends too early"),
        ({"kpageflags": bytes(8), "pinned_pfns.txt": b"1\n-2\n"}, "pinned_pfns.txt, line 2: found '-2'"),
        (
            {"pages_a.npz": archive([0]), "pages_b.npz": archive([0, 0])},
            r"pages_a.npz and pages_b.npz: found 1 and 2 pages; expected page maps of one size",
        ),
    ],
)
def test_read__maps_that_do_not_fit(tmp_path, files, message):
    (tmp_path / "buddyinfo").write_text(BUDDYINFO)
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ParseError, match=message):
        read(tmp_path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pages_after.npz", "after"),
        ("kpageflags_before.u64.gz", "before"),
        ("arm32-kpageflags.bin.gz", "arm32"),
        ("pages.npz", "pages"),
    ],
)
def test_moment__from_the_file_name(name, expected):
    assert moment(name) == expected


def recordings() -> list[str]:
    folder = Path(__file__).resolve().parents[2] / "shared" / "groundtruth"
    return sorted(each.name for each in folder.glob("*_*") if each.is_dir())


@pytest.mark.parametrize("name", recordings() or ["none beside the checkout"])
def test_read__groundtruth_folders(groundtruth, name):
    folder = groundtruth / name
    run = read(folder)
    assert {"zones", "counters", "phases"} <= set(run.children)
    assert ("allocations" in run) == any(folder.glob("[fc]*.csv"))
    if not (folder / "pages_before.npz").exists():
        assert name.startswith("ts_")
        return
    assert run["pages/name"].values.tolist() == ["before", "after"]
    elapsed = run["pages/elapsed"].values
    assert elapsed[0] < elapsed[1] <= run["zones/elapsed"].values[-1]
    if "_compact" in name and name != "every2_npnt_compact":
        runs = compactlab.metrics.compaction_runs(run)
        assert elapsed[0] < runs.start.min() < runs.end.max() < elapsed[1]
    assert run["pageblocks"].sizes == {"frame": 2, "pageblock": 12800, "kind": len(memory.KINDS)}
    assert (run["pageblocks/nr_pages"].sum("kind") == 512).all()
    zone, counts = np.unique(run["pageblocks/zone"].values, return_counts=True)
    assert dict(zip(zone, counts.tolist(), strict=True)) == {"0/DMA": 8, "0/DMA32": 2040, "0/Normal": 10752}
    pins = folder / "pinned_pfns.txt"
    pinned = np.array(pins.read_text().split() if pins.exists() else [], np.int64)
    for order, flags in zip(run["pages/order"].values, run["pages/flags"].values, strict=True):
        first_page = np.maximum.accumulate(np.where(order == memory.TAIL, 0, np.arange(order.size)))
        assert np.array_equal(np.flatnonzero(flags & memory.PINNED), np.unique(first_page[pinned]))


@pytest.mark.parametrize("name", TABLES)
def test_read__groundtruth_free_blocks_are_those_of_buddyinfo(groundtruth, name):
    run = read(groundtruth / name)
    zones = run["zones"].to_dataset().sel(zone="0/DMA32")
    zoneinfo = run["zoneinfo"].to_dataset().sel(zone="0/DMA32")
    first = int(zoneinfo.start_pfn[0])
    held = slice(first, first + int(zoneinfo.spanned_pages[0]))
    for frame, elapsed in enumerate(run["pages/elapsed"].values):
        kind = run["pages/kind"].values[frame, held]
        order = run["pages/order"].values[frame, held]
        blocks = np.bincount(order[(kind == memory.FREE) & (order != memory.TAIL)], minlength=11)
        near = zones.nr_free.values[np.abs(zones.elapsed.values - elapsed) < 2e9]
        assert blocks.tolist() in near.tolist()


def test_read__groundtruth_kinds_agree_with_recorded_classes(groundtruth):
    folder = groundtruth / "unmov_np_compact"
    kind = read(folder)["pages/kind"].values[0]
    with np.load(folder / "pages_before.npz") as recorded:
        names, classes = recorded["cls_names"].tolist(), recorded["cls"]
    as_kind = {"anon_large": "anon", "file_large": "file"}
    for code, name in enumerate(names):
        found = {memory.KINDS[each] for each in np.unique(kind[classes == code])}
        assert found <= ({"kernel", "unknown"} if name == "other" else {as_kind.get(name, name)}), name
