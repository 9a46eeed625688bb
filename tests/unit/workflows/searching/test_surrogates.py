"""Which predictors a step asks, and what they are told."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from popnas import evaluators
from popnas.cells import Cell, SearchSpace
from popnas.errors import PredictorError
from popnas.evaluation import Evaluation
from popnas.predictors import REGISTRY, FitReport, Prediction, ScorePredictor, TimePredictor
from popnas.runs.folder import same_search
from popnas.workflows.searching import surrogates
from popnas.workflows.settings import load_config

SPACE = SearchSpace(["identity", "3x3 conv"], 2, 1)


class _Constant:
    made: ClassVar[list] = []

    def _fit(self, cells_NB4, targets_N, seed):
        self.made.append(self)
        self.learnt, self.targets, self.seed = cells_NB4, targets_N, seed
        return FitReport(hyperparameters={"of": self.objective})

    def _predict(self, cells_NB4, parents):
        return Prediction(np.full(len(cells_NB4), 0.25))


class ConstantScore(_Constant, ScorePredictor):
    """One value for every cell."""


class ConstantTime(_Constant, TimePredictor):
    """One value for every cell."""


@pytest.fixture
def plug_ins(monkeypatch):
    REGISTRY.names()  # discovered before
    parts = {"constant": (ConstantScore, ""), "constant time": (ConstantTime, "")}
    monkeypatch.setattr(REGISTRY, "_parts", REGISTRY._parts | parts)
    monkeypatch.setattr(_Constant, "made", [])


def test_those_that_the_configuration_names_are_told_the_same(plug_ins):
    config = load_config(
        {
            "search_space": {"blocks": 2, "lookback_depth": 1, "operators": list(SPACE.operators)},
            "search_strategy": {"additional_pareto_objectives": ["time"]},
            "dataset": {"type": "image_classification", "name": "digits"},
            "others": {
                "predictors": {"score": "constant", "time": "constant time"},
                "accuracy_predictor_ensemble_units": 3,
            },
        }
    )
    parents = SPACE.decode(SPACE.new_blocks(1)[:, None])
    evaluations = [
        Evaluation(cell.key, 1, index, False, seed=0, score=0.5, training_seconds=1.0)
        for index, cell in enumerate(parents)
    ]
    costs = {"time": {"identity": 0.1, "3x3 conv": 1.0}}
    found = surrogates.predict_step(2, parents, evaluations, costs, evaluators.create(config))
    assert set(found.values["score"]) == set(found.values["time"]) == {0.25}
    assert found.reports["time"].hyperparameters == {"of": "time"}
    for predictor in _Constant.made:
        assert predictor.context.num_models == 3
        assert predictor.context.operator_costs.tolist() == [costs["time"][name] for name in SPACE.operators]
        assert predictor.context.cells_stacked(SPACE.encode([Cell.parse(parents[0].key)])) > 0


PARENTS = SPACE.decode(SPACE.new_blocks(1)[:, None])
COSTS = {"time": {"identity": 0.1, "3x3 conv": 1.0}, "inference_time": {"identity": 0.7, "3x3 conv": 1.0}}


def settings(**changes):
    document = {
        "search_space": {"blocks": 2, "lookback_depth": 1, "operators": list(SPACE.operators)},
        "search_strategy": {"additional_pareto_objectives": ["time"]},
        "dataset": {"type": "image_classification", "name": "digits"},
        "others": {"predictors": {"score": "constant", "time": "constant time"}},
    }
    for place, value in changes.items():
        section, key = place.split(".")
        document[section][key] = value
    return load_config(document)


def evaluated(cell, index, **changes):
    figures = {"score": 0.5, "training_seconds": 1.0, "inference_seconds": 0.01, **changes}
    return Evaluation(cell, len(Cell.parse(cell)), index, False, seed=0, **figures)


def step_2(parents, evaluations, config):
    return surrogates.predict_step(2, parents, evaluations, COSTS, evaluators.create(config))


def all_of_step_1():
    return [evaluated(cell.key, index) for index, cell in enumerate(PARENTS)]


@pytest.mark.parametrize(
    ("changes", "asked", "values"),
    [
        ({}, ["score", "time"], {"score", "time", "params", "flops"}),
        (
            {"search_strategy.additional_pareto_objectives": ["params"]},
            ["score"],
            {"score", "params", "flops"},
        ),
        (
            {"search_strategy.additional_pareto_objectives": ["inference_time", "time"]},
            ["score", "time", "inference_time"],
            {"score", "time", "inference_time", "params", "flops"},
        ),
        (
            {
                "search_strategy.additional_pareto_objectives": ["flops"],
                "search_strategy.constraints": {"inference_time": [0, 9]},
            },
            ["score", "inference_time"],
            {"score", "inference_time", "params", "flops"},
        ),
        (
            {"search_strategy.additional_pareto_objectives": [], "others.pnas_mode": True},
            ["score"],
            {"score"},
        ),
        (
            {
                "search_strategy.additional_pareto_objectives": [],
                "others.pnas_mode": True,
                "search_strategy.constraints": {"params": [0, 9]},
            },
            ["score"],
            {"score", "params", "flops"},
        ),
    ],
)
def test_what_the_search_wants_is_predicted_and_nothing_else(plug_ins, changes, asked, values):
    found = step_2(PARENTS, all_of_step_1(), settings(**changes))
    assert list(found.reports) == asked
    assert found.values.keys() == values
    assert {len(value) for value in found.values.values()} == {len(found.expansion.cells)}
    for name, predictor in zip(asked, _Constant.made, strict=True):
        costs = COSTS["time" if name == "score" else name]
        assert predictor.context.operator_costs.tolist() == [costs[operator] for operator in SPACE.operators]


def test_scores_are_learnt_from_cells_and_times_from_the_empty_one_too(plug_ins):
    empty = evaluated("[]", 0, score=0.125, training_seconds=0.25)
    grown = PARENTS[0].key.replace("]", ";(0, identity, 0, identity)]")
    failed = Evaluation(Cell.parse(grown).canonical().key, 2, 0, False, seed=0, error="x", error_kind="nan")
    step_2(PARENTS, [empty, *all_of_step_1(), failed], settings())
    score, time = _Constant.made
    assert SPACE.decode(score.learnt) == list(PARENTS)
    assert score.targets.tolist() == [0.5] * len(PARENTS)
    assert SPACE.decode(time.learnt) == [Cell(), *PARENTS]
    assert time.targets.tolist() == [0.25] + [1.0] * len(PARENTS)


def test_every_step_and_objective_draws_its_own_seed(plug_ins):
    both = settings(**{"search_strategy.additional_pareto_objectives": ["time", "inference_time"]})
    for _ in range(2):
        step_2(PARENTS, all_of_step_1(), both)
    seeds = [predictor.seed for predictor in _Constant.made]
    assert seeds[:3] == seeds[3:] and len(set(seeds)) == 3
    other = settings(**{"others.seed": 1})
    step_2(PARENTS, all_of_step_1(), other)
    assert _Constant.made[-1].seed not in seeds


def test_too_few_successes_are_an_error(plug_ins):
    with pytest.raises(PredictorError, match=r"needs at least 3 evaluated cells. Got 1 instead"):
        step_2(PARENTS[:1], all_of_step_1()[:1], settings())


def test_what_is_predicted_is_compared_to_six_digits(plug_ins, monkeypatch):
    monkeypatch.setattr(
        ConstantScore,
        "_predict",
        lambda self, cells_NB4, parents: Prediction(1 / 3 + 1e-9 * np.arange(len(cells_NB4))),
    )
    found = step_2(PARENTS, all_of_step_1(), settings())
    assert set(found.values["score"]) == {0.333333}


def test_operators_cost_what_they_add_to_the_empty_network():
    evaluations = [
        evaluated("[]", 0, training_seconds=1.0, inference_seconds=0.5),
        evaluated("[(-1, identity, -1, identity)]", 0, training_seconds=2.0, inference_seconds=0.5),
        evaluated("[(-1, 3x3 conv, -1, 3x3 conv)]", 1, training_seconds=5.0, inference_seconds=0.6),
    ]
    found = surrogates.operator_costs(evaluations, SPACE)
    assert found["time"] == {"identity": 0.25, "3x3 conv": 1.0}
    assert found["inference_time"] == {"identity": 0.0, "3x3 conv": 1.0}
    assert surrogates.operator_costs([], SPACE)["time"] == {"identity": 0.0, "3x3 conv": 0.0}


@pytest.mark.parametrize("name", ["predictors", "evaluator"])
def test_a_run_from_before_the_choice_is_of_the_same_search(name):
    config = load_config({"dataset": {"type": "image_classification", "name": "digits"}}).to_json()
    before = {**config, "others": {k: v for k, v in config["others"].items() if k != name}}
    assert same_search(before, config)
    assert not same_search(before, {**config, "others": {**config["others"], "seed": 1}})
