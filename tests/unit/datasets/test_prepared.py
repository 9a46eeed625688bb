import numpy as np

from popnas import datasets
from popnas.config import DatasetConfig
from popnas.datasets import prepared


def test_a_stored_data_set_reads_back_equal_and_mapped(tmp_path):
    lengths = np.arange(40) % 5 + 2
    np.savez(
        tmp_path / "train.npz",
        x=np.random.default_rng(0).normal(size=(40, 6, 2)),
        y=np.arange(40) % 2,
        lengths=lengths,
    )
    np.savez(tmp_path / "test.npz", x=np.ones((6, 6, 2)), y=np.arange(6) % 2)
    config = DatasetConfig(
        type="time_series_classification",
        path=str(tmp_path),
        validation_size=0.25,
        folds=3,
        normalize=True,
        balance_class_losses=True,
    )
    dataset = datasets.load(config, 0, need_test=True)
    prepared.write(dataset, tmp_path / "stored")
    again = prepared.read(tmp_path / "stored")
    assert again.describe() == dataset.describe()
    assert isinstance(again.full_train.x, np.memmap) and not again.full_train.x.flags.writeable
    pairs = [(again.full_train, dataset.full_train), (again.test, dataset.test)]
    for ours, theirs in zip(again.folds, dataset.folds, strict=True):
        pairs += [(ours.train, theirs.train), (ours.validation, theirs.validation)]
    for ours, theirs in pairs:
        assert np.array_equal(ours.x, theirs.x) and np.array_equal(ours.y, theirs.y)
        assert np.array_equal(ours.lengths, theirs.lengths)
    assert np.array_equal(again.class_weights, dataset.class_weights)
