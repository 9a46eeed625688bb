"""Learning rate and weight decay per step, against figures of an independent implementation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from popnas.config.optimizers import parse_scheduler
from popnas.training import TrainingSettings
from popnas.training.schedules import per_step

RECORDS = json.loads((Path(__file__).parent / "learning_rates.json").read_text())


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record["scheduler"])
def test_rate_and_decay_of_each_step_are_the_golden_ones(record: dict) -> None:
    settings = TrainingSettings(
        epochs=record["epochs"],
        learning_rate=record["lr0"],
        weight_decay=record["wd0"],
        scheduler=parse_scheduler(record["scheduler"]),
        warmup=record["warmup_epochs"],
    )
    rates, decays = per_step(settings, record["steps_per_epoch"])
    assert rates == pytest.approx(record["lr"], rel=1e-6, abs=3e-7 * record["lr0"])
    assert decays == pytest.approx(record["wd"], rel=1e-6, abs=3e-7 * record["wd0"])
