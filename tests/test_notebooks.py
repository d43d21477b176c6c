"""The committed notebooks: run top to bottom, true to what is committed, and fit to be handed on."""

from __future__ import annotations

import ast
import getpass
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import nbformat
import pytest
from nbconvert import HTMLExporter

ROOT = Path(__file__).parents[1]
REBUILD = ROOT / "notebooks" / "rebuild.py"
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))

pytestmark = pytest.mark.notebooks
of_every_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def rebuild(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, REBUILD, *arguments], capture_output=True, text=True)


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def test_notebooks__are_there_and_listed():
    assert len(PATHS) >= 3
    readme = (ROOT / "notebooks" / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"\((\S+\.ipynb)\)", readme) == [path.name for path in PATHS]


@of_every_notebook
def test_notebook__gives_its_committed_outputs_when_run(path, capsys):
    begin = time.monotonic()
    checked = rebuild("--check", path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    seconds = time.monotonic() - begin
    with capsys.disabled():
        print(f"\n  {path.name}: {seconds:.1f} s, {path.stat().st_size / 1e6:.2f} MB")


def test_rebuild__check_shows_a_changed_output_and_changes_nothing(tmp_path):
    committed = PATHS[1].read_text(encoding="utf-8")
    assert "[2, 3, 3]: 8 KB free" in committed
    changed = tmp_path / PATHS[1].name
    changed.write_text(committed.replace("[2, 3, 3]: 8 KB free", "[2, 3, 3]: 9 KB free"), encoding="utf-8")
    before = changed.read_bytes()
    checked = rebuild("--check", changed)
    assert checked.returncode == 1
    told = [line for line in checked.stdout.splitlines() if line[:1] in "+-" and "free, largest" in line]
    assert [line[0] for line in told] == ["-", "+"]
    assert "9 KB" in told[0]
    assert "8 KB" in told[1]
    assert changed.read_bytes() == before
    assert rebuild(changed).returncode == 0
    assert changed.read_text(encoding="utf-8") == committed


def test_rebuild__cells_tagged_timing_are_run_but_not_compared(tmp_path):
    notebook = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    )
    measured = nbformat.v4.new_code_cell("import time\ntime.perf_counter_ns()", metadata={"tags": ["timing"]})
    notebook.cells = [measured, nbformat.v4.new_code_cell("1 + 1")]
    for cell, name in zip(notebook.cells, ("measured", "sum"), strict=True):
        cell.id = name
    path = tmp_path / "timed.ipynb"
    path.write_text(nbformat.writes(notebook), encoding="utf-8")
    assert rebuild(path).returncode == 0
    once = nbformat.read(path, as_version=4).cells
    assert rebuild("--check", path).returncode == 0
    assert rebuild(path).returncode == 0
    again = nbformat.read(path, as_version=4).cells
    assert again[0].outputs != once[0].outputs
    assert again[1].outputs == once[1].outputs
    notebook.cells[0].source = "raise SystemExit(3)"
    path.write_text(nbformat.writes(notebook), encoding="utf-8")
    assert rebuild("--check", path).returncode == 1


@of_every_notebook
def test_notebook__has_plain_cells(path):
    cells = nbformat.read(path, as_version=4).cells
    assert len(cells) <= 25
    assert cells[0].cell_type == "markdown"
    assert "**The question:**" in cells[0].source
    for cell in code_cells(path):
        nodes = list(ast.walk(ast.parse(cell.source)))
        defined = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.Lambda | ast.ClassDef)]
        assert defined == [], cell.source
        assert max(map(len, cell.source.splitlines())) <= 120, cell.source


@of_every_notebook
def test_notebook__last_cell_checks_every_claim(path):
    last = nbformat.read(path, as_version=4).cells[-1]
    assert last.cell_type == "code"
    assert "assert " in last.source
    claims = next(
        node for node in ast.walk(ast.parse(last.source)) if isinstance(node, ast.Dict) and len(node.keys) > 5
    )
    printed = "".join(output.text for output in last.outputs).splitlines()
    assert printed == [f"✓ {key.value}" for key in claims.keys if isinstance(key, ast.Constant)]


@of_every_notebook
def test_notebook__is_executed_in_order_without_errors_or_warnings(path):
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert [output for output in outputs if output.output_type == "error"] == []
    assert [output for output in outputs if output.get("name") == "stderr"] == []


@of_every_notebook
def test_notebook__tells_nothing_of_the_machine_it_ran_on(path):
    outputs = json.dumps([cell.outputs for cell in code_cells(path)])
    shown = re.sub(r"[A-Za-z0-9+/=]{1000,}", "", outputs)  # pictures and packed pages
    private = [str(ROOT), str(Path.home()), sys.prefix, f"{getpass.getuser()}@"]
    if len(socket.gethostname()) > 3:  # a shorter one, such as "vm", stands in ordinary words
        private.append(socket.gethostname())
    for word in private:
        assert word not in shown
    assert not re.search(r"(?<![\w.<:/])/(home|root|tmp|Users|usr|opt|work)/", shown)


@of_every_notebook
def test_notebook__film_is_described_for_those_who_do_not_see_it(path):
    html, _ = HTMLExporter(template_name="classic").from_filename(str(path))
    films = re.findall(r"<img[^>]*data:image/png[^>]*>", html)
    assert films
    for film in films:
        assert re.search(r'alt="[^":]+: .*\d.* (snapshots|runs?|steps)', film[-300:] + film[:300])


@of_every_notebook
def test_notebook__is_small_and_carries_a_film_and_a_figure_but_no_widget(path):
    assert path.stat().st_size < 2_500_000
    notebook = nbformat.read(path, as_version=4)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    bundles = [output.data for cell in code_cells(path) for output in cell.outputs if "data" in output]
    assert any("image/png" in bundle for bundle in bundles)
    assert any("<iframe" in bundle.get("text/html", "") for bundle in bundles)
    assert not any("widget" in mime for bundle in bundles for mime in bundle)
    assert "model_id" not in path.read_text(encoding="utf-8")


def test_first_notebook__runs_elsewhere_with_the_package_as_a_wheel_lays_it_out(tmp_path):
    included = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    site = tmp_path / "site"
    shutil.copytree(ROOT / "compactlab", site / "compactlab", ignore=shutil.ignore_patterns("__pycache__"))
    for source, target in included["targets"]["wheel"]["force-include"].items():
        shutil.copytree(ROOT / source, site / target)
    copied = tmp_path / "elsewhere" / PATHS[0].name
    copied.parent.mkdir()
    shutil.copy(PATHS[0], copied)
    installed = {"env": {**os.environ, "PYTHONPATH": str(site)}, "cwd": tmp_path, "text": True}
    where = "import compactlab; print(compactlab.datasets.FOLDER)"
    told = subprocess.run([sys.executable, "-c", where], capture_output=True, **installed)
    assert told.stdout.strip() == str(site / "compactlab" / "_datasets"), told.stderr
    program = site / "compactlab" / "_notebooks" / "rebuild.py"
    checked = subprocess.run([sys.executable, program, "--check", copied], capture_output=True, **installed)
    assert checked.returncode == 0, checked.stdout + checked.stderr
