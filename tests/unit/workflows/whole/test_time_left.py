"""What stages take and how long a job still does: from what was measured, or no number at all."""

import dataclasses

import hypothesis
import pytest
from hypothesis import strategies as st

from popnas import tasks
from popnas.cells import Cell
from popnas.errors import CandidateFailed
from popnas.evaluation import Evaluation
from popnas.networks.cost import network_cost
from popnas.runs import RunState
from popnas.runs.journal import Event
from popnas.workflows.models.timing import epoch_time
from popnas.workflows.models.timing.epoch_time import NetworkSize, SampleCost
from popnas.workflows.settings import load_config
from popnas.workflows.whole import costs, time_left
from popnas.workflows.whole.costs import NetworkCosts, Startup

CELL = Cell.parse("[(-1, 3x3 conv, -1, 3x3 conv)]")


@pytest.fixture
def loaded(config):
    run_config = load_config(config())
    return run_config, tasks.get(run_config.dataset.type).load(run_config)


def test_without_an_estimate_the_limit_is_what_is_known():
    assert time_left.words(None) is None
    assert time_left.words(None, 7200.0) == "whole job: at most 120 min left (max_hours)"
    assert time_left.words(24.0, 7200.0) == "whole job: about 24 s left"


def test_the_time_is_told_in_seconds_where_minutes_would_be_false():
    assert time_left.words(24.0) == "whole job: about 24 s left"
    assert time_left.words(400.0) == "whole job: about 7 min left"


def test_networks_share_workers_and_the_largest_is_not_shared(loaded):
    _, dataset = loaded
    sizes = [NetworkSize(2, 10.0), NetworkSize(4, 20.0), NetworkSize(2, 60.0), NetworkSize(2, 1.0)]
    networks = NetworkCosts.of(dataset, SampleCost(0.2, 0.01), sizes)
    first = networks.epochs[0]
    assert first > 0.5 * len(dataset.train)
    # The smallest is not as fast as its FLOPs are few.
    assert networks.epochs == pytest.approx([first, 2 * first, 2 * first, 0.82 * first])
    assert networks.selection_epoch(1) == pytest.approx(5.82 * first)
    assert networks.selection_epoch(2) == pytest.approx(5.82 * first / 2)
    assert networks.selection_epoch(99) == pytest.approx(2 * first)
    assert networks.training_epoch == pytest.approx(0.5 * len(dataset.full_train) * 5.82 / 4)
    assert networks.repeated(3).selection_epoch(1) == pytest.approx(3 * networks.selection_epoch(1))


def state(wall, folds=1):
    item = Evaluation(CELL.key, 1, 0, False, 1, {}, 0.5, 1.0, 0.1)
    found = RunState()
    config = {"training_hyperparameters": {"epochs": 2}, "dataset": {"folds": folds}}
    for event, content in (
        ("proposals", {"step": 1, "cells": [{"cell": CELL.key}]}),
        ("evaluation", item.content()),
    ):
        found.apply(Event(1, event, content, {} if wall is None else {"wall_seconds": wall}))
    found.config = config
    return found


def test_epochs_after_the_search_take_as_long_as_in_it():
    relative = {CELL: [1.0, 3.0]}
    found = costs.searched_networks(state(50.0), 0.2, relative, 1.25)
    assert found.epochs == pytest.approx([20.0, 60.0])  # what candidates do once is no epoch
    assert found.training_epoch == pytest.approx(1.25 * 40.0)
    assert costs.searched_networks(state(50.0, folds=2), 0.2, relative, 1.25).epochs[0] == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("told", "is_as_later"),
    [
        ([{"device": "cpu", "worker": 0}, {"device": "cpu", "worker": 1}], True),
        ([{"device": "cuda:0", "worker": 0}, {"device": "cuda:1", "worker": 1}], True),
        ([{"device": "cuda:0", "worker": 0}, {"device": "cuda:0", "worker": 1}], False),  # neighbours' work
        ([{"device": "cuda:0", "worker": 0, "machine": "Some GPU"}], False),  # of a cluster
    ],
)
def test_times_of_a_search_that_trained_otherwise_do_not_count(told, is_as_later):
    found, cells = RunState(), [CELL, Cell.parse("[(-1, identity, -1, identity)]")]
    found.apply(Event(1, "proposals", {"step": 1, "cells": [{"cell": cell.key} for cell in cells]}, {}))
    for index, (cell, volatile) in enumerate(zip(cells, told, strict=False)):
        item = Evaluation(cell.key, 1, index, False, 1, {}, 0.5, 1.0, 0.1)
        found.apply(Event(2 + index, "evaluation", item.content(), {"wall_seconds": 50.0, **volatile}))
    found.config = state(50.0).config
    measured = costs.searched_networks(found, 0.2, {CELL: [1.0]}, 1.25)
    assert (measured is not None) == is_as_later


