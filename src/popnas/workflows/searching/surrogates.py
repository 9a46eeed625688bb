"""One step's surrogate predictions: fit the predictors on what was evaluated, expand the parents, predict
every expansion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from popnas import objectives, predictors
from popnas.cells import Block, Cell, SearchSpace, bulk
from popnas.cells.bulk import Expansion, expand
from popnas.evaluation import Evaluation, FitReport
from popnas.evaluators import Evaluator
from popnas.objectives import Objective
from popnas.objectives.rows import TIMES
from popnas.predictors import Predictor, PredictorContext, features
from popnas.runs import EarlierScores
from popnas.seeds import derive_seed
from popnas.strategy import round_significant
from popnas.workflows.earlier_searches import encoded


@dataclass(frozen=True)
class StepPredictions:
    """All expansions of a step with their predicted objectives, rounded as the selection compares them.

    `values`: objective name to (N,), int64 where computed; `score_spread` (N,) or None; `reports`:
    predictor's objective to how its fit went.
    """

    expansion: Expansion
    values: dict[str, np.ndarray]
    score_spread: np.ndarray | None
    reports: dict[str, FitReport]


def operator_costs(
    evaluations: Sequence[Evaluation],
    space: SearchSpace,
    measured: Sequence[Objective] = TIMES,
    cell_of: Callable[[str], Cell] = lambda name: Cell((Block(-1, name, -1, name),)),
) -> dict[str, dict[str, float]]:
    """Dynamic reindex: per measured objective, the cost of every operator (docs/search.md); `cell_of`: whose
    time tells it."""
    by_cell = {evaluation.cell: evaluation for evaluation in evaluations if not evaluation.is_failed}
    costs = {}
    for row in measured:
        seconds = {
            name: row.value(by_cell[key]) if (key := cell_of(name).key) in by_cell else None
            for name in space.operators
        }
        empty = row.value(by_cell["[]"]) if "[]" in by_cell else None
        costs[row.name] = features.operator_costs(seconds, empty, space.operators)
    return costs


def expanded(step: int, parents: Sequence[Cell], evaluator: Evaluator) -> Expansion:
    """All that a step can grow of its parents and that can be evaluated."""
    space = evaluator.space
    expansion = expand(space.encode(list(parents), step - 1), space)
    return expansion.only(evaluator.knows(expansion.canonical))


def predict_step(
    step: int,
    parents: Sequence[Cell],
    evaluations: Sequence[Evaluation],
    costs: dict[str, dict[str, float]],
    evaluator: Evaluator,
    round_number: int = 0,
    earlier: Sequence[EarlierScores] = (),
) -> StepPredictions:
    """Fit on `evaluations` (in order of proposal; failed ones are left out) and predict every expansion of
    `parents` that is not among them. `earlier`: what the score predictor learns from beside.

    Raises:
        PredictorError: too few successes to learn from, or a prediction that is no number.
    """
    space, config = evaluator.space, evaluator.config
    successes = [evaluation for evaluation in evaluations if not evaluation.is_failed]
    known_NB4 = space.encode([Cell.parse(evaluation.cell) for evaluation in successes])
    expansion = expanded(step, parents, evaluator)
    if tried := [Cell.parse(item.cell) for item in evaluations if item.step == step]:
        expansion = expansion.only(~bulk.are_among(expansion.canonical, space.encode(tried, step)))
    values: dict[str, np.ndarray] = {}
    reports: dict[str, FitReport] = {}
    wanted = config.wanted_objectives
    if not len(expansion):
        nothing = {objective: np.zeros(0) for objective in wanted} | evaluator.costs(expansion.cells)
        return StepPredictions(expansion, nothing, None, {})

    score_predictor = _predictor("score", costs["time"], evaluator, encoded(earlier, evaluator.space))
    is_cell_N = np.array([evaluation.step > 0 for evaluation in successes])
    scores = np.array([evaluation.score for evaluation in successes], dtype=np.float64)
    # The first round's seeds are those of searches that know no rounds.
    place = (step, round_number) if round_number else (step,)
    seed = derive_seed(config.others.seed, "predictor", "score", *place)
    # The empty cell has no graph: nothing of it carries over to the score of a cell.
    reports["score"] = score_predictor.fit(known_NB4[is_cell_N], scores[is_cell_N], seed=seed)
    prediction = score_predictor.predict(expansion.cells, parents=expansion.parent)
    values["score"] = round_significant(prediction.mean, 6)

    for objective in (row for row in objectives.measured(wanted) if row.name in wanted):
        time_predictor = _predictor("time", costs[objective.name], evaluator)
        seconds = np.array([objective.value(evaluation) for evaluation in successes])
        seed = derive_seed(config.others.seed, "predictor", objective.name, *place)
        reports[objective.name] = time_predictor.fit(known_NB4, seconds, seed=seed)
        values[objective.name] = round_significant(time_predictor.predict(expansion.cells).mean, 6)

    if wanted != ("score",):
        values |= evaluator.costs(expansion.cells)
    return StepPredictions(expansion, values, prediction.spread, reports)


def _predictor(
    objective: str,
    costs: dict[str, float],
    evaluator: Evaluator,
    earlier: tuple[tuple[np.ndarray, np.ndarray], ...] = (),
) -> Predictor:
    """The configuration's predictor of "score" or "time"; `costs` by operator."""
    others = evaluator.config.others
    context = PredictorContext(
        evaluator.space,
        cells_stacked=evaluator.cells_stacked,
        operator_costs=np.array([costs[name] for name in evaluator.space.operators]),
        num_models=others.accuracy_predictor_ensemble_units,
        passing_operators=evaluator.passing_operators,
        zero_operators=evaluator.zero_operators,
        earlier=earlier,
    )
    return predictors.REGISTRY.get(getattr(others.predictors, objective))(context)


def check_libraries(evaluator: Evaluator) -> None:
    """Refuse predictors that cannot work here, before anything is evaluated for them.

    Raises:
        MissingExtraError: a package that one of them needs is not installed.
    """
    chosen = evaluator.config.others.predictors
    for name in (chosen.score, chosen.time):
        predictors.REGISTRY.get(name).check_library()
