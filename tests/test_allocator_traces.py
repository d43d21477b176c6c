"""Traces: what they may be, what they are drawn from, whom they hurt, and what a real program asked for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

import compactlab as cl
from compactlab import datasets
from compactlab.allocators import POLICIES, compare, replay, story, traces
from compactlab.figures.story import story_of
from compactlab.readers import ParseError, ReadWarning


def test_written__names_may_come_again():
    trace = traces.written("a 48, b 32,\nfree a, a 16, free b")
    assert trace.op.values.tolist() == [0, 0, 1, 0, 1]
    assert trace.object.values.tolist() == [0, 1, 0, 2, 1]
    assert trace["size"].values.tolist() == [48, 32, 0, 16, 0]
    assert traces.live_size(trace).tolist() == [48, 80, 32, 48, 16]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a 48, b", "request 2: found 'b'; expected a name and a size"),
        ("free a", "request 1: found 'free a', but 'a' is not allocated then"),
        ("a 1, free a, free a", "request 3"),
        ("a 1, a 2", "request 2: found 'a 2', but 'a' is allocated already"),
        ("a -5", "request 1"),
        ("free a 5", "request 1"),
        ("48", "request 1"),
    ],
)
def test_written__says_which_part_is_wrong(text, told):
    with pytest.raises(ValueError, match=told):
        traces.written(text)


@pytest.mark.parametrize(
    ("op", "thing", "size", "told"),
    [
        ([0, 0], [0, 0], [1, 1], "request 1: object 0 is allocated; expected that each object"),
        ([1], [3], [0], "request 0: object 3 is freed"),
        ([0, 1, 1], [0, 0, 0], [1, 0, 0], "request 2: object 0 is freed"),
        ([2], [0], [0], "request 0: found 2; expected 0"),
        ([0, 0], [0, 1], [5, -1], "request 1: found -1; expected a size"),
        ([0], [-1], [5], "request 0: found -1; expected an object"),
    ],
)
def test_trace_of__refuses_what_cannot_be(op, thing, size, told):
    with pytest.raises(ValueError, match=told):
        traces.trace_of(op, thing, size, "wrong")


def test_check__says_what_is_lacking():
    trace = traces.written("a 1")
    with pytest.raises(ValueError, match="unit 'furlong'"):
        traces.check(trace.assign_attrs(unit="furlong"))
    with pytest.raises(ValueError, match=r"traces\.written"):
        replay(trace.drop_vars("size"))


def test_trace_of__empty_and_unknown_are_allowed():
    assert traces.trace_of([], [], [], "nothing").sizes["request"] == 0
    trace = traces.trace_of([1, 0], [-1, 0], [0, 16], "begun in the middle")
    assert replay(trace, "first fit", 64).outcome.values.tolist() == [4, 0]
    assert traces.live_size(trace).tolist() == [0, 16]


@pytest.mark.parametrize("sizes", traces.SIZES)
def test_steady__has_its_means(sizes):
    trace = traces.steady(requests=40_000, live=300, sizes=sizes, mean=128)
    asked = trace["size"].values[trace.op.values == 0]
    assert asked.min() >= 1
    if sizes == "powers of two":
        assert set(np.log2(asked) % 1) == {0}
        assert (asked == 64).mean() == pytest.approx(0.5, abs=0.02)
    else:
        assert asked.mean() == pytest.approx(128.5, rel=0.03)
    alive = np.cumsum(np.where(trace.op == 0, 1, -1))
    assert alive[-10_000:].mean() == pytest.approx(300, rel=0.1)


def test_steady__lifetimes_are_exponential():
    trace = traces.steady(requests=40_000, live=100)
    op, thing = trace.op.values, trace.object.values
    born_after = np.cumsum(op == 0)
    freed = op == 1
    birth = np.empty(thing.max() + 1, np.int64)
    birth[thing[~freed]] = born_after[~freed]
    lived = born_after[freed] - birth[thing[freed]]
    assert lived.mean() == pytest.approx(100, rel=0.05)
    assert np.median(lived) == pytest.approx(100 * np.log(2), rel=0.06)


def test_synthetic__same_seed_same_trace_other_seed_another():
    for make in (traces.steady, traces.peaks, traces.pages):
        assert make(seed=3).identical(make(seed=3))
        assert not make(seed=3).equals(make(seed=4))
        assert str(3) in make(seed=3).attrs["text"]


def test_peaks__keep_their_share():
    trace = traces.peaks(peaks=4, objects=100, keep=0.2)
    assert int((trace.op == 0).sum()) - int((trace.op == 1).sum()) == 4 * 20
    grown = trace["size"].values[trace.op.values == 0].reshape(4, 100).mean(1)
    assert (grown[1:] / grown[:-1]).tolist() == pytest.approx([1.5] * 3, rel=0.05)


def test_pages__are_orders():
    trace = traces.pages(requests=5000)
    asked = trace["size"].values[trace.op.values == 0]
    assert set(np.log2(asked)) <= set(range(10))
    assert (asked == 1).mean() == pytest.approx(0.8, abs=0.03)
    assert trace.attrs["unit"] == "page"
    told = compare(trace, ["buddy", "first fit"])
    assert float(told.mean_internal.max()) == 0  # powers of two are what buddies have


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: traces.steady(live=0), "live: found 0; expected at least 1"),
        (lambda: traces.steady(sizes="gamma"), "expected one of exponential"),
        (lambda: traces.steady(mean=float("nan")), "mean: found nan"),
        (lambda: traces.peaks(keep=1.5), "keep: found 1.5"),
        (lambda: traces.pages(orders=(0.5, 0.4)), "shares that add up to 1"),
        (lambda: traces.adversarial("best fitt"), "expected one of best fit"),
        (lambda: traces.robson(largest=100), "a power of two"),
    ],
)
def test_traces__say_what_is_wrong(make, told):
    with pytest.raises(ValueError, match=told):
        make()


@pytest.mark.parametrize("policy", POLICIES)
def test_adversarial__hurts_whom_it_is_aimed_at_and_spares_another(policy):
    trace = traces.adversarial(policy)
    assert trace.attrs["aimed_at"] == policy
    assert trace.attrs["text"]
    refused = compare(trace, size=trace.attrs["arena"]).refused.to_series()
    assert refused[policy] >= 1
    assert refused.min() == 0


@pytest.mark.parametrize("policy", ["periodic consolidation", "recent frees"])
def test_adversarial__hybrids_are_mended_by_merging_before_they_refuse(policy):
    trace = traces.adversarial(policy)
    assert int(compare(trace, [policy], trace.attrs["arena"], last_resort=True).refused[0]) == 0


def test_adversarial__first_fit_searches_where_next_fit_does_not():
    trace = traces.adversarial("first fit searches")
    told = compare(trace, size=trace.attrs["arena"])
    assert int(told.refused.sum()) == 0
    steps = told.steps_to_allocate.to_series()
    assert steps["first fit"] > 30 * steps["next fit"]


def test_checkerboard__no_policy_serves_it_though_half_is_free():
    trace = traces.adversarial("checkerboard")
    told = compare(trace, size=trace.attrs["arena"])
    assert told.fragmentation.values.tolist() == [1] * len(POLICIES)
    assert (told.free[:, -1] == trace.attrs["arena"] // 2).all()


@pytest.mark.parametrize(("largest", "live"), [(64, 1024), (256, 4096), (1024, 16384)])
def test_robson__first_fit_needs_what_the_bound_says(largest, live):
    trace = traces.robson(largest, live)
    assert traces.live_size(trace).max() <= live
    told = compare(trace, ["first fit"])
    bound = live * (1 + np.log2(largest // 16) / 2)
    assert 0.9 * bound <= int(told.peak_footprint[0]) <= bound


# the recorded program


@pytest.fixture(scope="module")
def malloc() -> xr.Dataset:
    return traces.malloc()


def test_malloc__is_whole_and_tells_nothing_but_sizes(malloc):
    folder = datasets.program("malloc-trace")
    assert sum(file.stat().st_size for file in folder.iterdir()) < 500_000
    assert set(malloc.data_vars) == {
        "op",
        "object",
        "size",
        "granted",
        "place",
        "at",
        "obtained",
        "mapped",
        "in_use",
    }
    assert malloc.sizes["request"] > 100_000
    assert int((malloc.object == -1).sum()) == 0
    assert int(malloc.place.max()) < 4 << 20  # from the begin of the heap: no addresses


def test_malloc__glibcs_books_fit_the_requests(malloc):
    asks = malloc.op.values == 0
    assert (malloc.granted.values[asks] >= malloc["size"].values[asks]).all()
    in_heap = asks & (malloc.place.values >= 0)
    assert (malloc.place.values[in_heap] % 16 == 0).all()
    live = traces.live_size(malloc)[malloc["at"].values - 1]
    assert (malloc.obtained.values >= live).all()
    assert (malloc.in_use.values >= live).all()
    # A chunk has 8 bytes more than can be used; objects of one moment do not overlap.
    begins, ends = [], []
    freed_at = np.full(int(malloc.object.max()) + 1, malloc.sizes["request"])
    freed_at[malloc.object.values[~asks]] = np.flatnonzero(~asks)
    for request in np.flatnonzero(in_heap):
        if request < 50_000 < freed_at[malloc.object.values[request]]:
            begins.append(malloc.place.values[request])
            ends.append(begins[-1] + malloc.granted.values[request])
    order = np.argsort(begins)
    assert len(order) > 1000
    assert (np.array(begins)[order][1:] >= np.array(ends)[order][:-1] + 8).all()


def test_malloc__policies_differ_as_the_literature_says(malloc):
    told = compare(malloc, ["first fit", "best fit", "buddy", "recent frees"], kept_up_to=1024)
    over = (told.peak_footprint / told.peak_live).to_series()
    # Johnstone and Wilson, "The memory fragmentation problem: solved?", 1998: a few percent.
    assert over["best fit"] < 1.1
    assert over["first fit"] < 1.1
    assert 1.3 < over["buddy"] < 1.6
    steps = told.steps_to_allocate.to_series()
    assert steps["buddy"] < 10 < steps["recent frees"] < steps["first fit"] / 4
    assert (told.refused == 0).all()
    glibc = int(malloc.obtained.max()) / int(told.peak_live)
    assert over["best fit"] < glibc < over["buddy"]


def log_file(tmp_path, rows, tail=b""):
    file = tmp_path / "trace.bin"
    file.write_bytes(np.array(rows, "<u8").tobytes() + tail)
    return file


HEAP, MAPPED = 0x55000010, 0x7F0000000010
ROWS = [
    (1, HEAP, 40, 56, 0),
    (4, 132_000, 0, 64, 131_936),
    (1, MAPPED, 200_000, 204_784, 0),
    (3, HEAP + 64, 100, 104, HEAP),
    (2, 0x55555, 0, 0, 0),
    (2, MAPPED, 0, 0, 0),
]


def test_read__objects_instead_of_addresses(tmp_path):
    with pytest.warns(ReadWarning, match=r"trace\.bin: 1 frees of objects whose allocation was not recorded"):
        trace = traces.read(log_file(tmp_path, ROWS))
    assert trace.op.values.tolist() == [0, 0, 0, 1, 1, 1]
    assert trace.object.values.tolist() == [0, 1, 2, 0, -1, 1]
    assert trace["size"].values.tolist() == [40, 200_000, 100, 0, 0, 0]
    assert trace.place.values.tolist() == [16, -1, 80, 0, 0, 0]
    assert trace.granted.values.tolist() == [56, 204_784, 104, 0, 0, 0]
    assert (trace["at"].values.tolist(), trace.obtained.values.tolist()) == ([1], [132_000])
    assert len(trace.attrs["problems"]) == 1
    assert "problems" not in traces.read(log_file(tmp_path, ROWS[:4])).attrs


def test_read__cut_off_inside_a_record_is_said(tmp_path):
    with pytest.warns(ReadWarning, match=r"trace\.bin: cut off inside record 5, whose 13 bytes are left out"):
        trace = traces.read(log_file(tmp_path, [*ROWS[:4], *ROWS[5:]], b"\1" * 13))
    assert trace.sizes["request"] == 5
    assert (
        replay(trace, "buddy").attrs["problems"]
        == compare(trace).attrs["problems"]
        == trace.attrs["problems"]
    )
    assert "cut off inside record 5" in str(story(trace, "buddy").text.values[-1])


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([], "found no whole record"),
        ([*ROWS, (9, 0, 0, 0, 0)], r"trace\.bin, record 6: found kind 9; expected 1 to 4"),
    ],
)
def test_read__something_else_is_refused(tmp_path, rows, told):
    with pytest.raises(ParseError, match=told):
        traces.read(log_file(tmp_path, rows))


@pytest.mark.skipif(
    shutil.which("gcc") is None or not sys.platform.startswith("linux"),
    reason="compiles the recorder with gcc",
)
def test_shim__records_a_program(tmp_path):
    source = datasets.program("malloc-trace") / "malloc_trace.c"
    library, log = tmp_path / "malloc_trace.so", tmp_path / "trace.bin"
    command = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", source, "-o", library]
    subprocess.run(command, check=True)
    program = """
