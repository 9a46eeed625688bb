"""Which of the trainings that a table has of a candidate a job is answered with: the rule, for all tables.

Axes: N candidates.
"""

from __future__ import annotations

import numpy as np

from popnas.config import RunConfig
from popnas.evaluation import CandidateJob
from popnas.printable import counted
from popnas.seeds import candidate_seed

_FEWEST_CONFIRMED = 4
"""Trainings of a cell: its own and three with other seeds."""


def of_key(root_seed: int, key: str, num_trainings: int) -> int:
    """The one that is seen first by who searches with a seed, of a candidate with that text."""
    return candidate_seed(root_seed, key) % num_trainings


def of_job(root_seed: int, job: CandidateJob, num_trainings: int) -> int:
    """The job's seed chooses the first, which is `of_key` of its cell in a search; repetitions take the next
    ones in turn, so that none comes twice while there are others."""
    first = job.seed % num_trainings if not job.repetition else of_key(root_seed, job.cell, num_trainings)
    return (first + job.repetition) % num_trainings


def told_of_few(config: RunConfig, counts_N: np.ndarray, place: str) -> list[str]:
    """What is asked for with other seeds, and a table with so many trainings of its candidates has not;
    `place`: of the table, in quotes."""
    found, most = [], int(counts_N.max())
    if config.others.confirm and most < _FEWEST_CONFIRMED:
        found.append(
            f"others.confirm: {place} has {most} training{'s' * (most > 1)} of a cell at most, so "
            "confirmations repeat the same ones."
        )
    single = int((counts_N == 1).sum())
    if config.search_strategy.repeats and single:
        found.append(
            f"search_strategy.repeats: {place} has a single training of {single:,} of its "
            f"{counted(len(counts_N), 'candidate')}: a repeat of such a one gives the same figure again, and "
            "tells nothing of other seeds. Set it to 0, or compare searches over trainings that "
            "`popnas bench compare --trainings N` draws."
        )
    return found
