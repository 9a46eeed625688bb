"""What is loaded when: the page and the command line must open fast and never touch torch."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import grimp
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
    "module",
    ["cells.bulk", "config", "pareto", "strategy", "runs", "report", "executors", "evaluators.training"],
)
def test_rooms_that_never_reach_torch(module):
    assert "torch" not in loaded_after(f"import popnas.{module}")


def test_every_package_says_what_lives_there():
    packages = sorted((ROOT / "src" / "popnas").rglob("__init__.py"))
    assert len(packages) > 15
    for path in packages:
        text = path.read_text()
        assert text.startswith('"""'), f"{path} has no docstring"


TREE = (ROOT / "docs" / "tour.md").read_text().split("```\nsrc/popnas/")[1].split("```")[0]


def rooms_in(folder):
    return {path.parent.name for path in folder.glob("*/__init__.py")}


def test_the_tree_of_the_tour_matches_the_folders():
    source = ROOT / "src" / "popnas"
    assert set(re.findall(r"^  ([a-z_]+)/", TREE, flags=re.MULTILINE)) == rooms_in(source)
    modules = {path.name for path in source.glob("*.py")} - {"__init__.py", "__main__.py"}
    assert set(re.findall(r"\b[a-z_]+\.py\b", TREE.partition("\ntests/")[0])) == modules
    parts = re.split(r"^  ([a-z_]+)/", TREE, flags=re.MULTILINE)[1:]
    inner = {
        room: set(re.findall(r"^    ([a-z_]+)/", text, flags=re.MULTILINE))
        for room, text in zip(parts[::2], parts[1::2], strict=True)
    }
    assert {room for room, named in inner.items() if named} >= {"cli", "workflows"}
    for room, named in inner.items():
        assert named in (set(), rooms_in(source / room)), room


def test_the_tree_of_the_tour_names_every_command_in_its_room():
    from popnas.cli.main import COMMANDS

    tree = TREE.partition("\n  cli/")[2].partition("\n  server/")[0]
    rooms = dict(re.findall(r"^    ([a-z]+)/ +(.*)", tree, flags=re.MULTILINE))
    for name, (module, _) in COMMANDS.items():
        assert re.search(rf"\b{name}\b", rooms[module.partition(".")[0]]), name


def test_the_tree_of_the_tour_names_what_lies_beside_the_source():
    tests = TREE.partition("\ntests/")[2].partition("\nbenchmarks/")[0]
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/*") if "__pycache__" not in path.parts}
    assert set(re.findall(r"\b([a-z]+)/", tests)) == folders
    beside = re.findall(r"^([\w./]+?)/? *,? ", TREE.partition("\ntests/")[2], flags=re.MULTILINE)
    assert {"benchmarks", "configs", "docs", "examples", "release", "Dockerfile"} <= set(beside)
    assert [name for name in beside if not (ROOT / name).exists()] == []


def test_no_room_is_named_after_nothing():
    forbidden = {"utils", "common", "helpers", "misc", "manager", "handler"}
    names = {path.stem for path in (ROOT / "src" / "popnas").rglob("*.py")}
    assert names & forbidden == set()


def test_no_modules_import_one_another_in_a_circle():
    """What only type checkers import counts, too: it has to be read all the same."""
    graph = grimp.build_graph("popnas", cache_dir=None)
    # The package itself names everything, lazily.
    left = {
        module: graph.find_modules_directly_imported_by(module) - {"popnas"}
        for module in graph.modules
        if module != "popnas"
    }
    # `RunConfig.warnings` asks the rules, which are about a RunConfig: the one import that closes a circle.
    left["popnas.config.run_config"] -= {"popnas.config.rules"}
    while done := {module for module, imported in left.items() if not imported & left.keys()}:
        left = {module: imported for module, imported in left.items() if module not in done}
    # Who imports a circle is left over, too.
    while outer := {module for module in left if not any(module in imported for imported in left.values())}:
        left = {module: imported for module, imported in left.items() if module not in outer}
    assert set(left) == set()


@pytest.mark.parametrize(
    "family",
    [
        "operators",
        "tasks",
        "evaluators",
        "executors",
        "trackers",
        "report.figures",
        "report.sections",
        "report.pages",
    ],
)
def test_parts_of_a_family_do_not_know_one_another(family):
    """What they share stands in modules whose names begin with an underscore."""
    graph = grimp.build_graph("popnas", cache_dir=None)
    parts = {
        name
        for name in graph.find_children(f"popnas.{family}")
        if not name.rpartition(".")[2].startswith("_")
    }
    known = {part: graph.find_modules_directly_imported_by(part) & parts for part in parts}
    assert {part: names for part, names in known.items() if names} == {}


@pytest.mark.parametrize(
    "path",
    sorted([*ROOT.glob("benchmarks/*.py"), *ROOT.glob("examples/*.py")]),
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_what_benchmarks_and_examples_import_is_there(path):
    """They run rarely: what they take from popnas may have moved meanwhile."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "popnas":
            module = importlib.import_module(node.module)
            for alias in node.names:
                assert hasattr(module, alias.name) or importlib.import_module(f"{node.module}.{alias.name}")


def test_one_place_writes_tables():
    """`storage.write_table` keeps formulas from spreadsheets, and control characters from terminals."""
    sources = (ROOT / "src" / "popnas").rglob("*.py")
    assert [path.name for path in sources if "csv.writer" in path.read_text()] == ["storage.py"]
