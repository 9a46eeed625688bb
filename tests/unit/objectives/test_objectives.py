"""The objectives agree with what the configuration and evaluations know of them."""

import dataclasses

import pytest

from popnas import config, objectives
from popnas.errors import UnknownNameError
from popnas.evaluation import Evaluation
from popnas.objectives.rows import COSTS, ROWS

OBJECTIVES = [row.name for row in COSTS]

EVALUATION = Evaluation(
    cell="[]",
    step=0,
    index=0,
    is_exploration=False,
    seed=1,
    score=0.5,
    training_seconds=2.0,
    inference_seconds=0.1,
    params=3,
    flops=4,
)


def test_names_are_those_of_configurations():
    assert objectives.costs() == OBJECTIVES
    assert set(objectives.REGISTRY.names()) == {"score", *OBJECTIVES}


def test_more_is_better_of_the_score_alone():
    directions = {name: objective.direction for name, objective in objectives.REGISTRY.items()}
    assert directions == {"score": "maximize", **dict.fromkeys(OBJECTIVES, "minimize")}


def test_every_row_is_held_by_an_evaluation():
    fields = {field.name for field in dataclasses.fields(Evaluation)}
    assert {row.field for row in ROWS} <= fields
    assert len({row.column for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize(("limits", "is_kept"), [((0, 3), True), ((4, 9), False)])
def test_constraints_are_inclusive(limits, is_kept):
    assert objectives.keeps_to(EVALUATION, {"params": limits}) is is_kept


def test_values_of_an_evaluation():
    values = {name: objective.value(EVALUATION) for name, objective in objectives.REGISTRY.items()}
    assert values == {"score": 0.5, "time": 2.0, "inference_time": 0.1, "params": 3.0, "flops": 4.0}


def test_a_failed_evaluation_has_none():
    failed = Evaluation(cell="[]", step=0, index=0, is_exploration=False, seed=1, error="x", error_kind="nan")
    assert [objective.value(failed) for _, objective in objectives.REGISTRY.items()] == [None] * 5


def test_an_unknown_objective():
    with pytest.raises(UnknownNameError, match="unknown objective 'tim'"):
        objectives.get("tim")


def test_a_configuration_may_name_each():
    for name in OBJECTIVES:
        sets = [f'search_strategy.additional_pareto_objectives=["{name}"]']
        assert config.load("run", sets=sets).search_strategy.additional_pareto_objectives == (name,)
