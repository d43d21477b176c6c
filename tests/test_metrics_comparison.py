from itertools import product

import numpy as np
import pytest
import xarray as xr
from runs import SECOND, zones

import compactlab as cl
from compactlab import schema, texts
from compactlab.metrics.comparison import JUDGEMENTS, bootstrap, compare, quantity, relative, sides_of

PLAIN = str.maketrans({texts.NO_BREAK: " "})


def run_of(latencies, free=((4, 0, 0),), name="run", **attrs) -> xr.DataTree:
    """A run of requests with given latencies, and free lists of one zone."""
    moments = np.arange(len(latencies)) * 1_000_000
    allocations = xr.Dataset(
        {
            "latency_ns": ("allocation", np.array(latencies, np.int64)),
            "success": ("allocation", np.ones(len(latencies), bool)),
        },
        {"time": ("allocation", moments), "elapsed": ("allocation", moments)},
    )
    groups = {"allocations": allocations, "zones": zones([[blocks] for blocks in free])}
    return schema.new_run(groups, name=name, pageblock_order=2, page_size=4096, **attrs)


def seeds(medians, **options) -> list[xr.DataTree]:
    return [run_of([value], **options) for value in medians]


def judged(told: xr.Dataset, name: str, side: int = 1) -> str:
    return JUDGEMENTS[int(told.judgement.sel(quantity=name)[side])]


def slow_percentile(sample, first, resamples=20_000) -> tuple[float, float]:
    """Bootstrap interval of the difference of medians, one resample after the other."""
    rng = np.random.default_rng(7)
    differences = [
        np.median(rng.choice(sample, len(sample))) - np.median(rng.choice(first, len(first)))
        for _ in range(resamples)
    ]
    return tuple(np.percentile(differences, [2.5, 97.5]))


def test_bootstrap__near_a_plain_one_and_around_the_difference():
    rng = np.random.default_rng(3)
    sample, first = rng.normal(110, 5, 40), rng.normal(100, 5, 30)
    (low, high), method = bootstrap([sample, first], 0.95)
    slow = slow_percentile(sample, first)
    assert method == "BCa"
    assert low < np.median(sample) - np.median(first) < high
    width = slow[1] - slow[0]
    assert abs(low - slow[0]) < 0.35 * width
    assert abs(high - slow[1]) < 0.35 * width


def test_bootstrap__interval_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(11)
    hits = 0
    for _ in range(60):
        sample = rng.normal(0, 1, 20)
        (low, high), _method = bootstrap([sample], 0.95)
        hits += low <= 0 <= high
    assert 51 <= hits <= 60


def test_bootstrap__exact_for_the_smallest_sample():
    # Resamples of (0, 1) have medians 0, 1/2, 1/2, 1: a quarter lies at either end, beyond 2.5 %.
    assert bootstrap([np.array([0.0, 1.0])], 0.95)[0] == (0.0, 1.0)
    assert all(np.isnan(bootstrap([np.array([5.0])], 0.95)[0]))
    assert bootstrap([np.array([3.0, 3.0]), np.array([1.0])], 0.95) == ((2.0, 2.0), "all equal")


def test_bootstrap__a_single_value_shifts_the_interval_of_the_others():
    sample = np.array([3.0, 1.0, 4.0, 1.5, 5.0])
    (low, high), method = bootstrap([sample], 0.9)
    assert bootstrap([sample, np.array([10.0])], 0.9) == ((low - 10, high - 10), f"{method}, one side given")
    (low, high), method = bootstrap([np.array([10.0]), sample], 0.9)
    assert low <= 10 - np.median(sample) <= high


