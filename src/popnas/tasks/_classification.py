"""What image and time series classification share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from popnas.tasks._base import Loss, MetricAccumulator, Task

if TYPE_CHECKING:
    from popnas.config import RunConfig
    from popnas.datasets import Dataset


class ClassificationTask(Task):
    """A task of one class per sample."""

    score_metrics = ("accuracy", "f1_score")
    even_metric = "f1_score"

    def loss(self, config: RunConfig, dataset: Dataset) -> Loss:
        """Cross-entropy with the configuration's label smoothing and, if classes are balanced, their
        weights.
        """
        from popnas.tasks._class_metrics import ClassificationLoss

        return ClassificationLoss(config.training_hyperparameters.label_smoothing, dataset.class_weights)

    def metrics(self, num_classes: int) -> MetricAccumulator:
        """A fresh accumulator of accuracy, macro F1 and top-5 accuracy."""
        from popnas.tasks._class_metrics import ClassificationMetrics

        return ClassificationMetrics(num_classes)
