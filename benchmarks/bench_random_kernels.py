"""The random-kernel classifier (`networks/known/random_kernels.py`) on UCR and UEA problems, official split:
test accuracy of each seed, and CPU seconds of a fit with one thread.

    OMP_NUM_THREADS=1 python benchmarks/bench_random_kernels.py [--seeds 3] [PROBLEM ...]
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from popnas.cells import Cell
from popnas.datasets.preprocessing import fit_series
from popnas.networks import NetworkSpec, build
from popnas.networks.known.fitted import FittedNetwork
from popnas.networks.known.references import kernel_features

PROBLEMS = (
    *("Adiac", "Beef", "Chinatown", "Coffee", "ECG200", "ERing", "FaceFour", "FiftyWords", "Fish", "Libras"),
    *("Lightning7", "MedicalImages", "Plane", "PowerCons", "SwedishLeaf", "SyntheticControl"),
)
_BATCH = 32


@dataclass(frozen=True)
class Batch:
    """Examples as the network takes them."""

    x: Tensor
    y: Tensor
    lengths: Tensor | None = None


def batches(x_NCL: Tensor, y_N: Tensor) -> list[Batch]:
    """In order."""
    starts = range(0, len(x_NCL), _BATCH)
    return [Batch(x_NCL[start : start + _BATCH], y_N[start : start + _BATCH]) for start in starts]


def measured(folder: Path, seed: int) -> tuple[float, float]:
    """Test accuracy, and CPU seconds of the fit."""
    with np.load(folder / "train.npz") as train, np.load(folder / "test.npz") as test:
        preprocessing = fit_series(train["x"], None, rescale=False, normalize=True)
        x_NCL, test_NCL = (
            torch.from_numpy(np.moveaxis(preprocessing.apply(split["x"]), 2, 1).copy())
            for split in (train, test)
        )
        y_N, test_N = (torch.from_numpy(split["y"].astype(np.int64)) for split in (train, test))
    spec = NetworkSpec("random_kernels", (x_NCL.shape[2], x_NCL.shape[1]), int(y_N.max()) + 1)
    network = build(Cell(()), spec.replace(filters=kernel_features(spec, len(x_NCL)))).eval()
    assert isinstance(network, FittedNetwork)
    began = time.process_time()
    network.fit(batches(x_NCL, y_N), seed)
    seconds = time.process_time() - began
    with torch.inference_mode():
        found = torch.cat([network(batch.x)[-1].argmax(dim=1) for batch in batches(test_NCL, test_N)])
    return float((found == test_N).double().mean()), seconds


def main() -> None:
    """Print a line per problem, and the mean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("problems", nargs="*", default=PROBLEMS)
    asked = parser.parse_args()
    archive = Path(os.environ.get("POPNAS_SHARED", "../shared")) / "data" / "ucr"
    if not archive.is_dir():
        print(f"left out: {archive} is not there (POPNAS_SHARED)")
        return
    torch.set_num_threads(1)
    means = []
    for name in asked.problems:
        accuracies, seconds = zip(
            *(measured(archive / name, seed) for seed in range(asked.seeds)), strict=True
        )
        means.append(float(np.mean(accuracies)))
        each = " ".join(f"{accuracy:.4f}" for accuracy in accuracies)
        print(f"{name:18s} {means[-1]:.4f} ({each})  {float(np.mean(seconds)):.2f} CPU s")
    print(f"mean of {len(means)} problems: {float(np.mean(means)):.4f}")


if __name__ == "__main__":
    main()
