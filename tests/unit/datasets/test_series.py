import numpy as np
import pytest

from popnas import datasets
from popnas.config import DatasetConfig
from popnas.errors import DataError


def config(path, **options):
    options = {"validation_size": 0.25, **options}
    return DatasetConfig(type="time_series_classification", path=str(path), **options)


def save(folder, split="train", n=40, t=12, c=2, classes=2, **arrays):
    rng = np.random.default_rng(len(split))
    content = {"x": rng.normal(size=(n, t, c)).astype(np.float32), "y": np.arange(n) % classes, **arrays}
    np.savez(folder / f"{split}.npz", **content)
    return content


def test_equal_lengths_have_no_lengths(tmp_path):
    content = save(tmp_path)
    dataset = datasets.load(config(tmp_path), 0)
    assert dataset.input_shape == (12, 2) and not dataset.has_lengths and dataset.full_train.lengths is None
    assert (len(dataset.train), len(dataset.validation)) == (30, 10)
    assert sorted(dataset.full_train.x.sum(axis=(1, 2))) == pytest.approx(
        sorted(content["x"].sum(axis=(1, 2)))
    )


def test_lengths_in_the_file_make_zeros_after_the_end_and_longer_test_series_are_cut(tmp_path):
    lengths = np.arange(40) % 7 + 3
    save(tmp_path, x=np.ones((40, 12, 2)), lengths=lengths)
    save(tmp_path, "test", n=4, x=np.ones((4, 15, 2)), lengths=np.array([15, 9, 3, 1]))
    dataset = datasets.load(config(tmp_path), 0, need_test=True)
    assert dataset.input_shape == (9, 2) and dataset.has_lengths
    train = dataset.full_train
    assert np.array_equal(train.x[..., 0].sum(axis=1), train.lengths)
    assert dataset.test.lengths.tolist() == [9, 9, 3, 1]
    (told,) = dataset.test_warnings
    assert told.startswith("In the test split: 1 of 4 series are longer than the 9 timesteps")


def test_whether_networks_take_lengths_does_not_depend_on_the_test_split(tmp_path):
    save(tmp_path)
    save(tmp_path, "test", n=2, t=8)
    dataset = datasets.load(config(tmp_path), 0, need_test=True)
    assert not dataset.has_lengths and dataset.test.x.shape == (2, 12, 2)
    assert dataset.warnings == [] and "2 of 2 series are shorter" in dataset.test_warnings[0]
    assert "filled up with zeros" in dataset.test_warnings[0]


def test_normalisation_is_fitted_on_the_training_part(tmp_path):
    save(tmp_path)
    dataset = datasets.load(config(tmp_path, normalize=True), 0)
    assert dataset.preprocessing.offset == pytest.approx(dataset.train.x.mean(axis=(0, 1)), rel=1e-4)


def test_a_separate_validation_split_is_used_only_when_asked_for(tmp_path):
    save(tmp_path)
    save(tmp_path, "validation", n=6)
    separate = datasets.load(config(tmp_path, validation_size=None), 0)
    assert (len(separate.train), len(separate.validation), len(separate.full_train)) == (40, 6, 46)
    taken = datasets.load(config(tmp_path), 0)
    assert (len(taken.train), len(taken.validation)) == (30, 10)
    assert "write null to use it" in taken.warnings[0]


def test_folds_are_different_complete_and_keep_examples_with_their_labels(tmp_path):
    x = np.arange(40, dtype=np.float32)[:, None, None] * np.ones((1, 12, 1), np.float32)
    save(tmp_path, x=x)
    dataset = datasets.load(config(tmp_path, folds=3), 7)
    parts = [set(fold.validation.x[:, 0, 0]) for fold in dataset.folds]
    assert len(dataset.folds) == 3 and parts[0] != parts[1] != parts[2]
    for fold in dataset.folds:
        assert set(fold.train.x[:, 0, 0]) | set(fold.validation.x[:, 0, 0]) == set(range(40))
        assert len(fold.validation) == 10
        assert np.array_equal(fold.train.x[:, 0, 0] % 2, fold.train.y)


def test_the_same_seed_gives_the_same_split_and_another_one_another(tmp_path):
    save(tmp_path)
    first, again, other = (datasets.load(config(tmp_path), seed) for seed in (0, 0, 1))
    assert np.array_equal(first.train.x, again.train.x) and not np.array_equal(first.train.x, other.train.x)


def test_samples_limit_training_and_validation_together(tmp_path):
    save(tmp_path)
    assert len(datasets.load(config(tmp_path, samples=20), 0).full_train) == 20


def test_balanced_losses_weigh_rare_classes_more(tmp_path):
    save(tmp_path, y=np.arange(40) % 4 == 0)
    dataset = datasets.load(config(tmp_path, balance_class_losses=True), 0)
    shares = np.bincount(dataset.train.y) / len(dataset.train)
    assert dataset.class_weights == pytest.approx(1 / (2 * shares), rel=1e-6)


