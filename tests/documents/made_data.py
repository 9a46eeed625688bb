"""Small data of every kind that the pages speak of, made of random numbers with something to learn."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

_SIZE = 24


def photos(folder: Path) -> None:
    """`photos/SPLIT/CLASS/N.png`: dark cats and bright dogs."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 30), ("test", 6)):
        for label, light in (("cat", 60), ("dog", 160)):
            place = folder / "photos" / split / label
            place.mkdir(parents=True)
            for index in range(count):
                x_HWC = rng.integers(light - 50, light + 50, (_SIZE, _SIZE, 3), dtype=np.uint8)
                Image.fromarray(x_HWC).save(place / f"{index}.png")


def series(folder: Path) -> None:
    """`series/SPLIT.npz`: two frequencies in two channels of 50 timesteps."""
    rng = np.random.default_rng(0)
    (folder / "series").mkdir()
    for split, count in (("train", 60), ("test", 20)):
        y_N = np.arange(count) % 2
        phase_N1 = rng.uniform(0, 6, (count, 1))
        wave_NT = np.sin(np.arange(50) * (0.2 + 0.3 * y_N[:, None]) + phase_N1)
        x_NTC = np.stack([wave_NT, -wave_NT], axis=2) + rng.normal(0, 0.1, (count, 50, 2))
        np.savez(
            folder / "series" / f"{split}.npz", x=x_NTC.astype(np.float32), y=np.array(["slow", "fast"])[y_N]
        )


def csv(folder: Path) -> None:
    """`sensor.csv`: a label, then 30 values, in each of 40 rows."""
    rng = np.random.default_rng(0)
    rows = [",".join(["label", *(f"t{step}" for step in range(30))])]
    for index in range(40):
        values = rng.normal(index % 2, 1, 30)
        rows.append(",".join([("idle", "busy")[index % 2], *(f"{value:.3f}" for value in values)]))
    (folder / "sensor.csv").write_text("\n".join(rows) + "\n")


def masks(folder: Path) -> None:
    """`scenes/SPLIT/images`, `masks`: a bright square is class 1."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 24), ("test", 6)):
        places = [folder / "scenes" / split / kind for kind in ("images", "masks")]
        for place in places:
            place.mkdir(parents=True)
        for index in range(count):
            y_HW = np.zeros((40, 48), dtype=np.uint8)
            top, left = rng.integers(0, 20, 2)
            y_HW[top : top + 16, left : left + 16] = 1
            x_HWC = (y_HW[..., None] * 120 + rng.integers(0, 100, (40, 48, 3))).astype(np.uint8)
            Image.fromarray(x_HWC).save(places[0] / f"{index}.png")
            Image.fromarray(y_HW).save(places[1] / f"{index}.png")


MAKERS: dict[str, Callable[[Path], None]] = {"photos": photos, "series": series, "csv": csv, "masks": masks}

_TASKS = {"logs/photos": "photos", "logs/series": "series", "logs/scenes": "masks"}
"""Runs whose pages go on with data of their own; any other is a run on the digits."""


def is_of_digits(place: str) -> bool:
    """Whether the run at a place is on the digits, so that all such are one."""
    return place not in _TASKS


def run_settings(place: str) -> list[str]:
    """The command that makes the run at a place, small enough for a few seconds."""
    kind = _TASKS.get(place)
    sets = {
        "search_space.blocks": "1",
        "search_space.lookback_depth": "1",
        "search_space.operators": '["identity"]',
        "training_hyperparameters.epochs": "1",
        "architecture_hyperparameters.filters": "4",
        "others.executor.kind": "inline",
        "others.confirm": "false",
    }
    if kind is None:
        source = "run_debug"
        sets |= {"dataset.samples": "120"}
    else:
        source = {"photos": "run_debug", "series": "run_ts", "masks": "run_seg_debug"}[kind]
        folder = {"photos": "photos", "series": "series", "masks": "scenes.small"}[kind]
        sets |= {"dataset.path": folder, "dataset.name": "null", "dataset.samples": "null"}
        if kind == "masks":
            sets |= {
                "dataset.validation_size": "0.2",
                "dataset.ignore_class": "null",
                "dataset.resize": '{"width": 16, "height": 16}',
            }
    folder_of_runs, _, name = place.rpartition("/")
    options = [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]
    return ["search", "-j", source, "--name", name, "--logs", folder_of_runs, *options]


def copied(run: Path, to: Path) -> None:
    """A run, where a page has it."""
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(run, to)
