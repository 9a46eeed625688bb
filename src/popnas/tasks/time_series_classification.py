"""Time series classification."""

from __future__ import annotations

from popnas.networks.known.references import INCEPTION, RANDOM_KERNELS
from popnas.tasks import REGISTRY
from popnas.tasks._base import FOR_IMAGES, FOR_MASKS
from popnas.tasks._classification import ClassificationTask


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

    def may_read(self, x_dims: int, y_dims: int) -> bool:
        """See `Task.may_read`: (n, t) or (n, t, c), and a label each."""
        return x_dims in (2, 3) and y_dims <= 2
