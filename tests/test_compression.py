"""Compressed memory: against a kernel's zram, against zsmalloc's rules written out, and by what must hold always."""

from __future__ import annotations

import getpass
import json
import math
import shutil
import socket
import sys
import zlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import compactlab as cl
from compactlab import compression, datasets
from compactlab.compression.measures import OUTCOMES
from compactlab.compression.pool import NOT_KEPT
from compactlab.figures.story import story_of

SIZES = st.integers(0, 4096)


def as_recorded() -> np.ndarray:
    """Bytes that the kernel kept of each page, from what its counter said before and after."""
    return np.diff(compression.recorded("pages").compressed.values, prepend=0)


def slow_classes(chain_size, page_size=4096):
    """Raw class to (index, size, pages, objects), as zs_create_pool goes: from the largest down."""
    delta = page_size // 256
    count = -(-(page_size - 32) // delta) + 1
    found, previous = {}, None
    for index in range(count - 1, -1, -1):
        size = min(32 + index * delta, page_size)
        pages, least = 1, None
        if bin(size).count("1") > 1:
            for chain in range(1, chain_size + 1):
                waste = (chain * page_size) % size
                if least is None or waste < least:
                    pages, least = chain, waste
        objects = pages * page_size // size
        if previous is None or previous[2:] != (pages, objects):
            previous = (index, size, pages, objects)
        found[index] = previous
    return found


def slow_class_of(classes, size, page_size=4096):
    """The class an object goes to, as zs_malloc chooses it."""
    with_handle = size + 8
    index = -(-(with_handle - 32) // (page_size // 256)) if with_handle > 32 else 0
    return classes[min(index, max(classes))]


# Against the kernel


def test_pool__has_the_kernels_pages_after_every_page_stored():
    told = compression.recorded("pages")
    pool = cl.compression.Pool()
    used = []
    for size in as_recorded():
        pool.store([size])
        used.append(pool.pages * 4096)
    assert used == told.used.values.tolist()
    assert len(used) == 480


def test_pool__has_the_kernels_pages_through_frees_and_compaction():
    told = compression.recorded("frees")
    sizes = as_recorded()
    draws = np.random.PCG64(7).random_raw(20_000)
    pool = cl.compression.Pool()
    held, handles, turn, ours = [], {}, 0, []
    for op, times in [
        ("store", 6000),
        ("free", 3600),
        ("compact", 1),
        ("store", 800),
        ("free", 1600),
        ("compact", 1),
    ]:
        for _ in range(times):
            if op == "store":
                handles[turn] = pool.store([sizes[int(draws[turn] % 480)]])
                held.append(turn)
            elif op == "free":
                pool.free(handles.pop(held.pop(int(draws[turn] % len(held)))))
            else:
                pool.compact()
            turn += 1
            if op == "compact" or turn % 100 == 0:
                ours.append([turn, pool.stored_bytes, pool.pages * 4096, pool.pages_compacted])
    theirs = np.stack(
        [told[name].values for name in ("turn", "compressed", "used", "pages_compacted")], axis=1
    )
    assert np.array_equal(ours, theirs)
    assert theirs[-1, 3] > 200  # compaction had something to do


def test_size_classes__are_the_kernels_as_far_as_lz4_reaches():
    told, classes = compression.recorded("classes"), compression.size_classes()
    assert told.sizes["row"] == 225
    at = np.searchsorted(classes.largest.values, told["size"].values)
    assert classes.objects.values[at].tolist() == told.objects.values.tolist()
    assert classes.pages.values[at].tolist() == told.pages.values.tolist()


def test_recorded_classes__share_zspages_where_ours_are_merged():
    told = compression.recorded("classes")
    ours = np.searchsorted(compression.size_classes().largest.values, told["size"].values)
    asked = told.shares_with_below.values >= 0
    assert asked.sum() > 200
    assert np.array_equal(np.diff(ours, prepend=-1)[asked] == 0, told.shares_with_below.values[asked] == 1)


def test_measure__lz4_keeps_what_the_kernel_keeps_give_or_take_its_age():
    ours = np.concatenate(
        [compression.measure(compression.contents(kind)).kept.values for kind in compression.KINDS]
    )
    more = as_recorded() - ours
    assert (more == 0).sum() == 473
    assert set(more[more != 0].tolist()) <= {2, 3, 4}  # LZ4 1.9 may find a match one byte nearer to the end


def test_same_filled__are_the_kernels():
    counted = np.diff(compression.recorded("pages").same_pages.values, prepend=0).astype(bool)
    ours = np.concatenate([compression.same_filled(compression.contents(kind)) for kind in compression.KINDS])
    assert np.array_equal(ours, counted)
    assert ours.sum() == 34


def test_measure__raw_pages_are_the_kernels():
    huge = np.diff(compression.recorded("pages").huge_pages.values, prepend=0).astype(bool)
    ours = [compression.measure(compression.contents(kind)).outcome.values == 2 for kind in compression.KINDS]
    assert np.array_equal(np.concatenate(ours), huge)


# Size classes


@pytest.mark.parametrize("page_size", [4096, 16384, 65536])
@pytest.mark.parametrize("chain_size", [4, 5, 8, 16])
def test_size_classes__are_as_zs_create_pool_makes_them(chain_size, page_size):
    told = compression.size_classes(chain_size, page_size)
    slow = slow_classes(chain_size, page_size)
    ours = zip(
        told.size_class.values, told["size"].values, told.pages.values, told.objects.values, strict=True
    )
    assert [tuple(map(int, each)) for each in ours] == sorted(set(slow.values()))


def test_size_classes__every_size_goes_where_zs_malloc_puts_it():
    told, slow = compression.size_classes(), slow_classes(8)
    sizes = np.arange(1, 4097)
    at = np.searchsorted(told.largest.values, sizes)
    assert told.size_class.values[at].tolist() == [slow_class_of(slow, size)[0] for size in sizes.tolist()]
    assert ((told.smallest.values[at] <= sizes) & (sizes <= told.largest.values[at])).all()


def test_huge_size__is_the_first_that_fills_a_page():
    assert compression.huge_size() == 3625
    assert slow_class_of(slow_classes(8), 3625)[2:] == (1, 1)
    assert slow_class_of(slow_classes(8), 3624)[2:] != (1, 1)
    assert compression.huge_size(chain_size=4) == 3257


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"chain_size": 3}, "chain_size=3; expected 4 to 16"),
        ({"page_size": 8192}, "page_size=8192; expected 4096"),
    ],
)
def test_size_classes__refuses_what_no_kernel_has(wrong, said):
    with pytest.raises(ValueError, match=said):
        compression.size_classes(**wrong)


