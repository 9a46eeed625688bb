"""What is kept on a device is there once, whoever makes batches of it, and part of no pinned memory."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable

import numpy as np
import pytest
import torch
from torch import Tensor

from popnas.datasets import Preprocessing, Split
from popnas.datasets.augmentation.batch import Batch
from popnas.datasets.dataset import Fold, PartSplit
from popnas.datasets.images.augmentation import ImageAugmentation
from popnas.datasets.kept import examples, pairs
from popnas.datasets.loader import Batching, DeviceLoader, EpochLoader
from popnas.datasets.masks.loader import PairAugmentation, SegmentationLoader
from popnas.datasets.ragged import Ragged
from popnas.placement import Placement

CPU = Placement(torch.device("cpu"))
RNG = np.random.default_rng(0)
ONE_SIZE, MANY_SIZES = [(12, 10)] * 20, [(8 + i % 5, 7 + i % 4) for i in range(20)]


def images(is_writable: bool = True) -> Split:
    x = RNG.integers(0, 256, (20, 6, 5, 3), dtype=np.uint8)
    x.setflags(write=is_writable)
    return Split(x, np.arange(20) % 3)


def series() -> Split:
    lengths = RNG.integers(3, 9, 20)
    return Split(RNG.normal(size=(20, 8, 2)).astype(np.float32), np.arange(20) % 3, lengths)


def masks(sizes: list[tuple[int, int]]) -> Split:
    x = [RNG.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]
    y = [RNG.integers(0, 5, size, dtype=np.uint8) for size in sizes]
    if len(set(sizes)) == 1:
        return Split(np.stack(x), np.stack(y))
    return Split(Ragged.of(x), Ragged.of(y))


def of_images(split: Split, **options: bool) -> EpochLoader:
    changes = Batching(6, shuffle=True, seed=3)
    return DeviceLoader(
        split, Preprocessing.of_images(3), CPU, changes, augmentation=ImageAugmentation(), **options
    )


def of_series(split: Split, **options: bool) -> EpochLoader:
    preprocessing = Preprocessing((1.0, -2.0), (2.0, 0.5), has_lengths=True)
    return DeviceLoader(split, preprocessing, CPU, Batching(6, shuffle=True, seed=3), **options)


def of_masks(split: Split, **options: bool) -> EpochLoader:
    augmentation = PairAugmentation(crop=(7, 6), flips=True)
    batching = Batching(6, shuffle=True, seed=3)
    return SegmentationLoader(
        split, Preprocessing.of_images(3), CPU, batching, augmentation=augmentation, **options
    )


def of_whole_images(split: Split, **options: bool) -> EpochLoader:
    return SegmentationLoader(split, Preprocessing.of_images(3), CPU, Batching(6), **options)


Make = Callable[..., EpochLoader]
CASES: dict[str, tuple[Callable[[], Split], Make]] = {
    "images": (images, of_images),
    "read-only images": (lambda: images(is_writable=False), of_images),
    "series": (series, of_series),
    "masks": (lambda: masks(ONE_SIZE), of_masks),
    "masks of many sizes": (lambda: masks(MANY_SIZES), of_masks),
    "whole images": (lambda: masks(MANY_SIZES), of_whole_images),
}


def same(one: Iterable[Batch], other: Iterable[Batch]) -> bool:
    def equal(a: Tensor | None, b: Tensor | None) -> bool:
        return a is b if a is None or b is None else torch.equal(a, b)

    both = list(zip(one, other, strict=True))
    return bool(both) and all(
        torch.equal(a.x, b.x) and torch.equal(a.y, b.y) and equal(a.lengths, b.lengths) for a, b in both
    )


@pytest.mark.parametrize("is_cached", [True, False])
@pytest.mark.parametrize("indices", [slice(4, 17), np.array([17, 2, 3, 11, 5, 19, 8, 9])], ids=str)
@pytest.mark.parametrize("case", CASES)
def test_a_part_gives_the_batches_of_a_copy_and_makes_none(
    case: str, indices: slice | np.ndarray, is_cached: bool
) -> None:
    make_split, make = CASES[case]
    pool = make_split()
    part = Fold(pool, indices, indices).train
    copied, picked = make(pool.take(indices), is_cached=is_cached), make(part, is_cached=is_cached)
    assert len(part) == len(pool.take(indices)) == picked.num_samples
    for _ in range(2):
        assert same(copied, picked)
    assert not {"x", "y"} & part.__dict__.keys()
    assert np.array_equal(np.asarray(part.y[0]), np.asarray(pool.take(indices).y[0]))


def test_a_part_of_a_part_is_one_of_the_whole() -> None:
    pool = series()
    part = PartSplit(PartSplit(pool, np.array([5, 9, 2, 7])), slice(1, 3))
    assert part.whole is pool and part.positions.tolist() == [9, 2]
    assert part.lengths is not None and pool.lengths is not None
    assert part.lengths.tolist() == pool.lengths[[9, 2]].tolist()
    assert np.array_equal(part.x, pool.x[[9, 2]]) and len(part.take(slice(0, 1))) == 1


@pytest.mark.parametrize("case", CASES)
def test_all_loaders_of_a_process_share_what_is_kept_as_long_as_there_are_data(case: str) -> None:
    make_split, make = CASES[case]
    pool = make_split()
    gc.collect()
    before = len(examples._KEPT), len(pairs._KEPT)
    folds = [Fold(pool, slice(0, 12), slice(12, 20)), Fold(pool, np.arange(8, 20), np.arange(8))]
    loaders = [make(split) for fold in folds * 2 for split in (fold.train, fold.validation)]
    assert len({id(loader._cached) for loader in loaders}) == 1  # type: ignore[attr-defined]
    assert (len(examples._KEPT), len(pairs._KEPT)) != before
    del pool, folds, loaders
    gc.collect()
    assert (len(examples._KEPT), len(pairs._KEPT)) == before


def _never(*args: object) -> None:
    raise AssertionError("all examples in pinned memory")


def test_examples_are_brought_to_a_device_in_chunks_that_are_not_pinned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    split, copied = images(), []
    monkeypatch.setattr(torch.Tensor, "pin_memory", _never)
    monkeypatch.setattr(examples, "CHUNK_BYTES", 3 * split.x[:1].nbytes + 1)
    first = examples.channels_first

    def channels_first(x: np.ndarray) -> Tensor:
        copied.append(len(x))
        return first(x)

    monkeypatch.setattr(examples, "channels_first", channels_first)
    found = examples._brought(split.x, CPU.device)
    assert torch.equal(found, torch.from_numpy(split.x).permute(0, 3, 1, 2)) and found.is_contiguous()
    assert max(copied) == 3
    meta = torch.device("meta")
    assert examples.examples(split, meta) is examples.examples(split, meta)
    assert examples.examples(split, meta).shape == (20, 3, 6, 5)


@pytest.mark.parametrize("sizes", [ONE_SIZE, MANY_SIZES], ids=["one size", "many sizes"])
def test_pairs_in_line_are_those_that_were_read(
    sizes: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a GPU has them, on a CPU."""
    split = masks(sizes)
    monkeypatch.setattr(torch.Tensor, "pin_memory", _never)
    for chunk in (1, 700, 10**6):
        monkeypatch.setattr(examples, "CHUNK_BYTES", chunk)
        found = pairs.Pairs(split, CPU.device, is_in_line=True)
        for i in range(len(split)):
            for one, other in zip(found[i], pairs.read_pair(split, i), strict=True):
                assert torch.equal(one, other)


