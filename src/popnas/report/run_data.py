"""What figures and tables read of a run: its state, its configuration and its predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from popnas import objectives
from popnas.errors import PopnasError
from popnas.evaluation import Evaluation, metric_title
from popnas.export import description
from popnas.export.model_values import ModelDescription
from popnas.objectives import Objective
from popnas.objectives.rows import ROWS
from popnas.records import Json, Record, part
from popnas.runs import RunFolder, RunState
from popnas.runs.stored.reading import read_record
from popnas.runs.stored.rules import Rule, is_amount, is_text, list_of, mapping_of


@dataclass(frozen=True)
class _Cuts(Record):
    """Of the state of a whole job what a report tells."""

    cuts: list[str]


@dataclass(frozen=True)
class _Job(Record):
    """Of the same state how far the job is: when stages were started and finished."""

    last: str
    started: Mapping[str, float]
    finished: Mapping[str, float]


_TIMES = mapping_of(is_amount)
_JOB: Mapping[str, Rule] = {"last": is_text, "started": _TIMES, "finished": _TIMES}


@dataclass
class RunData:
    """A run to look at.

    Attributes:
        path: its folder.
        state: what its journal says.
        config: its resolved configuration (`restore/run.json`).
        sessions: per start and resume, what it ran on (host, versions, clock; any key may lack).
    """

    path: Path
    state: RunState
    config: Json = field(default_factory=dict)
    sessions: list[Json] = field(default_factory=list)

    @classmethod
    def of(cls, folder: RunFolder, state: RunState) -> RunData:
        """Read what the state does not hold."""
        return cls(folder.path, state, folder.config_json(), [event.volatile for event in state.sessions])

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.resolve().name

    @property
    def cells(self) -> list[Evaluation]:
        """The successes without the empty cell, in order of step and proposal."""
        return [item for item in self.state.successes if item.step > 0]

    @property
    def objectives(self) -> list[Objective]:
        """The objectives of the search, score first."""
        return [objectives.get(name) for name in self.state.objectives]

    @property
    def other_objectives(self) -> list[Objective]:
        """Those that the search optimises or constrains and that popnas has no figures of anyway."""
        return [row for row in self.state.figures if row not in ROWS]

    @property
    def score_name(self) -> str:
        """The metric that is the score, in words."""
        return metric_title(self.score_metric or "score")

    @property
    def score_metric(self) -> str | None:
        """Its name in the configuration."""
        return self._text("search_strategy", "score_metric")

    @property
    def task(self) -> str | None:
        """What the data are for (`dataset.type`)."""
        return self._text("dataset", "type")

    @property
    def data_name(self) -> str | None:
        """The data's name, else where they are."""
        return self._text("dataset", "name") or self._text("dataset", "path")

    @property
    def operators(self) -> list[str]:
        """Those of the search."""
        found = part(self.config, "search_space").get("operators")
        return [str(name) for name in found] if isinstance(found, list | tuple) else []

    @property
    def lookback_depth(self) -> int:
        """How far back cells may read."""
        found = part(self.config, "search_space").get("lookback_depth")
        return found if isinstance(found, int) else 1

    @property
    def joins_only_unused(self) -> bool:
        """Whether a cell's output joins only the blocks that no other reads."""
        return part(self.config, "architecture_hyperparameters").get("concat_only_unused_blocks") is not False

    def _text(self, section: str, name: str) -> str | None:
        found = part(self.config, section).get(name)
        return found if isinstance(found, str) else None

    @property
    def cuts(self) -> list[str]:
        """What `popnas e2e` cut to keep `max_hours`, in words."""
        try:
            return read_record(self.path / "e2e.json", _Cuts, must={"cuts": list_of(is_text)}).cuts
        except PopnasError:  # not there, or as for `predictions`
            return []

    @property
    def has_open_job(self) -> bool:
        """Whether a whole job (`popnas e2e`) of this run has more to do than this report, which is written at
        the end of its last stage."""
        try:
            job = read_record(self.path / "e2e.json", _Job, must=_JOB)
        except PopnasError:  # as for `cuts`
            return False
        is_evaluated = job.last != "evaluation" or (self.final_training / "eval.json").is_file()
        return job.last not in job.finished and not (job.last in job.started and is_evaluated)

    @property
    def final_training(self) -> Path:
        """Where the final network is, if there is one."""
        return self.path / "final_training"

    @property
    def final_network(self) -> ModelDescription | None:
        """The description of the final network's deployment; None if there is none (yet)."""
        return _described(self.final_training / "deploy")

    @property
    def best_model(self) -> ModelDescription | None:
        """The description of the search's best network, likewise."""
        return _described(self.path / "best_model")

    def predictions(self, step: int) -> dict[str, np.ndarray] | None:
        """All values that a step's first round predicted, by objective, (N,) each; None if the file is gone.

        A report of what is there is worth more than none, so a damaged file is no error here.
        """
        try:
            known = self.state.predictions[step, 0].sha256
            arrays = RunFolder(self.path).load_predictions(step, known)
        except (PopnasError, KeyError):
            return None
        return {name: values for name, values in arrays.items() if name not in ("cells", "operators")}


def _described(folder: Path) -> ModelDescription | None:
    try:
        return description.read(folder)
    except PopnasError:
        return None
