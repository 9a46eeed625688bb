"""Networks that read a cell as the sequence of its blocks.

A block is the sum of what its two halves are (an input and an operator each, through one shared layer), so
exchanged halves are the same block. Axes: M models, N cells, B blocks, D width of a block, H units.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from popnas.cells import SearchSpace
from popnas.predictors.neural._networks import DenseLayers, Networks

BLOCK_WIDTH, LSTM_UNITS, READOUT_WIDTH = 40, 40, 60
_FORGET_BIAS = 1.0
"""Jozefowicz et al., 2015: what was read first is not forgotten before anything is learnt."""


@dataclass(frozen=True)
class Sequences:
    """`halves` (N, B, 2, inputs + operators): one-hot, 0 beyond a cell's end; `is_block` (N, B): 1 or 0."""

    halves: torch.Tensor
    is_block: torch.Tensor

    def __getitem__(self, rows: torch.Tensor) -> Sequences:
        return Sequences(self.halves[rows], self.is_block[rows])


def sequences(cells_NB4: np.ndarray, space: SearchSpace) -> Sequences:
    """Cells as sequences of their blocks."""
    num_inputs = space.lookback_depth + space.num_blocks - 1
    inputs_NB21 = cells_NB4[:, :, 0::2, None] + space.lookback_depth
    is_block_NB = cells_NB4[:, :, 1] >= 0
    halves = np.concatenate(
        [inputs_NB21 == np.arange(num_inputs), cells_NB4[:, :, 1::2, None] == np.arange(space.num_operators)],
        axis=3,
    )
    halves &= is_block_NB[:, :, None, None]
    return Sequences(
        torch.from_numpy(halves.astype(np.float32)), torch.from_numpy(is_block_NB.astype(np.float32))
    )


class SequenceNetworks(Networks[Sequences]):
    """Layer 0 makes blocks of halves, the last two are the readout; between them is what a kind adds."""

    def __init__(self, space: SearchSpace, num_models: int, seed: int) -> None:
        self.space = space
        width = space.lookback_depth + space.num_blocks - 1 + space.num_operators
        shapes = [(width, BLOCK_WIDTH), *self.shapes(), (self.width_out, READOUT_WIDTH), (READOUT_WIDTH, 1)]
        self.layers = DenseLayers.of(shapes, num_models, seed)

    width_out: int

    def shapes(self) -> list[tuple[int, int]]:
        """Inputs and outputs of layers 1, 2, ..."""
        raise NotImplementedError

    def encoded(self, blocks_MNBD: torch.Tensor, is_block_NB: torch.Tensor) -> torch.Tensor:
        """(M, N, width_out), of cells; of the empty one the same whatever stands beside it."""
        raise NotImplementedError

    @property
    def tensors(self) -> list[torch.Tensor]:
        """See `Networks`."""
        return self.layers.tensors

    def rows(self, cells_NB4: np.ndarray) -> Sequences:
        """See `Networks`."""
        return sequences(cells_NB4, self.space)

    def forward(self, rows: Sequences) -> torch.Tensor:
        """See `Networks`."""
        halves = rows.halves.expand(self.layers.num_models, *rows.halves.shape)
        blocks_MNBD = self.layers.dense(0, halves).relu().sum(dim=3) * rows.is_block[:, :, None]
        return self.layers.readout(self.encoded(blocks_MNBD, rows.is_block))


def mean_of_blocks(values_MNBX: torch.Tensor, is_block_NB: torch.Tensor) -> torch.Tensor:
    """(M, N, X) over the blocks that there are; 0 where there is none."""
    count_N1 = is_block_NB.sum(dim=1, keepdim=True).clamp(min=1)
    return (values_MNBX * is_block_NB[:, :, None]).sum(dim=2) / count_N1


def lstm_shape(width: int) -> tuple[int, int]:
    """Of the one layer behind all gates of an LSTM that reads so wide blocks."""
    return width + LSTM_UNITS, 4 * LSTM_UNITS


