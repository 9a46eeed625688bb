"""Whether a change of the code leaves what a search finds as it was: tiny searches of images, series and
masks with simulated timing, and what they found written down.

    python tests/equal_searches.py OUT                    # of the popnas that this interpreter imports
    PYTHONPATH=OTHER/src python tests/equal_searches.py OTHER_OUT
    diff -r OUT/found OTHER_OUT/found

`found/` holds of each search its content (`popnas.runs.content`: no times, hosts, workers) and checksums of
the weights that its selection and its candidates left.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

import popnas
from popnas.runs import RunFolder, search_content

SEARCHES: dict[str, dict[str, Any]] = {
    "images": {
        "search_space": {
            "blocks": 3,
            "lookback_depth": 2,
            "operators": ["identity", "3x3 conv", "2x2 maxpool"],
        },
        "architecture_hyperparameters": {"multi_output": True, "se_cell_output": True},
        "dataset": {"type": "image_classification", "name": "digits", "samples": 160, "folds": 2},
        "others": {"confirm": True, "save_children_weights": True},
    },
    "series": {
        "search_space": {"blocks": 2, "lookback_depth": 2, "operators": ["identity", "3 dconv", "lstm"]},
        "architecture_hyperparameters": {"lookback_reshape": True},
        "dataset": {"type": "time_series_classification", "path": "data/series"},
        "others": {"executor": {"kind": "processes", "workers": 2}},
    },
    "masks": {
        "search_space": {"blocks": 2, "lookback_depth": 2, "operators": ["identity", "3x3:2dr conv"]},
        "architecture_hyperparameters": {"macro_architecture": "segmentation_cells"},
        "dataset": {"type": "image_segmentation", "path": "data/masks", "ignore_class": 255},
        "others": {},
    },
}


def write_data(folder: Path) -> None:
    """Series of unequal lengths, and images of two squares with their masks."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 40), ("test", 12)):
        (folder / "series").mkdir(parents=True, exist_ok=True)
        (folder / "masks").mkdir(parents=True, exist_ok=True)
        y_N = np.arange(count) % 2
        lengths_N = rng.integers(20, 33, count)
        x_NLC = rng.normal(size=(count, 32, 2)) + np.sin(np.arange(32) / (2 + y_N[:, None]))[..., None]
        np.savez(folder / "series" / f"{split}.npz", x=x_NLC.astype(np.float32), y=y_N, lengths=lengths_N)
        x_NHWC = rng.integers(0, 60, (count, 16, 20, 3), dtype=np.uint8)
        y_NHW = np.zeros((count, 16, 20), np.uint8)
        for index in range(count):
            for label in (1, 2):
                top, left = rng.integers(0, 10), rng.integers(0, 14)
                y_NHW[index, top : top + 6, left : left + 6] = label
                x_NHWC[index, top : top + 6, left : left + 6, label] += 150
        y_NHW[:, 0] = 255
        np.savez(folder / "masks" / f"{split}.npz", x=x_NHWC, y=y_NHW)


def config_of(name: str) -> dict[str, Any]:
    """A whole configuration."""
    content: dict[str, Any] = {
        "search_strategy": {"max_children": 3, "max_exploration_children": 2},
        "training_hyperparameters": {"epochs": 2, "learning_rate": 0.01, "drop_path": 0.2},
        "architecture_hyperparameters": {"filters": 4, "motifs": 2, "normal_cells_per_motif": 1},
        "dataset": {"batch_size": 16, "validation_size": 0.25},
        "others": {"timing": "simulated", "executor": {"kind": "inline"}, "train_strategy": "CPU"},
    }
    for section, values in SEARCHES[name].items():
        content[section] = content.get(section, {}) | values
    return content


def found_by(name: str) -> dict[str, str]:
    """Run one search and a selection from it, in the folder that we are in."""
    run = popnas.search(config_of(name), name=name).folder
    changes = {"training_hyperparameters": {"epochs": 2}}
    popnas.select(run, popnas.CellChoice(2), partial=changes)
    weights = {
        str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(run.rglob("*.safetensors"))
    }
    lines = [line.replace(str(Path.cwd()), ".") for line in search_content(RunFolder(run).journal.events())]
    return {"content.jsonl": "\n".join(lines), "weights.json": json.dumps(weights, indent=1)}


def main(out: Path) -> None:
    """Write what was found to `out/found`."""
    shutil.rmtree(out, ignore_errors=True)
    write_data(out / "data")
    with contextlib.chdir(out):
        for name in SEARCHES:
            for file, text in found_by(name).items():
                path = Path("found") / name / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
