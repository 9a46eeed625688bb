"""Features of cells for predictors, computed over arrays of cells without torch.

Axes: N cells, B blocks, 2 halves, 4 = (first input, first operator, second input, second operator); inputs
are negative for lookbacks and the index of an earlier block otherwise; blocks that a cell lacks stand at
its end with operator -1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from popnas.cells import SearchSpace

TIME_FEATURES = (
    "blocks",
    "cells_stacked",
    "operator_cost",
    "has_several_lookbacks",
    "lookback_share",
    "block_inputs",
    "depth",
    "concatenated_blocks",
    "heaviest_path_share",
)

_CHUNK = 16384  # cells at a time, so that the work stays in the processor's cache
_COST_STEP = 2.0**-40  # costs on this grid sum without rounding, hence equally in any order of blocks


def operator_costs(
    operator_seconds: Mapping[str, float | None],
    empty_seconds: float | None,
    operators: Sequence[str],
) -> dict[str, float]:
    """The cost of each of `operators` between 0 and 1.

    The dynamic reindex of docs/search.md; POPNASv2, section on the time predictor.

    `operator_seconds` has the measured time of the cell `[(-1, op, -1, op)]` by operator, `empty_seconds`
    that of the empty cell; None, NaN or an absent operator means that the evaluation failed. An operator
    that failed costs as much as the dearest of the others; a failed empty cell counts as 0 s; where all
    differences are 0 all costs are 0.
    """
    empty = _seconds(empty_seconds) or 0.0
    known = {name: _seconds(operator_seconds.get(name)) for name in operators}
    differences = {name: abs(seconds - empty) for name, seconds in known.items() if seconds is not None}
    largest = max(differences.values(), default=0.0)
    if largest == 0.0:
        return dict.fromkeys(operators, 0.0)
    return {name: differences[name] / largest if name in differences else 1.0 for name in operators}


def _seconds(value: float | None) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None


def time_features(cells_NB4: np.ndarray, operator_costs: np.ndarray, cells_stacked: np.ndarray) -> np.ndarray:
    """The nine features of docs/search.md, in its order (`TIME_FEATURES`): (N, 9) float64.

    `operator_costs` (num_operators,) is the cost of each operator by its index; `cells_stacked` (N,) the
    number of cells that the network really stacks. Equal for equivalent cells, to the last bit: costs are
    rounded to a grid of 2^-40.
    """
    grid_costs = np.round(np.asarray(operator_costs, dtype=np.float64) / _COST_STEP) * _COST_STEP
    costs = np.append(grid_costs, 0.0)  # operator -1, of a block that is not there, costs nothing
    features_N9 = np.empty((len(cells_NB4), len(TIME_FEATURES)))
    for start in range(0, len(cells_NB4), _CHUNK):
        part = slice(start, start + _CHUNK)
        _fill_time_features(features_N9[part], cells_NB4[part], costs, cells_stacked[part])
    return features_N9


def _fill_time_features(
    out_N9: np.ndarray, cells_NB4: np.ndarray, costs: np.ndarray, cells_stacked_N: np.ndarray
) -> None:
    num_cells, num_blocks = cells_NB4.shape[:2]
    # Blocks first and cells last: every step below runs over contiguous memory.
    halves_B22N = np.ascontiguousarray(cells_NB4.reshape(num_cells, num_blocks, 2, 2).transpose(1, 2, 3, 0))
    inputs_B2N, operators_B2N = halves_B22N[:, :, 0], halves_B22N[:, :, 1]
    is_real_BN = operators_B2N[:, 0] >= 0
    cost_B2N = costs[operators_B2N]
    is_lookback_B2N = inputs_B2N < 0
    is_block_input_B2N = ~is_lookback_B2N & is_real_BN[:, None]

    depth_BN, feeding_B2N, is_read_BN = _along_the_graph(inputs_B2N, is_real_BN, cost_B2N)
    is_output_BN = is_real_BN & ~is_read_BN
    num_blocks_N = is_real_BN.sum(axis=0)
    num_outputs_N = is_output_BN.sum(axis=0)
    sum_N = cost_B2N.sum(axis=(0, 1))
    lookback_sum_N = np.where(is_lookback_B2N, cost_B2N, 0.0).sum(axis=(0, 1))
    paths_BN = (cost_B2N + feeding_B2N).max(axis=1, initial=0.0)
    heaviest_N = np.where(is_output_BN, paths_BN, 0.0).max(axis=0, initial=0.0)
    has_cost_N = sum_N > 0
    divisor_N = np.where(has_cost_N, sum_N, 1.0)

    out_N9[:, 0] = num_blocks_N
    out_N9[:, 1] = np.where(num_blocks_N > 0, cells_stacked_N, 0)
    out_N9[:, 2] = sum_N
    out_N9[:, 3] = _has_several_lookbacks(inputs_B2N, is_lookback_B2N)
    out_N9[:, 4] = np.where(has_cost_N, lookback_sum_N / divisor_N, 1.0)
    out_N9[:, 5] = is_block_input_B2N.sum(axis=(0, 1))
    out_N9[:, 6] = depth_BN.max(axis=0, initial=0)
    out_N9[:, 7] = np.where(num_outputs_N > 1, num_outputs_N, 0)
    out_N9[:, 8] = np.where(has_cost_N, heaviest_N / divisor_N, 1.0)


def _along_the_graph(
    inputs_B2N: np.ndarray, is_real_BN: np.ndarray, cost_B2N: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Depth of each block (B, N); cost of all operators that feed each half (B, 2, N); which blocks another
    reads (B, N).

    The blocks that feed a block are kept as a set of bits, so that an operator counts once however many
    ways lead to it.
    """
    num_blocks, _, num_cells = inputs_B2N.shape
    assert num_blocks < 63, num_blocks
    # One row more than blocks: the last stands for "no block", with depth 0 and nothing that feeds it.
    depth = np.zeros((num_blocks + 1, num_cells), dtype=np.int16)
    feeders = np.zeros((num_blocks + 1, num_cells), dtype=np.int16 if num_blocks < 15 else np.int64)
    fed_cost = np.zeros((num_blocks + 1, num_cells))
    feeding_B2N = np.zeros(inputs_B2N.shape)
    is_read = np.zeros((num_blocks + 1, num_cells), dtype=bool)
    column_N = np.arange(num_cells)  # int64: row times num_cells does not fit into an input's int16
    block_cost_BN = cost_B2N.sum(axis=1)
    for b in range(num_blocks):
        sources = [
            np.where(is_real_BN[b] & (inputs_B2N[b, half] >= 0), inputs_B2N[b, half], num_blocks).astype(
                np.int64
            )
            * num_cells
            + column_N
            for half in (0, 1)
        ]
        depths = [depth.ravel().take(source) for source in sources]
        depth[b] = np.maximum(depths[0], depths[1]) + is_real_BN[b]
        feeders[b] = feeders.ravel().take(sources[0]) | feeders.ravel().take(sources[1]) | (1 << b)
        fed_cost[b] = block_cost_BN[b]
        for other in range(b):
            fed_cost[b] += block_cost_BN[other] * ((feeders[b] >> other) & 1)
        for half, source in enumerate(sources):
            feeding_B2N[b, half] = fed_cost.ravel().take(source)
            is_read.ravel()[source] = True
    return depth[:-1], feeding_B2N, is_read[:-1]


