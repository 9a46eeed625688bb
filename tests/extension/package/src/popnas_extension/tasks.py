"""`graded_images`: images whose classes are grades, where the next grade is nearly right."""

from __future__ import annotations

from torch import Tensor

from popnas.tasks import REGISTRY, MetricAccumulator
from popnas.tasks.image_classification import ImageClassification


class _GradedMetrics:
    """The metrics of classification, and the share of answers at most one grade off (`near_accuracy`)."""

    def __init__(self, inner: MetricAccumulator) -> None:
        self._inner = inner
        self._near = self._total = 0

    def update(self, logits: Tensor, y: Tensor) -> None:
        self._inner.update(logits, y)
        self._near += int(((logits.argmax(dim=1) - y).abs() <= 1).sum())
        self._total += len(y)

    def compute(self) -> dict[str, float]:
        return {"near_accuracy": self._near / self._total, **self._inner.compute()}


@REGISTRY.register("graded_images", description="one grade per image")
class GradedImages(ImageClassification):
    """Reads the data of image classification, and scores answers by how far off they are."""

    name = "graded_images"
    score_metrics = ("near_accuracy", "accuracy")
    unused_settings = ImageClassification.unused_settings | {
        "dataset.data_augmentation.use_cutout": "has no effect on grades, which a blank square changes."
    }

    def metrics(self, num_classes: int) -> MetricAccumulator:
        """See `Task.metrics`."""
        return _GradedMetrics(super().metrics(num_classes))
