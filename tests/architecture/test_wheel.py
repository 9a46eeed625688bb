"""The wheel, built from this checkout and used outside it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy, so that the checkout gets no build folders."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (source / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run(["cp", "-r", str(ROOT / "src"), str(source / "src")], check=True)
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)],
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_presets_and_licence_and_no_tests(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "popnas/config/presets/run.json" in names
    assert "popnas/py.typed" in names
    page = {"index.html", "main.js", "vendor/uPlot.iife.min.js", "vendor/uPlot-LICENSE.txt"}
    assert {f"popnas/server/page/{name}" for name in page} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith("tests")]


def test_the_wheel_works_outside_the_checkout(wheel, tmp_path):
    site = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)],
        check=True,
    )
    environment = {**os.environ, "PYTHONPATH": str(site)}
    program = "import popnas, popnas.cli.main; print(popnas.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(site) in found.stdout
    checked = subprocess.run(
        [sys.executable, "-m", "popnas", "config", "check", "-j", "run"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.slow
def test_a_users_mypy_sees_the_types(wheel, tmp_path):
    """`py.typed` is there and believed: a wrong use is a mistake, and what is returned has a type."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    used = tmp_path / "used.py"
    used.write_text("import popnas\n\ncell: popnas.Cell = popnas.Cell.parse(3)\nreveal_type(popnas.load)\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--follow-imports=silent", "--ignore-missing-imports", str(used)],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
    )
    assert 'incompatible type "int"; expected "str"' in done.stdout, done.stdout + done.stderr
    assert "LoadedModel" in done.stdout
