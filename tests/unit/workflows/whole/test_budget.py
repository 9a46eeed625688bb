"""How a job is cut to fit its time: children first, then epochs of selection, then of final training."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from popnas import config as configurations
from popnas.workflows.models import requests
from popnas.workflows.settings import load_config
from popnas.workflows.whole import budget
from popnas.workflows.whole.budget import StepCost

STEPS = [StepCost(1, 5.0), StepCost(20, 100.0), StepCost(40, 400.0), StepCost(32, 400.0)]


def test_nothing_is_cut_where_all_fits():
    share = budget.search_share(10_000, 5_000, STEPS, 32, 8)
    assert (share.max_children, share.max_exploration_children, share.cut) == (32, 8, None)
    assert share.seconds == 5_000
    assert budget.selection_share(10_000, 100, 10.0, 2_000).cut is None
    assert budget.training_share(10_000, 100, 10.0).cut is None


def test_children_are_cut_before_the_stages_after_the_search():
    share = budget.search_share(2_000, 1_400, STEPS, 32, 8)
    assert share.max_children < 32
    assert share.max_exploration_children == round(8 * share.max_children / 32)
    assert share.seconds == pytest.approx(max(2_000 - 1_400, 0.4 * 2_000))
    assert f"max_children 32 -> {share.max_children}" in share.cut


@given(st.floats(60, 1e5), st.floats(0, 1e5), st.integers(1, 200), st.integers(0, 50))
def test_a_search_that_is_cut_fits_its_share_or_cannot_be_smaller(total, later, children, exploration):
    steps = [*STEPS[:2], StepCost(children + exploration, 5.0 * (children + exploration))]
    share = budget.search_share(total, later, steps, children, exploration)
    assert 1 <= share.max_children <= children
    assert 0 <= share.max_exploration_children <= exploration
    fraction = share.max_children / children
    needed = budget.MARGIN * (105 + steps[2].seconds * fraction) + budget.STAGE_OVERHEAD
    assert needed <= share.seconds + 1e-6 or share.max_children == 1 or fraction * steps[2].num_networks < 1
    assert (share.cut is None) == (share.max_children == children)


@given(st.floats(1, 1e5), st.integers(1, 600), st.floats(0.01, 1e3), st.floats(0, 1e5))
def test_epochs_that_are_cut_fit_their_share_or_are_one(left, epochs, epoch_seconds, later):
    share = budget.selection_share(left, epochs, epoch_seconds, later)
    assert 1 <= share.epochs <= epochs
    assert share.epochs == 1 or share.epochs * epoch_seconds + budget.STAGE_OVERHEAD <= share.seconds + 1e-6
    assert (share.cut is not None) or share.epochs == epochs
    assert share.seconds >= budget.SELECTION_SHARE * left - 1e-6


def test_the_warm_up_keeps_its_share_of_the_epochs(config):
    base = load_config(config())
    whole = configurations.merge(base, "last_training")
    cut = requests.with_epochs(whole, 60).training_hyperparameters
    assert (cut.epochs, cut.optimizer.warmup) == (60, 0)
    assert requests.with_epochs(whole, 300).training_hyperparameters.optimizer.warmup == 2


def test_probes_are_of_what_is_trained_after_the_search(config):
    """By workers of this machine, whoever searched."""
    on_ray = load_config(config(**{"others.executor": {"kind": "ray", "workers": 64}}))
    found = requests.as_trained(on_ray, 16)
    assert (found.dataset.batch_size, found.others.executor.kind) == (16, "processes")
    assert found.others.executor.workers is None
    here = load_config(config())
    assert requests.as_trained(here, None) == here


def test_a_busy_machine_gets_more_time_around_final_training():
    assert budget.measured_overhead(-5) == budget.measured_overhead(budget.STAGE_END) == budget.STAGE_OVERHEAD
    assert budget.measured_overhead(1.5 * budget.STAGE_END) == 1.5 * budget.STAGE_OVERHEAD
    assert budget.measured_overhead(0.1 * budget.STAGE_END) == pytest.approx(budget.STAGE_OVERHEAD * 2 / 3)
    assert budget.measured_overhead(1e6) == 2 * budget.STAGE_OVERHEAD
    few, many = (budget.training_share(100, 1000, 1, overhead).epochs for overhead in (36, 18))
    assert few < many
