import numpy as np
import pytest
from PIL import Image

from popnas import datasets
from popnas.config import DatasetConfig, ResizeConfig
from popnas.errors import DataError


def config(path=None, **options):
    options = {"validation_size": 0.25, **options}
    return DatasetConfig(type="image_classification", path=None if path is None else str(path), **options)


def folders(root, split="train", classes=("cat", "dog"), n=8, mode="RGB", size=(6, 5)):
    for k, name in enumerate(classes):
        (root / split / name).mkdir(parents=True)
        for i in range(n):
            color = 10 * i + 100 * k
            Image.new(mode, size, color if mode in ("L", "P") else (color,) * len(mode)).save(
                root / split / name / f"{i}.png"
            )
    return root


def test_class_folders(tmp_path):
    folders(tmp_path)
    folders(tmp_path, "test", n=2)
    (tmp_path / "train" / "cat" / "notes.txt").write_text("no image")
    dataset = datasets.load(config(tmp_path), 0, need_test=True)
    assert dataset.input_shape == (5, 6, 3) and dataset.class_names == ["cat", "dog"]
    assert dataset.full_train.x.dtype == np.uint8
    assert np.array_equal(dataset.full_train.x[:, 0, 0, 0] >= 100, dataset.full_train.y == 1)
    assert len(dataset.test) == 4
    assert dataset.preprocessing.scale == (1 / 255,) * 3


def test_folder_names_of_popnas_and_a_separate_validation_split(tmp_path):
    folders(tmp_path, "keras_training")
    folders(tmp_path, "keras_validation", n=3)
    dataset = datasets.load(config(tmp_path, validation_size=None), 0)
    assert (len(dataset.train), len(dataset.validation)) == (16, 6)


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3), ("RGBA", 3), ("P", 3), ("LA", 1)])
def test_modes_of_8_bits_become_grey_or_rgb(tmp_path, mode, channels):
    dataset = datasets.load(config(folders(tmp_path, mode=mode)), 0)
    assert dataset.input_shape == (5, 6, channels)


def test_grey_images_among_colour_ones_become_colour(tmp_path):
    folders(tmp_path)
    Image.new("L", (6, 5), 7).save(tmp_path / "train" / "cat" / "grey.png")
    dataset = datasets.load(config(tmp_path), 0)
    assert dataset.input_shape == (5, 6, 3)
    assert (dataset.full_train.x == 7).all(axis=(1, 2, 3)).sum() == 1


def test_16_bit_images_are_refused(tmp_path):
    folders(tmp_path)
    Image.fromarray(np.full((5, 6), 3000, dtype=np.uint16)).save(tmp_path / "train" / "cat" / "deep.png")
    with pytest.raises(DataError, match=r"deep\.png has pixels of the kind 'I;16'"):
        datasets.load(config(tmp_path), 0)


def test_mixed_sizes_need_resize(tmp_path):
    folders(tmp_path)
    Image.new("RGB", (9, 7)).save(tmp_path / "train" / "dog" / "big.png")
    with pytest.raises(
        DataError, match=r"differ in size: .*0\.png is 6x5 .*big\.png is 9x7 .*dataset\.resize"
    ):
        datasets.load(config(tmp_path), 0)
    resized = datasets.load(config(tmp_path, resize=ResizeConfig(width=4, height=3)), 0)
    assert resized.input_shape == (3, 4, 3)


def test_a_test_split_of_another_size_needs_resize(tmp_path):
    folders(tmp_path)
    folders(tmp_path, "test", size=(7, 7))
    with pytest.raises(DataError, match=r"test split .* 7x7 .* training split 6x5"):
        datasets.load(config(tmp_path), 0, need_test=True)


@pytest.mark.parametrize("content", [b"", b"no image at all", b"\x89PNG\r\n\x1a\n cut off"])
def test_a_corrupt_image_is_named(tmp_path, content):
    folders(tmp_path)
    (tmp_path / "train" / "cat" / "bad.png").write_bytes(content)
    with pytest.raises(DataError, match=r"train/cat/bad\.png cannot be read"):
        datasets.load(config(tmp_path), 0)


