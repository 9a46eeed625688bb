"""Bytes over the cuts between built cells."""

from __future__ import annotations

from popnas.cells import Cell
from popnas.networks.cost import partitions
from popnas.networks.spec import NetworkSpec

SPEC = NetworkSpec(macro="classification", input_shape=(8, 8, 3), num_classes=10, filters=4, motifs=2)
INPUT, HIGH, LOW = 4 * 8 * 8 * 3, 4 * 8 * 8 * 4, 4 * 4 * 4 * 8


def test_a_chain_moves_one_tensor_over_each_cut() -> None:
    assert partitions(Cell.parse("[(-1, 3x3 conv, -1, identity)]"), SPEC) == {
        "input -> cell_0": INPUT,
        "cell_0 -> cell_1": HIGH,
        "cell_1 -> cell_2": HIGH,
        "cell_2 -> cell_3": LOW,
        "cell_3 -> cell_4": LOW,
    }


def test_a_tensor_that_skips_cells_counts_on_every_cut_and_once() -> None:
    assert partitions(Cell.parse("[(-1, 3x3 conv, -2, identity)]"), SPEC) == {
        "input -> cell_0": INPUT,
        "cell_0 -> cell_1": HIGH + INPUT,
        "cell_1 -> cell_2": HIGH + HIGH,
        "cell_2 -> cell_3": LOW + HIGH,
        "cell_3 -> cell_4": LOW + LOW,
    }


def test_only_built_cells_are_numbered() -> None:
    assert partitions(Cell.parse("[(-2, 3x3 conv, -2, identity)]"), SPEC) == {
        "input -> cell_0": INPUT,
        "cell_0 -> cell_1": HIGH,
        "cell_1 -> cell_2": LOW,
    }


def test_the_empty_cell_has_no_cut() -> None:
    assert partitions(Cell(()), SPEC) == {}


def test_what_the_stem_makes_stands_where_the_input_stood() -> None:
    spec = SPEC.replace(stem="half")
    start, low = 4 * 4 * 4 * 4, 4 * 2 * 2 * 8
    assert partitions(Cell.parse("[(-1, 3x3 conv, -2, identity)]"), spec) == {
        "input -> stem": INPUT,
        "stem -> cell_0": start,
        "cell_0 -> cell_1": start + start,
        "cell_1 -> cell_2": start + start,
        "cell_2 -> cell_3": low + start,
        "cell_3 -> cell_4": low + low,
    }
    assert partitions(Cell(()), spec) == {"input -> stem": INPUT}
