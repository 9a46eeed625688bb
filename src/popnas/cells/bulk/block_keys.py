"""A block as one number that is ordered like the block: (in1, op1, in2, op2), the smaller half first.

N cells, B blocks. A half (an input and its operator) is `(input + L) * num_operators + operator`, a key is
`half1 * num_halves + half2`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class KeyScale:
    """The ranges that the keys of an array of cells are made for: lookback depth, operators, blocks."""

    lookback_depth: int
    num_operators: int
    num_blocks: int

    @classmethod
    def of(cls, cells_NB4: np.ndarray) -> KeyScale:
        """The smallest ranges that hold all blocks of an array (at least one lookback and one operator)."""
        deepest = int(cells_NB4[..., 0::2].min(initial=-1))
        return cls(-deepest, int(cells_NB4[..., 1::2].max(initial=0)) + 1, cells_NB4.shape[1])

    @property
    def num_halves(self) -> int:
        """One more than the largest half."""
        return (self.lookback_depth + self.num_blocks) * self.num_operators

    @property
    def no_block(self) -> int:
        """The key of a missing block: above all others, so that missing blocks come last."""
        return self.num_halves**2

    def half(self, inputs: np.ndarray, operators: np.ndarray) -> np.ndarray:
        """Halves as int64 numbers, from inputs and operators of any one shape."""
        return (inputs.astype(np.int64) + self.lookback_depth) * self.num_operators + operators

    def key(self, half1: np.ndarray, half2: np.ndarray) -> np.ndarray:
        """Keys from pairs of halves in any order."""
        return np.minimum(half1, half2) * self.num_halves + np.maximum(half1, half2)

    def keys(self, blocks: np.ndarray) -> np.ndarray:
        """Keys (...,) int64 of blocks (..., 4)."""
        half1, half2 = self.half(blocks[..., 0], blocks[..., 1]), self.half(blocks[..., 2], blocks[..., 3])
        return np.where(blocks[..., 1] >= 0, self.key(half1, half2), self.no_block)

    def blocks(self, keys: np.ndarray) -> np.ndarray:
        """Blocks (..., 4) int16 of keys (...,): the inverse of `keys`, the smaller half first."""
        halves = np.stack(np.divmod(keys, self.num_halves), axis=-1)
        inputs, operators = np.divmod(halves, self.num_operators)
        blocks = np.stack([inputs - self.lookback_depth, operators], axis=-1).reshape(*keys.shape, 4)
        blocks[keys == self.no_block] = (0, -1, 0, -1)
        return blocks.astype(np.int16)
