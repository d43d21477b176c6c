"""Zones declared page by page."""

import threading

import numpy as np
import pytest

import compactlab as cl
from compactlab.core import memory as m
from compactlab.simulation.build import build
from compactlab.simulation.zone import Zone

SMALL = {"pageblock_order": 3, "nr_orders": 5, "start_pfn": 1 << 10}


def test_from_kinds__free_pages_are_the_largest_blocks():
    kind = np.array(["free"] * 16 + ["anon"] + ["free"] * 15)
    zone = Zone.from_kinds(kind, **SMALL)
    memory = build([zone])
    assert memory.zone["nr_free"][0, :5].sum(axis=1).tolist() == [1, 1, 1, 1, 1]
    assert memory.zone["managed"].tolist() == [32]
    assert zone.nr_pages == 32


def test_from_kinds__is_what_a_run_of_it_begins_with():
    kind = np.array(["anon", "free", "file", "slab"] * 8)
    zone = Zone.from_kinds(kind, flags={"pinned": [0], "dirty": kind == "file"}, **SMALL)
    before = cl.compact_zone(zone, frames=0)["pages"].to_dataset().isel(keyframe=0)
    names = np.array(before.attrs["kinds"])
    assert (names[before.kind.values] == kind).all()
    bit = {name: 1 << at for at, name in enumerate(before.attrs["flags"])}
    assert np.flatnonzero(before.flags.values & bit["pinned"]).tolist() == [0]
    assert (
        np.flatnonzero(before.flags.values & bit["dirty"]).tolist() == np.flatnonzero(kind == "file").tolist()
    )
    assert ((before.flags.values & bit["lru"] > 0) == np.isin(kind, ("anon", "file"))).all()


def test_from_kinds__folios_move_whole():
    kind = np.tile(np.repeat(["file", "free"], 4), 8)
    zone = Zone.from_kinds(kind, folio_order=2, **SMALL, sysctls=cl.Sysctls(min_free_kbytes=8))
    assert zone.seed.order[:8].tolist() == [2, m.TAIL, m.TAIL, m.TAIL, 2, m.TAIL, m.TAIL, m.TAIL]
    moves = cl.compact_zone(zone)["moves"].to_dataset()
    assert set(moves.order.values.tolist()) == {2}


def test_from_kinds__no_page_has_the_flag():
    kind = ["anon", "free"] * 16
    plain = Zone.from_kinds(kind, **SMALL).seed.flags
    assert (Zone.from_kinds(kind, flags={"pinned": []}, **SMALL).seed.flags == plain).all()


def test_from_kinds__types_of_pageblocks():
    zone = Zone.from_kinds(["slab", "free"] * 16, migratetype="Unmovable", **SMALL)
    assert zone.seed.migratetype.tolist() == [m.UNMOVABLE] * 4
    zone = Zone.from_kinds(["anon", "free"] * 16, migratetype=["Movable", "CMA", "CMA", "Unmovable"], **SMALL)
    assert zone.seed.migratetype.tolist() == [m.MOVABLE, m.CMA, m.CMA, m.UNMOVABLE]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": ["anom"] * 32}, "kind 'anom'; expected one of .*nearest is 'anon'"),
        ({"kind": [["anon"] * 32]}, "expected one name for each page"),
        ({"kind": ["anon"] * 4}, "4 pages; expected at least a pageblock"),
        ({"flags": {"pined": [0]}}, "flag 'pined'.*nearest is 'pinned'"),
        ({"flags": {"pinned": [1]}}, "of free pages; expected anon or file pages"),
        ({"flags": {"pinned": [0.5]}}, "of float64; expected positions or a mask"),
        ({"migratetype": "movable"}, "migratetype 'movable'"),
        ({"migratetype": ["CMA"] * 3}, "3 migratetypes; expected one, or one for each of 4 pageblocks"),
        ({"folio_order": 5}, "folio_order=5; expected 0 to 4"),
        ({"kind": ["file", "free"] * 16, "folio_order": 1}, "page 0 is a file page in a folio of order 1"),
    ],
)
def test_from_kinds__refuses(arguments, message):
    given = {"kind": ["anon", "free"] * 16, **SMALL, **arguments}
    with pytest.raises(ValueError, match=message):
        Zone.from_kinds(**given)


@pytest.mark.parametrize(
    ("flags", "mode", "result"),
    [
        ((), "MIGRATE_SYNC", "complete"),
        (("dirty", "private"), "MIGRATE_SYNC", "contended"),
    ],
)
def test_compact_zone__tells_the_result(flags, mode, result):
    # no free block is as large as the folios: one that cannot be split either ends the run
    kind = np.tile(["file"] * 16 + ["free"] * 8 + ["anon"] * 8, 64)
    marked = dict.fromkeys(flags, kind == "file")
    zone = Zone.from_kinds(kind, flags=marked, folio_order=4, sysctls=cl.Sysctls(min_free_kbytes=256))
    run = cl.compact_zone(zone, mode=mode)
    assert run.attrs["config"]["compact_zone"]["results"] == {"0/Normal": result}
    assert cl.metrics.compaction_runs(run).status.values.tolist() == [result]


@pytest.mark.parametrize(
    ("kind", "result"),
    [(["free"] * 8192, "success"), (["anon"] * 8192, "skipped"), (["anon", "free"] * 4096, "success")],
)
def test_compact_zone__tells_why_there_was_no_run(kind, result):
    run = cl.compact_zone(Zone.from_kinds(kind), order=9, trigger="direct")
    assert run.attrs["config"]["compact_zone"]["results"] == {"0/Normal": result}


def test_compact_zone__result_when_cancelled():
    zone = Zone.from_kinds(["anon", "free"] * 8192)
    stop = threading.Event()
    stop.set()
    run = cl.compact_zone(zone, cancel=stop)
    assert run.attrs["config"]["compact_zone"]["results"] == {"0/Normal": "contended"}
