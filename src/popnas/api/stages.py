"""What `PopnasClassifier.fit` runs: search, model selection, final training, within one time budget.

The same stages and the same budget's rules as `popnas e2e`, but in this process: no start-up per stage.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from popnas.api.arrays import InputError
from popnas.api.options import OF_THE_DATA
from popnas.config import RunConfig
from popnas.errors import ConfigError, PopnasError
from popnas.evaluators.training.placing import num_workers
from popnas.events import JobEvent, ModelFinished, PhaseStarted, Told, Warned
from popnas.runs import RunFolder
from popnas.workflows.models import final_training, selection
from popnas.workflows.models.choices import CellChoice, StageChanges
from popnas.workflows.models.folder import ModelFolder
from popnas.workflows.models.requests import check_has_networks, stage_config
from popnas.workflows.searching import plan
from popnas.workflows.searching.search import search
from popnas.workflows.whole import budget, epoch_time
from popnas.workflows.whole.budget import EpochShare

logger = logging.getLogger("popnas")


def log(event: JobEvent) -> None:
    """Progress goes to the logger `popnas`: a program decides itself whether anybody sees it."""
    match event:
        case Warned(text):  # which Python shows where a program sets up no logging
            logger.warning("Warning: %s", text)
        case Told(text) | PhaseStarted(text):
            logger.info(text)
        case ModelFinished(folder, text):
            logger.info("%s: %s", folder.name, text)


@dataclass(frozen=True)
class WholeJob:
    """What is done: every stage up to `last`, with the partial configurations of those after the search
    (None: their presets), within `max_hours` (None: no limit)."""

    last: str
    num_selected: int
    selection: str | Path | dict[str, Any] | None
    final: str | Path | dict[str, Any] | None
    max_hours: float | None
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds_left(self) -> float:
        """Until the budget is used up, at least a moment."""
        assert self.max_hours is not None
        return max(self.max_hours * 3600 - (time.monotonic() - self.began), 1.0)

    @property
    def partials(self) -> dict[str, Any]:
        """The partial configuration of each stage after the search."""
        selected = selection.PARTIAL if self.selection is None else self.selection
        if self.last == "search":
            return {}
        if self.last == "model_selection":
            return {"selection": selected}
        return {
            "selection": selected,
            "final": final_training.PARTIAL if self.final is None else self.final,
        }


def run(config: RunConfig, folder: Path, job: WholeJob) -> Path:
    """Search, select and train in the run `folder`; returns the folder of the model that came out.

    Raises:
        ConfigError: a mistake in a partial configuration, before anything is trained.
        UserError: the search would evaluate no networks.
        PopnasError: no network could be trained.
    """
    check_has_networks(config)
    configs = {
        stage: _stage_config(f"{stage}_config", config, partial) for stage, partial in job.partials.items()
    }
    if job.max_hours is not None:
        config = _cut_search(config, configs, job)

    found = search(config, name=folder.name, logs=folder.parent, tell=log)
    if found.best is None:
        raise PopnasError("the time was up before any network was trained; raise max_hours")
    if job.last == "search":
        return folder / "best_model"
    selected = selection.select(
        folder,
        partial=job.partials["selection"],
        cells=CellChoice(job.num_selected),
        changes=StageChanges(sets=_selection_limits(configs, folder, job)),
        tell=log,
    )
    if job.last == "model_selection":
        return selected.best.folder
    final_training.train(
        folder,
        partial=job.partials["final"],
        changes=StageChanges(sets=_training_limits(configs, selected, job)),
        tell=log,
    )
    return ModelFolder(folder / "final_training").deploy


def _stage_config(option: str, config: RunConfig, partial: Any) -> RunConfig:
    """The configuration of a stage; its mistakes name the option.

    Raises:
        InputError: it asks for other data than those of `fit`.
        ConfigError: with all mistakes.
    """
    try:
        later = stage_config(config, partial)
    except ConfigError as error:
        raise ConfigError(error.problems, option) from None
    for name in ("type", *OF_THE_DATA):
        if getattr(later.dataset, name) != getattr(config.dataset, name):
            raise InputError(
                f"{option}: dataset.{name} cannot be given: all stages learn from X and y as they are. "
                "Leave it out."
            )
    return later


def _cut_search(config: RunConfig, configs: Mapping[str, RunConfig], job: WholeJob) -> RunConfig:
    """The configuration with as many children as fit, and the search's share as its limit."""
    planned = plan.plan(config)
    assert planned.epoch_seconds is not None, "the evaluator trains"
    rounds = {"selection": _rounds(config, job.num_selected), "final": 1}
    epochs = sum(rounds[stage] * found.training_hyperparameters.epochs for stage, found in configs.items())
    strategy = config.search_strategy
    share = budget.search_share(
        job.seconds_left,
        epochs * planned.epoch_seconds * budget.MARGIN + len(configs) * budget.STAGE_OVERHEAD,
        [budget.StepCost(step.num_networks, step.most_seconds) for step in planned.steps],
        strategy.max_children,
        strategy.max_exploration_children,
    )
    _tell(share.cut)
    return share.cut_search(config)


def _selection_limits(configs: Mapping[str, RunConfig], folder: Path, job: WholeJob) -> list[str]:
    """Changes of the configuration that keep model selection within its share."""
    config = configs["selection"]
    if job.max_hours is None:
        return []
    state = RunFolder.open(folder).state()
    assert state.best is not None and state.best.wall_seconds is not None
    searched = state.config["training_hyperparameters"]["epochs"] * config.dataset.folds
    epoch_seconds = state.best.wall_seconds / searched
    final = configs.get("final")
    later = epoch_seconds * final.training_hyperparameters.epochs + budget.STAGE_OVERHEAD if final else 0.0
    rounds = _rounds(config, job.num_selected)
    share = budget.selection_share(
        job.seconds_left, config.training_hyperparameters.epochs, rounds * epoch_seconds, later
    )
    return _limits(config, share)


def _training_limits(
    configs: Mapping[str, RunConfig], selected: selection.SelectionResult, job: WholeJob
) -> list[str]:
    """Changes of the configuration that end final training when the budget ends."""
    config = configs["final"]
    if job.max_hours is None:
        return []
    log = ModelFolder(selected.best.folder).log()
    share_trained = 1 - (config.dataset.validation_size or 0.0)
    epoch_seconds = (epoch_time.logged(log) or log["wall_seconds"] / len(log["epochs"])) / share_trained
    share = budget.training_share(job.seconds_left, config.training_hyperparameters.epochs, epoch_seconds)
    return _limits(config, share)


def _limits(config: RunConfig, share: EpochShare) -> list[str]:
    _tell(share.cut)
    training = budget.with_epochs(config, share.epochs).training_hyperparameters
    seconds = max(share.seconds - budget.STAGE_OVERHEAD, 1.0)
    own = config.others.max_hours  # of this stage's own configuration: the search's does not last
    return [
        f"training_hyperparameters.epochs={training.epochs}",
        f"training_hyperparameters.optimizer.warmup={training.optimizer.warmup}",
        f"others.max_hours={seconds / 3600 if own is None else min(own, seconds / 3600)}",
    ]


def _rounds(config: RunConfig, num_models: int) -> int:
    """How many models one worker trains after another."""
    return math.ceil(num_models / num_workers(config))


def _tell(cut: str | None) -> None:
    if cut is not None:
        logger.info("Cut to keep max_hours: %s", cut)
