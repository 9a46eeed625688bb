"""Configurations that are compared under names of their own, as they are written in files."""

from __future__ import annotations

from pathlib import Path

from popnas import files
from popnas.config import jsonc
from popnas.errors import ConfigError, Problem
from popnas.records import Json


def read_partial(path: Path) -> Json:
    """The sections of a configuration's file; what they say is checked over a table's own configuration.

    Raises:
        ConfigError: no file of a JSON object.
    """
    try:
        content = jsonc.parse(files.read_text(path)).value
    except (OSError, jsonc.JsonError) as error:
        why = files.reason(error) if isinstance(error, OSError) else f"line {error.line}: {error.message}"
        message = f"cannot be read: {why}. Give a JSON file of a configuration."
        raise ConfigError([Problem(str(path), None, message)], "the choice of a configuration") from None
    if not isinstance(content, dict):
        message = "must be an object of sections {...}."
        raise ConfigError([Problem(str(path), None, message)], "the choice of a configuration")
    return content
