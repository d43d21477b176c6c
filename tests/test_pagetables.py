"""Counts of page tables equal a page-by-page walk, and what a kernel charged, to the byte."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from compactlab import datasets, pagetables, programs
from compactlab.figures.story import story_of
from compactlab.pagetables import LAYOUTS, Range, count, dense, layout, sparse, touched, walk

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40
RECORDED = pagetables.recorded().mapping.values.tolist()
HERE = sys.platform == "linux" and shutil.which("gcc") is not None


def slow(pages: list[tuple[int, int, str]], granule: int, levels: int) -> tuple[list[int], list[int], int]:
    """Tables and entries of each level from the topmost down, and tables laid aside, page by page."""
    bits, lowest = (granule // 8).bit_length() - 1, granule.bit_length() - 1
    entries: list[set[int]] = [set() for _ in range(levels)]
    tables: list[set[int]] = [set() for _ in range(levels)]
    aside = 0
    for start, size, backing in pages:
        mapped = 0
        while size > granule << (bits * mapped):  # levels from below at which an entry may map it
            mapped += 1
        if size < granule << (bits * mapped):  # a run of entries of the level below
            mapped -= 1
        for base in range(start, start + size, granule << (bits * mapped)):
            for up in range(mapped, levels):
                entries[up].add(base >> (lowest + bits * up))
                tables[up].add(0 if up == levels - 1 else base >> (lowest + bits * (up + 1)))
        aside += backing == "private" and size == granule << bits
    tables[-1].add(0)
    return [len(level) for level in tables[::-1]], [len(level) for level in entries[::-1]], aside


def pages_of(ranges: list[Range]) -> list[tuple[int, int, str]]:
    return [
        (each.start + number * (each.every or each.page_size), each.page_size, each.backing)
        for each in ranges
        for number in range(-(-each.length // (each.every or each.page_size)))
    ]


@st.composite
def mappings(draw, arch: str, levels: int) -> list[Range]:
    """Ranges that do not overlap, anywhere a program may have them, often near borders of tables."""
    of = layout(arch, levels)
    ranges: list[Range] = []
    taken: set[tuple[int, int]] = set()
    for _ in range(draw(st.integers(1, 5))):
        pool = [size for size in of.pool if of.leaf(size)]
        page, backing = draw(
            st.sampled_from(
                [
                    (of.granule, "private"),
                    (of.granule, "shared"),
                    (of.granule * 16, "private"),
                    (of.pmd_size, "private"),
                    (of.pmd_size, "shared"),
                    *((size, "pool") for size in pool),
                ]
            )
        )
        span = draw(st.sampled_from([of.span(level) for level in of.names]))
        near = draw(st.integers(0, of.end // span)) * span + draw(st.integers(-40, 40)) * page
        distance = draw(st.sampled_from([0, 1, 3, 17, span // page])) * page
        step = distance or page
        pages = draw(st.integers(1, 12))
        start = min(max(near // page * page, 0), (of.end - (pages - 1) * step - page) // page * page)
        if start < 0 or (distance and distance < page):
            continue
        made = Range(start, pages * step, page, distance, backing)
        mine = {(at, at + size) for at, size, _ in pages_of([made])}
        if not any(low < end and begin < high for low, high in taken for begin, end in mine):
            taken |= mine
            ranges.append(made)
    return ranges


@pytest.mark.parametrize(("arch", "levels"), LAYOUTS)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_count__equals_a_walk_page_by_page(arch, levels, data):
    ranges = data.draw(mappings(arch, levels))
    of = layout(arch, levels)
    tables, entries, aside = slow(pages_of(ranges), of.granule, levels)
    told = count(ranges, arch, levels)
    assert told.tables.values.tolist() == tables
    assert told.entries.values.tolist() == entries
    assert told.deposited.values.tolist() == [0] * (levels - 1) + [aside]
    charged = [level for level in of.names if level in ("PUD", "PMD", "PTE")]
    assert int(told.vmpte) == of.granule * (sum(tables[-len(charged) :]) + aside)
    assert int(told.mapped) == sum(size for _, size, _ in pages_of(ranges))


@pytest.mark.parametrize(("arch", "levels"), LAYOUTS)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_count__of_more_pages_is_never_less_and_never_more_than_the_sum(arch, levels, data):
    ranges = data.draw(mappings(arch, levels))
    all_of_them = count(ranges, arch, levels)
    each = [count([one], arch, levels) for one in ranges]
    assert all(int(one.vmpte) <= int(all_of_them.vmpte) for one in each)
    assert int(all_of_them.vmpte) <= sum(int(one.vmpte) for one in each)


@pytest.mark.parametrize("name", RECORDED)
def test_count__is_what_the_kernel_charged(name):
    kernel = pagetables.recorded().sel(mapping=name)
    ours = int(count(pagetables.ranges(name)).vmpte)
    assert ours * int(kernel.processes) == int(kernel.touched)
    assert int(kernel.unmapped) == 0
    if kernel.then in ("mprotect", "fork", "nothing") and int(kernel.processes) == 1:
        assert int(kernel.after) == ours
    if kernel.then == "dontneed":  # since Linux 6.14 tables of pages are given back as well
        tables = count(pagetables.ranges(name))
        assert int(kernel.after) == int(tables.bytes.sel(level=["PUD", "PMD"]).sum())


def test_recorded__huge_pages_were_huge():
    kernel = pagetables.recorded()
    for name in RECORDED:
        ranges = pagetables.ranges(name)
        huge = sum(each.nr_pages * each.page_size for each in ranges if each.page_size >= 2 * MIB)
        if name != "the huge zero page" and int(kernel.processes.sel(mapping=name)) == 1:
            assert int(kernel.huge.sel(mapping=name)) == huge, name


@pytest.mark.parametrize(
    "name", ["one page", "2 MiB, one page off", "64 MiB shared by 8", "64 MiB after fork"]
)
def test_measure__this_kernel_charges_the_same(name):
    told = pagetables.measure(name)
    assert told.attrs["source"] == ("measured here" if HERE else "recorded")
    assert bool(told.attrs["why"]) != HERE
    assert int(told.touched) == int(pagetables.recorded().touched.sel(mapping=name))


@pytest.mark.skipif(not HERE, reason="needs Linux and gcc")
def test_measure__any_mapping():
    mapping = [*dense("6 MiB", at=3 * TIB + 4 * KIB), *sparse("8 GiB", every="512 MiB", at=5 * TIB)]
    assert int(pagetables.measure(mapping).touched) == int(count(mapping).vmpte)


def test_measure__without_gcc_is_the_recorded_and_says_so(monkeypatch):
    monkeypatch.setattr(programs.shutil, "which", lambda _: None)
    told = pagetables.measure("64 MiB")
    assert told.attrs == {
        "source": "recorded",
        "why": "there is no gcc here",
        "text": "Recorded numbers: there is no gcc here.",
    }
    assert int(told.touched) == 139264
    assert int(pagetables.measure(dense("64 MiB")).touched) == 139264  # the same mapping, not by its name
    with pytest.raises(RuntimeError, match=r"no gcc here\. Recorded are: 'one page'"):
        pagetables.measure(dense("65 MiB"))


@pytest.mark.skipif(not HERE, reason="needs Linux and gcc")
def test_measure__what_fails_is_said():
    told = pagetables.measure("64 MiB", seconds=0.001)
    assert told.attrs["source"] == "recorded"
    assert "took longer than 0.001 s" in told.attrs["why"]
    more_than_there_is = dense("64 TiB", "1 GiB", backing="pool")
    with pytest.raises(RuntimeError, match="cannot measure this mapping: page-tables ended with status"):
        pagetables.measure(more_than_there_is)


def test_ranges__unknown_name():
    with pytest.raises(KeyError, match="no mapping was recorded as 'two pages'"):
        pagetables.ranges("two pages")


def test_count__by_hand():
    assert count(dense("1 GiB")).tables.values.tolist() == [1, 1, 1, 512]
    assert count(dense("1 GiB", "1 GiB")).tables.values.tolist() == [1, 1, 0, 0]
    assert int(count(dense("1 GiB", "2 MiB", backing="pool")).vmpte) == 8 * KIB
    assert count([]).tables.values.tolist() == [1, 0, 0, 0]
    assert count(dense("1 GiB"), levels=5).tables.values.tolist() == [1, 1, 1, 1, 512]
    assert int(count(dense("1 GiB"), levels=5).vmpte) == int(count(dense("1 GiB")).vmpte)  # none for P4D
    assert int(count(dense("64 KiB", "64 KiB"), "arm64-4K").vmpte) == int(
        count(dense("64 KiB"), "arm64-4K").vmpte
    )
    assert int(count(dense("1 TiB")).vmpte) == (512 * 1024 + 1024 + 2) * 4096


def test_count__as_shipped_tuples_and_numpy_integers():
    by_hand = [(np.int64(16 * TIB), np.uint32(8192), 4096), (17 * TIB, 2 * MIB, 2 * MIB, 0, "shared")]
    assert count(by_hand).tables.values.tolist() == [1, 2, 2, 1]


def test_count__says_it_in_words():
    assert count(dense("1 GiB")).attrs["text"].replace("\u00a0", " ") == (
        "1 GiB of memory; page tables below the topmost: 514, VmPTE: 2 MiB (under 1 %)"
    )
    assert count([]).attrs["text"].endswith("(–)")


@pytest.mark.parametrize(
    ("mapping", "options", "message"),
    [
        ([(4097, 4096, 4096)], {}, r"mapping\[0\]: pages of 4 KiB begin at multiples of it.*begin at 0x1000"),
        ([(MIB, 2 * MIB, 2 * MIB)], {}, r"begin at 0x0 and make the distance a multiple, or use smaller pages"),
        ([(0, 5000, 4096)], {}, "length 5000 is not a multiple of the page size 4096.*give 8192"),
        ([(0, 0, 4096)], {}, "its length is 0, expected at least one page"),
        ([(128 * TIB, 4096, 4096)], {}, r"not a program's address.*stay below 0x7ffffffff000, or count with levels=5"),
        ([(0xFFFF800000000000, 4096, 4096)], {"levels": 5}, "non-canonical, or the kernel's.*stay below"),
        ([(-4096, 4096, 4096)], {}, "not a program's address"),
        ([(0, 8192, 4096), (4096, 4096, 4096)], {}, "ranges at 0x0 and 0x1000 overlap"),
        ([(0, 1 << 30, 4096, 8192), (8192, 4096, 4096)], {}, "ranges at 0x0 and 0x2000 overlap"),
        ([(0, 4096, 1000)], {}, "no entry of x86-64 maps pages of 1000 bytes; there are pages of 4 KiB"),
        ([(0, 4 * MIB, 4 * MIB)], {}, "no entry of x86-64 maps pages of 4 MiB.*2 MiB, 1 GiB from the pool"),
        ([(0, GIB, GIB, 0, "private")], {}, "transparent huge pages go up to 2 MiB.*give it the backing 'pool'"),
        ([(0, 4096, 4096, 0, "pool")], {}, "the pool of x86-64 has pages of 2 MiB, 1 GiB, not 4 KiB"),
        ([(0, 4096, 4096, 0, "file")], {}, "backing is 'file', expected one of 'private', 'shared', 'pool'"),
        ([(0, 4096)], {}, r"mapping\[0\]: got \(0, 4096\), expected \(address, length, page size\)"),
        ([(0, "1 GiB", 4096)], {}, "bytes as integers"),
        ([(0, 4096.5, 4096)], {}, "bytes as integers"),
        ([(0, GIB, 2 * MIB, MIB)], {}, "every is 1048576, expected a multiple of 4096 of at least the page size"),
        ([(0, 1 << 46, 4096, 8192)], {}, "separate pages, at most 4,194,304; count a part of them"),
        ([(0, 4096, 4096)], {"arch": "riscv"}, "arch: got 'riscv', expected one of 'arm64-16K'"),
        ([(0, 4096, 4096)], {"levels": 3}, "levels: got 3, but x86-64 has page tables of 4, 5 levels"),
    ],
)  # fmt: skip
def test_count__refuses(mapping, options, message):
    with pytest.raises(ValueError, match=message):
        count(mapping, **options)


def test_dense__refuses_a_size_nobody_reads():
    with pytest.raises(ValueError, match="size: got '1 GiBB', expected bytes or text such as"):
        dense("1 GiBB")
    with pytest.raises(ValueError, match="page: got True"):
        dense("1 GiB", page=True)


def test_count__interleaved_ranges_that_do_not_overlap():
    even, odd = (0, 1 << 20, 4096, 8192), (4096, 1 << 20, 4096, 8192)
    assert count([even, odd]).entries.values[-1] == 256
    assert int(count([even, odd]).vmpte) == int(count([even]).vmpte)


@given(st.integers(0, (1 << 47) - 4097))
def test_walk__an_address_is_its_indices(address):
    told = walk(address)
    page = address // 4096 * 4096
    assert int((told["index"] * told.span).sum()) == page
    assert told["index"].max() < 512
    assert int(told["index"].sel(level="PGD")) < 256  # the upper half is the kernel's


def test_walk__refuses_an_address_of_the_kernel():
    with pytest.raises(ValueError, match="not a program's address"):
        walk(0xFFFF888000000000)


@pytest.mark.parametrize(("arch", "levels"), LAYOUTS)
def test_story__ends_with_what_count_says(arch, levels):
    of = layout(arch, levels)
    mapping = [
        (0, of.granule * 3, of.granule, of.granule),
        (of.pmd_size * 3, of.pmd_size * 2, of.pmd_size, 0, "private"),
        (of.pmd_size * 7, of.pmd_size, of.pmd_size, 0, "shared"),
    ]
    told = pagetables.story(mapping, arch, levels)
    story_of(told)  # complete, for a figure
    last, counted = told.isel(step=-1), count(mapping, arch, levels)
    cells = (last.kind != 255).sum("cell").values[:-1]
    assert cells.tolist() == (counted.tables + counted.deposited).values.tolist()
    assert int(last.tables_kib) == int(counted.bytes.sum()) // 1024
    assert int(last.pages_kib) == int(counted.mapped) // 1024
    shown = (told.kind != 255).sum(("row", "cell"))
    assert (shown.diff("step") >= 0).all()  # nothing goes away again
    assert (told.mark.values[:, 0] == 0).all()  # every walk begins at the topmost table


def test_story__in_the_order_given():
    told = pagetables.story(touched([7 * GIB]) + touched([3 * GIB]))
    assert told.text.values[0].startswith(hex(7 * GIB))
    assert told.mark.sel(row="pages").values[[4, 9]].tolist() == [1, 0]


def test_story__refuses_too_many_pages():
    with pytest.raises(ValueError, match="more than 64 pages"):
        pagetables.story(dense("1 MiB"))


def test_touched__each_page_once():
    assert [each.start for each in touched(range(8190, 8195))] == [4096, 8192]


def test_recording__its_program_and_numbers_belong_together():
    folder = datasets.program("page-tables")
    done = subprocess.run(
        [sys.executable, "-c", "import record; print(len(record.MAPPINGS))"],
        cwd=folder, capture_output=True, text=True, check=True, env={"PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert int(done.stdout) == len(RECORDED)
    assert isinstance(pagetables.recorded(), xr.Dataset)