def test_a_class_of_one_example_stays_in_training_with_a_warning(tmp_path):
    save(tmp_path, y=np.array(["a", "b"] * 19 + ["a", "rare"]))
    dataset = datasets.load(config(tmp_path), 0)
    assert (dataset.train.y == 2).sum() == 1
    assert any("'rare'" in note and "stays in training" in note for note in dataset.warnings)


def nan_at(n, t, c, until=None):
    x = np.zeros((40, 12, 2), np.float32)
    x[n, t:until, c] = np.nan
    return x


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": nan_at(3, 5, 1, 6)}, r"Series 3 of the train split .* NaN at timestep 5, channel 1\. Fill in"),
        ({"x": nan_at(3, 5, slice(None))}, "timestep 5, channel 0.*an array `lengths`"),
        ({"x": np.full((40, 12, 2), np.inf)}, "an infinite value"),
        ({"x": np.zeros((40, 12))}, r"shape \(40, 12\); \(cases, timesteps, channels\)"),
        ({"x": np.full((40, 12, 2), "a")}, "numbers are needed"),
        ({"x": np.zeros((3, 12, 2))}, r"'x' has the shape \(3, 12, 2\) and 'y' \(40,\)"),
        ({"x": np.zeros((0, 12, 2)), "y": np.zeros(0)}, "train split .* is empty"),
        ({"lengths": np.full(40, 13)}, r"'lengths'\[0\] is 13; lengths lie in 1..12"),
        ({"lengths": np.full(39, 3)}, r"integers of shape \(40,\)"),
        ({"x": np.array([np.zeros((2, 1)), np.zeros((3, 1))] * 20, dtype=object)}, "pickled Python objects"),
    ],
)
def test_broken_series_are_refused_with_the_place(tmp_path, arrays, message):
    save(tmp_path, **arrays)
    with pytest.raises(DataError, match=message):
        datasets.load(config(tmp_path), 0)


def test_other_splits_need_the_same_channels(tmp_path):
    save(tmp_path)
    save(tmp_path, "test", c=3)
    with pytest.raises(DataError, match=r"Series 0 of the test split .* has 3 channels"):
        datasets.load(config(tmp_path), 0, need_test=True)


def test_missing_splits_say_what_there_is(tmp_path):
    save(tmp_path)
    with pytest.raises(DataError, match=r"separate validation split.*found: train.*Give a fraction"):
        datasets.load(config(tmp_path, validation_size=None), 0)
    with pytest.raises(DataError, match=r"has no test split"):
        datasets.load(config(tmp_path), 0, need_test=True)


def test_damaged_and_misnamed_arrays(tmp_path):
    np.savez(tmp_path / "train.npz", xs=np.zeros(3), y=np.zeros(3))
    with pytest.raises(DataError, match=r"no array 'x': it holds 'xs', 'y'"):
        datasets.load(config(tmp_path), 0)
    (tmp_path / "train.npz").write_bytes(b"PK not a zip")
    with pytest.raises(DataError, match=r"cannot be read as an .npz file"):
        datasets.load(config(tmp_path), 0)
    (tmp_path / "train.npz").write_bytes(b"hello")
    with pytest.raises(DataError, match=r"as an .npz file: it is none. Write the file anew"):
        datasets.load(config(tmp_path), 0)
    (tmp_path / "train.npz").unlink()
    np.savez(tmp_path / "test.npz", x=np.zeros((3, 2, 1)), y=np.zeros(3))
    with pytest.raises(DataError, match=r"no training split: train.npz is missing"):
        datasets.load(config(tmp_path), 0)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (lambda x: x * 1e39, r"Series 0 .* holds \S+e\+3\d at timestep 0, channel \d; .*Rescale the series"),
        (lambda x: x * 1e-45 * 0.01, r"Channel 0 .* cannot tell such differences.*Subtract .* or rescale"),
        (lambda x: x * 1e-3 + 1e9, r"Channel 0 .* lies between 999999999\.\S+ and .* cannot tell"),
    ],
)
def test_values_are_checked_in_the_type_of_the_file(tmp_path, x, message):
    rng = np.random.default_rng(0)
    save(tmp_path, x=x(rng.normal(size=(40, 12, 2))))
    with pytest.raises(DataError, match=message):
        datasets.load(config(tmp_path), 0)


def test_differences_that_float32_rounds_are_noted(tmp_path):
    save(tmp_path, x=np.random.default_rng(0).normal(size=(40, 12, 2)) + 1e6)
    notes = datasets.load(config(tmp_path), 0).warnings
    assert any(
        "hannel 0 of the training series" in note and "differences are rounded" in note for note in notes
    )
    save(tmp_path, x=np.random.default_rng(0).normal(size=(40, 12, 2)) + 100)
    assert not any("rounded" in note for note in datasets.load(config(tmp_path), 0).warnings)
