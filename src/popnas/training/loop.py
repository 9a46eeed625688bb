"""One tight loop for one network: train, validate, keep the best epoch.

No step waits for the device, from the making of its batch to the counting of its hits: losses are summed
where they arise and read once per epoch, and what is drawn at random on the CPU is sent without waiting for
it (`tests/unit/tasks/test_waiting.py` counts). With networks of eight filters a step takes milliseconds, so
whatever Python does beside the passes is felt.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from popnas.placement import Placement
from popnas.seeds import derive_seed
from popnas.training import device as devices
from popnas.training import optimizers, schedules, simulated
from popnas.training.accelerated import graphed
from popnas.training.accelerated.turns import DeviceTurns, SoloClock
from popnas.training.averaging import MovingAverage
from popnas.training.clocks import clock_for, host_clock
from popnas.training.failures import check_finite, memory_errors_named, time_limit
from popnas.training.interfaces import (
    Loader,
    Loss,
    Metrics,
    NetworkCost,
    Snapshot,
    SnapshotError,
    TrainableNetwork,
    TrainingSnapshot,
)
from popnas.training.memory import freed_memory_kept
from popnas.training.parallel import Team
from popnas.training.results import EpochRecord, TrainingResult, best_of_each
from popnas.training.settings import TrainingSettings
from popnas.training.stepper import PreparedBatch, Stepper

_MAX_WARMED = 16
"""Whole images of many sizes (segmentation) make nearly every batch a shape of its own; warming each up would
double the training."""


@dataclass(frozen=True)
class Criteria:
    """What a training strives for, and what it is judged by: an accumulator per head and epoch."""

    loss: Loss
    make_metrics: Callable[[], Metrics]


@dataclass(frozen=True)
class Course:
    """How one training of a network goes.

    Attributes:
        seed: of dropout and drop path.
        simulated_cost: of the network; `training_seconds` is then a fixed function of it. None: measured.
        max_seconds: wall-clock limit; `spent_seconds` of it are gone before, in trainings that share it.
        keeps_last: the last epoch is kept, though validation data say which is the best.
        on_epoch: called after every epoch with its record and a function that returns a snapshot (what
            `torch.save` writes and `torch.load(..., weights_only=True)` reads); returns whether to stop here.
        resume: such a snapshot of a training of the same network and settings.
        team: the processes that train the network together, this being one of them; None: it is alone.
        pace: how it gets through the schedule by a deadline; None: there is none.
        turns: of those who share the device, among which this process takes part: `training_seconds` is then
            what it would take alone. None: it has the device for itself.
        num_steps: steps of the training that this one stands for, whatever its own: how many there are
            decides how they are made. None: of this one.
    """

    seed: int
    simulated_cost: NetworkCost | None = None
    max_seconds: float | None = None
    spent_seconds: float = 0.0
    keeps_last: bool = False
    on_epoch: Callable[[EpochRecord, Snapshot], bool] | None = None
    resume: TrainingSnapshot | None = None
    team: Team | None = None
    pace: schedules.TrainingPace | None = None
    turns: DeviceTurns | None = None
    num_steps: int | None = None


def fit(
    network: nn.Module,
    train_loader: Loader,
    validation_loader: Loader | None,
    criteria: Criteria,
    settings: TrainingSettings,
    placement: Placement,
    course: Course,
) -> TrainingResult:
    """Train `network` (in place, moved to the device of `placement`) for all epochs of `settings`, or as many
    as `course.pace` has time for.

    With one thread on a CPU, equal arguments give bit-equal weights; each epoch draws from its own seed, so
    a training that resumes from a snapshot goes on as it would have gone.

    Args:
        network: maps (x, lengths) to a tuple of logits, one per head, the last being the main one; has
            `head_weights` and `set_progress`.
        train_loader: yields batches on the device; its first iteration here is the epoch that `set_epoch`
            names.
        validation_loader: likewise; its batches may have another size. None: the metrics are those of the
            training batches, as they were when they were trained on, and the last epoch is the best.
        criteria: loss and metrics.
        settings: how to train.
        placement: where; batches are brought to its layout if they are not in it.
        course: of this training.

    Raises:
        CandidateFailed: "nan", "out_of_memory" or "time_limit".
        SnapshotError: `course.resume` is not of this training.
    """
    device = placement.device
    with memory_errors_named(device), devices.reproducible(device), freed_memory_kept(device):
        network.to(device)
        layout = placement.memory_format
        if layout is not None and device.type == "cuda":  # on a CPU the layout of weights does not matter
            network.to(memory_format=layout)  # type: ignore[call-overload]  # torch's stubs lack it
        trained = cast(TrainableNetwork, network)
        training = _Training(trained, train_loader, validation_loader, criteria, settings, placement, course)
        if course.resume is not None:
            training.load(course.resume)
        with nullcontext() if course.team is None else course.team.training(network):
            training.pace.begin(len(training.epochs))
            while not training.pace.is_through:
                record = training.run_epoch()
                if training.is_stopped(record):
                    break
        return training.result()


@dataclass
class _Training:
    """A training under way."""

    network: TrainableNetwork
    train_loader: Loader
    validation_loader: Loader | None
    criteria: Criteria
    settings: TrainingSettings
    placement: Placement
    course: Course

    def __post_init__(self) -> None:
        steps_per_epoch = len(self.train_loader)
        self.rate_at = schedules.rate_at(self.settings, steps_per_epoch)
        self.device, self.cost = self.placement.device, self.course.simulated_cost
        self.num_steps = self.settings.epochs * steps_per_epoch
        self.pace = self.course.pace or schedules.TrainingPace(self.settings.epochs)
        self.stepper = graphed.make_stepper(
            self.network,
            self.criteria.loss,
            self.settings,
            self.placement,
            num_steps=self.course.num_steps or self.num_steps,
            team=self.course.team,
        )
        self.clock = clock_for(self.device)
        if (turns := self.course.turns) is not None:
            self.clock = SoloClock(self.clock, turns, steps_per_epoch)
        self.began = time.monotonic() - self.course.spent_seconds
        self.warmed_shapes: set[torch.Size] = set()
        self.spare: Stepper | None = None
        self.epochs: list[EpochRecord] = []
        self.best_epoch, self.best_state = -1, dict[str, Tensor]()
        decay = self.settings.ema_decay
        self.average = None if decay is None else MovingAverage(self.network, decay)

    def run_epoch(self) -> EpochRecord:
        """Train and validate once; raises CandidateFailed."""
        epoch = len(self.epochs)
        torch.manual_seed(derive_seed(self.course.seed, "epoch", epoch))
        heads = [self.criteria.make_metrics() for _ in self.network.head_weights]
        hits = _Hits(self.device)
        span = self.pace.span()
        loss, training_seconds = self._train(epoch, heads, hits, span)
        read = host_clock(self.device)
        began = read()
        with self._as_kept():
            with devices.without_gradients(self.device):
                validation_loss = self._validate(epoch, heads)
            if self.course.team is not None:
                self.course.team.sum_metrics(heads)
            record = EpochRecord(
                loss=loss,
                learning_rate=self.rate_at(self._position(len(self.train_loader) - 1, span)),
                head_metrics=[metrics.compute() for metrics in heads],
                training_seconds=training_seconds,
                validation_seconds=read() - began,
                validation_loss=validation_loss,
                training_accuracy=hits.share(),
            )
            self.epochs.append(record)
            self._keep_if_best(epoch)
        self.pace.end(span)
        return record

    def _position(self, step: int, span: float) -> float:
        """Where in the schedule, in steps of it, a step of an epoch is that goes through `span` epochs."""
        return self.pace.position * len(self.train_loader) + span * step

    def is_stopped(self, record: EpochRecord) -> bool:
        """Tell of an epoch; whether it is to be the last one."""
        course = self.course
        is_stopped = course.on_epoch is not None and course.on_epoch(record, self.snapshot)
        return is_stopped if course.team is None else course.team.as_leader_says(is_stopped)

    def _as_kept(self) -> AbstractContextManager[None]:
        """While the block runs, the network is what validates and is kept."""
        return nullcontext() if self.average is None else self.average.in_place()

    def result(self) -> TrainingResult:
        """What the training came to."""
        kept = self._last_state() if self._keeps_last else self.best_state
        return TrainingResult(
            epochs=list(self.epochs),
            metrics=best_of_each(head for record in self.epochs for head in record.head_metrics),
            best_epoch=self.best_epoch,
            best_state=devices.settled(self.device, kept),
            training_seconds=sum(record.training_seconds for record in self.epochs),
        )

    @property
    def _keeps_last(self) -> bool:
        return self.validation_loader is None or self.course.keeps_last

    def _last_state(self) -> dict[str, Tensor]:
        return self.network.state_dict() if self.average is None else self.average.state

    def snapshot(self) -> TrainingSnapshot:
        """Everything that `load` needs, as copies."""
        found = TrainingSnapshot(
            network=self.network.state_dict(),
            optimizer=self.stepper.optimizer.state_dict(),
            scaler=self.stepper.scaler.state_dict() if self.stepper.scaler else None,
            epochs=[record.to_json() for record in self.epochs],
            best_epoch=self.best_epoch,
            best_state=self.best_state,
            averaged={} if self.average is None else self.average.state,
        )
        return copy.deepcopy(devices.settled(self.device, found))

    def load(self, snapshot: TrainingSnapshot) -> None:
        """Go back to where a snapshot was taken.

        Raises:
            SnapshotError: it is not one of this training.
        """
        try:
            self._load(snapshot)
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, IndexError) as error:
            raise SnapshotError(f"{type(error).__name__}: {error}") from error

    def _load(self, snapshot: TrainingSnapshot) -> None:
        self.network.load_state_dict(snapshot["network"])
        optimizers.load(self.stepper.optimizer, snapshot["optimizer"])
        if self.average is not None:
            self.average.load(snapshot["averaged"])
        if self.stepper.scaler is not None and snapshot["scaler"] is not None:
            self.stepper.scaler.load_state_dict(snapshot["scaler"])
        self.epochs = [EpochRecord.from_json(record) for record in snapshot["epochs"]]
        self.best_epoch = snapshot["best_epoch"]
        if not self.best_epoch < len(self.epochs) <= self.settings.epochs:
            raise ValueError("its epochs are not those of this training")
        self.best_state = {name: tensor.to(self.device) for name, tensor in snapshot["best_state"].items()}

    def _make_stepper(self, network: TrainableNetwork) -> Stepper:
        loss, team = self.criteria.loss, self.course.team
        return graphed.plain_stepper(network, loss, self.settings, self.placement, team)

    def _train(self, epoch: int, heads: list[Metrics], hits: _Hits, span: float) -> tuple[float, float]:
        """Mean loss per sample and seconds of one epoch; `heads` count the samples without validation."""
        stepper, clock, first_step = self.stepper, self.clock, epoch * len(self.train_loader)
        has_drop_path = self.settings.drop_path > 0.0
        loss_sum, num_samples = torch.zeros((), device=self.device), 0
        self.network.train()
        self.train_loader.set_epoch(epoch)
        for step, loaded in enumerate(self.train_loader, start=first_step):
            self._check_time(epoch)
            position = self._position(step - first_step, span)
            batch = stepper.prepared(loaded)
            if has_drop_path:
                self.network.set_progress(position / self.num_steps)
            if self.cost is None and len(self.warmed_shapes) < _MAX_WARMED:
                self._warm_up(batch, loaded.x.shape)
            clock.start()
            stepped = stepper.step(batch, self.rate_at(position))
            if self.average is not None:
                self.average.update(step)
            clock.stop()
            stepper.release_gradients()
            loss_sum.add_(stepped.loss, alpha=len(loaded.y))
            if self._counts:
                if self.validation_loader is None:
                    _count(heads, stepped.outputs, batch.y)
                hits.add(stepped.outputs[-1], batch.y)
            del stepped  # logits of masks are large
            num_samples += len(loaded.y)
        self.spare = None
        seconds = clock.seconds()
        mean_loss = self._total(loss_sum) / num_samples
        if self.course.team is not None:
            self.course.team.level(self.network)
            hits.sum_up(self.course.team)
        check_finite(mean_loss, "the training loss", epoch, self.network)
        if self.cost is not None:
            seconds = simulated.training_seconds(self.cost.flops, self.cost.params, num_samples)
        return mean_loss, seconds

    @property
    def _counts(self) -> bool:
        """Whether this process counts what the network answered to the batch at hand."""
        return self.course.team is None or self.course.team.counts

    def _total(self, value: Tensor) -> float:
        """A scalar, of a team the sum of all."""
        return value.item() if self.course.team is None else self.course.team.sum_number(value.item())

    def _warm_up(self, batch: PreparedBatch, shape: torch.Size) -> None:
        """A step on a throw-away copy, so that what a shape costs only the first time is not timed; `shape`:
        of the whole batch, lest processes of a team differ in whether they do."""
        if shape in self.warmed_shapes:
            return
        self.warmed_shapes.add(shape)
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            if self.stepper.is_compiled:
                self.stepper.rehearse(batch)  # a copy would be compiled for itself
            else:
                # One copy for all shapes of the first epoch: copying takes about as long as a step.
                self.spare = self.spare or self._make_stepper(copy.deepcopy(self.network))
                self.spare.step(batch, 0.0)
                self.spare.release_gradients()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _validate(self, epoch: int, heads: list[Metrics]) -> float | None:
        """Count the validation data and return their mean loss, None without any.

        The training loss before the last step can be finite although the weights after it are not, which this
        notices too.
        """
        if self.validation_loader is None:
            weights = torch.stack([weight.sum() for weight in self.network.parameters()])
            check_finite(weights.sum().item(), "the sum of the weights", epoch, self.network)
            return None
        self.network.eval()
        logits_sum, loss_sum = torch.zeros((2,), device=self.device)
        num_samples = 0
        self.validation_loader.set_epoch(epoch)
        for batch in self.validation_loader:
            self._check_time(epoch)
            if self.course.turns is not None:
                self.course.turns.pause()
            prepared = self.stepper.prepared(batch)
            outputs = tuple(logits.float() for logits in self.stepper.predict(prepared))
            if self._counts:
                _count(heads, outputs, prepared.y)
            loss_sum.add_(self.stepper.loss_of(outputs, prepared), alpha=len(batch.y))
            num_samples += len(batch.y)
            for logits in outputs:
                logits_sum.add_(logits.sum())
        check_finite(self._total(logits_sum), "the sum of the logits on validation data", epoch, self.network)
        return self._total(loss_sum) / num_samples

    def _keep_if_best(self, epoch: int) -> None:
        if self._keeps_last:
            self.best_epoch = epoch
            return

        def score(record: EpochRecord) -> float:
            return record.head_metrics[-1][self.settings.score_metric]

        if self.best_epoch < 0 or score(self.epochs[epoch]) > score(self.epochs[self.best_epoch]):
            self.best_epoch = epoch
            self.best_state = {
                name: tensor.clone(memory_format=torch.contiguous_format)
                for name, tensor in self.network.state_dict().items()
            }

    def _check_time(self, epoch: int) -> None:
        limit = self.course.max_seconds
        if limit is not None and time.monotonic() - self.began > limit:
            raise time_limit(limit, epoch, self.settings.epochs)


class _Hits:
    """How often the class of the main output's highest logit was the true one, on batches as they were
    trained on; counted on the device, and read once."""

    def __init__(self, device: torch.device) -> None:
        self._hits, self._counted = torch.zeros((2,), dtype=torch.int64, device=device)

    def add(self, logits: Tensor, y: Tensor) -> None:
        """Count a batch; what is no class (pixels that are ignored) does not count."""
        self._hits.add_((logits.argmax(dim=1) == y).sum())
        self._counted.add_(((y >= 0) & (y < logits.shape[1])).sum())

    def sum_up(self, team: Team) -> None:
        """Hold what all processes have counted."""
        self._hits, self._counted = team.total(torch.stack([self._hits, self._counted]))

    def share(self) -> float:
        """Of all that was counted."""
        return self._hits.item() / max(self._counted.item(), 1)


def _count(heads: list[Metrics], outputs: tuple[Tensor, ...], y: Tensor) -> None:
    for metrics, logits in zip(heads, outputs, strict=True):
        metrics.update(logits.float(), y)
