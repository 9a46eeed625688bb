"""One candidate as values: what a worker is told (`CandidateJob`), what it answers (`Measured`), and both
joined, which the journal stores and the strategy learns from (`Evaluation`); how surrogates were fitted to
them (`FitReport`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

from popnas.records import Json, Record, without_nulls


@dataclass(frozen=True)
class CandidateJob(Record):
    """What a worker is told of one candidate.

    Attributes:
        cell: canonical text of the cell.
        step, index: the proposal's place, which names the candidate's files.
        seed: of its training.
        repetition: 0; of a confirmation its number, from 1. Only the first training leaves files.
        keeps_weights_from: the best score known when the job was made: a cell that reaches it leaves its
            weights. None: any cell.
    """

    cell: str
    step: int
    index: int
    seed: int
    repetition: int = 0
    keeps_weights_from: float | None = None


@dataclass(frozen=True)
class Measured(Record):
    """What a worker answers: a candidate's figures, or the reason why there are none.

    Those that `Evaluation` has by the same name are meant as there. `missing_views` are sentences about files
    of the candidate that could not be made; `files` those that go with the answer (`artifacts`).
    """

    params: int | None = None
    flops: int | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    score: float | None = None
    training_seconds: float | None = None
    inference_seconds: float | None = None
    objectives: dict[str, float] = field(default_factory=dict)
    head_metrics: list[dict[str, float]] = field(default_factory=list)
    error: str | None = None
    error_kind: str | None = None
    volatile: dict[str, float | str] = field(default_factory=dict, compare=False)
    missing_views: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Curve(Record):
    """What a training of one cell came to after each of its epochs, for a table of cells.

    `metrics`: by name the best so far after each epoch; `training_seconds`: of all epochs so far; `volatile`:
    as of `Evaluation`. What failed has neither, but `error` and `error_kind`.
    """

    metrics: dict[str, list[float]] = field(default_factory=dict)
    training_seconds: list[float] = field(default_factory=list)
    inference_seconds: float | None = None
    error: str | None = None
    error_kind: str | None = None
    volatile: dict[str, float | str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Evaluation(Record):
    """One candidate's result, or the reason why there is none.

    Attributes:
        cell: canonical text of the cell.
        step: number of its blocks (0 for the empty cell).
        index: position among the proposals of its step.
        is_exploration: proposed by the exploration front.
        seed: the candidate's own seed.
        metrics: best value of each validation metric (accuracy, f1_score, ... in 0..1).
        score: the metric that the search maximises.
        training_seconds, inference_seconds: as docs/networks.md defines them (inference: one batch).
        params, flops: exact, of the built network (flops: one sample).
        objectives: by name what the search optimises or constrains beside the figures above.
        head_metrics: per output, its own best metrics (one entry unless multi-output).
        error, error_kind: why it failed; None for a success.
        volatile: what differs between two equal runs (wall times, host, worker, device, versions).
    """

    cell: str
    step: int
    index: int
    is_exploration: bool
    seed: int
    metrics: dict[str, float] = field(default_factory=dict)
    score: float | None = None
    training_seconds: float | None = None
    inference_seconds: float | None = None
    params: int | None = None
    flops: int | None = None
    objectives: dict[str, float] = field(default_factory=dict)
    head_metrics: list[dict[str, float]] = field(default_factory=list)
    error: str | None = None
    error_kind: str | None = None
    volatile: Json = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, job: CandidateJob, measured: Measured, *, is_exploration: bool) -> Evaluation:
        """The one place where a proposal and what was measured of it are joined, failures as well."""
        own = {item.name for item in fields(cls)}
        found = {item.name: getattr(measured, item.name) for item in fields(measured) if item.name in own}
        return cls(job.cell, job.step, job.index, is_exploration, job.seed, **found)

    @property
    def is_failed(self) -> bool:
        """Whether the candidate has no usable result."""
        return self.error_kind is not None

    @property
    def wall_seconds(self) -> float | None:
        """All that a worker spent on it."""
        return self._spent("wall_seconds")

    @property
    def epochs_seconds(self) -> float | None:
        """Of these the training alone, as it was measured."""
        return self._spent("epochs_seconds")

    @property
    def validation_seconds(self) -> float | None:
        """Of these the validation after each epoch."""
        return self._spent("validation_seconds")

    def _spent(self, name: str) -> float | None:
        found = self.volatile.get(name)
        return float(found) if isinstance(found, int | float) else None

    def content(self) -> Json:
        """What two equal runs share, as a JSON object."""
        # Without objectives where there are none, as journals were before there were any.
        left_out = {"volatile"} if self.objectives else {"volatile", "objectives"}
        return {name: value for name, value in self.to_json().items() if name not in left_out}

    @classmethod
    def of_event(cls, content: Json, volatile: Json) -> Evaluation:
        """The inverse of `content`, with the volatile part beside it; raises FormError.

        What is null was not measured, and is as what lacks.
        """
        return cls.from_json({**without_nulls(content), "volatile": volatile})


@dataclass(frozen=True)
class FitReport(Record):
    """How the fit of a surrogate to evaluations went.

    `hyperparameters`: what was chosen; `loss_curve`: the training loss per epoch (empty where there are no
    epochs); `cross_validation`: out-of-fold figures by name ("mape" in percent, "spearman", "r2"), None
    where undefined.
    """

    hyperparameters: Json = field(default_factory=dict)
    loss_curve: Sequence[float | None] = ()
    cross_validation: Mapping[str, float | None] | None = field(default_factory=dict)


_SPELLED = {"f1": "F1", "iou": "IoU"}


def metric_title(name: str) -> str:
    """A metric's name as people read it: "f1_score" is "F1 score"."""
    return " ".join(_SPELLED.get(word, word) for word in name.split("_"))
