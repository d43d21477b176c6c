"""Runs side by side: colours that any eye tells apart, values on common axes, tables; without a browser."""

import re

import numpy as np
import pytest
from bokeh.models import Div, Select
from runs import SECOND, counters, zones
from test_metrics_comparison import run_of

import compactlab as cl
from compactlab import metrics, schema, texts
from compactlab.figures import comparison
from compactlab.figures.aligned import LARGEST, axes_of, columns_of, latencies, zones_of
from compactlab.figures.numbers import numbers_table
from compactlab.metrics import compare
from compactlab.metrics.comparison import sides_of

BLOCKS = [[[4, 0]], [[2, 1]], [[0, 2]]]  # free blocks at 0, 1 and 2 s, of one zone


def still(nr_free=BLOCKS, elapsed=None, names=("Normal",), **attrs):
    elapsed = np.arange(len(nr_free)) * SECOND if elapsed is None else elapsed
    moved = counters({"compact_migrate_scanned": [0, 10, 30], "pgmigrate_success": [0, 5, 20]}, elapsed)
    groups = {"zones": zones(nr_free, names=names, elapsed=elapsed), "counters": moved}
    return schema.new_run(groups, pageblock_order=1, page_size=4096, **attrs)


def cells(text: str) -> list[list[str]]:
    """Rows of a table, as read."""
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", text)
    found = (re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows)
    return [[re.sub("<.*?>", "", cell).replace(texts.NO_BREAK, " ") for cell in row] for row in found]


def test_columns__elapsed_time_and_share():
    sides = sides_of(still(), still(elapsed=[5 * SECOND, 6 * SECOND, 9 * SECOND]))
    elapsed, share = axes_of(sides, 5)
    assert elapsed.seconds.tolist() == [0, 1, 2, 3, 4]
    found = columns_of(sides, elapsed, ["0/Normal"], 2)
    np.testing.assert_array_equal(found["index 0 mid"].reshape(2, 5)[1], [1.0, 0.5, 0, np.nan, np.nan])
    np.testing.assert_array_equal(found["index 1 mid"].reshape(2, 5)[1], [1, 0.5, 0.5, 0.5, 0])
    np.testing.assert_array_equal(found["usable 1 mid"].reshape(2, 5), [[4] * 5, [0, 2, 2, 2, 4]])
    np.testing.assert_array_equal(found["moved 0 mid"], [0, 5, 20, np.nan, np.nan])
    np.testing.assert_array_equal(found["moved 1 mid"], [0, 5, 5, 5, 20])
    found = columns_of(sides, share, ["0/Normal"], 2)
    np.testing.assert_array_equal(found["index 0 mid"].reshape(2, 5)[1], [1.0, 1.0, 0.5, 0.5, 0])
    np.testing.assert_array_equal(found["t 1 mid"], [0, 1, 2, 3, 4])
    assert not any("low" in name for name in found)


def test_columns__seeds_have_a_median_and_a_band():
    low, high = still([[[4, 0]]] * 3), still([[[0, 2]]] * 3)
    sides = sides_of([low, still(), high], low)
    found = columns_of(sides, axes_of(sides, 3)[0], ["0/Normal"], 2)
    bands = {band: found[f"index 0 {band}"].reshape(2, 3)[1].tolist() for band in ("low", "mid", "high")}
    assert bands == {"low": [0, 0, 0], "mid": [1, 0.5, 0], "high": [1, 1, 1]}


def test_axes__phases_that_all_runs_have():
    run = cl.datasets.load("page-map-direct")
    other = cl.datasets.load("direct-compaction")
    sides = sides_of(run, other)
    phases = axes_of(sides, 601)[-1]
    assert (phases.key, phases.edges[3][1]) == ("phase", "direct_demand")
    found = columns_of(sides, phases, [], 11)
    begin = int(phases.edges[3][0] / 1000 * 600)
    moved = found["moved 0 mid"][begin : begin + 101]
    assert moved[0] == 0
    assert moved[-1] == float(metrics.summary(run).migrated)
    assert [axis.key for axis in axes_of(sides_of(run, still()), 9)] == ["elapsed", "share"]


def test_zones__common_or_the_largest_of_each():
    two = still([[[4, 0], [1, 1]]] * 3, names=("DMA", "Normal"))
    assert zones_of(sides_of(two, still())) == ["0/Normal"]
    odd = still(names=("Movable",))
    sides = sides_of(two, odd)
    assert zones_of(sides) == [LARGEST]
    found = columns_of(sides, axes_of(sides, 2)[0], [LARGEST], 2)
    assert found["free 0 mid"].tolist() == [4, 4]
    assert zones_of(sides_of(run_of([1]), schema.new_run({}))) == ["0/Normal"]


