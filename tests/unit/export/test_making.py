"""What a model's README says of inputs, done with the original files, gives what popnas itself loads."""

import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from popnas import datasets
from popnas.config import DatasetConfig, ResizeConfig
from popnas.datasets.images import decoding
from popnas.export import making
from popnas.export.model_values import ModelDescription, ModelInput
from popnas.export.running import feeds
from popnas.networks.spec import NetworkSpec

RESIZED = ResizeConfig(width=7, height=4)


def load(path=None, kind="image_classification", **options):
    options = {"validation_size": 0.25, **options}
    chosen = DatasetConfig(type=kind, path=None if path is None else str(path), **options)
    return datasets.load(chosen, 0, need_test=True)


def content_of(dataset, *, is_any_size=False):
    *size, channels = dataset.input_shape
    shape = None if is_any_size else dataset.input_shape
    axes = ["height", "width"] if is_any_size else size
    given = ModelInput(shape=["batch", channels, *axes])
    return ModelDescription(
        cell="[]",
        network=NetworkSpec("classification", dataset.input_shape, dataset.num_classes),
        class_names=dataset.class_names,
        input=making.told(given, dataset.origin, dataset.preprocessing, shape),
        preprocessing=dataset.preprocessing,
    )


def make_input_of(content):
    names = {}
    exec(making.program(content), names)
    return names["make_input"]


def loaded(dataset):
    """What popnas gives the network, one example after the other."""
    return list(feeds(dataset.test, 1))


def noise(shape, seed):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def photographs(root, make):
    """Two classes; `make(seed)` gives a Pillow image. Returns the test files in their order."""
    for split, n in (("train", 8), ("test", 3)):
        for k, name in enumerate(("cat", "dog")):
            (root / split / name).mkdir(parents=True)
            for i in range(n):
                image = make(100 * k + 10 * n + i)
                image.save(root / split / name / f"{i}.png", exif=image.getexif())
    return sorted((root / "test").rglob("*.png"))


def rgb(seed, size=(5, 6)):
    return Image.fromarray(noise((*size, 3), seed))


def turned(seed):
    image = rgb(seed, (5, 6) if seed % 2 else (6, 5))
    image.getexif()[274] = 6 if seed % 2 else 1
    return image


KINDS = {
    "colour": (rgb, 3),
    "turned": (turned, 3),
    "alpha": (lambda seed: Image.fromarray(noise((5, 6, 4), seed)), 3),
    "grey": (lambda seed: Image.fromarray(noise((5, 6), seed)), 1),
    "grey and alpha": (lambda seed: Image.fromarray(noise((5, 6, 2), seed)), 1),
    "palette": (lambda seed: rgb(seed).quantize(9), 3),
    "grey among colours": (lambda seed: rgb(seed).convert("L") if seed % 3 == 1 else rgb(seed), 3),
    "one bit": (lambda seed: rgb(seed).convert("1"), 1),
}


@pytest.mark.parametrize("resize", [None, RESIZED], ids=["plain", "resized"])
@pytest.mark.parametrize("kind", KINDS)
def test_image_files(tmp_path, kind, resize):
    make, channels = KINDS[kind]
    files = photographs(tmp_path, make)
    dataset = load(tmp_path, resize=resize)
    assert dataset.input_shape[-1] == channels
    content = content_of(dataset)
    make_input = make_input_of(content)
    for file, feed in zip(files, loaded(dataset), strict=True):
        np.testing.assert_array_equal(make_input(file), feed["input"], strict=True)
    told = " ".join(content.input.how_to_make)
    assert ("7x4 pixels" in told and "bilinear" in told) == (resize is not None)
    assert ("red, green, blue" in told) == (channels == 3) and "transparency is dropped" in told


def test_photographs_of_differing_sizes(tmp_path):
    files = photographs(tmp_path, lambda seed: rgb(seed, (20 + seed % 7, 31 - seed % 5)))
    dataset = load(tmp_path, resize=RESIZED)
    for file, feed in zip(files, loaded(dataset), strict=True):
        np.testing.assert_array_equal(make_input_of(content_of(dataset))(file), feed["input"], strict=True)


def test_what_popnas_refuses_is_refused(tmp_path):
    photographs(tmp_path / "colour", rgb)
    photographs(tmp_path / "grey", KINDS["grey"][0])
    Image.fromarray(np.zeros((5, 6), np.uint16)).save(tmp_path / "deep.png")
    rgb(0, (9, 9)).save(tmp_path / "large.png")
    colour, grey = (make_input_of(content_of(load(tmp_path / name))) for name in ("colour", "grey"))
    for make_input, file, words in (
        (colour, "deep.png", "8 bits"),
        (colour, "large.png", r"\(9, 9\) is not \(6, 5\)"),
        (grey, "large.png", "no grey image"),
    ):
        with pytest.raises(ValueError, match=words):
            make_input(tmp_path / file)


