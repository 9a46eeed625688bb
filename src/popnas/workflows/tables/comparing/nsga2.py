"""NSGA-II (Deb et al. 2002), by optuna's sampler: score and cost are optimised together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from popnas.errors import MissingExtraError
from popnas.workflows.tables.comparing.ground import Ground
from popnas.workflows.tables.comparing.walks import Fresh, Seen, Walk

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution

POPULATION = 20
_MOST_REPEATED = 50
"""So many known candidates in a row, and a random one is taken."""


def check_installed() -> None:
    """Raises MissingExtraError: optuna is not installed."""
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise MissingExtraError("the method nsga2", "bench", "optuna") from None


def nsga2(ground: Ground, seed: int) -> Walk:
    """A choice for every gene of the ground. What was seen before is told again and costs nothing."""
    check_installed()
    fresh = Fresh(ground, np.random.default_rng(seed))
    study = _study(seed)
    known: dict[int, Seen] = {}
    while fresh:
        number, row = _asked(study, ground, known)
        if row not in fresh:  # the population has nothing new to offer
            row = fresh.anywhere()
            known[row] = yield row
            continue
        known[row] = yield fresh.take(row)
        _tell(study, number, known[row])


def _study(seed: int) -> Study:
    import optuna

    with _quietly():
        sampler = optuna.samplers.NSGAIISampler(population_size=POPULATION, seed=seed % 2**32)
        return optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)


def _asked(study: Study, ground: Ground, known: dict[int, Seen]) -> tuple[int, int]:
    """A trial's number and its row, which is not known unless all of so many were."""
    import optuna

    choices: dict[str, BaseDistribution] = {
        f"gene {place}": optuna.distributions.CategoricalDistribution(range(count))
        for place, count in enumerate(ground.choices)
    }
    for _ in range(_MOST_REPEATED):
        with _quietly():
            trial = study.ask(choices)
        row = ground.decode([trial.params[name] for name in choices])
        if row not in known:
            break
        _tell(study, trial.number, known[row])
    return trial.number, row


def _tell(study: Study, number: int, seen: Seen) -> None:
    import optuna

    with _quietly():
        if np.isfinite(seen.score):
            study.tell(number, [seen.score, seen.cost])
        else:
            study.tell(number, state=optuna.trial.TrialState.FAIL)


@contextmanager
def _quietly() -> Iterator[None]:
    """Optuna writes a line for every trial."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
