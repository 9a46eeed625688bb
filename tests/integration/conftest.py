"""Tiny searches: digits, a few samples, networks of a second; and the command line as users call it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def tiny_config(**changes: Any) -> dict[str, Any]:
    """A search of about twenty networks in a few seconds; `changes` like {"search_space.blocks": 3}."""
    config: dict[str, Any] = {
        "search_space": {"blocks": 2, "lookback_depth": 2, "operators": ["identity", "3x3 conv"]},
        "search_strategy": {"max_children": 3, "max_exploration_children": 1},
        "training_hyperparameters": {"epochs": 1, "learning_rate": 0.01},
        "architecture_hyperparameters": {"filters": 4, "motifs": 2, "normal_cells_per_motif": 1},
        "dataset": {
            "type": "image_classification",
            "name": "digits",
            "batch_size": 32,
            "validation_size": 0.25,
            "samples": 160,
        },
        "others": {"timing": "simulated", "executor": {"kind": "inline"}},
    }
    for place, value in changes.items():
        section, key = place.split(".", 1)
        config[section][key] = value
    return config


class CommandLine:
    """`popnas` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write_config(self, name: str = "config.json", **changes: Any) -> Path:
        path = self.folder / name
        path.write_text(json.dumps(tiny_config(**changes)))
        return path

    def start(self, *arguments: object, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "popnas", *map(str, arguments)],
            cwd=self.folder,
            env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def run(self, *arguments: object, status: int = 0) -> str:
        """Standard output of a call that must end with `status`; its standard error is kept in `errors`."""
        process = self.start(*arguments)
        output, self.errors = process.communicate(timeout=180)
        assert process.returncode == status, f"exit {process.returncode}\n{output}\n{self.errors}"
        return output


@pytest.fixture
def popnas(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


@pytest.fixture(scope="session")
def searched_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished tiny search, made once: copy it before anything is written into it."""
    popnas = CommandLine(tmp_path_factory.mktemp("searched"))
    popnas.run("search", "-j", popnas.write_config(), "--name", "run")
    return popnas.folder / "logs" / "run"


@pytest.fixture
def config() -> Callable[..., dict[str, Any]]:
    return tiny_config