def test_latencies__shares_served_within_a_time():
    at, (one, none) = latencies(sides_of(run_of([1_000_000, 3_000_000]), still()), 2, 50)
    assert none == {}
    assert (one["requests"], one["p50"], one["p99"]) == (2, 1_000_000, 3_000_000)
    share = one["mid"]
    assert share[0] == 0
    assert share[-1] == 1
    assert share[np.searchsorted(at, 2)] == 0.5


def test_comparison__has_every_row_and_opens_as_asked():
    run = cl.datasets.load("page-map-direct")
    scene = comparison(run, cl.datasets.load("direct-compaction"), names=["a", "b"], order=4, zone="DMA32")
    for name in ("index", "free", "moved", "difference", "ecdf", "numbers sheet", "table sheet", "frame"):
        assert scene.root.select_one({"name": name}) is not None, name
    assert scene.root.select_one({"type": Select, "name": "order"}).value == "4"
    chosen = scene.root.select_one({"type": Select, "name": "zone"})
    assert dict(chosen.options)[chosen.value] == "DMA32 zone"
    assert scene.title == "a · b"
    assert scene.note == "a: 1 run, b: 1 run"
    text = scene.root.select_one({"type": Div, "name": "numbers sheet"}).text
    assert "Numbers for 0/DMA32, order 4 (64 KiB)" in text.replace(texts.NO_BREAK, " ")


def test_comparison__rows_follow_what_the_runs_tell():
    scene = comparison(schema.new_run({"zones": zones(BLOCKS)}), schema.new_run({"zones": zones(BLOCKS)}))
    assert scene.root.select_one({"name": "index"}) is not None
    assert scene.root.select_one({"name": "moved"}) is None
    assert scene.root.select_one({"name": "ecdf"}) is None


def test_comparison__answers_with_numbers_for_another_order():
    scene = comparison(still(), still([[[0, 2]]] * 3), names=["a", "b"], order=0, live=True)
    numbers, bar = scene.answer({"type": "numbers", "zone": "0/Normal", "order": 1})
    assert "order 1" in numbers["set"]["text"]
    assert "mean unusable index 0.000 instead of 0.750" in bar["data"]["text"][0]
    assert scene.answer({"type": "zoom"}) == []


def test_comparison__refuses_in_words():
    with pytest.raises(ValueError, match="found 7 sides; at most 6"):
        comparison(*[still()] * 7)
    with pytest.raises(ValueError, match="zone: got 'Foo', expected one of 0/Normal"):
        comparison(still(), still(), zone="Foo")
    with pytest.raises(ValueError, match="order: got 12, expected 0 to 1"):
        comparison(still(), still(), order=12)
    with pytest.raises(ValueError, match="theme: got 'blue'"):
        comparison(still(), still(), theme="blue")
    with pytest.raises(ValueError, match="found nothing to draw"):
        comparison(schema.new_run({}), schema.new_run({}))


def test_numbers_table__rows_words_and_what_is_equal():
    fast, slow = [run_of([value]) for value in (10, 11, 12, 13)], [run_of([value]) for value in (90, 91, 92, 93)]  # fmt: skip
    told = compare(fast, slow, names=["fast", "<slow>"], order=1)
    text = numbers_table(told)
    rows = cells(text)
    assert rows[0][:3] == ["Quantity", "Side", "Runs"]
    first, second = (
        rows[at : at + 2]
        for at, row in enumerate(rows)
        if row[0] == "p99 latency"
    ).__next__()  # fmt: skip
    assert first == ["p99 latency", "fast", "4", "12 ns", "10 … 13 ns", "", "", "", ""]
    assert second[:3] == ["&lt;slow&gt;", "4", "92 ns"]
    assert second[4] == "+80 ns (8 times)"
    assert second[6:] == ["1.00", "▲ higher, worse"]
    assert "Equal on all sides:</b>" in text
    assert "requests 1" in text.replace(texts.NO_BREAK, " ")


def test_numbers_table__predictions_have_errors_and_no_better():
    run = cl.datasets.load("page-map-pinned")
    predicted = cl.compact_zone(cl.Zone.from_pages(run), frames=2)
    told = compare(metrics.part(run, "compaction"), predicted, names=["recorded", "predicted"])
    text = numbers_table(told).replace(texts.NO_BREAK, " ")
    assert "The compaction of predicted beside that of recorded:</b> pages moved " in text
    assert "better" not in text
    assert "(one run each)" in text
