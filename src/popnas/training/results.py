"""What a training leaves behind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from popnas.records import Record

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class EpochRecord(Record):
    """One epoch: mean training loss, the rate of its last step, validation metrics per head (the last is
    the main one; without validation data those of training batches).

    `validation_loss` is what training minimises, on validation data; `training_accuracy` the main head's on
    training batches, as they were when they were trained on. None: not measured.
    `training_seconds` is on the clock that the timing asks for; `validation_seconds` on the
    host's (`clocks.host_clock`).
    """

    loss: float
    learning_rate: float
    head_metrics: list[dict[str, float]]
    training_seconds: float
    validation_seconds: float
    validation_loss: float | None = None
    training_accuracy: float | None = None


@dataclass(frozen=True)
class TrainingResult:
    """A finished training.

    `metrics`: each its own best over epochs and heads. `best_epoch` (from 0) and `best_state` (a state
    dict, copied): the first epoch with the best score of the last head. `training_seconds`: the sum over
    epochs.
    """

    epochs: list[EpochRecord]
    metrics: dict[str, float]
    best_epoch: int
    best_state: dict[str, Tensor]
    training_seconds: float

    @property
    def head_metrics(self) -> list[dict[str, float]]:
        """Per head, each metric's best over epochs."""
        heads = zip(*(record.head_metrics for record in self.epochs), strict=True)
        return [best_of_each(list(head)) for head in heads]


def best_of_each(measured: Iterable[dict[str, float]]) -> dict[str, float]:
    """Each metric's own maximum."""
    best: dict[str, float] = {}
    for metrics in measured:
        for name, value in metrics.items():
            best[name] = max(value, best.get(name, value))
    return best
