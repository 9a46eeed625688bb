"""Images with a mask each, as sources read them, and how they become a `Dataset`.

Axes: n images, h w of one image, c channels, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from popnas.command_lines import as_typed
from popnas.datasets import folds, splits, variation
from popnas.datasets._labelled import used_splits
from popnas.datasets.dataset import Dataset, Split
from popnas.datasets.findings import Findings, Mistakes, Notes, explained, first_of, read_all
from popnas.datasets.images.pixel_arrays import notes_of_channels
from popnas.datasets.labels import balancing_weights
from popnas.datasets.masks.classes import MaskClasses, count_labels, find_classes, listed, no_labels
from popnas.datasets.masks.mask_files import NUM_LABELS
from popnas.datasets.preprocessing import Origin, Preprocessing
from popnas.datasets.ragged import Ragged, Stored, sizes_of
from popnas.errors import DataError

if TYPE_CHECKING:
    from popnas.config import DatasetConfig

Counts = list[tuple[np.ndarray, np.ndarray]]
"""Per mask its labels and their numbers of pixels."""


@dataclass
class SegmentationData:
    """Images (n, h, w, c) uint8 and masks (n, h, w) of labels, by split name.

    `names[split][i]` tells where mask i is from, for messages; `label_names[i]` is the name of the label i.
    `findings` are what the source passed over, turned or guessed: they begin `Dataset.warnings`.
    `remarks[names[split][i]]` says what may explain that a mask does not lie on its image.
    `are_files`: the images were decoded by `images.decoding`.
    """

    place: str
    images: Mapping[str, Stored]
    masks: Mapping[str, Stored]
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    label_names: Sequence[str] | None = None
    findings: Findings = field(default_factory=Findings)
    remarks: Mapping[str, str] = field(default_factory=dict)
    are_files: bool = False

    def assemble(self, config: DatasetConfig, seed: int) -> Dataset:
        """The data set of a run: masks checked and encoded, samples drawn, split and folded.

        Raises:
            DataError: anything about the data that does not suit; the message says where and what to do.
        """
        notes = self.findings.notes()
        sizes = {name: len(x) for name, x in self.images.items()}
        used = used_splits(sizes, self.place, config, notes.learnt)
        self._check_sizes(used)
        self._note_remarks(used, notes)
        counts = self._counted(used, notes)
        with explained(self.findings):
            classes = find_classes(
                {split: _occurring(found) for split, found in counts.items()},
                place=self.place,
                classes_count=config.classes_count,
                ignore_class=config.ignore_class,
                remapping=config.class_labels_remapping,
                label_names=self.label_names,
                notes=notes.learnt,
            )
        for split in used:
            self._check_labels(split, counts[split], classes, config)
        num_channels = self._num_channels(used)
        notes.learnt += notes_of_channels(num_channels)
        parts = {
            split: self._encoded(split, counts[split], classes, num_channels, config.cache) for split in used
        }
        train = parts["train"]
        if config.samples is not None:
            rng = splits.generator(seed, "samples")
            train = train.take(splits.limit_samples(_one_stratum(train), config.samples, rng, notes.learnt))
        pool, fold_list = self._folded(train, parts, config, seed, notes.learnt)
        first = fold_list[0].train
        if config.resize is not None:
            self._check_crop(parts["train"], config)
        num_classes = len(classes.names)
        notes.learnt += variation.notes_of(first)
        self._check_parts(fold_list, parts.get("test"), classes.names, notes.learnt)
        return Dataset(
            place=self.place,
            full_train=pool,
            folds=fold_list,
            test=parts.get("test"),
            class_names=classes.names,
            class_weights=balancing_weights(_pixels(first)[:num_classes])
            if config.balance_class_losses
            else None,
            preprocessing=Preprocessing.of_images(num_channels),
            origin=Origin("image file" if self.are_files else "image array"),
            network_size=_network_size(first, config, notes.learnt),
            warnings=notes.warnings(),
            test_warnings=notes.test_warnings(),
        )

    def _folded(
        self, train: Split, parts: Mapping[str, Split], config: DatasetConfig, seed: int, notes: list[str]
    ) -> tuple[Split, list[folds.Fold]]:
        if config.validation_size is None:
            return folds.with_held_out(train, parts["validation"])
        if len(train) < 2:
            is_limited = config.samples is not None and config.samples <= len(train)
            kept = f", as dataset.samples {config.samples} keeps no more" if is_limited else ""
            raise DataError(
                f"{self.place} has {len(train)} training image{kept}, of which none can be spared for "
                f"validation. Give two at least, or a separate validation split with dataset.validation_size "
                "null."
            )
        # One stratum: a mask has no class of its own to be drawn by.
        strata = _one_stratum(train)
        return folds.divided(train, config.validation_size, config.folds, [""], seed, notes, strata=strata)

    def _names(self, split: str) -> Sequence[str]:
        return self.names.get(split) or [f"{i} of the {split} split" for i in range(len(self.masks[split]))]

    def _check_sizes(self, used: Sequence[str]) -> None:
        wrong = []
        for split in used:
            images, masks = sizes_of(self.images[split]), sizes_of(self.masks[split])
            for i in np.flatnonzero((images != masks).any(axis=1)).tolist():
                wrong.append((self._names(split)[i], masks[i], images[i]))
        if wrong:
            name, mask, image = wrong[0]
            remark = f" ({self.remarks[name]})" if name in self.remarks else ""
            others = f" {len(wrong)} pairs of {self.place} differ: {first_of([w[0] for w in wrong])}."
            raise DataError(
                f"The mask {name} is {_size(mask)}, its image {_size(image)}{remark}; they must be of one "
                f"size.{others if len(wrong) > 1 else ''} Replace the mask, or remove both."
            )

    def _num_channels(self, used: Sequence[str]) -> int:
        """As many as training and validation images have at most: the test split must not decide it."""
        found = {split: _num_channels(self.images[split]) for split in used}
        most = max(number for split, number in found.items() if split != "test")
        if found.get("test", 1) > most:
            raise DataError(
                f"The test images of {self.place} have {found['test']} channels, those that networks learn "
                f"from {most}. Bring all to the same channels."
            )
        return most

    def _note_remarks(self, used: Sequence[str], notes: Notes) -> None:
        """Pairs that fit by their sizes, though only one of them was turned."""
        found = Findings()
        for split in used:
            for name in self._names(split):
                if name in self.remarks:
                    found.of(split).add(f"masks may not lie on their images: {self.remarks[name]}", name)
        notes.add(found)

    def _counted(self, used: Sequence[str], notes: Notes) -> dict[str, Counts]:
        mistakes, findings = Mistakes(), Findings()
        counts = {}
        for split in used:
            with mistakes.held():
                counts[split] = _counted(self.masks[split], self._names(split), findings.of(split))
        mistakes.check()
        notes.add(findings)
        return counts

    def _check_labels(self, split: str, counts: Counts, classes: MaskClasses, config: DatasetConfig) -> None:
        wrong = [i for i, (labels, _) in enumerate(counts) if not classes.is_known[labels].all()]
        if not wrong:
            return
        labels, _ = counts[wrong[0]]
        found = listed(labels[~classes.is_known[labels]])
        if config.classes_count is None:
            rule = "which no training mask has"
        else:
            ignored = "" if config.ignore_class is None else f", and {config.ignore_class} to be ignored"
            rule = (
                f"but with dataset.classes_count {config.classes_count} labels are 0 to "
                f"{config.classes_count - 1}{ignored}"
            )
        others = "" if len(wrong) == 1 else f" {len(wrong)} masks of the {split} split hold such values."
        raise DataError(
            f"The mask {self._names(split)[wrong[0]]} holds the values {found}, {rule}.{others} Mend the "
            "masks, "
            "map the values with dataset.class_labels_remapping, or name the one that means unlabelled as "
            "dataset.ignore_class."
        )

    def _check_crop(self, train: Split, config: DatasetConfig) -> None:
        assert config.resize is not None
        crop = np.array([config.resize.height, config.resize.width])
        sizes = sizes_of(train.x)
        small = np.flatnonzero((sizes < crop).any(axis=1))
        if len(small):
            i = int(small[0])
            raise DataError(
                f"dataset.resize is the training crop, {_size(crop)}, and {len(small)} of {len(sizes)} "
                "training "
                f"images are smaller; the first is that of the mask {self._names('train')[i]}, "
                f"{_size(sizes[i])}. "
                f"Give at most {_size(sizes.min(axis=0))}, or enlarge images with "
                f"`{as_typed('dataset', 'segmentation', '--resize', int(crop.max()))}`."
            )

    def _check_parts(
        self,
        fold_list: Sequence[folds.Fold],
        test: Split | None,
        class_names: Sequence[str],
        notes: list[str],
    ) -> None:
        """Refuse parts without a labelled pixel; note classes that one of the first fold's lacks."""
        for number, fold in enumerate(fold_list):
            place = self.place + (f" (fold {number + 1} of {len(fold_list)})" if len(fold_list) > 1 else "")
            for name, indices in (("training", fold.train_indices), ("validation", fold.validation_indices)):
                # From the counts: taking the part itself would copy its images.
                counts = _pixels(fold.pool, indices)[:-1]
                _check_labelled(counts, name, class_names, place, [] if number else notes)
        if test is not None:
            _check_labelled(_pixels(test)[:-1], "test", class_names, self.place, [])

    def _encoded(
        self, split: str, counts: Counts, classes: MaskClasses, num_channels: int, is_cached: bool
    ) -> Split:
        """Images with all channels, encoded masks, pixels per image and class (ignored last)."""
        x, y = self.images[split], self.masks[split]
        num_classes = len(classes.names)
        pixels = np.zeros((len(counts), num_classes + 1), dtype=np.int64)
        for i, (labels, numbers) in enumerate(counts):
            np.add.at(pixels[i], np.minimum(classes.index_of[labels], num_classes), numbers)
        if isinstance(x, Ragged) and _num_channels(x) < num_channels:
            x = x.map(lambda image: np.repeat(image, num_channels, axis=-1), num_channels)
        elif isinstance(x, np.ndarray) and x.shape[-1] < num_channels:
            x = np.repeat(x, num_channels, axis=-1)
        names = np.array(self._names(split))
        if isinstance(y, np.ndarray) and is_cached:
            return Split(x, classes.encode(y), pixel_counts=pixels, names=names)
        encoded = (y if isinstance(y, Ragged) else Ragged.of(y)).map(classes.encode)
        return Split(x, encoded, pixel_counts=pixels, names=names)


