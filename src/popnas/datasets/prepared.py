"""A prepared `Dataset` as files, so that workers open it without reading, decoding or splitting again.

Arrays are memory-mapped: workers on one machine share one copy. Plain `.npy` and JSON, never a pickle.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from popnas.datasets.dataset import Dataset, Fold, Split
from popnas.datasets.preprocessing import Origin, Preprocessing

_DESCRIPTION = "dataset.json"


def write(dataset: Dataset, folder: Path) -> None:
    """Write `dataset` into `folder`, which is made if it does not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_split(dataset.full_train, folder, "full_train")
    if dataset.test is not None:
        _write_split(dataset.test, folder, "test")
    for k, fold in enumerate(dataset.folds[1:], start=1):
        np.save(folder / f"fold_{k}_train.npy", np.asarray(fold.train_indices), allow_pickle=False)
        np.save(folder / f"fold_{k}_validation.npy", np.asarray(fold.validation_indices), allow_pickle=False)
    weights = dataset.class_weights
    description = {
        "place": dataset.place,
        "num_train": len(dataset.train),
        "num_folds": len(dataset.folds),
        "class_names": dataset.class_names,
        "class_weights": None if weights is None else weights.tolist(),
        "preprocessing": dataset.preprocessing.to_json(),
        "origin": dataset.origin.to_json(),
        "warnings": dataset.warnings,
        "test_warnings": dataset.test_warnings,
    }
    (folder / _DESCRIPTION).write_text(json.dumps(description), encoding="utf-8")


def read(folder: Path) -> Dataset:
    """The data set that `write` put into `folder`, its arrays read-only and mapped from disk."""
    description: dict[str, Any] = json.loads((folder / _DESCRIPTION).read_text(encoding="utf-8"))
    pool, num_train = _read_split(folder, "full_train"), description["num_train"]
    folds = [Fold(pool, slice(0, num_train), slice(num_train, len(pool)))]
    for k in range(1, description["num_folds"]):
        folds.append(
            Fold(pool, np.load(folder / f"fold_{k}_train.npy"), np.load(folder / f"fold_{k}_validation.npy"))
        )
    weights = description["class_weights"]
    return Dataset(
        place=description["place"],
        full_train=pool,
        folds=folds,
        test=_read_split(folder, "test") if (folder / "test_x.npy").exists() else None,
        class_names=description["class_names"],
        class_weights=None if weights is None else np.array(weights, dtype=np.float32),
        preprocessing=Preprocessing.from_json(description["preprocessing"]),
        origin=Origin.from_json(description["origin"]),
        warnings=description["warnings"],
        test_warnings=description["test_warnings"],
    )


def _write_split(split: Split, folder: Path, name: str) -> None:
    np.save(folder / f"{name}_x.npy", split.x, allow_pickle=False)
    np.save(folder / f"{name}_y.npy", split.y, allow_pickle=False)
    if split.lengths is not None:
        np.save(folder / f"{name}_lengths.npy", split.lengths, allow_pickle=False)


def _read_split(folder: Path, name: str) -> Split:
    lengths = folder / f"{name}_lengths.npy"
    return Split(
        np.load(folder / f"{name}_x.npy", mmap_mode="r"),
        np.load(folder / f"{name}_y.npy"),
        np.load(lengths) if lengths.exists() else None,
    )
