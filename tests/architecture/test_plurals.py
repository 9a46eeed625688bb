"""What may be one is not told as "1 networks"."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "popnas"
NOUN = re.compile(r"^ (?:networks|models|epochs|candidates|cells|lines|trainings|images|steps|seeds|runs)\b")
COUNT = re.compile(r"^(?:len\(.*\)|(?:.*\.)?(?:num_\w+|count)|.*\['num_\w+'\])$")


def plurals(tree: ast.AST) -> list[tuple[int, str]]:
    """Counts before a plural in texts, but where one of them has a text of its own."""
    apart = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.IfExp | ast.If) and re.search(r"[=><] ?[12]\b", ast.unparse(node.test))
        for inner in ast.walk(node)
    }
    found = []
    for text in ast.walk(tree):
        if not isinstance(text, ast.JoinedStr) or id(text) in apart:
            continue
        for count, after in zip(text.values, text.values[1:], strict=False):
            if isinstance(count, ast.FormattedValue) and isinstance(after, ast.Constant):
                value = ast.unparse(count.value)
                if COUNT.match(value) and NOUN.match(str(after.value)):
                    found.append((text.lineno, value + str(after.value)[:20]))
    return found


FILES = sorted(SOURCE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_counts_are_told_in_their_number(path):
    assert plurals(ast.parse(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ('f"{num_networks} networks"', True),
        ('f"of {len(parents):,} cells"', True),
        ('f"{counted(num_networks, 1)}"', False),
        ('"1 cell" if num_cells == 1 else f"{num_cells} cells"', False),
    ],
)
def test_what_counts_as_a_plural(text, is_found):
    assert bool(plurals(ast.parse(text))) == is_found
