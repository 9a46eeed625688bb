"""Mixup and cutmix of batches of images, series and masks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from popnas.datasets.augmentation.batch import Batch
from popnas.datasets.augmentation.mixing import Mixing, _beta


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbered(*shape: int) -> Batch:
    """Every example is its number everywhere, and so is its class."""
    y = torch.arange(shape[0])
    return Batch(y.float().view(-1, *[1] * (len(shape) - 1)).expand(shape).clone(), y, None)


BATCHES = {"images": numbered(6, 3, 8, 10), "series": numbered(6, 2, 30)}
kinds = pytest.mark.parametrize("kind", BATCHES)


@kinds
@pytest.mark.parametrize("seed", range(6))
def test_blended_examples_have_the_shares_of_their_labels(kind: str, seed: int) -> None:
    batch = BATCHES[kind]
    found = Mixing(mixup=1.0)(batch, generator(seed))
    assert found.mixed is not None and 0 <= found.mixed.share <= 0.5
    expected = (1 - found.mixed.share) * found.y + found.mixed.share * found.mixed.y
    torch.testing.assert_close(found.x.flatten(1).mean(1), expected)
    pairs = {tuple(sorted(pair)) for pair in zip(found.y.tolist(), found.mixed.y.tolist(), strict=True)}
    assert pairs == {(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (0, 5)}


@kinds
@pytest.mark.parametrize("seed", range(6))
def test_pasted_pieces_are_as_large_as_their_labels_shares(kind: str, seed: int) -> None:
    batch = BATCHES[kind]
    found = Mixing(cutmix=1.0)(batch, generator(seed))
    assert found.mixed is not None and 0 <= found.mixed.share <= 0.5
    for x, y, other in zip(found.x, found.y, found.mixed.y, strict=True):
        assert set(x.unique().tolist()) <= {float(y), float(other)}
        assert (x == other).float().mean().item() == pytest.approx(found.mixed.share)


def test_masks_come_with_the_pieces_and_are_blended_with_their_images() -> None:
    images = BATCHES["images"]
    batch = Batch(images.x, images.x[:, 0].long(), None)
    cut = Mixing(cutmix=1.0)(batch, generator(3))
    assert cut.mixed is None and torch.equal(cut.y, cut.x[:, 0].long())
    assert not torch.equal(cut.x, batch.x)
    blended = Mixing(mixup=1.0)(batch, generator(3))
    assert blended.mixed is not None and blended.mixed.y.shape == (6, 8, 10)


def series_of(lengths: list[int]) -> Batch:
    batch, ends = numbered(len(lengths), 2, 30), torch.tensor(lengths)
    x = (batch.x + 1) * (torch.arange(30) < ends[:, None, None])
    return Batch(x, batch.y, ends)


@pytest.mark.parametrize("seed", range(8))
def test_series_of_unequal_lengths_keep_theirs_when_pieces_are_pasted(seed: int) -> None:
    batch = series_of([30, 20, 10, 3])
    found = Mixing(cutmix=1.0)(batch, generator(seed))
    assert torch.equal(found.lengths, batch.lengths)
    for index, length in enumerate(batch.lengths.tolist()):
        assert (found.x[index, :, length:] == 0).all()
        assert (found.x[index, :, :length] > 0).all(), "padding of another one was pasted"
        others = (found.x[index, 0, :length] == (index - 1) % 4 + 1).float().mean().item()
        # The example's own label may be the one with the lesser share.
        share = found.mixed.share if found.y[index] == index else 1 - found.mixed.share
        assert others == pytest.approx(share, abs=1.01 / length)


def test_blended_series_are_as_long_as_the_longer_one() -> None:
    found = Mixing(mixup=1.0)(series_of([30, 20, 10, 3]), generator())
    assert found.lengths.tolist() == [30, 30, 20, 10]


def test_with_both_every_batch_has_one_of_them() -> None:
    batch, seen = BATCHES["images"], set[bool]()
    for seed in range(20):
        found = Mixing(mixup=1.0, cutmix=1.0)(batch, generator(seed))
        seen.add(bool((found.x == found.x.round()).all()))
    assert seen == {True, False}


def test_choices_are_seeded_and_shares_are_of_the_distribution() -> None:
    batch = BATCHES["series"]
    first, again, other = (Mixing(mixup=0.3)(batch, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.x, again.x) and first.mixed.share == again.mixed.share != other.mixed.share
    drawn = generator()
    shares = np.array([_beta(0.3, drawn) for _ in range(4000)])
    assert shares.mean() == pytest.approx(0.5, abs=0.03)
    assert shares.var() == pytest.approx(0.25 / (2 * 0.3 + 1), abs=0.01)
    nearly_one = [min(share, 1 - share) < 1e-6 for share in (_beta(1e-3, drawn) for _ in range(99))]
    assert np.mean(nearly_one) > 0.8


def test_a_batch_of_one_is_mixed_with_itself() -> None:
    for mixing in (Mixing(mixup=1.0), Mixing(cutmix=1.0)):
        batch = numbered(1, 2, 30)
        assert torch.equal(mixing(batch, generator()).x, batch.x)
