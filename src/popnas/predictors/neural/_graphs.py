"""Cells as graphs for the graph network (docs/search.md, "Predictors"), as numpy arrays.

Slots of a cell's V = L + 3 B + 1 nodes: the lookbacks (-1 first); per block its two operators and its join;
the concatenation of the unused blocks. A slot that a cell does not fill is padding. Axes: N cells, V nodes,
T node types.
"""

from __future__ import annotations

import numpy as np

from popnas.cells.bulk import unused_blocks


def node_types(cells_NB4: np.ndarray, num_lookbacks: int, num_operators: int) -> np.ndarray:
    """The type of each slot, (N, V) int64: lookbacks, operators, join, concatenation; -1 is padding."""
    num_cells, num_blocks = cells_NB4.shape[:2]
    types_NV = np.full((num_cells, num_lookbacks + 3 * num_blocks + 1), -1, dtype=np.int64)
    is_real_NB = cells_NB4[:, :, 1] >= 0
    inputs_NK = cells_NB4[:, :, 0::2].reshape(num_cells, -1)
    for lookback in range(num_lookbacks):
        types_NV[(inputs_NK == -1 - lookback).any(axis=1), lookback] = lookback
    blocks_NB3 = types_NV[:, num_lookbacks:-1].reshape(num_cells, num_blocks, 3)
    blocks_NB3[:, :, :2] = cells_NB4[:, :, 1::2] + num_lookbacks
    blocks_NB3[:, :, 2] = num_lookbacks + num_operators
    types_NV[:, num_lookbacks:-1] = np.where(is_real_NB[..., None], blocks_NB3, -1).reshape(num_cells, -1)
    has_concat_N = unused_blocks(cells_NB4).sum(axis=1) > 1
    types_NV[has_concat_N, -1] = num_lookbacks + num_operators + 1
    return types_NV


def predecessors(cells_NB4: np.ndarray, num_lookbacks: int) -> np.ndarray:
    """How often node v takes from node u, (N, V, V) float32 [cell, v, u]; padding takes from none."""
    num_cells, num_blocks = cells_NB4.shape[:2]
    num_nodes = num_lookbacks + 3 * num_blocks + 1
    edges_NVV = np.zeros((num_cells, num_nodes, num_nodes), dtype=np.float32)
    unused_NB = unused_blocks(cells_NB4)
    has_concat_N = unused_NB.sum(axis=1) > 1
    for b in range(num_blocks):
        rows = np.flatnonzero(cells_NB4[:, b, 1] >= 0)
        join = num_lookbacks + 3 * b + 2
        for half in (0, 1):
            inputs = cells_NB4[rows, b, 2 * half].astype(np.int64)
            source = np.where(inputs < 0, -1 - inputs, num_lookbacks + 3 * inputs + 2)
            edges_NVV[rows, join - 2 + half, source] = 1
            edges_NVV[rows, join, join - 2 + half] = 1
        edges_NVV[has_concat_N & unused_NB[:, b], -1, join] = 1
    return edges_NVV
