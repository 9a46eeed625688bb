"""A search's configuration that is made to fit into a time limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from popnas.config import RunConfig
from popnas.workflows.searching.plan import Plan, StepPlan
from popnas.workflows.settings import load_config
from popnas.workflows.whole import fitting

NUM_EXAMPLES = 40_000
FIXED, ONCE = 20.0, 0.1


def given_config() -> RunConfig:
    return load_config(
        {
            "search_space": {"blocks": 3, "lookback_depth": 2, "operators": ["identity", "3x3 conv"]},
            "search_strategy": {"max_children": 32, "max_exploration_children": 8},
            "training_hyperparameters": {"epochs": 21},
            "dataset": {"type": "image_classification", "name": "cifar10", "classes_count": 10},
        }
    )


def planned(config: RunConfig, seconds_per_network: float) -> Plan:
    """As a machine would have it on which each network takes so long, uncut."""
    epochs = config.training_hyperparameters.epochs / 21
    examples = (config.dataset.samples or NUM_EXAMPLES) / NUM_EXAMPLES
    each = seconds_per_network * (ONCE + (1 - ONCE) * epochs) * examples
    first = 36 if config.search_space.lookback_depth == 2 else 10
    children = config.search_strategy.max_children + config.search_strategy.max_exploration_children
    counts = [1, first, children, config.search_strategy.max_children]
    steps = [StepPlan(step, 1, count, count, (1, 1), each * count) for step, count in enumerate(counts)]
    seconds = FIXED + sum(item.seconds for item in steps)
    return Plan(
        steps, sum(counts), 1.0, seconds, 0.0, FIXED, seconds, None, 1, "cpu", {}, [], once_share=ONCE
    )


@given(st.floats(0.01, 3000), st.floats(0.02, 500))
def test_what_is_said_to_fit_fits_and_nothing_is_cut_without_need(seconds_per_network, hours):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "plan", lambda config, tell: planned(config, seconds_per_network))
        config = given_config()
        found = fitting.fit_search(config, hours, NUM_EXAMPLES)
    whole = planned(config, seconds_per_network)
    if whole.seconds * fitting.MARGIN <= hours * 3600:
        assert found.changes == {}
    assert found.is_within == (found.seconds <= hours * 3600)
    assert found.changes.keys() == found.cuts.keys()
    if not found.is_within:  # then all that can be cut was cut
        assert found.changes["search_strategy.max_children"] == 2
        assert found.changes["training_hyperparameters.epochs"] == 1
        assert found.changes["search_space.lookback_depth"] == 1
        assert found.changes["dataset.samples"] == 1000


def test_children_go_first_then_epochs_then_lookback(monkeypatch):
    monkeypatch.setattr(fitting, "plan", lambda config, tell: planned(config, 60.0))
    cuts = [
        set(fitting.fit_search(given_config(), hours, NUM_EXAMPLES).changes) for hours in (3, 1.5, 0.7, 0.35)
    ]
    children = {"search_strategy.max_children", "search_strategy.max_exploration_children"}
    assert cuts[0] == set()
    assert cuts[1] == children
    assert cuts[2] == children | {"training_hyperparameters.epochs"}
    assert "search_space.lookback_depth" in cuts[3]
    assert "dataset.samples" not in cuts[3]