# Pool


def held(sizes, kept) -> Counter:
    """Objects of each class."""
    classes = slow_classes(8)
    return Counter(
        slow_class_of(classes, int(size))
        for size, is_kept in zip(sizes, kept, strict=True)
        if is_kept and size
    )


@settings(deadline=None)
@given(st.lists(SIZES, max_size=80), st.randoms(use_true_random=False))
def test_pool__pages_are_as_few_as_may_be_when_filled_and_when_compacted(sizes, random):
    pool = compression.Pool()
    handles = pool.store(np.array(sizes, np.int64))
    expected = sum(
        -(-count // objects) * pages
        for (_, _, pages, objects), count in held(sizes, [True] * len(sizes)).items()
    )
    assert pool.pages == expected
    kept = [random.random() < 0.4 for _ in sizes]
    pool.free(handles[~np.array(kept, bool)])
    between = pool.pages
    assert pool.compact() == between - pool.pages == pool.pages_compacted
    assert pool.pages == sum(
        -(-count // objects) * pages for (_, _, pages, objects), count in held(sizes, kept).items()
    )
    assert pool.compact() == 0


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.one_of(SIZES, st.just("free"), st.just("compact")), max_size=60),
    st.randoms(use_true_random=False),
)
def test_pool__loses_no_byte_and_no_object(operations, random):
    pool, there = compression.Pool(), {}
    for operation in operations:
        if operation == "compact":
            pool.compact()
        elif operation == "free":
            if there:
                handle = random.choice(sorted(there))
                pool.free(handle)
                del there[handle]
        else:
            (handle,) = pool.store(operation).tolist()
            assert (handle == NOT_KEPT) == (operation == 0)
            if operation:
                there[handle] = operation
        table = pool.table()
        assert len(pool) == len(there) == int(table.objects.sum())
        assert pool.stored_bytes == sum(there.values()) == int(table.stored.sum())
        assert pool.pages == int(table.pages.sum())
        parts = sum(table[name] for name in ("stored", "handles", "rounding", "tail", "free"))
        assert np.array_equal(parts, table.pages * 4096)
        assert all((table[name] >= 0).all() for name in ("handles", "rounding", "tail", "free"))
        listed = [size for *_, places in pool.zspages() for size in places if size is not None]
        assert sorted(listed) == sorted(there.values())


