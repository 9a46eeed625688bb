"""`popnas init`: data in, a configuration that loads and explains itself out."""

import json

import numpy as np
import pytest
from PIL import Image

from popnas import config
from popnas.cli.main import run
from popnas.strategy import ProgressiveSearch
from popnas.workflows import settings
from popnas.workflows.settings import unused


@pytest.fixture
def output(tmp_path):
    return tmp_path / "out.json"


def initialised(data, output, capsys):
    assert run(["init", str(data), "-o", str(output)]) == 0, capsys.readouterr().err
    assert run(["config", "check", "-j", str(output), "--json"]) == 0
    shown = capsys.readouterr().out
    return config.load(output), shown


def test_a_known_data_set(output, capsys):
    loaded, shown = initialised("digits", output, capsys)
    assert shown.startswith(
        "Found image classification: 1437 training examples, 287 of them for validation, 10 classes, 8x8 "
        f"pixels, 1 channel.\nWrote {output}. Next: popnas plan -j {output}\n"
    )
    assert loaded.dataset.name == "digits"
    assert loaded.dataset.classes_count == 10
    assert loaded.architecture_hyperparameters.motifs == 2
    assert not loaded.dataset.data_augmentation.flips  # also in the trainings after the search
    assert unused(loaded) == []
    assert "// B, the largest number of blocks in a cell" in output.read_text()


@pytest.mark.parametrize(
    ("size", "seen", "stem"),
    [((60, 80), (48, 64), None), ((72, 96), None, "half"), ((150, 200), (96, 128), "half")],
)
def test_image_folders(tmp_path, output, capsys, size, seen, stem):
    rng = np.random.default_rng(0)
    for label, count in (("cat", 40), ("dog", 9)):
        folder = tmp_path / "data" / "train" / label
        folder.mkdir(parents=True)
        for index in range(count):
            Image.fromarray(rng.integers(0, 255, (*size, 3), dtype=np.uint8)).save(folder / f"{index}.png")
    loaded, _ = initialised(tmp_path / "data", output, capsys)
    assert loaded.dataset.type == "image_classification"
    assert loaded.dataset.path == str(tmp_path / "data")
    assert loaded.dataset.validation_size == 0.2
    assert loaded.dataset.balance_class_losses
    assert loaded.search_strategy.score_metric == "f1_score"
    resize = loaded.dataset.resize
    assert (resize and (resize.height, resize.width)) == seen
    assert loaded.architecture_hyperparameters.stem == stem
    assert loaded.architecture_hyperparameters.motifs == 3


def test_series_with_a_validation_split(tmp_path, output, capsys):
    rng = np.random.default_rng(0)
    for split in ("train", "validation"):
        np.savez(
            tmp_path / f"{split}.npz", x=rng.normal(size=(60, 50, 3)).astype(np.float32), y=np.arange(60) % 3
        )
    loaded, _ = initialised(tmp_path, output, capsys)
    assert loaded.dataset.type == "time_series_classification"
    assert loaded.dataset.validation_size is None
    assert loaded.dataset.normalize
    assert "lstm" in loaded.search_space.operators


def test_image_arrays(tmp_path, output, capsys):
    x = np.random.default_rng(0).integers(0, 255, (50, 16, 16), dtype=np.uint8)
    np.savez(tmp_path / "train.npz", x=x, y=np.arange(50) % 2)
    loaded, _ = initialised(tmp_path / "train.npz", output, capsys)
    assert loaded.dataset.type == "image_classification"


def test_a_file_that_exists_is_kept(output, capsys):
    output.write_text("mine")
    assert run(["init", "digits", "-o", str(output)]) == 2
    assert capsys.readouterr().err == f"Error: {output} exists; give another file with -o, or remove it.\n"
    assert output.read_text() == "mine"


def test_a_folder_that_is_not_there(output, capsys):
    assert run(["init", str(output.parent / "none"), "-o", str(output / "x.json")]) == 2
    assert run(["init", "digitz", "-o", str(output)]) == 2
    assert "Error: digitz is neither a file or folder nor a known data set. Did you mean 'digits'?" in (
        capsys.readouterr().err
    )
    assert not output.exists()


