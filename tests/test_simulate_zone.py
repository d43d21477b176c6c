"""Zones: declared, seeded, built."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

from compactlab import datasets, schema
from compactlab.core import memory as m
from compactlab.simulation import workloads
from compactlab.simulation.build import build, first_page
from compactlab.simulation.loop import simulate
from compactlab.simulation.marks import lowmem_reserve, min_free_kbytes, per_cpu, watermarks
from compactlab.simulation.presets import KERNELS, Sysctls, nearest_kernel
from compactlab.simulation.zone import Zone, check


@pytest.fixture(scope="module")
def recording():
    return datasets.load("page-map-compaction")


@pytest.fixture(scope="module")
def seeded(recording):
    return Zone.from_pages(recording)


def small_map(**changed):
    """A run of one pageblock of 8 pages: free pair, two movable, slab, two unknown, hole."""
    kind = np.array([m.FREE, m.FREE, m.ANON, m.FILE, m.SLAB, m.UNKNOWN, m.UNKNOWN, m.HOLE], np.uint8)
    pages = {"kind": kind, "order": np.array([1, m.TAIL, 0, 0, 0, 0, 0, 0], np.uint8)}
    pages["mapcount"] = np.zeros(8, np.uint8)
    pages["flags"] = np.where(np.isin(kind, (m.ANON, m.FILE)), m.LRU, 0).astype(np.uint8)
    dataset = xr.Dataset(
        {
            "name": ("keyframe", np.array(["before"], object)),
            "first_pfn": ("keyframe", np.array([64])),
            **{each: (("keyframe", "pfn"), values[None]) for each, values in pages.items()},
        },
        {"time": ("keyframe", np.zeros(1, np.int64)), "elapsed": ("keyframe", np.zeros(1, np.int64))},
    )
    return schema.new_run({"pages": dataset}, **({"pageblock_order": 3, "page_size": 4096} | changed))


# --- declared ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "page_size", "pages"),
    [("1 GiB", 4096, 1 << 18), ("512M", 4096, 1 << 17), (2 << 20, 4096, 512), ("0.5 gib", 1 << 16, 8192)],
)
def test_zone__size_in_pages(size, page_size, pages):
    assert Zone(size, page_size=page_size).nr_pages == pages


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": "1.0001 MiB"}, r"whole number of 4096-byte pages"),
        ({"size": "lots"}, r"size='lots'; expected bytes, or text"),
        ({"size": "1 MiB"}, r"256 pages; expected at least a pageblock \(512\)"),
        ({"pages": 1 << 31}, r"at most 1073741824"),
        ({"name": "normal"}, r"expected one of DMA, DMA32, Normal, Movable"),
        ({"kernel": "6.19"}, r"kernel '6.19'; expected one of .*nearest is '6.1"),
        ({"pageblock_order": 11}, r"pageblock_order=11; expected 1 to 10"),
        ({"nr_orders": 25}, r"nr_orders=25; expected 1 to 24"),
        ({"cpus": 0}, r"cpus=0; expected 1 to"),
        ({"start_pfn": -1}, r"start_pfn=-1; expected at least 0"),
    ],
)
def test_zone__refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        Zone(**arguments)


def test_check__refuses_overlap():
    with pytest.raises(ValueError, match=r"0/Normal and 1/Normal overlap: page frames up to 1310720"):
        check([Zone("1 GiB"), Zone("1 GiB", node=1, start_pfn=(1 << 20) + 512)])


def test_check__refuses_two_machines():
    with pytest.raises(ValueError, match="of one machine"):
        check([Zone("1 GiB"), Zone("1 GiB", name="DMA32", cpus=4)])


def test_check__refuses_one_label_twice():
    with pytest.raises(ValueError, match="zone 0/Normal: 2 of that label"):
        check([Zone("1 GiB"), Zone("1 GiB", start_pfn=1 << 22)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"compaction_proactiveness": 101}, "expected 0 to 100"),
        ({"watermark_scale_factor": 0}, "expected 1 to 3000"),
        ({"min_free_kbytes": -1}, "expected at least 0"),
        ({"percpu_pagelist_high_fraction": 7}, "expected 0, or at least 8"),
        ({"transparent_hugepage_defrag": "sometimes"}, "nearest is"),
    ],
)
def test_sysctls__refuse(arguments, message):
    with pytest.raises(ValueError, match=message):
        Sysctls(**arguments)


@pytest.mark.parametrize(
    ("release", "name"),
    [
        ("6.15", "6.18"),
        ("6.14.2", "6.12"),
        ("6.9", "6.6"),
        ("5.13", "5.10"),
        ("5.4.0-1", "5.4"),
        ("4.19", "5.4"),
    ],
)
def test_nearest_kernel__begins_of_versions(release, name):
    assert nearest_kernel(release) == name


# --- what the kernel computes: figures of a 24 GiB machine -------------------------------------------------

MANAGED = [3840, 772915, 5394266]


def test_watermarks__as_recorded():
    kbytes = min_free_kbytes(MANAGED, 4096, 9)
    assert kbytes == 67584
    found = watermarks(MANAGED, [False] * 3, kbytes // 4, 10)
    assert [mark[:3] for mark in found] == [(10, 13, 16), (2116, 2888, 3660), (14769, 20163, 25557)]


def test_lowmem_reserve__as_recorded():
    assert lowmem_reserve(["DMA", "DMA32", "Normal"], MANAGED) == [[0, 3019, 24090], [0, 0, 21071], [0, 0, 0]]


def test_per_cpu__fraction_fixes_the_length():
    sizes = per_cpu(5394266, 20163, 4096, 2, Sysctls(percpu_pagelist_high_fraction=20000), KERNELS["6.18"])
    assert (sizes.high, sizes.high_min, sizes.high_max, sizes.batch) == (252, 252, 252, 63)


# --- built -------------------------------------------------------------------------------------------------


def pages_of_lists(memory, number):
    """Pages on the free lists of a zone, by walking them."""
    rules = memory.rules[0]
    pages = 0
    for order in range(int(rules["max_order"]) + 1):
        for migratetype in range(6):
            head = int(rules["nr_pages"]) + number * m.LISTS_PER_ZONE + order * 6 + migratetype
            entry = int(memory.page["next"][head])
            while entry != head:
                assert memory.page["order"][entry] == order
                pages += 1 << order
                entry = int(memory.page["next"][entry])
    return pages


def test_build__zones_of_two_nodes_with_a_hole():
    zones = [
        Zone("16 MiB", name="DMA32"),
        Zone("33 MiB"),
        Zone("64 MiB", node=1, start_pfn=(1 << 20) + 16384 + 7),
    ]
    memory = build(zones)
    assert first_page(zones) == 4096
    assert memory.zone["free_pages"].tolist() == [4096, 8448, 16384]
    assert memory.zone["managed"].tolist() == [4096, 8448, 16384]
    assert [pages_of_lists(memory, number) for number in range(3)] == [4096, 8448, 16384]
    assert memory.state["zonelist"][0][:2, :4].tolist() == [[1, 0, 2, -1], [2, 1, 0, -1]]
    hole = (1 << 20) + 8448 - 4096
    assert (memory.page["kind"][hole : hole + 100] == m.HOLE).all()
    assert memory.zone["lowmem_reserve"][0][:3].tolist() == [0, 0, 8448 // 256]


@pytest.mark.parametrize(("pageblock_order", "nr_orders"), [(9, 11), (13, 14), (8, 9)])
def test_build__any_orders(pageblock_order, nr_orders):
    zone = Zone(pages=5 << 13, pageblock_order=pageblock_order, nr_orders=nr_orders, start_pfn=1 << 20)
    memory = build([zone])
    assert memory.zone["nr_free"][0][nr_orders - 1, m.MOVABLE] == (5 << 13) >> (nr_orders - 1)


def test_build__leaves_the_seed_alone(seeded):
    kinds = seeded.seed.kind.copy()
    memory = build([seeded])
    memory.page["kind"][:1000] = m.HOLE
    assert np.array_equal(kinds, seeded.seed.kind)


def test_build__same_seed_same_draws():
    first, again, other = (build([Zone("64 MiB")], seed=seed).state["spread"] for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


# --- seeded ------------------------------------------------------------------------------------------------


def test_from_pages__a_boost_is_no_part_of_the_watermarks():
    run = simulate(Zone("64 MiB"), workloads.idle(seconds=1), frames=0)
    run["zoneinfo"].boost[-1] = 512
    seed = Zone.from_pages(run, keyframe="after").seed
    assert seed.boost == 512
    assert list(seed.watermark) == run["zoneinfo"].watermark.values[-1, 0].tolist()


def test_from_pages__counts_of_the_recording(recording, seeded):
    memory = build([seeded])
    info = recording["zoneinfo"].to_dataset().sel(zone="0/Normal").isel(time=0)
    assert seeded.first_pfn == int(info.start_pfn)
    assert seeded.nr_pages == int(info.spanned_pages)
    assert memory.zone["managed"][0] == int(info.managed_pages)
    assert memory.zone["wmark_min"][0] == int(info.watermark[0])
    assert memory.zone["pcp"]["count"][0, :2].tolist() == info.pcp_count.values.tolist()
    assert memory.zone["free_pages"][0] == (seeded.seed.kind == m.FREE).sum() == pages_of_lists(memory, 0)
    assert not (seeded.seed.kind == m.UNKNOWN).any()


def test_from_pages__as_many_blocks_of_each_type_as_pagetypeinfo_tells(recording, seeded):
    told = recording["migratetypes"].to_dataset().sel(zone="0/Normal")
    before = told.sel(time=told.elapsed.values <= int(recording["pages"].elapsed[0])).isel(time=-1)
    counts = dict(zip(before.migratetype.values.tolist(), before.nr_pageblocks.values.tolist(), strict=True))
    found = np.bincount(seeded.seed.migratetype, minlength=3)
    assert found[m.RECLAIMABLE] == counts["Reclaimable"]
    assert found[m.UNMOVABLE] == counts["Unmovable"] + counts["HighAtomic"]


def test_from_pages__blocks_that_the_kernel_took_targets_from_are_movable(recording, seeded):
    events = recording["events"].to_dataset()
    taken = (events.name.values == "mm_compaction_isolate_freepages") & (events.nr_taken.values > 0)
    taken &= events.zone.values == seeded.label
    blocks = np.unique((events.start_pfn.values[taken] - seeded.first_pfn) >> 9)
    assert blocks.size > 1000
    assert (seeded.seed.migratetype[blocks] != m.MOVABLE).mean() < 0.001


def test_from_pages__map_alone():
    zone = Zone.from_pages(small_map())
    assert (zone.label, zone.first_pfn, zone.nr_pages) == ("0/Normal", 64, 8)
    assert zone.seed.kind.tolist() == [
        *[m.FREE] * 2, m.ANON, m.FILE, m.SLAB, m.KERNEL, m.KERNEL, m.HOLE,
    ]  # fmt: skip
    memory = build([zone])
    assert memory.zone["free_pages"][0] == 2
    assert memory.zone["managed"][0] == 7


def test_from_pages__refuses_what_is_not_there(recording):
    with pytest.raises(ValueError, match="expected pages"):
        Zone.from_pages(schema.new_run({}))
    with pytest.raises(ValueError, match="keyframe 'later': the run has 'before', 'after'"):
        Zone.from_pages(recording, keyframe="later")
    with pytest.raises(ValueError, match="zone '1/Normal': the run has 0/DMA, 0/DMA32, 0/Normal"):
        Zone.from_pages(recording, zone="1/Normal")


def test_from_pages__refuses_a_truncated_map(recording):
    groups = {each: recording[each].to_dataset() for each in ("zones", "zoneinfo", "pages")}
    groups["pages"] = groups["pages"].isel(pfn=slice(0, 1 << 21))
    cut = schema.new_run(groups, pageblock_order=9)
    with pytest.raises(
        ValueError, match=r"page frames 1048576 to 6553600, but the page map has 0 to 2097152"
    ):
        Zone.from_pages(cut, zone="0/Normal")


def test_zone__is_a_value(seeded):
    assert dataclasses.replace(seeded, kernel="6.6").kernel == "6.6"
    with pytest.raises(dataclasses.FrozenInstanceError):
        seeded.kernel = "6.6"
