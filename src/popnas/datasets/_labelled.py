"""What sources of classification data read, and how it becomes a `Dataset`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from popnas.datasets import folds, splits, variation
from popnas.datasets import labels as class_labels
from popnas.datasets.dataset import Dataset, FittedLengths, Split
from popnas.datasets.findings import Findings, Notes, explained
from popnas.datasets.preprocessing import Origin, Preprocessing
from popnas.errors import DataError, MissingValidationError

if TYPE_CHECKING:
    from popnas.config import DatasetConfig


@dataclass(frozen=True)
class Arrays:
    """The examples of one split at one shape: x (n, ...) raw, `lengths` (n,) or None; `original_sizes` (n, 2)
    of images that were resized.
    """

    x: np.ndarray
    lengths: np.ndarray | None = None
    original_sizes: np.ndarray | None = None


@dataclass
class LabelledData(ABC):
    """Examples with one label each, by split name ("train" always, "validation" and "test" if there are
    such).

    `place` names the data set in messages; `label_names[i]` is the display name of the label i, where the
    source knows it. `findings` are what the source passed over, merged, turned or guessed: they begin
    `Dataset.warnings`, which every command tells.
    """

    place: str
    labels: Mapping[str, np.ndarray]
    label_names: Sequence[str] | None = None
    findings: Findings = field(default_factory=Findings)

    @abstractmethod
    def arrays(self, splits: Sequence[str], config: DatasetConfig, notes: Notes) -> dict[str, Arrays]:
        """The examples of `splits` (the training split among them), checked, all at one shape.

        Raises:
            DataError: examples that cannot be brought to one shape, or that hold NaN.
        """

    @abstractmethod
    def fit(self, train: Split, config: DatasetConfig) -> Preprocessing:
        """The preprocessing, from training examples alone."""

    @abstractmethod
    def origin(self, config: DatasetConfig) -> Origin:
        """What its raw values were made from."""

    def fit_test(self, test: Split, preprocessing: Preprocessing) -> FittedLengths | None:
        """Make what was added to test examples zero to the network; what was added, where anything can be."""
        return None

    def assemble(self, config: DatasetConfig, seed: int) -> Dataset:
        """The data set of a run: samples drawn, split and folded, preprocessing fitted.

        Raises:
            DataError: anything about the data that does not suit; the message says where and what to do.
        """
        notes = self.findings.notes()
        sizes = {split: len(values) for split, values in self.labels.items()}
        used = used_splits(sizes, self.place, config, notes.learnt)
        with explained(self.findings):
            encoding = class_labels.encode(
                {split: self.labels[split] for split in used},
                place=self.place,
                classes_count=config.classes_count,
                remapping=config.class_labels_remapping,
                label_names=self.label_names,
                notes=notes,
            )
        parts = {
            split: Split(arrays.x, encoding.y[split], arrays.lengths, original_sizes=arrays.original_sizes)
            for split, arrays in self.arrays(used, config, notes).items()
        }
        pool, fold_list = self._folded(parts, encoding.class_names, config, seed, notes.learnt)
        first = fold_list[0].train
        notes.learnt += variation.notes_of(first)
        preprocessing = self.fit(first, config)
        weights = class_labels.class_weights(first.y, len(encoding.class_names))
        fitted = self.fit_test(parts["test"], preprocessing) if "test" in parts else None
        if fitted is not None:
            notes.test += fitted.told(len(parts["test"]))
        return Dataset(
            place=self.place,
            full_train=pool,
            folds=fold_list,
            test=parts.get("test"),
            class_names=encoding.class_names,
            class_weights=weights if config.balance_class_losses else None,
            preprocessing=preprocessing,
            origin=self.origin(config),
            warnings=notes.warnings(),
            test_warnings=notes.test_warnings(),
            test_lengths=fitted,
        )

    def _folded(
        self,
        parts: Mapping[str, Split],
        class_names: list[str],
        config: DatasetConfig,
        seed: int,
        notes: list[str],
    ) -> tuple[Split, list[folds.Fold]]:
        """The pool of training and validation examples, samples drawn, and its folds."""
        train = parts["train"]
        if config.samples is not None:
            rng = splits.generator(seed, "samples")
            share = config.validation_size
            train = train.take(splits.limit_samples(train.y, config.samples, rng, notes, share))
        if config.validation_size is None:
            return folds.with_held_out(train, parts["validation"])
        with explained(self.findings):
            return folds.divided(train, config.validation_size, config.folds, class_names, seed, notes)


def used_splits(sizes: Mapping[str, int], place: str, config: DatasetConfig, notes: list[str]) -> list[str]:
    """The splits that a run uses, of those with the numbers of examples `sizes`: a separate validation split
    only if `validation_size` is null.

    Raises:
        DataError: an empty split.
        MissingValidationError: no separate validation split where one is needed.
    """
    for split, size in sizes.items():
        if size == 0:
            raise DataError(f"The {split} split of {place} is empty. Put examples into it, or remove it.")
    has_validation = "validation" in sizes
    if config.validation_size is None and not has_validation:
        raise MissingValidationError(
            f"dataset.validation_size is null, so {place} must have a separate validation split, "
            f"and it has none (found: {', '.join(sizes)}). Give a fraction such as 0.1 to take it "
            "from the training split."
        )
    if config.validation_size is None or not has_validation:
        return list(sizes)
    notes.append(
        f"the separate validation split of {place} is not used, because dataset.validation_size is "
        f"{config.validation_size:g}; write null to use it"
    )
    return [split for split in sizes if split != "validation"]
