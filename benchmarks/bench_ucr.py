"""Test accuracy on 30 time series problems beside InceptionTime, MiniRocket and MultiRocket-Hydra.

The problems are all of `data/ucr` in the folder that POPNAS_SHARED names and six that aeon brings, each with
its official split; they were chosen by size, before any result. Ours is what `popnas archives --ensemble 4
--max-params 500000` delivers, measured as exported on the test split, which nothing before has seen; the
limit of a problem is `--seconds`, search and everything else included, one core each. Beside it:

- MiniRocket and MultiRocket-Hydra as aeon has them, seeds 0 to 2, run here (the mean counts);
- InceptionTime as published: univariate, the paper's companion repository hfawaz/InceptionTime,
  `results-InceptionTime-128.csv`; multivariate, the archive's maintainers in the repository
  time-series-machine-learning/tsml-eval, `results/tsml/MultivariateDefaultTrainTest.csv`.

    python benchmarks/bench_ucr.py [--place FOLDER] [--seeds 3] [--seconds 288] [PROBLEM ...]

The same command with the same `--place` goes on where it was stopped. Without names, `make bench` takes five
problems and one seed; `all` takes the 30 (two to three hours a seed on one core).
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from popnas.report.archive.ranks import ranking

INCEPTION_TIME = {
    "ACSF1": 0.92,
    "Adiac": 0.841432,
    "ArrowHead": 0.845714,
    "AtrialFibrillation": 0.2,
    "BME": 0.993333,
    "BasicMotions": 1.0,
    "Beef": 0.7,
    "CBF": 0.998889,
    "Chinatown": 0.985423,
    "Coffee": 1.0,
    "ECG200": 0.93,
    "ERing": 0.877778,
    "Epilepsy": 0.985507,
    "FaceFour": 0.954545,
    "FiftyWords": 0.830769,
    "Fish": 0.982857,
    "GunPoint": 1.0,
    "Handwriting": 0.642353,
    "ItalyPowerDemand": 0.965015,
    "Libras": 0.888889,
    "Lightning7": 0.835616,
    "MedicalImages": 0.794737,
    "OSULeaf": 0.942149,
    "Plane": 1.0,
    "PowerCons": 0.944444,
    "SwedishLeaf": 0.9744,
    "SyntheticControl": 0.996667,
    "Trace": 1.0,
    "TwoLeadECG": 0.99561,
    "UMD": 0.986111,
}
SHORT = ("ECG200", "MedicalImages", "SwedishLeaf", "SyntheticControl", "Trace")

_OPTIMIZER = {"type": "adamW", "scheduler": "cd: 0 alpha"}
_WARP = {"enabled": True, "time_warp": 0.4}
SEARCH: dict[str, Any] = {
    "search_space": {
        "blocks": 2,
        "lookback_depth": 1,
        "operators": ["identity", "9 conv", "19 conv", "39 conv", "3 maxpool"],
    },
    "search_strategy": {"max_children": 4, "max_exploration_children": 0, "single_block_repeats": 2},
    "training_hyperparameters": {
        "epochs": 6,
        "learning_rate": 0.01,
        "weight_decay": 0.0005,
        "label_smoothing": 0.1,
        "optimizer": _OPTIMIZER,
    },
    "architecture_hyperparameters": {"filters": 16, "motifs": 2, "normal_cells_per_motif": 1},
    "dataset": {"type": "time_series_classification", "normalize": True, "data_augmentation": _WARP},
    "others": {"confirm": False},
}


def archive(place: Path, names: list[str]) -> Path:
    """A folder with a folder per problem."""
    found = place / "archive"
    shared = Path(os.environ.get("POPNAS_SHARED", "../shared"), "data", "ucr").resolve()
    if not shared.is_dir():
        raise SystemExit("left out: POPNAS_SHARED must say where data/ucr is")
    for name in names:
        folder = found / name
        if folder.exists():
            continue
        if (shared / name).is_dir():
            found.mkdir(parents=True, exist_ok=True)
            folder.symlink_to(shared / name)
        else:
            _from_aeon(name, folder)
    return found


def _from_aeon(name: str, folder: Path) -> None:
    from aeon.datasets import load_classification

    spec = importlib.util.find_spec("aeon")
    assert spec is not None and spec.origin is not None
    where = str(Path(spec.origin).parent / "datasets" / "data")
    splits = {
        split: load_classification(name, split=split, extract_path=where) for split in ("train", "test")
    }
    labels = np.unique(splits["train"][1])
    folder.mkdir(parents=True)
    for split, (x_NCL, labels_N) in splits.items():
        x_NLC = np.moveaxis(x_NCL, 1, 2).astype(np.float32)
        np.savez(folder / f"{split}.npz", x=x_NLC, y=np.searchsorted(labels, labels_N))


def aeons(folder: Path, seeds: int = 3) -> dict[str, tuple[float, float]]:
    """By method: mean accuracy over the seeds, and mean CPU seconds of fitting and answering."""
    from aeon.classification.convolution_based import MiniRocketClassifier, MultiRocketHydraClassifier

    with np.load(folder / "train.npz") as train, np.load(folder / "test.npz") as test:
        x, y, test_x, test_y = (
            np.moveaxis(train["x"], 2, 1).astype(np.float64),
            train["y"],
            np.moveaxis(test["x"], 2, 1).astype(np.float64),
            test["y"],
        )
    made: dict[str, Callable[[int], Any]] = {
        "MiniRocket": lambda seed: MiniRocketClassifier(random_state=seed),
        "MultiRocketHydra": lambda seed: MultiRocketHydraClassifier(random_state=seed),
    }
    found = {}
    for name, make in made.items():
        accuracies, seconds = [], []
        for seed in range(seeds):
            began = time.process_time()
            answers = make(seed).fit(x, y).predict(test_x)
            seconds.append(time.process_time() - began)
            accuracies.append(float((answers == test_y).mean()))
        found[name] = (float(np.mean(accuracies)), float(np.mean(seconds)))
    return found


def against(place: Path, folder: Path, names: list[str]) -> Path:
    """The others' accuracies as `popnas archives --against` reads them; what was measured is kept."""
    kept = place / "others.json"
    known = json.loads(kept.read_text()) if kept.exists() else {}
    for name in names:
        if name not in known:
            known[name] = aeons(folder / name)
            kept.write_text(json.dumps(known, indent=1))
            print(name, known[name], flush=True)
    path = place / "against.csv"
    with path.open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["problem", "InceptionTime", "MiniRocket", "MultiRocketHydra"])
        for name in names:
            measured = [known[name][method][0] for method in ("MiniRocket", "MultiRocketHydra")]
            rows.writerow([name, INCEPTION_TIME[name], *measured])
    return path


