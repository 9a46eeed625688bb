"""What networks of a configuration are trained with, and what all candidates of a run share in a worker."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from popnas import tasks
from popnas.cells import SearchSpace
from popnas.config import RunConfig
from popnas.datasets import Dataset
from popnas.networks.spec import NetworkSpec
from popnas.placement import Placement
from popnas.tasks import Task
from popnas.training import Criteria, TrainingSettings
from popnas.workflows.fits import Room


@dataclass(frozen=True)
class TrainingContext:
    """What networks of `spec` are trained with, and where."""

    config: RunConfig
    dataset: Dataset
    spec: NetworkSpec
    placement: Placement

    @property
    def task(self) -> Task:
        """The configuration's."""
        return tasks.get(self.config.dataset.type)

    @property
    def settings(self) -> TrainingSettings:
        """The configuration's."""
        return TrainingSettings.from_config(self.config)

    @property
    def criteria(self) -> Criteria:
        """What they are trained for."""
        num_classes = self.dataset.num_classes
        return Criteria(self.task.loss(self.config, self.dataset), lambda: self.task.metrics(num_classes))


@dataclass(frozen=True)
class CandidateContext(TrainingContext):
    """What all candidates of a run share, made once per worker. `folder` is the run folder; `room` the memory
    that each is judged by before it is built, None where any fits."""

    folder: Path
    room: Room | None = None

    @property
    def space(self) -> SearchSpace:
        """The configuration's."""
        space = self.config.search_space
        return SearchSpace(space.operators, space.blocks, space.lookback_depth)
