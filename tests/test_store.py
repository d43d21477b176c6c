"""Runs on disk come back as they were, or the old file stays as it was."""

import os
import re
import signal
import subprocess
import sys
import textwrap

import h5py
import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from compactlab import datasets, schema, store

ENDINGS = (".nc", ".zarr")
N_EVENTS = store.LONG_TEXT + 5


def assert_same(found: xr.DataTree, expected: xr.DataTree) -> None:
    assert found.identical(expected)
    assert repr(found.attrs) == repr(expected.attrs)  # types and order too
    assert list(found.children) == list(expected.children)
    for name, node in expected.children.items():
        assert list(found[name].variables) == list(node.variables)
        assert list(found[name].coords) == list(node.coords)
        assert repr(found[name].attrs) == repr(node.attrs)
        for variable, array in node.variables.items():
            assert found[name].variables[variable].dtype == array.dtype, variable
            assert repr(found[name].variables[variable].attrs) == repr(array.attrs)


def texts(n: int) -> np.ndarray:
    words = np.array(["", "mm_compaction_begin", "zwei Wörter % 100 %25", "a|b", "%", "\n\t", "漢字"], object)
    return words[np.arange(n) % len(words)]


@pytest.fixture
def run() -> xr.DataTree:
    stamps = np.array([0, 1, 2**60 + 1], "datetime64[ns]")
    zone = schema.zone_labels([1, 0], ["Normal", "DMA"])
    zones = xr.Dataset(
        {
            "nr_free": (
                ("time", "zone", "order"),
                np.arange(24).reshape(3, 2, 4),
                {"unit": "blocks", "seen": [1, 2]},
            ),
            "free_pages": (("time", "zone"), np.full((3, 2), 2**62)),
            "present": (("time", "zone", "order"), np.arange(24).reshape(3, 2, 4) % 2 == 0),
            "flags": (("time", "zone"), np.array([[0, 1], [2, 3], [255, 0]], np.uint8)),
        },
        {"time": stamps, "elapsed": ("time", np.array([0, 1, 2**60 + 1])), **zone, "order": np.arange(4)},
        attrs={"true": True, "none": None, "nested": {"b": [1.5, "ü"], "a": []}},
    )
    events = xr.Dataset(
        {
            "name": ("event", texts(N_EVENTS)),
            "gfp_flags": ("event", np.full(N_EVENTS, "", object)),
            "order": ("event", np.where(np.arange(N_EVENTS) % 2, schema.NO_INTEGER, -1)),
        },
        {"time": ("event", np.arange(N_EVENTS)), "elapsed": ("event", np.arange(N_EVENTS))},
    )
    phases = xr.Dataset({name: ("phase", np.zeros(0, np.int64)) for name in ("start", "end")})
    phases["name"] = ("phase", np.zeros(0, object))
    return schema.new_run(
        {"events": events, "zones": zones, "phases": phases},
        page_size=4096,
        provenance=[{"file": "ü.txt", "sha256": "0", "bytes": 1}],
        kernel="",
    )


@pytest.mark.parametrize("ending", ENDINGS)
def test_save__round_trip_is_identical(run, tmp_path, ending):
    path = store.save(run, tmp_path / f"run{ending}")
    assert_same(store.open(path), run)
    again = store.save(store.open(path), tmp_path / f"again{ending}")  # nothing sticks to what was opened
    assert_same(store.open(again), run)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [f"again{ending}", f"run{ending}"]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("name", ["whole-story", "manual-compaction", "healthy"])
def test_save__shipped_recording_is_identical(tmp_path, name, ending):
    run = datasets.load(name)
    assert_same(store.open(store.save(run, tmp_path / f"run{ending}")), run)


@pytest.mark.parametrize("ending", ENDINGS)
def test_save__run_without_groups(tmp_path, ending):
    run = schema.new_run({})
    assert_same(store.open(store.save(run, tmp_path / f"run{ending}")), run)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_save__any_text_and_numbers(tmp_path, data):
    n = data.draw(st.sampled_from([1, 3, N_EVENTS]))
    text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
    words = data.draw(st.lists(text, min_size=1, max_size=5))
    events = xr.Dataset(
        {
            "name": ("event", np.array(words, object)[np.arange(n) % len(words)]),
            "pfn": ("event", np.resize(data.draw(hnp.arrays(np.int64, 5)), n)),
        },
        {"time": ("event", np.arange(n)), "elapsed": ("event", np.arange(n))},
    )
    run = schema.new_run({"events": events}, problems=words)
    for ending in ENDINGS:
        assert_same(store.open(store.save(run, tmp_path / f"run{ending}", overwrite=True)), run)


def test_save__long_text_is_cf_flags(run, tmp_path):
    store.save(run, tmp_path / "run.nc")
    with h5py.File(tmp_path / "run.nc") as file:
        column = file["events/name"]
        assert column.dtype == np.int32
        meanings = column.attrs["flag_meanings"].split(" ")
        assert len(meanings) == len(column.attrs["flag_values"]) == len(set(texts(N_EVENTS)))
        assert "mm_compaction_begin" in meanings


