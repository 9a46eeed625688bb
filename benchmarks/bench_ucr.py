"""Test accuracy on five problems of the UCR archive beside that of InceptionTime.

The problems were chosen before any result of ours was known: short enough for a CPU, of 2 to 15 classes and
100 to 500 training series. Ours is one network, found and trained by `popnas e2e` within `--hours` a problem,
measured as exported, on the archive's own test split, which nothing before has seen. InceptionTime is an
ensemble of five networks of 1,500 epochs each. Its figures, as published:

- InceptionTime: on the archive's own split, one ensemble. H. Ismail Fawaz et al., "InceptionTime: Finding
  AlexNet for Time Series Classification", Data Mining and Knowledge Discovery 34 (2020); the paper's
  companion repository hfawaz/InceptionTime, `results-InceptionTime-85.csv`.
- (mean): over 30 resamplings of training and test data, the archive's own split being the first. Repository
  time-series-machine-learning/tsml-eval of the archive's maintainers,
  `results/tsml/ByClassifier/Univariate/InceptionTime_TESTFOLDS.csv`.

One run of ours is one sample: on 100 test series (ECG200, Trace) a difference of 3 points is noise.

    python benchmarks/bench_ucr.py [--hours 0.05] [--problem ECG200] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

INCEPTION_TIME = {  # problem: (on the archive's split, mean of 30 resamplings)
    "ECG200": (0.9100, 0.8957),
    "MedicalImages": (0.7987, 0.7963),
    "SwedishLeaf": (0.9712, 0.9698),
    "SyntheticControl": (0.9967, 0.9958),
    "Trace": (1.0000, 1.0000),
}
SEARCH: dict[str, Any] = {
    "search_space": {
        "blocks": 2,
        "lookback_depth": 1,
        "operators": ["identity", "7 conv", "13 dconv", "7:2dr conv", "2 maxpool"],
    },
    "search_strategy": {"max_children": 8, "max_exploration_children": 2},
    "training_hyperparameters": {"epochs": 10, "optimizer": {"type": "adamW", "scheduler": "cd"}},
    "architecture_hyperparameters": {"filters": 16, "motifs": 3, "normal_cells_per_motif": 1},
    "others": {"executor": {"kind": "processes", "workers": 2}},
}
LONGER: dict[str, Any] = {
    "training_hyperparameters": {
        "epochs": 100,
        "drop_path": 0.2,
        "softmax_dropout": 0.2,
        "label_smoothing": 0.1,
        "optimizer": {"type": "adamW", "scheduler": "cd", "warmup": 3},
    }
}
FINAL = {"training_hyperparameters": {**LONGER["training_hyperparameters"], "epochs": 300}}


@dataclass(frozen=True)
class Row:
    """A problem and what came out."""

    problem: str
    num_train: int
    length: int
    num_classes: int
    accuracy: float
    params: int
    seconds: float
    published_split: float
    published_mean: float


def run(problem: str, folder: Path, hours: float) -> Row:
    """One job in a folder of its own."""
    with np.load(folder / "train.npz") as file:
        x, num_classes = file["x"], len(np.unique(file["y"]))
    data = {"type": "time_series_classification", "path": str(folder), "normalize": True}
    data |= {"batch_size": 16 if len(x) < 200 else 32, "validation_size": 0.2}
    others = {**SEARCH["others"], "max_hours": hours}
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        for stem, content in (
            ("search", {**SEARCH, "dataset": data, "others": others}),
            ("selection", LONGER),
            ("final", FINAL),
        ):
            (place / f"{stem}.json").write_text(json.dumps(content))
        options = ["-j", "search.json", "-jms", "selection.json", "-jlt", "final.json", "-k", "3"]
        began = time.perf_counter()
        result = _popnas(["e2e", *options, "--name", problem, "--json"], place)
        seconds = time.perf_counter() - began
        params = json.loads((place / result["model"] / "model.json").read_text())["params"]
    assert result["measured"]["split"] == "test"
    accuracy = result["measured"]["accuracy"]
    shape = (len(x), x.shape[1], num_classes)
    return Row(problem, *shape, accuracy, params, seconds, *INCEPTION_TIME[problem])


def _popnas(arguments: list[str], place: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "popnas", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=place, env=environment)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def report(rows: list[Row]) -> None:
    """The table, and who wins where against the figure on the same split."""
    print(
        f"{'problem':17s} {'train':>5s} {'length':>6s} {'classes':>7s} {'popnas':>7s} {'InceptionTime':>13s} "
        f"{'(mean)':>7s} {'params':>8s} {'seconds':>7s}"
    )
    for row in rows:
        print(
            f"{row.problem:17s} {row.num_train:5d} {row.length:6d} {row.num_classes:7d} {row.accuracy:7.4f} "
            f"{row.published_split:13.4f} {row.published_mean:7.4f} {row.params:8,d} {row.seconds:7.0f}"
        )
    gaps = {row.problem: round(row.accuracy - row.published_split, 4) for row in rows}
    for words, sign in (("popnas ahead", 1), ("level", 0), ("InceptionTime ahead", -1)):
        names = [name for name, gap in gaps.items() if np.sign(gap) == sign]
        print(f"{words}: {', '.join(names) or 'nowhere'}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=0.05, help="max_hours of a problem (default 0.05)")
    parser.add_argument("--problem", choices=list(INCEPTION_TIME), action="append", help="only these")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    archive = Path(os.environ.get("POPNAS_SHARED", "../shared"), "data", "ucr").resolve()
    if not archive.is_dir():
        print("left out: POPNAS_SHARED must say where data/ucr is")
        return
    rows = [run(name, archive / name, arguments.hours) for name in arguments.problem or INCEPTION_TIME]
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows]))
    else:
        report(rows)


if __name__ == "__main__":
    main()
