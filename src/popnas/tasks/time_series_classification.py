"""Time series classification."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from popnas.networks.known.references import INCEPTION, RANDOM_KERNELS
from popnas.tasks import REGISTRY
from popnas.tasks._base import FOR_IMAGES, FOR_MASKS
from popnas.tasks._classification import ClassificationTask

if TYPE_CHECKING:
    from popnas.config.sections import DataAugmentationConfig
    from popnas.datasets.augmentation.batch import Change


@REGISTRY.register(
    "time_series_classification", description="one class per time series, of one or more channels"
)
class TimeSeriesClassification(ClassificationTask):
    """Series (t, c), of equal or unequal lengths, to classes."""

    name = data = "time_series_classification"
    num_dims = 1
    preset = "run_ts"
    references = (INCEPTION, RANDOM_KERNELS)
    unused_settings = FOR_IMAGES | FOR_MASKS
    is_for_arrays = True

    def own_changes(self, settings: DataAugmentationConfig) -> list[Change]:
        """See `Task.own_changes`."""
        from popnas.datasets.augmentation.series import SeriesChanges

        names = [item.name for item in fields(SeriesChanges)]
        strengths = {name: getattr(settings, name) for name in names}
        return [SeriesChanges(**strengths)] if any(strengths.values()) else []

    def may_read(self, x_dims: int, y_dims: int) -> bool:
        """See `Task.may_read`: (n, t) or (n, t, c), and a label each."""
        return x_dims in (2, 3) and y_dims <= 2
