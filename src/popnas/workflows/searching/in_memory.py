"""A search that keeps nothing on disk: the steps, predictors and selection of any search, for tries by the
thousand over tables.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import partial

from popnas import executors
from popnas.cells import Cell
from popnas.evaluation import CandidateJob, Evaluation
from popnas.evaluators import Evaluator
from popnas.executors import Executor, Job, Work
from popnas.records import Json
from popnas.runs import Proposed, RunState
from popnas.runs.journal import Event
from popnas.strategy import Proposal
from popnas.workflows.searching import candidate_jobs, finish, repeats
from popnas.workflows.searching.steps import Grow, SearchSteps

OUT_OF_NETWORKS = "max_networks"


class MemorySearch:
    """One search of an evaluator's configuration, in this process, one candidate after the other.

    `most_networks`: its steps end when so many candidates are evaluated, wherever they stand then; None: when
    the last one is done. What it repeats (`search_strategy.repeats`) comes after that, and beside them.
    `grow_by`: makes of the steps what proposes in place of predictors and selection.
    `reason`: why it ended.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        most_networks: int | None = None,
        grow_by: Callable[[SearchSteps], Grow] | None = None,
    ) -> None:
        self.evaluator, self.most_networks = evaluator, most_networks
        self.state = RunState()
        self.steps = SearchSteps(evaluator, self.state, self._append)
        self.grow = self._grow if grow_by is None else grow_by(self.steps)
        self.reason: str | None = None
        self._numbers = itertools.count(1)

    def run(self) -> list[Evaluation]:
        """All evaluations, failed ones among them, in the order in which they were made.

        Raises:
            PopnasError: as a search in a run folder.
        """
        work = Work(self.evaluator.setup, self.evaluator.evaluate, self.evaluator.payload(None, None))
        with executors.create("inline", work) as executor:
            self.reason = self.steps.run(lambda step, cells: self._evaluate(step, cells, executor), self.grow)
            repeats.decide(self.evaluator, self.state, self._append, partial(self._train_again, executor))
        return self.state.evaluations

    def _evaluate(self, step: int, proposals: list[Proposed], executor: Executor) -> str | None:
        most, known = self.most_networks, len(self.state.evaluations)
        pending = self.state.pending(step)
        kept = pending if most is None else pending[: most - known]
        seed = self.evaluator.config.others.seed
        jobs = {str(proposed.index): candidate_jobs.make(proposed, seed) for proposed in kept}
        for result in executor.run([Job(name, job.to_json()) for name, job in jobs.items()]):
            job, measured = jobs[result.id], candidate_jobs.measured(result)
            proposed = proposals[job.index]
            self.steps.record(Evaluation.of(job, measured, is_exploration=proposed.is_exploration))
        return OUT_OF_NETWORKS if len(kept) < len(pending) else None

    def _train_again(self, executor: Executor, jobs: Sequence[CandidateJob]) -> bool:
        for number, job in enumerate(jobs):
            (result,) = executor.run([Job(str(number), job.to_json())])
            found = Evaluation.of(job, candidate_jobs.measured(result), is_exploration=False)
            self._append("confirmation", finish.confirmation(job, found), found.volatile)
        return True

    def _grow(self, step: int, round_number: int, parents: Sequence[Cell]) -> list[Proposal]:
        return self.steps.proposed(*self.steps.select(step, round_number, parents))

    def _append(self, event: str, content: Json, volatile: Json) -> None:
        self.state.apply(Event(next(self._numbers), event, dict(content), dict(volatile)))
