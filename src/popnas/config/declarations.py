"""What fields are declared with: bounds and their reason, checked texts, nulls that mean a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from annotated_types import Ge, Le
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidatorFunctionWrapHandler,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from popnas.errors import ConfigError
from popnas.records import Json, JsonValue, part


class Section(BaseModel):
    """What all sections share: unknown keys refused, no conversion between types, immutable."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, use_attribute_docstrings=False
    )


@dataclass(frozen=True)
class Because:
    """Annotation of a number: why its bounds are where they are, and what to write instead.

    It is the `$comment` of the JSON Schema and ends the message about a number beyond the upper bound; with
    `is_both`, beyond the lower one too.
    """

    reason: str
    is_both: bool = False

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        both = {"x-comment-on-both-bounds": True} if self.is_both else {}
        return {**handler(schema), "$comment": self.reason, **both}


@dataclass(frozen=True)
class NullMeans:
    """Annotation of a field whose null stands for `value`; the JSON Schema says so too."""

    value: Any

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(self._replace, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [handler(schema), {"type": "null"}]}

    def _replace(self, value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
        if value is None and not isinstance(self.value, dict):
            return self.value  # also one that may not be given, and stands for what `load` fills in
        return validate(self.value if value is None else value)


def bounds(section: type[Section], name: str) -> tuple[int, int]:
    """The least and the greatest value of a field that is a whole number."""
    found = section.model_fields[name].metadata
    least = next(rule.ge for rule in found if isinstance(rule, Ge))
    return int(least), int(next(rule.le for rule in found if isinstance(rule, Le)))  # type: ignore[call-overload]


@dataclass(frozen=True)
class Declared:
    """What may stand at a place of a configuration, read from the JSON Schema of its declaration.

    Attributes:
        kind: JSON's word for it ("integer", "object", ...); None where there are `options`, or nothing is
            known.
        choices: the only texts.
        least, above, most, below: bounds of a number, with and without the bound itself.
        has_entries: a list must have one at least.
        pair: what the entries of a list of that length are; `entries`: those of any other.
        properties: the keys of an object; `others`: what further ones hold.
        options: alternatives, null among them.
        reason: why the bounds are where they are; `is_of_both` if not only the upper one.
        description: what it is for.
    """

    kind: str | None = None
    choices: tuple[str, ...] = ()
    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None
    has_entries: bool = False
    pair: tuple[Declared, ...] = ()
    entries: Declared | None = None
    properties: Mapping[str, Declared] = field(default_factory=dict)
    others: Declared | None = None
    options: tuple[Declared, ...] = ()
    reason: str = ""
    is_of_both: bool = False
    description: str = ""

    @classmethod
    def of(cls, node: Json, definitions: Json) -> Declared:
        """A node of a schema, whose references lead into `definitions`."""
        reference = node.get("$ref")
        if isinstance(reference, str):
            meant = cls.of(part(definitions, reference.removeprefix("#/$defs/")), definitions)
            return replace(meant, description=_text(node, "description") or meant.description)
        inner = {name: part(part(node, "properties"), name) for name in part(node, "properties")}
        return cls(
            kind=_text(node, "type") or None,
            choices=tuple(map(str, _list(node, "enum"))),
            least=_number(node, "minimum"),
            above=_number(node, "exclusiveMinimum"),
            most=_number(node, "maximum"),
            below=_number(node, "exclusiveMaximum"),
            has_entries=bool(node.get("minItems")),
            pair=tuple(cls.of(item, definitions) for item in _nodes(node, "prefixItems")),
            entries=cls.of(part(node, "items"), definitions) if "items" in node else None,
            properties={name: cls.of(each, definitions) for name, each in inner.items()},
            others=cls.of(part(node, "additionalProperties"), definitions)
            if part(node, "additionalProperties")
            else None,
            options=tuple(cls.of(item, definitions) for item in _nodes(node, "anyOf")),
            reason=_text(node, "$comment"),
            is_of_both="x-comment-on-both-bounds" in node,
            description=_text(node, "description"),
        )

    @property
    def alternatives(self) -> list[Declared]:
        """All that it may be, null among it, without nesting."""
        if not self.options:
            return [self]
        return [inner for option in self.options for inner in option.alternatives]

    def child(self, step: str | int) -> Declared | None:
        """What an entry or a key of it may be; None where there is no such one."""
        if isinstance(step, int):
            return self.pair[step] if step < len(self.pair) else self.entries
        return self.properties.get(step) or self.others


NOTHING = Declared()
"""Of a place that no configuration has."""


def _text(node: Json, name: str) -> str:
    found = node.get(name)
    return found if isinstance(found, str) else ""


def _number(node: Json, name: str) -> float | None:
    found = node.get(name)
    return found if isinstance(found, int | float) else None


def _list(node: Json, name: str) -> Sequence[JsonValue]:
    found = node.get(name)
    return found if isinstance(found, list) else []


def _nodes(node: Json, name: str) -> list[Json]:
    return [item for item in _list(node, name) if isinstance(item, dict)]


NAMES_OF = "x-names-of"


def named_by(family: str) -> dict[str, Any]:
    """Schema of a name of a family of parts, for `loading.schema` to put the registered names in."""
    return {"type": "string", NAMES_OF: family}


def checked(parse: Any) -> AfterValidator:
    """A text that `parse` must understand; its ConfigError becomes the field's mistake."""

    def check(text: str) -> str:
        try:
            parse(text)
        except ConfigError as mistake:
            raise ValueError(mistake.problems[0].message) from None
        return text

    return AfterValidator(check)
