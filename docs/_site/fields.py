"""The reference of the configuration's fields, as Markdown, from their declarations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from field_costs import COSTS
from pydantic import BaseModel

from popnas.config import RunConfig
from popnas.config.declarations import Declared
from popnas.records import Json, part
from popnas.workflows.settings import name_rules


def places(section: type[BaseModel] = RunConfig, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(place, FieldInfo) of every field that holds a value, e.g. ("dataset.resize.width", ...)."""
    for name, field in section.model_fields.items():
        inner = _section_of(field.annotation)
        if inner is None:
            yield f"{prefix}{name}", field
        else:
            if not prefix and field.annotation is inner:
                yield from places(inner, f"{name}.")
                continue
            if field.default is None:  # a section that may be left out is a value, too: null
                yield f"{prefix}{name}", field
            yield from places(inner, f"{prefix}{name}.")


def _section_of(annotation: Any) -> type[BaseModel] | None:
    for each in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(each, type) and issubclass(each, BaseModel):
            return each
    return None


def markdown() -> str:
    """A heading per section, a part per field."""
    from popnas import config

    whole = config.schema()
    families = name_rules().by_family()
    definitions = part(whole, "$defs")
    lines: list[str] = []
    section = ""
    for place, field in places():
        if place.split(".")[0] != section:
            section = place.split(".")[0]
            lines += [f"## {section}", "", _words_of(section), ""]
        node = Declared.of(_node(whole, definitions, place), definitions)
        lines += [f"### `{place}`", "", field.description or _description_of(field), ""]
        lines += [f"- **{name}:** {text}" for name, text in _facts(place, field, node, families)]
        lines.append("")
    return "\n".join(lines)


def _words_of(section: str) -> str:
    declared = RunConfig.model_fields[section]
    return declared.description or (declared.annotation.__doc__ or "").strip().split("\n\n")[0]


def _description_of(field: Any) -> str:
    return (_section_of(field.annotation).__doc__ or "").strip()


def _node(whole: Json, definitions: Json, place: str) -> Json:
    node = whole
    for step in place.split("."):
        node = _properties(node, definitions)[step]
    return node


def _properties(node: Json, definitions: Json) -> Json:
    if "$ref" in node:
        return _properties(part(definitions, str(node["$ref"]).removeprefix("#/$defs/")), definitions)
    if "properties" in node:
        return part(node, "properties")
    for choice in node.get("anyOf", []):
        if found := _properties(choice, definitions):
            return found
    return {}


def _facts(place: str, field: Any, node: Declared, families: dict[str, Any]) -> Iterator[tuple[str, str]]:
    kinds = [_kind(each) for each in node.alternatives]
    yield "holds", " or ".join(dict.fromkeys(kinds))
    yield "default", _default(field)
    reasons = [each.reason for each in node.alternatives if each.reason]
    if reasons:
        yield "why these bounds", f"{reasons[0]}."
    if place in COSTS:
        yield "what it costs", COSTS[place]


def _default(field: Any) -> str:
    if field.is_required():
        return "none: it must be given"
    value = field.get_default(call_default_factory=True)
    if value in ("", ()):
        return "the task's own"
    if isinstance(value, BaseModel):
        return "its fields' own"
    return f"`{json.dumps(list(value) if isinstance(value, tuple) else value)}`"


_KINDS = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "`true` or `false`",
    "string": "a text",
    "null": "`null`",
    "array": "a list",
    "object": "an object",
}


def _kind(node: Declared) -> str:
    if node.choices:
        return ", ".join(f"`{json.dumps(choice)}`" for choice in node.choices)
    word = _KINDS.get(node.kind or "", "an object")
    if node.kind == "array" and node.entries is not None:
        word = f"a list of {_KINDS.get(node.entries.kind or 'string', 'a text').removeprefix('a ')}s"
    return f"{word}{_bounds(node)}"


def _bounds(node: Declared) -> str:
    words = [
        f"{sign} {_number(value)}"
        for sign, value in (
            ("at least", node.least),
            ("above", node.above),
            ("at most", node.most),
            ("below", node.below),
        )
        if value is not None
    ]
    return f", {' and '.join(words)}" if words else ""


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) or 1e-3 <= abs(value) < 1e6 else f"{value:g}"