def _has_several_lookbacks(inputs_B2N: np.ndarray, is_lookback_B2N: np.ndarray) -> np.ndarray:
    """Whether more than one distinct lookback is used: (N,) bool."""
    lowest = np.where(is_lookback_B2N, inputs_B2N, 0).min(axis=(0, 1), initial=0)
    highest = np.where(is_lookback_B2N, inputs_B2N, np.iinfo(np.int16).min).max(
        axis=(0, 1), initial=np.iinfo(np.int16).min
    )
    return (lowest < 0) & (lowest != highest)


def score_feature_names(space: SearchSpace) -> list[str]:
    """The columns of `score_features`, in order."""
    blocks = range(space.num_blocks)
    lookbacks = range(-1, -space.lookback_depth - 1, -1)
    return [
        "blocks",
        "cells_stacked",
        *(
            f"operator {half} of block {b} is {name}"
            for b in blocks
            for half in (0, 1)
            for name in space.operators
        ),
        *(f"uses lookback {lookback}" for lookback in lookbacks),
        *(f"lookback {lookback} feeds block {b}" for b in blocks for lookback in lookbacks),
        *(f"block {source} feeds block {b}" for b in blocks for source in range(b)),
    ]


def score_features(cells_NB4: np.ndarray, cells_stacked: np.ndarray, space: SearchSpace) -> np.ndarray:
    """Tabular features of the score: (N, len(score_feature_names(space))) float32.

    Of docs/search.md, "Predictors": blocks, cells stacked, the operator at each position (one column per
    position and operator), which lookbacks are used, lookback-to-block and block-to-block incidence (number
    of halves). They depend on the order of the blocks: hand in canonical cells, or equivalent ones as
    augmentation.
    """
    num_cells, num_blocks = cells_NB4.shape[:2]
    assert num_blocks <= space.num_blocks, (num_blocks, space.num_blocks)
    inputs_NB2, operators_NB2 = cells_NB4[:, :, 0::2], cells_NB4[:, :, 1::2]
    is_real_NB = operators_NB2[:, :, 0] >= 0

    is_operator = np.zeros((num_cells, space.num_blocks, 2, len(space.operators)), dtype=np.float32)
    is_operator[:, :num_blocks] = operators_NB2[..., None] == np.arange(len(space.operators))
    lookbacks = np.arange(-1, -space.lookback_depth - 1, -1)
    from_lookback = np.zeros((num_cells, space.num_blocks, space.lookback_depth), dtype=np.float32)
    from_lookback[:, :num_blocks] = (inputs_NB2[..., None] == lookbacks).sum(axis=2)
    from_block = np.zeros((num_cells, space.num_blocks, space.num_blocks), dtype=np.float32)
    from_block[:, :num_blocks] = (inputs_NB2[..., None] == np.arange(space.num_blocks)).sum(axis=2)
    from_block[:, :num_blocks] *= is_real_NB[..., None]
    later, earlier = np.tril_indices(space.num_blocks, -1)
    num_blocks_N = is_real_NB.sum(axis=1)
    return np.concatenate(
        [
            num_blocks_N[:, None].astype(np.float32),
            np.where(num_blocks_N > 0, cells_stacked, 0)[:, None].astype(np.float32),
            is_operator.reshape(num_cells, -1),
            from_lookback.any(axis=1).astype(np.float32),
            from_lookback.reshape(num_cells, -1),
            from_block[:, later, earlier],
        ],
        axis=1,
    )
