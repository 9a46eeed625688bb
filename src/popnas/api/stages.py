"""What `PopnasClassifier.fit` runs: the whole job, up to the stage that is asked for, in this process."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from popnas.api.arrays import InputError
from popnas.api.options import OF_THE_DATA
from popnas.config import RunConfig, Source
from popnas.errors import ConfigError
from popnas.events import NOTE, JobEvent, ModelFinished, PhaseStarted, Told, Warned
from popnas.workflows.models import selection
from popnas.workflows.models.folder import ModelFolder
from popnas.workflows.models.requests import (
    check_has_networks,
    selection_partial,
    stage_config,
    training_partial,
)
from popnas.workflows.whole import end_to_end
from popnas.workflows.whole.job import WholeJob
from popnas.workflows.whole.request import JobRequest
from popnas.workflows.whole.stages import OwnStages

logger = logging.getLogger("popnas")

_STAGES = {"search": "search", "model_selection": "selection", "final_training": "training"}
"""What the last stage is called where the whole job is."""


def log(event: JobEvent) -> None:
    """Progress goes to the logger `popnas`: a program decides itself whether anybody sees it."""
    match event:
        case Warned(text) if text.startswith(NOTE):
            logger.info(text)
        case Warned(text):  # which Python shows where a program sets up no logging
            logger.warning("Warning: %s", text)
        case Told(text) | PhaseStarted(text):
            logger.info(text)
        case ModelFinished(folder, text):
            logger.info("%s: %s", folder.name, text)


@dataclass(frozen=True)
class Fit:
    """What `fit` trains: every stage up to the `last`, `num_selected` cells in model selection, and the
    partial configurations of the stages after the search (None: their presets)."""

    last: str
    num_selected: int
    selection: Source | None
    final: Source | None

    def request(self, config: RunConfig) -> JobRequest:
        """As the whole job is asked."""
        return JobRequest(
            selection_partial=selection_partial(config, self.selection),
            training_partial=training_partial(config, self.final),
            num_cells=self.num_selected,
            last=_STAGES[self.last],
        )


def run(config: RunConfig, folder: Path, fit: Fit) -> Path:
    """Search, select and train in the run `folder`; returns the folder of the model that came out.

    Raises:
        ConfigError: a mistake in a partial configuration, before anything is trained.
        UserError: the search would evaluate no networks.
        PopnasError: no network could be trained.
    """
    check_has_networks(config)
    request = fit.request(config)
    for option, stage, partial in (
        ("selection_config", "selection", request.selection_partial),
        ("final_config", "training", request.training_partial),
    ):
        if stage in request.stages:
            _check_stage(option, config, partial)
    job = end_to_end.start(config, request, OwnStages(log), name=folder.name, logs=folder.parent, tell=log)
    job.run()
    return _model(job)


def _model(job: WholeJob) -> Path:
    if job.state.last == "search":
        return job.folder.best_model
    if job.state.last == "training":
        return ModelFolder(job.folder.final_training).deploy
    best = selection.best_of(selection.read_selection(job.folder.model_selection))
    assert best is not None, "a selection that ended well has a best model"
    return best.folder


def _check_stage(option: str, config: RunConfig, partial: Any) -> None:
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
