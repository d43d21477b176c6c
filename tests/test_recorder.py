"""The recorder on this machine: what it writes reads back, whenever and however it ends."""

import ast
import gzip
import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import compactlab
from compactlab import recorder

SCRIPT = Path(recorder.__file__)
NO_PAGETYPEINFO = ("--pagetypeinfo-every", "0")

pytestmark = pytest.mark.skipif(
    not Path("/proc/buddyinfo").exists(), reason="the recorder runs on Linux only"
)


def start(*arguments: object, **keywords) -> subprocess.Popen:
    """The recorder as a server runs it: the file alone, an isolated interpreter.

    A shell's background jobs ignore interrupts, and so would what they start.
    """
    command = [sys.executable, "-I", "-S", SCRIPT, *map(str, arguments)]
    keywords.setdefault("preexec_fn", lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **keywords)


def finish(process: subprocess.Popen) -> str:
    """What it said; it must have ended by itself."""
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 0, said
    return said


def text_of(path: Path) -> str:
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode()


@pytest.mark.parametrize("name", ["now.txt", "now.txt.gz"])
def test_record__reads_back(tmp_path, name):
    said = finish(start("-o", tmp_path / name, "--interval", "0.05", "--duration", "1"))
    run = compactlab.read(tmp_path / name)
    n = run["zones"].sizes["time"]
    assert 5 <= n <= 21
    assert f"{n} ticks, {(tmp_path / name).stat().st_size} bytes" in said
    assert run["zoneinfo"].sizes["time"] == run["counters"].sizes["time"] == n
    assert run.attrs["clock"] == "wall"
    assert run.attrs["kernel"] == os.uname().release
    assert run.attrs["page_size"] == os.sysconf("SC_PAGE_SIZE")
    assert abs(run["zones"]["time"].values[-1].astype(int) - time.time_ns()) < 60e9
    live = {line.split()[3] for line in Path("/proc/buddyinfo").read_text().splitlines()}
    assert set(run["zones"]["zone_name"].values) == live


def test_record__header_is_exactly_as_specified(tmp_path):
    finish(start("-o", tmp_path / "now.txt", "--interval", "0.5", "--duration", "0"))
    lines = text_of(tmp_path / "now.txt").splitlines()
    assert lines[0].startswith("@@ ")
    assert lines[0].endswith(" header")
    assert lines[1] == "format compactlab 1"
    assert [line.split()[0] for line in lines[2:7]] == [
        "realtime_ns",
        "kernel",
        "machine",
        "page_size",
        "interval_s",
    ]
    assert lines[6] == "interval_s 0.5"
    assert lines[7].endswith(" buddyinfo")


def test_record__pagetypeinfo_and_indices_as_root(tmp_path):
    try:
        Path("/proc/pagetypeinfo").read_bytes()
    except PermissionError:
        pytest.skip("pagetypeinfo can be read by root only")
    finish(
        start(
            "-o", tmp_path / "now.txt", "--interval", "0.02", "--duration", "0.2", "--pagetypeinfo-every", "4"
        )
    )
    run = compactlab.read(tmp_path / "now.txt")
    assert 1 <= run["migratetypes"].sizes["time"] <= 3
    if Path(recorder.EXTFRAG).exists():
        assert run["extfrag"].sizes["time"] == run["zones"].sizes["time"]


def test_record__keeps_to_the_grid(tmp_path):
    recorder.record(tmp_path / "now.txt", 0.1, 1.5, pagetypeinfo_every=0)
    elapsed = compactlab.read(tmp_path / "now.txt")["zones"]["elapsed"].values / 1e9
    off = (elapsed - elapsed[0]) / 0.1
    assert np.abs(off - np.rint(off)).mean() < 0.3  # with drift the average would be anywhere up to a half
    assert elapsed[-1] - elapsed[0] == pytest.approx(1.5, abs=0.15)


@pytest.mark.parametrize("name", ["killed.txt", "killed.txt.gz"])
def test_record__killed_at_random_moments_reads_back(tmp_path, name):
    random_ = random.Random(name)
    for _ in range(6):
        path = tmp_path / name
        process = start("-o", path, "--interval", "0.001", "--overwrite", *NO_PAGETYPEINFO)
        while not (path.exists() and path.stat().st_size > 1000):
            time.sleep(0.005)
        time.sleep(random_.uniform(0, 0.3))
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", compactlab.ReadWarning)  # a cut last record may be there
            run = compactlab.read(path)
        assert run["zones"].sizes["time"] >= 1
        assert run["zones"].sizes["time"] - run["counters"].sizes["time"] in (0, 1)
        path.unlink()


