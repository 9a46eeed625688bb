"""The time that a candidate has: one limit for all folds, and a later one for workers that hang."""

from __future__ import annotations

from typing import Any

import pytest

from popnas import evaluators
from popnas.cells import Cell
from popnas.errors import UserError
from popnas.evaluators.training import candidate, fits, placing
from popnas.evaluators.training.candidate import CandidateSetup
from popnas.networks.cost import network_cost
from popnas.workflows.settings import load_config

CELL = Cell.parse("[(-1, identity, -1, identity)]")


def test_the_limit_is_that_of_all_folds_together(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = load_config(config(**{"others.max_candidate_seconds": 60.0, "dataset.folds": 3}))
    context = candidate.setup(CandidateSetup(made.to_json(), None, None, False).to_json(), candidate.Worker())
    now, courses = [100.0], []

    def fit(*arguments: Any) -> None:
        courses.append(arguments[-1])
        now[0] += 25.0

    monkeypatch.setattr(candidate.training, "fit", fit)
    monkeypatch.setattr(candidate.time, "monotonic", lambda: now[0])
    candidate.trained(context, CELL, 0, network_cost(CELL, context.spec))
    assert [(course.max_seconds, course.spent_seconds) for course in courses] == [
        (60.0, 0.0),
        (60.0, 25.0),
        (60.0, 50.0),
    ]


def test_what_no_machine_trains_within_the_limit_is_reckoned_for_all_folds(config: Any) -> None:
    def check(folds: int) -> None:
        made = load_config(
            config(
                **{
                    "training_hyperparameters.epochs": 5_000,
                    "others.max_candidate_seconds": 5.0,
                    "dataset.folds": folds,
                }
            )
        )
        fits.check_search(made, evaluators.create(made).dataset)

    check(2)
    with pytest.raises(UserError, match=r"on each of 5 folds, which no machine does within .*seconds \(5\)"):
        check(5)


@pytest.mark.parametrize(
    ("devices", "workers", "times"),
    [
        (("cpu",), 8, 1),  # each has cores of its own
        (("cuda:0", "cuda:1"), None, 1),
        (("cuda:0",) * 4, None, 4),
        (("cuda:0", "cuda:1"), 3, 2),
    ],
)
def test_who_may_wait_for_neighbours_hangs_later(
    config: Any, monkeypatch: pytest.MonkeyPatch, devices: tuple[str, ...], workers: int | None, times: int
) -> None:
    """For each to end, for those that are tried again alone, and then for its own second try."""
    monkeypatch.setattr(placing, "of_workers", lambda _: devices)
    executor = {"kind": "processes", "workers": workers}
    limited = load_config(config(**{"others.max_candidate_seconds": 100.0, "others.executor": executor}))
    assert evaluators.create(limited).hang_seconds == times * 360.0
    assert evaluators.create(load_config(config(**{"others.executor": executor}))).hang_seconds is None
