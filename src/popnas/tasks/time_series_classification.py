"""Time series classification."""

from __future__ import annotations

from popnas.tasks import REGISTRY
from popnas.tasks._classification import ClassificationTask


@REGISTRY.register(
    "time_series_classification", description="one class per time series, of one or more channels"
)
class TimeSeriesClassification(ClassificationTask):
    """Series (t, c), of equal or unequal lengths, to classes."""

    name = "time_series_classification"
    num_dims = 1
