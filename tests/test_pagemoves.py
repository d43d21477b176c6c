"""One page moves: the recording is read right, the story keeps to it, and the line fits."""

import csv
from itertools import pairwise

import numpy as np
import pytest

from compactlab import datasets, pagemoves
from compactlab.core.memory import STEPS
from compactlab.figures.story import story_of
from compactlab.simulation.costs import CostModel


def rows(name):
    with (datasets.program("page-migration") / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_costs__are_medians_of_what_was_recorded():
    told = pagemoves.costs()
    assert told.mappings.values.tolist() == [1, 2, 4, 8, 16, 32, 64, 128]
    for size in (32, 224):
        for mappings in (1, 128):
            each = [int(row["ns"]) / size for row in rows("batches.csv") if (row["pages"], row["mappings"]) == (str(size), str(mappings))]  # fmt: skip
            here = told.sel(batch_pages=size, mappings=mappings)
            assert here.ns.item() == pytest.approx(np.median(each))
            assert here.batches.item() == len(each) > 100
    assert (told.low <= told.ns).all()
    assert (told.ns <= told.high).all()


def test_costs__quartiles_lie_close_with_few_mappings_or_many():
    told = pagemoves.costs()
    assert float(((told.high - told.low) / told.ns).max()) < 0.4


def test_fit__goes_through_what_was_measured_within_a_seventh():
    told = pagemoves.costs()
    line = pagemoves.fit(told)
    assert (line.error < 1 / 6).all()
    expected = line["first"] + line.further * (told.mappings - 1)
    assert float(np.abs(expected / told.ns - 1).max()) == pytest.approx(float(line.error.max()))


def test_fit__finds_a_line_that_is_one():
    told = pagemoves.costs()
    told["ns"] = 1500.0 + 300.0 * (told.mappings - 1) + 0 * told.ns
    line = pagemoves.fit(told)
    assert line["first"].values == pytest.approx([1500, 1500])
    assert line.further.values == pytest.approx([300, 300])
    assert line.error.values == pytest.approx([0, 0], abs=1e-9)


def test_cost_model__has_what_was_measured():
    line = pagemoves.fit(pagemoves.costs())
    assert line.further.min() < CostModel().migrate_mapping < line.further.max()
    assert "migrate_mapping" in STEPS


def test_pinned__none_of_them_moved_and_most_others_did():
    told = pagemoves.pinned()
    assert told.moved.sel(pinned=True) == 0
    assert told.pages.sel(pinned=True) == 64 * 24
    assert told.moved.sel(pinned=False) > 0.7 * told.pages.sel(pinned=False)


def test_steps__every_mapping_of_32_pages_was_taken_away_and_put_back():
    events = rows("steps.csv")
    for event in ("set_migration_pte", "remove_migration_pte"):
        addresses = [row["address"] for row in events if row["event"] == event]
        assert len(addresses) == 4 * 32
        assert len(set(addresses)) == 32
    times = [int(row["ns"]) for row in events]
    assert all(a <= b for a, b in pairwise(times))
    last_away = max(int(row["ns"]) for row in events if row["event"] == "set_migration_pte")
    flush = next(int(row["ns"]) for row in events if row["reason"] == "remote IPI send")
    first_back = min(int(row["ns"]) for row in events if row["event"] == "remove_migration_pte")
    assert last_away <= flush < first_back


@pytest.mark.parametrize("pages", [1, 2, 32])
def test_story__moves_every_page_through_all_its_states(pages):
    told = pagemoves.story(pages)
    kinds = told.attrs["kinds"]
    assert (told.kind[0, :-1] == kinds.index("old frame")).all()
    assert (told.kind[0, -1] == kinds.index("free")).all()
    assert (told.kind[-1, :-2] == kinds.index("new frame")).all()
    assert (told.kind[-1, -2] == kinds.index("free")).all()
    assert (told.kind[-1, -1] == kinds.index("new frame")).all()
    moving = kinds.index("is moving: who touches it waits")
    for cell in range(pages):
        for row in range(4):
            states = told.kind[:, row, cell].values
            assert [int(a) for a, b in pairwise([*states, -1]) if a != b] == [kinds.index("old frame"), moving, kinds.index("new frame")]  # fmt: skip
    assert (np.diff(told.elapsed) >= 0).all()
    assert told.sizes["step"] == 4 + 11 * pages - (
        pages == 32
    )  # begin, others, flush, end; the others may be none
    story_of(told)


def test_story__never_shows_a_mapping_to_a_frame_without_the_content():
    told = pagemoves.story(4)
    kinds = told.attrs["kinds"]
    new = (told.kind[:, :4] == kinds.index("new frame")).any("row")
    filled = told.kind[:, 5] == kinds.index("new frame")
    assert bool((filled | ~new).all())
    old = (told.kind[:, :4] == kinds.index("old frame")).any("row")
    assert bool(((told.kind[:, 4] == kinds.index("old frame")) | ~old).all())


@pytest.mark.parametrize("pages", [0, 33])
def test_story__refuses_pages_that_were_not_traced(pages):
    with pytest.raises(ValueError, match=f"pages={pages}; expected 1 to 32"):
        pagemoves.story(pages)


def test_cost_story__bars_are_as_long_as_the_time():
    told = pagemoves.costs()
    bars = pagemoves.cost_story(told, pagemoves.fit(told))
    long = (bars.kind != 255).sum("cell")
    assert (np.abs(long * pagemoves.CELL_NS / 1000 - bars.per_page) <= pagemoves.CELL_NS / 2000).all()
    assert bars.text.values[0].startswith("One process maps the page: 1.93")
    story_of(bars)
