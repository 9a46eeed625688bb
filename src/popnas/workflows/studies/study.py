"""Every predictor of an objective, fitted and asked."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from popnas import objectives, predictors
from popnas.errors import MissingExtraError, UnknownNameError, UserError
from popnas.events import Listen, PhaseAdvanced, PhaseStarted, nobody
from popnas.predictors import Predictor
from popnas.records import Record
from popnas.seeds import derive_seed
from popnas.workflows.studies import sources
from popnas.workflows.studies.figures import NAMES, Figures, figures, interval
from popnas.workflows.studies.known import KnownCells
from popnas.workflows.studies.splits import StudyRequest, StudySplit, Where, splits


@dataclass(frozen=True)
class Asked:
    """One fit: the predicted and the real values (N,) of the cells that were asked for, and the predictor."""

    source: str
    predictor: str
    split: StudySplit
    seed: int
    predicted: np.ndarray
    real: np.ndarray
    figures: Figures
    fitted: Predictor


@dataclass(frozen=True)
class Summary(Record):
    """One predictor in one step (0: cells of any size) of one source: means over seeds, and half their 95 %
    intervals, None where all seeds learn from and ask for the same cells. `asked`: which cells these were
    (`splits.Asked`); `metric`: which one the score is."""

    source: str
    metric: str | None
    step: int
    asked: str
    learnt: float
    cells: float
    predictor: str
    means: dict[str, float | None]
    halves: dict[str, float | None]


@dataclass
class Study:
    """Of one objective; `fits` in order of source, seed, step and predictor; `missing`: what is not
    installed, with the remedy."""

    objective: str
    known: list[KnownCells]
    fits: list[Asked] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def summaries(self) -> list[Summary]:
        """Per source and step, the best ranking predictor first."""
        groups: dict[tuple[str, int, str], list[Asked]] = {}
        for item in self.fits:
            groups.setdefault((item.source, item.split.step, item.predictor), []).append(item)
        found = [self._summary(items) for items in groups.values()]
        order = [*self.by_name]
        return sorted(
            found, key=lambda item: (order.index(item.source), item.step, -(item.means["spearman"] or -1))
        )

    @property
    def by_name(self) -> dict[str, KnownCells]:
        """The sources, in their order."""
        return {known.name: known for known in self.known}

    def _summary(self, items: list[Asked]) -> Summary:
        by_name = {name: interval([getattr(item.figures, name) for item in items]) for name in NAMES}
        first = items[0]
        return Summary(
            first.source,
            self.by_name[first.source].metric,
            first.split.step,
            first.split.kind,
            float(np.mean([len(item.split.learnt) for item in items])),
            float(np.mean([len(item.real) for item in items])),
            first.predictor,
            {name: found[0] for name, found in by_name.items()},
            {name: found[1] if first.split.is_drawn else None for name, found in by_name.items()},
        )


def study(
    objective: str,
    where: Where,
    request: StudyRequest,
    *,
    names: Sequence[str] = (),
    tell: Listen = nobody,
) -> Study:
    """Fit the predictors `names` (none: all of the objective) for every seed and step.

    Raises:
        UserError: what cannot be read or studied.
    """
    request.check()
    kind = "score" if objective == "score" else "time"
    chosen = [*dict.fromkeys(names)] or predictors.names_of(kind)
    for name in chosen:
        if name not in predictors.names_of(kind):
            raise UnknownNameError(
                f"`names` '{name}': no predictor of {kind}. Choose of: {', '.join(predictors.names_of(kind))}"
            )
    read = sources.read_all(where, objective)
    made = Study(objective, read)
    usable = [name for name in chosen if _is_usable(name, made)]
    for known in made.known:
        tell(PhaseStarted(f"predictors of {known.name}", request.seeds * len(usable)))
        for seed in range(request.seeds):
            _study_seed(made, known, request, seed, usable)
            tell(PhaseAdvanced((seed + 1) * len(usable)))
    if not made.fits:
        named = ", ".join(known.name for known in read)
        raise UserError(f"{named}: no step has both cells to learn from and at least 3 to ask for.")
    return made


def _is_usable(name: str, made: Study) -> bool:
    try:
        predictors.REGISTRY.get(name).check_library()
    except MissingExtraError as error:
        made.missing.append(str(error))
        return False
    return True


def _study_seed(
    made: Study, known: KnownCells, request: StudyRequest, seed: int, names: Sequence[str]
) -> None:
    rng = np.random.default_rng(seed)
    values_N, truth_N = known.of_one_training(rng), known.truth
    for split in splits(known, request, rng):
        learnt = split.learnt
        if made.objective == "score" and split.step > 0:  # as in a search: the empty cell has no graph
            learnt = learnt[known.num_blocks[learnt] > 0]
        if len(learnt) < predictors.MIN_TARGETS:
            continue
        for name in names:
            predictor = predictors.REGISTRY.get(name)(known.context())
            began = time.process_time()
            fit_seed = derive_seed(seed, "predictor", made.objective, split.step)
            predictor.fit(known.cells[learnt], values_N[learnt], seed=fit_seed)
            fitted = time.process_time()
            predicted_N = predictor.predict(known.cells[split.asked]).mean
            seconds = (fitted - began, time.process_time() - fitted)
            real_N = truth_N[split.asked]
            is_low = objectives.get(made.objective).direction == "minimize"
            found = figures(real_N, predicted_N, is_better_low=is_low, seconds=seconds)
            made.fits.append(Asked(known.name, name, split, seed, predicted_N, real_N, found, predictor))
