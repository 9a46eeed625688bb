"""What the stages of a whole job take, from what was measured so far: probes before the search, a probe of
the best cell's network after it, the log of the best network's training after the selection.

Seconds are wall seconds. What is cut to keep a limit (`budget`) and the time left that is told both rest on
these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from popnas import executors, tasks
from popnas.cells import Cell
from popnas.config import RunConfig
from popnas.datasets import Dataset
from popnas.evaluators.training.forecast import epoch_samples
from popnas.evaluators.training.placing import num_workers
from popnas.records import Record, part
from popnas.runs import RunState
from popnas.runs.stored.job_clock import StepAhead
from popnas.workflows.models.timing import epoch_time
from popnas.workflows.models.timing.epoch_time import NetworkSize, SampleCost
from popnas.workflows.searching.plan import Plan

# Beside training, in units of what it takes to start popnas (interpreter, torch, configuration): a busy or
# slow machine is slow in both. Measured with that at 3 to 7 s: docs/log.md, 2026-11-27.
_MODEL_FILES, _DEPLOYMENT, _JUDGING, _TABLES = 0.3, 0.6, 1.0, 0.4


@dataclass(frozen=True)
class StageCost(Record):
    """What a stage is expected to take: `start` until its first network trains, `trainings` of its networks,
    `files` that workers write of them meanwhile, `end` after the last of them."""

    start: float = 0.0
    trainings: float = 0.0
    end: float = 0.0
    files: float = 0.0

    @property
    def beside(self) -> float:
        """All but the trainings."""
        return self.start + self.files + self.end

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.beside + self.trainings


@dataclass(frozen=True)
class Expectation(Record):
    """What a job expects of its stages (`costs`, by name), of the `steps` of its search, its `confirmations`
    and the candidate of one of its best cells (`best_candidate`, in a worker); `once_share`: of a candidate's
    seconds those that further epochs would not add."""

    costs: Mapping[str, StageCost] = field(default_factory=dict)
    steps: tuple[StepAhead, ...] = ()
    once_share: float = 0.0
    confirmations: float = 0.0
    best_candidate: float = 0.0

    def slower(self, factor: float) -> Expectation:
        """The same where all trainings take so much longer."""
        costs = {
            stage: replace(cost, trainings=factor * cost.trainings) for stage, cost in self.costs.items()
        }
        steps = tuple(
            replace(item, candidate=factor * item.candidate, seconds=factor * item.seconds)
            for item in self.steps
        )
        return replace(
            self,
            costs=costs,
            steps=steps,
            confirmations=factor * self.confirmations,
            best_candidate=factor * self.best_candidate,
        )

    def with_stages(self, costs: Mapping[str, StageCost]) -> Expectation:
        """The same with those of further stages."""
        return replace(self, costs={**self.costs, **costs})

    def with_trainings(self, stage: str, seconds: float) -> Expectation:
        """The same with other seconds of a stage's trainings."""
        return replace(self, costs={**self.costs, stage: replace(self.costs[stage], trainings=seconds)})

    def with_beside(self, stages: Sequence[str], factor: float) -> Expectation:
        """The same where all but the trainings takes so much longer in these stages."""
        changed = {
            stage: replace(cost, start=factor * cost.start, end=factor * cost.end, files=factor * cost.files)
            for stage, cost in self.costs.items()
            if stage in stages
        }
        return replace(self, costs={**self.costs, **changed})


