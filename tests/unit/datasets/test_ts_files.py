import numpy as np
import pytest

from popnas import datasets
from popnas.config import DatasetConfig
from popnas.datasets.sources import _ts_format
from popnas.errors import DataError

HEADER = "# a comment\n@problemName Two\n@classLabel true Up Down\n@data\n"
CASES = "1,2,3:4,5,6:Up\n1,2:3,4:Down\n"


def write(folder, text, name="Two_TRAIN.ts"):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def test_cases_have_their_channels_lengths_and_classes(tmp_path):
    file = write(tmp_path, HEADER + CASES + "\n0.5,?:1e3,-1:up\n")
    found = _ts_format.read(file)
    series, classes = found.series, found.classes
    assert found.names == [f"{file}, line {number}" for number in (5, 6, 8)]
    assert [one.tolist() for one in series[:2]] == [[[1, 4], [2, 5], [3, 6]], [[1, 3], [2, 4]]]
    assert np.isnan(series[2][1, 0]) and series[2][0, 1] == 1000
    assert classes.tolist() == ["Up", "Down", "Up"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no line @data"),
        (HEADER, "holds no case"),
        (HEADER + "1,2:Up\n1,x:Up", "line 6: 'x' is no number.*remove this line"),
        (HEADER + "1,2:1,2,3:Up", r"line 5: the channels have different numbers of values \(\[2, 3\]\)"),
        (HEADER + "1 2 3", "line 5: there is no class"),
        ("@targetLabel true\n@data\n1,2:0.7", "line 1: @targetLabel is true; this is a regression"),
        ("@classLabel false\n@data\n1,2", "line 1: @classLabel is false"),
        ("@timeStamps true\n@data\n(0,1):a", "line 1: values with time stamps"),
    ],
)
def test_what_breaks_the_format_is_refused_with_the_line(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        _ts_format.read(write(tmp_path, text))


def config(path):
    return DatasetConfig(type="time_series_classification", path=str(path), validation_size=0.25)


def test_a_folder_or_a_file_of_one_problem(tmp_path):
    folder = tmp_path / "Two"
    file = write(folder, HEADER + CASES * 10)
    write(folder, HEADER + CASES * 3, "Two_TEST.ts")
    for path in (folder, file):
        dataset = datasets.load(config(path), 0, need_test=True)
        assert dataset.input_shape == (3, 2) and dataset.has_lengths and len(dataset.test) == 6


def test_of_several_problems_the_one_named_as_the_folder_is_meant(tmp_path):
    write(tmp_path / "Two", HEADER + CASES * 10)
    write(tmp_path / "Two", HEADER + CASES * 10, "Other_TRAIN.ts")
    assert len(datasets.load(config(tmp_path / "Two"), 0).full_train) == 20
    (tmp_path / "Two").rename(tmp_path / "Three")
    with pytest.raises(DataError, match=r"several problems: Other_TRAIN\.ts, Two_TRAIN\.ts"):
        datasets.load(config(tmp_path / "Three"), 0)


def test_a_folder_without_a_training_file(tmp_path):
    write(tmp_path, HEADER + CASES, "Two_TEST.ts")
    with pytest.raises(DataError, match=r"no \.ts file there ends in _TRAIN\.ts"):
        datasets.load(config(tmp_path), 0)


def test_missing_values_are_refused_with_the_place(tmp_path):
    write(tmp_path, HEADER + CASES * 10 + "1,2:?,4:Up\n")
    with pytest.raises(DataError, match=r"Two_TRAIN\.ts, line 25 holds NaN at timestep 0, channel 1"):
        datasets.load(config(tmp_path), 0)
