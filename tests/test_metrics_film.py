"""Moves, pages and the film of pageblocks, against a replay page by page and against what a simulation logged."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import compactlab as cl
from compactlab import schema
from compactlab.core import memory as m
from compactlab.metrics import cells
from compactlab.metrics import film as films
from compactlab.metrics.blockpages import FREE_PAGE, MOVED_IN, MOVED_OUT, STATES, BlockPages
from compactlab.metrics.moves import STEPS, moves

WITHIN = 1 << 9
MOVABLE = (m.ANON, m.FILE)
FILLS = cells.FILLS


@pytest.fixture(scope="module")
def fragmented():
    """A zone of 64 pageblocks whose free memory is in crumbs."""
    run = cl.simulate(cl.Zone("128 MiB"), cl.workloads.punch(settle_s=0, demand=0))
    return cl.Zone.from_pages(run, keyframe="after")


@pytest.fixture(scope="module")
def compacted(fragmented):
    return cl.compact_zone(fragmented, frames=5)


@pytest.fixture(scope="module")
def worked():
    """Compaction at the request of a workload, with page maps in between."""
    return cl.simulate(cl.Zone("128 MiB"), cl.workloads.punch(settle_s=1))


@pytest.fixture(scope="module")
def recording():
    return cl.datasets.load("page-map-compaction")


def without(run, *groups):
    """A run that lacks some groups, as a recording does."""
    kept = {name: node.to_dataset() for name, node in run.children.items() if name not in groups}
    return schema.new_run(kept, **{k: v for k, v in run.attrs.items() if k != "schema_version"})


def pictures(film):
    """The 16 bits of all cells after each step."""
    state = film.initial.copy()
    found = []
    for step in range(film.elapsed.size):
        some = slice(film.first[step], film.first[step + 1])
        np.bitwise_xor.at(state, film.cell[some], film.flip[some])
        found.append(state.copy())
    return found


def slow_fill(kind):
    """What most matters about one pageblock, from the kinds of its pages (no folio, no hole)."""
    free = int((kind == m.FREE).sum())
    untold = int(np.isin(kind, (m.UNKNOWN, m.PCP)).sum())
    cannot = kind.size - free - untold - int(np.isin(kind, MOVABLE).sum())
    if cannot >= kind.size / 16:
        return "cannot_move"
    if free == kind.size:
        return "free"
    if untold >= kind.size / 2:
        return "unknown"
    return f"free_{min(-(-4 * free // kind.size), 4)}" if free else "movable"


def slow_order(kind):
    """Order of the largest aligned run of free pages, -1 if no page is free."""
    found = -1
    for order in range(10):
        for start in range(0, kind.size, 1 << order):
            if (kind[start : start + (1 << order)] == m.FREE).all():
                found = order
    return found


# --- the film ----------------------------------------------------------------------------------------------


def test_film__equals_a_replay_page_by_page(compacted):
    film = films.film(compacted)
    kind = compacted["pages"].kind.values[0].copy()
    moved = compacted["moves"].to_dataset()
    events = compacted["events"].to_dataset()
    assert film.origin == "log"
    by_time = {}
    for event, source, target, order in zip(
        *(moved[name].values for name in ("event", "source_pfn", "target_pfn", "order")), strict=True
    ):
        by_time.setdefault(int(events.elapsed[event]), []).append((source, target, 1 << order))
    first = int(compacted["pages"].first_pfn[0])
    seen = pictures(film)
    checked = 0
    for step in np.flatnonzero(film.what == STEPS.index("mm_compaction_migratepages")):
        for source, target, size in by_time.pop(int(film.elapsed[step]), []):
            held = kind[source - first : source - first + size].copy()
            kind[source - first : source - first + size] = m.FREE
            kind[target - first : target - first + size] = held
        for cell in np.unique(film.cell[film.first[step] : film.first[step + 1]]):
            pages = kind[cell * WITHIN : (cell + 1) * WITHIN]
            code = int(seen[step][cell])
            assert FILLS[code & 15] == slow_fill(pages)
            if film.elapsed[step] < compacted["pageblocks"].elapsed[1]:  # page by page until counted anew
                assert (code >> cells.ORDER_BITS) - 1 == slow_order(pages)
            checked += 1
    assert checked > 60
    assert not by_time


@pytest.mark.parametrize("name", ["compacted", "worked"])
def test_film__has_every_frame_as_it_was_counted(name, request):
    run = request.getfixturevalue(name)
    film, blocks = films.film(run), run["pageblocks"].to_dataset()
    seen = pictures(film)
    frames = np.flatnonzero(film.what == films.FRAME)
    assert frames.size == blocks.sizes["frame"]
    for frame, step in enumerate(frames):
        counts = blocks.nr_pages.values[frame]
        codes = seen[step].astype(int)
        wholly = codes & 15 == FILLS.index("free")
        assert np.array_equal(wholly, counts[:, m.FREE] == WITHIN)
        orders = (codes >> cells.ORDER_BITS & 15) - 1
        told = blocks.free_order.values[frame].astype(int)
        assert np.array_equal(orders, np.where(told == m.TAIL, -1, told))
        assert np.array_equal(codes >> cells.SKIP_BIT & 1, blocks.skip.values[frame])
        assert np.array_equal(codes >> cells.TYPE_BITS & 7, blocks.migratetype.values[frame])


def test_film__scanners_close_in_and_pages_add_up(compacted):
    film = films.film(compacted)
    during = (film.migrate_pfn >= 0) & (film.what < films.FRAME)
    assert (np.diff(film.migrate_pfn[during]) >= 0).all()
    assert (np.diff(film.free_pfn[during] // WITHIN) <= 0).all()  # within a pageblock it looks upwards
    assert film.moved[-1] == compacted["counters"].value.sel(counter="pgmigrate_success")[-1]
    assert film.migrate_pfn[-1] == -1  # it is over


@pytest.mark.parametrize("steps", [1, 7, 40])
def test_film__thinned_ends_in_the_same_picture(steps, worked):
    whole, few = films.film(worked), films.film(worked, steps)
    assert few.elapsed.size == steps
    assert few.total_steps == whole.total_steps == whole.elapsed.size
    assert few.moved[-1] == whole.moved[-1]
    assert np.array_equal(pictures(few)[-1], pictures(whole)[-1])


def test_film__groups_pageblocks_of_large_zones(worked, monkeypatch):
    monkeypatch.setattr(cells, "MOST_CELLS", 16)
    film = films.film(worked)
    assert film.start_pfn.size == 16
    assert film.cell_pages.tolist() == [4 * WITHIN]
    counts = worked["pageblocks"].nr_pages.values[-1, :, m.FREE].reshape(16, 4).sum(axis=1)
    assert np.array_equal(pictures(film)[-1] & 15 == FILLS.index("free"), counts == 4 * WITHIN)


def test_film__requests_that_got_a_pageblock_are_steps(worked):
    film = films.film(worked)
    got = worked["allocations"].to_dataset()
    got = got.isel(allocation=np.flatnonzero((got.success & (got.order >= 9)).values))
    steps = np.flatnonzero(film.what == films.ALLOCATED)
    assert steps.size == got.sizes["allocation"] > 0
    seen = pictures(film)
    for step in steps[:5]:
        given = film.cell[film.first[step] : film.first[step + 1]]
        assert given.size == 1
        assert seen[step][given[0]] >> cells.ORDER_BITS == 0  # nothing of it is free


def test_film__of_frames_alone_and_of_nothing(worked):
    frames = films.film(without(worked, "events", "moves", "allocations"))
    assert frames.origin == "frames"
    assert (frames.what == films.FRAME).all()
    assert films.film(cl.datasets.load("healthy")) is None


def test_film__of_the_recording_ends_near_what_the_kernel_left(recording):
    film = films.film(recording)
    assert film.origin == "trace"
    seen = pictures(film)
    before_the_last_count = seen[np.flatnonzero(film.what == films.FRAME)[-1] - 1]
    wholly = [
        int((code & 15 == FILLS.index("free")).sum())
        for code in (film.initial, before_the_last_count, seen[-1])
    ]
    assert wholly[0] < 100
    assert abs(wholly[1] - wholly[2]) < 0.02 * wholly[2]


# --- moves -------------------------------------------------------------------------------------------------


def test_moves__of_a_simulation_are_its_log(compacted):
    assert moves(compacted).drop_attrs().identical(compacted["moves"].to_dataset().drop_attrs())


def test_moves__inferred_agree_with_the_log(compacted):
    truth, guess = moves(compacted), moves(without(compacted, "moves"))
    assert guess.attrs["from"] == "trace"
    pages = int((1 << truth.order.values).sum())
    # Pages of per-CPU lists that became free after the page map are not known as targets.
    assert 0.9 * pages < guess.sizes["move"] <= pages
    per_event = [
        np.bincount(each.event.values, 1 << each.order.values, compacted["events"].sizes["event"])
        for each in (truth, guess)
    ]
    assert (per_event[1] <= per_event[0]).all()
    source, target = (set(guess[name].values.tolist()) for name in ("source_pfn", "target_pfn"))
    assert len(source) == len(target) == guess.sizes["move"]
    assert len(source & set(truth.source_pfn.values.tolist())) > 0.95 * len(source)
    assert len(target & set(truth.target_pfn.values.tolist())) > 0.9 * len(target)


def test_moves__of_the_recordings_are_nearly_all_that_were_traced(recording):
    for run, share in ((recording, 0.999), (cl.datasets.load("page-map-direct"), 0.98)):
        traced = run["events"].nr_migrated.values
        assert moves(run).sizes["move"] > share * traced[traced > 0].sum()


@pytest.mark.parametrize("missing", ["events", "pages"])
def test_moves__none_where_nothing_tells(compacted, missing):
    assert moves(without(compacted, "moves", missing)) is None


# --- pages of one pageblock ----------------------------------------------------------------------------------


def test_block_pages__before_between_and_after(compacted):
    look = BlockPages(compacted, moves(compacted))
    moved, events = compacted["moves"].to_dataset(), compacted["events"].to_dataset()
    first = int(compacted["pages"].first_pfn[0])
    at = events.elapsed.values[moved.event.values]
    moment = int(np.median(at))
    out = np.zeros(compacted["pages"].sizes["pfn"], int)
    for when, source, target, order in zip(
        at, moved.source_pfn.values, moved.target_pfn.values, moved.order.values, strict=True
    ):
        if when <= moment:
            out[source - first : source - first + (1 << order)] = MOVED_OUT
            out[target - first : target - first + (1 << order)] = MOVED_IN
    for block in range(0, 64, 3):
        states, since = look.at(first + block * WITHIN, moment)
        expected = out[block * WITHIN : (block + 1) * WITHIN]
        assert since == 0
        assert np.array_equal(states[expected > 0], expected[expected > 0])
        untouched = states[expected == 0]
        kind = compacted["pages"].kind.values[0, block * WITHIN : (block + 1) * WITHIN][expected == 0]
        assert np.array_equal(untouched == FREE_PAGE, kind == m.FREE)
    states, since = look.at(first, int(compacted["pages"].elapsed[-1]))
    assert since > 0
    assert not np.isin(states, (MOVED_IN, MOVED_OUT)).any()


def test_block_pages__pinned_and_large_pages_are_told():
    run = cl.datasets.load("page-map-pinned")
    look = BlockPages(run, None)
    flags = run["pages"]["flags"].values[0]
    pinned = int(np.flatnonzero(flags & m.PINNED)[0])
    states, _since = look.at(pinned // WITHIN * WITHIN, 0)
    assert STATES[states[pinned % WITHIN]] == "pinned"
    order = run["pages"]["order"].values[0]
    folio = int(np.flatnonzero((order == 9) & np.isin(run["pages"].kind.values[0], MOVABLE))[0])
    states, _since = look.at(folio, 0)
    assert {STATES[state] for state in states} == {"large"}
    assert isinstance(run, xr.DataTree)
