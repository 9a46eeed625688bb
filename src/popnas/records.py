"""Values and their JSON: what goes to a worker and comes back, what lies on disk.

`Json` is an object that was just read, or is about to be written: its values may be anything that JSON has,
and mypy lets nobody use one before it is known what it is. What code reads fields of is a `Record`, whose
declaration is its form, spelled out once.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias, Union, get_args, get_origin, get_type_hints

JsonValue: TypeAlias = bool | int | float | str | Sequence["JsonValue"] | Mapping[str, "JsonValue"] | None
Json: TypeAlias = Mapping[str, JsonValue]


class FormError(ValueError):
    """JSON that is no record of a kind: its text goes on from what the JSON is of ("has no 'cell'").

    `found`: how the field at `place` is not as it must be, with a place for that field's name.
    """

    def __init__(self, found: str, place: tuple[str, ...] = ()) -> None:
        self.found, self.place = found, place
        super().__init__(found.format(f"'{'.'.join(place)}'"))

    def inside(self, name: str) -> FormError:
        """The same of a field `name`, in which this one is."""
        return FormError(self.found, (name, *self.place))


class Record:
    """The base of frozen dataclasses that have a form in JSON: an object of their fields by name.

    Fields are numbers, texts, flags, paths, `Json`, other records, tuples, lists and mappings by text of
    these, None, and choices (`Literal`).
    """

    def to_json(self) -> Json:
        """As a JSON object, all fields in the order of their declaration."""
        return {name: _written(getattr(self, name)) for name in _fields(type(self))}

    @classmethod
    def from_json(cls, content: Json) -> Self:
        """The inverse of `to_json`; fields with a default may lack.

        Raises:
            FormError: a field that lacks, is unknown, or is of another type.
        """
        known = _fields(cls)
        if not content.keys() <= known.keys():
            raise FormError("has an unknown {}", (next(name for name in content if name not in known),))
        return cls._read(content, known)

    @classmethod
    def of_known(cls, content: Json) -> Self:
        """As `from_json`, of an object that may say more, as one of a later version does."""
        known = _fields(cls)
        if not content.keys() <= known.keys():
            content = {name: content[name] for name in known if name in content}
        return cls._read(content, known)

    @classmethod
    def _read(cls, content: Json, known: Mapping[str, _Field]) -> Self:
        # What lacks is told before what is wrong in what is there: it says more of what the file is.
        if len(content) < len(known):
            for name, field in known.items():
                if field.is_needed and name not in content:
                    raise FormError("has no {}", (name,))
        found: dict[str, Any] = {}
        try:
            for name, value in content.items():
                field = known[name]
                found[name] = value if type(value) in field.plain else field.read(value)
        except FormError as error:
            raise error.inside(name) from None
        return cls(**found)


def names_of(kind: type[Record]) -> Sequence[str]:
    """The fields of a kind of record, in the order of their declaration."""
    return list(_fields(kind))


def part(content: Json, name: str) -> Json:
    """A field that is an object, as sections of a configuration that nobody has checked are; an empty one
    where it lacks or is something else."""
    found = content.get(name)
    return found if isinstance(found, Mapping) else {}


def without_nulls(content: Json) -> Json:
    """Of files in which null means what is not there."""
    return {name: value for name, value in content.items() if value is not None}


def _written(value: Any) -> JsonValue:
    if isinstance(value, Record):
        return value.to_json()
    if isinstance(value, Mapping):
        return {str(name): _written(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_written(item) for item in value]
    return str(value) if isinstance(value, Path) else value  # type: ignore[no-any-return]


class _Anything:
    """Stands for `Json` and `JsonValue` where the types of fields are looked up: they refer to themselves."""


_Read = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Field:
    """How a field is read. `plain`: types whose values are taken as they stand, without asking `read`."""

    plain: frozenset[type]
    read: _Read
    is_needed: bool


_KNOWN: dict[type[Record], dict[str, _Field]] = {}
"""Looked up once: journals have thousands of records of a kind."""


def _fields(kind: type[Record]) -> dict[str, _Field]:
    """How its fields are read, by name."""
    if kind not in _KNOWN:
        assert is_dataclass(kind), kind
        hints = get_type_hints(kind, localns={"Json": _Anything, "JsonValue": _Anything})
        _KNOWN[kind] = {
            item.name: _Field(
                _plain(hints[item.name]),
                _reader(hints[item.name]),
                item.default is MISSING and item.default_factory is MISSING,
            )
            for item in fields(kind)
        }
    return _KNOWN[kind]


def _plain(hint: Any) -> frozenset[type]:
    """The types whose values are such a field as they stand: most of a journal."""
    if get_origin(hint) in (Union, types.UnionType):
        return frozenset().union(*map(_plain, get_args(hint)))
    return _PLAIN.get(hint, frozenset()) if isinstance(hint, type) else frozenset()


_PLAIN: dict[type, frozenset[type]] = {
    str: frozenset({str}),
    bool: frozenset({bool}),
    int: frozenset({int}),
    # Whole numbers stay what they are: a file that is read and written again does not change.
    float: frozenset({float, int}),
    type(None): frozenset({type(None)}),
}


def _reader(hint: Any) -> _Read:
    """What makes a field of that type of a JSON value; it raises FormError."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is _Anything:
        return lambda value: value
    if origin in (Union, types.UnionType):
        read = _first_of([_reader(each) for each in inner if each is not type(None)])
        # Asked for, not tried: a journal has hundreds of thousands of fields that may be null.
        return (lambda value: None if value is None else read(value)) if type(None) in inner else read
    if origin is Literal:
        return _choice(inner)
    if origin is tuple and inner[1:] != (...,):
        return _tuple_of([_reader(each) for each in inner])
    if origin in (tuple, list, Sequence):
        return _list_of(_reader(inner[0]), list if origin is list else tuple)
    if origin in (dict, Mapping):
        return _mapping_of(_reader(inner[1]), _plain(inner[1]))
    if isinstance(hint, type) and issubclass(hint, Record):
        return lambda value: hint.from_json(_object(value))
    if hint is Path:
        return lambda value: Path(_SIMPLE[str](value))
    return _SIMPLE[hint]


