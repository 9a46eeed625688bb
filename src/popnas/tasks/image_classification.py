"""Image classification."""

from __future__ import annotations

from typing import TYPE_CHECKING

from popnas.datasets.images.augmentation import ImageAugmentation
from popnas.tasks import REGISTRY
from popnas.tasks._classification import ClassificationTask

if TYPE_CHECKING:
    from popnas.config import RunConfig


@REGISTRY.register("image_classification", description="one class per image")
class ImageClassification(ClassificationTask):
    """Images (h, w, c) to classes."""

    name = "image_classification"
    num_dims = 2

    def augmentation(self, config: RunConfig) -> ImageAugmentation | None:
        """Crop and flip, and cutout, as `dataset.data_augmentation` says."""
        settings = config.dataset.data_augmentation
        return ImageAugmentation(use_cutout=settings.use_cutout) if settings.enabled else None