def test_compare__medians_difference_and_effect_against_counting():
    a, b = [10, 12, 11, 14, 13, 19], [21, 12, 25, 23, 22, 24]
    told = compare(seeds(a), seeds(b), names=["a", "b"], order=1)
    one = told.sel(quantity="latency_p50")
    assert one["median"].values.tolist() == [np.median(a), np.median(b)]
    assert float(one.difference[1]) == np.median(b) - np.median(a)
    assert float(one.relative[1]) == pytest.approx((22.5 - 12.5) / 12.5)
    wins = sum((y > x) + (y == x) / 2 for x, y in product(a, b))
    assert float(one.superiority[1]) == pytest.approx(wins / 36)
    assert one.n.values.tolist() == [6, 6]
    assert judged(told, "latency_p50") == "higher"
    assert str(told.verdict.sel(quantity="latency_p50")[1].values) == "worse"
    assert judged(told, "unusable_last") == "equal"
    assert "b against a: p99 latency 23 instead of 13 ns (+80 %, worse)" in told.attrs["text"].translate(PLAIN)  # fmt: skip


def test_compare__overlapping_series_are_not_told_apart():
    told = compare(
        seeds([10, 20, 30, 40, 50, 60]), seeds([12, 22, 31, 41, 49, 58]), names=["a", "b"], order=1
    )
    assert judged(told, "latency_p50") == "unsure"
    assert told.attrs["text"] == "b against a: no difference can be told from 6 runs on each side."


def test_compare__too_few_runs_to_tell_however_far_apart():
    near, far = [10, 11, 12, 13], [90, 91, 92, 93]
    three = compare(seeds(near[:3]), seeds(far[:3]), names=["a", "b"], order=1)
    assert judged(three, "latency_p50") == "too_few"
    assert three.attrs["text"] == "b against a: no difference can be told from 3 runs on each side."
    assert three.attrs["caution"].startswith("Very few runs of a (3), b (3): intervals are rough")
    assert judged(compare(seeds(near), seeds(far), names=["a", "b"], order=1), "latency_p50") == "higher"
    one = compare(seeds([50]), seeds([10, 11, 12, 13, 14]), names=["a", "b"], order=1)
    assert judged(one, "latency_p50") == "too_few"
    one = compare(seeds([50]), seeds([10, 11, 12, 13, 14, 15]), names=["a", "b"], order=1)
    assert judged(one, "latency_p50") == "lower"
    assert "a: one run, taken as given, without an interval." in one.attrs["caution"]


def test_compare__single_runs_have_no_interval():
    told = compare(run_of([10, 20]), run_of([10, 40]), names=["a", "b"], order=1)
    assert np.isnan(told.interval).all()
    assert np.isnan(told.difference_interval).all()
    assert judged(told, "latency_p99") == "single"
    assert judged(told, "latency_p50") == "equal"
    assert told.attrs["text"].endswith("worse). One run on each side: chance is not ruled out.")
    assert told.attrs["caution"] == "One run on each side, so no intervals: chance is not ruled out."


def test_compare__quick_refusals_are_no_better_latency():
    refused = run_of([10, 20])
    refused["allocations"]["success"].values[0] = False
    told = compare(run_of([50, 60]), refused, names=["a", "b"], order=1)
    assert judged(told, "latency_p99") == "single"
    assert str(told.verdict.sel(quantity="latency_p99")[1].values) == ""
    assert str(told.verdict.sel(quantity="failures")[1].values) == "worse"
    assert told.attrs["level"] == "bad"


def test_compare__identical_runs_say_so():
    told = compare(seeds([1, 2, 3]), seeds([1, 2, 3]), names=["a", "b"], order=1)
    assert told.attrs["text"] == "b and a are identical."
    assert told.attrs["identical"] == [True, True]
    equal = compare(run_of([5], [[4, 0, 0], [2, 1, 0]]), run_of([5], [[4, 0, 0], [2, 1, 0]]), run_of([5], [[4, 0, 0], [0, 2, 0]]), order=0)  # fmt: skip
    assert equal.attrs["text"] == (
        "run 2 and run 1 are identical; run 3 equals run 1 in all that matters (16 quantities are equal)."
    )