def test_pool__one_object_keeps_a_whole_zspage():
    pool = compression.Pool()
    handles = pool.store([3000] * 40)
    full = pool.pages
    pool.free(handles[np.arange(40) % 4 != 0])
    assert pool.pages == full  # three of four pages freed, and not one came back
    assert pool.compact() > full / 2


def test_pool__same_filled_pages_cost_nothing():
    pool = compression.Pool()
    assert pool.store([0, 0]).tolist() == [NOT_KEPT, NOT_KEPT]
    pool.free([NOT_KEPT])
    assert (pool.pages, len(pool)) == (0, 0)


def test_pool__whole_pages_have_no_handle_in_them():
    pool = compression.Pool()
    pool.store([4096, 4096])
    table = pool.table()
    assert (pool.pages, int(table.handles.sum()), int(table.rounding.sum())) == (2, 0, 0)


def test_pool__larger_pages():
    pool = compression.Pool(page_size=16384)
    pool.store([16384, 100])
    assert pool.pages == 1 + int(compression.size_classes(page_size=16384).sel(size_class=2).pages)


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ([-1], "size -1; expected 0 to 4096"),
        ([5, 4097], "size 4097; expected"),
        ([1.5], "whole numbers"),
        ([[1]], r"\(1, 1\)"),
    ],
)
def test_store__refuses_what_is_no_size(sizes, said):
    with pytest.raises(ValueError, match=said):
        compression.Pool().store(sizes)


def test_free__refuses_unknown_handles_and_leaves_all_as_it_was():
    pool = compression.Pool()
    handles = pool.store([100, 200])
    for wrong in ([handles[0], 77], [handles[1], handles[1]]):
        with pytest.raises(ValueError, match=r"handle \d+: no such object"):
            pool.free(wrong)
        assert len(pool) == 2


# Compressors


@pytest.mark.parametrize("kind", compression.KINDS)
@pytest.mark.parametrize(
    ("compressor", "level"), [("lz4", 1), ("lz4", 40), ("lz4hc", 9), ("zstd", -5), ("zstd", 3), ("zstd", 19)]
)
def test_compressors__give_back_what_they_were_given(kind, compressor, level):
    from compactlab.compression.measures import _functions

    compress, decompress = _functions(compressor, level)
    told = compression.measure(compression.contents(kind), compressor, level)
    for page, size in zip(compression.contents(kind), told.compressed.values, strict=True):
        packed = compress(page.tobytes())
        assert decompress(packed) == page.tobytes()
        assert 0 <= len(packed) - size <= 15


def test_measure__outcomes_and_ratio():
    pages = np.zeros((3, 4096), np.uint8)
    pages[1, 5] = 1
    pages[2] = compression.contents("random")[0]
    told = compression.measure(pages, "zstd")
    assert [OUTCOMES[code] for code in told.outcome.values] == ["same-filled", "compressed", "raw"]
    assert told.kept.values[[0, 2]].tolist() == [0, 4096]
    assert math.isclose(told.ratio, 3 * 4096 / told.kept.sum())
    assert told.attrs["level"] == 3
    assert "3 pages of 12 KiB" in told.attrs["text"]


