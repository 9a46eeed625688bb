import pytest
import torch

from popnas.datasets.images.augmentation import Draws, ImageAugmentation


def draws(offset, is_flipped, centre=None):
    centres = None if centre is None else torch.tensor([centre])
    return Draws(torch.tensor([offset]), torch.tensor([is_flipped]), centres)


def grid(h=9, w=9):
    return torch.arange(h * w, dtype=torch.uint8).view(1, 1, h, w)


@pytest.mark.parametrize(("size", "upscaled"), [((8, 8), (9, 9)), ((28, 28), (32, 32)), ((32, 20), (36, 23))])
def test_upscale_is_an_eighth_rounded_up(size, upscaled):
    assert ImageAugmentation().upscale(torch.zeros(2, 3, *size, dtype=torch.uint8)).shape == (2, 3, *upscaled)


def test_upscale_is_bilinear_and_in_chunks_as_at_once():
    x = torch.randint(0, 256, (1100, 1, 8, 8), dtype=torch.uint8)
    upscaled = ImageAugmentation().upscale(x)
    expected = torch.nn.functional.interpolate(x.float(), size=(9, 9), mode="bilinear", align_corners=False)
    assert (upscaled.float() - expected).abs().max() <= 0.5
    assert upscaled.dtype == torch.uint8


def test_crop_takes_the_window_at_the_offset_and_flip_mirrors_it():
    plain = ImageAugmentation().apply(grid(), draws([1, 0], False), (8, 8))
    assert torch.equal(plain, grid()[:, :, 1:, :8])
    flipped = ImageAugmentation().apply(grid(), draws([0, 1], True), (8, 8))
    assert torch.equal(flipped, grid()[:, :, :8, 1:].flip(-1))


def test_each_image_has_its_own_choices():
    x = grid().repeat(2, 1, 1, 1)
    both = Draws(torch.tensor([[0, 0], [1, 1]]), torch.tensor([False, True]), None)
    out = ImageAugmentation().apply(x, both, (8, 8))
    assert torch.equal(out[0], grid()[0, :, :8, :8]) and torch.equal(out[1], grid()[0, :, 1:, 1:].flip(-1))


def test_cutout_is_a_square_of_half_the_side_that_may_reach_over_the_edge():
    x = torch.full((1, 3, 9, 9), 200, dtype=torch.uint8)
    inside = ImageAugmentation(use_cutout=True).apply(x, draws([0, 0], False, [4.0, 4.0]), (8, 8))
    assert (inside == 0).sum() == 3 * 4 * 4 and (inside[0, :, 2:6, 2:6] == 0).all()
    corner = ImageAugmentation(use_cutout=True).apply(x, draws([0, 0], False, [0.0, 0.0]), (8, 8))
    assert (corner == 0).sum() == 3 * 2 * 2


def test_choices_cover_all_windows_and_are_seeded():
    augmentation = ImageAugmentation(use_cutout=True)
    first, again = (augmentation.draw(500, (16, 8), torch.Generator().manual_seed(1)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert sorted(set(first.offset[:, 0].tolist())) == [0, 1, 2] and sorted(
        set(first.offset[:, 1].tolist())
    ) == [0, 1]
    assert 0.4 < first.is_flipped.float().mean() < 0.6
    assert (first.cutout_centre.amax(0) <= torch.tensor([16.0, 8.0])).all()
    assert augmentation.draw(3, (8, 8), torch.Generator()).part(1, 3).cutout_centre.shape == (2, 2)
