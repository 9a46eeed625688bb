"""What a search finds beside known networks: as many parameters, the same loop, the same seconds of training.

Per seed: `popnas search`, `popnas select` among its best cells, by equal seconds of training, and
`popnas train` of the winner, each in a process of its own with one thread. Each known network has the width
that brings it nearest to the winner's parameters and as many epochs as fit into the winner's seconds of
training; its schedule ends with them. Its loop is the winner's, `training.fit`: loss, batches, augmentation,
optimizer, schedule, training and validation images together. All are judged on the test images, which nothing
before has seen. Seconds of one thread are CPU time, which other work on the machine hardly stretches.

What is trained is kept in `--place`; the same command goes on there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from popnas import tasks, training
from popnas.layers import ConvBNAct
from popnas.placement import Placement
from popnas.training import Course, Criteria, TrainingSettings
from popnas.workflows.models.evaluation import evaluate
from popnas.workflows.models.folder import ModelFolder

Json = dict[str, Any]


class Baseline(nn.Module):
    """What the loop asks of a network: one head."""

    head_weights = (1.0,)

    def set_progress(self, fraction: float) -> None:
        """Nothing here depends on it."""

    def logits(self, x: Tensor) -> Tensor:
        """Of each class, for each image or pixel."""
        raise NotImplementedError

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, ...]:
        return (self.logits(x),)


def conv(
    before: int,
    after: int,
    kernel: int = 3,
    *,
    stride: int = 1,
    dilation: int = 1,
    activation: str | None = "relu",
) -> ConvBNAct:
    """Convolution, batch normalisation, activation, of images."""
    return ConvBNAct(2, before, after, kernel, stride=stride, dilation=dilation, activation=activation)


def num_params(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def of_params(make: Callable[[int], Baseline], wanted: int) -> Baseline:
    """The network whose width brings it nearest to so many parameters."""
    with torch.device("meta"):
        width = min(range(2, 129), key=lambda w: abs(num_params(make(w)) - wanted))
    return make(width)


def mega_flops(network: nn.Module, input_shape: Sequence[int]) -> float:
    """Of one image of `input_shape` (height, width, channels), a multiplication and an addition being two."""
    height, width, channels = input_shape
    network.eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, channels, height, width))
    return counter.get_total_flops() / 1e6


@dataclass(frozen=True)
class Contest:
    """`search`: a configuration; `cells` are selected, trained for `selected_epochs`; the winner trains for
    `epochs`. `known`: what makes a network from (input channels, classes, width). `shown`: metrics of the
    table, the first one decides."""

    search: Json
    cells: int
    selected_epochs: int
    epochs: int
    known: dict[str, Callable[[int, int, int], Baseline]]
    shown: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """A trained network: `seconds` of training, `metrics` on the test images."""

    seed: int
    name: str
    params: int
    mega_flops: float
    epochs: int
    seconds: float
    metrics: dict[str, float]
    cell: str = ""


def small_search(
    operators: Sequence[str], metric: str, epochs: int, dataset: Json, **architecture: Any
) -> Json:
    """A search of minutes: up to three blocks of `operators`, in networks of the size that is delivered."""
    return {
        "search_space": {"blocks": 3, "lookback_depth": 1, "operators": list(operators)},
        "search_strategy": {
            "max_children": 8,
            "max_exploration_children": 2,
            "single_block_repeats": 3,
            "score_metric": metric,
            "additional_pareto_objectives": ["time"],
        },
        "training_hyperparameters": {
            "epochs": epochs,
            "learning_rate": 0.01,
            "weight_decay": 0.0005,
            "optimizer": {"type": "adamW", "scheduler": "cd: 0 alpha"},
        },
        "architecture_hyperparameters": {
            "filters": 12,
            "motifs": 3,
            "normal_cells_per_motif": 1,
            "residual_cells": True,
            **architecture,
        },
        "dataset": {**dataset, "data_augmentation": {"enabled": True}},
    }


class Book:
    """The rows in `place`, each written when it is there."""

    def __init__(self, place: Path) -> None:
        self.path = place / "rows.jsonl"
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        self.rows = [Row(**json.loads(line)) for line in lines]

    def get(self, seed: int, name: str) -> Row | None:
        return next((row for row in self.rows if (row.seed, row.name) == (seed, name)), None)

    def add(self, row: Row) -> Row:
        self.rows.append(row)
        with self.path.open("a") as stream:
            stream.write(json.dumps(asdict(row)) + "\n")
        return row


class SameLoop:
    """Known networks, trained and judged as the model in `folder` was."""

    def __init__(self, folder: ModelFolder, seed: int) -> None:
        self.seed = seed
        self.config = folder.config()
        self.task = tasks.get(self.config.dataset.type)
        self.data = folder.load_dataset(need_test=True)
        self.settings = TrainingSettings.from_config(self.config).replace(drop_path=0.0)
        filters = self.config.architecture_hyperparameters.filters
        self.placement = Placement.on("cpu", num_dims=2, filters=filters)

    def fit(self, network: Baseline, epochs: int) -> float:
        """Train; returns the training seconds."""
        data, task = self.data, self.task
        result = training.fit(
            network,
            task.train_loader(self.config, data, data.full_train, self.placement, seed=self.seed),
            None,
            Criteria(task.loss(self.config, data), lambda: task.metrics(data.num_classes)),
            self.settings.replace(epochs=epochs, warmup=min(self.settings.warmup, epochs // 4)),
            self.placement,
            Course(self.seed),
        )
        return result.training_seconds

    @torch.inference_mode()
    def test(self, network: Baseline) -> dict[str, float]:
        network.eval()
        assert self.data.test is not None
        metrics = self.task.metrics(self.data.num_classes)
        for batch in self.task.evaluation_loader(self.config, self.data, self.data.test, self.placement):
            metrics.update(network(batch.x)[-1], batch.y)
        return metrics.compute()

    def trained(self, name: str, make: Callable[[int, int, int], Baseline], ours: Row) -> Row:
        """The known network of `ours`' parameters and seconds."""

        def made() -> Baseline:
            torch.manual_seed(self.seed)
            channels, classes = self.data.input_shape[-1], self.data.num_classes
            return of_params(lambda width: make(channels, classes, width), ours.params)

        self.fit(made(), 1)  # what only a first one waits for
        epochs = max(1, round(ours.seconds / self.fit(made(), 1)))
        network = made()
        seconds = self.fit(network, epochs)
        flops = mega_flops(network, self.data.input_shape)
        return Row(self.seed, name, num_params(network), flops, epochs, seconds, self.test(network))


