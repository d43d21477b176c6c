"""What loads when, which layer knows which, and that the three lists of requirements agree."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
HEAVY = {"xarray", "numba", "numpy", "pandas", "bokeh", "ipywidgets", "dask", "zarr", "h5py"}


def modules_after(program: str) -> set[str]:
    """Top-level modules that a new interpreter has loaded after a program."""
    program += "\nimport sys, json; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_import_compactlab__loads_nothing_heavy():
    assert not modules_after("import compactlab; dir(compactlab)") & HEAVY


def test_import_command_line__loads_nothing_heavy():
    assert (
        not modules_after("from compactlab.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass")
        & HEAVY
    )
    assert not modules_after("from compactlab.cli import main; main(['list'])") & HEAVY
    record = "main(['record', '-o', '-', '--duration', '0', '--pagetypeinfo-every', '0'])"
    assert not modules_after(f"from compactlab.cli import main; {record}; print()") & HEAVY


def test_read__loads_no_dashboard():
    loaded = modules_after("import compactlab as c; c.verdict(c.datasets.load('healthy'), order=9)")
    assert "xarray" in loaded
    assert not loaded & {"bokeh", "ipywidgets", "anywidget", "IPython"}


def test_public_names__all_exist():
    program = "import compactlab; [getattr(compactlab, name) for name in compactlab.__all__]"
    assert "bokeh" in modules_after(program)


def test_import_layers__are_kept():
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as lint; lint()"]
    done = subprocess.run([*command, "--no-cache"], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def requirements(texts: list[str]) -> dict[str, str]:
    parsed = [Requirement(text) for text in texts]
    return {canonicalize_name(requirement.name): str(requirement.specifier) for requirement in parsed}


def test_environment_yml__names_what_pyproject_does():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    expected = requirements(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["notebook"])
    found = requirements(environment["dependencies"])
    assert found.pop("pip") == ""
    assert found.pop("python") == PROJECT["requires-python"]
    assert found == expected
    assert environment["channels"] == ["conda-forge"]


def test_constraints__are_names_and_versions_that_fit():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+( ; [^/@]+)?", line) for line in lines)
    pinned: dict[str, list[str]] = {}
    for line in lines:
        requirement = Requirement(line)
        pinned.setdefault(canonicalize_name(requirement.name), []).append(str(requirement.specifier)[2:])
    extras = PROJECT["optional-dependencies"]
    for text in [*PROJECT["dependencies"], *extras["notebook"], *extras["dev"]]:
        requirement = Requirement(text)
        versions = pinned[canonicalize_name(requirement.name)]
        assert all(requirement.specifier.contains(version) for version in versions), text


def test_version__is_the_package_version():
    import compactlab

    assert compactlab.__version__ == PROJECT["version"]
