"""Many broken files, many files, deep folders: each file is looked at once."""

from __future__ import annotations

import zipfile
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from popnas import files
from popnas.datasets import layouts
from popnas.datasets.findings import Findings, shown
from popnas.datasets.sources import SOURCES
from popnas.errors import DataError
from popnas.workflows.data.look import look_at

SPLITS = ("train", "validation", "test")
KINDS = {
    "classes": [f"{split}/{label}" for split in SPLITS for label in "ab"],
    "masks": [f"{split}/{part}" for split in SPLITS for part in ("images", "masks")],
}


def first_of(question, tasks):
    return tasks[0]


def written(folder, kind, num_files=6):
    for place in KINDS[kind]:
        (folder / place).mkdir(parents=True)
        for i in range(num_files):
            pixels = np.full((8, 8), i % 2, np.uint8)
            pixels[0] = 1 - i % 2
            Image.fromarray(pixels).save(folder / place / f"{i}.png")
    return folder


@pytest.fixture
def opened(monkeypatch):
    paths = []
    open_binary = files.open_binary

    def noted(path, **options):
        paths.append(path)
        return open_binary(path, **options)

    monkeypatch.setattr(files, "open_binary", noted)
    return paths


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("split", ["train", "validation"])
def test_broken_files_are_looked_at_once_and_those_of_all_splits_told_together(tmp_path, opened, kind, split):
    folder = written(tmp_path, kind)
    broken = [folder / place / f"{i}.png" for place in KINDS[kind] if split in place for i in range(6)]
    broken.append(folder / KINDS[kind][-1] / "0.png")
    for file in broken:
        file.write_bytes(b"")
    with pytest.raises(DataError, match="cannot be read: it is empty") as raised:
        look_at(str(folder), first_of)
    assert raised.value.unreadable == {split, "test"}
    assert [opened.count(file) for file in broken] == [1] * 13


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_test_split_leaves_the_rest_to_be_looked_at(tmp_path, kind):
    folder = written(tmp_path, kind)
    (folder / KINDS[kind][-1] / "0.png").write_bytes(b"")
    (problem,) = look_at(str(folder), first_of).problems
    assert problem.startswith("Evaluation on test data would stop: ") and "0.png" in problem


def test_a_folder_of_many_files_is_no_data_and_none_of_them_is_asked_for(tmp_path, monkeypatch):
    for i in range(50):
        (tmp_path / f"{i}.png").touch()
    asked = []
    monkeypatch.setattr(layouts, "is_folder", lambda path: asked.append(path) or path.is_dir())
    with pytest.raises(DataError, match="holds no data that popnas can read"):
        look_at(str(tmp_path), first_of)
    assert asked and not [path for path in asked if path.suffix]


def test_folders_deeper_than_calls_may_nest_are_walked_and_their_paths_cut_for_messages(tmp_path):
    depth, top = 1500, tmp_path / "d"
    deepest = top.joinpath(*"d" * depth)
    parts = [deepest, *(part for part in deepest.parents if part.is_relative_to(top))]
    for part in reversed(parts):
        part.mkdir()
    (deepest / "0.png").touch()
    try:
        (file,) = layouts.image_files(top, Findings())
    finally:  # what clears up after tests cannot
        (deepest / "0.png").unlink()
        for part in parts:
            part.rmdir()
    assert file == deepest / "0.png"
    assert len(shown(file)) < 400 and shown(file).endswith("/d/d/0.png")


def test_links_are_followed_but_not_back(tmp_path):
    for name in ("data/a", "other/x/y"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("data/0.png", "data/a/1.png", "other/x/2.png", "other/x/y/3.png"):
        (tmp_path / name).touch()
    (tmp_path / "data/a/up").symlink_to(tmp_path / "data")
    (tmp_path / "data/a/out").symlink_to(tmp_path / "other/x")
    (tmp_path / "other/x/y/back").symlink_to(tmp_path / "data/a")
    (tmp_path / "other/x/self").symlink_to(".")
    findings = Findings()
    found = [file.name for file in layouts.image_files(tmp_path / "data", findings)]
    assert sorted(found) == ["0.png", "1.png", "2.png", "3.png"]
    backs = findings.names("links back to a folder above are not followed")
    assert sorted(name.rsplit("/", 1)[1] for name in backs) == ["back", "self", "up"]


@pytest.fixture
def counted(monkeypatch):
    """Arrays and `.ts` files by how often they were read."""
    from popnas.datasets.npz.members import NpzMembers
    from popnas.datasets.sources import _ts_format

    found = Counter()
    of_array, of_file = NpzMembers.read, _ts_format.read

    def read_array(self, name):
        found[name] += 1
        return of_array(self, name)

    def read_file(file, *others):
        found[file.name] += 1
        return of_file(file, *others)

    monkeypatch.setattr(NpzMembers, "read", read_array)
    monkeypatch.setattr(_ts_format, "read", read_file)
    return found


@pytest.mark.parametrize("kind", ["images", "masks", "series"])
@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_broken_npz_file_is_read_once_for_each_task_that_it_may_be_of(tmp_path, counted, kind, split):
    shape = {"images": (40, 8, 8, 3), "masks": (40, 8, 8), "series": (40, 30)}[kind]
    x = np.arange(np.prod(shape)).reshape(shape) % 250
    y = np.arange(40) % 4 if kind != "masks" else x % 3
    if kind != "series":
        x = x.astype(np.uint8)
    arrays = {f"{name}_{part}": a for part in SPLITS for name, a in (("x", x), ("y", y))}
    path = tmp_path / "data.npz"
    np.savez(path, **arrays)
    with zipfile.ZipFile(path) as archive:
        damaged = archive.getinfo(f"y_{split}.npy").header_offset + 200
    content = bytearray(path.read_bytes())
    content[damaged] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"'y_{split}' of .* its checksum is wrong"):
        look_at(str(path), first_of)
    assert set(counted.values()) == {1}


def test_a_broken_ts_file_is_read_once(tmp_path, counted):
    head = "@problemName p\n@univariate true\n@equalLength true\n@classLabel true a b\n@data\n"
    lines = [f"{','.join(str(i * k % 7) for k in range(9))}:{'ab'[i % 2]}\n" for i in range(20)]
    (tmp_path / "p_TRAIN.ts").write_text(head + "".join(lines) + "1,x:a\n")
    (tmp_path / "p_TEST.ts").write_text(head + "".join(lines))
    with pytest.raises(DataError, match=r"p_TRAIN\.ts"):
        look_at(str(tmp_path), first_of)
    assert set(counted.values()) == {1}


def train_only(folder, kind):
    for place in KINDS[kind][: len(KINDS[kind]) // 3]:
        (folder / place).mkdir(parents=True)
        for i in range(10):
            pixels = np.full((8, 8), i % 2, np.uint8)
            pixels[:3] = 255
            Image.fromarray(pixels).save(folder / place / f"{i}.png")


@pytest.mark.parametrize("kind", KINDS)
def test_sound_files_are_read_once_however_the_splits_are_made_of_them(tmp_path, monkeypatch, kind):
    """Without a validation and a test split, and with a label that may stand for "unlabelled"."""
    train_only(tmp_path, kind)
    source = SOURCES.get({"classes": "class_folders", "masks": "segmentation_folders"}[kind])
    asked, read = [], source.read
    monkeypatch.setattr(source, "read", lambda self, request: asked.append(request) or read(self, request))
    found = look_at(str(tmp_path), first_of)
    assert found.num_training == {"classes": 16, "masks": 8}[kind]
    assert len(asked) == 1
