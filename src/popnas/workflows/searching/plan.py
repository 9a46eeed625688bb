"""What a search will cost, before anything is trained for good: cells, networks, params, time, memory.

What candidates take is the evaluator's forecast. Which cells a step will select nobody knows before: the
selection is played through with made-up scores, in which every operator has a quality of its own and dearer
cells are somewhat better, over costs that are real.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from popnas import evaluators, objectives, pareto
from popnas.cells import Cell, SearchSpace, bulk
from popnas.config import RunConfig
from popnas.evaluators import Evaluator
from popnas.events import Listen, PhaseStarted, nobody
from popnas.records import Json
from popnas.runs import RunState
from popnas.seeds import derive_seed
from popnas.strategy import taken
from popnas.workflows import earlier_searches
from popnas.workflows.searching import finish, surrogates
from popnas.workflows.searching.steps import SearchSteps
from popnas.workflows.settings import max_networks, strategy_settings, unused

_NUM_SAMPLED = 2000
_ENOUGH, _MOST_ROUNDS = 500, 20
"""Of the cells drawn so many must be such as can be evaluated, else more are drawn, in so many rounds."""
_NUM_DRAWS = 32
"""Made-up searches, whose selections are averaged."""
_SCORE_OF_COST, _SCORE_NOISE = 0.3, 0.1
"""How much the made-up score of a cell follows its cost, and how much nothing at all; the rest is what its
operators are worth. With 1 whole searches came out at -5 to +52 % of what their own cells cost, as dear cells
win less often than that; with 0 at -24 to +2 %."""

_START_SECONDS, _WORKER_SECONDS = 1.0, 2.0
"""The start beside the data, and that of workers: interpreter, torch, what the first network loads."""
_FIT_SECONDS, _FIT_SECONDS_PER_CELL, _PREDICT_SECONDS_PER_CELL = 0.5, 0.0018, 3e-5
"""A step's predictors on one core: fixed, per evaluated cell and model of the ensemble, per expansion."""
_END_SECONDS, _END_SECONDS_PER_NETWORK = 4.0, 0.05
"""The best model's files, tables, figures and the report."""


_LONG_SECONDS = 600
"""From here on it is told what would shorten a search."""


@dataclass(frozen=True)
class StepPlan:
    """One step: `num_expansions` cells are predicted and `num_networks` trained at most; so many are
    `expected`, as fronts may be smaller; the range of params among a sample of its cells; wall seconds of
    those expected.
    """

    step: int
    num_expansions: int
    num_networks: int
    expected: float
    params: tuple[int, int]
    seconds: float

    def candidate_seconds(self, num_workers: int) -> float:
        """Wall seconds of one of those expected, in its worker."""
        return self.seconds * min(num_workers, max(self.expected, 1.0)) / self.expected

    @property
    def most_seconds(self) -> float:
        """Wall seconds if as many are trained as there may be."""
        return self.seconds * self.num_networks / self.expected


@dataclass(frozen=True)
class Plan:
    """A search's plan.

    `num_networks`: all that it trains at most, `num_again` of them cells that it has trained before (repeats
    and confirmations); `epoch_seconds`: one epoch of training of a typical cell of the last step in one
    worker, None where nothing is trained; `seconds`: the
    whole search with `num_workers`, of which `confirmation_seconds` are for training the best cells again and
    `fixed_seconds` for all that is no candidate (start, of which `start_seconds`, predictors, best model,
    report); `candidate_seconds`:
    of all candidates and confirmations one after the other (CPU seconds, with one thread on a CPU);
    `memory_bytes`: all processes together, None where it is nothing to speak of.
    """

    steps: list[StepPlan]
    num_networks: int
    epoch_seconds: float | None
    seconds: float
    confirmation_seconds: float
    fixed_seconds: float
    candidate_seconds: float
    memory_bytes: int | None
    num_workers: int
    device: str
    data: Json
    warnings: list[str]
    shortened_by: str | None = None
    """What shortens a long search most, in a sentence."""
    start_seconds: float = 0.0
    typical: str | None = None
    """A cell of the last step."""
    typical_seconds: float = 0.0
    """What its candidate takes in one worker."""
    once_share: float = 0.0
    """Of the seconds of such cells those that further epochs would not add."""
    num_again: int = 0
    workers_per_gpu: int | None = None
    """How many were found to gain by sharing one; None where it was not tried."""


