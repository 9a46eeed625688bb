"""The bulk cost formula of a stack of cells: table look-ups over arrays of cells.

Every part of a network's cost is a sum over its built cells, and which cells are built depends on the
nearest used lookback only. So the cost is linear in table entries that are summed over the stack once per
(nearest lookback, operator, what the operator reads): a gather per branch, and one entry each for every
used lookback, the concatenation and the rest. All entries are pairs (params, FLOPs), int64.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from popnas import operators
from popnas.cells import SearchSpace, bulk
from popnas.networks.cost import BulkCosts
from popnas.networks.plan import CellPlan, Feature, LookbackPlan, StackPlan, head_positions, stack_plan
from popnas.networks.spec import NetworkSpec
from popnas.operators import Cost, Site, conv_bn_cost, dense_cost, pointwise_cost, squeeze_excite_cost

SE_RATIO = 8
"""Ratio of the squeeze and excitation on a cell's output (`se_cell_output`)."""


@dataclass(frozen=True)
class StackTables:
    """Costs summed over the built cells, first axis: the nearest used lookback (0 for the empty cell, 1 for
    -1, ...).

    `branch` (L+1, operators+1, L+1, 2): an operator on lookback -1, -2, ... or, last, on a block; the last
    operator is that of missing blocks. `lookback` (L+1, L, 2): what a used lookback costs. `concatenation`
    (L+1, B+1, 2): joining that many blocks. `rest` (L+1, 2): residual, squeeze and excitation, heads.
    """

    branch: np.ndarray
    lookback: np.ndarray
    concatenation: np.ndarray
    rest: np.ndarray


def stack_costs(cells_NB4: np.ndarray, space: SearchSpace, spec: NetworkSpec) -> BulkCosts:
    """Costs of the classification networks of all cells (N, B, 4) as `SearchSpace.encode` makes them, in
    any block order.
    """
    num_blocks, depth, num_operators = cells_NB4.shape[1], space.lookback_depth, len(space.operators)
    tables = stack_tables(space.operators, depth, num_blocks, spec)
    nearest_N = -bulk.nearest_lookback(cells_NB4)
    if spec.concat_only_unused_blocks:
        joined_N = np.count_nonzero(bulk.unused_blocks(cells_NB4), axis=1)
    else:
        joined_N = bulk.num_blocks(cells_NB4)
    cost_N2 = tables.rest[nearest_N] + tables.concatenation[nearest_N, joined_N]
    if tables.lookback.any():
        used_NL = bulk.used_lookbacks(cells_NB4, depth)
        cost_N2 += (used_NL[:, :, None] * tables.lookback[nearest_N]).sum(axis=1)
    params_N, flops_N = (np.ascontiguousarray(cost_N2[:, part]) for part in (0, 1))

    # What an input reads, as an index into the tables: 0 for -1, 1 for -2, ..., L for any block.
    reads = np.full(depth + num_blocks, depth, dtype=np.int64)
    reads[:depth] = np.arange(depth)[::-1]
    branch_params, branch_flops = (np.ascontiguousarray(tables.branch[..., part]).ravel() for part in (0, 1))
    start_N = nearest_N * (num_operators + 1)
    for input_N, operator_N in _halves(cells_NB4):
        # Operator -1, of a missing block, is the last one of the table.
        entry_N = start_N + operator_N % (num_operators + 1)
        entry_N *= depth + 1
        entry_N += reads.take(input_N + depth)
        params_N += branch_params.take(entry_N)
        flops_N += branch_flops.take(entry_N)
    return BulkCosts(params_N, flops_N)


def _halves(cells_NB4: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(inputs, operators) of all cells, for each half of each block in turn."""
    for block in range(cells_NB4.shape[1]):
        for half in (0, 2):
            yield cells_NB4[:, block, half], cells_NB4[:, block, half + 1]


@lru_cache(maxsize=32)
def stack_tables(names: tuple[str, ...], depth: int, num_blocks: int, spec: NetworkSpec) -> StackTables:
    """The tables for cells of up to `num_blocks` blocks over these operators and lookbacks -1 to -`depth`."""
    parsed = [operators.parse(name, spec.num_dims) for name in names]
    tables = StackTables(
        branch=np.zeros((depth + 1, len(names) + 1, depth + 1, 2), dtype=np.int64),
        lookback=np.zeros((depth + 1, depth, 2), dtype=np.int64),
        concatenation=np.zeros((depth + 1, num_blocks + 1, 2), dtype=np.int64),
        rest=np.zeros((depth + 1, 2), dtype=np.int64),
    )
    for nearest in range(depth + 1):
        stack = stack_plan(-nearest, depth, spec)
        _add(tables.rest[nearest], _heads_cost(stack, spec))
        for cell in stack.cells:
            _add(tables.rest[nearest], _rest_cost(cell, cell.lookback(-nearest), spec))
            for joined in range(2, num_blocks + 1):
                width = joined * cell.output.channels
                _add(tables.concatenation[nearest, joined], _pointwise_cost(width, cell.output))
            for number, lookback in enumerate(cell.lookbacks):
                _add(tables.lookback[nearest, number], _lookback_cost(lookback, cell.output))
            for read in range(depth + 1):
                site = branch_site(cell, -read - 1 if read < depth else 0, spec)
                for index, operator in enumerate(parsed):
                    _add(tables.branch[nearest, index, read], operator.cost(site))
    return tables


def branch_site(cell: CellPlan, read: int, spec: NetworkSpec) -> Site:
    """Where an operator of a built cell sits that reads a lookback (`read` < 0) or a block."""
    if read < 0:
        lookback = cell.lookback(read)
        seen, stride = lookback.seen, lookback.stride
    else:
        seen, stride = cell.output, 1
    return Site(spec.num_dims, seen.channels, cell.output.channels, stride, seen.size, spec.activation)


def _add(entry_2: np.ndarray, cost: Cost) -> None:
    entry_2 += (cost.params, cost.flops)


def _pointwise_cost(in_channels: int, output: Feature) -> Cost:
    return pointwise_cost(len(output.size), in_channels, output.channels, output.size)


def _lookback_cost(lookback: LookbackPlan, output: Feature) -> Cost:
    """Bringing a used lookback to the size that the blocks see: strided pointwise, or transpose
    convolution.
    """
    if lookback.reshape_stride > 1:
        return _pointwise_cost(lookback.feature.channels, output)
    if lookback.upsample > 1:
        kernel = (lookback.upsample,) * len(output.size)
        return conv_bn_cost(kernel, lookback.feature.channels, output.channels, lookback.feature.size)
    return Cost()


def _rest_cost(cell: CellPlan, nearest: LookbackPlan, spec: NetworkSpec) -> Cost:
    """Squeeze and excitation and residual of one built cell."""
    cost = Cost()
    channels = cell.output.channels
    if spec.se_cell_output:
        cost += squeeze_excite_cost(channels, SE_RATIO, bias=False)
    if spec.residual_cells and nearest.seen.channels != channels:
        cost += _pointwise_cost(nearest.seen.channels, cell.output)
    return cost


def _heads_cost(stack: StackPlan, spec: NetworkSpec) -> Cost:
    cost = Cost()
    for head in head_positions(len(stack.cells), spec):
        cost += dense_cost(stack.output(head).channels, spec.num_classes)
    return cost
