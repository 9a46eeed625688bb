"""The source of classes and functions with everything that they use, in one piece.

Taken from our own files, so that what is written computes exactly what was trained.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import sys
import textwrap
from functools import cache
from types import FunctionType, ModuleType
from typing import Any

from popnas.errors import ExportError

_KEPT = ("torch", "typing", "collections", "math", "functools", "itertools", "abc", "dataclasses", "numpy")
"""Packages that the file may import itself; what comes from elsewhere is written out."""


class Definitions:
    """Gathers definitions; those that others need come first. `replaced` gives the text that is written in
    place of an object's own source; its names mean what they mean where the object stands."""

    def __init__(self, replaced: dict[Any, str]) -> None:
        self.imports: set[str] = set()
        self.constants: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        self._replaced = replaced
        self._objects: dict[str, Any] = {}

    def add(self, thing: Any) -> None:
        """A class or function, and all that its source names.

        Raises:
            ExportError: it has no source, or bears the name of another one that is needed too.
        """
        if thing.__module__.split(".")[0] in _KEPT:
            return
        name = thing.__name__
        if self._objects.setdefault(name, thing) is not thing:
            other = self._objects[name]
            raise ExportError(
                f"two parts of the network are called {name}, one in {thing.__module__}, one in "
                f"{other.__module__}: one file cannot hold both"
            )
        if name in self.texts or name in self._under_way:
            return
        self._under_way.add(name)
        text = self._replaced[thing] if thing in self._replaced else source_of(thing)
        self._add_names(text, vars(sys.modules[thing.__module__]), name)
        self.texts[name] = text

    @property
    def _under_way(self) -> set[str]:
        return self.__dict__.setdefault("_names_under_way", set())

    def _add_names(self, text: str, known: dict[str, Any], own: str) -> None:
        """What the names in a piece of source mean in the module that it stands in."""
        tree = ast.parse(text)
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - {own}
        for name in sorted(names):
            if name in known and not hasattr(builtins, name):
                self._add_name(name, known[name])

    def _add_name(self, name: str, value: Any) -> None:
        if isinstance(value, ModuleType):
            self.imports.add(_module_import(name, value.__name__))
        elif isinstance(value, type | FunctionType):
            if value.__module__.split(".")[0] in _KEPT:
                self.imports.add(f"from {_public_home(value)} import {_renamed(value.__name__, name)}")
                return
            self.add(value)
            if name != value.__name__:
                self.texts.setdefault(name, f"{name} = {value.__name__}")
        elif getattr(value, "__module__", None) in ("typing", "collections.abc"):
            self.imports.add(f"from {value.__module__} import {name}")
        else:
            self.constants[name] = _literal(name, value)


@cache
def source_of(thing: Any) -> str:
    """The source of a class or function, from the first column; raises ExportError."""
    try:
        return textwrap.dedent(inspect.getsource(thing)).rstrip()
    except (OSError, TypeError) as error:
        raise ExportError(f"the source of {thing.__module__}.{thing.__name__} cannot be read") from error


def _literal(name: str, value: Any) -> str:
    text = repr(value)
    try:
        is_same = ast.literal_eval(text) == value
    except (ValueError, SyntaxError):
        is_same = False
    if not is_same:
        raise ExportError(f"the value of {name} cannot be written as source: {text}")
    return text


def _module_import(name: str, module: str) -> str:
    parent, _, last = module.rpartition(".")
    if parent:
        return f"from {parent} import {_renamed(last, name)}"
    return f"import {_renamed(module, name)}"


def _renamed(original: str, name: str) -> str:
    return original if original == name else f"{original} as {name}"


def _public_home(value: Any) -> str:
    """`torch` for torch.Tensor, whatever file it is made in; else the module itself."""
    package = value.__module__.split(".")[0]
    is_public = getattr(sys.modules[package], value.__name__, None) is value
    return package if is_public else value.__module__