@pytest.mark.parametrize("resize", [None, RESIZED], ids=["plain", "resized"])
def test_digits_are_brought_from_16_to_255(resize):
    """As scikit-learn's users have them: fed without that, a model is right by chance."""
    dataset = load(name="digits", resize=resize)
    content = content_of(dataset)
    package = find_spec("sklearn").submodule_search_locations[0]
    with gzip.open(Path(package, "datasets", "data", "digits.csv.gz"), "rt") as lines:
        originals = np.loadtxt(lines, delimiter=",")[:, :-1].reshape(-1, 8, 8)
    make_input = make_input_of(content)
    made = {make_input(image).tobytes() for image in originals}
    assert {feed["input"].tobytes() for feed in loaded(dataset)} <= made
    assert dataset.test.x.max() == 255
    told = " ".join(content.input.how_to_make)
    assert "0 to 16" in told and "x * 255 / 16" in told and "0 to 16" in content.input.values


@pytest.mark.parametrize("resize", [None, RESIZED], ids=["plain", "resized"])
@pytest.mark.parametrize("shape", [(5, 6), (5, 6, 1), (5, 6, 3), (5, 6, 4)])
def test_image_arrays(tmp_path, shape, resize):
    for split, n in (("train", 16), ("test", 4)):
        np.savez(tmp_path / f"{split}.npz", x=noise((n, *shape), n), y=np.arange(n) % 2)
    dataset = load(tmp_path, resize=resize)
    make_input = make_input_of(content_of(dataset))
    for image, feed in zip(np.load(tmp_path / "test.npz")["x"], loaded(dataset), strict=True):
        np.testing.assert_array_equal(make_input(image), feed["input"], strict=True)


@pytest.mark.parametrize("options", [{}, {"normalize": True}, {"rescale": True}], ids=str)
@pytest.mark.parametrize("has_lengths", [False, True])
def test_series(tmp_path, has_lengths, options):
    rng = np.random.default_rng(0)
    for split, n, timesteps in (("train", 16, 9), ("test", 4, 11)):
        arrays = {"x": rng.normal(3, 2, (n, timesteps, 2)), "y": np.arange(n) % 2}
        if has_lengths or split == "test":  # shorter and longer ones than were trained on
            arrays["lengths"] = np.arange(n) % 3 + timesteps - 3
        np.savez(tmp_path / f"{split}.npz", **arrays)
    dataset = load(tmp_path, "time_series_classification", **options)
    assert dataset.has_lengths == has_lengths
    make_input = make_input_of(content_of(dataset))
    test = np.load(tmp_path / "test.npz")
    for series, length, feed in zip(test["x"], test["lengths"], loaded(dataset), strict=True):
        made = make_input(series[:length])
        np.testing.assert_array_equal(made[0] if has_lengths else made, feed["input"], strict=True)
        if has_lengths:
            np.testing.assert_array_equal(made[1], feed["lengths"], strict=True)


@pytest.mark.parametrize("are_grey", [False, True])
def test_images_with_masks_have_any_size(tmp_path, are_grey):
    for split in ("train", "test"):
        for kind in ("images", "masks"):
            (tmp_path / split / kind).mkdir(parents=True)
        for i in range(6):
            image = rgb(i, (8 + i, 9))
            image = image.convert("L") if are_grey or i % 2 else image
            image.save(tmp_path / split / "images" / f"{i}.png")
            mask = Image.fromarray(noise((8 + i, 9), i) % 2)
            mask.save(tmp_path / split / "masks" / f"{i}.png")
    dataset = load(tmp_path, "image_segmentation")
    content = content_of(dataset, is_any_size=True)
    for i, feed in enumerate(loaded(dataset)):
        file = tmp_path / "test" / "images" / f"{i}.png"
        np.testing.assert_array_equal(make_input_of(content)(file), feed["input"], strict=True)
    assert "any size" in " ".join(content.input.how_to_make)


def test_every_source_of_images_says_whether_it_decodes_files():
    """A source that calls the decoder gives files; told otherwise, its users would not know how."""
    sources = Path(decoding.__file__).parents[1] / "sources"
    found = {
        path.name: "are_files=True" in path.read_text()
        for path in sources.glob("*.py")
        if "decoding" in (text := path.read_text()) and ("ImageData(" in text or "SegmentationData(" in text)
    }
    decoding_ones = {"class_folders.py", "hub.py", "hub_masks.py", "segmentation_folders.py"}
    assert {name for name, is_told in found.items() if is_told} == decoding_ones
