"""Mistakes of folders and of files come together, and what is nearly a layout is told the step that lacks."""

import re
import shutil

import numpy as np
import pytest
from PIL import Image

from popnas import datasets
from popnas.cli.main import run
from popnas.config import DatasetConfig
from popnas.datasets.layouts import split_named
from popnas.errors import DataError


def load(path, kind="image_classification", need_test=True):
    return datasets.load(DatasetConfig(type=kind, path=str(path)), 0, need_test=need_test)


def images(folder, n=12, mode="RGB"):
    folder.mkdir(parents=True)
    for i in range(n):
        Image.new(mode, (6, 5), (i,) * 3 if mode == "RGB" else i % 2).save(folder / f"{i}.png")


@pytest.fixture
def flat(tmp_path):
    for name in ("apple", "pear"):
        images(tmp_path / "flat" / name)
    return tmp_path / "flat"


def move_as_told(text, path):
    """What the message asks for, done."""
    target = re.search(r"below (\S+/train)", text).group(1)
    children = list(path.iterdir())
    (path / "train").mkdir()
    assert target == str(path / "train")
    for child in children:
        shutil.move(child, path / "train" / child.name)


def test_class_folders_without_splits(flat, capsys):
    with pytest.raises(DataError, match="looks like class folders without splits") as refused:
        load(flat)
    assert run(["init", str(flat)]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "looks like class folders without splits (apple, pear)" in told and "npz" not in told
    move_as_told(str(refused.value), flat)
    assert load(flat, need_test=False).class_names == ["apple", "pear"]


def test_images_and_masks_without_splits(tmp_path):
    images(tmp_path / "images")
    images(tmp_path / "masks", mode="L")
    with pytest.raises(DataError, match="looks like images and masks without splits") as refused:
        load(tmp_path, "image_segmentation")
    move_as_told(str(refused.value), tmp_path)
    assert load(tmp_path, "image_segmentation", need_test=False).num_classes == 2


@pytest.mark.parametrize("kind", ["image_classification", "image_segmentation"])
@pytest.mark.parametrize("split", ["train", "Training", "test"])
def test_the_folder_of_a_split_leads_to_the_folder_above(tmp_path, monkeypatch, kind, split):
    names = ("images", "masks") if kind == "image_segmentation" else ("apple", "pear")
    for folder in dict.fromkeys(["train" if split == "test" else split, "test"]):
        for name in names:
            images(tmp_path / folder / name, mode="L" if name == "masks" else "RGB")
    told = f"it is the {split_named(split)} split of the data in the folder above: give that folder, "
    with pytest.raises(DataError, match=told) as refused:
        load(tmp_path / split, kind)
    above = str(refused.value).rpartition(told)[2].removesuffix(".")
    assert load(above, kind).num_classes == 2
    monkeypatch.chdir(tmp_path / split)
    with pytest.raises(DataError, match=f"{told}{re.escape(str(tmp_path))}"):
        load(".", kind)


def test_an_empty_class_folder_hides_no_broken_file(flat):
    shutil.copytree(flat, flat / "train")
    shutil.copytree(flat / "train", flat / "test")
    (flat / "train" / "plum").mkdir()
    (flat / "test" / "fig").mkdir()
    (flat / "train" / "pear" / "bad.jpg").write_bytes(b"no image")
    (flat / "test" / "apple" / "worse.jpg").write_bytes(b"\xff\xd8cut")
    with pytest.raises(DataError) as refused:
        load(flat)
    text = str(refused.value)
    assert all(name in text for name in ("plum", "bad.jpg", "worse.jpg"))
    assert "4 mistakes" in text and "mistakes of this kind" in text  # both empty folders are of one kind
    assert refused.value.unreadable == {"train", "test"}


def test_a_missing_mask_hides_no_broken_file(tmp_path):
    for split in ("train", "test"):
        images(tmp_path / split / "images")
        images(tmp_path / split / "masks", mode="L")
    (tmp_path / "train" / "masks" / "3.png").unlink()
    (tmp_path / "train" / "images" / "4.png").write_bytes(b"no image")
    (tmp_path / "test" / "masks" / "5.png").write_bytes(b"no image")
    with pytest.raises(DataError) as refused:
        load(tmp_path, "image_segmentation")
    text = str(refused.value)
    assert all(name in text for name in ("images/3.png has no mask", "images/4.png", "masks/5.png"))


def test_a_test_split_that_cannot_be_used_does_not_vanish(flat, tmp_path, capsys):
    shutil.copytree(flat, flat / "train")
    shutil.copytree(flat / "train", flat / "test")
    (flat / "test" / "apple" / "bad.jpg").write_bytes(b"no image")
    page = tmp_path / "page.html"
    assert run(["dataset", "inspect", str(flat), "-o", str(page)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "test ? cannot be used: see the warnings" in told and "bad.jpg" in told
    assert "cannot be used: see what will hurt" in page.read_text()


def test_data_without_a_test_split_lack_none(tmp_path, capsys):
    np.savez(tmp_path / "train.npz", x=np.zeros((20, 5, 6), np.uint8), y=np.arange(20) % 2)
    assert (
        run(
            [
                "dataset",
                "inspect",
                str(tmp_path),
                "--type",
                "image_classification",
                "-o",
                f"{tmp_path}/p.html",
            ]
        )
        == 0
    )
    assert "cannot be used" not in capsys.readouterr().out  # there is none
