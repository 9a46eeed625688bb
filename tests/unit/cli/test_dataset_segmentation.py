"""`popnas dataset segmentation`: what is in the folders is in the files, and bad input is told by name."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from popnas import config, datasets
from popnas.cli.main import run

MODES = ("grey", "palette", "16 bits", "rgb", "green")
COLOURS = np.array([[0, 0, 0], [128, 0, 0], [0, 128, 64], [255, 255, 255]], np.uint8)


def pairs(sizes, seed=0):
    rng = np.random.default_rng(seed)
    return [
        (rng.integers(0, 256, (*size, 3), dtype=np.uint8), rng.integers(0, 4, size).astype(np.uint8))
        for size in sizes
    ]


def save_mask(y_HW, path, mode):
    if mode == "palette":
        image = Image.fromarray(y_HW)
        image.putpalette(COLOURS[::-1].tobytes())
    elif mode == "16 bits":
        image = Image.fromarray(y_HW.astype(np.uint16) + 300)
    elif mode == "rgb":
        image = Image.fromarray(COLOURS[y_HW])
    elif mode == "green":
        image = Image.fromarray(np.stack([y_HW * 0 + 9, y_HW, 255 - y_HW], axis=-1))
    else:
        image = Image.fromarray(y_HW)
    image.save(path)


def put(folder, found, mode="grey", split="train", names=("{}/images", "{}/masks")):
    for number, (x_HWC, y_HW) in enumerate(found):
        places = [folder / name.format(split) for name in names]
        for place in places:
            place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(x_HWC).save(places[0] / f"{number:02d}.png")
        save_mask(y_HW, places[1] / f"{number:02d}.png", mode)
    return folder


def options(folder, mode):
    if mode == "rgb":
        lines = [f"{red} {green} {blue} c{i}" for i, (red, green, blue) in enumerate(COLOURS.tolist())]
        (folder / "table.txt").write_text("\n".join(lines))
        return ["--masks", "rgb", "--colors", str(folder / "table.txt")]
    return ["--masks", "green"] if mode == "green" else []


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    mode=st.sampled_from(MODES),
    sizes=st.lists(st.tuples(st.integers(3, 9), st.integers(3, 9)), min_size=1, max_size=3),
    seed=st.integers(0, 99),
)
def test_files_hold_what_the_folders_hold(tmp_path_factory, capsys, mode, sizes, seed):
    folder = tmp_path_factory.mktemp("data")
    found = pairs(sizes, seed)
    put(folder / "in", found, mode)
    arguments = ["dataset", "segmentation", str(folder / "in"), "-o", str(folder / "out"), "--json"]
    assert run([*arguments, *options(folder, mode)]) == 0, capsys.readouterr().err
    shown = json.loads(capsys.readouterr().out)
    shift = 300 if mode == "16 bits" else 0
    with np.load(folder / "out" / "train.npz", allow_pickle=False) as written:
        assert ("x" in written.files) == (len(set(sizes)) == 1)
        for i, (x_HWC, y_HW) in enumerate(found):
            x, y = (written[k][i] if "x" in written.files else written[f"{k}_{i}"] for k in "xy")
            assert (x == x_HWC).all() and (y == y_HW.astype(int) + shift).all()
    counts = np.bincount(np.concatenate([y.ravel() for _, y in found]))
    expected = {str(label + shift): int(count) for label, count in enumerate(counts) if count}
    assert shown["splits"][0]["pixels"] == expected


def test_camvids_layout_becomes_a_data_set(tmp_path, capsys):
    for split, sizes in (("train", [(30, 40)] * 8), ("val", [(20, 30)] * 3), ("test", [(30, 20), (25, 25)])):
        put(tmp_path / "in", pairs(sizes), split=split, names=("{}", "{}annot"))
    (tmp_path / "in" / "classes.txt").write_text("sky\nroad\ncar\nvoid\n")
    arguments = ["dataset", "segmentation", str(tmp_path / "in"), "-o", str(tmp_path / "out")]
    assert run([*arguments, "--resize", "16", "--crop", "12", "--ignore", "3"]) == 0, capsys.readouterr().err
    shown = capsys.readouterr().out
    assert "12x12" in shown and "(unlabelled)" in shown and "sky" in shown
    section = config.DatasetConfig(
        type="image_segmentation", path=str(tmp_path / "out"), ignore_class=3, validation_size=None
    )
    dataset = datasets.load(section, 0, need_test=True)
    assert dataset.class_names == ["sky", "road", "car"]
    assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [8, 3, 2]
    assert dataset.input_shape == (12, 12, 3)


def test_folders_by_name_and_grey_beside_colour(tmp_path, capsys):
    put(tmp_path, pairs([(6, 6)] * 2), split="here", names=("{}/img", "{}/gt"))
    Image.fromarray(np.full((6, 6), 77, np.uint8)).save(tmp_path / "here" / "img" / "00.png")
    split = ["--split", "val", str(tmp_path / "here" / "img"), str(tmp_path / "here" / "gt")]
    assert run(["dataset", "segmentation", *split, "-o", str(tmp_path / "out")]) == 0, capsys.readouterr().err
    with np.load(tmp_path / "out" / "validation.npz") as written:
        assert written["x"].shape == (2, 6, 6, 3) and (written["x"][0] == 77).all()


def test_a_photograph_is_turned_as_its_camera_says(tmp_path, capsys):
    put(tmp_path / "in", pairs([(6, 9)]))
    image = Image.fromarray(pairs([(9, 6)])[0][0])
    exif = image.getexif()
    exif[0x0112] = 6
    (tmp_path / "in/train/images/00.png").unlink()
    image.save(tmp_path / "in/train/images/00.jpg", exif=exif)
    arguments = ["dataset", "segmentation", str(tmp_path / "in"), "-o", str(tmp_path / "out")]
    assert run(arguments) == 0, capsys.readouterr().err
    assert np.load(tmp_path / "out/train.npz")["x"].shape == (1, 6, 9, 3)


def mistake(tmp_path, capsys, *more):
    """The message of a mistake; nothing was written."""
    status = run(["dataset", "segmentation", str(tmp_path / "in"), "-o", str(tmp_path / "out"), *more])
    assert status == 2 and not (tmp_path / "out").exists()
    return capsys.readouterr().err


def test_an_image_without_mask(tmp_path, capsys):
    put(tmp_path / "in", pairs([(6, 6)] * 2))
    (tmp_path / "in/train/masks/01.png").unlink()
    assert "images/01.png has no mask" in mistake(tmp_path, capsys)


def test_sizes_that_differ(tmp_path, capsys):
    put(tmp_path / "in", pairs([(6, 8)] * 2))
    save_mask(np.zeros((8, 6), np.uint8), tmp_path / "in/train/masks/01.png", "grey")
    message = mistake(tmp_path, capsys)
    assert "masks/01.png is 6x8 (width x height), its image" in message and "is 8x6" in message


def test_values_outside_the_classes(tmp_path, capsys):
    put(tmp_path / "in", pairs([(6, 6)] * 2))
    y_HW = np.zeros((6, 6), np.uint8)
    y_HW[0, 0], y_HW[1] = 200, 255
    save_mask(y_HW, tmp_path / "in/train/masks/01.png", "grey")
    message = mistake(tmp_path, capsys, "--classes", "4")
    assert "masks/01.png holds the values 200, 255 (19.4% of its pixels)" in message and "--ignore" in message
    assert "holds the values 200 (2.8%" in mistake(tmp_path, capsys, "--classes", "4", "--ignore", "255")
    (tmp_path / "in/classes.txt").write_text("a\nb\n")
    assert "with 2 classes labels are 0 to 1" in mistake(tmp_path, capsys)


def test_colours_that_are_not_in_the_table(tmp_path, capsys):
    put(tmp_path / "in", pairs([(6, 6)]), "rgb")
    (tmp_path / "in/colors.csv").write_text("0,0,0,0\n128,0,0,1\n0,128,64,2\n")
    message = mistake(tmp_path, capsys)
    assert "masks/00.png has 1 colour" in message and "255,255,255" in message
    arguments = ["dataset", "segmentation", str(tmp_path / "in"), "-o", str(tmp_path / "out")]
    assert run([*arguments, "--ignore", "255"]) == 0
    assert set(np.unique(np.load(tmp_path / "out/train.npz")["y"])) == {0, 1, 2, 255}


def test_images_of_16_bits(tmp_path, capsys):
    put(tmp_path / "in", pairs([(6, 6)]))
    Image.fromarray(np.full((6, 6), 4000, np.uint16)).save(tmp_path / "in/train/images/00.png")
    assert "more than 8 bits per channel" in mistake(tmp_path, capsys)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            ["--crop", "7"],
            "images/00.png is 8x6 (width x height), too small for a crop of 7x7. Give --crop 6",
        ),
        (["--masks", "rgb"], "--masks rgb needs the table of its colours: add --colors TABLE"),
        (["--masks", "grey", "--colors", "t.txt"], "--masks grey takes no --colors"),
        (["--masks", "red"], "has one channel"),
        (["--split", "train", "a", "b"], "give either FOLDER, or its parts"),
    ],
)
def test_options_that_do_not_suit(tmp_path, capsys, more, message):
    put(tmp_path / "in", pairs([(6, 8)]))
    assert message in mistake(tmp_path, capsys, *more)


def test_masks_in_colours_without_a_table(tmp_path, capsys):
    put(tmp_path / "in", pairs([(6, 6)]), "rgb")
    assert "popnas dataset segmentation --masks rgb --colors TABLE" in mistake(tmp_path, capsys)


def test_a_damaged_image_in_the_last_split_leaves_nothing(tmp_path, capsys):
    put(tmp_path / "in", pairs([(6, 6)]))
    put(tmp_path / "in", pairs([(6, 6)]), split="test")
    (tmp_path / "in/test/images/00.png").write_bytes(b"none")
    assert "test/images/00.png cannot be read" in mistake(tmp_path, capsys)


def test_what_exists_is_replaced_only_when_asked(tmp_path, capsys):
    put(tmp_path / "in", pairs([(6, 6)]))
    arguments = ["dataset", "segmentation", str(tmp_path / "in"), "-o", str(tmp_path / "out")]
    assert run(arguments) == 0
    put(tmp_path / "in", pairs([(5, 5)], seed=1))
    assert run(arguments) == 2
    assert "train.npz exists. Give another folder with -o, or replace" in capsys.readouterr().err
    assert run([*arguments, "--force"]) == 0
    assert np.load(tmp_path / "out/train.npz")["x"].shape == (1, 5, 5, 3)
    arguments[-1] = str(tmp_path / "in")
    assert run(arguments) == 2 and "is the folder of the images" in capsys.readouterr().err


def test_pickled_files_lead_here_and_from_here_to_the_images(tmp_path, capsys):
    ragged = np.empty(2, object)
    ragged[:] = [np.zeros((3, 3, 3), np.uint8), np.zeros((4, 4, 3), np.uint8)]
    (tmp_path / "in").mkdir()
    np.savez(tmp_path / "in" / "train.npz", x=ragged, y=ragged)
    section = config.DatasetConfig(type="image_segmentation", path=str(tmp_path / "in"))
    with pytest.raises(Exception, match="popnas dataset segmentation FOLDER -o NEW_FOLDER"):
        datasets.load(section, 0)
    message = mistake(tmp_path, capsys)
    assert "never loaded" in message and "Give the images and masks that the file was made from" in message
