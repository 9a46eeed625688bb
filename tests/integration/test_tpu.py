"""A search and what follows it by torch-xla, on the CPU that it drives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

SETS = {
    "search_space": {"blocks": 1, "operators": ["3x3 conv"], "lookback_depth": 1},
    "training_hyperparameters": {"epochs": 2, "drop_path": 0.3},
}
STAGE = ("--set", "training_hyperparameters.epochs=6")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(find_spec("torch_xla") is None, reason="torch-xla is not installed (docs/gpu.md)")
def test_a_search_and_all_that_follows_it(tmp_path: Path, tiny_config: Any) -> None:
    config = {**tiny_config(**{"others.train_strategy": "TPU", "others.timing": "measured"}), **SETS}
    (tmp_path / "tpu.json").write_text(json.dumps(config))
    for command in (
        ("search", "-j", "tpu.json", "--name", "run"),
        ("select", "-p", "logs/run", "-k", "1", *STAGE),
        ("train", "-p", "logs/run", *STAGE),
        ("evaluate", "-p", "logs/run", "-f", "final_training"),
    ):
        ended = subprocess.run(
            [sys.executable, "-m", "popnas", *command],
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PJRT_DEVICE": "CPU"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
    run = tmp_path / "logs" / "run"
    lines = [json.loads(line) for line in (run / "restore" / "journal.jsonl").read_text().splitlines()]
    found = [line["content"] for line in lines if line["event"] == "evaluation"]
    assert [each.get("error") for each in found] == [None, None]
    # Compiling takes many times as long.
    assert all(0.0 < each["training_seconds"] < 5.0 for each in found)
    (selected,) = (run / "model_selection").glob("0-*")
    for model in (run / "best_model", selected, run / "final_training"):
        assert (model / "model.onnx").is_file()
        if model != run / "best_model":
            assert json.loads((model / "training.json").read_text())["device"] == "xla:0"