@pytest.mark.parametrize("sizes", [ONE_SIZE, MANY_SIZES], ids=["one size", "many sizes"])
@pytest.mark.parametrize("crop", [(7, 6), (8, 7), None], ids=str)
def test_crops_that_are_picked_at_once_are_those_that_are_cut_one_by_one(
    sizes: list[tuple[int, int]], crop: tuple[int, int] | None
) -> None:
    split = masks(sizes)
    one, other = (
        SegmentationLoader(
            PartSplit(split, np.array([*range(3, 20), 1])),
            Preprocessing.of_images(3),
            CPU,
            Batching(5, shuffle=True, seed=9),
            augmentation=PairAugmentation(crop=crop, flips=True),
        )
        for _ in range(2)
    )
    other._cached = pairs.Pairs(split, CPU.device, is_in_line=True)
    for _ in range(3):
        assert same(one, other)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="a GPU")
@pytest.mark.parametrize("case", CASES)
def test_a_gpu_gives_the_batches_of_a_cpu(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make_split, make = CASES[case]
    part = PartSplit(make_split(), np.array([17, 2, 3, 11, 5, 19, 8, 9, 4, 12]))
    wanted = list(make(part))
    monkeypatch.setattr(f"{__name__}.CPU", Placement(torch.device("cuda:0")))
    for is_cached in (True, False):
        for batch, expected in zip(make(part, is_cached=is_cached), wanted, strict=True):
            assert torch.equal(batch.y.cpu(), expected.y)
            torch.testing.assert_close(batch.x.cpu(), expected.x, rtol=1e-6, atol=1e-6)