def test_measure__the_same_every_time():
    pages = compression.contents("heap")
    assert compression.measure(pages, "zstd", 19).identical(compression.measure(pages, "zstd", 19))


def test_measure__zstd_beats_lz4_and_no_compressor_beats_randomness():
    for kind in compression.KINDS[:-1]:
        pages = compression.contents(kind)
        lz4, zstd, zlib_ = (
            float(compression.measure(pages, "lz4").ratio),
            float(compression.measure(pages, "zstd").ratio),
            pages.size / sum(len(zlib.compress(page.tobytes())) for page in pages),
        )
        assert 1 < lz4 < zstd
        assert zlib_ / 2 < zstd  # same-filled pages are free here, not in zlib
    assert float(compression.measure(compression.contents("random"), "zstd", 22).ratio) == 1


def test_same_filled__any_word_not_only_zero():
    pages = np.zeros((4, 4096), np.uint8)
    pages[1] = np.tile(np.arange(8, dtype=np.uint8), 512)
    pages[2] = np.tile(np.arange(16, dtype=np.uint8), 256)
    pages[3, 4095] = 1
    assert compression.same_filled(pages).tolist() == [True, True, False, False]


def test_speed__takes_time_and_says_how():
    told = compression.speed(compression.contents("text")[:4], "lz4", repeats=2)
    assert told.compress_ns > 100
    assert told.decompress_ns > 100
    assert told.attrs == {"compressor": "lz4", "level": 1, "repeats": 2}


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda pages: compression.measure(pages, "lzo"),
            "compressor 'lzo'; expected one of lz4, lz4hc, zstd",
        ),
        (lambda pages: compression.measure(pages, "zstd", 23), "zstd: level=23; expected -7 to 22"),
        (lambda pages: compression.measure(pages, "lz4", 0), "lz4: level=0; expected 1 to"),
        (lambda pages: compression.speed(pages, repeats=0), "repeats=0; expected at least 1"),
        (
            lambda pages: compression.measure(pages[0]),
            r"pages: uint8 \(4096,\); expected bytes \(page, byte\)",
        ),
        (lambda pages: compression.measure(pages[:0]), "at least one page"),
        (lambda pages: compression.measure(pages[:, :13]), r"\(96, 13\)"),
        (lambda pages: compression.same_filled(pages / 7), "float64"),
        (
            lambda pages: compression.measure(pages[:, :512]),
            r"pages of 512 bytes; expected pages of 4096, 16384 or 65536",
        ),
        (lambda _: compression.contents("video"), "page contents 'video'; expected one of text, code"),
        (lambda _: compression.recorded("videos"), "recorded table 'videos'; expected one of pages, classes"),
    ],
)
def test_compression__refuses_with_what_to_do(call, said):
    with pytest.raises(ValueError, match=said):
        call(compression.contents("text"))


# Data


@pytest.mark.parametrize("kind", compression.KINDS)
def test_contents__pages_are_there_and_tell_nothing_private(kind):
    pages = compression.contents(kind)
    assert pages.shape == (96, 4096)
    whole = pages.tobytes()
    private = [socket.gethostname(), f"{getpass.getuser()}@", sys.prefix]
    if kind in ("code", "heap", "sparse", "random"):
        private += ["/usr", "/home", "/work", "/root", "/proc/", "PATH=", "site-packages", "LANG"]
    for word in private:
        assert len(word) < 4 or word.encode() not in whole  # chance makes words of three letters


def test_contents__sparse_and_random_are_made_again_as_they_were(tmp_path):
    folder = datasets.program("page-contents")
    shutil.copytree(folder, tmp_path / "again")
    import importlib.util

    spec = importlib.util.spec_from_file_location("make", tmp_path / "again" / "make.py")
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    assert make.sparse() == compression.contents("sparse").tobytes()
    assert make.random_bits() == compression.contents("random").tobytes()


