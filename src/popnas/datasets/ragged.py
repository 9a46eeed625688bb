"""Arrays of differing sizes, or too many for memory: n of them, each read when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np


class Ragged:
    """n images (h, w, c) or masks (h, w) behind a function that reads one.

    It is indexed as an array of them would be: a number gives one, a slice or an array of numbers gives a
    `Ragged` of those, and nothing is read or copied until one is asked for. `sizes` (n, 2) are heights and
    widths; `is_in_memory`: what is read lies there already. Where all are of one size, `numpy.asarray` stacks
    them.
    """

    def __init__(
        self,
        read: Callable[[int], np.ndarray],
        sizes: np.ndarray,
        *,
        num_channels: int | None,
        positions: np.ndarray | None = None,
        is_in_memory: bool = False,
    ) -> None:
        self._read = read
        self._positions = np.arange(len(sizes)) if positions is None else positions
        self.sizes = np.asarray(sizes, dtype=np.int64).reshape(-1, 2)
        self.num_channels = num_channels
        self.is_in_memory = is_in_memory
        self.dtype = np.dtype(np.uint8)

    @staticmethod
    def of(arrays: Sequence[np.ndarray] | np.ndarray) -> Ragged:
        """Arrays (h, w, c) or (h, w) that are in memory, or one that is mapped from disk."""
        if isinstance(arrays, np.ndarray):
            sizes, num_channels = sizes_of(arrays), (*arrays.shape, None)[3]
        else:
            sizes = np.array([array.shape[:2] for array in arrays])
            num_channels = arrays[0].shape[2] if arrays[0].ndim == 3 else None
        return Ragged(
            lambda i: np.asarray(arrays[i]),
            sizes,
            num_channels=num_channels,
            is_in_memory=not isinstance(arrays, np.memmap),
        )

    @property
    def ndim(self) -> int:
        """4 for images, 3 for masks: the dimensions of their array if they had one size."""
        return 3 if self.num_channels is None else 4

    @property
    def has_one_size(self) -> bool:
        """Whether all are of one height and width."""
        return bool((self.sizes == self.sizes[:1]).all())

    def __len__(self) -> int:
        return len(self._positions)

    def __getitem__(self, index: int | np.integer | slice | np.ndarray) -> np.ndarray | Ragged:
        if isinstance(index, (int, np.integer)):
            return self._read(int(self._positions[index]))
        return Ragged(
            self._read,
            self.sizes[index],
            num_channels=self.num_channels,
            positions=self._positions[index],
            is_in_memory=self.is_in_memory,
        )

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self._read(int(position)) for position in self._positions)

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        if not self.has_one_size:
            raise ValueError(f"{len(self)} arrays of different sizes do not make one array")
        stacked = np.stack(list(self)) if len(self) else np.empty((0, 0, 0), self.dtype)
        return stacked if dtype is None else stacked.astype(dtype, copy=False)

    def map(self, change: Callable[[np.ndarray], np.ndarray], num_channels: int | None = None) -> Ragged:
        """The same arrays, each as `change` makes it; sizes stay."""
        read = self._read
        return Ragged(
            lambda i: change(read(i)),
            self.sizes,
            num_channels=num_channels,
            positions=self._positions,
            is_in_memory=self.is_in_memory,
        )


Stored = np.ndarray | Ragged
"""Images or masks: one array (n, h, w[, c]), or a `Ragged`."""


def is_in_memory(stored: Stored) -> bool:
    """Whether all examples are there at once; those that are read one by one stay on disk."""
    return stored.is_in_memory if isinstance(stored, Ragged) else not isinstance(stored, np.memmap)


def sizes_of(stored: Stored) -> np.ndarray:
    """Heights and widths, (n, 2)."""
    if isinstance(stored, Ragged):
        return stored.sizes
    return np.broadcast_to(np.array(stored.shape[1:3]), (len(stored), 2))


def joined(first: Stored, second: Stored) -> Stored:
    """One after the other; an array where both are arrays of one size."""
    if (
        isinstance(first, np.ndarray)
        and isinstance(second, np.ndarray)
        and first.shape[1:] == second.shape[1:]
    ):
        return np.concatenate([first, second])
    parts, length = (first, second), len(first)
    channels = first.num_channels if isinstance(first, Ragged) else (*first.shape, None)[3]
    return Ragged(
        lambda i: np.asarray(parts[0][i] if i < length else parts[1][i - length]),
        np.concatenate([sizes_of(first), sizes_of(second)]),
        num_channels=channels,
        is_in_memory=is_in_memory(first) and is_in_memory(second),
    )
