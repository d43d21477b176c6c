"""Views of pressure, latency and migration without a browser: their columns against slow computations."""

from __future__ import annotations

import numpy as np
import pytest
import reference
import runs
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from runs import SECOND

import compactlab as cl
from compactlab import schema, workloads
from compactlab.core.memory import REFUSALS
from compactlab.figures import explorer
from compactlab.figures.cpu import cpu
from compactlab.figures.ecdf import AT, ecdf
from compactlab.figures.efficiency import efficiency
from compactlab.figures.heat import PER_DECADE, heat
from compactlab.figures.migration import REASONS, costs_of, migration
from compactlab.figures.percentiles import percentiles
from compactlab.figures.score import marks_of, score
from compactlab.figures.spent import PARTS, spent
from compactlab.figures.view import Missing, script, subject_of
from compactlab.figures.watermarks import watermarks
from compactlab.figures.who import LANES
from compactlab.metrics.batches import migration_batches, refusals
from compactlab.metrics.busy import busy_spans, busy_until, no_faster_than_time
from compactlab.simulation.costs import CostModel

MS = 1_000_000
FREE = [[[900, 0, 0, 10], [50, 3, 2, 1]]] * 4


@pytest.fixture(scope="module")
def simulated() -> xr.DataTree:
    """Memory that is punched full of holes, then asked for huge pages: compacts, reclaims, refuses."""
    workload = workloads.sequence(workloads.punch(settle_s=1), workloads.huge_faults(96))
    return cl.simulate(cl.Zone("192 MiB"), workload, samples=60, frames=8)


@pytest.fixture(scope="module")
def subject(simulated):
    return subject_of(simulated, "light", 2000)


def subject_with(nr_free=FREE, **groups):
    zones = runs.zones(nr_free, ("DMA32", "Normal"))
    run = schema.new_run({"zones": zones, **groups}, page_size=4096, pageblock_order=3, name="made")
    return subject_of(run, "light", 2000)


def requests(rows: list[tuple[int, int]], got=True, **columns) -> xr.Dataset:
    """Group `allocations` from (begin, latency) in ns."""
    begin, latency = np.array(rows, np.int64).T
    values = {"latency_ns": latency, "success": np.broadcast_to(got, begin.shape), **columns}
    data = {name: ("allocation", np.asarray(value)) for name, value in values.items()}
    return xr.Dataset(data, {"time": ("allocation", begin), "elapsed": ("allocation", begin)})


def flat(source, name: str, *shape: int) -> np.ndarray:
    return np.asarray(source.data[name][0]).reshape(shape)


# ------------------------------------------------------------------ pressure


def test_watermarks__every_mark_with_its_boost_and_per_cpu_pages_of_every_zone():
    info = runs.zoneinfo(
        [[1, 2, 3], [10, 20, 30]],
        ("Normal", "DMA32"),
        (0, 2 * SECOND),
        boost=[7, 0],
        pcp_count=[[4, 5], [0, 1]],
    )
    told = watermarks(subject_with(zoneinfo=info)).models["told"]
    assert told.data["t"][0].tolist() == [0, 2]
    assert flat(told, "min", 2, 2).tolist() == [[10, 1]] * 2  # in the order of the free lists' zones
    assert flat(told, "high", 2, 2).tolist() == [[30, 3]] * 2
    assert flat(told, "boost", 2, 2).tolist() == [[0, 7]] * 2
    assert flat(told, "pcp", 2, 2).tolist() == [[1, 9]] * 2


def test_watermarks__a_zone_that_zoneinfo_does_not_list():
    told = watermarks(subject_with(zoneinfo=runs.zoneinfo([[1, 2, 3]], ("Normal",)))).models["told"]
    assert flat(told, "low", 1, 2).tolist() == [[-1, 2]]
    assert flat(told, "pcp", 1, 2).tolist() == [[-1, -1]]


