"""The data model: what fits, and what is said about what does not."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from compactlab import schema

ROOT = Path(__file__).parents[1]


def phases(**changes) -> xr.Dataset:
    variables = {
        "start": ("phase", np.array([0, 5])),
        "end": ("phase", np.array([5, 9])),
        "name": ("phase", np.array(["before", "after"], object)),
    }
    return xr.Dataset({name: v for name, v in (variables | changes).items() if v is not None})


def test_new_run__neutral_attributes_fit():
    run = schema.new_run({"phases": phases()}, page_size=4096)
    assert run.attrs["schema_version"] == schema.VERSION
    assert run.attrs["problems"] == []
    assert run["phases"]["end"].values.tolist() == [5, 9]


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (phases(end=None), "phases: variable 'end' is missing: End, on the `elapsed` scale"),
        (
            phases(colour=("phase", [1, 2])),
            "phases: unknown variable 'colour'; the schema has start, end, name",
        ),
        (
            phases(end=(("phase", "x"), [[1], [2]])),
            r"phases/end: dimensions \('phase', 'x'\), expected \('phase',\)",
        ),
        (phases(end=("phase", [5.0, 9.0])), "phases/end: dtype float64, expected kind 'i'"),
    ],
)
def test_validate__names_what_does_not_fit(dataset, message):
    with pytest.raises(ValueError, match=message):
        schema.new_run({"phases": dataset})


def test_validate__unknown_group():
    with pytest.raises(ValueError, match="unknown group 'weather'; the schema has zones, zoneinfo"):
        schema.new_run({"weather": phases()})


@pytest.mark.parametrize("name", ["schema_version", "clock", "provenance"])
def test_validate__missing_attribute(name):
    run = schema.new_run({})
    del run.attrs[name]
    with pytest.raises(ValueError, match=f"attribute '{name}' is missing: {schema.ATTRIBUTES[name][:10]}"):
        schema.validate(run)


def test_page_size__unknown_is_none():
    assert schema.page_size(schema.new_run({})) is None
    assert schema.page_size(schema.new_run({}, page_size=65536)) == 65536


def test_reference_page__in_docs_is_up_to_date():
    page = (ROOT / "docs" / "data-model.md").read_text(encoding="utf-8")
    assert page == schema.reference_page(), "run `python -m compactlab.schema > docs/data-model.md`"


def test_reference_page__has_every_variable():
    page = schema.reference_page()
    for group, variables in schema.GROUPS.items():
        section = page.split(f"\n## /{group}\n")[1].split("\n## ")[0]
        assert all(f"\n| `{name}` | " in section for name in variables), group


def test_new_run__codes_of_pages_have_their_names():
    clock = np.array([0])
    maps = {name: (("keyframe", "pfn"), np.zeros((1, 4), np.uint8)) for name in ("kind", "order", "mapcount")}
    pages = xr.Dataset(
        {
            **maps,
            "flags": (("keyframe", "pfn"), np.full((1, 4), 0b1001, np.uint8)),
            "name": ("keyframe", np.array(["before"], object)),
            "first_pfn": ("keyframe", np.array([16])),
        },
        {"time": ("keyframe", clock), "elapsed": ("keyframe", clock)},
    )
    found = schema.new_run({"pages": pages})["pages"]
    assert found.attrs["kinds"][int(found["kind"][0, 0])] == "hole"
    assert [found.attrs["flags"][bit] for bit in (0, 3)] == ["dirty", "pinned"]
    with pytest.raises(ValueError, match=r"pages/kind: dtype int64, expected kind 'u'"):
        schema.new_run({"pages": pages.assign(kind=pages.kind.astype(np.int64))})


def test_reference_page__names_of_codes():
    page = schema.reference_page()
    assert "Attribute `kinds`, names in the order of their numbers: hole, reserved, free, pcp" in page
