"""Docstrings read as they were meant: wrapping lines anew tears no summary, list or tree."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import popnas

_SOURCE = Path(popnas.__file__).parent
_FILES = sorted(_SOURCE.rglob("*.py"))
_SECTION = re.compile(r"^(?:Attributes|Args|Raises):$")


def _docstrings(path: Path) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield f"{path.relative_to(_SOURCE)}: {getattr(node, 'name', 'module')}", text


def _faults(text: str) -> Iterator[str]:
    """What is torn in a docstring, in words."""
    summary = text.split("\n\n")[0]
    if summary.count("(") != summary.count(")") or summary.count("[") != summary.count("]"):
        yield f"the summary ends inside a bracket: {summary[-40:]!r}"
    if re.search(r"\b(?:et al|e\.g|i\.e)\.$", summary):
        yield f"the summary ends in an abbreviation: {summary[-40:]!r}"
    if re.search(r"\S[.;] - [`\w]", text):
        yield "a list runs on in a line"
    if re.search(r"[^\s│├└─].*[├└]──", text):
        yield "a tree is torn"
    yield from _torn_sections(text.splitlines())


def _torn_sections(lines: list[str]) -> Iterator[str]:
    is_inside = False
    for line in lines:
        if _SECTION.match(line):
            is_inside = True
        elif not line.strip():
            is_inside = False
        elif is_inside and not re.match(r"    \S[^:]*: \S|        ", line):
            yield f"a line of a section is neither an entry nor indented under one: {line.strip()!r}"


def test_no_docstring_is_torn() -> None:
    found = [
        f"{where}: {fault}" for path in _FILES for where, text in _docstrings(path) for fault in _faults(text)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "torn",
    [
        "A thing (Wu et al.\n\n2021): more of it.",
        "A thing by Wu et al.\n\n2021, more of it.",
        "Files.\n\n- `a.csv`: one. - `b.csv`: two.",
        "Errors.\n\nBase  of all ├── Child   the rest",
        "Does.\n\nRaises:\n    DataError: one\n    reason.",
    ],
)
def test_the_check_sees_what_is_torn(torn: str) -> None:
    assert list(_faults(torn))


@pytest.mark.parametrize(
    "sound",
    [
        "One line.",
        "Reads (a, b).\n\nArgs:\n    a: text that\n        goes on.\n\nRaises:\n    DataError: no.",
        "Tree.\n\nBase        all\n├── Child   one\n│   └── Leaf  two",
    ],
)
def test_the_check_passes_what_is_sound(sound: str) -> None:
    assert not list(_faults(sound))


def test_documents_that_the_code_cites_exist() -> None:
    root = Path(__file__).parents[2]
    cited = {
        name for path in _FILES for name in re.findall(r"docs/[\w/.-]+\.md", path.read_text(encoding="utf-8"))
    }
    assert {"docs/search.md", "docs/networks.md"} <= cited
    assert not [name for name in cited if not (root / name).is_file()]
    assert not [
        f"{path.name}: {name}"
        for path in _FILES
        for name in re.findall(r"\b[A-Z_]{4,}\.md\b", path.read_text(encoding="utf-8"))
        if not (root / name).is_file() and name != "README.md"
    ]
