"""What the API answers and takes, as its OpenAPI description has it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from popnas.server.access.places import RUN_NAME
from popnas.server.jobs.record import RunJob, Stage, State

Standing = Literal[
    "queued", "running", "stopping", "elsewhere", "reading", "finished", "stopped", "failed", "damaged"
]
RunName = Annotated[str, Field(pattern=f"^{RUN_NAME}$", description="The run's name.")]
CellText = Annotated[str, Field(min_length=2, max_length=4000, description="A cell, as journals write it.")]
Count = Annotated[int, Field(ge=1, le=10_000)]
Positive = Annotated[float, Field(gt=0, le=1e15)]
Document = dict[str, JsonValue]
"""A configuration, whole or partial, as a JSON object."""


class Answer(BaseModel):
    """What answers share."""

    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="null")


class Body(BaseModel):
    """What bodies of requests share: nothing is converted, and what is unknown is refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Health(Answer):
    """The server answers."""

    status: Literal["ok"]
    version: str


class ProblemAnswer(Answer):
    """One mistake: where it stands, what stands there, and how to mend it."""

    place: str
    value: JsonValue = None
    message: str


class Refused(Answer):
    """Why a request was refused; `problems` are those of a configuration or of the request's own form."""

    detail: str
    problems: list[ProblemAnswer] = []


class JobAnswer(Answer):
    """A command of popnas that the server runs, ran or will run. Times are in seconds since 1970."""

    number: int
    run: str
    stage: Stage
    state: State
    created: float
    started: float | None
    ended: float | None
    exit_status: int | None

    @classmethod
    def of(cls, job: RunJob) -> JobAnswer:
        """As the server shows it."""
        return cls(
            number=job.number,
            run=job.run,
            stage=job.stage,
            state=job.state,
            created=job.created,
            started=job.started,
            ended=job.ended,
            exit_status=job.exit_status,
        )


class ProgressAnswer(Answer):
    """How far a stage is (`progress.json` of the run). `networks`: those that train now, each with its epoch
    and the number of its epochs; `seconds_left`: of a search its step and the whole."""

    stage: str
    state: str
    phase: str
    done: int
    total: int | None
    networks: dict[str, tuple[int, int]]
    best_score: float | None
    seconds_left: dict[str, float | None]
    warnings: list[str]
    updated: str


class RunSummary(Answer):
    """A run at a glance.

    `state`: "elsewhere" is a run that a process works on which this server did not start; "reading" one
    of whose long journal a part was read so far, and its figures are of that part; "damaged" one whose
    journal cannot be read, for the reason in `problem`. `modified`: when its journal last grew.
    """

    name: str
    state: Standing
    task: str | None = None
    data: str | None = None
    score_metric: str | None = None
    num_networks: int = 0
    num_failed: int = 0
    num_steps: int | None = None
    steps_finished: int = 0
    best_score: float | None = None
    best_cell: str | None = None
    finish_reason: str | None = None
    can_resume: bool = False
    modified: float | None = None
    problem: str | None = None
    progress: ProgressAnswer | None = None
    jobs: list[JobAnswer] = []


class NotShownAnswer(Answer):
    """A run in the server's folder that it does not show, and why, with what helps."""

    name: str
    reason: str


class Runs(Answer):
    """All runs, the newest first, and those that are not shown."""

    runs: list[RunSummary]
    not_shown: list[NotShownAnswer] = []
    num_running: int
    num_queued: int
    num_at_once: int


class NewRun(Body):
    """A search to start. Without a name it gets the date and time."""

    name: RunName | None = None
    config: Document
    confirm: bool = False


class NewSelection(Body):
    """A model selection: of so many of the best cells, of the front's, or of one cell; `params`: also wider
    and deeper networks with so many parameters; `config`: a partial configuration over the run's own."""

    num_cells: Count | None = None
    source: Literal["best", "front"] | None = None
    cell: CellText | None = None
    params: Annotated[tuple[Positive, Positive], Field(strict=False)] | None = None
    config: Document | None = None


