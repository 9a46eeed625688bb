"""Whole searches in CPU seconds of all processes: digits at 16x16 and ItalyPowerDemand, as users start them.

Digits: 5 operators, 3 blocks, 8 + 2 children, 3 epochs, batch 64, 8 filters, 2 motifs, 1 normal cell,
objective time. ItalyPowerDemand: the same sizes, the archive's 1,029 test series as training data (927 to
train on, 102 to validate on) and its 67 training series as test split, operators identity, 7 conv, 7 dconv,
lstm, 2 maxpool. Median of 3 runs of each.

    python benchmarks/bench_search.py
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

REPETITIONS = 3
OTHERS = {"training": "epochs_seconds", "validation": "validation_seconds"}


def common(operators: list[str], dataset: dict[str, Any]) -> dict[str, Any]:
    return {
        "search_space": {"blocks": 3, "operators": operators},
        "search_strategy": {"max_children": 8, "max_exploration_children": 2},
        "training_hyperparameters": {"epochs": 3},
        "architecture_hyperparameters": {"filters": 8, "motifs": 2, "normal_cells_per_motif": 1},
        "dataset": {"batch_size": 64, **dataset},
    }


def digits() -> dict[str, Any]:
    return common(
        ["identity", "3x3 dconv", "3x3 conv", "1x3-3x1 conv", "2x2 maxpool"],
        {"type": "image_classification", "name": "digits", "resize": {"width": 16, "height": 16}},
    )


def italy_power_demand(folder: Path) -> dict[str, Any]:
    """The problem with its splits exchanged, so that there is something to train on."""
    import numpy as np
    from aeon.datasets import load_italy_power_demand

    for name, split in (("train", "test"), ("test", "train")):
        x_NCT, labels = load_italy_power_demand(split=split)
        y = labels.astype(float).astype(int)
        np.savez(folder / f"{name}.npz", x=x_NCT.transpose(0, 2, 1).astype(np.float32), y=y)
    return common(
        ["identity", "7 conv", "7 dconv", "lstm", "2 maxpool"],
        {"type": "time_series_classification", "path": str(folder)},
    )


def run(config: dict[str, Any], folder: Path, name: str) -> dict[str, float]:
    """CPU seconds of a search with all its workers, how much of them was training, and the best accuracy."""
    path = folder / f"{name}.json"
    path.write_text(json.dumps(config))
    process = subprocess.Popen(
        [sys.executable, "-m", "popnas", "search", "-j", str(path), "--name", name, "--json"],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    output, _ = process.communicate()
    # communicate() has reaped the process, so its usage is read from the sum over children before and after.
    assert process.returncode == 0, process.returncode
    result = json.loads(output)
    events = (folder / "logs" / name / "restore" / "journal.jsonl").read_text().splitlines()
    volatile = [event["volatile"] for event in map(json.loads, events) if event["event"] == "evaluation"]
    return {
        "networks": result["num_evaluated"],
        "accuracy": result["best"]["score"],
        **{part: sum(item.get(key, 0.0) for item in volatile) for part, key in OTHERS.items()},
    }


def measured(config: dict[str, Any], folder: Path, name: str) -> dict[str, float]:
    before = os.times()
    figures = run(config, folder, name)
    after = os.times()
    figures["cpu"] = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    figures["beside"] = figures["cpu"] - figures["training"] - figures["validation"]
    return figures


def main() -> dict[str, dict[str, float]]:
    medians = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        limits = {"digits": (110, 0.88), "italy": (120, 0.96)}
        for problem, config in (("digits", digits()), ("italy", italy_power_demand(folder))):
            runs = [measured(config, folder, f"{problem}{number}") for number in range(REPETITIONS)]
            medians[problem] = {key: statistics.median(figures[key] for figures in runs) for key in runs[0]}
            seconds, accuracy = limits[problem]
            print(f"{problem}: median of {REPETITIONS} (at most {seconds} s, at least {accuracy})")
            for key, value in medians[problem].items():
                values = ", ".join(f"{figures[key]:.4g}" for figures in runs)
                print(f"  {key:12s} {value:9.4g}   ({values})")
    return medians


if __name__ == "__main__":
    main()
