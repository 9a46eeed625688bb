"""Final training's throughput and memory against a plain PyTorch loop over a DataLoader.

Fashion-MNIST (28x28), 24 filters, 3 motifs, 2 normal cells, a cell of 5 blocks, two heads, batch 128,
float32, AdamW with a cosine schedule, no augmentation. Ours is `train_model`, with its checkpoints, its log
and its look at the accuracy after every epoch; the plain loop trains the same network and does nothing else.
Each runs in a process of its own, in turns, on 2 threads; wall time of whole epochs after a first one.

The roofline: the floating-point operations of a training step, three times those of the network, per second,
against those of a product of two large matrices by as many threads in the same process; and what a step
spends its time on, by a profile of single steps (35 % are aimed at, or the operations named that bound it).

    python benchmarks/bench_final_training.py [--threads 2]    (data/fashion_mnist in $POPNAS_SHARED)
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from popnas.networks import NetworkSpec

CELL = (
    "[(-2, 3x3 dconv, -1, 3x3 conv);(-1, identity, 0, 1x3-3x1 conv);(-2, 2x2 maxpool, 0, 3x3 dconv);"
    "(-1, 1x1 conv, 1, identity);(2, 3x3 dconv, -1, identity)]"
)
BATCH, EPOCHS = 128, 3
MATRIX, PRODUCTS, PROFILED_STEPS, NUM_SHOWN = 2048, 7, 2, 9
CONFIG = {
    "search_space": {"operators": ["identity", "3x3 conv"]},
    "training_hyperparameters": {
        "epochs": EPOCHS,
        "label_smoothing": 0.1,
        "softmax_dropout": 0.2,
        "optimizer": {"type": "adamW", "scheduler": "cd"},
    },
    "architecture_hyperparameters": {"filters": 24, "motifs": 3, "normal_cells_per_motif": 2},
    "others": {"train_strategy": "CPU"},
}


def ours(folder: Path) -> list[float]:
    """Seconds of each epoch of final training."""
    from popnas.workflows.models.training import FINAL, ModelJob, train_model
    from popnas.workflows.settings import load_config

    data = {"type": "image_classification", "path": str(folder), "batch_size": BATCH}
    config = load_config({**CONFIG, "dataset": data})
    ends: list[float] = []
    with tempfile.TemporaryDirectory() as logs:
        job = ModelJob(Path(logs) / "model", CELL, config, FINAL)
        train_model(job, on_epoch=lambda number, record: ends.append(time.perf_counter()))
    return np.diff(ends).tolist()


def plain(folder: Path, num_workers: int) -> list[float]:
    """Seconds of each epoch of the loop that the tutorials show."""
    import plain_loop
    from popnas import networks
    from popnas.cells import Cell

    network = networks.build(Cell.parse(CELL), network_spec())
    with np.load(folder / "train.npz") as file:
        images = plain_loop.Images(file["x"], file["y"])
    options = {"num_workers": num_workers, "label_smoothing": 0.1}
    return list(plain_loop.epochs(network, images, EPOCHS, BATCH, **options))[1:]


def network_spec() -> NetworkSpec:
    """Of the network that both train."""
    from popnas.networks import NetworkSpec

    return NetworkSpec("classification", (28, 28, 1), 10, softmax_dropout=0.2, is_post_search=True)


def step_flops() -> int:
    """Of forward and backward of one batch: the backward pass is taken as twice the forward pass."""
    from popnas.cells import Cell
    from popnas.networks.cost import network_cost

    return 3 * BATCH * network_cost(Cell.parse(CELL), network_spec()).flops


def matrix_flops_per_second() -> float:
    """The best of several products."""
    import torch

    a, b = torch.randn(2, MATRIX, MATRIX)
    seconds = []
    for _ in range(PRODUCTS):
        began = time.perf_counter()
        a @ b
        seconds.append(time.perf_counter() - began)
    return 2 * MATRIX**3 / min(seconds)


def profile() -> dict[str, float]:
    """By operation its share of a step's time, the largest first."""
    import torch
    from torch.nn.functional import cross_entropy

    from popnas import networks
    from popnas.cells import Cell
    from popnas.placement import Placement
    from popnas.training import TrainingSettings
    from popnas.training.stepper import PreparedBatch, Stepper

    spec = network_spec()
    place = Placement.on("cpu", num_dims=spec.num_dims, filters=spec.filters)
    network = networks.build(Cell.parse(CELL), spec).train()
    stepper = Stepper(network, cross_entropy, TrainingSettings(epochs=1), place)
    x, y = torch.randn(BATCH, 1, 28, 28), torch.randint(0, 10, (BATCH,))
    batch = PreparedBatch(place.laid_out(x), y, None)
    stepper.step(batch, 0.001)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as found:
        for _ in range(PROFILED_STEPS):
            stepper.release_gradients()
            stepper.step(batch, 0.001)
    spent = {item.key: item.self_cpu_time_total for item in found.key_averages()}
    total = sum(spent.values())
    largest = sorted(spent, key=spent.__getitem__, reverse=True)[:NUM_SHOWN]
    return {name: round(spent[name] / total, 3) for name in largest}


