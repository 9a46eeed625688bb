"""Probes of a GPU, for which a CPU and a stand-in for CUDA graphs stand here."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
import torch
from tests.unit.training.accelerated.tape import TapeRecorder

from popnas.cells import Cell
from popnas.evaluators.training import candidate, probing
from popnas.evaluators.training.candidate import CandidateSetup
from popnas.placement import Placement
from popnas.training.accelerated import graphed
from popnas.workflows.settings import load_config

CELL = Cell.parse("[(-1, 3x3 conv, -1, identity)]")


@pytest.mark.parametrize("epochs", [21, 500])
def test_a_probe_replays_its_steps_where_the_training_does(
    config: Any, monkeypatch: pytest.MonkeyPatch, epochs: int
) -> None:
    """Else equal times would be those of steps that nobody takes. The first epoch, which does not count, has
    the steps before the recording, which takes time, too."""
    made = load_config(config(**{"training_hyperparameters.epochs": epochs, "dataset.batch_size": 8}))
    context = candidate.setup(CandidateSetup(made.to_json(), None, None, False).to_json(), candidate.Worker())
    steppers: list[Any] = []

    def make_stepper(network: Any, loss: Any, settings: Any, place: Any, num_steps: int, team: Any) -> Any:
        if num_steps < graphed.LEAST_STEPS:
            steppers.append(graphed.plain_stepper(network, loss, settings, place, team))
        else:
            steppers.append(graphed.GraphedStepper(network, loss, settings, place, TapeRecorder()))
        return steppers[-1]

    monkeypatch.setattr(graphed, "make_stepper", make_stepper)
    monkeypatch.setattr(graphed, "_LEAST_GAIN", 0.0)
    monkeypatch.setattr(graphed, "_LONGEST_SECONDS", 60.0)
    gpu = replace(context, placement=Placement(torch.device("cuda")))
    splits = probing.few_samples(gpu, CELL)
    num_batches = len(splits[0]) // 8
    assert num_batches >= 4 and len(splits[0]) == 8 * num_batches
    result, _ = probing.probe_epochs(context, CELL, splits, time.perf_counter)
    (stepper,) = steppers
    is_long = epochs * -(-len(context.dataset.train) // 8) >= graphed.LEAST_STEPS
    assert is_long == (epochs == 500) == getattr(stepper, "is_recorded", False)
    if is_long:
        tried = graphed._NUM_UNTIMED + graphed._NUM_TIMED
        assert stepper._recorder.replays == tried + num_batches * len(result.epochs) - graphed._NUM_EAGER