def test_score__as_the_kernel_weighs_and_its_terms_add_up():
    present = [1000, 9000]
    info = runs.zoneinfo([[1, 2, 3]] * 2, ("DMA32", "Normal"), present_pages=present)
    view = score(subject_with(zoneinfo=info))
    told = view.models["told"]
    expected = reference.fragmentation_score_node(list(zip(present, FREE[0], strict=True)), 3)
    assert flat(told, "node", 4).tolist() == [expected] * 4
    assert flat(told, "term", 4, 2).sum(1).tolist() == [expected] * 4
    pages = [sum(n << order for order, n in enumerate(blocks)) for blocks in FREE[0]]
    slow = [(total - (blocks[3] << 3)) * 100 // total for total, blocks in zip(pages, FREE[0], strict=True)]
    assert flat(told, "zone", 4, 2).tolist() == [slow] * 4


def test_score__without_sizes_of_zones_tells_the_zones_alone():
    told = score(subject_with()).models["told"]
    assert (flat(told, "node", 4) == -1).all()
    assert (flat(told, "zone", 4, 2) >= 0).all()


@pytest.mark.parametrize(
    ("kernel", "value", "marks"),
    [
        ("6.18", 20, (20, False, 80, 90, True)),
        ("6.18", 95, (95, False, 5, 7, True)),
        ("6.6", 100, (100, False, 5, 15, True)),  # before 6.15 the low mark is 5 at least
        ("5.4", 20, (20, False, 80, 90, False)),
    ],
)
def test_marks__of_a_simulation_are_those_it_ran_with(kernel, value, marks):
    zone = cl.Zone("4 MiB", kernel=kernel, sysctls=cl.Sysctls(compaction_proactiveness=value))
    found = marks_of(cl.simulate(zone, workloads.idle(1)))
    assert tuple(vars(found).values()) == marks


def test_marks__of_a_recording_are_assumed():
    found = marks_of(schema.new_run({}, kernel="6.1.0"))
    assert (found.proactiveness, found.assumed) == (20, True)


def test_cpu__shares_add_up_to_the_time_of_each_thread(simulated, subject):
    told = cpu(subject).models["told"].data
    threads = simulated["threads"]
    spent_ns = threads.cpu_ns.values[-1] - threads.cpu_ns.values[0]
    for thread, lane in (("foreground", "requests"), ("kswapd", "kswapd"), ("kcompactd", "kcompactd")):
        total = (told[lane][:-1] * np.diff(told["t"])).sum() * 1e9
        expected = spent_ns[threads.thread.values.tolist().index(thread)]
        assert total == pytest.approx(expected, rel=0.01, abs=2 * MS)
    allocations = simulated["allocations"]
    direct = sum(int(allocations[f"{name}_ns"].sum()) for name in ("reclaim", "scan", "migrate"))
    assert direct > 0
    assert (told["direct"][:-1] * np.diff(told["t"])).sum() * 1e9 == pytest.approx(direct, rel=0.01)


def _busy_events():
    rows = [
        (10, "mm_compaction_begin", "holder"), (30, "mm_compaction_end", "holder"),
        (20, "mm_compaction_begin", "kcompactd"), (45, "mm_compaction_end", "kcompactd"),
        (50, "mm_vmscan_direct_reclaim_begin", "holder"), (54, "mm_vmscan_direct_reclaim_end", "holder"),
        (60, "mm_vmscan_kswapd_wake", "kswapd"), (90, "mm_compaction_defer_reset", "holder"),
    ]  # fmt: skip
    return runs.events([{"elapsed": t * MS, "name": name, "role": role} for t, name, role in sorted(rows)])


def test_busy_spans__one_lane_each_and_what_never_ends_lasts_to_the_last_event():
    spans = busy_spans(schema.new_run({"events": _busy_events()}))
    assert {lane: [(begin // MS, end // MS) for begin, end in zip(*both, strict=True)] for lane, both in spans.items()} == {
        "compaction": [(10, 30)], "kcompactd": [(20, 45)], "kswapd": [(60, 90)], "reclaim": [(50, 54)],
    }  # fmt: skip


@given(
    st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)).map(sorted), max_size=6),
    st.lists(st.integers(-5, 120), min_size=1, max_size=8),
)
def test_busy_until__counts_every_nanosecond(spans, moments):
    both = np.array(spans, np.int64).reshape(-1, 2)
    slow = [sum(begin <= ns < end for ns in range(moment) for begin, end in spans) for moment in moments]
    assert busy_until((both[:, 0], both[:, 1]), np.array(moments)).tolist() == slow


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 30)), min_size=1, max_size=8), st.integers(1, 2))
def test_no_faster_than_time__no_interval_has_more_than_its_cpus(steps, cpus):
    moments, spent = np.cumsum(steps, axis=0).T
    shown = no_faster_than_time(moments, spent, cpus)
    slow = [int(spent[0])]
    for k in range(1, len(steps)):
        slow.append(min(int(spent[k]), slow[-1] + cpus * int(moments[k] - moments[k - 1])))
    assert shown.tolist() == slow


