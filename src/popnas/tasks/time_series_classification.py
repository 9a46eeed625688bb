"""Time series classification."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from popnas.networks.known.references import (
    INCEPTION,
    RANDOM_KERNELS,
    RANDOM_KERNELS_OF_DIFFERENCES,
)
from popnas.tasks import REGISTRY
from popnas.tasks._base import FOR_IMAGES, FOR_MASKS
from popnas.tasks._classification import ClassificationTask

if TYPE_CHECKING:
    from popnas.config.sections import DataAugmentationConfig
    from popnas.datasets.augmentation.batch import Change


_LONGEST_KERNEL, _SHORTEST_KERNEL = 39, 9
"""Of the longest convolution: a quarter of the series, between these."""


def kernels(num_timesteps: int) -> tuple[int, int, int]:
    """Lengths of convolutions, odd, each about half of the next: 9, 19 and 39 from 156 timesteps on."""
    longest = min(max(num_timesteps // 4, _SHORTEST_KERNEL), _LONGEST_KERNEL)
    short, middle, long = (max(longest // 2**halvings, 3) for halvings in (2, 1, 0))
    return short - (short % 2 == 0), middle - (middle % 2 == 0), long - (long % 2 == 0)


@REGISTRY.register(
    "time_series_classification", description="one class per time series, of one or more channels"
)
class TimeSeriesClassification(ClassificationTask):
    """Series (t, c), of equal or unequal lengths, to classes."""

    name = data = "time_series_classification"
    num_dims = 1
    preset = "run_ts"
    references = (INCEPTION, RANDOM_KERNELS, RANDOM_KERNELS_OF_DIFFERENCES)
    selection_preset = "model_selection_ts"
    training_preset = "last_training_ts"
    unused_settings = FOR_IMAGES | FOR_MASKS
    is_for_arrays = True

    def operators_for(self, size: tuple[int, ...]) -> tuple[str, ...]:
        """See `Task.operators_for`: as those of the preset, with kernels that suit the series' length."""
        lengths = dict.fromkeys(kernels(size[0]))  # of short series two are one
        return (
            "identity",
            *(f"{kernel} {family}" for family in ("dconv", "conv") for kernel in lengths),
            *(f"{min(lengths)}:{dilation}dr conv" for dilation in (2, 4)),
            *("3 maxpool", "2 avgpool", "lstm", "gru"),
        )

    def own_changes(self, settings: DataAugmentationConfig) -> list[Change]:
        """See `Task.own_changes`."""
        from popnas.datasets.augmentation.series import SeriesChanges

        names = [item.name for item in fields(SeriesChanges)]
        strengths = {name: getattr(settings, name) or 0.0 for name in names}
        return [SeriesChanges(**strengths)] if any(strengths.values()) else []

    def may_read(self, x_dims: int, y_dims: int) -> bool:
        """See `Task.may_read`: (n, t) or (n, t, c), and a label each."""
        return x_dims in (2, 3) and y_dims <= 2
