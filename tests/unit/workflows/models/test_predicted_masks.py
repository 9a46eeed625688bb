"""Predicted masks: the worst images are found and shown first, by the command, by evaluate, in the report."""

from __future__ import annotations

import errno
import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from popnas import networks, report, tasks
from popnas.cells import Cell
from popnas.cli.main import run as popnas
from popnas.datasets import Split
from popnas.evaluators.training.describing import describe_model
from popnas.export import description
from popnas.report.run_data import RunData
from popnas.report.sections import masks as section
from popnas.runs import RunFolder
from popnas.tasks.image_segmentation import figures
from popnas.workflows.models import predicted_masks
from popnas.workflows.models.answers.worst_masks import WorstMasks
from popnas.workflows.models.folder import ModelFolder
from popnas.workflows.settings import load_config

CELL = Cell.parse("[(-1, 1x1 conv, -1, identity)]")
NUM_TEST = 5


def mean_iou(y: np.ndarray, predicted: np.ndarray, num_classes: int) -> float:
    """By its definition, class by class."""
    found = []
    for k in range(num_classes):
        truth, answer = y == k, (predicted == k) & (y < num_classes)
        if (truth | answer).any():
            found.append((truth & answer).sum() / (truth | answer).sum())
    return float(np.mean(found))


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 9999), num_images=st.integers(1, 12), limit=st.integers(1, 6))
def test_the_worst_come_first(seed: int, num_images: int, limit: int) -> None:
    rng = np.random.default_rng(seed)
    y = rng.choice([0, 1, 2, 255], (num_images, 3, 4)).astype(np.uint8)
    y[rng.random(num_images) < 0.2] = 255
    probabilities = rng.random((num_images, 3, 3, 4)).astype(np.float32)
    worst = WorstMasks(3, limit)
    cut = num_images // 2
    for part in (slice(0, cut), slice(cut, None)):
        worst.update(probabilities[part], y[part])
    shown = worst.shown(Split(np.zeros((num_images, 3, 4, 1), np.uint8), y))
    predicted = probabilities.argmax(axis=1)
    scores = {i: mean_iou(y[i], predicted[i], 3) for i in range(num_images) if (y[i] < 3).any()}
    expected = sorted(scores, key=lambda i: (scores[i], i))[:limit]
    assert [item.name for item in shown] == [f"image {i}" for i in expected]
    for item, i in zip(shown, expected, strict=True):
        assert item.mean_iou == pytest.approx(scores[i])
        assert item.accuracy == pytest.approx((y[i] == predicted[i])[y[i] < 3].mean())
        assert (item.y == y[i]).all() and (item.predicted == predicted[i]).all()
    assert worst.num_images == num_images
    if scores:
        assert figures(worst.confusion_KK)["mean_iou"] == pytest.approx(mean_iou(y, predicted, 3))


def put_data(folder: Path) -> Path:
    """Image i of the test split has i columns of class 1 in truth, and is black throughout."""
    folder.mkdir()
    for split, number in (("train", 8), ("test", NUM_TEST)):
        y = np.zeros((number, 8, 8), np.uint8)
        for i in range(number):
            y[i, :, : (i if split == "test" else 4)] = 1
        y[:, 0, -1] = 9
        np.savez(folder / f"{split}.npz", x=np.zeros((number, 8, 8, 3), np.uint8), y=y)
    return folder


def config_of(data: Path) -> dict[str, Any]:
    return {
        "search_space": {"blocks": 1, "operators": ["identity", "1x1 conv"]},
        "architecture_hyperparameters": {"filters": 4, "motifs": 2, "normal_cells_per_motif": 1},
        "dataset": {
            "type": "image_segmentation",
            "path": str(data),
            "ignore_class": 9,
            "batch_size": 2,
            "validation_size": 0.25,
        },
        "others": {"timing": "simulated", "train_strategy": "CPU", "executor": {"kind": "inline"}},
    }


def put_run(path: Path, data: Path) -> Path:
    """A run whose best model was not trained."""
    config = load_config(config_of(data))
    folder = RunFolder.create(path, config.to_json())
    task = tasks.get("image_segmentation")
    dataset = task.load(config)
    spec = task.network_spec(config, dataset)
    torch.manual_seed(1)
    network = networks.build(CELL, spec).eval()
    folder.best_model.mkdir()
    save_file(network.state_dict(), folder.best_model / "weights.safetensors")
    description.write(folder.best_model, describe_model(CELL, spec, config, dataset))
    return path


@pytest.fixture
def segmentation_run(tmp_path: Path) -> Path:
    return put_run(tmp_path / "run", put_data(tmp_path / "data"))


def shown_names(page: str) -> list[str]:
    return re.findall(r'alt="truth of (.*?)"', page)


