"""What runs the stages of a whole job: this process, or (`stage_processes`) a process each."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from popnas.events import JobEvent, Listen, Warned
from popnas.runs.stored.job_clock import Ahead, JobClock
from popnas.workflows.models import evaluation, final_training, selection
from popnas.workflows.models.choices import CellChoice, NetworkChoice, StageChanges
from popnas.workflows.searching import search

BEAT_SECONDS = 2.0
"""How often a job hears that its stage goes on, and writes down how long it took."""


@dataclass(frozen=True)
class Stage:
    """A stage that is to run: its name, its run's folder, what the job expects (None: no estimate), the
    warnings that were `told`, and what is called every few seconds."""

    name: str
    run: Path
    ahead: Ahead | None
    told: Sequence[str]
    on_beat: Callable[[], None]


class Stages(ABC):
    """Runs one stage to its end; what is finished of one that was interrupted is kept.

    All raise PopnasError if the stage fails, KeyboardInterrupt if it is interrupted.
    """

    are_here: ClassVar[bool]
    """Whether this process trains."""
    tells_time_left: ClassVar[bool]
    """Whether somebody sees how long the job takes: measuring that takes seconds."""

    @abstractmethod
    def search(self, stage: Stage, sets: Sequence[str]) -> None:
        """Go on with the search of the stage's run, with these changes of its configuration ("a.b=V")."""

    @abstractmethod
    def select(self, stage: Stage, cells: CellChoice, partial: Path, changes: StageChanges) -> None:
        """Model selection."""

    @abstractmethod
    def train(self, stage: Stage, network: NetworkChoice, partial: Path, changes: StageChanges) -> None:
        """Final training: of the selection's best, or of an ensemble of it."""

    @abstractmethod
    def evaluate(self, stage: Stage, model: str) -> None:
        """Evaluation of a model of the run, by its folder's name."""


class OwnStages(Stages):
    """In this process: no start-up per stage. `tell` hears all that stages tell, no warning twice."""

    are_here = True
    tells_time_left = False

    def __init__(self, tell: Listen) -> None:
        self._tell = tell

    def search(self, stage: Stage, sets: Sequence[str]) -> None:
        """See `Stages`."""
        search.resume(stage.run, sets=sets, tell=self._listener(stage))

    def select(self, stage: Stage, cells: CellChoice, partial: Path, changes: StageChanges) -> None:
        """See `Stages`."""
        selection.select(stage.run, cells, partial=partial, changes=changes, tell=self._listener(stage))

    def train(self, stage: Stage, network: NetworkChoice, partial: Path, changes: StageChanges) -> None:
        """See `Stages`."""
        tell = self._listener(stage)
        final_training.train(stage.run, network, partial=partial, changes=changes, tell=tell)

    def evaluate(self, stage: Stage, model: str) -> None:
        """See `Stages`."""
        evaluation.evaluate(stage.run, model, tell=self._listener(stage))

    def _listener(self, stage: Stage) -> Listen:
        beat = time.monotonic()

        def hear(event: JobEvent) -> None:
            nonlocal beat
            if not (isinstance(event, Warned) and event.text in stage.told):
                self._tell(event)
            if time.monotonic() - beat >= BEAT_SECONDS:
                beat = time.monotonic()
                stage.on_beat()

        return hear if stage.ahead is None else JobClock(stage.ahead, hear)
