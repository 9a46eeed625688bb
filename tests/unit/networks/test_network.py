"""Networks as modules: shapes, heads, equal weights for equal seeds, lengths, drop path, export."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from popnas.cells import Cell
from popnas.errors import OperatorError
from popnas.networks import NetworkSpec, build
from popnas.networks.cell import CellModule
from popnas.networks.plan import CellPlan, Feature, LookbackPlan

from .drawing import random_cells, spaces, specs

IMAGES = NetworkSpec(macro="classification", input_shape=(12, 12, 3), num_classes=4, filters=8, motifs=2)
SERIES = IMAGES.replace(input_shape=(25, 2))
CELL = Cell.parse("[(-2, 3x3 conv, -1, 2x2 maxpool);(0, 3x3 dconv, -1, identity)]")
SERIES_CELL = Cell.parse("[(-2, 7 conv, -1, lstm);(0, gru, -1, identity)]")


def images(batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, 3, 12, 12, generator=torch.Generator().manual_seed(1))


@settings(max_examples=8, deadline=None)
@given(st.data(), st.integers(0, 10**6))
def test_any_cell_in_any_network_gives_finite_logits_and_gradients(data: st.DataObject, seed: int) -> None:
    spec = data.draw(specs())
    cell = random_cells(data.draw(spaces(spec.num_dims)), 1, seed)[-1]
    network = build(cell, spec)
    logits = network(torch.randn(3, spec.input_channels, *spec.input_size))
    assert len(logits) == len(network.head_weights) >= 1
    assert all(head.shape == (3, spec.num_classes) for head in logits)
    sum(head.sum() for head in logits).backward()
    assert all(weight.grad is not None for weight in network.parameters()), "a weight that nothing reads"
    assert all(bool(weight.grad.isfinite().all()) for weight in network.parameters())


def test_equivalent_cells_get_equal_networks_under_an_equal_seed() -> None:
    swapped = Cell.parse("[(-1, 2x2 maxpool, -2, 3x3 conv);(-1, identity, 0, 3x3 dconv)]")
    networks = []
    for cell in (CELL, swapped):
        torch.manual_seed(5)
        networks.append(build(cell, IMAGES))
    first, second = (network.state_dict() for network in networks)
    assert list(first) == list(second)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert networks[0].cell == networks[1].cell == CELL.canonical()


def test_weights_bear_readable_names() -> None:
    names = list(build(CELL, IMAGES).state_dict())
    assert "cells.3.blocks.0.left.convolution.weight" in names
    assert "cells.0.compress.convolution.weight" not in names  # a single unused block is passed as it is
    assert "heads.0.dense.weight" in names
    assert any(name.startswith("cells.0.residual.") for name in names)


def test_the_empty_cell_is_a_head_on_the_input() -> None:
    network = build(Cell(()), IMAGES.replace(multi_output=True))
    assert network.cells_stacked == 0
    assert network.head_weights == (1.0,)
    torch.testing.assert_close(network(images())[0], network.heads[0].dense(images().mean((2, 3))))


@pytest.mark.parametrize("stem", ["conv", "half", "quarter"])
def test_what_the_stem_makes_is_what_the_first_cells_read(stem: str) -> None:
    torch.manual_seed(0)
    network = build(CELL, IMAGES.replace(stem=stem)).eval()
    start = network.stem(images())
    assert start.shape == (2, 8, *[12 // {"conv": 1, "half": 2, "quarter": 4}[stem]] * 2)
    torch.testing.assert_close(
        network.cells(start)[1], network.cells[1](network.cells[0](start, start), start)
    )
    torch.testing.assert_close(network(images())[0], network.heads[0](network.cells(start)[-1]))
    empty = build(Cell(()), IMAGES.replace(stem=stem)).eval()
    torch.testing.assert_close(empty(images())[0], empty.heads[0].dense(empty.stem(images()).mean((2, 3))))


def test_identity_cells_without_residual_double_what_they_read() -> None:
    """The second cell reads the first twice at equal shape: its block is x + x."""
    network = build(Cell.parse("[(-1, identity, -1, identity)]"), IMAGES.replace(residual_cells=False)).eval()
    outputs = network.cells(images())
    torch.testing.assert_close(outputs[1], 2 * outputs[0])
    averaged = IMAGES.replace(residual_cells=True, block_join_operator="avg")
    outputs = build(Cell.parse("[(-1, identity, -1, identity)]"), averaged).eval().cells(images())
    torch.testing.assert_close(outputs[1], 2 * outputs[0])  # the average and the residual


def test_squeeze_and_excitation_comes_before_the_residual() -> None:
    spec = IMAGES.replace(se_cell_output=True, block_join_operator="avg")
    network = build(Cell.parse("[(-1, identity, -1, identity)]"), spec).eval()
    assert not any(
        ".squeeze_excite." in name and name.endswith("bias") for name, _ in network.named_parameters()
    )
    for cell in network.cells:
        nn.init.zeros_(cell.squeeze_excite.excite.weight)  # the gate is a half everywhere
    outputs = network.cells(images())
    torch.testing.assert_close(outputs[1], 1.5 * outputs[0])


def test_padding_behind_the_end_of_a_series_does_not_enter_the_average() -> None:
    spec = SERIES.replace(has_lengths=True)
    network = build(Cell(()), spec)
    x_BCL = torch.randn(2, 2, 25)
    lengths_B = torch.tensor([25, 10])
    changed = x_BCL.clone()
    changed[1, :, 10:] = 7.0
    (logits,) = network(x_BCL, lengths_B)
    torch.testing.assert_close(network(changed, lengths_B)[0], logits)
    torch.testing.assert_close(logits[1], network.heads[0].dense(x_BCL[1, :, :10].mean(1)))


@pytest.mark.parametrize("is_trained", [False, True])
@pytest.mark.parametrize("stem", ["conv", "half", "quarter"])
def test_with_a_stem_neither_padding_nor_other_series_change_a_result(stem: str, is_trained: bool) -> None:
    torch.manual_seed(0)
    network = build(SERIES_CELL, SERIES.replace(stem=stem, has_lengths=True)).train(is_trained)
    x_BCL, lengths_B = torch.randn(3, 2, 25), torch.tensor([25, 10, 3])
    (logits,) = network(x_BCL, lengths_B)
    longer = torch.nn.functional.pad(x_BCL, (0, 14))
    longer[1, :, 10:] = 7.0
    torch.testing.assert_close(network(longer, lengths_B)[0], logits)
    if not is_trained:
        torch.testing.assert_close(network(x_BCL[2:, :, :3], lengths_B[2:])[0], logits[2:])


def test_a_series_of_full_length_is_averaged_as_one_without_lengths() -> None:
    torch.manual_seed(0)
    masked = build(SERIES_CELL, SERIES.replace(has_lengths=True)).eval()
    torch.manual_seed(0)
    plain = build(SERIES_CELL, SERIES).eval()
    x_BCL = torch.randn(2, 2, 25)
    torch.testing.assert_close(masked(x_BCL, torch.tensor([25, 25]))[0], plain(x_BCL)[0])
    with pytest.raises(AssertionError):
        masked(x_BCL)


def test_drop_path_drops_with_progress_and_never_in_evaluation() -> None:
    torch.manual_seed(0)
    network = build(CELL, IMAGES.replace(drop_path=0.6))
    for module in network.modules():
        if hasattr(module, "running_mean"):
            module.eval()
    x_BCHW = images(8)

    def is_random() -> bool:
        first, second = network.cells(x_BCHW)[-1], network.cells(x_BCHW)[-1]
        return not torch.equal(first, second)

    assert not is_random()
    network.set_progress(1.0)
    assert is_random()
    network.eval()
    assert not is_random()
    rates = [cell.blocks[0].join.rate for cell in network.cells]
    assert rates == pytest.approx([0.6 * (index + 1) / 5 for index in range(5)])


def test_an_operator_for_other_data_is_refused() -> None:
    with pytest.raises(OperatorError):
        build(Cell.parse("[(-1, 7 conv, -1, identity)]"), IMAGES)


@pytest.mark.parametrize(("size", "output"), [((3, 2), (9, 5)), ((1, 1), (4, 4))])
def test_a_lookback_that_is_too_short_is_brought_up(size: tuple[int, int], output: tuple[int, int]) -> None:
    """Only decoders have such lookbacks: here one is four times smaller than the output, the other equal."""
    full, short = Feature(5, 0, output), Feature(7, 2, size)
    out = Feature(6, 0, output)
    plan = CellPlan(
        0, 0, False, out, (LookbackPlan(0, short, out, 1, upsample=4), LookbackPlan(1, full, full, 1))
    )
    cell = Cell.parse("[(-2, 3x3 conv, -1, identity);(-1, 3x3 dconv, 0, identity)]")
    module = CellModule(cell, plan, IMAGES, 0.0)
    assert module(torch.randn(2, 7, *size), torch.randn(2, 5, *output)).shape == (2, 6, *output)
    alone = CellModule(Cell.parse("[(-1, 3x3 conv, -1, identity)]"), plan, IMAGES, 0.0)
    assert alone(torch.randn(2, 7, *size)).shape == (2, 6, 4 * size[0], 4 * size[1])


@pytest.mark.slow
def test_networks_export_with_a_dynamic_batch_and_length() -> None:
    batch = length = torch.export.Dim.DYNAMIC
    network = build(CELL, IMAGES.replace(lookback_reshape=True, se_cell_output=True)).eval()
    exported = torch.export.export(network, (images(),), dynamic_shapes={"x": {0: batch}})
    torch.testing.assert_close(exported.module()(images(5)), network(images(5)))
    cell = Cell.parse("[(-2, 7 conv, -1, 2 maxpool);(0, 7:2dr dconv, -1, identity)]")
    network = build(cell, SERIES.replace(has_lengths=True)).eval()
    given = (torch.randn(2, 2, 25), torch.tensor([25, 10]))
    shapes = {"x": {0: batch, 2: length}, "lengths_B": {0: batch}}
    exported = torch.export.export(network, given, dynamic_shapes=shapes)
    other = (torch.randn(3, 2, 40), torch.tensor([40, 10, 1]))
    torch.testing.assert_close(exported.module()(*other), network(*other))