def test_output_that_cannot_be_written(output, capsys):
    assert run(["init", "digits", "-o", str(output.parent / "none" / "x.json")]) == 2
    assert "cannot be written: its folder does not exist" in capsys.readouterr().err


def test_a_folder_without_data(tmp_path, output, capsys):
    (tmp_path / "notes.txt").write_text("x")
    assert run(["init", str(tmp_path), "-o", str(output)]) == 2
    assert "holds no data that popnas can read: the folder holds notes.txt. Looked for: " in (
        told := capsys.readouterr().err
    )
    assert told.count("train.npz (and") == told.count("one folder of images per class") == 1


def test_broken_data_are_explained(tmp_path, output, capsys):
    np.savez(tmp_path / "train.npz", x=np.full((10, 5, 1), np.nan, np.float32), y=np.arange(10) % 2)
    assert run(["init", str(tmp_path), "-o", str(output)]) == 2
    assert "NaN" in capsys.readouterr().err


def masks(shape, rng, labels=3):
    y = rng.integers(0, labels, shape).astype(np.uint8)
    y.flat[:labels] = np.arange(labels)
    return y


def test_images_with_masks_in_folders(tmp_path, output, capsys):
    rng = np.random.default_rng(0)
    for split, count in (("train", 40), ("validation", 5)):
        for kind in ("images", "masks"):
            (tmp_path / "data" / split / kind).mkdir(parents=True)
        for i in range(count):
            height, width = 20 + i, 60 - i
            y = masks((height, width), rng)
            y[0] = 255
            Image.fromarray(y).save(tmp_path / "data" / split / "masks" / f"{i}.png")
            x = rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
            Image.fromarray(x).save(tmp_path / "data" / split / "images" / f"{i}.png")
    loaded, shown = initialised(tmp_path / "data", output, capsys)
    assert "image segmentation: 40 training and 5 validation examples, 3 classes" in shown
    assert "at the median, of different sizes" in shown
    assert loaded.dataset.type == "image_segmentation" and loaded.dataset.validation_size is None
    assert loaded.dataset.ignore_class == 255 and loaded.dataset.classes_count is None
    assert loaded.search_strategy.score_metric == "mean_iou"
    assert loaded.dataset.batch_size == 4 and not loaded.dataset.balance_class_losses
    # Room for the crop in every image, of training and validation.
    assert (loaded.dataset.resize.height, loaded.dataset.resize.width) == (20, 21)
    assert unused(loaded) == []
    assert "mean_iou counts" in output.read_text().replace("\n    // ", " ")


@pytest.mark.parametrize(("side", "crop", "stem", "motifs"), [(240, 224, "half", 4), (40, None, None, 3)])
def test_masks_of_one_size_are_cropped_and_brought_down_if_they_are_large(
    tmp_path, output, capsys, side, crop, stem, motifs
):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (10, side, side), dtype=np.uint8)
    np.savez(tmp_path / "train.npz", x=x, y=masks(x.shape, rng))
    loaded, _ = initialised(tmp_path, output, capsys)
    assert loaded.dataset.type == "image_segmentation" and loaded.dataset.ignore_class is None
    assert (loaded.dataset.resize and loaded.dataset.resize.width) == crop
    architecture = loaded.architecture_hyperparameters
    assert (architecture.stem, architecture.motifs) == (stem, motifs)


def test_sizes_are_told_as_width_by_height_everywhere(tmp_path, output, capsys):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 255, (30, 12, 20, 3), dtype=np.uint8), np.arange(30) % 3
    np.savez(tmp_path / "train.npz", x=x, y=y)
    _, shown = initialised(tmp_path, output, capsys)
    assert "20x12 pixels, 3 channels" in shown and "20x12 pixels" in output.read_text()
    assert "12x20" not in shown + output.read_text()


def test_a_proposal_trains_few_of_the_many_single_block_cells(output, capsys):
    assert run(["init", "ItalyPowerDemand", "-o", str(output)]) == 0
    loaded = config.load(output)
    space, strategy = loaded.space, settings.strategy_settings(loaded)
    firsts = ProgressiveSearch(space, strategy).proposals(1)
    assert len(firsts) * 4 < space.count_new_blocks(1)
    assert strategy.untrained_parents and strategy.num_rounds(is_last=True) > 1
    assert (loaded.others.predictors.score, loaded.others.predictors.time) == ("trees", "sums")


