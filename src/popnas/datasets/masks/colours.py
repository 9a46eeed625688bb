"""Colour tables as people have them: which colour is which label, and what the labels are called."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from popnas import files
from popnas.config import jsonc
from popnas.datasets.masks.mask_files import NUM_LABELS, ColourTable
from popnas.errors import DataError
from popnas.printable import quoted

RULE = (
    'lines of "red green blue name" or "red,green,blue,label" (0..255 each colour), or JSON '
    '{"name": [red, green, blue]}'
)
_NUMBER = "[0-9]{1,9}"
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class NamedColours:
    """A table, and the names of its labels (label i: `names[i]`), if it gives names."""

    table: ColourTable
    names: list[str] | None


def read(path: Path, *, unlisted: int | None = None) -> NamedColours:
    """A colour table from a file.

    Names become labels in their order of appearance, from 0; one name may have several colours. Entries that
    end in whole numbers instead of names give the labels themselves. `unlisted` is the label of colours that
    the table does not list.

    Raises:
        DataError: no such file, an entry that is none, one colour twice.
    """
    try:
        text = files.read_text(path)
    except OSError as error:
        raise DataError(
            f"The colour table {quoted(path)} cannot be read: {files.reason(error)}.{files.near_hint(path)}"
        ) from error
    entries = list(_of_json(text, path) if text.lstrip().startswith("{") else _of_lines(text, path))
    if not entries:
        raise DataError(f"The colour table {quoted(path)} is empty; needed: {RULE}.")
    has_labels = all(re.fullmatch(_NUMBER, name) for _, _, name in entries)
    names = None if has_labels else list(dict.fromkeys(name for _, _, name in entries))
    labels: dict[Colour, int] = {}
    for place, colour, name in entries:
        label = int(name) if names is None else names.index(name)
        if max(colour) > 255 or label >= NUM_LABELS:
            raise DataError(
                f"{place}: the colour {_shown(colour)} with the label {name} is out of range: colours lie "
                f"in 0..255, labels in 0..{NUM_LABELS - 1}."
            )
        if labels.setdefault(colour, label) != label:
            raise DataError(
                f"{place}: the colour {_shown(colour)} has two labels. Remove one of its entries."
            )
    return NamedColours(ColourTable(labels, str(path), unlisted), names)


def _of_json(text: str, path: Path) -> Iterator[tuple[str, Colour, str]]:
    """(place, colour, name) of each entry; a name's value is a colour or a list of them."""
    try:
        content = jsonc.parse(text).value
    except jsonc.JsonError as error:
        raise DataError(
            f"The colour table {quoted(path)} is no JSON (line {error.line}, column {error.column}: "
            f"{error.message}). Needed: {RULE}."
        ) from error
    for name, value in content.items():
        is_list = isinstance(value, list) and value and isinstance(value[0], list)
        for colour in value if is_list else [value]:
            is_colour = isinstance(colour, list) and len(colour) == 3
            if not is_colour or not all(type(part) is int and part >= 0 for part in colour):
                found = textwrap.shorten(json.dumps(colour), 60)
                raise DataError(f"{quoted(path)}: '{name}' has {found}, which is no colour; needed: {RULE}.")
            yield f"{quoted(path)}, '{name}'", (colour[0], colour[1], colour[2]), name


def _of_lines(text: str, path: Path) -> Iterator[tuple[str, Colour, str]]:
    """(place, colour, name) of each line; empty ones, comments and headings are passed over."""
    for number, line in enumerate(text.splitlines(), start=1):
        fields = [field for field in re.split(r"[\s,;]+", line.strip(), maxsplit=3) if field]
        is_heading = number == 1 and not any(re.fullmatch(_NUMBER, field) for field in fields)
        if not fields or fields[0].startswith("#") or is_heading:
            continue
        if len(fields) < 4 or not all(re.fullmatch(_NUMBER, field) for field in fields[:3]):
            entry = textwrap.shorten(line, 60)
            raise DataError(f"{quoted(path)}, line {number}: '{entry}' is no entry; needed: {RULE}.")
        # A label may be followed by more columns, which tables use for remarks.
        name = re.split(r"[\s,;]", fields[3])[0] if re.match(r"\d+([\s,;]|$)", fields[3]) else fields[3]
        red, green, blue = map(int, fields[:3])
        yield f"{quoted(path)}, line {number}", (red, green, blue), name.strip(" ,;")


def _shown(colour: Colour) -> str:
    return ",".join(map(str, colour))
