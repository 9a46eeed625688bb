import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from popnas import datasets
from popnas.config import DatasetConfig
from popnas.datasets.sources import aeon_problems
from popnas.errors import DataError, MissingExtraError, UnknownNameError

SERIES = "time_series_classification"
IMAGES = "image_classification"


def config(name, task=SERIES, **options):
    return DatasetConfig(type=task, name=name, **{"validation_size": 0.3, **options})


def aeon_data():
    spec = importlib.util.find_spec("aeon")
    if spec is None:
        pytest.skip("the extra 'timeseries' is not installed")
    return Path(spec.submodule_search_locations[0], "datasets", "data")


def test_the_list_of_bundled_problems_is_complete():
    found = {
        file.parent.name
        for file in aeon_data().glob("*/*_TRAIN.ts")
        if file.name == f"{file.parent.name}_TRAIN.ts"
        and "@targetlabel true" not in file.read_text(errors="replace").lower()
    }
    assert found == set(aeon_problems._PROBLEMS)


def test_italy_power_demand():
    aeon_data()
    dataset = datasets.load(config("ItalyPowerDemand"), 0, need_test=True)
    assert dataset.input_shape == (24, 1) and dataset.num_classes == 2 and not dataset.has_lengths
    assert (len(dataset.full_train), len(dataset.test)) == (67, 1029)


def test_japanese_vowels_has_lengths_and_12_channels():
    aeon_data()
    dataset = datasets.load(config("JapaneseVowels", normalize=True), 0, need_test=True)
    assert dataset.input_shape == (26, 12) and dataset.has_lengths and dataset.num_classes == 9
    assert (len(dataset.full_train), len(dataset.test)) == (270, 370)
    assert dataset.full_train.lengths.min() == 7 and dataset.full_train.lengths.max() == 26


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", aeon_problems._PROBLEMS)
def test_bundled_problems_are_read_as_aeon_reads_them(name):
    loaders = pytest.importorskip("aeon.datasets")
    source = aeon_problems.AeonProblems()
    raw = source.read(datasets.sources.Request(SERIES, name, None, None, True))
    for split in ("train", "test"):
        x, y = loaders.load_from_ts_file(str(aeon_data() / name / f"{name}_{split.upper()}.ts"))
        assert [label.lower() for label in raw.labels[split]] == list(y)
        for ours, theirs in zip(raw.series[split], x, strict=True):
            assert np.array_equal(ours.T, theirs, equal_nan=True)


def test_without_the_extra_the_message_names_it(monkeypatch):
    monkeypatch.setattr(aeon_problems, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r'ItalyPowerDemand.*pip install "popnas\[timeseries\]"'):
        datasets.load(config("ItalyPowerDemand"), 0)


def test_unknown_names_get_the_nearest_and_the_list():
    with pytest.raises(
        UnknownNameError, match=r"'digit' .* Did you mean 'digits'\? .*cifar10.*dataset\.path"
    ):
        datasets.load(config("digit", IMAGES), 0)
    with pytest.raises(UnknownNameError, match=r"'BasicMotion'.*Did you mean 'BasicMotions'"):
        datasets.load(config("BasicMotion"), 0)
    with pytest.raises(UnknownNameError, match=r"None is known by name\. Give dataset\.path"):
        datasets.load(config("digit", "image_segmentation"), 0)


def test_a_name_of_another_task_says_so():
    with pytest.raises(DataError, match=r"'digits' .* is for image_classification, but dataset.type is"):
        datasets.load(config("digits"), 0)


def test_messages_name_the_task_that_was_given_where_its_data_are_another_s(tmp_path):
    own = config("digit", "leaf_ranking")
    with pytest.raises(
        UnknownNameError, match=r"'digit' .* for leaf_ranking, whose data are those of image_"
    ):
        datasets.load(own, 0, task=IMAGES)
    assert "for leaf_ranking, whose data" in datasets.check_name("digit", IMAGES, "leaf_ranking")
    with pytest.raises(DataError, match=r"dataset.type is 'leaf_ranking', whose data are those of image_"):
        datasets.load(config("BasicMotions", "leaf_ranking"), 0, task=IMAGES)
    with pytest.raises(DataError, match="holds no data for leaf_ranking: the folder is empty"):
        datasets.load(DatasetConfig(type="leaf_ranking", path=str(tmp_path)), 0, task=IMAGES)


def test_check_name_reads_nothing():
    assert datasets.check_name("digits", IMAGES) is None
    assert datasets.check_name("someone/pictures", IMAGES) is None
    assert "Did you mean 'digits'" in datasets.check_name("digitz", IMAGES)
    assert "JapaneseVowels" in datasets.names(SERIES) and "digits" not in datasets.names(SERIES)


def test_reading_data_imports_no_heavy_package():
    code = (
        "import sys\n"
        "from popnas import config, datasets\n"
        "pairs = [('image_classification', 'digits'), ('time_series_classification', 'UnitTest')]\n"
        "for kind, name in pairs:\n"
        "    datasets.load(config.DatasetConfig(type=kind, name=name, validation_size=0.3), 0)\n"
        "print(sorted({'torch', 'sklearn', 'aeon', 'numba', 'pandas', 'datasets'} & set(sys.modules)))"
    )
    aeon_data()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
