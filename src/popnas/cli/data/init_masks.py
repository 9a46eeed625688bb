"""What `popnas init` proposes for images with masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from popnas.datasets import Dataset
    from popnas.records import Json

LARGEST_CROP = 224
_SMALLEST_CROP = 16


def settings(dataset: Dataset) -> Json:
    """Fields of the `dataset` section.

    `classes_count` is left out: it would mean the labels 0 to N-1, and masks may hold others.
    """
    num_training = len(dataset.train)
    found: Json = {
        "batch_size": next(size for size in (16, 8, 4) if size * 20 <= num_training or size == 4),
        "balance_class_losses": False,
        "data_augmentation": {"enabled": False, "flips": True},
    }
    crop = _crop(dataset)
    return found if crop is None else {**found, "resize": {"width": crop[1], "height": crop[0]}}


def training_size(dataset: Dataset) -> tuple[int, int]:
    """Height and width that training sees: the crop, or the smallest of whole images."""
    height, width = _crop(dataset) or tuple(int(extent) for extent in _sizes(dataset).min(axis=0))
    return height, width


def differ_in_size(dataset: Dataset) -> bool:
    """Whether training images do."""
    sizes = _sizes(dataset)
    return not bool((sizes == sizes[:1]).all())


def remarks(imbalance: float) -> dict[str, str]:
    """Why the fields have these values; `imbalance` is pixels of the largest class over the smallest's."""
    return {
        "search_strategy.score_metric": "mean_iou counts every class the same, accuracy every pixel.",
        "dataset.balance_class_losses": (
            f"The largest class has {imbalance:.1f} times the pixels of the smallest."
        ),
        "dataset.ignore_class": "Masks usually hold 255 where nothing is labelled; null if it is a class.",
        "dataset.data_augmentation": (
            "Long trainings gain by it: the presets of model selection and final training enable it. flips: "
            "false if left and right are different classes, or letters are to be found."
        ),
        "dataset.resize": "At most the size of the smallest image. Evaluation sees whole images.",
    }


def _crop(dataset: Dataset) -> tuple[int, int] | None:
    """(height, width) that all images have room for; None where whole images will do, or crops are tiny."""
    sizes = _sizes(dataset)
    height, width = (min(int(extent), LARGEST_CROP) for extent in sizes.min(axis=0))
    is_whole = bool((sizes == (height, width)).all())
    return None if is_whole or min(height, width) < _SMALLEST_CROP else (height, width)


def _sizes(dataset: Dataset) -> np.ndarray:
    """Heights and widths of all images, (n, 2)."""
    from popnas.datasets.ragged import sizes_of

    return sizes_of(dataset.full_train.x)
