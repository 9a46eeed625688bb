"""Which cells are built, what their lookbacks read, depths, sizes and strides."""

from __future__ import annotations

import pytest

from popnas.cells import Cell
from popnas.networks.building import num_cells_stacked
from popnas.networks.plan import (
    Feature,
    built_positions,
    head_dropouts,
    head_positions,
    head_weights,
    see,
    stack_plan,
)
from popnas.networks.spec import NetworkSpec

SPEC = NetworkSpec(macro="classification", input_shape=(32, 32, 3), num_classes=10)


def test_a_cell_that_reads_the_previous_one_is_built_everywhere() -> None:
    stack = stack_plan(-1, 2, SPEC)
    assert [cell.position for cell in stack.cells] == list(range(8))
    assert [cell.is_reduction for cell in stack.cells] == [
        False,
        False,
        True,
        False,
        False,
        True,
        False,
        False,
    ]
    assert [cell.output.channels for cell in stack.cells] == [24, 24, 48, 48, 48, 96, 96, 96]
    assert [cell.output.size for cell in stack.cells] == [(32, 32)] * 2 + [(16, 16)] * 3 + [(8, 8)] * 3


def test_the_first_cells_lookbacks_are_the_input_with_its_depth() -> None:
    first, second = stack_plan(-1, 2, SPEC).cells[:2]
    assert [lookback.source for lookback in first.lookbacks] == [-1, -1]
    assert [lookback.feature.channels for lookback in first.lookbacks] == [3, 3]
    assert [lookback.source for lookback in second.lookbacks] == [0, -1]


@pytest.mark.parametrize(
    ("stem", "sizes"), [("conv", [(45, 7)]), ("half", [(23, 4)]), ("quarter", [(23, 4), (12, 2)])]
)
def test_a_stem_stands_before_all_cells_and_takes_no_depth(stem: str, sizes: list[tuple[int, ...]]) -> None:
    spec = SPEC.replace(input_shape=(45, 7, 3), stem=stem)
    stack, plain = stack_plan(-1, 2, spec), stack_plan(-1, 2, SPEC)
    assert [feature.size for feature in stack.stem] == [(45, 7), *sizes]
    assert [feature.channels for feature in stack.stem] == [3] + [24] * len(sizes)
    first, second = stack.cells[:2]
    assert [lookback.feature for lookback in first.lookbacks] == [stack.stem[-1]] * 2
    assert second.lookback(-2).feature == stack.stem[-1]
    assert [(cell.output.channels, cell.lookback(-1).stride) for cell in stack.cells] == [
        (cell.output.channels, cell.lookback(-1).stride) for cell in plain.cells
    ]
    halvings = stack.stem[-1].level
    assert [cell.output.level - halvings for cell in stack.cells] == [c.output.level for c in plain.cells]


@pytest.mark.parametrize(
    ("nearest", "positions"), [(-1, range(8)), (-2, (1, 3, 5, 7)), (-3, (1, 4, 7)), (0, ())]
)
def test_built_are_the_cells_that_the_last_one_reaches(nearest: int, positions: tuple[int, ...]) -> None:
    assert built_positions(nearest, 8) == tuple(positions)
    assert len(stack_plan(nearest, 3, SPEC).cells) == len(positions)


def test_a_lookback_on_a_cell_that_is_not_built_takes_the_nearest_built_one_before_it() -> None:
    stack = stack_plan(-2, 3, SPEC)  # built: 1, 3, 5, 7
    by_position = {cell.position: cell for cell in stack.cells}
    assert [stack.cells[by_position[7].lookback(number).source].position for number in (-1, -2, -3)] == [
        5,
        5,
        3,
    ]
    assert by_position[1].lookback(-2).source == -1
    assert by_position[3].lookback(-3).source == -1


def test_strides_count_the_reductions_that_a_lookback_skips() -> None:
    stack = stack_plan(-3, 3, SPEC)  # built: 1, 4 (behind one reduction), 7 (behind two)
    assert [cell.lookback(-3).stride for cell in stack.cells] == [1, 2, 2]
    assert stack.cells[2].output.level == 2
    narrow = SPEC.replace(normal_cells_per_motif=0, motifs=4)
    assert [cell.lookback(-2).stride for cell in stack_plan(-1, 2, narrow).cells] == [2, 4, 4]


def test_strides_do_not_vanish_when_a_size_cannot_be_halved_any_more() -> None:
    tiny = SPEC.replace(input_shape=(1, 1, 3))
    assert [cell.lookback(-1).stride for cell in stack_plan(-1, 2, tiny).cells] == [1, 1, 2, 1, 1, 2, 1, 1]


def test_odd_sizes_are_halved_upwards() -> None:
    series = SPEC.replace(input_shape=(25, 2))
    assert stack_plan(-1, 2, series).last.size == (7,)


def test_reshaped_lookbacks_are_the_larger_ones_of_normal_cells() -> None:
    stack = stack_plan(-1, 2, SPEC.replace(lookback_reshape=True))
    reshaped = [(c.position, n) for c in stack.cells for n in (-1, -2) if c.lookback(n).reshape_stride > 1]
    assert reshaped == [(3, -2), (6, -2)]
    assert stack.cells[3].lookback(-2).seen == stack.cells[3].output
    assert stack.cells[3].lookback(-2).stride == 1
    assert stack.cells[2].lookback(-1).stride == 2


def test_an_input_shorter_than_the_output_is_brought_up() -> None:
    short, output = Feature(96, 2, (8, 8)), Feature(24, 0, (31, 31))
    assert see(short, output, False) == (output, 1, 1, 4)


def test_cells_stacked_of_one_cell_and_of_an_array_agree() -> None:
    cells = [Cell.parse("[]"), Cell.parse("[(-1, a, -2, a)]"), Cell.parse("[(-2, a, -2, a);(0, a, -2, a)]")]
    from popnas.cells import SearchSpace

    array = SearchSpace(["a"], 2, 2).encode(cells)
    assert num_cells_stacked(array, SPEC).tolist() == [0, 8, 4]
    assert [int(num_cells_stacked(cell, SPEC)[0]) for cell in cells] == [0, 8, 4]


@pytest.mark.parametrize(
    ("num_built", "positions"), [(0, (-1,)), (1, (0,)), (2, (0, 1)), (3, (1, 2)), (4, (2, 3)), (8, (5, 7))]
)
def test_networks_after_the_search_have_two_heads(num_built: int, positions: tuple[int, ...]) -> None:
    spec = SPEC.replace(is_post_search=True, multi_output=True)
    assert head_positions(num_built, spec) == positions
    assert head_weights(num_built, spec) == ((0.25, 0.75) if len(positions) == 2 else (1.0,))


def test_multi_output_has_a_head_on_every_built_cell() -> None:
    spec = SPEC.replace(multi_output=True, softmax_dropout=0.4)
    assert head_positions(4, spec) == (0, 1, 2, 3)
    assert head_weights(4, spec) == (1 / 16, 1 / 8, 1 / 4, 1 / 2)
    assert head_dropouts(4, spec) == pytest.approx((0.1, 0.2, 0.3, 0.4))
    assert head_weights(0, spec) == (1.0,)
    assert head_weights(4, SPEC) == (1.0,)