def campaign(place: Path, folder: Path, others: Path, seed: int, seconds: float) -> dict[str, Any]:
    """One seed over the archive."""
    anyone = str(next(folder.iterdir()).resolve())  # a path that is there; each problem gets its own
    base = {**SEARCH, "dataset": {**SEARCH["dataset"], "path": anyone}}
    base["others"] = {**SEARCH["others"], "seed": seed}
    (place / f"search-{seed}.json").write_text(json.dumps(base))
    limits = ["--ensemble", "4", "--max-params", "500000", "--hours", str(seconds / 3600)]
    configs = ["-j", f"search-{seed}.json", "-jms", "model_selection_ts", "-jlt", "last_training_ts"]
    command = [sys.executable, "-m", "popnas", "archives", "-p", str(folder), *configs, "-k", "1", *limits]
    command += ["--against", str(others), "--name", f"seed-{seed}", "--json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=place, env=environment)
    if done.returncode:
        raise SystemExit(done.returncode)
    return json.loads(done.stdout)


def report(results: list[dict[str, Any]], others: Path) -> None:
    """The table of accuracies (means over seeds), and mean ranks."""
    with others.open() as stream:
        rows = {row.pop("problem"): {k: float(v) for k, v in row.items()} for row in csv.DictReader(stream)}
    ours: dict[str, list[dict[str, Any]]] = {}
    for result in results:
        for item in result["results"]:
            if item["accuracy"] is None:
                print(f"{item['problem']}: failed: {item['error']}")
            else:
                ours.setdefault(item["problem"], []).append(item)
    methods = list(next(iter(rows.values())))
    print(f"{'problem':20s} {'popnas':>8s} " + " ".join(f"{name:>17s}" for name in methods) + "  params  s")
    table: dict[str, dict[str, float]] = {"popnas": {}} | {name: {} for name in methods}
    for name, items in ours.items():
        means = {
            key: float(np.mean([item[key] for item in items])) for key in ("accuracy", "params", "seconds")
        }
        table["popnas"][name] = means["accuracy"]
        for method in methods:
            table[method][name] = rows[name][method]
        print(
            f"{name:20s} {means['accuracy']:8.4f} "
            + " ".join(f"{rows[name][method]:17.4f}" for method in methods)
            + f"  {means['params']:,.0f}  {means['seconds']:.0f}"
        )
    print(f"mean of {len(ours)}: " + ", ".join(f"{k} {np.mean([*v.values()]):.4f}" for k, v in table.items()))
    ranked = ranking(table, "popnas")
    for method in () if ranked is None else ranked.methods:
        won = f"{method.wins}/{method.ties}/{method.losses}"
        print(f"mean rank {method.rank:.2f}: {method.name}; popnas against it {won}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("problems", nargs="*", default=SHORT, metavar="PROBLEM", help="or: all")
    parser.add_argument("--place", type=Path, help="where the campaign is kept (default: a temporary folder)")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=288, help="limit of a problem (default 288)")
    asked = parser.parse_args()
    names = list(INCEPTION_TIME) if asked.problems == ["all"] else list(asked.problems)
    if unknown := set(names) - set(INCEPTION_TIME):
        parser.error(f"no problem {', '.join(sorted(unknown))}; there are: {', '.join(INCEPTION_TIME)}, all")
    with tempfile.TemporaryDirectory() as temporary:
        place = (asked.place or Path(temporary)).resolve()
        place.mkdir(parents=True, exist_ok=True)
        folder = archive(place, names)
        others = against(place, folder, names)
        results = [campaign(place, folder, others, seed, asked.seconds) for seed in range(asked.seeds)]
        report(results, others)


if __name__ == "__main__":
    main()
