"""The images whose masks a network predicts worst, and the page that shows them.

Axes: N images, K classes.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from popnas.datasets import Split
from popnas.report.pages import masks_page
from popnas.report.pages.masks_page import ShownMask
from popnas.storage import write_bytes, write_json, write_text
from popnas.workflows.models.tally import Tally

NUM_SHOWN = 12


@dataclass(frozen=True, order=True)
class _Scored:
    """An image's place in the split with its figures and prediction; the smallest is the best one."""

    badness: float
    minus_index: int
    accuracy: float
    predicted: Any


class WorstMasks:
    """Counts the images of a split in order and keeps the predictions of the worst `limit`.

    Images are ranked by their own mean IoU, over the classes that occur in the truth or the prediction;
    those without a labelled pixel have none and are left out. Of equal ones the first counts as worse.
    """

    def __init__(self, num_classes: int, limit: int = NUM_SHOWN) -> None:
        self.num_classes, self.limit = num_classes, limit
        self.num_images = 0
        self.confusion_KK = np.zeros((num_classes, num_classes), np.int64)
        self._kept: list[_Scored] = []

    def update(self, probabilities_NK: np.ndarray, y_N: np.ndarray) -> None:
        """Count a batch: probabilities (n, K, h, w), true masks (n, h, w)."""
        for predicted_HW, y_HW in zip(probabilities_NK.argmax(axis=1), y_N, strict=True):
            counts_KK = self._confusion(predicted_HW, y_HW)
            self.confusion_KK += counts_KK
            if counts_KK.any():
                figures = summary(counts_KK)
                self._keep(figures, predicted_HW.astype(np.uint8))
            self.num_images += 1

    def _confusion(self, predicted_HW: np.ndarray, y_HW: np.ndarray) -> np.ndarray:
        is_counted_HW = y_HW < self.num_classes
        pairs = y_HW[is_counted_HW].astype(np.int64) * self.num_classes + predicted_HW[is_counted_HW]
        return np.bincount(pairs, minlength=self.num_classes**2).reshape(self.num_classes, -1)

    def _keep(self, figures: Mapping[str, float], predicted_HW: np.ndarray) -> None:
        item = _Scored(-figures["mean_iou"], -self.num_images, figures["accuracy"], predicted_HW)
        if len(self._kept) < self.limit:
            heapq.heappush(self._kept, item)
        else:
            heapq.heappushpop(self._kept, item)

    def shown(self, split: Split) -> list[ShownMask]:
        """The kept ones, the worst first, with what the split has of them."""
        return [
            ShownMask(
                name=str(split.names[index]) if split.names is not None else f"image {index}",
                x=np.asarray(split.x[index]),
                y=np.asarray(split.y[index]),
                predicted=item.predicted,
                mean_iou=-item.badness,
                accuracy=item.accuracy,
            )
            for item in sorted(self._kept, reverse=True)
            for index in [-item.minus_index]
        ]


def summary(confusion_KK: np.ndarray) -> dict[str, float]:
    """Mean IoU over classes with a union, and accuracy, of a confusion matrix that is not empty."""
    right_K = confusion_KK.diagonal()
    union_K = confusion_KK.sum(axis=0) + confusion_KK.sum(axis=1) - right_K
    has_union_K = union_K > 0
    return {
        "mean_iou": float((right_K[has_union_K] / union_K[has_union_K]).mean()),
        "accuracy": float(right_K.sum() / confusion_KK.sum()),
    }


def content_of(
    worst: WorstMasks,
    shown: list[ShownMask],
    class_names: list[str],
    *,
    model: str,
    split: str,
    note: str | None = None,
) -> dict[str, Any]:
    """What pages and programs read: figures of the split, of each class and of the worst images."""
    tally = Tally(worst.num_classes, has_iou=True)
    tally.confusion_KK = worst.confusion_KK
    return {
        "model": model,
        "split": split,
        "num_images": worst.num_images,
        "metrics": summary(worst.confusion_KK),
        "classes": [
            {"name": name, **figures} for name, figures in zip(class_names, tally.classes(), strict=True)
        ],
        "images": [
            {"name": item.name, "mean_iou": item.mean_iou, "accuracy": item.accuracy} for item in shown
        ],
        "num_in_report": masks_page.NUM_IN_REPORT,
        "note": note,
    }


def write(folder: Path, content: dict[str, Any], shown: list[ShownMask]) -> Path:
    """Write the page into a model's folder, and beside it what the run's report shows; returns the page.

    Raises:
        StorageError: the disk refused.
    """
    page = folder / page_name(content["split"])
    if shown:
        write_bytes(page.with_suffix(".png"), masks_page.montage(shown, len(content["classes"])))
    write_json(page.with_suffix(".json"), content)
    write_text(page, masks_page.html(content, shown))
    return page


def page_name(split: str) -> str:
    """The page's name in a model's folder."""
    return "masks.html" if split == "test" else f"masks_{split}.html"
