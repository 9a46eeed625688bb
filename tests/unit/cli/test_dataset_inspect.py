"""`popnas dataset inspect`: figures are those of the data, and what will hurt is told."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image

from popnas.cli.main import run
from popnas.cli.terminal.output import words_of
from popnas.events import Warned


def inspected(tmp_path, capsys, *arguments):
    """What `--json` prints, and the page."""
    page = tmp_path / "page.html"
    assert run(["dataset", "inspect", *map(str, arguments), "-o", str(page), "--json"]) == 0, (
        capsys.readouterr().err
    )
    found = json.loads(capsys.readouterr().out)
    assert found["page"] == str(page)
    assert not any("\n" in line for line in found["warnings"]), "a warning is a line"
    text = page.read_text()
    assert not re.search(r'(src|href)="(?!data:|#)', text), "everything is inside"
    return found, text


def warned(found, words):
    return [line for line in found["warnings"] if words in line]


def masks_folder(tmp_path, sizes=((40, 50),) * 12, test_label=1, unlabelled=0.0):
    """Labels 0 (most) and 1, and 9, the last rows: unlabelled."""
    rng = np.random.default_rng(0)
    for split, number in (("train", len(sizes)), ("test", 3)):
        arrays = {}
        for i in range(number):
            height, width = sizes[i]
            y_HW = np.zeros((height, width), np.uint8)
            y_HW[:3] = 1 if split == "train" else test_label
            y_HW[height - round(unlabelled * height) :] = 9
            arrays |= {f"x_{i}": rng.integers(0, 256, (height, width, 3), dtype=np.uint8), f"y_{i}": y_HW}
        tmp_path.mkdir(exist_ok=True)
        np.savez(tmp_path / f"{split}.npz", **arrays)
    return tmp_path


def section(tmp_path, data, **settings):
    settings = {"type": "image_segmentation", "path": str(data), "validation_size": 0.25, **settings}
    (tmp_path / "c.json").write_text(json.dumps({"dataset": settings}))
    return tmp_path / "c.json"


def test_a_known_data_set(tmp_path, capsys):
    found, page = inspected(tmp_path, capsys, "digits")
    assert found["type"] == "image_classification" and found["warnings"] == []
    assert {name: split["num_examples"] for name, split in found["splits"].items()} == {
        "train": 1150,
        "validation": 287,
        "test": 360,
    }
    for split in found["splits"].values():
        assert sum(split["class_counts"]) == split["num_examples"]
        assert sum(split["class_shares"]) == pytest.approx(1)
        assert split["sizes"]["smallest"] == split["sizes"]["largest"] == [8, 8]
    assert "Nothing was found that would hurt" in page and page.count("data:image/png") == 80


def test_tables_on_a_terminal(tmp_path, capsys):
    assert run(["dataset", "inspect", "digits", "-o", str(tmp_path / "p.html")]) == 0
    shown = capsys.readouterr().out
    assert "the data set 'digits': image classification, 10 classes" in shown
    assert re.search(r"^train +1,150 +8x8$", shown, re.MULTILINE)
    assert re.search(r"^3 +117 \(10.17%\) ", shown, re.MULTILINE) and f"Page: {tmp_path}" in shown


def test_masks(tmp_path, capsys):
    data = masks_folder(tmp_path / "data", unlabelled=0.25)
    found, page = inspected(tmp_path, capsys, "-j", section(tmp_path, data, ignore_class=9))
    train = found["splits"]["train"]
    assert train["unlabelled_share"] == 0.25 and train["class_shares"] == pytest.approx([0.9, 0.1])
    assert train["num_with_class"] == [9, 9]
    assert len(warned(found, "25.0% of the pixels of the")) == 3
    assert warned(found, "Fewer than 10 training images show the class 0 (9), 1 (9)")
    assert page.count("image under its mask of y_") == 9 and "unlabelled</span>" in page


def test_classes_that_a_test_split_lacks_and_rare_ones(tmp_path, capsys):
    data = masks_folder(tmp_path / "data", test_label=0)
    found, _ = inspected(tmp_path, capsys, data)
    assert warned(found, "No test pixel has the class 1: scores on this split say nothing about it")
    data = masks_folder(tmp_path / "wide", sizes=((1600, 4),) * 12)
    found, _ = inspected(tmp_path, capsys, data)
    assert warned(found, "Hardly any training pixel has the class 1 (0.19%)")
    assert warned(found, "The largest class has 532 times the pixels of the smallest")
    assert warned(found, "The smallest training image has a side of 4 pixels")


def test_a_crop_without_room_is_told_and_the_rest_is_shown(tmp_path, capsys):
    data = masks_folder(tmp_path / "data", sizes=((40, 50),) * 11 + ((30, 45),))
    config = section(tmp_path, data, resize={"width": 48, "height": 32})
    found, _ = inspected(tmp_path, capsys, "-j", config)
    (line,) = warned(found, "A search of these data as they are would stop: dataset.resize is the training")
    assert "45x30" in line
    assert warned(found, "Training images differ in size and dataset.resize gives no crop")
    assert found["splits"]["train"]["sizes"] == {
        "smallest": [30, 45],
        "median": [40, 50],
        "largest": [40, 50],
        "num_distinct": 2,
    }


def test_a_test_split_that_cannot_be_used_is_told(tmp_path, capsys):
    data = masks_folder(tmp_path / "data", test_label=7)
    found, _ = inspected(tmp_path, capsys, data)
    assert (
        warned(found, "Evaluation on test data would stop: The mask y_0 of") and "test" not in found["splits"]
    )


def test_what_stops_a_search_is_told_before_what_stops_its_evaluation(tmp_path, capsys):
    x = np.random.default_rng(0).integers(0, 256, (40, 9, 9, 3), dtype=np.uint8)
    arrays = {"y_train": np.arange(40) % 3, "x_test": x[:9], "y_test": np.arange(9) % 3 + 1}
    np.savez(data := tmp_path / "data.npz", x_train=x, **arrays)
    found, _ = inspected(tmp_path, capsys, data)
    assert warned(found, "bear labels that no training example has: 3.")
    np.savez(data, x_train=x / 255, **arrays)
    assert run(["dataset", "inspect", str(data)]) == 2
    assert "Error: The images of the train split" in (told := capsys.readouterr().err)
    assert "bear labels" not in told


def test_a_class_that_seems_to_mean_unlabelled(tmp_path, capsys):
    data = masks_folder(tmp_path / "data")
    (data / "classes.txt").write_text("road\nvoid\n")
    found, _ = inspected(tmp_path, capsys, data)
    assert warned(found, "The class 'void' is learnt and counted as any other")


def image_folders(folder, counts, size=(12, 10)):
    rng = np.random.default_rng(0)
    for split, classes in counts.items():
        for label, count in classes.items():
            (folder / split / label).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / split / label / f"{i}.png")
    return folder


def test_the_same_images_in_two_splits(tmp_path, capsys):
    data = image_folders(
        tmp_path / "d",
        {"train": {"a": 20, "b": 20}, "validation": {"a": 5, "b": 5}, "test": {"a": 4, "b": 4}},
    )
    for i in range(3):
        (data / "test/a" / f"{i}.png").write_bytes((data / "train/a" / f"{i}.png").read_bytes())
    (data / "test/b/0.png").write_bytes((data / "test/b/1.png").read_bytes())
    found, page = inspected(tmp_path, capsys, data)
    assert found["shared"] == {"train/validation": 0, "train/test": 3, "validation/test": 0}
    assert warned(found, "3 examples of the test split are in the train split too, equal in every value")
    assert warned(found, "1 of the 8 examples of the test split repeat")
    assert "3 examples of the test split" in page


def test_imbalance_single_examples_and_images_of_differing_size(tmp_path, capsys):
    data = image_folders(tmp_path / "d", {"train": {"a": 60, "b": 5, "c": 1}})
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(data / "train/a/60.png")
    found, page = inspected(tmp_path, capsys, data)
    assert warned(found, "A search of these data as they are would stop: The images of") and warned(
        found, "dataset.resize"
    )
    assert warned(found, "times the examples of the smallest")
    assert warned(found, "have a single training example") or warned(found, "has a single training example")
    assert warned(found, "No validation example has the class c")
    assert found["input_shape"] == [12, 10, 3] and "<h3>c</h3>" in page  # the size of most


def test_series_of_unequal_lengths(tmp_path, capsys):
    x = np.random.default_rng(0).normal(size=(30, 20, 2)).astype(np.float32)
    lengths = np.arange(30) % 5 + 16
    for i, length in enumerate(lengths):
        x[i, length:] = 0
    np.savez(tmp_path / "train.npz", x=x, y=np.arange(30) % 2, lengths=lengths)
    found, page = inspected(tmp_path, capsys, tmp_path)
    assert found["type"] == "time_series_classification"
    assert found["splits"]["train"]["sizes"]["smallest"] == [16]
    assert "16 to 20 timesteps" in page and "channel 0 of 2" in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give either DATA"),
        (["digits", "-j", "run"], "give either DATA"),
        (["digits", "--set", "dataset.samples=3"], "--set changes a configuration"),
        (["digitz"], "Did you mean 'digits'"),
    ],
)
def test_mistakes(tmp_path, capsys, arguments, message):
    assert run(["dataset", "inspect", *arguments, "-o", str(tmp_path / "p.html")]) == 2
    assert message in capsys.readouterr().err and not (tmp_path / "p.html").exists()


def photographs(path, sizes):
    for split, some in sizes.items():
        for name in ("cat", "dog"):
            (path / split / name).mkdir(parents=True)
            for i, (height, width) in enumerate(some):
                pixels = np.random.default_rng(i).integers(0, 256, (height, width, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(path / split / name / f"{i}.png")
    return path


SIZES = {
    "train": [(20 + i, 47 - 2 * i) for i in range(12)],
    "validation": [(25, 30), (26, 31), (31, 40)],
    "test": [(9, 12), (40, 45)],
}


def test_the_sizes_that_images_really_have(tmp_path, capsys):
    """And nothing is suggested that would enlarge them, nor told of what such a size would do."""
    data = photographs(tmp_path / "data", SIZES)
    found, page = inspected(tmp_path, capsys, data)
    sizes = {name: split["original_sizes"] for name, split in found["splits"].items()}
    assert sizes["train"] == {
        "smallest": [20, 25], "median": [25, 36], "largest": [31, 47], "num_distinct": 12,
    }  # fmt: skip
    assert sizes["validation"]["median"] == [26, 31] and sizes["test"]["largest"] == [40, 45]
    assert "25x20 to 47x31, median 36x25" in page
    assert warned(found, '{"width": 36, "height": 25}, their median') and not warned(found, "stretched to")
    assert not warned(found, "Stretched to")
    assert run(["dataset", "inspect", str(data), "-o", str(tmp_path / "p.html")]) == 0
    shown = capsys.readouterr().out
    assert "25x20 to 47x31, median 36x25" in shown and "shown at 36x25" in shown


@pytest.mark.parametrize("kind", ["folders", "npz"])
def test_the_sizes_before_dataset_resize(tmp_path, capsys, kind):
    data = tmp_path / "data"
    if kind == "folders":
        photographs(data, {"train": [(20, 30)] * 12, "test": [(20, 30)] * 2})
    else:
        data.mkdir()
        np.savez(data / "train.npz", x=np.arange(24 * 600).reshape(24, 20, 30) % 251, y=np.arange(24) % 2)
    settings = {"type": "image_classification", "resize": {"width": 8, "height": 10}}
    found, _ = inspected(tmp_path, capsys, "-j", section(tmp_path, data, **settings))
    for split in found["splits"].values():
        assert split["original_sizes"]["median"] == [20, 30] and split["sizes"]["median"] == [10, 8]


def test_large_photographs_are_suggested_a_moderate_size(tmp_path, capsys):
    data = photographs(tmp_path / "data", {"train": [(70 + i, 300 + i) for i in range(12)]})
    found, _ = inspected(tmp_path, capsys, data)
    assert warned(found, '{"width": 64, "height": 64}, their median, at most 64')


def test_what_hurts_nothing_is_no_warning(tmp_path, capsys):
    x, y = np.random.default_rng(0).normal(size=(40, 20, 2)), np.arange(40) % 2
    np.savez(tmp_path / "waves.npz", x_train=x[:30], y_train=y[:30], x_test=x[30:], y_test=y[30:])
    series = ["--type", "time_series_classification"]
    found, page = inspected(tmp_path, capsys, tmp_path / "waves.npz", *series)
    assert not warned(found, "are taken for splits by their names")
    taken, drawn = found["notes"]
    assert "are taken for splits by their names" in taken
    assert drawn == (
        "6 examples of the 30 for training are kept for validation, every class with its share "
        "(dataset.validation_size 0.2)."
    )
    hurts, _, rest = page.partition(">Splits<")
    assert "are taken for splits" in rest and "are taken for splits" not in hurts
    assert "equal to an earlier one" in rest
    arguments = [str(tmp_path / "waves.npz"), "-o", str(tmp_path / "p.html"), *series]
    assert run(["dataset", "inspect", *arguments]) == 0
    assert "Note: The arrays of" in capsys.readouterr().out
    # The same word wherever it is told: `init` as `dataset inspect`, and as an event of any job.
    assert run(["init", str(tmp_path / "waves.npz"), "-o", str(tmp_path / "c.json"), *series]) == 0
    told = capsys.readouterr().err
    assert "Note: The arrays of" in told and "Warning: The arrays" not in told and "Note: Note" not in told
    assert words_of(Warned("Note: The arrays of x.")) == "Note: The arrays of x."
    assert words_of(Warned("The label 'nan' counts.")) == "Warning: The label 'nan' counts."
