"""How well the scores of a search say what long trainings reach: ten cells of each task.

The searches are those of `bench_images.py` and `bench_segmentation.py`, and one of SwedishLeaf. Of all cells
that were trained and have two blocks or more ten are taken, evenly spread over the ranking by score; each is
trained as long as what is delivered, with the recipe of model selection, and scored on the same validation
data. One training of each, so noise lowers every figure.

    POPNAS_SHARED=FOLDER python benchmarks/bench_ranks.py [--place FOLDER] [--seed N] [NAME ...]

What is trained is kept in `--place`, NAME by NAME; the same command goes on there. The place of one of the
other two benchmarks may be PLACE/images or PLACE/segmentation: its searches are taken then.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau, spearmanr

import bench_images
import bench_segmentation
from popnas.runs import RunFolder
from same_loop import Contest, popnas, searched, shared, small_search

NUM_CELLS = 10


def series(_place: Path) -> Contest:
    search = small_search(
        ("identity", "9 conv", "19 conv", "39 conv", "9 dconv", "3 maxpool"),
        "accuracy",
        epochs=30,
        dataset={
            "type": "time_series_classification",
            "path": str(shared("ucr") / "SwedishLeaf"),
            "batch_size": 32,
            "validation_size": 0.3,
            "normalize": True,
        },
        filters=16,
        motifs=2,
    )
    return Contest(search, cells=4, selected_epochs=60, epochs=200, known={}, shown=("accuracy",))


CONTESTS: dict[str, Callable[[Path], Contest]] = {
    "images": bench_images.contest,
    "segmentation": bench_segmentation.contest,
    "series": series,
}


def chosen(run: Path) -> list[tuple[str, int, float]]:
    """(cell, blocks, score in the search), best first."""
    found = [
        (evaluation.cell, evaluation.step, evaluation.score)
        for evaluation in RunFolder.open(run).state().evaluations
        if evaluation.score is not None and evaluation.step >= 2
    ]
    found.sort(key=lambda each: -each[2])
    places = np.linspace(0, len(found) - 1, min(NUM_CELLS, len(found))).round().astype(int)
    return [found[place] for place in places]


def trained(place: Path, run: Path, number: int, cell: str, epochs: int) -> float:
    """The score of a cell after a long training."""
    name = f"rank-{number}"
    done = place / f"{run.name}-{name}.json"
    if not done.exists():
        length = f"training_hyperparameters.epochs={epochs}"
        told = popnas(
            place, "select", "-p", str(run), "--spec", cell, "--name", name, "--set", length, "--json"
        )
        done.write_text(told)
    return float(json.loads(done.read_text())["best"]["score"])


def ranks(place: Path, name: str, seed: int) -> None:
    place.mkdir(parents=True, exist_ok=True)
    contest = CONTESTS[name](place)
    run = searched(place, contest, seed)
    cells = chosen(run)
    print(f"{name}: seed {seed}, {len(cells)} cells, {contest.epochs} epochs", flush=True)
    scores = []
    for number, (cell, blocks, score) in enumerate(cells):
        final = trained(place, run, number, cell, contest.epochs)
        scores.append((score, final))
        print(f"  {score:.4f} in the search, {final:.4f} after it   {blocks} blocks: {cell}", flush=True)
    in_search, after = np.array(scores).T
    print(
        f"  {name}: Spearman {spearmanr(in_search, after).statistic:.3f}, Kendall "
        f"{kendalltau(in_search, after).statistic:.3f}, best of {len(cells)} {after.max():.4f}, "
        f"of the search's first {after[0]:.4f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(CONTESTS)} (default: all)")
    parser.add_argument("--place", type=Path, help="where runs are kept (default: a temporary folder)")
    parser.add_argument("--seed", type=int, default=0, help="(default 0)")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(CONTESTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(CONTESTS)}")
    with tempfile.TemporaryDirectory() as temporary:
        for name in asked.names or CONTESTS:
            ranks((asked.place or Path(temporary)).resolve() / name, name, asked.seed)


if __name__ == "__main__":
    main()