def popnas(place: Path, *arguments: str, has_one_thread: bool = True) -> str:
    """The command, in `place`; returns what it printed where that is JSON."""
    command = [sys.executable, "-m", "popnas", *arguments]
    output = subprocess.PIPE if "--json" in arguments else None
    environment = os.environ | ({"OMP_NUM_THREADS": "1"} if has_one_thread else {})
    done = subprocess.run(command, check=True, cwd=place, env=environment, stdout=output, text=True)
    return done.stdout or ""


def shared(name: str) -> Path:
    """A data set of the benchmarks' data, which POPNAS_SHARED names the folder of."""
    path = Path(os.environ.get("POPNAS_SHARED", "../shared"), "data", name).resolve()
    if not path.is_dir():
        raise SystemExit(f"left out: POPNAS_SHARED must say where data/{name} is")
    return path


def searched(place: Path, contest: Contest, seed: int) -> Path:
    """The run folder of a seed, its search done."""
    run = place / "logs" / f"seed-{seed}"
    others = {**contest.search.get("others", {}), "seed": seed, "train_strategy": "CPU"}
    configuration = place / f"search-{seed}.json"
    configuration.write_text(json.dumps({**contest.search, "others": others}, indent=1))
    began = ("-r", str(run)) if run.exists() else ("-j", str(configuration), "--name", run.name)
    popnas(place, "search", *began)
    return run