def _simple(*kinds: type, words: str) -> _Read:
    def read(value: Any) -> Any:
        if type(value) in kinds:
            return value
        raise _wrong(value, f"not {words}")

    return read


def _text(value: Any) -> Any:
    if isinstance(value, str):
        return value
    raise _wrong(value, "not a text")


_SIMPLE: dict[Any, _Read] = {
    str: _text,
    bool: _simple(bool, words="a flag"),
    int: _simple(int, words="a whole number"),
    # Whole numbers stay what they are: a file that is read and written again does not change.
    float: _simple(float, int, words="a number"),
    type(None): _simple(type(None), words="null"),
}


def _choice(choices: tuple[Any, ...]) -> _Read:
    def read(value: Any) -> Any:
        if value in choices:
            return value
        raise _wrong(value, f"not one of {', '.join(map(repr, choices))}")

    return read


def _first_of(readers: Sequence[_Read]) -> _Read:
    if len(readers) == 1:
        return readers[0]

    def read(value: Any) -> Any:
        for each in readers[:-1]:
            with suppress(FormError):
                return each(value)
        return readers[-1](value)

    return read


def _tuple_of(readers: Sequence[_Read]) -> _Read:
    def read(value: Any) -> Any:
        items = _items(value)
        if len(items) != len(readers):
            raise _wrong(value, f"not of {len(readers)} items")
        return tuple(each(item) for each, item in zip(readers, items, strict=True))

    return read


def _list_of(read_item: _Read, make: type[list[Any]] | type[tuple[Any, ...]]) -> _Read:
    def read(value: Any) -> Any:
        items = _items(value)
        try:
            return make(map(read_item, items))
        except FormError:
            raise _first_wrong(read_item, ((str(i), item) for i, item in enumerate(items))) from None

    return read


def _mapping_of(read_item: _Read, plain: frozenset[type]) -> _Read:
    def read(value: Any) -> Any:
        items = _object(value)
        if plain.issuperset(map(type, items.values())):
            return dict(items)
        try:
            return {name: read_item(item) for name, item in items.items()}
        except FormError:
            raise _first_wrong(read_item, items.items()) from None

    return read


def _first_wrong(read: _Read, items: Iterable[tuple[str, Any]]) -> FormError:
    """The complaint of the first item that cannot be read: which one it is nobody notes where all can."""
    for name, item in items:
        try:
            read(item)
        except FormError as error:
            return error.inside(name)
    raise AssertionError("all can be read")


def _items(value: Any) -> Sequence[Any]:
    if not isinstance(value, (list, tuple)):
        raise _wrong(value, "not a list")
    return value


def _object(value: Any) -> Json:
    if type(value) is not dict and not isinstance(value, Mapping):  # asking the abstract class takes long
        raise _wrong(value, "not an object")
    return value


def _wrong(value: Any, what: str) -> FormError:
    text = repr(value)
    shown = text if len(text) < 80 else f"{text[:77]}..."
    return FormError(f"has {shown.replace('{', '{{').replace('}', '}}')} as its {{}}, which is {what}")
