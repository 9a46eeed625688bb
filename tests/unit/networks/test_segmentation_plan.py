"""Segmentation without modules: which cells are built, what the decoders read, costs of the small parts."""

from __future__ import annotations

import pytest

from popnas.cells import Cell
from popnas.networks import network_cost, num_cells_stacked, partitions
from popnas.networks.decoder_plan import encoder_outputs, fixed_decoder_plan
from popnas.networks.plan import Feature, Skip, encoder_decoder_plan, stack_plan
from popnas.networks.spec import NetworkSpec

FIXED = NetworkSpec(
    macro="segmentation_fixed",
    input_shape=(45, 37, 3),
    num_classes=4,
    filters=4,
    motifs=3,
    normal_cells_per_motif=2,
)
CELLS = FIXED.replace(macro="segmentation_cells")
CHAIN = Cell.parse("[(-1, 3x3 conv, -1, identity)]")


@pytest.mark.parametrize(
    ("motifs", "levels", "last"),
    [(1, [], 0), (2, [], 1), (3, [], 2), (4, [1], 1), (5, [2], 2), (6, [3, 1], 1), (7, [4, 2], 2)],
)
def test_units_of_the_fixed_decoder_climb_two_levels_each(motifs: int, levels: list[int], last: int) -> None:
    spec = FIXED.replace(motifs=motifs)
    plan = fixed_decoder_plan(stack_plan(-1, 1, spec), spec)
    assert [unit.output.level for unit in plan.units] == levels
    assert [unit.skip_channels for unit in plan.units] == [4 * 2**level // 2 for level in levels]
    assert plan.last.level == last
    assert plan.last.channels == plan.bottleneck.channels == 4 * 2 ** (motifs - 1)


@pytest.mark.parametrize(("stem", "halvings"), [("conv", 0), ("half", 1), ("quarter", 2)])
def test_a_stem_moves_the_decoder_and_its_last_upsampling_grows(stem: str, halvings: int) -> None:
    spec = FIXED.replace(motifs=4, stem=stem)
    plain, moved = (
        fixed_decoder_plan(stack_plan(-1, 1, each), each) for each in (spec.replace(stem=None), spec)
    )
    assert [unit.output.level for unit in moved.units] == [
        unit.output.level + halvings for unit in plain.units
    ]
    assert [unit.skip.source for unit in moved.units] == [unit.skip.source for unit in plain.units]
    assert moved.last.level == plain.last.level + halvings
    cells = encoder_decoder_plan(-1, 2, spec.replace(macro="segmentation_cells"))
    assert cells.last == Feature(4, halvings, cells.start.size)


def test_a_unit_reads_the_last_cell_of_its_level() -> None:
    spec = FIXED.replace(motifs=4)
    stack = stack_plan(-1, 1, spec)
    (unit,) = fixed_decoder_plan(stack, spec).units
    assert stack.cells[unit.skip.source].position == 4  # reduction cell 2, normal cells 3 and 4
    assert (unit.skip.feature.size, unit.skip.stride) == ((23, 19), 1)


def test_a_level_without_a_cell_is_read_from_the_nearest_one_before_it() -> None:
    spec = FIXED.replace(motifs=4)
    (unit,) = fixed_decoder_plan(stack_plan(-20, 1, spec), spec).units
    assert unit.skip == Skip(-1, Feature(3, 0, (45, 37)), 2)
    assert unit.skip_channels == 4
    assert partitions(Cell.parse("[(-20, 3x3 conv, -20, identity)]"), spec) == {
        "input -> cell_0": 4 * 45 * 37 * 3
    }


def test_the_stand_in_has_the_levels_that_the_decoder_reads() -> None:
    spec = FIXED.replace(motifs=6)
    assert [feature.level for feature in encoder_outputs(stack_plan(0, 1, spec), spec)] == [1, 3, 5]
    assert num_cells_stacked(Cell(()), spec).tolist() == [0]
    assert partitions(Cell(()), spec) == {}


def test_cells_of_the_decoder_follow_those_of_the_encoder() -> None:
    cells = encoder_decoder_plan(-1, 2, CELLS).cells
    assert [cell.output.level for cell in cells] == [0, 0, 1, 1, 1, 2, 2, 2, 1, 1, 1, 0, 0, 0]
    assert [cell.output.channels for cell in cells[-4:]] == [8, 4, 4, 4]
    assert [cell.index for cell in cells if cell.is_reduction] == [2, 5]
    merges = {cell.index: cell.lookback(-1).merge for cell in cells if cell.lookback(-1).merge}
    assert merges == {8: Skip(4, cells[4].output, 1), 11: Skip(1, cells[1].output, 1)}
    # What is not the nearest lookback is only brought up.
    assert [cell.index for cell in cells if cell.lookback(-2).upsample > 1] == [8, 9, 11, 12]
    assert not any(cell.lookback(-2).merge for cell in cells)


def test_cells_that_skip_the_first_of_a_level_merge_at_their_own_first() -> None:
    """With -2 alone every second cell is built, counted from the last: 13, 11, 9, 7, 5, 3, 1."""
    cells = encoder_decoder_plan(-2, 2, CELLS).cells
    assert [cell.position for cell in cells] == [1, 3, 5, 7, 9, 11, 13]
    merged = {cell.position: cell.lookback(-2).merge for cell in cells if cell.lookback(-2).merge}
    assert {position: cells[merge.source].position for position, merge in merged.items()} == {9: 3, 11: 1}


def test_a_decoder_reached_by_one_long_step_has_nothing_to_merge() -> None:
    (cell,) = encoder_decoder_plan(-20, 20, CELLS).cells
    assert (cell.output.level, cell.lookback(-20).upsample, cell.lookback(-20).merge) == (0, 1, None)


def test_two_levels_at_once_are_brought_up_by_four() -> None:
    cells = encoder_decoder_plan(-4, 4, CELLS).cells  # 13 and 9 up, 5 (behind both reductions), 1
    assert [cell.output.level for cell in cells] == [0, 2, 1, 0]
    narrow = encoder_decoder_plan(-3, 3, CELLS.replace(normal_cells_per_motif=0, motifs=4)).cells
    assert [cell.position for cell in narrow] == [2, 5]
    assert narrow[1].lookback(-3).upsample == 8
    assert narrow[1].lookback(-3).merge == Skip(-1, Feature(3, 0, (45, 37)), 1)


def test_skips_cross_the_cuts_up_to_where_they_are_merged() -> None:
    spec = CELLS.replace(motifs=2, normal_cells_per_motif=1, input_shape=(8, 8, 3))
    high, low = 4 * 8 * 8 * 4, 4 * 4 * 4 * 8
    assert partitions(CHAIN, spec) == {
        "input -> cell_0": 4 * 8 * 8 * 3,
        "cell_0 -> cell_1": high,
        "cell_1 -> cell_2": high + low,
        "cell_2 -> cell_3": high + low,
        "cell_3 -> cell_4": high,
    }


def test_the_fixed_decoder_reads_what_crosses_up_to_the_last_cell() -> None:
    spec = FIXED.replace(motifs=4, normal_cells_per_motif=0, input_shape=(8, 8, 3))
    sizes = [4 * 4 * 4 * 8, 4 * 2 * 2 * 16]
    assert partitions(CHAIN, spec) == {
        "input -> cell_0": 4 * 8 * 8 * 3,
        "cell_0 -> cell_1": sizes[0],
        "cell_1 -> cell_2": sizes[0] + sizes[1],
    }


def test_what_is_not_cells_costs_what_the_layers_say() -> None:
    """Two levels, image 8x8: the sums of the layers' weights by hand."""
    pyramid = (8 * 4 + 8) * 2 + 3 * (9 * 8 * 4 + 8) + (20 * 8 + 16)
    fixed = FIXED.replace(motifs=2, input_shape=(8, 8, 3))
    assert network_cost(Cell(()), fixed).params == (3 * 8 + 16) + pyramid + (8 * 4 + 4)
    stand_in = (3 * 4 + 8) + (4 * 8 + 16)
    merge = (4 * 8 * 4 + 8) + (8 * 4 + 8)
    cells = fixed.replace(macro="segmentation_cells")
    assert network_cost(Cell(()), cells).params == stand_in + merge + (4 * 4 + 4)
    weights = 3 * 4 * 64 + 4 * 8 * 16 + 4 * 8 * 4 * 16 + 8 * 4 * 64 + 4 * 4 * 64
    assert network_cost(Cell(()), cells).flops == 2 * weights
