"""Semantic segmentation: a class for every pixel of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from popnas.networks.known.references import DEEPLAB
from popnas.tasks import REGISTRY
from popnas.tasks._base import FOR_SERIES, Loss, MetricAccumulator, Task, image_changes

if TYPE_CHECKING:
    import numpy as np

    from popnas.config import RunConfig
    from popnas.config.sections import DataAugmentationConfig
    from popnas.datasets import Dataset, Split
    from popnas.datasets.augmentation.batch import Change
    from popnas.datasets.masks.loader import SegmentationLoader
    from popnas.placement import Placement


_IN_EVALUATION = 2
"""An evaluation batch may have so many times the pixels of as many crops: it keeps no activations."""


def figures(confusion_KK: np.ndarray) -> dict[str, float]:
    """Accuracy and mean IoU of the number of pixels by true class (rows) and predicted class (columns)."""
    import torch

    from popnas.tasks import _pixel_metrics

    return _pixel_metrics.figures(torch.from_numpy(confusion_KK))


@REGISTRY.register("image_segmentation", description="one class per pixel of an image")
class ImageSegmentation(Task):
    """Images (h, w, c) to a class per pixel.

    Training sees random crops of the size `dataset.resize` (whole images without it), flipped and changed at
    random as `dataset.data_augmentation` says; evaluation sees whole images of any size.
    """

    name = data = "image_segmentation"
    num_dims = 2
    score_metrics = ("mean_iou", "accuracy")
    even_metric = "mean_iou"
    preset = "run_seg"
    is_per_pixel = True
    references = (DEEPLAB,)
    unused_settings = FOR_SERIES | {
        "dataset.data_augmentation.use_cutout": "has no effect in segmentation; erasing does much the same.",
        "training_hyperparameters.label_smoothing": "is ignored in segmentation.",
    }

    def may_read(self, x_dims: int, y_dims: int) -> bool:
        """See `Task.may_read`: a label for every pixel."""
        return y_dims > 2

    def default_macro(self, config: RunConfig) -> str:
        """The macro-architecture of `architecture_hyperparameters.segmentation_decoder`."""
        return f"segmentation_{config.architecture_hyperparameters.segmentation_decoder}"

    def loss(self, config: RunConfig, dataset: Dataset) -> Loss:
        """Cross-entropy per pixel, with class weights if classes are balanced; labels are never smoothed."""
        from popnas.tasks._pixel_metrics import SegmentationLoss

        return SegmentationLoss(dataset.class_weights)

    def metrics(self, num_classes: int) -> MetricAccumulator:
        """A fresh accumulator of pixel accuracy and mean IoU."""
        from popnas.tasks._pixel_metrics import SegmentationMetrics

        return SegmentationMetrics(num_classes)

    def own_changes(self, settings: DataAugmentationConfig) -> list[Change]:
        """See `Task.own_changes`."""
        return image_changes(settings)

    def train_loader(
        self,
        config: RunConfig,
        dataset: Dataset,
        split: Split,
        placement: Placement,
        *,
        seed: int,
    ) -> SegmentationLoader:
        """Shuffled crops of `dataset.batch_size` images with their masks."""
        from popnas.datasets.masks.loader import PairAugmentation, SegmentationLoader

        resize, settings = config.dataset.resize, config.dataset.data_augmentation
        return SegmentationLoader(
            split,
            dataset.preprocessing,
            placement,
            self.batching(config, seed),
            augmentation=PairAugmentation(
                crop=None if resize is None else (resize.height, resize.width),
                flips=settings.enabled and settings.flips,
            ),
            is_cached=config.dataset.cache,
        )

    def evaluation_loader(
        self, config: RunConfig, dataset: Dataset, split: Split, placement: Placement
    ) -> SegmentationLoader:
        """Whole images in batches of `dataset.val_test_batch_size`, ordered as `SegmentationLoader` says.

        Images that are larger than what is trained on come in smaller batches: with crops of 224x224 and a
        batch size of 16, one image of 2048x1024 fills a batch.
        """
        from popnas.datasets.loader import Batching
        from popnas.datasets.masks.loader import SegmentationLoader

        height, width = dataset.input_shape[:2]
        batch_size = config.dataset.val_test_batch_size or config.dataset.batch_size
        return SegmentationLoader(
            split,
            dataset.preprocessing,
            placement,
            Batching(batch_size),
            max_pixels=_IN_EVALUATION * batch_size * height * width,
            is_cached=config.dataset.cache,
        )
