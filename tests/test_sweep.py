"""Sweeps: every point once, kept as soon as it is done, and honest about what is missing."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import xarray as xr

import compactlab as cl
from compactlab.experiments import intervals
from compactlab.experiments.room import workers_that_fit
from compactlab.simulation.memory_need import memory_need

ZONE = cl.Zone("64 MiB")
ASK = cl.workloads.sequence(cl.workloads.fragment(target=1), cl.workloads.huge_faults(faults=8))
OVER = {"transparent_hugepage_defrag": ["always", "never"], "target": [0.5, 1.0]}


def product(a, b, seed):
    return {"product": a * b + seed, "sum": a + b}


def test_sweep__has_every_point_of_every_seed_where_it_belongs():
    told = cl.sweep(product, over={"a": [1, 2, 3], "b": [10, 20]}, seeds=[0, 4], workers=2)
    assert told["product"].dims == ("a", "b", "seed")
    for a, b, seed in [(1, 10, 0), (3, 20, 4), (2, 10, 4)]:
        assert told["product"].sel(a=a, b=b, seed=seed) == a * b + seed
    assert told.done.all()
    assert told.attrs["missing"] == 0
    assert told.attrs["text"] == "12 of 12 points"


def test_sweep__is_what_simulate_gives_for_the_same_parameters():
    told = cl.sweep(ZONE, ASK, over=OVER, seeds=2, workers=2)
    fields = cl.workloads.fragment(target=0.5, seed=1), cl.workloads.huge_faults(faults=8)
    zone = cl.Zone("64 MiB", sysctls=cl.Sysctls(transparent_hugepage_defrag="never"))
    run = cl.simulate(
        zone, cl.workloads.sequence(*fields), seed=1, frames=0, keyframes=False, moves=0, samples=200
    )
    expected = cl.metrics.summary(run)
    point = told.sel(transparent_hugepage_defrag="never", target=0.5, seed=1)
    assert {name: float(each) for name, each in expected.items()} == {
        name: float(point[name]) for name in expected
    }
    assert point.latency_p99.attrs == expected.latency_p99.attrs


def test_sweep__over_kernels_and_bundles_of_parameters():
    policies = {
        "off": {"compaction_proactiveness": 0, "seconds": 1},
        "on": {"compaction_proactiveness": 100, "seconds": 2},
    }
    told = cl.sweep(ZONE, cl.workloads.idle(), over={"kernel": ["6.18", "5.4"], "policy": policies}, seeds=1)
    assert told.policy.values.tolist() == ["off", "on"]
    assert told.duration.values[:, :, 0].tolist() == [[1e9, 2e9]] * 2


def test_sweep__with_a_function_that_makes_the_workload():
    told = cl.sweep(
        ZONE, lambda seed, pause: cl.workloads.idle(pause + seed), over={"pause": [1, 3]}, seeds=2
    )
    assert told.duration.values.tolist() == [[1e9, 2e9], [3e9, 4e9]]


def test_sweep__second_call_does_only_what_is_missing(tmp_path):
    path = tmp_path / "points.jsonl"
    asked = []

    def run_one(a, seed):
        asked.append((a, seed))
        return {"number": a}

    first = cl.sweep(run_one, over={"a": [1, 2]}, seeds=2, path=path)
    assert sorted(asked) == [(1, 0), (1, 1), (2, 0), (2, 1)]
    asked.clear()
    again = cl.sweep(run_one, over={"a": [1, 2]}, seeds=2, path=path)
    assert asked == []
    xr.testing.assert_identical(first, again)
    more = cl.sweep(run_one, over={"a": [2, 3]}, seeds=3, path=path)
    assert sorted(asked) == [(2, 2), (3, 0), (3, 1), (3, 2)]
    assert more.done.all()
    assert more.number.values.tolist() == [[2] * 3, [3] * 3]


def test_sweep__line_cut_by_a_kill_is_done_again(tmp_path):
    path = tmp_path / "points.jsonl"
    first = cl.sweep(product, over={"a": [1, 2], "b": [5]}, seeds=2, path=path)
    content = path.read_bytes()
    path.write_bytes(content[:-7])
    again = cl.sweep(product, over={"a": [1, 2], "b": [5]}, seeds=2, path=path)
    xr.testing.assert_identical(first, again)
    assert path.read_bytes() == content


PROGRAM = """
import sys, time, compactlab as cl
def run_one(a, seed):
    time.sleep(0.15)
    print("done", a, seed, flush=True)
    return {"number": a}