import os, sys
kept = [bytes(5000 + n) for n in range(700)]
del kept[::2]
child = os.fork()
if not child:
    other = [bytes(90_000 + n) for n in range(50)]
    sys.exit()
os.waitpid(child, 0)
print(len(kept))
"""
    environment = {
        **os.environ,
        "PYTHONMALLOC": "malloc",
        "MALLOC_TRACE": str(log),
        "LD_PRELOAD": str(library),
    }
    done = subprocess.run(
        [sys.executable, "-S", "-s", "-c", program],
        check=True,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "350\n"
    trace = traces.read(log)
    asked = trace["size"].values
    assert all((asked == 5000 + 33 + n).any() for n in range(700))  # an object's head, and a zero behind it
    assert not np.isin(asked, 90_033 + np.arange(50)).any()  # the child's
    assert int((trace.object == -1).sum()) == 0
    assert (trace.obtained.values > 0).all()
    assert (replay(trace, "best fit").outcome.values == 0).all()


# told step by step


def test_story__is_one_that_can_be_drawn_and_ends_as_replay_does():
    trace = traces.adversarial("best fit")
    told = story(trace, size=trace.attrs["arena"])
    drawn = story_of(told)
    assert drawn.rows == list(POLICIES)
    assert told.sizes == {"step": trace.sizes["request"] + 1, "row": 7, "cell": 27}
    replayed = compare(trace, size=trace.attrs["arena"])
    assert told.refused.values[-1].tolist() == replayed.refused.values.tolist()
    assert told.search_steps.values[-1].tolist() == replayed.search_steps.values.sum(1).tolist()
    free = told.attrs["kinds"].index("free")
    best = told.sel(row="best fit").kind.values[-1]
    assert (best == free).sum() * 16 == int(replayed.free.sel(policy="best fit")[-1])
    assert "Refused for fragmentation: best fit" in str(told.text.values[-1])
    assert str(told.level.values[-1]) == "bad"
    assert str(told.level.values[1]) == ""


def test_story__cells_show_what_most_of_them_is():
    told = story(traces.written("a 80, b 16"), ["buddy"], 256, cells=16)
    names = [told.attrs["kinds"][code] for code in told.kind.values[1, 0]]
    assert names == ["in use"] * 5 + ["wasted by rounding"] * 3 + ["free"] * 8
    assert told.mark.values[:, 0].tolist() == [-1, 0, 8]


def test_story__many_requests_are_sampled_and_the_arena_found():
    trace = traces.steady(requests=3000, live=100)
    told = story(trace, ["first fit", "worst fit"], steps=50, cells=64)
    assert told.sizes == {"step": 50, "row": 2, "cell": 64}
    assert "After 3" in str(told.text.values[-1])
    assert told.refused.values.sum() == 0
    untouched = told.attrs["kinds"].index("not obtained")
    assert (told.kind.values[0] == untouched).all()
    obtained = (told.kind.isel(step=-1) != untouched).mean("cell").to_series()
    assert obtained["worst fit"] == 1  # it needs most
    assert 0.4 < obtained["first fit"] < 0.8


def test_story__says_how_many_policies_have_served_all_and_then_who_refuses_least():
    trace = traces.steady(requests=1200, live=150, seed=1)
    texts = story(trace, size=40 * 1024, steps=100).text.values
    first = next(text for text in texts if "policies have served all" in text)
    assert "6 of 7 policies have served all; fewest steps of search: buddy" in first
    tight = story(trace, ["worst fit", "next fit"], size=33 * 1024, steps=4)
    refused = dict(zip(tight.row.values, tight.refused.values[-1], strict=True))
    assert refused["next fit"] < refused["worst fit"]
    assert f"fewest refused: next fit ({refused['next fit']})" in str(tight.text.values[-1])


def test_story__opens_with_the_measure_asked_for():
    trace = traces.adversarial("best fit")
    told = story(trace, size=432, first="internal")
    assert [measure.title for measure in story_of(told).measures][:2] == ["Internal", "Refused so far"]
    assert told.internal.equals(story(trace, size=432).internal)


def test_story__says_what_is_wrong():
    with pytest.raises(ValueError, match="steps, cells: found 1, 160"):
        story(traces.written("a 16"), steps=1)
    with pytest.raises(ValueError, match="first: found 'latency'; expected one of refused"):
        story(traces.written("a 16"), first="latency")


def test_story__is_shown(tmp_path):
    trace = traces.adversarial("worst fit")
    page = tmp_path / "story.html"
    cl.render(story(trace, size=trace.attrs["arena"]), page)
    assert page.stat().st_size > 100_000


@pytest.mark.parametrize(
    ("call", "error", "told"),
    [
        (lambda: traces.trace_of([0], [0], [1.7], "x"), ValueError, "trace, size: found float64"),
        (lambda: traces.trace_of([0], [[0]], [1], "x"), ValueError, r"shape \(1, 1\)"),
        (lambda: traces.written(5), TypeError, "found 5; expected text"),
        (lambda: replay("a 48"), TypeError, "trace: found str"),
        (lambda: compare(traces.trace_of([], [], [], "nothing")), ValueError, "'nothing': found no requests"),
        (lambda: story(traces.trace_of([], [], [], "nothing")), ValueError, "'nothing': found no requests"),
    ],
)
def test_bad_input__is_told(call, error, told):
    with pytest.raises(error, match=told):
        call()


def test_compare__of_frees_alone_has_nothing_to_allocate():
    trace = traces.trace_of([1, 1], [-1, -1], [0, 0], "begun at the end")
    assert traces.check(trace) is None
    assert float(compare(trace, "buddy", 64).steps_to_allocate[0]) == 0
