"""Rules for values in stored JSON files: predicates, and how they are put together.

A checksum notices what was changed. A file without one (of popnas 0.1.0, or whose line was taken out) and one
that somebody made must not make a command stumble over a score that is a text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

Rule = Callable[[Any], bool]

LONGEST = 2**31 - 1
"""What no count of a stored file exceeds."""


def is_flag(value: Any) -> bool:
    """True or False, not 1."""
    return isinstance(value, bool)


def is_text(value: Any) -> bool:
    """A text that can be written down as UTF-8."""
    return isinstance(value, str) and (
        value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)
    )


def is_number(value: Any) -> bool:
    """A finite number."""
    if type(value) is float:  # most of a journal
        return math.isfinite(value)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond floats
        return False


def is_amount(value: Any) -> bool:
    """A finite number from 0."""
    return is_number(value) and value >= 0


def is_share(value: Any) -> bool:
    """A number from 0 to 1."""
    return is_number(value) and 0 <= value <= 1


def is_object(value: Any) -> bool:
    """A JSON object, whatever it holds."""
    if not isinstance(value, dict):
        return False
    try:
        return "".join(value).isascii() or all(map(is_text, value))  # a journal has a million of names
    except TypeError:
        return False


def whole(least: int, most: int = LONGEST**2) -> Rule:
    """A whole number within bounds."""
    return lambda value: type(value) is int and least <= value <= most


def or_none(rule: Rule) -> Rule:
    """null, or what keeps to the rule."""
    return lambda value: value is None or rule(value)


def list_of(rule: Rule, least: int = 0, most: int = LONGEST) -> Rule:
    """A list of so many items that keep to the rule."""
    return lambda value: isinstance(value, list) and least <= len(value) <= most and all(map(rule, value))


def mapping_of(rule: Rule) -> Rule:
    """An object whose values keep to the rule."""
    keep = _are_numbers if rule is is_number else lambda values: all(map(rule, values))
    return lambda value: is_object(value) and keep(value.values())


def _are_numbers(values: Collection[Any]) -> bool:
    """Whether all are finite numbers; asked of all at once, as they are most of a journal."""
    if _FLOAT.issuperset(map(type, values)):
        return all(map(math.isfinite, values))
    return all(map(is_number, values))


_FLOAT = frozenset({float})


def has(wanted: Mapping[str, Rule]) -> Rule:
    """An object whose fields keep to their rules; one that is missing is as null."""
    return lambda value: (
        isinstance(value, dict) and all(rule(value.get(name)) for name, rule in wanted.items())
    )


def shown(value: Any) -> str:
    """A value for a message, cut where it is long."""
    text = repr(value)
    return text if len(text) < 80 else f"{text[:77]}..."