def measured(kind: str, folder: Path) -> dict[str, float]:
    """Run one kind in a process of its own."""
    command = [sys.executable, __file__, "--data", str(folder), "--kind", kind]
    output = subprocess.run(command, capture_output=True, text=True)
    if output.returncode:
        raise SystemExit(output.stderr)
    return json.loads(output.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    shared = Path(os.environ.get("POPNAS_SHARED", "../shared"), "data", "fashion_mnist")
    parser.add_argument("--data", type=Path, default=shared, help="the folder of fashion_mnist.npz")
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--kind", choices=["ours", "plain0", "plain2", "profile"])
    arguments = parser.parse_args()
    if arguments.kind:
        print(json.dumps(of_kind(arguments.kind, arguments.data)))
        return
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    if not (arguments.data / "fashion_mnist.npz").is_file():
        print(f"left out: {arguments.data / 'fashion_mnist.npz'} is not there (--data or POPNAS_SHARED)")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with np.load(arguments.data / "fashion_mnist.npz") as file:
            x, y = file["x_train"][: arguments.images, ..., None], file["y_train"][: arguments.images]
        np.savez(folder / "train.npz", x=x, y=y)
        kinds = ("plain0", "plain2", "ours")
        found = {kind: [] for kind in kinds}
        for _ in range(arguments.rounds):
            for kind in kinds:
                found[kind].append(measured(kind, folder))
        report(found, len(x), x.nbytes / 2**20)
        roofline(found["ours"], len(x))
        print(f"of a step: {measured('profile', folder)}")


def of_kind(kind: str, folder: Path) -> dict[str, float]:
    """In a process of its own: the seconds of an epoch, and the peak of memory in MiB; or the profile."""
    if kind == "profile":
        return profile()
    seconds = ours(folder) if kind == "ours" else plain(folder, int(kind[-1]))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = {"seconds": min(seconds), "peak_mib": peak}
    return found | {"matrix_flops": matrix_flops_per_second()} if kind == "ours" else found


def roofline(found: list[dict[str, float]], num_images: int) -> None:
    """Print how much of what the threads can do a training step does, the best of all rounds."""
    flops, at_best = step_flops(), max(item["matrix_flops"] for item in found)
    achieved = flops * num_images / BATCH / min(item["seconds"] for item in found)
    print(
        f"roofline: {flops / 1e9:.1f} GFLOP a step, {achieved / 1e9:.0f} of {at_best / 1e9:.0f} GFLOP/s, "
        f"{100 * achieved / at_best:.0f} % (35 are aimed at)"
    )


def report(found: dict[str, list[dict[str, float]]], num_images: int, data_mib: float) -> None:
    """Print images per second, the ratio to the faster plain loop, and memory."""
    names = {"plain0": "DataLoader, no workers", "plain2": "DataLoader, 2 workers", "ours": "popnas"}
    rates = {
        kind: statistics.median(num_images / item["seconds"] for item in items)
        for kind, items in found.items()
    }
    for kind, items in found.items():
        peak = max(item["peak_mib"] for item in items)
        print(f"  {names[kind]:24s} {rates[kind]:8.0f} images/s   peak {peak:6.0f} MiB")
    best = max(rates["plain0"], rates["plain2"])
    print(f"ratio to the faster plain loop: {rates['ours'] / best:.2f} (at least 1.5)")
    plain_peak = min(item["peak_mib"] for item in found["plain0"])
    ours_peak = max(item["peak_mib"] for item in found["ours"])
    print(
        f"memory beyond the plain loop: {ours_peak - plain_peak:.0f} MiB (at most the data, {data_mib:.0f})"
    )


if __name__ == "__main__":
    main()