@pytest.mark.parametrize("name", ["page-contents", "zram"])
def test_program__small_complete_and_described(name):
    folder = datasets.program(name)
    files = {file.name: file.stat().st_size for file in folder.iterdir() if file.is_file()}
    assert sum(files.values()) < 500_000
    described = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    assert described["name"] == name
    assert {*described["files"], "dataset.json"} == set(files)
    assert all(files[file] == told["bytes"] for file, told in described["files"].items())
    assert any(file.endswith(".py") for file in files)
    assert "code" not in "".join(files) or "BSD-3-Clause" in described["licence"]


# A zone


def swapped(**parameters):
    return cl.simulate(cl.Zone("256 MiB"), compression.swap_out(**parameters))


def test_swap_out__frees_what_it_says():
    pages = swapped(fill=0.8, cold=0.5, pool=0.25)["pages"].to_dataset().isel(keyframe=-1)
    single = (pages.kind.values == cl.schema.NAMES["pages"]["kinds"].index("anon")) & (
        pages.order.values == 0
    )
    filled = int(65536 * 0.8)
    cold = filled // 2
    assert (single & (pages.mapcount.values == 1)).sum() == filled - filled // 10 - cold
    assert (single & (pages.mapcount.values == 0)).sum() == cold // 4


def test_swap_out__pages_come_back_scattered_and_no_huge_page_of_them():
    for parameters, unusable in [({}, 1), ({"together": 512}, 1), ({"together": 1024, "pool": 0}, 0.4)]:
        run = swapped(**parameters)
        before = np.searchsorted(run["zones"].elapsed.values, run["phases"].start.values[1], "right") - 1
        assert run["zones"].nr_free.values[before, 0, 9:].sum() == 0
        assert run["zones"].free_pages.values[-1, 0] > 3 * run["zones"].free_pages.values[before, 0]
        assert float(cl.metrics.unusable_index(run).values[-1, 0, 9]) <= unusable
        assert unusable < 1 or run["zones"].nr_free.values[-1, 0, 9:].sum() == 0


def test_swap_out__refuses_what_is_no_share():
    with pytest.raises(ValueError, match="cold=2; expected a share"):
        compression.swap_out(cold=2)
    with pytest.raises(ValueError, match="together=0; expected at least 1 page"):
        compression.swap_out(together=0)
    with pytest.raises(ValueError, match=r"free=0\.1 and cold=0\.95; expected at most 1 together"):
        compression.swap_out(cold=0.95)


# The story


def test_filling__is_a_story_and_counts_as_the_pool_does():
    kept = compression.measure(compression.contents("heap")).kept.values
    told = compression.filling(kept, freed=0.5, seed=3)
    story_of(told)
    pool = compression.Pool()
    handles = pool.store(kept)
    assert int(told.pages[24].sum()) == pool.pages
    assert int(told.saved[24]) == 96 - pool.pages
    pool.free(handles[np.random.Generator(np.random.PCG64(3)).permutation(96)[:48]])
    assert int(told.pages[-2].sum()) == pool.pages
    pool.compact()
    assert int(told.pages[-1].sum()) == pool.pages
    assert int(told.saved[-1]) == 48 - pool.pages


def test_filling__cells_are_the_pages_of_the_pool_and_stay_in_their_places():
    told = compression.filling([1000] * 60 + [3000] * 30 + [4096] * 5, freed=0.7)
    there = (told.kind.values != 255) & (told.kind.values != 3)
    assert np.array_equal(there.sum(2), told.pages)
    assert ((told.kind.values[1:] != 255) | (told.kind.values[:-1] == 255)).all()
    data = (told.filled * told.pages).sum("row").values[24] / 100 * 4096
    assert math.isclose(data, 60 * 1000 + 30 * 3000 + 5 * 4096, rel_tol=2e-3)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: compression.filling([]), "no sizes"),
        (lambda: compression.filling([1], freed=2), "freed=2; expected a share"),
    ],
)
def test_filling__refuses(call, said):
    with pytest.raises(ValueError, match=said):
        call()
