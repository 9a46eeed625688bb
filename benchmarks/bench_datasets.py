"""Loader throughput: `DeviceLoader` against a plain torch `DataLoader`, with crop, flip and cutout.

Run: `python benchmarks/bench_datasets.py [--json]`. Uses Fashion-MNIST from `$POPNAS_SHARED` (default
`../shared`) where it lies there, else noise of the same shape (28x28). CPU time of one thread, median of 5
epochs over 12,800 images, batches of 128.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from popnas.datasets import Preprocessing, Split
from popnas.datasets.images.augmentation import ImageAugmentation
from popnas.datasets.loader import Batching, DeviceLoader
from popnas.placement import Placement

_NUM_IMAGES, _BATCH_SIZE, _REPETITIONS = 12_800, 128, 5


class PlainDataset(Dataset):
    """The same preparation and augmentation one image at a time, as is usual for `DataLoader`."""

    def __init__(self, split: Split, is_augmented: bool) -> None:
        self.split, self.is_augmented = split, is_augmented

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        x = torch.from_numpy(self.split.x[i]).permute(2, 0, 1).float() / 255
        return (self._augmented(x) if self.is_augmented else x), int(self.split.y[i])

    def _augmented(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.interpolate(x[None], size=(32, 32), mode="bilinear", align_corners=False)[0]
        top, left = np.random.randint(0, 5, 2)
        x = x[:, top : top + 28, left : left + 28].clone()
        if np.random.random() < 0.5:
            x = x.flip(-1)
        row, column = np.random.randint(0, 28, 2)
        x[:, max(0, row - 7) : row + 7, max(0, column - 7) : column + 7] = 0
        return x


def images() -> tuple[Split, str]:
    """The images, and what they are."""
    file = Path(os.environ.get("POPNAS_SHARED", "../shared"), "data", "fashion_mnist", "fashion_mnist.npz")
    if not file.exists():
        rng = np.random.default_rng(0)
        x = rng.integers(0, 256, (_NUM_IMAGES, 28, 28, 1), dtype=np.uint8)
        return Split(x, rng.integers(0, 10, _NUM_IMAGES)), "noise"
    with np.load(file) as arrays:
        x, y = arrays["x_train"][:_NUM_IMAGES], arrays["y_train"][:_NUM_IMAGES]
    return Split(x[..., None], y.astype(np.int64)), "Fashion-MNIST"


def microseconds_per_step(loader: Iterable, clock: Callable[[], float]) -> float:
    """Median over epochs, after one epoch of warm-up."""
    num_steps = sum(1 for _ in loader)
    times = []
    for _ in range(_REPETITIONS):
        start = clock()
        for _ in loader:
            pass
        times.append((clock() - start) / num_steps * 1e6)
    return statistics.median(times)


def measure() -> dict[str, Any]:
    """All variants, in microseconds of CPU time per step of 128 images."""
    split, name = images()
    results: dict[str, Any] = {"images": name}
    for label, augmentation in (("plain", None), ("augmented", ImageAugmentation(use_cutout=True))):
        ours = {
            key: DeviceLoader(
                split,
                Preprocessing.of_images(1),
                Placement(torch.device("cpu")),
                Batching(_BATCH_SIZE, shuffle=True),
                augmentation=augmentation,
                is_cached=is_cached,
            )
            for key, is_cached in (("cached", True), ("streamed", False))
        }
        theirs = DataLoader(
            PlainDataset(split, augmentation is not None), batch_size=_BATCH_SIZE, shuffle=True
        )
        figures = {key: microseconds_per_step(loader, time.process_time) for key, loader in ours.items()}
        figures["torch DataLoader"] = microseconds_per_step(theirs, time.process_time)
        figures["times faster, cached"] = figures["torch DataLoader"] / figures["cached"]
        results[label] = figures
    results["storage"] = storage_comparison(split)
    return results


def storage_comparison(split: Split) -> dict[str, float]:
    """Gathering a batch from bytes (and scaling it) or from float32, in microseconds."""
    as_bytes = torch.from_numpy(split.x).permute(0, 3, 1, 2).contiguous()
    as_floats = as_bytes.float() / 255
    batches = torch.randperm(len(split)).split(_BATCH_SIZE)
    variants = {
        "bytes": lambda indices: as_bytes.index_select(0, indices).float().mul_(1 / 255),
        "float32": lambda indices: as_floats.index_select(0, indices),
    }
    return {
        name: microseconds_per_step(_Mapped(pick, batches), time.process_time)
        for name, pick in variants.items()
    }


class _Mapped:
    def __init__(self, pick: Callable[[torch.Tensor], torch.Tensor], batches: Iterable[torch.Tensor]) -> None:
        self.pick, self.batches = pick, batches

    def __iter__(self) -> Iterable:
        return map(self.pick, self.batches)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results = measure()
    if arguments.json:
        print(json.dumps(results))
        return
    print(
        f"{results.pop('images')}, {_NUM_IMAGES} images, microseconds of CPU time per step of {_BATCH_SIZE}"
    )
    for label, figures in results.items():
        print(f"{label}:", ", ".join(f"{key} {value:.0f}" for key, value in figures.items()))


if __name__ == "__main__":
    main()
