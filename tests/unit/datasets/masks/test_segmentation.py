"""Images with masks as data sets: which label is which class, splits, weights, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from popnas.datasets.masks.mask_files import IGNORED
from popnas.errors import DataError, MissingSplitError

from .segmentation_data import MANY_SIZES, ONE_SIZE, load, pairs, write_npz

both_sizes = pytest.mark.parametrize("sizes", [ONE_SIZE, MANY_SIZES], ids=["one size", "many sizes"])
cached_or_not = pytest.mark.parametrize("cache", [True, False], ids=["cached", "streamed"])


@pytest.fixture
def made(tmp_path):
    """Writes a data set of `sizes` whose masks `change` makes of those made; returns its path and them."""

    def make(sizes=ONE_SIZE, change=lambda y: y, split="train", **options):
        found = [(x, change(y)) for x, y in pairs(sizes, **options)]
        return write_npz(tmp_path / "data", found, split, is_numbered=len(set(sizes)) > 1), found

    return make


@both_sizes
@cached_or_not
def test_every_image_keeps_its_mask_through_all_divisions(made, sizes, cache):
    path, _ = made(sizes)
    dataset = load(path, cache=cache, folds=3, samples=8)
    assert [len(fold.train) for fold in dataset.folds] == [6] * 3
    assert dataset.class_names == ["0", "1", "2"] and dataset.preprocessing.scale == (1 / 255,) * 3
    for fold in dataset.folds:
        for part in (fold.train, fold.validation):
            for i in range(len(part)):
                x_HWC, y_HW = np.asarray(part.x[i]), np.asarray(part.y[i])
                assert (x_HWC[..., 0] == y_HW * 40).all() and y_HW.dtype == np.uint8
                counts = np.bincount(y_HW.ravel(), minlength=4)
                assert (part.pixel_counts[i] == counts[:4]).all()
    assert json.loads(json.dumps(dataset.describe())) == dataset.describe()


def test_seeds_decide_the_division_and_nothing_else_does(made):
    path, _ = made()
    first, again, other = (
        load(path, seed=seed, cache=cache) for seed, cache in ((1, True), (1, False), (2, True))
    )
    assert (np.asarray(first.train.x) == np.asarray(again.train.x)).all()
    assert (np.asarray(first.train.x) != np.asarray(other.train.x)).any()


@cached_or_not
def test_the_ignored_label_is_no_class_and_is_counted_apart(made, cache):
    path, found = made(change=lambda y: np.where(y == 1, 255, y).astype(np.uint8))
    dataset = load(path, ignore_class=255, cache=cache)
    assert dataset.class_names == ["0", "2"] and dataset.warnings == []
    y = np.asarray(dataset.full_train.y)
    assert set(np.unique(y)) == {0, 1, IGNORED}
    ignored = dataset.describe()["ignored_pixels"]
    assert ignored["train"] + ignored["validation"] == sum((mask == 255).sum() for _, mask in found)


def test_labels_need_not_be_consecutive_and_may_have_sixteen_bits(made):
    path, _ = made(change=lambda y: np.array([7, 300, 65535], np.uint16)[y])
    dataset = load(path)
    assert dataset.class_names == ["7", "300", "65535"]
    assert sum(dataset.describe()["class_counts"]["train"]) == 9 * 80


def test_labels_are_replaced_first(made):
    path, _ = made(labels=4)
    dataset = load(path, class_labels_remapping={"3": 1, "2": 255}, ignore_class=255)
    assert dataset.class_names == ["0", "1/3"]
    (path / "classes.txt").write_text("sky\ncar\nroad\nvan\n")
    assert load(path, class_labels_remapping={"3": 1}).class_names == ["sky", "car/van", "road"]


def test_with_a_number_of_classes_they_are_the_labels_below_it(made):
    path, _ = made()
    dataset = load(path, classes_count=5)
    assert dataset.class_names == ["0", "1", "2", "3", "4"]
    assert any("o training mask has a pixel of: 3, 4" in note for note in dataset.warnings)


def test_an_ignored_label_among_the_classes_leaves_one_class_less(made):
    path, _ = made()
    dataset = load(path, classes_count=3, ignore_class=1)
    assert dataset.class_names == ["0", "2"]
    assert any("tells 2 classes apart" in note for note in dataset.warnings)
    assert dataset.full_train.pixel_counts.shape == (12, 3)


def test_class_weights_are_of_pixels_and_leave_out_ignored_ones(made):
    path, _ = made(change=lambda y: np.where(y == 2, 255, y).astype(np.uint8))
    dataset = load(path, ignore_class=255, balance_class_losses=True)
    counts = dataset.train.class_counts(2)
    assert dataset.class_weights == pytest.approx(counts.sum() / (2 * counts))
    assert load(path, ignore_class=255).class_weights is None


def test_a_separate_validation_split_and_test_data(made):
    path, _ = made()
    with pytest.raises(MissingSplitError, match="no test split"):
        load(path, need_test=True)
    made(MANY_SIZES[:5], split="validation", seed=1)
    made(MANY_SIZES[:4], split="test", seed=2)
    dataset = load(path, validation_size=None, need_test=True)
    assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [12, 5, 4]
    assert dataset.input_shape == (8, 10, 3)
    assert [image.shape for image in dataset.validation.x] == [(*size, 3) for size in MANY_SIZES[:5]]


@pytest.mark.parametrize(
    ("sizes", "resize", "expected"),
    [
        (ONE_SIZE, None, (8, 10, 3)),
        (ONE_SIZE, {"width": 6, "height": 5}, (5, 6, 3)),
        (MANY_SIZES, {"width": 6, "height": 5}, (5, 6, 3)),
    ],
)
def test_networks_are_built_for_the_crop_or_whole_images(made, sizes, resize, expected):
    dataset = load(made(sizes)[0], resize=resize)
    assert dataset.input_shape == expected and dataset.warnings == []


def test_images_of_many_sizes_without_a_crop_are_warned_about(made):
    dataset = load(made(MANY_SIZES)[0])
    assert dataset.input_shape == (9, 9, 3)
    assert any("dataset.resize gives no crop" in note for note in dataset.warnings)


def test_255_as_a_class_is_doubted(made):
    path, _ = made(change=lambda y: np.where(y == 2, 255, y).astype(np.uint8), labels=4)
    assert any("set dataset.ignore_class to 255" in note for note in load(path).warnings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"resize": {"width": 11, "height": 4}}, r"training crop, 11x4 .*12 of 12 .*Give at most 10x8"),
        (
            {"classes_count": 2},
            r"mask y\[0\] of .*train.npz holds the values 2, but with .* 0 to 1\. 12 masks",
        ),
        ({"classes_count": 300}, "classes_count 300 makes 300 classes .*2 to 255 are needed"),
        ({"class_labels_remapping": {"9": 0}}, r"label '9', which does not occur .* Its labels are: 0, 1, 2"),
        ({"class_labels_remapping": {"1": 0, "2": 0}}, "hold 1 class "),
        ({"validation_size": 0.01}, "makes 0 for validation, needed is one. Give at least 0.084"),
        ({"validation_size": None}, "must have a separate validation split"),
        (
            {"samples": 1},
            r"1 training image, as dataset\.samples 1 keeps no more, of which none can be spared",
        ),
    ],
)
def test_settings_that_do_not_suit_the_data(made, settings, message):
    with pytest.raises(DataError, match=message):
        load(made()[0], **settings)


def test_masks_without_a_labelled_pixel(made):
    path, _ = made(change=lambda y: y % 2)
    with pytest.raises(DataError, match="hold 1 class"):
        load(path, ignore_class=1)

    def only_the_first(found):
        return [(x, y if i == 0 else y * 0 + 9) for i, (x, y) in enumerate(found)]

    path = write_npz(path.parent / "few", only_the_first(pairs(ONE_SIZE)), is_numbered=False)
    with pytest.raises(DataError, match=r"validation masks of .* no pixel of any class: all are ignored"):
        load(path, ignore_class=9, classes_count=3)
    with pytest.raises(DataError, match=r"\(fold \d of 8\) hold .* all are ignored"):
        load(path, ignore_class=9, classes_count=3, folds=8, validation_size=0.9)


def test_a_test_split_without_a_labelled_pixel(made):
    path, _ = made()
    made(change=lambda y: y * 0 + 9, split="test")
    with pytest.raises(DataError, match=r"test masks .* all are ignored"):
        load(path, ignore_class=9, need_test=True)


def test_values_that_only_validation_masks_hold(made):
    path, _ = made()
    made(change=lambda y: y + 2, split="validation")
    with pytest.raises(
        DataError, match=r"y\[0\] of .*validation.npz holds the values 3, 4, which no training"
    ):
        load(path, validation_size=None)


def test_fractions_and_negative_numbers_are_no_labels(made):
    path, _ = made(change=lambda y: y - 1.0)
    with pytest.raises(DataError, match=r"y\[0\] .* is float64 in -1\.\.1; masks hold whole numbers"):
        load(path)
    path, _ = made(change=lambda y: y.astype(np.int64) - 1)
    with pytest.raises(DataError, match=r"is int64 in -1\.\.1.*where\(y >= 0, y, 255\)"):
        load(path)


def test_grey_and_coloured_splits_share_their_channels(tmp_path):
    coloured, grey = pairs(ONE_SIZE), [(x[..., :1], y) for x, y in pairs(ONE_SIZE, seed=1)]
    write_npz(tmp_path, coloured, is_numbered=False)
    write_npz(tmp_path, grey, "validation", is_numbered=False)
    for cache in (True, False):
        dataset = load(tmp_path, validation_size=None, cache=cache)
        x_NHWC = np.asarray(dataset.validation.x)
        assert x_NHWC.shape == (12, 8, 10, 3) and (x_NHWC == x_NHWC[..., :1]).all()


@pytest.mark.parametrize("dtype", [bool, np.uint64, np.dtype(">i4"), np.int16])
@pytest.mark.parametrize("cache", [True, False])
def test_masks_of_any_whole_type_are_labels(tmp_path, dtype, cache):
    x = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
    y = np.random.default_rng(1).random((8, 16, 16)) > 0.5
    np.savez(tmp_path / "train.npz", x=x, y=y.astype(dtype))
    found = load(tmp_path, cache=cache).full_train
    assert found.pixel_counts.sum(axis=0).tolist() == [int((~y).sum()), int(y.sum()), 0]
    assert sorted(np.asarray(mask).tobytes() for mask in found.y) == sorted(
        mask.astype(np.uint8).tobytes() for mask in y
    )


@pytest.mark.parametrize("is_numbered", [False, True])
@pytest.mark.parametrize("cache", [True, False])
def test_masks_of_floats_without_fractions_are_taken_and_told(tmp_path, is_numbered, cache):
    made = pairs(ONE_SIZE)
    whole = load(write_npz(tmp_path / "int", made, is_numbered=is_numbered), cache=cache)
    floats = [(x, y.astype(np.float64)) for x, y in made]
    found = load(write_npz(tmp_path / "float", floats, is_numbered=is_numbered), cache=cache)
    told = "Masks that are float64 without fractions are taken as labels: 12 ("
    assert [note.startswith(told) for note in found.warnings] == [True] and whole.warnings == []
    assert found.class_names == whole.class_names
    for i in range(len(whole.train)):
        assert np.array_equal(whole.train.y[i], found.train.y[i]) and found.train.y[i].dtype == np.uint8
    for value, remedy in (
        (0.5, "smoothed"),
        (-1.0, "ignore_class"),
        (np.nan, "with NaN"),
        (1e9, "Number the"),
    ):
        floats[3][1][0, 0] = value
        with pytest.raises(DataError, match=remedy):
            load(write_npz(tmp_path / "wrong", floats, is_numbered=is_numbered), cache=cache)
