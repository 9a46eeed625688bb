"""Segmentation networks as modules: any size, heads, costs as built, drop path, the empty cell, export."""

from __future__ import annotations

import io
import warnings

import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from popnas.cells import Cell
from popnas.layers import Upsample
from popnas.networks import NetworkSpec, build, bulk_costs, network_cost
from popnas.networks.heads import PixelHead
from popnas.networks.measured import measured_cost, num_trainable

from .drawing import random_cells, segmentation_specs, spaces

FIXED = NetworkSpec(
    macro="segmentation_fixed",
    input_shape=(24, 32, 3),
    num_classes=4,
    filters=4,
    motifs=4,
    normal_cells_per_motif=1,
)
DECODERS = [FIXED, FIXED.replace(macro="segmentation_cells")]
CELL = Cell.parse("[(-2, 3x3 conv, -1, 2x2 maxpool);(0, 3x3 dconv, -1, identity)]")
SKIPPING = Cell.parse("[(-2, 3x3 conv, -2, identity)]")

both = pytest.mark.parametrize("spec", DECODERS, ids=lambda spec: spec.macro)
cells = pytest.mark.parametrize("cell", [CELL, SKIPPING, Cell(())], ids=["chain", "skipping", "empty"])


def images(height: int, width: int, batch: int = 2) -> Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(height))


@settings(max_examples=15, deadline=None)
@given(st.data(), st.integers(0, 10**6))
def test_params_in_bulk_are_those_of_the_built_networks(data: st.DataObject, seed: int) -> None:
    spec = data.draw(segmentation_specs())
    space = data.draw(spaces(2))
    drawn = random_cells(space, 1, seed)
    params_N = bulk_costs(space.encode(drawn, space.num_blocks), space, spec).params
    for cell, params in zip(drawn, params_N.tolist(), strict=True):
        with torch.device("meta"):
            assert num_trainable(build(cell, spec)) == params, cell


@settings(max_examples=5, deadline=None)
@given(st.data(), st.integers(0, 10**6))
def test_flops_are_those_of_the_operations_that_run(data: st.DataObject, seed: int) -> None:
    spec = data.draw(segmentation_specs())
    cell = data.draw(st.sampled_from(random_cells(data.draw(spaces(2)), 1, seed)))
    assert network_cost(cell, spec) == measured_cost(cell, spec), cell


@settings(max_examples=5, deadline=None)
@given(st.data(), st.integers(0, 10**6))
def test_any_cell_gives_finite_logits_per_pixel_and_gradients(data: st.DataObject, seed: int) -> None:
    """At a size that is not the spec's."""
    spec = data.draw(segmentation_specs())
    network = build(random_cells(data.draw(spaces(2)), 1, seed)[-1], spec)
    height, width = data.draw(st.integers(1, 20)), data.draw(st.integers(1, 20))
    logits = network(torch.randn(2, spec.input_channels, height, width))
    assert len(logits) == len(network.head_weights) >= 1
    assert all(head.shape == (2, spec.num_classes, height, width) for head in logits)
    assert all(bool(head.isfinite().all()) for head in logits)
    sum(head.sum() for head in logits).backward()
    assert all(weight.grad is not None for weight in network.parameters()), "a weight that nothing reads"


@both
@pytest.mark.parametrize(
    "name", ["3x3:2z zconv", "3x3:4z zconv", "3x3:2dr conv", "3x3:6dr conv", "5x5:4dr dconv", "3x3 tconv"]
)
def test_operators_that_change_sizes_inside_work_at_odd_sizes(spec: NetworkSpec, name: str) -> None:
    network = build(Cell.parse(f"[(-2, {name}, -1, {name})]"), spec).eval()
    for height, width in ((1, 1), (7, 31), (25, 33), (37, 53)):
        assert network(images(height, width, 1))[-1].shape == (1, 4, height, width)


@both
def test_every_built_cell_bears_a_head_and_the_last_is_the_main_one(spec: NetworkSpec) -> None:
    network = build(CELL, spec.replace(multi_output=True, softmax_dropout=0.4))
    count = network.cells_stacked
    assert len(network.heads) == count == (7 if spec.macro == "segmentation_fixed" else 13)
    assert network.head_weights == tuple(0.5 ** (count - index) for index in range(count))
    rates = [head.dropout.p for head in network.heads]
    assert rates == pytest.approx([0.4 * (index + 1) / count for index in range(count)])
    assert all(head.shape == (2, 4, 13, 9) for head in network(images(13, 9)))


