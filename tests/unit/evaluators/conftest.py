"""A configuration of digits whose search takes seconds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest


def tiny_config(**changes: Any) -> dict[str, Any]:
    """Digits, 120 of them; `changes` like {"others.seed": 1}."""
    config: dict[str, Any] = {
        "search_space": {"blocks": 2, "operators": ["identity", "3x3 conv"]},
        "search_strategy": {"max_children": 3, "max_exploration_children": 1},
        "training_hyperparameters": {"epochs": 1},
        "architecture_hyperparameters": {"filters": 4, "motifs": 2, "normal_cells_per_motif": 1},
        "dataset": {
            "type": "image_classification",
            "name": "digits",
            "batch_size": 32,
            "validation_size": 0.25,
            "samples": 120,
        },
        "others": {"timing": "simulated", "executor": {"kind": "inline"}, "train_strategy": "CPU"},
    }
    for place, value in changes.items():
        section, key = place.split(".", 1)
        config[section][key] = value
    return config


@pytest.fixture
def config() -> Callable[..., dict[str, Any]]:
    return tiny_config


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What survives a power failure is not tested here, and waiting for the disk takes most of the time."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
