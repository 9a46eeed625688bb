"""Mistakes of form, said in one way: the place, what must stand there, what does, and the nearest choice.

The sentence about a field is made from its declaration (its JSON Schema), so a bound can never differ from
its message.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from pydantic import ValidationError

from popnas.config import jsonc, leftovers
from popnas.config.plain import Foreign
from popnas.config.run_config import RunConfig
from popnas.errors import Problem, nearest

Path = tuple[str | int, ...]
Schema = dict[str, Any]

_LONGEST_HINT = 400
_TOO_LARGE = ("less_than", "less_than_equal")
_TOO_SMALL = ("greater_than", "greater_than_equal")


def problems_of(error: ValidationError, document: Any) -> list[tuple[Path, Problem]]:
    """One problem per mistake that the validation found, each with its path in the document."""
    found = []
    mistakes = error.errors(include_url=False)
    for details in mistakes:
        path: Path = details["loc"]
        if details["type"] == "too_short" and any(
            path == d["loc"][: len(path)] != d["loc"] for d in mistakes
        ):
            continue  # what it holds is told, and would be enough
        if details["type"] == "extra_forbidden":
            problem = unknown_key(path, details["input"])
        elif details["type"] == "missing":
            problem = Problem(place(path), None, f"is missing; it must be {rule_at(path)}.")
        elif details["type"] == "value_error":
            problem = Problem(place(path), details["input"], str(details["ctx"]["error"]))
        elif not _stands_in(document, path, details["input"]):
            continue  # a default that follows another field, whose own mistake is told
        else:
            problem = wrong_value(path, details["input"], error=details["type"])
        found.append((path, problem))
    return found


def _stands_in(document: Any, path: Path, value: Any) -> bool:
    node = document
    for step in path:
        is_there = step in node if isinstance(node, dict) else isinstance(node, list | tuple)
        if not is_there:
            return False
        node = node[step]
    return node is value or node == value


def unknown_key(path: Path, value: Any = None) -> Problem:
    """The last key does not exist: what it is called now, the nearest one, where else it exists, or all
    there are.
    """
    key = str(path[-1])
    if (old := leftovers.instead(path, value, _places_with)) is not None:
        return Problem(place(path), key, f"unknown key '{key}': {old}")
    choices = list(_properties(schema_at(path[:-1])))
    homes = _places_with(key)
    if homes:
        hint = f" It belongs in {' or '.join(home or 'the top level' for home in homes)}."
    else:
        hint = nearest(key, choices) or f" The keys here are: {', '.join(choices)}."
    return Problem(place(path), key, f"unknown key '{shorten(key)}'.{hint}")


def wrong_value(path: Path, value: Any, *, error: str = "") -> Problem:
    """A value of the wrong type, out of bounds or outside the choices; `error` is the validation's kind."""
    node = schema_at(path)
    reason = _reason(node, error)
    message = f"must be {rule(node)}, got {show(value)}{': ' * bool(reason)}{reason}."
    if isinstance(value, str):
        message += nearest(value, _enum(node)) or _unquote_hint(node, value)
    elif is_text(path) and isinstance(value, int | float):
        message += f" Write it in double quotes: {json.dumps(show(value))}."
    elif isinstance(value, Foreign) and value.remedy:
        message += f" {value.remedy}"
    return Problem(place(path), value, message)


