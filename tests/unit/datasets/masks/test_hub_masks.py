"""Images with masks by a name of the hub, from doubles of its tables."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from popnas import datasets
from popnas.config import DatasetConfig
from popnas.datasets.sources import Request, hub_masks
from popnas.errors import DataError, UnknownNameError

from .segmentation_data import MANY_SIZES, ONE_SIZE, pairs

# The library tells a column's kind by the feature's class; this double is named like it.
ImageFeature = type("Image", (), {})


class Table:
    """As much of `datasets.Dataset` as the source uses."""

    def __init__(self, columns):
        self.columns = columns
        self.features = {name: ImageFeature() for name in columns}

    def __len__(self):
        return len(next(iter(self.columns.values())))

    def select_columns(self, names):
        return [{name: self.columns[name][i] for name in names} for i in range(len(self))]


def table(sizes, seed=0, mask="annotation"):
    found = pairs(sizes, seed=seed)
    return Table(
        {mask: [Image.fromarray(y) for _, y in found], "image": [Image.fromarray(x) for x, _ in found]}
    )


def request(is_cached=True):
    return Request("image_segmentation", "someone/masks", None, None, False, is_cached)


@pytest.mark.parametrize("sizes", [ONE_SIZE, MANY_SIZES], ids=["one size", "many sizes"])
@pytest.mark.parametrize("is_cached", [True, False])
def test_images_and_masks_are_found_by_their_columns(sizes, is_cached):
    raw = hub_masks.from_tables({"train": table(sizes), "val": table(sizes, 1)}, request(is_cached))
    settings = {"type": "image_segmentation", "name": "someone/masks", "cache": is_cached}
    dataset = raw.assemble(DatasetConfig(**settings, validation_size=None), 0)
    assert dataset.class_names == ["0", "1", "2"] and (len(dataset.train), len(dataset.validation)) == (
        12,
        12,
    )
    for x, y in zip(dataset.full_train.x, dataset.full_train.y, strict=True):
        assert (np.asarray(x)[..., 0] == np.asarray(y) * 40).all()


def test_what_does_not_suit_is_told():
    with pytest.raises(DataError, match="has no split 'train', only: all"):
        hub_masks.from_tables({"all": table(ONE_SIZE)}, request())
    with pytest.raises(DataError, match=r"has no mask column.*Its columns are: picture"):
        hub_masks.from_tables({"train": table(ONE_SIZE, mask="picture")}, request())
    coloured = Table({name: [Image.new("RGB", (4, 4))] * 3 for name in ("image", "mask")})
    with pytest.raises(DataError, match=r"mask 0 of the train split .* is in colours"):
        hub_masks.from_tables({"train": coloured}, request())


def test_only_names_with_an_owner_are_tried(monkeypatch):
    monkeypatch.setattr(hub_masks, "download", lambda *_: {"train": table(ONE_SIZE)})
    settings = {"type": "image_segmentation", "validation_size": 0.25}
    assert len(datasets.load(DatasetConfig(**settings, name="someone/masks"), 0).full_train) == 12
    with pytest.raises(UnknownNameError, match="masks"):
        datasets.load(DatasetConfig(**settings, name="masks"), 0)
