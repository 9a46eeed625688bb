"""What a search has done, by replay of its journal.

`RunState.apply` takes one event at a time, so the driver can keep the state current with what it appends.
Repeated events change nothing: of two `proposals` of a step, two `evaluation`s of a cell, and so on, the
first counts.
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from popnas import objectives, ranking
from popnas.evaluation import Evaluation, FitReport
from popnas.objectives import Objective
from popnas.records import Json, Record, part, without_nulls
from popnas.runs.journal import RESUMING, STOPPED, Event

_SESSIONS = frozenset({"run_started", "run_resumed"})


@dataclass(frozen=True)
class Proposed(Record):
    """A cell chosen for training: its canonical text and the position among the proposals of its step."""

    cell: str
    step: int
    index: int
    is_exploration: bool = False
    is_random: bool = False
    predictions: Mapping[str, float] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """What it was chosen by: "front", "exploration" or "random"."""
        return "exploration" if self.is_exploration else "random" if self.is_random else "front"


@dataclass(frozen=True)
class Confirmation(Record):
    """A cell trained again with another seed; `repetition` counts from 1."""

    cell: str
    repetition: int
    seed: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    score: float | None = None
    training_seconds: float | None = None
    error: str | None = None
    error_kind: str | None = None

    @property
    def is_failed(self) -> bool:
        """Whether there is no usable result."""
        return self.error_kind is not None


@dataclass(frozen=True)
class Winner(Record):
    """The cell that `search_strategy.repeats` made the best, of so many different trainings: what it is
    expected to be worth, with the standard deviation of that."""

    cell: str
    mean: float
    deviation: float
    trainings: int


@dataclass(frozen=True)
class EarlierScores(Record):
    """Cells of an earlier run, and their scores there."""

    run: str
    cells: tuple[str, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True)
class StepPredicted(Record):
    """The predictions of a step's round (0 is the first): the file of all, and its digest; how many cells
    were predicted, of how many expansions; how many the front has; by objective how its predictor was
    fitted."""

    step: int
    file: str
    sha256: str
    round: int = 0
    num_candidates: int | None = None
    num_expansions: int | None = None
    front_size: int | None = None
    predictors: Mapping[str, FitReport] = field(default_factory=dict)

    def content(self) -> Json:
        """As an event tells it; the first round is not named."""
        found = self.to_json()
        return found if self.round else {name: value for name, value in found.items() if name != "round"}


@dataclass(frozen=True)
class _StrategyRead(Record):
    """Of `search_strategy` what a state is judged by."""

    constraints: Mapping[str, tuple[float, float]] | None = None
    additional_pareto_objectives: list[str] | None = None


@dataclass
class RunState:
    """The state of a search.

    Attributes:
        config: the configuration without executor, device and limits (`folder.search_part`).
        seed: the run's seed.
        data: what the run remembers of its data (shape, classes, sizes, digest); None before it was written.
        earlier: what earlier runs lend the score predictor; None before that was written.
        proposals: per step the cells to train, in order of its rounds.
        rounds: per step how many cells each of its rounds has chosen.
        operator_costs: {"time": {operator: cost}, "inference_time": {...}}, one for each objective that is
            measured; None before step 1 is finished.
        predictions: per step and round where the predictions lie, and what they were made with.
        untrained_parents: per step those of its cells that were not trained and are parents all the same.
        finished_steps: steps of which every proposal is evaluated and recorded as such.
        confirmations: cells trained again with other seeds, in order of cell and repetition.
        winner: the best cell by repeated trainings; None where the best score in the search decides.
        finish_reason: why the run ended ("completed", "max_hours", ...); None while it has not.
    """

    config: Json = field(default_factory=dict)
    seed: int | None = None
    data: Json | None = None
    earlier: list[EarlierScores] | None = None
    proposals: dict[int, list[Proposed]] = field(default_factory=dict)
    rounds: dict[int, list[int]] = field(default_factory=dict)
    operator_costs: dict[str, dict[str, float]] | None = None
    predictions: dict[tuple[int, int], StepPredicted] = field(default_factory=dict)
    untrained_parents: dict[int, list[str]] = field(default_factory=dict)
    finished_steps: set[int] = field(default_factory=set)
    winner: Winner | None = None
    finish_reason: str | None = None
    _by_cell: dict[str, Evaluation] = field(default_factory=dict)
    _in_order: list[Evaluation] = field(default_factory=list, compare=False)
    _sessions: dict[int, Event] = field(default_factory=dict, compare=False)
    _confirmed: dict[tuple[str, int], Confirmation] = field(default_factory=dict)

    def copy(self) -> RunState:
        """The state as it is now, which stays so whatever is applied to this one; values are shared."""
        return replace(
            self,
            proposals={step: list(cells) for step, cells in self.proposals.items()},
            rounds={step: list(counts) for step, counts in self.rounds.items()},
            predictions=dict(self.predictions),
            untrained_parents=dict(self.untrained_parents),
            finished_steps=set(self.finished_steps),
            _by_cell=dict(self._by_cell),
            _in_order=list(self._in_order),
            _sessions=dict(self._sessions),
            _confirmed=dict(self._confirmed),
        )

    def apply(self, event: Event) -> None:
        """Take one more event. Kinds that the state does not need are passed over."""
        content = event.content
        if event.event in _SESSIONS:
            self._sessions[event.seq] = event
        if event.event == "run_started":
            self.config = self.config or content.get("config", {})
            self.seed = content.get("seed") if self.seed is None else self.seed
        elif event.event == "data":
            self.data = self.data or content
        elif event.event == "earlier_runs":
            if self.earlier is None:
                self.earlier = [EarlierScores.of_known(item) for item in content["runs"]]
        elif event.event == "proposals":
            self._propose(content["step"], content.get("round", 0), content["cells"])
        elif event.event == "evaluation":
            self._record(Evaluation.of_event(content, event.volatile))
        elif event.event == "operator_costs":
            self.operator_costs = self.operator_costs or content
        elif event.event == "predictions":
            predicted = StepPredicted.of_known(content)
            self.predictions.setdefault((predicted.step, predicted.round), predicted)
        elif event.event == "untrained_parents":
            self.untrained_parents.setdefault(content["step"], [item["cell"] for item in content["cells"]])
        elif event.event == "step_finished":
            self.finished_steps.add(content["step"])
        elif event.event == "confirmation":
            self._confirmed.setdefault(
                (content["cell"], content["repetition"]), Confirmation.of_known(without_nulls(content))
            )
        elif event.event == "winner":
            self.winner = self.winner or Winner.of_known(content)
        elif event.event == "run_finished":
            self.finish_reason = content["reason"]
        if event.event in RESUMING and not self.is_finished:
            self.finish_reason = None  # a run stopped by a limit goes on

    def _record(self, evaluation: Evaluation) -> None:
        if evaluation.cell not in self._by_cell:
            self._by_cell[evaluation.cell] = evaluation
            # Sorted as they come, most of them in order: who watches a long run asks after every one.
            if self._in_order and _place(evaluation) < _place(self._in_order[-1]):
                bisect.insort(self._in_order, evaluation, key=_place)
            else:
                self._in_order.append(evaluation)

    def _propose(self, step: int, round_number: int, cells: list[Json]) -> None:
        if round_number != len(self.rounds.setdefault(step, [])):
            return
        self.rounds[step].append(len(cells))
        known = self.proposals.setdefault(step, [])
        known += [
            Proposed.of_known({**without_nulls(item), "step": step, "index": index})
            for index, item in enumerate(cells, start=len(known))
        ]

    @property
    def evaluations(self) -> list[Evaluation]:
        """All evaluations, failed ones among them, in order of step and proposal."""
        return list(self._in_order)

    @property
    def arrived(self) -> list[Evaluation]:
        """All evaluations, failed ones among them, in the order in which they were written."""
        return list(self._by_cell.values())

    @property
    def sessions(self) -> list[Event]:
        """The starts and resumes; what they ran on is in their volatile part."""
        return list(self._sessions.values())

    @property
    def successes(self) -> list[Evaluation]:
        """The evaluations that did not fail."""
        return [evaluation for evaluation in self._in_order if not evaluation.is_failed]

    @property
    def confirmations(self) -> list[Confirmation]:
        """All confirmations, failed ones among them, in order of cell and repetition."""
        return [self._confirmed[key] for key in sorted(self._confirmed)]

    def evaluation(self, cell: str) -> Evaluation | None:
        """The evaluation of a cell (canonical text), if there is one."""
        return self._by_cell.get(cell)

    def evaluated(self, step: int) -> list[Evaluation]:
        """The evaluations of a step, failed ones among them, in order of proposal."""
        return [evaluation for evaluation in self._in_order if evaluation.step == step]

    def pending(self, step: int) -> list[Proposed]:
        """The proposals of a step without a result, in order. A failure is a result."""
        return [proposed for proposed in self.proposals.get(step, []) if proposed.cell not in self._by_cell]

    @property
    def next_step(self) -> int:
        """The first step that is not finished."""
        return next(step for step in range(len(self.finished_steps) + 1) if step not in self.finished_steps)

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do (a run that a limit stopped can go on)."""
        return self.finish_reason is not None and self.finish_reason not in STOPPED

    @property
    def constraints(self) -> Mapping[str, tuple[float, float]]:
        """The least and greatest values that the search allows, by objective."""
        return self._asked.constraints or {}

    @property
    def objectives(self) -> list[str]:
        """The objectives of the search, score first."""
        if part(self.config, "others").get("pnas_mode"):
            return ["score"]
        return ["score", *(self._asked.additional_pareto_objectives or [])]

    @property
    def figures(self) -> tuple[Objective, ...]:
        """What its evaluations have figures of, the score first. A run can be read without the packages that
        brought some, but not shown.

        Raises:
            UnknownNameError: an objective of the search is not registered here.
        """
        return objectives.figures(self.wanted)

    @property
    def wanted(self) -> list[str]:
        """What the search optimises or constrains, by name, the score first."""
        return list(dict.fromkeys([*self.objectives, *self.constraints]))

    @property
    def _asked(self) -> _StrategyRead:
        return _StrategyRead.of_known(part(self.config, "search_strategy"))

    @property
    def allowed(self) -> list[Evaluation]:
        """The successes that may be the result of the search: with a score, not the empty cell, and within
        the constraints by their real figures."""
        return [
            item
            for item in self.successes
            if item.step > 0 and item.score is not None and objectives.keeps_to(item, self.constraints)
        ]

    @property
    def best(self) -> Evaluation | None:
        """The winner of repeated trainings; without one the first of `ranked`."""
        if self.winner is not None:
            return self.evaluation(self.winner.cell)
        return ranking.best(self.allowed)

    def known_score(self, evaluation: Evaluation) -> float | None:
        """Its score; where repeated trainings decide the winner, the mean over all of its trainings."""
        if self.winner is None or evaluation.score is None:
            return evaluation.score
        again = [item.score for item in self.confirmations if item.cell == evaluation.cell]
        scores = [evaluation.score, *(score for score in again if score is not None)]
        return sum(scores) / len(scores)

    @property
    def ranked(self) -> list[Evaluation]:
        """What is `allowed`, best score first, equal scores in canonical order; before all the winner of
        repeated trainings."""
        found, best = ranking.ranked(self.allowed), self.winner
        return found if best is None else sorted(found, key=lambda item: item.cell != best.cell)


def _place(evaluation: Evaluation) -> tuple[int, int]:
    return evaluation.step, evaluation.index