def test_hours_cut_the_search_and_say_what_was_cut(output, capsys, monkeypatch):
    from popnas.workflows.whole import fitting

    changes = {"search_strategy.max_children": 9, "dataset.samples": 500}
    cuts = dict.fromkeys(changes, "More without the time limit.")
    asked = []

    def fit(config, hours, tell):
        asked.append((config.others.max_hours, hours))
        return fitting.Fitted(changes, cuts, 100.0)

    monkeypatch.setattr(fitting, "fit_search", fit)
    assert run(["init", "digits", "-o", str(output), "--hours", "0.5"]) == 0
    told = capsys.readouterr().out
    assert "to fit into 30 min 00 s it was cut: search_strategy.max_children 9, dataset.samples 500." in told
    assert asked == [(0.5, 0.5)]
    loaded = config.load(output)
    assert (loaded.search_strategy.max_children, loaded.dataset.samples) == (9, 500)
    assert loaded.others.max_hours == 0.5
    remarks = output.read_text().replace("\n    // ", " ")
    assert remarks.count("More without the time limit.") == 2


def test_hours_that_no_search_may_take_are_refused_before_anything_is_probed(output, capsys):
    assert run(["init", "digits", "-o", str(output), "--hours", "1e9"]) == 2
    assert "others.max_hours: must be a number, above 0 and at most 87,600" in capsys.readouterr().err
    assert not output.exists()


def folders_of_images(place, rng):
    for label in ("cat", "dog"):
        folder = place / "train" / label
        folder.mkdir(parents=True)
        for index in range(30):
            Image.fromarray(rng.integers(0, 255, (8, 8), dtype=np.uint8)).save(folder / f"{index}.png")


def arrays_of_series(place, rng):
    place.mkdir()
    np.savez(place / "train.npz", x=rng.normal(size=(60, 30, 1)).astype(np.float32), y=np.arange(60) % 3)


def images_with_masks(place, rng):
    place.mkdir()
    x = rng.integers(0, 255, (40, 32, 32, 3), dtype=np.uint8)
    np.savez(place / "train.npz", x=x, y=rng.integers(0, 3, x.shape[:3], dtype=np.uint8))


@pytest.mark.parametrize(
    "make",
    [
        folders_of_images,
        pytest.param(arrays_of_series, marks=pytest.mark.slow),
        pytest.param(images_with_masks, marks=pytest.mark.slow),
    ],
)
def test_what_is_written_for_a_limit_is_planned_within_it_and_uses_it(
    make, tmp_path, output, capsys, monkeypatch
):
    """Every network costs the same here, whatever this machine does beside; the plan is made anew."""
    from popnas.evaluators.training import probing

    def cost(prober, cell):
        return probing.ProbedCost(train=0.05, validation=0.02, once=0.3)

    monkeypatch.setattr(probing._Prober, "cost", cost)
    make(tmp_path / "data", np.random.default_rng(0))

    def planned(*more):
        assert run(["plan", "-j", str(output), "--json", *more]) == 0, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    assert run(["init", str(tmp_path / "data"), "-o", str(output)]) == 0
    capsys.readouterr()
    whole = planned()
    hours = whole["seconds"] / 5 / 3600
    told = planned("--hours", str(hours))["within"]
    output.unlink()
    assert run(["init", str(tmp_path / "data"), "-o", str(output), "--hours", str(hours)]) == 0
    capsys.readouterr()
    fits = planned()
    assert 0.6 * hours * 3600 < fits["seconds"] <= hours * 3600
    assert fits["within"]["changes"] == {} and fits["within"]["hours"] == hours
    # `plan --hours` says for the uncut configuration what `init --hours` writes.
    written = config.load(output).to_json()
    for place, value in told["changes"].items():
        section, name = place.split(".")
        assert written[section][name] == value
    assert told["changes"] and told["seconds"] == pytest.approx(fits["seconds"], rel=0.1)
