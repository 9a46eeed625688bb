"""Candidates on their way to a worker and back: through JSON, and joined with their proposals."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest

from popnas.evaluation import CandidateJob, Evaluation, Measured
from popnas.executors import Result
from popnas.runs import Proposed
from popnas.workflows.models.selection import SelectionJob
from popnas.workflows.models.training import TrainedModel
from popnas.workflows.searching import candidate_jobs

CELL = "[(-1, identity, -1, identity)]"
PROPOSED = Proposed(CELL, 1, 4, True, {})
MEASURED = Measured(
    params=12,
    flops=34,
    metrics={"accuracy": 0.5},
    score=0.5,
    training_seconds=1.5,
    inference_seconds=0.25,
    head_metrics=[{"accuracy": 0.5}],
    volatile={"device": "cpu", "wall_seconds": 2.0},
    missing_views=("no summary",),
)


@pytest.mark.parametrize(
    "value",
    [
        CandidateJob(CELL, 1, 4, seed=7, repetition=2, keeps_weights_from=0.5),
        MEASURED,
        Measured(error="the loss is not a number", error_kind="nan"),
        SelectionJob("/models/0", CELL, 2, 1, 8, macro=None, deadline=3.5),
        TrainedModel(Path("/models/0"), 2, 3, {"accuracy": 0.5}, 0.5, 1.5, missing_views=("no log",)),
    ],
)
def test_what_workers_are_told_and_answer_comes_out_of_json_as_it_went_in(value):
    there_and_back = type(value).from_json(json.loads(json.dumps(value.to_json())))
    assert there_and_back == value
    assert there_and_back.to_json() == value.to_json()  # also what equality passes over


def test_an_answer_is_joined_with_its_proposal():
    job = candidate_jobs.make(PROPOSED, 0, keeps_weights_from=0.25)
    measured = candidate_jobs.measured(Result("4", MEASURED.to_json(), worker=3, attempts=2))
    found = Evaluation.of(job, measured, is_exploration=True)
    assert (found.cell, found.step, found.index, found.is_exploration) == (CELL, 1, 4, True)
    assert found.seed == job.seed == candidate_jobs.candidate_seed(0, CELL)
    shared = {item.name for item in fields(Evaluation)} & {item.name for item in fields(Measured)}
    assert {name: getattr(found, name) for name in shared - {"volatile"}} == {
        name: getattr(MEASURED, name) for name in shared - {"volatile"}
    }
    assert found.volatile == {"device": "cpu", "wall_seconds": 2.0, "worker": 3, "attempts": 2}


def test_so_is_a_failure_of_which_no_worker_could_tell():
    job = candidate_jobs.make(PROPOSED, 0)
    measured = candidate_jobs.measured(Result("4", None, "the worker was killed", "worker_died", 1, 2))
    found = Evaluation.of(job, measured, is_exploration=True)
    assert found.is_failed
    assert (found.error, found.error_kind) == ("the worker was killed", "worker_died")
    assert (found.cell, found.seed, found.params, found.metrics) == (CELL, job.seed, None, {})
    assert found.volatile == {"worker": 1, "attempts": 2}


def test_a_confirmation_has_a_seed_of_its_own():
    seeds = {candidate_jobs.make(PROPOSED, 0, repetition=number).seed for number in range(4)}
    assert len(seeds) == 4
