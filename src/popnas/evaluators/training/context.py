"""What networks of a configuration are trained with, and what all candidates of a run share in a worker."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from popnas import tasks
from popnas.config import RunConfig
from popnas.datasets import Dataset
from popnas.datasets.loader import batch_bounds
from popnas.evaluators.training import compiling
from popnas.evaluators.training.fits import Room
from popnas.networks.spec import NetworkSpec
from popnas.placement import Placement
from popnas.tasks import Task
from popnas.training import Criteria, TrainingSettings
from popnas.training.accelerated.turns import DeviceTurns


def steps_of(config: RunConfig, dataset: Dataset) -> int:
    """Of a network's training on all of the data, not on a few: how many there are decides how they are made,
    and so how fast they are and what memory they take (`training.accelerated.graphed`)."""
    bounds = batch_bounds(len(dataset.folds[0].train), config.dataset.batch_size, joins_single=True)
    return config.training_hyperparameters.epochs * len(bounds)


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
        """The configuration's, compiled where that is asked for and pays."""
        return compiling.settings(
            self.config,
            compiling.of_candidates(self.config, self.dataset, self.spec, self.placement),
        )

    @property
    def criteria(self) -> Criteria:
        """What they are trained for."""
        num_classes = self.dataset.num_classes
        return Criteria(self.task.loss(self.config, self.dataset), lambda: self.task.metrics(num_classes))


@dataclass(frozen=True)
class CandidateContext(TrainingContext):
    """What all candidates of a run share, made once per worker. `artifacts`: where their files go
    (`runs.artifacts.opened`); `run`: which run they are of (`runs.identity`), None: of none; `room`: the
    memory that each is judged by before it is built, None where any fits; `num_sharing`: so many workers
    compute on its device; `turns`: among them, None where files cannot be locked; `machine`: what is told
    with each of the machine, where another may be of another kind; `folder`: the job's own on this machine
    (`executors.Worker`)."""

    artifacts: str | None
    run: str | None
    room: Room | None = None
    num_sharing: int = 1
    turns: DeviceTurns | None = None
    machine: Mapping[str, float | str] = field(default_factory=dict)
    folder: str | None = None

    @property
    def shares_device(self) -> bool:
        """Whether other workers may compute on its device."""
        return self.num_sharing > 1

    @property
    def timed_in_turn(self) -> DeviceTurns | None:
        """Among whom times are taken; None where nothing is measured or nobody else is there."""
        return None if self.config.others.timing == "simulated" else self.turns

    def taking_part(self) -> AbstractContextManager[Any]:
        """While the block runs, others on the device may ask this process to wait."""
        turns = self.timed_in_turn
        return nullcontext() if turns is None else turns.taking_part()

    def alone(self) -> AbstractContextManager[Any]:
        """While the block runs, no other candidate computes on the device."""
        turns = self.timed_in_turn
        return nullcontext() if turns is None else turns.alone()

    def having_memory(self, *, all_of_it: bool = False) -> AbstractContextManager[Any]:
        """While the block runs, this process has some of the device's memory, or no other candidate has."""
        return nullcontext() if self.turns is None else self.turns.having_memory(all_of_it=all_of_it)
