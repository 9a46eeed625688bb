"""The time left of a whole job: from what the search and the selection have measured, or no number at all."""

from functools import partial

import pytest

from popnas.cells import Cell
from popnas.evaluation import Evaluation
from popnas.runs import RunState
from popnas.runs.journal import Event
from popnas.workflows.settings import load_config
from popnas.workflows.whole import time_left

CELL = "[(-1, identity, -1, identity)]"
FIXED = time_left.from_training(0.0) + time_left.STAGE_OVERHEAD


def state(wall):
    item = Evaluation(cell=CELL, step=1, index=0, is_exploration=False, seed=1, score=0.5)
    found = RunState()
    for event, content in (
        ("data", {"sizes": {"train": 80, "validation": 20}}),
        ("proposals", {"step": 1, "cells": [{"cell": CELL}]}),
        ("evaluation", item.content()),
    ):
        found.apply(Event(1, event, content, {} if wall is None else {"wall_seconds": wall}))
    return found


def estimate(config, wall, epochs=(5, 10), folds=1, flops=(7.0,)):
    searched = {"training_hyperparameters": {"epochs": 2}, "dataset": {"folds": folds}}
    configs = []
    for number in epochs:
        document = config()
        document["training_hyperparameters"]["epochs"] = number
        configs.append(load_config(document))
    return time_left.from_selection(state(wall), searched, {Cell.parse(CELL): flops}, *configs)


def test_epochs_after_the_search_take_as_long_as_in_it(config):
    # 20 s an epoch: 5 in selection, 10 in training with a quarter more data.
    assert estimate(config, 40.0) == pytest.approx(5 * 20 + 10 * 20 * 1.25 + FIXED)
    assert estimate(config, 40.0, folds=2) == pytest.approx(5 * 10 + 10 * 10 * 1.25 + FIXED)


def test_what_was_not_measured_is_not_guessed(config):
    assert estimate(config, None) is None
    assert time_left.words(None) is None


def test_without_an_estimate_the_limit_is_what_is_known():
    assert time_left.words(None, 7200.0) == "whole job: at most 120 min left (max_hours)"
    assert time_left.words(24.0, 7200.0) == "whole job: about 24 s left"


def test_wider_and_deeper_networks_take_longer_as_they_have_more_flops(config):
    config_of_one_worker = partial(config, **{"others.executor": {"kind": "inline", "workers": 1}})
    found = estimate(config_of_one_worker, 40.0, flops=(10.0, 20.0, 30.0, 1.0))
    shares = [1.0, 2.0, 3.0, 0.3]  # the smallest is not as fast as its FLOPs are few
    training = 10 * 20 * 1.25 * sum(shares) / 4
    assert found == pytest.approx(5 * 20 * sum(shares) + training + FIXED)


def test_the_time_is_told_in_seconds_where_minutes_would_be_false():
    assert time_left.words(24.0) == "whole job: about 24 s left"
    assert time_left.words(400.0) == "whole job: about 7 min left"
