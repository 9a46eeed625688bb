"""The graph networks' predictions for many cells, with everything that siblings share computed once.

A node aggregates from its predecessors only, so nodes of a parent's sub-graph do not change when a block is
added. Per parent there remain as many distinct operator nodes as pairs of input and operator; per child
only the join of its last block, the node of the concatenation and the readout are its own.

A prediction depends on the cell alone, to the last bit, and not on its path through this file:
- a node's activations come out of the same sums and products whether it belongs to a parent or to the last
block;
- matrix products run over chunks of one fixed number of rows, padded if need be, since their last bits vary
with the shape of the operands (but not, within a shape, with the row: `tests/unit/predictors` checks that
on each machine);
- sums that run over a cell's nodes, in whatever order its blocks stand, are taken in float64, where those
of a few float32 numbers are exact; a sum of two needs no such care.

Axes: P parents, N children, H distinct operator nodes, S sources (lookbacks, then the parents' joins), M
models; tensors of activations are (rows, M * width), so that one look-up fetches a node for all models.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from popnas.predictors._families import families
from popnas.predictors.neural._gin_network import NetworkWeights, NodeTypes

_ROWS = 256  # rows of one matrix product: the activations of five models stay in the processor's cache
_PARENTS = 256  # parents whose sub-graphs are held at the same time


def predict_outputs(
    weights: NetworkWeights, types: NodeTypes, cells_NB4: np.ndarray, parents_N: np.ndarray | None
) -> np.ndarray:
    """The networks' outputs before the sigmoid: (N, M) float32; `parents_N` as in `Predictor.predict`."""
    network = _Network(weights, types, cells_NB4.shape[1])
    outputs = np.empty((len(cells_NB4), weights.num_models), dtype=np.float32)
    for num_blocks, rows, family in families(cells_NB4, parents_N, _PARENTS):
        if num_blocks == 0:
            outputs[rows] = network.empty_output()
        else:
            outputs[rows] = _GraphFamily(network, family.parents, family.new, family.parent).outputs()
    return outputs


class _Network:
    """The weights, laid out for rows that hold all models, and what no cell changes."""

    def __init__(self, weights: NetworkWeights, types: NodeTypes, num_blocks: int) -> None:
        self.weights, self.types = weights, types
        self.num_models = weights.num_models
        table = weights.kernels[0].transpose(0, 1).flatten(1)  # (types, M * 30): the first layer is a look-up
        bias = weights.biases[0].flatten()
        operators = table[types.first_operator : types.join]
        sources = torch.cat([table[: types.num_lookbacks], table[types.join : types.join + 1]])
        # An operator node by its own type and that of its source; a join by its two operators; the
        # concatenation by how many blocks enter; a lookback has no predecessor.
        self.half_1 = ((operators[:, None] + sources[None]) + bias).relu_().flatten(0, 1)
        pairs = operators[:, None] + operators[None]
        self.join_1 = ((table[types.join] + pairs) + bias).relu_().flatten(0, 1)
        counts = torch.arange(num_blocks + 1)[:, None]
        self.concat_1 = ((table[types.concat] + counts * table[types.join]) + bias).relu_().double()
        lookback_1 = (table[: types.num_lookbacks] + bias).relu_()
        lookback_2 = self.dense(1, lookback_1)
        self.lookbacks = (lookback_1, lookback_2, self.dense(2, lookback_2))

    def dense(self, layer: int, inputs: torch.Tensor) -> torch.Tensor:
        """relu(inputs @ kernel + bias) for any number of rows, in padded chunks of `_ROWS`."""
        width = self.weights.kernels[layer].shape[2] * self.num_models
        outputs = torch.empty(len(inputs), width)
        for start in range(0, len(inputs), _ROWS):
            part = inputs[start : start + _ROWS]
            if len(part) < _ROWS:
                part = torch.cat([part, part.new_zeros(_ROWS - len(part), part.shape[1])])
            outputs[start : start + _ROWS] = self.dense_chunk(layer, part)[: len(inputs) - start]
        return outputs

    def dense_chunk(self, layer: int, inputs: torch.Tensor) -> torch.Tensor:
        """The same for exactly `_ROWS` rows."""
        kernels = self.weights.kernels[layer]
        num_models, width_in, width_out = kernels.shape
        outputs = torch.empty(_ROWS, num_models * width_out)
        for model in range(num_models):
            torch.mm(
                inputs[:, model * width_in : (model + 1) * width_in],
                kernels[model],
                out=outputs[:, model * width_out : (model + 1) * width_out],
            )
        return outputs.add_(self.weights.biases[layer].flatten()).relu_()

    def readout_chunk(self, means: torch.Tensor) -> torch.Tensor:
        """The outputs (_ROWS, M) for the means of nodes' activations (_ROWS, M * 120)."""
        dense = self.dense_chunk(3, means).view(_ROWS, self.num_models, -1)
        return (dense * self.weights.kernels[4].squeeze(2)).sum(dim=2) + self.weights.biases[4].flatten()

    def empty_output(self) -> np.ndarray:
        """The outputs (M,) for the empty cell, whose mean over no nodes is taken as 0."""
        return self.readout_chunk(torch.zeros(_ROWS, self.lookbacks[2].shape[1]))[0].numpy()


