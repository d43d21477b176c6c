"""The command line as a user meets it: a process of its own."""

import re
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import nbformat
import pytest
from nbformat.sign import NotebookNotary

import compactlab
from compactlab import cli, datasets

ROOT = Path(__file__).parents[1]


def run(*arguments: object, cwd: Path | None = None, typed: str | None = None) -> subprocess.CompletedProcess:
    command = [
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from compactlab.cli import main; sys.exit(main())",
    ]
    return subprocess.run(
        [*command, *map(str, arguments)], check=False, capture_output=True, text=True, cwd=cwd, input=typed
    )


def test_help__names_every_command():
    done = run("--help")
    assert done.returncode == 0
    assert all(
        re.search(rf"^    {name} ", done.stdout, re.M)
        for name in ("lab", "read", "record", "render", "simulate", "list")
    )


def test_list__is_the_table():
    assert run("list").stdout == f"{datasets.list()!r}\n"


def test_read__says_what_is_there_and_the_verdict():
    done = run("read", "manual-compaction")
    assert done.returncode == 0, done.stderr
    assert "zones 0/DMA, 0/DMA32, 0/Normal; not recorded: allocations" in done.stdout
    assert "zones         1114 time, 3 zone, 11 order, over 55.9 s" in done.stdout
    verdict = compactlab.verdict(datasets.load("manual-compaction"), order=9)
    for sentence in verdict["text"].values[-1]:
        assert f"\n  {sentence}\n" in done.stdout


def test_read__order_is_asked_for():
    run_ = datasets.load("healthy")
    done = run("read", "healthy", "--order", "4")
    assert "A request of order 4" in done.stdout
    assert str(compactlab.verdict(run_, order=4)["text"].values[-1][-1]) in done.stdout


def test_read__files_folders_and_saved_runs_are_the_same(tmp_path):
    by_name = run("read", "healthy").stdout
    folder = datasets.path("healthy")
    assert run("read", folder).stdout == by_name
    for ending in ("nc", "zarr"):
        compactlab.save(datasets.load("healthy"), tmp_path / f"run.{ending}")
        assert run("read", tmp_path / f"run.{ending}").stdout == by_name
    several = run("read", *sorted(datasets.path("manual-compaction").glob("*.gz")))
    assert several.returncode == 0, several.stderr
    assert "not recorded: phases, allocations" in several.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("read", "nowhere.txt"), 1, r"^read: nowhere\.txt: no such file or folder$"),
        (("read", "helthy"), 1, r"^read: no shipped recording is called 'helthy'; did you mean healthy\?$"),
        (
            ("read", "healthy", "--order", "99"),
            1,
            r"^read: order: found 99; expected a whole number, 0 to 30$",
        ),
        (("read", "healthy", "--ordr", "9"), 2, "unknown argument '--ordr'"),
        (("read",), 2, "the following arguments are required: RUN"),
        (("paint",), 2, "invalid choice: 'paint'"),
        ((), 2, "the following arguments are required: COMMAND"),
        (("record", "-o", "x", "--interval", "0"), 1, "^record: interval: 0.0, expected seconds above 0"),
    ],
)
def test_errors__are_one_line_and_no_traceback(tmp_path, arguments, status, message):
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == status
    assert done.stdout == ""
    said = [line for line in done.stderr.splitlines() if not line.startswith(("usage:", " "))]
    assert len(said) == 1
    assert re.search(message, said[0])


def test_read__a_log_of_something_else(tmp_path):
    (tmp_path / "app.log").write_text("2026-01-01 INFO started\n2026-01-01 INFO stopped\n")
    done = run("read", tmp_path / "app.log")
    assert done.returncode == 1
    assert "app.log" in done.stderr
    assert "Traceback" not in done.stderr


def test_read__a_paste():
    pasted = "Node 0, zone   Normal      4      0      1 \n"
    done = run("read", "-", typed=pasted)
    assert done.returncode == 0, done.stderr
    assert "zones 0/Normal" in done.stdout


def test_read__skip_leaves_out_what_cannot_be_read(tmp_path):
    file = tmp_path / "loop.txt"
    row = "Node 0, zone   Normal      4      0      1 \n"
    file.write_text(f"1700000000\n{row}1700000000\n{row}1700000002\n{row}")
    refused = run("read", file)
    assert refused.returncode == 1
    assert "--skip" in refused.stderr
    done = run("read", "--skip", file)
    assert done.returncode == 0, done.stderr
    assert "2 time" in done.stdout
    assert "problem:" in done.stdout


