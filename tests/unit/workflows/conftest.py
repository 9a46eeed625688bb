"""Runs that look searched without a search: a journal with evaluations of a few cells."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from popnas import datasets
from popnas.config import DatasetConfig
from popnas.datasets import Dataset
from popnas.evaluation import Evaluation
from popnas.runs import RunFolder
from popnas.workflows.settings import load_config

CELLS = {
    "[]": 0.99,  # the empty cell is never selected, however good it looks
    "[(-2, 3x3 conv, -1, identity)]": 0.6,
    "[(-1, identity, -1, identity)]": 0.5,
    "[(-2, 3x3 conv, -1, 3x3 conv)]": 0.8,
    "[(-1, 3x3 conv, -1, 3x3 conv)]": None,  # failed
    "[(-1, 3x3 conv, -1, identity)]": 0.7,
}


PARTIAL: dict[str, Any] = {
    "training_hyperparameters": {
        "epochs": 3,
        "drop_path": 0.3,
        "softmax_dropout": 0.2,
        "label_smoothing": 0.1,
        "optimizer": {"type": "adamW", "scheduler": "cd"},
    },
    "dataset": {"data_augmentation": {"enabled": True}},
}


@dataclass
class SearchedRun:
    """A run folder, and how to make one."""

    path: Path
    config: dict[str, Any]

    def make(self, cells: dict[str, float | None] | None = None) -> Path:
        """Write the folder, with these scores (None: failed); without cells nothing is trained yet."""
        folder = RunFolder.create(self.path, load_config(self.config).to_json())
        for index, (cell, score) in enumerate((CELLS if cells is None else cells).items()):
            evaluation = Evaluation(
                cell=cell,
                step=0 if cell == "[]" else 1,
                index=index,
                is_exploration=False,
                seed=0,
                score=score,
                metrics={} if score is None else {"accuracy": score},
                training_seconds=10.0 - index,
                inference_seconds=0.01,
                params=100,
                flops=1000,
                error="diverged" if score is None else None,
                error_kind="nan" if score is None else None,
            )
            with folder.journal as journal:
                journal.append("evaluation", evaluation.content(), {})
        return self.path


@pytest.fixture
def searched(tmp_path: Path, config: Callable[..., dict[str, Any]]) -> SearchedRun:
    return SearchedRun(tmp_path / "logs" / "run", config())


@pytest.fixture
def run(searched: SearchedRun) -> Path:
    return searched.make()


@pytest.fixture
def partial() -> dict[str, Any]:
    return json.loads(json.dumps(PARTIAL))


@pytest.fixture
def config(tiny_config: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    return tiny_config


@pytest.fixture(autouse=True)
def quickly(quick_disk: None, one_thread: None, undrawn: None) -> None:
    """For every test here."""


@pytest.fixture
def noted_data(monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """A note on the training data and one on test data, which all data have from now on."""
    load, notes = datasets.load, ("Grey: 2 (a, b).", "In the test split: grey: 1 (c).")

    def noted(config: DatasetConfig, seed: int, *, need_test: bool = False, **options: Any) -> Dataset:
        found = load(config, seed, need_test=need_test, **options)
        return replace(found, warnings=[notes[0]], test_warnings=[notes[1]] if need_test else [])

    monkeypatch.setattr(datasets, "load", noted)
    return notes
