"""The trainings of one network in a model selection: one on each fold of the data with each seed, and what
they come to together.

Where there are several, each is judged by its last epoch, which is the one that final training keeps: the
best of many epochs flatters whatever has epochs, the more so the fewer examples validate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from popnas.config import RunConfig
from popnas.report import statistics
from popnas.report.statistics import Interval


@dataclass(frozen=True, order=True)
class Repetition:
    """Which training of a network it is, by the numbers of its seed and of its fold, from 0."""

    seed: int = 0
    fold: int = 0

    @property
    def is_first(self) -> bool:
        """Whether it is the one in the network's own folder, with all of a model's files."""
        return self == FIRST

    def folder(self, model: Path) -> Path:
        """Where it is, if the network's folder is `model`; no two trainings of a selection share a name."""
        return model if self.is_first else model / f"{model.name}-fold{self.fold}-seed{self.seed}"


FIRST = Repetition()


def wanted(folds: int, seeds: int) -> tuple[Repetition, ...]:
    """All trainings of a network: on every fold with the first seed, then with the next."""
    return tuple(Repetition(seed, fold) for seed in range(seeds) for fold in range(folds))


def wanted_by(config: RunConfig) -> tuple[Repetition, ...]:
    """Those that a selection's configuration asks for."""
    return wanted(config.dataset.folds, config.others.selection_seeds)


def words(repetitions: Sequence[Repetition]) -> str:
    """What a mean is taken over ("3 folds, 2 seeds each"); "" for one training."""
    folds, seeds = len({each.fold for each in repetitions}), len({each.seed for each in repetitions})
    if folds == 1:
        return f"{seeds} seeds" if seeds > 1 else ""
    return f"{folds} folds" + (f", {seeds} seeds each" if seeds > 1 else "")


def summary(scores: Mapping[Repetition, float], validation_size: float | None) -> Interval:
    """Mean and 95 % interval of figures of a network's trainings (or of the differences of two networks').

    Over folds, with the mean over seeds of each; of one fold over its seeds, which says nothing of how much
    depends on which examples validate. `validation_size`: the share that does; folds overlap by it.
    """
    folds = sorted({each.fold for each in scores})
    if len(folds) == 1:
        return statistics.repeated(list(scores.values()))
    means = [float(np.mean([scores[each] for each in scores if each.fold == fold])) for fold in folds]
    return statistics.repeated(means, validation_size or 0.0)
