"""What sources of classification data read, and how it becomes a `Dataset`: labels, sample limit, splits, "
"folds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from popnas.datasets import labels as class_labels
from popnas.datasets import splits
from popnas.datasets.dataset import Dataset, Fold, Split
from popnas.datasets.preprocessing import Preprocessing
from popnas.errors import DataError

if TYPE_CHECKING:
    from popnas.config import DatasetConfig


@dataclass(frozen=True)
class Arrays:
    """The examples of one split at one shape: x (n, ...) raw, `lengths` (n,) or None."""

    x: np.ndarray
    lengths: np.ndarray | None = None


@dataclass
class LabelledData(ABC):
    """Examples with one label each, by split name ("train" always, "validation" and "test" if there are
    such).

    `place` names the data set in messages; `label_names[i]` is the display name of the label i, where the
    source knows it.
    """

    place: str
    labels: Mapping[str, np.ndarray]
    label_names: Sequence[str] | None = None

    @abstractmethod
    def arrays(self, config: DatasetConfig, notes: list[str]) -> dict[str, Arrays]:
        """Each split's examples, checked, all at one shape.

        Raises:
            DataError: examples that cannot be brought to one shape, or that hold NaN.
        """

    @abstractmethod
    def fit(self, train: Split, config: DatasetConfig, notes: list[str]) -> Preprocessing:
        """The preprocessing, from training examples alone."""

    def assemble(self, config: DatasetConfig, seed: int) -> Dataset:
        """The data set of a run: labels as class indices, samples drawn, split and folded, preprocessing "
        "fitted."""
        notes: list[str] = []
        self._check_sizes()
        encoding = class_labels.encode(
            self.labels,
            place=self.place,
            classes_count=config.classes_count,
            remapping=config.class_labels_remapping,
            label_names=self.label_names,
            notes=notes,
        )
        parts = {
            name: Split(arrays.x, encoding.y[name], arrays.lengths)
            for name, arrays in self.arrays(config, notes).items()
        }
        train = parts["train"]
        if config.samples is not None:
            rng = splits.generator(seed, "samples")
            train = train.take(splits.limit_samples(train.y, config.samples, rng, notes))
        pool, folds = self._folds(train, parts.get("validation"), encoding.class_names, config, seed, notes)
        first = folds[0].train
        weights = class_labels.class_weights(first.y, len(encoding.class_names))
        return Dataset(
            place=self.place,
            full_train=pool,
            folds=folds,
            test=parts.get("test"),
            class_names=encoding.class_names,
            class_weights=weights if config.balance_class_losses else None,
            preprocessing=self.fit(first, config, notes),
            warnings=notes,
        )

    def _check_sizes(self) -> None:
        for name, values in self.labels.items():
            if len(values) == 0:
                raise DataError(
                    f"The {name} split of {self.place} is empty. Put examples into it, or remove it."
                )

    def _folds(
        self,
        train: Split,
        validation: Split | None,
        class_names: list[str],
        config: DatasetConfig,
        seed: int,
        notes: list[str],
    ) -> tuple[Split, list[Fold]]:
        """The pool of all training and validation examples, first fold's training part first, and the folds "
        "over it."""
        if config.validation_size is None:
            if validation is None:
                raise DataError(
                    f"dataset.validation_size is null, so {self.place} must have a separate validation "
                    f"split, and it has none (found: {', '.join(self.labels)}). Give a fraction such as 0.1 "
                    "to take it from the training split."
                )
            if config.folds > 1:
                raise DataError(
                    f"dataset.folds is {config.folds}, which needs dataset.validation_size: each fold is a "
                    "split of the training data. Give a fraction such as 0.1, or folds 1."
                )
            pool = _concatenate(train, validation)
            return pool, [Fold(pool, slice(0, len(train)), slice(len(train), len(pool)))]
        if validation is not None:
            notes.append(
                f"the separate validation split of {self.place} is not used, because dataset.validation_size "
                f"is {config.validation_size:g}; write null to use it"
            )
        _warn_of_single_examples(train.y, class_names, notes)
        divisions = [
            splits.divide(train.y, config.validation_size, splits.generator(seed, "fold", k), class_names)
            for k in range(config.folds)
        ]
        # The pool in the first fold's order makes that fold's parts views: no second copy of the data.
        order = np.concatenate([divisions[0].train, divisions[0].validation])
        position = np.argsort(order)
        pool, num_train = train.take(order), len(divisions[0].train)
        first = Fold(pool, slice(0, num_train), slice(num_train, len(pool)))
        others = [
            Fold(pool, np.sort(position[d.train]), np.sort(position[d.validation])) for d in divisions[1:]
        ]
        return pool, [first, *others]


def _concatenate(first: Split, second: Split) -> Split:
    lengths = None
    if first.lengths is not None and second.lengths is not None:
        lengths = np.concatenate([first.lengths, second.lengths])
    return Split(np.concatenate([first.x, second.x]), np.concatenate([first.y, second.y]), lengths)


def _warn_of_single_examples(y: np.ndarray, class_names: list[str], notes: list[str]) -> None:
    single = [class_names[c] for c in np.flatnonzero(np.bincount(y, minlength=len(class_names)) == 1)]
    if single:
        shown = ", ".join(f"'{name}'" for name in single[:8]) + (", ..." if len(single) > 8 else "")
        notes.append(
            f"{len(single)} class{'es have' if len(single) > 1 else ' has'} a single training example, which "
            f"stays in training, so validation says nothing about {shown}"
        )
