"""Whether candidates that cannot reach the front may be stopped early: searches over our own tables, which
hold what a training came to after some of its epochs.

    python benchmarks/bench_early_stopping.py [--seeds 30] [--networks 100]

The search is `rounds` of `bench_tables.py`, planned for so many networks, over the trainings that were
measured. After some epochs (of 4 after 1 and 2, of 10 after 2 and 5) a candidate goes on or stops; one that
stops gives the predictors the score and the time that it was on its way to, by a line fitted to the
trainings that ended before, and is no result of the search. The first 10 are trained whole. Ways:

- `dominated Z`: it stops if a trained candidate is no dearer and better than the expected score and Z
  standard deviations of the line's errors;
- `rungs S`: it stops if at that epoch it is not among the best share S of all that came so far, for its
  score.

What no rule can exceed is what whoever knew the front of the search at its end could save.

Seconds of training against the same search without; regrets as `bench_tables.py` has them, with the
difference to the same seeds without and its 95 % interval. To be built, a way must save 40 % with neither
regret worse beyond its interval.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np

from bench_tables import BLOCKS, FOUND, HERE
from popnas import evaluators, pareto
from popnas.cells import Cell
from popnas.evaluation import CandidateJob, Evaluation
from popnas.evaluators.table import TableEvaluator, lookup
from popnas.evaluators.table.lookup import Lookup
from popnas.records import Json
from popnas.workflows.searching.in_memory import MemorySearch
from popnas.workflows.tables.comparing import progressive
from popnas.workflows.tables.comparing.ground import ground_of
from popnas.workflows.tables.comparing.judging import MAXIMIZE, Judge, SeedMean
from popnas.workflows.tables.comparing.request import CompareRequest, NamedConfig
from popnas.workflows.tables.comparing.trial import Tried

FIRST_WHOLE = 10
FIGURES = ("score_regret", "hypervolume_regret")


@dataclass
class Course:
    """What a search has trained so far. Axes: N candidates that ended, E fidelities.

    `scores`, `seconds`: (E,) of each that ended, in their order; `whole`: their cells; `reached`: at each
    fidelity the scores of all that came so far; `stopped`: cells; `spent`: seconds in all.
    """

    scores: list[np.ndarray] = field(default_factory=list)
    seconds: list[np.ndarray] = field(default_factory=list)
    reached: dict[int, list[float]] = field(default_factory=dict)
    stopped: set[str] = field(default_factory=set)
    whole: list[str] = field(default_factory=list)
    spent: float = 0.0

    def expected(self, epoch: int, score: float) -> tuple[float, float]:
        """The last score of a candidate that has that one now, and the standard deviation of its error."""
        known_NE = np.array(self.scores)
        slope, offset = np.polyfit(known_NE[:, epoch], known_NE[:, -1], 1)
        errors_N = known_NE[:, -1] - (slope * known_NE[:, epoch] + offset)
        return float(slope * score + offset), float(errors_N.std(ddof=2))


Stops = Callable[[Course, str, int, float, float], bool]
"""(course, cell, fidelity, score then, seconds that it will have taken at the end) -> whether it stops."""


def dominated(margin: float, course: Course, cell: str, epoch: int, score: float, seconds: float) -> bool:
    mean, deviation = course.expected(epoch, score)
    known = np.array(
        [(item[-1], spent[-1]) for item, spent in zip(course.scores, course.seconds, strict=True)]
    )
    return bool(((known[:, 1] <= seconds) & (known[:, 0] >= mean + margin * deviation)).any())


def rungs(share: float, course: Course, cell: str, epoch: int, score: float, seconds: float) -> bool:
    return score < float(np.quantile(course.reached[epoch], 1 - share))


WAYS: dict[str, Stops] = {
    **{f"dominated {margin}": partial(dominated, margin) for margin in (0.5, 1.0, 2.0)},
    **{f"rungs {share}": partial(rungs, share) for share in (0.25, 0.5)},
}


@dataclass(frozen=True)
class StoppingLookup:
    """Answers as `Lookup` does, of what is left of a training."""

    whole: Lookup
    stops: Stops | None
    course: Course

    def evaluate(self, payload: Json) -> Json:
        job = CandidateJob.from_json(payload)
        found = self.whole.measured(job)
        if found.error_kind is not None:
            return found.to_json()
        scores_E, seconds_E = self._curve(job)
        if (ended := self._ended(job.cell, scores_E, seconds_E)) is None:
            return found.to_json()
        score = float(np.clip(self.course.expected(ended, float(scores_E[ended]))[0], 0, 1))
        return found.to_json() | {"score": score}

    def _curve(self, job: CandidateJob) -> tuple[np.ndarray, np.ndarray]:
        evaluator, table = self.whole.evaluator, self.whole.evaluator.table
        row = int(evaluator.rows(evaluator.space.encode([Cell.parse(job.cell)]))[0])
        training = evaluator.training(job)
        metric = table.metric_names.tolist().index(evaluator.config.search_strategy.score_metric)
        return table.metrics[row, training, :, metric], table.training_seconds[row, training]

    def _ended(self, cell: str, scores_E: np.ndarray, seconds_E: np.ndarray) -> int | None:
        """After which fidelity it stopped; None: it was trained whole."""
        course, table = self.course, self.whole.evaluator.table
        for epoch in range(len(scores_E) - 1):
            reached = course.reached.setdefault(epoch, [])
            reached.append(float(scores_E[epoch]))
            if self.stops is None or len(course.scores) < FIRST_WHOLE:
                continue
            seconds = float(seconds_E[epoch] * table.epochs[-1] / table.epochs[epoch])
            if self.stops(course, cell, epoch, float(scores_E[epoch]), seconds):
                course.spent += float(seconds_E[epoch])
                course.stopped.add(cell)
                return epoch
        course.spent += float(seconds_E[-1])
        course.whole.append(cell)
        course.scores.append(scores_E)
        course.seconds.append(seconds_E)
        return None


@dataclass(frozen=True)
class Searched:
    """A search: its seconds, its regrets, the share of candidates that it stopped, and the share of its
    seconds that who knew its front could have saved."""

    spent: float
    regrets: dict[str, float]
    stopped: float
    at_most: float


class Wind:
    """One table, and what judges searches over it."""

    def __init__(self, path: Path, networks: int) -> None:
        self.path, self.networks = path, networks
        self.request = CompareRequest(blocks=BLOCKS.get(path.stem), networks=(networks,))
        evaluator = evaluators.create(progressive.default_config(path, self.request, 0))
        self.ground = ground_of(evaluator, "time")
        self.judge = Judge(self.ground)
        self.rows = {key: row for row, key in enumerate(self.ground.keys)}

    def search(self, seed: int, stops: Stops | None) -> Searched:
        base = progressive.default_config(self.path, self.request, seed)
        config = progressive.planned(base, NamedConfig("rounds", FOUND), self.networks)
        evaluator = evaluators.create(config)
        assert isinstance(evaluator, TableEvaluator)
        course = Course()
        context = StoppingLookup(Lookup(evaluator), stops, course)
        with (
            mock.patch.object(lookup, "setup", lambda *_: context),
            mock.patch.object(lookup, "evaluate", StoppingLookup.evaluate),
        ):
            found = MemorySearch(evaluator, self.networks).run()
        return self._judged(found, course, seed)

    def _judged(self, found: Sequence[Evaluation], course: Course, seed: int) -> Searched:
        whole = [item for item in found if item.cell not in course.stopped and not item.is_failed]
        rows = [self.rows[item.cell] for item in whole]
        tried = Tried(tuple(rows), tuple(self.ground.training(row, seed) for row in rows))
        figures = self.judge.figures(tried, [len(rows)])
        values = np.array([(item.score, item.training_seconds) for item in whole], dtype=np.float64)
        front = {whole[index].cell for index in pareto.front(values, MAXIMIZE).tolist()}
        return Searched(
            course.spent,
            {name: float(figures[name][0]) for name in FIGURES},
            len(course.stopped) / len(found),
            sum(
                float(seconds_E[-1] - seconds_E[0])
                for cell, seconds_E in zip(course.whole, course.seconds, strict=True)
                if cell not in front
            )
            / course.spent,
        )


def compared(wind: Wind, seeds: int) -> None:
    """Print a line for each way."""
    plain = [wind.search(seed, None) for seed in range(seeds)]
    for name in FIGURES:
        print(f"  without: {name} {shown([item.regrets[name] for item in plain])}", flush=True)
    print(f"  could be saved at most: {100 * np.mean([item.at_most for item in plain]):.0f} %", flush=True)
    for way, stops in WAYS.items():
        ended = [wind.search(seed, stops) for seed in range(seeds)]
        saved = [1 - other.spent / one.spent for one, other in zip(plain, ended, strict=True)]
        changes = {
            name: [other.regrets[name] - one.regrets[name] for one, other in zip(plain, ended, strict=True)]
            for name in FIGURES
        }
        is_equal = all((SeedMean.of(np.array(values)).low or 0.0) <= 0 for values in changes.values())
        verdict = "would do" if is_equal and np.mean(saved) >= 0.4 else "does not do"
        regrets = "; ".join(f"{name} {shown(values)}" for name, values in changes.items())
        stopped = np.mean([item.stopped for item in ended])
        print(
            f"  {way}: stops {100 * stopped:.0f} %, saves {100 * np.mean(saved):.0f} % of training; {regrets}"
            f"; {verdict}",
            flush=True,
        )


def shown(values: Sequence[float]) -> str:
    mean = SeedMean.of(np.array(values))
    return f"{mean.mean:.4f} ± {mean.mean - (mean.low if mean.low is not None else mean.mean):.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--networks", type=int, default=100)
    arguments = parser.parse_args()
    for path in sorted((HERE / "tables").glob("*.npz")):
        print(f"{path.stem}, {arguments.networks} networks, {arguments.seeds} seeds", flush=True)
        compared(Wind(path, arguments.networks), arguments.seeds)


if __name__ == "__main__":
    main()
