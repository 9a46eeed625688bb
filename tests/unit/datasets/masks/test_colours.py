"""Colour tables in the forms that people have them, and colours back to labels."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from popnas.datasets.masks import colours
from popnas.datasets.masks.mask_files import read_mask
from popnas.errors import DataError

rgb = st.tuples(*[st.integers(0, 255)] * 3)
FORMS = {
    "labels.txt": "# CamVid\n64 128 64\tAnimal\n192 0 128\tArch way\n\n0 0 0\tVoid\n192 0 129\tAnimal\n",
    "named.csv": "r,g,b,name\n64,128,64,Animal\n192,0,128,Arch way\n0,0,0,Void\n192,0,129,Animal\n",
    "names.json": json.dumps(
        {"Animal": [[64, 128, 64], [192, 0, 129]], "Arch way": [192, 0, 128], "Void": [0, 0, 0]}
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_names_become_labels_in_their_order(tmp_path, name):
    (tmp_path / name).write_text(FORMS[name])
    found = colours.read(tmp_path / name)
    assert found.names == ["Animal", "Arch way", "Void"]
    pixels = np.array([[[64, 128, 64], [192, 0, 128], [0, 0, 0], [192, 0, 129]]], np.uint8)
    assert found.table.labels(pixels, "m").tolist() == [[0, 1, 2, 0]]


def test_numbers_are_labels_themselves(tmp_path):
    (tmp_path / "t.csv").write_text("red,green,blue,label,remark\n1,2,3,7,x\n4,5,6,300\n")
    found = colours.read(tmp_path / "t.csv")
    assert found.names is None
    assert found.table.labels(np.array([[[4, 5, 6], [1, 2, 3]]], np.uint8), "m").tolist() == [[300, 7]]


@given(table=st.lists(rgb, min_size=1, max_size=20, unique=True), seed=st.integers(0, 999))
def test_masks_come_back_from_their_colours(tmp_path_factory, table, seed):
    folder = tmp_path_factory.mktemp("table")
    text = "\n".join(f"{red} {green} {blue} class {i}" for i, (red, green, blue) in enumerate(table))
    (folder / "t.txt").write_text(text)
    y_HW = np.random.default_rng(seed).integers(0, len(table), (5, 7))
    Image.fromarray(np.array(table, np.uint8)[y_HW]).save(folder / "m.png")
    found = colours.read(folder / "t.txt")
    assert (read_mask(folder / "m.png", found.table) == y_HW).all()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.txt", "1 2 3 a\n1 2 b\n", r"t\.txt, line 2: '1 2 b' is no entry; needed: lines of"),
        ("t.txt", "1 2 300 a\n", r"line 1: the colour 1,2,300 .* out of range"),
        ("t.txt", "1 2 3 a\n1 2 3 b\n", r"line 2: the colour 1,2,3 has two labels"),
        ("t.txt", "# nothing\n", "is empty"),
        ("t.json", '{"a": [1, 2]}', r"'a' has \[1, 2\], which is no colour"),
        ("t.json", '{"a": "red"}', "'a' has \"red\", which is no colour"),
        ("t.json", '{"a": [1,', "is no JSON"),
    ],
)
def test_bad_tables_name_the_place(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        colours.read(tmp_path / name)


def test_other_colours_are_an_error_or_unlabelled(tmp_path):
    (tmp_path / "t.txt").write_text("0 0 0 road\n255 0 0 car\n")
    pixels = np.array([[[0, 0, 0], [224, 224, 192], [255, 0, 0]]], np.uint8)
    with pytest.raises(DataError, match=r"mask m\.png has 1 colour .*t\.txt does not list: 224,224,192 \(33"):
        colours.read(tmp_path / "t.txt").table.labels(pixels, "m.png")
    table = colours.read(tmp_path / "t.txt", unlisted=255).table
    assert table.labels(pixels, "m.png").tolist() == [[0, 255, 1]]


@pytest.mark.parametrize("mode", ["L", "P", "RGBA"])
def test_rgb_masks_that_a_program_made_smaller(tmp_path, mode):
    """An RGB mask of greys alone may come as a grey file, one of few colours as an indexed one."""
    (tmp_path / "t.txt").write_text("9 9 9 road\n200 200 200 car\n")
    y_HW = np.arange(12).reshape(3, 4) % 2
    rgb = Image.fromarray(np.array([[9] * 3, [200] * 3], np.uint8)[y_HW])
    (rgb.quantize(2) if mode == "P" else rgb.convert(mode)).save(tmp_path / "m.png")
    table = colours.read(tmp_path / "t.txt").table
    assert (read_mask(tmp_path / "m.png", table, is_grey_a_colour=True) == y_HW).all()
