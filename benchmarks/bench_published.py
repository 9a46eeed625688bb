"""Candidates of the published size on a CPU, against the loop that tutorials show.

12 random cells of 5 blocks of the published operators (seed 0), 24 filters, 3 motifs of 2 normal cells,
images of 32x32x3 in batches of 128: Fashion-MNIST with a border and three channels of random brightness, as
no set of colour images is at hand.

    python benchmarks/bench_published.py [--cells 12] [--images 1600] [--epochs 3] [--one-thread] [--float32]
        (data/fashion_mnist in $POPNAS_SHARED)

Each cell is trained by workers of popnas with a thread each, all that a candidate goes through included
(warm-up, validation of every epoch, timing of its inference), and by a plain loop over a DataLoader with
torch's default threads, which trains the same network and validates as often, in float32. In turns, two cells
at a time: plain, one worker, two workers. Every fifth image validates. popnas has `use_mixed_precision`: it
does nothing on a CPU without instructions for it, and `--float32` takes it away.

- `popnas / plain`: candidates per hour, by the clock; at least 1.8 are demanded.
- `two workers / one`: twice the seconds of all candidates with one worker over those with two; at least 1.85.
- `CPU seconds`: of the training alone, without warm-up and validation: how much of that is less work for the
  processor. Threads that wait for one another spend such seconds, too, where others hold them up: on a busy
  machine take `--one-thread`, where the plain loop has one and two workers are left out. The ratios by the
  clock say nothing then.
- `ranks`: Spearman's correlation of the validation accuracies of two workers (or the one) and the plain loop,
  which begin with the same weights and see the same batches; at least 0.95. `again`, one worker with another
  seed, says what such accuracies are worth.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from popnas import evaluators, executors
from popnas.cells import SearchSpace
from popnas.evaluation import CandidateJob
from popnas.evaluators import Evaluator
from popnas.events import nobody
from popnas.executors import Executor, Job, Work
from popnas.seeds import derive_seed
from popnas.workflows.settings import load_config

OPERATORS = (
    "identity", "3x3 dconv", "5x5 dconv", "7x7 dconv", "1x3-3x1 conv", "1x5-5x1 conv", "1x7-7x1 conv",
    "1x1 conv", "3x3 conv", "5x5 conv", "2x2 maxpool", "2x2 avgpool",
)  # fmt: skip
BATCH, BLOCKS = 128, 5
SHARED = Path(os.environ.get("POPNAS_SHARED", "../shared"), "data", "fashion_mnist")
WAYS = ("plain", "one worker", "two workers")


def config_of(folder: Path, epochs: int, *, is_mixed: bool) -> dict[str, Any]:
    return {
        "search_space": {"blocks": BLOCKS, "lookback_depth": 2, "operators": list(OPERATORS)},
        "training_hyperparameters": {"epochs": epochs, "optimizer": {"type": "adamW", "scheduler": "cd"}},
        "architecture_hyperparameters": {"filters": 24, "motifs": 3, "normal_cells_per_motif": 2},
        "dataset": {
            "type": "image_classification",
            "path": str(folder),
            "batch_size": BATCH,
            "validation_size": 0.2,
        },
        "others": {
            "train_strategy": "CPU",
            "use_mixed_precision": is_mixed,
            "executor": {"kind": "processes", "workers": 2},
        },
    }


def make(source: Path, folder: Path, num_images: int) -> None:
    """The images, 2 pixels of black around them."""
    rng = np.random.default_rng(0)
    with np.load(source / "fashion_mnist.npz") as file:
        x, y = file["x_train"][:num_images], file["y_train"][:num_images]
    grey = np.pad(x, ((0, 0), (2, 2), (2, 2)))[..., None]
    colours = rng.uniform(0.5, 1.0, (num_images, 1, 1, 3))
    np.savez(folder / "train.npz", x=(grey * colours).astype(np.uint8), y=y)


def random_cells(count: int) -> list[str]:
    """Distinct ones, in canonical text."""
    space = SearchSpace(OPERATORS, num_blocks=BLOCKS, lookback_depth=2)
    cells = space.decode(space.random_cells(count, BLOCKS, np.random.default_rng(0)))
    return [cell.canonical().key for cell in cells]


def evaluate(context: Any, payload: dict[str, Any]) -> dict[str, Any]:
    """As popnas does."""
    from popnas.evaluators.training import candidate

    answer = candidate.evaluate(context, payload)
    assert answer.get("error") is None, answer
    spent = answer["volatile"]
    return {"accuracy": answer["score"], "cpu": spent["epochs_seconds"], "wall": spent["wall_seconds"]}


class SameOrder:
    """The order in which popnas takes the examples of each epoch; every iteration is the next one."""

    def __init__(self, num_examples: int, seed: int) -> None:
        self.num_examples, self.seed, self.epoch = num_examples, seed, 0

    def __len__(self) -> int:
        return self.num_examples

    def __iter__(self) -> Iterator[int]:
        import torch

        generator = torch.Generator().manual_seed(derive_seed(self.seed, "epoch", self.epoch))
        self.epoch += 1
        return iter(torch.randperm(self.num_examples, generator=generator).tolist())


def evaluate_plain(context: Any, payload: dict[str, Any]) -> dict[str, Any]:
    """As tutorials do, with the same network, split and order."""
    import torch

    import plain_loop
    from popnas import networks
    from popnas.cells import Cell

    job = CandidateJob.from_json(payload)
    torch.manual_seed(job.seed)
    network = networks.build(Cell.parse(job.cell), context.spec)
    fold = context.dataset.folds[0]
    training, validation = (
        plain_loop.Images(np.asarray(split.x), np.asarray(split.y)) for split in (fold.train, fold.validation)
    )
    best, spent, began, started = 0.0, 0.0, time.process_time(), time.perf_counter()
    order = SameOrder(len(training), job.seed)
    for _ in plain_loop.epochs(network, training, context.settings.epochs, BATCH, sampler=order):
        spent += time.process_time() - began
        best = max(best, plain_loop.accuracy(network, validation, BATCH))
        began = time.process_time()
    return {"accuracy": best, "cpu": spent, "wall": time.perf_counter() - started}


def timed(executor: Executor, cells: Sequence[str], seed: int) -> tuple[float, list[dict[str, float]]]:
    """Seconds by the clock, and what each cell came to."""
    jobs = [
        Job(str(index), CandidateJob(cell, BLOCKS, index, seed).to_json()) for index, cell in enumerate(cells)
    ]
    began = time.perf_counter()
    results = {result.id: result for result in executor.run(jobs)}
    wall = time.perf_counter() - began
    assert all(result.error is None for result in results.values()), results
    return wall, [results[job.id].value or {} for job in jobs]


def executor_of(way: str, evaluator: Evaluator, shared: str | None, plain_threads: int) -> Executor:
    plain = way == "plain"
    function = "bench_published:evaluate_plain" if plain else "bench_published:evaluate"
    work = Work(evaluator.setup, function, evaluator.payload(None, None), shared)
    count, threads = 1 + (way == "two workers"), plain_threads if plain else 1
    return executors.create("processes", work, num_workers=count, threads=threads)


def measure(folder: Path, cells: list[str], epochs: int, *, has_one_thread: bool, is_mixed: bool) -> None:
    """Print a line for each two cells, then what all came to."""
    import torch

    threads, ways = (1, WAYS[:2]) if has_one_thread else (torch.get_num_threads(), WAYS)
    evaluator = evaluators.create(load_config(config_of(folder, epochs, is_mixed=is_mixed)))
    found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    walls: dict[str, list[float]] = {way: [] for way in ways}
    with ExitStack() as stack:
        shared = stack.enter_context(evaluator.sharing(folder, nobody))
        pools = {way: stack.enter_context(executor_of(way, evaluator, shared, threads)) for way in ways}
        for pool in pools.values():  # started, and all loaded
            timed(pool, ["[(-1, identity, -1, identity)]"] * pool.num_workers, 0)
        for first in range(0, len(cells), 2):
            pair = cells[first : first + 2]
            for way in ways:
                seed = int(way == "one worker" and len(ways) > 2)  # else it is what plain is compared with
                wall, answers = timed(pools[way], pair, seed)
                walls[way].append(wall)
                found[way] += answers
            print(json.dumps({way: round(walls[way][-1], 2) for way in ways}), flush=True)
    report(walls, found)


def report(walls: dict[str, list[float]], found: dict[str, list[dict[str, float]]]) -> None:
    def ratio(of: str, to: str) -> str:
        ratios = [one / other for one, other in zip(walls[to], walls[of], strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        return f"{sum(walls[to]) / sum(walls[of]):.2f} (median {statistics.median(ratios):.2f}, {spread})"

    def ranks(one: str, other: str) -> float:
        first, second = ([item["accuracy"] for item in found[way]] for way in (one, other))
        return float(spearmanr(first, second).statistic)

    shares = [one["cpu"] / other["cpu"] for one, other in zip(*(found[way] for way in WAYS[:2]), strict=True)]
    print("CPU seconds: " + ", ".join(f"{way} {sum(x['cpu'] for x in found[way]):.1f}" for way in found))
    print(
        f"plain / one worker: median {statistics.median(shares):.2f}, {min(shares):.2f} to {max(shares):.2f}"
    )
    if "two workers" not in found:
        print(f"ranks: popnas and plain {ranks('one worker', 'plain'):.3f} (at least 0.95)")
        return
    print(f"popnas / plain: {ratio('two workers', 'plain')} (at least 1.8)")
    alone, beside = (sum(item["wall"] for item in found[way]) for way in ("one worker", "two workers"))
    print(
        f"two workers / one: {2 * alone / beside:.2f} while both have work (at least 1.85); by the clock, "
        f"where one waits if two cells differ, {ratio('two workers', 'one worker')}"
    )
    print(
        f"ranks: popnas and plain {ranks('two workers', 'plain'):.3f} (at least 0.95); "
        f"again {ranks('two workers', 'one worker'):.3f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=SHARED, help="the folder of fashion_mnist.npz")
    parser.add_argument("--cells", type=int, default=12)
    parser.add_argument("--images", type=int, default=1600)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--one-thread", action="store_true")
    parser.add_argument("--float32", action="store_true")
    arguments = parser.parse_args()
    if not (arguments.data / "fashion_mnist.npz").is_file():
        print(f"left out: {arguments.data / 'fashion_mnist.npz'} is not there (--data or POPNAS_SHARED)")
        return
    with tempfile.TemporaryDirectory() as name:
        make(arguments.data, Path(name), arguments.images)
        cells = random_cells(arguments.cells)
        measure(
            Path(name),
            cells,
            arguments.epochs,
            has_one_thread=arguments.one_thread,
            is_mixed=not arguments.float32,
        )


if __name__ == "__main__":
    main()