class Planner:
    """Plans a search and what is left of it when it is cut: data are read and networks probed once, as long
    as they stay the same. `hands_on`: the search will be told how many share a GPU, and not try it again."""

    def __init__(self, *, hands_on: bool = False) -> None:
        self._hands_on = hands_on
        self._evaluator: Evaluator | None = None
        self._load_seconds = 0.0

    def plan(self, config: RunConfig, tell: Listen = nobody) -> Plan:
        """See `plan`."""
        if self._evaluator is None:
            tell(PhaseStarted("loading the data"))
            began = time.monotonic()
            self._evaluator = evaluators.create(config)
            self._load_seconds = time.monotonic() - began
        else:
            self._evaluator = self._evaluator.varied(config)
        return _planned(self._evaluator, self._load_seconds, tell, hands_on=self._hands_on)


def plan(config: RunConfig, tell: Listen = nobody) -> Plan:
    """Validate, load the data, probe this device.

    Raises:
        DataError: as the search would.
        UserError: a search that cannot be done here.
    """
    return Planner().plan(config, tell)


def _planned(evaluator: Evaluator, load_seconds: float, tell: Listen, *, hands_on: bool) -> Plan:
    config = evaluator.config
    surrogates.check_libraries(evaluator)
    _, told_of_earlier = earlier_searches.read(evaluator)
    warnings = [*unused(config), *evaluator.told, *told_of_earlier, *evaluator.check()]
    forecast = _PlayedSearch(evaluator, tell)
    warnings += forecast.candidates.told
    tell(PhaseStarted("planning the steps"))
    steps = []
    for step in range(forecast.space.num_blocks + 1):
        if (planned := forecast.step(step)) is None:
            warnings.append(
                f"the search ends before step {step}: none of the cells that it would grow is known."
            )
            break
        steps.append(planned)
    num_confirmations, confirmed = forecast.trained_again(steps)
    workers = forecast.num_workers
    confirmation_seconds = confirmed / min(workers, max(num_confirmations, 1))
    start = load_seconds + _START_SECONDS
    if not evaluator.executor_class.is_in_driver:
        start += load_seconds + _WORKER_SECONDS
    if not hands_on:
        start += evaluator.trial_seconds
    fixed = start + forecast.predictor_seconds(steps) + _END_SECONDS
    fixed += _END_SECONDS_PER_NETWORK * sum(item.expected for item in steps)
    loading = forecast.candidates.loading_seconds
    fixed += loading  # of all processes at the same time
    seconds = sum(item.seconds for item in steps) + confirmation_seconds + fixed
    return Plan(
        steps=steps,
        num_networks=sum(item.num_networks for item in steps) + num_confirmations,
        num_again=num_confirmations,
        epoch_seconds=forecast.candidates.epoch_seconds(forecast.selected),
        seconds=seconds,
        confirmation_seconds=confirmation_seconds,
        fixed_seconds=fixed,
        candidate_seconds=(forecast.work + confirmed) / forecast.candidates.stretch + loading * workers,
        memory_bytes=forecast.candidates.memory_bytes(forecast.selected),
        num_workers=workers,
        device=evaluator.devices[0],
        data=evaluator.describe(),
        warnings=warnings,
        start_seconds=start,
        typical=forecast.typical,
        typical_seconds=forecast.typical_seconds,
        once_share=forecast.once_share,
        workers_per_gpu=evaluator.workers_per_gpu,
        shortened_by=_shortened_by(steps, config, forecast.space) if seconds > _LONG_SECONDS else None,
    )


