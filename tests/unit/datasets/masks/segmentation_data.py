"""Made images with masks, in memory and on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from popnas import config, datasets
from popnas.datasets import Dataset

Pair = tuple[np.ndarray, np.ndarray]
ONE_SIZE = [(8, 10)] * 12
MANY_SIZES = [(8 + i % 3, 10 - i % 4) for i in range(12)]


def pairs(sizes: list[tuple[int, int]], *, labels: int = 3, seed: int = 0) -> list[Pair]:
    """Images whose red channel is the mask times 40, so that an image tells where its mask must be."""
    rng = np.random.default_rng(seed)
    made = []
    for height, width in sizes:
        y_HW = rng.integers(0, labels, (height, width)).astype(np.uint8)
        y_HW.flat[:labels] = np.arange(labels)
        x_HWC = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        x_HWC[..., 0] = y_HW * 40
        made.append((x_HWC, y_HW))
    return made


def write_folders(folder: Path, found: list[Pair], split: str = "train") -> Path:
    """SPLIT/images and SPLIT/masks."""
    for number, pair in enumerate(found):
        for kind, pixels in zip(("images", "masks"), pair, strict=True):
            place = folder / split / kind
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(place / f"{number:03d}.png")
    return folder


def write_npz(
    folder: Path, found: list[Pair], split: str = "train", *, is_numbered: bool, is_compressed: bool = False
) -> Path:
    """SPLIT.npz with x and y, or with x_0, y_0, ..."""
    folder.mkdir(parents=True, exist_ok=True)
    if is_numbered:
        arrays = {f"{'xy'[k]}_{i}": pair[k] for i, pair in enumerate(found) for k in (0, 1)}
    else:
        arrays = {"x": np.stack([x for x, _ in found]), "y": np.stack([y for _, y in found])}
    (np.savez_compressed if is_compressed else np.savez)(folder / f"{split}.npz", **arrays)
    return folder


def load(path: Path, *, need_test: bool = False, seed: int = 0, **settings: Any) -> Dataset:
    """The data set at `path`, a quarter of it for validation."""
    section = {"type": "image_segmentation", "path": str(path), "validation_size": 0.25, **settings}
    return datasets.load(config.DatasetConfig(**section), seed, need_test=need_test)