def lstm(
    layers: DenseLayers, layer: int, blocks_MNBX: torch.Tensor, is_block_NB: torch.Tensor
) -> torch.Tensor:
    """(M, N, H): the state of a long short-term memory (Hochreiter and Schmidhuber, 1997) behind each cell's
    last block; 0 for a cell without any."""
    num_models, num_cells, num_blocks, _ = blocks_MNBX.shape
    state = memory = blocks_MNBX.new_zeros(num_models, num_cells, LSTM_UNITS)
    for block in range(num_blocks):
        gates = layers.dense(layer, torch.cat([blocks_MNBX[:, :, block], state], dim=2))
        take, forget, give, new = gates.chunk(4, dim=2)
        is_there = is_block_NB[:, block, None]
        then = torch.sigmoid(forget + _FORGET_BIAS) * memory + torch.sigmoid(take) * torch.tanh(new)
        memory = is_there * then + (1 - is_there) * memory
        state = is_there * torch.sigmoid(give) * torch.tanh(memory) + (1 - is_there) * state
    return state


class LstmNetworks(SequenceNetworks):
    """A long short-term memory reads the blocks one after the other."""

    width_out = LSTM_UNITS

    def shapes(self) -> list[tuple[int, int]]:
        """See `SequenceNetworks`."""
        return [lstm_shape(BLOCK_WIDTH)]

    def encoded(self, blocks_MNBD: torch.Tensor, is_block_NB: torch.Tensor) -> torch.Tensor:
        """See `SequenceNetworks`."""
        return lstm(self.layers, 1, blocks_MNBD, is_block_NB)


class AttentionNetworks(SequenceNetworks):
    """Every block looks at all: queries, keys and values of one head; what it takes is added to it, and so is
    what a perceptron makes of that."""

    width_out = BLOCK_WIDTH

    def shapes(self) -> list[tuple[int, int]]:
        """See `SequenceNetworks`."""
        return [
            (BLOCK_WIDTH, 3 * BLOCK_WIDTH),
            (BLOCK_WIDTH, 2 * BLOCK_WIDTH),
            (2 * BLOCK_WIDTH, BLOCK_WIDTH),
        ]

    def encoded(self, blocks_MNBD: torch.Tensor, is_block_NB: torch.Tensor) -> torch.Tensor:
        """See `SequenceNetworks`."""
        query, key, value = self.layers.dense(1, blocks_MNBD).chunk(3, dim=3)
        fit_MNBB = query @ key.transpose(2, 3) / math.sqrt(BLOCK_WIDTH)
        # Finite, so that an empty cell has no NaN: what it looks at then counts in no mean.
        share_MNBB = fit_MNBB.masked_fill(is_block_NB[:, None, :] == 0, -1e9).softmax(dim=3)
        seen = blocks_MNBD + share_MNBB @ value
        thought = seen + self.layers.dense(3, self.layers.dense(2, seen).relu())
        return mean_of_blocks(thought, is_block_NB)


class Conv1dNetworks(SequenceNetworks):
    """Two convolutions of three blocks each along the sequence."""

    width_out = 2 * BLOCK_WIDTH

    def shapes(self) -> list[tuple[int, int]]:
        """See `SequenceNetworks`."""
        return [(3 * BLOCK_WIDTH, BLOCK_WIDTH), (3 * BLOCK_WIDTH, 2 * BLOCK_WIDTH)]

    def encoded(self, blocks_MNBD: torch.Tensor, is_block_NB: torch.Tensor) -> torch.Tensor:
        """See `SequenceNetworks`."""
        hidden = blocks_MNBD
        for layer in (1, 2):
            padded = torch.nn.functional.pad(hidden, (0, 0, 1, 1))
            windows = torch.cat([padded[:, :, :-2], hidden, padded[:, :, 2:]], dim=3)
            hidden = self.layers.dense(layer, windows).relu() * is_block_NB[:, :, None]
        return mean_of_blocks(hidden, is_block_NB)
