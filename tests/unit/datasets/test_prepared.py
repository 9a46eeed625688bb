"""A prepared data set reads back as it was, its arrays mapped; a damaged one is refused."""

import json
from dataclasses import fields

import numpy as np
import pytest
from PIL import Image

from popnas import datasets
from popnas.config import DatasetConfig
from popnas.datasets import Split, prepared
from popnas.datasets.ragged import Ragged
from popnas.errors import DataError

RNG = np.random.default_rng(0)


def series(folder):
    np.savez(
        folder / "train.npz",
        x=RNG.normal(size=(40, 6, 2)),
        y=np.arange(40) % 2,
        lengths=np.arange(40) % 5 + 2,
    )
    return {"type": "time_series_classification", "normalize": True, "balance_class_losses": True}


def images(folder):
    np.savez(folder / "train.npz", x=RNG.integers(0, 256, (40, 5, 7, 3), dtype=np.uint8), y=np.arange(40) % 2)
    return {"type": "image_classification"}


def masks(folder):
    """Of two sizes."""
    for kind in ("images", "masks"):
        (folder / "train" / kind).mkdir(parents=True)
    for number in range(12):
        size = (8, 6) if number % 3 else (6, 8)
        Image.fromarray(RNG.integers(0, 256, (*size, 3), dtype=np.uint8)).save(
            folder / "train" / "images" / f"{number}.png"
        )
        Image.fromarray((np.indices(size).sum(axis=0) % 3).astype(np.uint8)).save(
            folder / "train" / "masks" / f"{number}.png"
        )
    return {"type": "image_segmentation", "ignore_class": None}


@pytest.fixture(params=[series, images, masks])
def dataset(request, tmp_path):
    settings = request.param(tmp_path)
    config = DatasetConfig(path=str(tmp_path), validation_size=0.25, folds=3, **settings)
    return datasets.load(config, 0)


def arrays_of(split: Split):
    """Everything in it, by name."""
    found = {item.name: getattr(split, item.name) for item in fields(split)}
    return {
        name: [np.asarray(part) for part in value] if isinstance(value, Ragged) else value
        for name, value in found.items()
    }


def assert_equal(ours: Split, theirs: Split):
    one, other = arrays_of(ours), arrays_of(theirs)
    for name, values in other.items():
        if values is None:
            assert one[name] is None
        elif isinstance(values, list):
            assert all(map(np.array_equal, one[name], values)) and len(one[name]) == len(values)
        else:
            assert one[name].dtype == values.dtype and np.array_equal(one[name], values)


def test_a_stored_data_set_reads_back_equal(dataset, tmp_path):
    prepared.write(dataset, tmp_path / "stored")
    again = prepared.read(str(tmp_path / "stored"))
    assert again.describe() == dataset.describe()
    assert (again.origin, again.network_size) == (dataset.origin, dataset.network_size)
    assert_equal(again.full_train, dataset.full_train)
    for ours, theirs in zip(again.folds, dataset.folds, strict=True):
        assert_equal(ours.train, theirs.train)
        assert_equal(ours.validation, theirs.validation)
    if dataset.class_weights is not None:
        assert np.array_equal(again.class_weights, dataset.class_weights)


def test_arrays_are_mapped_and_what_one_writes_nobody_else_sees(tmp_path):
    dataset = datasets.load(DatasetConfig(path=str(tmp_path), validation_size=0.25, **images(tmp_path)), 0)
    prepared.write(dataset, tmp_path / "stored")
    one, other = (prepared.read(str(tmp_path / "stored")) for _ in range(2))
    assert isinstance(one.full_train.x, np.memmap)
    one.full_train.x[:] = 0
    assert np.array_equal(other.full_train.x, dataset.full_train.x)


def test_what_is_not_as_it_was_written_is_refused(dataset, tmp_path):
    prepared.write(dataset, tmp_path / "stored")
    description = tmp_path / "stored" / "dataset.json"
    whole = description.read_text()
    (tmp_path / "stored" / "x.npy").rename(tmp_path / "x.npy")
    data = (tmp_path / "x.npy").read_bytes()
    changed = data[:128] + bytes(255 - value for value in data[128:])
    for content in (b"", data[: len(data) // 2], changed):
        (tmp_path / "stored" / "x.npy").write_bytes(content)
        with pytest.raises(DataError, match="cannot be read"):
            prepared.read(str(tmp_path / "stored"))
    (tmp_path / "stored" / "x.npy").write_bytes(data)
    prepared.read(str(tmp_path / "stored"))
    for text in ("{", json.dumps({**json.loads(whole), "digest": "0"}), "{}"):
        description.write_text(text)
        with pytest.raises(DataError, match="cannot be read"):
            prepared.read(str(tmp_path / "stored"))
    with pytest.raises(DataError, match="cannot be read: it does not exist"):
        prepared.read(str(tmp_path / "nowhere"))


def test_in_one_process_it_is_the_object_itself_as_long_as_it_is_held(tmp_path):
    dataset = datasets.load(DatasetConfig(path=str(tmp_path), validation_size=0.25, **images(tmp_path)), 0)
    place = prepared.hold(dataset)
    assert prepared.read(place) is dataset
    del dataset
    with pytest.raises(DataError):
        prepared.read(place)
