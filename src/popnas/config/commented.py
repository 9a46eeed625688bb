"""A configuration as a text that explains itself: every field under its description, as `//` comments."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from popnas.config import messages
from popnas.records import Json

_WIDTH = 100


def commented_text(
    document: Json, *, header: Sequence[str] = (), remarks: Mapping[str, str] | None = None
) -> str:
    """JSON with `//` comments that `load` reads back as `document`.

    `header` are the paragraphs at the top; `remarks` add to the description of the field at a place
    ("search_space.blocks") why it has this value.
    """
    lines = [line for paragraph in header for line in _comment(paragraph, "")]
    lines += ["{", *_members(document, (), remarks or {}), "}"]
    return "\n".join(lines) + "\n"


def _members(fields: Json, path: messages.Path, remarks: Mapping[str, str]) -> Iterator[str]:
    indent = "  " * (len(path) + 1)
    for index, (key, value) in enumerate(fields.items()):
        inner = (*path, key)
        comma = "," if index < len(fields) - 1 else ""
        if not path and index:
            yield ""
        yield from _comment(_explanation(inner, remarks), indent)
        if isinstance(value, dict) and messages.is_section(inner):
            yield f'{indent}"{key}": {{'
            yield from _members(value, inner, remarks)
            yield f"{indent}}}{comma}"
        else:
            yield from _value(json.dumps(key), value, indent, comma)


def _value(key: str, value: Any, indent: str, comma: str) -> Iterator[str]:
    line = f"{indent}{key}: {json.dumps(value, ensure_ascii=False)}{comma}"
    if len(line) <= _WIDTH or not isinstance(value, list):
        yield line
        return
    entries = ", ".join(json.dumps(entry, ensure_ascii=False).replace(" ", "\0") for entry in value)
    yield f"{indent}{key}: ["
    inner = f"{indent}  "
    for wrapped in textwrap.wrap(
        entries, _WIDTH, initial_indent=inner, subsequent_indent=inner, break_on_hyphens=False
    ):
        yield wrapped.replace("\0", " ")
    yield f"{indent}]{comma}"


def _explanation(path: messages.Path, remarks: Mapping[str, str]) -> str:
    remark = remarks.get(messages.place(path), "")
    return f"{messages.description_at(path)} {remark}".strip()


def _comment(text: str, indent: str) -> list[str]:
    start = f"{indent}// "
    return textwrap.wrap(text, _WIDTH, initial_indent=start, subsequent_indent=start, break_on_hyphens=False)