def test_a_truncated_image_is_named(tmp_path):
    folders(tmp_path)
    noise = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    file = tmp_path / "train" / "cat" / "cut.png"
    Image.fromarray(noise).save(file)
    file.write_bytes(file.read_bytes()[:3000])
    with pytest.raises(DataError, match=r"cut\.png cannot be read"):
        datasets.load(config(tmp_path), 0)


def test_orientation_is_applied(tmp_path):
    folders(tmp_path, size=(5, 6))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (6, 5)).save(tmp_path / "train" / "cat" / "turned.png", exif=exif)
    assert datasets.load(config(tmp_path), 0).input_shape == (6, 5, 3)


def test_empty_folders_are_refused(tmp_path):
    (tmp_path / "train").mkdir()
    with pytest.raises(DataError, match=r"train holds no folders"):
        datasets.load(config(tmp_path), 0)
    (tmp_path / "train" / "cat").mkdir()
    with pytest.raises(DataError, match=r"cat holds no images"):
        datasets.load(config(tmp_path), 0)
    folders(tmp_path / "other", "test")
    with pytest.raises(DataError, match=r"has no training split: there is no folder train"):
        datasets.load(config(tmp_path / "other"), 0)


def test_npz_per_split_and_grey_without_a_channel_axis(tmp_path):
    x = np.arange(40 * 12, dtype=np.uint8).reshape(40, 4, 3)
    np.savez(tmp_path / "train.npz", x=x, y=np.arange(40) % 2)
    dataset = datasets.load(config(tmp_path), 0)
    assert dataset.input_shape == (4, 3, 1)
    assert {image.tobytes() for image in dataset.full_train.x} == {image.tobytes() for image in x}


def test_one_npz_with_all_splits(tmp_path):
    file, x, y = tmp_path / "all.npz", np.zeros((40, 4, 4, 3), np.uint8), np.arange(40) % 2
    np.savez(file, x_train=x, y_train=y, x_val=x[:9], y_val=y[:9], x_test=x[:7], y_test=y[:7])
    dataset = datasets.load(config(file, validation_size=None), 0, need_test=True)
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (40, 9, 7)


def test_integers_in_byte_range_are_bytes(tmp_path):
    np.savez(tmp_path / "train.npz", x=np.full((40, 4, 4), 255), y=np.arange(40) % 2)
    assert datasets.load(config(tmp_path), 0).full_train.x.dtype == np.uint8


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.full((40, 4, 4), 0.5), r"are float64 in 0\.5\.\.0\.5; bytes of 0\.\.255 .* \(x \* 255\)"),
        (np.full((40, 4, 4), 300), r"are int64 in 300\.\.300"),
        (np.full((40, 4, 4), np.nan), "holds NaN at row 0, column 0"),
        (np.zeros((40, 4), np.uint8), r"shape \(40, 4\); \(n, height, width\)"),
        (np.zeros((40, 3, 8, 8), np.uint8), "channels first"),
        (np.zeros((40, 0, 4), np.uint8), r"shape is \(40, 0, 4\), which holds no values"),
    ],
)
def test_arrays_that_are_no_images_are_refused(tmp_path, x, message):
    np.savez(tmp_path / "train.npz", x=x, y=np.arange(40) % 2)
    with pytest.raises(DataError, match=message):
        datasets.load(config(tmp_path), 0)


def test_digits_are_fixed_stratified_and_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    first = datasets.load(config(name="digits", validation_size=0.1), 0, need_test=True)
    other = datasets.load(config(name="digits", validation_size=0.1), 1, need_test=True)
    assert [len(first.train), len(first.validation), len(first.test)] == [1294, 143, 360]
    assert np.array_equal(first.test.x, other.test.x) and not np.array_equal(first.train.x, other.train.x)
    assert np.ptp(np.bincount(first.test.y)) <= 2
    expected = load_digits()
    known = {
        image.tobytes(): y for image, y in zip(expected.images.astype(np.uint8), expected.target, strict=True)
    }
    levels = (np.concatenate([first.full_train.x, first.test.x])[..., 0] / 255 * 16).round().astype(np.uint8)
    labels = np.concatenate([first.full_train.y, first.test.y])
    assert [known[image.tobytes()] for image in levels] == labels.tolist()
    assert len(levels) == 1797


def test_digits_can_be_resized():
    resized = datasets.load(config(name="digits", resize=ResizeConfig(width=16, height=12)), 0)
    assert resized.input_shape == (12, 16, 1)
