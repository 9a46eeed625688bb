"""What the operators do, beyond what the contract suite asks of all."""

from __future__ import annotations

import torch
from torch import nn

from popnas import layers
from popnas.operators import Site, parse


def _kinds(name: str, site: Site) -> list[str]:
    """Convolutions, pools and gates of the built operator in order."""
    wanted = (layers.Convolution, nn.ConvTranspose2d, layers.MaxPool, layers.AvgPool, layers.SqueezeExcite)
    return [
        type(module).__name__ for module in parse(name).build(site).modules() if isinstance(module, wanted)
    ]


def test_identity_passes_the_same_tensor() -> None:
    x = torch.randn(2, 4, 5, 5)
    assert parse("identity").build(Site(2, 4, 4, 1, (5, 5)))(x) is x


def test_a_dilated_convolution_leaves_the_stride_to_a_pool() -> None:
    assert _kinds("3x3:2dr conv", Site(2, 4, 4, 2, (8, 8))) == ["Convolution", "MaxPool"]
    assert _kinds("3x3:2dr conv", Site(2, 4, 4, 1, (8, 8))) == ["Convolution"]
    assert _kinds("3x3 conv", Site(2, 4, 4, 2, (8, 8))) == ["Convolution"]


def test_squeeze_excite_pools_first_then_changes_the_depth() -> None:
    assert _kinds("8r SE", Site(2, 4, 4, 2, (8, 8))) == ["MaxPool", "SqueezeExcite"]
    assert _kinds("8r SE", Site(2, 4, 6, 2, (8, 8))) == ["MaxPool", "Convolution", "SqueezeExcite"]


def test_pools_change_the_depth_after_pooling() -> None:
    assert _kinds("2x2 maxpool", Site(2, 4, 6, 2, (8, 8))) == ["MaxPool", "Convolution"]
    assert _kinds("2x2 avgpool", Site(2, 4, 4, 2, (8, 8))) == ["AvgPool"]


def test_tconv_comes_back_with_twice_the_stride() -> None:
    module = parse("3x3 tconv").build(Site(2, 4, 6, 2, (8, 8)))
    up, down = (m for m in module.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d))
    assert (up.in_channels, up.out_channels, up.stride) == (4, 6, (2, 2))
    assert (down.in_channels, down.out_channels, down.stride) == (6, 6, (4, 4))


def test_the_first_of_stacked_convolutions_takes_stride_and_depth() -> None:
    module = parse("1x7-7x1 conv").build(Site(2, 4, 6, 2, (8, 8)))
    first, second = (m for m in module.modules() if isinstance(m, nn.Conv2d))
    assert (first.kernel_size, first.stride, first.in_channels) == ((1, 7), (2, 2), 4)
    assert (second.kernel_size, second.stride, second.in_channels) == ((7, 1), (1, 1), 6)


def test_scvt_has_no_residual() -> None:
    """With a silenced attention output nothing is left; cvt's residual passes the embedding."""
    site = Site(2, 4, 4, 1, (5, 5))
    x = torch.randn(2, 4, 5, 5)
    for name, is_silent in (("3k-2h scvt", True), ("3k-2h-1b cvt", False)):
        module = parse(name).build(site).eval()
        for part in module.modules():
            if isinstance(part, layers.ConvAttention):
                nn.init.zeros_(part.output.weight)
        assert bool((module(x) == 0).all()) is is_silent


def test_recurrent_operators_are_normalised_and_have_no_activation() -> None:
    module = parse("lstm").build(Site(1, 3, 4, 1, (20,))).train()
    y = module(torch.randn(16, 3, 20))
    torch.testing.assert_close(y.mean((0, 2)), torch.zeros(4), rtol=0, atol=1e-5)


def test_the_activation_is_the_configured_one() -> None:
    module = parse("3x3 conv").build(Site(2, 4, 4, 1, (5, 5), activation="relu")).eval()
    assert module(torch.randn(2, 4, 5, 5)).min() == 0.0
