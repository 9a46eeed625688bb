"""What is told of an epoch, by the names that it has in every log, and in the file of a network's epochs."""

from __future__ import annotations

import csv
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from popnas import files
from popnas.printable import quoted

_LOG = logging.getLogger(__name__)

EPOCHS_FILE = "epochs.csv"
"""In a network's folder: a column per figure, a row per epoch."""


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


def epoch_table(folds: Sequence[Sequence[Epoch]]) -> tuple[list[str], list[list[float | None]]]:
    """Header and rows of the file: the figures of each epoch, those of later folds with "fold_1/" before."""
    epochs: list[dict[str, float]] = [{} for _ in range(max(map(len, folds)))]
    for number, fold in enumerate(folds):
        before = f"fold_{number}/" if number else ""
        for told, epoch in zip(epochs, fold, strict=False):
            told.update({f"{before}{name}": value for name, value in epoch_figures(epoch).items()})
    names = list(dict.fromkeys(name for told in epochs for name in told))
    return names, [[told.get(name) for name in names] for told in epochs]


def read_epochs(folder: Path) -> list[dict[str, float]]:
    """The figures of each epoch by name; none where there is no such file, or a damaged one."""
    path = folder / EPOCHS_FILE
    if not files.is_named(path):
        return []
    try:
        rows = list(csv.DictReader(files.read_text(path).splitlines(), strict=True))
        return [{name: float(value) for name, value in row.items() if value} for row in rows]
    except (OSError, ValueError, TypeError, csv.Error) as error:
        reason = files.reason(error)
        _LOG.warning("what trackers are told of a network lacks the epochs in %s: %s", quoted(path), reason)
        return []
