"""Parameters from formulas written down by hand, and FLOPs counted by hand."""

from __future__ import annotations

import pytest

from popnas.operators import Cost, Site, parse


def _images(c: int, f: int, stride: int = 1, size: tuple[int, int] = (9, 7)) -> Site:
    return Site(2, c, f, stride, size)


def _series(c: int, f: int, stride: int = 1, size: int = 9) -> Site:
    return Site(1, c, f, stride, (size,))


BN = 2 * 6


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("identity", 4 * 6 + BN),
        ("3x3 conv", 9 * 4 * 6 + BN),
        ("3x3:2dr conv", 9 * 4 * 6 + BN),
        ("1x7-7x1 conv", 7 * 4 * 6 + BN + 7 * 6 * 6 + BN),
        ("5x5 dconv", 25 * 4 + 4 * 6 + BN),
        ("3x3:2z zconv", 9 * 4 * 6 + BN),
        ("2x2 maxpool", 4 * 6 + BN),
        ("3x3 avgpool", 4 * 6 + BN),
        ("3x3 tconv", 9 * 4 * 6 + BN + 9 * 6 * 6 + BN),
        ("4r SE", 4 * 6 + BN + 6 * 2 + 2 + 2 * 6 + 6),
        # embedding and its norm, three projections (depthwise, BN, dense), output
        ("5k-2h scvt", 25 * 4 * 6 + 6 + 12 + 3 * (9 * 6 + BN + 6 * 12 + 12) + 12 * 6 + 6),
    ],
)
def test_params_of_image_operators_from_4_to_6_channels(name: str, params: int) -> None:
    assert parse(name).cost(_images(4, 6)).params == params
    assert parse(name).cost(_images(4, 6, stride=2)).params == params


def test_params_of_transformer_blocks() -> None:
    one = parse("5k-2h-1b cvt").cost(_images(4, 6)).params
    three = parse("5k-2h-3b cvt").cost(_images(4, 6)).params
    attention = 3 * (9 * 6 + BN + 6 * 12 + 12) + 12 * 6 + 6
    block = 12 + attention + 12 + 6 * 12 + 12 + 12 * 6 + 6
    assert three - one == 2 * block
    assert one == 25 * 4 * 6 + 6 + 12 + block


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("7 conv", 7 * 4 * 6 + BN),
        ("7:2dr dconv", 7 * 4 + 4 * 6 + BN),
        ("lstm", 4 * (4 * 6 + 6 * 6 + 6 + 6) + BN),
        ("gru", 3 * (4 * 6 + 6 * 6 + 6 + 6) + BN),
    ],
)
def test_params_of_series_operators(name: str, params: int) -> None:
    assert parse(name).cost(_series(4, 6)).params == params


@pytest.mark.parametrize("name", ["identity", "2x2 maxpool", "3x3 avgpool"])
def test_what_keeps_the_depth_costs_nothing(name: str) -> None:
    assert parse(name).cost(_images(6, 6)) == Cost(0, 0)


@pytest.mark.parametrize(
    ("name", "stride", "flops"),
    [
        ("3x3 conv", 1, 2 * 63 * 216),
        ("3x3 conv", 2, 2 * (5 * 4) * 216),
        ("3x3:2dr conv", 2, 2 * 63 * 216),  # unstrided, a pool follows
        ("5x5 dconv", 2, 2 * 20 * (25 * 4 + 24)),
        ("3x3:2z zconv", 1, 2 * (5 * 4) * 216),
        ("3x3:2z zconv", 2, 2 * (3 * 2) * 216),
        ("3x3 tconv", 2, 2 * 63 * 216 + 2 * 20 * 324),
        ("2x2 maxpool", 2, 2 * 20 * 24),
        ("4r SE", 2, 2 * 20 * 24 + 2 * (12 + 12)),
    ],
)
def test_flops_of_image_operators_at_9x7(name: str, stride: int, flops: int) -> None:
    assert parse(name).cost(_images(4, 6, stride)).flops == flops


def test_flops_of_recurrences_count_every_step() -> None:
    assert parse("lstm").cost(_series(4, 6, stride=2)).flops == 9 * 2 * 4 * 6 * (4 + 6)
    assert parse("gru").cost(_series(4, 6)).flops == 9 * 2 * 3 * 6 * (4 + 6)


def test_flops_of_attention() -> None:
    embedding = 2 * 63 * 9 * 4 * 6
    projections = 2 * 63 * (54 + 72) + 2 * 2 * 20 * (54 + 72)
    products = 2 * (2 * 2 * 63 * 20 * 6)
    output = 2 * 63 * 72
    assert parse("3k-2h scvt").cost(_images(4, 6)).flops == embedding + projections + products + output
