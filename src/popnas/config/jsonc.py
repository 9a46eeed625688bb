"""JSON as people write it: strict JSON with `//` comments, and every value's place in the file.

The standard library's parser accepts NaN and duplicate keys and forgets where a value stood; a message about
a configuration should name the line. Only `//` comments are added to the language, so that a commented
configuration stays readable for editors (JSON with comments).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

Path = tuple[str | int, ...]

_SPACE_AND_COMMENTS = re.compile(r"(?:[ \t\n\r]+|//[^\n]*)*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_WORD = re.compile(r"[\w.+-]+")
_LITERALS = {"true": True, "false": False, "null": None}
_PYTHON_WORDS = {"True": "true", "False": "false", "None": "null"}
_NOT_FINITE = {"NaN", "Infinity", "-Infinity", "nan", "inf", "-inf"}
_MAX_DEPTH = 50
_MAX_DIGITS = 300  # more would not fit a float anyway


class JsonError(ValueError):
    """A text that is not JSON. `line` and `column` count from 1."""

    def __init__(self, message: str, text: str, position: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = text.count("\n", 0, position) + 1
        self.column = position - text.rfind("\n", 0, position)


@dataclass
class Parsed:
    """A parsed text: the value, and the line of every value and key by its path."""

    value: Any
    lines: dict[Path, int] = field(default_factory=dict)


def parse(text: str) -> Parsed:
    """Parse a whole text. Raises JsonError at the first mistake."""
    parser = _Parser(text)
    value = parser.document()
    return Parsed(value, parser.lines)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.lines: dict[Path, int] = {}
        self._counted = (0, 1)  # a position and its line, from which lines are counted on

    def document(self) -> Any:
        self._skip()
        if self.position == len(self.text):
            raise self._mistake("the text is empty")
        value = self._value(())
        self._skip()
        if self.position < len(self.text):
            raise self._mistake(f"'{self._next()}' after the end of the document")
        return value

    def _mistake(self, message: str, position: int | None = None) -> JsonError:
        return JsonError(message, self.text, self.position if position is None else position)

    def _next(self) -> str:
        return self.text[self.position : self.position + 1]

    def _skip(self) -> None:
        match = _SPACE_AND_COMMENTS.match(self.text, self.position)
        self.position = match.end() if match else self.position
        if self.text.startswith("/*", self.position) or self._next() == "#":
            raise self._mistake("only // comments are understood here")

    def _line(self) -> int:
        position, line = self._counted
        self._counted = (self.position, line + self.text.count("\n", position, self.position))
        return self._counted[1]

    def _value(self, path: Path) -> Any:
        self.lines[path] = self._line()
        if len(path) > _MAX_DEPTH:
            raise self._mistake(f"nested more than {_MAX_DEPTH} levels deep")
        start = self._next()
        if start == "{":
            return self._object(path)
        if start == "[":
            return self._array(path)
        if start == '"':
            return self._string()
        if start == "'":
            raise self._mistake("texts stand in double quotes")
        return self._scalar()

    def _object(self, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self.position += 1
        self._skip()
        while self._next() != "}":
            key_position = self.position
            key = self._key()
            if key in found:
                first = self.lines[(*path, key)]
                raise self._mistake(
                    f"the key '{key}' stands twice in one object, first on line {first}", key_position
                )
            self._skip()
            if self._next() != ":":
                raise self._mistake(f"a ':' must follow the key '{key}'{self._instead()}")
            self.position += 1
            self._skip()
            found[key] = self._value((*path, key))
            self._separator("}", "object")
        self.position += 1
        return found

    def _key(self) -> str:
        if self._next() == '"':
            return self._string()
        if self._next() in ("'", "_") or self._next().isalpha():
            raise self._mistake("keys stand in double quotes")
        raise self._mistake(f"a key in double quotes or '}}' must stand here{self._instead()}")

    def _array(self, path: Path) -> list[Any]:
        found: list[Any] = []
        self.position += 1
        self._skip()
        while self._next() != "]":
            found.append(self._value((*path, len(found))))
            self._separator("]", "list")
        self.position += 1
        return found

    def _separator(self, end: str, what: str) -> None:
        """Skip the comma after an element; the end of the container is left for the caller."""
        self._skip()
        if self._next() == end:
            return
        if self._next() != ",":
            raise self._mistake(f"a ',' or the '{end}' of the {what} must stand here{self._instead()}")
        comma = self.position
        self.position += 1
        self._skip()
        if self._next() == end:
            raise self._mistake(f"a comma before the '{end}'; remove it", comma)

    def _instead(self) -> str:
        return f", not '{self._next()}'" if self._next() else "; the text ends too early"

    def _string(self) -> str:
        try:
            value, end = scanstring(self.text, self.position + 1, True)
        except json.JSONDecodeError as error:
            what = {"Unterminated string starting at": "a text that is not closed by a double quote"}
            raise self._mistake(
                what.get(error.msg, error.msg.removesuffix(" at").lower()), error.pos
            ) from None
        if any("\ud800" <= letter <= "\udfff" for letter in value):
            raise self._mistake("a text with half of a surrogate pair, which is no character")
        self.position = end
        return value

    def _scalar(self) -> Any:
        number = _NUMBER.match(self.text, self.position)
        word = _WORD.match(self.text, self.position)
        if number and word and number.end() == word.end():
            return self._number(number)
        if word is None:
            raise self._mistake(f"a value must stand here{self._instead()}")
        return self._literal(word)

    def _number(self, match: re.Match[str]) -> int | float:
        is_whole = match[1] is None and match[2] is None
        value: int | float = float(match[0])
        if value in (float("inf"), float("-inf")) or len(match[0]) > _MAX_DIGITS:
            raise self._mistake("a number too large to compute with")
        self.position = match.end()
        return int(match[0]) if is_whole else value

    def _literal(self, match: re.Match[str]) -> Any:
        word = match[0]
        if word in _NOT_FINITE:
            raise self._mistake(f"{word} is no JSON; write a number, or null where the field allows it")
        if word in _PYTHON_WORDS:
            raise self._mistake(f"'{word}' must be written '{_PYTHON_WORDS[word]}'")
        if word not in _LITERALS:
            raise self._mistake(f"'{word}' is no JSON value; texts stand in double quotes")
        self.position = match.end()
        return _LITERALS[word]