def place(path: Sequence[str | int]) -> str:
    """`search_space.operators[3]`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step and all(letter.isalnum() or letter in "_$-" for letter in step):
            text += f".{step}" if text else step
        else:
            text += f"[{json.dumps(shorten(step), ensure_ascii=False)}]"
    return text


def show(value: Any) -> str:
    """A value as it stands in JSON, texts in single quotes, long ones shortened."""
    if isinstance(value, str):
        return f"'{shorten(value)}'"
    if isinstance(value, Foreign):
        return f"{shorten(value.text)} ({value.kind})"
    if isinstance(value, dict):
        return f"an object {shorten(json.dumps(value, default=str))}"
    if isinstance(value, list | tuple):
        return f"the list {shorten(json.dumps(value, default=str))}"
    try:
        return shorten(json.dumps(value, default=str))
    except ValueError:  # an integer of thousands of digits
        return "a number too large to show"


def shorten(text: str, limit: int = 60) -> str:
    """`text`, cut to `limit` letters, control characters made visible."""
    visible = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return visible if len(visible) <= limit else visible[: limit - 3] + "..."


def rule_at(path: Path) -> str:
    """What the value at `path` must be, in words."""
    return rule(schema_at(path))


def rule(node: Schema) -> str:
    """What a schema asks for, in words: "a whole number, at least 1, or null"."""
    options = _options(node)
    solid = [option for option in options if option.get("type") != "null"]
    words = _rule_of_one(solid[-1]) if solid else "null"
    if len(solid) == len(options):
        return words
    return f"{words}, or null" if "," in words else f"{words} or null"


def _rule_of_one(node: Schema) -> str:
    if "enum" in node:
        return "one of " + ", ".join(f"'{choice}'" for choice in node["enum"])
    kind = node.get("type")
    if kind in ("integer", "number"):
        bounds = _bounds(node)
        words = "a whole number" if kind == "integer" else "a number"
        return f"{words}, {bounds}" if bounds else words
    if kind == "array" and "prefixItems" in node:
        return "a list [min, max] of two numbers"
    if kind == "array":
        return "a list of texts" + (" with at least one entry" if node.get("minItems") else "")
    if kind == "object":
        keys = ", ".join(node.get("properties", {}))
        return f"an object with keys of {keys}" if keys else "an object"
    return {"boolean": "true or false", "string": "a text that is not empty"}.get(str(kind), "a value")


def _bounds(node: Schema) -> str:
    words = []
    for key, phrase in (("minimum", "at least"), ("exclusiveMinimum", "above")):
        if key in node:
            words.append(f"{phrase} {node[key]:g}")
    for key, phrase in (("maximum", "at most"), ("exclusiveMaximum", "below")):
        if key in node:
            words.append(f"{phrase} {_figure(node[key])}")
    return " and ".join(words)


def _figure(value: float) -> str:
    """A bound; powers of two beyond a million are easier to know by their exponent."""
    if isinstance(value, int) and value >= 2**20:
        return f"2^{value.bit_length() - 1}" if value.bit_count() == 1 else f"{value:,}"
    return f"{value:g}" if value < 1e4 or value >= 1e9 else f"{value:,.0f}"


def _unquote_hint(node: Schema, value: str) -> str:
    kinds = {option.get("type") for option in _options(node)}
    try:
        unquoted = jsonc.parse(value).value
    except jsonc.JsonError:
        return ""
    is_flag = isinstance(unquoted, bool)
    is_number = isinstance(unquoted, int | float) and not is_flag
    if (is_number and kinds & {"integer", "number"}) or (is_flag and "boolean" in kinds):
        return f" Write {shorten(value)} without quotes."
    return ""


def quoting_hint(path: Path, value: Any) -> str:
    """How a list or an object is written on a command line, whose quotes a shell takes away; "" where the
    field wants neither, or has it.
    """
    kinds = {option.get("type") for option in _options(schema_at(path))}
    field = place(path)
    if not isinstance(value, str) or not kinds & {"array", "object"}:
        return ""
    given = f"'{field}={{\"key\": value}}'"
    if "array" in kinds:
        items = [item.strip(" \"'") for item in value.strip(" []").split(",")]
        given = f"'{field}={json.dumps([item for item in items if item], ensure_ascii=False)}'"
    if len(given) > _LONGEST_HINT or "'" in given[1:-1] or not given.isprintable():
        given = f'\'{field}=["a", "b"]\''
    return f" A shell takes the quotes away: put single quotes around the whole argument, `sets` {given}."


@cache
def whole_schema() -> Schema:
    """The JSON Schema of a configuration, with references."""
    return RunConfig.model_json_schema()


def schema_at(path: Path) -> Schema:
    """The schema of the value at `path`; empty where nothing is known."""
    node: Schema = whole_schema()
    for step in path:
        node = next((child for option in _options(node) if (child := _child(option, step))), {})
    return _resolve(node)


def _child(node: Schema, step: str | int) -> Schema:
    if isinstance(step, int):
        items = node.get("prefixItems", [])
        return items[step] if step < len(items) else node.get("items", {})
    extra = node.get("additionalProperties")
    return node.get("properties", {}).get(step) or (extra if isinstance(extra, dict) else {})


def _resolve(node: Schema) -> Schema:
    if "$ref" not in node:
        return node
    return whole_schema()["$defs"][node["$ref"].removeprefix("#/$defs/")]


def _options(node: Schema) -> list[Schema]:
    """The alternatives of a node, null among them, without references and nesting."""
    node = _resolve(node)
    if "anyOf" not in node:
        return [node]
    return [inner for option in node["anyOf"] for inner in _options(option)]


def _properties(node: Schema) -> Iterator[str]:
    for option in _options(node):
        yield from option.get("properties", {})


def _enum(node: Schema) -> list[str]:
    return [choice for option in _options(node) for choice in option.get("enum", [])]


def _places_with(key: str) -> list[str]:
    """Places of the objects that do have this key; "" is the top level."""
    found: list[str] = []
    pending: list[Path] = [()]
    while pending:
        path = pending.pop(0)
        names = list(_properties(schema_at(path)))
        if key in names:
            found.append(place(path))
        pending.extend((*path, name) for name in names)
    return found


@cache
def fields() -> tuple[str, ...]:
    """Places of all values that are no objects themselves."""
    found: list[str] = []
    pending: list[Path] = [()]
    while pending:
        path = pending.pop(0)
        names = list(_properties(schema_at(path)))
        if path and not names:
            found.append(place(path))
        pending.extend((*path, name) for name in names)
    return tuple(found)


def is_text(path: Path) -> bool:
    """Whether the value at `path` can only be a text (or null)."""
    kinds = {option.get("type", "string") for option in _options(schema_at(path))}
    return exists(path) and kinds <= {"string", "null"} and "string" in kinds


def _reason(node: Schema, error: str) -> str:
    """Why the bound that a number breaks is where it is; "" where that needs no words."""
    for option in _options(node):
        if error in _TOO_LARGE or (error in _TOO_SMALL and "x-comment-on-both-bounds" in option):
            return str(option.get("$comment", ""))
    return ""


def exists(path: Path) -> bool:
    """Whether a configuration can have a value at `path`."""
    return bool(schema_at(path))


def is_section(path: Path) -> bool:
    """Whether the value at `path` is an object."""
    node = schema_at(path)
    return any(option.get("type") == "object" for option in _options(node))


def description_at(path: Path) -> str:
    """What a field or a section is for, as its declaration says."""
    field: Schema = {}
    for option in _options(schema_at(path[:-1])):
        field = option.get("properties", {}).get(path[-1], field)
    texts = [field.get("description"), *(option.get("description") for option in _options(field))]
    return next((str(text) for text in texts if text), "")
