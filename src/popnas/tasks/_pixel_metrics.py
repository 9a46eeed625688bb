"""Loss and metrics of a class per pixel.

Axes: B batch, K classes, H W height and width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from popnas.datasets.masks.mask_files import IGNORED

if TYPE_CHECKING:
    import numpy as np


class SegmentationLoss:
    """Cross-entropy per pixel, times the weight of the true class, mean over the counted pixels.

    Not torch's weighted mean, which divides by the sum of the weights. A batch without a counted pixel has
    the loss 0.
    """

    def __init__(self, class_weights: np.ndarray | None = None) -> None:
        self._weights_K = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float32)

    def __call__(self, logits_BKHW: Tensor, y_BHW: Tensor) -> Tensor:
        """The mean loss of a batch; y is `IGNORED` where nothing counts."""
        if self._weights_K is not None and self._weights_K.device != logits_BKHW.device:
            self._weights_K = self._weights_K.to(logits_BKHW.device)
        total = functional.cross_entropy(
            logits_BKHW.float(), y_BHW, weight=self._weights_K, ignore_index=IGNORED, reduction="sum"
        )
        return total / self.count(y_BHW).clamp(min=1)

    def count(self, y_BHW: Tensor) -> Tensor:
        """How many pixels count, (): what the loss is the mean over."""
        return (y_BHW != IGNORED).sum()


class SegmentationMetrics:
    """Pixel accuracy and mean IoU from one confusion matrix of all counted pixels, which stays on the
    device until `compute`.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self._counts: Tensor | None = None

    def update(self, logits_BKHW: Tensor, y_BHW: Tensor) -> None:
        """Count a batch."""
        self.update_classes(logits_BKHW.argmax(dim=1), y_BHW)

    def update_classes(self, predicted_BHW: Tensor, y_BHW: Tensor) -> None:
        """Count a batch of predicted classes."""
        num_cells = self.num_classes**2
        y_BHW = y_BHW.long()
        # The last cell takes the pixels that do not count.
        cells_BHW = torch.where(y_BHW == IGNORED, num_cells, y_BHW * self.num_classes + predicted_BHW)
        counts = _counts_of(cells_BHW, num_cells + 1)
        self._counts = counts if self._counts is None else self._counts + counts

    def sum_up(self, total: Callable[[Tensor], Tensor], device: torch.device) -> None:
        """See `MetricAccumulator`."""
        nothing = torch.zeros(self.num_classes**2 + 1, dtype=torch.int64, device=device)
        self._counts = total(nothing if self._counts is None else self._counts)

    def compute(self) -> dict[str, float]:
        """See `figures`."""
        assert self._counts is not None, "no batch was counted"
        return figures(self._counts[:-1].view(self.num_classes, self.num_classes).cpu())


def _counts_of(cells_BHW: Tensor, num_cells: int) -> Tensor:
    """How often there is each number below `num_cells`."""
    if cells_BHW.device.type == "cpu":
        return torch.bincount(cells_BHW.flatten(), minlength=num_cells)
    # bincount would wait for the device to learn the largest number. Counted by image, so that fewer pixels
    # add to the same place at once.
    cells_BP = cells_BHW.flatten(1)
    counts_BN = cells_BP.new_zeros((len(cells_BP), num_cells))
    return counts_BN.scatter_add_(1, cells_BP, torch.ones_like(cells_BP)).sum(0)


def figures(confusion_KK: Tensor) -> dict[str, float]:
    """`accuracy` (of counted pixels) and `mean_iou` (over classes with a union) of the number of pixels by
    true class (rows) and predicted class (columns).
    """
    confusion_KK = confusion_KK.double()
    correct_K = confusion_KK.diagonal()
    union_K = confusion_KK.sum(dim=0) + confusion_KK.sum(dim=1) - correct_K
    has_union_K = union_K > 0
    iou = correct_K[has_union_K] / union_K[has_union_K]
    return {
        "accuracy": float(correct_K.sum() / confusion_KK.sum().clamp(min=1)),
        "mean_iou": float(iou.mean()) if len(iou) else 0.0,
    }
