"""How much of the code reads fields out of objects of which nothing is declared."""

import ast
import re
from collections import Counter
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "popnas"
UNTYPED = re.compile(r"\b(?:dict|Dict|Mapping|MutableMapping)\[str, (?:Any|object)\]")
MOST = 39


def aliases(text: str) -> list[str]:
    """Names that a module gives to types in which nothing is declared."""
    found = []
    for node in ast.parse(text).body:
        value = getattr(node, "value", None)
        if isinstance(node, ast.Assign | ast.AnnAssign) and UNTYPED.search(ast.unparse(value or node)):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            is_a_type = isinstance(value, ast.Subscript | ast.BinOp | ast.Constant)
            if is_a_type and isinstance(target, ast.Name):
                found.append(target.id)
    return found


def occurrences() -> Counter[str]:
    texts = {str(path.relative_to(SOURCE)): path.read_text() for path in sorted(SOURCE.rglob("*.py"))}
    names = [name for text in texts.values() for name in aliases(text)]
    other_name = re.compile(rf"(?<![\w\"'`])(?:{'|'.join(names)})(?![\w\"'`])") if names else None
    found = Counter({name: len(UNTYPED.findall(text)) for name, text in texts.items()})
    for name, text in texts.items():
        found[name] += len(other_name.findall(text)) if other_name else 0
    return +found


def test_few_objects_are_of_no_declared_form():
    """By whatever name: `dict`, `Mapping`, values that are `Any` or `object`, or an alias of these. JSON of
    which nothing is known yet is `records.Json`, whose values mypy lets nobody use unseen."""
    found = occurrences()
    assert found.total() <= MOST, found.most_common(20)


def test_json_has_no_any_in_it():
    text = (SOURCE / "records.py").read_text()
    declared = [line for line in text.splitlines() if re.match(r"(Json|JsonValue): TypeAlias", line)]
    assert len(declared) == 2 and not any("Any" in line or "object" in line for line in declared)
