"""What predictors are worth: ranks on NAS-Bench-201, and times of cells of one block more.

NAS-Bench-201, cifar10: 156 architectures drawn evenly from all 15,625, validation accuracy of one training of
200 epochs; asked for 3,000 others against the mean over trainings; 10 splits, seeds 0 to 9 (Kendall at least
0.80). Times: simulated searches in a space of 9 operators and 5 blocks, whose times are the network's exact
FLOPs and a share for each built block, 3 % noise; learnt from all cells of one block and the cheaper half of
60 drawn of each larger step, asked for 500 expansions; seeds 0 to 2 (MAPE at most 10 %, bias at most 3 %).

    python benchmarks/bench_predictor_studies.py [NAME ...]

Names of predictors; without any all whose libraries are there.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
from pathlib import Path

import numpy as np

from popnas import predictors
from popnas.cells import Block, Cell, SearchSpace, bulk
from popnas.errors import MissingExtraError
from popnas.networks import NetworkSpec, bulk_costs, num_cells_stacked
from popnas.predictors import PredictorContext
from popnas.predictors.features import operator_costs
from popnas.workflows.studies.figures import figures, interval
from popnas.workflows.studies.splits import StudyRequest
from popnas.workflows.studies.study import Where, study

SHARED = Path(os.environ.get("POPNAS_SHARED", "../shared"))
FIGURES = SHARED / "data" / "nasbench201" / "nasbench201.parquet"
OPERATORS = (
    *("identity", "1x1 conv", "3x3 conv", "1x3-3x1 conv", "1x7-7x1 conv"),
    *("3x3 dconv", "5x5 dconv", "2x2 maxpool", "2x2 avgpool"),
)
SPACE = SearchSpace(OPERATORS, num_blocks=5, lookback_depth=2)
SPEC = NetworkSpec("classification", (32, 32, 3), 10, filters=24, motifs=3, normal_cells_per_motif=2)
NUM_LEARNT, NUM_ASKED, SEEDS = 60, 500, 3


def main() -> None:
    names = sys.argv[1:] or [*usable("score"), *usable("time")]
    scores = [name for name in names if name in predictors.names_of("score")]
    if scores and FIGURES.exists():
        rank(scores)
    elif scores:
        print(f"NAS-Bench-201 is left out: {FIGURES} is not there")
    times([name for name in names if name in predictors.names_of("time")])


def usable(objective: str) -> list[str]:
    found = []
    for name in predictors.names_of(objective):
        try:
            predictors.REGISTRY.get(name).check_library()
        except MissingExtraError as error:
            print(error)
        else:
            found.append(name)
    return found


def rank(names: list[str]) -> None:
    made = study("score", Where([FIGURES]), StudyRequest(random=156, sample=3000, seeds=10), names=names)
    print("NAS-Bench-201, cifar10, 156 architectures learnt from, 10 splits: mean and 95 % interval")
    for item in made.summaries():
        shown = [
            f"{name} {item.means[name]:.3f} ± {item.halves[name]:.3f}" for name in ("kendall", "spearman")
        ]
        print(f"  {item.predictor:14s} {'  '.join(shown)}  fit {item.means['fit_seconds']:.2f} s")


def times(names: list[str]) -> None:
    print("Times of cells of one block more: MAPE, bias (%), Spearman; mean and 95 % interval")
    found: dict[tuple[int, str], list[tuple[float | None, ...]]] = {}
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        known = np.concatenate([padded(SPACE.encode([Cell()], 1)), padded(SPACE.new_blocks(1)[:, None])])
        parents = SPACE.new_blocks(1)[:, None]
        for step in range(2, SPACE.num_blocks + 1):
            drawn = parents[rng.permutation(len(parents))[:NUM_LEARNT]]
            grown = bulk.expand(drawn, SPACE).canonical
            asked = grown[rng.permutation(len(grown))[:NUM_ASKED]]
            learnt_N = seconds(known) * np.exp(rng.normal(0, 0.03, len(known)))
            for name in names:
                predictor = predictors.REGISTRY.get(name)(context())
                predictor.fit(known, learnt_N, seed=seed)
                predicted_N = predictor.predict(asked).mean
                one = figures(seconds(asked), predicted_N, is_better_low=True, seconds=(0, 0))
                found.setdefault((step, name), []).append((one.mape, one.bias, one.spearman))
            cheap = asked[np.argsort(seconds(asked))[: 2 * NUM_LEARNT]]
            parents = cheap[rng.permutation(len(cheap))[:NUM_LEARNT]]
            known = np.concatenate([known, padded(parents)])
    for (step, name), rows in sorted(found.items()):
        shown = []
        for values in zip(*rows, strict=True):
            mean, half = interval(values)
            shown.append(f"{mean:7.2f} ± {half:5.2f}")
        print(f"  step {step} {name:14s} {'  '.join(shown)}")


def seconds(cells_NB4: np.ndarray) -> np.ndarray:
    """Made of what is built: FLOPs, and a share for every block of every stacked cell."""
    flops_N = bulk_costs(cells_NB4, SPACE, SPEC).flops.astype(np.float64)
    built_N = num_cells_stacked(cells_NB4, SPEC) * bulk.num_blocks(cells_NB4)
    return 1 + 3e-8 * flops_N + 0.06 * built_N


def context() -> PredictorContext:
    def alone(cell: Cell) -> float:
        return float(seconds(SPACE.encode([cell], 1))[0])

    by_name = {name: alone(Cell((Block(-1, name, -1, name),))) for name in SPACE.operators}
    costs = operator_costs(by_name, alone(Cell()), SPACE.operators)
    costs_O = np.array([costs[name] for name in SPACE.operators])
    return PredictorContext(SPACE, lambda cells: num_cells_stacked(cells, SPEC), costs_O)


def padded(cells_NB4: np.ndarray) -> np.ndarray:
    wide = np.empty((len(cells_NB4), SPACE.num_blocks, 4), dtype=np.int16)
    wide[:] = (0, -1, 0, -1)
    wide[:, : cells_NB4.shape[1]] = cells_NB4
    return wide


if __name__ == "__main__":
    main()
