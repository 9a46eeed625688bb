"""One network trained on several devices of this machine, a process on each (`training.parallel`).

This process is none of them: it starts them, hears how far they are, and ends them all when one is gone. The
leader writes the model's folder as a training alone would, so that a training goes on where it was with more
devices, fewer, or one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from popnas import config as configurations
from popnas import executors, tasks
from popnas.config import RunConfig
from popnas.datasets import Dataset
from popnas.errors import CandidateFailed, PopnasError, UserError
from popnas.evaluators.training import placing, shared_data
from popnas.events import Listen
from popnas.executors import Job, Result, Work
from popnas.networks.macros import MACROS
from popnas.printable import quoted
from popnas.records import Json, Record
from popnas.runs import RunFolder, identity
from popnas.storage import remove_temporary
from popnas.training.parallel import Meeting, ProcessLostError
from popnas.workflows.hearing import EpochsHeard
from popnas.workflows.models.folder import ModelFolder
from popnas.workflows.models.stored.repetitions import Repetition
from popnas.workflows.models.training import (
    SETUP,
    ModelJob,
    ModelsContext,
    ModelsSetup,
    TrainedModel,
    help_to_train,
    train_and_tell,
)

EVALUATE = "popnas.workflows.models.together:evaluate"
_PROCESSES = "processes"
_LOST = ProcessLostError.__name__


def devices_for(job: ModelJob, dataset: Dataset) -> tuple[str, ...]:
    """The devices that train the job's network together; one alone where no others are asked for
    (`others.train_strategy`), or the network is fitted at once.

    Raises:
        UserError: the task's metrics cannot be summed over several.
    """
    devices = placing.devices(job.config)
    task = tasks.get(job.config.dataset.type)
    is_trained = MACROS.get(task.network_spec(job.config, dataset).macro).is_of_cells
    if len(devices) == 1 or not is_trained or _is_done(job):
        return devices[:1]
    if not hasattr(task.metrics(dataset.num_classes), "sum_up"):
        raise UserError(
            f"others.train_strategy: the metrics of the task '{job.config.dataset.type}' have no method "
            "`sum_up`, so several devices cannot train one network. Train on one of them, with "
            "others.train_strategy 'GPU'."
        )
    return devices


def _is_done(job: ModelJob) -> bool:
    """Whether there is nothing to train: it is there, or a limit stopped it and the time is still up."""
    return ModelFolder(job.folder).is_finished and (job.is_time_up or not _goes_on(job))


def _goes_on(job: ModelJob) -> bool:
    how = ModelFolder(job.folder).description().training
    return how is not None and how.stopped is not None


def train(job: ModelJob, dataset: Dataset, devices: Sequence[str], tell: Listen) -> TrainedModel:
    """Train one network on all of `devices`, or go on with it; what `training.train_model` gives.

    Raises:
        CandidateFailed: training diverged, memory ran out, or a process was lost ("worker_died").
        PopnasError: another failure of a process.
    """
    with ExitStack() as stack:
        meeting = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="popnas-"))) / "meeting"
        config = configurations.changed(job.config, {"others.executor.kind": _PROCESSES})
        run = identity.enclosing(job.folder)
        remove_temporary(job.folder)
        # Not in the run's `restore`: that is the search's, which may be under way, as may other trainings.
        shared = stack.enter_context(shared_data.shared(config, dataset, job.folder, tell))
        payload = ModelsSetup(job.config.to_json()).to_json()
        executor = stack.enter_context(
            executors.create(
                _PROCESSES,
                Work(SETUP, EVALUATE, payload, shared.place),
                num_workers=len(devices),
                threads=max(len(executors.available_cores()) // len(devices), 1),
                devices=devices,
                log_path=None if run is None else RunFolder(run).debug_log,
            )
        )
        parts = [TeamJob.of(job, Meeting(meeting, number, len(devices))) for number in range(len(devices))]
        jobs = [Job(part.name, part.to_json()) for part in parts]
        watch = _TeamWatch(job, devices)
        results = executor.run(jobs, on_start=watch.begin, on_progress=EpochsHeard(tell))
        return watch.outcome(results, jobs[0].id)


class _TeamWatch:
    """What becomes of the processes; the loss of one ends all."""

    def __init__(self, job: ModelJob, devices: Sequence[str]) -> None:
        self.job, self.devices, self.begun = job, devices, set[str]()

    def begin(self, job_id: str) -> None:
        """A process begins; the second time in place of one that has died, and too late to help."""
        if job_id in self.begun:
            raise self._lost()
        self.begun.add(job_id)

    def outcome(self, results: Iterable[Result], leader: str) -> TrainedModel:
        """The leader's answer, once all have ended."""
        found: TrainedModel | None = None
        is_incomplete = False
        for result in results:
            if result.error is not None and result.error.startswith(_LOST):
                is_incomplete = True  # which of the others is gone, and why, is about to be heard
            elif result.error is not None:
                raise _failure(result)
            elif result.id == leader and result.value is not None:
                found = TrainedModel.from_json(result.value)
        if found is None or is_incomplete:
            raise self._lost()
        return found

    def _lost(self) -> CandidateFailed:
        return CandidateFailed(
            "worker_died",
            f"one of the {len(self.devices)} processes that train {quoted(self.job.folder)} together "
            f"({', '.join(self.devices)}) has died, and the others were ended. What it printed is in "
            "debug.log. The same command goes on from the last checkpoint.",
        )


def _failure(result: Result) -> PopnasError:
    assert result.error is not None and result.error_kind is not None
    if result.error_kind == "error":
        return PopnasError(f"a process of the training failed: {result.error}\n{result.traceback or ''}")
    return CandidateFailed(result.error_kind, result.error)


# --- in a process
# --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TeamJob(Record):
    """What one process is told of the training (see `ModelJob`), and who it is of those that meet."""

    folder: str
    cell: str
    stage: str
    deadline: float | None
    origin: str
    seed: int
    fold: int
    keeps_last: bool
    meeting: str
    number: int
    size: int

    @classmethod
    def of(cls, job: ModelJob, meeting: Meeting) -> TeamJob:
        """Of a job."""
        again = job.repetition
        return cls(
            folder=str(job.folder.resolve()),
            cell=job.cell,
            stage=job.stage,
            deadline=job.deadline,
            origin=job.origin,
            seed=again.seed,
            fold=again.fold,
            keeps_last=job.keeps_last,
            meeting=str(meeting.file),
            number=meeting.number,
            size=meeting.size,
        )

    @property
    def name(self) -> str:
        """The leader's is the model's, as a training alone has it."""
        name = Path(self.folder).name
        return f"{name} ({self.number + 1} of {self.size})" if self.number else name

    def job(self, config: RunConfig, device: str) -> ModelJob:
        """As this process does it."""
        return ModelJob(
            Path(self.folder),
            self.cell,
            config,
            self.stage,
            self.deadline,
            origin=self.origin,
            device=device,
            repetition=Repetition(self.seed, self.fold),
            keeps_last=self.keeps_last,
            meeting=Meeting(Path(self.meeting), self.number, self.size),
        )


def evaluate(context: ModelsContext, payload: Json) -> Json:
    """Take part in the training: a `TeamJob` as JSON -> the leader's `TrainedModel` as JSON, else nothing."""
    job = TeamJob.from_json(payload).job(context.config, context.device)
    if job.is_leaders:
        return train_and_tell(job, context.dataset)
    help_to_train(job, context.dataset)
    return {}
