import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from popnas.datasets import Preprocessing, Split
from popnas.datasets.augmentation.images import ImageChanges
from popnas.datasets.augmentation.mixing import Mixing
from popnas.datasets.augmentation.series import SeriesChanges
from popnas.datasets.images.augmentation import ImageAugmentation
from popnas.datasets.loader import Batching, DeviceLoader
from popnas.placement import Placement

CPU = Placement(torch.device("cpu"))
CHANNELS_LAST = Placement(CPU.device, torch.channels_last)


def images(n=23, h=6, w=5, c=3):
    x = np.random.default_rng(0).integers(0, 256, (n, h, w, c), dtype=np.uint8)
    x[:, 0, 0, 0] = np.arange(n)
    return Split(x, np.arange(n) % 4)


def series(n=23, t=7, c=2):
    lengths = np.arange(n) % t + 1
    x = np.random.default_rng(0).normal(size=(n, t, c)).astype(np.float32)
    x[np.arange(t) >= lengths[:, None]] = 0
    return Split(x, np.arange(n) % 4, lengths)


def loader(split, placement=CPU, **options):
    if split.x.ndim == 4:
        preprocessing = Preprocessing.of_images(split.x.shape[-1])
    else:
        preprocessing = Preprocessing((1.0, -2.0), (2.0, 0.5), has_lengths=True)
    batching = {"batch_size": 5, "shuffle": True, "seed": 3, "changes": ()}
    batching |= {key: options.pop(key) for key in list(options) if key in batching}
    return DeviceLoader(split, preprocessing, placement, Batching(**batching), **options)


def same(a, b):
    pairs = list(zip(a, b, strict=True))
    return all(torch.equal(p.x, q.x) and torch.equal(p.y, q.y) for p, q in pairs)


def test_images_come_channels_first_scaled_and_in_order():
    split = images()
    batches = list(loader(split, shuffle=False))
    x = torch.cat([batch.x for batch in batches])
    assert x.dtype == torch.float32 and x.shape == (23, 3, 6, 5)
    assert torch.equal(x, torch.from_numpy(split.x).permute(0, 3, 1, 2).float() * np.float32(1 / 255))
    assert torch.cat([batch.y for batch in batches]).tolist() == split.y.tolist()
    assert [len(batch.y) for batch in batches] == [5, 5, 5, 5, 3] and batches[0].lengths is None


def test_series_are_preprocessed_and_zero_after_their_end():
    split = series()
    batches = list(loader(split, shuffle=False))
    x, lengths = torch.cat([b.x for b in batches]), torch.cat([b.lengths for b in batches])
    assert x.shape == (23, 2, 7) and lengths.tolist() == split.lengths.tolist()
    for i, length in enumerate(split.lengths):
        assert (x[i, :, length:] == 0).all()
        assert x[i, 0, :length].numpy() == pytest.approx((split.x[i, :length, 0] - 1) * 2, rel=1e-5)
        assert x[i, 1, :length].numpy() == pytest.approx((split.x[i, :length, 1] + 2) / 2, rel=1e-5)


def test_equal_series_have_no_lengths():
    split = series()
    plain = DeviceLoader(
        Split(split.x, split.y),
        Preprocessing((0.0, 0.0), (1.0, 1.0)),
        CPU,
        Batching(5),
    )
    assert next(iter(plain)).lengths is None


def epoch_order(data_loader):
    return torch.cat([batch.x[:, 0, 0, 0] for batch in data_loader]).mul(255).round().int().tolist()


def test_every_epoch_has_its_own_order_with_every_example_once():
    data_loader = loader(images())
    first, second = epoch_order(data_loader), epoch_order(data_loader)
    assert first != second and sorted(first) == sorted(second) == list(range(23))
    data_loader.set_epoch(0)
    assert epoch_order(data_loader) == first
    assert epoch_order(loader(images())) == first
    assert epoch_order(loader(images(), seed=4)) != first


@pytest.mark.parametrize("augmentation", [None, ImageAugmentation(use_cutout=True)])
def test_without_cache_the_batches_are_the_same(augmentation):
    cached, streamed = (
        loader(images(), is_cached=is_cached, augmentation=augmentation) for is_cached in (True, False)
    )
    assert all(same(cached, streamed) for _ in range(2))
    assert same(loader(series()), loader(series(), is_cached=False))


def test_an_abandoned_epoch_leaves_no_thread():
    for _batch in loader(images(), is_cached=False):
        break
    assert not any(thread.name.startswith("popnas-prefetch") for thread in threading.enumerate())


def test_read_only_arrays_are_fine():
    split = images()
    split.x.setflags(write=False)
    split.y.setflags(write=False)
    assert len(list(loader(split))) == 5


@given(n=st.integers(1, 60), batch_size=st.integers(2, 20), shuffle=st.booleans())
@settings(deadline=None, max_examples=50)
def test_batches_cover_everything_and_training_has_no_last_batch_of_one(n, batch_size, shuffle):
    data_loader = loader(images(n, 2, 2), batch_size=batch_size, shuffle=shuffle)
    sizes = [len(batch.y) for batch in data_loader]
    assert len(sizes) == len(data_loader) and sum(sizes) == n == data_loader.num_samples
    assert all(size == batch_size for size in sizes[:-1])
    if shuffle and n > 1:
        assert 1 < sizes[-1] <= batch_size + 1
    if not shuffle:
        assert sizes[-1] <= batch_size


def test_channels_last():
    batch = next(iter(loader(images(), placement=CHANNELS_LAST)))
    assert batch.x.is_contiguous(memory_format=torch.channels_last)
    assert next(iter(loader(series(), placement=CHANNELS_LAST))).x.shape == (5, 2, 7)


def test_augmented_batches_differ_between_epochs_and_keep_range_and_labels():
    split = images(40, 16, 16)
    data_loader = loader(split, augmentation=ImageAugmentation(), batch_size=40)
    (first,), (second,) = list(data_loader), list(data_loader)
    assert first.x.shape == (40, 3, 16, 16) and not torch.equal(first.x, second.x)
    assert first.x.min() >= 0 and first.x.max() <= 1
    assert torch.bincount(first.y).tolist() == [10] * 4
    data_loader.set_epoch(1)
    assert torch.equal(next(iter(data_loader)).x, second.x)


SERIES_CHANGES = (SeriesChanges(time_warp=0.4, jitter=0.1), Mixing(mixup=0.5, cutmix=0.5))
IMAGE_CHANGES = (ImageChanges(trivial_augment=True, erasing=0.5), Mixing(mixup=0.5, cutmix=0.5))


@pytest.mark.parametrize(("split", "changes"), [(series(), SERIES_CHANGES), (images(), IMAGE_CHANGES)])
def test_changes_follow_from_seed_and_epoch_wherever_the_data_are(split, changes):
    """So a training that is resumed sees the batches that it would have seen."""
    kept, read = (loader(split, changes=changes, is_cached=is_cached) for is_cached in (True, False))
    epochs = [list(kept) for _ in range(3)]
    assert not same(epochs[0], epochs[1]) and all(batch.mixed is not None for batch in epochs[0])
    read.set_epoch(2)
    resumed = list(read)
    assert same(epochs[2], resumed)
    shares = [[batch.mixed.share for batch in epoch] for epoch in (epochs[2], resumed)]
    assert shares[0] == shares[1]
    other = loader(split, changes=changes, seed=4)
    assert not same(epochs[0], list(other))
    plain = loader(split)
    assert [batch.x.shape for batch in plain] == [batch.x.shape for batch in epochs[0]]
