import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from popnas.datasets.splits import allocate, divide, draw, generator, limit_samples
from popnas.errors import DataError

COUNTS = st.lists(st.integers(1, 40), min_size=2, max_size=12)


def labels(counts, seed=0):
    y = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(seed).permutation(y)


@given(COUNTS, st.integers(0, 100), st.integers(0, 9))
def test_allocation_is_complete_and_within_one_of_each_quota(counts, percent, seed):
    counts = np.array(counts)
    total = int(counts.sum() * percent / 100)
    shares = allocate(counts, total, generator(seed))
    assert shares.sum() == total
    assert (np.abs(shares - counts * total / counts.sum()) < 1).all()
    assert (shares <= counts).all()


@given(COUNTS, st.floats(0.05, 0.95), st.integers(0, 9))
def test_a_division_is_disjoint_complete_stratified_and_deterministic(counts, fraction, seed):
    y = labels(counts)
    names = [str(c) for c in range(len(counts))]
    try:
        division = divide(y, fraction, generator(seed), names)
    except DataError:
        num_divisible = sum(count > 1 for count in counts)
        assert int(fraction * sum(c for c in counts if c > 1) + 1e-9) < max(num_divisible, 1)
        return
    both = np.concatenate([division.train, division.validation])
    assert np.array_equal(np.sort(both), np.arange(len(y)))
    in_validation = np.bincount(y[division.validation], minlength=len(counts))
    divisible = np.where(np.array(counts) > 1, counts, 0)
    quotas = divisible * (int(fraction * divisible.sum() + 1e-9) / divisible.sum())
    assert (np.abs(in_validation - quotas) <= 1).all()
    assert (np.bincount(y[division.train], minlength=len(counts)) > 0).all()
    again = divide(y, fraction, generator(seed), names)
    assert np.array_equal(again.train, division.train)


def test_ten_percent_of_1437_leaves_1294_for_training():
    y = labels([144] * 7 + [143] * 3)
    division = divide(y, 0.1, generator(0), [str(c) for c in range(10)])
    assert (len(division.train), len(division.validation)) == (1294, 143)


def test_a_whole_fraction_is_not_lost_to_rounding():
    # 0.29 * 100 is 28.999999999999996 in floating point.
    division = divide(labels([50, 50]), 0.29, generator(0), ["a", "b"])
    assert len(division.validation) == 29


def test_other_seeds_draw_other_examples():
    y = labels([50, 50])
    assert not np.array_equal(draw(y, 20, generator(0)), draw(y, 20, generator(1)))


def test_classes_of_one_example_stay_in_training():
    y = np.array([0] * 20 + [1] * 20 + [2])
    division = divide(y, 0.2, generator(3), ["a", "b", "c"])
    assert 40 in division.train and len(division.validation) == 8


def test_too_small_a_validation_split_says_which_fraction_would_do():
    y = labels([6] * 5)
    with pytest.raises(DataError, match=r"0\.1 of 30 .* makes 3 .* 5 classes\. Give at least 0\.167"):
        divide(y, 0.1, generator(0), list("abcde"))
    assert len(divide(y, 0.167, generator(0), list("abcde")).validation) == 5


def test_only_single_examples_cannot_be_divided():
    with pytest.raises(DataError, match=r"no class has more than one example"):
        divide(np.arange(5), 0.5, generator(0), list("abcde"))


def test_the_sample_limit_is_stratified_and_notes_when_it_does_nothing():
    y, notes = labels([60, 30, 10]), []
    chosen = limit_samples(y, 50, generator(0), notes)
    assert np.bincount(y[chosen]).tolist() == [30, 15, 5] and notes == []
    assert len(limit_samples(y, 500, generator(0), notes)) == 100
    assert "no effect" in notes[0]
    with pytest.raises(DataError, match=r"samples is 2, but the training data have 3 classes"):
        limit_samples(y, 2, generator(0), notes)


@given(
    counts=st.lists(st.integers(2, 60), min_size=2, max_size=8),
    share=st.sampled_from([0.05, 0.1, 0.2, 0.34, 0.5]),
)
def test_as_many_samples_as_a_mistake_asks_for_are_enough(counts, share):
    y = labels(counts)
    with pytest.raises(DataError) as raised:
        limit_samples(y, 1, generator(0), [], share)
    enough = int(re.search(r"Give at least (\d+)", str(raised.value))[1])
    drawn = y[limit_samples(y, enough, generator(0), [], share)]
    assume(len(y) >= enough)  # else there are no more
    assert len(divide(drawn, share, generator(0), list("abcdefgh")).validation)
