"""What a program hands over for a configuration (NumPy's scalars, paths, enumerations), as JSON values.

A value that is exactly one JSON value becomes that one; nothing is rounded, put in an order or read as
something else. What is none stays as `Foreign`, which no field accepts and every message shows as it is.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, KeysView, Mapping, Sequence, Set, ValuesView
from dataclasses import dataclass
from enum import Enum
from numbers import Integral, Real
from typing import Any

from pydantic import BaseModel

from popnas.errors import ConfigError, Problem

_MOST_ENTRIES = 100_000
"""No list of a configuration has more."""

_MOST_LEVELS = 50
"""As in a file."""

_ARRAY_KINDS = "biufUO"
"""Of NumPy's types: flags, numbers, texts, objects; dates and bytes would be turned into something else."""


@dataclass(frozen=True)
class Foreign:
    """A value that JSON does not have: its type and text as a message shows them, and what to write instead
    where that can be told.
    """

    kind: str
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.text} ({self.kind})"


def plain(value: Any) -> Any:
    """A new value of dicts, lists, texts, numbers, flags, None and `Foreign`.

    Raises:
        ConfigError: keys of a mapping that are no texts, or the same as texts.
    """
    return _plain(value, ())


def _plain(value: Any, above: tuple[int, ...]) -> Any:
    if value is None or isinstance(value, bool | Foreign):
        return value
    if isinstance(value, Enum):
        return _plain(value.value, above)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Real):
        return _number(value)
    if isinstance(value, os.PathLike):
        path = os.fspath(value)
        return path if isinstance(path, str) else _foreign(value)
    if id(value) in above:
        return Foreign(_kind(value), "a value that holds itself")
    if len(above) > _MOST_LEVELS:
        return Foreign(_kind(value), f"a value nested more than {_MOST_LEVELS} levels deep")
    inner = (*above, id(value))
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {_key(key, value): _plain(item, inner) for key, item in value.items()}
    if _is_array(value):
        return _plain(value.tolist(), inner)
    if _is_list(value):
        return [_plain(item, inner) for item in value]
    return _foreign(value)


def _number(value: Real) -> Any:
    if isinstance(value, Integral):
        return int(value)
    try:
        number = float(value)
    except OverflowError:
        return _foreign(value)
    return number if number == value or number != number else _foreign(value)


def _key(key: Any, mapping: Mapping[Any, Any]) -> str:
    """A key as JSON writes it; whole numbers are labels of `class_labels_remapping`."""
    found = _plain(key, ()) if not isinstance(key, bool) else key
    name = str(found) if isinstance(found, int) and not isinstance(found, bool) else found
    if not isinstance(name, str):
        message = f"the key {key!r} is {_kind(key)}: keys are texts (or whole numbers, for labels)."
        raise ConfigError([Problem("", key, message)])
    if name is not key and name != key and name in mapping:
        raise ConfigError([Problem("", key, f"the keys {key!r} and {name!r} are the same. Remove one.")])
    return name


def _is_array(value: Any) -> bool:
    """A NumPy array or scalar, a tensor or a column of a table, small enough and without gaps."""
    kind = getattr(getattr(value, "dtype", None), "kind", "f")
    is_masked = not callable(getattr(value, "mask", len))  # a table's column has a method of that name
    return (
        hasattr(value, "dtype")
        and callable(getattr(value, "tolist", None))
        and kind in _ARRAY_KINDS
        and not is_masked
        and _size(value) <= _MOST_ENTRIES
    )


def _size(value: Any) -> int:
    """How many values an array holds, by its shape, which all of its kinds have."""
    return math.prod(getattr(value, "shape", ()))


def _is_list(value: Any) -> bool:
    if isinstance(value, range):
        return not value[_MOST_ENTRIES:]
    is_text = isinstance(value, bytes | bytearray | memoryview)
    return isinstance(value, Sequence | KeysView | ValuesView) and not is_text


def _foreign(value: Any) -> Foreign:
    remedy = ""
    if isinstance(value, Set):
        remedy = "A set has no order: write a list."
    elif isinstance(value, Iterator):
        remedy = "Write list(...) around it."
    return Foreign(_kind(value), " ".join(repr(value).split()), remedy)


def _kind(value: Any) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
