import numpy as np
import pytest
import reference
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import zones

from compactlab import metrics, schema

LIVE = [670996, 270181, 47283, 2871, 374, 102, 33, 9, 0, 0, 0]
GORMAN_BEFORE = [7901, 3005, 2205, 1511, 758, 245, 34, 3, 0, 1, 0]
GORMAN_AFTER = [1900, 1187, 609, 325, 228, 178, 110, 32, 6, 4, 24]


def _only(order, blocks):
    return [blocks if at == order else 0 for at in range(11)]


def _bare(nr_free):
    return xr.DataArray(nr_free, dims="order")


@pytest.mark.parametrize(
    ("nr_free", "order", "fragmentation", "unusable", "extfrag"),
    [
        (LIVE, 7, -1000, 999, None),
        (LIVE, 8, 995, 1000, 100),
        (LIVE, 9, 998, 1000, 100),
        (LIVE, 10, 999, 1000, 100),
        *(
            (LIVE, q, -1000, unusable, None)
            for q, unusable in enumerate((467, 843, 975, 991, 995, 997), start=1)
        ),
        (GORMAN_BEFORE, 9, -1000, 991, None),
        (GORMAN_BEFORE, 10, 997, 1000, None),
        (GORMAN_AFTER, 9, -1000, 540, None),
        (GORMAN_AFTER, 10, -1000, 575, None),
        (_only(0, 1), 9, -1, 1000, 100),
        (_only(0, 2), 9, 499, 1000, 100),
        (_only(0, 512), 9, 997, 1000, 100),
        (_only(8, 2), 9, 0, 1000, 100),
        (_only(8, 3), 9, 167, 1000, 100),
        (_only(8, 1), 9, -500, 1000, 100),  # a lone block just too small: debugfs prints 0.-500
        (_only(0, 0), 9, 0, 1000, 0),
    ],
)
def test_indices__known_vectors(nr_free, order, fragmentation, unusable, extfrag):
    assert metrics.fragmentation_index(_bare(nr_free))[order] == fragmentation / 1000
    assert metrics.unusable_index(_bare(nr_free))[order] == unusable / 1000
    if extfrag is not None:
        assert metrics.extfrag_for_order(_bare(nr_free))[order] == extfrag


@pytest.mark.parametrize(
    ("nr_free", "extfrag"),
    [(LIVE, {8: 99, 10: 100}), (GORMAN_BEFORE, {8: 99, 10: 100}), (GORMAN_AFTER, {9: 54})],
)
def test_extfrag_for_order__known_vectors(nr_free, extfrag):
    percent = metrics.extfrag_for_order(_bare(nr_free))
    expected = {order: reference.extfrag_for_order(nr_free, order) for order in extfrag}
    assert {order: int(percent[order]) for order in extfrag} == expected


blocks = st.one_of(st.integers(0, 3), st.integers(0, 10**6), st.just(0))
free_lists = st.integers(1, 15).flatmap(
    lambda orders: st.lists(st.lists(blocks, min_size=orders, max_size=orders), min_size=1, max_size=6)
)


@settings(deadline=None)  # the first call compiles
@given(free_lists)
def test_indices__equal_reference_exactly(rows):
    nr_free = xr.DataArray(rows, dims=("time", "order"))
    fragmentation, unusable = metrics.fragmentation_index(nr_free), metrics.unusable_index(nr_free)
    percent = metrics.extfrag_for_order(nr_free)
    for at, row in enumerate(rows):
        orders = range(len(row))
        assert fragmentation[at].values.tolist() == [
            reference.fragmentation_index(row, q) / 1000 for q in orders
        ]
        assert unusable[at].values.tolist() == [reference.unusable_free_index(row, q) / 1000 for q in orders]
        assert percent[at].values.tolist() == [reference.extfrag_for_order(row, q) for q in orders]


@settings(deadline=None)  # the first call compiles
@given(free_lists)
def test_indices__sane_for_any_free_list(rows):
    nr_free = xr.DataArray(rows, dims=("time", "order"))
    fragmentation, unusable = metrics.fragmentation_index(nr_free), metrics.unusable_index(nr_free)
    orders = xr.DataArray(np.arange(nr_free.sizes["order"]), dims="order")
    fits = metrics.largest_free_order(nr_free) >= orders
    assert ((fragmentation == -1) == fits).all()
    assert ((fragmentation >= -0.5) & (fragmentation <= 1)).where(~fits, True).all()
    assert ((unusable >= 0) & (unusable <= 1)).all()
    assert (unusable.diff("order") >= 0).all()  # what cannot serve a request cannot serve a larger one


def test_indices__not_listed():
    present = np.array([[[True, True, False]]])
    run = schema.new_run({"zones": zones([[[1, 1, 0]]], present=present)})
    assert np.isnan(metrics.fragmentation_index(run).values).tolist() == [[[False, False, True]]]
    assert np.isnan(metrics.unusable_index(run).values).tolist() == [[[False, False, True]]]
    assert metrics.extfrag_for_order(run).values.tolist() == [[[0, 33, -1]]]
    assert metrics.extfrag_for_order(run).attrs["missing"] == -1


def test_indices__keep_labels():
    run = schema.new_run({"zones": zones([[[1, 1, 0], [5, 0, 0]]], names=("DMA", "Normal"))})
    index = metrics.fragmentation_index(run)
    assert index.dims == ("time", "zone", "order")
    assert index.sel(zone="0/Normal", order=1) == reference.fragmentation_index([5, 0, 0], 1) / 1000


def test_indices__any_integer_type_and_layout():
    counts = np.array([[3, 1, 0, 2], [9, 0, 0, 0]], np.uint32)
    turned = xr.DataArray(np.asfortranarray(counts), dims=("zone", "order"))
    wanted = [[reference.fragmentation_index(row, q) / 1000 for q in range(4)] for row in counts.tolist()]
    assert metrics.fragmentation_index(turned).values.tolist() == wanted


@pytest.mark.parametrize(
    "source", [np.zeros(3), xr.DataArray([[1]], dims=("order", "zone")), schema.new_run({})]
)
def test_indices__something_else(source):
    with pytest.raises(ValueError, match=r"found .*; expected"):
        metrics.fragmentation_index(source)
