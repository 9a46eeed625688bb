"""Image classification."""

from __future__ import annotations

from typing import TYPE_CHECKING

from popnas.networks.known.references import RESIDUAL
from popnas.tasks import REGISTRY
from popnas.tasks._base import FOR_MASKS, FOR_SERIES, image_changes
from popnas.tasks._classification import ClassificationTask

if TYPE_CHECKING:
    from popnas.config import RunConfig
    from popnas.config.sections import DataAugmentationConfig
    from popnas.datasets.augmentation.batch import Change
    from popnas.datasets.images.augmentation import ImageAugmentation


@REGISTRY.register("image_classification", description="one class per image")
class ImageClassification(ClassificationTask):
    """Images (h, w, c) to classes."""

    name = data = "image_classification"
    num_dims = 2
    preset = "run_cifar10"
    references = (RESIDUAL,)
    unused_settings = FOR_SERIES | FOR_MASKS
    is_for_arrays = True

    def may_read(self, x_dims: int, y_dims: int) -> bool:
        """See `Task.may_read`: (n, h, w) or (n, h, w, c), and a label each."""
        return x_dims in (3, 4) and y_dims <= 2

    def augmentation(self, config: RunConfig) -> ImageAugmentation | None:
        """Crop and flip, and cutout, as `dataset.data_augmentation` says."""
        from popnas.datasets.images.augmentation import ImageAugmentation

        settings = config.dataset.data_augmentation
        return ImageAugmentation(settings.use_cutout, settings.flips) if settings.enabled else None

    def own_changes(self, settings: DataAugmentationConfig) -> list[Change]:
        """See `Task.own_changes`."""
        return image_changes(settings)