class NewTraining(Body):
    """A final training: of the best of the selection or the search, or of one cell in a network of this
    size; `config`: a partial configuration over the run's own."""

    cell: CellText | None = None
    motifs: Count | None = None
    normal_cells: Count | None = None
    filters: Count | None = None
    config: Document | None = None


class NewEvaluation(Body):
    """An evaluation on test data: of one model, by its folder in the run, or of all of the selection."""

    model: Annotated[str, Field(min_length=1, max_length=300)] | None = None
    all_selected: bool = False


class ConfigToCheck(Body):
    """A configuration to look at without starting anything."""

    config: Document


class Checked(Answer):
    """Every mistake of a configuration at once, and what of it has no effect."""

    is_valid: bool
    problems: list[ProblemAnswer]
    warnings: list[str]


class Preset(Answer):
    """A configuration that comes with popnas."""

    name: str
    is_partial: bool
    config: Document


class Login(Body):
    """The server's token, for a session of a browser."""

    token: Annotated[str, Field(min_length=1, max_length=512)]


class ObjectiveAnswer(Answer):
    """An objective, and how it is better. `is_asked`: the search optimises it."""

    name: str
    title: str
    unit: str
    is_maximized: bool
    is_asked: bool


class Candidates(Answer):
    """Candidates in the order in which they were evaluated, as rows of `columns`, from `after` on. Where
    `epoch` is another than before, the journal is another one: begin anew with `after` 0."""

    epoch: int
    columns: list[str]
    objectives: list[ObjectiveAnswer]
    rows: list[list[JsonValue]]
    next: int
    total: int


class LogPiece(Answer):
    """A piece of a log, and where the next one begins."""

    text: str
    start: int
    next: int
    size: int


class FileEntry(Answer):
    """A file or folder in a run's folder."""

    name: str
    is_folder: bool
    size: int | None
    modified: float


class Folder(Answer):
    """What lies in a folder of a run."""

    path: str
    entries: list[FileEntry]


class TrainedFiles(Answer):
    """A trained network of a run, with the files that are worth taking along."""

    folder: str
    title: str
    cell: str | None
    params: int | None
    score: float | None
    test: dict[str, float] | None
    files: list[str]


class FrontPoint(Answer):
    """A cell on the trained front, with its figures and the command that trains it."""

    cell: str
    step: int
    figures: dict[str, float | None]
    command: str | None


class RunResults(Answer):
    """What a run has come to so far."""

    front: list[FrontPoint]
    models: list[TrainedFiles]
    report: str | None


class PredictorQuality(Answer):
    """How well an objective was foretold in a step: predicted and real values of the cells trained. Spearman
    is of ranks, MAPE in percent."""

    objective: str
    title: str
    unit: str
    step: int
    mape: float | None
    spearman: float | None
    r2: float | None
    predicted: list[float]
    real: list[float]


class TimeSpent(Answer):
    """Seconds of a step's candidates, summed over workers."""

    step: int
    num_networks: int
    training: float
    validation: float
    other: float
    failed: float


class Quality(Answer):
    """How good predictors were, and where time went."""

    predictors: list[PredictorQuality]
    times: list[TimeSpent]


class ComparedRun(Answer):
    """One of several runs on one scale. `values`: of its cells, columns as `objectives` of the comparison;
    `hypervolumes`: after so many networks and so many seconds of workers, (networks, seconds, volume)."""

    name: str
    values: list[list[float]]
    cells: list[str]
    hypervolumes: list[tuple[int, float, float]]


class ComparedRuns(Answer):
    """Several runs on one scale: the objectives that all of them have."""

    objectives: list[ObjectiveAnswer]
    runs: list[ComparedRun]


class Board(Answer):
    """Where TensorBoard answers for a run, on this server."""

    path: str
    is_ready: bool
