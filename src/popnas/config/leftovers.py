"""Keys of older versions of POPNAS (3.0 to 3.5) that no longer exist, and what to write instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Homes = Callable[[str], list[str]]

SECTIONS = ("cnn_hp", "architecture_parameters")
"""Whole sections that were divided among others."""


def instead(path: tuple[str | int, ...], value: Any, homes: Homes) -> str | None:
    """What to do about a key of an older version and its value; None for any other key.

    `homes` gives the sections that have a key today.
    """
    if len(path) == 1 and path[0] in SECTIONS:
        return _section(value if isinstance(value, dict) else {}, homes)
    if path == ("dataset", "resize", "enabled"):
        return _RESIZE_OFF if value is False else _RESIZE_ON
    return _SETTINGS.get(path)


def _section(fields: dict[str, Any], homes: Homes) -> str:
    moved = [f"'{key}' to {home}" for key in fields for home in homes(str(key))[:1] if home]
    rest = [f"'{key}'" for key in fields if not homes(str(key))]
    return (
        "a section of POPNAS 3.0 to 3.4. What trains stands in training_hyperparameters now, what shapes the "
        "network in architecture_hyperparameters."
        + (f" Move {', '.join(moved)}." if moved else "")
        + (f" {', '.join(rest)} no longer exist{'s' * (len(rest) == 1)}." if rest else "")
        + " Then remove this section."
    )


_RESIZE_OFF = "a switch of POPNAS 3.5. To leave images as they are, write null for dataset.resize."
_RESIZE_ON = "a switch of POPNAS 3.5. Remove it: images are resized wherever dataset.resize is not null."
_SETTINGS: dict[tuple[str | int, ...], str] = {
    ("dataset", "data_augmentation", "perform_on_gpu"): (
        "a setting of POPNAS 3. Remove it: images are augmented on the device that trains."
    ),
    ("others", "save_children_as_onnx"): "a setting of POPNAS 3. Write save_children_models instead.",
}
