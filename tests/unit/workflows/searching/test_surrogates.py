"""Which predictors a step asks, and what they are told."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from popnas import evaluators
from popnas.cells import Cell, SearchSpace
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
    assert found.reports["time"]["hyperparameters"] == {"of": "time"}
    for predictor in _Constant.made:
        assert predictor.context.num_models == 3
        assert predictor.context.operator_costs.tolist() == [costs["time"][name] for name in SPACE.operators]
        assert predictor.context.cells_stacked(SPACE.encode([Cell.parse(parents[0].key)])) > 0


def test_a_run_from_before_the_choice_is_of_the_same_search():
    config = load_config({"dataset": {"type": "image_classification", "name": "digits"}}).to_json()
    before = {**config, "others": {k: v for k, v in config["others"].items() if k != "predictors"}}
    assert same_search(before, config)
    assert not same_search(before, {**config, "others": {**config["others"], "seed": 1}})
