"""Modules that are made from plans and specifications, which have no place in the file: their class is
written with its own methods, but takes its finished parts."""

from __future__ import annotations

import ast
from typing import Any

from torch import nn

from popnas.errors import ExportError
from popnas.export.source.definitions import source_of

_CONTAINERS = (nn.ModuleList, nn.ModuleDict, nn.Sequential)


def parts(module: nn.Module) -> dict[str, Any]:
    """What the methods of a module read of it, by name: its layers and its plain values. The members of a
    list of modules are not among them.

    Raises:
        ExportError: it owns weights itself; only the layers below it may.
    """
    if any(True for _ in module.parameters(recurse=False)) or any(
        True for _ in module.buffers(recurse=False)
    ):
        raise ExportError(
            f"the layer {type(module).__name__} cannot be written as source: it owns weights and is made "
            "with arguments that are neither numbers, texts nor other layers"
        )
    read = _names_read(type(module))
    values = {} if isinstance(module, _CONTAINERS) else dict(module.named_children())
    values |= {
        name: value for name, value in vars(module).items() if name in read and not name.startswith("_")
    }
    return {name: value for name, value in values.items() if name in read or isinstance(value, nn.Module)}


def class_text(module: nn.Module, constructor: list[str], name: str | None = None) -> str:
    """The class of a module with another constructor, and under another name if one is given."""
    cls: Any = type(module)  # mypy takes no module's class to be hashable
    lines = source_of(cls).splitlines()
    tree = ast.parse("\n".join(lines)).body[0]
    assert isinstance(tree, ast.ClassDef)
    initial = next(
        item for item in tree.body if isinstance(item, ast.FunctionDef) and item.name == "__init__"
    )
    inherited = "nn.Module" if name else ", ".join(ast.unparse(item) for item in tree.bases)
    body_start = tree.body[0].lineno - 1
    before, after = lines[body_start : initial.lineno - 1], lines[initial.end_lineno :]
    return "\n".join([f"class {name or tree.name}({inherited}):", *before, *constructor, *after])


def taking_parts(module: nn.Module) -> list[str]:
    """A constructor that takes the `parts` of the module."""
    found = parts(module)
    is_list = isinstance(module, _CONTAINERS)
    if is_list and not found:
        return []
    taken = [
        *(["modules: list[nn.Module]"] if is_list else []),
        *(_declared(*item) for item in found.items()),
    ]
    return [
        f"    def __init__(self, {', '.join(taken)}) -> None:",
        f"        super().__init__({'modules' if is_list else ''})",
        *(f"        self.{name} = {name}" for name in found),
    ]


def _declared(name: str, value: Any) -> str:
    if value is None or isinstance(value, nn.Module):
        return f"{name}: nn.Module | None" if value is None else f"{name}: nn.Module"
    return f"{name}: {type(value).__name__}"


def _names_read(cls: type) -> set[str]:
    """The names after `self.` in the methods of a class, its constructor left out."""
    tree = ast.parse(source_of(cls)).body[0]
    assert isinstance(tree, ast.ClassDef)
    methods = [item for item in tree.body if isinstance(item, ast.FunctionDef) and item.name != "__init__"]
    return {
        node.attr
        for method in methods
        for node in ast.walk(method)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    }
