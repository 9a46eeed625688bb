"""What is learnt from augmented examples holds for those that nobody has changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from popnas import networks, tasks, training
from popnas.cells import Cell
from popnas.placement import Placement
from popnas.training import Course, Criteria, TrainingSettings
from popnas.workflows.settings import load_config


@pytest.mark.slow
@pytest.mark.parametrize(
    "augmentation",
    [{}, {"trivial_augment": True}, {"erasing": 0.25}, {"mixup": 0.2}, {"cutmix": 0.2}],
    ids=str,
)
def test_small_images_are_learnt_as_well(
    tiny_config: Callable[..., dict[str, Any]], one_thread: None, augmentation: dict[str, Any]
) -> None:
    """Images of 8x8 pixels: whatever blurs or cuts away too much of them shows here first."""
    changes = {
        "dataset.samples": None,
        "dataset.data_augmentation": {"enabled": True, "flips": False, **augmentation},
        "training_hyperparameters.epochs": 25,
        "training_hyperparameters.learning_rate": 0.01,
        "training_hyperparameters.optimizer": {"type": "adamW", "scheduler": "cd"},
        "architecture_hyperparameters.filters": 8,
    }
    config = load_config(tiny_config(**changes))
    task = tasks.get(config.dataset.type)
    dataset = task.load(config, need_test=False)
    fold, spec = dataset.folds[0], task.network_spec(config, dataset)
    place = Placement.on("cpu", num_dims=spec.num_dims, filters=spec.filters)
    torch.manual_seed(0)
    result = training.fit(
        networks.build(Cell.parse("[(-1, 3x3 conv, -1, 3x3 conv)]"), spec),
        task.train_loader(config, dataset, fold.train, place, seed=0),
        task.evaluation_loader(config, dataset, fold.validation, place),
        Criteria(task.loss(config, dataset), lambda: task.metrics(dataset.num_classes)),
        TrainingSettings.from_config(config),
        place,
        Course(0),
    )
    assert result.epochs[-1].head_metrics[-1]["accuracy"] > 0.95
