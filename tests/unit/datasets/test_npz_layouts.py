"""One `.npz` file with all splits, its arrays named as Keras and MedMNIST do."""

import numpy as np
import pytest

from popnas import datasets
from popnas.config import DatasetConfig
from popnas.errors import DataError

RNG = np.random.default_rng(0)
SIZES = {"train": 30, "validation": 9, "test": 6}


def arrays(x_name, y_name, splits, column=False):
    """Arrays by name; `splits` says how each split is spelled."""
    found = {}
    for split, spelled in splits.items():
        y = np.arange(SIZES[split]) % 3
        found[x_name.format(spelled)] = RNG.integers(0, 256, (len(y), 8, 8, 3), dtype=np.uint8)
        found[y_name.format(spelled)] = y[:, None] if column else y
    return found


KERAS = arrays("x_{}", "y_{}", {"train": "train", "test": "test"})
MEDMNIST = arrays(
    "{}_images", "{}_labels", {"train": "train", "validation": "val", "test": "test"}, column=True
)


def load(path, **settings):
    config = DatasetConfig(
        type="image_classification", path=str(path), **{"validation_size": 0.2, **settings}
    )
    return datasets.load(config, 0, need_test=True)


@pytest.mark.parametrize("name", ["train.npz", "mnist.npz", "test.npz", "data.NPZ"])
@pytest.mark.parametrize("is_folder", [True, False])
def test_the_layout_of_keras_whatever_the_file_is_called(tmp_path, name, is_folder):
    with (tmp_path / name).open("wb") as file:
        np.savez(file, **KERAS)
    found = load(tmp_path if is_folder else tmp_path / name)
    assert len(found.full_train) == 30 and len(found.test) == 6
    assert sorted(map(bytes, found.full_train.x)) == sorted(map(bytes, KERAS["x_train"]))
    assert np.array_equal(found.test.x, KERAS["x_test"])
    told = "for splits by their names, 'x_train', 'y_train' as train; 'x_test', 'y_test' as test"
    assert any(told in line for line in found.warnings)


def test_the_layout_of_medmnist(tmp_path):
    np.savez(tmp_path / "bloodmnist.npz", **MEDMNIST)
    found = load(tmp_path / "bloodmnist.npz", validation_size=None)
    assert [len(found.train), len(found.validation), len(found.test)] == [30, 9, 6]
    assert np.array_equal(found.validation.x, MEDMNIST["val_images"])
    assert found.class_names == ["0", "1", "2"]
    assert "'val_images', 'val_labels' as validation" in found.warnings[0]


def test_it_is_read_as_series_and_as_masks_too(tmp_path):
    x, y = RNG.normal(size=(30, 12, 2)), np.arange(30) % 2
    np.savez(tmp_path / "s.npz", train_x=x, train_y=y, Test_X=x[:4], Test_Y=y[:4])
    config = DatasetConfig(type="time_series_classification", path=str(tmp_path), validation_size=0.2)
    assert len(datasets.load(config, 0, need_test=True).test) == 4
    (tmp_path / "s.npz").unlink()
    masks = {
        f"{split}_labels": RNG.integers(0, 2, (12, 8, 8)).astype(np.uint8) for split in ("train", "test")
    }
    images = {
        f"{split}_images": RNG.integers(0, 9, (12, 8, 8, 3)).astype(np.uint8) for split in ("train", "test")
    }
    np.savez(tmp_path / "m.npz", **masks, **images)
    config = DatasetConfig(type="image_segmentation", path=str(tmp_path), validation_size=0.2)
    assert datasets.load(config, 0, need_test=True).test.y.shape == (12, 8, 8)


def test_files_of_one_split_may_name_their_arrays_after_it(tmp_path):
    for split in ("train", "test"):
        np.savez(tmp_path / f"{split}.npz", **{key: KERAS[key] for key in (f"x_{split}", f"y_{split}")})
    found = load(tmp_path)
    assert len(found.test) == 6 and found.warnings == []


BOTH = {key: KERAS[key] for key in ("x_train", "y_train")}
OTHERS = {"images": KERAS["x_train"], "labels": KERAS["y_train"]}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"train": KERAS, "test": {"x": KERAS["x_test"], "y": KERAS["y_test"]}},
         r"train\.npz is the file of the train split by its name .*'x_test' is named after the test split\. "
         r"It holds 'x_train', .*Understood are x and y"),
        ({"train": BOTH | OTHERS}, r"'x_train', 'images' are both 'x' of the train split"),
        ({"data": BOTH | {"train_images": KERAS["x_train"]}}, r"'x_train', 'train_images' are both 'x'"),
        ({"data": {"train_images": KERAS["x_train"], "y": KERAS["y_train"]}}, None),
        ({"data": {"train_images": KERAS["x_train"]}}, r"no array 'train_labels': it holds 'train_images'"),
        ({"data": {"pixels": KERAS["x_train"], "y_train": KERAS["y_train"]}},
         r"no array 'x_train': it holds 'pixels', 'y_train'\..* Understood are x and y \(or images"),
        # What is meant for something else is never offered, however near its name.
        ({"data": BOTH | {"x_val": KERAS["x_train"]}},
         r"no array 'y_val': it holds 'x_train', 'y_train', 'x_val'\. Understood"),
        ({"data": {"x_train": KERAS["x_train"], "lables_train": KERAS["y_train"]}},
         r"no array 'y_train': .* Did you mean 'lables_train'\? Save it as 'labels_train'\."),
        ({"data": {"train_images": KERAS["x_train"], "train_lables": KERAS["y_train"]}},
         r"Did you mean 'train_lables'\? Save it as 'train_labels'\."),
        ({"test": {"x": KERAS["x_test"], "y": KERAS["y_test"]}}, r"no training split: train\.npz is missing"),
        ({"a": KERAS, "b": KERAS}, r"holds no data for image_classification"),
    ],
)  # fmt: skip
def test_what_may_mean_several_things_is_refused_with_what_is_there(tmp_path, files, message):
    for name, content in files.items():
        np.savez(tmp_path / f"{name}.npz", **content)
    if message is None:  # one x and one y of the training split, however they are spelled
        config = DatasetConfig(type="image_classification", path=str(tmp_path), validation_size=0.2)
        assert len(datasets.load(config, 0).full_train) == 30
        return
    with pytest.raises(DataError, match=message):
        load(tmp_path)


def test_a_file_beside_class_folders_is_not_taken_for_the_data(tmp_path):
    from PIL import Image

    for label in "ab":
        for i in range(9):
            place = tmp_path / "train" / label
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(RNG.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(place / f"{i}.png")
    np.savez(tmp_path / "embeddings.npz", **KERAS)
    config = DatasetConfig(type="image_classification", path=str(tmp_path), validation_size=0.2)
    found = datasets.load(config, 0)
    assert len(found.full_train) == 18 and "files beside the splits are not used" in found.warnings[0].lower()
