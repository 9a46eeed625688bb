import numpy as np
import pytest
from PIL import Image

from popnas import datasets as popnas_datasets
from popnas.config import DatasetConfig, ResizeConfig
from popnas.datasets.sources import Request, _hub_tables, hub
from popnas.errors import DataError, MissingExtraError


class ClassLabel:
    def __init__(self, names):
        self.names = names


class Value:
    pass


# The library tells a column's kind by the feature's class; this double is named like it.
ImageFeature = type("Image", (), {})


class Table:
    """As much of `datasets.Dataset` as the source uses."""

    def __init__(self, columns, features):
        self.columns, self.features = columns, features

    def __getitem__(self, name):
        return self.columns[name]

    def select_columns(self, names):
        size = len(self.columns[names[0]])
        return [{name: self.columns[name][i] for name in names} for i in range(size)]


def table(n=20, image="img", label="fine_label", size=(6, 5)):
    pictures = [Image.new("RGB", size, (i, i, i)) for i in range(n)]
    features = {
        image: ImageFeature(),
        label: ClassLabel(["cat", "dog"]),
        "coarse_label": ClassLabel(["animal"]),
    }
    return Table({image: pictures, label: [i % 2 for i in range(n)], "coarse_label": [0] * n}, features)


def request(needs_test=False, resize=None, name="cifar100"):
    return Request("image_classification", name, None, resize, needs_test)


def test_columns_are_found_by_kind_and_splits_by_name():
    raw = hub.from_tables({"train": table(), "valid": table(4), "test": table(2)}, request(needs_test=True))
    config = DatasetConfig(type="image_classification", name="cifar100", validation_size=None)
    dataset = raw.assemble(config, 0)
    assert dataset.class_names == ["cat", "dog"] and dataset.input_shape == (5, 6, 3)
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (20, 4, 2)
    assert np.array_equal(dataset.train.x[:, 0, 0, 0] % 2, dataset.train.y)


def test_images_are_resized_as_they_are_decoded():
    raw = hub.from_tables({"train": table()}, request(resize=ResizeConfig(width=3, height=2)))
    assert raw.images["train"][0].shape == (2, 3, 3)


def test_tables_without_the_columns_or_the_split_are_refused():
    with pytest.raises(DataError, match=r"no split 'train', only: all"):
        hub.from_tables({"all": table()}, request())
    with pytest.raises(DataError, match=r"has no image column, .* text \(Value\), label \(ClassLabel\)"):
        hub.from_tables({"train": Table({}, {"text": Value(), "label": ClassLabel([])})}, request())
    with pytest.raises(DataError, match=r"has no label column"):
        hub.from_tables({"train": Table({}, {"image": ImageFeature(), "text": Value()})}, request())


def test_without_the_extra_the_message_names_it(monkeypatch):
    monkeypatch.setattr(_hub_tables, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"popnas\[hub\]"):
        popnas_datasets.load(DatasetConfig(type="image_classification", name="cifar10"), 0)


def test_a_failed_download_says_what_was_tried_and_where_files_go(monkeypatch):
    class Library:
        @staticmethod
        def load_dataset(repository, subset):
            raise ConnectionError(f"no route to {repository} {subset}\nmore")

    monkeypatch.setattr(_hub_tables, "find_spec", lambda name: object())
    monkeypatch.setitem(__import__("sys").modules, "datasets", Library)
    with pytest.raises(DataError) as caught:
        popnas_datasets.load(DatasetConfig(type="image_classification", name="cifar10"), 0)
    message = str(caught.value)
    assert "tried 'uoft-cs/cifar10'" in message and "no route to" in message and "more" not in message
    assert "dataset.path" in message and "train.npz" in message


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_real_tables_of_the_library():
    library = pytest.importorskip("datasets")
    features = library.Features({"image": library.Image(), "label": library.ClassLabel(names=["cat", "dog"])})
    content = {"image": [Image.new("L", (6, 5), i) for i in range(20)], "label": [i % 2 for i in range(20)]}
    tables = library.DatasetDict({"train": library.Dataset.from_dict(content, features=features)})
    raw = hub.from_tables(tables, request(name="mnist"))
    dataset = raw.assemble(DatasetConfig(type="image_classification", name="mnist", validation_size=0.2), 0)
    assert dataset.class_names == ["cat", "dog"] and dataset.input_shape == (5, 6, 1)
    assert np.array_equal(dataset.train.x[:, 0, 0, 0] % 2, dataset.train.y)
