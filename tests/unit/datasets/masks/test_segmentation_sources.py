"""Where images with masks are read from: the same data whatever their form, cached or from disk."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from popnas.datasets.ragged import Ragged
from popnas.errors import DataError

from .segmentation_data import MANY_SIZES, ONE_SIZE, load, pairs, write_folders, write_npz


def content(dataset):
    return sorted((np.asarray(x).tobytes(), np.asarray(y).tobytes()) for x, y in zip(
        dataset.full_train.x, dataset.full_train.y, strict=True))  # fmt: skip


@pytest.mark.parametrize("sizes", [ONE_SIZE, MANY_SIZES], ids=["one size", "many sizes"])
def test_all_forms_hold_the_same(tmp_path, sizes):
    found = pairs(sizes)
    paths = [
        write_folders(tmp_path / "folders", found),
        write_npz(tmp_path / "numbered", found, is_numbered=True),
        write_npz(tmp_path / "packed", found, is_numbered=True, is_compressed=True),
    ]
    if sizes is ONE_SIZE:
        paths += [
            write_npz(tmp_path / "plain", found, is_numbered=False),
            write_npz(tmp_path / "compressed", found, is_numbered=False, is_compressed=True),
        ]
    expected = sorted((x.tobytes(), y.tobytes()) for x, y in found)
    for path in paths:
        for cache in (True, False):
            dataset = load(path, cache=cache)
            assert content(dataset) == expected, (path.name, cache)
            assert isinstance(dataset.full_train.x, Ragged) == (not cache or sizes is MANY_SIZES)


def test_one_file_may_hold_all_splits(tmp_path):
    parts = {}
    for number, split in enumerate(("train", "validation", "test")):
        x, y = zip(*pairs(ONE_SIZE, seed=number), strict=True)
        parts |= {f"x_{split}": np.stack(x), f"y_{split}": np.stack(y)}
    np.savez(tmp_path / "all.npz", **parts)
    dataset = load(tmp_path / "all.npz", validation_size=None, need_test=True)
    for split in ("train", "validation", "test"):
        assert (getattr(dataset, split).x == parts[f"x_{split}"]).all()


def test_what_is_not_cached_stays_on_disk(tmp_path):
    """A file that is not compressed is mapped, and images are read when they are asked for."""
    path = write_folders(tmp_path / "folders", pairs(ONE_SIZE))
    dataset = load(path, cache=False)
    for file in (path / "train" / "images").iterdir():
        file.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        dataset.train.x[0]


def test_grey_images_get_the_channels_of_others(tmp_path):
    found = pairs(ONE_SIZE)
    write_folders(tmp_path, found)
    Image.fromarray(found[0][0][..., 0]).save(tmp_path / "train" / "images" / "000.png")
    for cache in (True, False):
        dataset = load(tmp_path, cache=cache)
        assert all(np.asarray(x).shape == (8, 10, 3) for x in dataset.full_train.x)


def test_stems_pair_files_of_different_kinds_and_folders(tmp_path):
    write_folders(tmp_path, pairs(ONE_SIZE))
    for kind, suffix in (("images", "bmp"), ("masks", "png")):
        place = tmp_path / "train" / kind
        (place / "city").mkdir()
        with Image.open(place / "003.png") as image:
            image.save(place / "city" / f"a.{suffix}")
    assert len(load(tmp_path).full_train) == 13


def test_an_image_without_mask_and_a_mask_without_image(tmp_path):
    write_folders(tmp_path, pairs(ONE_SIZE))
    (tmp_path / "train" / "masks" / "003.png").rename(tmp_path / "train" / "masks" / "03.png")
    with pytest.raises(
        DataError, match=r"image .*003\.png has no mask: .*masks holds no file '003\.\*'"
    ) as caught:
        load(tmp_path)
    assert "Did you mean '03'?" in str(caught.value) and "add the mask, or remove the image" in str(
        caught.value
    )
    (tmp_path / "train" / "images" / "003.png").unlink()
    with pytest.raises(DataError, match=r"mask .*03\.png has no image"):
        load(tmp_path)


def test_sizes_of_image_and_mask_must_agree(tmp_path):
    write_folders(tmp_path / "folders", pairs(ONE_SIZE))
    mask = tmp_path / "folders" / "train" / "masks" / "005.png"
    Image.fromarray(np.zeros((4, 5), np.uint8)).save(mask)
    for cache in (True, False):
        with pytest.raises(DataError, match=r"mask .*005\.png is 5x4 \(width x height\), its image 10x8"):
            load(tmp_path / "folders", cache=cache)
    x, y = zip(*pairs(ONE_SIZE), strict=True)
    np.savez(tmp_path / "train.npz", x=np.stack(x), y=np.stack(y)[:, :6])
    with pytest.raises(DataError, match=r"mask y\[0\] of .*train\.npz is 10x6 .* its image 10x8.* 12 pairs"):
        load(tmp_path / "train.npz")


def test_values_outside_the_classes_name_the_file(tmp_path):
    write_folders(tmp_path, pairs(ONE_SIZE))
    mask = np.zeros((8, 10), np.uint8)
    mask[0, 0], mask[0, 1] = 9, 77
    Image.fromarray(mask).save(tmp_path / "train" / "masks" / "002.png")
    with pytest.raises(DataError, match=r"mask .*masks/002\.png holds the values 9, 77, but with .*0 to 2"):
        load(tmp_path, classes_count=3)
    assert load(tmp_path).class_names == ["0", "1", "2", "9", "77"]


def test_coloured_masks_need_their_table(tmp_path):
    found = pairs(ONE_SIZE)
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0]], np.uint8)
    write_folders(tmp_path, [(x, colours[y]) for x, y in found])
    with pytest.raises(DataError, match=r"000\.png is in colours.*colors\.csv"):
        load(tmp_path)
    (tmp_path / "colors.csv").write_text("0,0,0,0\n255,0,0,1\n0,255,0,2\n")
    for cache in (True, False):
        assert content(load(tmp_path, cache=cache)) == sorted((x.tobytes(), y.tobytes()) for x, y in found)


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_empty_folders_are_told(tmp_path, kind):
    write_folders(tmp_path, pairs(ONE_SIZE))
    for file in (tmp_path / "train" / kind).iterdir():
        file.unlink()
    with pytest.raises(DataError, match=rf"{kind} holds no images \("):
        load(tmp_path)


def test_two_files_of_one_name(tmp_path):
    write_folders(tmp_path, pairs(ONE_SIZE))
    image = tmp_path / "train" / "images" / "003.png"
    image.with_suffix(".bmp").write_bytes(image.read_bytes())
    with pytest.raises(DataError, match=r"003\.bmp and .*003\.png have the same name"):
        load(tmp_path)


def numbered(**changes):
    arrays = {f"{'xy'[k]}_{i}": pair[k] for i, pair in enumerate(pairs(MANY_SIZES)) for k in (0, 1)}
    arrays |= changes
    return {name: array for name, array in arrays.items() if array is not None}


def plain(**changes):
    x, y = zip(*pairs(ONE_SIZE), strict=True)
    arrays = {"x": np.stack(x), "y": np.stack(y)}
    return arrays | changes


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (numbered(y_4=None), "the image x_4 has no mask y_4"),
        (numbered(x_0=None), "the mask y_0 has no image x_0"),
        (numbered(y_4=np.zeros((2, 2), np.uint8)), r"y_4 of .*is 2x2 .* its image 10x9"),
        (numbered(x_2=np.zeros((10, 8, 3), np.float32)), "'x_2' is float32; images are bytes"),
        (numbered(x_2=np.zeros(10, np.uint8)), "'x_2' has the shape"),
        (
            numbered(x_0=np.full((6, 8, 3), 0.5), x_2=np.full((10, 8, 3), 200.5)),
            r"'x_0' is float64; .* and the 2 that are none lie together in 0\.5\.\.200\.5\. Round them",
        ),
        (numbered(x_2=np.full((10, 8, 3), np.nan)), "'x_2' holds NaN or infinite values; .* become black"),
        (plain(x=np.full((12, 8, 10, 3), 0.25)), r"these lie in 0\.25\.\.0\.25\. If white is 1, convert"),
        (plain(x=np.full((12, 8, 10, 3), -7)), r"is int64; .* in -7\.\.-7\. All their values are equal"),
        (plain(y=np.zeros((11, 8, 10), np.uint8)), "'x' holds 12 images and 'y' 11 masks; each image needs"),
        (plain(y=np.zeros((12, 8, 10, 3), np.uint8)), r"numpy\.argmax\(y, axis=-1\)"),
        (plain(x=np.zeros((12, 8, 10, 3))), "'x' is float64; images are bytes"),
        (
            plain(x=np.zeros((0, 8, 10, 3), np.uint8), y=np.zeros((0, 8, 10), np.uint8)),
            "train split .* empty",
        ),
        (
            plain(x=np.array([None] * 12)),
            "'x' of .* holds pickled Python objects.*popnas dataset segmentation",
        ),
        (
            numbered(y_4=np.array([None])),
            "'y_4' of .* holds pickled Python objects.*popnas dataset segmentation",
        ),
        ({"images": np.zeros(3)}, "no array 'labels': it holds 'images'"),
        ({"pictures": np.zeros(3)}, "no array 'x': it holds 'pictures'.* Understood are x and y"),
    ],
)
@pytest.mark.parametrize("cache", [True, False])
def test_npz_files_that_do_not_suit(tmp_path, arrays, message, cache):
    np.savez(tmp_path / "train.npz", **arrays)
    with pytest.raises(DataError, match=message) as caught:
        load(tmp_path, cache=cache)
    assert "train.npz" in str(caught.value) or "empty" in message
