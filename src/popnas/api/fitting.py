"""From arrays in memory to files and a configuration that suits them.

Workers read the data from a file in the run's neighbourhood, as any other run does: nothing is pickled.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from popnas import config as configurations
from popnas import tasks
from popnas.api import arrays
from popnas.api.arrays import TASKS_BY_DIMS, Examples, InputError
from popnas.config import RunConfig
from popnas.datasets import labels as class_labels
from popnas.datasets import splits
from popnas.errors import DataError
from popnas.workflows.settings import load_config

Source = str | Path | Mapping[str, Any] | None

# Compact enough for minutes on a laptop; a configuration of one's own names others.
_OPERATORS = {
    1: ["identity", "7 conv", "7 dconv", "13 dconv", "7:2dr conv", "2 maxpool"],
    2: ["identity", "3x3 conv", "3x3 dconv", "1x3-3x1 conv", "1x1 conv", "2x2 maxpool"],
}
_BATCH_SIZES = (128, 64, 32, 16, 8)
_BATCHES_PER_EPOCH = 8
_SMALLEST_FINAL_SIZE = 4


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
        # Labels of the type object may be of any type; only their texts go into the file.
        names = classes.astype(str) if classes.dtype.kind == "O" else classes
        if len({str(name).strip() for name in names}) < len(classes):
            shown = ", ".join(map(repr, classes.tolist()))
            raise InputError(f"two labels of y are the same when written as text: {shown}.")
        encoding = class_labels.encode({"train": names}, place="y", notes=[])
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
        content: dict[str, Any] = {"x": arrays.as_stored(self.examples, self.num_dims), "y": self.texts}
        if self.examples.lengths is not None:
            content["lengths"] = self.examples.lengths
        np.savez(folder / "train.npz", **content)


def check_task(task: str | None, source: Source) -> None:
    """Refuse a task that answers with masks, asked for by name or in a configuration: an estimator's answers
    are labels.

    Raises:
        InputError: such a task.
    """
    document = source if isinstance(source, Mapping) else {}
    if source is not None and not isinstance(source, Mapping):
        document = configurations.load(source).to_json()
    dataset = document.get("dataset")
    named = dataset.get("type") if isinstance(dataset, Mapping) else None
    for name in (task, named):
        if name in tasks.REGISTRY.names() and tasks.get(str(name)).is_per_pixel:
            raise InputError(
                f"PopnasClassifier learns one label per example and cannot be fitted for {name!r}, whose "
                "labels are masks. Write images and masks into .npz files or folders, search with "
                "popnas.search(config), and predict with popnas.load(run_folder)."
            )


def configuration(
    data: TrainingData,
    folder: Path,
    source: Source,
    *,
    seed: int | None,
    max_hours: float | None,
    n_jobs: int | None,
) -> RunConfig:
    """The configuration of the search: defaults by the size of the data, `source` over them, and the data in
    `folder`.

    A mapping may be partial; a path or a preset is whole, and its own data set gives way.

    Raises:
        ConfigError: with all mistakes of `source`.
    """
    document = _defaults(data)
    if isinstance(source, Mapping):
        document = _merged(document, copy.deepcopy(dict(source)))
    elif source is not None:
        document = configurations.load(source).to_json()
    dataset = _section(document, "dataset")
    for unused in ("name", "classes_count", "class_labels_remapping", "resize"):
        dataset.pop(unused, None)
    dataset |= {"type": TASKS_BY_DIMS[data.num_dims], "path": str(folder)}
    others = _section(document, "others")
    if seed is not None:
        others["seed"] = seed
    if max_hours is not None:
        others["max_hours"] = max_hours
    if n_jobs is not None:
        others["executor"] = _executor(n_jobs)
    return load_config(document)


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


def _section(document: dict[str, Any], name: str) -> dict[str, Any]:
    """A section to change; one that is no object is left to `load_config`, which reports it."""
    section = document.setdefault(name, {})
    return section if isinstance(section, dict) else {}


def _defaults(data: TrainingData) -> dict[str, Any]:
    num_examples = len(data.examples)
    batch_size = next(
        (size for size in _BATCH_SIZES if size * _BATCHES_PER_EPOCH <= num_examples), _BATCH_SIZES[-1]
    )
    dataset = {"batch_size": batch_size, "validation_size": _validation_size(data)}
    return {
        "search_space": {"blocks": 3, "lookback_depth": 2, "operators": _OPERATORS[data.num_dims]},
        "search_strategy": {"max_children": 8, "max_exploration_children": 2},
        "training_hyperparameters": {"epochs": 10, "optimizer": {"type": "adamW", "scheduler": "cd"}},
        "architecture_hyperparameters": {
            "filters": 16, "motifs": _num_motifs(data.size), "normal_cells_per_motif": 1,
        },
        "dataset": {**dataset, "normalize": True} if data.num_dims == 1 else dataset,
        # Measured times differ from run to run, and with them the search: no random_state could repeat it.
        "others": {"timing": "simulated"},
    }  # fmt: skip


def _num_motifs(size: tuple[int, ...]) -> int:
    """A reduction for each halving that leaves at least `_SMALLEST_FINAL_SIZE`, at most two."""
    return 1 + sum(min(size) >> halvings >= _SMALLEST_FINAL_SIZE for halvings in (1, 2))


def _validation_size(data: TrainingData) -> float:
    """A fifth of small data, a tenth of large; more where a stratified split needs more."""
    _, counts = np.unique(data.texts, return_counts=True)
    divisible = counts[counts > 1]
    usual = 0.2 if len(data.examples) < 2000 else 0.1
    needed = (len(divisible) + 0.5) / divisible.sum() if len(divisible) else 0.0
    return float(min(max(usual, needed), 0.9))


def _executor(n_jobs: int) -> dict[str, Any]:
    if n_jobs == 1:
        return {"kind": "inline"}
    return {"kind": "processes", "workers": None if n_jobs < 0 else n_jobs}


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid over `base`, section by section; an optimizer is replaced whole, as in partial files."""
    merged = dict(base)
    for name, value in over.items():
        below = merged.get(name)
        is_open = name != "optimizer" and isinstance(value, dict) and isinstance(below, dict)
        merged[name] = _merged(below, value) if is_open and below is not None else value
    return merged
