"""Final training's throughput and memory against a plain PyTorch loop over a DataLoader.

Fashion-MNIST (28x28), 24 filters, 3 motifs, 2 normal cells, a cell of 5 blocks, two heads, batch 128,
float32, AdamW with a cosine schedule, no augmentation. Ours is `train_model`, with its checkpoints, its log
and its look at the accuracy after every epoch; the plain loop trains the same network and does nothing else.
Each runs in a process of its own, in turns, on 2 threads; wall time of whole epochs after a first one.

    python benchmarks/bench_final_training.py    (data/fashion_mnist in $POPNAS_SHARED)
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

import numpy as np

CELL = (
    "[(-2, 3x3 dconv, -1, 3x3 conv);(-1, identity, 0, 1x3-3x1 conv);(-2, 2x2 maxpool, 0, 3x3 dconv);"
    "(-1, 1x1 conv, 1, identity);(2, 3x3 dconv, -1, identity)]"
)
BATCH, EPOCHS = 128, 3
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
    import torch
    from torch.utils.data import DataLoader, Dataset

    from popnas import networks
    from popnas.cells import Cell
    from popnas.networks import NetworkSpec

    class Images(Dataset):
        def __init__(self) -> None:
            with np.load(folder / "train.npz") as file:
                self.x, self.y = file["x"], file["y"]

        def __len__(self) -> int:
            return len(self.y)

        def __getitem__(self, index: int):
            return torch.from_numpy(self.x[index]).permute(2, 0, 1).float() / 255, int(self.y[index])

    spec = NetworkSpec("classification", (28, 28, 1), 10, softmax_dropout=0.2, is_post_search=True)
    network = networks.build(Cell.parse(CELL), spec)
    loader = DataLoader(Images(), batch_size=BATCH, shuffle=True, num_workers=num_workers)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * len(loader))
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=0.1)
    seconds = []
    for _ in range(EPOCHS):
        began = time.perf_counter()
        total = 0.0
        for x, y in loader:
            optimizer.zero_grad()
            heads = zip(network.head_weights, network(x), strict=True)
            loss = sum(weight * loss_of(logits, y) for weight, logits in heads)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        seconds.append(time.perf_counter() - began)
    return seconds[1:]


def measured(kind: str, folder: Path) -> dict[str, float]:
    """Run one kind in a process of its own."""
    command = [sys.executable, __file__, "--data", str(folder), "--kind", kind]
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    output = subprocess.run(command, capture_output=True, text=True, env=environment)
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
    parser.add_argument("--kind", choices=["ours", "plain0", "plain2"])
    arguments = parser.parse_args()
    if arguments.kind:
        kind = arguments.kind
        seconds = ours(arguments.data) if kind == "ours" else plain(arguments.data, int(kind[-1]))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": min(seconds), "peak_mib": peak}))
        return
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