def test_cpu__a_thread_takes_no_more_than_one_cpu_in_a_run_of_milliseconds():
    lot = np.random.default_rng(12).random(16384)
    zone = cl.Zone.from_kinds(np.where(lot < 0.3, "anon", np.where(lot < 0.85, "file", "free")))
    growth = workloads.slab_growth(unmovable=0.05, reclaimable=0.05, shrink=0)
    run = cl.simulate(zone, workloads.sequence(growth, workloads.huge_faults(faults=8)), frames=0)
    charged = run["threads"].cpu_ns.diff("time") > run["threads"].elapsed.diff("time")
    assert charged.sel(thread="kcompactd").any()  # a step that outlasts the time between two samples
    told = cpu(subject_of(run, "light", 2000)).models["told"].data
    assert told["t"][-1] < 0.1
    for lane in ("kswapd", "kcompactd"):
        assert 0.9 < told[lane].max() <= 1 + 1e-9, lane


def test_cpu__of_a_recording_is_the_busy_time_in_its_trace():
    view = cpu(subject_with(events=_busy_events()))
    told = view.models["told"].data
    assert not view.models["simulated"]
    for lane, busy in (("compaction", 20), ("kcompactd", 25), ("reclaim", 4), ("kswapd", 30)):
        total = (told[lane][:-1] * np.diff(told["t"])).sum() * 1000
        assert total == pytest.approx(busy, abs=0.01), lane


def test_efficiency__of_everything_scanned_and_moved(simulated, subject):
    told = efficiency(subject).models["source"].data
    width = np.diff(told["t"])
    events = simulated["events"]
    moved = events.nr_migrated.values[events["name"].values == "mm_compaction_migratepages"].sum()
    assert (told["migrated"][:-1] * width).sum() == pytest.approx(moved)
    scanned = events.nr_scanned.values
    assert (told["scanned"][:-1] * width).sum() == pytest.approx(scanned[scanned >= 0].sum())


# ------------------------------------------------------------------ latency


def test_heat__every_request_is_in_the_cell_of_its_time_and_latency(simulated, subject):
    cells = heat(subject).models["cells"].data
    allocations = simulated["allocations"]
    assert cells["count"].sum() == allocations.sizes["allocation"]
    seconds, ms = allocations.elapsed.values / 1e9, np.maximum(allocations.latency_ns.values, 1) / 1e6
    for k in range(cells["count"].size):
        low, high = (10 ** ((cells["row"][k] + side) / PER_DECADE) for side in (0, 1))
        within = (seconds >= cells["start"][k]) & (seconds < cells["end"][k]) & (ms >= low) & (ms < high)
        assert within.sum() == cells["count"][k]


def test_percentiles__are_latencies_that_occurred(simulated, subject):
    found = percentiles(subject).models["found"].data
    allocations = simulated["allocations"]
    seconds, ms = allocations.elapsed.values / 1e9, allocations.latency_ns.values / 1e6
    assert found["requests"].sum() == seconds.size
    for k in range(found["start"].size):
        here = np.sort(ms[(seconds >= found["start"][k]) & (seconds < found["end"][k])])
        assert found["p100"][k] == here[-1]
        for q in (50, 90, 99):
            assert found[f"p{q}"][k] == here[int(np.ceil(q / 100 * here.size)) - 1]


