import pytest
import torch

from popnas.datasets.images.augmentation import Draws, ImageAugmentation


def draws(offset, is_flipped, centre=None):
    centres = None if centre is None else torch.tensor([centre])
    return Draws(torch.tensor([offset]), torch.tensor([is_flipped]), centres)


def grid(h=8, w=8):
    return torch.arange(h * w, dtype=torch.uint8).view(1, 1, h, w)


@pytest.mark.parametrize(
    ("size", "most"), [((8, 8), (1, 1)), ((28, 20), (4, 3)), ((32, 1), (4, 0)), ((2, 2), (1, 1))]
)
def test_images_are_moved_by_an_eighth_at_most(size, most):
    drawn = ImageAugmentation().draw(2000, size, torch.Generator().manual_seed(0))
    assert (drawn.offset.amin(0).tolist(), drawn.offset.amax(0).tolist()) == (
        [-most[0], -most[1]],
        list(most),
    )


@pytest.mark.parametrize("size", [(8, 8), (28, 20), (5, 1), (2, 3)])
def test_a_moved_image_is_sharp_and_mirrored_at_its_edges(size):
    x = torch.randint(0, 256, (40, 3, *size), dtype=torch.uint8)
    drawn = ImageAugmentation(flips=False).draw(40, size, torch.Generator().manual_seed(1))
    out = ImageAugmentation(flips=False).apply(x, drawn)
    high, wide = (min(-(-extent // 8), extent - 1) for extent in size)
    padded = torch.nn.functional.pad(x.float(), (wide, wide, high, high), mode="reflect").to(torch.uint8)
    for image, (down, right), found in zip(padded, drawn.offset.tolist(), out, strict=True):
        down, right = down + high, right + wide
        assert torch.equal(found, image[:, down : down + size[0], right : right + size[1]])


def test_crop_takes_the_window_at_the_offset_and_flip_mirrors_it():
    plain = ImageAugmentation().apply(grid(), draws([1, 0], False))
    assert torch.equal(plain[:, :, :7], grid()[:, :, 1:]) and torch.equal(plain[:, :, 7], grid()[:, :, 6])
    flipped = ImageAugmentation().apply(grid(), draws([0, 1], True))
    assert torch.equal(flipped[..., 1:], grid()[..., 1:].flip(-1))


def test_each_image_has_its_own_choices():
    x = grid().repeat(2, 1, 1, 1)
    both = Draws(torch.tensor([[0, 0], [1, 1]]), torch.tensor([False, True]), None)
    out = ImageAugmentation().apply(x, both)
    assert torch.equal(out[0], grid()[0])
    assert torch.equal(out[1, :, :7, 1:], grid()[0, :, 1:, 1:].flip(-1))


def test_cutout_is_a_square_of_half_the_side_that_may_reach_over_the_edge():
    x = torch.full((1, 3, 8, 8), 200, dtype=torch.uint8)
    inside = ImageAugmentation(use_cutout=True).apply(x, draws([0, 0], False, [4.0, 4.0]))
    assert (inside == 0).sum() == 3 * 4 * 4 and (inside[0, :, 2:6, 2:6] == 0).all()
    corner = ImageAugmentation(use_cutout=True).apply(x, draws([0, 0], False, [0.0, 0.0]))
    assert (corner == 0).sum() == 3 * 2 * 2


def test_choices_cover_all_windows_and_are_seeded():
    augmentation = ImageAugmentation(use_cutout=True)
    first, again = (augmentation.draw(500, (16, 8), torch.Generator().manual_seed(1)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert sorted(set(first.offset[:, 0].tolist())) == [-2, -1, 0, 1, 2]
    assert sorted(set(first.offset[:, 1].tolist())) == [-1, 0, 1]
    assert 0.4 < first.is_flipped.float().mean() < 0.6
    assert (first.cutout_centre.amax(0) <= torch.tensor([16.0, 8.0])).all()
    assert augmentation.draw(3, (8, 8), torch.Generator()).part(1, 3).cutout_centre.shape == (2, 2)