def _counted(masks: Stored, names: Sequence[str], findings: Findings) -> Counts:
    """The labels of every mask; raises DataError for values that are no labels. Floats are found."""

    def count(i: int) -> tuple[np.ndarray, np.ndarray]:
        mask = np.asarray(masks[i])
        is_in_range = not mask.size or 0 <= mask.min() <= mask.max() < NUM_LABELS
        if not is_in_range or (mask.dtype.kind == "f" and (mask % 1).any()):
            raise no_labels(mask, names[i])
        if mask.dtype.kind == "f":
            findings.add(f"masks that are {mask.dtype.name} without fractions are taken as labels", names[i])
        return count_labels(mask)

    return read_all(range(len(masks)), count, lambda i: names[i])


def _occurring(counts: Counts) -> np.ndarray:
    return np.unique(np.concatenate([labels for labels, _ in counts]))


def _one_stratum(split: Split) -> np.ndarray:
    return np.zeros(len(split), dtype=np.int64)


def _pixels(split: Split, indices: np.ndarray | slice = slice(None)) -> np.ndarray:
    """Pixels per class, ignored ones last, (K + 1,)."""
    assert split.pixel_counts is not None
    return np.asarray(split.pixel_counts[indices].sum(axis=0))


def _num_channels(images: Stored) -> int:
    return int(images.num_channels or 1) if isinstance(images, Ragged) else int(images.shape[-1])


