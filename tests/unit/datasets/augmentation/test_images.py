"""TrivialAugment and random erasing of batches of images, with masks and without."""

from __future__ import annotations

import pytest
import torch

from popnas.datasets.augmentation import images as changes
from popnas.datasets.augmentation.batch import Batch
from popnas.datasets.augmentation.images import ImageChanges

NUM_OPERATIONS = 5 + len(changes._COLOURING)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch_of(num_images: int = 200, channels: int = 3, *, has_masks: bool = False) -> Batch:
    """Bright blobs in dark images; masks say where."""
    x = 0.2 * torch.rand(num_images, channels, 16, 20, generator=generator(5))
    x[:, :, 5:11, 7:13] += 0.7
    y = torch.zeros(num_images, 16, 20, dtype=torch.long)
    y[:, 5:11, 7:13] = 1
    return Batch(x, y if has_masks else torch.arange(num_images), None)


def augmented(batch: Batch, seed: int = 0) -> Batch:
    own = Batch(batch.x.clone(), batch.y.clone(), None)
    return ImageChanges(trivial_augment=True)(own, generator(seed))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_every_image_has_one_change_of_its_own_and_stays_in_range(channels: int) -> None:
    batch = batch_of(channels=channels)
    found = augmented(batch)
    assert (found.x >= 0).all() and (found.x <= 1).all() and torch.equal(found.y, batch.y)
    same = (found.x == batch.x).flatten(1).all(1).float().mean().item()
    assert 0.01 < same < 0.3  # one of the operations is none


def test_masks_move_with_what_they_are_of() -> None:
    batch = batch_of(has_masks=True)
    found = augmented(batch)
    assert set(found.y.unique().tolist()) == {0, 1, 255}
    moved = (found.y != batch.y).flatten(1).any(1)
    assert 0.2 < moved.float().mean() < 0.5  # 5 of 14 operations
    blob = found.x[moved].mean(1)
    assert blob[found.y[moved] == 1].mean() > 0.7 > 0.25 > blob[found.y[moved] == 0].mean()
    assert (blob[found.y[moved] == 255] < 0.2).all(), "black where nothing is"


def test_shear_shift_and_turn_are_what_they_say() -> None:
    """A dot, by one operation at full strength each."""
    x = torch.zeros(1, 1, 41, 61)
    x[0, 0, 10, 30] = 1.0  # ten pixels above the centre
    places = []
    for number in range(5):
        affine = changes._affine(torch.tensor([number]), torch.tensor([-1.0]), x.shape[2:])
        found = changes._moved(x, affine)[0, 0]
        places.append(divmod(int(found.argmax()), 61))
    assert places[:2] == [(10, 27), (10, 30)]  # sheared by 0.3 of its height over the centre
    assert places[2:4] == [(10, 50), (23, 30)]  # moved by 0.32 of 61 and of 41 pixels
    assert places[4] in [(11, 35), (11, 25)]  # turned by 30 degrees


def test_equalized_images_have_all_values_alike() -> None:
    x = torch.rand(2, 3, 32, 32, generator=generator()) ** 2
    found = changes._equalize(x, torch.zeros(2, 1, 1, 1))
    quantiles = found.flatten().quantile(torch.tensor([0.25, 0.5, 0.75]))
    torch.testing.assert_close(quantiles, torch.tensor([0.25, 0.5, 0.75]), atol=0.06, rtol=0)
    assert found.amin() == 0 and found.amax() == 1
    flat = torch.full((1, 1, 4, 4), 0.3)
    assert torch.equal(changes._equalize(flat, torch.zeros(1, 1, 1, 1)), flat)
    assert torch.equal(changes._auto_contrast(flat, torch.zeros(1, 1, 1, 1)), flat)


def test_colour_changes_of_no_strength_leave_images_alone() -> None:
    x, none = torch.rand(4, 3, 8, 8, generator=generator()), torch.zeros(4, 1, 1, 1)
    for operation in (changes._brightness, changes._colour, changes._contrast, changes._sharpness):
        torch.testing.assert_close(operation(x, none), x)
    assert torch.equal(changes._solarize(x, torch.ones(4, 1, 1, 1)), x)


def test_fewer_bits_are_fewer_values() -> None:
    x = torch.arange(256).view(1, 1, 16, 16) / 255
    for strength, levels in ((0.0, 16), (0.5, 64), (0.99, 128)):
        found = changes._posterize(x, torch.full((1, 1, 1, 1), strength))
        assert len(found.unique()) == levels and (found <= x + 1e-6).all()


def test_as_many_rectangles_are_erased_as_asked_for() -> None:
    batch = batch_of(600, has_masks=True)
    found = ImageChanges(erasing=0.4)(batch, generator())
    differs = found.x != batch.x
    erased = differs.flatten(1).any(1)
    assert erased.float().mean().item() == pytest.approx(0.4, abs=0.06)
    assert torch.equal(found.y, batch.y)
    shares = differs[erased].float().mean((1, 2, 3))
    assert shares.min() > 0.01 and shares.max() < 0.4 and shares.std() > 0.05
    one = int(torch.nonzero(erased)[0])
    rows, columns = differs[one, 0].any(1).nonzero()[:, 0], differs[one, 0].any(0).nonzero()[:, 0]
    inside = found.x[one, :, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert (inside == inside[:, :1, :1]).all(), "one colour"


def test_choices_are_seeded() -> None:
    batch = batch_of()
    both = ImageChanges(trivial_augment=True, erasing=0.5)
    first, again, other = (both(batch._replace(x=batch.x.clone()), generator(seed)).x for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
