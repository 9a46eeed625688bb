"""Batches of images with their masks: together they are cut, turned and filled up."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from popnas.datasets import Preprocessing, Split
from popnas.datasets.loader import Batching
from popnas.datasets.masks.loader import PairAugmentation, SegmentationLoader, evaluation_bounds
from popnas.datasets.masks.mask_files import IGNORED
from popnas.datasets.ragged import Ragged
from popnas.placement import Placement

from .segmentation_data import MANY_SIZES, ONE_SIZE, pairs

CPU = Placement(torch.device("cpu"))
CHANNELS_LAST = Placement(CPU.device, torch.channels_last)

CROP = PairAugmentation(crop=(5, 6), flips=True)


def split_of(sizes):
    found = pairs(sizes)
    x, y = [x for x, _ in found], [y for _, y in found]
    if len(set(sizes)) == 1:
        return Split(np.stack(x), np.stack(y))
    return Split(Ragged.of(x), Ragged.of(y))


def loader(split, placement=CPU, **options):
    batching = {"batch_size": 5, "shuffle": True, "seed": 3}
    batching |= {key: options.pop(key) for key in list(options) if key in batching}
    return SegmentationLoader(split, Preprocessing.of_images(3), placement, Batching(**batching), **options)


def whole_and_aligned(batch):
    """The red channel holds 40 times the mask wherever a mask is; elsewhere both are filling."""
    assert batch.x.dtype == torch.float32 and batch.y.dtype == torch.int64 and batch.lengths is None
    red = (batch.x[:, 0] * 255).round().long()
    is_image = batch.y != IGNORED
    assert (red[is_image] == batch.y[is_image] * 40).all()
    assert (batch.x * ~is_image[:, None] == 0).all()
    return True


@pytest.mark.parametrize("sizes", [ONE_SIZE, MANY_SIZES], ids=["one size", "many sizes"])
@pytest.mark.parametrize("augmentation", [None, CROP, PairAugmentation(flips=True)])
def test_cached_and_streamed_batches_are_equal_in_every_epoch(sizes, augmentation):
    cached, streamed = (
        loader(split_of(sizes), augmentation=augmentation, is_cached=is_cached) for is_cached in (True, False)
    )
    assert len(cached) == len(streamed) == 3 and cached.num_samples == 12
    for _ in range(2):
        for a, b in zip(cached, streamed, strict=True):
            assert torch.equal(a.x, b.x) and torch.equal(a.y, b.y)
            assert whole_and_aligned(a)
    assert not [thread for thread in threading.enumerate() if "prefetch" in thread.name]


def test_leaving_an_epoch_early_ends_its_threads():
    batches = iter(loader(split_of(MANY_SIZES), is_cached=False))
    next(batches)
    batches.close()
    assert not [thread for thread in threading.enumerate() if "prefetch" in thread.name]


def test_epochs_differ_and_each_repeats():
    train = loader(split_of(ONE_SIZE), augmentation=CROP)
    first, second = ([batch.x for batch in train] for _ in range(2))
    assert not all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    train.set_epoch(0)
    assert all(torch.equal(a, batch.x) for a, batch in zip(first, train, strict=True))
    other = [batch.x for batch in loader(split_of(ONE_SIZE), augmentation=CROP, seed=4)]
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 8), st.integers(1, 7), st.booleans(), st.integers(0, 99))
def test_crops_are_parts_of_their_image_at_any_place(height, width, flips, seed):
    split = split_of(MANY_SIZES)
    augmentation = PairAugmentation(crop=(height, width), flips=flips)
    found = torch.cat([batch.y for batch in loader(split, augmentation=augmentation, seed=seed)])
    assert found.shape == (12, height, width)
    windows = set()
    for mask in split.y:
        for view in [mask, mask[:, ::-1]] if flips else [mask]:
            views = np.lib.stride_tricks.sliding_window_view(view, (height, width))
            windows |= {window.tobytes() for row in views for window in row}
    assert all(mask.astype(np.uint8).tobytes() in windows for mask in found.numpy())


def test_every_corner_is_drawn_and_half_of_the_images_are_flipped():
    augmentation, generator = PairAugmentation(crop=(7, 9), flips=True), torch.Generator().manual_seed(0)
    corners, flips = augmentation.draw(np.tile([8, 11], (3000, 1)), generator)
    _, counts = np.unique(corners, axis=0, return_counts=True)
    assert len(counts) == 2 * 3 and counts.min() > 400
    assert 1350 < flips.sum() < 1650
    assert not PairAugmentation(crop=(7, 9)).draw(np.tile([8, 11], (50, 1)), generator)[1].any()


def test_a_batch_is_as_large_as_its_largest_image_and_filling_is_ignored():
    split = split_of(MANY_SIZES)
    (batch,) = loader(split, batch_size=12)
    assert batch.x.shape == (12, 3, 10, 10) and whole_and_aligned(batch)
    num_pixels = sum(height * width for height, width in MANY_SIZES)
    assert int((batch.y != IGNORED).sum()) == num_pixels


def test_evaluation_comes_in_order_or_sorted_by_size():
    batches = list(loader(split_of(ONE_SIZE), shuffle=False))
    assert torch.cat([batch.y for batch in batches]).numpy().tolist() == split_of(ONE_SIZE).y.tolist()
    sizes = [tuple(batch.y.shape[1:]) for batch in loader(split_of(MANY_SIZES), shuffle=False, batch_size=1)]
    assert sizes == sorted(MANY_SIZES)


def test_no_batch_of_an_evaluation_holds_two_sizes():
    batches = list(loader(split_of(MANY_SIZES), shuffle=False))
    assert len(batches) == len(set(MANY_SIZES)) and sum(len(batch.y) for batch in batches) == 12
    assert all((batch.y != IGNORED).all() for batch in batches)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=30).map(sorted),
    st.integers(1, 6),
    st.one_of(st.none(), st.integers(1, 200)),
)
def test_evaluation_batches_keep_their_limits(sizes, batch_size, max_pixels):
    sizes_N2 = np.array(sizes, dtype=np.int64).reshape(-1, 2)
    bounds = evaluation_bounds(sizes_N2, batch_size, max_pixels)
    assert [i for start, stop in bounds for i in range(start, stop)] == list(range(len(sizes)))
    for start, stop in bounds:
        part = sizes_N2[start:stop]
        pixels = (stop - start) * int(part.max(axis=0).prod())
        assert stop - start <= batch_size
        assert max_pixels is None or stop - start == 1 or pixels <= max_pixels
        assert (part == part[0]).all()


def test_a_last_training_batch_of_one_joins_the_one_before():
    sizes = [len(batch.y) for batch in loader(split_of(ONE_SIZE[:11]), batch_size=5)]
    assert sizes == [5, 6]


def test_the_users_arrays_stay_as_they_are():
    split = split_of(ONE_SIZE)
    before = split.x.copy()
    for batch in loader(split, augmentation=PairAugmentation(flips=True)):
        batch.x.zero_()
    assert (split.x == before).all()


def test_channels_last_on_demand():
    (batch, *_) = loader(split_of(ONE_SIZE), placement=CHANNELS_LAST)
    assert batch.x.is_contiguous(memory_format=torch.channels_last)
