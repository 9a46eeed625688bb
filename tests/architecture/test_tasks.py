"""What depends on the kind of work is declared by tasks: nobody else decides by a task's name."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import popnas
from popnas import tasks

SOURCE = Path(popnas.__file__).parent
DECLARING = (SOURCE / "tasks", SOURCE / "datasets" / "sources")
"""Tasks themselves; sources, which declare for which tasks they have data."""


def named(code: str) -> list[str]:
    """The tasks' names among the texts of a module, descriptions and messages aside."""
    texts = (node.value for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Constant))
    return [text for text in texts if text in tasks.REGISTRY.names()]


def test_names_are_found_where_something_is_decided_by_them():
    assert named('if config.dataset.type == "image_segmentation": pass') == ["image_segmentation"]
    assert named('DIMS = {"time_series_classification": 1}') == ["time_series_classification"]
    assert named('"""Such as image_classification."""') == []


@pytest.mark.parametrize("room", sorted(path.name for path in SOURCE.iterdir() if path.suffix in ("", ".py")))
def test_no_other_room_knows_a_tasks_name(room):
    files = [SOURCE / room] if room.endswith(".py") else sorted((SOURCE / room).rglob("*.py"))
    found = {
        str(path.relative_to(SOURCE)): names
        for path in files
        if not any(path.is_relative_to(folder) for folder in DECLARING)
        and (names := named(path.read_text(encoding="utf-8")))
    }
    assert found == {}


def test_tasks_declare_without_torch():
    code = "import sys; from popnas import tasks; tasks.REGISTRY.names(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
