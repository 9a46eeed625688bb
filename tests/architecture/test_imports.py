"""What is loaded when: the page and the command line must open fast and never touch torch."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "sklearn", "moocore", "matplotlib", "onnx", "onnxruntime", "aeon", "pandas")


def loaded_after(statement: str) -> set[str]:
    """Which of the heavy packages a fresh interpreter holds after `statement`."""
    program = f"{statement}\nimport sys\nprint(' '.join(name for name in {HEAVY} if name in sys.modules))"
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    return set(output.split())


@pytest.mark.parametrize(
    "module", ["popnas", "popnas.cli.main", "popnas.cells", "popnas.config", "popnas.runs"]
)
def test_nothing_heavy_is_loaded_at_import(module):
    assert loaded_after(f"import {module}") == set()


@pytest.mark.parametrize(
    "module", ["cells.bulk", "config", "pareto", "strategy", "runs", "report", "executors"]
)
def test_rooms_that_never_reach_torch(module):
    assert "torch" not in loaded_after(f"import popnas.{module}")


def test_every_package_says_what_lives_there():
    packages = sorted((ROOT / "src" / "popnas").rglob("__init__.py"))
    assert len(packages) > 15
    for path in packages:
        text = path.read_text()
        assert text.startswith('"""'), f"{path} has no docstring"


def test_the_readme_tree_matches_the_folders():
    tree = (ROOT / "README.md").read_text().split("```\nsrc/popnas/")[1].split("```")[0]
    named = {match.rstrip("/") for match in re.findall(r"^  ([a-z_]+(?:/|\.py))", tree, flags=re.MULTILINE)}
    source = ROOT / "src" / "popnas"
    folders = {path.name for path in source.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    assert {name for name in named if not name.endswith(".py")} == folders


def test_no_room_is_named_after_nothing():
    forbidden = {"utils", "common", "helpers", "misc", "manager", "handler"}
    names = {path.stem for path in (ROOT / "src" / "popnas").rglob("*.py")}
    assert names & forbidden == set()