def test_record__then_read(tmp_path):
    done = run("record", "-o", tmp_path / "now.txt.gz", "--interval", "0.05", "--duration", "0.2")
    assert done.returncode == 0, done.stderr
    assert "zones 0/" in run("read", tmp_path / "now.txt.gz").stdout


def test_render__writes_the_page(tmp_path):
    done = run("render", "healthy", "-o", tmp_path / "report.html")
    assert done.returncode == 0, done.stderr
    assert "report.html" in done.stdout
    assert "</html>" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_notebooks__are_copied_once_and_never_overwritten(tmp_path, monkeypatch):
    shipped = tmp_path / "_notebooks"
    shipped.mkdir()
    (shipped / "01_first.ipynb").write_text("shipped")
    (shipped / "02_second.ipynb").write_text("shipped")
    monkeypatch.setattr(cli, "_NOTEBOOKS_IN_WHEEL", shipped)
    monkeypatch.chdir(tmp_path)
    folder = cli._notebooks()
    assert folder == tmp_path / "compactlab-notebooks"
    (folder / "01_first.ipynb").write_text("mine")
    (folder / "02_second.ipynb").unlink()
    cli._notebooks()
    assert {file.name: file.read_text() for file in folder.iterdir()} == {
        "01_first.ipynb": "mine",
        "02_second.ipynb": "shipped",
    }


def test_lab__trusts_what_is_shipped_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    cli._trust_shipped()
    notary = NotebookNotary()
    for file in (ROOT / "notebooks").glob("*.ipynb"):
        notebook = nbformat.read(file, as_version=4)
        assert notary.check_signature(notebook)
        notebook.cells[0].source += " changed"
        assert not notary.check_signature(notebook)
    notary.store.close()


def test_lab__printed_address_opens_the_first_notebook(tmp_path):
    first = min((ROOT / "notebooks").glob("*.ipynb")).name
    command = [sys.executable, "-m", "compactlab", "lab", "--no-browser", "--ServerApp.port=0"]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "JUPYTER_PLATFORM_DIRS": "1"}
    lab = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        address, said = None, []
        for line in lab.stdout:
            said.append(line)
            if address := re.search(rf"http://127\.0\.0\.1:\d+/lab/tree/{re.escape(first)}\?token=\w+", line):
                break
        assert address, "".join(said)
        time.sleep(0.5)
        with urlopen(address[0], timeout=30) as page:  # noqa: S310
            assert page.status == 200
            assert "JupyterLab" in page.read().decode()
    finally:
        lab.terminate()
        lab.wait(30)
        lab.stdout.close()


def test_simulate__writes_a_run_that_can_be_read(tmp_path):
    done = run(
        *("simulate", "--zone", "64 MiB", "--start", "scattered", "--workload", "huge_faults", "faults=8"),
        *("--set", "min_free_kbytes=400", "watermark_scale_factor=20", "--seed", "4", "-o", "out.nc"),
        cwd=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "compactions (direct)" in done.stdout
    made = compactlab.open(tmp_path / "out.nc")
    zone = made.attrs["config"]["zones"][0]
    assert (zone["pages"], zone["sysctls"]["min_free_kbytes"]) == (16384, 400)
    assert made["allocations"].sizes["allocation"] == 8
    assert made.attrs["seed"] == 4
    assert "zones" in run("read", "out.nc", cwd=tmp_path).stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--workload", "huge_fault"], "The nearest is 'huge_faults'"),
        (["--workload", "huge_faults", "fault=3"], "The nearest is 'faults'"),
        (["--workload", "huge_faults", "faults=some"], "expected a whole number"),
        (["--workload", "punch", "movable=maybe"], "expected true or false"),
        (["--workload", "punch", "fill=full"], "expected a number"),
        (["--set", "compaction_proactiveness=101"], "expected 0 to 100"),
        (["--set", "proactive"], "expected NAME=VALUE"),
        (["--trigger", "manuel"], "The nearest is 'manual'"),
        (["--zone", "big"], "expected bytes, or text"),
    ],
)
def test_simulate__refuses_in_one_line(tmp_path, options, words):
    done = run("simulate", *options, cwd=tmp_path)
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
