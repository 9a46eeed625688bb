"""The configurations that ship inside the package (`presets/*.json`)."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

PARTIAL_PRESETS = (
    "last_training",
    "last_training_debug",
    "model_selection_debug",
    "model_selection_training",
)

# The preset whose operators a configuration of that task uses when it names none.
TASK_PRESETS = {
    "image_classification": "run_cifar10",
    "time_series_classification": "run_ts",
    "image_segmentation": "run_seg",
}


def preset_names() -> list[str]:
    """Names of the whole configurations, sorted."""
    return sorted(name for name in _texts() if name not in PARTIAL_PRESETS)


def partial_preset_names() -> list[str]:
    """Names of the partial configurations that override a run's own in model selection and final training."""
    return sorted(PARTIAL_PRESETS)


def preset_text(name: str) -> str | None:
    """The text of a preset, whole or partial; None if there is none of that name."""
    return _texts().get(name)


def default_operators(task: str) -> tuple[str, ...]:
    """The operators of the task's preset; empty for a task without one."""
    name = TASK_PRESETS.get(task)
    return tuple(_document(name)["search_space"]["operators"]) if name else ()


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
