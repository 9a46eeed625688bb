"""One method with one seed over a table, in a worker."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from popnas import config as configurations
from popnas import evaluators
from popnas.cells import Cell
from popnas.evaluators import Evaluator
from popnas.executors import Worker
from popnas.records import Json, Record
from popnas.runs import RunState
from popnas.seeds import derive_seed
from popnas.workflows.searching import candidate_jobs
from popnas.workflows.tables.comparing import progressive, walks
from popnas.workflows.tables.comparing.ground import Ground, ground_of, rows_of
from popnas.workflows.tables.comparing.nsga2 import nsga2
from popnas.workflows.tables.comparing.request import WALKS, CompareRequest
from popnas.workflows.tables.comparing.walks import MakeWalk, Seen

_WALKS: dict[str, MakeWalk] = {
    "random": walks.random,
    "evolution": walks.evolution,
    "local-search": walks.local_search,
    "nsga2": nsga2,
}
assert _WALKS.keys() == WALKS.keys()


@dataclass(frozen=True)
class Trial(Record):
    """`networks`: the budget that a progressive method is planned for; of others None, as they go on until
    the largest budgets are used up."""

    method: str
    seed: int
    networks: int | None = None

    @property
    def name(self) -> str:
        """No two are named alike."""
        return f"{self.method}#{self.seed}#{self.networks or ''}"


@dataclass(frozen=True)
class Tried(Record):
    """What a trial evaluated, in order: rows of the ground, and which training of each it saw; what was
    trained again stands once more. `winner`: the row that this made the best in the end."""

    rows: tuple[int, ...]
    trainings: tuple[int, ...]
    winner: int | None = None


@dataclass(frozen=True)
class TrialSetup(Record):
    """What every worker is told."""

    table: str
    request: CompareRequest


@dataclass
class TrialContext:
    """What a worker keeps between trials."""

    setup: TrialSetup
    grounds: dict[int, Ground] = field(default_factory=dict)

    @property
    def ground(self) -> Ground:
        """Of the table's own search; made once."""
        if 0 not in self.grounds:
            config = progressive.default_config(Path(self.setup.table), self.setup.request, 0)
            self.grounds[0] = ground_of(evaluators.create(config), self.setup.request.objective)
        return self.grounds[0]

    def tried(self, trial: Trial) -> Tried:
        """Do a trial."""
        if trial.method in _WALKS:
            return walked(self.ground, _WALKS[trial.method], trial, self.setup.request)
        return self._searched(trial)

    def _searched(self, trial: Trial) -> Tried:
        request = self.setup.request
        assert trial.networks is not None
        named = {config.name: config for config in request.configs}.get(trial.method)
        base = progressive.default_config(Path(self.setup.table), request, trial.seed)
        if trial.method == "pnas":
            base = progressive.in_pnas_mode(base)
        config = progressive.planned(base, named, trial.networks)
        if is_random := trial.method == "progressive-random":
            config = configurations.changed(config, {"search_strategy.untrained_parents": 0})
        evaluator = evaluators.create(config)
        search = progressive.random_choice if is_random else progressive.search
        return self._as_rows(search(evaluator, trial.networks), evaluator)

    def _as_rows(self, state: RunState, evaluator: Evaluator) -> Tried:
        once = [candidate_jobs.again(item) for item in state.evaluations]
        jobs = [*once, *(candidate_jobs.confirming(item) for item in state.confirmations)]
        rows = rows_of(evaluator, evaluator.space.encode([Cell.parse(job.cell) for job in jobs]))
        trainings = [number for job in jobs if (number := evaluator.training(job)) is not None]
        assert len(trainings) == len(jobs), "who looks up knows which training it gave"
        won = state.winner
        winner = None if won is None else int(rows[[job.cell for job in once].index(won.cell)])
        return Tried(tuple(rows.tolist()), tuple(trainings), winner)


def walked(ground: Ground, make: MakeWalk, trial: Trial, request: CompareRequest) -> Tried:
    """Follow a walk until both budgets are used up, in networks and in seconds, or all is known."""
    walk = make(ground, derive_seed(trial.seed, "walk", trial.method))
    rows: list[int] = []
    trainings: list[int] = []
    is_known = np.zeros(len(ground.keys), dtype=bool)
    seconds, seen = 0.0, None
    while len(rows) < max(request.networks) or seconds < max(request.seconds, default=0.0):
        try:
            row = next(walk) if seen is None else walk.send(seen)
        except StopIteration:
            break
        assert not is_known[row], "a walk proposes nothing twice"
        is_known[row] = True
        training = ground.training(row, trial.seed)
        rows.append(row)
        trainings.append(training)
        seen = Seen(float(ground.scores[row, training]), float(ground.costs[row, training]))
        seconds += float(np.nan_to_num(ground.seconds[row, training]))
    return Tried(tuple(rows), tuple(trainings))


def setup(payload: Json, worker: Worker) -> TrialContext:
    """`payload` is a `TrialSetup`."""
    return TrialContext(TrialSetup.from_json(payload))


def evaluate(context: TrialContext, payload: Json) -> Json:
    """A `Trial` as JSON -> a `Tried` as JSON."""
    return context.tried(Trial.from_json(payload)).to_json()
