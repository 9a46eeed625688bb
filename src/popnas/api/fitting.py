"""From arrays in memory to files and a configuration that suits them.

Workers read the data from a file in the run's neighbourhood, as any other run does: nothing is pickled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from popnas import config as configurations
from popnas.api import arrays
from popnas.api.arrays import Examples, InputError
from popnas.api.options import OF_THE_DATA, Options, executor_of
from popnas.config import RunConfig
from popnas.datasets import labels as class_labels
from popnas.datasets import splits
from popnas.datasets.findings import Notes
from popnas.errors import DataError
from popnas.records import Json, JsonValue, part, without_nulls
from popnas.workflows.data import sizing
from popnas.workflows.settings import name_rules

# Compact enough for minutes on a laptop; a configuration of one's own names others.
_OPERATORS = {
    1: ["identity", "7 conv", "7 dconv", "13 dconv", "7:2dr conv", "2 maxpool"],
    2: ["identity", "3x3 conv", "3x3 dconv", "1x3-3x1 conv", "1x1 conv", "2x2 maxpool"],
}
_BATCH_SIZES = (128, 64, 32, 16, 8)
_BATCHES_PER_EPOCH = 8


@dataclass(frozen=True)
class TrainingData:
    """What `fit` was given, checked: examples, and their labels as texts, which is what files hold.

    `classes` (K,) are the labels as given, sorted; `columns` (K,) says which of the model's outputs belongs
    to each.
    """

    num_dims: int
    examples: Examples
    texts: np.ndarray
    classes: np.ndarray
    columns: np.ndarray

    @classmethod
    def of(cls, num_dims: int, examples: Examples, y: np.ndarray) -> TrainingData:
        """Encode the labels.

        Raises:
            InputError: a single class, or labels that are equal as texts.
        """
        classes, codes = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise InputError(
                f"a classifier needs examples of at least 2 classes, got a single class: {classes[0]}."
            )
        names = _named(classes)
        encoding = class_labels.encode({"train": names}, place="y", notes=Notes())
        columns = encoding.y["train"]
        return cls(num_dims, examples, np.array(encoding.class_names)[columns][codes], classes, columns)

    @property
    def size(self) -> tuple[int, ...]:
        """Spatial size: (h, w) or (t,)."""
        shape = self.examples.x.shape
        return shape[1:3] if self.num_dims == 2 else shape[2:]

    def save(self, folder: Path) -> None:
        """Write `train.npz` as the `.npz` sources read it."""
        folder.mkdir(parents=True)
        content = {"x": arrays.as_stored(self.examples, self.num_dims), "y": self.texts}
        if self.examples.lengths is not None:
            content["lengths"] = self.examples.lengths
        np.savez(folder / "train.npz", **content)  # type: ignore[arg-type]


def configuration(data: TrainingData, folder: Path, options: Options) -> RunConfig:
    """The configuration of the search: defaults by the size of the data, the user's over them, and the data
    in `folder`.

    A mapping may be partial; a path or a preset is whole, and its own data set gives way.

    Raises:
        InputError: a configuration for another task.
        ConfigError: with all mistakes of the configuration.
    """
    task = options.task_of(data.num_dims)
    given = options.document
    document = given if options.is_whole else _merged(_defaults(data), given)
    dataset: Json = {**dict.fromkeys(OF_THE_DATA), "type": task, "path": str(folder)}
    others: dict[str, JsonValue] = {}
    if options.seed is not None:
        others["seed"] = options.seed
    if options.max_hours is not None:
        others["max_hours"] = options.max_hours
    if options.n_jobs is not None:
        others["executor"] = executor_of(options.n_jobs, part(part(document, "others"), "executor"))
    # Commands look whether the data are there, too: these are laid down once all else is checked.
    whole = _laid_over(_laid_over(document, "dataset", dataset), "others", others)
    return configurations.load(whole, names=name_rules())


def check_enough(data: TrainingData, config: RunConfig) -> None:
    """Raises InputError where no validation examples can be set apart from `data`."""
    share = config.dataset.validation_size
    if share is None:
        raise InputError(
            "config: dataset.validation_size is null, but fit gets no validation examples of their own. Give "
            "the fraction of X that is set apart, such as 0.2."
        )
    _, codes, counts = np.unique(data.texts, return_inverse=True, return_counts=True)
    num_examples = len(data.examples)
    try:
        splits.divide(codes, share, np.random.default_rng(0), [str(name) for name in data.classes])
    except DataError:
        num_divisible = int((counts > 1).sum())
        rule = (
            f"a share of {share:g} leaves too few for one of each of {num_divisible} classes; give more "
            "examples, or a larger dataset.validation_size in config"
            if num_divisible
            else "every class has a single one; give at least two of a class"
        )
        raise InputError(
            f"X has {num_examples} examples (n_samples = {num_examples}) of {len(counts)} classes, too few "
            f"to set some apart for validation: {rule}."
        ) from None


def _named(classes: np.ndarray) -> np.ndarray:
    """Classes of a type that data files hold; those of the type object, which may be of any, by their texts.

    Raises:
        InputError: labels that are no text, or that would be one class in the data file.
    """
    values = classes.tolist()
    if classes.dtype.kind in "OT":
        values = [str(value) for value in values]
    spellings: dict[str, list[str]] = {}
    for name in values:
        try:
            text = class_labels.as_text(name)
            text.encode()
        except UnicodeError:
            raise InputError(
                f"the label {name!a} of y is no text in UTF-8. Name such classes otherwise, or number them."
            ) from None
        # As ASCII: what differs only in how accents are encoded looks the same.
        spellings.setdefault(text, []).append(ascii(name))
    same = next((found for found in spellings.values() if len(found) > 1), None)
    if same is not None:
        raise InputError(
            f"two labels of y are the same when written as text: {', '.join(same)}. Spaces around a label "
            "and the way in which accents are encoded do not count: write them alike, or give other names."
        )
    return np.array(list(spellings)) if classes.dtype.kind in "OT" else classes


def _laid_over(document: Json, name: str, changes: Json) -> Json:
    """With a section changed, fields that become null left out; one that is no object is left to
    `load_config`, which reports it."""
    section = document.get(name, {})
    if not isinstance(section, Mapping):
        return document
    kept = {field: value for field, value in section.items() if field not in changes}
    return {**document, name: {**kept, **without_nulls(changes)}}


def _defaults(data: TrainingData) -> Json:
    num_examples = len(data.examples)
    batch_size = next(
        (size for size in _BATCH_SIZES if size * _BATCHES_PER_EPOCH <= num_examples), _BATCH_SIZES[-1]
    )
    dataset: Json = {"batch_size": batch_size, "validation_size": _validation_size(data)}
    # Nobody knows whether mirrored images are as good: digits are not.
    suited: Json = {"normalize": True} if data.num_dims == 1 else {"data_augmentation": {"flips": False}}
    return {
        "search_space": {"blocks": 3, "lookback_depth": 2, "operators": _OPERATORS[data.num_dims]},
        "search_strategy": {"max_children": 8, "max_exploration_children": 2},
        "training_hyperparameters": {"epochs": 10, "optimizer": {"type": "adamW", "scheduler": "cd"}},
        "architecture_hyperparameters": {
            "filters": 16, "motifs": sizing.num_motifs(data.size), "normal_cells_per_motif": 1,
            "stem": sizing.stem(data.size),
        },
        "dataset": {**dataset, **suited},
        # Measured times differ from run to run, and with them the search: no random_state could repeat it.
        "others": {"timing": "simulated"},
    }  # fmt: skip


def _validation_size(data: TrainingData) -> float:
    """A fifth of small data, a tenth of large; more where a stratified split needs more."""
    _, counts = np.unique(data.texts, return_counts=True)
    divisible = counts[counts > 1]
    usual = 0.2 if len(data.examples) < 2000 else 0.1
    needed = (len(divisible) + 0.5) / divisible.sum() if len(divisible) else 0.0
    return float(min(max(usual, needed), 0.9))


def _merged(base: Json, over: Json) -> Json:
    """`over` laid over `base`, section by section; an optimizer is replaced whole, as in partial files."""
    merged = dict(base)
    for name, value in over.items():
        below = merged.get(name)
        is_open = name != "optimizer" and isinstance(value, Mapping) and isinstance(below, Mapping)
        merged[name] = _merged(part(base, name), part(over, name)) if is_open else value
    return merged