def test_ecdf__a_request_that_failed_is_never_served():
    latency = [(k * SECOND, (k + 1) * MS) for k in range(10)]
    view = ecdf(subject_with(allocations=requests(latency, got=[True] * 6 + [False] * 4)))
    assert dict(view.models["within"]) == {AT[0]: 5.0, AT[1]: None, AT[2]: None, AT[3]: None}
    (line,) = view.models["lines"]
    assert line["source"].data["share"][-1] == 0.6
    assert (view.models["requests"], view.models["served"]) == (10, 6)


def test_spent__parts_add_up_to_all_latencies(simulated, subject):
    view = spent(subject)
    told = view.models["told"].data
    assert [name for name, *_look in view.models["parts"]] == list(PARTS)
    for name in PARTS:
        assert (told[name] * told["requests"]).sum() * MS == pytest.approx(
            simulated["allocations"][name].values.sum()
        )
    total = sum((told[name] * told["requests"]).sum() for name in PARTS) * MS
    assert total == pytest.approx(simulated["allocations"].latency_ns.values.sum())


def test_spent__of_a_recording_is_what_the_trace_says_within_each_request():
    view = spent(
        subject_with(events=_busy_events(), allocations=requests([(5 * MS, 30 * MS), (48 * MS, 10 * MS)]))
    )
    told = view.models["told"].data
    assert view.models["traced"]
    assert told["compaction"].tolist() == [20, 0]
    assert told["reclaim_ns"].tolist() == [0, 4]
    assert told["rest"].tolist() == [10, 6]


def test_spent__of_requests_at_the_same_time_is_not_told():
    found = spent(
        subject_with(events=_busy_events(), allocations=requests([(5 * MS, 30 * MS), (8 * MS, 10 * MS)]))
    )
    assert isinstance(found, Missing)
    assert "one after the other" in found.how


# ------------------------------------------------------------------ migration


def _batch_events():
    def isolate(t, begin, taken, role="holder", name="mm_compaction_isolate_migratepages", cpu=0):
        return {"elapsed": t, "name": name, "role": role, "cpu": cpu, "start_pfn": begin, "end_pfn": begin + 40, "nr_scanned": 40, "nr_taken": taken}  # fmt: skip

    def moved(t, done, failed, role="holder", cpu=0):
        return {"elapsed": t, "name": "mm_compaction_migratepages", "role": role, "cpu": cpu, "nr_migrated": done, "nr_failed": failed}  # fmt: skip

    free = "mm_compaction_isolate_freepages"
    return runs.events(
        [
            isolate(100, 0, 0), isolate(110, 40, 3), isolate(115, 500, 2, "kcompactd", cpu=1),
            isolate(120, 900, 8, name=free), moved(150, 3, 0), moved(160, 1, 1, "kcompactd", cpu=1), moved(170, 2, 2),
        ]
    )  # fmt: skip


def test_migration_batches__what_each_compactor_isolated_since_its_last():
    run = schema.new_run({"events": _batch_events()})
    found = migration_batches(run)
    told = {
        name: found[name].values.tolist()
        for name in (
            "elapsed",
            "begun",
            "role",
            "start_pfn",
            "end_pfn",
            "scanned",
            "taken",
            "targets",
            "moved",
            "failed",
        )
    }
    assert told == {
        "elapsed": [150, 160, 170], "begun": [110, 115, -1], "role": ["holder", "kcompactd", "holder"],
        "start_pfn": [40, 500, -1], "end_pfn": [80, 540, -1], "scanned": [80, 40, 0], "taken": [3, 2, -1],
        "targets": [8, -1, -1], "moved": [3, 1, 2], "failed": [0, 1, 2],
    }  # fmt: skip
    assert refusals(run)["pages"].values.tolist() == [1, 2]
    assert set(refusals(run)["reason"].values) == {""}


def _slow_mapcount(run, elapsed, pfn):
    pages = run["pages"].to_dataset()
    at = [k for k in range(pages.sizes["keyframe"]) if pages.elapsed.values[k] <= elapsed][-1]
    offset = pfn - int(pages.first_pfn.values[at])
    kind = pages.attrs["kinds"][int(pages.kind.values[at, offset])]
    return int(pages.mapcount.values[at, offset]) if kind in ("anon", "file") else -1