def test_compare__differing_groups_are_not_told():
    bare = schema.new_run({"zones": zones([[[4, 0, 0]]])}, pageblock_order=2)
    told = compare(bare, run_of([5]), names=["bare", "timed"], order=1)
    assert judged(told, "latency_p50") == "not_told"
    assert told.n.sel(quantity="latency_p50").values.tolist() == [0, 1]
    assert np.isnan(told.difference.sel(quantity="latency_p50")[1])
    assert judged(told, "unusable_last") == "equal"
    nothing = compare(schema.new_run({}), schema.new_run({}), names=["a", "b"])
    assert nothing.sizes["quantity"] == 0


def test_compare__recorded_against_simulated_has_the_scores():
    recording = cl.datasets.load("page-map-pinned")
    zone = cl.Zone.from_pages(recording)
    predicted = [cl.compact_zone(zone, seed=seed, frames=2) for seed in range(3)]
    cut = cl.metrics.part(recording, "compaction")
    told = compare({"recorded": cut, "predicted": predicted})
    errors = [float(cl.score(run, cut).migrated_error) for run in predicted]
    assert float(told.score.sel(side="predicted", error="migrated_error")) == np.median(errors)
    assert np.isnan(told.score.sel(side="recorded")).all()
    assert "worse" not in told.attrs["text"]
    turned = compare({"predicted": predicted, "recorded": cut})
    assert float(turned.score.sel(side="recorded", error="migrated_error")) == pytest.approx(errors[0])


def test_compare__zone_of_the_first_run_or_its_own():
    two = zones([[[4, 0], [9, 9]]], names=("DMA", "Normal"))
    other = schema.new_run({"zones": zones([[[1, 3]]], names=("Movable",))})
    told = compare(schema.new_run({"zones": two}), other, names=["a", "b"], order=1)
    assert told.attrs["zones"] == ["0/Movable", "0/Normal"]
    assert "Zones differ: 0/Movable, 0/Normal." in told.attrs["caution"]
    with pytest.raises(ValueError, match="zone: found 'DMA'; the run '' has 0/Movable"):
        compare(schema.new_run({"zones": two}), other, zone="DMA", order=1)


def test_sides_of__names():
    recorded, simulated = run_of([1], name="x"), run_of([1], name="x", source="simulation")
    assert [side.name for side in sides_of(recorded, simulated)] == ["x, recorded", "x, simulated"]
    assert [side.name for side in sides_of(recorded, recorded)] == ["x 1", "x 2"]
    assert [side.name for side in sides_of({"p": recorded, "q": [recorded, simulated]})] == ["p", "q"]
    assert [side.name for side in sides_of(recorded, run_of([1], name="y"))] == ["x", "y"]


def test_sides_of__refuses_in_words():
    run = run_of([1])
    with pytest.raises(ValueError, match="found 1 side; expected two or more runs"):
        sides_of(run)
    with pytest.raises(ValueError, match="names: found 1 for 2 sides"):
        sides_of(run, run, names=["a"])
    with pytest.raises(ValueError, match="names: found a, a; expected different ones"):
        sides_of(run, run, names=["a", "a"])
    with pytest.raises(ValueError, match="an empty list"):
        sides_of(run, [])
    with pytest.raises(TypeError, match="found str; expected a run"):
        sides_of(run, "b.nc")
    with pytest.raises(ValueError, match="confidence: found 95"):
        compare(run, run, confidence=95)


def test_words__values_and_changes():
    shown = [
        quantity("duration", 2 * SECOND), quantity("unusable_last", -0.25), quantity("migrated", float("nan")),
        quantity("fragmentation_score_last", 8), quantity("compact_stall", 2.5), quantity("free_last", -300),
    ]  # fmt: skip
    assert [text.translate(PLAIN) for text in shown] == ["2 s", "−0.250", "–", "8 %", "2.5", "−300 pages"]  # fmt: skip
    assert relative(float("nan")) == ""
    assert relative(1.999).translate(PLAIN) == "+200 %"
