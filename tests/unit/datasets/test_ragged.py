"""`Ragged` is indexed as the array of its members would be, and reads nothing before it must."""

from __future__ import annotations

import numpy as np
import pytest

from popnas.datasets.ragged import Ragged, joined, sizes_of

ARRAYS = [np.full((2 + i % 2, 3, 1), i, np.uint8) for i in range(5)]


def firsts(stored):
    return [int(np.asarray(array).flat[0]) for array in stored]


def test_numbers_slices_and_index_arrays():
    ragged = Ragged.of(ARRAYS)
    assert len(ragged) == 5 and ragged.ndim == 4 and ragged.dtype == np.uint8 and ragged.num_channels == 1
    assert firsts(ragged) == [0, 1, 2, 3, 4] and int(ragged[-1].flat[0]) == 4
    part = ragged[1:]
    assert firsts(part) == [1, 2, 3, 4] and part.sizes.tolist() == [[3, 3], [2, 3], [3, 3], [2, 3]]
    assert firsts(part[np.array([3, 0])]) == [4, 1]
    assert firsts(part[np.array([True, False, True, False])]) == [1, 3]
    assert int(part[np.int64(2)].flat[0]) == 3


def test_nothing_is_read_before_it_is_asked_for():
    read = []

    def reading(i):
        read.append(i)
        return ARRAYS[i]

    ragged = Ragged(reading, sizes_of(Ragged.of(ARRAYS)), num_channels=1)
    changed = joined(ragged.map(lambda array: array + 1, 1)[2:], Ragged.of(ARRAYS))
    assert len(changed) == 8 and read == []
    assert int(changed[0].flat[0]) == 3 and read == [2]
    assert firsts(changed) == [3, 4, 5, 0, 1, 2, 3, 4]


def test_an_array_is_made_of_members_of_one_size_only():
    ragged = Ragged.of(ARRAYS)
    with pytest.raises(ValueError, match="different sizes"):
        np.asarray(ragged)
    assert np.asarray(ragged[::2]).shape == (3, 2, 3, 1)
    assert np.asarray(ragged[::2], dtype=np.float32).dtype == np.float32


def test_an_array_of_one_size_and_an_empty_one():
    array = np.zeros((4, 2, 3), np.uint8)
    ragged = Ragged.of(array)
    assert ragged.ndim == 3 and ragged.has_one_size and sizes_of(ragged).tolist() == [[2, 3]] * 4
    assert len(Ragged.of(array[:0])) == 0


def test_arrays_of_one_size_are_joined_to_an_array():
    first, second = np.zeros((2, 3, 3), np.uint8), np.ones((1, 3, 3), np.uint8)
    assert isinstance(joined(first, second), np.ndarray) and joined(first, second).shape == (3, 3, 3)
    mixed = joined(first, np.ones((1, 4, 2), np.uint8))
    assert isinstance(mixed, Ragged) and mixed.sizes.tolist() == [[3, 3], [3, 3], [4, 2]]
    assert firsts(mixed) == [0, 0, 1]