def test_migration_batches__show_the_page_with_most_mappings(simulated):
    found = migration_batches(simulated)
    moves, events = simulated["moves"], simulated["events"]
    assert (
        found["moved"].values.sum()
        == events.nr_migrated.values[events["name"].values == "mm_compaction_migratepages"].sum()
    )
    for k in range(0, found.sizes["batch"], max(found.sizes["batch"] // 40, 1)):
        event = int(found["event"][k])
        here = np.flatnonzero(moves.event.values == event)
        mapped = [
            _slow_mapcount(simulated, int(events.elapsed[event]), int(moves.source_pfn[j])) for j in here
        ]
        assert found["mapcount"][k] == max(mapped, default=-1)
        best = mapped.index(max(mapped))
        assert found["source_pfn"][k] == moves.source_pfn[here[best]]
        assert found["target_pfn"][k] == moves.target_pfn[here[best]]
        known = [count for count in mapped if count >= 0]
        assert found["further_mappings"][k] == (sum(max(count - 1, 0) for count in known) if known else -1)


def test_refusals__every_page_with_its_reason(simulated):
    found, events = refusals(simulated), simulated["events"]
    told = events["name"].values == "compact_refused"
    for reason in REFUSALS:
        expected = (
            events.nr_failed.values[told & (events.refusal.values == reason)].sum() if told.any() else 0
        )
        assert found["pages"].values[found["reason"].values == reason].sum() == expected
    assert set(REASONS) == {*REFUSALS, ""}


def test_migration__costs_are_those_the_run_was_given(subject):
    assert migration(subject).models["origin"] == "default"
    assert "costs" not in subject.run.attrs["config"]
    own = CostModel(migrate_page=2000.0, migrate_mapping=70.0)
    for run in (
        cl.simulate(cl.Zone("4 MiB"), workloads.idle(1), costs=own),
        cl.compact_zone(cl.Zone("4 MiB"), costs=own),
    ):
        assert costs_of(run) == (own, "run")


def test_migration__as_many_batches_as_are_drawn(subject):
    view = migration(subject)
    told = view.models["told"].data
    assert (np.diff(told["t"]) >= 0).all()
    assert {values.size for values in told.values()} == {migration_batches(subject.run).sizes["batch"]}
    assert view.models["every"] == 1


# ------------------------------------------------------------------ all of them

BARE = {
    watermarks: "watermarks",
    cpu: "CPU time",
    efficiency: "pages scanned",
    percentiles: "latency",
    migration: "no event of compaction",
}


@pytest.mark.parametrize("build", BARE, ids=lambda build: build.__name__)
def test_views__say_what_a_bare_recording_lacks_and_how_to_record_it(build):
    found = build(subject_with())
    assert isinstance(found, Missing)
    assert BARE[build] in found.what
    assert any(place in found.how for place in ("/proc/", "/sys/kernel/tracing", "simulate"))


def test_views__a_simulation_that_did_not_compact_says_so():
    run = cl.simulate(cl.Zone("4 MiB"), workloads.idle(1))
    found = migration(subject_of(run, "light", 100))
    assert isinstance(found, Missing)
    assert "no page in this run" in found.what
    assert "compact_zone" in found.how


def test_views__each_has_a_table_and_names_its_words(simulated):
    scene = explorer(simulated)
    (start,) = scene.root.tags
    keys = [view["key"] for view in start.args["views"]]
    assert {
        "watermarks",
        "score",
        "cpu",
        "efficiency",
        "ecdf",
        "percentiles",
        "heat",
        "spent",
        "migration",
    } <= set(keys)
    for view in start.args["views"]:
        source = script(f"{view['key']}.js")
        assert "table" in source
        if view["key"] == "pagemap":  # is made of several files
            continue
        for text in view["models"].get("words", {}):
            assert text in source or text in LANES, (view["key"], text)


def test_views__zooming_answers_with_the_same_columns(simulated):
    scene = explorer(simulated, live=True)
    known = {model.id: model for model in scene.root.tags[0].references() if hasattr(model, "column_names")}
    updates = scene.answer({"type": "zoom", "first": 700, "last": 900, "axis": "phase"})
    assert len(updates) >= 9
    for update in updates:
        assert set(update["data"]) == set(known[update["id"]].column_names)
