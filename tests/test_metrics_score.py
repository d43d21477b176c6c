import numpy as np
import pytest
import reference
from runs import SECOND, migratetypes, zoneinfo, zones

import compactlab as cl
from compactlab import metrics, schema

NAMES = ("DMA32", "Normal")
HEALTHY = [0] * 9 + [10, 700]
BROKEN = [500_000] + [0] * 10
PRESENT = [780_000, 5_500_000]


def _run(**groups):
    return schema.new_run({"zones": zones([[HEALTHY, BROKEN]], names=NAMES), **groups}, pageblock_order=9)


def test_fragmentation_score__as_the_kernel_weighs():
    info = zoneinfo([[1, 2, 3]] * 2, names=NAMES, present_pages=PRESENT)
    score = metrics.fragmentation_score(_run(zoneinfo=info))
    expected = reference.fragmentation_score_node(list(zip(PRESENT, [HEALTHY, BROKEN], strict=True)), 9)
    assert score.zone_score.values.tolist() == [[0, 100]]
    assert score.score.values.tolist() == [[expected]]
    assert expected == 87  # the healthy zone holds the node below the mark: compaction never starts
    assert (int(score.wmark_low), int(score.wmark_high)) == (80, 90)


def test_fragmentation_score__one_zone_never_reaches_100():
    run = schema.new_run(
        {"zones": zones([[BROKEN]]), "zoneinfo": zoneinfo([[1, 2, 3]], present_pages=[1000])},
        pageblock_order=9,
    )
    assert metrics.fragmentation_score(run).score.values.tolist() == [[99]]


@pytest.mark.parametrize(
    ("proactiveness", "low", "high"), [(0, 100, 100), (50, 50, 60), (95, 5, 7), (100, 0, 0)]
)
def test_fragmentation_score__marks(proactiveness, low, high):
    score = metrics.fragmentation_score(_run(), proactiveness)
    assert (int(score.wmark_low), int(score.wmark_high)) == (low, high)


def test_fragmentation_score__weights_from_pageblocks():
    types = migratetypes(
        {"Unmovable": [[HEALTHY, BROKEN]], "Movable": [[HEALTHY, BROKEN]]},
        names=NAMES,
        nr_pageblocks=[[[0, 1528], [226, 10526]]],
    )
    score = metrics.fragmentation_score(_run(migratetypes=types))
    weights = [1528 * 512, 10752 * 512]
    expected = reference.fragmentation_score_node(list(zip(weights, [HEALTHY, BROKEN], strict=True)), 9)
    assert score.score.values.tolist() == [[expected]]
    assert score.attrs["weights"] == "nr_pageblocks"


def test_fragmentation_score__no_weights():
    score = metrics.fragmentation_score(_run())
    assert "score" not in score
    assert "zoneinfo" in score.attrs["lacks"]


def test_fragmentation_score__nodes_and_zones_that_go():
    present = np.ones((2, 3, 11), bool)
    present[1, 2] = False
    free = zones(
        [[HEALTHY, BROKEN, BROKEN]] * 2, names=("DMA32", "Normal", "Normal"), nodes=[0, 0, 1], present=present
    )
    info = zoneinfo([[1, 2, 3]] * 3, names=("DMA32", "Normal", "Normal"), present_pages=[*PRESENT, 1000])
    info = info.assign_coords(schema.zone_labels([0, 0, 1], ["DMA32", "Normal", "Normal"]))
    score = metrics.fragmentation_score(schema.new_run({"zones": free, "zoneinfo": info}, pageblock_order=9))
    assert score.score.node.values.tolist() == [0, 1]
    assert score.score.values.tolist() == [[87, 99], [87, -1]]
    assert score.zone_score.values.tolist() == [[0, 100, 100], [0, 100, -1]]


def test_fragmentation_score__zone_size_before_in_time():
    free = zones([[BROKEN, HEALTHY]] * 3, names=NAMES)
    info = zoneinfo([[1, 2, 3]] * 2, names=NAMES, elapsed=[0, 2 * SECOND], present_pages=[100, 899])
    info.present_pages[1] = [899, 100]  # memory was moved between the zones
    score = metrics.fragmentation_score(schema.new_run({"zones": free, "zoneinfo": info}, pageblock_order=9))
    assert score.score.values.ravel().tolist() == [10, 10, 89]


@pytest.mark.parametrize(("arguments", "found"), [({"proactiveness": 101}, "101"), ({"order": 11}, "11")])
def test_fragmentation_score__out_of_range(arguments, found):
    with pytest.raises(ValueError, match=f"found {found}; expected 0 to"):
        metrics.fragmentation_score(_run(), **arguments)


def test_score__holes_are_not_scanned():
    # The last GiB below 4 GiB has no memory: neither the kernel's scanners nor ours look into such pageblocks.
    run = cl.datasets.load("page-map-compaction")
    prediction = cl.compact_zone(cl.Zone.from_pages(run, "0/DMA32"))
    scanned = cl.score(prediction, run, zone="0/DMA32").migrate_scanned
    assert scanned.values.tolist() == [43_520, 43_520]
