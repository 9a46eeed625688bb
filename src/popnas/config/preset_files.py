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

_DESCRIPTIONS = {
    "run": "the default: scikit-learn's digits; repeated trainings decide the best; minutes on a laptop",
    "run_debug": "digits, to see in a minute how everything works; its scores mean nothing",
    "run_cifar10": "CIFAR-10 (extra hub), close to the published search; made for a GPU",
    "run_ts": "a small problem of series (extra timeseries), with the published number of networks a step",
    "run_seg": "images with masks of yours, with the published number of networks a step; made for a GPU",
    "run_seg_debug": "images with masks of yours, fewer and shorter trainings",
    "model_selection_images": "for images and masks, unless you name another: light regularisation",
    "model_selection_ts": "for series, unless you name another: time warp, light regularisation",
    "model_selection_training": "drop path, dropout and cutout, close to the published one",
    "model_selection_debug": "few epochs, to see how it works",
    "last_training_images": "for images and masks, unless you name another: light regularisation",
    "last_training_ts": "for series, unless you name another: time warp, light regularisation",
    "last_training": "drop path, dropout and cutout, close to the published one",
    "last_training_debug": "fewer epochs, to see how it works",
}
"""What each is for."""


def preset_names() -> list[str]:
    """Names of the whole configurations, sorted."""
    return sorted(name for name in _texts() if name not in PARTIAL_PRESETS)


def partial_preset_names() -> list[str]:
    """Names of the partial configurations that override a run's own in model selection and final training."""
    return sorted(PARTIAL_PRESETS)


def preset_text(name: str) -> str | None:
    """The text of a preset, whole or partial; None if there is none of that name."""
    return _texts().get(name)


def preset_description(name: str) -> str:
    """What a preset, whole or partial, is for."""
    return _DESCRIPTIONS[name]


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
