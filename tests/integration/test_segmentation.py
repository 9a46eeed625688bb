"""Segmentation from data to a deployed network, through the command line: both decoders, images of one size
and of many, cached and from disk, killed and resumed.
"""

from __future__ import annotations

import contextlib
import csv
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

import popnas as package
from popnas.cli.main import run as command_line
from popnas.datasets.masks.mask_files import IGNORED
from popnas.runs import RunFolder
from popnas.workflows.models.folder import ModelFolder

COLOURS = np.array([[40, 40, 40], [220, 30, 30], [30, 200, 60]], np.uint8)
PARTIAL = {
    "training_hyperparameters": {
        "epochs": 3,
        "drop_path": 0.2,
        "label_smoothing": 0.1,
        "softmax_dropout": 0.1,
        "optimizer": {"type": "adamW", "scheduler": "cd"},
    },
    "dataset": {"data_augmentation": {"enabled": True}},
}


def scene(rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A red and a green square on grey; the rim of the mask is unlabelled."""
    y_HW = np.zeros((height, width), np.uint8)
    for label in (1, 2):
        top, left = rng.integers(0, height - 6), rng.integers(0, width - 6)
        y_HW[top : top + 6, left : left + 6] = label
    x_HWC = COLOURS[y_HW] + rng.integers(0, 30, (height, width, 3), dtype=np.uint8)
    y_HW[0] = 255
    return x_HWC, y_HW


def write_data(folder: Path, *, has_one_size: bool, as_files: bool) -> Path:
    rng = np.random.default_rng(0)
    for split, count in (("train", 24), ("test", 6)):
        sizes = [(16, 20) if has_one_size else (13 + i % 5, 22 - i % 3) for i in range(count)]
        found = [scene(rng, *size) for size in sizes]
        if as_files:
            for i, pair in enumerate(found):
                for kind, pixels in zip(("images", "masks"), pair, strict=True):
                    (folder / split / kind).mkdir(parents=True, exist_ok=True)
                    Image.fromarray(pixels).save(folder / split / kind / f"{i}.png")
        else:
            folder.mkdir(parents=True, exist_ok=True)
            arrays = {f"{'xy'[k]}_{i}": pair[k] for i, pair in enumerate(found) for k in (0, 1)}
            np.savez(folder / f"{split}.npz", **arrays)
    return folder


def masks_config(path: Path, **changes: Any) -> dict[str, Any]:
    content: dict[str, Any] = {
        "search_space": {"blocks": 1, "lookback_depth": 2, "operators": ["identity", "3x3:2dr conv"]},
        "search_strategy": {"max_children": 2, "max_exploration_children": 0},
        "training_hyperparameters": {"epochs": 2, "learning_rate": 0.02},
        "architecture_hyperparameters": {"filters": 4, "motifs": 2, "normal_cells_per_motif": 1},
        "dataset": {
            "type": "image_segmentation",
            "path": str(path),
            "ignore_class": 255,
            "batch_size": 8,
            "validation_size": 0.25,
        },
        "others": {"timing": "simulated", "executor": {"kind": "inline"}, "train_strategy": "CPU"},
    }
    for place, value in changes.items():
        section, key = place.split(".", 1)
        content[section][key] = value
    return content


def call(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    *arguments: object,
    status: int = 0,
    reads_errors: bool = False,
) -> str:
    """What a command prints; in this process: importing torch anew for each takes longer than all of them."""
    capsys.readouterr()
    with contextlib.chdir(folder):
        found = command_line([str(argument) for argument in arguments])
    shown = capsys.readouterr()
    assert found == status, f"exit {found}\n{shown.out}\n{shown.err}"
    return shown.err if status or reads_errors else shown.out


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("data")
    return {
        "many": write_data(folder / "many", has_one_size=False, as_files=False),
        "one": write_data(folder / "one", has_one_size=True, as_files=True),
    }


def write_json(path: Path, content: dict[str, Any]) -> Path:
    path.write_text(json.dumps(content))
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize(("form", "decoder"), [("many", "fixed"), ("one", "cells")])
def test_the_whole_job(tmp_path, capsys, data, form, decoder):
    """Every command on one run; with images of many sizes also folds, crops and several heads."""
    changes: dict[str, Any] = {"architecture_hyperparameters.segmentation_decoder": decoder}
    if form == "many":
        changes |= {
            "dataset.resize": {"width": 12, "height": 10},
            "dataset.folds": 2,
            "dataset.balance_class_losses": True,
            "architecture_hyperparameters.multi_output": True,
        }
    config = write_json(tmp_path / "config.json", masks_config(data[form], **changes))
    partial = write_json(tmp_path / "partial.json", PARTIAL)
    run = tmp_path / "logs" / "run"

    call(tmp_path, capsys, "search", "-j", config, "--name", "run")
    rows = rows_of(run / "csv" / "training_results.csv")
    assert list(rows[0])[:2] == ["best val accuracy", "val mean IoU"] and "val F1 score" not in rows[0]
    assert len(rows) == 11 and not any(row["error"] for row in rows)
    assert rows[0]["cell structure"] == "[]" and float(rows[0]["val mean IoU"]) > 0
    assert (run / "csv" / "multi_output.csv").exists() == (form == "many")
    best = json.loads((run / "best_model" / "model.json").read_text())
    scores = [float(row["val mean IoU"]) for row in rows[1:]]
    assert best["validation_metrics"]["mean_iou"] == pytest.approx(max(scores))
    assert best["onnx"]["has_dynamic_size"] and len(best["onnx"]["sizes"]) == 2
    assert "mean IoU" in (run / "report.html").read_text()

    options = ["-p", run, "-j", partial]
    shown = call(tmp_path, capsys, "select", *options, "-k", 1, reads_errors=True)
    assert "label_smoothing: is ignored in segmentation" in shown
    (selected,) = run.glob("model_selection/0-*/model.json")
    assert json.loads(selected.read_text())["score"] > 0
    shown = call(tmp_path, capsys, "train", *options, reads_errors=True)
    assert "label_smoothing: is ignored in segmentation" in shown
    check_evaluation(tmp_path, capsys, run)
    check_deployment(tmp_path, capsys, run)


def check_evaluation(tmp_path: Path, capsys, run: Path) -> None:
    shown = call(tmp_path, capsys, "evaluate", "-p", run, "-f", "final_training", "--json")
    content = json.loads((run / "final_training" / "eval.json").read_text())
    assert json.loads(shown)[0]["eval"] == content
    assert set(content["metrics"]) == {"accuracy", "mean_iou"} and content["num_samples"] == 6
    assert content["metrics"]["mean_iou"] == pytest.approx(
        np.mean([item["iou"] for item in content["classes"] if item["iou"] is not None])
    )
    # Two heads, and the last one's figures are those of the exported file.
    assert [head["weight"] for head in content["heads"]] == [0.25, 0.75]
    assert content["heads"][-1]["mean_iou"] == pytest.approx(content["metrics"]["mean_iou"], abs=0.01)
    test = ModelFolder(run / "final_training").load_dataset(need_test=True).test
    assert np.sum(content["confusion"]) == sum(int((y != IGNORED).sum()) for y in test.y)
    page = (run / "final_training" / "eval.html").read_text()
    assert "<th>IoU</th>" in page.replace(' scope="col"', "") or ">IoU<" in page
    assert ">pixels<" in page


def check_deployment(tmp_path: Path, capsys, run: Path) -> None:
    deployed = run / "final_training" / "deploy"
    content = json.loads((deployed / "model.json").read_text())
    assert content["input"]["shape"] == ["batch", 3, "height", "width"]
    assert content["int8"]["accuracy"] is not None and content["int8"]["num_samples"] == 6
    evaluated = json.loads((run / "final_training" / "eval.json").read_text())
    assert content["measured"]["accuracy"] == pytest.approx(evaluated["metrics"]["accuracy"])

    call(tmp_path, capsys, "export", "-p", run, "-f", "final_training", "--source", "-o", "network.py")
    source: dict[str, Any] = {"__name__": "network"}
    exec(compile((tmp_path / "network.py").read_text(), "network.py", "exec"), source)
    network = source["load"](str(deployed / "weights.safetensors"))
    onnx, torched = (package.load(run, backend=backend) for backend in ("onnx", "torch"))
    session = onnxruntime.InferenceSession(deployed / "model.onnx", providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(1)
    for height, width in ((16, 20), (37, 53)):
        x_NHWC = rng.integers(0, 256, (2, height, width, 3), dtype=np.uint8)
        x_NCHW = np.moveaxis(x_NHWC, -1, 1).astype(np.float32)
        expected = session.run(None, {"input": x_NCHW})[0]
        assert expected.shape == (2, 3, height, width)
        np.testing.assert_allclose(onnx.predict_proba(x_NHWC), expected, atol=1e-5)
        np.testing.assert_allclose(torched.predict_proba(x_NHWC), expected, atol=1e-4)
        found = source["predict"](network, torch.from_numpy(x_NCHW)).numpy()
        np.testing.assert_allclose(found, expected, atol=1e-4)

    model = deployed / "model.onnx"
    timed = json.loads(call(tmp_path, capsys, "latency", model, "-i", "3x17x23", "-n", 2, "-b", 2, "--json"))
    (result,) = (item for item in timed["results"] if item["provider"] == "CPU")
    fps = result["samples_per_second"]
    assert fps == pytest.approx(2000 / result["mean_milliseconds"], rel=0.01)
    path = json.loads((run / "restore" / "run.json").read_text())["dataset"]["path"]
    assert "samples/s" in call(tmp_path, capsys, "latency", model, "-d", path, "-n", 1, "-b", "1,2")


@pytest.mark.parametrize("form", ["many", "one"])
def test_before_a_search(tmp_path, capsys, data, form):
    """A configuration is made from the data; it passes the check, is planned and described."""
    call(tmp_path, capsys, "init", data[form], "-o", "made.json")
    call(tmp_path, capsys, "config", "check", "-j", "made.json")
    small = [f"architecture_hyperparameters.{name}=2" for name in ("filters", "motifs")]
    changes = [*small, "search_space.blocks=1"]
    if form == "one":  # every operator is tried with images of many sizes
        changes.append('search_space.operators=["identity", "3x3 conv"]')
    sets = [part for change in changes for part in ("--set", change)]
    shown = call(tmp_path, capsys, "plan", "-j", "made.json", *sets)
    assert "Expected time" in shown
    cells = ["--spec", "[(-1, 3x3 conv, -2, identity)]"]
    described = json.loads(call(tmp_path, capsys, "describe", "-j", "made.json", *cells, "--json"))
    given = ["--input-shape", "x".join(map(str, (16, 20, 3))), "--classes", "3"]
    elsewhere = json.loads(call(tmp_path, capsys, "describe", "-j", "made.json", *cells, *given, "--json"))
    assert described["params"] == elsewhere["params"] > 0


def content_of(run: Path) -> list[dict[str, Any]]:
    """The evaluations of a run."""
    lines = RunFolder.open(run).path.joinpath("restore", "journal.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    return [event["content"] for event in events if event["event"] == "evaluation"]


def test_streamed_from_disk_or_cached_a_search_is_the_same(tmp_path, capsys, data, monkeypatch):
    monkeypatch.setattr("popnas.workflows.searching.finish.views", lambda *arguments: None)
    contents = []
    for cache in (True, False):
        changes: dict[str, Any] = {
            "dataset.cache": cache,
            "dataset.resize": {"width": 12, "height": 10},
            "dataset.data_augmentation": {"enabled": True},
            "search_space.operators": ["identity"],
        }
        config = write_json(tmp_path / "config.json", masks_config(data["many"], **changes))
        call(tmp_path, capsys, "search", "-j", config, "--name", f"cache_{cache}")
        contents.append(content_of(tmp_path / "logs" / f"cache_{cache}"))
    assert contents[0] == contents[1] and len(contents[0]) == 4


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"search_strategy.score_metric": "f1_score"}, "Choose one of: mean_iou, accuracy"),
        ({"dataset.resize": {"width": 12}}, "dataset.resize.height: is missing"),
        ({"dataset.resize": {"width": 64, "height": 64}}, "Give at most 20x13"),
        ({"dataset.ignore_class": None, "dataset.classes_count": 3}, "holds the values 255"),
        ({"search_space.operators": ["lstm", "identity"]}, "search_space.operators[0]"),
    ],
)
def test_a_mistake_is_exit_2_and_makes_no_run_folder(tmp_path, capsys, data, changes, expected):
    config = write_json(tmp_path / "config.json", masks_config(data["many"], **changes))
    assert expected in call(tmp_path, capsys, "search", "-j", config, status=2)
    assert not (tmp_path / "logs").exists()


def test_smoothed_labels_are_warned_about(tmp_path, capsys, data):
    content = masks_config(data["many"])
    content["training_hyperparameters"]["label_smoothing"] = 0.1
    config = write_json(tmp_path / "config.json", content)
    with contextlib.chdir(tmp_path):
        assert command_line(["config", "check", "-j", str(config)]) == 0
    shown = capsys.readouterr()
    assert "label_smoothing: is ignored in segmentation" in shown.out + shown.err


def kill_when(process: Any, is_time: Callable[[], bool]) -> None:
    """Kill -9 at the first moment at which `is_time`; fails if the process ends before."""
    for _ in range(20_000):
        if is_time():
            process.kill()
            process.communicate(timeout=30)
            return
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.005)
    raise AssertionError("the moment never came")


def num_evaluations(run: Path) -> int:
    journal = run / "restore" / "journal.jsonl"
    return journal.read_text().count('"event":"evaluation"') if journal.exists() else 0


def test_a_search_killed_and_resumed_has_equal_content(popnas, capsys, data, monkeypatch):
    monkeypatch.setattr("popnas.workflows.searching.finish.views", lambda *arguments: None)
    changes = {"dataset.cache": False, "dataset.resize": {"width": 12, "height": 10}}
    config = write_json(popnas.folder / "config.json", masks_config(data["many"], **changes))
    calm, killed = (popnas.folder / "logs" / name for name in ("calm", "killed"))
    call(popnas.folder, capsys, "search", "-j", config, "--name", "calm")
    process = popnas.start("search", "-j", config, "--name", "killed")
    kill_when(process, lambda: num_evaluations(killed) >= 4)
    call(popnas.folder, capsys, "search", "-r", killed)
    journals = [call(popnas.folder, capsys, "journal", run, "--content") for run in (calm, killed)]
    assert journals[0] == journals[1]
    assert num_evaluations(calm) == num_evaluations(killed) == 11
    for name in ("weights.safetensors", "model.onnx"):
        assert (calm / "best_model" / name).read_bytes() == (killed / "best_model" / name).read_bytes()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_selection_and_training_killed_and_resumed_end_in_equal_files(popnas, capsys, data):
    changes = {"dataset.resize": {"width": 12, "height": 10}}
    config = write_json(popnas.folder / "config.json", masks_config(data["many"], **changes))
    content = json.loads(json.dumps(PARTIAL))
    content["training_hyperparameters"]["epochs"] = 40
    partial = write_json(popnas.folder / "partial.json", content)
    calm, killed = (popnas.folder / "logs" / name for name in ("calm", "killed"))
    call(popnas.folder, capsys, "search", "-j", config, "--name", "calm")
    shutil.copytree(calm, killed)

    def epochs_of(folder: Path) -> int:
        found = folder / "training.json"
        return len(json.loads(found.read_bytes())["epochs"]) if found.exists() else 0

    for command, options, place in (
        ("select", ["-k", "1"], "model_selection/0-m2-n1-f4"),
        ("train", [], "final_training"),
    ):
        call(popnas.folder, capsys, command, "-p", calm, "-j", partial, *options)
        process = popnas.start(command, "-p", killed, "-j", partial, *options)
        kill_when(process, lambda place=place: epochs_of(killed / place) >= 2)
        popnas.run(command, "-p", killed, "-j", partial, *options)
        for name in ("weights.safetensors", "model.onnx", "model.json"):
            assert (calm / place / name).read_bytes() == (killed / place / name).read_bytes(), (command, name)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("decoder", ["fixed", "cells"])
def test_end_to_end(popnas, data, decoder):
    changes = {"architecture_hyperparameters.segmentation_decoder": decoder}
    config = write_json(popnas.folder / "config.json", masks_config(data["one"], **changes))
    partial = write_json(popnas.folder / "partial.json", PARTIAL)
    options = ["-jms", partial, "-jlt", partial, "-k", 1, "--name", "job", "--json"]
    result = json.loads(popnas.run("e2e", "-j", config, *options))
    run = popnas.folder / "logs" / "job"
    assert result["cuts"] == []
    content = json.loads((run / "final_training" / "eval.json").read_text())
    assert content["metrics"]["mean_iou"] > 0 and content["classes"][0]["iou"] is not None
    assert (run / "final_training" / "deploy" / "model.onnx").is_file()