def _shortened_by(steps: list[StepPlan], config: RunConfig, space: SearchSpace) -> str:
    """What takes most of the time, and the field that makes less of it."""
    first, later = steps[1].seconds, sum(item.seconds for item in steps[2:])
    share = max(first, later) / max(sum(item.seconds for item in steps), 1e-9)
    epochs = config.training_hyperparameters.epochs
    every = f"Fewer training_hyperparameters.epochs (now {epochs}) shorten every training."
    if first < later:
        last = steps[-1].step
        which = f"Steps 2 to {last} take" if last > 2 else "Step 2 takes"
        return (
            f"{which} {share:.0%} of the trainings' time, and a smaller "
            f"search_strategy.max_children (now {config.search_strategy.max_children}) shortens "
            f"{'them' if last > 2 else 'it'} most. {every}"
        )
    repeats = config.search_strategy.single_block_repeats
    if repeats:
        return (
            f"Step 1 takes {share:.0%} of the trainings' time; a smaller "
            f"search_strategy.single_block_repeats (now {repeats}) or fewer search_space.operators "
            f"shorten it most. {every}"
        )
    half = space.operators[: space.num_operators // 2]
    fewer = ""
    if half:
        num_left = SearchSpace(half, 1, space.lookback_depth).count_new_blocks(1)
        fewer = (
            f": {steps[1].num_networks:,} with {space.num_operators} search_space.operators, {num_left:,} "
            f"with {len(half)}"
        )
    return (
        f"Step 1 takes {share:.0%} of the trainings' time, because it trains every cell of one block{fewer}. "
        f"search_strategy.single_block_repeats (now 0) trains a designed part of them. {every}"
    )


@dataclass(frozen=True)
class _Sample:
    """Cells that a step may train, with the seconds and params of each, and objectives to compare."""

    cells: np.ndarray
    seconds: np.ndarray
    params: np.ndarray
    minimized: np.ndarray


class _PlayedSearch:
    """A search played through, step by step; `work` adds up the seconds of its candidates."""

    def __init__(self, evaluator: Evaluator, tell: Listen) -> None:
        self.evaluator, self.config, self.space = evaluator, evaluator.config, evaluator.space
        self.rng = np.random.default_rng(derive_seed(self.config.others.seed, "plan"))
        self.strategy = strategy_settings(self.config)
        self.num_workers = evaluator.num_workers(tell)
        self.candidates = evaluator.forecast(tell)
        steps = SearchSteps(evaluator, RunState(), lambda *_: None)
        self.firsts = self.space.encode([proposal.cell for proposal in steps.firsts(1)], 1)
        """Cells of one block that are trained."""
        self.selected = self.parents = np.zeros((0, 1, 4), dtype=np.int16)
        self.work = 0.0
        self.single = 0.0
        self.dearest: list[float] = []

    def step(self, step: int) -> StepPlan | None:
        """The forecast of one step, None if no cell of it can be evaluated; steps must be asked for in their
        order."""
        expansions, most = self._numbers(step)
        if step == 0:
            sample, expected = self._sample(self.space.encode([Cell()], 1)), 1.0
            mean = float(sample.seconds.mean())
        elif step == 1:
            sample, expected = self._sample(self.firsts), float(most)
            mean = float(sample.seconds.mean())
            self.selected, self.parents = sample.cells, self._single_parents(sample.cells)
            self.single, self.dearest = mean, [mean]
        else:
            grown = self._grown(step)
            if not len(grown):
                return None
            sample = self._sample(grown)
            expected, mean = self._select(sample, step, most)
        self.work += expected * mean
        params = sample.params
        wall = expected * mean / min(self.num_workers, max(expected, 1.0))
        return StepPlan(step, expansions, most, expected, (int(params.min()), int(params.max())), wall)

    def _numbers(self, step: int) -> tuple[int, int]:
        """(expansions predicted, networks trained), both at most."""
        if step == 0:
            return 1, 1
        if step == 1:
            return self.space.count_new_blocks(1), len(self.firsts)
        grown, trained = self._numbers(step - 1)
        parents = min(trained + self.strategy.untrained_parents, grown)
        expansions = parents * self.space.count_new_blocks(step)
        return expansions, min(max_networks(self.config, step), expansions)

    def _single_parents(self, trained: np.ndarray) -> np.ndarray:
        """Cells of one block that step 2 grows: all that are trained, and as many others as it takes."""
        if not self.strategy.untrained_parents:
            return trained
        blocks = self.space.new_blocks(1)[:, None]
        others = blocks[~bulk.are_among(blocks, trained) & self.evaluator.knows(blocks)]
        return np.concatenate([trained, self.rng.permutation(others)[: self.strategy.untrained_parents]])

    @property
    def typical(self) -> str:
        """Of the cells that the last step selects the one of the median cost."""
        return self.space.decode(self._typical())[0].key

    @property
    def typical_seconds(self) -> float:
        """Seconds of that cell's candidate."""
        return float(self.candidates.expect(self._typical()).seconds[0])

    def _typical(self) -> np.ndarray:
        params_N = self.evaluator.costs(self.selected)["params"]
        middle = np.argsort(params_N, kind="stable")[len(params_N) // 2]
        return np.asarray(self.selected[middle][None])

    @property
    def once_share(self) -> float:
        """Of the seconds of the cells that the last step selects those that further epochs would not add."""
        once = self.candidates.once_seconds(self.selected).sum()
        return float(once / max(self.candidates.expect(self.selected).seconds.sum(), 1e-9))

    def trained_again(self, steps: Sequence[StepPlan]) -> tuple[int, float]:
        """(number at most, seconds) of what is trained again at the end: repeats, with the winner's training
        for its weights, and confirmations."""
        repeats = self.config.search_strategy.repeats
        number = repeats + 1 if repeats else 0
        seconds = number * float(np.mean(self.dearest))
        if self.config.others.confirm:
            more, taking = self._confirmations(steps)
            number, seconds = number + more, seconds + taking
        return number, seconds

    def _confirmations(self, steps: Sequence[StepPlan]) -> tuple[int, float]:
        """(number at most, seconds) of confirming the best cells: of the last steps, and where cells grow the
        best one of a single block, which may be among them."""
        num_best = min(finish.NUM_CONFIRMED, int(sum(item.expected for item in steps[1:])))
        most = min(finish.NUM_CONFIRMED, sum(item.num_networks for item in steps[1:]))
        if not num_best:
            return 0, 0.0
        singles = [self.single] if len(steps) > 2 else []
        seconds = finish.NUM_SEEDS * (num_best * float(np.mean(self.dearest)) + sum(singles))
        return finish.NUM_SEEDS * (most + len(singles)), seconds

    def predictor_seconds(self, steps: list[StepPlan]) -> float:
        """Seconds of fitting the predictors and predicting all expansions, in all steps."""
        units = self.config.others.accuracy_predictor_ensemble_units
        seconds = 0.0
        for item in steps[2:]:
            known = sum(earlier.expected for earlier in steps[: item.step])
            fitted = _FIT_SECONDS + _FIT_SECONDS_PER_CELL * known * units
            num_fits = self.strategy.num_rounds(is_last=item.step == self.space.num_blocks)
            if self.strategy.untrained_parents and item.step < self.space.num_blocks:
                num_fits += 1
            seconds += num_fits * (fitted + _PREDICT_SECONDS_PER_CELL * item.num_expansions)
        return seconds

    def _sample(self, cells_NB4: np.ndarray) -> _Sample:
        expected = self.candidates.expect(cells_NB4)
        exact = self.evaluator.costs(cells_NB4)
        known = {**expected.measured, **exact}
        # What is neither forecast nor computed is known of evaluated cells only: the plan goes without.
        limits = {name: limit for name, limit in self._constraints().items() if name in known}
        asked = {*self.config.wanted_objectives} & known.keys() - self._constraints().keys()
        rows = [objectives.get(name) for name in sorted(asked) or ["time"]]
        signs = np.array([-1 if row.is_maximized else 1 for row in rows])
        minimized = np.stack([known[row.name] for row in rows], axis=1) * signs
        allowed_N = np.ones(len(cells_NB4), dtype=bool)
        for name, (least, greatest) in limits.items():
            allowed_N &= (known[name] >= least) & (known[name] <= greatest)
        kept = np.flatnonzero(allowed_N) if allowed_N.any() and cells_NB4.shape[1] > 1 else slice(None)
        return _Sample(
            cells_NB4[kept],
            expected.seconds[kept],
            exact["params"][kept],
            minimized[kept],
        )

    def _constraints(self) -> dict[str, tuple[float, float]]:
        return dict(self.config.search_strategy.constraints)

    def _grown(self, step: int) -> np.ndarray:
        """Cells that the step may train: a new block behind any parent. Where few of them can be evaluated,
        more are drawn."""
        new_blocks = self.space.new_blocks(step)
        found: list[np.ndarray] = []
        for _ in range(_MOST_ROUNDS):
            parents = self.parents[self.rng.integers(len(self.parents), size=_NUM_SAMPLED)]
            new = new_blocks[self.rng.integers(len(new_blocks), size=_NUM_SAMPLED)]
            cells_NB4 = np.concatenate([parents, new[:, None]], axis=1)
            found.append(cells_NB4[self.evaluator.knows(cells_NB4)])
            if sum(map(len, found)) >= _ENOUGH:
                break
        return np.concatenate(found)[:_NUM_SAMPLED]

    def _select(self, sample: _Sample, step: int, most: int) -> tuple[float, float]:
        """(number, mean seconds) of the networks that the step trains; they are the next one's parents, and
        of the others some."""
        quota = self.strategy.step_quota(is_last=step == self.space.num_blocks)
        most_front = min(quota.children, most)
        counts, sums, chosen, best = [], [], [], []
        untrained: list[np.ndarray] = []
        for _ in range(_NUM_DRAWS):
            score_N = self._made_up_scores(sample)
            front = self._chosen(score_N, sample.minimized, most_front, quota.by_score)
            explored = self.rng.integers(len(score_N), size=most - most_front)
            counts.append(len(front) + len(explored))
            sums.append(sample.seconds[front].sum() + sample.seconds[explored].sum())
            best.append(float(sample.seconds[front[: finish.NUM_CONFIRMED]].mean()))
            chosen += [front, explored]
            left = np.setdiff1d(np.arange(len(score_N)), [*front, *explored])
            untrained.append(left[np.argsort(-score_N[left])][: self.strategy.untrained_parents])
        self.selected = sample.cells[np.concatenate(chosen)]
        self.parents = sample.cells[np.concatenate([*chosen, *untrained])]
        self.dearest = [*self.dearest[-1:], float(np.mean(best))]
        return float(np.mean(counts)), float(np.sum(sums) / np.sum(counts))

    def _made_up_scores(self, sample: _Sample) -> np.ndarray:
        quality = self.rng.normal(size=self.space.num_operators + 1)
        operators_N = quality[sample.cells[:, :, 1::2]].sum(axis=(1, 2))
        cost_N = np.log(np.maximum(sample.seconds, 1e-9))
        noise_N = self.rng.normal(size=len(cost_N))
        return _standard(operators_N) + _SCORE_OF_COST * _standard(cost_N) + _SCORE_NOISE * noise_N

    def _chosen(
        self, score_N: np.ndarray, minimized_NM: np.ndarray, children: int, by_score: int | None
    ) -> np.ndarray:
        """Of the front and the best scores as many as are trained; in PNAS mode of all."""
        order = np.argsort(-score_N)
        if self.strategy.is_pnas:
            return order[:children]
        values = np.column_stack([score_N, minimized_NM])[order]
        is_on_front = pareto.front(values, [True] + [False] * minimized_NM.shape[1])
        return np.asarray(order[taken(is_on_front, children, by_score)])


def _standard(values_N: np.ndarray) -> np.ndarray:
    spread = float(values_N.std())
    return np.asarray((values_N - values_N.mean()) / (spread if spread > 0 else 1.0))
