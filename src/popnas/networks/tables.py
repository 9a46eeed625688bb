"""The bulk cost formula of a stack of cells: table look-ups over arrays of cells.

Every part of a network's cost is a sum over its built cells, and which cells are built depends on the
nearest used lookback only. So the cost is linear in table entries that are summed over the stack once per
(nearest lookback, operator, what the operator reads): a gather per branch, and one entry each for every
used lookback, the concatenation and the rest. All entries are pairs (params, FLOPs), int64.

To be changed together with `cell` (what a built cell has) and the formulas of operators; checked against
built networks by `tests/unit/networks/test_cost.py` and `test_segmentation.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Protocol

import numpy as np

from popnas import operators
from popnas.cells import SearchSpace, bulk
from popnas.errors import UserError
from popnas.networks.decoder_plan import merge_cost
from popnas.networks.plan import (
    SE_RATIO,
    STEM_KERNEL,
    CellPlan,
    Feature,
    LookbackPlan,
    StackPlan,
    branch_site,
)
from popnas.networks.spec import NetworkSpec
from popnas.operators import Cost, Site, conv_bn_cost, pointwise_cost, squeeze_excite_cost

_ALL_LOOKBACKS_UP_TO = 16
"""Deeper spaces get tables of the lookbacks that their cells really use, as tables grow with the square."""


class Stacking(Protocol):
    """Which cells a network is made of, and what it has beside them; a `MacroArchitecture` says both."""

    def plan(self, nearest: int, lookback_depth: int, spec: NetworkSpec) -> StackPlan:
        """See `MacroArchitecture.plan`."""

    def frame_cost(self, plan: StackPlan, spec: NetworkSpec) -> Cost:
        """See `MacroArchitecture.frame_cost`."""


@dataclass(frozen=True)
class BulkCosts:
    """Costs of N networks: trainable params and FLOPs of one sample, int64 (N,) each."""

    params: np.ndarray
    flops: np.ndarray


@dataclass(frozen=True)
class StackTables:
    """Costs summed over the built cells, for R lookbacks; first axis: the nearest used one, the last place
    being the empty cell's.

    `branch` (R+1, operators+1, R+1, 2): an operator on each lookback or, last, on a block; the last operator
    is that of missing blocks. `lookback` (R+1, R, 2): what a used lookback costs. `concatenation`
    (R+1, B+1, 2): joining that many blocks. `rest` (R+1, 2): stem, residual, squeeze and excitation, heads.
    """

    branch: np.ndarray
    lookback: np.ndarray
    concatenation: np.ndarray
    rest: np.ndarray


def stack_costs(
    stacking: type[Stacking], cells_NB4: np.ndarray, space: SearchSpace, spec: NetworkSpec
) -> BulkCosts:
    """Costs of the networks of all cells (N, B, 4) as `SearchSpace.encode` makes them, in any block order.

    `stacking` is the class of the macro-architecture: as it keeps no state, tables made for it are kept for
    all its instances.

    Raises:
        UserError: channels or FLOPs that no 64-bit number holds.
    """
    num_blocks, depth, num_operators = cells_NB4.shape[1], space.lookback_depth, len(space.operators)
    lookbacks = _lookbacks(cells_NB4, depth)
    num_reads = len(lookbacks) + 1
    # What an input reads, as a place in the tables: a lookback's, else (blocks; no lookback) the last.
    places = np.full(depth + max(num_blocks, 1), len(lookbacks), dtype=np.int64)
    places[np.array(lookbacks, dtype=np.int64) + depth] = np.arange(len(lookbacks))

    tables = stack_tables(stacking, space.operators, lookbacks, num_blocks, spec)
    nearest_N = places.take(bulk.nearest_lookback(cells_NB4) + depth)
    if spec.concat_only_unused_blocks:
        joined_N = np.count_nonzero(bulk.unused_blocks(cells_NB4), axis=1)
    else:
        joined_N = bulk.num_blocks(cells_NB4)
    cost_N2 = tables.rest[nearest_N] + tables.concatenation[nearest_N, joined_N]
    if tables.lookback.any():
        inputs = cells_NB4[:, :, 0::2]
        for place, lookback in enumerate(lookbacks):
            is_used_N = (inputs == lookback).any(axis=(1, 2))
            cost_N2 += is_used_N[:, None] * tables.lookback[nearest_N, place]
    params_N, flops_N = (np.ascontiguousarray(cost_N2[:, part]) for part in (0, 1))

    branch_params, branch_flops = (np.ascontiguousarray(tables.branch[..., part]).ravel() for part in (0, 1))
    start_N = nearest_N * (num_operators + 1)
    for input_N, operator_N in _halves(cells_NB4):
        # One flat table and one entry number, computed in place: arrays are up to a million cells long.
        # Operator -1, of a missing block, is the last one of the table.
        entry_N = start_N + operator_N % (num_operators + 1)
        entry_N *= num_reads
        entry_N += places.take(input_N + depth)
        params_N += branch_params.take(entry_N)
        flops_N += branch_flops.take(entry_N)
    return BulkCosts(params_N, flops_N)


def _lookbacks(cells_NB4: np.ndarray, depth: int) -> tuple[int, ...]:
    """The lookbacks that the tables are made for, nearest first."""
    if depth <= _ALL_LOOKBACKS_UP_TO:
        return tuple(range(-1, -depth - 1, -1))
    inputs = np.unique(cells_NB4[:, :, 0::2])
    return tuple(inputs[inputs < 0][::-1].tolist())


def _halves(cells_NB4: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(inputs, operators) of all cells, for each half of each block in turn."""
    for block in range(cells_NB4.shape[1]):
        for half in (0, 2):
            yield cells_NB4[:, block, half], cells_NB4[:, block, half + 1]


