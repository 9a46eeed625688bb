"""Sphinx extension: a line `% generated: NAME` of a page becomes what popnas itself says of NAME.

Nothing generated lies in the repository, so nothing can be out of date.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import commands
import events
import fields
import licences
import parts

GENERATORS: dict[str, Callable[[], str]] = {
    "fields": fields.markdown,
    "commands": commands.markdown,
    "events": events.markdown,
    "parts": parts.markdown,
    "licences": licences.markdown,
}
_LINE = re.compile(r"^% generated: (\w+)$", re.MULTILINE)


def filled(text: str) -> str:
    """A page with what is generated in its place."""
    return _LINE.sub(lambda line: GENERATORS[line[1]](), text)


def _fill(_app: Any, _page: str, source: list[str]) -> None:
    source[0] = filled(source[0])


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("source-read", _fill)
    return {"parallel_read_safe": True}
