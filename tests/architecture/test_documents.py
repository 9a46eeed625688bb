"""What documents say of the code is there: files that they name, and the places of the tour."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "popnas"
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Decisions and the log of experiments are dated: they say what was so then.
CURRENT = [path for path in DOCUMENTS if path.parent.name != "adr" and path.name != "log.md"]


@pytest.mark.parametrize("path", CURRENT, ids=lambda path: path.name)
def test_files_that_a_document_names_with_their_folder_are_there(path):
    named = set(re.findall(r"`((?:[\w.]+/)+[\w.]+\.py)`", path.read_text()))
    assert [
        name for name in sorted(named) if not any((base / name).is_file() for base in (ROOT, SOURCE))
    ] == []


def rows():
    table = (ROOT / "docs" / "tour.md").read_text().partition("## Where is it")[2].partition("\n## ")[0]
    for line in table.splitlines():
        if line.startswith("| ") and "`" in line:
            task, opens, place = (cell.strip() for cell in line.strip("|").split("|"))
            yield pytest.param(re.findall(r"`([\w/.]+\.py)`", opens), place.strip("`"), id=task)


@pytest.mark.parametrize(("opens", "place"), [*rows()])
def test_two_opens_lead_to_the_place(opens, place):
    assert 1 <= len(opens) <= 2
    last = (SOURCE / opens[-1]).read_text()
    assert re.search(rf"^\s*(class|def) {place}\b|^{place}\b", last, re.MULTILINE), place
    if len(opens) == 2 and opens[0].endswith("__init__.py"):
        # The room's docstring leads on: it names the file, its folder, or the kind of file that it is.
        docstring = (SOURCE / opens[0]).read_text().split('"""')[1]
        name = Path(opens[-1]).stem
        assert re.search(rf"(?i){name}|one file per|each other module|one file each", docstring), (
            name,
            docstring,
        )


def test_the_tour_answers_twelve_questions_at_least():
    assert len([*rows()]) >= 12
