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
from popnas.config.declarations import NOTHING, Declared
from popnas.config.plain import Foreign
from popnas.config.run_config import RunConfig
from popnas.errors import Problem, nearest
from popnas.records import Json, part

Path = tuple[str | int, ...]

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
    if (old := leftovers.instead(path, value, places_with)) is not None:
        return Problem(place(path), key, f"unknown key '{key}': {old}")
    choices = list(properties(schema_at(path[:-1])))
    homes = places_with(key)
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
        message += nearest(value, _choices(node)) or _unquote_hint(node, value)
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


def rule(node: Declared) -> str:
    """What a schema asks for, in words: "a whole number, at least 1, or null"."""
    options = node.alternatives
    solid = [option for option in options if option.kind != "null"]
    words = _rule_of_one(solid[-1]) if solid else "null"
    if len(solid) == len(options):
        return words
    return f"{words}, or null" if "," in words else f"{words} or null"


def _rule_of_one(node: Declared) -> str:
    if node.choices:
        return "one of " + ", ".join(f"'{choice}'" for choice in node.choices)
    kind = node.kind
    if kind in ("integer", "number"):
        bounds = _bounds(node)
        words = "a whole number" if kind == "integer" else "a number"
        return f"{words}, {bounds}" if bounds else words
    if kind == "array" and node.pair:
        return "a list [min, max] of two numbers"
    if kind == "array":
        return "a list of texts" + (" with at least one entry" if node.has_entries else "")
    if kind == "object":
        keys = ", ".join(node.properties)
        return f"an object with keys of {keys}" if keys else "an object"
    return {"boolean": "true or false", "string": "a text that is not empty"}.get(str(kind), "a value")


def _bounds(node: Declared) -> str:
    words = []
    for bound, phrase in ((node.least, "at least"), (node.above, "above")):
        if bound is not None:
            words.append(f"{phrase} {bound:g}")
    for bound, phrase in ((node.most, "at most"), (node.below, "below")):
        if bound is not None:
            words.append(f"{phrase} {_figure(bound)}")
    return " and ".join(words)


def _figure(value: float) -> str:
    """A bound; powers of two beyond a million are easier to know by their exponent."""
    if isinstance(value, int) and value >= 2**20:
        return f"2^{value.bit_length() - 1}" if value.bit_count() == 1 else f"{value:,}"
    return f"{value:g}" if value < 1e4 or value >= 1e9 else f"{value:,.0f}"


def _unquote_hint(node: Declared, value: str) -> str:
    kinds = {option.kind for option in node.alternatives}
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
    kinds = {option.kind for option in schema_at(path).alternatives}
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
def whole_schema() -> Json:
    """The JSON Schema of a configuration, with references."""
    return RunConfig.model_json_schema()


@cache
def _declared() -> Declared:
    return Declared.of(whole_schema(), part(whole_schema(), "$defs"))


def schema_at(path: Path) -> Declared:
    """What may stand at `path`; `NOTHING` where no configuration has that."""
    node = _declared()
    for step in path:
        found = (option.child(step) for option in node.alternatives)
        node = next((child for child in found if child is not None), NOTHING)
    return node


def properties(node: Declared) -> Iterator[str]:
    """The keys that an object may have, of all alternatives."""
    for option in node.alternatives:
        yield from option.properties


def _choices(node: Declared) -> list[str]:
    return [choice for option in node.alternatives for choice in option.choices]


def places_with(key: str) -> list[str]:
    """Places of the objects that do have this key; "" is the top level."""
    found: list[str] = []
    pending: list[Path] = [()]
    while pending:
        path = pending.pop(0)
        names = list(properties(schema_at(path)))
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
        names = list(properties(schema_at(path)))
        if path and not names:
            found.append(place(path))
        pending.extend((*path, name) for name in names)
    return tuple(found)


def is_text(path: Path) -> bool:
    """Whether the value at `path` can only be a text (or null)."""
    kinds = {option.kind or "string" for option in schema_at(path).alternatives}
    return exists(path) and kinds <= {"string", "null"} and "string" in kinds


def _reason(node: Declared, error: str) -> str:
    """Why the bound that a number breaks is where it is; "" where that needs no words."""
    for option in node.alternatives:
        if error in _TOO_LARGE or (error in _TOO_SMALL and option.is_of_both):
            return option.reason
    return ""


def exists(path: Path) -> bool:
    """Whether a configuration can have a value at `path`."""
    return schema_at(path) != NOTHING


def is_section(path: Path) -> bool:
    """Whether the value at `path` is an object."""
    return any(option.kind == "object" for option in schema_at(path).alternatives)


def description_at(path: Path) -> str:
    """What a field or a section is for, as its declaration says."""
    field = NOTHING
    for option in schema_at(path[:-1]).alternatives:
        field = option.properties.get(str(path[-1]), field)
    texts = [field.description, *(option.description for option in field.alternatives)]
    return next((text for text in texts if text), "")