@pytest.mark.parametrize("ending", ENDINGS)
def test_save__existing_needs_overwrite(run, tmp_path, ending):
    path = store.save(schema.new_run({}), tmp_path / f"run{ending}")
    with pytest.raises(FileExistsError, match=r"overwrite=True\) replaces it"):
        store.save(run, path)
    assert not store.open(path).children
    assert_same(store.open(store.save(run, path, overwrite=True)), run)
    assert list(tmp_path.iterdir()) == [path]


def test_save__refuses_a_folder_that_is_no_store(run, tmp_path):
    (tmp_path / "photos.zarr").mkdir()
    with pytest.raises(FileExistsError, match="not a Zarr store; it is not replaced"):
        store.save(run, tmp_path / "photos.zarr", overwrite=True)


def test_save__unknown_ending(run, tmp_path):
    with pytest.raises(ValueError, match=r"ending '\.csv', expected \.nc \(netCDF\) or \.zarr"):
        store.save(run, tmp_path / "run.csv")


def test_save__folder_does_not_exist(run, tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist; make it first"):
        store.save(run, tmp_path / "nowhere" / "run.nc")


def test_save__what_is_not_a_run(tmp_path):
    with pytest.raises(ValueError, match="attribute 'schema_version' is missing"):
        store.save(xr.DataTree(), tmp_path / "run.nc")
    assert not list(tmp_path.iterdir())


# In a process of its own: the limit would strike at pytest's own files too.
SMALL_DISK = """
import resource, signal, sys
import numpy as np, xarray as xr
from compactlab import schema, store
n = 20_000
noise = np.random.default_rng(0).integers(-(2**62), 2**62, n)
events = xr.Dataset(
    {"name": ("event", np.full(n, "mm_compaction_begin", object)), "pfn": ("event", noise)},
    {"time": ("event", np.arange(n)), "elapsed": ("event", np.arange(n))},
)
run = schema.new_run({"events": events})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))  # writing fails as on a full disk
try:
    store.save(run, sys.argv[1], overwrite=True)
except OSError as error:
    print(error)
"""


@pytest.mark.parametrize("ending", ENDINGS)
def test_save__full_disk_leaves_the_old_run(tmp_path, ending):
    old = schema.new_run({}, name="old")
    path = store.save(old, tmp_path / f"run{ending}")
    done = subprocess.run(
        [sys.executable, "-c", SMALL_DISK, path], capture_output=True, text=True, check=True
    )
    assert re.search(r"run\.(nc|zarr): .* MB are free in .*make room or save elsewhere", done.stdout)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert_same(store.open(path), old)


@pytest.mark.parametrize("ending", ENDINGS)
def test_save__killed_leaves_the_old_run(tmp_path, ending):
    old = schema.new_run({}, name="old")
    path = store.save(old, tmp_path / f"run{ending}")
    program = f"""
        import os, signal
        from compactlab import datasets, store
        store._replace = lambda part, path: os.kill(os.getpid(), signal.SIGKILL)  # before the rename
        store.save(datasets.load("healthy"), {str(path)!r}, overwrite=True)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert_same(store.open(path), old)
    assert len(list(tmp_path.iterdir())) == 2  # the old run, and what the killed process left
    other = tmp_path / f".run{ending}.{os.getppid()}.part"
    other.write_text("somebody alive is at work")
    store.save(old, path, overwrite=True)
    assert sorted(tmp_path.iterdir()) == [other, path]


def test_open__nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        store.open(tmp_path / "run.nc")


@pytest.mark.parametrize("content", [b"", b"Node 0, zone DMA 1 2 3\n", b"\x89HDF\r\n\x1a\n" + bytes(100)])
def test_open__foreign_file(tmp_path, content):
    (tmp_path / "run.nc").write_bytes(content)
    with pytest.raises(ValueError, match=r"run\.nc: not a run.*texts of the kernel are for compactlab\.read"):
        store.open(tmp_path / "run.nc")


@pytest.mark.parametrize("ending", ENDINGS)
def test_open__somebody_elses_data(tmp_path, ending):
    path = tmp_path / f"weather{ending}"
    weather = xr.Dataset({"t": ("x", [1.0, 2.0])})
    weather.to_netcdf(path, engine="h5netcdf") if ending == ".nc" else weather.to_zarr(
        path, consolidated=False
    )
    with pytest.raises(ValueError, match="not a run: it has no schema version"):
        store.open(path)


def test_open__folder_without_a_store(tmp_path):
    with pytest.raises(ValueError, match="not a run"):
        store.open(tmp_path)


@pytest.mark.parametrize("ending", ENDINGS)
def test_open__newer_schema(tmp_path, ending):
    run = schema.new_run({})
    run.attrs["schema_version"] = schema.VERSION + 1
    path = store.save(run, tmp_path / f"run{ending}")
    with pytest.raises(ValueError, match=f"schema version {schema.VERSION + 1}.*please upgrade"):
        store.open(path)