cl.sweep(run_one, over={"a": list(range(40))}, seeds=1, path=sys.argv[1])
"""


def test_sweep__killed_process_loses_the_point_under_way_only(tmp_path):
    path = tmp_path / "points.jsonl"
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, path], stdout=subprocess.PIPE, text=True)
    told = [process.stdout.readline() for _ in range(4)]
    process.send_signal(signal.SIGKILL)
    told += process.stdout.read().splitlines()
    process.wait()
    process.stdout.close()
    kept = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
    points = [line for line in kept if "point" in line]
    assert len(points) >= len(told) - 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"workload": cl.workloads.idle(3)}, r"of\.workload\.seconds is 2 there, 3 here"),
        ({"zone": cl.Zone("128 MiB")}, r"of\.zones\[0\]\.pages is 16384 there, 32768 here"),
        ({"over": {"compaction_proactiveness": [1], "kernel": ["6.6"]}}, r"over is \[.*\] there, \[.*kernel.*\] here"),
        ({"samples": 50}, r"of\.options\.samples is 200 there, 50 here"),
    ],
)  # fmt: skip
def test_sweep__file_of_another_is_refused_with_what_differs(tmp_path, change, told):
    path = tmp_path / "points.jsonl"
    call = {"zone": ZONE, "workload": cl.workloads.idle(2), "over": {"compaction_proactiveness": [1]}}
    cl.sweep(call["zone"], call["workload"], over=call["over"], seeds=1, path=path)
    content = path.read_bytes()
    call |= change
    options = {name: value for name, value in call.items() if name not in ("zone", "workload", "over")}
    with pytest.raises(ValueError, match=rf"points\.jsonl is of another sweep: {told}.*file of its own"):
        cl.sweep(call["zone"], call["workload"], over=call["over"], seeds=1, path=path, **options)
    assert path.read_bytes() == content


def test_sweep__file_of_something_else_is_left_alone(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("buy milk\n")
    with pytest.raises(ValueError, match=r"notes\.txt: found something else"):
        cl.sweep(product, over={"a": [1], "b": [1]}, path=path)
    assert path.read_text() == "buy milk\n"


def test_sweep__cancel_keeps_what_is_done_and_marks_the_rest(tmp_path):
    cancel = threading.Event()

    def run_one(a, seed):  # noqa: ARG001
        if a == 2:
            cancel.set()
        return {"a_squared": a**2}

    told = cl.sweep(
        run_one, over={"a": list(range(50))}, seeds=1, cancel=cancel, path=tmp_path / "points.jsonl"
    )
    assert 3 <= int(told.done.sum()) < 50
    assert told.done[:3, 0].all()
    assert np.isnan(told.a_squared.values[~told.done.values]).all()
    assert told.attrs["missing"] == int((~told.done).sum())
    assert f"{told.attrs['missing']} are missing" in told.attrs["text"]
    rest = cl.sweep(run_one, over={"a": list(range(50))}, seeds=1, path=tmp_path / "points.jsonl")
    assert rest.done.all()


def test_sweep__cancel_stops_simulations_and_counts_none_that_was_cut():
    cancel = threading.Event()
    day = cl.workloads.day(churn=2000)  # would take minutes

    def tell(progress):
        if progress.requests:
            cancel.set()

    told = cl.sweep(ZONE, day, over={"turnover": [0, 1]}, seeds=1, cancel=cancel, progress=tell)
    assert not told.done.any()
    assert list(told.data_vars) == ["done"]


def test_sweep__interrupt_returns_what_is_done():
    def run_one(a, seed):  # noqa: ARG001
        if a == 3:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.5)
        return {"number": a}

    told = cl.sweep(run_one, over={"a": list(range(100))}, seeds=1)
    assert told.done[:3, 0].all()
    assert told.attrs["missing"] > 0


def test_sweep__error_names_its_point_and_keeps_the_others(tmp_path):
    def run_one(a, seed):  # noqa: ARG001
        if a == 2:
            raise ZeroDivisionError("no")
        return {"number": a}

    with pytest.raises(ZeroDivisionError) as raised:
        cl.sweep(run_one, over={"a": [1, 2, 3]}, seeds=1, path=tmp_path / "points.jsonl")
    assert raised.value.__notes__ == ["in the sweep's point a=2, seed 0"]
    assert sum('"point"' in line for line in (tmp_path / "points.jsonl").read_text().splitlines()) == 1


def test_sweep__tells_how_far_it_is():
    told = []
    cl.sweep(ZONE, ASK, over=OVER, seeds=1, progress=told.append, workers=1)
    assert told[-1].done == 1
    assert [each.done for each in told] == sorted(each.done for each in told)
    assert told[-1].requests > 0
    assert told[-1].elapsed_ns > 0
    assert told[-1].phase.startswith("4 of 4: transparent_hugepage_defrag=never, target=1.0")


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ({"over": {"compaction_proactivness": [1]}}, "did you mean 'compaction_proactiveness'"),
        ({"over": {"compaction_proactiveness": [101]}}, "compaction_proactiveness=101; expected 0 to 100"),
        ({"over": {"kernel": ["6.17"]}}, "kernel '6.17'; expected one of"),
        ({"over": {"target": []}}, r"over: target=\[\]; expected a list of values"),
        ({"over": {"kernel": "6.18"}}, "over: kernel='6.18'; expected a list"),
        ({"over": {"target": [1, 1]}}, "target has a value twice among 1, 1"),
        ({"over": {"seed": [1]}}, "say seeds="),
        ({"over": {}}, "expected one parameter or more"),
        ({"over": {"target": [1]}, "seeds": 0}, "one seed or more"),
        ({"over": {"target": [1]}, "workers": 0}, "workers=0; expected at least 1"),
        ({"over": {"target": [1]}, "workload": None}, "a zone needs a workload"),
    ],
)  # fmt: skip
def test_sweep__refuses(call, told):
    with pytest.raises(ValueError, match=told):
        cl.sweep(ZONE, **{"workload": ASK, **call})


def test_sweep__refuses_options_that_are_none():
    with pytest.raises(TypeError, match="no option 'sample'; did you mean 'samples'"):
        cl.sweep(ZONE, ASK, over=OVER, sample=3)
    with pytest.raises(ValueError, match="takes its own options; found samples beside it"):
        cl.sweep(product, over={"a": [1], "b": [2]}, samples=3)


def test_sweep__refuses_what_does_not_fit_in_memory():
    ask = cl.workloads.idle(), {"seconds": [1]}
    with pytest.raises(ValueError, match=r"9999 simulations at one time need up to .* Ask for workers=\d+"):
        cl.sweep(cl.Zone("1 GiB"), ask[0], over=ask[1], seeds=1, workers=9999)


def test_workers_that_fit__bounds_memory():
    gibibyte = memory_need(cl.Zone("1 GiB"), frames=0, keyframes=False)._replace(zone=1 << 30, logs=0)
    assert workers_that_fit(gibibyte, None, 3 << 30) <= 2
    assert workers_that_fit(gibibyte, 7, None) == 7
    assert workers_that_fit(gibibyte, 2, 3 << 30) == 2
    with pytest.raises(ValueError, match="Ask for workers=2"):
        workers_that_fit(gibibyte, 3, 3 << 30)
    with pytest.raises(
        ValueError, match=r"needs up to 1 GiB of memory .* Choose a smaller zone".replace(" ", r"\s")
    ):
        workers_that_fit(gibibyte, None, 1 << 29)


def test_intervals__hold_their_median():
    rng = np.random.default_rng(1)
    values = xr.DataArray(rng.normal(5, 1, (4, 30)), {"a": range(4)}, ("a", "seed"))
    told = intervals(values)
    assert told.dims == ("a", "bound")
    low, median, high = told.transpose("bound", "a").values
    assert (low < median).all()
    assert (median < high).all()
    assert np.allclose(median, np.median(values, 1))
    assert (abs(median - 5) < 1).all()
    assert (high - low < 2).all()


def test_intervals__cover_as_often_as_they_say():
    rng = np.random.default_rng(2)
    told = intervals(xr.DataArray(rng.normal(0, 1, (400, 25)), dims=("trial", "seed")))
    held = ((told.sel(bound="low") <= 0) & (told.sel(bound="high") >= 0)).mean()
    assert 0.9 <= float(held) <= 0.99


def test_intervals__of_few_values_say_so():
    told = intervals(xr.DataArray([[1.0, np.nan], [np.nan, np.nan], [2.0, 2.0]], dims=("a", "seed"))).values
    assert np.array_equal(told, [[np.nan, 1, np.nan], [np.nan] * 3, [2, 2, 2]], equal_nan=True)


def test_intervals__refuse():
    with pytest.raises(ValueError, match="dim: found 'seed'; expected one of a"):
        intervals(xr.DataArray([1], dims="a"))
    with pytest.raises(ValueError, match="confidence: found 95; expected"):
        intervals(xr.DataArray([1], dims="seed"), confidence=95)


def test_sweep__refuses_numbers_named_as_a_parameter():
    with pytest.raises(ValueError, match="found 'a' among the numbers"):
        cl.sweep(lambda a, seed: {"a": a + seed}, over={"a": [1]}, seeds=1)
