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
from popnas.report.model_results import MaskScores, MasksResult
from popnas.report.pages import masks_page
from popnas.report.pages.masks_page import ShownMask
from popnas.storage import write_bytes, write_json, write_text
from popnas.tasks.image_segmentation import figures
from popnas.workflows.models.answers.tally import Confusion, class_figures

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
            own = Confusion(self.num_classes)
            own.update(predicted_HW, y_HW)
            self.confusion_KK += own.counts_KK
            if own.counts_KK.any():
                self._keep(figures(own.counts_KK), predicted_HW.astype(np.uint8))
            self.num_images += 1

    def _keep(self, found: Mapping[str, float], predicted_HW: np.ndarray) -> None:
        item = _Scored(-found["mean_iou"], -self.num_images, found["accuracy"], predicted_HW)
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


def result_of(
    worst: WorstMasks,
    shown: list[ShownMask],
    class_names: list[str],
    *,
    model: str,
    split: str,
    note: str | None = None,
) -> MasksResult:
    """What pages and programs read: figures of the split, of each class and of the worst images."""
    return MasksResult(
        model=model,
        split=split,
        num_images=worst.num_images,
        metrics=figures(worst.confusion_KK),
        classes=class_figures(worst.confusion_KK, class_names),
        images=[MaskScores(item.name, item.mean_iou, item.accuracy) for item in shown],
        num_in_report=masks_page.NUM_IN_REPORT,
        note=note,
    )


def write(folder: Path, result: MasksResult, shown: list[ShownMask]) -> Path:
    """Write the page into a model's folder, and beside it what the run's report shows; returns the page.

    Raises:
        StorageError: the disk refused.
    """
    page = folder / page_name(result.split)
    if shown:
        write_bytes(page.with_suffix(".png"), masks_page.montage(shown, len(result.classes)))
    write_json(page.with_suffix(".json"), result.to_json())
    write_text(page, masks_page.html(result, shown))
    return page


def page_name(split: str) -> str:
    """The page's name in a model's folder."""
    return "masks.html" if split == "test" else f"masks_{split}.html"
