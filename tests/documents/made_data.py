"""Small data of every kind that the pages speak of, made of random numbers with something to learn."""

from __future__ import annotations

import atexit
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from popnas.cli import main

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


def untested(folder: Path) -> None:
    """`untested/train/CLASS/N.png`: the same photos, without a test split."""
    made = folder / "to_be_untested"
    photos(made)
    shutil.move(made / "photos" / "train", folder / "untested" / "train")
    shutil.rmtree(made)


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


def configuration(folder: Path) -> None:
    """`my.json`: digits, and sizes of a minute."""
    document = {
        "search_space": {"blocks": 2, "lookback_depth": 1, "operators": ["identity", "1x1 conv"]},
        "search_strategy": {"max_children": 2, "max_exploration_children": 0},
        "training_hyperparameters": {"epochs": 1},
        "architecture_hyperparameters": {"filters": 4},
        "dataset": {
            "type": "image_classification",
            "name": "digits",
            "samples": 120,
            "validation_size": 0.25,
            "batch_size": 32,
        },
        "others": {"executor": {"kind": "inline"}, "accuracy_predictor_ensemble_units": 1},
    }
    (folder / "my.json").write_text(json.dumps(document))


def small_space(folder: Path) -> None:
    """`small.json`: what a table is built of, with cells of three blocks."""
    configuration(folder)
    document = json.loads((folder / "my.json").read_text())
    document["search_space"]["blocks"] = 3
    (folder / "small.json").write_text(json.dumps(document))


def nasbench201(folder: Path) -> None:
    """`nasbench201.parquet`: a row per architecture, figures by a formula."""
    import pyarrow
    from pyarrow import parquet

    sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "evaluators"))
    from made_nasbench201 import made

    from popnas.evaluators.nasbench201 import architectures
    from popnas.evaluators.nasbench201.stored import DATA_SETS

    table = made()
    codes = np.arange(len(table.index))
    columns: dict[str, object] = {
        "index": table.index,
        "arch": [architectures.text(edges) for edges in architectures.edges(codes)],
    }
    for place, name in enumerate(DATA_SETS):
        columns |= {
            f"val12_{name}": table.validation_12[place],
            f"test200_{name}": table.test_200[place],
            f"train_time_s_{name}": table.training_seconds[place],
            f"params_{name}": table.params[place],
        }
        for seed in range(3):
            columns[f"val200_s{seed}_{name}"] = table.validation_200[place, :, seed]
    parquet.write_table(pyarrow.table(columns), folder / "nasbench201.parquet")


def nasbench201_npz(folder: Path) -> None:
    """`nasbench201.npz`: the same, as popnas keeps it."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "evaluators"))
    from made_nasbench201 import made

    from popnas.evaluators.nasbench201 import stored

    stored.write(folder / "nasbench201.npz", made())


MAKERS: dict[str, Callable[[Path], None]] = {
    "photos": photos,
    "untested": untested,
    "series": series,
    "csv": csv,
    "masks": masks,
    "my.json": configuration,
    "small.json": small_space,
    "nasbench201.parquet": nasbench201,
    "nasbench201.npz": nasbench201_npz,
}

_SMALL = {
    "search_space.blocks": "1",
    "search_space.lookback_depth": "1",
    "search_space.operators": '["identity"]',
    "training_hyperparameters.epochs": "1",
    "architecture_hyperparameters.filters": "4",
    "others.confirm": "false",
}
_SETTINGS = [word for key, value in _SMALL.items() for word in ("--set", f"{key}={value}")]

SIZES = {
    "search": _SETTINGS,
    "plan": _SETTINGS,
    "e2e": [*_SETTINGS, "-k", "1", "-jms", "one_epoch.json", "-jlt", "one_epoch.json"],
}
"""What is added to a command that trains, so that it takes seconds."""


_EPOCH = {"training_hyperparameters": {"epochs": 1}}
SMALL = {
    "config": {
        **_EPOCH,
        "search_space": {"blocks": 1, "lookback_depth": 1, "operators": ["identity"]},
        "architecture_hyperparameters": {"filters": 4},
    },
    "selection_config": _EPOCH,
    "final_config": _EPOCH,
}
"""The same for `PopnasClassifier`, as a name that blocks of Python know."""


def one_epoch(folder: Path) -> None:
    """`one_epoch.json`, of which `SIZES` speak."""
    (folder / "one_epoch.json").write_text(json.dumps(_EPOCH))


_TASKS = {
    "logs/photos": "photos",
    "logs/untested": "untested",
    "logs/series": "series",
    "logs/scenes": "masks",
}
"""Runs whose pages go on with data of their own; any other is a run on the digits."""


def is_of_digits(place: str) -> bool:
    """Whether the run at a place is on the digits, so that all such are one."""
    return place not in _TASKS


def run_settings(place: str) -> list[str]:
    """The command that makes the run at a place, small enough for a few seconds."""
    kind = _TASKS.get(place)
    sets = _SMALL | {"others.executor.kind": "inline"}
    if kind is None:
        source = "run_debug"
        sets |= {"dataset.samples": "120"}
    else:
        source = {"series": "run_ts", "masks": "run_seg_debug"}.get(kind, "run_debug")
        folder = {"masks": "scenes.small"}.get(kind, kind)
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


@cache
def run_on_digits() -> Path:
    """A run that many pages go on with, made once."""
    folder = Path(tempfile.mkdtemp(prefix="popnas-documents-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    assert main.run(run_settings(str(folder / "digits"))) == 0
    return folder / "digits"


def copied(run: Path, to: Path) -> None:
    """A run, where a page has it."""
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(run, to)


def damage(run: Path) -> None:
    """One letter of the journal is another one."""
    journal = run / "restore" / "journal.jsonl"
    *most, last = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    journal.write_text("".join([*most, last.replace("e", "a", 1)]), encoding="utf-8")


def table_settings(name: str) -> list[str]:
    """The command that builds a table of few cells of `small.json`."""
    return ["bench", "build", "-j", "small.json", "--sample", "3=6", "--repeated", "4", "--name", name]


def grown_settings(name: str) -> list[str]:
    """The command that makes a run of three blocks, from the table of `logs/small`."""
    sets = {
        "search_space.blocks": "3",
        "search_strategy.max_children": "8",
        "search_strategy.max_exploration_children": "0",
        "search_strategy.additional_pareto_objectives": "[]",
        "others.pnas_mode": "true",  # a front may have a single cell, and predictors are asked for three
        "others.evaluator": "table",
        "dataset.path": "logs/small/table.npz",
    }
    options = [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]
    return ["search", "-j", "small.json", "--name", name, *options]