@lru_cache(maxsize=32)
def stack_tables(
    stacking: type[Stacking],
    names: tuple[str, ...],
    lookbacks: tuple[int, ...],
    num_blocks: int,
    spec: NetworkSpec,
) -> StackTables:
    """The tables for cells of up to `num_blocks` blocks over these operators and lookbacks."""
    num_reads = len(lookbacks) + 1
    tables = StackTables(
        branch=np.zeros((num_reads, len(names) + 1, num_reads, 2), dtype=np.int64),
        lookback=np.zeros((num_reads, len(lookbacks), 2), dtype=np.int64),
        concatenation=np.zeros((num_reads, num_blocks + 1, 2), dtype=np.int64),
        rest=np.zeros((num_reads, 2), dtype=np.int64),
    )
    operator_costs = _OperatorCosts(names, spec)
    try:
        for row, nearest in enumerate((*lookbacks, 0)):
            stack = stacking().plan(nearest, -min(lookbacks, default=-1), spec)
            _add(tables.rest[row], stem_cost(stack) + stacking().frame_cost(stack, spec))
            _add_cells(tables, row, stack, (nearest, *lookbacks), operator_costs)
    except OverflowError:
        raise UserError(
            f"a network of {spec.motifs} motifs that starts with {spec.filters} filters doubles them "
            f"{spec.motifs - 1} times, which no memory holds; lower architecture_hyperparameters.motifs"
        ) from None
    return tables


class _OperatorCosts:
    """The costs of all operators at a site; the few distinct sites of a stack recur in all its rows."""

    def __init__(self, names: tuple[str, ...], spec: NetworkSpec) -> None:
        self.spec = spec
        self.parsed = [operators.parse(name, spec.num_dims) for name in names]
        self.known: dict[Site, np.ndarray] = {}

    def at(self, site: Site) -> np.ndarray:
        """(operators, 2) int64."""
        if site not in self.known:
            costs = [operator.cost(site) for operator in self.parsed]
            pairs = [(cost.params, cost.flops) for cost in costs]
            self.known[site] = np.array(pairs, dtype=np.int64).reshape(len(costs), 2)
        return self.known[site]


def _add_cells(
    tables: StackTables, row: int, stack: StackPlan, used: tuple[int, ...], operator_costs: _OperatorCosts
) -> None:
    """Add what the built cells cost to a row; `used`: its nearest lookback, then those of the tables."""
    nearest, *lookbacks = used
    spec = operator_costs.spec
    for cell in stack.cells:
        _add(tables.rest[row], _rest_cost(cell, cell.lookback(nearest), spec))
        for joined in range(2, tables.concatenation.shape[1]):
            width = joined * cell.output.channels
            _add(tables.concatenation[row, joined], _pointwise_cost(width, cell.output))
        for place, lookback in enumerate(lookbacks):
            _add(tables.lookback[row, place], _lookback_cost(cell.lookback(lookback), cell.output))
        for place, read in enumerate((*lookbacks, 0)):
            tables.branch[row, :-1, place] += operator_costs.at(branch_site(cell, read, spec))


def _add(entry_2: np.ndarray, cost: Cost) -> None:
    entry_2 += np.array((cost.params, cost.flops), dtype=np.int64)


def stem_cost(stack: StackPlan) -> Cost:
    """The convolutions before the first cell."""
    costs = [
        conv_bn_cost(
            (STEM_KERNEL[len(after.size)],) * len(after.size), before.channels, after.channels, after.size
        )
        for before, after in pairwise(stack.stem)
    ]
    return sum(costs, Cost())


def _pointwise_cost(in_channels: int, output: Feature) -> Cost:
    return pointwise_cost(len(output.size), in_channels, output.channels, output.size)


def _lookback_cost(lookback: LookbackPlan, output: Feature) -> Cost:
    """Bringing a used lookback to the size that the blocks see: strided pointwise, or transpose convolution
    and merge.
    """
    if lookback.reshape_stride > 1:
        return _pointwise_cost(lookback.feature.channels, output)
    if lookback.upsample > 1:
        kernel = (lookback.upsample,) * len(output.size)
        up = conv_bn_cost(kernel, lookback.feature.channels, output.channels, lookback.feature.size)
        return up if lookback.merge is None else up + merge_cost(lookback.merge, output)
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