@dataclass(frozen=True)
class Startup:
    """What the job itself took until it could begin, and what its stages take again: starting popnas, and
    loading the data."""

    popnas: float
    data: float

    @property
    def seconds(self) -> float:
        """Both."""
        return self.popnas + self.data

    def search(self, config: RunConfig, planned: Plan, trainings: float) -> StageCost:
        """The search, whose candidates and confirmations take `trainings`."""
        end = max(planned.fixed_seconds - planned.start_seconds, 0.0)
        return StageCost(self._with_workers(config), trainings, end)

    def selection(self, config: RunConfig, trainings: float, num_networks: int) -> StageCost:
        """Model selection; each network is exported twice, by the worker that trains it."""
        rounds = -(-num_networks // num_workers(config))
        end, files = _TABLES * self.popnas, rounds * _MODEL_FILES * self.popnas
        return StageCost(self._with_workers(config), trainings, end, files)

    def training(self, trainings: float) -> StageCost:
        """Final training."""
        return StageCost(self.seconds, trainings, _DEPLOYMENT * self.popnas)

    def evaluation(self) -> StageCost:
        """The evaluation and the report."""
        return StageCost(self.seconds, 0.0, _JUDGING * self.popnas)

    def _with_workers(self, config: RunConfig) -> float:
        """The stage's process, then its workers, which begin as it did."""
        is_in_driver = executors.REGISTRY.get(config.others.executor.kind).is_in_driver
        return self.seconds * (1 if is_in_driver else 2)


@dataclass(frozen=True)
class NetworkCosts:
    """What networks after the search take: the `epochs` of each in selection, one in seconds, and how much
    longer one of final training is (`whole`), which has the validation examples, too."""

    epochs: Sequence[float]
    whole: float

    @classmethod
    def of(cls, dataset: Dataset, cost: SampleCost, sizes: Sequence[NetworkSize]) -> NetworkCosts:
        """Of networks of these sizes."""
        samples = epoch_samples(dataset)
        epochs = [samples * cost.seconds(size) for size in sizes]
        return cls(epochs, len(dataset.full_train) / samples)

    def repeated(self, number: int) -> NetworkCosts:
        """Of so many cells like that one."""
        return replace(self, epochs=[*self.epochs] * number)

    def with_references(self, config: RunConfig) -> NetworkCosts:
        """With the known networks that are trained beside them, each about as large as the first."""
        task = tasks.get(config.dataset.type)
        number = len(task.references) - len(task.fitted_references)
        return replace(self, epochs=[*self.epochs, *[self.epochs[0]] * number])

    @property
    def alike(self) -> NetworkCosts:
        """Where each is trained for as long as the first."""
        return replace(self, epochs=[self.epochs[0]] * len(self.epochs))

    def selection_epoch(self, num_workers: int, repetitions: int = 1) -> float:
        """Seconds of one epoch of all of them, so many at a time, each trained so often."""
        at_once = min(num_workers, repetitions * len(self.epochs))
        return max(repetitions * sum(self.epochs) / at_once, max(self.epochs))

    @property
    def training_epoch(self) -> float:
        """Seconds of one epoch of final training; which of them will be the best is not known."""
        return self.whole * sum(self.epochs) / len(self.epochs)


def searched_networks(
    state: RunState, once_share: float, relative: Mapping[Cell, Sequence[float]], whole: float
) -> NetworkCosts | None:
    """By the wall times of the search, which trained the first of each cell's networks beside others, on this
    machine as busy as it is; without what was done once. `relative`: how much longer than the first each of a
    cell's networks takes. None if it has no time of a cell, or trained in another way than later stages
    do."""
    if not _is_as_later(state):
        return None
    num_epochs = _num_epochs(state)
    epochs = []
    for cell, shares in relative.items():
        walls = [item.wall_seconds for item in state.evaluations if item.cell == cell.key]
        if not walls or walls[0] is None:
            return None
        first = walls[0] * (1 - once_share) / num_epochs
        epochs += [first * share for share in shares]
    return NetworkCosts(epochs, whole)


def _is_as_later(state: RunState) -> bool:
    """Whether the search trained on this machine, and on its GPUs one network each, as later stages do."""
    found = [item.volatile for item in state.evaluations]
    if any("machine" in each for each in found):  # told where workers may be on others (`candidate.setup`)
        return False
    gpus = {each.get("device") for each in found} - {None, executors.CPU}
    return not gpus or len({each.get("worker") for each in found}) <= len(gpus)


def _num_epochs(state: RunState) -> int:
    """Of a candidate of a search, all folds together."""
    epochs = part(state.config, "training_hyperparameters").get("epochs")
    folds = part(state.config, "dataset").get("folds")
    assert isinstance(epochs, int) and isinstance(folds, int), "a configuration of a run is whole"
    return epochs * folds


def epochs_of(config: RunConfig, epoch: float) -> float:
    """Seconds of all epochs of a stage's configuration."""
    return epoch * config.training_hyperparameters.epochs


def planned_networks(
    planned: Plan, config: RunConfig, dataset: Dataset, num_cells: int, params: str | None
) -> NetworkCosts:
    """Those of a typical cell of the search's last step, `num_cells` times, before any is known: they are
    probed."""
    assert planned.typical is not None, "the evaluator trains"
    cell = Cell.parse(planned.typical)
    cost = epoch_time.sample_cost(config, dataset, cell, params)
    sizes = epoch_time.sizes_of(cell, epoch_time.spec_of(config, dataset), params)
    return NetworkCosts.of(dataset, cost, sizes).repeated(num_cells).with_references(config)
