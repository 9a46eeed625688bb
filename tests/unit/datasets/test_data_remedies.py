"""The line of code that a refusal of arrays tells is a line that works: it is run, saved and loaded."""

import re

import numpy as np
import pytest

from popnas import datasets
from popnas.config import DatasetConfig
from popnas.errors import DataError

RNG = np.random.default_rng(0)
IMAGES, SERIES, MASKS = "image_classification", "time_series_classification", "image_segmentation"
X = {
    IMAGES: RNG.integers(0, 256, (24, 12, 10, 3)).astype(np.uint8),
    SERIES: RNG.normal(size=(24, 12, 2)),
    MASKS: RNG.integers(0, 256, (24, 12, 10, 3)).astype(np.uint8),
}
Y = {IMAGES: np.arange(24) % 2, SERIES: np.arange(24) % 2, MASKS: RNG.integers(0, 3, (24, 12, 10))}
FLOAT = Y[MASKS].astype(float)


def changed(array, where, value):
    array = array.astype(float)
    array[where] = value
    return array


CASES = {
    "images, white is 1": (IMAGES, X[IMAGES] / 255, Y[IMAGES], "x = (x * 255).round().astype('uint8')"),
    "images, white is 1, black -1": (
        IMAGES, X[IMAGES] / 127.5 - 1, Y[IMAGES], "x = ((x + 1) * 127.5).round().astype('uint8')",
    ),
    "images with fractions": (IMAGES, X[IMAGES] * 0.7, Y[IMAGES], "x = x.round().astype('uint8')"),
    "images of 16 bits": (
        IMAGES, X[IMAGES].astype(np.uint16) * 257, Y[IMAGES], "x = (x / 257).round().astype('uint8')",
    ),
    "images around 0": (IMAGES, X[IMAGES] - 99.5, Y[IMAGES], None),
    "images with NaN": (
        IMAGES, changed(X[IMAGES], (3, 0, 0), np.nan), Y[IMAGES], "x = numpy.where(numpy.isfinite(x), x, 0)",
    ),
    "images, channels first": (
        IMAGES, np.moveaxis(X[IMAGES], -1, 1), Y[IMAGES], "x = numpy.moveaxis(x, 1, -1)",
    ),
    "one-hot labels": (IMAGES, X[IMAGES], np.eye(2)[Y[IMAGES]], "y = numpy.argmax(y, axis=1)"),
    "several labels": (
        IMAGES, X[IMAGES], np.stack([Y[IMAGES], np.ones(24)], axis=1), "y = y[:, 0]",
    ),
    "dates for labels": (
        IMAGES, X[IMAGES], np.array(["2020-01-01", "2021-01-01"], "M8[D]")[Y[IMAGES]], "y = y.astype(str)",
    ),
    "labels of NaN": (
        IMAGES, X[IMAGES], changed(Y[IMAGES], 3, np.nan), "x, y = x[numpy.isfinite(y)], y[numpy.isfinite(y)]",
    ),
    "series of texts": (SERIES, X[SERIES].astype(str), Y[SERIES], "x = x.astype(float)"),
    "series without channels": (SERIES, X[SERIES][..., 0], Y[SERIES], "x = x[..., None]"),
    "series with NaN": (
        SERIES, changed(X[SERIES], (3, 4, 1), np.nan), Y[SERIES],
        "keep = numpy.isfinite(x).all(axis=(1, 2)); x, y = x[keep], y[keep]",
    ),
    "masks of probabilities": (MASKS, X[MASKS], FLOAT / 3, "y = (y > 0.5).astype('uint8')"),
    "masks with NaN": (
        MASKS, X[MASKS], changed(FLOAT, (slice(None), 0), np.nan),
        "y = numpy.where(y >= 0, y, 255).astype('uint8')",
    ),
    "masks with -1": (
        MASKS, X[MASKS], changed(Y[MASKS], (slice(None), 0), -1).astype(int),
        "y = numpy.where(y >= 0, y, 255).astype('uint8')",
    ),
    "masks with -1 and many labels": (
        MASKS, X[MASKS], changed(Y[MASKS] * 200, (slice(None), 0), -1).astype(int),
        "y = numpy.where(y >= 0, y, 401).astype('uint16')",
    ),
    "masks of large numbers": (
        MASKS, X[MASKS], Y[MASKS] * 70_000, "y = numpy.unique(y, return_inverse=True)[1].reshape(y.shape)",
    ),
    "one-hot masks": (MASKS, X[MASKS], np.eye(3)[Y[MASKS]], "y = numpy.argmax(y, axis=-1)"),
    "images to masks, white is 1": (MASKS, X[MASKS] / 255, Y[MASKS], "x = (x * 255).round().astype('uint8')"),
    "images to masks, whole floats": (MASKS, X[MASKS] * 1.0, Y[MASKS], "x = x.round().astype('uint8')"),
    "images to masks, int64": (MASKS, X[MASKS].astype(int), Y[MASKS], "x = x.astype('uint8')"),
    "images to masks, boolean": (MASKS, X[MASKS] > 99, Y[MASKS], "x = (x * 255).astype('uint8')"),
    "images to masks, channels first": (
        MASKS, np.moveaxis(X[MASKS], -1, 1), Y[MASKS], "x = numpy.moveaxis(x, -3, -1)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_line_that_is_told_works(tmp_path, name):
    task, x, y, line = CASES[name]
    settings = {"type": task, "path": str(tmp_path), "validation_size": 0.25}
    np.savez(tmp_path / "train.npz", x=x, y=y)
    with pytest.raises(DataError) as raised:
        datasets.load(DatasetConfig(**settings), 0)
    told = str(raised.value)
    if line is None:
        line = "x = " + re.search(r"convert with (\(\(x.*astype\('uint8'\))\.", told)[1]
    for part in re.split(r"; |, y = ", line):
        value = part.split(" = ", 1)[-1]
        assert all(word in told for word in value.split(", y[")), (value, told)
    names = {"numpy": np, "x": x, "y": y}
    exec(line, names)
    np.savez(tmp_path / "train.npz", x=names["x"], y=names["y"])
    if (ignored := re.search(r"dataset\.ignore_class (\d+)", told)) is not None:
        settings["ignore_class"] = int(ignored[1])
    found = datasets.load(DatasetConfig(**settings), 0)
    assert found.num_classes >= 2


def test_a_mask_file_of_floats_becomes_one_of_labels(tmp_path):
    from PIL import Image

    from popnas.datasets.masks.mask_files import read_mask

    y = RNG.integers(0, 3, (8, 8))
    Image.fromarray(y.astype(np.float32)).save(tmp_path / "m.tif")
    with pytest.raises(DataError) as raised:
        read_mask(tmp_path / "m.tif")
    line = re.search(r"(Image\.fromarray.*?)\.$", str(raised.value))[1]
    new = tmp_path / "NEW.png"
    exec(
        line.replace("'NEW.png'", "NEW"), {"Image": Image, "numpy": np, "OLD": tmp_path / "m.tif", "NEW": new}
    )
    assert np.array_equal(read_mask(new), y)
