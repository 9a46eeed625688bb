"""Whole jobs with a limit: does `popnas e2e --hours H` end in time, and does more time bring more?

One problem of each task: 10,000 images of Fashion-MNIST, the series SwedishLeaf, the scenes of CamVid. For
each limit and seed `popnas e2e` runs what `popnas init` proposes for the data, alone on the machine; its wall
time beside the limit, the start of the interpreter included, and the test metric of what it delivers.

    POPNAS_SHARED=FOLDER python benchmarks/bench_hours.py [NAME ...] [--place FOLDER] [--hours H ...]
        [--seed N ...]

Jobs that have ended are kept in `--place`; the same command goes on with the next one. One that was stopped
begins anew, as its time would not be comparable.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from bench_images import part_of_fashion_mnist
from same_loop import judged, popnas, shared

LIMITS = (0.1, 0.5, 2.0)
PROBLEMS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "images": (part_of_fashion_mnist, "accuracy"),
    "series": (lambda _: shared("ucr") / "SwedishLeaf", "accuracy"),
    "masks": (lambda _: shared("camvid"), "mean_iou"),
}
"""Where the data are, and the metric."""


@dataclass(frozen=True)
class Ended:
    """A job: seconds of its limit and by the clock, its metric on the test split."""

    name: str
    limit: float
    seed: int
    seconds: float
    metric: float
    cell: str
    params: int


def job(place: Path, name: str, hours: float, seed: int) -> Ended:
    """A job from its configuration to its test metric."""
    data, metric = PROBLEMS[name]
    configuration = place / f"{name}.json"
    if not configuration.exists():
        popnas(place, "init", str(data(place)), "-o", configuration.name, has_one_thread=False)
    run = place / "logs" / f"{name}-{hours:g}-{seed}"
    shutil.rmtree(run, ignore_errors=True)
    began = time.monotonic()
    told = popnas(
        place,
        *("e2e", "-j", configuration.name, "--hours", f"{hours:g}", "--name", run.name),
        *("--set", f"others.seed={seed}", "--json"),
        has_one_thread=False,
    )
    seconds = time.monotonic() - began
    result = json.loads(told)
    metrics, params, cell = judged(run, place / result["model"])
    return Ended(name, hours * 3600, seed, seconds, metrics[metric], cell, params)


def summary(rows: list[Ended]) -> None:
    """Per problem and limit: time used, and the metric over the seeds."""
    for name in PROBLEMS:
        for limit in sorted({row.limit for row in rows if row.name == name}):
            chosen = [row for row in rows if (row.name, row.limit) == (name, limit)]
            used = [100 * row.seconds / row.limit for row in chosen]
            metrics = [row.metric for row in chosen]
            print(
                f"{name:7s} {limit / 3600:4g} h: {min(used):.1f} to {max(used):.1f} % of the limit, "
                f"{PROBLEMS[name][1]} {np.mean(metrics):.4f} ({', '.join(f'{each:.4f}' for each in metrics)})"
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PROBLEMS)} (default: all)")
    parser.add_argument("--place", type=Path, help="where jobs are kept (default: a temporary folder)")
    parser.add_argument("--hours", type=float, nargs="+", default=LIMITS, help="(default 0.1 0.5 2)")
    parser.add_argument("--seed", type=int, nargs="+", default=[0, 1, 2], help="(default 0 1 2)")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(PROBLEMS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(PROBLEMS)}")
    with tempfile.TemporaryDirectory() as temporary:
        place = (asked.place or Path(temporary)).resolve()
        place.mkdir(parents=True, exist_ok=True)
        book = place / "jobs.jsonl"
        rows = [Ended(**json.loads(line)) for line in book.read_text().splitlines()] if book.exists() else []
        for seed in asked.seed:
            for name in asked.names or PROBLEMS:
                for hours in asked.hours:
                    if any((row.name, row.limit, row.seed) == (name, hours * 3600, seed) for row in rows):
                        continue
                    row = job(place, name, hours, seed)
                    rows.append(row)
                    with book.open("a") as stream:
                        stream.write(json.dumps(asdict(row)) + "\n")
                    print(
                        f"{name} {hours:g} h, seed {seed}: {row.seconds:.0f} s of {row.limit:.0f}, "
                        f"{PROBLEMS[name][1]} {row.metric:.4f}, {row.params:,} params, {row.cell}",
                        flush=True,
                    )
        summary(rows)


if __name__ == "__main__":
    main()