def found(place: Path, contest: Contest, seed: int) -> ModelFolder:
    """The network that the search of a seed brings, trained."""
    run = searched(place, contest, seed)
    epochs = ("--set", f"training_hyperparameters.epochs={contest.selected_epochs}")
    alike = ("--set", "others.selection_budget=seconds")  # as all are compared in the end
    popnas(place, "select", "-p", str(run), "-k", str(contest.cells), *epochs, *alike)
    popnas(place, "train", "-p", str(run), "--set", f"training_hyperparameters.epochs={contest.epochs}")
    return ModelFolder(run / "final_training")


def judged(run: Path, model: Path) -> tuple[dict[str, float], int, str]:
    """A model's metrics on the test split, its params and its cell."""
    (found,) = evaluate(run, model)
    assert found.result is not None, found.skipped
    described = found.result.model.description
    assert described.params is not None
    return dict(found.metrics), described.params, str(described.cell)


def played(place: Path, contest: Contest, seed: int, book: Book) -> ModelFolder:
    """All networks of a seed; returns what was found."""
    folder = found(place, contest, seed)
    loop = SameLoop(folder, seed)
    ours = book.get(seed, "popnas")
    if ours is None:
        metrics, params, cell = judged(folder.path.parent, folder.path)
        log = folder.log()
        flops = mega_flops(folder.load_network(), loop.data.input_shape)
        ours = book.add(
            Row(
                seed,
                "popnas",
                params,
                flops,
                len(log.epochs),
                log.training_seconds,
                metrics,
                cell,
            )
        )
    show(ours, contest)
    for name, make in contest.known.items():
        show(book.get(seed, name) or book.add(loop.trained(name, make, ours)), contest)
    return folder


def show(row: Row, contest: Contest) -> None:
    metrics = ", ".join(f"{name} {row.metrics[name]:.4f}" for name in contest.shown)
    print(
        f"  seed {row.seed} {row.name:12s} {row.params:9,} params {row.mega_flops:8.1f} MFLOP "
        f"{row.epochs:4d} epochs {row.seconds:6.0f} s   test: {metrics}   {row.cell}",
        flush=True,
    )


def summary(book: Book, contest: Contest, seeds: Sequence[int]) -> None:
    """Means over seeds, and what ours has more than each other one, seed by seed."""
    values: dict[str, list[float]] = defaultdict(list)
    flops: dict[str, list[float]] = defaultdict(list)
    for seed in seeds:
        for name in ("popnas", *contest.known):
            row = book.get(seed, name)
            assert row is not None
            values[name].append(row.metrics[contest.shown[0]])
            flops[name].append(row.mega_flops)
    ours = np.array(values["popnas"])
    for name, figures in values.items():
        ahead = ours - np.array(figures)
        told = (
            f"; popnas has {100 * ahead.mean():+.2f} points ({', '.join(f'{100 * a:+.2f}' for a in ahead)})"
        )
        print(
            f"  {name:12s} mean {contest.shown[0]} of {len(seeds)} seeds {np.mean(figures):.4f} "
            f"({min(figures):.4f} to {max(figures):.4f}), {np.mean(flops[name]):.1f} MFLOP"
            + (told if name != "popnas" else "")
        )


def main(
    description: str | None,
    contest: Callable[[Path], Contest],
    then: Callable[[ModelFolder], None] | None = None,
) -> None:
    """The benchmark as a command. `contest` may put data into the place; `then` is asked of each network that
    was found."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--place", type=Path, help="where runs are kept (default: a temporary folder)")
    parser.add_argument("--seed", type=int, nargs="+", default=[0, 1, 2], help="(default 0 1 2)")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        place = (asked.place or Path(temporary)).resolve()
        place.mkdir(parents=True, exist_ok=True)
        book, game = Book(place), contest(place)
        for seed in asked.seed:
            folder = played(place, game, seed, book)
            if then is not None:
                then(folder)
        summary(book, game, asked.seed)