def test_what_was_not_measured_is_not_guessed():
    assert costs.searched_networks(state(None), 0.2, {CELL: [1.0]}, 1.25) is None
    assert costs.searched_networks(state(1.0), 0.2, {Cell(): [1.0]}, 1.25) is None


def test_wider_and_deeper_networks_take_longer(loaded):
    config, dataset = loaded
    spec = epoch_time.spec_of(config, dataset)
    alone, many = (epoch_time.sizes_of(CELL, spec, params) for params in (None, "300;300000"))
    assert len(alone) == 1 and many[0] == alone[0]
    few, several = (NetworkCosts.of(dataset, SampleCost(0.2, 1e-6), sizes) for sizes in (alone, many))
    assert several.selection_epoch(1) > several.training_epoch > few.training_epoch


def test_layers_and_arithmetic_are_told_apart_by_two_networks():
    first, wide = NetworkSize(3, 10.0), NetworkSize(5, 90.0)
    cost = SampleCost.of([(first, 0.3), (wide, 0.5)])  # as many layers more as seconds: FLOPs cost nothing
    assert cost.seconds(NetworkSize(11, 500.0)) == pytest.approx(1.1, rel=0.1)
    cost = SampleCost.of([(first, 1.0), (wide, 9.0)])  # as many FLOPs more
    assert cost.seconds(NetworkSize(3, 500.0)) == pytest.approx(50.0, rel=0.1)
    alone = SampleCost.of([(first, 1.0)])
    assert alone.seconds(first) == pytest.approx(1.0)
    assert alone.seconds(NetworkSize(3, 20.0)) == pytest.approx(1.5)


@hypothesis.given(
    cells=st.lists(st.integers(1, 40), min_size=1, max_size=3),
    flops=st.lists(st.floats(1e3, 1e12), min_size=3, max_size=3),
    seconds=st.lists(st.floats(1e-6, 1e3), min_size=3, max_size=3),
)
def test_costs_are_never_negative_nor_nothing(cells, flops, seconds):
    sizes = [NetworkSize(*size) for size in zip(cells, flops, strict=False)]
    cost = SampleCost.of(list(zip(sizes, seconds, strict=False)))
    assert cost.per_cell >= 0 and cost.per_flop >= 0
    assert all(0 < cost.seconds(size) < float("inf") for size in sizes)


def test_the_networks_that_selection_may_train_are_probed(loaded):
    config, dataset = loaded
    cost = epoch_time.sample_cost(config, dataset, CELL, "300;300000")
    sizes = epoch_time.sizes_of(CELL, epoch_time.spec_of(config, dataset), "300;300000")
    assert all(0 < cost.seconds(size) < 1 for size in sizes)


@pytest.mark.parametrize("most", [None, 10_000, 0])
def test_where_the_dearest_cannot_be_trained_a_cheaper_one_is_probed(loaded, monkeypatch, most):
    """A network of `--params` that does not fit ends no job: it fails in the selection, alone."""
    config, dataset = loaded
    tried, real = [], epoch_time.probing.probe_epochs

    def probe_epochs(context, cell, splits, clock):
        params = network_cost(cell, context.spec).params
        tried.append(params)
        if most is not None and params > most:
            raise CandidateFailed("out_of_memory", "the network does not fit")
        return real(context, cell, splits, clock)

    monkeypatch.setattr(epoch_time.probing, "probe_epochs", probe_epochs)
    cost = epoch_time.sample_cost(config, dataset, CELL, "300;300000")
    sizes = epoch_time.sizes_of(CELL, epoch_time.spec_of(config, dataset), "300;300000")
    assert all(0 < cost.seconds(size) < 1 for size in sizes)
    assert len(tried) == 2 if most is None else len(tried) > 2
    if most:
        assert tried[-1] <= most < tried[-2], "the dearest that can be trained is what counts"


def test_a_stage_with_workers_starts_twice(config):
    startup, inline = Startup(4.0, 2.0), load_config(config(**{"others.executor": {"kind": "inline"}}))
    workers = load_config(config(**{"others.executor": {"kind": "processes", "workers": 2}}))
    assert startup.selection(inline, 9.0, 4).start == 6.0
    assert startup.selection(workers, 9.0, 4).start == 12.0
    assert startup.selection(inline, 9.0, 4).files > startup.selection(workers, 9.0, 4).files
    assert startup.training(9.0).seconds == pytest.approx(9.0 + 6.0 + startup.training(0.0).end)
    slow = Startup(8.0, 2.0)
    for stage in (Startup.evaluation, lambda found: found.training(1.0)):
        assert stage(slow).end == pytest.approx(2 * stage(startup).end)
    assert dataclasses.asdict(startup.evaluation())["trainings"] == 0.0
