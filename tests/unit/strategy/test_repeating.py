"""The winner is the best by all that is known of it, and trainings go where they may change that."""

from __future__ import annotations

import numpy as np
import pytest

from popnas.strategy import repeating

NOISE, CELLS = 0.03, 60


def decided(true_N: np.ndarray, first_N: np.ndarray, rng: np.random.Generator, number: int) -> int:
    scores = [[score] for score in first_N]
    for part in repeating.shares(number, 5):
        for place in repeating.to_repeat(repeating.worth(scores), part):
            scores[place].append(true_N[place] + rng.normal(0, NOISE))
    return int(repeating.ranked(repeating.worth(scores))[0])


def test_the_more_trainings_are_repeated_the_better_is_the_winner() -> None:
    lost = dict.fromkeys((0, 10, 60), 0.0)
    for seed in range(80):
        rng = np.random.default_rng(seed)
        true_N = rng.normal(0.7, 0.03, CELLS)
        first_N = true_N + rng.normal(0, NOISE, CELLS)
        for number in lost:
            place = decided(true_N, first_N, np.random.default_rng([seed, 1]), number)
            lost[number] += (true_N.max() - true_N[place]) / 80
            assert number or place == np.argmax(first_N)
    assert lost[10] < 0.8 * lost[0]
    assert lost[60] < 0.5 * lost[0]


def test_a_mean_of_many_trainings_counts_more_than_one_of_few() -> None:
    others = [[score] for score in (0.66, 0.65, 0.64, 0.6, 0.6, 0.58, 0.55, 0.5, 0.5, 0.5)]
    known = repeating.worth([[0.7], [0.7, 0.7, 0.7, 0.7], *others])
    assert known.mean[0] < known.mean[1] < 0.7
    assert known.deviation[1] < known.deviation[0]


def test_noise_is_learnt_from_trainings_of_one_cell() -> None:
    beside = np.random.default_rng(0).normal(0, 0.03, 40)
    steady = [[0.7 + own] * 3 for own in beside]
    noisy = [[0.7 + own, 0.7 - own, 0.7 + own, 0.7 - own] for own in beside]
    assert repeating.worth(steady).deviation.mean() < 0.7 * repeating.worth(noisy).deviation.mean()


def test_equal_scores_are_no_trouble() -> None:
    known = repeating.worth([[0.5], [0.5], [0.5, 0.5]])
    assert np.isfinite(known.mean).all() and np.isfinite(known.deviation).all()
    assert repeating.ranked(known)[0] == 0


@pytest.mark.parametrize(
    ("number", "rounds", "expected"), [(12, 5, [2, 2, 3, 2, 3]), (3, 5, [1, 1, 1]), (0, 5, [])]
)
def test_trainings_are_shared_out_among_rounds(number: int, rounds: int, expected: list[int]) -> None:
    assert repeating.shares(number, rounds) == expected