@both
def test_networks_after_the_search_have_two_heads(spec: NetworkSpec) -> None:
    network = build(CELL, spec.replace(is_post_search=True))
    assert network.head_weights == (0.25, 0.75)
    assert network.read_by_heads[0] == round(0.66 * (network.cells_stacked - 1))
    assert [tuple(head.shape) for head in network(images(9, 14))] == [(2, 4, 9, 14)] * 2


@both
def test_the_empty_cell_stands_for_all_that_is_not_cells(spec: NetworkSpec) -> None:
    empty, full = (build(cell, spec.replace(multi_output=True)) for cell in (Cell(()), CELL))
    assert empty.cells_stacked == 0
    assert empty.head_weights == (1.0,)
    beside = {name for name, _ in full.named_parameters() if name.startswith("decoder.")}
    assert beside <= {name for name, _ in empty.named_parameters()}
    levels = [tuple(y.shape[1:]) for y in empty.stand_in(images(25, 33))]
    if spec.macro == "segmentation_fixed":
        assert levels == [(8, 13, 17), (32, 4, 5)]
    else:
        assert levels == [(4, 25, 33), (8, 13, 17), (16, 7, 9), (32, 4, 5)]


def test_classes_may_be_told_before_the_upsampling() -> None:
    """What the head computes is the 1x1 convolution of the upsampled map."""
    head = PixelHead(2, 6, 3, dropout=0.0, level=2)
    nn.init.normal_(head.classify.bias)
    x_BCHW = torch.randn(2, 6, 5, 4)
    expected = head.classify(Upsample(2, 4)(x_BCHW, (18, 16)))
    torch.testing.assert_close(head(x_BCHW, (18, 16)), expected)


def test_the_skip_is_merged_into_what_blocks_and_residual_see() -> None:
    spec = FIXED.replace(macro="segmentation_cells", motifs=2)
    network = build(Cell.parse("[(-1, identity, -1, identity)]"), spec).eval()
    outputs = network.cells(images(13, 9))
    merged = network.cells[3].merge(outputs[2], outputs[0])
    assert merged.shape == (2, 4, 13, 9)
    torch.testing.assert_close(outputs[3], 3 * merged)  # identity twice and the residual
    assert [cell.merge is not None for cell in network.cells] == [False, False, False, True, False]


@both
def test_drop_path_follows_progress_up_to_the_last_cell(spec: NetworkSpec) -> None:
    network = build(CELL, spec.replace(drop_path=0.6))
    count = network.cells_stacked
    rates = [cell.blocks[0].join.rate for cell in network.cells]
    assert rates == pytest.approx([0.6 * (index + 1) / count for index in range(count)])
    network.set_progress(0.5)
    assert all(float(cell.blocks[0].join.progress) == 0.5 for cell in network.cells)


@both
@cells
def test_channels_last_stays_channels_last(spec: NetworkSpec, cell: Cell) -> None:
    """A layer that falls out of it costs copies at every layer behind it."""
    network = build(cell, spec).to(memory_format=torch.channels_last)
    strayed = []

    def note(module: nn.Module, _: object, y: object) -> None:
        if isinstance(y, Tensor) and y.dim() == 4 and not y.is_contiguous(memory_format=torch.channels_last):
            strayed.append(type(module).__name__)

    for module in network.modules():
        module.register_forward_hook(note)
    network(images(25, 33).contiguous(memory_format=torch.channels_last))
    assert set(strayed) <= {"ImagePooling"}  # one value spread over a map


@both
@cells
@pytest.mark.parametrize("stem", [None, "quarter"])
def test_onnx_of_any_height_and_width(spec: NetworkSpec, cell: Cell, stem: str | None) -> None:
    """Traced at one size, right at others, also where nothing divides evenly."""
    spec = spec.replace(stem=stem)
    torch.manual_seed(0)
    network = build(cell, spec)
    network(images(24, 32, 4))  # running statistics of their own
    network.eval()
    file, dynamic = io.BytesIO(), {0: "batch", 2: "height", 3: "width"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        torch.onnx.export(
            network,
            (images(24, 32),),
            file,
            dynamo=False,
            input_names=["input"],
            output_names=["logits"],
            dynamic_axes={"input": dynamic, "logits": dynamic},
            opset_version=18,
        )
    session = onnxruntime.InferenceSession(file.getvalue())
    for batch, height, width in ((1, 24, 32), (3, 37, 51)):
        x_BCHW = images(height, width, batch)
        with torch.no_grad():
            expected = network(x_BCHW)[-1]
        found = torch.from_numpy(session.run(None, {"input": x_BCHW.numpy()})[0])
        torch.testing.assert_close(found, expected, atol=1e-5 * float(expected.abs().max()), rtol=1e-4)
