"""Recipes for the final training of series and images: the same network, its last epoch judged.

Series are UCR problems, trained on the official training split and judged on the test split. Images (digits,
fashion_mnist: 3,000 of its images) are judged on a quarter of the training images that is held out, as this
chooses what the presets say; `--filters` and `--motifs` say how large their network is.

Every training is one line of `--out` (JSON: problem, seed, recipe, accuracy, CPU seconds of one thread); what
is there already is not trained again.

    python benchmarks/bench_recipes.py [--out OUT] [--epochs 100] [--seed N ...] [--problem NAME ...]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch

from popnas import networks, tasks, training
from popnas.cells import Cell
from popnas.config import RunConfig
from popnas.placement import Placement
from popnas.training import Course, Criteria, TrainingSettings
from popnas.workflows.settings import load_config

DATA = Path(os.environ.get("POPNAS_SHARED", "../shared")) / "data"
UCR = DATA / "ucr"
IMAGES: dict[str, dict[str, Any]] = {
    "digits": {"name": "digits", "batch_size": 32},
    "fashion_mnist": {
        "path": str(DATA / "fashion_mnist" / "fashion_mnist.npz"),
        "samples": 3000,
        "batch_size": 64,
    },
}
PROBLEMS = ("ECG200", "Lightning7")
SEEDS = (0,)
NARROW = "[(-1, 7 conv, -1, 13 dconv);(0, 21 dconv, -1, 2 maxpool)]"
OF_IMAGES = "[(-1, 3x3 conv, -1, 3x3 dconv);(-1, 1x3-3x1 conv, 0, 2x2 maxpool)]"
WIDE = "[(-1, 9 conv, -1, 19 conv);(-1, 39 conv, -1, 3 maxpool)]"
HEAVY = {"drop_path": 0.4, "softmax_dropout": 0.2, "label_smoothing": 0.1}
LIGHT = {"drop_path": 0.0, "softmax_dropout": 0.0, "label_smoothing": 0.1}
WARP = {"time_warp": 0.4}
RECIPES: dict[str, dict[str, Any]] = {
    "today": {"training": HEAVY},
    "today, warp": {"training": HEAVY, "augmentation": WARP},
    "light": {"training": LIGHT},
    "light, warp": {"training": LIGHT, "augmentation": WARP},
    "light, warp, more": {
        "training": LIGHT,
        "augmentation": {**WARP, "crop": 0.2, "scaling": 0.1, "jitter": 0.05},
    },
    "light, window": {"training": LIGHT, "augmentation": {"window_warp": 0.2}},
    "light, mixup": {"training": LIGHT, "augmentation": {"mixup": 0.2}},
    "light, warp, cutmix": {"training": LIGHT, "augmentation": {**WARP, "cutmix": 1.0}},
    "light, warp, average": {"training": {**LIGHT, "ema_decay": 0.99}, "augmentation": WARP},
    "published": {"training": HEAVY, "augmentation": {"use_cutout": True}},
    "published, unflipped": {"training": HEAVY, "augmentation": {"use_cutout": True, "flips": False}},
    "light, moved": {"training": LIGHT, "augmentation": {"flips": False}},
    "light, moved, flipped": {"training": LIGHT, "augmentation": {"flips": True}},
    "light, moved, dropped": {"training": {**LIGHT, "drop_path": 0.1}, "augmentation": {"flips": False}},
    "light, trivial": {"training": LIGHT, "augmentation": {"trivial_augment": True, "flips": False}},
    "light, moved, mixup": {"training": LIGHT, "augmentation": {"flips": False, "mixup": 0.2}},
    "light, moved, average": {"training": {**LIGHT, "ema_decay": 0.99}, "augmentation": {"flips": False}},
    "wide, light, warp": {"training": LIGHT, "augmentation": WARP, "cell": WIDE},
}


def config_of(
    problem: str, recipe: dict[str, Any], seed: int, epochs: int, size: tuple[int, int]
) -> RunConfig:
    """A whole configuration; `size`: filters and motifs."""
    augmentation = recipe.get("augmentation", {})
    if problem in IMAGES:
        data = {"type": "image_classification", "validation_size": 0.25, **IMAGES[problem]}
    else:
        data = {
            "type": "time_series_classification",
            "path": str(UCR / problem),
            "normalize": True,
            "batch_size": 16,
        }
    return load_config(
        {
            "search_space": {"operators": ["identity"]},
            "training_hyperparameters": {
                "epochs": epochs,
                "optimizer": {"type": "adamW", "scheduler": "cd: 0 alpha", "warmup": 5},
                **recipe["training"],
            },
            "architecture_hyperparameters": {
                "filters": size[0],
                "motifs": size[1],
                "normal_cells_per_motif": 1,
            },
            "dataset": {**data, "data_augmentation": {"enabled": bool(augmentation), **augmentation}},
            "others": {"seed": seed, "train_strategy": "CPU"},
        }
    )


def trained(problem: str, name: str, seed: int, epochs: int, size: tuple[int, int]) -> dict[str, Any]:
    """Accuracy on the judging split after the last epoch, and CPU seconds."""
    recipe, is_images = RECIPES[name], problem in IMAGES
    config = config_of(problem, recipe, seed, epochs, size)
    task = tasks.get(config.dataset.type)
    dataset = task.load(config, need_test=not is_images)
    fold = dataset.folds[0]
    training_split, judging_split = (
        (fold.train, fold.validation) if is_images else (dataset.full_train, dataset.test)
    )
    assert judging_split is not None
    spec = task.network_spec(config, dataset).replace(is_post_search=True)
    place = Placement.on("cpu", num_dims=spec.num_dims, filters=spec.filters)
    torch.manual_seed(seed)
    network = networks.build(Cell.parse(recipe.get("cell", OF_IMAGES if is_images else NARROW)), spec)
    began = time.thread_time()
    result = training.fit(
        network,
        task.train_loader(config, dataset, training_split, place, seed=seed),
        None,
        Criteria(task.loss(config, dataset), lambda: task.metrics(dataset.num_classes)),
        TrainingSettings.from_config(config),
        place,
        Course(seed),
    )
    seconds = time.thread_time() - began
    network.load_state_dict(result.best_state)
    metrics = task.metrics(dataset.num_classes)
    with torch.inference_mode():
        network.eval()
        for batch in task.evaluation_loader(config, dataset, judging_split, place):
            metrics.update(network(batch.x, batch.lengths)[-1], batch.y)
    accuracy = metrics.compute()["accuracy"]
    return {
        "problem": problem,
        "seed": seed,
        "recipe": name,
        "epochs": epochs,
        "size": list(size),
        "accuracy": accuracy,
        "cpu": seconds,
    }


def show(found: list[dict[str, Any]]) -> None:
    """Means over seeds, by recipe and problem."""
    by = defaultdict(list)
    for item in found:
        by[item["recipe"], item["epochs"], item["problem"]].append(item)
    problems = sorted({item["problem"] for item in found})
    print(
        f"{'recipe':<26}{'epochs':>7}"
        + "".join(f"{problem[:14]:>16}" for problem in problems)
        + f"{'mean':>9}{'CPU s':>8}"
    )
    for name, epochs in dict.fromkeys((item["recipe"], item["epochs"]) for item in found):
        cells = [by.get((name, epochs, problem), []) for problem in problems]
        means = [
            sum(item["accuracy"] for item in cell) / len(cell) if cell else float("nan") for cell in cells
        ]
        seconds = [item["cpu"] for cell in cells for item in cell]
        row = "".join(f"{mean:>12.4f} n{len(cell):<2}" for mean, cell in zip(means, cells, strict=True))
        print(f"{name:<26}{epochs:>7}{row}{sum(means) / len(means):>9.4f}{sum(seconds) / len(seconds):>8.1f}")


def compare(
    out: Path, problems: list[str], recipes: list[str], seeds: list[int], epochs: int, size: tuple[int, int]
) -> None:
    """Train what is not there yet, seed by seed, so that every stop leaves whole comparisons."""
    torch.set_num_threads(1)
    lines = out.read_text().splitlines() if out.exists() else []
    found = [item for line in lines if (item := json.loads(line)).get("size", [16, 2]) == list(size)]
    known = {(item["problem"], item["recipe"], item["seed"], item["epochs"]) for item in found}
    for seed, problem, name in itertools.product(seeds, problems, recipes):
        if (problem, name, seed, epochs) in known:
            continue
        found.append(trained(problem, name, seed, epochs, size))
        with out.open("a") as file:
            file.write(json.dumps(found[-1]) + "\n")
    show(found)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--seed", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--problem", nargs="+", default=list(PROBLEMS))
    parser.add_argument("--recipe", nargs="+", default=["today", "light, warp"], choices=list(RECIPES))
    parser.add_argument("--filters", type=int, default=16)
    parser.add_argument("--motifs", type=int, default=2)
    given = parser.parse_args()
    if not UCR.is_dir():
        print(f"left out: there is no {UCR}")
        return
    with tempfile.TemporaryDirectory() as folder:
        out = given.out or Path(folder) / "recipes.jsonl"
        size = (given.filters, given.motifs)
        compare(out, given.problem, given.recipe, given.seed, given.epochs, size)


if __name__ == "__main__":
    main()