def test_the_command_writes_a_page_of_the_worst(segmentation_run: Path, capsys: Any) -> None:
    assert popnas(["dataset", "masks", "-p", str(segmentation_run), "-n", "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    page = (segmentation_run / "best_model" / "masks.html").read_text()
    assert found["path"].endswith("best_model/masks.html") and found["num_images"] == NUM_TEST
    assert shown_names(page) == [item["name"] for item in found["images"]]
    scores = [item["mean_iou"] for item in found["images"]]
    assert len(scores) == 3 and scores == sorted(scores)
    assert page.count("data:image/png;base64,") == 3 * 4
    for words in ("prediction of", "error of", "pixel accuracy", "unlabelled</span>", "IoU"):
        assert words in page
    assert not re.search(r'(src|href)="(?!data:|#)', page), "everything is inside"


def test_what_is_known_of_the_test_split_is_told(
    segmentation_run: Path, monkeypatch: Any, capsys: Any
) -> None:
    load = ModelFolder.load_dataset
    note = "In the test split: transparency is dropped: 3 (a, b, c)."
    monkeypatch.setattr(
        ModelFolder,
        "load_dataset",
        lambda self, need_test: replace(load(self, need_test=need_test), test_warnings=[note]),
    )
    for split, told in (("test", f"Warning: {note}\n"), ("validation", "")):
        assert popnas(["dataset", "masks", "-p", str(segmentation_run), "--split", split]) == 0
        assert capsys.readouterr().err == told


def test_tables_and_another_file(segmentation_run: Path, tmp_path: Path, capsys: Any) -> None:
    page = tmp_path / "out.html"
    options = ["--split", "validation", "-o", str(page)]
    assert popnas(["dataset", "masks", "-p", str(segmentation_run), *options]) == 0
    shown = capsys.readouterr().out
    assert "All 2 validation images: mean IoU" in shown and f"Page: {page}" in shown
    assert "Validation split, 2 images" in page.read_text()
    assert not list((segmentation_run / "best_model").glob("masks*"))


def test_evaluate_and_the_report_show_them(segmentation_run: Path, capsys: Any) -> None:
    assert popnas(["evaluate", "-p", str(segmentation_run)]) == 0
    best = segmentation_run / "best_model"
    evaluated = json.loads((best / "eval.json").read_text())
    beside = json.loads((best / "masks.json").read_text())
    assert evaluated["masks"] == "masks.html" and 'href="masks.html"' in (best / "eval.html").read_text()
    assert beside["metrics"]["mean_iou"] == pytest.approx(evaluated["metrics"]["mean_iou"])
    assert [item["iou"] for item in beside["classes"]] == [item["iou"] for item in evaluated["classes"]]
    folder = RunFolder.open(segmentation_run)
    report.write(folder, folder.state())
    text = folder.report_html.read_text()
    assert "Predicted masks" in text and 'href="best_model/masks.html"' in text
    first = beside["images"][0]["mean_iou"]
    assert f"by their own mean IoU: {first:.3f}" in text


def test_a_report_without_them_or_with_half_of_them_is_written(segmentation_run: Path) -> None:
    folder = RunFolder.open(segmentation_run)
    run = RunData.of(folder, folder.state())
    assert section.render(run) == ""
    for name in ("masks.html", "masks.json"):
        (folder.best_model / name).write_text("{")
    assert section.render(run) == ""


def test_a_run_without_masks(run: Path, capsys: Any) -> None:
    config = load_config(json.loads((run / "restore" / "run.json").read_text()))
    task = tasks.get(config.dataset.type)
    dataset = task.load(config)
    cell, spec = Cell.parse("[(-1, 3x3 conv, -1, identity)]"), task.network_spec(config, dataset)
    (run / "best_model").mkdir(exist_ok=True)
    description.write(run / "best_model", describe_model(cell, spec, config, dataset))
    assert popnas(["dataset", "masks", "-p", str(run)]) == 2
    assert "is a model for image_classification" in capsys.readouterr().err


def test_data_without_a_test_split(segmentation_run: Path, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "data" / "test.npz").unlink()
    assert popnas(["dataset", "masks", "-p", str(segmentation_run)]) == 2
    assert "--split validation" in capsys.readouterr().err
    assert popnas(["dataset", "masks", "-p", str(segmentation_run), "--split", "validation"]) == 0
    assert (segmentation_run / "best_model" / "masks_validation.html").is_file()


def test_a_search_ends_with_masks_in_its_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    content = config_of(put_data(tmp_path / "data"))
    content["training_hyperparameters"] = {"epochs": 1}
    content["search_strategy"] = {"max_children": 2, "max_exploration_children": 0}
    (tmp_path / "c.json").write_text(json.dumps(content))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(predicted_masks, "NUM_SAMPLED", 1)
    assert popnas(["search", "-j", "c.json", "--name", "s"]) == 0, capsys.readouterr().err
    run = tmp_path / "logs" / "s"
    text = (run / "report.html").read_text()
    assert 'href="best_model/masks_validation.html"' in text
    page = (run / "best_model" / "masks_validation.html").read_text()
    assert "1 of 2 validation images were looked at" in page and len(shown_names(page)) == 1


@pytest.mark.parametrize("name", ["masks.png", "masks.json", "masks.html"])
@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_folder_that_takes_no_page_is_told_with_the_way_out(
    segmentation_run: Path, monkeypatch: Any, capsys: Any, name: str, number: int
) -> None:
    """Root may write everywhere: the system refuses here."""
    replace_file = os.replace

    def refuse(source: Any, target: Any) -> None:
        if Path(target).name == name:
            raise OSError(number, os.strerror(number))
        replace_file(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    place = segmentation_run / "best_model" / name
    assert popnas(["dataset", "masks", "-p", str(segmentation_run)]) == 2
    words = capsys.readouterr().err
    assert f"cannot write {place}: " in words
    assert words.rstrip().endswith("Give another place with -o.")
    assert "Traceback" not in words and words.count("Error") == 1
    assert not [path for path in place.parent.iterdir() if path.name.startswith(".popnas-")]
    page = segmentation_run.parent / "elsewhere.html"
    assert popnas(["dataset", "masks", "-p", str(segmentation_run), "-o", str(page)]) == 0
    assert page.is_file()
