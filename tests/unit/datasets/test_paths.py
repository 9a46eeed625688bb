import numpy as np
import pytest

from popnas import datasets
from popnas.config import DatasetConfig
from popnas.errors import DataError


def load(path, task="image_classification"):
    return datasets.load(DatasetConfig(type=task, path=str(path), validation_size=0.25), 0)


def test_a_missing_folder_says_how_far_the_path_exists_and_what_is_near(tmp_path):
    (tmp_path / "flowers").mkdir()
    with pytest.raises(
        DataError,
        match=r"flwers/train .*exists up to .*It holds: flowers\. Did you mean '.*/flowers'\? Correct",
    ):
        load(tmp_path / "flwers" / "train")


def test_a_folder_that_holds_nothing_known_says_what_was_looked_for(tmp_path):
    with pytest.raises(DataError, match=r"the folder is empty"):
        load(tmp_path)
    (tmp_path / "readme.md").write_text("")
    (tmp_path / "trainset").mkdir()
    with pytest.raises(DataError, match=r"holds readme\.md, trainset/\. Looked for: .*train\.npz"):
        load(tmp_path)


def test_a_file_of_another_kind(tmp_path):
    (tmp_path / "data.csv").write_text("")
    with pytest.raises(DataError, match=r"a file of the kind '\.csv'"):
        load(tmp_path / "data.csv")


def test_data_of_another_task_are_recognized(tmp_path):
    (tmp_path / "Two_TRAIN.ts").write_text("@data\n")
    with pytest.raises(
        DataError, match=r"looks like data for time_series_classification: is dataset.type right"
    ):
        load(tmp_path)


def test_name_and_path_together_read_the_path(tmp_path):
    np.savez(tmp_path / "train.npz", x=np.zeros((40, 4, 4), np.uint8), y=np.arange(40) % 2)
    dataset = datasets.load(
        DatasetConfig(type="image_classification", name="digits", path=str(tmp_path), validation_size=0.25), 0
    )
    assert dataset.input_shape == (4, 4, 1)


def test_neither_name_nor_path():
    with pytest.raises(DataError, match=r"name and dataset.path are both missing"):
        datasets.load(DatasetConfig(type="image_classification"), 0)


def test_a_task_that_no_source_serves():
    with pytest.raises(DataError, match=r"No data source serves the dataset.type 'tabular'"):
        datasets.load(DatasetConfig(type="tabular", name="iris"), 0)


def test_a_path_in_the_wrong_case_is_recognized(tmp_path):
    (tmp_path / "ECG200").mkdir()
    with pytest.raises(DataError, match=r"Did you mean '.*/ECG200'\?"):
        load(tmp_path / "ecg200")


@pytest.mark.parametrize("name", ["data.csv", "data.tsv", "DATA.CSV"])
def test_a_table_is_told_how_it_becomes_data_and_that_works(tmp_path, name):
    (tmp_path / name).write_text("")
    for place in (tmp_path, tmp_path / name):
        with pytest.raises(DataError, match=r"numpy\.savez\('train\.npz', x=VALUES, y=LABELS\)") as error:
            load(place, "time_series_classification")
    assert "(examples, timesteps, channels)" in str(error.value)
    values, labels = np.random.default_rng(0).normal(size=(12, 9, 1)), ["rest", "walk", "run"] * 4
    np.savez(tmp_path / "train.npz", x=values, y=labels)
    assert load(tmp_path, "time_series_classification").class_names == ["rest", "run", "walk"]
