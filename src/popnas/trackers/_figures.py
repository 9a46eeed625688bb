"""What is told of an epoch, by the names that it has in every log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


class Epoch(Protocol):
    """What is logged of an epoch (`training.EpochRecord` has it)."""

    @property
    def loss(self) -> float:
        """Mean training loss."""

    @property
    def learning_rate(self) -> float:
        """The epoch's last learning rate."""

    @property
    def head_metrics(self) -> Sequence[Mapping[str, float]]:
        """Metrics per output, the main one last: of validation data, or of training batches without."""

    @property
    def training_seconds(self) -> float:
        """Seconds in training."""

    @property
    def validation_loss(self) -> float | None:
        """Mean loss on validation data; None without them."""

    @property
    def training_accuracy(self) -> float | None:
        """Accuracy on training batches; None where it was not counted."""


def epoch_figures(epoch: Epoch, metrics_of: str = "validation") -> dict[str, float]:
    """An epoch's figures by the names that they have in the log; `metrics_of`: the data of its metrics."""
    figures = {
        "loss": epoch.loss,
        "learning_rate": epoch.learning_rate,
        "training_seconds": epoch.training_seconds,
    }
    measured = {"validation/loss": epoch.validation_loss, "training/accuracy": epoch.training_accuracy}
    figures |= {name: value for name, value in measured.items() if value is not None}
    *others, main = epoch.head_metrics
    figures |= {f"{metrics_of}/{name}": value for name, value in main.items()}
    for head, metrics in enumerate(others):
        figures |= {f"{metrics_of}_head_{head}/{name}": value for name, value in metrics.items()}
    return figures
