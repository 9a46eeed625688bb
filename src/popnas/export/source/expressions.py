"""Calls that make modules, as source: which arguments a module was made with, and how they are written."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

from popnas.errors import ExportError
from popnas.export.source import rebuilt

WIDTH = 100


@dataclass(frozen=True)
class Call:
    """`function(arguments)`; an argument is (name or None, expression). With other brackets: a list."""

    function: str
    arguments: tuple[tuple[str | None, Expression], ...] = ()
    brackets: tuple[str, str] = ("(", ")")


Expression = str | Call


def render(expression: Expression, indent: int, taken: int = 0) -> str:
    """As source whose first line has `taken` columns before it; arguments one a line where one line is too
    short."""
    line = _on_one_line(expression)
    if isinstance(expression, str) or not expression.arguments or taken + len(line) <= WIDTH:
        return line
    inner = indent + 4
    lines = []
    for name, value in expression.arguments:
        start = " " * inner + (f"{name}=" if name else "")
        lines.append(f"{start}{render(value, inner, len(start) + 1)},")
    opening, closing = expression.brackets
    return "\n".join([f"{expression.function}{opening}", *lines, f"{' ' * indent}{closing}"])


def _on_one_line(expression: Expression) -> str:
    if isinstance(expression, str):
        return expression
    arguments = ((f"{name}=" if name else "") + _on_one_line(value) for name, value in expression.arguments)
    opening, closing = expression.brackets
    return f"{expression.function}{opening}{', '.join(arguments)}{closing}"


class _NoSourceError(ExportError):
    """A layer was made with something that has no source."""


class Records:
    """The arguments that modules were made with, while `watching` their classes.

    `write_own` writes a module that has a class of its own in the file, or returns None. `rebuilt`: an
    example of each class that was made with something without a source, so that the file's class takes its
    parts.
    """

    def __init__(self) -> None:
        self.write_own: Callable[[nn.Module], Call | None] = lambda module: None
        self.rebuilt: dict[type[nn.Module], nn.Module] = {}
        # The module is kept too: a dead one's id would be given to another.
        self._made: dict[int, tuple[nn.Module, inspect.BoundArguments]] = {}

    @contextlib.contextmanager
    def watching(self, classes: Iterable[type[nn.Module]]) -> Iterator[None]:
        """Note the arguments of every module of these classes that is made inside the block."""
        with contextlib.ExitStack() as undo:
            for cls in classes:
                has_own = "__init__" in vars(cls)
                original = cls.__init__
                if has_own:
                    undo.callback(setattr, cls, "__init__", original)
                else:
                    undo.callback(delattr, cls, "__init__")
                setattr(cls, "__init__", self._noting(original))  # noqa: B010 - mypy knows no other way
            yield

    def _noting(self, original: Any) -> Any:
        signature = inspect.signature(original)

        @functools.wraps(original)
        def init(module: nn.Module, *args: Any, **kwargs: Any) -> None:
            if id(module) not in self._made:  # the class itself comes before the classes it inherits from
                self._made[id(module)] = (module, signature.bind(module, *args, **kwargs))
            original(module, *args, **kwargs)

        return init

    def arguments(self, module: nn.Module) -> dict[str, Any]:
        """All arguments of a module by name, defaults included, without `self`."""
        _, bound = self._made[id(module)]
        complete = inspect.BoundArguments(bound.signature, type(bound.arguments)(bound.arguments))
        complete.apply_defaults()
        return dict(list(complete.arguments.items())[1:])

    def call(self, module: nn.Module) -> Call:
        """The call that makes the module.

        Raises:
            ExportError: it was made with something that has no source, and owns weights.
        """
        own = self.write_own(module)
        if own is not None:
            return own
        if type(module) is nn.ModuleList:
            return Call("nn.ModuleList", ((None, self._list(module)),))
        try:
            return self._recorded_call(module)
        except _NoSourceError as error:
            return self._rebuilt_call(module, error)

    def _rebuilt_call(self, module: nn.Module, error: ExportError) -> Call:
        if class_name(type(module)).startswith("nn."):
            raise error
        self.rebuilt.setdefault(type(module), module)
        members = [(None, self._list(module))] if isinstance(module, nn.ModuleList) else []
        return Call(type(module).__name__, (*members, *self.rebuilt_arguments(module)))

    def rebuilt_arguments(self, module: nn.Module) -> list[tuple[str, Expression]]:
        """The parts of a module by name; see `rebuilt.parts`."""
        return [(name, self._written(value, module)) for name, value in rebuilt.parts(module).items()]

    def _list(self, module: nn.Module) -> Call:
        return Call("", tuple((None, self.call(child)) for child in module.children()), ("[", "]"))

    def _recorded_call(self, module: nn.Module) -> Call:
        _, bound = self._made[id(module)]
        written: list[tuple[str | None, Expression]] = []
        for name, parameter in list(bound.signature.parameters.items())[1:]:
            value = bound.arguments.get(name, parameter.default)
            if parameter.kind is parameter.VAR_POSITIONAL:
                items = bound.arguments.get(name, ())
                # What stands before them cannot be named.
                written = [(None, expression) for _, expression in written] if items else written
                written += [(None, self._written(item, module)) for item in items]
            elif parameter.kind is parameter.VAR_KEYWORD:
                extra = bound.arguments.get(name, {})
                written += [(key, self._written(item, module)) for key, item in extra.items()]
            elif not _is_default(value, parameter.default):
                has_default = parameter.default is not parameter.empty
                is_named = has_default or parameter.kind is parameter.KEYWORD_ONLY
                written.append((name if is_named else None, self._written(value, module)))
        return Call(class_name(type(module)), tuple(written))

    def _written(self, value: Any, module: nn.Module) -> Expression:
        if isinstance(value, nn.Module):
            return self.call(value)
        if value is None or isinstance(value, bool | int | float | str):
            return _quoted(value) if isinstance(value, str) else repr(value)
        if isinstance(value, tuple | list):
            items = [_on_one_line(self._written(item, module)) for item in value]
            inside = ", ".join(items) + ("," if len(items) == 1 and isinstance(value, tuple) else "")
            return f"[{inside}]" if isinstance(value, list) else f"({inside})"
        raise _NoSourceError(
            f"the layer {type(module).__name__} cannot be written as source: it is made with {value!r}; only "
            "numbers, texts, sequences of them and other layers can be written"
        )


def class_name(cls: type) -> str:
    """The class as the file calls it: `nn.Linear` of PyTorch's own, the bare name of others."""
    return f"nn.{cls.__name__}" if getattr(nn, cls.__name__, None) is cls else cls.__name__


def _quoted(text: str) -> str:
    return repr(text) if '"' in text or "\\" in text or not text.isprintable() else f'"{text}"'


def _is_default(value: Any, default: Any) -> bool:
    return default is not inspect.Parameter.empty and type(value) is type(default) and value == default
