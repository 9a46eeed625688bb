"""Loss and metrics of one class per sample.

Axes: B batch, K classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    import numpy as np

_TOP = 5


class ClassificationLoss:
    """Cross-entropy, smoothed per sample, times the weight of the true class, mean over the batch.

    Not torch's weighted cross-entropy: that divides by the sum of the weights, and smooths with the weights
    of all classes.
    """

    def __init__(self, label_smoothing: float = 0.0, class_weights: np.ndarray | None = None) -> None:
        self.label_smoothing = label_smoothing
        self._weights_K = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float32)

    def __call__(self, logits_BK: Tensor, y_B: Tensor) -> Tensor:
        """The mean loss of a batch."""
        if self._weights_K is None:
            return functional.cross_entropy(logits_BK, y_B, label_smoothing=self.label_smoothing)
        if self._weights_K.device != logits_BK.device:
            self._weights_K = self._weights_K.to(logits_BK.device)
        loss_B = functional.cross_entropy(
            logits_BK, y_B, label_smoothing=self.label_smoothing, reduction="none"
        )
        return (loss_B * self._weights_K[y_B]).mean()


class ClassificationMetrics:
    """Accuracy, macro F1 and top-5 accuracy, from a confusion matrix and a count that stay on the device
    until `compute`.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self._counts: Tensor | None = None

    def update(self, logits_BK: Tensor, y_B: Tensor) -> None:
        """Count a batch."""
        num_cells = self.num_classes**2
        if self._counts is None:
            self._counts = self._nothing(logits_BK.device)
        cells_B = y_B * self.num_classes + logits_BK.argmax(dim=1)
        # index_add_ and not bincount, which waits for the device to learn the largest value.
        self._counts.index_add_(0, cells_B, torch.ones_like(cells_B))
        if self.num_classes >= _TOP:
            self._counts[num_cells] += (logits_BK.topk(_TOP, dim=1).indices == y_B[:, None]).sum()

    def sum_up(self, total: Callable[[Tensor], Tensor], device: torch.device) -> None:
        """See `MetricAccumulator`."""
        self._counts = total(self._nothing(device) if self._counts is None else self._counts)

    def _nothing(self, device: torch.device) -> Tensor:
        """The confusion matrix (true x predicted), then the number of top-5 hits."""
        return torch.zeros(self.num_classes**2 + 1, dtype=torch.int64, device=device)

    def compute(self) -> dict[str, float]:
        """`accuracy`, `f1_score` (mean over classes present in truth or prediction), `top_k_accuracy` (1
        below 5 classes).
        """
        assert self._counts is not None, "no batch was counted"
        counts = self._counts.cpu()
        confusion_KK, hits = counts[:-1].view(self.num_classes, self.num_classes).double(), int(counts[-1])
        total, correct_K = confusion_KK.sum(), confusion_KK.diagonal()
        occurrences_K = confusion_KK.sum(dim=0) + confusion_KK.sum(dim=1)
        is_present_K = occurrences_K > 0
        f1_K = 2 * correct_K[is_present_K] / occurrences_K[is_present_K]
        return {
            "accuracy": float(correct_K.sum() / total),
            "f1_score": float(f1_K.mean()),
            "top_k_accuracy": hits / float(total) if self.num_classes >= _TOP else 1.0,
        }
