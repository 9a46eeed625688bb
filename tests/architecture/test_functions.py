"""How long functions are, how much they ask for, how full folders are; one meaning per class name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "popnas"


def functions(folder: Path) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path.relative_to(SOURCE)}:{node.lineno} {node.name}", node


def num_parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Without the object that a method is called on."""
    given = function.args
    names = [argument.arg for argument in [*given.posonlyargs, *given.args, *given.kwonlyargs]]
    return len([name for name in names if name not in ("self", "cls")])


def num_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Signature and all, but for the docstring."""
    whole = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is None:
        return whole
    return whole - ((first.end_lineno or first.lineno) - first.lineno + 1)


def test_no_function_is_longer_than_a_page():
    long = {name: n for name, function in functions(SOURCE) if (n := num_lines(function)) > 50}
    assert long == {}


def test_no_function_asks_for_more_than_seven_things():
    many = {
        name.partition(":")[0] + name.partition(" ")[2]
        for name, function in functions(SOURCE)
        if num_parameters(function) > 7
    }
    # scikit-learn copies an estimator by the parameters of its constructor, which has to name each.
    assert many == {"api/classifier.py__init__"}


def test_a_class_name_means_one_thing():
    places: dict[str, list[str]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(str(path.relative_to(SOURCE)))
    assert len(places) > 200
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_no_folder_holds_more_files_than_one_takes_in():
    counts = {
        str(folder.relative_to(SOURCE.parent)): len([*folder.glob("[!_]*.py"), *folder.glob("_[!_]*.py")])
        for folder in [SOURCE, *SOURCE.rglob("*/")]
        if (folder / "__init__.py").is_file()
    }
    assert len(counts) > 20
    assert {name: count for name, count in counts.items() if count > 15} == {}
