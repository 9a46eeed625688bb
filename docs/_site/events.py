"""The table of what `--log-json` writes, as Markdown, from the declarations of the events."""

from __future__ import annotations

from dataclasses import fields

from popnas.events import KINDS, name_of


def markdown() -> str:
    """A row per event: its name, the names of its fields, what it says."""
    rows = [(name_of(kind), [item.name for item in fields(kind)], str(kind.__doc__)) for kind in KINDS]
    lines = ["| `event` | keys | says |", "|---|---|---|"]
    for name, keys, words in rows:
        listed = ", ".join(f"`{key}`" for key in keys) or "none"
        lines.append(f"| `{name}` | {listed} | {' '.join(words.split())} |")
    return "\n".join(lines)