@dataclass(frozen=True)
class _Joins:
    """Join nodes by the rows of their two operator nodes and of the first layer's look-up."""

    half_a: torch.Tensor
    half_b: torch.Tensor
    pair: torch.Tensor


class _GraphFamily:
    """Some parents of equal length, all their children, and the activations that the children share.

    `parents_PB4` (P, B-1, 4), `new_N4` the children's last blocks, `parent_N` the row of each child's
    parent.
    """

    def __init__(
        self, network: _Network, parents_PB4: np.ndarray, new_N4: np.ndarray, parent_N: np.ndarray
    ) -> None:
        self.network = network
        self.parents_PB4 = parents_PB4.astype(np.int64)
        self.num_parents, self.num_old = parents_PB4.shape[:2]
        self.new_N4, self.parent_N = new_N4.astype(np.int64), parent_N
        self.num_lookbacks = network.types.num_lookbacks
        self.num_operators = network.types.num_operators
        self.num_inputs = self.num_lookbacks + self.num_old
        self._number_halves()
        self._number_contexts()
        self._activate()
        self._sum_contexts()

    def _number_halves(self) -> None:
        """Give each distinct (parent, input, operator) a row among the operator nodes."""
        parent_P = np.arange(self.num_parents)
        old_P2K = self._half_keys(self.parents_PB4.reshape(-1, 4), np.repeat(parent_P, self.num_old))
        new_2N = self._half_keys(self.new_N4, self.parent_N)
        row_of_key, keys_H = _numbered(
            self.num_parents * self.num_inputs * self.num_operators, old_P2K, new_2N
        )
        source_and_parent, operator_H = np.divmod(keys_H, self.num_operators)
        parent_H, source_H = np.divmod(source_and_parent, self.num_inputs)
        is_lookback_H = source_H < self.num_lookbacks
        # Sources are numbered lookbacks first (row 0 is -1), then the joins of parent 0, of parent 1, ...
        self.source_H = _rows(
            np.where(is_lookback_H, self.num_lookbacks - 1 - source_H, source_H + parent_H * self.num_old)
        )
        source_type_H = np.where(is_lookback_H, self.num_lookbacks - 1 - source_H, self.num_lookbacks)
        self.type_H = _rows(operator_H * (self.num_lookbacks + 1) + source_type_H)
        self.old_joins = self._joins(row_of_key[old_P2K], self.parents_PB4.reshape(-1, 4))
        self.new_joins = self._joins(row_of_key[new_2N], self.new_N4)

    def _half_keys(self, blocks_K4: np.ndarray, parent_K: np.ndarray) -> np.ndarray:
        inputs_2K, operators_2K = blocks_K4[:, 0::2].T, blocks_K4[:, 1::2].T
        sources_2K = parent_K * self.num_inputs + inputs_2K + self.num_lookbacks
        return sources_2K * self.num_operators + operators_2K

    def _joins(self, rows_2K: np.ndarray, blocks_K4: np.ndarray) -> _Joins:
        pair_K = blocks_K4[:, 1] * self.num_operators + blocks_K4[:, 3]
        return _Joins(_rows(rows_2K[0]), _rows(rows_2K[1]), _rows(pair_K))

    def _number_contexts(self) -> None:
        """Give each distinct (parent, inputs of the last block) a row; it decides which nodes there are."""
        low_N = self.new_N4[:, 0::2].min(axis=1) + self.num_lookbacks
        high_N = self.new_N4[:, 0::2].max(axis=1) + self.num_lookbacks
        keys_N = (self.parent_N * self.num_inputs + low_N) * self.num_inputs + high_N
        row_of_key, keys_C = _numbered(self.num_parents * self.num_inputs**2, keys_N)
        self.context_N = _rows(row_of_key[keys_N])
        parent_and_low, high_C = np.divmod(keys_C, self.num_inputs)
        self.parent_C, low_C = np.divmod(parent_and_low, self.num_inputs)
        # Which inputs a parent's blocks read, then which the child's do: columns -L..-1, then the blocks.
        inputs_PK = self.parents_PB4[:, :, 0::2].reshape(self.num_parents, -1) + self.num_lookbacks
        is_read_PI = np.zeros((self.num_parents, self.num_inputs), dtype=bool)
        is_read_PI[np.arange(self.num_parents)[:, None], inputs_PK] = True
        is_read_CI = is_read_PI[self.parent_C]
        is_read_CI[np.arange(len(keys_C)), low_C] = True
        is_read_CI[np.arange(len(keys_C)), high_C] = True
        self.uses_lookback_CL = is_read_CI[:, self.num_lookbacks - 1 :: -1][:, : self.num_lookbacks]
        self.is_unused_CB = ~is_read_CI[:, self.num_lookbacks :]

    def _activate(self) -> None:
        """All layers of the parents' nodes and of every distinct operator node."""
        network = self.network
        halves, joins = network.half_1[self.type_H], network.join_1[self.old_joins.pair]
        self.halves, self.joins = [halves], [joins]
        for layer in (1, 2):
            sources = torch.cat([network.lookbacks[layer - 1], joins])
            joins = network.dense(
                layer, joins + (halves[self.old_joins.half_a] + halves[self.old_joins.half_b])
            )
            halves = network.dense(layer, halves + sources[self.source_H])
            self.halves.append(halves)
            self.joins.append(joins)

    def _sum_contexts(self) -> None:
        """What the concatenation and the mean sum over nodes that are not the child's own, exactly."""
        parent_C = torch.from_numpy(self.parent_C)
        is_unused = torch.from_numpy(self.is_unused_CB).double()
        num_outputs_C = is_unused.sum(dim=1).long() + 1  # the last block is always unused
        has_concat_C = num_outputs_C > 1
        self.concat_1_C = self.network.concat_1[num_outputs_C]
        self.concat_2_C = torch.zeros(len(parent_C), self.joins[1].shape[1], dtype=torch.float64)
        concat_inputs = [self.concat_1_C, self.concat_2_C]
        for b in range(self.num_old):
            for layer, total in enumerate(concat_inputs):
                joins = self.joins[layer].view(self.num_parents, self.num_old, -1)[:, b]
                total += is_unused[:, b, None] * joins[parent_C]
        old_P = torch.zeros(self.num_parents, self.joins[2].shape[1], dtype=torch.float64)
        old = self.old_joins
        for nodes in (self.joins[2], self.halves[2][old.half_a], self.halves[2][old.half_b]):
            for b in range(self.num_old):
                old_P += nodes.view(self.num_parents, self.num_old, -1)[:, b]
        self.total_C = old_P[parent_C]
        uses_lookback = torch.from_numpy(self.uses_lookback_CL.copy()).double()
        for lookback in range(self.num_lookbacks):
            self.total_C += uses_lookback[:, lookback, None] * self.network.lookbacks[2][lookback]
        num_nodes_C = uses_lookback.sum(dim=1) + 3 * (self.num_old + 1) + has_concat_C
        self.has_concat_C1, self.num_nodes_C1 = has_concat_C[:, None].float(), num_nodes_C[:, None].float()

    def outputs(self) -> np.ndarray:
        """The outputs of the children: (N, M) float32."""
        outputs = np.empty((len(self.new_N4), self.network.num_models), dtype=np.float32)
        for start in range(0, len(outputs), _ROWS):
            # Rows are padded with the first child: a chunk always has `_ROWS` of them.
            rows = torch.zeros(_ROWS, dtype=torch.int64)
            count = min(_ROWS, len(outputs) - start)
            rows[:count] = torch.arange(start, start + count)
            outputs[start : start + count] = self._chunk_outputs(rows)[:count].numpy()
        return outputs

    def _chunk_outputs(self, rows: torch.Tensor) -> torch.Tensor:
        network, joins, context = self.network, self.new_joins, self.context_N[rows]
        half_a, half_b = joins.half_a[rows], joins.half_b[rows]
        join_1 = network.join_1[joins.pair[rows]]
        join_2 = network.dense_chunk(1, join_1 + (self.halves[0][half_a] + self.halves[0][half_b]))
        join_3 = network.dense_chunk(2, join_2 + (self.halves[1][half_a] + self.halves[1][half_b]))
        concat_2 = network.dense_chunk(1, (self.concat_1_C[context] + join_1).float())
        concat_3 = network.dense_chunk(2, (self.concat_2_C[context] + join_2 + concat_2).float())
        total = self.total_C[context]
        total += self.halves[2][half_a]
        total += self.halves[2][half_b]
        total += join_3
        total += concat_3.mul_(self.has_concat_C1[context])
        return network.readout_chunk(total.float().div_(self.num_nodes_C1[context]))


def _numbered(num_keys: int, *keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row of each key that occurs, by key, and the keys in order of their rows."""
    occurs = np.zeros(num_keys, dtype=bool)
    for some in keys:
        occurs[some] = True
    return np.cumsum(occurs) - 1, np.flatnonzero(occurs)


def _rows(numbers: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(numbers, dtype=np.int64))
