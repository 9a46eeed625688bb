"""What fields are declared with: bounds and their reason, checked texts, nulls that mean a value."""

from __future__ import annotations

from dataclasses import dataclass
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
