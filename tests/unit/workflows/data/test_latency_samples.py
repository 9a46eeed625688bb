"""Real samples for `popnas latency`: of images that differ in size, those of the most frequent size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from popnas.errors import DataError
from popnas.export.latency import Input
from popnas.workflows.data.latency_samples import read_samples

ANY_SIZE = [Input("input", np.dtype(np.float32), (None, 3, None, None))]
SIZES = [(6, 7), (5, 4), (5, 4), (9, 9), (5, 4), (6, 7)]


@pytest.fixture
def pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [
        (rng.integers(0, 255, (*size, 3), dtype=np.uint8), rng.integers(0, 2, size).astype(np.uint8))
        for size in SIZES
    ]


def test_image_and_mask_folders(tmp_path: Path, pairs) -> None:
    for number, pair in enumerate(pairs):
        for kind, pixels in zip(("images", "masks"), pair, strict=True):
            (tmp_path / "train" / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / "train" / kind / f"{number}.png")
    samples = read_samples(str(tmp_path), ANY_SIZE)
    assert samples["input"].shape == (3, 3, 5, 4)


@pytest.mark.parametrize("name", ["", "train.npz"])
def test_npz_of_many_shapes_as_a_folder_and_as_a_file(tmp_path: Path, pairs, name) -> None:
    arrays = {f"{kind}_{i}": pair["xy".index(kind)] for i, pair in enumerate(pairs) for kind in "xy"}
    np.savez(tmp_path / "train.npz", **arrays)
    x = read_samples(str(tmp_path / name), ANY_SIZE)["input"]
    assert x.shape == (3, 3, 5, 4)
    found = {image.tobytes() for image in np.moveaxis(x, 1, -1)}
    assert found == {pairs[i][0].tobytes() for i in (1, 2, 4)}


def test_what_no_task_can_read_is_told_by_each(tmp_path: Path) -> None:
    np.savez(tmp_path / "train.npz", z=np.zeros(3))
    with pytest.raises(DataError, match="'z'"):
        read_samples(str(tmp_path), ANY_SIZE)
    with pytest.raises(DataError, match="no array 'x'"):
        read_samples(str(tmp_path / "train.npz"), ANY_SIZE)
