"""The steps of a search, whoever keeps what comes of them: what each proposes, and when the search ends.

`SearchSteps` remembers nothing beside its `RunState`, and changes that only by events that it hands to
`append`: a search in a run folder writes them to its journal first (`search`), one in memory does not
(`in_memory`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from popnas import objectives
from popnas.cells import Cell
from popnas.errors import PopnasError
from popnas.evaluation import Evaluation
from popnas.evaluators import Evaluator
from popnas.events import Listen, StepFinished, nobody
from popnas.records import Json
from popnas.runs import Proposed, RunState
from popnas.strategy import ProgressiveSearch, Proposal, Selection
from popnas.workflows import advice, earlier_searches
from popnas.workflows.searching import surrogates
from popnas.workflows.searching.surrogates import StepPredictions
from popnas.workflows.settings import strategy_settings

Append = Callable[[str, Json, Json], None]
"""Takes an event's name, its content and its volatile part into the state."""

Evaluate = Callable[[int, list[Proposed]], str | None]
"""Evaluates what a step proposes, by `SearchSteps.record`; why the search ends before all are, or None."""

Grow = Callable[[int, int, Sequence[Cell]], list[Proposal]]
"""What a round (0 is the first) of a step from 2 on proposes, of the step's parents."""


class TooFewGrowError(PopnasError):
    """So many single-block cells failed that nothing can be grown."""


class SearchSteps:
    """One search's steps 0 to B. What its state has already is not proposed anew."""

    def __init__(self, evaluator: Evaluator, state: RunState, append: Append, tell: Listen = nobody) -> None:
        self.evaluator, self.state, self.append, self.tell = evaluator, state, append, tell
        self.space = evaluator.space
        self.strategy = ProgressiveSearch(self.space, strategy_settings(evaluator.config))
        for evaluation in state.evaluations:
            self.strategy.record(evaluation)

    def run(self, evaluate: Evaluate, grow: Grow) -> str:
        """Every step; why the search ended: "completed", "no_parents", "no_candidates" or what `evaluate`
        gave.

        Raises:
            TooFewGrowError: too few of the first step's cells are left.
            PredictorError: as `surrogates.predict_step`.
            UserError: as `earlier_searches.read`.
        """
        if self.state.earlier is None and self.evaluator.config.others.predictors.earlier_runs:
            runs = [each.to_json() for each in earlier_searches.read(self.evaluator)[0]]
            self.append("earlier_runs", {"runs": runs}, {})
        for step in range(self.space.num_blocks + 1):
            for round_number in range(self.strategy.num_rounds(step)):
                if not self._propose(step, round_number, grow):
                    break
                if len(self.state.rounds[step]) > round_number + 1:
                    continue  # a resumed search has chosen more already
                if (reason := evaluate(step, self.state.proposals[step])) is not None:
                    return reason
            if not self.state.proposals[step]:
                return "no_parents" if not self.strategy.parents(step) else "no_candidates"
            if step not in self.state.finished_steps:
                self._finish(step)
            if step == 1 and (told := advice.too_few(self.state.evaluations, self.space.num_blocks)):
                raise TooFewGrowError(told)
        return "completed"

    def record(self, evaluation: Evaluation) -> None:
        """Take the result of a proposal."""
        self.append("evaluation", evaluation.content(), evaluation.volatile)
        self.strategy.record(evaluation)

    def select(
        self, step: int, round_number: int, parents: Sequence[Cell]
    ) -> tuple[StepPredictions, Selection]:
        """The parents' expansions that the step has not trained yet, with their predictions, and which of
        them the round would train.

        Raises:
            PredictorError: as `surrogates.predict_step`.
        """
        predicted = self._predicted(step, round_number, parents)
        return predicted, self.strategy.select(step, round_number, predicted.expansion, predicted.values)

    def _predicted(self, step: int, round_number: int, parents: Sequence[Cell]) -> StepPredictions:
        costs = self.state.operator_costs or {}
        known, earlier = self.state.evaluations, self.state.earlier or ()
        return surrogates.predict_step(step, parents, known, costs, self.evaluator, round_number, earlier)

    def proposed(self, predicted: StepPredictions, selection: Selection) -> list[Proposal]:
        """What was selected, as proposals."""
        return self.strategy.proposals_of(predicted.expansion, selection, predicted.values)

    def _propose(self, step: int, round_number: int, grow: Grow) -> bool:
        """Whether the round has candidates; chosen now if the state does not have them yet."""
        if len(self.state.rounds.get(step, [])) > round_number:
            return bool(self.state.proposals[step])
        if step < 2:
            proposals = self.firsts(step)
        else:
            parents = self._parents(step)
            proposals = grow(step, round_number, parents) if parents else []
        if proposals or round_number == 0:
            place: Json = {"step": step, "round": round_number} if round_number else {"step": step}
            self.append("proposals", {**place, "cells": [_proposal_json(item) for item in proposals]}, {})
        return bool(proposals)

    def _parents(self, step: int) -> list[Cell]:
        """The cells that a step expands: what the step before trained, then the best of what it did not."""
        trained = self.strategy.parents(step)
        if not trained or not self.strategy.settings.untrained_parents:
            return trained
        if step - 1 not in self.state.untrained_parents:
            self._choose_untrained(step - 1)
        return trained + [Cell.parse(text) for text in self.state.untrained_parents[step - 1]]

    def _choose_untrained(self, step: int) -> None:
        """As a further round of the step would, in which nothing is trained."""
        parents = self._parents(step) if step > 1 else [Cell()]
        predicted = self._predicted(step, self.strategy.num_rounds(step), parents)
        chosen = self.strategy.untrained(predicted.expansion, predicted.values)
        cells: list[Json] = [{"cell": item.cell.key, "predictions": item.predictions} for item in chosen]
        self.append("untrained_parents", {"step": step, "cells": cells}, {})

    def firsts(self, step: int) -> list[Proposal]:
        """What step 0 or 1 trains, of what can be evaluated."""
        of_operators = [self.evaluator.cell_of_operator(name) for name in self.space.operators]
        return self.strategy.proposals(step, self.evaluator.knows, of_operators)

    def _finish(self, step: int) -> None:
        if step == 1:
            measured = objectives.measured(self.evaluator.config.wanted_objectives)
            of_operator = self.evaluator.cell_of_operator
            costs = surrogates.operator_costs(self.state.evaluations, self.space, measured, of_operator)
            self.append("operator_costs", costs, {})
        self.append("step_finished", {"step": step}, {})
        self.tell(StepFinished(step))


def _proposal_json(proposal: Proposal) -> Json:
    return {
        "cell": proposal.cell.key,
        "is_exploration": proposal.is_exploration,
        **({"is_random": True} if proposal.is_random else {}),
        "predictions": proposal.predictions,
    }
