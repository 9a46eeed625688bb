"""Batches of images with masks, kept in memory or streamed from disk: time per batch and peak memory.

Run: `python benchmarks/bench_segmentation_data.py [--json] [--images 240]`. Made scenes of 640x480 (1.2 MB
each with its mask), training crops of 224x224 with flips in batches of 16, evaluation of whole images. Wall
time; each variant runs in a process of its own, and its peak of memory is what it held above the same process
before it loaded data.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

_SIZE, _CROP, _BATCH_SIZE, _EPOCHS = (480, 640), 224, 16, 3
_FORMS = ("folders", "npz", "npz_compressed")


def make(folder: Path, num_images: int) -> None:
    """The same scenes as PNG files and as .npz, plain and compressed."""
    from PIL import Image

    rng, arrays = np.random.default_rng(0), {}
    texture = rng.integers(0, 40, (*_SIZE, 3), dtype=np.uint8)
    for i in range(num_images):
        y = np.zeros(_SIZE, np.uint8)
        for label in range(1, 6):
            top, left = rng.integers(0, _SIZE[0] - 90), rng.integers(0, _SIZE[1] - 120)
            y[top : top + 90, left : left + 120] = label
        x = np.roll(texture, i, axis=1) + 35 * y[..., None]
        for kind, pixels in (("images", x), ("masks", y)):
            place = folder / "folders" / "train" / kind
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(place / f"{i:05d}.png", compress_level=1)
        arrays |= {f"x_{i}": x, f"y_{i}": y}
    for name, save in (("npz", np.savez), ("npz_compressed", np.savez_compressed)):
        (folder / name).mkdir()
        save(folder / name / "train.npz", **arrays)


def peak_megabytes() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def measure_one(path: Path, is_cached: bool) -> dict[str, float]:
    """In this process: load, then epochs of training crops and one of whole images."""
    import torch

    from popnas import config, tasks
    from popnas.placement import Placement

    torch.set_num_threads(1)
    task = tasks.get("image_segmentation")
    before = peak_megabytes()
    chosen = config.load(
        {
            "dataset": {
                "type": "image_segmentation",
                "path": str(path),
                "batch_size": _BATCH_SIZE,
                "validation_size": 0.1,
                "cache": is_cached,
                "resize": {"width": _CROP, "height": _CROP},
                "data_augmentation": {"enabled": True},
            }
        }
    )
    began = time.perf_counter()
    dataset = task.load(chosen)
    loading = time.perf_counter() - began
    placement = Placement.on("cpu", num_dims=2, filters=chosen.architecture_hyperparameters.filters)
    train = task.train_loader(chosen, dataset, dataset.train, placement, seed=0)
    evaluation = task.evaluation_loader(chosen, dataset, dataset.validation, placement)
    return {
        "load_seconds": loading,
        "train_milliseconds": statistics.median(_epoch(train) for _ in range(_EPOCHS)),
        "evaluation_milliseconds": _epoch(evaluation),
        "peak_megabytes": peak_megabytes() - before,
    }


def _epoch(loader: Iterable[Any]) -> float:
    """Mean wall milliseconds per batch."""
    began, count = time.perf_counter(), 0
    for _ in loader:
        count += 1
    return (time.perf_counter() - began) / count * 1e3


def measure(num_images: int) -> dict[str, Any]:
    """All variants."""
    raw_megabytes = num_images * 4 * np.prod(_SIZE) / 2**20
    found: dict[str, Any] = {"images": num_images, "raw_megabytes": raw_megabytes}
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), num_images)
        for form in _FORMS:
            for name in ("cached", "streamed"):
                command = [sys.executable, __file__, "--one", str(Path(folder, form)), "--variant", name]
                output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                found[f"{form}, {name}"] = json.loads(output)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--images", type=int, default=240)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--variant", choices=("cached", "streamed"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one is not None:
        print(json.dumps(measure_one(arguments.one, arguments.variant == "cached")))
        return
    results = measure(arguments.images)
    if arguments.json:
        print(json.dumps(results))
        return
    print(f"{results.pop('images')} images with masks, {results.pop('raw_megabytes'):.0f} MB as bytes")
    print(f"{'':28}{'load s':>8}{'train ms':>10}{'eval. ms':>10}{'peak MB':>9}")
    for name, figures in results.items():
        load, train, evaluation, peak = figures.values()
        print(f"{name:28}{load:8.2f}{train:10.2f}{evaluation:10.2f}{peak:9.0f}")


if __name__ == "__main__":
    main()