def _check_labelled(
    counts: np.ndarray, name: str, class_names: Sequence[str], place: str, notes: list[str]
) -> None:
    """Refuse a split without a labelled pixel; note classes that it lacks."""
    if not counts.any():
        raise DataError(
            f"The {name} masks of {place} hold no pixel of any class: all are ignored. Is "
            "dataset.ignore_class right?"
        )
    missing = [class_names[k] for k in np.flatnonzero(counts == 0)]
    if missing:
        notes.append(f"no {name} mask has a pixel of: {', '.join(missing[:8])}{', ...' * (len(missing) > 8)}")


def _network_size(train: Split, config: DatasetConfig, notes: list[str]) -> tuple[int, int] | None:
    """(height, width) that networks are built and costed for: the crop, or what training images have at the
    median; None if all are of one size.
    """
    if config.resize is not None:
        return config.resize.height, config.resize.width
    sizes = sizes_of(train.x)
    if (sizes == sizes[:1]).all():
        return int(sizes[0, 0]), int(sizes[0, 1])
    notes.append(
        "training images differ in size and dataset.resize gives no crop: every batch is filled up to its "
        "largest image, which costs time"
    )
    height, width = np.median(sizes, axis=0)
    return int(height), int(width)


def _size(size: Sequence[int] | np.ndarray) -> str:
    return f"{size[1]}x{size[0]} (width x height)"
