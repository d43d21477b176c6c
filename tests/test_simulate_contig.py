"""Ranges of page frames, asked for without a workload and by one."""

import numpy as np
import pytest

import compactlab as cl
from compactlab import schema
from compactlab.core import memory as m
from compactlab.simulation import workloads
from compactlab.simulation.contig import alloc_contig_range
from compactlab.simulation.seed import Seed
from compactlab.simulation.zone import Zone

FIRST = 1 << 20
BLOCK = 32


def filled(pages=2048, pinned=(), slab=(), cache=(), kernel="6.18"):
    """A zone whose lower half is anonymous memory, with some pages pinned, of slab or of clean page cache."""
    kind = np.full(pages, m.FREE, np.uint8)
    kind[: pages // 2] = m.ANON
    kind[list(cache)] = m.FILE
    kind[list(slab)] = m.SLAB
    flags = np.where(np.isin(kind, (m.ANON, m.FILE)), m.LRU, 0).astype(np.uint8)
    flags[list(pinned)] |= m.PINNED
    order = np.zeros(pages, np.uint8)
    order[pages // 2 :] = m.TAIL
    order[pages // 2 :: 64] = 6
    types = np.full(pages // BLOCK, m.MOVABLE, np.uint8)
    return Zone(
        pages=pages,
        start_pfn=FIRST,
        pageblock_order=5,
        nr_orders=7,
        kernel=kernel,
        sysctls=cl.Sysctls(min_free_kbytes=128),
        seed=Seed(kind, order, (kind == m.ANON).astype(np.uint8), flags, types),
    )


def result(run):
    return run.attrs["config"]["alloc_contig_range"]["result"]


def kinds(run, keyframe):
    pages = run["pages"].to_dataset()
    return pages.kind.values[pages["name"].values.tolist().index(keyframe)]


def named(run, name):
    events = run["events"].to_dataset()
    return events.isel(event=np.flatnonzero(events["name"].values == name))


def test_alloc_contig_range__moves_what_is_there(tmp_path):
    run = alloc_contig_range(filled(), FIRST + 64, FIRST + 192)
    schema.validate(run)
    assert result(run) == "success"
    before, after = kinds(run, "before"), kinds(run, "after")
    assert (before[64:192] == m.ANON).all()
    assert (after[64:192] == m.KERNEL).all()
    assert (after == m.ANON).sum() == (before == m.ANON).sum()
    moves = run["moves"].to_dataset()
    assert sorted(moves.source_pfn.values.tolist()) == list(range(FIRST + 64, FIRST + 192))
    assert not ((moves.target_pfn.values >= FIRST + 64) & (moves.target_pfn.values < FIRST + 192)).any()
    cl.save(run, tmp_path / "run.nc")
    assert cl.open(tmp_path / "run.nc").identical(run)


@pytest.mark.parametrize(("start", "end"), [(5, 7), (31, 97), (1000, 1100), (1025, 1026), (0, 2048 - 1024)])
def test_alloc_contig_range__takes_these_pages_and_no_others(start, end):
    run = alloc_contig_range(filled(), FIRST + start, FIRST + end)
    if result(run) == "success":
        assert np.flatnonzero(kinds(run, "after") == m.KERNEL).tolist() == list(range(start, end))
    else:
        assert result(run) == "ENOMEM"
        assert (kinds(run, "after") == m.KERNEL).sum() == 0
    counts = np.bincount(kinds(run, "after"), minlength=len(m.KINDS))
    assert counts[m.ISOLATED] == 0
    assert counts[m.ANON] == 1024


def test_alloc_contig_range__drops_clean_cache():
    run = alloc_contig_range(filled(cache=range(64, 96)), FIRST + 64, FIRST + 96)
    assert result(run) == "success"
    assert "moves" not in run.children
    assert (kinds(run, "after") == m.FILE).sum() == 0


def test_alloc_contig_range__pinned_page_is_named():
    run = alloc_contig_range(filled(pinned=[70]), FIRST + 64, FIRST + 96)
    assert result(run) == "EBUSY"
    refused = named(run, "compact_refused")
    assert (FIRST + 70, "pinned") in zip(refused.pfn.values, refused.refusal.values, strict=True)
    tested = named(run, "test_pages_isolated")
    assert tested.pfn.values.tolist() == [FIRST + 70]
    assert (kinds(run, "after") == m.ANON).sum() == 1024


def test_alloc_contig_range__unmovable_page_is_named():
    run = alloc_contig_range(filled(slab=[90]), FIRST + 64, FIRST + 96)
    assert result(run) == "EBUSY"
    refused = named(run, "compact_refused")
    assert refused.pfn.values.tolist() == [FIRST + 90]
    assert refused.refusal.values.tolist() == ["unmovable"]
    assert "moves" not in run.children


def test_alloc_contig_range__same_seed_same_run():
    runs = [alloc_contig_range(filled(), FIRST, FIRST + 256, seed=seed) for seed in (0, 0, 1)]
    assert runs[0].identical(runs[1])
    assert np.array_equal(runs[0]["pages"].kind, runs[2]["pages"].kind)
    assert int(runs[0]["zones"].elapsed[-1]) != int(runs[2]["zones"].elapsed[-1])


def test_alloc_contig_range__budgets_are_told():
    whole = alloc_contig_range(filled(), FIRST, FIRST + 256)
    run = alloc_contig_range(filled(), FIRST, FIRST + 256, events=3, moves=40)
    for name, dim in (("events", "event"), ("moves", "move")):
        size = run[name].sizes[dim]
        assert run.attrs["budgets"][name] == {"kept": size, "left_out": whole[name].sizes[dim] - size}
        assert any(text.startswith(f"{name}: {size} were kept") for text in run.attrs["problems"])


@pytest.mark.parametrize(
    ("start", "end"), [(FIRST, FIRST), (FIRST + 9, FIRST), (0, 32), (FIRST + 2000, FIRST + 2049)]
)
def test_alloc_contig_range__refuses(start, end):
    with pytest.raises(ValueError, match="expected a range within one zone: 0/Normal 1048576 to 1050624"):
        alloc_contig_range(filled(), start, end)


def test_alloc_contig_range__refuses_no_zone():
    with pytest.raises(ValueError, match="0 zones; expected 1 to 8"):
        alloc_contig_range([], 0, 1)


def test_contig_ranges__share_the_zone():
    run = cl.simulate(Zone("64 MiB"), workloads.contig_ranges(order=9, requests=40))
    value = run["counters"].to_dataset().value.isel(time=-1)
    taken = int(value.sel(counter="alloc_contig_success"))
    assert taken + int(value.sel(counter="alloc_contig_fail")) == 40
    assert 25 <= taken <= 32
    assert (kinds(run, "after") == m.KERNEL).sum() == taken << 9


def half_cma():
    """A free zone whose upper half is kept for CMA."""
    small = {
        "pageblock_order": 5,
        "nr_orders": 7,
        "start_pfn": FIRST,
        "sysctls": cl.Sysctls(min_free_kbytes=128),
    }
    return Zone.from_kinds(["free"] * 2048, migratetype=["Movable"] * 32 + ["CMA"] * 32, **small)


def test_cma__movable_pages_live_there_and_kernel_pages_do_not():
    programs = cl.simulate(half_cma(), workloads.punch(fill=0.7, keep=1, demand=0, settle_s=0))
    kernel = cl.simulate(half_cma(), workloads.slab_growth(unmovable=0.7, reclaimable=0, shrink=0))
    assert (kinds(programs, "after")[1024:] == m.ANON).sum() > 400
    assert (kinds(kernel, "after")[:1024] == m.SLAB).sum() > 800
    assert (kinds(kernel, "after")[1024:] == m.SLAB).sum() == 0


def test_cma__the_owner_alone_gets_the_range():
    run = cl.simulate(half_cma(), workloads.punch(fill=0.7, keep=1, demand=0, settle_s=0))
    zone = Zone.from_pages(run, keyframe="after")
    lived = np.flatnonzero(kinds(run, "after")[1024:] == m.ANON)
    start = FIRST + 1024 + int(lived[0]) // BLOCK * BLOCK
    for_others = alloc_contig_range(zone, start, start + BLOCK)
    assert result(for_others) == "EBUSY"
    assert named(for_others, "compact_refused").pfn.values.tolist() == [start]
    taken = alloc_contig_range(zone, start, start + BLOCK, cma=True)
    assert result(taken) == "success"
    assert taken["moves"].sizes["move"] > 0
