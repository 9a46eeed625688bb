"""Files written piece by piece are those that numpy writes at once, or they are not there."""

from __future__ import annotations

import numpy as np
import pytest

from popnas.datasets.masks.npz_writing import npz_writer


def test_numpy_reads_what_was_written(tmp_path):
    images = [np.full((4, 5, 3), i, np.uint8) for i in range(6)]
    with npz_writer(tmp_path / "new" / "a.npz") as writer:
        writer.write_stacked("x", iter(images), (6, 4, 5, 3), np.uint8)
        writer.write("y_0", np.arange(12, dtype=np.uint16).reshape(3, 4).T)
    with np.load(tmp_path / "new" / "a.npz", allow_pickle=False) as found:
        assert (found["x"] == np.stack(images)).all()
        assert (found["y_0"] == np.arange(12).reshape(3, 4).T).all() and found["y_0"].dtype == np.uint16


def test_equal_data_make_equal_files(tmp_path):
    for name in ("a.npz", "b.npz"):
        with npz_writer(tmp_path / name) as writer:
            writer.write("x", np.arange(5))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(3))
    old = (tmp_path / "a.npz").read_bytes()
    with pytest.raises(KeyError), npz_writer(tmp_path / "a.npz") as writer:
        writer.write("x", np.arange(5))
        raise KeyError
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]
    assert (tmp_path / "a.npz").read_bytes() == old
