"""The configurations that ship inside the package (`presets/*.json`)."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

PARTIAL_PRESETS = (
    "last_training",
    "last_training_debug",
    "last_training_images",
    "last_training_ts",
    "model_selection_debug",
    "model_selection_images",
    "model_selection_training",
    "model_selection_ts",
)


def preset_names() -> list[str]:
    """Names of the whole configurations, sorted."""
    return sorted(name for name in _texts() if name not in PARTIAL_PRESETS)


def partial_preset_names() -> list[str]:
    """Names of the partial configurations that override a run's own in model selection and final training."""
    return sorted(PARTIAL_PRESETS)


def preset_text(name: str) -> str | None:
    """The text of a preset, whole or partial; None if there is none of that name."""
    return _texts().get(name)


def operators_of(preset: str) -> tuple[str, ...]:
    """The operators of a whole preset."""
    return tuple(_document(preset)["search_space"]["operators"])


@cache
def _texts() -> dict[str, str]:
    folder = files("popnas.config").joinpath("presets")
    return {
        entry.name.removesuffix(".json"): entry.read_text(encoding="utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(".json")
    }


@cache
def _document(name: str) -> dict[str, Any]:
    return json.loads(_texts()[name])
