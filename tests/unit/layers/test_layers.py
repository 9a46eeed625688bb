"""Normalisation, activations, initial weights, gates, averages, attention, recurrences."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from popnas.errors import UnknownNameError
from popnas.layers import (
    ACTIVATIONS,
    BatchNorm,
    Chain,
    ConvAttention,
    ConvBNAct,
    Convolution,
    Ends,
    ImagePooling,
    Recurrent,
    SeparableConvBNAct,
    SqueezeExcite,
    TransposeConvBNAct,
    activation,
    chain,
    concatenate,
    dense,
    global_average,
)


def test_batch_norm_is_pytorchs() -> None:
    ours, theirs = BatchNorm(4), nn.BatchNorm2d(4)
    for _ in range(3):
        x = torch.randn(5, 4, 3, 2) * 2 + 1
        torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


def test_batch_norm_of_a_single_value_per_channel_uses_the_running_statistics() -> None:
    norm = BatchNorm(3)
    x = torch.randn(1, 3, 1, 1)
    torch.testing.assert_close(norm(x), x / math.sqrt(1 + 1e-5))
    assert torch.equal(norm.running_mean, torch.zeros(3))


def test_chain_keeps_what_is_there() -> None:
    layer = nn.ReLU()
    assert isinstance(chain(None), nn.Identity)
    assert chain(None, layer) is layer
    assert isinstance(chain(layer, layer), Chain)


@pytest.mark.parametrize(
    ("name", "at_minus_one"),
    [
        ("swish", -1 / (1 + math.e)),
        ("silu", -1 / (1 + math.e)),
        ("relu", 0.0),
        ("relu6", 0.0),
        ("elu", math.exp(-1) - 1),
        ("selu", 1.0507009873554805 * 1.6732632423543772 * (math.exp(-1) - 1)),
        ("gelu", -0.15865525393145707),
        ("leaky_relu", -0.2),
        ("mish", -math.tanh(math.log1p(math.exp(-1)))),
        ("tanh", math.tanh(-1)),
        ("sigmoid", 1 / (1 + math.e)),
        ("hard_sigmoid", 0.3),
        ("softplus", math.log1p(math.exp(-1))),
        ("softsign", -0.5),
        ("linear", -1.0),
        ("exponential", math.exp(-1)),
    ],
)
def test_activations_are_those_of_keras(name: str, at_minus_one: float) -> None:
    assert activation(name)(torch.tensor(-1.0)).item() == pytest.approx(at_minus_one, abs=1e-6)


def test_every_activation_is_tested_and_a_wrong_name_gets_the_nearest() -> None:
    assert len(ACTIVATIONS) == 17
    assert activation("relu6")(torch.tensor(9.0)) == 6.0
    with pytest.raises(UnknownNameError, match=r"'swich'.*Did you mean 'swish'.*softsign"):
        activation("swich")


@pytest.mark.parametrize(("shape", "axis"), [((2, 3, 4, 5), 1), ((2, 3), 1), ((2, 4, 5, 3), -1)])
def test_softmax_is_over_the_channels(shape: tuple[int, ...], axis: int) -> None:
    shares = activation("softmax", axis)(torch.randn(shape))
    torch.testing.assert_close(shares.sum(axis), torch.ones_like(shares.sum(axis)))
    assert shares.shape[axis] == 3


def test_convolutions_start_he_uniform() -> None:
    def limit(weight: torch.Tensor) -> float:
        return weight.abs().max().item()

    torch.manual_seed(0)
    conv = ConvBNAct(2, 32, 64, 3).convolution
    separable = SeparableConvBNAct(2, 512, 64, 3)
    transpose = TransposeConvBNAct(2, 32, 64, 3, stride=2).convolution
    assert conv.bias is None and transpose.bias is None
    assert limit(conv.weight) == pytest.approx(math.sqrt(6 / (32 * 9)), rel=0.01)
    assert limit(separable.depthwise.weight) == pytest.approx(math.sqrt(6 / 9), rel=0.01)
    assert limit(separable.pointwise.weight) == pytest.approx(math.sqrt(6 / 512), rel=0.01)
    assert limit(transpose.weight) == pytest.approx(math.sqrt(6 / (32 * 9 / 4)), rel=0.01)


def test_dense_layers_start_glorot_uniform() -> None:
    layer = dense(100, 60)
    assert layer.weight.abs().max().item() == pytest.approx(math.sqrt(6 / 160), rel=0.01)
    assert torch.all(layer.bias == 0)


def test_recurrences_start_glorot_orthogonal_and_remembering() -> None:
    lstm = Recurrent("lstm", 50, 10).recurrence
    assert lstm.weight_ih_l0.abs().max().item() == pytest.approx(math.sqrt(6 / 90), rel=0.02)
    torch.testing.assert_close(lstm.weight_hh_l0.T @ lstm.weight_hh_l0, torch.eye(10), rtol=0, atol=1e-5)
    assert (lstm.bias_ih_l0 + lstm.bias_hh_l0).tolist() == [0.0] * 10 + [1.0] * 10 + [0.0] * 20
    gru = Recurrent("gru", 5, 10).recurrence
    assert torch.all(gru.bias_ih_l0 == 0) and torch.all(gru.bias_hh_l0 == 0)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_recurrences_do_not_see_the_future(kind: str) -> None:
    layer = Recurrent(kind, 3, 4).eval()
    x = torch.randn(2, 3, 9)
    changed = x.clone()
    changed[:, :, 5:] += 1.0
    with torch.no_grad():
        before, after = layer(x), layer(changed)
    torch.testing.assert_close(before[:, :, :5], after[:, :, :5])
    assert not torch.allclose(before[:, :, 5:], after[:, :, 5:])


def test_squeeze_excite_scales_channels_by_the_gate() -> None:
    layer = SqueezeExcite(6, 4, bias=False)
    assert layer.squeeze.weight.shape == (2, 6) and layer.squeeze.bias is None
    x = torch.randn(3, 6, 4, 5)
    gate_BC = torch.sigmoid(layer.excite(nn.functional.silu(layer.squeeze(x.mean((2, 3))))))
    torch.testing.assert_close(layer(x), x * gate_BC[:, :, None, None])


def test_global_average_counts_only_each_series_own_steps() -> None:
    x = torch.tensor([[[1.0, 2.0, 3.0, 0.0]], [[4.0, 0.0, 0.0, 0.0]]])
    assert global_average(x.unsqueeze(2), Ends(torch.tensor([3, 1]))).tolist() == [[2.0], [4.0]]
    torch.testing.assert_close(global_average(x), x.mean(2))


def test_image_pooling_is_the_same_everywhere() -> None:
    y = ImagePooling(2, 3, 5)(torch.randn(4, 3, 6, 7))
    assert y.shape == (4, 5, 6, 7)
    torch.testing.assert_close(y, y[:, :, :1, :1].expand_as(y))


def test_attention_is_softmax_of_scaled_products() -> None:
    layer = ConvAttention(4, 3).eval()
    x = torch.randn(2, 4, 5, 6)
    query, key, value = layer.query(x), layer.key(x), layer.value(x)
    assert query.shape == (2, 3, 30, 4) and key.shape == value.shape == (2, 3, 9, 4)
    weights = torch.softmax(query @ key.transpose(2, 3) / 2.0, dim=3)
    tokens = layer.output((weights @ value).transpose(1, 2).reshape(2, 30, 12))
    torch.testing.assert_close(layer(x), tokens.transpose(1, 2).reshape(2, 4, 5, 6), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("stride", [2, 4])
def test_strided_pointwise_convolutions_of_large_maps(stride: int) -> None:
    """As torch has them, but without its weight gradient for channels-last maps of 96x96, which crashes."""
    layer = Convolution(2, 3, 8, 1, stride=stride).to(memory_format=torch.channels_last)
    x = torch.rand(2, 3, 96, 96).contiguous(memory_format=torch.channels_last).requires_grad_()
    plain_x = x.detach().double().requires_grad_()  # another kernel
    weight = layer.weight.detach().double().requires_grad_()
    expected = nn.functional.conv2d(plain_x, weight, stride=stride)
    for _ in range(5):
        layer.zero_grad()
        x.grad = None
        found = layer(x)
        found.square().sum().backward()
    expected.square().sum().backward()
    for single, double in ((found, expected), (x.grad, plain_x.grad), (layer.weight.grad, weight.grad)):
        assert single is not None and double is not None
        torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3, 6)])
def test_concatenated_maps_get_their_gradients_side_by_side(shape: tuple[int, ...]) -> None:
    leaves = [torch.rand(shape, requires_grad=True) for _ in range(2)]
    layout = torch.channels_last if len(shape) == 4 else torch.contiguous_format
    maps = [(2 * leaf).contiguous(memory_format=layout) for leaf in leaves]
    seen: list[bool] = []
    joined = concatenate(maps)
    for x in maps:
        x.register_hook(lambda gradient: seen.append(gradient.is_contiguous(memory_format=layout)))
    torch.testing.assert_close(joined, torch.cat(maps, dim=1))
    factor = torch.rand_like(joined)
    (joined * factor).sum().backward()
    for leaf, expected in zip(leaves, (2 * factor).chunk(2, dim=1), strict=True):
        torch.testing.assert_close(leaf.grad, expected)
    if len(shape) == 4:
        assert seen == [True, True]


@pytest.mark.parametrize("before", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("groups", [1, 4])
def test_depthwise_convolutions_stay_in_float32_in_mixed_precision_on_a_cpu(
    groups: int, before: torch.dtype
) -> None:
    layer = Convolution(2, 4, 4, 3, groups=groups)
    x = torch.randn(2, 4, 8, 8).to(before)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
        y.float().square().sum().backward()
    assert y.dtype == (torch.bfloat16 if groups == 1 else torch.float32)
    if groups > 1:
        assert torch.equal(y, layer(x.float()))
    assert layer.weight.grad is not None and layer.weight.grad.dtype == torch.float32
