"""What `PopnasClassifier.fit` runs: search, model selection, final training, within one time budget."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from popnas.api.fitting import Source
from popnas.config import RunConfig
from popnas.errors import PopnasError
from popnas.executors import available_cores
from popnas.runs import RunFolder
from popnas.workflows import final_training, selection
from popnas.workflows.model_progress import ModelListener
from popnas.workflows.model_requests import stage_config
from popnas.workflows.progress import Listener
from popnas.workflows.search import search

# Shares of the budget that are left to the stages after the search, and to final training after selection.
_AFTER_SEARCH = {"search": 0.0, "model_selection": 0.4, "final_training": 0.5}
_AFTER_SELECTION = {"model_selection": 0.0, "final_training": 0.5}
# An epoch of a longer training takes more than one of the search: two heads, validation, checkpoints.
_EPOCH_MARGIN = 1.5
_FEWEST_EPOCHS = 10

logger = logging.getLogger("popnas")


class LogListener(Listener, ModelListener):
    """Progress goes to the logger `popnas`: a program decides itself whether anybody sees it."""

    def message(self, text: str) -> None:
        """A warning or a result."""
        logger.info(text)

    def phase(self, text: str) -> None:
        """What is going on."""
        logger.info(text)

    def model_finished(self, folder: Path, text: str) -> None:
        """A model is trained."""
        logger.info("%s: %s", folder.name, text)


@dataclass(frozen=True)
class Plan:
    """What is done: every stage up to `last`, with the partial configurations of those after the search
    (None: their presets), within `max_hours` (None: no limit)."""

    last: str
    num_selected: int
    selection: Source
    final: Source
    max_hours: float | None
    started: float = field(default_factory=time.monotonic)

    @property
    def hours_left(self) -> float | None:
        """Until the budget is used up, at least a moment."""
        if self.max_hours is None:
            return None
        return max(self.max_hours - (time.monotonic() - self.started) / 3600, 1e-6)


def run(config: RunConfig, folder: Path, plan: Plan) -> Path:
    """Search, select and train in the run `folder`; returns the folder of the model that came out.

    Raises:
        PopnasError: no network could be trained.
    """
    listener = LogListener()
    if plan.hours_left is not None:
        config = _with_hours(config, plan.hours_left * (1 - _AFTER_SEARCH[plan.last]))
    found = search(config, name=folder.name, logs=folder.parent, listener=listener)
    if found.best is None:
        raise PopnasError(
            "the time was up before any network was trained; raise max_hours or train smaller ones"
        )
    if plan.last == "search":
        return folder / "best_model"
    selected = _select(config, folder, plan, listener)
    if plan.last == "model_selection":
        return selected.best.folder
    _train(config, folder, plan, selected, listener)
    return folder / "final_training" / "deploy"


def _select(config: RunConfig, folder: Path, plan: Plan, listener: LogListener) -> selection.SelectionResult:
    partial = _partial(plan.selection, selection.PARTIAL)
    num_cells, sets = plan.num_selected, []
    if plan.hours_left is not None:
        seconds = plan.hours_left * 3600 * (1 - _AFTER_SELECTION[plan.last])
        epoch_seconds = _search_epoch_seconds(config, folder)
        epochs = stage_config(config, partial).training_hyperparameters.epochs
        fewest = min(_FEWEST_EPOCHS, epochs)
        while num_cells > 1 and _waves(num_cells, config) * fewest * epoch_seconds > seconds:
            num_cells -= 1
        affordable = int(seconds / (_waves(num_cells, config) * epoch_seconds))
        sets = _limits(config, partial, affordable, seconds)
    return selection.select(folder, partial=partial, num_cells=num_cells, sets=sets, listener=listener)


def _train(
    config: RunConfig, folder: Path, plan: Plan, selected: selection.SelectionResult, listener: LogListener
) -> None:
    partial, sets = _partial(plan.final, final_training.PARTIAL), []
    if plan.hours_left is not None:
        trained = selected.best.trained
        assert trained is not None
        share = 1 - (config.dataset.validation_size or 0.0)
        epoch_seconds = _EPOCH_MARGIN * trained.training_seconds / max(trained.num_epochs, 1) / share
        if config.others.timing == "simulated":
            epoch_seconds = _search_epoch_seconds(config, folder) / share
        seconds = plan.hours_left * 3600
        sets = _limits(config, partial, int(seconds / epoch_seconds), seconds)
    final_training.train(folder, partial=partial, sets=sets, listener=listener)


def _search_epoch_seconds(config: RunConfig, folder: Path) -> float:
    """Wall seconds that an epoch of the best cell took in the search, with a margin."""
    best = RunFolder.open(folder).state().best
    assert best is not None
    wall: float = best.volatile.get("wall_seconds", 1.0)
    return _EPOCH_MARGIN * wall / config.training_hyperparameters.epochs / config.dataset.folds


def _limits(config: RunConfig, partial: Any, affordable: int, seconds: float) -> list[str]:
    """Changes that keep a stage within its time: fewer epochs, whose schedule then still ends, and a stop."""
    training = stage_config(config, partial).training_hyperparameters
    epochs = max(min(affordable, training.epochs), 1)
    if epochs < training.epochs:
        logger.info("%d instead of %d epochs, to keep max_hours", epochs, training.epochs)
    warmup = min(training.optimizer.warmup, epochs // 4)
    return [
        f"training_hyperparameters.epochs={epochs}",
        f"training_hyperparameters.optimizer.warmup={warmup}",
        f"others.max_hours={seconds / 3600}",
    ]


def _waves(num_models: int, config: RunConfig) -> int:
    """How many models one worker trains after another."""
    executor = config.others.executor
    workers = 1 if executor.kind == "inline" else executor.workers or len(available_cores())
    return math.ceil(num_models / workers)


def _partial(source: Source, preset: str) -> Any:
    if source is None:
        return preset
    return dict(source) if isinstance(source, Mapping) else source


def _with_hours(config: RunConfig, hours: float) -> RunConfig:
    return config.model_copy(update={"others": config.others.model_copy(update={"max_hours": hours})})