def test_record__cut_anywhere_after_the_first_tick_reads_back(tmp_path):
    recorder.record(tmp_path / "whole.txt", 0.01, 0.1, pagetypeinfo_every=0)
    data = (tmp_path / "whole.txt").read_bytes()
    second = [i for i in range(len(data)) if data.startswith(b" buddyinfo\n", i)][1]
    for cut in random.Random(1).sample(range(second, len(data)), 20):
        (tmp_path / "cut.txt").write_bytes(data[:cut])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", compactlab.ReadWarning)
            assert compactlab.read(tmp_path / "cut.txt")["zones"].sizes["time"] >= 1, cut


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_record__interrupted_ends_cleanly(tmp_path, stop):
    path = tmp_path / "now.txt.gz"
    process = start("-o", path, "--interval", "0.05")
    while not (path.exists() and path.stat().st_size):
        time.sleep(0.01)
    time.sleep(0.2)
    process.send_signal(stop)
    assert "ticks" in finish(process).splitlines()[-1]
    assert text_of(path).endswith("\n")  # the gzip has its end mark
    assert compactlab.read(path)["zones"].sizes["time"] >= 1


def test_record__to_standard_output():
    process = start("-o", "-", "--interval", "0.01", "--duration", "0.03", stdout=subprocess.PIPE)
    out = process.stdout.read()
    finish(process)
    assert compactlab.read(out)["zones"].sizes["time"] >= 1


def test_record__existing_file_is_kept(tmp_path):
    path = tmp_path / "now.txt"
    path.write_text("precious")
    process = start("-o", path, "--duration", "0")
    assert "now.txt exists; --append goes on at its end, --overwrite replaces it" in process.communicate()[1]
    assert process.returncode == 1
    assert path.read_text() == "precious"
    recorder.record(path, duration=0, overwrite=True)
    assert compactlab.read(path)["zones"].sizes["time"] == 1


@pytest.mark.parametrize("name", ["now.txt", "now.txt.gz"])
def test_record__append_goes_on(tmp_path, name):
    path = tmp_path / name
    recorder.record(path, 0.01, 0.02, pagetypeinfo_every=0, append=True)  # nothing there yet
    first = compactlab.read(path)["zones"].sizes["time"]
    recorder.record(path, 0.01, 0.02, pagetypeinfo_every=0, append=True)
    run = compactlab.read(path)
    assert run["zones"].sizes["time"] > first
    assert (np.diff(run["zones"]["elapsed"].values) > 0).all()


def test_record__append_takes_off_a_cut_record(tmp_path, capsys):
    path = tmp_path / "now.txt"
    recorder.record(path, 0.01, 0.02, pagetypeinfo_every=0)
    whole = compactlab.read(path)["zones"].sizes["time"]
    path.write_bytes(path.read_bytes()[:-7])
    recorder.record(path, 0.01, 0, pagetypeinfo_every=0, append=True)
    assert "took off its last record" in capsys.readouterr().err
    assert compactlab.read(path)["zones"].sizes["time"] == whole + 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("other.txt", b"a log of something else\n", "its last record is none of this recorder"),
        ("boot.txt", b"@@ 1 header\n@@ 999999999999999999999 buddyinfo\nx\n", "recorded before this boot"),
        ("cut.gz", gzip.compress(b"@@ 1 header\n" * 99)[:-9], "its end is cut off.*record to a new file"),
    ],
)
def test_record__append_refuses(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        recorder.record(tmp_path / name, duration=0, append=True)
    assert (tmp_path / name).read_bytes() == content


def test_record__full_disk_ends_with_a_reason_and_reads_back(tmp_path):
    def small_disk() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    path = tmp_path / "now.txt"
    process = start("-o", path, "--interval", "0.01", *NO_PAGETYPEINFO, preexec_fn=small_disk)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert re.search(
        r"now\.txt: File too large after \d+ ticks; what was recorded until then can be read", said
    )
    with pytest.warns(compactlab.ReadWarning):
        assert compactlab.read(path)["zones"].sizes["time"] >= 2


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"interval": 0}, "interval: 0, expected seconds above 0"),
        ({"interval": float("nan")}, "interval: nan"),
        ({"duration": -1}, "duration: -1, expected seconds"),
        ({"duration": float("inf")}, "duration: inf"),
    ],
)
def test_record__impossible_times(tmp_path, keywords, message):
    with pytest.raises(ValueError, match=message):
        recorder.record(tmp_path / "now.txt", **keywords)
    assert not list(tmp_path.iterdir())


def test_record__names_what_it_cannot_read_once(tmp_path):
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root, to stop being it")
    tmp_path.chmod(0o777)
    for folder in tmp_path.parents[:2]:
        folder.chmod(0o755)
    script = shutil.copy(SCRIPT, tmp_path)
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-I", script]
    command += ["-o", tmp_path / "now.txt", "--interval", "0.01", "--duration", "0.1"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stderr.count("not recorded: /proc/pagetypeinfo: Permission denied (needs root)") == 1
    assert set(compactlab.read(tmp_path / "now.txt").children) == {"zones", "zoneinfo", "counters"}


def test_record__stores_no_names(tmp_path):
    finish(start("-o", tmp_path / "now.txt", "--interval", "0.02", "--duration", "0.1"))
    text = text_of(tmp_path / "now.txt")
    assert "now.txt" not in text
    assert "python" not in text
    if len(socket.gethostname()) > 3:  # a shorter one occurs in the kernel's own words
        assert socket.gethostname() not in text


def test_recorder__is_python_3_8_and_standard_library_only():
    tree = ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 8))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names
