"""What a network's answers on a split say: confusion, precision and recall per class, calibration.

Axes: N samples (segmentation: with pixels behind), K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from popnas.report.model_results import Calibration, ClassFigures, ConfidenceBin

NUM_BINS = 15


class Confusion:
    """`counts_KK` (K, K) int64: how often true classes (rows) were answered with which ones (columns)."""

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.counts_KK = np.zeros((num_classes, num_classes), np.int64)

    def update(self, predicted: np.ndarray, y: np.ndarray) -> None:
        """Count answers, both of one shape; truth that is no class (ignored pixels) is left out."""
        is_counted = (y >= 0) & (y < self.num_classes)
        pairs_N = y[is_counted].astype(np.int64) * self.num_classes + predicted[is_counted]
        self.counts_KK += np.bincount(pairs_N, minlength=self.counts_KK.size).reshape(self.counts_KK.shape)


class Tally:
    """Counts answers batch by batch."""

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.confusion = Confusion(num_classes)
        self._bins = np.zeros((3, NUM_BINS))  # answers, sum of confidences, right answers

    def update(self, probabilities_NK: np.ndarray, y_N: np.ndarray) -> None:
        """Count a batch; classes that the network does not know (ignored pixels) are left out."""
        predicted_N, confidence_N = probabilities_NK.argmax(axis=1), probabilities_NK.max(axis=1)
        self.confusion.update(predicted_N, y_N)
        is_counted_N = (y_N >= 0) & (y_N < self.num_classes)
        y_N, predicted_N = y_N[is_counted_N], predicted_N[is_counted_N]
        confidence_N = confidence_N[is_counted_N].astype(np.float64)
        bins_N = np.clip(np.ceil(confidence_N * NUM_BINS).astype(int) - 1, 0, NUM_BINS - 1)
        for row, weights_N in enumerate((None, confidence_N, predicted_N == y_N)):
            self._bins[row] += np.bincount(bins_N, weights_N, minlength=NUM_BINS)

    def calibration(self) -> Calibration:
        """See `Calibration`; the bins are 15."""
        counts, confidences, rights = self._bins
        error = np.abs(confidences - rights).sum() / max(counts.sum(), 1)
        bins = [
            ConfidenceBin(
                low=number / NUM_BINS,
                high=(number + 1) / NUM_BINS,
                count=int(counts[number]),
                confidence=_ratio(confidences[number], counts[number]),
                accuracy=_ratio(rights[number], counts[number]),
            )
            for number in range(NUM_BINS)
        ]
        return Calibration(float(error), bins)


def class_figures(confusion_KK: np.ndarray, class_names: Sequence[str]) -> list[ClassFigures]:
    """The figures of each class, None where nothing is to divide by."""
    right_K = confusion_KK.diagonal()
    support_K, predicted_K = confusion_KK.sum(axis=1), confusion_KK.sum(axis=0)
    return [
        ClassFigures(
            name=name,
            precision=_ratio(right, predicted),
            recall=_ratio(right, support),
            f1_score=_ratio(2 * right, support + predicted),
            iou=_ratio(right, support + predicted - right),
            support=int(support),
        )
        for name, right, support, predicted in zip(class_names, right_K, support_K, predicted_K, strict=True)
    ]


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None
