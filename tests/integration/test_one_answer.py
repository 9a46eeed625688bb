"""An example has one answer: alone or in a batch, padded or not, by either backend, by `predict` and by
`evaluate`, from a model of any stage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

import popnas
from popnas.api import InputError
from popnas.errors import DataError
from popnas.export import description

RNG = np.random.default_rng(0)
NUM = {"train": 48, "test": 12}
CLASSES = 2


def labels(split: str) -> np.ndarray:
    return np.arange(NUM[split]) % CLASSES


def series(split: str, shortest: int, longest: int) -> list[np.ndarray]:
    lengths = RNG.integers(shortest, longest + 1, NUM[split])
    return [RNG.normal(size=(n, 2)) + y for n, y in zip(lengths, labels(split), strict=True)]


def padded(examples: list[np.ndarray]) -> dict[str, np.ndarray]:
    lengths = np.array([len(one) for one in examples])
    x = np.zeros((len(examples), lengths.max(), 2))
    for row, one in zip(x, examples, strict=True):
        row[: len(one)] = one
    return {"x": x, "lengths": lengths}


def write_series(folder: Path, train: tuple[int, int], test: tuple[int, int]) -> list[np.ndarray]:
    """Returns the test series, channels first."""
    examples = {"train": series("train", *train), "test": series("test", *test)}
    for split, found in examples.items():
        np.savez(folder / f"{split}.npz", **padded(found), y=labels(split))
    return [one.T for one in examples["test"]]


def write_images(folder: Path) -> list[np.ndarray]:
    for split in NUM:
        x = RNG.integers(0, 128, (NUM[split], 8, 6, 3)) + 100 * labels(split)[:, None, None, None]
        np.savez(folder / f"{split}.npz", x=x.astype(np.uint8), y=labels(split))
    return list(np.load(folder / "test.npz")["x"])


def write_masks(folder: Path) -> list[np.ndarray]:
    """Photographs of several sizes, bright where the mask is 1."""
    for split in NUM:
        content = {}
        for i in range(NUM[split]):
            y = RNG.integers(0, 2, (8 + i % 3, 10 - i % 2))
            content[f"y_{i}"] = y.astype(np.uint8)
            content[f"x_{i}"] = (RNG.integers(0, 100, (*y.shape, 3)) + 150 * y[..., None]).astype(np.uint8)
        np.savez(folder / f"{split}.npz", **content)
    test = np.load(folder / "test.npz")
    return [test[f"x_{i}"] for i in range(NUM["test"])]


KINDS = {
    "images": ("image_classification", "3x3 conv", write_images),
    "equal": ("time_series_classification", "3 conv", lambda folder: write_series(folder, (9, 9), (9, 9))),
    "others": (
        "time_series_classification",
        "2 maxpool",
        lambda folder: write_series(folder, (9, 9), (4, 13)),
    ),
    "unequal": (
        "time_series_classification",
        "5 conv",
        lambda folder: write_series(folder, (4, 15), (2, 17)),
    ),
    "masks": ("image_segmentation", "3x3 conv", write_masks),
}


def config_of(task: str, operator: str, folder: Path) -> dict[str, Any]:
    is_segmentation = task == "image_segmentation"
    return {
        "search_space": {"blocks": 1, "lookback_depth": 1, "operators": [operator, "identity"]},
        "search_strategy": {"max_children": 1, "max_exploration_children": 0},
        "training_hyperparameters": {"epochs": 2, "learning_rate": 0.02},
        "architecture_hyperparameters": {"filters": 4, "motifs": 2, "normal_cells_per_motif": 1},
        "dataset": {
            "type": task,
            "path": str(folder),
            "batch_size": 8,
            "validation_size": 0.25,
            **({"resize": {"width": 8, "height": 8}, "ignore_class": None} if is_segmentation else {}),
            **({"normalize": True} if task == "time_series_classification" else {}),
        },
        "others": {
            "timing": "simulated",
            "executor": {"kind": "inline"},
            "train_strategy": "CPU",
            "save_children_weights": True,
        },
    }


@pytest.fixture(scope="module", autouse=True)
def without_views() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("popnas.workflows.searching.finish.views", lambda *arguments: None)
        yield


def answers(model: popnas.LoadedModel, examples: list[np.ndarray]) -> np.ndarray | list[np.ndarray]:
    return [model.predict_proba(one[None])[0] for one in examples]


@pytest.mark.filterwarnings("ignore:.* series are .*er than the")
@pytest.mark.parametrize("kind", KINDS)
def test_an_example_has_one_answer(kind: str, tmp_path: Path) -> None:
    task, operator, write = KINDS[kind]
    data = tmp_path / "data"
    data.mkdir()
    examples = write(data)
    run = popnas.search(config_of(task, operator, data), name="run", logs=tmp_path).folder
    onnx, torch = popnas.load(run), popnas.load(run, backend="torch")
    alone = answers(onnx, examples)
    for one, expected in zip(answers(torch, examples), alone, strict=True):
        np.testing.assert_allclose(one, expected, atol=1e-5)
    if kind != "masks":
        together = examples if kind in ("unequal", "others") else np.stack(examples)
        for model in (onnx, torch, popnas.load(run, batch_size=5)):
            np.testing.assert_allclose(model.predict_proba(together), alone, atol=1e-5)
    check_evaluation(run, alone, data, onnx)


def check_evaluation(run: Path, alone: list[np.ndarray], data: Path, model: popnas.LoadedModel) -> None:
    """`evaluate` counts what `predict` answers: by the ONNX file, and by each head of the network."""
    (found,) = popnas.evaluate(run)
    test = np.load(data / "test.npz")
    y = [test["y"][i] if "y" in test else test[f"y_{i}"] for i in range(NUM["test"])]
    confusion = np.zeros((CLASSES, CLASSES), int)
    for probabilities, true in zip(alone, y, strict=True):
        np.add.at(confusion, (true, probabilities.argmax(axis=0)), 1)
    content = found.result.to_json()
    assert content is not None and content["confusion"] == confusion.tolist()
    accuracy = confusion.trace() / confusion.sum()
    assert content["metrics"]["accuracy"] == pytest.approx(accuracy)
    assert content["heads"][-1]["accuracy"] == pytest.approx(accuracy)
    if "lengths" in test:
        trained = model.description["network"]["input_shape"][0]
        has_lengths = model.description["network"]["has_lengths"]
        assert content["test_lengths"] == {
            "num_timesteps": trained,
            "num_filled": 0 if has_lengths else int((test["lengths"] < trained).sum()),
            "num_cut": int((test["lengths"] > trained).sum()),
        }


def test_an_answer_that_is_no_number_is_counted_as_no_class(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    write_series(data, (9, 9), (9, 9))
    run = popnas.search(
        config_of("time_series_classification", "3 conv", data), name="run", logs=tmp_path
    ).folder
    weights = load_file(run / "best_model" / "weights.safetensors")
    broken = {name: tensor * np.nan for name, tensor in weights.items()}
    save_file(broken, run / "best_model" / "weights.safetensors")
    description.write(run / "best_model", description.read(run / "best_model"))  # of these weights
    with pytest.raises(DataError, match="a head of the network answers test examples with NaN"):
        popnas.evaluate(run)
    (run / "best_model" / "model.onnx").unlink()
    with pytest.raises(DataError, match=r"no probabilities \(NaN\) for example 0, whose values lie within"):
        popnas.evaluate(run)
    with pytest.raises(InputError, match=r"no probabilities \(NaN\) for example 0 of X"):
        popnas.load(run, backend="torch").predict(np.zeros((1, 2, 9)))


@pytest.mark.filterwarnings("ignore:.* series are longer than the")
def test_a_model_of_any_stage_is_loaded_by_both_backends(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    examples = write_series(data, (4, 15), (2, 17))
    config = config_of("time_series_classification", "3 conv", data)
    run = popnas.search(config, name="run", logs=tmp_path).folder
    few = {"training_hyperparameters": {"epochs": 1}}
    popnas.select(run, popnas.CellChoice(1), partial=few)
    popnas.train(run, partial=few)
    folders = sorted(path.parent for path in run.rglob("model.json"))
    stages = {folder.relative_to(run).parts[0] for folder in folders}
    assert stages == {"best_model", "sampled_models", "model_selection", "final_training"}
    assert set(folders) == {path.parent for path in run.rglob("weights.safetensors")}
    for folder in folders:
        onnx, torch = popnas.load(folder), popnas.load(folder, backend="torch")
        np.testing.assert_allclose(onnx.predict_proba(examples), torch.predict_proba(examples), atol=1e-5)
        (found,) = popnas.evaluate(folder)
        y = np.load(data / "test.npz")["y"]
        assert found.metrics["accuracy"] == pytest.approx(np.mean(onnx.predict(examples) == y))
        assert json.loads((folder / "model.json").read_text())["preprocessing"]["has_lengths"]
