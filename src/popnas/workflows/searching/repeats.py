"""The end of a search that repeats trainings: which cells are trained again, and which one wins.

What was decided is never stored but the winner: a resumed search decides it again from the same evaluations,
and trains what is not in its journal yet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from popnas.evaluation import CandidateJob, Evaluation
from popnas.evaluators import Evaluator
from popnas.records import Json
from popnas.runs import Confirmation, RunState
from popnas.runs.state import Winner
from popnas.strategy import repeating
from popnas.workflows.searching import candidate_jobs

ROUNDS = 5
"""Each learns from the ones before; the number is fixed, so that no decision depends on that of workers."""

Train = Callable[[Sequence[CandidateJob]], bool]
"""Trains cells again, each an event `confirmation` of the state; False if the time was up before all were."""

Append = Callable[[str, Json, Json], None]
"""Takes an event's name, its content and its volatile part into the state."""


def decide(evaluator: Evaluator, state: RunState, append: Append, train: Train) -> bool:
    """Train the cells that may be the best again, as often as the configuration says, and append the winner.
    False if the time was up before. Without repeats, with a winner or without a result nothing is to be done.
    """
    repeats = evaluator.config.search_strategy.repeats
    cells = state.allowed
    if not repeats or not cells or state.winner is not None:
        return True
    scores = [[item.score or 0.0] for item in cells]
    counts = [0] * len(cells)
    for number in repeating.shares(repeats, ROUNDS):
        chosen = repeating.to_repeat(repeating.worth(scores), number)
        for position in chosen:
            counts[position] += 1
        wanted = [(cells[place], counts[place]) for place in chosen]
        if not train(candidate_jobs.lacking(wanted, evaluator.config.others.seed, state)):
            return False
        known = {(item.cell, item.repetition): item for item in state.confirmations}
        for place in chosen:
            scores[place] += _score(known[cells[place].cell, counts[place]])
    worth = repeating.worth(scores)
    best = int(repeating.ranked(worth)[0])
    mean, deviation = float(worth.mean[best]), float(worth.deviation[best])
    again = [item for item in known.values() if item.cell == cells[best].cell and _score(item)]
    count = _num_trainings(evaluator, cells[best], again)
    append("winner", Winner(cells[best].cell, mean, deviation, count).to_json(), {})
    return True


def _num_trainings(evaluator: Evaluator, cell: Evaluation, again: Sequence[Confirmation]) -> int:
    """How many trainings its scores are of: a table may have answered with one of them several times."""
    jobs = [candidate_jobs.again(cell), *map(candidate_jobs.confirming, again)]
    numbers = [evaluator.training(job) for job in jobs]
    return len(jobs) if None in numbers else len(set(numbers))


def _score(training: Confirmation) -> list[float]:
    """None of a training that failed."""
    return [] if training.is_failed or training.score is None else [training.score]
