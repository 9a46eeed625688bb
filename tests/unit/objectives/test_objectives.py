"""The objectives agree with what the configuration and the strategy know of them."""

import pytest

from popnas import config, objectives, strategy
from popnas.config.sections import OBJECTIVES
from popnas.errors import UnknownNameError
from popnas.evaluation import Evaluation

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


def test_names_are_those_of_configurations_and_of_the_strategy():
    assert set(objectives.REGISTRY.names()) == {"score", *OBJECTIVES} == set(strategy.OBJECTIVES)


@pytest.mark.parametrize("name", ["score", *OBJECTIVES])
def test_direction_and_origin_agree_with_the_strategy(name):
    ours, theirs = objectives.get(name), strategy.OBJECTIVES[name]
    assert (ours.is_maximized, ours.origin == "computed") == (theirs.is_maximized, theirs.is_computed)
    assert ours.direction == ("maximize" if name == "score" else "minimize")


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
